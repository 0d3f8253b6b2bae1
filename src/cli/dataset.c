/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/dataset.h"

#include <math.h>

#include "base/sys.h"
#include "detect/detection.h"

/* The columns that are not features, marked by what they are. */
enum role { ROLE_FEATURE, ROLE_LABEL, ROLE_KIND, ROLE_IGNORED };

static enum ks_err mark(const struct ks_table *table, const char *name, enum role role,
                        enum role *roles, size_t *out_column)
{
    enum ks_err err = KS_OK;
    size_t column = 0;

    KS_TRY(ks_table_find(table, ks_bytes_text(name), &column));
    KS_CHECK(roles[column] == ROLE_FEATURE, KS_ERR_USAGE, "column '%s' has two roles", name);
    roles[column] = role;
    *out_column = column;
out:
    return err;
}

/* What the flags say of columns; a command without such a flag has none of that kind. */
static enum ks_err mark_all(const struct ks_cli *cli, const struct ks_table *table,
                            enum role *roles, struct ks_dataset *dataset, size_t *out_label,
                            bool *out_labelled)
{
    enum ks_err err = KS_OK;
    const char *label = ks_cli_text(cli, "label");
    const char *kind = ks_cli_text(cli, "kind");
    const char *const *ignored = NULL;
    const unsigned count = ks_cli_many(cli, "ignore", &ignored);
    size_t column = 0;

    if (label != NULL) {
        KS_TRY(mark(table, label, ROLE_LABEL, roles, out_label));
        *out_labelled = true;
    }
    if (kind != NULL) {
        KS_TRY(mark(table, kind, ROLE_KIND, roles, &dataset->kind));
        dataset->has_kind = true;
    }
    for (unsigned i = 0; i < count; i++) {
        KS_TRY(mark(table, ignored[i], ROLE_IGNORED, roles, &column));
    }
out:
    return err;
}

/* --- tables of traces --------------------------------------------------------------------- */

/* What row ROW of a table of traces is of; COLUMN SIZE_MAX: no row says it. */
static enum ks_err workload_at(const struct ks_table *table, size_t row, size_t column,
                               enum ks_trace_workload *out_workload)
{
    enum ks_err err = KS_OK;
    struct ks_trace trace;

    ks_trace_init(&trace);
    if (column != SIZE_MAX) {
        KS_TRY(ks_table_number(table, row, column, &trace.values[KS_TRACE_WORKLOAD]));
    }
    *out_workload = ks_trace_workload_of(&trace);
out:
    return err;
}

/* What all rows of TABLE are of; without rows WORKLOAD stays. */
static enum ks_err find_workload(const struct ks_table *table, enum ks_trace_workload *workload)
{
    enum ks_err err = KS_OK;
    enum ks_trace_workload first = *workload;
    struct ks_trace_layout layout;

    KS_TRY(ks_trace_layout(table, &layout));
    for (size_t row = 0; row < ks_table_rows(table); row++) {
        enum ks_trace_workload here = KS_TRACE_CIRCUIT;

        KS_TRY(workload_at(table, row, layout.columns[KS_TRACE_WORKLOAD], &here));
        first = row == 0 ? here : first;
        KS_CHECK(here == first, KS_ERR_CONFLICT,
                 "some rows are of circuits, some of contributions, which no detector judges "
                 "together; 'trace export --workload' has those of one");
    }
    *workload = first;
out:
    return err;
}

/* Of a table of traces, whose each row is, what data sets say of it, and what rows of its
 * workload do not have, are no features. */
static void ignore_others(const struct ks_table *table, enum ks_trace_workload workload,
                          enum role *roles)
{
    for (size_t i = 0; i < ks_table_columns(table); i++) {
        const struct ks_bytes name = ks_table_name(table, i);
        enum ks_trace_field field = KS_TRACE_COLUMNS;

        if (roles[i] == ROLE_FEATURE &&
            (ks_trace_is_identity(name) ||
             (ks_trace_find(name, &field) == KS_OK && !ks_trace_is_feature(field, workload)))) {
            roles[i] = ROLE_IGNORED;
        }
    }
}

enum ks_err ks_dataset_is_other(const struct ks_table *table, const struct ks_forest *model,
                                bool *out_other)
{
    enum ks_err err = KS_OK;
    enum ks_trace_workload judged = KS_TRACE_CIRCUIT;
    enum ks_trace_workload workload = KS_TRACE_CIRCUIT;

    *out_other = false;
    if (model == NULL || !ks_trace_is_table(table)) {
        return KS_OK;
    }
    KS_TRY(ks_detector_workload(model, &judged));
    workload = judged;
    KS_TRY(find_workload(table, &workload));
    *out_other = workload != judged;
out:
    return err;
}

/* Leaves what are features of a table of traces, for a model that judges such rows. */
static enum ks_err settle_traces(const struct ks_table *table, const struct ks_forest *model,
                                 enum role *roles)
{
    enum ks_err err = KS_OK;
    enum ks_trace_workload workload = KS_TRACE_CIRCUIT;
    bool other = false;

    if (!ks_trace_is_table(table)) {
        return KS_OK;
    }
    KS_TRY(ks_dataset_is_other(table, model, &other));
    KS_CHECK(!other, KS_ERR_CONFLICT, "the model judges no rows of this workload");
    KS_TRY(find_workload(table, &workload));
    ignore_others(table, workload, roles);
out:
    return err;
}

/* --- features ----------------------------------------------------------------------------- */

static enum ks_err add_feature(struct ks_dataset *dataset, size_t column)
{
    enum ks_err err = KS_OK;

