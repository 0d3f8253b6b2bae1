/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/rounds.h"

#include "crypto/digest.h"
#include "enclave/rounds_state.h"

#define SLACK   4096  /* records beyond what is live before the file is rewritten */
#define RESERVE 16384 /* for jobs that are admitted, and for rounds to end by */

/* --- the file ------------------------------------------------------------------------------
 */

static enum ks_err visit_record(void *context, struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    struct ks_round_record record;

    KS_TRY(ks_round_record_read(bytes, &record));
    KS_TRY(ks_rounds_take(context, &record));
out:
    return err;
}

/* All that a session is, but for what its open round's log says. */
static void put_session(struct ks_rounds_session *session, struct ks_buf *out)
{
    struct ks_round_record record = ks_rounds_record_of(KS_ROUND_RECORD_SESSION, session);

    record.at_us = session->order.created_us;
    ks_copy(record.hash[0], session->operator_key, sizeof record.hash[0]);
    ks_sha256(ks_buf_view(&session->file), record.hash[1]);
    ks_round_record_put(&record, out);
    for (size_t i = 0; i < session->kept_count; i++) {
        record = ks_rounds_summary_record(session, &session->kept[i]);
        ks_round_record_put(&record, out);
    }
    record = ks_rounds_record_of(KS_ROUND_RECORD_STATE, session);
    record.code = (uint8_t)session->state;
    record.round = session->round == NULL ? session->last : session->last - 1;
    ks_copy(record.hash[0], session->model, sizeof record.hash[0]);
    ks_copy(record.hash[1], session->remembered, sizeof record.hash[1]);
    record.count = session->progress.stale;
    record.samples = session->progress.has_best ? 1 : 0;
    record.figures[0] = session->progress.best;
    ks_round_record_put(&record, out);
    for (size_t i = 0; i < session->known_count; i++) {
        record = ks_rounds_record_of(KS_ROUND_RECORD_KNOWN, session);
        ks_copy(record.device, session->known[i].device, sizeof record.device);
        record.samples = session->known[i].samples;
        ks_round_record_put(&record, out);
    }
    ks_buf_put(out, ks_buf_view(&session->log));
}

/* Rounds that have ended need their files no more. */
static void forget_files(const struct ks_rounds *rounds, struct ks_rounds_session *session)
{
    const uint64_t end = session->last + (session->round == NULL ? 1 : 0);
    char name[KS_ROUNDS_FILE_NAME_MAX];

    for (uint64_t number = session->first_file; number != 0 && number < end; number++) {
        ks_rounds_file_name(session->id, number, name);
        (void)rounds->fs->unlink(rounds->fs->context, name); /* what stays is overwritten */
        ks_rounds_scores_name(session->id, number, name);
        (void)rounds->fs->unlink(rounds->fs->context, name);
    }
    session->first_file = session->round == NULL ? 0 : session->last;
}

static enum ks_err rewrite(struct ks_rounds *rounds)
{
    enum ks_err err = KS_OK;
    struct ks_round_record record = {.kind = KS_ROUND_RECORD_OPERATOR};
    struct ks_buf bytes;

    ks_buf_init(&bytes, (size_t)KS_ROUNDS_RECORDS_MAX * KS_ROUND_RECORD_LEN);
    for (size_t i = 0; i < rounds->operator_count || i == 0; i++) {
        ks_copy(record.hash[0], rounds->operators[i].key, sizeof record.hash[0]);
        record.at_us = rounds->operators[i].created_us;
        ks_round_record_put(&record, &bytes);
    }
    for (size_t i = 0; i < rounds->session_count; i++) {
        put_session(rounds->sessions[i], &bytes);
    }
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(ks_chain_rewrite(rounds->chain, ks_buf_view(&bytes)));
    for (size_t i = 0; i < rounds->session_count; i++) {
        forget_files(rounds, rounds->sessions[i]);
    }
out:
    ks_buf_done(&bytes);
    return err;
}

/* How many records a rewriting would have. */
static size_t live(const struct ks_rounds *rounds)
{
    size_t count = rounds->operator_count;

    for (size_t i = 0; i < rounds->session_count; i++) {
        const struct ks_rounds_session *session = rounds->sessions[i];

        count += 2 + session->kept_count + session->known_count +
                 session->log.len / KS_ROUND_RECORD_LEN;
    }
    return count;
}

