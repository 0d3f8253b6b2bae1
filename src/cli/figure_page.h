/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* figure_page.h: what figures of all shapes have in common: colours, title, key, axes. Within
 * the module of figure.h alone. */
#ifndef KS_CLI_FIGURE_PAGE_H
#define KS_CLI_FIGURE_PAGE_H

#include "cli/figure.h"
#include "cli/gnuplot.h"

#define KS_FIGURE_NAME_MAX  64
#define KS_FIGURE_TABLE_MAX ((size_t)64 << 20)

struct ks_figure_style {
    const char *colour;
    int mark; /* gnuplot's point type */
};
extern const struct ks_figure_style ks_figure_styles[KS_FIGURE_SERIES_MAX];

bool ks_figure_fits(const struct ks_figure_axis *axis, double value);
void ks_figure_put_number(struct ks_buf *out, double value);

struct ks_figure_page {
    const char *title;
    const char *subtitle;
    size_t keys;   /* entries of the key */
    bool in_space; /* three axes: there is no left edge of the axes to line up with */
};
/* Title, subtitle, margins, key. */
void ks_figure_put_layout(struct ks_buf *script, const struct ks_figure_page *page,
                          const struct ks_gnuplot_format *format);
/* Axis NAME, 'x', 'y' or 'z', for values from LOW to HIGH. */
void ks_figure_put_axis(struct ks_buf *script, const struct ks_figure_axis *axis, char name,
                        double low, double high);
/* Its label alone. */
void ks_figure_put_label(struct ks_buf *script, const char *label, char name);

#endif
