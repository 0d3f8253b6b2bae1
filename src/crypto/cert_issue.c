/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <openssl/objects.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/text.h"
#include "crypto/cert_parts.h"
#include "crypto/digest.h"

#define VERSION_2  1  /* of a list */
#define VERSION_3  2  /* of a certificate */
#define KEY_ID_LEN 20 /* RFC 7093 §2, method 1: the left 160 bits of SHA-256 over the key */

/* --- checks of what the caller wants ------------------------------------------------------ */

static bool is_dns_name(const char *name)
{
    size_t len = strlen(name);

    if (len == 0 || len > KS_CERT_DNS_NAME_MAX || name[0] == '.' || name[0] == '-') {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        char c = name[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && c != '-' && c != '_' && c != '.') {
            return false;
        }
        if (c == '.' && (i + 1 == len || name[i + 1] == '.')) {
            return false;
        }
    }
    return true;
}

static enum ks_err check_names(const struct ks_cert_spec *spec)
{
    enum ks_err err = KS_OK;
    size_t count = spec->dns_count + spec->ip_count;

    KS_CHECK(count == 0 || spec->role == KS_CERT_SERVER, KS_ERR_USAGE,
             "certificate '%s': only a server has DNS names and addresses", spec->subject);
    KS_CHECK(count > 0 || spec->role != KS_CERT_SERVER, KS_ERR_USAGE,
             "certificate '%s': a server needs a DNS name or an address", spec->subject);
    KS_CHECK(count <= KS_CERT_NAMES_MAX, KS_ERR_LIMIT,
             "certificate '%s': %zu names, at most %d", spec->subject, count,
             KS_CERT_NAMES_MAX);
    for (size_t i = 0; i < spec->dns_count; i++) {
        KS_CHECK(is_dns_name(spec->dns[i]), KS_ERR_USAGE, "'%s' is not a DNS name",
                 spec->dns[i]);
    }
out:
    return err;
}

static enum ks_err check_spec(const struct ks_cert_spec *spec)
{
    enum ks_err err = KS_OK;
    struct ks_bytes subject = ks_bytes_text(spec->subject);

    KS_CHECK(ks_cert_subject_valid(subject), KS_ERR_USAGE,
             "'%s' is not a common name of 1 to %d printable ASCII characters", spec->subject,
             KS_CERT_SUBJECT_MAX);
    KS_CHECK((spec->role != KS_CERT_DEVICE && spec->role != KS_CERT_OPERATOR) ||
                 ks_text_is_name(subject, KS_CERT_SUBJECT_MAX),
             KS_ERR_USAGE, "%s id '%s': only A-Z a-z 0-9 _ - are allowed",
             ks_cert_role_name(spec->role), spec->subject);
    KS_CHECK(spec->not_before_s <= spec->not_after_s && spec->not_after_s <= KS_CERT_TIME_MAX,
             KS_ERR_USAGE,
             "certificate '%s': its validity ends before it begins, or after 9999",
             spec->subject);
    KS_TRY(check_names(spec));
out:
    return err;
}

static bool is_ca(enum ks_cert_role role)
{
    return role == KS_CERT_ROOT || role == KS_CERT_ISSUER;
}

/* Whether KEY is the private half of CA's key. */
static enum ks_err check_ca_key(const struct ks_cert *ca, const struct ks_sign_key *key)
{
    enum ks_err err = KS_OK;

    KS_CHECK(is_ca(ca->role) && ca->key_accepted, KS_ERR_USAGE,
             "certificate '%s' is not a post-quantum root or issuer", ca->subject);
    KS_CHECK(EVP_PKEY_eq(X509_get0_pubkey(ca->x509), ks_sign_key_evp(key)) == 1, KS_ERR_USAGE,
             "the key is not that of %s certificate '%s'", ks_cert_role_name(ca->role),
             ca->subject);
out:
    return err;
}

/* Whether CA may issue a certificate of ROLE. */
static enum ks_err check_role(const struct ks_cert *ca, enum ks_cert_role role)
{
    enum ks_err err = KS_OK;

    KS_CHECK(role != KS_CERT_ROOT, KS_ERR_USAGE, "no root below %s",
             ks_cert_role_phrase(ca->role));
    KS_CHECK(ca->role == KS_CERT_ROOT || role == KS_CERT_DEVICE, KS_ERR_USAGE,
             "issuer certificate '%s' is for issuing devices, not %s", ca->subject,
             ks_cert_role_phrase(role));
    KS_CHECK(role != KS_CERT_ISSUER || ca->path_len == 1, KS_ERR_USAGE,
             "root certificate '%s' has path length 0, from before there were issuers: it "
             "cannot have one below it, a new root can",
             ca->subject);
out:
    return err;
}

