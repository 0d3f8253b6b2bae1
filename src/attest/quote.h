/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* quote.h: what a TPM said, checked without one. Hides the TPM's wire structures (TPM 2.0
 * Library Specification, Part 2, "TPM2"): attestation key, attestation, signature. Formats and
 * the exact key template: docs/formats/quote.md. Pure; nothing is allocated; views borrow from
 * the caller's bytes. */
#ifndef KS_ATTEST_QUOTE_H
#define KS_ATTEST_QUOTE_H

#include "base/buf.h"

#define KS_PCR_COUNT         24  /* PC Client platforms: PCR 0 to 23 */
#define KS_PCR_DIGEST_LEN    32  /* the sha256 bank is the only one used */
#define KS_AK_NAME_LEN       34  /* u16 name algorithm, SHA-256 */
#define KS_AK_PUBLIC_MAX     512 /* bytes of a TPMT_PUBLIC; RSA-2048 needs 280 */
#define KS_ATTEST_MAX        512 /* bytes of a TPMS_ATTEST; ours have 145 */
#define KS_TPM_SIGNATURE_MAX 512 /* bytes of a TPMT_SIGNATURE; RSA-2048 needs 262 */
#define KS_QUOTE_EXTRA_MAX   64  /* bytes of qualifying data every TPM takes */

enum ks_ak_alg { KS_AK_ECDSA_P256, KS_AK_RSA_2048 };

/* The public half of an attestation key. Only ks_ak_public_parse fills it. */
struct ks_ak_public {
    enum ks_ak_alg alg;
    uint8_t x[32]; /* P-256 point, big-endian; RSA: zero */
    uint8_t y[32];
    uint8_t modulus[256]; /* RSA, big-endian; P-256: zero */
    uint32_t exponent;
    uint8_t name[KS_AK_NAME_LEN]; /* TPM2 part 1 §16: u16 sha256, SHA-256(TPMT_PUBLIC) */
    /* TPM2 part 1 §26.5: the name as a primary key of the endorsement hierarchy; quotes carry
     * it. */
    uint8_t qualified_name[KS_AK_NAME_LEN];
};

/* Reads a TPMT_PUBLIC (TPM2 part 2 §12.2.4): an ECDSA-SHA256 P-256 or RSASSA-SHA256 2048-bit
 * signing key named by SHA-256, with fixedTPM, fixedParent, sensitiveDataOrigin, restricted and
 * sign set and decrypt clear, so that it lives in one TPM and signs nothing but what that TPM
 * itself states. KS_ERR_FORMAT with the field's name for anything else, trailing bytes
 * included. Whether a P-256 point lies on the curve is found out by the first signature check.
 */
KS_MUST_CHECK enum ks_err ks_ak_public_parse(struct ks_bytes public_area,
                                             struct ks_ak_public *out_ak);
const char *ks_ak_alg_name(enum ks_ak_alg alg); /* "ECDSA P-256", "RSASSA 2048" */
/* Copies the name. */
void ks_ak_name(const struct ks_ak_public *ak, uint8_t out_name[KS_AK_NAME_LEN]);

/* A parsed TPMS_ATTEST of type quote (TPM2 part 2 §10.12.12). Views borrow from the attest
 * bytes. */
struct ks_quote_view {
    struct ks_bytes qualified_signer;      /* KS_AK_NAME_LEN bytes */
    struct ks_bytes extra_data;            /* at most KS_QUOTE_EXTRA_MAX bytes */
    uint64_t clock_ms;                     /* powered time of the TPM */
    uint32_t reset_count;                  /* since the TPM's owner last cleared it */
    uint32_t restart_count;                /* since the last reset */
    bool safe;                             /* clock_ms was never reported larger before */
    uint64_t firmware_version;             /* the maker's own numbering */
    uint32_t pcr_mask;                     /* bit N: PCR N of the sha256 bank; never 0 */
    uint8_t pcr_digest[KS_PCR_DIGEST_LEN]; /* SHA-256 over those values, ascending */
};

