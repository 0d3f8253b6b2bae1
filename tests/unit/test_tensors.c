/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* safetensors: what is written is read again as the same bytes; what is refused, and in which
 * words; half precision against a slow definition, for all of its numbers. */
#include "unit/expect.h"

#include <math.h>

#include "base/tensors.h"

#define OK(call) assert_int_equal((call), KS_OK)

/* HEADER with its length before it and DATA_LEN bytes behind. */
static void put_file(struct ks_buf *out, const char *header, size_t data_len)
{
    const size_t len = strlen(header);

    ks_buf_clear(out);
    for (unsigned i = 0; i < 8; i++) {
        ks_buf_put_u8(out, (uint8_t)((uint64_t)len >> 8 * i));
    }
    ks_buf_put_text(out, header);
    for (size_t i = 0; i < data_len; i++) {
        ks_buf_put_u8(out, 0);
    }
    OK(ks_buf_check(out));
}

static void test_round_trip(void **state)
{
    const float weights[] = {1, -2.5F, 3e-8F, 0, 5, 6};
    const uint8_t bytes[] = {1, 2, 255};
    const struct ks_tensor tensors[] = {
        {.name = KS_LITERAL("fc.weight"),
         .dtype = KS_DTYPE_F32,
         .dims = 2,
         .shape = {2, 3},
         .data = ks_tensor_data(weights, 6)},
        {.name = KS_LITERAL("a"),
         .dtype = KS_DTYPE_U8,
         .dims = 1,
         .shape = {3},
         .data = KS_BYTES(bytes)},
        {.name = KS_LITERAL("none"), .dtype = KS_DTYPE_I64, .dims = 2, .shape = {0, 7}},
    };
    const struct ks_tensor_meta meta[] = {{KS_LITERAL("z"), KS_LITERAL("last \xc3\xa9")},
                                          {KS_LITERAL("format"), KS_LITERAL("pt")}};
    struct ks_tensors *read = NULL;
    struct ks_bytes value;
    struct ks_buf file;
    float floats[6];

    (void)state;
    ks_buf_init(&file, 4096);
    ks_tensors_write(tensors, 3, meta, 2, &file);
    OK(ks_buf_check(&file));
    assert_int_equal((file.len - 8 - 24 - 3) % 8, 0); /* numbers begin aligned */
    OK(ks_tensors_read(ks_buf_view(&file), 4096, &read));
    assert_int_equal(ks_tensors_count(read), 3);
    expect_text(ks_tensors_at(read, 0)->name, "fc.weight");
    expect_text(ks_tensors_at(read, 1)->name, "a");
    assert_null(ks_tensors_find(read, "b"));
    assert_true(ks_tensors_meta(read, "z", &value));
    expect_text(value, "last \xc3\xa9");
    assert_false(ks_tensors_meta(read, "y", &value));
    OK(ks_tensor_floats(ks_tensors_find(read, "fc.weight"), floats));
    assert_memory_equal(floats, weights, sizeof floats);
    OK(ks_tensor_floats(ks_tensors_find(read, "a"), floats));
    assert_true(floats[2] == 255);
    expect_failure(ks_tensor_floats(ks_tensors_find(read, "none"), floats), KS_ERR_FORMAT,
                   "tensor 'none': numbers of I64");
    ks_tensors_free(read);
    expect_failure(ks_tensors_read(ks_buf_view(&file), file.len - 1, &read), KS_ERR_LIMIT,
                   "limit");
    /* Cut anywhere, or longer by one byte, it is refused. */
    for (size_t len = 0; len < file.len; len++) {
        assert_int_equal(ks_tensors_read(ks_bytes_of(file.data, len), 4096, &read),
                         KS_ERR_FORMAT);
    }
    ks_buf_put_u8(&file, 0);
    expect_failure(ks_tensors_read(ks_buf_view(&file), 4096, &read), KS_ERR_FORMAT,
                   "1 bytes after the last tensor");
    ks_buf_done(&file);
}

