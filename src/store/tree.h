/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tree.h: a ledger's tiles, bundles of entries and checkpoint as files below one directory,
 * which any static server can hand out (ledger/tree.h, docs/formats/ledger.md). Hides temporary
 * files, renames and syncs. A file is there whole or not at all; what was published is durable.
 * There is no way to remove a full tile or bundle. One thread and, for writing, one process. */
#ifndef KS_STORE_TREE_H
#define KS_STORE_TREE_H

#include "ledger/tree.h"

#define KS_TREE_NOTE_MAX (128 * 1024) /* bytes of a checkpoint */

/* Where the files lie. Paths are relative, with '/', without ".."; folders come into being as
 * they are needed. ks_tree_open has one over a directory; tests put a crashing one here. */
struct ks_tree_disk {
    void *context;
    /* Appends the whole file; KS_ERR_NOT_FOUND, KS_ERR_LIMIT. What was written before comes
     * from the device, as far as the system can be told so. */
    enum ks_err (*read)(void *context, const char *path, size_t len_max, struct ks_buf *out);
    /* Creates or replaces PATH; neither contents nor name are durable yet. */
    enum ks_err (*write)(void *context, const char *path, struct ks_bytes bytes);
    /* The contents of every file written since the last call. */
    enum ks_err (*sync_files)(void *context);
    enum ks_err (*rename)(void *context, const char *source, const char *target);
    enum ks_err (*unlink)(void *context, const char *path); /* KS_ERR_NOT_FOUND */
    void (*remove_dir)(void *context, const char *path);    /* if it is empty */
    /* Every folder in which names have changed since the last call. */
    enum ks_err (*sync_dirs)(void *context);
    void (*close)(void *context);
};

/* KS_ERR_NOT_FOUND without DIRECTORY, unless CREATE: then it is made, mode 0755, since it holds
 * nothing secret. */
KS_MUST_CHECK enum ks_err ks_tree_disk_open(const char *directory, bool create,
                                            struct ks_tree_disk *out_disk);

struct ks_tree;

/* Takes over DISK. On failure it stays the caller's. */
KS_MUST_CHECK enum ks_err ks_tree_new(const struct ks_tree_disk *disk,
                                      struct ks_tree **out_tree);
KS_MUST_CHECK enum ks_err ks_tree_open(const char *directory, bool create,
                                       struct ks_tree **out_tree);
void ks_tree_close(
    struct ks_tree *tree); /* NULL is fine; what was not published is forgotten */

/* The files as they lie; TREE is borrowed. */
struct ks_tree_source ks_tree_source_of(struct ks_tree *tree);
/* The checkpoint as it lies, unchecked; KS_ERR_NOT_FOUND. Appends to OUT. */
KS_MUST_CHECK enum ks_err ks_tree_read_checkpoint(struct ks_tree *tree, struct ks_buf *out);

/* Writes a file under a name that nobody asks for. It appears with the next publish. */
KS_MUST_CHECK enum ks_err ks_tree_put(struct ks_tree *tree, const struct ks_tree_name *name,
                                      struct ks_bytes bytes);
/* All files that were put are synced, then appear, and then each folder among them is synced:
 * so a batch costs less than its files one by one. After an error some may have appeared; put
 * them again. */
KS_MUST_CHECK enum ks_err ks_tree_publish(struct ks_tree *tree);

/* How a tree grows to the head of LEDGER. */
struct ks_tree_growth {
    uint64_t old_size;        /* what was published before */
    struct ks_ledger *ledger; /* gives the tiles */
    /* Appends entries FIRST to FIRST + COUNT - 1 to BUNDLE, by ks_tree_put_entry. */
    enum ks_err (*put_entries)(void *context, uint64_t first, unsigned count,
                               struct ks_buf *bundle);
    void *context;
    /* Look first: what is there and right is left alone. For a start, with OLD_SIZE 0. */
    bool compare;
};
/* What it came to. */
struct ks_tree_grown {
    uint64_t written;             /* files */
    uint64_t damaged;             /* of these, how many were there with other bytes */
    char first[KS_TREE_PATH_MAX]; /* damaged one; "" for none */
};
/* Puts and publishes every file that the larger tree has and the smaller one has not; partial
 * files of tiles that became full go. The checkpoint stays as it is. */
KS_MUST_CHECK enum ks_err ks_tree_grow(struct ks_tree *tree,
                                       const struct ks_tree_growth *growth,
                                       struct ks_tree_grown *out_grown);

/* The same in two steps, for two threads: the files in memory, and what becomes of them. */
struct ks_tree_file {
    struct ks_tree_name name;
    uint8_t *data;
    size_t len;
};
struct ks_tree_batch {
    uint64_t old_size;
    struct ks_head head; /* of the larger tree */
    struct ks_tree_file *files;
    size_t count;
    size_t cap;
};
/* GROWTH does not compare. Release with ks_tree_batch_done. */
KS_MUST_CHECK enum ks_err ks_tree_collect(const struct ks_tree_growth *growth,
                                          struct ks_tree_batch *out_batch);
KS_MUST_CHECK enum ks_err ks_tree_write(struct ks_tree *tree,
                                        const struct ks_tree_batch *batch);
void ks_tree_batch_done(struct ks_tree_batch *batch); /* zeroed is fine */

/* Replaces the checkpoint, durably. Only after everything it covers was published. */
KS_MUST_CHECK enum ks_err ks_tree_put_checkpoint(struct ks_tree *tree, struct ks_bytes note);

/* Removes the partial files of a tile or bundle. KS_ERR_DENIED as long as the full one is not
 * there: a checkpoint may need them. The full one stays, for ever. */
KS_MUST_CHECK enum ks_err ks_tree_drop_partials(struct ks_tree *tree,
                                                const struct ks_tree_name *name);

#endif
