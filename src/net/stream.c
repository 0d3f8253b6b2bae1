/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "net/stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/sys.h"

#define HANDSHAKE_MS 10000
#define HEAD_LEN     5
#define READ_STEP    65536
#define QUEUE_KEEP   ((size_t)1 << 20) /* what was sent is let go of in pieces of this */

struct ks_stream {
    int fd;
    int wake;
    SSL *ssl;
    struct ks_cert *peer;
    struct ks_buf in;
    pthread_mutex_t lock; /* over the next three */
    struct ks_buf out;
    size_t sent; /* of out */
    bool broken;
};

struct place {
    struct sockaddr_storage address;
    socklen_t len;
};

static enum ks_err parse_place(const char *text, uint16_t port, struct place *out_place)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};

    *out_place = (struct place){0};
    if (inet_pton(AF_INET, text, &in4.sin_addr) == 1) {
        ks_copy(&out_place->address, &in4, sizeof in4);
        out_place->len = sizeof in4;
    } else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        ks_copy(&out_place->address, &in6, sizeof in6);
        out_place->len = sizeof in6;
    } else {
        return ks_fail(KS_ERR_USAGE, "'%s' is not an IPv4 or IPv6 address", text);
    }
    return KS_OK;
}

enum ks_err ks_stream_listen(const char *address, uint16_t port, int *out_fd,
                             uint16_t *out_port)
{
    enum ks_err err = KS_OK;
    struct place place;
    struct sockaddr_in in4; /* the port stands at the same place in both */
    int on = 1;
    int fd = -1;

    KS_TRY(parse_place(address, port, &place));
    fd = socket(place.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    KS_CHECK(fd >= 0, KS_ERR_IO, "socket: %s", strerror(errno));
    KS_CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                 bind(fd, (const struct sockaddr *)&place.address, place.len) == 0 &&
                 listen(fd, 4) == 0,
             KS_ERR_IO, "listen on %s port %u: %s", address, (unsigned)port, strerror(errno));
    place.len = sizeof place.address;
    KS_CHECK(getsockname(fd, (struct sockaddr *)&place.address, &place.len) == 0, KS_ERR_IO,
             "getsockname: %s", strerror(errno));
    ks_copy(&in4, &place.address, sizeof in4);
    *out_port = ntohs(in4.sin_port);
    *out_fd = fd;
    fd = -1;
out:
    ks_fd_close(&fd);
    return err;
}

/* True when FD is ready for EVENTS before DEADLINE_US. */
static bool wait_fd(int fd, short events, uint64_t deadline_us)
{
    const uint64_t now_us = ks_clock_monotonic_us();
    struct pollfd entry = {.fd = fd, .events = events};

    return now_us < deadline_us &&
           poll(&entry, 1, (int)((deadline_us - now_us) / 1000 + 1)) > 0;
}

static enum ks_err shake_hands(struct ks_stream *stream, struct ks_tls *tls, bool server)
{
    enum ks_err err = KS_OK;
    const uint64_t deadline_us = ks_clock_monotonic_us() + (uint64_t)HANDSHAKE_MS * 1000;

    for (;;) {
        int result = 0;
        int why = 0;

        ERR_clear_error();
        result = server ? SSL_accept(stream->ssl) : SSL_connect(stream->ssl);
        if (result == 1) {
            break;
        }
        why = SSL_get_error(stream->ssl, result);
        KS_CHECK(why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE, KS_ERR_VERIFY,
                 "TLS handshake: %s", ks_tls_error_text());
        KS_CHECK(
            wait_fd(stream->fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_us),
            KS_ERR_IO, "TLS handshake: no answer within %d ms", HANDSHAKE_MS);
    }
    KS_TRY(ks_tls_peer(tls, stream->ssl, ks_clock_us() / 1000000, &stream->peer));
out:
    return err;
}

/* Takes over FD, closed on failure too. */
static enum ks_err stream_new(int fd, struct ks_stream **out_stream)
{
    enum ks_err err = KS_OK;
    int on = 1;
    struct ks_stream *stream = ks_calloc(1, sizeof *stream);

