/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_tpm TPM [COUNT]: latency of TPM commands, one JSON line each, microseconds. TPM is a
 * state directory for swtpm, or a device below /dev. quote.overlap does 500 us of other work
 * while the TPM signs; quote.serial does it afterwards. On a device it defines the counter at
 * NV index 0x018000be and wears it by COUNT increments. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "base/text.h"
#include "ledger/merkle.h"
#include "tpm/internal.h"
#include "tpm/tpm.h"

#define COUNT_DEFAULT 1000
#define COUNT_MAX     1000000
#define WORK_US       500
#define MASK          (1u << 14)
#define BATCH         256 /* KS_QUOTE_BATCH_MAX of the enclave */
#define COUNTER       0x018000be

struct bench {
    struct ks_tpm *tpm;
    struct ks_buf attest;
    struct ks_buf signature;
    struct ks_buf blob;
    struct ks_buf id_object;
    struct ks_buf secret;
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

/* One quote for as many records as share one at most, each with its path. */
static enum ks_err quote_batch(struct bench *bench)
{
    enum ks_err err = KS_OK;
    static const uint8_t leaves[BATCH][KS_MERKLE_LEN];
    struct ks_merkle_proof path;
    uint8_t root[KS_MERKLE_LEN];
    uint8_t extra[32];

    KS_TRY(ks_merkle_root_of(leaves[0], BATCH, root));
    ks_quote_extra_data(BATCH, root, extra);
    KS_TRY(ks_tpm_quote(bench->tpm, KS_BYTES(extra), MASK, &bench->attest, &bench->signature));
    for (size_t i = 0; i < BATCH; i++) {
        KS_TRY(ks_merkle_path(leaves[0], BATCH, i, &path));
    }
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

/* Both seeds of an identity: ML-DSA's (32 bytes) and ML-KEM's (64). */
static enum ks_err seal(struct bench *bench)
{
    const uint8_t seeds[96] = {1};
    const struct ks_tpm_seal_spec spec = {.pcr_mask = MASK};

    ks_buf_clear(&bench->blob);
    return ks_tpm_seal(bench->tpm, &spec, KS_BYTES(seeds), &bench->blob);
}

static enum ks_err unseal(struct bench *bench)
{
    const struct ks_bytes no_authorisation = {NULL, 0};
    uint8_t seeds[KS_SEALED_DATA_MAX];
    size_t len;

    return ks_tpm_unseal(bench->tpm, ks_buf_view(&bench->blob), no_authorisation, seeds, &len);
}

static enum ks_err increment(struct bench *bench)
{
    uint64_t value;

    return ks_tpm_counter_increment(bench->tpm, COUNTER, &value);
}

static enum ks_err activate(struct bench *bench)
{
    struct ks_secret secret;

    return ks_tpm_credential_activate(bench->tpm, ks_buf_view(&bench->id_object),
                                      ks_buf_view(&bench->secret), &secret);
}

/* Opens the endorsement key and makes a credential for it, by the TPM itself. */
static enum ks_err prepare_credential(struct bench *bench, enum ks_tpm_ek_kind kind)
{
    enum ks_err err = KS_OK;
    struct ks_tpm *tpm = bench->tpm;
    const TPM2B_DIGEST digest = {.size = 32, .buffer = {1}};
    TPM2B_NAME name = {.size = KS_AK_NAME_LEN};
    TPM2B_ID_OBJECT id_object = {0};
    TPM2B_ENCRYPTED_SECRET secret = {0};
    struct ks_ak_public ak;

    KS_TRY(ks_tpm_ek_open(tpm, kind));
    ks_buf_clear(&bench->id_object);
    ks_tpm_ak_public(tpm, &bench->id_object);
    KS_TRY(ks_ak_public_parse(ks_buf_view(&bench->id_object), &ak));
    ks_ak_name(&ak, name.name);
    KS_TRY(ks_tpm_result(tpm,
                         Tss2_Sys_MakeCredential(tpm->sys, tpm->ek.handle, NULL, &digest, &name,
                                                 &id_object, &secret, NULL),
                         "credential"));
    ks_buf_clear(&bench->id_object);
    ks_buf_clear(&bench->secret);
    ks_buf_put_lp16(&bench->id_object, ks_bytes_of(id_object.credential, id_object.size));
    ks_buf_put_lp16(&bench->secret, ks_bytes_of(secret.secret, secret.size));
    KS_TRY(ks_buf_check(&bench->id_object));
    KS_TRY(ks_buf_check(&bench->secret));
out:
    return err;
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
    uint64_t total_us = 0;

