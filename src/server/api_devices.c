/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Devices and their operators, and the certification of the site itself. All of it is decided
 * in the enclave; here it is handed over, and what was decided is put into the ledger before it
 * is answered. A refusal is an event of the log: who looks for attackers finds them there. */

#include "base/log.h"
#include "record/enrol.h"
#include "server/api.h"

#define DOCUMENT_MAX (1024 * 1024)

/* --- asking the enclave ------------------------------------------------------------------- */

/* Sends what PAYLOAD holds, or its error. */
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

static void log_refusal(const struct ks_task *task, enum ks_err err)
{
    struct ks_log_line line;
    const struct ks_cert *peer = ks_http_request_peer(task->request);

    ks_log_begin(&line, KS_LOG_WARN, "device.refused");
    ks_log_text(&line, "peer", peer == NULL ? "" : ks_cert_subject(peer));
    ks_log_bytes(&line, "path", ks_http_request_head(task->request)->path);
    ks_log_text(&line, "error", ks_err_name(err));
    ks_log_text(&line, "reason", ks_err_detail());
    ks_log_end(&line);
}

static void fail(struct ks_site_server *server, struct ks_task *task, enum ks_err err)
{
    if (err == KS_ERR_DENIED || err == KS_ERR_VERIFY || err == KS_ERR_CONFLICT) {
        log_refusal(task, err);
    }
    ks_task_fail(server, task, err);
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
        fail(server, task, err);
    }
}

/* lp32 document, lp16 entry: the answer, once the entry is in the ledger. */
static void step_entry(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                       struct ks_reader *answer)
{
    struct ks_bytes document = {0};
    struct ks_bytes entry = {0};

    KS_TRY(err);
    KS_TRY(ks_read_lp32(answer, DOCUMENT_MAX, &document));
    KS_TRY(ks_read_lp16(answer, KS_ENTRY_BYTES_MAX, &entry));
    KS_TRY(ks_read_end(answer));
    ks_buf_put(&task->record, document);
    ks_buf_put(&task->entry, entry);
    KS_TRY(ks_buf_check(&task->record));
    KS_TRY(ks_buf_check(&task->entry));
    if (entry.len > 0) {
        task->state = KS_TASK_ENTRY;
    } else {
        ks_task_answer_entry(server, task);
    }
out:
    if (err != KS_OK) {
        fail(server, task, err);
    }
}

/* --- enrolment ---------------------------------------------------------------------------- */

/* 32 channel, lp32 body */
static void ask_unknown(struct ks_site_server *server, struct ks_http_request *request,
                        uint16_t type, ks_task_step step)
{
    struct ks_buf payload;

    ks_buf_init(&payload, KS_FINISH_BYTES_MAX + 64);
    ks_buf_put(&payload, ks_http_request_exporter(request));
    ks_buf_put_lp32(&payload, ks_http_request_body(request));
    ask(server, request, type, &payload, step);
    ks_buf_done(&payload);
}

void ks_api_enrol(struct ks_site_server *server, struct ks_http_request *request,
                  struct ks_bytes segment)
{
    (void)segment;
    ask_unknown(server, request, KS_FRAME_ENROL, step_document);
}

void ks_api_enrol_finish(struct ks_site_server *server, struct ks_http_request *request,
                         struct ks_bytes segment)
{
    (void)segment;
    ask_unknown(server, request, KS_FRAME_ENROL_FINISH, step_entry);
}

/* --- known peers -------------------------------------------------------------------------- */

/* lp32 certificate, 32 channel, lp32 body */
static void ask_known(struct ks_site_server *server, struct ks_http_request *request,
                      uint16_t type, ks_task_step step)
{
    struct ks_buf payload;

    ks_buf_init(&payload, KS_FINISH_BYTES_MAX + 65536);
    ks_buf_put_lp32(&payload, ks_cert_der(ks_http_request_peer(request)));
    ks_buf_put(&payload, ks_http_request_exporter(request));
    ks_buf_put_lp32(&payload, ks_http_request_body(request));
    ask(server, request, type, &payload, step);
    ks_buf_done(&payload);
}

/* 32 nonce, u32 PCRs */
static void step_challenge(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                           struct ks_reader *answer)
{
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);
    uint8_t nonce[KS_NONCE_LEN];
    uint32_t mask = 0;

    ks_buf_init(&body, 1024);
    KS_TRY(err);
    KS_TRY(ks_read_copy(answer, nonce, sizeof nonce));
    KS_TRY(ks_read_u32(answer, &mask));
    KS_TRY(ks_read_end(answer));
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "nonce", KS_BYTES(nonce));
    ks_json_member_u64(&writer, "pcr_mask", mask);
    ks_json_member_text(&writer, "schema", "ketseal.device-challenge/1");
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(&body));
    ks_reply_json(task->request, 200, ks_buf_view(&body));
    task->request = NULL;
    ks_task_free(server, task);
out:
    ks_buf_done(&body);
    if (err != KS_OK) {
        fail(server, task, err);
    }
}

void ks_api_device_challenge(struct ks_site_server *server, struct ks_http_request *request,
                             struct ks_bytes segment)
{
    (void)segment;
    ask_known(server, request, KS_FRAME_DEVICE_CHALLENGE, step_challenge);
}

void ks_api_device_evidence(struct ks_site_server *server, struct ks_http_request *request,
                            struct ks_bytes segment)
{
    (void)segment;
    ask_known(server, request, KS_FRAME_DEVICE_EVIDENCE, step_entry);
}

