/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_forest: the isolation forest on normal rows, one in a hundred of them moved by three
 * standard deviations. Lines of JSON: fit, and for each kernel a row's time in a batch and
 * alone; nanoseconds of one thread's CPU.
 *
 *   bench_forest [--rows=1000000] [--features=10] [--runs=5]
 *
 * KETSEAL_PEER_FOREST names a command that is given "FEATURES ROWS" and writes, for each line
 * of its standard input, "FIT SCORE" in seconds of CPU over the same kind of rows:
 * bench/peers/forest.py. Runs alternate with ours. */

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/philox.h"
#include "base/text.h"
#include "detect/forest.h"
#include "peer.h"

#define RUNS_MAX   100
#define KERNELS    3
#define SINGLE_MAX 100000

struct bench {
    struct ks_rows rows;
    double *values;
    struct ks_bytes names[KS_FOREST_FEATURES_MAX];
    char texts[KS_FOREST_FEATURES_MAX][24];
    uint32_t *paths;
    struct ks_forest *forest;
    unsigned runs;
};

static double used_s(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double wall_s(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

static double quantile(double *values, size_t count, double share)
{
    qsort(values, count, sizeof *values, by_value);
    return values[(size_t)((double)(count - 1) * share)];
}

static void fill(struct bench *bench)
{
    const uint32_t key[2] = {1, 0};

    for (size_t i = 0; i < bench->rows.count * bench->rows.features; i++) {
        const uint32_t counter[4] = {(uint32_t)i, (uint32_t)(i >> 32), 0, 0};
        uint32_t words[4];

        ks_philox(key, counter, words);
        bench->values[i] = sqrt(-2 * log((words[0] + 0.5) / 4294967296.0)) *
                               cos(6.283185307179586 * words[1] / 4294967296.0) +
                           (i / bench->rows.features % 100 == 0 ? 3 : 0);
    }
}

static double fit(struct bench *bench)
{
    const struct ks_forest_params params = {.seed = 1, .trees = 100, .sample = 256};
    const double start = used_s();

    ks_forest_free(bench->forest);
    bench->forest = NULL;
    if (ks_forest_fit(&bench->rows, bench->names, &params, &bench->forest) != KS_OK) {
        (void)fprintf(stderr, "bench_forest: %s\n", ks_err_detail());
        exit(1);
    }
    return used_s() - start;
}

/* Seconds of all rows by KERNEL; below zero where it is not there. */
static double score(struct bench *bench, const char *kernel)
{
    const double start = used_s();

    if (ks_forest_paths_by(bench->forest, kernel, &bench->rows, bench->paths) != KS_OK) {
        return -1;
    }
    return used_s() - start;
}

static void print_batch(const struct bench *bench, const char *name, double *times)
{
    const double rows = (double)bench->rows.count;
    const double low = quantile(times, bench->runs, 0);
    const double middle = quantile(times, bench->runs, 0.5);
    const double high = quantile(times, bench->runs, 1);

    (void)printf("{\"bench\":\"forest.score\",\"by\":\"%s\",\"rows\":%zu,\"features\":%zu,"
                 "\"ns_row\":%.1f,\"ns_row_min\":%.1f,\"ns_row_max\":%.1f}\n",
                 name, bench->rows.count, bench->rows.features, 1e9 * middle / rows,
                 1e9 * low / rows, 1e9 * high / rows);
}

static void print_fit(const struct bench *bench, const char *name, double *times)
{
    const double low = quantile(times, bench->runs, 0);
    const double middle = quantile(times, bench->runs, 0.5);
    const double high = quantile(times, bench->runs, 1);

    (void)printf(
        "{\"bench\":\"forest.fit\",\"by\":\"%s\",\"rows\":%zu,\"features\":%zu,\"ms\":%.2f,"
        "\"ms_min\":%.2f,\"ms_max\":%.2f}\n",
        name, bench->rows.count, bench->rows.features, 1e3 * middle, 1e3 * low, 1e3 * high);
}

/* One row at a time, as they come in; wall time, since a wait is what a caller notices. */
static void bench_single(struct bench *bench)
{
    const size_t count = bench->rows.count < SINGLE_MAX ? bench->rows.count : SINGLE_MAX;
    double *times = ks_calloc(count, sizeof *times);

    for (size_t i = 0; times != NULL && i < count; i++) {
        const struct ks_rows one = {&bench->values[i * bench->rows.features], 1,
                                    bench->rows.features, bench->rows.features};
        const double start = wall_s();

        ks_forest_paths(bench->forest, &one, NULL, bench->paths);
        times[i] = wall_s() - start;
    }
    if (times != NULL) {
        (void)printf("{\"bench\":\"forest.single\",\"by\":\"%s\",\"features\":%zu,\"us\":%.3f,"
                     "\"us_p99\":%.3f}\n",
                     ks_forest_kernel(bench->forest), bench->rows.features,
                     1e6 * quantile(times, count, 0.5), 1e6 * quantile(times, count, 0.99));
    }
    ks_free(times);
}

static void print_size(const struct bench *bench)
{
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_FOREST_BYTES_MAX);
    ks_forest_write(bench->forest, &bytes);
    (void)printf("{\"bench\":\"forest.model\",\"trees\":100,\"bytes\":%zu}\n", bytes.len);
    ks_buf_done(&bytes);
}

static void run(struct bench *bench)
{
    static const char *const kernels[KERNELS] = {"avx512", "neon", "portable"};
    static double fits[2][RUNS_MAX];
    static double scores[KERNELS + 1][RUNS_MAX]; /* the last ones are the peer's */
    struct peer peer;
    struct peer_time time;
    char arguments[64];

    (void)snprintf(arguments, sizeof arguments, "%zu %zu", bench->rows.features,
                   bench->rows.count);
    peer_open(&peer, "KETSEAL_PEER_FOREST", arguments, NULL);
    for (unsigned i = 0; i < bench->runs; i++) {
        fits[0][i] = fit(bench);
        for (size_t k = 0; k < KERNELS; k++) {
            scores[k][i] = score(bench, kernels[k]);
        }
        if (peer_run(&peer, &time)) {
            fits[1][i] = time.seconds;
            scores[KERNELS][i] = time.cpu_seconds;
        }
    }
    print_fit(bench, "ketseal", fits[0]);
    for (size_t i = 0; i < KERNELS; i++) {
        if (scores[i][0] >= 0) {
            print_batch(bench, kernels[i], scores[i]);
        }
    }
    if (peer.ask != NULL) {
        print_fit(bench, "peer", fits[1]);
        print_batch(bench, "peer", scores[KERNELS]);
    }
    peer_close(&peer);
    bench_single(bench);
    print_size(bench);
}

/* The value of --NAME=VALUE in TEXT. */
static bool number_flag(const char *text, const char *name, uint64_t max, uint64_t *out_value)
{
    const size_t len = strlen(name);

    return strncmp(text, name, len) == 0 &&
           ks_text_u64(ks_bytes_text(text + len), max, out_value) == KS_OK && *out_value > 0;
}

int main(int argc, char **argv)
{
    static struct bench bench;
    uint64_t rows = 1000000;
    uint64_t features = 10;
    uint64_t runs = 5;

    for (int i = 1; i < argc; i++) {
        if (!number_flag(argv[i], "--rows=", 100000000, &rows) &&
            !number_flag(argv[i], "--features=", KS_FOREST_FEATURES_MAX, &features) &&
            !number_flag(argv[i], "--runs=", RUNS_MAX, &runs)) {
            (void)fputs("usage: bench_forest [--rows=N] [--features=N] [--runs=N]\n", stderr);
            return 2;
        }
    }
    bench.runs = (unsigned)runs;
    bench.values = ks_calloc_huge(rows * features, sizeof *bench.values);
    bench.paths = ks_calloc(rows, sizeof *bench.paths);
    if (bench.values == NULL || bench.paths == NULL) {
        (void)fputs("bench_forest: out of memory\n", stderr);
        return 1;
    }
    bench.rows = (struct ks_rows){bench.values, rows, features, features};
    for (size_t i = 0; i < features; i++) {
        (void)snprintf(bench.texts[i], sizeof bench.texts[i], "x%zu", i);
        bench.names[i] = ks_bytes_text(bench.texts[i]);
    }
    fill(&bench);
    run(&bench);
    ks_forest_free(bench.forest);
    ks_free(bench.values);
    ks_free(bench.paths);
    return 0;
}
