/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* model.h: the file of a global model (docs/formats/safetensors.md) as aggregation sees it: its
 * numbers in the order of their bytes, and the hash of what they belong to. All are floats; a
 * new model is the old file with other numbers, so that names, shapes and description stay.
 * Pure; any thread. */
#ifndef KS_FL_MODEL_H
#define KS_FL_MODEL_H

#include "base/buf.h"
#include "fl/vector.h"

#define KS_FL_MODEL_HEADER_MAX ((size_t)1 << 20)

struct ks_fl_model {
    struct ks_bytes file; /* borrowed */
    size_t params;        /* at least 1 */
    uint8_t shape[KS_FL_HASH_LEN];
    uint8_t hash[KS_FL_HASH_LEN]; /* SHA-256 of the file: the model's name */
};

/* KS_ERR_FORMAT for a file that is none, tensors of another type than F32, a number that is not
 * finite; KS_ERR_LIMIT above PARAMS_MAX numbers. */
KS_MUST_CHECK enum ks_err ks_fl_model_read(struct ks_bytes file, size_t params_max,
                                           struct ks_fl_model *out_model);
/* Its numbers to OUT_VALUES. */
void ks_fl_model_values(const struct ks_fl_model *model, float *out_values);
/* Appends the file of the model that has VALUES instead. */
void ks_fl_model_write(const struct ks_fl_model *model, const float *values,
                       struct ks_buf *out);

#endif
