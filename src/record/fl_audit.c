/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "record/fl_audit.h"

#include "record/internal.h"

#define SCHEMA "ketseal.fl-audit/1"

static const struct ks_json_limits limits = {.len_max = KS_FL_AUDIT_BYTES_MAX, .nodes_max = 64};

enum ks_err ks_fl_audit_write(const struct ks_fl_audit *audit, const struct ks_sign_key *key,
                              struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_buf body;
    struct ks_json_writer writer = ks_json_writer_of(&body);

    ks_buf_init(&body, KS_FL_AUDIT_BYTES_MAX);
    ks_json_put_object(&writer);
    ks_json_member_hex(&writer, "build", KS_BYTES(audit->build));
    ks_document_put_time(&writer, "created_at", audit->created_us);
    ks_json_member_string(&writer, "isa", audit->isa);
    ks_json_member_hex(&writer, "list", KS_BYTES(audit->list));
    ks_json_member_hex(&writer, "model", KS_BYTES(audit->model));
    ks_json_member_u64(&writer, "numerics", audit->numerics);
    ks_json_member_string(&writer, "reason", audit->reason);
    ks_json_member_hex(&writer, "replayed", KS_BYTES(audit->replayed));
    ks_json_member_u64(&writer, "round", audit->round);
    ks_json_member_text(&writer, "same_model", ks_verdict_state_name(audit->same_model));
    ks_json_member_text(&writer, "same_scores", ks_verdict_state_name(audit->same_scores));
    ks_json_member_text(&writer, "same_state", ks_verdict_state_name(audit->same_state));
    ks_json_member_text(&writer, "schema", SCHEMA);
    ks_json_member_hex(&writer, "session", KS_BYTES(audit->session));
    ks_json_member_string(&writer, "site", audit->site);
    ks_json_member_u64(&writer, "threads", audit->threads);
    ks_json_member_u64(&writer, "updates", audit->updates);
    ks_json_put_end(&writer);
    KS_TRY(ks_buf_check(&body));
    KS_TRY(ks_document_write_signed(ks_buf_view(&body), key, KS_CONTEXT_FL_AUDIT, out));
out:
    ks_buf_done(&body);
    return err;
}

static enum ks_err get_state(const struct ks_json *value, const char *name,
                             enum ks_verdict_state *out_state)
{
    static const enum ks_verdict_state states[] = {KS_NOT_RUN, KS_PASS, KS_FAIL};
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(value, name, &text));
    for (size_t i = 0; i < sizeof states / sizeof states[0]; i++) {
        if (ks_bytes_is(text, ks_verdict_state_name(states[i]))) {
            *out_state = states[i];
            return KS_OK;
        }
    }
    err = ks_fail(KS_ERR_FORMAT, "'%s': expected pass, fail or not-run", name);
out:
    return err;
}

static enum ks_err get_text(const struct ks_json *value, const char *name, size_t len_max,
                            struct ks_bytes *out_text)
{
    enum ks_err err = KS_OK;
    struct ks_bytes text = {0};

    KS_TRY(ks_json_get_string(value, name, &text));
    KS_CHECK(text.len <= len_max, KS_ERR_LIMIT, "'%s': over %zu bytes", name, len_max);
    *out_text = text;
out:
    return err;
}

static enum ks_err parse(const struct ks_json *body, struct ks_fl_audit *audit)
{
    static const char *const names[] = {
        "build",  "created_at", "isa",   "list",       "model",       "numerics",
        "reason", "replayed",   "round", "same_model", "same_scores", "same_state",
        "schema", "session",    "site",  "threads",    "updates",     NULL};
    enum ks_err err = KS_OK;

