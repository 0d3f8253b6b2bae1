/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What is done for an open round, one step after the other: a worker is given the parent model
 * and, after a crash, the checkpoint to go on from; updates are added; a checkpoint is written,
 * synced by ketseald, committed, and then what is in it gets its records; at the end the new
 * model is written and synced, and the round has ended. Files come from ketseald as descriptors
 * and go on to the worker; every byte in them is under a hash. Where the rule looks at single
 * updates there are no checkpoints: an update counts once ketseald has synced it as it came. */

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "crypto/digest.h"
#include "enclave/fl_plan.h"
#include "enclave/fl_work.h"
#include "enclave/monitor.h"
#include "fl/gather.h"

#define STAGED_MAX 64                /* updates that come to count together */
#define REST_US    UINT64_C(5000000) /* after a failure of storage, which may have room then */

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

/* Whether the round that SLOT's worker has was ended meanwhile, by an operator's word. */
static bool is_over(const struct ks_fl_slot *slot)
{
    return slot->session->round == NULL || slot->session->last != slot->replay.subject.round;
}

/* The worker is ended; what it had added and was in no checkpoint does not count. CAUSE is that
 * of the job that it was at, if it was at one: to the others nothing is wrong, unless the round
 * is over. */
static enum ks_err lose_worker(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                               enum ks_err cause)
{
    enum ks_err err = KS_OK;

    if (slot->worker != NULL) {
        ks_monitor_worker_end(monitor, slot->worker);
    }
    slot->worker = NULL;
    slot->state = KS_SLOT_IDLE;
    slot->synced = 0;
    if (slot->job != NULL) {
        ks_monitor_job_fail(monitor, slot->job, cause);
        slot->job = NULL;
        cause = is_over(slot) ? cause
                              : ks_fail(KS_ERR_UNAVAILABLE,
                                        "the worker of the round ended with another update; "
                                        "again");
    }
    fail_jobs(monitor, slot, KS_MJOB_ADDED, cause);
    if (slot->session->round != NULL) {
        KS_TRY(ks_rounds_drop(monitor->state.rounds, slot->session));
    }
out:
    return err;
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

/* What was asked for at the end of a round failed, or what counts is gone: it is over. */
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

/* Whether a round that cannot do the step it is at never will: one of its end, or an update
 * that counts and is gone. */
static bool is_hopeless(const struct ks_fl_slot *slot)
{
    return slot->state == KS_SLOT_OPEN_AGAIN || slot->state == KS_SLOT_ADD_AGAIN ||
           (aggregates(slot) && slot->state != KS_SLOT_OPEN_UPDATE &&
            slot->state != KS_SLOT_ADD);
}

/* What is durable stays so: the worker is ended, and another one goes on a little later. */
static enum ks_err rest(struct ks_monitor *monitor, struct ks_fl_slot *slot, enum ks_err cause)
{
    ks_log_failure("fl.rests", cause);
    slot->not_before_us = ks_clock_monotonic_us() + REST_US;
    return lose_worker(monitor, slot, cause);
}

/* A step failed by CAUSE that is not an update's own: the end of the round, of what waits for
 * it, or, where storage has no room, of this attempt. */
static enum ks_err step_failed(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                               enum ks_err cause)
{
    const bool hopeless = is_hopeless(slot);

