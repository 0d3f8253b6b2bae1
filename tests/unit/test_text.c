/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

#include <fenv.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "base/sys.h"
#include "base/text.h"

static void test_hex(void **state)
{
    static const char *const reject[] = {"",          "0",        "00112",
                                         "001122334", "0011223G", "001122AA",
                                         "0x112233",  " 0112233", "0011 233"};
    static const uint8_t bytes[] = {0x00, 0x11, 0xab, 0xff};
    char text[9];
    uint8_t back[4] = {9, 9, 9, 9};

    (void)state;
    ks_hex_encode(KS_BYTES(bytes), text);
    assert_string_equal(text, "0011abff");
    for (size_t i = 0; i < sizeof reject / sizeof reject[0]; i++) {
        assert_int_equal(ks_hex_decode(ks_bytes_text(reject[i]), back, 4), KS_ERR_FORMAT);
    }
    assert_memory_equal(back, "\11\11\11\11", 4); /* untouched by failures */
    assert_int_equal(ks_hex_decode(ks_bytes_text(text), back, 4), KS_OK);
    assert_memory_equal(back, bytes, 4);
    assert_int_equal(ks_hex_decode(ks_bytes_text(""), back, 0), KS_OK);
}

/* RFC 4648 section 10, and both special digits. */
static void test_base64(void **state)
{
    static const struct {
        const char *bytes;
        const char *text;
    } rows[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
        {"\xfb\xff\xbf", "+/+/"},
    };
    static const char *const reject[] = {"Zg",   "Zg=",  "Zg===",    "Zh==",   "Zm9=",   "=",
                                         "====", "Z===", "Zg==Zg==", "Zm9v\n", "Zm 9v",  "Zm9-",
                                         "Zm9_", "Zm=v", "Z=9v",     "Zm9vA",  "Zm9\x80"};
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 100);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct ks_bytes bytes = ks_bytes_text(rows[i].bytes);
        uint8_t exact[6];

        ks_buf_clear(&buf);
        ks_buf_put_base64(&buf, bytes);
        expect_text(ks_buf_view(&buf), rows[i].text);
        ks_buf_clear(&buf);
        assert_int_equal(ks_base64_decode(ks_bytes_text(rows[i].text), &buf), KS_OK);
        expect_bytes(ks_buf_view(&buf), bytes);
        assert_int_equal(ks_base64_decode_exact(ks_bytes_text(rows[i].text), exact, bytes.len),
                         KS_OK);
        expect_bytes(ks_bytes_of(exact, bytes.len), bytes);
        assert_int_equal(
            ks_base64_decode_exact(ks_bytes_text(rows[i].text), exact, bytes.len + 1),
            KS_ERR_FORMAT);
    }
    ks_buf_clear(&buf);
    ks_buf_put_text(&buf, "kept");
    for (size_t i = 0; i < sizeof reject / sizeof reject[0]; i++) {
        if (ks_base64_decode(ks_bytes_text(reject[i]), &buf) != KS_ERR_FORMAT) {
            print_error("accepted '%s'\n", reject[i]);
            fail();
        }
    }
    expect_text(ks_buf_view(&buf), "kept");
    ks_buf_done(&buf);
}

/* Of all texts of four characters that decode, each decodes to other bytes: one text per
 * value. */
static void test_base64_is_injective(void **state)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    unsigned accepted = 0;

    (void)state;
    for (size_t c = 0; c < 65; c++) {
        for (size_t d = 0; d < 65; d++) {
            const uint8_t text[4] = {'Q', 'U', (uint8_t)digits[c], (uint8_t)digits[d]};
            struct ks_buf buf;
            struct ks_buf again;

            ks_buf_init(&buf, 3);
            ks_buf_init(&again, 4);
            if (ks_base64_decode(KS_BYTES(text), &buf) == KS_OK) {
                accepted++;
                ks_buf_put_base64(&again, ks_buf_view(&buf));
                expect_bytes(ks_buf_view(&again), KS_BYTES(text));
            }
            ks_buf_done(&buf);
            ks_buf_done(&again);
        }
    }
    assert_int_equal(accepted, 64 * 64 + 16); /* 'U' leaves four zero bits, so "QU==" is out */
}

