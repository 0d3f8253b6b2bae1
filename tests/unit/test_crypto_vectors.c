/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Replays tests/vectors/crypto: Wycheproof and NIST ACVP. The line format is described in
 * tools/vectors_from_wycheproof.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/digest.h"
#include "crypto/internal.h"
#include "crypto/kem.h"
#include "crypto/sign.h"
#include "crypto/tpmkey.h"
#include "vector_files.h"

#define BASES_MAX 512
#define VALUE_MAX (256 * 1024)

struct vectors {
    const char *file;
    struct ks_buf text;
    struct ks_buf bases[BASES_MAX];
    size_t base_count;
    struct ks_bytes group; /* the fields of the last 'group' line */
    struct ks_bytes test;
    size_t valid_count;
    size_t invalid_count;
};

/* --- fields ------------------------------------------------------------------------------- */

static struct ks_bytes cut(struct ks_bytes *rest, char separator)
{
    size_t len = 0;
    struct ks_bytes piece;

    while (len < rest->len && rest->data[len] != (uint8_t)separator) {
        len++;
    }
    piece = ks_bytes_of(rest->data, len);
    *rest = len == rest->len ? (struct ks_bytes){NULL, 0}
                             : ks_bytes_of(rest->data + len + 1, rest->len - len - 1);
    return piece;
}

static bool find(struct ks_bytes fields, const char *name, struct ks_bytes *out_value)
{
    while (fields.len > 0) {
        struct ks_bytes value = cut(&fields, ' ');
        struct ks_bytes key = cut(&value, '=');
        if (ks_bytes_is(key, name)) {
            *out_value = value;
            return true;
        }
    }
    return false;
}

static bool word(const struct vectors *vectors, const char *name, struct ks_bytes *out_value)
{
    return find(vectors->test, name, out_value) || find(vectors->group, name, out_value);
}

static size_t number_of(struct ks_bytes text)
{
    uint64_t value = 0;

    assert_int_equal(ks_text_u64(text, VALUE_MAX, &value), KS_OK);
    return (size_t)value;
}

/* Appends the bytes of field NAME; an absent one is empty. */
static void octets(const struct vectors *vectors, const char *name, struct ks_buf *out)
{
    struct ks_bytes value = {NULL, 0};

    ks_buf_init(out, VALUE_MAX);
    (void)word(vectors, name, &value);
    if (value.len > 0 && value.data[0] == '@') {
        struct ks_bytes rest = ks_bytes_of(value.data + 1, value.len - 1);
        size_t base = number_of(cut(&rest, ':'));
        size_t prefix = number_of(cut(&rest, ':'));
        struct ks_bytes middle = cut(&rest, ':');
        size_t suffix = number_of(rest);
        struct ks_bytes from;

        assert_true(base < vectors->base_count);
        from = ks_buf_view(&vectors->bases[base]);
        assert_true(prefix <= from.len && suffix <= from.len);
        ks_buf_put(out, ks_bytes_of(from.data, prefix));
        assert_int_equal(ks_base64_decode(middle, out), KS_OK);
        ks_buf_put(out, ks_bytes_of(from.data + from.len - suffix, suffix));
    } else if (value.len > 0) {
        uint8_t *target = ks_buf_reserve(out, value.len / 2);
        assert_non_null(target);
        assert_int_equal(ks_hex_decode(value, target, value.len / 2), KS_OK);
        ks_buf_grew(out, value.len / 2);
    }
    assert_int_equal(ks_buf_check(out), KS_OK);
}

/* True if field NAME is absent, or the SHA-256 of BYTES. */
static bool digest_is(const struct vectors *vectors, const char *name, struct ks_bytes bytes)
{
    struct ks_bytes want;
    uint8_t digest[KS_SHA256_LEN];
    char text[2 * KS_SHA256_LEN + 1];

    if (!word(vectors, name, &want)) {
        return true;
    }
    ks_sha256(bytes, digest);
    ks_hex_encode(KS_BYTES(digest), text);
    return ks_bytes_is(want, text);
}

static enum ks_sig_alg sig_alg(const struct vectors *vectors)
{
    struct ks_bytes name = {NULL, 0};
    enum ks_sig_alg alg = KS_SIG_ED25519;

    assert_true(word(vectors, "alg", &name));
    assert_int_equal(ks_sig_alg_from_name(name, &alg), KS_OK);
    return alg;
}

