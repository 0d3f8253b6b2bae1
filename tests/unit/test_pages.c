/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Lists that come page by page: what is asked for, what is shown, and lists that do not end.
 * The site and what prints are here. */
#include "expect.h"

#include "base/text.h"
#include "cli/pages.h"

#define ASKED_MAX 4096
#define FIFTY     "01234567890123456789012345678901234567890123456789"
#define PAGES_MAX 1000
#define JOB       "90000000-0000-4000-8000-000000000000"
#define OTHER     "10000000-0000-4000-8000-000000000000"
#define LONG      FIFTY FIFTY "0" /* one more than a device's name */

static const char *const *pages; /* that the site gives; the last one again and again */
static size_t page_count, asked;
static struct ks_buf targets, printed;

enum ks_err ks_operator_get(struct ks_operator *op, const char *target, struct ks_buf *out)
{
    assert_null(op);
    if (targets.len < ASKED_MAX) {
        ks_buf_put_text(&targets, target);
        ks_buf_put_text(&targets, "\n");
    }
    ks_buf_put_text(out, pages[asked < page_count ? asked : page_count - 1]);
    asked++;
    return ks_buf_check(out);
}

void ks_cli_print(const char *format, ...)
{
    char line[256];
    va_list values;

    va_start(values, format);
    (void)vsnprintf(line, sizeof line, format, values);
    va_end(values);
    ks_buf_put_text(&printed, line);
}

enum ks_err ks_cli_print_json(struct ks_buf *out)
{
    ks_buf_put(&printed, ks_buf_view(out));
    return ks_buf_check(out);
}

static enum ks_err print_item(const struct ks_json *item)
{
    enum ks_err err = KS_OK;
    struct ks_bytes name = {0};

    KS_TRY(ks_json_get_string(item, "name", &name));
    ks_cli_print("%.*s\n", (int)name.len, (const char *)name.data);
out:
    return err;
}

static const struct ks_pages_shown shown = {
    .print = print_item, .head = "name", .schema = "ketseal.test/1", .session = "s"};

static enum ks_err show_of(bool named, bool json, unsigned limit, const char *const *list,
                           size_t count)
{
    const struct ks_cli cli = {.json = json};
    const struct ks_pages asked_for = {.path = "/v1/things",
                                       .limit = limit,
                                       .most = PAGES_MAX,
                                       .items = "items",
                                       .named = named};

    pages = list;
    page_count = count;
    asked = 0;
    ks_buf_clear(&targets);
    ks_buf_clear(&printed);
    return ks_pages_print(&cli, NULL, &asked_for, &shown);
}

static enum ks_err show(bool json, unsigned limit, const char *const *list, size_t count)
{
    return show_of(true, json, limit, list, count);
}

static const char *const three[] = {
    "{\"next\":\"b\",\"items\":[{\"name\":\"a\"},{\"name\":\"b\"}]}",
    "{\"next\":\"c-9_0\",\"items\":[{\"name\":\"c\"}]}", "{\"items\":[{\"name\":\"d\"}]}"};
static const char *const none[] = {"{\"items\":[]}"};

static void test_all_pages(void **state)
{
    (void)state;
    assert_int_equal(show(false, 2, three, 3), KS_OK);
    expect_text(ks_buf_view(&printed), "name\na\nb\nc\nd\n");
    expect_text(ks_buf_view(&targets), "/v1/things?limit=2\n/v1/things?limit=2&after=b\n"
                                       "/v1/things?limit=2&after=c-9_0\n");
    assert_int_equal(show(true, 0, three, 3), KS_OK);
    expect_text(ks_buf_view(&printed),
                "{\"items\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"},"
                "{\"name\":\"d\"}],\"schema\":\"ketseal.test/1\",\"session\":\"s\"}");
    expect_text(ks_buf_view(&targets),
                "/v1/things\n/v1/things?after=b\n/v1/things?after=c-9_0\n");
}

/* A page behind the longest name that a device can have. */
static void test_longest(void **state)
{
    static const char *const list[] = {"{\"items\":[],\"next\":\"" FIFTY FIFTY "\"}",
                                       "{\"items\":[{\"name\":\"z\"}]}"};

    (void)state;
    assert_int_equal(show(false, 1000, list, 2), KS_OK);
    expect_text(ks_buf_view(&printed), "name\nz\n");
    expect_text(ks_buf_view(&targets),
                "/v1/things?limit=1000\n/v1/things?limit=1000&after=" FIFTY FIFTY "\n");
}

static void test_nothing(void **state)
{
    (void)state;
    assert_int_equal(show(false, 0, none, 1), KS_OK);
    expect_text(ks_buf_view(&printed), "name\n");
    assert_int_equal(show(true, 0, none, 1), KS_OK);
    expect_text(ks_buf_view(&printed),
                "{\"items\":[],\"schema\":\"ketseal.test/1\",\"session\":\"s\"}");
}

static const struct {
    const char *page;
    const char *words;
} refused[] = {
    {"", "the site's list: "},
    {"{}", "'items'"},
    {"{\"items\":1}", "'items'"},
    {"{\"items\":[1]}", "'name'"},
    {"{\"next\":1,\"items\":[]}", "'next'"},
    {"{\"next\":\"\",\"items\":[]}", "'next' does not go on"},
    {"{\"next\":\"a&b=c\",\"items\":[]}", "'next' does not go on"},
    {"{\"next\":\"a\\u0000\",\"items\":[]}", "the site's list: "},
    {"{\"next\":\"" LONG "\","
     "\"items\":[]}",
     "'next' does not go on"},
    {"{\"next\":\"a\",\"items\":[]}", "'next' does not go on"}, /* after itself */
    {"{\"next\":\"" JOB "\",\"items\":[]}", "'next' does not go on"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        expect_failure(show(false, 0, &refused[i].page, 1), KS_ERR_FORMAT, refused[i].words);
    }
}

/* Names have to grow; ids of jobs have no order, and what goes on behind them has a limit. */
static void test_no_end(void **state)
{
    static const char *list[2 * PAGES_MAX];
    static const char *const back[] = {"{\"next\":\"b\",\"items\":[]}",
                                       "{\"next\":\"a\",\"items\":[]}"};

    (void)state;
    expect_failure(show(false, 0, back, 2), KS_ERR_FORMAT, "'next' does not go on");
    expect_failure(show_of(false, false, 0, back, 2), KS_ERR_FORMAT, "'next' does not go on");
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        list[i] = i % 2 == 0 ? "{\"next\":\"" JOB "\",\"items\":[]}"
                             : "{\"next\":\"" OTHER "\",\"items\":[]}";
    }
    expect_failure(show_of(false, false, 0, list, sizeof list / sizeof list[0]), KS_ERR_LIMIT,
                   "over 1000 pages");
    assert_int_equal(asked, PAGES_MAX);
}

static int set_up(void **state)
{
    (void)state;
    ks_buf_init(&targets, (size_t)2 * ASKED_MAX);
    ks_buf_init(&printed, ASKED_MAX);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ks_buf_done(&targets);
    ks_buf_done(&printed);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_pages), cmocka_unit_test(test_longest),
        cmocka_unit_test(test_nothing),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_no_end),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