void ks_api_device_rotate(struct ks_site_server *server, struct ks_http_request *request,
                          struct ks_bytes segment)
{
    (void)segment;
    ask_known(server, request, KS_FRAME_ROTATE, step_entry);
}

void ks_api_order(struct ks_site_server *server, struct ks_http_request *request,
                  struct ks_bytes segment)
{
    (void)segment;
    ask_known(server, request, KS_FRAME_ORDER, step_entry);
}

/* lp32 certificate, lp16 id, lp16 after */
static void ask_devices(struct ks_site_server *server, struct ks_http_request *request,
                        struct ks_bytes device, struct ks_bytes after)
{
    struct ks_buf payload;

    ks_buf_init(&payload, 65536);
    ks_buf_put_lp32(&payload, ks_cert_der(ks_http_request_peer(request)));
    ks_buf_put_lp16(&payload, device);
    ks_buf_put_lp16(&payload, after);
    ask(server, request, KS_FRAME_DEVICES, &payload, step_document);
    ks_buf_done(&payload);
}

void ks_api_device_list(struct ks_site_server *server, struct ks_http_request *request,
                        struct ks_bytes segment)
{
    (void)segment;
    ask_devices(server, request, (struct ks_bytes){0}, ks_api_query(request, "after"));
}

void ks_api_device_show(struct ks_site_server *server, struct ks_http_request *request,
                        struct ks_bytes segment)
{
    if (ks_text_is_name(segment, KS_CERT_SUBJECT_MAX)) {
        ask_devices(server, request, segment, (struct ks_bytes){0});
    } else {
        ks_http_reply_error(request, KS_ERR_FORMAT, "not a device id");
    }
}

/* --- certification of the site ------------------------------------------------------------ */

/* GET /v1/site/request?nonce=64 hex digits&ek=rsa|ecc */
void ks_api_site_request(struct ks_site_server *server, struct ks_http_request *request,
                         struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_bytes kind = ks_api_query(request, "ek");
    struct ks_buf payload;
    uint8_t nonce[KS_NONCE_LEN];

    (void)segment;
    ks_buf_init(&payload, 128);
    KS_TRY(ks_fail_prefix(ks_hex_decode(ks_api_query(request, "nonce"), nonce, sizeof nonce),
                          "query 'nonce'"));
    KS_CHECK(ks_bytes_is(kind, "rsa") || ks_bytes_is(kind, "ecc"), KS_ERR_FORMAT,
             "query 'ek': expected rsa or ecc");
    ks_buf_put(&payload, KS_BYTES(nonce));
    ks_buf_put(&payload, ks_http_request_exporter(request));
    ks_buf_put_u8(&payload, ks_bytes_is(kind, "rsa") ? 0 : 1);
    ask(server, request, KS_FRAME_SITE_REQUEST, &payload, step_document);
out:
    ks_buf_done(&payload);
    if (err != KS_OK) {
        ks_reply_failure(request, err);
    }
}

static void step_activated(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                           struct ks_reader *answer)
{
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);
    uint8_t proof[32];

    ks_buf_init(&body, 1024);
    KS_TRY(err);
    KS_TRY(ks_read_copy(answer, proof, sizeof proof));
    KS_TRY(ks_read_end(answer));
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "proof", KS_BYTES(proof));
    ks_json_member_text(&writer, "schema", "ketseal.site-proof/1");
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(&body));
    ks_reply_json(task->request, 200, ks_buf_view(&body));
    task->request = NULL;
    ks_task_free(server, task);
out:
    ks_buf_done(&body);
    if (err != KS_OK) {
        fail(server, task, err);
    }
}

void ks_api_site_activate(struct ks_site_server *server, struct ks_http_request *request,
                          struct ks_bytes segment)
{
    enum ks_err err = KS_OK;
    struct ks_challenge challenge = {0};
    struct ks_buf payload;

    (void)segment;
    ks_buf_init(&payload, 2048);
    KS_TRY(ks_challenge_read(ks_http_request_body(request), &challenge));
    ks_buf_put_lp16(&payload, ks_buf_view(&challenge.id_object));
    ks_buf_put_lp16(&payload, ks_buf_view(&challenge.encrypted_secret));
    ask(server, request, KS_FRAME_SITE_ACTIVATE, &payload, step_activated);
out:
    ks_challenge_done(&challenge);
    ks_buf_done(&payload);
    if (err != KS_OK) {
        ks_reply_failure(request, err);
    }
}

/* The certified document is in use: devices of its issuer may connect from now on. */
static void step_certified(struct ks_site_server *server, struct ks_task *task, enum ks_err err,
                           struct ks_reader *answer)
{
    struct ks_bytes document = {0};

    KS_TRY(err);
    KS_TRY(ks_read_lp32(answer, KS_SITE_BYTES_MAX, &document));
    KS_TRY(ks_read_end(answer));
    KS_TRY(ks_site_server_take_document(server, document));
    ks_reply_json(task->request, 200, document);
    task->request = NULL;
    ks_task_free(server, task);
out:
    if (err != KS_OK) {
        fail(server, task, err);
    }
}

void ks_api_site_certify(struct ks_site_server *server, struct ks_http_request *request,
                         struct ks_bytes segment)
{
    struct ks_buf payload;

    (void)segment;
    ks_buf_init(&payload, KS_SITE_BYTES_MAX + 64);
    ks_buf_put_lp32(&payload, ks_http_request_body(request));
    ask(server, request, KS_FRAME_SITE_CERTIFY, &payload, step_certified);
    ks_buf_done(&payload);
}
