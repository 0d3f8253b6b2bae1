/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/ekcert.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/text.h"
#include "crypto/cert_parts.h"
#include "crypto/digest.h"
#include "crypto/ekcert_parts.h"

#define RSA_EXPONENT 65537
#define OID_TEXT_MAX 64 /* ours have at most 14 characters; a longer one is not ours */

/* EKP §3.1.2, §3.5.12: in the directory name of the subject alternative name. */
#define OID_MANUFACTURER "2.23.133.2.1"
#define OID_MODEL        "2.23.133.2.2"
#define OID_VERSION      "2.23.133.2.3"
#define OID_EK_PURPOSE   "2.23.133.8.1" /* tcg-kp-EKCertificate */

const char *ks_ek_alg_name(enum ks_ek_alg alg)
{
    static const char *const names[] = {"RSA", "P-256", "P-384"};

    KS_ASSERT((unsigned)alg < sizeof(names) / sizeof(names[0]));
    return names[alg];
}

bool ks_ek_key_equal(const struct ks_ek_key *a, const struct ks_ek_key *b)
{
    return a->alg == b->alg && a->len == b->len && a->exponent == b->exponent &&
           ks_bytes_equal(KS_BYTES(a->modulus), KS_BYTES(b->modulus)) &&
           ks_bytes_equal(KS_BYTES(a->x), KS_BYTES(b->x)) &&
           ks_bytes_equal(KS_BYTES(a->y), KS_BYTES(b->y));
}

static bool object_is(const ASN1_OBJECT *object, const char *oid)
{
    char text[OID_TEXT_MAX];
    int len = OBJ_obj2txt(text, sizeof(text), object, 1);

    return len > 0 && len < (int)sizeof(text) && strcmp(text, oid) == 0;
}

/* --- the key ------------------------------------------------------------------------------ */

/* Number NAME of PKEY, big-endian in exactly LEN bytes; false if it is not there or longer. */
static bool read_number(const EVP_PKEY *pkey, const char *name, uint8_t *target, size_t len)
{
    BIGNUM *number = NULL;
    bool ok = EVP_PKEY_get_bn_param(pkey, name, &number) == 1 &&
              BN_bn2binpad(number, target, (int)len) == (int)len;

    BN_free(number);
    return ok;
}

static bool read_rsa(const EVP_PKEY *pkey, struct ks_ek_key *key)
{
    uint8_t exponent[4];
    int bits = EVP_PKEY_get_bits(pkey);

    if (bits != 2048 && bits != 3072 && bits != 4096) {
        return false;
    }
    key->alg = KS_EK_RSA;
    key->len = (size_t)bits / 8;
    key->exponent = RSA_EXPONENT;
    return read_number(pkey, OSSL_PKEY_PARAM_RSA_N, key->modulus, key->len) &&
           read_number(pkey, OSSL_PKEY_PARAM_RSA_E, exponent, sizeof(exponent)) &&
           ks_bytes_equal(KS_BYTES(exponent), KS_LITERAL("\x00\x01\x00\x01"));
}

static bool read_ecc(const EVP_PKEY *pkey, struct ks_ek_key *key)
{
    char group[32];

    if (EVP_PKEY_get_utf8_string_param(pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group),
                                       NULL) != 1) {
        return false;
    }
    if (strcmp(group, SN_X9_62_prime256v1) == 0) {
        key->alg = KS_EK_ECC_P256;
        key->len = 32;
    } else if (strcmp(group, SN_secp384r1) == 0) {
        key->alg = KS_EK_ECC_P384;
        key->len = 48;
    } else {
        return false;
    }
    return read_number(pkey, OSSL_PKEY_PARAM_EC_PUB_X, key->x, key->len) &&
           read_number(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, key->y, key->len);
}

