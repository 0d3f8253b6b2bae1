/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Certificates and revocation lists: every reason to refuse, libcrypto's own chain verification
 * as oracle, and certificates that the openssl program made (tests/vectors/cert). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "cert_fixture.h"
#include "vector_files.h"

#define PEM_MAX KS_CRL_PEM_MAX

/* What most tests need, made once: signing with SLH-DSA takes long. */
static struct {
    struct ks_sign_key *root_key;
    struct ks_sign_key *other_key;
    struct ks_verify_key *leaf_key;
    struct ks_cert *root;
    struct ks_cert *other_root; /* another key, the same name */
    struct ks_cert *device;
    struct ks_cert *server;
    struct ks_crl *crl;       /* lists nobody of ours */
    struct ks_crl *crl_lists; /* lists DEVICE */
} pki;

static struct ks_crl *crl_of(const struct ks_crl_entry *entries, size_t count)
{
    const struct ks_crl_spec spec = {
        .entries = entries,
        .count = count,
        .number = 7,
        .this_update_s = BEGIN,
        .next_update_s = END,
    };
    struct ks_crl *crl = NULL;

    assert_int_equal(ks_crl_issue(pki.root, pki.root_key, &spec, &crl), KS_OK);
    return crl;
}

static int set_up(void **state)
{
    struct ks_sign_key *leaf = key_of(KS_SIG_MLDSA65, 3);
    struct ks_cert_spec device = spec_of(KS_CERT_DEVICE, "device-1");
    struct ks_cert_spec server = spec_of(KS_CERT_SERVER, "site.example");
    uint8_t serial[KS_CERT_SERIAL_LEN] = {0xff, 1, 2, 3};

    (void)state;
    pki.root_key = key_of(KS_SIG_SLHDSA_SHA2_128S, 1);
    pki.other_key = key_of(KS_SIG_SLHDSA_SHA2_128F, 2);
    pki.root = root_of(pki.root_key, "Test CA");
    pki.other_root = root_of(pki.other_key, "Test CA");
    assert_int_equal(ks_sign_key_verify_key(leaf, &pki.leaf_key), KS_OK);
    device.serial = serial;
    assert_int_equal(ks_cert_issue(pki.root, pki.root_key, &device, pki.leaf_key, &pki.device),
                     KS_OK);
    assert_int_equal(ks_cert_issue(pki.root, pki.root_key, &server, pki.leaf_key, &pki.server),
                     KS_OK);
    const struct ks_crl_entry others[] = {{KS_LITERAL("\x7f\x01"), BEGIN},
                                          {KS_LITERAL("\x02"), BEGIN}};
    const struct ks_crl_entry listed[] = {
        others[0], {ks_cert_serial(pki.device), BEGIN + 1}, others[1]};
    pki.crl = crl_of(others, 2);
    pki.crl_lists = crl_of(listed, 3);
    ks_sign_key_free(leaf);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ks_sign_key_free(pki.root_key);
    ks_sign_key_free(pki.other_key);
    ks_verify_key_free(pki.leaf_key);
    ks_cert_free(pki.root);
    ks_cert_free(pki.other_root);
    ks_cert_free(pki.device);
    ks_cert_free(pki.server);
    ks_crl_free(pki.crl);
    ks_crl_free(pki.crl_lists);
    return 0;
}

/* Without an issuer. */
static enum ks_err verify(const struct ks_cert *leaf, const struct ks_cert *root,
                          const struct ks_crl *crl, enum ks_cert_role role, uint64_t time_s)
{
    const struct ks_cert_trust_spec spec = {.root = root, .crl = crl};

    return verify_under(leaf, &spec, role, time_s);
}

/* Verification fails, and says so with REASON in its sentence. */
static void assert_refused(const struct ks_cert *leaf, const struct ks_cert *root,
                           const struct ks_crl *crl, enum ks_cert_role role, uint64_t time_s,
                           const char *reason)
{
    assert_int_equal(verify(leaf, root, crl, role, time_s), KS_ERR_VERIFY);
    assert_reason(reason);
}

/* --- the oracle: libcrypto's chain verification ------------------------------------------- */

static bool oracle_verifies(const struct ks_cert *leaf, const struct ks_cert *root,
                            const struct ks_crl *crl, enum ks_cert_role role, uint64_t time_s)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509 *leaf_x509 = x509_of(leaf);
    X509 *root_x509 = x509_of(root);
    X509_CRL *list = NULL;
    X509_VERIFY_PARAM *param = NULL;
    unsigned long flags = X509_V_FLAG_X509_STRICT;
    bool good = false;

    assert_int_equal(X509_STORE_add_cert(store, root_x509), 1);
    if (crl != NULL) {
        struct ks_bytes der = ks_crl_der(crl);
        const unsigned char *cursor = der.data;
        list = d2i_X509_CRL(NULL, &cursor, (long)der.len);
        assert_int_equal(X509_STORE_add_crl(store, list), 1);
        flags |= X509_V_FLAG_CRL_CHECK;
    }
    assert_int_equal(X509_STORE_CTX_init(context, store, leaf_x509, NULL), 1);
    param = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(param, (time_t)time_s);
    assert_int_equal(X509_VERIFY_PARAM_set_flags(param, flags), 1);
    assert_int_equal(X509_VERIFY_PARAM_set_purpose(param, role == KS_CERT_SERVER
                                                              ? X509_PURPOSE_SSL_SERVER
                                                              : X509_PURPOSE_SSL_CLIENT),
                     1);
    good = X509_verify_cert(context) == 1;
    ERR_clear_error();
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    X509_free(leaf_x509);
    X509_free(root_x509);
    X509_CRL_free(list);
    return good;
}

