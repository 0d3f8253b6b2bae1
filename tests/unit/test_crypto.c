/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Digests, keys, key files, ML-KEM and AES-256-GCM: what published vectors do not cover. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/err.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "crypto/aead.h"
#include "crypto/digest.h"
#include "crypto/kem.h"
#include "crypto/keyfile.h"
#include "crypto/sign.h"
#include "crypto/tpmkey.h"
#include "crypto/version.h"

static void assert_digest(const uint8_t digest[KS_SHA256_LEN], const char *want)
{
    char text[2 * KS_SHA256_LEN + 1];

    ks_hex_encode(ks_bytes_of(digest, KS_SHA256_LEN), text);
    assert_string_equal(text, want);
}

/* FIPS 180-4 examples (csrc.nist.gov, SHA256.pdf), whole, in parts and streamed. */
static void test_sha256(void **state)
{
    static const struct {
        const char *text;
        const char *digest;
    } examples[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    uint8_t digest[KS_SHA256_LEN];
    struct ks_sha256 *hash = NULL;
    uint8_t block[1000];

    (void)state;
    for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
        struct ks_bytes text = ks_bytes_text(examples[i].text);
        const struct ks_bytes parts[] = {
            ks_bytes_of(text.data, text.len / 3),
            {NULL, 0},
            ks_bytes_of(text.data + text.len / 3, text.len - text.len / 3),
        };
        ks_sha256(text, digest);
        assert_digest(digest, examples[i].digest);
        ks_sha256_parts(parts, 3, digest);
        assert_digest(digest, examples[i].digest);
    }
    ks_sha256((struct ks_bytes){NULL, 0}, digest);
    assert_digest(digest, examples[0].digest);

    for (size_t i = 0; i < sizeof(block); i++) {
        block[i] = 'a';
    }
    assert_int_equal(ks_sha256_new(&hash), KS_OK);
    for (size_t i = 0; i < 1000; i++) {
        ks_sha256_update(hash, KS_BYTES(block));
    }
    ks_sha256_final(hash, digest);
    ks_sha256_free(hash);
    assert_digest(digest, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    ks_sha256_free(NULL);
}

static void test_hkdf_limits(void **state)
{
    uint8_t key[32];

    (void)state;
    assert_int_equal(ks_hkdf_sha256(KS_LITERAL("s"), KS_LITERAL(""), KS_LITERAL(""), key, 0),
                     KS_ERR_USAGE);
    assert_int_equal(ks_hkdf_sha256(KS_LITERAL("s"), KS_LITERAL(""), KS_LITERAL(""), key,
                                    KS_HKDF_SHA256_LEN_MAX + 1),
                     KS_ERR_USAGE);
}

/* A seed of the right length counting up from FIRST. */
static struct ks_sign_key *key_of(enum ks_sig_alg alg, uint8_t first)
{
    uint8_t seed[KS_SIG_SEED_LEN_MAX];
    struct ks_sign_key *key = NULL;

    for (size_t i = 0; i < sizeof(seed); i++) {
        seed[i] = (uint8_t)(first + i);
    }
    assert_int_equal(ks_sign_key_from_seed(alg, ks_bytes_of(seed, ks_sig_seed_len(alg)), &key),
                     KS_OK);
    return key;
}

static void test_signatures_of(enum ks_sig_alg alg)
{
    const char *context = alg == KS_SIG_ED25519 ? "" : "ketseal/test/1";
    struct ks_sign_key *key = key_of(alg, 1);
    struct ks_sign_key *other = key_of(alg, 2);
    struct ks_verify_key *verify_key = NULL;
    struct ks_verify_key *other_key = NULL;
    struct ks_bytes message = KS_LITERAL("a message");
    struct ks_buf signature;
    struct ks_buf again;

    ks_buf_init(&signature, KS_SIG_LEN_MAX + 1);
    ks_buf_init(&again, KS_SIG_LEN_MAX);
    assert_int_equal(ks_sign_key_alg(key), alg);
    assert_int_equal(ks_sign_key_verify_key(key, &verify_key), KS_OK);
    assert_int_equal(ks_sign_key_verify_key(other, &other_key), KS_OK);
    assert_int_equal(ks_sign(key, context, message, &signature), KS_OK);
    assert_int_equal(signature.len, ks_sig_len(alg));
    assert_int_equal(ks_verify(verify_key, context, message, ks_buf_view(&signature)), KS_OK);
    assert_int_equal(ks_verify(other_key, context, message, ks_buf_view(&signature)),
                     KS_ERR_VERIFY);
    assert_int_equal(
        ks_verify(verify_key, context, KS_LITERAL("a Message"), ks_buf_view(&signature)),
        KS_ERR_VERIFY);
    assert_int_equal(
        ks_verify(verify_key, context, message, ks_bytes_of(signature.data, signature.len - 1)),
        KS_ERR_VERIFY);
    ks_buf_put_u8(&signature, 0);
    assert_int_equal(ks_verify(verify_key, context, message, ks_buf_view(&signature)),
                     KS_ERR_VERIFY);
    signature.len--;
    if (alg != KS_SIG_ED25519) {
        assert_int_equal(
            ks_verify(verify_key, "ketseal/test/2", message, ks_buf_view(&signature)),
            KS_ERR_VERIFY);
        assert_int_equal(ks_verify(verify_key, "", message, ks_buf_view(&signature)),
                         KS_ERR_VERIFY);
        assert_int_equal(ks_sign(key, context, message, &again), KS_OK);
        assert_false(ks_bytes_equal(ks_buf_view(&signature), ks_buf_view(&again))); /* hedged */
    }
    for (size_t i = 0; i < signature.len; i += 97) {
        signature.data[i] ^= 0x10;
        assert_int_equal(ks_verify(verify_key, context, message, ks_buf_view(&signature)),
                         KS_ERR_VERIFY);
        signature.data[i] ^= 0x10;
    }
    assert_int_equal(ks_verify(verify_key, context, message, ks_buf_view(&signature)), KS_OK);
    assert_int_equal(ERR_peek_error(), 0);
    ks_sign_key_free(key);
    ks_sign_key_free(other);
    ks_verify_key_free(verify_key);
    ks_verify_key_free(other_key);
    ks_buf_done(&signature);
    ks_buf_done(&again);
}

static void test_signatures(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KS_SIG_ALG_COUNT; i++) {
        test_signatures_of((enum ks_sig_alg)i);
    }
}

