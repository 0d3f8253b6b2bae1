/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* An update: what is read is written again as the same bytes, is decoded into finite numbers,
 * and these encoded again by f32 are themselves. */
#include <math.h>

#include "fl/update.h"

/* topk announces more in a few bytes, and is not to take gigabytes. */
#define PARAMS_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode(const struct ks_fl_update *update)
{
    const size_t count = update->subject.params;
    const struct ks_fl_encode plain = {.encoding = KS_FL_F32};
    float *values = ks_calloc(count, sizeof *values);
    struct ks_buf bytes;

    KS_ASSERT(values != NULL);
    ks_buf_init(&bytes, PARAMS_MAX * sizeof *values);
    ks_fl_decode(update->encoding, update->payload, count, values);
    for (size_t i = 0; i < count; i++) {
        KS_ASSERT(isfinite(values[i]));
    }
    KS_ASSERT(ks_fl_encode(&plain, values, count, &bytes) == KS_OK);
    if (update->encoding == KS_FL_F32) {
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&bytes), update->payload));
    }
    ks_buf_done(&bytes);
    ks_free(values);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_fl_update update = {0};
    struct ks_buf again;

    ks_buf_init(&again, 1 << 20);
    if (ks_fl_update_read(ks_bytes_of(data, size), &update) == KS_OK) {
        ks_fl_update_write(&update, &again);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
        if (update.subject.params <= PARAMS_MAX) {
            decode(&update);
        }
    }
    ks_buf_done(&again);
    return 0;
}
