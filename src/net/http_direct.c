/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* http_client.h once more, without libcurl: for libketseal, which is loaded into programs of
 * others. Their process may have another libssl already, and a second libcurl would take that
 * one. So here is nothing but sockets, tls_memory.h and response.h. Sessions are not resumed.
 * Names are looked up without a deadline of ours. */
#include "net/http_client.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "net/http_call.h"
#include "net/response.h"
#include "net/tls_memory.h"

#define IDLE_REUSE_US  UINT64_C(30000000) /* a site closes idle connections after 60 s */
#define READ_STEP      65536
#define CIPHERTEXT_MAX ((size_t)64 << 20)
#define FRAMING_MAX    ((size_t)1 << 20) /* what chunks may add to a body */
#define FIELDS_MAX     32
#define POLL_MS_MAX    60000
#define HOST_LEN_MAX   253
#define PORT_LEN_MAX   5
#define GONE           "%s: " KS_HTTP_LOST

struct place {
    char host[HOST_LEN_MAX + 1];
    char port[PORT_LEN_MAX + 1];
};

struct ks_http_client {
    struct ks_tls *tls;
    char authority[KS_HTTP_HOST_MAX + 1];
    struct place origin; /* whose certificate it has to be */
    struct place at;     /* where it is */
    size_t response_max;
    uint64_t connect_us;
    uint64_t total_us;
    int fd; /* -1: not connected */
    struct ks_tls_memory *memory;
    uint64_t used_us; /* when the last exchange on it ended */
    struct ks_http_facts facts;
};

struct ks_http_outgoing {
    struct ks_buf fields; /* as they stand in the head */
    unsigned count;
};

/* --- the client --------------------------------------------------------------------------- */

/* AUTHORITY, checked, as host and port. */
static enum ks_err split(const char *authority, struct place *out_place)
{
    enum ks_err err = KS_OK;
    const char *host = authority[0] == '[' ? authority + 1 : authority;
    size_t len = strcspn(host, authority[0] == '[' ? "]" : ":");
    const char *rest = host + len + (authority[0] == '[' ? 1 : 0);
    const char *port = rest[0] == ':' ? rest + 1 : "443";
    struct place place = {0};

    KS_CHECK(len <= HOST_LEN_MAX && strlen(port) <= PORT_LEN_MAX, KS_ERR_USAGE,
             "'%s' is not host:port", authority);
    ks_copy(place.host, host, len);
    ks_copy(place.port, port, strlen(port));
    *out_place = place;
out:
    return err;
}

enum ks_err ks_http_client_new(const struct ks_http_client_spec *spec,
                               struct ks_http_client **out_client)
{
    enum ks_err err = KS_OK;
    struct ks_http_client *client = ks_calloc(1, sizeof *client);
    const char *at = spec->connect_to;

    if (client == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for a client");
    }
    client->fd = -1;
    client->tls = spec->tls;
    client->connect_us = (spec->connect_ms > 0 ? spec->connect_ms : 10000) * UINT64_C(1000);
    client->total_us = (spec->total_ms > 0 ? spec->total_ms : 60000) * UINT64_C(1000);
    client->response_max = spec->response_max > 0 ? spec->response_max : (size_t)8 << 20;
    KS_TRY(ks_http_origin_parse(spec->origin, client->authority));
    KS_TRY(split(client->authority, &client->origin));
    KS_CHECK(at == NULL || ks_http_is_authority(ks_bytes_text(at)), KS_ERR_USAGE,
             "'%s' is not host:port", at);
    KS_TRY(split(at == NULL ? client->authority : at, &client->at));
    *out_client = client;
    client = NULL; /* transferred */
out:
    ks_http_client_free(client);
    return err;
}

static void disconnect(struct ks_http_client *client)
{
    ks_tls_memory_free(client->memory);
    client->memory = NULL;
    ks_fd_close(&client->fd);
}

