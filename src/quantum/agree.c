/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/agree.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "quantum/math.h"

#define KINDS        4 /* distance, outcomes, parities, mean probability */
#define RANDOM_MASKS 64

/* What is summed over all outcomes, each with its SHARE of the shots and its expected one. */
struct sums {
    size_t clbits;
    size_t words;
    uint64_t (*masks)[RANDOM_MASKS]; /* of word w */
    size_t parity_count;
    double *parities; /* of each: how often odd, then how often that is expected */
    double shots;
    double spread; /* of a share: its variance is q (1 - q) times this */
    double slack;
    double distance;
    double deviation; /* sum of standard deviations */
    double worst;     /* evidence against one outcome */
    uint64_t outcomes;
    double mean; /* of the expected shares, over the shots; second and third moment */
    double square;
    double cube;
    double largest;
};

/* Relative entropy of SHARE to EXPECTED, both of one event. */
static double entropy(double share, double expected)
{
    const double yes = share > 0 ? share * (ks_log(share) - ks_log(expected)) : 0;
    const double no = share < 1 ? (1 - share) * (ks_log(1 - share) - ks_log(1 - expected)) : 0;

    return yes + no;
}

/* SHOTS times the entropy to what is nearest within the slack: by Chernoff and Hoeffding as
 * much is exceeded with probability exp(-evidence) at most, on each side. */
static double evidence(const struct sums *sums, double share, double expected)
{
    const double low = expected - sums->slack > 0 ? expected - sums->slack : 0;
    const double high = expected + sums->slack < 1 ? expected + sums->slack : 1;

    if (share >= low && share <= high) {
        return 0;
    }
    return sums->shots * entropy(share, share < low ? low : high);
}

/* --- summing ------------------------------------------------------------------------------ */

