/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* http_loop.h: private to the server: what http_server.c (loops), http_connection.c (one
 * connection's states) and http_reply.c (requests and answers) share.
 *
 * A loop and its connections are touched by the loop's thread alone, except for the queue of
 * answers (under its lock) and the atomics. A request is written by the loop before the handler
 * gets it, then read by whoever holds it, then queued back. */
#ifndef KS_NET_HTTP_LOOP_H
#define KS_NET_HTTP_LOOP_H

#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>

#include "net/http_server.h"

struct ks_http_connection;
struct ks_http_loop;

struct ks_http_request {
    struct ks_http_connection *connection;
    struct ks_http_head head; /* views into the connection's input */
    struct ks_bytes body;
    uint64_t time_us;
    bool close; /* the peer asked for it, or the answer is a refusal */
    atomic_bool gone;
    struct ks_buf reply;          /* the answer's bytes; empty: no memory for them */
    struct ks_http_request *next; /* in the queue of answers */
};

enum ks_http_state {
    KS_HTTP_HANDSHAKE,
    KS_HTTP_HEAD, /* waits for a head, or for the rest of one */
    KS_HTTP_BODY,
    KS_HTTP_ANSWERING, /* the handler has the request */
    KS_HTTP_WRITING,
    KS_HTTP_LINGER, /* refused and answered: lets the peer read that */
    KS_HTTP_GONE,   /* closed, but the handler still has the request */
};

struct ks_http_connection {
    struct ks_http_loop *loop;
    struct ks_http_connection *previous;
    struct ks_http_connection *next;
    int fd;
    struct ssl_st *ssl;
    enum ks_http_state state;
    struct event io;
    struct event timer;
    short io_armed;       /* EV_READ, EV_WRITE; 0: not added */
    uint64_t deadline_us; /* monotonic; 0: none */
    uint64_t timer_us;    /* when the timer will fire; 0: not added */
    bool admitted;        /* by ks_tls_peer; nothing is handed to the handler without */
    struct ks_cert *peer; /* NULL: not admitted, or a server of peers_unknown or classical */
    char peer_name[KS_CERT_SUBJECT_MAX + 1]; /* empty: none */
    char claimed[KS_CERT_SUBJECT_MAX + 1];   /* by a certificate that was refused */
    uint8_t exporter[KS_TLS_EXPORTER_LEN];
    struct ks_http_tls tls;
    uint64_t accepted_us; /* monotonic */
    char address[KS_HTTP_ADDRESS_MAX];
    struct ks_buf in;    /* the current request, then what came with it of later ones */
    struct ks_buf ahead; /* what came while it was answered */
    size_t head_seen;
    size_t request_len; /* head and body of the current request */
    size_t reserved;    /* of the server's in-flight bytes */
    size_t sent;        /* of request.reply */
    size_t lingered;
    struct ks_http_request request;
};

struct ks_http_loop {
    struct ks_http_server *server;
    struct event_base *base;
    int listen_fd;
    int wake_fd; /* eventfd: answers are queued, or stop */
    struct event listen;
    struct event wake;
    struct event pause; /* accepting again after the system ran out of descriptors */
    bool listening;
    pthread_t thread;
    bool started;
    pthread_t self; /* the same, written by the thread itself: known before its first request */
    struct ks_http_connection *connections;
    pthread_mutex_t lock; /* over answers */
    struct ks_http_request *answers_first;
    struct ks_http_request *answers_last;
};

struct ks_http_server {
    struct ks_tls *tls;
    bool peers_unknown;
    bool classical;
    ks_http_handler handler;
    ks_http_refused tell; /* or NULL */
    void *context;
    struct ks_http_limits limits;
    uint16_t port;
    unsigned loop_count;
    struct ks_http_loop *loops;
    pthread_mutex_t lock; /* over running */
    pthread_cond_t ended;
    unsigned running; /* loops */
    atomic_bool stopping;
    atomic_bool cutting;
    atomic_size_t open; /* connections */
    atomic_size_t in_flight;
    atomic_ullong accepted, refused, handshakes, resumed, handshakes_failed, requests,
        requests_bad, timeouts;
};

/* --- http_connection.c -------------------------------------------------------------------- */
/* Takes over FD, closed on failure too. */
void ks_http_connection_open(struct ks_http_loop *loop, int fd, const char *address);
/* The answer to the connection's request is in request.reply. */
void ks_http_connection_answer(struct ks_http_connection *connection);
/* The server stops: closes it when nothing is being received, answered or sent, or, with CUT,
 * at once. */
void ks_http_connection_stop(struct ks_http_connection *connection, bool cut);

/* --- http_server.c ------------------------------------------------------------------------ */
/* Takes answers from the queue until it is empty, then ends the loop if it is time to. */
void ks_http_loop_settle(struct ks_http_loop *loop);
void ks_http_loop_wake(struct ks_http_loop *loop);

/* --- http_reply.c ------------------------------------------------------------------------- */
/* Writes the bytes of an answer to request->reply. */
void ks_http_reply_write(struct ks_http_request *request,
                         const struct ks_http_response *response);
void ks_http_reply_write_error(struct ks_http_request *request, enum ks_err err,
                               const char *detail);

#endif
