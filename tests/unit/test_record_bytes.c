/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Every byte of a bundle: flipped, cut off, added to, written otherwise: none accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "record_fixture.h"

static struct fixture_keys keys;

/* One signature of the root less to check, some ten thousand times. */
static void without_list(struct fixture *fixture, enum fixture_step step)
{
    if (step == FIXTURE_BEGIN) {
        fixture->policy_crl = NULL;
    }
}

/* Asserts that BYTES are refused. A stale verdict cannot be mistaken for a new one. */
static void assert_refused(struct ks_bytes bytes, const struct ks_policy *policy,
                           const char *what, size_t at)
{
    struct ks_verdict verdict;
    enum ks_err err = KS_OK;

    err = ks_bundle_verify(&bytes, policy, &verdict);
    if (err != KS_ERR_VERIFY) {
        fail_msg("%s at byte %zu: %d", what, at, (int)err);
    }
}

/* One bit of every byte; each bit in turn. */
static void test_every_byte_flipped(void **state)
{
    struct fixture fixture;
    struct ks_policy *policy = NULL;

    (void)state;
    fixture_make(&fixture, &keys, without_list);
    policy = fixture_policy(&fixture);
    for (size_t i = 0; i < fixture.bundle.len; i++) {
        const uint8_t bit = (uint8_t)(1U << (i * 5 % 8));

        fixture.bundle.data[i] ^= bit;
        assert_refused(ks_buf_view(&fixture.bundle), policy, "a flipped bit", i);
        fixture.bundle.data[i] ^= bit;
    }
    const struct ks_bytes whole = ks_buf_view(&fixture.bundle);
    struct ks_verdict verdict;
    assert_int_equal(ks_bundle_verify(&whole, policy, &verdict), KS_OK);
    ks_policy_free(policy);
    fixture_free(&fixture);
}

/* All other 255 values of a sample, a prime apart. */
static void test_every_value(void **state)
{
    struct fixture fixture;
    struct ks_policy *policy = NULL;

    (void)state;
    fixture_make(&fixture, &keys, without_list);
    policy = fixture_policy(&fixture);
    for (size_t i = 0; i < fixture.bundle.len; i += 499) {
        const uint8_t before = fixture.bundle.data[i];

        for (unsigned value = 0; value < 256; value++) {
            if (value != before) {
                fixture.bundle.data[i] = (uint8_t)value;
                assert_refused(ks_buf_view(&fixture.bundle), policy, "another value", i);
            }
        }
        fixture.bundle.data[i] = before;
    }
    ks_policy_free(policy);
    fixture_free(&fixture);
}

static void test_every_length(void **state)
{
    struct fixture fixture;
    struct ks_policy *policy = NULL;
    const size_t tails[] = {1, 2, 3, 100};

    (void)state;
    fixture_make(&fixture, &keys, without_list);
    policy = fixture_policy(&fixture);
    for (size_t len = 0; len < fixture.bundle.len; len++) {
        /* An exact allocation, so that a sanitizer sees a read past its end. */
        uint8_t *cut = ks_calloc(1, len > 0 ? len : 1);

        ks_copy(cut, fixture.bundle.data, len);
        assert_refused(ks_bytes_of(cut, len), policy, "cut off", len);
        if (len > 0) { /* cut, and made to end as it should */
            cut[len - 1] = '\n';
            assert_refused(ks_bytes_of(cut, len), policy, "cut off before a newline", len);
        }
        ks_free(cut);
    }
    for (unsigned value = 0; value < 256; value++) {
        for (size_t i = 0; i < sizeof tails / sizeof tails[0]; i++) {
            const size_t len = fixture.bundle.len;

            for (size_t k = 0; k < tails[i]; k++) {
                ks_buf_put_u8(&fixture.bundle, (uint8_t)value);
            }
            assert_refused(ks_buf_view(&fixture.bundle), policy, "appended", value);
            fixture.bundle.len = len;
        }
    }
    assert_refused((struct ks_bytes){0}, policy, "nothing", 0);
    ks_policy_free(policy);
    fixture_free(&fixture);
}

static const struct {
    const char *old;
    const char *fresh;
} re_encodings[] = {
    {"{\"bundle\"", " {\"bundle\""},
    {"{\"bundle\"", "{ \"bundle\""},
    {"{\"bundle\"", "\xef\xbb\xbf{\"bundle\""},
    {"\"bundle\":", "\"bundle\" :"},
    {"\"bundle\":", "\"bundl\\u0065\":"},
    {"ketseal.bundle/1\",", "ketseal.bundle\\/1\","},
    {"\"index\":4", "\"index\":4.0"},
    {"\"index\":4", "\"index\":4e0"},
    {"\"index\":4", "\"index\":04"},
    {"\"index\":4", "\"index\":\"4\""},
    {"\"index\":4", "\"index\":4,\"index\":4"},
    {"\"counter\":41", "\"counter\":41.0"},
    {"\\n\\n", "\\u000a\\n"},
    {"\"simulated\"", "\"simulate\\u0064\""},
    {"\"clbits\":2,", "\"clbits\":2,\"clbits\":2,"},
};

static void test_other_encodings(void **state)
{
    struct fixture fixture;
    struct ks_policy *policy = NULL;

    (void)state;
    fixture_make(&fixture, &keys, without_list);
    policy = fixture_policy(&fixture);
    for (size_t i = 0; i < sizeof re_encodings / sizeof re_encodings[0]; i++) {
        struct ks_buf changed;

        ks_buf_init(&changed, KS_BUNDLE_BYTES_MAX);
        fixture_set(&changed, ks_buf_view(&fixture.bundle));
        fixture_replace(&changed, re_encodings[i].old, re_encodings[i].fresh);
        assert_refused(ks_buf_view(&changed), policy, re_encodings[i].fresh, i);
        ks_buf_done(&changed);
    }
    ks_policy_free(policy);
    fixture_free(&fixture);
}

/* Members in another order, with everything else as it was. */
static void test_members_out_of_order(void **state)
{
    struct fixture fixture;
    struct ks_policy *policy = NULL;
    struct ks_buf changed;
    const uint8_t *record = NULL;

    (void)state;
    fixture_make(&fixture, &keys, without_list);
    policy = fixture_policy(&fixture);
    record = memmem(fixture.bundle.data, fixture.bundle.len, ",\"record\":{\"core\"", 17);
    assert_non_null(record);
    const size_t at = (size_t)(record - fixture.bundle.data);
    ks_buf_init(&changed, KS_BUNDLE_BYTES_MAX);
    ks_buf_put_text(&changed, "{");
    ks_buf_put(&changed,
               ks_bytes_of(record + 1, fixture.bundle.len - at - 3)); /* without }\n */
    ks_buf_put_text(&changed, ",");
    ks_buf_put(&changed, ks_bytes_of(fixture.bundle.data + 1, at - 1));
    ks_buf_put_text(&changed, "}\n");
    assert_int_equal(changed.len, fixture.bundle.len);
    assert_refused(ks_buf_view(&changed), policy, "another order", 0);
    ks_buf_done(&changed);
    ks_policy_free(policy);
    fixture_free(&fixture);
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
        cmocka_unit_test(test_other_encodings),    cmocka_unit_test(test_members_out_of_order),
        cmocka_unit_test(test_every_length),       cmocka_unit_test(test_every_value),
        cmocka_unit_test(test_every_byte_flipped),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
