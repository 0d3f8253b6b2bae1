/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The TPM's wire structures, strictly: TPM 2.0 Library Specification, Part 2 (rev 1.59). */
#include "attest/quote.h"
#include "crypto/digest.h"

/* TPM2 part 2 §6.3, §6.4: algorithms and curves. */
#define ALG_RSA         0x0001
#define ALG_SHA256      0x000b
#define ALG_NULL        0x0010
#define ALG_RSASSA      0x0014
#define ALG_ECDSA       0x0018
#define ALG_ECC         0x0023
#define CURVE_NIST_P256 0x0003

/* TPM2 part 2 §8.3: TPMA_OBJECT. */
#define OBJECT_FIXED_TPM             (1u << 1)
#define OBJECT_ST_CLEAR              (1u << 2)
#define OBJECT_FIXED_PARENT          (1u << 4)
#define OBJECT_SENSITIVE_DATA_ORIGIN (1u << 5)
#define OBJECT_USER_WITH_AUTH        (1u << 6)
#define OBJECT_ADMIN_WITH_POLICY     (1u << 7)
#define OBJECT_NO_DA                 (1u << 10)
#define OBJECT_ENCRYPTED_DUPLICATION (1u << 11)
#define OBJECT_RESTRICTED            (1u << 16)
#define OBJECT_DECRYPT               (1u << 17)
#define OBJECT_SIGN                  (1u << 18)
#define OBJECT_X509_SIGN             (1u << 19)

#define RSA_BITS             2048
#define RSA_EXPONENT_DEFAULT 65537 /* TPM2 part 2 §12.2.3.5: 0 stands for it */
#define POLICY_MAX           32    /* authPolicy under nameAlg SHA-256 */
#define PCR_SELECT_LEN       3     /* TPM2 part 2 §10.6.2 with 24 PCRs */
#define GENERATED_VALUE                                                                        \
    0xff544347                 /* TPM2 part 2 §6.2: "\xffTCG", in what only a TPM may sign */
#define ST_ATTEST_QUOTE 0x8018 /* TPM2 part 2 §6.9 */
#define RH_ENDORSEMENT  0x4000000b /* TPM2 part 2 §7.4 */

/* What a key must say of itself, and must not. Each line is one way to sign something that no
 * TPM stated, or elsewhere than in this TPM. */
static const struct {
    uint32_t bit;
    bool wanted;
    const char *name;
} attribute_rules[] = {
    {OBJECT_FIXED_TPM, true, "fixedTPM"},
    {OBJECT_FIXED_PARENT, true, "fixedParent"},
    {OBJECT_SENSITIVE_DATA_ORIGIN, true, "sensitiveDataOrigin"},
    {OBJECT_RESTRICTED, true, "restricted"},
    {OBJECT_SIGN, true, "sign"},
    {OBJECT_DECRYPT, false, "decrypt"},
    {OBJECT_ENCRYPTED_DUPLICATION, false, "encryptedDuplication"},
    {OBJECT_X509_SIGN, false, "x509sign"},
};
#define ATTRIBUTES_FREE                                                                        \
    (OBJECT_ST_CLEAR | OBJECT_USER_WITH_AUTH | OBJECT_ADMIN_WITH_POLICY | OBJECT_NO_DA)

/* Reads a u16 that must be WANT. */
static enum ks_err read_alg(struct ks_reader *reader, unsigned want, const char *field)
{
    enum ks_err err = KS_OK;
    uint16_t value;

    KS_TRY(ks_read_u16(reader, &value));
    KS_CHECK(value == want, KS_ERR_FORMAT, "%s: %s is 0x%04x, want 0x%04x", reader->what, field,
             (unsigned)value, want);
out:
    return err;
}

/* Reads a TPM2B of 1 to LEN bytes, a big-endian number, and puts zeros before it: some TPMs
 * drop leading zeros, some keep them. */
