/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/enrol.h"

#include "crypto/digest.h"
#include "record/internal.h"

static const struct ks_json_limits token_limits = {.len_max = KS_TOKEN_BYTES_MAX,
                                                   .nodes_max = 4096};
static const struct ks_json_limits enrol_limits = {.len_max = KS_ENROL_BYTES_MAX,
                                                   .nodes_max = 128};
static const struct ks_json_limits finish_limits = {.len_max = KS_FINISH_BYTES_MAX,
                                                    .nodes_max = 512};
static const struct ks_json_limits order_limits = {.len_max = 16384, .nodes_max = 32};

static enum ks_err get_device(const struct ks_json *value, struct ks_bytes *out_device)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_json_get_string(value, "device", out_device));
    KS_CHECK(ks_text_is_name(*out_device, KS_CERT_SUBJECT_MAX), KS_ERR_FORMAT,
             "'device': 1 to %d letters, digits, '-' and '_'", KS_CERT_SUBJECT_MAX);
out:
    return err;
}

/* --- token -------------------------------------------------------------------------------- */

static void put_statement(const struct ks_grant *grant, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_string(writer, "device", grant->device);
    ks_document_put_time(writer, "expires_at", grant->expires_us);
    ks_json_member_hex(writer, "id", KS_BYTES(grant->id));
    ks_json_member_base64(writer, "key", KS_BYTES(grant->key));
    ks_json_member_text(writer, "schema", "ketseal.grant/1");
    ks_json_member_string(writer, "site", grant->site);
    ks_json_put_end(writer);
}

static enum ks_err parse_statement(const struct ks_json *value, struct ks_grant *grant)
{
    static const char *const names[] = {"device", "expires_at", "id", "key",
                                        "schema", "site",       NULL};
    enum ks_err err = KS_OK;

    KS_TRY(ks_document_schema(value, "ketseal.grant/1", names));
    KS_TRY(get_device(value, &grant->device));
    KS_TRY(ks_document_get_time(value, "expires_at", &grant->expires_us));
    KS_TRY(ks_json_get_hex(value, "id", grant->id, sizeof grant->id));
    KS_TRY(ks_json_get_base64_exact(value, "key", grant->key, sizeof grant->key));
    KS_TRY(ks_document_site(value, &grant->site));
out:
    return err;
}

static void grant_init(struct ks_grant *grant)
{
    *grant = (struct ks_grant){0};
    ks_buf_init(&grant->operator_certificate, KS_CERT_DER_MAX);
    ks_buf_init(&grant->statement, KS_ENROL_BYTES_MAX);
    ks_buf_init(&grant->signature, KS_SIG_LEN_MAX);
}

void ks_grant_done(struct ks_grant *grant)
{
    ks_buf_done(&grant->operator_certificate);
    ks_buf_done(&grant->statement);
    ks_buf_done(&grant->signature);
    *grant = (struct ks_grant){0};
}

enum ks_err ks_grant_parse(const struct ks_json *value, struct ks_grant *out_grant)
{
    static const char *const names[] = {"operator", "signature", "statement", NULL};
    enum ks_err err = KS_OK;
    struct ks_grant grant;
    const struct ks_json *statement = NULL;

    grant_init(&grant);
    KS_TRY(ks_json_only(value, names));
    KS_TRY(ks_json_get_base64(value, "operator", &grant.operator_certificate));
    KS_TRY(ks_json_get_base64(value, "signature", &grant.signature));
    KS_TRY(ks_json_get(value, "statement", KS_JSON_OBJECT, &statement));
    KS_TRY(ks_fail_prefix(parse_statement(statement, &grant), "'statement'"));
    ks_json_canonical(statement, &grant.statement);
    KS_TRY(ks_buf_check(&grant.statement));
    *out_grant = grant;
    grant = (struct ks_grant){0}; /* transferred */
out:
    ks_grant_done(&grant);
    return ks_fail_prefix(err, "token");
}

enum ks_err ks_grant_check(const struct ks_grant *grant, const struct ks_cert *operator_cert)
{
    enum ks_err err = KS_OK;
    struct ks_verify_key *key = NULL;

    KS_TRY(ks_cert_key(operator_cert, &key));
    KS_TRY(ks_verify(key, KS_CONTEXT_TOKEN, ks_buf_view(&grant->statement),
                     ks_buf_view(&grant->signature)));
out:
    ks_verify_key_free(key);
    return ks_fail_prefix(err, "token");
}

