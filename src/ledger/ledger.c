/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "ledger/ledger.h"

#include <inttypes.h>

_Static_assert(KS_TILE_WIDTH == 1 << KS_TILE_HEIGHT, "a tile is a complete subtree");
_Static_assert(KS_MERKLE_LEVELS <= KS_TILE_HEIGHT * KS_TILE_LEVELS, "levels for every size");
_Static_assert(KS_TILE_HEIGHT *KS_TILE_LEVELS < 64, "shifts by whole trees");

/* A tile with its inner nodes, as a heap: node 1 is the root, nodes 2n and 2n + 1 are the
 * children of n, and nodes 256 to 511 are the hashes of the tile. Nodes that are not complete
 * yet are unspecified. */
struct tile {
    unsigned width;
    uint8_t nodes[2 * KS_TILE_WIDTH][KS_MERKLE_LEN];
};

struct cached_tile {
    bool used;
    unsigned level;
    uint64_t index;
    uint64_t last_use;
    struct tile tile;
};

/* The right edge: the tile of each level that is not full yet; width 0 where there is none. */
struct edge {
    uint64_t size;
    struct tile tiles[KS_TILE_LEVELS];
};

struct ks_ledger {
    const struct ks_tile_store *store;
    struct ks_head head;
    struct edge *edge;    /* at the head */
    struct edge *scratch; /* equal to *edge between calls; an append works on it */
    unsigned touched;     /* bit L: the scratch tile of level L has changed since */
    uint64_t uses;
    struct cached_tile *cache;
};

/* --- tiles
 * -------------------------------------------------------------------------------------------
 */

static uint8_t *tile_hashes(struct tile *tile)
{
    return tile->nodes[KS_TILE_WIDTH];
}

/* Adds a hash and completes the inner nodes that end with it. */
static void tile_push(struct tile *tile, const uint8_t hash[KS_MERKLE_LEN])
{
    size_t node = KS_TILE_WIDTH + tile->width;

    KS_ASSERT(tile->width < KS_TILE_WIDTH);
    ks_copy(tile->nodes[node], hash, KS_MERKLE_LEN);
    for (; (node & 1) != 0 && node > 1; node >>= 1) {
        ks_merkle_node(tile->nodes[node - 1], tile->nodes[node], tile->nodes[node >> 1]);
    }
    tile->width++;
}

/* Completes the inner nodes of a tile whose WIDTH hashes were filled in from a store. */
static void tile_fill(struct tile *tile, unsigned width)
{
    tile->width = 0;
    for (unsigned i = 0; i < width; i++) {
        uint8_t hash[KS_MERKLE_LEN];

        ks_copy(hash, tile->nodes[KS_TILE_WIDTH + i], KS_MERKLE_LEN);
        tile_push(tile, hash);
    }
}

/* The number of the partial tile of LEVEL in a tree of SIZE leaves, and its width. */
static uint64_t edge_index(uint64_t size, unsigned level)
{
    return size >> (KS_TILE_HEIGHT * (level + 1));
}

static unsigned edge_width(uint64_t size, unsigned level)
{
    return (unsigned)(size >> (KS_TILE_HEIGHT * level) & (KS_TILE_WIDTH - 1));
}

static void edge_root(const struct edge *edge, uint8_t out_root[KS_MERKLE_LEN])
{
    struct ks_merkle_range range;

    range.size = edge->size;
    for (unsigned level = 0; level < KS_MERKLE_LEVELS; level++) {
        const struct tile *tile = &edge->tiles[level / KS_TILE_HEIGHT];
        const unsigned height = level % KS_TILE_HEIGHT;

        if ((tile->width >> height & 1) != 0) {
            const size_t node = ((size_t)KS_TILE_WIDTH >> height) + (tile->width >> height) - 1;
            ks_copy(range.peaks[level], tile->nodes[node], KS_MERKLE_LEN);
        }
    }
    ks_merkle_range_root(&range, out_root);
}

/* --- opening ------------------------------------------------------------------------------ */

void ks_head_empty(struct ks_head *out_head)
{
    out_head->size = 0;
    ks_merkle_empty(out_head->root);
}

static enum ks_err edge_load(const struct ks_tile_store *store, uint64_t size,
                             struct edge *edge)
{
    enum ks_err err = KS_OK;

    edge->size = size;
    for (unsigned level = 0; level < KS_TILE_LEVELS; level++) {
        const unsigned width = edge_width(size, level);
        struct tile *tile = &edge->tiles[level];

        if (width == 0) {
            continue;
        }
        err = store->read(store->context, level, edge_index(size, level), width,
                          tile_hashes(tile));
        KS_TRY(ks_fail_prefix(err, "ledger tile %u/%" PRIu64, level, edge_index(size, level)));
        tile_fill(tile, width);
    }
out:
    return err;
}

