/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/exhibit.h"

static const struct ks_json_limits exhibit_limits = {.len_max = KS_EXHIBIT_BYTES_MAX,
                                                     .nodes_max = 512};
static const struct ks_json_limits registered_limits = {.len_max = KS_REGISTERED_BYTES_MAX,
                                                        .nodes_max = 32};

void ks_exhibit_init(struct ks_exhibit *exhibit)
{
    *exhibit = (struct ks_exhibit){0};
    ks_buf_init(&exhibit->ak, KS_AK_PUBLIC_MAX);
    ks_platform_init(&exhibit->platform);
}

void ks_exhibit_done(struct ks_exhibit *exhibit)
{
    ks_buf_done(&exhibit->ak);
    ks_platform_done(&exhibit->platform);
    *exhibit = (struct ks_exhibit){0};
}

void ks_exhibit_write(const struct ks_exhibit *exhibit, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "ak", ks_buf_view(&exhibit->ak));
    ks_json_member_base64(&writer, "channel", KS_BYTES(exhibit->channel));
    ks_json_member_base64(&writer, "nonce", KS_BYTES(exhibit->nonce));
    ks_json_put_key(&writer, "platform");
    ks_platform_put(&exhibit->platform, &writer);
    ks_json_member_text(&writer, "schema", "ketseal.evidence/1");
    ks_json_put_end(&writer);
}

static enum ks_err parse_exhibit(const struct ks_json *root, struct ks_exhibit *exhibit)
{
    static const char *const names[] = {"ak", "channel", "nonce", "platform", "schema", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *platform = NULL;
    struct ks_bytes schema = {0};

    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "schema", &schema));
    KS_CHECK(ks_bytes_is(schema, "ketseal.evidence/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.evidence/1");
    KS_TRY(ks_json_get_base64(root, "ak", &exhibit->ak));
    KS_TRY(
        ks_json_get_base64_exact(root, "channel", exhibit->channel, sizeof exhibit->channel));
    KS_TRY(ks_json_get_base64_exact(root, "nonce", exhibit->nonce, sizeof exhibit->nonce));
    KS_TRY(ks_json_get(root, "platform", KS_JSON_OBJECT, &platform));
    KS_TRY(ks_platform_parse(platform, &exhibit->platform));
out:
    return err;
}

enum ks_err ks_exhibit_read(struct ks_bytes document, struct ks_exhibit *out_exhibit)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_exhibit exhibit;

    ks_exhibit_init(&exhibit);
    KS_TRY(ks_json_parse_canonical(document, &exhibit_limits, &doc));
    KS_TRY(parse_exhibit(ks_json_root(doc), &exhibit));
    *out_exhibit = exhibit;
    exhibit = (struct ks_exhibit){0}; /* transferred */
out:
    ks_json_doc_free(doc);
    ks_exhibit_done(&exhibit);
    return ks_fail_prefix(err, "evidence");
}

void ks_exhibit_extra(const struct ks_exhibit *exhibit, const uint8_t nonce[KS_NONCE_LEN],
                      uint8_t out_extra[32])
{
    const uint8_t zeros[32] = {0};

    ks_platform_binding(KS_QUOTE_DEVICE, zeros, nonce, exhibit->channel, out_extra);
}

enum ks_err ks_platform_appraise(const struct ks_platform *platform, struct ks_bytes ak,
                                 unsigned tpm, const struct ks_appraise_spec *spec,
                                 struct ks_appraisal *out_appraisal)
{
    enum ks_err err = KS_OK;
    struct ks_ak_public key;
    const struct ks_platform_evidence evidence = {
        .ak = &key,
        .tpm = tpm,
        .attest = ks_buf_view(&platform->attest),
        .signature = ks_buf_view(&platform->signature),
        .pcr_mask = platform->pcr_mask,
        .pcr_values = platform->pcr_values,
        .tcg_log = ks_buf_view(&platform->tcg_log),
        .ima_log = ks_buf_view(&platform->ima_log),
        .launch_log = ks_buf_view(&platform->launch_log),
    };

    *out_appraisal = (struct ks_appraisal){0};
    KS_TRY(ks_ak_public_parse(ak, &key));
    KS_TRY(ks_appraise(&evidence, spec, out_appraisal));
out:
    return err;
}

/* --- the registry's side ------------------------------------------------------------------ */

static enum ks_err parse_registered(const struct ks_json *root,
                                    struct ks_registered *registered)
{
    static const char *const names[] = {
        "ak",          "attested_at", "device", "ek",     "ek_certificate",
        "enrolled_at", "expires_at",  "key",    "reason", "schema",
        "state",       "tpm",         NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_only(root, names));
    for (size_t i = 0; names[i] != NULL; i++) {
        KS_TRY(ks_json_get_string(root, names[i], &text));
    }
    KS_TRY(ks_json_get_string(root, "schema", &text));
    KS_CHECK(ks_bytes_is(text, "ketseal.device/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.device/1");
    KS_TRY(ks_json_get_string(root, "device", &text));
    KS_CHECK(ks_text_is_name(text, KS_CERT_SUBJECT_MAX), KS_ERR_FORMAT,
             "'device': 1 to %d letters, digits, '-' and '_'", KS_CERT_SUBJECT_MAX);
    ks_copy(registered->device, text.data, text.len);
    KS_TRY(ks_json_get_hex(root, "ak", registered->ak, sizeof registered->ak));
    KS_TRY(ks_json_get_hex(root, "ek_certificate", registered->ek_certificate,
                           sizeof registered->ek_certificate));
    KS_TRY(ks_json_get_string(root, "tpm", &text));
    KS_CHECK(ks_bytes_is(text, "hardware") || ks_bytes_is(text, "simulated"), KS_ERR_FORMAT,
             "'tpm': hardware or simulated");
    registered->tpm =
        ks_bytes_is(text, "hardware") ? KS_TPM_SET_HARDWARE : KS_TPM_SET_SIMULATED;
out:
    return err;
}

enum ks_err ks_registered_read(struct ks_bytes text, struct ks_registered *out_registered)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_registered registered = {0};

    KS_TRY(ks_json_parse(text, &registered_limits, &doc));
    KS_TRY(parse_registered(ks_json_root(doc), &registered));
    *out_registered = registered;
out:
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "device");
}
