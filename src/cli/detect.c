/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/detect.h"

#include <stdlib.h>

#include "base/text.h"
#include "cli/model.h"

#define THREADS_MAX 64

/* --- models ------------------------------------------------------------------------------- */

static enum ks_err find_paths(struct ks_detect *detect)
{
    enum ks_err err = KS_OK;
    uint64_t threads = 1;

    KS_TRY(ks_cli_number(detect->cli, "threads", THREADS_MAX, &threads));
    KS_CHECK(threads >= 1, KS_ERR_USAGE, "--threads: at least 1");
    KS_TRY(ks_pool_new((unsigned)threads, &detect->pool));
    detect->paths = ks_calloc(detect->data.rows.count, sizeof *detect->paths);
    KS_CHECK(detect->paths != NULL, KS_ERR_NOMEM, "%zu rows", detect->data.rows.count);
    ks_forest_paths(detect->forest, &detect->data.rows, detect->pool, detect->paths);
out:
    return err;
}

/* The flags of a forest that is to be grown. */
static enum ks_err read_params(const struct ks_cli *cli, struct ks_forest_params *params,
                               double *out_contamination)
{
    enum ks_err err = KS_OK;
    uint64_t trees = 0;
    uint64_t sample = 0;

    KS_TRY(ks_cli_number(cli, "trees", KS_FOREST_TREES_MAX, &trees));
    KS_TRY(ks_cli_number(cli, "sample", KS_FOREST_SAMPLE_MAX, &sample));
    KS_TRY(ks_cli_number(cli, "seed", KS_JSON_INTEGER_MAX, &params->seed));
    KS_TRY(
        ks_fail_prefix(ks_cli_read_real(ks_cli_text(cli, "contamination"), out_contamination),
                       "--contamination"));
    params->trees = (unsigned)trees;
    params->sample = (unsigned)sample;
out:
    return err;
}

/* Grows a forest from the data and sets its threshold by them. Leaves their paths. */
static enum ks_err grow(struct ks_detect *detect)
{
    enum ks_err err = KS_OK;
    struct ks_forest_params params = {0};
    double contamination = 0;
    uint32_t *ordered = NULL;
    const size_t count = detect->data.rows.count;

    KS_TRY(read_params(detect->cli, &params, &contamination));
    KS_TRY(ks_fail_prefix(
        ks_forest_fit(&detect->data.rows, detect->data.names, &params, &detect->forest), "%s",
        detect->cli->operands[0]));
    KS_TRY(find_paths(detect));
    ordered = ks_calloc(count, sizeof *ordered);
    KS_CHECK(ordered != NULL, KS_ERR_NOMEM, "%zu rows", count);
    ks_copy(ordered, detect->paths, count * sizeof *ordered);
    KS_TRY(ks_fail_prefix(
        ks_forest_set_contamination(detect->forest, ordered, count, contamination),
        "--contamination"));
out:
    ks_free(ordered);
    return err;
}

enum ks_err ks_detect_open(struct ks_detect *detect)
{
    enum ks_err err = KS_OK;

    if (detect->model != NULL) {
        KS_TRY(ks_cli_model_read(detect->model, &detect->forest));
    }
    KS_TRY(ks_dataset_read(detect->cli, detect->forest, &detect->data));
    if (detect->model != NULL) {
        KS_CHECK(detect->data.rows.count > 0, KS_ERR_FORMAT, "%s: no rows",
                 detect->cli->operands[0]);
        KS_TRY(find_paths(detect));
    } else {
        KS_TRY(grow(detect));
    }
    KS_TRY(ks_forest_hash(detect->forest, detect->hash));
out:
    return err;
}

void ks_detect_done(struct ks_detect *detect)
{
    ks_dataset_done(&detect->data);
    ks_forest_free(detect->forest);
    ks_pool_free(detect->pool);
    ks_free(detect->paths);
}

double ks_detect_score(const struct ks_detect *detect, size_t row)
{
    return ks_forest_score(detect->forest, detect->paths[row]);
}

bool ks_detect_is_anomaly(const struct ks_detect *detect, size_t row)
{
    return ks_forest_is_anomaly(detect->forest, detect->paths[row]);
}

size_t ks_detect_anomalies(const struct ks_detect *detect)
{
    size_t count = 0;

    for (size_t i = 0; i < detect->data.rows.count; i++) {
        count += ks_detect_is_anomaly(detect, i);
    }
    return count;
}

struct placed {
    uint32_t path;
    size_t row;
};

static int by_path(const void *left, const void *right)
{
    const struct placed *a = left;
    const struct placed *b = right;

    return a->path != b->path ? (a->path > b->path) - (a->path < b->path)
                              : (a->row > b->row) - (a->row < b->row);
}

enum ks_err ks_detect_rank(const struct ks_detect *detect, size_t *out_order)
{
    const size_t count = detect->data.rows.count;
    struct placed *placed = ks_calloc(count, sizeof *placed);

    if (placed == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu rows", count);
    }
    for (size_t i = 0; i < count; i++) {
        placed[i] = (struct placed){detect->paths[i], i};
    }
    qsort(placed, count, sizeof *placed, by_path);
    for (size_t i = 0; i < count; i++) {
        out_order[i] = placed[i].row;
    }
    ks_free(placed);
    return KS_OK;
}

