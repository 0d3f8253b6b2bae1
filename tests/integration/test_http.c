/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The server and the client of src/net against each other over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "net/http_call.h"
#include "net/signature.h"
#include "tests/integration/http_site.h"

/* --- tests: our client -------------------------------------------------------------------- */

struct prepared {
    struct ks_http_client *client;
    const struct ks_http_call *call;
    const uint8_t *key;
    unsigned calls;
    uint8_t exporter[32];
    struct ks_buf peer;
};

static enum ks_err keep_channel(void *context, const uint8_t exporter[32],
                                const struct ks_cert *peer, struct ks_http_outgoing *outgoing)
{
    struct prepared *prepared = context;

    prepared->calls++;
    ks_copy(prepared->exporter, exporter, 32);
    ks_buf_clear(&prepared->peer);
    ks_buf_put(&prepared->peer, ks_cert_der(peer));
    return ks_http_outgoing_add(outgoing, "X-Prepared", "yes");
}

static enum ks_err sign_call(void *context, const uint8_t exporter[32],
                             const struct ks_cert *peer, struct ks_http_outgoing *outgoing)
{
    enum ks_err err = KS_OK;
    struct prepared *prepared = context;
    struct ks_signature_fields fields;
    struct ks_signature_spec spec = {
        .method = prepared->call->method,
        .authority = ks_http_client_authority(prepared->client),
        .target = prepared->call->target,
        .content_type = prepared->call->content_type,
        .body = prepared->call->body,
        .created = NOW_S,
        .expires = NOW_S + 60,
        .nonce = "0123456789abcdef",
        .key_id = "instance.batch.7",
    };

    (void)peer;
    prepared->calls++;
    ks_copy(spec.channel, exporter, 32);
    KS_TRY(ks_signature_make(&spec, ks_bytes_of(prepared->key, 32), &fields));
    KS_TRY(ks_http_outgoing_add(outgoing, "Content-Digest", fields.content_digest));
    KS_TRY(ks_http_outgoing_add(outgoing, "Ketseal-Channel", fields.channel));
    KS_TRY(ks_http_outgoing_add(outgoing, "Signature-Input", fields.input));
    KS_TRY(ks_http_outgoing_add(outgoing, "Signature", fields.signature));
out:
    return err;
}

static void both_ends_see_one_exporter_and_each_other(void **state)
{
    struct site site;
    struct ks_tls *tls = tls_of(KS_TLS_CLIENT, device_identity);
    struct ks_http_client *client = NULL;
    struct prepared prepared = {0};
    struct ks_http_call call = {
        .method = "GET", .target = "/exporter", .prepare = keep_channel, .context = &prepared};
    struct ks_http_answer answer;
    struct ks_bytes head;

    (void)state;
    ks_buf_init(&prepared.peer, 65536);
    site_open(&site, 2, (struct ks_http_limits){0});
    client = client_of(&site, tls, (struct ks_http_client_spec){0});
    call_ok(client, &call, &answer);
    assert_int_equal(answer.status, 200);
    assert_false(answer.reused);
    assert_string_equal(answer.content_type, "application/octet-stream");
    assert_true(ks_bytes_equal(ks_buf_view(&answer.body), KS_BYTES(prepared.exporter)));
    assert_true(ks_bytes_equal(ks_buf_view(&prepared.peer), test_cert_der(site_identity)));
    ks_http_answer_done(&answer);

    call.target = "/peer?x=%20";
    call_ok(client, &call, &answer);
    assert_true(answer.reused);
    assert_true(ks_bytes_equal(ks_buf_view(&answer.body), test_cert_der(device_identity)));
    ks_http_answer_done(&answer);

    call.target = "/head?a=1&b";
    call_ok(client, &call, &answer);
    head = ks_buf_view(&answer.body);
    assert_true(
        ks_bytes_equal(ks_bytes_of(head.data, 25), KS_LITERAL("GET /head?a=1&b HTTP/1.1\r")));
    ks_buf_put_u8(&answer.body, 0);
    assert_non_null(strstr((const char *)answer.body.data, "\r\nX-Prepared: yes\r\n"));
    ks_http_answer_done(&answer);

    call.target = "/nothing";
    call_ok(client, &call, &answer);
    assert_int_equal(answer.status, 404);
    assert_true(ks_bytes_is(ks_buf_view(&answer.body),
                            "{\"detail\":\"no such thing\",\"error\":"
                            "\"NOT_FOUND\",\"schema\":\"ketseal.error/1\"}"));
    ks_http_answer_done(&answer);
    assert_int_equal(prepared.calls, 4);
    assert_int_equal(ks_http_server_counters(site.server).handshakes, 1);
    ks_http_client_free(client);
    site_close(&site);
    ks_tls_free(tls);
    ks_buf_done(&prepared.peer);
}

