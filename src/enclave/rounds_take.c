/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a record of the chain of rounds does: to sessions, to their open round. */

#include <stdio.h>
#include <stdlib.h>

#include "base/text.h"
#include "crypto/digest.h"
#include "enclave/rounds_state.h"
#include "record/fl_updates.h"

#define DELIVERIES_STEP 64
#define RECORDED        "recorded" /* the word of a summary */

static const char *const state_names[KS_SESSION_STATES] = {
#define STATE_NAME(name, text) [KS_SESSION_##name] = (text),
    KS_SESSION_STATE_LIST(STATE_NAME)
#undef STATE_NAME
};

const char *ks_session_state_name(enum ks_session_state state)
{
    KS_ASSERT((unsigned)state < KS_SESSION_STATES);
    return state_names[state];
}

/* --- memory ------------------------------------------------------------------------------- */

static void close_round(struct ks_rounds_session *session)
{
    ks_fl_round_free(session->round);
    session->round = NULL;
    session->delivered = session->staged = 0;
    session->checkpoint = 0;
    session->scores_lost = false;
    ks_buf_clear(&session->log);
}

void ks_rounds_session_free(struct ks_rounds_session *session)
{
    if (session == NULL) {
        return;
    }
    ks_fl_order_done(&session->order);
    ks_fl_round_free(session->round);
    ks_buf_done(&session->file);
    ks_buf_done(&session->descriptor);
    ks_buf_done(&session->log);
    ks_buf_done(&session->list);
    ks_roster_done(&session->roster);
    ks_free(session->deliveries);
    ks_free(session->kept);
    ks_free(session->known);
    ks_free(session);
}

/* No round will be selected any more. */
static void forget_known(struct ks_rounds_session *session)
{
    ks_free(session->known);
    session->known = NULL;
    session->known_count = session->known_max = 0;
}

static enum ks_err session_new(struct ks_rounds_session **out_session)
{
    struct ks_rounds_session *session = ks_calloc(1, sizeof *session);

    if (session == NULL) {
        return ks_fail(KS_ERR_NOMEM, "session");
    }
    ks_buf_init(&session->file, KS_ROUNDS_ORDER_FILE_MAX);
    ks_buf_init(&session->descriptor, KS_FL_DOCUMENT_MAX);
    ks_buf_init(&session->log, (size_t)KS_ROUNDS_RECORDS_MAX * KS_ROUND_RECORD_LEN);
    ks_buf_init(&session->list, KS_FL_UPDATES_BYTES_MAX);
    session->kept = ks_calloc(KS_ROUNDS_KEPT_MAX, sizeof *session->kept);
    if (session->kept == NULL) {
        ks_rounds_session_free(session);
        return ks_fail(KS_ERR_NOMEM, "session");
    }
    *out_session = session;
    return KS_OK;
}

size_t ks_rounds_count(const struct ks_rounds *rounds)
{
    return rounds->session_count;
}

struct ks_rounds_session *ks_rounds_at(struct ks_rounds *rounds, size_t index)
{
    KS_ASSERT(index < rounds->session_count);
    return rounds->sessions[index];
}

struct ks_rounds_session *ks_rounds_find(struct ks_rounds *rounds,
                                         const uint8_t id[KS_SESSION_LEN])
{
    for (size_t i = 0; i < rounds->session_count; i++) {
        if (ks_bytes_equal(KS_BYTES(rounds->sessions[i]->id),
                           ks_bytes_of(id, KS_SESSION_LEN))) {
            return rounds->sessions[i];
        }
    }
    return NULL;
}

const struct ks_round_summary *ks_rounds_summary(const struct ks_rounds_session *session,
                                                 uint64_t number)
{
    if (session->round != NULL && session->open.number == number) {
        return &session->open;
    }
    for (size_t i = 0; i < session->kept_count; i++) {
        if (session->kept[i].number == number) {
            return &session->kept[i];
        }
    }
    return NULL;
}

