/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Whether a time stamp is to be believed. libcrypto walks the chain (RFC 5280 §6) and checks
 * the signature (RFC 3161 §2.3, RFC 5816); what is demanded beyond that, and the words of a
 * refusal, are here. */
#include <openssl/objects.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "base/text.h"
#include "crypto/cert_parts.h"
#include "crypto/timestamp_parts.h"

/* libcrypto's level 2: at least 112 bits, so no RSA below 2048 and no SHA-1 below the root. */
#define STRENGTH_LEVEL 2
/* It counts the authorities between signer and root. */
#define DEPTH (KS_TIMESTAMP_CHAIN_MAX - 2)

struct ks_timestamp_trust {
    STACK_OF(X509) * certs;
    STACK_OF(X509_CRL) * crls;
    ASN1_OBJECT *policy; /* NULL: any */
    char policy_text[KS_TIMESTAMP_OID_MAX];
};

/* --- whom to believe ---------------------------------------------------------------------- */

static enum ks_err add_cert(struct ks_timestamp_trust *trust, struct ks_bytes der)
{
    enum ks_err err = KS_OK;
    X509 *cert = NULL;

    KS_CHECK(sk_X509_num(trust->certs) < KS_TIMESTAMP_CERTS_MAX, KS_ERR_LIMIT,
             "more than %d certificates", KS_TIMESTAMP_CERTS_MAX);
    KS_TRY(ks_x509_from_der(der, &cert));
    KS_CHECK(sk_X509_push(trust->certs, cert) > 0, KS_ERR_NOMEM, "out of memory");
    cert = NULL; /* transferred */
out:
    X509_free(cert);
    return err;
}

/* A critical extension would narrow what the list speaks of. */
static enum ks_err add_crl(struct ks_timestamp_trust *trust, struct ks_bytes der)
{
    enum ks_err err = KS_OK;
    const unsigned char *cursor = der.data;
    X509_CRL *crl = NULL;

    KS_CHECK(sk_X509_CRL_num(trust->crls) < KS_TIMESTAMP_CRLS_MAX, KS_ERR_LIMIT,
             "more than %d lists", KS_TIMESTAMP_CRLS_MAX);
    crl = d2i_X509_CRL(NULL, &cursor, (long)der.len);
    if (crl == NULL || cursor != der.data + der.len) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "not an X.509 list in DER"));
    }
    KS_CHECK(X509_CRL_get_ext_by_critical(crl, 1, -1) < 0, KS_ERR_FORMAT,
             "a list with a critical extension");
    KS_CHECK(sk_X509_CRL_push(trust->crls, crl) > 0, KS_ERR_NOMEM, "out of memory");
    crl = NULL; /* transferred */
out:
    X509_CRL_free(crl);
    return err;
}

static enum ks_err
add_blocks(struct ks_timestamp_trust *trust, struct ks_bytes pem, const char *label,
           enum ks_err (*add)(struct ks_timestamp_trust *trust, struct ks_bytes der))
{
    enum ks_err err = KS_OK;
    BIO *bio = NULL;
    struct ks_buf der;
    bool more = true;

    ks_buf_init(&der, KS_TIMESTAMP_PEM_MAX);
    KS_CHECK(pem.len <= KS_TIMESTAMP_PEM_MAX, KS_ERR_LIMIT, "%zu bytes, at most %d", pem.len,
             KS_TIMESTAMP_PEM_MAX);
    bio = BIO_new_mem_buf(ks_bytes_pointer(pem), (int)pem.len);
    KS_CHECK(bio != NULL, KS_ERR_NOMEM, "out of memory");
    while (more) {
        ks_buf_clear(&der);
        KS_TRY(ks_pem_next(bio, label, &der, &more));
        if (more) {
            KS_TRY(add(trust, ks_buf_view(&der)));
        }
    }
out:
    BIO_free(bio);
    ks_buf_done(&der);
    return err;
}

static bool has_root(const struct ks_timestamp_trust *trust)
{
    bool found = false;

    for (int i = 0; i < sk_X509_num(trust->certs); i++) {
        found = found || X509_self_signed(sk_X509_value(trust->certs, i), 1) == 1;
    }
    ks_libcrypto_forget();
    return found;
}

/* In its one form: as libcrypto would write it. */
static enum ks_err set_policy(struct ks_timestamp_trust *trust, struct ks_bytes oid)
{
    enum ks_err err = KS_OK;
    char again[KS_TIMESTAMP_OID_MAX];

