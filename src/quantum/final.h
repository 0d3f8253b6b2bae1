/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* final.h: final states from inside, for observe.c and program.c. Pure. */
#ifndef KS_QUANTUM_FINAL_H
#define KS_QUANTUM_FINAL_H

#include "quantum/state.h"

struct ks_final {
    struct ks_state state;
    struct ks_frame
        frame;    /* how a qubit is read off an amplitude's index; every qubit has flips */
    double scale; /* makes the norm 1 */
};

/* Refuses CIRCUIT unless all that happens to a qubit is gates and then measurements. */
KS_MUST_CHECK enum ks_err ks_final_check(const struct ks_circuit *circuit);
/* What PLAN, which has begun on FRAME, is to do: the gates, and at their end a slot for each
 * qubit. */
void ks_final_gates(struct ks_plan *plan, struct ks_frame *frame,
                    const struct ks_circuit *circuit);
/* Runs PLAN, which has ended, from its first amplitude on; the scale is still to be found.
 * KS_ERR_LIMIT naming MEMORY_MAX (0: none). */
KS_MUST_CHECK enum ks_err ks_final_run(struct ks_final *final, const struct ks_plan *plan,
                                       uint64_t memory_max);
KS_MUST_CHECK enum ks_err ks_final_weigh(struct ks_final *final);

/* That of the last run. */
const struct ks_plan *ks_program_plan(const struct ks_program *program);

#endif
