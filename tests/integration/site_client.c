/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A device that can be asked to misbehave, for tests against a running site:
 *
 *   site_client [OPTION]… METHOD TARGET     one request; prints "STATUS TYPE", then the
 * answer's body site_client [OPTION]… PROVE BUNDLE…     each bundle's record against the ledger
 * as it is now
 *
 *   --device=DIR       root.pem, device.pem, device.key, site.json, url, state/ (default: .)
 *   --unknown          shows no certificate: for the enrolment listener; root.pem, site.json,
 * url
 *   --keyring=DIR      one-time keys from there
 *   --type=TYPE --body=FILE                 a body as it stands
 *   --job=FILE         a body that submits this job; signs
 *   --site=ORIGIN --as=DEVICE --age=SECONDS what the submission says
 *   --keys=COUNT       a body that asks for one-time keys
 *   --announce=ID,…    a body that announces these quantum keys
 *   --order=VERB --about=DEVICE             a body that orders this, signed by the own key
 *   --join=ROUND --session=ID --samples=N   a body that joins this round of learning
 *   --sign             with the next one-time key
 *   --quantum[=both]   that is a quantum key (with a key of the site's own)
 *   --key-id=ID        says that this key signed
 *   --spoil=WHAT       expired, other-body, digest, key, channel, signature, submission
 *   --idempotency=KEY
 *   --times=N          the same bytes N times on this connection (each answer is printed)
 *   --dry              prepares and saves, sends nothing
 *   --show             prints the body that is sent
 *   --save=FILE        fields and body of the signed request
 *   --load=FILE        sends what was saved, on this connection
 *
 * Exit status: 0 for any complete answer; PROVE: 0 when all is proven, 1 if not; else as
 * ketseal. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/sys.h"
#include "base/text.h"
#include "client/keyring.h"
#include "crypto/digest.h"
#include "crypto/kem.h"
#include "crypto/keyfile.h"
#include "ledger/checkpoint.h"
#include "net/http_client.h"
#include "net/signature.h"
#include "qkd/announce.h"
#include "record/enrol.h"
#include "record/fl.h"
#include "record/record.h"

#define PEM_MAX  65536
#define BODY_MAX (4 * 1024 * 1024)

struct options {
    const char *device;
    const char *keyring;
    const char *type;
    const char *body;
    const char *job;
    const char *site;
    const char *as;
    const char *age;
    const char *sign;
    const char *key_id;
    const char *spoil;
    const char *idempotency;
    const char *times;
    const char *dry;
    const char *save;
    const char *load;
    const char *keys;
    const char *show;
    const char *unknown;
    const char *order;
    const char *about;
    const char *quantum;
    const char *announce;
    const char *join;
    const char *session;
    const char *samples;
};

struct client {
    struct options options;
    const char *method;
    const char *target;
    struct ks_tls *tls;
    struct ks_http_client *http;
    struct ks_sign_key *key;
    char device[KS_DEVICE_ID_MAX + 1];
    struct ks_site *site;
    uint8_t channel[KS_CHANNEL_LEN];
    struct ks_signature_fields fields;
    bool signed_request;
    struct ks_buf body;
};

/* --- setting up
 * ------------------------------------------------------------------------------------- */

static const char *option_names[] = {
    "device",  "keyring",  "type",   "body",    "job",         "site",  "as",
    "age",     "sign",     "key-id", "spoil",   "idempotency", "times", "dry",
    "save",    "load",     "keys",   "show",    "unknown",     "order", "about",
    "quantum", "announce", "join",   "session", "samples"};

/* The place of option INDEX, in the order of the names above. */
static const char **option_at(struct options *options, size_t index)
{
    const char **const places[] = {
        &options->device,  &options->keyring, &options->type,     &options->body,
        &options->job,     &options->site,    &options->as,       &options->age,
        &options->sign,    &options->key_id,  &options->spoil,    &options->idempotency,
        &options->times,   &options->dry,     &options->save,     &options->load,
        &options->keys,    &options->show,    &options->unknown,  &options->order,
        &options->about,   &options->quantum, &options->announce, &options->join,
        &options->session, &options->samples,
    };

    return places[index];
}

/* The number of arguments taken. */
static int read_options(int argc, char **argv, struct options *options)
{
    int at = 1;

    options->device = ".";
    for (; at < argc && strncmp(argv[at], "--", 2) == 0; at++) {
        const char *name = argv[at] + 2;
        size_t len = strcspn(name, "=");
        bool found = false;

        for (size_t i = 0; i < sizeof option_names / sizeof option_names[0]; i++) {
            if (strlen(option_names[i]) == len && strncmp(name, option_names[i], len) == 0) {
                *option_at(options, i) = name[len] == '=' ? name + len + 1 : "";
                found = true;
            }
        }
        if (!found) {
            (void)fprintf(stderr, "site_client: unknown option '%s'\n", argv[at]);
            exit(2);
        }
    }
    return at;
}

/* A number from the command line; anything else ends the program. */
static uint64_t number(const char *text)
{
    uint64_t value = 0;

    if (ks_text_u64(ks_bytes_text(text), UINT32_MAX, &value) != KS_OK) {
        (void)fprintf(stderr, "site_client: '%s': %s\n", text, ks_err_detail());
        exit(2);
    }
    return value;
}

static bool spoils(const struct client *client, const char *what)
{
    return client->options.spoil != NULL && strcmp(client->options.spoil, what) == 0;
}

static enum ks_err read_in(const struct client *client, const char *name, size_t max,
                           struct ks_buf *out)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/%s", client->options.device, name);
    return ks_file_read(path, max, out);
}

