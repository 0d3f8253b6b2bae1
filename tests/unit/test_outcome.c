/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a trace says of a result, against sums over every outcome and every way to draw. */
#include "unit/expect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "detect/outcome.h"

#define OK(call) assert_int_equal((call), KS_OK)

static double value(const struct ks_trace *trace, enum ks_trace_field field)
{
    assert_true(ks_trace_has(trace, field));
    return trace->values[field];
}

static void expect_near(double found, double wanted, double error)
{
    if (!(fabs(found - wanted) <= error)) {
        fail_msg("%.17g, not %.17g +- %g", found, wanted, error);
    }
}

static void test_result(void **state)
{
    static const struct {
        const char *result;
        double entropy;
        double support;
        double shots;
    } cases[] = {
        {"{\"0\":100}", 0, 1, 100},
        {"{\"\":5}", 0, 1, 5},
        {"{\"00\":8,\"11\":8}", 1, 2, 16},
        {"{\"00\":1,\"01\":1,\"10\":1,\"11\":1}", 2, 4, 4},
        {"{\"0\":1,\"1\":3}", 0.8112781244591328, 2, 4},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_trace trace;

        ks_trace_init(&trace);
        OK(ks_trace_set_result(&trace, ks_bytes_text(cases[i].result)));
        expect_near(value(&trace, KS_TRACE_RESULT_ENTROPY_BITS), cases[i].entropy, 1e-12);
        assert_true(value(&trace, KS_TRACE_RESULT_SUPPORT) == cases[i].support);
        assert_true(value(&trace, KS_TRACE_SHOTS) == cases[i].shots);
    }
}

static void test_refused(void **state)
{
    static const char *const refused[] = {
        "",
        "{",
        "{}",
        "[]",
        "{\"0\":1",
        "{\"0\":0}",
        "{\"0\":-1}",
        "{\"0\":1,}",
        "{\"0\" :1}",
        "{\"0\":1}}",
        "{\"0\":1.5}",
        "{0:1}",
        "{\"0\":\"1\"}",
        "{\"0:1}",
        "{\"0\":9007199254740993}",
    };
    static const double half[] = {0.5, 0.5};

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct ks_trace trace;

        ks_trace_init(&trace);
        assert_int_equal(ks_trace_set_result(&trace, ks_bytes_text(refused[i])), KS_ERR_FORMAT);
        assert_int_equal(ks_trace_set_distance(&trace, ks_bytes_text(refused[i]), half, 1),
                         KS_ERR_FORMAT);
        for (unsigned k = 0; k < KS_TRACE_COLUMNS; k++) {
            assert_false(ks_trace_has(&trace, (enum ks_trace_field)k));
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        static const char *const strange[] = {"{\"00\":1}", "{\"x\":1}", "{\"1\":1,\"0\":1}"};
        struct ks_trace trace;

        ks_trace_init(&trace);
        assert_int_equal(ks_trace_set_distance(&trace, ks_bytes_text(strange[i]), half, 1),
                         KS_ERR_FORMAT);
        assert_false(ks_trace_has(&trace, KS_TRACE_TVD));
    }
}

static void test_distance(void **state)
{
    static const double bell[] = {0.5, 0, 0, 0.5};
    static const double none[] = {1};
    struct ks_trace trace;

    (void)state;
    ks_trace_init(&trace);
    OK(ks_trace_set_distance(&trace, KS_LITERAL("{\"00\":30,\"01\":10,\"11\":60}"), bell, 2));
    expect_near(value(&trace, KS_TRACE_TVD), 0.2, 1e-12);
    assert_false(ks_trace_has(&trace, KS_TRACE_RESULT_SUPPORT)); /* asked for elsewhere */
    OK(ks_trace_set_distance(&trace, KS_LITERAL("{\"\":7}"), none, 0));
    assert_true(value(&trace, KS_TRACE_TVD) == 0 && value(&trace, KS_TRACE_TVD_SIGMA) == 0);
    /* One shot of a thousand where none can be. */
    OK(ks_trace_set_distance(&trace, KS_LITERAL("{\"0\":999,\"1\":1}"), (const double[]){1, 0},
                             1));
    expect_near(value(&trace, KS_TRACE_TVD), 0.001, 1e-12);
    expect_near(value(&trace, KS_TRACE_TVD_SIGMA), 100, 1e-9);
}

/* --- against every way to draw ------------------------------------------------------------ */

static double factorial(unsigned n)
{
    return n < 2 ? 1 : n * factorial(n - 1);
}

/* The result of COUNTS of K outcomes, of two bits; empty outcomes left out. */
static void write_result(const unsigned *counts, unsigned k, char *target, size_t size)
{
    size_t len = 0;

    len += (size_t)snprintf(target, size, "{");
    for (unsigned i = 0; i < k; i++) {
        if (counts[i] > 0) {
            len += (size_t)snprintf(target + len, size - len, "%s\"%u%u\":%u",
                                    len > 1 ? "," : "", i >> 1, i & 1, counts[i]);
        }
    }
    (void)snprintf(target + len, size - len, "}");
}

