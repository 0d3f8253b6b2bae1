/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* control.h: the classical side of a run: bits, variables, and which operation comes next. For
 * every method of simulation. Pure. */
#ifndef KS_QUANTUM_CONTROL_H
#define KS_QUANTUM_CONTROL_H

#include "quantum/circuit.h"

#define KS_LOOPS_MAX 1000000 /* times that one run goes back to a `while` */

struct ks_classical {
    uint64_t *clbits;    /* bit c % 64 of word c / 64; one word at least */
    uint64_t *variables; /* extended to 64 bits */
    uint32_t loops;      /* so far */
};

KS_MUST_CHECK enum ks_err ks_classical_init(struct ks_classical *classical,
                                            const struct ks_circuit *circuit);
void ks_classical_done(struct ks_classical *classical);
void ks_classical_reset(struct ks_classical *classical, const struct ks_circuit *circuit);
void ks_classical_copy(struct ks_classical *target, const struct ks_classical *source,
                       const struct ks_circuit *circuit);

bool ks_classical_bit(const struct ks_classical *classical, uint32_t clbit);
void ks_classical_set(struct ks_classical *classical, uint32_t clbit, bool value);
/* Whether CONDITION wants bit I of its register to be 1. */
static inline bool ks_condition_bit(const struct ks_condition *condition, uint32_t i)
{
    const uint64_t word = i < 64 ? condition->value : condition->high[i / 64 - 1];

    return (word >> i % 64 & 1) != 0;
}

/* False when the register is too narrow for the value: never equal. */
bool ks_condition_possible(const struct ks_condition *condition);
bool ks_condition_holds(const struct ks_condition *condition, const uint64_t *clbits);
/* Whether the condition of OP, if it has one, holds. */
bool ks_classical_holds(const struct ks_classical *classical, const struct ks_circuit *circuit,
                        const struct ks_op *op);
/* Does the operation of control flow at *AT and moves *AT to the next one. KS_ERR_LIMIT after
 * KS_LOOPS_MAX loops. */
KS_MUST_CHECK enum ks_err ks_classical_step(struct ks_classical *classical,
                                            const struct ks_circuit *circuit, size_t *at);

#endif