    if (stream == NULL) {
        ks_fd_close(&fd);
        return ks_fail(KS_ERR_NOMEM, "no memory for a connection");
    }
    stream->fd = fd;
    ks_buf_init(&stream->in, HEAD_LEN + KS_STREAM_PAYLOAD_MAX + READ_STEP);
    ks_buf_init(&stream->out, KS_STREAM_QUEUE_MAX + QUEUE_KEEP);
    (void)pthread_mutex_init(&stream->lock, NULL);
    stream->wake = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    KS_CHECK(stream->wake >= 0, KS_ERR_IO, "eventfd: %s", strerror(errno));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on); /* slower without */
    *out_stream = stream;
    stream = NULL;
out:
    ks_stream_free(stream);
    return err;
}

enum ks_err ks_stream_accept(struct ks_tls *tls, int listen_fd, unsigned wait_ms,
                             struct ks_stream **out_stream)
{
    enum ks_err err = KS_OK;
    struct ks_stream *stream = NULL;
    struct pollfd entry = {.fd = listen_fd, .events = POLLIN};
    int fd = poll(&entry, 1, (int)wait_ms) > 0
                 ? accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
                 : -1;

    if (fd < 0) {
        return ks_fail(KS_ERR_NOT_FOUND, "nobody connects");
    }
    KS_TRY(stream_new(fd, &stream));
    KS_TRY(ks_tls_accept_new(tls, &stream->ssl));
    KS_CHECK(SSL_set_fd(stream->ssl, fd) == 1, KS_ERR_NOMEM, "no memory for a connection");
    KS_TRY(shake_hands(stream, tls, true));
    *out_stream = stream;
    stream = NULL;
out:
    ks_stream_free(stream);
    return err;
}

/* A connection in CONNECT state, under the settings of TLS. */
static enum ks_err client_ssl(struct ks_tls *tls, int fd, SSL **out_ssl)
{
    enum ks_err err = KS_OK;
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = NULL;

    KS_CHECK(context != NULL, KS_ERR_NOMEM, "TLS context: %s", ks_tls_error_text());
    KS_TRY(ks_tls_configure(tls, context));
    (void)SSL_CTX_set_mode(context,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    ssl = SSL_new(context);
    KS_CHECK(ssl != NULL && SSL_set_fd(ssl, fd) == 1, KS_ERR_NOMEM, "TLS connection: %s",
             ks_tls_error_text());
    SSL_set_connect_state(ssl);
    *out_ssl = ssl;
    ssl = NULL;
out:
    SSL_free(ssl);
    SSL_CTX_free(context); /* the connection holds its own reference */
    return err;
}

enum ks_err ks_stream_connect(struct ks_tls *tls, const char *address, uint16_t port,
                              struct ks_stream **out_stream)
{
    enum ks_err err = KS_OK;
    struct ks_stream *stream = NULL;
    struct place place;
    int fd = -1;
    int failure = 0;
    socklen_t failure_len = sizeof failure;

