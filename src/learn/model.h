/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* model.h: what a network is: its layers, the names and shapes of its parameters, their first
 * values and their file. Hides how shapes follow from layers. Pure.
 *
 * The parameters of a model are one flat array of floats in the order of ks_model_tensor, which
 * is the order, and have the names and shapes, of PyTorch's state_dict of the same layers: a
 * file of ours is loaded there as it is, and one from there here. */
#ifndef KS_LEARN_MODEL_H
#define KS_LEARN_MODEL_H

#include "base/tensors.h"

#define KS_LAYERS_MAX        32
#define KS_MODEL_NAME_MAX    31
#define KS_MODEL_PARAMS_MAX  ((size_t)1 << 26)
#define KS_MODEL_TENSORS_MAX (4 * KS_LAYERS_MAX)
#define KS_MODEL_CARD_MAX    65536 /* bytes of a card */

enum ks_layer_kind {
    KS_LAYER_CONV,  /* units filters of size x size, stride 1, padding */
    KS_LAYER_POOL,  /* largest of size x size, stride size */
    KS_LAYER_MEAN,  /* mean of size x size, stride size */
    KS_LAYER_DENSE, /* units, of all inputs */
    KS_LAYER_GRU,   /* units; over the steps of a series; its last state goes on */
    KS_LAYER_RELU,
    KS_LAYER_TANH,
    KS_LAYER_DROPOUT,         /* rate, in training only; what is kept is scaled up */
    KS_LAYER_CHANNEL_DROPOUT, /* the same of whole channels of an image (Tompson et al. 2015) */
};

struct ks_layer_spec {
    enum ks_layer_kind kind;
    unsigned units;
    unsigned size;
    unsigned padding;
    double rate;
};

enum ks_loss {
    KS_LOSS_CLASSES, /* softmax and cross entropy */
    KS_LOSS_SQUARED, /* mean squared error of one output */
};

struct ks_model_spec {
    char name[KS_MODEL_NAME_MAX + 1];
    unsigned dims;     /* 3: {channels, height, width}; 2: {steps, features} */
    unsigned input[3]; /* of a sample */
    enum ks_loss loss;
    unsigned layers;
    struct ks_layer_spec layer[KS_LAYERS_MAX];
};

/* The models that have a name, for inputs of DIMS and INPUT and as many OUTPUTS (the classes,
 * or 1): lenet5, mnist-cnn, mcmahan-cnn, mlp; gru, linear, which predict one number.
 * KS_ERR_NOT_FOUND names those that there are. */
KS_MUST_CHECK enum ks_err ks_model_named(const char *name, unsigned dims,
                                         const unsigned input[3], unsigned outputs,
                                         struct ks_model_spec *out_spec);
/* "conv", "dense", …, as descriptions of models write them; NULL beyond the last. */
const char *ks_layer_name(enum ks_layer_kind kind);

struct ks_model;

/* KS_ERR_USAGE: layers that do not fit one another or the input; KS_ERR_LIMIT. Errors name the
 * layer. */
KS_MUST_CHECK enum ks_err ks_model_new(const struct ks_model_spec *spec,
                                       struct ks_model **out_model);
void ks_model_free(struct ks_model *model); /* NULL is fine */
const struct ks_model_spec *ks_model_spec(const struct ks_model *model);
unsigned ks_model_outputs(const struct ks_model *model);

/* --- parameters --------------------------------------------------------------------------- */

struct ks_model_tensor {
    char name[32]; /* "conv1.weight" */
    unsigned dims;
    uint64_t shape[4];
    size_t offset; /* in the flat array */
    size_t count;
    size_t fan_in; /* inputs of one unit: bounds the first values */
};
size_t ks_model_params(const struct ks_model *model); /* floats in all */
unsigned ks_model_tensors(const struct ks_model *model);
const struct ks_model_tensor *ks_model_tensor(const struct ks_model *model, unsigned index);
/* Uniform within 1 / sqrt(fan in), as PyTorch's layers begin; the same for a seed everywhere.
 */
void ks_model_init(const struct ks_model *model, uint64_t seed, float *params);
/* KS_ERR_FORMAT with the name and place of the first parameter that is a NaN or an infinity. */
KS_MUST_CHECK enum ks_err ks_model_check(const struct ks_model *model, const float *params);

/* --- the file ----------------------------------------------------------------------------- */

/* A safetensors file with the model's description in its metadata ("ketseal.model") and CARD,
 * canonical JSON of how it came about ("ketseal.card"; empty: none). */
void ks_model_write(const struct ks_model *model, const float *params, struct ks_bytes card,
                    struct ks_buf *out);
/* The model that a file describes, its parameters (*OUT_PARAMS is the caller's) and card (a
 * view into BYTES' copy in OUT_CARD). KS_ERR_FORMAT, by name: a tensor that is missing,
 * unknown, of another shape or type, a number that is none; KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_model_read(struct ks_bytes bytes, struct ks_model **out_model,
                                        float **out_params, struct ks_buf *out_card);
/* KS_ERR_FORMAT where a file describes a model and its numbers lie in another order than the
 * model's, in which federated learning adds updates to them. KS_OK for a file that describes
 * none: whoever trains that knows its order. */
KS_MUST_CHECK enum ks_err ks_model_check_order(struct ks_bytes bytes);
/* The parameters of MODEL from a file of whatever origin, in any order of tensors. */
KS_MUST_CHECK enum ks_err ks_model_read_params(const struct ks_model *model,
                                               struct ks_bytes bytes, float *params);

#endif
