/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "learn/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/philox.h"
#include "base/text.h"

#define UNITS_MAX 65536

const char *ks_layer_name(enum ks_layer_kind kind)
{
    static const char *const names[] = {
        [KS_LAYER_CONV] = "conv",
        [KS_LAYER_POOL] = "pool",
        [KS_LAYER_MEAN] = "mean",
        [KS_LAYER_DENSE] = "dense",
        [KS_LAYER_GRU] = "gru",
        [KS_LAYER_RELU] = "relu",
        [KS_LAYER_TANH] = "tanh",
        [KS_LAYER_DROPOUT] = "dropout",
        [KS_LAYER_CHANNEL_DROPOUT] = "channel-dropout",
    };

    return (size_t)kind < sizeof names / sizeof names[0] ? names[kind] : NULL;
}

/* --- by name ------------------------------------------------------------------------------ */

#define CONV(filters, side, pad)                                                               \
    {                                                                                          \
        .kind = KS_LAYER_CONV, .units = (filters), .size = (side), .padding = (pad)            \
    }
#define POOL                                                                                   \
    {                                                                                          \
        .kind = KS_LAYER_POOL, .size = 2                                                       \
    }
#define DENSE(n)                                                                               \
    {                                                                                          \
        .kind = KS_LAYER_DENSE, .units = (n)                                                   \
    }
#define OUTPUTS                                                                                \
    {                                                                                          \
        .kind = KS_LAYER_DENSE, .units = 0                                                     \
    } /* as many as are asked for */
#define RELU                                                                                   \
    {                                                                                          \
        .kind = KS_LAYER_RELU                                                                  \
    }
#define DROPOUT(p)                                                                             \
    {                                                                                          \
        .kind = KS_LAYER_DROPOUT, .rate = (p)                                                  \
    }

static const struct named {
    const char *name;
    unsigned dims; /* of the input; 0: any */
    enum ks_loss loss;
    unsigned layers;
    struct ks_layer_spec layer[12];
} models[] = {
    /* LeCun, Bottou, Bengio, Haffner 1998, with the ReLUs and pools of today; on 28 x 28:
     * 61,706 parameters. */
    {"lenet5",
     3,
     KS_LOSS_CLASSES,
     11,
     {CONV(6, 5, 2), RELU, POOL, CONV(16, 5, 0), RELU, POOL, DENSE(120), RELU, DENSE(84), RELU,
      OUTPUTS}},
    /* PyTorch's example of MNIST, which papers on robust aggregation train: 1,199,882. */
    {"mnist-cnn",
     3,
     KS_LOSS_CLASSES,
     10,
     {CONV(32, 3, 0), RELU, CONV(64, 3, 0), RELU, POOL, DROPOUT(0.25), DENSE(128), RELU,
      DROPOUT(0.5), OUTPUTS}},
    /* McMahan et al. 2017: 1,663,370. */
    {"mcmahan-cnn",
     3,
     KS_LOSS_CLASSES,
     9,
     {CONV(32, 5, 2), RELU, POOL, CONV(64, 5, 2), RELU, POOL, DENSE(512), RELU, OUTPUTS}},
    {"mlp", 0, KS_LOSS_CLASSES, 5, {DENSE(200), RELU, DENSE(200), RELU, OUTPUTS}},
    {"gru", 2, KS_LOSS_SQUARED, 2, {{.kind = KS_LAYER_GRU, .units = 32}, OUTPUTS}},
    {"linear", 0, KS_LOSS_SQUARED, 1, {OUTPUTS}},
};

enum ks_err ks_model_named(const char *name, unsigned dims, const unsigned input[3],
                           unsigned outputs, struct ks_model_spec *out_spec)
{
    for (size_t i = 0; i < sizeof models / sizeof models[0]; i++) {
        const struct named *model = &models[i];
        struct ks_model_spec spec = {
            .dims = dims, .loss = model->loss, .layers = model->layers};

        if (strcmp(model->name, name) != 0) {
            continue;
        }
        if (model->dims != 0 && model->dims != dims) {
            return ks_fail(KS_ERR_USAGE, "model '%s' takes %s", name,
                           model->dims == 3 ? "images" : "series");
        }
        ks_copy(spec.name, name, strlen(name));
        ks_copy(spec.input, input, dims * sizeof *input);
        for (unsigned k = 0; k < model->layers; k++) {
            spec.layer[k] = model->layer[k];
        }
        spec.layer[model->layers - 1].units = outputs;
        *out_spec = spec;
        return KS_OK;
    }
    return ks_fail(KS_ERR_NOT_FOUND,
                   "no model '%s'; there are lenet5, mnist-cnn, mcmahan-cnn, mlp, gru, linear",
                   name);
}

