/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/digest.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <pthread.h>

#include "crypto/internal.h"

/* Fetching by name takes longer than hashing a tree node, so it happens once. Immutable
 * afterwards. */
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *sha256;
static EVP_MD *keccak256;
static EVP_MAC *hmac;

struct ks_sha256 {
    EVP_MD_CTX *context;
};

static void fetch(void)
{
    sha256 = EVP_MD_fetch(NULL, "SHA2-256", NULL);
    keccak256 = EVP_MD_fetch(NULL, "KECCAK-256", NULL);
    hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    KS_ASSERT(sha256 != NULL && keccak256 != NULL && hmac != NULL);
}

static const EVP_MD *sha256_md(void)
{
    KS_ASSERT(pthread_once(&fetch_once, fetch) == 0);
    return sha256;
}

void ks_sha256(struct ks_bytes data, uint8_t out_digest[KS_SHA256_LEN])
{
    int ok = EVP_Digest(ks_bytes_pointer(data), data.len, out_digest, NULL, sha256_md(), NULL);

    KS_ASSERT(ok == 1);
}

void ks_sha256_put_end(struct ks_buf *out, size_t start)
{
    uint8_t hash[KS_SHA256_LEN];

    if (out->err == KS_OK) {
        ks_sha256(ks_bytes_of(out->data + start, out->len - start), hash);
        ks_buf_put(out, KS_BYTES(hash));
    }
}

enum ks_err ks_sha256_check_end(struct ks_bytes bytes)
{
    enum ks_err err = KS_OK;
    uint8_t hash[KS_SHA256_LEN];

    KS_CHECK(bytes.len > sizeof hash, KS_ERR_FORMAT, "cut short");
    ks_sha256(ks_bytes_of(bytes.data, bytes.len - sizeof hash), hash);
    KS_CHECK(ks_bytes_equal(KS_BYTES(hash),
                            ks_bytes_of(bytes.data + bytes.len - sizeof hash, sizeof hash)),
             KS_ERR_VERIFY, "its bytes do not have the hash that they end with");
out:
    return err;
}

void ks_sha256_parts(const struct ks_bytes *parts, size_t count,
                     uint8_t out_digest[KS_SHA256_LEN])
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    KS_ASSERT(context != NULL && EVP_DigestInit_ex2(context, sha256_md(), NULL) == 1);
    for (size_t i = 0; i < count; i++) {
        KS_ASSERT(EVP_DigestUpdate(context, ks_bytes_pointer(parts[i]), parts[i].len) == 1);
    }
    KS_ASSERT(EVP_DigestFinal_ex(context, out_digest, NULL) == 1);
    EVP_MD_CTX_free(context);
}

enum ks_err ks_sha256_new(struct ks_sha256 **out_hash)
{
    enum ks_err err = KS_OK;
    struct ks_sha256 *hash = ks_calloc(1, sizeof(*hash));

    KS_CHECK(hash != NULL, KS_ERR_NOMEM, "hash: out of memory");
    hash->context = EVP_MD_CTX_new();
    KS_CHECK(hash->context != NULL, KS_ERR_NOMEM, "hash: out of memory");
    if (EVP_DigestInit_ex2(hash->context, sha256_md(), NULL) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "starting SHA-256"));
    }
    *out_hash = hash;
    hash = NULL;
out:
    ks_sha256_free(hash);
    return err;
}

void ks_sha256_update(struct ks_sha256 *hash, struct ks_bytes data)
{
    KS_ASSERT(EVP_DigestUpdate(hash->context, ks_bytes_pointer(data), data.len) == 1);
}

void ks_sha256_final(struct ks_sha256 *hash, uint8_t out_digest[KS_SHA256_LEN])
{
    KS_ASSERT(EVP_DigestFinal_ex(hash->context, out_digest, NULL) == 1);
}

void ks_sha256_free(struct ks_sha256 *hash)
{
    if (hash != NULL) {
        EVP_MD_CTX_free(hash->context);
        ks_free(hash);
    }
}

void ks_keccak256(struct ks_bytes data, uint8_t out_digest[KS_KECCAK256_LEN])
{
    (void)sha256_md();
    KS_ASSERT(EVP_Digest(ks_bytes_pointer(data), data.len, out_digest, NULL, keccak256, NULL) ==
              1);
}

void ks_hmac_sha256(struct ks_bytes key, struct ks_bytes data,
                    uint8_t out_tag[KS_HMAC_SHA256_LEN])
{
    char digest_name[] = "SHA2-256";
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX *context = NULL;
    size_t len = 0;

    (void)sha256_md();
    context = EVP_MAC_CTX_new(hmac);
    KS_ASSERT(context != NULL);
    KS_ASSERT(EVP_MAC_init(context, ks_bytes_pointer(key), key.len, params) == 1);
    KS_ASSERT(EVP_MAC_update(context, ks_bytes_pointer(data), data.len) == 1);
    KS_ASSERT(EVP_MAC_final(context, out_tag, &len, KS_HMAC_SHA256_LEN) == 1);
    KS_ASSERT(len == KS_HMAC_SHA256_LEN);
    EVP_MAC_CTX_free(context);
}

/* libcrypto does not change octet parameters it reads; its constructors only lack the const. */
static OSSL_PARAM octets(const char *name, struct ks_bytes bytes)
{
    union {
        const void *fixed;
        void *open;
    } pointer = {.fixed = ks_bytes_pointer(bytes)};

    return OSSL_PARAM_construct_octet_string(name, pointer.open, bytes.len);
}

enum ks_err ks_hkdf_sha256(struct ks_bytes secret, struct ks_bytes salt, struct ks_bytes info,
                           uint8_t *out_key, size_t len)
{
    enum ks_err err = KS_OK;
    char digest_name[] = "SHA2-256";
    EVP_KDF *kdf = NULL;
    EVP_KDF_CTX *context = NULL;
    OSSL_PARAM params[5];
    size_t count = 0;

    if (len == 0 || len > KS_HKDF_SHA256_LEN_MAX) {
        return ks_fail(KS_ERR_USAGE, "HKDF-SHA256 gives 1 to %d bytes, not %zu",
                       KS_HKDF_SHA256_LEN_MAX, len);
    }
    params[count++] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest_name, 0);
    params[count++] = octets(OSSL_KDF_PARAM_KEY, secret);
    params[count++] = octets(OSSL_KDF_PARAM_INFO, info);
    if (salt.len > 0) {
        params[count++] = octets(OSSL_KDF_PARAM_SALT, salt);
    }
    params[count] = OSSL_PARAM_construct_end();

    kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    context = kdf == NULL ? NULL : EVP_KDF_CTX_new(kdf);
    if (context == NULL || EVP_KDF_derive(context, out_key, len, params) != 1) {
        ks_wipe(out_key, len);
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "HKDF-SHA256"));
    }
out:
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return err;
}
