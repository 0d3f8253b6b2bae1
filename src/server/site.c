/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "server/site.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "ledger/tiles.h"

#define COMMIT_MAX 512 /* jobs in one transaction */
#define STOPPING   "the site is stopping"

#define WITNESSED_TICK_MS 500 /* how late the end of a wait for a checkpoint is noticed */

/* --- tasks -------------------------------------------------------------------------------- */

struct ks_task *ks_task_new(struct ks_site_server *server, struct ks_http_request *request)
{
    const bool stopping = __atomic_load_n(&server->stopping, __ATOMIC_SEQ_CST);

    for (size_t i = 0; !stopping && i < KS_SITE_PENDING_MAX; i++) {
        struct ks_task *task = &server->tasks[i];

        if (task->state == KS_TASK_FREE) {
            server->tasks_used = i >= server->tasks_used ? i + 1 : server->tasks_used;
            *task = (struct ks_task){.state = KS_TASK_ASKED, .request = request};
            ks_buf_init(&task->intent, KS_ENTRY_BYTES_MAX);
            ks_buf_init(&task->entry, KS_ENTRY_BYTES_MAX);
            ks_buf_init(&task->record, KS_RECORD_BYTES_MAX);
            ks_trace_init(&task->trace);
            task->begin_us =
                request == NULL ? ks_clock_monotonic_us() : ks_http_request_time_us(request);
            return task;
        }
    }
    if (request != NULL) {
        ks_http_reply_error(request, KS_ERR_UNAVAILABLE,
                            stopping ? STOPPING : "too many requests are waiting");
    }
    return NULL;
}

void ks_task_free(struct ks_site_server *server, struct ks_task *task)
{
    ks_buf_done(&task->intent);
    ks_buf_done(&task->entry);
    ks_buf_done(&task->record);
    task->state = KS_TASK_FREE;
    while (server->tasks_used > 0 &&
           server->tasks[server->tasks_used - 1].state == KS_TASK_FREE) {
        server->tasks_used--;
    }
}

void ks_task_fail(struct ks_site_server *server, struct ks_task *task, enum ks_err err)
{
    if (task->request != NULL) {
        ks_refusals_request(&server->refusals, task->request, err);
        ks_http_reply_error(task->request, err, ks_err_detail());
        task->request = NULL;
    }
    ks_task_free(server, task);
}

void ks_task_ask(struct ks_site_server *server, struct ks_task *task, uint16_t type,
                 struct ks_bytes payload, ks_task_step step)
{
    size_t begin = 0;

    task->id = ++server->next_id;
    task->step = step;
    begin = ks_frame_begin(&server->enclave.out, type, task->id);
    ks_buf_put(&server->enclave.out, payload);
    ks_frame_end(&server->enclave.out, begin);
}

struct ks_task *ks_task_find_job(struct ks_site_server *server, const char *job_id)
{
    for (size_t i = 0; i < server->tasks_used; i++) {
        struct ks_task *task = &server->tasks[i];

        if (task->state >= KS_TASK_INTENT && !task->fetched &&
            strcmp(task->job.id, job_id) == 0) {
            return task;
        }
    }
    return NULL;
}

struct ks_task *ks_task_find_idempotency(struct ks_site_server *server, const char *device,
                                         const char *idempotency)
{
    for (size_t i = 0; i < server->tasks_used; i++) {
        struct ks_task *task = &server->tasks[i];

        if (task->state != KS_TASK_FREE && !task->fetched &&
            strcmp(task->job.idempotency, idempotency) == 0 &&
            strcmp(task->job.device, device) == 0) {
            return task;
        }
    }
    return NULL;
}

/* --- jobs: from admission to the answer --------------------------------------------------- */

void ks_task_admitted(struct ks_site_server *server, struct ks_task *task)
{
    (void)server;
    task->admitted_us = ks_clock_monotonic_us();
    task->job.created_us = ks_clock_us();
    task->state = KS_TASK_INTENT;
}

