/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "attest/credential.h"

#include "attest/wire.h"
#include "crypto/tpmcred.h"

#define POLICY_LEN_MAX   48 /* authPolicy under nameAlg SHA-384 */
#define TPM2B_SIZE_LEN   2
#define SCALAR_EXTRA_LEN 8 /* ks_tpm_ecdh wants them beyond a coordinate */

/* An endorsement key decrypts what is addressed to its TPM, and nothing else. */
static const struct ks_wire_rule attribute_rules[] = {
    {KS_OBJECT_FIXED_TPM, true, "fixedTPM"},
    {KS_OBJECT_FIXED_PARENT, true, "fixedParent"},
    {KS_OBJECT_SENSITIVE_DATA_ORIGIN, true, "sensitiveDataOrigin"},
    {KS_OBJECT_RESTRICTED, true, "restricted"},
    {KS_OBJECT_DECRYPT, true, "decrypt"},
    {KS_OBJECT_SIGN, false, "sign"},
    {KS_OBJECT_ENCRYPTED_DUPLICATION, false, "encryptedDuplication"},
    {KS_OBJECT_X509_SIGN, false, "x509sign"},
};

/* EKP §B.3.3, §B.3.4, §B.4.5. */
static const struct kind {
    const char *name;
    unsigned type;
    unsigned name_alg;
    enum ks_tpm_hash hash;
    unsigned aes_bits;
    unsigned curve; /* 0: RSA */
    enum ks_ek_alg alg;
    size_t len; /* bytes of modulus or coordinate */
} kinds[] = {
    [KS_EK_KIND_RSA_2048] = {"RSA 2048", KS_ALG_RSA, KS_ALG_SHA256, KS_TPM_SHA256, 128, 0,
                             KS_EK_RSA, KS_RSA_BYTES},
    [KS_EK_KIND_ECC_P256] = {"ECC P-256", KS_ALG_ECC, KS_ALG_SHA256, KS_TPM_SHA256, 128,
                             KS_CURVE_NIST_P256, KS_EK_ECC_P256, 32},
    [KS_EK_KIND_ECC_P384] = {"ECC P-384", KS_ALG_ECC, KS_ALG_SHA384, KS_TPM_SHA384, 256,
                             KS_CURVE_NIST_P384, KS_EK_ECC_P384, 48},
};
#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

const char *ks_ek_kind_name(enum ks_ek_kind kind)
{
    KS_ASSERT((unsigned)kind < KIND_COUNT);
    return kinds[kind].name;
}

/* The kind by type and name algorithm; no two kinds share both. */
static enum ks_err find_kind(struct ks_reader *reader, enum ks_ek_kind *out_kind)
{
    enum ks_err err = KS_OK;
    uint16_t type;
    uint16_t name_alg;

    KS_TRY(ks_read_u16(reader, &type));
    KS_TRY(ks_read_u16(reader, &name_alg));
    for (size_t i = 0; i < KIND_COUNT; i++) {
        if (kinds[i].type == type && kinds[i].name_alg == name_alg) {
            *out_kind = (enum ks_ek_kind)i;
            return KS_OK;
        }
    }
    err = ks_fail(KS_ERR_FORMAT,
                  "%s: type 0x%04x with name algorithm 0x%04x is neither RSA or P-256 with "
                  "SHA-256 nor P-384 with SHA-384",
                  reader->what, (unsigned)type, (unsigned)name_alg);
out:
    return err;
}

/* TPMT_SYM_DEF_OBJECT (TPM2 part 2 §11.1.7) and a null scheme: a storage key's. */
static enum ks_err read_symmetric(struct ks_reader *reader, const struct kind *kind)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_wire_alg(reader, KS_ALG_AES, "symmetric algorithm"));
    KS_TRY(ks_wire_alg(reader, kind->aes_bits, "symmetric key bits"));
    KS_TRY(ks_wire_alg(reader, KS_ALG_CFB, "symmetric mode"));
    KS_TRY(ks_wire_alg(reader, KS_ALG_NULL, "scheme"));
out:
    return err;
}

static enum ks_err read_unique(struct ks_reader *reader, const struct kind *kind,
                               struct ks_ek_key *key)
{
    enum ks_err err = KS_OK;

    key->alg = kind->alg;
    key->len = kind->len;
    if (kind->type == KS_ALG_RSA) {
        KS_TRY(ks_wire_alg(reader, KS_RSA_BITS, "key bits"));
        KS_TRY(ks_wire_rsa_unique(reader, &key->exponent, key->modulus));
    } else {
        KS_TRY(ks_wire_alg(reader, kind->curve, "curve"));
        KS_TRY(ks_wire_alg(reader, KS_ALG_NULL, "key derivation"));
        KS_TRY(ks_wire_number(reader, key->x, kind->len, "point x"));
        KS_TRY(ks_wire_number(reader, key->y, kind->len, "point y"));
    }
out:
    return err;
}