static void test_agrees_with_oracle(void **state)
{
    const struct ks_cert *leaves[] = {pki.device, pki.server};
    const struct ks_cert *roots[] = {pki.root, pki.other_root};
    const struct ks_crl *crls[] = {NULL, pki.crl, pki.crl_lists};
    const enum ks_cert_role roles[] = {KS_CERT_SERVER, KS_CERT_DEVICE};
    const uint64_t times[] = {BEGIN - 1, BEGIN, NOW, END - 1, END + 1};
    unsigned accepted = 0;

    (void)state;
    for (unsigned i = 0; i < 2 * 2 * 3 * 2 * 5; i++) {
        const struct ks_cert *leaf = leaves[i % 2];
        const struct ks_cert *root = roots[i / 2 % 2];
        const struct ks_crl *crl = crls[i / 4 % 3];
        enum ks_cert_role role = roles[i / 12 % 2];
        uint64_t time_s = times[i / 24];
        enum ks_err err = verify(leaf, root, crl, role, time_s);

        assert_true(err == KS_OK || err == KS_ERR_VERIFY);
        assert_int_equal(err == KS_OK, oracle_verifies(leaf, root, crl, role, time_s));
        accepted += err == KS_OK;
    }
    /* 3 times; device and server with NULL and crl, server with crl_lists. */
    assert_int_equal(accepted, 3 * 5);
}

/* --- fields and forms --------------------------------------------------------------------- */

static void test_fields(void **state)
{
    struct ks_verify_key *key = NULL;
    struct ks_buf public_key;
    struct ks_buf want;

    (void)state;
    ks_buf_init(&public_key, KS_SIG_PUBLIC_LEN_MAX);
    ks_buf_init(&want, KS_SIG_PUBLIC_LEN_MAX);
    assert_string_equal(ks_cert_subject(pki.device), "device-1");
    assert_string_equal(ks_cert_issuer(pki.device), "Test CA");
    assert_string_equal(ks_cert_key_name(pki.device), "ML-DSA-65");
    assert_int_equal(ks_cert_role(pki.device), KS_CERT_DEVICE);
    assert_int_equal(ks_cert_role(pki.server), KS_CERT_SERVER);
    assert_int_equal(ks_cert_role(pki.root), KS_CERT_ROOT);
    assert_true(ks_cert_not_before_s(pki.device) == BEGIN);
    assert_true(ks_cert_not_after_s(pki.device) == END);
    assert_true(ks_bytes_equal(ks_cert_serial(pki.device),
                               KS_LITERAL("\x7f\1\2\3\0\0\0\0\0\0\0\0\0\0\0\0")));
    assert_int_equal(ks_cert_serial(pki.server).len, KS_CERT_SERIAL_LEN);
    assert_false(ks_bytes_equal(ks_cert_serial(pki.server), ks_cert_serial(pki.root)));
    assert_int_equal(ks_cert_key(pki.device, &key), KS_OK);
    assert_int_equal(ks_verify_key_public(key, &public_key), KS_OK);
    assert_int_equal(ks_verify_key_public(pki.leaf_key, &want), KS_OK);
    assert_true(ks_bytes_equal(ks_buf_view(&public_key), ks_buf_view(&want)));
    ks_verify_key_free(key);
    ks_buf_done(&public_key);
    ks_buf_done(&want);
}

