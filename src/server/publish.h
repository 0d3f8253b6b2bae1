/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* publish.h: the ledger as static files below the site's state: written after each commit, read
 * back and hashed before a checkpoint is asked for, handed out over HTTP. Derived from the
 * store; caught up and mended at each start. On the server's own thread. */
#ifndef KS_SERVER_PUBLISH_H
#define KS_SERVER_PUBLISH_H

#include "store/tree_rows.h"

#define KS_PUBLISH_DIRECTORY "ledger" /* below the state directory */

struct ks_publisher {
    struct ks_tree *tree;
    struct ks_tree_rows rows; /* what the files are made from */
    struct ks_head checked;   /* what was read back, hashed, and found right */
};

/* Opens, or makes, the folder below STATE_DIR. READER is borrowed. */
KS_MUST_CHECK enum ks_err ks_publish_open(const char *state_dir, struct ks_store_reader *reader,
                                          struct ks_publisher *publisher);
void ks_publish_close(struct ks_publisher *publisher); /* zeroed is fine */

/* At a start: compares every file with what the entries of LEDGER make of it, and writes what
 * is missing or damaged; then all of it is checked from the entries to the root. */
KS_MUST_CHECK enum ks_err ks_publish_catch_up(struct ks_publisher *publisher,
                                              struct ks_ledger *ledger,
                                              struct ks_tree_grown *out_grown);
/* Publishes what LEDGER has grown by, reads back every file that this changed and every new
 * entry of the database, hashes them and compares: KS_ERR_VERIFY names what is damaged, and
 * then no checkpoint must be signed. */
KS_MUST_CHECK enum ks_err ks_publish_grow(struct ks_publisher *publisher,
                                          struct ks_ledger *ledger);
/* NOTE, whose tree was published, is the checkpoint that everybody gets. */
KS_MUST_CHECK enum ks_err ks_publish_checkpoint(struct ks_publisher *publisher,
                                                struct ks_bytes note);

#endif
