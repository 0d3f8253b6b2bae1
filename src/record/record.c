/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/record.h"

#include "crypto/digest.h"
#include "record/internal.h"

/* --- core --------------------------------------------------------------------------------- */

static const char *const key_sources[KS_KEY_SOURCES] = {
#define KEY_SOURCE_NAME(name, text) [KS_KEY_SOURCE_##name] = (text),
    KS_KEY_SOURCE_LIST(KEY_SOURCE_NAME)
#undef KEY_SOURCE_NAME
};

const char *ks_key_source_name(enum ks_key_source source)
{
    KS_ASSERT((unsigned)source < KS_KEY_SOURCES);
    return key_sources[source];
}

enum ks_err ks_key_source_parse(struct ks_bytes text, enum ks_key_source *out_source)
{
    for (unsigned i = 0; i < KS_KEY_SOURCES; i++) {
        if (ks_bytes_is(text, key_sources[i])) {
            *out_source = (enum ks_key_source)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_FORMAT, "expected kem, etsi014 or both");
}

static void put_number(struct ks_json_writer *writer, const char *name, double value)
{
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

static void put_method(const struct ks_core *core, struct ks_json_writer *writer)
{
    const struct ks_simulate_facts *facts = &core->facts;

    ks_json_put_object(writer);
    if (facts->method == KS_METHOD_SPARSE) {
        ks_json_member_u64(writer, "amplitudes", facts->amplitudes);
    }
    if (facts->method == KS_METHOD_MPS) {
        ks_json_member_u64(writer, "bond", facts->bond);
        ks_json_member_u64(writer, "bond_max", core->bond_max);
        put_number(writer, "cutoff", core->cutoff);
    }
    if (facts->method == KS_METHOD_SPARSE || facts->method == KS_METHOD_MPS) {
        put_number(writer, "discarded_weight", facts->discarded_weight);
    }
    ks_json_member_text(writer, "name", ks_job_method_name(facts->method));
    if (core->method_reason.len > 0) {
        ks_json_member_string(writer, "reason", core->method_reason);
    }
    ks_json_put_end(writer);
}

static const char *backend_name(unsigned schema)
{
    return schema < 3 ? "ketseal-statevector" : "ketseal";
}

bool ks_sdk_text_valid(struct ks_bytes text)
{
    for (size_t i = 0; i < text.len; i++) {
        const struct ks_bytes one = ks_bytes_of(text.data + i, 1);

        if (!ks_text_is_name(one, 1) && text.data[i] != '.' && text.data[i] != '+') {
            return false;
        }
    }
    return text.len >= 1 && text.len <= KS_SDK_TEXT_MAX;
}

/* Of another SDK: its simulator has no numerics of ours, and the interpreter's sandbox is not
 * the worker's. */
static void put_sdk_execution(const struct ks_core *core, struct ks_json_writer *writer)
{
    const struct ks_sdk_run *run = &core->sdk_run;

    ks_json_member_string(writer, "backend", run->backend);
    ks_json_member_string(writer, "backend_version", run->backend_version);
    ks_json_member_hex(writer, "build", KS_BYTES(core->build));
    ks_json_member_hex(writer, "environment", KS_BYTES(run->environment));
    ks_document_put_time(writer, "finished_at", core->finished_us);
    ks_json_member_text(writer, "isolation", "interpreter");
    ks_json_member_text(writer, "precision", core->single ? "single" : "double");
}

static void put_own_execution(const struct ks_core *core, struct ks_json_writer *writer)
{
    ks_json_member_text(writer, "backend", backend_name(core->schema));
    ks_json_member_hex(writer, "build", KS_BYTES(core->build));
    ks_document_put_time(writer, "finished_at", core->finished_us);
    ks_json_member_string(writer, "isa", core->isa);
    ks_json_member_text(writer, "isolation", "process");
    if (core->schema >= 3) {
        ks_json_put_key(writer, "method");
        put_method(core, writer);
    }
    ks_json_member_u64(writer, "numerics", core->numerics);
    ks_json_member_text(writer, "precision", core->single ? "single" : "double");
}

static void put_execution(const struct ks_core *core, struct ks_json_writer *writer)
{
    uint8_t digest[KS_SHA256_LEN];

    ks_sha256(core->result, digest);
    KS_ASSERT(core->sdk == KS_SDK_KETSEAL || core->schema == KS_RECORD_SCHEMA_CIRCUIT);
    ks_json_put_object(writer);
    if (core->kind != KS_KIND_CIRCUIT) {
        ks_core_fl_put_execution(core, writer);
    } else if (core->sdk == KS_SDK_KETSEAL) {
        put_own_execution(core, writer);
    } else {
        put_sdk_execution(core, writer);
    }
    ks_json_member_hex(writer, "result_digest", KS_BYTES(digest));
    ks_json_put_key(writer, "result_summary");
    ks_json_put_canonical(writer, core->result);
    ks_document_put_time(writer, "started_at", core->started_us);
    ks_json_member_u64(writer, "threads", core->threads);
    if (core->sdk != KS_SDK_KETSEAL) {
        ks_json_member_hex(writer, "transpiled", KS_BYTES(core->sdk_run.transpiled));
    }
    ks_json_put_end(writer);
}

static void put_request(const struct ks_core *core, struct ks_json_writer *writer)
{
    if (core->kind == KS_KIND_ROUND) {
        ks_core_fl_put_request(core, writer);
        return;
    }
    ks_json_put_object(writer);
    ks_json_member_base64(writer, "channel", KS_BYTES(core->channel));
    ks_json_member_u64(writer, "counter", core->counter);
    ks_json_member_string(writer, "device", core->device);
    ks_json_member_hex(writer, "job", KS_BYTES(core->job));
    ks_json_member_string(writer, "key_id", core->key_id);
    if (core->schema >= 3) {
        ks_json_member_text(writer, "key_policy", ks_key_source_name(core->key_policy));
    }
    ks_json_member_text(writer, "key_source", ks_key_source_name(core->key_source));
    ks_json_member_hex(writer, "submission", KS_BYTES(core->submission));
    ks_json_member_hex(writer, "submission_signature", KS_BYTES(core->submission_signature));
    ks_json_put_end(writer);
}

static void put_workload(const struct ks_core *core, struct ks_json_writer *writer)
{
    if (core->kind != KS_KIND_CIRCUIT) {
        ks_core_fl_put_workload(core, writer);
        return;
    }
    ks_json_put_object(writer);
    ks_json_member_text(writer, "bit_order", "clbit 0 rightmost");
    ks_json_member_hex(writer, "circuit_hash", KS_BYTES(core->circuit_hash));
    ks_json_member_u64(writer, "clbits", core->clbits);
    ks_json_member_string(writer, "name", core->name);
    if (core->noise != NULL) {
        ks_json_put_key(writer, "noise");
        ks_json_put_value(writer, core->noise);
    }
    ks_json_put_key(writer, "parameters");
    ks_json_put_canonical(writer, core->parameters);
    ks_json_member_u64(writer, "qubits", core->qubits);
    ks_json_member_text(writer, "sdk", ks_sdk_name(core->sdk));
    if (core->sdk != KS_SDK_KETSEAL) {
        ks_json_member_string(writer, "sdk_version", core->sdk_run.version);
    }
    ks_json_member_u64(writer, "seed", core->seed);
    ks_json_member_text(writer, "seed_provenance", "client");
    ks_json_member_u64(writer, "shots", core->shots);
    ks_json_member_hex(writer, "source_digest", KS_BYTES(core->source_digest));
    ks_json_put_end(writer);
}

static const char *schema_name(unsigned schema)
{
    static const char *const names[KS_RECORD_SCHEMA_MAX] = {
        "ketseal-1", "ketseal-2", "ketseal-3", "ketseal-4", "ketseal-5"};

    KS_ASSERT(schema >= 1 && schema <= KS_RECORD_SCHEMA_MAX);
    return names[schema - 1];
}

void ks_core_write(const struct ks_core *core, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    KS_ASSERT((core->schema == KS_RECORD_SCHEMA_FL) == (core->kind != KS_KIND_CIRCUIT));
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "execution");
    put_execution(core, &writer);
    ks_json_put_key(&writer, "ledger");
    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "checkpoint");
    ks_json_put_object(&writer);
    ks_json_member_hex(&writer, "root", KS_BYTES(core->checkpoint_root));
    ks_json_member_u64(&writer, "size", core->checkpoint_size);
    ks_json_put_end(&writer);
    ks_json_member_u64(&writer, "intent", core->intent_index);
    ks_json_member_string(&writer, "origin", core->origin);
    ks_json_put_end(&writer);
    ks_json_put_key(&writer, "platform");
    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "backend", "process");
    ks_json_member_hex(&writer, "event_log", KS_BYTES(core->event_log));
    ks_json_member_text(&writer, "tpm", core->simulated_tpm ? "simulated" : "hardware");
    ks_json_put_end(&writer);
    ks_json_put_key(&writer, "record");
    ks_json_put_object(&writer);
    ks_document_put_time(&writer, "created_at", core->created_us);
    ks_json_member_text(&writer, "hash_alg", "sha256");
    ks_json_member_text(&writer, "record_id", core->record_id);
    ks_json_put_end(&writer);
    ks_json_put_key(&writer, "request");
    put_request(core, &writer);
    ks_json_member_text(&writer, "schema_version", schema_name(core->schema));
    ks_json_put_key(&writer, "workload");
    put_workload(core, &writer);
    ks_json_put_end(&writer);
}