static void test_hosts(void **state)
{
    static const char *const good[] = {"site.example", "SITE.example", "localhost",
                                       "127.0.0.1",    "::1",          "0:0:0:0:0:0:0:1"};
    static const char *const bad[] = {
        "example", "a.site.example", "site.example.", "127.0.0.2", "::2", "", "Test CA"};

    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(ks_cert_check_host(pki.server, good[i]), KS_OK);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ks_cert_check_host(pki.server, bad[i]), KS_ERR_VERIFY);
    }
    /* The common name is no host. */
    assert_int_equal(ks_cert_check_host(pki.device, "device-1"), KS_ERR_VERIFY);
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_pem_round_trip(void **state)
{
    struct ks_cert *cert = NULL;
    struct ks_crl *crl = NULL;
    struct ks_buf pem;
    struct ks_buf crlf;

    (void)state;
    ks_buf_init(&pem, PEM_MAX);
    ks_buf_init(&crlf, PEM_MAX);
    ks_cert_to_pem(pki.device, &pem);
    assert_int_equal(ks_cert_parse_pem(ks_buf_view(&pem), &cert), KS_OK);
    assert_true(ks_bytes_equal(ks_cert_der(cert), ks_cert_der(pki.device)));
    ks_cert_free(cert);
    cert = NULL;
    for (size_t cut = 0; cut < pem.len; cut += cut < 200 || pem.len - cut < 200 ? 1 : 61) {
        assert_int_equal(ks_cert_parse_pem(ks_bytes_of(pem.data, cut), &cert), KS_ERR_FORMAT);
    }
    for (size_t i = 0; i < pem.len; i++) {
        if (pem.data[i] == '\n') {
            ks_buf_put_u8(&crlf, '\r');
        }
        ks_buf_put_u8(&crlf, pem.data[i]);
    }
    assert_int_equal(ks_cert_parse_pem(ks_buf_view(&crlf), &cert), KS_ERR_FORMAT);
    ks_buf_put_u8(&pem, '\n');
    assert_int_equal(ks_cert_parse_pem(ks_buf_view(&pem), &cert), KS_ERR_FORMAT);
    assert_int_equal(ks_crl_parse_pem(ks_buf_view(&pem), &crl), KS_ERR_FORMAT);
    ks_buf_clear(&pem);
    ks_crl_to_pem(pki.crl, &pem);
    assert_int_equal(ks_crl_parse_pem(ks_buf_view(&pem), &crl), KS_OK);
    assert_true(ks_bytes_equal(ks_crl_der(crl), ks_crl_der(pki.crl)));
    assert_true(ks_crl_number(crl) == 7 && ks_crl_this_update_s(crl) == BEGIN &&
                ks_crl_next_update_s(crl) == END);
    assert_int_equal(ks_crl_count(crl), 2);
    assert_true(ks_bytes_is(ks_crl_at(crl, 0).serial, "\x02"));
    assert_true(ks_crl_lists(crl, KS_LITERAL("\x7f\x01")));
    assert_false(ks_crl_lists(crl, KS_LITERAL("\x7f\x02")));
    assert_false(ks_crl_lists(crl, KS_LITERAL("\x7f")));
    ks_crl_free(crl);
    ks_buf_done(&pem);
    ks_buf_done(&crlf);
}

/* --- reasons to refuse -------------------------------------------------------------------- */

static void test_refused(void **state)
{
    (void)state;
    assert_int_equal(verify(pki.device, pki.root, NULL, KS_CERT_DEVICE, NOW), KS_OK);
    assert_int_equal(verify(pki.device, pki.root, pki.crl, KS_CERT_DEVICE, NOW), KS_OK);
    assert_int_equal(verify(pki.server, pki.root, pki.crl_lists, KS_CERT_SERVER, NOW), KS_OK);
    assert_refused(pki.device, pki.root, NULL, KS_CERT_DEVICE, END + 1,
                   "expired at 2026-12-31");
    assert_refused(pki.device, pki.root, NULL, KS_CERT_DEVICE, BEGIN - 1,
                   "not valid before 2026");
    assert_refused(pki.device, pki.root, NULL, KS_CERT_SERVER, NOW,
                   "of a device, not of a server");
    assert_refused(pki.server, pki.root, NULL, KS_CERT_DEVICE, NOW,
                   "of a server, not of a device");
    assert_refused(pki.root, pki.root, NULL, KS_CERT_DEVICE, NOW, "of a root, not of a device");
    assert_refused(pki.device, pki.device, NULL, KS_CERT_DEVICE, NOW,
                   "of a device, not of a root");
    assert_refused(pki.device, pki.root, pki.crl_lists, KS_CERT_DEVICE, NOW, "revoked");
    assert_refused(pki.device, pki.root, pki.crl, KS_CERT_DEVICE, END,
                   "stale since 2026-12-31");
    assert_refused(pki.device, pki.other_root, NULL, KS_CERT_DEVICE, NOW, "not by this root");
    assert_int_equal(ks_crl_verify(pki.crl, pki.other_root, NOW), KS_ERR_VERIFY);
}

/* The same name and algorithm, another key. */
static void test_other_key_same_name(void **state)
{
    struct ks_sign_key *key = key_of(KS_SIG_SLHDSA_SHA2_128S, 0x55);
    struct ks_cert *root = root_of(key, "Test CA");

    (void)state;
    assert_refused(pki.device, root, NULL, KS_CERT_DEVICE, NOW, "another key than this root's");
    assert_int_equal(ks_crl_verify(pki.crl, root, NOW), KS_ERR_VERIFY);
    ks_cert_free(root);
    ks_sign_key_free(key);
}

