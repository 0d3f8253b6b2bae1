/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* keyid.h: names and derivation of one-time keys, which both ends of a delivery share. Pure.
 * Any thread. */
#ifndef KS_QKD_KEYID_H
#define KS_QKD_KEYID_H

#include "base/buf.h"

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

#endif
