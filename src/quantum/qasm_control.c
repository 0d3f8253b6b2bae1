/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm_control.c: OpenQASM 3's gates under ctrl, inv and pow, in terms of native ones.
 *
 * With k controls, and V the root of U (Barenco et al., Phys. Rev. A 52, 3457, lemma 7.5):
 * C^k U = C V of the last control; C^(k-1) X on it; C V^-1; C^(k-1) X; C^(k-1) V of the others.
 * Phases and rotations have their roots at half the angle; every other gate is made of them. */

#include <math.h>

#include "quantum/array.h"
#include "quantum/qasm3.h"

#define PI 0x1.921fb54442d18p+1

/* One native gate to be done under controls. */
struct job {
    struct ks_qasm *qasm;
    struct ks_circuit_builder *builder;
    uint32_t controls[KS_QASM_CONTROLS_MAX + KS_OP_QUBITS_MAX];
    uint32_t count;
};

/* --- modifiers ---------------------------------------------------------------------------- */

uint64_t ks_qasm_modifier_cost(const struct ks_qasm_modifier *modifier)
{
    /* What C^k of the most costly gate takes is below 64 * 4^k: by test for the largest k. */
    const unsigned controls = modifier->controls;
    const uint64_t times = modifier->times == 0 ? 1 : modifier->times;

    return controls == 0 ? times : times << (6 + 2 * controls);
}

static enum ks_err read_controls(struct ks_qasm *qasm, bool negative,
                                 struct ks_qasm_modifier *modifier)
{
    const struct ks_qasm_token token = qasm->token;
    struct ks_term number = {.value = 1};
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    if (ks_qasm_at_sign(qasm, '(')) {
        KS_TRY(ks_qasm_advance(qasm));
        KS_TRY(ks_qasm3_known(qasm, &number));
        KS_TRY(ks_qasm_expect(qasm, ')'));
    }
    if (number.value == 0 || number.value > KS_QASM_CONTROLS_MAX - modifier->controls) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_LIMIT, "controls: 1 to %d in all",
                               KS_QASM_CONTROLS_MAX);
    }
    if (negative) {
        modifier->negative |= ((1U << number.value) - 1) << modifier->controls;
    }
    modifier->controls += (uint32_t)number.value;
out:
    return err;
}

static enum ks_err read_power(struct ks_qasm *qasm, struct ks_qasm_modifier *modifier)
{
    const struct ks_qasm_token token = qasm->token;
    const size_t code = qasm->code_count;
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(ks_qasm_expect(qasm, '('));
    KS_TRY(ks_qasm_expr_parse(qasm, false));
    KS_TRY(ks_qasm_expect(qasm, ')'));
    const double power = qasm->code[code].number;
    const double size = fabs(power);
    qasm->code_count = code;
    if (!(size * modifier->times <= KS_QASM_POWER_MAX)) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_LIMIT, "a power of more than %d",
                               KS_QASM_POWER_MAX);
    }
    if (modifier->fraction != 0) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT, "a fractional power of a power");
    }
    modifier->inverse = modifier->inverse != (power < 0);
    if (size == floor(size)) {
        modifier->times *= (uint32_t)size;
    } else {
        modifier->fraction = size;
    }
out:
    return err;
}

enum ks_err ks_qasm_read_modifier(struct ks_qasm *qasm, struct ks_qasm_modifier *out_modifier)
{
    struct ks_qasm_modifier modifier = KS_QASM_MODIFIER_NONE;
    enum ks_err err = KS_OK;

    while (qasm->extended && qasm->token.kind == KS_QASM_WORD) {
        const struct ks_bytes word = qasm->token.text;

        if (ks_bytes_is(word, "ctrl") || ks_bytes_is(word, "negctrl")) {
            KS_TRY(read_controls(qasm, ks_bytes_is(word, "negctrl"), &modifier));
        } else if (ks_bytes_is(word, "inv")) {
            modifier.inverse = !modifier.inverse;
            KS_TRY(ks_qasm_advance(qasm));
        } else if (ks_bytes_is(word, "pow")) {
            KS_TRY(read_power(qasm, &modifier));
        } else {
            break;
        }
        KS_TRY(ks_qasm_expect(qasm, '@'));
    }
    *out_modifier = modifier;
out:
    return err;
}

