/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

#include <dirent.h>

#include "base/json.h"
#include "base/sys.h"

static const struct ks_json_limits limits = {.len_max = 1U << 24, .nodes_max = 1U << 20};

static enum ks_err parse(const char *text, struct ks_json_doc **out_doc)
{
    return ks_json_parse(ks_bytes_text(text), &limits, out_doc);
}

static struct ks_json_doc *parsed(const char *text)
{
    struct ks_json_doc *doc = NULL;

    if (parse(text, &doc) != KS_OK) {
        print_error("'%s': %s\n", text, ks_err_detail());
        fail();
    }
    return doc;
}

static void read_vector(const char *folder, const char *name, struct ks_buf *out)
{
    char path[512];

    ks_buf_init(out, 1000000);
    (void)snprintf(path, sizeof path, "tests/vectors/json/%s/%s", folder, name);
    assert_int_equal(ks_file_read(source_path(path), 1000000, out), KS_OK);
}

/* --- vectors ------------------------------------------------------------------------------ */

static void test_rfc8785_vectors(void **state)
{
    static const char *const names[] = {"arrays.json",  "french.json", "structures.json",
                                        "unicode.json", "values.json", "weird.json"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct ks_json_doc *doc = NULL;
        struct ks_buf input, want, got;

        read_vector("accept", names[i], &input);
        read_vector("expect", names[i], &want);
        ks_buf_init(&got, 1000000);
        assert_int_equal(ks_json_parse(ks_buf_view(&input), &limits, &doc), KS_OK);
        ks_json_canonical(ks_json_root(doc), &got);
        expect_bytes(ks_buf_view(&got), ks_buf_view(&want));
        ks_json_doc_free(doc);
        doc = NULL;
        assert_int_equal(ks_json_parse_canonical(ks_buf_view(&want), &limits, &doc), KS_OK);
        ks_json_doc_free(doc);
        doc = NULL;
        if (!ks_bytes_equal(ks_buf_view(&input), ks_buf_view(&want))) {
            expect_failure(ks_json_parse_canonical(ks_buf_view(&input), &limits, &doc),
                           KS_ERR_FORMAT, "not in canonical form");
        }
        assert_null(doc);
        ks_buf_done(&input);
        ks_buf_done(&want);
        ks_buf_done(&got);
    }
}

static void test_reject_vectors(void **state)
{
    DIR *folder = opendir(source_path("tests/vectors/json/reject"));
    unsigned count = 0;

    (void)state;
    assert_non_null(folder);
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        struct ks_json_doc *doc = NULL;
        struct ks_buf input;
        enum ks_err err = KS_OK;

        if (entry->d_name[0] == '.') {
            continue;
        }
        read_vector("reject", entry->d_name, &input);
        err = ks_json_parse(ks_buf_view(&input), &limits, &doc);
        if ((err != KS_ERR_FORMAT && err != KS_ERR_LIMIT) || doc != NULL ||
            strncmp(ks_err_detail(), "line ", 5) != 0) {
            print_error("%s: %s '%s'\n", entry->d_name, ks_err_name(err), ks_err_detail());
            fail();
        }
        ks_buf_done(&input);
        count++;
    }
    (void)closedir(folder);
    assert_true(count >= 101);
}

