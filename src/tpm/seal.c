/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Sealing under the policies of attest/sealed.h. */
#include "tpm/tpm.h"

#include <tss2/tss2_mu.h>

#include "crypto/digest.h"
#include "tpm/internal.h"

#define STORAGE_HANDLE  0x81000001 /* TCG registry of reserved handles: the storage root key */
#define PUBLIC_AREA_MAX 512

/* TCG TPM v2.0 Provisioning Guidance §7.5.1: the P-256 storage root key. */
static const TPM2B_PUBLIC storage_template = {
    .publicArea =
        {
            .type = TPM2_ALG_ECC,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
            .parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
                                                   .keyBits.aes = 128,
                                                   .mode.aes = TPM2_ALG_CFB},
                                     .scheme.scheme = TPM2_ALG_NULL,
                                     .curveID = TPM2_ECC_NIST_P256,
                                     .kdf.scheme = TPM2_ALG_NULL},
            .unique.ecc = {.x.size = 32, .y.size = 32},
        },
};

/* The storage key and its name. */
static enum ks_err open_parent(struct ks_tpm *tpm, struct ks_tpm_object *out_parent,
                               uint8_t out_name[KS_AK_NAME_LEN])
{
    enum ks_err err = KS_OK;
    TPM2B_PUBLIC public_area;
    uint8_t bytes[PUBLIC_AREA_MAX];
    size_t len = 0;

    KS_TRY(ks_tpm_primary_open(tpm, TPM2_RH_OWNER, STORAGE_HANDLE, &storage_template,
                               "storage key", out_parent, &public_area));
    /* It has been on the wire: it has a form. */
    KS_ASSERT(Tss2_MU_TPMT_PUBLIC_Marshal(&public_area.publicArea, bytes, sizeof bytes, &len) ==
              TSS2_RC_SUCCESS);
    out_name[0] = (uint8_t)(TPM2_ALG_SHA256 >> 8);
    out_name[1] = (uint8_t)TPM2_ALG_SHA256;
    ks_sha256(ks_bytes_of(bytes, len), out_name + 2);
out:
    return err;
}

/* --- sealing ------------------------------------------------------------------------------ */

/* The TPM's part: DATA under POLICY below PARENT. */
static enum ks_err create(struct ks_tpm *tpm, TPM2_HANDLE parent,
                          const uint8_t policy[KS_POLICY_LEN], struct ks_bytes data,
                          TPM2B_PUBLIC *out_public, TPM2B_PRIVATE *out_private)
{
    TPM2B_SENSITIVE_CREATE sensitive = {.sensitive.data.size = (uint16_t)data.len};
    TPM2B_PUBLIC wanted = {
        .publicArea =
            {
                .type = TPM2_ALG_KEYEDHASH,
                .nameAlg = TPM2_ALG_SHA256,
                .objectAttributes =
                    TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_NODA,
                .authPolicy.size = KS_POLICY_LEN,
                .parameters.keyedHashDetail.scheme.scheme = TPM2_ALG_NULL,
            },
    };
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION creation_pcrs = {0};
    TPM2B_CREATION_DATA creation = {0};
    TPM2B_DIGEST creation_hash = {0};
    TPMT_TK_CREATION ticket = {0};
    enum ks_err err;

    ks_copy(wanted.publicArea.authPolicy.buffer, policy, KS_POLICY_LEN);
    ks_copy(sensitive.sensitive.data.buffer, data.data, data.len);
    *out_public = (TPM2B_PUBLIC){0};
    *out_private = (TPM2B_PRIVATE){0};
    err = ks_tpm_result(tpm,
                        Tss2_Sys_Create(tpm->sys, parent, ks_tpm_password(), &sensitive,
                                        &wanted, &outside, &creation_pcrs, out_private,
                                        out_public, &creation, &creation_hash, &ticket, NULL),
                        "seal");
    ks_wipe(&sensitive, sizeof sensitive);
    ks_tpm_forget(tpm);
    return err;
}

