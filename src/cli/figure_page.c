/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/figure_page.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"

#define KEY_COLUMNS 3 /* of the key, beside each other */
#define TICKS_MAX   8 /* labels that fit beside each other */

/* Okabe and Ito's palette, told apart with any kind of colour vision, but with grey for its
 * yellow, which paper swallows; each colour has its own mark, too. */
const struct ks_figure_style ks_figure_styles[KS_FIGURE_SERIES_MAX] = {
    {"#0072B2", 7},  {"#D55E00", 9}, {"#009E73", 5}, {"#CC79A7", 13},
    {"#E69F00", 11}, {"#56B4E9", 6}, {"#000000", 8}, {"#7F7F7F", 4},
};

bool ks_figure_fits(const struct ks_figure_axis *axis, double value)
{
    return isfinite(value) && (axis->scale == KS_FIGURE_LINEAR || value > 0);
}

void ks_figure_put_number(struct ks_buf *out, double value)
{
    char text[KS_DOUBLE_TEXT_MAX];

    ks_buf_put(out, ks_bytes_of(text, ks_double_text(value, text)));
}

/* --- axes --------------------------------------------------------------------------------- */

#define TICK_TEXT_MAX 64 /* of a number, a prefix and a unit */

/* "1 MB/s" for 10^6 of "B/s". */
static void decimal_tick(int exponent, const char *unit, char target[TICK_TEXT_MAX])
{
    static const char *const prefixes[] = {"n", "µ", "m", "", "k", "M", "G", "T", "P"};
    const int groups = (int)(sizeof prefixes / sizeof prefixes[0]);
    const int at = exponent + 9; /* prefixes begin at 10^-9 */

    if (at < 0 || at >= 3 * groups || unit[0] == '\0') {
        (void)snprintf(target, TICK_TEXT_MAX, "1e%d%s%s", exponent, unit[0] == '\0' ? "" : " ",
                       unit);
        return;
    }
    (void)snprintf(target, TICK_TEXT_MAX, "%.*s %s%s", 1 + at % 3, "100", prefixes[at / 3],
                   unit);
}

/* "64 KiB" for 2^16 of "B". */
static void binary_tick(int exponent, const char *unit, char target[TICK_TEXT_MAX])
{
    static const char *const prefixes[] = {"", "Ki", "Mi", "Gi", "Ti", "Pi"};
    const int groups = (int)(sizeof prefixes / sizeof prefixes[0]);

    if (exponent < 0 || exponent >= 10 * groups || unit[0] == '\0') {
        (void)snprintf(target, TICK_TEXT_MAX, "2^%d%s%s", exponent, unit[0] == '\0' ? "" : " ",
                       unit);
        return;
    }
    (void)snprintf(target, TICK_TEXT_MAX, "%d %s%s", 1 << exponent % 10,
                   prefixes[exponent / 10], unit);
}

/* One tick of a logarithmic axis, with its label. */
static void put_tick(struct ks_buf *script, const struct ks_figure_axis *axis, int exponent)
{
    char label[TICK_TEXT_MAX];

    if (axis->scale == KS_FIGURE_LOG2) {
        binary_tick(exponent, axis->unit, label);
        ks_gnuplot_put_text(script, label);
        ks_buf_put_format(script, " %.17g", ldexp(1, exponent));
    } else {
        decimal_tick(exponent, axis->unit, label);
        ks_gnuplot_put_text(script, label);
        ks_buf_put_format(script, " 1e%d", exponent);
    }
}

/* The powers of the base from FIRST to LAST, as many as have room. */
static void put_ticks(struct ks_buf *script, const struct ks_figure_axis *axis, char name,
                      int first, int last)
{
    const int step = 1 + (last - first) / TICKS_MAX;

    ks_buf_put_format(script, "set %ctics (", name);
    for (int exponent = first; exponent <= last; exponent += step) {
        ks_buf_put_text(script, exponent > first ? ", " : "");
        put_tick(script, axis, exponent);
        /* Small ones, without labels: gnuplot's level 1. */
        for (int i = 2; axis->scale == KS_FIGURE_LOG10 && step == 1 && i < 10; i++) {
            ks_buf_put_format(script, ", '' %de%d 1", i, exponent);
        }
    }
    ks_buf_put_text(script, ")\n");
}

