/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* observe.c: the state of a circuit without measurements, and what can be read off it. */

#include "quantum/simulate.h"

#include "quantum/plan.h"

enum ks_err ks_simulate_state(const struct ks_circuit *circuit, struct ks_state *out)
{
    enum ks_err err = KS_OK;
    struct ks_plan plan;
    struct ks_frame frame = {0};

    ks_plan_init(&plan);
    KS_TRY(ks_frame_init(&frame, circuit->qubit_count));
    /* Slots in the order of the qubits, so that no later gate finds one without. */
    ks_plan_begin(&plan, &frame);
    for (uint32_t q = 0; q < circuit->qubit_count; q++) {
        ks_plan_activate(&plan, &frame, q);
    }
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];

        KS_CHECK(op->gate != KS_GATE_MEASURE && op->gate != KS_GATE_RESET && op->condition == 0,
                 KS_ERR_USAGE, "operation %zu is not a gate", i);
        ks_plan_gate(&plan, &frame, circuit, op);
    }
    for (uint32_t q = 0; q < circuit->qubit_count; q++) {
        ks_plan_flush(&plan, &frame, q);
    }
    KS_TRY(ks_plan_end(&plan));
    KS_CHECK(plan.slots_peak <= KS_SLOTS_MAX, KS_ERR_LIMIT, "%u qubits, limit %d",
             plan.slots_peak, KS_SLOTS_MAX);
    KS_TRY(ks_state_reserve(out, plan.slots_peak));
    ks_state_reset(out);
    ks_state_run(out, &plan);
out:
    ks_plan_done(&plan);
    ks_frame_done(&frame);
    return err;
}