    KS_CHECK(oid.len < sizeof trust->policy_text, KS_ERR_LIMIT,
             "policy: %zu characters, at most %d", oid.len, KS_TIMESTAMP_OID_MAX - 1);
    ks_text_shown(oid, trust->policy_text, sizeof trust->policy_text);
    trust->policy = OBJ_txt2obj(trust->policy_text, 1);
    KS_CHECK(trust->policy != NULL &&
                 OBJ_obj2txt(again, sizeof again, trust->policy, 1) == (int)oid.len &&
                 ks_bytes_equal(ks_bytes_text(again), oid),
             KS_ERR_FORMAT, "policy: '%s' is no object identifier", trust->policy_text);
out:
    ks_libcrypto_forget();
    return err;
}

enum ks_err ks_timestamp_trust_new(const struct ks_timestamp_trust_spec *spec,
                                   struct ks_timestamp_trust **out_trust)
{
    enum ks_err err = KS_OK;
    struct ks_timestamp_trust *trust = ks_calloc(1, sizeof *trust);

    KS_CHECK(trust != NULL, KS_ERR_NOMEM, "out of memory");
    trust->certs = sk_X509_new_null();
    trust->crls = sk_X509_CRL_new_null();
    KS_CHECK(trust->certs != NULL && trust->crls != NULL, KS_ERR_NOMEM, "out of memory");
    KS_TRY(ks_fail_prefix(add_blocks(trust, spec->certificates, KS_PEM_CERT, add_cert),
                          "certificate %d", sk_X509_num(trust->certs) + 1));
    KS_CHECK(has_root(trust), KS_ERR_FORMAT,
             "certificates: none signed itself: a root is missing");
    KS_TRY(ks_fail_prefix(add_blocks(trust, spec->crls, KS_PEM_CRL, add_crl), "list %d",
                          sk_X509_CRL_num(trust->crls) + 1));
    if (spec->policy.len > 0) {
        KS_TRY(set_policy(trust, spec->policy));
    }
    *out_trust = trust;
    trust = NULL; /* transferred */
out:
    ks_timestamp_trust_free(trust);
    return ks_fail_prefix(err, "time stamp authorities");
}

void ks_timestamp_trust_free(struct ks_timestamp_trust *trust)
{
    if (trust != NULL) {
        sk_X509_pop_free(trust->certs, X509_free);
        sk_X509_CRL_pop_free(trust->crls, X509_CRL_free);
        ASN1_OBJECT_free(trust->policy);
        ks_free(trust);
    }
}

static void put_block(struct ks_buf *out, const char *label, unsigned char *der, int len)
{
    if (len > 0) {
        ks_pem_put(out, label, ks_bytes_of(der, (size_t)len));
    } else if (out->err == KS_OK) {
        ks_libcrypto_forget();
        out->err = KS_ERR_NOMEM;
    }
    OPENSSL_free(der);
}

void ks_timestamp_trust_put_certificates(const struct ks_timestamp_trust *trust,
                                         struct ks_buf *out)
{
    for (int i = 0; i < sk_X509_num(trust->certs); i++) {
        unsigned char *der = NULL;
        int len = i2d_X509(sk_X509_value(trust->certs, i), &der);

        put_block(out, KS_PEM_CERT, der, len);
    }
}

void ks_timestamp_trust_put_crls(const struct ks_timestamp_trust *trust, struct ks_buf *out)
{
    for (int i = 0; i < sk_X509_CRL_num(trust->crls); i++) {
        unsigned char *der = NULL;
        int len = i2d_X509_CRL(sk_X509_CRL_value(trust->crls, i), &der);

        put_block(out, KS_PEM_CRL, der, len);
    }
}

const char *ks_timestamp_trust_policy(const struct ks_timestamp_trust *trust)
{
    return trust->policy == NULL ? NULL : trust->policy_text;
}

/* --- the chain ---------------------------------------------------------------------------- */

