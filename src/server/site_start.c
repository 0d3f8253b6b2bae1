/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The beginning and the end of the thread that decides: the store is opened, the ledger rebuilt
 * from its entries and compared with what was signed, jobs that a crash interrupted are ended.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>

#include "base/log.h"
#include "base/sys.h"
#include "ledger/tiles.h"
#include "server/site.h"

#define INTERRUPTED_MAX 512 /* jobs in one transaction */
#define ONLY_ID         0   /* of the one frame under way */

/* Blocks for the answer to the only request that is under way. */
static enum ks_err ask_now(struct ks_site_server *server, uint16_t type,
                           struct ks_reader *out_answer)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    size_t begin = ks_frame_begin(&server->enclave.out, type, ONLY_ID);

    ks_frame_end(&server->enclave.out, begin);
    KS_TRY(ks_channel_flush(&server->enclave));
    KS_TRY(ks_channel_receive(&server->enclave, &frame));
    KS_TRY(ks_answer_open(&frame, out_answer));
out:
    return err;
}

enum ks_err ks_site_server_take_document(struct ks_site_server *server,
                                         struct ks_bytes document)
{
    enum ks_err err = KS_OK;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_cert *issuer = NULL;

    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(ks_site_read(document, site));
    ks_buf_clear(&server->issuer_pem);
    if (site->issuer_len > 0) {
        KS_TRY(ks_cert_parse_der(ks_bytes_of(site->issuer, site->issuer_len), &issuer));
        ks_cert_to_pem(issuer, &server->issuer_pem);
        KS_TRY(ks_buf_check(&server->issuer_pem));
    }
    ks_buf_clear(&server->site_document);
    ks_buf_put(&server->site_document, document);
    KS_TRY(ks_buf_check(&server->site_document));
    ks_copy(server->origin, site->origin, sizeof server->origin);
    if (server->issuer_changed != NULL) {
        KS_TRY(
            server->issuer_changed(server->issuer_context, ks_buf_view(&server->issuer_pem)));
    }
out:
    ks_free(site);
    ks_cert_free(issuer);
    return err;
}

static enum ks_err greet(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;
    struct ks_reader answer = {0};
    struct ks_bytes document = {0};

    KS_TRY(ask_now(server, KS_FRAME_HELLO, &answer));
    KS_TRY(ks_read_lp32(&answer, KS_SITE_BYTES_MAX, &document));
    KS_TRY(ks_read_u64(&answer, &server->signed_head.size));
    KS_TRY(ks_read_copy(&answer, server->signed_head.root, KS_MERKLE_LEN));
    KS_TRY(ks_read_end(&answer));
    KS_TRY(ks_site_server_take_document(server, document));
out:
    return err;
}

static enum ks_err add_leaf(void *context, uint64_t index, struct ks_bytes entry,
                            const uint8_t leaf[32])
{
    struct ks_site_server *server = context;
    uint8_t computed[32];
    uint64_t first = 0;

    /* From the entries, not from the stored hashes: a flipped bit must not be signed. */
    ks_merkle_leaf(entry, computed);
    if (!ks_bytes_equal(KS_BYTES(computed), ks_bytes_of(leaf, 32))) {
        return ks_fail(KS_ERR_VERIFY,
                       "ledger entry %llu is damaged: its leaf hash does not fit",
                       (unsigned long long)index);
    }
    return ks_ledger_append(server->ledger, computed, 1, &first);
}

