/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What ketseald may ask. Everything in a payload is ketseald's claim until it is checked here:
 * the device's certificate against our own root, the request's signature under a one-time key
 * that only this process and the device hold, the submission under the device's own key. */

#include "crypto/digest.h"
#include "crypto/kem.h"
#include "crypto/sigalgs.h"
#include "enclave/monitor.h"
#include "ledger/checkpoint.h"
#include "net/head.h"
#include "net/signature.h"

static uint64_t now_s(void)
{
    return ks_clock_us() / 1000000;
}

/* --- devices
 * --------------------------------------------------------------------------------------- */

static void device_done(struct ks_monitor_device *device)
{
    ks_verify_key_free(device->key);
    *device = (struct ks_monitor_device){0};
}

/* Parses and verifies DER; the chain costs a hash-based signature check, so good ones are
 * remembered until they expire. (A new revocation list comes with a new launch, which forgets
 * them all.) */
static enum ks_err verify_device(struct ks_monitor *monitor, struct ks_bytes der,
                                 struct ks_monitor_device *slot)
{
    enum ks_err err = KS_OK;
    struct ks_cert *cert = NULL;
    struct ks_monitor_device device = {0};
    struct ks_bytes name = {0};
    struct ks_buf public_key;

    ks_buf_init(&public_key, KS_SIG_PUBLIC_LEN_MAX);
    KS_TRY(ks_cert_parse_der(der, &cert));
    KS_TRY(ks_cert_verify(cert, monitor->trust, KS_CERT_DEVICE, now_s()));
    name = ks_bytes_text(ks_cert_subject(cert));
    KS_CHECK(ks_text_is_name(name, KS_DEVICE_ID_MAX), KS_ERR_DENIED,
             "the certificate's subject is no device id");
    KS_TRY(ks_cert_key(cert, &device.key));
    KS_CHECK(
        (monitor->admission.rules.key_algs & KS_SIGALG_BIT(ks_verify_key_alg(device.key))) != 0,
        KS_ERR_DENIED,
        "device '%s': its key is %s, which tls.signature_algorithms of this site does not "
        "name",
        ks_cert_subject(cert), ks_sig_alg_name(ks_verify_key_alg(device.key)));
    KS_TRY(ks_verify_key_public(device.key, &public_key));
    ks_sha256(ks_buf_view(&public_key), device.key_hash);
    ks_sha256(der, device.fingerprint);
    ks_copy(device.name, name.data, name.len);
    device.expires_s = ks_cert_not_after_s(cert);
    device.enrolled = monitor->issuer != NULL &&
                      ks_bytes_equal(ks_bytes_text(ks_cert_issuer(cert)),
                                     ks_bytes_text(ks_cert_subject(monitor->issuer)));
    device_done(slot);
    *slot = device;
    device = (struct ks_monitor_device){0}; /* transferred */
out:
    device_done(&device);
    ks_cert_free(cert);
    ks_buf_done(&public_key);
    return err == KS_ERR_VERIFY ? ks_fail_prefix(KS_ERR_DENIED, "device certificate") : err;
}

static enum ks_err find_device(struct ks_monitor *monitor, struct ks_bytes der,
                               struct ks_monitor_device **out_device)
{
    enum ks_err err = KS_OK;
    uint8_t fingerprint[32];
    struct ks_monitor_device *oldest = &monitor->devices[0];

    ks_sha256(der, fingerprint);
    for (size_t i = 0; i < KS_MONITOR_DEVICES_MAX; i++) {
        struct ks_monitor_device *device = &monitor->devices[i];

        if (device->key != NULL && device->expires_s > now_s() &&
            ks_bytes_equal(KS_BYTES(device->fingerprint), KS_BYTES(fingerprint))) {
            device->used = ++monitor->order;
            *out_device = device;
            return KS_OK;
        }
        if (device->used < oldest->used) {
            oldest = device;
        }
    }
    KS_TRY(verify_device(monitor, der, oldest));
    oldest->used = ++monitor->order;
    *out_device = oldest;
out:
    return err;
}

void ks_monitor_forget_devices(struct ks_monitor *monitor)
{
    for (size_t i = 0; i < KS_MONITOR_DEVICES_MAX; i++) {
        device_done(&monitor->devices[i]);
    }
}

