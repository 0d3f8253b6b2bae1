/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel_body.h: both products, written once. Included by kernel_<isa>.c after it has defined
 *   vec, WIDTH              a vector of floats, and how many
 *   v_load v_store v_all    memory; a vector of one number
 *   v_fma v_sum             fma(a, b, c); the sum of a vector's numbers
 *   ROWS_M ROWS_V           of C at once in registers: rows, vectors (rows product)
 *   ACROSS_M ACROSS_K       rows and columns (across product)
 *   PATCH_ROWS PATCH_V      of a patch at once in registers: rows, vectors
 *   v_pick                  pick, as in kernel.h
 * and KERNELS. */

#define UNROLL _Pragma("GCC unroll 18")
#define INLINE inline __attribute__((always_inline))

#define ROW(product, index)                                                                    \
    ((product)->x +                                                                            \
     ((product)->rows != NULL ? (product)->rows[index] : (index) * (product)->x_row))

/* --- rows --------------------------------------------------------------------------------- */

/* M rows and V vectors of C from row I and place P. */
static INLINE void rows_block(const struct ks_rows_product *product, size_t i, size_t p,
                              unsigned m, unsigned v)
{
    const float *a = product->a + i * product->a_row;
    vec sums[ROWS_M][ROWS_V];

    UNROLL
    for (unsigned r = 0; r < m; r++) {
        UNROLL
        for (unsigned c = 0; c < v; c++) {
            sums[r][c] = product->add
                             ? v_load(product->c + (i + r) * product->c_row + p + c * WIDTH)
                             : v_all(0);
        }
    }
    for (size_t k = 0; k < product->k; k++) {
        const float *x = ROW(product, k) + p;
        vec row[ROWS_V];

        UNROLL
        for (unsigned c = 0; c < v; c++) {
            row[c] = v_load(x + c * WIDTH);
        }
        UNROLL
        for (unsigned r = 0; r < m; r++) {
            const vec weight = v_all(a[r * product->a_row + k * product->a_step]);

            UNROLL
            for (unsigned c = 0; c < v; c++) {
                sums[r][c] = v_fma(weight, row[c], sums[r][c]);
            }
        }
    }
    UNROLL
    for (unsigned r = 0; r < m; r++) {
        UNROLL
        for (unsigned c = 0; c < v; c++) {
            v_store(product->c + (i + r) * product->c_row + p + c * WIDTH, sums[r][c]);
        }
    }
}

/* V vectors of all rows. */
static INLINE void rows_strip(const struct ks_rows_product *product, size_t p, unsigned v)
{
    size_t i = 0;

    for (; i + ROWS_M <= product->m; i += ROWS_M) {
        rows_block(product, i, p, ROWS_M, v);
    }
    for (; i + 2 <= product->m; i += 2) {
        rows_block(product, i, p, 2, v);
    }
    if (i < product->m) {
        rows_block(product, i, p, 1, v);
    }
}

static void rows_product(const struct ks_rows_product *product)
{
    size_t p = 0;

    for (; p + (size_t)ROWS_V * WIDTH <= product->p; p += (size_t)ROWS_V * WIDTH) {
        rows_strip(product, p, ROWS_V);
    }
    for (; p + WIDTH <= product->p; p += WIDTH) {
        rows_strip(product, p, 1);
    }
    for (; p < product->p; p++) {
        for (size_t i = 0; i < product->m; i++) {
            float *c = product->c + i * product->c_row + p;
            float sum = product->add ? *c : 0;

            for (size_t k = 0; k < product->k; k++) {
                sum +=
                    product->a[i * product->a_row + k * product->a_step] * ROW(product, k)[p];
            }
            *c = sum;
        }
    }
}

/* --- across ------------------------------------------------------------------------------- */

