/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* http_client.h: requests over mutual TLS by libcurl, one site per client, connection kept and
 * reused. https only; no redirect, proxy, cookie, or setting from the environment. A client
 * belongs to one thread at a time.
 *
 * The exporter of the connection a request will go out on exists only when that connection
 * stands. So the caller's PREPARE runs then, before the head is made (CURLOPT_PREREQFUNCTION),
 * with the exporter and the site's verified certificate, and may add fields: this is where
 * requests are signed. */
#ifndef KS_NET_HTTP_CLIENT_H
#define KS_NET_HTTP_CLIENT_H

#include "base/buf.h"
#include "net/tls.h"

struct ks_http_client;
struct ks_http_outgoing; /* the head being made; only inside PREPARE */

struct ks_http_client_spec {
    struct ks_tls *tls; /* borrowed; side KS_TLS_CLIENT; must outlive the client */
    const char *origin; /* "https://host" or "https://host:port", nothing after it; copied */
    const char *connect_to; /* NULL, or "host:port" to reach instead; certificate and Host stay
                               ORIGIN's */
    unsigned connect_ms;    /* 0: 10 000; connection and handshake */
    unsigned total_ms;      /* 0: 60 000; the whole exchange */
    size_t response_max;    /* 0: 8 MiB; bytes of an answer's body */
};

KS_MUST_CHECK enum ks_err ks_http_client_new(const struct ks_http_client_spec *spec,
                                             struct ks_http_client **out_client);
void ks_http_client_free(struct ks_http_client *client); /* NULL is fine */
/* host or host:port as Host carries it: for the signature's @authority. Borrowed. */
const char *ks_http_client_authority(const struct ks_http_client *client);

/* Returning an error ends the exchange before a byte of it is sent; the call returns that
 * error. PEER is NULL where TLS is of the classical profile. */
typedef enum ks_err (*ks_http_prepare)(void *context,
                                       const uint8_t exporter[KS_TLS_EXPORTER_LEN],
                                       const struct ks_cert *peer,
                                       struct ks_http_outgoing *outgoing);
/* KS_ERR_FORMAT when NAME or VALUE could not stand in a head. */
KS_MUST_CHECK enum ks_err ks_http_outgoing_add(struct ks_http_outgoing *outgoing,
                                               const char *name, const char *value);

struct ks_http_call {
    const char *method;       /* "GET", "POST", "PUT", "DELETE" */
    const char *target;       /* origin-form */
    const char *content_type; /* NULL when there is no body */
    struct ks_bytes body;     /* borrowed during the call */
    ks_http_prepare prepare;  /* may be NULL */
    void *context;
};

#define KS_HTTP_TYPE_MAX 128
struct ks_http_answer {
    int status;
    char content_type[KS_HTTP_TYPE_MAX]; /* empty when absent */
    struct ks_buf body;
    bool reused;  /* the connection stood already */
    bool resumed; /* TLS session resumed */
};

/* One exchange. KS_OK for any complete answer, whatever its status. KS_ERR_IO when the site
 * cannot be reached, the connection breaks or time runs out; KS_ERR_VERIFY when it is not the
 * site; KS_ERR_LIMIT for an answer that is too long. A GET that meets a connection just closed
 * by the site is sent again once; anything else is not, since the site may have acted on it.
 * Free the answer with ks_http_answer_done. */
KS_MUST_CHECK enum ks_err ks_http_client_call(struct ks_http_client *client,
                                              const struct ks_http_call *call,
                                              struct ks_http_answer *out_answer);
/* What the last call of CLIENT took, whether it came to an answer or not. */
#define KS_HTTP_TIMING_MAX 1024
struct ks_http_facts {
    bool connected;        /* a connection was made for it */
    uint64_t connect_us;   /* until that stood, its name looked up; 0: not so far */
    uint64_t handshake_us; /* and then until the end of the handshake; 0: not so far */
    bool encrypted;      /* there was a connection of TLS, new or not: of it are the next two */
    uint16_t group;      /* ks_tls_group */
    bool resumed;        /* its session was */
    uint64_t bytes_sent; /* of HTTP: heads and bodies */
    uint64_t bytes_received;
    unsigned attempts; /* requests that went out, or were about to */
    /* The answer's Server-Timing field; empty when absent, repeated or too long. */
    char timing[KS_HTTP_TIMING_MAX + 1];
    unsigned retry_after_s; /* the answer's Retry-After; 0: absent, or a date */
};
const struct ks_http_facts *ks_http_client_facts(const struct ks_http_client *client);
void ks_http_answer_done(struct ks_http_answer *answer); /* zeroed or NULL is fine */

#endif
