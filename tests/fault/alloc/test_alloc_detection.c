/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Detections, pages of them and a detector that follows its rows run out of memory at any
 * allocation: they say so, write no result, leak nothing (the sanitizer build looks), and a row
 * that could not be judged is judged when it is given again, as if nothing had been. */
#include "fault/alloc/fail_each.h"

#include "detect/drift.h"
#include "unit/same_detection.h"

#define ROWS     200
#define FEATURES 3

static double values[ROWS * FEATURES];
static struct ks_bytes names[FEATURES];
static const struct ks_drift_params params = {
    .forest = {.seed = 1, .trees = 3, .sample = 64},
    .contamination = 0.1,
    .window = 64,
    .every = 64,
    .batch = 64,
    .significance = 0.01,
};
static struct ks_detection detection;
static struct ks_buf document;
static struct ks_buf page;
static struct ks_buf state_bytes;

static struct ks_forest *grow(void)
{
    const struct ks_rows rows = {values, ROWS, FEATURES, FEATURES};
    struct ks_forest *forest = NULL;

    assert_int_equal(ks_forest_fit(&rows, names, &params.forest, &forest), KS_OK);
    return forest;
}

/* A detector whose next row is the first one of a model that is yet to be grown. */
static struct ks_drift *before_hand_over(void)
{
    struct ks_drift *drift = NULL;
    struct ks_drift_step step;

    assert_int_equal(ks_drift_new(&params, grow(), &drift), KS_OK);
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(ks_drift_row(drift, &values[i * FEATURES], &step), KS_OK);
    }
    assert_true(step.due);
    return drift;
}

static int set_up(void **state)
{
    static uint32_t paths[ROWS];
    const struct ks_rows rows = {values, ROWS, FEATURES, FEATURES};
    struct ks_json_writer writer = ks_json_writer_of(&page);
    struct ks_forest *forest = NULL;
    struct ks_drift *drift = NULL;
    uint8_t hash[KS_FOREST_HASH_LEN];

    (void)state;
    names[0] = KS_LITERAL("shots");
    names[1] = KS_LITERAL("qubits");
    names[2] = KS_LITERAL("depth");
    for (size_t i = 0; i < (size_t)ROWS * FEATURES; i++) {
        values[i] = (double)(i * 7919 % 1009) + (i < FEATURES ? 90000 : 0);
    }
    forest = grow();
    ks_forest_paths(forest, &rows, NULL, paths);
    assert_int_equal(ks_forest_set_contamination(forest, paths, ROWS, 0.05), KS_OK);
    assert_int_equal(ks_forest_hash(forest, hash), KS_OK);
    ks_detection_of(forest, hash, values, &detection);
    assert_true(detection.is_anomaly);
    detection.has_subject = true;
    ks_copy(detection.subject.device, "edge-1", 7);
    ks_buf_init(&document, KS_DETECTION_BYTES_MAX);
    ks_detection_write(&detection, &document);
    ks_buf_init(&page, KS_ALERT_PAGE_BYTES_MAX);
    ks_alert_page_begin(&writer);
    ks_alert_page_put(9, ks_buf_view(&document), &writer);
    ks_alert_page_end(0, &writer);
    ks_buf_init(&state_bytes, KS_DRIFT_BYTES_MAX);
    drift = before_hand_over();
    assert_int_equal(ks_drift_write(drift, &state_bytes), KS_OK);
    ks_drift_free(drift);
    ks_forest_free(forest);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ks_buf_done(&document);
    ks_buf_done(&page);
    ks_buf_done(&state_bytes);
    return 0;
}

static enum ks_err read_detection(void)
{
    struct ks_detection got = {.path = 7};
    const enum ks_err err = ks_detection_read(ks_buf_view(&document), &got);

    assert_int_equal(got.path, err == KS_OK ? detection.path : 7);
    return err;
}

static enum ks_err visit(void *context, uint64_t number, const struct ks_detection *got)
{
    (void)context;
    assert_int_equal(number, 9);
    assert_int_equal(got->path, detection.path);
    return KS_OK;
}

static enum ks_err read_page(void)
{
    uint64_t next = 5;
    const enum ks_err err = ks_alert_page_read(ks_buf_view(&page), visit, NULL, &next);

    assert_int_equal(next, err == KS_OK ? 0 : 5);
    return err;
}

static enum ks_err read_state(void)
{
    struct ks_drift *drift = NULL;
    const enum ks_err err = ks_drift_read(ks_buf_view(&state_bytes), &drift);

    assert_true((err == KS_OK) == (drift != NULL));
    ks_drift_free(drift);
    return err;
}

static void test_each(void **state)
{
    (void)state;
    fail_each(read_detection, 3, "");
    fail_each(read_page, 4, "");
    fail_each(read_state, 8, "");
}

/* The row behind which a model takes over: it fails at each allocation, and comes again. */
static void test_hand_over(void **state)
{
    struct ks_drift *straight = before_hand_over();
    struct ks_drift_step want;
    uint64_t n = 1;

    (void)state;
    assert_int_equal(ks_drift_row(straight, &values[64 * FEATURES], &want), KS_OK);
    assert_true(want.handed_over);
    for (bool fired = true; fired; n++) {
        struct ks_drift *drift = before_hand_over();
        struct ks_drift_step step;
        enum ks_err err = KS_OK;

        ks_fault_fail_alloc_at(n);
        err = ks_drift_row(drift, &values[64 * FEATURES], &step);
        fired = ks_fault_fired();
        ks_fault_fail_alloc_at(0);
        assert_int_equal(err, fired ? KS_ERR_NOMEM : KS_OK);
        if (fired) {
            assert_int_equal(ks_drift_rows(drift), 64);
            assert_int_equal(ks_drift_row(drift, &values[64 * FEATURES], &step), KS_OK);
        }
        assert_true(step.handed_over);
        assert_int_equal(ks_drift_rows(drift), 65);
        expect_same(&step.detection, &want.detection);
        ks_drift_free(drift);
    }
    assert_true(n > 5);
    ks_drift_free(straight);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each),
        cmocka_unit_test(test_hand_over),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