/* --- one gate ----------------------------------------------------------------------------- */

static enum ks_err one(const struct job *job, enum ks_gate gate, uint32_t qubit, double angle)
{
    return ks_circuit_builder_gate(job->builder, gate, &qubit, &angle);
}

static enum ks_err two(const struct job *job, enum ks_gate gate, uint32_t a, uint32_t b,
                       double angle)
{
    const uint32_t qubits[] = {a, b};
    return ks_circuit_builder_gate(job->builder, gate, qubits, &angle);
}

/* C^count GATE(angle) under the controls [first, first + count) of the job; GATE is CP, CRX,
 * CRY, CRZ or CX. */
struct part {
    enum ks_gate gate;
    uint32_t first;
    uint32_t count;
    uint32_t target;
    double angle;
};

static enum ks_err native_part(const struct job *job, const struct part *part)
{
    const uint32_t *controls = &job->controls[part->first];

    if (part->gate == KS_GATE_H) { /* behind C^k X */
        return one(job, KS_GATE_H, part->target, 0);
    }
    if (part->count == 2) {
        const uint32_t qubits[] = {controls[0], controls[1], part->target};
        return ks_circuit_builder_gate(job->builder, KS_GATE_CCX, qubits, NULL);
    }
    return two(job, part->gate, controls[0], part->target, part->angle);
}

/* Does C^k of a phase, a rotation or X, k at least 1: the parts still to be done are on a
 * stack, the next one on top. */
static enum ks_err controlled(const struct job *job, enum ks_gate gate, uint32_t count,
                              uint32_t target, double angle)
{
    struct part parts[5 * (KS_QASM_CONTROLS_MAX + KS_OP_QUBITS_MAX)];
    enum ks_err err = KS_OK;
    size_t left = 1;

    KS_ASSERT(count >= 1 && count <= KS_QASM_CONTROLS_MAX);
    parts[0] = (struct part){gate, 0, count, target, angle};
    while (left > 0) {
        const struct part part = parts[--left];
        const uint32_t k = part.count;

        if (k == 1 || (k == 2 && part.gate == KS_GATE_CX)) {
            KS_TRY(native_part(job, &part));
            continue;
        }
        KS_ASSERT(left + 5 <= sizeof parts / sizeof parts[0]);
        if (part.gate == KS_GATE_CX) { /* H, the phase of -1, H */
            KS_TRY(one(job, KS_GATE_H, part.target, 0));
            parts[left++] = (struct part){KS_GATE_H, 0, 1, part.target, 0};
            parts[left++] = (struct part){KS_GATE_CP, part.first, k, part.target, PI};
            continue;
        }
        const uint32_t last = job->controls[part.first + k - 1];
        const struct part root = {part.gate, part.first + k - 1, 1, part.target,
                                  part.angle / 2};
        const struct part flip = {KS_GATE_CX, part.first, k - 1, last, 0};
        parts[left] = root;
        parts[left].first = part.first;
        parts[left++].count = k - 1;
        parts[left++] = flip;
        parts[left] = root;
        parts[left++].angle = -root.angle;
        parts[left++] = flip;
        parts[left++] = root;
    }
out:
    return err;
}

/* e^(i gamma) U(theta, phi, lambda) */
static enum ks_err controlled_u(const struct job *job, const double angles[4], uint32_t target)
{
    const uint32_t k = job->count;
    const double phase = angles[3] + (angles[1] + angles[2]) / 2;
    enum ks_err err = KS_OK;

    if (k == 1) {
        const uint32_t qubits[] = {job->controls[0], target};
        return ks_circuit_builder_gate(job->builder, KS_GATE_CU, qubits, angles);
    }
    KS_TRY(controlled(job, KS_GATE_CRZ, k, target, angles[2]));
    KS_TRY(controlled(job, KS_GATE_CRY, k, target, angles[0]));
    KS_TRY(controlled(job, KS_GATE_CRZ, k, target, angles[1]));
    KS_TRY(controlled(job, KS_GATE_CP, k - 1, job->controls[k - 1], phase));
out:
    return err;
}

