/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flsim_work.h: a simulated session in memory, for its files. Within flsim_*.c alone. */
#ifndef KS_CLI_FLSIM_WORK_H
#define KS_CLI_FLSIM_WORK_H

#include "cli/flsim.h"
#include "cli/flsim_record.h"
#include "cli/flsim_state.h"
#include "crypto/kem.h"
#include "fl/accumulate.h"
#include "fl/buckets.h"
#include "fl/model.h"

#define KS_FLSIM_STATE   "state"
#define KS_FLSIM_RECORDS "records.jsonl"
#define KS_FLSIM_NAME    48 /* of a file of the state folder */

/* A client that trains, in an asynchronous session. */
struct ks_flsim_flight {
    uint32_t client;
    uint64_t version;
    double at; /* when it will have arrived */
};

struct ks_flsim {
    struct ks_flsim_spec spec;
    const struct ks_flsim_plan *plan;
    size_t params;
    uint8_t session[KS_FL_SESSION_LEN];
    struct ks_flsim_state state;
    struct ks_fl_server *server;
    struct ks_buf file; /* of the newest model */
    struct ks_fl_model model;
    float *center; /* the last aggregate */
    /* the open round */
    struct ks_fl_round *round; /* or the last one */
    struct ks_fl_buffer *buffer;
    struct ks_flsim_flight *flights; /* room for all that train at one time */
    size_t flights_count;
    uint64_t sent;           /* clients that began, ever */
    uint64_t refused_in_row; /* updates since one counted, in this process */
    double clock;
    float *version;  /* an older model */
    uint32_t *order; /* clients, as they come */
    size_t order_count;
    struct ks_fl_accumulator *sum; /* NULL where rows are kept */
    struct ks_fl_accumulator *controls;
    float *rows; /* of members */
    struct ks_fl_buckets *buckets;
    double *honest; /* KS_FLSIM_HONEST vectors: what attackers know */
    size_t honest_count;
    struct ks_fl_score *scores; /* of members, after the rule */
    uint64_t uncommitted;
    uint64_t committed_us;
    uint64_t uploaded; /* bytes of sealed updates that count */
    struct ks_flsim_metric metric;
    struct ks_flsim_round_record last; /* that ended */
    /* one turn */
    float *change;
    float *control_change;
    float *memory; /* of the client: its control, then its residual */
    struct ks_buf payload;
    struct ks_buf update;
    struct ks_buf sealed;
    struct ks_buf opened;
    struct ks_kem_key *kem; /* of round KEM_ROUND */
    uint64_t kem_round;
    struct ks_buf kem_public;
    struct ks_buf scratch; /* states, servers, memories as bytes */
    struct ks_fs_file *records;
};

/* Philox words for PURPOSE, of the plan's seed. */
enum ks_flsim_draw {
    KS_FLSIM_DRAW_ORDER = 1,
    KS_FLSIM_DRAW_LEAVE,
    KS_FLSIM_DRAW_FLIGHT,
    KS_FLSIM_DRAW_SPEED,
    KS_FLSIM_DRAW_NOISE
};
void ks_flsim_draw(const struct ks_flsim_plan *plan, enum ks_flsim_draw purpose, uint64_t a,
                   uint64_t b, uint32_t out_words[4]);
/* In (0, 1). */
double ks_flsim_uniform(const struct ks_flsim_plan *plan, enum ks_flsim_draw purpose,
                        uint64_t a, uint64_t b);

static inline bool ks_flsim_keeps_rows(const struct ks_flsim_plan *plan)
{
    return plan->robust.rule != KS_FL_MEAN || plan->bucket > 1;
}
static inline bool ks_flsim_is_async(const struct ks_flsim_plan *plan)
{
    return plan->buffer.size > 0;
}
/* Vectors that each client remembers. */
static inline size_t ks_flsim_memories(const struct ks_flsim_plan *plan)
{
    return (size_t)(plan->server.rule == KS_FL_SCAFFOLD) +
           (size_t)(plan->encode.encoding == KS_FL_TOPK);
}
static inline bool ks_flsim_knows(enum ks_flsim_attack attack)
{
    return attack == KS_FLSIM_MIMIC || attack == KS_FLSIM_IPM || attack == KS_FLSIM_ALIE;
}

