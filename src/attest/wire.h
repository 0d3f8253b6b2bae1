/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* wire.h: what the readers of the TPM's structures share (TPM 2.0 Library Specification, Part
 * 2, rev 1.59). Nothing outside src/attest includes it. */
#ifndef KS_ATTEST_WIRE_H
#define KS_ATTEST_WIRE_H

#include "base/buf.h"

/* TPM2 part 2 §6.3, §6.4: algorithms and curves. */
#define KS_ALG_RSA         0x0001
#define KS_ALG_SHA1        0x0004
#define KS_ALG_AES         0x0006
#define KS_ALG_SHA256      0x000b
#define KS_ALG_SHA384      0x000c
#define KS_ALG_SHA512      0x000d
#define KS_ALG_NULL        0x0010
#define KS_ALG_SM3         0x0012
#define KS_ALG_RSASSA      0x0014
#define KS_ALG_ECDSA       0x0018
#define KS_ALG_ECC         0x0023
#define KS_ALG_CFB         0x0043
#define KS_CURVE_NIST_P256 0x0003
#define KS_CURVE_NIST_P384 0x0004

/* TPM2 part 2 §8.3: TPMA_OBJECT. */
#define KS_OBJECT_FIXED_TPM             (1u << 1)
#define KS_OBJECT_ST_CLEAR              (1u << 2)
#define KS_OBJECT_FIXED_PARENT          (1u << 4)
#define KS_OBJECT_SENSITIVE_DATA_ORIGIN (1u << 5)
#define KS_OBJECT_USER_WITH_AUTH        (1u << 6)
#define KS_OBJECT_ADMIN_WITH_POLICY     (1u << 7)
#define KS_OBJECT_NO_DA                 (1u << 10)
#define KS_OBJECT_ENCRYPTED_DUPLICATION (1u << 11)
#define KS_OBJECT_RESTRICTED            (1u << 16)
#define KS_OBJECT_DECRYPT               (1u << 17)
#define KS_OBJECT_SIGN                  (1u << 18)
#define KS_OBJECT_X509_SIGN             (1u << 19)

#define KS_RSA_BITS             2048
#define KS_RSA_BYTES            (KS_RSA_BITS / 8)
#define KS_RSA_EXPONENT_DEFAULT 65537 /* TPM2 part 2 §12.2.3.5: 0 stands for it */

/* An attribute that a key must have, or must not have. */
struct ks_wire_rule {
    uint32_t bit;
    bool wanted;
    const char *name;
};

/* Reads a u16 that must be WANT. */
KS_MUST_CHECK enum ks_err ks_wire_alg(struct ks_reader *reader, unsigned want,
                                      const char *field);
/* Reads a TPM2B of 1 to LEN bytes, a big-endian number, and puts zeros before it: some TPMs
 * drop leading zeros, some keep them. */
KS_MUST_CHECK enum ks_err ks_wire_number(struct ks_reader *reader, uint8_t *target, size_t len,
                                         const char *field);
/* Reads a TPMA_OBJECT that keeps the COUNT rules and has no bit but theirs and those that are
 * free (stClear, userWithAuth, adminWithPolicy, noDA). KIND says what else it is not. */
KS_MUST_CHECK enum ks_err ks_wire_attributes(struct ks_reader *reader,
                                             const struct ks_wire_rule *rules, size_t count,
                                             const char *kind);
/* Reads exponent and modulus of an RSA 2048 key: the end of TPMS_RSA_PARMS, and
 * TPM2B_PUBLIC_KEY_RSA (TPM2 part 2 §12.2.3.5, §11.2.4.5). */
KS_MUST_CHECK enum ks_err ks_wire_rsa_unique(struct ks_reader *reader, uint32_t *out_exponent,
                                             uint8_t modulus[KS_RSA_BYTES]);

/* Little-endian, as the firmware's and the kernel's logs have it. */
KS_MUST_CHECK enum ks_err ks_wire_le16(struct ks_reader *reader, uint16_t *out_value);
KS_MUST_CHECK enum ks_err ks_wire_le32(struct ks_reader *reader, uint32_t *out_value);
KS_MUST_CHECK enum ks_err ks_wire_le64(struct ks_reader *reader, uint64_t *out_value);
/* A view behind its u32 length, of at most LEN_MAX bytes. */
KS_MUST_CHECK enum ks_err ks_wire_le_lp32(struct ks_reader *reader, size_t len_max,
                                          struct ks_bytes *out_bytes);

#endif
