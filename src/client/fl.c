/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "client/fl.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "base/sys.h"
#include "client/inside.h"
#include "client/tracer.h"
#include "crypto/digest.h"
#include "crypto/kem.h"
#include "fl/seal.h"

#define PART_LEN      ((size_t)1024 * 1024) /* docs/formats/fl-files.md */
#define RETRY_S       2                     /* where the site does not say when */
#define RETRY_MAX_S   60                    /* whatever it says */
#define RETRIES_MAX   60
#define AGAIN_MAX     3 /* times that what is missing behind the last part is sent */
#define TARGET_MAX    160
#define ANSWER_MAX    65536
#define MODEL_LEN_MAX ((uint64_t)1 << 31)

static const struct ks_json_limits answer_limits = {.len_max = ANSWER_MAX, .nodes_max = 4096};

/* --- files -------------------------------------------------------------------------------- */

/* Until the site that has just answered 503 is to be asked again. */
static struct timespec pause_of(const struct ks_session *session)
{
    const unsigned said_s = ks_session_facts(session)->call.retry_after_s;

    return (struct timespec){.tv_sec = said_s == 0            ? RETRY_S
                                       : said_s > RETRY_MAX_S ? RETRY_MAX_S
                                                              : said_s};
}

static enum ks_err read_complete(struct ks_bytes answer, bool *out_complete)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse(answer, &answer_limits, &doc));
    KS_TRY(ks_json_get_bool(ks_json_root(doc), "complete", out_complete));
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the site's answer");
}

/* CALL puts one part; a site that has too much under way says when to come back, and is asked
 * again then. *OUT_COMPLETE: the site lacks none. */
static enum ks_err send_part(struct ks_session *session, const struct ks_session_call *call,
                             bool *out_complete)
{
    enum ks_err err = KS_OK;
    struct timespec pause;
    struct ks_buf answer;

    ks_buf_init(&answer, ANSWER_MAX);
    for (unsigned attempt = 0; attempt < RETRIES_MAX; attempt++) {
        ks_buf_clear(&answer);
        err = ks_session_call(session, call, &answer);
        if (err != KS_ERR_UNAVAILABLE) {
            break;
        }
        pause = pause_of(session);
        (void)nanosleep(&pause, NULL); /* a signal shortens one pause, which harms nothing */
    }
    KS_TRY(err);
    KS_TRY(read_complete(ks_buf_view(&answer), out_complete));
out:
    ks_buf_done(&answer);
    return err;
}

/* What is sent, in parts. */
struct sending {
    struct ks_session *session;
    struct ks_bytes bytes;
    size_t parts;
    char hex[2 * 32 + 1]; /* of its hash */
    bool *has;            /* of each part: the site said that it has it */
    bool complete;
};

/* The parts that the site has not. */
static enum ks_err send_missing(struct sending *sending)
{
    enum ks_err err = KS_OK;
    char target[TARGET_MAX];
    struct ks_session_call call = {
        .method = "PUT", .target = target, .content_type = "application/octet-stream"};

    for (size_t part = 0; part < sending->parts && !sending->complete; part++) {
        const size_t begin = part * PART_LEN;
        const size_t rest = sending->bytes.len - begin;

        if (!sending->has[part]) {
            (void)snprintf(target, sizeof target, "/v1/fl/uploads/%s/%zu?length=%zu",
                           sending->hex, part, sending->bytes.len);
            call.body =
                ks_bytes_of(sending->bytes.data + begin, rest < PART_LEN ? rest : PART_LEN);
            KS_TRY(send_part(sending->session, &call, &sending->complete));
        }
    }
out:
    return err;
}

static enum ks_err read_parts(struct ks_bytes answer, struct sending *sending)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *parts = NULL;
    uint64_t part = 0;

    KS_TRY(ks_json_parse(answer, &answer_limits, &doc));
    KS_TRY(ks_json_get_bool(ks_json_root(doc), "complete", &sending->complete));
    KS_TRY(ks_json_get(ks_json_root(doc), "parts", KS_JSON_ARRAY, &parts));
    for (size_t i = 0; i < ks_json_count(parts); i++) {
        KS_TRY(ks_json_u64(ks_json_at(parts, i), sending->parts - 1, &part));
        sending->has[part] = true;
    }
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the site's answer");
}