static void a_signed_request_verifies_from_the_raw_head(void **state)
{
    struct site site;
    struct ks_tls *tls = tls_of(KS_TLS_CLIENT, device_identity);
    struct ks_http_client *client = NULL;
    struct prepared prepared = {0};
    struct ks_http_call call = {.method = "POST",
                                .target = "/signed?x=1",
                                .content_type = "application/json",
                                .body = KS_LITERAL("{\"job\":1}"),
                                .prepare = sign_call,
                                .context = &prepared};
    struct ks_http_answer answer;

    (void)state;
    site_open(&site, 1, (struct ks_http_limits){0});
    client = client_of(&site, tls, (struct ks_http_client_spec){0});
    prepared.client = client;
    prepared.call = &call;
    prepared.key = site.key;
    for (unsigned i = 0; i < 3; i++) {
        call_ok(client, &call, &answer);
        assert_int_equal(answer.status, 409);
        assert_int_equal(atomic_load(&site.signature_err), KS_OK);
        ks_http_answer_done(&answer);
    }
    call.prepare = NULL; /* unsigned */
    call_ok(client, &call, &answer);
    assert_int_equal(answer.status, 404);
    assert_int_equal(atomic_load(&site.signature_err), KS_ERR_NOT_FOUND);
    ks_http_answer_done(&answer);
    call.prepare = sign_call;
    site.key[0] ^= 1;
    prepared.key = (const uint8_t *)"0123456789abcdef0123456789abcdef";
    call_ok(client, &call, &answer);
    assert_int_equal(answer.status, 422);
    ks_http_answer_done(&answer);
    ks_http_client_free(client);
    site_close(&site);
    ks_tls_free(tls);
}

static void bodies_of_any_size_come_whole(void **state)
{
    struct site site;
    struct ks_tls *tls = tls_of(KS_TLS_CLIENT, device_identity);
    struct ks_http_client *client = NULL;
    const size_t sizes[] = {0, 1, 4096, 16384, 16385, 65536, 1000000, (size_t)1 << 20};
    struct ks_http_call call = {
        .method = "POST", .target = "/body", .content_type = "application/octet-stream"};
    struct ks_http_answer answer;

    (void)state;
    site_open(&site, 1, (struct ks_http_limits){0});
    client = client_of(&site, tls, (struct ks_http_client_spec){0});
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        call.body = ks_bytes_of(site.big, sizes[i]);
        call_ok(client, &call, &answer);
        assert_int_equal(answer.status, 200);
        assert_true(ks_bytes_equal(ks_buf_view(&answer.body), call.body));
        ks_http_answer_done(&answer);
    }
    call = (struct ks_http_call){.method = "GET", .target = "/big"};
    call_ok(client, &call, &answer);
    assert_true(ks_bytes_equal(ks_buf_view(&answer.body), ks_bytes_of(site.big, BIG_LEN)));
    assert_true(answer.reused);
    ks_http_answer_done(&answer);
    ks_http_client_free(client);

    client = client_of(&site, tls, (struct ks_http_client_spec){.response_max = BIG_LEN - 1});
    assert_int_equal(ks_http_client_call(client, &call, &answer), KS_ERR_LIMIT);
    ks_http_client_free(client);
    site_close(&site);
    ks_tls_free(tls);
}

