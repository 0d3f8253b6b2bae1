/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Models and their files, and steps of training: against the same steps by hand, on several
 * threads, twice. */
#include "unit/expect.h"

#include <math.h>

#include "learn/internal.h"
#include "learn/train.h"

#define OK(call) assert_int_equal((call), KS_OK)
#define COUNT    60
#define SIDE     8
#define EPOCHS   15

/* Images whose label is where their bright stripe is. */
static void make_images(struct ks_samples *samples)
{
    uint64_t state = 17;

    *samples = (struct ks_samples){.count = COUNT,
                                   .dims = 3,
                                   .shape = {1, SIDE, SIDE},
                                   .size = SIDE * SIDE,
                                   .centre = 0.3F,
                                   .spread = 0.4F,
                                   .classes = 4};
    samples->pixels = ks_calloc(COUNT, SIDE * SIDE);
    samples->labels = ks_calloc(COUNT, 1);
    for (size_t i = 0; i < COUNT; i++) {
        samples->labels[i] = (uint8_t)(next_random(&state) % 4);
        for (size_t k = 0; k < SIDE * SIDE; k++) {
            const bool bright = k / SIDE / 2 == samples->labels[i];

            samples->pixels[i * SIDE * SIDE + k] =
                (uint8_t)((bright ? 180 : 20) + next_random(&state) % 60);
        }
    }
}

static struct ks_model *make_model(const char *name, const struct ks_samples *samples)
{
    struct ks_model_spec spec;
    struct ks_model *model = NULL;

    OK(ks_model_named(name, samples->dims, samples->shape, samples->classes, &spec));
    OK(ks_model_new(&spec, &model));
    return model;
}

static float *make_params(const struct ks_model *model)
{
    float *params = ks_calloc(ks_model_params(model), sizeof *params);

    ks_model_init(model, 11, params);
    return params;
}

/* --- steps -------------------------------------------------------------------------------- */

/* One step by hand, in double, from the gradient that the trainer says. */
struct by_hand {
    const struct ks_train_params *how;
    double *velocity;
    double *square;
    unsigned step;
};

static void step_by_hand(struct by_hand *hand, size_t count, const float *gradient,
                         const float *anchor, double *params)
{
    const struct ks_train_params *how = hand->how;
    double norm = 0;
    double scale = 1;

    for (size_t i = 0; i < count; i++) {
        const double g = (double)gradient[i] + how->proximal * (params[i] - (double)anchor[i]);

        norm += g * g;
    }
    norm = sqrt(norm);
    scale = how->clip_norm > 0 && norm > how->clip_norm ? how->clip_norm / norm : 1;
    hand->step++;
    for (size_t i = 0; i < count; i++) {
        const double g =
            scale * ((double)gradient[i] + how->proximal * (params[i] - (double)anchor[i])) +
            how->weight_decay * params[i];

        if (how->optimiser == KS_OPTIMISER_SGD) {
            hand->velocity[i] = how->momentum * hand->velocity[i] + g;
            params[i] -= how->rate * hand->velocity[i];
            continue;
        }
        hand->velocity[i] = how->beta1 * hand->velocity[i] + (1 - how->beta1) * g;
        hand->square[i] = how->beta2 * hand->square[i] + (1 - how->beta2) * g * g;
        params[i] -= how->rate * hand->velocity[i] / (1 - pow(how->beta1, hand->step)) /
                     (sqrt(hand->square[i] / (1 - pow(how->beta2, hand->step))) + 1e-8);
    }
}