/* Which parts the site has: none, where it was started again between two of them. */
static enum ks_err ask_parts(struct sending *sending)
{
    enum ks_err err = KS_OK;
    char target[TARGET_MAX];
    struct ks_buf answer;
    const struct ks_session_call call = {.method = "GET", .target = target};

    ks_buf_init(&answer, ANSWER_MAX);
    ks_wipe(sending->has, sending->parts * sizeof *sending->has);
    (void)snprintf(target, sizeof target, "/v1/fl/uploads/%s", sending->hex);
    err = ks_session_call(sending->session, &call, &answer);
    if (err == KS_OK) {
        KS_TRY(read_parts(ks_buf_view(&answer), sending));
    }
    err = err == KS_ERR_NOT_FOUND ? KS_OK : err;
out:
    ks_buf_done(&answer);
    return err;
}

static enum ks_err upload(struct ks_session *session, struct ks_bytes bytes,
                          uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;
    struct sending sending = {
        .session = session, .bytes = bytes, .parts = (bytes.len + PART_LEN - 1) / PART_LEN};

    KS_CHECK(bytes.len > 0, KS_ERR_FORMAT, "nothing to send");
    ks_sha256(bytes, out_hash);
    ks_hex_encode(ks_bytes_of(out_hash, 32), sending.hex);
    sending.has = ks_calloc(sending.parts + 1, sizeof *sending.has);
    KS_CHECK(sending.has != NULL, KS_ERR_NOMEM, "an upload of %zu bytes", bytes.len);
    KS_TRY(send_missing(&sending));
    for (unsigned again = 0; again < AGAIN_MAX && !sending.complete; again++) {
        KS_TRY(ask_parts(&sending));
        KS_TRY(send_missing(&sending));
    }
    KS_CHECK(sending.complete, KS_ERR_UNAVAILABLE,
             "the site does not keep all that it is sent; again later");
out:
    ks_free(sending.has);
    return err;
}

static enum ks_err read_length(struct ks_bytes answer, uint64_t *out_length)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse(answer, &answer_limits, &doc));
    KS_TRY(ks_json_get_u64(ks_json_root(doc), "length", MODEL_LEN_MAX, out_length));
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "the site's answer");
}

static enum ks_err download(struct ks_session *session, const uint8_t hash[32],
                            struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const size_t before = out->len;
    uint8_t digest[32];
    char hex[2 * 32 + 1];
    char target[TARGET_MAX];
    uint64_t length = 0;
    struct ks_buf answer;
    const struct ks_session_call call = {.method = "GET", .target = target};

    ks_buf_init(&answer, ANSWER_MAX);
    ks_hex_encode(ks_bytes_of(hash, 32), hex);
    (void)snprintf(target, sizeof target, "/v1/fl/models/%s", hex);
    KS_TRY(ks_session_call(session, &call, &answer));
    KS_TRY(read_length(ks_buf_view(&answer), &length));
    for (uint64_t part = 0; part < (length + PART_LEN - 1) / PART_LEN; part++) {
        (void)snprintf(target, sizeof target, "/v1/fl/models/%s/%llu", hex,
                       (unsigned long long)part);
        KS_TRY(ks_session_call(session, &call, out));
    }
    ks_sha256(ks_bytes_of(out->data + before, out->len - before), digest);
    KS_CHECK(ks_bytes_equal(KS_BYTES(digest), ks_bytes_of(hash, 32)), KS_ERR_VERIFY,
             "the site sent another model than %s", hex);
out:
    ks_buf_done(&answer);
    return err;
}

/* --- operators ---------------------------------------------------------------------------- */

enum ks_err ks_operator_fl_publish(struct ks_operator *op, struct ks_bytes model,
                                   uint8_t out_hash[32])
{
    enum ks_err err = KS_OK;
    char hex[2 * 32 + 1];
    char target[TARGET_MAX];
    struct ks_buf answer;
    const struct ks_session_call call = {.method = "POST", .target = target};

    ks_buf_init(&answer, ANSWER_MAX);
    KS_TRY(upload(ks_operator_session(op), model, out_hash));
    ks_hex_encode(ks_bytes_of(out_hash, 32), hex);
    (void)snprintf(target, sizeof target, "/v1/fl/models/%s", hex);
    KS_TRY(ks_session_call(ks_operator_session(op), &call, &answer));
out:
    ks_buf_done(&answer);
    return err;
}

