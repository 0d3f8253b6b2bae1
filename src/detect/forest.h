/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* forest.h: an isolation forest (Liu, Ting, Zhou: Isolation-based anomaly detection, ACM TKDD
 * 6(1), 2012). Hides trees, their layout and the instruction sets. Pure; a forest is not
 * changed after it was fitted or read, so any number of threads may score with it.
 *
 * Rows are arrays of doubles, one per feature; a NaN is a missing value. Each feature is
 * centred at its median and scaled by its spread over the training rows before anything else,
 * and a missing value stands for the median: it makes a row neither more nor less strange.
 *
 * A row's PATH is the sum of its path lengths over all trees, in units of 1 / KS_FOREST_UNIT:
 * whole numbers, so that the sum is the same on every CPU, by every kernel and for every number
 * of threads. Short paths are strange. The score, 2^(-mean path / c(sample)), follows from the
 * path alone, without the C library. */
#ifndef KS_DETECT_FOREST_H
#define KS_DETECT_FOREST_H

#include "base/buf.h"
#include "base/pool.h"

#define KS_FOREST_FEATURES_MAX 128
#define KS_FOREST_TREES_MAX    4096
#define KS_FOREST_SAMPLE_MAX   256 /* so a tree has at most 8 levels */
#define KS_FOREST_NAME_MAX     64  /* bytes of a feature's name */
#define KS_FOREST_UNIT         2048
#define KS_FOREST_BYTES_MAX    (16 * 1024 * 1024) /* of a model's file */

struct ks_forest;

/* ROWS rows of FEATURES values; row I begins at VALUES + I * STRIDE. Borrowed. */
struct ks_rows {
    const double *values;
    size_t count;
    size_t features;
    size_t stride;
};

struct ks_forest_params {
    uint64_t seed;
    unsigned trees;  /* 1 to KS_FOREST_TREES_MAX; 100 serve */
    unsigned sample; /* rows that each tree is grown from: 2 to KS_FOREST_SAMPLE_MAX, or all
                        rows where there are fewer */
};

/* Grows a forest. NAMES are the features' (1 to KS_FOREST_NAME_MAX bytes each, all different):
 * a model scores rows of its own features only. Same rows, parameters and names: same model.
 * KS_ERR_USAGE for parameters out of range; KS_ERR_FORMAT for fewer than two rows, for rows of
 * which every feature is constant, for infinities; KS_ERR_LIMIT, KS_ERR_NOMEM. */
KS_MUST_CHECK enum ks_err ks_forest_fit(const struct ks_rows *rows,
                                        const struct ks_bytes *names,
                                        const struct ks_forest_params *params,
                                        struct ks_forest **out_forest);
void ks_forest_free(struct ks_forest *forest); /* NULL is fine */

size_t ks_forest_features(const struct ks_forest *forest);
/* Borrowed, NUL-terminated. INDEX below the number of features (asserted). */
const char *ks_forest_feature(const struct ks_forest *forest, size_t index);
const struct ks_forest_params *ks_forest_params(const struct ks_forest *forest);

/* The path of each of ROWS, which have the model's features in its order (their number is
 * asserted). POOL may be NULL. */
void ks_forest_paths(const struct ks_forest *forest, const struct ks_rows *rows,
                     struct ks_pool *pool, uint32_t *out_paths);
/* The same by the kernel called NAME, "avx512", "neon" or "portable": KS_ERR_NOT_FOUND when
 * this build or this CPU has no such kernel, or the kernel cannot hold so many features. For
 * tests and benches. */
KS_MUST_CHECK enum ks_err ks_forest_paths_by(const struct ks_forest *forest, const char *name,
                                             const struct ks_rows *rows, uint32_t *out_paths);
/* The kernel that ks_forest_paths takes here. */
const char *ks_forest_kernel(const struct ks_forest *forest);

/* The score of a path, from 0 (deep) to 1 (cut off at once); 0.5 is where a row of a sample
 * without structure lies. */
double ks_forest_score(const struct ks_forest *forest, uint32_t path);

/* --- the threshold ------------------------------------------------------------------------ */

/* From now on the rows whose path is at most that of the CONTAMINATION * COUNT strangest of
 * PATHS, which are put in order here, are anomalies: none where that is less than one row. More
 * may be where paths are equal. CONTAMINATION from 0 to 0.5 (KS_ERR_USAGE). This is the one
 * change that a forest allows. */
KS_MUST_CHECK enum ks_err ks_forest_set_contamination(struct ks_forest *forest, uint32_t *paths,
                                                      size_t count, double contamination);
/* The largest path of an anomaly; 0: no threshold, nothing is one. */
uint32_t ks_forest_threshold(const struct ks_forest *forest);
bool ks_forest_is_anomaly(const struct ks_forest *forest, uint32_t path);

/* --- reasons ------------------------------------------------------------------------------ */

struct ks_forest_reason {
    /* What the splits on this feature have added to the score: these and the baseline add up
     * to it. */
    double contribution;
    /* How far the value lies from the training rows' median, in units of their spread (1.4826
     * times the median absolute deviation, which is the standard deviation of a normal
     * distribution); 0 for a missing value. */
    double robust_z;
};
/* Why ROW has its score. OUT_REASONS has one entry for each feature; OUT_BASELINE is the score
 * of the mean path of the training rows that each tree has seen. */
void ks_forest_explain(const struct ks_forest *forest, const double *row,
                       struct ks_forest_reason *out_reasons, double *out_baseline);

/* --- the file: docs/formats/forest.md ------------------------------------------------------
 */

/* SHA-256 over the model's bytes but itself, which it ends with: the model's name in verdicts.
 */
#define KS_FOREST_HASH_LEN 32
KS_MUST_CHECK enum ks_err ks_forest_hash(const struct ks_forest *forest,
                                         uint8_t out_hash[KS_FOREST_HASH_LEN]);
void ks_forest_write(const struct ks_forest *forest, struct ks_buf *out);
/* Writing what was read gives the same bytes. KS_ERR_FORMAT, KS_ERR_LIMIT; KS_ERR_VERIFY when
 * the hash is not that of the bytes. */
KS_MUST_CHECK enum ks_err ks_forest_read(struct ks_bytes bytes, struct ks_forest **out_forest);

#endif