static void the_client_refuses_what_is_not_the_site(void **state)
{
    struct site site;
    struct ks_tls *tls = tls_of(KS_TLS_CLIENT, device_identity);
    struct test_authority *other = test_authority_new("other");
    struct test_identity *stranger = test_issue(other, TEST_DEVICE, "stranger", NULL);
    const struct ks_tls_spec stranger_spec = {.side = KS_TLS_CLIENT,
                                              .root_pem = test_root_pem(other),
                                              .cert_pem = test_cert_pem(stranger),
                                              .key_pem = test_key_pem(stranger)};
    struct ks_tls *stranger_tls = NULL;
    struct ks_http_client *client = NULL;
    const struct ks_http_call call = {.method = "GET", .target = "/head"};
    struct ks_http_answer answer;
    char connect_to_text[32];

    (void)state;
    site_open(&site, 1, (struct ks_http_limits){0});
    (void)snprintf(connect_to_text, sizeof connect_to_text, "127.0.0.1:%u",
                   (unsigned)ks_http_server_port(site.server));
    client = client_of(&site, tls,
                       (struct ks_http_client_spec){.origin = "https://elsewhere.example",
                                                    .connect_to = connect_to_text});
    assert_int_equal(ks_http_client_call(client, &call, &answer), KS_ERR_VERIFY);
    ks_http_client_free(client);
    client = client_of(&site, tls,
                       (struct ks_http_client_spec){.origin = "https://localhost",
                                                    .connect_to = connect_to_text});
    call_ok(client, &call, &answer);
    ks_http_answer_done(&answer);
    ks_http_client_free(client);

    assert_int_equal(ks_tls_new(&stranger_spec, &stranger_tls), KS_OK);
    client = client_of(&site, stranger_tls, (struct ks_http_client_spec){0});
    assert_int_equal(ks_http_client_call(client, &call, &answer), KS_ERR_VERIFY);
    ks_http_client_free(client);
    assert_int_equal(ks_http_server_counters(site.server).requests, 1);
    site_close(&site);
    ks_tls_free(stranger_tls);
    ks_tls_free(tls);
    test_identity_free(stranger);
    test_authority_free(other);
}

static enum ks_err refuse_to_send(void *context, const uint8_t exporter[32],
                                  const struct ks_cert *peer, struct ks_http_outgoing *outgoing)
{
    (void)context;
    (void)exporter;
    (void)peer;
    return ks_http_outgoing_add(outgoing, "X-Bad", "a\r\nb: c");
}

/* A site that ends without a goodbye: at once, or after the handshake and a request. */
struct dying {
    int fd;
    SSL_CTX *context; /* NULL: before the handshake */
};

static void *die(void *user)
{
    const struct dying *dying = user;
    char bytes[65536];
    int fd = accept(dying->fd, NULL, NULL);
    SSL *ssl = dying->context != NULL ? SSL_new(dying->context) : NULL;

    if (ssl == NULL) {
        (void)recv(fd, bytes, sizeof bytes, 0);
    } else if (SSL_set_fd(ssl, fd) == 1 && SSL_accept(ssl) == 1) {
        (void)SSL_read(ssl, bytes, sizeof bytes);
    }
    (void)shutdown(fd, SHUT_WR); /* an end of the stream, whatever is unread */
    (void)recv(fd, bytes, sizeof bytes, 0);
    (void)close(fd);
    SSL_free(ssl);
    return NULL;
}

