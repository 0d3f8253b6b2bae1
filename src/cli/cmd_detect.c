/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* detect train, score, explain, evaluate: the isolation forest over CSV files. */

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/dataset.h"
#include "detect/evaluate.h"

#define OUT_MAX     ((size_t)1 << 30)
#define JSON_MAX    ((size_t)1 << 24)
#define THREADS_MAX 64
#define KINDS_MAX   64
#define REASONS_MAX KS_FOREST_FEATURES_MAX

/* What all four work with. */
struct detect {
    struct ks_cli *cli;
    struct ks_dataset data;
    struct ks_forest *forest;
    struct ks_pool *pool;
    uint32_t *paths; /* of each row */
    uint8_t hash[KS_FOREST_HASH_LEN];
};

static void detect_done(struct detect *detect)
{
    ks_dataset_done(&detect->data);
    ks_forest_free(detect->forest);
    ks_pool_free(detect->pool);
    ks_free(detect->paths);
}

/* --- models ------------------------------------------------------------------------------- */

static enum ks_err read_model(const char *path, struct ks_forest **out_forest)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_FOREST_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_FOREST_BYTES_MAX, &bytes));
    KS_TRY(ks_fail_prefix(ks_forest_read(ks_buf_view(&bytes), out_forest), "%s", path));
out:
    ks_buf_done(&bytes);
    return err;
}

static enum ks_err find_paths(struct detect *detect)
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
static enum ks_err grow(struct detect *detect)
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

/* The data under the model that --model names. */
static enum ks_err load(struct detect *detect)
{
    enum ks_err err = KS_OK;

    KS_TRY(read_model(ks_cli_text(detect->cli, "model"), &detect->forest));
    KS_TRY(ks_dataset_read(detect->cli, detect->forest, &detect->data));
    KS_CHECK(detect->data.rows.count > 0, KS_ERR_FORMAT, "%s: no rows",
             detect->cli->operands[0]);
    KS_TRY(find_paths(detect));
out:
    return err;
}

static size_t count_anomalies(const struct detect *detect)
{
    size_t count = 0;

    for (size_t i = 0; i < detect->data.rows.count; i++) {
        count += ks_forest_is_anomaly(detect->forest, detect->paths[i]);
    }
    return count;
}

/* --- train -------------------------------------------------------------------------------- */

static void put_threshold(const struct ks_forest *forest, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "threshold");
    if (ks_forest_threshold(forest) == 0) {
        ks_json_put_null(writer);
    } else {
        ks_json_put_double(writer, ks_forest_score(forest, ks_forest_threshold(forest)));
    }
}

static void print_threshold(const struct detect *detect, size_t anomalies)
{
    if (ks_forest_threshold(detect->forest) == 0) {
        ks_cli_print("no threshold: that share of %zu rows is less than one\n",
                     detect->data.rows.count);
    } else {
        ks_cli_print("threshold %.4f: %zu rows are anomalies\n",
                     ks_forest_score(detect->forest, ks_forest_threshold(detect->forest)),
                     anomalies);
    }
}

static enum ks_err print_trained(const struct detect *detect, size_t bytes)
{
    enum ks_err err = KS_OK;
    const struct ks_forest_params *params = ks_forest_params(detect->forest);
    const size_t anomalies = count_anomalies(detect);
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);
    char hash[2 * KS_FOREST_HASH_LEN + 1];

    ks_buf_init(&out, JSON_MAX);
    ks_hex_encode(KS_BYTES(detect->hash), hash);
    if (detect->cli->json) {
        ks_json_put_object(&writer);
        ks_json_member_u64(&writer, "anomalies", anomalies);
        ks_json_member_u64(&writer, "bytes", bytes);
        ks_json_member_u64(&writer, "features", ks_forest_features(detect->forest));
        ks_json_member_text(&writer, "model", hash);
        ks_json_member_u64(&writer, "rows", detect->data.rows.count);
        ks_json_member_u64(&writer, "sample", params->sample);
        ks_json_member_text(&writer, "schema", "ketseal.detect-train/1");
        ks_json_member_u64(&writer, "seed", params->seed);
        put_threshold(detect->forest, &writer);
        ks_json_member_u64(&writer, "trees", params->trees);
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        ks_cli_print("%u trees of %u rows out of %zu, %zu features, %zu bytes\nmodel %s\n",
                     params->trees, params->sample, detect->data.rows.count,
                     ks_forest_features(detect->forest), bytes, hash);
        print_threshold(detect, anomalies);
    }
