/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/model.h"

#include "base/tensors.h"
#include "crypto/digest.h"

#define LABEL_SHAPE "ketseal/fl-shape/1\n"

_Static_assert(KS_FL_MODEL_HEADER_MAX == KS_TENSORS_HEADER_MAX, "a header that can be read");

/* The table's hash; how many numbers there are in all. */
static enum ks_err read_table(const struct ks_tensors *tensors, size_t params_max,
                              struct ks_fl_model *model)
{
    enum ks_err err = KS_OK;
    struct ks_buf table;

    ks_buf_init(&table, 2 * KS_FL_MODEL_HEADER_MAX);
    ks_buf_put_text(&table, LABEL_SHAPE);
    for (size_t i = 0; i < ks_tensors_count(tensors); i++) {
        const struct ks_tensor *tensor = ks_tensors_at(tensors, i);
        const size_t count = tensor->data.len / sizeof(float);

        KS_CHECK(tensor->dtype == KS_DTYPE_F32, KS_ERR_FORMAT,
                 "tensor '%.*s' is of %s: models that are aggregated are of F32",
                 (int)tensor->name.len, (const char *)tensor->name.data,
                 ks_dtype_name(tensor->dtype));
        KS_CHECK(count <= params_max - model->params, KS_ERR_LIMIT,
                 "the model has over %zu numbers", params_max);
        model->params += count;
        ks_buf_put_lp16(&table, tensor->name);
        ks_buf_put_u8(&table, (uint8_t)tensor->dims);
        for (unsigned side = 0; side < tensor->dims; side++) {
            ks_buf_put_u64(&table, tensor->shape[side]);
        }
    }
    KS_CHECK(model->params > 0, KS_ERR_FORMAT, "the model has no numbers");
    KS_TRY(ks_buf_check(&table));
    ks_sha256(ks_buf_view(&table), model->shape);
out:
    ks_buf_done(&table);
    return err;
}

static enum ks_err check_values(const struct ks_fl_model *model)
{
    enum ks_err err = KS_OK;
    float *values = ks_calloc(model->params, sizeof *values);

    KS_CHECK(values != NULL, KS_ERR_NOMEM, "%zu numbers", model->params);
    ks_fl_model_values(model, values);
    KS_TRY(ks_fl_check_finite(values, model->params));
out:
    ks_free(values);
    return err;
}

enum ks_err ks_fl_model_read(struct ks_bytes file, size_t params_max,
                             struct ks_fl_model *out_model)
{
    enum ks_err err = KS_OK;
    struct ks_fl_model model = {.file = file};
    struct ks_tensors *tensors = NULL;

    KS_TRY(ks_tensors_read(file, KS_FL_MODEL_HEADER_MAX + sizeof(float) * params_max + 8,
                           &tensors));
    KS_TRY(read_table(tensors, params_max, &model));
    KS_TRY(check_values(&model));
    ks_sha256(file, model.hash);
    *out_model = model;
out:
    ks_tensors_free(tensors);
    return ks_fail_prefix(err, "model");
}

/* The tensors cover the bytes behind the header once each, and nothing else does. */
static struct ks_bytes header_of(const struct ks_fl_model *model)
{
    return ks_bytes_of(model->file.data, model->file.len - model->params * sizeof(float));
}

void ks_fl_model_values(const struct ks_fl_model *model, float *out_values)
{
    const size_t begin = header_of(model).len;

    /* Little-endian, as the machines are that this is built for (base/tensors.h). */
    ks_copy(out_values, model->file.data + begin, model->params * sizeof(float));
}

void ks_fl_model_write(const struct ks_fl_model *model, const float *values, struct ks_buf *out)
{
    ks_buf_put(out, header_of(model));
    ks_buf_put(out, ks_tensor_data(values, model->params));
}