/* Member NAME is FIRST or SECOND; tells which. */
static enum ks_err get_choice(const struct ks_json *object, const char *name, const char *first,
                              const char *second, bool *out_is_first)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(object, name, &text));
    KS_CHECK(ks_bytes_is(text, first) || ks_bytes_is(text, second), KS_ERR_FORMAT,
             "'%s': expected '%s' or '%s'", name, first, second);
    *out_is_first = ks_bytes_is(text, first);
out:
    return err;
}

static enum ks_err get_number(const struct ks_json *object, const char *name, double *out_value)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(ks_json_get(object, name, KS_JSON_NUMBER, &value));
    KS_TRY(ks_json_double(value, out_value));
out:
    return err;
}

/* Every method has the members that it needs, and no others. */
static enum ks_err parse_method(const struct ks_json *execution, struct ks_core *core)
{
    static const char *const plain[] = {"name", "reason", NULL};
    static const char *const sparse[] = {"amplitudes", "discarded_weight", "name", "reason",
                                         NULL};
    static const char *const mps[] = {"bond", "bond_max", "cutoff", "discarded_weight",
                                      "name", "reason",   NULL};
    enum ks_err err = KS_OK;
    struct ks_simulate_facts *facts = &core->facts;
    const struct ks_json *value = NULL;
    struct ks_bytes name = {0};

