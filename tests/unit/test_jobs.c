/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What is made of a site's documents about jobs, and what the library says of its own shape. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "client/jobs.h"
#include "ketseal/abi.h"
#include "ketseal/bytes.h"
#include "ketseal/circuit.h"
#include "ketseal/verify.h"

#define ID   "389d3578-8790-4478-94fb-604c4fe62082"
#define TIME "2026-01-14T02:01:24.123456Z"
#define HEAD "{\"created_at\":\"" TIME "\","
#define REST "\"id\":\"" ID "\",\"schema\":\"ketseal.job-state/1\",\"state\":"

static enum ks_err read_text(const char *text, struct ks_job_status *out_state)
{
    const struct ks_bytes view = ks_bytes_text(text);

    return ks_job_status_read(&view, out_state);
}

static void test_states(void **state)
{
    static const char *const words[] = {"accepted", "done", "failed", "cancelled"};

    (void)state;
    for (unsigned i = 0; i < KS_JOB_PHASES; i++) {
        struct ks_job_status job;
        char text[512];

        assert_string_equal(ks_job_phase_name((enum ks_job_phase)i), words[i]);
        (void)snprintf(text, sizeof text, HEAD "%s" REST "\"%s\"}",
                       i == KS_JOB_PHASE_FAILED
                           ? "\"detail\":\"program:7:12: what\\u001b[2J\",\"error\":\"FORMAT\","
                           : "",
                       words[i]);
        assert_int_equal(read_text(text, &job), KS_OK);
        assert_int_equal(job.phase, i);
        assert_string_equal(job.id, ID);
        assert_string_equal(job.created_at, TIME);
        assert_int_equal(job.error, i == KS_JOB_PHASE_FAILED ? KS_ERR_FORMAT : KS_OK);
        /* A control character of a peer's does not come through. */
        assert_string_equal(job.detail,
                            i == KS_JOB_PHASE_FAILED ? "program:7:12: what?[2J" : "");
    }
}

static void test_unknown_error_is_a_failure(void **state)
{
    struct ks_job_status job;

    (void)state;
    assert_int_equal(read_text(HEAD "\"detail\":\"x\",\"error\":\"FROM_TOMORROW\"," REST
                                    "\"failed\"}",
                               &job),
                     KS_OK);
    assert_int_equal(job.error, KS_ERR_INTERNAL);
}

static void test_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "[]",
        HEAD REST "\"lost\"}",
        HEAD REST "\"failed\"}", /* without what with */
        HEAD REST "1}",
        HEAD "\"id\":\"" ID "\",\"schema\":\"ketseal.job-state/2\",\"state\":\"done\"}",
        HEAD "\"id\":\"x\",\"schema\":\"ketseal.job-state/1\",\"state\":\"done\"}",
        "{\"created_at\":\"yesterday\"," REST "\"done\"}",
        "{" REST "\"done\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ks_job_status job = {.detail = "as it was"};

        assert_int_equal(read_text(texts[i], &job), KS_ERR_FORMAT);
        assert_string_equal(job.detail, "as it was");
    }
}

static void test_targets(void **state)
{
    char target[KS_JOB_TARGET_MAX];

    (void)state;
    assert_int_equal(ks_job_target(ID, "/bundle", target), KS_OK);
    assert_string_equal(target, "/v1/jobs/" ID "/bundle");
    assert_int_equal(ks_job_target("../../admin", "", target), KS_ERR_USAGE);
}

static void test_buffers(void **state)
{
    struct ks_buf *buf = NULL;

    (void)state;
    assert_int_equal(ks_buf_new(4, &buf), KS_OK);
    assert_int_equal(ks_buf_view(buf).len, 0);
    ks_buf_put_text(buf, "four");
    assert_true(ks_bytes_is(ks_buf_view(buf), "four"));
    ks_buf_put_text(buf, "!");
    assert_int_equal(ks_buf_check(buf), KS_ERR_LIMIT);
    ks_buf_free(buf);
    ks_buf_free(NULL);
}

/* Sizes are those of this very build; another size, an opaque struct and nonsense are refused.
 */
static void test_abi(void **state)
{
    (void)state;
    assert_int_equal(ks_abi_check("ks_job_spec", sizeof(struct ks_job_spec)), KS_OK);
    assert_int_equal(ks_abi_check("ks_simulate_spec", sizeof(struct ks_simulate_spec)), KS_OK);
    assert_int_equal(ks_abi_check("ks_job_spec", sizeof(struct ks_job_spec) + 8),
                     KS_ERR_CONFLICT);
    assert_int_equal(ks_abi_check("ks_client", 8), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_abi_check("ks_verdict", sizeof(struct ks_verdict)), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_abi_check("", 0), KS_ERR_NOT_FOUND);
    assert_true(strlen(ks_abi_version()) >= 5);
}

/* A verdict that nothing has filled is no success, whatever one says of it. */
static void test_verdict_document(void **state)
{
    struct ks_verdict *verdict = NULL;
    struct ks_buf out;

    (void)state;
    ks_buf_init(&out, KS_VERDICT_BYTES_MAX);
    assert_int_equal(ks_verdict_new(&verdict), KS_OK);
    ks_verdict_print(verdict, KS_ERR_VERIFY, &out);
    ks_buf_put_u8(&out, 0);
    assert_int_equal(ks_buf_check(&out), KS_OK);
    assert_non_null(strstr((const char *)out.data, "\"verified\":false"));
    assert_null(strstr((const char *)out.data, "\"pass\""));
    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        char member[64];

        (void)snprintf(member, sizeof member,
                       "\"%s\":{\"reason\":", ks_verdict_check_name((enum ks_verdict_check)i));
        assert_non_null(strstr((const char *)out.data, member));
    }
    ks_buf_done(&out);
    ks_verdict_free(verdict);
    ks_verdict_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),
        cmocka_unit_test(test_unknown_error_is_a_failure),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_targets),
        cmocka_unit_test(test_buffers),
        cmocka_unit_test(test_abi),
        cmocka_unit_test(test_verdict_document),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
