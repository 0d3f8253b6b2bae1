/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Rows of traces: what each form holds comes back from it, and what no row has is refused. */
#include "unit/expect.h"

#include <math.h>
#include <string.h>

#include "base/json.h"
#include "detect/forest.h"
#include "detect/trace.h"

#define OK(call) assert_int_equal((call), KS_OK)

#define JOB "6f1c0b1e-8d3a-4c52-9a77-0123456789ab"

static struct ks_trace sample(void)
{
    struct ks_trace trace;

    ks_trace_init(&trace);
    (void)snprintf(trace.job, sizeof trace.job, "%s", JOB);
    (void)snprintf(trace.device, sizeof trace.device, "edge-1");
    trace.side = KS_TRACE_SIDE_SITE;
    trace.started_us = 1767225600000001;
    ks_trace_set_u64(&trace, KS_TRACE_QUBITS, 5);
    ks_trace_set_u64(&trace, KS_TRACE_SIMULATE_US, 1234);
    ks_trace_set(&trace, KS_TRACE_RESULT_ENTROPY_BITS, 1.75);
    ks_trace_set(&trace, KS_TRACE_TVD_SIGMA, -0.5);
    ks_trace_set_u64(&trace, KS_TRACE_ERROR, 0);
    return trace;
}

static void expect_same(const struct ks_trace *a, const struct ks_trace *b)
{
    assert_string_equal(a->job, b->job);
    assert_string_equal(a->device, b->device);
    assert_int_equal(a->side, b->side);
    assert_int_equal(a->started_us, b->started_us);
    for (size_t i = 0; i < KS_TRACE_COLUMNS; i++) {
        assert_true(isnan(a->values[i]) ? isnan(b->values[i]) : a->values[i] == b->values[i]);
    }
}

static struct ks_table *table_of(const struct ks_buf *text)
{
    struct ks_table *table = NULL;

    OK(ks_table_read(ks_buf_view(text), "t.csv", &table));
    return table;
}

static void test_csv(void **state)
{
    const struct ks_trace_label label = {.is_anomaly = true, .kind = "added-delay"};
    struct ks_trace rows[2] = {sample(), sample()};

    (void)state;
    rows[1].job[0] = '\0';
    rows[1].side = KS_TRACE_SIDE_DEVICE;
    for (unsigned labelled = 0; labelled < 2; labelled++) {
        struct ks_buf text;
        struct ks_table *table = NULL;
        struct ks_trace_layout layout;

        ks_buf_init(&text, 65536);
        ks_trace_put_csv_header(labelled != 0, &text);
        for (size_t i = 0; i < 2; i++) {
            ks_trace_put_csv_row(&rows[i], labelled != 0 ? &label : NULL, &text);
        }
        OK(ks_buf_check(&text));
        table = table_of(&text);
        assert_true(ks_trace_is_table(table));
        OK(ks_trace_layout(table, &layout));
        assert_int_equal(layout.labelled, labelled);
        assert_int_equal(ks_table_columns(table), 4 + KS_TRACE_COLUMNS + 2 * labelled);
        for (size_t i = 0; i < 2; i++) {
            struct ks_trace again;
            struct ks_trace_label label_again;

            OK(ks_trace_read(table, &layout, i, &again, &label_again));
            expect_same(&again, &rows[i]);
            assert_int_equal(label_again.is_anomaly, labelled);
            assert_string_equal(label_again.kind, labelled != 0 ? label.kind : "");
        }
        ks_table_free(table);
        ks_buf_done(&text);
    }
}

#define IDENTITY "job,device,side,started_at"
#define ROW      ",edge-1,site,2026-01-01T00:00:00.000001Z"

