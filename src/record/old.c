/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/old.h"

#include "base/json.h"
#include "base/text.h"
#include "record/pyjson.h"

#define INDENT 2

static const char *const names[] = {"0.1", "qpoe-0.1"};

struct ks_old_record {
    enum ks_old_schema schema;
    struct ks_pyjson_doc *doc;
    struct ks_old_workload workload;
    uint8_t hash[KS_SHA256_LEN];
};

const char *ks_old_schema_name(enum ks_old_schema schema)
{
    return names[schema];
}

enum ks_err ks_old_schema_find(const char *name, enum ks_old_schema *out_schema)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (ks_bytes_is(ks_bytes_text(name), names[i])) {
            *out_schema = (enum ks_old_schema)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_USAGE, "schema '%s' is neither 0.1 nor qpoe-0.1", name);
}

/* --- the core, whose SHA-256 is the hash ---------------------------------------------------
 */

/* What of a record is hashed: paths of at most two names, in the order of the hashed text. */
struct part {
    const char *name;
    const char *member; /* NULL: all of it; otherwise this one alone, or the next one too */
};

static const struct part parts_0_1[] = {
    {"execution", NULL},     {"record", "created_at"}, {"record", "hash_alg"},
    {"record", "record_id"}, {"schema_version", NULL}, {"workload", NULL},
};
static const struct part parts_qpoe[] = {
    {"artifacts", "circuit_hash"},
    {"execution", NULL},
    {"results", NULL},
    {"schema", NULL},
    {"workload", NULL},
};

static const struct part *parts_of(enum ks_old_schema schema, size_t *out_count)
{
    *out_count = schema == KS_OLD_0_1 ? sizeof parts_0_1 / sizeof parts_0_1[0]
                                      : sizeof parts_qpoe / sizeof parts_qpoe[0];
    return schema == KS_OLD_0_1 ? parts_0_1 : parts_qpoe;
}

static bool same_name(const struct part *a, const struct part *b)
{
    return a->member != NULL && b->member != NULL &&
           ks_bytes_is(ks_bytes_text(a->name), b->name);
}

static enum ks_err put_part(const struct ks_pyjson *root, const struct part *part, bool ascii,
                            struct ks_buf *out)
{
    const struct ks_pyjson *value = ks_pyjson_find(root, part->name);

    if (value != NULL && part->member != NULL) {
        value = ks_pyjson_find(value, part->member);
    }
    if (value == NULL) {
        return ks_fail(KS_ERR_FORMAT, "no member '%s%s%s'", part->name,
                       part->member != NULL ? "." : "",
                       part->member != NULL ? part->member : "");
    }
    ks_buf_put_format(out, "\"%s\":", part->member != NULL ? part->member : part->name);
    return ks_pyjson_put(value, (struct ks_pyjson_style){.ascii = ascii}, out);
}

static enum ks_err put_core(const struct ks_pyjson *root, enum ks_old_schema schema,
                            struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    size_t count = 0;
    const struct part *parts = parts_of(schema, &count);

    ks_buf_put_text(out, "{");
    for (size_t i = 0; i < count; i++) {
        const bool goes_on = i > 0 && same_name(&parts[i - 1], &parts[i]);

        ks_buf_put_text(out, i > 0 ? "," : "");
        if (parts[i].member != NULL && !goes_on) {
            ks_buf_put_format(out, "\"%s\":{", parts[i].name);
        }
        KS_TRY(put_part(root, &parts[i], schema == KS_OLD_0_1, out));
        if (parts[i].member != NULL &&
            !(i + 1 < count && same_name(&parts[i], &parts[i + 1]))) {
            ks_buf_put_text(out, "}");
        }
    }
    ks_buf_put_text(out, "}");
out:
    return err;
}

static enum ks_err hash_core(const struct ks_pyjson *root, enum ks_old_schema schema,
                             uint8_t out_hash[KS_SHA256_LEN])
{
    enum ks_err err = KS_OK;
    struct ks_buf core;

    /* An escaped character is at most six bytes for one. */
    ks_buf_init(&core, (size_t)6 * KS_OLD_BYTES_MAX);
    KS_TRY(put_core(root, schema, &core));
    KS_TRY(ks_buf_check(&core));
    ks_sha256(ks_buf_view(&core), out_hash);
out:
    ks_buf_done(&core);
    return err;
}

/* --- reading ------------------------------------------------------------------------------ */

/* The value at a path of at most two names; NULL when something is absent. */
static const struct ks_pyjson *at(const struct ks_pyjson *root, const char *name,
                                  const char *member)
{
    const struct ks_pyjson *value = ks_pyjson_find(root, name);

    return value != NULL && member != NULL ? ks_pyjson_find(value, member) : value;
}

