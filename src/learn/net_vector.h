/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* net_vector.h: convolutions and dense layers of floats by the products of kernel.h. An image
 * lies in a frame of zeros as wide as its padding; the outputs of a filter are taken from it
 * for all places of the frame's rows at once, those between the rows included, and these are
 * then left out. Included after net_layers.h; the file that does has defined VECTORS. */

#define IMAGES_AT_ONCE 4 /* whose sums stay in registers in the gradient of filters */

/* PLANES images of HEIGHT x WIDTH in a frame of BORDER zeros, and outputs of a filter on it. */
struct frame {
    size_t planes;
    size_t height;
    size_t width;
    size_t border;
    size_t row;    /* numbers from one row to the next */
    size_t plane;  /* from one plane to the next */
    size_t places; /* of a filter: rows of outputs, ROW numbers each, in whole lanes */
    size_t size;   /* numbers in all, with what is read beyond the end */
};

static struct frame frame_of(size_t planes, size_t height, size_t width, size_t border,
                             size_t side)
{
    struct frame frame = {.planes = planes,
                          .height = height,
                          .width = width,
                          .border = border,
                          .row = width + 2 * border};
    const size_t rows = height + 2 * border;

    frame.plane = rows * frame.row;
    frame.places = whole_lanes((rows - side + 1) * frame.row);
    frame.size = planes * frame.plane + side * frame.row + KS_LANES;
    return frame;
}

/* The frame of what goes into a convolution, and that of the gradient of what comes out. */
static struct frame frame_in(const struct ks_layer *layer)
{
    return frame_of(layer->in[0], layer->in[1], layer->in[2], layer->spec.padding,
                    layer->spec.size);
}

static struct frame frame_out(const struct ks_layer *layer)
{
    return frame_of(layer->out[0], layer->out[1], layer->out[2],
                    layer->spec.size - 1 - layer->spec.padding, layer->spec.size);
}

/* Puts an image into its frame, whose zeros are there already. */
static void put_image(const struct frame *frame, const float *image, float *target)
{
    for (size_t line = 0; line < frame->planes * frame->height; line++) {
        const size_t plane = line / frame->height;
        const size_t y = line % frame->height + frame->border;

        ks_copy(target + plane * frame->plane + y * frame->row + frame->border,
                image + line * frame->width, frame->width * sizeof *image);
    }
}

/* Where row (plane, ky, kx) of the frame begins, for a filter of SIDE. */
static void put_rows_of(const struct frame *frame, size_t side, uint32_t *rows)
{
    for (size_t tap = 0; tap < frame->planes * side * side; tap++) {
        rows[tap] = (uint32_t)(tap / (side * side) * frame->plane +
                               tap / side % side * frame->row + tap % side);
    }
}

/* All that a slice needs for a convolution. */
struct conv_work {
    struct frame in;
    struct frame out;
    uint32_t *in_rows;
    uint32_t *out_rows;
    float *image;   /* IMAGES_AT_ONCE frames of what goes in */
    float *sparse;  /* as many gradients of what comes out, laid out as the frame's places */
    float *delta;   /* one in its frame */
    float *turned;  /* the filters, turned round and sorted by channel */
    float *places;  /* outputs of a product, or the gradient of the input */
    size_t numbers; /* of all of these */
};

static struct conv_work conv_work_of(const struct ks_layer *layer, float *scratch)
{
    const size_t units = layer->spec.units;
    const size_t taps = conv_taps(layer);
    struct conv_work work = {.in = frame_in(layer), .out = frame_out(layer)};
    const size_t out_taps = units * layer->spec.size * layer->spec.size;
    const size_t places = units * work.in.places > layer->in[0] * work.out.places
                              ? units * work.in.places
                              : layer->in[0] * work.out.places;
    size_t at = 0;
#define TAKE(type, field, count)                                                               \
    do {                                                                                       \
        work.field = scratch == NULL ? NULL : (type *)(void *)(scratch + at);                  \
        at += (count);                                                                         \
    } while (0)

    TAKE(float, image, IMAGES_AT_ONCE *work.in.size);
    TAKE(float, sparse, IMAGES_AT_ONCE *units *work.in.places);
    TAKE(float, delta, work.out.size);
    TAKE(float, places, places);
    TAKE(float, turned, units *taps);
    TAKE(uint32_t, in_rows, taps);
    TAKE(uint32_t, out_rows, out_taps);
#undef TAKE
    work.numbers = at;
    return work;
}