/* Any order, columns left out; a number that is written in another way. */
static void test_other_layout(void **state)
{
    const struct ks_bytes text =
        KS_LITERAL(IDENTITY ",error,qubits,tvd\n" ROW ",0.0,12e0,-0\n" ROW ",NA,,\n");
    struct ks_table *table = NULL;
    struct ks_trace_layout layout;
    struct ks_trace trace;

    (void)state;
    OK(ks_table_read(text, "t.csv", &table));
    OK(ks_trace_layout(table, &layout));
    OK(ks_trace_read(table, &layout, 0, &trace, NULL));
    assert_true(trace.values[KS_TRACE_QUBITS] == 12);
    assert_true(trace.values[KS_TRACE_ERROR] == 0);
    assert_false(ks_trace_has(&trace, KS_TRACE_DEPTH));
    OK(ks_trace_check(&trace));
    OK(ks_trace_read(table, &layout, 1, &trace, NULL));
    assert_false(ks_trace_has(&trace, KS_TRACE_QUBITS));
    ks_table_free(table);
}

static void test_refused_tables(void **state)
{
    static const struct {
        const char *text;
        const char *detail;
    } refused[] = {
        {"qubits,depth\n1,2\n", "begins with the columns job"},
        {"device,job,side,started_at\n", "begins with the columns job"},
        {"job,device,side\n", "begins with the columns job"},
        {IDENTITY ",cubits\n", "a trace has no column 'cubits'"},
        {IDENTITY ",label\n", "label and kind, or neither"},
        {IDENTITY ",kind\n", "label and kind, or neither"},
        {IDENTITY "\nx,edge-1,site,2026-01-01T00:00:00.000001Z\n", "t.csv:2:1: no id of a job"},
        {IDENTITY "\n,,site,2026-01-01T00:00:00.000001Z\n", "t.csv:2:2: no id of a device"},
        {IDENTITY "\n,a b,site,2026-01-01T00:00:00.000001Z\n", "no id of a device"},
        {IDENTITY "\n,edge-1,kme,2026-01-01T00:00:00.000001Z\n", "t.csv:2:9: a side is"},
        {IDENTITY "\n,edge-1,site,yesterday\n", "t.csv:2:14: "},
        {IDENTITY ",qubits\n" ROW ",1.5\n", "t.csv:2:42: qubits is a whole number"},
        {IDENTITY ",qubits\n" ROW ",-1\n", "qubits is a whole number"},
        {IDENTITY ",qubits\n" ROW ",9007199254740992\n", "qubits is a whole number"},
        {IDENTITY ",tvd\n" ROW ",nan\n", "'nan' is no finite number"},
        {IDENTITY ",label,kind\n" ROW ",2,delay\n", "a label is 0 or 1"},
        {IDENTITY ",label,kind\n" ROW ",1,two words\n", "t.csv:2:44: a kind is one word"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct ks_table *table = NULL;
        struct ks_trace_layout layout;
        struct ks_trace trace;
        struct ks_trace_label label;
        enum ks_err err = KS_OK;

        OK(ks_table_read(ks_bytes_text(refused[i].text), "t.csv", &table));
        err = ks_trace_layout(table, &layout);
        if (err == KS_OK) {
            err = ks_trace_read(table, &layout, 0, &trace, &label);
        }
        expect_failure(err, KS_ERR_FORMAT, refused[i].detail);
        ks_table_free(table);
    }
}

/* Whatever is measured, a row can be kept. */
static void test_set(void **state)
{
    static const struct {
        enum ks_trace_field field;
        double given;
        double kept;
    } cases[] = {
        {KS_TRACE_SHOTS, 3.75, 3},        {KS_TRACE_SHOTS, -4, 0},
        {KS_TRACE_SHOTS, -0.0, 0},        {KS_TRACE_SHOTS, 1e300, KS_TRACE_COUNT_MAX},
        {KS_TRACE_TVD_SIGMA, -2.5, -2.5}, {KS_TRACE_TVD, 0.125, 0.125},
    };
    struct ks_trace trace = sample();

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ks_trace_set(&trace, cases[i].field, cases[i].given);
        assert_true(trace.values[cases[i].field] == cases[i].kept);
        assert_false(signbit(trace.values[cases[i].field]) && cases[i].kept == 0);
        OK(ks_trace_check(&trace));
    }
    ks_trace_set(&trace, KS_TRACE_TVD, (double)INFINITY);
    assert_false(ks_trace_has(&trace, KS_TRACE_TVD));
    ks_trace_set_u64(&trace, KS_TRACE_BYTES_SENT, UINT64_MAX);
    assert_true(trace.values[KS_TRACE_BYTES_SENT] == KS_TRACE_COUNT_MAX);
    OK(ks_trace_check(&trace));
}

