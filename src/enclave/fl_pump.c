/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What is done for an open round, one step after the other: a worker is given the parent model
 * and, after a crash, the checkpoint to go on from; updates are added; a checkpoint is written,
 * synced by ketseald, committed, and then what is in it gets its records; at the end the new
 * model is written and synced, and the round has ended. Files come from ketseald as descriptors
 * and go on to the worker; every byte in them is under a hash. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "crypto/digest.h"
#include "crypto/kem.h"
#include "enclave/fl_work.h"
#include "enclave/monitor.h"

#define STEP_US    UINT64_C(300000000) /* that one step may take */
#define STAGED_MAX 64                  /* updates of one checkpoint */

/* --- asking ------------------------------------------------------------------------------- */

static void expect(struct ks_fl_slot *slot, enum ks_fl_slot_state state, uint32_t request)
{
    slot->state = state;
    slot->request = request;
    slot->deadline_us = ks_clock_monotonic_us() + STEP_US;
}

/* FL_OPEN and FL_SYNC: u8 file, 16 session, u64 round, 32 hash: of the parent model, of the
 * sealed update, of what was written; else zeros; lp16 device: of an update; else empty */
static void ask_files(struct ks_monitor *monitor, struct ks_fl_slot *slot, uint16_t type,
                      enum ks_fl_file file, const uint8_t *hash, enum ks_fl_slot_state state)
{
    static const uint8_t zeros[32] = {0};
    const size_t begin = ks_frame_begin(&monitor->files.out, type, ++monitor->files_id);

    ks_buf_put_u8(&monitor->files.out, (uint8_t)file);
    ks_buf_put(&monitor->files.out, KS_BYTES(slot->session->id));
    ks_buf_put_u64(&monitor->files.out, slot->session->last);
    ks_buf_put(&monitor->files.out, ks_bytes_of(hash == NULL ? zeros : hash, 32));
    ks_buf_put_lp16(&monitor->files.out, file == KS_FL_FILE_UPDATE
                                             ? ks_bytes_text(slot->job->device)
                                             : (struct ks_bytes){0});
    ks_frame_end(&monitor->files.out, begin);
    expect(slot, state, monitor->files_id);
}

/* Since the last step was asked for. */
static uint64_t step_us(const struct ks_fl_slot *slot)
{
    return ks_clock_monotonic_us() + STEP_US - slot->deadline_us;
}

static enum ks_fl_file checkpoint_file(unsigned number)
{
    return number == 1 ? KS_FL_FILE_FIRST : KS_FL_FILE_SECOND;
}

/* FD, of LENGTH bytes, goes to the worker as FILE. */
static enum ks_err hand_on(struct ks_fl_slot *slot, enum ks_fl_file file, uint64_t length,
                           int fd)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_work_file work = {file, length};
    struct ks_buf payload;

    ks_buf_init(&payload, 64);
    ks_fl_work_file_put(&work, &payload);
    KS_TRY(ks_buf_check(&payload));
    KS_TRY(ks_channel_send_fd(&slot->worker->channel, KS_FRAME_FL_FILE, 0,
                              ks_buf_view(&payload), fd));
out:
    ks_buf_done(&payload);
    return err;
}

static enum ks_err ask_worker(struct ks_fl_slot *slot, uint16_t type,
                              const struct ks_buf *payload, enum ks_fl_slot_state state)
{
    enum ks_err err = KS_OK;
    struct ks_channel *channel = &slot->worker->channel;
    size_t begin = 0;

    KS_TRY(ks_buf_check(payload));
    begin = ks_frame_begin(&channel->out, type, slot->request + 1);
    ks_buf_put(&channel->out, ks_buf_view(payload));
    ks_frame_end(&channel->out, begin);
    expect(slot, state, slot->request + 1);
    KS_TRY(ks_channel_flush(channel));
out:
    return err;
}

/* --- what goes wrong ---------------------------------------------------------------------- */

static bool is_of(const struct ks_monitor_job *job, const struct ks_fl_slot *slot)
{
    const struct ks_job_update *update = &job->body.job.update;

    return job->session == NULL && job->body.job.kind == KS_KIND_UPDATE &&
           ks_bytes_equal(KS_BYTES(update->session), KS_BYTES(slot->session->id));
}

