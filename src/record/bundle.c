/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/digest.h"
#include "ledger/note.h"
#include "record/record.h"

#define VERSION_1 "ketseal.bundle/1"
#define VERSION_2 "ketseal.bundle/2"

/* A result of one-shot outcomes has as many members as outcomes; everything else is small. */
static const struct ks_json_limits bundle_limits = {
    .len_max = KS_BUNDLE_BYTES_MAX,
    .nodes_max = 1024 * 1024,
};

static void put_path(struct ks_json_writer *writer, const char *name,
                     const struct ks_merkle_proof *path)
{
    ks_json_put_key(writer, name);
    ks_json_put_array(writer);
    for (size_t i = 0; i < path->count; i++) {
        ks_json_put_hex(writer, KS_BYTES(path->hashes[i]));
    }
    ks_json_put_end(writer);
}

static void put_ledger(struct ks_json_writer *writer, const struct ks_inclusion *inclusion)
{
    ks_json_put_key(writer, "ledger");
    ks_json_put_object(writer);
    ks_json_member_string(writer, "checkpoint", inclusion->checkpoint);
    ks_json_member_u64(writer, "index", inclusion->index);
    put_path(writer, "intent_path", &inclusion->intent_path);
    put_path(writer, "path", &inclusion->path);
    ks_json_put_end(writer);
}

void ks_bundle_write(const struct ks_bundle_parts *parts, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    bool attached = parts->anchor.len > 0 || parts->timestamp.len > 0;

    ks_json_put_object(&writer);
    if (parts->anchor.len > 0) {
        ks_json_put_key(&writer, "anchor");
        ks_json_put_canonical(&writer, parts->anchor);
    }
    ks_json_member_text(&writer, "bundle", attached ? VERSION_2 : VERSION_1);
    put_ledger(&writer, parts->inclusion);
    ks_json_put_key(&writer, "record");
    ks_json_put_canonical(&writer, parts->record);
    if (parts->timestamp.len > 0) {
        ks_json_put_key(&writer, "timestamp");
        ks_json_put_base64(&writer, parts->timestamp);
    }
    ks_json_put_end(&writer);
    ks_buf_put_text(out, "\n");
}

struct ks_bundle_parts ks_bundle_parts_of(const struct ks_bundle *bundle)
{
    return (struct ks_bundle_parts){
        .record = ks_buf_view(&bundle->record),
        .inclusion = &bundle->inclusion,
        .anchor = ks_buf_view(&bundle->anchor_bytes),
        .timestamp = ks_buf_view(&bundle->timestamp),
    };
}

enum ks_err ks_inclusion_digest(const struct ks_inclusion *inclusion, uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_note note = {0};

    KS_TRY(ks_note_parse(inclusion->checkpoint, &note));
    ks_sha256(note.text, out_digest);
out:
    ks_note_done(&note);
    return ks_fail_prefix(err, "checkpoint");
}

/* An array of 32-byte digests in hexadecimal. */
static enum ks_err parse_path(const struct ks_json *object, const char *name,
                              struct ks_merkle_proof *path)
{
    enum ks_err err = KS_OK;
    const struct ks_json *array = NULL;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get(object, name, KS_JSON_ARRAY, &array));
    KS_CHECK(ks_json_count(array) <= KS_MERKLE_PATH_MAX, KS_ERR_LIMIT, "over %d hashes",
             KS_MERKLE_PATH_MAX);
    for (size_t i = 0; i < ks_json_count(array); i++) {
        KS_TRY(ks_json_string(ks_json_at(array, i), &text));
        KS_TRY(ks_hex_decode(text, path->hashes[i], sizeof path->hashes[i]));
    }
    path->count = ks_json_count(array);
out:
    return ks_fail_prefix(err, "'%s'", name);
}

