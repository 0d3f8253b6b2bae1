/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* One connection: handshake, then head, body, answer, head, … A step does what the socket
 * allows and then says what it waits for. Records are read by SSL_read straight into the
 * request's buffer. */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "net/http_loop.h"

#define WASTE_CHUNK     4096
#define LINGER_MS       1000
#define LINGER_MAX      262144 /* bytes thrown away for a peer that was refused */
#define READS_PER_EVENT 64     /* then other connections get their turn */

/* What a step ends with. */
enum step {
    STEP_AGAIN, /* the state has changed: take the next step */
    STEP_READ,  /* wait until the socket can be read */
    STEP_WRITE,
    STEP_QUIET, /* wait for the handler alone */
    STEP_YIELD, /* more can be read at once, but others shall have their turn */
    STEP_END,   /* the connection is closed */
};

static void deadline_set(struct ks_http_connection *connection, unsigned after_ms)
{
    connection->deadline_us = ks_clock_monotonic_us() + (uint64_t)after_ms * 1000;
}

/* --- closing ------------------------------------------------------------------------------ */

static void connection_free(struct ks_http_connection *connection)
{
    struct ks_http_loop *loop = connection->loop;

    if (connection->previous != NULL) {
        connection->previous->next = connection->next;
    } else {
        loop->connections = connection->next;
    }
    if (connection->next != NULL) {
        connection->next->previous = connection->previous;
    }
    (void)atomic_fetch_sub(&loop->server->in_flight, connection->reserved);
    ks_cert_free(connection->peer);
    ks_buf_wipe(&connection->request.reply);
    ks_buf_done(&connection->ahead);
    ks_buf_done(&connection->in);
    ks_free(connection);
    (void)atomic_fetch_sub(&loop->server->open, 1);
}

/* Lets go of the socket. The object stays for as long as the handler has its request. CLEAN
 * says that nothing went wrong: the session may be resumed, and the peer is told. */
static enum step connection_close(struct ks_http_connection *connection, bool clean)
{
    if (connection->io_armed != 0) {
        (void)event_del(&connection->io);
    }
    if (connection->timer_us != 0) {
        (void)event_del(&connection->timer);
    }
    connection->io_armed = 0;
    connection->timer_us = 0;
    if (connection->ssl != NULL) {
        if (clean) {
            (void)SSL_shutdown(connection->ssl); /* close_notify, if the socket takes it */
            SSL_set_shutdown(connection->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        }
        ERR_clear_error();
        SSL_free(connection->ssl);
        connection->ssl = NULL;
    }
    ks_fd_close(&connection->fd);
    if (connection->state == KS_HTTP_ANSWERING) {
        connection->state = KS_HTTP_GONE;
        atomic_store(&connection->request.gone, true);
    } else if (connection->state != KS_HTTP_GONE) {
        connection_free(connection);
    }
    return STEP_END;
}

/* --- TLS ---------------------------------------------------------------------------------- */

/* What an SSL_… call that gave RESULT waits for; closes the connection when it failed for good.
 */
static enum step blocked(struct ks_http_connection *connection, int result)
{
    bool clean = false;

