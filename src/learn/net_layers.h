/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* net_layers.h: layers forward and back, for COUNT samples that lie behind one another, but for
 * convolutions and dense layers, which are in net_blas.h and net_vector.h. Written once for
 * numbers of type REAL; net_single.c and net_double.c define it, GEMM (of OpenBLAS), R_EXP and
 * R_TANH. X, Y are what goes in and comes out, DX, DY the gradient of these (DX may be NULL:
 * not wanted), GRADIENT that of all parameters, which is added to. */

#define NO  CblasNoTrans
#define YES CblasTrans

/* C += A B, or C = A B where BETA is 0; row-major, C is M x N. */
static void multiply(CBLAS_TRANSPOSE trans_a, CBLAS_TRANSPOSE trans_b, size_t m, size_t n,
                     size_t k, const REAL *a, size_t lda, const REAL *b, size_t ldb, REAL beta,
                     REAL *c, size_t ldc)
{
    GEMM(CblasRowMajor, trans_a, trans_b, (blasint)m, (blasint)n, (blasint)k, 1, a,
         (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}

/* --- sizes and biases -------------------------------------------------------------------- */

static size_t conv_taps(const struct ks_layer *layer)
{
    return (size_t)layer->in[0] * layer->spec.size * layer->spec.size;
}

static size_t conv_places(const struct ks_layer *layer)
{
    return (size_t)layer->out[1] * layer->out[2];
}

static void put_rows(const REAL *row, size_t width, size_t count, REAL *target)
{
    for (size_t i = 0; i < count; i++) {
        ks_copy(target + i * width, row, width * sizeof *row);
    }
}

#define SUM_LANES 16 /* sums at once: a vector */

static REAL sum_of(const REAL *values, size_t count)
{
    REAL lanes[SUM_LANES] = {0};
    REAL sum = 0;
    size_t i = 0;

    for (; i + SUM_LANES <= count; i += SUM_LANES) {
        for (size_t k = 0; k < SUM_LANES; k++) {
            lanes[k] += values[i + k];
        }
    }
    for (; i < count; i++) {
        lanes[0] += values[i];
    }
    for (size_t k = 0; k < SUM_LANES; k++) {
        sum += lanes[k];
    }
    return sum;
}

/* What COUNT images add to the gradient of a convolution's biases. */
static void conv_bias_gradient(const struct ks_layer *layer, size_t count, const REAL *dy,
                               REAL *gradient)
{
    const size_t units = layer->spec.units;
    REAL *d_bias = gradient + layer->params + units * conv_taps(layer);

    for (size_t plane = 0; plane < count * units; plane++) {
        d_bias[plane % units] += sum_of(dy + plane * conv_places(layer), conv_places(layer));
    }
}

/* The gradient of the biases of units BEGIN to END, which is set. */
static void dense_bias_gradient(const struct ks_layer *layer, size_t count, const REAL *dy,
                                size_t begin, size_t end, REAL *gradient)
{
    const size_t units = layer->spec.units;
    REAL *d_bias = gradient + layer->params + units * layer->in_size;

    for (size_t u = begin; u < end; u++) {
        REAL sum = 0;

        for (size_t i = 0; i < count; i++) {
            sum += dy[i * units + u];
        }
        d_bias[u] = sum;
    }
}

/* --- pools -------------------------------------------------------------------------------- */

#define POOL_SIDE_MAX 16

/* The largest of each window of 2 x 2 of two lines, without a branch: which number is the
 * largest nobody can foresee. */
static void pool_pairs(const REAL *restrict above, const REAL *restrict below, size_t width,
                       REAL *restrict best, uint8_t *restrict at)
{
    for (size_t x = 0; x < width; x++) {
        const REAL top = above[2 * x + 1] > above[2 * x] ? above[2 * x + 1] : above[2 * x];
        const REAL bottom = below[2 * x + 1] > below[2 * x] ? below[2 * x + 1] : below[2 * x];

        best[x] = bottom > top ? bottom : top;
    }
    for (size_t x = 0; x < width; x++) {
        const REAL top = above[2 * x + 1] > above[2 * x] ? above[2 * x + 1] : above[2 * x];
        const REAL bottom = below[2 * x + 1] > below[2 * x] ? below[2 * x + 1] : below[2 * x];
        const unsigned right = above[2 * x + 1] > above[2 * x];
        const unsigned right_below = below[2 * x + 1] > below[2 * x];
        const unsigned is_below = bottom > top;

        at[x] = (uint8_t)((1 - is_below) * right + is_below * (2 + right_below));
    }
}

/* TAKEN: where in its window each largest number was, the first of equal ones. */
static void pool_forward(const struct ks_layer *layer, size_t count, const REAL *x, REAL *y,
                         uint8_t *taken)
{
    const size_t side = layer->spec.size;
    const size_t width = layer->in[2];
    const size_t out_width = layer->out[2];

    for (size_t line = 0; line < count * layer->in[0] * layer->out[1]; line++) {
        const size_t plane = line / layer->out[1];
        const REAL *from = x + (plane * layer->in[1] + line % layer->out[1] * side) * width;
        REAL *best = y + line * out_width;
        uint8_t *at = taken + line * out_width;

        if (side == 2) {
            pool_pairs(from, from + width, out_width, best, at);
            continue;
        }
        for (size_t ox = 0; ox < out_width; ox++) {
            best[ox] = from[ox * side];
            at[ox] = 0;
        }
        for (size_t k = 1; k < side * side; k++) {
            const REAL *other = from + k / side * width + k % side;

            for (size_t ox = 0; ox < out_width; ox++) {
                const bool larger = other[ox * side] > best[ox];

                best[ox] = larger ? other[ox * side] : best[ox];
                at[ox] = larger ? (uint8_t)k : at[ox];
            }
        }
    }
}

/* TAKEN NULL: of means. */
static void pool_back(const struct ks_layer *layer, size_t count, const REAL *dy,
                      const uint8_t *taken, REAL *dx)
{
    const size_t side = layer->spec.size;
    const size_t width = layer->in[2];
    const size_t out_width = layer->out[2];
    const REAL share = 1 / (REAL)(side * side);
    size_t places[POOL_SIDE_MAX * POOL_SIDE_MAX]; /* of a window, from its first number on */

    KS_ASSERT(side <= POOL_SIDE_MAX);
    for (size_t k = 0; k < side * side; k++) {
        places[k] = k / side * width + k % side;
    }
    ks_zero(dx, count * layer->in_size * sizeof *dx);
    for (size_t line = 0; line < count * layer->in[0] * layer->out[1]; line++) {
        const size_t plane = line / layer->out[1];
        REAL *to = dx + (plane * layer->in[1] + line % layer->out[1] * side) * width;

        for (size_t ox = 0; ox < out_width; ox++) {
            const REAL value = dy[line * out_width + ox];

            if (taken != NULL) {
                to[ox * side + places[taken[line * out_width + ox]]] = value;
                continue;
            }
            for (size_t k = 0; k < side * side; k++) {
                to[ox * side + places[k]] = value * share;
            }
        }
    }
}

static void mean_forward(const struct ks_layer *layer, size_t count, const REAL *x, REAL *y)
{
    const size_t side = layer->spec.size;
    const size_t width = layer->in[2];
    const size_t out_width = layer->out[2];
    const REAL share = 1 / (REAL)(side * side);

    for (size_t line = 0; line < count * layer->in[0] * layer->out[1]; line++) {
        const size_t plane = line / layer->out[1];
        const REAL *from = x + (plane * layer->in[1] + line % layer->out[1] * side) * width;

        for (size_t ox = 0; ox < out_width; ox++) {
            REAL sum = 0;

            for (size_t k = 0; k < side * side; k++) {
                sum += from[k / side * width + ox * side + k % side];
            }
            y[line * out_width + ox] = sum * share;
        }
    }
}

/* --- a recurrent layer -------------------------------------------------------------------- */

/* Gated recurrent units as PyTorch has them: with the gates r, z, n of step t,
 *   r = s(Wr x + br + Ur h + cr), z = s(Wz x + bz + Uz h + cz),
 *   n = tanh(Wn x + bn + r (Un h + cn)), h' = (1 - z) n + z h.
 * What back needs is kept, for each sample and step: the gates, Un h + cn, and h. */
struct gru {
    REAL *gates;     /* 3 units */
    REAL *candidate; /* units: Un h + cn */
    REAL *states;    /* units: h before the step */
    REAL *d_inputs;  /* 3 units: of what x adds to the gates */
    REAL *d_states;  /* 3 units: of what h adds */
};

/* Numbers for one sample of all of these. */
static size_t gru_size(const struct ks_layer *layer)
{
    return (size_t)layer->in[0] * layer->spec.units * (3 + 1 + 1 + 3 + 3);
}

static struct gru gru_of(const struct ks_layer *layer, REAL *memory, size_t batch)
{
    const size_t part = batch * layer->in[0] * layer->spec.units;

    return (struct gru){memory, memory + 3 * part, memory + 4 * part, memory + 5 * part,
                        memory + 8 * part};
}

/* That of the samples from BEGIN. */
static struct gru gru_from(const struct ks_layer *layer, const struct gru *gru, size_t begin)
{
    const size_t at = begin * layer->in[0] * layer->spec.units;

    return (struct gru){gru->gates + 3 * at, gru->candidate + at, gru->states + at,
                        gru->d_inputs + 3 * at, gru->d_states + 3 * at};
}

static REAL logistic(REAL x)
{
    return 1 / (1 + R_EXP(-x));
}

/* One step of one sample. FROM_STATE: U h + c, 3 units. */
static void gru_step(size_t units, REAL *gates, const REAL *from_state, REAL *candidate,
                     const REAL *state, REAL *next)
{
    for (size_t u = 0; u < units; u++) {
        const REAL r = logistic(gates[u] + from_state[u]);
        const REAL z = logistic(gates[units + u] + from_state[units + u]);
        const REAL n = R_TANH(gates[2 * units + u] + r * from_state[2 * units + u]);

        candidate[u] = from_state[2 * units + u];
        gates[u] = r;
        gates[units + u] = z;
        gates[2 * units + u] = n;
        next[u] = (1 - z) * n + z * state[u];
    }
}

/* SCRATCH: 3 units for each sample. */
static void gru_forward(const struct ks_layer *layer, const REAL *params, size_t count,
                        const REAL *x, const struct gru *gru, REAL *y, REAL *scratch)
{
    const size_t steps = layer->in[0];
    const size_t features = layer->in[1];
    const size_t units = layer->spec.units;
    const REAL *input_weight = params + layer->params;
    const REAL *state_weight = input_weight + 3 * units * features;
    const REAL *input_bias = state_weight + 3 * units * units;
    const REAL *state_bias = input_bias + 3 * units;

    put_rows(input_bias, 3 * units, count * steps, gru->gates);
    multiply(NO, YES, count * steps, 3 * units, features, x, features, input_weight, features,
             1, gru->gates, 3 * units);
    for (size_t i = 0; i < count; i++) {
        ks_zero(gru->states + i * steps * units, units * sizeof *gru->states);
    }
    for (size_t t = 0; t < steps; t++) {
        put_rows(state_bias, 3 * units, count, scratch);
        multiply(NO, YES, count, 3 * units, units, gru->states + t * units, steps * units,
                 state_weight, units, 1, scratch, 3 * units);
        for (size_t i = 0; i < count; i++) {
            const size_t at = (i * steps + t) * units;

            gru_step(units, gru->gates + 3 * at, scratch + i * 3 * units, gru->candidate + at,
                     gru->states + at,
                     t + 1 < steps ? gru->states + at + units : y + i * units);
        }
    }
}

/* The gradient of one step of one sample; D_STATE is that of h' on entry, and on return what of
 * that of h does not pass through U. */
static void gru_step_back(size_t units, const REAL *gates, const REAL *candidate,
                          const REAL *state, REAL *d_state, REAL *d_inputs, REAL *d_states)
{
    for (size_t u = 0; u < units; u++) {
        const REAL r = gates[u];
        const REAL z = gates[units + u];
        const REAL n = gates[2 * units + u];
        const REAL d_n = d_state[u] * (1 - z) * (1 - n * n);
        const REAL d_z = d_state[u] * (state[u] - n) * z * (1 - z);
        const REAL d_r = d_n * candidate[u] * r * (1 - r);

        d_inputs[u] = d_r;
        d_inputs[units + u] = d_z;
        d_inputs[2 * units + u] = d_n;
        d_states[u] = d_r;
        d_states[units + u] = d_z;
        d_states[2 * units + u] = d_n * r;
        d_state[u] *= z;
    }
}

static void add_rows(const REAL *rows, size_t width, size_t count, REAL *target)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < width; k++) {
            target[k] += rows[i * width + k];
        }
    }
}

