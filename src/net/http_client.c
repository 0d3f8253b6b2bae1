/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "net/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/sslerr.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "net/curl_late.h"
#include "net/http_call.h"

#define URL_MAX         (KS_HTTP_TARGET_MAX + KS_HTTP_HOST_MAX + 16)
#define CONNECT_TO_MAX  600
#define IDLE_REUSE_S    30L /* a site closes idle connections after 60 s: stay clear of that */
#define ANSWER_HEAD_MAX 65536
#define FIELDS_MAX      32
#define SCHEME          "https://"
#define NO_EXPECT       "Expect:" /* a field that is not sent */

struct ks_http_client {
    struct ks_tls *tls;
    CURL *curl;
    struct curl_slist *connect_to;
    char authority[KS_HTTP_HOST_MAX + 1];
    size_t response_max;
    long connect_ms;
    long total_ms;
    struct exchange *exchange; /* while a call runs */
    struct ks_http_facts facts;
};

struct ks_http_outgoing {
    struct curl_slist *fields;
    unsigned count;
};

/* One call's state, for libcurl's callbacks. */
struct exchange {
    struct ks_http_client *client;
    const struct ks_http_call *call;
    struct ks_http_outgoing outgoing;
    struct ks_buf body;
    size_t head_len;
    unsigned timings; /* fields Server-Timing */
    unsigned attempts;
    uint64_t begin_us; /* monotonic */
    uint64_t tls_us;   /* when TLS began on the last connection; 0: it did not */
    bool resumed;
    int alert;       /* of TLS, sent or received; -1: none */
    enum ks_err err; /* what a callback refused for; its detail is stored */
};

/* --- callbacks ---------------------------------------------------------------------------- */

/* Sees every TLS message; an alert tells a refusal from a connection that broke. */
static void on_message(int sent, int version, int type, const void *bytes, size_t len, SSL *ssl,
                       void *user)
{
    const struct ks_http_client *client = user;

    (void)version;
    (void)ssl;
    /* Where the site's end closes without a goodbye, OpenSSL sends it a last alert of its own.
     * Some releases of libcurl let it, others tell it not to. No one has refused anything. */
    if (sent == 1 &&
        ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
        return;
    }
    if (type == SSL3_RT_ALERT && len == 2 && client->exchange != NULL) {
        client->exchange->alert = ((const uint8_t *)bytes)[1];
    }
}

static CURLcode on_context(CURL *curl, void *context, void *user)
{
    struct ks_http_client *client = user;
    enum ks_err err = ks_tls_configure(client->tls, context);

    client->exchange->tls_us = ks_clock_monotonic_us();
    (void)curl;
    if (err != KS_OK) {
        client->exchange->err = err;
        return CURLE_SSL_CERTPROBLEM;
    }
    SSL_CTX_set_msg_callback(context, on_message);
    SSL_CTX_set_msg_callback_arg(context, client);
    return CURLE_OK;
}

enum ks_err ks_http_outgoing_add(struct ks_http_outgoing *outgoing, const char *name,
                                 const char *value)
{
    enum ks_err err = KS_OK;
    struct ks_buf line;
    struct curl_slist *grown = NULL;

    ks_buf_init(&line, KS_HTTP_HEAD_MAX);
    KS_TRY(ks_http_field_check(name, value));
    KS_CHECK(outgoing->count < FIELDS_MAX, KS_ERR_LIMIT, "over %d fields in a request head",
             FIELDS_MAX);
    ks_buf_put_format(&line, "%s: %s", name, value);
    ks_buf_put_u8(&line, 0);
    KS_TRY(ks_buf_check(&line));
    grown = curl_slist_append(outgoing->fields, (const char *)line.data);
    KS_CHECK(grown != NULL, KS_ERR_NOMEM, "no memory for a request head");
    outgoing->fields = grown;
    outgoing->count++;
out:
    ks_buf_done(&line);
    return err;
}

/* What the method and the body bring with them. */
static enum ks_err put_plain_fields(struct exchange *exchange)
{
    enum ks_err err = KS_OK;