    KS_TRY(ks_json_get(execution, "method", KS_JSON_OBJECT, &value));
    KS_TRY(ks_json_get_string(value, "name", &name));
    KS_TRY(ks_fail_prefix(ks_job_method_find(name, &facts->method), "'name'"));
    KS_CHECK(facts->method != KS_METHOD_AUTO, KS_ERR_FORMAT, "'name': nothing runs by 'auto'");
    KS_TRY(ks_json_only(value, facts->method == KS_METHOD_SPARSE ? sparse
                               : facts->method == KS_METHOD_MPS  ? mps
                                                                 : plain));
    if (ks_json_find(value, "reason") != NULL) {
        KS_TRY(ks_json_get_string(value, "reason", &core->method_reason));
        KS_CHECK(core->method_reason.len > 0, KS_ERR_FORMAT, "'reason': empty");
    }
    if (facts->method == KS_METHOD_SPARSE) {
        KS_TRY(ks_json_get_u64(value, "amplitudes", KS_JSON_INTEGER_MAX, &facts->amplitudes));
    }
    if (facts->method == KS_METHOD_MPS) {
        KS_TRY(ks_document_get_unsigned(value, "bond", &facts->bond));
        KS_TRY(ks_document_get_unsigned(value, "bond_max", &core->bond_max));
        KS_TRY(get_number(value, "cutoff", &core->cutoff));
    }
    if (facts->method == KS_METHOD_SPARSE || facts->method == KS_METHOD_MPS) {
        KS_TRY(get_number(value, "discarded_weight", &facts->discarded_weight));
    }
out:
    return ks_fail_prefix(err, "method");
}

static enum ks_err get_sdk_text(const struct ks_json *object, const char *name,
                                struct ks_bytes *out_text)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(object, name, &text));
    KS_CHECK(ks_sdk_text_valid(text), KS_ERR_FORMAT, "'%s': 1 to %d of A-Z a-z 0-9 . _ + -",
             name, KS_SDK_TEXT_MAX);
    *out_text = text;
out:
    return err;
}

static enum ks_err parse_sdk_execution(const struct ks_json *value, struct ks_core *core)
{
    static const char *const names[] = {"backend",     "backend_version", "build",
                                        "environment", "finished_at",     "isolation",
                                        "precision",   "result_digest",   "started_at",
                                        "threads",     "result_summary",  "transpiled",
                                        NULL};
    enum ks_err err = KS_OK;
    struct ks_sdk_run *run = &core->sdk_run;

    KS_TRY(ks_json_only(value, names));
    core->facts.method = KS_METHOD_STATEVECTOR;
    KS_TRY(get_sdk_text(value, "backend", &run->backend));
    KS_TRY(get_sdk_text(value, "backend_version", &run->backend_version));
    KS_TRY(get_choice(value, "precision", "single", "double", &core->single));
    KS_TRY(ks_json_get_hex(value, "environment", run->environment, sizeof run->environment));
    KS_TRY(ks_document_expect_text(value, "isolation", "interpreter"));
    KS_TRY(ks_json_get_hex(value, "transpiled", run->transpiled, sizeof run->transpiled));
out:
    return err;
}

static enum ks_err parse_own_execution(const struct ks_json *value, struct ks_core *core)
{
    static const char *const names_1[] = {
        "backend",   "build",         "finished_at",    "isa",        "isolation", "numerics",
        "precision", "result_digest", "result_summary", "started_at", "threads",   NULL};
    static const char *const names_3[] = {
        "backend",    "build",    "finished_at", "isa",           "isolation",
        "method",     "numerics", "precision",   "result_digest", "result_summary",
        "started_at", "threads",  NULL};
    enum ks_err err = KS_OK;

    KS_TRY(ks_json_only(value, core->schema < 3 ? names_1 : names_3));
    KS_TRY(ks_document_expect_text(value, "backend", backend_name(core->schema)));
    KS_TRY(get_choice(value, "precision", "single", "double", &core->single));
    core->facts.method = KS_METHOD_STATEVECTOR;
    if (core->schema >= 3) {
        KS_TRY(parse_method(value, core));
    }
    KS_TRY(ks_json_get_string(value, "isa", &core->isa));
    KS_TRY(ks_document_expect_text(value, "isolation", "process"));
    KS_TRY(ks_json_get_u64(value, "numerics", KS_JSON_INTEGER_MAX, &core->numerics));
out:
    return err;
}

static enum ks_err parse_execution(const struct ks_json *root, struct ks_buf *result,
                                   struct ks_core *core)
{
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;
    const struct ks_json *summary = NULL;
    uint8_t stated[KS_SHA256_LEN];
    uint8_t digest[KS_SHA256_LEN];
    uint32_t threads = 0;

