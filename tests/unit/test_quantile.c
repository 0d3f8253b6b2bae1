/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Quantiles and their intervals: ranks from published tables, from sums of binomial terms in
 * exact integers, and from drawing many samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

#include <math.h>

#include "cli/quantile.h"

#define COUNT_MAX 62 /* whose binomial coefficients fit into 64 bits */

static void ascending(double *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        values[i] = (double)i + 1; /* each value is its rank */
    }
}

/* The ranks of a 95 % interval of the median, as tables of the sign test have them. */
static void test_published_ranks(void **state)
{
    static const struct {
        size_t count;
        double low;
        double high;
    } table[] = {{6, 1, 6},   {9, 2, 8},   {10, 2, 9},  {15, 4, 12},
                 {20, 6, 15}, {25, 8, 18}, {30, 10, 21}};
    double values[COUNT_MAX];

    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        ascending(values, table[i].count);
        const struct ks_quantile median = ks_quantile_of(values, table[i].count, 0.5);

        assert_true(median.low_known && median.high_known);
        assert_true(median.low == table[i].low && median.high == table[i].high);
        assert_true(median.value == ((double)table[i].count + 1) / 2);
    }
}

/* Sum of C(n, k) for k < BELOW: times 2^-n the chance of fewer than so many heads. */
static uint64_t heads_below(unsigned n, unsigned below)
{
    uint64_t sum = 0;
    uint64_t term = 1;

    for (unsigned k = 0; k < below; k++) {
        sum += term;
        term = term / (k + 1) * (n - k) + term % (k + 1) * (n - k) / (k + 1);
    }
    return sum;
}

static void test_median_ranks(void **state)
{
    double values[COUNT_MAX];

    (void)state;
    for (unsigned n = 1; n <= 50; n++) {
        const double tail = 0.025 * ldexp(1, (int)n);
        unsigned low = 0;

        while (low < n && (double)heads_below(n, low + 1) <= tail) {
            low++;
        }
        ascending(values, n);
        const struct ks_quantile median = ks_quantile_of(values, n, 0.5);

        assert_int_equal(median.low_known, low >= 1);
        assert_int_equal(median.high_known, low >= 1);
        assert_true(low == 0 || median.low == low);
        assert_true(low == 0 || median.high == n + 1 - low); /* symmetric */
        assert_true(low > 0 || (median.low == 1 && median.high == n));
    }
}

static void test_few_have_no_end(void **state)
{
    double values[400];
    struct ks_quantile p99;

    (void)state;
    ascending(values, 1);
    p99 = ks_quantile_of(values, 1, 0.99);
    assert_true(p99.value == 1 && p99.low == 1 && p99.high == 1);
    assert_false(p99.high_known);
    /* 0.99^n > 0.025 as long as n < 368: the greatest of so many may lie below. */
    ascending(values, 367);
    assert_false(ks_quantile_of(values, 367, 0.99).high_known);
    ascending(values, 368);
    p99 = ks_quantile_of(values, 368, 0.99);
    assert_true(p99.high_known && p99.high == 368);
    assert_true(p99.value == 365); /* ceil(0.99 * 368) */
    ascending(values, 100);
    assert_true(ks_quantile_of(values, 100, 0.99).value == 99);
}

/* In at least 95 of 100 samples the interval holds what the samples were drawn from; and not in
 * all of them. */
static void test_coverage(void **state)
{
    static const struct {
        size_t count;
        double q;
    } cases[] = {{15, 0.5}, {40, 0.5}, {400, 0.99}};
    uint64_t word = 1;

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        unsigned held = 0;

        for (unsigned trial = 0; trial < 4000; trial++) {
            double values[400];

            for (size_t i = 0; i < cases[c].count; i++) {
                word = word * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                values[i] = (double)(word >> 11) * 0x1p-53; /* even on 0 to 1 */
            }
            ks_quantile_sort(values, cases[c].count);
            const struct ks_quantile got = ks_quantile_of(values, cases[c].count, cases[c].q);

            assert_true(got.low_known && got.high_known);
            held += got.low <= cases[c].q && cases[c].q <= got.high;
        }
        assert_true(held >= 3790 && held < 4000); /* 95 %, less three deviations */
    }
}

static void test_sort(void **state)
{
    double values[] = {3, -1, 2.5, 2.5, 0, 1e300, -1e-300};
    static const double sorted[] = {-1, -1e-300, 0, 2.5, 2.5, 3, 1e300};

    (void)state;
    ks_quantile_sort(values, 7);
    for (size_t i = 0; i < 7; i++) {
        assert_true(values[i] == sorted[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_ranks),
        cmocka_unit_test(test_median_ranks),
        cmocka_unit_test(test_few_have_no_end),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_sort),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
