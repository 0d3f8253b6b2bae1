/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a record says of a run by another SDK than ours: version, backend, environment; and jobs
 * that ask for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "record_changes.h"

static struct fixture_keys keys;

/* --- what passes -------------------------------------------------------------------------- */

/* A launch with adapters, and a job that one of them ran. */
static void by_sdk(struct fixture *fixture, enum ks_sdk sdk, const char *environment)
{
    struct ks_core *core = &fixture->core;
    uint8_t digest[32];

    memset(digest, 0x64, sizeof digest);
    assert_int_equal(ks_event_log_add(&fixture->log, "ketseal-adapter", digest), KS_OK);
    ks_copy(core->build, digest, sizeof core->build);
    memset(digest, 0x65, sizeof digest);
    assert_int_equal(ks_event_log_add(&fixture->log, environment, digest), KS_OK);
    ks_copy(core->sdk_run.environment, digest, sizeof digest);
    fixture->site.event_log = fixture->log;
    fixture->job.schema = 3;
    fixture->job.method = KS_METHOD_AUTO;
    fixture->job.sdk = sdk;
    core->sdk = sdk;
    core->isa = (struct ks_bytes){0};
    core->numerics = 0;
    core->sdk_run.version = KS_LITERAL("2.6.2");
    core->sdk_run.backend = KS_LITERAL("qiskit-aer");
    core->sdk_run.backend_version = KS_LITERAL("0.18.2+local");
    memset(core->sdk_run.transpiled, 0x66, sizeof core->sdk_run.transpiled);
}

static void by_qiskit(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        by_sdk(fixture, KS_SDK_QISKIT, "environment-qiskit");
    }
}

static void by_cirq(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        by_sdk(fixture, KS_SDK_CIRQ, "environment-cirq");
    }
}

static void test_variants_pass(void **state)
{
    static const fixture_change variants[] = {by_qiskit, by_cirq};

    (void)state;
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        struct fixture fixture;

        fixture_make(&fixture, &keys, variants[i]);
        record_assert_passes(&fixture);
        fixture_free(&fixture);
        record_round_trip(&keys, variants[i]);
    }
}

/* --- what does not ------------------------------------------------------------------------ */

#define VARIED(name, variant, ...)                                                             \
    static void name(struct fixture *f, enum fixture_step step)                                \
    {                                                                                          \
        variant(f, step);                                                                      \
        AT(FIXTURE_CORE)                                                                       \
        __VA_ARGS__;                                                                           \
    }
VARIED(other_sdk, by_qiskit, f->core.sdk = KS_SDK_CIRQ)
VARIED(own_instead, by_qiskit, f->core.sdk = KS_SDK_KETSEAL; f->core.isa = KS_LITERAL("avx2");
       ks_copy(f->core.build, ks_event_log_find(&f->log, "ketseal-worker"), 32))
VARIED(other_environment, by_qiskit, f->core.sdk_run.environment[0] ^= 1)
VARIED(build_of_the_worker, by_cirq,
       ks_copy(f->core.build, ks_event_log_find(&f->log, "ketseal-worker"), 32))

static void core_replaced(struct fixture *f, enum fixture_step step, const char *old,
                          const char *fresh)
{
    AT(FIXTURE_WRITTEN)
    fixture_replace(&f->core_bytes, old, fresh);
}
#define REPLACED(name, variant, old, fresh)                                                    \
    static void name(struct fixture *f, enum fixture_step step)                                \
    {                                                                                          \
        variant(f, step);                                                                      \
        core_replaced(f, step, (old), (fresh));                                                \
    }
REPLACED(unknown_sdk, by_qiskit, "\"sdk\":\"qiskit\"", "\"sdk\":\"magic\"")
REPLACED(sdk_too_early, by_qiskit, "ketseal-4", "ketseal-3")
REPLACED(no_version, by_qiskit, "\"sdk_version\":\"2.6.2\",", "")
REPLACED(empty_version, by_qiskit, "\"sdk_version\":\"2.6.2\"", "\"sdk_version\":\"\"")
REPLACED(version_with_blank, by_qiskit, "\"sdk_version\":\"2.6.2\"",
         "\"sdk_version\":\"2.6 2\"")
REPLACED(
    no_environment, by_cirq,
    "\"environment\":\"6565656565656565656565656565656565656565656565656565656565656565\",", "")
REPLACED(isolation_of_a_worker, by_cirq, "\"isolation\":\"interpreter\"",
         "\"isolation\":\"process\"")
