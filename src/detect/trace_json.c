/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/trace.h"

#include <math.h>
#include <string.h>

#define PAGE_SCHEMA "ketseal.trace-list/1"
/* A value, or a null, of each column of each row, and what stands around them. */
#define PAGE_NODES_MAX ((size_t)(KS_TRACE_PAGE_ROWS_MAX + 2) * (KS_TRACE_COLUMNS + 8))

static void put_started(const struct ks_trace *trace, struct ks_json_writer *writer)
{
    char time[KS_TIME_TEXT_LEN + 1];

    ks_time_text(trace->started_us, time);
    ks_json_member_text(writer, "started_at", time);
}

/* The column whose name comes next behind that of BEFORE (NULL: the first); NULL: none. */
static const struct ks_trace_column *next_column(const struct ks_trace_column *before,
                                                 enum ks_trace_field *out_field)
{
    const struct ks_trace_column *next = NULL;

    for (unsigned i = 0; i < KS_TRACE_COLUMNS; i++) {
        const struct ks_trace_column *column = ks_trace_column((enum ks_trace_field)i);

        if ((before == NULL || strcmp(column->name, before->name) > 0) &&
            (next == NULL || strcmp(column->name, next->name) < 0)) {
            next = column;
            *out_field = (enum ks_trace_field)i;
        }
    }
    return next;
}

void ks_trace_put_json(const struct ks_trace *trace, struct ks_json_writer *writer)
{
    enum ks_trace_field field = 0;

    ks_json_put_object(writer);
    ks_json_member_text(writer, "device", trace->device);
    ks_json_member_text(writer, "job", trace->job);
    ks_json_member_text(writer, "side", ks_trace_side_name(trace->side));
    put_started(trace, writer);
    ks_json_put_key(writer, "values");
    ks_json_put_object(writer);
    for (const struct ks_trace_column *column = next_column(NULL, &field); column != NULL;
         column = next_column(column, &field)) {
        if (ks_trace_has(trace, field)) {
            ks_json_put_key(writer, column->name);
            ks_json_put_double(writer, trace->values[field]);
        }
    }
    ks_json_put_end(writer);
    ks_json_put_end(writer);
}

/* --- pages -------------------------------------------------------------------------------- */

void ks_trace_page_begin(struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_put_key(writer, "columns");
    ks_json_put_array(writer);
    for (unsigned i = 0; i < KS_TRACE_COLUMNS; i++) {
        ks_json_put_text(writer, ks_trace_column((enum ks_trace_field)i)->name);
    }
    ks_json_put_end(writer);
    ks_json_put_key(writer, "items");
    ks_json_put_array(writer);
}

void ks_trace_page_put(uint64_t number, const struct ks_trace *trace,
                       struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_text(writer, "device", trace->device);
    ks_json_member_text(writer, "job", trace->job);
    ks_json_member_u64(writer, "number", number);
    put_started(trace, writer);
    ks_json_put_key(writer, "values");
    ks_json_put_array(writer);
    for (size_t i = 0; i < KS_TRACE_COLUMNS; i++) {
        if (isnan(trace->values[i])) {
            ks_json_put_null(writer);
        } else {
            ks_json_put_double(writer, trace->values[i]);
        }
    }
    ks_json_put_end(writer);
    ks_json_put_end(writer);
}

void ks_trace_page_end(uint64_t next, struct ks_json_writer *writer)
{
    ks_json_put_end(writer);
    if (next > 0) {
        ks_json_member_u64(writer, "next", next);
    }
    ks_json_member_text(writer, "schema", PAGE_SCHEMA);
    ks_json_put_end(writer);
}

/* Which column of ours each of the page's is. */
struct page_columns {
    size_t count;
    enum ks_trace_field fields[KS_TRACE_COLUMNS];
};

static enum ks_err read_columns(const struct ks_json *page, struct page_columns *columns)
{
    enum ks_err err = KS_OK;
    const struct ks_json *names = NULL;
    bool seen[KS_TRACE_COLUMNS] = {false};