/* --- reasons ------------------------------------------------------------------------------ */

struct ranked {
    size_t feature;
    double weight;
};

static int by_weight(const void *left, const void *right)
{
    const struct ranked *a = left;
    const struct ranked *b = right;

    if (a->weight != b->weight) {
        return a->weight < b->weight ? 1 : -1;
    }
    return (a->feature > b->feature) - (a->feature < b->feature);
}

void ks_detect_explain(const struct ks_detect *detect, size_t row,
                       struct ks_detect_reasons *out_reasons)
{
    const size_t features = detect->data.rows.features;
    struct ranked ranked[KS_FOREST_FEATURES_MAX];

    ks_forest_explain(detect->forest, &detect->data.values[row * features],
                      out_reasons->reasons, &out_reasons->baseline);
    for (size_t i = 0; i < features; i++) {
        ranked[i] = (struct ranked){i, out_reasons->reasons[i].contribution};
    }
    qsort(ranked, features, sizeof ranked[0], by_weight);
    for (size_t i = 0; i < features; i++) {
        out_reasons->order[i] = ranked[i].feature;
    }
}

/* --- evaluation --------------------------------------------------------------------------- */

static int by_name(const void *left, const void *right)
{
    const struct ks_detect_kind *a = left;
    const struct ks_detect_kind *b = right;

    return ks_bytes_compare(a->name, b->name);
}

static enum ks_err find_kinds(const struct ks_detect *detect,
                              struct ks_detect_evaluation *evaluation)
{
    enum ks_err err = KS_OK;

    for (size_t row = 0; row < detect->data.rows.count; row++) {
        struct ks_bytes name = {0};
        size_t at = 0;

        if (!detect->data.labels[row]) {
            continue;
        }
        name = ks_table_cell(detect->data.table, row, detect->data.kind);
        while (at < evaluation->kind_count &&
               !ks_bytes_equal(evaluation->kinds[at].name, name)) {
            at++;
        }
        if (at == evaluation->kind_count) {
            KS_CHECK(at < KS_DETECT_KINDS_MAX, KS_ERR_LIMIT, "%s: over %d kinds of anomalies",
                     detect->cli->operands[0], KS_DETECT_KINDS_MAX);
            evaluation->kinds[evaluation->kind_count++].name = name;
        }
    }
    qsort(evaluation->kinds, evaluation->kind_count, sizeof evaluation->kinds[0], by_name);
out:
    return err;
}

struct judged {
    const struct ks_detect *detect;
    unsigned draws;
};

static enum ks_err judge(const struct judged *judged, const struct ks_labelled *rows,
                         struct ks_evaluation *out_evaluation,
                         struct ks_evaluation_bounds *out_bounds)
{
    enum ks_err err = KS_OK;
    const struct ks_forest *forest = judged->detect->forest;
    const uint32_t threshold = ks_forest_threshold(forest);

    KS_TRY(ks_fail_prefix(ks_evaluate(rows, threshold, out_evaluation), "%s",
                          judged->detect->cli->operands[0]));
    KS_TRY(ks_fail_prefix(ks_evaluate_bounds(rows, threshold, ks_forest_params(forest)->seed,
                                             judged->draws, out_bounds),
                          "--bootstrap"));
out:
    return err;
}

/* One kind against the normal rows; PATHS and LABELS have room for all rows. */
static enum ks_err judge_kind(const struct judged *judged, struct ks_detect_kind *kind,
                              uint32_t *paths, bool *labels)
{
    const struct ks_detect *detect = judged->detect;
    struct ks_labelled rows = {paths, labels, 0};

    for (size_t row = 0; row < detect->data.rows.count; row++) {
        if (!detect->data.labels[row] ||
            ks_bytes_equal(ks_table_cell(detect->data.table, row, detect->data.kind),
                           kind->name)) {
            paths[rows.count] = detect->paths[row];
            labels[rows.count++] = detect->data.labels[row];
        }
    }
    return judge(judged, &rows, &kind->evaluation, &kind->bounds);
}

enum ks_err ks_detect_evaluate(const struct ks_detect *detect,
                               struct ks_detect_evaluation *evaluation)
{
    enum ks_err err = KS_OK;
    const size_t count = detect->data.rows.count;
    const struct ks_labelled rows = {detect->paths, detect->data.labels, count};
    uint32_t *paths = ks_calloc(count, sizeof *paths);
    bool *labels = ks_calloc(count, sizeof *labels);
    struct judged judged = {.detect = detect};
    uint64_t draws = 0;

    KS_CHECK(paths != NULL && labels != NULL, KS_ERR_NOMEM, "%zu rows", count);
    KS_TRY(ks_cli_number(detect->cli, "bootstrap", KS_BOOTSTRAP_DRAWS_MAX, &draws));
    judged.draws = (unsigned)draws;
    *evaluation = (struct ks_detect_evaluation){0};
    KS_TRY(judge(&judged, &rows, &evaluation->all, &evaluation->bounds));
    if (detect->data.has_kind) {
        KS_TRY(find_kinds(detect, evaluation));
    }
    for (size_t i = 0; i < evaluation->kind_count; i++) {
        KS_TRY(judge_kind(&judged, &evaluation->kinds[i], paths, labels));
    }
out:
    ks_free(paths);
    ks_free(labels);
    return err;
}
