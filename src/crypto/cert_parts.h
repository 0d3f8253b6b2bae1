/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* cert_parts.h: what the files behind cert.h share. Nothing outside src/crypto may include it.
 */
#ifndef KS_CRYPTO_CERT_PARTS_H
#define KS_CRYPTO_CERT_PARTS_H

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "crypto/cert.h"
#include "crypto/internal.h"

#define KS_PEM_CERT "CERTIFICATE"
#define KS_PEM_CRL  "X509 CRL"

/* Extended key usages, as a set. */
#define KS_USE_SERVER   1U
#define KS_USE_DEVICE   2U
#define KS_USE_OPERATOR 4U

/* The algorithm of a signature: post-quantum ones of ours only. */
struct ks_sig_kind {
    bool accepted;
    enum ks_sig_alg alg; /* when accepted */
    const char *name;    /* libcrypto's static name for errors */
};

struct ks_cert {
    X509 *x509; /* read only once parsed */
    struct ks_buf der;
    char subject[KS_CERT_SUBJECT_MAX + 1];
    char issuer[KS_CERT_SUBJECT_MAX + 1];
    uint8_t serial[KS_CERT_SERIAL_MAX];
    size_t serial_len;
    uint64_t not_before_s;
    uint64_t not_after_s;
    enum ks_cert_role role;
    bool is_ca;
    int64_t path_len;   /* -1: none */
    uint32_t key_usage; /* KU_… of x509v3.h */
    unsigned uses;      /* KS_USE_…: of the extended key usage */
    bool self_signed;   /* the name and, where post-quantum, the signature */
    bool key_accepted;
    enum ks_sig_alg key_alg; /* when accepted */
    const char *key_name;
    struct ks_sig_kind signature;
    ASN1_OCTET_STRING *subject_key_id; /* owned; NULL: none */
    ASN1_OCTET_STRING *authority_key_id;
};

struct ks_crl {
    X509_CRL *crl;
    struct ks_buf der;
    char issuer[KS_CERT_SUBJECT_MAX + 1];
    uint64_t number;
    uint64_t this_update_s;
    uint64_t next_update_s;
    struct ks_sig_kind signature;
    struct ks_crl_row *rows; /* ascending by serial */
    size_t count;
};

struct ks_crl_row {
    uint8_t serial[KS_CERT_SERIAL_MAX];
    size_t serial_len;
    uint64_t revoked_s;
};

/* Exactly one certificate, nothing after it: KS_ERR_FORMAT otherwise. The caller frees. */
KS_MUST_CHECK enum ks_err ks_x509_from_der(struct ks_bytes der, X509 **out_x509);
/* The one common name of NAME, with nothing else in it, as text: KS_ERR_FORMAT otherwise. */
KS_MUST_CHECK enum ks_err ks_x509_name_text(const X509_NAME *name, const char *which,
                                            char target[KS_CERT_SUBJECT_MAX + 1]);
/* NAME as "CN=…, O=…" in SIZE bytes, each character that a terminal could take for a command as
 * '?'. */
KS_MUST_CHECK enum ks_err ks_x509_name_shown(const X509_NAME *name, char *target, size_t size);
/* A name of one common name; the caller frees. */
KS_MUST_CHECK enum ks_err ks_x509_name_new(const char *text, int string_type,
                                           X509_NAME **out_name);
/* A serial number as bytes: positive, at most KS_CERT_SERIAL_MAX. */
KS_MUST_CHECK enum ks_err ks_x509_serial(const ASN1_INTEGER *integer,
                                         uint8_t target[KS_CERT_SERIAL_MAX], size_t *out_len);
/* Seconds since 1970 from the one form RFC 5280 §4.1.2.5 allows for each time. */
KS_MUST_CHECK enum ks_err ks_x509_time(const ASN1_TIME *time, const char *which,
                                       uint64_t *out_time_s);
struct ks_sig_kind ks_x509_sig_kind(const X509_ALGOR *algorithm);
/* KS_ERR_FORMAT unless VALUE, an object parsed from EXTENSION, encodes to its very bytes. */
KS_MUST_CHECK enum ks_err ks_x509_check_canonical(const X509_EXTENSION *extension, void *value);
/* Whether TEXT may be a common name: 1 to 64 printable ASCII without outer spaces. */
bool ks_cert_subject_valid(struct ks_bytes text);
const char *ks_cert_role_phrase(enum ks_cert_role role); /* "a root", "an issuer", … */
/* KS_ERR_VERIFY unless CERT is a root or an issuer by its form (a root: with its own good
 * signature). Says nothing of time, nor of who signed an issuer. */
KS_MUST_CHECK enum ks_err ks_cert_check_ca(const struct ks_cert *cert);
/* KS_ERR_VERIFY unless CERT is valid at TIME_S. */
KS_MUST_CHECK enum ks_err ks_cert_check_time(const struct ks_cert *cert, uint64_t time_s);
/* KS_ERR_VERIFY unless CA, good by ks_cert_check_ca, has signed CRL. */
KS_MUST_CHECK enum ks_err ks_crl_check_signature(const struct ks_crl *crl,
                                                 const struct ks_cert *ca);
/* KS_ERR_VERIFY unless TIME_S is before the next update. */
KS_MUST_CHECK enum ks_err ks_crl_check_time(const struct ks_crl *crl, uint64_t time_s);

#endif