/* RUN was answered: a record with its entry, or the reason why there is none. */
static void step_sealed(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                        struct ks_reader *answer)
{
    struct ks_bytes record = {0};
    struct ks_bytes entry = {0};

    (void)server;
    task->sealed_us = ks_clock_monotonic_us();
    task->state = KS_TASK_RESULT;
    KS_TRY(err);
    KS_TRY(ks_read_lp32(answer, KS_RECORD_BYTES_MAX, &record));
    KS_TRY(ks_read_lp16(answer, KS_ENTRY_BYTES_MAX, &entry));
    KS_TRY(ks_task_trace_take(task, answer));
    KS_TRY(ks_read_end(answer));
    ks_buf_put(&task->record, record);
    ks_buf_put(&task->entry, entry);
    KS_TRY(ks_buf_check(&task->record));
    KS_TRY(ks_buf_check(&task->entry));
out:
    if (err != KS_OK) {
        ks_buf_clear(&task->record);
        ks_buf_clear(&task->entry);
        task->failure = err;
        (void)snprintf(task->job.detail, sizeof task->job.detail, "%s", ks_err_detail());
        ks_entry_abort_write(ks_bytes_text(task->job.device), err, task->job.intent_index,
                             &task->entry);
    }
}

static void send_run(struct ks_site_server *server, struct ks_task *task)
{
    uint8_t bytes[KS_UUID_TEXT_LEN + 8];
    struct ks_buf payload = {.data = bytes, .cap = sizeof bytes, .max = sizeof bytes};

    ks_buf_put(&payload, ks_bytes_of(task->job.id, KS_UUID_TEXT_LEN));
    ks_buf_put_u64(&payload, task->job.intent_index);
    ks_task_ask(server, task, KS_FRAME_RUN, ks_buf_view(&payload), step_sealed);
    task->state = KS_TASK_RUNNING;
}

static enum ks_err put_intent(struct ks_site_server *server, struct ks_task *task,
                              uint8_t leaf[32])
{
    enum ks_err err = KS_OK;

    ks_merkle_leaf(ks_buf_view(&task->intent), leaf);
    KS_TRY(ks_store_append(server->store, ks_buf_view(&task->intent), leaf,
                           &task->job.intent_index));
    task->job.state = KS_JOB_ACCEPTED;
    KS_TRY(ks_store_job_insert(server->store, &task->job));
out:
    return err;
}

static enum ks_err put_result(struct ks_site_server *server, struct ks_task *task,
                              uint8_t leaf[32])
{
    enum ks_err err = KS_OK;

    ks_merkle_leaf(ks_buf_view(&task->entry), leaf);
    task->job.finished_us = ks_clock_us();
    KS_TRY(ks_store_append(server->store, ks_buf_view(&task->entry), leaf,
                           &task->job.result_index));
    if (task->failure == KS_OK) {
        task->job.state = KS_JOB_DONE;
        KS_TRY(ks_store_job_done(server->store, task->job.id, task->job.finished_us,
                                 task->job.result_index, ks_buf_view(&task->record)));
    } else {
        task->job.state = task->cancel_wanted ? KS_JOB_CANCELLED : KS_JOB_FAILED;
        task->job.error = task->failure;
        KS_TRY(ks_store_job_end(server->store, task->job.id, task->job.state,
                                task->job.finished_us, task->job.result_index, task->failure,
                                task->job.detail));
    }
    KS_TRY(task->round == 0 ? ks_task_trace_put(server, task) : KS_OK);
out:
    return err;
}

static enum ks_err put_entry(struct ks_site_server *server, struct ks_task *task,
                             uint8_t leaf[32])
{
    enum ks_err err = KS_OK;

    ks_merkle_leaf(ks_buf_view(&task->entry), leaf);
    KS_TRY(ks_store_append(server->store, ks_buf_view(&task->entry), leaf,
                           &task->job.result_index));
    KS_TRY(ks_task_suspect_put(server, task));
out:
    return err;
}

static enum ks_err put_task(struct ks_site_server *server, struct ks_task *task,
                            uint8_t leaf[32])
{
    switch (task->state) {
    case KS_TASK_INTENT:
        return put_intent(server, task, leaf);
    case KS_TASK_RESULT:
        return put_result(server, task, leaf);
    default:
        return put_entry(server, task, leaf);
    }
}

