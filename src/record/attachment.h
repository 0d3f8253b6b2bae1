/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* attachment.h: what others say about a checkpoint after it was signed, on its way to the site
 * that serves it: an anchor on a chain, a time stamp, or both (docs/formats/attachment.md,
 * "ketseal.attachment/1"). Both are about SHA-256 of the checkpoint's body. Pure. */
#ifndef KS_RECORD_ATTACHMENT_H
#define KS_RECORD_ATTACHMENT_H

#include "base/json.h"
#include "chain/anchor.h"
#include "crypto/timestamp.h"
#include "ledger/checkpoint.h"

#define KS_ATTACHMENT_BYTES_MAX 524288 /* of the whole document */

struct ks_attachment {
    struct ks_bytes checkpoint; /* signed note */
    struct ks_bytes anchor;     /* canonical JSON object, ketseal.anchor/1; empty: none */
    struct ks_bytes timestamp;  /* DER of an RFC 3161 TimeStampToken; empty: none */
};

/* Appends the document, canonical. */
void ks_attachment_write(const struct ks_attachment *attachment, struct ks_buf *out);

/* One that was read; owns what its views point into. */
struct ks_attachment_read {
    struct ks_attachment parts;
    struct ks_json_doc *doc;
    struct ks_buf anchor;
    struct ks_buf timestamp;
    struct ks_note note;
    struct ks_checkpoint checkpoint;
    uint8_t digest[32]; /* SHA-256 of the checkpoint's body */
};
/* KS_ERR_FORMAT or KS_ERR_LIMIT for what is malformed, or attaches nothing; KS_ERR_VERIFY when
 * anchor or time stamp are of another digest than the checkpoint's. No signature and no proof
 * is checked. Release with ks_attachment_done. */
KS_MUST_CHECK enum ks_err ks_attachment_parse(struct ks_bytes document,
                                              struct ks_attachment_read *out_read);
void ks_attachment_done(struct ks_attachment_read *read); /* NULL and zeroed are fine */

#endif
