/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "witness/server.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "net/head.h"
#include "net/stream.h"

#define TICK_MS     500 /* how late a stop or a deadline is noticed */
#define READ_CHUNK  16384
#define REQUEST_MAX (KS_HTTP_HEAD_MAX + KS_COSIGN_REQUEST_MAX)
#define ANSWER_MAX  (KS_NOTE_LEN_MAX + 1024)
#define TEXT_TYPE   "text/plain; charset=utf-8"

struct connection {
    int fd; /* -1: free */
    struct ks_buf in;
    size_t seen; /* of IN, looked through for the end of a head */
    struct ks_buf out;
    bool close; /* once OUT is sent */
    uint64_t deadline_us;
};

struct ks_witness_server {
    struct ks_witness_server_spec spec;
    int listen_fd;
    uint16_t port;
    struct connection connections[KS_WITNESS_CONNECTIONS_MAX];
};

static void set_deadline(struct connection *connection, unsigned ms)
{
    connection->deadline_us = ks_clock_monotonic_us() + (uint64_t)ms * 1000;
}

static void drop(struct connection *connection)
{
    ks_fd_close(&connection->fd);
    ks_buf_done(&connection->in);
    ks_buf_done(&connection->out);
    connection->seen = 0;
    connection->close = false;
}

/* --- answers ------------------------------------------------------------------------------ */

static const char *reason_of(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 409:
        return "Conflict";
    case 413:
        return "Content Too Large";
    case 422:
        return "Unprocessable Content";
    default:
        return "Service Unavailable";
    }
}

static void answer(struct connection *connection, int status, const char *type,
                   struct ks_bytes body)
{
    ks_buf_put_format(&connection->out,
                      "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                      "Cache-Control: no-store\r\n%s%s\r\n",
                      status, reason_of(status), type, body.len,
                      status == 405 ? "Allow: GET, POST\r\n" : "",
                      connection->close ? "Connection: close\r\n" : "");
    ks_buf_put(&connection->out, body);
    set_deadline(connection, KS_WITNESS_WRITE_MS);
}

static void answer_text(struct connection *connection, int status, const char *text)
{
    struct ks_buf body;

    ks_buf_init(&body, KS_ERR_DETAIL_MAX + 1);
    ks_buf_put_text(&body, text);
    ks_buf_put_text(&body, "\n");
    answer(connection, status, TEXT_TYPE, ks_buf_view(&body));
    ks_buf_done(&body);
}

static void answer_add(struct ks_witness_server *server, struct connection *connection,
                       struct ks_bytes body)
{
    struct ks_witness_answer said = {0};

    if (ks_witness_add(server->spec.witness, body, ks_clock_us() / 1000000, &said) != KS_OK) {
        answer_text(connection, 503, "out of memory");
        return;
    }
    answer(connection, said.status, said.type, ks_buf_view(&said.body));
    server->spec.told(&said);
    ks_witness_answer_done(&said);
}

/* "/" ID "/checkpoint". */
static void answer_checkpoint(struct ks_witness_server *server, struct connection *connection,
                              struct ks_bytes path)
{
    const struct ks_bytes tail = KS_LITERAL("/checkpoint");
    struct ks_bytes note = {0};

    if (path.len == 1 + KS_WITNESS_ID_LEN + tail.len &&
        ks_bytes_equal(ks_bytes_of(path.data + 1 + KS_WITNESS_ID_LEN, tail.len), tail) &&
        ks_witness_checkpoint(server->spec.witness,
                              ks_bytes_of(path.data + 1, KS_WITNESS_ID_LEN), &note) == KS_OK) {
        answer(connection, 200, TEXT_TYPE, note);
    } else {
        answer_text(connection, 404, "no such path, or no checkpoint of such a log");
    }
}

static void route(struct ks_witness_server *server, struct connection *connection,
                  const struct ks_http_head *head, struct ks_bytes body)
{
    const struct ks_bytes prefix = ks_bytes_text(server->spec.prefix);
    struct ks_bytes path = head->path;

    if (path.len <= prefix.len || !ks_bytes_equal(ks_bytes_of(path.data, prefix.len), prefix)) {
        answer_text(connection, 404, "no such path");
        return;
    }
    path = ks_bytes_of(path.data + prefix.len, path.len - prefix.len);
    if (ks_bytes_is(path, "/add-checkpoint")) {
        if (ks_bytes_is(head->method, "POST")) {
            answer_add(server, connection, body);
        } else {
            answer_text(connection, 405, "this path takes POST");
        }
    } else if (!ks_bytes_is(head->method, "GET")) {
        answer_text(connection, 405, "this path takes GET, if it is one");
    } else if (ks_bytes_is(path, "/healthz")) {
        answer_text(connection, 200, "ok");
    } else {
        answer_checkpoint(server, connection, path);
    }
}

/* --- requests ----------------------------------------------------------------------------- */

/* Answers the requests that are complete, as long as the answers get sent. False: there is
 * nothing to do but to wait for more. */
static bool take_request(struct ks_witness_server *server, struct connection *connection)
{
    struct ks_http_head head;
    size_t len = ks_http_head_end(ks_buf_view(&connection->in), connection->seen);
    enum ks_err err = KS_OK;

    if (len == 0) {
        connection->seen = connection->in.len;
        if (connection->in.len < KS_HTTP_HEAD_MAX) {
            return false;
        }
        err = ks_fail(KS_ERR_LIMIT, "the head is over %d bytes", KS_HTTP_HEAD_MAX);
    } else {
        err = ks_http_head_parse(ks_bytes_of(connection->in.data, len), KS_COSIGN_REQUEST_MAX,
                                 &head);
    }
    if (err != KS_OK) {
        connection->close = true;
        answer_text(connection, err == KS_ERR_LIMIT ? 413 : 400, ks_err_detail());
        return true;
    }
    if (connection->in.len - len < head.content_length) {
        return false;
    }
    connection->close = ks_http_head_has_token(&head, "connection", "close");
    route(server, connection, &head,
          ks_bytes_of(connection->in.data + len, (size_t)head.content_length));
    ks_buf_consume(&connection->in, len + (size_t)head.content_length);
    connection->seen = 0;
    return true;
}