/* What a committed task does next. */
static void after_commit(struct ks_site_server *server, struct ks_task *task)
{
    if (task->state == KS_TASK_INTENT) {
        task->intended_us = ks_clock_monotonic_us();
        send_run(server, task);
        if (!task->wait && task->request != NULL) {
            ks_api_job_accepted(task);
            task->request = NULL;
        }
    } else if (task->state == KS_TASK_ALERT) {
        server->checkpoint_wanted = true;
        ks_task_alert_kept(server, task);
    } else if (task->state == KS_TASK_ENTRY) {
        server->checkpoint_wanted = true;
        ks_task_answer_entry(server, task);
    } else if (task->round != 0) { /* nobody waits for it; a failed one is offered again */
        server->checkpoint_wanted = true;
        if (task->failure == KS_OK) {
            ks_site_fl_recorded(server, task);
        }
        ks_task_free(server, task);
    } else if (task->failure != KS_OK) {
        server->checkpoint_wanted = true;
        ks_api_job_ended(server, task);
        ks_task_trace_end(server, task);
    } else {
        task->committed_us = ks_clock_monotonic_us();
        task->state = KS_TASK_CHECKPOINT;
    }
}

static enum ks_err save_checkpoint(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;

    if (server->checkpoint_unsaved) {
        KS_TRY(ks_store_checkpoint_put(server->store, server->signed_head.size,
                                       ks_buf_view(&server->checkpoint)));
    }
out:
    return err;
}

/* What goes along with any transaction, and its end. */
static enum ks_err save_rest(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;

    KS_TRY(save_checkpoint(server));
    KS_TRY(ks_traces_put(&server->traces, server->store));
    KS_TRY(ks_store_commit(server->store));
    server->checkpoint_unsaved = false;
    ks_traces_saved(&server->traces);
out:
    return err;
}

/* One transaction for all that waits. A store that fails ends ketseald: what was promised to
 * nobody is lost with it, and a restart finds the rest. */
static enum ks_err commit(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;
    struct ks_task *group[COMMIT_MAX];
    uint8_t leaves[COMMIT_MAX][32];
    size_t count = 0;
    uint64_t first = 0;

    for (size_t i = 0; i < server->tasks_used && count < COMMIT_MAX; i++) {
        struct ks_task *task = &server->tasks[i];

        if (task->state == KS_TASK_INTENT || task->state == KS_TASK_RESULT ||
            task->state == KS_TASK_ENTRY || task->state == KS_TASK_ALERT) {
            group[count++] = task;
        }
    }
    if (count == 0 && !ks_traces_due(&server->traces, ks_clock_monotonic_us())) {
        return KS_OK;
    }
    KS_TRY(ks_store_begin(server->store));
    for (size_t i = 0; i < count; i++) {
        KS_TRY(put_task(server, group[i], leaves[i]));
    }
    KS_TRY(save_rest(server));
    if (count == 0) {
        goto out;
    }
    KS_TRY(ks_ledger_append(server->ledger, leaves[0], count, &first));
    for (size_t i = 0; i < count; i++) {
        after_commit(server, group[i]);
    }
out:
    ks_store_rollback(server->store);
    return err;
}

/* --- checkpoints -------------------------------------------------------------------------- */

enum ks_err ks_site_inclusion(struct ks_site_server *server, uint64_t index,
                              uint64_t intent_index, const struct ks_witnessed *under,
                              struct ks_inclusion *out_inclusion)
{
    enum ks_err err = KS_OK;
    struct ks_inclusion inclusion = {
        .checkpoint = ks_buf_view(under == NULL ? &server->checkpoint : &under->note),
        .index = index};
    uint64_t size = under == NULL ? server->signed_head.size : under->head.size;

    KS_CHECK(index < size && intent_index < size && inclusion.checkpoint.len > 0,
             KS_ERR_NOT_FOUND, "no such checkpoint covers the record yet");
    KS_TRY(ks_ledger_prove_inclusion(server->ledger, index, size, &inclusion.path));
    KS_TRY(
        ks_ledger_prove_inclusion(server->ledger, intent_index, size, &inclusion.intent_path));
    *out_inclusion = inclusion;
out:
    return err;
}

/* The checkpoint among the ledger's files: the newest, or, where there are witnesses, the
 * newest that they have cosigned. */
static const struct ks_buf *published_note(const struct ks_site_server *server)
{
    return server->cosigners == NULL ? &server->checkpoint
                                     : &server->witnessed[KS_WITNESSED_COSIGNED].note;
}

/* Takes the enclave's note and answers all whom it covers. */
static enum ks_err take_checkpoint(struct ks_site_server *server, struct ks_reader *answer)
{
    enum ks_err err = KS_OK;
    struct ks_bytes note = {0};