static void test_flipped_bytes(void **state)
{
    struct ks_bytes der = ks_cert_der(pki.device);
    struct ks_buf copy;
    size_t parsed = 0;
    unsigned bit = 1;

    (void)state;
    ks_buf_init(&copy, KS_CERT_DER_MAX);
    ks_buf_put(&copy, der);
    for (size_t i = 0; i < copy.len; i++) {
        struct ks_cert *cert = NULL;
        enum ks_err err = KS_OK;

        bit = bit * 5 % 251; /* every bit gets its turn somewhere */
        copy.data[i] ^= (uint8_t)(1U << bit % 8);
        err = ks_cert_parse_der(ks_buf_view(&copy), &cert);
        if (err == KS_OK) {
            parsed++;
            err = verify(cert, pki.root, NULL, KS_CERT_DEVICE, NOW);
            assert_int_equal(err, KS_ERR_VERIFY);
        } else {
            assert_true(err == KS_ERR_FORMAT || err == KS_ERR_LIMIT);
        }
        ks_cert_free(cert);
        copy.data[i] ^= (uint8_t)(1U << bit % 8);
    }
    assert_true(parsed > 9000); /* most bytes are key and signature */
    assert_true(ks_bytes_equal(ks_buf_view(&copy), der));
    assert_int_equal(ERR_peek_error(), 0);
    ks_buf_done(&copy);
}

static void test_flipped_list(void **state)
{
    struct ks_buf copy;
    unsigned bit = 1;

    (void)state;
    ks_buf_init(&copy, KS_CRL_DER_MAX);
    ks_buf_put(&copy, ks_crl_der(pki.crl_lists));
    for (size_t i = 0; i < copy.len; i += i < 300 ? 1 : 13) {
        struct ks_crl *crl = NULL;
        enum ks_err err = KS_OK;

        bit = bit * 5 % 251;
        copy.data[i] ^= (uint8_t)(1U << bit % 8);
        err = ks_crl_parse_der(ks_buf_view(&copy), &crl);
        if (err == KS_OK) {
            assert_int_equal(verify(pki.server, pki.root, crl, KS_CERT_SERVER, NOW),
                             KS_ERR_VERIFY);
        }
        ks_crl_free(crl);
        copy.data[i] ^= (uint8_t)(1U << bit % 8);
    }
    ks_buf_done(&copy);
}

static void test_cut_and_trailing(void **state)
{
    struct ks_bytes der = ks_cert_der(pki.device);
    struct ks_bytes list = ks_crl_der(pki.crl);
    struct ks_cert *cert = NULL;
    struct ks_crl *crl = NULL;
    struct ks_buf longer;

    (void)state;
    for (size_t len = 0; len < der.len; len++) {
        assert_int_equal(ks_cert_parse_der(ks_bytes_of(der.data, len), &cert), KS_ERR_FORMAT);
    }
    for (size_t len = 0; len < list.len; len++) {
        assert_int_equal(ks_crl_parse_der(ks_bytes_of(list.data, len), &crl), KS_ERR_FORMAT);
    }
    ks_buf_init(&longer, KS_CRL_DER_MAX + 1);
    ks_buf_put(&longer, der);
    ks_buf_put_u8(&longer, 0);
    assert_int_equal(ks_cert_parse_der(ks_buf_view(&longer), &cert), KS_ERR_FORMAT);
    while (longer.len <= KS_CERT_DER_MAX) {
        ks_buf_put_u64(&longer, 0);
    }
    assert_int_equal(ks_cert_parse_der(ks_buf_view(&longer), &cert), KS_ERR_LIMIT);
    ks_buf_clear(&longer);
    ks_buf_put(&longer, list);
    ks_buf_put_u8(&longer, 0);
    assert_int_equal(ks_crl_parse_der(ks_buf_view(&longer), &crl), KS_ERR_FORMAT);
    assert_null(cert);
    assert_null(crl);
    ks_buf_done(&longer);
}

/* --- certificates that ketseal would not make --------------------------------------------- */

static const struct odd good_root = {"Odd", "Odd", ROOT_CONSTRAINTS, ROOT_USAGE, NULL, NULL};
static const struct odd good_leaf = {"d",        "Odd",        LEAF_CONSTRAINTS,
                                     LEAF_USAGE, "clientAuth", NULL};

/* The builder itself is right: an ordinary pair of it is accepted. Then one thing is wrong at a
 * time. */
