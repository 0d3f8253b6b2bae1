/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Chi-square: its probability against closed forms (sums of Poisson for even degrees, erfc for
 * one), its statistic against sums by hand, its false alarms at rates where they can be
 * counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>

#include "quantum/chisquare.h"
#include "quantum/counts.h"

static void assert_near(double got, double want, double relative)
{
    if (fabs(got - want) > relative * fabs(want)) {
        fail_msg("%.17g, not %.17g", got, want);
    }
}

/* For 2 m degrees: P(Poisson(x / 2) < m). */
static double even_degrees(double x, unsigned degrees)
{
    double term = exp(-x / 2);
    double sum = term;

    for (unsigned i = 1; i < degrees / 2; i++) {
        term *= x / 2 / i;
        sum += term;
    }
    return sum;
}

static void test_probability(void **state)
{
    (void)state;
    for (double x = 0.01; x < 300; x *= 1.37) {
        assert_near(ks_chi_square_p(x, 1), erfc(sqrt(x / 2)), 1e-11);
        for (unsigned degrees = 2; degrees <= 200; degrees += 18) {
            assert_near(ks_chi_square_p(x, degrees), even_degrees(x, degrees), 1e-10);
        }
    }
    /* Tables of the five per cent points. */
    assert_near(ks_chi_square_p(11.070497693516351, 5), 0.05, 1e-9);
    assert_near(ks_chi_square_p(124.34211340400407, 100), 0.05, 1e-9);
    assert_near(ks_chi_square_p(1000000, 1000000), 0.5, 1e-3);
    assert_true(ks_chi_square_p(0, 3) == 1 && ks_chi_square_p(5, 0) == 1);
}

static struct ks_counts *counts_of(uint32_t clbits, const uint64_t *numbers)
{
    struct ks_tally *tally = NULL;
    struct ks_counts *counts = NULL;

    assert_int_equal(ks_tally_new(clbits, NULL, &tally), KS_OK);
    for (uint64_t outcome = 0; outcome < UINT64_C(1) << clbits; outcome++) {
        if (numbers[outcome] > 0) {
            assert_int_equal(ks_tally_add(tally, &outcome, numbers[outcome]), KS_OK);
        }
    }
    assert_int_equal(ks_tally_finish(tally, &counts), KS_OK);
    ks_tally_free(tally);
    return counts;
}

static void test_statistic(void **state)
{
    static const uint64_t numbers[8] = {30, 20, 5, 5, 5, 5, 0, 30};
    static const double p[8] = {0.25, 0.25, 0.05, 0.05, 0.05, 0.1, 0, 0.25};
    struct ks_counts *counts = counts_of(3, numbers);
    struct ks_chi_square test;

    (void)state;
    assert_int_equal(ks_chi_square_exact(counts, p, 3, &test), KS_OK);
    /* 2, 3, 4 and 5 expect 5, 5, 5 and 10: one bin of 25. */
    assert_int_equal(test.pooled, 4);
    assert_int_equal(test.degrees, 3);
    assert_near(test.statistic, 25.0 / 25 + 25.0 / 25 + 25.0 / 25 + 25.0 / 25, 1e-12);
    ks_counts_free(counts);
}

/* The textbook's table of two rows, by all of its cells. */
static void test_two_samples(void **state)
{
    static const uint64_t first[4] = {40, 60, 50, 50};
    static const uint64_t second[4] = {100, 90, 110, 100};
    struct ks_counts *a = counts_of(2, first);
    struct ks_counts *b = counts_of(2, second);
    struct ks_chi_square test;
    struct ks_chi_square turned;
    double want = 0;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        const double row = (double)(first[i] + second[i]);

        want += pow((double)first[i] - row * 200 / 600, 2) / (row * 200 / 600);
        want += pow((double)second[i] - row * 400 / 600, 2) / (row * 400 / 600);
    }
    assert_int_equal(ks_chi_square_samples(a, b, &test), KS_OK);
    assert_int_equal(ks_chi_square_samples(b, a, &turned), KS_OK);
    assert_int_equal(test.degrees, 3);
    assert_int_equal(test.pooled, 0);
    assert_near(test.statistic, want, 1e-12);
    assert_near(turned.statistic, want, 1e-12);
    ks_counts_free(a);
    ks_counts_free(b);
}

static void test_few_shots_say_nothing(void **state)
{
    static const uint64_t numbers[2] = {3, 2};
    static const double p[2] = {0.5, 0.5};
    struct ks_counts *counts = counts_of(1, numbers);
    struct ks_chi_square test;

    (void)state;
    assert_int_equal(ks_chi_square_exact(counts, p, 1, &test), KS_OK);
    assert_true(test.degrees == 0 && test.p == 1);
    assert_int_equal(ks_chi_square_samples(counts, counts, &test), KS_OK);
    assert_true(test.degrees == 0 && test.p == 1);
    assert_int_equal(ks_chi_square_exact(counts, p, 21, &test), KS_ERR_LIMIT);
    ks_counts_free(counts);
}

/* --- false alarms ------------------------------------------------------------------------- */

static uint64_t random_state = 99;

static double uniform(void) /* xorshift64*, Vigna 2016 */
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return (double)((random_state * UINT64_C(2685821657736338717)) >> 11) * 0x1p-53;
}

#define BITS     6
#define OUTCOMES (1 << BITS)
#define RUNS     2000

static struct ks_counts *draw(const double *p, uint64_t shots)
{
    uint64_t numbers[OUTCOMES] = {0};

    for (uint64_t shot = 0; shot < shots; shot++) {
        double left = uniform();
        size_t outcome = 0;

        while (outcome + 1 < OUTCOMES && left >= p[outcome]) {
            left -= p[outcome++];
        }
        numbers[outcome]++;
    }
    return counts_of(BITS, numbers);
}

static void test_rate_of_false_alarms(void **state)
{
    unsigned below[2] = {0};
    double p[OUTCOMES];
    double sum = 0;

    (void)state;
    for (size_t i = 0; i < OUTCOMES; i++) { /* from many to very few */
        p[i] = exp(-(double)i / 8);
        sum += p[i];
    }
    for (size_t i = 0; i < OUTCOMES; i++) {
        p[i] /= sum;
    }
    for (unsigned run = 0; run < RUNS; run++) {
        struct ks_counts *a = draw(p, 1000);
        struct ks_counts *b = draw(p, 1500);
        struct ks_chi_square test;

        assert_int_equal(ks_chi_square_exact(a, p, BITS, &test), KS_OK);
        below[0] += test.p < 0.05;
        assert_true(test.p >= KS_CHI_SQUARE_DECIDES);
        assert_int_equal(ks_chi_square_samples(a, b, &test), KS_OK);
        below[1] += test.p < 0.05;
        assert_true(test.p >= KS_CHI_SQUARE_DECIDES);
        ks_counts_free(a);
        ks_counts_free(b);
    }
    print_message("below 0.05: %u and %u of %d\n", below[0], below[1], RUNS);
    for (size_t i = 0; i < 2; i++) { /* 100 expected, standard deviation 9.7: six of it */
        assert_true(below[i] > 42 && below[i] < 158);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_probability),
        cmocka_unit_test(test_statistic),
        cmocka_unit_test(test_two_samples),
        cmocka_unit_test(test_few_shots_say_nothing),
        cmocka_unit_test(test_rate_of_false_alarms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
