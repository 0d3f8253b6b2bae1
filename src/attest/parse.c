/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The TPM's wire structures, strictly: TPM 2.0 Library Specification, Part 2 (rev 1.59). */
#include "attest/quote.h"
#include "attest/wire.h"
#include "crypto/digest.h"

#define POLICY_MAX     32 /* authPolicy under nameAlg SHA-256 */
#define PCR_SELECT_LEN 3  /* TPM2 part 2 §10.6.2 with 24 PCRs */
#define GENERATED_VALUE                                                                        \
    0xff544347                 /* TPM2 part 2 §6.2: "\xffTCG", in what only a TPM may sign */
#define ST_ATTEST_QUOTE 0x8018 /* TPM2 part 2 §6.9 */
#define RH_ENDORSEMENT  0x4000000b /* TPM2 part 2 §7.4 */

/* What a key must say of itself, and must not. Each line is one way to sign something that no
 * TPM stated, or elsewhere than in this TPM. */
static const struct ks_wire_rule attribute_rules[] = {
    {KS_OBJECT_FIXED_TPM, true, "fixedTPM"},
    {KS_OBJECT_FIXED_PARENT, true, "fixedParent"},
    {KS_OBJECT_SENSITIVE_DATA_ORIGIN, true, "sensitiveDataOrigin"},
    {KS_OBJECT_RESTRICTED, true, "restricted"},
    {KS_OBJECT_SIGN, true, "sign"},
    {KS_OBJECT_DECRYPT, false, "decrypt"},
    {KS_OBJECT_ENCRYPTED_DUPLICATION, false, "encryptedDuplication"},
    {KS_OBJECT_X509_SIGN, false, "x509sign"},
};

/* TPMS_ECC_PARMS, TPMS_ECC_POINT (TPM2 part 2 §12.2.3.6, §11.2.5.2). */
static enum ks_err read_ecc(struct ks_reader *reader, struct ks_ak_public *ak)
{
    enum ks_err err = KS_OK;

    ak->alg = KS_AK_ECDSA_P256;
    KS_TRY(ks_wire_alg(reader, KS_ALG_NULL, "symmetric algorithm"));
    KS_TRY(ks_wire_alg(reader, KS_ALG_ECDSA, "signing scheme"));
    KS_TRY(ks_wire_alg(reader, KS_ALG_SHA256, "signing hash"));
    KS_TRY(ks_wire_alg(reader, KS_CURVE_NIST_P256, "curve"));
    KS_TRY(ks_wire_alg(reader, KS_ALG_NULL, "key derivation"));
    KS_TRY(ks_wire_number(reader, ak->x, sizeof ak->x, "point x"));
    KS_TRY(ks_wire_number(reader, ak->y, sizeof ak->y, "point y"));
out:
    return err;
}

/* TPMS_RSA_PARMS, TPM2B_PUBLIC_KEY_RSA (TPM2 part 2 §12.2.3.5, §11.2.4.5). */
static enum ks_err read_rsa(struct ks_reader *reader, struct ks_ak_public *ak)
{
    enum ks_err err = KS_OK;

    ak->alg = KS_AK_RSA_2048;
    KS_TRY(ks_wire_alg(reader, KS_ALG_NULL, "symmetric algorithm"));
    KS_TRY(ks_wire_alg(reader, KS_ALG_RSASSA, "signing scheme"));
    KS_TRY(ks_wire_alg(reader, KS_ALG_SHA256, "signing hash"));
    KS_TRY(ks_wire_alg(reader, KS_RSA_BITS, "key bits"));
    KS_TRY(ks_wire_rsa_unique(reader, &ak->exponent, ak->modulus));
out:
    return err;
}

/* u16 name algorithm, SHA-256 over PREFIX and BODY. */
static void name_of(struct ks_bytes prefix, struct ks_bytes body,
                    uint8_t out_name[KS_AK_NAME_LEN])
{
    const struct ks_bytes parts[] = {prefix, body};

    out_name[0] = KS_ALG_SHA256 >> 8;
    out_name[1] = KS_ALG_SHA256 & 0xff;
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
    KS_CHECK(type == KS_ALG_ECC || type == KS_ALG_RSA, KS_ERR_FORMAT,
             "attestation key: key type 0x%04x is neither ECC nor RSA", (unsigned)type);
    KS_TRY(ks_wire_alg(&reader, KS_ALG_SHA256, "name algorithm"));
    KS_TRY(ks_wire_attributes(&reader, attribute_rules,
                              sizeof attribute_rules / sizeof attribute_rules[0],
                              "restricted signing key of one TPM"));
    KS_TRY(ks_read_lp16(&reader, POLICY_MAX, &policy));
    KS_CHECK(policy.len == 0 || policy.len == POLICY_MAX, KS_ERR_FORMAT,
             "attestation key: policy of %zu bytes", policy.len);
    KS_TRY(type == KS_ALG_ECC ? read_ecc(&reader, &ak) : read_rsa(&reader, &ak));
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
    KS_TRY(ks_wire_alg(reader, KS_ALG_SHA256, "PCR bank"));
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
    KS_TRY(ks_wire_alg(&reader, ST_ATTEST_QUOTE, "attestation type"));
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
    KS_CHECK(scheme == KS_ALG_ECDSA || scheme == KS_ALG_RSASSA, KS_ERR_FORMAT,
             "quote signature: scheme 0x%04x is neither ECDSA nor RSASSA", (unsigned)scheme);
    KS_TRY(ks_wire_alg(&reader, KS_ALG_SHA256, "hash"));
    if (scheme == KS_ALG_ECDSA) {
        signature.alg = KS_AK_ECDSA_P256;
        KS_TRY(ks_wire_number(&reader, signature.r, sizeof signature.r, "r"));
        KS_TRY(ks_wire_number(&reader, signature.s, sizeof signature.s, "s"));
    } else {
        signature.alg = KS_AK_RSA_2048;
        KS_TRY(ks_wire_number(&reader, signature.rsa, sizeof signature.rsa, "signature"));
    }
    KS_TRY(ks_read_end(&reader));
    *out_signature = signature;
out:
    return err;
}
