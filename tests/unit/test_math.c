/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The elementary functions against mpmath's values (tools/vectors_math.py) within the bounds
 * that math.h states, and one number over many results that no compiler and no CPU may change.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "quantum/math.h"
#include "vector_files.h"

struct function {
    const char *name;
    double ulp_max;
    double worst;
    unsigned count;
};

static double value_of(const char *name, double a, double b)
{
    double sine = 0;
    double cosine = 0;

    ks_sincos(a, &sine, &cosine);
    switch (name[0]) {
    case 's':
        return sine;
    case 'c':
        return cosine;
    case 't':
        return ks_tan(a);
    case 'e':
        return ks_exp(a);
    case 'l':
        return ks_log(a);
    default:
        return ks_pow(a, b);
    }
}

static void check_line(struct function *functions, char *line)
{
    char *words[5] = {0};
    size_t count = 0;

    for (char *word = strtok(line, " "); word != NULL && count < 5; word = strtok(NULL, " ")) {
        words[count++] = word;
    }
    assert_true(count >= 4);
    const double a = strtod(words[1], NULL);
    const double b = count == 5 ? strtod(words[2], NULL) : 0;
    const double high = strtod(words[count - 2], NULL);
    const double low = strtod(words[count - 1], NULL);
    const double got = value_of(words[0], a, b);
    const double ulp = nextafter(fabs(high), INFINITY) - fabs(high);
    const double error = fabs((got - high) - low) / ulp;
    struct function *function = functions;

    while (strcmp(function->name, words[0]) != 0) {
        function++;
        assert_non_null(function->name);
    }
    /* Results below the normal range are rounded twice. */
    if (!(error <= (fabs(high) < 0x1p-1022 ? 1.0 : function->ulp_max))) {
        fail_msg("%s(%a, %a) = %a, not %a: %g ulp", words[0], a, b, got, high, error);
    }
    function->worst = fmax(function->worst, error);
    function->count++;
}

static void test_values(void **state)
{
    struct function functions[] = {{"sin", 0.8, 0, 0},  {"cos", 0.8, 0, 0}, {"tan", 1.2, 0, 0},
                                   {"exp", 0.51, 0, 0}, {"ln", 0.51, 0, 0}, {"pow", 0.51, 0, 0},
                                   {NULL, 0, 0, 0}};
    struct ks_buf file;

    (void)state;
    vector_read("math", "values.txt", &file);
    ks_buf_put_u8(&file, 0);
    char *next = (char *)file.data;
    while (*next != '\0') {
        char *line = next;
        next = strchr(next, '\n');
        assert_non_null(next);
        *next++ = '\0';
        check_line(functions, line);
    }
    ks_buf_done(&file);
    for (const struct function *function = functions; function->name != NULL; function++) {
        assert_true(function->count >= 200);
        print_message("%s: %u values, worst %.3f ulp\n", function->name, function->count,
                      function->worst);
    }
}

static void test_special(void **state)
{
    double sine = 1;
    double cosine = 0;

    (void)state;
    ks_sincos(-0.0, &sine, &cosine);
    assert_true(sine == 0 && signbit(sine) && cosine == 1);
    ks_sincos(0, &sine, &cosine);
    assert_true(sine == 0 && !signbit(sine) && cosine == 1);
    ks_sincos(INFINITY, &sine, &cosine);
    assert_true(isnan(sine) && isnan(cosine));
    ks_sincos(NAN, &sine, &cosine);
    assert_true(isnan(sine) && isnan(cosine));
    assert_true(isnan(ks_tan(-INFINITY)));
    assert_true(ks_exp(0) == 1 && ks_exp(-0.0) == 1);
    assert_true(ks_exp(710) == INFINITY && ks_exp(INFINITY) == INFINITY);
    assert_true(ks_exp(-746) == 0 && ks_exp(-INFINITY) == 0 && isnan(ks_exp(NAN)));
    assert_true(ks_log(1) == 0 && ks_log(0) == -INFINITY && isnan(ks_log(-1)));
    assert_true(ks_log(INFINITY) == INFINITY && isnan(ks_log(NAN)));
    assert_true(ks_pow(0, 0) == 1 && ks_pow(NAN, 0) == 1 && ks_pow(1, INFINITY) == 1);
    assert_true(ks_pow(0, 3) == 0 && ks_pow(0, -2) == INFINITY);
    assert_true(signbit(ks_pow(-0.0, 3)) && !signbit(ks_pow(-0.0, 2)));
    assert_true(ks_pow(-2, 3) == -8 && ks_pow(-2, 0x1p60) == INFINITY);
    assert_true(isnan(ks_pow(-8, 1.0 / 3)) && isnan(ks_pow(2, INFINITY)));
    assert_true(ks_pow(10, 400) == INFINITY && ks_pow(10, -400) == 0);
    assert_true(ks_pow(0.5, 1074) == 5e-324 && ks_pow(2, 0.5) == sqrt(2));
}

static uint64_t random_state = 1;

static uint64_t random_word(void)
{
    random_state ^= random_state >> 12;
    random_state ^= random_state << 25;
    random_state ^= random_state >> 27;
    return random_state * UINT64_C(2685821657736338717);
}

static void add_bits(uint64_t *hash, double value)
{
    uint64_t word;

    memcpy(&word, &value, sizeof(word));
    *hash = (*hash ^ word) * UINT64_C(0x100000001b3);
    *hash ^= *hash >> 31;
}

/* Part of KS_NUMERICS: if this number changes, the results of old circuits change. */
#define GOLDEN UINT64_C(0x516b48a868833243)

static void test_golden_bits(void **state)
{
    uint64_t hash = 0;

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        const double unit = (double)(random_word() >> 11) * 0x1p-53;
        double sine = 0;
        double cosine = 0;
        ks_sincos(ldexp(unit - 0.5, (int)(i % 64) - 20), &sine, &cosine);
        add_bits(&hash, sine);
        add_bits(&hash, cosine);
        if (i % 8 == 0) {
            add_bits(&hash, ks_tan(unit * 1000));
            add_bits(&hash, ks_exp((unit - 0.5) * 1400));
            add_bits(&hash, ks_log(unit));
            add_bits(&hash, ks_pow(unit * 100, (unit - 0.3) * 90));
        }
    }
    if (hash != GOLDEN) {
        fail_msg("the golden number is 0x%016llx", (unsigned long long)hash);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_special),
        cmocka_unit_test(test_golden_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
