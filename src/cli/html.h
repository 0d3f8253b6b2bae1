/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* html.h: pages that are HTML and well-formed XML at once, and charts in them as SVG. Hides
 * escaping, ticks and coordinates. The same calls give the same bytes. */
#ifndef KS_CLI_HTML_H
#define KS_CLI_HTML_H

#include "base/buf.h"

/* TEXT of anyone: nothing in it is markup, control characters are '?'. Also within attributes
 * in double quotes. */
void ks_html_put(struct ks_buf *out, struct ks_bytes text);
void ks_html_put_text(struct ks_buf *out, const char *text);

/* A number with DIGITS behind its point for people, in whole within `value` for programs, under
 * ID where that is not NULL; "–" for what is no number. */
void ks_html_put_number(struct ks_buf *out, const char *id, double value, unsigned digits);

/* --- charts ------------------------------------------------------------------------------- */

struct ks_chart_axis {
    const char *label;
    double low;
    double high;
};
/* What things look like is up to the page's style sheet: the classes "one", "two" (series),
 * "mark" (a threshold) and "area". */
struct ks_chart {
    struct ks_buf *out;
    const char *title; /* for those who do not see it */
    struct ks_chart_axis x;
    struct ks_chart_axis y;
};

/* Ends of an axis over LOW to HIGH: the next multiples of its tick. */
void ks_chart_fit(struct ks_chart_axis *axis, double low, double high);
void ks_chart_begin(const struct ks_chart *chart);
/* COUNT points, joined; out of the axes they are cut off at their ends. */
void ks_chart_line(const struct ks_chart *chart, const char *style, const double *x,
                   const double *y, size_t count);
/* What lies between LOW and HIGH. */
void ks_chart_band(const struct ks_chart *chart, const char *style, const double *x,
                   const double *low, const double *high, size_t count);
void ks_chart_end(const struct ks_chart *chart);

#endif
