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
#include "crypto/version.h"

#define NAMES_MAX       256   /* bytes of a list of groups or signature algorithms */
#define PEM_MAX         65536 /* bytes of one PEM input */
#define CERT_LIST_MAX   32768 /* bytes of the peer's Certificate message; ours: 12 kB */
#define VERIFIED_COUNT  256
#define EXPORTER_LABEL  "EXPORTER-Channel-Binding"
#define SESSION_CONTEXT "ketseal"

/* What may be configured: all of it post-quantum, so whatever is negotiated is. */
static const char *const groups_known[] = {"X25519MLKEM768", "SecP256r1MLKEM768",
                                           "SecP384r1MLKEM1024", "MLKEM768", "MLKEM1024"};
static const char *const sigalgs_known[] = {"mldsa44", "mldsa65", "mldsa87"};

/* One generation of keys and certificates; a reload makes another. */
struct material {
    char groups[NAMES_MAX];
    char sigalgs[NAMES_MAX];
    X509 *leaf;
    EVP_PKEY *key;
    X509_STORE *store;
    struct ks_cert *root;
    struct ks_crl *crl; /* may be NULL */
    SSL_CTX *context;   /* server only */
};

/* A peer's certificate that ks_cert_verify has found good. With root, revocation list and role
 * unchanged the answer stays the same from then until one of the three runs out: two SLH-DSA
 * verifications saved. */
struct verified {
    uint8_t fingerprint[KS_SHA256_LEN];
    uint64_t from_s;
    uint64_t until_s; /* 0: empty */
};

struct ks_tls {
    enum ks_tls_side side;
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
    ks_cert_free(material->root);
    ks_crl_free(material->crl);
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
            return ks_fail(KS_ERR_USAGE, "TLS %s: '%.*s' is not a post-quantum one", what,
                           (int)name_len, list + start);
        }
        start += name_len + 1;
    }
    ks_copy(target, list, len + 1);
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

/* Applies MATERIAL to a context, ours or libcurl's. */
static enum ks_err apply(struct material *material, SSL_CTX *context)
{
    enum ks_err err = KS_OK;
    X509_VERIFY_PARAM *param = SSL_CTX_get0_param(context);

    KS_CHECK(SSL_CTX_set_min_proto_version(context, TLS1_3_VERSION) == 1 &&
                 SSL_CTX_set_max_proto_version(context, TLS1_3_VERSION) == 1,
             KS_ERR_INTERNAL, "TLS 1.3: %s", ks_tls_error_text());
    KS_CHECK(SSL_CTX_set1_groups_list(context, material->groups) == 1, KS_ERR_USAGE,
             "TLS groups '%s': %s", material->groups, ks_tls_error_text());
    KS_CHECK(SSL_CTX_set1_sigalgs_list(context, material->sigalgs) == 1, KS_ERR_USAGE,
             "TLS signature algorithms '%s': %s", material->sigalgs, ks_tls_error_text());
    KS_CHECK(SSL_CTX_use_certificate(context, material->leaf) == 1, KS_ERR_FORMAT,
             "TLS certificate: %s", ks_tls_error_text());
    KS_CHECK(SSL_CTX_use_PrivateKey(context, material->key) == 1 &&
                 SSL_CTX_check_private_key(context) == 1,
             KS_ERR_VERIFY, "TLS key: not the certificate's: %s", ks_tls_error_text());
    /* Verification sees our root and nothing else; the root itself is not sent. */
    SSL_CTX_set1_cert_store(context, material->store);
    (void)SSL_CTX_set_mode(context, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_max_cert_list(context, CERT_LIST_MAX);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    X509_VERIFY_PARAM_set_depth(param, 0); /* no certificate between leaf and root */
out:
    return err;
}

static enum ks_err make_server_context(struct material *material, size_t sessions_max)
{
    enum ks_err err = KS_OK;
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());

    KS_CHECK(context != NULL, KS_ERR_NOMEM, "TLS context: %s", ks_tls_error_text());
    KS_TRY(apply(material, context));
    /* Stateless tickets would carry the peer's certificate: 12 kB after each handshake. */
    (void)SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    (void)SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_SERVER);
    (void)SSL_CTX_sess_set_cache_size(context, (long)sessions_max);
    (void)SSL_CTX_set_timeout(context, KS_TLS_SESSION_LIFE_S);
    KS_CHECK(SSL_CTX_set_num_tickets(context, 1) == 1 &&
                 SSL_CTX_set_session_id_context(context, (const unsigned char *)SESSION_CONTEXT,
                                                sizeof SESSION_CONTEXT - 1) == 1,
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
    KS_TRY(ks_cert_verify(own, material->root, material->crl, role, ks_clock_us() / 1000000));
out:
    ks_cert_free(own);
    return ks_fail_prefix(err, "TLS certificate of this side");
}

