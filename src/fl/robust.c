/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/robust.h"

#include <math.h>

#include "fl/robust_work.h"

#define RFA_ITERATIONS  8
#define CLIP_ITERATIONS 3
#define CLIP_RADIUS     10
#define RFA_SMOOTHING   1e-6

struct rule {
    const char *word;
    size_t (*rows_min)(size_t f);
};
#define RULE_ROWS(name, word, rows)                                                            \
    static size_t rows_of_##name(size_t f)                                                     \
    {                                                                                          \
        return (rows);                                                                         \
    }
KS_FL_RULE_LIST(RULE_ROWS)
#undef RULE_ROWS

static const struct rule rules[KS_FL_RULES] = {
#define RULE_ROW(name, word, rows) [KS_FL_##name] = {word, rows_of_##name},
    KS_FL_RULE_LIST(RULE_ROW)
#undef RULE_ROW
};

const char *ks_fl_rule_word(enum ks_fl_rule rule)
{
    KS_ASSERT((unsigned)rule < KS_FL_RULES);
    return rules[rule].word;
}

enum ks_err ks_fl_rule_of(struct ks_bytes word, enum ks_fl_rule *out_rule)
{
    for (unsigned i = 0; i < KS_FL_RULES; i++) {
        if (ks_bytes_is(word, rules[i].word)) {
            *out_rule = (enum ks_fl_rule)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_USAGE, "no aggregation rule '%.*s'",
                   (int)(word.len < 64 ? word.len : 64), (const char *)word.data);
}

/* --- what a rule needs -------------------------------------------------------------------- */

static struct ks_fl_robust with_defaults(const struct ks_fl_robust *robust, size_t rows)
{
    struct ks_fl_robust all = *robust;

    if (all.iterations == 0) {
        all.iterations = all.rule == KS_FL_RFA ? RFA_ITERATIONS : CLIP_ITERATIONS;
    }
    if (all.radius == 0) {
        all.radius = CLIP_RADIUS;
    }
    if (all.smoothing == 0) {
        all.smoothing = RFA_SMOOTHING;
    }
    if (all.keep == 0 && rows > (size_t)all.attackers + 2) {
        all.keep = (unsigned)(rows - all.attackers - 2);
    }
    return all;
}

static enum ks_err check_robust(const struct ks_fl_robust *robust, size_t rows, size_t params)
{
    enum ks_err err = KS_OK;
    size_t rows_min = 0;

    KS_CHECK((unsigned)robust->rule < KS_FL_RULES, KS_ERR_USAGE, "no such aggregation rule");
    KS_CHECK(robust->radius >= 0 && isfinite(robust->radius), KS_ERR_USAGE,
             "a clipping radius below 0");
    KS_CHECK(robust->smoothing >= 0 && isfinite(robust->smoothing), KS_ERR_USAGE,
             "a smoothing below 0");
    KS_CHECK(robust->smoothing == 0 || isfinite(KS_FL_ROWS_MAX / robust->smoothing),
             KS_ERR_USAGE, "a smoothing of %g: too small to divide by", robust->smoothing);
    KS_CHECK(robust->iterations <= KS_FL_ITERATIONS_MAX, KS_ERR_LIMIT,
             "%u iterations, at most %d", robust->iterations, KS_FL_ITERATIONS_MAX);
    KS_CHECK(params >= 1 && params <= KS_FL_PARAMS_MAX, KS_ERR_LIMIT,
             "%zu parameters, 1 to %zu", params, KS_FL_PARAMS_MAX);
    KS_CHECK(rows <= KS_FL_ROWS_MAX && robust->attackers <= KS_FL_ROWS_MAX, KS_ERR_LIMIT,
             "%zu updates with %u attackers, at most %d of either: deal them into buckets",
             rows, robust->attackers, KS_FL_ROWS_MAX);
    rows_min = rules[robust->rule].rows_min(robust->attackers);
    KS_CHECK(rows >= rows_min, KS_ERR_LIMIT,
             "%s holds against %u attackers with %zu updates or more; there are %zu",
             rules[robust->rule].word, robust->attackers, rows_min, rows);
    KS_CHECK(robust->rule != KS_FL_MULTI_KRUM || robust->keep <= rows - robust->attackers - 2,
             KS_ERR_USAGE, "multi-krum: %u of %zu updates cannot be kept with %u attackers",
             robust->keep, rows, robust->attackers);
out:
    return err;
}

static uint64_t scratch_bytes(enum ks_fl_rule rule, size_t rows)
{
    switch (rule) {
    case KS_FL_MEDIAN:
    case KS_FL_TRIMMED_MEAN:
        return ks_fl_coordinates_bytes(rows);
    case KS_FL_KRUM:
    case KS_FL_MULTI_KRUM:
        return ks_fl_krum_bytes(rows);
    case KS_FL_BULYAN:
        return ks_fl_krum_bytes(rows) + ks_fl_coordinates_bytes(rows);
    default:
        return 0;
    }
}

enum ks_err ks_fl_robust_needs(const struct ks_fl_robust *robust, size_t rows, size_t params,
                               struct ks_fl_needs *out_needs)
{
    enum ks_err err = KS_OK;
    struct ks_fl_needs needs = {0};

