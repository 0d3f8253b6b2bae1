/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/html.h"

#include <math.h>
#include <stdio.h>

#include "base/text.h"

/* The box of the axes within the picture, in its units. */
#define PICTURE_WIDTH  480
#define PICTURE_HEIGHT 320
#define BOX_LEFT       62
#define BOX_RIGHT      466
#define BOX_TOP        14
#define BOX_BOTTOM     268
#define TICKS_MAX      6

/* --- text --------------------------------------------------------------------------------- */

void ks_html_put(struct ks_buf *out, struct ks_bytes text)
{
    char shown[256];

    /* By pieces that end where a character does. */
    while (text.len > 0) {
        size_t len = text.len < sizeof shown - 1 ? text.len : sizeof shown - 1;

        while (len < text.len && len > 1 && (text.data[len] & 0xc0) == 0x80) {
            len--;
        }
        ks_text_shown(ks_bytes_of(text.data, len), shown, sizeof shown);
        for (const char *c = shown; *c != '\0'; c++) {
            switch (*c) {
            case '&':
                ks_buf_put_text(out, "&amp;");
                break;
            case '<':
                ks_buf_put_text(out, "&lt;");
                break;
            case '>':
                ks_buf_put_text(out, "&gt;");
                break;
            case '"':
                ks_buf_put_text(out, "&quot;");
                break;
            case '\'':
                ks_buf_put_text(out, "&#39;");
                break;
            default:
                ks_buf_put_u8(out, (uint8_t)*c);
            }
        }
        text = ks_bytes_of(text.data + len, text.len - len);
    }
}

void ks_html_put_text(struct ks_buf *out, const char *text)
{
    ks_html_put(out, ks_bytes_text(text));
}

void ks_html_put_number(struct ks_buf *out, const char *id, double value, unsigned digits)
{
    char exact[KS_DOUBLE_TEXT_MAX];

    if (!isfinite(value)) {
        ks_buf_put_text(out, "–");
        return;
    }
    (void)ks_double_text(value, exact);
    ks_buf_put_text(out, "<data");
    if (id != NULL) {
        ks_buf_put_text(out, " id=\"");
        ks_html_put_text(out, id);
        ks_buf_put_text(out, "\"");
    }
    ks_buf_put_format(out, " value=\"%s\">%.*f</data>", exact, (int)digits, value);
}

/* --- charts ------------------------------------------------------------------------------- */

/* A step of 1, 2 or 5 times a power of ten: the least with at most TICKS_MAX of them. */
static double tick_step(double extent)
{
    static const double digits[] = {1, 2, 5, 10};
    const double power = pow(10, floor(log10(extent / TICKS_MAX)));

    for (size_t i = 0; i < sizeof digits / sizeof digits[0]; i++) {
        if (digits[i] * power * TICKS_MAX >= extent) {
            return digits[i] * power;
        }
    }
    return 20 * power;
}

void ks_chart_fit(struct ks_chart_axis *axis, double low, double high)
{
    const double step = tick_step(high > low ? high - low : 1);

    axis->low = floor(low / step) * step;
    axis->high = ceil(high / step) * step;
    axis->high += axis->high > axis->low ? 0 : step;
}

static double place(const struct ks_chart_axis *axis, double value, double from, double to)
{
    const double share = (value - axis->low) / (axis->high - axis->low);

    return from + fmin(fmax(share, 0), 1) * (to - from);
}

static double at_x(const struct ks_chart *chart, double value)
{
    return place(&chart->x, value, BOX_LEFT, BOX_RIGHT);
}

static double at_y(const struct ks_chart *chart, double value)
{
    return place(&chart->y, value, BOX_BOTTOM, BOX_TOP);
}

static void put_ticks(const struct ks_chart *chart, const struct ks_chart_axis *axis,
                      bool vertical)
{
    const double step = tick_step(axis->high - axis->low);
    const double first = ceil(axis->low / step - 1e-9);
    const double last = floor(axis->high / step + 1e-9);

    for (double i = first; i <= last; i++) {
        const double value = i * step + 0.0; /* -0 is 0 */

        if (vertical) {
            const double y = at_y(chart, value);

            ks_buf_put_format(chart->out,
                              "<line class=\"grid\" x1=\"%d\" y1=\"%.2f\" x2=\"%d\" "
                              "y2=\"%.2f\"/><text x=\"%d\" y=\"%.2f\" "
                              "text-anchor=\"end\">%.6g</text>\n",
                              BOX_LEFT, y, BOX_RIGHT, y, BOX_LEFT - 6, y + 4, value);
        } else {
            const double x = at_x(chart, value);

            ks_buf_put_format(chart->out,
                              "<line class=\"grid\" x1=\"%.2f\" y1=\"%d\" x2=\"%.2f\" "
                              "y2=\"%d\"/><text x=\"%.2f\" y=\"%d\" "
                              "text-anchor=\"middle\">%.6g</text>\n",
                              x, BOX_TOP, x, BOX_BOTTOM, x, BOX_BOTTOM + 17, value);
        }
    }
}

void ks_chart_begin(const struct ks_chart *chart)
{
    ks_buf_put_format(chart->out,
                      "<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" "
                      "viewBox=\"0 0 %d %d\"><title>",
                      PICTURE_WIDTH, PICTURE_HEIGHT);
    ks_html_put_text(chart->out, chart->title);
    ks_buf_put_text(chart->out, "</title>\n");
    put_ticks(chart, &chart->x, false);
    put_ticks(chart, &chart->y, true);
    ks_buf_put_format(chart->out,
                      "<path class=\"axis\" d=\"M%d,%dV%dH%d\"/>"
                      "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">",
                      BOX_LEFT, BOX_TOP, BOX_BOTTOM, BOX_RIGHT, (BOX_LEFT + BOX_RIGHT) / 2,
                      PICTURE_HEIGHT - 10);
    ks_html_put_text(chart->out, chart->x.label);
    ks_buf_put_format(chart->out,
                      "</text><text transform=\"translate(15,%d) rotate(-90)\" "
                      "text-anchor=\"middle\">",
                      (BOX_TOP + BOX_BOTTOM) / 2);
    ks_html_put_text(chart->out, chart->y.label);
    ks_buf_put_text(chart->out, "</text>\n");
}

static void put_points(const struct ks_chart *chart, const double *x, const double *y,
                       size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ks_buf_put_format(chart->out, "%s%.2f,%.2f", i > 0 ? " " : "", at_x(chart, x[i]),
                          at_y(chart, y[i]));
    }
}

void ks_chart_line(const struct ks_chart *chart, const char *style, const double *x,
                   const double *y, size_t count)
{
    ks_buf_put_format(chart->out, "<polyline class=\"%s\" points=\"", style);
    put_points(chart, x, y, count);
    ks_buf_put_text(chart->out, "\"/>\n");
}

void ks_chart_band(const struct ks_chart *chart, const char *style, const double *x,
                   const double *low, const double *high, size_t count)
{
    ks_buf_put_format(chart->out, "<polygon class=\"%s area\" points=\"", style);
    put_points(chart, x, low, count);
    for (size_t i = count; i > 0; i--) {
        ks_buf_put_text(chart->out, " ");
        put_points(chart, &x[i - 1], &high[i - 1], 1);
    }
    ks_buf_put_text(chart->out, "\"/>\n");
}

void ks_chart_end(const struct ks_chart *chart)
{
    ks_buf_put_text(chart->out, "</svg>\n");
}
