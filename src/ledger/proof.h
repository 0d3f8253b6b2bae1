/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* proof.h: proof files (c2sp.org/tlog-proof@v1): an inclusion path with the checkpoint it leads
 * to. The entry is not inside. Pure; a parsed proof borrows from its bytes. */
#ifndef KS_LEDGER_PROOF_H
#define KS_LEDGER_PROOF_H

#include "ledger/checkpoint.h"

#define KS_TLOG_EXTRA_MAX 48000        /* decoded bytes: its line stays under 64 KiB */
#define KS_TLOG_PROOF_MAX (256 * 1024) /* bytes of a whole proof file */

struct ks_tlog_proof {
    struct ks_bytes extra; /* not authenticated; empty: no such line */
    uint64_t index;
    struct ks_merkle_proof path;
    struct ks_bytes checkpoint; /* the signed note, as it stands in the file */
    struct ks_buf decoded;      /* owns the extra bytes of a parsed proof */
};

/* Strict: canonical numbers and base64; the checkpoint has to be a note with a checkpoint's
 * body, INDEX below its size, and the path exactly as long as these two demand. No signature is
 * checked. BYTES have to outlive OUT_PROOF. KS_ERR_FORMAT or KS_ERR_LIMIT. Release with
 * ks_tlog_proof_done. */
KS_MUST_CHECK enum ks_err ks_tlog_proof_parse(struct ks_bytes bytes,
                                              struct ks_tlog_proof *out_proof);
void ks_tlog_proof_done(struct ks_tlog_proof *proof); /* NULL and zeroed are fine */
/* Appends the file. What parsing would refuse is refused; printing a parsed proof gives the
 * same bytes. OUT is unchanged on failure. */
KS_MUST_CHECK enum ks_err ks_tlog_proof_print(const struct ks_tlog_proof *proof,
                                              struct ks_buf *out);

/* Opens the checkpoint (ks_checkpoint_open) and checks that LEAF is in its tree: KS_ERR_VERIFY
 * if not. */
KS_MUST_CHECK enum ks_err ks_tlog_proof_verify(const struct ks_tlog_proof *proof,
                                               const uint8_t leaf[KS_MERKLE_LEN],
                                               struct ks_bytes origin,
                                               const struct ks_note_trust *trust,
                                               struct ks_checkpoint_opened *out_opened);

#endif
