/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a client of a site says over one connection, against our own server over loopback: the
 * channel that both ends see, refusals as the errors that they are, and nothing that was signed
 * for one connection ever sent on another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/sys.h"
#include "client/session.h"
#include "tests/integration/http_site.h"

#define IDLE_MS 150 /* after which the server ends a connection */

/* --- a server that says what it is told to ------------------------------------------------ */

struct server {
    struct ks_tls *tls;
    struct ks_http_server *http;
    char url[64];
    /* The next answer; of a test's thread while no call is under way. */
    int status;
    const char *body; /* NULL: what the request's body was */
    enum ks_err refusal;
    /* What came last. */
    atomic_uint requests;
    uint8_t exporter[32];
    struct ks_buf head;
};

static void handle(void *context, struct ks_http_request *request)
{
    struct server *server = context;
    const struct ks_bytes body =
        server->body != NULL ? ks_bytes_text(server->body) : ks_http_request_body(request);
    const struct ks_http_response response = {
        .status = server->status, .content_type = "application/json", .body = body};

    ks_copy(server->exporter, ks_http_request_exporter(request).data, 32);
    ks_buf_clear(&server->head);
    ks_buf_put(&server->head, ks_http_request_head(request)->raw);
    atomic_fetch_add(&server->requests, 1);
    if (server->refusal != KS_OK) {
        ks_http_reply_error(request, server->refusal, "a sentence of the site's");
    } else {
        ks_http_reply(request, &response);
    }
}

