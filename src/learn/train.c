/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "learn/train.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "learn/internal.h"

#define EVALUATED_MIN 64 /* samples at a time, where training takes fewer */
#define ADAM_EPSILON  1e-8F

struct ks_trainer {
    const struct ks_model *model;
    struct ks_train_params params;
    struct ks_pool *pool;
    const struct ks_net_kind *kind;
    struct ks_net *net;
    size_t batch; /* of the net */
    uint64_t step;
    float *inputs; /* of a batch */
    uint8_t *labels;
    float *targets;
    float *gradient;
    float *velocity; /* momentum, or Adam's first moment; NULL: none */
    float *square;   /* Adam's second moment */
    double *norms;   /* of each slice */
    uint32_t *order; /* of an epoch */
    size_t order_max;
    /* One update. */
    float *changed;
    const float *anchor;
    float scale;
    float first_scale;
    float second_scale;
};

/* The choice called NAME, or the best; NULL: not here. */
static const struct ks_net_choice *choose(const char *name)
{
    for (const struct ks_net_choice *choice = ks_net_choices; choice->name != NULL; choice++) {
        if (choice->is_here() && (name == NULL || strcmp(name, choice->name) == 0)) {
            return choice;
        }
    }
    return NULL;
}

void ks_train_kernel(char target[KS_TRAIN_KERNEL_MAX])
{
    const char *name = choose(NULL)->name;

    if (strcmp(name, "openblas") == 0) {
        (void)snprintf(target, KS_TRAIN_KERNEL_MAX, "OpenBLAS %s", openblas_get_corename());
    } else {
        (void)snprintf(target, KS_TRAIN_KERNEL_MAX, "%s, OpenBLAS %s", name,
                       openblas_get_corename());
    }
}

const char *ks_train_kernel_name(unsigned index)
{
    for (const struct ks_net_choice *choice = ks_net_choices; choice->name != NULL; choice++) {
        if (choice->is_here() && index-- == 0) {
            return choice->name;
        }
    }
    return NULL;
}

static enum ks_err check_params(const struct ks_train_params *params)
{
    enum ks_err err = KS_OK;

    KS_CHECK(params->optimiser == KS_OPTIMISER_SGD || params->optimiser == KS_OPTIMISER_ADAM,
             KS_ERR_USAGE, "optimiser: SGD or Adam");
    KS_CHECK(params->batch >= 1 && params->batch <= KS_BATCH_MAX, KS_ERR_USAGE,
             "batch: 1 to %d", KS_BATCH_MAX);
    KS_CHECK(params->rate > 0 && params->rate <= 1000, KS_ERR_USAGE, "rate: above 0, to 1000");
    KS_CHECK(params->momentum >= 0 && params->momentum < 1, KS_ERR_USAGE,
             "momentum: 0 to below 1");
    KS_CHECK(params->beta1 >= 0 && params->beta1 < 1 && params->beta2 >= 0 && params->beta2 < 1,
             KS_ERR_USAGE, "Adam's betas: 0 to below 1");
    KS_CHECK(params->weight_decay >= 0 && params->weight_decay <= 1000, KS_ERR_USAGE,
             "weight decay: 0 to 1000");
    KS_CHECK(params->clip_norm >= 0 && isfinite(params->clip_norm), KS_ERR_USAGE,
             "clip norm: 0 or more");
    KS_CHECK(params->proximal >= 0 && params->proximal <= 1000, KS_ERR_USAGE,
             "proximal: 0 to 1000");
out:
    return err;
}

enum ks_err ks_trainer_new(const struct ks_model *model, const struct ks_train_params *params,
                           struct ks_pool *pool, struct ks_trainer **out_trainer)
{
    enum ks_err err = KS_OK;
    struct ks_trainer *trainer = ks_calloc(1, sizeof *trainer);
    const struct ks_net_choice *choice = NULL;
    const bool adam = params->optimiser == KS_OPTIMISER_ADAM;
    const size_t count = model->params;
    const size_t batch = params->batch < EVALUATED_MIN ? EVALUATED_MIN : params->batch;