    KS_TRY(parse_place(address, port, &place));
    fd = socket(place.address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    KS_CHECK(fd >= 0, KS_ERR_IO, "socket: %s", strerror(errno));
    err = stream_new(fd, &stream);
    KS_TRY(err);
    KS_CHECK(connect(fd, (const struct sockaddr *)&place.address, place.len) == 0 ||
                 errno == EINPROGRESS,
             KS_ERR_IO, "connect to %s port %u: %s", address, (unsigned)port, strerror(errno));
    KS_CHECK(wait_fd(fd, POLLOUT, ks_clock_monotonic_us() + (uint64_t)HANDSHAKE_MS * 1000) &&
                 getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &failure_len) == 0 &&
                 failure == 0,
             KS_ERR_IO, "connect to %s port %u: %s", address, (unsigned)port,
             failure != 0 ? strerror(failure) : "no answer");
    KS_TRY(client_ssl(tls, fd, &stream->ssl));
    KS_TRY(shake_hands(stream, tls, false));
    *out_stream = stream;
    stream = NULL;
out:
    ks_stream_free(stream);
    return err;
}

void ks_stream_free(struct ks_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    if (stream->ssl != NULL) {
        ERR_clear_error();
        (void)SSL_shutdown(stream->ssl); /* close_notify, if the socket takes it */
        ERR_clear_error();
        SSL_free(stream->ssl);
    }
    ks_fd_close(&stream->fd);
    ks_fd_close(&stream->wake);
    ks_cert_free(stream->peer);
    ks_buf_wipe(&stream->in);
    ks_buf_wipe(&stream->out);
    (void)pthread_mutex_destroy(&stream->lock);
    ks_free(stream);
}

const struct ks_cert *ks_stream_peer(const struct ks_stream *stream)
{
    return stream->peer;
}

enum ks_err ks_stream_secret(struct ks_stream *stream, const char *label,
                             uint8_t out_secret[KS_STREAM_SECRET_LEN])
{
    if (SSL_export_keying_material(stream->ssl, out_secret, KS_STREAM_SECRET_LEN, label,
                                   strlen(label), NULL, 0, 0) != 1) {
        return ks_fail(KS_ERR_INTERNAL, "TLS exporter: %s", ks_tls_error_text());
    }
    return KS_OK;
}

/* --- sending ------------------------------------------------------------------------------ */

static void wake(struct ks_stream *stream)
{
    const uint64_t one = 1;

    /* Fails only when the counter is full, and then it is awake. */
    (void)!write(stream->wake, &one, sizeof one);
}

enum ks_err ks_stream_send(struct ks_stream *stream, uint8_t type, struct ks_bytes payload)
{
    enum ks_err err = KS_OK;

    if (payload.len > KS_STREAM_PAYLOAD_MAX) {
        return ks_fail(KS_ERR_LIMIT, "a message of %zu bytes, limit %zu", payload.len,
                       KS_STREAM_PAYLOAD_MAX);
    }
    (void)pthread_mutex_lock(&stream->lock);
    KS_CHECK(!stream->broken, KS_ERR_IO, "the connection is broken");
    KS_CHECK(stream->out.len - stream->sent + payload.len + HEAD_LEN <= KS_STREAM_QUEUE_MAX,
             KS_ERR_UNAVAILABLE, "the other end does not read");
    /* All of the message or none: room first. */
    KS_CHECK(ks_buf_reserve(&stream->out, payload.len + HEAD_LEN) != NULL, KS_ERR_NOMEM,
             "no memory for a message");
    ks_buf_put_u8(&stream->out, type);
    ks_buf_put_lp32(&stream->out, payload);
out:
    (void)pthread_mutex_unlock(&stream->lock);
    wake(stream);
    return err;
}

size_t ks_stream_queued(struct ks_stream *stream)
{
    size_t queued = 0;

    (void)pthread_mutex_lock(&stream->lock);
    queued = stream->out.len - stream->sent;
    (void)pthread_mutex_unlock(&stream->lock);
    return queued;
}

void ks_stream_cut(struct ks_stream *stream)
{
    (void)pthread_mutex_lock(&stream->lock);
    stream->broken = true;
    (void)pthread_mutex_unlock(&stream->lock);
    wake(stream);
}

/* What RESULT of an SSL_… call waits for: POLLIN or POLLOUT; 0 when the connection is gone. */
static short blocked(const struct ks_stream *stream, int result)
{
    switch (SSL_get_error(stream->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return POLLIN;
    case SSL_ERROR_WANT_WRITE:
        return POLLOUT;
    default:
        return 0;
    }
}

/* Writes what is queued as far as the socket takes it. OUT_WAIT: what for, 0 for nothing. */
static enum ks_err flush(struct ks_stream *stream, short *out_wait)
{
    enum ks_err err = KS_OK;

    *out_wait = 0;
    (void)pthread_mutex_lock(&stream->lock);
    KS_CHECK(!stream->broken, KS_ERR_IO, "the connection is broken");
    while (stream->sent < stream->out.len) {
        size_t done = 0;
        int result = 0;

        ERR_clear_error();
        result = SSL_write_ex(stream->ssl, stream->out.data + stream->sent,
                              stream->out.len - stream->sent, &done);
        if (result != 1) {
            *out_wait = blocked(stream, result);
            KS_CHECK(*out_wait != 0, KS_ERR_IO, "the other end has closed the connection");
            break;
        }
        stream->sent += done;
    }
    if (stream->sent == stream->out.len || stream->sent >= QUEUE_KEEP) {
        ks_wipe(stream->out.data, stream->sent);
        ks_buf_consume(&stream->out, stream->sent);
        stream->sent = 0;
    }
out:
    (void)pthread_mutex_unlock(&stream->lock);
    return err;
}

/* --- receiving ---------------------------------------------------------------------------- */

/* A whole message at the front of the input goes to OUT_PAYLOAD: true. */
static enum ks_err take_message(struct ks_stream *stream, uint8_t *out_type,
                                struct ks_buf *out_payload, bool *out_taken)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(ks_buf_view(&stream->in), "message");
    uint8_t type = 0;
    uint32_t len = 0;
    struct ks_bytes payload = {0};

    *out_taken = false;
    if (stream->in.len < HEAD_LEN) {
        return KS_OK;
    }
    KS_TRY(ks_read_u8(&reader, &type));
    KS_TRY(ks_read_u32(&reader, &len));
    KS_CHECK(len <= KS_STREAM_PAYLOAD_MAX, KS_ERR_LIMIT, "a message of %u bytes, limit %zu",
             (unsigned)len, KS_STREAM_PAYLOAD_MAX);
    if (stream->in.len - HEAD_LEN < len) {
        return KS_OK;
    }
    KS_TRY(ks_read_bytes(&reader, len, &payload));
    ks_buf_put(out_payload, payload);
    KS_TRY(ks_buf_check(out_payload));
    ks_buf_consume(&stream->in, HEAD_LEN + (size_t)len);
    *out_type = type;
    *out_taken = true;
out:
    return err;
}

/* Reads what is there; OUT_WAIT as in flush, 0 when something was read. */
static enum ks_err fill(struct ks_stream *stream, short *out_wait)
{
    enum ks_err err = KS_OK;
    uint8_t *target = ks_buf_reserve(&stream->in, READ_STEP);
    size_t got = 0;
    int result = 0;

