/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What the core of a contribution to federated learning, or of one of its rounds, has in place
 * of a circuit; and their results. docs/formats/record.md */

#include <math.h>

#include "crypto/digest.h"
#include "record/internal.h"

#define BACKEND "ketseal-fl"

/* --- core --------------------------------------------------------------------------------- */

void ks_core_fl_put_execution(const struct ks_core *core, struct ks_json_writer *writer)
{
    ks_json_member_text(writer, "backend", BACKEND);
    ks_json_member_hex(writer, "build", KS_BYTES(core->build));
    ks_document_put_time(writer, "finished_at", core->finished_us);
    ks_json_member_string(writer, "isa", core->isa);
    ks_json_member_text(writer, "isolation", "process");
    ks_json_member_u64(writer, "numerics", core->numerics);
}

enum ks_err ks_core_fl_parse_execution(const struct ks_json *value, struct ks_core *core)
{
    static const char *const names[] = {
        "backend",       "build",          "finished_at", "isa",     "isolation", "numerics",
        "result_digest", "result_summary", "started_at",  "threads", NULL};
    enum ks_err err = KS_OK;

    KS_TRY(ks_json_only(value, names));
    KS_TRY(ks_document_expect_text(value, "backend", BACKEND));
    KS_TRY(ks_json_get_string(value, "isa", &core->isa));
    KS_TRY(ks_document_expect_text(value, "isolation", "process"));
    KS_TRY(ks_json_get_u64(value, "numerics", KS_JSON_INTEGER_MAX, &core->numerics));
out:
    return err;
}

void ks_core_fl_put_request(const struct ks_core *core, struct ks_json_writer *writer)
{
    ks_json_put_object(writer);
    ks_json_member_string(writer, "operator", core->device);
    ks_json_member_hex(writer, "order", KS_BYTES(core->fl.order));
    ks_json_member_hex(writer, "order_signature", KS_BYTES(core->fl.order_signature));
    ks_json_put_end(writer);
}

enum ks_err ks_core_fl_parse_request(const struct ks_json *value, struct ks_core *core)
{
    static const char *const names[] = {"operator", "order", "order_signature", NULL};
    enum ks_err err = KS_OK;
    struct ks_core_fl *fl = &core->fl;

    KS_TRY(ks_json_only(value, names));
    KS_TRY(ks_json_get_string(value, "operator", &core->device));
    KS_TRY(ks_json_get_hex(value, "order", fl->order, sizeof fl->order));
    KS_TRY(ks_json_get_hex(value, "order_signature", fl->order_signature,
                           sizeof fl->order_signature));
out:
    return err;
}

void ks_core_fl_put_workload(const struct ks_core *core, struct ks_json_writer *writer)
{
    const struct ks_core_fl *fl = &core->fl;
    const bool update = core->kind == KS_KIND_UPDATE;

    ks_json_put_object(writer);
    ks_json_member_hex(writer, "descriptor", KS_BYTES(fl->descriptor));
    if (update) {
        ks_json_member_string(writer, "encoding", fl->encoding);
        ks_json_member_u64(writer, "length", fl->length);
    }
    ks_json_member_text(writer, "name", ks_kind_name(core->kind));
    ks_json_put_key(writer, "parameters");
    ks_json_put_canonical(writer, core->parameters);
    ks_json_member_u64(writer, "params", fl->params);
    ks_json_member_hex(writer, "parent", KS_BYTES(fl->parent));
    ks_json_member_u64(writer, "round", fl->round);
    if (update) {
        ks_json_member_u64(writer, "samples", fl->samples);
    }
    ks_json_member_text(writer, "sdk", ks_sdk_name(KS_SDK_KETSEAL));
    if (update) {
        ks_json_member_hex(writer, "sealed", KS_BYTES(fl->sealed));
    }
    ks_json_member_hex(writer, "session", KS_BYTES(fl->session));
    ks_json_member_hex(writer, "shape", KS_BYTES(fl->shape));
    ks_json_put_end(writer);
}

static enum ks_err parse_update(const struct ks_json *value, struct ks_core_fl *fl)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_json_get_string(value, "encoding", &fl->encoding));
    KS_TRY(ks_json_get_u64(value, "length", KS_UPDATE_SEALED_MAX, &fl->length));
    KS_TRY(ks_json_get_u64(value, "samples", KS_UPDATE_SAMPLES_MAX, &fl->samples));
    KS_TRY(ks_json_get_hex(value, "sealed", fl->sealed, sizeof fl->sealed));
out:
    return err;
}

enum ks_err ks_core_fl_parse_workload(const struct ks_json *value, struct ks_buf *parameters,
                                      struct ks_core *core)
{
    static const char *const names_round[] = {"descriptor", "name",  "parameters", "params",
                                              "parent",     "round", "sdk",        "session",
                                              "shape",      NULL};
    static const char *const names_update[] = {
        "descriptor", "encoding", "length", "name",   "parameters", "params", "parent",
        "round",      "samples",  "sdk",    "sealed", "session",    "shape",  NULL};
    enum ks_err err = KS_OK;
    struct ks_core_fl *fl = &core->fl;
    const struct ks_json *rule = NULL;