static enum ks_err open_tls(struct client *client)
{
    enum ks_err err = KS_OK;
    struct ks_buf root;
    struct ks_buf cert_pem;
    struct ks_buf key_pem;
    struct ks_cert *cert = NULL;
    struct ks_tls_spec spec = {.side = KS_TLS_CLIENT};
    char path[4096];

    ks_buf_init(&root, PEM_MAX);
    ks_buf_init(&cert_pem, PEM_MAX);
    ks_buf_init(&key_pem, PEM_MAX);
    KS_TRY(read_in(client, "root.pem", PEM_MAX, &root));
    KS_TRY(read_in(client, "device.pem", PEM_MAX, &cert_pem));
    KS_TRY(read_in(client, "device.key", PEM_MAX, &key_pem));
    spec.root_pem = ks_buf_view(&root);
    spec.cert_pem = ks_buf_view(&cert_pem);
    spec.key_pem = ks_buf_view(&key_pem);
    KS_TRY(ks_tls_new(&spec, &client->tls));
    KS_TRY(ks_cert_parse_pem(spec.cert_pem, &cert));
    (void)snprintf(client->device, sizeof client->device, "%s", ks_cert_subject(cert));
    (void)snprintf(path, sizeof path, "%s/device.key", client->options.device);
    KS_TRY(ks_sign_key_load(path, &client->key));
out:
    ks_cert_free(cert);
    ks_buf_done(&root);
    ks_buf_done(&cert_pem);
    ks_buf_wipe(&key_pem);
    return err;
}

/* Of somebody without a certificate. */
static enum ks_err open_unknown(struct client *client)
{
    enum ks_err err = KS_OK;
    struct ks_buf root;
    struct ks_tls_spec spec = {.side = KS_TLS_CLIENT, .mode = KS_TLS_ENROLMENT};

    ks_buf_init(&root, PEM_MAX);
    KS_TRY(read_in(client, "root.pem", PEM_MAX, &root));
    spec.root_pem = ks_buf_view(&root);
    KS_TRY(ks_tls_new(&spec, &client->tls));
out:
    ks_buf_done(&root);
    return err;
}

static enum ks_err open_client(struct client *client)
{
    enum ks_err err = KS_OK;
    struct ks_buf url;
    struct ks_buf site;
    struct ks_http_client_spec http = {.total_ms = 120000, .response_max = KS_BUNDLE_BYTES_MAX};