static struct ks_bytes string_at(const struct ks_pyjson *root, const char *name,
                                 const char *member)
{
    const struct ks_pyjson *value = at(root, name, member);

    return value != NULL && ks_pyjson_type(value) == KS_PYJSON_STRING ? ks_pyjson_text(value)
                                                                      : (struct ks_bytes){0};
}

static bool number_in(const struct ks_pyjson *object, const char *name, uint64_t *out_value)
{
    const struct ks_pyjson *value = object != NULL ? ks_pyjson_find(object, name) : NULL;
    struct ks_bytes text = {0};
    uint64_t number = 0;

    if (value == NULL || ks_pyjson_type(value) != KS_PYJSON_NUMBER) {
        return false;
    }
    text = ks_pyjson_text(value);
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9' || number > KS_JSON_INTEGER_MAX / 10) {
            return false;
        }
        number = 10 * number + (text.data[i] - '0');
    }
    *out_value = number;
    return number <= KS_JSON_INTEGER_MAX;
}

static void read_workload(const struct ks_pyjson *root, struct ks_old_record *record)
{
    struct ks_old_workload *workload = &record->workload;
    const struct ks_pyjson *numbers = at(root, "workload", NULL);
    const bool first = record->schema == KS_OLD_0_1;

    workload->name = string_at(root, "workload", "name");
    workload->framework =
        first ? string_at(root, "workload", "sdk") : string_at(root, "execution", "framework");
    workload->framework_version = string_at(root, "execution", "framework_version");
    workload->circuit_hash =
        first ? (struct ks_bytes){0} : string_at(root, "artifacts", "circuit_hash");
    workload->whole = numbers != NULL && number_in(numbers, "shots", &workload->shots);
    if (first && numbers != NULL) {
        numbers = ks_pyjson_find(numbers, "parameters");
    }
    workload->whole = workload->whole && number_in(numbers, "n_qubits", &workload->qubits) &&
                      number_in(numbers, "depth", &workload->depth) &&
                      number_in(numbers, "seed", &workload->seed);
}

enum ks_err ks_old_parse(struct ks_bytes text, struct ks_old_record **out_record)
{
    enum ks_err err = KS_OK;
    struct ks_old_record *record = ks_calloc(1, sizeof *record);
    const struct ks_pyjson *root = NULL;

    KS_CHECK(record != NULL, KS_ERR_NOMEM, "record");
    KS_CHECK(text.len <= KS_OLD_BYTES_MAX, KS_ERR_LIMIT, "%zu bytes, limit %d", text.len,
             KS_OLD_BYTES_MAX);
    KS_TRY(ks_pyjson_parse(text, &record->doc));
    root = ks_pyjson_root(record->doc);
    if (ks_bytes_is(string_at(root, "schema_version", NULL), names[KS_OLD_0_1])) {
        record->schema = KS_OLD_0_1;
    } else {
        KS_CHECK(ks_bytes_is(string_at(root, "schema", NULL), names[KS_OLD_QPOE_0_1]),
                 KS_ERR_NOT_FOUND, "no record of schema 0.1 or qpoe-0.1");
        record->schema = KS_OLD_QPOE_0_1;
    }
    KS_TRY(hash_core(root, record->schema, record->hash));
    read_workload(root, record);
    *out_record = record;
    record = NULL;
out:
    ks_old_free(record);
    return err;
}

void ks_old_free(struct ks_old_record *record)
{
    if (record != NULL) {
        ks_pyjson_free(record->doc);
        ks_free(record);
    }
}

enum ks_old_schema ks_old_schema_of(const struct ks_old_record *record)
{
    return record->schema;
}

const struct ks_old_workload *ks_old_workload_of(const struct ks_old_record *record)
{
    return &record->workload;
}

void ks_old_hash(const struct ks_old_record *record, char target[KS_OLD_HASH_TEXT])
{
    const size_t prefix = record->schema == KS_OLD_0_1 ? 0 : sizeof "sha256:" - 1;

    ks_copy(target, "sha256:", prefix);
    ks_hex_encode(KS_BYTES(record->hash), target + prefix);
}

/* --- verifying ---------------------------------------------------------------------------- */

bool ks_old_hash_stated(const struct ks_old_record *record)
{
    const struct ks_pyjson *root = ks_pyjson_root(record->doc);
    char hash[KS_OLD_HASH_TEXT];

    ks_old_hash(record, hash);
    return ks_bytes_is(record->schema == KS_OLD_0_1
                           ? string_at(root, "record", "hash")
                           : string_at(root, "artifacts", "record_hash"),
                       hash);
}

