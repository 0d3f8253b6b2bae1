/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* round.h: one round of federated learning: who is invited, who takes part, when it ends.
 * Events in, answers out; time is an argument, and never goes back: an event from before the
 * last one counts as of that moment.
 *
 *   PREPARING ──all answered, or the time is over──▶ TRAINING ──enough updates, nobody left, or
 *   the time is over──▶ AGGREGATING ──▶ COMPLETED;  FAILED from any of the three
 *
 * What must survive a crash is ks_fl_round_write's bytes. The order for an update is: ask
 * ks_fl_round_check; add it to the accumulator; ks_fl_round_apply; make accumulator and round
 * durable; acknowledge. Where these two are written one after the other, accumulator first,
 * ks_fl_round_adopt makes them agree after a crash. An update whose acknowledgement got lost is
 * sent again, and answered with AGAIN. Pure; a round belongs to one thread at a time. */
#ifndef KS_FL_ROUND_H
#define KS_FL_ROUND_H

#include "fl/update.h"

#define KS_FL_CLIENTS_MAX    65536                   /* candidates, and invited */
#define KS_FL_ROUND_TIME_MAX UINT64_C(2592000000000) /* of a deadline: 30 days, in us */

/* The words are those of the interface. */
#define KS_FL_PHASE_LIST(X)                                                                    \
    X(PREPARING, 0)                                                                            \
    X(TRAINING, 1)                                                                             \
    X(AGGREGATING, 2)                                                                          \
    X(COMPLETED, 3)                                                                            \
    X(FAILED, 4)
enum ks_fl_phase {
#define KS_FL_PHASE_ENUM(name, value) KS_FL_##name = (value),
    KS_FL_PHASE_LIST(KS_FL_PHASE_ENUM)
#undef KS_FL_PHASE_ENUM
        KS_FL_PHASES /* how many there are */
};
const char *ks_fl_phase_word(enum ks_fl_phase phase);

/* Why a round has failed. */
#define KS_FL_FAILURE_LIST(X)                                                                  \
    X(NONE, 0, "none")                                                                         \
    X(TOO_FEW_JOINED, 1, "too few clients joined")                                             \
    X(TOO_FEW_UPDATES, 2, "too few updates arrived")                                           \
    X(STOPPED, 3, "stopped on demand")                                                         \
    X(AGGREGATION, 4, "the aggregate could not be made")
enum ks_fl_failure {
#define KS_FL_FAILURE_ENUM(name, value, words) KS_FL_FAILURE_##name = (value),
    KS_FL_FAILURE_LIST(KS_FL_FAILURE_ENUM)
#undef KS_FL_FAILURE_ENUM
        KS_FL_FAILURES /* how many there are */
};
const char *ks_fl_failure_words(enum ks_fl_failure failure);

enum ks_fl_selection { KS_FL_SELECT_RANDOM = 0, KS_FL_SELECT_WEIGHTED = 1 };

struct ks_fl_round_params {
    struct ks_fl_subject subject;
    uint64_t seed; /* of the selection, with the session and the round's number */
    enum ks_fl_selection selection; /* weighted: in proportion to samples, without return */
    uint32_t invited;     /* candidates that are asked, or all where there are fewer */
    uint32_t wanted;      /* updates that end the training: 1 to invited */
    uint32_t updates_min; /* fewer fail the round: 1 to wanted */
    uint32_t samples_max; /* that one client may claim: 1 to KS_FL_WEIGHT_MAX */
    uint64_t prepare_us;  /* time for joining: 1 to KS_FL_ROUND_TIME_MAX */
    uint64_t train_us;    /* time for training, from its beginning */
    uint32_t patience;    /* rounds without gain after which to stop; 0: never */
    double gain_min;      /* of the metric, 0 or more */
};

struct ks_fl_candidate {
    struct ks_bytes name; /* 1 to KS_FL_CLIENT_NAME_MAX of [A-Za-z0-9_-] */
    uint32_t samples;     /* that it says it has: 1 to samples_max */
};

enum ks_fl_standing {
    KS_FL_INVITED = 0,
    KS_FL_JOINED = 1,
    KS_FL_DELIVERED = 2, /* its update counts */
    KS_FL_LEFT = 3       /* declined, dropped out, or excluded */
};
struct ks_fl_participant {
    char name[KS_FL_CLIENT_NAME_MAX + 1];
    uint8_t id[KS_FL_HASH_LEN];
    enum ks_fl_standing standing;
    uint32_t samples;               /* claimed; of a delivered update, its own */
    uint8_t update[KS_FL_HASH_LEN]; /* of a delivered one; else zeros */
};

#define KS_FL_EVENT_LIST(X)                                                                    \
    X(TICK)   /* time has passed */                                                            \
    X(JOIN)   /* client: it takes part */                                                      \
    X(LEAVE)  /* client: it does not, or no more; also an operator's word */                   \
    X(UPDATE) /* client, update, samples: it was added to the accumulator */                   \
    X(PAUSE)  /* deadlines stand still */                                                      \
    X(RESUME)                                                                                  \
    X(STOP)                                                                                    \
    X(AGGREGATED) /* update: the new model's hash; metric */                                   \
    X(BROKEN)     /* no aggregate can be made: while training, of what counts already */
