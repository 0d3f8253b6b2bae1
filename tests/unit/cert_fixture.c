/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "cert_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "vector_files.h"

struct ks_sign_key *key_of(enum ks_sig_alg alg, uint8_t first)
{
    uint8_t seed[KS_SIG_SEED_LEN_MAX];
    struct ks_sign_key *key = NULL;

    for (size_t i = 0; i < sizeof(seed); i++) {
        seed[i] = (uint8_t)(first + i);
    }
    assert_int_equal(ks_sign_key_from_seed(alg, ks_bytes_of(seed, ks_sig_seed_len(alg)), &key),
                     KS_OK);
    return key;
}

struct ks_cert_spec spec_of(enum ks_cert_role role, const char *subject)
{
    static const char *const dns[] = {"site.example", "localhost"};
    static const char *const ips[] = {"127.0.0.1", "::1"};
    bool server = role == KS_CERT_SERVER;

    return (struct ks_cert_spec){
        .role = role,
        .subject = subject,
        .dns = server ? dns : NULL,
        .dns_count = server ? 2 : 0,
        .ips = server ? ips : NULL,
        .ip_count = server ? 2 : 0,
        .not_before_s = BEGIN,
        .not_after_s = END,
    };
}

struct ks_cert *root_of(const struct ks_sign_key *key, const char *subject)
{
    struct ks_cert_spec spec = spec_of(KS_CERT_ROOT, subject);
    struct ks_cert *root = NULL;

    spec.not_after_s = END + 10 * YEAR_S;
    assert_int_equal(ks_cert_issue_root(key, &spec, &root), KS_OK);
    return root;
}

X509 *x509_of(const struct ks_cert *cert)
{
    struct ks_bytes der = ks_cert_der(cert);
    const unsigned char *cursor = der.data;
    X509 *x509 = d2i_X509(NULL, &cursor, (long)der.len);

    assert_non_null(x509);
    return x509;
}

void add_extension(X509 *x509, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension = NULL;

    X509V3_set_ctx(&context, issuer, x509, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    assert_non_null(extension);
    assert_int_equal(X509_add_ext(x509, extension, -1), 1);
    X509_EXTENSION_free(extension);
}

enum ks_err make_odd(const struct odd *odd, EVP_PKEY *subject_key, EVP_PKEY *key, X509 *issuer,
                     struct ks_cert **out_cert)
{
    X509 *x509 = X509_new();
    X509_NAME *subject = X509_NAME_new();
    X509_NAME *issuer_name = X509_NAME_new();
    unsigned char *der = NULL;
    int len = 0;
    enum ks_err err = KS_OK;

    assert_int_equal(X509_NAME_add_entry_by_NID(subject, NID_commonName, V_ASN1_UTF8STRING,
                                                (const uint8_t *)odd->subject, -1, -1, 0),
                     1);
    assert_int_equal(X509_NAME_add_entry_by_NID(issuer_name, NID_commonName, V_ASN1_UTF8STRING,
                                                (const uint8_t *)odd->issuer, -1, -1, 0),
                     1);
    assert_int_equal(X509_set_version(x509, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x509), 77), 1);
    assert_int_equal(X509_set_subject_name(x509, subject), 1);
    assert_int_equal(X509_set_issuer_name(x509, issuer_name), 1);
    assert_non_null(ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)BEGIN));
    assert_non_null(ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)END));
    assert_int_equal(X509_set_pubkey(x509, subject_key), 1);
    add_extension(x509, x509, NID_basic_constraints, odd->basic_constraints);
    add_extension(x509, x509, NID_key_usage, odd->key_usage);
    if (odd->extended_key_usage != NULL) {
        add_extension(x509, x509, NID_ext_key_usage, odd->extended_key_usage);
    }
    if (odd->extra != NULL) {
        add_extension(x509, x509, NID_subject_alt_name, odd->extra);
    }
    add_extension(x509, x509, NID_subject_key_identifier, "hash");
    if (issuer != NULL) {
        add_extension(x509, issuer, NID_authority_key_identifier, "keyid:always");
    }
    assert_true(X509_sign(x509, key, EVP_PKEY_is_a(key, "EC") ? EVP_sha256() : NULL) > 0);
    len = i2d_X509(x509, &der);
    assert_true(len > 0);
    err = ks_cert_parse_der(ks_bytes_of(der, (size_t)len), out_cert);
    OPENSSL_free(der);
    X509_free(x509);
    X509_NAME_free(subject);
    X509_NAME_free(issuer_name);
    return err;
}

struct ks_cert *cert_from(const char *name)
{
    struct ks_cert *cert = NULL;
    struct ks_buf pem;

    vector_read("cert", name, &pem);
    assert_int_equal(ks_cert_parse_pem(ks_buf_view(&pem), &cert), KS_OK);
    ks_buf_done(&pem);
    return cert;
}

enum ks_err verify_under(const struct ks_cert *cert, const struct ks_cert_trust_spec *spec,
                         enum ks_cert_role role, uint64_t time_s)
{
    enum ks_err err = KS_OK;
    struct ks_cert_trust *trust = NULL;

    KS_TRY(ks_cert_trust_new(spec, &trust));
    KS_TRY(ks_cert_verify(cert, trust, role, time_s));
out:
    ks_cert_trust_free(trust);
    return err;
}

void assert_reason(const char *reason)
{
    if (strstr(ks_err_detail(), reason) == NULL) {
        fail_msg("'%s' does not say '%s'", ks_err_detail(), reason);
    }
    assert_int_equal(ERR_peek_error(), 0);
}
