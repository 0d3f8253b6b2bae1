/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/site.h"

#include "crypto/digest.h"
#include "record/job.h"

static const struct ks_json_limits site_limits = {.len_max = KS_SITE_BYTES_MAX,
                                                  .nodes_max = 2048};

static void member_time(struct ks_json_writer *writer, const char *name, uint64_t time_us)
{
    char text[KS_TIME_TEXT_LEN + 1];

    ks_time_text(time_us, text);
    ks_json_member_text(writer, name, text);
}

/* The certificate as it is signed, or with its signature. */
static void put_certificate(const struct ks_site_certificate *certificate, bool with_signature,
                            struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_hex(writer, "ek", KS_BYTES(certificate->ek));
    ks_json_member_hex(writer, "ek_certificate", KS_BYTES(certificate->ek_certificate));
    member_time(writer, "expires_at", certificate->expires_us);
    member_time(writer, "issued_at", certificate->issued_us);
    ks_json_member_text(writer, "schema", "ketseal.site-certificate/1");
    if (with_signature) {
        ks_json_member_base64(writer, "signature",
                              ks_bytes_of(certificate->signature, certificate->signature_len));
    }
    ks_json_member_hex(writer, "site", KS_BYTES(certificate->site));
    ks_json_member_text(writer, "tpm", certificate->simulated_tpm ? "simulated" : "hardware");
    ks_json_put_end(writer);
}

static void write_site(const struct ks_site *site, bool with_certificate, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "ak", ks_bytes_of(site->ak, site->ak_len));
    ks_json_member_text(&writer, "backend", "process");
    if (with_certificate) {
        ks_json_put_key(&writer, "certificate");
        put_certificate(&site->certificate, true, &writer);
    }
    ks_json_member_base64(&writer, "ed25519", KS_BYTES(site->ed25519));
    ks_json_put_key(&writer, "event_log");
    ks_event_log_put(&site->event_log, &writer);
    if (site->issuer_len > 0) {
        ks_json_member_base64(&writer, "issuer", ks_bytes_of(site->issuer, site->issuer_len));
    }
    ks_json_member_base64(&writer, "ml-dsa-65", KS_BYTES(site->mldsa65));
    ks_json_member_base64(&writer, "note-ed25519", KS_BYTES(site->note_ed25519));
    ks_json_member_base64(&writer, "note-ml-dsa-44", KS_BYTES(site->note_mldsa44));
    ks_json_member_text(&writer, "origin", site->origin);
    ks_json_member_text(&writer, "schema",
                        site->issuer_len > 0 ? "ketseal.site/2" : "ketseal.site/1");
    ks_json_member_text(&writer, "tpm", site->simulated_tpm ? "simulated" : "hardware");
    ks_json_put_end(&writer);
}

void ks_site_write(const struct ks_site *site, struct ks_buf *out)
{
    write_site(site, site->certificate.signature_len > 0, out);
}

static enum ks_err get_kind(const struct ks_json *value, bool *out_simulated)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(value, "tpm", &text));
    KS_CHECK(ks_bytes_is(text, "simulated") || ks_bytes_is(text, "hardware"), KS_ERR_FORMAT,
             "'tpm': expected hardware or simulated");
    *out_simulated = ks_bytes_is(text, "simulated");
out:
    return err;
}

static enum ks_err get_time(const struct ks_json *value, const char *name, uint64_t *out_us)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(value, name, &text));
    KS_TRY(ks_fail_prefix(ks_time_parse(text, out_us), "'%s'", name));
out:
    return err;
}

