/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* fl_audit.h: what a site's enclave says after it has computed a round again from the sealed
 * updates that were kept (docs/formats/fl-audit.md). "No" and "could not tell" differ: a check
 * that could not be made is not-run. Canonical JSON under the site's ML-DSA-65 record key;
 * views borrow. Pure. */
#ifndef KS_RECORD_FL_AUDIT_H
#define KS_RECORD_FL_AUDIT_H

#include "ketseal/verify.h"
#include "record/record.h"

#define KS_FL_AUDIT_BYTES_MAX  65536
#define KS_FL_AUDIT_REASON_MAX 512 /* bytes */
#define KS_FL_AUDIT_WORD_MAX   64  /* bytes: kernels */

#define KS_CONTEXT_FL_AUDIT "ketseal/fl-audit/1"

struct ks_fl_audit {
    uint8_t build[32]; /* SHA-256 of the worker that computed it now */
    uint64_t created_us;
    struct ks_bytes isa;    /* the kernels that ran; "unknown" where none did */
    uint8_t list[32];       /* SHA-256 of the round's list, which was followed */
    uint8_t model[32];      /* that the round ended with */
    uint64_t numerics;      /* what the arithmetic means, now */
    uint8_t replayed[32];   /* that it comes to now; zeros where none was made */
    struct ks_bytes reason; /* of the first that did not pass; empty: all did */
    uint64_t round;
    enum ks_verdict_state same_model;  /* MODEL is what it comes to again */
    enum ks_verdict_state same_scores; /* and each score of the list */
    enum ks_verdict_state same_state;  /* and what its rules left for the next round */
    uint8_t session[KS_SESSION_LEN];
    struct ks_bytes site;
    uint32_t threads;
    uint64_t updates; /* that were added again */
    /* Read only: */
    struct ks_json_doc *doc;
};
KS_MUST_CHECK enum ks_err ks_fl_audit_write(const struct ks_fl_audit *audit,
                                            const struct ks_sign_key *key, struct ks_buf *out);
/* KS_ERR_VERIFY unless KEY, the site's ML-DSA-65 record key, signed it. */
KS_MUST_CHECK enum ks_err ks_fl_audit_read(struct ks_bytes document,
                                           const struct ks_verify_key *key,
                                           struct ks_fl_audit *out_audit);
void ks_fl_audit_done(struct ks_fl_audit *audit); /* zeroed is fine */

/* AUDIT is of the round that CORE, a record's, is of, at its site, and of its list and model.
 * KS_ERR_VERIFY says what does not fit. What came out is not looked at. */
KS_MUST_CHECK enum ks_err ks_fl_audit_check(const struct ks_fl_audit *audit,
                                            const struct ks_core *core);

#endif
