/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* rounds.h: the sessions of federated learning that operators have ordered, and their rounds.
 * The enclave's alone, in a chain of MACed records and files under their hashes
 * (docs/formats/rounds.md): each change is durable when it is told, and after a crash a round
 * goes on where it was. Hides how a round (fl/round.h) is made again from what happened to it.
 *
 * An update counts in two steps: it is staged, with the hash of the record that it will have;
 * then a checkpoint of the worker that names all that is staged is durable, or, where the rule
 * has none, all that was sent, sealed, and it is committed. What was staged and not committed
 * is forgotten by a restart, and was never answered. One thread. */
#ifndef KS_ENCLAVE_ROUNDS_H
#define KS_ENCLAVE_ROUNDS_H

#include "enclave/chain.h"
#include "enclave/roster.h"
#include "fl/robust.h"
#include "fl/round.h"
#include "record/fl.h"

#define KS_ROUNDS_FILE          "rounds"
#define KS_ROUNDS_SESSIONS_MAX  64
#define KS_ROUNDS_OPERATORS_MAX 64
#define KS_ROUNDS_KEPT_MAX      1024  /* of one session: the last ones that ended */
#define KS_ROUNDS_REASON_MAX    16    /* bytes of a word */
#define KS_ROUNDS_KNOWN_MAX     65536 /* devices whose samples are remembered, in all sessions */

#define KS_SESSION_STATE_LIST(X)                                                               \
    X(CREATED, "CREATED")   /* waits for the order to start */                                 \
    X(RUNNING, "RUNNING")   /* a round is open, or the next one is to begin */                 \
    X(FINISHED, "FINISHED") /* all its rounds are completed, or it gains no more */            \
    X(FAILED, "FAILED")     /* a round failed */                                               \
    X(STOPPED, "STOPPED")   /* on demand */
enum ks_session_state {
#define KS_SESSION_STATE_ENUM(name, text) KS_SESSION_##name,
    KS_SESSION_STATE_LIST(KS_SESSION_STATE_ENUM)
#undef KS_SESSION_STATE_ENUM
        KS_SESSION_STATES
};
const char *ks_session_state_name(enum ks_session_state state);

/* An update that counts, or will once it is committed. */
struct ks_delivery {
    char device[KS_FL_CLIENT_NAME_MAX + 1];
    uint8_t update[32];             /* SHA-256 of the plaintext */
    uint8_t sealed[32];             /* and of what was sent */
    uint8_t record[32];             /* H of its record: of the last one that was made */
    char job[KS_UUID_TEXT_LEN + 1]; /* of that record */
    uint64_t at_us;                 /* when it was added */
    uint64_t length;                /* bytes that were sent */
    uint32_t samples;
    enum ks_fl_encoding encoding;
    double norm;
    double suspicion; /* this and what follows: 0 until the rule has looked at all of them */
    double cosine;    /* with the aggregate */
    double share;     /* of the aggregate */
    double loss;
    char reason[KS_ROUNDS_REASON_MAX + 1]; /* a word of fl/robust.h */
};

/* A round as it ended; of the open one what is known. */
struct ks_round_summary {
    uint64_t number;
    enum ks_fl_phase phase;
    enum ks_fl_failure failure;
    uint8_t parent[32];
    uint8_t descriptor[32];
    uint8_t result[32];  /* of a completed one */
    uint8_t updates[32]; /* ks_round_updates_digest */
    uint8_t state[32];   /* what its rules left for the next one; zeros: nothing */
    uint8_t list[32];    /* SHA-256 of the round's list (record/fl_updates.h) */
    uint64_t started_us;
    uint64_t finished_us;
    uint32_t count;
    uint64_t samples;
    double loss;   /* mean, by samples */
    bool recorded; /* ketseald has its record, durably */
    bool answered; /* ketseald was given it, since the start */
};

/* What a device said it has when it joined a round. */
struct ks_rounds_known {
    char device[KS_FL_CLIENT_NAME_MAX + 1];
    uint32_t samples;
};

