/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "detect/outcome.h"

#include <math.h>

#define SHOTS_MAX (UINT64_C(1) << 53)
#define INV_PI    0.31830988618379067
/* Where the distribution leaves nothing to chance, a standard deviation is taken for so many
 * shots: one that is astray then shows as a hundred of them. */
#define SIGMA_SHOTS_MIN 0.01

/* --- counts ------------------------------------------------------------------------------- */

/* Walks over {"00":17,"11":3}. */
struct counts {
    struct ks_reader rest;
    bool any;
};

static enum ks_err expect(struct ks_reader *reader, uint8_t wanted)
{
    enum ks_err err = KS_OK;
    uint8_t byte = 0;

    KS_TRY(ks_read_u8(reader, &byte));
    KS_CHECK(byte == wanted, KS_ERR_FORMAT, "the result is no object of counts");
out:
    return err;
}

/* The bytes up to the one that is END, which is consumed. */
static enum ks_err read_until(struct ks_reader *reader, uint8_t end, struct ks_bytes *out_text)
{
    size_t len = 0;

    while (len < reader->rest.len && reader->rest.data[len] != end) {
        len++;
    }
    if (len == reader->rest.len) {
        return ks_fail(KS_ERR_FORMAT, "the result is cut short");
    }
    *out_text = ks_bytes_of(reader->rest.data, len);
    reader->rest = ks_bytes_of(reader->rest.data + len + 1, reader->rest.len - len - 1);
    return KS_OK;
}

static enum ks_err read_count(struct ks_reader *reader, uint64_t *out_count)
{
    enum ks_err err = KS_OK;
    size_t len = 0;

    while (len < reader->rest.len && reader->rest.data[len] >= '0' &&
           reader->rest.data[len] <= '9') {
        len++;
    }
    KS_TRY(ks_text_u64(ks_bytes_of(reader->rest.data, len), SHOTS_MAX, out_count));
    KS_CHECK(*out_count > 0, KS_ERR_FORMAT, "a count of 0");
    reader->rest = ks_bytes_of(reader->rest.data + len, reader->rest.len - len);
out:
    return err;
}

static enum ks_err begin_counts(struct ks_bytes result, struct counts *counts)
{
    *counts = (struct counts){.rest = ks_reader_of(result, "result")};
    return expect(&counts->rest, '{');
}

/* The next outcome; *OUT_FOUND false behind the last. */
static enum ks_err next_count(struct counts *counts, bool *out_found, struct ks_bytes *outcome,
                              uint64_t *out_count)
{
    enum ks_err err = KS_OK;
    struct ks_reader *reader = &counts->rest;

    if (reader->rest.len > 0 && reader->rest.data[0] == '}') {
        KS_TRY(expect(reader, '}'));
        KS_TRY(ks_read_end(reader));
        KS_CHECK(counts->any, KS_ERR_FORMAT, "the result has no outcome");
        *out_found = false;
        return KS_OK;
    }
    if (counts->any) {
        KS_TRY(expect(reader, ','));
    }
    KS_TRY(expect(reader, '"'));
    KS_TRY(read_until(reader, '"', outcome));
    KS_TRY(expect(reader, ':'));
    KS_TRY(read_count(reader, out_count));
    counts->any = true;
    *out_found = true;
out:
    return err;
}

enum ks_err ks_trace_set_result(struct ks_trace *trace, struct ks_bytes result)
{
    enum ks_err err = KS_OK;
    struct counts counts;
    struct ks_bytes outcome = {0};
    uint64_t count = 0;
    uint64_t support = 0;
    double total = 0;
    double sum = 0; /* of count * log2(count) */
    double entropy = 0;
    bool found = false;

    KS_TRY(begin_counts(result, &counts));
    KS_TRY(next_count(&counts, &found, &outcome, &count));
    while (found) {
        support++;
        total += (double)count;
        sum += (double)count * log2((double)count);
        KS_TRY(next_count(&counts, &found, &outcome, &count));
    }
    entropy = log2(total) - sum / total;
    ks_trace_set(trace, KS_TRACE_RESULT_ENTROPY_BITS, entropy > 0 ? entropy : 0);
    ks_trace_set_u64(trace, KS_TRACE_RESULT_SUPPORT, support);
    ks_trace_set(trace, KS_TRACE_SHOTS, total);
out:
    return err;
}

