/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* session.h: what a client of a site says over one TLS connection, and what the site refuses.
 * Hides that a connection may have been made anew between two requests: then its channel is
 * another, and what was signed for the old one is not sent. Inside src/client only. A session
 * belongs to one thread. */
#ifndef KS_CLIENT_SESSION_H
#define KS_CLIENT_SESSION_H

#include "base/buf.h"
#include "net/http_client.h"
#include "net/signature.h"
#include "net/tls.h"
#include "record/job.h"

#define KS_SESSION_ATTEMPTS_MAX                                                                \
    3 /* a connection that was made anew has another channel: build the request again */

struct ks_session;

struct ks_session_spec {
    const char *url; /* "https://host:port" */
    bool enrolment;  /* we have no certificate yet; CERT_PEM and KEY_PEM are empty */
    struct ks_bytes root_pem;
    struct ks_bytes issuer_pem; /* who issued our certificate, if not the root; may be empty */
    struct ks_bytes cert_pem;
    struct ks_bytes key_pem;
    const char *groups;  /* NULL: the default */
    const char *sigalgs; /* of the site's key and of ours; NULL: the default */
    unsigned timeout_ms; /* of one exchange */
    size_t response_max; /* bytes of an answer */
};
/* SPEC is copied. Connects nothing yet. */
KS_MUST_CHECK enum ks_err ks_session_open(const struct ks_session_spec *spec,
                                          struct ks_session **out_session);
void ks_session_close(struct ks_session *session); /* NULL is fine */

/* Makes a connection whose channel is known, unless the last call left one. */
KS_MUST_CHECK enum ks_err ks_session_connect(struct ks_session *session);
/* The TLS exporter of the connection that the last call used: KS_CHANNEL_LEN bytes; zeros
 * before the first. */
const uint8_t *ks_session_channel(const struct ks_session *session);
const char *ks_session_authority(const struct ks_session *session);
/* Whether the last call was not sent because the connection was made anew: connect, and build
 * it again for the channel that is then known. */
bool ks_session_moved(const struct ks_session *session);

/* What the connection was like that the last call used, and what that call took; of a call that
 * failed as far as it came. Borrowed until the next call. */
struct ks_session_facts {
    uint64_t calls; /* so far */
    struct ks_http_facts call;
    uint64_t connect_us; /* of the connection, whichever call made it; 0: not known */
    uint64_t handshake_us;
    uint64_t round_trip_us; /* from the head's making to the end of the answer; 0: no answer */
};
const struct ks_session_facts *ks_session_facts(const struct ks_session *session);

struct ks_session_call {
    const char *method;
    const char *target;
    struct ks_bytes body;     /* empty: none */
    const char *content_type; /* of the body; NULL: JSON */
    bool bound; /* the body names the channel: another connection must not carry it */
    const struct ks_signature_fields *fields; /* NULL: unsigned */
    const char *idempotency;                  /* NULL: none */
};
/* Appends the answer's body. The site's refusals come back as their errors, with its own
 * sentence as detail. */
KS_MUST_CHECK enum ks_err ks_session_call(struct ks_session *session,
                                          const struct ks_session_call *call,
                                          struct ks_buf *out);

#endif
