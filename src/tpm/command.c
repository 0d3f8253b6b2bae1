/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <string.h>
#include <tss2/tss2_mu.h>
#include <tss2/tss2_rc.h>

#include "tpm/internal.h"

#define PCR_SELECT_LEN 3 /* KS_PCR_COUNT bits */
_Static_assert(KS_PCR_COUNT == 8 * PCR_SELECT_LEN, "the selection covers all PCRs");

#define RC_FMT1_BITS 0xbfu /* TPM2 part 2 §6.6.2: the error's number, without N and P */

enum ks_err ks_tpm_result(const struct ks_tpm *tpm, TSS2_RC rc, const char *what)
{
    if (rc == TSS2_RC_SUCCESS) {
        return KS_OK;
    }
    if (ks_tpm_code(rc) == TPM2_RC_BAD_AUTH || ks_tpm_code(rc) == TPM2_RC_AUTH_FAIL) {
        return ks_fail(KS_ERR_DENIED, "TPM %s: somebody has set a password", what);
    }
    return ks_fail(KS_ERR_IO, "TPM %s: %s (0x%08x)%s", what, Tss2_RC_Decode(rc), (unsigned)rc,
                   tpm->tcti.dead ? "; the TPM ended or kept silent, its connection is given up"
                                  : "");
}

TSS2_RC ks_tpm_code(TSS2_RC rc)
{
    return (rc & TSS2_RC_LAYER_MASK) == 0 && (rc & TPM2_RC_FMT1) != 0 ? rc & RC_FMT1_BITS : rc;
}

bool ks_tpm_refuses_parameter(TSS2_RC rc)
{
    return (rc & TSS2_RC_LAYER_MASK) == 0 && (rc & TPM2_RC_FMT1) != 0 && (rc & TPM2_RC_P) != 0;
}

const TSS2L_SYS_AUTH_COMMAND *ks_tpm_password(void)
{
    static const TSS2L_SYS_AUTH_COMMAND password = {
        .count = 1,
        .auths[0] = {.sessionHandle = TPM2_RS_PW},
    };

    return &password;
}

void ks_tpm_selection(uint32_t mask, TPML_PCR_SELECTION *out_selection)
{
    *out_selection = (TPML_PCR_SELECTION){
        .count = 1,
        .pcrSelections[0] = {.hash = TPM2_ALG_SHA256, .sizeofSelect = PCR_SELECT_LEN},
    };
    for (unsigned i = 0; i < PCR_SELECT_LEN; i++) {
        out_selection->pcrSelections[0].pcrSelect[i] = (uint8_t)(mask >> (8 * i));
    }
}

void ks_tpm_flush(struct ks_tpm *tpm, TPM2_HANDLE *handle)
{
    if (*handle != 0 && !tpm->tcti.dead) {
        (void)Tss2_Sys_FlushContext(tpm->sys, *handle);
    }
    *handle = 0;
}

void ks_tpm_object_close(struct ks_tpm *tpm, struct ks_tpm_object *object)
{
    if (!object->persistent) {
        ks_tpm_flush(tpm, &object->handle);
    }
    *object = (struct ks_tpm_object){0};
}

/* True when PUBLIC_AREA was made from KEY_TEMPLATE: all but the unique part. */
static bool of_template(const TPM2B_PUBLIC *public_area, const TPM2B_PUBLIC *key_template)
{
    TPMT_PUBLIC have = public_area->publicArea;
    TPMT_PUBLIC want = key_template->publicArea;
    uint8_t have_bytes[sizeof have];
    uint8_t want_bytes[sizeof want];
    size_t have_len = 0;
    size_t want_len = 0;

    ks_zero(&have.unique, sizeof have.unique);
    ks_zero(&want.unique, sizeof want.unique);
    return Tss2_MU_TPMT_PUBLIC_Marshal(&have, have_bytes, sizeof have_bytes, &have_len) ==
               TSS2_RC_SUCCESS &&
           Tss2_MU_TPMT_PUBLIC_Marshal(&want, want_bytes, sizeof want_bytes, &want_len) ==
               TSS2_RC_SUCCESS &&
           ks_bytes_equal(ks_bytes_of(have_bytes, have_len), ks_bytes_of(want_bytes, want_len));
}