/* --- shapes ------------------------------------------------------------------------------- */

struct build {
    struct ks_model *model;
    unsigned numbers[KS_LAYER_CHANNEL_DROPOUT + 1]; /* layers of each kind so far */
};

static enum ks_err add_tensor(struct build *build, struct ks_layer *layer, const char *part,
                              unsigned dims, const uint64_t *shape, size_t fan_in)
{
    enum ks_err err = KS_OK;
    struct ks_model *model = build->model;
    struct ks_model_tensor *tensor = &model->tensor[model->tensors];
    uint64_t count = 0;

    KS_TRY(ks_tensor_count(shape, dims, KS_MODEL_PARAMS_MAX - model->params, &count));
    if (layer->tensors++ == 0) {
        layer->params = model->params;
    }
    layer->params_count += (size_t)count;
    /* PyTorch's users call a dense layer fully connected. */
    (void)snprintf(tensor->name, sizeof tensor->name, "%s%u.%s",
                   layer->spec.kind == KS_LAYER_DENSE ? "fc" : ks_layer_name(layer->spec.kind),
                   build->numbers[layer->spec.kind], part);
    tensor->dims = dims;
    ks_copy(tensor->shape, shape, dims * sizeof *shape);
    tensor->offset = model->params;
    tensor->count = (size_t)count;
    tensor->fan_in = fan_in;
    model->params += tensor->count;
    model->tensors++;
out:
    return err;
}

static enum ks_err build_conv(struct build *build, struct ks_layer *layer)
{
    enum ks_err err = KS_OK;
    const struct ks_layer_spec *spec = &layer->spec;
    const unsigned *in = layer->in;
    const uint64_t shape[] = {spec->units, in[0], spec->size, spec->size};
    const size_t fan_in = (size_t)in[0] * spec->size * spec->size;

    KS_CHECK(layer->in_dims == 3, KS_ERR_USAGE, "a convolution takes images");
    KS_CHECK(spec->size >= 1 && spec->padding < spec->size &&
                 spec->size <= in[1] + 2 * spec->padding &&
                 spec->size <= in[2] + 2 * spec->padding,
             KS_ERR_USAGE, "filters of %u x %u with padding %u on %u x %u", spec->size,
             spec->size, spec->padding, in[1], in[2]);
    layer->out_dims = 3;
    layer->out[0] = spec->units;
    layer->out[1] = in[1] + 2 * spec->padding - spec->size + 1;
    layer->out[2] = in[2] + 2 * spec->padding - spec->size + 1;
    KS_TRY(add_tensor(build, layer, "weight", 4, shape, fan_in));
    KS_TRY(add_tensor(build, layer, "bias", 1, shape, fan_in));
out:
    return err;
}

static enum ks_err build_pool(struct ks_layer *layer)
{
    const unsigned size = layer->spec.size;

    if (layer->in_dims != 3 || size < 1 || size > 16 || size > layer->in[1] ||
        size > layer->in[2]) {
        return ks_fail(KS_ERR_USAGE, "pools of %u x %u on %u x %u", size, size, layer->in[1],
                       layer->in[2]);
    }
    layer->out_dims = 3;
    layer->out[0] = layer->in[0];
    layer->out[1] = layer->in[1] / size;
    layer->out[2] = layer->in[2] / size;
    return KS_OK;
}

static enum ks_err build_dense(struct build *build, struct ks_layer *layer)
{
    enum ks_err err = KS_OK;
    const uint64_t shape[] = {layer->spec.units, layer->in_size};

