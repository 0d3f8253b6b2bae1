/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* factor.h: complex matrices in double, and the factorisation that truncates them: a pivoted
 * Gram-Schmidt elimination, then one-sided Jacobi rotations (Hestenes 1958; Drmac and Veselic
 * 2008 for the order). Every sum has a fixed order, so results have the same bits everywhere.
 * Pure. */
#ifndef KS_QUANTUM_FACTOR_H
#define KS_QUANTUM_FACTOR_H

#include "quantum/engine.h"

/* Row by row; real parts, then imaginary parts. */
struct ks_matrix {
    double *re;
    double *im;
    size_t rows;
    size_t cols;
};

/* Zeros, paid by BUDGET. */
KS_MUST_CHECK enum ks_err ks_matrix_new(struct ks_budget *budget, size_t rows, size_t cols,
                                        struct ks_matrix *out_matrix);
void ks_matrix_drop(struct ks_budget *budget, struct ks_matrix *matrix); /* empty is fine */
/* A new matrix: A B. */
KS_MUST_CHECK enum ks_err ks_matrix_multiply(struct ks_budget *budget,
                                             const struct ks_matrix *a,
                                             const struct ks_matrix *b,
                                             struct ks_matrix *out_product);
/* A new matrix: A transposed, not conjugated. */
KS_MUST_CHECK enum ks_err ks_matrix_transpose(struct ks_budget *budget,
                                              const struct ks_matrix *a,
                                              struct ks_matrix *out_transposed);

/* What may be left out. */
struct ks_truncation {
    size_t rank_max;
    double cutoff; /* of the sum of squares; at least KS_CUTOFF_MIN is left out in any case */
};
/* The square of what rounding leaves of a vanishing singular value lies below. */
#define KS_CUTOFF_MIN 0x1p-100

/* MATRIX, nearly, as LEFT RIGHT, new matrices: the rows of RIGHT are orthonormal, LEFT is
 * MATRIX times the adjoint of RIGHT, scaled to the norm of MATRIX. *OUT_DISCARDED is the share
 * of the sum of squares that was left out. */
KS_MUST_CHECK enum ks_err ks_matrix_factor(struct ks_budget *budget,
                                           const struct ks_matrix *matrix,
                                           const struct ks_truncation *truncation,
                                           struct ks_matrix *out_left,
                                           struct ks_matrix *out_right, double *out_discarded);

#endif