    KS_TRY(ks_json_get(root, "execution", KS_JSON_OBJECT, &value));
    KS_TRY(core->kind != KS_KIND_CIRCUIT ? ks_core_fl_parse_execution(value, core)
           : core->sdk == KS_SDK_KETSEAL ? parse_own_execution(value, core)
                                         : parse_sdk_execution(value, core));
    KS_TRY(ks_json_get_hex(value, "build", core->build, sizeof core->build));
    KS_TRY(ks_document_get_time(value, "finished_at", &core->finished_us));
    KS_TRY(ks_document_get_time(value, "started_at", &core->started_us));
    KS_TRY(ks_document_get_unsigned(value, "threads", &threads));
    core->threads = threads;
    KS_TRY(ks_json_get(value, "result_summary", KS_JSON_OBJECT, &summary));
    ks_json_canonical(summary, result);
    KS_TRY(ks_buf_check(result));
    core->result = ks_buf_view(result);
    KS_TRY(ks_json_get_hex(value, "result_digest", stated, sizeof stated));
    ks_sha256(core->result, digest);
    KS_CHECK(ks_bytes_equal(KS_BYTES(stated), KS_BYTES(digest)), KS_ERR_VERIFY,
             "'result_digest' is not the digest of 'result_summary'");
out:
    return ks_fail_prefix(err, "execution");
}

static enum ks_err parse_ledger_platform(const struct ks_json *root, struct ks_core *core)
{
    static const char *const ledger_names[] = {"checkpoint", "intent", "origin", NULL};
    static const char *const checkpoint_names[] = {"root", "size", NULL};
    static const char *const platform_names[] = {"backend", "event_log", "tpm", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;
    const struct ks_json *checkpoint = NULL;

    KS_TRY(ks_json_get(root, "ledger", KS_JSON_OBJECT, &value));
    KS_TRY(ks_json_only(value, ledger_names));
    KS_TRY(ks_json_get(value, "checkpoint", KS_JSON_OBJECT, &checkpoint));
    KS_TRY(ks_json_only(checkpoint, checkpoint_names));
    KS_TRY(ks_json_get_hex(checkpoint, "root", core->checkpoint_root,
                           sizeof core->checkpoint_root));
    KS_TRY(ks_json_get_u64(checkpoint, "size", KS_JSON_INTEGER_MAX, &core->checkpoint_size));
    KS_TRY(ks_json_get_u64(value, "intent", KS_JSON_INTEGER_MAX, &core->intent_index));
    KS_TRY(ks_json_get_string(value, "origin", &core->origin));
    KS_TRY(ks_json_get(root, "platform", KS_JSON_OBJECT, &value));
    KS_TRY(ks_json_only(value, platform_names));
    KS_TRY(ks_document_expect_text(value, "backend", "process"));
    KS_TRY(ks_json_get_hex(value, "event_log", core->event_log, sizeof core->event_log));
    KS_TRY(get_choice(value, "tpm", "simulated", "hardware", &core->simulated_tpm));
out:
    return err;
}

static enum ks_err get_key_source(const struct ks_json *object, const char *name,
                                  enum ks_key_source *out_source)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(object, name, &text));
    KS_TRY(ks_fail_prefix(ks_key_source_parse(text, out_source), "'%s'", name));
out:
    return err;
}

static enum ks_err parse_request(const struct ks_json *root, struct ks_core *core)
{
    static const char *const names_1[] = {
        "channel", "counter",    "device",     "job",
        "key_id",  "key_source", "submission", "submission_signature",
        NULL};
    static const char *const names_3[] = {"channel",    "counter",    "device",
                                          "job",        "key_id",     "key_policy",
                                          "key_source", "submission", "submission_signature",
                                          NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;

    KS_TRY(ks_json_get(root, "request", KS_JSON_OBJECT, &value));
    if (core->kind == KS_KIND_ROUND) {
        return ks_fail_prefix(ks_core_fl_parse_request(value, core), "request");
    }
    KS_TRY(ks_json_only(value, core->schema < 3 ? names_1 : names_3));
    KS_TRY(ks_json_get_base64_exact(value, "channel", core->channel, sizeof core->channel));
    KS_TRY(ks_json_get_u64(value, "counter", KS_JSON_INTEGER_MAX, &core->counter));
    KS_TRY(ks_json_get_string(value, "device", &core->device));
    KS_TRY(ks_json_get_hex(value, "job", core->job, sizeof core->job));
    KS_TRY(ks_json_get_string(value, "key_id", &core->key_id));
    if (core->schema < 3) {
        KS_TRY(ks_document_expect_text(value, "key_source",
                                       ks_key_source_name(KS_KEY_SOURCE_KEM)));
    } else {
        KS_TRY(get_key_source(value, "key_policy", &core->key_policy));
        KS_TRY(get_key_source(value, "key_source", &core->key_source));
    }
    KS_TRY(ks_json_get_hex(value, "submission", core->submission, sizeof core->submission));
    KS_TRY(ks_json_get_hex(value, "submission_signature", core->submission_signature,
                           sizeof core->submission_signature));
out:
    return ks_fail_prefix(err, "request");
}

static enum ks_err parse_sdk(const struct ks_json *workload, struct ks_core *core)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(workload, "sdk", &text));
    KS_TRY(ks_fail_prefix(ks_sdk_find(text, &core->sdk), "'sdk'"));
    KS_CHECK(core->schema >= 4 || core->sdk == KS_SDK_KETSEAL, KS_ERR_FORMAT,
             "'sdk': expected 'ketseal'");