/* The site is gone: not one that refuses, which a device would take for an answer. */
static void a_dying_site_refuses_nobody(void **state)
{
    const struct ks_http_call call = {.method = "GET", .target = "/head"};
    struct ks_tls *site_tls = tls_of(KS_TLS_SERVER, site_identity);
    struct ks_tls *tls = tls_of(KS_TLS_CLIENT, device_identity);
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    (void)state;
    assert_int_equal(ks_tls_configure(site_tls, context), KS_OK);
    for (int handshake = 0; handshake < 2; handshake++) {
        struct sockaddr_in at = {.sin_family = AF_INET,
                                 .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof at;
        struct dying dying = {.fd = socket(AF_INET, SOCK_STREAM, 0),
                              .context = handshake == 1 ? context : NULL};
        struct ks_http_client *client = NULL;
        struct ks_http_answer answer;
        pthread_t thread;
        char origin[64];

        assert_int_equal(bind(dying.fd, (struct sockaddr *)&at, size), 0);
        assert_int_equal(getsockname(dying.fd, (struct sockaddr *)&at, &size), 0);
        assert_int_equal(listen(dying.fd, 1), 0);
        assert_int_equal(pthread_create(&thread, NULL, die, &dying), 0);
        (void)snprintf(origin, sizeof origin, "https://localhost:%u",
                       (unsigned)ntohs(at.sin_port));
        client = client_of(NULL, tls, (struct ks_http_client_spec){.origin = origin});
        assert_int_equal(ks_http_client_call(client, &call, &answer), KS_ERR_IO);
        assert_int_equal(pthread_join(thread, NULL), 0);
        ks_http_client_free(client);
        (void)close(dying.fd);
    }
    SSL_CTX_free(context);
    ks_tls_free(tls);
    ks_tls_free(site_tls);
}

static void the_client_refuses_bad_calls(void **state)
{
    static const char *const origins[] = {"http://localhost",  "https://",    "https://a/b",
                                          "localhost",         "https://a b", "https://u@a",
                                          "file:///etc/passwd"};
    struct site site;
    struct ks_tls *tls = tls_of(KS_TLS_CLIENT, device_identity);
    struct ks_http_client *client = NULL;
    struct ks_http_call call = {.method = "GET", .target = "/head", .prepare = refuse_to_send};
    struct ks_http_answer answer;

    (void)state;
    site_open(&site, 1, (struct ks_http_limits){0});
    for (size_t i = 0; i < sizeof origins / sizeof origins[0]; i++) {
        const struct ks_http_client_spec spec = {.tls = tls, .origin = origins[i]};
        assert_int_equal(ks_http_client_new(&spec, &client), KS_ERR_USAGE);
    }
    client = client_of(&site, tls, (struct ks_http_client_spec){.total_ms = 300});
    assert_int_equal(ks_http_client_call(client, &call, &answer), KS_ERR_FORMAT);
    call.prepare = NULL;
    call.target = "head";
    assert_int_equal(ks_http_client_call(client, &call, &answer), KS_ERR_USAGE);
    call.target = "/a b";
    assert_int_equal(ks_http_client_call(client, &call, &answer), KS_ERR_USAGE);
    call.target = "/a\r\nX: y";
    assert_int_equal(ks_http_client_call(client, &call, &answer), KS_ERR_USAGE);
    call.target = "/hold";
    assert_int_equal(ks_http_client_call(client, &call, &answer), KS_ERR_IO);
    assert_int_equal(ks_http_server_counters(site.server).requests, 1);
    ks_http_reply_error(held(&site, 0), KS_ERR_UNAVAILABLE, "late");
    ks_http_client_free(client);
    site_close(&site);
    ks_tls_free(tls);
}

/* Calls /facts; the site has counted the same bytes. */
static const struct ks_http_facts *measure(struct site *site, struct ks_http_client *client,
                                           const struct ks_http_call *call)
{
    const struct ks_http_facts *facts = NULL;
    struct ks_http_answer answer;

    atomic_store(&site->facts_sent, 0);
    call_ok(client, call, &answer);
    ks_http_answer_done(&answer);
    for (unsigned i = 0; atomic_load(&site->facts_sent) == 0 && i < 100; i++) {
        sleep_ms(10); /* the handler writes it down after the answer is on its way */
    }
    facts = ks_http_client_facts(client);
    assert_int_equal(facts->bytes_sent, atomic_load(&site->facts_received));
    assert_int_equal(facts->bytes_received, atomic_load(&site->facts_sent));
    assert_true(facts->encrypted);
    assert_int_equal(facts->group, 4588); /* X25519MLKEM768 */
    assert_int_equal(facts->group, atomic_load(&site->facts_group));
    assert_int_equal(facts->attempts, 1);
    return facts;
}

static void retries_are_seconds(void **state)
{
    static const struct {
        const char *value;
        unsigned seconds;
    } values[] = {{"0", 0},   {"120", 120}, {"86400", 86400},
                  {"", 0},    {"-1", 0},    {"86401", 0},
                  {"1.5", 0}, {"x", 0},     {"Fri, 31 Dec 1999 23:59:59 GMT", 0}};

    (void)state;
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        assert_int_equal(ks_http_retry_of(ks_bytes_text(values[i].value)), values[i].seconds);
    }
}

static void both_ends_measure_the_same(void **state)
{
    static uint8_t body[200000];
    struct site site;
    struct ks_tls *tls = tls_of(KS_TLS_CLIENT, device_identity);
    struct ks_http_client *client = NULL;
    struct prepared prepared = {0};
    struct ks_http_call call = {
        .method = "GET", .target = "/facts", .prepare = keep_channel, .context = &prepared};
    const struct ks_http_facts *facts = NULL;

    (void)state;
    memset(body, 'b', sizeof body);
    ks_buf_init(&prepared.peer, 65536);
    site_open(&site, 1, (struct ks_http_limits){0});
    client = client_of(&site, tls, (struct ks_http_client_spec){0});
    facts = measure(&site, client, &call);
    assert_true(facts->connected && facts->connect_us > 0 && facts->handshake_us > 0);
    assert_false(facts->resumed);
    assert_string_equal(facts->timing, "admit;dur=1.5");
    assert_int_equal(facts->retry_after_s, 7);
    call.method = "POST";
    call.content_type = "text/plain";
    for (size_t len = 0; len <= sizeof body; len += 40000) {
        call.body = ks_bytes_of(body, len);
        facts = measure(&site, client, &call);
        assert_true(!facts->connected && facts->connect_us == 0 && facts->handshake_us == 0);
    }
    call.target = "/facts?twice";
    facts = measure(&site, client, &call);
    assert_string_equal(facts->timing, "");
    ks_http_client_free(client);
    site_close(&site);
    ks_tls_free(tls);
    ks_buf_done(&prepared.peer);
}