enum ks_err ks_rounds_room(const struct ks_rounds *rounds)
{
    return live(rounds) + SLACK + RESERVE < KS_ROUNDS_RECORDS_MAX
               ? KS_OK
               : ks_fail(KS_ERR_UNAVAILABLE, "the chain of rounds is full until a round ends; "
                                             "again later");
}

enum ks_err ks_rounds_apply(struct ks_rounds *rounds, const struct ks_round_record *record)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_ROUND_RECORD_LEN);
    KS_CHECK(!rounds->broken, KS_ERR_IO,
             "rounds: an earlier change was lost; restart the site");
    ks_round_record_put(record, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    if (ks_chain_position(rounds->chain)->records >= live(rounds) + SLACK) {
        KS_TRY(rewrite(rounds));
    }
    KS_TRY(ks_chain_append(rounds->chain, ks_buf_view(&bytes)));
    err = ks_rounds_take(rounds, record);
    rounds->broken = err != KS_OK;
    KS_TRY(err == KS_OK ? KS_OK : ks_fail(KS_ERR_IO, "rounds: %s", ks_err_detail()));
out:
    ks_buf_done(&bytes);
    return err;
}

/* What was staged when the last launch ended was in no checkpoint that counts. */
static enum ks_err forget_staged(struct ks_rounds *rounds)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < rounds->session_count; i++) {
        struct ks_rounds_session *session = rounds->sessions[i];
        const struct ks_round_record record =
            ks_rounds_record_of(KS_ROUND_RECORD_DROPPED, session);

        if (session->staged > 0) {
            KS_TRY(ks_rounds_take(rounds, &record));
        }
    }
out:
    return err;
}

enum ks_err ks_rounds_open(const struct ks_fs *fs, struct ks_bytes master,
                           const struct ks_chain_position *reached,
                           struct ks_rounds **out_rounds)
{
    enum ks_err err = KS_OK;
    struct ks_rounds *rounds = ks_calloc(1, sizeof *rounds);
    struct ks_chain_spec spec = {.fs = fs,
                                 .name = KS_ROUNDS_FILE,
                                 .record_len = KS_ROUND_RECORD_LEN,
                                 .records_max = KS_ROUNDS_RECORDS_MAX};

    KS_CHECK(rounds != NULL, KS_ERR_NOMEM, "rounds");
    rounds->fs = fs;
    KS_TRY(ks_hkdf_sha256(master, (struct ks_bytes){0}, KS_LITERAL("ketseal/rounds/1"),
                          spec.key, sizeof spec.key));
    KS_TRY(ks_hkdf_sha256(master, (struct ks_bytes){0}, KS_LITERAL("ketseal/fl-keys/1"),
                          rounds->root, sizeof rounds->root));
    KS_TRY(ks_chain_open(&spec, reached, visit_record, rounds, &rounds->chain));
    KS_TRY(forget_staged(rounds));
    KS_TRY(rewrite(rounds));
    *out_rounds = rounds;
    rounds = NULL; /* transferred */
out:
    ks_wipe(&spec, sizeof spec);
    ks_rounds_close(rounds);
    return err;
}

void ks_rounds_close(struct ks_rounds *rounds)
{
    if (rounds == NULL) {
        return;
    }
    ks_chain_close(rounds->chain);
    for (size_t i = 0; i < rounds->session_count; i++) {
        ks_rounds_session_free(rounds->sessions[i]);
    }
    ks_wipe(rounds, sizeof *rounds);
    ks_free(rounds);
}

enum ks_err ks_rounds_secret(const struct ks_rounds *rounds, const char *label,
                             const uint8_t session[KS_SESSION_LEN], uint64_t number,
                             uint8_t *out_secret, size_t len)
{
    uint8_t salt[KS_SESSION_LEN + 8];
    struct ks_buf buf = {.data = salt, .cap = sizeof salt, .max = sizeof salt};

    ks_buf_put(&buf, ks_bytes_of(session, KS_SESSION_LEN));
    ks_buf_put_u64(&buf, number);
    return ks_hkdf_sha256(KS_BYTES(rounds->root), KS_BYTES(salt), ks_bytes_text(label),
                          out_secret, len);
}

const struct ks_chain_position *ks_rounds_reached(const struct ks_rounds *rounds)
{
    return ks_chain_position(rounds->chain);
}

/* --- orders --------------------------------------------------------------------------------
 */

