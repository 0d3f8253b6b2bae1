/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The isolation forest: every kernel and number of threads against each other bit for bit,
 * scores against the definition by the C library, reasons against their sum, the file against
 * its flips; and whether a forest finds what was planted. */
#include "unit/expect.h"

#include <math.h>

#include "base/philox.h"
#include "crypto/digest.h"
#include "detect/forest.h"

#define OK(call) assert_int_equal((call), KS_OK)
#define ROWS_MAX 4000

static double *values;
static uint32_t *paths[3];
static char names_text[KS_FOREST_FEATURES_MAX][8];
static struct ks_bytes names[KS_FOREST_FEATURES_MAX];

static int set_up(void **state)
{
    (void)state;
    values = ks_calloc((size_t)ROWS_MAX * KS_FOREST_FEATURES_MAX, sizeof *values);
    assert_non_null(values);
    for (size_t i = 0; i < 3; i++) {
        paths[i] = ks_calloc(ROWS_MAX, sizeof *paths[i]);
        assert_non_null(paths[i]);
    }
    for (size_t i = 0; i < KS_FOREST_FEATURES_MAX; i++) {
        (void)snprintf(names_text[i], sizeof names_text[i], "x%zu", i);
        names[i] = ks_bytes_text(names_text[i]);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ks_free(values);
    for (size_t i = 0; i < 3; i++) {
        ks_free(paths[i]);
    }
    return 0;
}

static double unit(uint64_t index)
{
    const uint32_t key[2] = {7, 0};
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), 0, 0};
    uint32_t words[4];

    ks_philox(key, counter, words);
    return (words[0] + 0.5) / 4294967296.0;
}

static double normal(uint64_t index)
{
    return sqrt(-2 * log(unit(2 * index))) * cos(6.283185307179586 * unit(2 * index + 1));
}

/* COUNT normal rows; every 97th value is missing, every third feature has few values, feature 4
 * but for one row none. */
static struct ks_rows make_rows(size_t count, size_t features)
{
    const struct ks_rows rows = {values, count, features, features};

    for (size_t i = 0; i < count * features; i++) {
        const size_t feature = i % features;

        values[i] = normal(i) * (double)(feature + 1);
        if (feature % 3 == 2) {
            values[i] = floor(values[i]);
        }
        if (feature == 4) {
            values[i] = i == 4 ? 1 : 0;
        }
        if (i % 97 == 13) {
            values[i] = (double)NAN;
        }
    }
    return rows;
}

static struct ks_forest *grow(const struct ks_rows *rows, unsigned trees, unsigned sample)
{
    const struct ks_forest_params params = {.seed = 5, .trees = trees, .sample = sample};
    struct ks_forest *forest = NULL;

    OK(ks_forest_fit(rows, names, &params, &forest));
    return forest;
}

static void test_kernels(void **state)
{
    static const size_t features[] = {1, 2, 7, 15, 16, 17, 31, 32, 33, 64, 128};
    static const size_t counts[] = {2, 3, 127, 128, 129, 255, 1001};

    (void)state;
    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
            const struct ks_rows rows = make_rows(counts[k], features[i]);
            struct ks_forest *forest =
                grow(&rows, (unsigned)(1 + (i * 13 + k * 7) % 40), (unsigned)(2 + 37 * k));
            const size_t len = counts[k] * sizeof *paths[0];
            struct ks_pool *pool = NULL;
            enum ks_err err = KS_OK;

            OK(ks_forest_paths_by(forest, "portable", &rows, paths[0]));
            err = ks_forest_paths_by(forest, "avx512", &rows, paths[1]);
            if (err == KS_OK) {
                assert_memory_equal(paths[0], paths[1], len);
            } else {
                assert_int_equal(err, KS_ERR_NOT_FOUND);
            }
            OK(ks_pool_new((unsigned)(1 + k), &pool));
            ks_forest_paths(forest, &rows, pool, paths[2]);
            assert_memory_equal(paths[0], paths[2], len);
            /* One row at a time, as they come in. */
            for (size_t row = 0; row < counts[k]; row++) {
                const struct ks_rows one = {&values[row * features[i]], 1, features[i],
                                            features[i]};

                ks_forest_paths(forest, &one, NULL, &paths[1][row]);
            }
            assert_memory_equal(paths[0], paths[1], len);
            ks_pool_free(pool);
            ks_forest_free(forest);
        }
    }
}