static void test_check(void **state)
{
    struct ks_trace trace = sample();

    (void)state;
    trace.values[KS_TRACE_QUBITS] = 1.5;
    expect_failure(ks_trace_check(&trace), KS_ERR_FORMAT, "value is out of range");
    trace = sample();
    trace.values[KS_TRACE_TVD] = (double)INFINITY;
    expect_failure(ks_trace_check(&trace), KS_ERR_FORMAT, "value is out of range");
    trace = sample();
    trace.device[0] = '\0';
    expect_failure(ks_trace_check(&trace), KS_ERR_FORMAT, "no device");
    trace = sample();
    trace.job[3] = 'g';
    expect_failure(ks_trace_check(&trace), KS_ERR_FORMAT, "a trace of job");
    trace = sample();
    trace.started_us = UINT64_MAX;
    expect_failure(ks_trace_check(&trace), KS_ERR_FORMAT, "no time");
}

static void test_bytes(void **state)
{
    const struct ks_trace trace = sample();
    struct ks_trace again;
    struct ks_buf bytes;

    (void)state;
    ks_buf_init(&bytes, KS_TRACE_BYTES_MAX);
    ks_trace_put_values(&trace, &bytes);
    OK(ks_buf_check(&bytes));
    assert_int_equal(bytes.len, 1 + 5 * 9);
    again = sample();
    ks_trace_init(&again);
    (void)snprintf(again.job, sizeof again.job, "%s", trace.job);
    (void)snprintf(again.device, sizeof again.device, "%s", trace.device);
    again.side = trace.side;
    again.started_us = trace.started_us;
    OK(ks_trace_read_values(ks_buf_view(&bytes), &again));
    expect_same(&again, &trace);
    for (size_t len = 0; len < bytes.len; len++) { /* cut anywhere but between columns */
        const bool whole = len % 9 == 1;

        assert_int_equal(ks_trace_read_values(ks_bytes_of(bytes.data, len), &again),
                         whole ? KS_OK : KS_ERR_FORMAT);
    }
    bytes.data[0] = 2;
    expect_failure(ks_trace_read_values(ks_buf_view(&bytes), &again), KS_ERR_FORMAT,
                   "trace: version 2");
    bytes.data[0] = 1;
    bytes.data[10] = 0; /* the second column is the first again */
    expect_failure(ks_trace_read_values(ks_buf_view(&bytes), &again), KS_ERR_FORMAT,
                   "trace: column 0");
    bytes.data[10] = KS_TRACE_COLUMNS;
    expect_failure(ks_trace_read_values(ks_buf_view(&bytes), &again), KS_ERR_FORMAT,
                   "trace: column");
    ks_buf_done(&bytes);
}