enum ks_err ks_tpm_seal(struct ks_tpm *tpm, const struct ks_tpm_seal_spec *spec,
                        struct ks_bytes data, struct ks_buf *out_blob)
{
    enum ks_err err = KS_OK;
    struct ks_sealed_view view = {.pcr_mask = spec->pcr_mask,
                                  .has_authority = spec->authority != NULL};
    const struct ks_pcr_state pcrs = {
        .mask = spec->pcr_mask,
        .values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])view.pcr_values,
    };
    struct ks_tpm_object parent = {0};
    TPM2B_PUBLIC public_area;
    TPM2B_PRIVATE private_area;
    uint8_t policy[KS_POLICY_LEN];
    uint8_t bytes[PUBLIC_AREA_MAX];
    size_t len = 0;

    KS_ASSERT(spec->pcr_mask != 0 && spec->pcr_mask < 1u << KS_PCR_COUNT && !tpm->quoting);
    KS_CHECK(data.len >= 1 && data.len <= KS_SEALED_DATA_MAX, KS_ERR_LIMIT,
             "TPM seal: %zu bytes, want 1 to %d", data.len, KS_SEALED_DATA_MAX);
    if (spec->pcr_values != NULL) {
        ks_copy(view.pcr_values, spec->pcr_values,
                (size_t)ks_pcr_mask_count(spec->pcr_mask) * KS_PCR_DIGEST_LEN);
    } else {
        KS_TRY(ks_tpm_pcr_read(tpm, spec->pcr_mask, view.pcr_values));
    }
    if (spec->authority != NULL) {
        view.authority = *spec->authority;
    }
    ks_policy_sealed(&pcrs, spec->authority, policy);
    ks_tpm_ek_close(tpm);
    KS_TRY(open_parent(tpm, &parent, view.parent_name));
    KS_TRY(create(tpm, parent.handle, policy, data, &public_area, &private_area));
    KS_TRY(ks_tpm_result(
        tpm, Tss2_MU_TPMT_PUBLIC_Marshal(&public_area.publicArea, bytes, sizeof bytes, &len),
        "sealed object"));
    view.public_area = ks_bytes_of(bytes, len);
    view.private_area = ks_bytes_of(private_area.buffer, private_area.size);
    KS_TRY(ks_sealed_encode(&view, out_blob));
out:
    ks_tpm_object_close(tpm, &parent);
    return err;
}

/* --- unsealing ---------------------------------------------------------------------------- */

/* What one unsealing works with. */
struct opening {
    struct ks_tpm *tpm;
    struct ks_sealed_view blob;
    bool by_authorisation;
    struct ks_authorisation_view authorisation;
    TPMT_TK_VERIFIED ticket; /* of the authorisation's signature */
};

/* The PCR values that the chosen branch of the policy demands. */
static struct ks_pcr_state demanded(const struct opening *opening)
{
    return opening->by_authorisation
               ? (struct ks_pcr_state){opening->authorisation.pcr_mask,
                                       (const uint8_t(*)[KS_PCR_DIGEST_LEN])
                                           opening->authorisation.pcr_values}
               : (struct ks_pcr_state){
                     opening->blob.pcr_mask,
                     (const uint8_t(*)[KS_PCR_DIGEST_LEN])opening->blob.pcr_values};
}

/* Names in TEXT the PCRs that differ from what the branch demands. */
static enum ks_err compare_pcrs(const struct opening *opening, char text[KS_PCR_LIST_MAX])
{
    enum ks_err err = KS_OK;
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    const struct ks_pcr_state want = demanded(opening);
    const struct ks_pcr_state current = {
        .mask = want.mask,
        .values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])values,
    };

    KS_TRY(ks_tpm_pcr_read(opening->tpm, want.mask, values));
    ks_pcr_differences(&want, &current, text);
out:
    return err;
}

/* The TPM has refused the policy: says why. */
static enum ks_err refuse(const struct opening *opening)
{
    enum ks_err err = KS_OK;
    char text[KS_PCR_LIST_MAX];

    KS_TRY(compare_pcrs(opening, text));
    KS_CHECK(text[0] != '\0', KS_ERR_UNAVAILABLE,
             "sealed blob: somebody extended PCRs while it was opened");
    err = ks_fail(KS_ERR_DENIED, "sealed blob: the value of %s is not the one that %s", text,
                  opening->by_authorisation ? "the authorisation names" : "it was sealed to");
out:
    return err;
}

/* Reads and checks AUTHORISATION, and whether it is needed. */
static enum ks_err choose_branch(struct opening *opening, struct ks_bytes authorisation)
{
    enum ks_err err = KS_OK;
    char text[KS_PCR_LIST_MAX];

    if (authorisation.len == 0) {
        return KS_OK;
    }
    KS_TRY(ks_authorisation_parse(authorisation, &opening->authorisation));
    KS_CHECK(opening->blob.has_authority, KS_ERR_DENIED,
             "sealed blob: it has no authority, so no authorisation opens it");
    KS_TRY(ks_authorisation_check(&opening->authorisation, &opening->blob.authority));
    KS_TRY(compare_pcrs(opening, text));
    opening->by_authorisation = text[0] != '\0';
out:
    return err;
}

