/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/vector.h"

#include <math.h>

#include "fl/internal.h"

/* --- slices ------------------------------------------------------------------------------- */

struct ks_fl_slices ks_fl_slices_of(size_t params)
{
    const size_t pieces = (params + KS_FL_PIECE - 1) / KS_FL_PIECE;
    const size_t size = (pieces + KS_FL_SLICES - 1) / KS_FL_SLICES * KS_FL_PIECE;

    return (struct ks_fl_slices){size == 0 ? 0 : (params + size - 1) / size, size};
}

size_t ks_fl_slice_begin(const struct ks_fl_slices *slices, size_t index, size_t params)
{
    return index < slices->count ? index * slices->size : params;
}

/* --- reductions --------------------------------------------------------------------------- */

struct reduction {
    double (*piece)(const float *a, const float *b, size_t count);
    const float *a;
    const float *b;
    size_t params;
    struct ks_fl_slices slices;
    double sums[KS_FL_SLICES];
};

static void reduce_slice(void *context, size_t slice)
{
    struct reduction *reduction = context;
    const size_t end = ks_fl_slice_begin(&reduction->slices, slice + 1, reduction->params);
    size_t at = ks_fl_slice_begin(&reduction->slices, slice, reduction->params);
    double sum = 0;

    for (; at < end; at += KS_FL_PIECE) {
        const size_t count = end - at < KS_FL_PIECE ? end - at : KS_FL_PIECE;

        sum += reduction->piece(reduction->a + at, reduction->b + at, count);
    }
    reduction->sums[slice] = sum;
}

static double reduce(struct reduction *reduction, struct ks_pool *pool)
{
    double sum = 0;

    reduction->slices = ks_fl_slices_of(reduction->params);
    ks_pool_run(pool, reduce_slice, reduction, reduction->slices.count);
    for (size_t i = 0; i < reduction->slices.count; i++) {
        sum += reduction->sums[i];
    }
    return sum;
}

double ks_fl_dot(const float *a, const float *b, size_t count, struct ks_pool *pool)
{
    struct reduction reduction = {ks_fl_kernels_best()->dot, a, b, count, {0, 0}, {0}};

    return reduce(&reduction, pool);
}

double ks_fl_norm_squared(const float *values, size_t count, struct ks_pool *pool)
{
    return ks_fl_dot(values, values, count, pool);
}

double ks_fl_distance_squared(const float *a, const float *b, size_t count,
                              struct ks_pool *pool)
{
    struct reduction reduction = {ks_fl_kernels_best()->distance, a, b, count, {0, 0}, {0}};

    return reduce(&reduction, pool);
}

double ks_fl_norm_scale(double norm, double bound)
{
    return bound > 0 && norm > bound ? bound / norm : 1;
}

double ks_fl_bound_norm(float *values, size_t count, double bound, struct ks_pool *pool)
{
    const double norm = sqrt(ks_fl_norm_squared(values, count, pool));
    const double scale = ks_fl_norm_scale(norm, bound);

    for (size_t i = 0; scale != 1 && i < count; i++) {
        values[i] = (float)((double)values[i] * scale);
    }
    return scale;
}

enum ks_err ks_fl_check_finite(const float *values, size_t count)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < count; i++) {
        KS_CHECK(isfinite(values[i]), KS_ERR_FORMAT, "parameter %zu is not a finite number", i);
    }
out:
    return err;
}