    if (hopeless && cause == KS_ERR_IO) {
        return rest(monitor, slot, cause);
    }
    if (hopeless) {
        return give_up(monitor, slot, cause);
    }
    fail_jobs(monitor, slot, KS_MJOB_QUEUED, cause);
    return lose_worker(monitor, slot, cause);
}

/* The update of SLOT's job is refused; the worker goes on. */
static void end_job(struct ks_monitor *monitor, struct ks_fl_slot *slot, enum ks_err cause)
{
    ks_monitor_job_fail(monitor, slot->job, cause);
    slot->job = NULL;
    slot->state = KS_SLOT_READY;
}

/* Nobody can go on where ketseald has not got a file. */
static enum ks_err no_file(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                           enum ks_err cause)
{
    if (slot->state == KS_SLOT_OPEN_UPDATE) {
        end_job(monitor, slot,
                cause == KS_ERR_NOT_FOUND
                    ? ks_fail(cause, "the sealed update was not sent, or not all of it")
                    : cause);
        return KS_OK;
    }
    return step_failed(monitor, slot, cause);
}

/* --- steps -------------------------------------------------------------------------------- */

/* Where DEVICE stands among all that were invited, who are in the order of their names. */
static uint32_t place_of(const struct ks_rounds_session *session, const char *device)
{
    size_t low = 0;
    size_t high = ks_fl_round_participants(session->round);

    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const char *name = ks_fl_round_participant(session->round, middle)->name;

        if (ks_bytes_compare(ks_bytes_text(name), ks_bytes_text(device)) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return (uint32_t)low;
}

/* What a new worker of SLOT's round is told: with a checkpoint the rest is in that. */
static enum ks_err prepare(struct ks_fl_slot *slot)
{
    enum ks_err err = KS_OK;
    const struct ks_rounds_session *session = slot->session;
    struct ks_fl_replay *replay = &slot->replay;
    const size_t again = ks_fl_plan_sums(&session->order.plan) ? 0 : session->delivered;

    ks_fl_replay_done(replay);
    replay->subject = ks_fl_round_params(session->round)->subject;
    replay->plan = &session->order.plan;
    replay->clients = (uint32_t)ks_fl_round_participants(session->round);
    ks_copy(replay->state, session->remembered, sizeof replay->state);
    replay->checkpoint = session->checkpoint;
    ks_copy(replay->checkpoint_hash, session->checkpoint_hash, sizeof replay->checkpoint_hash);
    replay->checkpoint_len = session->checkpoint_len;
    replay->checkpoint_members = session->delivered - again;
    replay->updates = ks_calloc(again + 1, sizeof *replay->updates);
    KS_CHECK(replay->updates != NULL, KS_ERR_NOMEM, "updates of a round");
    for (; replay->count < again; replay->count++) {
        const struct ks_delivery *delivery = &session->deliveries[replay->count];
        struct ks_fl_replay_update *update = &replay->updates[replay->count];

        ks_copy(update->device, delivery->device, sizeof update->device);
        update->place = place_of(session, delivery->device);
        update->samples = delivery->samples;
        update->encoding = delivery->encoding;
        ks_copy(update->sealed, delivery->sealed, sizeof update->sealed);
        ks_copy(update->update, delivery->update, sizeof update->update);
    }
out:
    return err;
}

/* The sealed update in FD, of LENGTH bytes, is the worker's next; one that is none ends its job
 * alone. */
static enum ks_err send_update(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                               uint64_t length, int fd)
{
    enum ks_err err = KS_OK;
    const struct ks_job_update *asked = &slot->job->body.job.update;
    struct ks_fl_replay_update update = {.place = place_of(slot->session, slot->job->device),
                                         .samples = (uint32_t)asked->samples};

    KS_TRY(ks_fl_encoding_of(asked->encoding, &update.encoding));
    if (length != asked->length) { /* its record says the job's */
        end_job(monitor, slot,
                ks_fail(KS_ERR_CONFLICT,
                        "the sealed update has %llu bytes, and its job says %llu",
                        (unsigned long long)length, (unsigned long long)asked->length));
        return KS_OK;
    }
    ks_copy(update.device, slot->job->device, sizeof update.device);
    ks_copy(update.sealed, asked->sealed, sizeof update.sealed);
    slot->job->finished_us = ks_clock_monotonic_us(); /* until it is added */
    err = ks_fl_send_update(monitor, slot, &update, length, fd, KS_SLOT_ADD);
    if (err == KS_ERR_FORMAT) {
        end_job(monitor, slot, err);
        err = KS_OK;
    }
out:
    return err;
}

static void ask_files(struct ks_monitor *monitor, struct ks_fl_slot *slot, uint16_t type,
                      enum ks_fl_file file, const uint8_t *hash, enum ks_fl_slot_state state)
{
    const struct ks_fl_asked asked = {.type = type, .file = file, .hash = hash};

    ks_fl_ask_files(monitor, slot, &asked, state);
}

/* What DEVICE has sent, sealed: HASH. */
static void ask_update(struct ks_monitor *monitor, struct ks_fl_slot *slot, uint16_t type,
                       const char *device, const uint8_t hash[32], enum ks_fl_slot_state state)
{
    const struct ks_fl_asked asked = {
        .type = type, .file = KS_FL_FILE_UPDATE, .hash = hash, .device = ks_bytes_text(device)};

    ks_fl_ask_files(monitor, slot, &asked, state);
}

static enum ks_err send_checkpoint(struct ks_fl_slot *slot)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_checkpoint work = {.file = ks_fl_checkpoint_file(slot->file)};
    struct ks_buf payload;

    ks_buf_init(&payload, 64);
    KS_TRY(ks_random(work.nonce, sizeof work.nonce));
    ks_fl_work_checkpoint_put(&work, &payload);
    KS_TRY(ks_fl_ask_worker(slot, KS_FRAME_FL_CHECKPOINT, &payload, KS_SLOT_WRITE));
out:
    ks_buf_done(&payload);
    return err;
}

/* ketseald has opened what SLOT waits for: FD, of LENGTH bytes. */
static enum ks_err opened(struct ks_monitor *monitor, struct ks_fl_slot *slot, uint64_t length,
                          int fd)
{
    enum ks_err err = KS_OK;

    switch (slot->state) {
    case KS_SLOT_OPEN_UPDATE:
        KS_TRY(send_update(monitor, slot, length, fd));
        break;
    case KS_SLOT_OPEN_CHECKPOINT:
        KS_TRY(ks_fl_hand_on(slot, ks_fl_checkpoint_file(slot->file), length, fd));
        KS_TRY(send_checkpoint(slot));
        break;
    case KS_SLOT_OPEN_MODEL:
        KS_TRY(ks_fl_hand_on(slot, KS_FL_FILE_MODEL, length, fd));
        if (ks_fl_plan_remembers(&slot->session->order.plan)) {
            ask_files(monitor, slot, KS_FRAME_FL_OPEN, KS_FL_FILE_NEXT, NULL,
                      KS_SLOT_OPEN_NEXT);
        } else {
            KS_TRY(ks_fl_send_finish(slot));
        }
        break;
    case KS_SLOT_OPEN_NEXT:
        KS_TRY(ks_fl_hand_on(slot, KS_FL_FILE_NEXT, length, fd));
        KS_TRY(ks_fl_send_finish(slot));
        break;
    default:
        KS_TRY(ks_fl_replay_opened(monitor, slot, length, fd));
    }
out:
    return err;
}

/* The checkpoint FILE, or every sealed update, is durable: what was staged counts, and gets its
 * records. */
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

/* Of what is staged, the next sealed update that is to survive a crash; after the last one all
 * of it counts. */
static enum ks_err sync_updates(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    const struct ks_rounds_session *session = slot->session;
    const struct ks_delivery *delivery = NULL;

    if (slot->synced == session->staged) {
        slot->synced = 0;
        slot->file = 0;
        slot->written_len = 0;
        ks_wipe(slot->written, sizeof slot->written);
        return committed(monitor, slot);
    }
    delivery = &session->deliveries[session->delivered + slot->synced];
    ask_update(monitor, slot, KS_FRAME_FL_SYNC, delivery->device, delivery->sealed,
               KS_SLOT_SYNC_UPDATE);
    return KS_OK;
}

/* The new model is durable, and so is what the rules remember: the round has ended. */
static enum ks_err completed(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_monitor_fl_suspects(monitor, slot->session));
    KS_TRY(ks_rounds_complete(monitor->state.rounds, slot->session, slot->written, slot->next,
                              ks_clock_us()));
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
            slot->state == KS_SLOT_OPEN_PARENT || slot->state == KS_SLOT_OPEN_STATE ||
            slot->state == KS_SLOT_OPEN_PAST || slot->state == KS_SLOT_OPEN_AGAIN ||
            slot->state == KS_SLOT_OPEN_UPDATE || slot->state == KS_SLOT_SYNC_UPDATE ||
            slot->state == KS_SLOT_OPEN_CHECKPOINT || slot->state == KS_SLOT_SYNC ||
            slot->state == KS_SLOT_OPEN_MODEL || slot->state == KS_SLOT_OPEN_NEXT ||
            slot->state == KS_SLOT_SYNC_MODEL || slot->state == KS_SLOT_SYNC_NEXT;