static void test_odd_certificates(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ML-DSA-44");
    struct ks_cert *root = NULL;
    struct ks_cert *leaf = NULL;
    static const struct {
        const char *reason;
        struct odd root;
        struct odd leaf;
    } cases[] = {
        {"path length is neither 0 nor 1",
         {"Odd", "Odd", "critical,CA:TRUE", ROOT_USAGE, NULL, NULL},
         {0}},
        {"path length is neither 0 nor 1",
         {"Odd", "Odd", "critical,CA:TRUE,pathlen:2", ROOT_USAGE, NULL, NULL},
         {0}},
        {"key usage is not keyCertSign",
         {"Odd", "Odd", ROOT_CONSTRAINTS, "critical,keyCertSign", NULL, NULL},
         {0}},
        {"key usage is not keyCertSign",
         {"Odd", "Odd", ROOT_CONSTRAINTS, LEAF_USAGE, NULL, NULL},
         {0}},
        {"of an issuer, not of a root",
         {"Odd", "Even", ROOT_CONSTRAINTS, ROOT_USAGE, NULL, NULL},
         {0}},
        {"not digitalSignature alone",
         {0},
         {"d", "Odd", LEAF_CONSTRAINTS, "critical,digitalSignature,keyAgreement", "clientAuth",
          NULL}},
        {"of a server, not of a device",
         {0},
         {"d", "Odd", LEAF_CONSTRAINTS, LEAF_USAGE, "serverAuth", NULL}},
        {"of an issuer, not of a device",
         {0},
         {"d", "Odd", ROOT_CONSTRAINTS, ROOT_USAGE, NULL, NULL}},
        {"issued by 'Even'",
         {0},
         {"d", "Even", LEAF_CONSTRAINTS, LEAF_USAGE, "clientAuth", NULL}},
    };

    (void)state;
    for (size_t i = 0; i <= sizeof(cases) / sizeof(cases[0]); i++) {
        bool control = i == sizeof(cases) / sizeof(cases[0]);
        const struct odd *odd_root =
            control || cases[i].root.subject == NULL ? &good_root : &cases[i].root;
        const struct odd *odd_leaf =
            control || cases[i].leaf.subject == NULL ? &good_leaf : &cases[i].leaf;
        X509 *issuer = NULL;

        assert_int_equal(make_odd(odd_root, key, key, NULL, &root), KS_OK);
        issuer = x509_of(root);
        assert_int_equal(make_odd(odd_leaf, key, key, issuer, &leaf), KS_OK);
        if (control) {
            assert_int_equal(verify(leaf, root, NULL, KS_CERT_DEVICE, NOW), KS_OK);
        } else {
            assert_refused(leaf, root, NULL, KS_CERT_DEVICE, NOW, cases[i].reason);
        }
        X509_free(issuer);
        ks_cert_free(root);
        ks_cert_free(leaf);
    }
    EVP_PKEY_free(key);
}

