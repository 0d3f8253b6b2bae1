/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Federated learning: what operators and devices say goes to the enclave, which decides; files
 * are kept here (fl_files.h). And the records of rounds, for which nobody here asks: the
 * enclave offers them. */

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/sys.h"
#include "base/text.h"
#include "record/fl_updates.h"
#include "server/api.h"

#define DOCUMENT_MAX  KS_FL_DOCUMENT_MAX
#define OFFER_US      UINT64_C(250000) /* between two questions for rounds that want a record */
#define RETRY_AFTER_S "2"
#define ATTEMPTS_MAX  1000 /* at the record of one round */

/* --- asking the enclave ------------------------------------------------------------------- */

static bool is_here(struct ks_site_server *server, struct ks_http_request *request)
{
    if (server->fl_files == NULL) {
        ks_http_reply_error(request, KS_ERR_UNAVAILABLE,
                            "this site runs no federated learning");
    }
    return server->fl_files != NULL;
}

static void ask(struct ks_site_server *server, struct ks_http_request *request, uint16_t type,
                const struct ks_buf *payload, ks_task_step step)
{
    enum ks_err err = ks_buf_check(payload);
    struct ks_task *task = NULL;

    if (err != KS_OK) {
        ks_reply_failure(request, err);
        return;
    }
    task = ks_task_new(server, request);
    if (task != NULL) {
        ks_task_ask(server, task, type, ks_buf_view(payload), step);
    }
}

/* lp32 document: the answer. */
static void step_document(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                          struct ks_reader *answer)
{
    struct ks_bytes document = {0};

    KS_TRY(err);
    KS_TRY(ks_read_lp32(answer, DOCUMENT_MAX, &document));
    KS_TRY(ks_read_end(answer));
    ks_reply_json(task->request, 200, document);
    task->request = NULL;
    ks_task_free(server, task);
out:
    if (err != KS_OK) {
        ks_task_fail(server, task, err);
    }
}

/* lp32 certificate, 32 channel, lp32 body */
static void ask_known(struct ks_site_server *server, struct ks_http_request *request,
                      uint16_t type)
{
    struct ks_buf payload;

    ks_buf_init(&payload, DOCUMENT_MAX + 65536);
    ks_buf_put_lp32(&payload, ks_cert_der(ks_http_request_peer(request)));
    ks_buf_put(&payload, ks_http_request_exporter(request));
    ks_buf_put_lp32(&payload, ks_http_request_body(request));
    ask(server, request, type, &payload, step_document);
    ks_buf_done(&payload);
}

void ks_api_fl_order(struct ks_site_server *server, struct ks_http_request *request,
                     struct ks_bytes segment)
{
    (void)segment;
    if (is_here(server, request)) {
        ask_known(server, request, KS_FRAME_FL_ORDER);
    }
}

void ks_api_fl_join(struct ks_site_server *server, struct ks_http_request *request,
                    struct ks_bytes segment)
{
    (void)segment;
    if (is_here(server, request)) {
        ask_known(server, request, KS_FRAME_FL_JOIN);
    }
}

/* --- what the enclave knows --------------------------------------------------------------- */

#define PAGE_DEFAULT 100

struct question {
    enum ks_fl_ask what;
    struct ks_bytes session; /* as in the path */
    uint64_t number;
    struct ks_bytes name;
    uint64_t limit;
};

static enum ks_err put_question(const struct question *question, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    uint8_t session[KS_SESSION_LEN] = {0};

    if (question->session.len > 0 &&
        ks_hex_decode(question->session, session, sizeof session) != KS_OK) {
        return ks_fail(KS_ERR_NOT_FOUND, "a session is 32 hexadecimal digits");
    }
    ks_buf_put_u8(out, (uint8_t)question->what);
    ks_buf_put(out, KS_BYTES(session));
    ks_buf_put_u64(out, question->number);
    ks_buf_put_lp16(out, question->name);
    ks_buf_put_u16(out, (uint16_t)question->limit);
    KS_TRY(ks_buf_check(out));
out:
    return err;
}

