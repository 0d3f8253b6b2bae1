/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_fl: aggregation beside the machine's memory. Lines of JSON; seconds are those of the
 * process's CPU, but for fl.simulate, which has both:
 *
 *   fl.memory   memcpy, and a[i] += s * b[i] in double as STREAM has it, in bytes moved
 *   fl.add      an update into an accumulator, by each kernel and width: bytes of updates, and
 *               bytes moved (the update read, the sums read and written)
 *   fl.rule     each robust rule over ROWS updates
 *   fl.simulate CLIENTS updates stream through one accumulator, checkpointed now and then; peak
 *               memory of the process before and after, and the SHA-256 of the sum: once more
 *               in another order by another kernel, which must give the same
 *
 *   bench_fl [--params=1048576] [--rows=50] [--runs=7] [--clients=0] [--threads=1]
 *
 * CLIENTS above 0 runs fl.simulate alone. KETSEAL_PEER_FL names a command that is given "PARAMS
 * WEIGHT" and adds an update, for each line of its standard input: bench/peers/fl.py. Runs
 * alternate with ours. */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "base/philox.h"
#include "base/sys.h"
#include "base/text.h"
#include "crypto/digest.h"
#include "fl/accumulate.h"
#include "fl/kernel.h"
#include "fl/robust.h"
#include "peer.h"

#define RUNS_MAX    100
#define WEIGHT      600
#define REPEAT_MIN  0.05 /* seconds that a run takes at least */
#define CHECKPOINTS 4

struct bench {
    size_t params;
    size_t rows;
    size_t clients;
    unsigned runs;
    struct ks_pool *pool;
    float *values;
};

static void *must(void *memory)
{
    if (memory == NULL) {
        (void)fputs("bench_fl: out of memory\n", stderr);
        exit(1);
    }
    return memory;
}

static void ok(enum ks_err err)
{
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_fl: %s\n", ks_err_detail());
        exit(1);
    }
}