static enum ks_err parse_certificate(const struct ks_json *value,
                                     struct ks_site_certificate *certificate)
{
    static const char *const names[] = {"ek",     "ek_certificate", "expires_at", "issued_at",
                                        "schema", "signature",      "site",       "tpm",
                                        NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    struct ks_buf signature;

    ks_buf_init(&signature, KS_SITE_SIGNATURE_MAX);
    KS_TRY(ks_json_only(value, names));
    KS_TRY(ks_json_get_string(value, "schema", &text));
    KS_CHECK(ks_bytes_is(text, "ketseal.site-certificate/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.site-certificate/1");
    KS_TRY(ks_json_get_hex(value, "ek", certificate->ek, sizeof certificate->ek));
    KS_TRY(ks_json_get_hex(value, "ek_certificate", certificate->ek_certificate,
                           sizeof certificate->ek_certificate));
    KS_TRY(get_time(value, "expires_at", &certificate->expires_us));
    KS_TRY(get_time(value, "issued_at", &certificate->issued_us));
    KS_TRY(ks_json_get_hex(value, "site", certificate->site, sizeof certificate->site));
    KS_TRY(get_kind(value, &certificate->simulated_tpm));
    KS_TRY(ks_json_get_base64(value, "signature", &signature));
    KS_CHECK(signature.len > 0, KS_ERR_FORMAT, "'signature': empty");
    ks_copy(certificate->signature, signature.data, signature.len);
    certificate->signature_len = signature.len;
out:
    ks_buf_done(&signature);
    return err;
}

/* What a document of version 2 has beside that of version 1. */
static enum ks_err parse_issuer(const struct ks_json *value, struct ks_site *site)
{
    enum ks_err err = KS_OK;
    const struct ks_json *certificate = NULL;
    struct ks_buf der;

    ks_buf_init(&der, KS_SITE_ISSUER_MAX);
    KS_TRY(ks_json_get_base64(value, "issuer", &der));
    KS_CHECK(der.len > 0, KS_ERR_FORMAT, "'issuer': empty");
    ks_copy(site->issuer, der.data, der.len);
    site->issuer_len = der.len;
    if (ks_json_find(value, "certificate") != NULL) {
        KS_TRY(ks_json_get(value, "certificate", KS_JSON_OBJECT, &certificate));
        KS_TRY(ks_fail_prefix(parse_certificate(certificate, &site->certificate),
                              "'certificate'"));
    }
out:
    ks_buf_done(&der);
    return err;
}

static enum ks_err parse_keys(const struct ks_json *value, struct ks_site *site)
{
    enum ks_err err = KS_OK;
    struct ks_buf ak;

    ks_buf_init(&ak, KS_AK_PUBLIC_MAX);
    KS_TRY(ks_json_get_base64(value, "ak", &ak));
    ks_copy(site->ak, ak.data, ak.len);
    site->ak_len = ak.len;
    KS_TRY(ks_json_get_base64_exact(value, "ed25519", site->ed25519, sizeof site->ed25519));
    KS_TRY(ks_json_get_base64_exact(value, "ml-dsa-65", site->mldsa65, sizeof site->mldsa65));
    KS_TRY(ks_json_get_base64_exact(value, "note-ed25519", site->note_ed25519,
                                    sizeof site->note_ed25519));
    KS_TRY(ks_json_get_base64_exact(value, "note-ml-dsa-44", site->note_mldsa44,
                                    sizeof site->note_mldsa44));
out:
    ks_buf_done(&ak);
    return err;
}

enum ks_err ks_site_parse(const struct ks_json *value, struct ks_site *out_site)
{
    static const char *const names[] = {
        "ak",        "backend",      "certificate",    "ed25519", "event_log", "issuer",
        "ml-dsa-65", "note-ed25519", "note-ml-dsa-44", "origin",  "schema",    "tpm",
        NULL};
    enum ks_err err = KS_OK;
    struct ks_site site = {0};
    struct ks_bytes text = {0};
    const struct ks_json *log = NULL;

    KS_TRY(ks_json_only(value, names));
    KS_TRY(ks_json_get_string(value, "schema", &text));
    if (ks_bytes_is(text, "ketseal.site/2")) {
        KS_TRY(parse_issuer(value, &site));
    } else {
        KS_CHECK(ks_bytes_is(text, "ketseal.site/1"), KS_ERR_FORMAT,
                 "'schema': expected ketseal.site/1 or 2");
        KS_CHECK(ks_json_find(value, "issuer") == NULL &&
                     ks_json_find(value, "certificate") == NULL,
                 KS_ERR_FORMAT, "an issuer or certificate in version 1");
    }
    KS_TRY(ks_json_get_string(value, "backend", &text));
    KS_CHECK(ks_bytes_is(text, "process"), KS_ERR_FORMAT, "'backend': only process is known");
    KS_TRY(get_kind(value, &site.simulated_tpm));
    KS_TRY(ks_json_get_string(value, "origin", &text));
    KS_CHECK(text.len >= 1 && text.len < sizeof site.origin, KS_ERR_LIMIT,
             "'origin': 1 to %d bytes", KS_ORIGIN_MAX);
    ks_copy(site.origin, text.data, text.len);
    KS_TRY(parse_keys(value, &site));
    KS_TRY(ks_json_get(value, "event_log", KS_JSON_OBJECT, &log));
    KS_TRY(ks_fail_prefix(ks_event_log_from_json(log, &site.event_log), "'event_log'"));
    *out_site = site;
out:
    return err;
}

enum ks_err ks_site_read(struct ks_bytes document, struct ks_site *out_site)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse(document, &site_limits, &doc));
    KS_TRY(ks_site_parse(ks_json_root(doc), out_site));
out:
    ks_json_doc_free(doc);
    return err;
}

/* --- certification ------------------------------------------------------------------------ */

