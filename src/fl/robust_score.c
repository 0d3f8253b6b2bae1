/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* How much each row stands out, and by what. */

#include <math.h>
#include <stdlib.h>

#include "fl/robust_work.h"

#define NORMAL 1.4826 /* median absolute deviation to standard deviation, of normal numbers */
#define LEAST  0.01   /* of the median, or of a cosine: spread that is told apart */

static const char *const words[] = {
#define SUSPICION_WORD(name, word) [KS_FL_SUSPICION_##name] = word,
    KS_FL_SUSPICION_LIST(SUSPICION_WORD)
#undef SUSPICION_WORD
};

const char *ks_fl_suspicion_word(enum ks_fl_suspicion suspicion)
{
    KS_ASSERT((unsigned)suspicion < sizeof words / sizeof words[0]);
    return words[suspicion];
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

static double median_of(double *values, size_t count)
{
    qsort(values, count, sizeof *values, by_value);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

struct spread {
    double median;
    double deviation;
};

/* SCRATCH has a copy of the COUNT figures, and becomes garbage. */
static struct spread spread_of(double *scratch, size_t count, double least)
{
    struct spread spread = {median_of(scratch, count), 0};
    const double bottom = least > 0 ? least : LEAST * fabs(spread.median);

    for (size_t i = 0; i < count; i++) {
        scratch[i] = fabs(scratch[i] - spread.median);
    }
    spread.deviation = NORMAL * median_of(scratch, count);
    if (spread.deviation < bottom) {
        spread.deviation = bottom;
    }
    return spread;
}

static double standard(double value, struct spread spread)
{
    return spread.deviation > 0 ? (value - spread.median) / spread.deviation : 0;
}

static void accuse(struct ks_fl_score *score, enum ks_fl_suspicion reason, double by)
{
    if (by > score->score) {
        score->score = by;
        score->reason = reason;
    }
}

static void measure(const struct ks_fl_work *work, size_t row, double norm,
                    struct ks_fl_score *score)
{
    const float *values = work->rows.rows[row];
    const size_t params = work->rows.params;
    const double lengths = norm * work->norms[row];

    score->norm = work->norms[row];
    score->distance = sqrt(ks_fl_distance_squared(values, work->out, params, work->pool));
    score->cosine =
        lengths > 0 ? ks_fl_dot(values, work->out, params, work->pool) / lengths : 0;
}

/* The distance to the nearest other row. */
static double nearest(const struct ks_fl_work *work, size_t row)
{
    const size_t rows = work->rows.count;
    double least = INFINITY;

    for (size_t i = 0; i < rows; i++) {
        if (i != row && work->apart[row * rows + i] < least) {
            least = work->apart[row * rows + i];
        }
    }
    return isfinite(least) ? sqrt(least) : 0;
}

static void accuse_of_closeness(const struct ks_fl_work *work, double *scratch,
                                struct ks_fl_score *scores)
{
    struct spread spread = {0};

    for (size_t i = 0; i < work->rows.count; i++) {
        scratch[i] = nearest(work, i);
    }
    spread = spread_of(scratch, work->rows.count, 0);
    for (size_t i = 0; i < work->rows.count; i++) {
        accuse(&scores[i], KS_FL_SUSPICION_CLOSENESS, -standard(nearest(work, i), spread));
    }
}

static void share_out(const struct ks_fl_work *work, struct ks_fl_score *scores)
{
    double sum = 0;

    for (size_t i = 0; i < work->rows.count; i++) {
        sum += work->shares[i];
    }
    for (size_t i = 0; i < work->rows.count; i++) {
        scores[i].share = sum > 0 ? work->shares[i] / sum : 0;
    }
}

void ks_fl_score_rows(const struct ks_fl_work *work, double *scratch,
                      struct ks_fl_score *out_scores)
{
    const size_t rows = work->rows.count;
    const double norm = sqrt(ks_fl_norm_squared(work->out, work->rows.params, work->pool));
    struct spread norms = {0};
    struct spread distances = {0};
    struct spread cosines = {0};

    for (size_t i = 0; i < rows; i++) {
        out_scores[i] = (struct ks_fl_score){0};
        measure(work, i, norm, &out_scores[i]);
    }
    for (size_t i = 0; i < rows; i++) {
        scratch[i] = out_scores[i].norm;
    }
    norms = spread_of(scratch, rows, 0);
    for (size_t i = 0; i < rows; i++) {
        scratch[i] = out_scores[i].distance;
    }
    distances = spread_of(scratch, rows, 0);
    for (size_t i = 0; i < rows; i++) {
        scratch[i] = out_scores[i].cosine;
    }
    cosines = spread_of(scratch, rows, LEAST);
    for (size_t i = 0; i < rows; i++) {
        struct ks_fl_score *score = &out_scores[i];

        accuse(score, KS_FL_SUSPICION_DIRECTION, -standard(score->cosine, cosines));
        accuse(score, KS_FL_SUSPICION_NORM, fabs(standard(score->norm, norms)));
        accuse(score, KS_FL_SUSPICION_DISTANCE, standard(score->distance, distances));
    }
    if (work->apart != NULL) {
        accuse_of_closeness(work, scratch, out_scores);
    }
    share_out(work, out_scores);
}

void ks_fl_score_norms(const double *norms, size_t count, double *scratch,
                       struct ks_fl_score *out_scores)
{
    struct spread spread = {0};

    if (count == 0) {
        return;
    }
    ks_copy(scratch, norms, count * sizeof *scratch);
    spread = spread_of(scratch, count, 0);
    for (size_t i = 0; i < count; i++) {
        out_scores[i] = (struct ks_fl_score){.norm = norms[i]};
        accuse(&out_scores[i], KS_FL_SUSPICION_NORM, fabs(standard(norms[i], spread)));
    }
}
