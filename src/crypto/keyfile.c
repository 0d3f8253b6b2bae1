/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "crypto/keyfile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "crypto/internal.h"

#define LABEL      "PRIVATE KEY"
#define PREFIX_MAX 22
#define BODY_MAX   64
#define SLH_ROOT   48 /* where PK.root begins in an SLH-DSA key with n = 16: after the seed */

/* The only DER text each algorithm has here: a fixed beginning, then the key. */
static const struct form {
    size_t prefix_len;
    size_t body_len;
    uint8_t prefix[PREFIX_MAX];
} forms[KS_SIG_ALG_COUNT] = {
#define ML_DSA(arc)                                                                            \
    {                                                                                          \
        22, 32,                                                                                \
        {                                                                                      \
            0x30, 0x34, 0x02, 0x01, 0x00, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,      \
                0x65, 0x03, 0x04, 0x03, arc, 0x04, 0x22, 0x80, 0x20                            \
        }                                                                                      \
    }
#define SLH_DSA(arc)                                                                           \
    {                                                                                          \
        20, 64,                                                                                \
        {                                                                                      \
            0x30, 0x52, 0x02, 0x01, 0x00, 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,      \
                0x65, 0x03, 0x04, 0x03, arc, 0x04, 0x40                                        \
        }                                                                                      \
    }
    [KS_SIG_ED25519] = {16,
                        32,
                        {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70,
                         0x04, 0x22, 0x04, 0x20}},
    [KS_SIG_MLDSA44] = ML_DSA(0x11),
    [KS_SIG_MLDSA65] = ML_DSA(0x12),
    [KS_SIG_MLDSA87] = ML_DSA(0x13),
    [KS_SIG_SLHDSA_SHA2_128S] = SLH_DSA(0x14),
    [KS_SIG_SLHDSA_SHA2_128F] = SLH_DSA(0x15),
};

_Static_assert(20 + BODY_MAX == KS_KEY_DER_MAX, "the longest form");

static bool is_ml_dsa(enum ks_sig_alg alg)
{
    return alg == KS_SIG_MLDSA44 || alg == KS_SIG_MLDSA65 || alg == KS_SIG_MLDSA87;
}

/* The body of the form: the seed, or SLH-DSA's whole key. */
static enum ks_err get_body(const struct ks_sign_key *key, uint8_t body[BODY_MAX])
{
    enum ks_sig_alg alg = ks_sign_key_alg(key);
    const EVP_PKEY *pkey = ks_sign_key_evp(key);
    size_t len = BODY_MAX;
    int ok = is_ml_dsa(alg) ? EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_ML_DSA_SEED,
                                                              body, BODY_MAX, &len)
                            : EVP_PKEY_get_raw_private_key(pkey, body, &len);

    if (ok != 1 || len != forms[alg].body_len) {
        return ks_fail_libcrypto(KS_ERR_INTERNAL, "reading a private key");
    }
    return KS_OK;
}

enum ks_err ks_sign_key_to_pem(const struct ks_sign_key *key, struct ks_buf *out_pem)
{
    enum ks_err err = KS_OK;
    const struct form *form = &forms[ks_sign_key_alg(key)];
    uint8_t body[BODY_MAX];
    struct ks_buf der;

    ks_buf_init(&der, KS_KEY_DER_MAX);
    KS_TRY(get_body(key, body));
    ks_buf_put(&der, ks_bytes_of(form->prefix, form->prefix_len));
    ks_buf_put(&der, ks_bytes_of(body, form->body_len));
    KS_TRY(ks_buf_check(&der));
    ks_pem_put(out_pem, LABEL, ks_buf_view(&der));
    KS_TRY(ks_buf_check(out_pem));
out:
    ks_wipe(body, sizeof(body));
    ks_buf_wipe(&der);
    return err;
}

/* The PK.root in the file must be the one its seed gives: a key with another root makes
 * signatures that nobody can verify, and that may betray the secret. */
static enum ks_err check_root(const struct ks_sign_key *key, struct ks_bytes body)
{
    enum ks_err err = KS_OK;
    uint8_t own[BODY_MAX];

    KS_TRY(get_body(key, own));
    KS_CHECK(ks_ct_equal(KS_BYTES(own), body), KS_ERR_FORMAT,
             "private key: its public half does not belong to it");
out:
    ks_wipe(own, sizeof(own));
    return err;
}

