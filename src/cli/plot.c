/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Figures of rows: histogram, scatter, boxes. Each shape is first worked out, then written as a
 * table or as a script, so that the two cannot differ. */

#include <math.h>
#include <stdlib.h>

#include "base/text.h"
#include "cli/figure_page.h"

#define BOX_SHARE 0.8 /* of the room between categories that their boxes take */

/* --- checks ------------------------------------------------------------------------------- */

static bool on_scale(const struct ks_plot *plot, const struct ks_plot_cloud *cloud, size_t row)
{
    return ks_figure_fits(&plot->x, cloud->x[row]) &&
           (cloud->y == NULL || ks_figure_fits(&plot->y, cloud->y[row])) &&
           (cloud->z == NULL || ks_figure_fits(&plot->z, cloud->z[row]));
}

static enum ks_err check_plot(const struct ks_plot *plot)
{
    enum ks_err err = KS_OK;
    size_t rows = 0;

    KS_ASSERT(ks_text_is_name(ks_bytes_text(plot->name), KS_FIGURE_NAME_MAX));
    KS_CHECK(plot->count <= KS_FIGURE_SERIES_MAX, KS_ERR_LIMIT,
             "figure '%s': %zu series, limit %d", plot->name, plot->count,
             KS_FIGURE_SERIES_MAX);
    for (size_t c = 0; c < plot->count; c++) {
        const struct ks_plot_cloud *cloud = &plot->clouds[c];

        KS_ASSERT(ks_text_is_name(ks_bytes_text(cloud->name), KS_FIGURE_NAME_MAX));
        KS_ASSERT(cloud->count == 0 || plot->shape == KS_PLOT_HISTOGRAM || cloud->y != NULL);
        KS_ASSERT(cloud->count == 0 || plot->shape != KS_PLOT_SCATTER || cloud->z != NULL);
        rows += cloud->count;
        for (size_t row = 0; row < cloud->count; row++) {
            KS_CHECK(on_scale(plot, cloud, row), KS_ERR_LIMIT,
                     "figure '%s': row %zu of %s is off its scale", plot->name, row + 1,
                     cloud->name);
        }
    }
    KS_CHECK(rows > 0, KS_ERR_LIMIT, "figure '%s': no points", plot->name);
    KS_CHECK(rows <= KS_PLOT_POINTS_MAX || plot->shape != KS_PLOT_SCATTER, KS_ERR_LIMIT,
             "figure '%s': %zu points, limit %d", plot->name, rows, KS_PLOT_POINTS_MAX);
out:
    return err;
}

struct ends {
    double low;
    double high;
};

static struct ends ends_of(const struct ks_plot *plot, size_t axis)
{
    struct ends ends = {INFINITY, -INFINITY};

    for (size_t c = 0; c < plot->count; c++) {
        const struct ks_plot_cloud *cloud = &plot->clouds[c];
        const double *const values[] = {cloud->x, cloud->y, cloud->z};

        for (size_t row = 0; row < cloud->count; row++) {
            ends.low = fmin(ends.low, values[axis][row]);
            ends.high = fmax(ends.high, values[axis][row]);
        }
    }
    return ends;
}

/* NUMBERS with GAP between them and a newline after. */
static void put_line(struct ks_buf *out, const double *numbers, size_t count, const char *gap)
{
    for (size_t i = 0; i < count; i++) {
        ks_buf_put_text(out, i > 0 ? gap : "");
        ks_figure_put_number(out, numbers[i]);
    }
    ks_buf_put_text(out, "\n");
}

static void put_title(struct ks_buf *script, const struct ks_plot_cloud *cloud)
{
    ks_buf_put_text(script, " title ");
    ks_gnuplot_put_text(script, cloud->label);
}

/* --- histogram ---------------------------------------------------------------------------- */

/* Bin I holds what is at least edge I and below edge I + 1; edges are whole multiples of DIGIT
 * times a power of ten. */
struct bins {
    unsigned digit;
    int power;
    size_t count;
    double edges[KS_PLOT_BINS_MAX + 1];
    size_t rows[KS_FIGURE_SERIES_MAX][KS_PLOT_BINS_MAX];
};

/* Divided by a power of ten rather than multiplied by its inverse: 0.3, not
 * 0.30000000000000004. */
static double edge(const struct bins *bins, double index)
{
    const double multiple = index * bins->digit;

    return bins->power < 0 ? multiple / pow(10, -bins->power) : multiple * pow(10, bins->power);
}

