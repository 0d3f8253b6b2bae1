/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/job.h"

#include "crypto/digest.h"

static const struct ks_json_limits body_limits = {.len_max = KS_JOB_BYTES_MAX,
                                                  .nodes_max = 256};
/* An SLH-DSA-SHA2-128f signature has 22,784 characters. */
static const struct ks_json_limits keys_limits = {.len_max = 32768, .nodes_max = 64};

/* --- job ---------------------------------------------------------------------------------- */

static const char *schema_name(unsigned schema)
{
    static const char *const names[KS_JOB_SCHEMA_MAX] = {"ketseal.job/1", "ketseal.job/2",
                                                         "ketseal.job/3", "ketseal.job/4"};

    KS_ASSERT(schema >= 1 && schema <= KS_JOB_SCHEMA_MAX);
    return names[schema - 1];
}

static enum ks_err parse_source(const struct ks_json *program, struct ks_job *job)
{
    static const char *const names[] = {"format", "source", NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes format = {0};

    KS_TRY(ks_json_only(program, names));
    KS_TRY(ks_json_get_string(program, "format", &format));
    KS_CHECK(ks_bytes_is(format, "openqasm2"), KS_ERR_FORMAT,
             "'format': '%.*s' is not known; this site runs openqasm2",
             (int)(format.len > 32 ? 32 : format.len), (const char *)format.data);
    KS_TRY(ks_json_get_string(program, "source", &job->source));
    KS_CHECK(job->source.len > 0, KS_ERR_FORMAT, "'source': empty program");
out:
    return err;
}

static enum ks_err parse_template(const struct ks_json *program, struct ks_job *job)
{
    static const char *const names[] = {"depth", "qubits", "seed", "template", NULL};
    enum ks_err err = KS_OK;
    uint64_t qubits = 0;
    uint64_t depth = 0;

    KS_TRY(ks_json_only(program, names));
    KS_TRY(ks_json_get_string(program, "template", &job->template));
    KS_CHECK(ks_text_is_name(job->template, KS_WORKLOAD_NAME_MAX), KS_ERR_FORMAT,
             "'template': not a name");
    KS_TRY(ks_json_get_u64(program, "qubits", UINT32_MAX, &qubits));
    KS_TRY(ks_json_get_u64(program, "depth", UINT32_MAX, &depth));
    KS_TRY(ks_json_get_u64(program, "seed", KS_JSON_INTEGER_MAX, &job->template_seed));
    job->qubits = (uint32_t)qubits;
    job->depth = (uint32_t)depth;
out:
    return err;
}

static const char *const method_names[KS_METHOD_COUNT] = {
#define METHOD_NAME(name, text) [KS_METHOD_##name] = (text),
    KS_METHOD_LIST(METHOD_NAME)
#undef METHOD_NAME
};

const char *ks_job_method_name(enum ks_method method)
{
    KS_ASSERT((unsigned)method < KS_METHOD_COUNT);
    return method_names[method];
}

enum ks_err ks_job_method_find(struct ks_bytes name, enum ks_method *out_method)
{
    for (unsigned i = 0; i < KS_METHOD_COUNT; i++) {
        if (ks_bytes_is(name, method_names[i])) {
            *out_method = (enum ks_method)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_FORMAT, "no method that there is");
}

static const char *const sdk_names[KS_SDK_COUNT] = {
#define SDK_NAME(name, text) [KS_SDK_##name] = (text),
    KS_SDK_LIST(SDK_NAME)
#undef SDK_NAME
};

const char *ks_sdk_name(enum ks_sdk sdk)
{
    KS_ASSERT((unsigned)sdk < KS_SDK_COUNT);
    return sdk_names[sdk];
}

enum ks_err ks_sdk_find(struct ks_bytes name, enum ks_sdk *out_sdk)
{
    for (unsigned i = 0; i < KS_SDK_COUNT; i++) {
        if (ks_bytes_is(name, sdk_names[i])) {
            *out_sdk = (enum ks_sdk)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_FORMAT, "expected ketseal, qiskit or cirq");
}

/* What only schema 3 has. */
static enum ks_err parse_sdk(const struct ks_json *value, struct ks_job *job)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(value, "sdk", &text));
    KS_TRY(ks_fail_prefix(ks_sdk_find(text, &job->sdk), "'sdk'"));
    KS_CHECK(job->sdk != KS_SDK_KETSEAL, KS_ERR_FORMAT,
             "'sdk': a job for ketseal itself is of ketseal.job/2");
out:
    return err;
}

/* What only schema 2 has. */
static enum ks_err parse_method(const struct ks_json *value, struct ks_job *job)
{
    const struct ks_json *cutoff = ks_json_find(value, "cutoff");
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    struct ks_buf noise;
    uint64_t bond_max = 0;

