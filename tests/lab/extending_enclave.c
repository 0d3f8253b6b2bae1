/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Stands where the enclave should, for data sets of traces and their tests, never installed: it
 * extends the launch PCR once more, by what no log tells, and then becomes the enclave. */

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "attest/eventlog.h"
#include "enclave/launch.h"
#include "tpm/tpm.h"

int main(int argc, char **argv)
{
    static const uint8_t digest[KS_PCR_DIGEST_LEN] = {'u', 'n', 't', 'o', 'l', 'd'};
    struct ks_tpm *tpm = NULL;
    const int copy = fcntl(KS_ENCLAVE_TPM_FD, F_DUPFD_CLOEXEC, KS_ENCLAVE_STATE_FD + 1);

    (void)argc;
    if (copy < 0 || ks_tpm_open_fd(copy, 0, &tpm) != KS_OK ||
        ks_tpm_pcr_extend(tpm, KS_LAUNCH_PCR, digest) != KS_OK) {
        return ks_err_exit_code(KS_ERR_IO);
    }
    ks_tpm_close(tpm);
    (void)execv(KS_ENCLAVE_PROGRAM, argv);
    return ks_err_exit_code(KS_ERR_IO);
}
