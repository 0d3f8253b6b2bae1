/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Figures: the table byte for byte, the drawings by what a reader of SVG finds in them, and
 * what happens without gnuplot or with one that fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/figure_folder.h"

#include <math.h>
#include <time.h>

#include "cli/figure.h"

#define SKIPPED 77

static const struct ks_figure_point points_a[] = {
    {16, 400000, 300000, 450000}, {256, 2.1e6, 1.9e6, 2.25e6}, {65536, 2200000.5, 2e6, 2.3e6}};
static const struct ks_figure_point points_b[] = {{16, 9e7, 9e7, 9e7}, {65536, 5e8, 5e8, 5e8}};
static const struct ks_figure_series series[] = {{"one", "It's `date` <b>&\n", points_a, 3},
                                                 {"two", "µ \"$x\" {/Bold y}_z", points_b, 2}};
static const struct ks_figure figure = {
    .name = "trial",
    .title = "A title",
    .subtitle = "what to know",
    .kind = "source",
    .x = {"Block size", "B", "block_bytes", KS_FIGURE_LOG2},
    .y = {"Throughput", "B/s", "bytes_per_second", KS_FIGURE_LOG10},
    .series = series,
    .count = 2,
};

static void test_table(void **state)
{
    struct ks_buf file;

    (void)state;
    assert_int_equal(ks_figure_write_table(&figure, figure_folder), KS_OK);
    read_figure("trial.csv", &file);
    expect_text(
        ks_buf_view(&file),
        "source,block_bytes,bytes_per_second,bytes_per_second_low,bytes_per_second_high\n"
        "one,16,400000,300000,450000\n"
        "one,256,2100000,1900000,2250000\n"
        "one,65536,2200000.5,2000000,2300000\n"
        "two,16,90000000,90000000,90000000\n"
        "two,65536,500000000,500000000,500000000\n");
    ks_buf_done(&file);
    expect_failure(ks_figure_write_table(&figure, in_folder("absent")), KS_ERR_NOT_FOUND,
                   "absent");
}

static void test_limits(void **state)
{
    const struct ks_figure_point bad[][1] = {
        {{0, 1, 1, 1}}, {{1, 0, 0, 1}}, {{1, 1, -1, 1}},       {{NAN, 1, 1, 1}},
        {{1, 2, 3, 4}}, {{1, 5, 3, 4}}, {{1, 1, 1, INFINITY}},
    };
    struct ks_figure_series one = {.name = "one", .label = "one", .count = 1};
    struct ks_figure trial = figure;

    (void)state;
    trial.name = "bad";
    trial.series = &one;
    trial.count = 1;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        one.points = bad[i];
        expect_failure(ks_figure_write_table(&trial, figure_folder), KS_ERR_LIMIT,
                       "off its scale");
        expect_failure(ks_figure_draw(&trial, figure_folder), KS_ERR_LIMIT, "off its scale");
    }
    one.count = 0;
    expect_failure(ks_figure_write_table(&trial, figure_folder), KS_ERR_LIMIT, "no points");
    trial.count = KS_FIGURE_SERIES_MAX + 1;
    expect_failure(ks_figure_draw(&trial, figure_folder), KS_ERR_LIMIT, "9 series");
    assert_true(!figure_exists("bad.csv") && !figure_exists("bad.pdf"));
}

/* --- with gnuplot --------------------------------------------------------------------------
 */

