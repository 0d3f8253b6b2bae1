/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/kem.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "crypto/internal.h"

#define ENTROPY_LEN 32 /* m of FIPS 203 algorithm 17 */

static const struct {
    const char *name;
    size_t public_len;
    size_t ciphertext_len;
} algs[KS_KEM_ALG_COUNT] = {
    /* FIPS 203 table 3 */
    [KS_KEM_MLKEM512] = {"ML-KEM-512", 800, 768},
    [KS_KEM_MLKEM768] = {"ML-KEM-768", 1184, 1088},
    [KS_KEM_MLKEM1024] = {"ML-KEM-1024", 1568, 1568},
};

struct ks_kem_key {
    enum ks_kem_alg alg;
    EVP_PKEY *pkey;
};

static bool alg_known(enum ks_kem_alg alg)
{
    return (unsigned)alg < KS_KEM_ALG_COUNT;
}

const char *ks_kem_alg_name(enum ks_kem_alg alg)
{
    KS_ASSERT(alg_known(alg));
    return algs[alg].name;
}

size_t ks_kem_public_len(enum ks_kem_alg alg)
{
    KS_ASSERT(alg_known(alg));
    return algs[alg].public_len;
}

size_t ks_kem_ciphertext_len(enum ks_kem_alg alg)
{
    KS_ASSERT(alg_known(alg));
    return algs[alg].ciphertext_len;
}

/* SEED is empty for a fresh key. */
static enum ks_err make(enum ks_kem_alg alg, struct ks_bytes seed, struct ks_kem_key **out_key)
{
    enum ks_err err = KS_OK;
    struct ks_secret copy = {.len = 0};
    OSSL_PARAM params[2];
    EVP_PKEY_CTX *context = NULL;
    struct ks_kem_key *key = ks_calloc(1, sizeof(*key));

    KS_CHECK(key != NULL, KS_ERR_NOMEM, "%s key: out of memory", algs[alg].name);
    key->alg = alg;
    ks_secret_set(&copy, seed);
    params[0] = copy.len == 0 ? OSSL_PARAM_construct_end()
                              : OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_KEM_SEED,
                                                                  copy.data, copy.len);
    params[1] = OSSL_PARAM_construct_end();
    context = EVP_PKEY_CTX_new_from_name(NULL, algs[alg].name, NULL);
    if (context == NULL || EVP_PKEY_keygen_init(context) != 1 ||
        EVP_PKEY_CTX_set_params(context, params) != 1 ||
        EVP_PKEY_generate(context, &key->pkey) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "making an ML-KEM key"));
    }
    *out_key = key;
    key = NULL;
out:
    ks_kem_key_free(key);
    EVP_PKEY_CTX_free(context);
    ks_secret_done(&copy);
    return err;
}

enum ks_err ks_kem_key_new(enum ks_kem_alg alg, struct ks_kem_key **out_key)
{
    KS_ASSERT(alg_known(alg));
    return make(alg, (struct ks_bytes){NULL, 0}, out_key);
}

enum ks_err ks_kem_key_from_seed(enum ks_kem_alg alg, struct ks_bytes seed,
                                 struct ks_kem_key **out_key)
{
    KS_ASSERT(alg_known(alg));
    if (seed.len != KS_KEM_SEED_LEN) {
        return ks_fail(KS_ERR_FORMAT, "%s: a seed of %zu bytes, not %d", algs[alg].name,
                       seed.len, KS_KEM_SEED_LEN);
    }
    return make(alg, seed, out_key);
}

void ks_kem_key_free(struct ks_kem_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pkey);
        ks_free(key);
    }
}

enum ks_kem_alg ks_kem_key_alg(const struct ks_kem_key *key)
{
    return key->alg;
}

enum ks_err ks_kem_key_public(const struct ks_kem_key *key, struct ks_buf *out_public)
{
    size_t len = algs[key->alg].public_len;
    uint8_t *target = ks_buf_reserve(out_public, len);