    KS_TRY(check_robust(robust, rows, params));
    needs.rows_min = rules[robust->rule].rows_min(robust->attackers);
    needs.keeps_rows = robust->rule != KS_FL_MEAN && robust->rule != KS_FL_FLTRUST;
    needs.needs_root = robust->rule == KS_FL_FLTRUST;
    needs.needs_center = robust->rule == KS_FL_RFA || robust->rule == KS_FL_CENTERED_CLIP;
    /* The rows; the result; the last one, or the root; norms, shares and what scoring takes. */
    needs.bytes = ((uint64_t)rows + 2) * params * sizeof(float) +
                  (uint64_t)rows * 4 * sizeof(double) + scratch_bytes(robust->rule, rows);
    *out_needs = needs;
out:
    return err;
}

/* --- weighted sums ------------------------------------------------------------------------ */

struct weighing {
    const struct ks_fl_work *work;
    const double *factors;
    double by;
};

static void weigh_slice(void *context, size_t slice)
{
    const struct weighing *weighing = context;
    const struct ks_fl_work *work = weighing->work;
    const size_t end = ks_fl_slice_begin(&work->slices, slice + 1, work->rows.params);
    size_t at = ks_fl_slice_begin(&work->slices, slice, work->rows.params);

    for (; at < end; at += KS_FL_PIECE) {
        const size_t count = end - at < KS_FL_PIECE ? end - at : KS_FL_PIECE;
        double sums[KS_FL_PIECE] = {0};

        for (size_t i = 0; i < work->rows.count; i++) {
            if (weighing->factors[i] != 0) {
                work->kernels->weigh(work->rows.rows[i] + at, weighing->factors[i], count,
                                     sums);
            }
        }
        for (size_t i = 0; i < count; i++) {
            work->out[at + i] = (float)(sums[i] / weighing->by);
        }
    }
}

void ks_fl_weighted_rows(const struct ks_fl_work *work, const double *factors, double by)
{
    struct weighing weighing = {work, factors, by};

    ks_pool_run(work->pool, weigh_slice, &weighing, work->slices.count);
}

/* --- rules that are one weighted sum ------------------------------------------------------ */

static void mean(struct ks_fl_work *work)
{
    for (size_t i = 0; i < work->rows.count; i++) {
        work->shares[i] = 1;
    }
    ks_fl_weighted_rows(work, work->shares, (double)work->rows.count);
}

/* What FLTrust multiplies an update by whose norm, root's norm and product are these, and how
 * much it trusts it. */
static double trust_of(double norm, double root_norm, double product)
{
    return norm > 0 && root_norm > 0 && product > 0 ? product / (norm * root_norm) : 0;
}

void ks_fl_trust(const float *update, const float *root, size_t params, struct ks_pool *pool,
                 uint32_t *out_weight, double *out_scale)
{
    const double norm = sqrt(ks_fl_norm_squared(update, params, pool));
    const double root_norm = sqrt(ks_fl_norm_squared(root, params, pool));
    const double trust = trust_of(norm, root_norm, ks_fl_dot(update, root, params, pool));
    const double most = 1 << KS_FL_TRUST_BITS;
    double weight = floor(trust * most);

    if (!(weight >= 0)) {
        weight = 0; /* what is not finite is not trusted */
    }
    if (weight > most) {
        weight = most; /* a cosine may come out above 1 by a rounding */
    }
    *out_weight = (uint32_t)weight;
    *out_scale = weight > 0 ? root_norm / norm : 0;
}

static enum ks_err fltrust(struct ks_fl_work *work, double *factors)
{
    enum ks_err err = KS_OK;
    const float *root = work->input->root;
    const size_t params = work->rows.params;
    double root_norm = 0;
    double trusted = 0;