static double used_s(void)
{
    struct timespec time;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static double wall_s(void)
{
    return (double)ks_clock_monotonic_us() * 1e-6;
}

static int by_value(const void *left, const void *right)
{
    const double a = *(const double *)left;
    const double b = *(const double *)right;

    return (a > b) - (a < b);
}

static double median(double *times, unsigned count)
{
    qsort(times, count, sizeof *times, by_value);
    return times[count / 2];
}

static void fill(float *values, size_t count, uint32_t seed)
{
    const uint32_t key[2] = {seed, 0};

    for (size_t i = 0; i < count; i++) {
        const uint32_t counter[4] = {(uint32_t)i, 0, 0, 0};
        uint32_t words[4];

        ks_philox(key, counter, words);
        values[i] = (float)((words[0] + 0.5) / 4294967296.0 - 0.5) * 0.1f;
    }
}

/* --- what is timed ------------------------------------------------------------------------ */

/* One pass over the parameters. */
typedef void (*bench_pass)(struct bench *bench, void *context);

static double seconds_of(struct bench *bench, bench_pass pass, void *context)
{
    const double start = used_s();
    double end = start;
    unsigned passes = 0;

    while (end - start < REPEAT_MIN) {
        pass(bench, context);
        passes++;
        end = used_s();
    }
    return (end - start) / passes;
}

struct arrays {
    double *a;
    double *b;
};

static void copy_pass(struct bench *bench, void *context)
{
    struct arrays *arrays = context;

    ks_copy(arrays->a, arrays->b, bench->params * sizeof *arrays->a);
    __asm__ volatile("" ::: "memory");
}

static void triad_pass(struct bench *bench, void *context)
{
    struct arrays *arrays = context;

    for (size_t i = 0; i < bench->params; i++) {
        arrays->a[i] += 3 * arrays->b[i];
    }
    __asm__ volatile("" ::: "memory");
}

struct adding {
    const struct ks_fl_kernels *kernels;
    enum ks_fl_width width;
    int64_t *sums;
    uint64_t *lows;
    double times[RUNS_MAX];
};

static void add_pass(struct bench *bench, void *context)
{
    struct adding *adding = context;
    const struct ks_fl_scaled scaled = {
        bench->values, bench->params, adding->width == KS_FL_WIDTH_64 ? 0x1p24f : 0x1p64f,
        adding->width == KS_FL_WIDTH_64 ? 128 : KS_FL_RANGE_128, WEIGHT};

    if (adding->width == KS_FL_WIDTH_64) {
        (void)adding->kernels->add_64(&scaled, adding->sums);
    } else {
        (void)adding->kernels->add_128(&scaled, adding->lows, adding->sums);
    }
}

static void print_add(const struct bench *bench, const char *by, unsigned width, double seconds)
{
    const double params = (double)bench->params;

    (void)printf("{\"bench\":\"fl.add\",\"by\":\"%s\",\"bits\":%u,\"params\":%zu,"
                 "\"ns_param\":%.3f,\"update_gb_s\":%.2f,\"moved_gb_s\":%.2f}\n",
                 by, width, bench->params, 1e9 * seconds / params, 4e-9 * params / seconds,
                 1e-9 * (4 + width / 4.0) * params / seconds);
}

static void bench_adding(struct bench *bench)
{
    static struct adding adding[8];
    static double peers[RUNS_MAX];
    static double copies[RUNS_MAX];
    static double triads[RUNS_MAX];
    struct arrays arrays = {must(ks_calloc_huge(bench->params, sizeof(double))),
                            must(ks_calloc_huge(bench->params, sizeof(double)))};
    size_t count = 0;
    struct peer peer;
    char arguments[64];

    for (const struct ks_fl_kernel_choice *choice = ks_fl_kernel_choices;
         choice->kernels != NULL; choice++) {
        for (unsigned width = 64; choice->usable() && width <= 128; width += 64) {
            adding[count] =
                (struct adding){.kernels = choice->kernels, .width = (enum ks_fl_width)width};
            adding[count].sums = must(ks_calloc_huge(bench->params, sizeof(int64_t)));
            adding[count].lows = must(ks_calloc_huge(bench->params, sizeof(uint64_t)));
            count++;
        }
    }
    (void)snprintf(arguments, sizeof arguments, "%zu %d", bench->params, WEIGHT);
    peer_open(&peer, getenv("KETSEAL_PEER_FL"), arguments, NULL);
    for (unsigned run = 0; run < bench->runs; run++) {
        struct peer_time time = {0};

        copies[run] = seconds_of(bench, copy_pass, &arrays);
        triads[run] = seconds_of(bench, triad_pass, &arrays);
        for (size_t i = 0; i < count; i++) {
            adding[i].times[run] = seconds_of(bench, add_pass, &adding[i]);
        }
        peers[run] = peer_run(&peer, &time) ? time.seconds : 0;
    }
    (void)printf("{\"bench\":\"fl.memory\",\"params\":%zu,\"memcpy_gb_s\":%.2f,"
                 "\"triad_gb_s\":%.2f}\n",
                 bench->params, 16e-9 * (double)bench->params / median(copies, bench->runs),
                 24e-9 * (double)bench->params / median(triads, bench->runs));
    for (size_t i = 0; i < count; i++) {
        print_add(bench, adding[i].kernels->name, (unsigned)adding[i].width,
                  median(adding[i].times, bench->runs));
        ks_free(adding[i].sums);
        ks_free(adding[i].lows);
    }
    if (peer.ask != NULL) {
        print_add(bench, "peer", 64, median(peers, bench->runs));
    }
    peer_close(&peer);
    ks_free(arrays.a);
    ks_free(arrays.b);
}

static void bench_rules(struct bench *bench)
{
    float *numbers = must(ks_calloc_huge(bench->rows * bench->params, sizeof *numbers));
    const float **rows = must(ks_calloc(bench->rows, sizeof(float *)));
    float *out = must(ks_calloc_huge(bench->params, sizeof *out));
    struct ks_fl_robust_input input = {{rows, bench->rows, bench->params}, NULL, NULL};

    for (size_t i = 0; i < bench->rows; i++) {
        rows[i] = numbers + i * bench->params;
        fill(numbers + i * bench->params, bench->params, (uint32_t)i + 2);
    }
    input.root = bench->values;
    for (unsigned rule = 0; rule < KS_FL_RULES; rule++) {
        const struct ks_fl_robust robust = {.rule = (enum ks_fl_rule)rule,
                                            .attackers = (unsigned)(bench->rows / 5)};
        double times[3];

        for (size_t i = 0; i < 3; i++) {
            const double start = used_s();

            ok(ks_fl_robust_aggregate(&robust, &input, bench->pool, out, NULL));
            times[i] = used_s() - start;
        }
        (void)printf("{\"bench\":\"fl.rule\",\"rule\":\"%s\",\"rows\":%zu,\"params\":%zu,"
                     "\"threads\":%u,\"ms\":%.1f,\"row_gb_s\":%.2f}\n",
                     ks_fl_rule_word(robust.rule), bench->rows, bench->params,
                     ks_pool_threads(bench->pool), 1e3 * median(times, 3),
                     4e-9 * (double)bench->rows * (double)bench->params / median(times, 3));
    }
    ks_free(numbers);
    ks_free(rows);
    ks_free(out);
}

/* --- the simulation ----------------------------------------------------------------------- */

static long peak_kib(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
}

/* An update of client INDEX: the same numbers from another place on, so that making them takes
 * no time. */
static const float *update_of(const struct bench *bench, size_t index)
{
    return bench->values + index * 7919 % bench->params;
}

static void simulate(struct bench *bench, const char *kernel, bool backwards, char *out_hash)
{
    const struct ks_fl_accumulator_params params = {.params = bench->params,
                                                    .width = KS_FL_WIDTH_64,
                                                    .fraction_bits = KS_FL_FRACTION_BITS,
                                                    .members_max = bench->clients};
    struct ks_fl_accumulator *sum = NULL;
    struct ks_buf bytes;
    uint8_t digest[KS_SHA256_LEN];
    long before = 0;
    double start = 0;
    double used = 0;

    ks_buf_init(&bytes, (size_t)ks_fl_accumulator_bytes(&params) + 4096);
    ok(ks_fl_accumulator_new(&params, &sum));
    ok(ks_fl_accumulator_use_kernel(sum, kernel));
    ks_fl_accumulator_write(sum, &bytes);
    before = peak_kib();
    start = wall_s();
    used = used_s();
    for (size_t i = 0; i < bench->clients; i++) {
        const size_t client = backwards ? bench->clients - 1 - i : i;
        struct ks_fl_member member = {.weight = (uint32_t)(client % 1000 + 1)};

        ks_sha256(ks_bytes_of(&client, sizeof client), member.client);
        ok(ks_fl_accumulator_add(sum, &member, update_of(bench, client), 1, bench->pool));
        if ((i + 1) % (bench->clients / CHECKPOINTS + 1) == 0) {
            ks_buf_clear(&bytes);
            ks_fl_accumulator_write(sum, &bytes);
            ok(ks_buf_check(&bytes));
        }
    }
    ks_buf_clear(&bytes);
    ks_fl_accumulator_write(sum, &bytes);
    ok(ks_buf_check(&bytes));
    used = used_s() - used;
    ks_sha256(ks_buf_view(&bytes), digest);
    ks_hex_encode(KS_BYTES(digest), out_hash);
    (void)printf("{\"bench\":\"fl.simulate\",\"by\":\"%s\",\"order\":\"%s\",\"clients\":%zu,"
                 "\"params\":%zu,\"threads\":%u,\"seconds\":%.2f,\"cpu_s\":%.2f,\"update_gb_"
                 "cpu_s\":%.2f,"
                 "\"peak_mib_begin\":%.1f,\"peak_mib_end\":%.1f,\"checkpoint_bytes\":%zu,"
                 "\"sha256\":\"%s\"}\n",
                 kernel == NULL ? ks_fl_kernels_best()->name : kernel,
                 backwards ? "backwards" : "forwards", bench->clients, bench->params,
                 ks_pool_threads(bench->pool), wall_s() - start, used,
                 4e-9 * (double)bench->clients * (double)bench->params / used,
                 (double)before / 1024, (double)peak_kib() / 1024, bytes.len, out_hash);
    ks_fl_accumulator_free(sum);
    ks_buf_done(&bytes);
}

static int run_simulation(struct bench *bench)
{
    char hashes[2][2 * KS_SHA256_LEN + 1];

    simulate(bench, NULL, false, hashes[0]);
    simulate(bench, "portable", true, hashes[1]);
    if (strcmp(hashes[0], hashes[1]) != 0) {
        (void)fputs("bench_fl: the sums differ\n", stderr);
        return 1;
    }
    return 0;
}

/* The value of --NAME=VALUE in TEXT. */
static bool number_flag(const char *text, const char *name, uint64_t max, uint64_t *out_value)
{
    const size_t len = strlen(name);

    return strncmp(text, name, len) == 0 &&
           ks_text_u64(ks_bytes_text(text + len), max, out_value) == KS_OK;
}

int main(int argc, char **argv)
{
    struct bench bench = {0};
    uint64_t params = 1 << 20;
    uint64_t rows = 50;
    uint64_t runs = 7;
    uint64_t clients = 0;
    uint64_t threads = 1;
    int status = 0;

    for (int i = 1; i < argc; i++) {
        if (!number_flag(argv[i], "--params=", 1 << 26, &params) &&
            !number_flag(argv[i], "--rows=", KS_FL_ROWS_MAX, &rows) &&
            !number_flag(argv[i], "--runs=", RUNS_MAX, &runs) &&
            !number_flag(argv[i], "--clients=", KS_FL_MEMBERS_MAX, &clients) &&
            !number_flag(argv[i], "--threads=", KS_POOL_THREADS_MAX, &threads)) {
            (void)fputs("usage: bench_fl [--params=N] [--rows=N] [--runs=N] [--clients=N] "
                        "[--threads=N]\n",
                        stderr);
            return 2;
        }
    }
    ok(ks_pool_new((unsigned)threads, &bench.pool));
    bench.params = (size_t)params;
    bench.rows = (size_t)rows;
    bench.runs = (unsigned)(runs == 0 ? 1 : runs);
    bench.clients = (size_t)clients;
    bench.values = must(ks_calloc_huge(2 * bench.params + 1, sizeof *bench.values));
    fill(bench.values, 2 * bench.params, 1);
    if (bench.clients > 0) {
        status = run_simulation(&bench);
    } else {
        bench_adding(&bench);
        if (bench.rows >= 8) {
            bench_rules(&bench);
        }
    }
    ks_free(bench.values);
    ks_pool_free(bench.pool);
    return status;
}
