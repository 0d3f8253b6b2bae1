/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "net/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <string.h>

#include "base/sys.h"
#include "crypto/digest.h"
#include "crypto/sigalgs.h"
#include "crypto/slhdsa_tls.h"
#include "crypto/version.h"

#define NAMES_MAX      256   /* bytes of a list of groups or signature algorithms */
#define PEM_MAX        65536 /* bytes of one PEM input */
#define CERT_LIST_MAX  32768 /* bytes of the peer's Certificate message; ours: 12 kB */
#define VERIFIED_COUNT 256
#define EXPORTER_LABEL "EXPORTER-Channel-Binding"
#define PEER_ROLES     (KS_TLS_PEER_DEVICE | KS_TLS_PEER_OPERATOR)

/* What may be configured: all of it post-quantum, so whatever is negotiated is. */
static const char *const groups_known[] = {"X25519MLKEM768", "SecP256r1MLKEM768",
                                           "SecP384r1MLKEM1024", "MLKEM768", "MLKEM1024"};
/* And what the classical profile adds. */
static const char *const groups_classical[] = {
    "X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "MLKEM768", "MLKEM1024",
    "X25519",         "secp256r1",         "secp384r1"};
static const char *const sigalgs_classical[] = {"mldsa44",
                                                "mldsa65",
                                                "mldsa87",
                                                "ecdsa_secp256r1_sha256",
                                                "ecdsa_secp384r1_sha384",
                                                "ed25519",
                                                "rsa_pss_rsae_sha256",
                                                "rsa_pss_rsae_sha384",
                                                "rsa_pss_rsae_sha512",
                                                "rsa_pkcs1_sha256",
                                                "rsa_pkcs1_sha384",
                                                "rsa_pkcs1_sha512"};
_Static_assert(KS_SIGALGS_MAX < NAMES_MAX, "a list of signature algorithms fits");
#define CLASSICAL_DEPTH 3 /* certificates between leaf and root */

/* One generation of keys and certificates; a reload makes another. */
struct material {
    char groups[NAMES_MAX];
    char sigalgs[NAMES_MAX];
    uint32_t key_algs; /* what they are for: KS_SIGALG_BIT; of the classical profile 0 */
    enum ks_tls_side side;
    enum ks_tls_mode mode;
    enum ks_tls_profile profile;
    unsigned peer_roles;    /* of a mutual server */
    X509 *leaf;             /* NULL with its key on an enrolling client */
    STACK_OF(X509) * chain; /* of the classical profile: what is sent after the leaf */
    EVP_PKEY *key;
    X509_STORE *store;
    struct ks_cert *root;
    struct ks_cert *issuer; /* this and the lists may be NULL */
    struct ks_crl *crl;
    struct ks_crl *issuer_crl;
    struct ks_cert_trust *trust; /* of these four */
    SSL_CTX *context;            /* server only */
};

/* A peer's certificate that ks_cert_verify has found good, of a role that is accepted. With the
 * material unchanged the answer stays the same from then until a certificate or a list in it
 * runs out: an SLH-DSA verification saved. */
struct verified {
    uint8_t fingerprint[KS_SHA256_LEN];
    uint64_t from_s;
    uint64_t until_s; /* 0: empty */
};

struct ks_tls {
    enum ks_tls_side side; /* these three never change */
    enum ks_tls_mode mode;
    enum ks_tls_profile profile;
    pthread_rwlock_t lock; /* over the contents of material */
    struct material material;
    pthread_mutex_t verified_lock;
    struct verified
        verified[VERIFIED_COUNT]; /* by the fingerprint's first byte; of this material */
};

const char *ks_tls_error_text(void)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());

    ERR_clear_error();
    return reason != NULL ? reason : "no detail";
}

static void material_done(struct material *material)
{
    SSL_CTX_free(material->context);
    X509_STORE_free(material->store);
    EVP_PKEY_free(material->key);
    X509_free(material->leaf);
    sk_X509_pop_free(material->chain, X509_free);
    ks_cert_trust_free(material->trust);
    ks_cert_free(material->root);
    ks_cert_free(material->issuer);
    ks_crl_free(material->crl);
    ks_crl_free(material->issuer_crl);
    *material = (struct material){0};
}

/* Copies LIST and checks that each name in it is one of KNOWN. Groups may carry the marks of
 * SSL_CTX_set1_groups_list: ':' and '/' between names, '*' and '?' before them. */