static void put_grant(struct ks_bytes operator_der, struct ks_bytes statement,
                      struct ks_bytes signature, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_base64(writer, "operator", operator_der);
    ks_json_member_base64(writer, "signature", signature);
    ks_json_put_key(writer, "statement");
    ks_json_put_canonical(writer, statement);
    ks_json_put_end(writer);
}

static enum ks_err make_statement(const struct ks_token_spec *spec, const struct ks_site *site,
                                  struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_sign_key *key = NULL;
    struct ks_grant grant = {
        .device = spec->device, .expires_us = spec->expires_us, .site = {0}};
    struct ks_buf public_key;
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_buf_init(&public_key, sizeof grant.key);
    KS_TRY(ks_sign_key_from_seed(KS_SIG_MLDSA44, ks_bytes_of(spec->seed, 32), &key));
    KS_TRY(ks_sign_key_public(key, &public_key));
    KS_ASSERT(public_key.len == sizeof grant.key);
    ks_copy(grant.key, public_key.data, public_key.len);
    ks_copy(grant.id, spec->id, sizeof grant.id);
    grant.site = ks_bytes_text(site->origin);
    put_statement(&grant, &writer);
    KS_TRY(ks_buf_check(out));
out:
    ks_sign_key_free(key);
    ks_buf_done(&public_key);
    return err;
}

enum ks_err ks_token_make(const struct ks_token_spec *spec, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_site *site = ks_calloc(1, sizeof *site);
    struct ks_buf statement;
    struct ks_buf signature;
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_buf_init(&statement, KS_ENROL_BYTES_MAX);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    KS_CHECK(site != NULL, KS_ERR_NOMEM, "token");
    KS_CHECK(ks_text_is_name(spec->device, KS_CERT_SUBJECT_MAX), KS_ERR_USAGE,
             "device id: 1 to %d letters, digits, '-' and '_'", KS_CERT_SUBJECT_MAX);
    KS_CHECK(spec->url.len >= 1 && spec->url.len <= KS_URL_MAX && spec->service.len >= 1 &&
                 spec->service.len <= KS_URL_MAX,
             KS_ERR_USAGE, "URLs: 1 to %d bytes", KS_URL_MAX);
    KS_CHECK(ks_utf8_valid(spec->url) && ks_utf8_valid(spec->service) &&
                 ks_utf8_valid(spec->root_pem),
             KS_ERR_USAGE, "URLs and root certificate: not UTF-8");
    KS_TRY(ks_fail_prefix(ks_site_read(spec->site_document, site), "site document"));
    KS_TRY(make_statement(spec, site, &statement));
    KS_TRY(ks_sign(spec->operator_key, KS_CONTEXT_TOKEN, ks_buf_view(&statement), &signature));
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "grant");
    put_grant(ks_cert_der(spec->operator_cert), ks_buf_view(&statement),
              ks_buf_view(&signature), &writer);
    ks_json_member_string(&writer, "root", spec->root_pem);
    ks_json_member_text(&writer, "schema", "ketseal.token/1");
    ks_json_member_base64(&writer, "seed", ks_bytes_of(spec->seed, 32));
    ks_json_member_string(&writer, "service", spec->service);
    ks_json_put_key(&writer, "site");
    ks_json_put_canonical(&writer, spec->site_document);
    ks_json_member_string(&writer, "url", spec->url);
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(out));
out:
    ks_free(site);
    ks_buf_done(&statement);
    ks_buf_done(&signature);
    return err;
}

void ks_token_done(struct ks_token *token)
{
    ks_json_doc_free(token->doc);
    ks_grant_done(&token->grant);
    ks_buf_done(&token->grant_bytes);
    ks_buf_done(&token->site_document);
    ks_sign_key_free(token->key);
    *token = (struct ks_token){0};
}

/* The key of SEED must be the one that was granted something. */
static enum ks_err take_seed(const struct ks_json *root, struct ks_token *token)
{
    enum ks_err err = KS_OK;
    uint8_t seed[32];
    struct ks_buf public_key;

    ks_buf_init(&public_key, KS_SIG_PUBLIC_LEN_MAX);
    KS_TRY(ks_json_get_base64_exact(root, "seed", seed, sizeof seed));
    KS_TRY(ks_sign_key_from_seed(KS_SIG_MLDSA44, KS_BYTES(seed), &token->key));
    KS_TRY(ks_sign_key_public(token->key, &public_key));
    KS_CHECK(ks_bytes_equal(ks_buf_view(&public_key), KS_BYTES(token->grant.key)),
             KS_ERR_VERIFY, "its seed is not that of its grant");
out:
    ks_wipe(seed, sizeof seed);
    ks_buf_done(&public_key);
    return err;
}

