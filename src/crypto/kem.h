/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* kem.h: ML-KEM (FIPS 203). Keys are immutable; any number of threads may use one at once. The
 * shared secret (32 bytes) comes in a ks_secret, which the caller wipes with ks_secret_done. */
#ifndef KS_CRYPTO_KEM_H
#define KS_CRYPTO_KEM_H

#include "base/buf.h"

enum ks_kem_alg {
    KS_KEM_MLKEM512,
    KS_KEM_MLKEM768,
    KS_KEM_MLKEM1024,
};
#define KS_KEM_ALG_COUNT          3
#define KS_KEM_SEED_LEN           64 /* d || z, FIPS 203 algorithm 19 */
#define KS_KEM_SHARED_LEN         32
#define KS_KEM_PUBLIC_LEN         1184 /* ML-KEM-768, FIPS 203 table 3 */
#define KS_KEM_CIPHERTEXT_LEN     1088
#define KS_KEM_PUBLIC_LEN_MAX     1568 /* ML-KEM-1024 */
#define KS_KEM_CIPHERTEXT_LEN_MAX 1568

const char *ks_kem_alg_name(enum ks_kem_alg alg);  /* "ML-KEM-768" */
size_t ks_kem_public_len(enum ks_kem_alg alg);     /* bytes */
size_t ks_kem_ciphertext_len(enum ks_kem_alg alg); /* bytes */

struct ks_kem_key; /* a decapsulation key */

KS_MUST_CHECK enum ks_err ks_kem_key_new(enum ks_kem_alg alg, struct ks_kem_key **out_key);
/* SEED is d || z: KS_ERR_FORMAT unless KS_KEM_SEED_LEN bytes. Deterministic. */
KS_MUST_CHECK enum ks_err ks_kem_key_from_seed(enum ks_kem_alg alg, struct ks_bytes seed,
                                               struct ks_kem_key **out_key);
void ks_kem_key_free(struct ks_kem_key *key); /* NULL is fine; wipes */
enum ks_kem_alg ks_kem_key_alg(const struct ks_kem_key *key);
/* Appends the encapsulation key (ks_kem_public_len bytes). */
KS_MUST_CHECK enum ks_err ks_kem_key_public(const struct ks_kem_key *key,
                                            struct ks_buf *out_public);

/* Appends the ciphertext for the holder of PUBLIC_KEY and sets the secret both then share.
 * KS_ERR_FORMAT on a wrong length or a key that fails the modulus check of FIPS 203 §7.2. */
KS_MUST_CHECK enum ks_err ks_kem_encap(enum ks_kem_alg alg, struct ks_bytes public_key,
                                       struct ks_buf *out_ciphertext,
                                       struct ks_secret *out_shared);
/* KS_ERR_FORMAT on a wrong length only: a ciphertext that was tampered with gives a secret
 * nobody else has (implicit rejection, FIPS 203 §6.3), which the first tag made with it will
 * show. */
KS_MUST_CHECK enum ks_err ks_kem_decap(const struct ks_kem_key *key, struct ks_bytes ciphertext,
                                       struct ks_secret *out_shared);

#endif