enum ks_err ks_ledger_open(const struct ks_tile_store *store, const struct ks_head *head,
                           struct ks_ledger **out_ledger)
{
    enum ks_err err = KS_OK;
    struct ks_ledger *ledger = NULL;
    uint8_t root[KS_MERKLE_LEN];

    KS_CHECK(head->size <= KS_MERKLE_SIZE_MAX, KS_ERR_LIMIT,
             "a ledger of %" PRIu64 " entries is over the limit of %" PRIu64, head->size,
             KS_MERKLE_SIZE_MAX);
    ledger = ks_calloc(1, sizeof(*ledger));
    KS_CHECK(ledger != NULL, KS_ERR_NOMEM, "ledger: out of memory");
    ledger->store = store;
    ledger->head = *head;
    ledger->edge = ks_calloc(1, sizeof(*ledger->edge));
    ledger->scratch = ks_calloc(1, sizeof(*ledger->scratch));
    ledger->cache = ks_calloc(KS_LEDGER_CACHE_MAX, sizeof(*ledger->cache));
    KS_CHECK(ledger->edge != NULL && ledger->scratch != NULL && ledger->cache != NULL,
             KS_ERR_NOMEM, "ledger: out of memory");
    KS_TRY(edge_load(store, head->size, ledger->edge));
    edge_root(ledger->edge, root);
    KS_CHECK(ks_bytes_equal(KS_BYTES(root), KS_BYTES(head->root)), KS_ERR_VERIFY,
             "ledger: the stored tiles do not have the root of size %" PRIu64, head->size);
    *ledger->scratch = *ledger->edge;
    *out_ledger = ledger;
    ledger = NULL; /* transferred */
out:
    ks_ledger_close(ledger);
    return err;
}

void ks_ledger_close(struct ks_ledger *ledger)
{
    if (ledger == NULL) {
        return;
    }
    ks_free(ledger->edge);
    ks_free(ledger->scratch);
    ks_free(ledger->cache);
    ks_free(ledger);
}

const struct ks_head *ks_ledger_head(const struct ks_ledger *ledger)
{
    return &ledger->head;
}

/* --- appending ---------------------------------------------------------------------------- */

/* Makes the tiles that differ equal again; TARGET is either edge. */
static void edge_sync(struct ks_ledger *ledger, struct edge *target, const struct edge *source)
{
    target->size = source->size;
    for (unsigned level = 0; level < KS_TILE_LEVELS; level++) {
        if ((ledger->touched >> level & 1) != 0) {
            target->tiles[level] = source->tiles[level];
        }
    }
    ledger->touched = 0;
}

/* Puts one leaf on the scratch edge; tiles that become full are written, and their roots go one
 * level up. */
static enum ks_err push_leaf(struct ks_ledger *ledger, const uint8_t *leaf)
{
    enum ks_err err = KS_OK;
    struct edge *edge = ledger->scratch;
    const struct ks_tile_store *store = ledger->store;
    const uint8_t *hash = leaf;

    for (unsigned level = 0; level < KS_TILE_LEVELS; level++) {
        struct tile *tile = &edge->tiles[level];

        ledger->touched |= 1U << level;
        tile_push(tile, hash);
        if (tile->width < KS_TILE_WIDTH) {
            break;
        }
        KS_TRY(store->write(store->context, level, edge_index(edge->size, level), KS_TILE_WIDTH,
                            tile_hashes(tile)));
        tile->width = 0;
        hash = tile->nodes[1];
    }
    edge->size++;
out:
    return err;
}

/* Writes the partial tiles of the scratch edge that have changed. */
static enum ks_err write_partial(struct ks_ledger *ledger)
{
    enum ks_err err = KS_OK;
    struct edge *edge = ledger->scratch;
    const struct ks_tile_store *store = ledger->store;

    for (unsigned level = 0; level < KS_TILE_LEVELS; level++) {
        struct tile *tile = &edge->tiles[level];

        if ((ledger->touched >> level & 1) != 0 && tile->width != 0) {
            KS_TRY(store->write(store->context, level, edge_index(edge->size, level),
                                tile->width, tile_hashes(tile)));
        }
    }
out:
    return err;
}

enum ks_err ks_ledger_append(struct ks_ledger *ledger, const uint8_t *leaves, size_t count,
                             uint64_t *out_first)
{
    enum ks_err err = KS_OK;
    const uint64_t first = ledger->head.size;

    KS_CHECK(count <= KS_MERKLE_SIZE_MAX - first, KS_ERR_LIMIT, "the ledger is full");
    for (size_t i = 0; i < count; i++) {
        KS_TRY(push_leaf(ledger, leaves + i * KS_MERKLE_LEN));
    }
    KS_TRY(write_partial(ledger));
    edge_sync(ledger, ledger->edge, ledger->scratch);
    ledger->head.size = ledger->edge->size;
    edge_root(ledger->edge, ledger->head.root);
    *out_first = first;
out:
    if (err != KS_OK) {
        edge_sync(ledger, ledger->scratch, ledger->edge);
    }
    return err;
}