enum ks_fl_event_kind {
#define KS_FL_EVENT_ENUM(name) KS_FL_EVENT_##name,
    KS_FL_EVENT_LIST(KS_FL_EVENT_ENUM)
#undef KS_FL_EVENT_ENUM
};

struct ks_fl_event {
    enum ks_fl_event_kind kind;
    uint64_t now_us;
    struct ks_bytes client;
    uint8_t update[KS_FL_HASH_LEN];
    uint32_t samples;
    bool has_metric;
    double metric; /* finite; more is better */
};

/* Everything but OK leaves the round as it was, except that time may have ended a phase. */
#define KS_FL_ANSWER_LIST(X)                                                                   \
    X(OK, "done")                                                                              \
    X(AGAIN, "done before")                                                                    \
    X(NOT_INVITED, "not invited to this round")                                                \
    X(NOT_JOINED, "has not joined this round")                                                 \
    X(HAS_LEFT, "has left this round")                                                         \
    X(EARLY, "not yet: this round is being prepared")                                          \
    X(LATE, "too late: this round takes no more of this")                                      \
    X(PAUSED, "this round is paused")                                                          \
    X(OTHER_UPDATE, "another update of this client counts already")                            \
    X(SAMPLES, "more samples than a client may claim, or none")                                \
    X(NOT_PAUSED, "this round is not paused")                                                  \
    X(NOT_NOW, "not in this phase")                                                            \
    X(METRIC, "a metric that is not a finite number")
enum ks_fl_answer {
#define KS_FL_ANSWER_ENUM(name, words) KS_FL_ANSWER_##name,
    KS_FL_ANSWER_LIST(KS_FL_ANSWER_ENUM)
#undef KS_FL_ANSWER_ENUM
};
const char *ks_fl_answer_words(enum ks_fl_answer answer);

struct ks_fl_round;

/* Selects among CANDIDATES (borrowed; no two of one name), whatever their order, and begins to
 * prepare. PREVIOUS, or NULL, is the completed round before: what early stopping remembers is
 * taken over. KS_ERR_USAGE, KS_ERR_LIMIT, KS_ERR_FORMAT for parameters, names and samples;
 * KS_ERR_NOT_FOUND when there are fewer candidates than updates_min. */
KS_MUST_CHECK enum ks_err ks_fl_round_new(const struct ks_fl_round_params *params,
                                          const struct ks_fl_candidate *candidates,
                                          size_t count, const struct ks_fl_round *previous,
                                          uint64_t now_us, struct ks_fl_round **out_round);
void ks_fl_round_free(struct ks_fl_round *round); /* NULL is fine */

/* What ks_fl_round_apply would answer, and nothing else. */
enum ks_fl_answer ks_fl_round_check(const struct ks_fl_round *round,
                                    const struct ks_fl_event *event);
enum ks_fl_answer ks_fl_round_apply(struct ks_fl_round *round, const struct ks_fl_event *event);

/* Members of the COUNT ACCUMULATORS, all buckets of the round or its one sum, that the round
 * does not know count from now on, and updates that are in none do no more: they were never
 * acknowledged. Only while training. KS_ERR_CONFLICT, and nothing has changed, for a member
 * that cannot have delivered, or another context or phase. */
KS_MUST_CHECK enum ks_err ks_fl_round_adopt(struct ks_fl_round *round,
                                            const struct ks_fl_accumulator *const *accumulators,
                                            size_t count);

/* What early stopping remembers from one round to the next. */
struct ks_fl_progress {
    bool has_best;
    double best;    /* of all rounds; 0 where there is none */
    uint32_t stale; /* rounds since the best one */
};
/* ROUND, which has just begun, follows rounds that came to PROGRESS: for who has no PREVIOUS to
 * give. */
void ks_fl_round_follow(struct ks_fl_round *round, const struct ks_fl_progress *progress);

struct ks_fl_round_status {
    enum ks_fl_phase phase;
    enum ks_fl_failure failure;
    bool paused;
    bool stop_early;  /* completed, and training further gains too little */
    uint64_t wake_us; /* when a TICK changes something; 0: never */
    uint32_t invited; /* by standing */
    uint32_t joined;
    uint32_t delivered;
    uint32_t left;
    bool has_metric;
    double metric;
    struct ks_fl_progress progress; /* with this round's, once it is completed */
    uint8_t result[KS_FL_HASH_LEN]; /* of a completed round */
};
void ks_fl_round_status(const struct ks_fl_round *round, struct ks_fl_round_status *out_status);
const struct ks_fl_round_params *ks_fl_round_params(const struct ks_fl_round *round);
/* Those that were invited, by name; INDEX below their number (asserted). Borrowed. */
size_t ks_fl_round_participants(const struct ks_fl_round *round);
const struct ks_fl_participant *ks_fl_round_participant(const struct ks_fl_round *round,
                                                        size_t index);

/* --- the state: docs/formats/fl-round.md -------------------------------------------------- */

#define KS_FL_ROUND_BYTES_MAX (16 * 1024 * 1024)
void ks_fl_round_write(const struct ks_fl_round *round, struct ks_buf *out);
/* Writing what was read gives the same bytes. KS_ERR_FORMAT, KS_ERR_LIMIT, KS_ERR_NOMEM;
 * KS_ERR_VERIFY when the hash is not that of the bytes. */
KS_MUST_CHECK enum ks_err ks_fl_round_read(struct ks_bytes bytes,
                                           struct ks_fl_round **out_round);

#endif
