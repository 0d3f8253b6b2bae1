/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/certify.h"

#include "crypto/digest.h"

static const struct ks_json_limits request_limits = {.len_max = KS_SITE_REQUEST_BYTES_MAX,
                                                     .nodes_max = 2048};

void ks_site_request_init(struct ks_site_request *request)
{
    *request = (struct ks_site_request){0};
    ks_buf_init(&request->ek, KS_EK_PUBLIC_MAX);
    ks_buf_init(&request->ek_certificate, KS_EK_CERT_DER_MAX);
    ks_buf_init(&request->site, KS_SITE_BYTES_MAX);
    ks_buf_init(&request->attest, KS_ATTEST_MAX);
    ks_buf_init(&request->signature, KS_TPM_SIGNATURE_MAX);
}

void ks_site_request_done(struct ks_site_request *request)
{
    ks_buf_done(&request->ek);
    ks_buf_done(&request->ek_certificate);
    ks_buf_done(&request->site);
    ks_buf_done(&request->attest);
    ks_buf_done(&request->signature);
    *request = (struct ks_site_request){0};
}

/* What is quoted, or all of it with the quote. */
static void put_request(const struct ks_site_request *request, bool with_quote,
                        struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    if (with_quote) {
        ks_json_member_base64(&writer, "attest", ks_buf_view(&request->attest));
    }
    ks_json_member_base64(&writer, "channel", KS_BYTES(request->channel));
    ks_json_member_base64(&writer, "ek", ks_buf_view(&request->ek));
    ks_json_member_base64(&writer, "ek_certificate", ks_buf_view(&request->ek_certificate));
    ks_json_member_base64(&writer, "issuer_key", KS_BYTES(request->issuer_key));
    ks_json_member_base64(&writer, "nonce", KS_BYTES(request->nonce));
    ks_json_member_text(&writer, "schema", "ketseal.site-request/1");
    if (with_quote) {
        ks_json_member_base64(&writer, "signature", ks_buf_view(&request->signature));
    }
    ks_json_put_key(&writer, "site");
    ks_json_put_canonical(&writer, ks_buf_view(&request->site));
    ks_json_put_end(&writer);
}

enum ks_err ks_site_request_digest(const struct ks_site_request *request,
                                   uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_buf text;

    ks_buf_init(&text, KS_SITE_REQUEST_BYTES_MAX);
    put_request(request, false, &text);
    KS_TRY(ks_buf_check(&text));
    ks_sha256(ks_buf_view(&text), out_digest);
out:
    ks_buf_done(&text);
    return err;
}

void ks_site_request_write(const struct ks_site_request *request, struct ks_buf *out)
{
    put_request(request, true, out);
}

static enum ks_err parse_request(const struct ks_json *root, struct ks_site_request *request)
{
    static const char *const names[] = {"attest",     "channel", "ek",     "ek_certificate",
                                        "issuer_key", "nonce",   "schema", "signature",
                                        "site",       NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *site = NULL;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "schema", &text));
    KS_CHECK(ks_bytes_is(text, "ketseal.site-request/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.site-request/1");
    KS_TRY(ks_json_get_base64(root, "attest", &request->attest));
    KS_TRY(
        ks_json_get_base64_exact(root, "channel", request->channel, sizeof request->channel));
    KS_TRY(ks_json_get_base64(root, "ek", &request->ek));
    KS_TRY(ks_json_get_base64(root, "ek_certificate", &request->ek_certificate));
    KS_TRY(ks_json_get_base64_exact(root, "issuer_key", request->issuer_key,
                                    sizeof request->issuer_key));
    KS_TRY(ks_json_get_base64_exact(root, "nonce", request->nonce, sizeof request->nonce));
    KS_TRY(ks_json_get_base64(root, "signature", &request->signature));
    KS_TRY(ks_json_get(root, "site", KS_JSON_OBJECT, &site));
    ks_json_canonical(site, &request->site);
    KS_TRY(ks_buf_check(&request->site));
    KS_TRY(ks_site_request_digest(request, request->digest));
out:
    return err;
}

enum ks_err ks_site_request_read(struct ks_bytes document, struct ks_site_request *out_request)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_site_request request;

    ks_site_request_init(&request);
    KS_TRY(ks_json_parse_canonical(document, &request_limits, &doc));
    KS_TRY(parse_request(ks_json_root(doc), &request));
    *out_request = request;
    request = (struct ks_site_request){0}; /* transferred */
out:
    ks_site_request_done(&request);
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "site request");
}

enum ks_err ks_site_request_check(const struct ks_site_request *request,
                                  const uint8_t nonce[KS_NONCE_LEN],
                                  const uint8_t channel[KS_CHANNEL_LEN],
                                  struct ks_site *out_site)
{
    enum ks_err err = KS_OK;
    struct ks_ak_public ak;
    uint8_t extra[32];
    uint8_t value[1][KS_PCR_DIGEST_LEN];
    struct ks_quote_expect expect = {.extra_data = KS_BYTES(extra),
                                     .pcr_values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])value};

    KS_TRY(ks_site_read(ks_buf_view(&request->site), out_site));
    KS_CHECK(out_site->issuer_len == 0, KS_ERR_VERIFY, "the site names an issuer already");
    KS_CHECK(
        ks_bytes_equal(KS_BYTES(request->nonce), ks_bytes_of(nonce, KS_NONCE_LEN)) &&
            ks_bytes_equal(KS_BYTES(request->channel), ks_bytes_of(channel, KS_CHANNEL_LEN)),
        KS_ERR_VERIFY, "it answers another challenge, or on another connection");
    KS_TRY(ks_ak_public_parse(ks_bytes_of(out_site->ak, out_site->ak_len), &ak));
    ks_platform_binding(KS_QUOTE_SITE, request->digest, nonce, channel, extra);
    expect.pcr_mask = UINT32_C(1) << out_site->event_log.pcr;
    ks_event_log_replay(&out_site->event_log, value[0]);
    KS_TRY(ks_quote_check(&ak, ks_buf_view(&request->attest), ks_buf_view(&request->signature),
                          &expect, NULL));
out:
    return ks_fail_prefix(err, "site request");
}

void ks_site_proof(const struct ks_secret *secret, const uint8_t digest[32],
                   uint8_t out_proof[32])
{
    static const char label[] = "ketseal/site-proof/1\n";
    uint8_t message[sizeof label - 1 + 32];

    ks_copy(message, label, sizeof label - 1);
    ks_copy(message + sizeof label - 1, digest, 32);
    ks_hmac_sha256(ks_secret_view(secret), KS_BYTES(message), out_proof);
}