    ks_buf_init(&url, 512);
    ks_buf_init(&site, KS_SITE_BYTES_MAX);
    KS_TRY(client->options.unknown != NULL ? open_unknown(client) : open_tls(client));
    KS_TRY(read_in(client, "url", 511, &url));
    ks_buf_put_u8(&url, 0);
    url.data[strcspn((char *)url.data, "\n")] = 0;
    http.tls = client->tls;
    http.origin = (char *)url.data;
    KS_TRY(ks_http_client_new(&http, &client->http));
    KS_TRY(read_in(client, "site.json", KS_SITE_BYTES_MAX, &site));
    client->site = ks_calloc(1, sizeof *client->site);
    KS_CHECK(client->site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(ks_site_read(ks_buf_view(&site), client->site));
out:
    ks_buf_done(&url);
    ks_buf_done(&site);
    return err;
}

static void close_client(struct client *client)
{
    ks_http_client_free(client->http);
    ks_tls_free(client->tls);
    ks_sign_key_free(client->key);
    ks_free(client->site);
    ks_buf_done(&client->body);
}

/* --- exchanges
 * ---------------------------------------------------------------------------------------- */

static enum ks_err prepare(void *context, const uint8_t exporter[KS_TLS_EXPORTER_LEN],
                           const struct ks_cert *peer, struct ks_http_outgoing *outgoing)
{
    enum ks_err err = KS_OK;
    struct client *client = context;
    const char *idempotency = client->options.idempotency;

    (void)peer;
    ks_copy(client->channel, exporter, sizeof client->channel);
    if (client->signed_request) {
        KS_TRY(ks_http_outgoing_add(outgoing, "Content-Digest", client->fields.content_digest));
        KS_TRY(ks_http_outgoing_add(outgoing, "Ketseal-Channel", client->fields.channel));
        KS_TRY(ks_http_outgoing_add(outgoing, "Signature-Input", client->fields.input));
        KS_TRY(ks_http_outgoing_add(outgoing, "Signature", client->fields.signature));
    }
    if (idempotency != NULL) {
        KS_TRY(ks_http_outgoing_add(outgoing, "Idempotency-Key", idempotency));
    }
out:
    return err;
}

static enum ks_err get(struct client *client, const char *target, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct ks_http_call call = {
        .method = "GET", .target = target, .prepare = prepare, .context = client};
    struct ks_http_answer answer = {0};

    client->signed_request = false;
    KS_TRY(ks_http_client_call(client->http, &call, &answer));
    KS_CHECK(answer.status == 200, KS_ERR_VERIFY, "GET %s: %d %.*s", target, answer.status,
             (int)(answer.body.len > 300 ? 300 : answer.body.len),
             (const char *)answer.body.data);
    ks_buf_put(out, ks_buf_view(&answer.body));
    KS_TRY(ks_buf_check(out));
out:
    ks_http_answer_done(&answer);
    return err;
}

static enum ks_err send_request(struct client *client)
{
    enum ks_err err = KS_OK;
    struct ks_http_answer answer = {0};
    struct ks_http_call call = {
        .method = client->method,
        .target = client->target,
        .prepare = prepare,
        .context = client,
    };

    if (client->body.len > 0 || client->options.body != NULL || client->signed_request) {
        call.content_type =
            client->options.type != NULL ? client->options.type : "application/json";
        call.body = ks_buf_view(&client->body);
    }
    KS_TRY(ks_http_client_call(client->http, &call, &answer));
    (void)printf("%d %s\n", answer.status, answer.content_type);
    (void)fwrite(answer.body.data, 1, answer.body.len, stdout);
    if (answer.body.len == 0 || answer.body.data[answer.body.len - 1] != '\n') {
        (void)putchar('\n');
    }
out:
    ks_http_answer_done(&answer);
    return err;
}

/* --- signed requests
 * ---------------------------------------------------------------------------------- */

static enum ks_err make_submission(struct client *client, const struct ks_keyring_key *key)
{
    enum ks_err err = KS_OK;
    const struct options *options = &client->options;
    struct ks_submission submission = {
        .counter = key->counter,
        .created_us = ks_clock_us(),
        .device = ks_bytes_text(options->as != NULL ? options->as : client->device),
        .key_id = ks_bytes_text(key->id),
        .site = ks_bytes_text(options->site != NULL ? options->site : client->site->origin),
    };
    struct ks_buf job;
    struct ks_buf bytes;
    struct ks_buf signature;

