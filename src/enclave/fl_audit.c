/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A round that has ended, computed again for an auditor: by the list that its record binds,
 * from the sealed updates that ketseald has kept, by a worker beside those of open rounds. What
 * comes of it is compared and thrown away; a document says what came out, and is signed. "No"
 * and "could not tell" differ: whatever is missing, or is not what its hash says, leaves a
 * check not-run. One round at a time. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "attest/eventlog.h"
#include "base/log.h"
#include "crypto/digest.h"
#include "enclave/fl_plan.h"
#include "enclave/fl_work.h"
#include "enclave/monitor.h"
#include "record/fl_audit.h"

#define WAIT_US UINT64_C(600000000) /* for a worker */

_Static_assert(KS_WORK_NAME_MAX <= KS_FL_AUDIT_WORD_MAX, "kernels that a document can name");

/* --- what came out ------------------------------------------------------------------------ */

static enum ks_err answer(struct ks_monitor *monitor, const struct ks_fl_audit *said)
{
    enum ks_err err = KS_OK;
    struct ks_buf document;
    size_t begin = 0;

    ks_buf_init(&document, KS_FL_AUDIT_BYTES_MAX);
    KS_TRY(ks_fl_audit_write(said, monitor->keys.mldsa65, &document));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_FL_ORDER, monitor->audit.id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&document));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&document);
    return err;
}

static void log_outcome(const struct ks_fl_audit *said)
{
    struct ks_log_line line;
    char hex[2 * KS_SESSION_LEN + 1];

    ks_log_begin(&line, KS_LOG_INFO, "fl.audited");
    ks_hex_encode(KS_BYTES(said->session), hex);
    ks_log_text(&line, "session", hex);
    ks_log_u64(&line, "round", said->round);
    ks_log_text(&line, "model", ks_verdict_state_name(said->same_model));
    ks_log_text(&line, "scores", ks_verdict_state_name(said->same_scores));
    ks_log_text(&line, "state", ks_verdict_state_name(said->same_state));
    ks_log_end(&line);
}

/* The audit is over: OUTCOME has the states, and what was made now. */
static void conclude(struct ks_monitor *monitor, const struct ks_fl_audit *outcome,
                     const char *reason)
{
    struct ks_fl_auditing *audit = &monitor->audit;
    const uint8_t *build = ks_event_log_find(&monitor->site.event_log, KS_LAUNCH_WORKER_FL);
    struct ks_fl_audit said = *outcome;
    char words[KS_FL_AUDIT_REASON_MAX + 1];
    enum ks_err err = KS_OK;

    KS_ASSERT(build != NULL);
    ks_text_shown(ks_bytes_text(reason), words, sizeof words);
    said.created_us = ks_clock_us();
    said.isa = ks_bytes_text(audit->slot.kernels[0] == '\0' ? "unknown" : audit->slot.kernels);
    said.numerics = KS_FL_NUMERICS;
    said.reason = ks_bytes_text(words);
    said.round = audit->summary.number;
    said.site = ks_bytes_text(monitor->site.origin);
    said.threads = audit->slot.threads;
    said.updates = audit->slot.replay.next;
    ks_copy(said.build, build, sizeof said.build);
    ks_copy(said.list, audit->summary.list, sizeof said.list);
    ks_copy(said.model, audit->summary.result, sizeof said.model);
    ks_copy(said.session, audit->slot.session->id, sizeof said.session);
    err = answer(monitor, &said);
    if (err != KS_OK) {
        ks_answer_error(&monitor->daemon.out, KS_FRAME_FL_ORDER, audit->id, err);
    }
    log_outcome(&said);
    if (audit->slot.worker != NULL) {
        ks_monitor_worker_end(monitor, audit->slot.worker);
    }
    ks_fl_replay_done(&audit->slot.replay);
    ks_fl_updates_done(&audit->list);
    *audit = (struct ks_fl_auditing){.busy = false};
}

/* It cannot be told, for the stored detail of CAUSE. */
static void give_up(struct ks_monitor *monitor, enum ks_err cause)
{
    const struct ks_fl_audit none = {.same_model = KS_NOT_RUN};
    const struct ks_fl_replay *replay = &monitor->audit.slot.replay;
    const enum ks_fl_slot_state state = monitor->audit.slot.state;
    char reason[KS_ERR_DETAIL_MAX];

    KS_ASSERT(cause != KS_OK);
    if (state == KS_SLOT_OPEN_AGAIN || state == KS_SLOT_ADD_AGAIN) {
        (void)snprintf(reason, sizeof reason, "the update of '%s': %.300s",
                       replay->updates[replay->next].device, ks_err_detail());
    } else {
        (void)snprintf(reason, sizeof reason, "%s", ks_err_detail());
    }
    conclude(monitor, &none, reason);
}

