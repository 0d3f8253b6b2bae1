/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* EK certificates, EK public areas and credentials, with vectors of swtpm, tpm2-tools and the
 * openssl program (tests/vectors/endorsement/SOURCE). The oracle opens credentials by
 * libcrypto's own OAEP, ECDH, SSKDF and KBKDF, none of which src/ calls. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/kdf.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <string.h>

#include "attest/credential.h"
#include "base/json.h"
#include "base/text.h"
#include "crypto/tpmcred.h"
#include "expect.h"
#include "vector_files.h"

#define NOW    UINT64_C(1798000000) /* 2026-12-23, within all but brief.pem later on */
#define LATER  UINT64_C(1900000000) /* 2030-03-17: brief.pem's thirty days are over */
#define FOLDER "endorsement"

/* --- certificates ------------------------------------------------------------------------- */

static struct ks_ek_cert *cert_of(const char *name)
{
    struct ks_buf bytes;
    struct ks_ek_cert *cert = NULL;

    vector_read(FOLDER, name, &bytes);
    if (ks_ek_cert_parse_der(ks_buf_view(&bytes), &cert) != KS_OK) {
        fail_msg("%s: %s", name, ks_err_detail());
    }
    ks_buf_done(&bytes);
    return cert;
}

static void add_pem(struct ks_ek_certs *certs, const char *name)
{
    struct ks_buf bytes;

    vector_read(FOLDER, name, &bytes);
    assert_int_equal(ks_ek_certs_add_pem(certs, ks_buf_view(&bytes)), KS_OK);
    ks_buf_done(&bytes);
}

static struct {
    struct ks_ek_certs roots;
    struct ks_ek_certs intermediates;
} pki;

static int set_up(void **state)
{
    static const char *const authorities[] = {"inter", "second", "third", "short",
                                              "under", "nosign", "leaf",  "brief"};

    (void)state;
    add_pem(&pki.roots, "swtpm/root.pem");
    add_pem(&pki.roots, "certs/root.pem");
    add_pem(&pki.intermediates, "swtpm/issuer.pem");
    for (size_t i = 0; i < sizeof authorities / sizeof authorities[0]; i++) {
        char name[64];
        (void)snprintf(name, sizeof name, "certs/%s.pem", authorities[i]);
        add_pem(&pki.intermediates, name);
    }
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ks_ek_certs_done(&pki.roots);
    ks_ek_certs_done(&pki.intermediates);
    return 0;
}

