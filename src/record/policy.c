/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/policy.h"

static const struct ks_json_limits policy_limits = {.len_max = KS_POLICY_BYTES_MAX,
                                                    .nodes_max = 4096};

/* What a new policy demands: everything that this version can check offline. */
static const enum ks_verdict_check default_require[] = {
    KS_VERDICT_FORMAT,
    KS_VERDICT_SIGNATURE_ED25519,
    KS_VERDICT_SIGNATURE_MLDSA,
    KS_VERDICT_REQUEST_CERTIFICATE,
    KS_VERDICT_REQUEST_SIGNATURE,
    KS_VERDICT_REQUEST_BINDING,
    KS_VERDICT_RESULT,
    KS_VERDICT_QUOTE_SIGNATURE,
    KS_VERDICT_QUOTE_BINDING,
    KS_VERDICT_QUOTE_PCR,
    KS_VERDICT_QUOTE_START,
    KS_VERDICT_PLATFORM_TPM,
    KS_VERDICT_LEDGER_CHECKPOINT,
    KS_VERDICT_LEDGER_INCLUSION,
    KS_VERDICT_LEDGER_INTENT,
};

static void put_require(struct ks_json_writer *writer, const struct ks_policy_spec *spec)
{
    const struct {
        enum ks_verdict_check check;
        bool wanted;
    } more[] = {
        {KS_VERDICT_LEDGER_WITNESS, spec->witnesses != NULL && spec->witnesses->count > 0},
        {KS_VERDICT_PLATFORM_SITE, spec->site->certificate.signature_len > 0},
        {KS_VERDICT_ANCHOR_PROOF, spec->anchor != NULL},
        {KS_VERDICT_ANCHOR_CANONICAL, spec->anchor != NULL && spec->anchor->block_count > 0},
        {KS_VERDICT_TIMESTAMP, spec->stamps != NULL},
    };

    ks_json_put_key(writer, "require");
    ks_json_put_array(writer);
    for (size_t i = 0; i < sizeof default_require / sizeof default_require[0]; i++) {
        ks_json_put_text(writer, ks_verdict_check_name(default_require[i]));
    }
    for (size_t i = 0; i < sizeof more / sizeof more[0]; i++) {
        if (more[i].wanted) {
            ks_json_put_text(writer, ks_verdict_check_name(more[i].check));
        }
    }
    ks_json_put_end(writer);
}

static void put_stamps(struct ks_json_writer *writer, const struct ks_policy_stamps *stamps)
{
    struct ks_buf pem;
    const char *policy = ks_timestamp_trust_policy(stamps->trust);

    ks_buf_init(&pem, KS_POLICY_BYTES_MAX);
    ks_json_put_key(writer, "timestamp");
    ks_json_put_object(writer);
    ks_timestamp_trust_put_certificates(stamps->trust, &pem);
    ks_json_member_string(writer, "certificates", ks_buf_view(&pem));
    writer->out->err = writer->out->err == KS_OK ? pem.err : writer->out->err;
    ks_buf_clear(&pem);
    ks_timestamp_trust_put_crls(stamps->trust, &pem);
    if (pem.len > 0) {
        ks_json_member_string(writer, "crl", ks_buf_view(&pem));
    }
    writer->out->err = writer->out->err == KS_OK ? pem.err : writer->out->err;
    if (policy != NULL) {
        ks_json_member_text(writer, "policy", policy);
    }
    if (stamps->limited) {
        ks_json_member_u64(writer, "within_s", stamps->within_s);
    }
    ks_json_put_end(writer);
    ks_buf_done(&pem);
}

