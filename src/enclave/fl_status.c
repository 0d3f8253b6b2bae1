/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What is said of federated learning to who asks: sessions, rounds, models, devices, sums. All
 * of it goes through ketseald, so none is a secret; an answer is bounded, and what could be
 * long comes in pages. */

#include "base/json.h"
#include "base/text.h"
#include "enclave/fl_work.h"
#include "enclave/monitor.h"

#define STATUS_MAX (4 * 1024 * 1024)

struct question {
    enum ks_fl_ask what;
    uint8_t session[KS_SESSION_LEN];
    uint64_t number;      /* of a round, or that the page begins behind */
    struct ks_bytes name; /* of a device, that the page begins behind */
    uint16_t limit;
};

/* --- rounds ------------------------------------------------------------------------------- */

static void put_time(struct ks_json_writer *writer, const char *name, uint64_t time_us)
{
    char text[KS_TIME_TEXT_LEN + 1];

    ks_time_text(time_us, text);
    ks_json_member_text(writer, name, text);
}

static void put_round(const struct ks_rounds_session *session,
                      const struct ks_round_summary *summary, struct ks_json_writer *writer)
{
    const bool open = session->round != NULL && summary == &session->open;
    struct ks_fl_round_status status = {.phase = summary->phase, .failure = summary->failure};

    if (open) {
        ks_fl_round_status(session->round, &status);
    }
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "count", open ? session->delivered : summary->count);
    ks_json_member_hex(writer, "descriptor", KS_BYTES(summary->descriptor));
    ks_json_member_text(writer, "failure", ks_fl_failure_words(status.failure));
    if (open) {
        ks_json_member_u64(writer, "invited", status.invited);
        ks_json_member_u64(writer, "joined", status.joined);
        ks_json_member_u64(writer, "left", status.left);
    } else {
        put_time(writer, "finished_at", summary->finished_us);
        ks_json_put_key(writer, "loss");
        ks_json_put_double(writer, summary->loss);
        if (summary->phase == KS_FL_COMPLETED) {
            ks_json_member_hex(writer, "model", KS_BYTES(summary->result));
        }
    }
    ks_json_member_hex(writer, "parent", KS_BYTES(summary->parent));
    if (open) {
        ks_json_member_bool(writer, "paused", status.paused);
    }
    ks_json_member_text(writer, "phase", ks_fl_phase_word(status.phase));
    ks_json_member_u64(writer, "round", summary->number);
    if (!open) {
        ks_json_member_u64(writer, "samples", summary->samples);
    }
    put_time(writer, "started_at", summary->started_us);
    if (open && status.wake_us != 0) {
        put_time(writer, "until", status.wake_us);
    }
    ks_json_put_end(writer);
}

/* The rounds that are known, ascending: those that ended and are kept, and the open one. */
static size_t round_count(const struct ks_rounds_session *session)
{
    return session->kept_count + (session->round != NULL ? 1 : 0);
}

static const struct ks_round_summary *round_at(const struct ks_rounds_session *session,
                                               size_t index)
{
    return index < session->kept_count ? &session->kept[index] : &session->open;
}

static bool has_ended(const struct ks_round_summary *summary)
{
    return summary->phase == KS_FL_COMPLETED || summary->phase == KS_FL_FAILED;
}

static double seconds_of(const struct ks_round_summary *summary)
{
    return (double)(summary->finished_us - summary->started_us) / 1000000;
}

static void put_figure(struct ks_json_writer *writer, const char *name, double value)
{
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

/* A round of the curve of a session: what it cost, and what it brought. */
static void put_history(const struct ks_rounds_session *session,
                        const struct ks_round_summary *summary, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "count", summary->count);
    ks_json_member_text(writer, "failure", ks_fl_failure_words(summary->failure));
    put_time(writer, "finished_at", summary->finished_us);
    put_figure(writer, "loss", summary->loss);
    put_figure(writer, "participation",
               (double)summary->count / (double)session->order.plan.wanted);
    ks_json_member_text(writer, "phase", ks_fl_phase_word(summary->phase));
    ks_json_member_u64(writer, "round", summary->number);
    ks_json_member_u64(writer, "samples", summary->samples);
    put_figure(writer, "seconds", seconds_of(summary));
    ks_json_put_end(writer);
}

static void put_model(const struct ks_round_summary *summary, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    put_time(writer, "finished_at", summary->finished_us);
    ks_json_member_hex(writer, "model", KS_BYTES(summary->result));
    ks_json_member_hex(writer, "parent", KS_BYTES(summary->parent));
    ks_json_member_u64(writer, "round", summary->number);
    ks_json_put_end(writer);
}