static enum ks_kem_alg kem_alg(const struct vectors *vectors)
{
    struct ks_bytes name = {NULL, 0};

    assert_true(word(vectors, "alg", &name));
    for (unsigned i = 0; i < KS_KEM_ALG_COUNT; i++) {
        if (ks_bytes_is(name, ks_kem_alg_name((enum ks_kem_alg)i))) {
            return (enum ks_kem_alg)i;
        }
    }
    fail_msg("unknown KEM");
    return KS_KEM_MLKEM512;
}

/* --- one function for each kind: KS_OK when the operation succeeds with the given result -- */

/* The mismatch of a computed value with the vector's. */
static enum ks_err differs(const char *what)
{
    return ks_fail(KS_ERR_VERIFY, "%s differs", what);
}

static enum ks_err run_verify(const struct vectors *vectors)
{
    enum ks_err err = KS_OK;
    struct ks_verify_key *key = NULL;
    struct ks_buf public_key;
    struct ks_buf context;
    struct ks_buf message;
    struct ks_buf signature;

    octets(vectors, "public", &public_key);
    octets(vectors, "context", &context);
    octets(vectors, "message", &message);
    octets(vectors, "signature", &signature);
    KS_TRY(ks_verify_key_new(sig_alg(vectors), ks_buf_view(&public_key), &key));
    KS_TRY(ks_verify_with(key, ks_buf_view(&context), ks_buf_view(&message),
                          ks_buf_view(&signature)));
out:
    ks_verify_key_free(key);
    ks_buf_done(&public_key);
    ks_buf_done(&context);
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return err;
}

static enum ks_err run_sign(const struct vectors *vectors)
{
    enum ks_err err = KS_OK;
    struct ks_sign_key *key = NULL;
    struct ks_verify_key *verify_key = NULL;
    struct ks_sign_options options = {.deterministic = true};
    struct ks_buf seed;
    struct ks_buf context;
    struct ks_buf message;
    struct ks_buf public_key;
    struct ks_buf signature;

    octets(vectors, "seed", &seed);
    octets(vectors, "context", &context);
    octets(vectors, "message", &message);
    ks_buf_init(&public_key, KS_SIG_PUBLIC_LEN_MAX);
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    options.context = ks_buf_view(&context);
    KS_TRY(ks_sign_key_from_seed(sig_alg(vectors), ks_buf_view(&seed), &key));
    KS_TRY(ks_sign_key_public(key, &public_key));
    KS_TRY(digest_is(vectors, "public_sha256", ks_buf_view(&public_key))
               ? KS_OK
               : differs("public key"));
    KS_TRY(ks_sign_with(key, &options, ks_buf_view(&message), &signature));
    KS_TRY(digest_is(vectors, "signature_sha256", ks_buf_view(&signature))
               ? KS_OK
               : differs("signature"));
    KS_TRY(ks_sign_key_verify_key(key, &verify_key));
    KS_TRY(ks_verify_with(verify_key, ks_buf_view(&context), ks_buf_view(&message),
                          ks_buf_view(&signature)));
out:
    ks_sign_key_free(key);
    ks_verify_key_free(verify_key);
    ks_buf_done(&seed);
    ks_buf_done(&context);
    ks_buf_done(&message);
    ks_buf_done(&public_key);
    ks_buf_done(&signature);
    return err;
}

static enum ks_err run_sign_keygen(const struct vectors *vectors)
{
    enum ks_err err = KS_OK;
    struct ks_sign_key *key = NULL;
    struct ks_buf seed;
    struct ks_buf public_key;

    octets(vectors, "seed", &seed);
    ks_buf_init(&public_key, KS_SIG_PUBLIC_LEN_MAX);
    KS_TRY(ks_sign_key_from_seed(sig_alg(vectors), ks_buf_view(&seed), &key));
    KS_TRY(ks_sign_key_public(key, &public_key));
    KS_TRY(digest_is(vectors, "public_sha256", ks_buf_view(&public_key))
               ? KS_OK
               : differs("public key"));
out:
    ks_sign_key_free(key);
    ks_buf_done(&seed);
    ks_buf_done(&public_key);
    return err;
}

static enum ks_err run_kem_keygen(const struct vectors *vectors)
{
    enum ks_err err = KS_OK;
    struct ks_kem_key *key = NULL;
    struct ks_buf seed;
    struct ks_buf public_key;