static enum ks_err read_number(struct ks_reader *reader, uint8_t *target, size_t len,
                               const char *field)
{
    enum ks_err err = KS_OK;
    struct ks_bytes bytes;

    KS_TRY(ks_read_lp16(reader, KS_AK_PUBLIC_MAX, &bytes));
    KS_CHECK(bytes.len >= 1 && bytes.len <= len, KS_ERR_FORMAT,
             "%s: %s has %zu bytes, want %zu", reader->what, field, bytes.len, len);
    ks_zero(target, len - bytes.len);
    ks_copy(target + (len - bytes.len), bytes.data, bytes.len);
out:
    return err;
}

static enum ks_err read_attributes(struct ks_reader *reader)
{
    enum ks_err err = KS_OK;
    uint32_t attributes;
    uint32_t known = ATTRIBUTES_FREE;

    KS_TRY(ks_read_u32(reader, &attributes));
    for (size_t i = 0; i < sizeof attribute_rules / sizeof attribute_rules[0]; i++) {
        bool set = (attributes & attribute_rules[i].bit) != 0;
        KS_CHECK(set == attribute_rules[i].wanted, KS_ERR_FORMAT,
                 "%s: attribute %s is %s; not a restricted signing key of one TPM",
                 reader->what, attribute_rules[i].name, set ? "set" : "clear");
        known |= attribute_rules[i].bit;
    }
    KS_CHECK((attributes & ~known) == 0, KS_ERR_FORMAT, "%s: reserved attributes 0x%08x",
             reader->what, (unsigned)(attributes & ~known));
out:
    return err;
}

/* TPMS_ECC_PARMS, TPMS_ECC_POINT (TPM2 part 2 §12.2.3.6, §11.2.5.2). */
static enum ks_err read_ecc(struct ks_reader *reader, struct ks_ak_public *ak)
{
    enum ks_err err = KS_OK;

    ak->alg = KS_AK_ECDSA_P256;
    KS_TRY(read_alg(reader, ALG_NULL, "symmetric algorithm"));
    KS_TRY(read_alg(reader, ALG_ECDSA, "signing scheme"));
    KS_TRY(read_alg(reader, ALG_SHA256, "signing hash"));
    KS_TRY(read_alg(reader, CURVE_NIST_P256, "curve"));
    KS_TRY(read_alg(reader, ALG_NULL, "key derivation"));
    KS_TRY(read_number(reader, ak->x, sizeof ak->x, "point x"));
    KS_TRY(read_number(reader, ak->y, sizeof ak->y, "point y"));
out:
    return err;
}

/* TPMS_RSA_PARMS, TPM2B_PUBLIC_KEY_RSA (TPM2 part 2 §12.2.3.5, §11.2.4.5). */
static enum ks_err read_rsa(struct ks_reader *reader, struct ks_ak_public *ak)
{
    enum ks_err err = KS_OK;

    ak->alg = KS_AK_RSA_2048;
    KS_TRY(read_alg(reader, ALG_NULL, "symmetric algorithm"));
    KS_TRY(read_alg(reader, ALG_RSASSA, "signing scheme"));
    KS_TRY(read_alg(reader, ALG_SHA256, "signing hash"));
    KS_TRY(read_alg(reader, RSA_BITS, "key bits"));
    KS_TRY(ks_read_u32(reader, &ak->exponent));
    if (ak->exponent == 0) {
        ak->exponent = RSA_EXPONENT_DEFAULT;
    }
    KS_CHECK(ak->exponent == RSA_EXPONENT_DEFAULT, KS_ERR_FORMAT, "%s: RSA exponent %u",
             reader->what, (unsigned)ak->exponent);
    KS_TRY(read_number(reader, ak->modulus, sizeof ak->modulus, "modulus"));
    KS_CHECK((ak->modulus[0] & 0x80) != 0 && (ak->modulus[255] & 1) != 0, KS_ERR_FORMAT,
             "%s: the modulus is no %d-bit RSA modulus", reader->what, RSA_BITS);
out:
    return err;
}

/* u16 name algorithm, SHA-256 over PREFIX and BODY. */
static void name_of(struct ks_bytes prefix, struct ks_bytes body,
                    uint8_t out_name[KS_AK_NAME_LEN])
{
    const struct ks_bytes parts[] = {prefix, body};

    out_name[0] = ALG_SHA256 >> 8;
    out_name[1] = ALG_SHA256 & 0xff;
    ks_sha256_parts(parts, 2, out_name + 2);
}