    KS_CHECK(root != NULL, KS_ERR_USAGE, "fltrust: no root update");
    KS_TRY(ks_fl_check_finite(root, params));
    root_norm = sqrt(ks_fl_norm_squared(root, params, work->pool));
    for (size_t i = 0; i < work->rows.count; i++) {
        const double product = ks_fl_dot(work->rows.rows[i], root, params, work->pool);

        work->shares[i] = trust_of(work->norms[i], root_norm, product);
        factors[i] = work->shares[i] > 0 ? work->shares[i] * root_norm / work->norms[i] : 0;
        trusted += work->shares[i];
    }
    KS_CHECK(trusted > 0, KS_ERR_NOT_FOUND,
             "fltrust: no update goes the way of the server's own");
    ks_fl_weighted_rows(work, factors, trusted);
out:
    return err;
}

/* --- all of it ---------------------------------------------------------------------------- */

/* Squares of floats cannot overflow a double, so a norm is finite exactly when its row is. */
static enum ks_err measure(struct ks_fl_work *work)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < work->rows.count; i++) {
        const double squared =
            ks_fl_norm_squared(work->rows.rows[i], work->rows.params, work->pool);

        if (!isfinite(squared)) {
            err = ks_fl_check_finite(work->rows.rows[i], work->rows.params);
            err = ks_fail_prefix(err, "update %zu", i);
            KS_TRY(err);
        }
        work->norms[i] = sqrt(squared);
    }
out:
    return err;
}

static enum ks_err apply(struct ks_fl_work *work, double *scratch)
{
    switch (work->robust.rule) {
    case KS_FL_MEAN:
        mean(work);
        return KS_OK;
    case KS_FL_FLTRUST:
        return fltrust(work, scratch);
    case KS_FL_MEDIAN:
    case KS_FL_TRIMMED_MEAN:
        return ks_fl_rule_coordinates(work);
    case KS_FL_KRUM:
    case KS_FL_MULTI_KRUM:
    case KS_FL_BULYAN:
        return ks_fl_rule_krum(work);
    default:
        return ks_fl_rule_center(work);
    }
}

enum ks_err ks_fl_robust_aggregate(const struct ks_fl_robust *robust,
                                   const struct ks_fl_robust_input *input, struct ks_pool *pool,
                                   float *out_vector, struct ks_fl_score *out_scores)
{
    enum ks_err err = KS_OK;
    const size_t rows = input->rows.count;
    double *numbers = NULL;
    struct ks_fl_work work = {
        .input = input,
        .rows = input->rows,
        .pool = pool,
        .kernels = ks_fl_kernels_best(),
        .slices = ks_fl_slices_of(input->rows.params),
        .out = out_vector,
    };

    KS_TRY(check_robust(robust, rows, input->rows.params));
    work.robust = with_defaults(robust, rows);
    numbers = ks_calloc(rows * 4, sizeof *numbers);
    KS_CHECK(numbers != NULL, KS_ERR_NOMEM, "%s: out of memory", rules[robust->rule].word);
    work.norms = numbers;
    work.shares = numbers + rows;
    KS_TRY(measure(&work));
    KS_TRY(apply(&work, numbers + 2 * rows));
    if (out_scores != NULL) {
        ks_fl_score_rows(&work, numbers + 2 * rows, out_scores);
    }
out:
    ks_free(work.apart);
    ks_free(numbers);
    return err;
}
