/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/dataset.h"

#include <math.h>

#include "base/sys.h"
#include "detect/trace.h"

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

/* Of a table of traces, whose each row is, and what data sets say of it, are no features. */
static void ignore_identity(const struct ks_table *table, enum role *roles)
{
    for (size_t i = 0; ks_trace_is_table(table) && i < ks_table_columns(table); i++) {
        const struct ks_bytes name = ks_table_name(table, i);

        if (roles[i] == ROLE_FEATURE && ks_trace_is_identity(name)) {
            roles[i] = ROLE_IGNORED;
        }
    }
}

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
    ignore_identity(dataset.table, roles);
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
