/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* detect train, score, explain, evaluate: the isolation forest over CSV files. */

#include <math.h>

#include "base/text.h"
#include "cli/detect.h"

#define OUT_MAX  ((size_t)1 << 30)
#define JSON_MAX ((size_t)1 << 24)

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

static void print_threshold(const struct ks_detect *detect, size_t anomalies)
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

static enum ks_err print_trained(const struct ks_detect *detect, size_t bytes)
{
    enum ks_err err = KS_OK;
    const struct ks_forest_params *params = ks_forest_params(detect->forest);
    const size_t anomalies = ks_detect_anomalies(detect);
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
    struct ks_detect detect = {.cli = cli};
    struct ks_buf model;

    ks_buf_init(&model, KS_FOREST_BYTES_MAX);
    KS_TRY(ks_detect_open(&detect));
    ks_forest_write(detect.forest, &model);
    KS_TRY(ks_buf_check(&model));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), cli->operands[0], ks_buf_view(&model)));
    KS_TRY(print_trained(&detect, model.len));
out:
    ks_detect_done(&detect);
    ks_buf_done(&model);
    return err;
}

/* --- score -------------------------------------------------------------------------------- */

static void put_number(struct ks_buf *out, double value)
{
    char text[KS_DOUBLE_TEXT_MAX];

    ks_buf_put(out, ks_bytes_of(text, ks_double_text(value, text)));
}

static void put_scored(const struct ks_detect *detect, size_t row, struct ks_buf *out)
{
    const bool anomaly = ks_detect_is_anomaly(detect, row);

    ks_buf_put_format(out, "%zu,", row + 1);
    put_number(out, ks_detect_score(detect, row));
    ks_buf_put_format(out, ",%u,%d,", detect->paths[row], anomaly ? 1 : 0);
    if (anomaly) {
        struct ks_detect_reasons reasons;

        ks_detect_explain(detect, row, &reasons);
        ks_table_put_cell(out, true, detect->data.names[reasons.order[0]]);
        ks_buf_put_text(out, ",");
        put_number(out, reasons.reasons[reasons.order[0]].robust_z);
    } else {
        ks_buf_put_text(out, ",");
    }
    ks_buf_put_text(out, "\n");
}

enum ks_err ks_command_detect_score(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_detect detect = {.cli = cli, .model = ks_cli_text(cli, "model")};
    struct ks_buf out;

    ks_buf_init(&out, OUT_MAX);
    KS_CHECK(!cli->json, KS_ERR_USAGE, "--json: scores are CSV; leave it out");
    KS_TRY(ks_detect_open(&detect));
    ks_buf_put_text(&out, "row,score,path,anomaly,reason,robust_z\n");
    for (size_t row = 0; row < detect.data.rows.count; row++) {
        put_scored(&detect, row, &out);
    }
    KS_TRY(ks_buf_check(&out));
    KS_TRY(ks_cli_output(ks_cli_text(cli, "out"), cli->operands[0], ks_buf_view(&out)));
    ks_cli_progress(cli, "%zu rows, %zu anomalies", detect.data.rows.count,
                    ks_detect_anomalies(&detect));
out:
    ks_detect_done(&detect);
    ks_buf_done(&out);
    return err;
}

/* --- explain ------------------------------------------------------------------------------ */

static void put_explained_json(const struct ks_detect *detect, size_t row,
                               const struct ks_detect_reasons *reasons,
                               struct ks_json_writer *writer)
{
    const size_t features = detect->data.rows.features;

