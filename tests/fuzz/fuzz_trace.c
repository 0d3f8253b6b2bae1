/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Traces: stored values have one encoding; what is read from a table can be written as CSV, and
 * is the same when it is read again. */
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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_values(ks_bytes_of(data, size));
    try_table(ks_bytes_of(data, size));
    return 0;
}
