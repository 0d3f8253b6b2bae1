/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* quote_make STATE_DIR: makes a quote with a swtpm and writes ak, attest, signature, values
 * (PCR 0, 1 and 14) into the current folder, for quote.sh to check with tools that are not
 * ours. */
#include <stdio.h>
#include <stdlib.h>

#include "base/sys.h"
#include "tpm/tpm.h"

#define MASK (1u << 0 | 1u << 1 | 1u << 14)

static enum ks_err make(const char *state_dir)
{
    enum ks_err err = KS_OK;
    int fd = -1;
    pid_t pid = -1;
    struct ks_tpm *tpm = NULL;
    struct ks_buf ak;
    struct ks_buf attest;
    struct ks_buf signature;
    uint8_t values[3][KS_PCR_DIGEST_LEN];
    const uint8_t digest[KS_PCR_DIGEST_LEN] = {0xaa};
    static const uint8_t extra[] = {0xde, 0xad, 0xbe, 0xef};

    ks_buf_init(&ak, KS_AK_PUBLIC_MAX);
    ks_buf_init(&attest, KS_ATTEST_MAX);
    ks_buf_init(&signature, KS_TPM_SIGNATURE_MAX);
    KS_TRY(ks_tpm_start_swtpm(NULL, state_dir, &fd, &pid));
    KS_TRY(ks_tpm_open_fd(fd, 0, &tpm));
    fd = -1; /* taken */
    KS_TRY(ks_tpm_pcr_extend(tpm, 14, digest));
    KS_TRY(ks_tpm_ak_open(tpm));
    ks_tpm_ak_public(tpm, &ak);
    KS_TRY(ks_buf_check(&ak));
    KS_TRY(ks_tpm_pcr_read(tpm, MASK, values));
    KS_TRY(ks_tpm_quote(tpm, KS_BYTES(extra), MASK, &attest, &signature));
    KS_TRY(ks_file_write("ak", ks_buf_view(&ak), 0600));
    KS_TRY(ks_file_write("attest", ks_buf_view(&attest), 0600));
    KS_TRY(ks_file_write("signature", ks_buf_view(&signature), 0600));
    KS_TRY(ks_file_write("values", KS_BYTES(values), 0600));
out:
    ks_tpm_close(tpm);
    ks_fd_close(&fd);
    ks_tpm_stop_swtpm(pid);
    ks_buf_done(&ak);
    ks_buf_done(&attest);
    ks_buf_done(&signature);
    return err;
}

int main(int argc, char **argv)
{
    (void)setenv("TSS2_LOG", "all+none", 1);
    if (argc != 2 || make(argv[1]) != KS_OK) {
        (void)fprintf(stderr, "quote_make: %s\n", ks_err_detail());
        return 1;
    }
    return 0;
}