enum ks_err ks_ak_public_parse(struct ks_bytes public_area, struct ks_ak_public *out_ak)
{
    enum ks_err err = KS_OK;
    struct ks_ak_public ak = {0};
    struct ks_reader reader = ks_reader_of(public_area, "attestation key");
    uint16_t type;
    struct ks_bytes policy;
    /* TPM2 part 1 §26.5: the qualified name of a hierarchy is its handle. */
    const uint8_t endorsement[4] = {RH_ENDORSEMENT >> 24, 0, 0, RH_ENDORSEMENT & 0xff};

    KS_CHECK(public_area.len <= KS_AK_PUBLIC_MAX, KS_ERR_LIMIT,
             "attestation key: %zu bytes, limit %d", public_area.len, KS_AK_PUBLIC_MAX);
    KS_TRY(ks_read_u16(&reader, &type));
    KS_CHECK(type == ALG_ECC || type == ALG_RSA, KS_ERR_FORMAT,
             "attestation key: key type 0x%04x is neither ECC nor RSA", (unsigned)type);
    KS_TRY(read_alg(&reader, ALG_SHA256, "name algorithm"));
    KS_TRY(read_attributes(&reader));
    KS_TRY(ks_read_lp16(&reader, POLICY_MAX, &policy));
    KS_CHECK(policy.len == 0 || policy.len == POLICY_MAX, KS_ERR_FORMAT,
             "attestation key: policy of %zu bytes", policy.len);
    KS_TRY(type == ALG_ECC ? read_ecc(&reader, &ak) : read_rsa(&reader, &ak));
    KS_TRY(ks_read_end(&reader));
    name_of(public_area, (struct ks_bytes){NULL, 0}, ak.name);
    name_of(KS_BYTES(endorsement), KS_BYTES(ak.name), ak.qualified_name);
    *out_ak = ak;
out:
    return err;
}

const char *ks_ak_alg_name(enum ks_ak_alg alg)
{
    return alg == KS_AK_ECDSA_P256 ? "ECDSA P-256" : "RSASSA 2048";
}

void ks_ak_name(const struct ks_ak_public *ak, uint8_t out_name[KS_AK_NAME_LEN])
{
    ks_copy(out_name, ak->name, KS_AK_NAME_LEN);
}

/* TPML_PCR_SELECTION (TPM2 part 2 §10.9.7) of exactly the sha256 bank. */
static enum ks_err read_selection(struct ks_reader *reader, uint32_t *out_mask)
{
    enum ks_err err = KS_OK;
    uint32_t banks;
    uint8_t select_len;
    uint8_t select[PCR_SELECT_LEN];
    uint32_t mask = 0;

    KS_TRY(ks_read_u32(reader, &banks));
    KS_CHECK(banks == 1, KS_ERR_FORMAT, "%s: selects %u PCR banks, want 1", reader->what,
             (unsigned)banks);
    KS_TRY(read_alg(reader, ALG_SHA256, "PCR bank"));
    KS_TRY(ks_read_u8(reader, &select_len));
    KS_CHECK(select_len == PCR_SELECT_LEN, KS_ERR_FORMAT,
             "%s: PCR selection of %u bytes, want %d", reader->what, (unsigned)select_len,
             PCR_SELECT_LEN);
    KS_TRY(ks_read_copy(reader, select, sizeof select));
    for (unsigned i = 0; i < PCR_SELECT_LEN; i++) {
        mask |= (uint32_t)select[i] << (8 * i);
    }
    KS_CHECK(mask != 0, KS_ERR_FORMAT, "%s: selects no PCR", reader->what);
    *out_mask = mask;
out:
    return err;
}

/* TPMS_CLOCK_INFO (TPM2 part 2 §10.11.1). */
static enum ks_err read_clock(struct ks_reader *reader, struct ks_quote_view *view)
{
    enum ks_err err = KS_OK;
    uint8_t safe;

