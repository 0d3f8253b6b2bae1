/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/cert.h"

#include <openssl/objects.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/text.h"
#include "crypto/cert_parts.h"
#include "crypto/digest.h"

#define VERSION_3 2 /* as it stands in the certificate */

/* --- extensions --------------------------------------------------------------------------- */

static enum ks_err read_basic_constraints(struct ks_cert *cert, void *value)
{
    const BASIC_CONSTRAINTS *constraints = value;
    enum ks_err err = KS_OK;

    cert->is_ca = constraints->ca != 0;
    if (constraints->pathlen != NULL) {
        KS_CHECK(cert->is_ca &&
                     ASN1_INTEGER_get_int64(&cert->path_len, constraints->pathlen) == 1 &&
                     cert->path_len >= 0,
                 KS_ERR_FORMAT, "a path length that is negative, too large, or without CA");
    }
out:
    return err;
}

static enum ks_err read_key_usage(struct ks_cert *cert, void *value)
{
    enum ks_err err = KS_OK;
    ASN1_BIT_STRING *bits = value;
    /* Bit i of the string is the i-th of these, RFC 5280 §4.2.1.3. */
    static const uint32_t usages[] = {
        KU_DIGITAL_SIGNATURE, KU_NON_REPUDIATION, KU_KEY_ENCIPHERMENT,
        KU_DATA_ENCIPHERMENT, KU_KEY_AGREEMENT,   KU_KEY_CERT_SIGN,
        KU_CRL_SIGN,          KU_ENCIPHER_ONLY,   KU_DECIPHER_ONLY};

    for (int i = 0; i < (int)(sizeof(usages) / sizeof(usages[0])); i++) {
        int bit = ASN1_BIT_STRING_get_bit(bits, i);
        cert->key_usage |= bit == 1 ? usages[i] : 0;
        /* Setting a bit to what it is makes libcrypto forget how many zeros stood at the end,
         * so that it encodes the string as named bits are to be: up to the last one (X.690
         * §11.2.2). */
        KS_CHECK(ASN1_BIT_STRING_set_bit(bits, i, bit) == 1, KS_ERR_NOMEM, "out of memory");
    }
out:
    return err;
}

static unsigned use_of(const ASN1_OBJECT *usage)
{
    char oid[sizeof(KS_CERT_OPERATOR_OID) + 1]; /* a longer one is cut, and still differs */

    switch (OBJ_obj2nid(usage)) {
    case NID_server_auth:
        return KS_USE_SERVER;
    case NID_client_auth:
        return KS_USE_DEVICE;
    default:
        return OBJ_obj2txt(oid, sizeof(oid), usage, 1) > 0 &&
                       strcmp(oid, KS_CERT_OPERATOR_OID) == 0
                   ? KS_USE_OPERATOR
                   : 0;
    }
}

static enum ks_err read_extended_key_usage(struct ks_cert *cert, void *value)
{
    EXTENDED_KEY_USAGE *usages = value;
    enum ks_err err = KS_OK;

    for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
        unsigned use = use_of(sk_ASN1_OBJECT_value(usages, i));
        KS_CHECK(use != 0, KS_ERR_FORMAT,
                 "extended key usage: neither serverAuth nor clientAuth nor that of operators");
        KS_CHECK((cert->uses & use) == 0, KS_ERR_FORMAT,
                 "extended key usage: one of them twice");
        cert->uses |= use;
    }
out:
    return err;
}

static enum ks_err read_names(struct ks_cert *cert, void *value)
{
    GENERAL_NAMES *names = value;
    enum ks_err err = KS_OK;

    (void)cert; /* libcrypto matches hosts against the certificate itself */
    KS_CHECK(sk_GENERAL_NAME_num(names) >= 1 && sk_GENERAL_NAME_num(names) <= KS_CERT_NAMES_MAX,
             KS_ERR_LIMIT, "%d alternative names, not 1 to %d", sk_GENERAL_NAME_num(names),
             KS_CERT_NAMES_MAX);
    for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
        int type = sk_GENERAL_NAME_value(names, i)->type;
        KS_CHECK(type == GEN_DNS || type == GEN_IPADD, KS_ERR_FORMAT,
                 "alternative name %d is neither a DNS name nor an address", i + 1);
    }
out:
    return err;
}

static enum ks_err read_subject_key_id(struct ks_cert *cert, void *value)
{
    cert->subject_key_id = ASN1_OCTET_STRING_dup(value);
    return cert->subject_key_id != NULL ? KS_OK : ks_fail(KS_ERR_NOMEM, "key identifier");
}

static enum ks_err read_authority_key_id(struct ks_cert *cert, void *value)
{
    const AUTHORITY_KEYID *authority = value;
    enum ks_err err = KS_OK;

