/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "ledger/tree.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/text.h"

#define GROUP        1000 /* three digits of an index in one folder */
#define GROUPS_MAX   5
#define LEAVES_BATCH (16 * KS_TILE_WIDTH) /* between two looks at the partial tiles */

_Static_assert(KS_TREE_INDEX_MAX < 1000000000000000, "five groups");

/* --- names ---------------------------------------------------------------------------------
 */

void ks_tree_path(const struct ks_tree_name *name, char target[KS_TREE_PATH_MAX])
{
    struct ks_buf path = {
        .data = (uint8_t *)target, .cap = KS_TREE_PATH_MAX, .max = KS_TREE_PATH_MAX};
    uint64_t unit = 1;

    KS_ASSERT(name->level < KS_TILE_LEVELS && (!name->entries || name->level == 0));
    KS_ASSERT(name->index <= KS_TREE_INDEX_MAX && name->width >= 1 &&
              name->width <= KS_TILE_WIDTH);
    while (name->index / unit >= GROUP) {
        unit *= GROUP;
    }
    if (name->entries) {
        ks_buf_put_text(&path, "tile/entries/");
    } else {
        ks_buf_put_format(&path, "tile/%u/", name->level);
    }
    for (; unit > 1; unit /= GROUP) {
        ks_buf_put_format(&path, "x%03u/", (unsigned)(name->index / unit % GROUP));
    }
    ks_buf_put_format(&path, "%03u", (unsigned)(name->index % GROUP));
    if (name->width < KS_TILE_WIDTH) {
        ks_buf_put_format(&path, ".p/%u", name->width);
    }
    ks_buf_put_u8(&path, 0);
    KS_ASSERT(path.err == KS_OK); /* it takes the longest path */
}

/* The part of PATH up to the next '/', which is passed over; the rest when there is none. */
static struct ks_bytes next_part(struct ks_bytes *path)
{
    size_t len = 0;

    while (len < path->len && path->data[len] != '/') {
        len++;
    }
    const struct ks_bytes part = ks_bytes_of(path->data, len);
    const size_t skip = len < path->len ? len + 1 : len;
    *path = ks_bytes_of(path->data + skip, path->len - skip);
    return part;
}

/* "x067" of a folder, "067" or "067.p" of the last one: adds its digits to INDEX. */
static enum ks_err add_group(struct ks_bytes part, bool folder, uint64_t *index)
{
    const size_t first = folder ? 1 : 0;
    uint64_t value = 0;

    for (size_t i = first; i < first + 3; i++) {
        if (i >= part.len || part.data[i] < '0' || part.data[i] > '9') {
            return ks_fail(KS_ERR_FORMAT, "three digits expected in each part of an index");
        }
        value = 10 * value + (uint64_t)(part.data[i] - '0');
    }
    *index = *index * GROUP + value;
    return KS_OK;
}

/* The index, and whether ".p" ended it. */
static enum ks_err read_index(struct ks_bytes *path, uint64_t *out_index, bool *out_partial)
{
    enum ks_err err = KS_OK;
    uint64_t index = 0;
    bool folder = true;
    struct ks_bytes part = {0};

    for (unsigned groups = 0; folder; groups++) {
        KS_CHECK(groups < GROUPS_MAX, KS_ERR_LIMIT, "an index of more than %d parts",
                 GROUPS_MAX);
        part = next_part(path);
        folder = part.len > 0 && part.data[0] == 'x';
        KS_TRY(add_group(part, folder, &index));
    }
    KS_CHECK(index <= KS_TREE_INDEX_MAX, KS_ERR_LIMIT,
             "index %" PRIu64 " is over the limit of %" PRIu64, index, KS_TREE_INDEX_MAX);
    *out_index = index;
    *out_partial = part.len != 3;
out:
    return err;
}

enum ks_err ks_tree_path_parse(struct ks_bytes path, struct ks_tree_name *out_name)
{
    enum ks_err err = KS_OK;
    struct ks_tree_name name = {.width = KS_TILE_WIDTH};
    struct ks_bytes rest = path;
    struct ks_bytes part;
    uint64_t number = 0;
    bool partial = false;
    char again[KS_TREE_PATH_MAX];