static void ask_status(struct ks_site_server *server, struct ks_http_request *request,
                       const struct question *question)
{
    enum ks_err err = KS_OK;
    struct ks_buf payload;

    if (!is_here(server, request)) {
        return;
    }
    ks_buf_init(&payload, 256);
    err = put_question(question, &payload);
    if (err == KS_OK) {
        ask(server, request, KS_FRAME_FL_STATUS, &payload, step_document);
    } else {
        ks_reply_failure(request, err);
    }
    ks_buf_done(&payload);
}

/* A page of SESSION, behind the number, or the name, in the query's 'after'. */
static void ask_page(struct ks_site_server *server, struct ks_http_request *request,
                     enum ks_fl_ask what, struct ks_bytes session)
{
    enum ks_err err = KS_OK;
    struct question question = {.what = what, .session = session};
    const struct ks_bytes after = ks_api_query(request, "after");

    KS_TRY(ks_api_query_u64(request, "limit", PAGE_DEFAULT, KS_FL_PAGE_MAX, &question.limit));
    KS_CHECK(question.limit >= 1, KS_ERR_FORMAT, "query 'limit': 1 to %d", KS_FL_PAGE_MAX);
    if (what != KS_FL_ASK_DEVICES) {
        KS_TRY(ks_api_query_u64(request, "after", 0, KS_JSON_INTEGER_MAX, &question.number));
    } else if (after.data != NULL) {
        KS_CHECK(ks_text_is_name(after, KS_STORE_DEVICE_MAX), KS_ERR_FORMAT,
                 "query 'after': no device is called so");
        question.name = after;
    }
    ask_status(server, request, &question);
out:
    if (err != KS_OK) {
        ks_reply_failure(request, err);
    }
}

void ks_api_fl_sessions(struct ks_site_server *server, struct ks_http_request *request,
                        struct ks_bytes segment)
{
    const struct question question = {.what = KS_FL_ASK_SESSIONS};

    (void)segment;
    ask_status(server, request, &question);
}

void ks_api_fl_metrics(struct ks_site_server *server, struct ks_http_request *request,
                       struct ks_bytes segment)
{
    const struct question question = {.what = KS_FL_ASK_METRICS};

    (void)segment;
    ask_status(server, request, &question);
}

void ks_api_fl_session(struct ks_site_server *server, struct ks_http_request *request,
                       struct ks_bytes segment)
{
    const struct question question = {.what = KS_FL_ASK_SESSION, .session = segment};

    ask_status(server, request, &question);
}

void ks_api_fl_descriptor(struct ks_site_server *server, struct ks_http_request *request,
                          struct ks_bytes segment)
{
    const struct question question = {.what = KS_FL_ASK_DESCRIPTOR, .session = segment};

    ask_status(server, request, &question);
}

/* SESSION/rounds/NUMBER */
void ks_api_fl_round_show(struct ks_site_server *server, struct ks_http_request *request,
                          struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct question question = {.what = KS_FL_ASK_ROUND};
    const uint8_t *slash = memchr(segment.data, '/', segment.len);
    size_t skipped = 0;

    KS_ASSERT(slash != NULL); /* by the route */
    question.session = ks_bytes_of(segment.data, (size_t)(slash - segment.data));
    skipped = question.session.len + strlen("/rounds/");
    KS_TRY(
        ks_fail_prefix(ks_text_u64(ks_bytes_of(segment.data + skipped, segment.len - skipped),
                                   KS_JSON_INTEGER_MAX, &question.number),
                       "round"));
    ask_status(server, request, &question);
out:
    if (err != KS_OK) {
        ks_reply_failure(request, err);
    }
}

void ks_api_fl_rounds(struct ks_site_server *server, struct ks_http_request *request,
                      struct ks_bytes segment)
{
    ask_page(server, request, KS_FL_ASK_ROUNDS, segment);
}

void ks_api_fl_models(struct ks_site_server *server, struct ks_http_request *request,
                      struct ks_bytes segment)
{
    ask_page(server, request, KS_FL_ASK_MODELS, segment);
}

void ks_api_fl_history(struct ks_site_server *server, struct ks_http_request *request,
                       struct ks_bytes segment)
{
    ask_page(server, request, KS_FL_ASK_HISTORY, segment);
}

void ks_api_fl_devices(struct ks_site_server *server, struct ks_http_request *request,
                       struct ks_bytes segment)
{
    ask_page(server, request, KS_FL_ASK_DEVICES, segment);
}

/* --- files -------------------------------------------------------------------------------- */