/* DY is used up. The layer is the first with parameters, so nobody asks for DX. */
static void gru_back(const struct ks_layer *layer, const REAL *params, size_t count,
                     const REAL *x, const struct gru *gru, REAL *dy, REAL *gradient)
{
    const size_t steps = layer->in[0];
    const size_t features = layer->in[1];
    const size_t units = layer->spec.units;
    const size_t rows = count * steps;
    const REAL *state_weight = params + layer->params + 3 * units * features;
    REAL *d_input_weight = gradient + layer->params;
    REAL *d_state_weight = d_input_weight + 3 * units * features;
    REAL *d_input_bias = d_state_weight + 3 * units * units;
    REAL *d_state_bias = d_input_bias + 3 * units;

    for (size_t t = steps; t-- > 0;) {
        for (size_t i = 0; i < count; i++) {
            const size_t at = (i * steps + t) * units;

            gru_step_back(units, gru->gates + 3 * at, gru->candidate + at, gru->states + at,
                          dy + i * units, gru->d_inputs + 3 * at, gru->d_states + 3 * at);
        }
        multiply(NO, NO, count, units, 3 * units, gru->d_states + 3 * t * units,
                 3 * steps * units, state_weight, units, 1, dy, units);
    }
    multiply(YES, NO, 3 * units, features, rows, gru->d_inputs, 3 * units, x, features, 1,
             d_input_weight, features);
    multiply(YES, NO, 3 * units, units, rows, gru->d_states, 3 * units, gru->states, units, 1,
             d_state_weight, units);
    add_rows(gru->d_inputs, 3 * units, rows, d_input_bias);
    add_rows(gru->d_states, 3 * units, rows, d_state_bias);
}

