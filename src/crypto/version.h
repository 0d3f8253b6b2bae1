/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* version.h: the first call of each program that links libcrypto. */
#ifndef KS_CRYPTO_VERSION_H
#define KS_CRYPTO_VERSION_H

#include <stdbool.h>

#include "base/err.h"

/* Starts libcrypto without reading any configuration file (OPENSSL_CONF could load foreign
 * providers), and refuses with KS_ERR_UNAVAILABLE when the library found at run time is older
 * than 3.5 or lacks an algorithm that ketseal needs. Call it before any thread and any other
 * use of libcrypto or libssl. */
KS_MUST_CHECK enum ks_err ks_crypto_check_version(void);

/* For a program whose answer must not hang on how much memory there was. libcrypto calls a key
 * "malformed" and a signature "false" also when it could not allocate, and does not always say
 * so; hence the second of these is asked before its word is passed on. The first is called
 * before any other use of libcrypto. */
void ks_libcrypto_watch_memory(void);
bool ks_libcrypto_lacked_memory(void); /* since then, at any time */

#endif
