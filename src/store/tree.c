/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "store/tree.h"

#include <stdio.h>

#define FRESH          ".new" /* after the name of a file that has not appeared yet */
#define FRESH_PATH_MAX (KS_TREE_PATH_MAX + sizeof FRESH)
#define PUT_FIRST      16 /* files of a batch for which there is room at first */

struct ks_tree {
    struct ks_tree_disk disk;
    struct ks_tree_name *put; /* what waits to appear */
    size_t put_count;
    size_t put_cap;
};

enum ks_err ks_tree_new(const struct ks_tree_disk *disk, struct ks_tree **out_tree)
{
    struct ks_tree *tree = ks_calloc(1, sizeof *tree);

    if (tree == NULL) {
        return ks_fail(KS_ERR_NOMEM, "tree of tiles");
    }
    tree->disk = *disk;
    *out_tree = tree;
    return KS_OK;
}

enum ks_err ks_tree_open(const char *directory, bool create, struct ks_tree **out_tree)
{
    enum ks_err err = KS_OK;
    struct ks_tree_disk disk = {0};

    KS_TRY(ks_tree_disk_open(directory, create, &disk));
    err = ks_tree_new(&disk, out_tree);
    if (err != KS_OK) {
        disk.close(disk.context);
    }
out:
    return err;
}

void ks_tree_close(struct ks_tree *tree)
{
    if (tree != NULL) {
        tree->disk.close(tree->disk.context);
        ks_free(tree->put);
        ks_free(tree);
    }
}

/* --- reading ------------------------------------------------------------------------------ */

static enum ks_err source_read(void *context, const struct ks_tree_name *name,
                               struct ks_buf *out)
{
    const struct ks_tree *tree = context;
    char path[KS_TREE_PATH_MAX];

    ks_tree_path(name, path);
    return tree->disk.read(tree->disk.context, path, KS_TREE_FILE_MAX, out);
}

struct ks_tree_source ks_tree_source_of(struct ks_tree *tree)
{
    return (struct ks_tree_source){.context = tree, .read = source_read};
}

enum ks_err ks_tree_read_checkpoint(struct ks_tree *tree, struct ks_buf *out)
{
    return tree->disk.read(tree->disk.context, KS_TREE_CHECKPOINT, KS_TREE_NOTE_MAX, out);
}

/* --- writing ------------------------------------------------------------------------------ */

static void fresh_path(const char *path, char target[FRESH_PATH_MAX])
{
    const int len = snprintf(target, FRESH_PATH_MAX, "%s%s", path, FRESH);

    KS_ASSERT(len > 0 && (size_t)len < FRESH_PATH_MAX);
}

static enum ks_err grow(struct ks_tree *tree)
{
    const size_t cap = tree->put_cap == 0 ? PUT_FIRST : 2 * tree->put_cap;
    struct ks_tree_name *grown = NULL;

    if (tree->put_count < tree->put_cap) {
        return KS_OK;
    }
    grown = ks_realloc(tree->put, cap, sizeof *grown);
    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "files of a tree of tiles");
    }
    tree->put = grown;
    tree->put_cap = cap;
    return KS_OK;
}

enum ks_err ks_tree_put(struct ks_tree *tree, const struct ks_tree_name *name,
                        struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    char path[KS_TREE_PATH_MAX];
    char fresh[FRESH_PATH_MAX];

    KS_TRY(grow(tree));
    ks_tree_path(name, path);
    fresh_path(path, fresh);
    KS_TRY(tree->disk.write(tree->disk.context, fresh, bytes));
    tree->put[tree->put_count++] = *name;
out:
    return err;
}

enum ks_err ks_tree_publish(struct ks_tree *tree)
{
    enum ks_err err = KS_OK;

    KS_TRY(tree->disk.sync_files(tree->disk.context));
    for (size_t i = 0; i < tree->put_count; i++) {
        char path[KS_TREE_PATH_MAX];
        char fresh[FRESH_PATH_MAX];

        ks_tree_path(&tree->put[i], path);
        fresh_path(path, fresh);
        KS_TRY(tree->disk.rename(tree->disk.context, fresh, path));
    }
    if (tree->put_count > 0) {
        KS_TRY(tree->disk.sync_dirs(tree->disk.context));
    }
out:
    tree->put_count = 0;
    return err;
}

