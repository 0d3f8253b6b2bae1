/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Traces with each of our own allocations failing once: a reader says so; who makes a row goes
 * on without what it could not measure, and the job's own result is untouched. */
#include <math.h>
#include <string.h>

#include "client/tracer.h"
#include "fault/alloc/fail_each.h"
#include "unit/vector_files.h"

static struct ks_buf bundle;
static struct ks_site *site;

static int set_up(void **state)
{
    struct ks_bundle *parsed = NULL;

    (void)state;
    vector_read("../fuzz/corpus/bundle", "template", &bundle);
    site = ks_calloc(1, sizeof *site);
    assert_non_null(site);
    assert_int_equal(ks_bundle_parse(ks_buf_view(&bundle), &parsed), KS_OK);
    site->event_log = parsed->event_log;
    ks_bundle_free(parsed);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ks_buf_done(&bundle);
    ks_free(site);
    return 0;
}

static struct ks_trace row(void)
{
    struct ks_trace trace;

    ks_trace_init(&trace);
    ks_copy(trace.device, "edge-1", 6);
    ks_trace_set_u64(&trace, KS_TRACE_QUBITS, 3);
    return trace;
}

static enum ks_err task_csv(void)
{
    enum ks_err err = KS_OK;
    const struct ks_trace trace = row();
    struct ks_trace again;
    struct ks_trace_layout layout;
    struct ks_table *table = NULL;
    struct ks_buf text;

    ks_buf_init(&text, 65536);
    ks_trace_put_csv_header(false, &text);
    ks_trace_put_csv_row(&trace, NULL, &text);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_table_read(ks_buf_view(&text), "t.csv", &table));
    KS_TRY(ks_trace_layout(table, &layout));
    KS_TRY(ks_trace_read(table, &layout, 0, &again, NULL));
    assert_true(again.values[KS_TRACE_QUBITS] == 3);
out:
    ks_table_free(table);
    ks_buf_done(&text);
    return err;
}

static enum ks_err count_row(void *context, uint64_t number, const struct ks_trace *trace)
{
    assert_int_equal(number, 5);
    assert_true(trace->values[KS_TRACE_QUBITS] == 3);
    ++*(unsigned *)context;
    return KS_OK;
}

static enum ks_err task_page(void)
{
    enum ks_err err = KS_OK;
    const struct ks_trace trace = row();
    struct ks_buf text;
    struct ks_json_writer writer = ks_json_writer_of(&text);
    uint64_t next = 0;
    unsigned rows = 0;

    ks_buf_init(&text, 65536);
    ks_trace_page_begin(&writer);
    ks_trace_page_put(5, &trace, &writer);
    ks_trace_page_end(5, &writer);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_trace_page_read(ks_buf_view(&text), count_row, &rows, &next));
    assert_true(rows == 1 && next == 5);
out:
    ks_buf_done(&text);
    return err;
}

static void test_readers(void **state)
{
    (void)state;
    fail_each(task_csv, 3, "");
    fail_each(task_page, 3, "");
}

/* --- the device's row --------------------------------------------------------------------- */

static void keep(void *context, const struct ks_trace *trace)
{
    struct ks_trace *kept = context;

    *kept = *trace;
}

/* One row of a run that ends with ERR; 0 rows leave KEPT as it was. */
static void make_row(enum ks_err err, struct ks_trace *kept)
{
    static const struct ks_session_facts facts = {
        .calls = 1,
        .call = {.encrypted = true, .group = 4588, .attempts = 1, .timing = "admit;dur=1"},
        .connect_us = 5,
        .handshake_us = 6,
        .round_trip_us = 7,
    };
    struct ks_tracer tracer = {.sink = {.version = 1, .take = keep, .context = kept}};
    enum ks_err ended = KS_OK;

    ks_tracer_begin(&tracer, "edge-1", NULL, &(struct ks_session_facts){0});
    ks_tracer_exchange(&tracer, &facts);
    if (err == KS_OK) {
        ks_tracer_bundle(&tracer, ks_buf_view(&bundle), site);
    }
    ended =
        ks_tracer_end(&tracer, err == KS_OK ? KS_OK : ks_fail(err, "the site says no"), &facts);
    assert_int_equal(ended, err);
    assert_true(err == KS_OK || strcmp(ks_err_detail(), "the site says no") == 0);
}

static void test_the_row_goes_on(void **state)
{
    struct ks_trace whole;
    uint64_t n = 1;
    unsigned poorer = 0;
    bool fired = true;

    (void)state;
    ks_trace_init(&whole);
    make_row(KS_OK, &whole);
    assert_true(ks_trace_has(&whole, KS_TRACE_QUBITS) && ks_trace_has(&whole, KS_TRACE_TVD));
    assert_true(whole.values[KS_TRACE_PCR_MATCH] == 1);
    for (; fired; n++) {
        struct ks_trace kept;

        ks_trace_init(&kept);
        ks_fault_fail_alloc_at(n);
        make_row(KS_OK, &kept);
        fired = ks_fault_fired();
        ks_fault_fail_alloc_at(0);
        assert_true(kept.values[KS_TRACE_ROUND_TRIP_US] == 7);
        assert_true(kept.values[KS_TRACE_ADMIT_US] == 1000);
        for (unsigned i = 0; i < KS_TRACE_COLUMNS; i++) { /* what is there is right */
            assert_true(isnan(kept.values[i]) || kept.values[i] == whole.values[i] ||
                        i == KS_TRACE_SHOTS);
        }
        poorer += !ks_trace_has(&kept, KS_TRACE_TVD);
        assert_true(fired || ks_trace_has(&kept, KS_TRACE_TVD));
    }
    assert_true(n > 10 && poorer >= n - 2);
    ks_trace_init(&whole);
    make_row(KS_ERR_DENIED, &whole);
    assert_true(whole.values[KS_TRACE_ERROR] == KS_ERR_DENIED);
    assert_false(ks_trace_has(&whole, KS_TRACE_QUBITS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_readers),
        cmocka_unit_test(test_the_row_goes_on),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