out:
    ks_buf_done(&out);
    return err;
}

enum ks_err ks_command_detect_train(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct detect detect = {.cli = cli};
    struct ks_buf model;

    ks_buf_init(&model, KS_FOREST_BYTES_MAX);
    KS_TRY(ks_dataset_read(cli, NULL, &detect.data));
    KS_TRY(grow(&detect));
    KS_TRY(ks_forest_hash(detect.forest, detect.hash));
    ks_forest_write(detect.forest, &model);
    KS_TRY(ks_buf_check(&model));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), cli->operands[0], ks_buf_view(&model)));
    KS_TRY(print_trained(&detect, model.len));
out:
    detect_done(&detect);
    ks_buf_done(&model);
    return err;
}

/* --- score -------------------------------------------------------------------------------- */

/* The feature that adds most to the score of ROW. */
static size_t first_reason(const struct detect *detect, size_t row, double *out_z)
{
    struct ks_forest_reason reasons[REASONS_MAX];
    const size_t features = detect->data.rows.features;
    double baseline = 0;
    size_t first = 0;

    ks_forest_explain(detect->forest, &detect->data.values[row * features], reasons, &baseline);
    for (size_t i = 1; i < features; i++) {
        if (reasons[i].contribution > reasons[first].contribution) {
            first = i;
        }
    }
    *out_z = reasons[first].robust_z;
    return first;
}

static void put_number(struct ks_buf *out, double value)
{
    char text[KS_DOUBLE_TEXT_MAX];

    ks_buf_put(out, ks_bytes_of(text, ks_double_text(value, text)));
}

static void put_scored(const struct detect *detect, size_t row, struct ks_buf *out)
{
    const uint32_t path = detect->paths[row];
    const bool anomaly = ks_forest_is_anomaly(detect->forest, path);

    ks_buf_put_format(out, "%zu,", row + 1);
    put_number(out, ks_forest_score(detect->forest, path));
    ks_buf_put_format(out, ",%u,%d,", path, anomaly ? 1 : 0);
    if (anomaly) {
        double z = 0;
        const size_t feature = first_reason(detect, row, &z);

        ks_table_put_cell(out, true, detect->data.names[feature]);
        ks_buf_put_text(out, ",");
        put_number(out, z);
    } else {
        ks_buf_put_text(out, ",");
    }
    ks_buf_put_text(out, "\n");
}

enum ks_err ks_command_detect_score(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct detect detect = {.cli = cli};
    struct ks_buf out;

    ks_buf_init(&out, OUT_MAX);
    KS_CHECK(!cli->json, KS_ERR_USAGE, "--json: scores are CSV; leave it out");
    KS_TRY(load(&detect));
    ks_buf_put_text(&out, "row,score,path,anomaly,reason,robust_z\n");
    for (size_t row = 0; row < detect.data.rows.count; row++) {
        put_scored(&detect, row, &out);
    }
    KS_TRY(ks_buf_check(&out));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), cli->operands[0], ks_buf_view(&out)));
    ks_cli_progress(cli, "%zu rows, %zu anomalies", detect.data.rows.count,
                    count_anomalies(&detect));
out:
    detect_done(&detect);
    ks_buf_done(&out);
    return err;
}

/* --- explain ------------------------------------------------------------------------------ */

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

static void put_explained_json(const struct detect *detect, size_t row,
                               const struct ranked *ranked,
                               const struct ks_forest_reason *reasons, double baseline,
                               struct ks_json_writer *writer)
{
    const size_t features = detect->data.rows.features;

    ks_json_put_object(writer);
    ks_json_member_bool(writer, "anomaly",
                        ks_forest_is_anomaly(detect->forest, detect->paths[row]));
    ks_json_put_key(writer, "baseline");
    ks_json_put_double(writer, baseline);
    ks_json_put_key(writer, "reasons");
    ks_json_put_array(writer);
    for (size_t i = 0; i < features; i++) {
        const size_t feature = ranked[i].feature;
        const double value = detect->data.values[row * features + feature];

        ks_json_put_object(writer);
        ks_json_put_key(writer, "contribution");
        ks_json_put_double(writer, reasons[feature].contribution);
        ks_json_member_string(writer, "feature", detect->data.names[feature]);
        ks_json_put_key(writer, "robust_z");
        ks_json_put_double(writer, reasons[feature].robust_z);
        ks_json_put_key(writer, "value");
        if (isnan(value)) {
            ks_json_put_null(writer);
        } else {
            ks_json_put_double(writer, value);
        }
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
    ks_json_member_u64(writer, "row", row + 1);
    ks_json_put_key(writer, "score");
    ks_json_put_double(writer, ks_forest_score(detect->forest, detect->paths[row]));
    ks_json_put_end(writer);
}

static void put_explained_text(const struct detect *detect, size_t row, size_t lines,
                               const struct ranked *ranked,
                               const struct ks_forest_reason *reasons, double baseline,
                               struct ks_buf *out)
{
    const size_t features = detect->data.rows.features;