enum ks_err ks_tree_put_checkpoint(struct ks_tree *tree, struct ks_bytes note)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_disk *disk = &tree->disk;

    KS_ASSERT(tree->put_count == 0);
    KS_TRY(disk->write(disk->context, KS_TREE_CHECKPOINT FRESH, note));
    KS_TRY(disk->sync_files(disk->context));
    KS_TRY(disk->rename(disk->context, KS_TREE_CHECKPOINT FRESH, KS_TREE_CHECKPOINT));
    KS_TRY(disk->sync_dirs(disk->context));
out:
    return err;
}

enum ks_err ks_tree_drop_partials(struct ks_tree *tree, const struct ks_tree_name *name)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_disk *disk = &tree->disk;
    struct ks_tree_name each = *name;
    struct ks_buf file;
    char path[KS_TREE_PATH_MAX];
    char partial[KS_TREE_PATH_MAX];
    char folder[KS_TREE_PATH_MAX + sizeof ".p"];

    ks_buf_init(&file, KS_TREE_FILE_MAX);
    each.width = KS_TILE_WIDTH;
    ks_tree_path(&each, path);
    err = disk->read(disk->context, path, KS_TREE_FILE_MAX, &file);
    KS_CHECK(err != KS_ERR_NOT_FOUND, KS_ERR_DENIED,
             "%s is not there: its partial files have to stay", path);
    KS_TRY(err);
    for (each.width = 1; each.width < KS_TILE_WIDTH; each.width++) {
        ks_tree_path(&each, partial);
        err = disk->unlink(disk->context, partial);
        KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    }
    (void)snprintf(folder, sizeof folder, "%s.p", path);
    disk->remove_dir(disk->context, folder);
out:
    ks_buf_done(&file);
    return err;
}

/* --- growing ------------------------------------------------------------------------------ */

struct growing {
    struct ks_tree *tree;        /* where the files go, */
    struct ks_tree_batch *batch; /* or where they are kept */
    const struct ks_tree_growth *growth;
    uint64_t size;
    struct ks_buf file;  /* as it should be */
    struct ks_buf there; /* as it is */
    struct ks_tree_grown grown;
};

static enum ks_err make_file(struct growing *growing, const struct ks_tree_name *name)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_growth *growth = growing->growth;
    uint8_t hashes[KS_TILE_WIDTH * KS_MERKLE_LEN];

    ks_buf_clear(&growing->file);
    if (name->entries) {
        KS_TRY(growth->put_entries(growth->context, name->index * KS_TILE_WIDTH, name->width,
                                   &growing->file));
    } else {
        KS_TRY(ks_ledger_tile(growth->ledger, name->level, name->index, name->width, hashes));
        ks_buf_put(&growing->file, ks_bytes_of(hashes, (size_t)name->width * KS_MERKLE_LEN));
    }
    KS_TRY(ks_buf_check(&growing->file));
out:
    return err;
}

/* Whether the file is there as it should be; one that is not is counted. */
static enum ks_err look(struct growing *growing, const struct ks_tree_name *name,
                        bool *out_right)
{
    enum ks_err err = KS_OK;

    ks_buf_clear(&growing->there);
    err = source_read(growing->tree, name, &growing->there);
    if (err == KS_ERR_NOT_FOUND) {
        *out_right = false;
        return KS_OK;
    }
    if (err == KS_OK) {
        *out_right = ks_bytes_equal(ks_buf_view(&growing->there), ks_buf_view(&growing->file));
    } else if (err == KS_ERR_LIMIT) { /* longer than any */
        *out_right = false;
        err = KS_OK;
    }
    KS_TRY(err);
    if (!*out_right && growing->grown.damaged++ == 0) {
        ks_tree_path(name, growing->grown.first);
    }
out:
    return err;
}

static enum ks_err keep_file(struct ks_tree_batch *batch, const struct ks_tree_name *name,
                             struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    struct ks_tree_file file = {.name = *name, .len = bytes.len};

    if (batch->count == batch->cap) {
        const size_t cap = batch->cap == 0 ? PUT_FIRST : 2 * batch->cap;
        struct ks_tree_file *grown = ks_realloc(batch->files, cap, sizeof *grown);

        KS_CHECK(grown != NULL, KS_ERR_NOMEM, "files of a tree of tiles");
        batch->files = grown;
        batch->cap = cap;
    }
    KS_TRY(ks_bytes_dup(bytes, &file.data));
    batch->files[batch->count++] = file;
out:
    return err;
}

static enum ks_err grow_file(struct growing *growing, const struct ks_tree_name *name)
{
    enum ks_err err = KS_OK;
    bool right = false;

