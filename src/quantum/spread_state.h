/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* spread_state.h: what state.c does where a team shares the state: the functions of the same
 * names there. All ranks call them alike. Those without a result leave garbage where the team
 * has failed: ask ks_team_check. Pure. */
#ifndef KS_QUANTUM_SPREAD_STATE_H
#define KS_QUANTUM_SPREAD_STATE_H

#include "quantum/state.h"
#include "quantum/team.h"

/* Bytes that this rank needs for 2^SLOTS amplitudes over all: its share, and the sums. */
uint64_t ks_spread_bytes(const struct ks_team *team, uint32_t slots,
                         enum ks_precision precision);

/* KS_ERR_LIMIT: what that is beside LIMIT, and how many ranks would do. */
KS_MUST_CHECK enum ks_err ks_spread_refuse(const struct ks_team *team, uint32_t slots,
                                           enum ks_precision precision, uint64_t limit);
KS_MUST_CHECK enum ks_err ks_spread_reserve(struct ks_state *state, uint32_t slots);
/* After ks_spread_weights, when the slot to be halved is local. */
KS_MUST_CHECK enum ks_err ks_spread_reserve_half(const struct ks_state *state,
                                                 struct ks_state *target);
KS_MUST_CHECK enum ks_err ks_spread_run(struct ks_state *state, const struct ks_plan *plan);
/* SLOT becomes local. */
void ks_spread_weights(struct ks_state *state, uint32_t slot, double out_weights[2]);
/* SLOT is local. */
void ks_spread_halve_into(const struct ks_state *state, uint32_t slot, bool value, double scale,
                          struct ks_state *target);
void ks_spread_sample(struct ks_state *state, uint64_t *draws, size_t count);
/* Where amplitude INDEX of the whole state is: false on ranks that do not have it. */
bool ks_spread_find(const struct ks_state *state, uint64_t index, size_t *out_local);

#endif