    KS_TRY(ks_document_schema(body, SCHEMA, names));
    KS_TRY(ks_json_get_hex(body, "build", audit->build, sizeof audit->build));
    KS_TRY(ks_document_get_time(body, "created_at", &audit->created_us));
    KS_TRY(get_text(body, "isa", KS_FL_AUDIT_WORD_MAX, &audit->isa));
    KS_TRY(ks_json_get_hex(body, "list", audit->list, sizeof audit->list));
    KS_TRY(ks_json_get_hex(body, "model", audit->model, sizeof audit->model));
    KS_TRY(ks_json_get_u64(body, "numerics", KS_JSON_INTEGER_MAX, &audit->numerics));
    KS_TRY(get_text(body, "reason", KS_FL_AUDIT_REASON_MAX, &audit->reason));
    KS_TRY(ks_json_get_hex(body, "replayed", audit->replayed, sizeof audit->replayed));
    KS_TRY(ks_json_get_u64(body, "round", KS_FL_ROUNDS_MAX, &audit->round));
    KS_TRY(get_state(body, "same_model", &audit->same_model));
    KS_TRY(get_state(body, "same_scores", &audit->same_scores));
    KS_TRY(get_state(body, "same_state", &audit->same_state));
    KS_TRY(ks_json_get_hex(body, "session", audit->session, sizeof audit->session));
    KS_TRY(ks_document_site(body, &audit->site));
    KS_TRY(ks_document_get_unsigned(body, "threads", &audit->threads));
    KS_TRY(ks_json_get_u64(body, "updates", KS_FL_DEVICES_MAX, &audit->updates));
    KS_CHECK((audit->same_model == KS_PASS) ==
                     ks_bytes_equal(KS_BYTES(audit->model), KS_BYTES(audit->replayed)) &&
                 (audit->reason.len == 0) ==
                     (audit->same_model == KS_PASS && audit->same_scores == KS_PASS &&
                      audit->same_state == KS_PASS),
             KS_ERR_FORMAT, "it contradicts itself");
out:
    return err;
}

enum ks_err ks_fl_audit_read(struct ks_bytes document, const struct ks_verify_key *key,
                             struct ks_fl_audit *out_audit)
{
    enum ks_err err = KS_OK;
    struct ks_fl_audit audit = {.doc = NULL};
    const struct ks_json *body = NULL;
    struct ks_buf message;
    struct ks_buf signature;

    KS_TRY(ks_document_read_signed(document, &limits, &audit.doc, &body, &message, &signature));
    KS_TRY(parse(body, &audit));
    KS_TRY(ks_verify(key, KS_CONTEXT_FL_AUDIT, ks_buf_view(&message), ks_buf_view(&signature)));
    *out_audit = audit;
    audit = (struct ks_fl_audit){.doc = NULL}; /* transferred */
out:
    ks_fl_audit_done(&audit);
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return ks_fail_prefix(err, "audit");
}

void ks_fl_audit_done(struct ks_fl_audit *audit)
{
    ks_json_doc_free(audit->doc);
    *audit = (struct ks_fl_audit){.doc = NULL};
}

enum ks_err ks_fl_audit_check(const struct ks_fl_audit *audit, const struct ks_core *core)
{
    enum ks_err err = KS_OK;
    struct ks_json_doc *doc = NULL;
    struct ks_round_result result = {0};

    KS_CHECK(core->schema == KS_RECORD_SCHEMA_FL && core->kind == KS_KIND_ROUND, KS_ERR_VERIFY,
             "the record is of no round");
    KS_TRY(ks_round_result_read(core->result, &doc, &result));
    KS_CHECK(ks_bytes_equal(audit->site, core->origin), KS_ERR_VERIFY,
             "the audit is another site's");
    KS_CHECK(ks_bytes_equal(KS_BYTES(audit->session), KS_BYTES(core->fl.session)) &&
                 audit->round == core->fl.round,
             KS_ERR_VERIFY, "the audit is of another round");
    KS_CHECK(ks_bytes_equal(KS_BYTES(audit->list), KS_BYTES(result.list)), KS_ERR_VERIFY,
             "the audit followed another list than the record's");
    KS_CHECK(ks_bytes_equal(KS_BYTES(audit->model), KS_BYTES(result.model)), KS_ERR_VERIFY,
             "the audit compared with another model than the record's");
out:
    ks_json_doc_free(doc);
    return err;
}
