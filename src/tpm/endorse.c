/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The endorsement keys and certificates of the TCG EK Credential Profile for TPM 2.0, version
 * 2.5 ("EKP"), and credential activation. */
#include "tpm/tpm.h"

#include <tss2/tss2_mu.h>

#include "tpm/internal.h"

#define EK_PUBLIC_MAX 1024 /* bytes of a TPMT_PUBLIC; RSA-2048 needs 314 */
#define NV_CHUNK      512  /* bytes of one TPM2_NV_Read that every PC's TPM gives */
#define DER_SEQUENCE  0x30
#define DER_HEAD_MAX  4 /* tag, and the length of at most 65,535 bytes */

#define EK_ATTRIBUTES                                                                          \
    (TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT | TPMA_OBJECT_SENSITIVEDATAORIGIN |        \
     TPMA_OBJECT_ADMINWITHPOLICY | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT)

static const struct {
    const char *name;
    TPM2_HANDLE handle;           /* TCG registry of reserved handles */
    TPMI_RH_NV_INDEX certificate; /* EKP §2.2.1.4, §2.2.1.5 */
    TPM2B_PUBLIC key_template;
} kinds[] = {
    [KS_TPM_EK_RSA_2048] =
        {.name = "RSA 2048",
         .handle = 0x81010001,
         .certificate = 0x01c00002,
         .key_template.publicArea =
             {.type = TPM2_ALG_RSA,
              .nameAlg = TPM2_ALG_SHA256,
              .objectAttributes = EK_ATTRIBUTES,
              /* EKP B.6.2, PolicyA: TPM2_PolicySecret of the endorsement hierarchy. */
              .authPolicy = {.size = 32,
                             .buffer = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8,
                                        0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
                                        0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64,
                                        0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa}},
              .parameters.rsaDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
                                                     .keyBits.aes = 128,
                                                     .mode.aes = TPM2_ALG_CFB},
                                       .scheme.scheme = TPM2_ALG_NULL,
                                       .keyBits = 2048},
              .unique.rsa.size = 256}},
    [KS_TPM_EK_ECC_P384] =
        {.name = "ECC P-384",
         .handle = 0x81010016,
         .certificate = 0x01c00016,
         .key_template.publicArea =
             {.type = TPM2_ALG_ECC,
              .nameAlg = TPM2_ALG_SHA384,
              .objectAttributes = EK_ATTRIBUTES | TPMA_OBJECT_USERWITHAUTH,
              /* EKP B.6.5, PolicyB: PolicyA or what the owner writes. Not needed for what this
               * key does: userWithAuth is set. */
              .authPolicy =
                  {.size = 48,
                   .buffer = {0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8,
                              0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a, 0x07, 0x41, 0x48, 0xbb,
                              0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4,
                              0x19, 0xca, 0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15,
                              0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12}},
              .parameters.eccDetail = {.symmetric = {.algorithm = TPM2_ALG_AES,
                                                     .keyBits.aes = 256,
                                                     .mode.aes = TPM2_ALG_CFB},
                                       .scheme.scheme =
                                           TPM2_ALG_NULL,
                                       .curveID = TPM2_ECC_NIST_P384,
                                       .kdf.scheme = TPM2_ALG_NULL}}},
};

const char *ks_tpm_ek_kind_name(enum ks_tpm_ek_kind kind)
{
    KS_ASSERT(kind <= KS_TPM_EK_ECC_P384);
    return kinds[kind].name;
}

enum ks_err ks_tpm_ek_open(struct ks_tpm *tpm, enum ks_tpm_ek_kind kind)
{
    KS_ASSERT(kind <= KS_TPM_EK_ECC_P384 && !tpm->quoting);
    if (tpm->ek.handle != 0 && tpm->ek_kind == kind) {
        return KS_OK;
    }
    ks_tpm_ek_close(tpm);
    tpm->ek_kind = kind;
    return ks_tpm_primary_open(tpm, TPM2_RH_ENDORSEMENT, kinds[kind].handle,
                               &kinds[kind].key_template, "endorsement key", &tpm->ek,
                               &tpm->ek_public);
}

void ks_tpm_ek_close(struct ks_tpm *tpm)
{
    KS_ASSERT(!tpm->quoting);
    ks_tpm_object_close(tpm, &tpm->ek);
}