static enum ks_err take_names(const char *list, const char *const *known, size_t known_count,
                              const char *what, char target[NAMES_MAX])
{
    size_t len = strlen(list);
    size_t start = 0;

    if (len == 0 || len >= NAMES_MAX) {
        return ks_fail(KS_ERR_USAGE, "TLS %s: 1 to %d characters", what, NAMES_MAX - 1);
    }
    while (start <= len) {
        size_t name_len = strcspn(list + start, ":/");
        size_t marks = strspn(list + start, "*?");
        bool found = false;
        for (size_t i = 0; i < known_count && marks <= name_len; i++) {
            found = found ||
                    ks_bytes_is(ks_bytes_of(list + start + marks, name_len - marks), known[i]);
        }
        if (!found) {
            return ks_fail(KS_ERR_USAGE, "TLS %s: '%.*s' is not one of this profile", what,
                           (int)name_len, list + start);
        }
        start += name_len + 1;
    }
    ks_copy(target, list, len + 1);
    return KS_OK;
}

/* The key of CERT, WHOSE, is for one of the configured signature algorithms. Of a peer's libssl
 * has seen to that already; of this side's own it would say so in the first handshake only. */
static enum ks_err check_key_type(const struct material *material, const struct ks_cert *cert,
                                  const char *whose)
{
    enum ks_sig_alg alg = KS_SIG_ED25519;

    if (ks_sig_alg_from_name(ks_bytes_text(ks_cert_key_name(cert)), &alg) != KS_OK ||
        (material->key_algs & KS_SIGALG_BIT(alg)) == 0) {
        return ks_fail(KS_ERR_VERIFY, "%s key is %s, and the signature algorithms are '%s'",
                       whose, ks_cert_key_name(cert), material->sigalgs);
    }
    return KS_OK;
}

/* Exactly one certificate. */
static enum ks_err read_x509(struct ks_bytes pem, const char *what, X509 **out_cert)
{
    enum ks_err err = KS_OK;
    BIO *bio = NULL;
    X509 *cert = NULL;
    X509 *second = NULL;

    KS_CHECK(pem.len > 0 && pem.len <= PEM_MAX, KS_ERR_FORMAT, "%s: no PEM, or over %d bytes",
             what, PEM_MAX);
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    KS_CHECK(bio != NULL, KS_ERR_NOMEM, "%s: no memory", what);
    cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    KS_CHECK(cert != NULL, KS_ERR_FORMAT, "%s: %s", what, ks_tls_error_text());
    second = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    KS_CHECK(second == NULL, KS_ERR_FORMAT, "%s: more than one certificate", what);
    *out_cert = cert;
    cert = NULL;
out:
    ERR_clear_error(); /* the end of the input counts as an error there */
    X509_free(second);
    X509_free(cert);
    BIO_free(bio);
    return err;
}

/* A PEM password would be asked for on the terminal: there is none. */
static int no_password(char *buffer, int size, int writing, void *context)
{
    (void)buffer;
    (void)size;
    (void)writing;
    (void)context;
    return -1;
}

static enum ks_err read_key(struct ks_bytes pem, EVP_PKEY **out_key)
{
    enum ks_err err = KS_OK;
    BIO *bio = NULL;
    EVP_PKEY *key = NULL;

    KS_CHECK(pem.len > 0 && pem.len <= PEM_MAX, KS_ERR_FORMAT,
             "TLS key: no PEM, or over %d bytes", PEM_MAX);
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    KS_CHECK(bio != NULL, KS_ERR_NOMEM, "TLS key: no memory");
    key = PEM_read_bio_PrivateKey(bio, NULL, no_password, NULL);
    KS_CHECK(key != NULL, KS_ERR_FORMAT, "TLS key: %s", ks_tls_error_text());
    *out_key = key;
out:
    BIO_free(bio);
    return err;
}

static enum ks_err apply_own(struct material *material, SSL_CTX *context)
{
    enum ks_err err = KS_OK;

    KS_CHECK(SSL_CTX_use_certificate(context, material->leaf) == 1, KS_ERR_FORMAT,
             "TLS certificate: %s", ks_tls_error_text());
    KS_CHECK(SSL_CTX_use_PrivateKey(context, material->key) == 1 &&
                 SSL_CTX_check_private_key(context) == 1,
             KS_ERR_VERIFY, "TLS key: not the certificate's: %s", ks_tls_error_text());
    KS_CHECK(material->chain == NULL || SSL_CTX_set1_chain(context, material->chain) == 1,
             KS_ERR_NOMEM, "TLS certificate: %s", ks_tls_error_text());
out:
    return err;
}