/* Every update of SLOT's round in STATE ends with ERR and its stored detail. */
static void fail_jobs(struct ks_monitor *monitor, const struct ks_fl_slot *slot,
                      enum ks_monitor_job_state state, enum ks_err err)
{
    char detail[KS_ERR_DETAIL_MAX];

    (void)snprintf(detail, sizeof detail, "%s", ks_err_detail());
    for (size_t i = monitor->jobs_used; i > 0; i--) { /* freeing shortens the table */
        struct ks_monitor_job *job = &monitor->jobs[i - 1];

        if (i <= monitor->jobs_used && job->state == state && is_of(job, slot)) {
            ks_monitor_job_fail(monitor, job, ks_fail(err, "%s", detail));
        }
    }
}

/* The worker is ended; what it had added and was in no checkpoint does not count. */
static enum ks_err lose_worker(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                               enum ks_err cause)
{
    enum ks_err err = KS_OK;

    if (slot->worker != NULL) {
        ks_monitor_worker_end(monitor, slot->worker);
    }
    slot->worker = NULL;
    slot->state = KS_SLOT_IDLE;
    if (slot->job != NULL) {
        ks_monitor_job_fail(monitor, slot->job, cause);
        slot->job = NULL;
    }
    fail_jobs(monitor, slot, KS_MJOB_ADDED, cause);
    if (slot->session->round != NULL) {
        KS_TRY(ks_rounds_drop(monitor->state.rounds, slot->session));
    }
out:
    return err;
}

/* What was asked for at the end of a round failed: it is over. */
static enum ks_err give_up(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                           enum ks_err cause)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_event broken = {.kind = KS_FL_EVENT_BROKEN, .now_us = ks_clock_us()};
    enum ks_fl_answer answer = KS_FL_ANSWER_OK;

    KS_TRY(lose_worker(monitor, slot, cause));
    KS_TRY(ks_rounds_event(monitor->state.rounds, slot->session, &broken, &answer));
out:
    return err;
}

/* Nobody can go on where ketseald has not got a file. */
static enum ks_err no_file(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                           enum ks_err cause)
{
    const bool at_end = slot->state >= KS_SLOT_OPEN_MODEL;

    if (slot->state == KS_SLOT_OPEN_UPDATE) {
        ks_monitor_job_fail(monitor, slot->job, cause);
        slot->job = NULL;
        slot->state = KS_SLOT_READY;
        return KS_OK;
    }
    fail_jobs(monitor, slot, KS_MJOB_QUEUED, cause);
    return at_end ? give_up(monitor, slot, cause) : lose_worker(monitor, slot, cause);
}

/* --- steps -------------------------------------------------------------------------------- */

static enum ks_err send_begin(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    enum ks_err err = KS_OK;
    const struct ks_rounds_session *session = slot->session;
    const struct ks_fl_plan *plan = &session->order.plan;
    struct ks_fl_work_begin begin = {
        .subject = ks_fl_round_params(session->round)->subject,
        .members_max = (uint32_t)plan->wanted,
        .bound = plan->rule.bound,
        .server = ks_fl_server_defaults(KS_FL_FEDAVG, (size_t)plan->params),
        .resumes = session->checkpoint != 0,
        .checkpoint = checkpoint_file(session->checkpoint),
    };
    struct ks_buf payload;

    ks_buf_init(&payload, 1024);
    begin.server.rate = plan->rule.rate;
    ks_copy(begin.checkpoint_hash, session->checkpoint_hash, sizeof begin.checkpoint_hash);
    KS_TRY(ks_rounds_secret(monitor->state.rounds, KS_ROUNDS_CHECKPOINT_LABEL, session->id,
                            session->last, begin.checkpoint_key, sizeof begin.checkpoint_key));
    ks_fl_work_begin_put(&begin, &payload);
    KS_TRY(ask_worker(slot, KS_FRAME_FL_BEGIN, &payload, KS_SLOT_BEGIN));
out:
    ks_wipe(&begin, sizeof begin);
    ks_buf_wipe(&payload);
    return err;
}

/* The first bytes of the file FD, as many as HEAD has. The worker, which checks the hash of all
 * of it, would open nothing with the key that other bytes here lead to. */
