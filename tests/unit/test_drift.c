/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A detector that follows its rows: each row judged once by the one model that an independent
 * reckoning names, whenever it was trained and wherever the state was put away in between; what
 * is found to drift, and what is not; states that no writer makes. */
#include "unit/expect.h"

#include <math.h>

#include "base/philox.h"
#include "crypto/digest.h"
#include "detect/drift.h"
#include "unit/same_detection.h"

#define OK(call) assert_int_equal((call), KS_OK)

enum { FEATURES = 5, ROWS = 3000 };

static double values[ROWS * FEATURES];
static const char *const names_text[FEATURES] = {"a", "b", "c", "d", "e"};

static double unit(uint64_t index)
{
    const uint32_t key[2] = {13, 0};
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), 0, 0};
    uint32_t words[4];

    ks_philox(key, counter, words);
    return (words[0] + 0.5) / 4294967296.0;
}

static double normal(uint64_t index)
{
    return sqrt(-2 * log(unit(2 * index))) * cos(6.283185307179586 * unit(2 * index + 1));
}

/* Normal rows from SEED on; some values are missing, one is infinite. */
static int set_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < (size_t)ROWS * FEATURES; i++) {
        values[i] = i % 89 == 7 ? (double)NAN : normal(i);
    }
    values[700 * FEATURES] = (double)INFINITY;
    return 0;
}

/* The model from rows FIRST to END, as the first or a later one is grown. */
static struct ks_forest *grow(const struct ks_drift_params *params, size_t first, size_t end,
                              uint64_t generation)
{
    static double rows_kept[ROWS * FEATURES];
    static uint32_t paths[ROWS];
    const struct ks_rows rows = {rows_kept, end - first, FEATURES, FEATURES};
    struct ks_forest_params forest_params = params->forest;
    struct ks_bytes names[FEATURES];
    struct ks_forest *forest = NULL;

    for (size_t i = 0; i < rows.count * FEATURES; i++) {
        rows_kept[i] = values[first * FEATURES + i];
        rows_kept[i] = isinf(rows_kept[i]) ? 1e300 : rows_kept[i];
    }
    for (size_t i = 0; i < FEATURES; i++) {
        names[i] = ks_bytes_text(names_text[i]);
    }
    forest_params.seed += generation * 65536;
    OK(ks_forest_fit(&rows, names, &forest_params, &forest));
    ks_forest_paths(forest, &rows, NULL, paths);
    OK(ks_forest_set_contamination(forest, paths, rows.count, params->contamination));
    return forest;
}

static const struct ks_drift_params usual = {
    .forest = {.seed = 3, .trees = 20, .sample = 64},
    .contamination = 0.02,
    .window = 500,
    .every = 300,
    .significance = 1e-6,
};

static struct ks_drift *start(const struct ks_drift_params *params)
{
    struct ks_drift *drift = NULL;

    OK(ks_drift_new(params, grow(params, 0, 500, 0), &drift));
    return drift;
}

static void judge(const struct ks_forest *forest, size_t row, struct ks_detection *detection)
{
    uint8_t hash[KS_FOREST_HASH_LEN];

    OK(ks_forest_hash(forest, hash));
    ks_detection_of(forest, hash, &values[row * FEATURES], detection);
}

/* Models are due behind rows 300, 600, …; each takes over DELAY rows later. */
static void test_hand_over(void **state)
{
    static const size_t delays[] = {0, 1, 17, 299, 300, 450};

    (void)state;
    for (size_t k = 0; k < sizeof delays / sizeof delays[0]; k++) {
        struct ks_drift_params params = usual;
        struct ks_drift *drift = NULL;
        struct ks_forest *model = grow(&params, 0, 500, 0);
        size_t due = 0; /* rows before the training that is awaited */
        size_t last = 0;
        uint64_t generation = 0;

        params.delay = delays[k];
        drift = start(&params);
        for (size_t row = 0; row < 2000; row++) {
            struct ks_drift_step step;
            struct ks_detection want;
            const bool takes_over = due > 0 && row == due + params.delay;

            OK(ks_drift_row(drift, &values[row * FEATURES], &step));
            assert_int_equal(step.handed_over, takes_over);
            if (takes_over) {
                ks_forest_free(model);
                model = grow(&params, due > 500 ? due - 500 : 0, due, ++generation);
                last = due;
                due = 0;
            }
            judge(model, row, &want);
            expect_same(&step.detection, &want);
            assert_int_equal(ks_drift_rows(drift), row + 1);
            assert_int_equal(step.due, due == 0 && row + 1 >= last + 300);
            due = step.due ? row + 1 : due;
        }
        assert_true(generation >= 2);
        ks_forest_free(model);
        ks_drift_free(drift);
    }
}

