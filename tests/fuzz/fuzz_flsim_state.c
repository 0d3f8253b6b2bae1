/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The state of a simulated session of three clients and three numbers: its last 32 bytes are
 * made right, so that what is behind the hash is reached; what is read is written again as the
 * same bytes. */
#include "cli/flsim_state.h"
#include "right_hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_flsim_state state;
    struct ks_buf bytes;
    struct ks_buf again;

    if (!right_hash(data, size, &bytes)) {
        return 0;
    }
    ks_buf_init(&again, RIGHT_HASH_MAX);
    if (ks_flsim_state_init(&state, 3, 3) == KS_OK) {
        if (ks_flsim_state_read(ks_buf_view(&bytes), &state) == KS_OK) {
            ks_flsim_state_write(&state, &again);
            KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_buf_view(&bytes)));
        }
        ks_flsim_state_done(&state);
    }
    ks_buf_done(&bytes);
    ks_buf_done(&again);
    return 0;
}
