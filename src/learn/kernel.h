/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kernel.h: the two products that nearly all time of training goes into, for floats, by the
 * vectors of the CPU. Row K of X begins at X + ROWS[K], or at X + K * X_ROW where ROWS is NULL:
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

struct ks_learn_kernels {
    void (*rows)(const struct ks_rows_product *product);
    void (*across)(const struct ks_across_product *product);
};
extern const struct ks_learn_kernels ks_learn_kernels_avx512;
extern const struct ks_learn_kernels ks_learn_kernels_avx2;

#endif
