/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A checkpoint of a sum: its last 32 bytes are made right, so that what is behind the hash is
 * reached; what is read is written again as the same bytes, and can be added to. */
#include <math.h>

#include "fl/accumulate.h"
#include "right_hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void use(struct ks_fl_accumulator *read)
{
    const size_t params = ks_fl_accumulator_params(read)->params;
    struct ks_fl_member member = {.client = {0xfe, 0xed}, .weight = 3};
    float *values = ks_calloc(params, sizeof *values);

    KS_ASSERT(values != NULL);
    if (ks_fl_accumulator_add(read, &member, values, 1, NULL) == KS_OK) {
        KS_ASSERT(ks_fl_accumulator_mean(read, 0, values) == KS_OK);
        for (size_t i = 0; i < params; i++) {
            KS_ASSERT(isfinite(values[i]));
        }
    }
    ks_free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_fl_accumulator *read = NULL;
    struct ks_buf bytes;
    struct ks_buf again;

    if (!right_hash(data, size, &bytes)) {
        return 0;
    }
    ks_buf_init(&again, RIGHT_HASH_MAX);
    if (ks_fl_accumulator_read(ks_buf_view(&bytes), 64, &read) == KS_OK) {
        ks_fl_accumulator_write(read, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_buf_view(&bytes)));
        use(read);
        ks_fl_accumulator_free(read);
    }
    ks_buf_done(&bytes);
    ks_buf_done(&again);
    return 0;
}