    ks_buf_init(&noise, KS_JOB_NOISE_MAX);
    if (ks_json_find(value, "method") != NULL) {
        KS_TRY(ks_json_get_string(value, "method", &text));
        KS_TRY(ks_fail_prefix(ks_job_method_find(text, &job->method), "'method'"));
        job->method_said = true;
    }
    const bool truncates = job->method == KS_METHOD_AUTO || job->method == KS_METHOD_MPS;

    if (ks_json_find(value, "bond_max") != NULL) {
        KS_TRY(ks_json_get_u64(value, "bond_max", KS_JSON_INTEGER_MAX, &bond_max));
        KS_CHECK(truncates, KS_ERR_FORMAT, "'bond_max': '%s' has none",
                 method_names[job->method]);
        KS_CHECK(bond_max >= 1 && bond_max <= KS_BOND_MAX, KS_ERR_LIMIT, "'bond_max': 1 to %d",
                 KS_BOND_MAX);
        job->bond_max = (uint32_t)bond_max;
    }
    if (cutoff != NULL) {
        KS_TRY(ks_fail_prefix(ks_json_double(cutoff, &job->cutoff), "'cutoff'"));
        KS_CHECK(truncates, KS_ERR_FORMAT, "'cutoff': '%s' has none",
                 method_names[job->method]);
        KS_CHECK(job->cutoff >= 0 && job->cutoff < 1, KS_ERR_LIMIT,
                 "'cutoff': from 0 to below 1");
    }
    if (ks_json_find(value, "noise") != NULL) {
        KS_TRY(ks_json_get(value, "noise", KS_JSON_OBJECT, &job->noise));
        KS_CHECK(job->method == KS_METHOD_AUTO || job->method == KS_METHOD_STATEVECTOR,
                 KS_ERR_FORMAT, "'noise': it takes the state vector, not '%s'",
                 method_names[job->method]);
        ks_json_canonical(job->noise, &noise);
        KS_TRY(ks_fail_prefix(ks_buf_check(&noise), "'noise'"));
    }
out:
    ks_buf_done(&noise);
    return err;
}

/* --- a contribution ----------------------------------------------------------------------- */

static const char *const kind_names[] = {
#define KIND_NAME(name, text) [KS_KIND_##name] = (text),
    KS_KIND_LIST(KIND_NAME)
#undef KIND_NAME
};

const char *ks_kind_name(enum ks_kind kind)
{
    KS_ASSERT((unsigned)kind < sizeof kind_names / sizeof kind_names[0]);
    return kind_names[kind];
}

/* A positive integer of at most MAX. */
static enum ks_err get_count(const struct ks_json *value, const char *name, uint64_t max,
                             uint64_t *out_count)
{
    enum ks_err err = KS_OK;
    uint64_t count = 0;

    KS_TRY(ks_json_get_u64(value, name, KS_JSON_INTEGER_MAX, &count));
    KS_CHECK(count >= 1 && count <= max, KS_ERR_LIMIT, "'%s': 1 to %llu", name,
             (unsigned long long)max);
    *out_count = count;
out:
    return err;
}

static enum ks_err parse_update(const struct ks_json *value, struct ks_job_update *update)
{
    enum ks_err err = KS_OK;
    const struct ks_json *loss = NULL;

