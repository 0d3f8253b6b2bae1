/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tpmcred.h: the primitives by which a secret is protected for one TPM's endorsement key
 * (TPM 2.0 Library Specification, "TPM2", part 1 §11.4.10, appendices B.10 and C.6): hashes,
 * KDFa, KDFe, RSA-OAEP, one-pass ECDH, AES in CFB mode, HMAC. Randomness is an argument, so
 * that the results can be compared with other programs'. Hides libcrypto. No state; any thread.
 */
#ifndef KS_CRYPTO_TPMCRED_H
#define KS_CRYPTO_TPMCRED_H

#include "base/buf.h"
#include "crypto/ekcert.h"

/* What a TPM calls its name algorithms. SHA-1 is here for old logs alone. */
enum ks_tpm_hash { KS_TPM_SHA1, KS_TPM_SHA256, KS_TPM_SHA384 };
#define KS_TPM_HASH_MAX 48 /* bytes; SHA-384 */
#define KS_SHA1_LEN     20

size_t ks_tpm_hash_len(enum ks_tpm_hash hash); /* bytes */
/* The digest of COUNT views one after the other, ks_tpm_hash_len bytes. */
void ks_tpm_digest(enum ks_tpm_hash hash, const struct ks_bytes *parts, size_t count,
                   uint8_t *out_digest);
/* FIPS 198-1 HMAC over COUNT (at most 8, asserted) views, ks_tpm_hash_len bytes. KS_ERR_NOMEM.
 */
KS_MUST_CHECK enum ks_err ks_tpm_hmac(enum ks_tpm_hash hash, struct ks_bytes key,
                                      const struct ks_bytes *parts, size_t count,
                                      uint8_t *out_tag);

/* TPM2 part 1 §11.4.10.2: SP 800-108 counter mode over HMAC; LABEL's NUL is added here. LEN at
 * most that of one hash (asserted); the caller wipes OUT_KEY. */
KS_MUST_CHECK enum ks_err ks_tpm_kdfa(enum ks_tpm_hash hash, struct ks_bytes key,
                                      const char *label, struct ks_bytes context, size_t len,
                                      uint8_t *out_key);
/* TPM2 part 1 §11.4.10.3: SP 800-56A over a shared x coordinate Z and the two parties' x
 * coordinates. One hash long. */
void ks_tpm_kdfe(enum ks_tpm_hash hash, struct ks_bytes z, const char *use,
                 struct ks_bytes party_u, struct ks_bytes party_v, uint8_t *out_key);

/* AES with KEY (16 or 32 bytes, asserted) in full-block CFB mode, IV zero: TPM2 part 1 §24.4
 * uses each key once. TARGET has the length of PLAINTEXT, at most KS_SECRET_MAX (asserted);
 * they may not overlap. */
KS_MUST_CHECK enum ks_err ks_tpm_cfb_encrypt(struct ks_bytes key, struct ks_bytes plaintext,
                                             uint8_t *target);

/* RSAES-OAEP (RFC 8017 §7.1.1) of MESSAGE with HASH for both uses and LABEL, whose NUL counts
 * (TPM2 part 1 §B.4). SEED is the random octet string of one hash length. Appends the
 * ciphertext, as long as the modulus. KS_ERR_FORMAT when KEY is no RSA key, or one libcrypto
 * refuses. */
KS_MUST_CHECK enum ks_err ks_tpm_oaep_encrypt(const struct ks_ek_key *key,
                                              enum ks_tpm_hash hash, const char *label,
                                              struct ks_bytes seed, struct ks_bytes message,
                                              struct ks_buf *out);

/* One-pass ECDH with a fresh key from RANDOM (at least 8 bytes longer than a coordinate,
 * asserted: FIPS 186-5 §A.2.1): appends nothing; gives that key's point and the shared x
 * coordinate, each KEY->len bytes. The caller wipes OUT_Z. KS_ERR_FORMAT when KEY is no point
 * of its curve. */
KS_MUST_CHECK enum ks_err ks_tpm_ecdh(const struct ks_ek_key *key, struct ks_bytes random,
                                      uint8_t *out_x, uint8_t *out_y, uint8_t *out_z);

#endif
