/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* digest.h: SHA-256, HMAC-SHA256, HKDF-SHA256 and Keccak-256. Hides libcrypto's objects and its
 * failures: the functions that return void cannot fail on valid arguments, and abort when
 * libcrypto is broken or out of memory. Every function may be called from any thread; one
 * streaming object belongs to one thread. */
#ifndef KS_CRYPTO_DIGEST_H
#define KS_CRYPTO_DIGEST_H

#include "base/buf.h"

#define KS_SHA256_LEN          32
#define KS_HMAC_SHA256_LEN     32
#define KS_KECCAK256_LEN       32
#define KS_HKDF_SHA256_LEN_MAX (255 * 32) /* RFC 5869 §2.3 */

/* FIPS 180-4 SHA-256 of DATA. */
void ks_sha256(struct ks_bytes data, uint8_t out_digest[KS_SHA256_LEN]);
/* SHA-256 of COUNT views one after the other, as if they stood in one buffer. */
void ks_sha256_parts(const struct ks_bytes *parts, size_t count,
                     uint8_t out_digest[KS_SHA256_LEN]);

/* Documents that end with the SHA-256 of all that is before it. Appends that of what stands in
 * OUT from START on; nothing after an error of OUT's. */
void ks_sha256_put_end(struct ks_buf *out, size_t start);
/* KS_ERR_FORMAT: BYTES are too short for one; KS_ERR_VERIFY: it is another's. */
KS_MUST_CHECK enum ks_err ks_sha256_check_end(struct ks_bytes bytes);

/* Streaming SHA-256. After _final the object can only be freed. */
struct ks_sha256;
KS_MUST_CHECK enum ks_err ks_sha256_new(struct ks_sha256 **out_hash);
void ks_sha256_update(struct ks_sha256 *hash, struct ks_bytes data);
void ks_sha256_final(struct ks_sha256 *hash, uint8_t out_digest[KS_SHA256_LEN]);
void ks_sha256_free(struct ks_sha256 *hash); /* NULL is fine */

/* Keccak-256 as the EVM has it: the padding from before FIPS 202, so not SHA3-256. */
void ks_keccak256(struct ks_bytes data, uint8_t out_digest[KS_KECCAK256_LEN]);

/* FIPS 198-1 HMAC with SHA-256; KEY of any length. Compare tags with ks_ct_equal only. */
void ks_hmac_sha256(struct ks_bytes key, struct ks_bytes data,
                    uint8_t out_tag[KS_HMAC_SHA256_LEN]);

/* RFC 5869 extract-and-expand: LEN bytes to OUT_KEY, which the caller wipes. An empty SALT is
 * the RFC's default of 32 zero bytes. KS_ERR_USAGE unless 1 <= LEN <= KS_HKDF_SHA256_LEN_MAX.
 * On failure OUT_KEY is wiped. */
KS_MUST_CHECK enum ks_err ks_hkdf_sha256(struct ks_bytes secret, struct ks_bytes salt,
                                         struct ks_bytes info, uint8_t *out_key, size_t len);

#endif
