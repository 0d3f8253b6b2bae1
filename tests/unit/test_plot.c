/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Figures of rows: tables byte for byte, drawings by what a reader of SVG finds in them, and
 * what is refused. */
#include "unit/figure_folder.h"

#include <math.h>

#include "cli/figure.h"

#define SKIPPED 77

static void expect_table(const struct ks_plot *plot, const char *want)
{
    struct ks_buf file;

    assert_int_equal(ks_plot_write_table(plot, figure_folder), KS_OK);
    read_figure("trial.csv", &file);
    expect_text(ks_buf_view(&file), want);
    ks_buf_done(&file);
}

static void expect_drawn(const struct ks_plot *plot, const char *const *texts)
{
    struct ks_buf file;

    assert_int_equal(ks_plot_draw(plot, figure_folder), KS_OK);
    read_figure("trial.svg", &file);
    for (; *texts != NULL; texts++) {
        expect_holds(&file, *texts);
    }
    ks_buf_done(&file);
}

static struct ks_plot plot_of(enum ks_plot_shape shape, const struct ks_plot_cloud *clouds,
                              size_t count)
{
    return (struct ks_plot){
        .shape = shape,
        .name = "trial",
        .title = "It's `date` <b>",
        .subtitle = "what to know",
        .kind = "label",
        .x = {"Score", "", "score", KS_FIGURE_LINEAR},
        .y = {"Share", "%", "share", KS_FIGURE_LINEAR},
        .z = {"Height", "m", "height", KS_FIGURE_LINEAR},
        .clouds = clouds,
        .count = count,
    };
}

/* Edges of whole tenths as decimals, the last row in the last bin, a value on an edge above it.
 */
static void test_histogram(void **state)
{
    static const double ones[] = {0.05, 0.1, 0.1, 0.29, 0.3, 2.95};
    static const double twos[] = {1.7, 1.7};
    const struct ks_plot_cloud clouds[] = {{"one", "one", ones, NULL, NULL, 6},
                                           {"two", "two", twos, NULL, NULL, 2},
                                           {"none", "none", NULL, NULL, NULL, 0}};
    const struct ks_plot plot = plot_of(KS_PLOT_HISTOGRAM, clouds, 3);
    struct ks_buf want;

    (void)state;
    ks_buf_init(&want, FIGURE_LEN_MAX);
    ks_buf_put_text(&want, "label,score_low,score_high,rows,share\n");
    for (size_t c = 0; c < 2; c++) {
        for (unsigned i = 0; i < 30; i++) {
            const unsigned rows = c == 1                                  ? (i == 17 ? 2 : 0)
                                  : i == 0 || i == 2 || i == 3 || i == 29 ? 1
                                  : i == 1                                ? 2
                                                                          : 0;
            char share[KS_DOUBLE_TEXT_MAX];

            (void)ks_double_text(100.0 * rows / (c == 0 ? 6 : 2), share);
            ks_buf_put_format(&want, "%s,%g,%g,%u,%s\n", clouds[c].name, i / 10.0,
                              (i + 1) / 10.0, rows, share);
        }
    }
    ks_buf_put_u8(&want, 0);
    expect_table(&plot, (const char *)want.data);
    ks_buf_done(&want);
}