/* What libssl itself asks of the peer, in the handshake. ks_tls_peer has the last word. */
static enum ks_err apply_verification(struct material *material, SSL_CTX *context)
{
    enum ks_err err = KS_OK;
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);
    bool is_server = material->side == KS_TLS_SERVER;

    if (is_server && material->mode == KS_TLS_ENROLMENT) {
        SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL); /* asks for no certificate */
        goto out;
    }
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    if (material->profile == KS_TLS_CLASSICAL) {
        X509_VERIFY_PARAM_set_depth(param, CLASSICAL_DEPTH);
        goto out;
    }
    /* No certificate between leaf and root, but the issuer, which counts as the end of a chain:
     * it was verified under the root when it was loaded, and costs no hash-based signature in
     * each handshake. Servers are the root's own. */
    X509_VERIFY_PARAM_set_depth(param, 0);
    KS_CHECK(!is_server || material->issuer == NULL ||
                 X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_PARTIAL_CHAIN) == 1,
             KS_ERR_INTERNAL, "TLS verification: %s", ks_tls_error_text());
    /* libssl would demand clientAuth, which an operator's certificate does not have. */
    KS_CHECK((material->peer_roles & KS_TLS_PEER_OPERATOR) == 0 ||
                 X509_VERIFY_PARAM_set_purpose(param, X509_PURPOSE_ANY) == 1,
             KS_ERR_INTERNAL, "TLS verification: %s", ks_tls_error_text());
out:
    return err;
}

/* Applies MATERIAL to a context, ours or libcurl's. */
static enum ks_err apply(struct material *material, SSL_CTX *context)
{
    enum ks_err err = KS_OK;

    KS_CHECK(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
                 SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1,
             KS_ERR_INTERNAL, "TLS 1.3: %s", ks_tls_error_text());
    KS_CHECK(SSL_CTX_set1_groups_list(context, material->groups) == 1, KS_ERR_USAGE,
             "TLS groups '%s': %s", material->groups, ks_tls_error_text());
    KS_CHECK(SSL_CTX_set1_sigalgs_list(context, material->sigalgs) == 1, KS_ERR_USAGE,
             "TLS signature algorithms '%s': %s", material->sigalgs, ks_tls_error_text());
    if (material->leaf != NULL) {
        KS_TRY(apply_own(material, context));
    }
    /* Verification sees our root and issuer and nothing else; neither is sent. */
    SSL_CTX_set1_cert_store(context, material->store);
    (void)SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_max_cert_list(context, CERT_LIST_MAX);
    KS_TRY(apply_verification(material, context));
out:
    return err;
}

/* The names under which sessions are kept: one of another mode is never resumed, even if the
 * caches of two contexts were to be shared one day. */
static const char *const session_contexts[] = {
    [KS_TLS_MUTUAL] = "ketseal",
    [KS_TLS_ENROLMENT] = "ketseal enrolment",
};
#define CLASSICAL_SESSIONS "ketseal classical"

static enum ks_err make_server_context(struct material *material, size_t sessions_max)
{
    enum ks_err err = KS_OK;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    const char *sessions = material->profile == KS_TLS_CLASSICAL
                               ? CLASSICAL_SESSIONS
                               : session_contexts[material->mode];

    KS_CHECK(context != NULL, KS_ERR_NOMEM, "TLS context: %s", ks_tls_error_text());
    KS_TRY(apply(material, context));
    /* Stateless tickets would carry the peer's certificate: 12 kB after each handshake. */
    (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
    (void)SSL_CTX_sess_set_cache_size(context, (long)sessions_max);
    (void)SSL_CTX_set_timeout(context, KS_TLS_SESSION_LIFE_S);
    KS_CHECK(SSL_CTX_set_num_tickets(context, 1) == 1 &&
                 SSL_CTX_set_session_id_context(context, (const unsigned char *)sessions,
                                                (unsigned)strlen(sessions)) == 1,
             KS_ERR_INTERNAL, "TLS sessions: %s", ks_tls_error_text());
    (void)SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                        SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_set_read_ahead(context, 1); /* one read(2) for a record instead of two */
    material->context = context;
    context = NULL;
out:
    SSL_CTX_free(context);
    return err;
}

/* The own certificate by the same rules as a peer's: found at start, not by the first peer. */
static enum ks_err check_own(const struct ks_tls_spec *spec, const struct material *material)
{
    enum ks_err err = KS_OK;
    struct ks_cert *own = NULL;
    enum ks_cert_role role = spec->side == KS_TLS_SERVER ? KS_CERT_SERVER : KS_CERT_DEVICE;

