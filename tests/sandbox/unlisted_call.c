/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Closes a worker's doors in a build that logs, and makes one call that is in no table: the
 * kernel's log has to show it, or it shows nothing of other programs either. */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enclave/sandbox.h"

int main(void)
{
    if (ks_sandbox_worker(UINT64_C(512) << 20, 1) != KS_OK) {
        (void)fprintf(stderr, "unlisted_call: %s\n", ks_err_detail());
        return 1;
    }
    return syscall(SYS_getppid) > 0 ? 0 : 1;
}
