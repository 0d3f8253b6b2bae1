/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel_body.h: the loops that are written once and compiled for each instruction set: vectors
 * of the compiler, KS_FL_LANES wide whatever the registers are. Included by kernel_NAME.c,
 * after KERNELS and KERNELS_NAME are defined, and add_64 and add_128. */

typedef float vector_float __attribute__((vector_size(KS_FL_LANES * sizeof(float))));
typedef double vector_double __attribute__((vector_size(KS_FL_LANES * sizeof(double))));

/* COUNT numbers, at most KS_FL_LANES, and zeros. */
#define LOAD(target, source, count)                                                            \
    do {                                                                                       \
        if ((count) >= KS_FL_LANES) {                                                          \
            __builtin_memcpy(&(target), (source), sizeof(target));                             \
        } else {                                                                               \
            (target) = (vector_float){0};                                                      \
            __builtin_memcpy(&(target), (source), (count) * sizeof(float));                    \
        }                                                                                      \
    } while (0)

/* The sum of all lanes: halves upon halves. */
static inline double fold(const vector_double *sums)
{
    double lanes[KS_FL_LANES];

    __builtin_memcpy(lanes, sums, sizeof lanes);
    for (size_t half = KS_FL_LANES / 2; half > 0; half /= 2) {
        for (size_t i = 0; i < half; i++) {
            lanes[i] += lanes[i + half];
        }
    }
    return lanes[0];
}

static double dot(const float *a, const float *b, size_t count)
{
    vector_double sums = {0};

    for (size_t i = 0; i < count; i += KS_FL_LANES) {
        vector_float left;
        vector_float right;

        LOAD(left, a + i, count - i);
        LOAD(right, b + i, count - i);
        sums += __builtin_convertvector(left, vector_double) *
                __builtin_convertvector(right, vector_double);
    }
    return fold(&sums);
}

static double distance(const float *a, const float *b, size_t count)
{
    vector_double sums = {0};

    for (size_t i = 0; i < count; i += KS_FL_LANES) {
        vector_float left;
        vector_float right;
        vector_double apart;

        LOAD(left, a + i, count - i);
        LOAD(right, b + i, count - i);
        apart = __builtin_convertvector(left, vector_double) -
                __builtin_convertvector(right, vector_double);
        sums += apart * apart;
    }
    return fold(&sums);
}

static void pairs(const float *row, const float *const others[KS_FL_PAIRS], size_t count,
                  double sums[KS_FL_PAIRS])
{
    vector_double totals[KS_FL_PAIRS] = {0};

    for (size_t run = 0; run < count; run += KS_FL_RUN) {
        const size_t end = count - run < KS_FL_RUN ? count : run + KS_FL_RUN;
        vector_float squares[KS_FL_PAIRS] = {0};

        for (size_t i = run; i < end; i += KS_FL_LANES) {
            vector_float left;

            LOAD(left, row + i, end - i);
            for (size_t p = 0; p < KS_FL_PAIRS; p++) {
                vector_float right;

                LOAD(right, others[p] + i, end - i);
                right = left - right;
                squares[p] += right * right;
            }
        }
        for (size_t p = 0; p < KS_FL_PAIRS; p++) {
            totals[p] += __builtin_convertvector(squares[p], vector_double);
        }
    }
    for (size_t p = 0; p < KS_FL_PAIRS; p++) {
        sums[p] += fold(&totals[p]);
    }
}

static void weigh(const float *values, double factor, size_t count, double *sums)
{
    for (size_t i = 0; i < count; i++) {
        sums[i] += factor * (double)values[i];
    }
}

/* Puts the smaller of each column into A. */
static inline void exchange(int32_t *restrict a, int32_t *restrict b)
{
    for (size_t i = 0; i < KS_FL_COLUMNS; i++) {
        const int32_t x = a[i];
        const int32_t y = b[i];

        a[i] = x < y ? x : y;
        b[i] = x < y ? y : x;
    }
}

/* Batcher's merge exchange for any number of rows (Knuth, The Art of Computer Programming 3,
 * §5.2.2, algorithm M). */
static void sort(int32_t *keys, size_t rows)
{
    size_t top = 1;

    while (2 * top < rows) {
        top *= 2;
    }
    for (size_t p = rows < 2 ? 0 : top; p > 0; p /= 2) {
        size_t q = top;
        size_t r = 0;
        size_t d = p;

        for (;;) {
            for (size_t i = 0; i + d < rows; i++) {
                if ((i & p) == r) {
                    exchange(&keys[i * KS_FL_COLUMNS], &keys[(i + d) * KS_FL_COLUMNS]);
                }
            }
            if (q == p) {
                break;
            }
            d = q - p;
            q /= 2;
            r = p;
        }
    }
}

static uint32_t within(const int32_t *keys, const int32_t *low, const int32_t *high)
{
    uint32_t count = 0;

    for (size_t i = 0; i < KS_FL_COLUMNS; i++) {
        count += (uint32_t)(keys[i] >= low[i]) & (uint32_t)(keys[i] <= high[i]);
    }
    return count;
}

const struct ks_fl_kernels KERNELS = {
    .name = KERNELS_NAME,
    .add_64 = add_64,
    .add_128 = add_128,
    .dot = dot,
    .distance = distance,
    .pairs = pairs,
    .weigh = weigh,
    .sort = sort,
    .within = within,
};