out:
    return err;
}

static enum ks_err parse_workload(const struct ks_json *root, struct ks_buf *parameters,
                                  struct ks_core *core)
{
    static const char *const names_1[] = {
        "bit_order", "circuit_hash", "clbits",          "name",  "parameters",    "qubits",
        "sdk",       "seed",         "seed_provenance", "shots", "source_digest", NULL};
    static const char *const names_3[] = {
        "bit_order",  "circuit_hash",  "clbits", "name", "noise",
        "parameters", "qubits",        "sdk",    "seed", "seed_provenance",
        "shots",      "source_digest", NULL};
    static const char *const names_sdk[] = {
        "bit_order", "circuit_hash",  "clbits",      "name", "parameters",
        "qubits",    "sdk",           "sdk_version", "seed", "seed_provenance",
        "shots",     "source_digest", NULL};
    enum ks_err err = KS_OK;
    const struct ks_json *value = NULL;
    const struct ks_json *member = NULL;

    KS_TRY(ks_json_get(root, "workload", KS_JSON_OBJECT, &value));
    if (core->schema == KS_RECORD_SCHEMA_FL) {
        return ks_fail_prefix(ks_core_fl_parse_workload(value, parameters, core), "workload");
    }
    KS_TRY(parse_sdk(value, core));
    KS_TRY(ks_json_only(value, core->sdk != KS_SDK_KETSEAL ? names_sdk
                               : core->schema < 3          ? names_1
                                                           : names_3));
    if (core->sdk != KS_SDK_KETSEAL) {
        KS_TRY(get_sdk_text(value, "sdk_version", &core->sdk_run.version));
    }
    KS_TRY(ks_document_expect_text(value, "bit_order", "clbit 0 rightmost"));
    if (ks_json_find(value, "noise") != NULL) {
        KS_TRY(ks_json_get(value, "noise", KS_JSON_OBJECT, &core->noise));
    }
    KS_TRY(
        ks_json_get_hex(value, "circuit_hash", core->circuit_hash, sizeof core->circuit_hash));
    KS_TRY(ks_document_get_unsigned(value, "clbits", &core->clbits));
    KS_TRY(ks_json_get_string(value, "name", &core->name));
    KS_TRY(ks_json_get(value, "parameters", KS_JSON_OBJECT, &member));
    ks_json_canonical(member, parameters);
    KS_TRY(ks_buf_check(parameters));
    core->parameters = ks_buf_view(parameters);
    KS_TRY(ks_document_get_unsigned(value, "qubits", &core->qubits));
    KS_TRY(ks_json_get_u64(value, "seed", KS_JSON_INTEGER_MAX, &core->seed));
    KS_TRY(ks_document_expect_text(value, "seed_provenance", "client"));
    KS_TRY(ks_json_get_u64(value, "shots", KS_SHOTS_MAX, &core->shots));
    KS_TRY(ks_json_get_hex(value, "source_digest", core->source_digest,
                           sizeof core->source_digest));
out:
    return ks_fail_prefix(err, "workload");
}

enum ks_err ks_core_parse(const struct ks_json *value, struct ks_buf *parameters,
                          struct ks_buf *result, struct ks_core *out_core)
{
    static const char *const names[] = {"execution", "ledger",         "platform", "record",
                                        "request",   "schema_version", "workload", NULL};
    static const char *const record_names[] = {"created_at", "hash_alg", "record_id", NULL};
    enum ks_err err = KS_OK;
    struct ks_core core = {0};
    const struct ks_json *record = NULL;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(value, "schema_version", &text));
    for (unsigned schema = 1; schema <= KS_RECORD_SCHEMA_MAX; schema++) {
        core.schema = ks_bytes_is(text, schema_name(schema)) ? schema : core.schema;
    }
    KS_CHECK(core.schema > 0, KS_ERR_FORMAT, "'schema_version': expected ketseal-1 to '%s'",
             schema_name(KS_RECORD_SCHEMA_MAX));
    KS_TRY(ks_json_only(value, names));
    KS_TRY(ks_json_get(value, "record", KS_JSON_OBJECT, &record));
    KS_TRY(ks_json_only(record, record_names));
    KS_TRY(ks_document_get_time(record, "created_at", &core.created_us));
    KS_TRY(ks_document_expect_text(record, "hash_alg", "sha256"));
    KS_TRY(ks_json_get_string(record, "record_id", &text));
    KS_CHECK(ks_text_is_uuid(text), KS_ERR_FORMAT, "'record_id': not a UUID");
    ks_copy(core.record_id, text.data, text.len);
    KS_TRY(parse_workload(value, parameters, &core)); /* the SDK says what the execution has */
    KS_TRY(parse_execution(value, result, &core));
    KS_TRY(parse_ledger_platform(value, &core));
    KS_TRY(parse_request(value, &core));
    *out_core = core;
out:
    return ks_fail_prefix(err, "core");
}