    KS_TRY(ks_json_get_string(value, "encoding", &update->encoding));
    KS_CHECK(ks_text_is_name(update->encoding, KS_UPDATE_WORD_MAX), KS_ERR_FORMAT,
             "'encoding': not a name");
    KS_TRY(get_count(value, "length", KS_UPDATE_SEALED_MAX, &update->length));
    KS_TRY(ks_json_get(value, "loss", KS_JSON_NUMBER, &loss));
    KS_TRY(ks_json_double(loss, &update->loss));
    KS_CHECK(update->loss >= -KS_UPDATE_LOSS_MAX && update->loss <= KS_UPDATE_LOSS_MAX,
             KS_ERR_LIMIT, "'loss': beyond %g", KS_UPDATE_LOSS_MAX);
    KS_TRY(ks_json_get_hex(value, "parent", update->parent, sizeof update->parent));
    KS_TRY(get_count(value, "round", KS_JSON_INTEGER_MAX, &update->round));
    KS_TRY(get_count(value, "samples", KS_UPDATE_SAMPLES_MAX, &update->samples));
    KS_TRY(ks_json_get_hex(value, "sealed", update->sealed, sizeof update->sealed));
    KS_TRY(ks_json_get_hex(value, "session", update->session, sizeof update->session));
    KS_TRY(ks_json_get_u64(value, "steps", KS_JSON_INTEGER_MAX, &update->steps));
out:
    return err;
}

static void put_update(const struct ks_job_update *update, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_string(writer, "encoding", update->encoding);
    ks_json_member_text(writer, "kind", ks_kind_name(KS_KIND_UPDATE));
    ks_json_member_u64(writer, "length", update->length);
    ks_json_put_key(writer, "loss");
    ks_json_put_double(writer, update->loss);
    ks_json_member_hex(writer, "parent", KS_BYTES(update->parent));
    ks_json_member_u64(writer, "round", update->round);
    ks_json_member_u64(writer, "samples", update->samples);
    ks_json_member_text(writer, "schema", schema_name(4));
    ks_json_member_hex(writer, "sealed", KS_BYTES(update->sealed));
    ks_json_member_hex(writer, "session", KS_BYTES(update->session));
    ks_json_member_u64(writer, "steps", update->steps);
    ks_json_put_end(writer);
}

/* --- a circuit ---------------------------------------------------------------------------- */

static enum ks_err parse_schema(const struct ks_json *value, struct ks_job *job)
{
    static const char *const names_1[] = {"kind", "precision", "program", "schema",
                                          "seed", "shots",     NULL};
    static const char *const names_2[] = {"bond_max", "cutoff",    "kind",    "method",
                                          "noise",    "precision", "program", "schema",
                                          "seed",     "shots",     NULL};
    static const char *const names_3[] = {"kind", "precision", "program", "schema",
                                          "sdk",  "seed",      "shots",   NULL};
    static const char *const names_4[] = {"encoding", "kind",    "length",  "loss",
                                          "parent",   "round",   "samples", "schema",
                                          "sealed",   "session", "steps",   NULL};
    static const char *const *const names[KS_JOB_SCHEMA_MAX] = {names_1, names_2, names_3,
                                                                names_4};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(value, "schema", &text));
    for (unsigned schema = 1; schema <= KS_JOB_SCHEMA_MAX; schema++) {
        job->schema = ks_bytes_is(text, schema_name(schema)) ? schema : job->schema;
    }
    KS_CHECK(job->schema > 0, KS_ERR_FORMAT, "'schema': expected ketseal.job/1 to '%s'",
             schema_name(KS_JOB_SCHEMA_MAX));
    job->cutoff = KS_CUTOFF_UNSAID;
    KS_TRY(ks_json_only(value, names[job->schema - 1]));
    job->kind = job->schema == 4 ? KS_KIND_UPDATE : KS_KIND_CIRCUIT;
    KS_TRY(ks_json_get_string(value, "kind", &text));
    KS_CHECK(ks_bytes_is(text, ks_kind_name(job->kind)), KS_ERR_FORMAT, "'kind': expected %s",
             ks_kind_name(job->kind));
    if (job->schema == 1) {
        job->method = KS_METHOD_STATEVECTOR;
    } else if (job->schema == 2) {
        KS_TRY(parse_method(value, job));
    } else if (job->schema == 3) {
        KS_TRY(parse_sdk(value, job));
    }
out:
    return err;
}

