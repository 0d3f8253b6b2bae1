/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* unlisted.h: the seam at which test builds of the confined programs log what their tables do
 * not list (tests/sandbox/unlisted_log.c). The product links unlisted_kill.c. */
#ifndef KS_ENCLAVE_UNLISTED_H
#define KS_ENCLAVE_UNLISTED_H

#include <stdint.h>

/* What a system call does that is in no table: an action of libseccomp. */
extern const uint32_t ks_sandbox_unlisted;

#endif
