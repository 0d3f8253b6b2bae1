/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* http_server.h: HTTP/1.1 over TLS on N event loops, one thread each, which share
 * nothing but the counters of the limits. Hides sockets, TLS, framing, timeouts.
 *
 * It stands on libevent's event loop but not on its HTTP parser: the one reader of requests is
 * ks_http_head_parse, the same that signatures are checked with, so the bytes that frame a
 * request and the bytes that authenticate it cannot be read in two ways.
 *
 * A request belongs to the handler from the call of the handler until ks_http_reply, which
 * every request must get exactly once, from any thread, also when the peer is gone. Handlers
 * run on a loop's thread and must not block: hand the request to another thread and return.
 * Functions on a request may be called from any thread. No file is opened after
 * ks_http_server_open. */
#ifndef KS_NET_HTTP_SERVER_H
#define KS_NET_HTTP_SERVER_H

#include "base/buf.h"
#include "net/head.h"
#include "net/tls.h"

#define KS_HTTP_LOOPS_MAX    64
#define KS_HTTP_AHEAD_MAX    16384 /* bytes of later requests held while one is answered */
#define KS_HTTP_ADDRESS_MAX  64    /* "[IPv6]:port" and NUL */
#define KS_HTTP_ERROR_SCHEMA "ketseal.error/1"

/* 0 stands for the default in brackets. */
struct ks_http_limits {
    size_t body_max; /* bytes of one body [1 MiB] */
    size_t
        connections_max;   /* open at once, all loops; further ones are closed at once [1024] */
    size_t in_flight_max;  /* bytes of bodies held at once, all loops; then 503 [256 MiB] */
    unsigned handshake_ms; /* from accept to the end of the handshake [10 000] */
    unsigned head_ms;      /* from the first byte of a head to its last [10 000] */
    unsigned body_ms;      /* from the end of the head to the end of the body [30 000] */
    unsigned idle_ms;      /* between requests [60 000] */
    unsigned write_ms;     /* from an answer's first byte to its last [30 000] */
};

struct ks_http_server;
struct ks_http_request;

typedef void (*ks_http_handler)(void *context, struct ks_http_request *request);
/* A handshake has failed for the certificate that was shown; DETAIL says the name in it, which
 * nobody has proved, and why. On a loop's thread. */
typedef void (*ks_http_refused)(void *context, const char *detail);

struct ks_http_server_spec {
    const char *address; /* literal IPv4 or IPv6 address */
    uint16_t port;       /* 0: any free one */
    unsigned loops;      /* 1..KS_HTTP_LOOPS_MAX */
    struct ks_tls *tls;  /* borrowed; must outlive the server */
    bool peers_unknown; /* requests have no peer: TLS is of mode KS_TLS_ENROLMENT, and only then
                         */
    bool classical;     /* requests have a peer's name and no certificate of ours: TLS is of the
                           classical profile, and only then */
    ks_http_handler handler;
    ks_http_refused refused; /* NULL: nobody wants to know */
    void *context;           /* of both */
    struct ks_http_limits limits;
};

/* Binds and listens (one descriptor per loop, SO_REUSEPORT); no thread yet, nothing is
 * accepted. KS_ERR_USAGE for a bad address or loop count, or when PEERS_UNKNOWN or CLASSICAL
 * is not what TLS is; KS_ERR_IO when the address is taken. */
KS_MUST_CHECK enum ks_err ks_http_server_open(const struct ks_http_server_spec *spec,
                                              struct ks_http_server **out_server);
uint16_t ks_http_server_port(const struct ks_http_server *server);
/* Starts the threads; they inherit the caller's sandbox. Once. */
KS_MUST_CHECK enum ks_err ks_http_server_start(struct ks_http_server *server);
/* Stops accepting, closes idle connections, lets requests finish, joins the threads. After
 * GRACE_MS connections are cut; requests not yet answered are then awaited as gone ones for as
 * long again, and KS_ERR_UNAVAILABLE says that some still belong to the handler. Call again to
 * wait on. */
KS_MUST_CHECK enum ks_err ks_http_server_stop(struct ks_http_server *server, unsigned grace_ms);
/* Only after a successful stop, or before a start (asserted). NULL is fine. */
void ks_http_server_free(struct ks_http_server *server);

struct ks_http_counters {
    uint64_t connections; /* open now */
    uint64_t accepted;    /* since the start */
    uint64_t refused;     /* by the connection limit */
    uint64_t handshakes;  /* complete, the peer verified or, by PEERS_UNKNOWN, none */
    uint64_t resumed;     /* of these by resumption */
    uint64_t handshakes_failed;
    uint64_t requests;     /* handed to the handler */
    uint64_t requests_bad; /* refused by the server itself */
    uint64_t timeouts;
};
struct ks_http_counters ks_http_server_counters(const struct ks_http_server *server);

/* --- a request. Views live until ks_http_reply. ------------------------------------------- */
/* As received, byte for byte (head.raw), and parsed. */
const struct ks_http_head *ks_http_request_head(const struct ks_http_request *request);
struct ks_bytes ks_http_request_body(const struct ks_http_request *request);
/* Verified by ks_tls_peer when the connection was made. NULL on a server of PEERS_UNKNOWN or
 * CLASSICAL, and nowhere else. */
const struct ks_cert *ks_http_request_peer(const struct ks_http_request *request);
/* The subject's common name of that certificate, or of what ks_tls_classical_peer verified;
 * empty on a server of PEERS_UNKNOWN. */
const char *ks_http_request_peer_name(const struct ks_http_request *request);
/* Of this connection: ks_tls_exporter. */
struct ks_bytes ks_http_request_exporter(const struct ks_http_request *request);
/* How its connection was made. */
struct ks_http_tls {
    uint16_t group; /* as ks_tls_group */
    bool resumed;
    uint64_t handshake_us; /* from accept to the end of the handshake */
};
const struct ks_http_tls *ks_http_request_tls(const struct ks_http_request *request);
/* "192.0.2.1:4711" or "[2001:db8::1]:4711". */
const char *ks_http_request_address(const struct ks_http_request *request);
/* Monotonic microseconds at which the head was complete. */
uint64_t ks_http_request_time_us(const struct ks_http_request *request);
/* True once the peer has closed, or was cut: work for it may be dropped (but reply). */
bool ks_http_request_gone(const struct ks_http_request *request);

struct ks_http_response {
    int status;                         /* 200..599 */
    const char *content_type;           /* NULL when there is no body */
    const struct ks_http_field *fields; /* more fields; names and values asserted to be legal */
    size_t field_count;
    struct ks_bytes body;
    size_t *out_len; /* NULL, or becomes the bytes of the answer */
};
/* Answers and gives REQUEST back: it is dead afterwards. All of RESPONSE is copied; the copy is
 * wiped when it was sent. */
void ks_http_reply(struct ks_http_request *request, const struct ks_http_response *response);
/* Answers with the status of ERR and {"detail":DETAIL,"error":NAME,"schema":"ketseal.error/1"}.
 */
void ks_http_reply_error(struct ks_http_request *request, enum ks_err err, const char *detail);
/* That body, for whoever needs it. */
void ks_http_error_put(enum ks_err err, const char *detail, struct ks_buf *out);

#endif