    KS_TRY(ks_read_lp32(answer, KS_NOTE_LEN_MAX, &note));
    KS_TRY(ks_read_end(answer));
    ks_buf_clear(&server->checkpoint);
    ks_buf_put(&server->checkpoint, note);
    KS_TRY(ks_buf_check(&server->checkpoint));
    server->signed_head = server->checkpoint_head;
    server->checkpoint_asked = false;
    server->checkpoint_unsaved = true;
    for (size_t i = 0; i < server->tasks_used; i++) {
        struct ks_task *task = &server->tasks[i];

        if (task->state == KS_TASK_CHECKPOINT &&
            task->job.result_index < server->signed_head.size) {
            if (!task->fetched) {
                ks_task_trace_sealed(task);
            }
            ks_api_job_ended(server, task);
            ks_task_trace_end(server, task);
        }
    }
    if (server->cosigners == NULL) { /* the answers carry it: nobody waits for the file */
        server->checkpoint_unpublished = true;
    }
out:
    return err;
}

static bool anybody_waits(const struct ks_site_server *server)
{
    for (size_t i = 0; i < server->tasks_used; i++) {
        if (server->tasks[i].state == KS_TASK_CHECKPOINT) {
            return true;
        }
    }
    return false;
}

#define CHECKPOINT_ID 0 /* of its frames; tasks count from 1 */

/* The files of HEAD are there, and were checked. */
static enum ks_err ask_checkpoint(struct ks_site_server *server, const struct ks_head *head)
{
    enum ks_err err = KS_OK;
    struct ks_merkle_proof proof = {0};
    struct ks_buf *out = &server->enclave.out;
    size_t begin = 0;

    if (server->signed_head.size > 0) {
        KS_TRY(ks_ledger_prove_consistency(server->ledger, server->signed_head.size, head->size,
                                           &proof));
    }
    server->checkpoint_head = *head;
    begin = ks_frame_begin(out, KS_FRAME_CHECKPOINT, CHECKPOINT_ID);
    ks_buf_put_u64(out, head->size);
    ks_buf_put(out, KS_BYTES(head->root));
    ks_buf_put_u32(out, (uint32_t)proof.count);
    ks_buf_put(out, ks_bytes_of(proof.hashes, proof.count * KS_MERKLE_LEN));
    ks_frame_end(out, begin);
    server->checkpoint_asked = true;
out:
    return err;
}

/* --- what others say of checkpoints ------------------------------------------------------- */

/* Stores what the witnesses have cosigned, and sends them what is newer. */
static enum ks_err collect(struct ks_site_server *server, const struct pollfd *fds,
                           size_t count)
{
    enum ks_err err = KS_OK;
    struct ks_buf note;
    struct ks_head head;

    if (server->cosigners == NULL) {
        return KS_OK;
    }
    ks_buf_init(&note, KS_STORE_COSIGNED_MAX);
    /* First: what was borrowed before may be another checkpoint by now. */
    if (server->checkpoint.len > 0) {
        ks_cosigners_offer(server->cosigners, ks_buf_view(&server->checkpoint),
                           &server->signed_head);
    }
    ks_cosigners_turn(server->cosigners, fds, count, server->ledger);
    if (ks_cosigners_take(server->cosigners, &note, &head)) {
        KS_TRY(ks_witnessed_cosigned(server, ks_buf_view(&note), &head));
    }
out:
    ks_buf_done(&note);
    return err;
}

static bool stops(const struct ks_site_server *server)
{
    return __atomic_load_n(&server->stopping, __ATOMIC_SEQ_CST);
}

/* Answers the bundles whose checkpoint is there by now, or for which it was waited enough. */
static void answer_witnessed(struct ks_site_server *server)
{
    const uint64_t now_us = ks_clock_monotonic_us();

    for (size_t i = 0; i < server->tasks_used; i++) {
        struct ks_task *task = &server->tasks[i];

        if (task->state != KS_TASK_WITNESSED) {
            continue;
        }
        if (task->job.result_index < server->witnessed[task->wanted].head.size) {
            ks_api_job_witnessed(server, task);
            ks_task_free(server, task);
        } else if (stops(server)) {
            ks_task_fail(server, task, ks_fail(KS_ERR_UNAVAILABLE, STOPPING));
        } else if (now_us >= task->until_us || ks_http_request_gone(task->request)) {
            ks_task_fail(server, task,
                         ks_fail(KS_ERR_NOT_FOUND, "no %s checkpoint covers the record yet",
                                 ks_witnessed_state_name(task->wanted)));
        }
    }
}

