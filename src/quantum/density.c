/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* density.c: circuits under noise, exactly. Element (row, column) of the matrix is at index
 * row << qubits | column, so a gate acts on bit qubits + q as its matrix and on bit q as its
 * conjugate, and a channel on both. Each course of measurements in the middle has a matrix of
 * its own, whose trace is its probability. */

#include <math.h>

#include "quantum/control.h"
#include "quantum/live.h"
#include "quantum/noise.h"
#include "quantum/plan.h"

#define WEIGHT_MIN 1e-18 /* a course less likely than that is left out */

struct complex {
    double re;
    double im;
};

/* One course of events. */
struct course {
    struct course *next;
    struct complex *rho;
    struct ks_classical classical;
    size_t op;
};

struct density {
    const struct ks_circuit *circuit;
    const struct ks_simulate_spec *spec;
    const struct ks_noise *noise;
    uint8_t *roles;
    struct course *stack;
    uint32_t qubits;
    size_t size; /* elements */
    double *probabilities;
};

static void course_free(struct course *course)
{
    if (course != NULL) {
        ks_free(course->rho);
        ks_classical_done(&course->classical);
        ks_free(course);
    }
}

static enum ks_err course_new(const struct density *density, struct course **out_course)
{
    struct course *course = ks_calloc(1, sizeof *course);
    enum ks_err err = KS_OK;

    KS_CHECK(course != NULL, KS_ERR_NOMEM, "no memory for a density matrix");
    course->rho = ks_calloc(density->size, sizeof *course->rho);
    KS_CHECK(course->rho != NULL, KS_ERR_NOMEM, "no memory for a density matrix of %u qubits",
             density->qubits);
    KS_TRY(ks_classical_init(&course->classical, density->circuit));
    *out_course = course;
    course = NULL;
out:
    course_free(course);
    return err;
}

/* --- gates -------------------------------------------------------------------------------- */

static struct complex times(struct complex a, struct complex b)
{
    return (struct complex){a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re};
}

/* MATRIX on bit TARGET where all bits of CONTROLS are 1. */
static void apply_matrix(const struct density *density, struct complex *rho,
                         const struct complex matrix[4], size_t target, size_t controls)
{
    for (size_t i = 0; i < density->size; i++) {
        if ((i & target) == 0 && (i & controls) == controls) {
            const struct complex a = rho[i];
            const struct complex b = rho[i | target];
            const struct complex a0 = times(matrix[0], a);
            const struct complex b0 = times(matrix[1], b);
            const struct complex a1 = times(matrix[2], a);
            const struct complex b1 = times(matrix[3], b);

            rho[i] = (struct complex){a0.re + b0.re, a0.im + b0.im};
            rho[i | target] = (struct complex){a1.re + b1.re, a1.im + b1.im};
        }
    }
}

/* A gate that is a matrix on its last qubit under the others. */
static void apply_simple(const struct density *density, struct complex *rho,
                         const struct ks_op *op, const double *params)
{
    const unsigned count = ks_gate_info((enum ks_gate)op->gate)->qubits;
    const size_t target = (size_t)1 << op->qubits[count - 1];
    size_t controls = 0;
    double m[8];
    struct complex matrix[4];

    ks_gate_matrix(op, params, m);
    for (unsigned i = 0; i + 1 < count; i++) {
        controls |= (size_t)1 << op->qubits[i];
    }
    for (size_t i = 0; i < 4; i++) {
        matrix[i] = (struct complex){m[2 * i], m[2 * i + 1]};
    }
    apply_matrix(density, rho, matrix, target << density->qubits, controls << density->qubits);
    for (size_t i = 0; i < 4; i++) {
        matrix[i].im = -matrix[i].im;
    }
    apply_matrix(density, rho, matrix, target, controls);
}

/* The gates that are no such matrix, as gates that are. QUBITS are indices into the gate's. */
struct piece {
    uint8_t gate;
    uint8_t qubits[KS_OP_QUBITS_MAX];
};
static const struct piece swap_pieces[] = {
    {KS_GATE_CX, {0, 1}}, {KS_GATE_CX, {1, 0}}, {KS_GATE_CX, {0, 1}}};
static const struct piece cswap_pieces[] = {
    {KS_GATE_CX, {2, 1}}, {KS_GATE_CCX, {0, 1, 2}}, {KS_GATE_CX, {2, 1}}};