/* Whether it is trained at once, at some time or when it has to be: the same. */
static void test_training_at_any_time(void **state)
{
    struct ks_drift_params params = usual;
    struct ks_drift *one = NULL;
    struct ks_drift *other = NULL;

    (void)state;
    params.delay = 40;
    params.batch = 128;
    params.significance = 0.4; /* often */
    one = start(&params);
    other = start(&params);
    for (size_t row = 0; row < ROWS; row++) {
        struct ks_drift_step a;
        struct ks_drift_step b;

        OK(ks_drift_row(one, &values[row * FEATURES], &a));
        OK(ks_drift_row(other, &values[row * FEATURES], &b));
        expect_same(&a.detection, &b.detection);
        assert_int_equal(a.drifted, b.drifted);
        if (row % 7 == 3) {
            OK(ks_drift_train(other));
        }
    }
    ks_drift_free(one);
    ks_drift_free(other);
}

static void put_state(struct ks_drift *drift, struct ks_buf *out)
{
    ks_buf_clear(out);
    OK(ks_drift_write(drift, out));
}

/* Put away and taken up again behind every 23rd row, it goes on as if nothing had been. */
static void test_state(void **state)
{
    struct ks_drift_params params = usual;
    struct ks_drift *drift = NULL;
    struct ks_drift *straight = NULL;
    struct ks_buf bytes;
    struct ks_buf again;

    (void)state;
    ks_buf_init(&bytes, KS_DRIFT_BYTES_MAX);
    ks_buf_init(&again, KS_DRIFT_BYTES_MAX);
    params.delay = 31;
    params.batch = 100;
    params.significance = 0.3;
    drift = start(&params);
    straight = start(&params);
    for (size_t row = 0; row < 1500; row++) {
        struct ks_drift_step a;
        struct ks_drift_step b;

        OK(ks_drift_row(drift, &values[row * FEATURES], &a));
        OK(ks_drift_row(straight, &values[row * FEATURES], &b));
        expect_same(&a.detection, &b.detection);
        assert_true(a.drifted == b.drifted && a.handed_over == b.handed_over &&
                    a.due == b.due && a.tested == b.tested && a.distance == b.distance);
        if (row % 23 == 11) {
            put_state(drift, &bytes);
            ks_drift_free(drift);
            OK(ks_drift_read(ks_buf_view(&bytes), &drift));
            put_state(drift, &again);
            expect_bytes(ks_buf_view(&again), ks_buf_view(&bytes));
        }
    }
    ks_drift_free(drift);
    ks_drift_free(straight);
    ks_buf_done(&bytes);
    ks_buf_done(&again);
}

/* Sixty models, five tests each, at 5 %: about 15 at most are false, 30 are out of the question
 * (by the binomial distribution 2 in 10,000). */
static void test_no_drift(void **state)
{
    struct ks_drift_params params = usual;
    size_t found = 0;
    size_t tests = 0;

    (void)state;
    params.every = 0;
    params.batch = 64;
    params.significance = 0.05;
    for (size_t k = 0; k < 60; k++) {
        struct ks_drift *drift = start(&params);

        for (size_t i = 0; i < (size_t)6 * 64; i++) {
            const size_t row = 500 + (k * 40 + i) % 2400;
            struct ks_drift_step step;

            OK(ks_drift_row(drift, &values[row * FEATURES], &step));
            tests += step.tested;
            found += step.drifted;
            if (step.due) { /* another model: the rest would be too few */
                break;
            }
        }
        ks_drift_free(drift);
    }
    assert_true(tests >= 200);
    assert_true(found < 30);
}

/* Rows that move by four spreads: found at the end of the first batch of them,
 * and normal for the model that follows. */
static void test_drift_found(void **state)
{
    struct ks_drift_params params = usual;
    struct ks_drift *drift = NULL;
    struct ks_drift_step step;
    size_t found_at = 0;
    size_t before = 0;
    size_t behind = 0;

    (void)state;
    params.every = 0;
    params.batch = 128;
    drift = start(&params);
    for (size_t row = 0; row < 1280; row++) {
        double moved[FEATURES];

        ks_copy(moved, &values[row * FEATURES], sizeof moved);
        if (row >= 640) {
            for (size_t i = 0; i < FEATURES; i++) {
                moved[i] += 4;
            }
        }
        OK(ks_drift_row(drift, moved, &step));
        if (step.drifted) {
            assert_int_equal(found_at, 0);
            assert_true(step.due && step.distance > 0.2);
            found_at = row + 1;
        }
        before += row >= 640 && found_at == 0 && step.detection.is_anomaly;
        behind += found_at > 0 && step.detection.is_anomaly;
    }
    assert_int_equal(found_at, 768);
    assert_true(before > 64);
    assert_true(behind < 32);
    ks_drift_free(drift);
}