static void test_chains_that_hold(void **state)
{
    static const struct {
        const char *file;
        enum ks_ek_alg alg;
        size_t len;
        size_t root;
        const char *manufacturer;
        const char *model;
        const char *version;
    } rows[] = {
        {"swtpm/rsa.der", KS_EK_RSA, 256, 0, "id:00001014", "swtpm", "id:20191023"},
        {"swtpm/p384.der", KS_EK_ECC_P384, 48, 0, "id:00001014", "swtpm", "id:20191023"},
        {"certs/ek-rsa.der", KS_EK_RSA, 256, 1, "id:53594E54", "TEST-1", "id:00010002"},
        {"certs/ek-rsa3072.der", KS_EK_RSA, 384, 1, "id:53594E54", "TEST-1", "id:00010002"},
        {"certs/ek-p256.der", KS_EK_ECC_P256, 32, 1, "id:53594E54", "TEST-1", "id:00010002"},
        {"certs/ek-p384.der", KS_EK_ECC_P384, 48, 1, "id:53594E54", "TEST-1", "id:00010002"},
        {"certs/ek-plain.der", KS_EK_ECC_P256, 32, 1, "id:53594E54", "TEST-1", "id:00010002"},
        {"certs/ek-four.der", KS_EK_ECC_P256, 32, 1, "id:53594E54", "TEST-1", "id:00010002"},
        {"certs/ek-root.der", KS_EK_ECC_P256, 32, 1, "id:53594E54", "TEST-1", "id:00010002"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_ek_cert *cert = cert_of(rows[i].file);
        const struct ks_ek_key *key = NULL;
        size_t root = 99;

        if (ks_ek_cert_verify(cert, &pki.intermediates, &pki.roots, NOW, &root) != KS_OK) {
            fail_msg("%s: %s", rows[i].file, ks_err_detail());
        }
        assert_int_equal(root, rows[i].root);
        assert_int_equal(ks_ek_cert_key(cert, &key), KS_OK);
        assert_int_equal(key->alg, rows[i].alg);
        assert_int_equal(key->len, rows[i].len);
        assert_string_equal(ks_ek_cert_manufacturer(cert), rows[i].manufacturer);
        assert_string_equal(ks_ek_cert_model(cert), rows[i].model);
        assert_string_equal(ks_ek_cert_version(cert), rows[i].version);
        assert_true(ks_ek_cert_not_before_s(cert) < NOW && NOW < ks_ek_cert_not_after_s(cert));
        ks_ek_cert_free(cert);
    }
}

static void test_names_and_fingerprint(void **state)
{
    struct ks_ek_cert *cert = cert_of("certs/ek-p384.der");
    uint8_t got[32];
    uint8_t want[32];

    (void)state;
    assert_string_equal(ks_ek_cert_subject(cert), "CN = ek");
    assert_string_equal(ks_ek_cert_issuer(cert), "O = Example, CN = Example TPM CA 1");
    ks_ek_cert_fingerprint(cert, got);
    assert_int_equal(EVP_Digest(ks_ek_cert_der(cert).data, ks_ek_cert_der(cert).len, want, NULL,
                                EVP_sha256(), NULL),
                     1);
    assert_memory_equal(got, want, sizeof got);
    assert_string_equal(ks_ek_alg_name(KS_EK_ECC_P384), "P-384");
    ks_ek_cert_free(cert);
}

static void test_chains_that_break(void **state)
{
    static const struct {
        const char *file;
        uint64_t time_s;
        const char *reason;
    } rows[] = {
        {"certs/ek-p256.der", 1700000000, "not valid before 2026-"},
        {"certs/ek-p256.der", 3000000000, "Example TPM root': expired at 2047-"},
        {"reject/expired.der", LATER, "CN = Example TPM CA 1': expired at 2027-"},
        {"swtpm/rsa.der", 1700000000, "not valid before 2026-"},
        {"reject/brief.der", LATER, "authority '/O=Example/CN=Example TPM CA brief': expired"},
        {"reject/purpose.der", NOW, "lacks tcg-kp-EKCertificate"},
        {"reject/usage.der", NOW, "key usage lacks keyAgreement"},
        {"reject/rsa-agrees.der", NOW, "key usage lacks keyEncipherment"},
        {"reject/ca.der", NOW, "it is an authority's"},
        {"reject/no-name.der", NOW, "does not give TPM manufacturer"},
        {"reject/critical.der", NOW, "unhandled critical extension"},
        {"reject/rsa1024.der", NOW, "its key is neither"},
        {"reject/p521.der", NOW, "its key is neither"},
        {"reject/sha1.der", NOW, "signature digest algorithm too weak"},
        {"reject/twin.der", NOW, "does not fit: authority and subject key identifier mismatch"},
        {"reject/five.der", NOW, "a chain of more than 4"},
        {"reject/path-length.der", NOW, "path length constraint exceeded"},
        {"reject/no-sign.der", NOW, "its key usage lacks keyCertSign"},
        {"reject/not-ca.der", NOW, "it is not a CA"},
        {"reject/software.der", NOW, "unknown issuer"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_ek_cert *cert = cert_of(rows[i].file);
        size_t root = 99;

        expect_failure(
            ks_ek_cert_verify(cert, &pki.intermediates, &pki.roots, rows[i].time_s, &root),
            KS_ERR_VERIFY, rows[i].reason);
        assert_int_equal(root, 99);
        ks_ek_cert_free(cert);
    }
}

/* The same certificate passes or not by what the operator trusts and what came with it. */
static void test_trust_is_given(void **state)
{
    struct ks_ek_cert *cert = cert_of("certs/ek-p256.der");
    struct ks_ek_certs none = {0};
    struct ks_ek_certs twin = {0};

    (void)state;
    expect_failure(ks_ek_cert_verify(cert, &pki.intermediates, &none, NOW, NULL), KS_ERR_VERIFY,
                   "authority '/O=Example/CN=Example TPM CA 1': unknown issuer");
    expect_failure(ks_ek_cert_verify(cert, &none, &pki.roots, NOW, NULL), KS_ERR_VERIFY,
                   "EK certificate of issuer 'O = Example, CN = Example TPM CA 1': unknown");
    expect_failure(ks_ek_cert_verify(cert, NULL, &pki.roots, NOW, NULL), KS_ERR_VERIFY,
                   "unknown issuer");
    /* An intermediate is no root only because somebody trusts it as one. */
    expect_failure(ks_ek_cert_verify(cert, NULL, &pki.intermediates, NOW, NULL), KS_ERR_VERIFY,
                   "unknown issuer");
    add_pem(&twin, "certs/twin.pem");
    expect_failure(ks_ek_cert_verify(cert, &pki.intermediates, &twin, NOW, NULL), KS_ERR_VERIFY,
                   "does not fit");
    expect_failure(ks_ek_cert_verify(cert, NULL, &pki.roots, UINT64_MAX, NULL), KS_ERR_USAGE,
                   "year 9999");
    /* Made by nobody, trusted by mistake: it still says nothing about an issuer. */
    struct ks_ek_cert *software = cert_of("reject/software.der");
    struct ks_ek_certs itself = {0};
    assert_int_equal(ks_ek_certs_add_der(&itself, ks_ek_cert_der(software)), KS_OK);
    expect_failure(ks_ek_cert_verify(software, NULL, &itself, NOW, NULL), KS_ERR_VERIFY,
                   "a chain of 1 certificates");
    ks_ek_cert_free(software);
    ks_ek_certs_done(&itself);
    ks_ek_certs_done(&twin);
    ks_ek_cert_free(cert);
}

static void test_a_changed_certificate_is_refused(void **state)
{
    struct ks_buf bytes;
    size_t parsed = 0;

    (void)state;
    vector_read(FOLDER, "certs/ek-p256.der", &bytes);
    for (size_t i = 0; i < bytes.len; i++) {
        struct ks_ek_cert *cert = NULL;

        bytes.data[i] ^= 0x01;
        if (ks_ek_cert_parse_der(ks_buf_view(&bytes), &cert) == KS_OK) {
            assert_int_equal(ks_ek_cert_verify(cert, &pki.intermediates, &pki.roots, NOW, NULL),
                             KS_ERR_VERIFY);
            parsed++;
        }
        ks_ek_cert_free(cert);
        bytes.data[i] ^= 0x01;
    }
    assert_true(parsed > 50);
    ks_buf_done(&bytes);
}

static void test_parse_refuses(void **state)
{
    struct ks_buf bytes;
    struct ks_ek_cert *cert = NULL;
    static uint8_t large[KS_EK_CERT_DER_MAX + 1];

    (void)state;
    vector_read(FOLDER, "certs/ek-p256.der", &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_int_equal(ks_ek_cert_parse_der(ks_bytes_of(bytes.data, len), &cert),
                         KS_ERR_FORMAT);
    }
    ks_buf_put_u8(&bytes, 0);
    expect_failure(ks_ek_cert_parse_der(ks_buf_view(&bytes), &cert), KS_ERR_FORMAT,
                   "bytes after its end");
    expect_failure(ks_ek_cert_parse_der(KS_BYTES(large), &cert), KS_ERR_LIMIT, "at most 8192");
    ks_buf_done(&bytes);
    vector_read(FOLDER, "reject/name-twice.der", &bytes);
    expect_failure(ks_ek_cert_parse_der(ks_buf_view(&bytes), &cert), KS_ERR_FORMAT,
                   "TPM manufacturer twice");
    ks_buf_done(&bytes);
    assert_null(cert);
}

static void test_nv_filling(void **state)
{
    struct ks_buf bytes;
    struct ks_bytes der;

    (void)state;
    vector_read(FOLDER, "swtpm/rsa.der", &bytes);
    const size_t len = bytes.len;
    assert_int_equal(ks_ek_cert_of_nv(ks_buf_view(&bytes), &der), KS_OK);
    assert_int_equal(der.len, len);
    for (unsigned i = 0; i < 100; i++) {
        ks_buf_put_u8(&bytes, 0xff);
    }
    assert_int_equal(ks_ek_cert_of_nv(ks_buf_view(&bytes), &der), KS_OK);
    assert_int_equal(der.len, len);
    assert_ptr_equal(der.data, bytes.data);
    ks_buf_put_u8(&bytes, 0x00);
    expect_failure(ks_ek_cert_of_nv(ks_buf_view(&bytes), &der), KS_ERR_FORMAT, "neither 00");
    bytes.data[0] = 0x31;
    expect_failure(ks_ek_cert_of_nv(ks_buf_view(&bytes), &der), KS_ERR_FORMAT,
                   "no certificate");
    assert_int_equal(ks_ek_cert_of_nv(ks_bytes_of(bytes.data, 3), &der), KS_ERR_FORMAT);
    ks_buf_done(&bytes);
}

static void test_lists(void **state)
{
    struct ks_ek_certs certs = {0};
    struct ks_buf one;
    struct ks_buf text;

    (void)state;
    vector_read(FOLDER, "certs/root.pem", &one);
    ks_buf_init(&text, VECTOR_LEN_MAX);
    expect_failure(ks_ek_certs_add_pem(&certs, KS_LITERAL("no certificate here\n")),
                   KS_ERR_FORMAT, "no \"CERTIFICATE\" block");
    ks_buf_put_text(&text, "Issued by somebody:\n");
    ks_buf_put(&text, ks_buf_view(&one));
    ks_buf_put_text(&text, "\nand again\n");
    ks_buf_put(&text, ks_buf_view(&one));
    assert_int_equal(ks_ek_certs_add_pem(&certs, ks_buf_view(&text)), KS_OK);
    assert_int_equal(certs.count, 2);
    /* A broken second block takes the first one back. */
    const size_t whole = text.len;
    ks_buf_put_text(&text, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    expect_failure(ks_ek_certs_add_pem(&certs, ks_buf_view(&text)), KS_ERR_FORMAT, "block 3");
    assert_int_equal(certs.count, 2);
    text.len = whole;
    ks_buf_put_text(&text, "-----BEGIN CERTIFICATE-----\nAAAA\n");
    expect_failure(ks_ek_certs_add_pem(&certs, ks_buf_view(&text)), KS_ERR_FORMAT, "block 3");
    text.len = whole;
    ks_buf_put_text(&text, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    expect_failure(ks_ek_certs_add_pem(&certs, ks_buf_view(&text)), KS_ERR_FORMAT,
                   "not a plain");
    assert_int_equal(certs.count, 2);
    while (certs.count < KS_EK_CERTS_MAX) {
        assert_int_equal(ks_ek_certs_add_pem(&certs, ks_buf_view(&one)), KS_OK);
    }
    expect_failure(ks_ek_certs_add_pem(&certs, ks_buf_view(&one)), KS_ERR_LIMIT,
                   "more than 64");
    assert_int_equal(certs.count, KS_EK_CERTS_MAX);
    ks_ek_certs_done(&certs);
    ks_buf_done(&text);
    ks_buf_done(&one);
}

/* --- credentials -------------------------------------------------------------------------- */

struct vector {
    struct ks_buf ek;
    struct ks_buf ak_name;
    struct ks_buf secret;
    struct ks_buf id_object;
    struct ks_buf encrypted;
    struct ks_buf random;
    struct ks_buf key;
};

static void hex_member(const struct ks_json *root, const char *name, struct ks_buf *out)
{
    struct ks_bytes text = {NULL, 0};

    ks_buf_init(out, VECTOR_LEN_MAX);
    if (ks_json_find(root, name) != NULL) {
        assert_int_equal(ks_json_get_string(root, name, &text), KS_OK);
    }
    if (text.len > 0) {
        assert_int_equal(ks_hex_decode(text, ks_buf_reserve(out, text.len / 2), text.len / 2),
                         KS_OK);
        ks_buf_grew(out, text.len / 2);
    }
}

static void load(const char *name, struct vector *out)
{
    const struct ks_json_limits limits = {.len_max = VECTOR_LEN_MAX, .nodes_max = 16};
    struct ks_json_doc *doc = NULL;
    struct ks_buf text;

    vector_read(FOLDER, name, &text);
    assert_int_equal(ks_json_parse(ks_buf_view(&text), &limits, &doc), KS_OK);
    const struct ks_json *root = ks_json_root(doc);
    hex_member(root, "ek", &out->ek);
    hex_member(root, "ak_name", &out->ak_name);
    hex_member(root, "secret", &out->secret);
    hex_member(root, "id_object", &out->id_object);
    hex_member(root, "encrypted_secret", &out->encrypted);
    hex_member(root, "random", &out->random);
    hex_member(root, "private", &out->key);
    ks_json_doc_free(doc);
    ks_buf_done(&text);
}

static void unload(struct vector *vector)
{
    ks_buf_done(&vector->ek);
    ks_buf_done(&vector->ak_name);
    ks_buf_done(&vector->secret);
    ks_buf_done(&vector->id_object);
    ks_buf_done(&vector->encrypted);
    ks_buf_done(&vector->random);
    ks_buf_done(&vector->key);
}

static void derive(const char *kdf_name, const OSSL_PARAM *params, uint8_t *target, size_t len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, kdf_name, NULL);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);

    assert_int_equal(EVP_KDF_derive(context, target, len, params), 1);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
}

static OSSL_PARAM octets(const char *name, const void *data, size_t len)
{
    union {
        const void *fixed;
        void *open;
    } pointer = {.fixed = data};

    return OSSL_PARAM_construct_octet_string(name, pointer.open, len);
}

/* KDFa by SP 800-108 as libcrypto has it. */
static void kdfa(bool sha384, struct ks_bytes key, const char *label, struct ks_bytes context,
                 uint8_t *target, size_t len)
{
    char digest[16] = "SHA2-256";
    char mac[] = "HMAC";
    char mode[] = "counter";
    OSSL_PARAM params[8];
    size_t count = 0;

    if (sha384) {
        ks_copy(digest, "SHA2-384", sizeof "SHA2-384");
    }
    params[count++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0);
    params[count++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MAC, mac, 0);
    params[count++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, mode, 0);
    params[count++] = octets(OSSL_KDF_PARAM_KEY, key.data, key.len);
    params[count++] = octets(OSSL_KDF_PARAM_SALT, label, strlen(label));
    if (context.len > 0) {
        params[count++] = octets(OSSL_KDF_PARAM_INFO, context.data, context.len);
    }
    params[count] = OSSL_PARAM_construct_end();
    derive("KBKDF", params, target, len);
}

static size_t oracle_rsa_seed(EVP_PKEY *key, struct ks_bytes ciphertext, uint8_t *seed)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
    char *label = OPENSSL_strdup("IDENTITY");
    uint8_t plain[512];
    size_t len = sizeof plain;

    assert_int_equal(EVP_PKEY_decrypt_init(context), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_oaep_md(context, EVP_sha256()), 1);
    assert_int_equal(EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()), 1);
    assert_int_equal(EVP_PKEY_CTX_set0_rsa_oaep_label(context, label, sizeof "IDENTITY"), 1);
    assert_int_equal(EVP_PKEY_decrypt(context, plain, &len, ciphertext.data, ciphertext.len),
                     1);
    ks_copy(seed, plain, len);
    EVP_PKEY_CTX_free(context);
    return len;
}