enum ks_err ks_ek_public_parse(struct ks_bytes public_area, struct ks_ek_public *out_ek)
{
    enum ks_err err = KS_OK;
    struct ks_ek_public ek = {0};
    struct ks_reader reader = ks_reader_of(public_area, "endorsement key");
    const struct kind *kind;
    struct ks_bytes policy;
    size_t hash_len;

    KS_CHECK(public_area.len <= KS_EK_PUBLIC_MAX, KS_ERR_LIMIT,
             "endorsement key: %zu bytes, limit %d", public_area.len, KS_EK_PUBLIC_MAX);
    KS_TRY(find_kind(&reader, &ek.kind));
    kind = &kinds[ek.kind];
    hash_len = ks_tpm_hash_len(kind->hash);
    KS_TRY(ks_wire_attributes(&reader, attribute_rules,
                              sizeof attribute_rules / sizeof attribute_rules[0],
                              "restricted decryption key of one TPM"));
    KS_TRY(ks_read_lp16(&reader, POLICY_LEN_MAX, &policy));
    KS_CHECK(policy.len == hash_len, KS_ERR_FORMAT,
             "endorsement key: policy of %zu bytes, want %zu", policy.len, hash_len);
    KS_TRY(read_symmetric(&reader, kind));
    KS_TRY(read_unique(&reader, kind, &ek.key));
    KS_TRY(ks_read_end(&reader));
    ek.name[0] = (uint8_t)(kind->name_alg >> 8);
    ek.name[1] = (uint8_t)(kind->name_alg & 0xff);
    ks_tpm_digest(kind->hash, &public_area, 1, ek.name + 2);
    ek.name_len = 2 + hash_len;
    *out_ek = ek;
out:
    return err;
}

enum ks_err ks_ek_public_check_cert(const struct ks_ek_public *ek,
                                    const struct ks_ek_cert *cert)
{
    enum ks_err err = KS_OK;
    const struct ks_ek_key *key;

    KS_TRY(ks_ek_cert_key(cert, &key));
    KS_CHECK(ks_ek_key_equal(&ek->key, key), KS_ERR_VERIFY,
             "endorsement key: the certificate is for another key (%s), this is another TPM's",
             ks_ek_alg_name(key->alg));
out:
    return err;
}

/* --- TPM2_MakeCredential ------------------------------------------------------------------ */

/* The seed that only the endorsement key's TPM can get out of the TPM2B_ENCRYPTED_SECRET that
 * is appended to OUT (TPM2 part 1 §24.2, §B.10.4, §C.6.4). SEED has the name hash's length. */
static enum ks_err share_seed(const struct ks_ek_public *ek, struct ks_bytes random,
                              uint8_t *seed, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    const struct kind *kind = &kinds[ek->kind];
    struct ks_reader reader = ks_reader_of(random, "randomness");
    struct ks_bytes padding;
    struct ks_bytes scalar;
    size_t hash_len = ks_tpm_hash_len(kind->hash);
    uint8_t x[KS_EK_ECC_LEN_MAX];
    uint8_t y[KS_EK_ECC_LEN_MAX];
    uint8_t z[KS_EK_ECC_LEN_MAX] = {0};

    if (kind->type == KS_ALG_RSA) {
        KS_TRY(ks_read_copy(&reader, seed, hash_len));
        KS_TRY(ks_read_bytes(&reader, hash_len, &padding));
        ks_buf_put_u16(out, (uint16_t)kind->len);
        KS_TRY(ks_tpm_oaep_encrypt(&ek->key, kind->hash, "IDENTITY", padding,
                                   ks_bytes_of(seed, hash_len), out));
    } else {
        KS_TRY(ks_read_bytes(&reader, kind->len + SCALAR_EXTRA_LEN, &scalar));
        KS_TRY(ks_tpm_ecdh(&ek->key, scalar, x, y, z));
        ks_tpm_kdfe(kind->hash, ks_bytes_of(z, kind->len), "IDENTITY",
                    ks_bytes_of(x, kind->len), ks_bytes_of(ek->key.x, kind->len), seed);
        /* A TPMS_ECC_POINT. */
        ks_buf_put_u16(out, (uint16_t)(2 * (TPM2B_SIZE_LEN + kind->len)));
        ks_buf_put_lp16(out, ks_bytes_of(x, kind->len));
        ks_buf_put_lp16(out, ks_bytes_of(y, kind->len));
    }
    KS_TRY(ks_buf_check(out));
out:
    ks_wipe(z, sizeof z);
    return err;
}

