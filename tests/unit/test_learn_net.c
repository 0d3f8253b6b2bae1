/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The arithmetic of layers: gradients in double against finite differences, for each layer and
 * for whole models; threads and single precision, whose layers with AVX are other source,
 * against that. */
#include "unit/expect.h"

#include <math.h>

#include "learn/internal.h"

#define OK(call)    assert_int_equal((call), KS_OK)
#define STEP        1e-5 /* of the finite differences */
#define STEP_SMALL  1e-7 /* where the larger one goes over the kink of a ReLU or a pool */
#define TOLERANCE   1e-7 /* of a gradient in double: relative, absolute below 1 */
#define BATCH       5
#define CHECKED_MAX 80 /* parameters of a model that are looked at */

/* A batch of numbers for MODEL, in both precisions. */
struct fixture {
    struct ks_model *model;
    double *inputs;
    float *inputs_single;
    uint8_t labels[BATCH];
    float targets[BATCH];
    double *params;
    float *params_single;
    double *gradient;
    float *gradient_single;
    struct ks_net_batch batch;
};

static double uniform(uint64_t *state)
{
    return 2 * ((double)(next_random(state) >> 11) / 9007199254740992.0) - 1;
}

static void fixture_init(struct fixture *fixture, const struct ks_model_spec *spec)
{
    uint64_t state = 12345;
    size_t size = 0;
    size_t count = 0;

    *fixture = (struct fixture){0};
    OK(ks_model_new(spec, &fixture->model));
    size = BATCH * fixture->model->layer[0].in_size;
    count = fixture->model->params;
    fixture->inputs = ks_calloc(size, sizeof(double));
    fixture->inputs_single = ks_calloc(size, sizeof(float));
    fixture->params = ks_calloc(count, sizeof(double));
    fixture->params_single = ks_calloc(count, sizeof(float));
    fixture->gradient = ks_calloc(count, sizeof(double));
    fixture->gradient_single = ks_calloc(count, sizeof(float));
    for (size_t i = 0; i < size; i++) {
        fixture->inputs_single[i] = (float)uniform(&state);
        fixture->inputs[i] = (double)fixture->inputs_single[i];
    }
    ks_model_init(fixture->model, 7, fixture->params_single);
    for (size_t i = 0; i < count; i++) {
        fixture->params[i] = (double)fixture->params_single[i];
    }
    for (unsigned i = 0; i < BATCH; i++) {
        fixture->labels[i] = (uint8_t)(i * 3 % fixture->model->outputs);
        fixture->targets[i] = (float)uniform(&state);
    }
    fixture->batch = (struct ks_net_batch){
        .count = BATCH,
        .inputs = fixture->inputs,
        .labels = fixture->labels,
        .targets = fixture->targets,
        .training = true,
        .seed = 99,
        .step = 3,
    };
}

static void fixture_done(struct fixture *fixture)
{
    ks_model_free(fixture->model);
    ks_free(fixture->inputs);
    ks_free(fixture->inputs_single);
    ks_free(fixture->params);
    ks_free(fixture->params_single);
    ks_free(fixture->gradient);
    ks_free(fixture->gradient_single);
}

/* The mean loss of the batch when parameter INDEX is moved by SHIFT. */
static double loss_at(struct fixture *fixture, struct ks_net *net, size_t index, double shift)
{
    const double kept = fixture->params[index];
    struct ks_net_result result;

    fixture->params[index] = kept + shift;
    (void)ks_net_double.forward(net, fixture->params, &fixture->batch, &result);
    fixture->params[index] = kept;
    return result.loss / BATCH;
}

static bool is_near(double got, double want, double tolerance)
{
    return fabs(got - want) <= tolerance * (1 + fabs(want));
}

static double difference(struct fixture *fixture, struct ks_net *net, size_t index, double step)
{
    return (loss_at(fixture, net, index, step) - loss_at(fixture, net, index, -step)) /
           (2 * step);
}

static void expect_gradient(struct fixture *fixture, struct ks_net *net, size_t index)
{
    const double got = fixture->gradient[index];

    if (!is_near(got, difference(fixture, net, index, STEP), TOLERANCE) &&
        !is_near(got, difference(fixture, net, index, STEP_SMALL), TOLERANCE)) {
        print_error("%s: parameter %zu: gradient %.12g, wanted %.12g\n",
                    fixture->model->spec.name, index, got,
                    difference(fixture, net, index, STEP_SMALL));
        fail();
    }
}

/* Every parameter of small models; of large ones some of each tensor. */
static void check_gradient(const struct ks_model_spec *spec)
{
    struct fixture fixture;
    struct ks_net *net = NULL;
    struct ks_net_result result;
    size_t nonzero = 0;

    fixture_init(&fixture, spec);
    OK(ks_net_double.make(fixture.model, BATCH, NULL, &net));
    ks_net_double.gradient(net, fixture.params, &fixture.batch, fixture.gradient, &result);
    for (unsigned t = 0; t < ks_model_tensors(fixture.model); t++) {
        const struct ks_model_tensor *tensor = ks_model_tensor(fixture.model, t);
        const size_t stride = tensor->count > CHECKED_MAX ? tensor->count / CHECKED_MAX : 1;

        for (size_t i = tensor->offset; i < tensor->offset + tensor->count; i += stride) {
            expect_gradient(&fixture, net, i);
            nonzero += fabs(fixture.gradient[i]) > 1e-9;
        }
    }
    assert_true(nonzero > ks_model_tensors(fixture.model)); /* or nothing was checked */
    ks_net_double.free(net);
    fixture_done(&fixture);
}