/* --- the list ----------------------------------------------------------------------------- */

/* All of FD, which has to be the list that the round's record binds. */
static enum ks_err read_list(const struct ks_fl_auditing *audit, uint64_t length, int fd,
                             struct ks_fl_updates *out_updates)
{
    enum ks_err err = KS_OK;
    uint8_t *room = NULL;
    uint8_t digest[KS_SHA256_LEN];
    size_t len = 0;
    struct ks_buf list;

    ks_buf_init(&list, KS_FL_UPDATES_BYTES_MAX);
    KS_CHECK(length >= 1 && length <= KS_FL_UPDATES_BYTES_MAX, KS_ERR_LIMIT,
             "the round's list has %llu bytes", (unsigned long long)length);
    room = ks_buf_reserve(&list, (size_t)length);
    KS_TRY(ks_buf_check(&list));
    while (len < length) {
        const ssize_t count = pread(fd, room + len, (size_t)length - len, (off_t)len);

        KS_CHECK(count > 0 || (count < 0 && errno == EINTR), KS_ERR_UNAVAILABLE,
                 "the round's list cannot be read");
        len += count > 0 ? (size_t)count : 0;
    }
    ks_buf_grew(&list, len);
    ks_sha256(ks_buf_view(&list), digest);
    KS_CHECK(ks_bytes_equal(KS_BYTES(digest), KS_BYTES(audit->summary.list)), KS_ERR_VERIFY,
             "the list that was kept is not the round's");
    KS_TRY(ks_fl_updates_read(ks_buf_view(&list), out_updates));
out:
    ks_buf_done(&list);
    return err;
}

static enum ks_err take_list(struct ks_fl_auditing *audit, uint64_t length, int fd)
{
    enum ks_err err = KS_OK;
    struct ks_fl_replay *replay = &audit->slot.replay;

    KS_TRY(read_list(audit, length, fd, &audit->list));
    replay->updates = ks_calloc(audit->list.count + 1, sizeof *replay->updates);
    KS_CHECK(replay->updates != NULL, KS_ERR_NOMEM, "updates of a round");
    replay->clients = audit->list.invited;
    replay->count = audit->list.count;
    for (size_t i = 0; i < replay->count; i++) {
        const struct ks_fl_counted *counted = &audit->list.counted[i];
        struct ks_fl_replay_update *update = &replay->updates[i];

        (void)snprintf(update->device, sizeof update->device, "%.*s", (int)counted->device.len,
                       (const char *)counted->device.data);
        update->place = counted->place;
        update->samples = counted->samples;
        update->norm = counted->norm;
        KS_TRY(ks_fl_encoding_of(counted->encoding, &update->encoding));
        ks_copy(update->sealed, counted->sealed, sizeof update->sealed);
        ks_copy(update->update, counted->update, sizeof update->update);
    }
    audit->slot.state = KS_SLOT_IDLE; /* until a worker is free */
    audit->until_us = ks_clock_monotonic_us() + WAIT_US;
out:
    return err;
}

/* --- the end ------------------------------------------------------------------------------ */

/* The first update whose score is another than in the list, or NULL. A rule that looks at no
 * single update has none to give: then none is what the list has to say. */
static const struct ks_fl_counted *find_other(const struct ks_fl_auditing *audit,
                                              const struct ks_fl_work_finished *finished)
{
    static const struct ks_fl_score none = {.reason = KS_FL_SUSPICION_NONE};

    for (size_t i = 0; i < audit->list.count; i++) {
        const struct ks_fl_counted *counted = &audit->list.counted[i];
        const struct ks_fl_score *score = finished->count == 0 ? &none : &finished->scores[i];

        if (counted->suspicion != score->score ||
            !ks_bytes_is(counted->reason, ks_fl_suspicion_word(score->reason))) {
            return counted;
        }
    }
    return NULL;
}

