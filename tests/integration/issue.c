/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "tests/integration/issue.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/sys.h"
#include "crypto/cert.h"
#include "crypto/keyfile.h"

#define DAY_S UINT64_C(86400)

struct test_authority {
    struct ks_sign_key *key;
    struct ks_cert *cert;
    struct ks_buf pem;
};

struct test_identity {
    struct ks_cert *cert;
    struct ks_buf cert_pem;
    struct ks_buf key_pem;
};

static void must(enum ks_err err)
{
    if (err != KS_OK) {
        ks_assert_failed(__FILE__, __LINE__, ks_err_detail());
    }
}

static uint64_t now_s(void)
{
    return ks_clock_us() / 1000000;
}

struct test_authority *test_authority_new(const char *name)
{
    return test_authority_with(KS_SIG_SLHDSA_SHA2_128S, name);
}

struct test_authority *test_authority_with(enum ks_sig_alg alg, const char *name)
{
    struct test_authority *authority = ks_calloc(1, sizeof *authority);
    const struct ks_cert_spec spec = {.role = KS_CERT_ROOT,
                                      .subject = name,
                                      .not_before_s = now_s() - 30 * DAY_S,
                                      .not_after_s = now_s() + 30 * DAY_S};

    KS_ASSERT(authority != NULL);
    ks_buf_init(&authority->pem, KS_CERT_PEM_MAX);
    must(ks_sign_key_new(alg, &authority->key));
    must(ks_cert_issue_root(authority->key, &spec, &authority->cert));
    ks_cert_to_pem(authority->cert, &authority->pem);
    must(ks_buf_check(&authority->pem));
    return authority;
}

struct test_authority *test_issuer_new(struct test_authority *root, const char *name)
{
    struct test_authority *issuer = ks_calloc(1, sizeof *issuer);
    struct ks_verify_key *public_key = NULL;
    const struct ks_cert_spec spec = {.role = KS_CERT_ISSUER,
                                      .subject = name,
                                      .not_before_s = ks_cert_not_before_s(root->cert),
                                      .not_after_s = now_s() + 20 * DAY_S};

    KS_ASSERT(issuer != NULL);
    ks_buf_init(&issuer->pem, KS_CERT_PEM_MAX);
    must(ks_sign_key_new(KS_SIG_MLDSA87, &issuer->key));
    must(ks_sign_key_verify_key(issuer->key, &public_key));
    must(ks_cert_issue(root->cert, root->key, &spec, public_key, &issuer->cert));
    ks_cert_to_pem(issuer->cert, &issuer->pem);
    must(ks_buf_check(&issuer->pem));
    ks_verify_key_free(public_key);
    return issuer;
}

struct test_authority *test_authority_open(const char *directory)
{
    struct test_authority *authority = ks_calloc(1, sizeof *authority);
    char path[4096];

    KS_ASSERT(authority != NULL);
    ks_buf_init(&authority->pem, KS_CERT_PEM_MAX);
    (void)snprintf(path, sizeof path, "%s/root.pem", directory);
    must(ks_file_read(path, KS_CERT_PEM_MAX, &authority->pem));
    must(ks_cert_parse_pem(ks_buf_view(&authority->pem), &authority->cert));
    (void)snprintf(path, sizeof path, "%s/root.key", directory);
    must(ks_sign_key_load(path, &authority->key));
    return authority;
}

void test_authority_free(struct test_authority *authority)
{
    ks_cert_free(authority->cert);
    ks_sign_key_free(authority->key);
    ks_buf_done(&authority->pem);
    ks_free(authority);
}

struct ks_bytes test_root_pem(const struct test_authority *authority)
{
    return ks_buf_view(&authority->pem);
}

const struct ks_cert *test_root_cert(const struct test_authority *authority)
{
    return authority->cert;
}

static void issue_ours(struct test_authority *authority, enum test_role role,
                       enum ks_sig_alg alg, const char *subject, const char *dns_name,
                       struct test_identity *identity)
{
    static const char *const ips[] = {"127.0.0.1"};
    struct ks_sign_key *key = NULL;
    struct ks_verify_key *public_key = NULL;
    struct ks_buf raw;
    bool server = role == TEST_SERVER;
    bool expired = role == TEST_EXPIRED_DEVICE;
    const struct ks_cert_spec spec = {
        .role = server                  ? KS_CERT_SERVER
                : role == TEST_OPERATOR ? KS_CERT_OPERATOR
                                        : KS_CERT_DEVICE,
        .subject = subject,
        .dns = &dns_name,
        .dns_count = server && dns_name != NULL ? 1 : 0,
        .ips = ips,
        .ip_count = server ? 1 : 0,
        .not_before_s = ks_cert_not_before_s(authority->cert), /* within the root's own */
        .not_after_s = expired ? now_s() - 60 : now_s() + 10 * DAY_S,
    };

    ks_buf_init(&raw, KS_SIG_PUBLIC_LEN_MAX);
    must(ks_sign_key_new(alg, &key));
    must(ks_sign_key_public(key, &raw));
    must(ks_verify_key_new(alg, ks_buf_view(&raw), &public_key));
    must(ks_cert_issue(authority->cert, authority->key, &spec, public_key, &identity->cert));
    must(ks_sign_key_to_pem(key, &identity->key_pem));
    ks_verify_key_free(public_key);
    ks_sign_key_free(key);
    ks_buf_done(&raw);
}

static void put_bio(BIO *bio, struct ks_buf *out)
{
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);

    ks_buf_put(out, ks_bytes_of(text, (size_t)len));
    must(ks_buf_check(out));
    (void)BIO_free(bio);
}

