/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* pool.h: the distilled bits of one manager, in two halves: its own, of which it gives out
 * keys, and a copy of the other manager's, from which it learns what that one has given out.
 * Hides strips and how both ends come to the same ones again (docs/formats/kme.md).
 *
 * A key is bits that are cut off a strip of the own half, and at the other end off the same
 * strip of the peer's half; bits cut off never come back. Changes are durable when the
 * transaction around them is committed. One thread. */
#ifndef KS_KME_POOL_H
#define KS_KME_POOL_H

#include "store/keypool.h"

#define KS_KME_STRIPS_MAX 16384 /* in both halves */

struct ks_kme_pool;

/* Where a key was cut. */
struct ks_kme_place {
    uint8_t block[KS_KEYPOOL_BLOCK_LEN];
    uint32_t number;
    uint32_t start;
    uint16_t len; /* bytes */
};

/* Nothing that was there before is to be used until ks_kme_pool_agree. */
KS_MUST_CHECK enum ks_err ks_kme_pool_open(const struct ks_store_options *options,
                                           struct ks_kme_pool **out_pool);
void ks_kme_pool_close(struct ks_kme_pool *pool); /* wipes; NULL is fine */
/* For transactions, and for keys that wait. */
struct ks_keypool *ks_kme_pool_store(struct ks_kme_pool *pool);

/* A block of the link, KEY: its first OWN_LEN bytes, or with OWN_LAST its last ones, are the
 * own half, the rest the peer's. Not to be used until it is confirmed. KS_ERR_LIMIT when there
 * are too many strips. */
struct ks_kme_block {
    uint8_t id[KS_KEYPOOL_BLOCK_LEN];
    struct ks_bytes key;
    size_t own_len;
    bool own_last;
};
KS_MUST_CHECK enum ks_err ks_kme_pool_add(struct ks_kme_pool *pool,
                                          const struct ks_kme_block *block);
/* The other end has it too. */
void ks_kme_pool_confirm(struct ks_kme_pool *pool, const uint8_t id[KS_KEYPOOL_BLOCK_LEN]);
/* Or never will. */
KS_MUST_CHECK enum ks_err ks_kme_pool_drop(struct ks_kme_pool *pool,
                                           const uint8_t id[KS_KEYPOOL_BLOCK_LEN]);

/* How many keys of LEN bytes the usable strips of a half give. */
uint64_t ks_kme_pool_keys(const struct ks_kme_pool *pool, enum ks_keypool_side side,
                          size_t len);
/* Bytes of a half, usable or not. */
uint64_t ks_kme_pool_bytes(const struct ks_kme_pool *pool, enum ks_keypool_side side);
/* Cuts a key of LEN bytes off the own half. KS_ERR_NOT_FOUND when there is none. */
KS_MUST_CHECK enum ks_err ks_kme_pool_draw(struct ks_kme_pool *pool, size_t len,
                                           struct ks_kme_place *out_place, uint8_t *out_key);
/* What the other manager has cut off its half. KS_ERR_CONFLICT when that is not there, or was
 * cut off before: the two do not agree any more. */
KS_MUST_CHECK enum ks_err ks_kme_pool_follow(struct ks_kme_pool *pool,
                                             const struct ks_kme_place *place,
                                             uint8_t *out_key);

/* Everything this end has, for the other one; and the other one's, upon which what is not
 * common is dropped, here and, by the same rule, there, and all the rest may be used.
 * KS_ERR_FORMAT for a list that is malformed. */
void ks_kme_pool_list(const struct ks_kme_pool *pool, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_kme_pool_agree(struct ks_kme_pool *pool, struct ks_bytes list);
/* The other end is gone: nothing is to be used until the next agreement. */
void ks_kme_pool_part(struct ks_kme_pool *pool);

#endif
