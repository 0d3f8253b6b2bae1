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