enum ks_err ks_monitor_device(struct ks_monitor *monitor, struct ks_bytes der,
                              enum ks_device_right right, struct ks_monitor_device **out_device)
{
    enum ks_err err = KS_OK;
    struct ks_monitor_device *device = NULL;

    KS_TRY(find_device(monitor, der, &device));
    KS_TRY(ks_admission_check(&monitor->admission, ks_bytes_text(device->name),
                              device->key_hash, device->enrolled, right, ks_clock_us()));
    *out_device = device;
out:
    return err;
}

/* --- signed requests
 * ------------------------------------------------------------------------------- */

/* A request as ketseald hands it on: the head exactly as received, the body, and what only the
 * TLS connection's owner knows. */
struct request {
    struct ks_bytes head;
    struct ks_bytes body;
    uint8_t channel[KS_CHANNEL_LEN];
    struct ks_bytes certificate;
};

static enum ks_err read_request(struct ks_bytes payload, struct request *out_request)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "request frame");
    struct request request = {0};

    KS_TRY(ks_read_lp32(&reader, KS_HTTP_HEAD_MAX, &request.head));
    KS_TRY(ks_read_lp32(&reader, KS_JOB_BYTES_MAX, &request.body));
    KS_TRY(ks_read_copy(&reader, request.channel, sizeof request.channel));
    KS_TRY(ks_read_lp32(&reader, KS_MONITOR_CERTIFICATE_MAX, &request.certificate));
    KS_TRY(ks_read_end(&reader));
    *out_request = request;
out:
    return err;
}

/* The key that signed a request. */
struct used_key {
    struct ks_bytes id; /* a view into the request's head */
    enum ks_key_source source;
};

/* Checks the signature of REQUEST and spends its key: nothing after this can make the key good
 * again. */
static enum ks_err authenticate(struct ks_monitor *monitor, const struct request *request,
                                struct ks_monitor_device **out_device, struct used_key *out_key)
{
    enum ks_err err = KS_OK;
    struct ks_http_head head;
    struct ks_signature signature;
    struct ks_monitor_device *device = NULL;
    uint8_t key[KS_ONE_TIME_KEY_LEN];
    struct ks_key_name name = {0};

    KS_TRY(ks_monitor_device(monitor, request->certificate, KS_RIGHT_WORK, &device));
    KS_TRY(ks_http_head_parse(request->head, KS_JOB_BYTES_MAX, &head));
    err = ks_signature_parse(&head, &signature);
    KS_TRY(err == KS_ERR_NOT_FOUND ? ks_fail(KS_ERR_DENIED, "the request is not signed") : err);
    KS_TRY(ks_fail_prefix(ks_key_name_parse(signature.key_id, &name), "key id"));
    KS_TRY(ks_monitor_key(monitor, &name, device, key));
    KS_TRY(ks_signature_check(&head, &signature, KS_BYTES(key), now_s()));
    KS_TRY(ks_monitor_spend(monitor, &name, device));
    KS_CHECK(ks_ct_equal(KS_BYTES(signature.channel), KS_BYTES(request->channel)),
             KS_ERR_DENIED, "the request was signed for another connection");
    KS_TRY(ks_digest_check(&head, request->body));
    *out_device = device;
    *out_key = (struct used_key){signature.key_id, ks_key_name_source(&name)};
out:
    ks_wipe(key, sizeof key);
    return err == KS_ERR_VERIFY ? KS_ERR_DENIED : err; /* the detail names what is false */
}

enum ks_err ks_monitor_auth(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct request request = {0};
    struct ks_monitor_device *device = NULL;
    struct used_key key = {0};
    size_t begin = 0;

    KS_TRY(read_request(payload, &request));
    KS_TRY(authenticate(monitor, &request, &device, &key));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_AUTH, id);
    ks_buf_put_lp16(&monitor->daemon.out, ks_bytes_text(device->name));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    return err;
}

/* --- admission
 * ------------------------------------------------------------------------------------- */

static enum ks_err check_submission(struct ks_monitor *monitor, const struct request *request,
                                    const struct ks_monitor_device *device,
                                    struct ks_bytes key_id, const struct ks_request_body *body)
{
    enum ks_err err = KS_OK;
    const struct ks_submission *submission = &body->submission;
    uint64_t now_us = ks_clock_us();
    uint64_t age_us = now_us > submission->created_us ? now_us - submission->created_us
                                                      : submission->created_us - now_us;

