/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* sealed.h: what a TPM has sealed, read without one: the blob of docs/formats/sealed.md, the
 * policy it is under, and the authorisations by which an operator lets other PCR values open it
 * (a planned update). Hides the policy digests of TPM 2.0 (TPM2 part 3 §23). Pure; views borrow
 * from the caller's bytes.
 *
 * A blob opens to the PCR values that it was sealed to. With an authority, it also opens to any
 * PCR values for which the authority's P-256 key has signed an authorisation of the same
 * purpose. An authorisation has no end: who keeps an old blob can open it in each state that
 * was ever authorised. */
#ifndef KS_ATTEST_SEALED_H
#define KS_ATTEST_SEALED_H

#include "attest/quote.h"
#include "base/buf.h"

#define KS_SEALED_DATA_MAX           128 /* bytes that every TPM seals in one object */
#define KS_SEALED_PURPOSE_MAX        80 /* bytes of text: a path of ours and the id of a device */
#define KS_SEALED_MAX                2048 /* bytes of a blob; all PCRs and an authority need about 1,500 */
#define KS_AUTHORISATION_MAX         1024 /* bytes; all PCRs need 942 */
#define KS_AUTHORITY_DER_MAX         128  /* bytes; a P-256 key has 91 */
#define KS_POLICY_LEN                32   /* SHA-256 */
#define KS_AUTHORISATION_MESSAGE_LEN 64

/* Who may authorise other PCR values, and for what. */
struct ks_sealed_authority {
    uint8_t x[32]; /* P-256 point, big-endian */
    uint8_t y[32];
    /* Names the object, such as "ketseal/enclave-state": 1 to KS_SEALED_PURPOSE_MAX printable
     * ASCII characters. An authorisation for one purpose opens nothing of another. Borrowed. */
    struct ks_bytes purpose;
};

/* Reads the operator's public key as `openssl pkey -pubout -outform DER` writes it (RFC 5480,
 * uncompressed). KS_ERR_FORMAT for any other key. */
KS_MUST_CHECK enum ks_err ks_sealed_authority_parse(struct ks_bytes spki,
                                                    struct ks_bytes purpose,
                                                    struct ks_sealed_authority *out_authority);

/* PCR values: one for each bit of the mask (not 0), ascending. Borrowed. */
struct ks_pcr_state {
    uint32_t mask;
    const uint8_t (*values)[KS_PCR_DIGEST_LEN];
};

/* The policy digests that the TPM computes: of TPM2_PolicyPCR alone; and of a blob: that, or
 * with AUTHORITY (may be NULL) TPM2_PolicyOR of that and TPM2_PolicyAuthorize. */
void ks_policy_pcr(const struct ks_pcr_state *pcrs, uint8_t out_policy[KS_POLICY_LEN]);
void ks_policy_sealed(const struct ks_pcr_state *pcrs,
                      const struct ks_sealed_authority *authority,
                      uint8_t out_policy[KS_POLICY_LEN]);
/* The branches of that TPM2_PolicyOR: [0] for the sealed values, [1] for authorised ones. */
void ks_policy_branches(const struct ks_pcr_state *pcrs,
                        const struct ks_sealed_authority *authority,
                        uint8_t out_branches[2][KS_POLICY_LEN]);
/* SHA-256("ketseal/sealed/1\n" || PURPOSE): the TPM's policyRef. */
void ks_policy_ref(struct ks_bytes purpose, uint8_t out_ref[KS_POLICY_LEN]);
/* The name (TPM2 part 1 §16) of AUTHORITY's key as the TPM loads it, and the TPMT_PUBLIC. */
void ks_sealed_authority_name(const struct ks_sealed_authority *authority,
                              uint8_t out_name[KS_AK_NAME_LEN]);
#define KS_AUTHORITY_PUBLIC_LEN 88
void ks_sealed_authority_public(const struct ks_sealed_authority *authority,
                                uint8_t out_public[KS_AUTHORITY_PUBLIC_LEN]);

/* A parsed blob. Views borrow from it; the values are copied. */
struct ks_sealed_view {
    uint32_t pcr_mask;
    uint8_t pcr_values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN]; /* one for each bit, ascending */
    bool has_authority;
    struct ks_sealed_authority authority;
    uint8_t parent_name[KS_AK_NAME_LEN]; /* of the storage key that sealed it */
    struct ks_bytes public_area;  /* TPMT_PUBLIC; its policy is that of the fields above */
    struct ks_bytes private_area; /* the contents of the TPM2B_PRIVATE */
};

/* KS_ERR_FORMAT for anything but a blob whose policy fields and TPM public area agree; whether
 * the TPM's parts are whole, only the TPM knows. encode(parse(x)) == x. */
KS_MUST_CHECK enum ks_err ks_sealed_parse(struct ks_bytes blob,
                                          struct ks_sealed_view *out_view);
/* Appends the blob. */
KS_MUST_CHECK enum ks_err ks_sealed_encode(const struct ks_sealed_view *view,
                                           struct ks_buf *out_blob);

/* Names the PCRs whose values in SEALED and CURRENT (same mask, asserted) differ: "PCR 7, 14".
 * Empty text when none does. */
#define KS_PCR_LIST_MAX 96 /* bytes, NUL included; all 24 need 94 */
void ks_pcr_differences(const struct ks_pcr_state *sealed, const struct ks_pcr_state *current,
                        char out_text[KS_PCR_LIST_MAX]);

/* --- authorisations ----------------------------------------------------------------------- */

/* The message that the operator signs to let PCRS open what is sealed for PURPOSE, with ECDSA
 * P-256 and SHA-256, such as by `openssl dgst -sha256 -sign key.pem`: policy digest, policyRef
 * (TPM2 part 3 §23.16). */
void ks_authorisation_message(const struct ks_pcr_state *pcrs, struct ks_bytes purpose,
                              uint8_t out_message[KS_AUTHORISATION_MESSAGE_LEN]);
/* SHA-256 of it: what the signature is over. */
void ks_authorisation_digest(const struct ks_pcr_state *pcrs, struct ks_bytes purpose,
                             uint8_t out_digest[KS_POLICY_LEN]);
/* Checks SIGNATURE_DER (Ecdsa-Sig-Value, RFC 3279 §2.2.3) under AUTHORITY (KS_ERR_VERIFY) and
 * appends the authorisation, docs/formats/sealed.md. */
KS_MUST_CHECK enum ks_err ks_authorisation_make(const struct ks_pcr_state *pcrs,
                                                const struct ks_sealed_authority *authority,
                                                struct ks_bytes signature_der,
                                                struct ks_buf *out_authorisation);

struct ks_authorisation_view {
    uint32_t pcr_mask;
    uint8_t pcr_values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    struct ks_bytes purpose;
    uint8_t r[32];
    uint8_t s[32];
};
KS_MUST_CHECK enum ks_err ks_authorisation_parse(struct ks_bytes bytes,
                                                 struct ks_authorisation_view *out_view);
/* KS_ERR_VERIFY unless it is for AUTHORITY's purpose and signed by AUTHORITY's key. */
KS_MUST_CHECK enum ks_err ks_authorisation_check(const struct ks_authorisation_view *view,
                                                 const struct ks_sealed_authority *authority);

#endif
