/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* SLH-DSA certificates in TLS 1.3. Both ends are libssl with our provider, since no other
 * program here has the draft's code points (`openssl s_client` has none); so what is said in
 * CertificateVerify is checked by hand besides: code point, and signature over the transcript,
 * by RFC 8446 §4.4.3 and EVP alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

#include "base/sys.h"
#include "crypto/keyfile.h"
#include "crypto/slhdsa_tls.h"
#include "net/tls.h"
#include "tests/integration/issue.h"

#define TURNS_MAX      100
#define PIPE_BYTES     ((size_t)1 << 17)
#define TRANSCRIPT_MAX ((size_t)1 << 18)
#define MESSAGES_MAX   16
#define ALL_SIGALGS    "mldsa44:mldsa65:mldsa87:slhdsa_sha2_128s:slhdsa_sha2_128f"
#define NOW_S          (ks_clock_us() / 1000000)

static const struct {
    enum ks_sig_alg alg;
    unsigned code; /* draft-reddy-tls-slhdsa-02, section 4; draft-ietf-tls-mldsa */
    const char *sigalg;
} algs[] = {
    {KS_SIG_MLDSA44, 0x0904, "mldsa44"},
    {KS_SIG_MLDSA65, 0x0905, "mldsa65"},
    {KS_SIG_MLDSA87, 0x0906, "mldsa87"},
    {KS_SIG_SLHDSA_SHA2_128S, 0x0911, "slhdsa_sha2_128s"},
    {KS_SIG_SLHDSA_SHA2_128F, 0x0912, "slhdsa_sha2_128f"},
};
#define ALGS (sizeof algs / sizeof algs[0])
enum { MLDSA44, MLDSA65, MLDSA87, SLHDSA_128S, SLHDSA_128F };

static struct {
    struct test_authority *root;
    struct test_authority *issuer;
    struct test_identity *sites[ALGS];
    struct test_identity *devices[ALGS];  /* of the root */
    struct test_identity *enrolled[ALGS]; /* of the issuer */
} pki;

