/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "ketseal/client.h"

#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "client/enrol.h"
#include "client/inside.h"
#include "client/keyring.h"
#include "client/machine.h"
#include "client/quantum.h"
#include "client/session.h"
#include "client/tracer.h"
#include "crypto/digest.h"
#include "crypto/kem.h"
#include "crypto/keyfile.h"
#include "net/signature.h"
#include "qkd/announce.h"
#include "record/record.h"

#define PEM_MAX            (1024 * 1024)
#define KEYS_PER_BATCH     256
#define REQUEST_LIFE_S     120
#define TIMEOUT_MS_DEFAULT 600000

struct ks_client {
    struct ks_session *session;
    struct ks_keyring *keyring;
    struct ks_quantum *quantum;
    uint64_t quantum_expires_s; /* of those announced last */
    bool fallen_back;           /* since the last quantum key that could be had */
    char notice[KS_ERR_DETAIL_MAX];
    struct ks_sign_key *key;      /* the device's own */
    struct ks_verify_key *record; /* the pinned site's ML-DSA-65 */
    struct ks_site *site;
    char device[KS_DEVICE_ID_MAX + 1];
    char machine[KS_PATH_MAX]; /* of an enrolled device, which can attest; else empty */
    struct ks_tracer tracer;
};

/* --- open and close ----------------------------------------------------------------------- */

/* The key from its file, or unsealed: as an object, and as PEM for TLS. */
static enum ks_err load_key(const struct ks_client_spec *spec, const struct ks_cert *leaf,
                            struct ks_client *client, struct ks_buf *pem)
{
    enum ks_err err = KS_OK;
    struct ks_machine *machine = NULL;
    struct ks_identity identity = {0};

    if (spec->key != NULL) {
        KS_TRY(ks_sign_key_load(spec->key, &client->key)); /* checks the file's mode too */
    } else {
        KS_CHECK(spec->machine != NULL, KS_ERR_USAGE, "client: neither a key nor a machine");
        KS_TRY(ks_machine_open(spec->machine, &machine));
        KS_TRY(ks_identity_unseal(machine, leaf, &identity));
        client->key = identity.sign;
        identity.sign = NULL; /* transferred */
    }
    KS_TRY(ks_sign_key_to_pem(client->key, pem));
out:
    ks_identity_done(&identity);
    ks_machine_close(machine);
    return err;
}

static enum ks_err open_session(const struct ks_client_spec *spec, struct ks_client *client)
{
    enum ks_err err = KS_OK;
    struct ks_buf root;
    struct ks_buf issuer;
    struct ks_buf certificate;
    struct ks_buf key;
    struct ks_cert *cert = NULL;
    struct ks_session_spec session = {
        .url = spec->url,
        .groups = spec->groups,
        .sigalgs = spec->version >= 2 ? spec->signature_algorithms : NULL,
        .timeout_ms = spec->timeout_ms == 0 ? TIMEOUT_MS_DEFAULT : spec->timeout_ms,
        .response_max = KS_BUNDLE_BYTES_MAX,
    };
    struct ks_bytes name = {0};

    ks_buf_init(&root, PEM_MAX);
    ks_buf_init(&issuer, PEM_MAX);
    ks_buf_init(&certificate, PEM_MAX);
    ks_buf_init(&key, KS_KEY_PEM_MAX);
    KS_TRY(ks_file_read(spec->root, PEM_MAX, &root));
    if (spec->issuer != NULL) {
        KS_TRY(ks_file_read(spec->issuer, PEM_MAX, &issuer));
    }
    KS_TRY(ks_file_read(spec->certificate, PEM_MAX, &certificate));
    KS_TRY(ks_fail_prefix(ks_cert_parse_pem(ks_buf_view(&certificate), &cert), "%s",
                          spec->certificate));
    KS_TRY(load_key(spec, cert, client, &key));
    name = ks_bytes_text(ks_cert_subject(cert));
    KS_CHECK(ks_text_is_name(name, KS_DEVICE_ID_MAX), KS_ERR_FORMAT,
             "%s: its subject is no device id", spec->certificate);
    ks_copy(client->device, name.data, name.len);
    session.root_pem = ks_buf_view(&root);
    session.issuer_pem = ks_buf_view(&issuer);
    session.cert_pem = ks_buf_view(&certificate);
    session.key_pem = ks_buf_view(&key);
    KS_TRY(ks_session_open(&session, &client->session));
out:
    ks_cert_free(cert);
    ks_buf_done(&root);
    ks_buf_done(&issuer);
    ks_buf_done(&certificate);
    ks_buf_wipe(&key);
    return err;
}

