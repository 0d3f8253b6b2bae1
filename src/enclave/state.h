/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* state.h: what the enclave keeps between launches: the seeds of its keys, made on first use,
 * and the last ledger head that it signed. Formats: docs/formats/enclave-state.md. One thread.
 */
#ifndef KS_ENCLAVE_STATE_H
#define KS_ENCLAVE_STATE_H

#include "base/sys.h"
#include "crypto/sign.h"
#include "ledger/ledger.h"

/* How the seeds are protected at rest; written into the file. Sealing to the TPM is the next
 * value. */
enum ks_state_protection {
    KS_STATE_BY_FILE_MODE =
        0, /* mode 0600 in a directory that Landlock keeps from all others of ours */
};

struct ks_enclave_keys {
    struct ks_sign_key *ed25519;      /* records */
    struct ks_sign_key *mldsa65;      /* records, key answers */
    struct ks_sign_key *note_ed25519; /* checkpoints */
    struct ks_sign_key *note_mldsa44; /* checkpoints */
    struct ks_secret journal;         /* master secret of the key journal */
    struct ks_sign_key *issuer;
};

/* Loads the keys from FS, or makes them (kernel randomness mixed with EXTRA, which may be
 * empty: the TPM's) and stores them durably before the first is used. KS_ERR_FORMAT for a file
 * that is damaged, or gone while the head log or the key journal is there: then nothing is made
 * anew in its place. */
KS_MUST_CHECK enum ks_err ks_enclave_keys_open(const struct ks_fs *fs, struct ks_bytes extra,
                                               struct ks_enclave_keys *out_keys);
void ks_enclave_keys_done(struct ks_enclave_keys *keys);

/* The last head that was signed: a chain of MACed lines, appended durably before each
 * signature. */
struct ks_head_log;

/* A torn last line is dropped, KS_ERR_VERIFY for any other that was changed. */
KS_MUST_CHECK enum ks_err ks_head_log_open(const struct ks_fs *fs, struct ks_bytes master,
                                           struct ks_head_log **out_log);
void ks_head_log_close(struct ks_head_log *log); /* NULL is fine */
/* Size 0 before the first. Borrowed. */
const struct ks_head *ks_head_log_last(const struct ks_head_log *log);
/* KS_ERR_DENIED when HEAD is smaller than the last one, or equal in size with another root.
 * Durable when this returns KS_OK. */
KS_MUST_CHECK enum ks_err ks_head_log_append(struct ks_head_log *log,
                                             const struct ks_head *head);

#endif