/* "HASH/PART", or "HASH" alone where PART may be left out: then *OUT_PART is UINT64_MAX. */
static enum ks_err read_place(struct ks_bytes segment, uint8_t out_hash[32], uint64_t *out_part)
{
    enum ks_err err = KS_OK;
    const size_t hex_len = 2 * 32;

    KS_CHECK(
        segment.len == hex_len || (segment.len > hex_len + 1 && segment.data[hex_len] == '/'),
        KS_ERR_NOT_FOUND, "a hash is 64 hexadecimal digits, and a part a number behind it");
    KS_TRY(ks_hex_decode(ks_bytes_of(segment.data, hex_len), out_hash, 32));
    *out_part = UINT64_MAX;
    if (segment.len > hex_len) {
        KS_TRY(ks_text_u64(ks_bytes_of(segment.data + hex_len + 1, segment.len - hex_len - 1),
                           UINT32_MAX, out_part));
    }
out:
    return err;
}

/* 503 that says when to come back. */
static void reply_busy(struct ks_http_request *request)
{
    const struct ks_http_field field = {.name = KS_LITERAL("Retry-After"),
                                        .value = KS_LITERAL(RETRY_AFTER_S)};
    struct ks_http_response response = {
        .status = 503, .content_type = "application/json", .fields = &field, .field_count = 1};
    struct ks_buf body;

    ks_buf_init(&body, 8192);
    ks_http_error_put(KS_ERR_UNAVAILABLE, ks_err_detail(), &body);
    response.body = ks_buf_view(&body);
    ks_http_reply(request, &response);
    ks_buf_done(&body);
}

/* What REQUEST, a part of an upload, brings. */
static enum ks_err read_upload(struct ks_http_request *request, struct ks_fl_upload *out_upload)
{
    enum ks_err err = KS_OK;
    const struct ks_bytes path = ks_http_request_head(request)->path;
    const size_t skipped = strlen("/v1/fl/uploads/"); /* by the route */
    struct ks_fl_upload upload = {.who = ks_http_request_peer_name(request),
                                  .bytes = ks_http_request_body(request)};

    KS_TRY(read_place(ks_bytes_of(path.data + skipped, path.len - skipped), upload.hash,
                      &upload.part));
    KS_TRY(ks_api_query_u64(request, "length", 0, KS_JSON_INTEGER_MAX, &upload.length));
    KS_CHECK(upload.length >= 1, KS_ERR_FORMAT,
             "query 'length': the bytes of the whole, at least 1");
    *out_upload = upload;
out:
    return err;
}

static void put_part(struct ks_site_server *server, struct ks_http_request *request,
                     const struct ks_fl_upload *upload)
{
    bool complete = false;
    const enum ks_err err = ks_fl_files_put(server->fl_files, upload, &complete);

    if (err == KS_ERR_UNAVAILABLE) {
        reply_busy(request);
    } else if (err != KS_OK) {
        ks_reply_failure(request, err);
    } else {
        ks_reply_json(request, complete ? 201 : 200,
                      complete ? KS_LITERAL("{\"complete\":true}")
                               : KS_LITERAL("{\"complete\":false}"));
    }
}

/* The device may work: its upload begins, unless it has meanwhile. */
static void step_upload(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                        struct ks_reader *answer)
{
    struct ks_fl_upload upload;

    KS_TRY(err);
    KS_TRY(ks_read_end(answer));
    KS_TRY(read_upload(task->request, &upload));
    put_part(server, task->request, &upload);
    task->request = NULL;
    ks_task_free(server, task);
out:
    if (err != KS_OK) {
        ks_task_fail(server, task, err);
    }
}

/* lp32 certificate */
static void ask_upload(struct ks_site_server *server, struct ks_http_request *request)
{
    struct ks_buf payload;

    ks_buf_init(&payload, 65536);
    ks_buf_put_lp32(&payload, ks_cert_der(ks_http_request_peer(request)));
    ask(server, request, KS_FRAME_FL_UPLOAD, &payload, step_upload);
    ks_buf_done(&payload);
}

