/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/live.h"

/* What the operations after the current one, which is walked to from the end, need. */
struct later {
    bool *live;        /* qubit: its state matters */
    bool *touched;     /* qubit: something happens to it, sampling aside */
    bool *read;        /* clbit: a condition looks at it before it is written again */
    bool *written;     /* clbit: it is certainly written again */
    bool *may_written; /* clbit: a conditional measurement may write it */
};

static enum ks_role role_of_measure(const struct later *later, const struct ks_op *op)
{
    const uint32_t qubit = op->qubits[0];
    const bool unseen = later->written[op->clbit] && !later->read[op->clbit];

    if (op->condition != 0) {
        return KS_ROLE_MEASURE;
    }
    if (later->touched[qubit]) {
        return KS_ROLE_MEASURE; /* unseen too: it decides what the later operations find */
    }
    if (unseen) {
        return KS_ROLE_DEAD;
    }
    return later->read[op->clbit] || later->may_written[op->clbit] ? KS_ROLE_MEASURE
                                                                   : KS_ROLE_FINAL;
}

static enum ks_role role_of(const struct later *later, const struct ks_op *op)
{
    const unsigned qubits = ks_gate_info((enum ks_gate)op->gate)->qubits;

    switch ((enum ks_gate)op->gate) {
    case KS_GATE_MEASURE:
        return role_of_measure(later, op);
    case KS_GATE_RESET:
        return later->live[op->qubits[0]] ? KS_ROLE_RESET : KS_ROLE_TIDY;
    case KS_GATE_READOUT:
        return KS_ROLE_NOISE; /* unless its measurement turns out to be final */
    default:
        for (unsigned i = 0; i < qubits; i++) {
            if (later->live[op->qubits[i]]) {
                return op->gate < KS_GATE_BARRIER ? KS_ROLE_GATE : KS_ROLE_NOISE;
            }
        }
        return KS_ROLE_DEAD; /* nobody looks at what it does; barriers have no qubits */
    }
}

static void step_back(struct later *later, const struct ks_circuit *circuit,
                      const struct ks_op *op, enum ks_role role)
{
    const unsigned qubits = ks_gate_info((enum ks_gate)op->gate)->qubits;

    if (role == KS_ROLE_DEAD || role == KS_ROLE_TIDY) {
        return;
    }
    for (unsigned i = 0; i < qubits; i++) {
        later->live[op->qubits[i]] = true;
        later->touched[op->qubits[i]] = later->touched[op->qubits[i]] || role != KS_ROLE_FINAL;
    }
    if (role == KS_ROLE_MEASURE || role == KS_ROLE_FINAL) {
        if (op->condition != 0) {
            later->may_written[op->clbit] = true;
        } else {
            later->read[op->clbit] = false;
            later->written[op->clbit] = true;
        }
    }
    if (role == KS_ROLE_RESET && op->condition == 0) {
        later->live[op->qubits[0]] = false; /* whatever was there is lost */
    }
    if (op->condition != 0) {
        const struct ks_condition *condition = &circuit->conditions[op->condition - 1];

        for (uint32_t i = 0; i < condition->count; i++) {
            later->read[condition->first + i] = true;
        }
    }
}

/* In front of the last operation of control flow anything may follow anything. */
static enum ks_role role_in_flow(const struct ks_op *op)
{
    switch ((enum ks_gate)op->gate) {
    case KS_GATE_MEASURE:
        return KS_ROLE_MEASURE;
    case KS_GATE_RESET:
        return KS_ROLE_RESET;
    case KS_GATE_BARRIER:
        return KS_ROLE_DEAD;
    case KS_GATE_PAULI:
    case KS_GATE_PAIR:
    case KS_GATE_READOUT:
        return KS_ROLE_NOISE;
    default:
        return op->gate < KS_GATE_BARRIER ? KS_ROLE_GATE : KS_ROLE_CONTROL;
    }
}

/* A qubit that is sampled at the end has to be there then: nothing to tidy away. */
static void drop_tidy(const struct ks_circuit *circuit, uint8_t *roles, struct later *later)
{
    bool *sampled = later->touched; /* free for another use now */

    ks_zero(sampled, circuit->qubit_count * sizeof *sampled);
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (roles[i] == KS_ROLE_FINAL) {
            sampled[circuit->ops[i].qubits[0]] = true;
        }
    }
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (roles[i] == KS_ROLE_TIDY && sampled[circuit->ops[i].qubits[0]]) {
            roles[i] = KS_ROLE_DEAD;
        }
    }
}

enum ks_err ks_roles_new(const struct ks_circuit *circuit, uint8_t **out_roles)
{
    enum ks_err err = KS_OK;
    bool *qubit_flags = ks_calloc(circuit->qubit_count, 2 * sizeof *qubit_flags);
    bool *clbit_flags = ks_calloc(circuit->clbit_count, 3 * sizeof *clbit_flags);
    uint8_t *roles = ks_calloc(circuit->op_count, sizeof *roles);
    struct later later;

    KS_CHECK(qubit_flags != NULL && clbit_flags != NULL && roles != NULL, KS_ERR_NOMEM,
             "no memory to look through %zu operations", circuit->op_count);
    later = (struct later){
        .live = qubit_flags,
        .touched = qubit_flags + circuit->qubit_count,
        .read = clbit_flags,
        .written = clbit_flags + circuit->clbit_count,
        .may_written = clbit_flags + 2 * (size_t)circuit->clbit_count,
    };
    bool flow = false;
    for (size_t i = circuit->op_count; i-- > 0;) {
        flow = flow ||
               (circuit->ops[i].gate > KS_GATE_BARRIER && circuit->ops[i].gate < KS_GATE_PAULI);
        if (flow) {
            roles[i] = (uint8_t)role_in_flow(&circuit->ops[i]);
            continue;
        }
        roles[i] = (uint8_t)role_of(&later, &circuit->ops[i]);
        if (roles[i] == KS_ROLE_FINAL && i + 1 < circuit->op_count &&
            circuit->ops[i + 1].gate == KS_GATE_READOUT) {
            roles[i + 1] = KS_ROLE_DEAD; /* sampling does it */
        }
        step_back(&later, circuit, &circuit->ops[i], (enum ks_role)roles[i]);
    }
    drop_tidy(circuit, roles, &later);
    *out_roles = roles;
    roles = NULL;
out:
    ks_free(qubit_flags);
    ks_free(clbit_flags);
    ks_free(roles);
    return err;
}
