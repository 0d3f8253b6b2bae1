/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/tpmcred.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <pthread.h>

#include "crypto/internal.h"

#define HMAC_PARTS_MAX     8
#define POINT_UNCOMPRESSED 0x04 /* SEC 1 §2.3.3 */
#define SCALAR_EXTRA       8 /* FIPS 186-5 §A.2.1: 64 bits more, so that the bias vanishes */
#define AES_IV_LEN         16

static const struct {
    const char *name; /* libcrypto's */
    size_t len;
} hashes[] = {
    [KS_TPM_SHA1] = {"SHA1", KS_SHA1_LEN},
    [KS_TPM_SHA256] = {"SHA2-256", 32},
    [KS_TPM_SHA384] = {"SHA2-384", KS_TPM_HASH_MAX},
};
#define HASH_COUNT (sizeof(hashes) / sizeof(hashes[0]))

/* Fetched once: a kernel's list has an entry for each file of a system. Immutable afterwards.
 */
static pthread_once_t fetch_once = PTHREAD_ONCE_INIT;
static EVP_MD *fetched[HASH_COUNT];

static void fetch(void)
{
    for (size_t i = 0; i < HASH_COUNT; i++) {
        fetched[i] = EVP_MD_fetch(NULL, hashes[i].name, NULL);
        KS_ASSERT(fetched[i] != NULL);
    }
}

static const EVP_MD *md_of(enum ks_tpm_hash hash)
{
    KS_ASSERT((unsigned)hash < HASH_COUNT);
    KS_ASSERT(pthread_once(&fetch_once, fetch) == 0);
    return fetched[hash];
}

size_t ks_tpm_hash_len(enum ks_tpm_hash hash)
{
    KS_ASSERT((unsigned)hash < HASH_COUNT);
    return hashes[hash].len;
}

void ks_tpm_digest(enum ks_tpm_hash hash, const struct ks_bytes *parts, size_t count,
                   uint8_t *out_digest)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    KS_ASSERT(context != NULL && EVP_DigestInit_ex2(context, md_of(hash), NULL) == 1);
    for (size_t i = 0; i < count; i++) {
        KS_ASSERT(EVP_DigestUpdate(context, ks_bytes_pointer(parts[i]), parts[i].len) == 1);
    }
    KS_ASSERT(EVP_DigestFinal_ex(context, out_digest, NULL) == 1);
    EVP_MD_CTX_free(context);
}

enum ks_err ks_tpm_hmac(enum ks_tpm_hash hash, struct ks_bytes key,
                        const struct ks_bytes *parts, size_t count, uint8_t *out_tag)
{
    enum ks_err err = KS_OK;
    char digest_name[16] = {0};
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest_name, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *context = mac == NULL ? NULL : EVP_MAC_CTX_new(mac);
    size_t hash_len = ks_tpm_hash_len(hash);
    struct ks_bytes name = ks_bytes_text(hashes[hash].name);
    size_t len = 0;
    bool ok;

    KS_ASSERT(count <= HMAC_PARTS_MAX && name.len < sizeof(digest_name));
    ks_copy(digest_name, name.data, name.len);
    ok = context != NULL && EVP_MAC_init(context, ks_bytes_pointer(key), key.len, params) == 1;
    for (size_t i = 0; ok && i < count; i++) {
        ok = EVP_MAC_update(context, ks_bytes_pointer(parts[i]), parts[i].len) == 1;
    }
    if (!ok || EVP_MAC_final(context, out_tag, &len, hash_len) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "HMAC"));
    }
    KS_ASSERT(len == hash_len);
out:
    EVP_MAC_CTX_free(context);
    EVP_MAC_free(mac);
    return err;
}

static void put_be32(uint8_t target[4], uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        target[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

enum ks_err ks_tpm_kdfa(enum ks_tpm_hash hash, struct ks_bytes key, const char *label,
                        struct ks_bytes context, size_t len, uint8_t *out_key)
{
    enum ks_err err = KS_OK;
    uint8_t block[KS_TPM_HASH_MAX];
    uint8_t counter[4];
    uint8_t bits[4];

    /* One block is enough for every key of a credential, so the counter stays 1. */
    KS_ASSERT(len >= 1 && len <= ks_tpm_hash_len(hash));
    put_be32(counter, 1);
    put_be32(bits, (uint32_t)(8 * len));
    const struct ks_bytes parts[] = {
        KS_BYTES(counter), ks_bytes_text(label), KS_LITERAL("\0"), context, KS_BYTES(bits),
    };
    KS_TRY(ks_tpm_hmac(hash, key, parts, sizeof(parts) / sizeof(parts[0]), block));
    ks_copy(out_key, block, len);
out:
    ks_wipe(block, sizeof(block));
    return err;
}

void ks_tpm_kdfe(enum ks_tpm_hash hash, struct ks_bytes z, const char *use,
                 struct ks_bytes party_u, struct ks_bytes party_v, uint8_t *out_key)
{
    uint8_t counter[4];

    put_be32(counter, 1);
    const struct ks_bytes parts[] = {
        KS_BYTES(counter), z, ks_bytes_text(use), KS_LITERAL("\0"), party_u, party_v,
    };
    ks_tpm_digest(hash, parts, sizeof(parts) / sizeof(parts[0]), out_key);
}

enum ks_err ks_tpm_cfb_encrypt(struct ks_bytes key, struct ks_bytes plaintext, uint8_t *target)
{
    enum ks_err err = KS_OK;
    const uint8_t iv[AES_IV_LEN] = {0};
    EVP_CIPHER *cipher = NULL;
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int len = 0;

    KS_ASSERT((key.len == 16 || key.len == 32) && plaintext.len <= KS_SECRET_MAX);
    cipher = EVP_CIPHER_fetch(NULL, key.len == 16 ? "AES-128-CFB" : "AES-256-CFB", NULL);
    if (cipher == NULL || context == NULL ||
        EVP_EncryptInit_ex2(context, cipher, key.data, iv, NULL) != 1 ||
        EVP_EncryptUpdate(context, target, &len, ks_bytes_pointer(plaintext),
                          (int)plaintext.len) != 1 ||
        (size_t)len != plaintext.len) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "AES-CFB"));
    }