static enum ks_err parse_ledger(const struct ks_json *root, struct ks_inclusion *inclusion)
{
    static const char *const names[] = {"checkpoint", "index", "intent_path", "path", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *ledger = NULL;

    KS_TRY(ks_json_get(root, "ledger", KS_JSON_OBJECT, &ledger));
    KS_TRY(ks_json_only(ledger, names));
    KS_TRY(ks_json_get_string(ledger, "checkpoint", &inclusion->checkpoint));
    KS_TRY(ks_json_get_u64(ledger, "index", KS_JSON_INTEGER_MAX, &inclusion->index));
    KS_TRY(parse_path(ledger, "path", &inclusion->path));
    KS_TRY(parse_path(ledger, "intent_path", &inclusion->intent_path));
out:
    return ks_fail_prefix(err, "ledger");
}

static enum ks_err parse_quote(const struct ks_json *evidence, struct ks_bundle *bundle)
{
    static const char *const names[] = {"attest", "index", "path", "signature", "size", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *quote = NULL;

    KS_TRY(ks_json_get(evidence, "quote", KS_JSON_OBJECT, &quote));
    KS_TRY(ks_json_only(quote, names));
    KS_TRY(ks_json_get_base64(quote, "attest", &bundle->attest));
    KS_TRY(ks_json_get_base64(quote, "signature", &bundle->quote_signature));
    KS_TRY(ks_json_get_u64(quote, "index", KS_JSON_INTEGER_MAX, &bundle->quote.index));
    KS_TRY(ks_json_get_u64(quote, "size", KS_JSON_INTEGER_MAX, &bundle->quote.size));
    KS_TRY(parse_path(quote, "path", &bundle->quote.path));
    bundle->quote.attest = ks_buf_view(&bundle->attest);
    bundle->quote.signature = ks_buf_view(&bundle->quote_signature);
out:
    return ks_fail_prefix(err, "quote");
}

static enum ks_err parse_start_quote(const struct ks_json *evidence, struct ks_bundle *bundle)
{
    static const char *const names[] = {"attest", "signature", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *quote = NULL;

    KS_TRY(ks_json_get(evidence, "start_quote", KS_JSON_OBJECT, &quote));
    KS_TRY(ks_json_only(quote, names));
    KS_TRY(ks_json_get_base64(quote, "attest", &bundle->start_attest));
    KS_TRY(ks_json_get_base64(quote, "signature", &bundle->start_signature));
    bundle->start.attest = ks_buf_view(&bundle->start_attest);
    bundle->start.signature = ks_buf_view(&bundle->start_signature);
out:
    return ks_fail_prefix(err, "start_quote");
}

/* Appends the canonical form of member NAME of PARENT; tells its digest and the member. */
static enum ks_err digest_member(const struct ks_json *parent, const char *name,
                                 struct ks_buf *out, uint8_t out_digest[32],
                                 const struct ks_json **out_value)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(ks_json_get(parent, name, KS_JSON_OBJECT, &value));
    ks_json_canonical(value, out);
    KS_TRY(ks_buf_check(out));
    ks_sha256(ks_buf_view(out), out_digest);
    *out_value = value;
out:
    return err;
}

/* Of a round, who asked for it is an operator. */
static enum ks_err parse_order(const struct ks_json *evidence, struct ks_bundle *bundle)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;
    uint8_t digest[KS_SHA256_LEN];

    KS_TRY(ks_json_get_base64(evidence, "operator_certificate", &bundle->certificate));
    KS_TRY(digest_member(evidence, "order", &bundle->order_bytes, digest, &value));
    KS_TRY(ks_fail_prefix(ks_fl_order_parse(value, &bundle->order), "order"));
out:
    return err;
}

static enum ks_err parse_submission(const struct ks_json *evidence, struct ks_bundle *bundle)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;
    uint8_t digest[KS_SHA256_LEN];

    KS_TRY(ks_json_get_base64(evidence, "device_certificate", &bundle->certificate));
    KS_TRY(digest_member(evidence, "job", &bundle->job_bytes, digest, &value));
    KS_TRY(ks_fail_prefix(ks_job_parse(value, &bundle->job), "job"));
    KS_TRY(digest_member(evidence, "submission", &bundle->submission_bytes, digest, &value));
    KS_TRY(ks_fail_prefix(ks_submission_parse(value, &bundle->submission), "submission"));
out:
    return err;
}

