/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "client/operator.h"

#include <stdio.h>

#include "base/sys.h"
#include "client/inside.h"
#include "client/session.h"
#include "client/tls_file.h"
#include "crypto/digest.h"
#include "crypto/keyfile.h"
#include "record/record.h"

#define TIMEOUT_MS   60000
#define RESPONSE_MAX KS_BUNDLE_BYTES_MAX

struct ks_operator {
    struct ks_session *session; /* NULL: offline */
    struct ks_cert *cert;
    struct ks_sign_key *key;
    struct ks_buf root_pem;
};

static enum ks_err read_file(const char *directory, const char *name, size_t len_max,
                             struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char path[KS_PATH_MAX];

    KS_TRY(ks_path_join(directory, name, path));
    KS_TRY(ks_file_read(path, len_max, out));
out:
    return err;
}

static enum ks_err open_session(const struct ks_operator_spec *spec, struct ks_operator *op)
{
    enum ks_err err = KS_OK;
    struct ks_buf cert;
    struct ks_buf key;
    struct ks_session_spec session = {.url = spec->url,
                                      .root_pem = ks_buf_view(&op->root_pem),
                                      .groups = spec->groups,
                                      .timeout_ms = TIMEOUT_MS,
                                      .response_max = RESPONSE_MAX};
    struct ks_tls_file tls;

    ks_buf_init(&cert, KS_CERT_PEM_MAX);
    ks_buf_init(&key, KS_KEY_PEM_MAX);
    KS_TRY(ks_tls_file_read(spec->directory, &tls));
    session.groups = spec->groups != NULL ? spec->groups : ks_tls_file_text(tls.groups);
    session.sigalgs = ks_tls_file_text(tls.sigalgs);
    ks_cert_to_pem(op->cert, &cert);
    KS_TRY(ks_buf_check(&cert));
    KS_TRY(ks_sign_key_to_pem(op->key, &key));
    session.cert_pem = ks_buf_view(&cert);
    session.key_pem = ks_buf_view(&key);
    KS_TRY(ks_session_open(&session, &op->session));
out:
    ks_buf_done(&cert);
    ks_buf_wipe(&key);
    return err;
}

enum ks_err ks_operator_open(const struct ks_operator_spec *spec,
                             struct ks_operator **out_operator)
{
    enum ks_err err = KS_OK;
    struct ks_operator *op = ks_calloc(1, sizeof *op);
    struct ks_buf pem;
    char path[KS_PATH_MAX];

    ks_buf_init(&pem, KS_CERT_PEM_MAX);
    KS_CHECK(op != NULL, KS_ERR_NOMEM, "operator");
    ks_buf_init(&op->root_pem, KS_CERT_PEM_MAX);
    KS_TRY(ks_path_join(spec->directory, "operator.key", path));
    KS_TRY(ks_sign_key_load(path, &op->key));
    KS_TRY(read_file(spec->directory, "operator.pem", KS_CERT_PEM_MAX, &pem));
    KS_TRY(ks_fail_prefix(ks_cert_parse_pem(ks_buf_view(&pem), &op->cert), "%s/operator.pem",
                          spec->directory));
    KS_CHECK(ks_cert_role(op->cert) == KS_CERT_OPERATOR, KS_ERR_FORMAT,
             "%s/operator.pem: it is a certificate of a %s", spec->directory,
             ks_cert_role_name(ks_cert_role(op->cert)));
    KS_TRY(read_file(spec->directory, "root.pem", KS_CERT_PEM_MAX, &op->root_pem));
    if (spec->url != NULL) {
        KS_TRY(open_session(spec, op));
    }
    *out_operator = op;
    op = NULL; /* transferred */
out:
    ks_operator_close(op);
    ks_buf_done(&pem);
    return err;
}

void ks_operator_close(struct ks_operator *op)
{
    if (op == NULL) {
        return;
    }
    ks_session_close(op->session);
    ks_cert_free(op->cert);
    ks_sign_key_free(op->key);
    ks_buf_done(&op->root_pem);
    ks_free(op);
}

struct ks_session *ks_operator_session(struct ks_operator *op)
{
    return op->session;
}

const struct ks_sign_key *ks_operator_key(const struct ks_operator *op)
{
    return op->key;
}

/* --- tokens ------------------------------------------------------------------------------- */

