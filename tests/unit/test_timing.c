/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Server-Timing: what a site writes comes back to the microsecond, what others may write is
 * passed over, and what is no such field sets nothing. */
#include "unit/expect.h"

#include <stdio.h>
#include <string.h>

#include "detect/timing.h"

#define OK(call) assert_int_equal((call), KS_OK)

static void test_both_ways(void **state)
{
    struct ks_trace trace;
    struct ks_trace again;
    struct ks_buf value;

    (void)state;
    ks_buf_init(&value, KS_SERVER_TIMING_MAX);
    for (uint64_t us = 0; us < 100000; us += us / 97 + 1) {
        ks_trace_init(&trace);
        ks_trace_init(&again);
        for (unsigned i = KS_TRACE_ADMIT_US; i <= KS_TRACE_CHECKPOINT_US; i++) {
            ks_trace_set_u64(&trace, (enum ks_trace_field)i, us * (i + 1) + i);
        }
        ks_trace_set_u64(&trace, KS_TRACE_ROUND_TRIP_US, 5); /* none of the site's */
        ks_buf_clear(&value);
        ks_server_timing_put(&trace, &value);
        OK(ks_buf_check(&value));
        OK(ks_server_timing_read(ks_buf_view(&value), &again));
        for (unsigned i = 0; i < KS_TRACE_COLUMNS; i++) {
            const bool stage = i >= KS_TRACE_ADMIT_US && i <= KS_TRACE_CHECKPOINT_US;

            assert_int_equal(ks_trace_has(&again, (enum ks_trace_field)i), stage);
            assert_true(!stage || again.values[i] == trace.values[i]);
        }
    }
    ks_buf_done(&value);
}

static void test_written(void **state)
{
    struct ks_trace trace;
    struct ks_buf value;

    (void)state;
    ks_buf_init(&value, KS_SERVER_TIMING_MAX);
    ks_trace_init(&trace);
    ks_server_timing_put(&trace, &value);
    assert_int_equal(value.len, 0);
    ks_trace_set_u64(&trace, KS_TRACE_ADMIT_US, 541);
    ks_trace_set_u64(&trace, KS_TRACE_SIMULATE_US, 0);
    ks_trace_set_u64(&trace, KS_TRACE_CHECKPOINT_US, 12000);
    ks_server_timing_put(&trace, &value);
    expect_text(ks_buf_view(&value), "admit;dur=0.541, simulate;dur=0, checkpoint;dur=12");
    for (unsigned i = KS_TRACE_ADMIT_US; i <= KS_TRACE_CHECKPOINT_US; i++) {
        ks_trace_set(&trace, (enum ks_trace_field)i, 1e300); /* the longest */
    }
    ks_buf_clear(&value);
    ks_server_timing_put(&trace, &value);
    OK(ks_buf_check(&value));
    ks_buf_done(&value);
}

static void test_of_others(void **state)
{
    static const struct {
        const char *value;
        double admit_us; /* below 0: none */
    } taken[] = {
        {"admit", -1},
        {"cache;desc=\"a, b; \\\"c\";dur=3, admit;dur=1.5", 1500},
        {"admit;desc=hit;dur=2", 2000},
        {"admit;dur=1;dur=2", 1000},
        {" admit ; dur = 4 , db ", 4000},
        {"admit;dur=\"5\"", 5000},
        {"admit;dur=1, admit;dur=2", 2000},
        {"ADMIT;dur=1", -1},
        {"admit_us;dur=1", -1},
        {"admit;x", -1},
    };
    static const struct {
        const char *value;
        enum ks_err err;
    } refused[] = {
        {"", KS_ERR_FORMAT},
        {",", KS_ERR_FORMAT},
        {"admit;dur=1,", KS_ERR_FORMAT},
        {"admit;dur=", KS_ERR_FORMAT},
        {"admit;dur=-1", KS_ERR_FORMAT},
        {"admit;dur=fast", KS_ERR_FORMAT},
        {"admit;dur=nan", KS_ERR_FORMAT},
        {"admit;;dur=1", KS_ERR_FORMAT},
        {"admit;dur=1 2", KS_ERR_FORMAT},
        {"admit;desc=\"open", KS_ERR_FORMAT},
        {"admit;desc=\"open\\", KS_ERR_FORMAT},
        {"admit;dur=1;a;b;c;d;e;f;g;h", KS_ERR_LIMIT},
        {"a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", KS_ERR_LIMIT},
    };
    struct ks_trace trace;
    static char longest[KS_SERVER_TIMING_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        ks_trace_init(&trace);
        OK(ks_server_timing_read(ks_bytes_text(taken[i].value), &trace));
        assert_int_equal(ks_trace_has(&trace, KS_TRACE_ADMIT_US), taken[i].admit_us >= 0);
        assert_true(taken[i].admit_us < 0 ||
                    trace.values[KS_TRACE_ADMIT_US] == taken[i].admit_us);
    }
    ks_trace_init(&trace);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        assert_int_equal(ks_server_timing_read(ks_bytes_text(refused[i].value), &trace),
                         refused[i].err);
        assert_false(ks_trace_has(&trace, KS_TRACE_ADMIT_US));
    }
    memset(longest, 'a', sizeof longest - 1);
    assert_int_equal(ks_server_timing_read(ks_bytes_text(longest), &trace), KS_ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_written),
        cmocka_unit_test(test_of_others),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
