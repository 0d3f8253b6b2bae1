/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The one form in which a token is kept. A CMS signature covers its content and its signed
 * attributes; all else around them could be changed without a trace, were it not fixed here. */
#include <openssl/objects.h>

#include "crypto/cert_parts.h"
#include "crypto/timestamp_parts.h"

#define CMS_VERSION_3    3 /* RFC 5652 §5.1: the content is no plain data */
#define SIGNER_VERSION_1 1 /* RFC 5652 §5.3: named by issuer and serial number */

enum ks_err ks_timestamp_cms_parse(struct ks_bytes der, PKCS7 **out_cms)
{
    enum ks_err err = KS_OK;
    const unsigned char *cursor = der.data;
    PKCS7 *cms = NULL;

    KS_CHECK(der.len > 0, KS_ERR_FORMAT, "empty");
    KS_CHECK(der.len <= KS_TIMESTAMP_TOKEN_MAX, KS_ERR_LIMIT, "%zu bytes, at most %d", der.len,
             KS_TIMESTAMP_TOKEN_MAX);
    cms = d2i_PKCS7(NULL, &cursor, (long)der.len);
    if (cms == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "not a CMS structure in DER"));
    }
    KS_CHECK(cursor == der.data + der.len, KS_ERR_FORMAT, "bytes after its end");
    *out_cms = cms;
    cms = NULL; /* transferred */
out:
    PKCS7_free(cms);
    return err;
}

/* The one signer of a time stamp. */
static enum ks_err signer_info(PKCS7 *cms, PKCS7_SIGNER_INFO **out_info)
{
    enum ks_err err = KS_OK;
    const ASN1_OBJECT *content = NULL;

    KS_CHECK(PKCS7_type_is_signed(cms) && cms->d.sign != NULL &&
                 cms->d.sign->contents != NULL && cms->d.sign->signer_info != NULL,
             KS_ERR_FORMAT, "not signed data");
    content = cms->d.sign->contents->type;
    KS_CHECK(OBJ_obj2nid(content) == NID_id_smime_ct_TSTInfo &&
                 cms->d.sign->contents->d.other != NULL &&
                 cms->d.sign->contents->d.other->type == V_ASN1_OCTET_STRING,
             KS_ERR_FORMAT, "its content is no time stamp");
    KS_CHECK(sk_PKCS7_SIGNER_INFO_num(cms->d.sign->signer_info) == 1, KS_ERR_FORMAT,
             "%d signers, not one", sk_PKCS7_SIGNER_INFO_num(cms->d.sign->signer_info));
    *out_info = sk_PKCS7_SIGNER_INFO_value(cms->d.sign->signer_info, 0);
    KS_CHECK(sk_X509_ATTRIBUTE_num((*out_info)->auth_attr) > 0, KS_ERR_FORMAT,
             "no signed attributes");
out:
    return err;
}

/* RFC 3370 §3.2 and RFC 5754 §3 know several names for one signature algorithm. */
static enum ks_err normal_algorithms(PKCS7_SIGNER_INFO *info)
{
    enum ks_err err = KS_OK;
    int digest = OBJ_obj2nid(info->digest_alg->algorithm);
    int named = OBJ_obj2nid(info->digest_enc_alg->algorithm);
    int inner = NID_undef;
    int key = named;
    bool combined = OBJ_find_sigid_algs(named, &inner, &key) == 1;

    KS_CHECK(digest == NID_sha256 || digest == NID_sha384 || digest == NID_sha512,
             KS_ERR_FORMAT, "signed over a digest that is not SHA-256, SHA-384 or SHA-512");
    KS_CHECK(!combined || inner == digest, KS_ERR_FORMAT,
             "its signature is over another digest than it says");
    if (key == NID_rsaEncryption) {
        KS_CHECK(X509_ALGOR_set0(info->digest_enc_alg, OBJ_nid2obj(NID_rsaEncryption),
                                 V_ASN1_NULL, NULL) == 1,
                 KS_ERR_NOMEM, "out of memory");
    } else {
        KS_CHECK(key == NID_X9_62_id_ecPublicKey && OBJ_find_sigid_by_algs(&named, digest, key),
                 KS_ERR_FORMAT,
                 "signed by an algorithm that is neither RSA (PKCS #1) nor ECDSA");
        KS_CHECK(
            X509_ALGOR_set0(info->digest_enc_alg, OBJ_nid2obj(named), V_ASN1_UNDEF, NULL) == 1,
            KS_ERR_NOMEM, "out of memory");
    }
    KS_CHECK(X509_ALGOR_set0(info->digest_alg, OBJ_nid2obj(digest), V_ASN1_UNDEF, NULL) == 1,
             KS_ERR_NOMEM, "out of memory");
out:
    return err;
}

