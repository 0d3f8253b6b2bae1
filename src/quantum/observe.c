/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* observe.c: the state of a circuit without measurements, and what can be read off it. */

#include "quantum/final.h"

#include <math.h>

#include "quantum/noise.h"
#include "quantum/qasm_lex.h"
#include "quantum/simulate.h"

#define BLOCK 4096 /* amplitudes whose sum is made in one go, in order */

/* --- states for tests --------------------------------------------------------------------- */

enum ks_err ks_simulate_state(const struct ks_circuit *circuit, struct ks_state *out)
{
    enum ks_err err = KS_OK;
    struct ks_plan plan;
    struct ks_frame frame = {0};

    ks_plan_init(&plan);
    plan.precision = out->kernels->precision;
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
    KS_TRY(ks_state_run(out, &plan));
out:
    ks_plan_done(&plan);
    ks_frame_done(&frame);
    return err;
}

/* --- final states ------------------------------------------------------------------------- */

void ks_final_free(struct ks_final *final)
{
    if (final != NULL) {
        ks_state_done(&final->state);
        ks_frame_done(&final->frame);
        ks_free(final);
    }
}

enum ks_err ks_final_check(const struct ks_circuit *circuit)
{
    enum { FRESH, USED, MEASURED };
    uint8_t *qubits = ks_calloc(circuit->qubit_count, sizeof *qubits);
    enum ks_err err = KS_OK;

    KS_CHECK(qubits != NULL, KS_ERR_NOMEM, "no memory for %u qubits", circuit->qubit_count);
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];
        const unsigned count = ks_gate_info((enum ks_gate)op->gate)->qubits;

        KS_CHECK(op->gate <= KS_GATE_BARRIER && op->condition == 0, KS_ERR_FORMAT,
                 "no state to look at: operation %zu depends on measurements", i);
        for (unsigned q = 0; q < count; q++) {
            uint8_t *qubit = &qubits[op->qubits[q]];

            KS_CHECK(op->gate == KS_GATE_MEASURE || *qubit != MEASURED, KS_ERR_FORMAT,
                     "no state to look at: operation %zu is behind a measurement", i);
            KS_CHECK(op->gate != KS_GATE_RESET || *qubit == FRESH, KS_ERR_FORMAT,
                     "no state to look at: operation %zu is a reset behind gates", i);
            *qubit = op->gate == KS_GATE_MEASURE ? MEASURED : USED;
        }
    }
out:
    ks_free(qubits);
    return err;
}

void ks_final_gates(struct ks_plan *plan, struct ks_frame *frame,
                    const struct ks_circuit *circuit)
{
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (circuit->ops[i].gate < KS_GATE_MEASURE) {
            ks_plan_gate(plan, frame, circuit, &circuit->ops[i]);
        }
    }
    for (uint32_t q = 0; q < circuit->qubit_count; q++) {
        ks_plan_flush(plan, frame, q);
    }
    for (uint32_t q = 0; q < circuit->qubit_count; q++) {
        ks_plan_activate(plan, frame, q);
    }
}

enum ks_err ks_final_run(struct ks_final *final, const struct ks_plan *plan,
                         uint64_t memory_max)
{
    const uint64_t bytes = ks_state_bytes(plan->slots_peak, plan->precision);
    enum ks_err err = KS_OK;

    KS_CHECK(plan->slots_peak <= KS_SLOTS_MAX && (memory_max == 0 || bytes <= memory_max),
             KS_ERR_LIMIT, "the state of %u qubits needs %llu bytes, limit %llu",
             plan->slots_peak, (unsigned long long)bytes, (unsigned long long)memory_max);
    KS_TRY(ks_state_reserve(&final->state, plan->slots_peak));
    ks_state_reset(&final->state);
    KS_TRY(ks_state_run(&final->state, plan));
out:
    return err;
}

enum ks_err ks_final_weigh(struct ks_final *final)
{
    double weights[2];

    ks_state_weights(&final->state, KS_NO_SLOT, weights);
    if (!(weights[0] > 0)) {
        return ks_fail(KS_ERR_INTERNAL, "the state has no amplitude left");
    }
    final->scale = 1 / sqrt(weights[0]);
    return KS_OK;
}

/* The state of CIRCUIT. */
static enum ks_err run_gates(struct ks_final *final, const struct ks_circuit *circuit,
                             const struct ks_simulate_spec *spec)
{
    struct ks_plan plan;
    enum ks_err err = KS_OK;

    ks_plan_init(&plan);
    plan.precision = spec->precision;
    KS_TRY(ks_frame_init(&final->frame, circuit->qubit_count));
    ks_plan_begin(&plan, &final->frame);
    ks_final_gates(&plan, &final->frame, circuit);
    KS_TRY(ks_plan_end(&plan));
    KS_TRY(ks_final_run(final, &plan, spec->memory_max));
    KS_TRY(ks_final_weigh(final));
out:
    ks_plan_done(&plan);
    return err;
}