/* What is known of a connection whose handshake failed, and of one that could not be made. */
static void failures_are_measured(void **state)
{
    struct site site;
    struct ks_tls *tls = NULL;
    struct ks_http_client *client = NULL;
    const struct ks_http_call call = {.method = "GET", .target = "/head"};
    struct ks_http_answer answer;
    const struct ks_http_facts *facts = NULL;
    struct ks_http_client_spec gone = {.connect_to = "127.0.0.1:1"};
    const struct ks_tls_spec spec = {
        .side = KS_TLS_CLIENT,
        .groups = "MLKEM1024", /* not the site's */
        .root_pem = test_root_pem(authority),
        .cert_pem = test_cert_pem(device_identity),
        .key_pem = test_key_pem(device_identity),
    };

    (void)state;
    site_open(&site, 1, (struct ks_http_limits){0});
    assert_int_equal(ks_tls_new(&spec, &tls), KS_OK);
    client = client_of(&site, tls, (struct ks_http_client_spec){0});
    assert_int_equal(ks_http_client_call(client, &call, &answer), KS_ERR_VERIFY);
    facts = ks_http_client_facts(client);
    assert_true(facts->connected && facts->connect_us > 0);
    assert_true(facts->handshake_us == 0 && !facts->encrypted && facts->group == 0);
    assert_true(facts->bytes_sent == 0 && facts->bytes_received == 0 && facts->attempts == 0);
    ks_http_client_free(client);
    client = client_of(&site, tls, gone);
    assert_int_equal(ks_http_client_call(client, &call, &answer), KS_ERR_IO);
    facts = ks_http_client_facts(client);
    assert_true(!facts->connected && facts->connect_us == 0);
    ks_http_client_free(client);
    site_close(&site);
    ks_tls_free(tls);
}

static void the_client_resumes(void **state)
{
    const struct ks_http_limits limits = {.idle_ms = 100};
    struct site site;
    struct ks_tls *tls = tls_of(KS_TLS_CLIENT, device_identity);
    struct ks_http_client *client = NULL;
    struct prepared prepared = {0};
    const struct ks_http_call call = {.method = "POST",
                                      .target = "/exporter",
                                      .content_type = "text/plain",
                                      .prepare = keep_channel,
                                      .context = &prepared};
    struct ks_http_answer answer;

    (void)state;
    ks_buf_init(&prepared.peer, 65536);
    site_open(&site, 1, limits);
    client = client_of(&site, tls, (struct ks_http_client_spec){0});
    for (unsigned i = 0; i < 3; i++) {
        call_ok(client, &call, &answer);
        assert_int_equal(answer.resumed, CLIENT_RESUMES && i > 0);
        assert_false(answer.reused);
        assert_true(ks_bytes_equal(ks_buf_view(&answer.body), KS_BYTES(prepared.exporter)));
        ks_http_answer_done(&answer);
        sleep_ms(300); /* the site closes the idle connection */
    }
    assert_int_equal(ks_http_server_counters(site.server).resumed, CLIENT_RESUMES ? 2 : 0);
    assert_int_equal(prepared.calls, 3);
    ks_http_client_free(client);
    site_close(&site);
    ks_tls_free(tls);
    ks_buf_done(&prepared.peer);
}