enum ks_err ks_operator_fl_model(struct ks_operator *op, const uint8_t hash[32],
                                 struct ks_buf *out)
{
    return download(ks_operator_session(op), hash, out);
}

/* Says ORDER, whose verb and what goes with it are the caller's. */
static enum ks_err give(struct ks_operator *op, struct ks_fl_order *order,
                        const uint8_t session[KS_SESSION_LEN], struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char origin[KS_ORIGIN_MAX + 1];
    struct ks_buf body;
    struct ks_session_call call = {.method = "POST", .target = "/v1/fl/orders", .bound = true};

    ks_buf_init(&body, KS_FL_DOCUMENT_MAX);
    KS_TRY(ks_operator_origin(op, origin));
    order->site = ks_bytes_text(origin);
    order->created_us = ks_clock_us();
    ks_copy(order->session, session, KS_SESSION_LEN);
    ks_copy(order->channel, ks_session_channel(ks_operator_session(op)), sizeof order->channel);
    KS_TRY(ks_fl_order_write(order, ks_operator_key(op), &body));
    call.body = ks_buf_view(&body);
    KS_TRY(ks_session_call(ks_operator_session(op), &call, out));
out:
    ks_buf_done(&body);
    return err;
}

enum ks_err ks_operator_fl_order(struct ks_operator *op, enum ks_fl_verb verb,
                                 const uint8_t session[KS_SESSION_LEN],
                                 const struct ks_fl_plan *plan, struct ks_buf *out)
{
    struct ks_fl_order order = {.verb = verb};

    if (plan != NULL) {
        order.plan = *plan;
    }
    return give(op, &order, session, out);
}

enum ks_err ks_operator_fl_audit(struct ks_operator *op, const uint8_t session[KS_SESSION_LEN],
                                 uint64_t round, struct ks_buf *out)
{
    struct ks_fl_order order = {.verb = KS_FL_VERB_AUDIT, .round = round};

    return give(op, &order, session, out);
}

/* --- devices ------------------------------------------------------------------------------ */

enum ks_err ks_client_fl_model(struct ks_client *client, const uint8_t hash[32],
                               struct ks_buf *out)
{
    return download(ks_client_session(client), hash, out);
}

enum ks_err ks_client_fl_descriptor(struct ks_client *client,
                                    const uint8_t session[KS_SESSION_LEN],
                                    struct ks_fl_descriptor *out_descriptor)
{
    enum ks_err err = KS_OK;
    struct ks_fl_descriptor descriptor = {0};
    char hex[2 * KS_SESSION_LEN + 1];
    char target[TARGET_MAX];
    struct ks_buf document;

    ks_buf_init(&document, KS_FL_DOCUMENT_MAX);
    ks_hex_encode(ks_bytes_of(session, KS_SESSION_LEN), hex);
    (void)snprintf(target, sizeof target, "/v1/fl/sessions/%s/descriptor", hex);
    KS_TRY(ks_client_get(client, target, &document));
    KS_TRY(ks_fail_prefix(ks_fl_descriptor_read(ks_buf_view(&document),
                                                ks_client_record_key(client), &descriptor),
                          "descriptor"));
    KS_CHECK(ks_bytes_equal(KS_BYTES(descriptor.session), ks_bytes_of(session, KS_SESSION_LEN)),
             KS_ERR_VERIFY, "the site sent another session's descriptor");
    *out_descriptor = descriptor;
    descriptor = (struct ks_fl_descriptor){0}; /* transferred */
out:
    ks_fl_descriptor_done(&descriptor);
    ks_buf_done(&document);
    return err;
}

bool ks_client_fl_invited(const struct ks_client *client,
                          const struct ks_fl_descriptor *descriptor)
{
    for (size_t i = 0; i < descriptor->selected.count; i++) {
        if (ks_bytes_is(descriptor->selected.names[i], ks_client_device(client))) {
            return true;
        }
    }
    return false;
}

