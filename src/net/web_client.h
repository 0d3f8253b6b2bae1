/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* web_client.h: documents posted to a service of others by libcurl: over https, which the
 * system's certificate authorities vouch for, or over plain http to this very machine. No
 * redirect, proxy, cookie, or setting from the environment. Nothing here is ketseal's own TLS:
 * who needs to know whom it speaks with uses http_client.h. A client belongs to one thread at a
 * time. */
#ifndef KS_NET_WEB_CLIENT_H
#define KS_NET_WEB_CLIENT_H

#include "base/buf.h"

struct ks_web_client;

struct ks_web_client_spec {
    const char *url;     /* copied; never shown but for its host, since the path may be a key */
    const char *ca_file; /* NULL: the system's authorities */
    const char *content_type; /* of what is posted; NULL: application/json */
    bool signed_answers; /* answers carry a signature of their own: plain http to any host is
                            good enough */
    unsigned connect_ms; /* 0: 10 000 */
    unsigned total_ms;   /* 0: 30 000; the whole exchange */
    size_t response_max; /* bytes of an answer's body */
};

/* KS_ERR_USAGE for a URL that is neither https nor http to 127.0.0.1, [::1] or localhost
 * (unless answers are signed), or has a user or a fragment. */
KS_MUST_CHECK enum ks_err ks_web_client_new(const struct ks_web_client_spec *spec,
                                            struct ks_web_client **out_client);
void ks_web_client_free(struct ks_web_client *client); /* NULL is fine */
/* "host" or "host:port", for messages. Borrowed. */
const char *ks_web_client_host(const struct ks_web_client *client);

/* Posts BODY, and appends the answer's body to ANSWER (whose limit is the
 * client's, too). KS_OK for a complete answer of any status. KS_ERR_IO when the service cannot
 * be reached, the connection breaks or time runs out; KS_ERR_VERIFY when nobody vouches for it;
 * KS_ERR_LIMIT for an answer that is too long. */
KS_MUST_CHECK enum ks_err ks_web_client_post(struct ks_web_client *client, struct ks_bytes body,
                                             int *out_status, struct ks_buf *answer);

#endif