/* Raw bytes of base64, canonical: their writers made no other. */
static enum ks_err decode(const struct ks_pyjson *root, const char *name, const char *member,
                          uint8_t *target, size_t len)
{
    if (ks_base64_decode_exact(string_at(root, name, member), target, len) != KS_OK) {
        return ks_fail(KS_ERR_FORMAT, "'%s.%s': expected base64 of %zu bytes", name, member,
                       len);
    }
    return KS_OK;
}

static enum ks_err verify_signature(const struct ks_old_record *record, const char *where)
{
    enum ks_err err = KS_OK;
    const struct ks_pyjson *root = ks_pyjson_root(record->doc);
    uint8_t public[32];
    uint8_t signature[64];
    struct ks_verify_key *key = NULL;

    KS_TRY(decode(root, where, "public_key", public, sizeof public));
    KS_TRY(decode(root, where, "signature", signature, sizeof signature));
    KS_TRY(ks_verify_key_new(KS_SIG_ED25519, KS_BYTES(public), &key));
    KS_TRY(ks_fail_prefix(ks_verify(key, "", KS_BYTES(record->hash), KS_BYTES(signature)),
                          "signature"));
out:
    ks_verify_key_free(key);
    return err;
}

enum ks_err ks_old_verify(const struct ks_old_record *record, bool *out_signed)
{
    enum ks_err err = KS_OK;
    const struct ks_pyjson *root = ks_pyjson_root(record->doc);
    const bool first = record->schema == KS_OLD_0_1;
    const char *where = first ? "record" : "attestation";
    const char *member = first ? "signature_alg" : "signing_alg";
    const struct ks_pyjson *value = at(root, where, member);
    struct ks_bytes alg = string_at(root, where, member);

    *out_signed = false;
    KS_CHECK(ks_old_hash_stated(record), KS_ERR_VERIFY,
             "the hash that it states is not that of its core");
    if (first && (value == NULL || ks_bytes_is(alg, "none"))) {
        return KS_OK;
    }
    KS_CHECK(ks_bytes_is(alg, "ed25519"), KS_ERR_VERIFY, "'%s.%s': not ed25519", where, member);
    KS_TRY(verify_signature(record, where));
    *out_signed = true;
out:
    return err;
}

/* --- writing ------------------------------------------------------------------------------ */

static void put_execution(const struct ks_old_spec *spec, const char *result_digest,
                          struct ks_json_writer *writer)
{
    const bool first = spec->schema == KS_OLD_0_1;

    ks_json_put_key(writer, "execution");
    ks_json_put_object(writer);
    ks_json_member_string(writer, "backend", spec->backend);
    ks_json_member_string(writer, "finished_at", spec->finished_at);
    if (first) {
        ks_json_member_text(writer, "result_digest", result_digest);
        ks_json_put_key(writer, "result_summary");
        ks_json_put_canonical(writer, spec->counts);
    } else {
        ks_json_member_string(writer, "framework", spec->framework);
        ks_json_member_string(writer, "framework_version", spec->framework_version);
    }
    ks_json_member_string(writer, "started_at", spec->started_at);
    ks_json_put_end(writer);
}

static void put_workload_0_1(const struct ks_old_spec *spec, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "workload");
    ks_json_put_object(writer);
    ks_json_member_string(writer, "name", spec->name);
    ks_json_put_key(writer, "parameters");
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "depth", spec->depth);
    ks_json_member_u64(writer, "n_qubits", spec->qubits);
    ks_json_member_u64(writer, "seed", spec->seed);
    ks_json_put_end(writer);
    ks_json_member_string(writer, "sdk", spec->framework);
    ks_json_member_u64(writer, "shots", spec->shots);
    ks_json_put_end(writer);
}

static void put_workload_qpoe(const struct ks_old_spec *spec, struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "workload");
    ks_json_put_object(writer);
    ks_json_member_u64(writer, "depth", spec->depth);
    ks_json_member_u64(writer, "n_qubits", spec->qubits);
    ks_json_member_string(writer, "name", spec->name);
    ks_json_member_u64(writer, "seed", spec->seed);
    ks_json_member_u64(writer, "shots", spec->shots);
    ks_json_put_end(writer);
}

/* What HASH and SIGNATURE say; both NULL: the core alone. */
struct seal {
    const char *hash;
    struct ks_bytes public;
    struct ks_bytes signature;
};

static void put_text_or_null(struct ks_json_writer *writer, const char *name,
                             struct ks_bytes bytes)
{
    ks_json_put_key(writer, name);
    if (bytes.len > 0) {
        ks_json_put_base64(writer, bytes);
    } else {
        ks_json_put_null(writer);
    }
}

