/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A bundle with an anchor and a time stamp, and its policy, read, verified and written again
 * without memory at any point: said so, nothing half-made handed out, no verdict. */
#include "fault/alloc/fail_each.h"

#include "record/policy.h"
#include "record/record.h"
#include "unit/vector_files.h"

static struct ks_buf bundle_bytes;
static struct ks_buf policy_bytes;
static struct ks_policy *policy;

static int set_up(void **state)
{
    struct ks_bytes view = {0};

    (void)state;
    vector_read("bundle/anchored", "bell.bundle", &bundle_bytes);
    vector_read("bundle/anchored", "lab.policy", &policy_bytes);
    view = ks_buf_view(&policy_bytes);
    return ks_policy_read(&view, &policy) == KS_OK ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    ks_policy_free(policy);
    ks_buf_done(&bundle_bytes);
    ks_buf_done(&policy_bytes);
    return 0;
}

static enum ks_err task_bundle(void)
{
    enum ks_err err = KS_OK;
    struct ks_bundle *bundle = NULL;
    struct ks_bundle_parts parts = {0};
    struct ks_buf again;

    ks_buf_init(&again, KS_BUNDLE_BYTES_MAX);
    KS_TRY(ks_bundle_parse(ks_buf_view(&bundle_bytes), &bundle));
    parts = ks_bundle_parts_of(bundle);
    ks_bundle_write(&parts, &again);
    KS_TRY(ks_buf_check(&again));
    assert_true(ks_bytes_equal(ks_buf_view(&again), ks_buf_view(&bundle_bytes)));
out:
    assert_true(err == KS_OK || again.len == 0 || bundle != NULL);
    ks_bundle_free(bundle);
    ks_buf_done(&again);
    return err;
}

static enum ks_err task_policy(void)
{
    const struct ks_bytes view = ks_buf_view(&policy_bytes);
    struct ks_policy *read = NULL;
    const enum ks_err err = ks_policy_read(&view, &read);

    assert_int_equal(err == KS_OK, read != NULL);
    ks_policy_free(read);
    return err;
}

/* What could not be told is neither yes nor no. */
static enum ks_err task_verify(void)
{
    const struct ks_bytes view = ks_buf_view(&bundle_bytes);
    struct ks_verdict verdict;
    const enum ks_err err = ks_bundle_verify(&view, policy, &verdict);

    assert_int_not_equal(err, KS_ERR_VERIFY);
    for (unsigned i = 0; i < KS_VERDICT_CHECKS; i++) {
        assert_int_not_equal(verdict.checks[i].state, KS_FAIL);
    }
    return err;
}

static enum ks_err task_timestamp(void)
{
    enum ks_err err = KS_OK;
    const struct ks_timestamp_request request = {.digest = {1}, .nonce = {2}};
    struct ks_bundle *bundle = NULL;
    struct ks_buf token;
    struct ks_buf asked;

    ks_buf_init(&token, KS_TIMESTAMP_TOKEN_MAX);
    ks_buf_init(&asked, KS_TIMESTAMP_REQUEST_MAX);
    KS_TRY(ks_timestamp_request_write(&request, &asked));
    KS_TRY(ks_bundle_parse(ks_buf_view(&bundle_bytes), &bundle));
    KS_TRY(ks_timestamp_answer_read(ks_buf_view(&bundle->timestamp), (struct ks_bytes){0},
                                    &token));
out:
    ks_bundle_free(bundle);
    ks_buf_done(&token);
    ks_buf_done(&asked);
    return err;
}

static void test_each_allocation(void **state)
{
    (void)state;
    fail_each(task_bundle, 20, "");
    fail_each(task_policy, 10, "");
    fail_each(task_timestamp, 20, "");
    fail_each(task_verify, 20, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_allocation),
    };

    return cmocka_run_group_tests_name("alloc_bundle", tests, set_up, tear_down);
}
