/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

#include <math.h>

#include "base/buf.h"

static void test_write_read(void **state)
{
    struct ks_buf buf;
    struct ks_reader reader;
    struct ks_bytes bytes = {NULL, 0};
    uint8_t u8 = 0;
    uint16_t u16 = 0;
    uint32_t u32 = 0;
    uint64_t u64 = 0;
    char copy[3];

    (void)state;
    ks_buf_init(&buf, 1000);
    ks_buf_put_u8(&buf, 0x01);
    ks_buf_put_u16(&buf, 0x0203);
    ks_buf_put_u32(&buf, 0x04050607);
    ks_buf_put_u64(&buf, UINT64_C(0x08090a0b0c0d0e0f));
    expect_bytes(ks_buf_view(&buf), KS_LITERAL("\1\2\3\4\5\6\7\10\11\12\13\14\15\16\17"));
    ks_buf_put_lp16(&buf, KS_LITERAL("sixteen"));
    ks_buf_put_lp32(&buf, KS_LITERAL("thirty-two"));
    ks_buf_put_text(&buf, "line\nend");
    assert_int_equal(ks_buf_check(&buf), KS_OK);

    reader = ks_reader_of(ks_buf_view(&buf), "frame");
    assert_int_equal(ks_read_u8(&reader, &u8), KS_OK);
    assert_int_equal(ks_read_u16(&reader, &u16), KS_OK);
    assert_int_equal(ks_read_u32(&reader, &u32), KS_OK);
    assert_int_equal(ks_read_u64(&reader, &u64), KS_OK);
    assert_int_equal(u8, 1);
    assert_int_equal(u16, 0x0203);
    assert_int_equal(u32, 0x04050607);
    assert_true(u64 == UINT64_C(0x08090a0b0c0d0e0f));
    expect_failure(ks_read_lp16(&reader, 6, &bytes), KS_ERR_LIMIT,
                   "frame: a field of 7 bytes, limit 6");
    assert_int_equal(ks_read_lp16(&reader, 7, &bytes), KS_OK); /* the failure did not move it */
    expect_text(bytes, "sixteen");
    assert_int_equal(ks_read_lp32(&reader, 100, &bytes), KS_OK);
    expect_text(bytes, "thirty-two");
    assert_int_equal(ks_read_line(&reader, &bytes), KS_OK);
    expect_text(bytes, "line");
    expect_failure(ks_read_line(&reader, &bytes), KS_ERR_FORMAT, "without its end");
    expect_failure(ks_read_end(&reader), KS_ERR_FORMAT, "3 bytes too many");
    assert_int_equal(ks_read_copy(&reader, copy, 3), KS_OK);
    assert_memory_equal(copy, "end", 3);
    assert_int_equal(ks_read_end(&reader), KS_OK);
    ks_buf_done(&buf);
}

/* Whatever is cut short by one byte is refused, and the reader stays where it was. */
static void test_short_input(void **state)
{
    static const uint8_t zeros[8];
    struct ks_bytes bytes = {NULL, 0};
    uint8_t u8 = 7;
    uint16_t u16 = 7;
    uint32_t u32 = 7;
    uint64_t u64 = 7;

    (void)state;
    for (size_t len = 0; len < sizeof zeros; len++) {
        struct ks_reader reader = ks_reader_of(ks_bytes_of(zeros, len), "frame");

        assert_int_equal(ks_read_u64(&reader, &u64), KS_ERR_FORMAT);
        assert_int_equal(len >= 4 || ks_read_u32(&reader, &u32) == KS_ERR_FORMAT, 1);
        assert_int_equal(len >= 2 || ks_read_u16(&reader, &u16) == KS_ERR_FORMAT, 1);
        assert_int_equal(len >= 1 || ks_read_u8(&reader, &u8) == KS_ERR_FORMAT, 1);
        assert_int_equal(ks_read_bytes(&reader, len + 1, &bytes), KS_ERR_FORMAT);
        assert_int_equal(ks_read_bytes(&reader, SIZE_MAX, &bytes), KS_ERR_FORMAT);
        assert_int_equal(reader.rest.len, len);
    }
    assert_true(u8 == 7 && u16 == 7 && u32 == 7 && u64 == 7);
    for (size_t len = 0; len < 6; len++) {
        struct ks_reader reader = ks_reader_of(ks_bytes_of("\0\0\0\2ab", len), "frame");

        assert_int_equal(ks_read_lp32(&reader, 10, &bytes), KS_ERR_FORMAT);
        assert_int_equal(reader.rest.len, len);
    }
}