/* Both are objects, or there is neither. */
static enum ks_err check_same_noise(const struct ks_json *one, const struct ks_json *other)
{
    enum ks_err err = KS_OK;
    struct ks_buf first;
    struct ks_buf second;

    ks_buf_init(&first, KS_JOB_BYTES_MAX);
    ks_buf_init(&second, KS_JOB_BYTES_MAX);
    KS_CHECK((one == NULL) == (other == NULL), KS_ERR_VERIFY, "the job's noise is another");
    if (one != NULL) {
        ks_json_canonical(one, &first);
        ks_json_canonical(other, &second);
        KS_TRY(ks_buf_check(&first));
        KS_TRY(ks_buf_check(&second));
        KS_CHECK(ks_bytes_equal(ks_buf_view(&first), ks_buf_view(&second)), KS_ERR_VERIFY,
                 "the job's noise is another");
    }
out:
    ks_buf_done(&first);
    ks_buf_done(&second);
    return err;
}

static enum ks_err check_own_run(const struct ks_core *core, const struct ks_job *job)
{
    enum ks_err err = KS_OK;
    const struct ks_simulate_facts *facts = &core->facts;
    const bool mps = facts->method == KS_METHOD_MPS;
    const bool open = job->method == KS_METHOD_AUTO;

    KS_CHECK(facts->method != KS_METHOD_AUTO && (open || facts->method == job->method),
             KS_ERR_VERIFY, "the job asks for the method '%s', '%s' ran it",
             ks_job_method_name(job->method), ks_job_method_name(facts->method));
    KS_CHECK(open == (core->method_reason.len > 0), KS_ERR_VERIFY,
             open ? "it is not said why this method ran the job"
                  : "a reason is given for the method that the job asks for");
    KS_CHECK(core->method_reason.len < KS_METHOD_WHY_MAX && ks_utf8_valid(core->method_reason),
             KS_ERR_VERIFY, "the reason for the method is no short text");
    KS_CHECK(!mps || (core->bond_max >= 1 && core->bond_max <= KS_BOND_MAX &&
                      facts->bond <= core->bond_max && core->cutoff >= 0 && core->cutoff < 1),
             KS_ERR_VERIFY, "the bonds or the cutoff are out of their limits");
    KS_CHECK(!mps || ((job->bond_max == 0 || job->bond_max == core->bond_max) &&
                      (job->cutoff < 0 || job->cutoff == core->cutoff)),
             KS_ERR_VERIFY, "'bond_max' or 'cutoff' differ from the job's");
    KS_CHECK(facts->amplitudes <= KS_JSON_INTEGER_MAX && facts->discarded_weight >= 0 &&
                 facts->discarded_weight <= (double)KS_JSON_INTEGER_MAX,
             KS_ERR_VERIFY, "the amplitudes or the discarded weight are out of their limits");
    KS_CHECK(core->noise == NULL || facts->method == KS_METHOD_STATEVECTOR, KS_ERR_VERIFY,
             "noise takes the state vector");
    KS_TRY(check_same_noise(core->noise, job->noise));
out:
    return err;
}

/* Of another SDK: what is said of it has the form that a record can hold. */
static enum ks_err check_sdk_run(const struct ks_core *core)
{
    const struct ks_sdk_run *run = &core->sdk_run;

    if (!ks_sdk_text_valid(run->version) || !ks_sdk_text_valid(run->backend) ||
        !ks_sdk_text_valid(run->backend_version)) {
        return ks_fail(KS_ERR_VERIFY, "a version or the backend's name is none");
    }
    if (core->noise != NULL) {
        return ks_fail(KS_ERR_VERIFY, "another SDK runs without noise");
    }
    return KS_OK;
}

enum ks_err ks_core_method_check(const struct ks_core *core, const struct ks_job *job)
{
    enum ks_err err = KS_OK;

    KS_CHECK(core->sdk == job->sdk, KS_ERR_VERIFY, "the job asks for the SDK '%s', '%s' ran it",
             ks_sdk_name(job->sdk), ks_sdk_name(core->sdk));
    KS_TRY(core->sdk == KS_SDK_KETSEAL ? check_own_run(core, job) : check_sdk_run(core));
out:
    return err;
}

enum ks_err ks_result_check(struct ks_bytes result, uint32_t clbits, uint64_t shots)
{
    static const struct ks_json_limits limits = {.len_max = KS_RESULT_BYTES_MAX,
                                                 .nodes_max = 1024 * 1024};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    const struct ks_json *root = NULL;
    uint64_t total = 0;

    KS_TRY(ks_json_parse_canonical(result, &limits, &doc));
    root = ks_json_root(doc);
    KS_CHECK(ks_json_type(root) == KS_JSON_OBJECT, KS_ERR_FORMAT, "the result is no object");
    for (size_t i = 0; i < ks_json_count(root); i++) {
        struct ks_bytes outcome = ks_json_key_at(root, i);
        uint64_t count = 0;

        KS_CHECK(outcome.len == clbits, KS_ERR_VERIFY, "an outcome has %zu bits, not %u",
                 outcome.len, clbits);
        for (size_t bit = 0; bit < outcome.len; bit++) {
            KS_CHECK(outcome.data[bit] == '0' || outcome.data[bit] == '1', KS_ERR_VERIFY,
                     "an outcome is no bit string");
        }
        KS_TRY(ks_json_u64(ks_json_at(root, i), KS_JSON_INTEGER_MAX, &count));
        KS_CHECK(count >= 1 && count <= shots - total, KS_ERR_VERIFY,
                 "the counts are over %llu shots, or one is 0", (unsigned long long)shots);
        total += count;
    }
    KS_CHECK(total == shots, KS_ERR_VERIFY, "the counts add up to %llu of %llu shots",
             (unsigned long long)total, (unsigned long long)shots);
out:
    ks_json_doc_free(doc);
    return err;
}

