/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* program.c: a circuit whose plan is made once and run with many angles. */

#include <inttypes.h>
#include <math.h>

#include "quantum/counts.h"
#include "quantum/draws.h"
#include "quantum/final.h"
#include "quantum/live.h"
#include "quantum/philox.h"

#define OUTCOME_BITS_MAX 64

/* A measurement, all of which are at the end. */
struct read_out {
    uint32_t qubit;
    uint32_t clbit;
};

struct ks_program {
    struct ks_circuit circuit; /* the caller's, but for the angles */
    double *angles;            /* owned; those of the last run */
    struct ks_simulate_spec spec;
    enum ks_program_kind kind;
    uint8_t *roles; /* owned; NULL for KS_PROGRAM_STATE */
    struct read_out *finals;
    size_t final_count;
    struct ks_plan plan;
    struct ks_final final;
    uint64_t plans;
    bool ran;
    bool weighed;
    uint64_t *draws; /* owned, and as large: */
    uint64_t *draws_spare;
    uint64_t *outcome; /* owned; one */
};

size_t ks_circuit_angle_count(const struct ks_circuit *circuit)
{
    return circuit->param_count;
}

const double *ks_circuit_angles(const struct ks_circuit *circuit)
{
    return circuit->params;
}

/* --- making one --------------------------------------------------------------------------- */

void ks_program_free(struct ks_program *program)
{
    if (program != NULL) {
        ks_plan_done(&program->plan);
        ks_state_done(&program->final.state);
        ks_frame_done(&program->final.frame);
        ks_free(program->angles);
        ks_free(program->roles);
        ks_free(program->finals);
        ks_free(program->draws);
        ks_free(program->draws_spare);
        ks_free(program->outcome);
        ks_free(program);
    }
}

static enum ks_err check_spec(const struct ks_simulate_spec *spec, enum ks_program_kind kind)
{
    enum ks_err err = KS_OK;

    KS_CHECK(spec->version == 1 && (unsigned)spec->precision <= KS_PRECISION_SINGLE &&
                 (unsigned)kind <= KS_PROGRAM_STATE,
             KS_ERR_USAGE, "simulation spec version %u", spec->version);
    KS_CHECK(spec->method == KS_METHOD_AUTO || spec->method == KS_METHOD_STATEVECTOR,
             KS_ERR_USAGE, "a program takes the state vector, not another method");
    KS_CHECK(spec->noise == NULL, KS_ERR_USAGE, "a program has no noise");
    KS_CHECK(spec->cancelled == NULL, KS_ERR_USAGE, "a program is not cancelled");
    KS_CHECK(spec->shots >= 1 && spec->shots <= KS_SHOTS_MAX, KS_ERR_LIMIT,
             "%" PRIu64 " shots, limit 1 to %d", spec->shots, KS_SHOTS_MAX);
out:
    return err;
}

static enum ks_err list_finals(struct ks_program *program)
{
    const struct ks_circuit *circuit = &program->circuit;
    enum ks_err err = KS_OK;

    KS_TRY(ks_roles_new(circuit, &program->roles));
    for (size_t i = 0; i < circuit->op_count; i++) {
        program->final_count += program->roles[i] == KS_ROLE_FINAL;
    }
    program->finals = ks_calloc(program->final_count, sizeof *program->finals);
    KS_CHECK(program->finals != NULL, KS_ERR_NOMEM, "no memory for %zu measurements",
             program->final_count);
    program->final_count = 0;
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];
        const enum ks_role role = (enum ks_role)program->roles[i];

        KS_CHECK(role == KS_ROLE_GATE || role == KS_ROLE_DEAD || role == KS_ROLE_FINAL,
                 KS_ERR_FORMAT,
                 "a program has gates and then measurements: operation %zu is '%s'", i,
                 ks_gate_info((enum ks_gate)op->gate)->name);
        if (role == KS_ROLE_FINAL) {
            program->finals[program->final_count++] =
                (struct read_out){op->qubits[0], op->clbit};
        }
    }
out:
    return err;
}