    curl_slist_free_all(exchange->outgoing.fields);
    exchange->outgoing = (struct ks_http_outgoing){0};
    if (exchange->call->content_type != NULL) {
        KS_TRY(ks_http_outgoing_add(&exchange->outgoing, "Content-Type",
                                    exchange->call->content_type));
    }
    /* A body goes out at once: waiting for 100 would cost a round trip. */
    exchange->outgoing.fields = curl_slist_append(exchange->outgoing.fields, NO_EXPECT);
    KS_CHECK(exchange->outgoing.fields != NULL, KS_ERR_NOMEM, "no memory for a request head");
out:
    return err;
}

/* The bytes of the request that libcurl is about to write: its own account of them has the body
 * once or twice, by its length. */
static size_t request_len(const struct exchange *exchange)
{
    static const char line[] = "  HTTP/1.1\r\nHost: \r\nAccept: */*\r\n\r\n";
    const struct ks_http_call *call = exchange->call;
    size_t len = sizeof line - 1 + strlen(call->method) + strlen(call->target) +
                 strlen(exchange->client->authority) + call->body.len;

    for (const struct curl_slist *field = exchange->outgoing.fields; field != NULL;
         field = field->next) {
        len += strcmp(field->data, NO_EXPECT) == 0 ? 0 : strlen(field->data) + 2;
    }
    if (call->content_type != NULL) {
        len += (size_t)snprintf(NULL, 0, "Content-Length: %zu\r\n", call->body.len);
    }
    return len;
}

static enum ks_err prepare(struct exchange *exchange)
{
    enum ks_err err = KS_OK;
    struct ks_cert *peer = NULL;
    struct curl_tlssessioninfo *info = NULL;
    SSL *ssl = NULL;
    char name[KS_CERT_SUBJECT_MAX + 1];
    uint8_t exporter[KS_TLS_EXPORTER_LEN];
    CURL *curl = exchange->client->curl;

    exchange->attempts++;
    KS_CHECK(exchange->attempts == 1 || strcmp(exchange->call->method, "GET") == 0, KS_ERR_IO,
             "%s: " KS_HTTP_LOST, exchange->client->authority);
    KS_CHECK(curl_easy_getinfo(curl, CURLINFO_TLS_SSL_PTR, &info) == CURLE_OK && info != NULL &&
                 info->backend == CURLSSLBACKEND_OPENSSL && info->internals != NULL,
             KS_ERR_INTERNAL, "libcurl does not give its TLS connection");
    ssl = info->internals;
    exchange->resumed = SSL_session_reused(ssl) == 1;
    exchange->client->facts.encrypted = true;
    exchange->client->facts.group = ks_tls_group(ssl);
    exchange->client->facts.resumed = exchange->resumed;
    if (ks_tls_profile(exchange->client->tls) == KS_TLS_CLASSICAL) {
        /* libcurl has held the names of the certificate against the host (VERIFYHOST). */
        KS_TRY(ks_tls_classical_peer(exchange->client->tls, ssl, NULL, name));
    } else {
        KS_TRY(ks_tls_peer(exchange->client->tls, ssl, ks_clock_us() / 1000000, &peer));
    }
    KS_TRY(ks_tls_exporter(ssl, exporter));
    KS_TRY(put_plain_fields(exchange));
    if (exchange->call->prepare != NULL) {
        KS_TRY(exchange->call->prepare(exchange->call->context, exporter, peer,
                                       &exchange->outgoing));
    }
    KS_CHECK(curl_easy_setopt(curl, CURLOPT_HTTPHEADER, exchange->outgoing.fields) == CURLE_OK,
             KS_ERR_INTERNAL, "libcurl takes no fields at this point");
    exchange->client->facts.bytes_sent += request_len(exchange);
out:
    ks_cert_free(peer);
    return err;
}

/* The connection stands, the head is not yet made: it is made from the options as they are
 * after this. */