    KS_TRY(ks_cert_parse_pem(spec->cert_pem, &own));
    if (spec->side == KS_TLS_CLIENT && ks_cert_role(own) == KS_CERT_OPERATOR) {
        role = KS_CERT_OPERATOR;
    }
    KS_TRY(ks_cert_verify(own, material->trust, role, ks_clock_us() / 1000000));
    KS_TRY(check_key_type(material, own, "its"));
out:
    ks_cert_free(own);
    return ks_fail_prefix(err, "TLS certificate of this side");
}

static enum ks_err load_trust(const struct ks_tls_spec *spec, struct material *material)
{
    enum ks_err err = KS_OK;
    struct ks_cert_trust_spec trust = {0};

    KS_TRY(ks_cert_parse_pem(spec->root_pem, &material->root));
    if (spec->crl_pem.len > 0) {
        KS_TRY(ks_crl_parse_pem(spec->crl_pem, &material->crl));
    }
    if (spec->issuer_pem.len > 0) {
        KS_TRY(ks_fail_prefix(ks_cert_parse_pem(spec->issuer_pem, &material->issuer),
                              "TLS issuer"));
    }
    if (spec->issuer_crl_pem.len > 0) {
        KS_TRY(ks_fail_prefix(ks_crl_parse_pem(spec->issuer_crl_pem, &material->issuer_crl),
                              "TLS issuer"));
    }
    trust.root = material->root;
    trust.crl = material->crl;
    trust.issuer = material->issuer;
    trust.issuer_crl = material->issuer_crl;
    KS_TRY(ks_cert_trust_new(&trust, &material->trust));
out:
    return err;
}

static enum ks_err load_own(const struct ks_tls_spec *spec, struct material *material)
{
    enum ks_err err = KS_OK;

    if (spec->side == KS_TLS_CLIENT && spec->mode == KS_TLS_ENROLMENT) {
        KS_CHECK(spec->cert_pem.len == 0 && spec->key_pem.len == 0, KS_ERR_USAGE,
                 "TLS certificate: a client that enrols shows none");
        goto out;
    }
    KS_TRY(read_x509(spec->cert_pem, "TLS certificate", &material->leaf));
    KS_TRY(read_key(spec->key_pem, &material->key));
    KS_TRY(check_own(spec, material));
    KS_CHECK(X509_check_purpose(material->leaf, -1, 0) == 1, KS_ERR_FORMAT,
             "TLS certificate: %s", ks_tls_error_text());
out:
    return err;
}

/* libcrypto reads a certificate's extensions when they are first needed: not by two threads at
 * once, so here. */
static enum ks_err store_add(struct material *material, struct ks_bytes pem, const char *what)
{
    enum ks_err err = KS_OK;
    X509 *cert = NULL;

    KS_TRY(read_x509(pem, what, &cert));
    KS_CHECK(X509_check_purpose(cert, -1, 0) == 1, KS_ERR_FORMAT, "%s: %s", what,
             ks_tls_error_text());
    KS_CHECK(X509_STORE_add_cert(material->store, cert) == 1, KS_ERR_NOMEM, "%s: %s", what,
             ks_tls_error_text());
out:
    X509_free(cert);
    return err;
}

static enum ks_err check_roles(const struct ks_tls_spec *spec)
{
    enum ks_err err = KS_OK;
    bool takes_peers = spec->side == KS_TLS_SERVER && spec->mode == KS_TLS_MUTUAL;

    KS_CHECK(spec->mode == KS_TLS_MUTUAL || spec->mode == KS_TLS_ENROLMENT, KS_ERR_USAGE,
             "TLS: no such mode");
    KS_CHECK((spec->peer_roles & ~PEER_ROLES) == 0 && (takes_peers || spec->peer_roles == 0),
             KS_ERR_USAGE, "TLS: roles of peers that are unknown, or not a mutual server's");
    KS_CHECK(spec->profile == KS_TLS_POST_QUANTUM || spec->profile == KS_TLS_CLASSICAL,
             KS_ERR_USAGE, "TLS: no such profile");
out:
    return err;
}

/* --- the classical profile ---------------------------------------------------------------- */

/* The certificates of PEM, 1 to KS_TLS_CLASSICAL_CERTS_MAX. */
static enum ks_err read_chain(struct ks_bytes pem, const char *what, STACK_OF(X509) * chain)
{
    enum ks_err err = KS_OK;
    BIO *bio = NULL;
    X509 *cert = NULL;