struct ks_delivery *ks_rounds_find_delivery(const struct ks_rounds_session *session,
                                            struct ks_bytes device)
{
    for (size_t i = 0; i < session->delivered + session->staged; i++) {
        if (ks_bytes_is(device, session->deliveries[i].device)) {
            return &session->deliveries[i];
        }
    }
    return NULL;
}

const struct ks_delivery *ks_rounds_delivery(const struct ks_rounds_session *session,
                                             struct ks_bytes device)
{
    return ks_rounds_find_delivery(session, device);
}

struct ks_operator_seen *ks_rounds_operator(struct ks_rounds *rounds, const uint8_t key[32])
{
    for (size_t i = 0; i < rounds->operator_count; i++) {
        if (ks_bytes_equal(KS_BYTES(rounds->operators[i].key), ks_bytes_of(key, 32))) {
            return &rounds->operators[i];
        }
    }
    return NULL;
}

static enum ks_err see_operator(struct ks_rounds *rounds, const uint8_t key[32],
                                uint64_t created_us)
{
    enum ks_err err = KS_OK;
    struct ks_operator_seen *seen = ks_rounds_operator(rounds, key);

    if (seen == NULL) {
        KS_CHECK(rounds->operator_count <= KS_ROUNDS_OPERATORS_MAX, KS_ERR_LIMIT,
                 "orders of more than %d operators", KS_ROUNDS_OPERATORS_MAX);
        seen = &rounds->operators[rounds->operator_count++];
        ks_copy(seen->key, key, sizeof seen->key);
    }
    if (created_us > seen->created_us) { /* a rewriting has the newest one first */
        seen->created_us = created_us;
    }
out:
    return err;
}

/* Room for one delivery more. */
static enum ks_err reserve_delivery(struct ks_rounds_session *session)
{
    const size_t count = session->delivered + session->staged;
    struct ks_delivery *more = NULL;

    if (count < session->deliveries_max) {
        return KS_OK;
    }
    more = ks_realloc(session->deliveries, session->deliveries_max + DELIVERIES_STEP,
                      sizeof *more);
    if (more == NULL) {
        return ks_fail(KS_ERR_NOMEM, "deliveries of a round");
    }
    session->deliveries = more;
    session->deliveries_max += DELIVERIES_STEP;
    return KS_OK;
}

/* --- files beside the chain ----------------------------------------------------------------
 */

/* Of the order that made a session: number 0; of a round its own. */
void ks_rounds_file_name(const uint8_t id[KS_SESSION_LEN], uint64_t number,
                         char target[KS_ROUNDS_FILE_NAME_MAX])
{
    char hex[2 * KS_SESSION_LEN + 1];

    ks_hex_encode(ks_bytes_of(id, KS_SESSION_LEN), hex);
    (void)snprintf(target, KS_ROUNDS_FILE_NAME_MAX, "fl-%s.%llu", hex,
                   (unsigned long long)number);
}

static enum ks_err load_file(const struct ks_rounds *rounds, const uint8_t id[KS_SESSION_LEN],
                             uint64_t number, const uint8_t hash[32], struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char name[KS_ROUNDS_FILE_NAME_MAX];
    uint8_t digest[KS_SHA256_LEN];

    ks_rounds_file_name(id, number, name);
    err = ks_fs_load(rounds->fs, name, out->max, out);
    KS_TRY(err == KS_ERR_NOT_FOUND ? ks_fail(KS_ERR_VERIFY, "%s: it is gone", name) : err);
    ks_sha256(ks_buf_view(out), digest);
    KS_CHECK(ks_bytes_equal(KS_BYTES(digest), ks_bytes_of(hash, 32)), KS_ERR_VERIFY,
             "%s: it was changed", name);
out:
    return err;
}

