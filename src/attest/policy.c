/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Policy digests, as TPM 2.0 Library Specification, Part 3 (rev 1.59) §23 and part 1 §19.7
 * compute them: each command extends the digest, which begins as zeros. */
#include "attest/sealed.h"

#include "crypto/digest.h"

/* TPM2 part 2 §6.5.2, §6.3, §6.4. */
#define CC_POLICY_AUTHORIZE 0x0000016a
#define CC_POLICY_OR        0x00000171
#define CC_POLICY_PCR       0x0000017f
#define ALG_SHA256          0x000b
#define ALG_NULL            0x0010
#define ALG_ECDSA           0x0018
#define ALG_ECC             0x0023
#define CURVE_NIST_P256     0x0003
#define OBJECT_SIGN         0x00040000
#define PCR_SELECT_LEN      3 /* bytes for KS_PCR_COUNT bits */

#define REF_PREFIX "ketseal/sealed/1\n"

/* Big-endian, for the few numbers of a TPM's structures in memory of fixed size. */
struct wire {
    uint8_t bytes[KS_AUTHORITY_PUBLIC_LEN];
    size_t len;
};

static void put_number(struct wire *wire, uint32_t value, size_t size)
{
    KS_ASSERT(size <= sizeof wire->bytes - wire->len);
    for (size_t i = size; i > 0; i--) {
        wire->bytes[wire->len++] = (uint8_t)(value >> (8 * (i - 1)));
    }
}

static void put_bytes(struct wire *wire, const uint8_t *bytes, size_t len)
{
    KS_ASSERT(len <= sizeof wire->bytes - wire->len);
    ks_copy(wire->bytes + wire->len, bytes, len);
    wire->len += len;
}

void ks_policy_pcr(const struct ks_pcr_state *pcrs, uint8_t out_policy[KS_POLICY_LEN])
{
    const uint8_t start[KS_POLICY_LEN] = {0};
    uint8_t digest[KS_POLICY_LEN];
    struct wire command = {0};

    KS_ASSERT(pcrs->mask != 0 && pcrs->mask < 1u << KS_PCR_COUNT);
    ks_sha256(
        ks_bytes_of(pcrs->values, (size_t)ks_pcr_mask_count(pcrs->mask) * KS_PCR_DIGEST_LEN),
        digest);
    put_number(&command, CC_POLICY_PCR, 4);
    put_number(&command, 1, 4); /* TPML_PCR_SELECTION: one bank */
    put_number(&command, ALG_SHA256, 2);
    put_number(&command, PCR_SELECT_LEN, 1);
    for (unsigned i = 0; i < PCR_SELECT_LEN; i++) {
        put_number(&command, pcrs->mask >> (8 * i) & 0xff, 1);
    }
    const struct ks_bytes parts[] = {KS_BYTES(start), ks_bytes_of(command.bytes, command.len),
                                     KS_BYTES(digest)};
    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_policy);
}

void ks_policy_ref(struct ks_bytes purpose, uint8_t out_ref[KS_POLICY_LEN])
{
    const struct ks_bytes parts[] = {KS_LITERAL(REF_PREFIX), purpose};

    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_ref);
}

void ks_sealed_authority_public(const struct ks_sealed_authority *authority,
                                uint8_t out_public[KS_AUTHORITY_PUBLIC_LEN])
{
    struct wire area = {0};

    put_number(&area, ALG_ECC, 2);
    put_number(&area, ALG_SHA256, 2);
    put_number(&area, OBJECT_SIGN, 4);
    put_number(&area, 0, 2); /* no policy */
    put_number(&area, ALG_NULL, 2);
    put_number(&area, ALG_ECDSA, 2);
    put_number(&area, ALG_SHA256, 2);
    put_number(&area, CURVE_NIST_P256, 2);
    put_number(&area, ALG_NULL, 2);
    put_number(&area, sizeof authority->x, 2);
    put_bytes(&area, authority->x, sizeof authority->x);
    put_number(&area, sizeof authority->y, 2);
    put_bytes(&area, authority->y, sizeof authority->y);
    KS_ASSERT(area.len == KS_AUTHORITY_PUBLIC_LEN);
    ks_copy(out_public, area.bytes, area.len);
}

void ks_sealed_authority_name(const struct ks_sealed_authority *authority,
                              uint8_t out_name[KS_AK_NAME_LEN])
{
    uint8_t area[KS_AUTHORITY_PUBLIC_LEN];

    ks_sealed_authority_public(authority, area);
    out_name[0] = (uint8_t)(ALG_SHA256 >> 8);
    out_name[1] = (uint8_t)ALG_SHA256;
    ks_sha256(KS_BYTES(area), out_name + 2);
}

/* TPM2_PolicyAuthorize (§23.16): the digest begins anew, then the key's name, then the ref. */
static void policy_authorize(const struct ks_sealed_authority *authority,
                             uint8_t out_policy[KS_POLICY_LEN])
{
    const uint8_t start[KS_POLICY_LEN] = {0};
    uint8_t name[KS_AK_NAME_LEN];
    uint8_t reference[KS_POLICY_LEN];
    uint8_t half[KS_POLICY_LEN];
    struct wire command = {0};

    put_number(&command, CC_POLICY_AUTHORIZE, 4);
    ks_sealed_authority_name(authority, name);
    ks_policy_ref(authority->purpose, reference);
    const struct ks_bytes first[] = {KS_BYTES(start), ks_bytes_of(command.bytes, command.len),
                                     KS_BYTES(name)};
    ks_sha256_parts(first, sizeof first / sizeof first[0], half);
    const struct ks_bytes second[] = {KS_BYTES(half), KS_BYTES(reference)};
    ks_sha256_parts(second, sizeof second / sizeof second[0], out_policy);
}

void ks_policy_branches(const struct ks_pcr_state *pcrs,
                        const struct ks_sealed_authority *authority,
                        uint8_t out_branches[2][KS_POLICY_LEN])
{
    ks_policy_pcr(pcrs, out_branches[0]);
    policy_authorize(authority, out_branches[1]);
}

void ks_policy_sealed(const struct ks_pcr_state *pcrs,
                      const struct ks_sealed_authority *authority,
                      uint8_t out_policy[KS_POLICY_LEN])
{
    const uint8_t start[KS_POLICY_LEN] = {0};
    uint8_t branches[2][KS_POLICY_LEN];
    struct wire command = {0};

    if (authority == NULL) {
        ks_policy_pcr(pcrs, out_policy);
        return;
    }
    ks_policy_branches(pcrs, authority, branches);
    put_number(&command, CC_POLICY_OR, 4);
    const struct ks_bytes parts[] = {KS_BYTES(start), ks_bytes_of(command.bytes, command.len),
                                     KS_BYTES(branches)};
    ks_sha256_parts(parts, sizeof parts / sizeof parts[0], out_policy);
}

void ks_authorisation_message(const struct ks_pcr_state *pcrs, struct ks_bytes purpose,
                              uint8_t out_message[KS_AUTHORISATION_MESSAGE_LEN])
{
    ks_policy_pcr(pcrs, out_message);
    ks_policy_ref(purpose, out_message + KS_POLICY_LEN);
}

void ks_authorisation_digest(const struct ks_pcr_state *pcrs, struct ks_bytes purpose,
                             uint8_t out_digest[KS_POLICY_LEN])
{
    uint8_t message[KS_AUTHORISATION_MESSAGE_LEN];

    ks_authorisation_message(pcrs, purpose, message);
    ks_sha256(KS_BYTES(message), out_digest);
}
