/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <math.h>

#include "entropy/samples.h"

#define WINDOW_BITS  1024 /* §4.4.2: for binary sources, and for all others */
#define WINDOW_BYTES 512

static void check_claim(struct ks_samples samples, const struct ks_health_claim *claim)
{
    KS_ASSERT(claim->entropy > 0 && claim->entropy <= samples.width);
    KS_ASSERT(claim->alpha_log2 >= 1 && claim->alpha_log2 <= KS_HEALTH_ALPHA_LOG2_MAX);
}

struct ks_health ks_health_repetition(struct ks_samples samples,
                                      const struct ks_health_claim *claim)
{
    struct ks_health health = {0};
    uint64_t run = 0;

    check_claim(samples, claim);
    /* A value of probability 2^-H comes C - 1 more times with at most 2^-alpha. */
    double more = ceil(claim->alpha_log2 / claim->entropy);

    health.cutoff = more < 0x1p62 ? 1 + (uint64_t)more : UINT64_MAX;
    for (uint64_t i = 0; i < samples.count; i++) {
        bool again = i > 0 && ks_sample_at(samples, i) == ks_sample_at(samples, i - 1);

        run = again ? run + 1 : 1;
        health.alarms += run == health.cutoff ? 1 : 0; /* one alarm for a run */
        health.worst = run > health.worst ? run : health.worst;
    }
    return health;
}

/* 1 + CRITBINOM(WINDOW, 2^-H, 1 - 2^-alpha): the smallest count whose chance to be reached is
 * at most alpha. The upper tail is added from its far end, where the terms are smallest. */
static uint64_t proportion_cutoff(unsigned window, const struct ks_health_claim *claim)
{
    double alpha = ldexp(1, -(int)claim->alpha_log2);
    double log2_p = -claim->entropy;
    double log2_q = log2(-expm1(log2_p * log(2)));
    double log2_choose = 0; /* of WINDOW over k */
    double tail = 0;

    for (unsigned k = window; k > 0; k--) {
        tail += exp2(log2_choose + k * log2_p + (window - k) * log2_q);
        if (tail > alpha) {
            return (uint64_t)k + 1;
        }
        log2_choose += log2((double)k / (window - k + 1));
    }
    return 1;
}

struct ks_health ks_health_proportion(struct ks_samples samples,
                                      const struct ks_health_claim *claim)
{
    unsigned window = samples.width == 1 ? WINDOW_BITS : WINDOW_BYTES;
    struct ks_health health = {0};
    uint64_t seen = 0;

    check_claim(samples, claim);
    health.cutoff = proportion_cutoff(window, claim);
    for (uint64_t i = 0; i < samples.count; i++) {
        uint64_t start = i - i % window;

        seen = i == start ? 0 : seen;
        seen += ks_sample_at(samples, i) == ks_sample_at(samples, start) ? 1 : 0;
        /* Not where a later sample of the same window is one more. */
        if (seen == health.cutoff && ks_sample_at(samples, i) == ks_sample_at(samples, start)) {
            health.alarms++;
        }
        health.worst = seen > health.worst ? seen : health.worst;
    }
    return health;
}