/* Mean and standard deviation of the distance over all draws of N shots, by their
 * probabilities; and those that the trace's two numbers imply. */
static void test_moments(void **state)
{
    static const double distributions[][3] = {
        {0.5, 0.3, 0.2}, {0.34, 0.33, 0.33}, {0.9, 0.05, 0.05}, {0.5, 0.5, 0}, {0.98, 0.02, 0}};
    enum { N = 12 };

    (void)state;
    for (size_t d = 0; d < sizeof distributions / sizeof distributions[0]; d++) {
        const double *p = distributions[d];
        const double probabilities[4] = {p[0], p[1], p[2], 0};
        double mean = 0;
        double square = 0;
        double found_mean = 0;
        double found_sigma = 0;
        double first[2] = {0};

        for (unsigned a = 0; a <= N; a++) {
            for (unsigned b = 0; a + b <= N; b++) {
                const unsigned counts[] = {a, b, N - a - b};
                const double weight = factorial(N) / factorial(a) / factorial(b) /
                                      factorial(counts[2]) * pow(p[0], a) * pow(p[1], b) *
                                      pow(p[2], counts[2]);
                char result[128];
                struct ks_trace trace;
                double tvd = 0;
                double sigmas = 0;

                write_result(counts, 3, result, sizeof result);
                ks_trace_init(&trace);
                OK(ks_trace_set_distance(&trace, ks_bytes_text(result), probabilities, 2));
                tvd = value(&trace, KS_TRACE_TVD);
                sigmas = value(&trace, KS_TRACE_TVD_SIGMA);
                mean += weight * tvd;
                square += weight * tvd * tvd;
                if (a == 0 && b == 0) {
                    first[0] = tvd;
                    first[1] = sigmas;
                } else if (fabs(tvd - first[0]) > 0.05) {
                    found_sigma = (tvd - first[0]) / (sigmas - first[1]);
                    found_mean = tvd - sigmas * found_sigma;
                }
            }
        }
        expect_near(found_mean, mean, 1e-9);
        expect_near(found_sigma / sqrt(square - mean * mean), 1, 0.15);
    }
}

/* --- against draws ------------------------------------------------------------------------ */

#define OUTCOMES 64
#define DRAWS    400

static double uniform(uint64_t seed, uint64_t index)
{
    /* A splitmix64 of the two: good enough to draw by. */
    uint64_t x = seed * 0x9e3779b97f4a7c15u + index * 0xbf58476d1ce4e5b9u;

    x ^= x >> 30;
    x *= 0xbf58476d1ce4e5b9u;
    x ^= x >> 27;
    x *= 0x94d049bb133111ebu;
    x ^= x >> 31;
    return (double)(x >> 11) * 0x1p-53;
}

/* Honest counts lie about 0 with a spread of about 1. */
static void test_draws(void **state)
{
    static const unsigned shots[] = {50, 1000, 5000};
    static char result[OUTCOMES * 32];
    double p[OUTCOMES];
    double total = 0;

    (void)state;
    for (unsigned i = 0; i < OUTCOMES; i++) { /* as of a random circuit */
        p[i] = -log(1 - uniform(1, i));
        total += p[i];
    }
    for (unsigned i = 0; i < OUTCOMES; i++) {
        p[i] /= total;
    }
    for (size_t s = 0; s < sizeof shots / sizeof shots[0]; s++) {
        double sum = 0;
        double square = 0;

        for (unsigned draw = 0; draw < DRAWS; draw++) {
            unsigned counts[OUTCOMES] = {0};
            struct ks_trace trace;
            size_t len = 1;

            for (unsigned i = 0; i < shots[s]; i++) {
                double u = uniform(2 + draw + DRAWS * s, i);
                unsigned k = 0;

                while (k < OUTCOMES - 1 && u >= p[k]) {
                    u -= p[k++];
                }
                counts[k]++;
            }
            result[0] = '{';
            for (unsigned i = 0; i < OUTCOMES; i++) {
                char bits[7] = "";

                for (unsigned bit = 0; bit < 6; bit++) {
                    bits[bit] = (i >> (5 - bit) & 1) != 0 ? '1' : '0';
                }
                if (counts[i] > 0) {
                    len += (size_t)snprintf(result + len, sizeof result - len, "%s\"%s\":%u",
                                            len > 1 ? "," : "", bits, counts[i]);
                }
            }
            (void)snprintf(result + len, sizeof result - len, "}");
            ks_trace_init(&trace);
            OK(ks_trace_set_distance(&trace, ks_bytes_text(result), p, 6));
            sum += value(&trace, KS_TRACE_TVD_SIGMA);
            square += value(&trace, KS_TRACE_TVD_SIGMA) * value(&trace, KS_TRACE_TVD_SIGMA);
        }
        expect_near(sum / DRAWS, 0, 0.2); /* four deviations of a mean of 400 */
        expect_near(sqrt(square / DRAWS), 1, 0.2);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_result),   cmocka_unit_test(test_refused),
        cmocka_unit_test(test_distance), cmocka_unit_test(test_moments),
        cmocka_unit_test(test_draws),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
