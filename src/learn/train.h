/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* train.h: from parameters to better ones. Hides the arithmetic of layers, its memory and its
 * threads. Pure; a trainer belongs to one thread, and takes memory when it is made, never in a
 * step.
 *
 * The same samples, parameters, seed and number of threads on the same machine give the same
 * bits. Another CPU may round otherwise, since kernels are chosen by it: a training
 * run is not replayed elsewhere, and no document may claim so. */
#ifndef KS_LEARN_TRAIN_H
#define KS_LEARN_TRAIN_H

#include "base/pool.h"
#include "learn/dataset.h"
#include "learn/model.h"

#define KS_BATCH_MAX 8192

/* What does the arithmetic here, "avx512, OpenBLAS SkylakeX": on it the bits of a training run
 * depend. The second part is what OpenBLAS has taken this CPU for; it does recurrent layers. */
#define KS_TRAIN_KERNEL_MAX 64
void ks_train_kernel(char target[KS_TRAIN_KERNEL_MAX]);
/* The names of what there is here, the best first; NULL beyond the last. */
const char *ks_train_kernel_name(unsigned index);

enum ks_optimiser { KS_OPTIMISER_SGD, KS_OPTIMISER_ADAM };

struct ks_train_params {
    enum ks_optimiser optimiser;
    unsigned batch;      /* samples of a step: 1 to KS_BATCH_MAX */
    double rate;         /* above 0 */
    double momentum;     /* of SGD: 0 to below 1 */
    double beta1, beta2; /* of Adam; 0.9, 0.999 serve */
    double weight_decay; /* added to the gradient, times the parameter; not below 0 */
    double clip_norm;    /* largest length of a gradient; 0: any */
    double proximal;    /* FedProx: the gradient of mu/2 |w - anchor|^2 is added; not below 0 */
    uint64_t seed;      /* of order and dropout */
    const char *kernel; /* one of ks_train_kernel_name; NULL: the best. For tests, benches */
};
#define KS_TRAIN_DEFAULTS                                                                      \
    ((struct ks_train_params){.batch = 32, .rate = 0.05, .beta1 = 0.9, .beta2 = 0.999})

struct ks_trainer;

/* KS_ERR_USAGE names the parameter that is out of range. POOL may be NULL; it is borrowed. */
KS_MUST_CHECK enum ks_err ks_trainer_new(const struct ks_model *model,
                                         const struct ks_train_params *params,
                                         struct ks_pool *pool, struct ks_trainer **out_trainer);
void ks_trainer_free(struct ks_trainer *trainer); /* NULL is fine */
/* Forgets momentum and moments, and counts steps from 0 under SEED: another client's turn. */
void ks_trainer_reset(struct ks_trainer *trainer, uint64_t seed);

/* Some of SAMPLES, in this order; INDICES NULL: the first COUNT. */
struct ks_subset {
    const struct ks_samples *samples;
    const uint32_t *indices;
    size_t count;
};

/* Mean loss of the samples, the share of right labels (0 where there are none), and the length
 * of the last gradient before it was cut. */
struct ks_train_stats {
    double loss;
    double accuracy;
    double gradient_norm;
};

/* One step for SUBSET (at most a batch, asserted): changes PARAMS. ANCHOR is what the proximal
 * term pulls to; NULL: none. KS_ERR_USAGE: samples that are not the model's; KS_ERR_FORMAT:
 * the loss is no number any more. */
KS_MUST_CHECK enum ks_err ks_train_step(struct ks_trainer *trainer,
                                        const struct ks_subset *subset, const float *anchor,
                                        float *params, struct ks_train_stats *out_stats);
/* Each sample once in an order that follows from seed and EPOCH, in batches. */
KS_MUST_CHECK enum ks_err ks_train_epoch(struct ks_trainer *trainer,
                                         const struct ks_subset *subset, unsigned epoch,
                                         const float *anchor, float *params,
                                         struct ks_train_stats *out_stats);
/* The gradient of the mean loss alone, for those who step themselves: one float for each
 * parameter. Neither decay, clipping nor proximal term. */
KS_MUST_CHECK enum ks_err ks_train_gradient(struct ks_trainer *trainer,
                                            const struct ks_subset *subset, const float *params,
                                            float *out_gradient,
                                            struct ks_train_stats *out_stats);

/* What PARAMS are worth. Errors are those of TARGETS' own unit of measure. */
struct ks_test_stats {
    double loss;
    double accuracy;
    double mean_absolute; /* error, where there are targets */
    double root_mean_square;
};
KS_MUST_CHECK enum ks_err ks_train_evaluate(struct ks_trainer *trainer,
                                            const struct ks_subset *subset, const float *params,
                                            struct ks_test_stats *out_stats);
/* The outputs for SUBSET, ks_model_outputs() floats for each sample. */
KS_MUST_CHECK enum ks_err ks_train_predict(struct ks_trainer *trainer,
                                           const struct ks_subset *subset, const float *params,
                                           float *out_outputs);

#endif