/* Whether ASK's list has SUMMARY. */
static bool is_listed(enum ks_fl_ask ask, const struct ks_round_summary *summary)
{
    switch (ask) {
    case KS_FL_ASK_MODELS:
        return summary->phase == KS_FL_COMPLETED;
    case KS_FL_ASK_HISTORY:
        return has_ended(summary);
    default:
        return true;
    }
}

static const char *const page_schemas[KS_FL_ASKS] = {
    [KS_FL_ASK_ROUNDS] = "ketseal.fl-rounds/1",
    [KS_FL_ASK_MODELS] = "ketseal.fl-models/1",
    [KS_FL_ASK_HISTORY] = "ketseal.fl-history/1",
};

static void put_page_end(const struct ks_rounds_session *session,
                         const struct question *question, struct ks_json_writer *writer)
{
    const struct ks_fl_plan *plan = &session->order.plan;
    const bool history = question->what == KS_FL_ASK_HISTORY;

    if (history) {
        ks_json_member_u64(writer, "rounds_ordered", plan->rounds);
    }
    ks_json_member_text(writer, "schema", page_schemas[question->what]);
    ks_json_member_hex(writer, "session", KS_BYTES(session->id));
    if (history) {
        ks_json_member_text(writer, "state", ks_session_state_name(session->state));
        ks_json_member_u64(writer, "wanted", plan->wanted);
    }
    ks_json_put_end(writer);
}

/* A page of rounds, or of what they made. */
static void put_page(const struct ks_rounds_session *session, const struct question *question,
                     struct ks_json_writer *writer)
{
    uint16_t count = 0;
    uint64_t last = 0;
    bool more = false;

    ks_json_put_object(writer);
    ks_json_put_key(writer, "items");
    ks_json_put_array(writer);
    for (size_t i = 0; i < round_count(session) && !more; i++) {
        const struct ks_round_summary *summary = round_at(session, i);

        if (summary->number <= question->number || !is_listed(question->what, summary)) {
            continue;
        }
        more = count == question->limit;
        if (!more && question->what == KS_FL_ASK_ROUNDS) {
            put_round(session, summary, writer);
        } else if (!more && question->what == KS_FL_ASK_MODELS) {
            put_model(summary, writer);
        } else if (!more) {
            put_history(session, summary, writer);
        }
        last = more ? last : summary->number;
        count++;
    }
    ks_json_put_end(writer);
    if (more) {
        ks_json_member_u64(writer, "next", last);
    }
    put_page_end(session, question, writer);
}

/* --- a session ---------------------------------------------------------------------------- */

static void put_session(const struct ks_rounds_session *session, struct ks_json_writer *writer)
{
    const struct ks_fl_plan *plan = &session->order.plan;

    ks_json_put_object(writer);
    put_time(writer, "created_at", session->order.created_us);
    ks_json_member_hex(writer, "model", KS_BYTES(session->model));
    ks_json_member_string(writer, "name", plan->model);
    ks_json_member_u64(writer, "params", plan->params);
    ks_json_member_text(writer, "reason", ks_rounds_reason(session));
    ks_json_put_key(writer, "rounds");
    ks_json_put_array(writer);
    for (size_t i = 0; i < round_count(session); i++) {
        put_round(session, round_at(session, i), writer);
    }
    ks_json_put_end(writer);
    ks_json_member_u64(writer, "rounds_ordered", plan->rounds);
    ks_json_put_key(writer, "rule");
    ks_fl_plan_rule_put(&plan->rule, writer);
    ks_json_member_text(writer, "schema", "ketseal.fl-session/1");
    ks_json_member_hex(writer, "session", KS_BYTES(session->id));
    ks_json_member_text(writer, "state", ks_session_state_name(session->state));
    ks_json_put_end(writer);
}

/* lp32 document */
static enum ks_err answer_json(struct ks_monitor *monitor, uint16_t type, uint32_t id,
                               const struct ks_buf *text)
{
    enum ks_err err = KS_OK;
    size_t begin = 0;

    KS_TRY(ks_buf_check(text));
    begin = ks_answer_begin(&monitor->daemon.out, type, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(text));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    return err;
}

enum ks_err ks_monitor_fl_answer(struct ks_monitor *monitor, uint16_t type, uint32_t id,
                                 const struct ks_rounds_session *session)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_json_writer writer = ks_json_writer_of(&text);

    ks_buf_init(&text, STATUS_MAX);
    put_session(session, &writer);
    KS_TRY(answer_json(monitor, type, id, &text));
out:
    ks_buf_done(&text);
    return err;
}

/* --- devices ------------------------------------------------------------------------------ */

static const char *const standings[] = {
    [KS_FL_INVITED] = "invited",
    [KS_FL_JOINED] = "joined",
    [KS_FL_DELIVERED] = "delivered",
    [KS_FL_LEFT] = "left",
};

