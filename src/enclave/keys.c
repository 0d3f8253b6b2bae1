/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/keys.h"

#include "crypto/aead.h"
#include "crypto/digest.h"

#define KEYS_FILE    "keys"
#define KEYS_MAGIC   "KSEALKEY"
#define SEEDS_1      KS_SEED_ISSUER /* seeds in version 1 */
#define CLEAR_LEN    (8 + 2 + 2 + SEEDS_1 * KS_SEED_LEN + 32)
#define SEALED_LEN   (KS_SEEDS * KS_SEED_LEN + KS_AEAD_TAG_LEN)
#define KEYS_LEN_MAX (8 + 2 + 2 + 8 + 2 + KS_SEALED_MAX + SEALED_LEN)

/* How the seeds are protected at rest; written into the file. */
enum protection {
    BY_FILE_MODE = 0, /* version 1: they stand in the clear, in a file of mode 0600 */
    BY_TPM = 1,       /* version 2 */
};

/* Seeds from FIRST on, by HKDF from 64 kernel bytes and EXTRA together: as good as the better
 * of the two. */
static enum ks_err make_seeds(struct ks_bytes extra, unsigned first, struct ks_seeds *seeds)
{
    enum ks_err err = KS_OK;
    uint8_t kernel[64];

    KS_TRY(ks_random(kernel, sizeof kernel));
    KS_TRY(ks_hkdf_sha256(KS_BYTES(kernel), extra, KS_LITERAL("ketseal/enclave-seeds/1"),
                          seeds->seed[first], (size_t)(KS_SEEDS - first) * KS_SEED_LEN));
out:
    ks_wipe(kernel, sizeof kernel);
    return err;
}

/* New keys are for a new state alone: where the enclave has worked already, its keys are gone,
 * and others in their place would sign for another site. */
enum ks_err ks_keys_make(const struct ks_fs *fs, struct ks_bytes extra, struct ks_seeds *seeds)
{
    enum ks_err err = KS_OK;
    static const char *const names[] = {"heads", "journal"};
    struct ks_buf first;

    ks_buf_init(&first, 1);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        err = ks_fs_load(fs, names[i], 1, &first);
        KS_CHECK(err == KS_ERR_NOT_FOUND,
                 err == KS_OK || err == KS_ERR_LIMIT ? KS_ERR_FORMAT : err,
                 "enclave keys: the file is gone or empty, but '%s' is there", names[i]);
    }
    err = make_seeds(extra, 0, seeds);
out:
    ks_buf_done(&first);
    return err;
}

/* --- writing ------------------------------------------------------------------------------ */

/* A master seals one file, so its key and nonce are used once. */
static enum ks_err derive_key(struct ks_seeds *seeds)
{
    return ks_hkdf_sha256(KS_BYTES(seeds->master), (struct ks_bytes){0},
                          KS_LITERAL("ketseal/enclave-keys/2"), seeds->key, sizeof seeds->key);
}

enum ks_err ks_keys_store(const struct ks_fs *fs, const struct ks_vault *vault,
                          struct ks_seeds *seeds, uint64_t sealed)
{
    enum ks_err err = KS_OK;
    struct ks_buf buf;
    struct ks_buf blob;

    ks_buf_init(&buf, KEYS_LEN_MAX);
    ks_buf_init(&blob, KS_SEALED_MAX);
    KS_TRY(ks_random(seeds->master, sizeof seeds->master));
    KS_TRY(derive_key(seeds));
    KS_TRY(vault->seal(vault->context, seeds->master, &blob));
    ks_buf_put_text(&buf, KEYS_MAGIC);
    ks_buf_put_u16(&buf, 2);
    ks_buf_put_u16(&buf, BY_TPM);
    ks_buf_put_u64(&buf, sealed);
    ks_buf_put_lp16(&buf, ks_buf_view(&blob));
    KS_TRY(ks_buf_check(&buf));
    KS_CHECK(ks_buf_reserve(&buf, SEALED_LEN) != NULL, KS_ERR_NOMEM, "enclave keys");
    KS_TRY(ks_aead_seal(seeds->key, seeds->key + KS_AEAD_KEY_LEN, ks_buf_view(&buf),
                        KS_BYTES(seeds->seed), &buf));
    KS_TRY(ks_fs_replace(fs, KEYS_FILE, ks_buf_view(&buf)));
out:
    ks_buf_done(&buf);
    ks_buf_done(&blob);
    return err;
}

/* --- reading ------------------------------------------------------------------------------ */

static enum ks_err read_clear(struct ks_bytes file, struct ks_reader *reader,
                              struct ks_seeds *seeds)
{
    enum ks_err err = KS_OK;
    uint8_t stated[KS_SHA256_LEN];
    uint8_t check[KS_SHA256_LEN];

    KS_TRY(ks_read_copy(reader, seeds->seed[0], (size_t)SEEDS_1 * KS_SEED_LEN));
    KS_TRY(ks_read_copy(reader, stated, sizeof stated));
    KS_TRY(ks_read_end(reader));
    ks_sha256(ks_bytes_of(file.data, CLEAR_LEN - sizeof stated), check);
    KS_CHECK(ks_ct_equal(KS_BYTES(stated), KS_BYTES(check)), KS_ERR_FORMAT,
             "the file is damaged");
out:
    return err;
}

