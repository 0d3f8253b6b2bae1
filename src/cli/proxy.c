/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cli/proxy.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/philox.h"
#include "base/sys.h"
#include "net/stream.h"

#define CHUNK_MAX     16384
#define QUEUE_MAX     ((size_t)1 << 20) /* bytes that wait, each way */
#define STALLS_IN_ROW 4
#define PERMILLE      1000

/* What arrived at one time, and when it may go on. */
struct chunk {
    struct chunk *next;
    uint64_t due_us;
    size_t len;
    size_t sent;
    uint8_t data[];
};

/* One way of a connection. */
struct flow {
    struct chunk *first;
    struct chunk *last;
    size_t queued;
    uint64_t due_us; /* of the last one: nothing overtakes */
    unsigned stalls; /* in a row */
    bool ended;      /* no more will arrive */
    bool closed;     /* and that has been told */
};

struct connection {
    int device; /* -1: this place is free */
    int site;
    struct flow up;
    struct flow down;
    bool begun; /* something came from the device */
};

struct ks_proxy {
    pthread_mutex_t lock;
    pthread_cond_t taken;
    struct ks_proxy_rules rules;
    struct ks_proxy_deeds deeds;
    uint64_t rules_given; /* how often, and how many of them the thread has taken */
    uint64_t rules_taken;
    bool stop;
    /* The thread's own. */
    struct ks_proxy_rules now;
    uint32_t key[2];
    uint64_t draws;
    struct connection connections[KS_PROXY_CONNECTIONS_MAX];
    struct pollfd polled[2 + 2 * KS_PROXY_CONNECTIONS_MAX];
    /* Fixed. */
    pthread_t thread;
    bool running;
    int listener;
    int wake;
    uint16_t port;
    uint16_t target;
};

/* --- random numbers ----------------------------------------------------------------------- */

static uint32_t draw(struct ks_proxy *proxy, uint32_t below)
{
    uint32_t words[4];
    const uint32_t counter[4] = {(uint32_t)proxy->draws, (uint32_t)(proxy->draws >> 32), 0, 0};

    proxy->draws++;
    ks_philox(proxy->key, counter, words);
    return (uint32_t)(((uint64_t)words[0] * below) >> 32);
}

/* --- deeds -------------------------------------------------------------------------------- */

static void count(struct ks_proxy *proxy, uint64_t *counter, uint64_t more)
{
    (void)pthread_mutex_lock(&proxy->lock);
    *counter += more;
    (void)pthread_mutex_unlock(&proxy->lock);
}

static void drop_flow(struct flow *flow)
{
    while (flow->first != NULL) {
        struct chunk *chunk = flow->first;

        flow->first = chunk->next;
        ks_free(chunk);
    }
    *flow = (struct flow){0};
}