enum ks_err ks_rounds_save_file(const struct ks_rounds *rounds,
                                const uint8_t id[KS_SESSION_LEN], uint64_t number,
                                const struct ks_buf *bytes, uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;
    char name[KS_ROUNDS_FILE_NAME_MAX];

    ks_rounds_file_name(id, number, name);
    KS_TRY(ks_buf_check(bytes));
    ks_sha256(ks_buf_view(bytes), out_hash);
    KS_TRY(ks_fs_replace(rounds->fs, name, ks_buf_view(bytes)));
out:
    return err;
}

/* lp32 certificate, lp32 order: parsed, and checked once more under that certificate's key. */
static enum ks_err read_order_file(struct ks_rounds_session *session)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(ks_buf_view(&session->file), "session");
    struct ks_cert *cert = NULL;
    struct ks_verify_key *key = NULL;

    KS_TRY(ks_read_lp32(&reader, KS_CERT_DER_MAX, &session->certificate));
    KS_TRY(ks_read_lp32(&reader, KS_FL_DOCUMENT_MAX, &session->document));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_cert_parse_der(session->certificate, &cert));
    KS_TRY(ks_cert_key(cert, &key));
    KS_TRY(ks_fl_order_read(session->document, key, &session->order));
    KS_CHECK(session->order.verb == KS_FL_VERB_CREATE &&
                 ks_bytes_equal(KS_BYTES(session->order.session), KS_BYTES(session->id)),
             KS_ERR_FORMAT, "session: another order");
out:
    ks_cert_free(cert);
    ks_verify_key_free(key);
    return err;
}

/* lp32 descriptor, u32 candidates, for each: lp16 name, u32 samples */
void ks_rounds_put_file(const struct ks_fl_candidate *candidates, size_t count,
                        struct ks_bytes descriptor, struct ks_buf *out)
{
    ks_buf_put_lp32(out, descriptor);
    ks_buf_put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        ks_buf_put_lp16(out, candidates[i].name);
        ks_buf_put_u32(out, candidates[i].samples);
    }
}

/* --- the round ---------------------------------------------------------------------------- */

enum ks_err ks_rounds_draft(const struct ks_rounds_session *session,
                            const struct ks_fl_candidate *candidates, size_t count,
                            uint64_t now_us, struct ks_fl_round **out_round)
{
    const struct ks_fl_plan *plan = &session->order.plan;
    struct ks_fl_round_params params = {
        .subject = {.round = session->last + 1, .params = (uint32_t)plan->params},
        .seed = plan->seed,
        .selection = plan->weighted ? KS_FL_SELECT_WEIGHTED : KS_FL_SELECT_RANDOM,
        .invited = (uint32_t)plan->invited,
        .wanted = (uint32_t)plan->wanted,
        .updates_min = (uint32_t)plan->updates_min,
        .samples_max = (uint32_t)plan->samples_max,
        .prepare_us = plan->prepare_s * 1000000,
        .train_us = plan->train_s * 1000000,
        .patience = (uint32_t)plan->patience,
        .gain_min = plan->gain_min,
    };

    enum ks_err err = KS_OK;

    ks_copy(params.subject.session, session->id, sizeof params.subject.session);
    ks_copy(params.subject.parent, session->model, sizeof params.subject.parent);
    ks_copy(params.subject.shape, plan->shape, sizeof params.subject.shape);
    KS_TRY(ks_fl_round_new(&params, candidates, count, NULL, now_us, out_round));
    ks_fl_round_follow(*out_round, &session->progress);
out:
    return err;
}