static void a_revoked_device_is_told_so(void **state)
{
    struct site site;
    struct ks_buf crl;
    struct ks_tls_spec spec = {.side = KS_TLS_SERVER,
                               .root_pem = test_root_pem(authority),
                               .cert_pem = test_cert_pem(site_identity),
                               .key_pem = test_key_pem(site_identity)};
    struct ks_tls *tls = tls_of(KS_TLS_CLIENT, device_identity);
    struct ks_http_client *client = NULL;
    const struct ks_http_call call = {.method = "GET", .target = "/head"};
    struct ks_http_answer answer;

    (void)state;
    ks_buf_init(&crl, 65536);
    test_revoke(authority, device_identity, &crl);
    site_open(&site, 1, (struct ks_http_limits){0});
    client = client_of(&site, tls, (struct ks_http_client_spec){0});
    call_ok(client, &call, &answer);
    assert_int_equal(answer.status, 200);
    ks_http_answer_done(&answer);
    ks_http_client_free(client);

    spec.crl_pem = KS_LITERAL("no CRL");
    assert_int_not_equal(ks_tls_reload(site.tls, &spec), KS_OK);
    spec.crl_pem = ks_buf_view(&crl);
    assert_int_equal(ks_tls_reload(site.tls, &spec), KS_OK);
    client = client_of(&site, tls, (struct ks_http_client_spec){0});
    call_ok(client, &call, &answer);
    assert_int_equal(answer.status, 403);
    ks_http_answer_done(&answer);
    ks_http_client_free(client);
    assert_int_equal(ks_http_server_counters(site.server).requests, 1);
    expect_refusal(&site, KS_LITERAL("GET /head HTTP/1.1\r\n" HOST_HEAD "\r\n"), 403, "DENIED");
    site_close(&site);
    ks_tls_free(tls);
    ks_buf_done(&crl);
}

/* --- tests: answering from elsewhere ------------------------------------------------------ */

struct worker {
    struct site *site;
    struct ks_tls *tls;
    unsigned calls;
    atomic_uint *good;
};

static void *call_many(void *context)
{
    struct worker *worker = context;
    struct ks_http_client *client =
        client_of(worker->site, worker->tls, (struct ks_http_client_spec){0});

    for (unsigned i = 0; i < worker->calls; i++) {
        char text[32];
        struct ks_http_call call = {
            .method = "POST", .target = "/later", .content_type = "text/plain"};
        struct ks_http_answer answer;
        (void)snprintf(text, sizeof text, "%p %u", context, i);
        call.body = ks_bytes_text(text);
        if (ks_http_client_call(client, &call, &answer) == KS_OK) {
            if (ks_bytes_equal(ks_buf_view(&answer.body), call.body)) {
                (void)atomic_fetch_add(worker->good, 1);
            }
            ks_http_answer_done(&answer);
        }
    }
    ks_http_client_free(client);
    return NULL;
}

static void answers_come_from_any_thread(void **state)
{
    enum { WORKERS = 8, CALLS = 20 };
    struct site site;
    struct ks_tls *tls = tls_of(KS_TLS_CLIENT, device_identity);
    struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    atomic_uint good = 0;

    (void)state;
    site_open(&site, 2, (struct ks_http_limits){0});
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i] = (struct worker){.site = &site, .tls = tls, .calls = CALLS, .good = &good};
        assert_int_equal(pthread_create(&threads[i], NULL, call_many, &workers[i]), 0);
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        (void)pthread_join(threads[i], NULL);
    }
    assert_int_equal(atomic_load(&good), WORKERS * CALLS);
    site_close(&site);
    ks_tls_free(tls);
}

static void a_peer_that_leaves_is_noticed(void **state)
{
    const struct raw_spec spec = {.identity = device_identity};
    struct site site;
    struct raw raw;
    struct ks_http_request *request = NULL;

    (void)state;
    site_open(&site, 1, (struct ks_http_limits){0});
    for (unsigned i = 0; i < 2; i++) {
        assert_true(raw_open(&site, &spec, &raw));
        raw_send(&raw,
                 KS_LITERAL("POST /hold HTTP/1.1\r\n" HOST_HEAD "Content-Length: 2\r\n\r\n"
                            "okGET /head HTTP/1.1\r\n"));
        request = held(&site, i);
        sleep_ms(50);
        assert_false(ks_http_request_gone(request));
        if (i == 0) {
            raw_close(&raw);
        } else { /* without a word */
            ks_fd_close(&raw.fd);
            SSL_free(raw.ssl);
            SSL_CTX_free(raw.context);
        }
        for (unsigned j = 0; j < 200 && !ks_http_request_gone(request); j++) {
            sleep_ms(5);
        }
        assert_true(ks_http_request_gone(request));
        /* All of it is still there for whoever works on it. */
        assert_true(ks_bytes_is(ks_http_request_body(request), "ok"));
        assert_true(ks_bytes_equal(ks_cert_der(ks_http_request_peer(request)),
                                   test_cert_der(device_identity)));
        ks_http_reply_error(request, KS_ERR_UNAVAILABLE, "nobody reads this");
    }
    site_close(&site);
}