/* Outside the profile: not even parsed. */
static void test_odd_profile(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ML-DSA-44");
    struct ks_cert *cert = NULL;
    static const struct odd cases[] = {
        {"d", "O", "CA:FALSE", LEAF_USAGE, "clientAuth", NULL},
        {"d", "O", LEAF_CONSTRAINTS, "digitalSignature", "clientAuth", NULL},
        {"d", "O", LEAF_CONSTRAINTS, LEAF_USAGE, NULL, NULL},
        {"d", "O", LEAF_CONSTRAINTS, LEAF_USAGE, "clientAuth,serverAuth", NULL},
        {"d", "O", LEAF_CONSTRAINTS, LEAF_USAGE, "clientAuth,codeSigning", NULL},
        {"d", "O", LEAF_CONSTRAINTS, LEAF_USAGE, "serverAuth", "email:a@b.c"},
        {"d", "O", LEAF_CONSTRAINTS, LEAF_USAGE, "serverAuth", "critical,URI:http://x"},
        {"d 1", "O", LEAF_CONSTRAINTS, LEAF_USAGE, "clientAuth", NULL}, /* no device id */
        {"d\n", "O", LEAF_CONSTRAINTS, LEAF_USAGE, "serverAuth", NULL},
        {" d", "O", LEAF_CONSTRAINTS, LEAF_USAGE, "serverAuth", NULL},
        {"d\xc3\xa9", "O", LEAF_CONSTRAINTS, LEAF_USAGE, "serverAuth", NULL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(make_odd(&cases[i], key, key, NULL, &cert), KS_ERR_FORMAT);
    }
    assert_null(cert);
    assert_int_equal(ERR_peek_error(), 0);
    EVP_PKEY_free(key);
}

static void test_classical(void **state)
{
    EVP_PKEY *pq = EVP_PKEY_Q_keygen(NULL, NULL, "ML-DSA-44");
    EVP_PKEY *p256 = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
    EVP_PKEY *ed25519 = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    EVP_PKEY *classical[] = {p256, ed25519};
    struct ks_cert *pq_root = NULL;
    struct ks_cert *root = NULL;
    struct ks_cert *leaf = NULL;
    struct ks_verify_key *key = NULL;
    X509 *issuer = NULL;

    (void)state;
    assert_int_equal(make_odd(&good_root, pq, pq, NULL, &pq_root), KS_OK);
    issuer = x509_of(pq_root);
    for (size_t i = 0; i < 2; i++) {
        /* A classical key under a post-quantum signature, and the other way round. */
        assert_int_equal(make_odd(&good_leaf, classical[i], pq, issuer, &leaf), KS_OK);
        assert_refused(leaf, pq_root, NULL, KS_CERT_DEVICE, NOW, "not post-quantum");
        assert_int_equal(ks_cert_key(leaf, &key), KS_ERR_VERIFY);
        ks_cert_free(leaf);
        assert_int_equal(make_odd(&good_leaf, pq, classical[i], issuer, &leaf), KS_OK);
        assert_refused(leaf, pq_root, NULL, KS_CERT_DEVICE, NOW, "not post-quantum");
        assert_int_equal(make_odd(&good_root, classical[i], classical[i], NULL, &root), KS_OK);
        assert_refused(leaf, root, NULL, KS_CERT_DEVICE, NOW, "not post-quantum");
        ks_cert_free(root);
        ks_cert_free(leaf);
    }
    assert_null(key);
    X509_free(issuer);
    ks_cert_free(pq_root);
    EVP_PKEY_free(pq);
    EVP_PKEY_free(p256);
    EVP_PKEY_free(ed25519);
}

/* --- second encodings of one meaning ------------------------------------------------------ */

/* Copies DER with the length of the element at OFFSET written one byte longer than it has to
 * be. The PARENTS elements around it are each at depth 4 * n and of the form 30 82 hh ll. */
static void widen(struct ks_bytes der, size_t offset, size_t parents, struct ks_buf *out)
{
    bool long_form = der.data[offset + 1] == 0x82;

    ks_buf_clear(out);
    ks_buf_put(out, ks_bytes_of(der.data, offset + 1));
    if (long_form) {
        ks_buf_put_u16(out, 0x8300); /* 82 hh ll becomes 83 00 hh ll */
    } else {
        ks_buf_put_u8(out, 0x81); /* ll becomes 81 ll */
    }
    offset += long_form ? 2 : 1;
    ks_buf_put(out, ks_bytes_of(der.data + offset, der.len - offset));
    assert_int_equal(ks_buf_check(out), KS_OK);
    for (size_t i = 0; i < parents; i++) {
        uint8_t *low = &out->data[4 * i + 3];
        assert_int_equal(out->data[4 * i + 1], 0x82);
        assert_true(*low < 0xff); /* else the byte above would have to grow too */
        (*low)++;
    }
}

static size_t find_text(struct ks_bytes der, const char *text)
{
    struct ks_bytes want = ks_bytes_text(text);

    for (size_t i = 0; i + want.len <= der.len; i++) {
        if (ks_bytes_equal(ks_bytes_of(der.data + i, want.len), want)) {
            return i;
        }
    }
    fail_msg("'%s' is not there", text);
    return 0;
}

static void test_long_lengths(void **state)
{
    struct ks_bytes der = ks_cert_der(pki.device);
    struct ks_bytes list = ks_crl_der(pki.crl);
    /* SEQUENCE, SET, SEQUENCE, OID of 5 bytes, UTF8String: 13 bytes stand before the text. */
    const size_t offsets[] = {0, 4, find_text(der, "Test CA") - 13,
                              find_text(der, "device-1") - 13};
    const size_t parents[] = {0, 1, 2, 2};
    struct ks_cert *cert = NULL;
    struct ks_crl *crl = NULL;
    struct ks_buf other;

    (void)state;
    ks_buf_init(&other, KS_CERT_DER_MAX);
    for (size_t i = 0; i < 4; i++) {
        const unsigned char *cursor = NULL;
        X509 *x509 = NULL;

        assert_int_equal(der.data[offsets[i]], 0x30);
        widen(der, offsets[i], parents[i], &other);
        cursor = other.data;
        x509 = d2i_X509(NULL, &cursor, (long)other.len);
        assert_non_null(x509); /* libcrypto takes it: the check is ours */
        X509_free(x509);
        assert_int_equal(ks_cert_parse_der(ks_buf_view(&other), &cert), KS_ERR_FORMAT);
    }
    widen(list, 0, 0, &other);
    assert_int_equal(ks_crl_parse_der(ks_buf_view(&other), &crl), KS_ERR_FORMAT);
    widen(list, find_text(list, "Test CA") - 13, list.data[5] == 0x82 ? 2 : 1, &other);
    if (list.data[5] != 0x82) {
        other.data[5 + (list.data[5] == 0x81 ? 1 : 0)]++;
    }
    assert_int_equal(ks_crl_parse_der(ks_buf_view(&other), &crl), KS_ERR_FORMAT);
    assert_null(cert);
    assert_null(crl);
    ks_buf_done(&other);
}

/* Signs X509 anew and parses it. */
static enum ks_err parse_signed(X509 *x509, EVP_PKEY *key)
{
    struct ks_cert *cert = NULL;
    unsigned char *der = NULL;
    int len = 0;
    enum ks_err err = KS_OK;

    assert_true(X509_sign(x509, key, NULL) > 0);
    len = i2d_X509(x509, &der);
    assert_true(len > 0);
    err = ks_cert_parse_der(ks_bytes_of(der, (size_t)len), &cert);
    OPENSSL_free(der);
    ks_cert_free(cert);
    return err;
}

/* Puts VALUE in the place of extension NID. */
static void replace_extension(X509 *x509, int nid, struct ks_bytes value)
{
    int index = X509_get_ext_by_NID(x509, nid, -1);
    X509_EXTENSION *old = X509_delete_ext(x509, index);
    ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;

    assert_int_equal(ASN1_OCTET_STRING_set(octets, value.data, (int)value.len), 1);
    extension =
        X509_EXTENSION_create_by_NID(NULL, nid, X509_EXTENSION_get_critical(old), octets);
    assert_int_equal(X509_add_ext(x509, extension, index), 1);
    X509_EXTENSION_free(old);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(octets);
}

static void test_other_forms(void **state)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ML-DSA-44");
    static const struct {
        int nid;
        struct ks_bytes value;
        enum ks_err err;
    } cases[] = {
        {NID_key_usage, {(const uint8_t *)"\x03\x02\x07\x80", 4}, KS_OK}, /* as it was */
        {NID_key_usage, {(const uint8_t *)"\x03\x02\x00\x80", 4}, KS_ERR_FORMAT},
        {NID_key_usage, {(const uint8_t *)"\x03\x02\x07\x80\x00", 5}, KS_ERR_FORMAT},
        {NID_key_usage, {(const uint8_t *)"\x03\x81\x02\x07\x80", 5}, KS_ERR_FORMAT},
        {NID_basic_constraints, {(const uint8_t *)"\x30\x00", 2}, KS_OK}, /* as it was */
        {NID_basic_constraints, {(const uint8_t *)"\x30\x03\x01\x01\x00", 5}, KS_ERR_FORMAT},
        {NID_basic_constraints, {(const uint8_t *)"\x30\x03\x02\x01\x00", 5}, KS_ERR_FORMAT},
        {NID_basic_constraints, {(const uint8_t *)"", 0}, KS_ERR_FORMAT},
    };
    X509 *x509 = NULL;
    ASN1_TIME *time = ASN1_GENERALIZEDTIME_set(NULL, (time_t)END);

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        x509 = x509_of(pki.device);
        replace_extension(x509, cases[i].nid, cases[i].value);
        assert_int_equal(parse_signed(x509, key), cases[i].err);
        X509_free(x509);
    }
    x509 = x509_of(pki.device); /* the year 2026 in the form that begins with 2050 */
    assert_int_equal(X509_set1_notAfter(x509, time), 1);
    assert_int_equal(parse_signed(x509, key), KS_ERR_FORMAT);
    X509_free(x509);
    x509 = x509_of(pki.device); /* one extension twice */
    assert_int_equal(X509_add_ext(x509, X509_get_ext(x509, 0), -1), 1);
    assert_int_equal(parse_signed(x509, key), KS_ERR_FORMAT);
    X509_free(x509);
    x509 = x509_of(pki.device); /* an unknown extension: critical, then not */
    add_extension(x509, x509, NID_policy_constraints, "critical,requireExplicitPolicy:1");
    assert_int_equal(parse_signed(x509, key), KS_ERR_FORMAT);
    X509_free(x509);
    x509 = x509_of(pki.device);
    add_extension(x509, x509, NID_netscape_comment, "hello");
    assert_int_equal(parse_signed(x509, key), KS_OK);
    X509_free(x509);
    ASN1_TIME_free(time);
    EVP_PKEY_free(key);
    assert_int_equal(ERR_peek_error(), 0);
}

