/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Lists of signature algorithms, tls.json of a device, and classical certificates to measure
 * against: these are judged by libcrypto. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "unit/expect.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "base/sys.h"
#include "client/tls_file.h"
#include "crypto/cert.h"
#include "crypto/sigalgs.h"
#include "crypto/yardstick.h"

/* --- lists -------------------------------------------------------------------------------- */

#define BIT(name) KS_SIGALG_BIT(KS_SIG_##name)

static void test_lists(void **state)
{
    static const struct {
        const char *list;
        uint32_t algs;
    } good[] = {
        {NULL, BIT(MLDSA65) | BIT(MLDSA87)},
        {"mldsa44", BIT(MLDSA44)},
        {"mldsa87:mldsa65", BIT(MLDSA65) | BIT(MLDSA87)},
        {"slhdsa_sha2_128s:slhdsa_sha2_128f", KS_SIGALGS_SLHDSA},
        {"mldsa44:mldsa65:mldsa87:slhdsa_sha2_128s:slhdsa_sha2_128f", KS_SIGALGS_ALL},
    };
    static const struct {
        const char *list;
        const char *says;
    } bad[] = {
        {"", "'' is not one"},
        {"mldsa65:", "'' is not one"},
        {":mldsa65", "'' is not one"},
        {"mldsa65::mldsa87", "'' is not one"},
        {"mldsa65 ", "'mldsa65 ' is not one"},
        {"MLDSA65", "'MLDSA65' is not one"},
        {"?mldsa65", "'?mldsa65' is not one"},
        {"mldsa65/mldsa87", "'mldsa65/mldsa87' is not one"},
        {"mldsa", "'mldsa' is not one"},
        {"slhdsa_sha2_128", "'slhdsa_sha2_128' is not one"},
        {"slhdsa_shake_128f", "'slhdsa_shake_128f' is not one"},
        {"ed25519", "'ed25519' is not one"},
        {"mldsa65:ecdsa_secp256r1_sha256", "'ecdsa_secp256r1_sha256' is not one"},
        {"mldsa65:mldsa87:mldsa65", "'mldsa65' is there twice"},
    };
    char endless[KS_SIGALGS_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        uint32_t algs = 0;

        assert_int_equal(ks_sigalgs_parse(good[i].list, &algs), KS_OK);
        assert_int_equal(algs, good[i].algs);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        uint32_t algs = 77;

        expect_failure(ks_sigalgs_parse(bad[i].list, &algs), KS_ERR_USAGE, bad[i].says);
        assert_int_equal(algs, 77);
    }
    memset(endless, 'm', sizeof endless);
    endless[KS_SIGALGS_MAX + 1] = '\0';
    uint32_t algs = 77;
    expect_failure(ks_sigalgs_parse(endless, &algs), KS_ERR_USAGE, "over 255 characters");
}

static void test_names(void **state)
{
    (void)state;
    for (unsigned i = 0; i < KS_SIG_ALG_COUNT; i++) {
        const char *name = ks_sigalgs_name((enum ks_sig_alg)i);
        uint32_t algs = 0;

        assert_int_equal(name != NULL, (KS_SIGALGS_ALL & KS_SIGALG_BIT(i)) != 0);
        if (name != NULL) {
            assert_int_equal(ks_sigalgs_parse(name, &algs), KS_OK);
            assert_int_equal(algs, KS_SIGALG_BIT(i));
        }
    }
    assert_null(ks_sigalgs_name(KS_SIG_ED25519));
}

/* --- tls.json ----------------------------------------------------------------------------- */

static char *folder;

static int make_folder(void **state)
{
    (void)state;
    return ks_dir_temporary("ketseal-test", &folder) == KS_OK ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    assert_int_equal(ks_dir_remove(folder), KS_OK);
    ks_free(folder);
    return 0;
}

static enum ks_err read_text(const char *text, struct ks_tls_file *file)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/" KS_TLS_FILE, folder);
    assert_int_equal(ks_file_write(path, ks_bytes_text(text), 0644), KS_OK);
    return ks_tls_file_read(folder, file);
}

#define SCHEMA "\"schema\": \"ketseal.tls/1\""

static void test_tls_file(void **state)
{
    struct ks_tls_file file = {.groups = "before"};

    (void)state;
    assert_int_equal(ks_tls_file_read(folder, &file), KS_OK); /* absent */
    assert_null(ks_tls_file_text(file.groups));
    assert_null(ks_tls_file_text(file.sigalgs));
    assert_int_equal(read_text("{" SCHEMA "}\n", &file), KS_OK);
    assert_null(ks_tls_file_text(file.groups));
    assert_null(ks_tls_file_text(file.sigalgs));
    assert_int_equal(read_text("{\"groups\": \"MLKEM768\",\n \"signature_algorithms\": "
                               "\"mldsa65:slhdsa_sha2_128f\", " SCHEMA "}",
                               &file),
                     KS_OK);
    assert_string_equal(ks_tls_file_text(file.groups), "MLKEM768");
    assert_string_equal(ks_tls_file_text(file.sigalgs), "mldsa65:slhdsa_sha2_128f");
}

