/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* keypool.h: what a key manager must not forget, and must not remember: distilled bits that
 * nobody has yet, and keys that wait for their slaves. Hides SQL (docs/formats/kme.md).
 *
 * Bits lie in strips, each of a block of the link, of one side, with a number; bits leave a
 * strip from its front. What is removed is overwritten with zeros in its page (secure_delete);
 * the write-ahead log and the disk beneath may keep older copies. One thread; several calls
 * between begin and commit are one transaction. After an error other than those named a pool
 * can only be closed. */
#ifndef KS_STORE_KEYPOOL_H
#define KS_STORE_KEYPOOL_H

#include "store/store.h"

#define KS_KEYPOOL_BLOCK_LEN 16
#define KS_KEYPOOL_ID_LEN    16
#define KS_KEYPOOL_STRIP_MAX 4096 /* bytes */
#define KS_KEYPOOL_KEY_MAX   512  /* bytes */
#define KS_KEYPOOL_SAE_MAX   64   /* bytes, without NUL */
#define KS_KEYPOOL_NAMED_MAX 16   /* slaves of one key */

enum ks_keypool_side {
    KS_KEYPOOL_OWN,  /* this manager gives keys out of it */
    KS_KEYPOOL_PEER, /* the other one does */
};

struct ks_keypool_strip {
    uint8_t block[KS_KEYPOOL_BLOCK_LEN];
    enum ks_keypool_side side;
    uint32_t number;
    uint32_t start; /* bytes that have left it */
};

/* A key that waits. */
struct ks_keypool_held {
    uint8_t id[KS_KEYPOOL_ID_LEN];
    char master[KS_KEYPOOL_SAE_MAX + 1];
    const char *const *named; /* slaves, all different */
    size_t named_count;
    struct ks_bytes key;
    uint64_t until_s; /* forgotten from then on */
};

struct ks_keypool;

KS_MUST_CHECK enum ks_err ks_keypool_open(const struct ks_store_options *options,
                                          struct ks_keypool **out_pool);
void ks_keypool_close(struct ks_keypool *pool); /* NULL is fine; rolls back */

KS_MUST_CHECK enum ks_err ks_keypool_begin(struct ks_keypool *pool);
KS_MUST_CHECK enum ks_err ks_keypool_commit(struct ks_keypool *pool); /* durable with KS_OK */

/* REST is borrowed. In the order in which they were added. */
typedef enum ks_err (*ks_keypool_visit)(void *context, const struct ks_keypool_strip *strip,
                                        struct ks_bytes rest);
KS_MUST_CHECK enum ks_err ks_keypool_strips(struct ks_keypool *pool, ks_keypool_visit visit,
                                            void *context);
/* KS_ERR_CONFLICT when it is there. */
KS_MUST_CHECK enum ks_err ks_keypool_strip_add(struct ks_keypool *pool,
                                               const struct ks_keypool_strip *strip,
                                               struct ks_bytes rest);
/* STRIP's start and REST take the place of what there was; an empty REST removes it.
 * KS_ERR_NOT_FOUND. */
KS_MUST_CHECK enum ks_err ks_keypool_strip_cut(struct ks_keypool *pool,
                                               const struct ks_keypool_strip *strip,
                                               struct ks_bytes rest);

/* KS_ERR_CONFLICT when the id is there. */
KS_MUST_CHECK enum ks_err ks_keypool_hold(struct ks_keypool *pool,
                                          const struct ks_keypool_held *held);
/* What SAE may take: master, key (in OUT_KEY) and time, without names. KS_ERR_NOT_FOUND when
 * there is no such key, or SAE has taken it; KS_ERR_DENIED when SAE was not named. */
KS_MUST_CHECK enum ks_err ks_keypool_find(struct ks_keypool *pool,
                                          const uint8_t id[KS_KEYPOOL_ID_LEN], const char *sae,
                                          uint8_t out_key[KS_KEYPOOL_KEY_MAX],
                                          struct ks_keypool_held *out_held);
/* SAE takes a key that was found; with the last of the named ones it is gone: OUT_GONE. */
KS_MUST_CHECK enum ks_err ks_keypool_take(struct ks_keypool *pool,
                                          const uint8_t id[KS_KEYPOOL_ID_LEN], const char *sae,
                                          bool *out_gone);
/* Removes the keys whose time is over. */
KS_MUST_CHECK enum ks_err ks_keypool_forget(struct ks_keypool *pool, uint64_t now_s,
                                            uint64_t *out_count);
/* How many keys wait; looks at each of them. */
KS_MUST_CHECK enum ks_err ks_keypool_count(struct ks_keypool *pool, uint64_t *out_held);

#endif