/* --- reading back ------------------------------------------------------------------------- */

/* The tile if it is in memory, at the edge or in the cache; else NULL. */
static struct tile *tile_in_memory(struct ks_ledger *ledger, unsigned level, uint64_t index)
{
    if (index == edge_index(ledger->head.size, level)) {
        return &ledger->edge->tiles[level];
    }
    for (size_t i = 0; i < KS_LEDGER_CACHE_MAX; i++) {
        struct cached_tile *cached = &ledger->cache[i];

        if (cached->used && cached->level == level && cached->index == index) {
            cached->last_use = ++ledger->uses;
            return &cached->tile;
        }
    }
    return NULL;
}

/* Reads a full tile into the place of the one used least recently; its root has to be ROOT. */
static enum ks_err tile_load(struct ks_ledger *ledger, unsigned level, uint64_t index,
                             const uint8_t root[KS_MERKLE_LEN], struct tile **out_tile)
{
    enum ks_err err = KS_OK;
    const struct ks_tile_store *store = ledger->store;
    struct cached_tile *place = &ledger->cache[0];

    for (size_t i = 1; i < KS_LEDGER_CACHE_MAX; i++) {
        if (ledger->cache[i].last_use < place->last_use) {
            place = &ledger->cache[i];
        }
    }
    place->used = false;
    place->last_use = 0;
    err = store->read(store->context, level, index, KS_TILE_WIDTH, tile_hashes(&place->tile));
    KS_TRY(ks_fail_prefix(err, "ledger tile %u/%" PRIu64, level, index));
    tile_fill(&place->tile, KS_TILE_WIDTH);
    KS_CHECK(ks_bytes_equal(KS_BYTES(place->tile.nodes[1]), ks_bytes_of(root, KS_MERKLE_LEN)),
             KS_ERR_VERIFY, "ledger tile %u/%" PRIu64 " does not belong to the tree", level,
             index);
    place->used = true;
    place->level = level;
    place->index = index;
    place->last_use = ++ledger->uses;
    *out_tile = &place->tile;
out:
    return err;
}

/* Finds a tile: up to the nearest ancestor in memory, then down again, checking each tile on
 * the way against its parent. The highest tile of a tree is always at the edge. */
static enum ks_err tile_get(struct ks_ledger *ledger, unsigned level, uint64_t index,
                            struct tile **out_tile)
{
    enum ks_err err = KS_OK;
    unsigned above = level;
    struct tile *tile = tile_in_memory(ledger, level, index);

    while (tile == NULL) {
        above++;
        KS_ASSERT(above < KS_TILE_LEVELS);
        tile = tile_in_memory(ledger, above, index >> (KS_TILE_HEIGHT * (above - level)));
    }
    while (above > level) {
        uint8_t root[KS_MERKLE_LEN];

        above--;
        const uint64_t child = index >> (KS_TILE_HEIGHT * (above - level));
        ks_copy(root, tile->nodes[KS_TILE_WIDTH + child % KS_TILE_WIDTH], KS_MERKLE_LEN);
        KS_TRY(tile_load(ledger, above, child, root, &tile));
    }
    *out_tile = tile;
out:
    return err;
}