static enum ks_err read_head(int fd, uint8_t head[KS_FL_SEALED_HEAD_LEN])
{
    enum ks_err err = KS_OK;
    size_t len = 0;

    while (len < KS_FL_SEALED_HEAD_LEN) {
        ssize_t count = pread(fd, head + len, KS_FL_SEALED_HEAD_LEN - len, (off_t)len);

        KS_CHECK(count >= 0 || errno == EINTR, KS_ERR_FORMAT, "sealed update: %s",
                 strerror(errno));
        KS_CHECK(count != 0, KS_ERR_FORMAT, "sealed update: it is %zu bytes", len);
        len += count > 0 ? (size_t)count : 0;
    }
out:
    return err;
}

/* The key of the update in FD: what the device of SLOT's job encapsulated, unwrapped. */
static enum ks_err update_key(struct ks_monitor *monitor, const struct ks_fl_slot *slot, int fd,
                              uint8_t out_key[KS_AEAD_KEY_LEN])
{
    enum ks_err err = KS_OK;
    const struct ks_fl_subject *subject = &ks_fl_round_params(slot->session->round)->subject;
    uint8_t head[KS_FL_SEALED_HEAD_LEN];
    struct ks_bytes ciphertext = {0};
    struct ks_kem_key *key = NULL;
    struct ks_secret shared = {0};

    KS_TRY(read_head(fd, head));
    KS_TRY(ks_fl_sealed_ciphertext(KS_BYTES(head), &ciphertext));
    KS_TRY(ks_monitor_fl_key(monitor, slot->session, slot->session->last, &key));
    KS_TRY(ks_kem_decap(key, ciphertext, &shared));
    KS_TRY(ks_fl_seal_key(&shared, ciphertext, subject, ks_bytes_text(slot->job->device),
                          out_key));
out:
    ks_kem_key_free(key);
    ks_secret_done(&shared);
    return err;
}

/* The sealed update in FD, of LENGTH bytes, is the worker's next; one that is none ends its job
 * alone. */
static enum ks_err send_update(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                               uint64_t length, int fd)
{
    enum ks_err err = KS_OK;
    const struct ks_job_update *update = &slot->job->body.job.update;
    struct ks_fl_work_update work = {.client = ks_bytes_text(slot->job->device),
                                     .samples = (uint32_t)update->samples};
    struct ks_buf payload;

    ks_buf_init(&payload, 1024);
    KS_TRY(ks_fl_encoding_of(update->encoding, &work.encoding));
    err = update_key(monitor, slot, fd, work.key);
    if (err == KS_ERR_FORMAT) {
        ks_monitor_job_fail(monitor, slot->job, err);
        slot->job = NULL;
        slot->state = KS_SLOT_READY;
        err = KS_OK;
        goto out;
    }
    KS_TRY(err);
    KS_TRY(hand_on(slot, KS_FL_FILE_UPDATE, length, fd));
    ks_copy(work.sealed, update->sealed, sizeof work.sealed);
    ks_fl_work_update_put(&work, &payload);
    KS_TRY(ask_worker(slot, KS_FRAME_FL_UPDATE, &payload, KS_SLOT_ADD));
out:
    ks_wipe(&work, sizeof work);
    ks_buf_wipe(&payload);
    return err;
}

static enum ks_err send_checkpoint(struct ks_fl_slot *slot)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_checkpoint work = {.file = checkpoint_file(slot->file)};
    struct ks_buf payload;

    ks_buf_init(&payload, 64);
    KS_TRY(ks_random(work.nonce, sizeof work.nonce));
    ks_fl_work_checkpoint_put(&work, &payload);
    KS_TRY(ask_worker(slot, KS_FRAME_FL_CHECKPOINT, &payload, KS_SLOT_WRITE));
out:
    ks_buf_done(&payload);
    return err;
}

static enum ks_err send_finish(struct ks_fl_slot *slot)
{
    struct ks_buf payload;

    ks_buf_init(&payload, 1);
    return ask_worker(slot, KS_FRAME_FL_FINISH, &payload, KS_SLOT_FINISH);
}