enum ks_err ks_final_new(const struct ks_circuit *circuit, const struct ks_simulate_spec *spec,
                         struct ks_final **out_final)
{
    const struct ks_kernels *kernels = NULL;
    struct ks_final *final = ks_calloc(1, sizeof *final);
    enum ks_err err = KS_OK;

    KS_CHECK(final != NULL, KS_ERR_NOMEM, "no memory for a state");
    KS_CHECK(spec->version == 1 && (unsigned)spec->precision <= KS_PRECISION_SINGLE,
             KS_ERR_USAGE, "simulation spec version %u", spec->version);
    KS_TRY(ks_kernels_find(spec->kernels, spec->precision, &kernels));
    KS_CHECK(spec->method == KS_METHOD_AUTO || spec->method == KS_METHOD_STATEVECTOR,
             KS_ERR_USAGE, "the final state takes the state vector, not another method");
    KS_TRY(ks_final_check(circuit));
    ks_state_init(&final->state, kernels, spec->pool);
    KS_TRY(run_gates(final, circuit, spec));
    *out_final = final;
    final = NULL;
out:
    ks_final_free(final);
    return err;
}

/* Where the amplitude of basis state INDEX lies. */
static size_t place_of(const struct ks_final *final, uint64_t index)
{
    size_t place = 0;

    for (uint32_t q = 0; q < final->frame.qubit_count; q++) {
        const struct ks_qubit *qubit = &final->frame.qubits[q];
        const bool bit = (index >> q & 1) != 0;

        place ^= bit != qubit->bit ? (size_t)qubit->flips : 0;
    }
    return place;
}

void ks_final_amplitude(const struct ks_final *final, uint64_t index, double out_amplitude[2])
{
    KS_ASSERT(index >> final->frame.qubit_count == 0);
    ks_state_amplitude(&final->state, place_of(final, index), out_amplitude);
    out_amplitude[0] *= final->scale;
    out_amplitude[1] *= final->scale;
}

/* --- expectations ------------------------------------------------------------------------- */

/* i^turns X^flips Z^signs, flips and signs by the bits of an amplitude's place. */
struct string {
    size_t flips;
    size_t signs;
    unsigned turns;
};

struct string_pass {
    const struct ks_final *final;
    const struct string *string;
    double *sums; /* one for each block */
    size_t amps;
};

/* The real part of i^turns times the sum over a block of conj(a[j ^ flips]) (-1)^… a[j]. */
static void block_task(void *context, size_t block)
{
    const struct string_pass *pass = context;
    const struct string *string = pass->string;
    const size_t end = pass->amps < (block + 1) * BLOCK ? pass->amps : (block + 1) * BLOCK;
    double sum = 0;

    for (size_t j = block * BLOCK; j < end; j++) {
        double a[2];
        double b[2];

        ks_state_amplitude(&pass->final->state, j, a);
        ks_state_amplitude(&pass->final->state, j ^ string->flips, b);
        const bool minus = __builtin_parityll(j & string->signs) != 0;
        const double re = b[0] * a[0] + b[1] * a[1];
        const double im = b[0] * a[1] - b[1] * a[0];
        const double part = string->turns % 2 == 0 ? re : -im;
        const bool turned = string->turns % 4 >= 2;

        sum += minus != turned ? -part : part;
    }
    pass->sums[block] = sum;
}

static enum ks_err expect_string(struct ks_final *final, const struct string *string,
                                 double *out_value)
{
    const size_t amps = (size_t)1 << final->state.slot_count;
    const size_t blocks = (amps + BLOCK - 1) / BLOCK;
    struct string_pass pass = {.final = final,
                               .string = string,
                               .sums = ks_calloc(blocks, sizeof *pass.sums),
                               .amps = amps};
    double sum = 0;

    if (pass.sums == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for %zu sums", blocks);
    }
    ks_pool_run(final->state.pool, block_task, &pass, blocks);
    for (size_t i = 0; i < blocks; i++) {
        sum += pass.sums[i];
    }
    ks_free(pass.sums);
    *out_value = sum * final->scale * final->scale;
    return KS_OK;
}

static enum ks_err fail_at(const struct ks_qasm_token *token, const char *what)
{
    return ks_qasm_fail("observable", token->line, token->column, KS_ERR_FORMAT, "%s", what);
}

/* One letter for each qubit, qubit 0 last. */
static enum ks_err read_string(const struct ks_final *final, const struct ks_qasm_token *token,
                               struct string *out_string)
{
    const uint32_t qubits = final->frame.qubit_count;
    struct string string = {0};

    if (token->kind != KS_QASM_WORD || token->text.len != qubits) {
        return fail_at(token, "expected a letter of I, X, Y, Z for each qubit");
    }
    for (uint32_t q = 0; q < qubits; q++) {
        const struct ks_qubit *qubit = &final->frame.qubits[q];
        const uint8_t letter = token->text.data[qubits - 1 - q];

        if (letter != 'I' && letter != 'X' && letter != 'Y' && letter != 'Z') {
            return fail_at(token, "expected a letter of I, X, Y, Z for each qubit");
        }
        string.flips ^= letter == 'X' || letter == 'Y' ? (size_t)qubit->flips : 0;
        string.signs ^= letter == 'Z' || letter == 'Y' ? (size_t)qubit->parity : 0;
        string.turns += letter == 'Y';
        string.turns += (letter == 'Z' || letter == 'Y') && qubit->bit ? 2 : 0;
    }
    *out_string = string;
    return KS_OK;
}