    ks_buf_put_format(out, "row %zu: score %.4f (baseline %.4f)%s\n", row + 1,
                      ks_forest_score(detect->forest, detect->paths[row]), baseline,
                      ks_forest_is_anomaly(detect->forest, detect->paths[row]) ? ", an anomaly"
                                                                               : "");
    for (size_t i = 0; i < lines && i < features; i++) {
        const size_t feature = ranked[i].feature;
        const double value = detect->data.values[row * features + feature];

        ks_buf_put_format(out, "  %+.4f  ", reasons[feature].contribution);
        ks_cli_put_shown(out, detect->data.names[feature]);
        if (isnan(value)) {
            ks_buf_put_text(out, " is missing\n");
        } else {
            ks_buf_put_format(out, " = %g, %+.1f spreads from the median\n", value,
                              reasons[feature].robust_z);
        }
    }
}

static void put_explained(const struct detect *detect, size_t row, size_t lines,
                          struct ks_buf *out, struct ks_json_writer *writer)
{
    const size_t features = detect->data.rows.features;
    struct ks_forest_reason reasons[REASONS_MAX];
    struct ranked ranked[REASONS_MAX];
    double baseline = 0;

    ks_forest_explain(detect->forest, &detect->data.values[row * features], reasons, &baseline);
    for (size_t i = 0; i < features; i++) {
        ranked[i] = (struct ranked){i, reasons[i].contribution};
    }
    qsort(ranked, features, sizeof ranked[0], by_weight);
    if (writer != NULL) {
        put_explained_json(detect, row, ranked, reasons, baseline, writer);
    } else {
        put_explained_text(detect, row, lines, ranked, reasons, baseline, out);
    }
}

static enum ks_err put_rows(const struct detect *detect, struct ks_buf *out,
                            struct ks_json_writer *writer)
{
    enum ks_err err = KS_OK;
    const char *const *wanted = NULL;
    const unsigned wanted_count = ks_cli_many(detect->cli, "row", &wanted);
    uint64_t lines = 0;

    KS_TRY(ks_cli_number(detect->cli, "reasons", REASONS_MAX, &lines));
    for (unsigned i = 0; i < wanted_count; i++) {
        uint64_t row = 0;

        KS_CHECK(ks_text_u64(ks_bytes_text(wanted[i]), detect->data.rows.count, &row) ==
                         KS_OK &&
                     row >= 1,
                 KS_ERR_USAGE, "--row: '%s' is no row of 1 to %zu", wanted[i],
                 detect->data.rows.count);
        put_explained(detect, row - 1, lines, out, writer);
    }
    for (size_t row = 0; wanted_count == 0 && row < detect->data.rows.count; row++) {
        if (ks_forest_is_anomaly(detect->forest, detect->paths[row])) {
            put_explained(detect, row, lines, out, writer);
        }
    }
out:
    return err;
}

enum ks_err ks_command_detect_explain(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct detect detect = {.cli = cli};
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, OUT_MAX);
    KS_TRY(load(&detect));
    if (cli->json) {
        KS_TRY(ks_forest_hash(detect.forest, detect.hash));
        ks_json_put_object(&writer);
        ks_json_member_hex(&writer, "model", KS_BYTES(detect.hash));
        ks_json_put_key(&writer, "rows");
        ks_json_put_array(&writer);
        KS_TRY(put_rows(&detect, &out, &writer));
        ks_json_put_end(&writer);
        ks_json_member_text(&writer, "schema", "ketseal.detect-explain/1");
        ks_json_put_end(&writer);
        KS_TRY(ks_cli_print_json(&out));
    } else {
        KS_TRY(put_rows(&detect, &out, NULL));
        KS_TRY(ks_buf_check(&out));
        ks_cli_print_bytes(ks_buf_view(&out));
    }
out:
    detect_done(&detect);
    ks_buf_done(&out);
    return err;
}