    KS_TRY(ks_json_get_string(value, "name", &core->name));
    core->kind =
        ks_bytes_is(core->name, ks_kind_name(KS_KIND_ROUND)) ? KS_KIND_ROUND : KS_KIND_UPDATE;
    KS_CHECK(ks_bytes_is(core->name, ks_kind_name(core->kind)), KS_ERR_FORMAT,
             "'name': expected fl.update or fl.round");
    KS_TRY(ks_json_only(value, core->kind == KS_KIND_ROUND ? names_round : names_update));
    KS_TRY(ks_json_get_hex(value, "descriptor", fl->descriptor, sizeof fl->descriptor));
    KS_TRY(ks_json_get(value, "parameters", KS_JSON_OBJECT, &rule));
    ks_json_canonical(rule, parameters);
    KS_TRY(ks_buf_check(parameters));
    KS_CHECK(parameters->len <= KS_RULE_BYTES_MAX, KS_ERR_LIMIT, "'parameters': over %d bytes",
             KS_RULE_BYTES_MAX);
    core->parameters = ks_buf_view(parameters);
    KS_TRY(ks_json_get_u64(value, "params", KS_JSON_INTEGER_MAX, &fl->params));
    KS_TRY(ks_json_get_hex(value, "parent", fl->parent, sizeof fl->parent));
    KS_TRY(ks_json_get_u64(value, "round", KS_JSON_INTEGER_MAX, &fl->round));
    KS_TRY(ks_document_expect_text(value, "sdk", ks_sdk_name(KS_SDK_KETSEAL)));
    KS_TRY(ks_json_get_hex(value, "session", fl->session, sizeof fl->session));
    KS_TRY(ks_json_get_hex(value, "shape", fl->shape, sizeof fl->shape));
    KS_TRY(core->kind == KS_KIND_UPDATE ? parse_update(value, fl) : KS_OK);
out:
    return err;
}

enum ks_err ks_core_update_check(const struct ks_core *core, const struct ks_job *job)
{
    enum ks_err err = KS_OK;
    const struct ks_core_fl *fl = &core->fl;
    const struct ks_job_update *asked = &job->update;

    KS_CHECK(core->kind == KS_KIND_UPDATE && job->kind == KS_KIND_UPDATE, KS_ERR_VERIFY,
             "the record is of '%s', the job of '%s'", ks_kind_name(core->kind),
             ks_kind_name(job->kind));
    KS_CHECK(ks_bytes_equal(KS_BYTES(fl->session), KS_BYTES(asked->session)) &&
                 fl->round == asked->round,
             KS_ERR_VERIFY, "the job is for another round");
    KS_CHECK(ks_bytes_equal(KS_BYTES(fl->parent), KS_BYTES(asked->parent)), KS_ERR_VERIFY,
             "the job names another parent model");
    KS_CHECK(ks_bytes_equal(KS_BYTES(fl->sealed), KS_BYTES(asked->sealed)) &&
                 fl->length == asked->length,
             KS_ERR_VERIFY, "the job names another sealed update");
    KS_CHECK(ks_bytes_equal(fl->encoding, asked->encoding), KS_ERR_VERIFY,
             "the job names another encoding");
    KS_CHECK(fl->samples == asked->samples, KS_ERR_VERIFY, "the job names other samples");
out:
    return err;
}

/* --- results ------------------------------------------------------------------------------ */

static const struct ks_json_limits result_limits = {.len_max = 4096, .nodes_max = 32};

/* Finite and from 0 on, in the range whose numbers a reader takes. */
static enum ks_err get_figure(const struct ks_json *object, const char *name, double *out_value)
{
    enum ks_err err = KS_OK;
    const struct ks_json *member = NULL;
    double value = 0;

    KS_TRY(ks_json_get(object, name, KS_JSON_NUMBER, &member));
    KS_TRY(ks_json_double(member, &value));
    KS_CHECK(value >= 0, KS_ERR_FORMAT, "'%s': below 0", name);
    *out_value = value;
out:
    return err;
}

static void put_figure(struct ks_json_writer *writer, const char *name, double value)
{
    KS_ASSERT(isfinite(value));
    ks_json_put_key(writer, name);
    ks_json_put_double(writer, value);
}

static enum ks_err open_result(struct ks_bytes result, const char *const *names,
                               struct ks_json_doc **out_doc)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;

    KS_TRY(ks_json_parse_canonical(result, &result_limits, &doc));
    KS_CHECK(ks_json_type(ks_json_root(doc)) == KS_JSON_OBJECT, KS_ERR_FORMAT,
             "the result is no object");
    KS_TRY(ks_json_only(ks_json_root(doc), names));
    *out_doc = doc;
    doc = NULL; /* transferred */
out:
    ks_json_doc_free(doc);
    return err;
}

void ks_update_result_write(const struct ks_update_result *result, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    ks_json_put_object(&writer);
    put_figure(&writer, "norm", result->norm);
    ks_json_member_string(&writer, "reason", result->reason);
    put_figure(&writer, "suspicion", result->suspicion);
    ks_json_member_hex(&writer, "update", KS_BYTES(result->update));
    ks_json_put_end(&writer);
}