static int set_up(void **state)
{
    (void)state;
    pki.root = test_authority_new("root");
    pki.issuer = test_issuer_new(pki.root, "site of tests");
    for (size_t i = 0; i < ALGS; i++) {
        pki.sites[i] = test_issue_with(pki.root, TEST_SERVER, algs[i].alg, "site", "localhost");
        pki.devices[i] = test_issue_with(pki.root, TEST_DEVICE, algs[i].alg, "device", NULL);
        pki.enrolled[i] =
            test_issue_with(pki.issuer, TEST_DEVICE, algs[i].alg, "enrolled", NULL);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (size_t i = 0; i < ALGS; i++) {
        test_identity_free(pki.sites[i]);
        test_identity_free(pki.devices[i]);
        test_identity_free(pki.enrolled[i]);
    }
    test_authority_free(pki.issuer);
    test_authority_free(pki.root);
    return 0;
}

/* --- both ends in one process ------------------------------------------------------------- */

struct message {
    size_t begin;
    size_t end;
};

/* What the client says and hears, as handshake messages. */
struct transcript {
    struct ks_buf bytes;
    struct message messages[MESSAGES_MAX];
    size_t count;
};

struct ends {
    SSL *server;
    SSL *client;
    struct transcript transcript;
    bool complete;
};

static struct ks_tls_spec spec_of(enum ks_tls_side side, const struct test_identity *identity,
                                  const char *sigalgs)
{
    return (struct ks_tls_spec){.side = side,
                                .root_pem = test_root_pem(pki.root),
                                .issuer_pem = test_root_pem(pki.issuer),
                                .cert_pem = test_cert_pem(identity),
                                .key_pem = test_key_pem(identity),
                                .sigalgs = sigalgs};
}

static struct ks_tls *tls_of(enum ks_tls_side side, const struct test_identity *identity,
                             const char *sigalgs)
{
    const struct ks_tls_spec spec = spec_of(side, identity, sigalgs);
    struct ks_tls *tls = NULL;

    if (ks_tls_new(&spec, &tls) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return tls;
}

static void note_message(int is_write, int version, int type, const void *bytes, size_t len,
                         SSL *ssl, void *context)
{
    struct transcript *transcript = context;
    const uint8_t *message = bytes;

    (void)is_write;
    (void)version;
    (void)ssl;
    if (type != SSL3_RT_HANDSHAKE || message[0] == SSL3_MT_NEWSESSION_TICKET) {
        return;
    }
    assert_true(transcript->count < MESSAGES_MAX);
    transcript->messages[transcript->count].begin = transcript->bytes.len;
    ks_buf_put(&transcript->bytes, ks_bytes_of(bytes, len));
    transcript->messages[transcript->count++].end = transcript->bytes.len;
}

static SSL *client_new(struct ks_tls *tls)
{
    SSL_CTX *context = SSL_CTX_new(TLS_client_method());
    SSL *ssl = NULL;

    assert_non_null(context);
    if (ks_tls_configure(tls, context) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    ssl = SSL_new(context);
    assert_non_null(ssl);
    SSL_CTX_free(context);
    return ssl;
}

/* One turn of one end; true when it has finished its handshake and read what came after. */
static bool turn(SSL *ssl)
{
    char nothing[1];

    if (!SSL_is_init_finished(ssl)) {
        (void)SSL_do_handshake(ssl);
    } else {
        (void)SSL_read(ssl, nothing, sizeof nothing);
    }
    return SSL_is_init_finished(ssl);
}

/* CLIENT, owned from now on, against SERVER. */
static struct ends meet(struct ks_tls *server, SSL *client, SSL_SESSION *session)
{
    struct ends ends = {.client = client};
    BIO *server_bio = NULL;
    BIO *client_bio = NULL;
    bool done = false;

    ks_buf_init(&ends.transcript.bytes, TRANSCRIPT_MAX);
    assert_int_equal(ks_tls_accept_new(server, &ends.server), KS_OK);
    assert_int_equal(BIO_new_bio_pair(&server_bio, PIPE_BYTES, &client_bio, PIPE_BYTES), 1);
    SSL_set_bio(ends.server, server_bio, server_bio);
    SSL_set_bio(ends.client, client_bio, client_bio);
    SSL_set_connect_state(ends.client);
    SSL_set_msg_callback(ends.client, note_message);
    SSL_set_msg_callback_arg(ends.client, &ends.transcript);
    if (session != NULL) {
        assert_int_equal(SSL_set_session(ends.client, session), 1);
    }
    for (unsigned i = 0; i < TURNS_MAX && !done; i++) {
        bool client_done = turn(ends.client);

        done = turn(ends.server) && client_done;
    }
    (void)turn(ends.client); /* its ticket */
    ends.complete = done && SSL_get_shutdown(ends.client) == 0;
    SSL_set_msg_callback(ends.client, NULL); /* ENDS moves */
    return ends;
}

static void part(struct ends *ends)
{
    SSL_set_shutdown(ends->server, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_set_shutdown(ends->client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
    SSL_free(ends->server);
    SSL_free(ends->client);
    ks_buf_done(&ends->transcript.bytes);
    ERR_clear_error();
}

/* Each end accepts the other, and both have the same exporter. */
static void assert_mutual(const struct ends *ends, struct ks_tls *server, struct ks_tls *client)
{
    struct ks_cert *device = NULL;
    struct ks_cert *site = NULL;
    uint8_t server_exporter[KS_TLS_EXPORTER_LEN];
    uint8_t client_exporter[KS_TLS_EXPORTER_LEN];

    assert_true(ends->complete);
    if (ks_tls_peer(server, ends->server, NOW_S, &device) != KS_OK ||
        ks_tls_peer(client, ends->client, NOW_S, &site) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    assert_string_equal(ks_cert_subject(site), "site");
    assert_int_equal(ks_tls_exporter(ends->server, server_exporter), KS_OK);
    assert_int_equal(ks_tls_exporter(ends->client, client_exporter), KS_OK);
    assert_memory_equal(server_exporter, client_exporter, sizeof server_exporter);
    ks_cert_free(device);
    ks_cert_free(site);
}

/* --- the oracle --------------------------------------------------------------------------- */

/* RFC 8446 §4.4.3: what a CertificateVerify signs, given all messages before it. */
static void put_signed(const struct ends *ends, size_t before, const char *context,
                       struct ks_buf *out)
{
    const EVP_MD *hash = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ends->client));
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned len = 0;

    assert_int_equal(EVP_Digest(ends->transcript.bytes.data,
                                ends->transcript.messages[before].begin, digest, &len, hash,
                                NULL),
                     1);
    for (unsigned i = 0; i < 64; i++) {
        ks_buf_put_u8(out, 0x20);
    }
    ks_buf_put_text(out, context);
    ks_buf_put_u8(out, 0);
    ks_buf_put(out, ks_bytes_of(digest, len));
}

/* The COUNT-th CertificateVerify of the transcript is of code point CODE, and its signature is
 * good under the key of IDENTITY for exactly this transcript. */
static void assert_certificate_verify(const struct ends *ends, unsigned count, unsigned code,
                                      const char *context, const struct test_identity *identity)
{
    size_t index = 0;
    struct ks_cert *cert = NULL;
    struct ks_verify_key *key = NULL;
    struct ks_buf message;
    struct ks_bytes body = {0};

    for (unsigned seen = 0;; index++) {
        assert_true(index < ends->transcript.count);
        body = ks_bytes_of(ends->transcript.bytes.data + ends->transcript.messages[index].begin,
                           ends->transcript.messages[index].end -
                               ends->transcript.messages[index].begin);
        if (body.data[0] == SSL3_MT_CERTIFICATE_VERIFY && ++seen == count) {
            break;
        }
    }
    ks_buf_init(&message, 1024);
    put_signed(ends, index, context, &message);
    assert_true(body.len > 8);
    assert_int_equal(body.data[4] << 8 | body.data[5], code);
    assert_int_equal(body.data[6] << 8 | body.data[7], body.len - 8);
    assert_int_equal(ks_cert_parse_pem(test_cert_pem(identity), &cert), KS_OK);
    assert_int_equal(ks_cert_key(cert, &key), KS_OK);
    assert_int_equal(
        ks_verify(key, "", ks_buf_view(&message), ks_bytes_of(body.data + 8, body.len - 8)),
        KS_OK);
    message.data[message.len - 1] ^= 1;
    assert_int_equal(
        ks_verify(key, "", ks_buf_view(&message), ks_bytes_of(body.data + 8, body.len - 8)),
        KS_ERR_VERIFY);
    ks_verify_key_free(key);
    ks_cert_free(cert);
    ks_buf_done(&message);
}

/* --- what works --------------------------------------------------------------------------- */

static void assert_combination(size_t site, size_t device, bool of_issuer, const char *groups)
{
    const struct test_identity *identity =
        of_issuer ? pki.enrolled[device] : pki.devices[device];
    char sigalgs[64];
    struct ks_tls_spec server_spec;
    struct ks_tls_spec client_spec;
    struct ks_tls *server = NULL;
    struct ks_tls *client = NULL;
    struct ends ends;

    /* Exactly what the two need, each once. */
    (void)snprintf(sigalgs, sizeof sigalgs, "%s%s%s", algs[site].sigalg,
                   site != device ? ":" : "", site != device ? algs[device].sigalg : "");
    server_spec = spec_of(KS_TLS_SERVER, pki.sites[site], sigalgs);
    client_spec = spec_of(KS_TLS_CLIENT, identity, sigalgs);
    server_spec.groups = groups;
    client_spec.groups = groups;
    if (ks_tls_new(&server_spec, &server) != KS_OK ||
        ks_tls_new(&client_spec, &client) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    ends = meet(server, client_new(client), NULL);
    assert_mutual(&ends, server, client);
    assert_string_equal(SSL_get0_group_name(ends.client), groups);
    assert_certificate_verify(&ends, 1, algs[site].code, "TLS 1.3, server CertificateVerify",
                              pki.sites[site]);
    assert_certificate_verify(&ends, 2, algs[device].code, "TLS 1.3, client CertificateVerify",
                              identity);
    part(&ends);
    ks_tls_free(server);
    ks_tls_free(client);
}

static void every_combination_is_mutual(void **state)
{
    (void)state;
    for (size_t site = 0; site < ALGS; site++) {
        for (size_t device = 0; device < ALGS; device++) {
            assert_combination(site, device, false, "X25519MLKEM768");
            assert_combination(site, device, true, "MLKEM768");
        }
    }
}

static void sessions_are_resumed(void **state)
{
    struct ks_tls *server = tls_of(KS_TLS_SERVER, pki.sites[SLHDSA_128F], ALL_SIGALGS);
    struct ks_tls *client = tls_of(KS_TLS_CLIENT, pki.devices[SLHDSA_128S], ALL_SIGALGS);
    struct ends ends = meet(server, client_new(client), NULL);
    SSL_SESSION *session = NULL;
    size_t full_bytes = ends.transcript.bytes.len;

    (void)state;
    assert_mutual(&ends, server, client);
    assert_int_equal(SSL_session_reused(ends.client), 0);
    session = SSL_get1_session(ends.client);
    assert_int_equal(SSL_SESSION_is_resumable(session), 1);
    part(&ends);
    ends = meet(server, client_new(client), session);
    assert_mutual(&ends, server, client);
    assert_int_equal(SSL_session_reused(ends.client), 1);
    assert_true(ends.transcript.bytes.len < full_bytes / 4); /* no certificate, no signature */
    part(&ends);
    SSL_SESSION_free(session);
    ks_tls_free(server);
    ks_tls_free(client);
}

/* --- what is refused ---------------------------------------------------------------------- */

static void assert_own_refused(enum ks_tls_side side, const struct test_identity *identity,
                               const char *sigalgs, const char *reason)
{
    const struct ks_tls_spec spec = spec_of(side, identity, sigalgs);
    struct ks_tls *tls = NULL;

    assert_int_equal(ks_tls_new(&spec, &tls), KS_ERR_VERIFY);
    assert_non_null(strstr(ks_err_detail(), reason));
    assert_null(tls);
}

static void an_own_key_has_to_be_enabled(void **state)
{
    (void)state;
    for (size_t i = SLHDSA_128S; i <= SLHDSA_128F; i++) {
        assert_own_refused(KS_TLS_SERVER, pki.sites[i], NULL, "SLH-DSA-SHA2-128");
        assert_own_refused(KS_TLS_CLIENT, pki.devices[i], NULL, "SLH-DSA-SHA2-128");
    }
    assert_own_refused(KS_TLS_SERVER, pki.sites[SLHDSA_128S], "slhdsa_sha2_128f:mldsa65",
                       "SLH-DSA-SHA2-128s");
    assert_own_refused(KS_TLS_CLIENT, pki.devices[MLDSA65], "slhdsa_sha2_128f", "ML-DSA-65");
}

static void assert_refused(const char *server_sigalgs, size_t site, const char *client_sigalgs,
                           size_t device)
{
    struct ks_tls *server = tls_of(KS_TLS_SERVER, pki.sites[site], server_sigalgs);
    struct ks_tls *client = tls_of(KS_TLS_CLIENT, pki.devices[device], client_sigalgs);
    struct ends ends = meet(server, client_new(client), NULL);

    assert_false(ends.complete);
    part(&ends);
    ks_tls_free(server);
    ks_tls_free(client);
}

static void a_peers_algorithm_has_to_be_enabled(void **state)
{
    (void)state;
    /* The server by default, and with the other parameter set alone. */
    assert_refused(NULL, MLDSA65, "mldsa65:slhdsa_sha2_128f", SLHDSA_128F);
    assert_refused("mldsa65:slhdsa_sha2_128s", MLDSA65, ALL_SIGALGS, SLHDSA_128F);
    /* The client. */
    assert_refused("mldsa65:slhdsa_sha2_128f", SLHDSA_128F, NULL, MLDSA65);
    assert_refused(ALL_SIGALGS, SLHDSA_128S, "mldsa65:slhdsa_sha2_128f", MLDSA65);
    /* What is there by default goes on to need its word. */
    assert_refused("slhdsa_sha2_128f", SLHDSA_128F, ALL_SIGALGS, MLDSA65);
}

static void unknown_names_are_refused(void **state)
{
    static const char *const lists[] = {
        "slhdsa_sha2_128",           "slhdsa_sha2_192s", "SLH-DSA-SHA2-128s",
        "mldsa65:slhdsa_sha2_128f:", "ed25519",          "mldsa65:ecdsa_secp256r1_sha256"};

    (void)state;
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
        const struct ks_tls_spec spec = spec_of(KS_TLS_SERVER, pki.sites[MLDSA65], lists[i]);
        struct ks_tls *tls = NULL;

        assert_int_equal(ks_tls_new(&spec, &tls), KS_ERR_USAGE);
    }
}

/* A client of libssl's alone: what ours would not send. */
static SSL *raw_client(OSSL_LIB_CTX *library, X509 *cert, EVP_PKEY *key, const char *sigalgs)
{
    SSL_CTX *context = SSL_CTX_new_ex(library, NULL, TLS_client_method());
    SSL *ssl = NULL;
    char list[sizeof ALL_SIGALGS]; /* libssl's macros cast const away */
    char groups[] = KS_TLS_GROUPS;

    assert_non_null(context);
    (void)snprintf(list, sizeof list, "%s", sigalgs);
    assert_int_equal(SSL_CTX_set1_sigalgs_list(context, list), 1);
    assert_int_equal(SSL_CTX_set1_groups_list(context, groups), 1);
    assert_int_equal(SSL_CTX_use_certificate(context, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, key), 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
    ssl = SSL_new(context);
    assert_non_null(ssl);
    SSL_CTX_free(context);
    return ssl;
}

static X509 *x509_in(OSSL_LIB_CTX *library, struct ks_bytes der)
{
    X509 *cert = X509_new_ex(library, NULL);
    const unsigned char *cursor = der.data;

    assert_non_null(d2i_X509(&cert, &cursor, (long)der.len));
    return cert;
}

static EVP_PKEY *key_in(OSSL_LIB_CTX *library, struct ks_bytes pem)
{
    BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey_ex(bio, NULL, NULL, NULL, library, NULL);

    assert_non_null(key);
    (void)BIO_free(bio);
    return key;
}

/* Any one byte of a certificate. Its key stays good for the handshake where that is not what
 * was changed, so that it is the certificate that is refused. */
static void a_changed_certificate_is_refused(void **state)
{
    struct ks_tls *server = tls_of(KS_TLS_SERVER, pki.sites[SLHDSA_128F], ALL_SIGALGS);
    struct ks_bytes der = test_cert_der(pki.devices[SLHDSA_128F]);
    EVP_PKEY *key = key_in(NULL, test_key_pem(pki.devices[SLHDSA_128F]));
    unsigned met = 0;

    (void)state;
    for (unsigned i = 0; i < 24; i++) {
        /* From the end: the root's signature, then names and times. */
        size_t at = i < 12 ? der.len - 1 - (size_t)i * 640 : 20 + (size_t)(i - 12) * 16;
        uint8_t *copy = ks_calloc(1, der.len);
        const unsigned char *cursor = copy;
        X509 *cert = NULL;

        ks_copy(copy, der.data, der.len);
        copy[at] ^= 1;
        cert = d2i_X509(NULL, &cursor, (long)der.len);
        if (cert != NULL && X509_check_private_key(cert, key) == 1) {
            struct ends ends = meet(server, raw_client(NULL, cert, key, ALL_SIGALGS), NULL);
            struct ks_cert *peer = NULL;

            assert_true(!ends.complete ||
                        ks_tls_peer(server, ends.server, NOW_S, &peer) != KS_OK);
            assert_null(peer);
            part(&ends);
            met++;
        }
        X509_free(cert);
        ERR_clear_error();
        ks_free(copy);
    }
    assert_true(met >= 12);
    EVP_PKEY_free(key);
    ks_tls_free(server);
}

/* --- a library that lies about code points ------------------------------------------------ */

/* It calls a signature of ML-DSA-65 by the code point of SLH-DSA-SHA2-128f. */
static int liar_capabilities(void *context, const char *capability, OSSL_CALLBACK *tell,
                             void *argument)
{
    static char iana[] = "slhdsa_sha2_128f";
    static char name[] = "ML-DSA-65";
    static char oid[] = "2.16.840.1.101.3.4.3.18";
    static char type[] = "2.16.840.1.101.3.4.3.018"; /* ML-DSA-65 */
    unsigned code = KS_SLHDSA_TLS_128F_CODE;
    unsigned bits = 192;
    int tls = TLS1_3_VERSION;
    int none = 0;
    int never = -1;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_SIGALG_IANA_NAME, iana, 0),
        OSSL_PARAM_construct_uint(OSSL_CAPABILITY_TLS_SIGALG_CODE_POINT, &code),
        OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_SIGALG_NAME, name, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_SIGALG_OID, oid, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_SIGALG_KEYTYPE, type, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_CAPABILITY_TLS_SIGALG_KEYTYPE_OID, oid, 0),
        OSSL_PARAM_construct_uint(OSSL_CAPABILITY_TLS_SIGALG_SECURITY_BITS, &bits),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_SIGALG_MIN_TLS, &tls),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_SIGALG_MAX_TLS, &none),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_SIGALG_MIN_DTLS, &never),
        OSSL_PARAM_construct_int(OSSL_CAPABILITY_TLS_SIGALG_MAX_DTLS, &never),
        OSSL_PARAM_construct_end(),
    };

    (void)context;
    return strcmp(capability, "TLS-SIGALG") != 0 || tell(params, argument) == 1;
}