static enum ks_err create(struct ks_rounds *rounds, const struct ks_rounds_order *order,
                          const struct ks_fl_order *said)
{
    enum ks_err err = KS_OK;
    struct ks_round_record record = {.kind = KS_ROUND_RECORD_SESSION,
                                     .at_us = said->created_us};
    struct ks_buf file;

    ks_buf_init(&file, KS_ROUNDS_ORDER_FILE_MAX);
    KS_CHECK(rounds->session_count < KS_ROUNDS_SESSIONS_MAX, KS_ERR_LIMIT,
             "this site has had %d sessions of federated learning, and takes no more",
             KS_ROUNDS_SESSIONS_MAX);
    ks_copy(record.session, said->session, sizeof record.session);
    ks_copy(record.hash[0], order->key_hash, sizeof record.hash[0]);
    ks_buf_put_lp32(&file, order->certificate);
    ks_buf_put_lp32(&file, order->document);
    KS_TRY(ks_rounds_save_file(rounds, said->session, 0, &file, record.hash[1]));
    KS_TRY(ks_rounds_apply(rounds, &record));
out:
    ks_buf_done(&file);
    return err;
}

/* Whether an order to SESSION can be carried out now. */
static enum ks_err check_verb(const struct ks_rounds_session *session, enum ks_fl_verb verb,
                              uint64_t now_us)
{
    enum ks_err err = KS_OK;
    struct ks_fl_event event = {.kind = verb == KS_FL_VERB_PAUSE ? KS_FL_EVENT_PAUSE
                                                                 : KS_FL_EVENT_RESUME,
                                .now_us = now_us};
    enum ks_fl_answer answer = KS_FL_ANSWER_OK;

    if (verb == KS_FL_VERB_START) {
        KS_CHECK(session->state == KS_SESSION_CREATED, KS_ERR_CONFLICT,
                 "the session is %s: it was started before",
                 ks_session_state_name(session->state));
    } else if (verb == KS_FL_VERB_STOP) {
        KS_CHECK(session->state == KS_SESSION_CREATED || session->state == KS_SESSION_RUNNING,
                 KS_ERR_CONFLICT, "the session is %s already",
                 ks_session_state_name(session->state));
    } else {
        KS_CHECK(session->round != NULL, KS_ERR_CONFLICT, "no round is open");
        KS_CHECK(session->staged == 0, KS_ERR_UNAVAILABLE,
                 "updates are being added; again in a moment");
        answer = ks_fl_round_check(session->round, &event);
        KS_CHECK(answer == KS_FL_ANSWER_OK, KS_ERR_CONFLICT, "%s", ks_fl_answer_words(answer));
    }
out:
    return err;
}

static enum ks_err change(struct ks_rounds *rounds, const struct ks_rounds_order *order,
                          const struct ks_fl_order *said)
{
    enum ks_err err = KS_OK;
    const struct ks_rounds_session *session = ks_rounds_find(rounds, said->session);
    struct ks_round_record record;

    KS_CHECK(session != NULL, KS_ERR_NOT_FOUND, "no such session of federated learning");
    KS_TRY(check_verb(session, said->verb, order->now_us));
    record = ks_rounds_record_of(KS_ROUND_RECORD_ORDER, session);
    record.code = (uint8_t)said->verb;
    record.at_us = order->now_us;
    record.other = said->created_us;
    ks_copy(record.hash[0], order->key_hash, sizeof record.hash[0]);
    KS_TRY(ks_rounds_apply(rounds, &record));
out:
    return err;
}

enum ks_err ks_rounds_order(struct ks_rounds *rounds, const struct ks_rounds_order *order,
                            struct ks_rounds_session **out_session, enum ks_fl_verb *out_verb)
{
    enum ks_err err = KS_OK;
    const struct ks_operator_seen *seen = ks_rounds_operator(rounds, order->key_hash);
    struct ks_fl_order said = {0};

    KS_TRY(ks_fl_order_read(order->document, order->key, &said));
    KS_CHECK(seen == NULL || said.created_us > seen->created_us, KS_ERR_DENIED,
             "an order of this operator was carried out that is as new as this one, or newer");
    KS_CHECK(seen != NULL || rounds->operator_count < KS_ROUNDS_OPERATORS_MAX, KS_ERR_LIMIT,
             "orders of more than %d operators", KS_ROUNDS_OPERATORS_MAX);
    if (said.verb == KS_FL_VERB_CREATE) {
        KS_CHECK(ks_rounds_find(rounds, said.session) == NULL, KS_ERR_CONFLICT,
                 "there is such a session already");
        KS_TRY(create(rounds, order, &said));
    } else {
        KS_TRY(change(rounds, order, &said));
    }
    *out_session = ks_rounds_find(rounds, said.session);
    *out_verb = said.verb;
out:
    ks_fl_order_done(&said);
    return err;
}