    KS_TRY(ks_read_u64(reader, &view->clock_ms));
    KS_TRY(ks_read_u32(reader, &view->reset_count));
    KS_TRY(ks_read_u32(reader, &view->restart_count));
    KS_TRY(ks_read_u8(reader, &safe));
    KS_CHECK(safe <= 1, KS_ERR_FORMAT, "%s: 'safe' is %u", reader->what, (unsigned)safe);
    view->safe = safe == 1;
out:
    return err;
}

enum ks_err ks_quote_parse(struct ks_bytes attest, struct ks_quote_view *out_view)
{
    enum ks_err err = KS_OK;
    struct ks_quote_view view = {0};
    struct ks_reader reader = ks_reader_of(attest, "quote");
    uint32_t magic;
    struct ks_bytes digest;

    KS_CHECK(attest.len <= KS_ATTEST_MAX, KS_ERR_LIMIT, "quote: %zu bytes, limit %d",
             attest.len, KS_ATTEST_MAX);
    KS_TRY(ks_read_u32(&reader, &magic));
    KS_CHECK(magic == GENERATED_VALUE, KS_ERR_FORMAT,
             "quote: magic 0x%08x: not generated by a TPM", (unsigned)magic);
    KS_TRY(read_alg(&reader, ST_ATTEST_QUOTE, "attestation type"));
    KS_TRY(ks_read_lp16(&reader, KS_AK_PUBLIC_MAX, &view.qualified_signer));
    KS_CHECK(view.qualified_signer.len == KS_AK_NAME_LEN, KS_ERR_FORMAT,
             "quote: qualified signer of %zu bytes, want %d", view.qualified_signer.len,
             KS_AK_NAME_LEN);
    KS_TRY(ks_read_lp16(&reader, KS_QUOTE_EXTRA_MAX, &view.extra_data));
    KS_TRY(read_clock(&reader, &view));
    KS_TRY(ks_read_u64(&reader, &view.firmware_version));
    KS_TRY(read_selection(&reader, &view.pcr_mask));
    KS_TRY(ks_read_lp16(&reader, KS_AK_PUBLIC_MAX, &digest));
    KS_CHECK(digest.len == KS_PCR_DIGEST_LEN, KS_ERR_FORMAT,
             "quote: PCR digest of %zu bytes, want %d", digest.len, KS_PCR_DIGEST_LEN);
    ks_copy(view.pcr_digest, digest.data, KS_PCR_DIGEST_LEN);
    KS_TRY(ks_read_end(&reader));
    *out_view = view;
out:
    return err;
}

enum ks_err ks_tpm_signature_parse(struct ks_bytes bytes,
                                   struct ks_tpm_signature *out_signature)
{
    enum ks_err err = KS_OK;
    struct ks_tpm_signature signature = {0};
    struct ks_reader reader = ks_reader_of(bytes, "quote signature");
    uint16_t scheme;

    KS_CHECK(bytes.len <= KS_TPM_SIGNATURE_MAX, KS_ERR_LIMIT,
             "quote signature: %zu bytes, limit %d", bytes.len, KS_TPM_SIGNATURE_MAX);
    KS_TRY(ks_read_u16(&reader, &scheme));
    KS_CHECK(scheme == ALG_ECDSA || scheme == ALG_RSASSA, KS_ERR_FORMAT,
             "quote signature: scheme 0x%04x is neither ECDSA nor RSASSA", (unsigned)scheme);
    KS_TRY(read_alg(&reader, ALG_SHA256, "hash"));
    if (scheme == ALG_ECDSA) {
        signature.alg = KS_AK_ECDSA_P256;
        KS_TRY(read_number(&reader, signature.r, sizeof signature.r, "r"));
        KS_TRY(read_number(&reader, signature.s, sizeof signature.s, "s"));
    } else {
        signature.alg = KS_AK_RSA_2048;
        KS_TRY(read_number(&reader, signature.rsa, sizeof signature.rsa, "signature"));
    }
    KS_TRY(ks_read_end(&reader));
    *out_signature = signature;
out:
    return err;
}