static void test_u64(void **state)
{
    static const struct {
        const char *text;
        uint64_t max;
        enum ks_err err;
        uint64_t value;
    } rows[] = {
        {"0", 0, KS_OK, 0},
        {"7", 7, KS_OK, 7},
        {"8", 7, KS_ERR_FORMAT, 0},
        {"1", 0, KS_ERR_FORMAT, 0},
        {"18446744073709551615", UINT64_MAX, KS_OK, UINT64_MAX},
        {"18446744073709551616", UINT64_MAX, KS_ERR_FORMAT, 0},
        {"184467440737095516150", UINT64_MAX, KS_ERR_FORMAT, 0},
        {"99999999999999999999", UINT64_MAX, KS_ERR_FORMAT, 0},
        {"255", 255, KS_OK, 255},
        {"256", 255, KS_ERR_FORMAT, 0},
        {"", 9, KS_ERR_FORMAT, 0},
        {"00", 9, KS_ERR_FORMAT, 0},
        {"01", 9, KS_ERR_FORMAT, 0},
        {"+1", 9, KS_ERR_FORMAT, 0},
        {"-1", 9, KS_ERR_FORMAT, 0},
        {" 1", 9, KS_ERR_FORMAT, 0},
        {"1 ", 9, KS_ERR_FORMAT, 0},
        {"1e0", 9, KS_ERR_FORMAT, 0},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint64_t value = 4711;

        assert_int_equal(ks_text_u64(ks_bytes_text(rows[i].text), rows[i].max, &value),
                         rows[i].err);
        assert_true(value == (rows[i].err == KS_OK ? rows[i].value : 4711));
    }
}

static void test_utf8(void **state)
{
    static const struct {
        const char *text;
        bool valid;
    } rows[] = {
        {"", true},
        {"plain", true},
        {"\xc2\x80", true},
        {"\xdf\xbf", true},
        {"\xe0\xa0\x80", true},
        {"\xed\x9f\xbf", true},
        {"\xee\x80\x80", true},
        {"\xef\xbf\xbf", true},
        {"\xf0\x90\x80\x80", true},
        {"\xf4\x8f\xbf\xbf", true},
        {"\x80", false},
        {"\xc0\x80", false},
        {"\xc1\xbf", false},
        {"\xe0\x9f\xbf", false},
        {"\xed\xa0\x80", false},
        {"\xf0\x8f\xbf\xbf", false},
        {"\xf4\x90\x80\x80", false},
        {"\xf5\x80\x80\x80", false},
        {"\xff", false},
        {"\xc2", false},
        {"\xe1\x80", false},
        {"\xf1\x80\x80", false},
        {"\xe1\x80\xc0", false},
        {"a\xc2z", false},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_int_equal(ks_utf8_valid(ks_bytes_text(rows[i].text)), rows[i].valid);
    }
}

/* All 2^24 texts of three bytes that start with a lead byte of three, against the definition:
 * decode, then check the range (RFC 3629 section 3). */
static void test_utf8_three_bytes(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < UINT32_C(0x100000); i++) {
        const uint8_t text[3] = {(uint8_t)(0xe0 | i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        const bool formed = (text[1] & 0xc0) == 0x80 && (text[2] & 0xc0) == 0x80;
        const uint32_t code = (text[0] & 15U) << 12 | (text[1] & 63U) << 6 | (text[2] & 63U);
        const bool valid = formed && code >= 0x800 && (code < 0xd800 || code > 0xdfff);

        assert_int_equal(ks_utf8_valid(KS_BYTES(text)), valid);
    }
}

static void test_names(void **state)
{
    (void)state;
    assert_true(ks_text_is_name(KS_LITERAL("edge-07_A"), 9));
    assert_false(ks_text_is_name(KS_LITERAL("edge-07_A"), 8));
    assert_false(ks_text_is_name(KS_LITERAL(""), 8));
    for (unsigned byte = 0; byte < 256; byte++) {
        const uint8_t text = (uint8_t)byte;
        const char *allowed =
            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

        assert_int_equal(ks_text_is_name(ks_bytes_of(&text, 1), 8),
                         byte != 0 && strchr(allowed, (int)byte) != NULL);
    }
}

static void test_time(void **state)
{
    static const struct {
        uint64_t time_us;
        const char *text;
    } rows[] = {
        {0, "1970-01-01T00:00:00.000000Z"},
        {UINT64_C(1768356084123456), "2026-01-14T02:01:24.123456Z"},
        {UINT64_C(951782400000000), "2000-02-29T00:00:00.000000Z"},
        {UINT64_C(4107542399999999), "2100-02-28T23:59:59.999999Z"},
        {UINT64_C(4107542400000000), "2100-03-01T00:00:00.000000Z"},
        {UINT64_C(253402300799999999), "9999-12-31T23:59:59.999999Z"},
    };
    static const char *const reject[] = {
        "",
        "2026-01-14T02:01:24Z",
        "2026-01-14T02:01:24.123456",
        "2026-01-14T02:01:24.123456z",
        "2026-01-14 02:01:24.123456Z",
        "2026-01-14T02:01:24,123456Z",
        "2026-13-14T02:01:24.123456Z",
        "2026-00-14T02:01:24.123456Z",
        "2026-01-00T02:01:24.123456Z",
        "2026-01-32T02:01:24.123456Z",
        "2026-02-29T02:01:24.123456Z",
        "2100-02-29T02:01:24.123456Z",
        "2026-01-14T24:00:00.000000Z",
        "2026-01-14T02:60:24.123456Z",
        "2026-01-14T02:01:60.000000Z",
        "1969-12-31T23:59:59.999999Z",
        "2026-01-14T02:01:24.12345 Z",
        "+026-01-14T02:01:24.123456Z",
    };
    char text[KS_TIME_TEXT_LEN + 1];
    uint64_t back = 0;

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ks_time_text(rows[i].time_us, text);
        assert_string_equal(text, rows[i].text);
        assert_int_equal(ks_time_parse(ks_bytes_text(text), &back), KS_OK);
        assert_true(back == rows[i].time_us);
    }
    for (size_t i = 0; i < sizeof reject / sizeof reject[0]; i++) {
        if (ks_time_parse(ks_bytes_text(reject[i]), &back) != KS_ERR_FORMAT) {
            print_error("accepted '%s'\n", reject[i]);
            fail();
        }
    }
}