    for (size_t i = 0; i < bench->count; i++) {
        uint64_t start_us = ks_clock_monotonic_us();

        ks_buf_clear(&bench->attest);
        ks_buf_clear(&bench->signature);
        KS_TRY(run(bench));
        bench->spent_us[i] = ks_clock_monotonic_us() - start_us;
        total_us += bench->spent_us[i];
    }
    qsort(bench->spent_us, bench->count, sizeof *bench->spent_us, ascending);
    (void)printf("{\"bench\":\"tpm.%s\",\"count\":%zu,\"p50_us\":%llu,\"p99_us\":%llu,"
                 "\"per_second\":%.1f}\n",
                 name, bench->count, (unsigned long long)bench->spent_us[bench->count / 2],
                 (unsigned long long)bench->spent_us[bench->count * 99 / 100],
                 1e6 * (double)bench->count / (double)(total_us > 0 ? total_us : 1));
out:
    return err;
}

static enum ks_err open_tpm(const char *where, pid_t *out_pid, struct ks_tpm **out_tpm)
{
    enum ks_err err = KS_OK;
    int fd = -1;

    if (strncmp(where, "/dev/", 5) == 0) {
        KS_TRY(ks_tpm_open_device(where, &fd));
    } else {
        KS_TRY(ks_tpm_start_swtpm(NULL, where, &fd, out_pid));
    }
    KS_TRY(ks_tpm_open_fd(fd, 0, out_tpm));
    fd = -1; /* taken */
out:
    ks_fd_close(&fd);
    return err;
}

static enum ks_err measure_all(struct bench *bench)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_tpm_ak_open(bench->tpm));
    KS_TRY(measure(bench, "random_64", random_64));
    KS_TRY(measure(bench, "pcr_extend", extend));
    KS_TRY(measure(bench, "pcr_read", read_one));
    KS_TRY(measure(bench, "quote", quote));
    KS_TRY(measure(bench, "quote.batch_256", quote_batch));
    KS_TRY(measure(bench, "quote.serial", quote_serial));
    KS_TRY(measure(bench, "quote.overlap", quote_overlap));
    KS_TRY(prepare_credential(bench, KS_TPM_EK_RSA_2048));
    KS_TRY(measure(bench, "activate.rsa_2048", activate));
    KS_TRY(prepare_credential(bench, KS_TPM_EK_ECC_P384));
    KS_TRY(measure(bench, "activate.ecc_p384", activate));
    KS_TRY(measure(bench, "seal", seal));
    KS_TRY(measure(bench, "unseal", unseal));
    KS_TRY(ks_tpm_counter_open(bench->tpm, COUNTER));
    KS_TRY(measure(bench, "counter_increment", increment));
out:
    return err;
}

static enum ks_err run_all(const char *where, size_t count)
{
    enum ks_err err = KS_OK;
    struct bench bench = {.count = count};
    pid_t pid = -1;

    ks_buf_init(&bench.attest, KS_ATTEST_MAX);
    ks_buf_init(&bench.signature, KS_TPM_SIGNATURE_MAX);
    ks_buf_init(&bench.blob, KS_SEALED_MAX);
    ks_buf_init(&bench.id_object, KS_AK_PUBLIC_MAX);
    ks_buf_init(&bench.secret, KS_TPM_ENCRYPTED_SECRET_MAX);
    bench.spent_us = ks_calloc(count, sizeof *bench.spent_us);
    KS_CHECK(bench.spent_us != NULL, KS_ERR_NOMEM, "%zu samples", count);
    KS_TRY(open_tpm(where, &pid, &bench.tpm));
    KS_TRY(measure_all(&bench));
out:
    ks_tpm_close(bench.tpm);
    ks_tpm_stop_swtpm(pid);
    ks_free(bench.spent_us);
    ks_buf_done(&bench.attest);
    ks_buf_done(&bench.signature);
    ks_buf_done(&bench.blob);
    ks_buf_done(&bench.id_object);
    ks_buf_done(&bench.secret);
    return err;
}

int main(int argc, char **argv)
{
    uint64_t count = COUNT_DEFAULT;

    (void)setenv("TSS2_LOG", "all+none", 1);
    if (argc < 2 || argc > 3 ||
        (argc == 3 &&
         (ks_text_u64(ks_bytes_text(argv[2]), COUNT_MAX, &count) != KS_OK || count == 0))) {
        (void)fprintf(stderr, "usage: bench_tpm STATE_DIR|/dev/… [COUNT]\n");
        return ks_err_exit_code(KS_ERR_USAGE);
    }
    enum ks_err err = run_all(argv[1], (size_t)count);
    if (err != KS_OK) {
        (void)fprintf(stderr, "bench_tpm: %s\n", ks_err_detail());
    }
    return ks_err_exit_code(err);
}
