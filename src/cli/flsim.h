/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flsim.h: a session of federated learning in one process: the rounds, sums, rules, encodings
 * and seals of src/fl, one after the other, with clients that are a function. Hides what is
 * kept in the state folder, and how a session goes on after it was killed at any point: an
 * update counts once the state that names it is durable, and one that does not is trained
 * again. Nothing in it is measured or isolated, and its records say so
 * (docs/formats/fl-simulate.md).
 *
 * Everything of a plan is borrowed and outlives the session. One thread. */
#ifndef KS_CLI_FLSIM_H
#define KS_CLI_FLSIM_H

#include "base/sys.h"
#include "fl/buffered.h"
#include "fl/robust.h"
#include "fl/round.h"
#include "fl/rules.h"

#define KS_FLSIM_ROUNDS_MAX    1000000
#define KS_FLSIM_STALENESS_MAX 1000

/* clang-format off */
/*      name        word           what an attacker sends */
#define KS_FLSIM_ATTACK_LIST(X)                                                          \
    X(NONE,       "none")       /* as an honest client */                                \
    X(SIGN_FLIP,  "sign-flip")  /* its own change, times -strength */                    \
    X(LABEL_FLIP, "label-flip") /* what it learns of the labels turned round */          \
    X(MIMIC,      "mimic")      /* the change of the first honest client */              \
    X(IPM,        "ipm")        /* the mean of the honest changes, times -strength */    \
    X(ALIE,       "alie")       /* that mean, less strength deviations */                \
    X(GAUSSIAN,   "gaussian")   /* normal numbers, times strength */
/* clang-format on */
enum ks_flsim_attack {
#define KS_FLSIM_ATTACK_ENUM(name, word) KS_FLSIM_##name,
    KS_FLSIM_ATTACK_LIST(KS_FLSIM_ATTACK_ENUM)
#undef KS_FLSIM_ATTACK_ENUM
        KS_FLSIM_ATTACKS
};
const char *ks_flsim_attack_word(enum ks_flsim_attack attack);
KS_MUST_CHECK enum ks_err ks_flsim_attack_of(const char *word,
                                             enum ks_flsim_attack *out_attack);

struct ks_flsim_plan {
    struct ks_bytes text; /* canonical JSON of all that decides a session: its name */
    uint64_t seed;
    const struct ks_fl_candidate *clients;
    size_t count;
    uint64_t rounds;
    uint32_t invited; /* 1 <= updates_min <= wanted <= invited <= count */
    uint32_t wanted;
    uint32_t updates_min;
    uint32_t samples_max;
    enum ks_fl_selection selection;
    uint32_t patience;
    double gain_min;
    double dropout; /* share of clients that join a round and leave it, 0 to below 1 */
    size_t attackers;
    enum ks_flsim_attack attack;
    double strength; /* of ALIE 0: what the number of clients allows */
    struct ks_fl_robust robust;
    unsigned bucket; /* 1: none */
    double bound;    /* of an update's norm; 0: none */
    struct ks_fl_server_params server;
    struct ks_fl_encode encode; /* topk with error feedback; the seed is set here */
    /* FedBuff: SIZE 0 for rounds. A version of each buffer is a round. */
    struct ks_fl_buffer_params buffer;
    uint32_t concurrent;   /* clients that train at one time */
    uint32_t commit_every; /* updates that one state makes durable */
};

/* One client's turn. */
struct ks_flsim_turn {
    size_t client;
    uint64_t round;
    bool flipped;             /* the labels are to be turned round */
    const float *model;       /* that training begins with */
    const float *control;     /* SCAFFOLD: the server's; else NULL */
    const float *own_control; /* the client's, which begins as 0 */
    /* what comes of it */
    float *change;         /* params numbers */
    float *control_change; /* SCAFFOLD */
    double loss;           /* of the last pass */
    uint64_t steps;
};

/* What a model is worth. */
struct ks_flsim_metric {
    bool known;
    bool classes; /* ACCURACY means something */
    double accuracy;
    double loss;
};

/* What a session asks of its owner. ROOT, of FLTrust, trains as the server itself; it and
 * EVALUATE may be NULL. */
struct ks_flsim_hooks {
    void *context;
    enum ks_err (*train)(void *context, struct ks_flsim_turn *turn);
    enum ks_err (*root)(void *context, struct ks_flsim_turn *turn);
    enum ks_err (*evaluate)(void *context, uint64_t round, const float *model,
                            struct ks_flsim_metric *out_metric);
};

struct ks_flsim;

/* Begins, or goes on where FS was left. FIRST is the file of the model that the session begins
 * with. KS_ERR_CONFLICT when FS has the state of another plan. KS_ERR_LIMIT, with both figures,
 * when the rule takes over MEMORY_MAX bytes. FS, HOOKS and POOL (NULL is fine) are borrowed. */
struct ks_flsim_spec {
    const struct ks_fs *fs;
    const struct ks_flsim_plan *plan;
    struct ks_bytes first;
    const struct ks_flsim_hooks *hooks;
    struct ks_pool *pool;
    uint64_t memory_max;
};
KS_MUST_CHECK enum ks_err ks_flsim_open(const struct ks_flsim_spec *spec,
                                        struct ks_flsim **out_sim);
void ks_flsim_close(struct ks_flsim *sim); /* NULL is fine */

/* Rounds that have ended, well or not. */
uint64_t ks_flsim_rounds(const struct ks_flsim *sim);
/* Updates of the open round that count already: after ks_flsim_open, what was gone on from. */
size_t ks_flsim_counted(const struct ks_flsim *sim);
/* Whether all rounds have ended, or further ones gain too little. */
bool ks_flsim_is_over(const struct ks_flsim *sim);
/* Ends the open round, beginning it where it has not begun. */
KS_MUST_CHECK enum ks_err ks_flsim_round(struct ks_flsim *sim);
/* The newest model: its numbers and its file, borrowed until the next call. */
const float *ks_flsim_model(const struct ks_flsim *sim);
struct ks_bytes ks_flsim_file(const struct ks_flsim *sim);
/* Whether client INDEX attacks. */
bool ks_flsim_attacks(const struct ks_flsim_plan *plan, size_t index);

#endif
