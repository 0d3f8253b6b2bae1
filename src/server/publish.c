/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "server/publish.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* --- the thread's work -------------------------------------------------------------------- */

/* Files and database against HEAD, from what was checked before on. */
static enum ks_err check(struct ks_publisher *publisher, const struct ks_head *head)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_source source = ks_tree_source_of(publisher->tree);
    const struct ks_tree_check asked = {.source = &source,
                                        .old = &publisher->checked,
                                        .head = head,
                                        .visit = ks_tree_rows_visit,
                                        .context = &publisher->read_back};

    publisher->read_back.size = head->size;
    KS_TRY(ks_fail_prefix(ks_tree_fsck(&asked), "the ledger on disk, before it is signed"));
    publisher->checked = *head;
out:
    return err;
}

static enum ks_err do_work(struct ks_publisher *publisher)
{
    enum ks_err err = KS_OK;

    if (publisher->work == KS_PUBLISH_CHECKPOINT) {
        KS_TRY(ks_tree_put_checkpoint(publisher->tree, ks_buf_view(&publisher->note)));
    } else {
        KS_TRY(ks_tree_write(publisher->tree, &publisher->batch));
        KS_TRY(check(publisher, &publisher->batch.head));
    }
out:
    return ks_fail_prefix(err, "publishing the ledger");
}

/* While there is work and no outcome, batch, note and tree are the thread's. */
static void *run(void *argument)
{
    struct ks_publisher *publisher = argument;
    const uint64_t one = 1;

    (void)pthread_mutex_lock(&publisher->lock);
    for (;;) {
        enum ks_err err = KS_OK;

        while ((publisher->work == KS_PUBLISH_IDLE || publisher->done) && !publisher->stop) {
            (void)pthread_cond_wait(&publisher->given, &publisher->lock);
        }
        if (publisher->work == KS_PUBLISH_IDLE || publisher->done) {
            break;
        }
        (void)pthread_mutex_unlock(&publisher->lock);
        err = do_work(publisher);
        (void)pthread_mutex_lock(&publisher->lock);
        publisher->err = err;
        (void)snprintf(publisher->detail, sizeof publisher->detail, "%s",
                       err == KS_OK ? "" : ks_err_detail());
        publisher->done = true;
        /* A full counter wakes as well as one more. */
        (void)!write(publisher->wake, &one, sizeof one);
    }
    (void)pthread_mutex_unlock(&publisher->lock);
    return NULL;
}

/* --- the server's side -------------------------------------------------------------------- */

enum ks_err ks_publish_open(const char *state_dir, const struct ks_store_options *options,
                            struct ks_store_reader *reader, int wake,
                            struct ks_publisher *publisher)
{
    enum ks_err err = KS_OK;
    char directory[KS_PATH_MAX];

    (void)pthread_mutex_init(&publisher->lock, NULL); /* cannot fail with default attributes */
    (void)pthread_cond_init(&publisher->given, NULL);
    ks_buf_init(&publisher->note, KS_TREE_NOTE_MAX);
    ks_head_empty(&publisher->checked);
    publisher->wake = wake;
    publisher->rows.reader = reader;
    KS_TRY(ks_store_reader_new(options, &publisher->read_back.reader));
    KS_TRY(ks_path_join(state_dir, KS_PUBLISH_DIRECTORY, directory));
    KS_TRY(ks_tree_open(directory, true, &publisher->tree));
    KS_TRY(ks_tree_open(directory, false, &publisher->served));
out:
    return err;
}