    KS_CHECK(path.len < KS_TREE_PATH_MAX, KS_ERR_LIMIT, "a path of %zu bytes, limit %d",
             path.len, KS_TREE_PATH_MAX - 1);
    part = next_part(&rest);
    KS_CHECK(ks_bytes_is(part, "tile"), KS_ERR_FORMAT, "it does not begin with 'tile/'");
    part = next_part(&rest);
    name.entries = ks_bytes_is(part, "entries");
    if (!name.entries) {
        KS_TRY(ks_fail_prefix(ks_text_u64(part, KS_TILE_LEVELS - 1, &number), "level"));
        name.level = (unsigned)number;
    }
    KS_TRY(read_index(&rest, &name.index, &partial));
    if (partial) {
        KS_TRY(ks_fail_prefix(ks_text_u64(rest, KS_TILE_WIDTH - 1, &number), "width"));
        KS_CHECK(number > 0, KS_ERR_FORMAT, "width 0");
        name.width = (unsigned)number;
    }
    /* One path for each file: no zeros in front, nothing after it, ".p" and not ".q". */
    ks_tree_path(&name, again);
    KS_CHECK(ks_bytes_is(path, again), KS_ERR_FORMAT, "the path of that tile is '%s'", again);
    *out_name = name;
out:
    return ks_fail_prefix(err, "tile path");
}

static uint64_t hashes_at(uint64_t size, unsigned level)
{
    return size >> (KS_TILE_HEIGHT * level);
}

unsigned ks_tree_width(uint64_t size, unsigned level, uint64_t index)
{
    const uint64_t hashes = hashes_at(size, level);
    const uint64_t full = hashes / KS_TILE_WIDTH;

    if (index < full) {
        return KS_TILE_WIDTH;
    }
    return index == full ? (unsigned)(hashes % KS_TILE_WIDTH) : 0;
}

uint64_t ks_tree_count(uint64_t size, unsigned level)
{
    const uint64_t hashes = hashes_at(size, level);

    return hashes / KS_TILE_WIDTH + (hashes % KS_TILE_WIDTH != 0 ? 1 : 0);
}

const char *ks_tree_content_type(unsigned width)
{
    return width == 0 ? "text/plain; charset=utf-8" : "application/octet-stream";
}

const char *ks_tree_cache_control(unsigned width)
{
    if (width == 0) {
        return "public, max-age=2";
    }
    return width == KS_TILE_WIDTH ? "public, max-age=31536000, immutable"
                                  : "public, max-age=3600";
}

/* --- bundles -------------------------------------------------------------------------------
 */

void ks_tree_put_entry(struct ks_buf *bundle, struct ks_bytes entry)
{
    KS_ASSERT(entry.len >= 1 && entry.len <= KS_TREE_ENTRY_MAX);
    ks_buf_put_lp16(bundle, entry);
}

/* The first WIDTH entries of what READER reads. */
static enum ks_err read_entries(struct ks_reader *reader, unsigned width,
                                struct ks_bytes *entries)
{
    enum ks_err err = KS_OK;

    for (unsigned i = 0; i < width; i++) {
        KS_TRY(ks_fail_prefix(ks_read_lp16(reader, KS_TREE_ENTRY_MAX, &entries[i]), "entry %u",
                              i));
        KS_CHECK(entries[i].len > 0, KS_ERR_FORMAT, "entry %u is empty", i);
    }
out:
    return err;
}

enum ks_err ks_tree_read_entries(struct ks_bytes bundle, unsigned width,
                                 struct ks_bytes out_entries[KS_TILE_WIDTH])
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bundle, "bundle of entries");
    struct ks_bytes entries[KS_TILE_WIDTH];

    KS_ASSERT(width >= 1 && width <= KS_TILE_WIDTH);
    KS_TRY(read_entries(&reader, width, entries));
    KS_TRY(ks_read_end(&reader));
    for (unsigned i = 0; i < width; i++) {
        out_entries[i] = entries[i];
    }
out:
    return err;
}

/* --- files ---------------------------------------------------------------------------------
 */

/* Reads NAME, or the full file that took the place of a partial one, into FILE; *OUT_NAME is
 * what was read. */
static enum ks_err read_file(const struct ks_tree_source *source,
                             const struct ks_tree_name *name, struct ks_buf *file,
                             struct ks_tree_name *out_name)
{
    enum ks_err err = KS_OK;
    struct ks_tree_name found = *name;