    switch (SSL_get_error(connection->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return STEP_READ;
    case SSL_ERROR_WANT_WRITE:
        return STEP_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        clean = true;
        break;
    case SSL_ERROR_SYSCALL:
        clean = true; /* reset by the peer or cut by the network: not a failure of TLS */
        break;
    default:
        break;
    }
    return connection_close(connection, clean);
}

/* Reads at most COUNT bytes to the end of BUF. STEP_AGAIN when there were some. */
static enum step read_some(struct ks_http_connection *connection, struct ks_buf *buf,
                           size_t count)
{
    uint8_t *target = ks_buf_reserve(buf, count);
    size_t got = 0;
    int result = 0;

    if (target == NULL) {
        return connection_close(connection, true);
    }
    ERR_clear_error();
    result = SSL_read_ex(connection->ssl, target, count, &got);
    if (result != 1) {
        return blocked(connection, result);
    }
    ks_buf_grew(buf, got);
    return STEP_AGAIN;
}

/* No more is written, and what comes is thrown away for a while: closing a socket with unread
 * input would reset it, and the peer might never see why it was refused. */
static enum step begin_linger(struct ks_http_connection *connection)
{
    (void)shutdown(connection->fd, SHUT_WR);
    connection->state = KS_HTTP_LINGER;
    deadline_set(connection, LINGER_MS);
    return STEP_AGAIN;
}

/* A peer with a good certificate, or, where the server says that peers are unknown, one that
 * ks_tls_peer finds to have none. */
static bool admit(struct ks_http_connection *connection)
{
    const struct ks_http_server *server = connection->loop->server;
    enum ks_err err = KS_OK;

    if (server->classical) {
        return ks_tls_classical_peer(server->tls, connection->ssl, NULL,
                                     connection->peer_name) == KS_OK;
    }
    err = ks_tls_peer(server->tls, connection->ssl, ks_clock_us() / 1000000, &connection->peer);
    if (err == KS_OK) {
        const char *subject = ks_cert_subject(connection->peer);

        ks_copy(connection->peer_name, subject, ks_bytes_text(subject).len + 1);
    }
    return server->peers_unknown ? err == KS_ERR_NOT_FOUND : err == KS_OK;
}

/* Called by libssl while it checks the peer's certificate: OK is what it thinks of it, and
 * stays. */
static int see_certificate(int ok, X509_STORE_CTX *store)
{
    const SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct ks_http_connection *connection = SSL_get_app_data(ssl);
    const X509 *cert = X509_STORE_CTX_get_current_cert(store);
    char name[KS_CERT_SUBJECT_MAX + 1] = "";

    if (ok == 0 && cert != NULL) {
        const int len = X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName,
                                                  name, sizeof name);

        if (len > 0 && ks_text_is_name(ks_bytes_text(name), KS_CERT_SUBJECT_MAX)) {
            ks_copy(connection->claimed, name, sizeof name);
        }
    }
    return ok;
}

/* The handshake has failed: for the peer's certificate, or for something else. */
static void tell_refused(const struct ks_http_connection *connection)
{
    const struct ks_http_server *server = connection->loop->server;
    const long verdict = SSL_get_verify_result(connection->ssl);
    char detail[2 * KS_CERT_SUBJECT_MAX + 64];

    if (server->tell != NULL && verdict != X509_V_OK) {
        (void)snprintf(detail, sizeof detail, "a certificate for '%s': %s", connection->claimed,
                       X509_verify_cert_error_string(verdict));
        server->tell(server->context, detail);
    }
}

static enum step step_handshake(struct ks_http_connection *connection)
{
    struct ks_http_server *server = connection->loop->server;
    int result = 0;

