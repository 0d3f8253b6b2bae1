/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* witness.h: a witness: it cosigns a log's checkpoint when that extends the last one of that
 * log which it cosigned, and never two that do not go together (c2sp.org/tlog-witness v1.0.0;
 * docs/formats/witness.md). Hides what it keeps: for each log one file, the last note that it
 * cosigned, replaced durably before a cosignature leaves. Knows no network and no clock. One
 * thread: so what is compared is what is replaced. */
#ifndef KS_WITNESS_WITNESS_H
#define KS_WITNESS_WITNESS_H

#include "base/sys.h"
#include "ledger/cosign.h"

#define KS_WITNESS_LOGS_MAX     64
#define KS_WITNESS_LOG_KEYS_MAX 4
#define KS_WITNESS_SIGNERS_MAX  2
#define KS_WITNESS_ID_LEN       64 /* hexadecimal digits of SHA-256(origin) */

/* A log to watch; borrowed. */
struct ks_witness_log {
    struct ks_bytes origin;
    const struct ks_note_key *const *keys; /* at least one has to have signed */
    size_t key_count;                      /* 1 to KS_WITNESS_LOG_KEYS_MAX */
};

struct ks_witness_spec {
    const struct ks_fs *fs;               /* the state's directory; outlives the witness */
    const struct ks_note_signer *signers; /* cosignatures; they outlive the witness */
    size_t signer_count;                  /* 1 to KS_WITNESS_SIGNERS_MAX */
    const struct ks_witness_log *logs;    /* outlive the witness */
    size_t log_count;                     /* 1 to KS_WITNESS_LOGS_MAX */
};

struct ks_witness;

/* Reads what was cosigned before. KS_ERR_VERIFY for a file that neither the log nor this
 * witness signed: a witness that has lost its memory must not guess. KS_ERR_USAGE for two logs
 * of one origin. */
KS_MUST_CHECK enum ks_err ks_witness_new(const struct ks_witness_spec *spec,
                                         struct ks_witness **out_witness);
void ks_witness_free(struct ks_witness *witness); /* NULL is fine */

/* The size that log INDEX has by now; *OUT_KNOWN false before the first checkpoint of it. */
uint64_t ks_witness_size(const struct ks_witness *witness, size_t index, bool *out_known);

/* Why an answer is what it is, for the log of events. */
enum ks_witness_event {
    KS_WITNESS_COSIGNED,   /* 200 */
    KS_WITNESS_MALFORMED,  /* 400 */
    KS_WITNESS_UNSIGNED,   /* 403 */
    KS_WITNESS_STRANGER,   /* 404: no such log here */
    KS_WITNESS_BEHIND,     /* 409: the log does not know what was cosigned last */
    KS_WITNESS_FORK,       /* 409: the log has signed two roots of one size; kept as evidence */
    KS_WITNESS_UNPROVEN,   /* 422: the proof does not lead from the last one to this one */
    KS_WITNESS_BROKEN_LOG, /* 503: what is on disk is not known since a write failed */
};

struct ks_witness_answer {
    enum ks_witness_event event;
    int status;
    const char *type; /* of the body */
    struct ks_buf body;
    char origin[KS_NOTE_NAME_MAX + 1]; /* "" when it could not be read */
    uint64_t old_size;                 /* as the log said */
    uint64_t size;                     /* of the checkpoint */
};
void ks_witness_answer_done(struct ks_witness_answer *answer); /* zeroed is fine */

/* Answers POST add-checkpoint. TIME_S goes into the cosignatures. A cosignature is in
 * OUT_ANSWER only when the checkpoint is durable. KS_OK for every answer, refusals included;
 * KS_ERR_NOMEM. */
KS_MUST_CHECK enum ks_err ks_witness_add(struct ks_witness *witness, struct ks_bytes body,
                                         uint64_t time_s, struct ks_witness_answer *out_answer);

/* The last note cosigned of the log whose origin has the hash ID: borrowed until the next
 * ks_witness_add. KS_ERR_NOT_FOUND. */
KS_MUST_CHECK enum ks_err ks_witness_checkpoint(const struct ks_witness *witness,
                                                struct ks_bytes id, struct ks_bytes *out_note);

#endif
