/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The history of a session as a site says it, in pages: what comes of it as a table, as JSON
 * and as figures, and what is no history. */
#include "expect.h"

#include "base/sys.h"
#include "cli/history.h"

#define TIME      "2026-03-01T00:00:00.000000Z"
#define SESSION   "0123456789abcdef0123456789abcdef"
#define ONE(more) "{\"count\":2," more
#define REST                                                                                   \
    "\"finished_at\":\"" TIME "\",\"loss\":0.5,\"participation\":0.5,\"phase\":\"COMPLETED\","
#define ROW(round)                                                                             \
    ONE("\"failure\":\"none\"," REST "\"round\":" round ",\"samples\":30,\"seconds\":1.25}")
#define FAILED                                                                                 \
    "{\"count\":0,\"failure\":\"stopped on demand\",\"finished_at\":\"" TIME                   \
    "\",\"loss\":0,\"participation\":0,\"phase\":\"FAILED\",\"round\":3,\"samples\":0,"        \
    "\"seconds\":7}"
#define END                                                                                    \
    "\"rounds_ordered\":9,\"schema\":\"ketseal.fl-history/1\",\"session\":\"" SESSION          \
    "\",\"state\":\"STOPPED\",\"wanted\":4}"
#define FIRST "{\"items\":[" ROW("1") "," ROW("2") "],\"next\":2," END
#define LAST  "{\"items\":[" FAILED "]," END

static void read_both(struct ks_history *history)
{
    uint64_t next = 0;

    *history = (struct ks_history){.rows = NULL};
    assert_int_equal(ks_history_add(history, KS_LITERAL(FIRST), &next), KS_OK);
    assert_int_equal(next, 2);
    assert_int_equal(ks_history_add(history, KS_LITERAL(LAST), &next), KS_OK);
    assert_int_equal(next, 0);
}

static void test_tables(void **state)
{
    struct ks_history history;
    struct ks_buf out;

    (void)state;
    read_both(&history);
    ks_buf_init(&out, 65536);
    ks_history_put_csv(&history, &out);
    expect_text(ks_buf_view(&out),
                "round,outcome,count,participation,samples,loss,seconds,finished_at\n"
                "1,completed,2,0.5,30,0.5,1.25," TIME "\n"
                "2,completed,2,0.5,30,0.5,1.25," TIME "\n"
                "3,stopped on demand,0,0,0,0,7," TIME "\n");
    ks_buf_clear(&out);
    ks_history_put_json(&history, &out); /* one page of all */
    expect_text(ks_buf_view(&out), "{\"items\":[" ROW("1") "," ROW("2") "," FAILED "]," END);
    ks_buf_clear(&out);
    ks_history_put_text(&history, &out);
    assert_non_null(memmem(out.data, out.len, "\nloss by round\n", 15));
    assert_non_null(memmem(out.data, out.len, "stopped on demand\n", 18));
    ks_buf_done(&out);
    ks_history_done(&history);
}

static void expect_file(const char *directory, const char *name, const char *want)
{
    char path[256];
    struct ks_buf text;

    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    ks_buf_init(&text, 65536);
    assert_int_equal(ks_file_read(path, 65536, &text), KS_OK);
    expect_text(ks_buf_view(&text), want);
    ks_buf_done(&text);
    assert_int_equal(unlink(path), 0);
}

static void test_figures(void **state)
{
    struct ks_history history;
    char directory[] = "/tmp/test_history.XXXXXX";

    (void)state;
    read_both(&history);
    assert_non_null(mkdtemp(directory));
    assert_int_equal(ks_history_write_figures(&history, directory, false), KS_OK);
    expect_file(directory, "fl_loss_by_round.csv",
                "series,round,loss,loss_low,loss_high\n"
                "loss,1,0.5,0.5,0.5\nloss,2,0.5,0.5,0.5\n");
    expect_file(directory, "fl_participation.csv",
                "series,round,participation_percent,participation_percent_low,"
                "participation_percent_high\n"
                "participation,1,50,50,50\nparticipation,2,50,50,50\n"
                "participation,3,0,0,0\n");
    assert_int_equal(rmdir(directory), 0);
    ks_history_done(&history);
}

static const struct {
    const char *page; /* after FIRST */
    const char *error;
} refused[] = {
    {"", "the site's history: "},
    {"{}", "'items'"},
    {"{\"items\":{}," END, "'items'"},
    {"{\"items\":[1]," END, "the site's history: "},
    {"{\"items\":[" ROW("2") "]," END, "round 2 is out of turn"},
    {"{\"items\":[" ROW("1000001") "]," END, "'round'"},
    {"{\"items\":[" ROW("-3") "]," END, "'round'"},
    {"{\"items\":[" ROW("4") "," ROW("3") "]," END, "round 3 is out of turn"},
    {"{\"items\":[" ONE("\"failure\":\"a,b\"," REST
                        "\"round\":3,\"samples\":1,\"seconds\":1}") "]," END,
     "'failure' has a character"},
    {"{\"items\":[" ONE("\"failure\":\"\\u001b[2J\"," REST
                        "\"round\":3,\"samples\":1,\"seconds\":1}") "]," END,
     "'failure' has a character"},
    {"{\"items\":[" ONE(
         "\"failure\":"
         "\"012345678901234567890123456789012345678901234567890123456789012345678901234"
         "567890\"," REST "\"round\":3,\"samples\":1,\"seconds\":1}") "]," END,
     "'failure' is too long"},
    {"{\"items\":[" ONE("\"failure\":1," REST
                        "\"round\":3,\"samples\":1,\"seconds\":1}") "]," END,
     "'failure'"},
    {"{\"items\":[" FAILED "],\"next\":2," END, "'next' is not its last round"},
    {"{\"items\":[" FAILED "],\"next\":4," END, "'next' is not its last round"},
    {"{\"items\":[],\"next\":2," END, "'next' is not its last round"}, /* for ever */
    {"{\"items\":[" FAILED "],\"session\":\"\",\"state\":\"\"}", "'rounds_ordered'"},
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct ks_history history = {.rows = NULL};
        uint64_t next = 0;

        assert_int_equal(ks_history_add(&history, KS_LITERAL(FIRST), &next), KS_OK);
        if (ks_history_add(&history, ks_bytes_text(refused[i].page), &next) == KS_OK) {
            fail_msg("taken: %s", refused[i].page);
        }
        if (strstr(ks_err_detail(), refused[i].error) == NULL) {
            fail_msg("%s: %s", refused[i].page, ks_err_detail());
        }
        ks_history_done(&history);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_figures),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