/* --- evaluate ----------------------------------------------------------------------------- */

/* How many of the anomalies of one kind are above the threshold, and how they rank against the
 * normal rows. */
struct kind {
    struct ks_bytes name;
    struct ks_evaluation evaluation;
};

struct evaluation {
    struct ks_evaluation all;
    struct ks_evaluation_bounds bounds;
    size_t kind_count;
    struct kind kinds[KINDS_MAX];
};

static int by_name(const void *left, const void *right)
{
    const struct kind *a = left;
    const struct kind *b = right;

    return ks_bytes_compare(a->name, b->name);
}

static enum ks_err find_kinds(const struct detect *detect, struct evaluation *evaluation)
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
            KS_CHECK(at < KINDS_MAX, KS_ERR_LIMIT, "%s: over %d kinds of anomalies",
                     detect->cli->operands[0], KINDS_MAX);
            evaluation->kinds[evaluation->kind_count++].name = name;
        }
    }
    qsort(evaluation->kinds, evaluation->kind_count, sizeof evaluation->kinds[0], by_name);
out:
    return err;
}

/* One kind against the normal rows; PATHS and LABELS have room for all rows. */
static enum ks_err evaluate_kind(const struct detect *detect, struct kind *kind,
                                 uint32_t *paths, bool *labels)
{
    struct ks_labelled rows = {paths, labels, 0};

    for (size_t row = 0; row < detect->data.rows.count; row++) {
        if (!detect->data.labels[row] ||
            ks_bytes_equal(ks_table_cell(detect->data.table, row, detect->data.kind),
                           kind->name)) {
            paths[rows.count] = detect->paths[row];
            labels[rows.count++] = detect->data.labels[row];
        }
    }
    return ks_evaluate(&rows, ks_forest_threshold(detect->forest), &kind->evaluation);
}

static enum ks_err evaluate(const struct detect *detect, struct evaluation *evaluation)
{
    enum ks_err err = KS_OK;
    const size_t count = detect->data.rows.count;
    const struct ks_labelled rows = {detect->paths, detect->data.labels, count};
    const uint32_t threshold = ks_forest_threshold(detect->forest);
    uint32_t *paths = ks_calloc(count, sizeof *paths);
    bool *labels = ks_calloc(count, sizeof *labels);
    uint64_t draws = 0;

    KS_CHECK(paths != NULL && labels != NULL, KS_ERR_NOMEM, "%zu rows", count);
    KS_TRY(ks_cli_number(detect->cli, "bootstrap", KS_BOOTSTRAP_DRAWS_MAX, &draws));
    KS_TRY(ks_fail_prefix(ks_evaluate(&rows, threshold, &evaluation->all), "%s",
                          detect->cli->operands[0]));
    KS_TRY(ks_fail_prefix(ks_evaluate_bounds(&rows, threshold,
                                             ks_forest_params(detect->forest)->seed,
                                             (unsigned)draws, &evaluation->bounds),
                          "--bootstrap"));
    if (detect->data.has_kind) {
        KS_TRY(find_kinds(detect, evaluation));
    }
    for (size_t i = 0; i < evaluation->kind_count; i++) {
        KS_TRY(evaluate_kind(detect, &evaluation->kinds[i], paths, labels));
    }
out:
    ks_free(paths);
    ks_free(labels);
    return err;
}

static void put_member_double(struct ks_json_writer *writer, const char *name, double value)
{
    ks_json_put_key(writer, name);
    if (isfinite(value)) {
        ks_json_put_double(writer, value);
    } else {
        ks_json_put_null(writer);
    }
}

static void put_interval(struct ks_json_writer *writer, const char *name,
                         const struct ks_interval *interval)
{
    ks_json_put_key(writer, name);
    ks_json_put_array(writer);
    ks_json_put_double(writer, interval->low);
    ks_json_put_double(writer, interval->high);
    ks_json_put_end(writer);
}

static void put_kinds(const struct evaluation *evaluation, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "kinds");
    ks_json_put_array(writer);
    for (size_t i = 0; i < evaluation->kind_count; i++) {
        const struct kind *kind = &evaluation->kinds[i];

        ks_json_put_object(writer);
        ks_json_member_u64(writer, "anomalies", kind->evaluation.anomalies);
        ks_json_member_string(writer, "kind", kind->name);
        put_member_double(writer, "recall", kind->evaluation.recall);
        put_member_double(writer, "roc_auc", kind->evaluation.roc_auc);
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
}