static size_t oracle_ecc_seed(EVP_PKEY *key, const char *curve, bool sha384,
                              struct ks_bytes point, uint8_t *seed)
{
    struct ks_reader reader = ks_reader_of(point, "point");
    struct ks_bytes x;
    struct ks_bytes y;
    char group[16] = {0};
    char digest[16] = "SHA2-256";
    uint8_t raw[97] = {4};
    uint8_t z[48];
    uint8_t own[48];
    size_t len = sizeof z;
    struct ks_buf info;
    EVP_PKEY *peer = NULL;
    EVP_PKEY_CTX *maker = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);

    if (sha384) {
        ks_copy(digest, "SHA2-384", sizeof "SHA2-384");
    }
    ks_copy(group, curve, strlen(curve));
    assert_int_equal(ks_read_lp16(&reader, 48, &x), KS_OK);
    assert_int_equal(ks_read_lp16(&reader, 48, &y), KS_OK);
    assert_int_equal(ks_read_end(&reader), KS_OK);
    assert_int_equal(x.len, y.len);
    ks_copy(raw + 1, x.data, x.len);
    ks_copy(raw + 1 + x.len, y.data, y.len);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        octets(OSSL_PKEY_PARAM_PUB_KEY, raw, 1 + 2 * x.len),
        OSSL_PARAM_construct_end(),
    };
    assert_int_equal(EVP_PKEY_fromdata_init(maker), 1);
    assert_int_equal(EVP_PKEY_fromdata(maker, &peer, EVP_PKEY_PUBLIC_KEY, params), 1);
    assert_int_equal(EVP_PKEY_derive_init(context), 1);
    assert_int_equal(EVP_PKEY_derive_set_peer(context, peer), 1);
    assert_int_equal(EVP_PKEY_derive(context, z, &len), 1);
    BIGNUM *number = NULL;
    assert_int_equal(EVP_PKEY_get_bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, &number), 1);
    assert_int_equal(BN_bn2binpad(number, own, (int)x.len), (int)x.len);
    BN_free(number);
    ks_buf_init(&info, 256);
    ks_buf_put(&info, ks_bytes_of("IDENTITY", sizeof "IDENTITY"));
    ks_buf_put(&info, x);
    ks_buf_put(&info, ks_bytes_of(own, x.len));
    OSSL_PARAM kdf[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
        octets(OSSL_KDF_PARAM_KEY, z, len),
        octets(OSSL_KDF_PARAM_INFO, info.data, info.len),
        OSSL_PARAM_construct_end(),
    };
    derive("SSKDF", kdf, seed, sha384 ? 48 : 32);
    ks_buf_done(&info);
    EVP_PKEY_free(peer);
    EVP_PKEY_CTX_free(maker);
    EVP_PKEY_CTX_free(context);
    return sha384 ? 48 : 32;
}

