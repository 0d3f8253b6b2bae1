/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/unlisted.h"

#include <seccomp.h>

const uint32_t ks_sandbox_unlisted = SCMP_ACT_KILL_PROCESS;