static uint64_t next_random(uint64_t *state) /* SplitMix64 (Steele, Lea, Flood 2014) */
{
    uint64_t value = *state += UINT64_C(0x9e3779b97f4a7c15);

    value = (value ^ value >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    value = (value ^ value >> 27) * UINT64_C(0x94d049bb133111eb);
    return value ^ value >> 31;
}

static void sums_done(struct sums *sums)
{
    ks_free(sums->masks);
    ks_free(sums->parities);
}

/* Bits, pairs of neighbours, and sets of bits drawn once for all. */
static enum ks_err sums_new(size_t clbits, struct sums *out_sums)
{
    enum ks_err err = KS_OK;
    struct sums sums = {.clbits = clbits, .words = clbits / 64 + 1};
    uint64_t state = 0;

    sums.parity_count = 2 * clbits + RANDOM_MASKS;
    sums.masks = ks_calloc(sums.words, sizeof *sums.masks);
    sums.parities = ks_calloc(2 * sums.parity_count, sizeof *sums.parities);
    KS_CHECK(sums.masks != NULL && sums.parities != NULL, KS_ERR_NOMEM,
             "no memory for the parities of %zu bits", clbits);
    for (size_t w = 0; w < sums.words; w++) {
        for (size_t i = 0; i < RANDOM_MASKS; i++) {
            sums.masks[w][i] = next_random(&state);
        }
    }
    *out_sums = sums;
    sums = (struct sums){0}; /* transferred */
out:
    sums_done(&sums);
    return err;
}

static void add_parity(struct sums *sums, size_t parity, double share, double expected)
{
    sums->parities[2 * parity] += share;
    sums->parities[2 * parity + 1] += expected;
}

/* BITS holds clbits bits, and zeros above. */
static void add_parities(struct sums *sums, const uint64_t *bits, double share, double expected)
{
    uint64_t random[RANDOM_MASKS] = {0};

    for (size_t w = 0; w < sums->words; w++) {
        const uint64_t above = w + 1 < sums->words ? bits[w + 1] << 63 : 0;
        const uint64_t pairs = bits[w] ^ (bits[w] >> 1 | above);

        for (size_t bit = 64 * w; bit < sums->clbits && bit < 64 * (w + 1); bit++) {
            if ((bits[w] >> (bit % 64) & 1) != 0) {
                add_parity(sums, 2 * bit, share, expected);
            }
            if ((pairs >> (bit % 64) & 1) != 0) {
                add_parity(sums, 2 * bit + 1, share, expected);
            }
        }
        for (size_t i = 0; bits[w] != 0 && i < RANDOM_MASKS; i++) {
            random[i] ^= bits[w] & sums->masks[w][i];
        }
    }
    for (size_t i = 0; i < RANDOM_MASKS; i++) {
        if ((__builtin_popcountll(random[i]) & 1) != 0) {
            add_parity(sums, 2 * sums->clbits + i, share, expected);
        }
    }
}

static void add_outcome(struct sums *sums, const uint64_t *bits, double share, double expected)
{
    const double one = evidence(sums, share, expected);

    sums->distance += fabs(share - expected) / 2;
    sums->deviation += sqrt(fmax(expected * (1 - expected), 0) * sums->spread);
    sums->worst = fmax(sums->worst, one);
    sums->outcomes++;
    sums->mean += share * expected;
    sums->square += expected * expected;
    sums->cube += expected * expected * expected;
    sums->largest = fmax(sums->largest, expected);
    add_parities(sums, bits, share, expected);
}

/* TEXT, a bit string of CLBITS characters, into words of clean BITS. */
static void read_bits(const struct sums *sums, const char *text, uint64_t *bits)
{
    for (size_t w = 0; w < sums->words; w++) {
        bits[w] = 0;
    }
    for (size_t bit = 0; bit < sums->clbits; bit++) {
        bits[bit / 64] |= (uint64_t)(text[sums->clbits - 1 - bit] == '1') << (bit % 64);
    }
}

/* --- judging ------------------------------------------------------------------------------ */

static void refuse(struct ks_agreement *agreement, const char *what, double found, double most)
{
    if (agreement->consistent) {
        agreement->consistent = false;
        (void)snprintf(agreement->reason, sizeof agreement->reason, "%s: %.3g, at most %.3g",
                       what, found, most);
    }
}

static void judge_parities(const struct sums *sums, double most, struct ks_agreement *agreement)
{
    char what[120];

    for (size_t i = 0; i < sums->parity_count; i++) {
        const double share = sums->parities[2 * i];
        const double expected = sums->parities[2 * i + 1];
        const double found = evidence(sums, fmin(share, 1), fmin(expected, 1));

        if (found > most && agreement->consistent) {
            (void)snprintf(
                what, sizeof what, "%s %zu is odd in %.4g of the shots, not %.4g; evidence",
                i >= 2 * sums->clbits ? "parity"
                : i % 2 == 0          ? "bit"
                                      : "pair of neighbours",
                i >= 2 * sums->clbits ? i - 2 * sums->clbits : i / 2, share, expected);
            refuse(agreement, what, found, most);
        }
    }
}

/* How likely the distribution makes what was counted, by Bernstein's inequality. */
static void judge_mean(const struct sums *sums, double log_kind, struct ks_agreement *agreement)
{
    const double variance = fmax(sums->cube - sums->square * sums->square, 0) +
                            sums->slack * sums->largest * sums->largest;
    const double linear = 2.0 / 3 * log_kind * sums->largest;
    const double most =
        (linear + sqrt(linear * linear + 8 * sums->shots * log_kind * variance)) /
            (2 * sums->shots) +
        sums->slack * sums->largest;
    const double found = fabs(sums->mean - sums->square);

    if (found > most) {
        refuse(agreement, "the mean probability of what was counted is off", found, most);
    }
}

static void judge(const struct sums *sums, const struct ks_agree_spec *spec, bool exact,
                  struct ks_agreement *out_agreement)
{
    const double log_kind = ks_log(KINDS / spec->false_alarm);
    const double jump = sqrt(log_kind / (2 * sums->shots)); /* McDiarmid's inequality */
    const double most = sums->deviation / 2 + jump + sums->slack;
    const double log_two = ks_log(2);
    struct ks_agreement agreement = {
        .consistent = true,
        .false_alarm = spec->false_alarm,
        .distance = sums->distance,
        .found_from = most + jump,
        .tests = 1 + sums->outcomes + sums->parity_count + (exact ? 1 : 0),
    };

    if (sums->distance > most) {
        refuse(&agreement, "the total variation distance", sums->distance, most);
    }
    const double most_one = log_kind + log_two + ks_log((double)sums->outcomes);

    if (sums->worst > most_one) {
        refuse(&agreement, "one outcome is too often or too rare; evidence", sums->worst,
               most_one);
    }
    judge_parities(sums, log_kind + log_two + ks_log((double)sums->parity_count), &agreement);
    if (exact) {
        judge_mean(sums, log_kind + log_two, &agreement);
    }
    *out_agreement = agreement;
}

static enum ks_err check_spec(const struct ks_agree_spec *spec)
{
    return spec->false_alarm > 0 && spec->false_alarm < 1 && spec->slack >= 0
               ? KS_OK
               : ks_fail(KS_ERR_USAGE, "a rate of false alarms between 0 and 1");
}

enum ks_err ks_agree_exact(const struct ks_counts *counts, const double *probabilities,
                           const struct ks_agree_spec *spec, struct ks_agreement *out_agreement)
{
    enum ks_err err = check_spec(spec);
    struct sums sums = {0};
    size_t at = 0;

    KS_TRY(err);
    KS_TRY(sums_new(strlen(ks_counts_outcome(counts, 0)), &sums));
    KS_CHECK(sums.clbits <= KS_PROBABILITIES_CLBITS_MAX, KS_ERR_LIMIT,
             "%zu classical bits, limit %d", sums.clbits, KS_PROBABILITIES_CLBITS_MAX);
    sums.shots = (double)ks_counts_shots(counts);
    sums.spread = 1 / sums.shots;
    sums.slack = spec->slack;
    for (uint64_t outcome = 0; outcome < (uint64_t)1 << sums.clbits; outcome++) {
        const uint64_t bits[2] = {outcome, 0};
        uint64_t next[2] = {0};
        double share = 0;

        if (at < ks_counts_size(counts)) {
            read_bits(&sums, ks_counts_outcome(counts, at), next);
            if (next[0] == outcome) {
                share = (double)ks_counts_count(counts, at++) / sums.shots;
            }
        }
        add_outcome(&sums, bits, share, probabilities[outcome]);
    }
    judge(&sums, spec, true, out_agreement);
out:
    sums_done(&sums);
    return err;
}

/* What both counted, outcome by outcome: given that, the counts are drawn from it without being
 * put back, and vary no more than if they were (Hoeffding 1963). */
enum ks_err ks_agree_sample(const struct ks_counts *counts, const struct ks_counts *fresh,
                            const struct ks_agree_spec *spec,
                            struct ks_agreement *out_agreement)
{
    enum ks_err err = check_spec(spec);
    struct sums sums = {0};
    uint64_t *bits = NULL;
    size_t i = 0;
    size_t j = 0;

    KS_TRY(err);
    const double shots = (double)ks_counts_shots(counts);
    const double more = (double)ks_counts_shots(fresh);

    KS_CHECK(more >= shots, KS_ERR_USAGE, "fewer fresh shots than there were");
    KS_TRY(sums_new(strlen(ks_counts_outcome(counts, 0)), &sums));
    KS_CHECK(strlen(ks_counts_outcome(fresh, 0)) == sums.clbits, KS_ERR_USAGE,
             "counts of other bits");
    bits = ks_calloc(sums.words + 1, sizeof *bits);
    KS_CHECK(bits != NULL, KS_ERR_NOMEM, "no memory for an outcome");
    sums.shots = shots;
    sums.spread = more / (shots + more - 1) / shots;
    sums.slack = spec->slack;
    while (i < ks_counts_size(counts) || j < ks_counts_size(fresh)) {
        const bool is_left = i < ks_counts_size(counts);
        const bool is_right = j < ks_counts_size(fresh);
        const int order =
            !is_left    ? 1
            : !is_right ? -1
                        : strcmp(ks_counts_outcome(counts, i), ks_counts_outcome(fresh, j));
        const double left = order <= 0 ? (double)ks_counts_count(counts, i) : 0;
        const double right = order >= 0 ? (double)ks_counts_count(fresh, j) : 0;

        read_bits(&sums,
                  order <= 0 ? ks_counts_outcome(counts, i) : ks_counts_outcome(fresh, j),
                  bits);
        add_outcome(&sums, bits, left / shots, (left + right) / (shots + more));
        i += order <= 0;
        j += order >= 0;
    }
    judge(&sums, spec, false, out_agreement);
    /* Between the two, not to what both are of. */
    out_agreement->distance *= (shots + more) / more;
    out_agreement->found_from *= (shots + more) / more;
out:
    ks_free(bits);
    sums_done(&sums);
    return err;
}
