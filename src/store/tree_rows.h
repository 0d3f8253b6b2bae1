/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tree_rows.h: a ledger's files against the database that they are made from. One thread. */
#ifndef KS_STORE_TREE_ROWS_H
#define KS_STORE_TREE_ROWS_H

#include "store/store.h"
#include "store/tree.h"

struct ks_tree_rows {
    struct ks_store_reader *reader; /* borrowed */
    uint64_t size;                  /* of the tree, for the names of its files */
};

/* For ks_tree_growth: the entries of a bundle, from the database. CONTEXT is a ks_tree_rows. */
KS_MUST_CHECK enum ks_err ks_tree_rows_put(void *context, uint64_t first, unsigned count,
                                           struct ks_buf *bundle);
/* For ks_tree_check: reads entry INDEX of the database again. KS_ERR_VERIFY when its leaf hash
 * does not fit, and when it is not ENTRY, which a bundle has. */
KS_MUST_CHECK enum ks_err ks_tree_rows_visit(void *context, uint64_t index,
                                             struct ks_bytes entry);
/* COUNT entries from FIRST on, which no file has yet: that their leaf hashes fit. */
KS_MUST_CHECK enum ks_err ks_tree_rows_check(struct ks_tree_rows *rows, uint64_t first,
                                             uint64_t count);

#endif
