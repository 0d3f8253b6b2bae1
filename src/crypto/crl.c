/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <openssl/objects.h>
#include <stdlib.h>

#include "base/text.h"
#include "crypto/cert_parts.h"

#define VERSION_2 1 /* as it stands in the list */

/* --- parsing ------------------------------------------------------------------------------ */

static enum ks_err check_canonical(struct ks_crl *crl)
{
    enum ks_err err = KS_OK;
    unsigned char *der = NULL;
    int len = i2d_re_X509_CRL_tbs(crl->crl, NULL);

    if (len > 0) {
        len = i2d_X509_CRL(crl->crl, &der);
    }
    if (len <= 0) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "encoding"));
    }
    KS_CHECK(ks_bytes_equal(ks_bytes_of(der, (size_t)len), ks_buf_view(&crl->der)),
             KS_ERR_FORMAT, "not in canonical DER");
out:
    OPENSSL_free(der);
    return err;
}

static enum ks_err read_number(struct ks_crl *crl, X509_EXTENSION *extension)
{
    enum ks_err err = KS_OK;
    ASN1_INTEGER *number = X509V3_EXT_d2i(extension);

    if (number == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "number"));
    }
    KS_TRY(ks_x509_check_canonical(extension, number));
    if (ASN1_INTEGER_get_uint64(&crl->number, number) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "its number is not of 64 bits"));
    }
out:
    ASN1_INTEGER_free(number);
    return err;
}

/* A critical extension would narrow what the list speaks of (a delta, one distribution point):
 * not to be understood as a whole list. */
static enum ks_err read_extensions(struct ks_crl *crl)
{
    enum ks_err err = KS_OK;
    int count = X509_CRL_get_ext_count(crl->crl);
    unsigned numbers = 0;

    KS_CHECK(count <= KS_CERT_EXTENSION_MAX, KS_ERR_LIMIT, "%d extensions, at most %d", count,
             KS_CERT_EXTENSION_MAX);
    for (int i = 0; i < count; i++) {
        X509_EXTENSION *extension = X509_CRL_get_ext(crl->crl, i);
        int nid = OBJ_obj2nid(X509_EXTENSION_get_object(extension));
        KS_CHECK(X509_EXTENSION_get_critical(extension) == 0, KS_ERR_FORMAT,
                 "a critical extension (%s)", OBJ_nid2sn(nid));
        if (nid == NID_crl_number) {
            KS_TRY(read_number(crl, extension));
            numbers++;
        }
    }
    KS_CHECK(numbers == 1, KS_ERR_FORMAT, "not exactly one list number");
out:
    return err;
}

static enum ks_err read_row(const X509_REVOKED *revoked, struct ks_crl_row *row)
{
    enum ks_err err = KS_OK;

    for (int i = 0; i < X509_REVOKED_get_ext_count(revoked); i++) {
        KS_CHECK(X509_EXTENSION_get_critical(X509_REVOKED_get_ext(revoked, i)) == 0,
                 KS_ERR_FORMAT, "a critical extension");
    }
    KS_TRY(
        ks_x509_serial(X509_REVOKED_get0_serialNumber(revoked), row->serial, &row->serial_len));
    KS_TRY(ks_x509_time(X509_REVOKED_get0_revocationDate(revoked), "revoked", &row->revoked_s));
out:
    return err;
}

/* As numbers: there are no leading zeros, so a longer one is larger. */
static int compare_serials(struct ks_bytes a, struct ks_bytes b)
{
    if (a.len != b.len) {
        return a.len < b.len ? -1 : 1;
    }
    return ks_bytes_compare(a, b);
}

static int compare_rows(const void *left, const void *right)
{
    const struct ks_crl_row *a = left;
    const struct ks_crl_row *b = right;

    return compare_serials(ks_bytes_of(a->serial, a->serial_len),
                           ks_bytes_of(b->serial, b->serial_len));
}