/* Harmonic numbers and exp2 of the C library: the score as Liu et al. define it. */
static double score_by_libm(const struct ks_forest *forest, uint32_t path)
{
    const struct ks_forest_params *params = ks_forest_params(forest);
    const double n = params->sample;
    double harmonic = 0;

    for (unsigned i = 1; i < params->sample; i++) {
        harmonic += 1.0 / i;
    }
    return exp2(-(double)path / (2048.0 * params->trees * (2 * harmonic - 2 * (n - 1) / n)));
}

static void test_score(void **state)
{
    const struct ks_rows rows = make_rows(1000, 3);
    struct ks_forest *forest = grow(&rows, 100, 256);

    (void)state;
    for (uint32_t path = 0; path < 100 * 19 * 2048; path += 997) {
        assert_true(fabs(ks_forest_score(forest, path) - score_by_libm(forest, path)) < 1e-15);
    }
    assert_true(ks_forest_score(forest, 0) == 1);
    ks_forest_free(forest);
}

/* With a sample of two rows and one feature a tree is one split: who is on which side is known,
 * and so is each path: 1 below a split, c(2) = 1 where none was possible. */
static void test_smallest(void **state)
{
    const struct ks_rows rows = {values, 2, 1, 1};
    struct ks_forest *forest = NULL;

    (void)state;
    values[0] = -1;
    values[1] = 1;
    forest = grow(&rows, 50, 256);
    assert_int_equal(ks_forest_params(forest)->sample, 2);
    ks_forest_paths(forest, &rows, NULL, paths[0]);
    assert_int_equal(paths[0][0], 50 * 2048);
    assert_int_equal(paths[0][1], 50 * 2048);
    assert_true(ks_forest_score(forest, paths[0][0]) == 0.5);
    ks_forest_free(forest);
}

/* Rows far away in one feature are the strangest ones, that feature is the first reason, and
 * values of infinity are as far as anything. */
static void test_planted(void **state)
{
    enum { FEATURES = 6, COUNT = 2000, PLANTED = 120 };
    const struct ks_rows rows = {values, COUNT, FEATURES, FEATURES};
    struct ks_forest *forest = NULL;
    size_t found = 0;
    size_t first_right = 0;

    (void)state;
    for (size_t i = 0; i < (size_t)COUNT * FEATURES; i++) {
        values[i] = 100 + normal(i);
    }
    for (size_t i = 0; i < PLANTED; i++) {
        values[i * FEATURES + i % FEATURES] += i % 2 == 0 ? 12 : -12;
    }
    forest = grow(&rows, 200, 256);
    ks_forest_paths(forest, &rows, NULL, paths[0]);
    ks_copy(paths[1], paths[0], COUNT * sizeof *paths[0]);
    OK(ks_forest_set_contamination(forest, paths[1], COUNT, (double)PLANTED / COUNT));
    for (size_t i = 0; i < PLANTED; i++) {
        struct ks_forest_reason reasons[FEATURES];
        double baseline = 0;
        double sum = 0;
        size_t first = 0;

        found += ks_forest_is_anomaly(forest, paths[0][i]);
        ks_forest_explain(forest, &values[i * FEATURES], reasons, &baseline);
        sum = baseline;
        for (size_t k = 0; k < FEATURES; k++) {
            sum += reasons[k].contribution;
            first = reasons[k].contribution > reasons[first].contribution ? k : first;
        }
        assert_true(fabs(sum - ks_forest_score(forest, paths[0][i])) < 1e-12);
        assert_true(fabs(fabs(reasons[i % FEATURES].robust_z) - 12) < 5);
        first_right += first == i % FEATURES;
    }
    assert_true(found >= PLANTED * 95 / 100);
    assert_true(first_right >= PLANTED * 95 / 100);
    values[3] = (double)INFINITY;
    ks_forest_paths(forest, &rows, NULL, paths[0]);
    assert_true(ks_forest_is_anomaly(forest, paths[0][0]));
    ks_forest_free(forest);
}

/* A missing value is the median: neither strange nor a reason. */
static void test_missing(void **state)
{
    const struct ks_rows rows = make_rows(999, 3);
    struct ks_forest *forest = grow(&rows, 100, 256);
    struct ks_forest_reason reasons[3];
    double row[3] = {(double)NAN, (double)NAN, (double)NAN};
    const struct ks_rows one = {row, 1, 3, 3};
    uint32_t path = 0;
    double baseline = 0;

    (void)state;
    ks_forest_paths(forest, &one, NULL, &path);
    ks_forest_explain(forest, row, reasons, &baseline);
    assert_true(ks_forest_score(forest, path) < baseline);
    for (size_t i = 0; i < 3; i++) {
        assert_true(reasons[i].robust_z == 0);
    }
    ks_forest_free(forest);
}