/* --- layers ------------------------------------------------------------------------------- */

static struct ks_model_spec of_layers(const struct ks_layer_spec *layers, unsigned count,
                                      unsigned dims, enum ks_loss loss)
{
    struct ks_model_spec spec = {
        .name = "layers", .dims = dims, .input = {2, 7, 6}, .loss = loss, .layers = count};

    if (dims == 2) {
        spec.input[0] = 6;
        spec.input[1] = 3;
    }
    for (unsigned i = 0; i < count; i++) {
        spec.layer[i] = layers[i];
    }
    return spec;
}

#define CHECK(dims, loss, ...)                                                                 \
    do {                                                                                       \
        const struct ks_layer_spec layers[] = {__VA_ARGS__};                                   \
        const struct ks_model_spec spec =                                                      \
            of_layers(layers, sizeof layers / sizeof layers[0], (dims), (loss));               \
        check_gradient(&spec);                                                                 \
    } while (0)

#define CONV(n, side, pad)                                                                     \
    {                                                                                          \
        .kind = KS_LAYER_CONV, .units = (n), .size = (side), .padding = (pad)                  \
    }
#define DENSE(n)                                                                               \
    {                                                                                          \
        .kind = KS_LAYER_DENSE, .units = (n)                                                   \
    }

static void test_layers(void **state)
{
    (void)state;
    CHECK(3, KS_LOSS_CLASSES, DENSE(4));
    CHECK(3, KS_LOSS_SQUARED, DENSE(3), {.kind = KS_LAYER_TANH}, DENSE(1));
    CHECK(3, KS_LOSS_CLASSES, CONV(3, 3, 0), DENSE(4));
    CHECK(3, KS_LOSS_CLASSES, CONV(3, 3, 2), {.kind = KS_LAYER_TANH}, CONV(4, 4, 1), DENSE(4));
    CHECK(3, KS_LOSS_CLASSES, CONV(3, 1, 0), {.kind = KS_LAYER_POOL, .size = 2}, DENSE(3));
    CHECK(3, KS_LOSS_CLASSES, CONV(3, 3, 1), {.kind = KS_LAYER_POOL, .size = 3}, DENSE(3));
    CHECK(3, KS_LOSS_CLASSES, CONV(3, 3, 1), {.kind = KS_LAYER_MEAN, .size = 2}, CONV(2, 3, 0),
          DENSE(3));
    CHECK(3, KS_LOSS_CLASSES, {.kind = KS_LAYER_TANH}, {.kind = KS_LAYER_TANH}, DENSE(3));
    CHECK(3, KS_LOSS_CLASSES, DENSE(6), {.kind = KS_LAYER_DROPOUT, .rate = 0.5}, DENSE(3));
    CHECK(3, KS_LOSS_CLASSES, DENSE(6), {.kind = KS_LAYER_TANH},
          {.kind = KS_LAYER_DROPOUT, .rate = 0.25}, {.kind = KS_LAYER_RELU}, DENSE(3));
    CHECK(3, KS_LOSS_CLASSES, CONV(3, 3, 0), {.kind = KS_LAYER_CHANNEL_DROPOUT, .rate = 0.5},
          DENSE(3));
    CHECK(2, KS_LOSS_SQUARED, {.kind = KS_LAYER_GRU, .units = 4}, DENSE(1));
    CHECK(2, KS_LOSS_CLASSES, {.kind = KS_LAYER_DROPOUT, .rate = 0.25},
          {.kind = KS_LAYER_GRU, .units = 5}, {.kind = KS_LAYER_TANH}, DENSE(3));
}

/* A channel goes as a whole, or stays as a whole: so does the gradient of what weighs it. */
static void test_channels(void **state)
{
    const struct ks_layer_spec layers[] = {{.kind = KS_LAYER_CHANNEL_DROPOUT, .rate = 0.5},
                                           DENSE(4)};
    const struct ks_model_spec spec = of_layers(layers, 2, 3, KS_LOSS_CLASSES);
    const struct ks_layer_spec series[] = {
        layers[0], {.kind = KS_LAYER_GRU, .units = 4}, DENSE(1)};
    const struct ks_model_spec no_image = of_layers(series, 3, 2, KS_LOSS_SQUARED);
    const size_t plane = (size_t)spec.input[1] * spec.input[2];
    struct ks_model *model = NULL;
    struct fixture fixture;
    struct ks_net *net = NULL;
    struct ks_net_result result;
    size_t gone = 0;

    (void)state;
    fixture_init(&fixture, &spec);
    OK(ks_net_double.make(fixture.model, BATCH, NULL, &net));
    fixture.batch.count = 1;
    for (unsigned step = 0; step < 20; step++) {
        fixture.batch.step = step;
        ks_net_double.gradient(net, fixture.params, &fixture.batch, fixture.gradient, &result);
        for (size_t c = 0; c < spec.input[0]; c++) {
            size_t zeros = 0;

            for (size_t i = 0; i < plane; i++) {
                zeros += fixture.gradient[c * plane + i] == 0;
            }
            assert_true(zeros == 0 || zeros == plane);
            gone += zeros == plane;
        }
    }
    assert_in_range(gone, 10, 30);
    ks_net_double.free(net);
    fixture_done(&fixture);
    assert_int_equal(ks_model_new(&no_image, &model), KS_ERR_USAGE);
}