    ks_buf_init(&job, BODY_MAX);
    ks_buf_init(&bytes, 65536);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    KS_TRY(ks_file_read(options->job, BODY_MAX, &job));
    while (job.len > 0 && job.data[job.len - 1] == '\n') {
        job.len--;
    }
    if (options->age != NULL) {
        submission.created_us -= number(options->age) * 1000000;
    }
    ks_copy(submission.channel, client->channel, sizeof submission.channel);
    ks_sha256(ks_buf_view(&job), submission.job);
    KS_TRY(ks_random(submission.nonce, sizeof submission.nonce));
    ks_submission_write(&submission, &bytes);
    KS_TRY(ks_sign(client->key, KS_CONTEXT_SUBMISSION, ks_buf_view(&bytes), &signature));
    if (spoils(client, "submission")) {
        signature.data[100] ^= 1;
    }
    ks_request_body_write(ks_buf_view(&job), ks_buf_view(&bytes), ks_buf_view(&signature),
                          &client->body);
    KS_TRY(ks_buf_check(&client->body));
out:
    ks_buf_done(&job);
    ks_buf_done(&bytes);
    ks_buf_done(&signature);
    return err;
}

static enum ks_err make_fields(struct client *client, struct ks_keyring_key *key)
{
    enum ks_err err = KS_OK;
    struct ks_signature_spec spec = {
        .method = client->method,
        .authority = ks_http_client_authority(client->http),
        .target = client->target,
        .content_type =
            client->options.type != NULL ? client->options.type : "application/json",
        .body = ks_buf_view(&client->body),
        .created = ks_clock_us() / 1000000,
        .nonce = "0123456789abcdef0123456789abcdef",
        .key_id = client->options.key_id != NULL ? client->options.key_id : key->id,
    };

    ks_copy(spec.channel, client->channel, sizeof spec.channel);
    spec.created -= spoils(client, "expired") ? 200 : 0;
    spec.expires = spec.created + 120;
    spec.channel[0] ^= spoils(client, "channel") ? 1 : 0;
    key->key[0] ^= spoils(client, "key") ? 1 : 0;
    if (spoils(client, "other-body")) {
        spec.body = KS_LITERAL("{}");
    }
    KS_TRY(ks_signature_make(&spec, KS_BYTES(key->key), &client->fields));
    if (spoils(client, "digest")) { /* "sha-256=:": then base64 */
        client->fields.content_digest[12] =
            client->fields.content_digest[12] == 'A' ? 'B' : 'A';
    }
    if (spoils(client, "signature")) { /* "ketseal=:" */
        client->fields.signature[12] = client->fields.signature[12] == 'A' ? 'B' : 'A';
    }
    client->signed_request = true;
out:
    return err;
}

static enum ks_err make_keys_request(struct client *client)
{
    enum ks_err err = KS_OK;
    const struct options *options = &client->options;
    struct ks_kem_key *kem = NULL;
    struct ks_buf kem_public;
    struct ks_buf health;
    struct ks_keys_request wanted = {
        .count = (uint32_t)number(options->keys),
        .device = ks_bytes_text(options->as != NULL ? options->as : client->device),
    };
    uint8_t digest[32];

    ks_buf_init(&kem_public, KS_KEM_PUBLIC_LEN);
    ks_buf_init(&health, 65536);
    KS_TRY(get(client, "/healthz", &health)); /* the channel is known now */
    KS_TRY(ks_kem_key_new(KS_KEM_MLKEM768, &kem));
    KS_TRY(ks_kem_key_public(kem, &kem_public));
    wanted.kem_public = ks_buf_view(&kem_public);
    ks_copy(wanted.channel, client->channel, sizeof wanted.channel);
    KS_TRY(ks_random(wanted.nonce, sizeof wanted.nonce));
    KS_TRY(ks_keys_request_write(&wanted, client->key, &client->body, digest));
out:
    ks_kem_key_free(kem);
    ks_buf_done(&kem_public);
    ks_buf_done(&health);
    return err;
}

static enum ks_err make_announce(struct client *client)
{
    enum ks_err err = KS_OK;
    const struct options *options = &client->options;
    const char *device = options->as != NULL ? options->as : client->device;
    struct ks_announce announce = {{0}};
    struct ks_bytes rest = ks_bytes_text(options->announce);
    struct ks_buf health;