struct stopper {
    struct site *site;
    enum ks_err err;
    unsigned grace_ms;
    atomic_bool done;
};

static void *stop_site(void *context)
{
    struct stopper *stopper = context;

    stopper->err = ks_http_server_stop(stopper->site->server, stopper->grace_ms);
    atomic_store(&stopper->done, true);
    return NULL;
}

static void stopping_lets_requests_finish(void **state)
{
    const struct raw_spec spec = {.identity = device_identity};
    struct site site;
    struct raw busy;
    struct raw idle;
    struct stopper stopper = {.site = &site, .grace_ms = WAIT_MS};
    pthread_t thread;
    struct ks_buf in;
    struct ks_buf out;
    uint8_t byte = 0;
    size_t got = 0;

    (void)state;
    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    site_open(&site, 2, (struct ks_http_limits){0});
    assert_true(raw_open(&site, &spec, &idle));
    assert_true(raw_open(&site, &spec, &busy));
    raw_send(&busy, KS_LITERAL("GET /hold HTTP/1.1\r\n" HOST_HEAD "\r\n"));
    (void)held(&site, 0);
    assert_int_equal(pthread_create(&thread, NULL, stop_site, &stopper), 0);
    assert_int_not_equal(SSL_read_ex(idle.ssl, &byte, 1, &got), 1); /* closed */
    raw_close(&idle);
    sleep_ms(100);
    assert_false(atomic_load(&stopper.done));
    answer_bytes(held(&site, 0), KS_LITERAL("done"));
    assert_true(raw_receive(&busy, &in, &out) > 0);
    assert_int_equal(status_of(&out), 200);
    ks_buf_put_u8(&out, 0);
    assert_non_null(strstr((const char *)out.data, "\r\nConnection: close\r\n"));
    assert_int_equal(raw_receive(&busy, &in, &out), 0);
    raw_close(&busy);
    (void)pthread_join(thread, NULL);
    assert_int_equal(stopper.err, KS_OK);
    site_close(&site); /* stopping again is fine */
    ks_buf_done(&out);
    ks_buf_done(&in);
}

static void stopping_cuts_after_the_grace(void **state)
{
    const struct raw_spec spec = {.identity = device_identity};
    struct site site;
    struct raw busy;
    uint8_t byte = 0;
    size_t got = 0;

    (void)state;
    site_open(&site, 1, (struct ks_http_limits){0});
    assert_true(raw_open(&site, &spec, &busy));
    raw_send(&busy, KS_LITERAL("GET /hold HTTP/1.1\r\n" HOST_HEAD "\r\n"));
    (void)held(&site, 0);
    assert_int_equal(ks_http_server_stop(site.server, 100), KS_ERR_UNAVAILABLE);
    assert_int_not_equal(SSL_read_ex(busy.ssl, &byte, 1, &got), 1);
    assert_true(ks_http_request_gone(held(&site, 0)));
    answer_bytes(held(&site, 0), KS_LITERAL("too late"));
    raw_close(&busy);
    site_close(&site);
}

static void connections_are_limited(void **state)
{
    const struct raw_spec spec = {.identity = device_identity};
    const struct ks_http_limits limits = {.connections_max = 3};
    struct site site;
    struct raw raws[3];
    struct raw extra;

    (void)state;
    site_open(&site, 1, limits);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(raw_open(&site, &spec, &raws[i]));
    }
    assert_false(raw_open(&site, &spec, &extra));
    raw_close(&extra);
    assert_int_equal(ks_http_server_counters(site.server).refused, 1);
    raw_close(&raws[0]);
    for (unsigned i = 0; i < 200 && ks_http_server_counters(site.server).connections == 3;
         i++) {
        sleep_ms(5);
    }
    assert_true(raw_open(&site, &spec, &extra));
    raw_close(&extra);
    raw_close(&raws[1]);
    raw_close(&raws[2]);
    site_close(&site);
}

static void refuse_all(void *context, struct ks_http_request *request)
{
    (void)context;
    ks_http_reply_error(request, KS_ERR_DENIED, "no");
}

