/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_store DIRECTORY [SECONDS]: durable ledger appends per second in groups of 1, 8 and 64
 * (each group one commit, each entry 300 bytes with its job and intent), beside what the device
 * does under the same conditions: 4 KiB appended to a file and fdatasync. The two take turns,
 * so that both see the same load. One JSON line each. DIRECTORY must not exist; it is left for
 * the caller to remove. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "store/store.h"

#define SECONDS_DEFAULT 3
#define SECONDS_MAX     600
#define ENTRY_LEN       300
#define BLOCK_LEN       4096
#define TURN_US         250000 /* how long each runs before the other has its turn */
#define LATENCIES_MAX   2000000

struct bench {
    struct ks_store *store;
    int fd;
    uint64_t jobs;
    uint64_t *latencies_us; /* of the commits, or of the syncs */
    size_t count;
};

struct result {
    uint64_t spent_us;
    uint64_t operations; /* commits or syncs */
};

static enum ks_err commit_group(struct bench *bench, unsigned group)
{
    enum ks_err err = KS_OK;
    uint8_t entry[ENTRY_LEN] = {0};
    uint8_t leaf[32] = {0};

    KS_TRY(ks_store_begin(bench->store));
    for (unsigned i = 0; i < group; i++) {
        struct ks_store_job job = {.created_us = ks_clock_us(), .device = "bench"};
        uint8_t random[16] = {0};

        bench->jobs++;
        ks_copy(entry, &bench->jobs, sizeof bench->jobs);
        ks_copy(leaf, &bench->jobs, sizeof bench->jobs);
        KS_TRY(ks_random(random, sizeof random));
        ks_uuid_text(random, job.id);
        KS_TRY(ks_store_append(bench->store, KS_BYTES(entry), leaf, &job.intent_index));
        KS_TRY(ks_store_job_insert(bench->store, &job));
    }
    KS_TRY(ks_store_commit(bench->store));
out:
    if (err != KS_OK) {
        ks_store_rollback(bench->store);
    }
    return err;
}

static enum ks_err sync_block(struct bench *bench)
{
    static const uint8_t block[BLOCK_LEN];
    enum ks_err err = ks_fd_write(bench->fd, KS_BYTES(block), "blocks");
    if (err == KS_OK && fdatasync(bench->fd) != 0) {
        err = ks_fail(KS_ERR_IO, "fdatasync");
    }
    return err;
}

/* One turn: of commits of GROUP entries, or, GROUP being 0, of plain syncs. */
static enum ks_err turn(struct bench *bench, unsigned group, struct result *result)
{
    enum ks_err err = KS_OK;
    const uint64_t start_us = ks_clock_monotonic_us();
    uint64_t now_us = start_us;

    while (now_us - start_us < TURN_US) {
        KS_TRY(group > 0 ? commit_group(bench, group) : sync_block(bench));
        const uint64_t end_us = ks_clock_monotonic_us();
        if (group > 0 && bench->count < LATENCIES_MAX) {
            bench->latencies_us[bench->count++] = end_us - now_us;
        }
        now_us = end_us;
        result->operations++;
    }
    result->spent_us += now_us - start_us;
out:
    return err;
}

static int ascending(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;
    return (*left > *right) - (*left < *right);
}

static double rate(const struct result *result, unsigned each)
{
    return (double)result->operations * each * 1e6 / (double)result->spent_us;
}

static enum ks_err measure(struct bench *bench, unsigned group, uint64_t seconds)
{
    enum ks_err err = KS_OK;
    struct result commits = {0};
    struct result syncs = {0};

    bench->count = 0;
    while (commits.spent_us < seconds * 1000000) {
        KS_TRY(turn(bench, group, &commits));
        KS_TRY(turn(bench, 0, &syncs));
    }
    qsort(bench->latencies_us, bench->count, sizeof bench->latencies_us[0], ascending);
    (void)printf("{\"bench\":\"store.append\",\"group\":%u,\"appends_per_s\":%.0f,"
                 "\"commits_per_s\":%.0f,\"commit_p50_us\":%llu,\"commit_p99_us\":%llu,"
                 "\"fdatasync_per_s\":%.0f}\n",
                 group, rate(&commits, group), rate(&commits, 1),
                 (unsigned long long)bench->latencies_us[bench->count / 2],
                 (unsigned long long)bench->latencies_us[bench->count * 99 / 100],
                 rate(&syncs, 1));
    (void)fflush(stdout);
out:
    return err;
}

static enum ks_err run(const char *directory, uint64_t seconds)
{
    enum ks_err err = KS_OK;
    static const unsigned groups[] = {1, 8, 64};
    const struct ks_store_options options = {.version = 1, .directory = directory};
    struct bench bench = {.fd = -1};
    char path[4096];

    KS_CHECK(access(directory, F_OK) != 0, KS_ERR_CONFLICT, "%s is there already", directory);
    bench.latencies_us = ks_calloc(LATENCIES_MAX, sizeof *bench.latencies_us);
    KS_CHECK(bench.latencies_us != NULL, KS_ERR_NOMEM, "latencies");
    KS_TRY(ks_store_open(&options, &bench.store));
    (void)snprintf(path, sizeof path, "%.4000s/blocks", directory);
    bench.fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_APPEND | O_CLOEXEC, 0600);
    KS_CHECK(bench.fd >= 0, KS_ERR_IO, "create %.4000s", path);
    for (size_t i = 0; i < sizeof groups / sizeof groups[0]; i++) {
        KS_TRY(measure(&bench, groups[i], seconds));
    }
out:
    ks_fd_close(&bench.fd);
    ks_store_close(bench.store);
    ks_free(bench.latencies_us);
    return err;
}

int main(int argc, char **argv)
{
    uint64_t seconds = SECONDS_DEFAULT;

    if (argc < 2 || argc > 3 ||
        (argc == 3 && ks_text_u64(ks_bytes_text(argv[2]), SECONDS_MAX, &seconds) != KS_OK)) {
        (void)fprintf(stderr, "usage: bench_store DIRECTORY [SECONDS]\n");
        return 2;
    }
    enum ks_err err = run(argv[1], seconds);
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_store: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