/* TPM2_ActivateCredential with the private key KEY: the secret, or an empty view when the
 * integrity is wrong. */
static bool activate(const struct vector *vector, struct ks_bytes name, uint8_t *secret,
                     size_t *out_len)
{
    const unsigned char *cursor = vector->key.data;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &cursor, (long)vector->key.len);
    struct ks_reader blob = ks_reader_of(ks_buf_view(&vector->id_object), "id object");
    struct ks_reader outer = ks_reader_of(ks_buf_view(&vector->encrypted), "encrypted secret");
    struct ks_bytes share;
    struct ks_bytes body;
    struct ks_bytes mac;
    uint8_t seed[48];
    uint8_t storage_key[32];
    uint8_t mac_key[48];
    uint8_t want[64];
    unsigned want_len = 0;
    uint8_t plain[64];
    const uint8_t iv[16] = {0};
    int len = 0;

    assert_non_null(key);
    assert_int_equal(ks_read_lp16(&outer, 512, &share), KS_OK);
    assert_int_equal(ks_read_end(&outer), KS_OK);
    const bool rsa = EVP_PKEY_is_a(key, "RSA");
    const bool sha384 = !rsa && EVP_PKEY_get_bits(key) == 384;
    size_t hash_len =
        rsa ? oracle_rsa_seed(key, share, seed)
            : oracle_ecc_seed(key, sha384 ? "P-384" : "P-256", sha384, share, seed);
    assert_int_equal(hash_len, sha384 ? 48 : 32);
    assert_int_equal(ks_read_lp16(&blob, 512, &body), KS_OK);
    assert_int_equal(ks_read_end(&blob), KS_OK);
    struct ks_reader inner = ks_reader_of(body, "id object body");
    assert_int_equal(ks_read_lp16(&inner, 64, &mac), KS_OK);
    kdfa(sha384, ks_bytes_of(seed, hash_len), "STORAGE", name, storage_key, sha384 ? 32 : 16);
    kdfa(sha384, ks_bytes_of(seed, hash_len), "INTEGRITY", (struct ks_bytes){NULL, 0}, mac_key,
         hash_len);
    struct ks_buf bound;
    ks_buf_init(&bound, 512);
    ks_buf_put(&bound, inner.rest);
    ks_buf_put(&bound, name);
    assert_non_null(HMAC(sha384 ? EVP_sha384() : EVP_sha256(), mac_key, (int)hash_len,
                         bound.data, bound.len, want, &want_len));
    bool ok = ks_bytes_equal(mac, ks_bytes_of(want, want_len));
    EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new();
    assert_int_equal(EVP_DecryptInit_ex(cipher, sha384 ? EVP_aes_256_cfb() : EVP_aes_128_cfb(),
                                        NULL, storage_key, iv),
                     1);
    assert_int_equal(
        EVP_DecryptUpdate(cipher, plain, &len, inner.rest.data, (int)inner.rest.len), 1);
    if (ok) {
        assert_int_equal(plain[0] << 8 | plain[1], len - 2);
        *out_len = (size_t)len - 2;
        ks_copy(secret, plain + 2, *out_len);
    }
    EVP_CIPHER_CTX_free(cipher);
    ks_buf_done(&bound);
    EVP_PKEY_free(key);
    return ok;
}