void ks_policy_write(const struct ks_policy_spec *spec, struct ks_buf *out)
{
    const bool witnessed = spec->witnesses != NULL && spec->witnesses->count > 0;
    struct ks_json_writer writer = ks_json_writer_of(out);
    struct ks_buf pem;
    struct ks_buf document;

    ks_buf_init(&pem, KS_POLICY_BYTES_MAX);
    ks_buf_init(&document, KS_POLICY_BYTES_MAX);
    ks_cert_to_pem(spec->root, &pem);
    ks_json_put_object(&writer);
    if (spec->anchor != NULL) {
        ks_anchor_pin_write(spec->anchor, &document);
        ks_json_put_key(&writer, "anchor");
        ks_json_put_canonical(&writer, ks_buf_view(&document));
        out->err = out->err == KS_OK ? document.err : out->err;
        ks_buf_clear(&document);
    }
    ks_site_write(spec->site, &document);
    ks_json_member_string(&writer, "crl", spec->crl_pem);
    put_require(&writer, spec);
    ks_json_member_string(&writer, "root", ks_buf_view(&pem));
    ks_json_member_text(&writer, "schema", "ketseal.policy/1");
    ks_json_put_key(&writer, "site");
    ks_json_put_canonical(&writer, ks_buf_view(&document));
    if (spec->stamps != NULL) {
        put_stamps(&writer, spec->stamps);
    }
    ks_json_put_key(&writer, "tpm");
    ks_json_put_array(&writer);
    ks_json_put_text(&writer, "hardware");
    if (spec->accept_simulated_tpm) {
        ks_json_put_text(&writer, "simulated");
    }
    ks_json_put_end(&writer);
    if (witnessed) {
        ks_json_put_key(&writer, "witnesses");
        ks_witnesses_write(spec->witnesses, &writer);
    }
    ks_json_put_end(&writer);
    ks_buf_put_text(out, "\n");
    if (out->err == KS_OK) {
        out->err = pem.err != KS_OK ? pem.err : document.err;
    }
    ks_buf_done(&pem);
    ks_buf_done(&document);
}

static enum ks_err parse_require(const struct ks_json *root, struct ks_policy *policy)
{
    enum ks_err err = KS_OK;
    const struct ks_json *array = NULL;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get(root, "require", KS_JSON_ARRAY, &array));
    for (size_t i = 0; i < ks_json_count(array); i++) {
        bool known = false;

        KS_TRY(ks_json_string(ks_json_at(array, i), &text));
        for (unsigned check = 0; check < KS_VERDICT_CHECKS; check++) {
            if (ks_bytes_is(text, ks_verdict_check_name((enum ks_verdict_check)check))) {
                policy->require[check] = true;
                known = true;
            }
        }
        KS_CHECK(known, KS_ERR_FORMAT, "'require': unknown check '%.*s'",
                 (int)(text.len > 64 ? 64 : text.len), (const char *)text.data);
    }
    /* Without these nothing else that was checked means anything. */
    KS_CHECK(policy->require[KS_VERDICT_FORMAT] && policy->require[KS_VERDICT_SIGNATURE_MLDSA],
             KS_ERR_FORMAT, "'require': must hold at least format and signature.ml-dsa-65");
out:
    return err;
}

static enum ks_err parse_tpm(const struct ks_json *root, struct ks_policy *policy)
{
    enum ks_err err = KS_OK;
    const struct ks_json *array = NULL;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get(root, "tpm", KS_JSON_ARRAY, &array));
    for (size_t i = 0; i < ks_json_count(array); i++) {
        KS_TRY(ks_json_string(ks_json_at(array, i), &text));
        if (ks_bytes_is(text, "hardware")) {
            policy->accept_hardware_tpm = true;
        } else {
            KS_CHECK(ks_bytes_is(text, "simulated"), KS_ERR_FORMAT,
                     "'tpm': expected hardware or simulated");
            policy->accept_simulated_tpm = true;
        }
    }
out:
    return err;
}

static enum ks_err parse_anchor(const struct ks_json *root, struct ks_policy *policy)
{
    enum ks_err err = KS_OK;
    const struct ks_json *pin = NULL;

    if (ks_json_find(root, "anchor") == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_json_get(root, "anchor", KS_JSON_OBJECT, &pin));
    KS_TRY(ks_fail_prefix(ks_anchor_pin_read(pin, &policy->anchor), "'anchor'"));
    policy->anchor_pinned = true;
out:
    return err;
}

/* Member NAME of OBJECT, or an empty view where it is absent. */
static enum ks_err optional_text(const struct ks_json *object, const char *name,
                                 struct ks_bytes *out_text)
{
    *out_text = (struct ks_bytes){0};
    return ks_json_find(object, name) == NULL ? KS_OK
                                              : ks_json_get_string(object, name, out_text);
}

