/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* detect.h: what the commands of the detector have in common: rows under a model that is read
 * or grown, their paths, their reasons, how well anomalies are told. */
#ifndef KS_CLI_DETECT_H
#define KS_CLI_DETECT_H

#include "cli/dataset.h"
#include "detect/evaluate.h"

#define KS_DETECT_KINDS_MAX 64

struct ks_detect {
    struct ks_cli *cli;
    const char *model; /* the file; NULL: one is grown */
    struct ks_dataset data;
    struct ks_forest *forest;
    struct ks_pool *pool;
    uint32_t *paths; /* of each row */
    uint8_t hash[KS_FOREST_HASH_LEN];
};

/* The rows of operand 0 under MODEL, or under one that is grown from them by the flags seed,
 * trees, sample and contamination. CLI and MODEL are set. KS_ERR_FORMAT without rows. After a
 * failure, too, ks_detect_done is to be called. */
KS_MUST_CHECK enum ks_err ks_detect_open(struct ks_detect *detect);
void ks_detect_done(struct ks_detect *detect);

double ks_detect_score(const struct ks_detect *detect, size_t row);
bool ks_detect_is_anomaly(const struct ks_detect *detect, size_t row);
size_t ks_detect_anomalies(const struct ks_detect *detect);

/* All rows, the strangest first, equal ones in their order: OUT_ORDER has room for them. */
KS_MUST_CHECK enum ks_err ks_detect_rank(const struct ks_detect *detect, size_t *out_order);

/* Why a row has its score: features in ORDER, the largest contribution first. */
struct ks_detect_reasons {
    double baseline;
    size_t order[KS_FOREST_FEATURES_MAX];
    struct ks_forest_reason reasons[KS_FOREST_FEATURES_MAX];
};
void ks_detect_explain(const struct ks_detect *detect, size_t row,
                       struct ks_detect_reasons *out_reasons);

/* How the anomalies of one kind rank against the normal rows. */
struct ks_detect_kind {
    struct ks_bytes name; /* borrowed of the data set */
    struct ks_evaluation evaluation;
    struct ks_evaluation_bounds bounds;
};
struct ks_detect_evaluation {
    struct ks_evaluation all;
    struct ks_evaluation_bounds bounds;
    size_t kind_count; /* 0 without a column of kinds */
    struct ks_detect_kind kinds[KS_DETECT_KINDS_MAX];
};
/* Of data with labels; intervals by the flag bootstrap and the seed of the forest. After a
 * failure nothing in EVALUATION counts. */
KS_MUST_CHECK enum ks_err ks_detect_evaluate(const struct ks_detect *detect,
                                             struct ks_detect_evaluation *evaluation);

#endif