    KS_CHECK(pem.len > 0 && pem.len <= PEM_MAX, KS_ERR_FORMAT, "%s: no PEM, or over %d bytes",
             what, PEM_MAX);
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    KS_CHECK(bio != NULL, KS_ERR_NOMEM, "%s: no memory", what);
    for (;;) {
        cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (cert == NULL) {
            break;
        }
        KS_CHECK(sk_X509_num(chain) < KS_TLS_CLASSICAL_CERTS_MAX, KS_ERR_LIMIT,
                 "%s: over %d certificates", what, KS_TLS_CLASSICAL_CERTS_MAX);
        KS_CHECK(X509_check_purpose(cert, -1, 0) == 1, KS_ERR_FORMAT, "%s: %s", what,
                 ks_tls_error_text());
        KS_CHECK(sk_X509_push(chain, cert) > 0, KS_ERR_NOMEM, "%s: no memory", what);
        cert = NULL; /* transferred */
    }
    KS_CHECK(sk_X509_num(chain) > 0 &&
                 ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE,
             KS_ERR_FORMAT, "%s: %s", what, ks_tls_error_text());
out:
    ERR_clear_error(); /* the end of the input counts as an error there */
    X509_free(cert);
    BIO_free(bio);
    return err;
}

static enum ks_err load_classical(const struct ks_tls_spec *spec, struct material *material)
{
    enum ks_err err = KS_OK;
    STACK_OF(X509) *roots = sk_X509_new_null();

    KS_CHECK(spec->mode == KS_TLS_MUTUAL && spec->peer_roles == 0 && spec->crl_pem.len == 0 &&
                 spec->issuer_pem.len == 0 && spec->issuer_crl_pem.len == 0,
             KS_ERR_USAGE,
             "TLS: no issuer, lists, roles or enrolment in the classical profile");
    material->chain = sk_X509_new_null();
    KS_CHECK(roots != NULL && material->chain != NULL, KS_ERR_NOMEM, "TLS root: no memory");
    KS_TRY(read_chain(spec->root_pem, "TLS root", roots));
    for (int i = 0; i < sk_X509_num(roots); i++) {
        KS_CHECK(X509_STORE_add_cert(material->store, sk_X509_value(roots, i)) == 1,
                 KS_ERR_NOMEM, "TLS root: %s", ks_tls_error_text());
    }
    KS_TRY(read_chain(spec->cert_pem, "TLS certificate", material->chain));
    material->leaf = sk_X509_shift(material->chain);
    KS_TRY(read_key(spec->key_pem, &material->key));
out:
    sk_X509_pop_free(roots, X509_free);
    return err;
}

static enum ks_err load_post_quantum(const struct ks_tls_spec *spec, struct material *material)
{
    enum ks_err err = KS_OK;

    KS_TRY(store_add(material, spec->root_pem, "TLS root"));
    if (spec->side == KS_TLS_SERVER && spec->issuer_pem.len > 0) {
        KS_TRY(store_add(material, spec->issuer_pem, "TLS issuer"));
    }
    KS_TRY(load_trust(spec, material));
    KS_TRY(load_own(spec, material));
out:
    return err;
}

static enum ks_err take_algorithms(const struct ks_tls_spec *spec, struct material *material)
{
    enum ks_err err = KS_OK;
    const char *sigalgs = NULL;

