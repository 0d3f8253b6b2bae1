/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/cert_parts.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/objects.h>
#include <string.h>
#include <time.h>

#include "base/text.h"

bool ks_cert_subject_valid(struct ks_bytes text)
{
    if (text.len == 0 || text.len > KS_CERT_SUBJECT_MAX) {
        return false;
    }
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < 0x20 || text.data[i] > 0x7e) {
            return false;
        }
    }
    return text.data[0] != ' ' && text.data[text.len - 1] != ' ';
}

enum ks_err ks_x509_from_der(struct ks_bytes der, X509 **out_x509)
{
    enum ks_err err = KS_OK;
    const unsigned char *cursor = der.data;
    X509 *x509 = NULL;

    KS_CHECK(der.len > 0, KS_ERR_FORMAT, "empty");
    x509 = d2i_X509(NULL, &cursor, (long)der.len);
    if (x509 == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "not X.509 in DER"));
    }
    KS_CHECK(cursor == der.data + der.len, KS_ERR_FORMAT, "bytes after its end");
    *out_x509 = x509;
    x509 = NULL;
out:
    X509_free(x509);
    return err;
}

enum ks_err ks_x509_name_new(const char *text, int string_type, X509_NAME **out_name)
{
    enum ks_err err = KS_OK;
    X509_NAME *name = X509_NAME_new();

    if (name == NULL ||
        X509_NAME_add_entry_by_NID(name, NID_commonName, string_type, (const uint8_t *)text,
                                   (int)strlen(text), -1, 0) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "common name"));
    }
    *out_name = name;
    name = NULL;
out:
    X509_NAME_free(name);
    return err;
}

/* A name keeps the bytes it was parsed from, so its encoding is compared with that of a name
 * built anew: another order, another string type or padding would be a second encoding of one
 * value. */
static enum ks_err check_name_canonical(const X509_NAME *name, const char *text,
                                        int string_type, const char *which)
{
    enum ks_err err = KS_OK;
    X509_NAME *again = NULL;
    const unsigned char *got = NULL;
    const unsigned char *want = NULL;
    size_t got_len = 0;
    size_t want_len = 0;

    KS_TRY(ks_x509_name_new(text, string_type, &again));
    if (X509_NAME_get0_der(name, &got, &got_len) != 1 ||
        X509_NAME_get0_der(again, &want, &want_len) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "common name"));
    }
    KS_CHECK(ks_bytes_equal(ks_bytes_of(got, got_len), ks_bytes_of(want, want_len)),
             KS_ERR_FORMAT, "%s: not in canonical form", which);
out:
    X509_NAME_free(again);
    return err;
}

enum ks_err ks_x509_name_text(const X509_NAME *name, const char *which,
                              char target[KS_CERT_SUBJECT_MAX + 1])
{
    enum ks_err err = KS_OK;
    const X509_NAME_ENTRY *entry = X509_NAME_get_entry(name, 0);
    const ASN1_STRING *string = NULL;
    struct ks_bytes text;
    int type = 0;

    KS_CHECK(X509_NAME_entry_count(name) == 1 &&
                 OBJ_obj2nid(X509_NAME_ENTRY_get_object(entry)) == NID_commonName,
             KS_ERR_FORMAT, "%s: not exactly one common name", which);
    string = X509_NAME_ENTRY_get_data(entry);
    type = ASN1_STRING_type(string);
    text = ks_bytes_of(ASN1_STRING_get0_data(string), (size_t)ASN1_STRING_length(string));
    KS_CHECK((type == V_ASN1_UTF8STRING || type == V_ASN1_PRINTABLESTRING) &&
                 ks_cert_subject_valid(text),
             KS_ERR_FORMAT, "%s: the common name is not 1 to %d printable ASCII characters",
             which, KS_CERT_SUBJECT_MAX);
    ks_copy(target, text.data, text.len);
    target[text.len] = '\0';
    KS_TRY(check_name_canonical(name, target, type, which));
out:
    return err;
}