static void *liar_key_new(void *context)
{
    (void)context;
    return NULL;
}

static void liar_key_free(void *key)
{
    (void)key;
}

static int liar_key_has(const void *key, int selection)
{
    (void)key;
    (void)selection;
    return 0;
}

static const OSSL_DISPATCH liar_key_functions[] = {
    {OSSL_FUNC_KEYMGMT_NEW, (void (*)(void))liar_key_new},
    {OSSL_FUNC_KEYMGMT_FREE, (void (*)(void))liar_key_free},
    {OSSL_FUNC_KEYMGMT_HAS, (void (*)(void))liar_key_has},
    OSSL_DISPATCH_END,
};
static const OSSL_ALGORITHM liar_keys[] = {
    {"2.16.840.1.101.3.4.3.018", "provider=liar", liar_key_functions, NULL},
    {NULL, NULL, NULL, NULL}};

static const OSSL_ALGORITHM *liar_query(void *context, int operation, int *out_no_cache)
{
    (void)context;
    *out_no_cache = 0;
    return operation == OSSL_OP_KEYMGMT ? liar_keys : NULL;
}

static const OSSL_DISPATCH liar_functions[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (void (*)(void))liar_query},
    {OSSL_FUNC_PROVIDER_GET_CAPABILITIES, (void (*)(void))liar_capabilities},
    OSSL_DISPATCH_END,
};

