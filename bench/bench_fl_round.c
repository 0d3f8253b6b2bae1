/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_fl_round URL SESSION ROUNDS DEVICE_DIR...: what a round costs over a real site, as JSON
 * lines. Each device has a thread, joins a round at once, and contributes an update that is
 * ready, once all have joined: nobody trains. A round's time is from the moment that the last
 * device knows of it to the last bundle. Beside each round the same updates are added up in
 * this process, as floats in memory, so that both are measured by turns.
 *
 *   fl.round       one line for each round: seconds of joining, of contributing, of the sum
 * alone fl.round.all   medians of the rounds but the first; updates and bytes of updates a
 * second
 *
 * bench/fl_round.sh runs it. */

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/sys.h"
#include "base/text.h"
#include "client/fl.h"
#include "fl/accumulate.h"
#include "ketseal/client.h"

#define DEVICES_MAX 64
#define ROUNDS_MAX  64
#define ANSWER_MAX  (1 << 20)
#define POLL_NS     2000000
#define WAIT_US     UINT64_C(120000000)
#define SAMPLES     600

struct bench {
    const char *url;
    uint8_t session[KS_SESSION_LEN];
    uint64_t rounds;
    unsigned devices;
    pthread_barrier_t together;
    float *values; /* of every update */
    size_t params;
    double join_s[ROUNDS_MAX];
    double contribute_s[ROUNDS_MAX];
    double sum_s[ROUNDS_MAX];
};

struct device {
    struct bench *bench;
    const char *directory;
    bool first; /* it keeps the times */
};

static void ok(enum ks_err err)
{
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_fl_round: %s\n", ks_err_detail());
        exit(ks_err_exit_code(err));
    }
}

static double now_s(void)
{
    return 1e-6 * (double)ks_clock_monotonic_us();
}

/* --- a device ----------------------------------------------------------------------------- */

static enum ks_err await_round(struct ks_client *client, const struct bench *bench,
                               uint64_t number, struct ks_fl_descriptor *out_descriptor)
{
    enum ks_err err = KS_ERR_NOT_FOUND;
    const struct timespec poll = {.tv_nsec = POLL_NS};
    const uint64_t since_us = ks_clock_monotonic_us();

    while (err == KS_ERR_NOT_FOUND && ks_clock_monotonic_us() - since_us < WAIT_US) {
        err = ks_client_fl_descriptor(client, bench->session, out_descriptor);
        if (err == KS_OK && out_descriptor->round < number) {
            ks_fl_descriptor_done(out_descriptor);
            err = KS_ERR_NOT_FOUND;
        }
        if (err == KS_ERR_NOT_FOUND) {
            (void)nanosleep(&poll, NULL);
        }
    }
    return err;
}

static void make_values(struct bench *bench, size_t params)
{
    bench->params = params;
    bench->values = ks_calloc_huge(params, sizeof *bench->values);
    ok(bench->values == NULL ? ks_fail(KS_ERR_NOMEM, "%zu values", params) : KS_OK);
    for (size_t i = 0; i < params; i++) {
        bench->values[i] = (float)((int)(i * 7919 % 4093) - 2046) / 65536;
    }
}

/* What the round would be without a site. */
static double sum_up(const struct bench *bench)
{
    const struct ks_fl_accumulator_params params = {.params = bench->params,
                                                    .width = KS_FL_WIDTH_64,
                                                    .fraction_bits = KS_FL_FRACTION_BITS,
                                                    .members_max = bench->devices};
    struct ks_fl_accumulator *sum = NULL;
    float *mean = ks_calloc_huge(bench->params, sizeof *mean);
    double start = 0;

    ok(mean == NULL ? ks_fail(KS_ERR_NOMEM, "a mean") : KS_OK);
    ok(ks_fl_accumulator_new(&params, &sum));
    start = now_s();
    for (unsigned i = 0; i < bench->devices; i++) {
        const struct ks_fl_member member = {.client = {(uint8_t)i}, .weight = SAMPLES};

        ok(ks_fl_accumulator_add(sum, &member, bench->values, 1, NULL));
    }
    ok(ks_fl_accumulator_mean(sum, 0, mean));
    start = now_s() - start;
    ks_fl_accumulator_free(sum);
    ks_free(mean);
    return start;
}