    octets(vectors, "seed", &seed);
    ks_buf_init(&public_key, KS_KEM_PUBLIC_LEN_MAX);
    KS_TRY(ks_kem_key_from_seed(kem_alg(vectors), ks_buf_view(&seed), &key));
    KS_TRY(ks_kem_key_public(key, &public_key));
    KS_TRY(digest_is(vectors, "public_sha256", ks_buf_view(&public_key))
               ? KS_OK
               : differs("public key"));
out:
    ks_kem_key_free(key);
    ks_buf_done(&seed);
    ks_buf_done(&public_key);
    return err;
}

static enum ks_err run_kem_encap(const struct vectors *vectors)
{
    enum ks_err err = KS_OK;
    struct ks_secret shared = {.len = 0};
    struct ks_buf public_key;
    struct ks_buf entropy;
    struct ks_buf want;
    struct ks_buf ciphertext;

    octets(vectors, "public", &public_key);
    octets(vectors, "entropy", &entropy);
    octets(vectors, "shared", &want);
    ks_buf_init(&ciphertext, KS_KEM_CIPHERTEXT_LEN_MAX);
    KS_TRY(ks_kem_encap_with(kem_alg(vectors), ks_buf_view(&public_key), ks_buf_view(&entropy),
                             &ciphertext, &shared));
    KS_TRY(digest_is(vectors, "ciphertext_sha256", ks_buf_view(&ciphertext))
               ? KS_OK
               : differs("ciphertext"));
    KS_TRY(ks_bytes_equal(ks_secret_view(&shared), ks_buf_view(&want)) ? KS_OK
                                                                       : differs("secret"));
out:
    ks_secret_done(&shared);
    ks_buf_done(&public_key);
    ks_buf_done(&entropy);
    ks_buf_done(&want);
    ks_buf_done(&ciphertext);
    return err;
}

static enum ks_err run_kem_decap(const struct vectors *vectors)
{
    enum ks_err err = KS_OK;
    struct ks_kem_key *key = NULL;
    struct ks_secret shared = {.len = 0};
    struct ks_buf seed;
    struct ks_buf ciphertext;
    struct ks_buf want;

    octets(vectors, "seed", &seed);
    octets(vectors, "ciphertext", &ciphertext);
    octets(vectors, "shared", &want);
    KS_TRY(ks_kem_key_from_seed(kem_alg(vectors), ks_buf_view(&seed), &key));
    KS_TRY(ks_kem_decap(key, ks_buf_view(&ciphertext), &shared));
    KS_TRY(ks_bytes_equal(ks_secret_view(&shared), ks_buf_view(&want)) ? KS_OK
                                                                       : differs("secret"));
out:
    ks_kem_key_free(key);
    ks_secret_done(&shared);
    ks_buf_done(&seed);
    ks_buf_done(&ciphertext);
    ks_buf_done(&want);
    return err;
}

static enum ks_err run_aead(const struct vectors *vectors)
{
    enum ks_err err = KS_OK;
    struct ks_buf key;
    struct ks_buf nonce;
    struct ks_buf ad;
    struct ks_buf message;
    struct ks_buf sealed;
    struct ks_buf out_sealed;
    struct ks_buf opened;

    octets(vectors, "key", &key);
    octets(vectors, "nonce", &nonce);
    octets(vectors, "ad", &ad);
    octets(vectors, "message", &message);
    octets(vectors, "sealed", &sealed);
    ks_buf_init(&out_sealed, VALUE_MAX);
    ks_buf_init(&opened, VALUE_MAX);
    assert_int_equal(key.len, KS_AEAD_KEY_LEN);
    assert_int_equal(nonce.len, KS_AEAD_NONCE_LEN);
    err = ks_aead_open(key.data, nonce.data, ks_buf_view(&ad), ks_buf_view(&sealed), &opened);
    if (err != KS_OK) {
        assert_int_equal(opened.len, 0); /* nothing unauthenticated may come out */
        goto out;
    }
    KS_TRY(ks_bytes_equal(ks_buf_view(&opened), ks_buf_view(&message)) ? KS_OK
                                                                       : differs("plaintext"));
    KS_TRY(ks_aead_seal(key.data, nonce.data, ks_buf_view(&ad), ks_buf_view(&message),
                        &out_sealed));
    KS_TRY(ks_bytes_equal(ks_buf_view(&out_sealed), ks_buf_view(&sealed))
               ? KS_OK
               : differs("ciphertext"));
out:
    ks_buf_done(&key);
    ks_buf_done(&nonce);
    ks_buf_done(&ad);
    ks_buf_done(&message);
    ks_buf_done(&sealed);
    ks_buf_done(&out_sealed);
    ks_buf_done(&opened);
    return err;
}

