/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* figure.h: one figure as four files: its data as CSV, and their drawing as PDF, SVG and PNG.
 * Hides gnuplot, and how rows become bins and boxes. What is drawn is what the CSV says. The
 * same figure gives the same bytes with the same gnuplot and fonts.
 *
 * Everything is borrowed for the call. Texts may be any UTF-8; nothing in them is markup. */
#ifndef KS_CLI_FIGURE_H
#define KS_CLI_FIGURE_H

#include "base/mem.h"

#define KS_FIGURE_SERIES_MAX 8 /* colours that stay apart, whatever the eye */

enum ks_figure_scale {
    KS_FIGURE_LINEAR, /* a y axis begins at 0 or below */
    KS_FIGURE_LOG2,   /* ticks at powers of two: "64 B", "4 KiB" */
    KS_FIGURE_LOG10,  /* ticks at powers of ten: "100 kB/s", "1 MB/s" */
};

struct ks_figure_axis {
    const char *label;  /* "Block size" */
    const char *unit;   /* "B"; "": none */
    const char *column; /* of the CSV, with the unit: "block_bytes" */
    enum ks_figure_scale scale;
};

/* LOW and HIGH are the ends of a bar around Y; both equal to Y: none is drawn. */
struct ks_figure_point {
    double x;
    double y;
    double low;
    double high;
};

struct ks_figure_series {
    const char *name;  /* in the CSV; ks_text_is_name */
    const char *label; /* in the key */
    const struct ks_figure_point *points;
    size_t count;
};

struct ks_figure {
    const char *name; /* of the files: NAME.csv, NAME.pdf, …; ks_text_is_name */
    const char *title;
    const char *subtitle; /* what a reader has to know; "": none */
    const char *kind;     /* what the series are, the CSV's first column: "source" */
    struct ks_figure_axis x;
    struct ks_figure_axis y;
    const struct ks_figure_series *series;
    size_t count;
};

/* KS_ERR_IO, and how to install it, when gnuplot cannot be run: to be asked before hours of
 * measurement. */
KS_MUST_CHECK enum ks_err ks_figure_check(void);

/* Writes DIRECTORY/NAME.csv: KIND, X, Y, Y_low, Y_high. KS_ERR_LIMIT for a figure without
 * points, with too many series, or with a number that has no place on its scale. */
KS_MUST_CHECK enum ks_err ks_figure_write_table(const struct ks_figure *figure,
                                                const char *directory);
/* Draws DIRECTORY/NAME.pdf, .svg and .png: all three, or on a failure none is touched (but of a
 * disk that fills up between them). */
KS_MUST_CHECK enum ks_err ks_figure_draw(const struct ks_figure *figure, const char *directory);

/* --- rows --------------------------------------------------------------------------------- */

#define KS_PLOT_POINTS_MAX     100000 /* of a scatter */
#define KS_PLOT_BINS_MAX       50
#define KS_PLOT_CATEGORIES_MAX 40

enum ks_plot_shape {
    /* How often which x: bins of a width of 1, 2 or 5 times a power of ten, the same for all
     * clouds; y is the share of each cloud's own rows, so that few of one kind are seen beside
     * many of another. A line may be drawn at an x. CSV: KIND, X_low, X_high, rows, Y. */
    KS_PLOT_HISTOGRAM,
    /* Each row as a mark at (x, y, z), seen from above one corner. CSV: KIND, X, Y, Z. */
    KS_PLOT_SCATTER,
    /* Of each cloud and each x, which is a category, one box from the lower to the upper
     * quartile of y (by linear interpolation between ranks) with the median in it, whiskers to
     * the outermost rows within 1.5 heights of the box, and each row beyond them; how many rows
     * there are stands above. CSV: KIND, X, rows, Y_low, Y_q1, Y_median, Y_q3, Y_high and, in a
     * row of its own for each outlier, Y_outlier. */
    KS_PLOT_BOXES,
};

/* Rows of one kind: x[i], y[i] and z[i] are of row I. What the shape has no axis for is NULL.
 */
struct ks_plot_cloud {
    const char *name;  /* in the CSV; ks_text_is_name */
    const char *label; /* in the key */
    const double *x;
    const double *y;
    const double *z;
    size_t count;
};

struct ks_plot {
    enum ks_plot_shape shape;
    const char *name; /* as those of struct ks_figure */
    const char *title;
    const char *subtitle;
    const char *kind;
    struct ks_figure_axis x;
    struct ks_figure_axis y;
    struct ks_figure_axis z;
    const struct ks_plot_cloud *clouds;
    size_t count;
    const char *line_label; /* of a histogram's line; NULL: there is none */
    double line;
};

/* As their likes above; KS_ERR_LIMIT, too, for over KS_PLOT_POINTS_MAX points or
 * KS_PLOT_CATEGORIES_MAX categories; KS_ERR_NOMEM. */
KS_MUST_CHECK enum ks_err ks_plot_write_table(const struct ks_plot *plot,
                                              const char *directory);
KS_MUST_CHECK enum ks_err ks_plot_draw(const struct ks_plot *plot, const char *directory);

#endif