static void read_key(struct ks_ek_cert *cert)
{
    const EVP_PKEY *pkey = X509_get0_pubkey(cert->x509);
    struct ks_ek_key key = {0};

    cert->key_known = pkey != NULL && ((EVP_PKEY_is_a(pkey, "RSA") && read_rsa(pkey, &key)) ||
                                       (EVP_PKEY_is_a(pkey, "EC") && read_ecc(pkey, &key)));
    if (cert->key_known) {
        cert->key = key;
    }
    ks_libcrypto_forget(); /* an unknown key is an ordinary answer */
}

/* --- names and extensions ----------------------------------------------------------------- */

/* One attribute of the directory name: 1 to KS_EK_TEXT_MAX printable ASCII characters, once. */
static enum ks_err read_attribute(const X509_NAME_ENTRY *entry, const char *what,
                                  char target[KS_EK_TEXT_MAX + 1])
{
    enum ks_err err = KS_OK;
    const ASN1_STRING *string = X509_NAME_ENTRY_get_data(entry);
    int type = ASN1_STRING_type(string);
    struct ks_bytes text =
        ks_bytes_of(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));

    KS_CHECK(target[0] == '\0', KS_ERR_FORMAT, "%s twice", what);
    KS_CHECK((type == V_ASN1_UTF8STRING || type == V_ASN1_PRINTABLESTRING) && text.len >= 1 &&
                 text.len <= KS_EK_TEXT_MAX,
             KS_ERR_FORMAT, "%s: not a text of 1 to %d bytes", what, KS_EK_TEXT_MAX);
    for (size_t i = 0; i < text.len; i++) {
        KS_CHECK(text.data[i] >= 0x20 && text.data[i] <= 0x7e, KS_ERR_FORMAT,
                 "%s: not printable ASCII", what);
    }
    ks_copy(target, text.data, text.len);
    target[text.len] = '\0';
out:
    return err;
}

static enum ks_err read_directory_name(struct ks_ek_cert *cert, const X509_NAME *name)
{
    enum ks_err err = KS_OK;

    for (int i = 0; i < X509_NAME_entry_count(name); i++) {
        const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, i);
        const ASN1_OBJECT *object = X509_NAME_ENTRY_get_object(entry);
        if (object_is(object, OID_MANUFACTURER)) {
            KS_TRY(read_attribute(entry, "TPM manufacturer", cert->manufacturer));
        } else if (object_is(object, OID_MODEL)) {
            KS_TRY(read_attribute(entry, "TPM model", cert->model));
        } else if (object_is(object, OID_VERSION)) {
            KS_TRY(read_attribute(entry, "TPM version", cert->version));
        }
    }
out:
    return err;
}

/* The extension NID in *OUT_VALUE, or NULL there when it is absent; KS_ERR_FORMAT when it is
 * there twice or does not parse. */
static enum ks_err get_extension(const X509 *x509, int nid, void **out_value)
{
    int found = -1;

    *out_value = X509_get_ext_d2i(x509, nid, &found, NULL);
    if (*out_value == NULL && found != -1) {
        return ks_fail_libcrypto(KS_ERR_FORMAT, OBJ_nid2ln(nid));
    }
    return KS_OK;
}

static enum ks_err read_alternative_names(struct ks_ek_cert *cert)
{
    enum ks_err err = KS_OK;
    void *value = NULL;
    GENERAL_NAMES *names = NULL;

    KS_TRY(get_extension(cert->x509, NID_subject_alt_name, &value));
    names = value;
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *general = sk_GENERAL_NAME_value(names, i);
        if (general->type == GEN_DIRNAME) {
            KS_TRY(read_directory_name(cert, general->d.directoryName));
        }
    }
out:
    GENERAL_NAMES_free(names);
    return err;
}

static enum ks_err read_purposes(struct ks_ek_cert *cert)
{
    enum ks_err err = KS_OK;
    void *value = NULL;
    EXTENDED_KEY_USAGE *usages = NULL;

    KS_TRY(get_extension(cert->x509, NID_ext_key_usage, &value));
    usages = value;
    cert->has_purposes = usages != NULL;
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
        cert->ek_purpose |= object_is(sk_ASN1_OBJECT_value(usages, i), OID_EK_PURPOSE);
    }
