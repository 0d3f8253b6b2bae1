/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* quantile.h: a quantile of measurements and how far it can be trusted, without a guess at
 * their distribution: both are order statistics. Pure. */
#ifndef KS_CLI_QUANTILE_H
#define KS_CLI_QUANTILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KS_QUANTILE_COUNT_MAX 100000 /* measurements */

struct ks_quantile {
    double value; /* the nearest rank's: of rank ceil(q n); the median's is that of the middle
                     two where N is even */
    /* An interval that holds the distribution's own quantile in at least 95 of 100 cases, at
     * most 2.5 % on either side. Too few measurements have no such end. */
    bool low_known;
    bool high_known;
    double low;
    double high;
};

/* Of COUNT (1 to KS_QUANTILE_COUNT_MAX, asserted) VALUES in ascending order; Q is 0.5 or
 * between 0 and 1. */
struct ks_quantile ks_quantile_of(const double *values, size_t count, double q);
/* Sorts in place, ascending. */
void ks_quantile_sort(double *values, size_t count);

#endif