static void test_key_shapes(void **state)
{
    uint8_t bytes[KS_SIG_PUBLIC_LEN_MAX + 1] = {0};
    struct ks_sign_key *sign_key = NULL;
    struct ks_verify_key *verify_key = NULL;
    enum ks_sig_alg found = KS_SIG_ED25519;

    (void)state;
    for (unsigned i = 0; i < KS_SIG_ALG_COUNT; i++) {
        enum ks_sig_alg alg = (enum ks_sig_alg)i;
        assert_int_equal(ks_sig_alg_from_name(ks_bytes_text(ks_sig_alg_name(alg)), &found),
                         KS_OK);
        assert_int_equal(found, alg);
        assert_int_equal(
            ks_sign_key_from_seed(alg, ks_bytes_of(bytes, ks_sig_seed_len(alg) - 1), &sign_key),
            KS_ERR_FORMAT);
        assert_int_equal(
            ks_sign_key_from_seed(alg, ks_bytes_of(bytes, ks_sig_seed_len(alg) + 1), &sign_key),
            KS_ERR_FORMAT);
        assert_int_equal(
            ks_verify_key_new(alg, ks_bytes_of(bytes, ks_sig_public_len(alg) - 1), &verify_key),
            KS_ERR_FORMAT);
        assert_int_equal(
            ks_verify_key_new(alg, ks_bytes_of(bytes, ks_sig_public_len(alg) + 1), &verify_key),
            KS_ERR_FORMAT);
    }
    assert_int_equal(ks_sig_alg_from_name(KS_LITERAL("ML-DSA-66"), &found), KS_ERR_FORMAT);
    assert_null(sign_key);
    assert_null(verify_key);
    assert_int_equal(ks_crypto_check_version(), KS_OK);
}

/* --- key files ---------------------------------------------------------------------------- */

