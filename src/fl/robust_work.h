/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* robust_work.h: what a robust rule has in hand. Within the module alone. */
#ifndef KS_FL_ROBUST_WORK_H
#define KS_FL_ROBUST_WORK_H

#include "fl/internal.h"
#include "fl/robust.h"

struct ks_fl_work {
    struct ks_fl_robust robust; /* defaults filled in */
    const struct ks_fl_robust_input *input;
    struct ks_fl_rows rows;
    struct ks_pool *pool;
    const struct ks_fl_kernels *kernels;
    struct ks_fl_slices slices;
    float *out;
    double *norms;  /* of each row */
    double *shares; /* of each row: what the rule gives it, not yet divided by their sum */
    double *apart;  /* squared distances of pairs, rows x rows; Krum's alone, else NULL */
};

/* out = sum of factors[i] * row i, in order of rows, over BY; rows of factor 0 are left out. */
void ks_fl_weighted_rows(const struct ks_fl_work *work, const double *factors, double by);

/* The rules. Each fills out and shares. */
KS_MUST_CHECK enum ks_err ks_fl_rule_coordinates(struct ks_fl_work *work);
KS_MUST_CHECK enum ks_err ks_fl_rule_krum(struct ks_fl_work *work);
KS_MUST_CHECK enum ks_err ks_fl_rule_center(struct ks_fl_work *work);

/* The mean, by coordinate, of what is kept of the COUNT rows that CHOSEN names, or of all where
 * it is NULL: see KS_FL_MEDIAN, KS_FL_TRIMMED_MEAN and KS_FL_BULYAN. */
KS_MUST_CHECK enum ks_err ks_fl_kept_by_coordinate(struct ks_fl_work *work,
                                                   const uint32_t *chosen, size_t count);

void ks_fl_score_rows(const struct ks_fl_work *work, double *scratch,
                      struct ks_fl_score *out_scores);

/* Bytes of scratch by rule, to be told by ks_fl_robust_needs. */
uint64_t ks_fl_coordinates_bytes(size_t rows);
uint64_t ks_fl_krum_bytes(size_t rows);

#endif