/* --- evidence and signatures -------------------------------------------------------------- */

void ks_evidence_write(const struct ks_evidence *evidence, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    const bool ordered = evidence->order.len > 0;

    ks_json_put_object(&writer);
    if (!ordered) {
        ks_json_member_base64(&writer, "device_certificate", evidence->device_certificate);
    }
    ks_json_put_key(&writer, "event_log");
    ks_json_put_canonical(&writer, evidence->event_log);
    if (ordered) {
        ks_json_member_base64(&writer, "operator_certificate", evidence->device_certificate);
        ks_json_put_key(&writer, "order");
        ks_json_put_canonical(&writer, evidence->order);
    } else {
        ks_json_put_key(&writer, "job");
        ks_json_put_canonical(&writer, evidence->job);
    }
    ks_json_put_key(&writer, "quote");
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "attest", evidence->quote.attest);
    ks_json_member_u64(&writer, "index", evidence->quote.index);
    ks_json_put_key(&writer, "path");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < evidence->quote.path.count; i++) {
        ks_json_put_hex(&writer, KS_BYTES(evidence->quote.path.hashes[i]));
    }
    ks_json_put_end(&writer);
    ks_json_member_base64(&writer, "signature", evidence->quote.signature);
    ks_json_member_u64(&writer, "size", evidence->quote.size);
    ks_json_put_end(&writer);
    ks_json_member_base64(&writer, "signature", evidence->signature);
    if (evidence->start.attest.len > 0) {
        ks_json_put_key(&writer, "start_quote");
        ks_json_put_object(&writer);
        ks_json_member_base64(&writer, "attest", evidence->start.attest);
        ks_json_member_base64(&writer, "signature", evidence->start.signature);
        ks_json_put_end(&writer);
    }
    if (!ordered) {
        ks_json_put_key(&writer, "submission");
        ks_json_put_canonical(&writer, evidence->submission);
    }
    ks_json_put_end(&writer);
}

void ks_record_digest(const uint8_t core_hash[32], const uint8_t evidence_hash[32],
                      uint8_t out_digest[32])
{
    const struct ks_bytes parts[] = {
        KS_LITERAL("ketseal/record/1\n"),
        ks_bytes_of(core_hash, 32),
        ks_bytes_of(evidence_hash, 32),
    };
    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_digest);
}

static void put_signatures(struct ks_bytes ed25519, struct ks_bytes mldsa65, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "ed25519", ed25519);
    ks_json_member_base64(&writer, "ml-dsa-65", mldsa65);
    ks_json_put_end(&writer);
}

enum ks_err ks_record_seal(const struct ks_core *core, struct ks_bytes core_bytes,
                           struct ks_bytes evidence_bytes, const struct ks_sign_key *ed25519,
                           const struct ks_sign_key *mldsa65, struct ks_buf *out_record,
                           struct ks_buf *out_entry)
{
    enum ks_err err = KS_OK;
    struct ks_json_writer writer = ks_json_writer_of(out_record);
    struct ks_buf classical;
    struct ks_buf quantum_safe;
    struct ks_buf signatures;
    uint8_t core_hash[KS_SHA256_LEN];
    uint8_t evidence_hash[KS_SHA256_LEN];
    uint8_t signatures_hash[KS_SHA256_LEN];
    uint8_t digest[KS_SHA256_LEN];

    ks_buf_init(&classical, KS_SIG_LEN_MAX);
    ks_buf_init(&quantum_safe, KS_SIG_LEN_MAX);
    ks_buf_init(&signatures, (size_t)4 * KS_SIG_LEN_MAX);
    ks_sha256(core_bytes, core_hash);
    ks_sha256(evidence_bytes, evidence_hash);
    ks_record_digest(core_hash, evidence_hash, digest);
    KS_TRY(ks_sign(ed25519, "", KS_BYTES(digest), &classical));
    KS_TRY(ks_sign(mldsa65, KS_CONTEXT_RECORD, KS_BYTES(digest), &quantum_safe));
    put_signatures(ks_buf_view(&classical), ks_buf_view(&quantum_safe), &signatures);
    KS_TRY(ks_buf_check(&signatures));
    ks_sha256(ks_buf_view(&signatures), signatures_hash);

    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "core");
    ks_json_put_canonical(&writer, core_bytes);
    ks_json_put_key(&writer, "evidence");
    ks_json_put_canonical(&writer, evidence_bytes);
    ks_json_put_key(&writer, "signatures");
    ks_json_put_canonical(&writer, ks_buf_view(&signatures));
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(out_record));
    ks_entry_record_write(core, core_hash, evidence_hash, signatures_hash, out_entry);
    KS_TRY(ks_buf_check(out_entry));
