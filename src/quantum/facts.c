/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/facts.h"

#include "quantum/final.h"
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

/* A circuit being planned from measurement to measurement. */
struct walk {
    const struct ks_circuit *circuit;
    uint8_t *roles;
    struct ks_plan plan;
    struct ks_frame frame;
    struct ks_plan_facts facts;
};

static enum ks_err end_segment(struct walk *walk)
{
    enum ks_err err = KS_OK;

    KS_CHECK(walk->plan.slots_peak <= KS_SLOTS_MAX, KS_ERR_LIMIT,
             "needs %u qubits at once, limit %d", walk->plan.slots_peak, KS_SLOTS_MAX);
    KS_TRY(ks_plan_end(&walk->plan));
    ks_plan_facts_add(&walk->plan, &walk->facts);
    walk->facts.segments++;
out:
    return err;
}

/* A measurement or reset in its place; it finds what needs no more amplitudes than the other
 * outcome. */
static enum ks_err take_outcome(struct walk *walk, const struct ks_op *op)
{
    const uint32_t qubit = op->qubits[0];
    enum ks_err err = KS_OK;

    ks_plan_settle(&walk->plan, &walk->frame, qubit);
    KS_TRY(end_segment(walk));
    if (walk->frame.qubits[qubit].slot >= 0) {
        ks_frame_collapse(&walk->frame, qubit, false);
    }
    if (op->gate == KS_GATE_RESET) {
        walk->frame.qubits[qubit].bit = false;
    }
    walk->facts.whole = false;
    ks_plan_begin(&walk->plan, &walk->frame);
out:
    return err;
}

/* The last segment: all that is measured at the end. */
static enum ks_err finish(struct walk *walk)
{
    for (size_t i = 0; i < walk->circuit->op_count; i++) {
        if (walk->roles[i] == KS_ROLE_FINAL) {
            ks_plan_resolve(&walk->plan, &walk->frame, walk->circuit->ops[i].qubits[0]);
        }
    }
    ks_plan_drop_phases(&walk->plan);
    return end_segment(walk);
}

static enum ks_err walk_circuit(struct walk *walk)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < walk->circuit->op_count; i++) {
        const struct ks_op *op = &walk->circuit->ops[i];
        const enum ks_role role = (enum ks_role)walk->roles[i];

        if (role == KS_ROLE_GATE) {
            ks_plan_gate(&walk->plan, &walk->frame, walk->circuit, op);
            walk->facts.gates += op->gate != KS_GATE_BARRIER;
        }
        if (role == KS_ROLE_MEASURE || role == KS_ROLE_RESET) {
            KS_TRY(take_outcome(walk, op));
        }
        walk->facts.whole = walk->facts.whole && op->condition == 0 && role != KS_ROLE_CONTROL;
    }
    KS_TRY(finish(walk));
out:
    return err;
}

/* Nothing is measured: the state is what is asked for. */
static enum ks_err walk_state(struct walk *walk)
{
    for (size_t i = 0; i < walk->circuit->op_count; i++) {
        walk->facts.gates += walk->circuit->ops[i].gate < KS_GATE_MEASURE;
    }
    ks_final_gates(&walk->plan, &walk->frame, walk->circuit);
    return end_segment(walk);
}

static bool is_measured(const struct ks_circuit *circuit)
{
    bool measured = false;

    for (size_t i = 0; i < circuit->op_count && !measured; i++) {
        measured = circuit->ops[i].gate > KS_GATE_BARRIER ||
                   circuit->ops[i].gate == KS_GATE_MEASURE ||
                   circuit->ops[i].gate == KS_GATE_RESET || circuit->ops[i].condition != 0;
    }
    return measured;
}

enum ks_err ks_plan_facts(const struct ks_circuit *circuit, enum ks_precision precision,
                          struct ks_plan_facts *out_facts)
{
    struct walk walk = {.circuit = circuit, .facts = {.whole = true}};
    enum ks_err err = KS_OK;

    ks_plan_init(&walk.plan);
    walk.plan.precision = precision;
    KS_TRY(ks_roles_new(circuit, &walk.roles));
    KS_TRY(ks_frame_init(&walk.frame, circuit->qubit_count));
    ks_plan_begin(&walk.plan, &walk.frame);
    KS_TRY(is_measured(circuit) ? walk_circuit(&walk) : walk_state(&walk));
    *out_facts = walk.facts;
out:
    ks_plan_done(&walk.plan);
    ks_frame_done(&walk.frame);
    ks_free(walk.roles);
    return err;
}