/* What an update of the round that comes next, or is open, is about. */
struct ks_fl_subject ks_flsim_subject(const struct ks_flsim *sim);
/* Makes the file of the server's model. */
KS_MUST_CHECK enum ks_err ks_flsim_write_model(struct ks_flsim *sim);

/* --- turns (flsim_turn.c) ----------------------------------------------------------------- */

/* What a turn is about: the round's number, and the model that it begins with. */
struct ks_flsim_about {
    size_t client;
    uint64_t round;
    struct ks_fl_subject subject;
    const float *model;
    uint32_t weight; /* of the member */
};
/* CLIENT trains, seals and sends; its update is opened again, checked and added to what the
 * round has. *OUT_COUNTS false: it was refused, and nothing has changed. */
KS_MUST_CHECK enum ks_err ks_flsim_turn(struct ks_flsim *sim,
                                        const struct ks_flsim_about *about, bool *out_counts);
/* The row of a member that counted before a crash, from its sealed file. */
KS_MUST_CHECK enum ks_err ks_flsim_replay(struct ks_flsim *sim, size_t member);

/* --- attacks (flsim_attack.c) ------------------------------------------------------------- */

void ks_flsim_note_honest(struct ks_flsim *sim);
/* Makes sim->change what attacker CLIENT sends. */
void ks_flsim_attack(struct ks_flsim *sim, size_t client, uint64_t round);

/* --- the state (flsim_keep.c) ------------------------------------------------------------- */

/* Makes all that counts durable. */
KS_MUST_CHECK enum ks_err ks_flsim_commit(struct ks_flsim *sim);
/* If it is time to. */
KS_MUST_CHECK enum ks_err ks_flsim_commit_some(struct ks_flsim *sim);
KS_MUST_CHECK enum ks_err ks_flsim_load(struct ks_flsim *sim);
KS_MUST_CHECK enum ks_err ks_flsim_memory_load(struct ks_flsim *sim, size_t client);
KS_MUST_CHECK enum ks_err ks_flsim_memory_save(struct ks_flsim *sim, size_t client);
/* Server, center and, of a buffer, the version, in the slots of ENDED. */
KS_MUST_CHECK enum ks_err ks_flsim_server_save(struct ks_flsim *sim);

KS_MUST_CHECK enum ks_err ks_flsim_version_load(struct ks_flsim *sim, uint64_t version,
                                                float *out_model);

/* --- asynchronous sessions (flsim_async.c) ------------------------------------------------ */

/* Until the buffer is full. */
KS_MUST_CHECK enum ks_err ks_flsim_fill_buffer(struct ks_flsim *sim);
void ks_flsim_flights_put(const struct ks_flsim *sim, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_flsim_flights_read(struct ks_flsim *sim, struct ks_bytes bytes);

/* --- aggregates (flsim_end.c) ------------------------------------------------------------- */

/* Sum, rows or scores for a round that begins. */
KS_MUST_CHECK enum ks_err ks_flsim_gather_begin(struct ks_flsim *sim,
                                                const struct ks_fl_subject *subject);
/* The members' aggregate, and the model that it makes. */
KS_MUST_CHECK enum ks_err ks_flsim_aggregate(struct ks_flsim *sim);

/* --- records (flsim_record.c) -------------------------------------------- */

KS_MUST_CHECK enum ks_err ks_flsim_record_begin(struct ks_flsim *sim);
/* Appends a record of each member and one of the round, which began with PARENT. */
KS_MUST_CHECK enum ks_err ks_flsim_record_round(struct ks_flsim *sim,
                                                const uint8_t parent[KS_FL_HASH_LEN],
                                                const char *outcome);

#endif
