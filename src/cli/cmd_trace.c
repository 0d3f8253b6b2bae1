/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* trace export, list, show, schema: rows of executions, of a site's store, of a running site by
 * its operator, or of a device's file. */

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/sys.h"
#include "cli/flags.h"
#include "client/operator.h"
#include "client/trace_file.h"
#include "store/store.h"

#define CSV_MAX    ((size_t)1 << 30)
#define JSON_MAX   ((size_t)1 << 26)
#define SCHEMA_MAX 65536
#define LIST_MAX   10000
#define STORE_PAGE 1000

#define SOURCE_FLAGS                                                                            \
    {"device", KS_FLAG_TEXT, "DIR", "the device whose rows are wanted: its directory",          \
     ".",      false},                                                                          \
        {"state", KS_FLAG_TEXT, "DIR", "instead the site whose state lies there", NULL, false}, \
        {"operator", KS_FLAG_TEXT,                                                              \
         "DIR",      "instead the site at --url, asked by the operator of this directory",      \
         NULL,       false},                                                                    \
    {                                                                                           \
        "url", KS_FLAG_TEXT, "URL", "that site, https://host:port", NULL, false                 \
    }
#define WORKLOAD_FLAG                                                                          \
    {                                                                                          \
        "workload", KS_FLAG_TEXT, "NAME",                                                      \
            "rows of one workload alone: circuit, or fl.update for contributions", NULL, false \
    }
#define END                                                                                    \
    {                                                                                          \
        NULL, KS_FLAG_SWITCH, NULL, NULL, NULL, false                                          \
    }

const struct ks_flag ks_trace_export_flags[] = {
    SOURCE_FLAGS,
    WORKLOAD_FLAG,
    {"out", KS_FLAG_TEXT, "FILE", "the CSV file; default: standard output", "-", false},
    END,
};
const struct ks_flag ks_trace_list_flags[] = {
    SOURCE_FLAGS,
    WORKLOAD_FLAG,
    {"limit", KS_FLAG_NUMBER, "N", "the newest N rows", "20", false},
    END,
};
const struct ks_flag ks_trace_show_flags[] = {SOURCE_FLAGS, END};

/* --- where rows come from ----------------------------------------------------------------- */

/* Hands on what a site or a store gives, and keeps the number of the last. */
struct pages {
    ks_trace_visit visit;
    void *context;
    uint64_t last;
    uint64_t count;
};

static enum ks_err take_row(void *context, uint64_t number, const struct ks_trace *trace)
{
    struct pages *pages = context;

    pages->last = number;
    pages->count++;
    return pages->visit(pages->context, number, trace);
}

/* In pages: a reader that stays would keep the write-ahead log from being folded. */
static enum ks_err each_of_state(const char *state, ks_trace_visit visit, void *context)
{
    enum ks_err err = KS_OK;
    struct ks_store_reader *reader = NULL;
    char directory[KS_PATH_MAX];
    const struct ks_store_options options = {.version = 1, .directory = directory};
    struct pages pages = {.visit = visit, .context = context};

    KS_TRY(ks_path_join(state, "store", directory));
    KS_TRY(ks_store_reader_new(&options, &reader));
    do {
        pages.count = 0;
        KS_TRY(ks_store_traces(reader, pages.last, STORE_PAGE, take_row, &pages));
    } while (pages.count == STORE_PAGE);
out:
    ks_store_reader_free(reader);
    return err;
}

static enum ks_err each_of_site(const struct ks_cli *cli, ks_trace_visit visit, void *context)
{
    enum ks_err err = KS_OK;
    const struct ks_operator_spec spec = {.directory = ks_cli_text(cli, "operator"),
                                          .url = ks_cli_text(cli, "url")};
    struct ks_operator *op = NULL;
    struct ks_buf page;
    uint64_t after = 0;
    uint64_t next = 0;

