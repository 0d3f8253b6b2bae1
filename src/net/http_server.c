/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"
#include "net/http_loop.h"

#define BACKLOG           1024
#define ACCEPTS_PER_EVENT 16
#define PAUSE_MS          100 /* without descriptors: until accepting is tried again */

/* --- the end of a loop -------------------------------------------------------------------- */

static void stop_listening(struct ks_http_loop *loop)
{
    if (loop->listening) {
        (void)event_del(&loop->listen);
        (void)event_del(&loop->pause);
        loop->listening = false;
    }
    ks_fd_close(&loop->listen_fd);
}

void ks_http_loop_wake(struct ks_http_loop *loop)
{
    uint64_t one = 1;

    /* Fails only when the counter is full, and then it is awake. */
    (void)!write(loop->wake_fd, &one, sizeof one);
}

void ks_http_loop_settle(struct ks_http_loop *loop)
{
    struct ks_http_server *server = loop->server;

    for (;;) {
        struct ks_http_request *request = NULL;
        (void)pthread_mutex_lock(&loop->lock);
        request = loop->answers_first;
        loop->answers_first = NULL;
        loop->answers_last = NULL;
        (void)pthread_mutex_unlock(&loop->lock);
        if (request == NULL) {
            break;
        }
        while (request != NULL) {
            struct ks_http_request *next = request->next;
            ks_http_connection_answer(request->connection);
            request = next;
        }
    }
    if (atomic_load(&server->stopping) && !loop->listening && loop->connections == NULL) {
        (void)event_base_loopbreak(loop->base);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *context)
{
    struct ks_http_loop *loop = context;
    struct ks_http_connection *connection = NULL;
    bool cut = atomic_load(&loop->server->cutting);
    uint64_t count = 0;

    (void)what;
    (void)!read(fd, &count, sizeof count);
    if (atomic_load(&loop->server->stopping)) {
        stop_listening(loop);
        connection = loop->connections;
        while (connection != NULL) {
            struct ks_http_connection *next = connection->next;
            ks_http_connection_stop(connection, cut);
            connection = next;
        }
    }
    ks_http_loop_settle(loop);
}

/* --- accepting ---------------------------------------------------------------------------- */

static void address_text(const struct sockaddr_storage *address, char text[KS_HTTP_ADDRESS_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    struct ks_buf out;

    ks_buf_init(&out, KS_HTTP_ADDRESS_MAX - 1);
    if (address->ss_family == AF_INET6) {
        struct sockaddr_in6 in6;
        ks_copy(&in6, address, sizeof in6);
        (void)inet_ntop(AF_INET6, &in6.sin6_addr, host, sizeof host);
        ks_buf_put_format(&out, "[%s]:%u", host, (unsigned)ntohs(in6.sin6_port));
    } else {
        struct sockaddr_in in4;
        ks_copy(&in4, address, sizeof in4);
        (void)inet_ntop(AF_INET, &in4.sin_addr, host, sizeof host);
        ks_buf_put_format(&out, "%s:%u", host, (unsigned)ntohs(in4.sin_port));
    }
    ks_copy(text, out.data, out.len);
    text[out.len] = 0;
    ks_buf_done(&out);
}

/* The system lacks something: a listener that stays readable would spin. */
static void pause_listening(struct ks_http_loop *loop)
{
    const struct timeval wait = {.tv_usec = PAUSE_MS * 1000};

    (void)event_del(&loop->listen);
    (void)event_add(&loop->pause, &wait);
}

static void on_pause_end(evutil_socket_t fd, short what, void *context)
{
    struct ks_http_loop *loop = context;

    (void)fd;
    (void)what;
    (void)event_add(&loop->listen, NULL);
}

static void on_accept(evutil_socket_t listen_fd, short what, void *context)
{
    struct ks_http_loop *loop = context;
    struct ks_http_server *server = loop->server;

    (void)what;
    for (unsigned i = 0; i < ACCEPTS_PER_EVENT; i++) {
        struct sockaddr_storage address = {0};
        socklen_t address_len = sizeof address;
        char text[KS_HTTP_ADDRESS_MAX];
        int fd = accept4(listen_fd, (struct sockaddr *)&address, &address_len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
                pause_listening(loop);
            }
            break;
        }
        if (atomic_load(&server->open) >= server->limits.connections_max) {
            (void)atomic_fetch_add(&server->refused, 1);
            ks_fd_close(&fd);
            continue;
        }
        (void)atomic_fetch_add(&server->accepted, 1);
        address_text(&address, text);
        ks_http_connection_open(loop, fd, text);
    }
    ks_http_loop_settle(loop);
}

/* --- opening ------------------------------------------------------------------------------ */

struct endpoint {
    struct sockaddr_storage address;
    socklen_t len;
};

static enum ks_err parse_endpoint(const char *text, uint16_t port,
                                  struct endpoint *out_endpoint)
{
    struct sockaddr_in in4 = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct endpoint endpoint = {0};

    if (inet_pton(AF_INET, text, &in4.sin_addr) == 1) {
        ks_copy(&endpoint.address, &in4, sizeof in4);
        endpoint.len = sizeof in4;
    } else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        ks_copy(&endpoint.address, &in6, sizeof in6);
        endpoint.len = sizeof in6;
    } else {
        return ks_fail(KS_ERR_USAGE, "'%s' is not an IPv4 or IPv6 address", text);
    }
    *out_endpoint = endpoint;
    return KS_OK;
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
    struct sockaddr_in in4; /* the port stands at the same place in both */

    ks_copy(&in4, address, sizeof in4);
    return ntohs(in4.sin_port);
}

