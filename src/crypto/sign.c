/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/sign.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include "crypto/internal.h"

static const struct {
    const char *name;
    const char *libcrypto_name;
    size_t public_len;
    size_t seed_len;
    size_t sig_len;
} algs[KS_SIG_ALG_COUNT] = {
    /* RFC 8032; FIPS 204 table 2; FIPS 205 table 2 */
    [KS_SIG_ED25519] = {"Ed25519", "ED25519", 32, 32, 64},
    [KS_SIG_MLDSA44] = {"ML-DSA-44", "ML-DSA-44", 1312, 32, 2420},
    [KS_SIG_MLDSA65] = {"ML-DSA-65", "ML-DSA-65", 1952, 32, 3309},
    [KS_SIG_MLDSA87] = {"ML-DSA-87", "ML-DSA-87", 2592, 32, 4627},
    [KS_SIG_SLHDSA_SHA2_128S] = {"SLH-DSA-SHA2-128s", "SLH-DSA-SHA2-128s", 32, 48, 7856},
    [KS_SIG_SLHDSA_SHA2_128F] = {"SLH-DSA-SHA2-128f", "SLH-DSA-SHA2-128f", 32, 48, 17088},
};

struct ks_sign_key {
    enum ks_sig_alg alg;
    EVP_PKEY *pkey;
};

struct ks_verify_key {
    enum ks_sig_alg alg;
    EVP_PKEY *pkey;
};

static bool alg_known(enum ks_sig_alg alg)
{
    return (unsigned)alg < KS_SIG_ALG_COUNT;
}

const char *ks_sig_alg_name(enum ks_sig_alg alg)
{
    KS_ASSERT(alg_known(alg));
    return algs[alg].name;
}

enum ks_err ks_sig_alg_from_name(struct ks_bytes name, enum ks_sig_alg *out_alg)
{
    for (unsigned i = 0; i < KS_SIG_ALG_COUNT; i++) {
        if (ks_bytes_is(name, algs[i].name)) {
            *out_alg = (enum ks_sig_alg)i;
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_FORMAT, "unknown signature algorithm '%.*s'",
                   (int)(name.len < 40 ? name.len : 40), (const char *)ks_bytes_pointer(name));
}

bool ks_sig_alg_post_quantum(enum ks_sig_alg alg)
{
    KS_ASSERT(alg_known(alg));
    return alg != KS_SIG_ED25519;
}

size_t ks_sig_public_len(enum ks_sig_alg alg)
{
    KS_ASSERT(alg_known(alg));
    return algs[alg].public_len;
}

size_t ks_sig_seed_len(enum ks_sig_alg alg)
{
    KS_ASSERT(alg_known(alg));
    return algs[alg].seed_len;
}

size_t ks_sig_len(enum ks_sig_alg alg)
{
    KS_ASSERT(alg_known(alg));
    return algs[alg].sig_len;
}

bool ks_sig_alg_of_evp(const EVP_PKEY *pkey, enum ks_sig_alg *out_alg)
{
    for (unsigned i = 0; i < KS_SIG_ALG_COUNT; i++) {
        if (EVP_PKEY_is_a(pkey, algs[i].libcrypto_name)) {
            *out_alg = (enum ks_sig_alg)i;
            return true;
        }
    }
    return false;
}

/* --- keys --------------------------------------------------------------------------------- */

static enum ks_err generate(enum ks_sig_alg alg, struct ks_bytes seed, EVP_PKEY **out_pkey)
{
    enum ks_err err = KS_OK;
    EVP_PKEY_CTX *context = NULL;
    /* The parameter wants a pointer it may write to, so the seed is copied and wiped. */
    struct ks_secret copy = {.len = 0};
    OSSL_PARAM params[2];

    ks_secret_set(&copy, seed);
    params[0] =
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_ML_DSA_SEED, copy.data, copy.len);
    params[1] = OSSL_PARAM_construct_end();
    context = EVP_PKEY_CTX_new_from_name(NULL, algs[alg].libcrypto_name, NULL);
    if (context == NULL || EVP_PKEY_keygen_init(context) != 1 ||
        EVP_PKEY_CTX_set_params(context, params) != 1 ||
        EVP_PKEY_generate(context, out_pkey) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "making a key from its seed"));
    }
out:
    EVP_PKEY_CTX_free(context);
    ks_secret_done(&copy);
    return err;
}

/* Takes PKEY over, also when it fails. */
static enum ks_err wrap(enum ks_sig_alg alg, EVP_PKEY *pkey, struct ks_sign_key **out_key)
{
    struct ks_sign_key *key = ks_calloc(1, sizeof(*key));

    if (key == NULL) {
        EVP_PKEY_free(pkey);
        return ks_fail(KS_ERR_NOMEM, "signing key: out of memory");
    }
    *key = (struct ks_sign_key){.alg = alg, .pkey = pkey};
    *out_key = key;
    return KS_OK;
}