    KS_CHECK(authority->keyid != NULL && authority->issuer == NULL && authority->serial == NULL,
             KS_ERR_FORMAT, "authority key identifier: not a key identifier alone");
    cert->authority_key_id = ASN1_OCTET_STRING_dup(authority->keyid);
    KS_CHECK(cert->authority_key_id != NULL, KS_ERR_NOMEM, "key identifier");
out:
    return err;
}

static const struct extension {
    int nid;
    bool must_be_critical;
    enum ks_err (*read)(struct ks_cert *cert, void *value);
} extensions[] = {
    {NID_basic_constraints, true, read_basic_constraints},
    {NID_key_usage, true, read_key_usage},
    {NID_ext_key_usage, false, read_extended_key_usage},
    {NID_subject_alt_name, false, read_names},
    {NID_subject_key_identifier, false, read_subject_key_id},
    {NID_authority_key_identifier, false, read_authority_key_id},
};
#define EXTENSION_KINDS (sizeof(extensions) / sizeof(extensions[0]))

/* libcrypto has no one function to free what X509V3_EXT_d2i made, but an ASN.1 item for each
 * kind. */
static void free_value(int nid, void *value)
{
    const X509V3_EXT_METHOD *method = X509V3_EXT_get_nid(nid);

    if (value != NULL && method != NULL && method->it != NULL) {
        ASN1_item_free(value, ASN1_ITEM_ptr(method->it));
    }
}

static enum ks_err read_extension(struct ks_cert *cert, X509_EXTENSION *extension,
                                  unsigned *seen)
{
    enum ks_err err = KS_OK;
    int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
    bool critical = X509_EXTENSION_get_critical(extension) != 0;
    void *value = NULL;
    size_t i = 0;

    while (i < EXTENSION_KINDS && extensions[i].nid != nid) {
        i++;
    }
    if (i == EXTENSION_KINDS) {
        KS_CHECK(!critical, KS_ERR_FORMAT, "an unknown critical extension (%s)",
                 OBJ_nid2sn(nid));
        goto out; /* RFC 5280 §4.2: may be ignored */
    }
    KS_CHECK((*seen & (1U << i)) == 0, KS_ERR_FORMAT, "extension %s twice", OBJ_nid2sn(nid));
    *seen |= 1U << i;
    KS_CHECK(critical || !extensions[i].must_be_critical, KS_ERR_FORMAT,
             "extension %s is not critical", OBJ_nid2sn(nid));
    value = X509V3_EXT_d2i(extension);
    if (value == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, OBJ_nid2sn(nid)));
    }
    KS_TRY(extensions[i].read(cert, value));
    KS_TRY(ks_x509_check_canonical(extension, value));
out:
    free_value(nid, value);
    return err;
}

/* A CA is a root when it says that it signed itself; whether it did is another question. */
static bool is_self_issued(const struct ks_cert *cert)
{
    return X509_NAME_cmp(X509_get_subject_name(cert->x509), X509_get_issuer_name(cert->x509)) ==
               0 &&
           (cert->authority_key_id == NULL ||
            (cert->subject_key_id != NULL &&
             ASN1_OCTET_STRING_cmp(cert->authority_key_id, cert->subject_key_id) == 0));
}

static enum ks_err find_role(struct ks_cert *cert)
{
    enum ks_err err = KS_OK;
    bool is_site = false;

    if (cert->is_ca) {
        cert->role = is_self_issued(cert) ? KS_CERT_ROOT : KS_CERT_ISSUER;
        goto out;
    }
    KS_CHECK(
        cert->uses == KS_USE_SERVER || cert->uses == KS_USE_DEVICE ||
            cert->uses == KS_USE_OPERATOR,
        KS_ERR_FORMAT,
        "neither a CA nor of exactly one use: serverAuth, clientAuth or that of operators");
    is_site = cert->uses == KS_USE_SERVER;
    cert->role = is_site                         ? KS_CERT_SERVER
                 : cert->uses == KS_USE_OPERATOR ? KS_CERT_OPERATOR
                                                 : KS_CERT_DEVICE;
    KS_CHECK(is_site || ks_text_is_name(ks_bytes_text(cert->subject), KS_CERT_SUBJECT_MAX),
             KS_ERR_FORMAT, "an id, of %s, of other characters than A-Z a-z 0-9 _ -",
             ks_cert_role_phrase(cert->role));
out:
    return err;
}

static enum ks_err read_extensions(struct ks_cert *cert)
{
    enum ks_err err = KS_OK;
    int count = X509_get_ext_count(cert->x509);
    unsigned seen = 0;

