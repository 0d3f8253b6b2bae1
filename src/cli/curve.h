/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* curve.h: a curve as lines of text, for a terminal. Pure. */
#ifndef KS_CLI_CURVE_H
#define KS_CLI_CURVE_H

#include "base/buf.h"

#define KS_CURVE_COLUMNS 60
#define KS_CURVE_ROWS    10

/* Appends LABEL, then the COUNT finite VALUES from left to right, of places FIRST to LAST:
 * least and largest value stand at the axis. Of more values than columns each column is a mean.
 */
struct ks_curve {
    const char *label;
    const double *values;
    size_t count;
    uint64_t first;
    uint64_t last;
};
void ks_curve_put(const struct ks_curve *curve, struct ks_buf *out);

#endif