static enum ks_err parse_circuit(const struct ks_json *value, struct ks_job *job)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    const struct ks_json *program = NULL;

    KS_TRY(ks_json_get_string(value, "precision", &text));
    job->single = ks_bytes_is(text, "single");
    KS_CHECK(job->single || ks_bytes_is(text, "double"), KS_ERR_FORMAT,
             "'precision': expected single or double");
    KS_TRY(ks_json_get_u64(value, "seed", KS_JSON_INTEGER_MAX, &job->seed));
    KS_TRY(ks_json_get_u64(value, "shots", KS_JSON_INTEGER_MAX, &job->shots));
    KS_CHECK(job->shots >= 1 && job->shots <= KS_SHOTS_MAX, KS_ERR_LIMIT, "'shots': 1 to %d",
             KS_SHOTS_MAX);
    KS_TRY(ks_json_get(value, "program", KS_JSON_OBJECT, &program));
    if (ks_json_find(program, "template") != NULL) {
        KS_TRY(parse_template(program, job));
    } else {
        KS_TRY(parse_source(program, job));
    }
out:
    return err;
}

enum ks_err ks_job_parse(const struct ks_json *value, struct ks_job *out_job)
{
    enum ks_err err = KS_OK;
    struct ks_job job = {0};

    KS_TRY(parse_schema(value, &job));
    if (job.kind == KS_KIND_UPDATE) {
        KS_TRY(parse_update(value, &job.update));
    } else {
        KS_TRY(parse_circuit(value, &job));
    }
    *out_job = job;
out:
    return err;
}

static void put_program(const struct ks_job *job, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    if (job->template.len > 0) {
        ks_json_member_u64(writer, "depth", job->depth);
        ks_json_member_u64(writer, "qubits", job->qubits);
        ks_json_member_u64(writer, "seed", job->template_seed);
        ks_json_member_string(writer, "template", job->template);
    } else {
        ks_json_member_text(writer, "format", "openqasm2");
        ks_json_member_string(writer, "source", job->source);
    }
    ks_json_put_end(writer);
}

void ks_job_program_write(const struct ks_job *job, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    KS_ASSERT(job->kind == KS_KIND_CIRCUIT);
    put_program(job, &writer);
}

struct ks_bytes ks_job_name(const struct ks_job *job)
{
    return job->template.len > 0 ? job->template : KS_LITERAL("openqasm2");
}

void ks_job_parameters_write(const struct ks_job *job, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    if (job->template.len > 0) {
        ks_json_member_u64(&writer, "depth", job->depth);
        ks_json_member_u64(&writer, "qubits", job->qubits);
        ks_json_member_u64(&writer, "seed", job->template_seed);
    }
    ks_json_put_end(&writer);
}

void ks_job_write(const struct ks_job *job, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    KS_ASSERT((job->schema == 4) == (job->kind == KS_KIND_UPDATE));
    if (job->kind == KS_KIND_UPDATE) {
        put_update(&job->update, &writer);
        return;
    }
    KS_ASSERT(job->schema != 1 || job->method == KS_METHOD_STATEVECTOR);
    KS_ASSERT((job->schema == 3) == (job->sdk != KS_SDK_KETSEAL));
    ks_json_put_object(&writer);
    if (job->bond_max > 0) {
        ks_json_member_u64(&writer, "bond_max", job->bond_max);
    }
    if (job->schema == 2 && job->cutoff >= 0) {
        ks_json_put_key(&writer, "cutoff");
        ks_json_put_double(&writer, job->cutoff);
    }
    ks_json_member_text(&writer, "kind", "circuit");
    if (job->method_said) {
        ks_json_member_text(&writer, "method", ks_job_method_name(job->method));
    }
    if (job->noise != NULL) {
        ks_json_put_key(&writer, "noise");
        ks_json_put_value(&writer, job->noise);
    }
    ks_json_member_text(&writer, "precision", job->single ? "single" : "double");
    ks_json_put_key(&writer, "program");
    put_program(job, &writer);
    ks_json_member_text(&writer, "schema", schema_name(job->schema));
    if (job->sdk != KS_SDK_KETSEAL) {
        ks_json_member_text(&writer, "sdk", ks_sdk_name(job->sdk));
    }
    ks_json_member_u64(&writer, "seed", job->seed);
    ks_json_member_u64(&writer, "shots", job->shots);
    ks_json_put_end(&writer);
}

