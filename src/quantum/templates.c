/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* templates.c: circuits by name. docs/formats/templates.md defines each; equal arguments give
 * equal circuits for ever, so nothing here may change what it builds. */

#include "quantum/circuit.h"
#include "quantum/mt19937.h"

#define PI     0x1.921fb54442d18p+1
#define TWO_PI 0x1.921fb54442d18p+2

/* G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.
 */
static uint64_t split_mix(uint64_t *state)
{
    uint64_t word = *state += UINT64_C(0x9e3779b97f4a7c15);
    word = (word ^ word >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    word = (word ^ word >> 27) * UINT64_C(0x94d049bb133111eb);
    return word ^ word >> 31;
}

static enum ks_err put1(struct ks_circuit_builder *builder, enum ks_gate gate, uint32_t qubit)
{
    return ks_circuit_builder_gate(builder, gate, &qubit, NULL);
}

static enum ks_err put1_angle(struct ks_circuit_builder *builder, enum ks_gate gate,
                              uint32_t qubit, double angle)
{
    return ks_circuit_builder_gate(builder, gate, &qubit, &angle);
}

static enum ks_err put2(struct ks_circuit_builder *builder, enum ks_gate gate, uint32_t first,
                        uint32_t second)
{
    const uint32_t qubits[] = {first, second};
    return ks_circuit_builder_gate(builder, gate, qubits, NULL);
}

static enum ks_err put2_angle(struct ks_circuit_builder *builder, enum ks_gate gate,
                              uint32_t first, uint32_t second, double angle)
{
    const uint32_t qubits[] = {first, second};
    return ks_circuit_builder_gate(builder, gate, qubits, &angle);
}

static enum ks_err build_ghz(struct ks_circuit_builder *builder,
                             const struct ks_template_spec *spec)
{
    enum ks_err err = KS_OK;

    KS_TRY(put1(builder, KS_GATE_H, 0));
    for (uint32_t i = 1; i < spec->qubits; i++) {
        KS_TRY(put2(builder, KS_GATE_CX, i - 1, i));
    }
out:
    return err;
}

static enum ks_err build_qft(struct ks_circuit_builder *builder,
                             const struct ks_template_spec *spec)
{
    enum ks_err err = KS_OK;

    for (uint32_t target = spec->qubits; target-- > 0;) {
        double angle = PI;
        KS_TRY(put1(builder, KS_GATE_H, target));
        for (uint32_t control = target; control-- > 0;) {
            angle /= 2;
            KS_TRY(put2_angle(builder, KS_GATE_CP, control, target, angle));
        }
    }
    for (uint32_t i = 0; i < spec->qubits / 2; i++) {
        KS_TRY(put2(builder, KS_GATE_SWAP, i, spec->qubits - 1 - i));
    }
out:
    return err;
}

static double random_angle(uint64_t *state)
{
    return TWO_PI * ((double)(split_mix(state) >> 11) * 0x1p-53);
}

static enum ks_err build_hea(struct ks_circuit_builder *builder,
                             const struct ks_template_spec *spec)
{
    uint64_t state = spec->seed;
    enum ks_err err = KS_OK;

    for (uint32_t layer = 0; layer < spec->depth; layer++) {
        for (uint32_t i = 0; i < spec->qubits; i++) {
            KS_TRY(put1_angle(builder, KS_GATE_RY, i, random_angle(&state)));
            KS_TRY(put1_angle(builder, KS_GATE_RZ, i, random_angle(&state)));
        }
        for (uint32_t i = 1; i < spec->qubits; i++) {
            KS_TRY(put2(builder, KS_GATE_CX, i - 1, i));
        }
    }
out:
    return err;
}

/* The square roots of X, Y and W = (X + Y) / sqrt 2, up to phase. */
static enum ks_err put_root(struct ks_circuit_builder *builder, unsigned kind, uint32_t qubit)
{
    enum ks_err err = KS_OK;

    if (kind == 0) {
        return put1(builder, KS_GATE_SX, qubit);
    }
    if (kind == 1) {
        return put1_angle(builder, KS_GATE_RY, qubit, PI / 2);
    }
    KS_TRY(put1(builder, KS_GATE_TDG, qubit));
    KS_TRY(put1(builder, KS_GATE_SX, qubit));
    KS_TRY(put1(builder, KS_GATE_T, qubit));
out:
    return err;
}

/* fSim(pi/2, pi/6): |01> and |10> change places with -i, |11> gets e^(-i pi/6). */
static enum ks_err put_fsim(struct ks_circuit_builder *builder, uint32_t a, uint32_t b)
{
    enum ks_err err = KS_OK;

    KS_TRY(put1(builder, KS_GATE_SDG, a));
    KS_TRY(put1(builder, KS_GATE_SDG, b));
    KS_TRY(put2_angle(builder, KS_GATE_CP, a, b, PI * 5 / 6));
    KS_TRY(put2(builder, KS_GATE_SWAP, a, b));
out:
    return err;
}

static enum ks_err build_rqc(struct ks_circuit_builder *builder,
                             const struct ks_template_spec *spec)
{
    uint64_t state = spec->seed;
    enum ks_err err = KS_OK;
    uint8_t *kinds = ks_calloc(spec->qubits, sizeof *kinds);

    KS_CHECK(kinds != NULL, KS_ERR_NOMEM, "rqc of %u qubits", spec->qubits);
    for (uint32_t cycle = 0; cycle <= spec->depth; cycle++) {
        for (uint32_t i = 0; i < spec->qubits; i++) {
            const uint64_t word = split_mix(&state);
            /* Never the same root twice in a row on one qubit. */
            kinds[i] = (uint8_t)(cycle == 0 ? word % 3 : (kinds[i] + 1 + word % 2) % 3);
            KS_TRY(put_root(builder, kinds[i], i));
        }
        for (uint32_t i = cycle % 2; cycle < spec->depth && i + 1 < spec->qubits; i += 2) {
            KS_TRY(put_fsim(builder, i, i + 1));
        }
    }
out:
    ks_free(kinds);
    return err;
}

static enum ks_err build_clifford_t(struct ks_circuit_builder *builder,
                                    const struct ks_template_spec *spec)
{
    static const enum ks_gate choices[] = {KS_GATE_H, KS_GATE_S, KS_GATE_X, KS_GATE_Y,
                                           KS_GATE_Z};
    struct ks_mt19937 mt;
    enum ks_err err = KS_OK;

    ks_mt19937_init(&mt, spec->seed);
    for (uint32_t layer = 0; layer < spec->depth; layer++) {
        for (uint32_t i = 0; i < spec->qubits; i++) {
            KS_TRY(put1(builder, choices[ks_mt19937_below(&mt, 5)], i));
            if (ks_mt19937_double(&mt) < 0.15) {
                KS_TRY(put1(builder, KS_GATE_T, i));
            }
        }
    }
out:
    return err;
}

struct template
{
    const char *name;
    uint32_t qubits_min;
    uint32_t qubits_max;
    enum ks_err (*build)(struct ks_circuit_builder * builder,
                         const struct ks_template_spec *spec);
};

static const struct template templates[] = {
    {"bell", 2, 2, build_ghz},         {"clifford_t_sampling", 1, UINT32_MAX, build_clifford_t},
    {"ghz", 1, UINT32_MAX, build_ghz}, {"hea", 1, UINT32_MAX, build_hea},
    {"qft", 1, UINT32_MAX, build_qft}, {"rqc", 1, UINT32_MAX, build_rqc},
};
#define TEMPLATE_COUNT (sizeof templates / sizeof templates[0])

const char *ks_circuit_template_name(size_t index)
{
    return index < TEMPLATE_COUNT ? templates[index].name : NULL;
}

static enum ks_err find_template(const struct ks_template_spec *spec,
                                 const struct template **out_template)
{
    for (size_t i = 0; i < TEMPLATE_COUNT; i++) {
        if (!ks_bytes_equal(ks_bytes_text(spec->name), ks_bytes_text(templates[i].name))) {
            continue;
        }
        if (spec->qubits < templates[i].qubits_min) {
            return ks_fail(KS_ERR_USAGE, "template '%s' needs %u qubit%s or more, not %u",
                           spec->name, templates[i].qubits_min,
                           templates[i].qubits_min == 1 ? "" : "s", spec->qubits);
        }
        if (spec->qubits > templates[i].qubits_max) {
            return ks_fail(KS_ERR_USAGE, "template '%s' has %u qubits, not %u", spec->name,
                           templates[i].qubits_max, spec->qubits);
        }
        *out_template = &templates[i];
        return KS_OK;
    }
    return ks_fail(KS_ERR_USAGE,
                   "unknown template '%.60s': bell, clifford_t_sampling, ghz, hea, qft or rqc",
                   spec->name);
}

enum ks_err ks_circuit_template(const struct ks_template_spec *spec,
                                const struct ks_circuit_limits *limits,
                                struct ks_circuit **out_circuit)
{
    const struct template *found = NULL;
    struct ks_circuit_builder *builder = NULL;
    enum ks_err err = KS_OK;

    KS_CHECK(spec->version == 1, KS_ERR_USAGE, "template spec version %u", spec->version);
    KS_TRY(find_template(spec, &found));
    KS_TRY(ks_circuit_builder_new(limits, &builder));
    KS_TRY(ks_circuit_builder_qreg(builder, KS_LITERAL("q"), spec->qubits));
    KS_TRY(ks_circuit_builder_creg(builder, KS_LITERAL("c"), spec->qubits));
    KS_TRY(found->build(builder, spec));
    for (uint32_t i = 0; i < spec->qubits; i++) {
        KS_TRY(ks_circuit_builder_measure(builder, i, i));
    }
    KS_TRY(ks_circuit_builder_finish(builder, out_circuit));
out:
    ks_circuit_builder_free(builder);
    return err;
}
