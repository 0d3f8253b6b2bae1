/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "ledger/tiles.h"

struct level {
    uint8_t *hashes; /* (count, KS_MERKLE_LEN): the tiles one after the other */
    size_t count;    /* hashes that are there */
    size_t cap;
};

struct tiles {
    struct level levels[KS_TILE_LEVELS];
};

static enum ks_err read_tile(void *context, unsigned level, uint64_t index, unsigned width,
                             uint8_t *hashes)
{
    const struct tiles *tiles = context;
    const struct level *row = &tiles->levels[level];
    uint64_t first = index * KS_TILE_WIDTH;

    if (first + width > row->count) {
        return ks_fail(KS_ERR_NOT_FOUND, "tile %u/%llu", level, (unsigned long long)index);
    }
    ks_copy(hashes, row->hashes + first * KS_MERKLE_LEN, (size_t)width * KS_MERKLE_LEN);
    return KS_OK;
}

static enum ks_err write_tile(void *context, unsigned level, uint64_t index, unsigned width,
                              const uint8_t *hashes)
{
    struct tiles *tiles = context;
    struct level *row = &tiles->levels[level];
    size_t first = (size_t)index * KS_TILE_WIDTH;
    size_t needed = first + width;

    if (needed > row->cap) {
        size_t cap = row->cap == 0 ? 4 * KS_TILE_WIDTH : 2 * row->cap;
        uint8_t *grown = ks_realloc(row->hashes, cap > needed ? cap : needed, KS_MERKLE_LEN);

        if (grown == NULL) {
            return ks_fail(KS_ERR_NOMEM, "ledger tiles");
        }
        row->hashes = grown;
        row->cap = cap > needed ? cap : needed;
    }
    ks_copy(row->hashes + first * KS_MERKLE_LEN, hashes, (size_t)width * KS_MERKLE_LEN);
    row->count = needed;
    return KS_OK;
}

enum ks_err ks_tiles_memory_new(struct ks_tile_store *out_store)
{
    struct tiles *tiles = ks_calloc(1, sizeof *tiles);

    if (tiles == NULL) {
        return ks_fail(KS_ERR_NOMEM, "ledger tiles");
    }
    *out_store =
        (struct ks_tile_store){.context = tiles, .read = read_tile, .write = write_tile};
    return KS_OK;
}

void ks_tiles_memory_free(struct ks_tile_store *store)
{
    struct tiles *tiles = store->context;

    for (size_t i = 0; tiles != NULL && i < KS_TILE_LEVELS; i++) {
        ks_free(tiles->levels[i].hashes);
    }
    ks_free(tiles);
    *store = (struct ks_tile_store){0};
}