static enum ks_err read_rows(struct ks_crl *crl)
{
    enum ks_err err = KS_OK;
    STACK_OF(X509_REVOKED) *list = X509_CRL_get_REVOKED(crl->crl);
    int count = list == NULL ? 0 : sk_X509_REVOKED_num(list);

    KS_CHECK(count <= KS_CRL_ENTRIES_MAX, KS_ERR_LIMIT, "%d entries, at most %d", count,
             KS_CRL_ENTRIES_MAX);
    crl->rows = ks_calloc((size_t)count, sizeof(*crl->rows));
    KS_CHECK(crl->rows != NULL, KS_ERR_NOMEM, "out of memory");
    for (int i = 0; i < count; i++) {
        KS_TRY(ks_fail_prefix(read_row(sk_X509_REVOKED_value(list, i), &crl->rows[i]),
                              "entry %d", i + 1));
        crl->count++;
    }
    qsort(crl->rows, crl->count, sizeof(*crl->rows), compare_rows);
    for (size_t i = 1; i < crl->count; i++) {
        KS_CHECK(compare_rows(&crl->rows[i - 1], &crl->rows[i]) != 0, KS_ERR_FORMAT,
                 "one serial number twice");
    }
out:
    return err;
}

static enum ks_err read_fields(struct ks_crl *crl)
{
    enum ks_err err = KS_OK;
    const X509_ALGOR *outer = NULL;

    KS_CHECK(X509_CRL_get_version(crl->crl) == VERSION_2, KS_ERR_FORMAT, "not of version 2");
    KS_TRY(ks_x509_name_text(X509_CRL_get_issuer(crl->crl), "issuer", crl->issuer));
    KS_TRY(
        ks_x509_time(X509_CRL_get0_lastUpdate(crl->crl), "this update", &crl->this_update_s));
    KS_TRY(
        ks_x509_time(X509_CRL_get0_nextUpdate(crl->crl), "next update", &crl->next_update_s));
    KS_CHECK(crl->this_update_s < crl->next_update_s, KS_ERR_FORMAT,
             "its next update is not after this one");
    X509_CRL_get0_signature(crl->crl, NULL, &outer);
    crl->signature = ks_x509_sig_kind(outer);
    KS_TRY(read_extensions(crl));
    KS_TRY(read_rows(crl));
out:
    return err;
}

enum ks_err ks_crl_parse_der(struct ks_bytes der, struct ks_crl **out_crl)
{
    enum ks_err err = KS_OK;
    struct ks_crl *crl = NULL;
    const unsigned char *cursor = der.data;

    KS_CHECK(der.len <= KS_CRL_DER_MAX, KS_ERR_LIMIT, "%zu bytes, at most %d", der.len,
             KS_CRL_DER_MAX);
    KS_CHECK(der.len > 0, KS_ERR_FORMAT, "empty");
    crl = ks_calloc(1, sizeof(*crl));
    KS_CHECK(crl != NULL, KS_ERR_NOMEM, "out of memory");
    ks_buf_init(&crl->der, KS_CRL_DER_MAX);
    ks_buf_put(&crl->der, der);
    KS_TRY(ks_buf_check(&crl->der));
    crl->crl = d2i_X509_CRL(NULL, &cursor, (long)der.len);
    if (crl->crl == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "not an X.509 list in DER"));
    }
    KS_CHECK(cursor == der.data + der.len, KS_ERR_FORMAT, "bytes after its end");
    KS_TRY(check_canonical(crl));
    KS_TRY(read_fields(crl));
    *out_crl = crl;
    crl = NULL;
out:
    ks_crl_free(crl);
    return ks_fail_prefix(err, "revocation list");
}

enum ks_err ks_crl_parse_pem(struct ks_bytes pem, struct ks_crl **out_crl)
{
    enum ks_err err = KS_OK;
    struct ks_buf der;