/* True while the connection lives. */
static bool send_some(struct connection *connection)
{
    while (connection->out.len > 0) {
        const ssize_t sent =
            send(connection->fd, connection->out.data, connection->out.len, MSG_NOSIGNAL);

        if (sent < 0 && (errno == EAGAIN || errno == EINTR)) {
            return true;
        }
        if (sent < 0) {
            return false;
        }
        ks_buf_consume(&connection->out, (size_t)sent);
    }
    if (connection->close) {
        return false;
    }
    set_deadline(connection,
                 connection->in.len > 0 ? KS_WITNESS_REQUEST_MS : KS_WITNESS_IDLE_MS);
    return true;
}

static bool receive_some(struct connection *connection)
{
    const bool fresh = connection->in.len == 0;
    uint8_t *target = ks_buf_reserve(&connection->in, READ_CHUNK);
    const ssize_t got = target == NULL ? -1 : recv(connection->fd, target, READ_CHUNK, 0);

    if (got < 0 && target != NULL && (errno == EAGAIN || errno == EINTR)) {
        return true;
    }
    if (got <= 0) {
        return false;
    }
    ks_buf_grew(&connection->in, (size_t)got);
    if (fresh) {
        set_deadline(connection, KS_WITNESS_REQUEST_MS);
    }
    return true;
}

/* One turn of a connection; false ends it. While an answer waits to be sent nothing is read:
 * one request at a time. */
static bool serve(struct ks_witness_server *server, struct connection *connection,
                  short revents)
{
    bool alive = true;

    if (connection->out.len == 0 && (revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
        alive = receive_some(connection);
    }
    if (connection->out.len > 0 && (revents & (POLLOUT | POLLHUP | POLLERR)) != 0) {
        alive = send_some(connection);
    }
    while (alive && connection->out.len == 0 && connection->in.len > 0 &&
           take_request(server, connection)) {
        alive = connection->out.err == KS_OK && send_some(connection);
    }
    return alive && ks_clock_monotonic_us() < connection->deadline_us;
}

/* --- the loop ----------------------------------------------------------------------------- */

enum ks_err ks_witness_server_open(const struct ks_witness_server_spec *spec,
                                   struct ks_witness_server **out_server)
{
    enum ks_err err = KS_OK;
    struct ks_witness_server *server = ks_calloc(1, sizeof *server);

    KS_CHECK(server != NULL, KS_ERR_NOMEM, "witness");
    server->spec = *spec;
    server->listen_fd = -1;
    for (size_t i = 0; i < KS_WITNESS_CONNECTIONS_MAX; i++) {
        server->connections[i].fd = -1;
    }
    KS_TRY(ks_stream_listen(spec->address, spec->port, &server->listen_fd, &server->port));
    *out_server = server;
    server = NULL; /* transferred */
out:
    ks_witness_server_free(server);
    return err;
}

void ks_witness_server_free(struct ks_witness_server *server)
{
    if (server == NULL) {
        return;
    }
    for (size_t i = 0; i < KS_WITNESS_CONNECTIONS_MAX; i++) {
        drop(&server->connections[i]);
    }
    ks_fd_close(&server->listen_fd);
    ks_free(server);
}

uint16_t ks_witness_server_port(const struct ks_witness_server *server)
{
    return server->port;
}

static void accept_one(struct ks_witness_server *server, struct connection *connection)
{
    const int fd = accept4(server->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd >= 0) { /* else it has left again, or there are too many descriptors: later */
        connection->fd = fd;
        ks_buf_init(&connection->in, REQUEST_MAX + READ_CHUNK);
        ks_buf_init(&connection->out, ANSWER_MAX);
        set_deadline(connection, KS_WITNESS_IDLE_MS);
    }
}

static enum ks_err turn(struct ks_witness_server *server)
{
    struct pollfd fds[1 + KS_WITNESS_CONNECTIONS_MAX] = {{.fd = -1, .events = POLLIN}};
    struct connection *spare = NULL;

    for (size_t i = 0; i < KS_WITNESS_CONNECTIONS_MAX; i++) {
        struct connection *connection = &server->connections[i];

        fds[1 + i].fd = connection->fd;
        fds[1 + i].events = connection->out.len > 0 ? POLLOUT : POLLIN;
        spare = connection->fd < 0 ? connection : spare;
    }
    fds[0].fd = spare != NULL ? server->listen_fd : -1;
    if (poll(fds, sizeof fds / sizeof fds[0], TICK_MS) < 0) {
        return errno == EINTR ? KS_OK : ks_fail(KS_ERR_IO, "poll: %s", strerror(errno));
    }
    for (size_t i = 0; i < KS_WITNESS_CONNECTIONS_MAX; i++) {
        struct connection *connection = &server->connections[i];

        if (connection->fd >= 0 && !serve(server, connection, fds[1 + i].revents)) {
            drop(connection);
        }
    }
    if ((fds[0].revents & POLLIN) != 0) {
        accept_one(server, spare);
    }
    return KS_OK;
}

enum ks_err ks_witness_server_run(struct ks_witness_server *server,
                                  const volatile sig_atomic_t *stop)
{
    enum ks_err err = KS_OK;

    while (*stop == 0) {
        KS_TRY(turn(server));
    }
out:
    return err;
}
