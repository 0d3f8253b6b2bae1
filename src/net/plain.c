/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "net/plain.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "net/head.h"
#include "net/response.h"

#define READ_STEP 16384
#define HEAD_ROOM 1024 /* of an answer */
#define BACKLOG   128
#define SCHEME    "http://"

struct connection {
    int fd;
    struct ks_buf in;
    struct ks_buf out;
    size_t sent;
    size_t seen; /* bytes of IN without the end of a head */
    bool closing;
    uint64_t deadline_us;
};

struct ks_plain_server {
    struct ks_plain_spec spec;
    int fd;
    uint16_t port;
    struct ks_buf body;
    size_t count;
    struct connection connections[KS_PLAIN_CONNECTIONS_MAX];
};

/* --- addresses ---------------------------------------------------------------------------- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static enum ks_err read_address(const char *text, uint16_t port, union address *out,
                                socklen_t *out_len)
{
    *out = (union address){.v6 = {0}};
    if (inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        *out_len = sizeof out->v4;
        return KS_OK;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        *out_len = sizeof out->v6;
        return KS_OK;
    }
    return ks_fail(KS_ERR_USAGE, "'%s' is no address", text);
}

/* --- the server --------------------------------------------------------------------------- */

enum ks_err ks_plain_server_open(const struct ks_plain_spec *spec,
                                 struct ks_plain_server **out_server)
{
    enum ks_err err = KS_OK;
    struct ks_plain_server *server = ks_calloc(1, sizeof *server);
    union address address;
    socklen_t len = 0;
    const int on = 1;

    if (server == NULL) {
        return ks_fail(KS_ERR_NOMEM, "server");
    }
    *server = (struct ks_plain_server){.spec = *spec, .fd = -1};
    ks_buf_init(&server->body, spec->body_max);
    KS_TRY(read_address(spec->address, spec->port, &address, &len));
    server->fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    KS_CHECK(server->fd >= 0 &&
                 setsockopt(server->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                 bind(server->fd, &address.any, len) == 0 && listen(server->fd, BACKLOG) == 0 &&
                 getsockname(server->fd, &address.any, &len) == 0,
             KS_ERR_IO, "listen on '%s' port %u: %s", spec->address, (unsigned)spec->port,
             strerror(errno));
    server->port =
        ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    *out_server = server;
    server = NULL; /* transferred */
out:
    ks_plain_server_close(server);
    return err;
}

uint16_t ks_plain_server_port(const struct ks_plain_server *server)
{
    return server->port;
}

static void connection_done(struct connection *connection)
{
    ks_fd_close(&connection->fd);
    ks_buf_done(&connection->in);
    ks_buf_done(&connection->out);
}

void ks_plain_server_close(struct ks_plain_server *server)
{
    if (server == NULL) {
        return;
    }
    for (size_t i = 0; i < server->count; i++) {
        connection_done(&server->connections[i]);
    }
    ks_buf_done(&server->body);
    ks_fd_close(&server->fd);
    ks_free(server);
}

static void put_answer(struct connection *connection, int status, const char *fields,
                       struct ks_bytes body, bool with_body)
{
    const char *reason = status == 200   ? "OK"
                         : status == 404 ? "Not Found"
                         : status == 405 ? "Method Not Allowed"
                         : status == 400 ? "Bad Request"
                                         : "Internal Server Error";