    ks_buf_init(&health, 65536);
    KS_TRY(get(client, "/healthz", &health)); /* the channel is known now */
    ks_copy(announce.channel, client->channel, sizeof announce.channel);
    announce.channel[0] ^= spoils(client, "channel") ? 1 : 0;
    KS_TRY(ks_random(announce.nonce, sizeof announce.nonce));
    (void)snprintf(announce.device, sizeof announce.device, "%s", device);
    KS_TRY(ks_etsi014_sae_parse(ks_bytes_text(client->device), &announce.sae));
    while (rest.len >= KS_ETSI014_ID_TEXT_LEN && announce.keys.count < KS_ETSI014_KEYS_MAX) {
        size_t len = KS_ETSI014_ID_TEXT_LEN;

        KS_TRY(ks_etsi014_id_parse(ks_bytes_of(rest.data, len),
                                   &announce.keys.ids[announce.keys.count++]));
        len += rest.len > len ? 1 : 0; /* the comma */
        rest = ks_bytes_of(rest.data + len, rest.len - len);
    }
    KS_TRY(ks_announce_write(&announce, client->key, &client->body));
    if (spoils(client, "submission")) { /* a letter of the signature, far from its padding */
        uint8_t *letter = &client->body.data[client->body.len - 100];

        *letter = *letter == 'A' ? 'B' : 'A';
    }
out:
    ks_buf_done(&health);
    return err;
}

static enum ks_err make_order(struct client *client)
{
    enum ks_err err = KS_OK;
    struct ks_order order = {.device = ks_bytes_text(client->options.about),
                             .site = ks_bytes_text(client->site->origin),
                             .created_us = ks_clock_us()};
    struct ks_buf health;

    ks_buf_init(&health, 65536);
    KS_TRY(ks_order_from_name(ks_bytes_text(client->options.order), &order.verb));
    KS_TRY(get(client, "/healthz", &health)); /* the channel is known now */
    ks_copy(order.channel, client->channel, sizeof order.channel);
    KS_TRY(ks_order_write(&order, client->key, &client->body));
out:
    ks_buf_done(&health);
    return err;
}

static enum ks_err make_join(struct client *client)
{
    enum ks_err err = KS_OK;
    struct ks_fl_join join = {.device = ks_bytes_text(client->device),
                              .round = number(client->options.join),
                              .samples = number(client->options.samples),
                              .site = ks_bytes_text(client->site->origin),
                              .created_us = ks_clock_us()};
    struct ks_buf health;

    ks_buf_init(&health, 65536);
    KS_TRY(ks_hex_decode(ks_bytes_text(client->options.session), join.session,
                         sizeof join.session));
    KS_TRY(get(client, "/healthz", &health)); /* the channel is known now */
    ks_copy(join.channel, client->channel, sizeof join.channel);
    KS_TRY(ks_fl_join_write(&join, client->key, &client->body));
out:
    ks_buf_done(&health);
    return err;
}

static enum ks_err sign_request(struct client *client)
{
    enum ks_err err = KS_OK;
    struct ks_keyring *keyring = NULL;
    struct ks_keyring_key key = {0};
    struct ks_keyring_want want = {0};
    struct ks_buf health;
    char path[4096];

    ks_buf_init(&health, 65536);
    (void)snprintf(path, sizeof path, "%s/state", client->options.device);
    KS_TRY(get(client, "/healthz", &health)); /* the channel is known now */
    KS_TRY(ks_keyring_open(client->options.keyring != NULL ? client->options.keyring : path,
                           &keyring));
    want.counter = client->options.job != NULL;
    want.quantum = client->options.quantum != NULL;
    want.kem = !want.quantum || strcmp(client->options.quantum, "both") == 0;
    KS_TRY(ks_keyring_take(keyring, ks_clock_us() / 1000000, &want, &key));
    (void)fprintf(stderr, "key %s\n", key.id);
    if (client->options.job != NULL) {
        KS_TRY(make_submission(client, &key));
    }
    KS_TRY(make_fields(client, &key));
out:
    ks_wipe(&key, sizeof key);
    ks_keyring_close(keyring);
    ks_buf_done(&health);
    return err;
}

static enum ks_err save_request(struct client *client)
{
    enum ks_err err = KS_OK;
    struct ks_buf saved;