static void test_canonical_table(void **state)
{
    static const struct {
        const char *text;
        const char *canonical;
    } rows[] = {
        {" null ", "null"},
        {"[true,\tfalse\r\n]", "[true,false]"},
        {"-0", "0"},
        {"-0.0e5", "0"},
        {"1e0", "1"},
        {"1E+2", "100"},
        {"9007199254740991", "9007199254740991"},
        {"-9007199254740991", "-9007199254740991"},
        {"1e21", "1e+21"},
        {"1e-400", "0"},
        {"5e-324", "5e-324"},
        {"0.10000000000000000000000000000001", "0.1"},
        {"\"\\/\\b\\f\\n\\r\\t\\\"\\\\\"", "\"/\\b\\f\\n\\r\\t\\\"\\\\\""},
        {"\"\\u001F\\u007f\\u0080\"", "\"\\u001f\x7f\xc2\x80\""},
        {"\"\\u000B\"", "\"\\u000b\""},
        {"\"\\uD83D\\uDE00\"", "\"\xf0\x9f\x98\x80\""},
        {"\"\\uffff\"", "\"\xef\xbf\xbf\""},
        {"{\"b\":1,\"a\":2,\"\":3,\"aa\":4}", "{\"\":3,\"a\":2,\"aa\":4,\"b\":1}"},
        /* U+10000 is D800 DC00 in UTF-16, before U+E000; in UTF-8 it comes behind U+FFFF. */
        {"{\"\xef\xbf\xbf\":1,\"\xee\x80\x80\":2,\"\xf0\x90\x80\x80\":3,\"\xed\x9f\xbf\":4}",
         "{\"\xed\x9f\xbf\":4,\"\xf0\x90\x80\x80\":3,\"\xee\x80\x80\":2,\"\xef\xbf\xbf\":1}"},
        {"{\"\xf4\x8f\xbf\xbf\":1,\"\xee\x80\x80\":2}",
         "{\"\xf4\x8f\xbf\xbf\":1,\"\xee\x80\x80\":2}"},
        {"{\"a\\u0001\":1,\"a\":2}", "{\"a\":2,\"a\\u0001\":1}"},
        {"[[],{},[{}]]", "[[],{},[{}]]"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_json_doc *doc = parsed(rows[i].text);
        struct ks_buf got;

        ks_buf_init(&got, 1000);
        ks_json_canonical(ks_json_root(doc), &got);
        expect_text(ks_buf_view(&got), rows[i].canonical);
        ks_json_doc_free(doc);
        assert_int_equal(ks_json_parse_canonical(ks_buf_view(&got), &limits, &doc), KS_OK);
        ks_json_doc_free(doc);
        ks_buf_done(&got);
    }
}

static void test_not_canonical(void **state)
{
    static const struct {
        const char *text;
        const char *detail;
    } rows[] = {
        {" 1", "line 1, column 1: not in canonical form"},
        {"1\n", "line 1, column 2: not"},
        {"[1, 2]", "line 1, column 4: not"},
        {"{\"b\":1,\"a\":2}", "line 1, column 3: not"},
        {"-0", "not"},
        {"1.0", "not"},
        {"1e2", "not"},
        {"\"\\u0041\"", "not"},
        {"\"\\/\"", "not"},
        {"\"\\u001F\"", "not"},
        {"\"\xc3\xa9\\u00e9\"", "line 1, column 3: not"},
        {"1e20", "integer beyond 2^53 - 1"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_json_doc *doc = NULL;

        expect_failure(ks_json_parse_canonical(ks_bytes_text(rows[i].text), &limits, &doc),
                       KS_ERR_FORMAT, rows[i].detail);
        assert_null(doc);
    }
}

static void test_error_places(void **state)
{
    static const struct {
        const char *text;
        const char *detail;
    } rows[] = {
        {"", "line 1, column 1: expected a value"},
        {"{\n  \"a\": 1,\n  \"b\": x\n}", "line 3, column 8: expected a value"},
        {"{\n  \"a\": 1\n  \"b\": 2}", "line 3, column 3: expected ',' or '}'"},
        {"[1 2]", "line 1, column 4: expected ',' or ']'"},
        {"[\"\xc3\xa9\xc3\xa9\" 1]",
         "line 1, column 7: expected ',' or ']'"}, /* counts characters */
        {"{\"a\" 1}", "line 1, column 6: expected ':'"},
        {"{a:1}", "line 1, column 2: expected a key in quotes"},
        {"{\"x\":1,\n\"yy\":2,\"x\":3}", "line 2, column 8: duplicate key 'x'"},
        {"{\"\\u001b[2J\":1,\"\\u001b[2J\":3}", "duplicate key '?[2J'"},
        {"[\"a\\qb\"]", "line 1, column 4: unknown escape"},
        {"[1.]", "line 1, column 4: expected a digit"},
        {"1 1", "line 1, column 3: bytes behind the value"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_json_doc *doc = NULL;

        expect_failure(parse(rows[i].text, &doc), KS_ERR_FORMAT, rows[i].detail);
    }
}

/* --- limits ------------------------------------------------------------------------------- */

static void test_limits(void **state)
{
    const struct ks_json_limits tight = {.len_max = 13, .nodes_max = 4};
    struct ks_json_doc *doc = NULL;
    char deep[2 * KS_JSON_DEPTH_MAX + 1];

    (void)state;
    assert_int_equal(ks_json_parse(KS_LITERAL("[1,{\"a\":2}]"), &tight, &doc), KS_OK);
    ks_json_doc_free(doc);
    doc = NULL;
    expect_failure(ks_json_parse(KS_LITERAL("[1,{\"a\":2},3]"), &tight, &doc), KS_ERR_LIMIT,
                   "line 1, column 12: too many values, limit 4");
    expect_failure(ks_json_parse(KS_LITERAL("[1,2,345678900]"), &tight, &doc), KS_ERR_LIMIT,
                   "15 bytes of JSON, limit 13");
    memset(deep, '[', KS_JSON_DEPTH_MAX);
    memset(deep + KS_JSON_DEPTH_MAX, ']', KS_JSON_DEPTH_MAX);
    deep[sizeof deep - 1] = '\0';
    doc = parsed(deep); /* one deeper is among the reject vectors */
    {
        struct ks_buf got;

        ks_buf_init(&got, 1000);
        ks_json_canonical(ks_json_root(doc), &got);
        expect_text(ks_buf_view(&got), deep);
        ks_buf_done(&got);
    }
    ks_json_doc_free(doc);
}

/* A hundred thousand members, in the worst order, with one duplicate at the far ends: with a
 * quadratic search this test would take minutes. */
static void test_large_object(void **state)
{
    const unsigned count = 100000;
    struct ks_json_doc *doc = NULL;
    struct ks_buf text;

    (void)state;
    ks_buf_init(&text, 4000000);
    ks_buf_put_text(&text, "{");
    for (unsigned i = count; i > 0; i--) {
        ks_buf_put_format(&text, "\"%06u\":%u,", i, i);
    }
    ks_buf_put_format(&text, "\"000000\":0}");
    assert_int_equal(ks_buf_check(&text), KS_OK);
    assert_int_equal(ks_json_parse(ks_buf_view(&text), &limits, &doc), KS_OK);
    for (unsigned i = 0; i <= count; i += 997) {
        char name[16];
        uint64_t value = 0;

        (void)snprintf(name, sizeof name, "%06u", i);
        assert_int_equal(ks_json_get_u64(ks_json_root(doc), name, count, &value), KS_OK);
        assert_int_equal(value, i);
    }
    ks_json_doc_free(doc);
    doc = NULL;
    text.len -= strlen("\"000000\":0}");
    ks_buf_put_format(&text, "\"%06u\":0}", count);
    expect_failure(ks_json_parse(ks_buf_view(&text), &limits, &doc), KS_ERR_FORMAT,
                   "duplicate key '100000'");
    ks_buf_done(&text);
}

/* --- reading ------------------------------------------------------------------------------ */

static void test_getters(void **state)
{
    struct ks_json_doc *doc = parsed(
        "{\"shots\":2000,\"name\":\"b\\u00e9ll\",\"on\":true,\"hex\":\"00ff\",\"b64\":\"AP8=\","
        "\"list\":[1,2.5,\"x\"],\"none\":null,\"neg\":-1,\"exp\":1e3,\"big\":"
        "9007199254740991}");
    const struct ks_json *root = ks_json_root(doc);
    const struct ks_json *list = NULL;
    struct ks_bytes text = {NULL, 0};
    struct ks_buf buf;
    uint8_t bytes[2] = {9, 9};
    uint64_t number = 0;
    double real = 0;
    bool on = false;

    (void)state;
    assert_int_equal(ks_json_type(root), KS_JSON_OBJECT);
    assert_int_equal(ks_json_count(root), 10);
    expect_text(ks_json_key_at(root, 1), "name");
    assert_ptr_equal(ks_json_at(root, 1), ks_json_find(root, "name"));
    assert_null(ks_json_find(root, "nam"));
    assert_int_equal(ks_json_get_u64(root, "shots", 2000, &number), KS_OK);
    assert_int_equal(number, 2000);
    assert_int_equal(ks_json_get_u64(root, "big", UINT64_MAX, &number), KS_OK);
    assert_true(number == KS_JSON_INTEGER_MAX);
    expect_failure(ks_json_get_u64(root, "shots", 1999, &number), KS_ERR_FORMAT,
                   "'shots': expected an integer from 0 to 1999");
    expect_failure(ks_json_get_u64(root, "neg", 9, &number), KS_ERR_FORMAT,
                   "'neg': expected an integer");
    expect_failure(ks_json_get_u64(root, "exp", 9999, &number), KS_ERR_FORMAT,
                   "'exp': expected an integer");
    expect_failure(ks_json_get_u64(root, "name", 9, &number), KS_ERR_FORMAT,
                   "'name': expected an integer");
    expect_failure(ks_json_get_u64(root, "absent", 9, &number), KS_ERR_FORMAT,
                   "'absent': missing");
    assert_int_equal(ks_json_get_string(root, "name", &text), KS_OK);
    expect_text(text, "b\xc3\xa9ll");
    expect_failure(ks_json_get_string(root, "on", &text), KS_ERR_FORMAT,
                   "'on': expected a string");
    assert_int_equal(ks_json_get_bool(root, "on", &on), KS_OK);
    assert_true(on);
    expect_failure(ks_json_get_bool(root, "none", &on), KS_ERR_FORMAT,
                   "'none': expected true or false");
    assert_int_equal(ks_json_get_hex(root, "hex", bytes, 2), KS_OK);
    assert_memory_equal(bytes, "\0\xff", 2);
    expect_failure(ks_json_get_hex(root, "hex", bytes, 1), KS_ERR_FORMAT, "'hex': ");
    bytes[0] = 9;
    assert_int_equal(ks_json_get_base64_exact(root, "b64", bytes, 2), KS_OK);
    assert_memory_equal(bytes, "\0\xff", 2);
    expect_failure(ks_json_get_base64_exact(root, "b64", bytes, 1), KS_ERR_FORMAT, "'b64': ");
    ks_buf_init(&buf, 10);
    assert_int_equal(ks_json_get_base64(root, "b64", &buf), KS_OK);
    expect_bytes(ks_buf_view(&buf), KS_LITERAL("\0\xff"));
    expect_failure(ks_json_get_base64(root, "name", &buf), KS_ERR_FORMAT, "'name': ");
    ks_buf_done(&buf);
    assert_int_equal(ks_json_get(root, "list", KS_JSON_ARRAY, &list), KS_OK);
    assert_int_equal(ks_json_count(list), 3);
    assert_int_equal(ks_json_double(ks_json_at(list, 1), &real), KS_OK);
    assert_true(real == 2.5);
    expect_text(ks_json_number_text(ks_json_at(list, 1)), "2.5");
    expect_text(ks_json_number_text(ks_json_find(root, "exp")), "1e3");
    assert_int_equal(ks_json_string(ks_json_at(list, 2), &text), KS_OK);
    expect_text(text, "x");
    expect_failure(ks_json_double(ks_json_at(list, 2), &real), KS_ERR_FORMAT,
                   "expected a number");
    expect_failure(ks_json_get(list, "x", KS_JSON_NULL, &list), KS_ERR_FORMAT,
                   "expected an object");
    ks_json_doc_free(doc);
    ks_json_doc_free(NULL);
}

static void test_only(void **state)
{
    static const char *const names[] = {"a", "b", NULL};
    struct ks_json_doc *doc = parsed("{\"b\":1,\"a\":2}");

    (void)state;
    assert_int_equal(ks_json_only(ks_json_root(doc), names), KS_OK);
    ks_json_doc_free(doc);
    doc = parsed("{\"b\":1,\"c\":2}");
    expect_failure(ks_json_only(ks_json_root(doc), names), KS_ERR_FORMAT, "unknown member 'c'");
    ks_json_doc_free(doc);
}

static void read_past_end(void *argument)
{
    (void)ks_json_at(argument, 1);
}

static void test_index_is_asserted(void **state)
{
    struct ks_json_doc *doc = parsed("[[1]]");
    const struct ks_json *list = ks_json_root(doc);
    void *argument = NULL;

    (void)state;
    ks_copy(&argument, &list, sizeof argument);
    assert_true(aborts(read_past_end, argument));
    ks_json_doc_free(doc);
}

/* --- writing ------------------------------------------------------------------------------ */

static void test_writer(void **state)
{
    static const uint8_t bytes[] = {0x00, 0xff};
    struct ks_json_doc *doc = parsed("{\"z\":[1, 2],\"y\":\"\\u0041\"}");
    struct ks_json_doc *again = NULL;
    struct ks_json_writer writer;
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 1000);
    ks_buf_put_text(&buf, "before ");
    writer = ks_json_writer_of(&buf);
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "base64", KS_BYTES(bytes));
    ks_json_member_hex(&writer, "hex", KS_BYTES(bytes));
    ks_json_put_key(&writer, "list");
    ks_json_put_array(&writer);
    ks_json_put_null(&writer);
    ks_json_put_bool(&writer, false);
    ks_json_put_double(&writer, 0.1);
    ks_json_put_u64(&writer, KS_JSON_INTEGER_MAX);
    ks_json_put_array(&writer);
    ks_json_put_end(&writer);
    ks_json_put_object(&writer);
    ks_json_put_end(&writer);
    ks_json_put_canonical(&writer, KS_LITERAL("[3]"));
    ks_json_put_hex(&writer, KS_BYTES(bytes));
    ks_json_put_base64(&writer, KS_BYTES(bytes));
    ks_json_put_end(&writer);
    ks_json_member_u64(&writer, "number", 7);
    ks_json_member_bool(&writer, "on", true);
    ks_json_member_string(&writer, "string", KS_LITERAL("a\nb"));
    ks_json_member_text(&writer, "text", "\"");
    ks_json_put_key(&writer, "value");
    ks_json_put_value(&writer, ks_json_root(doc));
    ks_json_put_end(&writer);
    assert_int_equal(ks_buf_check(&buf), KS_OK);
    expect_text(
        ks_buf_view(&buf),
        "before "
        "{\"base64\":\"AP8=\",\"hex\":\"00ff\",\"list\":[null,false,0.1,9007199254740991,"
        "[],{},[3],\"00ff\",\"AP8=\"],\"number\":7,\"on\":true,\"string\":\"a\\nb\","
        "\"text\":\"\\\"\",\"value\":{\"y\":\"A\",\"z\":[1,2]}}");
    ks_buf_consume(&buf, strlen("before "));
    assert_int_equal(ks_json_parse_canonical(ks_buf_view(&buf), &limits, &again), KS_OK);
    ks_json_doc_free(again);
    ks_json_doc_free(doc);
    ks_buf_done(&buf);
}

struct two_keys {
    const char *first;
    const char *second;
};

static void write_two_keys(void *argument)
{
    const struct two_keys *keys = argument;
    struct ks_json_writer writer;
    struct ks_buf buf;

    ks_buf_init(&buf, 1000);
    writer = ks_json_writer_of(&buf);
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, keys->first);
    ks_json_put_object(&writer); /* keys of an inner object do not count */
    ks_json_member_u64(&writer, "m", 1);
    ks_json_put_end(&writer);
    ks_json_member_u64(&writer, keys->second, 1);
    ks_json_put_end(&writer);
    ks_buf_done(&buf);
}