out:
    ks_buf_done(&classical);
    ks_buf_done(&quantum_safe);
    ks_buf_done(&signatures);
    return err;
}

/* --- ledger entries ----------------------------------------------------------------------- */

void ks_entry_intent_write(uint64_t counter, struct ks_bytes device, const uint8_t job[32],
                           const uint8_t submission[32], struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "counter", counter);
    ks_json_member_string(&writer, "device", device);
    ks_json_member_hex(&writer, "job", ks_bytes_of(job, 32));
    ks_json_member_text(&writer, "kind", "intent");
    ks_json_member_text(&writer, "schema", "ketseal.entry/1");
    ks_json_member_hex(&writer, "submission", ks_bytes_of(submission, 32));
    ks_json_put_end(&writer);
}

void ks_entry_round_write(const uint8_t session[KS_SESSION_LEN], uint64_t round,
                          const uint8_t descriptor[32], struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_hex(&writer, "descriptor", ks_bytes_of(descriptor, 32));
    ks_json_member_text(&writer, "kind", "round");
    ks_json_member_u64(&writer, "round", round);
    ks_json_member_text(&writer, "schema", "ketseal.entry/1");
    ks_json_member_hex(&writer, "session", ks_bytes_of(session, KS_SESSION_LEN));
    ks_json_put_end(&writer);
}

void ks_entry_record_write(const struct ks_core *core, const uint8_t core_hash[32],
                           const uint8_t evidence_hash[32], const uint8_t signatures_hash[32],
                           struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    const bool round = core->kind == KS_KIND_ROUND;

    ks_json_put_object(&writer);
    if (!round) {
        ks_json_member_u64(&writer, "counter", core->counter);
        ks_json_member_string(&writer, "device", core->device);
    }
    ks_json_member_hex(&writer, "evidence", ks_bytes_of(evidence_hash, 32));
    ks_json_member_u64(&writer, "intent", core->intent_index);
    ks_json_member_text(&writer, "kind", "record");
    if (round) {
        ks_json_member_string(&writer, "operator", core->device);
    }
    ks_json_member_hex(&writer, "record", ks_bytes_of(core_hash, 32));
    ks_json_member_text(&writer, "schema", "ketseal.entry/1");
    ks_json_member_hex(&writer, "signatures", ks_bytes_of(signatures_hash, 32));
    ks_json_put_end(&writer);
}

void ks_entry_abort_write(struct ks_bytes device, enum ks_err error, uint64_t intent_index,
                          struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_string(&writer, "device", device);
    ks_json_member_text(&writer, "error", ks_err_name(error));
    ks_json_member_u64(&writer, "intent", intent_index);
    ks_json_member_text(&writer, "kind", "abort");
    ks_json_member_text(&writer, "schema", "ketseal.entry/1");
    ks_json_put_end(&writer);
}

void ks_entry_device_write(const char *device, const char *event, const uint8_t ek[32],
                           const uint8_t key[32], struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_text(&writer, "device", device);
    ks_json_member_hex(&writer, "ek", ks_bytes_of(ek, 32));
    ks_json_member_text(&writer, "event", event);
    ks_json_member_hex(&writer, "key", ks_bytes_of(key, 32));
    ks_json_member_text(&writer, "kind", "device");
    ks_json_member_text(&writer, "schema", "ketseal.entry/1");
    ks_json_put_end(&writer);
}

void ks_entry_alert_write(const struct ks_alert *alert, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_hex(&writer, "detection", KS_BYTES(alert->detection));
    ks_json_member_string(&writer, "device", alert->device);
    ks_json_member_u64(&writer, "intent", alert->intent_index);
    ks_json_member_text(&writer, "kind", "alert");
    ks_json_member_hex(&writer, "model", KS_BYTES(alert->model));
    ks_json_put_key(&writer, "reasons");
    ks_json_put_array(&writer);
    for (size_t i = 0; i < alert->reason_count; i++) {
        ks_json_put_string(&writer, alert->reasons[i]);
    }
    ks_json_put_end(&writer);
    ks_json_member_text(&writer, "schema", "ketseal.entry/1");
    ks_json_put_key(&writer, "score");
    ks_json_put_double(&writer, alert->score);
    ks_json_put_end(&writer);
}

const char *ks_door_name(enum ks_door door)
{
    static const char *const names[] = {
#define KS_DOOR_TEXT(name, text) text,
        KS_DOOR_LIST(KS_DOOR_TEXT)
#undef KS_DOOR_TEXT
    };

    KS_ASSERT(door < KS_DOORS);
    return names[door];
}

void ks_entry_refusal_write(const struct ks_refusal *refusal, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "count", refusal->count);
    ks_json_member_string(&writer, "detail", refusal->detail);
    ks_json_member_string(&writer, "device", refusal->device);
    ks_json_member_text(&writer, "door", ks_door_name(refusal->door));
    ks_json_member_text(&writer, "error", ks_err_name(refusal->error));
    ks_json_member_text(&writer, "kind", "refusal");
    ks_json_member_text(&writer, "schema", "ketseal.entry/1");
    ks_json_member_u64(&writer, "unlisted", refusal->unlisted);
    ks_json_put_end(&writer);
}
