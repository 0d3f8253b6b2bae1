/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The server and the client of src/net against each other over loopback, and the server against
 * a raw libssl peer and `openssl s_client`, which send what our client never would. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "net/http_client.h"
#include "net/http_server.h"
#include "net/signature.h"
#include "net/tls.h"
#include "tests/integration/issue.h"

#define NOW_S      (ks_clock_us() / 1000000)
#define WAIT_MS    5000
#define BIG_LEN    ((size_t)5 << 20)
#define HELD_MAX   8
#define ANSWER_MAX ((size_t)8 << 20)
#define CLOSE_HEAD "Connection: close\r\n"
#define HOST_HEAD  "Host: localhost\r\n"

/* --- the site
 * ---------------------------------------------------------------------------------- */

struct site {
    struct ks_tls *tls;
    struct ks_http_server *server;
    pthread_mutex_t lock; /* over held and the threads' list */
    struct ks_http_request *held[HELD_MAX];
    unsigned held_count;
    atomic_uint threads; /* answering later */
    uint8_t key[32];
    atomic_int signature_err; /* of the last /signed */
    uint8_t *big;
};

static struct test_authority *authority;
static struct test_identity *site_identity, *device_identity;

static void sleep_ms(unsigned ms)
{
    (void)usleep(ms * 1000);
}

static void answer_bytes(struct ks_http_request *request, struct ks_bytes body)
{
    const struct ks_http_response response = {
        .status = 200, .content_type = "application/octet-stream", .body = body};

    ks_http_reply(request, &response);
}

static void *answer_later(void *context)
{
    struct ks_http_request *request = context;

    sleep_ms(20);
    answer_bytes(request, ks_http_request_body(request));
    return NULL;
}

static enum ks_err check_signed(struct site *site, struct ks_http_request *request)
{
    enum ks_err err = KS_OK;
    const struct ks_http_head *head = ks_http_request_head(request);
    struct ks_signature signature;

    KS_TRY(ks_signature_parse(head, &signature));
    KS_CHECK(ks_bytes_is(signature.key_id, "instance.batch.7"), KS_ERR_VERIFY, "key id");
    KS_TRY(ks_signature_check(head, &signature, KS_BYTES(site->key), NOW_S));
    KS_TRY(ks_digest_check(head, ks_http_request_body(request)));
    KS_CHECK(ks_ct_equal(KS_BYTES(signature.channel), ks_http_request_exporter(request)),
             KS_ERR_VERIFY, "another channel");
out:
    return err;
}

static void handle(void *context, struct ks_http_request *request)
{
    struct site *site = context;
    struct ks_bytes path = ks_http_request_head(request)->path;
    pthread_t thread;

    if (ks_bytes_is(path, "/head")) {
        answer_bytes(request, ks_http_request_head(request)->raw);
    } else if (ks_bytes_is(path, "/body")) {
        answer_bytes(request, ks_http_request_body(request));
    } else if (ks_bytes_is(path, "/exporter")) {
        answer_bytes(request, ks_http_request_exporter(request));
    } else if (ks_bytes_is(path, "/peer")) {
        answer_bytes(request, ks_cert_der(ks_http_request_peer(request)));
    } else if (ks_bytes_is(path, "/address")) {
        answer_bytes(request, ks_bytes_text(ks_http_request_address(request)));
    } else if (ks_bytes_is(path, "/big")) {
        answer_bytes(request, ks_bytes_of(site->big, BIG_LEN));
    } else if (ks_bytes_is(path, "/signed")) {
        enum ks_err err = check_signed(site, request);
        atomic_store(&site->signature_err, (int)err);
        ks_http_reply_error(request, err == KS_OK ? KS_ERR_CONFLICT : err, "as it came out");
    } else if (ks_bytes_is(path, "/later")) {
        assert_int_equal(pthread_create(&thread, NULL, answer_later, request), 0);
        (void)pthread_detach(thread);
    } else if (ks_bytes_is(path, "/hold")) {
        (void)pthread_mutex_lock(&site->lock);
        site->held[site->held_count++] = request;
        (void)pthread_mutex_unlock(&site->lock);
    } else {
        ks_http_reply_error(request, KS_ERR_NOT_FOUND, "no such thing");
    }
}