enum ks_err ks_token_read(struct ks_bytes text, struct ks_token *out_token)
{
    static const char *const names[] = {"grant",   "root", "schema", "seed",
                                        "service", "site", "url",    NULL};
    enum ks_err err = KS_OK;
    struct ks_token token = {0};
    const struct ks_json *root = NULL;
    const struct ks_json *grant = NULL;
    const struct ks_json *site = NULL;

    ks_buf_init(&token.grant_bytes, KS_ENROL_BYTES_MAX);
    ks_buf_init(&token.site_document, KS_SITE_BYTES_MAX);
    KS_TRY(ks_json_parse(text, &token_limits, &token.doc));
    root = ks_json_root(token.doc);
    KS_TRY(ks_document_schema(root, "ketseal.token/1", names));
    KS_TRY(ks_json_get(root, "grant", KS_JSON_OBJECT, &grant));
    KS_TRY(ks_grant_parse(grant, &token.grant));
    KS_TRY(ks_json_get_string(root, "root", &token.root_pem));
    KS_TRY(ks_json_get_string(root, "service", &token.service));
    KS_TRY(ks_json_get_string(root, "url", &token.url));
    KS_CHECK(token.url.len >= 1 && token.url.len <= KS_URL_MAX && token.service.len >= 1 &&
                 token.service.len <= KS_URL_MAX,
             KS_ERR_LIMIT, "'url', 'service': 1 to %d bytes", KS_URL_MAX);
    KS_TRY(ks_json_get(root, "site", KS_JSON_OBJECT, &site));
    KS_TRY(take_seed(root, &token));
    ks_json_canonical(grant, &token.grant_bytes);
    ks_json_canonical(site, &token.site_document);
    KS_TRY(ks_buf_check(&token.grant_bytes));
    KS_TRY(ks_buf_check(&token.site_document));
    *out_token = token;
    token = (struct ks_token){0}; /* transferred */
out:
    ks_token_done(&token);
    return ks_fail_prefix(err, "token file");
}

/* --- enrolment, first exchange ------------------------------------------------------------ */

void ks_enrol_init(struct ks_enrol *enrol)
{
    *enrol = (struct ks_enrol){0};
    grant_init(&enrol->grant);
    ks_buf_init(&enrol->ak, KS_AK_PUBLIC_MAX);
    ks_buf_init(&enrol->ek, KS_EK_PUBLIC_MAX);
    ks_buf_init(&enrol->ek_certificate, KS_EK_CERT_DER_MAX);
    for (size_t i = 0; i < KS_ENROL_CHAIN_MAX; i++) {
        ks_buf_init(&enrol->ek_chain[i], KS_EK_CERT_DER_MAX);
    }
}

void ks_enrol_done(struct ks_enrol *enrol)
{
    ks_json_doc_free(enrol->doc);
    ks_grant_done(&enrol->grant);
    ks_buf_done(&enrol->ak);
    ks_buf_done(&enrol->ek);
    ks_buf_done(&enrol->ek_certificate);
    for (size_t i = 0; i < KS_ENROL_CHAIN_MAX; i++) {
        ks_buf_done(&enrol->ek_chain[i]);
    }
    *enrol = (struct ks_enrol){0};
}

enum ks_err ks_enrol_write(const struct ks_enrol *enrol, const struct ks_token *token,
                           struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);

    ks_buf_init(&body, KS_ENROL_BYTES_MAX);
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "ak", ks_buf_view(&enrol->ak));
    ks_json_member_base64(&writer, "channel", KS_BYTES(enrol->channel));
    ks_json_member_string(&writer, "device", enrol->device);
    ks_json_member_base64(&writer, "ek", ks_buf_view(&enrol->ek));
    ks_json_member_base64(&writer, "ek_certificate", ks_buf_view(&enrol->ek_certificate));
    ks_json_put_key(&writer, "ek_chain");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < enrol->ek_chain_count; i++) {
        ks_json_put_base64(&writer, ks_buf_view(&enrol->ek_chain[i]));
    }
    ks_json_put_end(&writer);
    ks_json_put_key(&writer, "grant");
    ks_json_put_canonical(&writer, ks_buf_view(&token->grant_bytes));
    ks_json_member_base64(&writer, "nonce", KS_BYTES(enrol->nonce));
    ks_json_member_text(&writer, "schema", "ketseal.enrol/1");
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(&body));
    KS_TRY(ks_document_write_signed(ks_buf_view(&body), token->key, KS_CONTEXT_ENROL, out));
