/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "anchor/signer.h"

#include <errno.h>
#include <fcntl.h>
#include <secp256k1.h>
#include <secp256k1_recovery.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/sys.h"
#include "base/text.h"
#include "chain/address.h"

#define KEY_LEN      32
#define KEY_TEXT_LEN (2 * KEY_LEN + 1) /* with the newline */
#define POINT_LEN    65                /* uncompressed: 04, X, Y */
#define TRIES_MAX    8                 /* to draw a key: each fails once in 2^127 */

/* --- keys --------------------------------------------------------------------------------- */

/* A context blinded by SEED against leaks by timing and power. */
static enum ks_err context_new(secp256k1_context **out_context)
{
    enum ks_err err = KS_OK;
    uint8_t seed[KEY_LEN];
    secp256k1_context *context =
        secp256k1_context_create(SECP256K1_CONTEXT_SIGN | SECP256K1_CONTEXT_VERIFY);

    KS_CHECK(context != NULL, KS_ERR_NOMEM, "no memory for a key");
    KS_TRY(ks_random(seed, sizeof seed));
    KS_CHECK(secp256k1_context_randomize(context, seed) == 1, KS_ERR_INTERNAL,
             "libsecp256k1 takes no randomness");
    *out_context = context;
    context = NULL; /* transferred */
out:
    ks_wipe(seed, sizeof seed);
    if (context != NULL) {
        secp256k1_context_destroy(context);
    }
    return err;
}

static void context_free(secp256k1_context *context)
{
    if (context != NULL) {
        secp256k1_context_destroy(context);
    }
}

static void address_of_point(const secp256k1_context *context, const secp256k1_pubkey *key,
                             uint8_t out_address[KS_ADDRESS_LEN])
{
    uint8_t point[POINT_LEN];
    size_t len = sizeof point;

    KS_ASSERT(secp256k1_ec_pubkey_serialize(context, point, &len, key,
                                            SECP256K1_EC_UNCOMPRESSED) == 1 &&
              len == sizeof point);
    ks_address_of_key(point + 1, out_address);
}

static enum ks_err address_of(const secp256k1_context *context, const struct ks_secret *key,
                              uint8_t out_address[KS_ADDRESS_LEN])
{
    secp256k1_pubkey point;

    if (secp256k1_ec_pubkey_create(context, &point, key->data) != 1) {
        return ks_fail(KS_ERR_FORMAT, "no key of secp256k1");
    }
    address_of_point(context, &point, out_address);
    return KS_OK;
}

/* Only its owner may have touched or seen it. */
static enum ks_err check_mode(int fd)
{
    struct stat status;

    if (fstat(fd, &status) != 0) {
        return ks_fail(KS_ERR_IO, "%s", strerror(errno));
    }
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
        (status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return ks_fail(KS_ERR_DENIED,
                       "a key file is its owner's alone: a plain file of mode 0600");
    }
    return KS_OK;
}

static enum ks_err load(const char *path, struct ks_secret *out_key)
{
    enum ks_err err = KS_OK;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char text[KEY_TEXT_LEN];
    uint8_t key[KEY_LEN];
    char beyond = 0;

    KS_CHECK(fd >= 0, errno == ENOENT ? KS_ERR_NOT_FOUND : KS_ERR_IO, "%s", strerror(errno));
    KS_TRY(check_mode(fd));
    KS_TRY(ks_fd_read(fd, text, sizeof text, "key file"));
    KS_CHECK(text[sizeof text - 1] == '\n' && read(fd, &beyond, 1) == 0, KS_ERR_FORMAT,
             "a key file is 64 hexadecimal digits and a newline");
    KS_TRY(ks_hex_decode(ks_bytes_of(text, sizeof text - 1), key, sizeof key));
    ks_secret_set(out_key, KS_BYTES(key));
out:
    ks_fd_close(&fd);
    ks_wipe(text, sizeof text);
    ks_wipe(key, sizeof key);
    return ks_fail_prefix(err, "%s", path);
}

enum ks_err ks_signer_keygen(const char *path, uint8_t out_address[KS_ADDRESS_LEN])
{
    enum ks_err err = KS_OK;
    secp256k1_context *context = NULL;
    struct ks_secret key = {0};
    uint8_t drawn[KEY_LEN] = {0};
    char text[KEY_TEXT_LEN + 1];
    uint8_t address[KS_ADDRESS_LEN];
    unsigned tries = 0;

    KS_TRY(context_new(&context));
    do {
        KS_CHECK(tries < TRIES_MAX, KS_ERR_INTERNAL, "the kernel's randomness is none");
        tries++;
        KS_TRY(ks_random(drawn, sizeof drawn));
    } while (secp256k1_ec_seckey_verify(context, drawn) != 1);
    ks_secret_set(&key, KS_BYTES(drawn));
    KS_TRY(address_of(context, &key, address));
    ks_hex_encode(KS_BYTES(drawn), text);
    text[sizeof text - 2] = '\n';
    KS_TRY(ks_file_create(path, ks_bytes_of(text, KEY_TEXT_LEN), 0600));
    ks_copy(out_address, address, sizeof address);
out:
    context_free(context);
    ks_secret_done(&key);
    ks_wipe(drawn, sizeof drawn);
    ks_wipe(text, sizeof text);
    return err;
}