/* --- activations -------------------------------------------------------------------------- */

/* What is no number goes on, to be noticed. */
static void relu_forward(size_t size, const REAL *x, REAL *y)
{
    for (size_t i = 0; i < size; i++) {
        y[i] = x[i] < 0 ? 0 : x[i];
    }
}

static void relu_back(size_t size, const REAL *y, REAL *dy)
{
    for (size_t i = 0; i < size; i++) {
        dy[i] = y[i] > 0 ? dy[i] : 0;
    }
}

static void tanh_forward(size_t size, const REAL *x, REAL *y)
{
    for (size_t i = 0; i < size; i++) {
        y[i] = R_TANH(x[i]);
    }
}

static void tanh_back(size_t size, const REAL *y, REAL *dy)
{
    for (size_t i = 0; i < size; i++) {
        dy[i] *= 1 - y[i] * y[i];
    }
}

/* KEPT: 1 for numbers that go on, 0 for others. What they are multiplied with keeps the mean.
 */
static void dropout_forward(const struct ks_layer *layer, size_t count, const REAL *x, REAL *y,
                            const uint8_t *kept)
{
    const REAL scale = (REAL)(1 / (1 - layer->spec.rate));

    for (size_t i = 0; i < count * layer->out_size; i++) {
        y[i] = x[i] * ((REAL)kept[i] * scale); /* no branch, which nobody could foresee */
    }
}

