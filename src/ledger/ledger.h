/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ledger.h: an append-only Merkle log over stored tiles. Hides tiles, hashing and caching.
 * Pure: the store is a table of functions. A ledger is used by one thread at a time, and a
 * store has one writing ledger.
 *
 * Tiles are those of c2sp.org/tlog-tiles: tile INDEX of LEVEL holds the roots of the complete
 * subtrees of 2^(8 * LEVEL) leaves from number 256 * INDEX on, 256 of them, or fewer at the
 * right edge of the tree. Level 0 holds leaf hashes. Every tile read back is checked against
 * the tree's root, so a damaged store yields an error and never a wrong proof. */
#ifndef KS_LEDGER_LEDGER_H
#define KS_LEDGER_LEDGER_H

#include "ledger/merkle.h"

#define KS_TILE_HEIGHT 8
#define KS_TILE_WIDTH  256 /* hashes in a full tile */
#define KS_TILE_LEVELS 7   /* enough for KS_MERKLE_SIZE_MAX leaves */
#define KS_LEDGER_CACHE_MAX                                                                    \
    32 /* tiles kept in memory beside those of the right edge, 16 KiB each */

/* Where tiles live; borrowed by a ledger and has to outlive it. HASHES is WIDTH * KS_MERKLE_LEN
 * bytes. */
struct ks_tile_store {
    void *context;
    /* Gives the first WIDTH hashes of a tile; the stored one may be wider. KS_ERR_NOT_FOUND
     * without it. */
    enum ks_err (*read)(void *context, unsigned level, uint64_t index, unsigned width,
                        uint8_t *hashes);
    /* Keeps a tile, full or partial; replaces a narrower or equally wide one. A tile wider than
     * a later one written at its place comes from an append that failed, and is replaced too.
     */
    enum ks_err (*write)(void *context, unsigned level, uint64_t index, unsigned width,
                         const uint8_t *hashes);
};

struct ks_head {
    uint64_t size;
    uint8_t root[KS_MERKLE_LEN];
};

struct ks_ledger;

/* The head of the ledger without entries. */
void ks_head_empty(struct ks_head *out_head);

/* Opens the ledger whose head is HEAD: reads the tiles of its right edge. KS_ERR_VERIFY when
 * these do not have the root of HEAD; KS_ERR_LIMIT, KS_ERR_NOMEM and the errors of the store.
 */
KS_MUST_CHECK enum ks_err ks_ledger_open(const struct ks_tile_store *store,
                                         const struct ks_head *head,
                                         struct ks_ledger **out_ledger);
void ks_ledger_close(struct ks_ledger *ledger); /* NULL is fine */

/* Appends COUNT leaf hashes and writes every tile they touch; each partial tile is written once
 * per call, so larger batches cost less. OUT_FIRST gets the index of the first. On failure the
 * ledger is as before; tiles written meanwhile do no harm, as they only ever hold more of what
 * a reader asks for. As durable as the store makes it: where a transaction around the call
 * fails later, close the ledger and open it again. */
KS_MUST_CHECK enum ks_err ks_ledger_append(struct ks_ledger *ledger, const uint8_t *leaves,
                                           size_t count, uint64_t *out_first);
/* Borrowed; valid until the next append. */
const struct ks_head *ks_ledger_head(const struct ks_ledger *ledger);

/* The root, and proofs, at any SIZE up to the head's: KS_ERR_NOT_FOUND above it. Otherwise as
 * the functions of merkle.h; KS_ERR_VERIFY when a stored tile is not the tree's. */
KS_MUST_CHECK enum ks_err ks_ledger_root(struct ks_ledger *ledger, uint64_t size,
                                         uint8_t out_root[KS_MERKLE_LEN]);
/* The first WIDTH hashes of a tile, as the root vouches for them. KS_ERR_NOT_FOUND where the
 * tile is not that wide; KS_ERR_VERIFY when the stored one is not the tree's. */
KS_MUST_CHECK enum ks_err ks_ledger_tile(struct ks_ledger *ledger, unsigned level,
                                         uint64_t index, unsigned width, uint8_t *out_hashes);
KS_MUST_CHECK enum ks_err ks_ledger_prove_inclusion(struct ks_ledger *ledger, uint64_t index,
                                                    uint64_t size,
                                                    struct ks_merkle_proof *out_proof);
KS_MUST_CHECK enum ks_err ks_ledger_prove_consistency(struct ks_ledger *ledger,
                                                      uint64_t old_size, uint64_t size,
                                                      struct ks_merkle_proof *out_proof);

/* The leaf hashes in order, from wherever the entries are kept. */
struct ks_leaf_source {
    void *context;
    enum ks_err (*read)(void *context, uint64_t first, size_t count, uint8_t *hashes);
};

/* Computes every tile and the root from the leaf hashes anew and compares: KS_ERR_VERIFY names
 * the first tile that differs, or the root. Reads each tile and each leaf of the ledger once,
 * 256 leaves at a time. */
KS_MUST_CHECK enum ks_err ks_ledger_fsck(const struct ks_tile_store *store,
                                         const struct ks_head *head,
                                         const struct ks_leaf_source *leaves);

#endif