static void drop(struct connection *connection, bool reset)
{
    const struct linger linger = {.l_onoff = 1};

    if (reset && connection->device >= 0) {
        (void)setsockopt(connection->device, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
        (void)setsockopt(connection->site, SOL_SOCKET, SO_LINGER, &linger, sizeof linger);
    }
    ks_fd_close(&connection->device);
    ks_fd_close(&connection->site);
    drop_flow(&connection->up);
    drop_flow(&connection->down);
    connection->begun = false;
}

/* When a chunk of LEN bytes that arrived now may go on. */
static uint64_t due(struct ks_proxy *proxy, struct flow *flow, size_t len)
{
    const struct ks_proxy_rules *rules = &proxy->now;
    const uint64_t now_us = ks_clock_monotonic_us();
    uint64_t due_us = now_us + rules->delay_us;

    if (rules->jitter_us > 0) {
        due_us += draw(proxy, rules->jitter_us + 1);
    }
    if (rules->stall_permille > 0 &&
        (proxy->deeds.stalls == 0 || draw(proxy, PERMILLE) < rules->stall_permille)) {
        due_us += (uint64_t)rules->stall_us << flow->stalls;
        flow->stalls += flow->stalls < STALLS_IN_ROW;
        count(proxy, &proxy->deeds.stalls, 1);
    } else {
        flow->stalls = 0;
    }
    due_us = due_us > flow->due_us ? due_us : flow->due_us;
    if (rules->bytes_per_s > 0) {
        due_us += len * UINT64_C(1000000) / rules->bytes_per_s;
    }
    flow->due_us = due_us;
    return due_us;
}

static bool append(struct ks_proxy *proxy, struct flow *flow, const uint8_t *data, size_t len)
{
    struct chunk *chunk = ks_calloc(1, sizeof *chunk + len);

    if (chunk == NULL) {
        return false;
    }
    chunk->len = len;
    ks_copy(chunk->data, data, len);
    chunk->due_us = due(proxy, flow, len);
    if (flow->last != NULL && flow->first != NULL) {
        flow->last->next = chunk;
    } else {
        flow->first = chunk;
    }
    flow->last = chunk;
    flow->queued += len;
    return true;
}

/* --- what goes to the site ---------------------------------------------------------------- */

/* Turns a bit, or says that the connections are to be reset. */
static bool alter(struct ks_proxy *proxy, struct connection *connection, uint8_t *data,
                  size_t len)
{
    struct ks_proxy_rules *rules = &proxy->now;
    const uint64_t seen = proxy->deeds.bytes_up; /* only this thread adds to it */
    bool cut = false;

    if (rules->hello && !connection->begun && ks_proxy_downgrade(data, len)) {
        count(proxy, &proxy->deeds.hellos, 1);
    }
    connection->begun = true;
    if (rules->flip_at >= seen && rules->flip_at - seen < len) {
        data[rules->flip_at - seen] ^= 1;
        count(proxy, &proxy->deeds.flips, 1);
    }
    cut = rules->cut_at >= seen && rules->cut_at - seen < len;
    count(proxy, &proxy->deeds.bytes_up, len);
    return cut;
}

/* --- moving bytes ------------------------------------------------------------------------- */

/* False when the connection is to be dropped. */
static bool take(struct ks_proxy *proxy, struct connection *connection, bool up)
{
    struct flow *flow = up ? &connection->up : &connection->down;
    uint8_t data[CHUNK_MAX];
    const ssize_t got =
        recv(up ? connection->device : connection->site, data, sizeof data, MSG_DONTWAIT);

    if (got < 0) {
        return errno == EAGAIN || errno == EINTR;
    }
    if (got == 0) {
        flow->ended = true;
        return true;
    }
    if (!up) {
        count(proxy, &proxy->deeds.bytes_down, (size_t)got);
    } else if (alter(proxy, connection, data, (size_t)got)) {
        count(proxy, &proxy->deeds.cuts, 1);
        drop(connection, true);
        return true;
    }
    return append(proxy, flow, data, (size_t)got);
}

/* Sends what is due. False when the connection is to be dropped. */
static bool give(struct connection *connection, bool up, uint64_t now_us)
{
    struct flow *flow = up ? &connection->up : &connection->down;
    const int fd = up ? connection->site : connection->device;

    while (flow->first != NULL && flow->first->due_us <= now_us) {
        struct chunk *chunk = flow->first;
        const ssize_t put = send(fd, chunk->data + chunk->sent, chunk->len - chunk->sent,
                                 MSG_DONTWAIT | MSG_NOSIGNAL);

        if (put < 0) {
            return errno == EAGAIN || errno == EINTR;
        }
        chunk->sent += (size_t)put;
        if (chunk->sent < chunk->len) {
            return true;
        }
        flow->queued -= chunk->len;
        flow->first = chunk->next;
        ks_free(chunk);
    }
    if (flow->first == NULL && flow->ended && !flow->closed) {
        flow->closed = true;
        (void)shutdown(fd, SHUT_WR);
    }
    return true;
}

/* --- connections -------------------------------------------------------------------------- */

static int connect_site(const struct ks_proxy *proxy)
{
    const int on = 1;
    const struct sockaddr_in address = {.sin_family = AF_INET,
                                        .sin_port = htons(proxy->target),
                                        .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        ks_fd_close(&fd);
    }
    if (fd >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    return fd;
}

static struct connection *free_place(struct ks_proxy *proxy)
{
    for (size_t i = 0; i < KS_PROXY_CONNECTIONS_MAX; i++) {
        if (proxy->connections[i].device < 0) {
            return &proxy->connections[i];
        }
    }
    return NULL;
}

/* The handshake is all there is: who completes it has been deceived. */
static void impersonate(struct ks_proxy *proxy)
{
    struct ks_stream *stream = NULL;
    const enum ks_err err = ks_stream_accept(proxy->now.impostor, proxy->listener, 0, &stream);

    if (err != KS_ERR_NOT_FOUND) {
        count(proxy, &proxy->deeds.connections, 1);
        count(proxy, err == KS_OK ? &proxy->deeds.deceived : &proxy->deeds.refused, 1);
    }
    ks_stream_free(stream);
}

static void greet(struct ks_proxy *proxy)
{
    struct connection *connection = free_place(proxy);
    const int on = 1;
    int device = -1;
    int site = -1;

    if (proxy->now.impostor != NULL) {
        impersonate(proxy);
        return;
    }
    if (connection == NULL) {
        return; /* it waits for a place */
    }
    device = accept4(proxy->listener, NULL, NULL, SOCK_CLOEXEC);
    site = device >= 0 ? connect_site(proxy) : -1;
    if (site < 0) {
        ks_fd_close(&device);
        return;
    }
    (void)setsockopt(device, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    *connection = (struct connection){.device = device, .site = site};
    count(proxy, &proxy->deeds.connections, 1);
}

/* --- the thread --------------------------------------------------------------------------- */

static struct pollfd wanted(int fd, const struct flow *in, const struct flow *out,
                            uint64_t now_us)
{
    struct pollfd entry = {.fd = fd};

    if (!in->ended && in->queued < QUEUE_MAX) {
        entry.events |= POLLIN;
    }
    if (out->first != NULL && out->first->due_us <= now_us) {
        entry.events |= POLLOUT;
    }
    if (entry.events == 0) {
        entry.fd = -1; /* a hang-up is no news: it would be told for ever */
    }
    return entry;
}

/* Until the next chunk is due; -1: nothing waits. */
static int wait_ms(const struct ks_proxy *proxy, uint64_t now_us)
{
    uint64_t next_us = UINT64_MAX;

    for (size_t i = 0; i < KS_PROXY_CONNECTIONS_MAX; i++) {
        const struct connection *connection = &proxy->connections[i];
        const struct chunk *chunks[] = {connection->up.first, connection->down.first};

        for (size_t way = 0; connection->device >= 0 && way < 2; way++) {
            if (chunks[way] != NULL && chunks[way]->due_us > now_us &&
                chunks[way]->due_us < next_us) {
                next_us = chunks[way]->due_us;
            }
        }
    }
    return next_us == UINT64_MAX ? -1 : (int)((next_us - now_us + 999) / 1000);
}

static void turn_connection(struct ks_proxy *proxy, size_t index, uint64_t now_us)
{
    struct connection *connection = &proxy->connections[index];
    const short device = proxy->polled[2 + 2 * index].revents;
    const short site = proxy->polled[3 + 2 * index].revents;
    bool alive = connection->device >= 0;

    if (alive && (device & (POLLIN | POLLHUP | POLLERR)) != 0) {
        alive = take(proxy, connection, true);
    }
    if (alive && connection->device >= 0 && (site & (POLLIN | POLLHUP | POLLERR)) != 0) {
        alive = take(proxy, connection, false);
    }
    if (connection->device < 0) {
        return;
    }
    alive = alive && give(connection, true, now_us) && give(connection, false, now_us);
    if (!alive || (connection->up.closed && connection->down.closed)) {
        drop(connection, !alive);
    }
}

/* Takes the newest rules. False when it is time to stop. */
static bool take_rules(struct ks_proxy *proxy)
{
    bool stop = false;

    (void)pthread_mutex_lock(&proxy->lock);
    stop = proxy->stop;
    if (proxy->rules_taken != proxy->rules_given) {
        proxy->rules_taken = proxy->rules_given;
        proxy->now = proxy->rules;
        proxy->deeds = (struct ks_proxy_deeds){0};
        (void)pthread_cond_broadcast(&proxy->taken);
    }
    (void)pthread_mutex_unlock(&proxy->lock);
    return !stop;
}

static void *run(void *context)
{
    struct ks_proxy *proxy = context;
    uint64_t woken = 0;

    while (take_rules(proxy)) {
        uint64_t now_us = ks_clock_monotonic_us();

        proxy->polled[0] = (struct pollfd){.fd = proxy->wake, .events = POLLIN};
        proxy->polled[1] = (struct pollfd){.fd = proxy->listener, .events = POLLIN};
        for (size_t i = 0; i < KS_PROXY_CONNECTIONS_MAX; i++) {
            const struct connection *at = &proxy->connections[i];

            proxy->polled[2 + 2 * i] = wanted(at->device, &at->up, &at->down, now_us);
            proxy->polled[3 + 2 * i] = wanted(at->site, &at->down, &at->up, now_us);
        }
        if (poll(proxy->polled, 2 + 2 * KS_PROXY_CONNECTIONS_MAX, wait_ms(proxy, now_us)) < 0) {
            continue; /* interrupted */
        }
        if (proxy->polled[0].revents != 0) {
            (void)!read(proxy->wake, &woken, sizeof woken); /* only how often */
            (void)take_rules(proxy);
        }
        now_us = ks_clock_monotonic_us();
        for (size_t i = 0; i < KS_PROXY_CONNECTIONS_MAX; i++) {
            turn_connection(proxy, i, now_us);
        }
        if (proxy->polled[1].revents != 0) {
            greet(proxy);
        }
    }
    return NULL;
}

static void wake(struct ks_proxy *proxy)
{
    const uint64_t one = 1;

    (void)!write(proxy->wake, &one, sizeof one); /* full: it is awake */
}

/* --- open and close ----------------------------------------------------------------------- */

enum ks_err ks_proxy_open(uint16_t target_port, uint64_t seed, struct ks_proxy **out_proxy)
{
    enum ks_err err = KS_OK;
    struct ks_proxy *proxy = ks_calloc(1, sizeof *proxy);

    KS_CHECK(proxy != NULL, KS_ERR_NOMEM, "proxy");
    proxy->listener = -1;
    proxy->wake = -1;
    for (size_t i = 0; i < KS_PROXY_CONNECTIONS_MAX; i++) {
        proxy->connections[i] = (struct connection){.device = -1, .site = -1};
    }
    (void)pthread_mutex_init(&proxy->lock, NULL);
    (void)pthread_cond_init(&proxy->taken, NULL);
    proxy->target = target_port;
    proxy->now = KS_PROXY_RULES_INIT;
    proxy->rules = proxy->now;
    proxy->key[0] = (uint32_t)seed;
    proxy->key[1] = (uint32_t)(seed >> 32);
    KS_TRY(ks_stream_listen("127.0.0.1", 0, &proxy->listener, &proxy->port));
    proxy->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    KS_CHECK(proxy->wake >= 0, KS_ERR_IO, "eventfd: %s", strerror(errno));
    KS_CHECK(pthread_create(&proxy->thread, NULL, run, proxy) == 0, KS_ERR_NOMEM,
             "a thread for a proxy");
    proxy->running = true;
    *out_proxy = proxy;
    proxy = NULL; /* transferred */
out:
    ks_proxy_close(proxy);
    return err;
}

void ks_proxy_close(struct ks_proxy *proxy)
{
    if (proxy == NULL) {
        return;
    }
    if (proxy->running) {
        (void)pthread_mutex_lock(&proxy->lock);
        proxy->stop = true;
        (void)pthread_mutex_unlock(&proxy->lock);
        wake(proxy);
        (void)pthread_join(proxy->thread, NULL);
    }
    for (size_t i = 0; i < KS_PROXY_CONNECTIONS_MAX; i++) {
        drop(&proxy->connections[i], false);
    }
    ks_fd_close(&proxy->listener);
    ks_fd_close(&proxy->wake);
    (void)pthread_cond_destroy(&proxy->taken);
    (void)pthread_mutex_destroy(&proxy->lock);
    ks_free(proxy);
}

uint16_t ks_proxy_port(const struct ks_proxy *proxy)
{
    return proxy->port;
}

void ks_proxy_set(struct ks_proxy *proxy, const struct ks_proxy_rules *rules)
{
    uint64_t mine = 0;

    (void)pthread_mutex_lock(&proxy->lock);
    proxy->rules = *rules;
    mine = ++proxy->rules_given;
    (void)pthread_mutex_unlock(&proxy->lock);
    wake(proxy);
    (void)pthread_mutex_lock(&proxy->lock);
    while (proxy->rules_taken < mine) {
        (void)pthread_cond_wait(&proxy->taken, &proxy->lock);
    }
    (void)pthread_mutex_unlock(&proxy->lock);
}

void ks_proxy_deeds(struct ks_proxy *proxy, struct ks_proxy_deeds *out_deeds)
{
    (void)pthread_mutex_lock(&proxy->lock);
    *out_deeds = proxy->deeds;
    (void)pthread_mutex_unlock(&proxy->lock);
}