/* A bound socket; SHARED lets other sockets of this user have the same address. */
static enum ks_err bind_socket(const struct endpoint *endpoint, const char *name, bool shared,
                               int *out_fd)
{
    enum ks_err err = KS_OK;
    int on = 1;
    int fd = socket(endpoint->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    KS_CHECK(fd >= 0, KS_ERR_IO, "socket: %s", strerror(errno));
    KS_CHECK(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                 (!shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) == 0) &&
                 /* Inherited by what is accepted; without it the first answer waits 44 ms. */
                 setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0,
             KS_ERR_IO, "socket options: %s", strerror(errno));
    KS_CHECK(bind(fd, (const struct sockaddr *)&endpoint->address, endpoint->len) == 0,
             KS_ERR_IO, "listen on %s port %u: %s", name, (unsigned)port_of(&endpoint->address),
             strerror(errno));
    *out_fd = fd;
    fd = -1;
out:
    ks_fd_close(&fd);
    return err;
}

static enum ks_err listen_all(struct ks_http_server *server,
                              const struct ks_http_server_spec *spec)
{
    enum ks_err err = KS_OK;
    struct endpoint endpoint;
    int probe = -1;

    KS_TRY(parse_endpoint(spec->address, spec->port, &endpoint));
    if (spec->port != 0) {
        /* SO_REUSEPORT would silently share the port with another server of this user. */
        KS_TRY(bind_socket(&endpoint, spec->address, false, &probe));
        KS_CHECK(listen(probe, 1) == 0, KS_ERR_IO, "listen on %s port %u: %s", spec->address,
                 (unsigned)spec->port, strerror(errno));
        ks_fd_close(&probe);
    }
    for (unsigned i = 0; i < server->loop_count; i++) {
        int *fd = &server->loops[i].listen_fd;
        KS_TRY(bind_socket(&endpoint, spec->address, true, fd));
        KS_CHECK(listen(*fd, BACKLOG) == 0, KS_ERR_IO, "listen on %s port %u: %s",
                 spec->address, (unsigned)spec->port, strerror(errno));
        endpoint.len = sizeof endpoint.address;
        KS_CHECK(getsockname(*fd, (struct sockaddr *)&endpoint.address, &endpoint.len) == 0,
                 KS_ERR_IO, "getsockname: %s", strerror(errno));
    }
    server->port = port_of(&endpoint.address);
out:
    ks_fd_close(&probe);
    return err;
}

static enum ks_err loop_init(struct ks_http_loop *loop)
{
    enum ks_err err = KS_OK;
    struct event_config *config = event_config_new();