    ks_buf_init(&page, KS_TRACE_PAGE_BYTES_MAX);
    KS_CHECK(spec.url != NULL, KS_ERR_USAGE, "--url: missing");
    KS_TRY(ks_operator_open(&spec, &op));
    do {
        char target[96];

        (void)snprintf(target, sizeof target, "/v1/traces?after=%llu&limit=%d",
                       (unsigned long long)after, KS_TRACE_PAGE_ROWS_MAX);
        ks_buf_clear(&page);
        KS_TRY(ks_operator_get(op, target, &page));
        KS_TRY(ks_fail_prefix(ks_trace_page_read(ks_buf_view(&page), visit, context, &next),
                              "the site's answer"));
        KS_CHECK(next == 0 || next > after, KS_ERR_FORMAT, "the site's pages go round");
        after = next;
    } while (next > 0);
out:
    ks_operator_close(op);
    ks_buf_done(&page);
    return err;
}

/* Rows of one file count from 1; what holds them is read as a whole. */
static enum ks_err each_of_file(const char *path, ks_trace_visit visit, void *context)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_table *table = NULL;
    struct ks_trace_layout layout;

    ks_buf_init(&text, KS_TABLE_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_TABLE_BYTES_MAX, &text));
    KS_TRY(ks_table_read(ks_buf_view(&text), path, &table));
    KS_TRY(ks_fail_prefix(ks_trace_layout(table, &layout), "%s", path));
    for (size_t row = 0; row < ks_table_rows(table); row++) {
        struct ks_trace trace;

        KS_TRY(ks_trace_read(table, &layout, row, &trace, NULL));
        KS_TRY(visit(context, row + 1, &trace));
    }
out:
    ks_table_free(table);
    ks_buf_done(&text);
    return err;
}

/* The older file first; a device that has submitted nothing has neither. */
static enum ks_err each_of_device(const char *directory, ks_trace_visit visit, void *context)
{
    static const char *const names[] = {KS_TRACE_FILE_OLD, KS_TRACE_FILE};
    enum ks_err err = KS_OK;
    unsigned found = 0;
    char path[KS_PATH_MAX];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        KS_TRY(ks_path_join(directory, names[i], path));
        if (access(path, F_OK) == 0) {
            KS_TRY(each_of_file(path, visit, context));
            found++;
        }
    }
    KS_CHECK(found > 0, KS_ERR_NOT_FOUND, "no %s in %s", KS_TRACE_FILE, directory);
out:
    return err;
}

/* Hands on what is of one workload. */
struct sieve {
    enum ks_trace_workload workload;
    ks_trace_visit visit;
    void *context;
};

static enum ks_err pass(void *context, uint64_t number, const struct ks_trace *trace)
{
    const struct sieve *sieve = context;

    return ks_trace_workload_of(trace) == sieve->workload
               ? sieve->visit(sieve->context, number, trace)
               : KS_OK;
}

/* FILE: an operand that names a file of traces; NULL: none. */
static enum ks_err each_row(const struct ks_cli *cli, const char *file, ks_trace_visit visit,
                            void *context)
{
    const char *state = ks_cli_text(cli, "state");

    if ((state != NULL) + (ks_cli_text(cli, "operator") != NULL) + (file != NULL) > 1) {
        return ks_fail(KS_ERR_USAGE, "--state, --operator and a file: one of them");
    }
    if (state != NULL) {
        return each_of_state(state, visit, context);
    }
    if (ks_cli_text(cli, "operator") != NULL) {
        return each_of_site(cli, visit, context);
    }
    return file != NULL ? each_of_file(file, visit, context)
                        : each_of_device(ks_cli_text(cli, "device"), visit, context);
}

/* The same, of the workload that a flag names. */
static enum ks_err each(const struct ks_cli *cli, const char *file, ks_trace_visit visit,
                        void *context)
{
    enum ks_err err = KS_OK;
    const char *name = ks_cli_text(cli, "workload");
    struct sieve sieve = {.visit = visit, .context = context};

    if (name == NULL) {
        return each_row(cli, file, visit, context);
    }
    err = ks_trace_workload_find(ks_bytes_text(name), &sieve.workload);
    KS_TRY(err == KS_OK ? KS_OK : ks_fail_prefix(KS_ERR_USAGE, "--workload"));
    KS_TRY(each_row(cli, file, pass, &sieve));
out:
    return err;
}

