/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/aead.h"

#include <limits.h>
#include <openssl/evp.h>

#include "crypto/internal.h"

_Static_assert(KS_AEAD_LEN_MAX + KS_AEAD_TAG_LEN <= INT_MAX, "libcrypto counts in int");

/* A context ready for data, the associated data already in it. */
static enum ks_err start(bool seal, const uint8_t *key, const uint8_t *nonce,
                         struct ks_bytes ad, EVP_CIPHER_CTX **out_context)
{
    enum ks_err err = KS_OK;
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int len = 0;

    if (cipher == NULL || context == NULL ||
        EVP_CipherInit_ex2(context, cipher, key, nonce, seal ? 1 : 0, NULL) != 1 ||
        (ad.len > 0 && EVP_CipherUpdate(context, NULL, &len, ad.data, (int)ad.len) != 1)) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "starting AES-256-GCM"));
    }
    *out_context = context;
    context = NULL;
out:
    EVP_CIPHER_CTX_free(context);
    EVP_CIPHER_free(cipher);
    return err;
}

static enum ks_err check_lens(size_t ad_len, size_t data_len)
{
    if (ad_len > KS_AEAD_LEN_MAX || data_len > KS_AEAD_LEN_MAX) {
        return ks_fail(KS_ERR_LIMIT, "AES-256-GCM: more than %zu bytes in one message",
                       KS_AEAD_LEN_MAX);
    }
    return KS_OK;
}

enum ks_err ks_aead_seal(const uint8_t key[KS_AEAD_KEY_LEN],
                         const uint8_t nonce[KS_AEAD_NONCE_LEN], struct ks_bytes ad,
                         struct ks_bytes plaintext, struct ks_buf *out_sealed)
{
    enum ks_err err = KS_OK;
    EVP_CIPHER_CTX *context = NULL;
    uint8_t *target = NULL;
    uint8_t none[1];
    int len = 0;
    int rest = 0;

    KS_TRY(check_lens(ad.len, plaintext.len));
    target = ks_buf_reserve(out_sealed, plaintext.len + KS_AEAD_TAG_LEN);
    if (target == NULL) {
        KS_TRY(ks_buf_check(out_sealed));
    }
    KS_TRY(start(true, key, nonce, ad, &context));
    if ((plaintext.len > 0 &&
         EVP_CipherUpdate(context, target, &len, plaintext.data, (int)plaintext.len) != 1) ||
        EVP_CipherFinal_ex(context, none, &rest) != 1 || (size_t)len != plaintext.len ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, KS_AEAD_TAG_LEN,
                            target + plaintext.len) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "AES-256-GCM"));
    }
    ks_buf_grew(out_sealed, plaintext.len + KS_AEAD_TAG_LEN);
out:
    EVP_CIPHER_CTX_free(context);
    return err;
}

enum ks_err ks_aead_open(const uint8_t key[KS_AEAD_KEY_LEN],
                         const uint8_t nonce[KS_AEAD_NONCE_LEN], struct ks_bytes ad,
                         struct ks_bytes sealed, struct ks_buf *out_plaintext)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(sealed, "sealed message");
    struct ks_bytes ciphertext;
    uint8_t tag[KS_AEAD_TAG_LEN];
    EVP_CIPHER_CTX *context = NULL;
    uint8_t *target = NULL;
    uint8_t none[1];
    int len = 0;
    int rest = 0;

    KS_CHECK(sealed.len >= KS_AEAD_TAG_LEN, KS_ERR_VERIFY,
             "a sealed message of %zu bytes is shorter than its tag", sealed.len);
    KS_TRY(ks_read_bytes(&reader, sealed.len - KS_AEAD_TAG_LEN, &ciphertext));
    KS_TRY(ks_read_copy(&reader, tag, sizeof(tag)));
    KS_TRY(check_lens(ad.len, ciphertext.len));
    target = ks_buf_reserve(out_plaintext, ciphertext.len);
    if (target == NULL && ciphertext.len > 0) {
        KS_TRY(ks_buf_check(out_plaintext));
    }
    KS_TRY(start(false, key, nonce, ad, &context));
    if (EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, KS_AEAD_TAG_LEN, tag) != 1 ||
        (ciphertext.len > 0 &&
         EVP_CipherUpdate(context, target, &len, ciphertext.data, (int)ciphertext.len) != 1)) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "AES-256-GCM"));
    }
    if (EVP_CipherFinal_ex(context, none, &rest) != 1 || (size_t)len != ciphertext.len) {
        KS_TRY(ks_fail(KS_ERR_VERIFY, "the sealed message was changed, or the key is wrong"));
    }
    ks_buf_grew(out_plaintext, ciphertext.len);
out:
    if (err != KS_OK && target != NULL) {
        ks_wipe(target, ciphertext.len); /* what was decrypted before the tag failed */
    }
    EVP_CIPHER_CTX_free(context);
    return err;
}