static enum ks_err parse_evidence(const struct ks_json *evidence, struct ks_bundle *bundle)
{
    static const char *const names_1[] = {"device_certificate", "event_log",  "job", "quote",
                                          "signature",          "submission", NULL};
    static const char *const names_2[] = {
        "device_certificate", "event_log",   "job",        "quote",
        "signature",          "start_quote", "submission", NULL};
    static const char *const names_round[] = {
        "event_log", "operator_certificate", "order", "quote",
        "signature", "start_quote",          NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;
    const bool round = bundle->core.kind == KS_KIND_ROUND;

    KS_TRY(ks_json_only(evidence, round                      ? names_round
                                  : bundle->core.schema == 1 ? names_1
                                                             : names_2));
    KS_TRY(ks_json_get(evidence, "event_log", KS_JSON_OBJECT, &value));
    KS_TRY(ks_fail_prefix(ks_event_log_from_json(value, &bundle->event_log), "event_log"));
    KS_TRY(round ? parse_order(evidence, bundle) : parse_submission(evidence, bundle));
    KS_TRY(ks_json_get_base64(evidence, "signature", &bundle->submission_signature));
    KS_TRY(parse_quote(evidence, bundle));
    if (bundle->core.schema > 1) {
        KS_TRY(parse_start_quote(evidence, bundle));
    }
out:
    return ks_fail_prefix(err, "evidence");
}

static enum ks_err parse_signatures(const struct ks_json *signatures, struct ks_bundle *bundle)
{
    static const char *const names[] = {"ed25519", "ml-dsa-65", NULL};
    enum ks_err err = KS_OK;

    KS_TRY(ks_json_only(signatures, names));
    KS_TRY(ks_json_get_base64(signatures, "ed25519", &bundle->ed25519));
    KS_TRY(ks_json_get_base64(signatures, "ml-dsa-65", &bundle->mldsa65));
out:
    return ks_fail_prefix(err, "signatures");
}

static enum ks_err parse_record(const struct ks_json *record, struct ks_bundle *bundle)
{
    static const char *const names[] = {"core", "evidence", "signatures", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *core = NULL;
    const struct ks_json *evidence = NULL;
    const struct ks_json *signatures = NULL;
    struct ks_buf scratch;

    ks_buf_init(&scratch, KS_RECORD_BYTES_MAX);
    KS_TRY(ks_json_only(record, names));
    ks_json_canonical(record, &bundle->record);
    KS_TRY(ks_buf_check(&bundle->record));
    KS_TRY(digest_member(record, "core", &scratch, bundle->core_hash, &core));
    ks_buf_clear(&scratch);
    KS_TRY(digest_member(record, "evidence", &scratch, bundle->evidence_hash, &evidence));
    ks_buf_clear(&scratch);
    KS_TRY(digest_member(record, "signatures", &scratch, bundle->signatures_hash, &signatures));
    KS_TRY(ks_core_parse(core, &bundle->parameters, &bundle->result, &bundle->core));
    KS_TRY(parse_evidence(evidence, bundle));
    KS_TRY(parse_signatures(signatures, bundle));
out:
    ks_buf_done(&scratch);
    return err;
}

/* Of version 2: at least one of them is there. */
static enum ks_err parse_attached(const struct ks_json *root, struct ks_bundle *bundle)
{
    enum ks_err err = KS_OK;
    const struct ks_json *anchor = ks_json_find(root, "anchor");
    bool stamped = ks_json_find(root, "timestamp") != NULL;

    KS_CHECK(anchor != NULL || stamped, KS_ERR_FORMAT,
             "version 2 without an anchor or a time stamp");
    if (anchor != NULL) {
        KS_TRY(ks_fail_prefix(ks_anchor_read(anchor, &bundle->anchor), "'anchor'"));
        ks_anchor_write(bundle->anchor, &bundle->anchor_bytes);
        KS_TRY(ks_buf_check(&bundle->anchor_bytes));
    }
    if (stamped) {
        KS_TRY(ks_json_get_base64(root, "timestamp", &bundle->timestamp));
        KS_TRY(ks_fail_prefix(
            ks_timestamp_read(ks_buf_view(&bundle->timestamp), &bundle->stamp), "'timestamp'"));
    }
out:
    return err;
}

static enum ks_err parse_version(const struct ks_json *root, struct ks_bundle *bundle)
{
    static const char *const names_1[] = {"bundle", "ledger", "record", NULL};
    static const char *const names_2[] = {"anchor", "bundle",    "ledger",
                                          "record", "timestamp", NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(root, "bundle", &text));
    KS_CHECK(ks_bytes_is(text, VERSION_1) || ks_bytes_is(text, VERSION_2), KS_ERR_FORMAT,
             "'bundle': expected " VERSION_1 " or " VERSION_2);
    bundle->version = ks_bytes_is(text, VERSION_1) ? 1 : 2;
    KS_TRY(ks_json_only(root, bundle->version == 1 ? names_1 : names_2));
out:
    return err;
}

static enum ks_err bundle_new(struct ks_bundle **out_bundle)
{
    struct ks_bundle *bundle = ks_calloc(1, sizeof *bundle);