static enum ks_err make_room(struct ks_program *program, const struct ks_circuit *circuit)
{
    const size_t shots = (size_t)program->spec.shots;
    enum ks_err err = KS_OK;

    program->angles = ks_calloc(circuit->param_count, sizeof *program->angles);
    program->outcome =
        ks_calloc(circuit->clbit_count / OUTCOME_BITS_MAX + 1, sizeof *program->outcome);
    KS_CHECK(program->angles != NULL && program->outcome != NULL, KS_ERR_NOMEM,
             "no memory for %zu angles", circuit->param_count);
    program->circuit.params = program->angles;
    if (program->kind == KS_PROGRAM_COUNTS) {
        program->draws = ks_calloc(shots, sizeof *program->draws);
        program->draws_spare = ks_calloc(shots, sizeof *program->draws_spare);
        KS_CHECK(program->draws != NULL && program->draws_spare != NULL, KS_ERR_NOMEM,
                 "no memory for %zu shots", shots);
        KS_TRY(list_finals(program));
    }
    KS_TRY(ks_frame_init(&program->final.frame, circuit->qubit_count));
    KS_TRY(ks_plan_keep(&program->plan, circuit->qubit_count));
out:
    return err;
}

enum ks_err ks_program_new(const struct ks_circuit *circuit,
                           const struct ks_simulate_spec *spec, enum ks_program_kind kind,
                           struct ks_program **out_program)
{
    const struct ks_kernels *kernels = NULL;
    struct ks_program *program = ks_calloc(1, sizeof *program);
    enum ks_err err = KS_OK;

    KS_CHECK(program != NULL, KS_ERR_NOMEM, "no memory for a program");
    KS_TRY(check_spec(spec, kind));
    KS_TRY(ks_kernels_find(spec->kernels, spec->precision, &kernels));
    KS_TRY(ks_final_check(circuit));
    program->circuit = *circuit;
    program->spec = *spec;
    program->kind = kind;
    ks_plan_init(&program->plan);
    program->plan.precision = spec->precision;
    ks_state_init(&program->final.state, kernels, spec->pool);
    KS_TRY(make_room(program, circuit));
    *out_program = program;
    program = NULL;
out:
    ks_program_free(program);
    return err;
}

/* --- running it --------------------------------------------------------------------------- */

static void plan_gates(struct ks_program *program)
{
    const struct ks_circuit *circuit = &program->circuit;
    struct ks_frame *frame = &program->final.frame;

    if (program->kind == KS_PROGRAM_STATE) {
        ks_final_gates(&program->plan, frame, circuit);
        return;
    }
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (program->roles[i] == KS_ROLE_GATE) {
            ks_plan_gate(&program->plan, frame, circuit, &circuit->ops[i]);
        }
    }
    for (size_t i = 0; i < program->final_count; i++) {
        ks_plan_resolve(&program->plan, frame, program->finals[i].qubit);
    }
    ks_plan_drop_phases(&program->plan);
}

static enum ks_err take_angles(struct ks_program *program, const double *angles)
{
    for (size_t i = 0; i < program->circuit.param_count; i++) {
        if (!isfinite(angles[i])) {
            return ks_fail(KS_ERR_FORMAT, "angle %zu is not a finite number", i);
        }
        program->angles[i] = angles[i] + 0.0; /* as a circuit that is written has it */
    }
    return KS_OK;
}

enum ks_err ks_program_run(struct ks_program *program, const double *angles)
{
    enum ks_err err = KS_OK;
    bool holds = false;

    program->ran = false;
    program->weighed = false;
    KS_TRY(take_angles(program, angles));
    if (program->plans > 0) {
        ks_frame_reset(&program->final.frame);
        ks_plan_begin_again(&program->plan, &program->final.frame);
        plan_gates(program);
        holds = ks_plan_end_again(&program->plan);
    }
    if (!holds) {
        ks_frame_reset(&program->final.frame);
        ks_plan_begin(&program->plan, &program->final.frame);
        plan_gates(program);
        KS_TRY(ks_plan_end(&program->plan));
        program->plans++;
    }
    KS_TRY(ks_final_run(&program->final, &program->plan, program->spec.memory_max));
    program->ran = true;
out:
    return err;
}