static enum ks_err store_of(const struct ks_timestamp_trust *trust, uint64_t time_s,
                            X509_STORE **out_store)
{
    enum ks_err err = KS_OK;
    X509_STORE *store = X509_STORE_new();
    X509_VERIFY_PARAM *parameters = NULL;

    KS_CHECK(store != NULL, KS_ERR_NOMEM, "out of memory");
    for (int i = 0; i < sk_X509_num(trust->certs); i++) {
        if (X509_STORE_add_cert(store, sk_X509_value(trust->certs, i)) != 1) {
            KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "authorities"));
        }
    }
    parameters = X509_STORE_get0_param(store);
    X509_VERIFY_PARAM_set_time(parameters, (time_t)time_s);
    X509_VERIFY_PARAM_set_depth(parameters, DEPTH);
    X509_VERIFY_PARAM_set_auth_level(parameters, STRENGTH_LEVEL);
    KS_CHECK(X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_USE_CHECK_TIME) == 1,
             KS_ERR_INTERNAL, "time of verification");
    *out_store = store;
    store = NULL; /* transferred */
out:
    X509_STORE_free(store);
    return err;
}

/* What libcrypto says of the certificate at which it stopped. */
static enum ks_err explain(const X509_STORE_CTX *context)
{
    const X509 *current = X509_STORE_CTX_get_current_cert(context);
    int reason = X509_STORE_CTX_get_error(context);
    char name[KS_TIMESTAMP_NAME_MAX] = "?";

    if (reason == X509_V_ERR_OUT_OF_MEM) {
        return ks_fail(KS_ERR_NOMEM, "out of memory");
    }
    if (current != NULL) {
        ks_timestamp_show_name(current, name);
    }
    return ks_fail(KS_ERR_VERIFY, "certificate of '%s': %s", name,
                   X509_verify_cert_error_string(reason));
}

/* The chain of SIGNER; the caller frees. */
static enum ks_err chain_of(X509_STORE *store, STACK_OF(X509) * untrusted, X509 *signer,
                            STACK_OF(X509) * *out_chain)
{
    enum ks_err err = KS_OK;
    X509_STORE_CTX *context = X509_STORE_CTX_new();

    KS_CHECK(context != NULL, KS_ERR_NOMEM, "out of memory");
    if (X509_STORE_CTX_init(context, store, signer, untrusted) != 1 ||
        X509_STORE_CTX_set_purpose(context, X509_PURPOSE_TIMESTAMP_SIGN) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "chain"));
    }
    if (X509_verify_cert(context) != 1) {
        ks_libcrypto_forget();
        KS_TRY(explain(context));
    }
    *out_chain = X509_STORE_CTX_get1_chain(context);
    KS_CHECK(*out_chain != NULL, KS_ERR_NOMEM, "out of memory");
out:
    X509_STORE_CTX_free(context);
    return err;
}

/* Where the token has no certificate, nothing else binds the very bytes of its signer's name.
 */
static enum ks_err check_name(const PKCS7 *cms, const X509 *signer)
{
    const PKCS7_SIGNER_INFO *info = sk_PKCS7_SIGNER_INFO_value(cms->d.sign->signer_info, 0);
    const unsigned char *said = NULL;
    const unsigned char *known = NULL;
    size_t said_len = 0;
    size_t known_len = 0;

    if (X509_NAME_get0_der(info->issuer_and_serial->issuer, &said, &said_len) != 1 ||
        X509_NAME_get0_der(X509_get_issuer_name(signer), &known, &known_len) != 1) {
        return ks_fail_libcrypto(KS_ERR_NOMEM, "issuer");
    }
    return ks_bytes_equal(ks_bytes_of(said, said_len), ks_bytes_of(known, known_len))
               ? KS_OK
               : ks_fail(KS_ERR_VERIFY, "it writes its signer's issuer in another way");
}

/* What no signature of the chain covers is not taken along. */
static enum ks_err check_embedded(const PKCS7 *cms, STACK_OF(X509) * chain)
{
    for (int i = 0; i < sk_X509_num(cms->d.sign->cert); i++) {
        bool found = false;

        for (int j = 0; j < sk_X509_num(chain); j++) {
            found = found ||
                    X509_cmp(sk_X509_value(cms->d.sign->cert, i), sk_X509_value(chain, j)) == 0;
        }
        if (!found) {
            return ks_fail(KS_ERR_VERIFY,
                           "it carries a certificate that is not of the signer's chain");
        }
    }
    return KS_OK;
}

/* --- revocation --------------------------------------------------------------------------- */

static enum ks_err check_list(X509_CRL *crl, X509 *cert, X509 *issuer, uint64_t time_s)
{
    enum ks_err err = KS_OK;
    char name[KS_TIMESTAMP_NAME_MAX];
    X509_REVOKED *row = NULL;
    time_t time = (time_t)time_s;
    const ASN1_TIME *next = X509_CRL_get0_nextUpdate(crl);