    ks_buf_clear(file);
    err = source->read(source->context, &found, file);
    if (err == KS_ERR_NOT_FOUND && name->width < KS_TILE_WIDTH) {
        char detail[KS_ERR_DETAIL_MAX];

        (void)snprintf(detail, sizeof detail, "%s", ks_err_detail());
        found.width = KS_TILE_WIDTH;
        err = source->read(source->context, &found, file);
        if (err == KS_ERR_NOT_FOUND) {
            err = ks_fail(KS_ERR_NOT_FOUND, "%s", detail); /* of the one that was asked for */
        }
    }
    KS_TRY(err);
    *out_name = found;
out:
    return err;
}

static enum ks_err tiles_read(void *context, unsigned level, uint64_t index, unsigned width,
                              uint8_t *hashes)
{
    enum ks_err err = KS_OK;
    struct ks_tree_tiles *tiles = context;
    struct ks_tree_name name = {
        .level = level, .index = index, .width = ks_tree_width(tiles->size, level, index)};
    char path[KS_TREE_PATH_MAX];

    KS_CHECK(width <= name.width, KS_ERR_NOT_FOUND,
             "a tree of %" PRIu64 " entries has no tile %u/%" PRIu64 " of width %u",
             tiles->size, level, index, width);
    KS_TRY(read_file(tiles->source, &name, &tiles->file, &name));
    ks_tree_path(&name, path);
    KS_CHECK(tiles->file.len == (size_t)name.width * KS_MERKLE_LEN, KS_ERR_FORMAT,
             "%s: %zu bytes, not %zu", path, tiles->file.len,
             (size_t)name.width * KS_MERKLE_LEN);
    ks_copy(hashes, tiles->file.data, (size_t)width * KS_MERKLE_LEN);
out:
    return err;
}

static enum ks_err tiles_write(void *context, unsigned level, uint64_t index, unsigned width,
                               const uint8_t *hashes)
{
    (void)context;
    (void)hashes;
    return ks_fail(KS_ERR_INTERNAL, "tile %u/%" PRIu64 " (%u) of files that are read", level,
                   index, width);
}

void ks_tree_tiles_init(struct ks_tree_tiles *tiles, const struct ks_tree_source *source,
                        uint64_t size, struct ks_tile_store *out_store)
{
    *tiles = (struct ks_tree_tiles){.source = source, .size = size};
    ks_buf_init(&tiles->file, KS_TREE_FILE_MAX);
    *out_store =
        (struct ks_tile_store){.context = tiles, .read = tiles_read, .write = tiles_write};
}

void ks_tree_tiles_done(struct ks_tree_tiles *tiles)
{
    ks_buf_done(&tiles->file);
}

enum ks_err ks_tree_read_bundle(const struct ks_tree_source *source, uint64_t size,
                                uint64_t index, struct ks_buf *file,
                                struct ks_bytes out_entries[KS_TILE_WIDTH])
{
    enum ks_err err = KS_OK;
    struct ks_tree_name name = {
        .entries = true, .index = index, .width = ks_tree_width(size, 0, index)};
    char path[KS_TREE_PATH_MAX];

    KS_CHECK(name.width > 0, KS_ERR_NOT_FOUND,
             "a tree of %" PRIu64 " entries has no bundle %" PRIu64, size, index);
    KS_TRY(read_file(source, &name, file, &name));
    ks_tree_path(&name, path);
    KS_TRY(ks_fail_prefix(ks_tree_read_entries(ks_buf_view(file), name.width, out_entries),
                          "%s", path));
out:
    return err;
}

/* --- the check -----------------------------------------------------------------------------
 */

/* The tiles built anew from the entries, as a store that remembers the first of them that its
 * file does not agree with. */
struct rebuilding {
    const struct ks_tree_check *check;
    struct ks_tree_tiles tiles;
    struct ks_tile_store files;
    struct ks_ledger *ledger;
    bool differs;
    struct ks_tree_name first; /* where they differ */
    bool lower;                /* and this is a difference of level 0 */
};

static enum ks_err rebuilding_read(void *context, unsigned level, uint64_t index,
                                   unsigned width, uint8_t *hashes)
{
    struct rebuilding *rebuilding = context;

    return rebuilding->files.read(rebuilding->files.context, level, index, width, hashes);
}