static void a_taken_port_is_an_error(void **state)
{
    struct site site;
    struct ks_http_server *second = NULL;
    struct ks_http_server_spec spec = {
        .address = "127.0.0.1", .loops = 2, .handler = refuse_all};

    (void)state;
    site_open(&site, 2, (struct ks_http_limits){0});
    spec.tls = site.tls;
    spec.port = ks_http_server_port(site.server);
    assert_int_equal(ks_http_server_open(&spec, &second), KS_ERR_IO);
    spec.port = 0;
    spec.address = "localhost";
    assert_int_equal(ks_http_server_open(&spec, &second), KS_ERR_USAGE);
    spec.address = "::1";
    spec.loops = 0;
    assert_int_equal(ks_http_server_open(&spec, &second), KS_ERR_USAGE);
    site_close(&site);
}

static void bad_material_is_refused_at_the_start(void **state)
{
    struct test_identity *classical = test_issue(authority, TEST_CLASSICAL_DEVICE, "old", NULL);
    const struct ks_tls_spec good = {.side = KS_TLS_SERVER,
                                     .root_pem = test_root_pem(authority),
                                     .cert_pem = test_cert_pem(site_identity),
                                     .key_pem = test_key_pem(site_identity)};
    struct ks_tls_spec bad[11];
    const enum ks_err wanted[] = {KS_ERR_FORMAT, KS_ERR_FORMAT, KS_ERR_FORMAT, KS_ERR_VERIFY,
                                  KS_ERR_VERIFY, KS_ERR_USAGE,  KS_ERR_USAGE,  KS_ERR_USAGE,
                                  KS_ERR_USAGE,  KS_ERR_VERIFY, KS_ERR_USAGE};
    struct ks_tls *tls = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bad[i] = good;
    }
    bad[0].root_pem = KS_LITERAL("x");
    bad[1].cert_pem = (struct ks_bytes){0};
    bad[2].key_pem = test_cert_pem(site_identity);
    bad[3].key_pem = test_key_pem(device_identity);
    bad[4].cert_pem = test_cert_pem(device_identity); /* wrong role */
    bad[5].groups = "X25519";
    bad[6].groups = "X25519MLKEM768:P-256";
    bad[7].sigalgs = "mldsa65:ed25519";
    bad[8].sigalgs = "";
    bad[9].side = KS_TLS_CLIENT; /* a server's certificate as a device's */
    bad[10].groups = "X25519MLKEM768:";
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        enum ks_err err = ks_tls_new(&bad[i], &tls);
        if (err != wanted[i]) {
            fail_msg("case %zu: %s: %s", i, ks_err_name(err),
                     err != KS_OK ? ks_err_detail() : "");
        }
    }
    bad[0] = good;
    bad[0].side = KS_TLS_CLIENT;
    bad[0].cert_pem = test_cert_pem(classical);
    bad[0].key_pem = test_key_pem(classical);
    assert_int_not_equal(ks_tls_new(&bad[0], &tls), KS_OK);
    bad[1] = good;
    bad[1].groups = "*MLKEM768/X25519MLKEM768";
    bad[1].sigalgs = "mldsa44:mldsa65:mldsa87";
    assert_int_equal(ks_tls_new(&bad[1], &tls), KS_OK);
    ks_tls_free(tls);
    test_identity_free(classical);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_see_one_exporter_and_each_other),
        cmocka_unit_test(retries_are_seconds),
        cmocka_unit_test(both_ends_measure_the_same),
        cmocka_unit_test(failures_are_measured),
        cmocka_unit_test(a_signed_request_verifies_from_the_raw_head),
        cmocka_unit_test(bodies_of_any_size_come_whole),
        cmocka_unit_test(the_client_refuses_what_is_not_the_site),
        cmocka_unit_test(a_dying_site_refuses_nobody),
        cmocka_unit_test(the_client_refuses_bad_calls),
        cmocka_unit_test(a_revoked_device_is_told_so),
        cmocka_unit_test(the_client_resumes),
        cmocka_unit_test(answers_come_from_any_thread),
        cmocka_unit_test(a_peer_that_leaves_is_noticed),
        cmocka_unit_test(stopping_lets_requests_finish),
        cmocka_unit_test(stopping_cuts_after_the_grace),
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(a_taken_port_is_an_error),
        cmocka_unit_test(bad_material_is_refused_at_the_start),
    };
    return cmocka_run_group_tests_name("http", tests, http_set_up, http_tear_down);
}