out:
    ks_buf_done(&body);
    return err;
}

static enum ks_err parse_chain(const struct ks_json *body, struct ks_enrol *enrol)
{
    enum ks_err err = KS_OK;
    const struct ks_json *chain = NULL;

    KS_TRY(ks_json_get(body, "ek_chain", KS_JSON_ARRAY, &chain));
    KS_CHECK(ks_json_count(chain) <= KS_ENROL_CHAIN_MAX, KS_ERR_LIMIT,
             "'ek_chain': at most %d certificates", KS_ENROL_CHAIN_MAX);
    for (size_t i = 0; i < ks_json_count(chain); i++) {
        struct ks_bytes text = {0};

        KS_TRY(ks_json_string(ks_json_at(chain, i), &text));
        KS_TRY(ks_fail_prefix(ks_base64_decode(text, &enrol->ek_chain[i]), "'ek_chain'"));
    }
    enrol->ek_chain_count = ks_json_count(chain);
out:
    return err;
}

static enum ks_err parse_enrol(const struct ks_json *body, struct ks_enrol *enrol)
{
    static const char *const names[] = {
        "ak",       "channel", "device", "ek",     "ek_certificate",
        "ek_chain", "grant",   "nonce",  "schema", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *grant = NULL;

    KS_TRY(ks_document_schema(body, "ketseal.enrol/1", names));
    KS_TRY(ks_json_get_base64(body, "ak", &enrol->ak));
    KS_TRY(ks_json_get_base64_exact(body, "channel", enrol->channel, sizeof enrol->channel));
    KS_TRY(get_device(body, &enrol->device));
    KS_TRY(ks_json_get_base64(body, "ek", &enrol->ek));
    KS_TRY(ks_json_get_base64(body, "ek_certificate", &enrol->ek_certificate));
    KS_TRY(parse_chain(body, enrol));
    KS_TRY(ks_json_get_base64_exact(body, "nonce", enrol->nonce, sizeof enrol->nonce));
    KS_TRY(ks_json_get(body, "grant", KS_JSON_OBJECT, &grant));
    KS_TRY(ks_grant_parse(grant, &enrol->grant));
    KS_CHECK(ks_bytes_equal(enrol->device, enrol->grant.device), KS_ERR_VERIFY,
             "the token is for device '%.*s', not '%.*s'", (int)enrol->grant.device.len,
             (const char *)enrol->grant.device.data, (int)enrol->device.len,
             (const char *)enrol->device.data);
out:
    return err;
}

enum ks_err ks_enrol_read(struct ks_bytes document, struct ks_enrol *out_enrol)
{
    enum ks_err err = KS_OK;
    struct ks_enrol enrol;
    const struct ks_json *body = NULL;
    struct ks_verify_key *key = NULL;
    struct ks_buf message;
    struct ks_buf signature;

    ks_enrol_init(&enrol);
    KS_TRY(ks_document_read_signed(document, &enrol_limits, &enrol.doc, &body, &message,
                                   &signature));
    KS_TRY(parse_enrol(body, &enrol));
    KS_TRY(ks_verify_key_new(KS_SIG_MLDSA44, KS_BYTES(enrol.grant.key), &key));
    KS_TRY(ks_verify(key, KS_CONTEXT_ENROL, ks_buf_view(&message), ks_buf_view(&signature)));
    ks_sha256(ks_buf_view(&message), enrol.digest);
    *out_enrol = enrol;
    enrol = (struct ks_enrol){0}; /* transferred */
out:
    ks_enrol_done(&enrol);
    ks_verify_key_free(key);
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return ks_fail_prefix(err, "enrolment");
}

/* --- challenge ---------------------------------------------------------------------------- */

void ks_challenge_init(struct ks_challenge *challenge)
{
    *challenge = (struct ks_challenge){0};
    ks_buf_init(&challenge->id_object, KS_CREDENTIAL_ID_OBJECT_MAX);
    ks_buf_init(&challenge->encrypted_secret, KS_CREDENTIAL_SECRET_BLOB_MAX);
}

void ks_challenge_done(struct ks_challenge *challenge)
{
    ks_buf_done(&challenge->id_object);
    ks_buf_done(&challenge->encrypted_secret);
    *challenge = (struct ks_challenge){0};
}

void ks_challenge_write(const struct ks_challenge *challenge, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "encrypted_secret",
                          ks_buf_view(&challenge->encrypted_secret));
    ks_json_member_base64(&writer, "id_object", ks_buf_view(&challenge->id_object));
    ks_json_member_base64(&writer, "nonce", KS_BYTES(challenge->nonce));
    ks_json_member_u64(&writer, "pcr_mask", challenge->pcr_mask);
    ks_json_member_text(&writer, "schema", "ketseal.challenge/1");
    ks_json_member_hex(&writer, "session", KS_BYTES(challenge->session));
    ks_json_put_end(&writer);
}

