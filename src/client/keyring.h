/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* keyring.h: a device's one-time keys and its counter, in a directory of its own: a batch of
 * the site's, from which keys are derived, and quantum keys that the site was told of. A key is
 * marked used on disk, a quantum key is no longer there, before it is given out, so a crash
 * loses keys but never gives one twice; processes that share the directory take turns by a
 * lock. Format: docs/formats/keyring.md. */
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

#define KS_KEYRING_QUANTUM_MAX 256

struct ks_keyring_quantum {
    struct ks_etsi014_id id;
    uint8_t key[KS_ONE_TIME_KEY_LEN];
};
/* Adds COUNT of them, which are good until EXPIRES_S, behind those that are there and have not
 * expired at NOW_S. Others' end comes with the earliest. KS_ERR_LIMIT for more than there is
 * room for; KS_ERR_CONFLICT for a name that is there. */
KS_MUST_CHECK enum ks_err ks_keyring_quantum_add(struct ks_keyring *keyring,
                                                 const struct ks_keyring_quantum *keys,
                                                 size_t count, uint64_t expires_s,
                                                 uint64_t now_s);
/* How many keys of each kind there are. */
struct ks_keyring_left {
    size_t kem;
    size_t quantum;
};
KS_MUST_CHECK enum ks_err ks_keyring_count(struct ks_keyring *keyring, uint64_t now_s,
                                           struct ks_keyring_left *out_left);

struct ks_keyring_key {
    char id[KS_KEY_NAME_MAX];
    uint8_t key[KS_ONE_TIME_KEY_LEN];
    uint64_t counter; /* when asked for */
};
/* Which keys to take: one of the site's own, a quantum key, or one of each, combined. */
struct ks_keyring_want {
    bool kem;
    bool quantum;
    bool counter; /* the next value of the counter, too */
};
/* KS_ERR_NOT_FOUND when there are no keys left or they have expired: fetch some. Nothing is
 * taken then. The caller wipes OUT_KEY. */
KS_MUST_CHECK enum ks_err ks_keyring_take(struct ks_keyring *keyring, uint64_t now_s,
                                          const struct ks_keyring_want *want,
                                          struct ks_keyring_key *out_key);
/* Forgets the batch and the quantum keys: the site does not know them (any more). */
KS_MUST_CHECK enum ks_err ks_keyring_drop(struct ks_keyring *keyring);

#endif
