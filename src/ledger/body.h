/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* body.h: the unsigned parts of the notes: names, plain text, the body of a checkpoint, and the
 * messages that cosigners sign for it (c2sp.org/signed-note, tlog-checkpoint,
 * tlog-cosignature). Below note.h and checkpoint.h, which most callers want instead. Owns
 * nothing; any thread. */
#ifndef KS_LEDGER_BODY_H
#define KS_LEDGER_BODY_H

#include "base/buf.h"
#include "ledger/merkle.h"

#define KS_NOTE_NAME_MAX                                                                       \
    255 /* bytes of a key name or an origin: a u8 length in cosigned messages */
/* Bytes of a checkpoint's body: three lines, of which the second has at most 16 digits. */
#define KS_CHECKPOINT_BODY_MAX (KS_NOTE_NAME_MAX + 1 + 16 + 1 + 44 + 1)
/* Cosignature times are seconds since 1970 of at most 63 bits. */
#define KS_NOTE_TIME_MAX ((uint64_t)INT64_MAX)

/* KS_OK for a name of a key or a log: 1 to KS_NOTE_NAME_MAX bytes of UTF-8 without control
 * characters, Unicode spaces and '+'. WHAT names it in the error (KS_ERR_FORMAT, KS_ERR_LIMIT).
 */
KS_MUST_CHECK enum ks_err ks_note_name_check(struct ks_bytes name, const char *what);
/* KS_OK for valid UTF-8 without control characters below U+0020 other than newline; else
 * KS_ERR_FORMAT. */
KS_MUST_CHECK enum ks_err ks_note_text_check(struct ks_bytes text);

/* The head of a ledger under its name. */
struct ks_checkpoint {
    struct ks_bytes origin; /* borrowed from what was parsed */
    uint64_t size;
    uint8_t root[KS_MERKLE_LEN];
};

/* "ORIGIN\nSIZE\nBASE64(ROOT)\n" and nothing else: extension lines are refused, because an
 * ML-DSA-44 cosignature does not cover them. Also refused: an origin that is no name, a size
 * over KS_MERKLE_SIZE_MAX, size 0 with another root than the empty tree's. KS_ERR_FORMAT or
 * KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_checkpoint_parse(struct ks_bytes body,
                                              struct ks_checkpoint *out_checkpoint);
/* Appends the body to OUT; what ks_checkpoint_parse would refuse is refused. Parsing gives back
 * the same checkpoint, and printing a parsed one the same bytes. */
KS_MUST_CHECK enum ks_err ks_checkpoint_print(const struct ks_checkpoint *checkpoint,
                                              struct ks_buf *out);

/* Appends what an Ed25519 cosigner (type 0x04) signs: "cosignature/v1\ntime TIME\n" and the
 * body. */
void ks_checkpoint_put_cosigned(struct ks_bytes body, uint64_t time_s, struct ks_buf *out);
/* Appends what an ML-DSA-44 cosigner (type 0x06) called NAME signs: the cosigned_message of
 * tlog-cosignature for the subtree [0, size). */
void ks_checkpoint_put_subtree(const struct ks_checkpoint *checkpoint, struct ks_bytes name,
                               uint64_t time_s, struct ks_buf *out);

#endif
