/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* appraise.h: evidence of a platform (a quote and its logs) against a reference policy, check
 * by check, offline. Absence of evidence is never a pass. Hides the order of the checks and how
 * the logs explain the quoted values. The verdict as EAT-style claims: docs/formats/eat.md.
 * Pure: no clock is read; an appraisal owns itself (fixed size, no heap). */
#ifndef KS_ATTEST_APPRAISE_H
#define KS_ATTEST_APPRAISE_H

#include "attest/quote.h"
#include "attest/reference.h"
#include "base/buf.h"

/* What a platform sends. Everything is borrowed; nothing is trusted but AK and TPM, which
 * enrolment established. */
struct ks_platform_evidence {
    const struct ks_ak_public *ak;
    unsigned tpm;           /* one of KS_TPM_SET_…, as established with the EK certificate */
    struct ks_bytes attest; /* TPMS_ATTEST */
    struct ks_bytes signature; /* TPMT_SIGNATURE */
    /* The values that were quoted, as claimed: one for each bit of pcr_mask, ascending. */
    uint32_t pcr_mask;
    const uint8_t (*pcr_values)[KS_PCR_DIGEST_LEN];
    struct ks_bytes tcg_log;    /* binary_bios_measurements; empty: none */
    struct ks_bytes ima_log;    /* binary_runtime_measurements; empty: none */
    struct ks_bytes launch_log; /* launch event log, canonical JSON; empty: none */
};

/* The clock of the last quote of this key that was accepted. */
struct ks_clock_seen {
    uint64_t clock_ms;
    uint32_t reset_count;
    uint32_t restart_count;
};

/* clang-format off */
/*      name       text               what is checked */
#define KS_APPRAISAL_LIST(X)                                                                   \
    X(SIGNATURE,   "signature",       "the attestation key signed the quote")                  \
    X(SIGNER,      "signer",          "the quote names that key of the endorsement hierarchy") \
    X(NONCE,       "nonce",           "the quote was made for this challenge")                 \
    X(PCRS,        "pcrs",            "the quote covers the PCR values shown")                 \
    X(TPM,         "tpm",             "the kind of TPM is accepted")                           \
    X(FIRMWARE,    "firmware",        "the TPM's firmware is new enough")                      \
    X(CLOCK_SAFE,  "clock.safe",      "the TPM vouches for its clock")                         \
    X(CLOCK_ORDER, "clock.order",     "clock and counters go on from the last quote")          \
    X(REQUIRED,    "pcrs.required",   "all required PCRs are quoted")                          \
    X(GOLDEN,      "pcrs.golden",     "PCRs have one of their golden values")                  \
    X(BOOT_LOG,    "boot.log",        "the firmware's log gives the quoted values")            \
    X(BOOT_EVENTS, "boot.events",     "each boot event is allowed")                            \
    X(LAUNCH_LOG,  "launch.log",      "the launch log gives the quoted value")                 \
    X(PROGRAMS,    "launch.programs", "each launched program is allowed")                      \
    X(IMA_LOG,     "ima.log",         "the kernel's list gives the quoted value")              \
    X(FILES,       "ima.files",       "each measured file is allowed")
/* clang-format on */

enum ks_appraisal_check {
#define KS_APPRAISAL_ENUM(name, text, covers) KS_APPRAISAL_##name,
    KS_APPRAISAL_LIST(KS_APPRAISAL_ENUM)
#undef KS_APPRAISAL_ENUM
        KS_APPRAISAL_CHECKS
};
const char *ks_appraisal_check_name(enum ks_appraisal_check check);   /* "clock.order" */
const char *ks_appraisal_check_covers(enum ks_appraisal_check check); /* one sentence */

struct ks_appraise_spec {
    struct ks_bytes extra_data; /* what the quote must be bound to: nonce, channel, … */
    const struct ks_reference *reference;
    const struct ks_clock_seen *seen; /* NULL: the first quote of this key */
    /* Hears of every PCR, event and file that differs, in a sentence of its own; NULL: a check
     * ends at the first, which is its reason in either case. */
    void (*differs)(void *context, enum ks_appraisal_check check, const char *sentence);
    void *context;
};

enum ks_appraisal_state { KS_APPRAISAL_NOT_RUN = 0, KS_APPRAISAL_PASS, KS_APPRAISAL_FAIL };
const char *
ks_appraisal_state_name(enum ks_appraisal_state state); /* "not-run", "pass", "fail" */

#define KS_APPRAISAL_REASON_MAX 320
struct ks_appraisal_item {
    enum ks_appraisal_state state;
    /* The reference asks for it (or it is always asked for): the appraisal passes only if this
     * check does. */
    bool demanded;
    /* Names the PCR, and the event's index, type and name, that differ; "" when passed. */
    char reason[KS_APPRAISAL_REASON_MAX];
};

struct ks_appraisal {
    /* Every demanded check passed and none failed. */
    bool passed;
    struct ks_appraisal_item checks[KS_APPRAISAL_CHECKS];
    /* From the quote, once signature, signer, nonce and PCRs passed (quoted): */
    bool quoted;
    struct ks_clock_seen clock; /* the next one's "last seen", if this one passed */
    uint64_t firmware_version;
    uint32_t pcr_mask;
    uint8_t pcr_digest[KS_PCR_DIGEST_LEN];
    unsigned tpm;         /* KS_TPM_SET_… */
    uint32_t boot_events; /* events read, entries of the kernel's list that were quoted, … */
    uint32_t ima_entries;
    uint32_t ima_violations;
    uint32_t programs;
};

/* KS_OK only if the appraisal passed; KS_ERR_VERIFY with the first failed check (or the first
 * demanded one that did not run) when not. *OUT_APPRAISAL is filled in both cases. Malformed
 * evidence is a failed check. Any other error is trouble of ours, such as KS_ERR_NOMEM: then
 * what was not reached is not-run, and nothing passed. */
KS_MUST_CHECK enum ks_err ks_appraise(const struct ks_platform_evidence *evidence,
                                      const struct ks_appraise_spec *spec,
                                      struct ks_appraisal *out_appraisal);
/* The first check that keeps APPRAISAL from passing, or KS_APPRAISAL_CHECKS. */
enum ks_appraisal_check ks_appraisal_blocking(const struct ks_appraisal *appraisal);

/* Who was appraised, for the export. All texts are valid UTF-8. */
struct ks_eat_subject {
    /* What names the device for ever, the fingerprint of its EK certificate: hashed into the
     * UEID. */
    struct ks_bytes ueid_seed;
    struct ks_bytes nonce;    /* 8 to 64 bytes: the challenge, or the qualifying data */
    const char *manufacturer; /* of the TPM, "id:49424D00"; NULL or "": not known */
    const char *model;
    const char *version;
    const char *swversion;        /* of ketseal on the device; NULL: not known */
    const char *reference;        /* name of the reference policy */
    uint8_t reference_digest[32]; /* SHA-256 of its canonical JSON */
    uint64_t time_s;              /* of the appraisal, since 1970 */
};
/* Appends canonical JSON: the claims set of docs/formats/eat.md, unsigned. */
void ks_appraisal_write_eat(const struct ks_appraisal *appraisal,
                            const struct ks_eat_subject *subject, struct ks_buf *out);

#endif