static void test_drawings(void **state)
{
    struct ks_buf pdf;
    struct ks_buf svg;
    struct ks_buf png;

    (void)state;
    assert_int_equal(ks_figure_check(), KS_OK);
    assert_int_equal(ks_figure_draw(&figure, figure_folder), KS_OK);
    read_figure("trial.pdf", &pdf);
    read_figure("trial.svg", &svg);
    read_figure("trial.png", &png);
    assert_int_equal(memcmp(pdf.data, "%PDF-", 5), 0);
    assert_null(memmem(pdf.data, pdf.len, "CreationDate", 12));
    assert_int_equal(memcmp(png.data, "\x89PNG\r\n\x1a\n", 8), 0);
    /* IHDR: 1600 by 1000. */
    assert_int_equal(memcmp(png.data + 16, "\0\0\x06\x40\0\0\x03\xe8", 8), 0);
    /* Texts are literal: nothing was run, nothing was taken for markup. */
    expect_holds(&svg, "It's `date` &lt;b>&amp;?");
    expect_holds(&svg, "µ \"$x\" {/Bold y}_z");
    expect_holds(&svg, "A title");
    expect_holds(&svg, "what to know");
    expect_holds(&svg, "Block size");
    expect_holds(&svg, "Throughput");
    expect_holds(&svg, "16 B");
    expect_holds(&svg, "64 KiB");
    expect_holds(&svg, "100 kB/s");
    expect_holds(&svg, "1 GB/s");
    expect_holds(&svg, "rgb(  0, 114, 178)");
    assert_null(memmem(svg.data, svg.len, "scale(0.00)", 11)); /* librsvg refuses it all */
    ks_buf_done(&pdf);
    ks_buf_done(&svg);
    ks_buf_done(&png);
}

/* The same bytes a second later. */
static void test_reproducible(void **state)
{
    static const char *const names[] = {"trial.pdf", "trial.svg", "trial.png"};
    const struct timespec second = {.tv_sec = 1, .tv_nsec = 100000000};
    struct ks_buf before[3];
    struct ks_buf after;

    (void)state;
    assert_int_equal(ks_figure_draw(&figure, figure_folder), KS_OK);
    for (size_t i = 0; i < 3; i++) {
        read_figure(names[i], &before[i]);
    }
    (void)nanosleep(&second, NULL);
    assert_int_equal(ks_figure_draw(&figure, figure_folder), KS_OK);
    for (size_t i = 0; i < 3; i++) {
        read_figure(names[i], &after);
        assert_true(ks_bytes_equal(ks_buf_view(&before[i]), ks_buf_view(&after)));
        ks_buf_done(&before[i]);
        ks_buf_done(&after);
    }
}

static void test_linear(void **state)
{
    const struct ks_figure_point points[] = {
        {2, 10, 10, 10}, {4, 30, 25, 40}, {10, 80, 80, 80}};
    const struct ks_figure_series two[] = {{"one", "one", points, 3},
                                           {"none", "none", NULL, 0}};
    const struct ks_figure trial = {
        .name = "linear",
        .title = "",
        .subtitle = "",
        .kind = "sdk",
        .x = {"Qubits", "", "qubits", KS_FIGURE_LINEAR},
        .y = {"Round trip", "ms", "rtt_ms", KS_FIGURE_LINEAR},
        .series = two,
        .count = 2, /* one of them empty, which is nothing to draw and no error */
    };
    struct ks_buf svg;

    (void)state;
    assert_int_equal(ks_figure_draw(&trial, figure_folder), KS_OK);
    read_figure("linear.svg", &svg);
    expect_holds(&svg, ">10<");
    expect_holds(&svg, ">0 ms<");
    expect_holds(&svg, ">80 ms<");
    ks_buf_done(&svg);
}