static void test_bytes_range(void **state)
{
    static const struct {
        enum ks_trace_field field;
        double value;
    } refused[] = {
        {KS_TRACE_QUBITS, 0.5},           {KS_TRACE_QUBITS, -1},       {KS_TRACE_QUBITS, -0.0},
        {KS_TRACE_QUBITS, 1e16},          {KS_TRACE_TVD, (double)NAN}, {KS_TRACE_TVD, -0.0},
        {KS_TRACE_TVD, (double)INFINITY},
    };

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct ks_trace trace;
        struct ks_buf bytes;

        ks_buf_init(&bytes, KS_TRACE_BYTES_MAX);
        ks_buf_put_u8(&bytes, 1);
        ks_buf_put_u8(&bytes, (uint8_t)refused[i].field);
        ks_buf_put_double(&bytes, refused[i].value);
        expect_failure(ks_trace_read_values(ks_buf_view(&bytes), &trace), KS_ERR_FORMAT,
                       "is out of range");
        ks_buf_done(&bytes);
    }
}

/* The rows are those of a forest as they stand, and its names are theirs. */
static void test_forest(void **state)
{
    enum { ROWS = 64 };
    static struct ks_trace traces[ROWS];
    struct ks_bytes names[KS_TRACE_COLUMNS];
    const struct ks_forest_params params = {.seed = 1, .trees = 10, .sample = 32};
    struct ks_rows rows = {
        .values = traces[0].values,
        .count = ROWS,
        .features = KS_TRACE_COLUMNS,
        .stride = sizeof traces[0] / sizeof(double),
    };
    struct ks_forest *forest = NULL;
    uint32_t paths[ROWS];

    (void)state;
    assert_int_equal(sizeof traces[0] % sizeof(double), 0);
    for (size_t i = 0; i < ROWS; i++) {
        ks_trace_init(&traces[i]);
        ks_trace_set_u64(&traces[i], KS_TRACE_SIMULATE_US, i == 9 ? 100000 : 100 + i % 7);
        ks_trace_set_u64(&traces[i], KS_TRACE_QUOTE_US, 40 + i % 5);
    }
    ks_trace_feature_names(names);
    OK(ks_forest_fit(&rows, names, &params, &forest));
    assert_string_equal(ks_forest_feature(forest, KS_TRACE_TVD_SIGMA), "tvd_sigma");
    ks_forest_paths(forest, &rows, NULL, paths);
    for (size_t i = 0; i < ROWS; i++) {
        assert_true(i == 9 || paths[i] > paths[9]);
    }
    ks_forest_free(forest);
}

/* --- JSON --------------------------------------------------------------------------------- */

struct visited {
    struct ks_trace traces[3];
    uint64_t numbers[3];
    size_t count;
};

static enum ks_err visit(void *context, uint64_t number, const struct ks_trace *trace)
{
    struct visited *visited = context;

    assert_true(visited->count < 3);
    visited->traces[visited->count] = *trace;
    visited->numbers[visited->count++] = number;
    return KS_OK;
}

static void test_page(void **state)
{
    const struct ks_json_limits limits = {.len_max = 65536, .nodes_max = 1024};
    struct ks_trace rows[2] = {sample(), sample()};
    struct visited visited = {0};
    struct ks_buf text;
    struct ks_json_writer writer = ks_json_writer_of(&text);
    struct ks_json_doc *doc = NULL;
    uint64_t next = 9;

    (void)state;
    rows[1].job[0] = '\0';
    ks_buf_init(&text, 65536);
    for (uint64_t more = 0; more < 2; more++) {
        visited.count = 0;
        ks_buf_clear(&text);
        writer = ks_json_writer_of(&text);
        ks_trace_page_begin(&writer);
        ks_trace_page_put(7, &rows[0], &writer);
        ks_trace_page_put(8, &rows[1], &writer);
        ks_trace_page_end(8 * more, &writer);
        OK(ks_buf_check(&text));
        OK(ks_json_parse_canonical(ks_buf_view(&text), &limits, &doc));
        ks_json_doc_free(doc);
        OK(ks_trace_page_read(ks_buf_view(&text), visit, &visited, &next));
        assert_int_equal(next, 8 * more);
        assert_int_equal(visited.count, 2);
        assert_int_equal(visited.numbers[1], 8);
        for (size_t i = 0; i < 2; i++) {
            expect_same(&visited.traces[i], &rows[i]);
        }
    }
    ks_buf_clear(&text);
    writer = ks_json_writer_of(&text);
    ks_trace_put_json(&rows[0], &writer);
    expect_text(ks_buf_view(&text),
                "{\"device\":\"edge-1\",\"job\":\"" JOB "\",\"side\":\"site\","
                "\"started_at\":\"2026-01-01T00:00:00.000001Z\",\"values\":{\"error\":0,"
                "\"qubits\":5,\"result_entropy_bits\":1.75,\"simulate_us\":1234,"
                "\"tvd_sigma\":-0.5}}");
    ks_buf_done(&text);
}