static const struct piece rxx_pieces[] = {
    {KS_GATE_H, {0}},     {KS_GATE_H, {1}}, {KS_GATE_CX, {0, 1}}, {KS_GATE_RZ, {1}},
    {KS_GATE_CX, {0, 1}}, {KS_GATE_H, {0}}, {KS_GATE_H, {1}}};
static const struct piece rzz_pieces[] = {
    {KS_GATE_CX, {0, 1}}, {KS_GATE_RZ, {1}}, {KS_GATE_CX, {0, 1}}};

static void apply_gate(const struct density *density, struct complex *rho,
                       const struct ks_op *op, const double *params)
{
    static const struct {
        enum ks_gate gate;
        const struct piece *pieces;
        size_t count;
    } tables[] = {{KS_GATE_SWAP, swap_pieces, 3},
                  {KS_GATE_CSWAP, cswap_pieces, 3},
                  {KS_GATE_RXX, rxx_pieces, 7},
                  {KS_GATE_RZZ, rzz_pieces, 3}};

    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (size_t k = 0; op->gate == tables[i].gate && k < tables[i].count; k++) {
            const struct piece *piece = &tables[i].pieces[k];
            struct ks_op part = {.gate = piece->gate};

            for (size_t q = 0; q < KS_OP_QUBITS_MAX; q++) {
                part.qubits[q] = op->qubits[piece->qubits[q]];
            }
            apply_simple(density, rho, &part, params);
        }
        if (op->gate == tables[i].gate) {
            return;
        }
    }
    apply_simple(density, rho, op, params);
}

/* --- channels ----------------------------------------------------------------------------- */

/* How a channel that mixes no diagonal with off-diagonal elements acts on the four elements of
 * a qubit: (0,0) and (1,1) become sums of both, (0,1) and (1,0) too. */
struct channel {
    double stay0; /* weight of (0,0) in (0,0) */
    double fall;  /* of (1,1) in (0,0) */
    double rise;  /* of (0,0) in (1,1) */
    double stay1;
    double keep;  /* of (0,1) in (0,1), and (1,0) in (1,0) */
    double cross; /* of each in the other */
};

static struct complex mix(double x, struct complex a, double y, struct complex b)
{
    return (struct complex){x * a.re + y * b.re, x * a.im + y * b.im};
}

static void apply_channel(const struct density *density, struct complex *rho, uint32_t qubit,
                          const struct channel *channel)
{
    const size_t column = (size_t)1 << qubit;
    const size_t row = column << density->qubits;

    for (size_t i = 0; i < density->size; i++) {
        if ((i & (row | column)) == 0) {
            const struct complex a = rho[i];
            const struct complex b = rho[i | column];
            const struct complex c = rho[i | row];
            const struct complex d = rho[i | row | column];

            rho[i] = mix(channel->stay0, a, channel->fall, d);
            rho[i | column] = mix(channel->keep, b, channel->cross, c);
            rho[i | row] = mix(channel->cross, b, channel->keep, c);
            rho[i | row | column] = mix(channel->rise, a, channel->stay1, d);
        }
    }
}

static void apply_paulis(const struct density *density, struct complex *rho, uint32_t qubit,
                         const double p[3])
{
    const double none = 1 - p[0] - p[1] - p[2];
    const struct channel channel = {.stay0 = none + p[2],
                                    .fall = p[0] + p[1],
                                    .rise = p[0] + p[1],
                                    .stay1 = none + p[2],
                                    .keep = none - p[2],
                                    .cross = p[0] - p[1]};

    apply_channel(density, rho, qubit, &channel);
}

static void apply_damping(const struct density *density, struct complex *rho, uint32_t qubit,
                          double amplitude, double phase)
{
    const struct channel channel = {.stay0 = 1,
                                    .fall = amplitude,
                                    .stay1 = 1 - amplitude,
                                    .keep = sqrt((1 - amplitude) * (1 - phase))};

    apply_channel(density, rho, qubit, &channel);
}

/* One of the 15 pairs of Paulis with probability P: (1 - 16/15 P) of what is there, and 16/15 P
 * of the two qubits all mixed. */