/* ketseald has opened what SLOT waits for: FD, of LENGTH bytes. */
static enum ks_err opened(struct ks_monitor *monitor, struct ks_fl_slot *slot, uint64_t length,
                          int fd)
{
    enum ks_err err = KS_OK;
    struct ks_rounds_session *session = slot->session;

    switch (slot->state) {
    case KS_SLOT_OPEN_PARENT:
        KS_TRY(hand_on(slot, KS_FL_FILE_PARENT, length, fd));
        if (session->checkpoint != 0) {
            ask_files(monitor, slot, KS_FRAME_FL_OPEN, checkpoint_file(session->checkpoint),
                      NULL, KS_SLOT_OPEN_PAST);
        } else {
            KS_TRY(send_begin(monitor, slot));
        }
        break;
    case KS_SLOT_OPEN_PAST:
        KS_TRY(
            hand_on(slot, checkpoint_file(session->checkpoint), session->checkpoint_len, fd));
        KS_TRY(send_begin(monitor, slot));
        break;
    case KS_SLOT_OPEN_UPDATE:
        KS_TRY(send_update(monitor, slot, length, fd));
        break;
    case KS_SLOT_OPEN_CHECKPOINT:
        KS_TRY(hand_on(slot, checkpoint_file(slot->file), length, fd));
        KS_TRY(send_checkpoint(slot));
        break;
    case KS_SLOT_OPEN_MODEL:
        KS_TRY(hand_on(slot, KS_FL_FILE_MODEL, length, fd));
        KS_TRY(send_finish(slot));
        break;
    default:
        KS_TRY(ks_fail(KS_ERR_FORMAT, "ketseald's files: a descriptor that nobody waits for"));
    }
out:
    return err;
}

/* The checkpoint is durable: what was staged counts, and gets its records. */
static enum ks_err committed(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_rounds_commit(monitor->state.rounds, slot->session, slot->file, slot->written_len,
                            slot->written, ks_clock_us()));
    for (size_t i = 0; i < monitor->jobs_used; i++) {
        struct ks_monitor_job *job = &monitor->jobs[i];

        if (job->state == KS_MJOB_ADDED && is_of(job, slot)) {
            ks_trace_set_u64(&job->trace, KS_TRACE_FL_KEEP_US,
                             ks_clock_monotonic_us() - job->finished_us);
            job->finished_us = ks_clock_monotonic_us();
            job->state = KS_MJOB_FINISHED;
        }
    }
    slot->state = KS_SLOT_READY;
out:
    return err;
}

/* The new model is durable: the round has ended. */
static enum ks_err completed(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    enum ks_err err = KS_OK;
    struct ks_fl_event event = {.kind = KS_FL_EVENT_AGGREGATED, .now_us = ks_clock_us()};
    enum ks_fl_answer answer = KS_FL_ANSWER_OK;

    KS_TRY(ks_monitor_fl_suspects(monitor, slot->session));
    ks_copy(event.update, slot->written, sizeof event.update);
    KS_TRY(ks_rounds_event(monitor->state.rounds, slot->session, &event, &answer));
    KS_CHECK(answer == KS_FL_ANSWER_OK, KS_ERR_INTERNAL, "the end of a round: %s",
             ks_fl_answer_words(answer));
    ks_monitor_worker_end(monitor, slot->worker);
    slot->worker = NULL;
    slot->state = KS_SLOT_IDLE;
out:
    return err;
}

/* --- the channel of files ----------------------------------------------------------------- */

static struct ks_fl_slot *slot_of(struct ks_monitor *monitor, uint32_t request)
{
    for (size_t i = 0; i < KS_ROUNDS_SESSIONS_MAX; i++) {
        struct ks_fl_slot *slot = &monitor->slots[i];
        const bool files =
            slot->state == KS_SLOT_OPEN_PARENT || slot->state == KS_SLOT_OPEN_PAST ||
            slot->state == KS_SLOT_OPEN_UPDATE || slot->state == KS_SLOT_OPEN_CHECKPOINT ||
            slot->state == KS_SLOT_SYNC || slot->state == KS_SLOT_OPEN_MODEL ||
            slot->state == KS_SLOT_SYNC_MODEL;

        if (files && slot->request == request) {
            return slot;
        }
    }
    return NULL;
}

