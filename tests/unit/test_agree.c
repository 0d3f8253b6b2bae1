/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Counts held against a distribution: false alarms are as rare as stated, at rates where that
 * can be counted; what is as far away as stated is refused; forged counts are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "quantum/agree.h"
#include "quantum/counts.h"

#define OUTCOMES_MAX 4096

static const struct ks_agree_spec strict = {.false_alarm = 1e-6};

static uint64_t random_state = 12345;

static double uniform(void) /* xorshift64*, Vigna 2016 */
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (double)((random_state * UINT64_C(2685821657736338717)) >> 11) * 0x1p-53;
}

/* A random distribution; sharp ones have a few outcomes that matter. */
static void draw_distribution(size_t size, bool sharp, double *p)
{
    double sum = 0;

    for (size_t i = 0; i < size; i++) {
        p[i] = -log(1 - uniform());
        p[i] = sharp ? pow(p[i], 8) : p[i];
        sum += p[i];
    }
    for (size_t i = 0; i < size; i++) {
        p[i] /= sum;
    }
}

static struct ks_counts *draw_counts(uint32_t bits, const double *p, uint64_t shots)
{
    const size_t size = (size_t)1 << bits;
    struct ks_tally *tally = NULL;
    struct ks_counts *counts = NULL;

    assert_int_equal(ks_tally_new(bits, NULL, &tally), KS_OK);
    for (uint64_t shot = 0; shot < shots; shot++) {
        double left = uniform();
        uint64_t outcome = 0;

        while (outcome + 1 < size && left >= p[outcome]) {
            left -= p[outcome++];
        }
        assert_int_equal(ks_tally_add(tally, &outcome, 1), KS_OK);
    }
    assert_int_equal(ks_tally_finish(tally, &counts), KS_OK);
    ks_tally_free(tally);
    return counts;
}

static struct ks_agreement held(const struct ks_counts *counts, const double *p,
                                const struct ks_agree_spec *spec)
{
    struct ks_agreement agreement;

    assert_int_equal(ks_agree_exact(counts, p, spec, &agreement), KS_OK);
    return agreement;
}

/* --- false alarms ------------------------------------------------------------------------- */

static void test_false_alarms(void **state)
{
    static const uint64_t shots[] = {1, 5, 60, 1000};
    static const struct ks_agree_spec loose = {.false_alarm = 0.25};
    unsigned tried = 0;
    unsigned alarms = 0;
    unsigned sample_alarms = 0;

    (void)state;
    for (unsigned run = 0; run < 2000; run++) {
        double p[OUTCOMES_MAX];
        const uint32_t bits = run % 9;
        const uint64_t n = shots[run / 9 % 4];
        struct ks_agreement agreement;

        draw_distribution((size_t)1 << bits, run % 2 == 1, p);
        struct ks_counts *counts = draw_counts(bits, p, n);
        struct ks_counts *fresh = draw_counts(bits, p, n * (1 + run % 4));
        assert_true(held(counts, p, &strict).consistent);
        alarms += !held(counts, p, &loose).consistent;
        assert_int_equal(ks_agree_sample(counts, fresh, &strict, &agreement), KS_OK);
        assert_true(agreement.consistent);
        assert_int_equal(ks_agree_sample(counts, fresh, &loose, &agreement), KS_OK);
        sample_alarms += !agreement.consistent;
        tried++;
        ks_counts_free(counts);
        ks_counts_free(fresh);
    }
    print_message("at 0.25: %u and %u of %u\n", alarms, sample_alarms, tried);
    /* The bounds are not tight, so the rate is well below what was asked for. */
    assert_true(alarms < tried / 4 && sample_alarms < tried / 4);
}

/* --- what is far away is refused ---------------------------------------------------------- */

static void test_distance_is_found(void **state)
{
    (void)state;
    for (unsigned run = 0; run < 300; run++) {
        double p[OUTCOMES_MAX];
        double q[OUTCOMES_MAX];
        const uint32_t bits = 1 + run % 6;
        const size_t size = (size_t)1 << bits;
        double distance = 0;
        struct ks_agreement agreement;

        draw_distribution(size, run % 2 == 1, p);
        draw_distribution(size, run % 4 > 1, q);
        for (size_t i = 0; i < size; i++) {
            distance += fabs(p[i] - q[i]) / 2;
        }
        struct ks_counts *counts = draw_counts(bits, q, 3000);
        struct ks_counts *fresh = draw_counts(bits, p, 12000);
        agreement = held(counts, p, &strict);
        if (distance >= agreement.found_from) {
            assert_false(agreement.consistent);
            assert_true(strlen(agreement.reason) > 0);
        }
        assert_int_equal(ks_agree_sample(counts, fresh, &strict, &agreement), KS_OK);
        if (distance >= agreement.found_from) {
            assert_false(agreement.consistent);
        }
        ks_counts_free(counts);
        ks_counts_free(fresh);
    }
}