/* The round as it was drafted, from its file. */
static enum ks_err redraft(struct ks_rounds_session *session, struct ks_bytes file,
                           uint64_t at_us)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(file, "round");
    struct ks_fl_candidate *candidates = NULL;
    struct ks_bytes descriptor = {0};
    uint32_t count = 0;

    KS_TRY(ks_read_lp32(&reader, KS_FL_DOCUMENT_MAX, &descriptor));
    KS_TRY(ks_read_u32(&reader, &count));
    KS_CHECK(count >= 1 && count <= KS_FL_CLIENTS_MAX, KS_ERR_FORMAT, "round: %u candidates",
             count);
    candidates = ks_calloc(count, sizeof *candidates);
    KS_CHECK(candidates != NULL, KS_ERR_NOMEM, "round");
    for (uint32_t i = 0; i < count; i++) {
        KS_TRY(ks_read_lp16(&reader, KS_FL_CLIENT_NAME_MAX, &candidates[i].name));
        KS_TRY(ks_read_u32(&reader, &candidates[i].samples));
    }
    KS_TRY(ks_read_end(&reader));
    ks_buf_clear(&session->descriptor);
    ks_buf_put(&session->descriptor, descriptor);
    KS_TRY(ks_buf_check(&session->descriptor));
    KS_TRY(ks_rounds_draft(session, candidates, count, at_us, &session->round));
out:
    ks_free(candidates);
    return err;
}

/* SESSION's round has been made: it is the open one. */
static void open_round(struct ks_rounds_session *session, uint64_t at_us)
{
    struct ks_round_summary *open = &session->open;

    session->last++;
    *open = (struct ks_round_summary){.number = session->last, .started_us = at_us};
    ks_copy(open->parent, session->model, sizeof open->parent);
    ks_sha256(ks_buf_view(&session->descriptor), open->descriptor);
}

/* What devices say, by samples; finite, since a job's loss is bounded. */
static double mean_loss(const struct ks_rounds_session *session)
{
    double loss = 0;
    uint64_t samples = 0;

    for (size_t i = 0; i < session->delivered; i++) {
        samples += session->deliveries[i].samples;
        loss += session->deliveries[i].loss * session->deliveries[i].samples;
    }
    return samples > 0 ? loss / (double)samples : 0;
}

static void keep_summary(struct ks_rounds_session *session,
                         const struct ks_round_summary *summary)
{
    if (session->kept_count == KS_ROUNDS_KEPT_MAX) {
        for (size_t i = 1; i < KS_ROUNDS_KEPT_MAX; i++) {
            session->kept[i - 1] = session->kept[i];
        }
        session->kept_count--;
    }
    session->kept[session->kept_count++] = *summary;
}

/* If the open round has ended, it is kept, and the session goes on or does not. */
static enum ks_err settle(struct ks_rounds_session *session, uint64_t at_us)
{
    enum ks_err err = KS_OK;
    struct ks_fl_round_status status;
    struct ks_round_summary *open = &session->open;

    ks_fl_round_status(session->round, &status);
    open->phase = status.phase;
    open->failure = status.failure;
    if (status.phase != KS_FL_COMPLETED && status.phase != KS_FL_FAILED) {
        return KS_OK;
    }
    KS_TRY(ks_rounds_list_make(session));
    open->finished_us = at_us > open->started_us ? at_us : open->started_us;
    if (status.phase == KS_FL_COMPLETED) {
        ks_copy(open->result, status.result, sizeof open->result);
        ks_copy(session->model, status.result, sizeof session->model);
        session->progress = status.progress;
        session->state = session->last == session->order.plan.rounds || status.stop_early
                             ? KS_SESSION_FINISHED
                             : session->state;
    } else {
        session->state =
            status.failure == KS_FL_FAILURE_STOPPED ? KS_SESSION_STOPPED : KS_SESSION_FAILED;
    }
    keep_summary(session, open);
    ks_roster_end(&session->roster, session->round);
    close_round(session);
    if (session->state != KS_SESSION_RUNNING) {
        forget_known(session);
    }
out:
    return err;
}

/* --- records: what each says, both ways ----------------------------------------------------
 */

struct ks_round_record ks_rounds_record_of(enum ks_round_record_kind kind,
                                           const struct ks_rounds_session *session)
{
    struct ks_round_record record = {.kind = kind, .round = session->last};

    ks_copy(record.session, session->id, sizeof record.session);
    return record;
}