/* PUT /v1/fl/uploads/HASH/PART?length=N. Operators are not in the enclave's registry. */
void ks_api_fl_upload(struct ks_site_server *server, struct ks_http_request *request,
                      struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_fl_upload upload;

    (void)segment;
    if (!is_here(server, request)) {
        return;
    }
    err = read_upload(request, &upload);
    if (err != KS_OK) {
        ks_reply_failure(request, err);
    } else if (ks_cert_role(ks_http_request_peer(request)) != KS_CERT_OPERATOR &&
               ks_fl_files_begins(server->fl_files, &upload)) {
        ask_upload(server, request);
    } else {
        put_part(server, request, &upload);
    }
}

/* GET /v1/fl/uploads/HASH */
void ks_api_fl_upload_state(struct ks_site_server *server, struct ks_http_request *request,
                            struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    uint8_t hash[32];
    uint64_t part = 0;

    if (!is_here(server, request)) {
        return;
    }
    ks_buf_init(&body, 65536);
    KS_TRY(read_place(segment, hash, &part));
    KS_TRY(
        ks_fl_files_parts(server->fl_files, ks_http_request_peer_name(request), hash, &body));
out:
    ks_reply_buffer(request, err, &body);
    ks_buf_done(&body);
}

/* {"length":…,"model":…,"parts":…,"schema":…} */
static enum ks_err put_model(const struct ks_site_server *server, const uint8_t hash[32],
                             struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_json_writer writer = ks_json_writer_of(out);
    uint64_t length = 0;

    KS_TRY(ks_fl_files_model(server->fl_files, hash, &length));
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "length", length);
    ks_json_member_hex(&writer, "model", ks_bytes_of(hash, 32));
    ks_json_member_u64(&writer, "parts", (length + KS_FL_PART_LEN - 1) / KS_FL_PART_LEN);
    ks_json_member_text(&writer, "schema", "ketseal.fl-model/1");
    ks_json_put_end(&writer);
out:
    return err;
}

/* POST /v1/fl/models/HASH: what the operator has uploaded is a model. */
void ks_api_fl_model_publish(struct ks_site_server *server, struct ks_http_request *request,
                             struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    uint8_t hash[32];
    uint64_t part = 0;

    if (!is_here(server, request)) {
        return;
    }
    ks_buf_init(&body, 1024);
    KS_TRY(read_place(segment, hash, &part));
    KS_TRY(ks_fl_files_publish(server->fl_files, ks_http_request_peer_name(request), hash));
    KS_TRY(put_model(server, hash, &body));
out:
    ks_reply_buffer(request, err, &body);
    ks_buf_done(&body);
}

/* GET /v1/fl/models/HASH, GET /v1/fl/models/HASH/PART */
void ks_api_fl_model(struct ks_site_server *server, struct ks_http_request *request,
                     struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_http_response response = {.status = 200,
                                        .content_type = "application/octet-stream"};
    struct ks_buf body;
    uint8_t hash[32];
    uint64_t part = 0;

    if (!is_here(server, request)) {
        return;
    }
    ks_buf_init(&body, KS_FL_PART_LEN);
    KS_TRY(read_place(segment, hash, &part));
    if (part == UINT64_MAX) {
        KS_TRY(put_model(server, hash, &body));
    } else {
        KS_TRY(ks_fl_files_model_part(server->fl_files, hash, part, &body));
    }
out:
    if (err == KS_OK && part != UINT64_MAX) {
        response.body = ks_buf_view(&body);
        ks_http_reply(request, &response);
    } else {
        ks_reply_buffer(request, err, &body);
    }
    ks_buf_done(&body);
}

/* --- what there is of a round ------------------------------------------------------------- */

/* "SESSION/rounds/ROUND" */
static enum ks_err read_round(struct ks_bytes segment, uint8_t out_session[KS_SESSION_LEN],
                              uint64_t *out_round)
{
    enum ks_err err = KS_OK;
    const size_t id_len = (size_t)2 * KS_SESSION_LEN;
    const size_t begin = id_len + strlen("/rounds/");

    KS_CHECK(segment.len > begin && segment.data[id_len] == '/' &&
                 ks_hex_decode(ks_bytes_of(segment.data, id_len), out_session,
                               KS_SESSION_LEN) == KS_OK,
             KS_ERR_NOT_FOUND, "a session is 32 hexadecimal digits");
    err = ks_text_u64(ks_bytes_of(segment.data + begin, segment.len - begin), KS_FL_ROUNDS_MAX,
                      out_round);
    KS_TRY(err == KS_OK ? KS_OK : ks_fail(KS_ERR_NOT_FOUND, "a round is a number"));
out:
    return err;
}