/* --- distance ----------------------------------------------------------------------------- */

/* What is known of sum |X - N p| over all outcomes, X being how often N shots give one. */
struct moments {
    double mean;
    double variances;
    double weights; /* of p * sigma / (1 - p), and of its square: for the covariances */
    double squares;
};

/* E|X - np| of a binomial X (de Moivre; see Diaconis and Zabell, Statistical Science 6, 1991):
 * 2 m C(n,m) p^m (1-p)^(n-m+1) with m = floor(np) + 1. */
static double mean_deviation(double n, double p)
{
    const double m = floor(n * p) + 1;
    double logarithm = 0;
    int sign = 0;

    if (m > n) {
        return 0; /* p is 1 */
    }
    logarithm = lgamma_r(n + 1, &sign) - lgamma_r(m + 1, &sign) - lgamma_r(n - m + 1, &sign);
    logarithm += m * log(p) + (n - m + 1) * log1p(-p);
    return 2 * m * exp(logarithm);
}

static void add_moments(struct moments *moments, double n, double p)
{
    const double variance = n * p * (1 - p);
    double mean = 0;
    double weight = 0;

    if (!(variance > 0)) {
        return;
    }
    mean = mean_deviation(n, p);
    weight = p * sqrt(variance) / (1 - p);
    moments->mean += mean;
    moments->variances += variance > mean * mean ? variance - mean * mean : 0;
    moments->weights += weight;
    moments->squares += weight * weight;
}

/* Of the distance itself. Covariances are those of normal variables, to the second order of
 * their correlation. */
static double distance_sigma(const struct moments *moments, double n)
{
    const double pairs = moments->weights * moments->weights - moments->squares;
    const double variance = moments->variances + (pairs > 0 ? pairs * INV_PI : 0);
    const double sigma = sqrt(variance) / (2 * n);

    return sigma > SIGMA_SHOTS_MIN / n ? sigma : SIGMA_SHOTS_MIN / n;
}

static enum ks_err index_of(struct ks_bytes outcome, uint32_t clbits, size_t *out_index)
{
    enum ks_err err = KS_OK;
    size_t index = 0;

    KS_CHECK(outcome.len == clbits, KS_ERR_FORMAT, "an outcome has %zu bits, not %u",
             outcome.len, (unsigned)clbits);
    for (size_t i = 0; i < outcome.len; i++) {
        KS_CHECK(outcome.data[i] == '0' || outcome.data[i] == '1', KS_ERR_FORMAT,
                 "an outcome is no bit string");
        index = index << 1 | (outcome.data[i] == '1');
    }
    *out_index = index;
out:
    return err;
}

enum ks_err ks_trace_set_distance(struct ks_trace *trace, struct ks_bytes result,
                                  const double *probabilities, uint32_t clbits)
{
    enum ks_err err = KS_OK;
    struct ks_trace shots;
    struct counts counts;
    struct moments moments = {0};
    struct ks_bytes outcome = {0};
    uint64_t count = 0;
    size_t next = 0; /* the first index that was not looked at */
    size_t index = 0;
    double n = 0;
    double sum = 0;
    bool found = false;

    KS_ASSERT(clbits <= KS_OUTCOME_CLBITS_MAX);
    ks_trace_init(&shots);
    KS_TRY(ks_trace_set_result(&shots, result));
    n = shots.values[KS_TRACE_SHOTS];
    KS_TRY(begin_counts(result, &counts));
    KS_TRY(next_count(&counts, &found, &outcome, &count));
    while (found) {
        KS_TRY(index_of(outcome, clbits, &index));
        KS_CHECK(index >= next, KS_ERR_FORMAT, "outcomes are not in order");
        for (; next < index; next++) {
            sum += probabilities[next];
        }
        sum += fabs((double)count / n - probabilities[next++]);
        KS_TRY(next_count(&counts, &found, &outcome, &count));
    }
    for (; next < (size_t)1 << clbits; next++) {
        sum += probabilities[next];
    }
    for (size_t i = 0; i < (size_t)1 << clbits; i++) {
        add_moments(&moments, n, probabilities[i]);
    }
    ks_trace_set(trace, KS_TRACE_TVD, sum / 2);
    ks_trace_set(trace, KS_TRACE_TVD_SIGMA,
                 (sum / 2 - moments.mean / (2 * n)) / distance_sigma(&moments, n));
out:
    return err;
}
