/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "kme/pool.h"

#include <stdlib.h>
#include <string.h>

#define ENTRY_LEN                                                                              \
    (1 + KS_KEYPOOL_BLOCK_LEN + 4 + 4) /* of a list: side, block, number, start                \
                                        */
#define REST_SMALL 7 /* bytes; a strip that has no more is given up, at both ends */

/* A strip in memory. */
struct strip {
    struct ks_keypool_strip name;
    uint8_t *data; /* what is left is data[start..len) */
    size_t len;
    bool usable;
};

struct ks_kme_pool {
    struct ks_keypool *store;
    struct strip *strips; /* KS_KME_STRIPS_MAX of them, in the order in which they came */
    size_t count;
    uint64_t bytes[2]; /* left, by side */
};

static void strip_done(struct strip *strip)
{
    if (strip->data != NULL) {
        ks_wipe(strip->data, strip->len);
    }
    ks_free(strip->data);
    *strip = (struct strip){0};
}

static size_t left(const struct strip *strip)
{
    return strip->len - strip->name.start;
}

static struct ks_bytes rest_of(const struct strip *strip)
{
    return ks_bytes_of(strip->data + strip->name.start, left(strip));
}

/* --- opening ------------------------------------------------------------------------------ */

static enum ks_err take_strip(struct ks_kme_pool *pool, const struct ks_keypool_strip *name,
                              struct ks_bytes rest)
{
    struct strip *strip = &pool->strips[pool->count];

    if (pool->count == KS_KME_STRIPS_MAX) {
        return ks_fail(KS_ERR_LIMIT, "the pool has %d strips already", KS_KME_STRIPS_MAX);
    }
    *strip = (struct strip){.name = *name, .len = name->start + rest.len};
    strip->data = ks_calloc(strip->len, 1);
    if (strip->data == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for a strip of bits");
    }
    ks_copy(strip->data + name->start, rest.data, rest.len);
    pool->count++;
    pool->bytes[name->side] += rest.len;
    return KS_OK;
}

static enum ks_err load_strip(void *context, const struct ks_keypool_strip *name,
                              struct ks_bytes rest)
{
    return take_strip(context, name, rest);
}

enum ks_err ks_kme_pool_open(const struct ks_store_options *options,
                             struct ks_kme_pool **out_pool)
{
    enum ks_err err = KS_OK;
    struct ks_kme_pool *pool = ks_calloc(1, sizeof *pool);

    KS_CHECK(pool != NULL, KS_ERR_NOMEM, "no memory for a pool");
    pool->strips = ks_calloc(KS_KME_STRIPS_MAX, sizeof *pool->strips);
    KS_CHECK(pool->strips != NULL, KS_ERR_NOMEM, "no memory for a pool");
    KS_TRY(ks_keypool_open(options, &pool->store));
    KS_TRY(ks_keypool_strips(pool->store, load_strip, pool));
    *out_pool = pool;
    pool = NULL;
out:
    ks_kme_pool_close(pool);
    return err;
}

void ks_kme_pool_close(struct ks_kme_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    for (size_t i = 0; i < pool->count; i++) {
        strip_done(&pool->strips[i]);
    }
    ks_free(pool->strips);
    ks_keypool_close(pool->store);
    ks_free(pool);
}

struct ks_keypool *ks_kme_pool_store(struct ks_kme_pool *pool)
{
    return pool->store;
}

/* --- blocks ------------------------------------------------------------------------------- */

static enum ks_err add_half(struct ks_kme_pool *pool, const uint8_t *id,
                            enum ks_keypool_side side, struct ks_bytes bits)
{
    enum ks_err err = KS_OK;
    struct ks_keypool_strip name = {.side = side};

    ks_copy(name.block, id, sizeof name.block);
    for (size_t at = 0; at < bits.len; at += KS_KEYPOOL_STRIP_MAX, name.number++) {
        const size_t len =
            bits.len - at < KS_KEYPOOL_STRIP_MAX ? bits.len - at : KS_KEYPOOL_STRIP_MAX;

        if (len > REST_SMALL) {
            KS_TRY(take_strip(pool, &name, ks_bytes_of(bits.data + at, len)));
            KS_TRY(ks_keypool_strip_add(pool->store, &name, ks_bytes_of(bits.data + at, len)));
        }
    }
out:
    return err;
}

enum ks_err ks_kme_pool_add(struct ks_kme_pool *pool, const struct ks_kme_block *block)
{
    enum ks_err err = KS_OK;
    const size_t peer_len = block->key.len - block->own_len;
    const uint8_t *own = block->key.data + (block->own_last ? peer_len : 0);
    const uint8_t *peer = block->key.data + (block->own_last ? 0 : block->own_len);

