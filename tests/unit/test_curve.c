/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Curves as text, drawn by hand here. */
#include "expect.h"

#include "cli/curve.h"

static void expect_curve(const double *values, size_t count, uint64_t first, uint64_t last,
                         const char *want)
{
    const struct ks_curve curve = {
        .label = "loss", .values = values, .count = count, .first = first, .last = last};
    struct ks_buf out;

    ks_buf_init(&out, 65536);
    ks_curve_put(&curve, &out);
    expect_text(ks_buf_view(&out), want);
    ks_buf_done(&out);
}

static void test_few(void **state)
{
    const double falling[] = {9, 3, 0};
    const double flat[] = {0.5, 0.5};

    (void)state;
    expect_curve(falling, 3, 1, 12,
                 "loss\n"
                 "         9 |*\n"
                 "           |\n"
                 "           |\n"
                 "           |\n"
                 "           |\n"
                 "           |\n"
                 "           |      *\n"
                 "           |\n"
                 "           |\n"
                 "         0 |            *\n"
                 "           +-------------\n"
                 "            1          12\n");
    expect_curve(flat, 2, 1, 2,
                 "loss\n"
                 "           |\n           |\n           |\n           |\n           |\n"
                 "           |\n           |\n           |\n           |\n"
                 "       0.5 |*     *\n"
                 "           +-------\n"
                 "            1     2\n");
    expect_curve(flat, 1, 7, 7,
                 "loss\n"
                 "           |\n           |\n           |\n           |\n           |\n"
                 "           |\n           |\n           |\n           |\n"
                 "       0.5 |*\n"
                 "           +-\n"
                 "            7\n");
    expect_curve(NULL, 0, 0, 0, "");
}

/* Of 6,000 values, each of the 60 columns has the mean of its hundred. */
static void test_many(void **state)
{
    double values[6000];
    struct ks_buf out;
    struct ks_buf means;
    double sums[60] = {0};
    const struct ks_curve curve = {
        .label = "loss", .values = values, .count = 6000, .first = 1, .last = 6000};
    struct ks_curve mean = {.label = "loss", .count = 60, .first = 1, .last = 6000};

    (void)state;
    for (size_t i = 0; i < 6000; i++) {
        values[i] = (double)(i * 7919 % 6007) - (double)i; /* whole: sums are exact */
        sums[i / 100] += values[i];
    }
    for (size_t i = 0; i < 60; i++) {
        sums[i] /= 100;
    }
    mean.values = sums;
    ks_buf_init(&out, 65536);
    ks_buf_init(&means, 65536);
    ks_curve_put(&curve, &out);
    ks_curve_put(&mean, &means);
    expect_bytes(ks_buf_view(&out), ks_buf_view(&means));
    ks_buf_done(&out);
    ks_buf_done(&means);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few),
        cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
