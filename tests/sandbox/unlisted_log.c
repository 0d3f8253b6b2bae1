/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Test builds of ketseald, the enclave and the worker: a system call that is in no table is
 * made, and the kernel's log says so (tests/integration/log.sh). */
#include "enclave/unlisted.h"

#include <seccomp.h>

const uint32_t ks_sandbox_unlisted = SCMP_ACT_LOG;