/* BEFORE on the target, C^k of GATE, AFTER on the target. */
static enum ks_err between(const struct job *job, uint32_t target, enum ks_gate before,
                           enum ks_gate gate, double angle, enum ks_gate after)
{
    const double turn = before == KS_GATE_RY ? PI / 4 : 0;
    enum ks_err err = KS_OK;

    KS_TRY(one(job, before, target, -turn));
    KS_TRY(controlled(job, gate, job->count, target, angle));
    KS_TRY(one(job, after, target, turn));
out:
    return err;
}

/* C^k of a gate on one qubit, its parameters those of a U where it is one. */
static enum ks_err controlled_one(const struct job *job, enum ks_gate gate,
                                  const double params[4], uint32_t target)
{
    const uint32_t k = job->count;
    const uint32_t control = job->controls[0];

    switch (gate) {
    case KS_GATE_ID:
        return KS_OK;
    case KS_GATE_X:
        return controlled(job, KS_GATE_CX, k, target, 0);
    case KS_GATE_Y:
        return k == 1 ? two(job, KS_GATE_CY, control, target, 0)
                      : between(job, target, KS_GATE_SDG, KS_GATE_CX, 0, KS_GATE_S);
    case KS_GATE_Z:
        return k == 1 ? two(job, KS_GATE_CZ, control, target, 0)
                      : controlled(job, KS_GATE_CP, k, target, PI);
    case KS_GATE_H:
        return k == 1 ? two(job, KS_GATE_CH, control, target, 0)
                      : between(job, target, KS_GATE_RY, KS_GATE_CP, PI, KS_GATE_RY);
    case KS_GATE_SX:
        return k == 1 ? two(job, KS_GATE_CSX, control, target, 0)
                      : between(job, target, KS_GATE_H, KS_GATE_CP, PI / 2, KS_GATE_H);
    case KS_GATE_SXDG:
        return between(job, target, KS_GATE_H, KS_GATE_CP, -PI / 2, KS_GATE_H);
    case KS_GATE_S:
        return controlled(job, KS_GATE_CP, k, target, PI / 2);
    case KS_GATE_SDG:
        return controlled(job, KS_GATE_CP, k, target, -PI / 2);
    case KS_GATE_T:
        return controlled(job, KS_GATE_CP, k, target, PI / 4);
    case KS_GATE_TDG:
        return controlled(job, KS_GATE_CP, k, target, -PI / 4);
    case KS_GATE_RX:
        return controlled(job, KS_GATE_CRX, k, target, params[0]);
    case KS_GATE_RY:
        return controlled(job, KS_GATE_CRY, k, target, params[0]);
    case KS_GATE_RZ:
        return controlled(job, KS_GATE_CRZ, k, target, params[0]);
    case KS_GATE_P:
    case KS_GATE_U1:
        return controlled(job, KS_GATE_CP, k, target, params[0]);
    default:
        return controlled_u(job, params, target);
    }
}

/* SWAP, RXX, RZZ: X or a rotation between gates that need no controls. */
static enum ks_err controlled_two(struct job *job, enum ks_gate gate, double angle, uint32_t a,
                                  uint32_t b)
{
    enum ks_err err = KS_OK;

    if (gate == KS_GATE_SWAP && job->count == 1) {
        const uint32_t qubits[] = {job->controls[0], a, b};
        return ks_circuit_builder_gate(job->builder, KS_GATE_CSWAP, qubits, NULL);
    }
    if (gate == KS_GATE_SWAP) {
        job->controls[job->count] = a;
        KS_TRY(two(job, KS_GATE_CX, b, a, 0));
        KS_TRY(controlled(job, KS_GATE_CX, job->count + 1, b, 0));
        return two(job, KS_GATE_CX, b, a, 0);
    }
    for (int side = 0; side < 2; side++) {
        if (side == 1) {
            KS_TRY(two(job, KS_GATE_CX, a, b, 0));
        }
        if (gate == KS_GATE_RXX) {
            KS_TRY(one(job, KS_GATE_H, a, 0));
            KS_TRY(one(job, KS_GATE_H, b, 0));
        }
        if (side == 0) {
            KS_TRY(two(job, KS_GATE_CX, a, b, 0));
            KS_TRY(controlled(job, KS_GATE_CRZ, job->count, b, angle));
        }
    }
out:
    return err;
}