    if (bundle == NULL) {
        return ks_fail(KS_ERR_NOMEM, "bundle");
    }
    ks_buf_init(&bundle->record, KS_RECORD_BYTES_MAX);
    ks_buf_init(&bundle->parameters, KS_JOB_BYTES_MAX);
    ks_buf_init(&bundle->result, KS_RESULT_BYTES_MAX);
    ks_buf_init(&bundle->job_bytes, KS_JOB_BYTES_MAX);
    ks_buf_init(&bundle->submission_bytes, KS_JOB_BYTES_MAX);
    ks_buf_init(&bundle->order_bytes, KS_FL_DOCUMENT_MAX);
    ks_buf_init(&bundle->submission_signature, KS_SIG_LEN_MAX);
    ks_buf_init(&bundle->certificate, KS_CERT_DER_MAX);
    ks_buf_init(&bundle->attest, KS_ATTEST_MAX);
    ks_buf_init(&bundle->quote_signature, KS_TPM_SIGNATURE_MAX);
    ks_buf_init(&bundle->start_attest, KS_ATTEST_MAX);
    ks_buf_init(&bundle->start_signature, KS_TPM_SIGNATURE_MAX);
    ks_buf_init(&bundle->ed25519, KS_SIG_LEN_MAX);
    ks_buf_init(&bundle->mldsa65, KS_SIG_LEN_MAX);
    ks_buf_init(&bundle->anchor_bytes, KS_ANCHOR_LEN_MAX);
    ks_buf_init(&bundle->timestamp, KS_TIMESTAMP_TOKEN_MAX);
    *out_bundle = bundle;
    return KS_OK;
}

void ks_bundle_free(struct ks_bundle *bundle)
{
    if (bundle == NULL) {
        return;
    }
    ks_json_doc_free(bundle->doc);
    ks_buf_done(&bundle->record);
    ks_buf_done(&bundle->parameters);
    ks_buf_done(&bundle->result);
    ks_buf_done(&bundle->job_bytes);
    ks_buf_done(&bundle->submission_bytes);
    ks_fl_order_done(&bundle->order);
    ks_buf_done(&bundle->order_bytes);
    ks_buf_done(&bundle->submission_signature);
    ks_buf_done(&bundle->certificate);
    ks_buf_done(&bundle->attest);
    ks_buf_done(&bundle->quote_signature);
    ks_buf_done(&bundle->start_attest);
    ks_buf_done(&bundle->start_signature);
    ks_buf_done(&bundle->ed25519);
    ks_buf_done(&bundle->mldsa65);
    ks_anchor_free(bundle->anchor);
    ks_buf_done(&bundle->anchor_bytes);
    ks_buf_done(&bundle->timestamp);
    ks_free(bundle);
}

enum ks_err ks_bundle_parse(struct ks_bytes bytes, struct ks_bundle **out_bundle)
{
    enum ks_err err = KS_OK;
    struct ks_bundle *bundle = NULL;
    const struct ks_json *root = NULL;
    const struct ks_json *record = NULL;

    KS_CHECK(bytes.len > 0 && bytes.data[bytes.len - 1] == '\n', KS_ERR_FORMAT,
             "bundle: does not end with a newline");
    KS_TRY(bundle_new(&bundle));
    KS_TRY(ks_json_parse_canonical(ks_bytes_of(bytes.data, bytes.len - 1), &bundle_limits,
                                   &bundle->doc));
    root = ks_json_root(bundle->doc);
    KS_TRY(parse_version(root, bundle));
    KS_TRY(parse_ledger(root, &bundle->inclusion));
    KS_TRY(ks_json_get(root, "record", KS_JSON_OBJECT, &record));
    KS_TRY(parse_record(record, bundle));
    if (bundle->version > 1) {
        KS_TRY(parse_attached(root, bundle));
    }
    *out_bundle = bundle;
    bundle = NULL; /* transferred */
out:
    ks_bundle_free(bundle);
    return err;
}