struct ks_round_record ks_rounds_delivery_record(const struct ks_rounds_session *session,
                                                 const struct ks_delivery *delivery)
{
    struct ks_round_record record = ks_rounds_record_of(KS_ROUND_RECORD_STAGED, session);

    record.code = (uint8_t)delivery->encoding;
    record.at_us = delivery->at_us;
    record.other = delivery->length;
    ks_copy(record.device, delivery->device, sizeof record.device);
    ks_copy(record.hash[0], delivery->update, sizeof record.hash[0]);
    ks_copy(record.hash[1], delivery->record, sizeof record.hash[1]);
    ks_copy(record.hash[2], delivery->sealed, sizeof record.hash[2]);
    ks_uuid_bytes(delivery->job, record.hash[3]);
    record.samples = delivery->samples;
    record.figures[0] = delivery->norm;
    record.figures[1] = delivery->suspicion;
    record.figures[2] = delivery->loss;
    ks_copy(record.reason, delivery->reason, sizeof record.reason);
    return record;
}

static struct ks_delivery delivery_of(const struct ks_round_record *record)
{
    struct ks_delivery delivery = {.at_us = record->at_us,
                                   .length = record->other,
                                   .samples = (uint32_t)record->samples,
                                   .encoding = (enum ks_fl_encoding)record->code,
                                   .norm = record->figures[0],
                                   .suspicion = record->figures[1],
                                   .loss = record->figures[2]};

    ks_copy(delivery.device, record->device, sizeof delivery.device);
    ks_copy(delivery.update, record->hash[0], sizeof delivery.update);
    ks_copy(delivery.record, record->hash[1], sizeof delivery.record);
    ks_copy(delivery.sealed, record->hash[2], sizeof delivery.sealed);
    ks_uuid_text(record->hash[3], delivery.job);
    ks_copy(delivery.reason, record->reason, sizeof delivery.reason);
    return delivery;
}

struct ks_round_record ks_rounds_summary_record(const struct ks_rounds_session *session,
                                                const struct ks_round_summary *summary)
{
    struct ks_round_record record = ks_rounds_record_of(KS_ROUND_RECORD_SUMMARY, session);

    record.round = summary->number;
    /* both below 16 */
    record.code = (uint8_t)((unsigned)summary->phase << 4 | (unsigned)summary->failure);
    record.at_us = summary->started_us;
    record.other = summary->finished_us;
    ks_copy(record.hash[0], summary->parent, sizeof record.hash[0]);
    ks_copy(record.hash[1], summary->descriptor, sizeof record.hash[1]);
    ks_copy(record.hash[2], summary->result, sizeof record.hash[2]);
    ks_copy(record.hash[3], summary->updates, sizeof record.hash[3]);
    ks_copy(record.hash[4], summary->list, sizeof record.hash[4]);
    record.count = summary->count;
    record.samples = summary->samples;
    ks_copy(record.hash[5], summary->state, sizeof record.hash[5]);
    record.figures[0] = summary->loss;
    if (summary->recorded) {
        ks_copy(record.reason, RECORDED, sizeof RECORDED);
    }
    return record;
}

static enum ks_err take_summary(struct ks_rounds_session *session,
                                const struct ks_round_record *record)
{
    enum ks_err err = KS_OK;
    struct ks_round_summary summary = {
        .number = record->round,
        .phase = (enum ks_fl_phase)(record->code >> 4),
        .failure = (enum ks_fl_failure)(record->code & 15),
        .started_us = record->at_us,
        .finished_us = record->other,
        .count = record->count,
        .samples = record->samples,
        .loss = record->figures[0],
        .recorded = ks_bytes_is(ks_bytes_text(record->reason), RECORDED)};

    KS_CHECK(summary.phase < KS_FL_PHASES && summary.failure < KS_FL_FAILURES &&
                 summary.number > session->last && session->round == NULL,
             KS_ERR_FORMAT, "rounds: a summary of another version");
    ks_copy(summary.parent, record->hash[0], sizeof summary.parent);
    ks_copy(summary.descriptor, record->hash[1], sizeof summary.descriptor);
    ks_copy(summary.result, record->hash[2], sizeof summary.result);
    ks_copy(summary.updates, record->hash[3], sizeof summary.updates);
    ks_copy(summary.list, record->hash[4], sizeof summary.list);
    ks_copy(summary.state, record->hash[5], sizeof summary.state);
    session->last = summary.number;
    keep_summary(session, &summary);
out:
    return err;
}