static enum ks_err from_der(struct ks_bytes der, struct ks_sign_key **out_key)
{
    enum ks_err err = KS_OK;
    struct ks_sign_key *key = NULL;
    struct ks_bytes prefix;
    struct ks_bytes body;

    for (unsigned i = 0; i < KS_SIG_ALG_COUNT; i++) {
        const struct form *form = &forms[i];
        enum ks_sig_alg alg = (enum ks_sig_alg)i;
        struct ks_reader reader = ks_reader_of(der, "private key");
        if (der.len != form->prefix_len + form->body_len) {
            continue;
        }
        KS_TRY(ks_read_bytes(&reader, form->prefix_len, &prefix));
        KS_TRY(ks_read_bytes(&reader, form->body_len, &body));
        if (!ks_bytes_equal(prefix, ks_bytes_of(form->prefix, form->prefix_len))) {
            continue;
        }
        KS_TRY(ks_sign_key_from_seed(alg, ks_bytes_of(body.data, ks_sig_seed_len(alg)), &key));
        if (ks_sig_seed_len(alg) == SLH_ROOT) {
            KS_TRY(check_root(key, body));
        }
        *out_key = key;
        key = NULL;
        goto out;
    }
    err = ks_fail(
        KS_ERR_FORMAT,
        "private key: not PKCS#8 with Ed25519, SLH-DSA-SHA2-128s/f, or ML-DSA as a seed "
        "alone (openssl pkey -provparam ml-dsa.output_formats=seed-only)");
out:
    ks_sign_key_free(key);
    return err;
}

enum ks_err ks_sign_key_from_pem(struct ks_bytes pem, struct ks_sign_key **out_key)
{
    enum ks_err err = KS_OK;
    struct ks_buf der;

    ks_buf_init(&der, KS_KEY_PEM_MAX);
    KS_CHECK(pem.len <= KS_KEY_PEM_MAX, KS_ERR_FORMAT,
             "private key: %zu bytes of PEM, more than any key here has", pem.len);
    KS_TRY(ks_fail_prefix(ks_pem_parse(pem, LABEL, &der), "private key"));
    KS_TRY(from_der(ks_buf_view(&der), out_key));
out:
    ks_buf_wipe(&der);
    return err;
}

/* The descriptor's own state is judged, not the path's, which could change in between. */
static enum ks_err check_file(int fd, size_t *out_len)
{
    struct stat state;

    if (fstat(fd, &state) != 0) {
        return ks_fail(KS_ERR_IO, "fstat: %s", strerror(errno));
    }
    if (!S_ISREG(state.st_mode)) {
        return ks_fail(KS_ERR_DENIED, "not a regular file");
    }
    if ((state.st_mode & 077) != 0) {
        return ks_fail(KS_ERR_DENIED,
                       "mode %04o lets others at the key; it must be 0600 or 0400",
                       (unsigned)(state.st_mode & 07777));
    }
    if (state.st_uid != geteuid() && state.st_uid != 0) {
        return ks_fail(KS_ERR_DENIED, "belongs to user %u, not to this process's or root",
                       (unsigned)state.st_uid);
    }
    if (state.st_size < 0 || state.st_size > KS_KEY_PEM_MAX) {
        return ks_fail(KS_ERR_FORMAT, "too large for a key file of ketseal");
    }
    *out_len = (size_t)state.st_size;
    return KS_OK;
}

enum ks_err ks_sign_key_load(const char *path, struct ks_sign_key **out_key)
{
    enum ks_err err = KS_OK;
    uint8_t text[KS_KEY_PEM_MAX];
    size_t len = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

    KS_CHECK(fd >= 0, errno == ENOENT ? KS_ERR_NOT_FOUND : KS_ERR_IO, "%s", strerror(errno));
    KS_TRY(check_file(fd, &len));
    KS_TRY(ks_fd_read(fd, text, len, "key file"));
    KS_TRY(ks_sign_key_from_pem(ks_bytes_of(text, len), out_key));
out:
    ks_wipe(text, sizeof(text));
    ks_fd_close(&fd);
    return ks_fail_prefix(err, "key file '%s'", path);
}

enum ks_err ks_sign_key_save(const struct ks_sign_key *key, const char *path)
{
    enum ks_err err = KS_OK;
    struct ks_buf pem;

    ks_buf_init(&pem, KS_KEY_PEM_MAX);
    KS_TRY(ks_sign_key_to_pem(key, &pem));
    KS_TRY(ks_file_create(path, ks_buf_view(&pem), 0600));
out:
    ks_buf_wipe(&pem);
    return err;
}