    KS_CHECK(dataset->rows.features < KS_FOREST_FEATURES_MAX, KS_ERR_LIMIT,
             "over %d features; --ignore=COLUMN leaves one out", KS_FOREST_FEATURES_MAX);
    dataset->names[dataset->rows.features] = ks_table_name(dataset->table, column);
    dataset->columns[dataset->rows.features++] = column;
out:
    return err;
}

static enum ks_err choose_all(struct ks_dataset *dataset, const enum role *roles)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < ks_table_columns(dataset->table); i++) {
        if (roles[i] == ROLE_FEATURE) {
            KS_TRY(add_feature(dataset, i));
        }
    }
    KS_CHECK(dataset->rows.features > 0, KS_ERR_FORMAT, "no column is left as a feature");
out:
    return err;
}

static enum ks_err choose_model(struct ks_dataset *dataset, const struct ks_forest *model,
                                enum role *roles)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < ks_forest_features(model); i++) {
        const char *name = ks_forest_feature(model, i);
        size_t column = 0;

        err = ks_table_find(dataset->table, ks_bytes_text(name), &column);
        KS_CHECK(err == KS_OK && roles[column] == ROLE_FEATURE, KS_ERR_FORMAT,
                 "the model was trained on a column '%s', which is not among the features here",
                 name);
        KS_TRY(add_feature(dataset, column));
        roles[column] = ROLE_IGNORED; /* taken */
    }
    for (size_t i = 0; i < ks_table_columns(dataset->table); i++) {
        const struct ks_bytes name = ks_table_name(dataset->table, i);

        KS_CHECK(roles[i] != ROLE_FEATURE, KS_ERR_FORMAT,
                 "the model knows no column '%.*s'; --ignore leaves it out",
                 (int)(name.len < 64 ? name.len : 64), (const char *)name.data);
    }
out:
    return err;
}

static enum ks_err take_values(struct ks_dataset *dataset)
{
    enum ks_err err = KS_OK;
    const size_t features = dataset->rows.features;

    dataset->rows.count = ks_table_rows(dataset->table);
    dataset->rows.stride = features;
    dataset->values = ks_calloc_huge(dataset->rows.count * features, sizeof *dataset->values);
    KS_CHECK(dataset->values != NULL, KS_ERR_NOMEM, "%zu rows", dataset->rows.count);
    dataset->rows.values = dataset->values;
    for (size_t row = 0; row < dataset->rows.count; row++) {
        for (size_t i = 0; i < features; i++) {
            KS_TRY(ks_table_number(dataset->table, row, dataset->columns[i],
                                   &dataset->values[row * features + i]));
        }
    }
out:
    return err;
}

static enum ks_err take_labels(struct ks_dataset *dataset, size_t column)
{
    enum ks_err err = KS_OK;

    dataset->labels = ks_calloc(ks_table_rows(dataset->table), sizeof *dataset->labels);
    KS_CHECK(dataset->labels != NULL, KS_ERR_NOMEM, "labels");
    for (size_t row = 0; row < ks_table_rows(dataset->table); row++) {
        const struct ks_bytes cell = ks_table_cell(dataset->table, row, column);

        dataset->labels[row] = ks_bytes_is(cell, "1");
        if (!dataset->labels[row] && !ks_bytes_is(cell, "0")) {
            KS_TRY(ks_table_fail_at(dataset->table, row, column,
                                    ks_fail(KS_ERR_FORMAT, "a label is 0 or 1")));
        }
    }
out:
    return err;
}

static enum ks_err read_table(const char *path, struct ks_table **out_table)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;

    ks_buf_init(&text, KS_TABLE_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_TABLE_BYTES_MAX, &text));
    KS_TRY(ks_table_read(ks_buf_view(&text), path, out_table));
out:
    ks_buf_done(&text);
    return err;
}

enum ks_err ks_dataset_of(const struct ks_cli *cli, struct ks_table *table,
                          const struct ks_forest *model, struct ks_dataset *out_dataset)
{
    enum ks_err err = KS_OK;
    struct ks_dataset dataset = {.table = table};
    enum role roles[KS_TABLE_COLUMNS_MAX] = {ROLE_FEATURE};
    size_t label = 0;
    bool labelled = false;

    KS_TRY(mark_all(cli, dataset.table, roles, &dataset, &label, &labelled));
    KS_TRY(ks_fail_prefix(settle_traces(table, model, roles), "%s", cli->operands[0]));
    KS_TRY(ks_fail_prefix(model == NULL ? choose_all(&dataset, roles)
                                        : choose_model(&dataset, model, roles),
                          "%s", cli->operands[0]));
    KS_TRY(take_values(&dataset));
    if (labelled) {
        KS_TRY(take_labels(&dataset, label));
    }
    *out_dataset = dataset;
    dataset = (struct ks_dataset){0}; /* transferred */
out:
    ks_dataset_done(&dataset);
    return err;
}

enum ks_err ks_dataset_read(const struct ks_cli *cli, const struct ks_forest *model,
                            struct ks_dataset *out_dataset)
{
    enum ks_err err = KS_OK;
    struct ks_table *table = NULL;

    KS_TRY(read_table(cli->operands[0], &table));
    KS_TRY(ks_dataset_of(cli, table, model, out_dataset));
out:
    return err;
}

void ks_dataset_done(struct ks_dataset *dataset)
{
    ks_table_free(dataset->table);
    ks_free(dataset->values);
    ks_free(dataset->labels);
    *dataset = (struct ks_dataset){0};
}
