/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* figure.h: one figure as four files: its data as CSV, and their drawing as PDF, SVG and PNG.
 * Hides gnuplot, which runs as a child with the script on its standard input: no shell, no
 * start-up file, no temporary file. What is drawn is what the CSV says. The same figure gives
 * the same bytes with the same gnuplot and fonts.
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

#endif