/* What one of the files' functions says of a round. */
typedef enum ks_err (*round_reader)(const struct ks_fl_files *files, const uint8_t session[16],
                                    uint64_t round, struct ks_buf *out);

static void answer_round(struct ks_site_server *server, struct ks_http_request *request,
                         struct ks_bytes segment, round_reader read)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    uint8_t session[KS_SESSION_LEN];
    uint64_t round = 0;

    if (!is_here(server, request)) {
        return;
    }
    ks_buf_init(&body, KS_FL_UPDATES_BYTES_MAX);
    KS_TRY(read_round(segment, session, &round));
    KS_TRY(read(server->fl_files, session, round, &body));
out:
    ks_reply_buffer(request, err, &body);
    ks_buf_done(&body);
}

/* GET /v1/fl/sessions/SESSION/rounds/ROUND/updates */
void ks_api_fl_updates(struct ks_site_server *server, struct ks_http_request *request,
                       struct ks_bytes segment)
{
    answer_round(server, request, segment, ks_fl_files_list);
}

/* GET /v1/fl/sessions/SESSION/rounds/ROUND/kept */
void ks_api_fl_kept(struct ks_site_server *server, struct ks_http_request *request,
                    struct ks_bytes segment)
{
    answer_round(server, request, segment, ks_fl_files_kept);
}

/* --- records of rounds -------------------------------------------------------------------- */

/* The round that a task, or an offer, is about. */
static enum ks_err ask_round(struct ks_site_server *server, uint16_t type,
                             const uint8_t session[KS_SESSION_LEN], uint64_t round,
                             ks_task_step step)
{
    uint8_t bytes[KS_SESSION_LEN + 8];
    struct ks_buf payload = {.data = bytes, .cap = sizeof bytes, .max = sizeof bytes};
    struct ks_task *task = ks_task_new(server, NULL);

    if (task == NULL) {
        return ks_fail(KS_ERR_UNAVAILABLE, "too many requests are waiting");
    }
    task->round = round;
    ks_copy(task->session, session, sizeof task->session);
    ks_buf_put(&payload, ks_bytes_of(session, KS_SESSION_LEN));
    ks_buf_put_u64(&payload, round);
    ks_task_ask(server, task, type, ks_buf_view(&payload), step);
    return KS_OK;
}

static void step_recorded(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                          struct ks_reader *answer)
{
    (void)answer;
    if (err != KS_OK) { /* the round is offered again after the next start */
        ks_log_failure("fl.recorded", err);
    }
    ks_task_free(server, task);
}

/* u8 over, lp32 list: kept, and then the enclave may forget it. */
static void step_list(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                      struct ks_reader *answer)
{
    struct ks_bytes list = {0};
    uint8_t over = 0;

    KS_TRY(err);
    KS_TRY(ks_read_u8(answer, &over));
    KS_TRY(ks_read_lp32(answer, KS_FL_UPDATES_BYTES_MAX, &list));
    KS_TRY(ks_read_end(answer));
    KS_TRY(ks_fl_files_list_put(server->fl_files, task->session, task->round, over != 0, list));
    KS_TRY(ask_round(server, KS_FRAME_FL_RECORDED, task->session, task->round, step_recorded));
out:
    if (err != KS_OK) {
        ks_log_failure("fl.list", err);
    }
    ks_task_free(server, task);
}

static void take_list(struct ks_site_server *server, const uint8_t session[KS_SESSION_LEN],
                      uint64_t round)
{
    const enum ks_err err = ask_round(server, KS_FRAME_FL_LIST, session, round, step_list);

    if (err != KS_OK) {
        ks_log_failure("fl.list", err);
    }
}

void ks_site_fl_recorded(struct ks_site_server *server, const struct ks_task *ended)
{
    take_list(server, ended->session, ended->round);
}

/* The store knows the attempts at the record of a round by "ROUND.1", "ROUND.2", …, of which a
 * crash can have ended all but the last. JOB becomes the one that is done, or the next one. */
static enum ks_err find_attempt(struct ks_site_server *server, uint64_t round,
                                struct ks_store_job *job, bool *out_done)
{
    enum ks_err err = KS_OK;
    struct ks_store_job before = {.state = KS_JOB_FAILED};