    ks_timestamp_show_name(issuer, name);
    if (X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1) {
        ks_libcrypto_forget();
        KS_TRY(ks_fail(KS_ERR_VERIFY, "the list of '%s' is not signed by it", name));
    }
    KS_CHECK(next != NULL && X509_cmp_time(next, &time) > 0, KS_ERR_VERIFY,
             "the list of '%s' was to be replaced before the time stamp was made", name);
    if (X509_CRL_get0_by_cert(crl, &row, cert) == 1) {
        ks_timestamp_show_name(cert, name);
        KS_TRY(ks_fail(KS_ERR_VERIFY, "certificate of '%s': revoked", name));
    }
out:
    return err;
}

static enum ks_err check_lists(const struct ks_timestamp_trust *trust, STACK_OF(X509) * chain,
                               uint64_t time_s)
{
    enum ks_err err = KS_OK;
    bool signer_covered = false;

    for (int i = 0; i + 1 < sk_X509_num(chain); i++) {
        X509 *cert = sk_X509_value(chain, i);
        X509 *issuer = sk_X509_value(chain, i + 1);

        for (int j = 0; j < sk_X509_CRL_num(trust->crls); j++) {
            X509_CRL *crl = sk_X509_CRL_value(trust->crls, j);

            if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) == 0) {
                KS_TRY(check_list(crl, cert, issuer, time_s));
                signer_covered = signer_covered || i == 0;
            }
        }
    }
    KS_CHECK(signer_covered || sk_X509_CRL_num(trust->crls) == 0, KS_ERR_VERIFY,
             "there is no list of the signer's issuer");
out:
    return err;
}

/* --- the token ---------------------------------------------------------------------------- */

static enum ks_err check_signer(PKCS7 *cms, const struct ks_timestamp_trust *trust,
                                uint64_t time_s)
{
    enum ks_err err = KS_OK;
    X509_STORE *store = NULL;
    STACK_OF(X509) *chain = NULL;
    STACK_OF(X509) *untrusted = sk_X509_new_null();
    X509 *signer = ks_timestamp_signer(cms, trust->certs);

    KS_CHECK(signer != NULL, KS_ERR_VERIFY,
             "the signer's certificate is neither in it nor known");
    KS_CHECK(untrusted != NULL && X509_add_certs(untrusted, trust->certs, 0) == 1 &&
                 X509_add_certs(untrusted, cms->d.sign->cert, 0) == 1,
             KS_ERR_NOMEM, "out of memory");
    KS_TRY(store_of(trust, time_s, &store));
    KS_TRY(chain_of(store, untrusted, signer, &chain));
    KS_TRY(check_name(cms, signer));
    KS_TRY(check_embedded(cms, chain));
    KS_TRY(check_lists(trust, chain, time_s));
    if (TS_RESP_verify_signature(cms, trust->certs, store, NULL) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_VERIFY, "its signature is false"));
    }
out:
    sk_X509_free(untrusted);
    sk_X509_pop_free(chain, X509_free);
    X509_STORE_free(store);
    return err;
}

enum ks_err ks_timestamp_verify(struct ks_bytes token, const uint8_t digest[KS_SHA256_LEN],
                                const struct ks_timestamp_trust *trust,
                                struct ks_timestamp *out_stamp)
{
    enum ks_err err = KS_OK;
    struct ks_timestamp_token parts = {0};
    struct ks_timestamp stamp = {0};

    KS_TRY(ks_timestamp_token_open(token, &parts, &stamp));
    KS_CHECK(ks_bytes_equal(KS_BYTES(stamp.digest), ks_bytes_of(digest, KS_SHA256_LEN)),
             KS_ERR_VERIFY, "time stamp: it is over another digest");
    KS_CHECK(trust->policy == NULL ||
                 OBJ_cmp(trust->policy, TS_TST_INFO_get_policy_id(parts.info)) == 0,
             KS_ERR_VERIFY,
             "time stamp: it is under the policy %s, which is not the one asked for",
             stamp.policy);
    KS_TRY(
        ks_fail_prefix(check_signer(parts.cms, trust, stamp.time_us / 1000000), "time stamp"));
    *out_stamp = stamp;
out:
    ks_libcrypto_forget();
    ks_timestamp_token_done(&parts);
    return err;
}
