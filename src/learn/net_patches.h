/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* net_patches.h: back through a convolution whose outputs matter little: behind a pool of 2 x 2
 * three of four have no gradient. Each that has one takes its patch of the input into the
 * gradient of its filter, and its filter into the gradient of its patch; the others cost
 * nothing. The channels of a place lie side by side here, so that a row of a patch is one run
 * of numbers. Included before net_vector.h, by a file that has defined VECTORS. */

#define BAND_BYTES 36864 /* of an image that are gone over for each filter: within a cache */

static size_t whole_lanes(size_t count)
{
    return (count + KS_LANES - 1) / KS_LANES * KS_LANES;
}

/* What a slice needs, and how it lies there. */
struct patches {
    size_t row;          /* numbers of a row of the frame: that of the image and its padding */
    size_t length;       /* of a row of a patch */
    size_t lanes;        /* LENGTH in whole vectors: from one row of a filter to the next */
    size_t filter;       /* from one filter to the next */
    size_t size;         /* of a frame, with what is read beyond its end */
    size_t band;         /* rows of outputs at once */
    uint32_t *begins;    /* where the patch of each place begins */
    uint32_t *picked_at; /* of a band of one filter: where patches with a gradient begin, */
    float *picked;       /* and this gradient */
    float *image;
    float *d_image;
    float *weight;
    float *d_weight;
    size_t numbers; /* of all of these */
};

static struct patches patches_of(const struct ks_layer *layer, float *scratch)
{
    const size_t channels = layer->in[0];
    const size_t side = layer->spec.size;
    const size_t border = 2 * (size_t)layer->spec.padding;
    struct patches patches = {.row = (layer->in[2] + border) * channels,
                              .length = side * channels,
                              .lanes = whole_lanes(side * channels)};
    const size_t fitting = BAND_BYTES / sizeof(float) / patches.row;
    size_t at = 0;
#define TAKE(type, field, count)                                                               \
    do {                                                                                       \
        patches.field = scratch == NULL ? NULL : (type *)(void *)(scratch + at);               \
        at += whole_lanes(count);                                                              \
    } while (0)

    patches.filter = side * patches.lanes;
    patches.size = (layer->in[1] + border) * patches.row + KS_LANES;
    patches.band = fitting > side ? fitting - side + 1 : 1;
    patches.band = patches.band < layer->out[1] ? patches.band : layer->out[1];
    TAKE(float, image, patches.size);
    TAKE(float, d_image, patches.size);
    TAKE(float, weight, layer->spec.units *patches.filter);
    TAKE(float, d_weight, layer->spec.units *patches.filter);
    TAKE(float, picked, patches.band * layer->out[2] + KS_LANES);
    TAKE(uint32_t, picked_at, patches.band * layer->out[2] + KS_LANES);
    TAKE(uint32_t, begins, conv_places(layer));
#undef TAKE
    patches.numbers = at;
    return patches;
}

/* Whether DY, of COUNT images, has so few numbers that are not 0 that this is less work than
 * the products over all of them. */
static bool patches_serve(const struct ks_layer *layer, size_t count, const float *dy)
{
    const struct patches patches = patches_of(layer, NULL);
    const size_t all = count * layer->out_size;
    uint32_t few = 0;

    for (size_t i = 0; i < all; i++) {
        few += dy[i] != 0;
    }
    return 3 * (uint64_t)few * patches.filter < all * conv_taps(layer);
}

/* Where channel C of place (Y, X) of the image is in its frame. */
static size_t place_of(const struct ks_layer *layer, const struct patches *patches, size_t y,
                       size_t x)
{
    const size_t padding = layer->spec.padding;

    return (y + padding) * patches->row + (x + padding) * layer->in[0];
}

static void put_begins(const struct ks_layer *layer, const struct patches *patches)
{
    for (size_t y = 0; y < layer->out[1]; y++) {
        for (size_t x = 0; x < layer->out[2]; x++) {
            patches->begins[y * layer->out[2] + x] =
                (uint32_t)(y * patches->row + x * layer->in[0]);
        }
    }
}

/* IMAGE, channel by channel, to its frame, whose zeros are there already; or back. */
static void put_channels(const struct ks_layer *layer, const struct patches *patches,
                         const float *image, float *frame)
{
    const size_t width = layer->in[2];

    for (size_t line = 0; line < layer->in[0] * layer->in[1]; line++) {
        float *to =
            frame + line / layer->in[1] + place_of(layer, patches, line % layer->in[1], 0);

        for (size_t x = 0; x < width; x++) {
            to[x * layer->in[0]] = image[line * width + x];
        }
    }
}

