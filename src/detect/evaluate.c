/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/evaluate.h"

#include <math.h>
#include <stdlib.h>

#include "base/philox.h"

/* Rows of one path: how many of either kind. */
struct step {
    uint32_t path;
    uint32_t anomalies;
    uint32_t normals;
};

static int by_path(const void *left, const void *right)
{
    const struct step *a = left;
    const struct step *b = right;

    return (a->path > b->path) - (a->path < b->path);
}

/* The rows as steps of rising paths, each path once. The caller frees OUT_STEPS. */
static enum ks_err make_steps(const struct ks_labelled *rows, struct step **out_steps,
                              size_t *out_count)
{
    struct step *steps = ks_calloc(rows->count, sizeof *steps);
    size_t count = 0;

    if (steps == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu rows", rows->count);
    }
    for (size_t i = 0; i < rows->count; i++) {
        steps[i] =
            (struct step){rows->paths[i], rows->labels[i] ? 1 : 0, rows->labels[i] ? 0 : 1};
    }
    qsort(steps, rows->count, sizeof *steps, by_path);
    for (size_t i = 0; i < rows->count; i++) {
        if (count > 0 && steps[count - 1].path == steps[i].path) {
            steps[count - 1].anomalies += steps[i].anomalies;
            steps[count - 1].normals += steps[i].normals;
        } else {
            steps[count++] = steps[i];
        }
    }
    *out_steps = steps;
    *out_count = count;
    return KS_OK;
}

static void walk(const struct step *steps, size_t count, uint32_t threshold,
                 struct ks_evaluation *out)
{
    double pairs = 0; /* that are in order, counted twice: exact up to 2^53 */
    double precisions = 0;
    uint64_t anomalies = 0;
    uint64_t normals = 0;

    *out = (struct ks_evaluation){0};
    for (size_t i = 0; i < count; i++) {
        const struct step *step = &steps[i];

        pairs += (double)step->normals * (double)(2 * anomalies + step->anomalies);
        anomalies += step->anomalies;
        normals += step->normals;
        if (step->anomalies > 0) {
            precisions += step->anomalies * ((double)anomalies / (double)(anomalies + normals));
        }
        if (step->path <= threshold) {
            out->true_positives += step->anomalies;
            out->false_positives += step->normals;
        }
    }
    out->anomalies = anomalies;
    out->normals = normals;
    out->false_negatives = anomalies - out->true_positives;
    out->true_negatives = normals - out->false_positives;
    out->roc_auc = pairs / (2 * (double)anomalies * (double)normals);
    out->pr_auc = precisions / (double)anomalies;
    out->recall = (double)out->true_positives / (double)anomalies;
    out->precision = (double)out->true_positives /
                     (double)(out->true_positives + out->false_positives); /* 0 / 0 is NaN */
    out->f1 = 2 * (double)out->true_positives /
              (double)(2 * out->true_positives + out->false_positives + out->false_negatives);
}

static enum ks_err check_kinds(const struct ks_labelled *rows)
{
    size_t anomalies = 0;

    for (size_t i = 0; i < rows->count; i++) {
        anomalies += rows->labels[i];
    }
    if (anomalies == 0 || anomalies == rows->count) {
        return ks_fail(KS_ERR_FORMAT,
                       "%zu rows, %zu of them labelled as anomalies: expected both kinds",
                       rows->count, anomalies);
    }
    return KS_OK;
}

enum ks_err ks_evaluate(const struct ks_labelled *rows, uint32_t threshold,
                        struct ks_evaluation *out_evaluation)
{
    enum ks_err err = KS_OK;
    struct step *steps = NULL;
    size_t count = 0;

    KS_TRY(check_kinds(rows));
    KS_TRY(make_steps(rows, &steps, &count));
    walk(steps, count, threshold, out_evaluation);
out:
    ks_free(steps);
    return err;
}

enum ks_err ks_evaluate_curve(const struct ks_labelled *rows,
                              struct ks_curve_point **out_points, size_t *out_count)
{
    enum ks_err err = KS_OK;
    struct ks_curve_point *points = NULL;
    struct ks_curve_point point = {0};
    struct step *steps = NULL;
    size_t count = 0;

    KS_TRY(check_kinds(rows));
    KS_TRY(make_steps(rows, &steps, &count));
    points = ks_calloc(count, sizeof *points);
    KS_CHECK(points != NULL, KS_ERR_NOMEM, "%zu points", count);
    for (size_t i = 0; i < count; i++) {
        point.path = steps[i].path;
        point.true_positives += steps[i].anomalies;
        point.false_positives += steps[i].normals;
        points[i] = point;
    }
    *out_points = points;
    *out_count = count;
out:
    ks_free(steps);
    return err;
}

/* --- bootstrap ---------------------------------------------------------------------------- */

#define MEASURES 4

struct bootstrap {
    const struct step *steps;
    size_t count;
    struct step *drawn;  /* the same paths, other numbers */
    uint32_t *anomalies; /* the step of each anomaly */
    uint32_t *normals;
    size_t anomaly_count;
    size_t normal_count;
    double *measures[MEASURES]; /* of each draw */
};

