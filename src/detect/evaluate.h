/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* evaluate.h: how well paths tell anomalies from the rest, when it is known which are which.
 * Ranks and counts only: a score of the same path has the same rank. Pure. */
#ifndef KS_DETECT_EVALUATE_H
#define KS_DETECT_EVALUATE_H

#include "base/mem.h"

/* Row I has the path PATHS[I] and is an anomaly where LABELS[I]. */
struct ks_labelled {
    const uint32_t *paths;
    const bool *labels;
    size_t count;
};

struct ks_evaluation {
    size_t anomalies;
    size_t normals;
    /* The area under the curve of true against false positives: the share of pairs of an
     * anomaly and a normal row in which the anomaly's path is the shorter one, ties by half. */
    double roc_auc;
    /* Average precision: the mean over the anomalies of the precision at each one's path. */
    double pr_auc;
    /* At the threshold: paths of at most this are called anomalies. */
    size_t true_positives;
    size_t false_positives;
    size_t false_negatives;
    size_t true_negatives;
    double precision; /* NaN where nothing is called an anomaly */
    double recall;
    double f1; /* 0 without a true positive */
};
/* KS_ERR_FORMAT unless there are rows of both kinds; KS_ERR_NOMEM. THRESHOLD as of
 * ks_forest_threshold. */
KS_MUST_CHECK enum ks_err ks_evaluate(const struct ks_labelled *rows, uint32_t threshold,
                                      struct ks_evaluation *out_evaluation);

/* The counts where rows of at most PATH are called anomalies. */
struct ks_curve_point {
    uint32_t path;
    size_t true_positives;
    size_t false_positives;
};
/* A point for each path that occurs, rising: both the ROC curve and that of precision against
 * recall. The caller frees OUT_POINTS. Errors as of ks_evaluate. */
KS_MUST_CHECK enum ks_err ks_evaluate_curve(const struct ks_labelled *rows,
                                            struct ks_curve_point **out_points,
                                            size_t *out_count);

/* Percentile intervals of 95 % by the bootstrap: DRAWS samples with replacement, of anomalies
 * and of normal rows each as many as there are (Efron 1979). Reproducible from SEED. */
struct ks_interval {
    double low;
    double high;
};
struct ks_evaluation_bounds {
    struct ks_interval roc_auc;
    struct ks_interval pr_auc;
    struct ks_interval f1;
    struct ks_interval recall;
};
#define KS_BOOTSTRAP_DRAWS_MAX 10000
/* KS_ERR_USAGE for DRAWS outside 40 to KS_BOOTSTRAP_DRAWS_MAX; else as ks_evaluate. */
KS_MUST_CHECK enum ks_err ks_evaluate_bounds(const struct ks_labelled *rows, uint32_t threshold,
                                             uint64_t seed, unsigned draws,
                                             struct ks_evaluation_bounds *out_bounds);

#endif