/* --- submission --------------------------------------------------------------------------- */

static enum ks_err get_device(const struct ks_json *value, struct ks_bytes *out_device)
{
    enum ks_err err = KS_OK;
    struct ks_bytes device = {0};

    KS_TRY(ks_json_get_string(value, "device", &device));
    KS_CHECK(ks_text_is_name(device, KS_DEVICE_ID_MAX), KS_ERR_FORMAT,
             "'device': 1 to %d letters, digits, '-' and '_'", KS_DEVICE_ID_MAX);
    *out_device = device;
out:
    return err;
}

enum ks_err ks_submission_parse(const struct ks_json *value,
                                struct ks_submission *out_submission)
{
    static const char *const names[] = {"channel", "counter", "created_at", "device", "job",
                                        "key_id",  "nonce",   "schema",     "site",   NULL};
    enum ks_err err = KS_OK;
    struct ks_submission submission = {0};
    struct ks_bytes text = {0};

    KS_TRY(ks_json_only(value, names));
    KS_TRY(ks_json_get_string(value, "schema", &text));
    KS_CHECK(ks_bytes_is(text, "ketseal.submission/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.submission/1");
    KS_TRY(ks_json_get_base64_exact(value, "channel", submission.channel, KS_CHANNEL_LEN));
    KS_TRY(ks_json_get_u64(value, "counter", KS_JSON_INTEGER_MAX, &submission.counter));
    KS_TRY(ks_json_get_string(value, "created_at", &text));
    KS_TRY(ks_fail_prefix(ks_time_parse(text, &submission.created_us), "'created_at'"));
    KS_TRY(get_device(value, &submission.device));
    KS_TRY(ks_json_get_hex(value, "job", submission.job, sizeof submission.job));
    KS_TRY(ks_json_get_string(value, "key_id", &submission.key_id));
    KS_TRY(ks_json_get_base64_exact(value, "nonce", submission.nonce, KS_NONCE_LEN));
    KS_TRY(ks_json_get_string(value, "site", &submission.site));
    KS_CHECK(submission.site.len <= KS_ORIGIN_MAX, KS_ERR_LIMIT, "'site': over %d bytes",
             KS_ORIGIN_MAX);
    *out_submission = submission;
out:
    return err;
}

void ks_submission_write(const struct ks_submission *submission, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    char time[KS_TIME_TEXT_LEN + 1];

    ks_time_text(submission->created_us, time);
    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "channel", KS_BYTES(submission->channel));
    ks_json_member_u64(&writer, "counter", submission->counter);
    ks_json_member_text(&writer, "created_at", time);
    ks_json_member_string(&writer, "device", submission->device);
    ks_json_member_hex(&writer, "job", KS_BYTES(submission->job));
    ks_json_member_string(&writer, "key_id", submission->key_id);
    ks_json_member_base64(&writer, "nonce", KS_BYTES(submission->nonce));
    ks_json_member_text(&writer, "schema", "ketseal.submission/1");
    ks_json_member_string(&writer, "site", submission->site);
    ks_json_put_end(&writer);
}

void ks_request_body_write(struct ks_bytes job, struct ks_bytes submission,
                           struct ks_bytes signature, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_put_key(&writer, "job");
    ks_json_put_canonical(&writer, job);
    ks_json_member_base64(&writer, "signature", signature);
    ks_json_put_key(&writer, "submission");
    ks_json_put_canonical(&writer, submission);
    ks_json_put_end(&writer);
}

enum ks_err ks_request_body_parse(struct ks_bytes bytes, struct ks_request_body *out_body)
{
    static const char *const names[] = {"job", "signature", "submission", NULL};
    enum ks_err err = KS_OK;
    struct ks_request_body body = {0};
    const struct ks_json *root = NULL;
    const struct ks_json *job = NULL;
    const struct ks_json *submission = NULL;
    uint8_t digest[KS_SHA256_LEN];