enum ks_err ks_operator_token(struct ks_operator *op, const struct ks_operator_token *wanted,
                              struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    uint8_t id[KS_TOKEN_ID_LEN];
    uint8_t seed[32];
    const struct ks_token_spec spec = {
        .device = ks_bytes_text(wanted->device),
        .site_document = wanted->site_document,
        .root_pem = ks_buf_view(&op->root_pem),
        .url = ks_bytes_text(wanted->url),
        .service = ks_bytes_text(wanted->service),
        .expires_us = ks_clock_us() + wanted->life_s * 1000000,
        .id = id,
        .seed = seed,
        .operator_cert = op->cert,
        .operator_key = op->key,
    };

    KS_CHECK(wanted->life_s >= 1 && wanted->life_s <= KS_TOKEN_LIFE_S_MAX, KS_ERR_USAGE,
             "life of a token: 1 to %d s", KS_TOKEN_LIFE_S_MAX);
    KS_TRY(ks_random(id, sizeof id));
    KS_TRY(ks_random(seed, sizeof seed));
    KS_TRY(ks_token_make(&spec, out));
out:
    ks_wipe(seed, sizeof seed);
    return err;
}

/* --- orders ------------------------------------------------------------------------------- */

enum ks_err ks_operator_get(struct ks_operator *op, const char *target, struct ks_buf *out)
{
    const struct ks_session_call call = {.method = "GET", .target = target};

    return ks_session_call(op->session, &call, out);
}

static enum ks_err post(struct ks_operator *op, const char *target, struct ks_bytes body,
                        struct ks_buf *out)
{
    const struct ks_session_call call = {
        .method = "POST", .target = target, .body = body, .bound = true};

    return ks_session_call(op->session, &call, out);
}

enum ks_err ks_operator_attach(struct ks_operator *op, const struct ks_attachment *attachment,
                               struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct ks_session_call call = {.method = "POST", .target = "/v1/ledger/attachments"};

    ks_buf_init(&body, KS_ATTACHMENT_BYTES_MAX);
    ks_attachment_write(attachment, &body);
    KS_TRY(ks_buf_check(&body));
    call.body = ks_buf_view(&body);
    KS_TRY(ks_session_call(op->session, &call, out));
out:
    ks_buf_done(&body);
    return err;
}

enum ks_err ks_operator_origin(struct ks_operator *op, char target[KS_ORIGIN_MAX + 1])
{
    enum ks_err err = KS_OK;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_buf document;

    ks_buf_init(&document, KS_SITE_BYTES_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(ks_operator_get(op, "/v1/site", &document));
    KS_TRY(ks_site_read(ks_buf_view(&document), site));
    ks_copy(target, site->origin, KS_ORIGIN_MAX + 1);
out:
    ks_free(site);
    ks_buf_done(&document);
    return err;
}

enum ks_err ks_operator_order(struct ks_operator *op, enum ks_order_verb verb,
                              const char *device, const char *reason, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    char origin[KS_ORIGIN_MAX + 1];
    struct ks_order order = {
        .device = ks_bytes_text(device), .reason = ks_bytes_text(reason), .verb = verb};
    struct ks_buf body;

    ks_buf_init(&body, 65536);
    KS_CHECK(ks_text_is_name(order.device, KS_CERT_SUBJECT_MAX), KS_ERR_USAGE,
             "'%s' is no device id", device);
    KS_TRY(ks_operator_origin(op, origin));
    order.site = ks_bytes_text(origin);
    order.created_us = ks_clock_us();
    ks_copy(order.channel, ks_session_channel(op->session), sizeof order.channel);
    KS_TRY(ks_order_write(&order, op->key, &body));
    KS_TRY(post(op, "/v1/orders", ks_buf_view(&body), out));
out:
    ks_buf_done(&body);
    return err;
}

/* --- certification ------------------------------------------------------------------------ */

static enum ks_err fetch_request(struct ks_operator *op, enum ks_tpm_ek_kind kind,
                                 const uint8_t nonce[KS_NONCE_LEN],
                                 struct ks_site_request *out_request)
{
    enum ks_err err = KS_OK;
    char hex[2 * KS_NONCE_LEN + 1];
    char target[160];
    struct ks_buf answer;

