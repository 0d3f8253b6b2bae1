/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/forest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "detect/internal.h"

enum ks_err ks_forest_new(size_t features, unsigned trees, struct ks_forest **out_forest)
{
    struct ks_forest *forest = ks_calloc(1, sizeof *forest);

    if (forest != NULL) {
        forest->group_count = (trees + KS_LANES - 1) / KS_LANES;
        forest->groups = ks_calloc(forest->group_count, sizeof *forest->groups);
    }
    if (forest == NULL || forest->groups == NULL) {
        ks_forest_free(forest);
        return ks_fail(KS_ERR_NOMEM, "forest of %u trees", trees);
    }
    forest->features = features;
    forest->params.trees = trees;
    forest->feature_bits = 4;
    while (((size_t)1 << forest->feature_bits) < features) {
        forest->feature_bits++;
    }
    *out_forest = forest;
    return KS_OK;
}

void ks_forest_free(struct ks_forest *forest)
{
    if (forest != NULL) {
        ks_free(forest->groups);
    }
    ks_free(forest);
}

enum ks_err ks_forest_take_name(struct ks_forest *forest, size_t index, struct ks_bytes name)
{
    enum ks_err err = KS_OK;

    KS_CHECK(name.len >= 1 && name.len <= KS_FOREST_NAME_MAX, KS_ERR_LIMIT,
             "feature %zu: a name of 1 to %d bytes", index + 1, KS_FOREST_NAME_MAX);
    KS_CHECK(ks_utf8_valid(name) && memchr(name.data, 0, name.len) == NULL, KS_ERR_FORMAT,
             "feature %zu: its name is no text", index + 1);
    for (size_t i = 0; i < index; i++) {
        KS_CHECK(!ks_bytes_is(name, forest->names[i]), KS_ERR_FORMAT,
                 "two features are called '%s'", forest->names[i]);
    }
    ks_zero(forest->names[index], sizeof forest->names[index]);
    ks_copy(forest->names[index], name.data, name.len);
out:
    return err;
}

void ks_forest_settle(struct ks_forest *forest)
{
    const size_t last = forest->group_count - 1;

    for (size_t lane = forest->params.trees - last * KS_LANES; lane < KS_LANES; lane++) {
        for (size_t i = 0; i < KS_TREE_SPLITS; i++) {
            forest->groups[last].splits[i][lane] = KS_SPLIT_NEVER;
            forest->groups[last].means[i][lane] = 0;
        }
        for (size_t i = 0; i < KS_TREE_LEAVES; i++) {
            forest->groups[last].paths[i][lane] = 0;
        }
    }
    forest->path_unit = (double)KS_FOREST_UNIT * forest->params.trees *
                        ks_forest_path_ahead(forest->params.sample);
    forest->baseline = 0;
    for (size_t group = 0; group < forest->group_count; group++) {
        for (size_t lane = 0; lane < KS_LANES; lane++) {
            forest->baseline += forest->groups[group].means[0][lane];
        }
    }
}

size_t ks_forest_features(const struct ks_forest *forest)
{
    return forest->features;
}

const char *ks_forest_feature(const struct ks_forest *forest, size_t index)
{
    KS_ASSERT(index < forest->features);
    return forest->names[index];
}

const struct ks_forest_params *ks_forest_params(const struct ks_forest *forest)
{
    return &forest->params;
}

/* --- scores ------------------------------------------------------------------------------- */

double ks_forest_path_ahead(size_t count)
{
    double harmonic = 0;

    if (count < 2) {
        return 0;
    }
    for (size_t i = count - 1; i > 0; i--) { /* small terms first */
        harmonic += 1.0 / (double)i;
    }
    return 2 * harmonic - 2 * (double)(count - 1) / (double)count;
}

double ks_exp2_negative(double value)
{
    static const double ln2 = 0.693147180559945309417;
    const double whole = floor(value);
    const double x = -(value - whole) * ln2; /* above -ln 2 */
    double power = 1;

    KS_ASSERT(value >= 0 && whole <= 1022);
    /* The series of exp, to where a term is beneath the last bit. */
    for (unsigned k = 18; k > 0; k--) {
        power = 1 + x * power / k;
    }
    for (unsigned i = (unsigned)whole; i > 0; i--) {
        power /= 2; /* exact */
    }
    return power;
}

double ks_forest_score(const struct ks_forest *forest, uint32_t path)
{
    return ks_exp2_negative(path / forest->path_unit);
}

/* --- paths -------------------------------------------------------------------------------- */

void ks_forest_standard(const struct ks_forest *forest, const double *row, float *out_standard)
{
    static const double most = (double)KS_STANDARD_MAX;

    for (size_t i = 0; i < forest->features; i++) {
        double value = (row[i] - forest->centres[i]) * forest->scales[i];

        value = value > most ? most : value; /* infinities are far enough away */
        value = value < -most ? -most : value;
        /* A missing value is neither above nor below; so is any value of a constant feature. */
        out_standard[i] = value == value ? (float)value : 0;
    }
}

static const struct ks_forest_kernel_choice *best_kernel(const struct ks_forest *forest)
{
    const struct ks_forest_kernel_choice *kernel = ks_forest_kernels;

    while (!kernel->usable() || kernel->features_max < forest->features) {
        kernel++; /* the last one always serves */
    }
    return kernel;
}

const char *ks_forest_kernel(const struct ks_forest *forest)
{
    return best_kernel(forest)->name;
}

struct paths_job {
    const struct ks_forest *forest;
    const struct ks_rows *rows;
    ks_forest_kernel_function kernel;
    uint32_t *paths;
};