static enum ks_err run_hmac(const struct vectors *vectors)
{
    struct ks_buf key;
    struct ks_buf message;
    struct ks_buf tag;
    uint8_t got[KS_HMAC_SHA256_LEN];
    bool equal = false;

    octets(vectors, "key", &key);
    octets(vectors, "message", &message);
    octets(vectors, "tag", &tag);
    ks_hmac_sha256(ks_buf_view(&key), ks_buf_view(&message), got);
    assert_true(tag.len > 0 && tag.len <= sizeof(got));
    equal = ks_ct_equal(ks_bytes_of(got, tag.len), ks_buf_view(&tag));
    ks_buf_done(&key);
    ks_buf_done(&message);
    ks_buf_done(&tag);
    return equal ? KS_OK : differs("tag");
}

static enum ks_err run_hkdf(const struct vectors *vectors)
{
    enum ks_err err = KS_OK;
    struct ks_bytes size = {NULL, 0};
    struct ks_buf secret;
    struct ks_buf salt;
    struct ks_buf info;
    struct ks_buf want;
    uint8_t got[KS_HKDF_SHA256_LEN_MAX + 1] = {0};

    octets(vectors, "secret", &secret);
    octets(vectors, "salt", &salt);
    octets(vectors, "info", &info);
    octets(vectors, "okm", &want);
    assert_true(word(vectors, "size", &size));
    KS_TRY(ks_hkdf_sha256(ks_buf_view(&secret), ks_buf_view(&salt), ks_buf_view(&info), got,
                          number_of(size)));
    KS_TRY(ks_bytes_equal(ks_bytes_of(got, number_of(size)), ks_buf_view(&want))
               ? KS_OK
               : differs("key"));
out:
    ks_buf_done(&secret);
    ks_buf_done(&salt);
    ks_buf_done(&info);
    ks_buf_done(&want);
    return err;
}

static enum ks_err run_tpm(const struct vectors *vectors, bool rsa)
{
    enum ks_err err = KS_OK;
    struct ks_buf modulus;
    struct ks_buf x;
    struct ks_buf y;
    struct ks_buf message;
    struct ks_buf signature;
    uint8_t digest[KS_SHA256_LEN];

    octets(vectors, "modulus", &modulus);
    octets(vectors, "x", &x);
    octets(vectors, "y", &y);
    octets(vectors, "message", &message);
    octets(vectors, "signature", &signature);
    ks_sha256(ks_buf_view(&message), digest);
    if (rsa) {
        KS_TRY(ks_rsa_verify(ks_buf_view(&modulus), KS_RSA_EXPONENT, digest,
                             ks_buf_view(&signature)));
    } else {
        assert_true(x.len == KS_P256_LEN && y.len == KS_P256_LEN &&
                    signature.len == 2 * KS_P256_LEN);
        KS_TRY(ks_ecdsa_p256_verify(x.data, y.data, digest, signature.data,
                                    signature.data + KS_P256_LEN));
    }
out:
    ks_buf_done(&modulus);
    ks_buf_done(&x);
    ks_buf_done(&y);
    ks_buf_done(&message);
    ks_buf_done(&signature);
    return err;
}

static enum ks_err run_rsa(const struct vectors *vectors)
{
    return run_tpm(vectors, true);
}

static enum ks_err run_ecdsa(const struct vectors *vectors)
{
    return run_tpm(vectors, false);
}

/* --- files -------------------------------------------------------------------------------- */

static const struct {
    const char *kind;
    enum ks_err (*run)(const struct vectors *vectors);
} kinds[] = {
    {"aead", run_aead},
    {"ecdsa", run_ecdsa},
    {"hkdf", run_hkdf},
    {"hmac", run_hmac},
    {"kem_decap", run_kem_decap},
    {"kem_encap", run_kem_encap},
    {"kem_keygen", run_kem_keygen},
    {"rsa", run_rsa},
    {"sign", run_sign},
    {"sign_keygen", run_sign_keygen},
    {"verify", run_verify},
};

