/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/tpmkey.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>

#include "crypto/internal.h"

#define POINT_UNCOMPRESSED 0x04 /* SEC 1 §2.3.3 */
#define DIGEST_LEN         32

/* Checks SIGNATURE over DIGEST; the padding and hash are PKCS #1 v1.5 with SHA-256 for RSA. */
static enum ks_err check(EVP_PKEY *pkey, const uint8_t digest[DIGEST_LEN],
                         struct ks_bytes signature, const char *what)
{
    enum ks_err err = KS_OK;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    EVP_MD *md = EVP_MD_fetch(NULL, "SHA2-256", NULL);

    if (context == NULL || md == NULL || EVP_PKEY_verify_init(context) != 1 ||
        (EVP_PKEY_is_a(pkey, "RSA") &&
         EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) != 1) ||
        EVP_PKEY_CTX_set_signature_md(context, md) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, what));
    }
    if (EVP_PKEY_verify(context, signature.data, signature.len, digest, DIGEST_LEN) != 1) {
        err = ks_fail_libcrypto(KS_ERR_VERIFY, what);
        if (err == KS_ERR_VERIFY) {
            err = ks_fail(KS_ERR_VERIFY, "the %s signature is false", what);
        }
    }
out:
    EVP_MD_free(md);
    EVP_PKEY_CTX_free(context);
    return err;
}

static enum ks_err import(const char *type, const OSSL_PARAM params[], EVP_PKEY **out_pkey)
{
    enum ks_err err = KS_OK;
    union {
        const OSSL_PARAM *fixed;
        OSSL_PARAM *open;
    } pointer = {.fixed = params}; /* EVP_PKEY_fromdata only reads, but lacks the const */
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

    if (context == NULL || EVP_PKEY_fromdata_init(context) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, type));
    }
    if (EVP_PKEY_fromdata(context, out_pkey, EVP_PKEY_PUBLIC_KEY, pointer.open) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "public key"));
    }
out:
    EVP_PKEY_CTX_free(context);
    return err;
}

/* r and s as the DER that libcrypto takes. */
static enum ks_err ecdsa_der(const uint8_t r[KS_P256_LEN], const uint8_t s[KS_P256_LEN],
                             unsigned char **out_der, size_t *out_len)
{
    enum ks_err err = KS_OK;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r_number = BN_bin2bn(r, KS_P256_LEN, NULL);
    BIGNUM *s_number = BN_bin2bn(s, KS_P256_LEN, NULL);
    int len = 0;

    KS_CHECK(signature != NULL && r_number != NULL && s_number != NULL, KS_ERR_NOMEM,
             "ECDSA signature: out of memory");
    KS_ASSERT(ECDSA_SIG_set0(signature, r_number, s_number) == 1);
    r_number = NULL; /* both moved */
    s_number = NULL;
    len = i2d_ECDSA_SIG(signature, out_der);
    if (len <= 0) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "ECDSA signature"));
    }
    *out_len = (size_t)len;
out:
    BN_free(r_number);
    BN_free(s_number);
    ECDSA_SIG_free(signature);
    return err;
}

enum ks_err ks_ecdsa_p256_verify(const uint8_t x[KS_P256_LEN], const uint8_t y[KS_P256_LEN],
                                 const uint8_t digest[32], const uint8_t r[KS_P256_LEN],
                                 const uint8_t s[KS_P256_LEN])
{
    enum ks_err err = KS_OK;
    char group[] = "P-256";
    uint8_t point[1 + 2 * KS_P256_LEN] = {POINT_UNCOMPRESSED};
    EVP_PKEY *pkey = NULL;
    unsigned char *der = NULL;
    size_t der_len = 0;
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
        OSSL_PARAM_construct_end(),
    };

    ks_copy(point + 1, x, KS_P256_LEN);
    ks_copy(point + 1 + KS_P256_LEN, y, KS_P256_LEN);
    KS_TRY(
        ks_fail_prefix(import("EC", params, &pkey), "P-256")); /* checks the curve equation */
    KS_TRY(ecdsa_der(r, s, &der, &der_len));
    KS_TRY(check(pkey, digest, ks_bytes_of(der, der_len), "P-256 ECDSA"));
out:
    OPENSSL_free(der);
    EVP_PKEY_free(pkey);
    return err;
}

enum ks_err ks_rsa_verify(struct ks_bytes modulus, uint32_t exponent, const uint8_t digest[32],
                          struct ks_bytes signature)
{
    enum ks_err err = KS_OK;
    OSSL_PARAM_BLD *builder = NULL;
    OSSL_PARAM *params = NULL;
    BIGNUM *n = NULL;
    BIGNUM *e = NULL;
    EVP_PKEY *pkey = NULL;

    KS_CHECK(modulus.len >= KS_RSA_LEN_MIN && modulus.len <= KS_RSA_LEN_MAX &&
                 modulus.data[0] != 0 && (modulus.data[modulus.len - 1] & 1) == 1,
             KS_ERR_FORMAT, "RSA: an odd modulus of %d to %d bytes is needed, not of %zu",
             KS_RSA_LEN_MIN, KS_RSA_LEN_MAX, modulus.len);
    KS_CHECK(exponent == KS_RSA_EXPONENT, KS_ERR_FORMAT, "RSA: public exponent %u, not %d",
             (unsigned)exponent, KS_RSA_EXPONENT);
    KS_CHECK(signature.len == modulus.len, KS_ERR_VERIFY,
             "RSA: a signature of %zu bytes under a modulus of %zu", signature.len,
             modulus.len);
    n = BN_bin2bn(modulus.data, (int)modulus.len, NULL);
    e = BN_new();
    builder = OSSL_PARAM_BLD_new();
    if (n == NULL || e == NULL || builder == NULL || BN_set_word(e, exponent) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) != 1 ||
        (params = OSSL_PARAM_BLD_to_param(builder)) == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "RSA public key"));
    }
    KS_TRY(ks_fail_prefix(import("RSA", params, &pkey), "RSA"));
    KS_TRY(check(pkey, digest, signature, "RSA"));
out:
    EVP_PKEY_free(pkey);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return err;
}