/* --- rounds --------------------------------------------------------------------------------
 */

enum ks_err ks_rounds_begin(struct ks_rounds *rounds, struct ks_rounds_session *session,
                            struct ks_fl_round *round, const struct ks_fl_candidate *candidates,
                            size_t count, struct ks_bytes descriptor, uint64_t now_us)
{
    enum ks_err err = KS_OK;
    struct ks_round_record record = ks_rounds_record_of(KS_ROUND_RECORD_ROUND, session);
    struct ks_buf file;

    ks_fl_round_free(round); /* it is made again from what is written, as after a restart */
    ks_buf_init(&file, KS_ROUNDS_ROUND_FILE_MAX);
    KS_CHECK(session->state == KS_SESSION_RUNNING && session->round == NULL, KS_ERR_CONFLICT,
             "the session is %s%s", ks_session_state_name(session->state),
             session->round != NULL ? ", and a round is open" : "");
    record.round = session->last + 1;
    record.at_us = now_us;
    ks_rounds_put_file(candidates, count, descriptor, &file);
    KS_TRY(ks_rounds_save_file(rounds, session->id, record.round, &file, record.hash[0]));
    KS_TRY(ks_rounds_apply(rounds, &record));
out:
    ks_buf_done(&file);
    return err;
}

/* While something is staged time stands still before the deadline. */
static uint64_t held(const struct ks_rounds_session *session, uint64_t now_us)
{
    return session->staged > 0 ? ks_rounds_in_time(session, now_us) : now_us;
}

enum ks_err ks_rounds_event(struct ks_rounds *rounds, struct ks_rounds_session *session,
                            const struct ks_fl_event *event, enum ks_fl_answer *out_answer)
{
    enum ks_err err = KS_OK;
    struct ks_fl_event held_event = *event;
    struct ks_fl_round_status status;
    struct ks_round_record record = ks_rounds_record_of(KS_ROUND_RECORD_EVENT, session);
    const struct ks_delivery *delivery = ks_rounds_find_delivery(session, event->client);

    KS_CHECK(session->round != NULL, KS_ERR_CONFLICT, "no round is open");
    KS_ASSERT(event->kind != KS_FL_EVENT_UPDATE && event->kind != KS_FL_EVENT_AGGREGATED);
    held_event.now_us = held(session, event->now_us);
    ks_fl_round_status(session->round, &status);
    *out_answer = event->kind == KS_FL_EVENT_LEAVE && delivery != NULL
                      ? KS_FL_ANSWER_LATE
                      : ks_fl_round_check(session->round, &held_event);
    if (*out_answer != KS_FL_ANSWER_OK ||
        (event->kind == KS_FL_EVENT_TICK &&
         (status.wake_us == 0 || held_event.now_us < status.wake_us))) {
        return KS_OK; /* nothing changes */
    }
    KS_TRY(event->kind == KS_FL_EVENT_JOIN ? ks_rounds_room(rounds) : KS_OK);
    record.code = (uint8_t)event->kind;
    record.at_us = held_event.now_us;
    record.samples = event->samples;
    ks_copy(record.device, event->client.data, event->client.len);
    ks_copy(record.hash[0], event->update, sizeof record.hash[0]);
    KS_TRY(ks_rounds_apply(rounds, &record));
out:
    return err;
}

enum ks_err ks_rounds_complete(struct ks_rounds *rounds, struct ks_rounds_session *session,
                               const uint8_t model[32], const uint8_t state[32],
                               uint64_t now_us)
{
    enum ks_err err = KS_OK;
    struct ks_fl_event event = {.kind = KS_FL_EVENT_AGGREGATED, .now_us = now_us};
    enum ks_fl_answer answer = KS_FL_ANSWER_NOT_NOW;
    struct ks_round_record record = ks_rounds_record_of(KS_ROUND_RECORD_EVENT, session);

    ks_copy(event.update, model, sizeof event.update);
    answer = session->round == NULL ? answer : ks_fl_round_check(session->round, &event);
    KS_CHECK(answer == KS_FL_ANSWER_OK, KS_ERR_INTERNAL, "the end of a round: %s",
             ks_fl_answer_words(answer));
    record.code = KS_FL_EVENT_AGGREGATED;
    record.at_us = now_us;
    ks_copy(record.hash[0], model, sizeof record.hash[0]);
    ks_copy(record.hash[1], state, sizeof record.hash[1]);
    KS_TRY(ks_rounds_apply(rounds, &record));
out:
    return err;
}