/* --- extensions --------------------------------------------------------------------------- */

struct put {
    X509 *x509;
    X509_CRL *crl; /* one of the two */
};

static enum ks_err put_extension(struct put put, int nid, void *value, bool critical)
{
    X509_EXTENSION *extension = value == NULL ? NULL : X509V3_EXT_i2d(nid, critical, value);
    int ok = 0;

    if (extension != NULL) {
        ok = put.x509 != NULL ? X509_add_ext(put.x509, extension, -1)
                              : X509_CRL_add_ext(put.crl, extension, -1);
    }
    X509_EXTENSION_free(extension);
    return ok == 1 ? KS_OK : ks_fail_libcrypto(KS_ERR_INTERNAL, "extension");
}

static enum ks_err put_basic_constraints(struct put put, enum ks_cert_role role)
{
    enum ks_err err = KS_OK;
    BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();

    KS_CHECK(constraints != NULL, KS_ERR_NOMEM, "extension: out of memory");
    if (is_ca(role)) {
        constraints->ca = 1;
        constraints->pathlen = ASN1_INTEGER_new();
        KS_CHECK(constraints->pathlen != NULL &&
                     ASN1_INTEGER_set(constraints->pathlen, role == KS_CERT_ROOT ? 1 : 0) == 1,
                 KS_ERR_NOMEM, "extension: out of memory");
    }
    KS_TRY(put_extension(put, NID_basic_constraints, constraints, true));
out:
    BASIC_CONSTRAINTS_free(constraints);
    return err;
}

static enum ks_err put_key_usage(struct put put, enum ks_cert_role role)
{
    enum ks_err err = KS_OK;
    ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();
    bool ok = bits != NULL;

    /* RFC 5280 §4.2.1.3: bit 0 digitalSignature, 5 keyCertSign, 6 cRLSign. */
    if (is_ca(role)) {
        ok = ok && ASN1_BIT_STRING_set_bit(bits, 5, 1) == 1 &&
             ASN1_BIT_STRING_set_bit(bits, 6, 1) == 1;
    } else {
        ok = ok && ASN1_BIT_STRING_set_bit(bits, 0, 1) == 1;
    }
    KS_CHECK(ok, KS_ERR_NOMEM, "extension: out of memory");
    KS_TRY(put_extension(put, NID_key_usage, bits, true));
out:
    ASN1_BIT_STRING_free(bits);
    return err;
}

static enum ks_err put_extended_key_usage(struct put put, enum ks_cert_role role)
{
    enum ks_err err = KS_OK;
    const char *oid = role == KS_CERT_SERVER   ? SN_server_auth
                      : role == KS_CERT_DEVICE ? SN_client_auth
                                               : KS_CERT_OPERATOR_OID;
    ASN1_OBJECT *usage = OBJ_txt2obj(oid, 0);
    EXTENDED_KEY_USAGE *usages = EXTENDED_KEY_USAGE_new();

    KS_CHECK(usage != NULL && usages != NULL && sk_ASN1_OBJECT_push(usages, usage) == 1,
             KS_ERR_NOMEM, "extension: out of memory");
    usage = NULL; /* transferred */
    KS_TRY(put_extension(put, NID_ext_key_usage, usages, false));
out:
    ASN1_OBJECT_free(usage);
    EXTENDED_KEY_USAGE_free(usages);
    return err;
}

/* Takes STRING over, also when it fails. */
static bool push_name(GENERAL_NAMES *names, int type, ASN1_STRING *string)
{
    GENERAL_NAME *name = GENERAL_NAME_new();

    if (name == NULL) {
        ASN1_STRING_free(string);
        return false;
    }
    GENERAL_NAME_set0_value(name, type, string);
    if (sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name); /* with STRING */
        return false;
    }
    return true;
}

static enum ks_err put_names(struct put put, const struct ks_cert_spec *spec)
{
    enum ks_err err = KS_OK;
    GENERAL_NAMES *names = GENERAL_NAMES_new();

