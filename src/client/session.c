/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "client/session.h"

#include "base/json.h"
#include "base/sys.h"

struct ks_session {
    struct ks_tls *tls;
    struct ks_http_client *http;
    uint8_t channel[KS_CHANNEL_LEN];
    bool channel_known;
    bool moved;           /* the last call was not sent: the connection was made anew */
    uint64_t prepared_us; /* monotonic: when the last call's head was made; 0: it was not */
    struct ks_session_facts facts;
};

enum ks_err ks_session_open(const struct ks_session_spec *spec, struct ks_session **out_session)
{
    enum ks_err err = KS_OK;
    struct ks_session *session = ks_calloc(1, sizeof *session);
    const struct ks_tls_spec tls = {
        .side = KS_TLS_CLIENT,
        .mode = spec->enrolment ? KS_TLS_ENROLMENT : KS_TLS_MUTUAL,
        .groups = spec->groups,
        .sigalgs = spec->sigalgs,
        .root_pem = spec->root_pem,
        .issuer_pem = spec->issuer_pem,
        .cert_pem = spec->cert_pem,
        .key_pem = spec->key_pem,
    };
    struct ks_http_client_spec http = {
        .origin = spec->url, .total_ms = spec->timeout_ms, .response_max = spec->response_max};

    KS_CHECK(session != NULL, KS_ERR_NOMEM, "session");
    KS_TRY(ks_tls_new(&tls, &session->tls));
    http.tls = session->tls;
    KS_TRY(ks_http_client_new(&http, &session->http));
    *out_session = session;
    session = NULL; /* transferred */
out:
    ks_session_close(session);
    return err;
}

void ks_session_close(struct ks_session *session)
{
    if (session == NULL) {
        return;
    }
    ks_http_client_free(session->http);
    ks_tls_free(session->tls);
    ks_free(session);
}

const uint8_t *ks_session_channel(const struct ks_session *session)
{
    return session->channel;
}

const char *ks_session_authority(const struct ks_session *session)
{
    return ks_http_client_authority(session->http);
}

const struct ks_session_facts *ks_session_facts(const struct ks_session *session)
{
    return &session->facts;
}

bool ks_session_moved(const struct ks_session *session)
{
    return session->moved;
}

/* --- exchanges ---------------------------------------------------------------------------- */

struct exchange {
    struct ks_session *session;
    const struct ks_session_call *call;
};

/* Once the connection stands: its channel, the fields to add. */
static enum ks_err prepare(void *context, const uint8_t exporter[KS_TLS_EXPORTER_LEN],
                           const struct ks_cert *peer, struct ks_http_outgoing *outgoing)
{
    enum ks_err err = KS_OK;
    const struct exchange *exchange = context;
    struct ks_session *session = exchange->session;
    const struct ks_signature_fields *fields = exchange->call->fields;
    bool same = session->channel_known && ks_bytes_equal(KS_BYTES(session->channel),
                                                         ks_bytes_of(exporter, KS_CHANNEL_LEN));

    (void)peer; /* verified by the client below us */
    session->prepared_us = ks_clock_monotonic_us();
    ks_copy(session->channel, exporter, KS_CHANNEL_LEN);
    session->moved = exchange->call->bound && !same;
    session->channel_known = !session->moved; /* a call that is not sent ends its connection */
    KS_CHECK(!session->moved, KS_ERR_UNAVAILABLE, "the connection was made anew");
    if (fields != NULL) {
        KS_TRY(ks_http_outgoing_add(outgoing, "Content-Digest", fields->content_digest));
        KS_TRY(ks_http_outgoing_add(outgoing, "Ketseal-Channel", fields->channel));
        KS_TRY(ks_http_outgoing_add(outgoing, "Signature-Input", fields->input));
        KS_TRY(ks_http_outgoing_add(outgoing, "Signature", fields->signature));
    }
    if (exchange->call->idempotency != NULL) {
        KS_TRY(ks_http_outgoing_add(outgoing, "Idempotency-Key", exchange->call->idempotency));
    }
out:
    return err;
}

/* The site's error document as our error; WHAT names the exchange when there is no document. */
static enum ks_err take_refusal(const struct ks_http_answer *answer, const char *what)
{
    static const struct ks_json_limits limits = {.len_max = 65536, .nodes_max = 64};
    enum ks_err err = KS_OK;
    enum ks_err said = KS_ERR_IO;
    struct ks_json_doc *doc = NULL;
    struct ks_bytes name = {0};
    struct ks_bytes detail = {0};

    KS_TRY(ks_json_parse(ks_buf_view(&answer->body), &limits, &doc));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "error", &name));
    KS_TRY(ks_json_get_string(ks_json_root(doc), "detail", &detail));
#define KS_NAMED(code, value, exit_code, http, meaning)                                        \
    if (ks_bytes_is(name, #code)) {                                                            \
        said = KS_ERR_##code;                                                                  \
    }
    KS_ERR_LIST(KS_NAMED)
#undef KS_NAMED
    err = ks_fail(said, "site: %.*s", (int)(detail.len > 400 ? 400 : detail.len),
                  (const char *)detail.data);
out:
    ks_json_doc_free(doc);
    return doc == NULL || name.data == NULL
               ? ks_fail(KS_ERR_IO, "%s: the site answered %d", what, answer->status)
               : err;
}

/* ANSWERED: the call has come to its end. */
static void take_facts(struct ks_session *session, bool answered)
{
    struct ks_session_facts *facts = &session->facts;

    facts->calls++;
    facts->call = *ks_http_client_facts(session->http);
    if (facts->call.connected || !facts->call.encrypted) {
        facts->connect_us = facts->call.connect_us;
        facts->handshake_us = facts->call.handshake_us;
    }
    facts->round_trip_us = answered ? ks_clock_monotonic_us() - session->prepared_us : 0;
}

enum ks_err ks_session_call(struct ks_session *session, const struct ks_session_call *call,
                            struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct exchange exchange = {.session = session, .call = call};
    const struct ks_http_call http = {
        .method = call->method,
        .target = call->target,
        .content_type = call->body.len == 0          ? NULL
                        : call->content_type != NULL ? call->content_type
                                                     : "application/json",
        .body = call->body,
        .prepare = prepare,
        .context = &exchange,
    };
    struct ks_http_answer answer = {0};

    session->moved = false;
    session->prepared_us = 0;
    err = ks_http_client_call(session->http, &http, &answer);
    take_facts(session, err == KS_OK);
    KS_TRY(err);
    if (answer.status >= 300) {
        KS_TRY(take_refusal(&answer, call->target));
    }
    ks_buf_put(out, ks_buf_view(&answer.body));
    KS_TRY(ks_buf_check(out));
out:
    ks_http_answer_done(&answer);
    return err;
}

enum ks_err ks_session_connect(struct ks_session *session)
{
    static const struct ks_session_call call = {.method = "GET", .target = "/healthz"};
    enum ks_err err = KS_OK;
    struct ks_buf body;

    ks_buf_init(&body, 65536);
    if (!session->channel_known) {
        KS_TRY(ks_session_call(session, &call, &body));
    }
out:
    ks_buf_done(&body);
    return err;
}