/* FRAME answers what SLOT has asked; FD is -1 or came with it. */
static enum ks_err take_answer(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                               const struct ks_frame *frame, int fd)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader;
    uint64_t length = 0;

    err = ks_answer_open(frame, &reader);
    if (err != KS_OK) {
        return no_file(monitor, slot, err);
    }
    if (frame->type == (KS_FRAME_FL_SYNC | KS_FRAME_ANSWER)) {
        KS_TRY(ks_read_end(&reader));
        KS_TRY(slot->state == KS_SLOT_SYNC_MODEL ? completed(monitor, slot)
                                                 : committed(monitor, slot));
        return KS_OK;
    }
    KS_TRY(ks_read_u64(&reader, &length));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(fd >= 0, KS_ERR_FORMAT, "ketseald's files: an answer without a descriptor");
    err = opened(monitor, slot, length, fd);
    if (err != KS_OK && err != KS_ERR_NOMEM) { /* the worker: its death, or what it is sent */
        err = lose_worker(monitor, slot, err);
    }
out:
    return err;
}

/* A read brings one descriptor at most, which is of the one frame that ends it. */
enum ks_err ks_monitor_fl_files(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    bool found = false;
    int fd = -1;

    err = ks_channel_fill(&monitor->files, &fd);
    if (err == KS_ERR_NOT_FOUND) {
        monitor->closed = true;
        return KS_OK;
    }
    KS_TRY(err);
    KS_TRY(ks_channel_next(&monitor->files, &frame, &found));
    while (found) {
        struct ks_fl_slot *slot = slot_of(monitor, frame.id);
        const bool carries = frame.type == (KS_FRAME_FL_OPEN | KS_FRAME_ANSWER);

        if (slot != NULL) { /* else its round has ended, or its worker died, meanwhile */
            KS_TRY(take_answer(monitor, slot, &frame, carries ? fd : -1));
        }
        if (carries) {
            ks_fd_close(&fd);
        }
        KS_TRY(ks_channel_next(&monitor->files, &frame, &found));
    }
out:
    ks_fd_close(&fd);
    return err;
}

/* --- the worker --------------------------------------------------------------------------- */

static enum ks_err take_begun(struct ks_fl_slot *slot, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_begun begun;

    KS_TRY(ks_fl_work_begun_read(reader, &begun));
    KS_CHECK(begun.members == slot->session->delivered, KS_ERR_VERIFY,
             "the worker goes on from %u updates, where %zu count", begun.members,
             slot->session->delivered);
    (void)snprintf(slot->kernels, sizeof slot->kernels, "%.*s", (int)begun.kernels.len,
                   (const char *)begun.kernels.data);
    slot->threads = begun.threads;
    slot->state = KS_SLOT_READY;
out:
    return err;
}

/* The update of SLOT's job is in the sum: it is staged, with the hash of the record to be. */
static enum ks_err take_added(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                              struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    struct ks_monitor_job *job = slot->job;
    const struct ks_job_update *update = &job->body.job.update;
    struct ks_fl_work_added added;
    struct ks_delivery delivery = {
        .at_us = ks_clock_us(), .samples = (uint32_t)update->samples, .loss = update->loss};

    KS_TRY(ks_fl_work_added_read(reader, &added));
    delivery.norm = added.norm;
    delivery.suspicion = added.suspicion;
    (void)snprintf(delivery.device, sizeof delivery.device, "%s", job->device);
    (void)snprintf(delivery.reason, sizeof delivery.reason, "%.*s", (int)added.reason.len,
                   (const char *)added.reason.data);
    ks_copy(delivery.update, added.update, sizeof delivery.update);
    ks_copy(delivery.sealed, update->sealed, sizeof delivery.sealed);
    KS_TRY(ks_monitor_fl_core_update(monitor, job, slot, &delivery, delivery.record));
    KS_TRY(ks_rounds_stage(monitor->state.rounds, slot->session, &delivery));
    ks_trace_set(&job->trace, KS_TRACE_FL_NORM, added.norm);
    ks_trace_set_u64(&job->trace, KS_TRACE_FL_ADD_US, step_us(slot));
    job->finished_us = ks_clock_monotonic_us(); /* until it counts */
    job->state = KS_MJOB_ADDED;
    slot->job = NULL;
    slot->state = KS_SLOT_READY;
out:
    return err;
}

