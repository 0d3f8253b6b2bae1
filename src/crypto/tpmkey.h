/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tpmkey.h: verifying the classical signatures a TPM makes over its quotes. TPMs have no
 * post-quantum keys yet; nothing in ketseal rests on these signatures alone. No state; any
 * thread. */
#ifndef KS_CRYPTO_TPMKEY_H
#define KS_CRYPTO_TPMKEY_H

#include "base/mem.h"

#define KS_P256_LEN     32 /* bytes of a coordinate or scalar, big-endian, leading zeros kept */
#define KS_RSA_LEN_MIN  256 /* bytes of modulus: 2,048 bits */
#define KS_RSA_LEN_MAX  512 /* 4,096 bits */
#define KS_RSA_EXPONENT 65537

/* ECDSA over P-256 (FIPS 186-5 §6.4.2) of the 32-byte DIGEST. KS_ERR_FORMAT when (X, Y) is not
 * on the curve, KS_ERR_VERIFY when the signature is false. */
KS_MUST_CHECK enum ks_err ks_ecdsa_p256_verify(const uint8_t x[KS_P256_LEN],
                                               const uint8_t y[KS_P256_LEN],
                                               const uint8_t digest[32],
                                               const uint8_t r[KS_P256_LEN],
                                               const uint8_t s[KS_P256_LEN]);

/* RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017 §8.2.2) of the 32-byte DIGEST. MODULUS is big-endian
 * without leading zeros. KS_ERR_FORMAT when the modulus is even or not of KS_RSA_LEN_MIN to
 * KS_RSA_LEN_MAX bytes, or the exponent is not KS_RSA_EXPONENT; KS_ERR_VERIFY when the
 * signature is false. */
KS_MUST_CHECK enum ks_err ks_rsa_verify(struct ks_bytes modulus, uint32_t exponent,
                                        const uint8_t digest[32], struct ks_bytes signature);

#endif
