/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* cosign.h: what a log and its witnesses say to each other (c2sp.org/tlog-witness v1.0.0): the
 * request to cosign a checkpoint, with the proof that it extends an older one, and the lines
 * that come back. Who sends them and what a witness keeps: src/witness, src/server/cosigners.h.
 * Pure; what is parsed borrows from its bytes. */
#ifndef KS_LEDGER_COSIGN_H
#define KS_LEDGER_COSIGN_H

#include "ledger/checkpoint.h"

#define KS_COSIGN_PROOF_MAX 63 /* lines that a client may send */
/* "old N", the proof, the empty line, the note. */
#define KS_COSIGN_REQUEST_MAX (4 + 16 + 1 + KS_COSIGN_PROOF_MAX * 45 + 1 + KS_NOTE_LEN_MAX)
#define KS_COSIGN_SIZE_TYPE   "text/x.tlog.size" /* of the answer to a wrong old size */

struct ks_cosign_request {
    uint64_t old_size; /* of the checkpoint that the witness cosigned last, as the log thinks */
    size_t proof_count;
    uint8_t proof[KS_COSIGN_PROOF_MAX][KS_MERKLE_LEN]; /* from old_size to the checkpoint */
    struct ks_bytes note;                              /* the checkpoint, unparsed */
};

/* Strict: canonical numbers and base64. That the proof has the right length is not checked, nor
 * what stands in the note. KS_ERR_FORMAT or KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_cosign_request_parse(struct ks_bytes body,
                                                  struct ks_cosign_request *out_request);
/* Appends the body that parses to REQUEST. */
void ks_cosign_request_print(const struct ks_cosign_request *request, struct ks_buf *out);

/* Takes a witness's ANSWER to the checkpoint whose body is TEXT: every line by a key of TRUST
 * is verified and appended to OUT_LINES, in the order of the answer; lines by others are passed
 * over. The keys are cosigners' (KS_ERR_USAGE). KS_ERR_VERIFY when one of them is false, or
 * none of these keys has signed; KS_ERR_FORMAT, KS_ERR_LIMIT for what are no signature lines.
 */
KS_MUST_CHECK enum ks_err ks_cosign_take(struct ks_bytes text, struct ks_bytes answer,
                                         const struct ks_note_trust *trust,
                                         struct ks_buf *out_lines);

/* The size in the body of a 409: digits and a newline. KS_ERR_FORMAT. */
KS_MUST_CHECK enum ks_err ks_cosign_size_parse(struct ks_bytes body, uint64_t *out_size);

/* How many witnesses of TRUST have cosigned, by VERDICT: names count, not keys, since one
 * witness may sign in several ways. */
size_t ks_cosign_count(const struct ks_note_trust *trust,
                       const struct ks_note_verdict *verdict);

#endif