static void put_0_1(const struct ks_old_spec *spec, const struct seal *seal,
                    const char *result_digest, struct ks_json_writer *writer)
{
    put_execution(spec, result_digest, writer);
    ks_json_put_key(writer, "record");
    ks_json_put_object(writer);
    ks_json_member_string(writer, "created_at", spec->finished_at);
    if (seal != NULL) {
        ks_json_member_text(writer, "hash", seal->hash);
    }
    ks_json_member_text(writer, "hash_alg", "sha256");
    if (seal != NULL) {
        put_text_or_null(writer, "public_key", seal->public);
    }
    ks_json_member_string(writer, "record_id", spec->record_id);
    if (seal != NULL) {
        put_text_or_null(writer, "signature", seal->signature);
        ks_json_member_text(writer, "signature_alg",
                            seal->signature.len > 0 ? "ed25519" : "none");
    }
    ks_json_put_end(writer);
    ks_json_member_text(writer, "schema_version", names[KS_OLD_0_1]);
    put_workload_0_1(spec, writer);
}

static void put_qpoe(const struct ks_old_spec *spec, const struct seal *seal,
                     struct ks_json_writer *writer)
{
    ks_json_put_key(writer, "artifacts");
    ks_json_put_object(writer);
    ks_json_member_string(writer, "circuit_hash", spec->circuit_hash);
    if (seal != NULL) {
        ks_json_member_text(writer, "record_hash", seal->hash);
    }
    ks_json_put_end(writer);
    if (seal != NULL) {
        ks_json_put_key(writer, "attestation");
        ks_json_put_object(writer);
        ks_json_member_base64(writer, "public_key", seal->public);
        ks_json_member_base64(writer, "signature", seal->signature);
        ks_json_member_text(writer, "signing_alg", "ed25519");
        ks_json_put_end(writer);
    }
    put_execution(spec, NULL, writer);
    ks_json_put_key(writer, "results");
    ks_json_put_object(writer);
    ks_json_put_key(writer, "counts");
    ks_json_put_canonical(writer, spec->counts);
    ks_json_put_end(writer);
    ks_json_member_text(writer, "schema", names[KS_OLD_QPOE_0_1]);
    put_workload_qpoe(spec, writer);
}

/* A record, with SEAL or as its own core, as compact JSON that either parser reads. */
static void put_record(const struct ks_old_spec *spec, const struct seal *seal,
                       struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    uint8_t digest[KS_SHA256_LEN];
    char digest_text[2 * KS_SHA256_LEN + 1];

    ks_sha256(spec->counts, digest);
    ks_hex_encode(KS_BYTES(digest), digest_text);
    ks_json_put_object(&writer);
    if (spec->schema == KS_OLD_0_1) {
        put_0_1(spec, seal, digest_text, &writer);
    } else {
        put_qpoe(spec, seal, &writer);
    }
    ks_json_put_end(&writer);
}

static enum ks_err sign_hash(const struct ks_old_record *core, const struct ks_sign_key *key,
                             struct ks_buf *public, struct ks_buf *signature)
{
    enum ks_err err = KS_OK;

    if (key != NULL) {
        KS_TRY(ks_sign_key_public(key, public));
        KS_TRY(ks_sign(key, "", KS_BYTES(core->hash), signature));
    }
out:
    return err;
}

enum ks_err ks_old_write(const struct ks_old_spec *spec, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf text;
    struct ks_buf public;
    struct ks_buf signature;
    struct ks_old_record *core = NULL;
    struct ks_pyjson_doc *doc = NULL;
    char hash[KS_OLD_HASH_TEXT];
    struct seal seal = {.hash = hash};

    ks_buf_init(&text, KS_OLD_BYTES_MAX);
    ks_buf_init(&public, KS_SIG_PUBLIC_LEN_MAX);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    KS_CHECK(spec->key != NULL || spec->schema == KS_OLD_0_1, KS_ERR_USAGE,
             "schema qpoe-0.1 has no unsigned records");
    put_record(spec, NULL, &text);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_old_parse(ks_buf_view(&text), &core));
    KS_TRY(sign_hash(core, spec->key, &public, &signature));
    ks_old_hash(core, hash);
    seal.public = ks_buf_view(&public);
    seal.signature = ks_buf_view(&signature);
    ks_buf_clear(&text);
    put_record(spec, &seal, &text);
    KS_TRY(ks_buf_check(&text));
    KS_TRY(ks_pyjson_parse(ks_buf_view(&text), &doc));
    KS_TRY(ks_pyjson_put(
        ks_pyjson_root(doc),
        (struct ks_pyjson_style){.ascii = spec->schema == KS_OLD_0_1, .indent = INDENT}, out));
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&text);
    ks_buf_done(&public);
    ks_buf_done(&signature);
    ks_old_free(core);
    ks_pyjson_free(doc);
    return err;
}