static enum ks_err load(const struct ks_tls_spec *spec, struct material *material)
{
    enum ks_err err = KS_OK;
    X509 *root = NULL;
    size_t sessions_max = spec->sessions_max > 0 ? spec->sessions_max : KS_TLS_SESSIONS_MAX;

    KS_CHECK(sessions_max <= INT32_MAX, KS_ERR_LIMIT, "TLS sessions: limit %d", INT32_MAX);
    KS_TRY(take_names(spec->groups != NULL ? spec->groups : KS_TLS_GROUPS, groups_known,
                      sizeof groups_known / sizeof groups_known[0], "groups",
                      material->groups));
    KS_TRY(take_names(spec->sigalgs != NULL ? spec->sigalgs : KS_TLS_SIGALGS, sigalgs_known,
                      sizeof sigalgs_known / sizeof sigalgs_known[0], "signature algorithms",
                      material->sigalgs));
    KS_TRY(read_x509(spec->root_pem, "TLS root", &root));
    KS_TRY(read_x509(spec->cert_pem, "TLS certificate", &material->leaf));
    KS_TRY(read_key(spec->key_pem, &material->key));
    KS_TRY(ks_cert_parse_pem(spec->root_pem, &material->root));
    if (spec->crl_pem.len > 0) {
        KS_TRY(ks_crl_parse_pem(spec->crl_pem, &material->crl));
    }
    KS_TRY(check_own(spec, material));
    material->store = X509_STORE_new();
    KS_CHECK(material->store != NULL && X509_STORE_add_cert(material->store, root) == 1,
             KS_ERR_NOMEM, "TLS root: %s", ks_tls_error_text());
    /* libcrypto reads a certificate's extensions when they are first needed: not by two threads
     * at once. */
    KS_CHECK(X509_check_purpose(root, -1, 0) == 1 &&
                 X509_check_purpose(material->leaf, -1, 0) == 1,
             KS_ERR_FORMAT, "TLS root or certificate: %s", ks_tls_error_text());
    if (spec->side == KS_TLS_SERVER) {
        KS_TRY(make_server_context(material, sessions_max));
    }
out:
    X509_free(root);
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

enum ks_err ks_tls_reload(struct ks_tls *tls, const struct ks_tls_spec *spec)
{
    enum ks_err err = KS_OK;
    struct material fresh = {{0}};
    struct material old;

    KS_CHECK(spec->side == tls->side, KS_ERR_USAGE, "TLS reload: the side cannot change");
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

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ks_cert_verify, remembered. The caller holds the lock over the material. */
static enum ks_err verify_peer(struct ks_tls *tls, const struct ks_cert *peer, uint64_t time_s)
{
    enum ks_err err = KS_OK;
    const struct material *material = &tls->material;
    enum ks_cert_role role = tls->side == KS_TLS_SERVER ? KS_CERT_DEVICE : KS_CERT_SERVER;
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
    KS_TRY(ks_cert_verify(peer, material->root, material->crl, role, time_s));
    fresh.until_s = smaller(ks_cert_not_after_s(peer), ks_cert_not_after_s(material->root));
    if (material->crl != NULL) {
        fresh.until_s = smaller(fresh.until_s, ks_crl_next_update_s(material->crl) - 1);
    }
    (void)pthread_mutex_lock(&tls->verified_lock);
    *place = fresh;
    (void)pthread_mutex_unlock(&tls->verified_lock);
out:
    return err;
}

enum ks_err ks_tls_peer(struct ks_tls *tls, SSL *ssl, uint64_t time_s,
                        struct ks_cert **out_peer)
{
    enum ks_err err = KS_OK;
    struct ks_cert *peer = NULL;
    const char *group = SSL_get0_group_name(ssl);

    (void)pthread_rwlock_rdlock(&tls->lock);
    KS_CHECK(SSL_is_init_finished(ssl) && SSL_version(ssl) == TLS1_3_VERSION, KS_ERR_VERIFY,
             "the connection is not TLS 1.3");
    KS_CHECK(group != NULL && strcasestr(tls->material.groups, group) != NULL, KS_ERR_VERIFY,
             "the connection's key exchange is not a configured one");
    KS_CHECK(SSL_get_verify_result(ssl) == X509_V_OK, KS_ERR_VERIFY, "peer certificate: %s",
             X509_verify_cert_error_string(SSL_get_verify_result(ssl)));
    KS_TRY(peer_der(ssl, &peer));
    KS_TRY(verify_peer(tls, peer, time_s));
    *out_peer = peer;
    peer = NULL;
out:
    (void)pthread_rwlock_unlock(&tls->lock);
    ks_cert_free(peer);
    return err;
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
