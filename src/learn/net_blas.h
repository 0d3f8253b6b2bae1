/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* net_blas.h: convolutions and dense layers by OpenBLAS, in either precision. A convolution
 * copies its image once for each place of a filter, which makes it a product of matrices.
 * Included after net_layers.h, which says what the arguments are. */

/* OpenBLAS, called by several threads of ours at once, gives wrong products now and then where
 * processors are scarce (seen with 0.3.21): one slice, and threads are its own. */
static unsigned slices_of(const struct ks_model *model, const struct ks_pool *pool)
{
    (void)model;
    (void)pool;
    return 1;
}

/* --- convolution -------------------------------------------------------------------------- */

/* The part of a row of outputs that one column of a filter takes from inside the image. */
struct span {
    size_t begin;
    size_t end;
};

static struct span inside(size_t in, size_t out, size_t shift, size_t padding)
{
    const size_t begin = shift < padding ? padding - shift : 0;
    const size_t end = in + padding < shift + out ? in + padding - shift : out;

    return (struct span){begin, end < begin ? begin : end};
}

/* One place of a filter: which outputs it serves, and the first number of the image that it
 * does so with. */
struct tap {
    struct span y;
    struct span x;
    size_t first;
};

static struct tap tap_of(const struct ks_layer *layer, size_t number)
{
    const size_t side = layer->spec.size;
    const size_t padding = layer->spec.padding;
    const size_t ky = number / side % side;
    const size_t kx = number % side;
    struct tap tap = {.y = inside(layer->in[1], layer->out[1], ky, padding),
                      .x = inside(layer->in[2], layer->out[2], kx, padding)};

    tap.first =
        (number / (side * side) * layer->in[1] + tap.y.begin + ky - padding) * layer->in[2] +
        tap.x.begin + kx - padding;
    return tap;
}

/* COLUMNS[c, ky, kx][oy, ox] = X[c][oy + ky - padding][ox + kx - padding], 0 outside. */
static void spread_out(const struct ks_layer *layer, const REAL *x, REAL *columns)
{
    const size_t rows = layer->out[1];
    const size_t row = layer->out[2];

    for (size_t t = 0; t < conv_taps(layer); t++) {
        const struct tap tap = tap_of(layer, t);
        REAL *to = columns + t * rows * row;

        ks_zero(to, tap.y.begin * row * sizeof *to);
        for (size_t oy = tap.y.begin; oy < tap.y.end; oy++) {
            const REAL *from = x + tap.first + (oy - tap.y.begin) * layer->in[2];
            REAL *line = to + oy * row;

            ks_zero(line, tap.x.begin * sizeof *line);
            for (size_t ox = tap.x.begin; ox < tap.x.end; ox++) {
                line[ox] = from[ox - tap.x.begin];
            }
            ks_zero(line + tap.x.end, (row - tap.x.end) * sizeof *line);
        }
        ks_zero(to + tap.y.end * row, (rows - tap.y.end) * row * sizeof *to);
    }
}

/* The transpose: what COLUMNS has gathered is added back to DX. */
static void add_back(const struct ks_layer *layer, const REAL *columns, REAL *dx)
{
    const size_t row = layer->out[2];

    ks_zero(dx, layer->in_size * sizeof *dx);
    for (size_t t = 0; t < conv_taps(layer); t++) {
        const struct tap tap = tap_of(layer, t);

        for (size_t oy = tap.y.begin; oy < tap.y.end; oy++) {
            REAL *to = dx + tap.first + (oy - tap.y.begin) * layer->in[2];
            const REAL *line = columns + (t * layer->out[1] + oy) * row + tap.x.begin;

            for (size_t ox = 0; ox < tap.x.end - tap.x.begin; ox++) {
                to[ox] += line[ox];
            }
        }
    }
}

/* Numbers of SCRATCH: what a convolution of one image takes. */
static size_t conv_scratch(const struct ks_layer *layer)
{
    return 2 * conv_taps(layer) * conv_places(layer);
}

static void conv_forward(const struct ks_layer *layer, const REAL *params, size_t count,
                         const REAL *x, REAL *y, REAL *scratch)
{
    const size_t taps = conv_taps(layer);
    const size_t places = conv_places(layer);
    const size_t units = layer->spec.units;
    const REAL *weight = params + layer->params;
    const REAL *bias = weight + units * taps;

    for (size_t i = 0; i < count; i++) {
        REAL *out = y + i * layer->out_size;

        spread_out(layer, x + i * layer->in_size, scratch);
        for (size_t u = 0; u < units; u++) {
            for (size_t p = 0; p < places; p++) {
                out[u * places + p] = bias[u];
            }
        }
        multiply(NO, NO, units, places, taps, weight, taps, scratch, places, 1, out, places);
    }
}

static void conv_back(const struct ks_layer *layer, const REAL *params, size_t count,
                      const REAL *x, const REAL *dy, REAL *dx, REAL *gradient, REAL *scratch)
{
    const size_t taps = conv_taps(layer);
    const size_t places = conv_places(layer);
    const size_t units = layer->spec.units;
    const REAL *weight = params + layer->params;
    REAL *d_weight = gradient + layer->params;

    conv_bias_gradient(layer, count, dy, gradient);
    for (size_t i = 0; i < count; i++) {
        const REAL *d_out = dy + i * layer->out_size;

        spread_out(layer, x + i * layer->in_size, scratch);
        multiply(NO, YES, units, taps, places, d_out, places, scratch, places, 1, d_weight,
                 taps);
        if (dx != NULL) {
            REAL *columns = scratch + taps * places;

            multiply(YES, NO, taps, places, units, weight, taps, d_out, places, 0, columns,
                     places);
            add_back(layer, columns, dx + i * layer->in_size);
        }
    }
}

/* --- dense -------------------------------------------------------------------------------- */

static void dense_forward(const struct ks_layer *layer, const REAL *params, size_t count,
                          const REAL *x, REAL *y)
{
    const size_t units = layer->spec.units;
    const REAL *weight = params + layer->params;
    const REAL *bias = weight + units * layer->in_size;

    put_rows(bias, units, count, y);
    multiply(NO, YES, count, units, layer->in_size, x, layer->in_size, weight, layer->in_size,
             1, y, units);
}

static void dense_back(const struct ks_layer *layer, const REAL *params, size_t count,
                       const REAL *dy, REAL *dx)
{
    multiply(NO, NO, count, layer->in_size, layer->spec.units, dy, layer->spec.units,
             params + layer->params, layer->in_size, 0, dx, layer->in_size);
}

/* Units BEGIN to END of the gradient, which is set here, of the whole batch. */
static void dense_gradient(const struct ks_layer *layer, size_t count, const REAL *x,
                           const REAL *dy, size_t begin, size_t end, REAL *gradient)
{
    const size_t units = layer->spec.units;
    REAL *d_weight = gradient + layer->params;

    if (begin == end) {
        return;
    }
    multiply(YES, NO, end - begin, layer->in_size, count, dy + begin, units, x, layer->in_size,
             0, d_weight + begin * layer->in_size, layer->in_size);
    dense_bias_gradient(layer, count, dy, begin, end, gradient);
}
