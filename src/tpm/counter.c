/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "tpm/tpm.h"

#include "tpm/internal.h"

#define COUNTER_SIZE 8 /* bytes, big-endian: TPM2 part 3 §31.8 */

/* Readable and writable by its own empty password and by the owner; never locked out by wrong
 * guesses, since there is nothing to guess. */
#define COUNTER_ATTRIBUTES                                                                     \
    ((TPM2_NT_COUNTER << TPMA_NV_TPM2_NT_SHIFT) | TPMA_NV_AUTHREAD | TPMA_NV_AUTHWRITE |       \
     TPMA_NV_OWNERREAD | TPMA_NV_OWNERWRITE | TPMA_NV_NO_DA)

static bool in_range(uint32_t index)
{
    return index >= KS_TPM_COUNTER_FIRST && index <= KS_TPM_COUNTER_LAST;
}

static enum ks_err define(struct ks_tpm *tpm, uint32_t index, TPMS_NV_PUBLIC *out_area)
{
    enum ks_err err = KS_OK;
    const TPM2B_AUTH no_password = {0};
    const TPM2B_NV_PUBLIC area = {
        .nvPublic = {.nvIndex = index,
                     .nameAlg = TPM2_ALG_SHA256,
                     .attributes = COUNTER_ATTRIBUTES,
                     .dataSize = COUNTER_SIZE},
    };

    KS_TRY(ks_tpm_result(tpm,
                         Tss2_Sys_NV_DefineSpace(tpm->sys, TPM2_RH_OWNER, ks_tpm_password(),
                                                 &no_password, &area, NULL),
                         "counter"));
    *out_area = area.nvPublic;
out:
    return err;
}

static enum ks_err find_or_define(struct ks_tpm *tpm, uint32_t index, TPMS_NV_PUBLIC *out_area)
{
    enum ks_err err = ks_tpm_nv_public(tpm, index, out_area);

    return err == KS_ERR_NOT_FOUND ? define(tpm, index, out_area) : err;
}

static enum ks_err increment(struct ks_tpm *tpm, uint32_t index)
{
    return ks_tpm_result(
        tpm, Tss2_Sys_NV_Increment(tpm->sys, index, index, ks_tpm_password(), NULL), "counter");
}

enum ks_err ks_tpm_counter_open(struct ks_tpm *tpm, uint32_t index)
{
    enum ks_err err = KS_OK;
    TPMS_NV_PUBLIC area = {0};

    KS_ASSERT(in_range(index) && !tpm->quoting);
    KS_TRY(find_or_define(tpm, index, &area));
    KS_CHECK((area.attributes & ~TPMA_NV_WRITTEN) == COUNTER_ATTRIBUTES &&
                 area.dataSize == COUNTER_SIZE,
             KS_ERR_CONFLICT,
             "TPM counter at NV index 0x%08x: something else is there (attributes 0x%08x)",
             (unsigned)index, (unsigned)area.attributes);
    /* It may have been defined by a caller that was killed before this. */
    if ((area.attributes & TPMA_NV_WRITTEN) == 0) {
        KS_TRY(increment(tpm, index));
    }
out:
    return err;
}

enum ks_err ks_tpm_counter_read(struct ks_tpm *tpm, uint32_t index, uint64_t *out_value)
{
    enum ks_err err = KS_OK;
    TPM2B_MAX_NV_BUFFER data = {0};
    struct ks_reader reader;
    TSS2_RC rc;

    KS_ASSERT(in_range(index) && !tpm->quoting);
    rc = Tss2_Sys_NV_Read(tpm->sys, index, index, ks_tpm_password(), COUNTER_SIZE, 0, &data,
                          NULL);
    KS_CHECK(ks_tpm_code(rc) != TPM2_RC_HANDLE && rc != TPM2_RC_NV_UNINITIALIZED,
             KS_ERR_NOT_FOUND, "TPM counter at NV index 0x%08x: nothing there",
             (unsigned)index);
    KS_TRY(ks_tpm_result(tpm, rc, "counter"));
    reader = ks_reader_of(ks_bytes_of(data.buffer, data.size), "TPM counter");
    KS_TRY(ks_read_u64(&reader, out_value));
out:
    return err;
}

enum ks_err ks_tpm_counter_increment(struct ks_tpm *tpm, uint32_t index, uint64_t *out_value)
{
    enum ks_err err = KS_OK;

    KS_ASSERT(in_range(index) && !tpm->quoting);
    KS_TRY(increment(tpm, index));
    KS_TRY(ks_tpm_counter_read(tpm, index, out_value));
out:
    return err;
}