    ks_buf_init(&body.job_bytes, KS_JOB_BYTES_MAX);
    ks_buf_init(&body.submission_bytes, KS_JOB_BYTES_MAX);
    ks_buf_init(&body.signature, KS_SIG_LEN_MAX);
    KS_TRY(ks_json_parse_canonical(bytes, &body_limits, &body.doc));
    root = ks_json_root(body.doc);
    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get(root, "job", KS_JSON_OBJECT, &job));
    KS_TRY(ks_json_get(root, "submission", KS_JSON_OBJECT, &submission));
    KS_TRY(ks_json_get_base64(root, "signature", &body.signature));
    KS_TRY(ks_fail_prefix(ks_job_parse(job, &body.job), "job"));
    KS_TRY(ks_fail_prefix(ks_submission_parse(submission, &body.submission), "submission"));
    ks_json_canonical(job, &body.job_bytes);
    ks_json_canonical(submission, &body.submission_bytes);
    KS_TRY(ks_buf_check(&body.job_bytes));
    KS_TRY(ks_buf_check(&body.submission_bytes));
    ks_sha256(ks_buf_view(&body.job_bytes), digest);
    KS_CHECK(ks_bytes_equal(KS_BYTES(digest), KS_BYTES(body.submission.job)), KS_ERR_FORMAT,
             "submission: 'job' is the digest of another job");
    *out_body = body;
    body = (struct ks_request_body){0}; /* transferred */
out:
    ks_request_body_done(&body);
    return err;
}

void ks_request_body_done(struct ks_request_body *body)
{
    ks_json_doc_free(body->doc);
    ks_buf_done(&body->job_bytes);
    ks_buf_done(&body->submission_bytes);
    ks_buf_done(&body->signature);
    *body = (struct ks_request_body){0};
}

/* --- one-time keys ------------------------------------------------------------------------ */

/* The request as it is signed (SIGNATURE empty) and as it is sent. Same members, same order. */
static void put_keys_request(const struct ks_keys_request *request, struct ks_bytes signature,
                             struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    ks_json_member_base64(&writer, "channel", KS_BYTES(request->channel));
    ks_json_member_u64(&writer, "count", request->count);
    ks_json_member_string(&writer, "device", request->device);
    ks_json_member_base64(&writer, "kem_public", request->kem_public);
    ks_json_member_base64(&writer, "nonce", KS_BYTES(request->nonce));
    ks_json_member_text(&writer, "schema", "ketseal.keys/1");
    if (signature.len > 0) {
        ks_json_member_base64(&writer, "signature", signature);
    }
    ks_json_put_end(&writer);
}

enum ks_err ks_keys_request_write(const struct ks_keys_request *request,
                                  const struct ks_sign_key *key, struct ks_buf *out,
                                  uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_buf message;
    struct ks_buf signature;

    ks_buf_init(&message, keys_limits.len_max);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    put_keys_request(request, (struct ks_bytes){0}, &message);
    KS_TRY(ks_buf_check(&message));
    KS_TRY(ks_sign(key, KS_CONTEXT_KEYS, ks_buf_view(&message), &signature));
    put_keys_request(request, ks_buf_view(&signature), out);
    KS_TRY(ks_buf_check(out));
    ks_sha256(ks_buf_view(&message), out_digest);
out:
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return err;
}

