/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "store/tree_rows.h"

static enum ks_err put_row(void *context, uint64_t index, struct ks_bytes entry,
                           const uint8_t leaf[32])
{
    (void)index;
    (void)leaf;
    ks_tree_put_entry(context, entry);
    return ks_buf_check(context);
}

enum ks_err ks_tree_rows_put(void *context, uint64_t first, unsigned count,
                             struct ks_buf *bundle)
{
    const struct ks_tree_rows *rows = context;

    return ks_store_entries(rows->reader, first, count, put_row, bundle);
}

static enum ks_err check_row(void *context, uint64_t index, struct ks_bytes entry,
                             const uint8_t leaf[32])
{
    enum ks_err err = KS_OK;
    uint8_t computed[KS_MERKLE_LEN];

    (void)context;
    ks_merkle_leaf(entry, computed);
    KS_CHECK(ks_bytes_equal(KS_BYTES(computed), ks_bytes_of(leaf, sizeof computed)),
             KS_ERR_VERIFY,
             "the database: ledger entry %llu is damaged: its leaf hash does not fit",
             (unsigned long long)index);
out:
    return err;
}

/* A row, and the entry that a bundle has in its place. */
struct pair {
    const struct ks_tree_rows *rows;
    struct ks_bytes entry;
};

static enum ks_err compare_row(void *context, uint64_t index, struct ks_bytes entry,
                               const uint8_t leaf[32])
{
    enum ks_err err = KS_OK;
    const struct pair *pair = context;
    const uint64_t bundle = index / KS_TILE_WIDTH;
    char path[KS_TREE_PATH_MAX];

    KS_TRY(check_row(NULL, index, entry, leaf));
    ks_tree_path(&(struct ks_tree_name){.entries = true,
                                        .index = bundle,
                                        .width = ks_tree_width(pair->rows->size, 0, bundle)},
                 path);
    KS_CHECK(ks_bytes_equal(entry, pair->entry), KS_ERR_VERIFY,
             "%s: damaged: entry %llu is not that of the database", path,
             (unsigned long long)index);
out:
    return err;
}

enum ks_err ks_tree_rows_visit(void *context, uint64_t index, struct ks_bytes entry)
{
    const struct ks_tree_rows *rows = context;
    struct pair pair = {rows, entry};

    return ks_store_entries(rows->reader, index, 1, compare_row, &pair);
}

enum ks_err ks_tree_rows_check(struct ks_tree_rows *rows, uint64_t first, uint64_t count)
{
    return ks_store_entries(rows->reader, first, count, check_row, NULL);
}