/* Bins of rows that are all alike, far away, or below 0. */
static void test_bins(void **state)
{
    static const double alike[] = {7, 7, 7};
    static const double far[] = {1e9, 3e9};
    static const double below[] = {-0.003, -0.001};
    const struct {
        const double *values;
        size_t count;
        const char *first;
    } cases[] = {
        {alike, 3, "label,score_low,score_high,rows,share\none,7,7.01,3,100\n"},
        {far, 2, "label,score_low,score_high,rows,share\none,1000000000,1050000000,1,50\n"},
        {below, 2, "label,score_low,score_high,rows,share\none,-0.003,-0.00295,1,50\n"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct ks_plot_cloud cloud = {"one", "one", cases[i].values,
                                            NULL,  NULL,  cases[i].count};
        const struct ks_plot plot = plot_of(KS_PLOT_HISTOGRAM, &cloud, 1);
        struct ks_buf file;

        assert_int_equal(ks_plot_write_table(&plot, figure_folder), KS_OK);
        read_figure("trial.csv", &file);
        assert_true(file.len >= strlen(cases[i].first));
        expect_text(ks_bytes_of(file.data, strlen(cases[i].first)), cases[i].first);
        ks_buf_done(&file);
    }
}

static void test_scatter(void **state)
{
    static const double x[] = {1, 2};
    static const double y[] = {0.5, 100};
    static const double z[] = {3, -4};
    const struct ks_plot_cloud clouds[] = {{"one", "one", x, y, z, 2},
                                           {"two", "two", z, x, y, 1}};
    const struct ks_plot plot = plot_of(KS_PLOT_SCATTER, clouds, 2);

    (void)state;
    expect_table(&plot, "label,score,share,height\none,1,0.5,3\none,2,100,-4\ntwo,3,1,0.5\n");
}

/* Of 1 to 9 and 30: quartiles by linear interpolation are 3.25, 5.5, 7.75, the reach of
 * whiskers is 6.75; of one row all are that row. */
static void test_boxes(void **state)
{
    static const double x[] = {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 2};
    static const double y[] = {9, 30, 1, 2, 3, 8, 7, 6, 5, 4, 1.5};
    static const double few[] = {10, 0, 2, 1};
    const struct ks_plot_cloud clouds[] = {{"one", "one", x, y, NULL, 11},
                                           {"two", "two", x, y, NULL, 1},
                                           {"few", "few", x, few, NULL, 4}};
    const struct ks_plot plot = plot_of(KS_PLOT_BOXES, clouds, 3);

    (void)state;
    expect_table(&plot, "label,score,rows,share_low,share_q1,share_median,share_q3,share_high,"
                        "share_outlier\n"
                        "one,2,1,1.5,1.5,1.5,1.5,1.5,\n"
                        "one,4,10,1,3.25,5.5,7.75,9,\n"
                        "one,4,,,,,,,30\n"
                        "two,4,1,9,9,9,9,9,\n"
                        "few,4,4,0,0.75,1.5,4,4,\n"
                        "few,4,,,,,,,10\n");
}

static void test_limits(void **state)
{
    static double many[KS_PLOT_POINTS_MAX + 1];
    static const double bad[] = {(double)NAN};
    struct ks_plot_cloud cloud = {"one", "one", bad, NULL, NULL, 1};
    struct ks_plot plot = plot_of(KS_PLOT_HISTOGRAM, &cloud, 1);

    (void)state;
    plot.name = "bad";
    expect_failure(ks_plot_write_table(&plot, figure_folder), KS_ERR_LIMIT,
                   "row 1 of one is off its scale");
    expect_failure(ks_plot_draw(&plot, figure_folder), KS_ERR_LIMIT, "off its scale");
    cloud.count = 0;
    expect_failure(ks_plot_write_table(&plot, figure_folder), KS_ERR_LIMIT, "no points");
    plot.count = KS_FIGURE_SERIES_MAX + 1;
    expect_failure(ks_plot_write_table(&plot, figure_folder), KS_ERR_LIMIT, "9 series");
    plot.count = 1;
    plot.shape = KS_PLOT_SCATTER;
    cloud = (struct ks_plot_cloud){"one", "one", many, many, many, KS_PLOT_POINTS_MAX + 1};
    expect_failure(ks_plot_write_table(&plot, figure_folder), KS_ERR_LIMIT, "100001 points");
    plot.shape = KS_PLOT_BOXES;
    for (size_t i = 0; i <= KS_PLOT_CATEGORIES_MAX; i++) {
        many[i] = (double)i;
    }
    expect_failure(ks_plot_draw(&plot, figure_folder), KS_ERR_LIMIT,
                   "over 40 different values of score");
    plot.y.scale = KS_FIGURE_LOG10;
    expect_failure(ks_plot_draw(&plot, figure_folder), KS_ERR_LIMIT, "off its scale");
    assert_true(!figure_exists("bad.csv") && !figure_exists("bad.pdf"));
}

/* --- with gnuplot ------------------------------------------------------------------------- */

static void test_drawings(void **state)
{
    static const double x[] = {1, 2, 2, 2, 2, 2, 3};
    static const double y[] = {0.001, 0.02, 0.03, 0.04, 0.05, 5, 70};
    static const double z[] = {3, -4, 5, 6, 7, 8, 9};
    static const char *const histogram[] = {"It's `date` &lt;b>",
                                            "what to know",
                                            "first",
                                            "second",
                                            "Score",
                                            "Share",
                                            ">50 %<",
                                            "cut here",
                                            NULL};
    static const char *const scatter[] = {"first",  "second", "Score", "Share",
                                          "Height", ">8 m<",  "10 ms", NULL};
    static const char *const boxes[] = {"first", "second", ">3<", "10 ms",
                                        "100 s", ">5<",    NULL};
    const struct ks_plot_cloud clouds[] = {{"one", "first", x, y, z, 7},
                                           {"two", "second", x, y, z, 3},
                                           {"none", "absent", NULL, NULL, NULL, 0}};
    struct ks_plot plot = plot_of(KS_PLOT_HISTOGRAM, clouds, 3);

    (void)state;
    plot.line_label = "cut here";
    plot.line = 2.5;
    expect_drawn(&plot, histogram);
    plot = plot_of(KS_PLOT_SCATTER, clouds, 3);
    plot.y = (struct ks_figure_axis){"Share", "s", "share_s", KS_FIGURE_LOG10};
    expect_drawn(&plot, scatter);
    plot.shape = KS_PLOT_BOXES;
    expect_drawn(&plot, boxes);
}

int main(void)
{
    const struct CMUnitTest always[] = {
        cmocka_unit_test(test_histogram), cmocka_unit_test(test_bins),
        cmocka_unit_test(test_scatter),   cmocka_unit_test(test_boxes),
        cmocka_unit_test(test_limits),
    };
    const struct CMUnitTest drawn[] = {
        cmocka_unit_test(test_drawings),
    };
    int failed = cmocka_run_group_tests_name("tables", always, make_folder, remove_folder);

    if (ks_figure_check() != KS_OK) {
        (void)printf("SKIPPED: %s\n", ks_err_detail());
        return failed != 0 ? failed : SKIPPED;
    }
    failed += cmocka_run_group_tests_name("drawings", drawn, make_folder, remove_folder);
    return failed;
}
