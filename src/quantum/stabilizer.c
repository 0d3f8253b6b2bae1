/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/stabilizer.h"

#include "quantum/frames.h"
#include "quantum/live.h"
#include "quantum/philox.h"
#include "quantum/tableau.h"

#define WHAT "the tableau"

struct state {
    const struct ks_engine_context *context;
    struct ks_tableau tableau;
    void *memory;
    size_t bytes;
};

static void destroy(void *context)
{
    struct state *state = context;

    if (state != NULL) {
        ks_budget_drop(state->context->budget, state->memory, 1, state->bytes);
        ks_free(state);
    }
}

static enum ks_err create(const struct ks_engine_context *context, void **out_state)
{
    const uint32_t qubits = context->circuit->qubit_count;
    enum ks_err err = KS_OK;
    struct state *state = NULL;

    KS_CHECK(qubits <= KS_TABLEAU_QUBITS_MAX, KS_ERR_LIMIT, "%u qubits, limit %d for a tableau",
             qubits, KS_TABLEAU_QUBITS_MAX);
    state = ks_calloc(1, sizeof *state);
    KS_CHECK(state != NULL, KS_ERR_NOMEM, "no memory for " WHAT);
    state->context = context;
    state->bytes = (size_t)ks_tableau_bytes(qubits);
    KS_TRY(ks_budget_new(context->budget, 1, state->bytes, WHAT, &state->memory));
    ks_tableau_init(&state->tableau, qubits, state->memory);
    *out_state = state;
    state = NULL;
out:
    destroy(state);
    return err;
}

static enum ks_err copy(const void *source, void **out_copy)
{
    const struct state *state = source;
    void *made = NULL;
    const enum ks_err err = create(state->context, &made);

    if (err == KS_OK) {
        ks_tableau_copy(&((struct state *)made)->tableau, &state->tableau);
        *out_copy = made;
    }
    return err;
}

static enum ks_err gate(void *context, const struct ks_op *op)
{
    struct state *state = context;
    const struct ks_circuit *circuit = state->context->circuit;
    struct ks_clifford clifford;

    if (!ks_clifford_of(op, ks_op_params(circuit, op), &clifford)) {
        return ks_fail(KS_ERR_USAGE, "'%s' is no Clifford gate",
                       ks_gate_info((enum ks_gate)op->gate)->name);
    }
    ks_tableau_apply(&state->tableau, &clifford);
    return ks_budget_spend(state->context->budget, state->tableau.words);
}

static enum ks_err weigh(void *context, uint32_t qubit, double *out_p1)
{
    const struct state *state = context;
    bool outcome = false;
    const bool open = ks_tableau_open(&state->tableau, qubit, &outcome);

    *out_p1 = open ? 0.5 : (double)outcome;
    return KS_OK;
}

static enum ks_err collapse(void *context, uint32_t qubit, bool outcome, double probability)
{
    struct state *state = context;

    if (probability != 1) {
        ks_tableau_collapse(&state->tableau, qubit, outcome);
    }
    return ks_budget_spend(state->context->budget, state->tableau.side * state->tableau.words);
}

/* --- the measurements at the end ---------------------------------------------------------- */

/* The lines of ks_tableau_flips that turn a wanted qubit round, one behind the other; returns
 * how many. */
static size_t keep_flips(struct state *state, const uint64_t *wanted, uint64_t *lines)
{
    const size_t words = state->tableau.words;
    const size_t wanted_words = ((size_t)state->tableau.qubits + 63) / 64;
    const uint64_t *flips = ks_tableau_flips(&state->tableau);
    size_t count = 0;

    for (size_t i = 0; i < state->tableau.qubits; i++) {
        uint64_t any = 0;

        for (size_t w = 0; w < wanted_words; w++) {
            any |= flips[i * words + w] & wanted[w];
        }
        if (any != 0) {
            ks_copy(lines + count++ * words, flips + i * words, words * sizeof *lines);
        }
    }
    return count;
}