#define ITEM                                                                                   \
    "{\"device\":\"d\",\"job\":\"\",\"number\":1,\"started_at\":"                              \
    "\"2026-01-01T00:00:00.000001Z\",\"values\":"

static void test_refused_pages(void **state)
{
    static const struct {
        const char *text;
        const char *detail;
    } refused[] = {
        {"{\"columns\":[],\"items\":[],\"schema\":\"ketseal.trace-list/2\"}", "'schema'"},
        {"{\"columns\":[],\"schema\":\"ketseal.trace-list/1\"}", "'items'"},
        {"{\"columns\":[\"cubits\"],\"items\":[],\"schema\":\"ketseal.trace-list/1\"}",
         "one is unknown"},
        {"{\"columns\":[\"tvd\",\"tvd\"],\"items\":[],\"schema\":\"ketseal.trace-list/1\"}",
         "there twice"},
        {"{\"columns\":[\"tvd\"],\"items\":[" ITEM "[]}],\"schema\":\"ketseal.trace-list/1\"}",
         "'values': 0 of 1 columns"},
        {"{\"columns\":[\"qubits\"],\"items\":[" ITEM
         "[1.5]}],\"schema\":\"ketseal.trace-list/1\"}",
         "out of range"},
        {"{\"columns\":[\"qubits\"],\"items\":[" ITEM
         "[\"1\"]}],\"schema\":\"ketseal.trace-list/1\"}",
         "number"},
        {"{\"columns\":[],\"items\":[" ITEM "[],\"x\":1}],\"schema\":\"ketseal.trace-list/1\"}",
         "x"},
        {"{\"columns\":[],\"items\":[],\"more\":1,\"schema\":\"ketseal.trace-list/1\"}",
         "more"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct visited visited = {0};
        uint64_t next = 0;

        expect_failure(
            ks_trace_page_read(ks_bytes_text(refused[i].text), visit, &visited, &next),
            KS_ERR_FORMAT, refused[i].detail);
        assert_int_equal(visited.count, 0);
    }
}

static void test_schema(void **state)
{
    const struct ks_json_limits limits = {.len_max = 65536, .nodes_max = 1024};
    struct ks_buf text;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *columns = NULL;
    struct ks_bytes name;

    (void)state;
    ks_buf_init(&text, 65536);
    ks_trace_schema_write(&text);
    OK(ks_buf_check(&text));
    OK(ks_json_parse_canonical(ks_buf_view(&text), &limits, &doc));
    OK(ks_json_get(ks_json_root(doc), "columns", KS_JSON_ARRAY, &columns));
    assert_int_equal(ks_json_count(columns), 4 + KS_TRACE_COLUMNS + 2);
    for (unsigned i = 0; i < KS_TRACE_COLUMNS; i++) {
        const struct ks_trace_column *column = ks_trace_column((enum ks_trace_field)i);
        enum ks_trace_field field = KS_TRACE_COLUMNS;

        OK(ks_json_get_string(ks_json_at(columns, 4 + i), "name", &name));
        expect_text(name, column->name);
        OK(ks_trace_find(name, &field));
        assert_int_equal(field, i);
        /* The unit stands at the end of the name, too. */
        assert_true(strcmp(column->unit, "us") != 0 ||
                    strcmp(column->name + strlen(column->name) - 3, "_us") == 0);
    }
    expect_failure(ks_trace_find(KS_LITERAL("cubits"), &(enum ks_trace_field){0}),
                   KS_ERR_NOT_FOUND, "a trace has no column 'cubits'");
    ks_json_doc_free(doc);
    ks_buf_done(&text);
}

/* Rows of circuits and rows of contributions, and which columns tell them apart. */
static void test_workloads(void **state)
{
    struct ks_trace trace = sample();
    unsigned own[KS_TRACE_WORKLOADS] = {0};

    (void)state;
    assert_int_equal(ks_trace_workload_of(&trace), KS_TRACE_CIRCUIT); /* it does not say */
    ks_trace_set_u64(&trace, KS_TRACE_WORKLOAD, 1);
    assert_int_equal(ks_trace_workload_of(&trace), KS_TRACE_UPDATE);
    ks_trace_set_u64(&trace, KS_TRACE_WORKLOAD, 7); /* of a later version */
    assert_int_equal(ks_trace_workload_of(&trace), KS_TRACE_CIRCUIT);
    for (unsigned i = 0; i < KS_TRACE_WORKLOADS; i++) {
        const enum ks_trace_workload workload = (enum ks_trace_workload)i;
        enum ks_trace_workload found = KS_TRACE_WORKLOADS;

        OK(ks_trace_workload_find(ks_bytes_text(ks_trace_workload_name(workload)), &found));
        assert_int_equal(found, workload);
    }
    expect_failure(
        ks_trace_workload_find(KS_LITERAL("fl"), &(enum ks_trace_workload){KS_TRACE_CIRCUIT}),
        KS_ERR_NOT_FOUND, "'fl' is no workload");
    for (unsigned i = 0; i < KS_TRACE_COLUMNS; i++) {
        const enum ks_trace_field field = (enum ks_trace_field)i;
        const bool of_updates = strncmp(ks_trace_column(field)->name, "fl_", 3) == 0;

        assert_int_equal(ks_trace_is_own(field, KS_TRACE_UPDATE), of_updates);
        assert_false(of_updates && ks_trace_is_feature(field, KS_TRACE_CIRCUIT));
        assert_false(ks_trace_is_own(field, KS_TRACE_CIRCUIT) &&
                     ks_trace_is_feature(field, KS_TRACE_UPDATE));
        for (unsigned j = 0; j < KS_TRACE_WORKLOADS; j++) {
            own[j] += ks_trace_is_own(field, (enum ks_trace_workload)j);
        }
    }
    assert_int_equal(own[KS_TRACE_CIRCUIT], 22);
    assert_int_equal(own[KS_TRACE_UPDATE], 10);
    assert_true(ks_trace_is_own(KS_TRACE_SHOTS, KS_TRACE_CIRCUIT) &&
                ks_trace_is_own(KS_TRACE_TVD, KS_TRACE_CIRCUIT));
    assert_true(ks_trace_is_feature(KS_TRACE_ROUND_TRIP_US, KS_TRACE_CIRCUIT) &&
                ks_trace_is_feature(KS_TRACE_ROUND_TRIP_US, KS_TRACE_UPDATE));
    assert_false(ks_trace_is_feature(KS_TRACE_WORKLOAD, KS_TRACE_UPDATE) ||
                 ks_trace_is_feature(KS_TRACE_FL_ROUND, KS_TRACE_UPDATE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_csv),           cmocka_unit_test(test_other_layout),
        cmocka_unit_test(test_set),           cmocka_unit_test(test_refused_tables),
        cmocka_unit_test(test_check),         cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_bytes_range),   cmocka_unit_test(test_forest),
        cmocka_unit_test(test_schema),        cmocka_unit_test(test_page),
        cmocka_unit_test(test_refused_pages), cmocka_unit_test(test_workloads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