static void test_writer_key_order(void **state)
{
    struct two_keys rows[] = {
        /* each in order */
        {"", "a"},
        {"a", "b"},
        {"a", "aa"},
        {"a\n", "a\""}, /* 0A, 22; escaped: \n, \" */
        {"\x01", "\t"}, /* escaped: \u0001, \t */
        {"Z", "\\"},    /* 5A, 5C */
        {"[", "\\"},    /* 5B, 5C */
        {"\\", "]"},    /* 5C, 5D */
        {"\xf0\x90\x80\x80", "\xee\x80\x80"},
        {"\xed\x9f\xbf", "\xf0\x90\x80\x80"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct two_keys swapped = {rows[i].second, rows[i].first};
        struct two_keys twice = {rows[i].second, rows[i].second};

        write_two_keys(&rows[i]);
        assert_true(aborts(write_two_keys, &swapped));
        assert_true(aborts(write_two_keys, &twice));
    }
}

static void put_value_without_key(void *argument)
{
    struct ks_json_writer *writer = argument;

    ks_json_put_object(writer);
    ks_json_put_null(writer);
}

static void put_bad_utf8(void *argument)
{
    ks_json_put_text(argument, "\xff");
}

static void put_large_integer(void *argument)
{
    ks_json_put_u64(argument, (uint64_t)KS_JSON_INTEGER_MAX + 1);
}

static void put_key_in_array(void *argument)
{
    ks_json_put_array(argument);
    ks_json_put_key(argument, "a");
}

static void test_writer_assertions(void **state)
{
    static void (*const calls[])(void *) = {put_value_without_key, put_bad_utf8,
                                            put_large_integer, put_key_in_array};
    struct ks_buf buf;

    (void)state;
    ks_buf_init(&buf, 100);
    for (size_t i = 0; i < sizeof calls / sizeof calls[0]; i++) {
        struct ks_json_writer writer = ks_json_writer_of(&buf);

        assert_true(aborts(calls[i], &writer));
    }
    ks_buf_done(&buf);
}

/* The writer over a buffer that fails at every possible length: no crash, and the error is
 * kept. */
static void test_writer_full_buffer(void **state)
{
    (void)state;
    for (size_t max = 0; max < 27; max++) {
        struct ks_json_writer writer;
        struct ks_buf buf;

        ks_buf_init(&buf, max);
        writer = ks_json_writer_of(&buf);
        ks_json_put_object(&writer);
        ks_json_member_text(&writer, "alpha", "\n\"");
        ks_json_member_u64(&writer, "beta", 77);
        ks_json_put_end(&writer);
        assert_int_equal(ks_buf_check(&buf), max < 26 ? KS_ERR_LIMIT : KS_OK);
        ks_buf_done(&buf);
    }
}

/* --- property: whatever is accepted has one canonical form, and that form stands still --- */

static void put_random_string(struct ks_buf *out, uint64_t *seed)
{
    static const char *const pieces[] = {"a",
                                         "b",
                                         "Z",
                                         "\\n",
                                         "\\u0007",
                                         "\\\"",
                                         "\\/",
                                         "\xc3\xa9",
                                         "\\u00E9",
                                         "\xef\xbf\xbd",
                                         "\\ud83d\\ude00",
                                         "\xf0\x9f\x98\x80",
                                         "\xee\x80\x80",
                                         " ",
                                         "\\u2028",
                                         "\x7f"};
    const uint64_t count = next_random(seed) % 6;

    ks_buf_put_u8(out, '"');
    for (uint64_t i = 0; i < count; i++) {
        ks_buf_put_text(out, pieces[next_random(seed) % (sizeof pieces / sizeof pieces[0])]);
    }
    ks_buf_put_u8(out, '"');
}

static void put_random_scalar(struct ks_buf *out, uint64_t *seed)
{
    static const char *const literals[] = {"true", "false",  "null", "-0",
                                           "1E3",  "0.5e-9", "[]",   "{ }"};

    switch (next_random(seed) % 4) {
    case 0:
        put_random_string(out, seed);
        break;
    case 1:
        ks_buf_put_format(out, "%.*g", (int)(next_random(seed) % 18 + 1),
                          (double)next_random(seed) /
                              (double)(next_random(seed) >> next_random(seed) % 64 | 1));
        break;
    case 2:
        ks_buf_put_format(
            out, "-%llu",
            (unsigned long long)(next_random(seed) >> 12 >> next_random(seed) % 40));
        break;
    default:
        ks_buf_put_text(out,
                        literals[next_random(seed) % (sizeof literals / sizeof literals[0])]);
    }
}

static void put_random_value(struct ks_buf *out, uint64_t *seed)
{
    static const char *const spaces[] = {"", "", " ", "\n\t", "\r\n "};
    char closers[8];
    unsigned depth = 0;
    bool first = true;

    do {
        const uint64_t choice = next_random(seed) % 8;

        if (depth > 0 && choice < 2) {
            ks_buf_put_u8(out, (uint8_t)closers[--depth]);
            first = false;
            continue;
        }
        ks_buf_put_text(out, first ? "" : ",");
        ks_buf_put_text(out, spaces[next_random(seed) % 5]);
        if (depth > 0 && closers[depth - 1] == '}') {
            put_random_string(out, seed);
            ks_buf_put_text(out, " :");
        }
        first = choice < 5 && depth < sizeof closers;
        if (first) {
            closers[depth++] = choice % 2 == 0 ? '}' : ']';
            ks_buf_put_u8(out, choice % 2 == 0 ? '{' : '[');
        } else {
            put_random_scalar(out, seed);
        }
        ks_buf_put_text(out, spaces[next_random(seed) % 5]);
    } while (depth > 0);
}

static void test_canonical_is_idempotent(void **state)
{
    uint64_t seed = UINT64_C(20260114020124);
    unsigned accepted = 0;

    (void)state;
    for (unsigned i = 0; i < 20000; i++) {
        const uint64_t start = seed;
        struct ks_json_doc *doc = NULL;
        struct ks_json_doc *again = NULL;
        struct ks_buf text, once, twice;

        ks_buf_init(&text, 1000000);
        ks_buf_init(&once, 1000000);
        ks_buf_init(&twice, 1000000);
        put_random_value(&text, &seed);
        if (ks_json_parse(ks_buf_view(&text), &limits, &doc) == KS_OK) {
            accepted++;
            ks_json_canonical(ks_json_root(doc), &once);
            if (ks_json_parse_canonical(ks_buf_view(&once), &limits, &again) != KS_OK) {
                print_error("seed %llu: %s\n", (unsigned long long)start, ks_err_detail());
                fail();
            }
            ks_json_canonical(ks_json_root(again), &twice);
            expect_bytes(ks_buf_view(&twice), ks_buf_view(&once));
        } else if (strstr(ks_err_detail(), "duplicate key") == NULL &&
                   strstr(ks_err_detail(), "integer beyond") == NULL) {
            print_error("seed %llu: %s\n", (unsigned long long)start, ks_err_detail());
            fail(); /* the generator makes no other fault */
        }
        ks_json_doc_free(doc);
        ks_json_doc_free(again);
        ks_buf_done(&text);
        ks_buf_done(&once);
        ks_buf_done(&twice);
    }
    assert_true(accepted > 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rfc8785_vectors),
        cmocka_unit_test(test_reject_vectors),
        cmocka_unit_test(test_canonical_table),
        cmocka_unit_test(test_not_canonical),
        cmocka_unit_test(test_error_places),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_large_object),
        cmocka_unit_test(test_getters),
        cmocka_unit_test(test_only),
        cmocka_unit_test(test_index_is_asserted),
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_key_order),
        cmocka_unit_test(test_writer_assertions),
        cmocka_unit_test(test_writer_full_buffer),
        cmocka_unit_test(test_canonical_is_idempotent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
