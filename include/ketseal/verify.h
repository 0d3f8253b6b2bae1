/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* verify.h: offline verification of a bundle against a policy. No network, no clock, no TPM. */
#ifndef KETSEAL_VERIFY_H
#define KETSEAL_VERIFY_H

#include <stddef.h>
#include <stdint.h>

#include "ketseal/error.h"

#pragma GCC visibility push(default)

struct ks_buf;
struct ks_bytes;
struct ks_policy;

/*    name                     text                        in the order in which they run */
#define KS_VERDICT_LIST(X)                                                                     \
    X(FORMAT, "format")                                                                        \
    X(SIGNATURE_ED25519, "signature.ed25519")                                                  \
    X(SIGNATURE_MLDSA, "signature.ml-dsa-65")                                                  \
    X(REQUEST_CERTIFICATE, "request.certificate")                                              \
    X(REQUEST_SIGNATURE, "request.signature")                                                  \
    X(REQUEST_BINDING, "request.binding")                                                      \
    X(RESULT, "result")                                                                        \
    X(QUOTE_SIGNATURE, "quote.signature")                                                      \
    X(QUOTE_BINDING, "quote.binding")                                                          \
    X(QUOTE_PCR, "quote.pcr")                                                                  \
    X(QUOTE_START, "quote.start")                                                              \
    X(PLATFORM_TPM, "platform.tpm")                                                            \
    X(PLATFORM_SITE, "platform.site")                                                          \
    X(PLATFORM_REPORT, "platform.report")                                                      \
    X(LEDGER_CHECKPOINT, "ledger.checkpoint")                                                  \
    X(LEDGER_INCLUSION, "ledger.inclusion")                                                    \
    X(LEDGER_INTENT, "ledger.intent")                                                          \
    X(LEDGER_WITNESS, "ledger.witness")                                                        \
    X(ANCHOR_PROOF, "anchor.proof")                                                            \
    X(ANCHOR_CANONICAL, "anchor.canonical")                                                    \
    X(TIMESTAMP, "timestamp")                                                                  \
    X(REPLAY, "replay")

enum ks_verdict_check {
#define KS_VERDICT_ENUM(name, text) KS_VERDICT_##name,
    KS_VERDICT_LIST(KS_VERDICT_ENUM)
#undef KS_VERDICT_ENUM
        KS_VERDICT_CHECKS
};

/* "No" and "could not tell" differ: a check that never ran is not a failure, and never a
 * success. */
enum ks_verdict_state { KS_NOT_RUN = 0, KS_PASS = 1, KS_FAIL = 2 };

#define KS_VERDICT_REASON_MAX 256

struct ks_verdict_item {
    enum ks_verdict_state state;
    char reason[KS_VERDICT_REASON_MAX]; /* why it failed or did not run; "" when it passed */
};

struct ks_verdict {
    struct ks_verdict_item checks[KS_VERDICT_CHECKS];
    /* What was verified, for people; meaningful as far as the checks passed. */
    char record_id[40];
    char device[104];
    char origin[256];
    char method[128]; /* what computed the counts: "mps (bond 8 of 256, discarded 2.9e-30)" */
    char key_source[16]; /* of the request's one-time key: "kem" */
    uint64_t ledger_index;
    uint64_t ledger_size;
    uint8_t record_hash[32];
    uint64_t anchored_block; /* number of the block that holds the anchor */
    uint64_t anchored_us;    /* its time, since 1970; 0: anchor.proof did not pass */
    uint64_t stamped_us;     /* of the time stamp; 0: timestamp did not pass */
};

/* A verdict grows with each new check. Who is compiled apart from the library has it allocated
 * here and reads it by these; nothing ran yet. */
KS_MUST_CHECK enum ks_err ks_verdict_new(struct ks_verdict **out_verdict);
void ks_verdict_free(struct ks_verdict *verdict); /* NULL is fine */
/* Appends VERDICT as canonical JSON, "ketseal.verify/1", at most KS_VERDICT_BYTES_MAX bytes:
 * each check with its state and reason, the first one that failed, what was verified. OUTCOME
 * is what ks_bundle_verify returned: only KS_OK is "verified". */
#define KS_VERDICT_BYTES_MAX 65536
void ks_verdict_print(const struct ks_verdict *verdict, enum ks_err outcome,
                      struct ks_buf *out);

const char *ks_verdict_state_name(enum ks_verdict_state state);   /* "not-run" */
const char *ks_verdict_check_name(enum ks_verdict_check check);   /* "quote.pcr" */
const char *ks_verdict_check_covers(enum ks_verdict_check check); /* the bytes that it covers */
const char *ks_verdict_check_stops(enum ks_verdict_check check);  /* the attack that it stops */
const char *
ks_verdict_check_not_proved(enum ks_verdict_check check); /* what it does not prove */

/* Reads a policy (docs/formats/policy.md). */
KS_MUST_CHECK enum ks_err ks_policy_read(const struct ks_bytes *document,
                                         struct ks_policy **out_policy);
void ks_policy_free(struct ks_policy *policy); /* NULL is fine */

/* Verifies BUNDLE offline. KS_OK only if every check that POLICY requires passed; KS_ERR_VERIFY
 * when one failed or did not run; another error when it could not be decided (KS_ERR_NOMEM).
 * *OUT_VERDICT is filled in either case; what was never reached says not-run. */
KS_MUST_CHECK enum ks_err ks_bundle_verify(const struct ks_bytes *bundle,
                                           const struct ks_policy *policy,
                                           struct ks_verdict *out_verdict);

#pragma GCC visibility pop

#endif