/* Reads a TPMS_ATTEST. KS_ERR_FORMAT naming the field: wrong magic (then no TPM made it), not a
 * quote, another bank than sha256, no PCR, a bad length, trailing bytes. Says nothing about who
 * signed it. */
KS_MUST_CHECK enum ks_err ks_quote_parse(struct ks_bytes attest,
                                         struct ks_quote_view *out_view);

/* What the checker demands. */
struct ks_quote_expect {
    struct ks_bytes extra_data; /* exactly these bytes */
    uint32_t pcr_mask;          /* exactly these PCRs of the sha256 bank */
    /* One value for each bit set in pcr_mask, ascending; borrowed. */
    const uint8_t (*pcr_values)[KS_PCR_DIGEST_LEN];
};

/* The single checks. KS_ERR_VERIFY says which one failed; KS_ERR_FORMAT when bytes do not
 * parse. */

/* SIGNATURE, a TPMT_SIGNATURE (TPM2 part 2 §11.3.4), is AK's over ATTEST: ECDSA or RSASSA with
 * SHA-256. */
KS_MUST_CHECK enum ks_err ks_quote_check_signature(const struct ks_ak_public *ak,
                                                   struct ks_bytes attest,
                                                   struct ks_bytes signature);
/* The quote names AK, with all its attributes, as a primary key of the endorsement hierarchy.
 */
KS_MUST_CHECK enum ks_err ks_quote_check_signer(const struct ks_ak_public *ak,
                                                const struct ks_quote_view *view);
KS_MUST_CHECK enum ks_err ks_quote_check_extra(const struct ks_quote_view *view,
                                               struct ks_bytes extra_data);
KS_MUST_CHECK enum ks_err ks_quote_check_pcrs(const struct ks_quote_view *view,
                                              uint32_t pcr_mask,
                                              const uint8_t (*values)[KS_PCR_DIGEST_LEN]);

/* All of them, signature first. *OUT_VIEW (may be NULL) is written only when every check
 * passed. */
KS_MUST_CHECK enum ks_err ks_quote_check(const struct ks_ak_public *ak, struct ks_bytes attest,
                                         struct ks_bytes signature,
                                         const struct ks_quote_expect *expect,
                                         struct ks_quote_view *out_view);

/* One TPMT_SIGNATURE taken apart; exposed for the fuzzer and for other TPM statements. */
struct ks_tpm_signature {
    enum ks_ak_alg alg;
    uint8_t r[32]; /* ECDSA, left-padded */
    uint8_t s[32];
    uint8_t rsa[256]; /* RSASSA */
};
KS_MUST_CHECK enum ks_err ks_tpm_signature_parse(struct ks_bytes bytes,
                                                 struct ks_tpm_signature *out_signature);

/* The platform stayed the same between two quotes, a job's start and end evidence: both name
 * one key, cover the same PCRs with one digest, have equal reset and restart counts, and the
 * clock of END is not behind START's. (Within one boot the clock does not go back; whether it
 * is safe, TPM2 part 1 §36.3.2, says something of the boots before, and is false for long after
 * each power failure.) KS_ERR_VERIFY says what changed. Only for views whose signatures were
 * checked.
 */
KS_MUST_CHECK enum ks_err ks_quote_pair_check(const struct ks_quote_view *start,
                                              const struct ks_quote_view *end);

/* Number of PCRs in MASK. */
unsigned ks_pcr_mask_count(uint32_t mask);

/* The qualifying data of a quote over a batch of SIZE records (at least 1) with the Merkle root
 * ROOT over their hashes: SHA-256("ketseal/quote/1\n" || u64 SIZE || ROOT). */
void ks_quote_extra_data(uint64_t size, const uint8_t root[32], uint8_t out_extra[32]);
/* That of a quote over no record, which only says that the platform is there: SHA-256 of
 * "ketseal/quote/start/1\n" || u64 SIZE || ROOT, the last ledger head that was signed. */
void ks_quote_start_data(uint64_t size, const uint8_t root[32], uint8_t out_extra[32]);

#endif