    KS_CHECK(trainer != NULL, KS_ERR_NOMEM, "trainer");
    *trainer = (struct ks_trainer){.model = model, .params = *params, .pool = pool};
    KS_TRY(check_params(params));
    choice = choose(params->kernel);
    KS_CHECK(choice != NULL, KS_ERR_NOT_FOUND, "no kernel '%s' here", params->kernel);
    trainer->kind = choice->kind;
    trainer->batch = batch;
    KS_TRY(trainer->kind->make(model, batch, pool, &trainer->net));
    trainer->inputs = ks_calloc_huge(batch * model->layer[0].in_size, sizeof(float));
    trainer->labels = ks_calloc(batch, sizeof *trainer->labels);
    trainer->targets = ks_calloc(batch, sizeof *trainer->targets);
    trainer->gradient = ks_calloc_huge(count, sizeof *trainer->gradient);
    trainer->norms = ks_calloc(ks_pool_threads(pool), sizeof *trainer->norms);
    if (adam || params->momentum > 0) {
        trainer->velocity = ks_calloc_huge(count, sizeof *trainer->velocity);
        KS_CHECK(trainer->velocity != NULL, KS_ERR_NOMEM, "trainer");
    }
    if (adam) {
        trainer->square = ks_calloc_huge(count, sizeof *trainer->square);
        KS_CHECK(trainer->square != NULL, KS_ERR_NOMEM, "trainer");
    }
    KS_CHECK(trainer->inputs != NULL && trainer->labels != NULL && trainer->targets != NULL &&
                 trainer->gradient != NULL && trainer->norms != NULL,
             KS_ERR_NOMEM, "trainer");
    *out_trainer = trainer;
    trainer = NULL; /* transferred */
out:
    ks_trainer_free(trainer);
    return err;
}

void ks_trainer_free(struct ks_trainer *trainer)
{
    if (trainer != NULL) {
        if (trainer->kind != NULL) {
            trainer->kind->free(trainer->net);
        }
        ks_free(trainer->inputs);
        ks_free(trainer->labels);
        ks_free(trainer->targets);
        ks_free(trainer->gradient);
        ks_free(trainer->velocity);
        ks_free(trainer->square);
        ks_free(trainer->norms);
        ks_free(trainer->order);
    }
    ks_free(trainer);
}

void ks_trainer_reset(struct ks_trainer *trainer, uint64_t seed)
{
    const size_t len = trainer->model->params * sizeof(float);

    trainer->params.seed = seed;
    trainer->step = 0;
    if (trainer->velocity != NULL) {
        ks_zero(trainer->velocity, len);
    }
    if (trainer->square != NULL) {
        ks_zero(trainer->square, len);
    }
}

/* --- batches ------------------------------------------------------------------------------ */

static enum ks_err check_samples(const struct ks_trainer *trainer,
                                 const struct ks_samples *samples)
{
    enum ks_err err = KS_OK;
    const struct ks_model_spec *spec = &trainer->model->spec;

    KS_CHECK(samples->dims == spec->dims, KS_ERR_USAGE,
             "samples of %u dimensions, the model takes %u", samples->dims, spec->dims);
    for (unsigned i = 0; i < spec->dims; i++) {
        KS_CHECK(samples->shape[i] == spec->input[i], KS_ERR_USAGE,
                 "samples whose side %u is %u, the model takes %u", i + 1, samples->shape[i],
                 spec->input[i]);
    }
    if (spec->loss == KS_LOSS_CLASSES) {
        KS_CHECK(samples->labels != NULL, KS_ERR_USAGE,
                 "samples without labels for a model of classes");
        KS_CHECK(samples->classes <= trainer->model->outputs, KS_ERR_USAGE,
                 "samples of %u classes, the model has %u", samples->classes,
                 trainer->model->outputs);
    } else {
        KS_CHECK(samples->targets != NULL, KS_ERR_USAGE,
                 "samples without targets for a model that predicts a number");
    }
out:
    return err;
}