static const char *const software[] = {"software/rsa.json", "software/p256.json",
                                       "software/p384.json"};

/* First the oracle opens what tpm2_makecredential made, then what we made for the same key. */
static void test_credentials_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct vector vector;
        struct ks_ek_public ek;
        uint8_t random[KS_CREDENTIAL_RANDOM_LEN];
        uint8_t secret[64];
        size_t len = 0;

        load(software[i], &vector);
        assert_true(activate(&vector, ks_buf_view(&vector.ak_name), secret, &len));
        assert_true(ks_bytes_equal(ks_bytes_of(secret, len), ks_buf_view(&vector.secret)));
        const size_t id_len = vector.id_object.len;
        const size_t encrypted_len = vector.encrypted.len;
        assert_int_equal(ks_ek_public_parse(ks_buf_view(&vector.ek), &ek), KS_OK);
        assert_int_equal(ek.kind, i); /* in the order of the enumeration */
        uint64_t seed = 0x1234567890abcdef + i;
        for (size_t secret_len = 1; secret_len <= KS_CREDENTIAL_SECRET_MAX; secret_len++) {
            for (size_t j = 0; j < sizeof random; j++) {
                random[j] = (uint8_t)next_random(&seed);
            }
            const struct ks_credential_spec spec = {
                .ak_name = ks_buf_view(&vector.ak_name),
                .secret = ks_bytes_of(vector.secret.data, secret_len),
                .random = KS_BYTES(random),
            };
            ks_buf_clear(&vector.id_object);
            ks_buf_clear(&vector.encrypted);
            assert_int_equal(
                ks_credential_make(&ek, &spec, &vector.id_object, &vector.encrypted), KS_OK);
            assert_true(activate(&vector, spec.ak_name, secret, &len));
            assert_true(ks_bytes_equal(ks_bytes_of(secret, len), spec.secret));
            /* Another attestation key gets nothing. */
            vector.ak_name.data[5] ^= 1;
            assert_false(activate(&vector, ks_buf_view(&vector.ak_name), secret, &len));
            vector.ak_name.data[5] ^= 1;
        }
        assert_int_equal(vector.id_object.len, id_len);
        assert_int_equal(vector.encrypted.len, encrypted_len);
        unload(&vector);
    }
}

