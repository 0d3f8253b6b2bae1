/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tls.h: post-quantum TLS 1.3. Hides OpenSSL's contexts, verification and sessions.
 *
 * Both sides show one certificate, issued by one root or, a device's, by the issuer below it,
 * which the other side knows already: the leaf alone is sent. Only a listener for enrolment
 * asks for none, since who comes there has none yet. Key exchange and signatures are
 * post-quantum; classical ones are not offered and not accepted. Everything is loaded at
 * construction: no file is opened here, ever. A ks_tls may be used from any thread. */
#ifndef KS_NET_TLS_H
#define KS_NET_TLS_H

#include "base/mem.h"
#include "crypto/cert.h"

struct ssl_st;     /* SSL of OpenSSL */
struct ssl_ctx_st; /* SSL_CTX */

#define KS_TLS_GROUPS         "X25519MLKEM768" /* or "MLKEM768"; ':' separates several */
#define KS_TLS_SIGALGS        "mldsa65:mldsa87"
#define KS_TLS_EXPORTER_LEN   32
#define KS_TLS_SESSIONS_MAX   1024 /* default; about 20 kB each */
#define KS_TLS_SESSION_LIFE_S 300

enum ks_tls_side { KS_TLS_SERVER, KS_TLS_CLIENT };

enum ks_tls_mode {
    KS_TLS_MUTUAL,    /* both sides show a certificate */
    KS_TLS_ENROLMENT, /* the server alone does; it does not ask the client for one */
};

/* Roles that a server accepts in its peers, as a set. */
#define KS_TLS_PEER_DEVICE   1U
#define KS_TLS_PEER_OPERATOR 2U

struct ks_tls_spec {
    enum ks_tls_side side;
    enum ks_tls_mode mode;
    unsigned peer_roles; /* mutual server: KS_TLS_PEER_…; 0: devices. Others: 0 */
    struct ks_bytes root_pem;
    struct ks_bytes issuer_pem; /* the issuer below the root; may be empty */
    struct ks_bytes cert_pem;   /* own certificate: one, without root and issuer; empty on an
                                   enrolling client */
    struct ks_bytes key_pem;    /* its key; not kept as text */
    struct ks_bytes crl_pem;    /* the root's list; may be empty */
    struct ks_bytes issuer_crl_pem; /* the issuer's list; may be empty */
    const char *groups;             /* NULL: KS_TLS_GROUPS */
    const char *sigalgs;            /* NULL: KS_TLS_SIGALGS */
    size_t sessions_max;            /* server: cached for resumption; 0: KS_TLS_SESSIONS_MAX */
};

struct ks_tls;

/* A server's own certificate is of role server; a client's is a device's or an operator's.
 * KS_ERR_FORMAT for bytes that do not parse; KS_ERR_VERIFY when issuer or lists are not the
 * root's, or the own certificate is not good under them (ks_cert_verify), has the wrong role or
 * not this key; KS_ERR_USAGE for unknown groups, signature algorithms or roles, and for a
 * certificate on an enrolling client; KS_ERR_UNAVAILABLE when the OpenSSL found at run time is
 * older than 3.5. SPEC is copied. */
KS_MUST_CHECK enum ks_err ks_tls_new(const struct ks_tls_spec *spec, struct ks_tls **out_tls);
void ks_tls_free(struct ks_tls *tls); /* NULL is fine; connections made before live on */

enum ks_tls_mode ks_tls_mode(const struct ks_tls *tls);

/* Replaces root, issuer, certificate, key, lists and accepted roles for connections made from
 * now on, and for the check of peers; cached sessions are dropped. Takes the same SPEC (side
 * and mode as before: KS_ERR_USAGE). On failure nothing has changed. */
KS_MUST_CHECK enum ks_err ks_tls_reload(struct ks_tls *tls, const struct ks_tls_spec *spec);

/* A new connection of a server, in accept state, without a descriptor. Freed with SSL_free. */
KS_MUST_CHECK enum ks_err ks_tls_accept_new(struct ks_tls *tls, struct ssl_st **out_ssl);
/* Brings a context that a library made (libcurl) to what TLS says. */
KS_MUST_CHECK enum ks_err ks_tls_configure(struct ks_tls *tls, struct ssl_ctx_st *context);

/* Call when the handshake is complete, before any byte of the peer is used, on resumed
 * connections too: the peer's certificate, checked by ks_cert_verify against root, issuer and
 * lists at TIME_S, of a role that is accepted (server: SPEC's; client: server). KS_ERR_VERIFY
 * otherwise. Checks also that version, group and signature are what was configured. The caller
 * frees the certificate.
 *
 * On an enrolment server never KS_OK: KS_ERR_NOT_FOUND says that all of this is in order and
 * that the peer has, as agreed, no certificate. OUT_PEER is not written then. */
KS_MUST_CHECK enum ks_err ks_tls_peer(struct ks_tls *tls, struct ssl_st *ssl, uint64_t time_s,
                                      struct ks_cert **out_peer);

/* RFC 9266 tls-exporter: 32 bytes, label "EXPORTER-Channel-Binding", equal at both ends,
 * different for each connection, resumed ones too. */
KS_MUST_CHECK enum ks_err ks_tls_exporter(struct ssl_st *ssl, uint8_t out[KS_TLS_EXPORTER_LEN]);

/* The reason of the first error in OpenSSL's queue, which is emptied; "no detail" when there is
 * none. A constant text, without secrets. */
const char *ks_tls_error_text(void);

#endif