static void test_contamination(void **state)
{
    const struct ks_rows rows = make_rows(1000, 5);
    struct ks_forest *forest = grow(&rows, 100, 256);
    size_t called = 0;

    (void)state;
    ks_forest_paths(forest, &rows, NULL, paths[0]);
    assert_false(ks_forest_is_anomaly(forest, 0)); /* no threshold yet */
    ks_copy(paths[1], paths[0], 1000 * sizeof *paths[0]);
    OK(ks_forest_set_contamination(forest, paths[1], 1000, 0.05));
    for (size_t i = 0; i < 1000; i++) {
        called += ks_forest_is_anomaly(forest, paths[0][i]);
    }
    assert_true(called >= 50 && called <= 53);
    OK(ks_forest_set_contamination(forest, paths[1], 1000, 0.0009));
    assert_int_equal(ks_forest_threshold(forest), 0);
    expect_failure(ks_forest_set_contamination(forest, paths[1], 1000, 0.6), KS_ERR_USAGE,
                   "outside 0 to 0.5");
    expect_failure(ks_forest_set_contamination(forest, paths[1], 1000, (double)NAN),
                   KS_ERR_USAGE, "outside 0 to 0.5");
    ks_forest_free(forest);
}

static void test_refused(void **state)
{
    struct ks_rows rows = make_rows(100, 3);
    struct ks_forest_params params = {.seed = 1, .trees = 10, .sample = 64};
    struct ks_bytes twice[3] = {names[0], names[1], names[0]};
    char longest[KS_FOREST_NAME_MAX + 2];
    struct ks_forest *forest = NULL;

    (void)state;
    expect_failure(ks_forest_fit(&rows, twice, &params, &forest), KS_ERR_FORMAT,
                   "two features are called 'x0'");
    (void)memset(longest, 'x', sizeof longest);
    twice[2] = ks_bytes_of(longest, sizeof longest - 1);
    expect_failure(ks_forest_fit(&rows, twice, &params, &forest), KS_ERR_LIMIT, "feature 3");
    params.trees = 0;
    expect_failure(ks_forest_fit(&rows, names, &params, &forest), KS_ERR_USAGE, "0 trees");
    params.trees = KS_FOREST_TREES_MAX + 1;
    expect_failure(ks_forest_fit(&rows, names, &params, &forest), KS_ERR_USAGE, "4097 trees");
    params.trees = 10;
    params.sample = 257;
    expect_failure(ks_forest_fit(&rows, names, &params, &forest), KS_ERR_USAGE, "257 rows");
    params.sample = 64;
    rows.count = 1;
    expect_failure(ks_forest_fit(&rows, names, &params, &forest), KS_ERR_FORMAT, "1 rows");
    rows.count = 0;
    expect_failure(ks_forest_fit(&rows, names, &params, &forest), KS_ERR_FORMAT, "0 rows");
    rows.count = 100;
    rows.features = 0;
    expect_failure(ks_forest_fit(&rows, names, &params, &forest), KS_ERR_LIMIT, "0 features");
    rows.features = 3;
    for (size_t i = 0; i < 300; i++) {
        values[i] = i % 3 == 0 ? (double)NAN : 4;
    }
    expect_failure(ks_forest_fit(&rows, names, &params, &forest), KS_ERR_FORMAT,
                   "every feature is constant");
    assert_null(forest);
}

/* --- the file ----------------------------------------------------------------------------- */