/* Encrypts SECRET, with its size, and binds it to NAME: appends a TPM2B_ID_OBJECT (TPM2 part 1
 * §24.4, §24.5; part 2 §12.4.3). */
static enum ks_err wrap(const struct kind *kind, struct ks_bytes seed, struct ks_bytes name,
                        struct ks_bytes secret, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    size_t hash_len = ks_tpm_hash_len(kind->hash);
    uint8_t storage_key[32] = {0};
    uint8_t mac_key[KS_TPM_HASH_MAX] = {0};
    uint8_t mac[KS_TPM_HASH_MAX];
    uint8_t plain[TPM2B_SIZE_LEN + KS_CREDENTIAL_SECRET_MAX] = {0};
    uint8_t wrapped[sizeof plain];
    size_t len = TPM2B_SIZE_LEN + secret.len;
    const struct ks_bytes bound[] = {ks_bytes_of(wrapped, len), name};

    plain[1] = (uint8_t)secret.len;
    ks_copy(plain + TPM2B_SIZE_LEN, secret.data, secret.len);
    KS_TRY(ks_tpm_kdfa(kind->hash, seed, "STORAGE", name, kind->aes_bits / 8, storage_key));
    KS_TRY(ks_tpm_cfb_encrypt(ks_bytes_of(storage_key, kind->aes_bits / 8),
                              ks_bytes_of(plain, len), wrapped));
    KS_TRY(ks_tpm_kdfa(kind->hash, seed, "INTEGRITY", (struct ks_bytes){NULL, 0}, hash_len,
                       mac_key));
    KS_TRY(ks_tpm_hmac(kind->hash, ks_bytes_of(mac_key, hash_len), bound, 2, mac));
    ks_buf_put_u16(out, (uint16_t)(TPM2B_SIZE_LEN + hash_len + len));
    ks_buf_put_lp16(out, ks_bytes_of(mac, hash_len));
    ks_buf_put(out, ks_bytes_of(wrapped, len));
    KS_TRY(ks_buf_check(out));
out:
    ks_wipe(storage_key, sizeof storage_key);
    ks_wipe(mac_key, sizeof mac_key);
    ks_wipe(plain, sizeof plain);
    return err;
}

enum ks_err ks_credential_make(const struct ks_ek_public *ek,
                               const struct ks_credential_spec *spec,
                               struct ks_buf *out_id_object,
                               struct ks_buf *out_encrypted_secret)
{
    enum ks_err err = KS_OK;
    uint8_t seed[KS_TPM_HASH_MAX] = {0};
    struct ks_buf id_object;
    struct ks_buf encrypted;

    ks_buf_init(&id_object, KS_CREDENTIAL_ID_OBJECT_MAX);
    ks_buf_init(&encrypted, KS_CREDENTIAL_SECRET_BLOB_MAX);
    KS_CHECK(
        spec->ak_name.len == KS_AK_NAME_LEN && spec->secret.len >= 1 &&
            spec->secret.len <= KS_CREDENTIAL_SECRET_MAX &&
            spec->random.len == KS_CREDENTIAL_RANDOM_LEN,
        KS_ERR_USAGE,
        "credential: a name of %zu, a secret of %zu, randomness of %zu bytes, want %d, 1 to "
        "%d, %d",
        spec->ak_name.len, spec->secret.len, spec->random.len, KS_AK_NAME_LEN,
        KS_CREDENTIAL_SECRET_MAX, KS_CREDENTIAL_RANDOM_LEN);
    KS_TRY(share_seed(ek, spec->random, seed, &encrypted));
    KS_TRY(wrap(&kinds[ek->kind], ks_bytes_of(seed, ks_tpm_hash_len(kinds[ek->kind].hash)),
                spec->ak_name, spec->secret, &id_object));
    /* Room in both before a byte goes into either. */
    (void)ks_buf_reserve(out_id_object, id_object.len);
    (void)ks_buf_reserve(out_encrypted_secret, encrypted.len);
    KS_TRY(ks_buf_check(out_id_object));
    KS_TRY(ks_buf_check(out_encrypted_secret));
    ks_buf_put(out_id_object, ks_buf_view(&id_object));
    ks_buf_put(out_encrypted_secret, ks_buf_view(&encrypted));
out:
    ks_wipe(seed, sizeof seed);
    ks_buf_done(&id_object);
    ks_buf_done(&encrypted);
    return err;
}