    /* Used by its own thread alone; its behaviour is not the environment's business. */
    KS_CHECK(config != NULL &&
                 event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK |
                                                   EVENT_BASE_FLAG_IGNORE_ENV) == 0,
             KS_ERR_NOMEM, "no memory for an event loop");
    loop->base = event_base_new_with_config(config);
    KS_CHECK(loop->base != NULL, KS_ERR_NOMEM, "no memory for an event loop");
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    KS_CHECK(loop->wake_fd >= 0, KS_ERR_IO, "eventfd: %s", strerror(errno));
    KS_CHECK(event_assign(&loop->wake, loop->base, loop->wake_fd, EV_READ | EV_PERSIST, on_wake,
                          loop) == 0 &&
                 event_assign(&loop->listen, loop->base, loop->listen_fd, EV_READ | EV_PERSIST,
                              on_accept, loop) == 0 &&
                 evtimer_assign(&loop->pause, loop->base, on_pause_end, loop) == 0 &&
                 event_add(&loop->wake, NULL) == 0 && event_add(&loop->listen, NULL) == 0,
             KS_ERR_NOMEM, "no memory for an event loop");
    loop->listening = true;
out:
    if (config != NULL) {
        event_config_free(config);
    }
    return err;
}

static void set_default_size(size_t *value, size_t standard)
{
    *value = *value > 0 ? *value : standard;
}

static void set_default_ms(unsigned *value, unsigned standard)
{
    *value = *value > 0 ? *value : standard;
}

static struct ks_http_limits with_defaults(struct ks_http_limits limits)
{
    set_default_size(&limits.body_max, (size_t)1 << 20);
    set_default_size(&limits.connections_max, 1024);
    set_default_size(&limits.in_flight_max, (size_t)256 << 20);
    set_default_ms(&limits.handshake_ms, 10000);
    set_default_ms(&limits.head_ms, 10000);
    set_default_ms(&limits.body_ms, 30000);
    set_default_ms(&limits.idle_ms, 60000);
    set_default_ms(&limits.write_ms, 30000);
    return limits;
}

/* Closable before anything that can fail. */
static enum ks_err server_init(const struct ks_http_server_spec *spec,
                               struct ks_http_server *server)
{
    enum ks_err err = KS_OK;
    pthread_condattr_t attributes;

    server->tls = spec->tls;
    server->peers_unknown = spec->peers_unknown;
    server->classical = spec->classical;
    server->handler = spec->handler;
    server->tell = spec->refused;
    server->context = spec->context;
    server->limits = with_defaults(spec->limits);
    (void)pthread_mutex_init(&server->lock, NULL);
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&server->ended, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    KS_CHECK(spec->peers_unknown == (ks_tls_mode(spec->tls) == KS_TLS_ENROLMENT), KS_ERR_USAGE,
             "a server for unknown peers, and it alone, is of the mode for enrolment");
    KS_CHECK(spec->classical == (ks_tls_profile(spec->tls) == KS_TLS_CLASSICAL), KS_ERR_USAGE,
             "a classical server, and it alone, is of the classical profile");
    KS_CHECK(spec->loops >= 1 && spec->loops <= KS_HTTP_LOOPS_MAX, KS_ERR_USAGE,
             "%u event loops: 1 to %d", spec->loops, KS_HTTP_LOOPS_MAX);
    KS_CHECK(server->limits.body_max <= (size_t)1 << 30, KS_ERR_USAGE,
             "body limit of %zu bytes: at most 1 GiB", server->limits.body_max);
    server->loops = ks_calloc(spec->loops, sizeof *server->loops);
    KS_CHECK(server->loops != NULL, KS_ERR_NOMEM, "no memory for %u event loops", spec->loops);
    server->loop_count = spec->loops;
    for (unsigned i = 0; i < server->loop_count; i++) {
        server->loops[i].server = server;
        server->loops[i].listen_fd = -1;
        server->loops[i].wake_fd = -1;
        (void)pthread_mutex_init(&server->loops[i].lock, NULL);
    }
out:
    return err;
}

enum ks_err ks_http_server_open(const struct ks_http_server_spec *spec,
                                struct ks_http_server **out_server)
{
    enum ks_err err = KS_OK;
    struct ks_http_server *server = ks_calloc(1, sizeof *server);

    KS_ASSERT(spec->handler != NULL && spec->tls != NULL);
    KS_CHECK(server != NULL, KS_ERR_NOMEM, "no memory for a server");
    KS_TRY(server_init(spec, server));
    KS_TRY(listen_all(server, spec));
    for (unsigned i = 0; i < server->loop_count; i++) {
        KS_TRY(loop_init(&server->loops[i]));
    }
    *out_server = server;
    server = NULL;
out:
    ks_http_server_free(server);
    return err;
}

