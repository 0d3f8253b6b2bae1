/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* facts.h: what the plan of a circuit costs, without running it. Pure. */
#ifndef KS_QUANTUM_FACTS_H
#define KS_QUANTUM_FACTS_H

#include "quantum/plan.h"

struct ks_plan_facts {
    uint64_t gates;     /* planned; those behind a measurement that cannot wait are not */
    bool whole;         /* all of the circuit was planned */
    uint64_t rotations; /* of pairs of amplitudes */
    uint64_t phases;
    uint64_t groups;
    uint32_t passes;
    uint32_t slots;
    double bytes;     /* that the passes read and write */
    double fma_slots; /* multiplications and additions of single numbers */
};

/* The gates of CIRCUIT up to the first measurement, reset or condition that cannot wait until
 * the end, then all that is measured. KS_ERR_LIMIT when no state has so many qubits. */
KS_MUST_CHECK enum ks_err ks_plan_facts(const struct ks_circuit *circuit,
                                        enum ks_precision precision,
                                        struct ks_plan_facts *out_facts);
/* The same, and the plan itself: PLAN is initialised and has its precision. */
KS_MUST_CHECK enum ks_err ks_plan_front(const struct ks_circuit *circuit, struct ks_plan *plan,
                                        struct ks_plan_facts *out_facts);
/* Adds what PLAN takes to FACTS; its gates are not known here. */
void ks_plan_facts_add(const struct ks_plan *plan, struct ks_plan_facts *facts);

#endif