    KS_CHECK(ks_bytes_is(submission->device, device->name), KS_ERR_DENIED,
             "the submission names another device than the certificate");
    KS_CHECK(ks_bytes_is(submission->site, monitor->site.origin), KS_ERR_DENIED,
             "the submission is for another site");
    KS_CHECK(ks_bytes_equal(submission->key_id, key_id), KS_ERR_DENIED,
             "the submission names another key than the request's signature");
    KS_CHECK(ks_ct_equal(KS_BYTES(submission->channel), KS_BYTES(request->channel)),
             KS_ERR_DENIED, "the submission is for another connection");
    KS_CHECK(age_us <= (uint64_t)KS_SUBMISSION_AGE_MAX_S * 1000000, KS_ERR_DENIED,
             "the submission's time is %llu s from the site's",
             (unsigned long long)age_us / 1000000);
    err = ks_verify(device->key, KS_CONTEXT_SUBMISSION, ks_buf_view(&body->submission_bytes),
                    ks_buf_view(&body->signature));
    KS_TRY(err == KS_ERR_VERIFY ? ks_fail_prefix(KS_ERR_DENIED, "the submission's signature")
                                : err);
out:
    return err;
}

static enum ks_err fill_job(struct ks_monitor *monitor, const struct request *request,
                            const struct ks_monitor_device *device, struct ks_monitor_job *job)
{
    enum ks_err err = KS_OK;
    uint8_t random[16];

    KS_TRY(ks_random(random, sizeof random));
    ks_uuid_text(random, job->id);
    ks_buf_put(&job->certificate, request->certificate);
    KS_TRY(ks_buf_check(&job->certificate));
    ks_copy(job->device, device->name, sizeof job->device);
    ks_copy(job->channel, request->channel, sizeof job->channel);
    ks_sha256(ks_buf_view(&job->body.submission_bytes), job->submission_hash);
    if (job->body.job.kind == KS_KIND_UPDATE) {
        KS_TRY(ks_monitor_fl_admit(monitor, job));
    }
    KS_CHECK(job->body.job.sdk == KS_SDK_KETSEAL ||
                 ks_monitor_environment(monitor, job->body.job.sdk) != NULL,
             KS_ERR_UNAVAILABLE, "this site does not have the SDK '%s'",
             ks_sdk_name(job->body.job.sdk));
    job->before = *ks_head_log_last(monitor->heads);
    ks_buf_put(&job->start_attest, ks_buf_view(&monitor->last_attest));
    ks_buf_put(&job->start_signature, ks_buf_view(&monitor->last_signature));
    KS_TRY(ks_buf_check(&job->start_attest));
    KS_TRY(ks_buf_check(&job->start_signature));
    job->state = KS_MJOB_ADMITTED;
out:
    return err;
}

_Static_assert((int)KS_KIND_CIRCUIT == KS_TRACE_CIRCUIT &&
                   (int)KS_KIND_UPDATE == KS_TRACE_UPDATE,
               "a kind of job is a workload of traces");

/* What the job asks for, for the trace of one that never ends well, too. */
static void trace_asked(struct ks_monitor_job *job, uint64_t key_us, struct ks_buf *out_values)
{
    const struct ks_job *asked = &job->body.job;
    struct ks_trace *trace = &job->trace;

    ks_trace_set_u64(trace, KS_TRACE_KEY_SOURCE, job->key_source);
    ks_trace_set_u64(trace, KS_TRACE_KEY_US, key_us);
    ks_trace_set_u64(trace, KS_TRACE_WORKLOAD, asked->kind);
    if (asked->kind == KS_KIND_UPDATE) {
        ks_trace_set_u64(trace, KS_TRACE_FL_ROUND, asked->update.round);
        ks_trace_set_u64(trace, KS_TRACE_FL_SAMPLES, asked->update.samples);
        ks_trace_set_u64(trace, KS_TRACE_FL_STEPS, asked->update.steps);
        ks_trace_set(trace, KS_TRACE_FL_LOSS, asked->update.loss);
        ks_trace_set_u64(trace, KS_TRACE_FL_BYTES, asked->update.length);
        ks_trace_put_values(trace, out_values);
        return;
    }
    ks_trace_set_u64(trace, KS_TRACE_SHOTS, asked->shots);
    ks_trace_set_u64(trace, KS_TRACE_PRECISION_BITS, asked->single ? 32 : 64);
    ks_trace_set_u64(trace, KS_TRACE_NOISE, asked->noise != NULL ? 1 : 0);
    ks_trace_set_u64(trace, KS_TRACE_SDK, asked->sdk);
    if (asked->sdk == KS_SDK_KETSEAL) {
        ks_trace_set_u64(trace, KS_TRACE_METHOD, asked->method);
    }
    ks_trace_put_values(trace, out_values);
}