static bool is_same(const struct ks_delivery *a, const struct ks_delivery *b)
{
    return ks_bytes_equal(KS_BYTES(a->sealed), KS_BYTES(b->sealed)) && a->length == b->length &&
           a->samples == b->samples && a->encoding == b->encoding && a->loss == b->loss;
}

enum ks_fl_answer ks_rounds_check(const struct ks_rounds_session *session,
                                  const struct ks_delivery *offered)
{
    const struct ks_bytes device = ks_bytes_text(offered->device);
    const struct ks_delivery *delivery = ks_rounds_find_delivery(session, device);
    const struct ks_fl_event event = {.kind = KS_FL_EVENT_UPDATE,
                                      .now_us = held(session, offered->at_us),
                                      .client = device,
                                      .samples = offered->samples};

    if (delivery != NULL) {
        return is_same(delivery, offered) ? KS_FL_ANSWER_AGAIN : KS_FL_ANSWER_OTHER_UPDATE;
    }
    if (session->delivered + session->staged >= session->order.plan.wanted) {
        return KS_FL_ANSWER_LATE;
    }
    return ks_fl_round_check(session->round, &event);
}

enum ks_err ks_rounds_stage(struct ks_rounds *rounds, struct ks_rounds_session *session,
                            const struct ks_delivery *delivery)
{
    enum ks_err err = KS_OK;
    const struct ks_round_record record = ks_rounds_delivery_record(session, delivery);
    enum ks_fl_answer answer = KS_FL_ANSWER_LATE;

    if (session->round != NULL) {
        answer = ks_rounds_check(session, delivery);
    }
    KS_CHECK(answer != KS_FL_ANSWER_PAUSED, KS_ERR_UNAVAILABLE, "%s",
             ks_fl_answer_words(answer));
    KS_CHECK(answer == KS_FL_ANSWER_OK, KS_ERR_CONFLICT, "%s", ks_fl_answer_words(answer));
    KS_TRY(ks_rounds_apply(rounds, &record));
out:
    return err;
}

enum ks_err ks_rounds_commit(struct ks_rounds *rounds, struct ks_rounds_session *session,
                             unsigned file, uint64_t len, const uint8_t hash[32],
                             uint64_t now_us)
{
    struct ks_round_record record = ks_rounds_record_of(KS_ROUND_RECORD_CHECKPOINT, session);

    KS_ASSERT(file <= 2);
    if (session->round == NULL || session->staged == 0) {
        return ks_fail(KS_ERR_CONFLICT, "nothing is staged: the round has ended");
    }
    record.code = (uint8_t)file;
    record.at_us = now_us;
    record.other = len;
    ks_copy(record.hash[0], hash, sizeof record.hash[0]);
    return ks_rounds_apply(rounds, &record);
}

enum ks_err ks_rounds_drop(struct ks_rounds *rounds, struct ks_rounds_session *session)
{
    const struct ks_round_record record = ks_rounds_record_of(KS_ROUND_RECORD_DROPPED, session);

    return session->staged == 0 ? KS_OK : ks_rounds_apply(rounds, &record);
}

enum ks_err ks_rounds_again(struct ks_rounds *rounds, struct ks_rounds_session *session,
                            struct ks_bytes device, const uint8_t record_hash[32],
                            const char *job)
{
    struct ks_round_record record = ks_rounds_record_of(KS_ROUND_RECORD_AGAIN, session);

    KS_ASSERT(ks_rounds_find_delivery(session, device) != NULL);
    ks_copy(record.device, device.data, device.len);
    ks_copy(record.hash[1], record_hash, sizeof record.hash[1]);
    ks_uuid_bytes(job, record.hash[3]);
    return ks_rounds_apply(rounds, &record);
}

void ks_rounds_answered(struct ks_rounds_session *session, uint64_t number)
{
    for (size_t i = 0; i < session->kept_count; i++) {
        session->kept[i].answered |= session->kept[i].number == number;
    }
}

enum ks_err ks_rounds_recorded(struct ks_rounds *rounds, struct ks_rounds_session *session,
                               uint64_t number)
{
    struct ks_round_record record = ks_rounds_record_of(KS_ROUND_RECORD_RECORDED, session);

    record.round = number;
    return ks_rounds_apply(rounds, &record);
}