out:
    EVP_CIPHER_CTX_free(context);
    EVP_CIPHER_free(cipher);
    return err;
}

/* --- RSA ---------------------------------------------------------------------------------- */

/* TARGET ^= MGF1(SEED) (RFC 8017 §B.2.1). */
static void mask(enum ks_tpm_hash hash, struct ks_bytes seed, uint8_t *target, size_t len)
{
    uint8_t counter[4];
    uint8_t block[KS_TPM_HASH_MAX];
    size_t hash_len = ks_tpm_hash_len(hash);

    for (size_t i = 0; i < len; i++) {
        if (i % hash_len == 0) {
            put_be32(counter, (uint32_t)(i / hash_len));
            const struct ks_bytes parts[] = {seed, KS_BYTES(counter)};
            ks_tpm_digest(hash, parts, 2, block);
        }
        target[i] ^= block[i % hash_len];
    }
    ks_wipe(block, sizeof(block));
}

/* EME-OAEP (RFC 8017 §7.1.1 step 2) into LEN bytes: 00, masked seed, masked data block. */
static void oaep_encode(enum ks_tpm_hash hash, const char *label, struct ks_bytes seed,
                        struct ks_bytes message, uint8_t *target, size_t len)
{
    size_t hash_len = ks_tpm_hash_len(hash);
    uint8_t *block = target + 1 + hash_len;
    size_t block_len = len - 1 - hash_len;
    const struct ks_bytes parts[] = {ks_bytes_text(label), KS_LITERAL("\0")};

    KS_ASSERT(seed.len == hash_len && message.len <= len - 2 * hash_len - 2);
    ks_zero(target, len);
    ks_copy(target + 1, seed.data, seed.len);
    ks_tpm_digest(hash, parts, 2, block);
    block[block_len - message.len - 1] = 0x01;
    ks_copy(block + block_len - message.len, message.data, message.len);
    mask(hash, seed, block, block_len);
    mask(hash, ks_bytes_of(block, block_len), target + 1, hash_len);
}

static enum ks_err rsa_import(const struct ks_ek_key *key, EVP_PKEY **out_pkey)
{
    enum ks_err err = KS_OK;
    BIGNUM *n = BN_bin2bn(key->modulus, (int)key->len, NULL);
    BIGNUM *e = BN_new();
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);

    if (n == NULL || e == NULL || builder == NULL || context == NULL ||
        BN_set_word(e, key->exponent) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) != 1 ||
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) != 1 ||
        (params = OSSL_PARAM_BLD_to_param(builder)) == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "RSA public key"));
    }
    if (EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, out_pkey, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "RSA public key"));
    }
out:
    EVP_PKEY_CTX_free(context);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return err;
}

enum ks_err ks_tpm_oaep_encrypt(const struct ks_ek_key *key, enum ks_tpm_hash hash,
                                const char *label, struct ks_bytes seed,
                                struct ks_bytes message, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    uint8_t encoded[KS_EK_RSA_LEN_MAX] = {0};
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *context = NULL;
    uint8_t *target = NULL;
    size_t len = key->len;

    KS_CHECK(key->alg == KS_EK_RSA && key->len >= 256 && key->len <= sizeof(encoded),
             KS_ERR_FORMAT, "OAEP: not an RSA key of 2048 to 4096 bits");
    KS_TRY(rsa_import(key, &pkey));
    oaep_encode(hash, label, seed, message, encoded, key->len);
    target = ks_buf_reserve(out, key->len);
    if (target == NULL) {
        KS_TRY(ks_buf_check(out));
    }
    context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    /* The padding is made above, with randomness that is an argument. */
    if (context == NULL || EVP_PKEY_encrypt_init(context) != 1 ||
        EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) != 1 ||
        EVP_PKEY_encrypt(context, target, &len, encoded, key->len) != 1 || len != key->len) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "RSA encryption"));
    }
    ks_buf_grew(out, key->len);