static void test_key_pem(void **state)
{
    struct ks_buf pem;
    struct ks_buf again;
    struct ks_buf want;
    struct ks_buf got;

    (void)state;
    for (unsigned i = 0; i < KS_SIG_ALG_COUNT; i++) {
        struct ks_sign_key *key = key_of((enum ks_sig_alg)i, 7);
        struct ks_sign_key *read = NULL;
        ks_buf_init(&pem, KS_KEY_PEM_MAX);
        ks_buf_init(&again, KS_KEY_PEM_MAX);
        ks_buf_init(&want, KS_SIG_PUBLIC_LEN_MAX);
        ks_buf_init(&got, KS_SIG_PUBLIC_LEN_MAX);
        assert_int_equal(ks_sign_key_to_pem(key, &pem), KS_OK);
        assert_int_equal(ks_sign_key_from_pem(ks_buf_view(&pem), &read), KS_OK);
        assert_int_equal(ks_sign_key_alg(read), (enum ks_sig_alg)i);
        assert_int_equal(ks_sign_key_to_pem(read, &again), KS_OK);
        assert_true(ks_bytes_equal(ks_buf_view(&pem), ks_buf_view(&again)));
        assert_int_equal(ks_sign_key_public(key, &want), KS_OK);
        assert_int_equal(ks_sign_key_public(read, &got), KS_OK);
        assert_true(ks_bytes_equal(ks_buf_view(&want), ks_buf_view(&got)));
        ks_sign_key_free(read);
        read = NULL;
        for (size_t cut = 0; cut < pem.len; cut++) {
            assert_int_equal(ks_sign_key_from_pem(ks_bytes_of(pem.data, cut), &read),
                             KS_ERR_FORMAT);
        }
        ks_buf_put_text(&pem, "\n");
        assert_int_equal(ks_sign_key_from_pem(ks_buf_view(&pem), &read), KS_ERR_FORMAT);
        assert_null(read);
        ks_sign_key_free(key);
        ks_buf_wipe(&pem);
        ks_buf_wipe(&again);
        ks_buf_done(&want);
        ks_buf_done(&got);
    }
}

/* Published keys: RFC 8410 §10.3, and the "seed" form of RFC 9881 appendix C.1.1 (seed 00 01 …
 * 1f). */
static void test_key_pem_published(void **state)
{
    static const char ed25519[] =
        "-----BEGIN PRIVATE KEY-----\n"
        "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
        "-----END PRIVATE KEY-----\n";
    static const char ml_dsa_44[] =
        "-----BEGIN PRIVATE KEY-----\n"
        "MDQCAQAwCwYJYIZIAWUDBAMRBCKAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZ\n"
        "GhscHR4f\n"
        "-----END PRIVATE KEY-----\n";
    struct ks_sign_key *key = NULL;
    struct ks_buf public_key;
    uint8_t want[32];

    (void)state;
    ks_buf_init(&public_key, KS_SIG_PUBLIC_LEN_MAX);
    assert_int_equal(ks_sign_key_from_pem(ks_bytes_text(ed25519), &key), KS_OK);
    assert_int_equal(ks_sign_key_public(key, &public_key), KS_OK);
    assert_int_equal(
        ks_hex_decode(
            KS_LITERAL("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1"),
            want, sizeof(want)),
        KS_OK);
    assert_true(ks_bytes_equal(ks_buf_view(&public_key), KS_BYTES(want)));
    ks_sign_key_free(key);
    key = NULL;
    assert_int_equal(ks_sign_key_from_pem(ks_bytes_text(ml_dsa_44), &key), KS_OK);
    assert_int_equal(ks_sign_key_alg(key), KS_SIG_MLDSA44);
    ks_sign_key_free(key);
    ks_buf_done(&public_key);
}

static void test_key_of_false_root(void **state)
{
    struct ks_sign_key *key = key_of(KS_SIG_SLHDSA_SHA2_128F, 3);
    struct ks_sign_key *read = NULL;
    struct ks_buf pem;

    (void)state;
    ks_buf_init(&pem, KS_KEY_PEM_MAX);
    assert_int_equal(ks_sign_key_to_pem(key, &pem), KS_OK);
    /* The second line of base64 ends with the 16 bytes of PK.root. */
    pem.data[28 + 65 + 40] = pem.data[28 + 65 + 40] == 'A' ? 'B' : 'A';
    assert_int_equal(ks_sign_key_from_pem(ks_buf_view(&pem), &read), KS_ERR_FORMAT);
    assert_null(read);
    ks_sign_key_free(key);
    ks_buf_wipe(&pem);
}