static enum ks_err load_site(const char *path, struct ks_client *client)
{
    enum ks_err err = KS_OK;
    struct ks_buf document;

    ks_buf_init(&document, KS_SITE_BYTES_MAX);
    client->site = ks_calloc(1, sizeof *client->site);
    KS_CHECK(client->site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(ks_file_read(path, KS_SITE_BYTES_MAX, &document));
    KS_TRY(ks_fail_prefix(ks_site_read(ks_buf_view(&document), client->site), "%s", path));
    KS_TRY(ks_verify_key_new(KS_SIG_MLDSA65, KS_BYTES(client->site->mldsa65), &client->record));
out:
    ks_buf_done(&document);
    return err;
}

enum ks_err ks_client_open(const struct ks_client_spec *spec, struct ks_client **out_client)
{
    enum ks_err err = KS_OK;
    struct ks_client *client = ks_calloc(1, sizeof *client);

    if (client == NULL) {
        return ks_fail(KS_ERR_NOMEM, "client");
    }
    if (spec->machine != NULL) {
        KS_CHECK(strlen(spec->machine) < sizeof client->machine, KS_ERR_LIMIT,
                 "path '%s' is too long", spec->machine);
        ks_copy(client->machine, spec->machine, strlen(spec->machine) + 1);
    }
    KS_TRY(open_session(spec, client));
    KS_TRY(load_site(spec->site, client));
    KS_TRY(ks_keyring_open(spec->state, &client->keyring));
    KS_TRY(ks_quantum_open(spec->keys, &client->quantum));
    *out_client = client;
    client = NULL; /* transferred */
out:
    ks_client_close(client);
    return err;
}

void ks_client_close(struct ks_client *client)
{
    if (client == NULL) {
        return;
    }
    ks_session_close(client->session);
    ks_keyring_close(client->keyring);
    ks_quantum_close(client->quantum);
    ks_sign_key_free(client->key);
    ks_verify_key_free(client->record);
    ks_free(client->site);
    ks_free(client);
}

const uint8_t *ks_client_channel(const struct ks_client *client)
{
    return ks_session_channel(client->session);
}

const char *ks_client_notice(const struct ks_client *client)
{
    return client->notice;
}

/* --- traces ------------------------------------------------------------------------------- */

enum ks_err ks_client_trace_to(struct ks_client *client, const struct ks_trace_sink *sink)
{
    if (sink != NULL && (sink->version != 1 || sink->take == NULL)) {
        return ks_fail(KS_ERR_USAGE, "trace sink: version %u, or nobody takes",
                       (unsigned)sink->version);
    }
    client->tracer = (struct ks_tracer){0};
    if (sink != NULL) {
        client->tracer.sink = *sink;
    }
    return KS_OK;
}

struct ks_tracer *ks_client_tracer(struct ks_client *client)
{
    return &client->tracer;
}

const struct ks_session_facts *ks_client_facts(const struct ks_client *client)
{
    return ks_session_facts(client->session);
}

struct ks_session *ks_client_session(struct ks_client *client)
{
    return client->session;
}

const struct ks_sign_key *ks_client_key(const struct ks_client *client)
{
    return client->key;
}

const struct ks_verify_key *ks_client_record_key(const struct ks_client *client)
{
    return client->record;
}

const struct ks_site *ks_client_site(const struct ks_client *client)
{
    return client->site;
}

/* --- exchanges ---------------------------------------------------------------------------- */

enum ks_err ks_client_get(struct ks_client *client, const char *target, struct ks_buf *out_body)
{
    const struct ks_session_call call = {.method = "GET", .target = target};

