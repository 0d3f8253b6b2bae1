/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* rounds_state.h: what rounds.c (the file, and what changes it) and rounds_take.c (what a
 * record does) share; within these, and their tests, alone. */
#ifndef KS_ENCLAVE_ROUNDS_STATE_H
#define KS_ENCLAVE_ROUNDS_STATE_H

#include "crypto/cert.h"
#include "enclave/rounds_record.h"

#define KS_ROUNDS_RECORDS_MAX    262144 /* of the file */
#define KS_ROUNDS_ORDER_FILE_MAX (KS_FL_DOCUMENT_MAX + KS_CERT_DER_MAX + 64)
#define KS_ROUNDS_ROUND_FILE_MAX (2 * KS_FL_DOCUMENT_MAX + 64)
#define KS_ROUNDS_FILE_NAME_MAX  80

struct ks_operator_seen {
    uint8_t key[32];
    uint64_t created_us;
};

struct ks_rounds {
    const struct ks_fs *fs;
    struct ks_chain *chain;
    uint8_t root[32]; /* of the secrets of rounds */
    /* One more than orders are taken of: there are files with an order of that one. */
    struct ks_operator_seen operators[KS_ROUNDS_OPERATORS_MAX + 1];
    size_t operator_count;
    struct ks_rounds_session *sessions[KS_ROUNDS_SESSIONS_MAX];
    size_t session_count;
    bool broken; /* what was written was not taken up: only a restart brings both together */
};

void ks_rounds_session_free(struct ks_rounds_session *session); /* NULL is fine */
struct ks_operator_seen *ks_rounds_operator(struct ks_rounds *rounds, const uint8_t key[32]);
struct ks_delivery *ks_rounds_find_delivery(const struct ks_rounds_session *session,
                                            struct ks_bytes device);

/* AT_US, or the last moment before the deadline of the open round: at which what is staged can
 * still count. */
uint64_t ks_rounds_in_time(const struct ks_rounds_session *session, uint64_t at_us);

/* DEVICE, when it joined, said that it has SAMPLES. Only where SESSION selects by them, and
 * while there is room: what is forgotten counts as never said. */
KS_MUST_CHECK enum ks_err ks_rounds_know(const struct ks_rounds *rounds,
                                         struct ks_rounds_session *session,
                                         struct ks_bytes device, uint32_t samples);

/* Of the order that made a session: number 0; of a round its own. */
void ks_rounds_file_name(const uint8_t id[KS_SESSION_LEN], uint64_t number,
                         char target[KS_ROUNDS_FILE_NAME_MAX]);
KS_MUST_CHECK enum ks_err ks_rounds_save_file(const struct ks_rounds *rounds,
                                              const uint8_t id[KS_SESSION_LEN], uint64_t number,
                                              const struct ks_buf *bytes, uint8_t out_hash[32]);
/* lp32 descriptor, u32 candidates, for each: lp16 name, u32 samples */
void ks_rounds_put_file(const struct ks_fl_candidate *candidates, size_t count,
                        struct ks_bytes descriptor, struct ks_buf *out);

struct ks_round_record ks_rounds_record_of(enum ks_round_record_kind kind,
                                           const struct ks_rounds_session *session);
struct ks_round_record ks_rounds_delivery_record(const struct ks_rounds_session *session,
                                                 const struct ks_delivery *delivery);
struct ks_round_record ks_rounds_summary_record(const struct ks_rounds_session *session,
                                                const struct ks_round_summary *summary);

/* RECORD is durable, and then taken up. */
KS_MUST_CHECK enum ks_err ks_rounds_apply(struct ks_rounds *rounds,
                                          const struct ks_round_record *record);

/* --- rounds_scores.c ---------------------------------------------------------------------- */
void ks_rounds_scores_name(const uint8_t id[KS_SESSION_LEN], uint64_t number,
                           char target[KS_ROUNDS_FILE_NAME_MAX]);
/* The scores that RECORD names. Where others are in the file, written since, SESSION has none
 * until their record is taken up. */
KS_MUST_CHECK enum ks_err ks_rounds_take_scores(const struct ks_rounds *rounds,
                                                struct ks_rounds_session *session,
                                                const struct ks_round_record *record);

/* --- rounds_list.c ------------------------------------------------------------------------ */
/* What the deliveries of the open round come to: its list, and what its summary says of them.
 */
KS_MUST_CHECK enum ks_err ks_rounds_list_make(struct ks_rounds_session *session);
/* If a round has ended by what was taken up: its list is durable. */
KS_MUST_CHECK enum ks_err ks_rounds_list_save(const struct ks_rounds *rounds,
                                              struct ks_rounds_session *session);
void ks_rounds_list_forget(const struct ks_rounds *rounds,
                           const struct ks_rounds_session *session, uint64_t number);

/* The one way in which the state changes, at start and later: RECORD is durable. */
KS_MUST_CHECK enum ks_err ks_rounds_take(struct ks_rounds *rounds,
                                         const struct ks_round_record *record);

#endif