static size_t conv_scratch(const struct ks_layer *layer)
{
    const size_t products = conv_work_of(layer, NULL).numbers;
    const size_t patches = patches_of(layer, NULL).numbers;

    return products > patches ? products : patches;
}

/* Takes a plane of HEIGHT x WIDTH out of places of ROW numbers each, and adds BIAS. */
static void take_places(const float *places, size_t row, size_t height, size_t width,
                        float bias, float *target)
{
    for (size_t y = 0; y < height; y++) {
        for (size_t x = 0; x < width; x++) {
            target[y * width + x] = places[y * row + x] + bias;
        }
    }
}

static void conv_forward(const struct ks_layer *layer, const float *params, size_t count,
                         const float *x, float *y, float *scratch)
{
    const struct conv_work work = conv_work_of(layer, scratch);
    const size_t taps = conv_taps(layer);
    const size_t units = layer->spec.units;
    const float *weight = params + layer->params;
    const float *bias = weight + units * taps;
    const struct ks_rows_product product = {
        .m = units,
        .k = taps,
        .p = work.in.places,
        .a = weight,
        .a_row = taps,
        .a_step = 1,
        .x = work.image,
        .rows = work.in_rows,
        .c = work.places,
        .c_row = work.in.places,
    };

    put_rows_of(&work.in, layer->spec.size, work.in_rows);
    ks_zero(work.image, work.in.size * sizeof *work.image);
    for (size_t i = 0; i < count; i++) {
        put_image(&work.in, x + i * layer->in_size, work.image);
        VECTORS->rows(&product);
        for (size_t u = 0; u < units; u++) {
            take_places(work.places + u * work.in.places, work.in.row, layer->out[1],
                        layer->out[2], bias[u],
                        y + i * layer->out_size + u * conv_places(layer));
        }
    }
}

/* The gradient of what comes out, laid out as the places of the frame that goes in; zeros
 * between. */
static void put_sparse(const struct ks_layer *layer, const struct frame *in, const float *dy,
                       float *target)
{
    const size_t height = layer->out[1];
    const size_t width = layer->out[2];

    ks_zero(target, layer->out[0] * in->places * sizeof *target);
    for (size_t line = 0; line < layer->out[0] * height; line++) {
        ks_copy(target + line / height * in->places + line % height * in->row,
                dy + line * width, width * sizeof *dy);
    }
}

/* Filter U's weight of channel C at (ky, kx) becomes channel C's of U at the opposite place. */
static void turn(const struct ks_layer *layer, const float *weight, float *turned)
{
    const size_t area = (size_t)layer->spec.size * layer->spec.size;
    const size_t units = layer->spec.units;
    const size_t channels = layer->in[0];

    for (size_t u = 0; u < units; u++) {
        for (size_t c = 0; c < channels; c++) {
            for (size_t k = 0; k < area; k++) {
                turned[(c * units + u) * area + k] =
                    weight[(u * channels + c) * area + area - 1 - k];
            }
        }
    }
}

static void conv_inputs_back(const struct ks_layer *layer, const struct conv_work *work,
                             size_t count, const float *dy, float *dx)
{
    const size_t taps = (size_t)layer->spec.units * layer->spec.size * layer->spec.size;
    const struct ks_rows_product product = {
        .m = layer->in[0],
        .k = taps,
        .p = work->out.places,
        .a = work->turned,
        .a_row = taps,
        .a_step = 1,
        .x = work->delta,
        .rows = work->out_rows,
        .c = work->places,
        .c_row = work->out.places,
    };

    for (size_t i = 0; i < count; i++) {
        put_image(&work->out, dy + i * layer->out_size, work->delta);
        VECTORS->rows(&product);
        for (size_t c = 0; c < layer->in[0]; c++) {
            take_places(work->places + c * work->out.places, work->out.row, layer->in[1],
                        layer->in[2], 0,
                        dx + i * layer->in_size + c * layer->in[1] * layer->in[2]);
        }
    }
}