    return ks_session_call(client->session, &call, out_body);
}

enum ks_err ks_client_connect(struct ks_client *client)
{
    return ks_session_connect(client->session);
}

const char *ks_client_device(const struct ks_client *client)
{
    return client->device;
}

enum ks_err ks_client_post(struct ks_client *client, const char *target,
                           const struct ks_bytes *body, struct ks_buf *out_body)
{
    struct ks_session_call call = {.method = "POST", .target = target, .bound = body != NULL};

    if (body != NULL) {
        call.body = *body;
    }
    return ks_session_call(client->session, &call, out_body);
}

/* --- one-time keys ------------------------------------------------------------------------ */

static enum ks_err take_batch(struct ks_client *client, const struct ks_kem_key *kem,
                              const struct ks_keys_answer *answer)
{
    enum ks_err err = KS_OK;
    struct ks_secret shared = {0};
    struct ks_keyring_batch batch = {
        .instance = answer->instance,
        .number = answer->batch,
        .count = answer->count,
        .expires_s = answer->expires_s,
    };

    KS_TRY(ks_kem_decap(kem, KS_BYTES(answer->ciphertext), &shared));
    KS_ASSERT(shared.len == sizeof batch.secret);
    ks_copy(batch.secret, shared.data, shared.len);
    ks_keys_answer_salt(answer, batch.salt);
    KS_TRY(ks_keyring_put(client->keyring, &batch));
out:
    ks_secret_done(&shared);
    ks_wipe(&batch, sizeof batch);
    return err;
}

/* One attempt: a fresh ML-KEM key, a request signed by the device, an answer signed by the
 * site. */
static enum ks_err fetch_keys_once(struct ks_client *client, const struct ks_announce *none)
{
    enum ks_err err = KS_OK;
    struct ks_kem_key *kem = NULL;
    struct ks_buf kem_public;
    struct ks_buf document;
    struct ks_buf reply;
    struct ks_keys_request request = {.count = KEYS_PER_BATCH,
                                      .device = ks_bytes_text(client->device)};
    struct ks_keys_answer answer = {0};
    struct ks_bytes body = {0};
    uint8_t digest[32];

    (void)none;
    ks_buf_init(&kem_public, KS_KEM_PUBLIC_LEN);
    ks_buf_init(&document, 65536);
    ks_buf_init(&reply, 65536);
    KS_TRY(ks_kem_key_new(KS_KEM_MLKEM768, &kem));
    KS_TRY(ks_kem_key_public(kem, &kem_public));
    request.kem_public = ks_buf_view(&kem_public);
    ks_copy(request.channel, ks_session_channel(client->session), sizeof request.channel);
    KS_TRY(ks_random(request.nonce, sizeof request.nonce));
    KS_TRY(ks_keys_request_write(&request, client->key, &document, digest));
    body = ks_buf_view(&document);
    KS_TRY(ks_client_post(client, "/v1/keys", &body, &reply));
    KS_TRY(ks_keys_answer_read(ks_buf_view(&reply), client->record, digest, &answer));
    KS_TRY(take_batch(client, kem, &answer));
out:
    ks_kem_key_free(kem);
    ks_buf_done(&kem_public);
    ks_buf_done(&document);
    ks_buf_done(&reply);
    return err;
}

/* FETCH, over as many connections as it takes. */
static enum ks_err on_channel(struct ks_client *client,
                              enum ks_err (*fetch)(struct ks_client *client,
                                                   const struct ks_announce *announce),
                              const struct ks_announce *announce)
{
    enum ks_err err = KS_OK;

    for (unsigned attempt = 0; attempt < KS_SESSION_ATTEMPTS_MAX; attempt++) {
        KS_TRY(ks_session_connect(client->session));
        err = fetch(client, announce);
        if (!ks_session_moved(client->session)) {
            break;
        }
    }
out:
    return err;
}

/* --- quantum keys ------------------------------------------------------------------------- */

/* Tells the site which keys it is to fetch; it has them when it answers. */
static enum ks_err announce_once(struct ks_client *client, const struct ks_announce *wanted)
{
    enum ks_err err = KS_OK;
    struct ks_announce announce = *wanted;
    struct ks_announced announced = {0};
    struct ks_buf document;
    struct ks_buf reply;
    struct ks_bytes body = {0};