    if (target == NULL) {
        return ks_buf_check(out_public);
    }
    if (EVP_PKEY_get_raw_public_key(key->pkey, target, &len) != 1 ||
        len != algs[key->alg].public_len) {
        return ks_fail_libcrypto(KS_ERR_INTERNAL, "reading an encapsulation key");
    }
    ks_buf_grew(out_public, len);
    return KS_OK;
}

/* ENTROPY is empty for libcrypto's own generator. */
static enum ks_err encap(enum ks_kem_alg alg, struct ks_bytes public_key,
                         struct ks_bytes entropy, struct ks_buf *out_ciphertext,
                         struct ks_secret *out_shared)
{
    enum ks_err err = KS_OK;
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *context = NULL;
    struct ks_secret copy = {.len = 0};
    struct ks_secret shared = {.len = KS_KEM_SHARED_LEN};
    OSSL_PARAM params[2] = {OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};
    size_t len = algs[alg].ciphertext_len;
    uint8_t *target = NULL;

    KS_CHECK(public_key.len == algs[alg].public_len, KS_ERR_FORMAT,
             "%s: a public key of %zu bytes, not %zu", algs[alg].name, public_key.len,
             algs[alg].public_len);
    ks_secret_set(&copy, entropy);
    if (copy.len > 0) {
        params[0] = OSSL_PARAM_construct_octet_string(OSSL_KEM_PARAM_IKME, copy.data, copy.len);
    }
    pkey = EVP_PKEY_new_raw_public_key_ex(NULL, algs[alg].name, NULL, public_key.data,
                                          public_key.len);
    if (pkey == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, "an ML-KEM public key"));
    }
    target = ks_buf_reserve(out_ciphertext, len);
    if (target == NULL) {
        KS_TRY(ks_buf_check(out_ciphertext));
    }
    context = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
    if (context == NULL || EVP_PKEY_encapsulate_init(context, params) != 1 ||
        EVP_PKEY_encapsulate(context, target, &len, shared.data, &shared.len) != 1 ||
        len != algs[alg].ciphertext_len || shared.len != KS_KEM_SHARED_LEN) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "encapsulating"));
    }
    ks_buf_grew(out_ciphertext, len);
    ks_secret_set(out_shared, ks_secret_view(&shared));
out:
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(pkey);
    ks_secret_done(&copy);
    ks_secret_done(&shared);
    return err;
}

enum ks_err ks_kem_encap(enum ks_kem_alg alg, struct ks_bytes public_key,
                         struct ks_buf *out_ciphertext, struct ks_secret *out_shared)
{
    KS_ASSERT(alg_known(alg));
    return encap(alg, public_key, (struct ks_bytes){NULL, 0}, out_ciphertext, out_shared);
}

enum ks_err ks_kem_encap_with(enum ks_kem_alg alg, struct ks_bytes public_key,
                              struct ks_bytes entropy, struct ks_buf *out_ciphertext,
                              struct ks_secret *out_shared)
{
    KS_ASSERT(alg_known(alg) && entropy.len == ENTROPY_LEN);
    return encap(alg, public_key, entropy, out_ciphertext, out_shared);
}

enum ks_err ks_kem_decap(const struct ks_kem_key *key, struct ks_bytes ciphertext,
                         struct ks_secret *out_shared)
{
    enum ks_err err = KS_OK;
    EVP_PKEY_CTX *context = NULL;
    struct ks_secret shared = {.len = KS_KEM_SHARED_LEN};

    KS_CHECK(ciphertext.len == algs[key->alg].ciphertext_len, KS_ERR_FORMAT,
             "%s: a ciphertext of %zu bytes, not %zu", algs[key->alg].name, ciphertext.len,
             algs[key->alg].ciphertext_len);
    context = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    if (context == NULL || EVP_PKEY_decapsulate_init(context, NULL) != 1 ||
        EVP_PKEY_decapsulate(context, shared.data, &shared.len, ciphertext.data,
                             ciphertext.len) != 1 ||
        shared.len != KS_KEM_SHARED_LEN) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "decapsulating"));
    }
    ks_secret_set(out_shared, ks_secret_view(&shared));
out:
    EVP_PKEY_CTX_free(context);
    ks_secret_done(&shared);
    return err;
}