enum ks_err ks_update_result_read(struct ks_bytes result, struct ks_json_doc **out_doc,
                                  struct ks_update_result *out_result)
{
    static const char *const names[] = {"norm", "reason", "suspicion", "update", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_update_result read = {0};
    const struct ks_json *root = NULL;

    KS_TRY(open_result(result, names, &doc));
    root = ks_json_root(doc);
    KS_TRY(get_figure(root, "norm", &read.norm));
    KS_TRY(ks_json_get_string(root, "reason", &read.reason));
    KS_CHECK(ks_text_is_name(read.reason, KS_UPDATE_WORD_MAX), KS_ERR_FORMAT,
             "'reason': not a word");
    KS_TRY(get_figure(root, "suspicion", &read.suspicion));
    KS_TRY(ks_json_get_hex(root, "update", read.update, sizeof read.update));
    *out_result = read;
    *out_doc = doc;
    doc = NULL; /* transferred */
out:
    ks_json_doc_free(doc);
    return err;
}

#define COMPLETED "completed"

static bool has_state(const struct ks_round_result *result)
{
    static const uint8_t zeros[32] = {0};

    return !ks_bytes_equal(KS_BYTES(result->state), KS_BYTES(zeros));
}

void ks_round_result_write(const struct ks_round_result *result, struct ks_buf *out)
{
    struct ks_json_writer writer = ks_json_writer_of(out);

    KS_ASSERT(result->completed == ks_bytes_is(result->outcome, COMPLETED));
    ks_json_put_object(&writer);
    ks_json_member_u64(&writer, "count", result->count);
    ks_json_member_hex(&writer, "list", KS_BYTES(result->list));
    put_figure(&writer, "loss", result->loss);
    if (result->completed) {
        ks_json_member_hex(&writer, "model", KS_BYTES(result->model));
    }
    ks_json_member_string(&writer, "outcome", result->outcome);
    ks_json_member_u64(&writer, "samples", result->samples);
    if (has_state(result)) {
        ks_json_member_hex(&writer, "state", KS_BYTES(result->state));
    }
    ks_json_member_hex(&writer, "updates", KS_BYTES(result->updates));
    ks_json_put_end(&writer);
}

enum ks_err ks_round_result_read(struct ks_bytes result, struct ks_json_doc **out_doc,
                                 struct ks_round_result *out_result)
{
    static const char *const names[] = {"count",   "list",  "loss",    "model", "outcome",
                                        "samples", "state", "updates", NULL};
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_round_result read = {0};
    const struct ks_json *root = NULL;
    const struct ks_json *loss = NULL;

    KS_TRY(open_result(result, names, &doc));
    root = ks_json_root(doc);
    KS_TRY(ks_json_get_string(root, "outcome", &read.outcome));
    KS_CHECK(read.outcome.len >= 1 && read.outcome.len <= KS_ROUND_OUTCOME_MAX, KS_ERR_FORMAT,
             "'outcome': 1 to %d bytes", KS_ROUND_OUTCOME_MAX);
    read.completed = ks_bytes_is(read.outcome, COMPLETED);
    KS_CHECK((ks_json_find(root, "model") != NULL) == read.completed, KS_ERR_FORMAT,
             "'model': a completed round has one, and no other");
    KS_TRY(read.completed ? ks_json_get_hex(root, "model", read.model, sizeof read.model)
                          : KS_OK);
    KS_TRY(ks_json_get_u64(root, "count", KS_JSON_INTEGER_MAX, &read.count));
    KS_CHECK(!read.completed || read.count >= 1, KS_ERR_FORMAT,
             "'count': completed without a contribution");
    KS_TRY(ks_json_get_hex(root, "list", read.list, sizeof read.list));
    KS_TRY(ks_json_get(root, "loss", KS_JSON_NUMBER, &loss));
    KS_TRY(ks_json_double(loss, &read.loss));
    KS_TRY(ks_json_get_u64(root, "samples", KS_JSON_INTEGER_MAX, &read.samples));
    if (ks_json_find(root, "state") != NULL) {
        KS_TRY(ks_json_get_hex(root, "state", read.state, sizeof read.state));
        KS_CHECK(read.completed && has_state(&read), KS_ERR_FORMAT,
                 "'state': zeros, or of a round that is not completed");
    }
    KS_TRY(ks_json_get_hex(root, "updates", read.updates, sizeof read.updates));
    *out_result = read;
    *out_doc = doc;
    doc = NULL; /* transferred */
out:
    ks_json_doc_free(doc);
    return err;
}

void ks_round_updates_digest(const uint8_t *hashes, size_t count, uint8_t out_digest[32])
{
    const struct ks_bytes parts[] = {KS_LITERAL("ketseal/fl-updates/1\n"),
                                     ks_bytes_of(hashes, count * 32)};

    for (size_t i = 1; i < count; i++) {
        KS_ASSERT(ks_bytes_compare(ks_bytes_of(hashes + 32 * (i - 1), 32),
                                   ks_bytes_of(hashes + 32 * i, 32)) < 0);
    }
    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_digest);
}