static void test_tls_file_refused(void **state)
{
    static const struct {
        const char *text;
        const char *says;
    } refused[] = {
        {"", KS_TLS_FILE ": "},
        {"[]", KS_TLS_FILE ": "},
        {"{}", "'schema'"},
        {"{\"schema\": \"ketseal.tls/2\"}", "'schema': expected ketseal.tls/1"},
        {"{" SCHEMA ", \"sigalgs\": \"mldsa65\"}", "sigalgs"},
        {"{" SCHEMA ", \"groups\": 1}", "'groups'"},
        {"{" SCHEMA ", \"groups\": \"\"}", "'groups': 1 to 255 characters"},
        {"{" SCHEMA ", \"groups\": \"a b\"}", "'groups': printable ASCII without spaces"},
        {"{" SCHEMA ", \"groups\": \"a\\u0000b\"}", "NUL in a string"},
        {"{" SCHEMA ", \"signature_algorithms\": \"ed25519\"}",
         "'signature_algorithms': signature algorithms: 'ed25519' is not one"},
        {"{" SCHEMA ", \"signature_algorithms\": null}", "'signature_algorithms'"},
        {"{" SCHEMA ", " SCHEMA "}", KS_TLS_FILE ": "},
        {"{" SCHEMA "} {}", KS_TLS_FILE ": "},
    };
    char endless[KS_TLS_FILE_MAX + 2];

    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct ks_tls_file file = {.groups = "before"};

        expect_failure(read_text(refused[i].text, &file), KS_ERR_FORMAT, refused[i].says);
        assert_string_equal(file.groups, "before");
    }
    memset(endless, ' ', sizeof endless);
    endless[KS_TLS_FILE_MAX + 1] = '\0';
    struct ks_tls_file file;
    expect_failure(read_text(endless, &file), KS_ERR_LIMIT, KS_TLS_FILE);
}

/* --- the yardstick ------------------------------------------------------------------------ */

static X509 *x509_of(const struct ks_buf *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    assert_non_null(cert);
    (void)BIO_free(bio);
    return cert;
}

static EVP_PKEY *key_of(const struct ks_buf *pem)
{
    BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);

    assert_non_null(key);
    (void)BIO_free(bio);
    return key;
}

static void assert_leaf(const struct ks_yardstick *yardstick, const struct ks_buf *pem,
                        const struct ks_buf *key_pem, int purpose, const char *type)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509 *root = x509_of(&yardstick->root);
    X509 *leaf = x509_of(pem);
    EVP_PKEY *key = key_of(key_pem);

    assert_int_equal(X509_STORE_add_cert(store, root), 1);
    assert_int_equal(X509_STORE_CTX_init(context, store, leaf, NULL), 1);
    assert_int_equal(X509_STORE_CTX_set_purpose(context, purpose), 1);
    X509_VERIFY_PARAM_set_flags(X509_STORE_CTX_get0_param(context),
                                X509_V_FLAG_CHECK_SS_SIGNATURE);
    assert_int_equal(X509_verify_cert(context), 1);
    assert_int_equal(X509_check_private_key(leaf, key), 1);
    assert_int_equal(EVP_PKEY_is_a(X509_get0_pubkey(leaf), type), 1);
    EVP_PKEY_free(key);
    X509_free(leaf);
    X509_free(root);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
}

static void test_yardstick(void **state)
{
    static const char *const types[] = {"EC", "ED25519"};

    (void)state;
    for (unsigned alg = 0; alg < 2; alg++) {
        struct ks_yardstick made = {{0}};
        struct ks_cert *cert = NULL;
        struct ks_verify_key *key = NULL;

        assert_int_equal(
            ks_yardstick_make((enum ks_yardstick_alg)alg, ks_clock_us() / 1000000, &made),
            KS_OK);
        assert_leaf(&made, &made.server, &made.server_key, X509_PURPOSE_SSL_SERVER, types[alg]);
        assert_leaf(&made, &made.client, &made.client_key, X509_PURPOSE_SSL_CLIENT, types[alg]);
        /* Nothing of ketseal's own takes such a key. */
        if (ks_cert_parse_pem(ks_buf_view(&made.client), &cert) == KS_OK) {
            assert_int_equal(ks_cert_key(cert, &key), KS_ERR_VERIFY);
            ks_cert_free(cert);
        }
        ks_yardstick_done(&made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_names),
        cmocka_unit_test_setup_teardown(test_tls_file, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_tls_file_refused, make_folder, remove_folder),
        cmocka_unit_test(test_yardstick),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
