/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* net_body.h: a network in one precision, NET_KIND. The samples of a batch are cut into slices,
 * one for each thread, that go through all layers by themselves; what they add to the gradient
 * of convolutions and recurrent layers is kept apart and added up in the order of slices. The
 * gradient of dense layers, where most parameters are, is made afterwards, each thread some
 * units of the whole batch. Included after net_layers.h and one of net_blas.h, net_vector.h. */

/* Samples that go through the layers before the first dense one together: their numbers stay in
 * the cache from layer to layer. Dense layers take all samples at once, for their weights'
 * sake. */
#define GROUP 4

struct ks_net {
    const struct ks_model *model;
    size_t batch;
    struct ks_pool *pool;
    size_t slices;
    unsigned first_dense;
    unsigned first_params; /* the first layer with parameters: nothing below it is asked for */
    REAL *memory;          /* all of the following */
    uint8_t *bytes;        /* and of these */
    REAL *out[KS_LAYERS_MAX];   /* of each layer; in place of its input's where that may be */
    REAL *delta[KS_LAYERS_MAX]; /* dense layers: gradient of what comes out */
    struct gru gru[KS_LAYERS_MAX];
    uint8_t *marks[KS_LAYERS_MAX]; /* pools: where the largest was; dropout: what was kept */
    size_t widest;
    REAL *passed[2]; /* gradients on their way down, widest numbers for each sample */
    REAL *group;     /* of each slice: the same for the samples of a group */
    size_t scratch_size;
    REAL *scratch;  /* of each slice */
    REAL *partials; /* gradients of slices but the first */
    struct ks_net_result *results;
    /* One run. */
    const REAL *params;
    REAL *gradient;
    const struct ks_net_batch *task;
    bool with_loss;
};

/* --- memory ------------------------------------------------------------------------------- */

static bool is_activation(enum ks_layer_kind kind)
{
    return kind == KS_LAYER_RELU || kind == KS_LAYER_TANH;
}

/* An activation writes over its input where nobody needs that any more. */
static bool is_in_place(const struct ks_model *model, unsigned index)
{
    return index > 0 && is_activation(model->layer[index].spec.kind) &&
           !is_activation(model->layer[index - 1].spec.kind);
}

static size_t scratch_of(const struct ks_layer *layer, size_t batch)
{
    switch (layer->spec.kind) {
    case KS_LAYER_CONV:
        return conv_scratch(layer);
    case KS_LAYER_GRU:
        return 3 * layer->spec.units * batch;
    default:
        return 0;
    }
}

/* Hands out the parts of the two blocks; without blocks, it only counts. */
static void lay_out(struct ks_net *net, size_t *out_numbers, size_t *out_bytes)
{
    const struct ks_model *model = net->model;
    REAL *at = net->memory;
    uint8_t *mark = net->bytes;
    size_t numbers = 0;
    size_t bytes = 0;
#define TAKE(target, size)                                                                     \
    do {                                                                                       \
        (target) = at == NULL ? NULL : at + numbers;                                           \
        numbers += (size);                                                                     \
    } while (0)

    for (unsigned i = 0; i < model->spec.layers; i++) {
        const struct ks_layer *layer = &model->layer[i];

        if (is_in_place(model, i)) {
            net->out[i] = net->out[i - 1];
        } else {
            TAKE(net->out[i], net->batch * layer->out_size);
        }
        if (layer->spec.kind == KS_LAYER_DENSE) {
            TAKE(net->delta[i], net->batch * layer->out_size);
        }
        if (layer->spec.kind == KS_LAYER_GRU) {
            REAL *memory = NULL;

            TAKE(memory, net->batch * gru_size(layer));
            net->gru[i] = memory == NULL ? (struct gru){0} : gru_of(layer, memory, net->batch);
        }
        if (layer->spec.kind == KS_LAYER_POOL || layer->spec.kind == KS_LAYER_DROPOUT ||
            layer->spec.kind == KS_LAYER_CHANNEL_DROPOUT) {
            net->marks[i] = mark == NULL ? NULL : mark + bytes;
            bytes += net->batch * layer->out_size;
        }
    }
    TAKE(net->passed[0], net->batch * net->widest);
    TAKE(net->passed[1], net->batch * net->widest);
    TAKE(net->group, net->slices * GROUP * net->widest);
    TAKE(net->scratch, net->slices * net->scratch_size);
    TAKE(net->partials, (net->slices - 1) * model->params);
#undef TAKE
    *out_numbers = numbers;
    *out_bytes = bytes;
}

static void net_free(struct ks_net *net)
{
    if (net != NULL) {
        ks_free(net->memory);
        ks_free(net->bytes);
        ks_free(net->results);
    }
    ks_free(net);
}

