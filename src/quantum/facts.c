/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/facts.h"

#include "quantum/live.h"

#define PHASE_SLOTS    4 /* of one amplitude: a complex product */
#define ROTATION_SLOTS 2

static double amplitudes(uint32_t slots)
{
    return (double)((uint64_t)1 << slots);
}

static void add_pass(const struct ks_plan *plan, const struct ks_pass *pass,
                     struct ks_plan_facts *facts)
{
    const double size = plan->precision == KS_PRECISION_DOUBLE ? 16 : 8;
    const uint32_t outside = (uint32_t)pass->slots_after - pass->tile_after;

    facts->bytes += size * (amplitudes(pass->slots_before) + amplitudes(pass->slots_after));
    for (size_t i = 0; i < pass->group_count; i++) {
        const struct ks_group *group = &plan->groups[pass->first_group + i];
        const unsigned slots = (group->table_kind != 0 || group->small ? PHASE_SLOTS : 0) +
                               (unsigned)ROTATION_SLOTS * group->stage_count;

        facts->fma_slots += slots * amplitudes(outside + group->log);
    }
}

void ks_plan_facts_add(const struct ks_plan *plan, struct ks_plan_facts *facts)
{
    for (size_t i = 0; i < plan->step_count; i++) {
        facts->rotations += plan->steps[i].kind == KS_STEP_ROTATE;
        facts->phases += plan->steps[i].kind == KS_STEP_PHASE;
    }
    for (size_t i = 0; i < plan->pass_count; i++) {
        add_pass(plan, &plan->passes[i], facts);
    }
    facts->groups += plan->group_count;
    facts->passes += (uint32_t)plan->pass_count;
    facts->slots = facts->slots < plan->slots_peak ? plan->slots_peak : facts->slots;
}

static void plan_gates(const struct ks_circuit *circuit, const uint8_t *roles,
                       struct ks_plan *plan, struct ks_frame *frame,
                       struct ks_plan_facts *facts)
{
    facts->whole = true;
    for (size_t i = 0; facts->whole && i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];
        const enum ks_role role = (enum ks_role)roles[i];

        if (role == KS_ROLE_GATE && op->condition == 0) {
            ks_plan_gate(plan, frame, circuit, op);
            facts->gates += op->gate != KS_GATE_BARRIER;
        } else {
            facts->whole = role == KS_ROLE_DEAD || role == KS_ROLE_FINAL;
        }
    }
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (roles[i] == KS_ROLE_FINAL) {
            ks_plan_resolve(plan, frame, circuit->ops[i].qubits[0]);
        }
    }
    if (facts->whole) {
        ks_plan_drop_phases(plan);
    }
}

enum ks_err ks_plan_front(const struct ks_circuit *circuit, struct ks_plan *plan,
                          struct ks_plan_facts *out_facts)
{
    enum ks_err err = KS_OK;
    struct ks_plan_facts facts = {0};
    struct ks_frame frame = {0};
    uint8_t *roles = NULL;

    KS_TRY(ks_roles_new(circuit, &roles));
    KS_TRY(ks_frame_init(&frame, circuit->qubit_count));
    ks_plan_begin(plan, &frame);
    plan_gates(circuit, roles, plan, &frame, &facts);
    KS_CHECK(plan->slots_peak <= KS_SLOTS_MAX, KS_ERR_LIMIT,
             "needs %u qubits at once, limit %d", plan->slots_peak, KS_SLOTS_MAX);
    KS_TRY(ks_plan_end(plan));
    ks_plan_facts_add(plan, &facts);
    *out_facts = facts;
out:
    ks_frame_done(&frame);
    ks_free(roles);
    return err;
}

enum ks_err ks_plan_facts(const struct ks_circuit *circuit, enum ks_precision precision,
                          struct ks_plan_facts *out_facts)
{
    enum ks_err err = KS_OK;
    struct ks_plan plan;

    ks_plan_init(&plan);
    plan.precision = precision;
    KS_TRY(ks_plan_front(circuit, &plan, out_facts));
out:
    ks_plan_done(&plan);
    return err;
}