/* The tree anew from every entry, checked against the head that the enclave has signed last. */
static enum ks_err rebuild_ledger(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;
    struct ks_head empty;
    uint64_t size = 0;
    uint8_t root[32];

    ks_head_empty(&empty);
    KS_TRY(ks_tiles_memory_new(&server->tiles));
    KS_TRY(ks_ledger_open(&server->tiles, &empty, &server->ledger));
    KS_TRY(ks_store_size(server->reader, &size));
    KS_TRY(ks_store_entries(server->reader, 0, size, add_leaf, server));
    KS_CHECK(size >= server->signed_head.size, KS_ERR_VERIFY,
             "the store holds %llu ledger entries, but %llu were signed: it is an old copy",
             (unsigned long long)size, (unsigned long long)server->signed_head.size);
    if (server->signed_head.size > 0) {
        KS_TRY(ks_ledger_root(server->ledger, server->signed_head.size, root));
        KS_CHECK(ks_bytes_equal(KS_BYTES(root), KS_BYTES(server->signed_head.root)),
                 KS_ERR_VERIFY,
                 "the ledger's first %llu entries are not those that were signed",
                 (unsigned long long)server->signed_head.size);
    }
out:
    return err;
}

/* Jobs whose intent is durable but whose end is not: they ended with the process that ran them.
 */
static enum ks_err end_interrupted(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;
    struct ks_store_job *jobs = ks_calloc(INTERRUPTED_MAX, sizeof *jobs);
    struct ks_buf entry;
    size_t count = 0;

    ks_buf_init(&entry, KS_ENTRY_BYTES_MAX);
    KS_CHECK(jobs != NULL, KS_ERR_NOMEM, "interrupted jobs");
    do {
        KS_TRY(ks_store_jobs_open(server->reader, INTERRUPTED_MAX, jobs, &count));
        KS_TRY(count > 0 ? ks_store_begin(server->store) : KS_OK);
        for (size_t i = 0; i < count; i++) {
            uint8_t leaf[32];
            uint64_t index = 0;
            uint64_t first = 0;

            ks_buf_clear(&entry);
            ks_entry_abort_write(ks_bytes_text(jobs[i].device), KS_ERR_UNAVAILABLE,
                                 jobs[i].intent_index, &entry);
            KS_TRY(ks_buf_check(&entry));
            ks_merkle_leaf(ks_buf_view(&entry), leaf);
            KS_TRY(ks_store_append(server->store, ks_buf_view(&entry), leaf, &index));
            KS_TRY(ks_store_job_end(server->store, jobs[i].id, KS_JOB_FAILED, ks_clock_us(),
                                    index, KS_ERR_UNAVAILABLE,
                                    "interrupted by a restart of the site"));
            KS_TRY(ks_job_trace_interrupted(server, &jobs[i]));
            KS_TRY(ks_ledger_append(server->ledger, leaf, 1, &first));
        }
        KS_TRY(count > 0 ? ks_store_commit(server->store) : KS_OK);
    } while (count > 0);
out:
    ks_store_rollback(server->store);
    ks_free(jobs);
    ks_buf_done(&entry);
    return err;
}

/* The note of the head that is signed: as stored, or signed once more. */
static enum ks_err load_checkpoint(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;
    uint64_t size = 0;

    err = ks_store_checkpoint(server->reader, &size, &server->checkpoint);
    KS_TRY(err == KS_ERR_NOT_FOUND ? KS_OK : err);
    if (size != server->signed_head.size) {
        /* It was signed, and lost before it was stored. */
        ks_buf_clear(&server->checkpoint);
    }
    server->checkpoint_unpublished = true;
    /* What a crash left without a checkpoint gets it now: its owners may ask for their bundles.
     */
    server->checkpoint_wanted = ks_ledger_head(server->ledger)->size > 0;
out:
    return err;
}

/* The files of the ledger as the entries have them: they are derived, so what is damaged is
 * written anew, and said. */
static enum ks_err catch_up(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;
    struct ks_tree_grown grown = {0};

    KS_TRY(ks_publish_catch_up(&server->publisher, server->ledger, &grown));
    if (grown.damaged > 0) {
        struct ks_log_line line;

        ks_log_begin(&line, KS_LOG_WARN, "ledger.mended");
        ks_log_u64(&line, "files", grown.damaged);
        ks_log_text(&line, "first", grown.first);
        ks_log_end(&line);
    }
out:
    return err;
}

