/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* sigalgs.h: lists of TLS signature algorithms, as operators write them: which keys the
 * certificates of a site and its devices may have. Pure. */
#ifndef KS_CRYPTO_SIGALGS_H
#define KS_CRYPTO_SIGALGS_H

#include "crypto/sign.h"

#define KS_SIGALGS_MAX     255               /* characters of a list */
#define KS_SIGALGS_DEFAULT "mldsa65:mldsa87" /* where none is named */

/* What a list lets in, and in OUT_ALGS the bit KS_SIGALG_BIT of each algorithm. */
#define KS_SIGALG_BIT(alg) (1U << (unsigned)(alg))
#define KS_SIGALGS_SLHDSA                                                                      \
    (KS_SIGALG_BIT(KS_SIG_SLHDSA_SHA2_128S) | KS_SIGALG_BIT(KS_SIG_SLHDSA_SHA2_128F))
#define KS_SIGALGS_ALL                                                                         \
    (KS_SIGALG_BIT(KS_SIG_MLDSA44) | KS_SIGALG_BIT(KS_SIG_MLDSA65) |                           \
     KS_SIGALG_BIT(KS_SIG_MLDSA87) | KS_SIGALGS_SLHDSA)

/* LIST is names of IANA's registry "TLS SignatureScheme" with ':' between them, each once, the
 * preferred one first: mldsa44, mldsa65, mldsa87, slhdsa_sha2_128s, slhdsa_sha2_128f (the last
 * two are experimental: crypto/slhdsa_tls.h). NULL: KS_SIGALGS_DEFAULT. KS_ERR_USAGE names what
 * is none of them; classical ones are not. */
KS_MUST_CHECK enum ks_err ks_sigalgs_parse(const char *list, uint32_t *out_algs);

/* How such lists call ALG; NULL for one that TLS may not use here. */
const char *ks_sigalgs_name(enum ks_sig_alg alg);

#endif
