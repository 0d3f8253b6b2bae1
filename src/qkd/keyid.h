/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* keyid.h: names and derivation of one-time keys, which both ends of a delivery share. Pure.
 * Any thread. */
#ifndef KS_QKD_KEYID_H
#define KS_QKD_KEYID_H

#include "base/buf.h"
#include "qkd/etsi014.h"

#define KS_ONE_TIME_KEY_LEN 32
#define KS_KEY_BATCH_MAX    4096 /* keys in a batch */

/* Both ends derive the same key: HKDF-SHA256(secret, salt, "ketseal/one-time-key/1" || u32be
 * index). */
KS_MUST_CHECK enum ks_err ks_one_time_key_derive(struct ks_bytes secret, struct ks_bytes salt,
                                                 uint32_t index,
                                                 uint8_t out_key[KS_ONE_TIME_KEY_LEN]);
/* "<instance 16 hex>.<batch 16 hex>.<index decimal>", and back, strictly. */
#define KS_KEY_ID_TEXT_MAX 48
void ks_key_id_text(uint64_t instance, uint64_t number, uint32_t index,
                    char target[KS_KEY_ID_TEXT_MAX]);
KS_MUST_CHECK enum ks_err ks_key_id_parse(struct ks_bytes text, uint64_t *out_instance,
                                          uint64_t *out_number, uint32_t *out_index);

/* --- keys of every source ----------------------------------------------------------------- */

/* What a one-time key is called: of the site's own delivery "<instance>.<batch>.<index>", a
 * quantum key by its key_ID, the two combined by both with ':' between them. */
struct ks_key_name {
    bool kem; /* one of these two, or both */
    bool quantum;
    uint64_t instance; /* these three: of kem */
    uint64_t number;
    uint32_t index;
    struct ks_etsi014_id id; /* of quantum */
};
#define KS_KEY_NAME_MAX (KS_KEY_ID_TEXT_MAX + 1 + KS_ETSI014_ID_TEXT_LEN)
void ks_key_name_text(const struct ks_key_name *name, char target[KS_KEY_NAME_MAX]);
/* Strict: a key_ID in lower case alone, so that one key has one name. */
KS_MUST_CHECK enum ks_err ks_key_name_parse(struct ks_bytes text, struct ks_key_name *out_name);

/* The key that NAME, one of both, stands for: HKDF-SHA256(secret quantum key, salt kem key,
 * info "ketseal/both/1\n" || NAME's text). Whoever lacks either of the two cannot tell it from
 * random. */
KS_MUST_CHECK enum ks_err ks_one_time_key_both(const uint8_t kem[KS_ONE_TIME_KEY_LEN],
                                               const uint8_t quantum[KS_ONE_TIME_KEY_LEN],
                                               const struct ks_key_name *name,
                                               uint8_t out_key[KS_ONE_TIME_KEY_LEN]);

#endif