static enum ks_err parse_stamps(const struct ks_json *root, struct ks_policy_stamps *stamps)
{
    static const char *const names[] = {"certificates", "crl", "policy", "within_s", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *object = NULL;
    struct ks_timestamp_trust_spec spec = {0};

    if (ks_json_find(root, "timestamp") == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_json_get(root, "timestamp", KS_JSON_OBJECT, &object));
    KS_TRY(ks_json_only(object, names));
    KS_TRY(ks_json_get_string(object, "certificates", &spec.certificates));
    KS_TRY(optional_text(object, "crl", &spec.crls));
    KS_TRY(optional_text(object, "policy", &spec.policy));
    stamps->limited = ks_json_find(object, "within_s") != NULL;
    if (stamps->limited) {
        KS_TRY(ks_json_get_u64(object, "within_s", KS_STAMP_WITHIN_S_MAX, &stamps->within_s));
    }
    KS_TRY(ks_timestamp_trust_new(&spec, &stamps->trust));
out:
    return ks_fail_prefix(err, "'timestamp'");
}

/* An optional member: policies of before have none. */
static enum ks_err parse_witnesses(const struct ks_json *root, struct ks_policy *policy)
{
    enum ks_err err = KS_OK;
    const struct ks_json *object = NULL;

    if (ks_json_find(root, "witnesses") == NULL) {
        return KS_OK;
    }
    KS_TRY(ks_json_get(root, "witnesses", KS_JSON_OBJECT, &object));
    KS_TRY(ks_witnesses_parse(object, &policy->witnesses));
    KS_TRY(ks_witnesses_check(&policy->witnesses, ks_bytes_text(policy->site.origin)));
out:
    return ks_fail_prefix(err, "'witnesses'");
}

enum ks_err ks_policy_read(const struct ks_bytes *document, struct ks_policy **out_policy)
{
    static const char *const names[] = {"anchor", "crl",       "require", "root",      "schema",
                                        "site",   "timestamp", "tpm",     "witnesses", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_policy *policy = ks_calloc(1, sizeof *policy);
    const struct ks_json *root = NULL;
    const struct ks_json *site = NULL;
    struct ks_bytes text = {0};

    KS_CHECK(policy != NULL, KS_ERR_NOMEM, "policy");
    KS_TRY(ks_json_parse(*document, &policy_limits, &doc));
    root = ks_json_root(doc);
    KS_TRY(ks_json_get_string(root, "schema", &text));
    KS_CHECK(ks_bytes_is(text, "ketseal.policy/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.policy/1");
    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "root", &text));
    KS_TRY(ks_fail_prefix(ks_cert_parse_pem(text, &policy->root), "'root'"));
    KS_TRY(ks_json_get_string(root, "crl", &text));
    if (text.len > 0) {
        KS_TRY(ks_fail_prefix(ks_crl_parse_pem(text, &policy->crl), "'crl'"));
    }
    KS_TRY(ks_json_get(root, "site", KS_JSON_OBJECT, &site));
    KS_TRY(ks_fail_prefix(ks_site_parse(site, &policy->site), "'site'"));
    KS_TRY(parse_require(root, policy));
    KS_TRY(parse_tpm(root, policy));
    KS_TRY(parse_anchor(root, policy));
    KS_TRY(parse_stamps(root, &policy->stamps));
    KS_TRY(parse_witnesses(root, policy));
    *out_policy = policy;
    policy = NULL; /* transferred */
out:
    ks_policy_free(policy);
    ks_json_doc_free(doc);
    return ks_fail_prefix(err, "policy");
}

void ks_policy_free(struct ks_policy *policy)
{
    if (policy == NULL) {
        return;
    }
    ks_cert_free(policy->root);
    ks_crl_free(policy->crl);
    ks_anchor_pin_done(&policy->anchor);
    ks_timestamp_trust_free(policy->stamps.trust);
    ks_witnesses_done(&policy->witnesses);
    ks_free(policy);
}