void ks_tpm_ek_public(const struct ks_tpm *tpm, struct ks_buf *out_public)
{
    uint8_t bytes[EK_PUBLIC_MAX];
    size_t len = 0;

    KS_ASSERT(tpm->ek.handle != 0);
    /* It has been on the wire: it has a form. */
    KS_ASSERT(Tss2_MU_TPMT_PUBLIC_Marshal(&tpm->ek_public.publicArea, bytes, sizeof bytes,
                                          &len) == TSS2_RC_SUCCESS);
    ks_buf_put(out_public, ks_bytes_of(bytes, len));
}

/* --- certificates ------------------------------------------------------------------------- */

/* The SEQUENCE that BYTES begin with, in DER (X.690 §10.1: the shortest form of the length). */
static enum ks_err cut_padding(struct ks_bytes bytes, struct ks_bytes *out_der)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, "endorsement certificate");
    struct ks_reader whole = reader;
    uint8_t tag = 0;
    uint8_t first = 0;
    uint16_t len = 0;

    KS_TRY(ks_read_u8(&reader, &tag));
    KS_TRY(ks_read_u8(&reader, &first));
    KS_CHECK(tag == DER_SEQUENCE && first == 0x82, KS_ERR_FORMAT,
             "endorsement certificate: no DER sequence of 256 bytes or more");
    KS_TRY(ks_read_u16(&reader, &len));
    KS_CHECK(len >= 256, KS_ERR_FORMAT, "endorsement certificate: length is not DER");
    KS_TRY(ks_read_bytes(&whole, DER_HEAD_MAX + (size_t)len, out_der));
out:
    return err;
}

static enum ks_err read_nv(struct ks_tpm *tpm, TPMI_RH_NV_INDEX index, size_t size,
                           struct ks_buf *out)
{
    enum ks_err err = KS_OK;

    while (out->len < size) {
        TPM2B_MAX_NV_BUFFER part = {0};
        uint16_t want = (uint16_t)(size - out->len < NV_CHUNK ? size - out->len : NV_CHUNK);

        KS_TRY(ks_tpm_result(tpm,
                             Tss2_Sys_NV_Read(tpm->sys, index, index, ks_tpm_password(), want,
                                              (uint16_t)out->len, &part, NULL),
                             "endorsement certificate"));
        KS_CHECK(part.size == want, KS_ERR_IO, "TPM endorsement certificate: %u bytes for %u",
                 (unsigned)part.size, (unsigned)want);
        ks_buf_put(out, ks_bytes_of(part.buffer, part.size));
        KS_TRY(ks_buf_check(out));
    }
out:
    return err;
}

enum ks_err ks_tpm_ek_certificate(struct ks_tpm *tpm, enum ks_tpm_ek_kind kind,
                                  struct ks_buf *out_der)
{
    enum ks_err err = KS_OK;
    TPMS_NV_PUBLIC area = {0};
    struct ks_buf bytes;
    struct ks_bytes der;

    KS_ASSERT(kind <= KS_TPM_EK_ECC_P384 && !tpm->quoting);
    ks_buf_init(&bytes, KS_TPM_CERTIFICATE_MAX);
    KS_TRY(ks_fail_prefix(ks_tpm_nv_public(tpm, kinds[kind].certificate, &area),
                          "certificate of the %s endorsement key", kinds[kind].name));
    KS_CHECK((area.attributes & TPMA_NV_WRITTEN) != 0, KS_ERR_NOT_FOUND,
             "certificate of the %s endorsement key: nothing was written", kinds[kind].name);
    KS_CHECK(area.dataSize <= KS_TPM_CERTIFICATE_MAX, KS_ERR_LIMIT,
             "certificate of the %s endorsement key: %u bytes, limit %d", kinds[kind].name,
             (unsigned)area.dataSize, KS_TPM_CERTIFICATE_MAX);
    KS_TRY(read_nv(tpm, kinds[kind].certificate, area.dataSize, &bytes));
    KS_TRY(cut_padding(ks_buf_view(&bytes), &der));
    ks_buf_put(out_der, der);
    KS_TRY(ks_buf_check(out_der));
out:
    ks_buf_done(&bytes);
    return err;
}

/* --- credentials -------------------------------------------------------------------------- */

/* A TPM2B: its u16 size and so many bytes, at most LEN_MAX, to TARGET. */
static enum ks_err read_sized(struct ks_bytes bytes, const char *what, size_t len_max,
                              uint8_t *target, uint16_t *out_len)
{
    enum ks_err err = KS_OK;
    struct ks_reader reader = ks_reader_of(bytes, what);
    struct ks_bytes contents;

    KS_TRY(ks_read_lp16(&reader, len_max, &contents));
    KS_TRY(ks_read_end(&reader));
    ks_copy(target, contents.data, contents.len);
    *out_len = (uint16_t)contents.len;
out:
    return err;
}

