/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* aead.h: AES-256-GCM (NIST SP 800-38D), the tag last. No state; any thread. A nonce must never
 * be used twice under one key: the caller derives a key per message or counts. */
#ifndef KS_CRYPTO_AEAD_H
#define KS_CRYPTO_AEAD_H

#include "base/buf.h"

#define KS_AEAD_KEY_LEN   32
#define KS_AEAD_NONCE_LEN 12
#define KS_AEAD_TAG_LEN   16
#define KS_AEAD_LEN_MAX   ((size_t)1 << 30) /* bytes of plaintext, and of associated data */

/* Appends ciphertext || tag (plaintext.len + 16 bytes). AD is authenticated only. KS_ERR_LIMIT
 * above KS_AEAD_LEN_MAX. */
KS_MUST_CHECK enum ks_err ks_aead_seal(const uint8_t key[KS_AEAD_KEY_LEN],
                                       const uint8_t nonce[KS_AEAD_NONCE_LEN],
                                       struct ks_bytes ad, struct ks_bytes plaintext,
                                       struct ks_buf *out_sealed);
/* Appends the plaintext. KS_ERR_VERIFY, and OUT unchanged, when SEALED is too short or anything
 * was changed. */
KS_MUST_CHECK enum ks_err ks_aead_open(const uint8_t key[KS_AEAD_KEY_LEN],
                                       const uint8_t nonce[KS_AEAD_NONCE_LEN],
                                       struct ks_bytes ad, struct ks_bytes sealed,
                                       struct ks_buf *out_plaintext);

#endif