static void products_back(const struct ks_layer *layer, const float *params, size_t count,
                          const float *x, const float *dy, float *dx, float *gradient,
                          float *scratch)
{
    const struct conv_work work = conv_work_of(layer, scratch);
    const size_t taps = conv_taps(layer);
    const size_t units = layer->spec.units;
    float *d_weight = gradient + layer->params;
    struct ks_across_product product = {
        .m = units,
        .k = taps,
        .p = work.in.places,
        .a = work.sparse,
        .a_row = work.in.places,
        .a_image = units * work.in.places,
        .x = work.image,
        .rows = work.in_rows,
        .x_image = work.in.size,
        .c = d_weight,
        .c_row = taps,
    };

    put_rows_of(&work.in, layer->spec.size, work.in_rows);
    ks_zero(work.image, IMAGES_AT_ONCE * work.in.size * sizeof *work.image);
    for (size_t i = 0; i < count; i += IMAGES_AT_ONCE) {
        product.images = count - i < IMAGES_AT_ONCE ? count - i : IMAGES_AT_ONCE;
        for (size_t k = 0; k < product.images; k++) {
            put_image(&work.in, x + (i + k) * layer->in_size, work.image + k * work.in.size);
            put_sparse(layer, &work.in, dy + (i + k) * layer->out_size,
                       work.sparse + k * units * work.in.places);
        }
        VECTORS->across(&product);
    }
    if (dx != NULL) {
        put_rows_of(&work.out, layer->spec.size, work.out_rows);
        ks_zero(work.delta, work.out.size * sizeof *work.delta);
        turn(layer, params + layer->params, work.turned);
        conv_inputs_back(layer, &work, count, dy, dx);
    }
}

static void conv_back(const struct ks_layer *layer, const float *params, size_t count,
                      const float *x, const float *dy, float *dx, float *gradient,
                      float *scratch)
{
    if (patches_serve(layer, count, dy)) {
        patches_back(layer, params, count, x, dy, dx, gradient, scratch);
    } else {
        products_back(layer, params, count, x, dy, dx, gradient, scratch);
    }
    conv_bias_gradient(layer, count, dy, gradient);
}

/* A recurrent layer takes OpenBLAS here, too, which is called by one thread at a time
 * (net_blas.h). */
static unsigned slices_of(const struct ks_model *model, const struct ks_pool *pool)
{
    for (unsigned i = 0; i < model->spec.layers; i++) {
        if (model->spec.layer[i].kind == KS_LAYER_GRU) {
            return 1;
        }
    }
    return ks_pool_threads(pool);
}

/* --- dense -------------------------------------------------------------------------------- */

static void dense_forward(const struct ks_layer *layer, const float *params, size_t count,
                          const float *x, float *y)
{
    const size_t units = layer->spec.units;
    const float *weight = params + layer->params;
    const struct ks_across_product product = {
        .m = count,
        .k = units,
        .p = layer->in_size,
        .images = 1,
        .a = x,
        .a_row = layer->in_size,
        .x = weight,
        .x_row = layer->in_size,
        .c = y,
        .c_row = units,
    };

    put_rows(weight + units * layer->in_size, units, count, y);
    VECTORS->across(&product);
}

static void dense_back(const struct ks_layer *layer, const float *params, size_t count,
                       const float *dy, float *dx)
{
    const struct ks_rows_product product = {
        .m = count,
        .k = layer->spec.units,
        .p = layer->in_size,
        .a = dy,
        .a_row = layer->spec.units,
        .a_step = 1,
        .x = params + layer->params,
        .x_row = layer->in_size,
        .c = dx,
        .c_row = layer->in_size,
    };

    VECTORS->rows(&product);
}

static void dense_gradient(const struct ks_layer *layer, size_t count, const float *x,
                           const float *dy, size_t begin, size_t end, float *gradient)
{
    const struct ks_rows_product product = {
        .m = end - begin,
        .k = count,
        .p = layer->in_size,
        .a = dy + begin,
        .a_row = 1,
        .a_step = layer->spec.units,
        .x = x,
        .x_row = layer->in_size,
        .c = gradient + layer->params + begin * layer->in_size,
        .c_row = layer->in_size,
    };

    VECTORS->rows(&product);
    dense_bias_gradient(layer, count, dy, begin, end, gradient);
}
