/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* flsim_state.h: what a simulated session keeps, as bytes: docs/formats/fl-simulate.md. Reader
 * and writer side by side. The file `state` is replaced as a whole, so all that it names agrees
 * with it; the files that it names are in slots that are written in turn. Owned by whoever has
 * the structure. */
#ifndef KS_CLI_FLSIM_STATE_H
#define KS_CLI_FLSIM_STATE_H

#include "base/buf.h"
#include "fl/round.h"

#define KS_FLSIM_HONEST 3 /* vectors: sum, sum of squares, the first honest change */

/* An update that counts. */
struct ks_flsim_member {
    uint32_t client;  /* index */
    uint32_t samples; /* or, in a buffer, the weight by staleness */
    uint64_t version; /* of the model that it was trained from, as a round */
    uint8_t update[KS_FL_HASH_LEN];
    uint8_t sealed[KS_FL_HASH_LEN];
    uint64_t length; /* of the sealed update */
    uint64_t steps;
    uint64_t at_us;
    double norm;
    double loss;
};

struct ks_flsim_state {
    uint8_t plan[KS_FL_HASH_LEN];   /* SHA-256 of its text */
    uint8_t secret[KS_FL_HASH_LEN]; /* rounds' KEM keys and the records' keys follow from it */
    uint64_t ended;                 /* rounds */
    uint64_t records_len;           /* bytes of the file of records */
    uint8_t server[KS_FL_HASH_LEN]; /* SHA-256 of the server's file, in slot ENDED % 2; zeros
                                       before the first */
    uint8_t previous[KS_FL_HASH_LEN]; /* of the newest core of a round, or of the session */
    uint64_t began_us;                /* the open round; 0: none is open */
    uint32_t refused;                 /* updates of the open round that could not count */
    uint32_t left;                    /* clients that left a buffer's time */
    struct ks_buf round;    /* ks_fl_round_write of the newest; a buffer's membership */
    struct ks_buf sum;      /* ks_fl_accumulator_write; empty where rows are kept */
    struct ks_buf controls; /* likewise, of SCAFFOLD */
    struct ks_buf honest;   /* KS_FLSIM_HONEST vectors of doubles, for attackers */
    struct ks_buf flights;  /* of asynchronous sessions: who trains, from which version */
    size_t members_count;
    struct ks_flsim_member *members; /* in the order in which they counted */
    size_t clients;
    uint32_t *turns; /* how often each client's memory was written */
};

/* Buffers get their maxima for PARAMS numbers. */
KS_MUST_CHECK enum ks_err ks_flsim_state_init(struct ks_flsim_state *state, size_t clients,
                                              size_t params);
void ks_flsim_state_done(struct ks_flsim_state *state); /* {0} is fine; wipes the secret */
/* Bytes of a state at most. */
uint64_t ks_flsim_state_max(size_t clients, size_t params);

void ks_flsim_state_write(const struct ks_flsim_state *state, struct ks_buf *out);
/* Into STATE, as initialised; CLIENTS has to be the same. KS_ERR_FORMAT, KS_ERR_LIMIT;
 * KS_ERR_VERIFY when the hash is not that of the bytes. STATE is garbage after a failure. */
KS_MUST_CHECK enum ks_err ks_flsim_state_read(struct ks_bytes bytes,
                                              struct ks_flsim_state *state);

#endif