static void bootstrap_done(struct bootstrap *bootstrap)
{
    ks_free(bootstrap->drawn);
    ks_free(bootstrap->anomalies);
    ks_free(bootstrap->normals);
    for (size_t i = 0; i < MEASURES; i++) {
        ks_free(bootstrap->measures[i]);
    }
}

static enum ks_err bootstrap_init(struct bootstrap *bootstrap, unsigned draws)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < bootstrap->count; i++) {
        bootstrap->anomaly_count += bootstrap->steps[i].anomalies;
        bootstrap->normal_count += bootstrap->steps[i].normals;
    }
    bootstrap->drawn = ks_calloc(bootstrap->count, sizeof *bootstrap->drawn);
    bootstrap->anomalies = ks_calloc(bootstrap->anomaly_count, sizeof *bootstrap->anomalies);
    bootstrap->normals = ks_calloc(bootstrap->normal_count, sizeof *bootstrap->normals);
    KS_CHECK(bootstrap->drawn != NULL && bootstrap->anomalies != NULL &&
                 bootstrap->normals != NULL,
             KS_ERR_NOMEM, "bootstrap");
    for (size_t i = 0; i < MEASURES; i++) {
        bootstrap->measures[i] = ks_calloc(draws, sizeof *bootstrap->measures[i]);
        KS_CHECK(bootstrap->measures[i] != NULL, KS_ERR_NOMEM, "bootstrap");
    }
    bootstrap->anomaly_count = bootstrap->normal_count = 0;
    for (size_t i = 0; i < bootstrap->count; i++) {
        for (size_t k = 0; k < bootstrap->steps[i].anomalies; k++) {
            bootstrap->anomalies[bootstrap->anomaly_count++] = (uint32_t)i;
        }
        for (size_t k = 0; k < bootstrap->steps[i].normals; k++) {
            bootstrap->normals[bootstrap->normal_count++] = (uint32_t)i;
        }
    }
out:
    return err;
}

/* Number INDEX of draw DRAW below COUNT: of 64 bits, so that no count is favoured by more than
 * 2^-32. */
static size_t pick(uint64_t seed, uint32_t draw, uint64_t index, size_t count)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), draw, 3};
    uint32_t words[4];

    ks_philox(key, counter, words);
    return (size_t)(((uint64_t)words[0] << 32 | words[1]) % count);
}

static void draw_once(struct bootstrap *bootstrap, uint32_t threshold, uint64_t seed,
                      uint32_t draw)
{
    struct ks_evaluation evaluation;
    const size_t anomalies = bootstrap->anomaly_count;

    for (size_t i = 0; i < bootstrap->count; i++) {
        bootstrap->drawn[i] = (struct step){.path = bootstrap->steps[i].path};
    }
    for (size_t i = 0; i < anomalies; i++) {
        bootstrap->drawn[bootstrap->anomalies[pick(seed, draw, i, anomalies)]].anomalies++;
    }
    for (size_t i = 0; i < bootstrap->normal_count; i++) {
        const size_t at = pick(seed, draw, anomalies + i, bootstrap->normal_count);

        bootstrap->drawn[bootstrap->normals[at]].normals++;
    }
    walk(bootstrap->drawn, bootstrap->count, threshold, &evaluation);
    bootstrap->measures[0][draw] = evaluation.roc_auc;
    bootstrap->measures[1][draw] = evaluation.pr_auc;
    bootstrap->measures[2][draw] = evaluation.f1;
    bootstrap->measures[3][draw] = evaluation.recall;
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

static struct ks_interval interval_of(double *values, unsigned draws)
{
    qsort(values, draws, sizeof *values, by_value);
    return (struct ks_interval){values[(size_t)(0.025 * draws)],
                                values[(size_t)ceil(0.975 * draws) - 1]};
}

enum ks_err ks_evaluate_bounds(const struct ks_labelled *rows, uint32_t threshold,
                               uint64_t seed, unsigned draws,
                               struct ks_evaluation_bounds *out_bounds)
{
    enum ks_err err = KS_OK;
    struct bootstrap bootstrap = {0};
    struct step *steps = NULL;

    KS_CHECK(draws >= 40 && draws <= KS_BOOTSTRAP_DRAWS_MAX, KS_ERR_USAGE,
             "%u draws: expected 40 to %d", draws, KS_BOOTSTRAP_DRAWS_MAX);
    KS_TRY(check_kinds(rows));
    KS_TRY(make_steps(rows, &steps, &bootstrap.count));
    bootstrap.steps = steps;
    KS_TRY(bootstrap_init(&bootstrap, draws));
    for (unsigned draw = 0; draw < draws; draw++) {
        draw_once(&bootstrap, threshold, seed, draw);
    }
    *out_bounds = (struct ks_evaluation_bounds){
        interval_of(bootstrap.measures[0], draws),
        interval_of(bootstrap.measures[1], draws),
        interval_of(bootstrap.measures[2], draws),
        interval_of(bootstrap.measures[3], draws),
    };
out:
    bootstrap_done(&bootstrap);
    ks_free(steps);
    return err;
}