/* One outcome that can happen. */
static void find_reference(struct state *state, const uint64_t *wanted, uint64_t *reference)
{
    for (uint32_t q = 0; q < state->tableau.qubits; q++) {
        bool outcome = false;

        if (ks_bit(wanted, q)) {
            if (ks_tableau_open(&state->tableau, q, &outcome)) {
                outcome = false;
                ks_tableau_collapse_last(&state->tableau, q, outcome);
            }
            ks_bit_set(reference, q, outcome);
        }
    }
}

static enum ks_err sample(void *context, struct ks_sampling *sampling)
{
    struct state *state = context;
    struct ks_budget *budget = state->context->budget;
    const size_t words = state->tableau.words;
    enum ks_err err = KS_OK;
    void *lines = NULL;
    void *bits = NULL;
    size_t count = 0;

    KS_TRY(ks_budget_new(budget, state->tableau.side, words * sizeof(uint64_t),
                         "random outcomes", &lines));
    KS_TRY(ks_budget_new(budget, 2 * words, sizeof(uint64_t), "an outcome", &bits));
    count = keep_flips(state, sampling->wanted, lines);
    find_reference(state, sampling->wanted, bits);
    for (size_t s = 0; s < sampling->shot_count; s++) {
        const uint64_t *reference = bits;
        uint64_t *outcome = (uint64_t *)bits + words;
        uint64_t drawn[2] = {0};

        ks_copy(outcome, reference, words * sizeof *outcome);
        for (size_t i = 0; i < count; i++) {
            const uint64_t *line = (const uint64_t *)lines + i * words;

            if (i % 128 == 0) {
                ks_philox_bits(sampling->seed, sampling->shots[s],
                               sampling->draws + (uint32_t)(i / 128), drawn);
            }
            for (size_t w = 0; ks_bit(drawn, i % 128) && w < words; w++) {
                outcome[w] ^= line[w];
            }
        }
        KS_TRY(ks_sampling_add(sampling, outcome, 1));
    }
out:
    ks_budget_drop(budget, lines, state->tableau.side, words * sizeof(uint64_t));
    ks_budget_drop(budget, bits, 2 * words, sizeof(uint64_t));
    return err;
}

static void report(const void *state, struct ks_simulate_facts *facts)
{
    (void)state;
    (void)facts; /* exact, and as large as the circuit is wide */
}

const struct ks_engine ks_stabilizer_engine = {
    .method = KS_METHOD_STABILIZER,
    .create = create,
    .destroy = destroy,
    .copy = copy,
    .gate = gate,
    .weigh = weigh,
    .collapse = collapse,
    .sample = sample,
    .report = report,
};

/* --- all of it ---------------------------------------------------------------------------- */

static enum ks_err check_roles(const struct ks_circuit *circuit, const uint8_t *roles)
{
    struct ks_clifford clifford;

    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];

        if (roles[i] == KS_ROLE_GATE &&
            !ks_clifford_of(op, ks_op_params(circuit, op), &clifford)) {
            return ks_fail(KS_ERR_USAGE, "operation %zu, '%s', is no Clifford gate", i + 1,
                           ks_gate_info((enum ks_gate)op->gate)->name);
        }
    }
    return KS_OK;
}

enum ks_err ks_stabilizer_check(const struct ks_circuit *circuit)
{
    enum ks_err err = KS_OK;
    uint8_t *roles = NULL;

    KS_TRY(ks_roles_new(circuit, &roles));
    KS_TRY(check_roles(circuit, roles));
out:
    ks_free(roles);
    return err;
}

enum ks_err ks_stabilizer_simulate(const struct ks_engine_context *context,
                                   struct ks_counts **out_counts)
{
    enum ks_err err = KS_OK;
    uint8_t *roles = NULL;

    KS_TRY(ks_roles_new(context->circuit, &roles));
    KS_TRY(check_roles(context->circuit, roles));
    if (ks_frames_fit(context->circuit, roles)) {
        KS_TRY(ks_frames_simulate(context, roles, out_counts));
    } else {
        KS_TRY(ks_tree_simulate(&ks_stabilizer_engine, context, out_counts));
    }
out:
    ks_free(roles);
    return err;
}