out:
    ks_wipe(encoded, sizeof(encoded));
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(pkey);
    return err;
}

/* --- ECDH --------------------------------------------------------------------------------- */

struct ecdh {
    EC_GROUP *group;
    BN_CTX *numbers;
    BIGNUM *scalar;
    EC_POINT *peer;
    EC_POINT *result;
};

static void ecdh_done(struct ecdh *ecdh)
{
    EC_POINT_clear_free(ecdh->result);
    EC_POINT_free(ecdh->peer);
    BN_clear_free(ecdh->scalar);
    BN_CTX_free(ecdh->numbers);
    EC_GROUP_free(ecdh->group);
}

/* scalar = RANDOM mod (n - 1) + 1: FIPS 186-5 §A.2.1. */
static bool ecdh_scalar(struct ecdh *ecdh, struct ks_bytes random)
{
    BIGNUM *limit = BN_dup(EC_GROUP_get0_order(ecdh->group));
    BIGNUM *number = BN_bin2bn(random.data, (int)random.len, NULL);
    bool ok = limit != NULL && number != NULL && BN_sub_word(limit, 1) == 1;

    if (ok) {
        BN_set_flags(number, BN_FLG_CONSTTIME);
        BN_set_flags(ecdh->scalar, BN_FLG_CONSTTIME);
        ok = BN_mod(ecdh->scalar, number, limit, ecdh->numbers) == 1 &&
             BN_add_word(ecdh->scalar, 1) == 1;
    }
    BN_clear_free(number);
    BN_free(limit);
    return ok;
}

/* The affine coordinates of RESULT; OUT_Y may be NULL. False at infinity. */
static bool ecdh_result(const struct ecdh *ecdh, size_t len, uint8_t *out_x, uint8_t *out_y)
{
    uint8_t point[1 + 2 * KS_EK_ECC_LEN_MAX];
    size_t wrote = EC_POINT_point2oct(ecdh->group, ecdh->result, POINT_CONVERSION_UNCOMPRESSED,
                                      point, sizeof(point), ecdh->numbers);
    bool ok = wrote == 1 + 2 * len;

    if (ok) {
        ks_copy(out_x, point + 1, len);
        if (out_y != NULL) {
            ks_copy(out_y, point + 1 + len, len);
        }
    }
    ks_wipe(point, sizeof(point));
    return ok;
}

enum ks_err ks_tpm_ecdh(const struct ks_ek_key *key, struct ks_bytes random, uint8_t *out_x,
                        uint8_t *out_y, uint8_t *out_z)
{
    enum ks_err err = KS_OK;
    uint8_t point[1 + 2 * KS_EK_ECC_LEN_MAX] = {POINT_UNCOMPRESSED};
    struct ecdh ecdh = {0};

    KS_CHECK((key->alg == KS_EK_ECC_P256 && key->len == 32) ||
                 (key->alg == KS_EK_ECC_P384 && key->len == 48),
             KS_ERR_FORMAT, "ECDH: not a key on P-256 or P-384");
    KS_ASSERT(random.len >= key->len + SCALAR_EXTRA && random.len <= KS_SECRET_MAX);
    ecdh.group =
        EC_GROUP_new_by_curve_name(key->len == 32 ? NID_X9_62_prime256v1 : NID_secp384r1);
    ecdh.numbers = BN_CTX_secure_new();
    ecdh.scalar = BN_new();
    ecdh.peer = ecdh.group == NULL ? NULL : EC_POINT_new(ecdh.group);
    ecdh.result = ecdh.group == NULL ? NULL : EC_POINT_new(ecdh.group);
    if (ecdh.numbers == NULL || ecdh.scalar == NULL || ecdh.peer == NULL ||
        ecdh.result == NULL || !ecdh_scalar(&ecdh, random)) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "ECDH"));
    }
    ks_copy(point + 1, key->x, key->len);
    ks_copy(point + 1 + key->len, key->y, key->len);
    /* Checks the curve equation. */
    if (EC_POINT_oct2point(ecdh.group, ecdh.peer, point, 1 + 2 * key->len, ecdh.numbers) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "ECDH: not a point of the curve"));
    }
    if (EC_POINT_mul(ecdh.group, ecdh.result, NULL, ecdh.peer, ecdh.scalar, ecdh.numbers) !=
            1 ||
        !ecdh_result(&ecdh, key->len, out_z, NULL) ||
        EC_POINT_mul(ecdh.group, ecdh.result, ecdh.scalar, NULL, NULL, ecdh.numbers) != 1 ||
        !ecdh_result(&ecdh, key->len, out_x, out_y)) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "ECDH"));
    }
out:
    if (err != KS_OK) {
        ks_wipe(out_z, key->len <= KS_EK_ECC_LEN_MAX ? key->len : 0);
    }
    ecdh_done(&ecdh);
    return err;
}