/* How the device of ENTRY stands: in the open round as it is now. Both ascend by name, so *AT,
 * its place among the participants, only grows. */
static enum ks_fl_standing standing_of(const struct ks_rounds_session *session,
                                       const struct ks_roster_entry *entry, size_t *at)
{
    const struct ks_bytes name = ks_bytes_text(entry->device);

    if (session->round == NULL || entry->invited != session->last) {
        return entry->standing;
    }
    while (!ks_bytes_is(name, ks_fl_round_participant(session->round, *at)->name)) {
        (*at)++; /* it is among them: the round has asked it */
    }
    return ks_fl_round_participant(session->round, *at)->standing;
}

static void put_device(const struct ks_roster_entry *entry, enum ks_fl_standing standing,
                       struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_text(writer, "device", entry->device);
    ks_json_member_u64(writer, "invited", entry->invited);
    ks_json_member_u64(writer, "last", entry->last);
    if (entry->last > 0) {
        put_figure(writer, "loss", entry->loss);
        ks_json_member_u64(writer, "samples", entry->samples);
    }
    ks_json_member_text(writer, "standing", standings[standing]);
    ks_json_member_u64(writer, "updates", entry->updates);
    ks_json_put_end(writer);
}

static void put_devices(const struct ks_rounds_session *session,
                        const struct question *question, struct ks_json_writer *writer)
{
    const struct ks_roster *roster = &session->roster;
    const size_t begin = ks_roster_after(roster, question->name);
    const size_t end =
        roster->count - begin > question->limit ? begin + question->limit : roster->count;
    size_t at = 0;

    ks_json_put_object(writer);
    ks_json_put_key(writer, "devices");
    ks_json_put_array(writer);
    for (size_t i = begin; i < end; i++) {
        const struct ks_roster_entry *entry = &roster->entries[i];

        put_device(entry, standing_of(session, entry, &at), writer);
    }
    ks_json_put_end(writer);
    if (end < roster->count) {
        ks_json_member_text(writer, "next", roster->entries[end - 1].device);
    }
    ks_json_member_text(writer, "schema", "ketseal.fl-devices/1");
    ks_json_member_hex(writer, "session", KS_BYTES(session->id));
    ks_json_put_end(writer);
}

/* --- of the site -------------------------------------------------------------------------- */

/* All sessions, without their rounds. */
static void put_sessions(struct ks_monitor *monitor, struct ks_json_writer *writer)
{
    struct ks_rounds *rounds = monitor->state.rounds;

    ks_json_put_object(writer);
    ks_json_member_text(writer, "schema", "ketseal.fl-sessions/1");
    ks_json_put_key(writer, "sessions");
    ks_json_put_array(writer);
    for (size_t i = 0; i < ks_rounds_count(rounds); i++) {
        const struct ks_rounds_session *session = ks_rounds_at(rounds, i);

        ks_json_put_object(writer);
        put_time(writer, "created_at", session->order.created_us);
        ks_json_member_u64(writer, "last", session->last);
        ks_json_member_string(writer, "name", session->order.plan.model);
        ks_json_member_text(writer, "reason", ks_rounds_reason(session));
        ks_json_member_u64(writer, "rounds_ordered", session->order.plan.rounds);
        ks_json_member_hex(writer, "session", KS_BYTES(session->id));
        ks_json_member_text(writer, "state", ks_session_state_name(session->state));
        ks_json_put_end(writer);
    }
    ks_json_put_end(writer);
    ks_json_put_end(writer);
}

struct totals {
    uint64_t states[KS_SESSION_STATES];
    uint64_t completed;
    uint64_t failed;
    uint64_t open;
    uint64_t updates;
    uint64_t samples;
    double seconds;
};

static void add_session(const struct ks_rounds_session *session, struct totals *totals)
{
    totals->states[session->state]++;
    for (size_t i = 0; i < session->kept_count; i++) {
        const struct ks_round_summary *summary = &session->kept[i];

        totals->completed += summary->phase == KS_FL_COMPLETED ? 1 : 0;
        totals->failed += summary->phase == KS_FL_FAILED ? 1 : 0;
        totals->updates += summary->count;
        totals->samples += summary->samples;
        totals->seconds += seconds_of(summary);
    }
    if (session->round != NULL) {
        totals->open++;
        totals->updates += session->delivered;
    }
}