static enum ks_err join_once(struct ks_client *client, struct ks_fl_join *join,
                             struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_bytes body = {0};
    struct ks_buf document;

    ks_buf_init(&document, KS_FL_JOIN_MAX);
    join->created_us = ks_clock_us();
    ks_copy(join->channel, ks_client_channel(client), sizeof join->channel);
    KS_TRY(ks_fl_join_write(join, ks_client_key(client), &document));
    body = ks_buf_view(&document);
    KS_TRY(ks_client_post(client, "/v1/fl/joins", &body, out));
out:
    ks_buf_done(&document);
    return err;
}

/* Over as many connections as it takes. */
static enum ks_err join_on_channel(struct ks_client *client, struct ks_fl_join *join,
                                   struct ks_buf *out)
{
    enum ks_err err = KS_OK;

    for (unsigned attempt = 0; attempt < KS_SESSION_ATTEMPTS_MAX; attempt++) {
        KS_TRY(ks_client_connect(client));
        err = join_once(client, join, out);
        if (!ks_session_moved(ks_client_session(client))) {
            break;
        }
    }
out:
    return err;
}

enum ks_err ks_client_fl_join(struct ks_client *client,
                              const struct ks_fl_descriptor *descriptor, uint64_t samples,
                              bool leaves, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_fl_join join = {.device = ks_bytes_text(ks_client_device(client)),
                              .round = descriptor->round,
                              .samples = samples,
                              .site = descriptor->site,
                              .leaves = leaves};

    ks_copy(join.session, descriptor->session, sizeof join.session);
    err = join_on_channel(client, &join, out);
    if (err == KS_ERR_STALE && ks_client_attests(client)) {
        KS_TRY(ks_client_attest(client));
        err = join_on_channel(client, &join, out);
    }
out:
    return err;
}

static bool is_zero(const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i] != 0) {
            return false;
        }
    }
    return true;
}

/* The numbers of UPDATE as the round wants them. Where nothing has changed, nothing is sent but
 * that: topk of no number. */
static enum ks_err encode_update(const struct ks_fl_descriptor *descriptor,
                                 const struct ks_client_update *update,
                                 enum ks_fl_encoding *out_encoding, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const size_t count = (size_t)descriptor->params;
    struct ks_fl_encode encode = {
        .seed = update->seed, .stochastic = true, .keep = (size_t)descriptor->local.keep};
    float *values = NULL;

    KS_TRY(ks_fl_encoding_of(descriptor->local.encoding, &encode.encoding));
    if (encode.encoding == KS_FL_TOPK && update->residual != NULL) {
        values = ks_calloc_huge(count, sizeof *values);
        KS_CHECK(values != NULL, KS_ERR_NOMEM, "%zu parameters", count);
        ks_copy(values, update->values, count * sizeof *values);
        KS_TRY(ks_fl_encode_feedback(&encode, values, update->residual, count, out));
    } else {
        if (is_zero(update->values, count)) {
            encode.encoding = KS_FL_TOPK;
            encode.keep = 1;
        }
        KS_TRY(ks_fl_encode(&encode, update->values, count, out));
    }
    *out_encoding = encode.encoding;
out:
    ks_free(values);
    return err;
}

/* The update as the round's worker reads it. */
static enum ks_err write_update(const struct ks_fl_descriptor *descriptor,
                                const struct ks_client_update *update,
                                struct ks_fl_update *out_update, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_fl_update whole = {.samples = (uint32_t)update->samples};
    struct ks_buf payload;

    ks_buf_init(&payload, SIZE_MAX / 2);
    KS_TRY(encode_update(descriptor, update, &whole.encoding, &payload));
    ks_copy(whole.subject.session, descriptor->session, sizeof whole.subject.session);
    whole.subject.round = descriptor->round;
    ks_copy(whole.subject.parent, descriptor->parent, sizeof whole.subject.parent);
    ks_copy(whole.subject.shape, descriptor->shape, sizeof whole.subject.shape);
    whole.subject.params = (uint32_t)descriptor->params;
    whole.payload = ks_buf_view(&payload);
    ks_fl_update_write(&whole, out);
    KS_TRY(ks_buf_check(out));
    whole.payload = (struct ks_bytes){0};
    *out_update = whole;
out:
    ks_buf_done(&payload);
    return err;
}

