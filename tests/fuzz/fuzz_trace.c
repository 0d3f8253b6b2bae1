/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Traces: stored values have one encoding; what is read from a table can be written as CSV, and
 * is the same when it is read again. Besides, what else a trace is read from: a page of rows, a
 * Server-Timing field, the counts of a result. */
#include "detect/outcome.h"
#include "detect/timing.h"
#include "detect/trace.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_values(struct ks_bytes bytes)
{
    struct ks_trace trace;
    struct ks_buf again;

    ks_trace_init(&trace);
    if (ks_trace_read_values(bytes, &trace) != KS_OK) {
        return;
    }
    ks_buf_init(&again, KS_TRACE_BYTES_MAX);
    ks_trace_put_values(&trace, &again);
    KS_ASSERT(again.err == KS_OK && ks_bytes_equal(ks_buf_view(&again), bytes));
    ks_buf_done(&again);
}

static void put_rows(const struct ks_table *table, struct ks_buf *out)
{
    struct ks_trace_layout layout;

    if (ks_trace_layout(table, &layout) != KS_OK) {
        return;
    }
    ks_trace_put_csv_header(layout.labelled, out);
    for (size_t row = 0; row < ks_table_rows(table); row++) {
        struct ks_trace trace;
        struct ks_trace_label label;

        if (ks_trace_read(table, &layout, row, &trace, &label) == KS_OK) {
            ks_trace_put_csv_row(&trace, layout.labelled ? &label : NULL, out);
        }
    }
    KS_ASSERT(out->err == KS_OK);
}

static void try_table(struct ks_bytes text)
{
    struct ks_table *table = NULL;
    struct ks_buf first;
    struct ks_buf second;

    if (ks_table_read(text, "f", &table) != KS_OK) {
        return;
    }
    ks_buf_init(&first, KS_TABLE_BYTES_MAX);
    ks_buf_init(&second, KS_TABLE_BYTES_MAX);
    put_rows(table, &first);
    ks_table_free(table);
    if (first.len > 0) {
        if (ks_table_read(ks_buf_view(&first), "f", &table) != KS_OK) {
            KS_ASSERT(false);
        }
        put_rows(table, &second);
        KS_ASSERT(ks_bytes_equal(ks_buf_view(&first), ks_buf_view(&second)));
        ks_table_free(table);
    }
    ks_buf_done(&first);
    ks_buf_done(&second);
}

static enum ks_err put_item(void *context, uint64_t number, const struct ks_trace *trace)
{
    struct ks_json_writer *writer = context;

    ks_trace_page_put(number, trace, writer);
    return KS_OK;
}

static enum ks_err drop_item(void *context, uint64_t number, const struct ks_trace *trace)
{
    (void)context;
    (void)number;
    (void)trace;
    return KS_OK;
}

static void try_page(struct ks_bytes text)
{
    struct ks_buf again;
    struct ks_json_writer writer = ks_json_writer_of(&again);
    uint64_t next = 0;
    uint64_t next_again = 0;

    ks_buf_init(&again, (size_t)64 * KS_TRACE_PAGE_BYTES_MAX);
    ks_trace_page_begin(&writer);
    if (ks_trace_page_read(text, put_item, &writer, &next) == KS_OK) {
        ks_trace_page_end(next, &writer);
        KS_ASSERT(again.err == KS_OK);
        if (again.len <= KS_TRACE_PAGE_BYTES_MAX) {
            KS_ASSERT(ks_trace_page_read(ks_buf_view(&again), drop_item, NULL, &next_again) ==
                      KS_OK);
            KS_ASSERT(next == next_again);
        }
    }
    ks_buf_done(&again);
}

static void try_timing(struct ks_bytes text)
{
    struct ks_trace trace;
    struct ks_buf again;

    ks_trace_init(&trace);
    if (ks_server_timing_read(text, &trace) == KS_OK) {
        ks_buf_init(&again, KS_SERVER_TIMING_MAX);
        ks_server_timing_put(&trace, &again);
        KS_ASSERT(again.err == KS_OK);
        ks_buf_done(&again);
    }
}

static void try_result(struct ks_bytes result)
{
    static const double uniform[] = {0.25, 0.25, 0.25, 0.25};
    struct ks_trace trace;

    ks_trace_init(&trace);
    if (ks_trace_set_distance(&trace, result, uniform, 2) == KS_OK) {
        KS_ASSERT(trace.values[KS_TRACE_TVD] >= 0 && trace.values[KS_TRACE_TVD] < 1);
    }
    if (ks_trace_set_result(&trace, result) == KS_OK) {
        KS_ASSERT(trace.values[KS_TRACE_RESULT_SUPPORT] >= 1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_timing(ks_bytes_of(data, size));
    try_result(ks_bytes_of(data, size));
    try_page(ks_bytes_of(data, size));
    try_values(ks_bytes_of(data, size));
    try_table(ks_bytes_of(data, size));
    return 0;
}