/* --- inverse and fractions ---------------------------------------------------------------- */

/* A gate with up to four parameters of its own. */
struct instance {
    enum ks_gate gate;
    double params[KS_OP_PARAMS_MAX];
};

static void invert_angles(struct instance *instance)
{
    double *p = instance->params;
    const double phi = p[1];

    switch (instance->gate) {
    case KS_GATE_U2: /* U(pi/2, phi, lambda) */
        instance->gate = KS_GATE_U3;
        p[2] = -p[0];
        p[1] = -phi;
        p[0] = -PI / 2;
        return;
    case KS_GATE_U3:
    case KS_GATE_U:
    case KS_GATE_CU3:
    case KS_GATE_CU:
        p[0] = -p[0];
        p[1] = -p[2];
        p[2] = -phi;
        p[3] = -p[3];
        return;
    default:
        p[0] = -p[0];
        return;
    }
}

static void invert(struct instance *instance)
{
    static const enum ks_gate pairs[][2] = {
        {KS_GATE_S, KS_GATE_SDG}, {KS_GATE_T, KS_GATE_TDG}, {KS_GATE_SX, KS_GATE_SXDG}};

    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        for (size_t side = 0; side < 2; side++) {
            if (instance->gate == pairs[i][side]) {
                instance->gate = pairs[i][1 - side];
                return;
            }
        }
    }
    if (instance->gate == KS_GATE_CSX) { /* e^(-i pi/4) rx(-pi/2) */
        *instance = (struct instance){KS_GATE_CU, {-PI / 2, -PI / 2, PI / 2, -PI / 4}};
    } else if (ks_gate_info(instance->gate)->params > 0) {
        invert_angles(instance);
    } /* all others are their own inverse */
}

/* Gates as phases: P or CP of an angle. */
static bool as_phase(struct instance *instance)
{
    static const struct {
        enum ks_gate gate;
        enum ks_gate phase;
        double angle;
    } phases[] = {{KS_GATE_Z, KS_GATE_P, PI},        {KS_GATE_S, KS_GATE_P, PI / 2},
                  {KS_GATE_SDG, KS_GATE_P, -PI / 2}, {KS_GATE_T, KS_GATE_P, PI / 4},
                  {KS_GATE_TDG, KS_GATE_P, -PI / 4}, {KS_GATE_CZ, KS_GATE_CP, PI}};

    for (size_t i = 0; i < sizeof phases / sizeof phases[0]; i++) {
        if (instance->gate == phases[i].gate) {
            *instance = (struct instance){phases[i].phase, {phases[i].angle}};
        }
    }
    return instance->gate == KS_GATE_P || instance->gate == KS_GATE_U1 ||
           instance->gate == KS_GATE_CP || instance->gate == KS_GATE_CU1;
}

static bool is_rotation(enum ks_gate gate)
{
    return gate == KS_GATE_RX || gate == KS_GATE_RY || gate == KS_GATE_RZ ||
           gate == KS_GATE_CRX || gate == KS_GATE_CRY || gate == KS_GATE_CRZ ||
           gate == KS_GATE_RXX || gate == KS_GATE_RZZ;
}

/* The principal power: eigenvalues keep their phases within (-pi, pi], times the FRACTION. */
static enum ks_err take_fraction(const struct ks_qasm *qasm, struct instance *instance,
                                 double fraction)
{
    const char *name = ks_gate_info(instance->gate)->name;
    const bool phase = as_phase(instance);

    if ((instance->gate == KS_GATE_X || instance->gate == KS_GATE_CX) && fraction == 0.5) {
        instance->gate = instance->gate == KS_GATE_X ? KS_GATE_SX : KS_GATE_CSX;
        return KS_OK;
    }
    if (instance->gate == KS_GATE_ID) {
        return KS_OK;
    }
    if (!phase && !is_rotation(instance->gate)) {
        return ks_qasm_fail_at(qasm, &qasm->statement, KS_ERR_FORMAT,
                               "a fractional power of gate '%s'", name);
    }
    if (fabs(instance->params[0]) > (phase ? PI : 2 * PI)) {
        return ks_qasm_fail_at(qasm, &qasm->statement, KS_ERR_FORMAT,
                               "a fractional power of '%s' with an angle beyond %s", name,
                               phase ? "pi" : "2 pi");
    }
    instance->params[0] *= fraction;
    return KS_OK;
}

