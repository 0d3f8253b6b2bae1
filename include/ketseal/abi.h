/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* abi.h: whether who calls the library was compiled for this one. Enumerations only grow at
 * their end, structs of options begin with a version and keep their layout for it. Bindings of
 * other languages compare sizes before their first call. Any thread. */
#ifndef KETSEAL_ABI_H
#define KETSEAL_ABI_H

#include <stddef.h>

#include "ketseal/error.h"

#pragma GCC visibility push(default)

/* "0.1.0" */
const char *ks_abi_version(void);

/* That struct NAME ("ks_job_spec") takes SIZE bytes here. KS_ERR_CONFLICT when it takes others;
 * KS_ERR_NOT_FOUND for a struct that is opaque, grows, or is none. */
KS_MUST_CHECK enum ks_err ks_abi_check(const char *name, size_t size);

#pragma GCC visibility pop

#endif
