/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "net/signature.h"
#include "tests/integration/http_site.h"

/* --- the site ----------------------------------------------------------------------------- */

struct test_authority *authority;
struct test_identity *site_identity, *device_identity;

void sleep_ms(unsigned ms)
{
    (void)usleep(ms * 1000);
}

void answer_bytes(struct ks_http_request *request, struct ks_bytes body)
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

static void answer_facts(struct site *site, struct ks_http_request *request)
{
    const struct ks_http_head *head = ks_http_request_head(request);
    const struct ks_http_field fields[] = {
        {.name = KS_LITERAL("server-timing"), .value = KS_LITERAL("admit;dur=1.5")},
        {.name = KS_LITERAL("Retry-After"), .value = KS_LITERAL("7")},
        {.name = KS_LITERAL("Server-Timing"), .value = KS_LITERAL("admit;dur=2")},
    };
    size_t sent = 0;
    const struct ks_http_response response = {
        .status = 200,
        .content_type = "text/plain",
        .fields = fields,
        .field_count = head->query.len > 0 ? 3 : 2,
        .body = KS_LITERAL("measured"),
        .out_len = &sent,
    };

    atomic_store(&site->facts_received, head->raw.len + ks_http_request_body(request).len);
    atomic_store(&site->facts_group, ks_http_request_tls(request)->group);
    ks_http_reply(request, &response);
    atomic_store(&site->facts_sent, sent);
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
    } else if (ks_bytes_is(path, "/facts")) {
        answer_facts(site, request);
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

struct ks_tls *tls_of(enum ks_tls_side side, const struct test_identity *identity)
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

void site_open(struct site *site, unsigned loops, struct ks_http_limits limits)
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

void site_close(struct site *site)
{
    assert_int_equal(ks_http_server_stop(site->server, WAIT_MS), KS_OK);
    assert_int_equal(ks_http_server_counters(site->server).connections, 0);
    ks_http_server_free(site->server);
    ks_tls_free(site->tls);
    ks_free(site->big);
    (void)pthread_mutex_destroy(&site->lock);
}

struct ks_http_request *held(struct site *site, unsigned index)
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

/* --- a raw peer --------------------------------------------------------------------------- */

int connect_to(const struct site *site)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons(ks_http_server_port(site->server)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval patience = {.tv_sec = WAIT_MS / 1000};
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), 0);
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

bool raw_open(const struct site *site, const struct raw_spec *spec, struct raw *raw)
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

void raw_close(struct raw *raw)
{
    if (SSL_is_init_finished(raw->ssl)) {
        (void)SSL_shutdown(raw->ssl);
    }
    SSL_free(raw->ssl);
    SSL_CTX_free(raw->context);
    ks_fd_close(&raw->fd);
    ERR_clear_error();
}

void raw_send(struct raw *raw, struct ks_bytes bytes)
{
    size_t sent = 0;

    if (bytes.len > 0) {
        assert_int_equal(SSL_write_ex(raw->ssl, bytes.data, bytes.len, &sent), 1);
        assert_int_equal(sent, bytes.len);
    }
}

/* One answer's head and body into OUT; returns the length of its head, 0 when the connection
 * ended. */
size_t raw_receive(struct raw *raw, struct ks_buf *in, struct ks_buf *out)
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

int status_of(const struct ks_buf *answer)
{
    assert_true(answer->len > 12);
    assert_true(ks_bytes_is(ks_bytes_of(answer->data, 9), "HTTP/1.1 "));
    return (answer->data[9] - '0') * 100 + (answer->data[10] - '0') * 10 + answer->data[11] -
           '0';
}

/* Sends REQUEST on a new connection and expects STATUS with a JSON error NAME, then the end. */
void expect_refusal(const struct site *site, struct ks_bytes request, int status,
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

struct ks_http_client *client_of(const struct site *site, struct ks_tls *tls,
                                 struct ks_http_client_spec spec)
{
    struct ks_http_client *client = NULL;
    char origin[64];

    if (spec.origin == NULL) {
        (void)snprintf(origin, sizeof origin, "https://localhost:%u",
                       (unsigned)ks_http_server_port(site->server));
        spec.origin = origin;
    }
    spec.tls = tls;
    if (ks_http_client_new(&spec, &client) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return client;
}

void call_ok(struct ks_http_client *client, const struct ks_http_call *call,
             struct ks_http_answer *answer)
{
    if (ks_http_client_call(client, call, answer) != KS_OK) {
        fail_msg("%s %s: %s", call->method, call->target, ks_err_detail());
    }
}

int http_set_up(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* the raw peer writes to what was closed */
    authority = test_authority_new("test root");
    site_identity = test_issue(authority, TEST_SERVER, "site", "localhost");
    device_identity = test_issue(authority, TEST_DEVICE, "device-1", NULL);
    return 0;
}

int http_tear_down(void **state)
{
    (void)state;
    test_identity_free(device_identity);
    test_identity_free(site_identity);
    test_authority_free(authority);
    return 0;
}