    if (spec->profile == KS_TLS_CLASSICAL) {
        KS_TRY(take_names(
            spec->groups != NULL ? spec->groups : KS_TLS_CLASSICAL_GROUPS, groups_classical,
            sizeof groups_classical / sizeof groups_classical[0], "groups", material->groups));
        KS_TRY(take_names(spec->sigalgs != NULL ? spec->sigalgs : KS_TLS_CLASSICAL_SIGALGS,
                          sigalgs_classical,
                          sizeof sigalgs_classical / sizeof sigalgs_classical[0],
                          "signature algorithms", material->sigalgs));
        goto out;
    }
    KS_TRY(take_names(spec->groups != NULL ? spec->groups : KS_TLS_GROUPS, groups_known,
                      sizeof groups_known / sizeof groups_known[0], "groups",
                      material->groups));
    sigalgs = spec->sigalgs != NULL ? spec->sigalgs : KS_TLS_SIGALGS;
    KS_TRY(ks_fail_prefix(ks_sigalgs_parse(sigalgs, &material->key_algs), "TLS"));
    ks_copy(material->sigalgs, sigalgs, strlen(sigalgs) + 1);
    if ((material->key_algs & KS_SIGALGS_SLHDSA) != 0) {
        KS_TRY(ks_slhdsa_tls_add());
    }
out:
    return err;
}

static enum ks_err load(const struct ks_tls_spec *spec, struct material *material)
{
    enum ks_err err = KS_OK;
    size_t sessions_max = spec->sessions_max > 0 ? spec->sessions_max : KS_TLS_SESSIONS_MAX;

    KS_CHECK(sessions_max <= INT32_MAX, KS_ERR_LIMIT, "TLS sessions: limit %d", INT32_MAX);
    KS_TRY(check_roles(spec));
    material->side = spec->side;
    material->mode = spec->mode;
    material->profile = spec->profile;
    material->peer_roles = spec->peer_roles != 0 ? spec->peer_roles : KS_TLS_PEER_DEVICE;
    KS_TRY(take_algorithms(spec, material));
    material->store = X509_STORE_new();
    KS_CHECK(material->store != NULL, KS_ERR_NOMEM, "TLS root: %s", ks_tls_error_text());
    KS_TRY(spec->profile == KS_TLS_CLASSICAL ? load_classical(spec, material)
                                             : load_post_quantum(spec, material));
    if (spec->side == KS_TLS_SERVER) {
        KS_TRY(make_server_context(material, sessions_max));
    }
out:
    return err;
}

enum ks_err ks_tls_new(const struct ks_tls_spec *spec, struct ks_tls **out_tls)
{
    enum ks_err err = KS_OK;
    struct ks_tls *tls = NULL;

    KS_TRY(ks_crypto_check_version());
    /* No openssl.cnf: what is negotiated is decided here. */
    KS_CHECK(OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, NULL) == 1, KS_ERR_INTERNAL,
             "OpenSSL does not start: %s", ks_tls_error_text());
    tls = ks_calloc(1, sizeof *tls);
    KS_CHECK(tls != NULL, KS_ERR_NOMEM, "no memory for a TLS context");
    tls->side = spec->side;
    tls->mode = spec->mode;
    tls->profile = spec->profile;
    KS_CHECK(pthread_rwlock_init(&tls->lock, NULL) == 0 &&
                 pthread_mutex_init(&tls->verified_lock, NULL) == 0,
             KS_ERR_NOMEM, "no memory for a lock");
    KS_TRY(load(spec, &tls->material));
    *out_tls = tls;
    tls = NULL;
out:
    ks_tls_free(tls);
    return err;
}

void ks_tls_free(struct ks_tls *tls)
{
    if (tls != NULL) {
        material_done(&tls->material);
        (void)pthread_mutex_destroy(&tls->verified_lock);
        (void)pthread_rwlock_destroy(&tls->lock);
        ks_free(tls);
    }
}

enum ks_tls_mode ks_tls_mode(const struct ks_tls *tls)
{
    return tls->mode;
}

enum ks_tls_profile ks_tls_profile(const struct ks_tls *tls)
{
    return tls->profile;
}

enum ks_err ks_tls_reload(struct ks_tls *tls, const struct ks_tls_spec *spec)
{
    enum ks_err err = KS_OK;
    struct material fresh = {{0}};
    struct material old;

    KS_CHECK(spec->side == tls->side && spec->mode == tls->mode &&
                 spec->profile == tls->profile,
             KS_ERR_USAGE, "TLS reload: side, mode and profile cannot change");
    KS_TRY(load(spec, &fresh));
    (void)pthread_rwlock_wrlock(&tls->lock);
    old = tls->material;
    tls->material = fresh;
    ks_zero(tls->verified, sizeof tls->verified);
    (void)pthread_rwlock_unlock(&tls->lock);
    fresh = old; /* connections hold their own reference to its context */
out:
    material_done(&fresh);
    return err;
}

enum ks_err ks_tls_accept_new(struct ks_tls *tls, SSL **out_ssl)
{
    SSL *ssl = NULL;