static enum ks_err take_session(struct ks_rounds *rounds, const struct ks_round_record *record)
{
    enum ks_err err = KS_OK;
    struct ks_rounds_session *session = NULL;

    KS_CHECK(rounds->session_count < KS_ROUNDS_SESSIONS_MAX, KS_ERR_LIMIT,
             "over %d sessions of federated learning", KS_ROUNDS_SESSIONS_MAX);
    KS_TRY(session_new(&session));
    ks_copy(session->id, record->session, sizeof session->id);
    KS_TRY(load_file(rounds, session->id, 0, record->hash[1], &session->file));
    KS_TRY(read_order_file(session));
    ks_copy(session->model, session->order.plan.parent, sizeof session->model);
    ks_copy(session->operator_key, record->hash[0], sizeof session->operator_key);
    KS_TRY(see_operator(rounds, record->hash[0], record->at_us));
    rounds->sessions[rounds->session_count++] = session;
    session = NULL; /* transferred */
out:
    ks_rounds_session_free(session);
    return err;
}

/* What an order to a session that there is does at AT_US. */
static enum ks_err obey(struct ks_rounds_session *session, enum ks_fl_verb verb, uint64_t at_us)
{
    static const enum ks_fl_event_kind kinds[KS_FL_VERBS] = {
        [KS_FL_VERB_PAUSE] = KS_FL_EVENT_PAUSE,
        [KS_FL_VERB_RESUME] = KS_FL_EVENT_RESUME,
        [KS_FL_VERB_STOP] = KS_FL_EVENT_STOP,
    };
    enum ks_err err = KS_OK;
    const struct ks_fl_event event = {.kind = kinds[verb], .now_us = at_us};

    if (verb == KS_FL_VERB_START) {
        session->state = KS_SESSION_RUNNING;
    } else if (session->round == NULL) {
        session->state = KS_SESSION_STOPPED; /* the only other one that can be then */
        forget_known(session);
    } else {
        (void)ks_fl_round_apply(session->round, &event); /* asked before it was written */
        KS_TRY(settle(session, at_us));
    }
out:
    return err;
}

uint64_t ks_rounds_in_time(const struct ks_rounds_session *session, uint64_t at_us)
{
    struct ks_fl_round_status status;

    ks_fl_round_status(session->round, &status);
    return status.wake_us != 0 && at_us >= status.wake_us ? status.wake_us - 1 : at_us;
}

/* The deliveries that are staged count: each was staged in time, or behind one that was. */
static enum ks_err take_commit(struct ks_rounds_session *session, unsigned file, uint64_t len,
                               const uint8_t hash[32], uint64_t at_us)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < session->staged; i++) {
        const struct ks_delivery *delivery = &session->deliveries[session->delivered + i];
        struct ks_fl_event event = {.kind = KS_FL_EVENT_UPDATE,
                                    .now_us = ks_rounds_in_time(session, delivery->at_us),
                                    .client = ks_bytes_text(delivery->device),
                                    .samples = delivery->samples};

        ks_copy(event.update, delivery->update, sizeof event.update);
        KS_CHECK(ks_fl_round_apply(session->round, &event) == KS_FL_ANSWER_OK, KS_ERR_FORMAT,
                 "rounds: an update that the round does not take");
        ks_roster_count(&session->roster, delivery->device, session->last, delivery->samples,
                        delivery->loss);
    }
    session->delivered += session->staged;
    session->staged = 0;
    session->checkpoint = file;
    session->checkpoint_len = len;
    ks_copy(session->checkpoint_hash, hash, sizeof session->checkpoint_hash);
    KS_TRY(settle(session, at_us));