    ks_buf_init(&document, KS_ANNOUNCE_BYTES_MAX);
    ks_buf_init(&reply, KS_ANNOUNCE_BYTES_MAX);
    ks_copy(announce.channel, ks_session_channel(client->session), sizeof announce.channel);
    KS_TRY(ks_random(announce.nonce, sizeof announce.nonce));
    KS_TRY(ks_announce_write(&announce, client->key, &document));
    body = ks_buf_view(&document);
    KS_TRY(ks_client_post(client, "/v1/keys/announce", &body, &reply));
    KS_TRY(ks_announced_read(ks_buf_view(&reply), &announced));
    KS_CHECK(announced.count == announce.keys.count, KS_ERR_FORMAT,
             "site: it has %u of %zu quantum keys", (unsigned)announced.count,
             announce.keys.count);
    client->quantum_expires_s = announced.expires_s;
out:
    ks_buf_done(&document);
    ks_buf_done(&reply);
    return err;
}

/* A batch from our manager, announced, and only then kept: what the site could not fetch is of
 * no use. */
static enum ks_err fetch_quantum(struct ks_client *client)
{
    enum ks_err err = KS_OK;
    size_t count = ks_quantum_batch(client->quantum);
    struct ks_keyring_quantum *keys = ks_calloc(count, sizeof *keys);
    struct ks_announce announce = {.sae = *ks_quantum_sae(client->quantum),
                                   .keys = {.count = count}};

    KS_CHECK(keys != NULL, KS_ERR_NOMEM, "quantum keys");
    KS_TRY(ks_quantum_fetch(client->quantum, count, keys));
    ks_copy(announce.device, client->device, sizeof announce.device);
    for (size_t i = 0; i < count; i++) {
        announce.keys.ids[i] = keys[i].id;
    }
    KS_TRY(on_channel(client, announce_once, &announce));
    err = ks_keyring_quantum_add(client->keyring, keys, count, client->quantum_expires_s,
                                 ks_clock_us() / 1000000);
    KS_TRY(err == KS_ERR_LIMIT ? KS_OK : err); /* another process has filled it */
    client->fallen_back = false;
out:
    if (keys != NULL) {
        ks_wipe(keys, count * sizeof *keys);
    }
    ks_free(keys);
    return err;
}

/* Quantum keys cannot be had: whether others will do is said in the device's keys.json. */
static enum ks_err fall_back(struct ks_client *client, enum ks_err err)
{
    if (err == KS_OK || err == KS_ERR_NOMEM || !ks_quantum_falls_back(client->quantum)) {
        return err;
    }
    client->fallen_back = true;
    (void)snprintf(client->notice, sizeof client->notice,
                   "no quantum keys, so the site's own are used: %s", ks_err_detail());
    return KS_OK;
}

/* What this device signs with, as things are. */
static struct ks_keyring_want wanted_keys(const struct ks_client *client, bool with_counter)
{
    enum ks_key_source source = ks_quantum_source(client->quantum);

    return (struct ks_keyring_want){
        .kem = source != KS_KEY_SOURCE_ETSI014 || client->fallen_back,
        .quantum = source != KS_KEY_SOURCE_KEM && !client->fallen_back,
        .counter = with_counter,
    };
}

static enum ks_key_source source_now(const struct ks_client *client)
{
    return client->fallen_back ? KS_KEY_SOURCE_KEM : ks_quantum_source(client->quantum);
}

/* Fetches what is missing. */
static enum ks_err stock_up(struct ks_client *client)
{
    enum ks_err err = KS_OK;
    struct ks_keyring_left left = {0};

    KS_TRY(ks_keyring_count(client->keyring, ks_clock_us() / 1000000, &left));
    if (wanted_keys(client, false).quantum && left.quantum == 0) {
        KS_TRY(fall_back(client, fetch_quantum(client)));
    }
    if (wanted_keys(client, false).kem && left.kem == 0) {
        KS_TRY(on_channel(client, fetch_keys_once, NULL));
    }
out:
    return err;
}

/* After a request, so that the next one does not wait for any manager. Its failure is told, and
 * shows again when the keys are needed. */
static void top_up(struct ks_client *client)
{
    struct ks_keyring_left left = {0};
    enum ks_err err = KS_OK;

    if (!wanted_keys(client, false).quantum) {
        return;
    }
    KS_TRY(ks_keyring_count(client->keyring, ks_clock_us() / 1000000, &left));
    if (left.quantum < ks_quantum_low(client->quantum)) {
        KS_TRY(fetch_quantum(client));
    }
out:
    if (err != KS_OK) {
        (void)snprintf(client->notice, sizeof client->notice,
                       "%zu quantum keys are left, and no more came: %s", left.quantum,
                       ks_err_detail());
    }
}

static enum ks_err take_key(struct ks_client *client, bool with_counter,
                            struct ks_keyring_key *out_key)
{
    enum ks_err err = KS_OK;
    struct ks_keyring_want want = wanted_keys(client, with_counter);

