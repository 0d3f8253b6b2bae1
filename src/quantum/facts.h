/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* facts.h: what the plan of a circuit costs, without running it. Pure. */
#ifndef KS_QUANTUM_FACTS_H
#define KS_QUANTUM_FACTS_H

#include "quantum/plan.h"

struct ks_plan_facts {
    uint64_t gates;     /* planned: those that the outcome depends on */
    uint32_t segments;  /* plans: a measurement or reset that cannot wait ends one */
    bool whole;         /* nothing depends on outcomes: any run does just this */
    uint64_t rotations; /* of pairs of amplitudes */
    uint64_t phases;
    uint64_t groups;
    uint32_t passes;
    uint32_t slots;
    double bytes;     /* that the passes read and write */
    double fma_slots; /* multiplications and additions of single numbers */
};

/* What a run of CIRCUIT takes in which each block of control flow runs once, as it stands, and
 * each condition holds; without measurements, its state. KS_ERR_LIMIT when no state has so many
 * qubits. */
KS_MUST_CHECK enum ks_err ks_plan_facts(const struct ks_circuit *circuit,
                                        enum ks_precision precision,
                                        struct ks_plan_facts *out_facts);
/* Adds what PLAN takes to FACTS; its gates are not known here. */
void ks_plan_facts_add(const struct ks_plan *plan, struct ks_plan_facts *facts);

#endif