static enum ks_err source_read(void *context, unsigned level, uint64_t index,
                               uint8_t out_hash[KS_MERKLE_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_ledger *ledger = context;
    const unsigned below_root = KS_TILE_HEIGHT - level % KS_TILE_HEIGHT;
    struct tile *tile = NULL;

    KS_TRY(tile_get(ledger, level / KS_TILE_HEIGHT, index >> below_root, &tile));
    const size_t first = (size_t)1 << below_root;
    ks_copy(out_hash, tile->nodes[first + (index & (first - 1))], KS_MERKLE_LEN);
out:
    return err;
}

static enum ks_err check_size(const struct ks_ledger *ledger, uint64_t size)
{
    if (size > ledger->head.size) {
        return ks_fail(KS_ERR_NOT_FOUND, "the ledger has %" PRIu64 " entries, not %" PRIu64,
                       ledger->head.size, size);
    }
    return KS_OK;
}

enum ks_err ks_ledger_root(struct ks_ledger *ledger, uint64_t size,
                           uint8_t out_root[KS_MERKLE_LEN])
{
    enum ks_err err = KS_OK;
    const struct ks_merkle_source source = {ledger, source_read};

    KS_TRY(check_size(ledger, size));
    KS_TRY(ks_merkle_source_root(&source, size, out_root));
out:
    return err;
}

enum ks_err ks_ledger_tile(struct ks_ledger *ledger, unsigned level, uint64_t index,
                           unsigned width, uint8_t *out_hashes)
{
    enum ks_err err = KS_OK;
    struct tile *tile = NULL;

    KS_ASSERT(level < KS_TILE_LEVELS && width >= 1 && width <= KS_TILE_WIDTH);
    KS_CHECK(index < edge_index(ledger->head.size, level) ||
                 (index == edge_index(ledger->head.size, level) &&
                  width <= edge_width(ledger->head.size, level)),
             KS_ERR_NOT_FOUND,
             "a ledger of %" PRIu64 " entries has no tile %u/%" PRIu64 " of width %u",
             ledger->head.size, level, index, width);
    KS_TRY(tile_get(ledger, level, index, &tile));
    ks_copy(out_hashes, tile_hashes(tile), (size_t)width * KS_MERKLE_LEN);
out:
    return err;
}

enum ks_err ks_ledger_prove_inclusion(struct ks_ledger *ledger, uint64_t index, uint64_t size,
                                      struct ks_merkle_proof *out_proof)
{
    enum ks_err err = KS_OK;
    const struct ks_merkle_source source = {ledger, source_read};

    KS_TRY(check_size(ledger, size));
    KS_TRY(ks_merkle_prove_inclusion(&source, index, size, out_proof));
out:
    return err;
}

enum ks_err ks_ledger_prove_consistency(struct ks_ledger *ledger, uint64_t old_size,
                                        uint64_t size, struct ks_merkle_proof *out_proof)
{
    enum ks_err err = KS_OK;
    const struct ks_merkle_source source = {ledger, source_read};

    KS_TRY(check_size(ledger, size));
    KS_TRY(ks_merkle_prove_consistency(&source, old_size, size, out_proof));
out:
    return err;
}

/* --- checking the store ------------------------------------------------------------------- */

/* A store that compares what a rebuilt ledger writes with what the real one holds. */
static enum ks_err compare_write(void *context, unsigned level, uint64_t index, unsigned width,
                                 const uint8_t *hashes)
{
    enum ks_err err = KS_OK;
    const struct ks_tile_store *real = context;
    uint8_t stored[KS_TILE_WIDTH * KS_MERKLE_LEN];
    const size_t len = (size_t)width * KS_MERKLE_LEN;

    err = real->read(real->context, level, index, width, stored);
    KS_TRY(ks_fail_prefix(err, "ledger tile %u/%" PRIu64, level, index));
    KS_CHECK(ks_bytes_equal(ks_bytes_of(stored, len), ks_bytes_of(hashes, len)), KS_ERR_VERIFY,
             "ledger tile %u/%" PRIu64 " is not that of the entries", level, index);
out:
    return err;
}

static enum ks_err compare_read(void *context, unsigned level, uint64_t index, unsigned width,
                                uint8_t *hashes)
{
    (void)context;
    (void)hashes;
    return ks_fail(KS_ERR_INTERNAL, "ledger check: read of tile %u/%" PRIu64 " (%u)", level,
                   index, width);
}

enum ks_err ks_ledger_fsck(const struct ks_tile_store *store, const struct ks_head *head,
                           const struct ks_leaf_source *leaves)
{
    enum ks_err err = KS_OK;
    struct ks_tile_store real = *store;
    const struct ks_tile_store compare = {&real, compare_read, compare_write};
    struct ks_ledger *rebuilt = NULL;
    struct ks_head empty;
    uint8_t root[KS_MERKLE_LEN];
    uint8_t hashes[KS_TILE_WIDTH * KS_MERKLE_LEN];

    KS_CHECK(head->size <= KS_MERKLE_SIZE_MAX, KS_ERR_LIMIT,
             "a ledger of %" PRIu64 " entries is over the limit of %" PRIu64, head->size,
             KS_MERKLE_SIZE_MAX);
    ks_head_empty(&empty);
    KS_TRY(ks_ledger_open(&compare, &empty, &rebuilt));
    for (uint64_t first = 0; first < head->size; first += KS_TILE_WIDTH) {
        const uint64_t left = head->size - first;
        const size_t count = left < KS_TILE_WIDTH ? (size_t)left : KS_TILE_WIDTH;

        KS_TRY(leaves->read(leaves->context, first, count, hashes));
        for (size_t i = 0; i < count; i++) {
            KS_TRY(push_leaf(rebuilt, hashes + i * KS_MERKLE_LEN));
        }
    }
    KS_TRY(write_partial(rebuilt));
    edge_root(rebuilt->scratch, root);
    KS_CHECK(ks_bytes_equal(KS_BYTES(root), KS_BYTES(head->root)), KS_ERR_VERIFY,
             "ledger: the %" PRIu64 " entries do not have the root of the head", head->size);
out:
    ks_ledger_close(rebuilt);
    return err;
}
