/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* sign.h: signature keys from seeds, signing and verifying. Hides libcrypto's keys and the
 * differences between Ed25519 (RFC 8032), ML-DSA (FIPS 204) and SLH-DSA (FIPS 205).
 *
 * Keys are immutable after they are made; any number of threads may use one at once. The caller
 * frees each key once; private parts are wiped by libcrypto when it does. */
#ifndef KS_CRYPTO_SIGN_H
#define KS_CRYPTO_SIGN_H

#include "base/buf.h"

enum ks_sig_alg {
    KS_SIG_ED25519,
    KS_SIG_MLDSA44,
    KS_SIG_MLDSA65,
    KS_SIG_MLDSA87,
    KS_SIG_SLHDSA_SHA2_128S,
    KS_SIG_SLHDSA_SHA2_128F,
};
#define KS_SIG_ALG_COUNT       6
#define KS_SIG_LEN_MAX         17088 /* bytes; SLH-DSA-SHA2-128f, FIPS 205 table 2 */
#define KS_SIG_PUBLIC_LEN_MAX  2592  /* bytes; ML-DSA-87, FIPS 204 table 2 */
#define KS_SIG_SEED_LEN_MAX    48    /* bytes; SLH-DSA with n = 16 */
#define KS_SIG_CONTEXT_LEN_MAX 255   /* FIPS 204 §5.2, FIPS 205 §10.2 */

/* "Ed25519", "ML-DSA-65", "SLH-DSA-SHA2-128s"; the value must be of the enumeration (asserted).
 */
const char *ks_sig_alg_name(enum ks_sig_alg alg);
/* The reverse; KS_ERR_FORMAT names what was not known. */
KS_MUST_CHECK enum ks_err ks_sig_alg_from_name(struct ks_bytes name, enum ks_sig_alg *out_alg);
/* True for ML-DSA and SLH-DSA. */
bool ks_sig_alg_post_quantum(enum ks_sig_alg alg);
/* Exact lengths in bytes. The seed is RFC 8032's private key (32), FIPS 204's xi (32), or
 * SLH-DSA's SK.seed || SK.prf || PK.seed (48). */
size_t ks_sig_public_len(enum ks_sig_alg alg);
size_t ks_sig_seed_len(enum ks_sig_alg alg);
size_t ks_sig_len(enum ks_sig_alg alg);

struct ks_sign_key;   /* private */
struct ks_verify_key; /* public */

/* KS_ERR_FORMAT when SEED is not exactly ks_sig_seed_len. Deterministic. */
KS_MUST_CHECK enum ks_err ks_sign_key_from_seed(enum ks_sig_alg alg, struct ks_bytes seed,
                                                struct ks_sign_key **out_key);
/* From fresh randomness of libcrypto's generator. */
KS_MUST_CHECK enum ks_err ks_sign_key_new(enum ks_sig_alg alg, struct ks_sign_key **out_key);
void ks_sign_key_free(struct ks_sign_key *key); /* NULL is fine */
enum ks_sig_alg ks_sign_key_alg(const struct ks_sign_key *key);
/* Appends the raw public key (ks_sig_public_len bytes). */
KS_MUST_CHECK enum ks_err ks_sign_key_public(const struct ks_sign_key *key,
                                             struct ks_buf *out_public);
/* The public half as an object of its own. */
KS_MUST_CHECK enum ks_err ks_sign_key_verify_key(const struct ks_sign_key *key,
                                                 struct ks_verify_key **out_key);

/* From raw public bytes: KS_ERR_FORMAT on a wrong length or an encoding libcrypto refuses. */
KS_MUST_CHECK enum ks_err ks_verify_key_new(enum ks_sig_alg alg, struct ks_bytes raw_public,
                                            struct ks_verify_key **out_key);
void ks_verify_key_free(struct ks_verify_key *key); /* NULL is fine */
enum ks_sig_alg ks_verify_key_alg(const struct ks_verify_key *key);
KS_MUST_CHECK enum ks_err ks_verify_key_public(const struct ks_verify_key *key,
                                               struct ks_buf *out_public);

/* Appends the signature (ks_sig_len bytes) of MESSAGE under CONTEXT, the context string of FIPS
 * 204 and FIPS 205: at most 255 bytes, and empty for Ed25519, which has none (both asserted:
 * only the program chooses contexts). ML-DSA and SLH-DSA sign hedged, so two signatures of one
 * message differ. */
KS_MUST_CHECK enum ks_err ks_sign(const struct ks_sign_key *key, const char *context,
                                  struct ks_bytes message, struct ks_buf *out_signature);
/* KS_OK if SIGNATURE is right; KS_ERR_VERIFY if it is false, of a wrong length included. */
KS_MUST_CHECK enum ks_err ks_verify(const struct ks_verify_key *key, const char *context,
                                    struct ks_bytes message, struct ks_bytes signature);

#endif
