/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A model's file: what is read is whole, and is written and read again as the same. */
#include "learn/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_model *model = NULL;
    struct ks_model *other = NULL;
    float *params = NULL;
    float *again = NULL;
    struct ks_buf card;
    struct ks_buf other_card;
    struct ks_buf file;

    ks_buf_init(&card, KS_MODEL_CARD_MAX);
    ks_buf_init(&other_card, KS_MODEL_CARD_MAX);
    ks_buf_init(&file, KS_TENSORS_BYTES_MAX);
    if (size <= 65536 &&
        ks_model_read(ks_bytes_of(data, size), &model, &params, &card) == KS_OK) {
        KS_ASSERT(ks_model_check(model, params) == KS_OK);
        ks_model_write(model, params, ks_buf_view(&card), &file);
        KS_ASSERT(file.err == KS_OK);
        if (ks_model_read(ks_buf_view(&file), &other, &again, &other_card) != KS_OK) {
            KS_ASSERT(false);
        }
        KS_ASSERT(ks_bytes_equal(ks_tensor_data(params, ks_model_params(model)),
                                 ks_tensor_data(again, ks_model_params(other))));
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&card), ks_buf_view(&other_card)));
    }
    ks_model_free(model);
    ks_model_free(other);
    ks_free(params);
    ks_free(again);
    ks_buf_done(&card);
    ks_buf_done(&other_card);
    ks_buf_done(&file);
    return 0;
}
