/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* response.h: an HTTP/1.1 answer (RFC 9110, RFC 9112) as it comes in, for a client that has its
 * own way to carry bytes. Strict in what frames the answer, since what stands behind it would
 * be taken for the next one: CR LF alone ends a line, Content-Length or `chunked` alone says
 * how long the body is, never both. Interim answers are refused: nobody asked for one. Pure:
 * base only. */
#ifndef KS_NET_RESPONSE_H
#define KS_NET_RESPONSE_H

#include "base/buf.h"

#define KS_HTTP_RESPONSE_HEAD_MAX   16384 /* bytes, the final CRLFCRLF included */
#define KS_HTTP_RESPONSE_FIELDS_MAX 64
#define KS_HTTP_RESPONSE_CHUNKS_MAX 4096
#define KS_HTTP_RESPONSE_CHUNK_LINE 64 /* bytes of a chunk's first line; extensions refused */

struct ks_http_response_head {
    int status;                    /* 200..599 */
    bool close;                    /* no other answer comes on this connection */
    size_t len;                    /* bytes that the whole answer takes of what came */
    struct ks_bytes content_type;  /* of BYTES; empty when absent */
    struct ks_bytes server_timing; /* the same; also when it comes twice */
    struct ks_bytes retry_after;   /* the last one; empty when absent */
};

/* BYTES is what has come so far. KS_ERR_NOT_FOUND: it is not complete, but may become so.
 * Appends the body, at most BODY_MAX bytes (KS_ERR_LIMIT), to BODY, on success alone.
 * KS_ERR_FORMAT for anything that is no answer. */
KS_MUST_CHECK enum ks_err ks_http_response_parse(struct ks_bytes bytes, size_t body_max,
                                                 struct ks_buf *body,
                                                 struct ks_http_response_head *out_head);

#endif