    KS_ASSERT(block->own_len <= block->key.len);
    KS_CHECK(block->key.len / KS_KEYPOOL_STRIP_MAX + 2 <= KS_KME_STRIPS_MAX - pool->count,
             KS_ERR_LIMIT, "a block of %zu bytes has no place in the pool", block->key.len);
    KS_TRY(add_half(pool, block->id, KS_KEYPOOL_OWN, ks_bytes_of(own, block->own_len)));
    KS_TRY(add_half(pool, block->id, KS_KEYPOOL_PEER, ks_bytes_of(peer, peer_len)));
out:
    return err;
}

static bool is_of(const struct strip *strip, const uint8_t id[KS_KEYPOOL_BLOCK_LEN])
{
    return ks_bytes_equal(KS_BYTES(strip->name.block), ks_bytes_of(id, KS_KEYPOOL_BLOCK_LEN));
}

void ks_kme_pool_confirm(struct ks_kme_pool *pool, const uint8_t id[KS_KEYPOOL_BLOCK_LEN])
{
    for (size_t i = 0; i < pool->count; i++) {
        pool->strips[i].usable = pool->strips[i].usable || is_of(&pool->strips[i], id);
    }
}

/* Takes strips out of the list that were emptied, from AT on. */
static void close_gaps(struct ks_kme_pool *pool, size_t at)
{
    size_t kept = at;

    for (size_t i = at; i < pool->count; i++) {
        if (pool->strips[i].data != NULL) {
            pool->strips[kept] = pool->strips[i];
            kept++;
        }
    }
    pool->count = kept;
}

/* Cuts STRIP so that it starts at START; what is too small to be of use goes too. The strip may
 * be emptied: then close_gaps. */
static enum ks_err cut(struct ks_kme_pool *pool, struct strip *strip, size_t start)
{
    enum ks_err err = KS_OK;
    const size_t before = left(strip);

    KS_ASSERT(start >= strip->name.start && start <= strip->len);
    ks_wipe(strip->data + strip->name.start, start - strip->name.start);
    strip->name.start = (uint32_t)(strip->len - start > REST_SMALL ? start : strip->len);
    pool->bytes[strip->name.side] -= before - left(strip);
    KS_TRY(ks_keypool_strip_cut(pool->store, &strip->name, rest_of(strip)));
    if (left(strip) == 0) {
        strip_done(strip);
    }
out:
    return err;
}

enum ks_err ks_kme_pool_drop(struct ks_kme_pool *pool, const uint8_t id[KS_KEYPOOL_BLOCK_LEN])
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < pool->count; i++) {
        if (is_of(&pool->strips[i], id)) {
            KS_TRY(cut(pool, &pool->strips[i], pool->strips[i].len));
        }
    }
    close_gaps(pool, 0);
out:
    return err;
}

/* --- keys --------------------------------------------------------------------------------- */

uint64_t ks_kme_pool_keys(const struct ks_kme_pool *pool, enum ks_keypool_side side, size_t len)
{
    uint64_t keys = 0;

    for (size_t i = 0; i < pool->count; i++) {
        if (pool->strips[i].name.side == side && pool->strips[i].usable) {
            keys += left(&pool->strips[i]) / len;
        }
    }
    return keys;
}

uint64_t ks_kme_pool_bytes(const struct ks_kme_pool *pool, enum ks_keypool_side side)
{
    return pool->bytes[side];
}

enum ks_err ks_kme_pool_draw(struct ks_kme_pool *pool, size_t len,
                             struct ks_kme_place *out_place, uint8_t *out_key)
{
    enum ks_err err = KS_OK;
    size_t at = 0;
    struct strip *strip = NULL;
    struct ks_kme_place place = {.len = (uint16_t)len};

    KS_ASSERT(len > 0 && len <= KS_KEYPOOL_KEY_MAX);
    while (at < pool->count && (pool->strips[at].name.side != KS_KEYPOOL_OWN ||
                                !pool->strips[at].usable || left(&pool->strips[at]) < len)) {
        at++;
    }
    KS_CHECK(at < pool->count, KS_ERR_NOT_FOUND, "the pool has no key of %zu bytes", len);
    strip = &pool->strips[at];
    ks_copy(place.block, strip->name.block, sizeof place.block);
    place.number = strip->name.number;
    place.start = strip->name.start;
    ks_copy(out_key, rest_of(strip).data, len);
    KS_TRY(cut(pool, strip, place.start + len));
    close_gaps(pool, at);
    *out_place = place;
out:
    return err;
}