    KS_ASSERT(tls->side == KS_TLS_SERVER);
    (void)pthread_rwlock_rdlock(&tls->lock);
    ssl = SSL_new(tls->material.context);
    (void)pthread_rwlock_unlock(&tls->lock);
    if (ssl == NULL) {
        return ks_fail(KS_ERR_NOMEM, "TLS connection: %s", ks_tls_error_text());
    }
    SSL_set_accept_state(ssl);
    *out_ssl = ssl;
    return KS_OK;
}

enum ks_err ks_tls_configure(struct ks_tls *tls, SSL_CTX *context)
{
    enum ks_err err = KS_OK;

    (void)pthread_rwlock_rdlock(&tls->lock);
    err = apply(&tls->material, context);
    (void)pthread_rwlock_unlock(&tls->lock);
    return err;
}

static enum ks_err peer_der(SSL *ssl, struct ks_cert **out_peer)
{
    enum ks_err err = KS_OK;
    unsigned char *der = NULL;
    X509 *cert = SSL_get0_peer_certificate(ssl);
    int len = cert != NULL ? i2d_X509(cert, &der) : 0;

    KS_CHECK(len > 0, KS_ERR_VERIFY, "the peer showed no certificate");
    KS_TRY(ks_cert_parse_der(ks_bytes_of(der, (size_t)len), out_peer));
out:
    OPENSSL_free(der);
    return err;
}

/* The role to verify PEER for: what it says where that is accepted, else one that is, which
 * gives the reason to refuse it. */
static enum ks_cert_role role_wanted(const struct ks_tls *tls, const struct ks_cert *peer)
{
    unsigned roles = tls->material.peer_roles;
    bool is_operator = ks_cert_role(peer) == KS_CERT_OPERATOR;

    if (tls->side == KS_TLS_CLIENT) {
        return KS_CERT_SERVER;
    }
    if ((roles & KS_TLS_PEER_OPERATOR) != 0 &&
        (is_operator || (roles & KS_TLS_PEER_DEVICE) == 0)) {
        return KS_CERT_OPERATOR;
    }
    return KS_CERT_DEVICE;
}

/* ks_cert_verify, remembered. The caller holds the lock over the material. */
static enum ks_err verify_peer(struct ks_tls *tls, const struct ks_cert *peer, uint64_t time_s)
{
    enum ks_err err = KS_OK;
    const struct ks_cert_trust *trust = tls->material.trust;
    struct verified fresh = {.from_s = time_s};
    struct verified *place = NULL;
    bool known = false;

    ks_cert_fingerprint(peer, fresh.fingerprint);
    place = &tls->verified[fresh.fingerprint[0]];
    (void)pthread_mutex_lock(&tls->verified_lock);
    known = ks_bytes_equal(KS_BYTES(place->fingerprint), KS_BYTES(fresh.fingerprint)) &&
            place->from_s <= time_s && time_s <= place->until_s;
    (void)pthread_mutex_unlock(&tls->verified_lock);
    if (known) {
        return KS_OK;
    }
    KS_TRY(ks_cert_verify(peer, trust, role_wanted(tls, peer), time_s));
    fresh.until_s = ks_cert_verified_until_s(peer, trust);
    (void)pthread_mutex_lock(&tls->verified_lock);
    *place = fresh;
    (void)pthread_mutex_unlock(&tls->verified_lock);
out:
    return err;
}

/* What holds of a connection whoever the peer is. The caller holds the lock. */
static enum ks_err check_connection(const struct ks_tls *tls, SSL *ssl,
                                    enum ks_tls_profile profile)
{
    enum ks_err err = KS_OK;
    const char *group = NULL;

    KS_CHECK(tls->profile == profile, KS_ERR_VERIFY,
             "the connection is of the classical profile, or not of it");
    KS_CHECK(SSL_is_init_finished(ssl) && SSL_version(ssl) == TLS1_3_VERSION, KS_ERR_VERIFY,
             "the connection is not TLS 1.3");
    group = SSL_get0_group_name(ssl); /* there is a session now */
    KS_CHECK(group != NULL && strcasestr(tls->material.groups, group) != NULL, KS_ERR_VERIFY,
             "the connection's key exchange is not a configured one");
    KS_CHECK(SSL_get_verify_result(ssl) == X509_V_OK, KS_ERR_VERIFY, "peer certificate: %s",
             X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
out:
    return err;
}

enum ks_err ks_tls_peer(struct ks_tls *tls, SSL *ssl, uint64_t time_s,
                        struct ks_cert **out_peer)
{
    enum ks_err err = KS_OK;
    struct ks_cert *peer = NULL;