/* --- specifications that are refused ------------------------------------------------------ */

static void test_issue_refused(void **state)
{
    struct ks_sign_key *ed25519 = key_of(KS_SIG_ED25519, 1);
    struct ks_verify_key *classical = NULL;
    struct ks_verify_key *slh_dsa = NULL;
    struct ks_cert *cert = NULL;
    struct ks_cert_spec spec = spec_of(KS_CERT_DEVICE, "d");
    struct ks_cert_spec root_spec = spec_of(KS_CERT_ROOT, "Root");
    const char *bad_name[] = {"*.example"};
    const char *bad_address[] = {"1.2.3"};
    static const char sixty_five[] =
        "01234567890123456789012345678901234567890123456789012345678901234";
    static const char *const subjects[] = {"", " x", "a b", "a\tb", sixty_five};

    (void)state;
    assert_int_equal(ks_sign_key_verify_key(ed25519, &classical), KS_OK);
    assert_int_equal(ks_sign_key_verify_key(pki.other_key, &slh_dsa), KS_OK);
#define ASSERT_ISSUE(key, subject_key, err)                                                    \
    assert_int_equal(ks_cert_issue(pki.root, (key), &spec, (subject_key), &cert), (err))
    ASSERT_ISSUE(pki.root_key, classical, KS_ERR_USAGE);
    spec = spec_of(KS_CERT_ISSUER, "s");
    ASSERT_ISSUE(pki.root_key, slh_dsa, KS_ERR_USAGE); /* it is to sign on line */
    spec = spec_of(KS_CERT_DEVICE, "d");
    ASSERT_ISSUE(pki.other_key, pki.leaf_key, KS_ERR_USAGE);
    assert_int_equal(ks_cert_issue_root(ed25519, &root_spec, &cert), KS_ERR_USAGE);
    assert_int_equal(ks_cert_issue_root(pki.root_key, &spec, &cert), KS_ERR_USAGE);
    for (size_t i = 0; i < sizeof(subjects) / sizeof(subjects[0]); i++) {
        spec.subject = subjects[i];
        ASSERT_ISSUE(pki.root_key, pki.leaf_key, KS_ERR_USAGE);
    }
    spec = spec_of(KS_CERT_ROOT, "d");
    ASSERT_ISSUE(pki.root_key, pki.leaf_key, KS_ERR_USAGE);
    spec = spec_of(KS_CERT_DEVICE, "d");
    spec.not_after_s = spec.not_before_s - 1;
    ASSERT_ISSUE(pki.root_key, pki.leaf_key, KS_ERR_USAGE);
    spec.not_after_s = END + 20 * YEAR_S; /* longer than the root */
    ASSERT_ISSUE(pki.root_key, pki.leaf_key, KS_ERR_USAGE);
    spec = spec_of(KS_CERT_SERVER, "s");
    spec.dns_count = 0;
    spec.ip_count = 0;
    ASSERT_ISSUE(pki.root_key, pki.leaf_key, KS_ERR_USAGE);
    spec.dns = bad_name;
    spec.dns_count = 1;
    ASSERT_ISSUE(pki.root_key, pki.leaf_key, KS_ERR_USAGE);
    spec.dns_count = 0;
    spec.ips = bad_address;
    spec.ip_count = 1;
    ASSERT_ISSUE(pki.root_key, pki.leaf_key, KS_ERR_USAGE);
    spec.ip_count = KS_CERT_NAMES_MAX + 1;
    ASSERT_ISSUE(pki.root_key, pki.leaf_key, KS_ERR_LIMIT);
    assert_null(cert);
    assert_int_equal(ERR_peek_error(), 0);
    ks_sign_key_free(ed25519);
    ks_verify_key_free(classical);
    ks_verify_key_free(slh_dsa);
}

