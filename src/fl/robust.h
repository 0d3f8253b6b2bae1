/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* robust.h: aggregates that some lying clients cannot move at will. Hides sorting, distances
 * and the order of sums; results have the same bits everywhere (fl/vector.h). Each rule's
 * paper, and what it does not hold against, is in docs/federated-learning.md.
 *
 * A norm bound goes before any of them: ks_fl_bound_norm, or the scale of
 * ks_fl_accumulator_add.
 *
 * These rules look at updates one by one, so they need them in the clear and in memory: a sum
 * of masked updates shows none of them. Norm bounds and FLTrust weights need one update at a
 * time, and bucket means (fl/buckets.h) stand in for updates: these stream. Pure; POOL may be
 * NULL everywhere. */
#ifndef KS_FL_ROBUST_H
#define KS_FL_ROBUST_H

#include "fl/vector.h"

#define KS_FL_ROWS_MAX       1024 /* updates, or buckets, that a rule looks at */
#define KS_FL_ITERATIONS_MAX 1000

/* clang-format off */
/*      name          word            the fewest rows for F attackers */
#define KS_FL_RULE_LIST(X)                                            \
    X(MEAN,           "mean",              1 + 0 * f)                 \
    X(MEDIAN,         "median",            1 + 2 * f)                 \
    X(TRIMMED_MEAN,   "trimmed-mean",      1 + 2 * f)                 \
    X(KRUM,           "krum",              3 + 2 * f)                 \
    X(MULTI_KRUM,     "multi-krum",        3 + 2 * f)                 \
    X(BULYAN,         "bulyan",            3 + 4 * f)                 \
    X(RFA,            "rfa",               1 + 2 * f)                 \
    X(CENTERED_CLIP,  "centered-clip",     1 + 2 * f)                 \
    X(FLTRUST,        "fltrust",           1 + 0 * f)
/* clang-format on */

enum ks_fl_rule {
#define KS_FL_RULE_ENUM(name, word, rows) KS_FL_##name,
    KS_FL_RULE_LIST(KS_FL_RULE_ENUM)
#undef KS_FL_RULE_ENUM
        KS_FL_RULES /* how many there are */
};

const char *ks_fl_rule_word(enum ks_fl_rule rule);
KS_MUST_CHECK enum ks_err ks_fl_rule_of(struct ks_bytes word, enum ks_fl_rule *out_rule);

struct ks_fl_robust {
    enum ks_fl_rule rule;
    unsigned attackers;  /* f: lying rows that the rule has to stand */
    unsigned keep;       /* multi-Krum: rows that are averaged; 0: rows - f - 2 */
    unsigned iterations; /* RFA and centered clipping; 0: 8 and 3 */
    double radius;       /* centered clipping: tau; 0: 10 */
    double smoothing;    /* RFA: nu, the least distance that is told apart; 0: 1e-6 */
};

/* What a rule asks of a round, to be checked before it begins. */
struct ks_fl_needs {
    size_t rows_min;   /* fewer are refused */
    uint64_t bytes;    /* at most so many, the rows among them */
    bool keeps_rows;   /* false: one accumulator serves */
    bool needs_root;   /* a vector of the server's own training */
    bool needs_center; /* begins at the last aggregate */
};
/* For ROWS rows of PARAMS numbers. KS_ERR_USAGE for parameters out of range; KS_ERR_LIMIT when
 * rows or params are too many, or the rows fewer than the rule holds with. */
KS_MUST_CHECK enum ks_err ks_fl_robust_needs(const struct ks_fl_robust *robust, size_t rows,
                                             size_t params, struct ks_fl_needs *out_needs);

/* COUNT updates of PARAMS finite numbers. Borrowed. */
struct ks_fl_rows {
    const float *const *rows;
    size_t count;
    size_t params;
};

/* Why a row stands out: the largest of its three figures below. */
#define KS_FL_SUSPICION_LIST(X)                                                                \
    X(NONE, "none")                                                                            \
    X(NORM, "norm")           /* longer, or shorter, than the others */                        \
    X(DISTANCE, "distance")   /* far from the aggregate */                                     \
    X(DIRECTION, "direction") /* against it */                                                 \
    X(CLOSENESS, "closeness") /* nearer to another row than honest ones are to any */
enum ks_fl_suspicion {
#define KS_FL_SUSPICION_ENUM(name, word) KS_FL_SUSPICION_##name,
    KS_FL_SUSPICION_LIST(KS_FL_SUSPICION_ENUM)
#undef KS_FL_SUSPICION_ENUM
        KS_FL_SUSPICIONS /* how many there are */
};
const char *ks_fl_suspicion_word(enum ks_fl_suspicion suspicion);

/* Each figure in robust standard deviations (1.4826 times the median absolute deviation, at
 * least 1 % of the median) from the median of all rows; SCORE is the largest of the magnitudes
 * of what counts against a row, 0 for none. SHARE is the part that the rule has given to the
 * row: all shares add up to 1; for rules by coordinates it is the share of the coordinates
 * where the row was used. */
struct ks_fl_score {
    double score;
    enum ks_fl_suspicion reason;
    double norm;
    double distance;
    double cosine; /* with the aggregate; 0 where either is 0 */
    double share;
};

/* What the norms alone say of COUNT updates, for rules that look at no row: each one's distance
 * from the median of all, as above, with the reason NORM; the rest of a score is 0. SCRATCH has
 * room for COUNT numbers. */
void ks_fl_score_norms(const double *norms, size_t count, double *scratch,
                       struct ks_fl_score *out_scores);

struct ks_fl_robust_input {
    struct ks_fl_rows rows;
    const float *center; /* where RFA and centered clipping begin: the last aggregate, or NULL
                            for 0 */
    const float *root;   /* FLTrust: what the server's own data say; else NULL */
};

/* To OUT_VECTOR and, unless it is NULL, a score for each row to OUT_SCORES. KS_ERR_FORMAT for a
 * value that is not finite; KS_ERR_NOT_FOUND when FLTrust trusts no row; else as
 * ks_fl_robust_needs. OUT_VECTOR is garbage after a failure. */
KS_MUST_CHECK enum ks_err ks_fl_robust_aggregate(const struct ks_fl_robust *robust,
                                                 const struct ks_fl_robust_input *input,
                                                 struct ks_pool *pool, float *out_vector,
                                                 struct ks_fl_score *out_scores);

/* FLTrust for one update at a time (Cao et al., NDSS 2021): WEIGHT = max(0, cosine with ROOT)
 * in units of 2^-KS_FL_TRUST_BITS, rounded down, and SCALE = |root| / |update|. Both are for
 * ks_fl_accumulator_add; a weight of 0 is not added. */
#define KS_FL_TRUST_BITS 16
void ks_fl_trust(const float *update, const float *root, size_t params, struct ks_pool *pool,
                 uint32_t *out_weight, double *out_scale);

#endif
