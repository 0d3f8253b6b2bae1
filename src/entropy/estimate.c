/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <math.h>

#include "entropy/samples.h"

/* The 0.995 quantile of the standard normal distribution, "2.576" in §6.3. */
#define Z_99 2.5758293035489008

#define MARKOV_RUN 128 /* bits of the run whose probability is bounded (§6.3.3) */

struct ks_samples ks_samples_bytes(struct ks_bytes bytes)
{
    return (struct ks_samples){.data = bytes.data, .count = bytes.len, .width = 8};
}

struct ks_samples ks_samples_bits(struct ks_bytes bytes, uint64_t count)
{
    KS_ASSERT(count / 8 + (count % 8 != 0) <= bytes.len);
    return (struct ks_samples){.data = bytes.data, .count = count, .width = 1};
}

/* -log2(P), without the sign that the logarithm of 1 would get. */
static double bits_of(double p)
{
    return p < 1 ? -log2(p) : 0;
}

static enum ks_err check_count(struct ks_samples samples, const char *estimate)
{
    return samples.count >= 2 ? KS_OK
                              : ks_fail(KS_ERR_LIMIT, "%s estimate: %llu samples, at least 2",
                                        estimate, (unsigned long long)samples.count);
}

enum ks_err ks_entropy_mcv(struct ks_samples samples, struct ks_entropy_mcv *out_estimate)
{
    enum ks_err err = KS_OK;
    uint64_t counts[256] = {0};
    struct ks_entropy_mcv estimate = {0};

    KS_TRY(check_count(samples, "most common value"));
    for (uint64_t i = 0; i < samples.count; i++) {
        counts[ks_sample_at(samples, i)]++;
    }
    for (unsigned value = 0; value < 256; value++) {
        if (counts[value] > estimate.count) {
            estimate.count = counts[value];
        }
    }
    double p = (double)estimate.count / (double)samples.count;
    double upper = p + Z_99 * sqrt(p * (1 - p) / ((double)samples.count - 1));

    estimate.p_max = p;
    estimate.p_upper = upper < 1 ? upper : 1;
    estimate.min_entropy = bits_of(estimate.p_upper);
    *out_estimate = estimate;
out:
    return err;
}

/* Of three bits two are equal, so each wait for a collision takes 2 or 3 bits. With P and
 * Q = 1 - P it takes 3 with probability 2PQ; its expectation 2 + 2PQ is what the expression of
 * step 7 comes to, incomplete gamma function and all, and is solved here for P >= 1/2. */
enum ks_err ks_entropy_collision(struct ks_samples samples,
                                 struct ks_entropy_collision *out_estimate)
{
    enum ks_err err = KS_OK;
    struct ks_entropy_collision estimate = {.p = 0.5, .min_entropy = 1};
    uint64_t threes = 0;
    uint64_t at = 0;

    KS_ASSERT(samples.width == 1);
    KS_TRY(check_count(samples, "collision"));
    while (at + 1 < samples.count) {
        bool soon = ks_sample_at(samples, at) == ks_sample_at(samples, at + 1);

        if (!soon && at + 2 >= samples.count) {
            break; /* a wait whose end is not in the sample */
        }
        threes += soon ? 0 : 1;
        estimate.collisions++;
        at += soon ? 2 : 3;
    }
    KS_CHECK(estimate.collisions >= 2, KS_ERR_LIMIT,
             "collision estimate: %llu bits have fewer than 2 collisions",
             (unsigned long long)samples.count);
    estimate.waited = at;
    double v = (double)estimate.collisions;
    double share = (double)threes / v; /* of a variable that is 2 or 3 */
    double deviation = sqrt(share * (1 - share) * v / (v - 1));
    double lower = 2 + share - Z_99 * deviation / sqrt(v);

    estimate.mean_lower = lower > 2 ? lower : 2;
    if (estimate.mean_lower < 2.5) {
        estimate.p = 0.5 + sqrt(1.25 - 0.5 * estimate.mean_lower);
        estimate.min_entropy = bits_of(estimate.p);
    }
    *out_estimate = estimate;
out:
    return err;
}

/* Adds TIMES factors P to a probability kept as its bits; one that is 0 has infinitely many. */
static double times(double bits, unsigned count, double p)
{
    return count == 0 ? bits : bits + count * (p > 0 ? bits_of(p) : INFINITY);
}

/* Of the runs that §6.3.3 looks at: they stay at a value, change at each bit, or leave their
 * first value for good. */
static double markov_run_bits(const struct ks_entropy_markov *chain)
{
    double least = MARKOV_RUN;

    for (unsigned first = 0; first < 2; first++) {
        unsigned other = 1 - first;
        double start = times(0, 1, chain->p[first]);
        double stay = times(start, MARKOV_RUN - 1, chain->p_next[first][first]);
        double change = times(times(start, MARKOV_RUN / 2, chain->p_next[first][other]),
                              MARKOV_RUN / 2 - 1, chain->p_next[other][first]);
        double leave = times(times(start, 1, chain->p_next[first][other]), MARKOV_RUN - 2,
                             chain->p_next[other][other]);

        least = fmin(least, fmin(stay, fmin(change, leave)));
    }
    return least;
}

enum ks_err ks_entropy_markov(struct ks_samples samples, struct ks_entropy_markov *out_estimate)
{
    enum ks_err err = KS_OK;
    uint64_t counts[2] = {0};
    uint64_t pairs[2][2] = {{0}};
    struct ks_entropy_markov estimate = {0};

    KS_ASSERT(samples.width == 1);
    KS_TRY(check_count(samples, "Markov"));
    for (uint64_t i = 0; i < samples.count; i++) {
        unsigned value = ks_sample_at(samples, i);

        counts[value]++;
        if (i > 0) {
            pairs[ks_sample_at(samples, i - 1)][value]++;
        }
    }
    for (unsigned value = 0; value < 2; value++) {
        uint64_t followed = pairs[value][0] + pairs[value][1];

        estimate.p[value] = (double)counts[value] / (double)samples.count;
        for (unsigned next = 0; next < 2 && followed > 0; next++) {
            estimate.p_next[value][next] = (double)pairs[value][next] / (double)followed;
        }
    }
    estimate.min_entropy = markov_run_bits(&estimate) / MARKOV_RUN;
    *out_estimate = estimate;
out:
    return err;
}