static void test_list_refused(void **state)
{
    const struct ks_crl_entry twice[] = {{KS_LITERAL("\x05"), BEGIN},
                                         {KS_LITERAL("\x05"), BEGIN}};
    const struct ks_crl_entry zero[] = {{KS_LITERAL("\x00\x05"), BEGIN}};
    struct ks_crl_spec spec = {.entries = twice, .this_update_s = BEGIN, .next_update_s = END};
    struct ks_crl *crl = NULL;

    (void)state;
    assert_int_equal(ks_crl_issue(pki.root, pki.other_key, &spec, &crl), KS_ERR_USAGE);
    spec.next_update_s = BEGIN;
    assert_int_equal(ks_crl_issue(pki.root, pki.root_key, &spec, &crl), KS_ERR_USAGE);
    spec.next_update_s = END;
    spec.count = KS_CRL_ENTRIES_MAX + 1;
    assert_int_equal(ks_crl_issue(pki.root, pki.root_key, &spec, &crl), KS_ERR_LIMIT);
    spec.count = 2;
    assert_int_equal(ks_crl_issue(pki.root, pki.root_key, &spec, &crl), KS_ERR_USAGE);
    spec.entries = zero;
    spec.count = 1;
    assert_int_equal(ks_crl_issue(pki.root, pki.root_key, &spec, &crl), KS_ERR_USAGE);
    assert_null(crl);
}

/* --- certificates that the openssl program made ------------------------------------------- */

static void test_made_by_openssl(void **state)
{
    struct ks_cert *root = cert_from("root.pem");
    struct ks_cert *device = cert_from("device.pem");
    struct ks_cert *server = cert_from("server.pem");
    struct ks_cert *revoked = cert_from("revoked.pem");
    struct ks_cert *classical = cert_from("classical.pem");
    struct ks_crl *crl = NULL;
    struct ks_buf pem;

    (void)state;
    vector_read("cert", "list.pem", &pem);
    assert_int_equal(ks_crl_parse_pem(ks_buf_view(&pem), &crl), KS_OK);
    ks_buf_done(&pem);
    uint64_t now = ks_crl_this_update_s(crl) + 60;
    assert_int_equal(verify(device, root, crl, KS_CERT_DEVICE, now), KS_OK);
    assert_int_equal(verify(server, root, crl, KS_CERT_SERVER, now), KS_OK);
    assert_int_equal(verify(revoked, root, NULL, KS_CERT_DEVICE, now), KS_OK);
    assert_refused(revoked, root, crl, KS_CERT_DEVICE, now, "revoked");
    assert_refused(classical, root, crl, KS_CERT_DEVICE, now, "not post-quantum");
    assert_int_equal(ks_cert_check_host(server, "site.example"), KS_OK);
    ks_cert_free(root);
    ks_cert_free(device);
    ks_cert_free(server);
    ks_cert_free(revoked);
    ks_cert_free(classical);
    ks_crl_free(crl);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agrees_with_oracle),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_pem_round_trip),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_other_key_same_name),
        cmocka_unit_test(test_flipped_bytes),
        cmocka_unit_test(test_flipped_list),
        cmocka_unit_test(test_cut_and_trailing),
        cmocka_unit_test(test_odd_certificates),
        cmocka_unit_test(test_odd_profile),
        cmocka_unit_test(test_classical),
        cmocka_unit_test(test_long_lengths),
        cmocka_unit_test(test_other_forms),
        cmocka_unit_test(test_issue_refused),
        cmocka_unit_test(test_list_refused),
        cmocka_unit_test(test_made_by_openssl),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
