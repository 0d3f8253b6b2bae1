/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A worker of rounds that lies as little as one can, for a test of audits, never installed: the
 * first number of each new model is the next larger one. The linker has it called in place of
 * what writes a model. */

#include <math.h>

#include "fl/model.h"

void __real_ks_fl_model_write(const struct ks_fl_model *model, const float *values,
                              struct ks_buf *out);
void __wrap_ks_fl_model_write(const struct ks_fl_model *model, const float *values,
                              struct ks_buf *out);

void __wrap_ks_fl_model_write(const struct ks_fl_model *model, const float *values,
                              struct ks_buf *out)
{
    float *others = ks_calloc(model->params, sizeof *others);

    KS_ASSERT(others != NULL && model->params > 0);
    for (size_t i = 0; i < model->params; i++) {
        others[i] = i == 0 ? nextafterf(values[i], INFINITY) : values[i];
    }
    __real_ks_fl_model_write(model, others, out);
    ks_free(others);
}
