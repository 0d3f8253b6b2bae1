/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

static void test_table(void **state)
{
    static const struct {
        enum ks_err err;
        const char *name;
        int exit_code;
        int http_status;
    } rows[] = {
        {KS_OK, "OK", 0, 200},
        {KS_ERR_VERIFY, "VERIFY", 1, 422},
        {KS_ERR_USAGE, "USAGE", 2, 400},
        {KS_ERR_FORMAT, "FORMAT", 3, 400},
        {KS_ERR_LIMIT, "LIMIT", 3, 413},
        {KS_ERR_IO, "IO", 4, 502},
        {KS_ERR_NOMEM, "NOMEM", 4, 503},
        {KS_ERR_DENIED, "DENIED", 5, 403},
        {KS_ERR_NOT_FOUND, "NOT_FOUND", 6, 404},
        {KS_ERR_INTERNAL, "INTERNAL", 70, 500},
        {KS_ERR_UNAVAILABLE, "UNAVAILABLE", 4, 503},
        {KS_ERR_CONFLICT, "CONFLICT", 5, 409},
        {KS_ERR_CANCELLED, "CANCELLED", 5, 409},
        {KS_ERR_STALE, "STALE", 5, 403},
        {(enum ks_err)4711, "INTERNAL", 70, 500},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_string_equal(ks_err_name(rows[i].err), rows[i].name);
        assert_int_equal(ks_err_exit_code(rows[i].err), rows[i].exit_code);
        assert_int_equal(ks_err_http_status(rows[i].err), rows[i].http_status);
        assert_true(strlen(ks_err_meaning(rows[i].err)) > 0);
    }
    assert_string_equal(ks_err_meaning(KS_ERR_FORMAT), "malformed input");
}

static void test_detail(void **state)
{
    char where[64];

    (void)state;
    assert_int_equal(ks_fail(KS_ERR_FORMAT, "gate '%s' at %d", "hh", 7), KS_ERR_FORMAT);
    (void)snprintf(where, sizeof where, "test_err.c:%d", __LINE__ - 1);
    assert_string_equal(ks_err_detail(), "gate 'hh' at 7");
    assert_non_null(strstr(ks_err_where(), where));

    /* A detail may be built from the one before. */
    assert_int_equal(ks_fail(KS_ERR_IO, "again: %s", ks_err_detail()), KS_ERR_IO);
    assert_string_equal(ks_err_detail(), "again: gate 'hh' at 7");
}

static void test_prefix(void **state)
{
    char where[160];

    (void)state;
    assert_int_equal(ks_fail(KS_ERR_FORMAT, "no end"), KS_ERR_FORMAT);
    (void)snprintf(where, sizeof where, "%s", ks_err_where());
    assert_int_equal(ks_fail_prefix(KS_OK, "ignored"), KS_OK);
    assert_string_equal(ks_err_detail(), "no end");
    assert_int_equal(ks_fail_prefix(KS_ERR_FORMAT, "%s:%d", "bell.qasm", 3), KS_ERR_FORMAT);
    assert_string_equal(ks_err_detail(), "bell.qasm:3: no end");
    assert_string_equal(ks_err_where(),
                        where); /* the place of the failure, not of the prefix */
}

static void test_controls(void **state)
{
    static const struct {
        const char *text;
        const char *stored;
    } rows[] = {
        {"a\033[2Jb", "a?[2Jb"},
        {"line\nline\r\x7f\x01", "line?line???"},
        {"caf\xc3\xa9", "caf\xc3\xa9"},
        {"csi \xc2\x9b"
         "2J",
         "csi ??2J"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(ks_fail(KS_ERR_FORMAT, "%s", rows[i].text), KS_ERR_FORMAT);
        assert_string_equal(ks_err_detail(), rows[i].stored);
    }
}

static void test_bounds(void **state)
{
    char text[2 * KS_ERR_DETAIL_MAX];

    (void)state;
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_int_equal(ks_fail(KS_ERR_LIMIT, "%s", text), KS_ERR_LIMIT);
    assert_int_equal(strlen(ks_err_detail()), KS_ERR_DETAIL_MAX - 1);
    assert_int_equal(ks_fail_prefix(KS_ERR_LIMIT, "%s", text), KS_ERR_LIMIT);
    assert_int_equal(strlen(ks_err_detail()), KS_ERR_DETAIL_MAX - 1);
}

static void fail_assertion(void *argument)
{
    KS_ASSERT(argument != NULL);
}

static void test_assert(void **state)
{
    int something = 0;

    (void)state;
    assert_true(aborts(fail_assertion, NULL));
    assert_false(aborts(fail_assertion, &something));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),  cmocka_unit_test(test_detail),
        cmocka_unit_test(test_prefix), cmocka_unit_test(test_controls),
        cmocka_unit_test(test_bounds), cmocka_unit_test(test_assert),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