static int on_connected(void *user, char *peer_ip, char *local_ip, int peer_port,
                        int local_port)
{
    struct exchange *exchange = user;

    (void)peer_ip;
    (void)local_ip;
    (void)peer_port;
    (void)local_port;
    exchange->err = prepare(exchange);
    return exchange->err == KS_OK ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

static size_t on_body(char *data, size_t size, size_t count, void *user)
{
    struct exchange *exchange = user;

    ks_buf_put(&exchange->body, ks_bytes_of(data, size * count));
    exchange->err = ks_buf_check(&exchange->body);
    return exchange->err == KS_OK ? size * count : 0;
}

static size_t on_head_line(char *data, size_t size, size_t count, void *user)
{
    struct exchange *exchange = user;

    exchange->timings +=
        ks_http_timing_take(ks_bytes_of(data, size * count), exchange->client->facts.timing);
    ks_http_retry_take(ks_bytes_of(data, size * count), &exchange->client->facts.retry_after_s);
    exchange->head_len += size * count;
    if (exchange->head_len > ANSWER_HEAD_MAX) {
        exchange->err = ks_fail(KS_ERR_LIMIT, "answer head over %d bytes", ANSWER_HEAD_MAX);
        return 0;
    }
    return size * count;
}

/* --- the client --------------------------------------------------------------------------- */

/* "host:port:connect-host:connect-port"; empty first two: any. */
static enum ks_err set_connect_to(struct ks_http_client *client, const char *target)
{
    enum ks_err err = KS_OK;
    struct ks_buf line;

    ks_buf_init(&line, CONNECT_TO_MAX);
    KS_CHECK(ks_http_is_authority(ks_bytes_text(target)), KS_ERR_USAGE, "'%s' is not host:port",
             target);
    ks_buf_put_format(&line, "::%s", target);
    ks_buf_put_u8(&line, 0);
    KS_TRY(ks_buf_check(&line));
    client->connect_to = curl_slist_append(NULL, (const char *)line.data);
    KS_CHECK(client->connect_to != NULL, KS_ERR_NOMEM, "no memory for a client");
out:
    ks_buf_done(&line);
    return err;
}

static bool set_tls_options(struct ks_http_client *client)
{
    CURL *curl = client->curl;

    return curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSLVERSION,
                            (long)(CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3)) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
           /* Not the system's roots: ours come with the context. */
           curl_easy_setopt(curl, CURLOPT_CAINFO, NULL) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, on_context) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, client) == CURLE_OK;
}

static bool set_http_options(struct ks_http_client *client)
{
    CURL *curl = client->curl;

    return curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_MAXCONNECTS, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_MAXAGE_CONN, IDLE_REUSE_S) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, client->connect_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, client->total_ms) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_CONNECT_TO, client->connect_to) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_head_line) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_connected) == CURLE_OK;
}

enum ks_err ks_http_client_new(const struct ks_http_client_spec *spec,
                               struct ks_http_client **out_client)
{
    enum ks_err err = KS_OK;
    struct ks_http_client *client = ks_calloc(1, sizeof *client);

    KS_TRY(ks_curl_load());
    KS_CHECK(client != NULL, KS_ERR_NOMEM, "no memory for a client");
    client->tls = spec->tls;
    client->connect_ms = spec->connect_ms > 0 ? (long)spec->connect_ms : 10000;
    client->total_ms = spec->total_ms > 0 ? (long)spec->total_ms : 60000;
    client->response_max = spec->response_max > 0 ? spec->response_max : (size_t)8 << 20;
    KS_TRY(ks_http_origin_parse(spec->origin, client->authority));
    if (spec->connect_to != NULL) {
        KS_TRY(set_connect_to(client, spec->connect_to));
    }
    KS_CHECK(curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK, KS_ERR_NOMEM,
             "libcurl does not start");
    client->curl = curl_easy_init();
    KS_CHECK(client->curl != NULL, KS_ERR_NOMEM, "no memory for a client");
    KS_CHECK(set_tls_options(client) && set_http_options(client), KS_ERR_INTERNAL,
             "this libcurl lacks an option that ketseal needs: %s", curl_version());
    *out_client = client;
    client = NULL;
out:
    ks_http_client_free(client);
    return err;
}

void ks_http_client_free(struct ks_http_client *client)
{
    if (client != NULL) {
        if (client->curl != NULL) {
            curl_easy_cleanup(client->curl);
        }
        if (client->connect_to != NULL) {
            curl_slist_free_all(client->connect_to);
        }
        ks_free(client);
    }
}

const char *ks_http_client_authority(const struct ks_http_client *client)
{
    return client->authority;
}

/* --- one exchange ------------------------------------------------------------------------- */