/* Five steps of PARAMS as HOW says, the gradient of each asked of a second trainer. */
static void check_steps(const struct ks_train_params *how)
{
    struct ks_samples samples;
    struct ks_model *model = NULL;
    struct ks_trainer *trainer = NULL;
    struct ks_trainer *other = NULL;
    struct ks_train_stats stats;
    struct by_hand hand = {.how = how};
    size_t count = 0;

    make_images(&samples);
    model = make_model("mlp", &samples);
    count = ks_model_params(model);
    float *params = make_params(model);
    float *anchor = make_params(model);
    float *gradient = ks_calloc(count, sizeof *gradient);
    double *wanted = ks_calloc(count, sizeof *wanted);
    hand.velocity = ks_calloc(count, sizeof *hand.velocity);
    hand.square = ks_calloc(count, sizeof *hand.square);
    OK(ks_trainer_new(model, how, NULL, &trainer));
    OK(ks_trainer_new(model, how, NULL, &other));
    for (size_t i = 0; i < count; i++) {
        wanted[i] = (double)params[i];
    }
    for (unsigned step = 0; step < 5; step++) {
        const struct ks_subset subset = {&samples, NULL, how->batch};

        OK(ks_train_gradient(other, &subset, params, gradient, &stats));
        step_by_hand(&hand, count, gradient, anchor, wanted);
        OK(ks_train_step(trainer, &subset, anchor, params, &stats));
        for (size_t i = 0; i < count; i++) {
            assert_true(fabs((double)params[i] - wanted[i]) < 2e-5);
            wanted[i] = (double)params[i]; /* so that roundings do not add up */
        }
    }
    ks_free(params);
    ks_free(anchor);
    ks_free(gradient);
    ks_free(wanted);
    ks_free(hand.velocity);
    ks_free(hand.square);
    ks_trainer_free(trainer);
    ks_trainer_free(other);
    ks_model_free(model);
    ks_samples_done(&samples);
}

static void test_steps(void **state)
{
    struct ks_train_params how = KS_TRAIN_DEFAULTS;

    (void)state;
    how.batch = 20;
    check_steps(&how);
    how.momentum = 0.9;
    how.weight_decay = 0.01;
    check_steps(&how);
    how.clip_norm = 0.1;
    how.proximal = 0.5;
    check_steps(&how);
    how = KS_TRAIN_DEFAULTS;
    how.optimiser = KS_OPTIMISER_ADAM;
    how.rate = 0.001;
    how.weight_decay = 0.01;
    check_steps(&how);
}

/* Trains and gives the parameters back. */
static float *trained(const struct ks_model *model, const struct ks_samples *samples,
                      unsigned threads, struct ks_test_stats *out_stats)
{
    struct ks_train_params how = KS_TRAIN_DEFAULTS;
    const struct ks_subset all = {samples, NULL, samples->count};
    struct ks_pool *pool = NULL;
    struct ks_trainer *trainer = NULL;
    struct ks_train_stats stats;
    float *params = make_params(model);

    how.batch = 8;
    how.rate = 0.1;
    how.seed = 5;
    OK(ks_pool_new(threads, &pool));
    OK(ks_trainer_new(model, &how, pool, &trainer));
    for (unsigned epoch = 1; epoch <= EPOCHS; epoch++) {
        OK(ks_train_epoch(trainer, &all, epoch, NULL, params, &stats));
    }
    OK(ks_train_evaluate(trainer, &all, params, out_stats));
    ks_trainer_free(trainer);
    ks_pool_free(pool);
    return params;
}

static double farthest(const float *a, const float *b, size_t count)
{
    double most = 0;

    for (size_t i = 0; i < count; i++) {
        most = fmax(most, fabs((double)a[i] - (double)b[i]));
    }
    return most;
}

static void test_twice(void **state)
{
    static const char *const names[] = {"lenet5", "mnist-cnn", "mcmahan-cnn", "mlp"};
    struct ks_samples samples;
    struct ks_test_stats first_stats;
    struct ks_test_stats stats;

    (void)state;
    make_images(&samples);
    for (size_t i = 0; i < 4; i++) {
        struct ks_model_spec spec;
        struct ks_model *model = NULL;
        float *first = NULL;
        float *again = NULL;
        float *threads = NULL;

        OK(ks_model_named(names[i], 3, samples.shape, 4, &spec));
        if (i == 0) { /* two pools and filters of 5 leave nothing of 8 x 8 */
            spec.layer[3].size = 3;
        }
        OK(ks_model_new(&spec, &model));
        first = trained(model, &samples, 1, &first_stats);
        again = trained(model, &samples, 1, &stats);
        threads = trained(model, &samples, 3, &stats);
        assert_memory_equal(first, again, ks_model_params(model) * sizeof *first);
        assert_true(farthest(first, threads, ks_model_params(model)) < 1e-3);
        assert_true(first_stats.accuracy > 0.9); /* it learns */
        ks_free(first);
        ks_free(again);
        ks_free(threads);
        ks_model_free(model);
    }
    ks_samples_done(&samples);
}

