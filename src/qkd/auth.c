/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "qkd/auth.h"

#define BLOCK 16

void ks_auth_hash_init(struct ks_auth_hash *hash, const struct ks_gf2 *gf2,
                       const uint8_t key[KS_AUTH_KEY_LEN])
{
    *hash = (struct ks_auth_hash){.gf2 = gf2, .key = ks_gf128_of(key)};
}

/* sum = (sum + block) key: Horner's rule. */
static void put_block(struct ks_auth_hash *hash, struct ks_gf128 block)
{
    hash->sum.words[0] ^= block.words[0];
    hash->sum.words[1] ^= block.words[1];
    hash->sum = ks_gf128_multiply(hash->gf2, hash->sum, hash->key);
}

void ks_auth_hash_put(struct ks_auth_hash *hash, struct ks_bytes message)
{
    size_t at = 0;

    /* The length first, with a bit that makes it no zero block. */
    put_block(hash, (struct ks_gf128){{message.len, 1}});
    for (; message.len - at >= BLOCK; at += BLOCK) {
        put_block(hash, ks_gf128_of(message.data + at));
    }
    if (at < message.len) {
        uint8_t last[BLOCK] = {0};

        ks_copy(last, message.data + at, message.len - at);
        put_block(hash, ks_gf128_of(last));
    }
}

void ks_auth_hash_value(const struct ks_auth_hash *hash, uint8_t out_value[KS_AUTH_TAG_LEN])
{
    ks_gf128_bytes(hash->sum, out_value);
}

void ks_auth_hash_done(struct ks_auth_hash *hash)
{
    ks_wipe(hash, sizeof *hash);
}

void ks_auth_pool_init(struct ks_auth_pool *pool)
{
    *pool = (struct ks_auth_pool){0};
}

void ks_auth_pool_done(struct ks_auth_pool *pool)
{
    if (pool->data != NULL) {
        ks_wipe(pool->data, pool->len);
    }
    ks_free(pool->data);
    *pool = (struct ks_auth_pool){0};
}

/* Replaces the pool's bytes by those from SKIP on and MORE, wiping the old ones. */
static enum ks_err rebuild(struct ks_auth_pool *pool, size_t skip, struct ks_bytes more)
{
    const size_t kept = pool->len - skip;
    uint8_t *data = ks_calloc(kept + more.len, 1);

    if (data == NULL) {
        return ks_fail(KS_ERR_NOMEM, "a pool of %zu bytes", kept + more.len);
    }
    if (pool->data != NULL) {
        ks_copy(data, pool->data + skip, kept);
        ks_wipe(pool->data, pool->len);
        ks_free(pool->data);
    }
    ks_copy(data + kept, more.data, more.len);
    pool->data = data;
    pool->len = kept + more.len;
    return KS_OK;
}

enum ks_err ks_auth_pool_put(struct ks_auth_pool *pool, struct ks_bytes secret)
{
    if (secret.len > KS_AUTH_POOL_MAX - pool->len) {
        return ks_fail(KS_ERR_LIMIT, "a pool of more than %zu bytes", KS_AUTH_POOL_MAX);
    }
    return rebuild(pool, 0, secret);
}

size_t ks_auth_pool_pads(const struct ks_auth_pool *pool)
{
    return pool->len / KS_AUTH_TAG_LEN;
}

enum ks_err ks_auth_pool_hide(struct ks_auth_pool *pool, uint64_t number,
                              const uint8_t value[KS_AUTH_TAG_LEN],
                              uint8_t out_tag[KS_AUTH_TAG_LEN])
{
    enum ks_err err = KS_OK;
    uint8_t tag[KS_AUTH_TAG_LEN];

    KS_CHECK(number >= pool->first && number - pool->first < ks_auth_pool_pads(pool),
             KS_ERR_DENIED, "pad %llu is not there, or was used already",
             (unsigned long long)number);
    const size_t at = (size_t)(number - pool->first) * KS_AUTH_TAG_LEN;

    for (size_t i = 0; i < KS_AUTH_TAG_LEN; i++) {
        tag[i] = value[i] ^ pool->data[at + i];
    }
    KS_TRY(rebuild(pool, at + KS_AUTH_TAG_LEN, (struct ks_bytes){NULL, 0}));
    pool->first = number + 1;
    ks_copy(out_tag, tag, sizeof tag);
out:
    return err;
}