uint64_t ks_program_plans(const struct ks_program *program)
{
    return program->plans;
}

const struct ks_plan *ks_program_plan(const struct ks_program *program)
{
    return &program->plan;
}

/* --- what comes of it --------------------------------------------------------------------- */

static enum ks_err check_ran(const struct ks_program *program, enum ks_program_kind kind)
{
    enum ks_err err = KS_OK;

    KS_CHECK(program->kind == kind, KS_ERR_USAGE, "the program was made for %s",
             program->kind == KS_PROGRAM_STATE ? "its state" : "counts");
    KS_CHECK(program->ran, KS_ERR_USAGE, "the program has not run");
out:
    return err;
}

enum ks_err ks_program_final(struct ks_program *program, struct ks_final **out_final)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_ran(program, KS_PROGRAM_STATE));
    if (!program->weighed) {
        KS_TRY(ks_final_weigh(&program->final));
        program->weighed = true;
    }
    *out_final = &program->final;
out:
    return err;
}

/* The classical bits when the measurements find amplitude INDEX, in program->outcome. */
static void find_outcome(const struct ks_program *program, uint64_t index)
{
    for (size_t i = 0; i < program->final_count; i++) {
        const struct read_out *final = &program->finals[i];
        const uint64_t bit = (uint64_t)1 << final->clbit % OUTCOME_BITS_MAX;
        uint64_t *word = &program->outcome[final->clbit / OUTCOME_BITS_MAX];

        *word = (*word & ~bit) |
                (ks_frame_value(&program->final.frame, final->qubit, index) ? bit : 0);
    }
}

/* Draws the amplitudes that the shots find into program->draws, in order. */
static void draw(struct ks_program *program, uint64_t seed)
{
    const size_t shots = (size_t)program->spec.shots;

    for (size_t i = 0; i < shots; i++) {
        program->draws[i] = ks_philox_draw(seed, i, 0, KS_DRAW_SAMPLE);
    }
    ks_draws_sort(&program->draws, &program->draws_spare, shots, NULL);
    ks_state_sample(&program->final.state, program->draws, shots);
}

enum ks_err ks_program_counts(struct ks_program *program, uint64_t seed,
                              struct ks_counts **out_counts)
{
    const size_t shots = (size_t)program->spec.shots;
    const struct ks_simulate_facts facts = {.method = KS_METHOD_STATEVECTOR};
    struct ks_tally *tally = NULL;
    struct ks_counts *counts = NULL;
    enum ks_err err = KS_OK;
    size_t i = 0;

    KS_TRY(check_ran(program, KS_PROGRAM_COUNTS));
    KS_TRY(ks_tally_new(program->circuit.clbit_count, NULL, &tally));
    draw(program, seed);
    while (i < shots) {
        const size_t first = i;

        while (i < shots && program->draws[i] == program->draws[first]) {
            i++;
        }
        find_outcome(program, program->draws[first]);
        KS_TRY(ks_tally_add(tally, program->outcome, i - first));
    }
    KS_TRY(ks_tally_finish(tally, &counts));
    ks_counts_set_facts(counts, &facts);
    *out_counts = counts;
out:
    ks_tally_free(tally);
    return err;
}

enum ks_err ks_program_outcomes(struct ks_program *program, uint64_t seed,
                                uint64_t *out_outcomes)
{
    const size_t shots = (size_t)program->spec.shots;
    enum ks_err err = KS_OK;

    KS_TRY(check_ran(program, KS_PROGRAM_COUNTS));
    KS_CHECK(program->circuit.clbit_count <= OUTCOME_BITS_MAX, KS_ERR_LIMIT,
             "%u classical bits, limit %d", program->circuit.clbit_count, OUTCOME_BITS_MAX);
    draw(program, seed);
    for (size_t i = 0; i < shots; i++) {
        if (i == 0 || program->draws[i] != program->draws[i - 1]) {
            find_outcome(program, program->draws[i]);
        }
        out_outcomes[i] = program->outcome[0];
    }
out:
    return err;
}