static void test_refused(void **state)
{
    struct ks_samples samples;
    struct ks_trainer *trainer = NULL;
    struct ks_train_stats stats;
    struct ks_train_params how = KS_TRAIN_DEFAULTS;

    (void)state;
    make_images(&samples);
    struct ks_model *model = make_model("mlp", &samples);
    float *params = make_params(model);
    const struct ks_subset some = {&samples, NULL, 4};
    how.batch = 0;
    expect_failure(ks_trainer_new(model, &how, NULL, &trainer), KS_ERR_USAGE, "batch");
    how = KS_TRAIN_DEFAULTS;
    how.rate = (double)NAN;
    expect_failure(ks_trainer_new(model, &how, NULL, &trainer), KS_ERR_USAGE, "rate");
    how.rate = 1000;
    how.momentum = 1;
    expect_failure(ks_trainer_new(model, &how, NULL, &trainer), KS_ERR_USAGE, "momentum");
    how.momentum = 0;
    OK(ks_trainer_new(model, &how, NULL, &trainer));
    samples.shape[1] = 4;
    expect_failure(ks_train_step(trainer, &some, NULL, params, &stats), KS_ERR_USAGE,
                   "side 2 is 4, the model takes 8");
    samples.shape[1] = SIDE;
    samples.classes = 5;
    expect_failure(ks_train_step(trainer, &some, NULL, params, &stats), KS_ERR_USAGE,
                   "samples of 5 classes, the model has 4");
    samples.classes = 4;
    params[3] = (float)NAN;
    expect_failure(ks_train_step(trainer, &some, NULL, params, &stats), KS_ERR_FORMAT,
                   "the loss is no number any more");
    expect_failure(ks_model_check(model, params), KS_ERR_FORMAT,
                   "tensor 'fc1.weight': number 4 is no number (NaN)");
    ks_trainer_free(trainer);
    ks_free(params);
    ks_model_free(model);
    ks_samples_done(&samples);
}

/* --- models ------------------------------------------------------------------------------- */

static void test_models(void **state)
{
    static const unsigned mnist[] = {1, 28, 28};
    static const unsigned series[] = {24, 20, 0};
    static const struct {
        const char *name;
        size_t params;
    } published[] = {{"lenet5", 61706}, {"mnist-cnn", 1199882}, {"mcmahan-cnn", 1663370}};
    struct ks_model_spec spec;
    struct ks_model *model = NULL;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        OK(ks_model_named(published[i].name, 3, mnist, 10, &spec));
        OK(ks_model_new(&spec, &model));
        assert_int_equal(ks_model_params(model), published[i].params);
        ks_model_free(model);
    }
    expect_failure(ks_model_named("resnet", 3, mnist, 10, &spec), KS_ERR_NOT_FOUND,
                   "there are lenet5");
    expect_failure(ks_model_named("lenet5", 2, series, 10, &spec), KS_ERR_USAGE,
                   "takes images");
    OK(ks_model_named("lenet5", 3, mnist, 10, &spec));
    spec.input[1] = 5;
    expect_failure(ks_model_new(&spec, &model), KS_ERR_USAGE, "layer 4 (conv): filters of 5");
    spec.input[1] = 0;
    expect_failure(ks_model_new(&spec, &model), KS_ERR_USAGE, "input: a side of 0");
    spec.input[1] = 4000000000U;
    expect_failure(ks_model_new(&spec, &model), KS_ERR_LIMIT, "input");
    OK(ks_model_named("mlp", 3, mnist, 1, &spec));
    expect_failure(ks_model_new(&spec, &model), KS_ERR_USAGE, "2 to 256 classes");
    spec.layer[0].units = 0;
    expect_failure(ks_model_new(&spec, &model), KS_ERR_USAGE, "layer 1 (dense): units");
    spec.layers = 0;
    expect_failure(ks_model_new(&spec, &model), KS_ERR_LIMIT, "layers: 1 to 32");
    OK(ks_model_named("gru", 2, series, 1, &spec));
    spec.dims = 3;
    spec.input[2] = 3;
    expect_failure(ks_model_new(&spec, &model), KS_ERR_USAGE, "a GRU takes series");
}

/* The file of a small model, with a card. */
static struct ks_model *make_file(const struct ks_samples *samples, float **out_params,
                                  struct ks_buf *out)
{
    struct ks_model *model = make_model("mlp", samples);

    *out_params = make_params(model);
    ks_buf_init(out, 1 << 20);
    ks_model_write(model, *out_params, KS_LITERAL("{\"a\":1}"), out);
    OK(ks_buf_check(out));
    return model;
}