static enum ks_err rebuilding_write(void *context, unsigned level, uint64_t index,
                                    unsigned width, const uint8_t *hashes)
{
    enum ks_err err = KS_OK;
    struct rebuilding *rebuilding = context;
    uint8_t stored[KS_TILE_WIDTH * KS_MERKLE_LEN];
    const size_t len = (size_t)width * KS_MERKLE_LEN;

    KS_TRY(rebuilding->files.read(rebuilding->files.context, level, index, width, stored));
    if (!ks_bytes_equal(ks_bytes_of(stored, len), ks_bytes_of(hashes, len)) &&
        (!rebuilding->differs || (level == 0 && !rebuilding->lower))) {
        rebuilding->differs = true;
        rebuilding->lower = level == 0;
        rebuilding->first = (struct ks_tree_name){
            .level = level,
            .index = index,
            .width = ks_tree_width(rebuilding->check->head->size, level, index)};
    }
out:
    return err;
}

/* The leaves of a bundle that are older than OLD: they have to be those of their tile, which
 * OLD's root covers. */
static enum ks_err check_edge(struct rebuilding *rebuilding, uint64_t index,
                              const struct ks_bytes *entries, unsigned old_count)
{
    enum ks_err err = KS_OK;
    uint8_t hashes[KS_TILE_WIDTH * KS_MERKLE_LEN];

    KS_TRY(rebuilding->files.read(rebuilding->files.context, 0, index, old_count, hashes));
    for (unsigned i = 0; i < old_count; i++) {
        uint8_t leaf[KS_MERKLE_LEN];
        char path[KS_TREE_PATH_MAX];

        ks_merkle_leaf(entries[i], leaf);
        ks_tree_path(&(struct ks_tree_name){.entries = true,
                                            .index = index,
                                            .width = ks_tree_width(
                                                rebuilding->check->head->size, 0, index)},
                     path);
        KS_CHECK(ks_bytes_equal(KS_BYTES(leaf),
                                ks_bytes_of(hashes + i * KS_MERKLE_LEN, KS_MERKLE_LEN)),
                 KS_ERR_VERIFY, "%s: entry %" PRIu64 " is not the one that was signed", path,
                 index * KS_TILE_WIDTH + i);
    }
out:
    return err;
}

/* Hashes the entries of bundle INDEX that are newer than OLD into LEAVES, from *COUNT on. */
static enum ks_err add_bundle(struct rebuilding *rebuilding, uint64_t index,
                              struct ks_buf *file, uint8_t *leaves, size_t *count)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_check *check = rebuilding->check;
    const uint64_t first = index * KS_TILE_WIDTH;
    const unsigned width = ks_tree_width(check->head->size, 0, index);
    const unsigned old =
        check->old->size > first ? (unsigned)(check->old->size - first) : 0; /* below WIDTH */
    struct ks_bytes entries[KS_TILE_WIDTH];

    KS_TRY(ks_tree_read_bundle(check->source, check->head->size, index, file, entries));
    if (old > 0) {
        KS_TRY(check_edge(rebuilding, index, entries, old));
    }
    for (unsigned i = old; i < width; i++) {
        if (check->visit != NULL) {
            KS_TRY(check->visit(check->context, first + i, entries[i]));
        }
        ks_merkle_leaf(entries[i], leaves + *count * KS_MERKLE_LEN);
        (*count)++;
    }
out:
    return err;
}

static enum ks_err rebuild(struct rebuilding *rebuilding)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_check *check = rebuilding->check;
    const uint64_t bundles = ks_tree_count(check->head->size, 0);
    uint8_t *leaves = ks_calloc(LEAVES_BATCH, KS_MERKLE_LEN);
    struct ks_buf file;
    size_t count = 0;
    uint64_t first = 0;

    ks_buf_init(&file, KS_TREE_FILE_MAX);
    KS_CHECK(leaves != NULL, KS_ERR_NOMEM, "no memory to check a ledger");
    for (uint64_t index = check->old->size / KS_TILE_WIDTH; index < bundles; index++) {
        KS_TRY(add_bundle(rebuilding, index, &file, leaves, &count));
        if (count > LEAVES_BATCH - KS_TILE_WIDTH || index + 1 == bundles) {
            KS_TRY(ks_ledger_append(rebuilding->ledger, leaves, count, &first));
            count = 0;
        }
    }
out:
    ks_free(leaves);
    ks_buf_done(&file);
    return err;
}