static int liar_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *core,
                     const OSSL_DISPATCH **out_functions, void **out_context)
{
    static int context;

    (void)handle;
    (void)core;
    *out_functions = liar_functions;
    *out_context = &context;
    return 1;
}

static void a_wrong_algorithm_is_refused(void **state)
{
    struct ks_tls *server =
        tls_of(KS_TLS_SERVER, pki.sites[MLDSA87], "mldsa65:mldsa87:slhdsa_sha2_128f");
    OSSL_LIB_CTX *library = OSSL_LIB_CTX_new();
    OSSL_PROVIDER *liar = NULL;
    OSSL_PROVIDER *honest = NULL;
    X509 *cert = NULL;
    EVP_PKEY *key = NULL;
    struct ends ends;

    (void)state;
    assert_int_equal(OSSL_PROVIDER_add_builtin(library, "liar", liar_init), 1);
    liar = OSSL_PROVIDER_load(library, "liar"); /* its code point comes first */
    honest = OSSL_PROVIDER_load(library, "default");
    assert_true(liar != NULL && honest != NULL);
    cert = x509_in(library, test_cert_der(pki.devices[MLDSA65]));
    key = key_in(library, test_key_pem(pki.devices[MLDSA65]));
    /* mldsa87 is for the server's signature. */
    ends = meet(server, raw_client(library, cert, key, "slhdsa_sha2_128f:mldsa87"), NULL);
    assert_false(ends.complete);
    /* It really came to a signature with the wrong code point. */
    for (size_t i = 0, seen = 0; seen < 2; i++) {
        const uint8_t *message = ends.transcript.bytes.data + ends.transcript.messages[i].begin;

        assert_true(i < ends.transcript.count);
        if (message[0] == SSL3_MT_CERTIFICATE_VERIFY && ++seen == 2) {
            assert_int_equal(message[4] << 8 | message[5], KS_SLHDSA_TLS_128F_CODE);
        }
    }
    part(&ends);
    X509_free(cert);
    EVP_PKEY_free(key);
    (void)OSSL_PROVIDER_unload(liar);
    (void)OSSL_PROVIDER_unload(honest);
    OSSL_LIB_CTX_free(library);
    ks_tls_free(server);
}

