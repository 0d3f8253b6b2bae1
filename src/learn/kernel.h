/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel.h: the products that nearly all time of training goes into, for floats, by the vectors
 * of the CPU. Row K of X begins at X + ROWS[K], or at X + K * X_ROW where ROWS is NULL:
 * rows may overlap, so a convolution needs no copy of its image for each place of a filter.
 * Internal to learn and its tests. */
#ifndef KS_LEARN_KERNEL_H
#define KS_LEARN_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KS_LANES 16 /* of the widest vector: a multiple of it has no slow rest */

/* C[m, p] = sum over k of A[m, k] X[k, p], or added to that. A[m, k] is at
 * A + m * A_ROW + k * A_STEP. */
struct ks_rows_product {
    size_t m;
    size_t k;
    size_t p;
    const float *a;
    size_t a_row;
    size_t a_step;
    const float *x;
    const uint32_t *rows;
    size_t x_row;
    float *c;
    size_t c_row;
    bool add;
};

/* C[m, k] += sum over p of A[m, p] X[k, p], and over IMAGES of both, A_IMAGE and X_IMAGE apart.
 */
struct ks_across_product {
    size_t m;
    size_t k;
    size_t p;
    size_t images;
    const float *a;
    size_t a_row;
    size_t a_image;
    const float *x;
    const uint32_t *rows;
    size_t x_row;
    size_t x_image;
    float *c;
    size_t c_row;
};

/* COUNT patches of X, of which each begins at X + AT[n] and has SIDE rows of LENGTH numbers,
 * X_ROW apart, with a number VALUES[n] for each; and C, as large as a patch, its rows C_ROW
 * apart. Rows are gone over in whole vectors: those of C have so much room, X has beyond its
 * end, and what is behind a row of C that goes to patches is 0. */
struct ks_patches_product {
    size_t count;
    const uint32_t *at;
    const float *values;
    size_t side;
    size_t length;
    float *x;
    size_t x_row;
    float *c;
    size_t c_row;
};

struct ks_learn_kernels {
    void (*rows)(const struct ks_rows_product *product);
    void (*across)(const struct ks_across_product *product);
    /* Of COUNT numbers those that are not 0, and what of AT is beside them; both have room for
     * a vector more. Returns how many. */
    size_t (*pick)(const float *values, const uint32_t *at, size_t count, float *out_values,
                   uint32_t *out_at);
    /* C += sum over n of VALUES[n] patch n. */
    void (*from_patches)(const struct ks_patches_product *product);
    /* Patch n += VALUES[n] C, one after the other: they may overlap. */
    void (*to_patches)(const struct ks_patches_product *product);
};
extern const struct ks_learn_kernels ks_learn_kernels_avx512;
extern const struct ks_learn_kernels ks_learn_kernels_avx2;

#endif