    layer->out_dims = 1;
    layer->out[0] = layer->spec.units;
    KS_TRY(add_tensor(build, layer, "weight", 2, shape, layer->in_size));
    KS_TRY(add_tensor(build, layer, "bias", 1, shape, layer->in_size));
out:
    return err;
}

static enum ks_err build_gru(struct build *build, struct ks_layer *layer)
{
    enum ks_err err = KS_OK;
    const uint64_t units = layer->spec.units;
    const uint64_t inputs[] = {3 * units, layer->in[1]};
    const uint64_t states[] = {3 * units, units};

    KS_CHECK(layer->in_dims == 2, KS_ERR_USAGE, "a GRU takes series");
    layer->out_dims = 1;
    layer->out[0] = layer->spec.units;
    KS_TRY(add_tensor(build, layer, "weight_ih_l0", 2, inputs, units));
    KS_TRY(add_tensor(build, layer, "weight_hh_l0", 2, states, units));
    KS_TRY(add_tensor(build, layer, "bias_ih_l0", 1, inputs, units));
    KS_TRY(add_tensor(build, layer, "bias_hh_l0", 1, inputs, units));
out:
    return err;
}

static enum ks_err build_layer(struct build *build, struct ks_layer *layer)
{
    const struct ks_layer_spec *spec = &layer->spec;

    if (ks_layer_name(spec->kind) == NULL) {
        return ks_fail(KS_ERR_USAGE, "no such kind");
    }
    build->numbers[spec->kind]++;
    switch (spec->kind) {
    case KS_LAYER_CONV:
    case KS_LAYER_DENSE:
    case KS_LAYER_GRU:
        if (spec->units < 1 || spec->units > UNITS_MAX) {
            return ks_fail(KS_ERR_USAGE, "units: 1 to %d, not %u", UNITS_MAX, spec->units);
        }
        return spec->kind == KS_LAYER_CONV    ? build_conv(build, layer)
               : spec->kind == KS_LAYER_DENSE ? build_dense(build, layer)
                                              : build_gru(build, layer);
    case KS_LAYER_POOL:
    case KS_LAYER_MEAN:
        return build_pool(layer);
    case KS_LAYER_DROPOUT:
    case KS_LAYER_CHANNEL_DROPOUT:
        if (spec->kind == KS_LAYER_CHANNEL_DROPOUT && layer->in_dims != 3) {
            return ks_fail(KS_ERR_USAGE, "channels are an image's");
        }
        if (!(spec->rate >= 0 && spec->rate < 1)) {
            return ks_fail(KS_ERR_USAGE, "rate: 0 to below 1");
        }
        break;
    default:
        break;
    }
    layer->out_dims = layer->in_dims;
    ks_copy(layer->out, layer->in, sizeof layer->out);
    return KS_OK;
}

static enum ks_err size_of(const unsigned *shape, unsigned dims, size_t *out_size)
{
    uint64_t wide[3];
    uint64_t size = 0;
    enum ks_err err = KS_OK;

    for (unsigned i = 0; i < dims; i++) {
        wide[i] = shape[i];
    }
    KS_TRY(ks_tensor_count(wide, dims, KS_ACTIVATIONS_MAX, &size));
    KS_CHECK(size > 0, KS_ERR_USAGE, "a side of 0");
    *out_size = (size_t)size;
out:
    return err;
}

static enum ks_err build_all(struct build *build)
{
    enum ks_err err = KS_OK;
    struct ks_model *model = build->model;
    const struct ks_model_spec *spec = &model->spec;
    unsigned dims = spec->dims;
    const unsigned *shape = spec->input;
    size_t size = 0;