    KS_TRY(make_file(growing, name));
    if (growing->batch != NULL) {
        return keep_file(growing->batch, name, ks_buf_view(&growing->file));
    }
    if (growing->growth->compare) {
        KS_TRY(look(growing, name, &right));
    }
    if (!right) {
        KS_TRY(ks_tree_put(growing->tree, name, ks_buf_view(&growing->file)));
        growing->grown.written++;
    }
out:
    return err;
}

/* The tiles of a level, or the bundles: those that the larger tree has and the smaller has not.
 */
static enum ks_err grow_level(struct growing *growing, bool entries, unsigned level)
{
    enum ks_err err = KS_OK;
    const uint64_t old_size = growing->growth->old_size;
    struct ks_tree_name name = {.entries = entries, .level = level};

    for (name.index = old_size >> (KS_TILE_HEIGHT * (level + 1));; name.index++) {
        name.width = ks_tree_width(growing->size, level, name.index);
        if (name.width == 0) {
            break;
        }
        if (name.width != ks_tree_width(old_size, level, name.index)) {
            KS_TRY(grow_file(growing, &name));
        }
    }
out:
    return err;
}

static enum ks_err grow_levels(struct growing *growing)
{
    enum ks_err err = KS_OK;

    ks_buf_init(&growing->file, KS_TREE_FILE_MAX);
    ks_buf_init(&growing->there, KS_TREE_FILE_MAX);
    KS_TRY(grow_level(growing, true, 0));
    for (unsigned level = 0; level < KS_TILE_LEVELS; level++) {
        KS_TRY(grow_level(growing, false, level));
    }
out:
    ks_buf_done(&growing->file);
    ks_buf_done(&growing->there);
    return err;
}

/* The tile that was at the edge of the smaller tree, if it is full now. */
static enum ks_err drop_edge(struct ks_tree *tree, uint64_t old_size, uint64_t size,
                             bool entries, unsigned level)
{
    const struct ks_tree_name name = {.entries = entries,
                                      .level = level,
                                      .index = old_size >> (KS_TILE_HEIGHT * (level + 1)),
                                      .width = KS_TILE_WIDTH};

    if (ks_tree_width(old_size, level, name.index) == 0 ||
        ks_tree_width(size, level, name.index) < KS_TILE_WIDTH) {
        return KS_OK;
    }
    return ks_tree_drop_partials(tree, &name);
}

/* What was put appears, and what it took the place of goes. */
static enum ks_err finish(struct ks_tree *tree, uint64_t old_size, uint64_t size)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_tree_publish(tree));
    KS_TRY(drop_edge(tree, old_size, size, true, 0));
    for (unsigned level = 0; level < KS_TILE_LEVELS; level++) {
        KS_TRY(drop_edge(tree, old_size, size, false, level));
    }
out:
    return err;
}

enum ks_err ks_tree_grow(struct ks_tree *tree, const struct ks_tree_growth *growth,
                         struct ks_tree_grown *out_grown)
{
    enum ks_err err = KS_OK;
    struct growing growing = {
        .tree = tree, .growth = growth, .size = ks_ledger_head(growth->ledger)->size};

    KS_ASSERT(growth->old_size <= growing.size);
    KS_TRY(grow_levels(&growing));
    KS_TRY(finish(tree, growth->old_size, growing.size));
    *out_grown = growing.grown;
out:
    return err;
}

enum ks_err ks_tree_collect(const struct ks_tree_growth *growth,
                            struct ks_tree_batch *out_batch)
{
    enum ks_err err = KS_OK;
    struct ks_tree_batch batch = {.old_size = growth->old_size,
                                  .head = *ks_ledger_head(growth->ledger)};
    struct growing growing = {.batch = &batch, .growth = growth, .size = batch.head.size};

    KS_ASSERT(growth->old_size <= growing.size);
    KS_TRY(grow_levels(&growing));
    *out_batch = batch;
    batch = (struct ks_tree_batch){0}; /* transferred */
out:
    ks_tree_batch_done(&batch);
    return err;
}

enum ks_err ks_tree_write(struct ks_tree *tree, const struct ks_tree_batch *batch)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < batch->count; i++) {
        const struct ks_tree_file *file = &batch->files[i];

        KS_TRY(ks_tree_put(tree, &file->name, ks_bytes_of(file->data, file->len)));
    }
    KS_TRY(finish(tree, batch->old_size, batch->head.size));
out:
    return err;
}

void ks_tree_batch_done(struct ks_tree_batch *batch)
{
    for (size_t i = 0; i < batch->count; i++) {
        ks_free(batch->files[i].data);
    }
    ks_free(batch->files);
    *batch = (struct ks_tree_batch){0};
}
