/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flsim_record.h: the records that a simulated session leaves, one a line, as
 * docs/formats/fl-simulate.md has them: one of the session, then of each round one for each
 * update that counts and one of the round, which binds them and the round before. They are
 * signed by keys of that session: who holds one set of keys wrote these lines. They say
 * themselves that there was neither isolation nor evidence. What a visitor gets borrows from
 * the line. */
#ifndef KS_CLI_FLSIM_RECORD_H
#define KS_CLI_FLSIM_RECORD_H

#include "cli/flsim.h"

#define KS_FLSIM_RECORDS_MAX ((size_t)1 << 30) /* bytes */
#define KS_FLSIM_LINE_MAX    ((size_t)1 << 20)
#define KS_FLSIM_SCHEMA      "ketseal.fl-simulated/1"

struct ks_flsim_update_record {
    uint64_t round;
    struct ks_bytes client;
    bool attacks;
    uint64_t version; /* of the model that it was trained from, as a round */
    uint64_t samples; /* or the weight by staleness */
    uint64_t steps;
    uint64_t length;
    uint64_t at_us;
    double loss;
    double norm;
    double share;
    double suspicion;
    struct ks_bytes reason;
    uint8_t update[KS_FL_HASH_LEN];
    uint8_t sealed[KS_FL_HASH_LEN];
};

struct ks_flsim_round_record {
    uint64_t round;
    struct ks_bytes outcome;
    uint64_t invited;
    uint64_t left;
    uint64_t refused;
    uint64_t count;
    uint64_t samples;
    uint64_t uploaded;
    uint64_t started_us;
    uint64_t finished_us;
    double loss; /* mean over samples */
    struct ks_flsim_metric metric;
    uint8_t parent[KS_FL_HASH_LEN];
    uint8_t model[KS_FL_HASH_LEN];    /* after it: of a round that failed, the parent */
    uint8_t updates[KS_FL_HASH_LEN];  /* ks_round_updates_digest of its updates' records */
    uint8_t previous[KS_FL_HASH_LEN]; /* SHA-256 of the core of the round, or session, before */
};

struct ks_flsim_visitor {
    void *context; /* functions may be NULL */
    enum ks_err (*update)(void *context, const struct ks_flsim_update_record *record);
    enum ks_err (*round)(void *context, const struct ks_flsim_round_record *record);
};

/* What was found to hold of all lines. */
struct ks_flsim_checked {
    uint64_t rounds;
    uint64_t updates;
    uint8_t head[KS_FL_HASH_LEN]; /* of the last core of a round, or of the session */
    uint8_t keys[KS_FL_HASH_LEN]; /* SHA-256 of both public keys */
    uint8_t model[KS_FL_HASH_LEN];
};
/* Reads TEXT to its end and checks all of it: every line has the one form of what it says, each
 * round's updates are those that its record names, its count and samples are theirs, it begins
 * with the model that the one before left, and the session's two keys have signed it.
 * KS_ERR_FORMAT, KS_ERR_LIMIT; KS_ERR_VERIFY says what does not hold. Errors name the line. */
KS_MUST_CHECK enum ks_err ks_flsim_records_visit(struct ks_bytes text,
                                                 const struct ks_flsim_visitor *visitor,
                                                 struct ks_flsim_checked *out_checked);
/* The newest round that has ended since ks_flsim_open. Its texts are not the caller's. */
const struct ks_flsim_round_record *ks_flsim_last(const struct ks_flsim *sim);
/* All records of SIM so far. */
KS_MUST_CHECK enum ks_err ks_flsim_records(struct ks_flsim *sim, struct ks_buf *out);
/* Whether TEXT begins as such a file does. */
bool ks_flsim_records_are(struct ks_bytes text);

#endif