/* How long poll may sleep, in milliseconds; -1: until something comes. */
static int wait_ms(const struct ks_site_server *server)
{
    int ms = server->cosigners == NULL ? -1 : ks_cosigners_wait_ms(server->cosigners);

    for (size_t i = 0; i < server->tasks_used; i++) {
        if (server->tasks[i].state == KS_TASK_WITNESSED && (ms < 0 || ms > WITNESSED_TICK_MS)) {
            ms = WITNESSED_TICK_MS;
        }
    }
    ms = ks_traces_wait_ms(&server->traces, ks_clock_monotonic_us(), ms);
    ms = ks_refusals_wait_ms(&server->refusals, ks_clock_monotonic_us(), ms);
    return ks_site_fl_wait_ms(server, ms);
}

/* First the files of a head, then its checkpoint, then that among the files: one after the
 * other, while commits go on. */
static enum ks_err advance_checkpoint(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;
    struct ks_publisher *publisher = &server->publisher;
    const struct ks_head *head = ks_ledger_head(server->ledger);
    enum ks_publish_work work = KS_PUBLISH_IDLE;

    KS_TRY(ks_publish_take(publisher, &work));
    if (work == KS_PUBLISH_FILES) {
        KS_TRY(ask_checkpoint(server, &publisher->checked));
    }
    if (ks_publish_busy(publisher)) {
        return KS_OK;
    }
    if (server->checkpoint_unpublished && published_note(server)->len > 0) {
        server->checkpoint_unpublished = false;
        return ks_publish_checkpoint(publisher, ks_buf_view(published_note(server)));
    }
    if (server->checkpoint_asked || (!server->checkpoint_wanted && !anybody_waits(server))) {
        return KS_OK;
    }
    server->checkpoint_wanted = false;
    if (head->size == server->signed_head.size && server->checkpoint.len > 0) {
        return KS_OK;
    }
    if (head->size == publisher->checked.size) { /* at a start */
        KS_TRY(ask_checkpoint(server, head));
    } else {
        KS_TRY(ks_publish_grow(publisher, server->ledger));
    }
out:
    return err;
}

/* --- the enclave's answers ---------------------------------------------------------------- */

static enum ks_err take_answer(struct ks_site_server *server, const struct ks_frame *frame)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = {0};
    enum ks_err said = KS_OK;

    if ((frame->type & KS_FRAME_ANSWER) == 0) {
        return ks_relay_take(&server->relay, frame, &server->enclave.out);
    }
    said = ks_answer_open(frame, &reader);
    if (frame->id == CHECKPOINT_ID) {
        KS_TRY(ks_fail_prefix(said, "the enclave refuses the checkpoint"));
        KS_TRY(take_checkpoint(server, &reader));
    }
    for (size_t i = 0; frame->id != CHECKPOINT_ID && i < server->tasks_used; i++) {
        struct ks_task *task = &server->tasks[i];

        if (task->id == frame->id &&
            (task->state == KS_TASK_ASKED || task->state == KS_TASK_RUNNING)) {
            task->step(server, task, said, &reader);
            break;
        }
    }
out:
    return err;
}

static enum ks_err read_enclave(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    bool found = true;

    KS_TRY(ks_channel_fill(&server->enclave, NULL));
    for (;;) {
        KS_TRY(ks_channel_next(&server->enclave, &frame, &found));
        if (!found) {
            break;
        }
        KS_TRY(take_answer(server, &frame));
    }
out:
    return err;
}

/* --- the queue ---------------------------------------------------------------------------- */

void ks_site_server_wake(struct ks_site_server *server)
{
    const uint64_t one = 1;

    /* A full counter wakes as well as one more. */
    (void)!write(server->wake, &one, sizeof one);
}

