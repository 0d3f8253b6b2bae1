/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* internal.h: a model as the arithmetic sees it, and the arithmetic in both precisions.
 * Internal to learn and to its tests. */
#ifndef KS_LEARN_INTERNAL_H
#define KS_LEARN_INTERNAL_H

#include "base/pool.h"
#include "learn/dataset.h"
#include "learn/model.h"

#define KS_ACTIVATIONS_MAX ((size_t)1 << 22) /* numbers between two layers, of one sample */

/* What a random number decides: the last word of Philox's counter. */
enum ks_learn_draw {
    KS_DRAW_INIT = 1,
    KS_DRAW_ORDER = 2,
    KS_DRAW_DROPOUT = 3,
    KS_DRAW_SPLIT = 4,
    KS_DRAW_CITY = 5,
};

/* Puts 0 to COUNT - 1 into ORDER, shuffled. */
void ks_learn_shuffle(uint64_t seed, uint32_t purpose, uint32_t round, uint32_t *order,
                      size_t count);

/* Which numbers of a layer's input one sample keeps in one step. */
struct ks_dropout {
    uint64_t seed;
    uint64_t step;
    uint32_t sample; /* of the batch */
    uint32_t layer;
    double rate;
};
void ks_dropout_draw(const struct ks_dropout *draw, uint8_t *out_kept, size_t count);

struct ks_layer {
    struct ks_layer_spec spec;
    unsigned in_dims;
    unsigned in[3];
    size_t in_size;
    unsigned out_dims;
    unsigned out[3];
    size_t out_size;
    unsigned tensors; /* of its parameters */
    size_t params;    /* where they begin */
    size_t params_count;
};

struct ks_model {
    struct ks_model_spec spec;
    unsigned outputs;
    size_t params;
    unsigned tensors;
    struct ks_model_tensor tensor[KS_MODEL_TENSORS_MAX];
    struct ks_layer layer[KS_LAYERS_MAX];
};

/* The arithmetic of a network in one precision. All memory is taken when it is made. Numbers
 * are floats or doubles, as the instance says; parameters and gradients are in the order of the
 * model. */
struct ks_net;

struct ks_net_batch {
    size_t count;          /* samples: at most the net's batch */
    const void *inputs;    /* count * size of a sample */
    const uint8_t *labels; /* KS_LOSS_CLASSES */
    const float *targets;  /* KS_LOSS_SQUARED */
    bool training;         /* dropout drops */
    uint64_t seed;         /* of dropout, with STEP */
    uint64_t step;
};

struct ks_net_result {
    double loss;    /* sum over the samples */
    size_t correct; /* samples whose largest output is their label */
};

struct ks_net_kind {
    size_t number_size;
    enum ks_err (*make)(const struct ks_model *model, size_t batch, struct ks_pool *pool,
                        struct ks_net **out_net);
    void (*free)(struct ks_net *net);
    /* The outputs of the batch, count * outputs numbers, borrowed until the next call. With
     * RESULT, losses besides; then the batch has labels or targets. */
    const void *(*forward)(struct ks_net *net, const void *params,
                           const struct ks_net_batch *batch, struct ks_net_result *result);
    /* Both ways; the gradient of the mean loss. */
    void (*gradient)(struct ks_net *net, const void *params, const struct ks_net_batch *batch,
                     void *out_gradient, struct ks_net_result *result);
};
extern const struct ks_net_kind ks_net_single;
extern const struct ks_net_kind ks_net_double;
extern const struct ks_net_kind ks_net_avx512; /* floats; on such CPUs */
extern const struct ks_net_kind ks_net_avx2;

/* What does the arithmetic of floats, the best first; the last one is everywhere. */
struct ks_net_choice {
    const char *name;
    const struct ks_net_kind *kind;
    bool (*is_here)(void);
};
extern const struct ks_net_choice ks_net_choices[]; /* ends with a NULL name */

#endif