    ks_buf_init(&answer, KS_SITE_REQUEST_BYTES_MAX);
    ks_hex_encode(ks_bytes_of(nonce, KS_NONCE_LEN), hex);
    (void)snprintf(target, sizeof target, "/v1/site/request?nonce=%s&ek=%s", hex,
                   kind == KS_TPM_EK_RSA_2048 ? "rsa" : "ecc");
    KS_TRY(ks_operator_get(op, target, &answer));
    KS_TRY(ks_site_request_read(ks_buf_view(&answer), out_request));
out:
    ks_buf_done(&answer);
    return err;
}

/* The endorsement certificate, and whose it is. */
static enum ks_err check_endorsement(const struct ks_operator_certify *how,
                                     const struct ks_site_request *request,
                                     struct ks_ek_public *out_ek,
                                     struct ks_site_certificate *said)
{
    enum ks_err err = KS_OK;
    struct ks_ek_cert *cert = NULL;
    struct ks_ek_certs chain = {0};
    struct ks_ek_certs roots = {0};
    size_t hardware = 0;
    size_t root = 0;

    if (how->ek_roots_pem.len > 0) {
        KS_TRY(ks_ek_certs_add_pem(&roots, how->ek_roots_pem));
    }
    hardware = roots.count;
    if (how->simulated_ek_roots_pem.len > 0) {
        KS_TRY(ks_ek_certs_add_pem(&roots, how->simulated_ek_roots_pem));
    }
    if (how->chain_pem.len > 0) {
        KS_TRY(ks_ek_certs_add_pem(&chain, how->chain_pem));
    }
    KS_TRY(ks_ek_cert_parse_der(ks_buf_view(&request->ek_certificate), &cert));
    KS_TRY(
        ks_fail_prefix(ks_ek_cert_verify(cert, &chain, &roots, ks_clock_us() / 1000000, &root),
                       "endorsement"));
    KS_TRY(ks_ek_public_parse(ks_buf_view(&request->ek), out_ek));
    KS_TRY(ks_ek_public_check_cert(out_ek, cert));
    said->simulated_tpm = root >= hardware;
    ks_sha256(ks_buf_view(&request->ek), said->ek);
    ks_ek_cert_fingerprint(cert, said->ek_certificate);
out:
    ks_ek_cert_free(cert);
    ks_ek_certs_done(&chain);
    ks_ek_certs_done(&roots);
    return err;
}

static enum ks_err read_proof(struct ks_bytes answer, uint8_t out_proof[32])
{
    static const struct ks_json_limits limits = {.len_max = 4096, .nodes_max = 8};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse(answer, &limits, &doc));
    KS_TRY(ks_json_get_base64_exact(ks_json_root(doc), "proof", out_proof, 32));
out:
    ks_json_doc_free(doc);
    return err;
}

/* The site's TPM opens a credential for its attestation key: both live in it. */
static enum ks_err challenge_site(struct ks_operator *op, const struct ks_site *site,
                                  const struct ks_ek_public *ek, const uint8_t digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_ak_public ak;
    uint8_t name[KS_AK_NAME_LEN];
    uint8_t raw[32];
    uint8_t random[KS_CREDENTIAL_RANDOM_LEN];
    uint8_t proof[32];
    uint8_t expected[32];
    struct ks_secret secret = {0};
    struct ks_challenge challenge;
    struct ks_buf body;
    struct ks_buf answer;
    const struct ks_credential_spec spec = {
        .ak_name = KS_BYTES(name), .secret = KS_BYTES(raw), .random = KS_BYTES(random)};

    ks_challenge_init(&challenge);
    ks_buf_init(&body, 16384);
    ks_buf_init(&answer, 4096);
    KS_TRY(ks_ak_public_parse(ks_bytes_of(site->ak, site->ak_len), &ak));
    ks_ak_name(&ak, name);
    KS_TRY(ks_random(raw, sizeof raw));
    KS_TRY(ks_random(random, sizeof random));
    KS_TRY(ks_credential_make(ek, &spec, &challenge.id_object, &challenge.encrypted_secret));
    ks_secret_set(&secret, KS_BYTES(raw));
    challenge.pcr_mask = UINT32_C(1) << site->event_log.pcr;
    ks_challenge_write(&challenge, &body);
    KS_TRY(ks_buf_check(&body));
    KS_TRY(post(op, "/v1/site/activate", ks_buf_view(&body), &answer));
    KS_TRY(read_proof(ks_buf_view(&answer), proof));
    ks_site_proof(&secret, digest, expected);
    KS_CHECK(ks_ct_equal(KS_BYTES(proof), KS_BYTES(expected)), KS_ERR_VERIFY,
             "the site did not activate the credential: its attestation key is not in the TPM "
             "whose certificate it shows");
out:
    ks_wipe(raw, sizeof raw);
    ks_wipe(random, sizeof random);
    ks_secret_done(&secret);
    ks_challenge_done(&challenge);
    ks_buf_done(&body);
    ks_buf_done(&answer);
    return err;
}

