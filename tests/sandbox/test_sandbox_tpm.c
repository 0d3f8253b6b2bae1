/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The TPM behind the enclave's closed doors: a child closes them with nothing but a descriptor
 * open, and does all that src/tpm can do. A system call too many kills it (SIGSYS), an opened
 * file is refused. Exits with 77 where there is no Landlock or no swtpm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "enclave/sandbox.h"
#include "tpm/internal.h"
#include "tpm/tpm.h"

#define TPM_MASK    (1u << 14)
#define TPM_COUNTER 0x01800042

/* What an operator has signed for the state that seal_and_open extends to:
 * tests/vectors/sealed. */
static struct ks_buf authority_key;
static struct ks_buf authorisation;

#define STEP(call)                                                                             \
    do {                                                                                       \
        if ((call) != KS_OK) {                                                                 \
            return ks_fail(KS_ERR_INTERNAL, "%s: %s", #call, ks_err_detail());                 \
        }                                                                                      \
    } while (0)

static enum ks_err activate(struct ks_tpm *tpm, enum ks_tpm_ek_kind kind)
{
    TPM2B_DIGEST secret = {.size = 32, .buffer = "known to the site"};
    TPM2B_NAME name = {.size = KS_AK_NAME_LEN};
    TPM2B_ID_OBJECT id_object = {0};
    TPM2B_ENCRYPTED_SECRET encrypted = {0};
    struct ks_ak_public ak;
    struct ks_secret recovered = {.len = 0};
    struct ks_buf bytes[3];

    for (size_t i = 0; i < 3; i++) {
        ks_buf_init(&bytes[i], KS_TPM_CERTIFICATE_MAX);
    }
    STEP(ks_tpm_ek_open(tpm, kind));
    STEP(ks_tpm_ek_certificate(tpm, kind, &bytes[0]));
    ks_buf_clear(&bytes[0]);
    ks_tpm_ak_public(tpm, &bytes[0]);
    STEP(ks_ak_public_parse(ks_buf_view(&bytes[0]), &ak));
    ks_ak_name(&ak, name.name);
    STEP(ks_tpm_result(tpm,
                       Tss2_Sys_MakeCredential(tpm->sys, tpm->ek.handle, NULL, &secret, &name,
                                               &id_object, &encrypted, NULL),
                       "credential"));
    ks_buf_put_lp16(&bytes[1], ks_bytes_of(id_object.credential, id_object.size));
    ks_buf_put_lp16(&bytes[2], ks_bytes_of(encrypted.secret, encrypted.size));
    STEP(ks_tpm_credential_activate(tpm, ks_buf_view(&bytes[1]), ks_buf_view(&bytes[2]),
                                    &recovered));
    for (size_t i = 0; i < 3; i++) {
        ks_buf_done(&bytes[i]);
    }
    return ks_bytes_equal(ks_secret_view(&recovered), ks_bytes_of(secret.buffer, 32))
               ? KS_OK
               : ks_fail(KS_ERR_INTERNAL, "another secret");
}

static enum ks_err seal_and_open(struct ks_tpm *tpm)
{
    const uint8_t next[KS_PCR_DIGEST_LEN] = {0x0e};
    struct ks_sealed_authority authority;
    struct ks_tpm_seal_spec spec = {.pcr_mask = TPM_MASK, .authority = &authority};
    uint8_t data[KS_SEALED_DATA_MAX];
    size_t len = 0;
    struct ks_buf blob;

    ks_buf_init(&blob, KS_SEALED_MAX);
    STEP(ks_sealed_authority_parse(ks_buf_view(&authority_key), KS_LITERAL("ketseal/test"),
                                   &authority));
    STEP(ks_tpm_seal(tpm, &spec, KS_LITERAL("a seed"), &blob));
    STEP(ks_tpm_unseal(tpm, ks_buf_view(&blob), (struct ks_bytes){NULL, 0}, data, &len));
    STEP(ks_tpm_pcr_extend(tpm, 14, next));
    if (ks_tpm_unseal(tpm, ks_buf_view(&blob), (struct ks_bytes){NULL, 0}, data, &len) !=
        KS_ERR_DENIED) {
        return ks_fail(KS_ERR_INTERNAL, "it opens in another state");
    }
    len = 0;
    STEP(ks_tpm_unseal(tpm, ks_buf_view(&blob), ks_buf_view(&authorisation), data, &len));
    ks_buf_done(&blob);
    return len == 6 ? KS_OK : ks_fail(KS_ERR_INTERNAL, "%zu bytes", len);
}

/* Everything that src/tpm does after it was given a descriptor. */
static enum ks_err use_tpm(int fd)
{
    struct ks_tpm *tpm = NULL;
    struct ks_buf attest;
    struct ks_buf signature;
    uint8_t bytes[100];
    uint64_t before = 0;
    uint64_t after = 0;

    ks_buf_init(&attest, KS_ATTEST_MAX);
    ks_buf_init(&signature, KS_TPM_SIGNATURE_MAX);
    STEP(ks_tpm_open_fd(fd, 5000, &tpm));
    STEP(ks_tpm_random(tpm, bytes, sizeof bytes));
    STEP(ks_tpm_ak_open(tpm));
    STEP(activate(tpm, KS_TPM_EK_RSA_2048));
    STEP(activate(tpm, KS_TPM_EK_ECC_P384));
    STEP(seal_and_open(tpm));
    STEP(ks_tpm_counter_open(tpm, TPM_COUNTER));
    STEP(ks_tpm_counter_read(tpm, TPM_COUNTER, &before));
    STEP(ks_tpm_counter_increment(tpm, TPM_COUNTER, &after));
    STEP(ks_tpm_quote(tpm, KS_LITERAL("x"), TPM_MASK, &attest, &signature));
    ks_tpm_close(tpm);
    ks_buf_done(&attest);
    ks_buf_done(&signature);
    return after == before + 1 ? KS_OK : ks_fail(KS_ERR_INTERNAL, "the counter stands still");
}

static void read_vector(const char *name, struct ks_buf *out)
{
    char path[512];
    const char *root = getenv("KS_SOURCE_ROOT");

    (void)snprintf(path, sizeof path, "%s/tests/vectors/sealed/%s", root != NULL ? root : ".",
                   name);
    ks_buf_init(out, 4096);
    assert_int_equal(ks_file_read(path, 4096, out), KS_OK);
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *position)
{
    (void)info;
    (void)kind;
    (void)position;
    return remove(path);
}

static void test_enclave_tpm(void **state)
{
    char root[64] = "/tmp/ketseal-sandbox-XXXXXX";
    char path[128];
    int fd = -1;
    int own_fd = -1;
    int status = 0;
    pid_t swtpm = -1;
    pid_t pid = -1;

    (void)state;
    assert_non_null(mkdtemp(root));
    read_vector("authority.der", &authority_key);
    read_vector("authorisation/accept/one", &authorisation);
    (void)snprintf(path, sizeof path, "%s/tpm", root);
    if (ks_tpm_start_swtpm(NULL, path, &fd, &swtpm) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    (void)snprintf(path, sizeof path, "%s/own", root);
    assert_int_equal(mkdir(path, 0700), 0);
    own_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(own_fd >= 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        enum ks_err err = ks_sandbox_enclave(own_fd);

        err = err == KS_OK ? use_tpm(fd) : err;
        if (err != KS_OK) {
            print_error("%s\n", ks_err_detail());
        }
        (void)syscall(SYS_exit_group, err);
    }
    (void)close(fd);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    ks_tpm_stop_swtpm(swtpm);
    (void)close(own_fd);
    assert_int_equal(nftw(root, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
    ks_buf_done(&authority_key);
    ks_buf_done(&authorisation);
    assert_int_equal(status, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_enclave_tpm),
    };

    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1) {
        (void)fprintf(stderr, "SKIPPED: this kernel has no Landlock (%s)\n", strerror(errno));
        return 77;
    }
    if (access(KS_SWTPM_PROGRAM, X_OK) != 0) {
        (void)fprintf(stderr, "SKIPPED: no " KS_SWTPM_PROGRAM ": the TPM was not tested\n");
        return 77;
    }
    (void)setenv("TSS2_LOG", "all+none", 1);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