static size_t index_of(const struct ks_subset *subset, const uint32_t *order, size_t at)
{
    const size_t place = order == NULL ? at : order[at];

    return subset->indices == NULL ? place : subset->indices[place];
}

/* COUNT samples from place BEGIN of the subset, in ORDER. */
static struct ks_net_batch gather(struct ks_trainer *trainer, const struct ks_subset *subset,
                                  const uint32_t *order, size_t begin, size_t count)
{
    const struct ks_samples *samples = subset->samples;

    for (size_t i = 0; i < count; i++) {
        const size_t index = index_of(subset, order, begin + i);

        ks_samples_get(samples, index, trainer->inputs + i * samples->size);
        if (samples->labels != NULL) {
            trainer->labels[i] = samples->labels[index];
        }
        if (samples->targets != NULL) {
            trainer->targets[i] = samples->targets[index];
        }
    }
    return (struct ks_net_batch){
        .count = count,
        .inputs = trainer->inputs,
        .labels = trainer->labels,
        .targets = trainer->targets,
        .seed = trainer->params.seed,
        .step = trainer->step,
    };
}

/* --- steps -------------------------------------------------------------------------------- */

struct range {
    size_t begin;
    size_t end;
};

static struct range range_of(const struct ks_trainer *trainer, size_t slice)
{
    const size_t slices = ks_pool_threads(trainer->pool);
    const size_t count = trainer->model->params;

    return (struct range){count * slice / slices, count * (slice + 1) / slices};
}

/* Adds the proximal term; the squared length of this part of the gradient. */
static void measure(void *context, size_t slice)
{
    struct ks_trainer *trainer = context;
    const struct range range = range_of(trainer, slice);
    const float mu = (float)trainer->params.proximal;
    const float *anchor = trainer->anchor;
    float *gradient = trainer->gradient;
    double lanes[8] = {0};
    size_t i = range.begin;

    for (size_t k = range.begin; anchor != NULL && k < range.end; k++) {
        gradient[k] += mu * (trainer->changed[k] - anchor[k]);
    }
    for (; i + 8 <= range.end; i += 8) {
        for (size_t k = 0; k < 8; k++) {
            lanes[k] += (double)gradient[i + k] * (double)gradient[i + k];
        }
    }
    for (; i < range.end; i++) {
        lanes[0] += (double)gradient[i] * (double)gradient[i];
    }
    trainer->norms[slice] = ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) +
                            ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

static void step_sgd(void *context, size_t slice)
{
    struct ks_trainer *trainer = context;
    const struct range range = range_of(trainer, slice);
    const float rate = (float)trainer->params.rate;
    const float decay = (float)trainer->params.weight_decay;
    const float momentum = (float)trainer->params.momentum;
    const float scale = trainer->scale;
    const float *restrict gradient = trainer->gradient;
    float *restrict params = trainer->changed;
    float *restrict velocity = trainer->velocity;

    if (velocity == NULL) {
        for (size_t i = range.begin; i < range.end; i++) {
            params[i] -= rate * (scale * gradient[i] + decay * params[i]);
        }
        return;
    }
    for (size_t i = range.begin; i < range.end; i++) {
        velocity[i] = momentum * velocity[i] + (scale * gradient[i] + decay * params[i]);
        params[i] -= rate * velocity[i];
    }
}

/* Kingma, Ba 2015, algorithm 1. */
static void step_adam(void *context, size_t slice)
{
    struct ks_trainer *trainer = context;
    const struct range range = range_of(trainer, slice);
    const float rate = (float)trainer->params.rate * trainer->first_scale;
    const float decay = (float)trainer->params.weight_decay;
    const float beta1 = (float)trainer->params.beta1;
    const float beta2 = (float)trainer->params.beta2;
    const float scale = trainer->scale;
    const float second = trainer->second_scale;
    const float *restrict gradient = trainer->gradient;
    float *restrict params = trainer->changed;
    float *restrict mean = trainer->velocity;
    float *restrict square = trainer->square;

    for (size_t i = range.begin; i < range.end; i++) {
        const float g = scale * gradient[i] + decay * params[i];

        mean[i] = beta1 * mean[i] + (1 - beta1) * g;
        square[i] = beta2 * square[i] + (1 - beta2) * g * g;
        params[i] -= rate * mean[i] / (sqrtf(square[i] * second) + ADAM_EPSILON);
    }
}