static bool reaches(struct bins *bins, const struct ends *ends)
{
    double first = floor(ends->low / (bins->digit * pow(10, bins->power)));

    first -= edge(bins, first) > ends->low ? 1 : 0; /* as rounding may have it */
    bins->count = 0;
    bins->edges[0] = edge(bins, first);
    do {
        bins->count++;
        bins->edges[bins->count] = edge(bins, first + (double)bins->count);
    } while (bins->count < KS_PLOT_BINS_MAX && bins->edges[bins->count] <= ends->high);
    return bins->edges[bins->count] > ends->high;
}

static void find_bins(const struct ks_plot *plot, struct bins *bins)
{
    static const unsigned digits[] = {1, 2, 5};
    const struct ends ends = ends_of(plot, 0);
    const double extent = ends.high > ends.low ? ends.high - ends.low : 1;
    size_t step = 0;

    *bins = (struct bins){.power = (int)floor(log10(extent / KS_PLOT_BINS_MAX))};
    do {
        bins->digit = digits[step % 3];
        bins->power += step > 0 && step % 3 == 0 ? 1 : 0;
        step++;
    } while (!reaches(bins, &ends));
    for (size_t c = 0; c < plot->count; c++) {
        for (size_t row = 0; row < plot->clouds[c].count; row++) {
            size_t bin = 0;

            while (bin + 1 < bins->count && bins->edges[bin + 1] <= plot->clouds[c].x[row]) {
                bin++;
            }
            bins->rows[c][bin]++;
        }
    }
}

static double share(const struct ks_plot *plot, const struct bins *bins, size_t cloud,
                    size_t bin)
{
    return 100 * (double)bins->rows[cloud][bin] / (double)plot->clouds[cloud].count;
}

static void table_histogram(const struct ks_plot *plot, const struct bins *bins,
                            struct ks_buf *table)
{
    ks_buf_put_format(table, "%s,%s_low,%s_high,rows,%s\n", plot->kind, plot->x.column,
                      plot->x.column, plot->y.column);
    for (size_t c = 0; c < plot->count; c++) {
        for (size_t i = 0; i < bins->count && plot->clouds[c].count > 0; i++) {
            const double numbers[] = {bins->edges[i], bins->edges[i + 1],
                                      (double)bins->rows[c][i], share(plot, bins, c, i)};

            ks_buf_put_format(table, "%s,", plot->clouds[c].name);
            put_line(table, numbers, 4, ",");
        }
    }
}

static void put_threshold(const struct ks_plot *plot, struct ends ends, struct ks_buf *script)
{
    const bool at_right = plot->line > (ends.low + 2 * ends.high) / 3;

    if (plot->line_label != NULL) {
        ks_buf_put_format(
            script,
            "set arrow 1 from first %.17g, graph 0 to first %.17g, graph 1 nohead "
            "front lw 1.4 dt 3 lc rgb '#111111'\nset label 3 ",
            plot->line, plot->line);
        ks_gnuplot_put_text(script, plot->line_label);
        ks_buf_put_format(
            script,
            " at first %.17g, graph 0.96 %s offset char %s,0 front textcolor rgb '#111111'\n",
            plot->line, at_right ? "right" : "left", at_right ? "-0.6" : "0.6");
    }
}

static void script_histogram(const struct ks_plot *plot, const struct bins *bins,
                             struct ks_buf *script)
{
    struct ends ends = {bins->edges[0], bins->edges[bins->count]};
    const char *gap = "plot ";
    double most = 0;