static enum ks_err seal_update(struct ks_client *client,
                               const struct ks_fl_descriptor *descriptor,
                               const struct ks_client_update *update,
                               enum ks_fl_encoding *out_encoding, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_secret shared = {0};
    struct ks_fl_update whole;
    struct ks_buf ciphertext;
    struct ks_buf plain;
    uint8_t key[KS_AEAD_KEY_LEN] = {0};

    ks_buf_init(&ciphertext, KS_KEM_CIPHERTEXT_LEN);
    ks_buf_init(&plain, SIZE_MAX / 2);
    KS_TRY(write_update(descriptor, update, &whole, &plain));
    KS_TRY(
        ks_kem_encap(KS_KEM_MLKEM768, KS_BYTES(descriptor->kem_public), &ciphertext, &shared));
    KS_ASSERT(ciphertext.len == KS_KEM_CIPHERTEXT_LEN);
    KS_TRY(ks_fl_seal_key(&shared, ks_buf_view(&ciphertext), &whole.subject,
                          ks_bytes_text(ks_client_device(client)), key));
    KS_TRY(ks_fl_seal(key, ciphertext.data, ks_buf_view(&plain), out));
    *out_encoding = whole.encoding;
out:
    ks_wipe(key, sizeof key);
    ks_buf_done(&ciphertext);
    ks_secret_done(&shared);
    ks_buf_wipe(&plain);
    return err;
}

/* The job that contributes what was sealed; *OUT_US: how long it took to send. JOB's views are
 * DESCRIPTOR's. */
static enum ks_err send_update(struct ks_client *client,
                               const struct ks_fl_descriptor *descriptor,
                               const struct ks_client_update *update, struct ks_job *job,
                               uint64_t *out_us)
{
    enum ks_err err = KS_OK;
    enum ks_fl_encoding encoding = KS_FL_F32;
    struct ks_buf sealed;
    uint64_t begin_us = 0;

    ks_buf_init(&sealed, SIZE_MAX / 2);
    KS_CHECK(fabs(update->loss) <= KS_UPDATE_LOSS_MAX, KS_ERR_LIMIT,
             "a loss of %g, beyond %g: the training diverges", update->loss,
             KS_UPDATE_LOSS_MAX);
    KS_TRY(seal_update(client, descriptor, update, &encoding, &sealed));
    begin_us = ks_clock_monotonic_us();
    KS_TRY(upload(ks_client_session(client), ks_buf_view(&sealed), job->update.sealed));
    *out_us = ks_clock_monotonic_us() - begin_us;
    ks_copy(job->update.session, descriptor->session, sizeof job->update.session);
    job->update.round = descriptor->round;
    ks_copy(job->update.parent, descriptor->parent, sizeof job->update.parent);
    job->update.encoding = ks_bytes_text(ks_fl_encoding_word(encoding));
    job->update.samples = update->samples;
    job->update.loss = update->loss;
    job->update.steps = update->steps;
    job->update.length = sealed.len;
out:
    ks_buf_done(&sealed);
    return err;
}

enum ks_err ks_client_fl_contribute(struct ks_client *client,
                                    const struct ks_fl_descriptor *descriptor,
                                    const struct ks_client_update *update,
                                    struct ks_buf *out_bundle)
{
    enum ks_err err = KS_OK;
    struct ks_tracer *tracer = ks_client_tracer(client);
    const size_t before = out_bundle->len;
    struct ks_job job = {.schema = 4, .kind = KS_KIND_UPDATE};
    struct ks_buf bytes;
    uint64_t upload_us = 0;

    ks_buf_init(&bytes, KS_JOB_BYTES_MAX);
    ks_tracer_begin(tracer, ks_client_device(client), NULL, ks_client_facts(client));
    ks_tracer_workload(tracer, KS_TRACE_UPDATE); /* also where it is not sent */
    KS_TRY(send_update(client, descriptor, update, &job, &upload_us));
    ks_job_write(&job, &bytes);
    KS_TRY(ks_fail_prefix(ks_buf_check(&bytes), "the job"));
    ks_tracer_asked(tracer, &job);
    ks_tracer_local(tracer, update->local_us, upload_us);
    KS_TRY(ks_client_send_job(client, "/qjob", ks_buf_view(&bytes), out_bundle));
    ks_tracer_bundle(tracer, ks_bytes_of(out_bundle->data + before, out_bundle->len - before),
                     ks_client_site(client));
out:
    ks_buf_done(&bytes);
    return ks_tracer_end(tracer, err, ks_client_facts(client));
}