    ks_buf_init(&saved, BODY_MAX + sizeof client->fields);
    ks_buf_put(&saved, ks_bytes_of(&client->fields, sizeof client->fields));
    ks_buf_put(&saved, ks_buf_view(&client->body));
    KS_TRY(ks_buf_check(&saved));
    KS_TRY(ks_file_write(client->options.save, ks_buf_view(&saved), 0600));
out:
    ks_buf_done(&saved);
    return err;
}

static enum ks_err load_request(struct client *client)
{
    enum ks_err err = KS_OK;
    struct ks_buf saved;
    size_t fields = sizeof client->fields;

    ks_buf_init(&saved, BODY_MAX + fields);
    KS_TRY(ks_file_read(client->options.load, BODY_MAX + fields, &saved));
    KS_CHECK(saved.len >= fields, KS_ERR_FORMAT, "%s: too short", client->options.load);
    ks_copy(&client->fields, saved.data, fields);
    ks_buf_put(&client->body, ks_bytes_of(saved.data + fields, saved.len - fields));
    KS_TRY(ks_buf_check(&client->body));
    client->signed_request = true;
out:
    ks_buf_done(&saved);
    return err;
}

static enum ks_err request(struct client *client)
{
    enum ks_err err = KS_OK;
    const struct options *options = &client->options;
    uint64_t times = options->times == NULL ? 1 : number(options->times);

    if (options->body != NULL) {
        KS_TRY(ks_file_read(options->body, BODY_MAX, &client->body));
    }
    if (options->keys != NULL) {
        KS_TRY(make_keys_request(client));
    }
    if (options->announce != NULL) {
        KS_TRY(make_announce(client));
    }
    if (options->order != NULL) {
        KS_TRY(make_order(client));
    }
    if (options->join != NULL) {
        KS_TRY(make_join(client));
    }
    if (options->load != NULL) {
        KS_TRY(load_request(client));
    } else if (options->sign != NULL || options->job != NULL) {
        KS_TRY(sign_request(client));
    }
    if (options->save != NULL) {
        KS_TRY(save_request(client));
    }
    if (options->show != NULL) {
        (void)printf("%.*s\n", (int)client->body.len, (const char *)client->body.data);
    }
    for (uint64_t i = 0; i < times && options->dry == NULL; i++) {
        KS_TRY(send_request(client));
    }
out:
    return err;
}

/* --- proving
 * ------------------------------------------------------------------------------------------ */

struct prover {
    struct client *client;
    struct ks_buf note;
    struct ks_checkpoint_opened opened;
};

/* The newest checkpoint, under both of the pinned site's ledger keys. */
static enum ks_err open_checkpoint(struct prover *prover)
{
    enum ks_err err = KS_OK;
    const struct ks_site *site = prover->client->site;
    struct ks_bytes origin = ks_bytes_text(site->origin);
    struct ks_note_key *ed25519 = NULL;
    struct ks_note_key *mldsa44 = NULL;

    KS_TRY(ks_note_key_new(origin, KS_NOTE_ED25519, KS_BYTES(site->note_ed25519), &ed25519));
    KS_TRY(ks_note_key_new(origin, KS_NOTE_COSIGNED_MLDSA44, KS_BYTES(site->note_mldsa44),
                           &mldsa44));
    {
        const struct ks_note_key *const keys[] = {ed25519, mldsa44};
        const struct ks_note_trust trust = {.keys = keys, .count = 2};

        KS_TRY(get(prover->client, "/v1/ledger/checkpoint", &prover->note));
        KS_TRY(ks_checkpoint_open(ks_buf_view(&prover->note), origin, &trust, &prover->opened));
    }
out:
    ks_note_key_free(ed25519);
    ks_note_key_free(mldsa44);
    return err;
}

static enum ks_err read_path(struct ks_bytes document, struct ks_merkle_proof *out_proof)
{
    static const struct ks_json_limits limits = {.len_max = 65536, .nodes_max = 256};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *path = NULL;