void ks_site_server_handle(void *context, struct ks_http_request *request)
{
    struct ks_site_server *server = context;
    bool full = false;
    bool closed = false;

    (void)pthread_mutex_lock(&server->lock);
    closed = server->closed;
    full = server->queue_count == KS_SITE_PENDING_MAX;
    if (!closed && !full) {
        server->queue[(server->queue_head + server->queue_count) % KS_SITE_PENDING_MAX] =
            request;
        server->queue_count++;
    }
    (void)pthread_mutex_unlock(&server->lock);
    if (closed) {
        ks_http_reply_error(request, KS_ERR_UNAVAILABLE, STOPPING);
    } else if (full) {
        ks_http_reply_error(request, KS_ERR_UNAVAILABLE, "too many requests are waiting");
    } else {
        ks_site_server_wake(server);
    }
}

static struct ks_http_request *take_request(struct ks_site_server *server)
{
    struct ks_http_request *request = NULL;

    (void)pthread_mutex_lock(&server->lock);
    if (server->queue_count > 0) {
        request = server->queue[server->queue_head];
        server->queue_head = (server->queue_head + 1) % KS_SITE_PENDING_MAX;
        server->queue_count--;
    }
    (void)pthread_mutex_unlock(&server->lock);
    return request;
}

/* From now on whoever comes is refused at once; so is who waits. */
static void close_queue(struct ks_site_server *server)
{
    struct ks_http_request *request = NULL;

    (void)pthread_mutex_lock(&server->lock);
    server->closed = true;
    (void)pthread_mutex_unlock(&server->lock);
    while ((request = take_request(server)) != NULL) {
        ks_http_reply_error(request, KS_ERR_UNAVAILABLE, STOPPING);
    }
}

void ks_site_server_stop(struct ks_site_server *server)
{
    __atomic_store_n(&server->stopping, true, __ATOMIC_SEQ_CST);
    ks_site_server_wake(server);
}

static bool finished(const struct ks_site_server *server)
{
    if (!stops(server)) {
        return false;
    }
    for (size_t i = 0; i < server->tasks_used; i++) {
        const struct ks_task *task = &server->tasks[i];
        const bool round = task->round != 0 && task->state == KS_TASK_RUNNING;

        if (task->state != KS_TASK_FREE && !round) { /* a round goes on at the next start */
            return false;
        }
    }
    return true;
}

#define OWN_FDS 3 /* beside those of the witnesses */

static enum ks_err turn(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;
    struct ks_http_request *request = NULL;
    uint64_t count = 0;
    struct pollfd fds[OWN_FDS + KS_CONFIG_WITNESSES_MAX] = {
        {.fd = server->wake, .events = POLLIN},
        {.fd = server->enclave.fd, .events = POLLIN},
        ks_relay_pollfd(&server->relay),
    };
    size_t witnesses = 0;

    if (server->enclave.out.len > 0) {
        fds[1].events |= POLLOUT;
    }
    if (server->cosigners != NULL) {
        witnesses = ks_cosigners_pollfds(server->cosigners, &fds[OWN_FDS]);
    }
    KS_CHECK(poll(fds, OWN_FDS + witnesses, wait_ms(server)) >= 0 || errno == EINTR, KS_ERR_IO,
             "poll: %s", strerror(errno));
    if ((fds[0].revents & POLLIN) != 0) {
        (void)!read(server->wake, &count, sizeof count);
    }
    while ((request = take_request(server)) != NULL) {
        ks_api_route(server, request);
    }
    if ((fds[1].revents & (POLLIN | POLLHUP)) != 0) {
        KS_TRY(read_enclave(server));
    }
    if (fds[2].fd == server->relay.fd) { /* else another connection, or none, by now */
        ks_relay_turn(&server->relay, fds[2].revents, &server->enclave.out);
    }
    ks_site_fl_turn(server);
    ks_refusals_turn(server);
    KS_TRY(commit(server));
    KS_TRY(collect(server, &fds[OWN_FDS], witnesses));
    KS_TRY(advance_checkpoint(server));
    answer_witnessed(server);
    KS_TRY(ks_channel_flush(&server->enclave));
out:
    return err;
}

enum ks_err ks_site_server_run(struct ks_site_server *server)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_publish_start(&server->publisher));
    ks_site_server_wake(server); /* a checkpoint may be wanted already */
    while (!finished(server)) {
        KS_TRY(turn(server));
    }
    close_queue(server);
    if (server->checkpoint_unsaved || server->traces.count > 0) {
        KS_TRY(ks_store_begin(server->store));
        KS_TRY(save_rest(server));
    }
out:
    ks_store_rollback(server->store);
    return err;
}