    for (size_t c = 0; c < plot->count; c++) {
        const double start[] = {bins->edges[0], 0};

        ks_buf_put_format(script, "$data%zu << END\n", c);
        put_line(script, start, 2, " ");
        for (size_t i = 0; i <= bins->count && plot->clouds[c].count > 0; i++) {
            const double numbers[] = {bins->edges[i],
                                      i < bins->count ? share(plot, bins, c, i) : 0};

            most = fmax(most, numbers[1]);
            put_line(script, numbers, 2, " ");
        }
        ks_buf_put_text(script, "END\n");
    }
    if (plot->line_label != NULL) {
        ends.low = fmin(ends.low, plot->line);
        ends.high = fmax(ends.high, plot->line);
    }
    ks_figure_put_axis(script, &plot->x, 'x', ends.low, ends.high);
    ks_figure_put_axis(script, &plot->y, 'y', 0, most);
    ks_buf_put_format(script, "set xrange [%.17g:%.17g]\nset yrange [0:%.17g]\n", ends.low,
                      ends.high, 1.08 * most);
    put_threshold(plot, ends, script);
    for (size_t c = 0; c < plot->count; c++) {
        if (plot->clouds[c].count > 0) {
            const char *colour = ks_figure_styles[c].colour;

            /* An area in a light tint and its edge, each with its own dashes: told apart
             * without colours as well. */
            ks_buf_put_format(script,
                              "%s$data%zu using 1:2 with fillsteps fs transparent solid 0.22 "
                              "noborder lc rgb '%s' notitle, $data%zu using 1:2 with steps "
                              "lw 1.8 dt %zu lc rgb '%s'",
                              gap, c, colour, c, c + 1, colour);
            put_title(script, &plot->clouds[c]);
            gap = ", ";
        }
    }
    ks_buf_put_text(script, "\n");
}

/* --- scatter ------------------------------------------------------------------------------ */

static void put_points(const struct ks_plot_cloud *cloud, const char *prefix, const char *gap,
                       struct ks_buf *out)
{
    for (size_t row = 0; row < cloud->count; row++) {
        const double numbers[] = {cloud->x[row], cloud->y[row], cloud->z[row]};

        if (prefix != NULL) {
            ks_buf_put_format(out, "%s,", prefix);
        }
        put_line(out, numbers, 3, gap);
    }
}

static void table_scatter(const struct ks_plot *plot, struct ks_buf *table)
{
    ks_buf_put_format(table, "%s,%s,%s,%s\n", plot->kind, plot->x.column, plot->y.column,
                      plot->z.column);
    for (size_t c = 0; c < plot->count; c++) {
        put_points(&plot->clouds[c], plot->clouds[c].name, ",", table);
    }
}

static void script_scatter(const struct ks_plot *plot, const struct ks_gnuplot_format *format,
                           struct ks_buf *script)
{
    const struct ks_figure_axis *const axes[] = {&plot->x, &plot->y, &plot->z};
    const char *gap = "splot ";

    for (size_t i = 0; i < 3; i++) {
        const struct ends ends = ends_of(plot, i);

        ks_figure_put_axis(script, axes[i], "xyz"[i], ends.low, ends.high);
    }
    ks_buf_put_text(script, "set border 127\nset view 66,30\nset xyplane relative 0\n"
                            "set grid xtics ytics ztics vertical lt 1 lc rgb '#dcdcdc' lw 0.7\n"
                            "set lmargin -1\nset rmargin -1\nset tmargin -1\nset bmargin -1\n"
                            "set origin 0.01,-0.05\nset size 0.98,1\n"
                            "set xlabel offset 0,-0.5\nset ylabel offset 4,-1\n"
                            "set zlabel rotate by 90 offset -1.5,0\n"
                            "set xtics offset 0,-0.3\nset ytics offset 0,-0.3\n");
    for (size_t c = 0; c < plot->count; c++) {
        ks_buf_put_format(script, "$data%zu << END\n", c);
        put_points(&plot->clouds[c], NULL, " ", script);
        ks_buf_put_text(script, "END\n");
    }
    for (size_t c = 0; c < plot->count; c++) {
        if (plot->clouds[c].count > 0) {
            /* The first cloud is the ground that the others stand out from. */
            ks_buf_put_format(
                script, "%s$data%zu using 1:2:3 with points pt %d ps %g lw 0.8 lc rgb '%s'",
                gap, c, ks_figure_styles[c].mark, (c == 0 ? 0.55 : 1.1) * format->mark,
                ks_figure_styles[c].colour);
            put_title(script, &plot->clouds[c]);
            gap = ", ";
        }
    }
    ks_buf_put_text(script, "\n");
}

/* --- boxes -------------------------------------------------------------------------------- */

struct row {
    double x;
    double y;
};

/* The rows FIRST to FIRST + COUNT of one category. */
struct box {
    const struct row *first;
    size_t count;
    double q1;
    double median;
    double q3;
    double low; /* the ends of the whiskers */
    double high;
};

struct boxes {
    struct row *rows[KS_FIGURE_SERIES_MAX]; /* of each cloud, by category and value */
    double categories[KS_PLOT_CATEGORIES_MAX];
    size_t count;
    struct box boxes[KS_FIGURE_SERIES_MAX][KS_PLOT_CATEGORIES_MAX]; /* count 0: no row */
};