static void test_key_file(void **state)
{
    char folder[] = "/tmp/ketseal-key-XXXXXX";
    char path[64];
    struct ks_sign_key *key = key_of(KS_SIG_MLDSA65, 9);
    struct ks_sign_key *read = NULL;
    struct stat status;

    (void)state;
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/key.pem", folder);
    assert_int_equal(ks_sign_key_load(path, &read), KS_ERR_NOT_FOUND);
    assert_int_equal(ks_sign_key_save(key, path), KS_OK);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(ks_sign_key_save(key, path), KS_ERR_CONFLICT);
    assert_int_equal(ks_sign_key_load(path, &read), KS_OK);
    ks_sign_key_free(read);
    read = NULL;
    static const mode_t refused[] = {0640, 0604, 0660, 0610, 0602};
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        assert_int_equal(chmod(path, refused[i]), 0);
        assert_int_equal(ks_sign_key_load(path, &read), KS_ERR_DENIED);
    }
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(ks_sign_key_load(path, &read), KS_OK);
    ks_sign_key_free(read);
    read = NULL;
    assert_int_equal(ks_sign_key_load(folder, &read), KS_ERR_DENIED); /* not a file */
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(ks_sign_key_load(path, &read), KS_ERR_FORMAT);
    assert_int_equal(truncate(path, 0), 0);
    assert_int_equal(ks_sign_key_load(path, &read), KS_ERR_FORMAT);
    assert_int_equal(truncate(path, 10000), 0);
    assert_int_equal(ks_sign_key_load(path, &read), KS_ERR_FORMAT);
    assert_null(read);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(folder), 0);
    ks_sign_key_free(key);
}

/* --- ML-KEM, AES-256-GCM, TPM keys -------------------------------------------------------- */

static void test_kem(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KS_KEM_ALG_COUNT; i++) {
        enum ks_kem_alg alg = (enum ks_kem_alg)i;
        struct ks_kem_key *key = NULL;
        struct ks_secret ours = {.len = 0};
        struct ks_secret theirs = {.len = 0};
        struct ks_buf public_key;
        struct ks_buf ciphertext;

        ks_buf_init(&public_key, KS_KEM_PUBLIC_LEN_MAX);
        ks_buf_init(&ciphertext, KS_KEM_CIPHERTEXT_LEN_MAX);
        assert_int_equal(ks_kem_key_new(alg, &key), KS_OK);
        assert_int_equal(ks_kem_key_alg(key), alg);
        assert_int_equal(ks_kem_key_public(key, &public_key), KS_OK);
        assert_int_equal(ks_kem_encap(alg, ks_buf_view(&public_key), &ciphertext, &ours),
                         KS_OK);
        assert_int_equal(ciphertext.len, ks_kem_ciphertext_len(alg));
        assert_int_equal(ks_kem_decap(key, ks_buf_view(&ciphertext), &theirs), KS_OK);
        assert_int_equal(theirs.len, KS_KEM_SHARED_LEN);
        assert_true(ks_ct_equal(ks_secret_view(&ours), ks_secret_view(&theirs)));
        ciphertext.data[5] ^= 1; /* implicit rejection: another secret, no error */
        assert_int_equal(ks_kem_decap(key, ks_buf_view(&ciphertext), &theirs), KS_OK);
        assert_false(ks_ct_equal(ks_secret_view(&ours), ks_secret_view(&theirs)));
        assert_int_equal(
            ks_kem_decap(key, ks_bytes_of(ciphertext.data, ciphertext.len - 1), &theirs),
            KS_ERR_FORMAT);
        assert_int_equal(ks_kem_encap(alg, ks_bytes_of(public_key.data, public_key.len - 1),
                                      &ciphertext, &ours),
                         KS_ERR_FORMAT);
        assert_int_equal(ERR_peek_error(), 0);
        ks_kem_key_free(key);
        ks_secret_done(&ours);
        ks_secret_done(&theirs);
        ks_buf_done(&public_key);
        ks_buf_done(&ciphertext);
    }
}

static void test_aead(void **state)
{
    uint8_t key[KS_AEAD_KEY_LEN] = {1};
    uint8_t nonce[KS_AEAD_NONCE_LEN] = {2};
    struct ks_buf sealed;
    struct ks_buf opened;

    (void)state;
    ks_buf_init(&sealed, 256);
    ks_buf_init(&opened, 256);
    assert_int_equal(ks_aead_seal(key, nonce, KS_LITERAL("ad"), KS_LITERAL("text"), &sealed),
                     KS_OK);
    assert_int_equal(sealed.len, 4 + KS_AEAD_TAG_LEN);
    for (size_t bit = 0; bit < 8 * sealed.len; bit++) {
        sealed.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
        assert_int_equal(
            ks_aead_open(key, nonce, KS_LITERAL("ad"), ks_buf_view(&sealed), &opened),
            KS_ERR_VERIFY);
        sealed.data[bit / 8] ^= (uint8_t)(1U << bit % 8);
    }
    for (size_t len = 0; len < sealed.len; len++) {
        assert_int_equal(
            ks_aead_open(key, nonce, KS_LITERAL("ad"), ks_bytes_of(sealed.data, len), &opened),
            KS_ERR_VERIFY);
    }
    assert_int_equal(ks_aead_open(key, nonce, KS_LITERAL("aD"), ks_buf_view(&sealed), &opened),
                     KS_ERR_VERIFY);
    assert_int_equal(opened.len, 0);
    assert_int_equal(ks_aead_open(key, nonce, KS_LITERAL("ad"), ks_buf_view(&sealed), &opened),
                     KS_OK);
    assert_true(ks_bytes_is(ks_buf_view(&opened), "text"));

    /* Nothing at all is a message too. */
    ks_buf_clear(&sealed);
    ks_buf_clear(&opened);
    assert_int_equal(ks_aead_seal(key, nonce, KS_LITERAL(""), KS_LITERAL(""), &sealed), KS_OK);
    assert_int_equal(ks_aead_open(key, nonce, KS_LITERAL(""), ks_buf_view(&sealed), &opened),
                     KS_OK);
    assert_int_equal(opened.len, 0);
    ks_buf_done(&sealed);
    ks_buf_done(&opened);
}

