/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* journal.h: which one-time keys are spent. The enclave's alone; no shared database ever
 * decides it.
 *
 * Keys come in batches; a batch has a secret from which key i is derived (HKDF), so that the
 * journal holds one wrapped secret (AES-256-GCM under a key of the enclave's sealed state) and
 * one high-water mark per batch. A mark is made durable ahead of use: before key i is given
 * out, a mark above i is on disk; after a crash everything below the mark counts as spent (a
 * crash burns the reserve). Records are chained by HMAC, so that nothing in the file can be
 * changed, reordered or cut in the middle; a torn tail, which was never acted on, is dropped.
 * That a whole older file is put back shows against a position that was noted elsewhere
 * (epoch.h).
 * Format: docs/formats/journal.md. One thread. */
#ifndef KS_ENCLAVE_JOURNAL_H
#define KS_ENCLAVE_JOURNAL_H

#include "base/sys.h"
#include "qkd/keyid.h"

#define KS_JOURNAL_FILE        "journal"
#define KS_JOURNAL_BATCHES_MAX 16384 /* live batches */
#define KS_JOURNAL_KEYS_MAX    KS_KEY_BATCH_MAX
#define KS_JOURNAL_RESERVE     64 /* keys reserved ahead by one durable mark */

/* What every refusal of something older (epoch.h) ends with. */
#define KS_ROLLBACK_REMEDY                                                                     \
    "; put the newest state back, or accept the loss, once, with ketseal-launch "              \
    "--insecure-accept-rollback"

struct ks_journal;

struct ks_key_batch {
    uint64_t number;    /* out: unique within the instance, ascending */
    uint8_t device[32]; /* SHA-256 of the device's certificate key: only it may spend */
    uint32_t count;     /* keys: 1 to KS_JOURNAL_KEYS_MAX */
    uint64_t expires_s; /* seconds since 1970 */
    uint8_t secret[32]; /* from which the keys derive; wiped by the caller */
    uint8_t salt[32];   /* HKDF salt */
};

/* How far the file had come at some moment, by what is durable. All zero: there was none. */
struct ks_journal_position {
    uint64_t rewriting; /* how often it was written anew */
    uint64_t records;   /* in it since */
    uint8_t tag[32];    /* of the last of them, or of the header */
};

/* Opens or creates the journal in FS. MASTER (32 bytes, from sealed state) gives the MAC and
 * the wrapping key. Drops a torn tail, forgets batches expired at NOW_S, rewrites the file
 * compactly. KS_ERR_VERIFY when a MAC in the middle is wrong, or the file does not go on from
 * REACHED (NULL: any will do): then it stays as it is, nothing may be spent and the operator
 * decides. */
KS_MUST_CHECK enum ks_err ks_journal_open(const struct ks_fs *fs, struct ks_bytes master,
                                          uint64_t now_s,
                                          const struct ks_journal_position *reached,
                                          struct ks_journal **out_journal);
void ks_journal_close(struct ks_journal *journal); /* NULL is fine; wipes */

/* The instance: 8 random bytes made when the journal was created; names all of its keys. */
uint64_t ks_journal_instance(const struct ks_journal *journal);

/* Borrowed; moves with each call that writes. */
const struct ks_journal_position *ks_journal_reached(const struct ks_journal *journal);

/* The number that the next ks_journal_add gives its batch if it succeeds. */
uint64_t ks_journal_number_next(const struct ks_journal *journal);

/* Makes a batch durable; BATCH->number is filled in. KS_ERR_LIMIT when too many live. */
KS_MUST_CHECK enum ks_err ks_journal_add(struct ks_journal *journal,
                                         struct ks_key_batch *batch);

/* Derives key INDEX of batch NUMBER for checking a signature; spends nothing. KS_ERR_DENIED,
 * with the reason, when the instance, batch or index is unknown, expired, of another device, or
 * spent. */
KS_MUST_CHECK enum ks_err ks_journal_key(struct ks_journal *journal, uint64_t instance,
                                         uint64_t number, uint32_t index,
                                         const uint8_t device[32], uint64_t now_s,
                                         uint8_t out_key[KS_ONE_TIME_KEY_LEN]);
/* Marks that key spent, durably (by the reserve) when this returns KS_OK. KS_ERR_DENIED if it
 * already is. On any other error the key counts as spent. */
KS_MUST_CHECK enum ks_err ks_journal_spend(struct ks_journal *journal, uint64_t instance,
                                           uint64_t number, uint32_t index,
                                           const uint8_t device[32], uint64_t now_s);

#endif
