/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* credential.h: proving that an attestation key lives in the TPM whose endorsement certificate
 * is shown: TPM2_MakeCredential in software (TPM2 part 1 §24). Whoever can give the secret back
 * has used TPM2_ActivateCredential of the TPM that holds the endorsement key, and that TPM
 * gives it out only when it holds the named key too. Formats: docs/formats/endorsement.md.
 * Pure: randomness is an argument. */
#ifndef KS_ATTEST_CREDENTIAL_H
#define KS_ATTEST_CREDENTIAL_H

#include "attest/quote.h"
#include "base/buf.h"
#include "crypto/ekcert.h"

#define KS_EK_PUBLIC_MAX              512 /* bytes of a TPMT_PUBLIC; RSA 2048 needs 314 */
#define KS_EK_OBJECT_NAME_MAX         50  /* u16 name algorithm, SHA-384 */
#define KS_CREDENTIAL_SECRET_MAX      32 /* bytes: the smallest name hash of an endorsement key */
#define KS_CREDENTIAL_RANDOM_LEN      64  /* bytes that one credential uses up at most */
#define KS_CREDENTIAL_ID_OBJECT_MAX   128 /* bytes of a TPM2B_ID_OBJECT, its size included */
#define KS_CREDENTIAL_SECRET_BLOB_MAX 512 /* bytes of a TPM2B_ENCRYPTED_SECRET likewise */

/* The default templates (EKP §B.3, §B.4) that are understood. */
enum ks_ek_kind {
    KS_EK_KIND_RSA_2048, /* L-1: SHA-256, AES-128-CFB */
    KS_EK_KIND_ECC_P256, /* L-2: SHA-256, AES-128-CFB */
    KS_EK_KIND_ECC_P384, /* H-3: SHA-384, AES-256-CFB */
};
const char *ks_ek_kind_name(enum ks_ek_kind kind); /* "RSA 2048", "ECC P-256", "ECC P-384" */

/* The public half of an endorsement key as its TPM states it. Only ks_ek_public_parse fills it.
 */
struct ks_ek_public {
    enum ks_ek_kind kind;
    struct ks_ek_key key;
    uint8_t name[KS_EK_OBJECT_NAME_MAX]; /* TPM2 part 1 §16 */
    size_t name_len;                     /* 34 or 50 */
};

/* Reads a TPMT_PUBLIC (TPM2 part 2 §12.2.4) of one of the kinds above: fixedTPM, fixedParent,
 * sensitiveDataOrigin, restricted and decrypt set; sign, encryptedDuplication and x509sign
 * clear. KS_ERR_FORMAT with the field's name for anything else, trailing bytes included. It is
 * the TPM's own claim: only the certificate makes the key an endorsement key. */
KS_MUST_CHECK enum ks_err ks_ek_public_parse(struct ks_bytes public_area,
                                             struct ks_ek_public *out_ek);

/* KS_ERR_VERIFY unless CERT is for the very key of EK. The chain of CERT is another check
 * (ks_ek_cert_verify). */
KS_MUST_CHECK enum ks_err ks_ek_public_check_cert(const struct ks_ek_public *ek,
                                                  const struct ks_ek_cert *cert);

struct ks_credential_spec {
    struct ks_bytes ak_name; /* KS_AK_NAME_LEN bytes, from ks_ak_name */
    struct ks_bytes secret;  /* 1 to KS_CREDENTIAL_SECRET_MAX bytes, fresh for each challenge */
    /* KS_CREDENTIAL_RANDOM_LEN bytes nobody else knows and nothing else uses: seed and padding
     * (RSA), or ephemeral key (ECC). The caller wipes them. */
    struct ks_bytes random;
};

/* TPM2_MakeCredential (TPM2 part 1 §24): appends a TPM2B_ID_OBJECT and a
 * TPM2B_ENCRYPTED_SECRET, their sizes included, as TPM2_ActivateCredential takes them.
 * KS_ERR_USAGE when a length of SPEC is wrong; KS_ERR_FORMAT when libcrypto refuses the key (a
 * point that is not on the curve). On failure both buffers are as they were. */
KS_MUST_CHECK enum ks_err ks_credential_make(const struct ks_ek_public *ek,
                                             const struct ks_credential_spec *spec,
                                             struct ks_buf *out_id_object,
                                             struct ks_buf *out_encrypted_secret);

#endif
