/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* tls.h: post-quantum TLS 1.3. Hides OpenSSL's contexts, verification and sessions.
 *
 * Both sides show one certificate, issued by one root or, a device's, by the issuer below it,
 * which the other side knows already: the leaf alone is sent. Only a listener for enrolment
 * asks for none, since who comes there has none yet. Key exchange and signatures are
 * post-quantum; classical ones are not offered and not accepted. Everything is loaded at
 * construction: no file is opened here, ever. A ks_tls may be used from any thread.
 *
 * Signatures are ML-DSA's, unless the list of signature algorithms names SLH-DSA: that is
 * experimental (crypto/slhdsa_tls.h), and every end that is to meet has to name it.
 *
 * The classical profile is for key managers of others, and for clients of ours, whose equipment
 * has no post-quantum certificates (docs/formats/kme.md). It is asked for by name, has its own
 * call for the peer, and ks_tls_peer never accepts anyone on it: so nothing that wants a
 * device, an operator or a site can be reached by it. */
#ifndef KS_NET_TLS_H
#define KS_NET_TLS_H

#include "base/mem.h"
#include "crypto/cert.h"
#include "crypto/sigalgs.h"

struct ssl_st;     /* SSL of OpenSSL */
struct ssl_ctx_st; /* SSL_CTX */

#define KS_TLS_GROUPS           "X25519MLKEM768" /* or "MLKEM768"; ':' separates several */
#define KS_TLS_SIGALGS          KS_SIGALGS_DEFAULT
#define KS_TLS_CLASSICAL_GROUPS "X25519MLKEM768:X25519:secp256r1:secp384r1"
#define KS_TLS_CLASSICAL_SIGALGS                                                               \
    "mldsa65:mldsa87:ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ed25519:"                   \
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"                             \
    "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512"
#define KS_TLS_CLASSICAL_CERTS_MAX 8 /* of a chain, and of roots */
#define KS_TLS_EXPORTER_LEN        32
#define KS_TLS_SESSIONS_MAX        1024 /* default; about 20 kB each */
#define KS_TLS_SESSION_LIFE_S      300

enum ks_tls_side { KS_TLS_SERVER, KS_TLS_CLIENT };

enum ks_tls_mode {
    KS_TLS_MUTUAL,    /* both sides show a certificate */
    KS_TLS_ENROLMENT, /* the server alone does; it does not ask the client for one */
};

enum ks_tls_profile {
    KS_TLS_POST_QUANTUM,
    KS_TLS_CLASSICAL, /* classical algorithms too; mutual; certificates as X.509 in general has
                         them */
};

/* Roles that a server accepts in its peers, as a set. */
#define KS_TLS_PEER_DEVICE   1U
#define KS_TLS_PEER_OPERATOR 2U

struct ks_tls_spec {
    enum ks_tls_side side;
    enum ks_tls_mode mode;
    enum ks_tls_profile profile; /* classical: root_pem may hold several roots, cert_pem the
                                    rest of its chain; no issuer, lists or roles */
    unsigned peer_roles;         /* mutual server: KS_TLS_PEER_…; 0: devices. Others: 0 */
    struct ks_bytes root_pem;
    struct ks_bytes issuer_pem; /* the issuer below the root; may be empty */
    struct ks_bytes cert_pem;   /* own certificate: one, without root and issuer; empty on an
                                   enrolling client */
    struct ks_bytes key_pem;    /* its key; not kept as text */
    struct ks_bytes crl_pem;    /* the root's list; may be empty */
    struct ks_bytes issuer_crl_pem; /* the issuer's list; may be empty */
    const char *groups;             /* NULL: KS_TLS_GROUPS */
    const char *sigalgs;            /* of own and of peers' keys (crypto/sigalgs.h); NULL:
                                       KS_TLS_SIGALGS, ML-DSA alone */
    size_t sessions_max;            /* server: cached for resumption; 0: KS_TLS_SESSIONS_MAX */
};

struct ks_tls;

/* A server's own certificate is of role server; a client's is a device's or an operator's.
 * KS_ERR_FORMAT for bytes that do not parse; KS_ERR_VERIFY when issuer or lists are not the
 * root's, or the own certificate is not good under them (ks_cert_verify), has the wrong role, a
 * key for none of SIGALGS, or not this key; KS_ERR_USAGE for unknown groups, signature
 * algorithms or roles, and for a certificate on an enrolling client; KS_ERR_UNAVAILABLE when
 * the OpenSSL found at run time is older than 3.5. SPEC is copied. */
KS_MUST_CHECK enum ks_err ks_tls_new(const struct ks_tls_spec *spec, struct ks_tls **out_tls);
void ks_tls_free(struct ks_tls *tls); /* NULL is fine; connections made before live on */

enum ks_tls_mode ks_tls_mode(const struct ks_tls *tls);
enum ks_tls_profile ks_tls_profile(const struct ks_tls *tls);

/* Replaces root, issuer, certificate, key, lists and accepted roles for connections made from
 * now on, and for the check of peers; cached sessions are dropped. Takes the same SPEC (side,
 * mode and profile as before: KS_ERR_USAGE). On failure nothing has changed. */
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

/* The same for the classical profile, on which ks_tls_peer is always KS_ERR_VERIFY; and this
 * one on any other. The peer's chain leads to a root, for the purpose of its side. HOST, when
 * not NULL, must be one of its alternative names. NAME becomes its one common name, printable
 * ASCII; KS_ERR_VERIFY when there is none. */
KS_MUST_CHECK enum ks_err ks_tls_classical_peer(struct ks_tls *tls, struct ssl_st *ssl,
                                                const char *host,
                                                char name[KS_CERT_SUBJECT_MAX + 1]);

/* RFC 9266 tls-exporter: 32 bytes, label "EXPORTER-Channel-Binding", equal at both ends,
 * different for each connection, resumed ones too. */
KS_MUST_CHECK enum ks_err ks_tls_exporter(struct ssl_st *ssl, uint8_t out[KS_TLS_EXPORTER_LEN]);

/* The code point of its key exchange in IANA's registry of TLS supported groups, such as 4588
 * for X25519MLKEM768; 0 before a handshake is complete, and for one that has none. */
uint16_t ks_tls_group(struct ssl_st *ssl);

/* The reason of the first error in OpenSSL's queue, which is emptied; "no detail" when there is
 * none. A constant text, without secrets. */
const char *ks_tls_error_text(void);

#endif