static void apply_pair(const struct density *density, struct complex *rho,
                       const uint32_t *qubits, double p)
{
    const size_t masks[2] = {(size_t)1 << qubits[0], (size_t)1 << qubits[1]};
    const double mixed = 16 * p / 15;
    const size_t any = (masks[0] | masks[1]) << density->qubits | masks[0] | masks[1];

    for (size_t i = 0; i < density->size; i++) {
        struct complex sum = {0, 0};

        for (unsigned k = 0; (i & any) == 0 && k < 4; k++) {
            const size_t bits = ((k & 1) != 0 ? masks[0] : 0) | ((k & 2) != 0 ? masks[1] : 0);
            const struct complex part = rho[i | bits | bits << density->qubits];

            sum = mix(1, sum, 1, part);
        }
        for (unsigned k = 0; (i & any) == 0 && k < 16; k++) {
            const size_t column = ((k & 1) != 0 ? masks[0] : 0) | ((k & 2) != 0 ? masks[1] : 0);
            const size_t row = ((k & 4) != 0 ? masks[0] : 0) | ((k & 8) != 0 ? masks[1] : 0);
            struct complex *element = &rho[i | column | row << density->qubits];

            *element = mix(1 - mixed, *element, row == column ? mixed / 4 : 0, sum);
        }
    }
}

static void apply_noise(const struct density *density, struct complex *rho,
                        const struct ks_op *op)
{
    const unsigned qubits = ks_gate_info((enum ks_gate)op->gate)->qubits;
    const struct ks_noise_rates *rates =
        qubits == 1 ? &density->noise->gate1 : &density->noise->gate2;
    const double paulis[3] = {rates->x, rates->y, rates->z};
    const double third = rates->depolarizing / 3;
    const double thirds[3] = {third, third, third};

    for (unsigned i = 0; i < qubits; i++) {
        apply_paulis(density, rho, op->qubits[i], paulis);
        if (qubits != 2) {
            apply_paulis(density, rho, op->qubits[i], thirds);
        }
        apply_damping(density, rho, op->qubits[i], rates->amplitude_damping,
                      rates->phase_damping);
    }
    if (qubits == 2) {
        apply_pair(density, rho, op->qubits, rates->depolarizing);
    }
}

/* --- measurements ------------------------------------------------------------------------- */

/* Keeps what is written down as 0 in COURSE, and puts what is as 1 on the stack. */
static enum ks_err measure(struct density *density, struct course *course,
                           const struct ks_op *op)
{
    const double wrong[2] = {density->noise->read0_as1, density->noise->read1_as0};
    const size_t column = (size_t)1 << op->qubits[0];
    const size_t row = column << density->qubits;
    struct course *one = NULL;
    enum ks_err err = KS_OK;

    KS_TRY(course_new(density, &one));
    ks_classical_copy(&one->classical, &course->classical, density->circuit);
    for (size_t i = 0; i < density->size; i++) {
        const bool bit = (i & column) != 0;
        const bool kept = bit == ((i & row) != 0);
        const double as_one = bit ? 1 - wrong[1] : wrong[0];

        one->rho[i] = mix(kept ? as_one : 0, course->rho[i], 0, course->rho[i]);
        course->rho[i] = mix(kept ? 1 - as_one : 0, course->rho[i], 0, course->rho[i]);
    }
    ks_classical_set(&course->classical, op->clbit, false);
    ks_classical_set(&one->classical, op->clbit, true);
    one->op = course->op;
    one->next = density->stack;
    density->stack = one;
out:
    return err;
}

static double trace(const struct density *density, const struct complex *rho)
{
    double sum = 0;

    for (size_t i = 0; i < (size_t)1 << density->qubits; i++) {
        sum += rho[i << density->qubits | i].re;
    }
    return sum;
}

/* Adds the probabilities at the end of COURSE, the final measurements read rightly. */
static void add_probabilities(const struct density *density, const struct course *course)
{
    const struct ks_circuit *circuit = density->circuit;

    for (size_t k = 0; k < (size_t)1 << density->qubits; k++) {
        uint64_t outcome = course->classical.clbits[0];

        for (size_t i = 0; i < circuit->op_count; i++) {
            const struct ks_op *op = &circuit->ops[i];

            if (density->roles[i] == KS_ROLE_FINAL) {
                outcome &= ~((uint64_t)1 << op->clbit);
                outcome |= (uint64_t)(k >> op->qubits[0] & 1) << op->clbit;
            }
        }
        density->probabilities[outcome] += course->rho[k << density->qubits | k].re;
    }
}