static enum ks_err get_mask(const struct ks_json *value, uint32_t *out_mask)
{
    enum ks_err err = KS_OK;
    uint64_t mask = 0;

    KS_TRY(ks_json_get_u64(value, "pcr_mask", (UINT32_C(1) << KS_PCR_COUNT) - 1, &mask));
    KS_CHECK(mask != 0, KS_ERR_FORMAT, "'pcr_mask': no PCR");
    *out_mask = (uint32_t)mask;
out:
    return err;
}

enum ks_err ks_challenge_read(struct ks_bytes document, struct ks_challenge *out_challenge)
{
    static const char *const names[] = {"encrypted_secret", "id_object", "nonce", "pcr_mask",
                                        "schema",           "session",   NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_challenge challenge;
    const struct ks_json *root = NULL;

    ks_challenge_init(&challenge);
    KS_TRY(ks_json_parse_canonical(document, &enrol_limits, &doc));
    root = ks_json_root(doc);
    KS_TRY(ks_document_schema(root, "ketseal.challenge/1", names));
    KS_TRY(ks_json_get_base64(root, "encrypted_secret", &challenge.encrypted_secret));
    KS_TRY(ks_json_get_base64(root, "id_object", &challenge.id_object));
    KS_TRY(ks_json_get_base64_exact(root, "nonce", challenge.nonce, sizeof challenge.nonce));
    KS_TRY(get_mask(root, &challenge.pcr_mask));
    KS_TRY(ks_json_get_hex(root, "session", challenge.session, sizeof challenge.session));
    *out_challenge = challenge;
    challenge = (struct ks_challenge){0}; /* transferred */
out:
    ks_challenge_done(&challenge);
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "challenge");
}

/* --- evidence of a platform --------------------------------------------------------------- */

void ks_platform_init(struct ks_platform *platform)
{
    *platform = (struct ks_platform){0};
    ks_buf_init(&platform->attest, KS_ATTEST_MAX);
    ks_buf_init(&platform->signature, KS_TPM_SIGNATURE_MAX);
    ks_buf_init(&platform->launch_log, KS_EVENT_LOG_MAX);
    ks_buf_init(&platform->tcg_log, KS_PLATFORM_LOG_MAX);
    ks_buf_init(&platform->ima_log, KS_PLATFORM_LOG_MAX);
}

void ks_platform_done(struct ks_platform *platform)
{
    ks_buf_done(&platform->attest);
    ks_buf_done(&platform->signature);
    ks_buf_done(&platform->launch_log);
    ks_buf_done(&platform->tcg_log);
    ks_buf_done(&platform->ima_log);
    *platform = (struct ks_platform){0};
}

void ks_platform_put(const struct ks_platform *platform, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_base64(writer, "attest", ks_buf_view(&platform->attest));
    ks_json_member_base64(writer, "ima_log", ks_buf_view(&platform->ima_log));
    ks_json_put_key(writer, "launch_log");
    if (platform->launch_log.len > 0) {
        ks_json_put_canonical(writer, ks_buf_view(&platform->launch_log));
    } else {
        ks_json_put_null(writer);
    }
    ks_json_member_u64(writer, "pcr_mask", platform->pcr_mask);
    ks_json_put_key(writer, "pcrs");
    ks_json_put_array(writer);
    for (unsigned i = 0; i < ks_pcr_mask_count(platform->pcr_mask); i++) {
        ks_json_put_hex(writer, KS_BYTES(platform->pcr_values[i]));
    }
    ks_json_put_end(writer);
    ks_json_member_base64(writer, "signature", ks_buf_view(&platform->signature));
    ks_json_member_base64(writer, "tcg_log", ks_buf_view(&platform->tcg_log));
    ks_json_put_end(writer);
}

static enum ks_err parse_pcrs(const struct ks_json *value, struct ks_platform *platform)
{
    enum ks_err err = KS_OK;
    const struct ks_json *pcrs = NULL;

