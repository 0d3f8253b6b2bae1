/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* keyfile.h: private key files: PKCS#8 (RFC 5958) in strict PEM, one form per algorithm: the
 * 32-byte seed for Ed25519 (RFC 8410) and ML-DSA (RFC 9881 §6, "seed"), the 64-byte key for
 * SLH-DSA (RFC 9909). Other tools read these files; files of theirs in the expanded ML-DSA
 * forms are refused by name. */
#ifndef KS_CRYPTO_KEYFILE_H
#define KS_CRYPTO_KEYFILE_H

#include "crypto/sign.h"

#define KS_KEY_DER_MAX 84  /* bytes; SLH-DSA with n = 16 */
#define KS_KEY_PEM_MAX 256 /* bytes */

/* Appends the PEM text. The caller gives a buffer of its own, of which ks_buf_wipe gets rid. */
KS_MUST_CHECK enum ks_err ks_sign_key_to_pem(const struct ks_sign_key *key,
                                             struct ks_buf *out_pem);
/* KS_ERR_FORMAT on anything else than what ks_sign_key_to_pem writes. */
KS_MUST_CHECK enum ks_err ks_sign_key_from_pem(struct ks_bytes pem,
                                               struct ks_sign_key **out_key);

/* Reads the regular file PATH. KS_ERR_DENIED when group or others have any right to it, or it
 * belongs to another user than this process or root; KS_ERR_NOT_FOUND when there is none. */
KS_MUST_CHECK enum ks_err ks_sign_key_load(const char *path, struct ks_sign_key **out_key);
/* Creates PATH with mode 0600; KS_ERR_CONFLICT when it exists: a key is never overwritten. */
KS_MUST_CHECK enum ks_err ks_sign_key_save(const struct ks_sign_key *key, const char *path);

#endif
