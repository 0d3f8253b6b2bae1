/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* slhdsa_tls.h: SLH-DSA certificates in TLS 1.3, which OpenSSL 3.5 does not know: it has the
 * algorithm, and no code points for it. Hides a provider, built in, that adds them; keys and
 * signatures stay those of libcrypto's own.
 *
 * EXPERIMENTAL. The code points are those of draft-reddy-tls-slhdsa-02 (18 November 2025, an
 * individual Internet-Draft), which IANA's registry "TLS SignatureScheme" lists for that draft
 * with "Recommended: N". They can change before an RFC has them; both ends must have the same.
 *
 *   slhdsa_sha2_128s  0x0911  SLH-DSA-SHA2-128s, the empty context string
 *   slhdsa_sha2_128f  0x0912  SLH-DSA-SHA2-128f
 *
 * Nothing changes for a program that does not ask; where it asks, a TLS context made afterwards
 * still offers only the signature algorithms that it is told to. */
#ifndef KS_CRYPTO_SLHDSA_TLS_H
#define KS_CRYPTO_SLHDSA_TLS_H

#include "base/err.h"

/* What lists of signature algorithms call them, and the registry. */
#define KS_SLHDSA_TLS_128S      "slhdsa_sha2_128s"
#define KS_SLHDSA_TLS_128F      "slhdsa_sha2_128f"
#define KS_SLHDSA_TLS_128S_CODE 0x0911
#define KS_SLHDSA_TLS_128F_CODE 0x0912

/* Adds the code points to this process, once; does nothing when libssl has them already, its
 * own or ours. To be called before the SSL_CTX that is to know them is made, from any thread.
 * KS_ERR_UNAVAILABLE when libcrypto refuses. No file is opened. */
KS_MUST_CHECK enum ks_err ks_slhdsa_tls_add(void);

#endif