out:
    EXTENDED_KEY_USAGE_free(usages);
    return err;
}

static enum ks_err read_fields(struct ks_ek_cert *cert)
{
    enum ks_err err = KS_OK;

    /* Reads the extensions once; a form that libcrypto finds wrong shows in the flags. */
    (void)X509_check_purpose(cert->x509, -1, 0);
    KS_CHECK((X509_get_extension_flags(cert->x509) & EXFLAG_INVALID) == 0, KS_ERR_FORMAT,
             "an extension does not parse");
    KS_TRY(ks_x509_name_shown(X509_get_subject_name(cert->x509), cert->subject,
                              sizeof(cert->subject)));
    KS_TRY(ks_x509_name_shown(X509_get_issuer_name(cert->x509), cert->issuer,
                              sizeof(cert->issuer)));
    KS_TRY(ks_x509_time(X509_get0_notBefore(cert->x509), "not before", &cert->not_before_s));
    KS_TRY(ks_x509_time(X509_get0_notAfter(cert->x509), "not after", &cert->not_after_s));
    KS_TRY(read_alternative_names(cert));
    KS_TRY(read_purposes(cert));
    read_key(cert);
out:
    return err;
}

enum ks_err ks_ek_cert_parse_der(struct ks_bytes der, struct ks_ek_cert **out_cert)
{
    enum ks_err err = KS_OK;
    struct ks_ek_cert *cert = NULL;

    KS_CHECK(der.len <= KS_EK_CERT_DER_MAX, KS_ERR_LIMIT, "%zu bytes, at most %d", der.len,
             KS_EK_CERT_DER_MAX);
    cert = ks_calloc(1, sizeof(*cert));
    KS_CHECK(cert != NULL, KS_ERR_NOMEM, "out of memory");
    ks_buf_init(&cert->der, KS_EK_CERT_DER_MAX);
    ks_buf_put(&cert->der, der);
    KS_TRY(ks_buf_check(&cert->der));
    KS_TRY(ks_x509_from_der(der, &cert->x509));
    KS_TRY(read_fields(cert));
    *out_cert = cert;
    cert = NULL;
out:
    ks_libcrypto_forget();
    ks_ek_cert_free(cert);
    return ks_fail_prefix(err, "EK certificate");
}

void ks_ek_cert_free(struct ks_ek_cert *cert)
{
    if (cert != NULL) {
        X509_free(cert->x509);
        ks_buf_done(&cert->der);
        ks_free(cert);
    }
}

enum ks_err ks_ek_cert_of_nv(struct ks_bytes contents, struct ks_bytes *out_der)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(contents, "EK certificate index");
    uint8_t tag;
    uint8_t form;
    uint16_t len;
    struct ks_bytes der;

    KS_TRY(ks_read_u8(&reader, &tag));
    KS_TRY(ks_read_u8(&reader, &form));
    KS_TRY(ks_read_u16(&reader, &len));
    /* A sequence whose length takes two bytes: no certificate is shorter than 256 bytes. */
    KS_CHECK(tag == 0x30 && form == 0x82, KS_ERR_FORMAT,
             "EK certificate index: no certificate at its start");
    reader = ks_reader_of(contents, "EK certificate index");
    KS_TRY(ks_read_bytes(&reader, 4 + (size_t)len, &der));
    for (size_t i = 0; i < reader.rest.len; i++) {
        KS_CHECK(reader.rest.data[i] == reader.rest.data[0] &&
                     (reader.rest.data[i] == 0x00 || reader.rest.data[i] == 0xff),
                 KS_ERR_FORMAT,
                 "EK certificate index: neither 00 nor ff after the certificate");
    }
    *out_der = der;
out:
    return err;
}

/* --- views -------------------------------------------------------------------------------- */

struct ks_bytes ks_ek_cert_der(const struct ks_ek_cert *cert)
{
    return ks_buf_view(&cert->der);
}

