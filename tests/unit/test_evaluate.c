/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Areas and counts against their definitions, pair by pair and threshold by threshold. */
#include "unit/expect.h"

#include <math.h>

#include "base/philox.h"
#include "detect/evaluate.h"

#define OK(call)  assert_int_equal((call), KS_OK)
#define COUNT_MAX 300

static uint32_t paths[COUNT_MAX];
static bool labels[COUNT_MAX];

static void make(uint32_t number, size_t count, uint32_t distinct)
{
    for (size_t i = 0; i < count; i++) {
        const uint32_t key[2] = {number, 0};
        const uint32_t counter[4] = {(uint32_t)i, 0, 0, 0};
        uint32_t words[4];

        ks_philox(key, counter, words);
        labels[i] = words[0] % 5 == 0;
        paths[i] = 1 + words[1] % distinct + (labels[i] ? 0 : words[2] % distinct);
    }
    labels[0] = true;
    labels[1] = false;
}

static double naive_roc(size_t count)
{
    double right = 0;
    double pairs = 0;

    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < count; k++) {
            if (labels[i] && !labels[k]) {
                pairs++;
                right += paths[i] < paths[k] ? 1 : paths[i] == paths[k] ? 0.5 : 0;
            }
        }
    }
    return right / pairs;
}

/* The sum over thresholds of precision times the step in recall. */
static double naive_average_precision(size_t count)
{
    double area = 0;
    double recall = 0;

    for (uint32_t at = 0; at < 1000; at++) {
        double called = 0;
        double right = 0;
        double anomalies = 0;

        for (size_t i = 0; i < count; i++) {
            anomalies += labels[i];
            called += paths[i] <= at;
            right += paths[i] <= at && labels[i];
        }
        if (called > 0) {
            area += (right / anomalies - recall) * (right / called);
            recall = right / anomalies;
        }
    }
    return area;
}

static void test_areas(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 60; i++) {
        const size_t count = 2 + i * 5 % (COUNT_MAX - 2);
        const struct ks_labelled rows = {paths, labels, count};
        struct ks_evaluation got;

        make(i, count, i % 3 == 0 ? 3 : 200);
        OK(ks_evaluate(&rows, 50, &got));
        assert_int_equal(got.anomalies + got.normals, count);
        assert_true(fabs(got.roc_auc - naive_roc(count)) < 1e-12);
        assert_true(fabs(got.pr_auc - naive_average_precision(count)) < 1e-12);
    }
}

static void test_counts(void **state)
{
    static const uint32_t by_hand[] = {1, 2, 3, 4, 5, 6};
    static const bool strange[] = {true, false, true, false, false, true};
    const struct ks_labelled rows = {by_hand, strange, 6};
    struct ks_evaluation got;

    (void)state;
    OK(ks_evaluate(&rows, 3, &got));
    assert_int_equal(got.true_positives, 2);
    assert_int_equal(got.false_positives, 1);
    assert_int_equal(got.false_negatives, 1);
    assert_int_equal(got.true_negatives, 2);
    assert_true(fabs(got.f1 - 2.0 / 3) < 1e-15);
    assert_true(fabs(got.precision - 2.0 / 3) < 1e-15);
    OK(ks_evaluate(&rows, 0, &got));
    assert_true(isnan(got.precision) && got.f1 == 0 && got.recall == 0);
}

/* Each point by counting, and the area beneath them by trapezoids: that of the evaluation. */
static void test_curve(void **state)
{
    (void)state;
    for (uint32_t number = 0; number < 20; number++) {
        const size_t count = 5 + number * 14;
        const struct ks_labelled rows = {paths, labels, count};
        struct ks_curve_point *points = NULL;
        struct ks_curve_point before = {0};
        struct ks_evaluation got;
        size_t points_count = 0;
        double area = 0;

        make(number, count, 1 + number * 3);
        OK(ks_evaluate(&rows, 0, &got));
        OK(ks_evaluate_curve(&rows, &points, &points_count));
        assert_true(points_count >= 1 && points_count <= count);
        for (size_t i = 0; i < points_count; i++) {
            size_t anomalies = 0;
            size_t normals = 0;

            assert_true(points[i].path > before.path);
            for (size_t row = 0; row < count; row++) {
                anomalies += labels[row] && paths[row] <= points[i].path;
                normals += !labels[row] && paths[row] <= points[i].path;
            }
            assert_int_equal(points[i].true_positives, anomalies);
            assert_int_equal(points[i].false_positives, normals);
            area += (double)(points[i].false_positives - before.false_positives) *
                    (double)(points[i].true_positives + before.true_positives) / 2;
            before = points[i];
        }
        assert_int_equal(before.true_positives, got.anomalies);
        assert_int_equal(before.false_positives, got.normals);
        area /= (double)got.anomalies * (double)got.normals;
        assert_true(fabs(area - got.roc_auc) < 1e-12);
        ks_free(points);
    }
}

static void test_one_kind(void **state)
{
    const struct ks_labelled rows = {paths, labels, 10};
    struct ks_evaluation got;
    struct ks_evaluation_bounds bounds;
    struct ks_curve_point *points = NULL;
    size_t count = 0;

    (void)state;
    ks_zero(labels, sizeof labels);
    expect_failure(ks_evaluate(&rows, 1, &got), KS_ERR_FORMAT, "0 of them labelled");
    (void)memset(labels, 1, sizeof labels);
    expect_failure(ks_evaluate(&rows, 1, &got), KS_ERR_FORMAT, "10 of them labelled");
    expect_failure(ks_evaluate_curve(&rows, &points, &count), KS_ERR_FORMAT,
                   "expected both kinds");
    assert_null(points);
    expect_failure(ks_evaluate_bounds(&rows, 1, 1, 100, &bounds), KS_ERR_FORMAT,
                   "expected both kinds");
}

/* The interval holds the value, narrows with the rows, and is the same each time. */
static void test_bootstrap(void **state)
{
    double width = 1;

    (void)state;
    for (size_t count = 75; count <= 300; count *= 2) {
        const struct ks_labelled rows = {paths, labels, count};
        struct ks_evaluation got;
        struct ks_evaluation_bounds bounds;
        struct ks_evaluation_bounds again;

        make(3, count, 200);
        OK(ks_evaluate(&rows, 50, &got));
        OK(ks_evaluate_bounds(&rows, 50, 9, 400, &bounds));
        OK(ks_evaluate_bounds(&rows, 50, 9, 400, &again));
        assert_memory_equal(&bounds, &again, sizeof bounds);
        assert_true(bounds.roc_auc.low < got.roc_auc && got.roc_auc < bounds.roc_auc.high);
        assert_true(bounds.f1.low <= got.f1 && got.f1 <= bounds.f1.high);
        assert_true(bounds.recall.low <= got.recall && got.recall <= bounds.recall.high);
        assert_true(bounds.recall.low < bounds.recall.high && bounds.recall.high <= 1);
        assert_true(bounds.roc_auc.high - bounds.roc_auc.low < width);
        width = bounds.roc_auc.high - bounds.roc_auc.low;
    }
    /* Hanley and McNeil's standard error for these areas is about .03 at 300 rows. */
    assert_true(width > 0.06 && width < 0.2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_areas),     cmocka_unit_test(test_counts),
        cmocka_unit_test(test_curve),     cmocka_unit_test(test_one_kind),
        cmocka_unit_test(test_bootstrap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
