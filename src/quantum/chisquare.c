/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/chisquare.h"

#include <math.h>
#include <string.h>

#define TURNS_MAX 10000000 /* of a series: far more than 2^20 degrees need */
#define ENOUGH    1e-15
#define TINY      1e-300

/* --- the distribution --------------------------------------------------------------------- */

/* Lower regularised incomplete gamma function by its series (DLMF 8.11.4), for x < a + 1. */
static double lower_series(double a, double x)
{
    double term = 1 / a;
    double sum = term;

    for (unsigned i = 1; i < TURNS_MAX && term > sum * ENOUGH; i++) {
        term *= x / (a + i);
        sum += term;
    }
    return sum;
}

/* Upper one by its continued fraction (DLMF 8.9.2), evaluated as Lentz does, for x >= a + 1. */
static double upper_fraction(double a, double x)
{
    double b = x + 1 - a;
    double c = 1 / TINY;
    double d = 1 / b;
    double value = d;

    for (unsigned i = 1; i < TURNS_MAX; i++) {
        const double step = -(double)i * ((double)i - a);
        double change = 0;

        b += 2;
        d = step * d + b;
        c = b + step / c;
        d = 1 / (fabs(d) < TINY ? TINY : d);
        c = fabs(c) < TINY ? TINY : c;
        change = c * d;
        value *= change;
        if (fabs(change - 1) < ENOUGH) {
            break;
        }
    }
    return value;
}

double ks_chi_square_p(double statistic, uint64_t degrees)
{
    const double a = (double)degrees / 2;
    const double x = statistic / 2;
    int sign = 0;

    if (degrees == 0 || x <= 0) {
        return 1;
    }
    const double factor = exp(a * log(x) - x - lgamma_r(a, &sign));
    const double p =
        x < a + 1 ? 1 - factor * lower_series(a, x) : factor * upper_fraction(a, x);

    return p < 0 ? 0 : p > 1 ? 1 : p;
}

/* --- bins --------------------------------------------------------------------------------- */

/* Some outcomes together. */
struct bin {
    double expected;
    double found;
    uint64_t members;
};

/* An outcome of which enough is expected is a bin by itself; the others are put together in
 * their order until enough is. */
struct bins {
    double scale; /* of two samples: what one deviation counts in both */
    double statistic;
    uint64_t count;
    uint64_t pooled;
    struct bin open;
    struct bin last; /* that was put together and closed: a rest joins it */
};

static double term(const struct bins *bins, const struct bin *bin)
{
    const double off = bin->found - bin->expected;

    return bins->scale * off * off / bin->expected;
}

static void close_open(struct bins *bins)
{
    bins->statistic += term(bins, &bins->open);
    bins->count++;
    bins->pooled += bins->open.members;
    bins->last = bins->open;
    bins->open = (struct bin){0};
}

static void add(struct bins *bins, double found, double expected)
{
    const struct bin one = {.expected = expected, .found = found, .members = 1};

    if (expected >= KS_CHI_SQUARE_EXPECTED_MIN) {
        bins->statistic += term(bins, &one);
        bins->count++;
        return;
    }
    bins->open.found += found;
    bins->open.expected += expected;
    bins->open.members++;
    if (bins->open.expected >= KS_CHI_SQUARE_EXPECTED_MIN) {
        close_open(bins);
    }
}

/* A rest that joins no bin is too few to say anything: agree.h looks at those. Without it the
 * bins need not add up. */
static void finish(struct bins *bins, struct ks_chi_square *out_test)
{
    if (bins->open.members > 0 && bins->last.members > 0) {
        bins->statistic -= term(bins, &bins->last);
        bins->count--;
        bins->pooled -= bins->last.members;
        bins->open.expected += bins->last.expected;
        bins->open.found += bins->last.found;
        bins->open.members += bins->last.members;
        close_open(bins);
    }
    *out_test = (struct ks_chi_square){.p = 1, .pooled = bins->pooled};
    if (bins->count > 1) {
        out_test->statistic = bins->statistic;
        out_test->degrees = bins->count - (bins->open.members > 0 ? 0 : 1);
        out_test->p = ks_chi_square_p(bins->statistic, out_test->degrees);
    }
}

static uint64_t total_of(const struct ks_counts *counts)
{
    uint64_t total = 0;

    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        total += ks_counts_count(counts, i);
    }
    return total;
}

static uint64_t index_of(const char *outcome)
{
    uint64_t index = 0;

    for (; *outcome != '\0'; outcome++) {
        index = index << 1 | (*outcome == '1' ? 1 : 0);
    }
    return index;
}

enum ks_err ks_chi_square_exact(const struct ks_counts *counts, const double *probabilities,
                                uint32_t clbits, struct ks_chi_square *out_test)
{
    struct bins bins = {.scale = 1};
    const double shots = (double)total_of(counts);
    size_t next = 0;

    if (clbits > KS_PROBABILITIES_CLBITS_MAX) {
        return ks_fail(KS_ERR_LIMIT, "probabilities of %u bits, limit %d", clbits,
                       KS_PROBABILITIES_CLBITS_MAX);
    }
    for (uint64_t outcome = 0; outcome < UINT64_C(1) << clbits; outcome++) {
        double found = 0;

        if (next < ks_counts_size(counts) &&
            index_of(ks_counts_outcome(counts, next)) == outcome) {
            found = (double)ks_counts_count(counts, next++);
        }
        if (found > 0 || probabilities[outcome] > 0) {
            add(&bins, found, shots * probabilities[outcome]);
        }
    }
    finish(&bins, out_test);
    return KS_OK;
}

/* Given how often an outcome is found in both, the smaller sample has its share of that: the
 * deviation of the other is the same, so both terms are one, scaled. */
enum ks_err ks_chi_square_samples(const struct ks_counts *a, const struct ks_counts *b,
                                  struct ks_chi_square *out_test)
{
    const struct ks_counts *few = total_of(a) <= total_of(b) ? a : b;
    const struct ks_counts *many = few == a ? b : a;
    const double shots = (double)total_of(few);
    const double others = (double)total_of(many);
    struct bins bins = {.scale = 1 + shots / others};
    size_t i = 0;
    size_t k = 0;

    if (shots == 0) {
        return ks_fail(KS_ERR_USAGE, "no counts");
    }
    while (i < ks_counts_size(few) || k < ks_counts_size(many)) {
        const int order = i == ks_counts_size(few) ? 1
                          : k == ks_counts_size(many)
                              ? -1
                              : strcmp(ks_counts_outcome(few, i), ks_counts_outcome(many, k));
        const double found = order <= 0 ? (double)ks_counts_count(few, i++) : 0;
        const double other = order >= 0 ? (double)ks_counts_count(many, k++) : 0;

        add(&bins, found, (found + other) * shots / (shots + others));
    }
    finish(&bins, out_test);
    return KS_OK;
}