/* The same randomness gives the very blobs that a swtpm has opened. */
static void test_credentials_that_a_tpm_opened(void **state)
{
    static const char *const names[] = {"swtpm/rsa.json", "swtpm/p384.json"};
    static const char *const certs[] = {"swtpm/rsa.der", "swtpm/p384.der"};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct vector vector;
        struct ks_ek_public ek;
        struct ks_buf id_object;
        struct ks_buf encrypted;
        struct ks_ek_cert *cert = cert_of(certs[i]);
        struct ks_ek_cert *other = cert_of(certs[1 - i]);

        load(names[i], &vector);
        ks_buf_init(&id_object, KS_CREDENTIAL_ID_OBJECT_MAX);
        ks_buf_init(&encrypted, KS_CREDENTIAL_SECRET_BLOB_MAX);
        assert_int_equal(ks_ek_public_parse(ks_buf_view(&vector.ek), &ek), KS_OK);
        assert_int_equal(ks_ek_public_check_cert(&ek, cert), KS_OK);
        expect_failure(ks_ek_public_check_cert(&ek, other), KS_ERR_VERIFY, "another key");
        const struct ks_credential_spec spec = {
            .ak_name = ks_buf_view(&vector.ak_name),
            .secret = ks_buf_view(&vector.secret),
            .random = ks_buf_view(&vector.random),
        };
        assert_int_equal(ks_credential_make(&ek, &spec, &id_object, &encrypted), KS_OK);
        assert_true(ks_bytes_equal(ks_buf_view(&id_object), ks_buf_view(&vector.id_object)));
        assert_true(ks_bytes_equal(ks_buf_view(&encrypted), ks_buf_view(&vector.encrypted)));
        ks_buf_done(&id_object);
        ks_buf_done(&encrypted);
        ks_ek_cert_free(cert);
        ks_ek_cert_free(other);
        unload(&vector);
    }
}

