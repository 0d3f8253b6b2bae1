/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* round_state.h: a round in memory, for its three files. Within the module alone. */
#ifndef KS_FL_ROUND_STATE_H
#define KS_FL_ROUND_STATE_H

#include "fl/round.h"

#define KS_FL_STANDINGS 4

struct ks_fl_round {
    struct ks_fl_round_params params;
    enum ks_fl_phase phase;
    enum ks_fl_failure failure;
    bool paused;
    uint64_t clock_us;    /* of the latest event */
    uint64_t deadline_us; /* of PREPARING and TRAINING, else 0 */
    uint64_t paused_us;   /* since when; else 0 */
    bool has_metric;
    double metric; /* of this round */
    bool has_best;
    double best;    /* of all rounds */
    uint32_t stale; /* rounds since the best one */
    uint8_t result[KS_FL_HASH_LEN];
    uint32_t standings[KS_FL_STANDINGS]; /* how many have each */
    size_t count;
    struct ks_fl_participant *participants; /* by name */
};

KS_MUST_CHECK enum ks_err ks_fl_round_check_params(const struct ks_fl_round_params *params);
/* With room for COUNT participants. */
KS_MUST_CHECK enum ks_err ks_fl_round_alloc(const struct ks_fl_round_params *params,
                                            size_t count, struct ks_fl_round **out_round);
/* Fills the round's participants, all invited. */
KS_MUST_CHECK enum ks_err ks_fl_round_select(struct ks_fl_round *round,
                                             const struct ks_fl_candidate *candidates,
                                             size_t count);
/* Sets NAME and the id that follows from it. KS_ERR_FORMAT for what is no name. */
KS_MUST_CHECK enum ks_err ks_fl_participant_name(struct ks_fl_participant *participant,
                                                 struct ks_bytes name);

#endif