    KS_CHECK(names != NULL, KS_ERR_NOMEM, "extension: out of memory");
    for (size_t i = 0; i < spec->dns_count; i++) {
        ASN1_IA5STRING *dns = ASN1_IA5STRING_new();
        KS_CHECK(dns != NULL && ASN1_STRING_set(dns, spec->dns[i], -1) == 1 &&
                     push_name(names, GEN_DNS, dns),
                 KS_ERR_NOMEM, "extension: out of memory");
    }
    for (size_t i = 0; i < spec->ip_count; i++) {
        ASN1_OCTET_STRING *address = a2i_IPADDRESS(spec->ips[i]);
        if (address == NULL) {
            ks_libcrypto_forget();
        }
        KS_CHECK(address != NULL, KS_ERR_USAGE, "'%s' is not an IP address", spec->ips[i]);
        KS_CHECK(push_name(names, GEN_IPADD, address), KS_ERR_NOMEM,
                 "extension: out of memory");
    }
    KS_TRY(put_extension(put, NID_subject_alt_name, names, false));
out:
    GENERAL_NAMES_free(names);
    return err;
}

static enum ks_err put_subject_key_id(struct put put, EVP_PKEY *key)
{
    enum ks_err err = KS_OK;
    uint8_t raw[KS_SIG_PUBLIC_LEN_MAX];
    uint8_t digest[KS_SHA256_LEN];
    size_t len = sizeof(raw);
    ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();

    if (EVP_PKEY_get_raw_public_key(key, raw, &len) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "key identifier"));
    }
    ks_sha256(ks_bytes_of(raw, len), digest);
    KS_CHECK(id != NULL && ASN1_OCTET_STRING_set(id, digest, KEY_ID_LEN) == 1, KS_ERR_NOMEM,
             "extension: out of memory");
    KS_TRY(put_extension(put, NID_subject_key_identifier, id, false));
out:
    ASN1_OCTET_STRING_free(id);
    return err;
}

static enum ks_err put_authority_key_id(struct put put, const struct ks_cert *ca)
{
    enum ks_err err = KS_OK;
    AUTHORITY_KEYID *authority = AUTHORITY_KEYID_new();

    KS_CHECK(ca->subject_key_id != NULL, KS_ERR_USAGE,
             "%s certificate '%s' has no key identifier", ks_cert_role_name(ca->role),
             ca->subject);
    KS_CHECK(authority != NULL, KS_ERR_NOMEM, "extension: out of memory");
    authority->keyid = ASN1_OCTET_STRING_dup(ca->subject_key_id);
    KS_CHECK(authority->keyid != NULL, KS_ERR_NOMEM, "extension: out of memory");
    KS_TRY(put_extension(put, NID_authority_key_identifier, authority, false));
out:
    AUTHORITY_KEYID_free(authority);
    return err;
}

/* CA is NULL when the certificate is the root. */
static enum ks_err put_extensions(X509 *x509, const struct ks_cert_spec *spec,
                                  const struct ks_cert *ca, EVP_PKEY *subject_key)
{
    enum ks_err err = KS_OK;
    const struct put put = {.x509 = x509};

    KS_TRY(put_basic_constraints(put, spec->role));
    KS_TRY(put_key_usage(put, spec->role));
    if (!is_ca(spec->role)) {
        KS_TRY(put_extended_key_usage(put, spec->role));
    }
    KS_TRY(put_subject_key_id(put, subject_key));
    if (ca != NULL) {
        KS_TRY(put_authority_key_id(put, ca));
    }
    if (spec->role == KS_CERT_SERVER) {
        KS_TRY(put_names(put, spec));
    }
out:
    return err;
}

/* --- certificates ------------------------------------------------------------------------- */

static enum ks_err set_serial(X509 *x509, const uint8_t *serial)
{
    enum ks_err err = KS_OK;
    uint8_t bytes[KS_CERT_SERIAL_LEN];
    ASN1_INTEGER *integer = ASN1_INTEGER_new();

    KS_CHECK(integer != NULL, KS_ERR_NOMEM, "serial number: out of memory");
    if (serial != NULL) {
        ks_copy(bytes, serial, sizeof(bytes));
    } else if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_IO, "random serial number"));
    }
    bytes[0] = (uint8_t)((bytes[0] & 0x3f) | 0x40);
    if (ASN1_STRING_set(integer, bytes, sizeof(bytes)) != 1 ||
        X509_set_serialNumber(x509, integer) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "serial number"));
    }
out:
    ASN1_INTEGER_free(integer);
    return err;
}