enum ks_err ks_monitor_admit(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct request request = {0};
    struct ks_monitor_device *device = NULL;
    struct ks_monitor_job *job = NULL;
    struct used_key key = {0};
    struct ks_buf entry;
    struct ks_buf values;
    struct ks_buf *out = &monitor->daemon.out;
    uint64_t begin_us = ks_clock_monotonic_us();
    uint64_t key_us = 0;
    size_t begin = 0;

    ks_buf_init(&entry, KS_ENTRY_BYTES_MAX);
    ks_buf_init(&values, KS_TRACE_BYTES_MAX);
    KS_TRY(read_request(payload, &request));
    KS_TRY(authenticate(monitor, &request, &device, &key));
    key_us = ks_clock_monotonic_us() - begin_us;
    KS_TRY(ks_monitor_job_new(monitor, &job));
    job->key_source = key.source;
    KS_TRY(ks_fail_prefix(ks_request_body_parse(request.body, &job->body), "body"));
    KS_TRY(check_submission(monitor, &request, device, key.id, &job->body));
    KS_TRY(fill_job(monitor, &request, device, job));
    trace_asked(job, key_us, &values);
    KS_TRY(ks_buf_check(&values));
    ks_entry_intent_write(job->body.submission.counter, job->body.submission.device,
                          job->body.submission.job, job->submission_hash, &entry);
    KS_TRY(ks_buf_check(&entry));
    begin = ks_answer_begin(out, KS_FRAME_ADMIT, id);
    ks_buf_put(out, ks_bytes_of(job->id, KS_UUID_TEXT_LEN));
    ks_buf_put_lp16(out, job->body.submission.device);
    ks_buf_put_u64(out, job->body.submission.counter);
    ks_buf_put(out, KS_BYTES(job->body.submission.job));
    ks_buf_put_lp16(out, ks_buf_view(&entry));
    ks_buf_put_u8(out, (uint8_t)key.source);
    ks_buf_put_u8(out, (uint8_t)monitor->key_policy);
    ks_buf_put_u8(out, (uint8_t)job->body.job.kind);
    ks_buf_put_lp16(out, ks_buf_view(&values));
    ks_frame_end(out, begin);
    job = NULL; /* stays admitted */
out:
    ks_monitor_job_free(monitor, job);
    ks_buf_done(&entry);
    ks_buf_done(&values);
    return err;
}

/* --- one-time keys
 * --------------------------------------------------------------------------------- */

enum ks_err ks_signed_document_read(struct ks_bytes payload, const char *what,
                                    struct ks_signed_document *out_document)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, what);
    struct ks_signed_document document = {0};

    KS_TRY(ks_read_lp32(&reader, KS_MONITOR_CERTIFICATE_MAX, &document.certificate));
    KS_TRY(ks_read_copy(&reader, document.channel, sizeof document.channel));
    KS_TRY(ks_read_lp32(&reader, KS_SIGNED_DOCUMENT_MAX, &document.document));
    KS_TRY(ks_read_end(&reader));
    *out_document = document;
out:
    return err;
}

/* Encapsulates to the device's fresh key and makes the batch durable. */
static enum ks_err make_batch(struct ks_monitor *monitor,
                              const struct ks_monitor_device *device,
                              const struct ks_keys_request *wanted,
                              struct ks_keys_answer *answer)
{
    enum ks_err err = KS_OK;
    struct ks_secret shared = {0};
    struct ks_buf ciphertext;
    struct ks_key_batch batch = {.count = wanted->count, .expires_s = now_s() + KS_KEYS_LIFE_S};