static size_t standard_width(size_t features)
{
    return features <= 16 ? 16 : features <= 32 ? 32 : KS_FOREST_FEATURES_MAX;
}

static void paths_slice(void *context, size_t slice)
{
    const struct paths_job *job = context;
    const size_t width = standard_width(job->forest->features);
    const size_t first = slice * KS_STANDARD_BLOCK;
    const size_t left = job->rows->count - first;
    const size_t count = left < KS_STANDARD_BLOCK ? left : KS_STANDARD_BLOCK;
    _Alignas(64) float standard[KS_STANDARD_BLOCK * KS_FOREST_FEATURES_MAX];

    for (size_t i = 0; i < count; i++) {
        float *row = &standard[i * width];

        ks_forest_standard(job->forest, &job->rows->values[(first + i) * job->rows->stride],
                           row);
        for (size_t k = job->forest->features; k < width; k++) {
            row[k] = 0;
        }
    }
    job->kernel(job->forest, standard, width, count, &job->paths[first]);
}

static void run_paths(struct ks_pool *pool, struct paths_job *job)
{
    KS_ASSERT(job->rows->features == job->forest->features);
    ks_pool_run(pool, paths_slice, job,
                (job->rows->count + KS_STANDARD_BLOCK - 1) / KS_STANDARD_BLOCK);
}

void ks_forest_paths(const struct ks_forest *forest, const struct ks_rows *rows,
                     struct ks_pool *pool, uint32_t *out_paths)
{
    struct paths_job job = {forest, rows, best_kernel(forest)->paths, out_paths};

    run_paths(pool, &job);
}

enum ks_err ks_forest_paths_by(const struct ks_forest *forest, const char *name,
                               const struct ks_rows *rows, uint32_t *out_paths)
{
    for (const struct ks_forest_kernel_choice *kernel = ks_forest_kernels; kernel->name != NULL;
         kernel++) {
        if (ks_bytes_is(ks_bytes_text(kernel->name), name) && kernel->usable() &&
            kernel->features_max >= forest->features) {
            struct paths_job job = {forest, rows, kernel->paths, out_paths};

            run_paths(NULL, &job);
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_NOT_FOUND, "no kernel '%s' for %zu features here", name,
                   forest->features);
}

/* --- the threshold ------------------------------------------------------------------------ */

static int by_path(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left;
    const uint32_t b = *(const uint32_t *)right;

    return (a > b) - (a < b);
}

enum ks_err ks_forest_set_contamination(struct ks_forest *forest, uint32_t *paths, size_t count,
                                        double contamination)
{
    size_t anomalies = 0;

    if (!(contamination >= 0 && contamination <= 0.5)) {
        return ks_fail(KS_ERR_USAGE, "contamination outside 0 to 0.5");
    }
    anomalies = (size_t)floor(contamination * (double)count);
    qsort(paths, count, sizeof *paths, by_path);
    forest->threshold = anomalies == 0 ? 0 : paths[anomalies - 1];
    return KS_OK;
}

uint32_t ks_forest_threshold(const struct ks_forest *forest)
{
    return forest->threshold;
}

bool ks_forest_is_anomaly(const struct ks_forest *forest, uint32_t path)
{
    return path <= forest->threshold && forest->threshold > 0;
}

/* --- reasons ------------------------------------------------------------------------------ */

/* Adds to ADDED, by feature, what the splits of one tree on the way of ROW add to its path. */
static void add_steps(const struct ks_forest *forest, const struct ks_group *group, size_t lane,
                      const float *row, int64_t *added)
{
    const uint32_t mask = (1u << forest->feature_bits) - 1;
    size_t node = 0;

    while (node < KS_TREE_SPLITS) {
        const uint32_t split = group->splits[node][lane];
        const size_t feature = split & mask;
        const size_t child = 2 * node + 1 + (row[feature] >= ks_split_value(split));
        const unsigned after = child < KS_TREE_SPLITS
                                   ? group->means[child][lane]
                                   : group->paths[child - KS_TREE_SPLITS][lane];

        added[feature] += (int64_t)after - group->means[node][lane];
        node = child;
    }
}

void ks_forest_explain(const struct ks_forest *forest, const double *row,
                       struct ks_forest_reason *out_reasons, double *out_baseline)
{
    static const double ln2 = 0.693147180559945309417;
    const double baseline = ks_exp2_negative((double)forest->baseline / forest->path_unit);
    float standard[KS_FOREST_FEATURES_MAX] = {0};
    int64_t added[KS_FOREST_FEATURES_MAX] = {0};
    int64_t sum = 0;
    double per_unit = 0;

    ks_forest_standard(forest, row, standard);
    for (size_t group = 0; group < forest->group_count; group++) {
        for (size_t lane = 0; lane < KS_LANES; lane++) {
            add_steps(forest, &forest->groups[group], lane, standard, added);
        }
    }
    for (size_t i = 0; i < forest->features; i++) {
        sum += added[i];
    }
    /* The score is no sum, its exponent is: the chord between baseline and score shares their
     * difference out, and its slope where the two meet is the derivative. */
    per_unit =
        sum == 0
            ? -ln2 * baseline / forest->path_unit
            : (ks_exp2_negative((double)((int64_t)forest->baseline + sum) / forest->path_unit) -
               baseline) /
                  (double)sum;
    for (size_t i = 0; i < forest->features; i++) {
        out_reasons[i] = (struct ks_forest_reason){.contribution = (double)added[i] * per_unit,
                                                   .robust_z = (double)standard[i]};
    }
    *out_baseline = baseline;
}