/* The certificate of ALL whose key CERT is to be signed by, or NULL; none that signed itself.
 */
static X509 *issuer_of(STACK_OF(X509) * all, X509 *cert)
{
    for (int i = 0; i < sk_X509_num(all); i++) {
        X509 *candidate = sk_X509_value(all, i);

        if (X509_self_signed(candidate, 0) == 0 && X509_cmp(candidate, cert) != 0 &&
            X509_check_issued(candidate, cert) == X509_V_OK) {
            return candidate;
        }
    }
    return NULL;
}

/* The signer's certificate and those above it, in order; what leads nowhere goes. */
static enum ks_err normal_certificates(PKCS7 *cms)
{
    enum ks_err err = KS_OK;
    STACK_OF(X509) *all = cms->d.sign->cert;
    STACK_OF(X509) *chain = sk_X509_new_null();
    X509 *cert = ks_timestamp_signer(cms, NULL);

    KS_CHECK(chain != NULL, KS_ERR_NOMEM, "out of memory");
    KS_CHECK(sk_X509_num(all) <= KS_TIMESTAMP_CERTS_MAX, KS_ERR_LIMIT,
             "%d certificates, at most %d", sk_X509_num(all), KS_TIMESTAMP_CERTS_MAX);
    while (cert != NULL && sk_X509_num(chain) < KS_TIMESTAMP_CHAIN_MAX) {
        KS_CHECK(X509_up_ref(cert) == 1, KS_ERR_NOMEM, "out of memory");
        if (sk_X509_push(chain, cert) <= 0) {
            X509_free(cert);
            KS_TRY(ks_fail(KS_ERR_NOMEM, "out of memory"));
        }
        cert = issuer_of(all, cert);
    }
    if (sk_X509_num(chain) == 0) {
        sk_X509_free(chain);
        chain = NULL;
    }
    cms->d.sign->cert = chain;
    chain = all;
out:
    ks_libcrypto_forget();
    sk_X509_pop_free(chain, X509_free);
    return err;
}

/* Names are compared without regard to case; the signer's is written as its certificate has it.
 */
static enum ks_err normal_name(PKCS7 *cms, PKCS7_SIGNER_INFO *info)
{
    const X509 *signer = ks_timestamp_signer(cms, NULL);

    if (signer != NULL &&
        X509_NAME_set(&info->issuer_and_serial->issuer, X509_get_issuer_name(signer)) != 1) {
        return ks_fail_libcrypto(KS_ERR_NOMEM, "issuer");
    }
    return KS_OK;
}

static enum ks_err normal_digests(PKCS7_SIGNED *sign, const PKCS7_SIGNER_INFO *info)
{
    enum ks_err err = KS_OK;
    X509_ALGOR *digest = X509_ALGOR_dup(info->digest_alg);

    KS_CHECK(digest != NULL, KS_ERR_NOMEM, "out of memory");
    while (sk_X509_ALGOR_num(sign->md_algs) > 0) {
        X509_ALGOR_free(sk_X509_ALGOR_pop(sign->md_algs));
    }
    KS_CHECK(sk_X509_ALGOR_push(sign->md_algs, digest) > 0, KS_ERR_NOMEM, "out of memory");
    digest = NULL; /* transferred */
out:
    X509_ALGOR_free(digest);
    return err;
}

enum ks_err ks_timestamp_normal(PKCS7 *cms, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    PKCS7_SIGNER_INFO *info = NULL;
    unsigned char *der = NULL;
    int len = 0;

    KS_TRY(signer_info(cms, &info));
    KS_TRY(normal_algorithms(info));
    KS_TRY(normal_certificates(cms));
    KS_TRY(normal_name(cms, info));
    KS_TRY(normal_digests(cms->d.sign, info));
    sk_X509_ATTRIBUTE_pop_free(info->unauth_attr, X509_ATTRIBUTE_free);
    info->unauth_attr = NULL;
    sk_X509_CRL_pop_free(cms->d.sign->crl, X509_CRL_free);
    cms->d.sign->crl = NULL;
    if (ASN1_INTEGER_set(cms->d.sign->version, CMS_VERSION_3) != 1 ||
        ASN1_INTEGER_set(info->version, SIGNER_VERSION_1) != 1 ||
        (len = i2d_PKCS7(cms, &der)) <= 0) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "encoding"));
    }
    ks_buf_put(out, ks_bytes_of(der, (size_t)len));
    KS_TRY(ks_buf_check(out));
out:
    OPENSSL_free(der);
    return err;
}