static enum ks_err net_make(const struct ks_model *model, size_t batch, struct ks_pool *pool,
                            struct ks_net **out_net)
{
    enum ks_err err = KS_OK;
    struct ks_net *net = ks_calloc(1, sizeof *net);
    size_t numbers = 0;
    size_t bytes = 0;

    KS_CHECK(net != NULL, KS_ERR_NOMEM, "network");
    *net = (struct ks_net){
        .model = model,
        .batch = batch,
        .pool = pool,
        .slices = slices_of(model, pool),
        .first_params = model->spec.layers,
        .first_dense = model->spec.layers,
    };
    for (unsigned i = model->spec.layers; i-- > 0;) {
        const struct ks_layer *layer = &model->layer[i];
        const size_t scratch = scratch_of(layer, batch);

        net->first_params = layer->tensors > 0 ? i : net->first_params;
        net->first_dense =
            layer->spec.kind == KS_LAYER_DENSE || layer->spec.kind == KS_LAYER_GRU
                ? i
                : net->first_dense;
        net->widest = layer->out_size > net->widest ? layer->out_size : net->widest;
        net->scratch_size = scratch > net->scratch_size ? scratch : net->scratch_size;
    }
    lay_out(net, &numbers, &bytes);
    net->memory = ks_calloc_huge(numbers, sizeof *net->memory);
    net->bytes = ks_calloc(bytes, sizeof *net->bytes);
    net->results = ks_calloc(net->slices, sizeof *net->results);
    KS_CHECK(net->memory != NULL && net->bytes != NULL && net->results != NULL, KS_ERR_NOMEM,
             "network for batches of %zu", batch);
    lay_out(net, &numbers, &bytes);
    *out_net = net;
    net = NULL; /* transferred */
out:
    net_free(net);
    return err;
}

/* --- forward ------------------------------------------------------------------------------ */

/* Samples of one slice. */
struct slice {
    size_t number;
    size_t begin;
    size_t count;
};

static struct slice slice_of(const struct ks_net *net, size_t number)
{
    const size_t begin = net->task->count * number / net->slices;

    return (struct slice){number, begin, net->task->count * (number + 1) / net->slices - begin};
}

static struct slice group_of(const struct slice *slice, size_t at)
{
    const size_t left = slice->count - at;

    return (struct slice){slice->number, slice->begin + at, left < GROUP ? left : GROUP};
}

static const REAL *input_of(const struct ks_net *net, unsigned index, size_t begin)
{
    const REAL *all = index == 0 ? (const REAL *)net->task->inputs : net->out[index - 1];

    return all + begin * net->model->layer[index].in_size;
}

/* Which numbers of one sample are KEPT: drawn for each, or for each channel. */
static void draw_kept(const struct ks_layer *layer, const struct ks_dropout *draw,
                      uint8_t *kept)
{
    const bool whole = layer->spec.kind == KS_LAYER_CHANNEL_DROPOUT;
    const size_t drawn = whole ? layer->out[0] : layer->out_size;
    const size_t plane = layer->out_size / drawn;

    ks_dropout_draw(draw, kept, drawn);
    for (size_t c = drawn; whole && c-- > 0;) {
        memset(kept + c * plane, kept[c], plane); /* nothing that is still to be read */
    }
}

static void drop(const struct ks_net *net, unsigned index, const struct slice *slice,
                 const REAL *x, REAL *y)
{
    const struct ks_layer *layer = &net->model->layer[index];
    uint8_t *kept = net->marks[index] + slice->begin * layer->out_size;

    if (!net->task->training) {
        ks_copy(y, x, slice->count * layer->out_size * sizeof *y);
        return;
    }
    for (size_t i = 0; i < slice->count; i++) {
        const struct ks_dropout draw = {.seed = net->task->seed,
                                        .step = net->task->step,
                                        .sample = (uint32_t)(slice->begin + i),
                                        .layer = index,
                                        .rate = layer->spec.rate};

        draw_kept(layer, &draw, kept + i * layer->out_size);
    }
    dropout_forward(layer, slice->count, x, y, kept);
}