/* M rows and N columns of C from row I and column J. */
static INLINE void across_block(const struct ks_across_product *product, size_t i, size_t j,
                                unsigned m, unsigned n)
{
    const size_t whole = product->p - product->p % WIDTH;
    vec sums[ACROSS_M][ACROSS_K];
    float rests[ACROSS_M][ACROSS_K];

    UNROLL
    for (unsigned r = 0; r < m; r++) {
        UNROLL
        for (unsigned c = 0; c < n; c++) {
            sums[r][c] = v_all(0);
            rests[r][c] = 0;
        }
    }
    for (size_t image = 0; image < product->images; image++) {
        const float *a = product->a + image * product->a_image + i * product->a_row;
        const float *rows[ACROSS_K];

        UNROLL
        for (unsigned c = 0; c < n; c++) {
            rows[c] = ROW(product, j + c) + image * product->x_image;
        }
        for (size_t p = 0; p < whole; p += WIDTH) {
            vec column[ACROSS_K];

            UNROLL
            for (unsigned c = 0; c < n; c++) {
                column[c] = v_load(rows[c] + p);
            }
            UNROLL
            for (unsigned r = 0; r < m; r++) {
                const vec left = v_load(a + r * product->a_row + p);

                UNROLL
                for (unsigned c = 0; c < n; c++) {
                    sums[r][c] = v_fma(left, column[c], sums[r][c]);
                }
            }
        }
        for (size_t p = whole; p < product->p; p++) {
            for (unsigned r = 0; r < m; r++) {
                for (unsigned c = 0; c < n; c++) {
                    rests[r][c] += a[r * product->a_row + p] * rows[c][p];
                }
            }
        }
    }
    UNROLL
    for (unsigned r = 0; r < m; r++) {
        UNROLL
        for (unsigned c = 0; c < n; c++) {
            product->c[(i + r) * product->c_row + j + c] += v_sum(sums[r][c]) + rests[r][c];
        }
    }
}

/* M rows of all columns. */
static INLINE void across_strip(const struct ks_across_product *product, size_t i, unsigned m)
{
    size_t j = 0;

    for (; j + ACROSS_K <= product->k; j += ACROSS_K) {
        across_block(product, i, j, m, ACROSS_K);
    }
    for (; j < product->k; j++) {
        across_block(product, i, j, m, 1);
    }
}

static void across_product(const struct ks_across_product *product)
{
    size_t i = 0;

    for (; i + ACROSS_M <= product->m; i += ACROSS_M) {
        across_strip(product, i, ACROSS_M);
    }
    for (; i < product->m; i++) {
        across_strip(product, i, 1);
    }
}

/* --- patches ------------------------------------------------------------------------------ */

/* ROWS rows, from row R, and V vectors, from number I, of C and of all patches. */
static INLINE void patches_block(const struct ks_patches_product *product, bool to, size_t r,
                                 size_t i, unsigned rows, unsigned v)
{
    float *c = product->c + r * product->c_row + i;
    float *x = product->x + r * product->x_row + i;
    const size_t x_row = product->x_row;
    vec held[PATCH_ROWS][PATCH_V];

    UNROLL
    for (unsigned k = 0; k < rows * v; k++) {
        held[k / v][k % v] = v_load(c + k / v * product->c_row + (size_t)(k % v) * WIDTH);
    }
    for (size_t n = 0; n < product->count; n++) {
        float *patch = x + product->at[n];
        const vec value = v_all(product->values[n]);

        UNROLL
        for (unsigned k = 0; k < rows * v; k++) {
            float *at = patch + k / v * x_row + (size_t)(k % v) * WIDTH;

            if (to) {
                v_store(at, v_fma(value, held[k / v][k % v], v_load(at)));
            } else {
                held[k / v][k % v] = v_fma(value, v_load(at), held[k / v][k % v]);
            }
        }
    }
    if (to) {
        return;
    }
    UNROLL
    for (unsigned k = 0; k < rows * v; k++) {
        v_store(c + k / v * product->c_row + (size_t)(k % v) * WIDTH, held[k / v][k % v]);
    }
}

/* V vectors, from number I, of all rows. */
static INLINE void patches_strip(const struct ks_patches_product *product, bool to, size_t i,
                                 unsigned v)
{
    size_t r = 0;

    for (; r + PATCH_ROWS <= product->side; r += PATCH_ROWS) {
        patches_block(product, to, r, i, PATCH_ROWS, v);
    }
    for (; r < product->side; r++) {
        patches_block(product, to, r, i, 1, v);
    }
}

static INLINE void patches_product(const struct ks_patches_product *product, bool to)
{
    size_t i = 0;

    for (; i + (size_t)(PATCH_V - 1) * WIDTH < product->length; i += (size_t)PATCH_V * WIDTH) {
        patches_strip(product, to, i, PATCH_V);
    }
    for (; i + WIDTH < product->length; i += 2 * (size_t)WIDTH) {
        patches_strip(product, to, i, 2);
    }
    if (i < product->length) {
        patches_strip(product, to, i, 1);
    }
}

static void from_patches(const struct ks_patches_product *product)
{
    patches_product(product, false);
}

static void to_patches(const struct ks_patches_product *product)
{
    patches_product(product, true);
}

const struct ks_learn_kernels KERNELS = {rows_product, across_product, v_pick, from_patches,
                                         to_patches};