/* Each final measurement may have been read wrongly. */
static void misread(const struct density *density)
{
    const struct ks_circuit *circuit = density->circuit;
    const double to1 = density->noise->read0_as1;
    const double to0 = density->noise->read1_as0;

    for (size_t i = 0; i < circuit->op_count; i++) {
        const size_t bit = (size_t)1 << circuit->ops[i].clbit;

        for (size_t k = 0;
             density->roles[i] == KS_ROLE_FINAL && k < (size_t)1 << circuit->clbit_count; k++) {
            if ((k & bit) == 0) {
                const double zero = density->probabilities[k];
                const double one = density->probabilities[k | bit];

                density->probabilities[k] = (1 - to1) * zero + to0 * one;
                density->probabilities[k | bit] = to1 * zero + (1 - to0) * one;
            }
        }
    }
}

/* --- all of it ---------------------------------------------------------------------------- */

static enum ks_err run_course(struct density *density, struct course *course)
{
    const struct ks_circuit *circuit = density->circuit;
    enum ks_err err = KS_OK;

    while (course->op < circuit->op_count) {
        const size_t at = course->op;
        const struct ks_op *op = &circuit->ops[at];

        KS_CHECK(density->spec->cancelled == NULL ||
                     !density->spec->cancelled(density->spec->cancel_context),
                 KS_ERR_CANCELLED, "cancelled");
        if (op->gate > KS_GATE_BARRIER) {
            KS_TRY(ks_classical_step(&course->classical, circuit, &course->op));
            continue;
        }
        course->op++;
        if (density->roles[at] == KS_ROLE_DEAD || density->roles[at] == KS_ROLE_FINAL ||
            !ks_classical_holds(&course->classical, circuit, op)) {
            continue;
        }
        if (op->gate == KS_GATE_MEASURE) {
            KS_TRY(measure(density, course, op));
            if (trace(density, course->rho) < WEIGHT_MIN) {
                return KS_OK;
            }
        } else if (op->gate == KS_GATE_RESET) {
            apply_damping(density, course->rho, op->qubits[0], 1, 0);
        } else {
            apply_gate(density, course->rho, op,
                       circuit->params == NULL ? NULL : &circuit->params[op->param]);
            apply_noise(density, course->rho, op);
        }
    }
    add_probabilities(density, course);
out:
    return err;
}

enum ks_err ks_density_probabilities(const struct ks_circuit *circuit,
                                     const struct ks_simulate_spec *spec,
                                     double *out_probabilities)
{
    static const struct ks_noise none = {.version = 1};
    struct density density = {.circuit = circuit,
                              .spec = spec,
                              .noise = spec->noise != NULL ? spec->noise : &none,
                              .qubits = circuit->qubit_count,
                              .probabilities = out_probabilities};
    struct course *course = NULL;
    enum ks_err err = KS_OK;

    KS_CHECK(circuit->qubit_count <= KS_PROBABILITIES_QUBITS_MAX, KS_ERR_LIMIT,
             "a density matrix of %u qubits, limit %d", circuit->qubit_count,
             KS_PROBABILITIES_QUBITS_MAX);
    KS_CHECK(circuit->clbit_count <= KS_PROBABILITIES_CLBITS_MAX, KS_ERR_LIMIT,
             "probabilities of %u classical bits, limit %d", circuit->clbit_count,
             KS_PROBABILITIES_CLBITS_MAX);
    KS_CHECK(spec->memory_max == 0 ||
                 sizeof *course->rho << 2 * circuit->qubit_count <= spec->memory_max,
             KS_ERR_LIMIT, "a density matrix of %u qubits needs %zu bytes, limit %llu",
             circuit->qubit_count, sizeof *course->rho << 2 * circuit->qubit_count,
             (unsigned long long)spec->memory_max);
    KS_TRY(ks_noise_check(density.noise));
    KS_TRY(ks_roles_new(circuit, &density.roles));
    density.size = (size_t)1 << 2 * circuit->qubit_count;
    ks_zero(out_probabilities, ((size_t)1 << circuit->clbit_count) * sizeof *out_probabilities);
    KS_TRY(course_new(&density, &course));
    course->rho[0].re = 1;
    while (course != NULL) {
        if (trace(&density, course->rho) >= WEIGHT_MIN) {
            KS_TRY(run_course(&density, course));
        }
        course_free(course);
        course = density.stack;
        density.stack = course != NULL ? course->next : NULL;
    }
    misread(&density);
out:
    course_free(course);
    while (density.stack != NULL) {
        course = density.stack;
        density.stack = course->next;
        course_free(course);
    }
    ks_free(density.roles);
    return err;
}