static void run_one(struct vectors *vectors)
{
    struct ks_bytes kind = {NULL, 0};
    struct ks_bytes id = {NULL, 0};
    struct ks_bytes result = {NULL, 0};
    enum ks_err err = KS_ERR_INTERNAL;
    bool valid = false;

    assert_true(word(vectors, "kind", &kind) && word(vectors, "id", &id) &&
                word(vectors, "result", &result));
    valid = ks_bytes_is(result, "valid");
    assert_true(valid || ks_bytes_is(result, "invalid"));
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (ks_bytes_is(kind, kinds[i].kind)) {
            err = kinds[i].run(vectors);
        }
    }
    if (valid ? err != KS_OK
              : err != KS_ERR_VERIFY && err != KS_ERR_FORMAT && err != KS_ERR_USAGE) {
        fail_msg("%s: test %.*s (%.*s, %s) gave %s: %s", vectors->file, (int)id.len,
                 (const char *)id.data, (int)kind.len, (const char *)kind.data,
                 valid ? "valid" : "invalid", ks_err_name(err), ks_err_detail());
    }
    assert_int_equal(ERR_peek_error(), 0); /* a rest would look like a TLS error later */
    if (valid) {
        vectors->valid_count++;
    } else {
        vectors->invalid_count++;
    }
}

static void run_line(struct vectors *vectors, struct ks_bytes line)
{
    struct ks_bytes what = cut(&line, ' ');

    if (ks_bytes_is(what, "base")) {
        struct ks_buf *base = &vectors->bases[vectors->base_count];
        assert_true(vectors->base_count < BASES_MAX);
        ks_buf_init(base, VALUE_MAX);
        assert_int_equal(ks_base64_decode(line, base), KS_OK);
        vectors->base_count++;
    } else if (ks_bytes_is(what, "group")) {
        vectors->group = line;
    } else if (ks_bytes_is(what, "test")) {
        vectors->test = line;
        run_one(vectors);
    } else {
        assert_true(ks_bytes_is(what, "#"));
    }
}

/* At least VALID_MIN and INVALID_MIN tests have to have run: an empty file would pass
 * otherwise. */
static void run_file(const char *file, size_t valid_min, size_t invalid_min)
{
    static struct vectors vectors; /* too large for the stack */
    struct ks_reader reader;
    struct ks_bytes line;
    char name[64];

    vectors = (struct vectors){.file = file};
    (void)snprintf(name, sizeof(name), "%s.txt", file);
    vector_read("crypto", name, &vectors.text);
    reader = ks_reader_of(ks_buf_view(&vectors.text), file);
    while (reader.rest.len > 0) {
        assert_int_equal(ks_read_line(&reader, &line), KS_OK);
        run_line(&vectors, line);
    }
    print_message("%s: %zu valid, %zu invalid\n", file, vectors.valid_count,
                  vectors.invalid_count);
    assert_true(vectors.valid_count >= valid_min);
    assert_true(vectors.invalid_count >= invalid_min);
    for (size_t i = 0; i < vectors.base_count; i++) {
        ks_buf_done(&vectors.bases[i]);
    }
    ks_buf_done(&vectors.text);
}

static void test_symmetric(void **state)
{
    (void)state;
    run_file("aes_gcm", 39, 27);
    run_file("hmac_sha256", 66, 108);
    run_file("hkdf_sha256", 83, 3);
}

static void test_classical_signatures(void **state)
{
    (void)state;
    run_file("ed25519", 88, 63);
    run_file("ecdsa_p256", 173, 68);
    run_file("rsa_2048", 7, 240);
}

static void test_ml_dsa(void **state)
{
    (void)state;
    run_file("mldsa44_sign", 98, 4);
    run_file("mldsa44_verify", 33, 86);
    run_file("mldsa65_sign", 108, 4);
    run_file("mldsa65_verify", 31, 104);
    run_file("mldsa87_sign", 99, 4);
    run_file("mldsa87_verify", 32, 123);
}

static void test_ml_kem(void **state)
{
    (void)state;
    run_file("mlkem512", 105, 168);
    run_file("mlkem768", 105, 172);
    run_file("mlkem1024", 105, 176);
}

static void test_slh_dsa(void **state)
{
    (void)state;
    run_file("slhdsa", 44, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_symmetric), cmocka_unit_test(test_classical_signatures),
        cmocka_unit_test(test_ml_dsa),    cmocka_unit_test(test_ml_kem),
        cmocka_unit_test(test_slh_dsa),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