/* The worker has made a model and scores: they are the round's, or are not. */
static void compare(struct ks_monitor *monitor, const struct ks_fl_work_finished *finished)
{
    const struct ks_fl_auditing *audit = &monitor->audit;
    const struct ks_fl_counted *other = find_other(audit, finished);
    struct ks_fl_audit outcome = {
        .same_model = KS_PASS, .same_scores = KS_PASS, .same_state = KS_PASS};
    char reason[KS_FL_AUDIT_REASON_MAX] = "";

    ks_copy(outcome.replayed, finished->model.hash, sizeof outcome.replayed);
    if (!ks_bytes_equal(KS_BYTES(finished->state), KS_BYTES(audit->summary.state))) {
        outcome.same_state = KS_FAIL;
        (void)snprintf(reason, sizeof reason, "the round leaves another state now");
    }
    if (audit->slot.replay.norms_other > 0) {
        outcome.same_scores = KS_FAIL;
        (void)snprintf(reason, sizeof reason,
                       "the norms of %zu updates are others than the list's",
                       audit->slot.replay.norms_other);
    }
    if (other != NULL) {
        outcome.same_scores = KS_FAIL;
        (void)snprintf(reason, sizeof reason, "the score of '%.*s' is another than the list's",
                       (int)other->device.len, (const char *)other->device.data);
    }
    if (!ks_bytes_equal(KS_BYTES(outcome.replayed), KS_BYTES(audit->summary.result))) {
        outcome.same_model = KS_FAIL;
        (void)snprintf(reason, sizeof reason, "the round comes to another model now");
    }
    conclude(monitor, &outcome, reason);
}

static enum ks_err take_finished(struct ks_monitor *monitor, struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    const struct ks_fl_replay *replay = &monitor->audit.slot.replay;
    struct ks_fl_work_finished finished = {.count = 0};

    finished.scores = ks_calloc(replay->count + 1, sizeof *finished.scores);
    KS_CHECK(finished.scores != NULL, KS_ERR_NOMEM, "scores of a round");
    KS_TRY(ks_fl_work_finished_read(reader, (uint32_t)replay->count, &finished));
    KS_CHECK(finished.model.members == replay->count &&
                 (finished.count == replay->count || ks_fl_plan_sums(replay->plan)),
             KS_ERR_VERIFY, "the worker has %u updates and %u scores, where %zu count",
             finished.model.members, finished.count, replay->count);
    compare(monitor, &finished);
out:
    ks_free(finished.scores);
    return err;
}

/* --- steps -------------------------------------------------------------------------------- */

static void ask_file(struct ks_monitor *monitor, enum ks_fl_file file,
                     enum ks_fl_slot_state state)
{
    const struct ks_fl_asked asked = {.type = KS_FRAME_FL_OPEN, .file = file};

    ks_fl_ask_files(monitor, &monitor->audit.slot, &asked, state);
}

enum ks_err ks_monitor_fl_audit(struct ks_monitor *monitor, uint32_t id,
                                struct ks_rounds_session *session, uint64_t number)
{
    enum ks_err err = KS_OK;
    struct ks_fl_auditing *audit = &monitor->audit;
    const struct ks_fl_plan *plan = &session->order.plan;
    const struct ks_round_summary *summary = ks_rounds_summary(session, number);
    const struct ks_round_summary *before =
        number > 1 ? ks_rounds_summary(session, number - 1) : NULL;
    struct ks_fl_subject *subject = &audit->slot.replay.subject;

    KS_CHECK(!audit->busy, KS_ERR_UNAVAILABLE,
             "another round is being computed again; again in a while");
    KS_CHECK(summary != NULL, KS_ERR_NOT_FOUND, "round %llu is not known here, or no more",
             (unsigned long long)number);
    KS_CHECK(summary->phase == KS_FL_COMPLETED, KS_ERR_CONFLICT,
             "round %llu has no model, or not yet", (unsigned long long)number);
    KS_CHECK(before != NULL || number == 1, KS_ERR_NOT_FOUND,
             "round %llu, which this one goes on from, is known here no more",
             (unsigned long long)number - 1);
    *audit = (struct ks_fl_auditing){.busy = true, .id = id, .summary = *summary};
    audit->slot.session = session;
    audit->slot.replay.plan = plan;
    *subject = (struct ks_fl_subject){.round = number, .params = (uint32_t)plan->params};
    ks_copy(subject->session, session->id, sizeof subject->session);
    ks_copy(subject->parent, summary->parent, sizeof subject->parent);
    ks_copy(subject->shape, plan->shape, sizeof subject->shape);
    if (before != NULL) {
        ks_copy(audit->slot.replay.state, before->state, sizeof audit->slot.replay.state);
    }
    ask_file(monitor, KS_FL_FILE_LIST, KS_SLOT_OPEN_LIST);
out:
    return err;
}