enum ks_err ks_kme_pool_follow(struct ks_kme_pool *pool, const struct ks_kme_place *place,
                               uint8_t *out_key)
{
    enum ks_err err = KS_OK;
    size_t at = 0;
    struct strip *strip = NULL;

    while (at < pool->count &&
           (pool->strips[at].name.side != KS_KEYPOOL_PEER || !pool->strips[at].usable ||
            pool->strips[at].name.number != place->number ||
            !is_of(&pool->strips[at], place->block))) {
        at++;
    }
    KS_CHECK(at < pool->count, KS_ERR_CONFLICT,
             "the other manager draws on bits that are not "
             "here");
    strip = &pool->strips[at];
    KS_CHECK(place->len > 0 && place->len <= KS_KEYPOOL_KEY_MAX &&
                 place->start >= strip->name.start && place->start <= strip->len &&
                 place->len <= strip->len - place->start,
             KS_ERR_CONFLICT, "the other manager draws on bits that were drawn before");
    ks_copy(out_key, strip->data + place->start, place->len);
    KS_TRY(cut(pool, strip, (size_t)place->start + place->len));
    close_gaps(pool, at);
out:
    return err;
}

/* --- coming to the same again ------------------------------------------------------------- */

void ks_kme_pool_list(const struct ks_kme_pool *pool, struct ks_buf *out)
{
    ks_buf_put_u32(out, (uint32_t)pool->count);
    for (size_t i = 0; i < pool->count; i++) {
        const struct ks_keypool_strip *name = &pool->strips[i].name;

        ks_buf_put_u8(out, (uint8_t)name->side);
        ks_buf_put(out, KS_BYTES(name->block));
        ks_buf_put_u32(out, name->number);
        ks_buf_put_u32(out, name->start);
    }
}

/* Without start. */
static int compare_names(const struct ks_keypool_strip *a, const struct ks_keypool_strip *b)
{
    const int blocks = ks_bytes_compare(KS_BYTES(a->block), KS_BYTES(b->block));

    if (blocks != 0) {
        return blocks;
    }
    if (a->side != b->side) {
        return a->side < b->side ? -1 : 1;
    }
    return a->number == b->number ? 0 : (a->number < b->number ? -1 : 1);
}

static int compare_entries(const void *a, const void *b)
{
    return compare_names(a, b);
}

/* The other end's own half is the peer's here. */
static enum ks_err read_list(struct ks_bytes list, struct ks_keypool_strip **out_entries,
                             size_t *out_count)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(list, "list of strips");
    struct ks_keypool_strip *entries = NULL;
    uint32_t count = 0;

    KS_TRY(ks_read_u32(&reader, &count));
    KS_CHECK(count <= KS_KME_STRIPS_MAX && reader.rest.len == (size_t)count * ENTRY_LEN,
             KS_ERR_FORMAT, "list of strips: %u in %zu bytes", (unsigned)count,
             reader.rest.len);
    entries = ks_calloc(count, sizeof *entries);
    KS_CHECK(entries != NULL, KS_ERR_NOMEM, "no memory for a list of strips");
    for (uint32_t i = 0; i < count; i++) {
        struct ks_keypool_strip *name = &entries[i];
        uint8_t side = 0;

        KS_TRY(ks_read_u8(&reader, &side));
        KS_CHECK(side <= 1, KS_ERR_FORMAT, "list of strips: side %u", side);
        name->side = side == KS_KEYPOOL_OWN ? KS_KEYPOOL_PEER : KS_KEYPOOL_OWN;
        KS_TRY(ks_read_copy(&reader, name->block, sizeof name->block));
        KS_TRY(ks_read_u32(&reader, &name->number));
        KS_TRY(ks_read_u32(&reader, &name->start));
    }
    KS_TRY(ks_read_end(&reader));
    qsort(entries, count, sizeof *entries, compare_entries);
    *out_entries = entries;
    *out_count = count;
    entries = NULL;
out:
    ks_free(entries);
    return err;
}

enum ks_err ks_kme_pool_agree(struct ks_kme_pool *pool, struct ks_bytes list)
{
    enum ks_err err = KS_OK;
    struct ks_keypool_strip *entries = NULL;
    size_t count = 0;

    KS_TRY(read_list(list, &entries, &count));
    for (size_t i = 0; i < pool->count; i++) {
        struct strip *strip = &pool->strips[i];
        const struct ks_keypool_strip *there =
            bsearch(&strip->name, entries, count, sizeof *entries, compare_entries);

        if (there == NULL || there->start >= strip->len) {
            KS_TRY(cut(pool, strip, strip->len));
        } else {
            strip->usable = true;
            if (there->start > strip->name.start) {
                KS_TRY(cut(pool, strip, there->start));
            }
        }
    }
    close_gaps(pool, 0);
out:
    ks_free(entries);
    return err;
}

void ks_kme_pool_part(struct ks_kme_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++) {
        pool->strips[i].usable = false;
    }
}
