/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* seal.h: an update on its way to the enclave, and what a round keeps outside of it, as nobody
 * between can read or change them: docs/formats/fl-sealed.md. Hides keys' derivation. Each key
 * seals one update, so its nonce is 0; a round's key seals many checkpoints, each with a nonce
 * of its own. A sealed update carries the KEM's ciphertext in front, so that whoever has its
 * bytes can have the enclave open it again. Pure; any thread. */
#ifndef KS_FL_SEAL_H
#define KS_FL_SEAL_H

#include "crypto/aead.h"
#include "crypto/kem.h"
#include "fl/update.h"

#define KS_FL_SEALED_HEAD_LEN     (20 + KS_KEM_CIPHERTEXT_LEN) /* what comes before the AEAD */
#define KS_FL_SEALED_OVERHEAD     (KS_FL_SEALED_HEAD_LEN + KS_AEAD_TAG_LEN)
#define KS_FL_CHECKPOINT_OVERHEAD (24 + KS_AEAD_NONCE_LEN + KS_AEAD_TAG_LEN)
#define KS_FL_STATE_OVERHEAD      (26 + KS_AEAD_NONCE_LEN + KS_AEAD_TAG_LEN)

/* The key of CLIENT's update about SUBJECT: of the secret that KEM_CIPHERTEXT carries to the
 * enclave. Another client, round or parent has another key. OUT_KEY is the caller's to wipe. */
KS_MUST_CHECK enum ks_err ks_fl_seal_key(const struct ks_secret *shared,
                                         struct ks_bytes kem_ciphertext,
                                         const struct ks_fl_subject *subject,
                                         struct ks_bytes client,
                                         uint8_t out_key[KS_AEAD_KEY_LEN]);
/* Appends UPDATE, sealed; KEM_CIPHERTEXT is the one that KEY is of. KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_fl_seal(const uint8_t key[KS_AEAD_KEY_LEN],
                                     const uint8_t kem_ciphertext[KS_KEM_CIPHERTEXT_LEN],
                                     struct ks_bytes update, struct ks_buf *out);
/* What the first KS_FL_SEALED_HEAD_LEN bytes of a sealed update say: borrowed from HEAD, which
 * is no longer. KS_ERR_FORMAT. */
KS_MUST_CHECK enum ks_err ks_fl_sealed_ciphertext(struct ks_bytes head,
                                                  struct ks_bytes *out_kem_ciphertext);
/* Appends the update. KS_ERR_FORMAT when SEALED is no sealed update; KS_ERR_VERIFY when it is
 * of another key, or was changed. */
KS_MUST_CHECK enum ks_err ks_fl_unseal(const uint8_t key[KS_AEAD_KEY_LEN],
                                       struct ks_bytes sealed, struct ks_buf *out);

/* Likewise for the state of a round; NONCE is random, and not used before with KEY. */
KS_MUST_CHECK enum ks_err ks_fl_checkpoint_seal(const uint8_t key[KS_AEAD_KEY_LEN],
                                                const uint8_t nonce[KS_AEAD_NONCE_LEN],
                                                struct ks_bytes state, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_fl_checkpoint_unseal(const uint8_t key[KS_AEAD_KEY_LEN],
                                                  struct ks_bytes sealed, struct ks_buf *out);

/* Likewise for what a session's rules remember between rounds (fl/state.h). */
KS_MUST_CHECK enum ks_err ks_fl_state_seal(const uint8_t key[KS_AEAD_KEY_LEN],
                                           const uint8_t nonce[KS_AEAD_NONCE_LEN],
                                           struct ks_bytes state, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_fl_state_unseal(const uint8_t key[KS_AEAD_KEY_LEN],
                                             struct ks_bytes sealed, struct ks_buf *out);

#endif