void ks_ek_cert_fingerprint(const struct ks_ek_cert *cert, uint8_t out_digest[32])
{
    ks_sha256(ks_ek_cert_der(cert), out_digest);
}

const char *ks_ek_cert_subject(const struct ks_ek_cert *cert)
{
    return cert->subject;
}

const char *ks_ek_cert_issuer(const struct ks_ek_cert *cert)
{
    return cert->issuer;
}

uint64_t ks_ek_cert_not_before_s(const struct ks_ek_cert *cert)
{
    return cert->not_before_s;
}

uint64_t ks_ek_cert_not_after_s(const struct ks_ek_cert *cert)
{
    return cert->not_after_s;
}

const char *ks_ek_cert_manufacturer(const struct ks_ek_cert *cert)
{
    return cert->manufacturer;
}

const char *ks_ek_cert_model(const struct ks_ek_cert *cert)
{
    return cert->model;
}

const char *ks_ek_cert_version(const struct ks_ek_cert *cert)
{
    return cert->version;
}

enum ks_err ks_ek_cert_key(const struct ks_ek_cert *cert, const struct ks_ek_key **out_key)
{
    if (!cert->key_known) {
        return ks_fail(KS_ERR_VERIFY, "EK certificate: its key is neither RSA 2048, 3072 or "
                                      "4096 with exponent 65537, nor P-256, nor P-384");
    }
    *out_key = &cert->key;
    return KS_OK;
}

/* --- lists -------------------------------------------------------------------------------- */

enum ks_err ks_ek_certs_add_der(struct ks_ek_certs *certs, struct ks_bytes der)
{
    enum ks_err err = KS_OK;

    KS_CHECK(certs->count < KS_EK_CERTS_MAX, KS_ERR_LIMIT, "more than %d certificates",
             KS_EK_CERTS_MAX);
    KS_TRY(ks_ek_cert_parse_der(der, &certs->certs[certs->count]));
    certs->count++;
out:
    return err;
}

/* Adds the next block of BIO; *OUT_MORE is false when there is none. */
static enum ks_err add_block(struct ks_ek_certs *certs, BIO *bio, bool *out_more)
{
    enum ks_err err = KS_OK;
    struct ks_buf der;

    ks_buf_init(&der, KS_EK_PEM_MAX);
    KS_TRY(ks_pem_next(bio, KS_PEM_CERT, &der, out_more));
    if (*out_more) {
        KS_TRY(ks_ek_certs_add_der(certs, ks_buf_view(&der)));
    }
out:
    ks_buf_done(&der);
    return err;
}

enum ks_err ks_ek_certs_add_pem(struct ks_ek_certs *certs, struct ks_bytes text)
{
    enum ks_err err = KS_OK;
    size_t before = certs->count;
    BIO *bio = NULL;
    bool more = true;

    KS_CHECK(text.len <= KS_EK_PEM_MAX, KS_ERR_LIMIT, "%zu bytes of certificates, at most %d",
             text.len, KS_EK_PEM_MAX);
    bio = BIO_new_mem_buf(ks_bytes_pointer(text), (int)text.len);
    KS_CHECK(bio != NULL, KS_ERR_NOMEM, "out of memory");
    while (more) {
        KS_TRY(ks_fail_prefix(add_block(certs, bio, &more), "block %zu",
                              certs->count - before + 1));
    }
    KS_CHECK(certs->count > before, KS_ERR_FORMAT, "no \"" KS_PEM_CERT "\" block");
out:
    while (err != KS_OK && certs->count > before) {
        ks_ek_cert_free(certs->certs[--certs->count]);
        certs->certs[certs->count] = NULL;
    }
    BIO_free(bio);
    return err;
}

void ks_ek_certs_done(struct ks_ek_certs *certs)
{
    for (size_t i = 0; i < certs->count; i++) {
        ks_ek_cert_free(certs->certs[i]);
    }
    *certs = (struct ks_ek_certs){0};
}
