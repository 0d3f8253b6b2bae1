/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* state.h: what the enclave keeps between launches: the seeds of its keys, made on first use
 * and sealed to the TPM, the key journal, the last ledger head that it signed, the registry of
 * devices, the rounds of federated learning; and the epoch, which notices when any of it is
 * older than it was. Formats: docs/formats/enclave-state.md. One thread. */
#ifndef KS_ENCLAVE_STATE_H
#define KS_ENCLAVE_STATE_H

#include "crypto/sign.h"
#include "enclave/epoch.h"
#include "enclave/journal.h"
#include "enclave/registry.h"
#include "enclave/rounds.h"
#include "enclave/vault.h"

struct ks_enclave_keys {
    struct ks_sign_key *ed25519;      /* records */
    struct ks_sign_key *mldsa65;      /* records, key answers */
    struct ks_sign_key *note_ed25519; /* checkpoints */
    struct ks_sign_key *note_mldsa44; /* checkpoints */
    struct ks_sign_key *issuer;       /* ML-DSA-87: certificates of devices */
};
void ks_enclave_keys_done(struct ks_enclave_keys *keys);

/* The last head that was signed: a chain of MACed lines, appended durably before each
 * signature. */
struct ks_head_log;

/* A torn last line is dropped, KS_ERR_VERIFY for any other that was changed, or when the lines
 * fall short of REACHED (NULL: any will do). */
KS_MUST_CHECK enum ks_err ks_head_log_open(const struct ks_fs *fs, struct ks_bytes master,
                                           const struct ks_head *reached,
                                           struct ks_head_log **out_log);
void ks_head_log_close(struct ks_head_log *log); /* NULL is fine */
/* Size 0 before the first. Borrowed. */
const struct ks_head *ks_head_log_last(const struct ks_head_log *log);
/* KS_ERR_DENIED when HEAD is smaller than the last one, or equal in size with another root.
 * Durable when this returns KS_OK. */
KS_MUST_CHECK enum ks_err ks_head_log_append(struct ks_head_log *log,
                                             const struct ks_head *head);

/* --- all of it ---------------------------------------------------------------------------- */

struct ks_state_spec {
    struct ks_bytes extra; /* randomness of the TPM's, mixed with the kernel's; may be empty */
    uint64_t now_s;        /* seconds since 1970 */
    bool accept_rollback;  /* what is old is taken, once */
    uint8_t policy[32];    /* what the site demands, hashed: ks_enclave_config_policy */
};

enum ks_state_opened {
    KS_STATE_AS_IT_WAS,
    KS_STATE_MADE,     /* there was none */
    KS_STATE_SEALED,   /* it stood in the clear (an older version's) and is sealed now */
    KS_STATE_RESEALED, /* to other values or PCRs than before */
};

struct ks_enclave_state {
    struct ks_enclave_keys keys;
    struct ks_journal *journal;
    struct ks_head_log *heads;
    struct ks_registry *registry;
    struct ks_rounds *rounds;
    struct ks_epoch *epoch;
    uint64_t keys_sealed; /* how often */
    enum ks_state_opened opened;
    uint8_t policy[32];
    uint8_t policy_before[32]; /* at the last epoch before this start; zeros: not known */
    bool hidden_seeds;         /* they stood in memfd_secret while they were in use */
    char forgiven[KS_ERR_DETAIL_MAX]; /* what accept_rollback let pass; "": nothing */
};

/* Opens the state in FS, or makes it: nothing is used before it is durable. Seals the keys
 * where they are not, or not to what VAULT wants now. Counts, so that no copy from before this
 * start opens any more. FS and VAULT are borrowed. KS_ERR_FORMAT for a file of keys that is
 * damaged, or gone while other files are there: then nothing is made anew in its place;
 * KS_ERR_DENIED when the TPM does not unseal it; KS_ERR_VERIFY for what was changed or is older
 * than it was; KS_ERR_USAGE for accept_rollback where there is nothing to accept, so that it
 * cannot stay set. */
KS_MUST_CHECK enum ks_err ks_enclave_state_open(const struct ks_fs *fs,
                                                const struct ks_vault *vault,
                                                const struct ks_state_spec *spec,
                                                struct ks_enclave_state *out_state);
void ks_enclave_state_close(
    struct ks_enclave_state *state); /* half-built and zeroed are fine */

/* Whether anything changed since the last epoch. */
bool ks_enclave_state_moved(const struct ks_enclave_state *state);
/* Writes the epoch of now, and counts: what was copied before does not open any more. Does
 * nothing if nothing has moved. Errors as ks_epoch_write. */
KS_MUST_CHECK enum ks_err ks_enclave_state_count(struct ks_enclave_state *state);

#endif
