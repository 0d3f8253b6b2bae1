/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/figure.h"

#include <math.h>

#include "base/text.h"
#include "cli/figure_page.h"

static enum ks_err check_figure(const struct ks_figure *figure)
{
    enum ks_err err = KS_OK;
    size_t points = 0;

    KS_ASSERT(ks_text_is_name(ks_bytes_text(figure->name), KS_FIGURE_NAME_MAX));
    KS_CHECK(figure->count <= KS_FIGURE_SERIES_MAX, KS_ERR_LIMIT,
             "figure '%s': %zu series, limit %d", figure->name, figure->count,
             KS_FIGURE_SERIES_MAX);
    for (size_t s = 0; s < figure->count; s++) {
        const struct ks_figure_series *series = &figure->series[s];

        KS_ASSERT(ks_text_is_name(ks_bytes_text(series->name), KS_FIGURE_NAME_MAX));
        points += series->count;
        for (size_t i = 0; i < series->count; i++) {
            const struct ks_figure_point *p = &series->points[i];

            KS_CHECK(
                ks_figure_fits(&figure->x, p->x) && ks_figure_fits(&figure->y, p->y) &&
                    ks_figure_fits(&figure->y, p->low) && ks_figure_fits(&figure->y, p->high) &&
                    p->low <= p->y && p->y <= p->high,
                KS_ERR_LIMIT, "figure '%s': %s has a point (%g, %g, %g to %g) off its scale",
                figure->name, series->name, p->x, p->y, p->low, p->high);
        }
    }
    KS_CHECK(points > 0, KS_ERR_LIMIT, "figure '%s': no points", figure->name);
out:
    return err;
}

/* --- table -------------------------------------------------------------------------------- */

static void put_point(struct ks_buf *out, const struct ks_figure_point *point, const char *gap)
{
    const double values[] = {point->x, point->y, point->low, point->high};

    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        ks_buf_put_text(out, i > 0 ? gap : "");
        ks_figure_put_number(out, values[i]);
    }
    ks_buf_put_text(out, "\n");
}

enum ks_err ks_figure_write_table(const struct ks_figure *figure, const char *directory)
{
    enum ks_err err = KS_OK;
    struct ks_buf table;

    ks_buf_init(&table, KS_FIGURE_TABLE_MAX);
    KS_TRY(check_figure(figure));
    ks_buf_put_format(&table, "%s,%s,%s,%s_low,%s_high\n", figure->kind, figure->x.column,
                      figure->y.column, figure->y.column, figure->y.column);
    for (size_t s = 0; s < figure->count; s++) {
        for (size_t i = 0; i < figure->series[s].count; i++) {
            ks_buf_put_format(&table, "%s,", figure->series[s].name);
            put_point(&table, &figure->series[s].points[i], ",");
        }
    }
    KS_TRY(ks_buf_check(&table));
    KS_TRY(ks_gnuplot_write_file(figure->name, directory, "csv", ks_buf_view(&table)));
out:
    ks_buf_done(&table);
    return err;
}

/* --- drawing ------------------------------------------------------------------------------ */

static bool has_bars(const struct ks_figure_series *series)
{
    for (size_t i = 0; i < series->count; i++) {
        if (series->points[i].low < series->points[i].high) {
            return true;
        }
    }
    return false;
}

static void put_series(struct ks_buf *script, const struct ks_figure *figure,
                       const struct ks_gnuplot_format *format)
{
    const char *gap = "plot ";

    for (size_t s = 0; s < figure->count; s++) {
        const char *colour = ks_figure_styles[s].colour;

        /* Arrows with flat heads: error bars have a gap around their point in PDF and SVG, and
         * librsvg draws nothing at all of a file with a point of size 0. */
        if (has_bars(&figure->series[s])) {
            ks_buf_put_format(script,
                              "%s$data%zu using 1:3:(0):($4-$3) with vectors heads "
                              "size screen 0.004,90 lw 1 lc rgb '%s' notitle",
                              gap, s, colour);
            gap = ", ";
        }
        ks_buf_put_format(
            script,
            "%s$data%zu using 1:2 with linespoints pt %d ps %g lw 1.6 lc rgb '%s' title ", gap,
            s, ks_figure_styles[s].mark, format->mark, colour);
        ks_gnuplot_put_text(script, figure->series[s].label);
        gap = ", ";
    }
    ks_buf_put_text(script, "\n");
}

static void ends_of(const struct ks_figure *figure, struct ks_figure_point *out_least,
                    struct ks_figure_point *out_most)
{
    *out_least = (struct ks_figure_point){INFINITY, INFINITY, INFINITY, INFINITY};
    *out_most = (struct ks_figure_point){-INFINITY, -INFINITY, -INFINITY, -INFINITY};
    for (size_t s = 0; s < figure->count; s++) {
        for (size_t i = 0; i < figure->series[s].count; i++) {
            const struct ks_figure_point *p = &figure->series[s].points[i];

            out_least->x = fmin(out_least->x, p->x);
            out_most->x = fmax(out_most->x, p->x);
            out_least->low = fmin(out_least->low, p->low);
            out_most->high = fmax(out_most->high, p->high);
        }
    }
}

static void put_script(const void *drawing, const struct ks_gnuplot_format *format,
                       struct ks_buf *script)
{
    const struct ks_figure *figure = drawing;
    struct ks_figure_point least;
    struct ks_figure_point most;
    const struct ks_figure_page page = {figure->title, figure->subtitle, figure->count, false};

    ends_of(figure, &least, &most);
    ks_figure_put_layout(script, &page, format);
    ks_figure_put_axis(script, &figure->x, 'x', least.x, most.x);
    ks_figure_put_axis(script, &figure->y, 'y', least.low, most.high);
    for (size_t s = 0; s < figure->count; s++) {
        ks_buf_put_format(script, "$data%zu << END\n", s);
        for (size_t i = 0; i < figure->series[s].count; i++) {
            put_point(script, &figure->series[s].points[i], " ");
        }
        ks_buf_put_text(script, "END\n");
    }
    put_series(script, figure, format);
}

enum ks_err ks_figure_check(void)
{
    return ks_gnuplot_check();
}

enum ks_err ks_figure_draw(const struct ks_figure *figure, const char *directory)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_figure(figure));
    KS_TRY(ks_gnuplot_draw(figure->name, directory, put_script, figure));
out:
    return err;
}
