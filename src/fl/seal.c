/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "fl/seal.h"

#include "crypto/digest.h"

#define MAGIC_UPDATE     "ketseal.fl-sealed/1\n"
#define MAGIC_CHECKPOINT "ketseal.fl-checkpoint/1\n"
#define MAGIC_STATE      "ketseal.fl-sealed-state/1\n"
#define LABEL_SALT       "ketseal/fl-seal-salt/1\n"
#define LABEL_KEY        "ketseal/fl-seal-key/1\n"

_Static_assert(sizeof MAGIC_UPDATE - 1 + KS_KEM_CIPHERTEXT_LEN == KS_FL_SEALED_HEAD_LEN,
               "what comes first");
_Static_assert(sizeof MAGIC_CHECKPOINT - 1 + KS_AEAD_NONCE_LEN + KS_AEAD_TAG_LEN ==
                   KS_FL_CHECKPOINT_OVERHEAD,
               "what sealing adds");
_Static_assert(sizeof MAGIC_STATE - 1 + KS_AEAD_NONCE_LEN + KS_AEAD_TAG_LEN ==
                   KS_FL_STATE_OVERHEAD,
               "what sealing adds");

enum ks_err ks_fl_seal_key(const struct ks_secret *shared, struct ks_bytes kem_ciphertext,
                           const struct ks_fl_subject *subject, struct ks_bytes client,
                           uint8_t out_key[KS_AEAD_KEY_LEN])
{
    static const char label[] = LABEL_KEY;
    const struct ks_bytes parts[] = {KS_LITERAL(LABEL_SALT), kem_ciphertext};
    uint8_t info[sizeof label - 1 + 2 * KS_FL_HASH_LEN];
    uint8_t salt[KS_SHA256_LEN];

    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], salt);
    ks_copy(info, label, sizeof label - 1);
    ks_fl_update_context(subject, info + sizeof label - 1);
    ks_fl_client_id(client, info + sizeof label - 1 + KS_FL_HASH_LEN);
    return ks_hkdf_sha256(ks_secret_view(shared), KS_BYTES(salt), KS_BYTES(info), out_key,
                          KS_AEAD_KEY_LEN);
}

static enum ks_err read_magic(struct ks_reader *reader, struct ks_bytes magic)
{
    enum ks_err err = KS_OK;
    struct ks_bytes read = {0};

    KS_TRY(ks_read_bytes(reader, magic.len, &read));
    KS_CHECK(ks_bytes_equal(read, magic), KS_ERR_FORMAT, "it does not begin with '%.*s'",
             (int)(magic.len - 1), (const char *)magic.data);
out:
    return err;
}

/* --- updates ------------------------------------------------------------------------------ */

enum ks_err ks_fl_seal(const uint8_t key[KS_AEAD_KEY_LEN],
                       const uint8_t kem_ciphertext[KS_KEM_CIPHERTEXT_LEN],
                       struct ks_bytes update, struct ks_buf *out)
{
    static const uint8_t nonce[KS_AEAD_NONCE_LEN] = {0};

    ks_buf_put_text(out, MAGIC_UPDATE);
    ks_buf_put(out, ks_bytes_of(kem_ciphertext, KS_KEM_CIPHERTEXT_LEN));
    return ks_aead_seal(key, nonce, KS_LITERAL(MAGIC_UPDATE), update, out);
}

static enum ks_err read_head(struct ks_reader *reader, struct ks_bytes *out_kem_ciphertext)
{
    enum ks_err err = KS_OK;

    KS_TRY(read_magic(reader, KS_LITERAL(MAGIC_UPDATE)));
    KS_TRY(ks_read_bytes(reader, KS_KEM_CIPHERTEXT_LEN, out_kem_ciphertext));
out:
    return err;
}

enum ks_err ks_fl_sealed_ciphertext(struct ks_bytes head, struct ks_bytes *out_kem_ciphertext)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(head, "its head");
    struct ks_bytes ciphertext = {0};

    KS_TRY(read_head(&reader, &ciphertext));
    KS_TRY(ks_read_end(&reader));
    *out_kem_ciphertext = ciphertext;
out:
    return ks_fail_prefix(err, "sealed update");
}

enum ks_err ks_fl_unseal(const uint8_t key[KS_AEAD_KEY_LEN], struct ks_bytes sealed,
                         struct ks_buf *out)
{
    static const uint8_t nonce[KS_AEAD_NONCE_LEN] = {0};
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(sealed, "sealed state of federated learning");
    struct ks_bytes ciphertext = {0}; /* KEY is of it, so that none but this one opens */

    KS_TRY(read_head(&reader, &ciphertext));
    KS_TRY(ks_aead_open(key, nonce, KS_LITERAL(MAGIC_UPDATE), reader.rest, out));
out:
    return ks_fail_prefix(err, "sealed update");
}

/* --- checkpoints and states: with a nonce of their own -------------------------------------
 */

static enum ks_err seal(struct ks_bytes magic, const uint8_t key[KS_AEAD_KEY_LEN],
                        const uint8_t nonce[KS_AEAD_NONCE_LEN], struct ks_bytes state,
                        struct ks_buf *out)
{
    ks_buf_put(out, magic);
    ks_buf_put(out, ks_bytes_of(nonce, KS_AEAD_NONCE_LEN));
    return ks_aead_seal(key, nonce, magic, state, out);
}

static enum ks_err unseal(struct ks_bytes magic, const uint8_t key[KS_AEAD_KEY_LEN],
                          struct ks_bytes sealed, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(sealed, "sealed state of federated learning");
    uint8_t nonce[KS_AEAD_NONCE_LEN] = {0};

    KS_TRY(read_magic(&reader, magic));
    KS_TRY(ks_read_copy(&reader, nonce, sizeof nonce));
    KS_TRY(ks_aead_open(key, nonce, magic, reader.rest, out));
out:
    return err;
}

enum ks_err ks_fl_checkpoint_seal(const uint8_t key[KS_AEAD_KEY_LEN],
                                  const uint8_t nonce[KS_AEAD_NONCE_LEN], struct ks_bytes state,
                                  struct ks_buf *out)
{
    return seal(KS_LITERAL(MAGIC_CHECKPOINT), key, nonce, state, out);
}

enum ks_err ks_fl_checkpoint_unseal(const uint8_t key[KS_AEAD_KEY_LEN], struct ks_bytes sealed,
                                    struct ks_buf *out)
{
    return ks_fail_prefix(unseal(KS_LITERAL(MAGIC_CHECKPOINT), key, sealed, out), "checkpoint");
}

enum ks_err ks_fl_state_seal(const uint8_t key[KS_AEAD_KEY_LEN],
                             const uint8_t nonce[KS_AEAD_NONCE_LEN], struct ks_bytes state,
                             struct ks_buf *out)
{
    return seal(KS_LITERAL(MAGIC_STATE), key, nonce, state, out);
}

enum ks_err ks_fl_state_unseal(const uint8_t key[KS_AEAD_KEY_LEN], struct ks_bytes sealed,
                               struct ks_buf *out)
{
    return ks_fail_prefix(unseal(KS_LITERAL(MAGIC_STATE), key, sealed, out), "state");
}