        if (files && slot->request == request) {
            return slot;
        }
    }
    return NULL;
}

/* What was written, or came, survives a crash. */
static enum ks_err synced(struct ks_monitor *monitor, struct ks_fl_slot *slot)
{
    switch (slot->state) {
    case KS_SLOT_SYNC_UPDATE:
        slot->synced++;
        return sync_updates(monitor, slot);
    case KS_SLOT_SYNC_MODEL:
        if (!ks_fl_plan_remembers(&slot->session->order.plan)) {
            return completed(monitor, slot);
        }
        ask_files(monitor, slot, KS_FRAME_FL_SYNC, KS_FL_FILE_NEXT, slot->next,
                  KS_SLOT_SYNC_NEXT);
        return KS_OK;
    case KS_SLOT_SYNC_NEXT:
        return completed(monitor, slot);
    default:
        return committed(monitor, slot);
    }
}

/* FRAME answers what SLOT has asked; FD is -1 or came with it. */
static enum ks_err take_answer(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                               const struct ks_frame *frame, int fd)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader;
    uint64_t length = 0;

    if (is_over(slot)) {
        return lose_worker(monitor, slot, ks_fail(KS_ERR_CONFLICT, "the round has ended"));
    }
    err = ks_answer_open(frame, &reader);
    if (err != KS_OK) {
        return no_file(monitor, slot, err);
    }
    if (frame->type == (KS_FRAME_FL_SYNC | KS_FRAME_ANSWER)) {
        KS_TRY(ks_read_end(&reader));
        return synced(monitor, slot);
    }
    KS_TRY(ks_read_u64(&reader, &length));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(fd >= 0, KS_ERR_FORMAT, "ketseald's files: an answer without a descriptor");
    err = opened(monitor, slot, length, fd);
    if (err == KS_ERR_FORMAT && slot->state == KS_SLOT_OPEN_AGAIN) {
        err = give_up(monitor, slot, err); /* an update that counts is no update any more */
    } else if (err != KS_OK && err != KS_ERR_NOMEM) {
        err = lose_worker(monitor, slot, err); /* its death, or what it is sent */
    }