/* Lets the TPM itself check the authorisation's signature: the policy wants its ticket. */
static enum ks_err obtain_ticket(struct opening *opening)
{
    enum ks_err err = KS_OK;
    struct ks_tpm *tpm = opening->tpm;
    const struct ks_pcr_state pcrs = demanded(opening);
    uint8_t area[KS_AUTHORITY_PUBLIC_LEN];
    TPM2B_PUBLIC key = {0};
    TPM2B_NAME name = {0};
    TPM2_HANDLE handle = 0;
    TPM2B_DIGEST digest = {.size = KS_POLICY_LEN};
    TPMT_SIGNATURE signature = {
        .sigAlg = TPM2_ALG_ECDSA,
        .signature.ecdsa = {.hash = TPM2_ALG_SHA256,
                            .signatureR.size = sizeof opening->authorisation.r,
                            .signatureS.size = sizeof opening->authorisation.s},
    };
    size_t offset = 0;

    ks_sealed_authority_public(&opening->blob.authority, area);
    KS_TRY(ks_tpm_result(
        tpm, Tss2_MU_TPMT_PUBLIC_Unmarshal(area, sizeof area, &offset, &key.publicArea),
        "authority's key"));
    ks_authorisation_digest(&pcrs, opening->authorisation.purpose, digest.buffer);
    ks_copy(signature.signature.ecdsa.signatureR.buffer, opening->authorisation.r,
            sizeof opening->authorisation.r);
    ks_copy(signature.signature.ecdsa.signatureS.buffer, opening->authorisation.s,
            sizeof opening->authorisation.s);
    /* A hierarchy must be named, or the TPM gives a ticket that counts nowhere. */
    KS_TRY(ks_tpm_result(
        tpm,
        Tss2_Sys_LoadExternal(tpm->sys, NULL, NULL, &key, TPM2_RH_OWNER, &handle, &name, NULL),
        "authority's key"));
    KS_TRY(ks_tpm_result(tpm,
                         Tss2_Sys_VerifySignature(tpm->sys, handle, NULL, &digest, &signature,
                                                  &opening->ticket, NULL),
                         "authorisation"));
out:
    ks_tpm_flush(tpm, &handle);
    return err;
}

/* TPM2_PolicyAuthorize of the PCRs that the session has seen. */
static TSS2_RC authorise(const struct opening *opening, TPM2_HANDLE session)
{
    const struct ks_pcr_state pcrs = demanded(opening);
    TPM2B_DIGEST approved = {.size = KS_POLICY_LEN};
    TPM2B_NONCE reference = {.size = KS_POLICY_LEN};
    TPM2B_NAME name = {.size = KS_AK_NAME_LEN};

    ks_policy_pcr(&pcrs, approved.buffer);
    ks_policy_ref(opening->authorisation.purpose, reference.buffer);
    ks_sealed_authority_name(&opening->blob.authority, name.name);
    return Tss2_Sys_PolicyAuthorize(opening->tpm->sys, session, NULL, &approved, &reference,
                                    &name, &opening->ticket, NULL);
}

/* Brings SESSION to the blob's policy. */
static enum ks_err satisfy(const struct opening *opening, TPM2_HANDLE session)
{
    enum ks_err err = KS_OK;
    struct ks_tpm *tpm = opening->tpm;
    const struct ks_pcr_state pcrs = demanded(opening);
    const struct ks_pcr_state sealed = {
        .mask = opening->blob.pcr_mask,
        .values = (const uint8_t(*)[KS_PCR_DIGEST_LEN])opening->blob.pcr_values,
    };
    const TPM2B_DIGEST as_they_are = {0};
    TPML_PCR_SELECTION selection;
    TPML_DIGEST branches = {.count = 2,
                            .digests = {{.size = KS_POLICY_LEN}, {.size = KS_POLICY_LEN}}};
    uint8_t digests[2][KS_POLICY_LEN];
    TSS2_RC rc;

    ks_tpm_selection(pcrs.mask, &selection);
    KS_TRY(ks_tpm_result(
        tpm, Tss2_Sys_PolicyPCR(tpm->sys, session, NULL, &as_they_are, &selection, NULL),
        "PCR policy"));
    if (!opening->blob.has_authority) {
        return KS_OK;
    }
    rc = opening->by_authorisation ? authorise(opening, session) : TSS2_RC_SUCCESS;
    if (rc == TSS2_RC_SUCCESS) {
        ks_policy_branches(&sealed, &opening->blob.authority, digests);
        ks_copy(branches.digests[0].buffer, digests[0], KS_POLICY_LEN);
        ks_copy(branches.digests[1].buffer, digests[1], KS_POLICY_LEN);
        rc = Tss2_Sys_PolicyOR(tpm->sys, session, NULL, &branches, NULL);
    }
    /* What the session has seen is not what was approved, or none of the branches. */
    if (ks_tpm_code(rc) == TPM2_RC_VALUE) {
        err = refuse(opening);
    } else {
        err = ks_tpm_result(tpm, rc, "policy of the sealed blob");
    }
out:
    return err;
}