static void boxes_free(struct boxes *boxes)
{
    for (size_t c = 0; boxes != NULL && c < KS_FIGURE_SERIES_MAX; c++) {
        ks_free(boxes->rows[c]);
    }
    ks_free(boxes);
}

static int by_category(const void *left, const void *right)
{
    const struct row *a = left;
    const struct row *b = right;

    return a->x != b->x ? (a->x > b->x) - (a->x < b->x) : (a->y > b->y) - (a->y < b->y);
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

/* Linear between the two ranks next to (COUNT - 1) * SHARE (Hyndman and Fan's type 7). */
static double quantile(const struct row *rows, size_t count, double share_below)
{
    const double rank = (double)(count - 1) * share_below;
    const size_t below = (size_t)rank;
    const size_t above = below + 1 < count ? below + 1 : below;

    return rows[below].y + (rank - (double)below) * (rows[above].y - rows[below].y);
}

static bool is_outlier(const struct box *box, double y)
{
    return y < box->low || y > box->high;
}

static struct box box_of(const struct row *first, size_t count)
{
    struct box box = {
        .first = first,
        .count = count,
        .q1 = quantile(first, count, 0.25),
        .median = quantile(first, count, 0.5),
        .q3 = quantile(first, count, 0.75),
    };
    const double reach = 1.5 * (box.q3 - box.q1);
    size_t lowest = 0;
    size_t highest = count - 1;

    while (first[lowest].y < box.q1 - reach) {
        lowest++;
    }
    while (first[highest].y > box.q3 + reach) {
        highest--;
    }
    /* Of few rows a quartile may lie beyond all that are within reach: no whisker then. */
    box.low = fmin(first[lowest].y, box.q1);
    box.high = fmax(first[highest].y, box.q3);
    return box;
}

static enum ks_err find_categories(const struct ks_plot *plot, struct boxes *boxes)
{
    enum ks_err err = KS_OK;

    for (size_t c = 0; c < plot->count; c++) {
        for (size_t row = 0; row < plot->clouds[c].count; row++) {
            const double x = plot->clouds[c].x[row];
            size_t at = 0;

            while (at < boxes->count && boxes->categories[at] != x) {
                at++;
            }
            if (at == boxes->count) {
                KS_CHECK(at < KS_PLOT_CATEGORIES_MAX, KS_ERR_LIMIT,
                         "figure '%s': over %d different values of %s", plot->name,
                         KS_PLOT_CATEGORIES_MAX, plot->x.column);
                boxes->categories[boxes->count++] = x;
            }
        }
    }
    qsort(boxes->categories, boxes->count, sizeof boxes->categories[0], by_value);
out:
    return err;
}

static enum ks_err make_boxes(const struct ks_plot *plot, struct boxes **out_boxes)
{
    enum ks_err err = KS_OK;
    struct boxes *boxes = ks_calloc(1, sizeof *boxes);

    KS_CHECK(boxes != NULL, KS_ERR_NOMEM, "figure '%s'", plot->name);
    KS_TRY(find_categories(plot, boxes));
    for (size_t c = 0; c < plot->count; c++) {
        const struct ks_plot_cloud *cloud = &plot->clouds[c];
        struct row *rows = ks_calloc(cloud->count, sizeof *rows);
        size_t first = 0;

        KS_CHECK(rows != NULL, KS_ERR_NOMEM, "figure '%s'", plot->name);
        boxes->rows[c] = rows;
        for (size_t i = 0; i < cloud->count; i++) {
            rows[i] = (struct row){cloud->x[i], cloud->y[i]};
        }
        qsort(rows, cloud->count, sizeof *rows, by_category);
        for (size_t at = 0; at < boxes->count; at++) {
            size_t next = first;

            while (next < cloud->count && rows[next].x == boxes->categories[at]) {
                next++;
            }
            if (next > first) {
                boxes->boxes[c][at] = box_of(&rows[first], next - first);
            }
            first = next;
        }
    }
    *out_boxes = boxes;
    boxes = NULL; /* transferred */
out:
    boxes_free(boxes);
    return err;
}

static void table_boxes(const struct ks_plot *plot, const struct boxes *boxes,
                        struct ks_buf *table)
{
    const char *y = plot->y.column;

    ks_buf_put_format(table, "%s,%s,rows,%s_low,%s_q1,%s_median,%s_q3,%s_high,%s_outlier\n",
                      plot->kind, plot->x.column, y, y, y, y, y, y);
    for (size_t c = 0; c < plot->count; c++) {
        for (size_t at = 0; at < boxes->count; at++) {
            const struct box *box = &boxes->boxes[c][at];
            const double numbers[] = {box->low, box->q1, box->median, box->q3, box->high};

            if (box->count == 0) {
                continue;
            }
            ks_buf_put_format(table, "%s,", plot->clouds[c].name);
            ks_figure_put_number(table, boxes->categories[at]);
            ks_buf_put_format(table, ",%zu", box->count);
            for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
                ks_buf_put_text(table, ",");
                ks_figure_put_number(table, numbers[i]);
            }
            ks_buf_put_text(table, ",\n");
            for (size_t i = 0; i < box->count; i++) {
                if (is_outlier(box, box->first[i].y)) {
                    ks_buf_put_format(table, "%s,", plot->clouds[c].name);
                    ks_figure_put_number(table, boxes->categories[at]);
                    ks_buf_put_text(table, ",,,,,,,");
                    ks_figure_put_number(table, box->first[i].y);
                    ks_buf_put_text(table, "\n");
                }
            }
        }
    }
}