    ks_buf_init(&der, KS_CRL_DER_MAX);
    KS_TRY(ks_fail_prefix(ks_pem_parse(pem, KS_PEM_CRL, &der), "revocation list"));
    KS_TRY(ks_crl_parse_der(ks_buf_view(&der), out_crl));
out:
    ks_buf_done(&der);
    return err;
}

void ks_crl_free(struct ks_crl *crl)
{
    if (crl != NULL) {
        X509_CRL_free(crl->crl);
        ks_buf_done(&crl->der);
        ks_free(crl->rows);
        ks_free(crl);
    }
}

/* --- views and checks --------------------------------------------------------------------- */

void ks_crl_to_pem(const struct ks_crl *crl, struct ks_buf *out)
{
    ks_pem_put(out, KS_PEM_CRL, ks_crl_der(crl));
}

struct ks_bytes ks_crl_der(const struct ks_crl *crl)
{
    return ks_buf_view(&crl->der);
}

uint64_t ks_crl_number(const struct ks_crl *crl)
{
    return crl->number;
}

uint64_t ks_crl_this_update_s(const struct ks_crl *crl)
{
    return crl->this_update_s;
}

uint64_t ks_crl_next_update_s(const struct ks_crl *crl)
{
    return crl->next_update_s;
}

size_t ks_crl_count(const struct ks_crl *crl)
{
    return crl->count;
}

struct ks_crl_entry ks_crl_at(const struct ks_crl *crl, size_t index)
{
    const struct ks_crl_row *row = NULL;

    KS_ASSERT(index < crl->count);
    row = &crl->rows[index];
    return (struct ks_crl_entry){ks_bytes_of(row->serial, row->serial_len), row->revoked_s};
}

bool ks_crl_lists(const struct ks_crl *crl, struct ks_bytes serial)
{
    size_t low = 0;
    size_t high = crl->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = compare_serials(ks_crl_at(crl, middle).serial, serial);
        if (order == 0) {
            return true;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return false;
}

enum ks_err ks_crl_check_signature(const struct ks_crl *crl, const struct ks_cert *ca)
{
    enum ks_err err = KS_OK;

    KS_CHECK(crl->signature.accepted, KS_ERR_VERIFY,
             "revocation list: its signature is %s, not post-quantum", crl->signature.name);
    KS_CHECK(X509_NAME_cmp(X509_CRL_get_issuer(crl->crl), X509_get_subject_name(ca->x509)) ==
                     0 &&
                 crl->signature.alg == ca->key_alg,
             KS_ERR_VERIFY, "revocation list: issued by '%s' with %s, not by this %s",
             crl->issuer, crl->signature.name, ks_cert_role_name(ca->role));
    if (X509_CRL_verify(crl->crl, X509_get0_pubkey(ca->x509)) != 1) {
        err = ks_fail_libcrypto(KS_ERR_VERIFY, "signature");
        if (err == KS_ERR_VERIFY) {
            err = ks_fail(KS_ERR_VERIFY, "revocation list: its signature is false");
        }
    }
out:
    return err;
}

enum ks_err ks_crl_check_time(const struct ks_crl *crl, uint64_t time_s)
{
    char limit[KS_TIME_TEXT_LEN + 1];

    if (time_s < crl->next_update_s) {
        return KS_OK;
    }
    ks_time_text(crl->next_update_s * 1000000, limit);
    return ks_fail(KS_ERR_VERIFY, "revocation list: stale since %s; a newer one is needed",
                   limit);
}

enum ks_err ks_crl_verify(const struct ks_crl *crl, const struct ks_cert *ca, uint64_t time_s)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_cert_check_ca(ca));
    KS_TRY(ks_fail_prefix(ks_cert_check_time(ca, time_s), "%s certificate '%s'",
                          ks_cert_role_name(ca->role), ca->subject));
    KS_TRY(ks_crl_check_time(crl, time_s));
    KS_TRY(ks_crl_check_signature(crl, ca));
out:
    return err;
}