static void test_tpm_key_shapes(void **state)
{
    uint8_t bytes[KS_RSA_LEN_MAX + 1];
    uint8_t digest[32] = {0};
    uint8_t one[32] = {[31] = 1};

    (void)state;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = 0xff;
    }
    struct ks_bytes modulus = ks_bytes_of(bytes, 256);
    assert_int_equal(ks_ecdsa_p256_verify(one, one, digest, one, one),
                     KS_ERR_FORMAT); /* off curve */
    assert_int_equal(ks_rsa_verify(modulus, 3, digest, modulus), KS_ERR_FORMAT);
    assert_int_equal(ks_rsa_verify(ks_bytes_of(bytes, 255), 65537, digest, modulus),
                     KS_ERR_FORMAT);
    assert_int_equal(ks_rsa_verify(KS_BYTES(bytes), 65537, digest, modulus), KS_ERR_FORMAT);
    assert_int_equal(ks_rsa_verify(modulus, 65537, digest, ks_bytes_of(bytes, 255)),
                     KS_ERR_VERIFY);
    bytes[255] = 0xfe;
    assert_int_equal(ks_rsa_verify(modulus, 65537, digest, modulus), KS_ERR_FORMAT); /* even */
    assert_int_equal(ERR_peek_error(), 0);
}

/* --- threads ------------------------------------------------------------------------------ */

struct shared {
    const struct ks_verify_key *key;
    struct ks_bytes signature;
    int failures; /* of its own thread */
};

static void *verify_often(void *argument)
{
    struct shared *shared = argument;
    uint8_t digest[KS_SHA256_LEN];

    for (int i = 0; i < 50; i++) {
        ks_sha256(KS_LITERAL("abc"), digest);
        shared->failures += digest[0] != 0xba;
        shared->failures +=
            ks_verify(shared->key, "", KS_LITERAL("m"), shared->signature) != KS_OK;
        shared->failures +=
            ks_verify(shared->key, "", KS_LITERAL("n"), shared->signature) != KS_ERR_VERIFY;
    }
    return NULL;
}

static void test_threads_share_a_key(void **state)
{
    struct ks_sign_key *key = key_of(KS_SIG_MLDSA44, 5);
    struct ks_verify_key *verify_key = NULL;
    struct ks_buf signature;
    pthread_t threads[4];
    struct shared shared[4];

    (void)state;
    ks_buf_init(&signature, KS_SIG_LEN_MAX);
    assert_int_equal(ks_sign_key_verify_key(key, &verify_key), KS_OK);
    assert_int_equal(ks_sign(key, "", KS_LITERAL("m"), &signature), KS_OK);
    for (size_t i = 0; i < 4; i++) {
        shared[i] = (struct shared){verify_key, ks_buf_view(&signature), 0};
        assert_int_equal(pthread_create(&threads[i], NULL, verify_often, &shared[i]), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(shared[i].failures, 0);
    }
    ks_sign_key_free(key);
    ks_verify_key_free(verify_key);
    ks_buf_done(&signature);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha256),
        cmocka_unit_test(test_hkdf_limits),
        cmocka_unit_test(test_signatures),
        cmocka_unit_test(test_key_shapes),
        cmocka_unit_test(test_key_pem),
        cmocka_unit_test(test_key_pem_published),
        cmocka_unit_test(test_key_of_false_root),
        cmocka_unit_test(test_key_file),
        cmocka_unit_test(test_kem),
        cmocka_unit_test(test_aead),
        cmocka_unit_test(test_tpm_key_shapes),
        cmocka_unit_test(test_threads_share_a_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