static void test_file(void **state)
{
    struct ks_samples samples;
    struct ks_buf file;
    struct ks_buf again;
    struct ks_buf card;
    float *params = NULL;
    float *read = NULL;
    struct ks_model *other = NULL;

    (void)state;
    make_images(&samples);
    struct ks_model *model = make_file(&samples, &params, &file);
    ks_buf_init(&card, KS_MODEL_CARD_MAX);
    ks_buf_init(&again, 1 << 20);
    OK(ks_model_read(ks_buf_view(&file), &other, &read, &card));
    expect_text(ks_buf_view(&card), "{\"a\":1}");
    assert_memory_equal(params, read, ks_model_params(model) * sizeof *params);
    assert_memory_equal(ks_model_spec(model), ks_model_spec(other),
                        sizeof(struct ks_model_spec));
    ks_model_write(other, read, ks_buf_view(&card), &again);
    expect_bytes(ks_buf_view(&again), ks_buf_view(&file));
    /* All of the parameters lie in the file as they lie in memory. */
    assert_memory_equal(file.data + file.len - ks_model_params(model) * sizeof *params, params,
                        ks_model_params(model) * sizeof *params);
    OK(ks_model_check_order(ks_buf_view(&file)));
    OK(ks_model_read_params(model, ks_buf_view(&file), read));
    ks_free(params);
    ks_free(read);
    ks_model_free(model);
    ks_model_free(other);
    ks_samples_done(&samples);
    ks_buf_done(&file);
    ks_buf_done(&again);
    ks_buf_done(&card);
}

/* A file that has been changed: each time the same number of bytes. */
static void expect_change(const struct ks_buf *file, const char *was, const char *is,
                          const char *says)
{
    struct ks_model *model = NULL;
    float *params = NULL;
    struct ks_buf changed;
    struct ks_buf card;
    char *at = NULL;

    ks_buf_init(&changed, 1 << 20);
    ks_buf_init(&card, KS_MODEL_CARD_MAX);
    ks_buf_put(&changed, ks_buf_view(file));
    at = memmem(changed.data, changed.len, was, strlen(was));
    assert_non_null(at);
    assert_int_equal(strlen(was), strlen(is));
    ks_copy(at, is, strlen(is));
    expect_failure(ks_model_read(ks_buf_view(&changed), &model, &params, &card), KS_ERR_FORMAT,
                   says);
    ks_buf_done(&changed);
    ks_buf_done(&card);
}

static void test_file_refused(void **state)
{
    struct ks_samples samples;
    struct ks_buf file;
    float *params = NULL;

    (void)state;
    make_images(&samples);
    struct ks_model *model = make_file(&samples, &params, &file);
    expect_change(&file, "\"fc1.bias\"", "\"fc9.bias\"", "no tensor 'fc1.bias'");
    expect_change(&file, "\"dtype\":\"F32\"", "\"dtype\":\"I32\"", "dtype I32, expected F32");
    expect_change(&file, "\"shape\":[200,64]", "\"shape\":[64,200]",
                  "tensor 'fc1.weight': side 1 is 64, expected 200");
    expect_change(&file, "ketseal.model", "ketseal.mod3l", "not a model of ketseal");
    expect_change(&file, "\\\"classes\\\"", "\\\"klasses\\\"", "'loss': classes or squared");
    expect_change(&file, "\\\"kind\\\":\\\"relu\\\"", "\\\"kind\\\":\\\"rely\\\"",
                  "layer 2 (?): no such kind");
    expect_change(&file, "\\\"units\\\":200", "\\\"units\\\":000", "ketseal.model: ");
    expect_change(&file, "[1,8,8]", "[1,8,9]",
                  "tensor 'fc1.weight': side 2 is 64, expected 72");
    params[0] = (float)INFINITY;
    ks_buf_clear(&file);
    ks_model_write(model, params, (struct ks_bytes){0}, &file);
    expect_change(&file, "F32", "F32", "tensor 'fc1.weight': number 1 is infinite");
    ks_free(params);
    ks_model_free(model);
    ks_samples_done(&samples);
    ks_buf_done(&file);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_steps),   cmocka_unit_test(test_twice),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_models),
        cmocka_unit_test(test_file),    cmocka_unit_test(test_file_refused),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