static enum ks_err build(const struct ks_cert_spec *spec, const struct ks_cert *ca,
                         const struct ks_sign_key *key, EVP_PKEY *subject_key, X509 *x509)
{
    enum ks_err err = KS_OK;
    X509_NAME *name = NULL;
    const X509_NAME *issuer = NULL;

    KS_TRY(ks_x509_name_new(spec->subject, V_ASN1_UTF8STRING, &name));
    issuer = ca == NULL ? name : X509_get_subject_name(ca->x509);
    if (X509_set_version(x509, VERSION_3) != 1 || X509_set_subject_name(x509, name) != 1 ||
        X509_set_issuer_name(x509, issuer) != 1 ||
        ASN1_TIME_set(X509_getm_notBefore(x509), (time_t)spec->not_before_s) == NULL ||
        ASN1_TIME_set(X509_getm_notAfter(x509), (time_t)spec->not_after_s) == NULL ||
        X509_set_pubkey(x509, subject_key) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "building a certificate"));
    }
    KS_TRY(set_serial(x509, spec->serial));
    KS_TRY(put_extensions(x509, spec, ca, subject_key));
    /* A signature that a faulty machine got wrong must not leave it: hence the check. */
    if (X509_sign(x509, ks_sign_key_evp(key), NULL) <= 0 ||
        X509_verify(x509, ks_sign_key_evp(key)) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "signing a certificate"));
    }
out:
    X509_NAME_free(name);
    return err;
}

static enum ks_err issue(const struct ks_cert_spec *spec, const struct ks_cert *ca,
                         const struct ks_sign_key *key, EVP_PKEY *subject_key,
                         struct ks_cert **out_cert)
{
    enum ks_err err = KS_OK;
    unsigned char *der = NULL;
    int len = 0;
    X509 *x509 = X509_new();

    KS_CHECK(x509 != NULL, KS_ERR_NOMEM, "certificate: out of memory");
    KS_TRY(build(spec, ca, key, subject_key, x509));
    len = i2d_X509(x509, &der);
    if (len <= 0) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "encoding a certificate"));
    }
    KS_TRY(ks_cert_parse_der(ks_bytes_of(der, (size_t)len), out_cert));
out:
    OPENSSL_free(der);
    X509_free(x509);
    return err;
}

enum ks_err ks_cert_issue_root(const struct ks_sign_key *key, const struct ks_cert_spec *spec,
                               struct ks_cert **out_cert)
{
    enum ks_err err = KS_OK;

    KS_CHECK(ks_sig_alg_post_quantum(ks_sign_key_alg(key)), KS_ERR_USAGE,
             "a root certificate needs a post-quantum key, not %s",
             ks_sig_alg_name(ks_sign_key_alg(key)));
    KS_CHECK(spec->role == KS_CERT_ROOT, KS_ERR_USAGE, "a certificate of %s cannot be a root",
             ks_cert_role_phrase(spec->role));
    KS_TRY(check_spec(spec));
    KS_TRY(issue(spec, NULL, key, ks_sign_key_evp(key), out_cert));
out:
    return err;
}

static bool is_slhdsa(enum ks_sig_alg alg)
{
    return alg == KS_SIG_SLHDSA_SHA2_128S || alg == KS_SIG_SLHDSA_SHA2_128F;
}

enum ks_err ks_cert_issue(const struct ks_cert *ca, const struct ks_sign_key *ca_key,
                          const struct ks_cert_spec *spec,
                          const struct ks_verify_key *subject_key, struct ks_cert **out_cert)
{
    enum ks_err err = KS_OK;
    enum ks_sig_alg alg = ks_verify_key_alg(subject_key);

    KS_TRY(check_ca_key(ca, ca_key));
    KS_TRY(check_role(ca, spec->role));
    KS_CHECK(ks_sig_alg_post_quantum(alg) && (!is_slhdsa(alg) || spec->role != KS_CERT_ISSUER),
             KS_ERR_USAGE, "certificate '%s': its key must be ML-DSA%s, not %s", spec->subject,
             spec->role != KS_CERT_ISSUER ? " or SLH-DSA" : "", ks_sig_alg_name(alg));
    KS_TRY(check_spec(spec));
    KS_CHECK(spec->not_before_s >= ca->not_before_s && spec->not_after_s <= ca->not_after_s,
             KS_ERR_USAGE, "certificate '%s': valid outside the validity of %s '%s'",
             spec->subject, ks_cert_role_name(ca->role), ca->subject);
    KS_TRY(issue(spec, ca, ca_key, ks_verify_key_evp(subject_key), out_cert));
out:
    return err;
}

/* --- revocation lists --------------------------------------------------------------------- */