/* "number * string" or "string" from TOKEN on; moves to the token behind. */
static enum ks_err read_term(struct ks_final *final, struct ks_qasm_lexer *lexer,
                             struct ks_qasm_token *token, double *out_value)
{
    struct string string = {0};
    double factor = 1;
    double value = 0;
    enum ks_err err = KS_OK;

    if (token->kind == KS_QASM_INTEGER || token->kind == KS_QASM_REAL) {
        if (!ks_qasm_number(token->text, &factor)) {
            return fail_at(token, "a number out of the range of a double");
        }
        KS_TRY(ks_qasm_next(lexer, token));
        if (token->sign != '*') {
            return fail_at(token, "expected '*' and a string of I, X, Y, Z");
        }
        KS_TRY(ks_qasm_next(lexer, token));
    }
    KS_TRY(read_string(final, token, &string));
    KS_TRY(ks_qasm_next(lexer, token));
    KS_TRY(expect_string(final, &string, &value));
    *out_value = factor * value;
out:
    return err;
}

enum ks_err ks_final_expect(struct ks_final *final, const struct ks_bytes *sum,
                            double *out_value)
{
    struct ks_qasm_lexer lexer = ks_qasm_lexer_of(*sum, "observable");
    struct ks_qasm_token token = {0};
    double total = 0;
    double value = 0;
    size_t count = 0;
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_next(&lexer, &token));
    do {
        const bool minus = token.sign == '-';

        if (minus || token.sign == '+') {
            KS_TRY(ks_qasm_next(&lexer, &token));
        } else if (count > 0) {
            return fail_at(&token, "expected '+' or '-'");
        }
        KS_CHECK(count < KS_PAULI_TERMS_MAX, KS_ERR_LIMIT, "observable: more than %d strings",
                 KS_PAULI_TERMS_MAX);
        KS_TRY(read_term(final, &lexer, &token, &value));
        total += minus ? -value : value;
        count++;
    } while (token.kind != KS_QASM_END);
    KS_CHECK(isfinite(total), KS_ERR_FORMAT, "observable: its value is not a finite number");
    *out_value = total;
out:
    return err;
}

/* --- files of NumPy ----------------------------------------------------------------------- */

static void put_little(struct ks_buf *out, uint64_t bits, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++) {
        ks_buf_put_u8(out, (uint8_t)(bits >> 8 * i));
    }
}

static void put_number(struct ks_buf *out, double value, enum ks_precision precision)
{
    uint64_t wide = 0;
    uint32_t narrow = 0;
    const float small = (float)value;

    if (precision == KS_PRECISION_DOUBLE) {
        ks_copy(&wide, &value, sizeof wide);
        put_little(out, wide, 8);
    } else {
        ks_copy(&narrow, &small, sizeof narrow);
        put_little(out, narrow, 4);
    }
}

#define NPY_HEADER 128 /* bytes in front of the numbers: a multiple of 64 */

void ks_final_npy(const struct ks_final *final, struct ks_buf *out)
{
    const enum ks_precision precision = final->state.kernels->precision;
    const uint64_t amps = (uint64_t)1 << final->frame.qubit_count;
    const size_t start = out->len;

    ks_buf_put(out, KS_LITERAL("\x93NUMPY\x01"));
    ks_buf_put_u8(out, 0);
    put_little(out, NPY_HEADER - 10, 2);
    ks_buf_put_format(out, "{'descr': '<c%d', 'fortran_order': False, 'shape': (%llu,), }",
                      precision == KS_PRECISION_DOUBLE ? 16 : 8, (unsigned long long)amps);
    while (out->err == KS_OK && out->len - start < NPY_HEADER - 1) {
        ks_buf_put_u8(out, ' ');
    }
    ks_buf_put_u8(out, '\n');
    for (uint64_t i = 0; i < amps && out->err == KS_OK; i++) {
        double amplitude[2];

        ks_final_amplitude(final, i, amplitude);
        put_number(out, amplitude[0], precision);
        put_number(out, amplitude[1], precision);
    }
}

/* --- distributions ------------------------------------------------------------------------ */

enum ks_err ks_probabilities(const struct ks_circuit *circuit,
                             const struct ks_simulate_spec *spec, double *out_probabilities)
{
    if (spec->noise != NULL && spec->method != KS_METHOD_AUTO &&
        spec->method != KS_METHOD_STATEVECTOR) {
        return ks_fail(KS_ERR_USAGE, "noise takes the density matrix, not another method");
    }
    return spec->noise != NULL ? ks_density_probabilities(circuit, spec, out_probabilities)
                               : ks_simulate_probabilities(circuit, spec, out_probabilities);
}
