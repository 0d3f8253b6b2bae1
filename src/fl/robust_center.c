/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Rules that move a center: RFA, the geometric median by the smoothed Weiszfeld algorithm
 * (Pillutla, Kakade, Harchaoui, IEEE TSP 2022), and centered clipping (Karimireddy, He, Jaggi,
 * ICML 2021), which takes no step from any row that is longer than its radius. */

#include <math.h>

#include "fl/robust_work.h"

/* One step of Weiszfeld: rows weigh 1 / their distance from the center, or 1 / smoothing where
 * they are nearer than that. */
static void weiszfeld(struct ks_fl_work *work)
{
    double sum = 0;

    for (size_t i = 0; i < work->rows.count; i++) {
        const double apart = sqrt(ks_fl_distance_squared(work->rows.rows[i], work->out,
                                                         work->rows.params, work->pool));

        work->shares[i] = 1 / (apart > work->robust.smoothing ? apart : work->robust.smoothing);
        sum += work->shares[i];
    }
    ks_fl_weighted_rows(work, work->shares, sum);
}

struct clipping {
    const struct ks_fl_work *work;
    double sum; /* of the factors */
};

/* center += (sum of factor * row - center * sum of factors) / rows */
static void clip_slice(void *context, size_t slice)
{
    const struct clipping *clipping = context;
    const struct ks_fl_work *work = clipping->work;
    const size_t end = ks_fl_slice_begin(&work->slices, slice + 1, work->rows.params);
    size_t at = ks_fl_slice_begin(&work->slices, slice, work->rows.params);

    for (; at < end; at += KS_FL_PIECE) {
        const size_t count = end - at < KS_FL_PIECE ? end - at : KS_FL_PIECE;
        double sums[KS_FL_PIECE] = {0};

        for (size_t i = 0; i < work->rows.count; i++) {
            work->kernels->weigh(work->rows.rows[i] + at, work->shares[i], count, sums);
        }
        for (size_t i = 0; i < count; i++) {
            const double center = (double)work->out[at + i];

            work->out[at + i] =
                (float)(center + (sums[i] - center * clipping->sum) / (double)work->rows.count);
        }
    }
}

static void clip(struct ks_fl_work *work)
{
    struct clipping clipping = {work, 0};

    for (size_t i = 0; i < work->rows.count; i++) {
        const double apart = sqrt(ks_fl_distance_squared(work->rows.rows[i], work->out,
                                                         work->rows.params, work->pool));

        work->shares[i] = ks_fl_norm_scale(apart, work->robust.radius);
        clipping.sum += work->shares[i];
    }
    ks_pool_run(work->pool, clip_slice, &clipping, work->slices.count);
}

enum ks_err ks_fl_rule_center(struct ks_fl_work *work)
{
    enum ks_err err = KS_OK;

    ks_zero(work->out, work->rows.params * sizeof *work->out);
    if (work->input->center != NULL) {
        KS_TRY(ks_fl_check_finite(work->input->center, work->rows.params));
        ks_copy(work->out, work->input->center, work->rows.params * sizeof *work->out);
    }
    for (unsigned i = 0; i < work->robust.iterations; i++) {
        if (work->robust.rule == KS_FL_RFA) {
            weiszfeld(work);
        } else {
            clip(work);
        }
    }
out:
    return err;
}