out:
    return err;
}

/* A read brings one descriptor at most, which is of the one frame that ends it: of the only
 * answer in it that has one. */
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
        const bool carries = ks_answer_is_well(&frame, KS_FRAME_FL_OPEN);

        if (ks_monitor_fl_audit_asked(monitor, frame.id)) {
            ks_monitor_fl_audit_file(monitor, &frame, carries ? fd : -1);
        } else if (slot != NULL) { /* else its round has ended, or its worker died, meanwhile */
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

/* The worker has added the update of SLOT's job: it is staged, with the hash of the record to
 * be. */
static enum ks_err take_added(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                              struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    struct ks_monitor_job *job = slot->job;
    const struct ks_job_update *update = &job->body.job.update;
    struct ks_fl_work_added added;
    struct ks_delivery delivery = {.at_us = ks_clock_us(),
                                   .length = update->length,
                                   .samples = (uint32_t)update->samples,
                                   .loss = update->loss};

    KS_TRY(ks_fl_work_added_read(reader, &added));
    KS_TRY(ks_fl_encoding_of(update->encoding, &delivery.encoding)); /* as it was opened */
    delivery.norm = added.norm;
    delivery.suspicion = added.suspicion;
    (void)snprintf(delivery.device, sizeof delivery.device, "%s", job->device);
    (void)snprintf(delivery.job, sizeof delivery.job, "%s", job->id);
    (void)snprintf(delivery.reason, sizeof delivery.reason, "%.*s", (int)added.reason.len,
                   (const char *)added.reason.data);
    ks_copy(delivery.update, added.update, sizeof delivery.update);
    ks_copy(delivery.sealed, update->sealed, sizeof delivery.sealed);
    KS_TRY(ks_monitor_fl_core_update(monitor, job, slot, &delivery, delivery.record));
    KS_TRY(ks_rounds_stage(monitor->state.rounds, slot->session, &delivery));
    ks_trace_set(&job->trace, KS_TRACE_FL_NORM, added.norm);
    ks_trace_set_u64(&job->trace, KS_TRACE_FL_ADD_US,
                     ks_clock_monotonic_us() - job->finished_us);
    job->finished_us = ks_clock_monotonic_us(); /* until it counts */
    job->state = KS_MJOB_ADDED;
    slot->job = NULL;
    slot->state = KS_SLOT_READY;
out:
    return err;
}

static enum ks_err note_written(struct ks_fl_slot *slot,
                                const struct ks_fl_work_written *written)
{
    enum ks_err err = KS_OK;
    const struct ks_rounds_session *session = slot->session;

    KS_CHECK(written->members == session->delivered + session->staged, KS_ERR_VERIFY,
             "the worker has %u updates, where %zu count", written->members,
             session->delivered + session->staged);
    ks_copy(slot->written, written->hash, sizeof slot->written);
    slot->written_len = written->length;
out:
    return err;
}

static enum ks_err take_written(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                                struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    struct ks_fl_work_written written;

    KS_TRY(ks_fl_work_written_read(reader, &written));
    KS_TRY(note_written(slot, &written));
    ask_files(monitor, slot, KS_FRAME_FL_SYNC, ks_fl_checkpoint_file(slot->file), slot->written,
              KS_SLOT_SYNC);
out:
    return err;
}

/* The new model is written; what the rule says of each update is kept before the round ends. */
static enum ks_err take_finished(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                                 struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    static const uint8_t zeros[32] = {0};
    struct ks_rounds_session *session = slot->session;
    struct ks_fl_work_finished finished = {.count = 0};

    finished.scores = ks_calloc(session->delivered + 1, sizeof *finished.scores);
    KS_CHECK(finished.scores != NULL, KS_ERR_NOMEM, "scores of a round");
    KS_TRY(ks_fl_work_finished_read(reader, (uint32_t)session->delivered, &finished));
    KS_TRY(note_written(slot, &finished.model));
    KS_CHECK(ks_bytes_equal(KS_BYTES(finished.state), KS_BYTES(zeros)) !=
                 ks_fl_plan_remembers(&session->order.plan),
             KS_ERR_VERIFY, "the worker remembers what it should not, or the other way round");
    ks_copy(slot->next, finished.state, sizeof slot->next);
    if (!ks_fl_plan_sums(&session->order.plan)) {
        KS_CHECK(finished.count == session->delivered, KS_ERR_VERIFY,
                 "the worker has scored %u updates, where %zu count", finished.count,
                 session->delivered);
        KS_TRY(
            ks_rounds_scored(monitor->state.rounds, session, finished.scores, ks_clock_us()));
    }
    ask_files(monitor, slot, KS_FRAME_FL_SYNC, KS_FL_FILE_MODEL, slot->written,
              KS_SLOT_SYNC_MODEL);
out:
    ks_free(finished.scores);
    return err;
}

/* What the worker answered, well. An error here is its own, or ours: it is ended. */
static enum ks_err take_result(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                               struct ks_reader *reader)
{
    switch (slot->state) {
    case KS_SLOT_ADD:
        return take_added(monitor, slot, reader);
    case KS_SLOT_WRITE:
        return take_written(monitor, slot, reader);
    case KS_SLOT_FINISH:
        return take_finished(monitor, slot, reader);
    default:
        return ks_fl_replay_answered(monitor, slot, reader);
    }
}

/* The worker refuses: an update, and goes on; else it is of no use. */
static enum ks_err refused(struct ks_monitor *monitor, struct ks_fl_slot *slot,
                           enum ks_err cause)
{
    if (slot->state == KS_SLOT_ADD) {
        end_job(monitor, slot, cause);
        return KS_OK;
    }
    return step_failed(monitor, slot, cause);
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
    if (slot == &monitor->audit.slot) {
        ks_monitor_fl_audit_worker(monitor, err == KS_OK ? &frame : NULL);
        return KS_OK;
    }
    if (err != KS_OK || frame.id != slot->request) {
        return lose_worker(monitor, slot,
                           ks_fail(KS_ERR_UNAVAILABLE, "the worker of the round died; again"));
    }
    if (is_over(slot)) {
        return lose_worker(monitor, slot, ks_fail(KS_ERR_CONFLICT, "the round has ended"));
    }
    err = ks_answer_open(&frame, &reader);
    if (err != KS_OK) {
        return refused(monitor, slot, err);
    }
    err = take_result(monitor, slot, &reader);
    if (err == KS_OK || err == KS_ERR_IO) {
        return err; /* our own storage */
    }
    return is_hopeless(slot) ? give_up(monitor, slot, err) : lose_worker(monitor, slot, err);
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
                           hash, job->id));
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
        answer = ks_monitor_fl_judge(slot->session, job, job->started_us);
    }
    if (answer == KS_FL_ANSWER_AGAIN && slot->session->staged == 0) {
        return record_again(monitor, slot, job);
    }
    if (answer == KS_FL_ANSWER_AGAIN || answer == KS_FL_ANSWER_PAUSED) {
        return KS_OK; /* once its checkpoint counts; once the round goes on */
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

struct ks_monitor_worker *ks_monitor_fl_free_worker(struct ks_monitor *monitor)
{
    for (size_t i = 0; i < KS_MONITOR_WORKERS_MAX; i++) {
        struct ks_monitor_worker *worker = &monitor->workers[i];

        if (worker->channel.fd >= 0 && worker->for_rounds && worker->slot == NULL) {
            return worker;
        }
    }
    return NULL;
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
        ask_update(monitor, slot, KS_FRAME_FL_OPEN, job->device, job->body.job.update.sealed,
                   KS_SLOT_OPEN_UPDATE);
    } else if (session->staged > 0 && !ks_fl_plan_sums(&session->order.plan)) {
        KS_TRY(sync_updates(monitor, slot));
    } else if (session->staged > 0) {
        slot->file = session->checkpoint == 1 ? 2 : 1;
        ask_files(monitor, slot, KS_FRAME_FL_OPEN, ks_fl_checkpoint_file(slot->file), NULL,
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

/* Rounds that have a worker: there is one more for audits. */
static uint32_t at_work(const struct ks_monitor *monitor)
{
    uint32_t count = 0;

    for (size_t i = 0; i < KS_ROUNDS_SESSIONS_MAX; i++) {
        count += monitor->slots[i].worker != NULL ? 1 : 0;
    }
    return count;
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
    if (ks_clock_monotonic_us() < slot->not_before_us) {
        return KS_OK;
    }
    KS_TRY(find_update(monitor, slot, &job));
    if ((job != NULL || aggregates(slot)) && at_work(monitor) < monitor->fl.workers) {
        slot->worker = ks_monitor_fl_free_worker(monitor);
    }
    if (slot->worker != NULL) {
        KS_TRY(prepare(slot));
        slot->worker->slot = slot;
        ks_fl_replay_start(monitor, slot);
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
    ks_monitor_fl_audit_pump(monitor);
out:
    return err;
}

uint64_t ks_monitor_fl_deadline_us(const struct ks_monitor *monitor)
{
    const uint64_t now_us = ks_clock_us();
    const uint64_t now_monotonic_us = ks_clock_monotonic_us();
    uint64_t deadline_us = ks_monitor_fl_audit_deadline_us(monitor);

    for (size_t i = 0; i < KS_ROUNDS_SESSIONS_MAX; i++) {
        const struct ks_fl_slot *slot = &monitor->slots[i];
        struct ks_fl_round_status status = {0};
        uint64_t due_us = 0;

        if (slot->session == NULL) {
            continue;
        }
        if (slot->state != KS_SLOT_IDLE && slot->state != KS_SLOT_READY) {
            due_us = slot->deadline_us;
        } else if (slot->not_before_us > now_monotonic_us) {
            due_us = slot->not_before_us;
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