/* Sums over all rounds that are kept, and what bounds them here. */
static void put_metrics(struct ks_monitor *monitor, struct ks_json_writer *writer)
{
    static const enum ks_session_state by_name[KS_SESSION_STATES] = {
        KS_SESSION_CREATED, KS_SESSION_FAILED, KS_SESSION_FINISHED, KS_SESSION_RUNNING,
        KS_SESSION_STOPPED};
    struct ks_rounds *rounds = monitor->state.rounds;
    struct totals totals = {{0}};

    for (size_t i = 0; i < ks_rounds_count(rounds); i++) {
        add_session(ks_rounds_at(rounds, i), &totals);
    }
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "params_max", monitor->fl.params_max);
    ks_json_put_key(writer, "rounds");
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "completed", totals.completed);
    ks_json_member_u64(writer, "failed", totals.failed);
    ks_json_member_u64(writer, "open", totals.open);
    ks_json_put_end(writer);
    ks_json_member_u64(writer, "samples", totals.samples);
    ks_json_member_text(writer, "schema", "ketseal.fl-metrics/1");
    put_figure(writer, "seconds", totals.seconds);
    ks_json_put_key(writer, "sessions");
    ks_json_put_object(writer);
    for (size_t i = 0; i < KS_SESSION_STATES; i++) {
        ks_json_member_u64(writer, ks_session_state_name(by_name[i]),
                           totals.states[by_name[i]]);
    }
    ks_json_put_end(writer);
    ks_json_member_u64(writer, "sessions_max", KS_ROUNDS_SESSIONS_MAX);
    ks_json_member_u64(writer, "updates", totals.updates);
    ks_json_member_u64(writer, "workers", monitor->fl.workers);
    ks_json_put_end(writer);
}

/* --- answers ------------------------------------------------------------------------------ */

/* u8 what, 16 session, u64 number, lp16 name, u16 limit; zeros for what a question has not. */
static enum ks_err read_question(struct ks_bytes payload, struct question *out_question)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "status frame");
    struct question question = {0};
    uint8_t what = 0;

    KS_TRY(ks_read_u8(&reader, &what));
    KS_CHECK(what < KS_FL_ASKS, KS_ERR_FORMAT, "status frame: %u", what);
    question.what = (enum ks_fl_ask)what;
    KS_TRY(ks_read_copy(&reader, question.session, sizeof question.session));
    KS_TRY(ks_read_u64(&reader, &question.number));
    KS_TRY(ks_read_lp16(&reader, KS_FL_CLIENT_NAME_MAX, &question.name));
    KS_TRY(ks_read_u16(&reader, &question.limit));
    KS_CHECK(question.limit <= KS_FL_PAGE_MAX, KS_ERR_LIMIT, "a page of %u", question.limit);
    KS_TRY(ks_read_end(&reader));
    *out_question = question;
out:
    return err;
}

static enum ks_err put_of_session(const struct ks_rounds_session *session,
                                  const struct question *question, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_json_writer writer = ks_json_writer_of(out);
    const struct ks_round_summary *summary = NULL;

    switch (question->what) {
    case KS_FL_ASK_SESSION:
        put_session(session, &writer);
        break;
    case KS_FL_ASK_DESCRIPTOR:
        KS_CHECK(session->last > 0, KS_ERR_NOT_FOUND, "no round has begun yet");
        KS_CHECK(session->descriptor.len > 0, KS_ERR_NOT_FOUND,
                 "no round is open; the last one's descriptor is gone since a start");
        ks_buf_put(out, ks_buf_view(&session->descriptor));
        break;
    case KS_FL_ASK_ROUND:
        summary = ks_rounds_summary(session, question->number);
        KS_CHECK(summary != NULL, KS_ERR_NOT_FOUND, "no round %llu is known here",
                 (unsigned long long)question->number);
        put_round(session, summary, &writer);
        break;
    case KS_FL_ASK_DEVICES:
        put_devices(session, question, &writer);
        break;
    default:
        put_page(session, question, &writer);
    }
out:
    return err;
}

/* What enum ks_fl_ask says -> lp32 document. */
enum ks_err ks_monitor_fl_status(struct ks_monitor *monitor, uint32_t id,
                                 struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct question question;
    struct ks_rounds_session *session = NULL;
    struct ks_buf text;
    struct ks_json_writer writer = ks_json_writer_of(&text);

    ks_buf_init(&text, KS_FL_DOCUMENT_MAX);
    KS_TRY(ks_monitor_fl_here(monitor));
    KS_TRY(read_question(payload, &question));
    if (question.what == KS_FL_ASK_SESSIONS) {
        put_sessions(monitor, &writer);
    } else if (question.what == KS_FL_ASK_METRICS) {
        put_metrics(monitor, &writer);
    } else {
        KS_TRY(ks_monitor_fl_session(monitor, question.session, &session));
        KS_TRY(put_of_session(session, &question, &text));
    }
    KS_TRY(answer_json(monitor, KS_FRAME_FL_STATUS, id, &text));
out:
    ks_buf_done(&text);
    return err;
}
