/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/quantile.h"

#include <math.h>
#include <stdlib.h>

#include "base/mem.h"

#define TAIL 0.025

/* How many of COUNT measurements lie below the quantile Q is binomial (COUNT, Q). So the K-th
 * smallest lies above it as seldom as fewer than K lie below, and the other way around. */
struct ranks {
    size_t low;  /* the greatest with P(B < low) <= TAIL; 0: none */
    size_t high; /* the least with P(B >= high) <= TAIL; COUNT + 1: none */
};

static struct ranks ranks_of(size_t count, double q)
{
    struct ranks ranks = {0, count + 1};
    double n = (double)count;
    double log_term = n * log1p(-q); /* of P(B = k), from k = 0 on */
    double below = 0;                /* P(B < k) */

    for (size_t k = 0; k <= count; k++) {
        if (k >= 1 && below <= TAIL) {
            ranks.low = k;
        }
        if (k >= 1 && 1 - below <= TAIL) {
            ranks.high = k;
            break;
        }
        below += exp(log_term);
        log_term += log((n - (double)k) / ((double)k + 1)) + log(q) - log1p(-q);
    }
    return ranks;
}

struct ks_quantile ks_quantile_of(const double *values, size_t count, double q)
{
    struct ks_quantile quantile = {0};
    struct ranks ranks;
    double rank = 0;

    KS_ASSERT(count >= 1 && count <= KS_QUANTILE_COUNT_MAX && q > 0 && q < 1);
    rank = ceil(q * (double)count);
    quantile.value = values[(size_t)rank - 1];
    if (q == 0.5 && count % 2 == 0) {
        quantile.value = (values[count / 2 - 1] + values[count / 2]) / 2;
    }
    ranks = ranks_of(count, q);
    quantile.low_known = ranks.low >= 1;
    quantile.high_known = ranks.high <= count;
    quantile.low = quantile.low_known ? values[ranks.low - 1] : values[0];
    quantile.high = quantile.high_known ? values[ranks.high - 1] : values[count - 1];
    return quantile;
}

static int compare(const void *a, const void *b)
{
    double x;
    double y;

    ks_copy(&x, a, sizeof x);
    ks_copy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

void ks_quantile_sort(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
}