    (void)pthread_rwlock_rdlock(&tls->lock);
    KS_TRY(check_connection(tls, ssl, KS_TLS_POST_QUANTUM));
    if (tls->side == KS_TLS_SERVER && tls->mode == KS_TLS_ENROLMENT) {
        KS_CHECK(SSL_get0_peer_certificate(ssl) == NULL, KS_ERR_VERIFY,
                 "the peer has a certificate, on a connection for enrolment");
        err = ks_fail(KS_ERR_NOT_FOUND, "the peer has no certificate: it enrols");
        goto out;
    }
    KS_TRY(peer_der(ssl, &peer));
    KS_TRY(check_key_type(&tls->material, peer, "the peer's"));
    KS_TRY(verify_peer(tls, peer, time_s));
    *out_peer = peer;
    peer = NULL;
out:
    (void)pthread_rwlock_unlock(&tls->lock);
    ks_cert_free(peer);
    return err;
}

/* The one common name of CERT's subject. */
static enum ks_err common_name(const X509 *cert, char name[KS_CERT_SUBJECT_MAX + 1])
{
    enum ks_err err = KS_OK;
    const X509_NAME *subject = X509_get_subject_name(cert);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    unsigned char *text = NULL;
    int len = 0;

    KS_CHECK(at >= 0 && X509_NAME_get_index_by_NID(subject, NID_commonName, at) < 0,
             KS_ERR_VERIFY, "the peer's certificate has not one common name");
    len =
        ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
    KS_CHECK(len > 0 && len <= KS_CERT_SUBJECT_MAX, KS_ERR_VERIFY,
             "the peer's common name is not 1 to %d characters", KS_CERT_SUBJECT_MAX);
    for (int i = 0; i < len; i++) {
        KS_CHECK(text[i] >= ' ' && text[i] <= '~', KS_ERR_VERIFY,
                 "the peer's common name is not printable ASCII");
    }
    ks_copy(name, text, (size_t)len);
    name[len] = 0;
out:
    OPENSSL_free(text);
    return err;
}

enum ks_err ks_tls_classical_peer(struct ks_tls *tls, SSL *ssl, const char *host,
                                  char name[KS_CERT_SUBJECT_MAX + 1])
{
    enum ks_err err = KS_OK;
    X509 *cert = SSL_get0_peer_certificate(ssl);

    (void)pthread_rwlock_rdlock(&tls->lock);
    KS_TRY(check_connection(tls, ssl, KS_TLS_CLASSICAL));
    KS_CHECK(cert != NULL, KS_ERR_VERIFY, "the peer showed no certificate");
    KS_CHECK(host == NULL || X509_check_ip_asc(cert, host, 0) == 1 ||
                 X509_check_host(cert, host, strlen(host), X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
                                 NULL) == 1,
             KS_ERR_VERIFY, "the peer's certificate is not for '%s'", host);
    KS_TRY(common_name(cert, name));
out:
    (void)pthread_rwlock_unlock(&tls->lock);
    ERR_clear_error();
    return err;
}

uint16_t ks_tls_group(SSL *ssl)
{
    /* Groups that OpenSSL has numbers of its own for; of others it gives the code point. */
    static const struct {
        long nid;
        uint16_t group;
    } named[] = {
        {NID_X9_62_prime256v1, 23}, {NID_secp384r1, 24}, {NID_secp521r1, 25},
        {NID_X25519, 29},           {NID_X448, 30},
    };
    const long nid = SSL_get_negotiated_group(ssl);

    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (named[i].nid == nid) {
            return named[i].group;
        }
    }
    return nid > 0 && (nid & TLSEXT_nid_unknown) != 0 ? (uint16_t)(nid & 0xffff) : 0;
}

enum ks_err ks_tls_exporter(SSL *ssl, uint8_t out[KS_TLS_EXPORTER_LEN])
{
    /* RFC 9266 §2: no context value; in TLS 1.3 that is the same as an empty one. */
    if (SSL_export_keying_material(ssl, out, KS_TLS_EXPORTER_LEN, EXPORTER_LABEL,
                                   sizeof EXPORTER_LABEL - 1, NULL, 0, 0) != 1) {
        return ks_fail(KS_ERR_INTERNAL, "TLS exporter: %s", ks_tls_error_text());
    }
    return KS_OK;
}
