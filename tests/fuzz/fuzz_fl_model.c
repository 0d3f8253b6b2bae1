/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The file of a global model: what is read has its numbers behind its header, and is written
 * again as the same bytes. */
#include "fl/model.h"

#define PARAMS_MAX 65536

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static float values[PARAMS_MAX];
    struct ks_fl_model model;
    struct ks_buf again;

    if (ks_fl_model_read(ks_bytes_of(data, size), PARAMS_MAX, &model) != KS_OK) {
        return 0;
    }
    KS_ASSERT(model.params >= 1 && model.params <= PARAMS_MAX);
    KS_ASSERT(model.params * sizeof values[0] < size);
    ks_fl_model_values(&model, values);
    KS_ASSERT(ks_fl_check_finite(values, model.params) == KS_OK);
    ks_buf_init(&again, size);
    ks_fl_model_write(&model, values, &again);
    KS_ASSERT(ks_buf_check(&again) == KS_OK);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&again), ks_bytes_of(data, size)));
    ks_buf_done(&again);
    return 0;
}