void ks_http_client_free(struct ks_http_client *client)
{
    if (client != NULL) {
        disconnect(client);
        ks_free(client);
    }
}

const char *ks_http_client_authority(const struct ks_http_client *client)
{
    return client->authority;
}

enum ks_err ks_http_outgoing_add(struct ks_http_outgoing *outgoing, const char *name,
                                 const char *value)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_http_field_check(name, value));
    KS_CHECK(outgoing->count < FIELDS_MAX, KS_ERR_LIMIT, "over %d fields in a request head",
             FIELDS_MAX);
    ks_buf_put_format(&outgoing->fields, "%s: %s\r\n", name, value);
    KS_TRY(ks_buf_check(&outgoing->fields));
    outgoing->count++;
out:
    return err;
}

/* --- bytes -------------------------------------------------------------------------------- */

/* Until the socket is ready for EVENTS. */
static enum ks_err wait_for(const struct ks_http_client *client, short events,
                            uint64_t deadline_us)
{
    struct pollfd entry = {.fd = client->fd, .events = events};
    int ready = 0;

    while (ready <= 0) {
        uint64_t now_us = ks_clock_monotonic_us();
        uint64_t left_ms = now_us < deadline_us ? (deadline_us - now_us) / 1000 + 1 : 0;

        if (left_ms == 0) {
            return ks_fail(KS_ERR_IO, "%s: no answer in time", client->authority);
        }
        ready = poll(&entry, 1, (int)(left_ms < POLL_MS_MAX ? left_ms : POLL_MS_MAX));
        if (ready < 0 && errno != EINTR) {
            return ks_fail(KS_ERR_IO, "%s: poll: %s", client->authority, strerror(errno));
        }
    }
    return KS_OK;
}

