/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Tables, forests, model files and evaluations that run out of memory at any allocation say so,
 * write no result, and leak nothing (the sanitizer build looks). */
#include "base/table.h"
#include "fault/alloc/fail_each.h"

#include "detect/evaluate.h"
#include "detect/forest.h"

#define ROWS     300
#define FEATURES 3

static double values[ROWS * FEATURES];
static const struct ks_rows rows = {values, ROWS, FEATURES, FEATURES};
static struct ks_bytes names[FEATURES];
static const struct ks_forest_params params = {.seed = 1, .trees = 20, .sample = 64};
static uint32_t paths[ROWS];
static bool labels[ROWS];
static const struct ks_labelled labelled = {paths, labels, ROWS};
static struct ks_forest *model;
static struct ks_buf file;

static int set_up(void **state)
{
    (void)state;
    names[0] = KS_LITERAL("a");
    names[1] = KS_LITERAL("b");
    names[2] = KS_LITERAL("c");
    for (size_t i = 0; i < (size_t)ROWS * FEATURES; i++) {
        values[i] = (double)(i * 7919 % 1009) + (i % 60 == 1 ? 5000 : 0);
    }
    for (size_t i = 0; i < ROWS; i++) {
        labels[i] = i % 20 == 0;
    }
    assert_int_equal(ks_forest_fit(&rows, names, &params, &model), KS_OK);
    ks_forest_paths(model, &rows, NULL, paths);
    ks_buf_init(&file, KS_FOREST_BYTES_MAX);
    ks_forest_write(model, &file);
    return ks_buf_check(&file) != KS_OK;
}

static int tear_down(void **state)
{
    (void)state;
    ks_forest_free(model);
    ks_buf_done(&file);
    return 0;
}

/* Names and cells beyond the first size of every array, quoted ones among them. */
static size_t put_text(char *text, size_t size)
{
    size_t len = 0;

    for (size_t i = 0; i < 1500; i++) {
        len +=
            (size_t)snprintf(text + len, size - len, i % 3 == 1 ? "\"a,\"\"%zu\"" : "n%zu", i);
        text[len++] = i % 30 == 29 ? '\n' : ',';
    }
    return len;
}

static enum ks_err read_table(void)
{
    static char text[20000];
    const size_t len = put_text(text, sizeof text);
    struct ks_table *table = NULL;
    enum ks_err err = KS_OK;

    err = ks_table_read(ks_bytes_of(text, len), "file", &table);
    assert_true((err == KS_OK) == (table != NULL));
    ks_table_free(table);
    return err;
}

static enum ks_err fit(void)
{
    struct ks_forest *forest = NULL;
    const enum ks_err err = ks_forest_fit(&rows, names, &params, &forest);

    assert_true((err == KS_OK) == (forest != NULL));
    ks_forest_free(forest);
    return err;
}

static enum ks_err read_model(void)
{
    struct ks_forest *forest = NULL;
    const enum ks_err err = ks_forest_read(ks_buf_view(&file), &forest);

    assert_true((err == KS_OK) == (forest != NULL));
    ks_forest_free(forest);
    return err;
}

static enum ks_err write_model(void)
{
    struct ks_buf out;
    enum ks_err err = KS_OK;

    ks_buf_init(&out, KS_FOREST_BYTES_MAX);
    ks_forest_write(model, &out);
    err = ks_buf_check(&out);
    ks_buf_done(&out);
    return err;
}

static enum ks_err hash_model(void)
{
    uint8_t hash[KS_FOREST_HASH_LEN];

    return ks_forest_hash(model, hash);
}

static enum ks_err evaluate(void)
{
    struct ks_evaluation evaluation;

    return ks_evaluate(&labelled, paths[0], &evaluation);
}

static enum ks_err evaluate_bounds(void)
{
    struct ks_evaluation_bounds bounds;

    return ks_evaluate_bounds(&labelled, paths[0], 1, 40, &bounds);
}

static enum ks_err evaluate_curve(void)
{
    struct ks_curve_point *points = NULL;
    size_t count = 0;
    const enum ks_err err = ks_evaluate_curve(&labelled, &points, &count);

    assert_true((err == KS_OK) == (points != NULL));
    ks_free(points);
    return err;
}

/* For each: the allocations that it makes at the least, and what it says. */
static void test_each(void **state)
{
    static const struct {
        enum ks_err (*task)(void);
        uint64_t allocations_min;
        const char *says;
    } tasks[] = {
        {read_table, 4, ""},
        {fit, 3, "forest"},
        {read_model, 2, "forest of 20 trees"},
        {write_model, 1, ""},
        {hash_model, 1, ""},
        {evaluate, 1, "300 rows"},
        {evaluate_bounds, 8, ""},
        {evaluate_curve, 2, ""},
    };

    (void)state;
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
        fail_each(tasks[i].task, tasks[i].allocations_min, tasks[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest all[] = {
        cmocka_unit_test_setup_teardown(test_each, set_up, tear_down),
    };

    return cmocka_run_group_tests(all, NULL, NULL);
}