/* Where the box of CLOUD stands in category AT, and how wide one is. */
static double place(const struct ks_plot *plot, size_t cloud, size_t at, double *out_width)
{
    *out_width = BOX_SHARE / (double)plot->count;
    return (double)at + 1 + ((double)cloud - (double)(plot->count - 1) / 2) * *out_width;
}

/* The two data blocks of a cloud; returns whether it has outliers. */
static bool put_boxes(const struct ks_plot *plot, const struct boxes *boxes, size_t c,
                      const struct ks_gnuplot_format *format, struct ks_buf *script)
{
    double width = 0;
    bool found = false;

    ks_buf_put_format(script, "$data%zu << END\n", c);
    for (size_t at = 0; at < boxes->count; at++) {
        const struct box *box = &boxes->boxes[c][at];
        const double numbers[] = {
            place(plot, c, at, &width), box->q1, box->low, box->high, box->q3, box->median};

        if (box->count > 0) {
            put_line(script, numbers, 6, " ");
        }
    }
    ks_buf_put_format(script, "END\n$outliers%zu << END\n", c);
    for (size_t at = 0; at < boxes->count; at++) {
        const struct box *box = &boxes->boxes[c][at];

        for (size_t i = 0; i < box->count; i++) {
            const double numbers[] = {place(plot, c, at, &width), box->first[i].y};

            if (is_outlier(box, box->first[i].y)) {
                put_line(script, numbers, 2, " ");
                found = true;
            }
        }
    }
    ks_buf_put_text(script, "END\n");
    for (size_t at = 0; at < boxes->count; at++) {
        if (boxes->boxes[c][at].count > 0) {
            ks_buf_put_format(script,
                              "set label %zu '%zu' at first %.17g, graph 1.025 center "
                              "font ',%u' textcolor rgb '%s'\n",
                              10 + c * KS_PLOT_CATEGORIES_MAX + at, boxes->boxes[c][at].count,
                              place(plot, c, at, &width), format->font - format->font / 3,
                              ks_figure_styles[c].colour);
        }
    }
    return found;
}

static void put_categories(const struct ks_plot *plot, const struct boxes *boxes,
                           struct ks_buf *script)
{
    ks_figure_put_label(script, plot->x.label, 'x');
    ks_buf_put_text(script, "set xtics (");
    for (size_t at = 0; at < boxes->count; at++) {
        ks_buf_put_text(script, at > 0 ? ", '" : "'");
        ks_figure_put_number(script, boxes->categories[at]);
        ks_buf_put_format(script, "%s%s' %zu", plot->x.unit[0] != '\0' ? " " : "", plot->x.unit,
                          at + 1);
    }
    ks_buf_put_format(script, ")\nset xrange [0.4:%.17g]\n", (double)boxes->count + 0.6);
}

