/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* CSV: what is read, and where errors are said to be. */
#include "unit/expect.h"

#include <math.h>

#include "base/table.h"

#define OK(call) assert_int_equal((call), KS_OK)

static struct ks_table *read_text(const char *text)
{
    struct ks_table *table = NULL;

    OK(ks_table_read(ks_bytes_text(text), "t.csv", &table));
    return table;
}

static void test_cells(void **state)
{
    struct ks_table *table =
        read_text("a,\"b,\"\"c\"\"\",d\r\n1,\"two\nlines\",3\n,NA,-1.5e3\n\"\",\"x\",\"7\"");
    double value = 0;
    size_t column = 9;

    (void)state;
    assert_int_equal(ks_table_columns(table), 3);
    assert_int_equal(ks_table_rows(table), 3);
    expect_text(ks_table_name(table, 1), "b,\"c\"");
    expect_text(ks_table_cell(table, 0, 1), "two\nlines");
    assert_true(ks_table_is_missing(ks_table_cell(table, 1, 0)));
    assert_true(ks_table_is_missing(ks_table_cell(table, 1, 1)));
    OK(ks_table_number(table, 1, 2, &value));
    assert_true(value == -1500);
    OK(ks_table_number(table, 2, 2, &value));
    assert_true(value == 7);
    OK(ks_table_number(table, 2, 0, &value));
    assert_true(isnan(value));
    expect_failure(ks_table_number(table, 0, 1, &value), KS_ERR_FORMAT,
                   "t.csv:2:4: 'two?lines' is no finite number");
    /* The row after the one of two lines is on line 4. */
    expect_failure(ks_table_number(table, 2, 1, &value), KS_ERR_FORMAT, "t.csv:5:5: 'x'");
    OK(ks_table_find(table, KS_LITERAL("d"), &column));
    assert_int_equal(column, 2);
    expect_failure(ks_table_find(table, KS_LITERAL("e"), &column), KS_ERR_NOT_FOUND,
                   "t.csv: no column 'e'");
    ks_table_free(table);
}

static void test_numbers(void **state)
{
    static const char *const refused[] = {"nan", "NaN", "inf", "-Infinity", "1e999", "0x10",
                                          "1,5", " 1",  "1 ",  "--1",       "1e",    ".",
                                          "e5",  "1d3", "+",   "1_000",     "one"};
    static const struct {
        const char *text;
        double value;
    } taken[] = {{"0", 0},       {"-0", 0},     {"+2", 2},     {".5", 0.5}, {"5.", 5},
                 {"1E-2", 0.01}, {"00012", 12}, {"1e-400", 0}, {"0.1", 0.1}};
    char text[64];

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct ks_table *table = NULL;
        double value = 0;

        (void)snprintf(text, sizeof text, "a,b\n1,\"%s\"\n", refused[i]);
        table = read_text(text);
        expect_failure(ks_table_number(table, 0, 1, &value), KS_ERR_FORMAT, "t.csv:2:4: '");
        ks_table_free(table);
    }
    for (size_t i = 0; i < sizeof taken / sizeof taken[0]; i++) {
        struct ks_table *table = NULL;
        double value = -1;

        (void)snprintf(text, sizeof text, "a\n%s\n", taken[i].text);
        table = read_text(text);
        OK(ks_table_number(table, 0, 0, &value));
        assert_true(value == taken[i].value);
        ks_table_free(table);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text;
        enum ks_err code;
        const char *detail;
    } cases[] = {
        {"", KS_ERR_FORMAT, "t.csv:1:1: expected a line with the columns' names"},
        {"a,b\n1\n", KS_ERR_FORMAT, "t.csv:2:1: 1 cells, the first line names 2 columns"},
        {"a,b\n1,2\n1,2,3\n", KS_ERR_FORMAT, "t.csv:3:5: 3 cells"},
        {"a,b\n\n", KS_ERR_FORMAT, "t.csv:2:1: 1 cells"},
        {"a,,c\n", KS_ERR_FORMAT, "t.csv:1:3: column 2 has no name"},
        {"a,b,a\n", KS_ERR_FORMAT, "t.csv:1:5: columns 1 and 3 are both called 'a'"},
        {"a,b\n1,\"2\n3,4\n", KS_ERR_FORMAT, "t.csv:2:3: this quote is never closed"},
        {"a,b\n1,2\"3\n", KS_ERR_FORMAT, "t.csv:2:4: a quote inside"},
        {"a,b\n\"1\"2,3\n", KS_ERR_FORMAT, "t.csv:2:4: expected a comma"},
        {"a,b\n1\r,2\n", KS_ERR_FORMAT, "t.csv:2:2: expected a comma"},
        {"a\n\xff\n", KS_ERR_FORMAT, "t.csv: not a text in UTF-8"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_table *table = NULL;

        expect_failure(ks_table_read(ks_bytes_text(cases[i].text), "t.csv", &table),
                       cases[i].code, cases[i].detail);
        assert_null(table);
    }
}

static void test_limits(void **state)
{
    struct ks_table *table = NULL;
    struct ks_buf text;

    (void)state;
    ks_buf_init(&text, 4 * 1024 * 1024);
    for (size_t i = 0; i < 1000000; i++) {
        ks_buf_put_text(&text, i == 0 ? "a" : ",a");
    }
    expect_failure(ks_table_read(ks_buf_view(&text), "t.csv", &table), KS_ERR_LIMIT,
                   "t.csv:1:2049: over 1024 columns");
    ks_buf_clear(&text);
    ks_buf_put_text(&text, "a\n");
    for (size_t i = 0; i <= KS_TABLE_CELL_MAX; i++) {
        ks_buf_put_text(&text, "x");
    }
    expect_failure(ks_table_read(ks_buf_view(&text), "t.csv", &table), KS_ERR_LIMIT,
                   "over 4096 bytes");
    ks_buf_clear(&text);
    ks_buf_put_text(&text, "a\n\"");
    for (size_t i = 0; i <= KS_TABLE_CELL_MAX; i++) {
        ks_buf_put_text(&text, "\"\"");
    }
    expect_failure(ks_table_read(ks_buf_view(&text), "t.csv", &table), KS_ERR_LIMIT,
                   "t.csv:2:1: a cell of over 4096 bytes");
    ks_buf_clear(&text);
    ks_buf_put(&text, KS_BYTES("a\n1"));
    expect_failure(ks_table_read(ks_buf_view(&text), "t.csv", &table), KS_ERR_FORMAT,
                   "not a text");
    ks_buf_done(&text);
}

/* What is written is read as it was. */
static void test_writing(void **state)
{
    static const char *const cells[] = {"", "a", "a,b", "say \"so\"", "two\nlines", "\r", "ß"};
    struct ks_table *table = NULL;
    struct ks_buf out;

    (void)state;
    ks_buf_init(&out, 4096);
    ks_buf_put_text(&out, "0,1,2,3,4,5,6\n");
    for (size_t i = 0; i < 7; i++) {
        ks_table_put_cell(&out, i == 0, ks_bytes_text(cells[i]));
    }
    ks_buf_put_text(&out, "\n");
    OK(ks_table_read(ks_buf_view(&out), "t.csv", &table));
    for (size_t i = 0; i < 7; i++) {
        expect_text(ks_table_cell(table, 0, i), cells[i]);
    }
    ks_table_free(table);
    ks_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),   cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_limits),
        cmocka_unit_test(test_writing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
