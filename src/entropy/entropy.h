/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* entropy.h: min-entropy estimates and health tests of NIST SP 800-90B (January 2018) over a
 * sample of a source's output. Hides the counting and the statistics. Pure; any thread.
 *
 * What an estimate is: the bits per sample that a guesser of one simple kind is kept from; for
 * the most common value and for collisions the lower end of a 99 % confidence interval. What it
 * is not: a measure of what nobody can predict. The output of any good generator, seeded with
 * the number 7 or not, looks full of entropy to all of them. They find broken sources; they
 * certify none. */
#ifndef KS_ENTROPY_ENTROPY_H
#define KS_ENTROPY_ENTROPY_H

#include "base/mem.h"

/* A run of samples, borrowed: whole bytes, or single bits, the most significant bit of each
 * byte first (as in the bitstring of §3.1.3). */
struct ks_samples {
    const uint8_t *data;
    uint64_t count;
    unsigned width; /* bits of a sample: 8 or 1 */
};

struct ks_samples ks_samples_bytes(struct ks_bytes bytes);
/* The first COUNT bits of BYTES, which has them (asserted). */
struct ks_samples ks_samples_bits(struct ks_bytes bytes, uint64_t count);

/* --- estimates ---------------------------------------------------------------------------- */

/* Each gives bits of min-entropy per sample, from 0 to the width. KS_ERR_LIMIT when there are
 * too few samples for the statistic to exist: two, and for the collision estimate two
 * collisions, so that six bits always serve. SP 800-90B asks for a million. */

/* Most common value, §6.3.1. Bits or bytes. */
struct ks_entropy_mcv {
    uint64_t count; /* occurrences of the most common value */
    double p_max;   /* their share */
    double p_upper; /* the upper end of its confidence interval */
    double min_entropy;
};
KS_MUST_CHECK enum ks_err ks_entropy_mcv(struct ks_samples samples,
                                         struct ks_entropy_mcv *out_estimate);

/* Collision, §6.3.2. Bits only (asserted). */
struct ks_entropy_collision {
    uint64_t collisions; /* v */
    uint64_t waited;     /* samples in them, the sum of all t_i */
    double mean_lower;   /* the lower end of the confidence interval of their mean */
    double p;            /* of the more probable bit; 0.5 when the mean is beyond any p */
    double min_entropy;
};
KS_MUST_CHECK enum ks_err ks_entropy_collision(struct ks_samples samples,
                                               struct ks_entropy_collision *out_estimate);

/* Markov, §6.3.3: the most probable run of 128 bits. Bits only (asserted). */
struct ks_entropy_markov {
    double p[2];         /* of a bit's value */
    double p_next[2][2]; /* [value][next]; a row of zeros: the value had no successor */
    double min_entropy;
};
KS_MUST_CHECK enum ks_err ks_entropy_markov(struct ks_samples samples,
                                            struct ks_entropy_markov *out_estimate);

/* --- health tests ------------------------------------------------------------------------- */

/* Run over a whole sample: whether a source that delivers ENTROPY bits per sample would have
 * given it. The probability of a false alarm at one place is 2^-ALPHA_LOG2. */
struct ks_health_claim {
    double entropy;      /* above 0, at most the width (asserted) */
    unsigned alpha_log2; /* 1 to KS_HEALTH_ALPHA_LOG2_MAX (asserted); §4.4 suggests 20 to 40 */
};
#define KS_HEALTH_ALPHA_LOG2_MAX 64

struct ks_health {
    uint64_t cutoff; /* so many are an alarm */
    uint64_t worst;  /* the most that were seen */
    uint64_t alarms; /* places that reached the cutoff; 0 is a pass */
};

/* Repetition count, §4.4.1: the longest run of one value. */
struct ks_health ks_health_repetition(struct ks_samples samples,
                                      const struct ks_health_claim *claim);
/* Adaptive proportion, §4.4.2: how often a window's first value comes in it. Windows of 1,024
 * bits or 512 bytes; the last may be shorter. */
struct ks_health ks_health_proportion(struct ks_samples samples,
                                      const struct ks_health_claim *claim);

#endif
