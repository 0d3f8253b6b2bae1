/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/census.h"

#include "quantum/clifford.h"
#include "quantum/engine.h"

void ks_census_take(const struct ks_circuit *circuit, struct ks_census *out_census)
{
    struct ks_census census = {.measures_last = true};

    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];
        struct ks_clifford clifford;

        if (op->gate == KS_GATE_BARRIER) {
            continue;
        }
        if (op->condition != 0 || op->gate > KS_GATE_MEASURE ||
            (op->gate < KS_GATE_MEASURE && census.measurements > 0)) {
            census.measures_last = false;
        }
        if (op->gate >= KS_GATE_MEASURE) {
            census.measurements += op->gate == KS_GATE_MEASURE;
            continue;
        }
        switch (ks_gate_info((enum ks_gate)op->gate)->qubits) {
        case 1:
            census.gates_1q++;
            break;
        case 2:
            census.gates_2q++;
            break;
        default:
            census.gates_more++;
            break;
        }
        census.gates_nonclifford += !ks_clifford_of(op, ks_op_params(circuit, op), &clifford);
    }
    *out_census = census;
}