    KS_CHECK(count <= KS_CERT_EXTENSION_MAX, KS_ERR_LIMIT, "%d extensions, at most %d", count,
             KS_CERT_EXTENSION_MAX);
    for (int i = 0; i < count; i++) {
        KS_TRY(read_extension(cert, X509_get_ext(cert->x509, i), &seen));
    }
    KS_TRY(find_role(cert));
out:
    return err;
}

/* --- parsing ------------------------------------------------------------------------------ */

static enum ks_err read_key(struct ks_cert *cert)
{
    enum ks_err err = KS_OK;
    EVP_PKEY *key = X509_get0_pubkey(cert->x509);
    X509_ALGOR *algorithm = NULL;
    struct ks_sig_kind kind;

    KS_CHECK(X509_PUBKEY_get0_param(NULL, NULL, NULL, &algorithm,
                                    X509_get_X509_PUBKEY(cert->x509)) == 1,
             KS_ERR_FORMAT, "no public key");
    kind = ks_x509_sig_kind(algorithm); /* the same identifiers name keys and signatures */
    cert->key_name = kind.name;
    if (!kind.accepted) {
        goto out;
    }
    if (key == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "public key"));
    }
    KS_CHECK(ks_sig_alg_of_evp(key, &cert->key_alg) && cert->key_alg == kind.alg, KS_ERR_FORMAT,
             "public key: not the algorithm it names");
    cert->key_accepted = true;
out:
    return err;
}

/* What was read must be written the same, so that there is one certificate per meaning.
 * Re-encoding drops libcrypto's cached copy of the signed part. */
static enum ks_err check_canonical(struct ks_cert *cert)
{
    enum ks_err err = KS_OK;
    unsigned char *der = NULL;
    int len = i2d_re_X509_tbs(cert->x509, NULL);

    if (len > 0) {
        len = i2d_X509(cert->x509, &der);
    }
    if (len <= 0) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "encoding"));
    }
    KS_CHECK(ks_bytes_equal(ks_bytes_of(der, (size_t)len), ks_buf_view(&cert->der)),
             KS_ERR_FORMAT, "not in canonical DER");
out:
    OPENSSL_free(der);
    return err;
}

static enum ks_err read_fields(struct ks_cert *cert)
{
    enum ks_err err = KS_OK;
    const X509 *x509 = cert->x509;
    const ASN1_BIT_STRING *issuer_id = NULL;
    const ASN1_BIT_STRING *subject_id = NULL;
    const X509_ALGOR *outer = NULL;

    KS_CHECK(X509_get_version(x509) == VERSION_3, KS_ERR_FORMAT, "not of version 3");
    X509_get0_uids(x509, &issuer_id, &subject_id);
    KS_CHECK(issuer_id == NULL && subject_id == NULL, KS_ERR_FORMAT, "unique identifiers");
    KS_TRY(ks_x509_serial(X509_get0_serialNumber(x509), cert->serial, &cert->serial_len));
    KS_TRY(ks_x509_name_text(X509_get_subject_name(x509), "subject", cert->subject));
    KS_TRY(ks_x509_name_text(X509_get_issuer_name(x509), "issuer", cert->issuer));
    KS_TRY(ks_x509_time(X509_get0_notBefore(x509), "not before", &cert->not_before_s));
    KS_TRY(ks_x509_time(X509_get0_notAfter(x509), "not after", &cert->not_after_s));
    X509_get0_signature(NULL, &outer, x509);
    KS_CHECK(X509_ALGOR_cmp(outer, X509_get0_tbs_sigalg(x509)) == 0, KS_ERR_FORMAT,
             "two different signature algorithms");
    cert->signature = ks_x509_sig_kind(outer);
    KS_TRY(read_key(cert));
    KS_TRY(read_extensions(cert));
out:
    return err;
}

/* Once, here, so that verifying many leaves against one root does not repeat it. */
static bool is_self_signed(const struct ks_cert *cert)
{
    bool signed_by_own = X509_NAME_cmp(X509_get_subject_name(cert->x509),
                                       X509_get_issuer_name(cert->x509)) == 0 &&
                         cert->key_accepted && cert->signature.accepted &&
                         cert->signature.alg == cert->key_alg &&
                         X509_verify(cert->x509, X509_get0_pubkey(cert->x509)) == 1;

    if (!signed_by_own) {
        ks_libcrypto_forget();
    }
    return signed_by_own;
}

enum ks_err ks_cert_parse_der(struct ks_bytes der, struct ks_cert **out_cert)
{
    enum ks_err err = KS_OK;
    struct ks_cert *cert = NULL;