struct ks_rounds_session {
    uint8_t id[KS_SESSION_LEN];
    enum ks_session_state state;
    struct ks_fl_order order;    /* that created it */
    struct ks_bytes certificate; /* of the operator, DER; borrowed from FILE */
    struct ks_bytes document;    /* the signed order; borrowed from FILE */
    struct ks_buf file;
    uint8_t operator_key[32];      /* SHA-256 of the operator's public key */
    struct ks_round_summary *kept; /* KS_ROUNDS_KEPT_MAX, in the order of their numbers */
    size_t kept_count;
    uint64_t last;          /* number of the last round that began; 0: none */
    uint8_t model[32];      /* what the next round begins with */
    uint8_t remembered[32]; /* SHA-256 of its state; zeros: it has none */
    struct ks_fl_progress progress;
    struct ks_rounds_known *known; /* by name; of a session that selects by samples */
    size_t known_count;
    size_t known_max;
    /* The open round; NULL: none. */
    struct ks_fl_round *round;
    struct ks_round_summary open;
    struct ks_buf descriptor;       /* the signed document; kept until the next round begins */
    struct ks_delivery *deliveries; /* committed first, then staged */
    size_t delivered;
    size_t staged;
    size_t deliveries_max;
    bool scores_lost;    /* the file of scores is not the one that was named */
    unsigned checkpoint; /* file of the committed one: 0 for none, else 1 or 2 */
    uint8_t checkpoint_hash[32];
    uint64_t checkpoint_len;
    struct ks_roster roster; /* since the start */
    struct ks_buf log;       /* records of the open round, for the next rewriting */
    struct ks_buf list;      /* of the round that ended last, until it is saved */
    uint64_t first_file;     /* of the rounds whose files may be there; 0: none */
};

struct ks_rounds;

/* Opens or creates it in FS; MASTER (32 bytes, of the sealed state) gives the MAC. Forgets what
 * was staged; rewrites the file compactly. KS_ERR_VERIFY when it or a file was changed, or
 * falls short of REACHED (NULL: any will do). */
KS_MUST_CHECK enum ks_err ks_rounds_open(const struct ks_fs *fs, struct ks_bytes master,
                                         const struct ks_chain_position *reached,
                                         struct ks_rounds **out_rounds);
const struct ks_chain_position *ks_rounds_reached(const struct ks_rounds *rounds);
void ks_rounds_close(struct ks_rounds *rounds); /* NULL is fine */

/* What a round has of its own, the same after each restart, of the sealed state: the seed of
 * the key that updates are sealed to, the key of its checkpoints; a session's, the key of its
 * states. OUT_SECRET is the caller's to
 * wipe. */
#define KS_ROUNDS_KEM_LABEL        "ketseal/fl-kem/1"
#define KS_ROUNDS_CHECKPOINT_LABEL "ketseal/fl-checkpoint/1"
#define KS_ROUNDS_STATE_LABEL      "ketseal/fl-state/1" /* number 0: the session's */
KS_MUST_CHECK enum ks_err ks_rounds_secret(const struct ks_rounds *rounds, const char *label,
                                           const uint8_t session[KS_SESSION_LEN],
                                           uint64_t number, uint8_t *out_secret, size_t len);

/* Borrowed; each keeps its place for as long as ROUNDS is open. */
size_t ks_rounds_count(const struct ks_rounds *rounds);
struct ks_rounds_session *ks_rounds_at(struct ks_rounds *rounds, size_t index);
struct ks_rounds_session *ks_rounds_find(struct ks_rounds *rounds,
                                         const uint8_t id[KS_SESSION_LEN]); /* NULL: none */
/* A round that ended and is kept, or the open one; NULL. */
const struct ks_round_summary *ks_rounds_summary(const struct ks_rounds_session *session,
                                                 uint64_t number);
/* The delivery of DEVICE to the open round, committed or staged; NULL. */
const struct ks_delivery *ks_rounds_delivery(const struct ks_rounds_session *session,
                                             struct ks_bytes device);

/* --- changes: durable when they return KS_OK ---------------------------------------------- */

/* An order whose signature under the key of CERTIFICATE was checked, and its operator trusted.
 */
struct ks_rounds_order {
    struct ks_bytes certificate; /* DER */
    struct ks_bytes document;
    const struct ks_verify_key *key;
    uint8_t key_hash[32];
    uint64_t now_us;
};
/* Carries out what ORDER says but for beginning a round. KS_ERR_DENIED unless it is newer than
 * all of that operator's orders before; KS_ERR_CONFLICT for a session that is known, or in no
 * state for it; KS_ERR_NOT_FOUND; KS_ERR_LIMIT. */
KS_MUST_CHECK enum ks_err ks_rounds_order(struct ks_rounds *rounds,
                                          const struct ks_rounds_order *order,
                                          struct ks_rounds_session **out_session,
                                          enum ks_fl_verb *out_verb);

/* The next round of SESSION, which is RUNNING without an open one, as it would begin: for the
 * descriptor. */
KS_MUST_CHECK enum ks_err ks_rounds_draft(const struct ks_rounds_session *session,
                                          const struct ks_fl_candidate *candidates,
                                          size_t count, uint64_t now_us,
                                          struct ks_fl_round **out_round);
/* It begins, as it was drafted from the same CANDIDATES at the same NOW_US; takes ROUND over,
 * also when it fails. */