static void server_open(struct server *server, unsigned idle_ms, bool enrolment)
{
    const struct ks_tls_spec tls = {.side = KS_TLS_SERVER,
                                    .mode = enrolment ? KS_TLS_ENROLMENT : KS_TLS_MUTUAL,
                                    .root_pem = test_root_pem(authority),
                                    .cert_pem = test_cert_pem(site_identity),
                                    .key_pem = test_key_pem(site_identity)};
    struct ks_http_server_spec spec = {.address = "127.0.0.1",
                                       .loops = 1,
                                       .peers_unknown = enrolment,
                                       .handler = handle,
                                       .context = server,
                                       .limits = {.idle_ms = idle_ms}};

    *server = (struct server){.status = 200};
    ks_buf_init(&server->head, 65536);
    if (ks_tls_new(&tls, &server->tls) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    spec.tls = server->tls;
    if (ks_http_server_open(&spec, &server->http) != KS_OK ||
        ks_http_server_start(server->http) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    (void)snprintf(server->url, sizeof server->url, "https://localhost:%u",
                   ks_http_server_port(server->http));
}

static void server_close(struct server *server)
{
    assert_int_equal(ks_http_server_stop(server->http, WAIT_MS), KS_OK);
    ks_http_server_free(server->http);
    ks_tls_free(server->tls);
    ks_buf_done(&server->head);
}

static struct ks_session_spec spec_of(const struct server *server)
{
    return (struct ks_session_spec){.url = server->url,
                                    .root_pem = test_root_pem(authority),
                                    .cert_pem = test_cert_pem(device_identity),
                                    .key_pem = test_key_pem(device_identity),
                                    .timeout_ms = WAIT_MS,
                                    .response_max = 4096};
}

static struct ks_session *session_of(const struct server *server)
{
    const struct ks_session_spec spec = spec_of(server);
    struct ks_session *session = NULL;

    if (ks_session_open(&spec, &session) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return session;
}

static const struct ks_session_call plain = {.method = "GET", .target = "/x"};

static enum ks_err call(struct ks_session *session, const struct ks_session_call *what,
                        struct ks_buf *out)
{
    ks_buf_init(out, 8192);
    return ks_session_call(session, what, out);
}

static bool head_has(const struct server *server, const char *text)
{
    return memmem(server->head.data, server->head.len, text, strlen(text)) != NULL;
}

/* --- tests -------------------------------------------------------------------------------- */

static void both_ends_see_one_channel(void **state)
{
    static const uint8_t zeros[32];
    struct server server;
    struct ks_session *session = NULL;

    (void)state;
    server_open(&server, 0, false);
    session = session_of(&server);
    assert_memory_equal(ks_session_channel(session), zeros, 32);
    assert_int_equal(atomic_load(&server.requests), 0);
    assert_int_equal(ks_session_connect(session), KS_OK);
    assert_memory_equal(ks_session_channel(session), server.exporter, 32);
    assert_true(head_has(&server, "GET /healthz HTTP/1.1"));
    assert_int_equal(ks_session_connect(session), KS_OK); /* stands already */
    assert_int_equal(atomic_load(&server.requests), 1);
    assert_string_equal(ks_session_authority(session), server.url + strlen("https://"));
    ks_session_close(session);
    server_close(&server);
}

static void a_call_carries_what_it_was_given(void **state)
{
    static const struct ks_signature_fields fields = {.content_digest = "digest-x",
                                                      .channel = "channel-x",
                                                      .input = "input-x",
                                                      .signature = "signature-x"};
    const struct ks_session_call post = {.method = "POST",
                                         .target = "/x?y=1",
                                         .body = KS_LITERAL("{\"a\":1}"),
                                         .fields = &fields,
                                         .idempotency = "key-x"};
    static const char *const lines[] = {"POST /x?y=1 HTTP/1.1",
                                        "application/json",
                                        "digest-x",
                                        "channel-x",
                                        "input-x",
                                        "\r\nSignature: signature-x",
                                        "key-x"};
    struct server server;
    struct ks_session *session = NULL;
    struct ks_buf out;

    (void)state;
    server_open(&server, 0, false);
    session = session_of(&server);
    assert_int_equal(call(session, &post, &out), KS_OK);
    assert_true(ks_bytes_is(ks_buf_view(&out), "{\"a\":1}"));
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        assert_true(head_has(&server, lines[i]));
    }
    ks_buf_done(&out);
    assert_int_equal(call(session, &plain, &out), KS_OK);
    assert_false(head_has(&server, "application/json"));
    assert_false(head_has(&server, "Signature"));
    assert_false(head_has(&server, "Idempotency-Key"));
    ks_buf_done(&out);
    ks_session_close(session);
    server_close(&server);
}

static void refusals_come_back_as_they_are(void **state)
{
#define CODE(code, value, exit_code, http, meaning) KS_ERR_##code,
    static const enum ks_err codes[] = {KS_ERR_LIST(CODE)};
#undef CODE
    struct server server;
    struct ks_session *session = NULL;
    struct ks_buf out;

    (void)state;
    server_open(&server, 0, false);
    session = session_of(&server);
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        server.refusal = codes[i];
        assert_int_equal(call(session, &plain, &out), codes[i]);
        assert_non_null(strstr(ks_err_detail(), "site: a sentence of the site's"));
        assert_int_equal(out.len, 0);
        ks_buf_done(&out);
    }
    ks_session_close(session);
    server_close(&server);
}

/* Whatever else a site, or who stands in its place, says instead of a result is an error. */
static void odd_refusals_are_errors(void **state)
{
    static const struct {
        int status;
        const char *body;
        const char *says;
    } cases[] = {
        {500, "", "/x: the site answered 500"},
        {404, "not found", "/x: the site answered 404"},
        {302, "{}", "/x: the site answered 302"},
        {400, "{\"error\":7}", "/x: the site answered 400"},
        {400, "[]", "/x: the site answered 400"},
        {403, "{\"error\":\"DENIED\"}", "detail"},
        {400, "{\"detail\":\"why\",\"error\":\"OK\"}", "site: why"},
        {400, "{\"detail\":\"why\",\"error\":\"NO_SUCH\"}", "site: why"},
    };
    struct server server;
    struct ks_session *session = NULL;
    struct ks_buf out;

    (void)state;
    server_open(&server, 0, false);
    session = session_of(&server);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum ks_err err = KS_OK;

        server.status = cases[i].status;
        server.body = cases[i].body;
        err = call(session, &plain, &out);
        if (err == KS_OK || strstr(ks_err_detail(), cases[i].says) == NULL) {
            fail_msg("case %zu: %s, %s", i, ks_err_name(err), ks_err_detail());
        }
        assert_int_equal(out.len, 0);
        ks_buf_done(&out);
    }
    ks_session_close(session);
    server_close(&server);
}

static void an_answer_has_a_limit(void **state)
{
    static char long_body[5001];
    struct server server;
    struct ks_session *session = NULL;
    struct ks_buf out;

    (void)state;
    memset(long_body, 'x', sizeof long_body - 1);
    server_open(&server, 0, false);
    session = session_of(&server);
    server.body = long_body;
    assert_int_equal(call(session, &plain, &out), KS_ERR_LIMIT);
    assert_int_equal(out.len, 0);
    ks_buf_done(&out);
    server.body = long_body + 1000;
    assert_int_equal(call(session, &plain, &out), KS_OK);
    assert_int_equal(out.len, 4000);
    ks_buf_done(&out);
    ks_session_close(session);
    server_close(&server);
}

