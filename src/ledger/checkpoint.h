/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* checkpoint.h: signed checkpoints (c2sp.org/tlog-checkpoint): a ledger's head under its name,
 * as a note that the ledger's own keys sign: Ed25519 over the text (type 0x01) and ML-DSA-44 as
 * a cosignature (type 0x06). A ledger's own keys are those whose name is its origin; any other
 * known key is a witness. Pure; nothing is kept. The body alone: body.h. */
#ifndef KS_LEDGER_CHECKPOINT_H
#define KS_LEDGER_CHECKPOINT_H

#include "ledger/note.h"

/* Appends the checkpoint as a note with one line for each signer. Every signer has to be named
 * like the origin (KS_ERR_USAGE). TIME_S, seconds since 1970, goes into the ML-DSA-44 line: the
 * moment at which this was the ledger's largest tree. OUT is unchanged on failure. */
KS_MUST_CHECK enum ks_err ks_checkpoint_sign(const struct ks_checkpoint *checkpoint,
                                             const struct ks_note_signer *signers, size_t count,
                                             uint64_t time_s, struct ks_buf *out);

/* A checkpoint whose signatures were checked. */
struct ks_checkpoint_opened {
    struct ks_checkpoint checkpoint; /* its origin borrows from the note's bytes */
    uint64_t time_s;                 /* from the ledger's own ML-DSA-44 line; 0 without one */
    struct ks_note_verdict verdict;  /* which known keys have signed, and when */
};

/* Parses NOTE, checks that it is a checkpoint of the ledger called ORIGIN, that EVERY known key
 * of that name has signed it (so a signature cannot be stripped), and that no known key's
 * signature fails. At least one known key has to have that name (KS_ERR_USAGE). Witness keys
 * may be absent unless TRUST is exact. KS_ERR_FORMAT or KS_ERR_LIMIT for a malformed note,
 * KS_ERR_VERIFY for a false one. */
KS_MUST_CHECK enum ks_err ks_checkpoint_open(struct ks_bytes note, struct ks_bytes origin,
                                             const struct ks_note_trust *trust,
                                             struct ks_checkpoint_opened *out_opened);

#endif
