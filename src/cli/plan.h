/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* plan.h: which jobs a data set of traces is made of, and what is done to each
 * (docs/detection.md). A plan follows from its seed, its number of rows and its kinds alone,
 * whatever the machine. Neither file, clock nor network. */
#ifndef KS_CLI_PLAN_H
#define KS_CLI_PLAN_H

#include "base/buf.h"

#define KS_PLAN_ROWS_MAX 1000000

/* Where steps are carried out: sites that differ in one program, or in their keys. */
#define KS_PLAN_ROOM_LIST(X)                                                                   \
    X(HONEST, "honest")                                                                        \
    X(POISONED, "poisoned") /* a worker that lies */                                           \
    X(ALTERING, "altering") /* a ketseald that alters what it hands to the enclave */          \
    X(EXTENDED, "extended") /* a TPM that was told of more than the launch */                  \
    X(QUANTUM, "quantum")   /* two key managers and a link */
enum ks_plan_room {
#define KS_PLAN_ROOM_ENUM(name, text) KS_PLAN_ROOM_##name,
    KS_PLAN_ROOM_LIST(KS_PLAN_ROOM_ENUM)
#undef KS_PLAN_ROOM_ENUM
        KS_PLAN_ROOMS
};
const char *ks_plan_room_name(enum ks_plan_room room);

/* What is done to a job.
 *    name            word               room */
/* clang-format off */
#define KS_PLAN_KIND_LIST(X)                                                                   \
    X(NORMAL,         "normal",          HONEST,   "nothing")                                  \
    X(DELAY,          "delay",           HONEST,   "the relay delays both ways, with jitter")  \
    X(LOSS,           "loss",            HONEST,   "the relay pauses as lost segments would")  \
    X(THROTTLE,       "throttle",        HONEST,   "the relay limits bytes per second")        \
    X(CUT,            "cut",             HONEST,   "the relay resets the connection")          \
    X(TAMPER,         "tamper",          HONEST,   "the relay turns a bit on the way")         \
    X(DOWNGRADE,      "downgrade",       HONEST,   "the relay offers the site X25519 alone")   \
    X(MITM,           "mitm",            HONEST,   "another CA's server answers")              \
    X(MITM_CLASSICAL, "mitm_classical",  HONEST,   "a server with classical TLS answers")      \
    X(REPLAY,         "replay",          HONEST,   "the device signs with a key it spent")     \
    X(SHOTS,          "shots",           HONEST,   "far more shots than the grid has")         \
    X(EXHAUSTION,     "exhaustion",      HONEST,   "processors and memory are taken")          \
    X(POISONED,       "poisoned",        POISONED, "the worker moves counts")                  \
    X(ALTERED,        "altered",         ALTERING, "ketseald alters the signed request")       \
    X(PCR,            "pcr",             EXTENDED, "the TPM measured more than the launch")    \
    X(EAVESDROP,      "eavesdrop",       QUANTUM,  "somebody listens on the quantum link")
/* clang-format on */
enum ks_plan_kind {
#define KS_PLAN_KIND_ENUM(name, word, room, what) KS_PLAN_##name,
    KS_PLAN_KIND_LIST(KS_PLAN_KIND_ENUM)
#undef KS_PLAN_KIND_ENUM
        KS_PLAN_KINDS
};
const char *ks_plan_kind_name(enum ks_plan_kind kind);
const char *ks_plan_kind_what(enum ks_plan_kind kind);
KS_MUST_CHECK enum ks_err ks_plan_kind_find(const char *name, enum ks_plan_kind *out_kind);

/* One job. */
struct ks_plan_step {
    enum ks_plan_kind kind;
    enum ks_plan_room room;
    unsigned segment; /* steps of one are next to each other, and have the same surroundings */
    bool fresh;       /* on a connection of its own */
    const char *template;
    uint32_t qubits;
    uint32_t depth;
    uint64_t template_seed;
    uint64_t shots;
    uint64_t seed;
    bool single;
    const char *method;
    /* DELAY, LOSS: us and jitter in us, per mille and us; THROTTLE: bytes per second; CUT,
     * TAMPER: the byte; SHOTS: how many times what the grid has; EXHAUSTION: hogs, MiB of each;
     * POISONED and others: none. */
    uint32_t amount;
    uint32_t more;
};

struct ks_plan_spec {
    uint64_t rows;
    uint64_t seed;
    unsigned anomalies_percent; /* of the rows, 0 to 50; at least one of each kind */
    bool kinds[KS_PLAN_KINDS];  /* NORMAL always is */
    bool quantum;               /* some of the normal jobs under quantum keys */
};

struct ks_plan;

/* KS_ERR_USAGE for fewer rows than four for each kind, or more than KS_PLAN_ROWS_MAX, and for a
 * share out of range. */
#define KS_PLAN_ANOMALIES_MAX 50
KS_MUST_CHECK enum ks_err ks_plan_new(const struct ks_plan_spec *spec,
                                      struct ks_plan **out_plan);
void ks_plan_free(struct ks_plan *plan); /* NULL is fine */
size_t ks_plan_count(const struct ks_plan *plan);
const struct ks_plan_step *ks_plan_at(const struct ks_plan *plan, size_t index);
/* CSV: a line of names, and one for each step. */
void ks_plan_put(const struct ks_plan *plan, struct ks_buf *out);

#endif