/* The server ends the idle connection; the client makes another, of another channel. */
static void bound_calls_stay_on_their_connection(void **state)
{
    const struct ks_session_call bound = {
        .method = "POST", .target = "/x", .body = KS_LITERAL("{}"), .bound = true};
    struct server server;
    struct ks_session *session = NULL;
    struct ks_buf out;
    uint8_t before[32];

    (void)state;
    server_open(&server, IDLE_MS, false);
    session = session_of(&server);
    /* Signed for no connection yet. */
    assert_int_equal(call(session, &bound, &out), KS_ERR_UNAVAILABLE);
    assert_true(ks_session_moved(session));
    assert_int_equal(atomic_load(&server.requests), 0);
    ks_buf_done(&out);
    assert_int_equal(ks_session_connect(session), KS_OK);
    assert_int_equal(call(session, &bound, &out), KS_OK);
    assert_false(ks_session_moved(session));
    assert_memory_equal(ks_session_channel(session), server.exporter, 32);
    ks_copy(before, server.exporter, 32);
    ks_buf_done(&out);
    sleep_ms(3 * IDLE_MS);
    assert_int_equal(call(session, &bound, &out), KS_ERR_UNAVAILABLE);
    assert_non_null(strstr(ks_err_detail(), "the connection was made anew"));
    assert_true(ks_session_moved(session));
    assert_int_equal(atomic_load(&server.requests), 2);
    ks_buf_done(&out);
    /* Built again for the channel that is known then. */
    assert_int_equal(ks_session_connect(session), KS_OK);
    assert_memory_not_equal(ks_session_channel(session), before, 32);
    assert_int_equal(call(session, &bound, &out), KS_OK);
    assert_int_equal(atomic_load(&server.requests), 4);
    assert_memory_equal(ks_session_channel(session), server.exporter, 32);
    ks_buf_done(&out);
    sleep_ms(3 * IDLE_MS);
    assert_int_equal(call(session, &plain, &out), KS_OK); /* names no channel: any will do */
    assert_false(ks_session_moved(session));
    assert_memory_equal(ks_session_channel(session), server.exporter, 32);
    ks_buf_done(&out);
    ks_session_close(session);
    server_close(&server);
}

static void enrolment_needs_no_certificate(void **state)
{
    struct server server;
    struct ks_session_spec spec;
    struct ks_session *session = NULL;
    struct ks_buf out;

    (void)state;
    server_open(&server, 0, true);
    spec = spec_of(&server);
    spec.enrolment = true;
    spec.cert_pem = (struct ks_bytes){0};
    spec.key_pem = (struct ks_bytes){0};
    assert_int_equal(ks_session_open(&spec, &session), KS_OK);
    assert_int_equal(call(session, &plain, &out), KS_OK);
    assert_memory_equal(ks_session_channel(session), server.exporter, 32);
    ks_buf_done(&out);
    ks_session_close(session);
    server_close(&server);
    server_open(&server, 0, false); /* where certificates are demanded */
    spec.url = server.url;
    session = NULL;
    assert_int_equal(ks_session_open(&spec, &session), KS_OK);
    assert_true(call(session, &plain, &out) != KS_OK);
    assert_int_equal(atomic_load(&server.requests), 0);
    ks_buf_done(&out);
    ks_session_close(session);
    server_close(&server);
}

static void bad_specifications_open_nothing(void **state)
{
    struct server server;
    struct ks_session_spec spec;
    struct ks_session *session = NULL;

    (void)state;
    server_open(&server, 0, false);
    spec = spec_of(&server);
    spec.url = "http://localhost:1";
    assert_int_equal(ks_session_open(&spec, &session), KS_ERR_USAGE);
    spec.url = "https://localhost:1/path";
    assert_int_equal(ks_session_open(&spec, &session), KS_ERR_USAGE);
    spec = spec_of(&server);
    spec.root_pem = KS_LITERAL("no certificate");
    assert_true(ks_session_open(&spec, &session) != KS_OK);
    spec = spec_of(&server);
    spec.cert_pem = (struct ks_bytes){0};
    assert_true(ks_session_open(&spec, &session) != KS_OK);
    assert_null(session);
    ks_session_close(NULL);
    /* Another's key: found when the connection is made. */
    spec = spec_of(&server);
    spec.key_pem = test_key_pem(site_identity);
    assert_int_equal(ks_session_open(&spec, &session), KS_OK);
    assert_int_equal(ks_session_connect(session), KS_ERR_VERIFY);
    assert_int_equal(atomic_load(&server.requests), 0);
    ks_session_close(session);
    server_close(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_see_one_channel),
        cmocka_unit_test(a_call_carries_what_it_was_given),
        cmocka_unit_test(refusals_come_back_as_they_are),
        cmocka_unit_test(odd_refusals_are_errors),
        cmocka_unit_test(an_answer_has_a_limit),
        cmocka_unit_test(bound_calls_stay_on_their_connection),
        cmocka_unit_test(enrolment_needs_no_certificate),
        cmocka_unit_test(bad_specifications_open_nothing),
    };

    (void)signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("session", tests, http_set_up, http_tear_down);
}