KS_MUST_CHECK enum ks_err
ks_rounds_begin(struct ks_rounds *rounds, struct ks_rounds_session *session,
                struct ks_fl_round *round, const struct ks_fl_candidate *candidates,
                size_t count, struct ks_bytes descriptor, uint64_t now_us);

/* The samples of COUNT candidates, as they count in the selection of SESSION's next round: 1 of
 * each where that is at random. Else what each said when it joined last, at most samples_max;
 * who never did counts as the mean of those that did, or 1 where none has. */
void ks_rounds_weigh(const struct ks_rounds_session *session,
                     struct ks_fl_candidate *candidates, size_t count);
/* Why SESSION ended; "none" while it has not. */
const char *ks_rounds_reason(const struct ks_rounds_session *session);

/* Before something is begun that ends in further records: KS_ERR_UNAVAILABLE while the file has
 * room for no more than what is under way, and for rounds to end. */
KS_MUST_CHECK enum ks_err ks_rounds_room(const struct ks_rounds *rounds);

/* EVENT (no UPDATE, no AGGREGATED) happens to the open round, which may end by it. *OUT_ANSWER
 * is the round's. While updates are staged its time stands still, and who has one cannot leave.
 * A JOIN needs room, as above.
 */
KS_MUST_CHECK enum ks_err ks_rounds_event(struct ks_rounds *rounds,
                                          struct ks_rounds_session *session,
                                          const struct ks_fl_event *event,
                                          enum ks_fl_answer *out_answer);

/* MODEL and, unless it is zeros, STATE are durable: the open round, which aggregates, is
 * completed. */
KS_MUST_CHECK enum ks_err ks_rounds_complete(struct ks_rounds *rounds,
                                             struct ks_rounds_session *session,
                                             const uint8_t model[32], const uint8_t state[32],
                                             uint64_t now_us);

/* What the open round would answer to OFFERED at its at_us: AGAIN for one that counts already,
 * with the same sealed bytes, length, samples, encoding and loss, since another record for it
 * says these; staged ones are as delivered. The rest of OFFERED is not looked at. */
enum ks_fl_answer ks_rounds_check(const struct ks_rounds_session *session,
                                  const struct ks_delivery *offered);
/* KS_ERR_CONFLICT unless that answer is OK, at its at_us, and KS_ERR_UNAVAILABLE in a pause:
 * then nothing has changed. */
KS_MUST_CHECK enum ks_err ks_rounds_stage(struct ks_rounds *rounds,
                                          struct ks_rounds_session *session,
                                          const struct ks_delivery *delivery);
/* The checkpoint in FILE (1 or 2), of LEN bytes and that HASH, names all that is delivered or
 * staged, and is durable; or, with FILE 0, all that was sent is: what was staged counts.
 * KS_ERR_CONFLICT when nothing is staged. */
KS_MUST_CHECK enum ks_err ks_rounds_commit(struct ks_rounds *rounds,
                                           struct ks_rounds_session *session, unsigned file,
                                           uint64_t len, const uint8_t hash[32],
                                           uint64_t now_us);
/* What the rule of the open round says of its updates, a score for each that counts, in their
 * order: until the round ends they are told again after each restart. */
KS_MUST_CHECK enum ks_err ks_rounds_scored(struct ks_rounds *rounds,
                                           struct ks_rounds_session *session,
                                           const struct ks_fl_score *scores, uint64_t now_us);
/* The worker that had what is staged is gone: none of it counts. */
KS_MUST_CHECK enum ks_err ks_rounds_drop(struct ks_rounds *rounds,
                                         struct ks_rounds_session *session);
/* The record of SESSION's round NUMBER, which has ended and is kept, is durable. */
KS_MUST_CHECK enum ks_err ks_rounds_recorded(struct ks_rounds *rounds,
                                             struct ks_rounds_session *session,
                                             uint64_t number);
/* ketseald was given the record of round NUMBER. Nothing of it is kept: after a start it may
 * ask again. */
void ks_rounds_answered(struct ks_rounds_session *session, uint64_t number);
/* DEVICE, whose update counts, is given another record for it: its hash is RECORD, its job JOB.
 */
KS_MUST_CHECK enum ks_err ks_rounds_again(struct ks_rounds *rounds,
                                          struct ks_rounds_session *session,
                                          struct ks_bytes device, const uint8_t record[32],
                                          const char *job);

/* Appends the list of a round that has ended, SUMMARY; KS_ERR_NOT_FOUND once its record is
 * durable. */
KS_MUST_CHECK enum ks_err ks_rounds_list(const struct ks_rounds *rounds,
                                         const struct ks_rounds_session *session,
                                         const struct ks_round_summary *summary,
                                         struct ks_buf *out);

#endif