static enum ks_err keys_request_members(const struct ks_json *root, struct ks_buf *kem_public,
                                        struct ks_buf *device, struct ks_keys_request *request)
{
    static const char *const names[] = {"channel", "count",  "device",    "kem_public",
                                        "nonce",   "schema", "signature", NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    uint64_t count = 0;

    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "schema", &text));
    KS_CHECK(ks_bytes_is(text, "ketseal.keys/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.keys/1");
    KS_TRY(ks_json_get_base64_exact(root, "channel", request->channel, KS_CHANNEL_LEN));
    KS_TRY(ks_json_get_u64(root, "count", UINT32_MAX, &count));
    KS_CHECK(count >= 1 && count <= KS_KEYS_PER_REQUEST_MAX, KS_ERR_LIMIT, "'count': 1 to %d",
             KS_KEYS_PER_REQUEST_MAX);
    request->count = (uint32_t)count;
    KS_TRY(get_device(root, &text));
    ks_buf_put(device, text);
    KS_TRY(ks_buf_check(device));
    request->device = ks_buf_view(device);
    KS_TRY(ks_json_get_base64(root, "kem_public", kem_public));
    KS_CHECK(kem_public->len == KS_KEM_PUBLIC_LEN, KS_ERR_FORMAT,
             "'kem_public': expected %d bytes of ML-KEM-768", KS_KEM_PUBLIC_LEN);
    request->kem_public = ks_buf_view(kem_public);
    KS_TRY(ks_json_get_base64_exact(root, "nonce", request->nonce, KS_NONCE_LEN));
out:
    return err;
}

enum ks_err ks_keys_request_read(struct ks_bytes document, const struct ks_verify_key *key,
                                 struct ks_buf *kem_public, struct ks_buf *device,
                                 struct ks_keys_request *out_request, uint8_t out_digest[32])
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_keys_request request = {0};
    struct ks_buf message;
    struct ks_buf signature;

    ks_buf_init(&message, keys_limits.len_max);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    KS_TRY(ks_json_parse_canonical(document, &keys_limits, &doc));
    KS_TRY(keys_request_members(ks_json_root(doc), kem_public, device, &request));
    KS_TRY(ks_json_get_base64(ks_json_root(doc), "signature", &signature));
    put_keys_request(&request, (struct ks_bytes){0}, &message);
    KS_TRY(ks_buf_check(&message));
    KS_TRY(ks_fail_prefix(
        ks_verify(key, KS_CONTEXT_KEYS, ks_buf_view(&message), ks_buf_view(&signature)),
        "key request of '%.*s'", (int)request.device.len, (const char *)request.device.data));
    ks_sha256(ks_buf_view(&message), out_digest);
    *out_request = request;
out:
    ks_json_doc_free(doc);
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return err;
}

static void put_keys_answer(const struct ks_keys_answer *answer, struct ks_bytes signature,
                            struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);
    struct ks_buf batch;

    ks_buf_init(&batch, 64);
    ks_buf_put_format(&batch, "%016llx.%016llx", (unsigned long long)answer->instance,
                      (unsigned long long)answer->batch);
    ks_json_put_object(&writer);
    ks_json_member_string(&writer, "batch", ks_buf_view(&batch));
    ks_json_member_base64(&writer, "ciphertext", KS_BYTES(answer->ciphertext));
    ks_json_member_u64(&writer, "count", answer->count);
    ks_json_member_u64(&writer, "expires", answer->expires_s);
    ks_json_member_hex(&writer, "request", KS_BYTES(answer->request));
    ks_json_member_text(&writer, "schema", "ketseal.keys-answer/1");
    if (signature.len > 0) {
        ks_json_member_base64(&writer, "signature", signature);
    }
    ks_json_put_end(&writer);
    if (batch.err != KS_OK && out->err == KS_OK) {
        out->err = batch.err;
    }
    ks_buf_done(&batch);
}

void ks_keys_answer_salt(const struct ks_keys_answer *answer, uint8_t out_salt[32])
{
    uint8_t fixed[8 + 4 + 8];
    struct ks_buf buf = {.data = fixed, .cap = sizeof fixed, .max = sizeof fixed};

    ks_buf_put_u64(&buf, answer->instance);
    ks_buf_put_u32(&buf, answer->count);
    ks_buf_put_u64(&buf, answer->expires_s);
    const struct ks_bytes parts[] = {
        KS_LITERAL("ketseal/keys-salt/1\n"),
        KS_BYTES(answer->request),
        KS_BYTES(fixed),
        KS_BYTES(answer->ciphertext),
    };
    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_salt);
}