static void dropout_back(const struct ks_layer *layer, size_t count, const uint8_t *kept,
                         REAL *dy)
{
    const REAL scale = (REAL)(1 / (1 - layer->spec.rate));

    for (size_t i = 0; i < count * layer->out_size; i++) {
        dy[i] *= (REAL)kept[i] * scale;
    }
}

/* --- loss --------------------------------------------------------------------------------- */

/* The cross entropy of LABEL under the softmax of OUTPUT; D_OUTPUT, where wanted, times SCALE.
 */
static double class_loss(const REAL *output, size_t outputs, size_t label, REAL scale,
                         REAL *d_output)
{
    REAL largest = output[0];
    REAL sum = 0;

    for (size_t k = 1; k < outputs; k++) {
        largest = output[k] > largest ? output[k] : largest;
    }
    for (size_t k = 0; k < outputs; k++) {
        sum += R_EXP(output[k] - largest);
    }
    for (size_t k = 0; k < outputs && d_output != NULL; k++) {
        d_output[k] =
            (R_EXP(output[k] - largest) / sum - (k == label ? (REAL)1 : (REAL)0)) * scale;
    }
    return (double)(R_LOG(sum) + largest - output[label]);
}

static size_t largest_of(const REAL *output, size_t outputs)
{
    size_t best = 0;

    for (size_t k = 1; k < outputs; k++) {
        if (output[k] > output[best]) {
            best = k;
        }
    }
    return best;
}