static enum ks_err take_written(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                                struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    const bool model = slot->state == KS_SLOT_FINISH;
    const struct ks_rounds_session *session = slot->session;
    struct ks_fl_work_written written;

    KS_TRY(ks_fl_work_written_read(reader, &written));
    KS_CHECK(written.members == session->delivered + session->staged, KS_ERR_VERIFY,
             "the worker's sum is of %u updates, where %zu count", written.members,
             session->delivered + session->staged);
    ks_copy(slot->written, written.hash, sizeof slot->written);
    slot->written_len = written.length;
    ask_files(monitor, slot, KS_FRAME_FL_SYNC,
              model ? KS_FL_FILE_MODEL : checkpoint_file(slot->file), slot->written,
              model ? KS_SLOT_SYNC_MODEL : KS_SLOT_SYNC);
out:
    return err;
}

/* What the worker answered, well. An error here is its own, or ours: it is ended. */
static enum ks_err take_result(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                               struct ks_reader *reader)
{
    switch (slot->state) {
    case KS_SLOT_BEGIN:
        return take_begun(slot, reader);
    case KS_SLOT_ADD:
        return take_added(monitor, slot, reader);
    case KS_SLOT_WRITE:
    case KS_SLOT_FINISH:
        return take_written(monitor, slot, reader);
    default:
        return ks_fail(KS_ERR_FORMAT, "worker of a round: it spoke before it was asked");
    }
}

/* The worker refuses: an update, and goes on; else it is of no use. */
static enum ks_err refused(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                           enum ks_err cause)
{
    if (slot->state == KS_SLOT_ADD) {
        ks_monitor_job_fail(monitor, slot->job, cause);
        slot->job = NULL;
        slot->state = KS_SLOT_READY;
        return KS_OK;
    }
    if (slot->state == KS_SLOT_FINISH) {
        return give_up(monitor, slot, cause);
    }
    fail_jobs(monitor, slot, KS_MJOB_QUEUED, cause);
    return lose_worker(monitor, slot, cause);
}

enum ks_err ks_monitor_fl_worker(struct ks_monitor *monitor, struct ks_monitor_worker *worker)
{
    enum ks_err err = KS_OK;
    struct ks_fl_slot *slot = worker->slot;
    struct ks_frame frame = {0};
    struct ks_reader reader;
    bool found = false;

    err = ks_channel_fill(&worker->channel, NULL);
    err = err == KS_OK ? ks_channel_next(&worker->channel, &frame, &found) : err;
    if (err == KS_OK && !found) {
        return KS_OK;
    }
    if (slot == NULL) { /* it died, or spoke before it was asked */
        ks_monitor_worker_end(monitor, worker);
        return KS_OK;
    }
    if (err != KS_OK || frame.id != slot->request) {
        return lose_worker(monitor, slot,
                           ks_fail(KS_ERR_UNAVAILABLE, "the worker of the round died; again"));
    }
    err = ks_answer_open(&frame, &reader);
    if (err != KS_OK) {
        return refused(monitor, slot, err);
    }
    err = take_result(monitor, slot, &reader);
    if (err == KS_ERR_IO) {
        return err; /* our own storage */
    }
    return err == KS_OK ? KS_OK : lose_worker(monitor, slot, err);
}

/* --- what is next ------------------------------------------------------------------------- */

static struct ks_monitor_job *next_update(struct ks_monitor *monitor,
                                          const struct ks_fl_slot *slot)
{
    struct ks_monitor_job *next = NULL;

    for (size_t i = 0; i < monitor->jobs_used; i++) {
        struct ks_monitor_job *job = &monitor->jobs[i];

        if (job->state == KS_MJOB_QUEUED && is_of(job, slot) &&
            (next == NULL || job->order < next->order)) {
            next = job;
        }
    }
    return next;
}

/* An update that counts already gets another record. */
static enum ks_err record_again(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                                struct ks_monitor_job *job)
{
    enum ks_err err = KS_OK;
    const struct ks_delivery *delivery =
        ks_rounds_delivery(slot->session, ks_bytes_text(job->device));
    uint8_t hash[32];

