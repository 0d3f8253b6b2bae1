/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "oracle/random_circuit.h"

#define MUST(call) KS_ASSERT((call) == KS_OK)

uint64_t random_next(uint64_t *state)
{
    uint64_t z = *state += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static uint32_t below(uint64_t *state, uint32_t bound)
{
    return (uint32_t)(random_next(state) % bound);
}

/* A multiple of 2^-20 in (-8, 8), or one of the angles with special matrices. */
static double angle(uint64_t *state)
{
    static const double special[] = {0, 0.78539816339744831, 1.5707963267948966,
                                     3.1415926535897931, -1.5707963267948966};

    if (below(state, 4) == 0) {
        return special[below(state, sizeof special / sizeof special[0])];
    }
    return ((double)below(state, 1u << 24) - 8388608.0) / 1048576.0;
}

static void add_gate(struct ks_circuit_builder *builder, enum ks_gate gate, uint32_t qubits,
                     uint64_t *state)
{
    const struct ks_gate_info *info = ks_gate_info(gate);
    uint32_t chosen[KS_OP_QUBITS_MAX];
    double params[KS_OP_PARAMS_MAX];

    for (unsigned i = 0; i < info->qubits; i++) {
        bool again = true;

        while (again) {
            again = false;
            chosen[i] = below(state, qubits);
            for (unsigned k = 0; k < i; k++) {
                again = again || chosen[k] == chosen[i];
            }
        }
    }
    for (unsigned i = 0; i < info->params; i++) {
        params[i] = angle(state);
    }
    MUST(ks_circuit_builder_gate(builder, gate, chosen, params));
}

/* Any gate for at most QUBITS qubits. */
static enum ks_gate random_gate(uint32_t qubits, uint64_t *state)
{
    enum ks_gate gate = KS_GATE_ID;

    do {
        gate = (enum ks_gate)below(state, KS_GATE_MEASURE);
    } while (ks_gate_info(gate)->qubits > qubits);
    return gate;
}

static void add_middle(struct ks_circuit_builder *builder, const struct random_spec *spec,
                       uint64_t *state)
{
    struct ks_condition condition = {.first = 0, .count = spec->clbits};
    const bool conditional = below(state, 2) == 0;

    condition.value = random_next(state) & (((uint64_t)1 << spec->clbits) - 1) & 3;
    if (conditional) {
        MUST(ks_circuit_builder_condition(builder, &condition));
    }
    switch (below(state, 4)) {
    case 0:
        MUST(ks_circuit_builder_reset(builder, below(state, spec->qubits)));
        break;
    case 1:
        add_gate(builder, random_gate(spec->qubits, state), spec->qubits, state);
        break;
    default: {
        const uint32_t qubit = below(state, spec->qubits); /* arguments have no order */

        MUST(ks_circuit_builder_measure(builder, qubit, below(state, spec->clbits)));
        break;
    }
    }
    if (conditional) {
        MUST(ks_circuit_builder_condition(builder, NULL));
    }
}

static struct ks_circuit_builder *begin(uint32_t qubits, uint32_t clbits)
{
    struct ks_circuit_builder *builder = NULL;

    MUST(ks_circuit_builder_new(NULL, &builder));
    MUST(ks_circuit_builder_qreg(builder, KS_LITERAL("q"), qubits));
    if (clbits > 0) {
        MUST(ks_circuit_builder_creg(builder, KS_LITERAL("c"), clbits));
    }
    return builder;
}

static struct ks_circuit *finish(struct ks_circuit_builder *builder)
{
    struct ks_circuit *circuit = NULL;

    MUST(ks_circuit_builder_finish(builder, &circuit));
    ks_circuit_builder_free(builder);
    return circuit;
}

struct ks_circuit *random_circuit(const struct random_spec *spec)
{
    struct ks_circuit_builder *builder = begin(spec->qubits, spec->clbits);
    uint64_t state = spec->seed;
    uint32_t middles = spec->middles;

    for (uint32_t i = 0; i < spec->gates; i++) {
        if (below(&state, 32) == 0) {
            MUST(ks_circuit_builder_barrier(builder));
        }
        add_gate(builder, random_gate(spec->qubits, &state), spec->qubits, &state);
        if (middles > 0 && below(&state, spec->gates) < 2 * spec->middles) {
            add_middle(builder, spec, &state);
            middles--;
        }
    }
    for (uint32_t i = 0; i < spec->qubits && i < spec->clbits; i++) {
        if (spec->middles == 0 || below(&state, 4) != 0) {
            MUST(ks_circuit_builder_measure(builder, i, i));
        }
    }
    return finish(builder);
}

struct ks_circuit *random_around(enum ks_gate gate, uint32_t qubits, uint64_t seed)
{
    struct ks_circuit_builder *builder = begin(qubits, qubits);
    uint64_t state = seed;

    for (uint32_t layer = 0; layer < 2; layer++) {
        for (uint32_t q = 0; q < qubits; q++) {
            double params[3];

            for (unsigned i = 0; i < 3; i++) {
                params[i] = angle(&state);
            }

            MUST(ks_circuit_builder_gate(builder, KS_GATE_U3, &q, params));
        }
        if (layer == 0) {
            for (uint32_t q = 0; q + 1 < qubits; q++) {
                MUST(
                    ks_circuit_builder_gate(builder, KS_GATE_CX, (uint32_t[]){q, q + 1}, NULL));
            }
            add_gate(builder, gate, qubits, &state);
        }
    }
    for (uint32_t q = 0; q < qubits; q++) {
        MUST(ks_circuit_builder_measure(builder, q, q));
    }
    return finish(builder);
}

/* --- Clifford circuits -------------------------------------------------------------------- */

/* A Clifford gate: without parameters, or with multiples of a quarter turn; with a control, of
 * a half turn, which leaves a phase of quarters. */
static void add_clifford(struct ks_circuit_builder *builder,
                         const struct random_clifford_spec *spec, bool pauli, uint64_t *random)
{
    static const enum ks_gate gates[] = {
        KS_GATE_H,   KS_GATE_S,   KS_GATE_SDG, KS_GATE_SX,  KS_GATE_SXDG, KS_GATE_RX,
        KS_GATE_RY,  KS_GATE_RZ,  KS_GATE_P,   KS_GATE_U1,  KS_GATE_U2,   KS_GATE_U3,
        KS_GATE_U,   KS_GATE_CX,  KS_GATE_CY,  KS_GATE_CZ,  KS_GATE_SWAP, KS_GATE_CRX,
        KS_GATE_CRY, KS_GATE_CRZ, KS_GATE_CP,  KS_GATE_CU1, KS_GATE_CU3,  KS_GATE_CU,
        KS_GATE_RXX, KS_GATE_RZZ, KS_GATE_X,   KS_GATE_Y,   KS_GATE_Z,    KS_GATE_ID};
    const size_t count = sizeof gates / sizeof gates[0];
    const enum ks_gate gate =
        gates[pauli ? count - 4 + random_next(random) % 3 : random_next(random) % count];
    const bool controlled = gate >= KS_GATE_CRX && gate <= KS_GATE_CU;
    uint32_t qubits[2];
    double params[4];

    if (ks_gate_info(gate)->qubits > spec->qubits) {
        return;
    }
    qubits[0] = (uint32_t)(random_next(random) % spec->qubits);
    qubits[1] = spec->qubits > 1
                    ? (qubits[0] + 1 + (uint32_t)(random_next(random) % (spec->qubits - 1))) %
                          spec->qubits
                    : 0;
    for (size_t i = 0; i < 4; i++) {
        const double half = 1.5707963267948966;
        const double unit = controlled && i != 3 ? 2 * half : half;

        params[i] = unit * (double)((int)(random_next(random) % 9) - 4);
    }
    MUST(ks_circuit_builder_gate(builder, gate, qubits, params));
}

static void add_clifford_middle(struct ks_circuit_builder *builder,
                                const struct random_clifford_spec *spec, uint64_t *random)
{
    const uint32_t qubit = (uint32_t)(random_next(random) % spec->qubits);
    const struct ks_condition condition = {
        .first = 0, .count = spec->clbits, .value = random_next(random) & 3};
    const uint64_t what = random_next(random) % 6;
    const bool conditional = what >= 4 || (!spec->paulis_only && random_next(random) % 2 == 0);

    if (conditional) {
        MUST(ks_circuit_builder_condition(builder, &condition));
    }
    if (what == 0) {
        MUST(ks_circuit_builder_reset(builder, qubit));
    } else if (what < 4) {
        MUST(ks_circuit_builder_measure(builder, qubit,
                                        (uint32_t)(random_next(random) % spec->clbits)));
    } else {
        add_clifford(builder, spec, spec->paulis_only, random);
    }
    MUST(ks_circuit_builder_condition(builder, NULL));
}

struct ks_circuit *random_clifford(const struct random_clifford_spec *spec)
{
    struct ks_circuit_builder *builder = begin(spec->qubits, spec->clbits);
    uint64_t random = spec->seed;

    for (uint32_t i = 0; i < spec->gates; i++) {
        add_clifford(builder, spec, false, &random);
        if (spec->middles && random_next(&random) % 6 == 0) {
            add_clifford_middle(builder, spec, &random);
        }
    }
    for (uint32_t q = 0; q < spec->qubits && q < spec->clbits; q++) {
        if (!spec->middles || random_next(&random) % 4 != 0) {
            MUST(ks_circuit_builder_measure(builder, q, q));
        }
    }
    return finish(builder);
}