static void test_credential_refuses(void **state)
{
    struct vector vector;
    struct ks_ek_public ek;
    struct ks_buf id_object;
    struct ks_buf encrypted;
    const uint8_t random[KS_CREDENTIAL_RANDOM_LEN] = {1};
    const uint8_t secret[KS_CREDENTIAL_SECRET_MAX + 1] = {2};

    (void)state;
    load(software[1], &vector);
    ks_buf_init(&id_object, 512);
    ks_buf_init(&encrypted, 512);
    assert_int_equal(ks_ek_public_parse(ks_buf_view(&vector.ek), &ek), KS_OK);
    const struct ks_credential_spec good = {
        .ak_name = ks_buf_view(&vector.ak_name),
        .secret = ks_bytes_of(secret, 32),
        .random = KS_BYTES(random),
    };
    struct ks_credential_spec spec = good;
    spec.secret = KS_BYTES(secret);
    expect_failure(ks_credential_make(&ek, &spec, &id_object, &encrypted), KS_ERR_USAGE,
                   "a secret of 33");
    spec = good;
    spec.secret.len = 0;
    expect_failure(ks_credential_make(&ek, &spec, &id_object, &encrypted), KS_ERR_USAGE,
                   "of 0");
    spec = good;
    spec.ak_name.len--;
    expect_failure(ks_credential_make(&ek, &spec, &id_object, &encrypted), KS_ERR_USAGE,
                   "a name of 33");
    spec = good;
    spec.random.len--;
    expect_failure(ks_credential_make(&ek, &spec, &id_object, &encrypted), KS_ERR_USAGE,
                   "randomness of 63");
    ek.key.y[3] ^= 1; /* leaves the curve */
    expect_failure(ks_credential_make(&ek, &good, &id_object, &encrypted), KS_ERR_FORMAT,
                   "not a point");
    ek.key.y[3] ^= 1;
    struct ks_buf small;
    ks_buf_init(&small, 16);
    assert_int_equal(ks_credential_make(&ek, &good, &id_object, &small), KS_ERR_LIMIT);
    assert_int_equal(id_object.len, 0);
    assert_int_equal(encrypted.len, 0);
    ks_buf_done(&small);
    ks_buf_done(&id_object);
    ks_buf_done(&encrypted);
    unload(&vector);
}