/* --- the provider itself ------------------------------------------------------------------ */

static int count_scheme(const OSSL_PARAM params[], void *argument)
{
    unsigned *counts = argument;
    const OSSL_PARAM *code =
        OSSL_PARAM_locate_const(params, OSSL_CAPABILITY_TLS_SIGALG_CODE_POINT);
    unsigned value = 0;

    assert_int_equal(OSSL_PARAM_get_uint(code, &value), 1);
    counts[0] += value == KS_SLHDSA_TLS_128S_CODE;
    counts[1] += value == KS_SLHDSA_TLS_128F_CODE;
    return 1;
}

static int count_provider(OSSL_PROVIDER *provider, void *argument)
{
    (void)OSSL_PROVIDER_get_capabilities(provider, "TLS-SIGALG", count_scheme, argument);
    return 1;
}

static void it_is_added_once(void **state)
{
    unsigned counts[2] = {0};

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(ks_slhdsa_tls_add(), KS_OK);
    }
    assert_int_equal(OSSL_PROVIDER_do_all(NULL, count_provider, counts), 1);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 1);
    /* What was there goes on: the default provider, and SLH-DSA keys that are its own. */
    assert_int_equal(OSSL_PROVIDER_available(NULL, "default"), 1);
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "SLH-DSA-SHA2-128f");
    assert_non_null(key);
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_PKEY_get0_provider(key)), "default");
    EVP_PKEY_free(key);
    assert_null(EVP_PKEY_Q_keygen(NULL, NULL, "2.16.840.1.101.3.4.3.021"));
    ERR_clear_error();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination_is_mutual),
        cmocka_unit_test(sessions_are_resumed),
        cmocka_unit_test(an_own_key_has_to_be_enabled),
        cmocka_unit_test(a_peers_algorithm_has_to_be_enabled),
        cmocka_unit_test(unknown_names_are_refused),
        cmocka_unit_test(a_changed_certificate_is_refused),
        cmocka_unit_test(a_wrong_algorithm_is_refused),
        cmocka_unit_test(it_is_added_once),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