    KS_TRY(ks_json_get(page, "columns", KS_JSON_ARRAY, &names));
    KS_CHECK(ks_json_count(names) <= KS_TRACE_COLUMNS, KS_ERR_FORMAT,
             "'columns': %zu of them, %d are known", ks_json_count(names), KS_TRACE_COLUMNS);
    columns->count = ks_json_count(names);
    for (size_t i = 0; i < columns->count; i++) {
        struct ks_bytes name = {0};

        KS_TRY(ks_json_string(ks_json_at(names, i), &name));
        err = ks_trace_find(name, &columns->fields[i]);
        KS_CHECK(err == KS_OK && !seen[columns->fields[i]], KS_ERR_FORMAT,
                 "'columns': one is unknown, or there twice");
        seen[columns->fields[i]] = true;
    }
out:
    return err;
}

static enum ks_err copy_name(struct ks_bytes text, char *target, size_t size)
{
    if (text.len >= size) {
        return ks_fail(KS_ERR_FORMAT, "a name of %zu bytes", text.len);
    }
    ks_copy(target, text.data, text.len);
    target[text.len] = '\0';
    return KS_OK;
}

static enum ks_err read_values(const struct ks_json *values, const struct page_columns *columns,
                               struct ks_trace *trace)
{
    enum ks_err err = KS_OK;

    KS_CHECK(ks_json_count(values) == columns->count, KS_ERR_FORMAT,
             "'values': %zu of %zu columns", ks_json_count(values), columns->count);
    for (size_t i = 0; i < columns->count; i++) {
        const struct ks_json *value = ks_json_at(values, i);

        if (ks_json_type(value) != KS_JSON_NULL) {
            KS_TRY(ks_json_double(value, &trace->values[columns->fields[i]]));
        }
    }
out:
    return err;
}

static enum ks_err read_row(const struct ks_json *row, const struct page_columns *columns,
                            uint64_t *out_number, struct ks_trace *trace)
{
    static const char *const names[] = {"device",     "job",    "number",
                                        "started_at", "values", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *values = NULL;
    struct ks_bytes text = {0};

    ks_trace_init(trace);
    trace->side = KS_TRACE_SIDE_SITE;
    KS_TRY(ks_json_only(row, names));
    KS_TRY(ks_json_get_string(row, "device", &text));
    KS_TRY(copy_name(text, trace->device, sizeof trace->device));
    KS_TRY(ks_json_get_string(row, "job", &text));
    KS_TRY(copy_name(text, trace->job, sizeof trace->job));
    KS_TRY(ks_json_get_u64(row, "number", KS_JSON_INTEGER_MAX, out_number));
    KS_TRY(ks_json_get_string(row, "started_at", &text));
    KS_TRY(ks_time_parse(text, &trace->started_us));
    KS_TRY(ks_json_get(row, "values", KS_JSON_ARRAY, &values));
    KS_TRY(read_values(values, columns, trace));
    KS_TRY(ks_trace_check(trace));
out:
    return err;
}

enum ks_err ks_trace_page_read(struct ks_bytes text, ks_trace_visit visit, void *context,
                               uint64_t *out_next)
{
    static const struct ks_json_limits limits = {.len_max = KS_TRACE_PAGE_BYTES_MAX,
                                                 .nodes_max = PAGE_NODES_MAX};
    static const char *const names[] = {"columns", "items", "next", "schema", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *page = NULL;
    const struct ks_json *rows = NULL;
    struct page_columns columns = {0};
    struct ks_bytes schema = {0};
    uint64_t next = 0;

    KS_TRY(ks_json_parse(text, &limits, &doc));
    page = ks_json_root(doc);
    KS_TRY(ks_json_only(page, names));
    KS_TRY(ks_json_get_string(page, "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, PAGE_SCHEMA), KS_ERR_FORMAT,
             "'schema': expected " PAGE_SCHEMA);
    KS_TRY(read_columns(page, &columns));
    KS_TRY(ks_json_get(page, "items", KS_JSON_ARRAY, &rows));
    if (ks_json_find(page, "next") != NULL) {
        KS_TRY(ks_json_get_u64(page, "next", KS_JSON_INTEGER_MAX, &next));
    }
    for (size_t i = 0; i < ks_json_count(rows); i++) {
        struct ks_trace trace;
        uint64_t number = 0;

        KS_TRY(read_row(ks_json_at(rows, i), &columns, &number, &trace));
        KS_TRY(visit(context, number, &trace));
    }
    *out_next = next;
out:
    ks_json_doc_free(doc);
    return err;
}
