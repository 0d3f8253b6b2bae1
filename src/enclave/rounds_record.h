/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* rounds_record.h: one record of the chain of rounds: docs/formats/rounds.md. All have one
 * form; what a kind does not need is zero, and is checked to be. Pure. */
#ifndef KS_ENCLAVE_ROUNDS_RECORD_H
#define KS_ENCLAVE_ROUNDS_RECORD_H

#include "enclave/rounds.h"

#define KS_ROUND_RECORD_VERSION 1
#define KS_ROUND_RECORD_HASHES  6
#define KS_ROUND_RECORD_LEN                                                                    \
    (3 + KS_SESSION_LEN + 3 * 8 + KS_FL_CLIENT_NAME_MAX + KS_ROUND_RECORD_HASHES * 32 + 4 +    \
     8 + 3 * 8 + KS_ROUNDS_REASON_MAX)

/* clang-format off */
/*    name        value  what it says; which of the fields stand for what: rounds.c */
#define KS_ROUND_RECORD_LIST(X)                                                                \
    X(OPERATOR,   1) /* after a rewriting: the newest order of an operator */                  \
    X(SESSION,    2) /* an order made a session */                                             \
    X(STATE,      3) /* after a rewriting: which state it is in, its model */                  \
    X(ORDER,      4) /* another order was carried out */                                       \
    X(SUMMARY,    5) /* after a rewriting: a round that has ended */                           \
    X(ROUND,      6) /* a round begins */                                                      \
    X(EVENT,      7) /* something happened to the open round */                                \
    X(STAGED,     8) /* an update was added, and is in no checkpoint yet */                    \
    X(CHECKPOINT, 9) /* all that was staged counts */                                          \
    X(DROPPED,    10) /* none of it does */                                                    \
    X(AGAIN,      11) /* another record for an update that counts */                           \
    X(RECORDED,   12) /* the record of a round that has ended is durable */                    \
    X(SCORED,     13) /* what the rule says of the updates that count */                       \
    X(KNOWN,      14) /* after a rewriting: how many samples a device has said it has */
/* clang-format on */
enum ks_round_record_kind {
#define KS_ROUND_RECORD_ENUM(name, value) KS_ROUND_RECORD_##name = (value),
    KS_ROUND_RECORD_LIST(KS_ROUND_RECORD_ENUM)
#undef KS_ROUND_RECORD_ENUM
};
#define KS_ROUND_RECORD_KINDS 14

struct ks_round_record {
    enum ks_round_record_kind kind;
    uint8_t code; /* a verb, an event, a state, a file, a phase */
    uint8_t session[KS_SESSION_LEN];
    uint64_t round;
    uint64_t at_us;
    uint64_t other; /* another time, or a length */
    char device[KS_FL_CLIENT_NAME_MAX + 1];
    uint8_t hash[KS_ROUND_RECORD_HASHES][32];
    uint32_t count;
    uint64_t samples;
    double figures[3]; /* finite */
    char reason[KS_ROUNDS_REASON_MAX + 1];
};
void ks_round_record_put(const struct ks_round_record *record, struct ks_buf *out);
/* Removes from LOG, records one after the other, the first one of KIND about DEVICE. */
void ks_round_record_remove(struct ks_buf *log, enum ks_round_record_kind kind,
                            const char *device);
/* KS_ERR_FORMAT for what no version has written. */
KS_MUST_CHECK enum ks_err ks_round_record_read(struct ks_bytes bytes,
                                               struct ks_round_record *out_record);

#endif