    KS_TRY(ks_monitor_fl_core_update(monitor, job, slot, delivery, hash));
    KS_TRY(ks_rounds_again(monitor->state.rounds, slot->session, ks_bytes_text(job->device),
                           hash));
    ks_trace_set(&job->trace, KS_TRACE_FL_NORM, delivery->norm);
    job->finished_us = ks_clock_monotonic_us();
    job->state = KS_MJOB_FINISHED;
out:
    return err;
}

/* Whether the device of JOB may still work: it may have been suspended while JOB waited. */
static enum ks_err check_device(struct ks_monitor *monitor, const struct ks_monitor_job *job)
{
    struct ks_monitor_device *device = NULL;

    return ks_monitor_device(monitor, ks_buf_view(&job->certificate), KS_RIGHT_WORK, &device);
}

/* JOB may have waited long: what its round says now. *OUT_ADD: it is to be added. */
static enum ks_err judge(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                         struct ks_monitor_job *job, bool *out_add)
{
    enum ks_err err = KS_OK;
    const struct ks_job_update *update = &job->body.job.update;
    enum ks_fl_answer answer = KS_FL_ANSWER_LATE;

    *out_add = false;
    job->started_us = ks_clock_us();
    err = check_device(monitor, job);
    if (err != KS_OK) {
        ks_monitor_job_fail(monitor, job, err);
        return KS_OK;
    }
    if (slot->session->round != NULL && slot->session->last == update->round) {
        answer = ks_rounds_check(slot->session, ks_bytes_text(job->device), update->sealed,
                                 (uint32_t)update->samples, job->started_us);
    }
    if (answer == KS_FL_ANSWER_AGAIN && slot->session->staged == 0) {
        return record_again(monitor, slot, job);
    }
    if (answer == KS_FL_ANSWER_AGAIN) {
        return KS_OK; /* once its checkpoint counts */
    }
    if (answer != KS_FL_ANSWER_OK) {
        ks_monitor_job_fail(monitor, job,
                            ks_fail(KS_ERR_CONFLICT, "%s", ks_fl_answer_words(answer)));
    }
    *out_add = answer == KS_FL_ANSWER_OK;
    return KS_OK;
}

/* The next update that is to be added, or NULL; judges those before it. */
static enum ks_err find_update(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                               struct ks_monitor_job **out_job)
{
    enum ks_err err = KS_OK;
    struct ks_monitor_job *job = next_update(monitor, slot);
    bool add = false;
    bool waits = false;

    while (job != NULL && !add && !waits && slot->session->staged < STAGED_MAX) {
        KS_TRY(judge(monitor, slot, job, &add));
        waits = !add && job->state == KS_MJOB_QUEUED;
        job = add ? job : next_update(monitor, slot);
    }
    *out_job = add ? job : NULL;
out:
    return err;
}

/* A waiting worker, or NULL. */
static struct ks_monitor_worker *free_worker(struct ks_monitor *monitor)
{
    for (size_t i = 0; i < KS_MONITOR_WORKERS_MAX; i++) {
        struct ks_monitor_worker *worker = &monitor->workers[i];

        if (worker->channel.fd >= 0 && worker->for_rounds && worker->slot == NULL) {
            return worker;
        }
    }
    return NULL;
}

static bool aggregates(const struct ks_fl_slot *slot)
{
    struct ks_fl_round_status status;

    if (slot->session->round == NULL) {
        return false;
    }
    ks_fl_round_status(slot->session->round, &status);
    return status.phase == KS_FL_AGGREGATING;
}

/* SLOT's worker is there, and waits. */
static enum ks_err next_step(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    enum ks_err err = KS_OK;
    struct ks_rounds_session *session = slot->session;
    struct ks_monitor_job *job = NULL;

    KS_TRY(find_update(monitor, slot, &job));
    if (job != NULL) {
        slot->job = job;
        job->state = KS_MJOB_RUNNING;
        job->deadline_us = UINT64_MAX; /* the step's own counts */
        ks_trace_set_u64(&job->trace, KS_TRACE_QUEUE_US,
                         ks_clock_monotonic_us() - job->queued_us);
        ask_files(monitor, slot, KS_FRAME_FL_OPEN, KS_FL_FILE_UPDATE,
                  job->body.job.update.sealed, KS_SLOT_OPEN_UPDATE);
    } else if (session->staged > 0) {
        slot->file = session->checkpoint == 1 ? 2 : 1;
        ask_files(monitor, slot, KS_FRAME_FL_OPEN, checkpoint_file(slot->file), NULL,
                  KS_SLOT_OPEN_CHECKPOINT);
    } else if (aggregates(slot)) {
        ask_files(monitor, slot, KS_FRAME_FL_OPEN, KS_FL_FILE_MODEL, NULL, KS_SLOT_OPEN_MODEL);
    }
out:
    return err;
}