static void update(struct ks_trainer *trainer, const float *anchor, float *params,
                   double *out_norm)
{
    const struct ks_train_params *how = &trainer->params;
    const size_t slices = ks_pool_threads(trainer->pool);
    double norm = 0;

    trainer->changed = params;
    trainer->anchor = how->proximal > 0 ? anchor : NULL;
    ks_pool_run(trainer->pool, measure, trainer, slices);
    for (size_t i = 0; i < slices; i++) {
        norm += trainer->norms[i];
    }
    norm = sqrt(norm);
    trainer->scale =
        how->clip_norm > 0 && norm > how->clip_norm ? (float)(how->clip_norm / norm) : 1;
    trainer->step++;
    if (how->optimiser == KS_OPTIMISER_ADAM) {
        trainer->first_scale = (float)(1 / (1 - pow(how->beta1, (double)trainer->step)));
        trainer->second_scale = (float)(1 / (1 - pow(how->beta2, (double)trainer->step)));
        ks_pool_run(trainer->pool, step_adam, trainer, slices);
    } else {
        ks_pool_run(trainer->pool, step_sgd, trainer, slices);
    }
    *out_norm = norm;
}

static enum ks_err gradient_of(struct ks_trainer *trainer, const struct ks_subset *subset,
                               const uint32_t *order, struct range range, const float *params,
                               float *gradient, struct ks_net_result *out_result)
{
    struct ks_net_batch batch =
        gather(trainer, subset, order, range.begin, range.end - range.begin);

    batch.training = true;
    trainer->kind->gradient(trainer->net, params, &batch, gradient, out_result);
    if (!isfinite(out_result->loss)) {
        return ks_fail(KS_ERR_FORMAT,
                       "step %llu: the loss is no number any more; a smaller rate may help",
                       (unsigned long long)trainer->step);
    }
    return KS_OK;
}

enum ks_err ks_train_step(struct ks_trainer *trainer, const struct ks_subset *subset,
                          const float *anchor, float *params, struct ks_train_stats *out_stats)
{
    enum ks_err err = KS_OK;
    struct ks_net_result result;
    double norm = 0;

    KS_ASSERT(subset->count > 0 && subset->count <= trainer->params.batch);
    KS_TRY(check_samples(trainer, subset->samples));
    KS_TRY(gradient_of(trainer, subset, NULL, (struct range){0, subset->count}, params,
                       trainer->gradient, &result));
    update(trainer, anchor, params, &norm);
    *out_stats = (struct ks_train_stats){
        result.loss / (double)subset->count,
        (double)result.correct / (double)subset->count,
        norm,
    };
out:
    return err;
}

enum ks_err ks_train_gradient(struct ks_trainer *trainer, const struct ks_subset *subset,
                              const float *params, float *out_gradient,
                              struct ks_train_stats *out_stats)
{
    enum ks_err err = KS_OK;
    struct ks_net_result result;

    KS_ASSERT(subset->count > 0 && subset->count <= trainer->params.batch);
    KS_TRY(check_samples(trainer, subset->samples));
    KS_TRY(gradient_of(trainer, subset, NULL, (struct range){0, subset->count}, params,
                       out_gradient, &result));
    trainer->step++;
    *out_stats = (struct ks_train_stats){
        .loss = result.loss / (double)subset->count,
        .accuracy = (double)result.correct / (double)subset->count,
    };
out:
    return err;
}

static enum ks_err make_order(struct ks_trainer *trainer, size_t count, unsigned epoch)
{
    if (count > trainer->order_max) {
        uint32_t *order = ks_realloc(trainer->order, count, sizeof *order);

        if (order == NULL) {
            return ks_fail(KS_ERR_NOMEM, "order of %zu samples", count);
        }
        trainer->order = order;
        trainer->order_max = count;
    }
    ks_learn_shuffle(trainer->params.seed, KS_DRAW_ORDER, epoch, trainer->order, count);
    return KS_OK;
}