enum ks_err ks_sign_key_from_seed(enum ks_sig_alg alg, struct ks_bytes seed,
                                  struct ks_sign_key **out_key)
{
    EVP_PKEY *pkey = NULL;
    enum ks_err err = KS_OK;

    KS_ASSERT(alg_known(alg));
    if (seed.len != algs[alg].seed_len) {
        return ks_fail(KS_ERR_FORMAT, "%s: a seed of %zu bytes, not %zu", algs[alg].name,
                       seed.len, algs[alg].seed_len);
    }
    if (alg != KS_SIG_ED25519) {
        err = generate(alg, seed, &pkey);
    } else {
        pkey = EVP_PKEY_new_raw_private_key_ex(NULL, algs[alg].libcrypto_name, NULL, seed.data,
                                               seed.len);
        if (pkey == NULL) {
            err = ks_fail_libcrypto(KS_ERR_INTERNAL, "Ed25519 key from its seed");
        }
    }
    return err != KS_OK ? err : wrap(alg, pkey, out_key);
}

enum ks_err ks_sign_key_new(enum ks_sig_alg alg, struct ks_sign_key **out_key)
{
    EVP_PKEY *pkey = NULL;

    KS_ASSERT(alg_known(alg));
    pkey = EVP_PKEY_Q_keygen(NULL, NULL, algs[alg].libcrypto_name);
    if (pkey == NULL) {
        return ks_fail_libcrypto(KS_ERR_INTERNAL, "making a fresh key");
    }
    return wrap(alg, pkey, out_key);
}

void ks_sign_key_free(struct ks_sign_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pkey);
        ks_free(key);
    }
}

enum ks_sig_alg ks_sign_key_alg(const struct ks_sign_key *key)
{
    return key->alg;
}

EVP_PKEY *ks_sign_key_evp(const struct ks_sign_key *key)
{
    return key->pkey;
}

static enum ks_err put_public(enum ks_sig_alg alg, const EVP_PKEY *pkey,
                              struct ks_buf *out_public)
{
    size_t len = algs[alg].public_len;
    uint8_t *target = ks_buf_reserve(out_public, len);

    if (target == NULL) {
        return ks_buf_check(out_public);
    }
    if (EVP_PKEY_get_raw_public_key(pkey, target, &len) != 1 || len != algs[alg].public_len) {
        return ks_fail_libcrypto(KS_ERR_INTERNAL, "reading a public key");
    }
    ks_buf_grew(out_public, len);
    return KS_OK;
}

enum ks_err ks_sign_key_public(const struct ks_sign_key *key, struct ks_buf *out_public)
{
    return put_public(key->alg, key->pkey, out_public);
}

enum ks_err ks_sign_key_verify_key(const struct ks_sign_key *key,
                                   struct ks_verify_key **out_key)
{
    enum ks_err err = KS_OK;
    struct ks_buf raw;

    ks_buf_init(&raw, KS_SIG_PUBLIC_LEN_MAX);
    KS_TRY(ks_sign_key_public(key, &raw));
    KS_TRY(ks_verify_key_new(key->alg, ks_buf_view(&raw), out_key));
out:
    ks_buf_done(&raw);
    return err;
}

enum ks_err ks_verify_key_new(enum ks_sig_alg alg, struct ks_bytes raw_public,
                              struct ks_verify_key **out_key)
{
    enum ks_err err = KS_OK;
    struct ks_verify_key *key = NULL;

    KS_ASSERT(alg_known(alg));
    KS_CHECK(raw_public.len == algs[alg].public_len, KS_ERR_FORMAT,
             "%s: a public key of %zu bytes, not %zu", algs[alg].name, raw_public.len,
             algs[alg].public_len);
    key = ks_calloc(1, sizeof(*key));
    KS_CHECK(key != NULL, KS_ERR_NOMEM, "public key: out of memory");
    key->alg = alg;
    key->pkey = EVP_PKEY_new_raw_public_key_ex(NULL, algs[alg].libcrypto_name, NULL,
                                               raw_public.data, raw_public.len);
    if (key->pkey == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_FORMAT, algs[alg].name));
    }
    *out_key = key;
    key = NULL;
out:
    ks_verify_key_free(key);
    return err;
}

void ks_verify_key_free(struct ks_verify_key *key)
{
    if (key != NULL) {
        EVP_PKEY_free(key->pkey);
        ks_free(key);
    }
}

enum ks_sig_alg ks_verify_key_alg(const struct ks_verify_key *key)
{
    return key->alg;
}

EVP_PKEY *ks_verify_key_evp(const struct ks_verify_key *key)
{
    return key->pkey;
}

enum ks_err ks_verify_key_public(const struct ks_verify_key *key, struct ks_buf *out_public)
{
    return put_public(key->alg, key->pkey, out_public);
}

/* --- signing and verifying ---------------------------------------------------------------- */