static enum ks_err issue_issuer(const struct ks_operator_certify *how,
                                const struct ks_site_request *request, struct ks_site *site,
                                struct ks_cert **out_issuer)
{
    enum ks_err err = KS_OK;
    const uint64_t now = ks_clock_us() / 1000000;
    struct ks_verify_key *key = NULL;
    struct ks_cert *issuer = NULL;
    char subject[KS_CERT_SUBJECT_MAX + 1];
    struct ks_cert_spec spec = {.role = KS_CERT_ISSUER,
                                .subject = subject,
                                .not_before_s = ks_cert_not_before_s(how->root),
                                .not_after_s = now + how->life_s};

    /* A longer origin is cut: the name is for people, the document binds the origin. */
    ks_text_shown(ks_bytes_text(site->origin), subject, sizeof subject);
    spec.not_before_s = now > spec.not_before_s + 300 ? now - 300 : spec.not_before_s;
    spec.not_after_s = spec.not_after_s > ks_cert_not_after_s(how->root)
                           ? ks_cert_not_after_s(how->root)
                           : spec.not_after_s;
    KS_CHECK(!ks_bytes_equal(ks_bytes_text(subject), ks_bytes_text(ks_cert_subject(how->root))),
             KS_ERR_USAGE, "the site has the name of the root");
    KS_TRY(ks_verify_key_new(KS_SIG_MLDSA87, KS_BYTES(request->issuer_key), &key));
    KS_TRY(ks_cert_issue(how->root, how->root_key, &spec, key, &issuer));
    KS_CHECK(ks_cert_der(issuer).len <= sizeof site->issuer, KS_ERR_LIMIT,
             "the issuer's certificate is too long");
    ks_copy(site->issuer, ks_cert_der(issuer).data, ks_cert_der(issuer).len);
    site->issuer_len = ks_cert_der(issuer).len;
    *out_issuer = issuer;
    issuer = NULL; /* transferred */
out:
    ks_cert_free(issuer);
    ks_verify_key_free(key);
    return err;
}

static enum ks_err certify(struct ks_operator *op, const struct ks_operator_certify *how,
                           struct ks_site *site, struct ks_cert **out_issuer)
{
    enum ks_err err = KS_OK;
    struct ks_site_request request;
    struct ks_site_certificate said = {0};
    struct ks_ek_public ek;
    uint8_t nonce[KS_NONCE_LEN];

    ks_site_request_init(&request);
    KS_TRY(ks_random(nonce, sizeof nonce));
    KS_TRY(fetch_request(op, how->kind, nonce, &request));
    KS_TRY(ks_site_request_check(&request, nonce, ks_session_channel(op->session), site));
    KS_TRY(check_endorsement(how, &request, &ek, &said));
    KS_CHECK(said.simulated_tpm == site->simulated_tpm, KS_ERR_VERIFY,
             "the site says that its TPM is %s, its endorsement certificate is of a %s one",
             site->simulated_tpm ? "simulated" : "hardware",
             said.simulated_tpm ? "simulated" : "hardware");
    KS_TRY(challenge_site(op, site, &ek, request.digest));
    KS_TRY(issue_issuer(how, &request, site, out_issuer));
    said.issued_us = ks_clock_us();
    said.expires_us = ks_cert_not_after_s(*out_issuer) * 1000000;
    KS_TRY(ks_site_certify(site, &said, how->root_key));
out:
    ks_site_request_done(&request);
    return err;
}

enum ks_err ks_operator_certify(struct ks_operator *op, const struct ks_operator_certify *how,
                                struct ks_buf *out_document, struct ks_cert **out_issuer)
{
    enum ks_err err = KS_OK;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_cert *issuer = NULL;
    struct ks_buf document;

    ks_buf_init(&document, KS_SITE_BYTES_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "site");
    KS_TRY(ks_session_connect(op->session));
    KS_TRY(certify(op, how, site, &issuer));
    ks_site_write(site, &document);
    KS_TRY(ks_buf_check(&document));
    KS_TRY(post(op, "/v1/site/certificate", ks_buf_view(&document), out_document));
    *out_issuer = issuer;
    issuer = NULL; /* transferred */
out:
    ks_free(site);
    ks_cert_free(issuer);
    ks_buf_done(&document);
    return err;
}