void ks_http_server_free(struct ks_http_server *server)
{
    if (server == NULL) {
        return;
    }
    for (unsigned i = 0; i < server->loop_count; i++) {
        struct ks_http_loop *loop = &server->loops[i];
        KS_ASSERT(!loop->started && loop->connections == NULL);
        stop_listening(loop);
        if (loop->base != NULL) {
            (void)event_del(&loop->wake);
            event_base_free(loop->base);
        }
        ks_fd_close(&loop->wake_fd);
        (void)pthread_mutex_destroy(&loop->lock);
    }
    ks_free(server->loops);
    (void)pthread_cond_destroy(&server->ended);
    (void)pthread_mutex_destroy(&server->lock);
    ks_free(server);
}

uint16_t ks_http_server_port(const struct ks_http_server *server)
{
    return server->port;
}

/* --- running ------------------------------------------------------------------------------ */

static void *loop_main(void *context)
{
    struct ks_http_loop *loop = context;
    struct ks_http_server *server = loop->server;

    loop->self = pthread_self();
    (void)event_base_loop(loop->base, EVLOOP_NO_EXIT_ON_EMPTY);
    (void)pthread_mutex_lock(&server->lock);
    server->running--;
    (void)pthread_cond_broadcast(&server->ended);
    (void)pthread_mutex_unlock(&server->lock);
    return NULL;
}

enum ks_err ks_http_server_start(struct ks_http_server *server)
{
    enum ks_err err = KS_OK;
    sigset_t all;
    sigset_t before;

    /* Signals are the program's business, not a loop's; a broken pipe is an error of write(2).
     */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    for (unsigned i = 0; i < server->loop_count && err == KS_OK; i++) {
        struct ks_http_loop *loop = &server->loops[i];
        KS_ASSERT(!loop->started);
        (void)pthread_mutex_lock(&server->lock);
        server->running++;
        (void)pthread_mutex_unlock(&server->lock);
        if (pthread_create(&loop->thread, NULL, loop_main, loop) == 0) {
            loop->started = true;
        } else {
            (void)pthread_mutex_lock(&server->lock);
            server->running--;
            (void)pthread_mutex_unlock(&server->lock);
            err = ks_fail(KS_ERR_NOMEM, "cannot start the thread of event loop %u", i);
        }
    }
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return err;
}

/* True when all loops have ended within WAIT_MS. */
static bool await_loops(struct ks_http_server *server, unsigned wait_ms)
{
    struct timespec until;
    bool ended = false;

    (void)clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(wait_ms / 1000);
    until.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    (void)pthread_mutex_lock(&server->lock);
    while (server->running > 0 &&
           pthread_cond_timedwait(&server->ended, &server->lock, &until) == 0) {
    }
    ended = server->running == 0;
    (void)pthread_mutex_unlock(&server->lock);
    return ended;
}

static void wake_all(struct ks_http_server *server)
{
    for (unsigned i = 0; i < server->loop_count; i++) {
        ks_http_loop_wake(&server->loops[i]);
    }
}

enum ks_err ks_http_server_stop(struct ks_http_server *server, unsigned grace_ms)
{
    atomic_store(&server->stopping, true);
    wake_all(server);
    if (!await_loops(server, grace_ms)) {
        atomic_store(&server->cutting, true);
        wake_all(server);
        if (!await_loops(server, grace_ms)) {
            return ks_fail(KS_ERR_UNAVAILABLE, "requests are still being handled");
        }
    }
    for (unsigned i = 0; i < server->loop_count; i++) {
        struct ks_http_loop *loop = &server->loops[i];
        if (loop->started) {
            (void)pthread_join(loop->thread, NULL);
            loop->started = false;
        }
    }
    return KS_OK;
}

struct ks_http_counters ks_http_server_counters(const struct ks_http_server *server)
{
    return (struct ks_http_counters){
        .connections = atomic_load(&server->open),
        .accepted = atomic_load(&server->accepted),
        .refused = atomic_load(&server->refused),
        .handshakes = atomic_load(&server->handshakes),
        .resumed = atomic_load(&server->resumed),
        .handshakes_failed = atomic_load(&server->handshakes_failed),
        .requests = atomic_load(&server->requests),
        .requests_bad = atomic_load(&server->requests_bad),
        .timeouts = atomic_load(&server->timeouts),
    };
}