void ks_publish_close(struct ks_publisher *publisher)
{
    if (publisher->started) {
        (void)pthread_mutex_lock(&publisher->lock);
        publisher->stop = true;
        (void)pthread_cond_signal(&publisher->given);
        (void)pthread_mutex_unlock(&publisher->lock);
        (void)pthread_join(publisher->thread, NULL);
    }
    if (publisher->note.max > 0) { /* else it was not opened */
        (void)pthread_mutex_destroy(&publisher->lock);
        (void)pthread_cond_destroy(&publisher->given);
    }
    ks_tree_batch_done(&publisher->batch);
    ks_buf_done(&publisher->note);
    ks_tree_close(publisher->tree);
    ks_tree_close(publisher->served);
    ks_store_reader_free(publisher->read_back.reader);
    *publisher = (struct ks_publisher){0};
}

enum ks_err ks_publish_catch_up(struct ks_publisher *publisher, struct ks_ledger *ledger,
                                struct ks_tree_grown *out_grown)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_growth growth = {.ledger = ledger,
                                          .put_entries = ks_tree_rows_put,
                                          .context = &publisher->rows,
                                          .compare = true};
    struct ks_tree_grown grown = {0};

    KS_TRY(ks_tree_grow(publisher->tree, &growth, &grown));
    if (grown.written > 0) {
        KS_TRY(check(publisher, ks_ledger_head(ledger)));
    }
    publisher->checked = *ks_ledger_head(ledger); /* each file was just compared */
    *out_grown = grown;
out:
    return err;
}

/* Signals are for the thread that handles them already. */
enum ks_err ks_publish_start(struct ks_publisher *publisher)
{
    enum ks_err err = KS_OK;
    sigset_t all;
    sigset_t before;
    int error = 0;

    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&publisher->thread, NULL, run, publisher);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    KS_CHECK(error == 0, KS_ERR_NOMEM, "the thread that publishes: %s", strerror(error));
    publisher->started = true;
out:
    return err;
}

bool ks_publish_busy(struct ks_publisher *publisher)
{
    bool busy = false;

    (void)pthread_mutex_lock(&publisher->lock);
    busy = publisher->work != KS_PUBLISH_IDLE;
    (void)pthread_mutex_unlock(&publisher->lock);
    return busy;
}

static void give(struct ks_publisher *publisher, enum ks_publish_work work)
{
    (void)pthread_mutex_lock(&publisher->lock);
    publisher->work = work;
    publisher->done = false;
    (void)pthread_cond_signal(&publisher->given);
    (void)pthread_mutex_unlock(&publisher->lock);
}

enum ks_err ks_publish_grow(struct ks_publisher *publisher, struct ks_ledger *ledger)
{
    enum ks_err err = KS_OK;
    const struct ks_tree_growth growth = {.old_size = publisher->checked.size,
                                          .ledger = ledger,
                                          .put_entries = ks_tree_rows_put,
                                          .context = &publisher->rows};

    KS_ASSERT(!ks_publish_busy(publisher));
    ks_tree_batch_done(&publisher->batch);
    KS_TRY(ks_tree_collect(&growth, &publisher->batch));
    give(publisher, KS_PUBLISH_FILES);
out:
    return err;
}

enum ks_err ks_publish_checkpoint(struct ks_publisher *publisher, struct ks_bytes note)
{
    enum ks_err err = KS_OK;

    KS_ASSERT(!ks_publish_busy(publisher));
    ks_buf_clear(&publisher->note);
    ks_buf_put(&publisher->note, note);
    KS_TRY(ks_buf_check(&publisher->note));
    give(publisher, KS_PUBLISH_CHECKPOINT);
out:
    return err;
}

enum ks_err ks_publish_take(struct ks_publisher *publisher, enum ks_publish_work *out_work)
{
    enum ks_err err = KS_OK;

    (void)pthread_mutex_lock(&publisher->lock);
    *out_work = KS_PUBLISH_IDLE;
    if (publisher->done) {
        *out_work = publisher->work;
        publisher->work = KS_PUBLISH_IDLE;
        publisher->done = false;
        err =
            publisher->err == KS_OK ? KS_OK : ks_fail(publisher->err, "%s", publisher->detail);
    }
    (void)pthread_mutex_unlock(&publisher->lock);
    return err;
}
