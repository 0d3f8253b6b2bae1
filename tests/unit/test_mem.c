/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

static void test_views(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        int order;
    } rows[] = {
        {"", "", 0},    {"", "a", -1},  {"a", "", 1},       {"a", "a", 0},
        {"a", "b", -1}, {"ab", "a", 1}, {"a\xff", "ab", 1}, {"aa", "b", -1},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ks_bytes a = ks_bytes_text(rows[i].a);
        const struct ks_bytes b = ks_bytes_text(rows[i].b);

        assert_int_equal(ks_bytes_compare(a, b), rows[i].order);
        assert_int_equal(ks_bytes_equal(a, b), rows[i].order == 0);
        assert_int_equal(ks_ct_equal(a, b), rows[i].order == 0);
        assert_int_equal(ks_bytes_is(a, rows[i].b), rows[i].order == 0);
    }
    assert_true(ks_bytes_equal(ks_bytes_of(NULL, 0), KS_LITERAL("")));
    assert_int_equal(KS_LITERAL("a\0b").len, 3);
}

/* Every single bit counts. */
static void test_ct_equal(void **state)
{
    uint8_t a[33];
    uint8_t b[33];

    (void)state;
    memset(a, 0x5a, sizeof a);
    ks_copy(b, a, sizeof a);
    assert_true(ks_ct_equal(KS_BYTES(a), KS_BYTES(b)));
    for (size_t bit = 0; bit < 8 * sizeof a; bit++) {
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(ks_ct_equal(KS_BYTES(a), KS_BYTES(b)));
        b[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void test_alloc(void **state)
{
    uint8_t *data = NULL;
    void *empty = NULL;

    (void)state;
    assert_null(ks_calloc(SIZE_MAX, 2));
    assert_null(ks_calloc(SIZE_MAX / 2 + 1, 2));
    empty = ks_calloc(0, 8);
    assert_non_null(empty);
    ks_free(empty);
    data = ks_calloc(3, 5);
    assert_non_null(data);
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(data[i], 0);
        data[i] = (uint8_t)i;
    }
    assert_null(ks_realloc(data, SIZE_MAX, 2)); /* and DATA is still ours */
    data = ks_realloc(data, 100, 5);
    assert_non_null(data);
    assert_int_equal(data[14], 14);
    ks_free(data);
    ks_free(NULL);
}

static void test_copies(void **state)
{
    char *text = NULL;
    uint8_t *data = NULL;

    (void)state;
    ks_copy(NULL, NULL, 0);
    ks_zero(NULL, 0);
    ks_wipe(NULL, 0);
    assert_int_equal(ks_text_copy("bell", &text), KS_OK);
    assert_string_equal(text, "bell");
    assert_int_equal(ks_bytes_dup(KS_LITERAL("a\0b"), &data), KS_OK);
    assert_memory_equal(data, "a\0b", 4);
    ks_free(text);
    ks_free(data);
    assert_int_equal(ks_bytes_dup(ks_bytes_of(NULL, 0), &data), KS_OK);
    assert_int_equal(data[0], 0);
    ks_free(data);
}

static void set_too_long(void *argument)
{
    static const uint8_t value[KS_SECRET_MAX + 1];

    ks_secret_set(argument, KS_BYTES(value));
}

static void test_secret(void **state)
{
    static const uint8_t zeros[KS_SECRET_MAX];
    struct ks_secret secret = {.len = 0};

    (void)state;
    ks_secret_set(&secret, KS_LITERAL("a longer first value"));
    ks_secret_set(&secret, KS_LITERAL("short"));
    expect_text(ks_secret_view(&secret), "short");
    assert_memory_equal(secret.data + 5, zeros,
                        KS_SECRET_MAX - 5); /* nothing of the first is left */
    ks_secret_done(&secret);
    assert_memory_equal(secret.data, zeros, sizeof zeros);
    assert_int_equal(secret.len, 0);
    ks_secret_done(NULL);
    assert_true(aborts(set_too_long, &secret));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),  cmocka_unit_test(test_ct_equal),
        cmocka_unit_test(test_alloc),  cmocka_unit_test(test_copies),
        cmocka_unit_test(test_secret),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