static enum ks_err digest_site(const struct ks_site *site, uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_buf text;

    ks_buf_init(&text, KS_SITE_BYTES_MAX);
    write_site(site, false, &text);
    KS_TRY(ks_buf_check(&text));
    ks_sha256(ks_buf_view(&text), out_digest);
out:
    ks_buf_done(&text);
    return err;
}

enum ks_err ks_site_certify(struct ks_site *site, const struct ks_site_certificate *said,
                            const struct ks_sign_key *root_key)
{
    enum ks_err err = KS_OK;
    struct ks_site_certificate certificate = *said;
    struct ks_buf statement;
    struct ks_buf signature;
    struct ks_json_writer writer = ks_json_writer_of(&statement);

    ks_buf_init(&statement, 4096);
    ks_buf_init(&signature, KS_SITE_SIGNATURE_MAX);
    KS_ASSERT(site->issuer_len > 0);
    KS_TRY(digest_site(site, certificate.site));
    put_certificate(&certificate, false, &writer);
    KS_TRY(ks_buf_check(&statement));
    KS_TRY(ks_sign(root_key, KS_CONTEXT_SITE, ks_buf_view(&statement), &signature));
    ks_copy(certificate.signature, signature.data, signature.len);
    certificate.signature_len = signature.len;
    site->certificate = certificate;
out:
    ks_buf_done(&statement);
    ks_buf_done(&signature);
    return err;
}

enum ks_err ks_site_check_certificate(const struct ks_site *site, const struct ks_cert *root,
                                      uint64_t time_us)
{
    enum ks_err err = KS_OK;
    const struct ks_site_certificate *certificate = &site->certificate;
    struct ks_verify_key *key = NULL;
    uint8_t digest[32];
    struct ks_buf statement;
    struct ks_json_writer writer = ks_json_writer_of(&statement);

    ks_buf_init(&statement, 4096);
    KS_CHECK(certificate->signature_len > 0, KS_ERR_UNAVAILABLE, "the site was not certified");
    put_certificate(certificate, false, &writer);
    KS_TRY(ks_buf_check(&statement));
    KS_TRY(ks_cert_key(root, &key));
    KS_TRY(ks_verify(key, KS_CONTEXT_SITE, ks_buf_view(&statement),
                     ks_bytes_of(certificate->signature, certificate->signature_len)));
    KS_TRY(digest_site(site, digest));
    KS_CHECK(ks_bytes_equal(KS_BYTES(digest), KS_BYTES(certificate->site)), KS_ERR_VERIFY,
             "it is for another site document");
    KS_CHECK(certificate->simulated_tpm == site->simulated_tpm, KS_ERR_VERIFY,
             "it names another kind of TPM than the site document");
    KS_CHECK(time_us >= certificate->issued_us && time_us <= certificate->expires_us,
             KS_ERR_VERIFY, "its life does not cover that time");
out:
    ks_verify_key_free(key);
    ks_buf_done(&statement);
    return ks_fail_prefix(err, "site certificate");
}

/* --- checkpoints -------------------------------------------------------------------------- */

enum ks_err ks_site_ledger_keys(const struct ks_site *site, struct ks_note_key *out_keys[2])
{
    enum ks_err err = KS_OK;
    struct ks_bytes origin = ks_bytes_text(site->origin);
    struct ks_note_key *ed25519 = NULL;

    KS_TRY(ks_note_key_new(origin, KS_NOTE_ED25519, KS_BYTES(site->note_ed25519), &ed25519));
    KS_TRY(ks_note_key_new(origin, KS_NOTE_COSIGNED_MLDSA44, KS_BYTES(site->note_mldsa44),
                           &out_keys[1]));
    out_keys[0] = ed25519;
    ed25519 = NULL; /* transferred */
out:
    ks_note_key_free(ed25519);
    return err;
}

enum ks_err ks_site_checkpoint_open(const struct ks_site *site, struct ks_bytes note,
                                    struct ks_checkpoint_opened *out_opened)
{
    enum ks_err err = KS_OK;
    struct ks_note_key *keys[2] = {NULL, NULL};
    struct ks_note_trust trust = {.keys = (const struct ks_note_key *const *)keys, .count = 2};

    KS_TRY(ks_site_ledger_keys(site, keys));
    KS_TRY(ks_checkpoint_open(note, ks_bytes_text(site->origin), &trust, out_opened));
out:
    ks_note_key_free(keys[0]);
    ks_note_key_free(keys[1]);
    return err;
}

void ks_attest_binding(const uint8_t nonce[32], const uint8_t channel[32],
                       uint8_t out_extra[32])
{
    const struct ks_bytes parts[] = {
        KS_LITERAL("ketseal/attest/1\n"),
        ks_bytes_of(nonce, 32),
        ks_bytes_of(channel, 32),
    };

    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_extra);
}