/* --- export, schema ----------------------------------------------------------------------- */

struct csv {
    struct ks_buf text;
    uint64_t rows;
};

static enum ks_err put_csv(void *context, uint64_t number, const struct ks_trace *trace)
{
    struct csv *csv = context;

    (void)number;
    ks_trace_put_csv_row(trace, NULL, &csv->text);
    csv->rows++;
    return ks_buf_check(&csv->text);
}

enum ks_err ks_command_trace_export(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    const char *file = cli->operand_count > 0 ? cli->operands[0] : NULL;
    const char *out = ks_cli_text(cli, "out");
    struct csv csv = {0};
    struct ks_buf said;

    ks_buf_init(&csv.text, CSV_MAX);
    ks_buf_init(&said, SCHEMA_MAX);
    KS_CHECK(!cli->json || strcmp(out, "-") != 0, KS_ERR_USAGE,
             "--json: the rows are CSV: name a file by --out");
    ks_trace_put_csv_header(false, &csv.text);
    KS_TRY(each(cli, file, put_csv, &csv));
    KS_TRY(ks_cli_output(out, file, ks_buf_view(&csv.text)));
    if (cli->json) {
        ks_buf_put_format(&said, "{\"rows\":%llu,\"schema\":\"ketseal.trace-export/1\"}",
                          (unsigned long long)csv.rows);
        KS_TRY(ks_cli_print_json(&said));
    } else if (strcmp(out, "-") != 0) {
        ks_cli_progress(cli, "%s: %llu rows", out, (unsigned long long)csv.rows);
    }
out:
    ks_buf_done(&csv.text);
    ks_buf_done(&said);
    return err;
}

enum ks_err ks_command_trace_schema(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;

    (void)cli;
    ks_buf_init(&out, SCHEMA_MAX);
    ks_trace_schema_write(&out);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

/* --- list, show --------------------------------------------------------------------------- */

/* The newest rows that were wanted, in a ring. */
struct rows {
    const char *job; /* NULL: of any */
    struct ks_trace *kept;
    size_t room;
    size_t seen;
};

static enum ks_err keep(void *context, uint64_t number, const struct ks_trace *trace)
{
    struct rows *rows = context;

    (void)number;
    if (rows->job == NULL || strcmp(rows->job, trace->job) == 0) {
        rows->kept[rows->seen++ % rows->room] = *trace;
    }
    return KS_OK;
}

static const struct ks_trace *kept_at(const struct rows *rows, size_t index)
{
    const size_t first = rows->seen > rows->room ? rows->seen - rows->room : 0;

    return &rows->kept[(first + index) % rows->room];
}

static size_t kept_count(const struct rows *rows)
{
    return rows->seen < rows->room ? rows->seen : rows->room;
}

static enum ks_err print_rows_json(const struct rows *rows)
{
    enum ks_err err = KS_OK;
    struct ks_buf out;
    struct ks_json_writer writer = ks_json_writer_of(&out);

    ks_buf_init(&out, JSON_MAX);
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "schema", "ketseal.traces/1");
    ks_json_put_key(&writer, "traces");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < kept_count(rows); i++) {
        ks_trace_put_json(kept_at(rows, i), &writer);
    }
    ks_json_put_end(&writer);
    ks_json_put_end(&writer);
    KS_TRY(ks_cli_print_json(&out));
out:
    ks_buf_done(&out);
    return err;
}

/* A number of TRACE, or "-". */
static void number_text(const struct ks_trace *trace, enum ks_trace_field field,
                        char target[KS_DOUBLE_TEXT_MAX])
{
    if (ks_trace_has(trace, field)) {
        (void)ks_double_text(trace->values[field], target);
    } else {
        (void)snprintf(target, KS_DOUBLE_TEXT_MAX, "-");
    }
}

static const char *error_text(const struct ks_trace *trace)
{
    return ks_trace_has(trace, KS_TRACE_ERROR)
               ? ks_err_name((enum ks_err)trace->values[KS_TRACE_ERROR])
               : "-";
}