/* The authorisation that the open endorsement key wants of its user. *SESSION is to be flushed
 * if the command did not end it. */
static enum ks_err authorise_ek(struct ks_tpm *tpm, TPM2_HANDLE *session,
                                TPMS_AUTH_COMMAND *out_auth)
{
    enum ks_err err = KS_OK;
    const TPM2B_NONCE nonce = {0};
    const TPM2B_DIGEST any_command = {0};
    const TPM2B_NONCE reference = {0};
    TPM2B_TIMEOUT timeout = {0};
    TPMT_TK_AUTH ticket = {0};
    const TPMT_PUBLIC *key = &tpm->ek_public.publicArea;

    *out_auth = (TPMS_AUTH_COMMAND){.sessionHandle = TPM2_RS_PW};
    if ((key->objectAttributes & TPMA_OBJECT_USERWITHAUTH) != 0) {
        return KS_OK;
    }
    KS_TRY(ks_tpm_policy_start(tpm, key->nameAlg, session));
    KS_TRY(ks_tpm_result(tpm,
                         Tss2_Sys_PolicySecret(tpm->sys, TPM2_RH_ENDORSEMENT, *session,
                                               ks_tpm_password(), &nonce, &any_command,
                                               &reference, 0, &timeout, &ticket, NULL),
                         "policy of the endorsement key"));
    out_auth->sessionHandle = *session;
out:
    return err;
}

/* True when RC says that the two are not for these keys: an error about a parameter, when
 * either does not decrypt or names another key. libtpms says TPM_RC_FAILURE of an RSA
 * ciphertext that is none, and goes on; a TPM that has really failed does not. */
static bool not_for_us(struct ks_tpm *tpm, TSS2_RC rc)
{
    TPMS_TIME_INFO time = {0};

    return ks_tpm_refuses_parameter(rc) ||
           (rc == TPM2_RC_FAILURE &&
            Tss2_Sys_ReadClock(tpm->sys, NULL, &time, NULL) == TSS2_RC_SUCCESS);
}

enum ks_err ks_tpm_credential_activate(struct ks_tpm *tpm, struct ks_bytes id_object,
                                       struct ks_bytes encrypted_secret,
                                       struct ks_secret *out_secret)
{
    enum ks_err err = KS_OK;
    TPM2B_ID_OBJECT credential = {0};
    TPM2B_ENCRYPTED_SECRET secret = {0};
    TPM2B_DIGEST recovered = {0};
    TSS2L_SYS_AUTH_COMMAND auths = {.count = 2, .auths[0] = {.sessionHandle = TPM2_RS_PW}};
    TPM2_HANDLE session = 0;
    TSS2_RC rc;

    KS_ASSERT(tpm->ak.handle != 0 && tpm->ek.handle != 0 && !tpm->quoting);
    KS_TRY(read_sized(id_object, "credential", sizeof credential.credential,
                      credential.credential, &credential.size));
    KS_TRY(read_sized(encrypted_secret, "encrypted secret of the credential",
                      sizeof secret.secret, secret.secret, &secret.size));
    KS_TRY(authorise_ek(tpm, &session, &auths.auths[1]));
    rc = Tss2_Sys_ActivateCredential(tpm->sys, tpm->ak.handle, tpm->ek.handle, &auths,
                                     &credential, &secret, &recovered, NULL);
    if (rc == TSS2_RC_SUCCESS) {
        session = 0; /* it ended with the command */
    }
    KS_CHECK(!not_for_us(tpm, rc), KS_ERR_VERIFY,
             "credential: not made for this attestation key and this %s endorsement key",
             kinds[tpm->ek_kind].name);
    KS_TRY(ks_tpm_result(tpm, rc, "credential"));
    KS_CHECK(recovered.size <= KS_SECRET_MAX, KS_ERR_IO, "TPM credential: a secret of %u bytes",
             (unsigned)recovered.size);
    ks_secret_set(out_secret, ks_bytes_of(recovered.buffer, recovered.size));
out:
    ks_tpm_flush(tpm, &session);
    ks_wipe(&recovered, sizeof recovered);
    ks_tpm_forget(tpm);
    return err;
}
