/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Each allocation of a figure and of a measurement fails once: an error, nothing leaked, and no
 * file that was not finished. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fault/fault.h"
#include "unit/expect.h"

#include <sys/stat.h>

#include "base/sys.h"
#include "base/text.h"
#include "cli/figure.h"
#include "cli/trng.h"

#define ALLOCATIONS_MAX 1000

static char *folder;
static char path[KS_PATH_MAX];

static const char *in_folder(const char *name)
{
    assert_int_equal(ks_path_join(folder, name, path), KS_OK);
    return path;
}

/* A gnuplot that draws the same each time, since the real one may be absent. */
static int make_folder(void **state)
{
    (void)state;
    return ks_dir_temporary("ketseal-figure", &folder) != KS_OK ||
           ks_file_write(in_folder("gnuplot"), KS_LITERAL("#!/bin/sh\necho drawn\n"), 0755) !=
               KS_OK ||
           setenv("PATH", folder, 1) != 0;
}

static int remove_folder(void **state)
{
    const int failed = ks_dir_remove(folder) != KS_OK;

    (void)state;
    ks_free(folder);
    return failed;
}

static enum ks_err task_table(const struct ks_figure *figure)
{
    return ks_figure_write_table(figure, folder);
}

static enum ks_err task_draw(const struct ks_figure *figure)
{
    return ks_figure_draw(figure, folder);
}

static const double places[] = {1, 2, 2, 3, 90};
static const struct ks_plot_cloud cloud = {"one", "one", places, places, places, 5};

static struct ks_plot plot_of(enum ks_plot_shape shape)
{
    return (struct ks_plot){.shape = shape,
                            .name = "plot",
                            .title = "A title",
                            .subtitle = "",
                            .kind = "kind",
                            .x = {"x", "", "x", KS_FIGURE_LINEAR},
                            .y = {"y", "", "y", KS_FIGURE_LINEAR},
                            .z = {"z", "", "z", KS_FIGURE_LINEAR},
                            .clouds = &cloud,
                            .count = 1};
}

static enum ks_err task_plot_table(const struct ks_figure *figure)
{
    const struct ks_plot boxes = plot_of(KS_PLOT_BOXES);

    (void)figure;
    return ks_plot_write_table(&boxes, folder);
}

static enum ks_err task_histogram(const struct ks_figure *figure)
{
    const struct ks_plot plot = plot_of(KS_PLOT_HISTOGRAM);

    (void)figure;
    return ks_plot_draw(&plot, folder);
}

static enum ks_err task_scatter(const struct ks_figure *figure)
{
    struct ks_plot plot = plot_of(KS_PLOT_SCATTER);

    (void)figure;
    plot.name = "scatter";
    return ks_plot_draw(&plot, folder);
}

static enum ks_err task_boxes(const struct ks_figure *figure)
{
    struct ks_plot plot = plot_of(KS_PLOT_BOXES);

    (void)figure;
    plot.name = "boxes";
    return ks_plot_draw(&plot, folder);
}

static enum ks_err task_check(const struct ks_figure *figure)
{
    (void)figure;
    return ks_figure_check();
}

static enum ks_err read_zeros(void *context, void *out, size_t len)
{
    (void)context;
    ks_zero(out, len);
    return KS_OK;
}

static enum ks_err task_measure(const struct ks_figure *figure)
{
    const struct ks_trng_source source = {"zeros", read_zeros, NULL};
    const struct ks_trng_spec spec = {.runs = 1, .run_us = 1};
    struct ks_trng_speed speed;

    (void)figure;
    return ks_trng_measure(&source, 1, 64, &spec, &speed);
}

static void test_each(void **state)
{
    static enum ks_err (*const tasks[])(const struct ks_figure *) = {
        task_table,      task_draw,      task_check,   task_measure,
        task_plot_table, task_histogram, task_scatter, task_boxes};
    static const char *const made[] = {"trial.csv", "trial.png", NULL,          NULL,
                                       "plot.csv",  "plot.png",  "scatter.png", "boxes.png"};
    const struct ks_figure_point points[] = {{1, 2, 2, 2}, {1000, 3, 2, 5}};
    const struct ks_figure_series series = {"one", "one", points, 2};
    const struct ks_figure figure = {
        .name = "trial",
        .title = "A title",
        .subtitle = "",
        .kind = "kind",
        .x = {"x", "B", "x", KS_FIGURE_LOG2},
        .y = {"y", "B/s", "y", KS_FIGURE_LOG10},
        .series = &series,
        .count = 1,
    };
    struct stat info;

    (void)state;
    for (size_t t = 0; t < sizeof tasks / sizeof tasks[0]; t++) {
        uint64_t n = 0;
        bool fired = true;

        while (fired) {
            assert_true(++n < ALLOCATIONS_MAX);
            ks_fault_fail_alloc_at(n);
            const enum ks_err err = tasks[t](&figure);

            fired = ks_fault_fired();
            ks_fault_fail_alloc_at(0);
            assert_int_equal(err, fired ? KS_ERR_NOMEM : KS_OK);
            assert_true(!fired || made[t] == NULL || stat(in_folder(made[t]), &info) != 0);
        }
        assert_true(n > 1);
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup_teardown(test_each, make_folder, remove_folder),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