/* True when the key stands at HANDLE already. */
static bool stands_at(struct ks_tpm *tpm, TPM2_HANDLE handle, const TPM2B_PUBLIC *key_template,
                      TPM2B_PUBLIC *public_area)
{
    TPM2B_NAME name = {0};
    TPM2B_NAME qualified_name = {0};

    *public_area = (TPM2B_PUBLIC){0};
    /* Whatever the refusal: the key can be made. */
    return Tss2_Sys_ReadPublic(tpm->sys, handle, NULL, public_area, &name, &qualified_name,
                               NULL) == TSS2_RC_SUCCESS &&
           of_template(public_area, key_template);
}

enum ks_err ks_tpm_primary_open(struct ks_tpm *tpm, TPMI_RH_HIERARCHY hierarchy,
                                TPM2_HANDLE persistent, const TPM2B_PUBLIC *key_template,
                                const char *what, struct ks_tpm_object *out_object,
                                TPM2B_PUBLIC *out_public)
{
    enum ks_err err = KS_OK;
    const TPM2B_SENSITIVE_CREATE sensitive = {0}; /* empty password */
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION creation_pcrs = {0};
    TPM2B_CREATION_DATA creation = {0};
    TPM2B_DIGEST creation_hash = {0};
    TPMT_TK_CREATION ticket = {0};
    TPM2B_NAME name = {0};
    TPM2B_PUBLIC public_area = {0};
    TPM2_HANDLE handle = 0;

    if (persistent != 0 && stands_at(tpm, persistent, key_template, &public_area)) {
        *out_object = (struct ks_tpm_object){.handle = persistent, .persistent = true};
        *out_public = public_area;
        return KS_OK;
    }
    public_area = (TPM2B_PUBLIC){0};
    KS_TRY(ks_tpm_result(
        tpm,
        Tss2_Sys_CreatePrimary(tpm->sys, hierarchy, ks_tpm_password(), &sensitive, key_template,
                               &outside, &creation_pcrs, &handle, &public_area, &creation,
                               &creation_hash, &ticket, &name, NULL),
        what));
    *out_object = (struct ks_tpm_object){.handle = handle};
    *out_public = public_area;
out:
    return err;
}

enum ks_err ks_tpm_policy_start(struct ks_tpm *tpm, TPMI_ALG_HASH hash,
                                TPM2_HANDLE *out_session)
{
    /* TPM2 part 1 §19.6.8: nonces protect HMACs, and there are none; 16 bytes are the least. */
    const TPM2B_NONCE nonce = {.size = 16};
    const TPM2B_ENCRYPTED_SECRET salt = {0};
    const TPMT_SYM_DEF symmetric = {.algorithm = TPM2_ALG_NULL};
    TPM2B_NONCE nonce_tpm = {0};
    TPM2_HANDLE session = 0;
    enum ks_err err = ks_tpm_result(
        tpm,
        Tss2_Sys_StartAuthSession(tpm->sys, TPM2_RH_NULL, TPM2_RH_NULL, NULL, &nonce, &salt,
                                  TPM2_SE_POLICY, &symmetric, hash, &session, &nonce_tpm, NULL),
        "policy session");

    if (err == KS_OK) {
        *out_session = session;
    }
    return err;
}

enum ks_err ks_tpm_nv_public(struct ks_tpm *tpm, TPMI_RH_NV_INDEX index,
                             TPMS_NV_PUBLIC *out_public)
{
    enum ks_err err = KS_OK;
    TPM2B_NV_PUBLIC public_area = {0};
    TPM2B_NAME name = {0};
    TSS2_RC rc = Tss2_Sys_NV_ReadPublic(tpm->sys, index, NULL, &public_area, &name, NULL);

    KS_CHECK(ks_tpm_code(rc) != TPM2_RC_HANDLE, KS_ERR_NOT_FOUND,
             "TPM NV index 0x%08x: nothing there", (unsigned)index);
    KS_TRY(ks_tpm_result(tpm, rc, "NV index"));
    *out_public = public_area.nvPublic;
out:
    return err;
}