/* --- all of it ---------------------------------------------------------------------------- */

/* The gate that INSTANCE does under its own controls, which are added to JOB; how many. */
static uint32_t strip_controls(struct job *job, struct instance *instance,
                               const uint32_t *qubits)
{
    static const enum ks_gate bases[][2] = {
        {KS_GATE_CX, KS_GATE_X},   {KS_GATE_CY, KS_GATE_Y},      {KS_GATE_CZ, KS_GATE_Z},
        {KS_GATE_CH, KS_GATE_H},   {KS_GATE_CSX, KS_GATE_SX},    {KS_GATE_CRX, KS_GATE_RX},
        {KS_GATE_CRY, KS_GATE_RY}, {KS_GATE_CRZ, KS_GATE_RZ},    {KS_GATE_CP, KS_GATE_P},
        {KS_GATE_CU1, KS_GATE_P},  {KS_GATE_CU3, KS_GATE_U},     {KS_GATE_CU, KS_GATE_U},
        {KS_GATE_CCX, KS_GATE_X},  {KS_GATE_CSWAP, KS_GATE_SWAP}};
    const uint32_t count = instance->gate == KS_GATE_CCX ? 2 : 1;

    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++) {
        if (instance->gate == bases[i][0]) {
            instance->gate = bases[i][1];
            for (uint32_t c = 0; c < count; c++) {
                job->controls[job->count++] = qubits[c];
            }
            return count;
        }
    }
    return 0;
}

/* The four angles of a U from those of the native gate. */
static void widen(struct instance *instance, bool special)
{
    double *p = instance->params;

    if (instance->gate == KS_GATE_U2) {
        instance->gate = KS_GATE_U3;
        p[2] = p[1];
        p[1] = p[0];
        p[0] = PI / 2;
    }
    if (special) {
        p[3] = -(p[1] + p[2]) / 2;
    }
}

enum ks_err ks_qasm_emit(struct ks_qasm *qasm, const struct ks_qasm_gate *gate,
                         const struct ks_qasm_modifier *modifier, uint32_t controls,
                         const uint32_t *qubits, const double *params)
{
    struct job job = {.qasm = qasm, .builder = qasm->builder, .count = controls};
    struct instance instance = {.gate = gate->native};
    enum ks_err err = KS_OK;

    for (uint32_t i = 0; i < gate->params; i++) {
        instance.params[i] = params[i];
    }
    if (modifier->fraction != 0) {
        KS_TRY(take_fraction(qasm, &instance, modifier->fraction));
    }
    if (modifier->inverse) {
        invert(&instance);
    }
    if (controls == 0) {
        return gate->qubits == 0 ? KS_OK /* a global phase */
                                 : ks_circuit_builder_gate(qasm->builder, instance.gate, qubits,
                                                           instance.params);
    }
    ks_copy(job.controls, qasm->controls, controls * sizeof *job.controls);
    const uint32_t own = strip_controls(&job, &instance, qubits);
    widen(&instance, gate->special);
    if (job.count + (instance.gate == KS_GATE_SWAP) > KS_QASM_CONTROLS_MAX) {
        return ks_qasm_fail_at(qasm, &qasm->statement, KS_ERR_LIMIT, "more than %d controls",
                               KS_QASM_CONTROLS_MAX);
    }
    if (gate->qubits == 0 && controls == 1) {
        KS_TRY(one(&job, KS_GATE_P, job.controls[0], instance.params[0]));
    } else if (gate->qubits == 0) {
        KS_TRY(controlled(&job, KS_GATE_CP, controls - 1, job.controls[controls - 1],
                          instance.params[0]));
    } else if (instance.gate == KS_GATE_SWAP || instance.gate == KS_GATE_RXX ||
               instance.gate == KS_GATE_RZZ) {
        KS_TRY(controlled_two(&job, instance.gate, instance.params[0], qubits[own],
                              qubits[own + 1]));
    } else {
        KS_TRY(controlled_one(&job, instance.gate, instance.params, qubits[own]));
    }
out:
    return err;
}
