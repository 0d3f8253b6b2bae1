/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* head.h: the one parser of a raw HTTP/1.1 request head (RFC 9110, RFC 9112), strict. Both the
 * server's framing and the signature base are made from what it returns, so no two readers of
 * one request can disagree. Pure: base only.
 *
 * Refused beyond the grammar, because nothing we speak to sends it and each is a known way to
 * make two readers disagree: HTTP/1.0, absolute and asterisk targets, fragments, bare CR or LF,
 * empty lines before the request line, line folding, white space around field names, bytes
 * above 0x7e, a missing or repeated Host, a repeated field of those that mean one value, and
 * Transfer-Encoding (a digest covers a body of known length). */
#ifndef KS_NET_HEAD_H
#define KS_NET_HEAD_H

#include "base/mem.h"

#define KS_HTTP_HEAD_MAX   16384 /* bytes, the final CRLFCRLF included */
#define KS_HTTP_FIELDS_MAX 64
#define KS_HTTP_TARGET_MAX 8192
#define KS_HTTP_METHOD_MAX 16
#define KS_HTTP_HOST_MAX   255

struct ks_http_field {
    struct ks_bytes name;  /* as sent: compare without regard to case */
    struct ks_bytes value; /* without the white space around it */
};

/* Everything is a view into the raw bytes and dies with them. */
struct ks_http_head {
    struct ks_bytes raw; /* the whole head, CRLFCRLF included */
    struct ks_bytes method;
    struct ks_bytes target;  /* origin-form, as sent */
    struct ks_bytes path;    /* of the target, as sent: starts with '/' */
    struct ks_bytes query;   /* from the '?' on; empty when the target has none */
    struct ks_bytes host;    /* value of Host */
    uint64_t content_length; /* 0 when the field is absent */
    bool has_content_length;
    size_t field_count;
    struct ks_http_field fields[KS_HTTP_FIELDS_MAX];
};

/* Length of the head at the front of BYTES, the CRLFCRLF included; 0 when its end is not there.
 * SEEN is how many bytes an earlier call has looked at in vain (0 at first), so that a slow
 * sender costs no more than a fast one. */
size_t ks_http_head_end(struct ks_bytes bytes, size_t seen);

/* RAW is exactly one head. KS_ERR_FORMAT for what the grammar or the list above refuses,
 * KS_ERR_LIMIT over a limit, Content-Length over LENGTH_MAX included. Errors name what and the
 * line (from 1). */
KS_MUST_CHECK enum ks_err ks_http_head_parse(struct ks_bytes raw, uint64_t length_max,
                                             struct ks_http_head *out_head);

/* The value of the field NAME (lower case), which must stand exactly once: KS_ERR_NOT_FOUND
 * when it is absent, KS_ERR_FORMAT when it is repeated. */
KS_MUST_CHECK enum ks_err ks_http_head_get(const struct ks_http_head *head, const char *name,
                                           struct ks_bytes *out_value);
/* How often the field NAME (lower case) stands in the head. */
size_t ks_http_head_count(const struct ks_http_head *head, const char *name);
/* True when a field NAME (lower case), read as a comma-separated list, holds the token TOKEN
 * (lower case; compared without regard to case): `connection: close`. */
bool ks_http_head_has_token(const struct ks_http_head *head, const char *name,
                            const char *token);

/* True for a token of RFC 9110 §5.6.2; for text that may be a field's value (visible ASCII,
 * spaces and tabs inside). For those who write heads. */
bool ks_http_is_token(struct ks_bytes text);
bool ks_http_is_value(struct ks_bytes text);
/* True for host or host:port as a Host field may carry it: name, IPv4 or bracketed IPv6
 * address. */
bool ks_http_is_authority(struct ks_bytes text);

#endif