static enum ks_err read_sealed(struct ks_bytes file, struct ks_reader *reader,
                               const struct ks_vault *vault, struct ks_seeds *seeds,
                               struct ks_keys_found *found)
{
    enum ks_err err = KS_OK;
    struct ks_bytes blob = {0};
    struct ks_bytes sealed = {0};
    struct ks_buf plain = {
        .data = seeds->seed[0], .cap = sizeof seeds->seed, .max = sizeof seeds->seed};

    KS_TRY(ks_read_u64(reader, &found->sealed));
    KS_CHECK(found->sealed > 0 && found->sealed < UINT64_MAX, KS_ERR_FORMAT,
             "sealed %llu times", (unsigned long long)found->sealed);
    KS_TRY(ks_read_lp16(reader, KS_SEALED_MAX, &blob));
    KS_TRY(ks_read_bytes(reader, SEALED_LEN, &sealed));
    KS_TRY(ks_read_end(reader));
    KS_TRY(vault->unseal(vault->context, blob, seeds->master, &found->again));
    KS_TRY(derive_key(seeds));
    KS_TRY(ks_aead_open(seeds->key, seeds->key + KS_AEAD_KEY_LEN,
                        ks_bytes_of(file.data, file.len - SEALED_LEN), sealed, &plain));
out:
    return err == KS_ERR_VERIFY ? ks_fail_prefix(err, "the file was changed") : err;
}

static enum ks_err read_file(struct ks_bytes file, const struct ks_vault *vault,
                             struct ks_bytes extra, struct ks_seeds *seeds,
                             struct ks_keys_found *out_found)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(file, "file");
    struct ks_keys_found found = {0};
    struct ks_bytes magic = {0};
    uint16_t version = 0;
    uint16_t protection = 0;

    KS_TRY(ks_read_bytes(&reader, sizeof KEYS_MAGIC - 1, &magic));
    KS_CHECK(ks_bytes_is(magic, KEYS_MAGIC), KS_ERR_FORMAT, "not such a file");
    KS_TRY(ks_read_u16(&reader, &version));
    KS_CHECK(version == 1 || version == 2, KS_ERR_FORMAT, "version %u", version);
    KS_TRY(ks_read_u16(&reader, &protection));
    KS_CHECK(protection == (version == 1 ? BY_FILE_MODE : BY_TPM), KS_ERR_FORMAT,
             "protection %u", protection);
    if (version == 1) {
        KS_TRY(read_clear(file, &reader, seeds));
        KS_TRY(make_seeds(extra, SEEDS_1, seeds));
        found.again = true;
    } else {
        KS_TRY(read_sealed(file, &reader, vault, seeds, &found));
    }
    *out_found = found;
out:
    return err;
}

enum ks_err ks_keys_load(const struct ks_fs *fs, const struct ks_vault *vault,
                         struct ks_bytes extra, struct ks_seeds *seeds,
                         struct ks_keys_found *out_found)
{
    enum ks_err err = KS_OK;
    struct ks_buf buf;

    ks_buf_init(&buf, KEYS_LEN_MAX);
    err = ks_fs_load(fs, KEYS_FILE, KEYS_LEN_MAX, &buf);
    KS_TRY(err == KS_ERR_LIMIT ? ks_fail(KS_ERR_FORMAT, "the file is too long") : err);
    err = read_file(ks_buf_view(&buf), vault, extra, seeds, out_found);
    KS_TRY(err == KS_ERR_LIMIT ? KS_ERR_FORMAT : err); /* of a length in it */
out:
    ks_buf_wipe(&buf); /* a file of version 1 */
    return ks_fail_prefix(err, "enclave keys");
}

/* --- in use ------------------------------------------------------------------------------- */

enum ks_err ks_keys_open(const struct ks_seeds *seeds, struct ks_enclave_keys *out_keys)
{
    enum ks_err err = KS_OK;
    struct ks_enclave_keys keys = {0};
    const struct {
        enum ks_sig_alg alg;
        enum ks_seed seed;
        struct ks_sign_key **target;
    } table[] = {
        {KS_SIG_ED25519, KS_SEED_ED25519, &keys.ed25519},
        {KS_SIG_MLDSA65, KS_SEED_MLDSA65, &keys.mldsa65},
        {KS_SIG_ED25519, KS_SEED_NOTE_ED25519, &keys.note_ed25519},
        {KS_SIG_MLDSA44, KS_SEED_NOTE_MLDSA44, &keys.note_mldsa44},
        {KS_SIG_MLDSA87, KS_SEED_ISSUER, &keys.issuer},
    };

    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        KS_TRY(ks_sign_key_from_seed(table[i].alg, KS_BYTES(seeds->seed[table[i].seed]),
                                     table[i].target));
    }
    *out_keys = keys;
    keys = (struct ks_enclave_keys){0}; /* transferred */
out:
    ks_enclave_keys_done(&keys);
    return err;
}

void ks_enclave_keys_done(struct ks_enclave_keys *keys)
{
    ks_sign_key_free(keys->ed25519);
    ks_sign_key_free(keys->mldsa65);
    ks_sign_key_free(keys->note_ed25519);
    ks_sign_key_free(keys->note_mldsa44);
    ks_sign_key_free(keys->issuer);
    *keys = (struct ks_enclave_keys){0};
}