/* True when the connection of the last call cannot carry another: between exchanges there is
 * nothing to read on it but its end (a close_notify counts as alive for this libcurl). Looking
 * costs one system call and saves a request that the site would never see. */
static bool connection_is_stale(CURL *curl)
{
    curl_socket_t fd = CURL_SOCKET_BAD;
    char byte = 0;

    if (curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &fd) != CURLE_OK ||
        fd == CURL_SOCKET_BAD) {
        return false;
    }
    return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 ||
           (errno != EAGAIN && errno != EWOULDBLOCK);
}

static enum ks_err set_request(struct exchange *exchange, char *url, size_t url_size)
{
    enum ks_err err = KS_OK;
    const struct ks_http_call *call = exchange->call;
    CURL *curl = exchange->client->curl;
    struct ks_buf text;
    bool good = true;

    ks_buf_init(&text, url_size);
    KS_TRY(ks_http_call_check(call));
    ks_buf_put_format(&text, SCHEME "%s%s", exchange->client->authority, call->target);
    ks_buf_put_u8(&text, 0);
    KS_TRY(ks_buf_check(&text));
    ks_copy(url, text.data, text.len);
    good = curl_easy_setopt(curl, CURLOPT_URL, url) == CURLE_OK;
    if (call->content_type != NULL) {
        good = good && curl_easy_setopt(curl, CURLOPT_POST, 1L) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                                (curl_off_t)call->body.len) == CURLE_OK &&
               curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
                                call->body.len > 0 ? (const char *)call->body.data : "") ==
                   CURLE_OK;
    } else {
        good = good && curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L) == CURLE_OK;
    }
    good = good && curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, call->method) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_NOBODY, (long)(strcmp(call->method, "HEAD") == 0)) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, (long)connection_is_stale(curl)) ==
               CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_WRITEDATA, exchange) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_HEADERDATA, exchange) == CURLE_OK &&
           curl_easy_setopt(curl, CURLOPT_PREREQDATA, exchange) == CURLE_OK;
    KS_CHECK(good, KS_ERR_NOMEM, "libcurl does not take the request");
out:
    ks_buf_done(&text);
    return err;
}

/* The request went out and the connection broke: that libcurl, which tries once more, could not
 * connect again is not the reason. */
static bool was_lost(const struct exchange *exchange, CURLcode code)
{
    return exchange->attempts > 0 && exchange->alert <= 0 &&
           strcmp(exchange->call->method, "GET") != 0 &&
           (code == CURLE_COULDNT_CONNECT || code == CURLE_SSL_CONNECT_ERROR ||
            code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR);
}

static enum ks_err outcome(const struct exchange *exchange, CURLcode code)
{
    const char *text = curl_easy_strerror(code);

    if (exchange->err != KS_OK) {
        return exchange->err; /* a callback's own reason; its detail is stored */
    }
    if (was_lost(exchange, code)) {
        return ks_fail(KS_ERR_IO, "%s: " KS_HTTP_LOST, exchange->client->authority);
    }
    switch (code) {
    case CURLE_OK:
        return KS_OK;
    case CURLE_SSL_CONNECT_ERROR:
        if (exchange->alert <= 0) { /* none, or only the goodbye */
            return ks_fail(KS_ERR_IO, "%s: the connection broke during the TLS handshake",
                           exchange->client->authority);
        }
        return ks_fail(KS_ERR_VERIFY, "%s: TLS handshake refused: %s",
                       exchange->client->authority,
                       SSL_alert_desc_string_long(exchange->alert));
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
        return ks_fail(KS_ERR_VERIFY, "%s: %s", exchange->client->authority, text);
    case CURLE_OUT_OF_MEMORY:
        return ks_fail(KS_ERR_NOMEM, "%s: %s", exchange->client->authority, text);
    default:
        /* TLS 1.3 says what is wrong with our certificate only after the handshake. */
        if (exchange->alert > 0) {
            return ks_fail(KS_ERR_DENIED, "%s: the site refuses us: %s",
                           exchange->client->authority,
                           SSL_alert_desc_string_long(exchange->alert));
        }
        return ks_fail(KS_ERR_IO, "%s: %s", exchange->client->authority, text);
    }
}