static enum ks_err add_entry(X509_CRL *crl, const struct ks_crl_entry *entry)
{
    enum ks_err err = KS_OK;
    X509_REVOKED *revoked = X509_REVOKED_new();
    ASN1_INTEGER *serial = ASN1_INTEGER_new();
    ASN1_TIME *time = ASN1_TIME_set(NULL, (time_t)entry->revoked_s);

    KS_CHECK(entry->serial.len >= 1 && entry->serial.len <= KS_CERT_SERIAL_MAX, KS_ERR_USAGE,
             "a serial number of %zu bytes", entry->serial.len);
    KS_CHECK(entry->revoked_s <= KS_CERT_TIME_MAX, KS_ERR_USAGE, "revoked after 9999");
    if (revoked == NULL || serial == NULL || time == NULL ||
        ASN1_STRING_set(serial, entry->serial.data, (int)entry->serial.len) != 1 ||
        X509_REVOKED_set_serialNumber(revoked, serial) != 1 ||
        X509_REVOKED_set_revocationDate(revoked, time) != 1 ||
        X509_CRL_add0_revoked(crl, revoked) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "revocation entry"));
    }
    revoked = NULL; /* moved */
out:
    X509_REVOKED_free(revoked);
    ASN1_INTEGER_free(serial);
    ASN1_TIME_free(time);
    return err;
}

static enum ks_err build_crl(const struct ks_cert *ca, const struct ks_sign_key *key,
                             const struct ks_crl_spec *spec, X509_CRL *crl)
{
    enum ks_err err = KS_OK;
    const struct put put = {.crl = crl};
    ASN1_TIME *this_update = ASN1_TIME_set(NULL, (time_t)spec->this_update_s);
    ASN1_TIME *next_update = ASN1_TIME_set(NULL, (time_t)spec->next_update_s);
    ASN1_INTEGER *number = ASN1_INTEGER_new();

    if (this_update == NULL || next_update == NULL || number == NULL ||
        ASN1_INTEGER_set_uint64(number, spec->number) != 1 ||
        X509_CRL_set_version(crl, VERSION_2) != 1 ||
        X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca->x509)) != 1 ||
        X509_CRL_set1_lastUpdate(crl, this_update) != 1 ||
        X509_CRL_set1_nextUpdate(crl, next_update) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "building a revocation list"));
    }
    for (size_t i = 0; i < spec->count; i++) {
        KS_TRY(add_entry(crl, &spec->entries[i]));
    }
    KS_TRY(put_authority_key_id(put, ca));
    KS_TRY(put_extension(put, NID_crl_number, number, false));
    if (X509_CRL_sort(crl) != 1 || X509_CRL_sign(crl, ks_sign_key_evp(key), NULL) <= 0 ||
        X509_CRL_verify(crl, ks_sign_key_evp(key)) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "signing a revocation list"));
    }
out:
    ASN1_TIME_free(this_update);
    ASN1_TIME_free(next_update);
    ASN1_INTEGER_free(number);
    return err;
}

enum ks_err ks_crl_issue(const struct ks_cert *ca, const struct ks_sign_key *ca_key,
                         const struct ks_crl_spec *spec, struct ks_crl **out_crl)
{
    enum ks_err err = KS_OK;
    unsigned char *der = NULL;
    int len = 0;
    X509_CRL *crl = X509_CRL_new();

    KS_CHECK(crl != NULL, KS_ERR_NOMEM, "revocation list: out of memory");
    KS_TRY(check_ca_key(ca, ca_key));
    KS_CHECK(spec->count <= KS_CRL_ENTRIES_MAX, KS_ERR_LIMIT,
             "revocation list: %zu entries, at most %d", spec->count, KS_CRL_ENTRIES_MAX);
    KS_CHECK(spec->this_update_s < spec->next_update_s &&
                 spec->next_update_s <= KS_CERT_TIME_MAX,
             KS_ERR_USAGE, "revocation list: its next update is not after this one");
    KS_TRY(build_crl(ca, ca_key, spec, crl));
    len = i2d_X509_CRL(crl, &der);
    if (len <= 0) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "encoding a revocation list"));
    }
    err = ks_crl_parse_der(ks_bytes_of(der, (size_t)len), out_crl);
    err = err == KS_ERR_FORMAT ? KS_ERR_USAGE : err; /* a bad entry came from the caller */
out:
    OPENSSL_free(der);
    X509_CRL_free(crl);
    return err;
}