/* One address of the site's: a socket that is connected to it. */
static enum ks_err try_address(struct ks_http_client *client, const struct addrinfo *address,
                               uint64_t deadline_us)
{
    enum ks_err err = KS_OK;
    int failure = 0;
    socklen_t size = sizeof failure;
    int on = 1;

    client->fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    KS_CHECK(client->fd >= 0, KS_ERR_IO, "socket: %s", strerror(errno));
    (void)setsockopt(client->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* slower without */
    if (connect(client->fd, address->ai_addr, address->ai_addrlen) != 0) {
        KS_CHECK(errno == EINPROGRESS, KS_ERR_IO, "%s: %s", client->authority, strerror(errno));
        KS_TRY(wait_for(client, POLLOUT, deadline_us));
        KS_CHECK(getsockopt(client->fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0 &&
                     failure == 0,
                 KS_ERR_IO, "%s: %s", client->authority, strerror(failure));
    }
out:
    if (err != KS_OK) {
        ks_fd_close(&client->fd);
    }
    return err;
}

static enum ks_err open_socket(struct ks_http_client *client, uint64_t deadline_us)
{
    static const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                          .ai_socktype = SOCK_STREAM,
                                          .ai_flags = AI_NUMERICSERV | AI_ADDRCONFIG};
    struct addrinfo *found = NULL;
    enum ks_err err = KS_ERR_IO;
    int failure = getaddrinfo(client->at.host, client->at.port, &hints, &found);

    if (failure != 0) {
        return ks_fail(KS_ERR_IO, "%s: %s", client->authority, gai_strerror(failure));
    }
    for (const struct addrinfo *a = found; a != NULL && err == KS_ERR_IO; a = a->ai_next) {
        err = try_address(client, a, deadline_us);
    }
    freeaddrinfo(found);
    return err;
}

/* Sends all of CIPHERTEXT, and empties it. */
static enum ks_err send_all(struct ks_http_client *client, struct ks_buf *ciphertext,
                            uint64_t deadline_us)
{
    enum ks_err err = KS_OK;
    size_t sent = 0;

    while (sent < ciphertext->len) {
        ssize_t count =
            send(client->fd, ciphertext->data + sent, ciphertext->len - sent, MSG_NOSIGNAL);

        if (count >= 0) {
            sent += (size_t)count;
        } else if (errno == EAGAIN) {
            KS_TRY(wait_for(client, POLLOUT, deadline_us));
        } else {
            KS_CHECK(errno == EINTR, KS_ERR_IO, GONE, client->authority);
        }
    }
out:
    ks_buf_clear(ciphertext);
    return err;
}

/* Waits for more ciphertext and hands it on. */
static enum ks_err receive(struct ks_http_client *client, uint64_t deadline_us)
{
    enum ks_err err = KS_OK;
    uint8_t bytes[READ_STEP];
    ssize_t count = -1;

    while (count < 0) {
        KS_TRY(wait_for(client, POLLIN, deadline_us));
        count = recv(client->fd, bytes, sizeof bytes, 0);
        KS_CHECK(count > 0 || (count < 0 && (errno == EAGAIN || errno == EINTR)), KS_ERR_IO,
                 GONE, client->authority);
    }
    KS_TRY(ks_tls_memory_feed(client->memory, ks_bytes_of(bytes, (size_t)count)));
out:
    return err;
}

/* --- one exchange ------------------------------------------------------------------------- */

struct exchange {
    struct ks_http_client *client;
    const struct ks_http_call *call;
    uint64_t deadline_us;
    struct ks_buf outgoing;   /* plain text that waits to be sent */
    struct ks_buf ciphertext; /* that waits to be sent */
    struct ks_buf incoming;   /* plain text that came */
    bool reused;
};

/* What an error of TLS means: who refused whom. */
static enum ks_err explain(const struct ks_http_client *client, enum ks_err err)
{
    const char *alert = ks_tls_memory_alert(client->memory);
    uint8_t exporter[KS_TLS_EXPORTER_LEN];
    bool complete = false;

    if (err != KS_ERR_IO || alert == NULL) {
        return ks_fail_prefix(err, "%s", client->authority);
    }
    complete = ks_tls_memory_exporter(client->memory, exporter) == KS_OK;
    ks_wipe(exporter, sizeof exporter);
    /* TLS 1.3 says what is wrong with our certificate only after the handshake. */
    return complete
               ? ks_fail(KS_ERR_DENIED, "%s: the site refuses us: %s", client->authority, alert)
               : ks_fail(KS_ERR_VERIFY, "%s: TLS handshake refused: %s", client->authority,
                         alert);
}

/* TLS goes on as far as it can, both ways. */
static enum ks_err turn(struct exchange *exchange)
{
    struct ks_http_client *client = exchange->client;
    enum ks_err err = ks_tls_memory_turn(client->memory, &exchange->outgoing,
                                         &exchange->ciphertext, &exchange->incoming);
    enum ks_err sent = KS_OK;

    if (err == KS_OK) {
        return send_all(client, &exchange->ciphertext, exchange->deadline_us);
    }
    err = explain(client, err);
    if (exchange->ciphertext.len > 0) { /* an alert, for the other end's log */
        char detail[KS_ERR_DETAIL_MAX];

        ks_copy(detail, ks_err_detail(), strlen(ks_err_detail()) + 1);
        sent = send_all(client, &exchange->ciphertext, exchange->deadline_us);
        err = sent == KS_OK ? err : ks_fail(err, "%s", detail);
    }
    return err;
}

/* Until the peer is verified. */
static enum ks_err shake_hands(struct exchange *exchange)
{
    enum ks_err err = KS_OK;
    struct ks_http_client *client = exchange->client;
    uint8_t exporter[KS_TLS_EXPORTER_LEN];

    KS_TRY(turn(exchange));
    while (ks_tls_memory_exporter(client->memory, exporter) != KS_OK) {
        err = receive(client, exchange->deadline_us);
        if (err == KS_ERR_IO && strstr(ks_err_detail(), KS_HTTP_LOST) != NULL) {
            err = ks_fail(KS_ERR_IO, "%s: the connection broke during the TLS handshake",
                          client->authority);
        }
        KS_TRY(err);
        KS_TRY(turn(exchange));
    }
out:
    ks_wipe(exporter, sizeof exporter);
    return err;
}

/* Between exchanges there is nothing to read on a connection but its end. */
static bool still_good(const struct ks_http_client *client)
{
    char byte = 0;

    return client->fd >= 0 && ks_clock_monotonic_us() - client->used_us < IDLE_REUSE_US &&
           recv(client->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 &&
           (errno == EAGAIN || errno == EWOULDBLOCK);
}

static enum ks_err connect_site(struct exchange *exchange)
{
    enum ks_err err = KS_OK;
    struct ks_http_client *client = exchange->client;
    uint64_t total_us = exchange->deadline_us;
    uint64_t connect_us = ks_clock_monotonic_us() + client->connect_us;
    uint64_t begin_us = 0;
    uint64_t connected_us = 0;

    exchange->reused = still_good(client);
    if (exchange->reused) {
        return KS_OK;
    }
    disconnect(client);
    exchange->deadline_us = connect_us < total_us ? connect_us : total_us;
    begin_us = ks_clock_monotonic_us();
    KS_TRY(open_socket(client, exchange->deadline_us));
    connected_us = ks_clock_monotonic_us();
    client->facts.connected = true;
    client->facts.connect_us = connected_us - begin_us;
    KS_TRY(ks_tls_memory_new(client->tls, client->origin.host, &client->memory));
    KS_TRY(shake_hands(exchange));
    client->facts.handshake_us = ks_clock_monotonic_us() - connected_us;
out:
    exchange->deadline_us = total_us;
    return err;
}

/* Head and body, with what the caller adds for this very connection. */
static enum ks_err put_request(struct exchange *exchange)
{
    enum ks_err err = KS_OK;
    const struct ks_http_call *call = exchange->call;
    struct ks_http_client *client = exchange->client;
    struct ks_http_outgoing outgoing = {0};
    uint8_t exporter[KS_TLS_EXPORTER_LEN];

    ks_buf_init(&outgoing.fields, KS_HTTP_HEAD_MAX);
    KS_TRY(ks_tls_memory_exporter(client->memory, exporter));
    if (call->content_type != NULL) {
        KS_TRY(ks_http_outgoing_add(&outgoing, "Content-Type", call->content_type));
    }
    if (call->prepare != NULL) {
        KS_TRY(call->prepare(call->context, exporter, ks_tls_memory_peer(client->memory),
                             &outgoing));
    }
    ks_buf_clear(&exchange->outgoing);
    ks_buf_put_format(&exchange->outgoing, "%s %s HTTP/1.1\r\nHost: %s\r\nAccept: */*\r\n",
                      call->method, call->target, client->authority);
    ks_buf_put(&exchange->outgoing, ks_buf_view(&outgoing.fields));
    if (call->content_type != NULL) {
        ks_buf_put_format(&exchange->outgoing, "Content-Length: %zu\r\n", call->body.len);
    }
    ks_buf_put_text(&exchange->outgoing, "\r\n");
    ks_buf_put(&exchange->outgoing, call->body);
    KS_TRY(ks_buf_check(&exchange->outgoing));
    client->facts.encrypted = true;
    client->facts.group = ks_tls_memory_group(client->memory);
    client->facts.bytes_sent += exchange->outgoing.len;
    client->facts.attempts++;
out:
    ks_buf_done(&outgoing.fields);
    ks_wipe(exporter, sizeof exporter);
    return err;
}

static enum ks_err take_answer(struct exchange *exchange,
                               const struct ks_http_response_head *head,
                               struct ks_http_answer *answer)
{
    enum ks_err err = KS_OK;
    struct ks_http_client *client = exchange->client;

    KS_CHECK(head->content_type.len < sizeof answer->content_type, KS_ERR_IO,
             "%s: bad content type in the answer", client->authority);
    ks_copy(answer->content_type, head->content_type.data, head->content_type.len);
    answer->status = head->status;
    answer->reused = exchange->reused;
    client->facts.bytes_received += head->len;
    if (head->server_timing.len <= KS_HTTP_TIMING_MAX) {
        ks_copy(client->facts.timing, head->server_timing.data, head->server_timing.len);
    }
    client->facts.retry_after_s = ks_http_retry_of(head->retry_after);
    /* What stands behind the answer is none of ours: nobody asked. */
    if (head->close || head->len != exchange->incoming.len) {
        disconnect(client);
    }
    client->used_us = ks_clock_monotonic_us();
out:
    return err;
}

/* Sends and receives until the answer is whole. */
static enum ks_err converse(struct exchange *exchange, struct ks_http_answer *out_answer)
{
    enum ks_err err = KS_OK;
    struct ks_http_response_head head;
    struct ks_http_answer answer = {0};

    ks_buf_init(&answer.body, exchange->client->response_max);
    KS_TRY(put_request(exchange));
    for (;;) {
        enum ks_err ended = turn(exchange); /* an answer may come before the end */
        char detail[KS_ERR_DETAIL_MAX];

        ks_copy(detail, ks_err_detail(), strlen(ks_err_detail()) + 1);
        err = ks_http_response_parse(ks_buf_view(&exchange->incoming),
                                     exchange->client->response_max, &answer.body, &head);
        if (err != KS_ERR_NOT_FOUND) {
            KS_TRY(ks_fail_prefix(err, "%s", exchange->client->authority));
            break;
        }
        err = ended == KS_OK ? receive(exchange->client, exchange->deadline_us)
                             : ks_fail(ended, "%s", detail);
        KS_TRY(err);
    }
    KS_TRY(take_answer(exchange, &head, &answer));
    *out_answer = answer;
    ks_buf_init(&answer.body, 0); /* transferred */
out:
    ks_buf_done(&answer.body);
    return err;
}

enum ks_err ks_http_client_call(struct ks_http_client *client, const struct ks_http_call *call,
                                struct ks_http_answer *out_answer)
{
    enum ks_err err = KS_OK;
    struct exchange exchange = {.client = client, .call = call};

    ks_buf_init(&exchange.outgoing, KS_HTTP_HEAD_MAX + call->body.len + KS_HTTP_TARGET_MAX);
    ks_buf_init(&exchange.ciphertext, CIPHERTEXT_MAX);
    ks_buf_init(&exchange.incoming,
                KS_HTTP_RESPONSE_HEAD_MAX + client->response_max + FRAMING_MAX);
    client->facts = (struct ks_http_facts){0};
    KS_TRY(ks_http_call_check(call));
    exchange.deadline_us = ks_clock_monotonic_us() + client->total_us;
    KS_TRY(connect_site(&exchange));
    err = converse(&exchange, out_answer);
    if (err == KS_ERR_IO && exchange.reused && exchange.incoming.len == 0 &&
        strcmp(call->method, "GET") == 0) { /* the site had just closed it */
        disconnect(client);
        KS_TRY(connect_site(&exchange));
        err = converse(&exchange, out_answer);
    }
out:
    if (err != KS_OK) {
        disconnect(client);
    }
    ks_buf_wipe(&exchange.outgoing);
    ks_buf_done(&exchange.ciphertext);
    ks_buf_wipe(&exchange.incoming);
    return err;
}

const struct ks_http_facts *ks_http_client_facts(const struct ks_http_client *client)
{
    return &client->facts;
}

void ks_http_answer_done(struct ks_http_answer *answer)
{
    if (answer != NULL) {
        ks_buf_done(&answer->body);
    }
}