/* Rounds that have ended, and whose record was asked for. */
static enum ks_err record_rounds(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < monitor->jobs_used; i++) {
        struct ks_monitor_job *job = &monitor->jobs[i];
        const struct ks_round_summary *summary = NULL;
        const struct ks_fl_slot *slot = NULL;

        if (job->state != KS_MJOB_QUEUED || job->session == NULL) {
            continue;
        }
        summary = ks_rounds_summary(job->session, job->round);
        if (summary == NULL || summary == &job->session->open) {
            continue; /* it is still open */
        }
        for (size_t j = 0; j < KS_ROUNDS_SESSIONS_MAX; j++) {
            slot = monitor->slots[j].session == job->session ? &monitor->slots[j] : slot;
        }
        KS_ASSERT(slot != NULL);
        KS_TRY(ks_monitor_fl_core_round(monitor, job, slot, summary));
        job->finished_us = ks_clock_monotonic_us();
        job->state = KS_MJOB_FINISHED;
    }
out:
    return err;
}

static enum ks_err pump(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    enum ks_err err = KS_OK;
    struct ks_rounds_session *session = slot->session;
    struct ks_monitor_job *job = NULL;

    if (slot->state != KS_SLOT_IDLE && slot->state != KS_SLOT_READY) {
        if (ks_clock_monotonic_us() > slot->deadline_us) {
            return lose_worker(monitor, slot,
                               ks_fail(KS_ERR_UNAVAILABLE, "the round's worker, or its files, "
                                                           "took too long; again"));
        }
        return KS_OK;
    }
    if (slot->worker != NULL && session->round == NULL) { /* stopped, or failed */
        return lose_worker(monitor, slot, ks_fail(KS_ERR_CONFLICT, "the round has ended"));
    }
    if (slot->state == KS_SLOT_READY) {
        return next_step(monitor, slot);
    }
    KS_TRY(find_update(monitor, slot, &job));
    if (job != NULL || aggregates(slot)) {
        slot->worker = free_worker(monitor);
    }
    if (slot->worker != NULL) {
        slot->worker->slot = slot;
        ask_files(monitor, slot, KS_FRAME_FL_OPEN, KS_FL_FILE_PARENT, session->open.parent,
                  KS_SLOT_OPEN_PARENT);
    }
out:
    return err;
}

enum ks_err ks_monitor_fl_pump(struct ks_monitor *monitor)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < KS_ROUNDS_SESSIONS_MAX; i++) {
        if (monitor->slots[i].session != NULL) {
            KS_TRY(pump(monitor, &monitor->slots[i]));
        }
    }
    KS_TRY(record_rounds(monitor));
out:
    return err;
}

uint64_t ks_monitor_fl_deadline_us(const struct ks_monitor *monitor)
{
    const uint64_t now_us = ks_clock_us();
    const uint64_t now_monotonic_us = ks_clock_monotonic_us();
    uint64_t deadline_us = 0;

    for (size_t i = 0; i < KS_ROUNDS_SESSIONS_MAX; i++) {
        const struct ks_fl_slot *slot = &monitor->slots[i];
        struct ks_fl_round_status status = {0};
        uint64_t due_us = 0;

        if (slot->session == NULL) {
            continue;
        }
        if (slot->state != KS_SLOT_IDLE && slot->state != KS_SLOT_READY) {
            due_us = slot->deadline_us;
        } else if (slot->session->round != NULL) {
            ks_fl_round_status(slot->session->round, &status);
            due_us = status.wake_us == 0       ? 0
                     : status.wake_us > now_us ? now_monotonic_us + (status.wake_us - now_us)
                                               : now_monotonic_us;
        }
        deadline_us =
            deadline_us == 0 || (due_us != 0 && due_us < deadline_us) ? due_us : deadline_us;
    }
    return deadline_us;
}