/* Ticks of all sizes: at most nine, with the prefix of their power. */
static void test_ticks(void **state)
{
    static const struct {
        double low;
        double high;
        const char *x_tick;
        const char *y_tick;
    } table[] = {
        {3e-9, 2e-6, "2^-19 B", "10 nB/s"},     {1, 1, "1 B", "10 B/s"},
        {100, 100, "128 B", "1 kB/s"},          {1.5e-3, 30e6, "32 MiB", "100 mB/s"},
        {1e-30, 1e30, "2^-100 B", "1e-30 B/s"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        const struct ks_figure_point points[] = {
            {table[i].low, table[i].low, table[i].low, table[i].low},
            {table[i].high, table[i].high, table[i].high, table[i].high}};
        const struct ks_figure_series one = {"one", "one", points, 2};
        struct ks_figure trial = figure;
        struct ks_buf svg;

        trial.series = &one;
        trial.count = 1;
        assert_int_equal(ks_figure_draw(&trial, figure_folder), KS_OK);
        read_figure("trial.svg", &svg);
        expect_holds(&svg, table[i].x_tick);
        expect_holds(&svg, table[i].y_tick);
        ks_buf_done(&svg);
    }
}

/* --- without -------------------------------------------------------------------------------
 */

/* PATH is one figure_folder, with a gnuplot that is SCRIPT, or none. */
static void set_gnuplot(const char *script)
{
    if (script != NULL) {
        assert_int_equal(ks_file_write(in_folder("gnuplot"), ks_bytes_text(script), 0755),
                         KS_OK);
    }
    assert_int_equal(setenv("PATH", figure_folder, 1), 0);
}

static void test_no_gnuplot(void **state)
{
    char *path = NULL;

    (void)state;
    assert_int_equal(ks_text_copy(getenv("PATH"), &path), KS_OK);
    struct ks_figure trial = figure;

    trial.name = "none";
    set_gnuplot(NULL);
    expect_failure(ks_figure_check(), KS_ERR_IO, "gnuplot is not installed");
    expect_failure(ks_figure_draw(&trial, figure_folder), KS_ERR_IO,
                   "none.pdf: gnuplot is not");
    set_gnuplot("#!/bin/sh\necho 'line 0: unknown terminal' >&2; exit 3\n");
    expect_failure(ks_figure_check(), KS_ERR_IO, "(status 3): 'line 0: unknown terminal?'");
    set_gnuplot("#!/bin/sh\nkill -TERM $$\n");
    expect_failure(ks_figure_draw(&trial, figure_folder), KS_ERR_IO, "(signal 15)");
    set_gnuplot("#!/bin/sh\nexit 0\n");
    expect_failure(ks_figure_draw(&trial, figure_folder), KS_ERR_IO, "wrote nothing");
    /* The last of the three fails: the others, drawn already, do not appear. */
    set_gnuplot("#!/bin/sh\nread a; read b; case $b in *png*) exit 1;; *) echo drawn;; esac\n");
    expect_failure(ks_figure_draw(&trial, figure_folder), KS_ERR_IO, "none.png: ");
    assert_true(!figure_exists("none.pdf") && !figure_exists("none.svg") &&
                !figure_exists("none.png"));
    assert_int_equal(setenv("PATH", path, 1), 0);
    assert_int_equal(unlink(in_folder("gnuplot")), 0);
    ks_free(path);
}

/* Standard files that are closed leave their numbers to others; the child gets its own. */
static void test_closed_files(void **state)
{
    const pid_t pid = fork();
    int status = 0;

    (void)state;
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(0);
        (void)close(1);
        (void)close(2);
        _exit(ks_figure_draw(&figure, figure_folder) == KS_OK ? 0 : 1);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

int main(void)
{
    const struct CMUnitTest always[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_no_gnuplot),
    };
    const struct CMUnitTest drawn[] = {
        cmocka_unit_test(test_drawings),     cmocka_unit_test(test_reproducible),
        cmocka_unit_test(test_linear),       cmocka_unit_test(test_ticks),
        cmocka_unit_test(test_closed_files),
    };
    int failed = cmocka_run_group_tests_name("tables", always, make_folder, remove_folder);

    if (ks_figure_check() != KS_OK) {
        (void)printf("SKIPPED: %s\n", ks_err_detail());
        return failed != 0 ? failed : SKIPPED;
    }
    failed += cmocka_run_group_tests_name("drawings", drawn, make_folder, remove_folder);
    return failed;
}