static void test_file(void **state)
{
    const struct ks_rows rows = make_rows(500, 5);
    struct ks_forest *forest = grow(&rows, 100, 256);
    struct ks_forest *again = NULL;
    struct ks_buf bytes;
    struct ks_buf copy;

    (void)state;
    ks_buf_init(&bytes, KS_FOREST_BYTES_MAX);
    ks_buf_init(&copy, KS_FOREST_BYTES_MAX);
    ks_forest_paths(forest, &rows, NULL, paths[0]);
    ks_copy(paths[1], paths[0], 500 * sizeof *paths[0]);
    OK(ks_forest_set_contamination(forest, paths[1], 500, 0.02));
    ks_forest_write(forest, &bytes);
    OK(ks_buf_check(&bytes));
    assert_true(bytes.len <= 256 * 1024);
    OK(ks_forest_read(ks_buf_view(&bytes), &again));
    ks_forest_write(again, &copy);
    expect_bytes(ks_buf_view(&copy), ks_buf_view(&bytes));
    ks_forest_paths(again, &rows, NULL, paths[1]);
    assert_memory_equal(paths[0], paths[1], 500 * sizeof *paths[0]);
    assert_int_equal(ks_forest_threshold(again), ks_forest_threshold(forest));
    assert_string_equal(ks_forest_feature(again, 4), "x4");
    ks_forest_free(again);
    again = NULL;
    /* The same rows, seed and names: the same model, to the last bit. */
    ks_forest_free(forest);
    forest = grow(&rows, 100, 256);
    ks_buf_clear(&copy);
    ks_copy(paths[1], paths[0], 500 * sizeof *paths[0]);
    OK(ks_forest_set_contamination(forest, paths[1], 500, 0.02));
    ks_forest_write(forest, &copy);
    expect_bytes(ks_buf_view(&copy), ks_buf_view(&bytes));
    /* Each bit of the first bytes, then samples; each length. */
    for (size_t i = 0; i < bytes.len; i += i < 200 ? 1 : 1009) {
        bytes.data[i] ^= (uint8_t)(1u << (i % 8));
        assert_int_not_equal(ks_forest_read(ks_buf_view(&bytes), &again), KS_OK);
        assert_null(again);
        bytes.data[i] ^= (uint8_t)(1u << (i % 8));
    }
    for (size_t len = 0; len < bytes.len; len += len < 200 ? 1 : 2003) {
        assert_int_not_equal(ks_forest_read(ks_bytes_of(bytes.data, len), &again), KS_OK);
    }
    bytes.data[bytes.len - 1] ^= 1;
    expect_failure(ks_forest_read(ks_buf_view(&bytes), &again), KS_ERR_VERIFY, "hash");
    ks_forest_free(forest);
    ks_buf_done(&bytes);
    ks_buf_done(&copy);
}

/* A model whose hash is right but which no training gives. */
static void test_false_file(void **state)
{
    const struct ks_rows rows = make_rows(500, 2);
    struct ks_forest *forest = grow(&rows, 1, 256);
    struct ks_forest *again = NULL;
    struct ks_buf bytes;
    const size_t head = 17 + 8 + 4 + 2 + 8 + 4 + 2;
    const size_t splits = head + 2 * (2 + 2 + 8 + 8);
    const struct {
        size_t at;
        uint8_t byte;
        const char *reason;
    } changes[] = {
        {17 + 8, 0xff, "trees"},
        {17 + 8 + 4, 0xff, "sample"},
        {17 + 8 + 4 + 2, 0xff, NULL}, /* rows: any number may be true */
        {17 + 8 + 4 + 2 + 8 + 4, 0x7f, "features"},
        {head + 3, 0x00, "no text"},
        {head + 4, 0x7f, "not finite"},
        {head + 2 + 2 + 8, 0xbf, "negative scale"},
        {splits, 0x7f, "no training gives"},
        {splits + 3, 0x0f, "no training gives"},
    };

    (void)state;
    ks_buf_init(&bytes, KS_FOREST_BYTES_MAX);
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        ks_buf_clear(&bytes);
        ks_forest_write(forest, &bytes);
        OK(ks_buf_check(&bytes));
        bytes.data[changes[i].at] = changes[i].byte;
        if (changes[i].at == head + 4) { /* a centre: exponent of ones */
            bytes.data[changes[i].at + 1] = 0xff;
        }
        ks_sha256(ks_bytes_of(bytes.data, bytes.len - 32), bytes.data + bytes.len - 32);
        if (changes[i].reason == NULL) {
            OK(ks_forest_read(ks_buf_view(&bytes), &again));
            ks_forest_free(again);
            again = NULL;
        } else {
            const enum ks_err err = ks_forest_read(ks_buf_view(&bytes), &again);

            assert_true(err == KS_ERR_FORMAT || err == KS_ERR_LIMIT);
            assert_non_null(strstr(ks_err_detail(), changes[i].reason));
        }
    }
    ks_forest_free(forest);
    ks_buf_done(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kernels),    cmocka_unit_test(test_score),
        cmocka_unit_test(test_smallest),   cmocka_unit_test(test_planted),
        cmocka_unit_test(test_missing),    cmocka_unit_test(test_contamination),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_file),
        cmocka_unit_test(test_false_file),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