static void test_not_finite(void **state)
{
    float values[] = {1, 2, 3};
    struct ks_tensor tensor = {.name = KS_LITERAL("w"),
                               .dtype = KS_DTYPE_F32,
                               .dims = 1,
                               .shape = {3},
                               .data = ks_tensor_data(values, 3)};
    const uint8_t half[] = {0x00, 0x3c, 0x00, 0xfc};
    float read[3];

    (void)state;
    OK(ks_tensor_floats(&tensor, read));
    values[1] = NAN;
    expect_failure(ks_tensor_floats(&tensor, read), KS_ERR_FORMAT,
                   "tensor 'w': number 2 is no number (NaN)");
    values[1] = -INFINITY;
    expect_failure(ks_tensor_floats(&tensor, read), KS_ERR_FORMAT, "number 2 is infinite");
    tensor.dtype = KS_DTYPE_F16;
    tensor.data = KS_BYTES(half);
    expect_failure(ks_tensor_floats(&tensor, read), KS_ERR_FORMAT, "number 2 is infinite");
}

#define T(members)  "{\"w\":{" members "}}"
#define OFFSETS(to) "\"data_offsets\":[0," to "]"

static void test_refused(void **state)
{
    static const struct {
        const char *header;
        size_t data_len;
        enum ks_err err;
        const char *says;
    } cases[] = {
        {"[]", 0, KS_ERR_FORMAT, "does not begin with '{'"},
        {" {}", 0, KS_ERR_FORMAT, "does not begin with '{'"},
        {"", 0, KS_ERR_FORMAT, "does not begin with '{'"},
        {"{", 0, KS_ERR_FORMAT, "header: "},
        {"{}", 1, KS_ERR_FORMAT, "1 bytes after the last tensor"},
        {"{\"w\":1}", 0, KS_ERR_FORMAT, "tensor 'w': expected an object"},
        {T(OFFSETS("4") ",\"dtype\":\"F32\""), 4, KS_ERR_FORMAT, "'shape'"},
        {T(OFFSETS("4") ",\"shape\":[1]"), 4, KS_ERR_FORMAT, "'dtype'"},
        {T("\"dtype\":\"F32\",\"shape\":[1]"), 4, KS_ERR_FORMAT, "'data_offsets'"},
        {T(OFFSETS("4") ",\"dtype\":\"F32\",\"shape\":[1],\"x\":0"), 4, KS_ERR_FORMAT, "'x'"},
        {T(OFFSETS("8") ",\"dtype\":\"F64\",\"shape\":[1]"), 8, KS_ERR_FORMAT, "dtype 'F64'"},
        {T(OFFSETS("2") ",\"dtype\":\"BF16\",\"shape\":[1]"), 2, KS_ERR_FORMAT, "dtype 'BF16'"},
        {T(OFFSETS("4") ",\"dtype\":\"F32\",\"shape\":[2]"), 4, KS_ERR_FORMAT,
         "2 numbers of F32, but 4 bytes"},
        {T(OFFSETS("4") ",\"dtype\":\"F32\",\"shape\":[-1]"), 4, KS_ERR_FORMAT, "shape"},
        {T(OFFSETS("4") ",\"dtype\":\"F32\",\"shape\":[1.5]"), 4, KS_ERR_FORMAT, "shape"},
        {T(OFFSETS("4") ",\"dtype\":\"F32\",\"shape\":[4294967296,4294967296,4294967296]"), 4,
         KS_ERR_LIMIT, "numbers"},
        {T(OFFSETS("4") ",\"dtype\":\"F32\",\"shape\":[1,1,1,1,1,1,1,1,1]"), 4, KS_ERR_LIMIT,
         "over 8 dimensions"},
        {T("\"data_offsets\":[4,0],\"dtype\":\"F32\",\"shape\":[0]"), 4, KS_ERR_FORMAT,
         "data_offsets 4 to 0"},
        {T("\"data_offsets\":[0,8],\"dtype\":\"F32\",\"shape\":[2]"), 4, KS_ERR_FORMAT,
         "data_offsets 0 to 8 of 4 bytes"},
        {T("\"data_offsets\":[0],\"dtype\":\"F32\",\"shape\":[0]"), 0, KS_ERR_FORMAT,
         "expected two"},
        {T("\"data_offsets\":[4,8],\"dtype\":\"F32\",\"shape\":[1]"), 8, KS_ERR_FORMAT,
         "begins at byte 4, not at 0"},
        {"{\"a\":{\"data_offsets\":[0,4],\"dtype\":\"F32\",\"shape\":[1]},"
         "\"b\":{\"data_offsets\":[2,6],\"dtype\":\"F32\",\"shape\":[1]}}",
         6, KS_ERR_FORMAT, "tensor 'b' begins at byte 2, not at 4"},
        {"{\"a\":{\"data_offsets\":[0,4],\"dtype\":\"F32\",\"shape\":[1]},"
         "\"a\":{\"data_offsets\":[0,4],\"dtype\":\"F32\",\"shape\":[1]}}",
         4, KS_ERR_FORMAT, "header: "},
        {"{\"\":{\"data_offsets\":[0,0],\"dtype\":\"F32\",\"shape\":[0]}}", 0, KS_ERR_FORMAT,
         "name"},
        {"{\"\xc3\xa9\":{\"data_offsets\":[0,0],\"dtype\":\"F32\",\"shape\":[0]}}", 0,
         KS_ERR_FORMAT, "printable ASCII"},
        {"{\"__metadata__\":{\"a\":1}}", 0, KS_ERR_FORMAT, "__metadata__"},
        {"{\"__metadata__\":[]}", 0, KS_ERR_FORMAT, "__metadata__: expected an object"},
    };
    struct ks_tensors *read = NULL;
    struct ks_buf file;

    (void)state;
    ks_buf_init(&file, 4096);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_file(&file, cases[i].header, cases[i].data_len);
        expect_failure(ks_tensors_read(ks_buf_view(&file), 4096, &read), cases[i].err,
                       cases[i].says);
    }
    /* A length that only the file itself vouches for takes no memory. */
    put_file(&file, "{}", 0);
    file.data[4] = 1;
    expect_failure(ks_tensors_read(ks_buf_view(&file), 4096, &read), KS_ERR_LIMIT, "a header");
    ks_buf_done(&file);
}