    ks_json_put_object(writer);
    ks_json_member_bool(writer, "anomaly", ks_detect_is_anomaly(detect, row));
    ks_json_put_key(writer, "baseline");
    ks_json_put_double(writer, reasons->baseline);
    ks_json_put_key(writer, "reasons");
    ks_json_put_array(writer);
    for (size_t i = 0; i < features; i++) {
        const size_t feature = reasons->order[i];
        const double value = detect->data.values[row * features + feature];

        ks_json_put_object(writer);
        ks_json_put_key(writer, "contribution");
        ks_json_put_double(writer, reasons->reasons[feature].contribution);
        ks_json_member_string(writer, "feature", detect->data.names[feature]);
        ks_json_put_key(writer, "robust_z");
        ks_json_put_double(writer, reasons->reasons[feature].robust_z);
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
    ks_json_put_double(writer, ks_detect_score(detect, row));
    ks_json_put_end(writer);
}

static void put_explained_text(const struct ks_detect *detect, size_t row, size_t lines,
                               const struct ks_detect_reasons *reasons, struct ks_buf *out)
{
    const size_t features = detect->data.rows.features;

    ks_buf_put_format(out, "row %zu: score %.4f (baseline %.4f)%s\n", row + 1,
                      ks_detect_score(detect, row), reasons->baseline,
                      ks_detect_is_anomaly(detect, row) ? ", an anomaly" : "");
    for (size_t i = 0; i < lines && i < features; i++) {
        const size_t feature = reasons->order[i];
        const double value = detect->data.values[row * features + feature];

        ks_buf_put_format(out, "  %+.4f  ", reasons->reasons[feature].contribution);
        ks_cli_put_shown(out, detect->data.names[feature]);
        if (isnan(value)) {
            ks_buf_put_text(out, " is missing\n");
        } else {
            ks_buf_put_format(out, " = %g, %+.1f spreads from the median\n", value,
                              reasons->reasons[feature].robust_z);
        }
    }
}

static void put_explained(const struct ks_detect *detect, size_t row, size_t lines,
                          struct ks_buf *out, struct ks_json_writer *writer)
{
    struct ks_detect_reasons reasons;

    ks_detect_explain(detect, row, &reasons);
    if (writer != NULL) {
        put_explained_json(detect, row, &reasons, writer);
    } else {
        put_explained_text(detect, row, lines, &reasons, out);
    }
}

static enum ks_err put_rows(const struct ks_detect *detect, struct ks_buf *out,
                            struct ks_json_writer *writer)
{
    enum ks_err err = KS_OK;
    const char *const *wanted = NULL;
    const unsigned wanted_count = ks_cli_many(detect->cli, "row", &wanted);
    uint64_t lines = 0;

    KS_TRY(ks_cli_number(detect->cli, "reasons", KS_FOREST_FEATURES_MAX, &lines));
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
        if (ks_detect_is_anomaly(detect, row)) {
            put_explained(detect, row, lines, out, writer);
        }
    }
out:
    return err;
}

enum ks_err ks_command_detect_explain(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_detect detect = {.cli = cli, .model = ks_cli_text(cli, "model")};
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, OUT_MAX);
    KS_TRY(ks_detect_open(&detect));
    if (cli->json) {
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
    ks_detect_done(&detect);
    ks_buf_done(&out);
    return err;
}

/* --- evaluate ----------------------------------------------------------------------------- */

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

static void put_kinds(const struct ks_detect_evaluation *evaluation,
                      struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "kinds");
    ks_json_put_array(writer);
    for (size_t i = 0; i < evaluation->kind_count; i++) {
        const struct ks_detect_kind *kind = &evaluation->kinds[i];

        ks_json_put_object(writer);
        ks_json_member_u64(writer, "anomalies", kind->evaluation.anomalies);
        ks_json_member_string(writer, "kind", kind->name);
        put_member_double(writer, "recall", kind->evaluation.recall);
        put_interval(writer, "recall_interval", &kind->bounds.recall);
        put_member_double(writer, "roc_auc", kind->evaluation.roc_auc);
        put_interval(writer, "roc_auc_interval", &kind->bounds.roc_auc);
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
}

static enum ks_err print_evaluation_json(const struct ks_detect *detect,
                                         const struct ks_detect_evaluation *evaluation)
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
    put_interval(&writer, "recall_interval", &evaluation->bounds.recall);
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

static void print_evaluation(const struct ks_detect *detect,
                             const struct ks_detect_evaluation *evaluation)
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
        const struct ks_detect_kind *kind = &evaluation->kinds[i];
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
    struct ks_detect detect = {.cli = cli, .model = ks_cli_text(cli, "model")};
    struct ks_detect_evaluation *evaluation = ks_calloc(1, sizeof *evaluation);

    KS_CHECK(evaluation != NULL, KS_ERR_NOMEM, "evaluation");
    KS_TRY(ks_detect_open(&detect));
    KS_TRY(ks_detect_evaluate(&detect, evaluation));
    if (cli->json) {
        KS_TRY(print_evaluation_json(&detect, evaluation));
    } else {
        print_evaluation(&detect, evaluation);
    }
out:
    ks_detect_done(&detect);
    ks_free(evaluation);
    return err;
}
