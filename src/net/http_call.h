/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* http_call.h: what every client of src/net checks before it connects. Inside src/net only.
 * Pure. */
#ifndef KS_NET_HTTP_CALL_H
#define KS_NET_HTTP_CALL_H

#include "net/head.h"
#include "net/http_client.h"

#define KS_HTTP_LOST "the site closed the connection; it may or may not have got the request"

/* "https://host" or "https://host:port": AUTHORITY is what stands behind the scheme. */
KS_MUST_CHECK enum ks_err ks_http_origin_parse(const char *origin,
                                               char authority[KS_HTTP_HOST_MAX + 1]);
/* Method, target, and a content type where there is a body. */
KS_MUST_CHECK enum ks_err ks_http_call_check(const struct ks_http_call *call);
/* Whether LINE of an answer's head is a field Server-Timing; then TIMING becomes its value, or
 * empty where that is too long. */
bool ks_http_timing_take(struct ks_bytes line, char timing[KS_HTTP_TIMING_MAX + 1]);
/* Seconds that VALUE of a field Retry-After asks for (RFC 9110, 10.2.3), at most a day; 0 for a
 * date, or what is neither. */
unsigned ks_http_retry_of(struct ks_bytes value);
/* Where LINE of an answer's head is a field Retry-After, OUT_S is set as above. */
void ks_http_retry_take(struct ks_bytes line, unsigned *out_s);
/* Whether NAME and VALUE can stand in a head. */
KS_MUST_CHECK enum ks_err ks_http_field_check(const char *name, const char *value);

#endif