static void test_untrainable(void **state)
{
    struct ks_drift_params params = usual;
    struct ks_drift *drift = NULL;
    const double row[FEATURES] = {1, 2, 3, 4, 5};
    struct ks_drift_step step;
    uint8_t first[KS_FOREST_HASH_LEN];

    (void)state;
    params.window = 64;
    params.every = 64;
    drift = start(&params);
    OK(ks_forest_hash(ks_drift_model(drift), first));
    for (size_t i = 1; i <= 200; i++) {
        OK(ks_drift_row(drift, row, &step));
        assert_int_equal(step.untrainable, i == 65 || i == 129 || i == 193);
        assert_false(step.handed_over);
        assert_memory_equal(step.detection.model, first, sizeof first);
    }
    ks_drift_free(drift);
}

static void test_refused(void **state)
{
    struct ks_drift *drift = NULL;
    const struct {
        struct ks_drift_params params;
        const char *detail;
    } cases[] = {
        {{.window = 63, .significance = 0.1}, "a window of 63"},
        {{.window = 16385, .significance = 0.1}, "a window of 16385"},
        {{.window = 100, .batch = 101, .significance = 0.1}, "a batch of 101"},
        {{.window = 100, .batch = 63, .significance = 0.1}, "a batch of 63"},
        {{.window = 100, .significance = 0}, "significance"},
        {{.window = 100, .significance = 1}, "significance"},
        {{.window = 100, .significance = (double)NAN}, "significance"},
        {{.window = 100, .significance = 0.1, .contamination = 0.6}, "contamination"},
        {{.window = 100, .significance = 0.1, .delay = 16385}, "a delay of 16385"},
        {{.window = 100, .significance = 0.1, .every = (size_t)1 << 32}, "a training every"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ks_drift_params params = cases[i].params;

        params.forest = usual.forest;
        expect_failure(ks_drift_new(&params, grow(&usual, 0, 500, 0), &drift), KS_ERR_USAGE,
                       cases[i].detail);
    }
    assert_null(drift);
}

/* Cut anywhere and flipped anywhere it is refused; with the hash made right again it is refused
 * or it is a state, which writes itself as it is. */
static void test_changed(void **state)
{
    struct ks_drift_params params = usual;
    struct ks_drift *drift = NULL;
    struct ks_drift *changed = NULL;
    struct ks_drift_step step;
    struct ks_buf bytes;
    struct ks_buf again;
    size_t step_len = 0;

    (void)state;
    ks_buf_init(&bytes, KS_DRIFT_BYTES_MAX);
    ks_buf_init(&again, KS_DRIFT_BYTES_MAX);
    params.forest.trees = 1;
    params.window = 64;
    params.batch = 64;
    params.delay = 500;
    drift = start(&params);
    for (size_t row = 0; row < 310; row++) {
        OK(ks_drift_row(drift, &values[row * FEATURES], &step));
    }
    put_state(drift, &bytes);
    step_len = bytes.len / 199;
    for (size_t at = 0; at < bytes.len; at += at < 200 ? 1 : step_len) {
        enum ks_err err = ks_drift_read(ks_bytes_of(bytes.data, at), &changed);

        assert_true(err == KS_ERR_FORMAT || err == KS_ERR_VERIFY);
        bytes.data[at] ^= 0x20;
        expect_failure(ks_drift_read(ks_buf_view(&bytes), &changed), KS_ERR_VERIFY, "the hash");
        ks_sha256(ks_bytes_of(bytes.data, bytes.len - 32), bytes.data + bytes.len - 32);
        if (ks_drift_read(ks_buf_view(&bytes), &changed) == KS_OK) {
            put_state(changed, &again);
            expect_bytes(ks_buf_view(&again), ks_buf_view(&bytes));
            ks_drift_free(changed);
        }
        bytes.data[at] ^= at < bytes.len - 32 ? 0x20 : 0;
        ks_sha256(ks_bytes_of(bytes.data, bytes.len - 32), bytes.data + bytes.len - 32);
    }
    OK(ks_drift_read(ks_buf_view(&bytes), &changed));
    ks_drift_free(changed);
    ks_drift_free(drift);
    ks_buf_done(&bytes);
    ks_buf_done(&again);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hand_over),   cmocka_unit_test(test_training_at_any_time),
        cmocka_unit_test(test_state),       cmocka_unit_test(test_no_drift),
        cmocka_unit_test(test_drift_found), cmocka_unit_test(test_untrainable),
        cmocka_unit_test(test_refused),     cmocka_unit_test(test_changed),
    };

    return cmocka_run_group_tests(tests, set_up, NULL);
}