    KS_TRY(ks_fail_prefix(size_of(shape, dims, &size), "input"));
    for (unsigned i = 0; i < spec->layers; i++) {
        struct ks_layer *layer = &model->layer[i];

        layer->spec = spec->layer[i];
        layer->in_dims = dims;
        ks_copy(layer->in, shape, dims * sizeof *shape);
        layer->in_size = size;
        KS_TRY(ks_fail_prefix(
            build_layer(build, layer), "layer %u (%s)", i + 1,
            ks_layer_name(layer->spec.kind) == NULL ? "?" : ks_layer_name(layer->spec.kind)));
        KS_TRY(ks_fail_prefix(size_of(layer->out, layer->out_dims, &layer->out_size),
                              "layer %u", i + 1));
        dims = layer->out_dims;
        shape = layer->out;
        size = layer->out_size;
    }
    KS_CHECK(model->params > 0, KS_ERR_USAGE, "a model without parameters");
    KS_CHECK(dims == 1 && (spec->loss == KS_LOSS_CLASSES ? size >= 2 && size <= KS_CLASSES_MAX
                                                         : size == 1),
             KS_ERR_USAGE, "the last layer gives %zu numbers in %u dimensions, wanted are %s",
             size, dims,
             spec->loss == KS_LOSS_CLASSES ? "2 to 256 classes" : "one number to predict");
    model->outputs = (unsigned)size;
out:
    return err;
}

enum ks_err ks_model_new(const struct ks_model_spec *spec, struct ks_model **out_model)
{
    enum ks_err err = KS_OK;
    struct ks_model *model = ks_calloc(1, sizeof *model);
    struct build build = {.model = model};

    KS_CHECK(model != NULL, KS_ERR_NOMEM, "model");
    KS_CHECK(ks_text_is_name(ks_bytes_of(spec->name, strnlen(spec->name, sizeof spec->name)),
                             KS_MODEL_NAME_MAX),
             KS_ERR_USAGE, "a model's name is 1 to %d letters, digits, '-', '_'",
             KS_MODEL_NAME_MAX);
    KS_CHECK(spec->dims == 2 || spec->dims == 3, KS_ERR_USAGE,
             "input: 2 sides of a series or 3 of an image, not %u", spec->dims);
    KS_CHECK(spec->layers >= 1 && spec->layers <= KS_LAYERS_MAX, KS_ERR_LIMIT,
             "layers: 1 to %d, not %u", KS_LAYERS_MAX, spec->layers);
    model->spec = *spec;
    KS_TRY(build_all(&build));
    *out_model = model;
    model = NULL; /* transferred */
out:
    ks_model_free(model);
    return err;
}

void ks_model_free(struct ks_model *model)
{
    ks_free(model);
}

const struct ks_model_spec *ks_model_spec(const struct ks_model *model)
{
    return &model->spec;
}

unsigned ks_model_outputs(const struct ks_model *model)
{
    return model->outputs;
}

/* --- parameters --------------------------------------------------------------------------- */

size_t ks_model_params(const struct ks_model *model)
{
    return model->params;
}

unsigned ks_model_tensors(const struct ks_model *model)
{
    return model->tensors;
}

const struct ks_model_tensor *ks_model_tensor(const struct ks_model *model, unsigned index)
{
    KS_ASSERT(index < model->tensors);
    return &model->tensor[index];
}

void ks_model_init(const struct ks_model *model, uint64_t seed, float *params)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};

    for (unsigned t = 0; t < model->tensors; t++) {
        const struct ks_model_tensor *tensor = &model->tensor[t];
        const double bound = 1 / sqrt((double)tensor->fan_in);

        for (size_t i = 0; i < tensor->count; i += 4) {
            const uint32_t counter[4] = {(uint32_t)(i / 4), t, 0, KS_DRAW_INIT};
            uint32_t words[4];

            ks_philox(key, counter, words);
            for (size_t k = 0; k < 4 && i + k < tensor->count; k++) {
                const double uniform = (words[k] + 0.5) / 4294967296.0;

                params[tensor->offset + i + k] = (float)((2 * uniform - 1) * bound);
            }
        }
    }
}

enum ks_err ks_model_check(const struct ks_model *model, const float *params)
{
    for (unsigned t = 0; t < model->tensors; t++) {
        const struct ks_model_tensor *tensor = &model->tensor[t];

        for (size_t i = 0; i < tensor->count; i++) {
            if (!isfinite(params[tensor->offset + i])) {
                return ks_fail(
                    KS_ERR_FORMAT, "tensor '%s': number %zu is %s", tensor->name, i + 1,
                    isnan(params[tensor->offset + i]) ? "no number (NaN)" : "infinite");
            }
        }
    }
    return KS_OK;
}
