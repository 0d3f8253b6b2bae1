/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "record_changes.h"

enum ks_err record_verify(struct ks_bytes bundle, struct ks_bytes policy_text,
                          struct ks_verdict *verdict)
{
    enum ks_err err = KS_OK;
    struct ks_policy *policy = NULL;

    assert_int_equal(ks_policy_read(&policy_text, &policy), KS_OK);
    err = ks_bundle_verify(&bundle, policy, verdict);
    ks_policy_free(policy);
    return err;
}

void record_print_verdict(const struct ks_verdict *verdict)
{
    static const char *const states[] = {"not-run", "pass", "fail"};

    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        print_message("%-20s %-8s %s\n", ks_verdict_check_name((enum ks_verdict_check)i),
                      states[verdict->checks[i].state], verdict->checks[i].reason);
    }
}

bool record_check_runs(unsigned check)
{
    return check != KS_VERDICT_PLATFORM_SITE && check != KS_VERDICT_PLATFORM_REPORT &&
           check != KS_VERDICT_LEDGER_WITNESS && check != KS_VERDICT_ANCHOR_PROOF &&
           check != KS_VERDICT_ANCHOR_CANONICAL && check != KS_VERDICT_TIMESTAMP &&
           check != KS_VERDICT_REPLAY;
}

void record_assert_passes(const struct fixture *fixture)
{
    struct ks_verdict verdict;

    if (record_verify(ks_buf_view(&fixture->bundle), ks_buf_view(&fixture->policy), &verdict) !=
        KS_OK) {
        record_print_verdict(&verdict);
        fail_msg("%s", ks_err_detail());
    }
    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        assert_int_equal(verdict.checks[i].state, record_check_runs(i) ? KS_PASS : KS_NOT_RUN);
        assert_int_equal(verdict.checks[i].reason[0] == '\0', record_check_runs(i));
    }
    assert_string_equal(verdict.record_id, fixture->core.record_id);
    assert_string_equal(verdict.device, fixture->core.kind == KS_KIND_ROUND ? FIXTURE_OPERATOR
                                                                            : FIXTURE_DEVICE);
    assert_string_equal(verdict.origin, FIXTURE_ORIGIN);
    assert_int_equal(verdict.ledger_index, 4);
    assert_int_equal(verdict.ledger_size, 6);
    assert_memory_equal(verdict.record_hash, fixture->core_hash, 32);
}

static bool as_expected(const struct record_change *one, const struct ks_verdict *verdict)
{
    bool good = strstr(verdict->checks[one->fails].reason, one->reason) != NULL;

    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        enum ks_verdict_state want = record_check_runs(i) ? KS_PASS : KS_NOT_RUN;

        if (i == (unsigned)one->fails) {
            want = KS_FAIL;
        } else if (one->fails == KS_VERDICT_FORMAT) {
            want = KS_NOT_RUN;
        } else if ((one->also >> i & 1) != 0) {
            want = KS_FAIL;
        }
        good = good && verdict->checks[i].state == want;
    }
    return good;
}

void record_assert_changes(const struct fixture_keys *keys, const struct record_change *changes,
                           size_t count)
{
    unsigned failed = 0;

    for (size_t i = 0; i < count; i++) {
        const struct record_change *one = &changes[i];
        const char *name = ks_verdict_check_name(one->fails);
        struct fixture fixture;
        struct ks_verdict verdict;

        fixture_make(&fixture, keys, one->change);
        const enum ks_err err =
            record_verify(ks_buf_view(&fixture.bundle), ks_buf_view(&fixture.policy), &verdict);
        /* The first that failed is named. */
        if (err != KS_ERR_VERIFY || strncmp(ks_err_detail(), name, strlen(name)) != 0 ||
            !as_expected(one, &verdict)) {
            print_error("%s: %d '%s', want %s\n", one->name, (int)err, ks_err_detail(), name);
            record_print_verdict(&verdict);
            failed++;
        }
        fixture_free(&fixture);
    }
    assert_int_equal(failed, 0);
}

/* --- round trips -------------------------------------------------------------------------- */

static struct ks_json_doc *parse(struct ks_bytes text)
{
    static const struct ks_json_limits limits = {.len_max = KS_BUNDLE_BYTES_MAX,
                                                 .nodes_max = 100000};
    struct ks_json_doc *doc = NULL;

    assert_int_equal(ks_json_parse_canonical(text, &limits, &doc), KS_OK);
    return doc;
}

void record_assert_same(struct ks_buf *again, struct ks_bytes first)
{
    assert_int_equal(ks_buf_check(again), KS_OK);
    assert_true(ks_bytes_equal(ks_buf_view(again), first));
    ks_buf_done(again);
}

static void request_round_trip(const struct fixture *fixture)
{
    struct ks_json_doc *doc = parse(ks_buf_view(&fixture->job_bytes));
    struct ks_submission submission;
    struct ks_job job;
    struct ks_buf again;

    ks_buf_init(&again, KS_BUNDLE_BYTES_MAX);
    assert_int_equal(ks_job_parse(ks_json_root(doc), &job), KS_OK);
    ks_job_write(&job, &again);
    record_assert_same(&again, ks_buf_view(&fixture->job_bytes));
    ks_json_doc_free(doc);

    doc = parse(ks_buf_view(&fixture->submission_bytes));
    assert_int_equal(ks_submission_parse(ks_json_root(doc), &submission), KS_OK);
    ks_submission_write(&submission, &again);
    record_assert_same(&again, ks_buf_view(&fixture->submission_bytes));
    ks_json_doc_free(doc);
}

void record_round_trip(const struct fixture_keys *keys, fixture_change change)
{
    struct fixture fixture;
    struct ks_json_doc *doc = NULL;
    struct ks_buf again;
    struct ks_buf parameters;
    struct ks_buf result;
    struct ks_core core;
    struct ks_bundle *bundle = NULL;
    struct ks_bundle_parts parts;

    fixture_make(&fixture, keys, change);
    ks_buf_init(&again, KS_BUNDLE_BYTES_MAX);
    if (fixture.core.kind != KS_KIND_ROUND) {
        request_round_trip(&fixture);
    }
    ks_buf_init(&parameters, 4096);
    ks_buf_init(&result, KS_RESULT_BYTES_MAX);
    doc = parse(ks_buf_view(&fixture.core_bytes));
    assert_int_equal(ks_core_parse(ks_json_root(doc), &parameters, &result, &core), KS_OK);
    ks_core_write(&core, &again);
    record_assert_same(&again, ks_buf_view(&fixture.core_bytes));
    ks_json_doc_free(doc);
    ks_buf_done(&parameters);
    ks_buf_done(&result);

    assert_int_equal(ks_bundle_parse(ks_buf_view(&fixture.bundle), &bundle), KS_OK);
    parts = ks_bundle_parts_of(bundle);
    ks_bundle_write(&parts, &again);
    record_assert_same(&again, ks_buf_view(&fixture.bundle));
    ks_bundle_free(bundle);
    fixture_free(&fixture);
}