    ERR_clear_error();
    result = SSL_do_handshake(connection->ssl);
    if (result != 1) {
        /* The alert is on its way; what the peer sent after the cause is not read yet. */
        bool refused = SSL_get_error(connection->ssl, result) == SSL_ERROR_SSL;
        enum step step = refused ? begin_linger(connection) : blocked(connection, result);

        if (refused) {
            tell_refused(connection);
        }
        if (refused || step == STEP_END) {
            (void)atomic_fetch_add(&server->handshakes_failed, 1);
        }
        return step;
    }
    if (ks_tls_exporter(connection->ssl, connection->exporter) != KS_OK) {
        (void)atomic_fetch_add(&server->handshakes_failed, 1);
        return connection_close(connection, false);
    }
    connection->admitted = admit(connection);
    if (!connection->admitted) {
        /* Its certificate is the root's, and yet it may not come in (revoked, most often). The
         * handshake is over, so it is told in the answer to whatever it asks. */
        (void)atomic_fetch_add(&server->handshakes_failed, 1);
        if (server->tell != NULL && !server->peers_unknown) {
            server->tell(server->context, ks_err_detail());
        }
        (void)SSL_CTX_remove_session(SSL_get_SSL_CTX(connection->ssl),
                                     SSL_get_session(connection->ssl));
    } else {
        connection->tls = (struct ks_http_tls){
            .group = ks_tls_group(connection->ssl),
            .resumed = SSL_session_reused(connection->ssl) == 1,
            .handshake_us = ks_clock_monotonic_us() - connection->accepted_us,
        };
        (void)atomic_fetch_add(&server->handshakes, 1);
        if (connection->tls.resumed) {
            (void)atomic_fetch_add(&server->resumed, 1);
        }
    }
    connection->state = KS_HTTP_HEAD;
    deadline_set(connection, server->limits.idle_ms);
    return STEP_AGAIN;
}

/* --- requests ----------------------------------------------------------------------------- */

static void begin_writing(struct ks_http_connection *connection)
{
    connection->state = KS_HTTP_WRITING;
    connection->sent = 0;
    deadline_set(connection, connection->loop->server->limits.write_ms);
}

/* Refuses what was received, by an answer of the server's own, after which the connection ends.
 */
static enum step refuse(struct ks_http_connection *connection, enum ks_err err,
                        const char *detail)
{
    (void)atomic_fetch_add(&connection->loop->server->requests_bad, 1);
    connection->request.head.method = (struct ks_bytes){0};
    connection->request.close = true;
    ks_http_reply_write_error(&connection->request, err, detail);
    if (connection->request.reply.len == 0) {
        return connection_close(connection, true);
    }
    begin_writing(connection);
    return STEP_AGAIN;
}

/* RFC 9110 §10.1.1: says that the body may come. The socket is empty at this point of the
 * exchange, so a short write means a peer that does not read. */
static bool say_continue(struct ks_http_connection *connection)
{
    static const char text[] = "HTTP/1.1 100 Continue\r\n\r\n";
    size_t sent = 0;

    ERR_clear_error();
    return SSL_write_ex(connection->ssl, text, sizeof text - 1, &sent) == 1 &&
           sent == sizeof text - 1;
}

/* Makes room for the rest of the body, once, so that the views into the head stay: they are
 * taken anew in case the room is elsewhere. */
static bool make_room(struct ks_http_connection *connection, size_t head_len)
{
    struct ks_buf *in = &connection->in;

    if (in->len >= connection->request_len) {
        return true;
    }
    return ks_buf_reserve(in, connection->request_len - in->len) != NULL &&
           ks_http_head_parse(ks_bytes_of(in->data, head_len),
                              connection->loop->server->limits.body_max,
                              &connection->request.head) == KS_OK;
}

/* The head of HEAD_LEN bytes is complete. */
static enum step begin_request(struct ks_http_connection *connection, size_t head_len)
{
    struct ks_http_server *server = connection->loop->server;
    struct ks_http_request *request = &connection->request;
    struct ks_http_head *head = &request->head;
    size_t length = 0;
    enum ks_err err = KS_OK;

    request->time_us = ks_clock_monotonic_us();
    request->close = false;
    atomic_store(&request->gone, false);
    if (!connection->admitted) {
        return refuse(connection, KS_ERR_DENIED, "this certificate is not accepted here");
    }
    err = ks_http_head_parse(ks_bytes_of(connection->in.data, head_len),
                             server->limits.body_max, head);
    if (err != KS_OK) {
        return refuse(connection, err, ks_err_detail());
    }
    length = (size_t)head->content_length;
    if (atomic_fetch_add(&server->in_flight, length) + length > server->limits.in_flight_max) {
        (void)atomic_fetch_sub(&server->in_flight, length);
        return refuse(connection, KS_ERR_UNAVAILABLE, "too many bytes in flight; try again");
    }
    connection->reserved = length;
    connection->request_len = head_len + length;
    if (!make_room(connection, head_len)) {
        return connection_close(connection, true);
    }
    request->close = ks_http_head_has_token(head, "connection", "close");
    if (ks_http_head_count(head, "expect") > 0) {
        if (!ks_http_head_has_token(head, "expect", "100-continue")) {
            return refuse(connection, KS_ERR_FORMAT, "unknown expectation in Expect");
        }
        if (connection->in.len < connection->request_len && !say_continue(connection)) {
            return connection_close(connection, true);
        }
    }
    connection->state = KS_HTTP_BODY;
    deadline_set(connection, server->limits.body_ms);
    return STEP_AGAIN;
}

static enum step step_head(struct ks_http_connection *connection)
{
    struct ks_bytes in = ks_buf_view(&connection->in);
    struct ks_http_server *server = connection->loop->server;
    enum step step = STEP_AGAIN;
    size_t end = 0;