/* The order of others is read: safetensors of Python sorts by dtype and name, and writes
 * members in the order dtype, shape, data_offsets. */
static void test_others(void **state)
{
    struct ks_tensors *read = NULL;
    struct ks_buf file;

    (void)state;
    ks_buf_init(&file, 4096);
    put_file(&file,
             "{\"__metadata__\":{\"format\":\"pt\"},"
             "\"b\":{\"dtype\":\"F16\",\"shape\":[],\"data_offsets\":[4,6]},"
             "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}    ",
             6);
    OK(ks_tensors_read(ks_buf_view(&file), 4096, &read));
    expect_text(ks_tensors_at(read, 0)->name, "a");
    assert_int_equal(ks_tensors_at(read, 1)->dims, 0);
    ks_tensors_free(read);
    ks_buf_done(&file);
}

/* sign * fraction * 2^exponent, as IEEE 754 defines it. */
static double half_defined(uint16_t half)
{
    const int exponent = half >> 10 & 31;
    const double fraction = (half & 1023) / 1024.0;
    const double magnitude = exponent == 0    ? ldexp(fraction, -14)
                             : exponent == 31 ? (fraction > 0 ? (double)NAN : (double)INFINITY)
                                              : ldexp(1 + fraction, exponent - 15);

    return (half & 0x8000) != 0 ? -magnitude : magnitude;
}

static void test_half(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 65536; i++) {
        const uint16_t half = (uint16_t)i;
        const double want = half_defined(half);
        const float got = ks_half_to_float(half);

        if (isnan(want)) {
            assert_true(isnan(got) && isnan(ks_half_to_float(ks_half_from_float(got))));
            continue;
        }
        assert_true((double)got == want && (signbit(got) == 0) == (signbit(want) == 0));
        assert_int_equal(ks_half_from_float(got), half);
    }
    /* Between two neighbours: the nearer, at the middle the even one. */
    for (unsigned i = 0; i < 0x7bff; i++) {
        const float low = ks_half_to_float((uint16_t)i);
        const float high = ks_half_to_float((uint16_t)(i + 1));
        const float middle = low + (high - low) / 2;

        assert_int_equal(ks_half_from_float(middle), i + (i & 1));
        assert_int_equal(ks_half_from_float(nextafterf(middle, 0)), i);
        assert_int_equal(ks_half_from_float(nextafterf(middle, INFINITY)), i + 1);
        assert_int_equal(ks_half_from_float(-middle), 0x8000 | (i + (i & 1)));
    }
    assert_int_equal(ks_half_from_float(65520), 0x7c00);
    assert_int_equal(ks_half_from_float(nextafterf(65520, 0)), 0x7bff);
    assert_int_equal(ks_half_from_float(3e38F), 0x7c00);
    assert_int_equal(ks_half_from_float(1e-30F), 0);
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_others),
        cmocka_unit_test(test_half),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