    ks_buf_put_format(&connection->out, "HTTP/1.1 %d %s\r\n%sContent-Length: %zu\r\n%s\r\n",
                      status, reason, fields, body.len,
                      connection->closing ? "Connection: close\r\n" : "");
    if (with_body) {
        ks_buf_put(&connection->out, body);
    }
    connection->deadline_us = ks_clock_monotonic_us() + KS_PLAIN_WRITE_MS * UINT64_C(1000);
}

static void answer(struct ks_plain_server *server, struct connection *connection,
                   const struct ks_http_head *head)
{
    struct ks_plain_reply reply = {0};
    const bool get = ks_bytes_is(head->method, "GET");
    char fields[HEAD_ROOM / 2] = "";

    if (!get && !ks_bytes_is(head->method, "HEAD")) {
        put_answer(connection, 405, "Allow: GET, HEAD\r\n", (struct ks_bytes){0}, true);
        return;
    }
    ks_buf_clear(&server->body);
    if (server->spec.handler(server->spec.context, head->path, &server->body, &reply) !=
        KS_OK) {
        ks_buf_clear(&server->body);
        reply = (struct ks_plain_reply){.status = 500};
    }
    if (reply.content_type != NULL) {
        (void)snprintf(fields, sizeof fields, "Content-Type: %s\r\nCache-Control: %s\r\n",
                       reply.content_type, reply.cache_control);
    }
    put_answer(connection, reply.status, fields, ks_buf_view(&server->body), get);
}

/* Answers the head at the front of what came, if it is whole. False: the connection ends. */
static bool take_request(struct ks_plain_server *server, struct connection *connection)
{
    struct ks_http_head head;
    const struct ks_bytes in = ks_buf_view(&connection->in);
    const size_t len = ks_http_head_end(in, connection->seen);

    if (len == 0) {
        connection->seen = in.len;
        return in.len < KS_HTTP_HEAD_MAX;
    }
    connection->seen = 0;
    if (ks_http_head_parse(ks_bytes_of(in.data, len), 0, &head) != KS_OK) {
        connection->closing = true;
        put_answer(connection, 400, "", (struct ks_bytes){0}, true);
    } else {
        connection->closing = ks_http_head_has_token(&head, "connection", "close");
        answer(server, connection, &head);
    }
    ks_buf_consume(&connection->in, len);
    return connection->out.err == KS_OK;
}

/* What can be sent now. False: the connection ends. */
static bool send_more(struct connection *connection)
{
    const ssize_t sent = send(connection->fd, connection->out.data + connection->sent,
                              connection->out.len - connection->sent, MSG_NOSIGNAL);

    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    connection->sent += (size_t)sent;
    if (connection->sent < connection->out.len) {
        return true;
    }
    ks_buf_clear(&connection->out);
    connection->sent = 0;
    connection->deadline_us = ks_clock_monotonic_us() + KS_PLAIN_HEAD_MS * UINT64_C(1000);
    return !connection->closing;
}

static bool receive_more(struct connection *connection)
{
    uint8_t *target = ks_buf_reserve(&connection->in, READ_STEP);
    ssize_t got = 0;

    if (target == NULL) {
        return false;
    }
    got = recv(connection->fd, target, READ_STEP, 0);
    if (got > 0) {
        ks_buf_grew(&connection->in, (size_t)got);
    }
    return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

/* False: the connection ends. One answer at a time: the next head waits. */
static bool turn(struct ks_plain_server *server, struct connection *connection, short events)
{
    if (connection->out.len == 0 && (events & (POLLIN | POLLHUP | POLLERR)) != 0) {
        if (!receive_more(connection) || !take_request(server, connection)) {
            return false;
        }
    } else if (connection->out.len > 0 && (events & (POLLOUT | POLLHUP | POLLERR)) != 0) {
        if (!send_more(connection)) {
            return false;
        }
        if (connection->out.len == 0 && connection->in.len > 0 &&
            !take_request(server, connection)) {
            return false;
        }
    }
    return ks_clock_monotonic_us() < connection->deadline_us;
}

static void take_connection(struct ks_plain_server *server)
{
    const int fd = accept4(server->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    struct connection *connection = &server->connections[server->count];

    if (fd < 0) {
        return; /* it has gone again, or there is no descriptor: the next turn tries again */
    }
    *connection = (struct connection){
        .fd = fd, .deadline_us = ks_clock_monotonic_us() + KS_PLAIN_HEAD_MS * UINT64_C(1000)};
    ks_buf_init(&connection->in, KS_HTTP_HEAD_MAX + READ_STEP);
    ks_buf_init(&connection->out, server->spec.body_max + HEAD_ROOM);
    server->count++;
}

enum ks_err ks_plain_server_run(struct ks_plain_server *server, int stop_fd)
{
    enum ks_err err = KS_OK;
    struct pollfd fds[2 + KS_PLAIN_CONNECTIONS_MAX];

    for (;;) {
        size_t kept = 0;
        const size_t count = server->count;

        fds[0] = (struct pollfd){.fd = stop_fd, .events = POLLIN};
        fds[1] = (struct pollfd){.fd = count < KS_PLAIN_CONNECTIONS_MAX ? server->fd : -1,
                                 .events = POLLIN};
        for (size_t i = 0; i < count; i++) {
            fds[2 + i] = (struct pollfd){.fd = server->connections[i].fd,
                                         .events = server->connections[i].out.len > 0 ? POLLOUT
                                                                                      : POLLIN};
        }
        /* Woken each second, so that deadlines hold when nothing happens. */
        KS_CHECK(poll(fds, 2 + count, 1000) >= 0 || errno == EINTR, KS_ERR_IO, "poll: %s",
                 strerror(errno));
        if (fds[0].revents != 0) {
            break;
        }
        for (size_t i = 0; i < count; i++) {
            struct connection connection = server->connections[i];

            if (turn(server, &connection, fds[2 + i].revents)) {
                server->connections[kept++] = connection;
            } else {
                connection_done(&connection);
            }
        }
        server->count = kept;
        if (fds[1].revents != 0) {
            take_connection(server);
        }
    }
out:
    return err;
}

/* --- the client --------------------------------------------------------------------------- */

struct target {
    char host[KS_HTTP_HOST_MAX + 1]; /* without brackets */
    char port[8];
    char authority[KS_HTTP_HOST_MAX + 1];
    const char *path;
};

static enum ks_err read_url(const char *url, struct target *out)
{
    enum ks_err err = KS_OK;
    struct target target = {.port = "80"};
    const size_t scheme = sizeof SCHEME - 1;
    const char *from = url + scheme;
    size_t len = 0;
    const char *colon = NULL;

    KS_CHECK(strncmp(url, SCHEME, scheme) == 0, KS_ERR_USAGE, "'%s' is no http:// address",
             url);
    len = strcspn(from, "/");
    target.path = from[len] == '\0' ? "/" : from + len;
    KS_CHECK(len <= KS_HTTP_HOST_MAX && ks_http_is_authority(ks_bytes_of(from, len)) &&
                 strlen(target.path) <= KS_HTTP_TARGET_MAX &&
                 target.path[strcspn(target.path, " \t\r\n#")] == '\0',
             KS_ERR_USAGE, "'%s' is no http:// address", url);
    ks_copy(target.authority, from, len);
    ks_copy(target.host, from, len);
    colon = strrchr(target.host, ':');
    if (colon != NULL && strchr(colon, ']') == NULL) {
        const size_t port = (size_t)(colon - target.host);

        KS_CHECK(len - port - 1 >= 1 && len - port - 1 < sizeof target.port, KS_ERR_USAGE,
                 "'%s': the port", url);
        ks_copy(target.port, colon + 1, len - port); /* with its NUL */
        target.host[port] = '\0';
    }
    if (target.host[0] == '[') {
        const size_t inner = strlen(target.host) - 2;

        for (size_t i = 0; i < inner; i++) {
            target.host[i] = target.host[i + 1];
        }
        target.host[inner] = '\0';
    }
    *out = target;
out:
    return err;
}

/* Waits until FD is ready for EVENTS, at most until DEADLINE_US. */
static enum ks_err wait_for(int fd, short events, uint64_t deadline_us)
{
    struct pollfd entry = {.fd = fd, .events = events};

    for (;;) {
        const uint64_t now_us = ks_clock_monotonic_us();
        const uint64_t left_ms = now_us < deadline_us ? (deadline_us - now_us) / 1000 + 1 : 0;
        const int ready =
            left_ms == 0 ? 0 : poll(&entry, 1, left_ms > 60000 ? 60000 : (int)left_ms);

        if (ready > 0) {
            return KS_OK;
        }
        if (left_ms == 0) {
            return ks_fail(KS_ERR_IO, "no answer in time");
        }
        if (ready < 0 && errno != EINTR) {
            return ks_fail(KS_ERR_IO, "poll: %s", strerror(errno));
        }
    }
}

static enum ks_err connect_one(const struct addrinfo *address, uint64_t deadline_us,
                               int *out_fd)
{
    enum ks_err err = KS_OK;
    int error = 0;
    socklen_t len = sizeof error;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    KS_CHECK(fd >= 0, KS_ERR_IO, "socket: %s", strerror(errno));
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) {
        KS_CHECK(errno == EINPROGRESS, KS_ERR_IO, "connect: %s", strerror(errno));
        KS_TRY(wait_for(fd, POLLOUT, deadline_us));
        KS_CHECK(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 && error == 0,
                 KS_ERR_IO, "connect: %s", strerror(error));
    }
    *out_fd = fd;
    fd = -1; /* transferred */
out:
    ks_fd_close(&fd);
    return err;
}

static enum ks_err connect_any(const struct target *target, uint64_t deadline_us, int *out_fd)
{
    enum ks_err err = KS_OK;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *addresses = NULL;
    const int found = getaddrinfo(target->host, target->port, &hints, &addresses);

    KS_CHECK(found == 0, KS_ERR_IO, "%s", gai_strerror(found));
    err = ks_fail(KS_ERR_IO, "no address");
    for (const struct addrinfo *each = addresses; each != NULL && err != KS_OK;
         each = each->ai_next) {
        err = connect_one(each, deadline_us, out_fd);
    }
out:
    if (addresses != NULL) {
        freeaddrinfo(addresses);
    }
    return err;
}

static enum ks_err send_request(int fd, const struct target *target, uint64_t deadline_us)
{
    enum ks_err err = KS_OK;
    struct ks_buf request;
    size_t sent = 0;

    ks_buf_init(&request, KS_HTTP_HEAD_MAX);
    ks_buf_put_format(&request, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: close\r\n\r\n",
                      target->path, target->authority);
    KS_TRY(ks_buf_check(&request));
    while (sent < request.len) {
        ssize_t step = 0;

        KS_TRY(wait_for(fd, POLLOUT, deadline_us));
        step = send(fd, request.data + sent, request.len - sent, MSG_NOSIGNAL);
        KS_CHECK(step >= 0 || errno == EAGAIN || errno == EINTR, KS_ERR_IO, "send: %s",
                 strerror(errno));
        sent += step > 0 ? (size_t)step : 0;
    }
out:
    ks_buf_done(&request);
    return err;
}

/* Reads until the answer is whole: its body goes to OUT, its status to *OUT_STATUS. */
static enum ks_err receive_answer(int fd, uint64_t deadline_us, size_t body_max,
                                  struct ks_buf *out, int *out_status)
{
    enum ks_err err = KS_OK;
    struct ks_http_response_head head = {0};
    struct ks_buf in;

    ks_buf_init(&in, body_max + KS_HTTP_RESPONSE_HEAD_MAX + READ_STEP);
    do {
        uint8_t *target = ks_buf_reserve(&in, READ_STEP);
        ssize_t got = 0;

        KS_TRY(ks_buf_check(&in));
        KS_TRY(wait_for(fd, POLLIN, deadline_us));
        got = recv(fd, target, READ_STEP, 0);
        KS_CHECK(got != 0, KS_ERR_IO, "the connection ended inside the answer");
        KS_CHECK(got > 0 || errno == EAGAIN || errno == EINTR, KS_ERR_IO, "receive: %s",
                 strerror(errno));
        ks_buf_grew(&in, got > 0 ? (size_t)got : 0);
        err = ks_http_response_parse(ks_buf_view(&in), body_max, out, &head);
    } while (err == KS_ERR_NOT_FOUND);
    KS_TRY(err);
    *out_status = head.status;
out:
    ks_buf_done(&in);
    return err;
}

enum ks_err ks_plain_get(const char *url, unsigned total_ms, size_t body_max,
                         struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const uint64_t deadline_us = ks_clock_monotonic_us() + total_ms * UINT64_C(1000);
    const size_t len_before = out->len;
    struct target target;
    int status = 0;
    int fd = -1;

    KS_TRY(read_url(url, &target));
    KS_TRY(connect_any(&target, deadline_us, &fd));
    KS_TRY(send_request(fd, &target, deadline_us));
    KS_TRY(receive_answer(fd, deadline_us, body_max, out, &status));
    KS_CHECK(status == 200, status == 404 ? KS_ERR_NOT_FOUND : KS_ERR_IO, "status %d", status);
out:
    ks_fd_close(&fd);
    out->len = err == KS_OK ? out->len : len_before;
    return ks_fail_prefix(err, "%s", url);
}