    if (in.len > KS_HTTP_HEAD_MAX) {
        in.len = KS_HTTP_HEAD_MAX;
    }
    end = ks_http_head_end(in, connection->head_seen);
    connection->head_seen = in.len;
    if (end > 0) {
        return begin_request(connection, end);
    }
    if (in.len == KS_HTTP_HEAD_MAX) {
        return refuse(connection, KS_ERR_LIMIT, "request head over 16384 bytes");
    }
    if (in.len == 0 && atomic_load(&server->stopping)) {
        return connection_close(connection, true);
    }
    step = read_some(connection, &connection->in, KS_HTTP_HEAD_MAX - in.len);
    if (step == STEP_AGAIN && in.len == 0) {
        deadline_set(connection, server->limits.head_ms); /* the first byte of a head */
    } else if (step != STEP_END && in.len == 0) {
        ks_buf_done(&connection->in); /* an idle connection keeps no buffer */
    }
    return step;
}

static enum step step_body(struct ks_http_connection *connection)
{
    struct ks_http_server *server = connection->loop->server;
    struct ks_http_request *request = &connection->request;
    struct ks_buf *in = &connection->in;
    size_t head_len = request->head.raw.len;

    if (in->len < connection->request_len) {
        return read_some(connection, in, connection->request_len - in->len);
    }
    KS_ASSERT(request->head.raw.data == in->data);
    request->body = ks_bytes_of(in->data + head_len, connection->request_len - head_len);
    connection->state = KS_HTTP_ANSWERING;
    connection->deadline_us = 0;
    (void)atomic_fetch_add(&server->requests, 1);
    server->handler(server->context, request);
    /* An answer given meanwhile waits in the loop's queue. Reading goes on, to see the peer
     * leave. */
    return STEP_READ;
}

/* While the handler works only the peer's leaving is of interest; later requests are set aside.
 */
static enum step step_answering(struct ks_http_connection *connection)
{
    if (connection->ahead.len >= KS_HTTP_AHEAD_MAX) {
        return STEP_QUIET;
    }
    return read_some(connection, &connection->ahead, KS_HTTP_AHEAD_MAX - connection->ahead.len);
}

/* The answer is sent: makes ready for the next request, part of which may be there. */
static enum step end_request(struct ks_http_connection *connection)
{
    struct ks_http_server *server = connection->loop->server;
    struct ks_buf *in = &connection->in;

    ks_buf_wipe(&connection->request.reply);
    (void)atomic_fetch_sub(&server->in_flight, connection->reserved);
    connection->reserved = 0;
    if (connection->request.close) {
        (void)SSL_shutdown(connection->ssl);
        return begin_linger(connection);
    }
    ks_buf_consume(in, connection->request_len);
    ks_buf_put(in, ks_buf_view(&connection->ahead));
    ks_buf_clear(&connection->ahead);
    if (in->len == 0) {
        ks_buf_done(in);
    }
    connection->head_seen = 0;
    connection->request_len = 0;
    connection->sent = 0;
    connection->state = KS_HTTP_HEAD;
    deadline_set(connection, in->len > 0 ? server->limits.head_ms : server->limits.idle_ms);
    if (in->len == 0 && SSL_has_pending(connection->ssl) == 0 &&
        !atomic_load(&server->stopping)) {
        return STEP_READ; /* saves a read(2) in vain */
    }
    return STEP_AGAIN;
}

static enum step step_writing(struct ks_http_connection *connection)
{
    struct ks_bytes reply = ks_buf_view(&connection->request.reply);

