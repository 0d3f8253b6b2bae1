/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* internal.h: what the files of crypto share, and what its tests need to replay published
 * vectors. Nothing outside src/crypto and tests/unit may include it. */
#ifndef KS_CRYPTO_INTERNAL_H
#define KS_CRYPTO_INTERNAL_H

#include <openssl/bio.h>
#include <openssl/evp.h>

#include "base/buf.h"
#include "crypto/kem.h"
#include "crypto/sign.h"

/* Stores WHAT with libcrypto's own reason, empties libcrypto's error queue (a rest there would
 * be taken for an error of the next TLS call on this thread) and returns CODE, or KS_ERR_NOMEM
 * when memory was what ran out. */
#define ks_fail_libcrypto(code, what) ks_fail_libcrypto_at(__FILE__, __LINE__, (code), (what))
KS_MUST_CHECK enum ks_err ks_fail_libcrypto_at(const char *file, int line, enum ks_err code,
                                               const char *what);

/* Empties libcrypto's error queue, for where its "no" is an ordinary answer. */
void ks_libcrypto_forget(void);

/* The pointer of a view for calls that dislike NULL even where the length is 0. */
const uint8_t *ks_bytes_pointer(struct ks_bytes bytes);

/* PEM (RFC 7468, strict form): one block, lines of 64 characters, "\n" ends, nothing before or
 * after, so that one DER value has one text. Writing is sticky in OUT. Parsing appends to
 * OUT_DER; KS_ERR_FORMAT names the line. */
void ks_pem_put(struct ks_buf *out, const char *label, struct ks_bytes der);
KS_MUST_CHECK enum ks_err ks_pem_parse(struct ks_bytes text, const char *label,
                                       struct ks_buf *out_der);

/* The DER of the next block of BIO, appended; lines between blocks are passed over, as makers
 * and tools write some. *OUT_MORE is false, and nothing appended, when there is no more.
 * KS_ERR_FORMAT for a block of another LABEL or with a header. */
KS_MUST_CHECK enum ks_err ks_pem_next(BIO *bio, const char *label, struct ks_buf *out_der,
                                      bool *out_more);

/* Borrowed; read only. */
EVP_PKEY *ks_sign_key_evp(const struct ks_sign_key *key);
EVP_PKEY *ks_verify_key_evp(const struct ks_verify_key *key);
/* The algorithm of PKEY into *out_alg, or false when it is none of ours. */
bool ks_sig_alg_of_evp(const EVP_PKEY *pkey, enum ks_sig_alg *out_alg);

/* ks_sign and ks_verify with a context of any bytes (KS_ERR_USAGE above 255, or when not empty
 * for Ed25519) and, for signing, the deterministic variant of FIPS 204 §3.4 and FIPS 205 §9.2.
 */
struct ks_sign_options {
    struct ks_bytes context;
    bool deterministic;
};
KS_MUST_CHECK enum ks_err ks_sign_with(const struct ks_sign_key *key,
                                       const struct ks_sign_options *options,
                                       struct ks_bytes message, struct ks_buf *out_signature);
KS_MUST_CHECK enum ks_err ks_verify_with(const struct ks_verify_key *key,
                                         struct ks_bytes context, struct ks_bytes message,
                                         struct ks_bytes signature);

/* ks_kem_encap with the 32 bytes m of FIPS 203 algorithm 17 given: for published vectors only.
 */
KS_MUST_CHECK enum ks_err ks_kem_encap_with(enum ks_kem_alg alg, struct ks_bytes public_key,
                                            struct ks_bytes entropy,
                                            struct ks_buf *out_ciphertext,
                                            struct ks_secret *out_shared);

#endif
