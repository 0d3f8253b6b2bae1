/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tree.h: a ledger as a tree of static files (c2sp.org/tlog-tiles): their paths, the bundles of
 * entries, reading tiles out of such files, and the check of all of it from the entries to the
 * root. Pure: whoever has the files, on a disk or behind a server, is a table of functions. Any
 * thread; what is passed in is used by one at a time. */
#ifndef KS_LEDGER_TREE_H
#define KS_LEDGER_TREE_H

#include "base/buf.h"
#include "ledger/ledger.h"

#define KS_TREE_CHECKPOINT "checkpoint" /* the one file that changes */
/* "tile/entries/", five groups of an index below 2^45, ".p/255" and a NUL, rounded up. */
#define KS_TREE_PATH_MAX  48
#define KS_TREE_INDEX_MAX (KS_MERKLE_SIZE_MAX / KS_TILE_WIDTH) /* of a tile or a bundle */
#define KS_TREE_ENTRY_MAX 1024                                 /* bytes of an entry */
#define KS_TREE_FILE_MAX                                                                       \
    (KS_TILE_WIDTH * (2 + KS_TREE_ENTRY_MAX)) /* bytes of the longest file, a bundle */

_Static_assert(KS_TREE_FILE_MAX > KS_TILE_WIDTH * KS_MERKLE_LEN, "a bundle is the longest");

/* --- names ---------------------------------------------------------------------------------
 */

/* A tile, or the bundle of the entries of a tile of level 0. */
struct ks_tree_name {
    bool entries;   /* a bundle; LEVEL is 0 */
    unsigned level; /* below KS_TILE_LEVELS */
    uint64_t index; /* at most KS_TREE_INDEX_MAX */
    unsigned width; /* 1 to KS_TILE_WIDTH, which is a full one */
};

/* "tile/0/x001/x234/067", "tile/entries/273.p/112"; asserts the limits. */
void ks_tree_path(const struct ks_tree_name *name, char target[KS_TREE_PATH_MAX]);
/* The same backwards: what does not print as the same bytes is refused. KS_ERR_FORMAT;
 * KS_ERR_LIMIT for a longer path or a larger index than any of ours. */
KS_MUST_CHECK enum ks_err ks_tree_path_parse(struct ks_bytes path,
                                             struct ks_tree_name *out_name);
/* How many hashes tile INDEX of LEVEL has in a tree of SIZE leaves: 0 when it has no such tile.
 */
unsigned ks_tree_width(uint64_t size, unsigned level, uint64_t index);
/* How many tiles LEVEL has in a tree of SIZE leaves, the partial one included. */
uint64_t ks_tree_count(uint64_t size, unsigned level);

/* How a server labels a file of WIDTH; 0: the checkpoint. A full file is good for ever; a
 * partial one never changes either, but goes when the full one is there; the checkpoint
 * changes. */
const char *ks_tree_content_type(unsigned width);
const char *ks_tree_cache_control(unsigned width);

/* --- bundles -------------------------------------------------------------------------------
 */

/* Appends one entry (asserts 1 to KS_TREE_ENTRY_MAX bytes): its length in two bytes, itself. */
void ks_tree_put_entry(struct ks_buf *bundle, struct ks_bytes entry);
/* Takes apart a bundle of exactly WIDTH entries; views into BUNDLE. KS_ERR_FORMAT,
 * KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_tree_read_entries(struct ks_bytes bundle, unsigned width,
                                               struct ks_bytes out_entries[KS_TILE_WIDTH]);

/* --- files ---------------------------------------------------------------------------------
 */

/* Whoever has the files. READ appends the whole file of NAME to OUT, which takes
 * KS_TREE_FILE_MAX bytes: KS_ERR_NOT_FOUND without it. */
struct ks_tree_source {
    void *context;
    enum ks_err (*read)(void *context, const struct ks_tree_name *name, struct ks_buf *out);
};

/* The tiles of such files, for ks_ledger_open: those of the tree of SIZE leaves. Where a
 * partial file is gone the full one is read. A file of the wrong length is KS_ERR_FORMAT. It
 * cannot be written to. */
struct ks_tree_tiles {
    const struct ks_tree_source *source; /* borrowed */
    uint64_t size;
    struct ks_buf file;
};
/* STORE borrows TILES. Release with ks_tree_tiles_done. */
void ks_tree_tiles_init(struct ks_tree_tiles *tiles, const struct ks_tree_source *source,
                        uint64_t size, struct ks_tile_store *out_store);
void ks_tree_tiles_done(struct ks_tree_tiles *tiles);

/* Reads the bundle of tile INDEX in a tree of SIZE leaves into FILE, or the wider one that took
 * its place, and takes apart the first WIDTH entries, where WIDTH is the tile's. */
KS_MUST_CHECK enum ks_err ks_tree_read_bundle(const struct ks_tree_source *source,
                                              uint64_t size, uint64_t index,
                                              struct ks_buf *file,
                                              struct ks_bytes out_entries[KS_TILE_WIDTH]);

/* --- the check -----------------------------------------------------------------------------
 */

struct ks_tree_check {
    const struct ks_tree_source *source;
    const struct ks_head *old; /* believed: what it covers is not read again, but for the tiles
                                  and the bundle at its edge */
    const struct ks_head *head;
    /* Called with every entry from OLD's size on, in order, before it was checked. NULL: none.
     */
    enum ks_err (*visit)(void *context, uint64_t index, struct ks_bytes entry);
    void *context;
};

/* From the entries to the root: hashes every entry that HEAD has and OLD has not, builds the
 * tiles anew, compares each with its file, and the root with HEAD's. KS_ERR_VERIFY names the
 * first file that is damaged or missing; or that no single file is, but the entries are not
 * those of the root. */
KS_MUST_CHECK enum ks_err ks_tree_fsck(const struct ks_tree_check *check);

#endif
