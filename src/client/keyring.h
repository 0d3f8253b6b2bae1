/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* keyring.h: a device's one-time keys and its counter, in a directory of its own. A key is
 * marked used on disk before it is given out, so a crash loses keys but never gives one twice;
 * processes that share the directory take turns by a lock. Format: docs/formats/keyring.md. */
#ifndef KS_CLIENT_KEYRING_H
#define KS_CLIENT_KEYRING_H

#include <stdbool.h>

#include "qkd/keyid.h"

struct ks_keyring;

/* Makes DIRECTORY, mode 0700. KS_ERR_DENIED for one that others may enter, or that is another
 * user's. */
KS_MUST_CHECK enum ks_err ks_keyring_open(const char *directory,
                                          struct ks_keyring **out_keyring);
void ks_keyring_close(struct ks_keyring *keyring); /* NULL is fine */

struct ks_keyring_batch {
    uint64_t instance;
    uint64_t number;
    uint32_t count;
    uint64_t expires_s;
    uint8_t secret[32];
    uint8_t salt[32];
};
/* Replaces what was there. KS_ERR_CONFLICT for the very batch that is there. */
KS_MUST_CHECK enum ks_err ks_keyring_put(struct ks_keyring *keyring,
                                         const struct ks_keyring_batch *batch);

struct ks_keyring_key {
    char id[KS_KEY_ID_TEXT_MAX];
    uint8_t key[KS_ONE_TIME_KEY_LEN];
    uint64_t counter; /* when asked for */
};
/* The next key, and with WITH_COUNTER the next value of the counter. KS_ERR_NOT_FOUND when
 * there are no keys left or they have expired: fetch a batch. The caller wipes OUT_KEY. */
KS_MUST_CHECK enum ks_err ks_keyring_take(struct ks_keyring *keyring, uint64_t now_s,
                                          bool with_counter, struct ks_keyring_key *out_key);
/* Forgets the batch: the site does not know it (any more). */
KS_MUST_CHECK enum ks_err ks_keyring_drop(struct ks_keyring *keyring);

#endif