static void test_models(void **state)
{
    static const struct {
        const char *name;
        unsigned dims;
        unsigned input[3];
        unsigned outputs;
        size_t params;
    } models[] = {
        {"lenet5", 3, {1, 28, 28}, 10, 61706},
        {"mnist-cnn", 3, {1, 12, 12}, 10, 0},
        {"mcmahan-cnn", 3, {1, 12, 12}, 10, 0},
        {"mlp", 3, {1, 6, 6}, 10, 0},
        {"gru", 2, {12, 5}, 1, 0},
        {"linear", 2, {12, 5}, 1, 61},
    };

    (void)state;
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        struct ks_model_spec spec;

        OK(ks_model_named(models[i].name, models[i].dims, models[i].input, models[i].outputs,
                          &spec));
        check_gradient(&spec);
    }
}

/* --- single precision --------------------------------------------------------------------- */

/* Each kind of arithmetic of floats on each number of threads, against the one in double. */
static void check_single(const struct ks_model_spec *spec, const struct ks_net_kind *kind,
                         unsigned threads)
{
    struct fixture fixture;
    struct ks_net_batch batch;
    struct ks_pool *pool = NULL;
    struct ks_net *wide = NULL;
    struct ks_net *net = NULL;
    struct ks_net_result wanted;
    struct ks_net_result result;
    double largest = 0;

    fixture_init(&fixture, spec);
    batch = fixture.batch;
    batch.inputs = fixture.inputs_single;
    OK(ks_pool_new(threads, &pool));
    OK(ks_net_double.make(fixture.model, BATCH, NULL, &wide));
    OK(kind->make(fixture.model, BATCH, pool, &net));
    ks_net_double.gradient(wide, fixture.params, &fixture.batch, fixture.gradient, &wanted);
    /* Twice: nothing is left from the first time. */
    for (unsigned i = 0; i < 2; i++) {
        kind->gradient(net, fixture.params_single, &batch, fixture.gradient_single, &result);
        assert_true(is_near(result.loss, wanted.loss, 1e-5));
        assert_int_equal(result.correct, wanted.correct);
    }
    for (size_t i = 0; i < fixture.model->params; i++) {
        largest = fmax(largest, fabs(fixture.gradient[i]));
    }
    for (size_t i = 0; i < fixture.model->params; i++) {
        assert_true(fabs((double)fixture.gradient_single[i] - fixture.gradient[i]) <=
                    2e-5 * largest);
    }
    kind->free(net);
    ks_net_double.free(wide);
    ks_pool_free(pool);
    fixture_done(&fixture);
}

static void test_single(void **state)
{
    static const char *const names[] = {"lenet5", "mnist-cnn", "mcmahan-cnn", "mlp"};
    static const unsigned image[] = {1, 28, 28};
    static const unsigned series[] = {12, 5, 0};
    const struct ks_layer_spec padded[] = {CONV(5, 3, 1),
                                           CONV(7, 2, 1),
                                           CONV(3, 4, 3),
                                           {.kind = KS_LAYER_MEAN, .size = 2},
                                           DENSE(4)};
    const struct ks_model_spec own = of_layers(padded, 5, 3, KS_LOSS_CLASSES);
    /* Most gradients of the second convolution are 0: it goes back by patches, whose rows are
     * no whole vectors. */
    const struct ks_layer_spec pooled[] = {CONV(9, 3, 2),
                                           CONV(4, 3, 2),
                                           {.kind = KS_LAYER_POOL, .size = 2},
                                           {.kind = KS_LAYER_CHANNEL_DROPOUT, .rate = 0.25},
                                           DENSE(4)};
    const struct ks_model_spec few = of_layers(pooled, 5, 3, KS_LOSS_CLASSES);

    (void)state;
    for (const struct ks_net_choice *choice = ks_net_choices; choice->name != NULL; choice++) {
        struct ks_model_spec spec;

        if (!choice->is_here()) {
            print_message("no %s here\n", choice->name);
            continue;
        }
        for (unsigned threads = 1; threads <= 7; threads += 2) { /* 7: more than samples */
            check_single(&own, choice->kind, threads);
            check_single(&few, choice->kind, threads);
            for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
                OK(ks_model_named(names[i], 3, image, 10, &spec));
                check_single(&spec, choice->kind, threads);
            }
            OK(ks_model_named("gru", 2, series, 1, &spec));
            check_single(&spec, choice->kind, threads);
        }
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_layers),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_single),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