/* By hand: 600 and 400 of 1,000 shots of a fair coin. */
static void test_by_hand(void **state)
{
    const double p[2] = {0.5, 0.5};
    const double log_kind = log(4 / 1e-6);
    const uint64_t outcomes[2] = {0, 1};
    struct ks_tally *tally = NULL;
    struct ks_counts *counts = NULL;
    struct ks_agreement agreement;

    (void)state;
    assert_int_equal(ks_tally_new(1, NULL, &tally), KS_OK);
    assert_int_equal(ks_tally_add(tally, &outcomes[0], 600), KS_OK);
    assert_int_equal(ks_tally_add(tally, &outcomes[1], 400), KS_OK);
    assert_int_equal(ks_tally_finish(tally, &counts), KS_OK);
    ks_tally_free(tally);
    agreement = held(counts, p, &strict);
    assert_true(fabs(agreement.distance - 0.1) < 1e-12);
    assert_true(fabs(agreement.found_from - (sqrt(0.25 / 1000) + 2 * sqrt(log_kind / 2000))) <
                1e-12);
    /* 1,000 times the entropy of (0.6, 0.4) to (0.5, 0.5) is 20.1, more than log(4e6 * 4). */
    assert_false(agreement.consistent);
    assert_non_null(strstr(agreement.reason, "20.1, at most 16.6"));
    ks_counts_free(counts);
}

/* --- forged counts ------------------------------------------------------------------------ */

/* Counts that are made up, of a state whose single outcomes say nothing. */
static void test_uniform_is_no_chaos(void **state)
{
    double p[OUTCOMES_MAX];
    double flat[OUTCOMES_MAX];
    struct ks_agreement agreement;

    (void)state;
    draw_distribution(OUTCOMES_MAX, false, p);
    for (size_t i = 0; i < OUTCOMES_MAX; i++) {
        flat[i] = 1.0 / OUTCOMES_MAX;
    }
    struct ks_counts *counts = draw_counts(12, flat, 1000);
    agreement = held(counts, p, &strict);
    assert_false(agreement.consistent);
    assert_non_null(strstr(agreement.reason, "the mean probability"));
    ks_counts_free(counts);
}

#define WIDE 200

/* A bit string of WIDE bits: two halves that are alike, as of cats. */
static struct ks_counts *draw_wide(uint64_t shots, unsigned spoiled)
{
    struct ks_tally *tally = NULL;
    struct ks_counts *counts = NULL;

    assert_int_equal(ks_tally_new(WIDE, NULL, &tally), KS_OK);
    for (uint64_t shot = 0; shot < shots; shot++) {
        uint64_t bits[(WIDE + 63) / 64] = {0};

        for (unsigned i = 0; i < WIDE / 2; i++) {
            const uint64_t one = uniform() < 0.5;
            const uint64_t other = i == 3 && uniform() * 8 < spoiled ? 1 - one : one;

            bits[i / 32] |= one << (2 * i % 64);
            bits[i / 32] |= other << ((2 * i + 1) % 64);
        }
        assert_int_equal(ks_tally_add(tally, bits, 1), KS_OK);
    }
    assert_int_equal(ks_tally_finish(tally, &counts), KS_OK);
    ks_tally_free(tally);
    return counts;
}

static void test_wide_outcomes(void **state)
{
    struct ks_counts *fresh = draw_wide(4000, 0);
    struct ks_counts *good = draw_wide(1000, 0);
    struct ks_counts *bad = draw_wide(1000, 1); /* one pair of neighbours in eight */
    struct ks_agreement agreement;

    (void)state;
    assert_int_equal(ks_agree_sample(good, fresh, &strict, &agreement), KS_OK);
    assert_true(agreement.consistent && agreement.found_from > 1);
    assert_string_equal(agreement.reason, "");
    assert_int_equal(ks_agree_sample(bad, fresh, &strict, &agreement), KS_OK);
    assert_false(agreement.consistent);
    assert_non_null(strstr(agreement.reason, "pair of neighbours 6 is odd in 0.1"));
    ks_counts_free(fresh);
    ks_counts_free(good);
    ks_counts_free(bad);
}

/* An outcome that cannot be, once; and one whose probability is within the slack. */
static void test_impossible_outcome(void **state)
{
    const double p[4] = {1, 0, 0, 0};
    const double q[4] = {0, 0.5, 0.5, 0};
    const struct ks_agree_spec slack = {.false_alarm = 1e-6, .slack = 1e-3};
    struct ks_counts *counts = draw_counts(2, p, 500);
    struct ks_counts *other = draw_counts(2, q, 500);

    (void)state;
    assert_true(held(counts, p, &strict).consistent);
    assert_false(held(other, p, &strict).consistent);
    assert_false(held(counts, q, &strict).consistent);
    assert_false(held(other, p, &slack).consistent);
    ks_counts_free(counts);
    ks_counts_free(other);
}

static void test_usage(void **state)
{
    const double p[4] = {0.25, 0.25, 0.25, 0.25};
    const struct ks_agree_spec wrong[] = {
        {.false_alarm = 0}, {.false_alarm = 1}, {.false_alarm = 0.5, .slack = -1}};
    struct ks_counts *few = draw_counts(2, p, 5);
    struct ks_counts *more = draw_counts(2, p, 6);
    struct ks_counts *one = draw_counts(1, p, 9);
    struct ks_agreement agreement;

    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(ks_agree_exact(few, p, &wrong[i], &agreement), KS_ERR_USAGE);
        assert_int_equal(ks_agree_sample(few, more, &wrong[i], &agreement), KS_ERR_USAGE);
    }
    assert_int_equal(ks_agree_sample(more, few, &strict, &agreement), KS_ERR_USAGE);
    assert_int_equal(ks_agree_sample(few, one, &strict, &agreement), KS_ERR_USAGE);
    ks_counts_free(few);
    ks_counts_free(more);
    ks_counts_free(one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_false_alarms),  cmocka_unit_test(test_distance_is_found),
        cmocka_unit_test(test_by_hand),       cmocka_unit_test(test_uniform_is_no_chaos),
        cmocka_unit_test(test_wide_outcomes), cmocka_unit_test(test_impossible_outcome),
        cmocka_unit_test(test_usage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