static void test_public_areas_refused(void **state)
{
    /* Offsets in a TPMT_PUBLIC: type 0, nameAlg 2, attributes 4, policy 8. */
    static const struct {
        size_t vector;
        size_t offset;
        uint8_t xor_with;
        const char *reason;
    } rows[] = {
        {0, 1, 0x08, "type 0x0009"},
        {0, 3, 0x07, "name algorithm 0x000c"},
        {0, 7, 0x02, "fixedTPM is clear"},
        {0, 7, 0x10, "fixedParent is clear"},
        {0, 7, 0x20, "sensitiveDataOrigin is clear"},
        {0, 5, 0x01, "restricted is clear"},
        {0, 5, 0x02, "decrypt is clear"},
        {0, 5, 0x04, "sign is set"},
        {0, 6, 0x08, "encryptedDuplication is set"},
        {0, 5, 0x08, "x509sign is set"},
        {0, 4, 0x80, "reserved attributes"},
        {0, 9, 0x01, "policy of 33 bytes"},
        {0, 43, 0x01, "symmetric algorithm"},
        {0, 45, 0x40, "symmetric key bits"},
        {0, 47, 0x01, "symmetric mode"},
        {0, 49, 0x04, "scheme"},
        {0, 50, 0x04, "key bits"},
        {0, 55, 0x03, "RSA exponent 3"},
        {0, 58, 0x80, "no 2048-bit RSA modulus"},
        {1, 51, 0x07, "curve is 0x0004"},
        {1, 53, 0x01, "key derivation"},
        {2, 3, 0x07, "symmetric key bits is 0x0100"},
    };
    struct vector vectors[3];
    struct ks_ek_public ek;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        load(software[i], &vectors[i]);
        const struct ks_bytes whole = ks_buf_view(&vectors[i].ek);
        for (size_t len = 0; len < whole.len; len++) {
            assert_int_equal(ks_ek_public_parse(ks_bytes_of(whole.data, len), &ek),
                             KS_ERR_FORMAT);
        }
    }
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_buf *bytes = &vectors[rows[i].vector].ek;
        uint8_t *byte = bytes->data + rows[i].offset;

        /* A longer policy shifts what follows, and P-384 takes another policy: both fail before
         * anything else is looked at. */
        *byte ^= rows[i].xor_with;
        const enum ks_err err = ks_ek_public_parse(ks_buf_view(bytes), &ek);
        if (rows[i].vector != 2) {
            expect_failure(err, KS_ERR_FORMAT, rows[i].reason);
        } else {
            assert_int_equal(err, KS_ERR_FORMAT);
        }
        *byte ^= rows[i].xor_with;
    }
    ks_buf_put_u8(&vectors[0].ek, 0);
    assert_int_equal(ks_ek_public_parse(ks_buf_view(&vectors[0].ek), &ek), KS_ERR_FORMAT);
    static const uint8_t large[KS_EK_PUBLIC_MAX + 1];
    assert_int_equal(ks_ek_public_parse(KS_BYTES(large), &ek), KS_ERR_LIMIT);
    for (size_t i = 0; i < 3; i++) {
        unload(&vectors[i]);
    }
}

/* Names are the TPM's own: swtpm's AK name and ours are made over the same rule, for SHA-384
 * too. */
static void test_names(void **state)
{
    struct vector vector;
    struct ks_ek_public ek;
    uint8_t want[50] = {0x00, 0x0c};

    (void)state;
    load("swtpm/p384.json", &vector);
    assert_int_equal(ks_ek_public_parse(ks_buf_view(&vector.ek), &ek), KS_OK);
    assert_int_equal(
        EVP_Digest(vector.ek.data, vector.ek.len, want + 2, NULL, EVP_sha384(), NULL), 1);
    assert_int_equal(ek.name_len, sizeof want);
    assert_memory_equal(ek.name, want, sizeof want);
    assert_string_equal(ks_ek_kind_name(ek.kind), "ECC P-384");
    unload(&vector);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains_that_hold),
        cmocka_unit_test(test_names_and_fingerprint),
        cmocka_unit_test(test_chains_that_break),
        cmocka_unit_test(test_trust_is_given),
        cmocka_unit_test(test_a_changed_certificate_is_refused),
        cmocka_unit_test(test_parse_refuses),
        cmocka_unit_test(test_nv_filling),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_credentials_open),
        cmocka_unit_test(test_credentials_that_a_tpm_opened),
        cmocka_unit_test(test_credential_refuses),
        cmocka_unit_test(test_public_areas_refused),
        cmocka_unit_test(test_names),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