out:
    return err;
}

static struct ks_fl_event event_of(const struct ks_round_record *record)
{
    struct ks_fl_event event = {.kind = (enum ks_fl_event_kind)record->code,
                                .now_us = record->at_us,
                                .client = ks_bytes_text(record->device),
                                .samples = (uint32_t)record->samples};

    ks_copy(event.update, record->hash[0], sizeof event.update);
    return event;
}

static enum ks_err take_round(struct ks_rounds *rounds, struct ks_rounds_session *session,
                              const struct ks_round_record *record)
{
    enum ks_err err = KS_OK;
    struct ks_buf file;

    ks_buf_init(&file, KS_ROUNDS_ROUND_FILE_MAX);
    KS_CHECK(session->round == NULL && record->round == session->last + 1, KS_ERR_FORMAT,
             "rounds: a round out of turn");
    KS_TRY(load_file(rounds, session->id, record->round, record->hash[0], &file));
    session->first_file = session->first_file == 0 ? record->round : session->first_file;
    KS_TRY(redraft(session, ks_buf_view(&file), record->at_us));
    open_round(session, record->at_us);
    KS_TRY(ks_roster_invite(&session->roster, session->round, session->last));
out:
    ks_buf_done(&file);
    return err;
}

/* EVENT; STATE is what an aggregate leaves. */
static enum ks_err happen(struct ks_rounds *rounds, struct ks_rounds_session *session,
                          struct ks_fl_event *event, const uint8_t state[32])
{
    enum ks_err err = KS_OK;

    if (event->kind == KS_FL_EVENT_JOIN) {
        KS_TRY(ks_rounds_know(rounds, session, event->client, event->samples));
    }
    if (event->kind == KS_FL_EVENT_AGGREGATED) { /* less loss is more */
        event->has_metric = true;
        event->metric = -mean_loss(session);
        ks_copy(session->open.state, state, sizeof session->open.state);
        ks_copy(session->remembered, state, sizeof session->remembered);
    }
    (void)ks_fl_round_apply(session->round, event); /* asked before it was written */
    KS_TRY(settle(session, event->now_us));
out:
    return err;
}

/* What happens to the open round. */
static enum ks_err take_event(struct ks_rounds *rounds, struct ks_rounds_session *session,
                              const struct ks_round_record *record)
{
    enum ks_err err = KS_OK;
    struct ks_fl_event event = event_of(record);
    struct ks_delivery *delivery = NULL;

    KS_CHECK(session->round != NULL && record->round == session->last, KS_ERR_FORMAT,
             "rounds: an event of a round that is not open");
    switch (record->kind) {
    case KS_ROUND_RECORD_SCORED:
        KS_TRY(ks_rounds_take_scores(rounds, session, record));
        break;
    case KS_ROUND_RECORD_EVENT:
        KS_CHECK(event.kind != KS_FL_EVENT_AGGREGATED || !session->scores_lost, KS_ERR_VERIFY,
                 "rounds: the scores of a round were changed");
        KS_TRY(happen(rounds, session, &event, record->hash[1]));
        break;
    case KS_ROUND_RECORD_STAGED:
        KS_CHECK(record->code < KS_FL_ENCODINGS, KS_ERR_FORMAT, "rounds: encoding %u",
                 record->code);
        KS_TRY(reserve_delivery(session));
        session->deliveries[session->delivered + session->staged++] = delivery_of(record);
        break;
    case KS_ROUND_RECORD_CHECKPOINT:
        KS_TRY(
            take_commit(session, record->code, record->other, record->hash[0], record->at_us));
        break;
    case KS_ROUND_RECORD_DROPPED:
        session->staged = 0;
        break;
    default:
        delivery = ks_rounds_find_delivery(session, ks_bytes_text(record->device));
        KS_CHECK(delivery != NULL, KS_ERR_FORMAT, "rounds: nothing to record again");
        ks_copy(delivery->record, record->hash[1], sizeof delivery->record);
        ks_uuid_text(record->hash[3], delivery->job);
    }
out:
    return err;
}