enum ks_err ks_train_epoch(struct ks_trainer *trainer, const struct ks_subset *subset,
                           unsigned epoch, const float *anchor, float *params,
                           struct ks_train_stats *out_stats)
{
    enum ks_err err = KS_OK;
    const size_t batch = trainer->params.batch;
    struct ks_net_result sum = {0};
    double norm = 0;

    KS_CHECK(subset->count > 0, KS_ERR_USAGE, "no samples to train with");
    KS_TRY(check_samples(trainer, subset->samples));
    KS_TRY(make_order(trainer, subset->count, epoch));
    for (size_t begin = 0; begin < subset->count; begin += batch) {
        const size_t end = subset->count - begin < batch ? subset->count : begin + batch;
        struct ks_net_result result;

        KS_TRY(gradient_of(trainer, subset, trainer->order, (struct range){begin, end}, params,
                           trainer->gradient, &result));
        update(trainer, anchor, params, &norm);
        sum.loss += result.loss;
        sum.correct += result.correct;
    }
    *out_stats = (struct ks_train_stats){
        sum.loss / (double)subset->count,
        (double)sum.correct / (double)subset->count,
        norm,
    };
out:
    return err;
}

/* --- evaluation --------------------------------------------------------------------------- */

/* Errors of a batch of predicted numbers. */
static void add_errors(const struct ks_net_batch *batch, const float *outputs,
                       struct ks_test_stats *stats)
{
    for (size_t i = 0; i < batch->count; i++) {
        stats->mean_absolute += fabs((double)outputs[i] - (double)batch->targets[i]);
    }
}

enum ks_err ks_train_evaluate(struct ks_trainer *trainer, const struct ks_subset *subset,
                              const float *params, struct ks_test_stats *out_stats)
{
    enum ks_err err = KS_OK;
    const double count = (double)subset->count;
    struct ks_test_stats stats = {0};

    KS_CHECK(subset->count > 0, KS_ERR_USAGE, "no samples to evaluate with");
    KS_TRY(check_samples(trainer, subset->samples));
    for (size_t begin = 0; begin < subset->count; begin += trainer->batch) {
        const size_t left = subset->count - begin;
        const struct ks_net_batch batch =
            gather(trainer, subset, NULL, begin, left < trainer->batch ? left : trainer->batch);
        struct ks_net_result result;
        const float *outputs = trainer->kind->forward(trainer->net, params, &batch, &result);

        stats.loss += result.loss;
        stats.accuracy += (double)result.correct;
        if (trainer->model->spec.loss == KS_LOSS_SQUARED) {
            add_errors(&batch, outputs, &stats);
        }
    }
    KS_CHECK(isfinite(stats.loss), KS_ERR_FORMAT, "the loss is no number");
    *out_stats = (struct ks_test_stats){
        .loss = stats.loss / count,
        .accuracy = stats.accuracy / count,
        .mean_absolute = stats.mean_absolute / count,
        .root_mean_square =
            trainer->model->spec.loss == KS_LOSS_SQUARED ? sqrt(stats.loss / count) : 0,
    };
out:
    return err;
}

enum ks_err ks_train_predict(struct ks_trainer *trainer, const struct ks_subset *subset,
                             const float *params, float *out_outputs)
{
    enum ks_err err = KS_OK;
    const size_t outputs = trainer->model->outputs;

    KS_TRY(check_samples(trainer, subset->samples));
    for (size_t begin = 0; begin < subset->count; begin += trainer->batch) {
        const size_t left = subset->count - begin;
        const struct ks_net_batch batch =
            gather(trainer, subset, NULL, begin, left < trainer->batch ? left : trainer->batch);

        ks_copy(out_outputs + begin * outputs,
                trainer->kind->forward(trainer->net, params, &batch, NULL),
                batch.count * outputs * sizeof *out_outputs);
    }
out:
    return err;
}
