/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* plain.h: HTTP/1.1 without TLS, for what carries its own proof: the files of a ledger. A
 * server that hands out small files on one thread, and a client that gets one. Hides sockets,
 * framing and deadlines; requests are read by ks_http_head_parse, answers by
 * ks_http_response_parse. Nothing that has to be secret, or believed, goes this way. */
#ifndef KS_NET_PLAIN_H
#define KS_NET_PLAIN_H

#include "base/buf.h"

#define KS_PLAIN_CONNECTIONS_MAX 64    /* at once; others wait in the kernel */
#define KS_PLAIN_HEAD_MS         10000 /* from a connection, or the last answer, to a whole head */
#define KS_PLAIN_WRITE_MS        30000 /* from an answer's first byte to its last */

/* --- serving ------------------------------------------------------------------------------ */

struct ks_plain_reply {
    int status;               /* 200 or 404 */
    const char *content_type; /* static, as the next */
    const char *cache_control;
};

/* Answers a GET of PATH ("/…", without the query): appends the body to BODY. An error is 500.
 */
typedef enum ks_err (*ks_plain_handler)(void *context, struct ks_bytes path,
                                        struct ks_buf *body, struct ks_plain_reply *out_reply);

struct ks_plain_server;

/* Binds and listens. ADDRESS is a literal IPv4 or IPv6 address, PORT 0 any free one; a body has
 * at most BODY_MAX bytes. KS_ERR_USAGE, KS_ERR_IO. */
struct ks_plain_spec {
    const char *address;
    uint16_t port;
    size_t body_max;
    ks_plain_handler handler;
    void *context;
};
KS_MUST_CHECK enum ks_err ks_plain_server_open(const struct ks_plain_spec *spec,
                                               struct ks_plain_server **out_server);
uint16_t ks_plain_server_port(const struct ks_plain_server *server);
/* Until a byte can be read from STOP_FD. Who is slow is cut off, and disturbs nobody. */
KS_MUST_CHECK enum ks_err ks_plain_server_run(struct ks_plain_server *server, int stop_fd);
void ks_plain_server_close(struct ks_plain_server *server); /* NULL is fine */

/* --- getting ------------------------------------------------------------------------------ */

/* Appends what URL ("http://host[:port]/path") answers to OUT, at most BODY_MAX bytes. The
 * whole exchange takes at most TOTAL_MS. KS_ERR_NOT_FOUND for 404; KS_ERR_IO for any other
 * status, a server that cannot be reached or is too slow; KS_ERR_FORMAT for what is no answer;
 * KS_ERR_LIMIT for too much; KS_ERR_USAGE for what is no such URL. */
KS_MUST_CHECK enum ks_err ks_plain_get(const char *url, unsigned total_ms, size_t body_max,
                                       struct ks_buf *out);

#endif
