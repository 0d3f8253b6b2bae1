/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* forked_log.h: a log that signs two ledgers under one name: what a witness is there to notice.
 * Both branches begin with the same entries; each is well-formed by itself, with its own
 * proofs. Fails by assertion. */
#ifndef KS_TESTS_FAULT_FORKED_LOG_H
#define KS_TESTS_FAULT_FORKED_LOG_H

#include "ledger/cosign.h"

#define FORKED_ORIGIN   "forked.example/log"
#define FORKED_COMMON   3 /* entries that both branches begin with */
#define FORKED_SIZE_MAX 4096

struct forked_log {
    struct ks_sign_key *ed25519;
    struct ks_sign_key *mldsa44;
    struct ks_note_key *keys[2];
};

void forked_log_init(struct forked_log *log);
void forked_log_done(struct forked_log *log);

/* The root of BRANCH (0, 1, …) at SIZE entries. */
void forked_root(unsigned branch, size_t size, uint8_t out_root[KS_MERKLE_LEN]);
/* Its checkpoint, signed by the log's keys. */
void forked_note(const struct forked_log *log, unsigned branch, size_t size,
                 struct ks_buf *out);
/* The body of add-checkpoint: BRANCH has grown from OLD_SIZE to SIZE. Where OLD_SIZE is over
 * SIZE the proof is empty. */
void forked_request(const struct forked_log *log, unsigned branch, size_t old_size, size_t size,
                    struct ks_buf *out);

#endif
