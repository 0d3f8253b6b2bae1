/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* golden_forest: forests over rows of all widths, and the digests of their paths and scores: by
 * each kernel that this machine has, on 1 to 8 threads, and row by row, which have to be the
 * same. Prints a line for each forest; on standard error, which kernels there were. */

#include <stdio.h>
#include <stdlib.h>

#include "base/philox.h"
#include "detect/forest.h"

#define ROWS_MAX    1001
#define THREADS_MAX 8
#define KERNELS     3

static const char *const kernels[KERNELS] = {"avx512", "neon", "portable"};

static double values[ROWS_MAX * KS_FOREST_FEATURES_MAX];
static uint32_t paths[ROWS_MAX];
static uint32_t others[ROWS_MAX];

static void fail(const char *what, const char *who)
{
    (void)fprintf(stderr, "golden_forest: %s: %s\n", who, what);
    exit(1);
}

/* Sums of four uniform numbers, exact in binary; every 97th value is missing, every third
 * feature has few values, every 50th row is far away in one. */
static void fill(size_t count, size_t features)
{
    for (size_t i = 0; i < count * features; i++) {
        const uint32_t key[2] = {11, (uint32_t)features};
        const uint32_t counter[4] = {(uint32_t)i, 0, 0, 0};
        const size_t row = i / features;
        uint32_t words[4];
        double sum = 0;

        ks_philox(key, counter, words);
        for (size_t k = 0; k < 4; k++) {
            sum += (double)(words[k] >> 12) / 1048576;
        }
        values[i] = i % features % 3 == 2 ? (double)(int)(4 * sum) : sum;
        values[i] += row % 50 == 7 && i % features == row % features ? 5 : 0;
        values[i] = i % 97 == 13 ? (double)__builtin_nanf("") : values[i];
    }
}

static uint64_t digest(uint64_t state, uint64_t value)
{
    for (unsigned i = 0; i < 8; i++) { /* FNV-1a */
        state = (state ^ (value >> 8 * i & 0xff)) * 0x100000001b3u;
    }
    return state;
}

static void compare(size_t count, const char *who)
{
    for (size_t i = 0; i < count; i++) {
        if (others[i] != paths[i]) {
            fail("other paths than by the portable kernel", who);
        }
    }
}

static void compare_kernels(const struct ks_forest *forest, const struct ks_rows *rows,
                            bool ran[KERNELS])
{
    for (size_t k = 0; k < KERNELS; k++) {
        if (ks_forest_paths_by(forest, kernels[k], rows, others) == KS_OK) {
            ran[k] = true;
            compare(rows->count, kernels[k]);
        }
    }
}

static void compare_threads(const struct ks_forest *forest, const struct ks_rows *rows)
{
    for (unsigned threads = 1; threads <= THREADS_MAX; threads++) {
        struct ks_pool *pool = NULL;
        char who[32];

        if (ks_pool_new(threads, &pool) != KS_OK) {
            fail(ks_err_detail(), "threads");
        }
        ks_forest_paths(forest, rows, pool, others);
        ks_pool_free(pool);
        (void)snprintf(who, sizeof who, "%u threads", threads);
        compare(rows->count, who);
    }
    for (size_t row = 0; row < rows->count; row++) {
        const struct ks_rows one = {&values[row * rows->features], 1, rows->features,
                                    rows->stride};

        ks_forest_paths(forest, &one, NULL, &others[row]);
    }
    compare(rows->count, "one row at a time");
}

static void run(size_t features, size_t count, unsigned trees, bool ran[KERNELS])
{
    static char texts[KS_FOREST_FEATURES_MAX][8];
    struct ks_bytes names[KS_FOREST_FEATURES_MAX];
    const struct ks_rows rows = {values, count, features, features};
    const struct ks_forest_params params = {.seed = 9, .trees = trees, .sample = 256};
    struct ks_forest *forest = NULL;
    uint64_t state = 0xcbf29ce484222325u;

    for (size_t i = 0; i < features; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "x%u", (unsigned)(i & 0xff));
        names[i] = ks_bytes_text(texts[i]);
    }
    fill(count, features);
    if (ks_forest_fit(&rows, names, &params, &forest) != KS_OK ||
        ks_forest_paths_by(forest, "portable", &rows, paths) != KS_OK) {
        fail(ks_err_detail(), "portable");
    }
    compare_kernels(forest, &rows, ran);
    compare_threads(forest, &rows);
    for (size_t i = 0; i < count; i++) {
        const double score = ks_forest_score(forest, paths[i]);
        uint64_t bits = 0;

        ks_copy(&bits, &score, sizeof bits);
        state = digest(digest(state, paths[i]), bits);
    }
    (void)printf("%zu features %zu rows %u trees %016llx\n", features, count, trees,
                 (unsigned long long)state);
    ks_forest_free(forest);
}

int main(void)
{
    static const size_t features[] = {1, 2, 3, 7, 10, 15, 16, 17, 21, 31, 32, 33, 64, 128};
    static const size_t counts[] = {2, 5, 127, 128, 129, 1001};
    bool ran[KERNELS] = {false};

    for (size_t i = 0; i < sizeof features / sizeof features[0]; i++) {
        for (size_t k = 0; k < sizeof counts / sizeof counts[0]; k++) {
            run(features[i], counts[k], (unsigned)(1 + (i * 13 + k * 17) % 50), ran);
        }
    }
    (void)fprintf(stderr, "kernels:");
    for (size_t k = 0; k < KERNELS; k++) {
        (void)fprintf(stderr, "%s%s", ran[k] ? " " : "", ran[k] ? kernels[k] : "");
    }
    (void)fprintf(stderr, "\n");
    return 0;
}
