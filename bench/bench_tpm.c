/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_tpm STATE_DIR [COUNT]: latency of TPM commands with a swtpm, one JSON line each,
 * microseconds. quote.overlap does 500 us of other work while the TPM signs; quote.serial does
 * it afterwards. */
#include <stdio.h>
#include <stdlib.h>

#include "base/sys.h"
#include "base/text.h"
#include "tpm/tpm.h"

#define COUNT_DEFAULT 1000
#define COUNT_MAX     1000000
#define WORK_US       500
#define MASK          (1u << 14)

struct bench {
    struct ks_tpm *tpm;
    struct ks_buf attest;
    struct ks_buf signature;
    size_t count;
    uint64_t *spent_us; /* count of them */
};

static void work(void)
{
    uint64_t end_us = ks_clock_monotonic_us() + WORK_US;

    while (ks_clock_monotonic_us() < end_us) {
    }
}

static enum ks_err quote(struct bench *bench)
{
    return ks_tpm_quote(bench->tpm, KS_LITERAL("x"), MASK, &bench->attest, &bench->signature);
}

static enum ks_err quote_serial(struct bench *bench)
{
    enum ks_err err = quote(bench);

    work();
    return err;
}

static enum ks_err quote_overlap(struct bench *bench)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_tpm_quote_start(bench->tpm, KS_LITERAL("x"), MASK));
    work();
    KS_TRY(ks_tpm_quote_finish(bench->tpm, &bench->attest, &bench->signature));
out:
    return err;
}

static enum ks_err random_64(struct bench *bench)
{
    uint8_t bytes[64];

    return ks_tpm_random(bench->tpm, bytes, sizeof bytes);
}

static enum ks_err extend(struct bench *bench)
{
    const uint8_t digest[KS_PCR_DIGEST_LEN] = {1};

    return ks_tpm_pcr_extend(bench->tpm, 23, digest);
}

static enum ks_err read_one(struct bench *bench)
{
    uint8_t values[1][KS_PCR_DIGEST_LEN];

    return ks_tpm_pcr_read(bench->tpm, MASK, values);
}

static int ascending(const void *a, const void *b)
{
    const uint64_t *left = a;
    const uint64_t *right = b;

    return (*left > *right) - (*left < *right);
}

static enum ks_err measure(struct bench *bench, const char *name,
                           enum ks_err (*run)(struct bench *))
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < bench->count; i++) {
        uint64_t start_us = ks_clock_monotonic_us();

        ks_buf_clear(&bench->attest);
        ks_buf_clear(&bench->signature);
        KS_TRY(run(bench));
        bench->spent_us[i] = ks_clock_monotonic_us() - start_us;
    }
    qsort(bench->spent_us, bench->count, sizeof *bench->spent_us, ascending);
    (void)printf("{\"bench\":\"tpm.%s\",\"count\":%zu,\"p50_us\":%llu,\"p99_us\":%llu}\n", name,
                 bench->count, (unsigned long long)bench->spent_us[bench->count / 2],
                 (unsigned long long)bench->spent_us[bench->count * 99 / 100]);
out:
    return err;
}

static enum ks_err run_all(const char *state_dir, size_t count)
{
    enum ks_err err = KS_OK;
    struct bench bench = {.count = count};
    int fd = -1;
    pid_t pid = -1;

    ks_buf_init(&bench.attest, KS_ATTEST_MAX);
    ks_buf_init(&bench.signature, KS_TPM_SIGNATURE_MAX);
    bench.spent_us = ks_calloc(count, sizeof *bench.spent_us);
    KS_CHECK(bench.spent_us != NULL, KS_ERR_NOMEM, "%zu samples", count);
    KS_TRY(ks_tpm_start_swtpm(NULL, state_dir, &fd, &pid));
    KS_TRY(ks_tpm_open_fd(fd, 0, &bench.tpm));
    fd = -1; /* taken */
    KS_TRY(ks_tpm_ak_open(bench.tpm));
    KS_TRY(measure(&bench, "random_64", random_64));
    KS_TRY(measure(&bench, "pcr_extend", extend));
    KS_TRY(measure(&bench, "pcr_read", read_one));
    KS_TRY(measure(&bench, "quote", quote));
    KS_TRY(measure(&bench, "quote.serial", quote_serial));
    KS_TRY(measure(&bench, "quote.overlap", quote_overlap));
out:
    ks_tpm_close(bench.tpm);
    ks_fd_close(&fd);
    ks_tpm_stop_swtpm(pid);
    ks_free(bench.spent_us);
    ks_buf_done(&bench.attest);
    ks_buf_done(&bench.signature);
    return err;
}

int main(int argc, char **argv)
{
    uint64_t count = COUNT_DEFAULT;

    (void)setenv("TSS2_LOG", "all+none", 1);
    if (argc < 2 || argc > 3 ||
        (argc == 3 &&
         (ks_text_u64(ks_bytes_text(argv[2]), COUNT_MAX, &count) != KS_OK || count == 0))) {
        (void)fprintf(stderr, "usage: bench_tpm STATE_DIR [COUNT]\n");
        return ks_err_exit_code(KS_ERR_USAGE);
    }
    enum ks_err err = run_all(argv[1], (size_t)count);
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_tpm: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
