/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Alerts about contributions: the entry against its reader, and pages of them. */
#include "unit/expect.h"

#include <string.h>

#include "record/suspect.h"

#define OK(call) assert_int_equal((call), KS_OK)

static const struct ks_suspect sample = {
    .device = {(const uint8_t *)"edge-4", 6},
    .record = {1, 2, 3},
    .session = {4, 5, 6},
    .round = 7,
    .reason = {(const uint8_t *)"direction", 9},
    .norm = 0.25,
    .score = 12.5,
};

static void write_sample(struct ks_buf *out)
{
    ks_buf_init(out, KS_ENTRY_BYTES_MAX);
    ks_entry_suspect_write(&sample, out);
    OK(ks_buf_check(out));
}

static void test_round_trip(void **state)
{
    struct ks_buf entry;
    struct ks_json_doc *doc = NULL;
    struct ks_suspect read;

    (void)state;
    write_sample(&entry);
    OK(ks_entry_suspect_read(ks_buf_view(&entry), &doc, &read));
    assert_true(ks_bytes_equal(read.device, sample.device) &&
                ks_bytes_equal(read.reason, sample.reason));
    assert_memory_equal(read.record, sample.record, sizeof read.record);
    assert_memory_equal(read.session, sample.session, sizeof read.session);
    assert_true(read.round == 7 && read.norm == 0.25 && read.score == 12.5);
    ks_json_doc_free(doc);
    ks_buf_done(&entry);
}

/* The sample with the first OLD replaced by FRESH. */
static void replace(const char *old, const char *fresh, struct ks_buf *out)
{
    struct ks_buf entry;
    const char *at = NULL;
    size_t before = 0;

    write_sample(&entry);
    ks_buf_put_u8(&entry, 0); /* for strstr */
    OK(ks_buf_check(&entry));
    at = strstr((const char *)entry.data, old);
    assert_non_null(at);
    before = (size_t)(at - (const char *)entry.data);
    ks_buf_clear(out);
    ks_buf_put(out, ks_bytes_of(entry.data, before));
    ks_buf_put_text(out, fresh);
    ks_buf_put_text(out, at + strlen(old));
    ks_buf_done(&entry);
}

static void test_refused(void **state)
{
    static const struct {
        const char *old;
        const char *fresh;
        const char *detail;
    } cases[] = {
        {"\"alert\"", "\"device\"", "it is no alert"},
        {"ketseal.entry/1", "ketseal.entry/2", "it is no alert"},
        {"edge-4", "edge 4", "'device'"},
        {"\"edge-4\"", "\"\"", "'device'"},
        {"[\"direction\"]", "[]", "'reasons': one of them"},
        {"[\"direction\"]", "[\"a\",\"b\"]", "'reasons': one of them"},
        {"\"direction\"", "\"over-sixteen-long\"", "'reasons': expected a word"},
        {"\"norm\":0.25", "\"norm\":-0.25", "'norm': below 0"},
        {"\"norm\":0.25", "\"norm\":\"0.25\"", "number"},
        {"\"score\":12.5", "\"score\":-1", "'score': below 0"},
        {"\"round\":7", "\"round\":-7", "'round'"},
        {"\"record\":\"01", "\"record\":\"0", "'record'"},
        {"\"session\":\"04", "\"session\":\"g4", "'session'"},
        {"\"round\":7", "\"round\":7,\"rounds\":7", "unknown"},
        {"\"norm\":0.25,", "", "norm"},
        {"{\"device", "{ \"device", "canonical"},
        {"}", "}}", ""},
    };
    struct ks_buf entry;

    (void)state;
    ks_buf_init(&entry, 2 * KS_ENTRY_BYTES_MAX);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_json_doc *doc = NULL;
        struct ks_suspect read;

        replace(cases[i].old, cases[i].fresh, &entry);
        expect_failure(ks_entry_suspect_read(ks_buf_view(&entry), &doc, &read), KS_ERR_FORMAT,
                       cases[i].detail);
        assert_null(doc);
    }
    ks_buf_done(&entry);
}

struct seen {
    uint64_t positions[4];
    size_t count;
};

static enum ks_err visit(void *context, uint64_t position, uint64_t at_us,
                         struct ks_bytes entry)
{
    struct seen *seen = context;

    assert_true(at_us == 1000000 + position && entry.len > 0);
    seen->positions[seen->count++] = position;
    return KS_OK;
}

static void write_page(const uint64_t *positions, size_t count, uint64_t next,
                       struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    struct ks_buf entry;

    write_sample(&entry);
    ks_buf_clear(out);
    ks_suspect_page_begin(&writer);
    for (size_t i = 0; i < count; i++) {
        ks_suspect_page_put(positions[i], 1000000 + positions[i], ks_buf_view(&entry), &writer);
    }
    ks_suspect_page_end(next, &writer);
    OK(ks_buf_check(out));
    ks_buf_done(&entry);
}

static void test_pages(void **state)
{
    static const uint64_t falling[] = {30, 9, 2};
    static const uint64_t level[] = {30, 30};
    struct seen seen = {.count = 0};
    struct ks_buf page;
    uint64_t next = 1;

    (void)state;
    ks_buf_init(&page, KS_SUSPECT_PAGE_BYTES_MAX);
    write_page(falling, 3, 2, &page);
    OK(ks_suspect_page_read(ks_buf_view(&page), visit, &seen, &next));
    assert_true(seen.count == 3 && next == 2);
    assert_memory_equal(seen.positions, falling, sizeof falling);
    write_page(NULL, 0, 0, &page);
    OK(ks_suspect_page_read(ks_buf_view(&page), visit, &seen, &next));
    assert_true(seen.count == 3 && next == 0);
    write_page(level, 2, 0, &page);
    expect_failure(ks_suspect_page_read(ks_buf_view(&page), visit, &seen, &next), KS_ERR_FORMAT,
                   "'index': not below the one before");
    ks_buf_done(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