    KS_TRY(get_mask(value, &platform->pcr_mask));
    KS_TRY(ks_json_get(value, "pcrs", KS_JSON_ARRAY, &pcrs));
    KS_CHECK(ks_json_count(pcrs) == ks_pcr_mask_count(platform->pcr_mask), KS_ERR_FORMAT,
             "'pcrs': %zu values for %u PCRs", ks_json_count(pcrs),
             ks_pcr_mask_count(platform->pcr_mask));
    for (size_t i = 0; i < ks_json_count(pcrs); i++) {
        struct ks_bytes text = {0};

        KS_TRY(ks_json_string(ks_json_at(pcrs, i), &text));
        KS_TRY(ks_fail_prefix(
            ks_hex_decode(text, platform->pcr_values[i], sizeof platform->pcr_values[i]),
            "'pcrs'"));
    }
out:
    return err;
}

enum ks_err ks_platform_parse(const struct ks_json *value, struct ks_platform *out_platform)
{
    static const char *const names[] = {"attest", "ima_log",   "launch_log", "pcr_mask",
                                        "pcrs",   "signature", "tcg_log",    NULL};
    enum ks_err err = KS_OK;
    struct ks_platform platform;
    const struct ks_json *log = NULL;

    ks_platform_init(&platform);
    KS_TRY(ks_json_only(value, names));
    KS_TRY(ks_json_get_base64(value, "attest", &platform.attest));
    KS_TRY(ks_json_get_base64(value, "ima_log", &platform.ima_log));
    KS_TRY(ks_json_get_base64(value, "signature", &platform.signature));
    KS_TRY(ks_json_get_base64(value, "tcg_log", &platform.tcg_log));
    KS_TRY(parse_pcrs(value, &platform));
    log = ks_json_find(value, "launch_log");
    KS_CHECK(log != NULL, KS_ERR_FORMAT, "'launch_log' is missing");
    if (ks_json_type(log) != KS_JSON_NULL) {
        KS_TRY(ks_json_get(value, "launch_log", KS_JSON_OBJECT, &log));
        ks_json_canonical(log, &platform.launch_log);
        KS_TRY(ks_buf_check(&platform.launch_log));
    }
    *out_platform = platform;
    platform = (struct ks_platform){0}; /* transferred */
out:
    ks_platform_done(&platform);
    return err;
}

void ks_platform_binding(const char *label, const uint8_t digest[32],
                         const uint8_t nonce[KS_NONCE_LEN],
                         const uint8_t channel[KS_CHANNEL_LEN], uint8_t out_extra[32])
{
    const struct ks_bytes parts[] = {
        ks_bytes_text(label),
        KS_LITERAL("\n"),
        ks_bytes_of(digest, 32),
        ks_bytes_of(nonce, KS_NONCE_LEN),
        ks_bytes_of(channel, KS_CHANNEL_LEN),
    };

    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_extra);
}

/* --- enrolment, second exchange ----------------------------------------------------------- */

static void put_csr(const struct ks_csr *csr, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_base64(writer, "channel", KS_BYTES(csr->channel));
    ks_json_member_string(writer, "device", csr->device);
    ks_json_member_base64(writer, "kem", KS_BYTES(csr->kem));
    ks_json_member_base64(writer, "key", KS_BYTES(csr->key));
    ks_json_member_text(writer, "schema", "ketseal.csr/1");
    ks_json_member_hex(writer, "session", KS_BYTES(csr->session));
    ks_json_put_end(writer);
}

static enum ks_err parse_csr(const struct ks_json *value, struct ks_csr *csr)
{
    static const char *const names[] = {"channel", "device",  "kem", "key",
                                        "schema",  "session", NULL};
    enum ks_err err = KS_OK;

    KS_TRY(ks_document_schema(value, "ketseal.csr/1", names));
    KS_TRY(ks_json_get_base64_exact(value, "channel", csr->channel, sizeof csr->channel));
    KS_TRY(get_device(value, &csr->device));
    KS_TRY(ks_json_get_base64_exact(value, "kem", csr->kem, sizeof csr->kem));
    KS_TRY(ks_json_get_base64_exact(value, "key", csr->key, sizeof csr->key));
    KS_TRY(ks_json_get_hex(value, "session", csr->session, sizeof csr->session));
out:
    return err;
}

static bool all_are(const uint8_t session[KS_ENROL_SESSION_LEN], uint8_t value)
{
    bool all = true;

    for (size_t i = 0; i < KS_ENROL_SESSION_LEN; i++) {
        all = all && session[i] == value;
    }
    return all;
}