    while (connection->sent < reply.len) {
        size_t sent = 0;
        int result = 0;
        ERR_clear_error();
        result = SSL_write_ex(connection->ssl, reply.data + connection->sent,
                              reply.len - connection->sent, &sent);
        if (result != 1) {
            return blocked(connection, result);
        }
        connection->sent += sent;
    }
    return end_request(connection);
}

static enum step step_linger(struct ks_http_connection *connection)
{
    uint8_t waste[WASTE_CHUNK];
    ssize_t got = recv(connection->fd, waste, sizeof waste, 0);

    if (got > 0 && connection->lingered < LINGER_MAX) {
        connection->lingered += (size_t)got;
        return STEP_AGAIN;
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) {
        return STEP_READ;
    }
    return connection_close(connection, true);
}

/* --- events ------------------------------------------------------------------------------- */

static void on_io(evutil_socket_t fd, short what, void *context);

static enum step take_step(struct ks_http_connection *connection)
{
    switch (connection->state) {
    case KS_HTTP_HANDSHAKE:
        return step_handshake(connection);
    case KS_HTTP_HEAD:
        return step_head(connection);
    case KS_HTTP_BODY:
        return step_body(connection);
    case KS_HTTP_ANSWERING:
        return step_answering(connection);
    case KS_HTTP_WRITING:
        return step_writing(connection);
    case KS_HTTP_LINGER:
        return step_linger(connection);
    case KS_HTTP_GONE:
        break;
    }
    return STEP_END;
}

static void arm_io(struct ks_http_connection *connection, short what)
{
    if (connection->io_armed == what) {
        return;
    }
    if (connection->io_armed != 0) {
        (void)event_del(&connection->io);
    }
    connection->io_armed = 0;
    if (what == 0) {
        return;
    }
    if (event_assign(&connection->io, connection->loop->base, connection->fd,
                     (short)(what | EV_PERSIST), on_io, connection) != 0 ||
        event_add(&connection->io, NULL) != 0) {
        (void)connection_close(connection, true);
        return;
    }
    connection->io_armed = what;
}

/* The timer may fire too early, never too late: most deadlines move on before it fires, and
 * moving it each time would cost more than looking at the clock then. */
static void arm_timer(struct ks_http_connection *connection)
{
    uint64_t now = 0;
    uint64_t left = 0;
    struct timeval wait;

    if (connection->deadline_us == 0 ||
        (connection->timer_us != 0 && connection->timer_us <= connection->deadline_us)) {
        return;
    }
    now = ks_clock_monotonic_us();
    left = connection->deadline_us > now ? connection->deadline_us - now : 1;
    wait = (struct timeval){.tv_sec = (time_t)(left / 1000000),
                            .tv_usec = (suseconds_t)(left % 1000000)};
    connection->timer_us = connection->deadline_us;
    (void)event_add(&connection->timer, &wait);
}

static void run(struct ks_http_connection *connection)
{
    enum step step = STEP_AGAIN;

    for (unsigned i = 0; step == STEP_AGAIN; i++) {
        step = take_step(connection);
        if (step == STEP_AGAIN && i >= READS_PER_EVENT) {
            step = STEP_YIELD;
        }
    }
    switch (step) {
    case STEP_READ:
        arm_timer(connection);
        arm_io(connection, EV_READ);
        break;
    case STEP_WRITE:
        arm_timer(connection);
        arm_io(connection, EV_WRITE);
        break;
    case STEP_QUIET:
        arm_io(connection, 0);
        break;
    case STEP_YIELD:
        /* What TLS has buffered makes no event of its own. */
        arm_timer(connection);
        arm_io(connection, EV_READ);
        if (connection->io_armed != 0) {
            event_active(&connection->io, EV_READ, 0);
        }
        break;
    case STEP_AGAIN:
    case STEP_END:
        break;
    }
}

static void on_io(evutil_socket_t fd, short what, void *context)
{
    struct ks_http_connection *connection = context;
    struct ks_http_loop *loop = connection->loop;

    (void)fd;
    (void)what;
    run(connection);
    ks_http_loop_settle(loop);
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
    struct ks_http_connection *connection = context;
    struct ks_http_loop *loop = connection->loop;

    (void)fd;
    (void)what;
    connection->timer_us = 0;
    if (connection->deadline_us == 0) {
        return;
    }
    if (ks_clock_monotonic_us() < connection->deadline_us) {
        arm_timer(connection);
        return;
    }
    if (connection->state != KS_HTTP_LINGER) {
        (void)atomic_fetch_add(&loop->server->timeouts, 1);
    }
    (void)connection_close(connection, connection->state == KS_HTTP_HEAD);
    ks_http_loop_settle(loop);
}

/* --- what the loop calls ------------------------------------------------------------------ */

void ks_http_connection_open(struct ks_http_loop *loop, int fd, const char *address)
{
    enum ks_err err = KS_OK;
    struct ks_http_server *server = loop->server;
    struct ks_http_connection *connection = ks_calloc(1, sizeof *connection);
    size_t address_len = ks_bytes_text(address).len;

    if (connection == NULL) {
        ks_fd_close(&fd);
        return;
    }
    KS_ASSERT(address_len < sizeof connection->address);
    (void)atomic_fetch_add(&server->open, 1);
    connection->loop = loop;
    connection->fd = fd;
    connection->state = KS_HTTP_HANDSHAKE;
    connection->accepted_us = ks_clock_monotonic_us();
    connection->request.connection = connection;
    connection->next = loop->connections;
    if (loop->connections != NULL) {
        loop->connections->previous = connection;
    }
    loop->connections = connection;
    ks_buf_init(&connection->in,
                2 * KS_HTTP_HEAD_MAX + server->limits.body_max + KS_HTTP_AHEAD_MAX);
    ks_buf_init(&connection->ahead, KS_HTTP_AHEAD_MAX);
    ks_buf_init(&connection->request.reply, 0);
    ks_copy(connection->address, address, address_len + 1);
    (void)evtimer_assign(&connection->timer, loop->base, on_timer, connection);
    KS_TRY(ks_tls_accept_new(server->tls, &connection->ssl));
    KS_CHECK(SSL_set_fd(connection->ssl, fd) == 1 &&
                 SSL_set_app_data(connection->ssl, connection) == 1,
             KS_ERR_NOMEM, "no memory for a connection");
    SSL_set_verify(connection->ssl, SSL_get_verify_mode(connection->ssl), see_certificate);
    deadline_set(connection, server->limits.handshake_ms);
    run(connection);
    return;
out:
    (void)err; /* nobody to tell but the peer, who sees it closed */
    (void)connection_close(connection, true);
}

void ks_http_connection_answer(struct ks_http_connection *connection)
{
    if (connection->state == KS_HTTP_GONE) {
        connection_free(connection);
        return;
    }
    begin_writing(connection);
    if (connection->request.reply.len == 0) {
        (void)connection_close(connection, true); /* there was no memory for it */
        return;
    }
    run(connection);
}

void ks_http_connection_stop(struct ks_http_connection *connection, bool cut)
{
    bool idle = connection->state == KS_HTTP_HANDSHAKE || connection->state == KS_HTTP_LINGER ||
                (connection->state == KS_HTTP_HEAD && connection->in.len == 0);

    if ((idle || cut) && connection->state != KS_HTTP_GONE) {
        (void)connection_close(connection, connection->state != KS_HTTP_HANDSHAKE);
    }
}
