/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

#include "base/log.h"
#include "base/sys.h"

/* What CALL writes to standard error. */
static void captured(void (*call)(void), char *text, size_t size)
{
    int ends[2];
    const int saved = dup(STDERR_FILENO);
    ssize_t len = 0;

    assert_true(saved >= 0);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    assert_true(dup2(ends[1], STDERR_FILENO) >= 0);
    call();
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    (void)close(saved);
    (void)close(ends[1]);
    len = read(ends[0], text, size - 1);
    assert_true(len >= 0);
    text[len] = '\0';
    (void)close(ends[0]);
}

static void log_plain(void)
{
    struct ks_log_line line;

    ks_log_begin(&line, KS_LOG_INFO, "record.sealed");
    ks_log_u64(&line, "index", 7);
    ks_log_u64(&line, "most", UINT64_MAX);
    ks_log_text(&line, "device", "edge-07");
    ks_log_end(&line);
}

static void log_hostile(void)
{
    struct ks_log_line line;

    ks_log_begin(&line, KS_LOG_WARN, "peer");
    ks_log_text(&line, "empty", "");
    ks_log_text(&line, "space", "a b");
    ks_log_text(&line, "forged", "x\nlevel=info event=record.sealed");
    ks_log_bytes(&line, "bytes", KS_LITERAL("\0\033[2J\x7f\xc3\xa9\"\\\t="));
    ks_log_end(&line);
}

static void log_failure(void)
{
    (void)!ks_fail(KS_ERR_IO, "open '%s': gone", "/x");
    ks_log_failure("store.failed", KS_ERR_IO);
}

static void log_all_levels(void)
{
    ks_log_event(KS_LOG_ERROR, "e");
    ks_log_event(KS_LOG_WARN, "w");
    ks_log_event(KS_LOG_INFO, "i");
    ks_log_event(KS_LOG_DEBUG, "d");
}

static void test_lines(void **state)
{
    static const struct {
        void (*call)(void);
        const char *text;
    } rows[] = {
        {log_plain,
         "level=info program=testd event=record.sealed index=7 most=18446744073709551615 "
         "device=edge-07\n"},
        {log_hostile, "level=warn program=testd event=peer empty=\"\" space=\"a b\" "
                      "forged=\"x\\nlevel=info event=record.sealed\" "
                      "bytes=\"\\x00\\x1b[2J\\x7f\\xc3\\xa9\\\"\\\\\\t=\"\n"},
        {log_failure,
         "level=error program=testd event=store.failed err=IO detail=\"open '/x': gone\"\n"},
        {log_all_levels, "level=error program=testd event=e\nlevel=warn program=testd event=w\n"
                         "level=info program=testd event=i\n"},
    };
    char text[4096];

    (void)state;
    ks_log_init("testd", KS_LOG_INFO);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        captured(rows[i].call, text, sizeof text);
        assert_string_equal(text, rows[i].text);
    }
}

static void test_debug_says_where(void **state)
{
    char text[4096];

    (void)state;
    ks_log_init("testd", KS_LOG_DEBUG);
    captured(log_failure, text, sizeof text);
    assert_non_null(strstr(text, " where="));
    assert_non_null(strstr(text, "test_log.c:"));
    ks_log_init("testd", KS_LOG_INFO);
}

static size_t long_len; /* of the value that log_long writes */
static uint8_t long_byte;

static void log_long(void)
{
    static uint8_t value[4096];
    struct ks_log_line line;

    memset(value, long_byte, sizeof value);
    ks_log_begin(&line, KS_LOG_INFO, "long");
    ks_log_bytes(&line, "value", ks_bytes_of(value, long_len));
    ks_log_text(&line, "after", "kept if there is room");
    ks_log_u64(&line, "n", 1);
    ks_log_end(&line);
}

/* At every length: one line, within the bound, with its quotes closed. */
static void test_truncation(void **state)
{
    static const uint8_t bytes[] = {'x', ' ', '\n', 0xff};
    char text[4096];

    (void)state;
    for (size_t b = 0; b < sizeof bytes; b++) {
        long_byte = bytes[b];
        for (long_len = 0; long_len < 1100; long_len++) {
            size_t len = 0;
            unsigned quotes = 0;

            captured(log_long, text, sizeof text);
            len = strlen(text);
            assert_true(len > 0 && len <= 1024);
            assert_ptr_equal(strchr(text, '\n'), text + len - 1);
            for (size_t i = 0; i < len; i++) {
                quotes += text[i] == '"';
            }
            assert_int_equal(quotes % 2, 0);
            assert_non_null(strstr(text, "event=long value="));
        }
        assert_non_null(strstr(text, "...\""));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_debug_says_where),
        cmocka_unit_test(test_truncation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