    err = ks_keyring_take(client->keyring, ks_clock_us() / 1000000, &want, out_key);
    if (err == KS_ERR_NOT_FOUND) {
        KS_TRY(stock_up(client));
        want = wanted_keys(client, with_counter);
        err = ks_keyring_take(client->keyring, ks_clock_us() / 1000000, &want, out_key);
    }
out:
    return err;
}

/* --- signed requests ---------------------------------------------------------------------- */

static enum ks_err sign_fields(struct ks_client *client, const char *target,
                               struct ks_bytes body, const struct ks_keyring_key *key,
                               struct ks_signature_fields *out_fields)
{
    enum ks_err err = KS_OK;
    uint8_t random[16];
    char nonce[2 * sizeof random + 1];
    struct ks_signature_spec spec = {
        .method = "POST",
        .authority = ks_session_authority(client->session),
        .target = target,
        .content_type = "application/json",
        .body = body,
        .created = ks_clock_us() / 1000000,
        .nonce = nonce,
        .key_id = key->id,
    };

    KS_TRY(ks_random(random, sizeof random));
    ks_hex_encode(KS_BYTES(random), nonce);
    spec.expires = spec.created + REQUEST_LIFE_S;
    ks_copy(spec.channel, ks_session_channel(client->session), sizeof spec.channel);
    KS_TRY(ks_signature_make(&spec, KS_BYTES(key->key), out_fields));
out:
    return err;
}

static enum ks_err post_signed(struct ks_client *client, const char *target,
                               struct ks_bytes body, const struct ks_keyring_key *key,
                               const char *idempotency, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_signature_fields fields;
    const struct ks_session_call call = {.method = "POST",
                                         .target = target,
                                         .body = body,
                                         .bound = true,
                                         .fields = &fields,
                                         .idempotency = idempotency};

    KS_TRY(sign_fields(client, target, body, key, &fields));
    KS_TRY(ks_session_call(client->session, &call, out));
out:
    return err;
}

/* The body of a submission for the channel that stands now. */
static enum ks_err make_body(struct ks_client *client, struct ks_bytes job,
                             const struct ks_keyring_key *key, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_submission submission = {
        .counter = key->counter,
        .created_us = ks_clock_us(),
        .device = ks_bytes_text(client->device),
        .key_id = ks_bytes_text(key->id),
        .site = ks_bytes_text(client->site->origin),
    };
    struct ks_buf bytes;
    struct ks_buf signature;

    ks_buf_init(&bytes, 65536);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    ks_copy(submission.channel, ks_session_channel(client->session), sizeof submission.channel);
    ks_sha256(job, submission.job);
    KS_TRY(ks_random(submission.nonce, sizeof submission.nonce));
    ks_submission_write(&submission, &bytes);
    KS_TRY(ks_buf_check(&bytes));
    KS_TRY(ks_sign(client->key, KS_CONTEXT_SUBMISSION, ks_buf_view(&bytes), &signature));
    ks_request_body_write(job, ks_buf_view(&bytes), ks_buf_view(&signature), out);
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&bytes);
    ks_buf_done(&signature);
    return err;
}

