/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/yardstick.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "crypto/internal.h"

#define BACKDATE_S 3600

struct part {
    const char *name; /* its common name */
    long serial;
    const char *constraints;
    const char *usage;
    const char *extended; /* NULL: none */
    const char *names;    /* NULL: none */
};
static const struct part root_part = {
    "yardstick root", 1, "critical,CA:TRUE,pathlen:0", "critical,keyCertSign", NULL, NULL};
static const struct part server_part = {"yardstick-site",    2,
                                        "critical,CA:FALSE", "critical,digitalSignature",
                                        "serverAuth",        "IP:127.0.0.1,DNS:localhost"};
static const struct part client_part = {"yardstick-device",  3,
                                        "critical,CA:FALSE", "critical,digitalSignature",
                                        "clientAuth",        NULL};

static EVP_PKEY *make_key(enum ks_yardstick_alg alg)
{
    return alg == KS_YARDSTICK_P256 ? EVP_EC_gen("P-256")
                                    : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static bool add_extension(X509 *cert, int nid, const char *value)
{
    X509_EXTENSION *extension = NULL;
    bool added = false;

    if (value == NULL) {
        return true;
    }
    extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    added = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
    X509_EXTENSION_free(extension);
    return added;
}

/* CA NULL: signed by itself. *OUT_CERT is the caller's to free, after a failure too. */
static enum ks_err issue(const struct part *part, uint64_t time_s, EVP_PKEY *key,
                         const X509 *ca, EVP_PKEY *ca_key, X509 **out_cert)
{
    X509 *cert = X509_new();
    const bool ed25519 = EVP_PKEY_is_a(ca_key, "ED25519");
    X509_NAME *name = cert != NULL ? X509_get_subject_name(cert) : NULL;

    *out_cert = cert;
    if (cert == NULL || X509_set_version(cert, X509_VERSION_3) != 1 ||
        ASN1_INTEGER_set(X509_get_serialNumber(cert), part->serial) != 1 ||
        ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(time_s - BACKDATE_S)) == NULL ||
        ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(time_s + KS_YARDSTICK_LIFE_S)) ==
            NULL ||
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)part->name,
                                   -1, -1, 0) != 1 ||
        X509_set_issuer_name(cert, ca != NULL ? X509_get_subject_name(ca) : name) != 1 ||
        X509_set_pubkey(cert, key) != 1 ||
        !add_extension(cert, NID_basic_constraints, part->constraints) ||
        !add_extension(cert, NID_key_usage, part->usage) ||
        !add_extension(cert, NID_ext_key_usage, part->extended) ||
        !add_extension(cert, NID_subject_alt_name, part->names) ||
        X509_sign(cert, ca_key, ed25519 ? NULL : EVP_sha256()) <= 0) {
        return ks_fail_libcrypto(KS_ERR_INTERNAL, "a classical certificate");
    }
    return KS_OK;
}

/* CERT or KEY. */
static enum ks_err put_pem(const X509 *cert, const EVP_PKEY *key, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    BIO *bio = BIO_new(BIO_s_secmem());
    char *text = NULL;
    long len = 0;

    if (bio == NULL ||
        (cert != NULL ? PEM_write_bio_X509(bio, cert)
                      : PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL)) != 1) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "a classical certificate as PEM"));
    }
    len = BIO_get_mem_data(bio, &text);
    KS_CHECK(len > 0, KS_ERR_INTERNAL, "a classical certificate as PEM: empty");
    ks_buf_put(out, ks_bytes_of(text, (size_t)len));
    KS_TRY(ks_buf_check(out));
out:
    (void)BIO_free(bio);
    return err;
}

static enum ks_err make_leaf(const struct part *part, enum ks_yardstick_alg alg,
                             uint64_t time_s, const X509 *root, EVP_PKEY *root_key,
                             struct ks_buf *out_cert, struct ks_buf *out_key)
{
    enum ks_err err = KS_OK;
    EVP_PKEY *key = make_key(alg);
    X509 *cert = NULL;

    if (key == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "a classical key"));
    }
    KS_TRY(issue(part, time_s, key, root, root_key, &cert));
    KS_TRY(put_pem(cert, NULL, out_cert));
    KS_TRY(put_pem(NULL, key, out_key));
out:
    X509_free(cert);
    EVP_PKEY_free(key);
    return err;
}

enum ks_err ks_yardstick_make(enum ks_yardstick_alg alg, uint64_t time_s,
                              struct ks_yardstick *out_yardstick)
{
    enum ks_err err = KS_OK;
    struct ks_yardstick *made = out_yardstick;
    EVP_PKEY *root_key = make_key(alg);
    X509 *root = NULL;

    ks_buf_init(&made->root, KS_YARDSTICK_PEM_MAX);
    ks_buf_init(&made->server, KS_YARDSTICK_PEM_MAX);
    ks_buf_init(&made->server_key, KS_YARDSTICK_PEM_MAX);
    ks_buf_init(&made->client, KS_YARDSTICK_PEM_MAX);
    ks_buf_init(&made->client_key, KS_YARDSTICK_PEM_MAX);
    if (root_key == NULL) {
        KS_TRY(ks_fail_libcrypto(KS_ERR_INTERNAL, "a classical key"));
    }
    KS_TRY(issue(&root_part, time_s, root_key, NULL, root_key, &root));
    KS_TRY(put_pem(root, NULL, &made->root));
    KS_TRY(
        make_leaf(&server_part, alg, time_s, root, root_key, &made->server, &made->server_key));
    KS_TRY(
        make_leaf(&client_part, alg, time_s, root, root_key, &made->client, &made->client_key));
out:
    X509_free(root);
    EVP_PKEY_free(root_key);
    return err;
}

void ks_yardstick_done(struct ks_yardstick *yardstick)
{
    ks_buf_done(&yardstick->root);
    ks_buf_done(&yardstick->server);
    ks_buf_wipe(&yardstick->server_key);
    ks_buf_done(&yardstick->client);
    ks_buf_wipe(&yardstick->client_key);
}