    KS_TRY(ks_json_parse(document, &limits, &doc));
    KS_TRY(ks_json_get(ks_json_root(doc), "path", KS_JSON_ARRAY, &path));
    out_proof->count = ks_json_count(path);
    KS_CHECK(out_proof->count <= KS_MERKLE_PATH_MAX, KS_ERR_LIMIT, "path");
    for (size_t i = 0; i < out_proof->count; i++) {
        struct ks_bytes hash = {0};

        KS_TRY(ks_json_string(ks_json_at(path, i), &hash));
        KS_TRY(ks_hex_decode(hash, out_proof->hashes[i], KS_MERKLE_LEN));
    }
out:
    ks_json_doc_free(doc);
    return err;
}

/* The entry that the site gives for INDEX is ENTRY, and is in the tree of the checkpoint. */
static enum ks_err prove_entry(struct prover *prover, uint64_t index, struct ks_bytes expected)
{
    enum ks_err err = KS_OK;
    const struct ks_checkpoint *checkpoint = &prover->opened.checkpoint;
    struct ks_merkle_proof proof = {0};
    struct ks_buf entry;
    struct ks_buf document;
    uint8_t leaf[KS_MERKLE_LEN];
    char target[160];

    ks_buf_init(&entry, 65536);
    ks_buf_init(&document, 65536);
    (void)snprintf(target, sizeof target, "/v1/ledger/entries/%llu", (unsigned long long)index);
    KS_TRY(get(prover->client, target, &entry));
    KS_CHECK(expected.len == 0 || ks_bytes_equal(expected, ks_buf_view(&entry)), KS_ERR_VERIFY,
             "ledger entry %llu is not the record's", (unsigned long long)index);
    ks_merkle_leaf(ks_buf_view(&entry), leaf);
    (void)snprintf(target, sizeof target, "/v1/ledger/inclusion?index=%llu&size=%llu",
                   (unsigned long long)index, (unsigned long long)checkpoint->size);
    KS_TRY(get(prover->client, target, &document));
    KS_TRY(read_path(ks_buf_view(&document), &proof));
    KS_TRY(ks_merkle_check_inclusion(index, checkpoint->size, leaf, proof.hashes[0],
                                     proof.count, checkpoint->root));
out:
    ks_buf_done(&entry);
    ks_buf_done(&document);
    return err;
}

static enum ks_err prove(struct prover *prover, const char *path)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;
    struct ks_buf entry;
    struct ks_bundle *bundle = NULL;

    ks_buf_init(&bytes, KS_BUNDLE_BYTES_MAX);
    ks_buf_init(&entry, KS_ENTRY_BYTES_MAX);
    KS_TRY(ks_file_read(path, KS_BUNDLE_BYTES_MAX, &bytes));
    KS_TRY(ks_bundle_parse(ks_buf_view(&bytes), &bundle));
    ks_entry_record_write(&bundle->core, bundle->core_hash, bundle->evidence_hash,
                          bundle->signatures_hash, &entry);
    KS_TRY(prove_entry(prover, bundle->inclusion.index, ks_buf_view(&entry)));
    KS_TRY(prove_entry(prover, bundle->core.intent_index, (struct ks_bytes){0}));
    (void)printf("%s %.*s\n", path, (int)bundle->core.key_id.len,
                 (const char *)bundle->core.key_id.data);
out:
    ks_bundle_free(bundle);
    ks_buf_done(&bytes);
    ks_buf_done(&entry);
    return err == KS_OK ? err : ks_fail_prefix(err, "%s", path);
}

static enum ks_err prove_all(struct client *client, char **paths, int count)
{
    enum ks_err err = KS_OK;
    struct prover prover = {.client = client};

    ks_buf_init(&prover.note, KS_NOTE_LEN_MAX);
    KS_TRY(open_checkpoint(&prover));
    for (int i = 0; i < count; i++) {
        KS_TRY(prove(&prover, paths[i]));
    }
out:
    ks_buf_done(&prover.note);
    return err;
}

int main(int argc, char **argv)
{
    enum ks_err err = KS_OK;
    struct client client = {0};
    int at = read_options(argc, argv, &client.options);

    ks_buf_init(&client.body, BODY_MAX);
    KS_CHECK(argc - at >= 2, KS_ERR_USAGE, "expected METHOD TARGET");
    client.method = argv[at];
    client.target = argv[at + 1];
    KS_TRY(open_client(&client));
    if (strcmp(client.method, "PROVE") == 0) {
        KS_TRY(prove_all(&client, &argv[at + 1], argc - at - 1));
    } else {
        KS_TRY(request(&client));
    }
out:
    if (err != KS_OK) {
        (void)fflush(stdout);
        (void)fprintf(stderr, "site_client: %s\n", ks_err_detail());
    }
    close_client(&client);
    return ks_err_exit_code(err);
}