static enum ks_err nonblocking(int fd)
{
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) {
        return ks_fail(KS_ERR_IO, "enclave socket: %s", strerror(errno));
    }
    return KS_OK;
}

enum ks_err ks_site_server_open(const char *state_dir, int enclave_fd,
                                struct ks_site_server **out_server)
{
    enum ks_err err = KS_OK;
    struct ks_site_server *server = ks_calloc(1, sizeof *server);
    char directory[4096];
    const struct ks_store_options options = {.version = 1, .directory = directory};

    if (server == NULL) {
        return ks_fail(KS_ERR_NOMEM, "server");
    }
    server->wake = -1;
    ks_channel_init(&server->enclave, enclave_fd, "enclave");
    ks_relay_init(&server->relay);
    ks_buf_init(&server->site_document, KS_SITE_BYTES_MAX);
    ks_buf_init(&server->issuer_pem, KS_CERT_PEM_MAX);
    ks_buf_init(&server->checkpoint, KS_NOTE_LEN_MAX);
    for (size_t i = 0; i < KS_WITNESSED_STATES; i++) {
        ks_witnessed_init(&server->witnessed[i]);
    }
    ks_refusals_init(&server->refusals);
    (void)pthread_mutex_init(&server->lock, NULL); /* cannot fail with default attributes */
    (void)snprintf(directory, sizeof directory, "%s/store", state_dir);
    server->tasks = ks_calloc(KS_SITE_PENDING_MAX, sizeof *server->tasks);
    server->queue = ks_calloc(KS_SITE_PENDING_MAX, sizeof(struct ks_http_request *));
    KS_CHECK(server->tasks != NULL && server->queue != NULL, KS_ERR_NOMEM, "server");
    server->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    KS_CHECK(server->wake >= 0, KS_ERR_IO, "eventfd: %s", strerror(errno));
    KS_TRY(ks_traces_init(&server->traces));
    KS_TRY(greet(server));
    KS_TRY(ks_store_open(&options, &server->store));
    KS_TRY(ks_store_reader_new(&options, &server->reader));
    KS_TRY(rebuild_ledger(server));
    KS_TRY(end_interrupted(server));
    KS_TRY(
        ks_publish_open(state_dir, &options, server->reader, server->wake, &server->publisher));
    KS_TRY(catch_up(server));
    KS_TRY(load_checkpoint(server));
    KS_TRY(ks_witnessed_load(server));
    KS_TRY(nonblocking(server->enclave.fd));
    *out_server = server;
    server = NULL; /* transferred */
out:
    ks_site_server_close(server);
    return err;
}

void ks_site_server_close(struct ks_site_server *server)
{
    if (server == NULL) {
        return;
    }
    while (server->tasks_used > 0) { /* the last one in use; freeing it finds the next */
        ks_task_fail(server, &server->tasks[server->tasks_used - 1],
                     ks_fail(KS_ERR_UNAVAILABLE, "the site is stopping"));
    }
    ks_publish_close(&server->publisher);
    ks_ledger_close(server->ledger);
    ks_tiles_memory_free(&server->tiles);
    ks_store_reader_free(server->reader);
    ks_store_close(server->store);
    ks_channel_done(&server->enclave);
    ks_relay_done(&server->relay);
    ks_buf_done(&server->site_document);
    ks_buf_done(&server->issuer_pem);
    ks_buf_done(&server->checkpoint);
    for (size_t i = 0; i < KS_WITNESSED_STATES; i++) {
        ks_witnessed_done(&server->witnessed[i]);
    }
    ks_cosigners_free(server->cosigners);
    ks_traces_done(&server->traces);
    ks_fl_files_close(server->fl_files);
    ks_fd_close(&server->wake);
    ks_free(server->tasks);
    ks_free((void *)server->queue);
    ks_refusals_done(&server->refusals);
    (void)pthread_mutex_destroy(&server->lock);
    ks_free(server);
}