static void take_recorded(struct ks_rounds_session *session, uint64_t number)
{
    for (size_t i = 0; i < session->kept_count; i++) {
        session->kept[i].recorded |= session->kept[i].number == number;
    }
}

/* RECORD is kept for the next rewriting: of a device's further records the last one alone, or
 * it could fill the file. */
static enum ks_err keep_record(struct ks_rounds_session *session,
                               const struct ks_round_record *record)
{
    struct ks_buf *log = &session->log;

    if (record->kind == KS_ROUND_RECORD_AGAIN) {
        ks_round_record_remove(log, record->kind, record->device);
    }
    ks_round_record_put(record, log);
    return ks_buf_check(log);
}

static enum ks_err take_of_session(struct ks_rounds *rounds, struct ks_rounds_session *session,
                                   const struct ks_round_record *record)
{
    enum ks_err err = KS_OK;

    switch (record->kind) {
    case KS_ROUND_RECORD_STATE:
        KS_CHECK(record->code < KS_SESSION_STATES, KS_ERR_FORMAT, "rounds: state %u",
                 record->code);
        session->state = (enum ks_session_state)record->code;
        session->last = record->round;
        ks_copy(session->model, record->hash[0], sizeof session->model);
        ks_copy(session->remembered, record->hash[1], sizeof session->remembered);
        session->progress = (struct ks_fl_progress){
            .has_best = record->samples != 0,
            .best = record->figures[0],
            .stale = record->count,
        };
        break;
    case KS_ROUND_RECORD_KNOWN:
        return ks_rounds_know(rounds, session, ks_bytes_text(record->device),
                              (uint32_t)record->samples);
    case KS_ROUND_RECORD_SUMMARY:
        KS_TRY(take_summary(session, record));
        break;
    case KS_ROUND_RECORD_ORDER:
        KS_CHECK(record->code > KS_FL_VERB_CREATE && record->code <= KS_FL_VERB_STOP,
                 KS_ERR_FORMAT, "rounds: order %u", record->code);
        KS_TRY(see_operator(rounds, record->hash[0], record->other));
        KS_TRY(obey(session, (enum ks_fl_verb)record->code, record->at_us));
        break;
    case KS_ROUND_RECORD_ROUND:
        KS_TRY(take_round(rounds, session, record));
        break;
    case KS_ROUND_RECORD_RECORDED:
        take_recorded(session, record->round);
        ks_rounds_list_forget(rounds, session, record->round);
        return KS_OK; /* of no open round */
    default:
        KS_TRY(take_event(rounds, session, record));
    }
    KS_TRY(ks_rounds_list_save(rounds, session));
    if (session->round != NULL) { /* else it has ended, and is a summary */
        KS_TRY(keep_record(session, record));
    }
out:
    return err;
}

/* The one way in which the state changes, at start and later. */
enum ks_err ks_rounds_take(struct ks_rounds *rounds, const struct ks_round_record *record)
{
    enum ks_err err = KS_OK;
    struct ks_rounds_session *session = NULL;

    if (record->kind == KS_ROUND_RECORD_OPERATOR) {
        /* A file has one record at least: of nobody, before the first order. */
        return record->at_us == 0 ? KS_OK
                                  : see_operator(rounds, record->hash[0], record->at_us);
    }
    if (record->kind == KS_ROUND_RECORD_SESSION) {
        return take_session(rounds, record);
    }
    session = ks_rounds_find(rounds, record->session);
    KS_CHECK(session != NULL, KS_ERR_FORMAT, "rounds: a record of no session");
    KS_TRY(take_of_session(rounds, session, record));
out:
    return err;
}