    *out_wait = 0;
    KS_CHECK(target != NULL, KS_ERR_NOMEM, "no memory for a message");
    ERR_clear_error();
    result = SSL_read_ex(stream->ssl, target, READ_STEP, &got);
    if (result == 1) {
        ks_buf_grew(&stream->in, got);
    } else {
        *out_wait = blocked(stream, result);
        KS_CHECK(*out_wait != 0, KS_ERR_IO, "the other end has closed the connection");
    }
out:
    return err;
}

/* Sleeps until the socket or a sender has something to do, or DEADLINE_US: false. */
static bool wait_stream(struct ks_stream *stream, short events, uint64_t deadline_us)
{
    const uint64_t now_us = ks_clock_monotonic_us();
    struct pollfd entries[] = {{.fd = stream->fd, .events = events},
                               {.fd = stream->wake, .events = POLLIN}};
    uint64_t count = 0;

    if (now_us >= deadline_us) {
        return false;
    }
    (void)poll(entries, 2, (int)((deadline_us - now_us) / 1000 + 1));
    if ((entries[1].revents & POLLIN) != 0) {
        (void)!read(stream->wake, &count, sizeof count);
    }
    return true;
}

enum ks_err ks_stream_receive(struct ks_stream *stream, unsigned wait_ms, uint8_t *out_type,
                              struct ks_buf *out_payload)
{
    enum ks_err err = KS_OK;
    const uint64_t deadline_us = ks_clock_monotonic_us() + (uint64_t)wait_ms * 1000;
    bool taken = false;

    ks_buf_clear(out_payload);
    for (;;) {
        short writing = 0;
        short reading = 0;

        KS_TRY(take_message(stream, out_type, out_payload, &taken));
        if (taken) {
            break;
        }
        KS_TRY(flush(stream, &writing));
        KS_TRY(fill(stream, &reading));
        if (reading != 0 &&
            !wait_stream(stream, (short)(POLLIN | reading | writing), deadline_us)) {
            err = ks_fail(KS_ERR_NOT_FOUND, "no message came");
            goto out;
        }
    }
out:
    if (err != KS_OK && err != KS_ERR_NOT_FOUND) {
        ks_stream_cut(stream);
    }
    return err;
}
