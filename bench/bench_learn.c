/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_learn: steps of SGD on random images of 28 x 28. Lines of JSON: images a second, the
 * median of the runs and their extremes.
 *
 *   bench_learn [--model=mnist-cnn] [--batch=32] [--threads=1] [--steps=20] [--runs=7]
 *
 * KETSEAL_PEER_TORCH names a command that is given "MODEL BATCH THREADS STEPS" and writes, for
 * each line of its standard input, the seconds that as many steps took, and those of its CPU:
 * bench/peers/torch_train.py. Runs alternate with ours; its first one is left out. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/sys.h"
#include "base/text.h"
#include "learn/train.h"
#include "peer.h"

#define RUNS_MAX    100
#define SIDE        28
#define KERNELS_MAX 4

struct bench {
    const char *model;
    uint64_t batch;
    uint64_t threads;
    uint64_t steps;
    uint64_t runs;
    struct ks_samples samples;
    unsigned kernels;
    struct ks_trainer *trainers[KERNELS_MAX];
    float *params;
};

static void must(enum ks_err err)
{
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_learn: %s\n", ks_err_detail());
        exit(1);
    }
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

/* Times of the runs of one. */
struct times {
    double wall[RUNS_MAX];
    double cpu[RUNS_MAX];
};

static void print_speed(const struct bench *bench, const char *by, struct times *times)
{
    const double images = (double)(bench->batch * bench->steps);
    const size_t runs = (size_t)bench->runs;

    qsort(times->wall, runs, sizeof times->wall[0], by_value);
    qsort(times->cpu, runs, sizeof times->cpu[0], by_value);
    (void)printf("{\"bench\":\"learn.train\",\"by\":\"%s\",\"model\":\"%s\",\"batch\":%llu,"
                 "\"threads\":%llu,\"images_s\":%.0f,\"images_s_min\":%.0f,"
                 "\"images_s_max\":%.0f,\"images_cpu_s\":%.0f}\n",
                 by, bench->model, (unsigned long long)bench->batch,
                 (unsigned long long)bench->threads, images / times->wall[runs / 2],
                 images / times->wall[runs - 1], images / times->wall[0],
                 images / times->cpu[runs / 2]);
}

static double used_s(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void make_samples(struct bench *bench)
{
    struct ks_samples *samples = &bench->samples;
    uint32_t state = 1;

    *samples = (struct ks_samples){
        .count = (size_t)bench->batch,
        .dims = 3,
        .shape = {1, SIDE, SIDE},
        .size = (size_t)SIDE * SIDE,
        .centre = KS_MNIST_CENTRE,
        .spread = KS_MNIST_SPREAD,
        .classes = 10,
    };
    samples->pixels = ks_calloc(samples->count, samples->size);
    samples->labels = ks_calloc(samples->count, 1);
    KS_ASSERT(samples->pixels != NULL && samples->labels != NULL);
    for (size_t i = 0; i < samples->count * samples->size; i++) {
        state = state * 1664525 + 1013904223;
        samples->pixels[i] = (uint8_t)(state >> 24);
    }
    for (size_t i = 0; i < samples->count; i++) {
        samples->labels[i] = (uint8_t)(i % 10);
    }
}

static void run_ours(struct bench *bench, struct ks_trainer *trainer, double *out_wall,
                     double *out_cpu)
{
    const struct ks_subset all = {&bench->samples, NULL, bench->samples.count};
    const uint64_t start_us = ks_clock_monotonic_us();
    const double start_s = used_s();
    struct ks_train_stats stats;

    for (uint64_t i = 0; i < bench->steps; i++) {
        must(ks_train_step(trainer, &all, NULL, bench->params, &stats));
    }
    *out_wall = (double)(ks_clock_monotonic_us() - start_us) / 1e6;
    *out_cpu = used_s() - start_s;
}

/* All kernels of this machine, and the peer, in turn. */
static void run(struct bench *bench)
{
    static struct times ours[KERNELS_MAX];
    static struct times theirs;
    struct peer peer;
    struct peer_time time;
    char arguments[96];

    (void)snprintf(arguments, sizeof arguments, "%s %llu %llu %llu", bench->model,
                   (unsigned long long)bench->batch, (unsigned long long)bench->threads,
                   (unsigned long long)bench->steps);
    peer_open(&peer, getenv("KETSEAL_PEER_TORCH"), arguments, NULL);
    (void)peer_run(&peer, &time);
    for (uint64_t i = 0; i < bench->runs; i++) {
        for (unsigned k = 0; k < bench->kernels; k++) {
            run_ours(bench, bench->trainers[k], &ours[k].wall[i], &ours[k].cpu[i]);
        }
        if (peer_run(&peer, &time)) {
            theirs.wall[i] = time.seconds;
            theirs.cpu[i] = time.cpu_seconds;
        }
    }
    for (unsigned k = 0; k < bench->kernels; k++) {
        print_speed(bench, ks_train_kernel_name(k), &ours[k]);
    }
    if (peer.ask != NULL) {
        print_speed(bench, "torch", &theirs);
    }
    peer_close(&peer);
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
    static const unsigned input[3] = {1, SIDE, SIDE};
    struct bench bench = {
        .model = "mnist-cnn", .batch = 32, .threads = 1, .steps = 20, .runs = 7};
    struct ks_train_params how = KS_TRAIN_DEFAULTS;
    struct ks_model_spec spec;
    struct ks_model *model = NULL;
    struct ks_pool *pool = NULL;

    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--model=", 8) == 0) {
            bench.model = argv[i] + 8;
        } else if (!number_flag(argv[i], "--batch=", KS_BATCH_MAX, &bench.batch) &&
                   !number_flag(argv[i], "--threads=", 64, &bench.threads) &&
                   !number_flag(argv[i], "--steps=", 100000, &bench.steps) &&
                   !number_flag(argv[i], "--runs=", RUNS_MAX, &bench.runs)) {
            (void)fputs("usage: bench_learn [--model=NAME] [--batch=N] [--threads=N] "
                        "[--steps=N] [--runs=N]\n",
                        stderr);
            return 2;
        }
    }
    how.batch = (unsigned)bench.batch;
    how.rate = 0.01;
    must(ks_model_named(bench.model, 3, input, 10, &spec));
    must(ks_model_new(&spec, &model));
    must(ks_pool_new((unsigned)bench.threads, &pool));
    while (bench.kernels < KERNELS_MAX && ks_train_kernel_name(bench.kernels) != NULL) {
        how.kernel = ks_train_kernel_name(bench.kernels);
        must(ks_trainer_new(model, &how, pool, &bench.trainers[bench.kernels++]));
    }
    bench.params = ks_calloc_huge(ks_model_params(model), sizeof *bench.params);
    KS_ASSERT(bench.params != NULL);
    ks_model_init(model, 1, bench.params);
    make_samples(&bench);
    run(&bench);
    while (bench.kernels > 0) {
        ks_trainer_free(bench.trainers[--bench.kernels]);
    }
    ks_pool_free(pool);
    ks_free(bench.params);
    ks_model_free(model);
    ks_samples_done(&bench.samples);
    return 0;
}