bool ks_csr_is_rotation(const struct ks_csr *csr)
{
    return all_are(csr->session, 0);
}

bool ks_csr_is_again(const struct ks_csr *csr)
{
    return all_are(csr->session, 0xff);
}

void ks_csr_set_again(struct ks_csr *csr)
{
    for (size_t i = 0; i < KS_ENROL_SESSION_LEN; i++) {
        csr->session[i] = 0xff;
    }
}

void ks_finish_init(struct ks_finish *finish)
{
    *finish = (struct ks_finish){0};
    ks_platform_init(&finish->platform);
}

void ks_finish_done(struct ks_finish *finish)
{
    ks_json_doc_free(finish->doc);
    ks_platform_done(&finish->platform);
    *finish = (struct ks_finish){0};
}

enum ks_err ks_csr_digest(const struct ks_csr *csr, uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_json_writer writer = ks_json_writer_of(&text);

    ks_buf_init(&text, KS_ENROL_BYTES_MAX);
    put_csr(csr, &writer);
    KS_TRY(ks_buf_check(&text));
    ks_sha256(ks_buf_view(&text), out_digest);
out:
    ks_buf_done(&text);
    return err;
}

void ks_enrol_proof(const struct ks_secret *secret, const uint8_t csr_digest[32],
                    uint8_t out_proof[32])
{
    static const char label[] = "ketseal/enrol-proof/1\n";
    uint8_t message[sizeof label - 1 + 32];

    ks_copy(message, label, sizeof label - 1);
    ks_copy(message + sizeof label - 1, csr_digest, 32);
    ks_hmac_sha256(ks_secret_view(secret), KS_BYTES(message), out_proof);
}

enum ks_err ks_finish_write(const struct ks_finish *finish, const struct ks_sign_key *key,
                            struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf csr;
    struct ks_buf signature;
    struct ks_json_writer inner = ks_json_writer_of(&csr);
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_buf_init(&csr, KS_ENROL_BYTES_MAX);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    put_csr(&finish->csr, &inner);
    KS_TRY(ks_buf_check(&csr));
    KS_TRY(ks_sign(key, KS_CONTEXT_CSR, ks_buf_view(&csr), &signature));
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "csr");
    ks_json_put_canonical(&writer, ks_buf_view(&csr));
    ks_json_put_key(&writer, "platform");
    ks_platform_put(&finish->platform, &writer);
    ks_json_member_base64(&writer, "proof", KS_BYTES(finish->proof));
    ks_json_member_text(&writer, "schema", "ketseal.enrol-finish/1");
    ks_json_member_base64(&writer, "signature", ks_buf_view(&signature));
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&csr);
    ks_buf_done(&signature);
    return err;
}

static enum ks_err check_csr(const struct ks_json *root, struct ks_finish *finish)
{
    enum ks_err err = KS_OK;
    const struct ks_json *csr = NULL;
    struct ks_verify_key *key = NULL;
    struct ks_buf text;
    struct ks_buf signature;

    ks_buf_init(&text, KS_ENROL_BYTES_MAX);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    KS_TRY(ks_json_get(root, "csr", KS_JSON_OBJECT, &csr));
    KS_TRY(ks_fail_prefix(parse_csr(csr, &finish->csr), "'csr'"));
    KS_TRY(ks_json_get_base64(root, "signature", &signature));
    ks_json_canonical(csr, &text);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_verify_key_new(KS_SIG_MLDSA65, KS_BYTES(finish->csr.key), &key));
    KS_TRY(ks_fail_prefix(
        ks_verify(key, KS_CONTEXT_CSR, ks_buf_view(&text), ks_buf_view(&signature)), "'csr'"));
    ks_sha256(ks_buf_view(&text), finish->csr_digest);
out:
    ks_verify_key_free(key);
    ks_buf_done(&text);
    ks_buf_done(&signature);
    return err;
}

enum ks_err ks_finish_read(struct ks_bytes document, struct ks_finish *out_finish)
{
    static const char *const names[] = {"csr",    "platform",  "proof",
                                        "schema", "signature", NULL};
    enum ks_err err = KS_OK;
    struct ks_finish finish;
    const struct ks_json *root = NULL;
    const struct ks_json *platform = NULL;

