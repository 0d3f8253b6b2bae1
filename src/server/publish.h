/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* publish.h: the ledger as static files below the site's state: written after each commit, read
 * back and hashed before a checkpoint is asked for, handed out over HTTP. Derived from the
 * store; caught up and mended at each start.
 *
 * A thread of its own waits for the disk, so that commits and requests do not: it is given the
 * files of one batch, or a checkpoint, and says when they are there. All functions are for the
 * server's thread. */
#ifndef KS_SERVER_PUBLISH_H
#define KS_SERVER_PUBLISH_H

#include <pthread.h>

#include "store/tree_rows.h"

#define KS_PUBLISH_DIRECTORY "ledger" /* below the state directory */

enum ks_publish_work {
    KS_PUBLISH_IDLE,
    KS_PUBLISH_FILES,
    KS_PUBLISH_CHECKPOINT,
};

struct ks_publisher {
    struct ks_tree *tree;
    struct ks_tree *served;        /* the same files, for those who ask */
    struct ks_tree_rows rows;      /* what the files are made from; the server's */
    struct ks_tree_rows read_back; /* what they are compared with; the thread's */
    struct ks_head checked; /* what was read back, hashed, and found right; the thread's while
                               it works */
    pthread_t thread;
    bool started;
    int wake;             /* borrowed eventfd: told when work is done */
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t given;
    enum ks_publish_work work;
    bool done; /* the work; its outcome waits */
    bool stop;
    enum ks_err err; /* outcome */
    char detail[KS_ERR_DETAIL_MAX];
    struct ks_tree_batch batch;
    struct ks_buf note;
};

/* Opens, or makes, the folder below STATE_DIR. OPTIONS are those of the store, READER one of
 * its readers, borrowed; WAKE an eventfd, borrowed. PUBLISHER is zeroed, and the caller's to
 * close, always. */
KS_MUST_CHECK enum ks_err ks_publish_open(const char *state_dir,
                                          const struct ks_store_options *options,
                                          struct ks_store_reader *reader, int wake,
                                          struct ks_publisher *publisher);
/* Ends the thread, after the work that it has. Zeroed is fine. */
void ks_publish_close(struct ks_publisher *publisher);

/* At a start, before the thread: compares every file with what the entries of LEDGER make of
 * it, and writes what is missing or damaged; then all of it is checked from the entries to the
 * root.
 */
KS_MUST_CHECK enum ks_err ks_publish_catch_up(struct ks_publisher *publisher,
                                              struct ks_ledger *ledger,
                                              struct ks_tree_grown *out_grown);
/* Starts the thread; it inherits the caller's sandbox. */
KS_MUST_CHECK enum ks_err ks_publish_start(struct ks_publisher *publisher);

/* Whether it has work, or an outcome that was not taken. */
bool ks_publish_busy(struct ks_publisher *publisher);
/* Gives it what LEDGER has grown by (asserts that it is not busy): it publishes the files,
 * reads back each of them and every new entry of the database, hashes them and compares. */
KS_MUST_CHECK enum ks_err ks_publish_grow(struct ks_publisher *publisher,
                                          struct ks_ledger *ledger);
/* Gives it NOTE, whose tree was published, as the checkpoint that everybody gets (asserts that
 * it is not busy). */
KS_MUST_CHECK enum ks_err ks_publish_checkpoint(struct ks_publisher *publisher,
                                                struct ks_bytes note);
/* *OUT_WORK is what has been done since; KS_PUBLISH_IDLE: nothing. Its outcome is the result:
 * KS_ERR_VERIFY names what is damaged, and then no checkpoint must be signed. */
KS_MUST_CHECK enum ks_err ks_publish_take(struct ks_publisher *publisher,
                                          enum ks_publish_work *out_work);

#endif