/* Every day from 1970 to 9999, at a second of its own, against the C library's calendar. */
static void test_time_against_libc(void **state)
{
    (void)state;
    for (uint64_t day = 0; day < 2932897; day++) {
        const time_t second = (time_t)(day * 86400 + day % 86400);
        char text[KS_TIME_TEXT_LEN + 1];
        char want[64];
        struct tm parts;
        uint64_t back = 0;

        assert_non_null(gmtime_r(&second, &parts));
        (void)strftime(want, sizeof want, "%Y-%m-%dT%H:%M:%S.000000Z", &parts);
        ks_time_text((uint64_t)second * 1000000, text);
        assert_string_equal(text, want);
        assert_int_equal(ks_time_parse(ks_bytes_text(text), &back), KS_OK);
        assert_true(back == (uint64_t)second * 1000000);
    }
}

static void test_uuid(void **state)
{
    static const char *const reject[] = {"",
                                         "919108f7-52d1-4320-9bac-f847db4148a",
                                         "919108F7-52d1-4320-9bac-f847db4148a8",
                                         "919108f7-52d1-3320-9bac-f847db4148a8",
                                         "919108f7-52d1-4320-cbac-f847db4148a8",
                                         "919108f7-52d1-4320-7bac-f847db4148a8",
                                         "919108f7x52d1-4320-9bac-f847db4148a8",
                                         "919108f752d143209bacf847db4148a8----",
                                         "{19108f7-52d1-4320-9bac-f847db4148a}"};
    uint8_t random[16];
    char text[KS_UUID_TEXT_LEN + 1];

    (void)state;
    memset(random, 0xff, sizeof random);
    ks_uuid_text(random, text);
    assert_string_equal(text, "ffffffff-ffff-4fff-bfff-ffffffffffff");
    assert_true(ks_text_is_uuid(ks_bytes_text(text)));
    memset(random, 0, sizeof random);
    ks_uuid_text(random, text);
    assert_string_equal(text, "00000000-0000-4000-8000-000000000000");
    assert_true(ks_text_is_uuid(ks_bytes_text(text)));
    assert_true(
        ks_text_is_uuid(KS_LITERAL("919108f7-52d1-4320-9bac-f847db4148a8"))); /* RFC 9562 A.3 */
    for (size_t i = 0; i < sizeof reject / sizeof reject[0]; i++) {
        assert_false(ks_text_is_uuid(ks_bytes_text(reject[i])));
    }
}

/* --- doubles ------------------------------------------------------------------------------ */

static double from_bits(uint64_t bits)
{
    double value = 0;

    ks_copy(&value, &bits, sizeof value);
    return value;
}

static void expect_double(double value, const char *want)
{
    char text[KS_DOUBLE_TEXT_MAX];
    const size_t len = ks_double_text(value, text);

    assert_string_equal(text, want);
    assert_int_equal(len, strlen(want));
}