static void layer_forward(struct ks_net *net, unsigned index, const struct slice *slice)
{
    const struct ks_layer *layer = &net->model->layer[index];
    const size_t size = slice->count * layer->out_size;
    const REAL *x = input_of(net, index, slice->begin);
    REAL *y = net->out[index] + slice->begin * layer->out_size;
    REAL *scratch = net->scratch + slice->number * net->scratch_size;

    switch (layer->spec.kind) {
    case KS_LAYER_CONV:
        conv_forward(layer, net->params, slice->count, x, y, scratch);
        break;
    case KS_LAYER_POOL:
        pool_forward(layer, slice->count, x, y,
                     net->marks[index] + slice->begin * layer->out_size);
        break;
    case KS_LAYER_MEAN:
        mean_forward(layer, slice->count, x, y);
        break;
    case KS_LAYER_DENSE:
        dense_forward(layer, net->params, slice->count, x, y);
        break;
    case KS_LAYER_GRU: {
        const struct gru gru = gru_from(layer, &net->gru[index], slice->begin);

        gru_forward(layer, net->params, slice->count, x, &gru, y, scratch);
        break;
    }
    case KS_LAYER_RELU:
        relu_forward(size, x, y);
        break;
    case KS_LAYER_TANH:
        tanh_forward(size, x, y);
        break;
    case KS_LAYER_DROPOUT:
    case KS_LAYER_CHANNEL_DROPOUT:
        drop(net, index, slice, x, y);
        break;
    }
}

/* Losses of a slice; D_OUTPUT is its gradient, NULL: not wanted. */
static void add_losses(struct ks_net *net, const struct slice *slice, REAL *d_output)
{
    const struct ks_net_batch *task = net->task;
    const size_t outputs = net->model->outputs;
    struct ks_net_result *result = &net->results[slice->number];
    const REAL *output = net->out[net->model->spec.layers - 1] + slice->begin * outputs;
    const REAL scale = 1 / (REAL)task->count;

    for (size_t i = 0; i < slice->count; i++) {
        const REAL *one = output + i * outputs;
        REAL *d_one = d_output == NULL ? NULL : d_output + i * outputs;

        if (net->model->spec.loss == KS_LOSS_CLASSES) {
            const size_t label = task->labels[slice->begin + i];

            result->loss += class_loss(one, outputs, label, scale, d_one);
            result->correct += largest_of(one, outputs) == label;
        } else {
            const REAL error = one[0] - (REAL)task->targets[slice->begin + i];

            result->loss += (double)(error * error);
            if (d_one != NULL) {
                d_one[0] = 2 * error * scale;
            }
        }
    }
}

static void forward_slice(void *context, size_t number)
{
    struct ks_net *net = context;
    const struct slice slice = slice_of(net, number);

    net->results[number] = (struct ks_net_result){0};
    if (slice.count == 0) {
        return;
    }
    for (size_t at = 0; at < slice.count; at += GROUP) {
        const struct slice group = group_of(&slice, at);

        for (unsigned i = 0; i < net->first_dense; i++) {
            layer_forward(net, i, &group);
        }
    }
    for (unsigned i = net->first_dense; i < net->model->spec.layers; i++) {
        layer_forward(net, i, &slice);
    }
    if (net->with_loss) {
        add_losses(net, &slice, NULL);
    }
}

static void add_results(const struct ks_net *net, struct ks_net_result *out_result)
{
    *out_result = (struct ks_net_result){0};
    for (size_t i = 0; i < net->slices; i++) {
        out_result->loss += net->results[i].loss;
        out_result->correct += net->results[i].correct;
    }
}

static const void *net_forward(struct ks_net *net, const void *params,
                               const struct ks_net_batch *batch, struct ks_net_result *result)
{
    KS_ASSERT(batch->count <= net->batch);
    net->params = params;
    net->task = batch;
    net->with_loss = result != NULL;
    ks_pool_run(net->pool, forward_slice, net, net->slices);
    if (result != NULL) {
        add_results(net, result);
    }
    return net->out[net->model->spec.layers - 1];
}

/* --- back --------------------------------------------------------------------------------- */

/* Where a slice adds its own. */
static REAL *gradient_of(const struct ks_net *net, size_t number)
{
    return number == 0 ? net->gradient : net->partials + (number - 1) * net->model->params;
}

/* What is behind layer INDEX lies in DELTA; the gradient of its input is put where this says:
 * DELTA itself, or OTHER. */
