/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* stream.h: messages between two programs over one connection of post-quantum mutual TLS, in
 * order and whole, both ways. Hides sockets, TLS and the length prefix (u8 type, u32 length,
 * payload).
 *
 * One thread receives, and moves all bytes while it does, what others have queued included; any
 * thread sends and cuts. */
#ifndef KS_NET_STREAM_H
#define KS_NET_STREAM_H

#include "base/buf.h"
#include "net/tls.h"

#define KS_STREAM_PAYLOAD_MAX ((size_t)2 << 20)  /* bytes of one message */
#define KS_STREAM_QUEUE_MAX   ((size_t)64 << 20) /* bytes that wait to be sent */
#define KS_STREAM_SECRET_LEN  32

struct ks_stream;

/* Binds and listens; ADDRESS literal, PORT 0 for any free one. */
KS_MUST_CHECK enum ks_err ks_stream_listen(const char *address, uint16_t port, int *out_fd,
                                           uint16_t *out_port);
/* The next connection to LISTEN_FD, with its peer verified by ks_tls_peer. KS_ERR_NOT_FOUND
 * when none came within WAIT_MS; any other error is of one that came, and is gone. */
KS_MUST_CHECK enum ks_err ks_stream_accept(struct ks_tls *tls, int listen_fd, unsigned wait_ms,
                                           struct ks_stream **out_stream);
/* The same from the other side: KS_ERR_IO when it is not there. */
KS_MUST_CHECK enum ks_err ks_stream_connect(struct ks_tls *tls, const char *address,
                                            uint16_t port, struct ks_stream **out_stream);
void ks_stream_free(struct ks_stream *stream); /* closes; wipes; NULL is fine */

const struct ks_cert *ks_stream_peer(const struct ks_stream *stream);
/* Equal at both ends, known to nobody else, another one for each connection and LABEL (RFC 8446
 * section 7.5). By the receiving thread. */
KS_MUST_CHECK enum ks_err ks_stream_secret(struct ks_stream *stream, const char *label,
                                           uint8_t out_secret[KS_STREAM_SECRET_LEN]);

/* Queues a message. KS_ERR_LIMIT for one that is too long, KS_ERR_UNAVAILABLE when the queue is
 * full, KS_ERR_IO when the connection is broken. */
KS_MUST_CHECK enum ks_err ks_stream_send(struct ks_stream *stream, uint8_t type,
                                         struct ks_bytes payload);
size_t ks_stream_queued(struct ks_stream *stream); /* bytes */
/* The next message: KS_ERR_NOT_FOUND when none came within WAIT_MS, KS_ERR_IO when the
 * connection is closed or cut. PAYLOAD is cleared first. */
KS_MUST_CHECK enum ks_err ks_stream_receive(struct ks_stream *stream, unsigned wait_ms,
                                            uint8_t *out_type, struct ks_buf *out_payload);
/* From now on both fail. */
void ks_stream_cut(struct ks_stream *stream);

#endif