    ks_buf_init(&ciphertext, KS_KEM_CIPHERTEXT_LEN);
    KS_TRY(ks_kem_encap(KS_KEM_MLKEM768, wanted->kem_public, &ciphertext, &shared));
    KS_ASSERT(ciphertext.len == KS_KEM_CIPHERTEXT_LEN && shared.len == sizeof batch.secret);
    answer->instance = ks_journal_instance(monitor->journal);
    answer->count = wanted->count;
    answer->expires_s = batch.expires_s;
    ks_copy(answer->ciphertext, ciphertext.data, ciphertext.len);
    ks_copy(batch.device, device->key_hash, sizeof batch.device);
    ks_copy(batch.secret, shared.data, shared.len);
    ks_keys_answer_salt(answer, batch.salt);
    KS_TRY(ks_journal_add(monitor->journal, &batch));
    answer->batch = batch.number;
out:
    ks_secret_done(&shared);
    ks_wipe(&batch, sizeof batch);
    ks_buf_done(&ciphertext);
    return err;
}

enum ks_err ks_monitor_keys(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_signed_document request = {0};
    struct ks_keys_request wanted = {0};
    struct ks_keys_answer answer = {0};
    struct ks_monitor_device *device = NULL;
    struct ks_buf kem_public;
    struct ks_buf name;
    struct ks_buf document;
    size_t begin = 0;

    ks_buf_init(&kem_public, KS_KEM_PUBLIC_LEN);
    ks_buf_init(&name, KS_DEVICE_ID_MAX);
    ks_buf_init(&document, 16384);
    KS_CHECK(monitor->key_policy != KS_KEY_SOURCE_ETSI014 || monitor->key_fall_back,
             KS_ERR_DENIED,
             "this site delivers no keys of its own: it takes quantum keys alone");
    KS_TRY(ks_signed_document_read(payload, "keys frame", &request));
    KS_TRY(ks_monitor_device(monitor, request.certificate, KS_RIGHT_WORK, &device));
    err = ks_keys_request_read(request.document, device->key, &kem_public, &name, &wanted,
                               answer.request);
    KS_TRY(err == KS_ERR_VERIFY ? ks_fail_prefix(KS_ERR_DENIED, "keys") : err);
    KS_CHECK(ks_bytes_is(wanted.device, device->name), KS_ERR_DENIED,
             "the key request names another device than the certificate");
    KS_CHECK(ks_ct_equal(KS_BYTES(wanted.channel), KS_BYTES(request.channel)), KS_ERR_DENIED,
             "the key request is for another connection");
    KS_TRY(make_batch(monitor, device, &wanted, &answer));
    KS_TRY(ks_keys_answer_write(&answer, monitor->keys.mldsa65, &document));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_KEYS, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&document));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&kem_public);
    ks_buf_done(&name);
    ks_buf_done(&document);
    return err;
}

/* --- the site itself
 * ------------------------------------------------------------------------------- */

enum ks_err ks_monitor_hello(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_buf document;
    const struct ks_head *head = NULL;
    size_t begin = 0;

    ks_buf_init(&document, KS_SITE_BYTES_MAX);
    KS_CHECK(payload.len == 0, KS_ERR_FORMAT, "hello frame: %zu bytes", payload.len);
    ks_site_write(&monitor->site, &document);
    KS_TRY(ks_buf_check(&document));
    head = ks_head_log_last(monitor->heads);
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_HELLO, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&document));
    ks_buf_put_u64(&monitor->daemon.out, head->size);
    ks_buf_put(&monitor->daemon.out, KS_BYTES(head->root));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&document);
    return err;
}

static enum ks_err sign_head(const struct ks_monitor *monitor, const struct ks_head *head,
                             struct ks_buf *out)
{
    struct ks_checkpoint checkpoint = {.origin = ks_bytes_text(monitor->site.origin),
                                       .size = head->size};
    const struct ks_note_signer signers[] = {
        {checkpoint.origin, KS_NOTE_ED25519, monitor->keys.note_ed25519},
        {checkpoint.origin, KS_NOTE_COSIGNED_MLDSA44, monitor->keys.note_mldsa44},
    };

    ks_copy(checkpoint.root, head->root, sizeof checkpoint.root);
    return ks_checkpoint_sign(&checkpoint, signers, sizeof signers / sizeof signers[0], now_s(),
                              out);
}