static enum ks_err check_context(enum ks_sig_alg alg, struct ks_bytes context)
{
    size_t len_max = alg == KS_SIG_ED25519 ? 0 : KS_SIG_CONTEXT_LEN_MAX;

    if (context.len > len_max) {
        return ks_fail(KS_ERR_USAGE, "%s: a context of %zu bytes, at most %zu", algs[alg].name,
                       context.len, len_max);
    }
    return KS_OK;
}

/* Fills PARAMS (3 entries). An absent parameter means the empty context and hedged signing;
 * Ed25519 knows neither parameter. COPY must live as long as PARAMS. */
static void set_params(struct ks_bytes context, int *deterministic,
                       uint8_t copy[KS_SIG_CONTEXT_LEN_MAX], OSSL_PARAM params[3])
{
    size_t count = 0;

    if (context.len > 0) {
        ks_copy(copy, context.data, context.len);
        params[count++] = OSSL_PARAM_construct_octet_string(OSSL_SIGNATURE_PARAM_CONTEXT_STRING,
                                                            copy, context.len);
    }
    if (*deterministic != 0) {
        params[count++] =
            OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_DETERMINISTIC, deterministic);
    }
    params[count] = OSSL_PARAM_construct_end();
}

enum ks_err ks_sign_with(const struct ks_sign_key *key, const struct ks_sign_options *options,
                         struct ks_bytes message, struct ks_buf *out_signature)
{
    enum ks_err err = KS_OK;
    size_t len = algs[key->alg].sig_len;
    int deterministic = options->deterministic && key->alg != KS_SIG_ED25519;
    uint8_t context_copy[KS_SIG_CONTEXT_LEN_MAX];
    OSSL_PARAM params[3];
    EVP_MD_CTX *context = NULL;
    uint8_t *target = NULL;

    KS_TRY(check_context(key->alg, options->context));
    set_params(options->context, &deterministic, context_copy, params);
    target = ks_buf_reserve(out_signature, len);
    if (target == NULL) {
        KS_TRY(ks_buf_check(out_signature));
    }
    context = EVP_MD_CTX_new();
    if (context == NULL ||
        EVP_DigestSignInit_ex(context, NULL, NULL, NULL, NULL, key->pkey, params) != 1 ||
        EVP_DigestSign(context, target, &len, ks_bytes_pointer(message), message.len) != 1 ||
        len != algs[key->alg].sig_len) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "signing"));
    }
    ks_buf_grew(out_signature, len);
out:
    EVP_MD_CTX_free(context);
    return err;
}

enum ks_err ks_verify_with(const struct ks_verify_key *key, struct ks_bytes context,
                           struct ks_bytes message, struct ks_bytes signature)
{
    enum ks_err err = KS_OK;
    const char *name = algs[key->alg].name;
    int deterministic = 0;
    uint8_t context_copy[KS_SIG_CONTEXT_LEN_MAX];
    OSSL_PARAM params[3];
    EVP_MD_CTX *md_context = NULL;

    KS_TRY(check_context(key->alg, context));
    KS_CHECK(signature.len == algs[key->alg].sig_len, KS_ERR_VERIFY,
             "%s: a signature of %zu bytes, not %zu", name, signature.len,
             algs[key->alg].sig_len);
    set_params(context, &deterministic, context_copy, params);
    md_context = EVP_MD_CTX_new();
    if (md_context == NULL ||
        EVP_DigestVerifyInit_ex(md_context, NULL, NULL, NULL, NULL, key->pkey, params) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "verifying"));
    }
    if (EVP_DigestVerify(md_context, signature.data, signature.len, ks_bytes_pointer(message),
                         message.len) != 1) {
        err = ks_fail_libcrypto(KS_ERR_VERIFY, name); /* KS_ERR_NOMEM if that was the cause */
        if (err == KS_ERR_VERIFY) {
            err = ks_fail(KS_ERR_VERIFY, "the %s signature is false", name);
        }
    }
out:
    EVP_MD_CTX_free(md_context);
    return err;
}

enum ks_err ks_sign(const struct ks_sign_key *key, const char *context, struct ks_bytes message,
                    struct ks_buf *out_signature)
{
    const struct ks_sign_options options = {.context = ks_bytes_text(context)};

    KS_ASSERT(options.context.len <= (key->alg == KS_SIG_ED25519 ? 0 : KS_SIG_CONTEXT_LEN_MAX));
    return ks_sign_with(key, &options, message, out_signature);
}

enum ks_err ks_verify(const struct ks_verify_key *key, const char *context,
                      struct ks_bytes message, struct ks_bytes signature)
{
    struct ks_bytes view = ks_bytes_text(context);

    KS_ASSERT(view.len <= (key->alg == KS_SIG_ED25519 ? 0 : KS_SIG_CONTEXT_LEN_MAX));
    return ks_verify_with(key, view, message, signature);
}