    for (unsigned attempt = 1; err == KS_OK && before.state != KS_JOB_DONE; attempt++) {
        KS_CHECK(attempt < ATTEMPTS_MAX, KS_ERR_LIMIT, "round %llu: %d records failed",
                 (unsigned long long)round, ATTEMPTS_MAX);
        (void)snprintf(job->idempotency, sizeof job->idempotency, "%llu.%u",
                       (unsigned long long)round, attempt);
        err =
            ks_store_job_by_idempotency(server->reader, job->device, job->idempotency, &before);
    }
    *out_done = err == KS_OK;
    err = err == KS_ERR_NOT_FOUND ? KS_OK : err;
out:
    return err;
}

/* A job of a round's record, as the enclave offers it: its intent goes to the next commit. If
 * the record is there, since a crash came before the enclave was told, it is told so now. */
static enum ks_err take_offer(struct ks_site_server *server, struct ks_reader *answer)
{
    enum ks_err err = KS_OK;
    struct ks_bytes id = {0};
    struct ks_bytes operator_name = {0};
    struct ks_bytes entry = {0};
    struct ks_task *task = NULL;
    struct ks_store_job job = {.id = ""};
    uint8_t session[KS_SESSION_LEN];
    char hex[2 * KS_SESSION_LEN + 1];
    uint64_t round = 0;
    bool done = false;

    KS_TRY(ks_read_bytes(answer, KS_UUID_TEXT_LEN, &id));
    KS_TRY(ks_read_copy(answer, session, sizeof session));
    KS_TRY(ks_read_u64(answer, &round));
    KS_TRY(ks_read_lp16(answer, KS_STORE_DEVICE_MAX, &operator_name));
    KS_TRY(ks_read_lp16(answer, KS_ENTRY_BYTES_MAX, &entry));
    ks_hex_encode(KS_BYTES(session), hex);
    (void)snprintf(job.device, sizeof job.device, "%s%s", KS_FL_OWNER, hex);
    KS_TRY(find_attempt(server, round, &job, &done));
    if (done) {
        take_list(server, session, round);
        return KS_OK;
    }
    task = ks_task_new(server, NULL);
    KS_CHECK(task != NULL, KS_ERR_UNAVAILABLE, "too many requests are waiting");
    task->round = round;
    ks_copy(task->session, session, sizeof task->session);
    ks_copy(job.id, id.data, id.len);
    task->job = job;
    ks_buf_put(&task->intent, entry);
    KS_TRY(ks_buf_check(&task->intent));
    ks_task_admitted(server, task);
out:
    return err;
}

static void step_offers(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                        struct ks_reader *answer)
{
    uint16_t count = 0;

    KS_TRY(err);
    KS_TRY(ks_read_u16(answer, &count));
    for (uint16_t i = 0; i < count; i++) {
        KS_TRY(take_offer(server, answer));
    }
    KS_TRY(ks_site_fl_alerts(server, answer));
    KS_TRY(ks_read_end(answer));
out:
    if (err != KS_OK) { /* what was offered and lost is offered after the next start */
        ks_log_failure("fl.offers", err);
    }
    server->fl_asked = false;
    ks_task_free(server, task);
}

void ks_site_fl_turn(struct ks_site_server *server)
{
    const uint64_t now_us = ks_clock_monotonic_us();
    struct ks_task *task = NULL;
    enum ks_err err = KS_OK;

    if (server->fl_files == NULL || server->fl_asked || now_us < server->fl_due_us) {
        return;
    }
    server->fl_due_us = now_us + OFFER_US;
    err = ks_fl_files_turn(server->fl_files);
    if (err != KS_OK) { /* what is over its time stays, until it can go */
        ks_log_failure("fl.sweep", err);
    }
    task = ks_task_new(server, NULL);
    if (task != NULL) {
        server->fl_asked = true;
        ks_task_ask(server, task, KS_FRAME_FL_OFFER, (struct ks_bytes){0}, step_offers);
    }
}

int ks_site_fl_wait_ms(const struct ks_site_server *server, int ms)
{
    const int tick_ms = (int)(OFFER_US / 1000);

    return server->fl_files != NULL && (ms < 0 || ms > tick_ms) ? tick_ms : ms;
}
