/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What is kept between rounds: its last 32 bytes are made right, so that what is behind the
 * hash is reached; what is read is written again as the same bytes. Read as of 1 to 4 numbers.
 */
#include "fl/state.h"

#include "right_hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_fl_state read = {0};
    struct ks_buf bytes;
    struct ks_buf again;

    for (size_t params = 1; params <= 4; params++) {
        if (!right_hash(data, size, &bytes)) {
            return 0;
        }
        ks_buf_init(&again, RIGHT_HASH_MAX);
        if (ks_fl_state_read(ks_buf_view(&bytes), params, &read) == KS_OK) {
            KS_ASSERT(read.params == params);
            KS_ASSERT(bytes.len <= ks_fl_state_bytes(params, true, KS_FL_FEDADAM));
            ks_fl_state_write(&read, &again);
            KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_buf_view(&bytes)));
        }
        ks_fl_state_done(&read);
        ks_buf_done(&bytes);
        ks_buf_done(&again);
    }
    return 0;
}