/* Loads the blob's object; the storage key's slot is free again afterwards. */
static enum ks_err load(const struct opening *opening, TPM2_HANDLE *out_object)
{
    enum ks_err err = KS_OK;
    struct ks_tpm *tpm = opening->tpm;
    struct ks_tpm_object parent = {0};
    uint8_t parent_name[KS_AK_NAME_LEN];
    TPM2B_PUBLIC public_area = {0};
    TPM2B_PRIVATE private_area = {.size = (uint16_t)opening->blob.private_area.len};
    TPM2B_NAME name = {0};
    size_t offset = 0;
    TSS2_RC rc;

    KS_TRY(open_parent(tpm, &parent, parent_name));
    KS_CHECK(ks_bytes_equal(KS_BYTES(parent_name), KS_BYTES(opening->blob.parent_name)),
             KS_ERR_DENIED,
             "sealed blob: sealed by another TPM, or before the owner of this one cleared it");
    KS_TRY(ks_tpm_result(tpm,
                         Tss2_MU_TPMT_PUBLIC_Unmarshal(opening->blob.public_area.data,
                                                       opening->blob.public_area.len, &offset,
                                                       &public_area.publicArea),
                         "sealed blob"));
    ks_copy(private_area.buffer, opening->blob.private_area.data, private_area.size);
    rc = Tss2_Sys_Load(tpm->sys, parent.handle, ks_tpm_password(), &private_area, &public_area,
                       out_object, &name, NULL);
    KS_CHECK(!ks_tpm_refuses_parameter(rc), KS_ERR_VERIFY,
             "sealed blob: altered; the TPM has not made it so");
    KS_TRY(ks_tpm_result(tpm, rc, "sealed blob"));
out:
    ks_tpm_object_close(tpm, &parent);
    return err;
}

/* TPM2_Unseal of OBJECT under a session of its policy. */
static enum ks_err release(const struct opening *opening, TPM2_HANDLE object,
                           uint8_t out_data[KS_SEALED_DATA_MAX], size_t *out_len)
{
    enum ks_err err = KS_OK;
    struct ks_tpm *tpm = opening->tpm;
    TSS2L_SYS_AUTH_COMMAND auths = {.count = 1};
    TPM2B_SENSITIVE_DATA data = {0};
    TPM2_HANDLE session = 0;
    TSS2_RC rc;

    KS_TRY(ks_tpm_policy_start(tpm, TPM2_ALG_SHA256, &session));
    KS_TRY(satisfy(opening, session));
    auths.auths[0].sessionHandle = session;
    rc = Tss2_Sys_Unseal(tpm->sys, object, &auths, &data, NULL);
    if (rc == TSS2_RC_SUCCESS) {
        session = 0; /* it ended with the command */
    }
    if (ks_tpm_code(rc) == TPM2_RC_POLICY_FAIL || rc == TPM2_RC_PCR_CHANGED) {
        KS_TRY(refuse(opening));
    }
    KS_TRY(ks_tpm_result(tpm, rc, "unseal"));
    KS_CHECK(data.size >= 1 && data.size <= KS_SEALED_DATA_MAX, KS_ERR_IO,
             "TPM unseal: %u bytes", (unsigned)data.size);
    ks_copy(out_data, data.buffer, data.size);
    *out_len = data.size;
out:
    ks_tpm_flush(tpm, &session);
    ks_wipe(&data, sizeof data);
    ks_tpm_forget(tpm);
    return err;
}

enum ks_err ks_tpm_unseal(struct ks_tpm *tpm, struct ks_bytes blob,
                          struct ks_bytes authorisation, uint8_t out_data[KS_SEALED_DATA_MAX],
                          size_t *out_len)
{
    enum ks_err err = KS_OK;
    struct opening opening = {.tpm = tpm};
    TPM2_HANDLE object = 0;

    KS_ASSERT(!tpm->quoting);
    KS_TRY(ks_sealed_parse(blob, &opening.blob));
    KS_TRY(choose_branch(&opening, authorisation));
    ks_tpm_ek_close(tpm);
    if (opening.by_authorisation) {
        KS_TRY(obtain_ticket(&opening));
    }
    KS_TRY(load(&opening, &object));
    KS_TRY(release(&opening, object, out_data, out_len));
out:
    ks_tpm_flush(tpm, &object);
    return err;
}
