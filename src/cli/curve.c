/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/curve.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SPREAD 6 /* columns between two values at most */

/* One value for each column that has one, and how many columns apart they are. */
static size_t bin(const struct ks_curve *curve, double bins[KS_CURVE_COLUMNS],
                  size_t *out_spread)
{
    const size_t count =
        curve->count < KS_CURVE_COLUMNS ? curve->count : (size_t)KS_CURVE_COLUMNS;
    const size_t fits = KS_CURVE_COLUMNS / count;

    for (size_t i = 0; i < count; i++) {
        const size_t begin = i * curve->count / count;
        const size_t end = (i + 1) * curve->count / count;
        double sum = 0;

        for (size_t j = begin; j < end; j++) {
            sum += curve->values[j];
        }
        bins[i] = sum / (double)(end - begin);
    }
    *out_spread = fits < SPREAD ? fits : (size_t)SPREAD;
    return count;
}

/* The row of VALUE, 0 at the bottom; of values that are all the same the lowest. */
static size_t row_of(double value, double low, double high)
{
    return high > low ? (size_t)lround((value - low) / (high - low) * (KS_CURVE_ROWS - 1)) : 0;
}

static void put_axis(const struct ks_curve *curve, size_t width, struct ks_buf *out)
{
    char line[KS_CURVE_COLUMNS + 1];
    char last[24];
    const int len = snprintf(last, sizeof last, "%llu", (unsigned long long)curve->last);
    const int first = (int)width > len ? (int)width - len : 0;

    memset(line, '-', width);
    line[width] = '\0';
    ks_buf_put_format(out, "%10s +%s\n", "", line);
    if (curve->count > 1) {
        ks_buf_put_format(out, "%10s  %-*llu%s\n", "", first, (unsigned long long)curve->first,
                          last);
    } else {
        ks_buf_put_format(out, "%10s  %s\n", "", last);
    }
}

void ks_curve_put(const struct ks_curve *curve, struct ks_buf *out)
{
    double bins[KS_CURVE_COLUMNS];
    double low = INFINITY;
    double high = -INFINITY;
    size_t spread = 0;
    size_t count = 0;

    if (curve->count == 0) {
        return;
    }
    count = bin(curve, bins, &spread);
    for (size_t i = 0; i < count; i++) {
        low = fmin(low, bins[i]);
        high = fmax(high, bins[i]);
    }
    ks_buf_put_format(out, "%s\n", curve->label);
    for (size_t row = KS_CURVE_ROWS; row-- > 0;) {
        char line[KS_CURVE_COLUMNS + 1];
        char at[16] = "";
        size_t len = 0;

        memset(line, ' ', sizeof line);
        for (size_t i = 0; i < count; i++) {
            if (row_of(bins[i], low, high) == row) {
                line[i * spread] = '*';
                len = i * spread + 1;
            }
        }
        line[len] = '\0';
        if (row == 0 || (row == KS_CURVE_ROWS - 1 && high > low)) {
            (void)snprintf(at, sizeof at, "%.4g", row == 0 ? low : high);
        }
        ks_buf_put_format(out, "%10s |%s\n", at, line);
    }
    put_axis(curve, (count - 1) * spread + 1, out);
}