/* Numbers on axis NAME with UNIT, in which a per cent sign is one. */
static void put_format(struct ks_buf *script, char name, const char *unit)
{
    ks_buf_put_format(script, "set format %c '%%g'.", name);
    ks_gnuplot_put_text(script, unit[0] != '\0' ? " " : "");
    for (const char *c = unit; *c != '\0'; c++) {
        const char letter[] = {*c, '\0'};

        ks_buf_put_text(script, ".");
        ks_gnuplot_put_text(script, *c == '%' ? "%%" : letter);
    }
    ks_buf_put_text(script, "\n");
}

void ks_figure_put_label(struct ks_buf *script, const char *label, char name)
{
    ks_buf_put_format(script, "set %clabel ", name);
    ks_gnuplot_put_text(script, label);
    ks_buf_put_text(script, " textcolor rgb '#333333'\n");
}

void ks_figure_put_axis(struct ks_buf *script, const struct ks_figure_axis *axis, char name,
                        double low, double high)
{
    ks_figure_put_label(script, axis->label, name);
    switch (axis->scale) {
    case KS_FIGURE_LOG2: {
        const int first = (int)floor(log2(low));
        const int last = (int)ceil(log2(high));

        ks_buf_put_format(script, "set logscale %c 2\nset %crange [%.17g:%.17g]\n", name, name,
                          ldexp(1 / 1.2, first), ldexp(1.2, last));
        put_ticks(script, axis, name, first, last);
        break;
    }
    case KS_FIGURE_LOG10: {
        const int first = (int)floor(log10(low));
        const int last = (int)floor(log10(high)) + 1;

        /* gnuplot drops a tick that rounding puts outside: a hair wider. */
        ks_buf_put_format(script, "set logscale %c 10\nset %crange [0.99999e%d:1.00001e%d]\n",
                          name, name, first, last);
        put_ticks(script, axis, name, first, last);
        break;
    }
    case KS_FIGURE_LINEAR:
        if (name == 'y') {
            ks_buf_put_format(script, "set yrange [%s:*]\n", low < 0 ? "*" : "0");
        }
        put_format(script, name, axis->unit);
        break;
    }
}

/* --- the page ----------------------------------------------------------------------------- */

/* Sizes are fractions of the picture, so that one layout serves all formats. */
void ks_figure_put_layout(struct ks_buf *script, const struct ks_figure_page *page,
                          const struct ks_gnuplot_format *format)
{
    const size_t rows = (page->keys + KEY_COLUMNS - 1) / KEY_COLUMNS;
    const char *left = page->in_space ? "screen 0.055" : "graph 0";

    ks_buf_put_text(script, "set border 3 lc rgb '#555555' lw 0.7\n"
                            "set tics nomirror out scale 0.6 textcolor rgb '#333333'\n"
                            "set grid xtics ytics lt 1 lc rgb '#e4e4e4' lw 0.7\n"
                            "set lmargin at screen 0.145\nset rmargin at screen 0.955\n"
                            "set bmargin at screen 0.135\n"
                            "set offsets graph 0.03, graph 0.03, 0, 0\n");
    ks_buf_put_format(script,
                      "set key at %s, screen 0.874 left top vertical maxrows %zu "
                      "Left reverse samplen 2.5 width 1 textcolor rgb '#111111'\n"
                      "set tmargin at screen %g\n",
                      page->in_space ? "screen 0.045" : "graph -0.012", rows,
                      0.84 - 0.037 * (double)rows);
    ks_buf_put_text(script, "set label 1 ");
    ks_gnuplot_put_text(script, page->title);
    ks_buf_put_format(script,
                      " at %s, screen 0.955 left font '%s,%u' textcolor rgb '#111111'\n", left,
                      format->title_font, format->font + format->font / 3);
    ks_buf_put_text(script, "set label 2 ");
    ks_gnuplot_put_text(script, page->subtitle);
    ks_buf_put_format(script, " at %s, screen 0.905 left font ',%u' textcolor rgb '#555555'\n",
                      left, format->font - format->font / 9);
}