enum ks_err ks_signer_address(const char *path, uint8_t out_address[KS_ADDRESS_LEN])
{
    enum ks_err err = KS_OK;
    secp256k1_context *context = NULL;
    struct ks_secret key = {0};

    KS_TRY(context_new(&context));
    KS_TRY(load(path, &key));
    KS_TRY(ks_fail_prefix(address_of(context, &key, out_address), "%s", path));
out:
    context_free(context);
    ks_secret_done(&key);
    return err;
}

/* --- signatures --------------------------------------------------------------------------- */

/* Makes s low, and keeps what recovers the key. */
static enum ks_err normalise(const secp256k1_context *context,
                             struct ks_tx_signature *signature)
{
    enum ks_err err = KS_OK;
    secp256k1_ecdsa_signature parsed;
    uint8_t compact[64];

    ks_copy(compact, signature->r, 32);
    ks_copy(compact + 32, signature->s, 32);
    KS_CHECK(secp256k1_ecdsa_signature_parse_compact(context, &parsed, compact) == 1,
             KS_ERR_VERIFY, "no signature");
    if (secp256k1_ecdsa_signature_normalize(context, &parsed, &parsed) == 1) {
        signature->y_parity ^= 1;
    }
    (void)secp256k1_ecdsa_signature_serialize_compact(context, compact,
                                                      &parsed); /* returns 1 */
    ks_copy(signature->s, compact + 32, 32);
out:
    return err;
}

enum ks_err ks_signer_check(const struct ks_tx *tx)
{
    enum ks_err err = KS_OK;
    secp256k1_context *context = NULL;
    secp256k1_ecdsa_recoverable_signature parsed;
    secp256k1_pubkey key;
    uint8_t compact[64];
    uint8_t hash[KS_KECCAK256_LEN];
    uint8_t address[KS_ADDRESS_LEN];

    KS_CHECK(tx->is_signed, KS_ERR_VERIFY, "transaction: not signed");
    KS_TRY(context_new(&context));
    KS_TRY(ks_tx_hash_unsigned(tx, hash));
    ks_copy(compact, tx->signature.r, 32);
    ks_copy(compact + 32, tx->signature.s, 32);
    KS_CHECK(secp256k1_ecdsa_recoverable_signature_parse_compact(context, &parsed, compact,
                                                                 tx->signature.y_parity) == 1 &&
                 secp256k1_ecdsa_recover(context, &key, &parsed, hash) == 1,
             KS_ERR_VERIFY, "transaction: its signature is none");
    address_of_point(context, &key, address);
    KS_CHECK(ks_bytes_equal(KS_BYTES(address), KS_BYTES(tx->from)), KS_ERR_VERIFY,
             "transaction: its signature is of another account than it is from");
out:
    context_free(context);
    return err;
}

enum ks_err ks_signer_put(const struct ks_tx_signature *signature, struct ks_tx *tx)
{
    enum ks_err err = KS_OK;
    secp256k1_context *context = NULL;
    struct ks_tx *whole = ks_calloc(1, sizeof *whole);

    KS_CHECK(whole != NULL, KS_ERR_NOMEM, "no memory for a transaction");
    *whole = *tx;
    whole->signature = *signature;
    whole->is_signed = true;
    KS_TRY(context_new(&context));
    KS_TRY(normalise(context, &whole->signature));
    KS_TRY(ks_signer_check(whole));
    *tx = *whole;
out:
    context_free(context);
    ks_free(whole);
    return err;
}

enum ks_err ks_signer_sign_file(const char *path, struct ks_tx *tx)
{
    enum ks_err err = KS_OK;
    secp256k1_context *context = NULL;
    struct ks_secret key = {0};
    secp256k1_ecdsa_recoverable_signature made;
    struct ks_tx_signature signature;
    uint8_t compact[64];
    uint8_t hash[KS_KECCAK256_LEN];
    uint8_t address[KS_ADDRESS_LEN];
    int parity = 0;

    KS_TRY(context_new(&context));
    KS_TRY(load(path, &key));
    KS_TRY(ks_fail_prefix(address_of(context, &key, address), "%s", path));
    KS_CHECK(ks_bytes_equal(KS_BYTES(address), KS_BYTES(tx->from)), KS_ERR_VERIFY,
             "%s: the key of another account than the transaction is from", path);
    KS_TRY(ks_tx_hash_unsigned(tx, hash));
    KS_CHECK(secp256k1_ecdsa_sign_recoverable(context, &made, hash, key.data, NULL, NULL) == 1,
             KS_ERR_INTERNAL, "libsecp256k1 does not sign");
    (void)secp256k1_ecdsa_recoverable_signature_serialize_compact(context, compact, &parity,
                                                                  &made); /* returns 1 */
    KS_CHECK(parity <= 1, KS_ERR_INTERNAL, "a signature that Ethereum has no form for");
    ks_copy(signature.r, compact, 32);
    ks_copy(signature.s, compact + 32, 32);
    signature.y_parity = (uint8_t)parity;
    KS_TRY(ks_signer_put(&signature, tx));
out:
    context_free(context);
    ks_secret_done(&key);
    return err;
}