#define SHOWN_COLUMNS 4

static void print_row(const struct ks_trace *trace)
{
    static const enum ks_trace_field shown[KS_TRACE_WORKLOADS][SHOWN_COLUMNS] = {
        [KS_TRACE_CIRCUIT] = {KS_TRACE_QUBITS, KS_TRACE_SHOTS, KS_TRACE_SIMULATE_US,
                              KS_TRACE_ROUND_TRIP_US},
        [KS_TRACE_UPDATE] = {KS_TRACE_FL_ROUND, KS_TRACE_FL_SAMPLES, KS_TRACE_FL_LOSS,
                             KS_TRACE_FL_NORM},
    };
    const enum ks_trace_field *columns = shown[ks_trace_workload_of(trace)];
    char time[KS_TIME_TEXT_LEN + 1];

    ks_time_text(trace->started_us, time);
    ks_cli_print("%s\t%s\t%s\t%s\t%s", time, trace->job[0] == '\0' ? "-" : trace->job,
                 trace->device, ks_trace_side_name(trace->side), error_text(trace));
    for (size_t i = 0; i < SHOWN_COLUMNS; i++) {
        char text[KS_DOUBLE_TEXT_MAX];

        number_text(trace, columns[i], text);
        ks_cli_print("\t%s=%s", ks_trace_column(columns[i])->name, text);
    }
    ks_cli_print("\n");
}

enum ks_err ks_command_trace_list(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct rows rows = {0};
    uint64_t limit = 0;

    KS_TRY(ks_cli_number(cli, "limit", LIST_MAX, &limit));
    KS_CHECK(limit >= 1, KS_ERR_USAGE, "--limit: at least 1");
    rows.room = (size_t)limit;
    rows.kept = ks_calloc(rows.room, sizeof *rows.kept);
    KS_CHECK(rows.kept != NULL, KS_ERR_NOMEM, "traces");
    KS_TRY(each(cli, NULL, keep, &rows));
    if (cli->json) {
        KS_TRY(print_rows_json(&rows));
    } else {
        for (size_t i = 0; i < kept_count(&rows); i++) {
            print_row(kept_at(&rows, i));
        }
    }
out:
    ks_free(rows.kept);
    return err;
}

static void print_whole(const struct ks_trace *trace)
{
    char time[KS_TIME_TEXT_LEN + 1];

    ks_time_text(trace->started_us, time);
    ks_cli_print("job %s, device %s, as the %s saw it from %s: %s\n", trace->job, trace->device,
                 ks_trace_side_name(trace->side), time, error_text(trace));
    for (unsigned i = 0; i < KS_TRACE_COLUMNS; i++) {
        const struct ks_trace_column *column = ks_trace_column((enum ks_trace_field)i);
        char text[KS_DOUBLE_TEXT_MAX];

        if (ks_trace_has(trace, (enum ks_trace_field)i)) {
            number_text(trace, (enum ks_trace_field)i, text);
            ks_cli_print("  %-20s %20s  %s\n", column->name, text, column->meaning);
        }
    }
}

enum ks_err ks_command_trace_show(struct ks_cli *cli)
{
    enum ks_err err = KS_OK;
    struct rows rows = {.job = cli->operands[0], .room = LIST_MAX};

    KS_CHECK(ks_text_is_uuid(ks_bytes_text(rows.job)), KS_ERR_USAGE, "'%s' is no job id",
             rows.job);
    rows.kept = ks_calloc(rows.room, sizeof *rows.kept);
    KS_CHECK(rows.kept != NULL, KS_ERR_NOMEM, "traces");
    KS_TRY(each_row(cli, NULL, keep, &rows));
    KS_CHECK(rows.seen > 0, KS_ERR_NOT_FOUND, "no trace of job %s", rows.job);
    if (cli->json) {
        KS_TRY(print_rows_json(&rows));
    } else {
        for (size_t i = 0; i < kept_count(&rows); i++) {
            print_whole(kept_at(&rows, i));
        }
    }
out:
    ks_free(rows.kept);
    return err;
}