static enum ks_err write_job(struct ks_client *client, const struct ks_job_spec *spec,
                             struct ks_buf *out)
{
    static const struct ks_json_limits limits = {.len_max = 65536, .nodes_max = 64};
    enum ks_err err = KS_OK;
    struct ks_json_doc *noise = NULL;
    struct ks_job job = {
        .schema = 2,
        .source = ks_bytes_of(spec->qasm, spec->qasm == NULL ? 0 : spec->qasm_len),
        .template =
            spec->template == NULL ? (struct ks_bytes){0} : ks_bytes_text(spec->template),
        .qubits = spec->qubits,
        .depth = spec->depth,
        .template_seed = spec->template_seed,
        .shots = spec->shots,
        .seed = spec->seed,
        .single = spec->single_precision,
        .method_said = true,
        .bond_max = spec->bond_max,
        .cutoff = spec->bond_max > 0 ? spec->cutoff : KS_CUTOFF_UNSAID,
    };

    KS_CHECK(ks_utf8_valid(job.source), KS_ERR_FORMAT, "the program is not UTF-8 text");
    if (spec->sdk != NULL) {
        KS_TRY(ks_fail_prefix(ks_sdk_find(ks_bytes_text(spec->sdk), &job.sdk), "SDK '%s'",
                              spec->sdk));
    }
    if (job.sdk != KS_SDK_KETSEAL) {
        KS_CHECK(spec->method == NULL && spec->bond_max == 0 && spec->noise == NULL,
                 KS_ERR_USAGE, "method, bonds and noise are ketseal's own, not those of '%s'",
                 spec->sdk);
        job.schema = 3;
        job.method_said = false;
    }
    if (spec->method != NULL) {
        KS_TRY(ks_fail_prefix(ks_job_method_find(ks_bytes_text(spec->method), &job.method),
                              "method '%s'", spec->method));
    }
    if (spec->noise != NULL) {
        KS_TRY(ks_fail_prefix(ks_json_parse_canonical(*spec->noise, &limits, &noise), "noise"));
        job.noise = ks_json_root(noise);
    }
    ks_job_write(&job, out);
    KS_TRY(ks_fail_prefix(ks_buf_check(out), "the job"));
    ks_tracer_asked(&client->tracer, &job);
out:
    ks_json_doc_free(noise);
    return err;
}

/* What is sent under a one-time key. */
struct signed_request {
    const char *target;
    struct ks_bytes job; /* a submission; empty: a bare "{}" */
    const char *idempotency;
};

static enum ks_err send_once(struct ks_client *client, const struct signed_request *request,
                             const struct ks_keyring_key *key, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;

    ks_buf_init(&body, KS_JOB_BYTES_MAX);
    if (request->job.len > 0) {
        KS_TRY(make_body(client, request->job, key, &body));
    } else {
        ks_buf_put_text(&body, "{}");
        KS_TRY(ks_buf_check(&body));
    }
    err = post_signed(client, request->target, ks_buf_view(&body), key, request->idempotency,
                      out);
    ks_tracer_exchange(&client->tracer, ks_session_facts(client->session));
out:
    ks_buf_done(&body);
    return err;
}

/* With one key, over as many connections as it takes: one that was made anew has not carried
 * the key, so that is still good. *OUT_SENT stays false while the site refuses the device
 * itself. */
static enum ks_err send_with_key(struct ks_client *client, const struct signed_request *request,
                                 struct ks_buf *out, bool *out_sent)
{
    enum ks_err err = KS_OK;
    struct ks_keyring_key key = {0};
    uint64_t begin_us = 0;

    KS_TRY(ks_session_connect(client->session));
    begin_us = ks_clock_monotonic_us();
    KS_TRY(take_key(client, request->job.len > 0, &key));
    ks_tracer_key(&client->tracer, source_now(client), ks_clock_monotonic_us() - begin_us);
    *out_sent = true;
    for (unsigned attempt = 0; attempt < KS_SESSION_ATTEMPTS_MAX; attempt++) {
        KS_TRY(ks_session_connect(client->session));
        err = send_once(client, request, &key, out);
        if (!ks_session_moved(client->session)) {
            break;
        }
    }
out:
    ks_wipe(&key, sizeof key);
    return err;
}

bool ks_client_attests(const struct ks_client *client)
{
    return client->machine[0] != '\0';
}

enum ks_err ks_client_attest(struct ks_client *client)
{
    enum ks_err err = KS_OK;
    struct ks_buf verdict;

    ks_buf_init(&verdict, KS_ENROL_BYTES_MAX);
    KS_TRY(ks_device_reattest(client, client->machine, &verdict, NULL));
out:
    ks_buf_done(&verdict);
    return err;
}