static enum ks_err read_answer(struct exchange *exchange, struct ks_http_answer *out_answer)
{
    enum ks_err err = KS_OK;
    CURL *curl = exchange->client->curl;
    struct ks_http_answer answer = {0};
    long status = 0;
    long connects = 0;
    const char *type = NULL;
    struct ks_bytes type_text;

    KS_CHECK(curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
                 curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK &&
                 curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK,
             KS_ERR_INTERNAL, "libcurl does not know its answer");
    KS_CHECK(status >= 200 && status <= 599, KS_ERR_IO, "%s: status %ld",
             exchange->client->authority, status);
    type_text = ks_bytes_text(type != NULL ? type : "");
    KS_CHECK(type_text.len < sizeof answer.content_type && ks_http_is_value(type_text),
             KS_ERR_IO, "%s: bad content type in the answer", exchange->client->authority);
    ks_copy(answer.content_type, type_text.data, type_text.len);
    answer.status = (int)status;
    answer.reused = connects == 0;
    answer.resumed = exchange->resumed;
    answer.body = exchange->body; /* transferred */
    ks_buf_init(&exchange->body, 0);
    *out_answer = answer;
out:
    return err;
}

/* What libcurl measured; each is 0 where it does not know. */
static void take_facts(struct exchange *exchange)
{
    struct ks_http_facts *facts = &exchange->client->facts;
    CURL *curl = exchange->client->curl;
    curl_off_t connect_us = 0;
    curl_off_t handshake_us = 0;
    curl_off_t downloaded = 0;
    long connects = 0;
    long received = 0;

    (void)curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects);
    (void)curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME_T, &connect_us);
    (void)curl_easy_getinfo(curl, CURLINFO_APPCONNECT_TIME_T, &handshake_us);
    (void)curl_easy_getinfo(curl, CURLINFO_HEADER_SIZE, &received);
    (void)curl_easy_getinfo(curl, CURLINFO_SIZE_DOWNLOAD_T, &downloaded);
    if (!facts->encrypted && exchange->tls_us > 0) {
        /* A connection whose handshake failed: libcurl knows nothing of it. */
        connects = 1;
        connect_us = (curl_off_t)(exchange->tls_us - exchange->begin_us);
    }
    facts->connected = connects > 0;
    if (facts->connected && connect_us > 0) {
        facts->connect_us = (uint64_t)connect_us;
        facts->handshake_us =
            handshake_us > connect_us ? (uint64_t)(handshake_us - connect_us) : 0;
    }
    facts->bytes_received = (uint64_t)received + (uint64_t)downloaded;
    facts->attempts = exchange->attempts;
    if (exchange->timings > 1) {
        facts->timing[0] = '\0';
    }
}

const struct ks_http_facts *ks_http_client_facts(const struct ks_http_client *client)
{
    return &client->facts;
}

enum ks_err ks_http_client_call(struct ks_http_client *client, const struct ks_http_call *call,
                                struct ks_http_answer *out_answer)
{
    enum ks_err err = KS_OK;
    struct exchange exchange = {.client = client, .call = call, .alert = -1};
    char url[URL_MAX];
    CURLcode code = CURLE_OK;

    client->facts = (struct ks_http_facts){0};

    ks_buf_init(&exchange.body, client->response_max);
    client->exchange = &exchange;
    KS_TRY(set_request(&exchange, url, sizeof url));
    KS_TRY(put_plain_fields(&exchange));
    exchange.begin_us = ks_clock_monotonic_us();
    code = ks_curl_perform(client->curl);
    take_facts(&exchange);
    KS_TRY(outcome(&exchange, code));
    KS_TRY(read_answer(&exchange, out_answer));
out:
    client->exchange = NULL;
    (void)curl_easy_setopt(client->curl, CURLOPT_HTTPHEADER, NULL);
    (void)curl_easy_setopt(client->curl, CURLOPT_POSTFIELDS, NULL);
    curl_slist_free_all(exchange.outgoing.fields);
    ks_buf_done(&exchange.body);
    return err;
}

void ks_http_answer_done(struct ks_http_answer *answer)
{
    if (answer != NULL) {
        ks_buf_done(&answer->body);
    }
}