/* RFC 8785 appendix B, the turns of the layout, and ties. */
static void test_double_table(void **state)
{
    static const struct {
        uint64_t bits;
        const char *text;
    } rows[] = {
        {UINT64_C(0x0000000000000000), "0"},
        {UINT64_C(0x8000000000000000), "0"},
        {UINT64_C(0x0000000000000001), "5e-324"},
        {UINT64_C(0x8000000000000001), "-5e-324"},
        {UINT64_C(0x7fefffffffffffff), "1.7976931348623157e+308"},
        {UINT64_C(0xffefffffffffffff), "-1.7976931348623157e+308"},
        {UINT64_C(0x4340000000000000), "9007199254740992"},
        {UINT64_C(0xc340000000000000), "-9007199254740992"},
        {UINT64_C(0x4430000000000000), "295147905179352830000"},
        {UINT64_C(0x44b52d02c7e14af5), "9.999999999999997e+22"},
        {UINT64_C(0x44b52d02c7e14af6), "1e+23"},
        {UINT64_C(0x44b52d02c7e14af7), "1.0000000000000001e+23"},
        {UINT64_C(0x444b1ae4d6e2ef4e), "999999999999999700000"},
        {UINT64_C(0x444b1ae4d6e2ef4f), "999999999999999900000"},
        {UINT64_C(0x444b1ae4d6e2ef50), "1e+21"},
        {UINT64_C(0x3eb0c6f7a0b5ed8c), "9.999999999999997e-7"},
        {UINT64_C(0x3eb0c6f7a0b5ed8d), "0.000001"},
        {UINT64_C(0x41b3de4355555553), "333333333.3333332"},
        {UINT64_C(0x41b3de4355555554), "333333333.33333325"},
        {UINT64_C(0x41b3de4355555555), "333333333.3333333"},
        {UINT64_C(0x41b3de4355555556), "333333333.3333334"},
        {UINT64_C(0x41b3de4355555557), "333333333.33333343"},
        {UINT64_C(0xbecbf647612f3696), "-0.0000033333333333333333"},
        {UINT64_C(0x43143ff3c1cb0959), "1424953923781206.2"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        expect_double(from_bits(rows[i].bits), rows[i].text);
    }
    expect_double(1125899906842624.25, "1125899906842624.2");
    expect_double(1125899906842624.75, "1125899906842624.8");
    expect_double(100, "100");
    expect_double(-123.456, "-123.456");
    expect_double(0.1, "0.1");
    expect_double(1e-7, "1e-7");
    expect_double(1.5e300, "1.5e+300");
}

/* Every power of two, as another implementation writes it: see SOURCE. */
static void test_double_powers_of_two(void **state)
{
    struct ks_buf buf;
    struct ks_reader reader;
    unsigned count = 0;

    (void)state;
    ks_buf_init(&buf, 1000000);
    assert_int_equal(
        ks_file_read(source_path("tests/vectors/json/powers-of-two.txt"), 1000000, &buf),
        KS_OK);
    reader = ks_reader_of(ks_buf_view(&buf), "vectors");
    while (reader.rest.len > 0) {
        struct ks_bytes line = {NULL, 0};
        char text[64];
        char *end = NULL;
        uint64_t bits = 0;

        assert_int_equal(ks_read_line(&reader, &line), KS_OK);
        assert_true(line.len > 17 && line.len < sizeof text);
        ks_copy(text, line.data, line.len);
        text[line.len] = '\0';
        bits = strtoull(text, &end, 16);
        assert_int_equal(*end, ' ');
        expect_double(from_bits(bits), end + 1);
        count++;
    }
    assert_int_equal(count, 2098);
    ks_buf_done(&buf);
}

/* The text of VALUE with DIGITS digits, rounded as the mode says, must not read back. */
static void expect_not_exact(double value, int digits, int mode)
{
    char text[64];

    assert_int_equal(fesetround(mode), 0);
    (void)snprintf(text, sizeof text, "%.*e", digits - 1, value);
    assert_int_equal(fesetround(FE_TONEAREST), 0);
    if (strtod(text, NULL) == value) {
        print_error("%a has the shorter form %s\n", value, text);
        fail();
    }
}

/* Reads back; nothing one digit shorter does, neither below nor above the value (then nothing
 * shorter at all does); and if the nearest text of that many digits reads back, it is that
 * one. */
static void expect_shortest(double value)
{
    char text[KS_DOUBLE_TEXT_MAX];
    char nearest[64];
    int digits = 0;
    int zeros = 0;

    (void)ks_double_text(value, text);
    assert_true(strtod(text, NULL) == value);
    for (const char *at = text; *at != '\0' && *at != 'e'; at++) {
        if (*at >= '0' && *at <= '9' && (digits > 0 || *at != '0')) {
            digits++;
            zeros = *at == '0' ? zeros + 1 : 0;
        }
    }
    digits -= zeros; /* of an integer; they carry no information */
    assert_in_range(digits, 1, 17);
    if (digits > 1) {
        expect_not_exact(value, digits - 1, FE_DOWNWARD);
        expect_not_exact(value, digits - 1, FE_UPWARD);
    }
    (void)snprintf(nearest, sizeof nearest, "%.*e", digits - 1, value);
    if (strtod(nearest, NULL) == value) {
        char again[64];

        /* Both texts to digits and exponent: exact, since glibc converts exactly. */
        (void)snprintf(again, sizeof again, "%.*Le", digits - 1, strtold(text, NULL));
        assert_string_equal(again, nearest);
    }
}

static void test_double_is_shortest(void **state)
{
    uint64_t seed = UINT64_C(88172645463325252);

    (void)state;
    for (unsigned i = 0; i < 50000; i++) {
        const uint64_t bits = next_random(&seed);
        const double value = from_bits(bits);

        if (isfinite(value) && value != 0) {
            expect_shortest(value);
        }
        expect_shortest(
            from_bits((bits >> 12) % (UINT64_C(1) << (1 + i % 52)) + 1)); /* subnormal */
        expect_shortest((double)(bits >> 20) / 1000 + 0.001);
    }
    for (int exponent = -1074; exponent <= 1023; exponent++) {
        const double power = ldexp(1, exponent);

        expect_shortest(power);
        expect_shortest(nextafter(power, INFINITY));
        if (exponent > -1074) {
            expect_shortest(nextafter(power, 0));
        }
    }
}

static void test_shown(void **state)
{
    static const struct {
        const char *text;
        size_t size;
        const char *want;
    } cases[] = {
        {"", 1, ""},
        {"plain", 6, "plain"},
        {"plain", 5, "plai"},
        {"plain", 1, ""},
        {"a\x1b[2J\n\x7f", 16, "a?[2J??"},
        {"\xc2\x9b"
         "31m",
         16, "??31m"},                /* C1 */
        {"\xc2\xa0", 16, "\xc2\xa0"}, /* U+00A0 is no control */
        {"gr\xc3\xb6\xc3\x9f", 16, "gr\xc3\xb6\xc3\x9f"},
        {"gr\xc3\xb6\xc3\x9f", 6, "gr\xc3\xb6"}, /* never half a character */
        {"\xff\xc3|\xed\xa0\x80", 16, "??|???"}, /* no UTF-8: stray, cut, surrogate */
        {"\xf0\x9f\x94\x92", 4, ""},
        {"\xf0\x9f\x94\x92", 5, "\xf0\x9f\x94\x92"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char target[16];

        ks_text_shown(ks_bytes_text(cases[i].text), target, cases[i].size);
        assert_string_equal(target, cases[i].want);
        assert_true(ks_utf8_valid(ks_bytes_text(target)));
    }
}

static void test_path_join(void **state)
{
    char target[KS_PATH_MAX] = "as it was";
    char longest[KS_PATH_MAX];

    (void)state;
    assert_int_equal(ks_path_join("a/b", "c", target), KS_OK);
    assert_string_equal(target, "a/b/c");
    assert_int_equal(ks_path_join(target, "d", target), KS_OK); /* in place */
    assert_string_equal(target, "a/b/c/d");
    for (size_t i = 0; i < sizeof longest - 1; i++) {
        longest[i] = 'x';
    }
    longest[sizeof longest - 3] = '\0'; /* 4093, '/', 1: exactly 4095 */
    assert_int_equal(ks_path_join(longest, "y", target), KS_OK);
    assert_int_equal(strlen(target), KS_PATH_MAX - 1);
    assert_int_equal(ks_path_join(longest, "yy", target), KS_ERR_LIMIT);
    assert_int_equal(strlen(target), KS_PATH_MAX - 1); /* untouched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_base64_is_injective),
        cmocka_unit_test(test_u64),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_utf8_three_bytes),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_time_against_libc),
        cmocka_unit_test(test_uuid),
        cmocka_unit_test(test_double_table),
        cmocka_unit_test(test_double_powers_of_two),
        cmocka_unit_test(test_double_is_shortest),
        cmocka_unit_test(test_shown),
        cmocka_unit_test(test_path_join),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