REPLACED(with_numerics, by_cirq, "\"precision\"", "\"numerics\":1,\"precision\"")
REPLACED(with_method, by_cirq, "\"precision\"",
         "\"method\":{\"name\":\"statevector\"},\"precision\"")
REPLACED(with_noise, by_cirq, "\"parameters\"", "\"noise\":{},\"parameters\"")

static void unchanged(struct fixture *fixture, enum fixture_step step)
{
    (void)fixture;
    (void)step;
}
REPLACED(own_with_environment, unchanged, "\"finished_at\"",
         "\"environment\":\"00\",\"finished_at\"")
REPLACED(own_with_version, unchanged, "\"seed\"", "\"sdk_version\":\"1\",\"seed\"")

static const struct record_change changes[] = {
    ONE(other_sdk, REQUEST_BINDING, "asks for the SDK 'qiskit', 'cirq' ran it", BIT(QUOTE_PCR)),
    ONE(own_instead, REQUEST_BINDING, "asks for the SDK 'qiskit', 'ketseal' ran it", 0),
    ONE(other_environment, QUOTE_PCR, "environment is not the one that was measured", 0),
    ONE(build_of_the_worker, QUOTE_PCR, "build is not the adapter that was launched", 0),
    ONE(unknown_sdk, FORMAT, "'sdk'", 0),
    ONE(sdk_too_early, FORMAT, "'sdk': expected 'ketseal'", 0),
    ONE(no_version, FORMAT, "'sdk_version'", 0),
    ONE(empty_version, FORMAT, "'sdk_version'", 0),
    ONE(version_with_blank, FORMAT, "'sdk_version'", 0),
    ONE(no_environment, FORMAT, "'environment'", 0),
    ONE(isolation_of_a_worker, FORMAT, "'isolation'", 0),
    ONE(with_numerics, FORMAT, "'numerics'", 0),
    ONE(with_method, FORMAT, "'method'", 0),
    ONE(with_noise, FORMAT, "'noise'", 0),
    ONE(own_with_environment, FORMAT, "'environment'", 0),
    ONE(own_with_version, FORMAT, "'sdk_version'", 0),
};

static void test_each_change(void **state)
{
    (void)state;
    record_assert_changes(&keys, changes, sizeof changes / sizeof changes[0]);
}

/* --- jobs --------------------------------------------------------------------------------- */

static const struct {
    const char *old;
    const char *fresh;
    const char *reason;
} bad_jobs[] = {
    {"\"sdk\":\"qiskit\"", "\"sdk\":\"ketseal\"", "a job for ketseal itself"},
    {"\"sdk\":\"qiskit\"", "\"sdk\":\"Qiskit\"", "'sdk': expected ketseal, qiskit or cirq"},
    {"\"sdk\":\"qiskit\"", "\"sdk\":7", "'sdk'"},
    {"\"sdk\":\"qiskit\",", "", "'sdk'"},
    {"ketseal.job/3", "ketseal.job/2", "'sdk'"},
    {"ketseal.job/3", "ketseal.job/1", "'sdk'"},
    {"\"precision\"", "\"method\":\"auto\",\"precision\"", "'method'"},
    {"\"precision\"", "\"noise\":{},\"precision\"", "'noise'"},
};

static void test_job_members(void **state)
{
    static const struct ks_json_limits limits = {.len_max = 65536, .nodes_max = 256};
    struct fixture fixture;
    struct ks_buf text;

    (void)state;
    fixture_make(&fixture, &keys, by_qiskit);
    ks_buf_init(&text, 65536);
    for (size_t i = 0; i < sizeof bad_jobs / sizeof bad_jobs[0]; i++) {
        struct ks_json_doc *doc = NULL;
        struct ks_job job;

        fixture_set(&text, ks_buf_view(&fixture.job_bytes));
        fixture_replace(&text, bad_jobs[i].old, bad_jobs[i].fresh);
        assert_int_equal(ks_json_parse(ks_buf_view(&text), &limits, &doc), KS_OK);
        assert_int_equal(ks_job_parse(ks_json_root(doc), &job), KS_ERR_FORMAT);
        if (strstr(ks_err_detail(), bad_jobs[i].reason) == NULL) {
            fail_msg("%s: '%s'", bad_jobs[i].fresh, ks_err_detail());
        }
        ks_json_doc_free(doc);
    }
    fixture_free(&fixture);
    ks_buf_done(&text);
}

static int make_keys(void **state)
{
    (void)state;
    fixture_keys_make(&keys);
    return 0;
}

static int free_keys(void **state)
{
    (void)state;
    fixture_keys_free(&keys);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variants_pass),
        cmocka_unit_test(test_each_change),
        cmocka_unit_test(test_job_members),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