static enum ks_err print_evaluation_json(const struct detect *detect,
                                         const struct evaluation *evaluation)
{
    enum ks_err err = KS_OK;
    const struct ks_evaluation *all = &evaluation->all;
    const struct ks_forest_params *params = ks_forest_params(detect->forest);
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, JSON_MAX);
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "anomalies", all->anomalies);
    put_member_double(&writer, "f1", all->f1);
    put_interval(&writer, "f1_interval", &evaluation->bounds.f1);
    ks_json_member_u64(&writer, "false_negatives", all->false_negatives);
    ks_json_member_u64(&writer, "false_positives", all->false_positives);
    ks_json_member_u64(&writer, "features", ks_forest_features(detect->forest));
    put_kinds(evaluation, &writer);
    ks_json_member_hex(&writer, "model", KS_BYTES(detect->hash));
    put_member_double(&writer, "pr_auc", all->pr_auc);
    put_interval(&writer, "pr_auc_interval", &evaluation->bounds.pr_auc);
    put_member_double(&writer, "precision", all->precision);
    put_member_double(&writer, "recall", all->recall);
    put_member_double(&writer, "roc_auc", all->roc_auc);
    put_interval(&writer, "roc_auc_interval", &evaluation->bounds.roc_auc);
    ks_json_member_u64(&writer, "rows", detect->data.rows.count);
    ks_json_member_u64(&writer, "sample", params->sample);
    ks_json_member_text(&writer, "schema", "ketseal.detect-evaluate/1");
    ks_json_member_u64(&writer, "seed", params->seed);
    put_threshold(detect->forest, &writer);
    ks_json_member_u64(&writer, "trees", params->trees);
    ks_json_member_u64(&writer, "true_negatives", all->true_negatives);
    ks_json_member_u64(&writer, "true_positives", all->true_positives);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

static void print_evaluation(const struct detect *detect, const struct evaluation *evaluation)
{
    const struct ks_evaluation *all = &evaluation->all;
    const struct ks_evaluation_bounds *bounds = &evaluation->bounds;

    ks_cli_print("%zu rows, %zu anomalies\n"
                 "ROC-AUC %.4f  [%.4f, %.4f]\n"
                 "PR-AUC  %.4f  [%.4f, %.4f]\n"
                 "F1      %.4f  [%.4f, %.4f]\n"
                 "            called anomaly  called normal\n"
                 "anomaly  %17zu %14zu\n"
                 "normal   %17zu %14zu\n",
                 detect->data.rows.count, all->anomalies, all->roc_auc, bounds->roc_auc.low,
                 bounds->roc_auc.high, all->pr_auc, bounds->pr_auc.low, bounds->pr_auc.high,
                 all->f1, bounds->f1.low, bounds->f1.high, all->true_positives,
                 all->false_negatives, all->false_positives, all->true_negatives);
    for (size_t i = 0; i < evaluation->kind_count; i++) {
        const struct kind *kind = &evaluation->kinds[i];
        char shown[48];

        ks_text_shown(kind->name, shown, sizeof shown);
        ks_cli_print("%-24s %6zu, found %5.1f %%, ROC-AUC %.4f\n", shown,
                     kind->evaluation.anomalies, 100 * kind->evaluation.recall,
                     kind->evaluation.roc_auc);
    }
}

enum ks_err ks_command_detect_evaluate(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct detect detect = {.cli = cli};
    struct evaluation *evaluation = ks_calloc(1, sizeof *evaluation);

    KS_CHECK(evaluation != NULL, KS_ERR_NOMEM, "evaluation");
    if (ks_cli_text(cli, "model") != NULL) {
        KS_TRY(load(&detect));
    } else {
        KS_TRY(ks_dataset_read(cli, NULL, &detect.data));
        KS_TRY(grow(&detect));
    }
    KS_TRY(evaluate(&detect, evaluation));
    if (cli->json) {
        KS_TRY(ks_forest_hash(detect.forest, detect.hash));
        KS_TRY(print_evaluation_json(&detect, evaluation));
    } else {
        print_evaluation(&detect, evaluation);
    }
out:
    detect_done(&detect);
    ks_free(evaluation);
    return err;
}