static struct ks_tls *tls_of(enum ks_tls_side side, const struct test_identity *identity)
{
    struct ks_tls *tls = NULL;
    const struct ks_tls_spec spec = {.side = side,
                                     .root_pem = test_root_pem(authority),
                                     .cert_pem = test_cert_pem(identity),
                                     .key_pem = test_key_pem(identity)};

    if (ks_tls_new(&spec, &tls) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return tls;
}

static void site_open(struct site *site, unsigned loops, struct ks_http_limits limits)
{
    struct ks_http_server_spec spec = {.address = "127.0.0.1",
                                       .loops = loops,
                                       .handler = handle,
                                       .context = site,
                                       .limits = limits};

    *site = (struct site){.tls = tls_of(KS_TLS_SERVER, site_identity)};
    (void)pthread_mutex_init(&site->lock, NULL);
    for (size_t i = 0; i < sizeof site->key; i++) {
        site->key[i] = (uint8_t)(3 * i);
    }
    site->big = ks_calloc(1, BIG_LEN);
    assert_non_null(site->big);
    for (size_t i = 0; i < BIG_LEN; i++) {
        site->big[i] = (uint8_t)(i * 7 + i / 1000);
    }
    spec.tls = site->tls;
    if (ks_http_server_open(&spec, &site->server) != KS_OK ||
        ks_http_server_start(site->server) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
}

static void site_close(struct site *site)
{
    assert_int_equal(ks_http_server_stop(site->server, WAIT_MS), KS_OK);
    assert_int_equal(ks_http_server_counters(site->server).connections, 0);
    ks_http_server_free(site->server);
    ks_tls_free(site->tls);
    ks_free(site->big);
    (void)pthread_mutex_destroy(&site->lock);
}

static struct ks_http_request *held(struct site *site, unsigned index)
{
    for (unsigned i = 0; i < WAIT_MS / 5; i++) {
        struct ks_http_request *request = NULL;
        (void)pthread_mutex_lock(&site->lock);
        request = site->held[index];
        (void)pthread_mutex_unlock(&site->lock);
        if (request != NULL) {
            return request;
        }
        sleep_ms(5);
    }
    fail_msg("the request did not come");
    return NULL;
}

/* --- a raw peer
 * -------------------------------------------------------------------------------- */

struct raw {
    SSL_CTX *context;
    SSL *ssl;
    int fd;
};

struct raw_spec {
    const struct test_identity *identity; /* NULL: no certificate */
    int version;                          /* 0: TLS 1.3 */
    const char *groups;
    const char *sigalgs;
    SSL_SESSION *session;
};

static int connect_to(const struct site *site)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(ks_http_server_port(site->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = WAIT_MS / 1000};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void use_identity(SSL_CTX *context, const struct test_identity *identity)
{
    BIO *cert_bio =
        BIO_new_mem_buf(test_cert_pem(identity).data, (int)test_cert_pem(identity).len);
    BIO *key_bio =
        BIO_new_mem_buf(test_key_pem(identity).data, (int)test_key_pem(identity).len);
    X509 *cert = PEM_read_bio_X509(cert_bio, NULL, NULL, NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(key_bio, NULL, NULL, NULL);

    assert_int_equal(SSL_CTX_use_certificate(context, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    EVP_PKEY_free(key);
    X509_free(cert);
    BIO_free(key_bio);
    BIO_free(cert_bio);
}

static bool raw_open(const struct site *site, const struct raw_spec *spec, struct raw *raw)
{
    int version = spec->version != 0 ? spec->version : TLS1_3_VERSION;

    *raw = (struct raw){.context = SSL_CTX_new(TLS_client_method()), .fd = connect_to(site)};
    assert_non_null(raw->context);
    assert_int_equal(SSL_CTX_set_min_proto_version(raw->context, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(raw->context, version), 1);
    if (spec->groups != NULL) {
        assert_int_equal(
            SSL_CTX_set1_groups_list(raw->context, (char *)(uintptr_t)spec->groups), 1);
    }
    if (spec->sigalgs != NULL) {
        assert_int_equal(
            SSL_CTX_set1_sigalgs_list(raw->context, (char *)(uintptr_t)spec->sigalgs), 1);
    }
    if (spec->identity != NULL) {
        use_identity(raw->context, spec->identity);
    }
    raw->ssl = SSL_new(raw->context);
    assert_non_null(raw->ssl);
    if (spec->session != NULL) {
        assert_int_equal(SSL_set_session(raw->ssl, spec->session), 1);
    }
    assert_int_equal(SSL_set_fd(raw->ssl, raw->fd), 1);
    ERR_clear_error();
    return SSL_connect(raw->ssl) == 1;
}

static void raw_close(struct raw *raw)
{
    if (SSL_is_init_finished(raw->ssl)) {
        (void)SSL_shutdown(raw->ssl);
    }
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->context);
    ks_fd_close(&raw->fd);
    ERR_clear_error();
}

static void raw_send(struct raw *raw, struct ks_bytes bytes)
{
    size_t sent = 0;

    if (bytes.len > 0) {
        assert_int_equal(SSL_write_ex(raw->ssl, bytes.data, bytes.len, &sent), 1);
        assert_int_equal(sent, bytes.len);
    }
}

/* One answer's head and body into OUT; returns the length of its head, 0 when the connection
 * ended. */
static size_t raw_receive(struct raw *raw, struct ks_buf *in, struct ks_buf *out)
{
    size_t head_len = 0;
    size_t body_len = 0;

    ks_buf_clear(out);
    for (;;) {
        uint8_t chunk[4096];
        size_t got = 0;
        const char *length = NULL;
        head_len = ks_http_head_end(ks_buf_view(in), 0);
        if (head_len > 0) {
            char head[2048] = {0};
            assert_true(head_len < sizeof head);
            ks_copy(head, in->data, head_len);
            length = strstr(head, "\r\nContent-Length: ");
            body_len = length != NULL ? (size_t)strtoull(length + 18, NULL, 10) : 0;
            if (in->len >= head_len + body_len) {
                break;
            }
        }
        if (SSL_read_ex(raw->ssl, chunk, sizeof chunk, &got) != 1) {
            return 0;
        }
        ks_buf_put(in, ks_bytes_of(chunk, got));
    }
    ks_buf_put(out, ks_bytes_of(in->data, head_len + body_len));
    ks_buf_consume(in, head_len + body_len);
    assert_int_equal(ks_buf_check(out), KS_OK);
    return head_len;
}

static int status_of(const struct ks_buf *answer)
{
    assert_true(answer->len > 12);
    assert_true(ks_bytes_is(ks_bytes_of(answer->data, 9), "HTTP/1.1 "));
    return (answer->data[9] - '0') * 100 + (answer->data[10] - '0') * 10 + answer->data[11] -
           '0';
}

/* Sends REQUEST on a new connection and expects STATUS with a JSON error NAME, then the end. */
static void expect_refusal(const struct site *site, struct ks_bytes request, int status,
                           const char *name)
{
    const struct raw_spec spec = {.identity = device_identity};
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;
    char body[2048] = {0};
    char wanted[64];
    size_t head_len = 0;

    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    assert_true(raw_open(site, &spec, &raw));
    raw_send(&raw, request);
    head_len = raw_receive(&raw, &in, &out);
    assert_true(head_len > 0);
    assert_int_equal(status_of(&out), status);
    ks_copy(body, out.data + head_len, out.len - head_len);
    (void)snprintf(wanted, sizeof wanted, "\"error\":\"%s\",\"schema\":\"ketseal.error/1\"}",
                   name);
    assert_non_null(strstr(body, "{\"detail\":\""));
    assert_non_null(strstr(body, wanted));
    assert_int_equal(raw_receive(&raw, &in, &out), 0);
    raw_close(&raw);
    ks_buf_done(&out);
    ks_buf_done(&in);
}

/* --- tests: our client
 * ------------------------------------------------------------------------- */

static struct ks_http_client *client_of(const struct site *site, struct ks_tls *tls,
                                        struct ks_http_client_spec spec)
{
    struct ks_http_client *client = NULL;
    char origin[64];

    (void)snprintf(origin, sizeof origin, "https://localhost:%u",
                   (unsigned)ks_http_server_port(site->server));
    spec.tls = tls;
    spec.origin = spec.origin != NULL ? spec.origin : origin;
    if (ks_http_client_new(&spec, &client) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return client;
}

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

static void call_ok(struct ks_http_client *client, const struct ks_http_call *call,
                    struct ks_http_answer *answer)
{
    if (ks_http_client_call(client, call, answer) != KS_OK) {
        fail_msg("%s %s: %s", call->method, call->target, ks_err_detail());
    }
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

/* --- tests: the raw peer
 * ----------------------------------------------------------------------- */

/* Writes request I with spellings that a parser might tidy up. */
static void put_odd_request(struct ks_buf *out, unsigned i)
{
    ks_buf_put_format(out, "%s /head?i=%u HTTP/1.1\r\nhOsT:localhost\r\n",
                      i % 3 == 0 ? "PUT" : "POST", i);
    for (unsigned j = 0; j < i % 7; j++) {
        ks_buf_put_format(out, "X-%u: \t %u  x \t\r\nx-%u:\r\n", j, i, j);
    }
    ks_buf_put_text(out, "content-LENGTH:3  \r\n\r\n");
}

static void heads_arrive_exactly_as_sent(void **state)
{
    const struct raw_spec spec = {.identity = device_identity};
    struct site site;
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;
    struct ks_buf head;

    (void)state;
    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    ks_buf_init(&head, 4096);
    site_open(&site, 1, (struct ks_http_limits){0});
    assert_true(raw_open(&site, &spec, &raw));
    for (unsigned i = 0; i < 100; i++) {
        size_t answer_head = 0;
        ks_buf_clear(&head);
        put_odd_request(&head, i);
        /* In one piece, or cut at a place that wanders. */
        size_t cut = i % 2 == 0 ? head.len : i * 13 % head.len;
        raw_send(&raw, ks_bytes_of(head.data, cut));
        raw_send(&raw, ks_bytes_of(head.data + cut, head.len - cut));
        raw_send(&raw, KS_LITERAL("abc"));
        answer_head = raw_receive(&raw, &in, &out);
        assert_true(answer_head > 0);
        assert_int_equal(status_of(&out), 200);
        assert_true(ks_bytes_equal(ks_bytes_of(out.data + answer_head, out.len - answer_head),
                                   ks_buf_view(&head)));
    }
    assert_int_equal(ks_http_server_counters(site.server).requests, 100);
    assert_int_equal(ks_http_server_counters(site.server).handshakes, 1);
    raw_close(&raw);
    site_close(&site);
    ks_buf_done(&head);
    ks_buf_done(&out);
    ks_buf_done(&in);
}

/* Requests that come before earlier ones are answered, at once and later, in one record and
 * across. */
static void pipelined_requests_are_answered_in_order(void **state)
{
    const struct raw_spec spec = {.identity = device_identity};
    struct site site;
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;
    struct ks_buf all;

    (void)state;
    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    ks_buf_init(&all, 1 << 20);
    site_open(&site, 1, (struct ks_http_limits){0});
    assert_true(raw_open(&site, &spec, &raw));
    for (unsigned i = 0; i < 500; i++) {
        ks_buf_put_format(&all,
                          "POST /%s HTTP/1.1\r\n" HOST_HEAD "Content-Length: 4\r\n\r\n%04u",
                          i % 50 == 49 ? "later" : "body", i);
    }
    raw_send(&raw, ks_buf_view(&all));
    for (unsigned i = 0; i < 500; i++) {
        char wanted[8];
        size_t head_len = raw_receive(&raw, &in, &out);
        assert_true(head_len > 0);
        (void)snprintf(wanted, sizeof wanted, "%04u", i);
        assert_true(ks_bytes_is(ks_bytes_of(out.data + head_len, out.len - head_len), wanted));
    }
    raw_close(&raw);
    site_close(&site);
    ks_buf_done(&all);
    ks_buf_done(&out);
    ks_buf_done(&in);
}

/* A client-auth failure shows at the first read, when SSL_connect has already succeeded. */
static void expect_no_entry(const struct site *site, const struct raw_spec *spec)
{
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;
    uint64_t before = ks_http_server_counters(site->server).requests;

    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    if (raw_open(site, spec, &raw)) {
        size_t sent = 0;
        (void)SSL_write_ex(raw.ssl, "GET /head HTTP/1.1\r\n" HOST_HEAD "\r\n",
                           sizeof "GET /head HTTP/1.1\r\n" HOST_HEAD "\r\n" - 1, &sent);
        assert_int_equal(raw_receive(&raw, &in, &out), 0);
    }
    assert_int_equal(ks_http_server_counters(site->server).requests, before);
    raw_close(&raw);
    ks_buf_done(&out);
    ks_buf_done(&in);
}

static void strangers_do_not_get_in(void **state)
{
    struct site site;
    struct test_authority *other = test_authority_new("other");
    struct test_identity *stranger = test_issue(other, TEST_DEVICE, "stranger", NULL);
    struct test_identity *classical = test_issue(authority, TEST_CLASSICAL_DEVICE, "old", NULL);
    struct test_identity *expired = test_issue(authority, TEST_EXPIRED_DEVICE, "late", NULL);

    (void)state;
    site_open(&site, 1, (struct ks_http_limits){0});
    expect_no_entry(&site, &(struct raw_spec){0});
    expect_no_entry(&site, &(struct raw_spec){.identity = stranger});
    expect_no_entry(&site, &(struct raw_spec){.identity = classical});
    expect_no_entry(&site, &(struct raw_spec){.identity = expired});
    expect_no_entry(&site, &(struct raw_spec){.identity = site_identity}); /* wrong role */
    expect_no_entry(&site,
                    &(struct raw_spec){.identity = device_identity, .version = TLS1_2_VERSION});
    expect_no_entry(&site, &(struct raw_spec){.identity = device_identity, .groups = "X25519"});
    expect_no_entry(&site, &(struct raw_spec){.identity = device_identity,
                                              .sigalgs = "ecdsa_secp256r1_sha256"});
    assert_int_equal(ks_http_server_counters(site.server).handshakes, 0);
    assert_true(ks_http_server_counters(site.server).handshakes_failed >= 7);
    site_close(&site);
    test_identity_free(expired);
    test_identity_free(classical);
    test_identity_free(stranger);
    test_authority_free(other);
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

static void oversize_and_odd_requests_are_refused(void **state)
{
    const struct ks_http_limits limits = {.body_max = 1000, .in_flight_max = 1500};
    struct site site;
    struct ks_buf long_head;
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;

    (void)state;
    ks_buf_init(&long_head, 1 << 20);
    ks_buf_put_text(&long_head, "GET / HTTP/1.1\r\n" HOST_HEAD);
    for (unsigned i = 0; i < 3000; i++) {
        ks_buf_put_format(&long_head, "X-%u: 0123456789\r\n", i);
    }
    site_open(&site, 1, limits);
    expect_refusal(&site, ks_buf_view(&long_head), 413, "LIMIT");
    expect_refusal(
        &site, KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD "Content-Length: 1001\r\n\r\n"),
        413, "LIMIT");
    expect_refusal(&site,
                   KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD
                              "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
                   400, "FORMAT");
    expect_refusal(&site, KS_LITERAL("GET / HTTP/1.0\r\n" HOST_HEAD "\r\n"), 400, "FORMAT");
    expect_refusal(&site, KS_LITERAL("GET / HTTP/1.1\r\n\r\n"), 400, "FORMAT");
    expect_refusal(&site, KS_LITERAL("GET / HTTP/1.1\r\n" HOST_HEAD HOST_HEAD "\r\n"), 400,
                   "FORMAT");
    expect_refusal(&site, KS_LITERAL("\x16\x03\x01\r\n\r\n"), 400, "FORMAT");
    expect_refusal(&site,
                   KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD
                              "Expect: more\r\nContent-Length: 3\r\n\r\nabc"),
                   400, "FORMAT");
    assert_int_equal(ks_http_server_counters(site.server).requests, 0);

    /* Bytes in flight: one body is waited for, a second would be over. */
    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    assert_true(raw_open(&site, &(struct raw_spec){.identity = device_identity}, &raw));
    raw_send(&raw, KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD "Expect: 100-continue\r\n"
                              "Content-Length: 1000\r\n\r\n"));
    assert_true(raw_receive(&raw, &in, &out) > 0);
    assert_int_equal(status_of(&out), 100);
    expect_refusal(
        &site, KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD "Content-Length: 501\r\n\r\n"),
        503, "UNAVAILABLE");
    raw_send(&raw, ks_bytes_of(site.big, 1000));
    assert_true(raw_receive(&raw, &in, &out) > 0);
    assert_int_equal(status_of(&out), 200);
    raw_send(&raw, KS_LITERAL("POST /body HTTP/1.1\r\n" HOST_HEAD CLOSE_HEAD
                              "Content-Length: 3\r\n\r\nabcd"));
    assert_true(raw_receive(&raw, &in, &out) > 0);
    assert_int_equal(status_of(&out), 200);
    assert_int_equal(raw_receive(&raw, &in, &out), 0);
    raw_close(&raw);
    site_close(&site);
    ks_buf_done(&out);
    ks_buf_done(&in);
    ks_buf_done(&long_head);
}

/* Trickles TEXT, a byte per 20 ms, until the site closes; true when it did within WAIT_MS. */
static bool closes_on(struct raw *raw, const char *text, uint64_t *out_took_ms)
{
    uint64_t start = ks_clock_monotonic_us();
    struct timeval short_wait = {.tv_usec = 20000};
    size_t i = 0;

    (void)setsockopt(raw->fd, SOL_SOCKET, SO_RCVTIMEO, &short_wait, sizeof short_wait);
    while (ks_clock_monotonic_us() - start < (uint64_t)WAIT_MS * 1000) {
        uint8_t byte = 0;
        size_t count = 0;
        int result = 0;
        ERR_clear_error();
        if (text[i] != 0) {
            (void)SSL_write_ex(raw->ssl, &text[i++], 1, &count);
        }
        result = SSL_read_ex(raw->ssl, &byte, 1, &count);
        if (result != 1 && SSL_get_error(raw->ssl, result) != SSL_ERROR_WANT_READ) {
            *out_took_ms = (ks_clock_monotonic_us() - start) / 1000;
            return true;
        }
    }
    return false;
}

static void slow_peers_are_cut(void **state)
{
    static const char head[] =
        "GET /head HTTP/1.1\r\nHost: localhost\r\nX: 0123456789012345678901234567"
        "8901234567890123456789012345678901234567890123456789";
    static const char body[] = "POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: "
                               "500\r\n\r\n01234567890123456789";
    const struct ks_http_limits limits = {
        .handshake_ms = 400, .head_ms = 500, .body_ms = 400, .idle_ms = 300};
    const struct raw_spec spec = {.identity = device_identity};
    struct site site;
    struct raw raw;
    uint64_t took_ms = 0;
    uint8_t byte = 0;
    int fd = -1;

    (void)state;
    site_open(&site, 1, limits);
    assert_true(raw_open(&site, &spec, &raw)); /* says nothing */
    assert_true(closes_on(&raw, "", &took_ms));
    assert_in_range(took_ms, 200, 1500);
    raw_close(&raw);
    assert_true(raw_open(&site, &spec, &raw));
    assert_true(closes_on(&raw, head, &took_ms));
    assert_in_range(took_ms, 400, 2000);
    raw_close(&raw);
    assert_true(raw_open(&site, &spec, &raw));
    raw_send(
        &raw,
        KS_LITERAL("POST /body HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n"));
    assert_true(closes_on(&raw, body, &took_ms));
    assert_in_range(took_ms, 300, 1500);
    raw_close(&raw);
    fd = connect_to(&site); /* no handshake */
    assert_int_equal(recv(fd, &byte, 1, 0), 0);
    ks_fd_close(&fd);
    assert_int_equal(ks_http_server_counters(site.server).timeouts, 4);
    assert_int_equal(ks_http_server_counters(site.server).requests, 0);
    site_close(&site);
}

/* An answer nobody reads does not hold the connection for ever. */
static void an_answer_not_read_is_cut(void **state)
{
    const struct ks_http_limits limits = {.write_ms = 300};
    const struct raw_spec spec = {.identity = device_identity};
    struct site site;
    struct raw raw;

    (void)state;
    site_open(&site, 1, limits);
    assert_true(raw_open(&site, &spec, &raw));
    for (unsigned i = 0; i < 4; i++) {
        raw_send(&raw, KS_LITERAL("GET /big HTTP/1.1\r\n" HOST_HEAD "\r\n"));
    }
    for (unsigned i = 0; i < 300 && ks_http_server_counters(site.server).timeouts == 0; i++) {
        sleep_ms(10);
    }
    assert_int_equal(ks_http_server_counters(site.server).timeouts, 1);
    raw_close(&raw);
    site_close(&site);
}

static void sessions_resume_with_a_new_exporter(void **state)
{
    const struct raw_spec first_spec = {.identity = device_identity};
    struct raw_spec second_spec = {.identity = device_identity};
    struct site site;
    struct raw raw;
    struct ks_buf in;
    struct ks_buf out;
    uint8_t exporters[2][32];
    size_t head_len = 0;
    const unsigned char *ticket = NULL;
    size_t ticket_len = 0;

    (void)state;
    ks_buf_init(&in, ANSWER_MAX);
    ks_buf_init(&out, ANSWER_MAX);
    site_open(&site, 1, (struct ks_http_limits){0});
    for (unsigned i = 0; i < 2; i++) {
        assert_true(raw_open(&site, i == 0 ? &first_spec : &second_spec, &raw));
        assert_int_equal(SSL_session_reused(raw.ssl), (int)i);
        raw_send(&raw, KS_LITERAL("GET /exporter HTTP/1.1\r\n" HOST_HEAD "\r\n"));
        head_len = raw_receive(&raw, &in, &out);
        assert_int_equal(out.len - head_len, 32);
        /* RFC 9266, computed here by libssl itself. */
        assert_int_equal(SSL_export_keying_material(raw.ssl, exporters[i], 32,
                                                    "EXPORTER-Channel-Binding", 24,
                                                    (const uint8_t *)"", 0, 1),
                         1);
        assert_true(
            ks_bytes_equal(ks_bytes_of(out.data + head_len, 32), KS_BYTES(exporters[i])));
        raw_send(&raw, KS_LITERAL("GET /peer HTTP/1.1\r\n" HOST_HEAD "\r\n"));
        head_len = raw_receive(&raw, &in, &out);
        assert_true(ks_bytes_equal(ks_bytes_of(out.data + head_len, out.len - head_len),
                                   test_cert_der(device_identity)));
        if (i == 0) {
            second_spec.session = SSL_get1_session(raw.ssl);
            assert_true(SSL_SESSION_is_resumable(second_spec.session));
            SSL_SESSION_get0_ticket(second_spec.session, &ticket, &ticket_len);
            assert_in_range(ticket_len, 1, 64); /* a name, not the session itself */
        }
        raw_close(&raw);
    }
    assert_memory_not_equal(exporters[0], exporters[1], 32);
    assert_int_equal(ks_http_server_counters(site.server).resumed, 1);
    SSL_SESSION_free(second_spec.session);
    site_close(&site);
    ks_buf_done(&out);
    ks_buf_done(&in);
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
        assert_int_equal(answer.resumed, i > 0);
        assert_false(answer.reused);
        assert_true(ks_bytes_equal(ks_buf_view(&answer.body), KS_BYTES(prepared.exporter)));
        ks_http_answer_done(&answer);
        sleep_ms(300); /* the site closes the idle connection */
    }
    assert_int_equal(ks_http_server_counters(site.server).resumed, 2);
    assert_int_equal(prepared.calls, 3);
    ks_http_client_free(client);
    site_close(&site);
    ks_tls_free(tls);
    ks_buf_done(&prepared.peer);
}

/* --- tests: answering from elsewhere
 * ----------------------------------------------------------- */

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

static void a_taken_port_is_an_error(void **state)
{
    struct site site;
    struct ks_http_server *second = NULL;
    struct ks_http_server_spec spec = {.address = "127.0.0.1", .loops = 2, .handler = handle};

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

/* --- tests: an independent program
 * -------------------------------------------------------------- */

static void openssl_s_client_gets_an_answer(void **state)
{
    const char *openssl = getenv("KS_OPENSSL");
    char directory[] = "/tmp/ketseal-http-XXXXXX";
    char path[128];
    char command[2048];
    char text[65536] = {0};
    struct site site;
    FILE *pipe = NULL;
    size_t len = 0;

    (void)state;
    if (openssl == NULL || access(openssl, X_OK) != 0) {
        print_message("SKIPPED: KS_OPENSSL names no openssl >= 3.5\n");
        skip();
    }
    site_open(&site, 1, (struct ks_http_limits){0});
    assert_non_null(mkdtemp(directory));
    (void)snprintf(path, sizeof path, "%s/root", directory);
    assert_int_equal(ks_file_write(path, test_root_pem(authority), 0600), KS_OK);
    (void)snprintf(path, sizeof path, "%s/cert", directory);
    assert_int_equal(ks_file_write(path, test_cert_pem(device_identity), 0600), KS_OK);
    (void)snprintf(path, sizeof path, "%s/key", directory);
    assert_int_equal(ks_file_write(path, test_key_pem(device_identity), 0600), KS_OK);
    (void)snprintf(
        command, sizeof command,
        "(printf 'GET /head?s_client HTTP/1.1\\r\\n" HOST_HEAD CLOSE_HEAD "\\r\\n'; sleep 1) |"
        " %s s_client -connect 127.0.0.1:%u -servername localhost -verify_hostname localhost"
        " -verify_return_error -CAfile %s/root -cert %s/cert -key %s/key -ign_eof 2>&1;"
        " rm -r %s",
        openssl, (unsigned)ks_http_server_port(site.server), directory, directory, directory,
        directory);
    pipe = popen(command, "r"); /* NOLINT(cert-env33-c): a test's own command */
    assert_non_null(pipe);
    len = fread(text, 1, sizeof text - 1, pipe);
    (void)pclose(pipe);
    assert_true(len > 0);
    if (strstr(text, "HTTP/1.1 200 OK") == NULL ||
        strstr(text, "GET /head?s_client HTTP/1.1") == NULL ||
        strstr(text, "X25519MLKEM768") == NULL ||
        strstr(text, "Verify return code: 0 (ok)") == NULL || strstr(text, "mldsa65") == NULL) {
        fail_msg("%s", text);
    }
    site_close(&site);
}

static int set_up(void **state)
{
    (void)state;
    authority = test_authority_new("test root");
    site_identity = test_issue(authority, TEST_SERVER, "site", "localhost");
    device_identity = test_issue(authority, TEST_DEVICE, "device-1", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_identity_free(device_identity);
    test_identity_free(site_identity);
    test_authority_free(authority);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_see_one_exporter_and_each_other),
        cmocka_unit_test(a_signed_request_verifies_from_the_raw_head),
        cmocka_unit_test(bodies_of_any_size_come_whole),
        cmocka_unit_test(the_client_refuses_what_is_not_the_site),
        cmocka_unit_test(the_client_refuses_bad_calls),
        cmocka_unit_test(heads_arrive_exactly_as_sent),
        cmocka_unit_test(pipelined_requests_are_answered_in_order),
        cmocka_unit_test(strangers_do_not_get_in),
        cmocka_unit_test(a_revoked_device_is_told_so),
        cmocka_unit_test(oversize_and_odd_requests_are_refused),
        cmocka_unit_test(slow_peers_are_cut),
        cmocka_unit_test(an_answer_not_read_is_cut),
        cmocka_unit_test(sessions_resume_with_a_new_exporter),
        cmocka_unit_test(the_client_resumes),
        cmocka_unit_test(answers_come_from_any_thread),
        cmocka_unit_test(a_peer_that_leaves_is_noticed),
        cmocka_unit_test(stopping_lets_requests_finish),
        cmocka_unit_test(stopping_cuts_after_the_grace),
        cmocka_unit_test(connections_are_limited),
        cmocka_unit_test(a_taken_port_is_an_error),
        cmocka_unit_test(bad_material_is_refused_at_the_start),
        cmocka_unit_test(openssl_s_client_gets_an_answer),
    };
    (void)signal(SIGPIPE, SIG_IGN); /* the raw peer writes to what was closed */
    return cmocka_run_group_tests_name("http", tests, set_up, tear_down);
}