static EVP_PKEY *authority_pkey(const struct test_authority *authority)
{
    struct ks_buf pem;
    BIO *bio = NULL;
    EVP_PKEY *key = NULL;

    ks_buf_init(&pem, KS_KEY_PEM_MAX);
    must(ks_sign_key_to_pem(authority->key, &pem));
    bio = BIO_new_mem_buf(pem.data, (int)pem.len);
    key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
    KS_ASSERT(key != NULL);
    (void)BIO_free(bio);
    ks_buf_wipe(&pem);
    return key;
}

static void add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

    KS_ASSERT(extension != NULL && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* By libcrypto alone: a P-256 key under our root, flawless but for being classical. */
static void issue_classical(struct test_authority *authority, const char *subject,
                            struct test_identity *identity)
{
    struct ks_bytes root_der = ks_cert_der(authority->cert);
    const unsigned char *der = root_der.data;
    X509 *root = d2i_X509(NULL, &der, (long)root_der.len);
    EVP_PKEY *root_key = authority_pkey(authority);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = NULL;
    BIO *cert_bio = BIO_new(BIO_s_mem());
    BIO *key_bio = BIO_new(BIO_s_mem());

    KS_ASSERT(root != NULL && root_key != NULL && key != NULL && cert != NULL);
    KS_ASSERT(X509_set_version(cert, X509_VERSION_3) == 1);
    KS_ASSERT(ASN1_INTEGER_set(X509_get_serialNumber(cert), 4711) == 1);
    KS_ASSERT(X509_gmtime_adj(X509_getm_notBefore(cert), -3600) != NULL);
    KS_ASSERT(X509_gmtime_adj(X509_getm_notAfter(cert), 3600) != NULL);
    name = X509_get_subject_name(cert);
    KS_ASSERT(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                                         (const unsigned char *)subject, -1, -1, 0) == 1);
    KS_ASSERT(X509_set_issuer_name(cert, X509_get_subject_name(root)) == 1);
    KS_ASSERT(X509_set_pubkey(cert, key) == 1);
    add_extension(cert, NID_basic_constraints, "critical,CA:FALSE");
    add_extension(cert, NID_key_usage, "critical,digitalSignature");
    add_extension(cert, NID_ext_key_usage, "clientAuth");
    KS_ASSERT(X509_sign(cert, root_key, NULL) > 0);
    KS_ASSERT(PEM_write_bio_X509(cert_bio, cert) == 1);
    KS_ASSERT(PEM_write_bio_PrivateKey(key_bio, key, NULL, NULL, 0, NULL, NULL) == 1);
    put_bio(cert_bio, &identity->cert_pem);
    put_bio(key_bio, &identity->key_pem);
    X509_free(cert);
    X509_free(root);
    EVP_PKEY_free(key);
    EVP_PKEY_free(root_key);
}

struct test_identity *test_issue(struct test_authority *authority, enum test_role role,
                                 const char *subject, const char *dns_name)
{
    return test_issue_with(authority, role, KS_SIG_MLDSA65, subject, dns_name);
}

struct test_identity *test_issue_with(struct test_authority *authority, enum test_role role,
                                      enum ks_sig_alg alg, const char *subject,
                                      const char *dns_name)
{
    struct test_identity *identity = ks_calloc(1, sizeof *identity);

    KS_ASSERT(identity != NULL);
    ks_buf_init(&identity->cert_pem, KS_CERT_PEM_MAX);
    ks_buf_init(&identity->key_pem, KS_CERT_PEM_MAX);
    if (role == TEST_CLASSICAL_DEVICE) {
        issue_classical(authority, subject, identity);
    } else {
        issue_ours(authority, role, alg, subject, dns_name, identity);
        ks_cert_to_pem(identity->cert, &identity->cert_pem);
        must(ks_buf_check(&identity->cert_pem));
    }
    return identity;
}

void test_identity_free(struct test_identity *identity)
{
    ks_cert_free(identity->cert);
    ks_buf_done(&identity->cert_pem);
    ks_buf_done(&identity->key_pem);
    ks_free(identity);
}

struct ks_bytes test_cert_pem(const struct test_identity *identity)
{
    return ks_buf_view(&identity->cert_pem);
}

struct ks_bytes test_cert_der(const struct test_identity *identity)
{
    return ks_cert_der(identity->cert);
}

struct ks_bytes test_key_pem(const struct test_identity *identity)
{
    return ks_buf_view(&identity->key_pem);
}

void test_revoke(struct test_authority *authority, const struct test_identity *identity,
                 struct ks_buf *out_crl_pem)
{
    test_revoke_cert(authority, identity->cert, out_crl_pem);
}

void test_revoke_cert(struct test_authority *authority, const struct ks_cert *cert,
                      struct ks_buf *out_crl_pem)
{
    struct ks_crl *crl = NULL;
    const struct ks_crl_entry entry = {.serial = ks_cert_serial(cert),
                                       .revoked_s = now_s() - 60};
    const struct ks_crl_spec spec = {.entries = &entry,
                                     .count = 1,
                                     .number = 1,
                                     .this_update_s = now_s() - 60,
                                     .next_update_s = now_s() + DAY_S};

    must(ks_crl_issue(authority->cert, authority->key, &spec, &crl));
    ks_crl_to_pem(crl, out_crl_pem);
    must(ks_buf_check(out_crl_pem));
    ks_crl_free(crl);
}