static void script_boxes(const struct ks_plot *plot, const struct boxes *boxes,
                         const struct ks_gnuplot_format *format, struct ks_buf *script)
{
    const struct ends ends = ends_of(plot, 1);
    bool outliers[KS_FIGURE_SERIES_MAX] = {false};
    const char *gap = "plot ";
    double width = 0;

    put_categories(plot, boxes, script);
    ks_figure_put_axis(script, &plot->y, 'y', ends.low, ends.high);
    for (size_t c = 0; c < plot->count; c++) {
        outliers[c] = put_boxes(plot, boxes, c, format, script);
    }
    (void)place(plot, 0, 0, &width);
    ks_buf_put_format(script, "set grid noxtics\nset boxwidth %.17g absolute\n", 0.8 * width);
    for (size_t c = 0; c < plot->count; c++) {
        const struct ks_figure_style *style = &ks_figure_styles[c];

        if (plot->clouds[c].count == 0) {
            continue;
        }
        ks_buf_put_format(script,
                          "%s$data%zu using 1:2:3:4:5 with candlesticks whiskerbars 0.5 "
                          "fs solid %g border lc rgb '%s' lw 1.1 lc rgb '%s'",
                          gap, c, c % 2 == 0 ? 0.15 : 0.5, style->colour, style->colour);
        put_title(script, &plot->clouds[c]);
        ks_buf_put_format(
            script,
            ", $data%zu using ($1-%.17g):6:(%.17g):(0) with vectors nohead lw 2.6 "
            "lc rgb '%s' notitle",
            c, 0.4 * width, 0.8 * width, style->colour);
        if (outliers[c]) {
            ks_buf_put_format(script,
                              ", $outliers%zu using 1:2 with points pt %d ps %g lw 0.8 "
                              "lc rgb '%s' notitle",
                              c, style->mark, 0.7 * format->mark, style->colour);
        }
        gap = ", ";
    }
    ks_buf_put_text(script, "\n");
}

/* --- all of them -------------------------------------------------------------------------- */

/* A plot and what it is worked out to. */
struct drawing {
    const struct ks_plot *plot;
    struct bins bins;
    struct boxes *boxes;
};

static enum ks_err work_out(const struct ks_plot *plot, struct drawing *drawing)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_plot(plot));
    drawing->plot = plot;
    if (plot->shape == KS_PLOT_HISTOGRAM) {
        find_bins(plot, &drawing->bins);
    } else if (plot->shape == KS_PLOT_BOXES) {
        KS_TRY(make_boxes(plot, &drawing->boxes));
    }
out:
    return err;
}

static void put_script(const void *context, const struct ks_gnuplot_format *format,
                       struct ks_buf *script)
{
    const struct drawing *drawing = context;
    const struct ks_plot *plot = drawing->plot;
    struct ks_figure_page page = {plot->title, plot->subtitle, 0,
                                  plot->shape == KS_PLOT_SCATTER};

    for (size_t c = 0; c < plot->count; c++) {
        page.keys += plot->clouds[c].count > 0;
    }
    ks_figure_put_layout(script, &page, format);
    switch (plot->shape) {
    case KS_PLOT_HISTOGRAM:
        script_histogram(plot, &drawing->bins, script);
        break;
    case KS_PLOT_SCATTER:
        script_scatter(plot, format, script);
        break;
    case KS_PLOT_BOXES:
        script_boxes(plot, drawing->boxes, format, script);
        break;
    }
}

enum ks_err ks_plot_write_table(const struct ks_plot *plot, const char *directory)
{
    enum ks_err err = KS_OK;
    struct drawing drawing = {0};
    struct ks_buf table;

    ks_buf_init(&table, KS_FIGURE_TABLE_MAX);
    KS_TRY(work_out(plot, &drawing));
    switch (plot->shape) {
    case KS_PLOT_HISTOGRAM:
        table_histogram(plot, &drawing.bins, &table);
        break;
    case KS_PLOT_SCATTER:
        table_scatter(plot, &table);
        break;
    case KS_PLOT_BOXES:
        table_boxes(plot, drawing.boxes, &table);
        break;
    }
    KS_TRY(ks_buf_check(&table));
    KS_TRY(ks_gnuplot_write_file(plot->name, directory, "csv", ks_buf_view(&table)));
out:
    boxes_free(drawing.boxes);
    ks_buf_done(&table);
    return err;
}

enum ks_err ks_plot_draw(const struct ks_plot *plot, const char *directory)
{
    enum ks_err err = KS_OK;
    struct drawing drawing = {0};

    KS_TRY(work_out(plot, &drawing));
    KS_TRY(ks_gnuplot_draw(plot->name, directory, put_script, &drawing));
out:
    boxes_free(drawing.boxes);
    return err;
}