/* A site that was started again counts the keys it had reserved as spent, and one that was set
 * up again knows none of ours: a refusal is worth one attempt with a fresh batch. Nothing ran:
 * keys are checked before anything else happens. */
static enum ks_err send_signed(struct ks_client *client, const struct signed_request *request,
                               struct ks_buf *out)
{
    bool sent = false;
    enum ks_err err = send_with_key(client, request, out, &sent);

    if (err == KS_ERR_STALE && ks_client_attests(client)) {
        KS_TRY(ks_client_attest(client));
        err = send_with_key(client, request, out, &sent);
    }
    if (err == KS_ERR_DENIED && sent) {
        KS_TRY(ks_keyring_drop(client->keyring));
        KS_TRY(send_with_key(client, request, out, &sent));
    }
    if (err == KS_OK) {
        top_up(client);
    }
out:
    return err;
}

/* The site knows the program without its name: "site: program:7:12: what" becomes "NAME:7:12:
 * what". */
static enum ks_err name_program(const struct ks_job_spec *spec, enum ks_err err)
{
    static const char place[] = "site: program:";
    char detail[KS_ERR_DETAIL_MAX];

    if (err != KS_OK && spec->name != NULL &&
        strncmp(ks_err_detail(), place, sizeof place - 1) == 0) {
        (void)snprintf(detail, sizeof detail, "%s", ks_err_detail() + sizeof place - 1);
        return ks_fail(err, "%s:%s", spec->name, detail);
    }
    return err;
}

static enum ks_err submit(struct ks_client *client, const struct ks_job_spec *spec,
                          const char *target, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf job;
    struct signed_request request = {.target = target, .idempotency = spec->idempotency};

    ks_buf_init(&job, KS_JOB_BYTES_MAX);
    KS_TRY(write_job(client, spec, &job));
    request.job = ks_buf_view(&job);
    KS_TRY(name_program(spec, send_signed(client, &request, out)));
out:
    ks_buf_done(&job);
    return err;
}

enum ks_err ks_client_send_job(struct ks_client *client, const char *target,
                               struct ks_bytes job, struct ks_buf *out)
{
    const struct signed_request request = {.target = target, .job = job};

    return send_signed(client, &request, out);
}

enum ks_err ks_client_run(struct ks_client *client, const struct ks_job_spec *job,
                          struct ks_buf *out_bundle)
{
    const size_t before = out_bundle->len;
    enum ks_err err = KS_OK;

    ks_tracer_begin(&client->tracer, client->device, NULL, ks_session_facts(client->session));
    err = submit(client, job, "/qjob", out_bundle);
    if (err == KS_OK) {
        ks_tracer_bundle(&client->tracer,
                         ks_bytes_of(out_bundle->data + before, out_bundle->len - before),
                         client->site);
    }
    return ks_tracer_end(&client->tracer, err, ks_session_facts(client->session));
}

enum ks_err ks_client_submit(struct ks_client *client, const struct ks_job_spec *job,
                             struct ks_buf *out_state)
{
    const size_t before = out_state->len;
    enum ks_err err = KS_OK;

    ks_tracer_begin(&client->tracer, client->device, NULL, ks_session_facts(client->session));
    err = submit(client, job, "/v1/jobs", out_state);
    if (err == KS_OK) {
        ks_tracer_state(&client->tracer,
                        ks_bytes_of(out_state->data + before, out_state->len - before));
    }
    return ks_tracer_end(&client->tracer, err, ks_session_facts(client->session));
}

enum ks_err ks_client_cancel(struct ks_client *client, const char *id)
{
    enum ks_err err = KS_OK;
    char target[128];
    const struct signed_request request = {.target = target};
    struct ks_buf answer;

    ks_buf_init(&answer, 65536);
    KS_CHECK(ks_text_is_uuid(ks_bytes_text(id)), KS_ERR_USAGE, "'%s' is no job id", id);
    (void)snprintf(target, sizeof target, "/v1/jobs/%s/cancel", id);
    KS_TRY(send_signed(client, &request, &answer));
out:
    ks_buf_done(&answer);
    return err;
}