    ks_finish_init(&finish);
    KS_TRY(ks_json_parse_canonical(document, &finish_limits, &finish.doc));
    root = ks_json_root(finish.doc);
    KS_TRY(ks_document_schema(root, "ketseal.enrol-finish/1", names));
    KS_TRY(check_csr(root, &finish));
    KS_TRY(ks_json_get_base64_exact(root, "proof", finish.proof, sizeof finish.proof));
    KS_TRY(ks_json_get(root, "platform", KS_JSON_OBJECT, &platform));
    ks_platform_done(&finish.platform);
    KS_TRY(ks_fail_prefix(ks_platform_parse(platform, &finish.platform), "'platform'"));
    *out_finish = finish;
    finish = (struct ks_finish){0}; /* transferred */
out:
    ks_finish_done(&finish);
    return ks_fail_prefix(err, "enrolment");
}

/* --- the operator's orders ---------------------------------------------------------------- */

static const char *const order_names[KS_ORDERS] = {
#define KS_ORDER_TEXT(name, text) [KS_ORDER_##name] = (text),
    KS_ORDER_LIST(KS_ORDER_TEXT)
#undef KS_ORDER_TEXT
};

const char *ks_order_name(enum ks_order_verb verb)
{
    KS_ASSERT((unsigned)verb < KS_ORDERS);
    return order_names[verb];
}

enum ks_err ks_order_from_name(struct ks_bytes name, enum ks_order_verb *out_verb)
{
    for (unsigned i = 0; i < KS_ORDERS; i++) {
        if (ks_bytes_is(name, order_names[i])) {
            *out_verb = (enum ks_order_verb)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_FORMAT, "no order is called '%.*s'",
                   (int)(name.len > 32 ? 32 : name.len), (const char *)name.data);
}

enum ks_err ks_order_write(const struct ks_order *order, const struct ks_sign_key *key,
                           struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);

    ks_buf_init(&body, order_limits.len_max);
    KS_CHECK(order->reason.len <= KS_REASON_MAX && ks_utf8_valid(order->reason), KS_ERR_USAGE,
             "reason: at most %d bytes of UTF-8", KS_REASON_MAX);
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "channel", KS_BYTES(order->channel));
    ks_document_put_time(&writer, "created_at", order->created_us);
    ks_json_member_string(&writer, "device", order->device);
    ks_json_member_text(&writer, "order", ks_order_name(order->verb));
    ks_json_member_string(&writer, "reason", order->reason);
    ks_json_member_text(&writer, "schema", "ketseal.order/1");
    ks_json_member_string(&writer, "site", order->site);
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(&body));
    KS_TRY(ks_document_write_signed(ks_buf_view(&body), key, KS_CONTEXT_OPERATOR, out));
out:
    ks_buf_done(&body);
    return err;
}

static enum ks_err parse_order(const struct ks_json *body, struct ks_order *order)
{
    static const char *const names[] = {"channel", "created_at", "device", "order",
                                        "reason",  "schema",     "site",   NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_document_schema(body, "ketseal.order/1", names));
    KS_TRY(ks_json_get_base64_exact(body, "channel", order->channel, sizeof order->channel));
    KS_TRY(ks_document_get_time(body, "created_at", &order->created_us));
    KS_TRY(get_device(body, &order->device));
    KS_TRY(ks_document_site(body, &order->site));
    KS_TRY(ks_json_get_string(body, "order", &text));
    KS_TRY(ks_fail_prefix(ks_order_from_name(text, &order->verb), "'order'"));
    KS_TRY(ks_json_get_string(body, "reason", &order->reason));
    KS_CHECK(order->reason.len <= KS_REASON_MAX, KS_ERR_LIMIT, "'reason': over %d bytes",
             KS_REASON_MAX);
out:
    return err;
}

enum ks_err ks_order_read(struct ks_bytes document, const struct ks_verify_key *key,
                          struct ks_order *out_order)
{
    enum ks_err err = KS_OK;
    struct ks_order order = {0};
    const struct ks_json *body = NULL;
    struct ks_buf message;
    struct ks_buf signature;

    KS_TRY(ks_document_read_signed(document, &order_limits, &order.doc, &body, &message,
                                   &signature));
    KS_TRY(parse_order(body, &order));
    KS_TRY(ks_verify(key, KS_CONTEXT_OPERATOR, ks_buf_view(&message), ks_buf_view(&signature)));
    *out_order = order;
    order = (struct ks_order){0}; /* transferred */
out:
    ks_order_done(&order);
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return ks_fail_prefix(err, "order");
}

void ks_order_done(struct ks_order *order)
{
    ks_json_doc_free(order->doc);
    *order = (struct ks_order){0};
}