enum ks_err ks_keys_answer_write(const struct ks_keys_answer *answer,
                                 const struct ks_sign_key *key, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf message;
    struct ks_buf signature;

    ks_buf_init(&message, keys_limits.len_max);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    put_keys_answer(answer, (struct ks_bytes){0}, &message);
    KS_TRY(ks_buf_check(&message));
    KS_TRY(ks_sign(key, KS_CONTEXT_KEYS_ANSWER, ks_buf_view(&message), &signature));
    put_keys_answer(answer, ks_buf_view(&signature), out);
    KS_TRY(ks_buf_check(out));
out:
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return err;
}

/* "<16 hex>.<16 hex>" */
static enum ks_err parse_batch(struct ks_bytes text, uint64_t *out_instance,
                               uint64_t *out_batch)
{
    enum ks_err err = KS_OK;
    uint8_t bytes[16];
    struct ks_reader reader = ks_reader_of(KS_BYTES(bytes), "batch");
    uint64_t instance = 0;
    uint64_t batch = 0;

    KS_CHECK(text.len == 33 && text.data[16] == '.', KS_ERR_FORMAT,
             "'batch': expected instance.batch");
    KS_TRY(ks_hex_decode(ks_bytes_of(text.data, 16), bytes, 8));
    KS_TRY(ks_hex_decode(ks_bytes_of(text.data + 17, 16), bytes + 8, 8));
    KS_TRY(ks_read_u64(&reader, &instance));
    KS_TRY(ks_read_u64(&reader, &batch));
    *out_instance = instance;
    *out_batch = batch;
out:
    return err;
}

static enum ks_err keys_answer_members(const struct ks_json *root,
                                       struct ks_keys_answer *answer)
{
    static const char *const names[] = {"batch",   "ciphertext", "count",     "expires",
                                        "request", "schema",     "signature", NULL};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};
    uint64_t count = 0;

    KS_TRY(ks_json_only(root, names));
    KS_TRY(ks_json_get_string(root, "schema", &text));
    KS_CHECK(ks_bytes_is(text, "ketseal.keys-answer/1"), KS_ERR_FORMAT,
             "'schema': expected ketseal.keys-answer/1");
    KS_TRY(ks_json_get_string(root, "batch", &text));
    KS_TRY(parse_batch(text, &answer->instance, &answer->batch));
    KS_TRY(ks_json_get_base64_exact(root, "ciphertext", answer->ciphertext,
                                    KS_KEM_CIPHERTEXT_LEN));
    KS_TRY(ks_json_get_u64(root, "count", KS_KEYS_PER_REQUEST_MAX, &count));
    KS_CHECK(count >= 1, KS_ERR_FORMAT, "'count': no keys");
    answer->count = (uint32_t)count;
    KS_TRY(ks_json_get_u64(root, "expires", KS_JSON_INTEGER_MAX, &answer->expires_s));
    KS_TRY(ks_json_get_hex(root, "request", answer->request, sizeof answer->request));
out:
    return err;
}

enum ks_err ks_keys_answer_read(struct ks_bytes document, const struct ks_verify_key *key,
                                const uint8_t request_digest[32],
                                struct ks_keys_answer *out_answer)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_keys_answer answer = {0};
    struct ks_buf message;
    struct ks_buf signature;

    ks_buf_init(&message, keys_limits.len_max);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    KS_TRY(ks_json_parse_canonical(document, &keys_limits, &doc));
    KS_TRY(keys_answer_members(ks_json_root(doc), &answer));
    KS_TRY(ks_json_get_base64(ks_json_root(doc), "signature", &signature));
    put_keys_answer(&answer, (struct ks_bytes){0}, &message);
    KS_TRY(ks_buf_check(&message));
    KS_TRY(ks_fail_prefix(
        ks_verify(key, KS_CONTEXT_KEYS_ANSWER, ks_buf_view(&message), ks_buf_view(&signature)),
        "key answer of the site"));
    KS_CHECK(ks_bytes_equal(KS_BYTES(answer.request), ks_bytes_of(request_digest, 32)),
             KS_ERR_VERIFY, "key answer of the site: it answers another request");
    *out_answer = answer;
out:
    ks_json_doc_free(doc);
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return err;
}