static REAL *layer_back(struct ks_net *net, unsigned index, const struct slice *slice,
                        REAL *delta, REAL *other)
{
    const struct ks_layer *layer = &net->model->layer[index];
    const size_t size = slice->count * layer->out_size;
    const REAL *x = input_of(net, index, slice->begin);
    const REAL *y = net->out[index] + slice->begin * layer->out_size;
    const uint8_t *marks =
        net->marks[index] == NULL ? NULL : net->marks[index] + slice->begin * layer->out_size;
    REAL *gradient = gradient_of(net, slice->number);
    REAL *dx = index == net->first_params ? NULL : other;

    switch (layer->spec.kind) {
    case KS_LAYER_CONV:
        conv_back(layer, net->params, slice->count, x, delta, dx, gradient,
                  net->scratch + slice->number * net->scratch_size);
        return other;
    case KS_LAYER_POOL:
    case KS_LAYER_MEAN:
        pool_back(layer, slice->count, delta, marks, other);
        return other;
    case KS_LAYER_DENSE:
        ks_copy(net->delta[index] + slice->begin * layer->out_size, delta,
                size * sizeof *delta);
        if (dx != NULL) {
            dense_back(layer, net->params, slice->count, delta, dx);
        }
        return other;
    case KS_LAYER_GRU: {
        const struct gru gru = gru_from(layer, &net->gru[index], slice->begin);

        KS_ASSERT(dx == NULL);
        gru_back(layer, net->params, slice->count, x, &gru, delta, gradient);
        return other;
    }
    case KS_LAYER_RELU:
        relu_back(size, y, delta);
        return delta;
    case KS_LAYER_TANH:
        tanh_back(size, y, delta);
        return delta;
    case KS_LAYER_DROPOUT:
    case KS_LAYER_CHANNEL_DROPOUT:
        if (net->task->training) {
            dropout_back(layer, slice->count, marks, delta);
        }
        return delta;
    }
    return delta;
}

/* The layers before the first dense one; what comes from there lies in DELTA. */
static void back_group(struct ks_net *net, const struct slice *group, REAL *delta, REAL *other)
{
    REAL *spare = net->group + group->number * GROUP * net->widest;

    for (unsigned i = net->first_dense; i-- > net->first_params;) {
        REAL *next = layer_back(net, i, group, delta, other);

        if (next != delta) {
            REAL *used = other;

            other = spare;
            spare = used;
            delta = next;
        }
    }
}

static void back_slice(void *context, size_t number)
{
    struct ks_net *net = context;
    const struct slice slice = slice_of(net, number);
    REAL *delta = net->passed[0] + slice.begin * net->widest;
    REAL *other = net->passed[1] + slice.begin * net->widest;

    forward_slice(net, number);
    for (unsigned i = 0; i < net->model->spec.layers; i++) {
        const struct ks_layer *layer = &net->model->layer[i];

        if (layer->spec.kind != KS_LAYER_DENSE) {
            ks_zero(gradient_of(net, number) + layer->params,
                    layer->params_count * sizeof(REAL));
        }
    }
    if (slice.count == 0) {
        return;
    }
    add_losses(net, &slice, delta);
    for (unsigned i = net->model->spec.layers; i-- > net->first_dense;) {
        REAL *next = layer_back(net, i, &slice, delta, other);

        other = next == delta ? other : delta;
        delta = next;
    }
    for (size_t at = 0; at < slice.count && net->first_params < net->first_dense; at += GROUP) {
        const struct slice group = group_of(&slice, at);

        back_group(net, &group, delta + at * net->model->layer[net->first_dense].in_size,
                   other);
    }
}

/* The rest of the gradient: some units of each dense layer, some numbers of what slices have
 * added. */
static void gather_slice(void *context, size_t number)
{
    struct ks_net *net = context;

    for (unsigned i = 0; i < net->model->spec.layers; i++) {
        const struct ks_layer *layer = &net->model->layer[i];

        if (layer->spec.kind == KS_LAYER_DENSE) {
            const size_t units = layer->spec.units;

            dense_gradient(layer, net->task->count, input_of(net, i, 0), net->delta[i],
                           units * number / net->slices, units * (number + 1) / net->slices,
                           net->gradient);
        } else if (layer->tensors > 0) {
            const size_t count = layer->params_count;
            const size_t begin = layer->params + count * number / net->slices;
            const size_t end = layer->params + count * (number + 1) / net->slices;

            for (size_t s = 1; s < net->slices; s++) {
                const REAL *partial = net->partials + (s - 1) * net->model->params;

                for (size_t k = begin; k < end; k++) {
                    net->gradient[k] += partial[k];
                }
            }
        }
    }
}

static void net_gradient(struct ks_net *net, const void *params,
                         const struct ks_net_batch *batch, void *out_gradient,
                         struct ks_net_result *result)
{
    KS_ASSERT(batch->count > 0 && batch->count <= net->batch);
    net->params = params;
    net->gradient = out_gradient;
    net->task = batch;
    net->with_loss = false;
    ks_pool_run(net->pool, back_slice, net, net->slices);
    ks_pool_run(net->pool, gather_slice, net, net->slices);
    add_results(net, result);
}

const struct ks_net_kind NET_KIND = {
    .number_size = sizeof(REAL),
    .make = net_make,
    .free = net_free,
    .forward = net_forward,
    .gradient = net_gradient,
};
