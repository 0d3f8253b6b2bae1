/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* state.h: 2^slots amplitudes and what is done to them as a whole. All results have the same
 * bits for every set of kernels and every number of threads. A state belongs to one thread; it
 * uses its pool. */
#ifndef KS_QUANTUM_STATE_H
#define KS_QUANTUM_STATE_H

#include "base/pool.h"
#include "quantum/kernel.h"
#include "quantum/spread.h"

struct ks_team;

struct ks_state {
    const struct ks_kernels *kernels; /* borrowed */
    struct ks_pool *pool;             /* borrowed; may be NULL */
    struct ks_team *team;    /* borrowed; NULL: all amplitudes are here. Else all below is done
                                together, and failures are the team's (quantum/team.h) */
    struct ks_spread spread; /* with a team: which amplitudes are here */
    uint32_t slot_count;
    uint32_t slot_cap; /* room for amplitudes here; meaningless while memory is NULL */
    void *memory;      /* owned; re and im point into it */
    void *re;
    void *im;
    double *sums;  /* owned; two for each block */
    void *entries; /* owned; of the plan's passes over tiles, as the kernels take them */
    size_t entry_cap;
    void *spare; /* owned; those of one chain, in a pass over a state that is one tile */
    size_t spare_cap;
    double *rows; /* owned; room for a table in the making */
    size_t row_cap;
    void *tiles; /* owned; room for one tile for each thread */
};

/* Bytes of the amplitudes of 2^SLOTS; UINT64_MAX when over 2^63. */
uint64_t ks_state_bytes(uint32_t slots, enum ks_precision precision);

/* Holds nothing yet: ks_state_reset gives it its first amplitude. */
void ks_state_init(struct ks_state *state, const struct ks_kernels *kernels,
                   struct ks_pool *pool);
void ks_state_done(struct ks_state *state);
/* Room for 2^SLOTS amplitudes (at most KS_SLOTS_MAX); those that there are stay. KS_ERR_NOMEM.
 */
KS_MUST_CHECK enum ks_err ks_state_reserve(struct ks_state *state, uint32_t slots);
/* Room in TARGET for a half of STATE. */
KS_MUST_CHECK enum ks_err ks_state_reserve_half(const struct ks_state *state,
                                                struct ks_state *target);
/* No slots, amplitude 1. Needs a reserved state. */
void ks_state_reset(struct ks_state *state);
/* Does PLAN, which starts with as many slots as the state has; room for its peak is reserved.
 * KS_ERR_NOMEM: nothing has been done then. Stops early, with garbage, once the pool is
 * cancelled (base/pool.h). */
KS_MUST_CHECK enum ks_err ks_state_run(struct ks_state *state, const struct ks_plan *plan);

/* Sums of |amplitude|^2 where bit SLOT of the index is 0 and 1; with KS_NO_SLOT all in out[0].
 * Not normalised: divide by their sum. */
void ks_state_weights(struct ks_state *state, uint32_t slot, double out_weights[2]);
/* Keeps the half where SLOT is VALUE, times SCALE; the slot is gone, those above move down. */
void ks_state_halve(struct ks_state *state, uint32_t slot, bool value, double scale);
/* The same into TARGET, which has room for it; the state stays. */
void ks_state_halve_into(const struct ks_state *state, uint32_t slot, bool value, double scale,
                         struct ks_state *target);

/* Each of the COUNT ascending DRAWS of KS_DRAW_BITS bits becomes the index of the amplitude it
 * hits when all lie side by side, each as long as its probability. */
void ks_state_sample(struct ks_state *state, uint64_t *draws, size_t count);
/* Amplitude INDEX as it is, not normalised: real and imaginary part. */
void ks_state_amplitude(const struct ks_state *state, size_t index, double out_amplitude[2]);
/* out[i] = |amplitude i|^2 in double, not normalised. For tests. */
void ks_state_squares(const struct ks_state *state, double *out_squares);

/* --- for spread_state.c -------------------------------------------------------------------
 */

/* The last amplitude of VIEW that is not zero. */
size_t ks_state_last(const struct ks_state *state, const struct ks_view *view);
/* Room for 2^SLOTS amplitudes here. */
KS_MUST_CHECK enum ks_err ks_state_room(struct ks_state *state, uint32_t slots);
/* What the passes of PLAN need beside the amplitudes. */
KS_MUST_CHECK enum ks_err ks_state_prepare(struct ks_state *state, const struct ks_plan *plan);
/* What the slots outside a tile have, where ranks share a state: bit B of a tile's number is
 * bit PLACES[B] of it, and the rank adds BASE. */
struct ks_outside {
    uint64_t base;
    uint8_t places[KS_SLOTS_MAX];
};
/* One pass of PLAN on the amplitudes here, whose bits PASS names. ODD: the parity that
 * the bits of the rank have for a shear. */
void ks_state_pass(struct ks_state *state, const struct ks_plan *plan,
                   const struct ks_pass *pass, const struct ks_outside *outside, bool odd);

#endif