enum ks_err ks_x509_serial(const ASN1_INTEGER *integer, uint8_t target[KS_CERT_SERIAL_MAX],
                           size_t *out_len)
{
    enum ks_err err = KS_OK;
    const uint8_t *data = ASN1_STRING_get0_data(integer);
    int len = ASN1_STRING_length(integer);

    KS_CHECK(ASN1_STRING_type(integer) == V_ASN1_INTEGER && len >= 1 && data[0] != 0 &&
                 (len < KS_CERT_SERIAL_MAX || (len == KS_CERT_SERIAL_MAX && data[0] < 0x80)),
             KS_ERR_FORMAT, "serial number: not positive, or longer than %d bytes",
             KS_CERT_SERIAL_MAX);
    ks_copy(target, data, (size_t)len);
    *out_len = (size_t)len;
out:
    return err;
}

enum ks_err ks_x509_time(const ASN1_TIME *time, const char *which, uint64_t *out_time_s)
{
    enum ks_err err = KS_OK;
    struct tm parts = {0};
    time_t seconds = 0;
    ASN1_TIME *again = NULL;

    KS_CHECK(time != NULL && ASN1_TIME_to_tm(time, &parts) == 1, KS_ERR_FORMAT,
             "%s: not a time", which);
    seconds = timegm(&parts);
    KS_CHECK(seconds >= 0, KS_ERR_FORMAT, "%s: before 1970", which);
    again = ASN1_TIME_set(NULL, seconds);
    KS_CHECK(again != NULL, KS_ERR_NOMEM, "%s: out of memory", which);
    KS_CHECK(ASN1_STRING_cmp(again, time) == 0, KS_ERR_FORMAT,
             "%s: not the form of RFC 5280 for that time", which);
    *out_time_s = (uint64_t)seconds;
out:
    ASN1_TIME_free(again);
    return err;
}

struct ks_sig_kind ks_x509_sig_kind(const X509_ALGOR *algorithm)
{
    static const struct {
        int nid;
        enum ks_sig_alg alg;
    } accepted[] = {
        {NID_ML_DSA_44, KS_SIG_MLDSA44},
        {NID_ML_DSA_65, KS_SIG_MLDSA65},
        {NID_ML_DSA_87, KS_SIG_MLDSA87},
        {NID_SLH_DSA_SHA2_128s, KS_SIG_SLHDSA_SHA2_128S},
        {NID_SLH_DSA_SHA2_128f, KS_SIG_SLHDSA_SHA2_128F},
    };
    const ASN1_OBJECT *object = NULL;
    int parameter_type = 0;
    int nid = 0;

    X509_ALGOR_get0(&object, &parameter_type, NULL, algorithm);
    nid = OBJ_obj2nid(object);
    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        /* RFC 9881 §2 and RFC 9909 §3: parameters must be absent. */
        if (accepted[i].nid == nid && parameter_type == V_ASN1_UNDEF) {
            return (struct ks_sig_kind){true, accepted[i].alg,
                                        ks_sig_alg_name(accepted[i].alg)};
        }
    }
    return (struct ks_sig_kind){.accepted = false, .name = OBJ_nid2sn(nid)};
}

enum ks_err ks_x509_check_canonical(const X509_EXTENSION *extension, void *value)
{
    enum ks_err err = KS_OK;
    union {
        const X509_EXTENSION *fixed;
        X509_EXTENSION *open;
    } pointer = {.fixed = extension}; /* libcrypto's getters only lack the const */
    int nid = OBJ_obj2nid(X509_EXTENSION_get_object(pointer.open));
    X509_EXTENSION *again =
        X509V3_EXT_i2d(nid, X509_EXTENSION_get_critical(pointer.open), value);

    if (again == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "extension"));
    }
    KS_CHECK(ASN1_OCTET_STRING_cmp(X509_EXTENSION_get_data(pointer.open),
                                   X509_EXTENSION_get_data(again)) == 0,
             KS_ERR_FORMAT, "extension %s: not in canonical form", OBJ_nid2sn(nid));
out:
    X509_EXTENSION_free(again);
    return err;
}

enum ks_err ks_x509_name_shown(const X509_NAME *name, char *target, size_t size)
{
    enum ks_err err = KS_OK;
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long len;

    if (bio == NULL ||
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB) < 0) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "name"));
    }
    len = BIO_get_mem_data(bio, &text);
    ks_text_shown(ks_bytes_of(text, len > 0 ? (size_t)len : 0), target, size);
out:
    BIO_free(bio);
    return err;
}