    KS_CHECK(der.len <= KS_CERT_DER_MAX, KS_ERR_LIMIT, "%zu bytes, at most %d", der.len,
             KS_CERT_DER_MAX);
    cert = ks_calloc(1, sizeof(*cert));
    KS_CHECK(cert != NULL, KS_ERR_NOMEM, "out of memory");
    cert->path_len = -1;
    ks_buf_init(&cert->der, KS_CERT_DER_MAX);
    ks_buf_put(&cert->der, der);
    KS_TRY(ks_buf_check(&cert->der));
    KS_TRY(ks_x509_from_der(der, &cert->x509));
    KS_TRY(check_canonical(cert));
    KS_TRY(read_fields(cert));
    cert->self_signed = cert->is_ca && is_self_signed(cert);
    *out_cert = cert;
    cert = NULL;
out:
    ks_cert_free(cert);
    return ks_fail_prefix(err, "certificate");
}

enum ks_err ks_cert_parse_pem(struct ks_bytes pem, struct ks_cert **out_cert)
{
    enum ks_err err = KS_OK;
    struct ks_buf der;

    ks_buf_init(&der, KS_CERT_DER_MAX);
    KS_TRY(ks_fail_prefix(ks_pem_parse(pem, KS_PEM_CERT, &der), "certificate"));
    KS_TRY(ks_cert_parse_der(ks_buf_view(&der), out_cert));
out:
    ks_buf_done(&der);
    return err;
}

void ks_cert_free(struct ks_cert *cert)
{
    if (cert != NULL) {
        X509_free(cert->x509);
        ASN1_OCTET_STRING_free(cert->subject_key_id);
        ASN1_OCTET_STRING_free(cert->authority_key_id);
        ks_buf_done(&cert->der);
        ks_free(cert);
    }
}

/* --- views -------------------------------------------------------------------------------- */

const char *ks_cert_role_name(enum ks_cert_role role)
{
    static const char *const names[] = {"root", "server", "device", "issuer", "operator"};

    KS_ASSERT((unsigned)role < sizeof(names) / sizeof(names[0]));
    return names[role];
}

const char *ks_cert_role_phrase(enum ks_cert_role role)
{
    static const char *const phrases[] = {"a root", "a server", "a device", "an issuer",
                                          "an operator"};

    KS_ASSERT((unsigned)role < sizeof(phrases) / sizeof(phrases[0]));
    return phrases[role];
}

struct ks_bytes ks_cert_der(const struct ks_cert *cert)
{
    return ks_buf_view(&cert->der);
}

const char *ks_cert_subject(const struct ks_cert *cert)
{
    return cert->subject;
}

const char *ks_cert_issuer(const struct ks_cert *cert)
{
    return cert->issuer;
}

struct ks_bytes ks_cert_serial(const struct ks_cert *cert)
{
    return ks_bytes_of(cert->serial, cert->serial_len);
}

uint64_t ks_cert_not_before_s(const struct ks_cert *cert)
{
    return cert->not_before_s;
}

uint64_t ks_cert_not_after_s(const struct ks_cert *cert)
{
    return cert->not_after_s;
}

enum ks_cert_role ks_cert_role(const struct ks_cert *cert)
{
    return cert->role;
}

const char *ks_cert_key_name(const struct ks_cert *cert)
{
    return cert->key_name;
}

enum ks_err ks_cert_key(const struct ks_cert *cert, struct ks_verify_key **out_key)
{
    enum ks_err err = KS_OK;
    uint8_t raw[KS_SIG_PUBLIC_LEN_MAX];
    size_t len = sizeof(raw);

    KS_CHECK(cert->key_accepted, KS_ERR_VERIFY,
             "certificate '%s': its key is %s, not post-quantum", cert->subject,
             cert->key_name);
    if (EVP_PKEY_get_raw_public_key(X509_get0_pubkey(cert->x509), raw, &len) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "certificate key"));
    }
    KS_TRY(ks_verify_key_new(cert->key_alg, ks_bytes_of(raw, len), out_key));
out:
    return err;
}

void ks_cert_to_pem(const struct ks_cert *cert, struct ks_buf *out)
{
    ks_pem_put(out, KS_PEM_CERT, ks_cert_der(cert));
}

void ks_cert_fingerprint(const struct ks_cert *cert, uint8_t out_digest[32])
{
    ks_sha256(ks_cert_der(cert), out_digest);
}

enum ks_err ks_cert_check_host(const struct ks_cert *cert, const char *host)
{
    bool found =
        X509_check_host(cert->x509, host, 0,
                        X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_WILDCARDS,
                        NULL) == 1 ||
        X509_check_ip_asc(cert->x509, host, 0) == 1;

    if (found) {
        return KS_OK;
    }
    ks_libcrypto_forget();
    return ks_fail(KS_ERR_VERIFY, "certificate '%s' is not for host '%s'", cert->subject, host);
}
