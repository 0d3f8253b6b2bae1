/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* auth.h: authentication after Wegman and Carter (1981): a universal hash of everything that
 * was said, under a secret key, hidden by a one-time pad. The hash is the polynomial of the
 * message's 128-bit blocks over GF(2^128): two transcripts of at most L blocks have tags that
 * differ by a given value with probability at most L / 2^128. The key of the hash may be used
 * again since each tag has a pad of its own (Wegman and Carter, §4); pads come from a pool that
 * both ends hold. */
#ifndef KS_QKD_AUTH_H
#define KS_QKD_AUTH_H

#include "base/buf.h"
#include "qkd/gf2.h"

#define KS_AUTH_KEY_LEN  16
#define KS_AUTH_TAG_LEN  16
#define KS_AUTH_POOL_MAX ((size_t)1 << 20) /* bytes of pads at once */

/* The hash of a transcript: messages are put in with their lengths, so that no two sequences of
 * messages are the same transcript. */
struct ks_auth_hash {
    const struct ks_gf2 *gf2;
    struct ks_gf128 key;
    struct ks_gf128 sum;
};
void ks_auth_hash_init(struct ks_auth_hash *hash, const struct ks_gf2 *gf2,
                       const uint8_t key[KS_AUTH_KEY_LEN]);
void ks_auth_hash_put(struct ks_auth_hash *hash, struct ks_bytes message);
/* The value of what was put in until now; more may follow. */
void ks_auth_hash_value(const struct ks_auth_hash *hash, uint8_t out_value[KS_AUTH_TAG_LEN]);
void ks_auth_hash_done(struct ks_auth_hash *hash); /* wipes */

/* Pads, numbered from 0 over the life of the pool; each is given out once. */
struct ks_auth_pool {
    uint8_t *data; /* from pad FIRST on */
    size_t len;
    uint64_t first;
};
void ks_auth_pool_init(struct ks_auth_pool *pool); /* empty */
void ks_auth_pool_done(struct ks_auth_pool *pool); /* wipes */
/* Puts secret bytes behind the others. KS_ERR_LIMIT above KS_AUTH_POOL_MAX. */
KS_MUST_CHECK enum ks_err ks_auth_pool_put(struct ks_auth_pool *pool, struct ks_bytes secret);
size_t ks_auth_pool_pads(const struct ks_auth_pool *pool); /* whole ones left */
/* Hides VALUE under pad NUMBER, and forgets it and all before. KS_ERR_DENIED when it was given
 * out already, or is not there. */
KS_MUST_CHECK enum ks_err ks_auth_pool_hide(struct ks_auth_pool *pool, uint64_t number,
                                            const uint8_t value[KS_AUTH_TAG_LEN],
                                            uint8_t out_tag[KS_AUTH_TAG_LEN]);

#endif