static void take_channels(const struct ks_layer *layer, const struct patches *patches,
                          const float *frame, float *image)
{
    const size_t width = layer->in[2];

    for (size_t line = 0; line < layer->in[0] * layer->in[1]; line++) {
        const float *from =
            frame + line / layer->in[1] + place_of(layer, patches, line % layer->in[1], 0);

        for (size_t x = 0; x < width; x++) {
            image[line * width + x] = from[x * layer->in[0]];
        }
    }
}

/* Weight (u, c, ky, kx) of a convolution, here. */
static size_t weight_of(const struct ks_layer *layer, const struct patches *patches, size_t u,
                        size_t c, size_t k)
{
    const size_t side = layer->spec.size;

    return u * patches->filter + k / side * patches->lanes + k % side * layer->in[0] + c;
}

static void put_filters(const struct ks_layer *layer, const struct patches *patches,
                        const float *weight)
{
    const size_t area = (size_t)layer->spec.size * layer->spec.size;
    const size_t channels = layer->in[0];

    ks_zero(patches->weight, layer->spec.units * patches->filter * sizeof *patches->weight);
    for (size_t i = 0; i < layer->spec.units * channels; i++) {
        for (size_t k = 0; k < area; k++) {
            patches->weight[weight_of(layer, patches, i / channels, i % channels, k)] =
                weight[i * area + k];
        }
    }
}

static void add_filters(const struct ks_layer *layer, const struct patches *patches,
                        float *d_weight)
{
    const size_t area = (size_t)layer->spec.size * layer->spec.size;
    const size_t channels = layer->in[0];

    for (size_t i = 0; i < layer->spec.units * channels; i++) {
        for (size_t k = 0; k < area; k++) {
            d_weight[i * area + k] +=
                patches->d_weight[weight_of(layer, patches, i / channels, i % channels, k)];
        }
    }
}

/* A band of one image, from row BEGIN of the outputs: all filters, one after the other. */
static void band_back(const struct ks_layer *layer, const struct patches *patches,
                      void (*step)(const struct ks_patches_product *product), float *frame,
                      float *filters, const float *dy, size_t begin)
{
    const size_t rows =
        layer->out[1] - begin < patches->band ? layer->out[1] - begin : patches->band;
    const size_t first = begin * layer->out[2];
    struct ks_patches_product product = {
        .at = patches->picked_at,
        .values = patches->picked,
        .side = layer->spec.size,
        .length = patches->length,
        .x = frame,
        .x_row = patches->row,
        .c_row = patches->lanes,
    };

    for (size_t u = 0; u < layer->spec.units; u++) {
        product.count =
            VECTORS->pick(dy + u * conv_places(layer) + first, patches->begins + first,
                          rows * layer->out[2], patches->picked, patches->picked_at);
        product.c = filters + u * patches->filter;
        step(&product);
    }
}

static void patches_back(const struct ks_layer *layer, const float *params, size_t count,
                         const float *x, const float *dy, float *dx, float *gradient,
                         float *scratch)
{
    const struct patches patches = patches_of(layer, scratch);

    put_begins(layer, &patches);
    put_filters(layer, &patches, params + layer->params);
    ks_zero(patches.image, patches.size * sizeof *patches.image);
    ks_zero(patches.d_weight, layer->spec.units * patches.filter * sizeof *patches.d_weight);
    for (size_t i = 0; i < count; i++) {
        const float *d_out = dy + i * layer->out_size;

        put_channels(layer, &patches, x + i * layer->in_size, patches.image);
        ks_zero(patches.d_image, patches.size * sizeof *patches.d_image);
        for (size_t row = 0; row < layer->out[1]; row += patches.band) {
            band_back(layer, &patches, VECTORS->from_patches, patches.image, patches.d_weight,
                      d_out, row);
            if (dx != NULL) {
                band_back(layer, &patches, VECTORS->to_patches, patches.d_image, patches.weight,
                          d_out, row);
            }
        }
        if (dx != NULL) {
            take_channels(layer, &patches, patches.d_image, dx + i * layer->in_size);
        }
    }
    add_filters(layer, &patches, gradient + layer->params);
}