static void take_part(struct device *device, struct ks_client *client, uint64_t number)
{
    struct bench *bench = device->bench;
    struct ks_client_update update = {.samples = SAMPLES, .loss = 0.5, .steps = 1};
    struct ks_fl_descriptor descriptor = {0};
    struct ks_buf answer;
    double times[3];

    ks_buf_init(&answer, ANSWER_MAX);
    ok(await_round(client, bench, number, &descriptor));
    if (device->first && bench->values == NULL) {
        make_values(bench, (size_t)descriptor.params);
    }
    (void)pthread_barrier_wait(&bench->together);
    times[0] = now_s();
    ok(ks_client_fl_join(client, &descriptor, SAMPLES, false, &answer));
    (void)pthread_barrier_wait(&bench->together);
    times[1] = now_s();
    ks_buf_clear(&answer);
    update.values = bench->values;
    ok(ks_client_fl_contribute(client, &descriptor, &update, &answer));
    (void)pthread_barrier_wait(&bench->together);
    times[2] = now_s();
    if (device->first) {
        bench->join_s[number - 1] = times[1] - times[0];
        bench->contribute_s[number - 1] = times[2] - times[1];
        bench->sum_s[number - 1] = sum_up(bench);
    }
    (void)pthread_barrier_wait(&bench->together);
    ks_fl_descriptor_done(&descriptor);
    ks_buf_done(&answer);
}

static void *run_device(void *context)
{
    struct device *device = context;
    const struct ks_device_spec spec = {
        .version = 1, .directory = device->directory, .url = device->bench->url};
    struct ks_client *client = NULL;

    ok(ks_client_open_device(&spec, &client));
    for (uint64_t round = 1; round <= device->bench->rounds; round++) {
        take_part(device, client, round);
    }
    ks_client_close(client);
    return NULL;
}

/* --- what it comes to --------------------------------------------------------------------- */

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

/* Of the rounds but the first, which opens connections and fetches keys. */
static double median(double *times, uint64_t rounds)
{
    qsort(times + 1, rounds - 1, sizeof *times, by_value);
    return times[1 + (rounds - 1) / 2];
}

static void print_all(struct bench *bench)
{
    double join = 0;
    double contribute = 0;
    double sum = 0;

    for (uint64_t i = 0; i < bench->rounds; i++) {
        (void)printf("{\"bench\":\"fl.round\",\"round\":%" PRIu64
                     ",\"join_s\":%.4f,\"contribute_s\":%.4f,\"sum_s\":%.6f}\n",
                     i + 1, bench->join_s[i], bench->contribute_s[i], bench->sum_s[i]);
    }
    join = median(bench->join_s, bench->rounds);
    contribute = median(bench->contribute_s, bench->rounds);
    sum = median(bench->sum_s, bench->rounds);
    (void)printf("{\"bench\":\"fl.round.all\",\"devices\":%u,\"params\":%zu,\"rounds\":%" PRIu64
                 ",\"join_s\":%.4f,\"contribute_s\":%.4f,\"sum_s\":%.6f,\"updates_s\":%.1f,"
                 "\"mb_s\":%.1f,\"times_sum\":%.0f}\n",
                 bench->devices, bench->params, bench->rounds, join, contribute, sum,
                 bench->devices / contribute,
                 4e-6 * (double)bench->params * bench->devices / contribute,
                 (join + contribute) / sum);
}

int main(int argc, char **argv)
{
    static struct bench bench;
    static struct device devices[DEVICES_MAX];
    pthread_t threads[DEVICES_MAX];

    if (argc < 5 || argc > 4 + DEVICES_MAX) {
        (void)fputs("usage: bench_fl_round URL SESSION ROUNDS DEVICE_DIR...\n", stderr);
        return 2;
    }
    bench.url = argv[1];
    bench.devices = (unsigned)(argc - 4);
    ok(ks_hex_decode(ks_bytes_text(argv[2]), bench.session, sizeof bench.session));
    ok(ks_text_u64(ks_bytes_text(argv[3]), ROUNDS_MAX, &bench.rounds));
    ok(bench.rounds < 2 ? ks_fail(KS_ERR_USAGE, "at least two rounds") : KS_OK);
    (void)pthread_barrier_init(&bench.together, NULL, bench.devices);
    for (unsigned i = 0; i < bench.devices; i++) {
        devices[i] = (struct device){&bench, argv[4 + i], i == 0};
        ok(pthread_create(&threads[i], NULL, run_device, &devices[i]) == 0
               ? KS_OK
               : ks_fail(KS_ERR_IO, "no thread"));
    }
    for (unsigned i = 0; i < bench.devices; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    print_all(&bench);
    (void)pthread_barrier_destroy(&bench.together);
    ks_free(bench.values);
    return 0;
}
