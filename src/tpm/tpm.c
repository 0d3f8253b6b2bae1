/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "tpm/tpm.h"

#include <errno.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <tss2/tss2_mu.h>

#include "base/sys.h"
#include "tpm/internal.h"

#define RANDOM_CHUNK_MAX                                                                       \
    64 /* bytes of one TPM2_GetRandom; TPMs give at most their largest digest */
#define PCR_READ_ROUNDS 4 /* attempts at a set of values that nobody extends meanwhile */

/* The key template; docs/formats/quote.md has it field by field, and changing one byte gives
 * every TPM another key. unique.x is SHA-256("ketseal/ak/1"): it sets our key apart from others
 * made from the same seed with the same attributes. */
static const TPM2B_PUBLIC ak_template = {
    .publicArea =
        {
            .type = TPM2_ALG_ECC,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
                                TPMA_OBJECT_SIGN_ENCRYPT,
            .parameters.eccDetail =
                {
                    .symmetric.algorithm = TPM2_ALG_NULL,
                    .scheme = {.scheme = TPM2_ALG_ECDSA,
                               .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
                    .curveID = TPM2_ECC_NIST_P256,
                    .kdf.scheme = TPM2_ALG_NULL,
                },
            .unique.ecc = {.x = {.size = 32,
                                 .buffer = {0xc0, 0x70, 0xc4, 0x93, 0xff, 0x28, 0x73, 0xfa,
                                            0xb8, 0x94, 0x08, 0x15, 0x42, 0x86, 0xfc, 0x76,
                                            0x92, 0x13, 0xcd, 0xe4, 0x31, 0xa5, 0x9c, 0xcb,
                                            0xb1, 0xc8, 0x89, 0x9f, 0xfe, 0xda, 0xb4, 0xaa}},
                           .y = {.size = 32}},
        },
};

/* Vendor ids (TCG Vendor ID Registry) behind which there is software, or a hypervisor, and no
 * chip of its own. MSFT also names Pluton, a real one; erring this way only costs an explicit
 * policy line. */
static const char *const simulated_makers[] = {
    "IBM",  /* libtpms and the reference simulator: swtpm, QEMU */
    "XYZ",  /* older builds of the reference simulator */
    "MSFT", /* Hyper-V, the Microsoft simulator */
    "GOOG", /* Google Cloud's virtual TPM */
    "AMZN", /* EC2's virtual TPM */
    "VMW",  /* VMware */
};

/* --- open, close -------------------------------------------------------------------------- */

static uint32_t property(const TPML_TAGGED_TPM_PROPERTY *list, TPM2_PT name)
{
    for (uint32_t i = 0; i < list->count && i < TPM2_MAX_TPM_PROPERTIES; i++) {
        if (list->tpmProperty[i].property == name) {
            return list->tpmProperty[i].value;
        }
    }
    return 0;
}

/* Four big-endian characters; trailing spaces and NULs go, anything unprintable becomes '?'. */
static size_t put_characters(uint32_t value, char *target)
{
    size_t len = 0;

    for (unsigned i = 0; i < 4; i++) {
        uint8_t character = (uint8_t)(value >> (24 - 8 * i));
        target[i] = character >= 0x20 && character < 0x7f ? (char)character : '?';
        if (character != 0 && character != ' ') {
            len = i + 1;
        }
    }
    ks_zero(target + len, 4 - len);
    return len;
}

/* COUNT capabilities of KIND from FIRST on, WHAT in errors. */
static enum ks_err capability(struct ks_tpm *tpm, TPM2_CAP kind, uint32_t first, uint32_t count,
                              const char *what, TPMS_CAPABILITY_DATA *out_data)
{
    enum ks_err err = KS_OK;
    TPMI_YES_NO more = 0;

    ks_zero(out_data, sizeof *out_data);
    KS_TRY(ks_tpm_result(
        tpm, Tss2_Sys_GetCapability(tpm->sys, NULL, kind, first, count, &more, out_data, NULL),
        what));
    KS_CHECK(out_data->capability == kind, KS_ERR_IO, "TPM %s: an answer to another question",
             what);
out:
    return err;
}

static enum ks_err read_info(struct ks_tpm *tpm)
{
    enum ks_err err = KS_OK;
    TPMS_CAPABILITY_DATA data;
    const TPML_TAGGED_TPM_PROPERTY *list = &data.data.tpmProperties;
    struct ks_tpm_info *info = &tpm->info;
    size_t vendor_len = 0;

    KS_TRY(capability(tpm, TPM2_CAP_TPM_PROPERTIES, TPM2_PT_MANUFACTURER,
                      TPM2_PT_FIRMWARE_VERSION_2 - TPM2_PT_MANUFACTURER + 1, "properties",
                      &data));
    (void)put_characters(property(list, TPM2_PT_MANUFACTURER), info->manufacturer);
    for (TPM2_PT i = 0; i < 4; i++) {
        vendor_len += put_characters(property(list, TPM2_PT_VENDOR_STRING_1 + i),
                                     info->vendor + vendor_len);
    }
    info->firmware = (uint64_t)property(list, TPM2_PT_FIRMWARE_VERSION_1) << 32 |
                     property(list, TPM2_PT_FIRMWARE_VERSION_2);
    info->kind = tpm->tcti.socket ? KS_TPM_SIMULATED : KS_TPM_HARDWARE;
    for (size_t i = 0; i < sizeof simulated_makers / sizeof simulated_makers[0]; i++) {
        if (ks_bytes_is(ks_bytes_text(info->manufacturer), simulated_makers[i])) {
            info->kind = KS_TPM_SIMULATED;
        }
    }
out:
    return err;
}

/* Frees the slots that an earlier holder of this connection left behind when it was killed: a
 * TPM has as few as three for keys and three for sessions, and the next ones would find none
 * (TPM_RC_OBJECT_MEMORY, TPM_RC_SESSION_MEMORY). */
static enum ks_err flush_leftovers(struct ks_tpm *tpm)
{
    enum ks_err err = KS_OK;
    static const uint32_t kinds[] = {TPM2_TRANSIENT_FIRST, TPM2_LOADED_SESSION_FIRST};
    TPMS_CAPABILITY_DATA data;
    const TPML_HANDLE *handles = &data.data.handles;

    for (size_t kind = 0; kind < sizeof kinds / sizeof kinds[0]; kind++) {
        KS_TRY(capability(tpm, TPM2_CAP_HANDLES, kinds[kind], TPM2_MAX_CAP_HANDLES, "handles",
                          &data));
        KS_CHECK(handles->count <= TPM2_MAX_CAP_HANDLES, KS_ERR_IO, "TPM handles: %u at once",
                 (unsigned)handles->count);
        for (uint32_t i = 0; i < handles->count; i++) {
            KS_TRY(ks_tpm_result(tpm, Tss2_Sys_FlushContext(tpm->sys, handles->handle[i]),
                                 "flush"));
        }
    }
out:
    return err;
}

/* The library allocates nothing itself, and its context owns nothing. */
static TSS2_RC start_library(struct ks_tpm *tpm)
{
    TSS2_ABI_VERSION version = TSS2_ABI_VERSION_CURRENT;

    ks_wipe(tpm->sys, Tss2_Sys_GetContextSize(0));
    return Tss2_Sys_Initialize(tpm->sys, Tss2_Sys_GetContextSize(0),
                               (TSS2_TCTI_CONTEXT *)&tpm->tcti, &version);
}

void ks_tpm_forget(struct ks_tpm *tpm)
{
    /* It has accepted the same arguments before. */
    KS_ASSERT(start_library(tpm) == TSS2_RC_SUCCESS);
}

enum ks_err ks_tpm_open_fd(int fd, unsigned timeout_ms, struct ks_tpm **out_tpm)
{
    enum ks_err err = KS_OK;
    struct ks_tpm *tpm = NULL;
    struct stat info;

    KS_CHECK(timeout_ms <= INT_MAX / 2, KS_ERR_USAGE, "TPM timeout of %u ms", timeout_ms);
    KS_CHECK(fstat(fd, &info) == 0, KS_ERR_IO, "TPM descriptor %d: %s", fd, strerror(errno));
    KS_CHECK(S_ISSOCK(info.st_mode) || S_ISCHR(info.st_mode), KS_ERR_USAGE,
             "TPM descriptor %d: neither a socket nor a character device", fd);
    tpm = ks_calloc(1, sizeof *tpm);
    KS_CHECK(tpm != NULL, KS_ERR_NOMEM, "TPM context");
    tpm->fd = -1; /* the caller's until success */
    ks_tcti_init(&tpm->tcti, fd, S_ISSOCK(info.st_mode),
                 timeout_ms != 0 ? timeout_ms : KS_TPM_TIMEOUT_MS);
    tpm->sys = ks_calloc(1, Tss2_Sys_GetContextSize(0));
    KS_CHECK(tpm->sys != NULL, KS_ERR_NOMEM, "TPM library context");
    KS_TRY(ks_tpm_result(tpm, start_library(tpm), "library"));
    KS_TRY(read_info(tpm));
    KS_TRY(flush_leftovers(tpm));
    tpm->fd = fd;
    *out_tpm = tpm;
    tpm = NULL;
out:
    ks_tpm_close(tpm);
    return err;
}

/* Collects the answer of a started quote. */
static TSS2_RC finish(struct ks_tpm *tpm, TPM2B_ATTEST *attest, TPMT_SIGNATURE *signature)
{
    TSS2_RC rc = Tss2_Sys_ExecuteFinish(tpm->sys, TSS2_TCTI_TIMEOUT_BLOCK);

    tpm->quoting = false;
    return rc == TSS2_RC_SUCCESS ? Tss2_Sys_Quote_Complete(tpm->sys, attest, signature) : rc;
}

void ks_tpm_close(struct ks_tpm *tpm)
{
    TPM2B_ATTEST attest = {0};
    TPMT_SIGNATURE signature = {0};

    if (tpm == NULL) {
        return;
    }
    if (tpm->quoting) {
        (void)finish(tpm, &attest, &signature); /* nobody wants it any more */
    }
    ks_tpm_object_close(tpm, &tpm->ek);
    ks_tpm_object_close(tpm, &tpm->ak);
    if (tpm->sys != NULL) {
        Tss2_Sys_Finalize(tpm->sys);
        ks_wipe(tpm->sys, Tss2_Sys_GetContextSize(0)); /* the last command or answer */
    }
    ks_free(tpm->sys);
    ks_fd_close(&tpm->fd);
    ks_free(tpm);
}

int ks_tpm_fd(const struct ks_tpm *tpm)
{
    return tpm->fd;
}

const struct ks_tpm_info *ks_tpm_info(const struct ks_tpm *tpm)
{
    return &tpm->info;
}

const char *ks_tpm_kind_name(enum ks_tpm_kind kind)
{
    return kind == KS_TPM_HARDWARE ? "hardware" : "simulated";
}

/* --- random, PCRs, clock ------------------------------------------------------------------ */

enum ks_err ks_tpm_random(struct ks_tpm *tpm, void *out, size_t len)
{
    enum ks_err err = KS_OK;
    uint8_t *target = out;
    size_t done = 0;

    KS_ASSERT(!tpm->quoting);
    while (done < len) {
        TPM2B_DIGEST digest = {0};
        uint16_t want =
            (uint16_t)(len - done < RANDOM_CHUNK_MAX ? len - done : RANDOM_CHUNK_MAX);
        TSS2_RC rc = Tss2_Sys_GetRandom(tpm->sys, NULL, want, &digest, NULL);
        size_t got = rc == TSS2_RC_SUCCESS ? digest.size : 0;

        if (got > 0 && got <= want) {
            ks_copy(target + done, digest.buffer, got);
        }
        ks_wipe(&digest, sizeof digest);
        KS_TRY(ks_tpm_result(tpm, rc, "random"));
        KS_CHECK(got > 0 && got <= want, KS_ERR_IO, "TPM random: %zu bytes, asked for %u", got,
                 (unsigned)want);
        done += got;
    }
out:
    ks_tpm_forget(tpm); /* random bytes may become keys */
    if (err != KS_OK) {
        ks_wipe(out, len);
    }
    return err;
}

enum ks_err ks_tpm_pcr_extend(struct ks_tpm *tpm, unsigned pcr,
                              const uint8_t digest[KS_PCR_DIGEST_LEN])
{
    TPML_DIGEST_VALUES values = {.count = 1, .digests[0].hashAlg = TPM2_ALG_SHA256};

    KS_ASSERT(pcr < KS_PCR_COUNT && !tpm->quoting);
    ks_copy(values.digests[0].digest.sha256, digest, KS_PCR_DIGEST_LEN);
    return ks_tpm_result(tpm,
                         Tss2_Sys_PCR_Extend(tpm->sys, pcr, ks_tpm_password(), &values, NULL),
                         "PCR extend");
}

/* Reads as many PCRs of MASK as the TPM returns at once (8 at most) to their places in VALUES,
 * which holds those of ALL. *OUT_READ tells which. */
static enum ks_err read_some(struct ks_tpm *tpm, uint32_t all, uint32_t mask,
                             uint8_t (*values)[KS_PCR_DIGEST_LEN], uint32_t *out_read,
                             uint32_t *out_update)
{
    enum ks_err err = KS_OK;
    TPML_PCR_SELECTION want;
    TPML_PCR_SELECTION have = {0};
    TPML_DIGEST digests = {0};
    uint32_t have_mask = 0;
    uint32_t next = 0;

    ks_tpm_selection(mask, &want);
    KS_TRY(ks_tpm_result(
        tpm, Tss2_Sys_PCR_Read(tpm->sys, NULL, &want, out_update, &have, &digests, NULL),
        "PCR read"));
    KS_CHECK(have.count == 1 && have.pcrSelections[0].hash == TPM2_ALG_SHA256 &&
                 have.pcrSelections[0].sizeofSelect == want.pcrSelections[0].sizeofSelect,
             KS_ERR_IO, "TPM PCR read: an answer about another bank");
    for (unsigned i = 0; i < have.pcrSelections[0].sizeofSelect; i++) {
        have_mask |= (uint32_t)have.pcrSelections[0].pcrSelect[i] << (8 * i);
    }
    KS_CHECK(have_mask != 0 && (have_mask & ~mask) == 0 &&
                 ks_pcr_mask_count(have_mask) == digests.count,
             KS_ERR_IO,
             "TPM PCR read: asked for mask 0x%06x, got %u values for 0x%06x; is the "
             "sha256 bank active?",
             (unsigned)mask, (unsigned)digests.count, (unsigned)have_mask);
    for (unsigned pcr = 0; pcr < KS_PCR_COUNT; pcr++) {
        if ((have_mask & 1u << pcr) != 0) {
            const TPM2B_DIGEST *digest = &digests.digests[next++];
            KS_CHECK(digest->size == KS_PCR_DIGEST_LEN, KS_ERR_IO,
                     "TPM PCR read: PCR %u has %u bytes", pcr, (unsigned)digest->size);
            ks_copy(values[ks_pcr_mask_count(all & ((1u << pcr) - 1))], digest->buffer,
                    KS_PCR_DIGEST_LEN);
        }
    }
    *out_read = have_mask;
out:
    return err;
}

enum ks_err ks_tpm_pcr_read(struct ks_tpm *tpm, uint32_t mask,
                            uint8_t (*out_values)[KS_PCR_DIGEST_LEN])
{
    enum ks_err err = KS_OK;
    uint8_t values[KS_PCR_COUNT][KS_PCR_DIGEST_LEN];
    bool steady = false;

    KS_ASSERT(mask != 0 && mask < 1u << KS_PCR_COUNT && !tpm->quoting);
    for (unsigned round = 0; round < PCR_READ_ROUNDS && !steady; round++) {
        uint32_t left = mask;
        uint32_t first_update = 0;

        steady = true;
        while (left != 0) {
            uint32_t update = 0;
            uint32_t got = 0;

            KS_TRY(read_some(tpm, mask, left, values, &got, &update));
            if (left == mask) {
                first_update = update;
            }
            steady = steady && update == first_update;
            left &= ~got;
        }
    }
    KS_CHECK(steady, KS_ERR_UNAVAILABLE, "TPM PCR read: others keep extending PCRs");
    ks_copy(out_values, values, (size_t)ks_pcr_mask_count(mask) * KS_PCR_DIGEST_LEN);
out:
    return err;
}

enum ks_err ks_tpm_clock(struct ks_tpm *tpm, struct ks_tpm_clock *out_clock)
{
    enum ks_err err = KS_OK;
    TPMS_TIME_INFO time = {0};

    KS_ASSERT(!tpm->quoting);
    KS_TRY(ks_tpm_result(tpm, Tss2_Sys_ReadClock(tpm->sys, NULL, &time, NULL), "clock"));
    *out_clock = (struct ks_tpm_clock){
        .clock_ms = time.clockInfo.clock,
        .reset_count = time.clockInfo.resetCount,
        .restart_count = time.clockInfo.restartCount,
        .safe = time.clockInfo.safe == TPM2_YES,
    };
out:
    return err;
}

void ks_tpm_shutdown(struct ks_tpm *tpm)
{
    KS_ASSERT(!tpm->quoting);
    if (tpm->tcti.socket) {
        (void)Tss2_Sys_Shutdown(tpm->sys, NULL, TPM2_SU_CLEAR, NULL); /* see the header */
    }
}

/* --- attestation key, quotes -------------------------------------------------------------- */

enum ks_err ks_tpm_ak_open(struct ks_tpm *tpm)
{
    enum ks_err err = KS_OK;
    struct ks_tpm_object ak = {0};
    TPM2B_PUBLIC public_area;
    struct ks_ak_public parsed;
    uint8_t bytes[KS_AK_PUBLIC_MAX];
    size_t len = 0;

    KS_ASSERT(!tpm->quoting);
    if (tpm->ak.handle != 0) {
        return KS_OK;
    }
    KS_TRY(ks_tpm_primary_open(tpm, TPM2_RH_ENDORSEMENT, 0, &ak_template, "attestation key",
                               &ak, &public_area));
    KS_TRY(ks_tpm_result(
        tpm, Tss2_MU_TPMT_PUBLIC_Marshal(&public_area.publicArea, bytes, sizeof bytes, &len),
        "attestation key"));
    /* What a verifier would refuse must not be used at all. */
    KS_TRY(ks_ak_public_parse(ks_bytes_of(bytes, len), &parsed));
    ks_copy(tpm->ak_public, bytes, len);
    tpm->ak_public_len = len;
    tpm->ak = ak;
    ak = (struct ks_tpm_object){0};
out:
    ks_tpm_object_close(tpm, &ak);
    return err;
}

void ks_tpm_ak_public(const struct ks_tpm *tpm, struct ks_buf *out_public)
{
    KS_ASSERT(tpm->ak.handle != 0);
    ks_buf_put(out_public, ks_bytes_of(tpm->ak_public, tpm->ak_public_len));
}

enum ks_err ks_tpm_quote_start(struct ks_tpm *tpm, struct ks_bytes extra_data,
                               uint32_t pcr_mask)
{
    enum ks_err err = KS_OK;
    TPM2B_DATA extra = {0};
    const TPMT_SIG_SCHEME key_scheme = {.scheme = TPM2_ALG_NULL}; /* the key's own */
    TPML_PCR_SELECTION selection;

    KS_ASSERT(tpm->ak.handle != 0 && !tpm->quoting);
    KS_ASSERT(pcr_mask != 0 && pcr_mask < 1u << KS_PCR_COUNT);
    KS_CHECK(extra_data.len <= KS_QUOTE_EXTRA_MAX, KS_ERR_LIMIT,
             "TPM quote: %zu bytes of extra data, limit %d", extra_data.len,
             KS_QUOTE_EXTRA_MAX);
    extra.size = (uint16_t)extra_data.len;
    ks_copy(extra.buffer, extra_data.data, extra_data.len);
    ks_tpm_selection(pcr_mask, &selection);
    KS_TRY(ks_tpm_result(
        tpm, Tss2_Sys_Quote_Prepare(tpm->sys, tpm->ak.handle, &extra, &key_scheme, &selection),
        "quote"));
    KS_TRY(ks_tpm_result(tpm, Tss2_Sys_SetCmdAuths(tpm->sys, ks_tpm_password()), "quote"));
    KS_TRY(ks_tpm_result(tpm, Tss2_Sys_ExecuteAsync(tpm->sys), "quote"));
    tpm->quoting = true;
out:
    return err;
}

enum ks_err ks_tpm_quote_finish(struct ks_tpm *tpm, struct ks_buf *out_attest,
                                struct ks_buf *out_signature)
{
    enum ks_err err = KS_OK;
    TPM2B_ATTEST attest = {0};
    TPMT_SIGNATURE signature = {0};
    uint8_t bytes[KS_TPM_SIGNATURE_MAX];
    size_t len = 0;

    KS_ASSERT(tpm->quoting);
    KS_TRY(ks_tpm_result(tpm, finish(tpm, &attest, &signature), "quote"));
    KS_TRY(ks_tpm_result(tpm,
                         Tss2_MU_TPMT_SIGNATURE_Marshal(&signature, bytes, sizeof bytes, &len),
                         "quote signature"));
    ks_buf_put(out_attest, ks_bytes_of(attest.attestationData, attest.size));
    ks_buf_put(out_signature, ks_bytes_of(bytes, len));
    KS_TRY(ks_buf_check(out_attest));
    KS_TRY(ks_buf_check(out_signature));
out:
    return err;
}

enum ks_err ks_tpm_quote(struct ks_tpm *tpm, struct ks_bytes extra_data, uint32_t pcr_mask,
                         struct ks_buf *out_attest, struct ks_buf *out_signature)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_tpm_quote_start(tpm, extra_data, pcr_mask));
    KS_TRY(ks_tpm_quote_finish(tpm, out_attest, out_signature));
out:
    return err;
}