enum ks_err ks_monitor_checkpoint(struct ks_monitor *monitor, uint32_t id,
                                  struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "checkpoint frame");
    struct ks_head head = {0};
    const struct ks_head *last = ks_head_log_last(monitor->heads);
    struct ks_merkle_proof proof = {0};
    uint32_t count = 0;
    struct ks_buf note;
    size_t begin = 0;

    ks_buf_init(&note, KS_NOTE_LEN_MAX);
    KS_TRY(ks_read_u64(&reader, &head.size));
    KS_TRY(ks_read_copy(&reader, head.root, sizeof head.root));
    KS_TRY(ks_read_u32(&reader, &count));
    KS_CHECK(count <= KS_MERKLE_PATH_MAX, KS_ERR_LIMIT,
             "checkpoint frame: a proof of %u hashes", count);
    KS_TRY(ks_read_copy(&reader, proof.hashes, (size_t)count * KS_MERKLE_LEN));
    KS_TRY(ks_read_end(&reader));
    KS_CHECK(head.size >= last->size, KS_ERR_DENIED,
             "a ledger of %llu entries was signed already, this one has %llu",
             (unsigned long long)last->size, (unsigned long long)head.size);
    if (last->size > 0) {
        err = ks_merkle_check_consistency(last->size, last->root, head.size, head.root,
                                          proof.hashes[0], count);
        KS_TRY(err == KS_ERR_VERIFY ? ks_fail_prefix(KS_ERR_DENIED, "checkpoint") : err);
    }
    KS_TRY(ks_head_log_append(monitor->heads, &head));
    KS_TRY(sign_head(monitor, &head, &note));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_CHECKPOINT, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&note));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&note);
    return err;
}

static void put_attestation(struct ks_monitor *monitor, const uint8_t nonce[KS_NONCE_LEN],
                            const uint8_t channel[KS_CHANNEL_LEN], struct ks_bytes attest,
                            struct ks_bytes signature, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "ak", ks_bytes_of(monitor->site.ak, monitor->site.ak_len));
    ks_json_member_base64(&writer, "attest", attest);
    ks_json_member_base64(&writer, "channel", ks_bytes_of(channel, KS_CHANNEL_LEN));
    ks_json_put_key(&writer, "event_log");
    ks_json_put_canonical(&writer, ks_buf_view(&monitor->event_log));
    ks_json_member_base64(&writer, "nonce", ks_bytes_of(nonce, KS_NONCE_LEN));
    ks_json_member_text(&writer, "schema", "ketseal.attestation/1");
    ks_json_member_base64(&writer, "signature", signature);
    ks_json_member_text(&writer, "tpm", monitor->site.simulated_tpm ? "simulated" : "hardware");
    ks_json_put_end(&writer);
}

/* A quote whose qualifying data are the caller's nonce and connection, never anything that a
 * record's quote could carry: the prefix differs. */
enum ks_err ks_monitor_attest(struct ks_monitor *monitor, uint32_t id, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(payload, "attest frame");
    uint8_t nonce[KS_NONCE_LEN];
    uint8_t channel[KS_CHANNEL_LEN];
    uint8_t extra[32];
    struct ks_buf attest;
    struct ks_buf signature;
    struct ks_buf document;
    size_t begin = 0;

    ks_buf_init(&attest, KS_ATTEST_MAX);
    ks_buf_init(&signature, KS_TPM_SIGNATURE_MAX);
    ks_buf_init(&document, KS_SITE_BYTES_MAX);
    KS_TRY(ks_read_copy(&reader, nonce, sizeof nonce));
    KS_TRY(ks_read_copy(&reader, channel, sizeof channel));
    KS_TRY(ks_read_end(&reader));
    KS_TRY(ks_monitor_tpm_ready(monitor)); /* it makes one quote at a time */
    ks_attest_binding(nonce, channel, extra);
    KS_TRY(ks_tpm_quote(monitor->tpm, KS_BYTES(extra), UINT32_C(1) << KS_LAUNCH_PCR, &attest,
                        &signature));
    put_attestation(monitor, nonce, channel, ks_buf_view(&attest), ks_buf_view(&signature),
                    &document);
    KS_TRY(ks_buf_check(&document));
    begin = ks_answer_begin(&monitor->daemon.out, KS_FRAME_ATTEST, id);
    ks_buf_put_lp32(&monitor->daemon.out, ks_buf_view(&document));
    ks_frame_end(&monitor->daemon.out, begin);
out:
    ks_buf_done(&attest);
    ks_buf_done(&signature);
    ks_buf_done(&document);
    return err;
}