/* The worker has all updates: next it makes the model. */
static void go_on(struct ks_monitor *monitor)
{
    if (monitor->audit.slot.state == KS_SLOT_READY) {
        ask_file(monitor, KS_FL_FILE_SCRATCH, KS_SLOT_OPEN_MODEL);
    }
}

static enum ks_err opened(struct ks_monitor *monitor, uint64_t length, int fd)
{
    enum ks_err err = KS_OK;
    struct ks_fl_slot *slot = &monitor->audit.slot;

    if (slot->state == KS_SLOT_OPEN_LIST) {
        KS_TRY(take_list(&monitor->audit, length, fd));
    } else if (slot->state == KS_SLOT_OPEN_MODEL) {
        KS_TRY(ks_fl_hand_on(slot, KS_FL_FILE_MODEL, length, fd));
        if (ks_fl_plan_remembers(slot->replay.plan)) {
            ask_file(monitor, KS_FL_FILE_SCRATCH, KS_SLOT_OPEN_NEXT);
        } else {
            KS_TRY(ks_fl_send_finish(slot));
        }
    } else if (slot->state == KS_SLOT_OPEN_NEXT) {
        KS_TRY(ks_fl_hand_on(slot, KS_FL_FILE_NEXT, length, fd));
        KS_TRY(ks_fl_send_finish(slot));
    } else {
        KS_TRY(ks_fl_replay_opened(monitor, slot, length, fd));
    }
    go_on(monitor);
out:
    return err;
}

bool ks_monitor_fl_audit_asked(const struct ks_monitor *monitor, uint32_t request)
{
    const struct ks_fl_auditing *audit = &monitor->audit;
    const enum ks_fl_slot_state state = audit->slot.state;

    return audit->busy && audit->slot.request == request &&
           (state == KS_SLOT_OPEN_LIST || state == KS_SLOT_OPEN_PARENT ||
            state == KS_SLOT_OPEN_STATE || state == KS_SLOT_OPEN_AGAIN ||
            state == KS_SLOT_OPEN_MODEL || state == KS_SLOT_OPEN_NEXT);
}

void ks_monitor_fl_audit_file(struct ks_monitor *monitor, const struct ks_frame *frame, int fd)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader;
    uint64_t length = 0;

    KS_TRY(ks_answer_open(frame, &reader));
    KS_TRY(ks_read_u64(&reader, &length));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(fd >= 0, KS_ERR_FORMAT, "ketseald's files: an answer without a descriptor");
    KS_TRY(opened(monitor, length, fd));
out:
    if (err != KS_OK) {
        give_up(monitor, err);
    }
}

void ks_monitor_fl_audit_worker(struct ks_monitor *monitor, const struct ks_frame *frame)
{
    enum ks_err err = KS_OK;
    struct ks_fl_slot *slot = &monitor->audit.slot;
    struct ks_reader reader;

    KS_CHECK(frame != NULL && frame->id == slot->request, KS_ERR_UNAVAILABLE,
             "the worker that computed the round again died");
    KS_TRY(ks_answer_open(frame, &reader));
    if (slot->state == KS_SLOT_FINISH) {
        KS_TRY(take_finished(monitor, &reader));
        return;
    }
    KS_TRY(ks_fl_replay_answered(monitor, slot, &reader));
    go_on(monitor);
out:
    if (err != KS_OK) {
        give_up(monitor, err);
    }
}

void ks_monitor_fl_audit_pump(struct ks_monitor *monitor)
{
    struct ks_fl_auditing *audit = &monitor->audit;
    struct ks_fl_slot *slot = &audit->slot;
    const uint64_t now_us = ks_clock_monotonic_us();

    if (!audit->busy) {
        return;
    }
    if (slot->state != KS_SLOT_IDLE) {
        if (now_us > slot->deadline_us) {
            give_up(monitor,
                    ks_fail(KS_ERR_UNAVAILABLE, "a worker, or its files, took too long"));
        }
        return;
    }
    slot->worker = ks_monitor_fl_free_worker(monitor);
    if (slot->worker != NULL) {
        slot->worker->slot = slot;
        ks_fl_replay_start(monitor, slot);
    } else if (now_us > audit->until_us) {
        give_up(monitor, ks_fail(KS_ERR_UNAVAILABLE, "no worker was free"));
    }
}

uint64_t ks_monitor_fl_audit_deadline_us(const struct ks_monitor *monitor)
{
    const struct ks_fl_auditing *audit = &monitor->audit;

    return !audit->busy                        ? 0
           : audit->slot.state == KS_SLOT_IDLE ? audit->until_us
                                               : audit->slot.deadline_us;
}