static void test_limit(void **state)
{
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 4);
    ks_buf_put_text(&buf, "abcd");
    assert_int_equal(ks_buf_check(&buf), KS_OK);
    ks_buf_put(&buf, ks_bytes_of(NULL, 0));
    assert_int_equal(ks_buf_check(&buf), KS_OK);
    ks_buf_put_u8(&buf, 'e');
    expect_failure(ks_buf_check(&buf), KS_ERR_LIMIT, "more than 4 bytes");
    expect_text(ks_buf_view(&buf), "abcd");
    ks_buf_consume(&buf, 2);
    ks_buf_put_u8(&buf, 'e'); /* the error stays, room or not */
    expect_text(ks_buf_view(&buf), "cd");
    ks_buf_clear(&buf);
    ks_buf_put_format(&buf, "%d", 1234);
    expect_text(ks_buf_view(&buf), "1234");
    ks_buf_clear(&buf);
    ks_buf_put_format(&buf, "%d", 12345);
    assert_int_equal(ks_buf_check(&buf), KS_ERR_LIMIT);
    assert_int_equal(buf.len, 0);
    ks_buf_clear(&buf);
    ks_buf_put_lp16(&buf, ks_bytes_of("", 65536));
    assert_int_equal(ks_buf_check(&buf), KS_ERR_LIMIT);
    ks_buf_done(&buf);

    ks_buf_init(&buf, SIZE_MAX); /* lengths whose sum overflows */
    ks_buf_put_u8(&buf, 1);
    assert_null(ks_buf_reserve(&buf, SIZE_MAX));
    assert_int_equal(ks_buf_check(&buf), KS_ERR_LIMIT);
    ks_buf_clear(&buf);
    ks_buf_put_u8(&buf, 1);
    assert_null(ks_buf_reserve(&buf, SIZE_MAX - 1)); /* and no room for the NUL of put_format */
    assert_int_equal(ks_buf_check(&buf), KS_ERR_NOMEM);
    ks_buf_done(&buf);

    ks_buf_init(&buf, 0);
    assert_non_null(ks_buf_reserve(&buf, 0));
    assert_int_equal(ks_buf_check(&buf), KS_OK);
    ks_buf_put_u8(&buf, 1);
    assert_int_equal(ks_buf_check(&buf), KS_ERR_LIMIT);
    ks_buf_done(&buf);
}

/* Across every growth, and with a reserve in between, nothing is lost. */
static void test_growth(void **state)
{
    struct ks_buf buf;
    const size_t count = 300000;

    (void)state;
    ks_buf_init(&buf, 4 * count);
    for (uint32_t i = 0; i < count; i++) {
        if (i % 3 == 0) {
            uint8_t *target = ks_buf_reserve(&buf, 100);

            assert_non_null(target);
            for (size_t j = 0; j < 4; j++) {
                target[j] = (uint8_t)(i >> (24 - 8 * j) & 0xff);
            }
            ks_buf_grew(&buf, 4);
        } else {
            ks_buf_put_u32(&buf, i);
        }
        if (i + 100 > count) {
            break;
        }
    }
    for (uint32_t i = 0; i < buf.len / 4; i++) {
        struct ks_reader reader =
            ks_reader_of(ks_bytes_of(buf.data + 4 * (size_t)i, 4), "buffer");
        uint32_t value = 0;

        assert_int_equal(ks_read_u32(&reader, &value), KS_OK);
        assert_int_equal(value, i);
    }
    ks_buf_wipe(&buf);
    assert_int_equal(buf.len, 0);
    ks_buf_put_text(&buf, "reusable");
    assert_int_equal(ks_buf_check(&buf), KS_OK);
    ks_buf_done(&buf);
}

static void consume_too_much(void *argument)
{
    ks_buf_consume(argument, 3);
}

static void test_consume(void **state)
{
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 100);
    ks_buf_put_text(&buf, "ab");
    assert_true(aborts(consume_too_much, &buf));
    ks_buf_consume(&buf, 0);
    ks_buf_consume(&buf, 1);
    expect_text(ks_buf_view(&buf), "b");
    ks_buf_consume(&buf, 1);
    assert_int_equal(buf.len, 0);
    ks_buf_done(&buf);
}

/* Big-endian bits of IEEE 754, every one of them kept. */
static void test_doubles(void **state)
{
    static const double values[] = {0.0, -0.0, 1.5, -1e300, 5e-324, (double)INFINITY};
    static const uint8_t one_and_a_half[] = {0x3f, 0xf8, 0, 0, 0, 0, 0, 0};
    struct ks_buf buf;
    struct ks_reader reader;
    double back = 0;

    (void)state;
    ks_buf_init(&buf, 1024);
    ks_buf_put_double(&buf, 1.5);
    expect_bytes(ks_buf_view(&buf), KS_BYTES(one_and_a_half));
    ks_buf_clear(&buf);
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ks_buf_put_double(&buf, values[i]);
    }
    reader = ks_reader_of(ks_buf_view(&buf), "doubles");
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_int_equal(ks_read_double(&reader, &back), KS_OK);
        assert_memory_equal(&back, &values[i], sizeof back);
    }
    assert_int_equal(ks_read_double(&reader, &back), KS_ERR_FORMAT);
    ks_buf_done(&buf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_doubles),     cmocka_unit_test(test_write_read),
        cmocka_unit_test(test_short_input), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_growth),      cmocka_unit_test(test_consume),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