/* Whether the head's root vouches for the file of a tile. */
static bool is_vouched_for(struct rebuilding *rebuilding, const struct ks_tree_name *name)
{
    struct ks_ledger *ledger = NULL;
    uint8_t hashes[KS_TILE_WIDTH * KS_MERKLE_LEN];
    enum ks_err err = ks_ledger_open(&rebuilding->files, rebuilding->check->head, &ledger);

    if (err == KS_OK) {
        err = ks_ledger_tile(ledger, name->level, name->index, name->width, hashes);
    }
    ks_ledger_close(ledger);
    return err == KS_OK;
}

/* Says which file it is. With the right root the entries are right, and a tile that differs
 * from them is wrong. Otherwise an entry is wrong, and the first tile that differs shows where,
 * if the root vouches for it: else that tile is wrong as well. It is the upper tiles that show
 * it when a bundle and its tile were changed together. */
static enum ks_err judge(struct rebuilding *rebuilding)
{
    const struct ks_head *head = rebuilding->check->head;
    const bool right_root = ks_bytes_equal(KS_BYTES(ks_ledger_head(rebuilding->ledger)->root),
                                           KS_BYTES(head->root));
    struct ks_tree_name name = rebuilding->first;
    char path[KS_TREE_PATH_MAX];

    if (!rebuilding->differs) {
        return right_root ? KS_OK
                          : ks_fail(KS_ERR_VERIFY,
                                    "the %" PRIu64
                                    " entries and tiles agree, but not with the signed root",
                                    head->size);
    }
    if (right_root || (rebuilding->lower && !is_vouched_for(rebuilding, &name))) {
        ks_tree_path(&name, path);
        return ks_fail(KS_ERR_VERIFY, "%s: damaged: it is not the tile of the entries", path);
    }
    if (rebuilding->lower) {
        name.entries = true;
        ks_tree_path(&name, path);
        return ks_fail(KS_ERR_VERIFY, "%s: damaged: an entry is not that of its tile", path);
    }
    ks_tree_path(&name, path);
    return ks_fail(KS_ERR_VERIFY, "%s: the entries and tiles below it are others", path);
}

/* *OUT_EDGE: the tiles at OLD's edge are not those of its root, and do not say which of them.
 */
static enum ks_err check_since(const struct ks_tree_check *check, bool *out_edge)
{
    enum ks_err err = KS_OK;
    struct rebuilding rebuilding = {.check = check};
    const struct ks_tile_store store = {&rebuilding, rebuilding_read, rebuilding_write};

    ks_tree_tiles_init(&rebuilding.tiles, check->source, check->head->size, &rebuilding.files);
    err = ks_ledger_open(&store, check->old, &rebuilding.ledger);
    *out_edge = err == KS_ERR_VERIFY;
    KS_TRY(err);
    KS_TRY(rebuild(&rebuilding));
    KS_TRY(judge(&rebuilding));
out:
    ks_ledger_close(rebuilding.ledger);
    ks_tree_tiles_done(&rebuilding.tiles);
    /* A file that is not there, cut or too long is as damaged as one with a wrong bit. */
    if (err == KS_ERR_NOT_FOUND || err == KS_ERR_FORMAT || err == KS_ERR_LIMIT) {
        err = ks_fail_prefix(KS_ERR_VERIFY, "damaged");
    }
    return err;
}

enum ks_err ks_tree_fsck(const struct ks_tree_check *check)
{
    enum ks_err err = KS_OK;
    struct ks_head empty;
    bool edge = false;

    KS_CHECK(check->head->size <= KS_MERKLE_SIZE_MAX, KS_ERR_LIMIT,
             "a ledger of %" PRIu64 " entries is over the limit of %" PRIu64, check->head->size,
             KS_MERKLE_SIZE_MAX);
    KS_CHECK(check->old->size <= check->head->size, KS_ERR_VERIFY,
             "the ledger had %" PRIu64 " entries and has %" PRIu64, check->old->size,
             check->head->size);
    err = check_since(check, &edge);
    if (err == KS_ERR_VERIFY && edge) {
        const struct ks_tree_check whole = {
            .source = check->source, .old = &empty, .head = check->head};
        char detail[KS_ERR_DETAIL_MAX];

        (void)snprintf(detail, sizeof detail, "%s", ks_err_detail());
        ks_head_empty(&empty);
        KS_TRY(check_since(&whole, &edge));
        err = ks_fail(KS_ERR_VERIFY, "%s", detail);
    }
out:
    return err;
}
