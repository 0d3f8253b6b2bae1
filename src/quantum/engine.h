/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* engine.h: what a method other than the state vector is to be able to do, and what all of them
 * share: the tree of measurement outcomes, its shots, memory and work that are counted.
 *
 * Draws (quantum/philox.h): a measurement or reset in the middle whose outcome is open takes
 * draw I of each shot, purpose SPLIT, where I counts such operations on the shot's course; the
 * outcome is 1 when draw * 2^-53 is below the probability of 1. These are the draws of the
 * state vector too. What the measurements at the end draw, each method says.
 *
 * The tree runs control flow (quantum/control.h), so every engine can. Noise it does not know.
 * Pure. */
#ifndef KS_QUANTUM_ENGINE_H
#define KS_QUANTUM_ENGINE_H

#include "quantum/circuit.h"

/* --- memory and work ---------------------------------------------------------------------- */

/* What one simulation may hold and do, and what it holds and did. Bytes count before they are
 * allocated; work is counted in multiplications, roughly. Both depend on the circuit, the seed
 * and the shots alone. */
struct ks_budget {
    uint64_t memory_max;
    uint64_t memory;
    uint64_t memory_peak;
    uint64_t work_max;
    uint64_t work;
    struct ks_pool *pool; /* borrowed; is asked whether to go on. NULL: always */
};

/* MEMORY_MAX 0 is no limit; no limit for work. */
struct ks_budget ks_budget_of(uint64_t memory_max);
/* KS_ERR_LIMIT "needs 6.0 GiB for WHAT, limit 4.0 GiB"; then nothing is taken. */
KS_MUST_CHECK enum ks_err ks_budget_take(struct ks_budget *budget, uint64_t bytes,
                                         const char *what);
void ks_budget_give(struct ks_budget *budget, uint64_t bytes);
/* KS_ERR_LIMIT when the work is more than the budget allows; KS_ERR_CANCELLED. */
KS_MUST_CHECK enum ks_err ks_budget_spend(struct ks_budget *budget, uint64_t work);
/* KS_ERR_CANCELLED once nobody waits for the result. For long work that is already paid. */
KS_MUST_CHECK enum ks_err ks_budget_go_on(const struct ks_budget *budget);
/* Zeroed memory of COUNT * SIZE bytes that the budget pays; ks_budget_drop frees it (NULL is
 * fine). */
KS_MUST_CHECK enum ks_err ks_budget_new(struct ks_budget *budget, size_t count, size_t size,
                                        const char *what, void **out_memory);
void ks_budget_drop(struct ks_budget *budget, void *memory, size_t count, size_t size);

/* --- engines ------------------------------------------------------------------------------ */

struct ks_engine_context {
    const struct ks_circuit *circuit;
    const struct ks_simulate_spec *spec;
    struct ks_budget *budget;
};

struct ks_sampling;

/* A state is one thread's. Calls that fail leave a state that can only be freed. */
struct ks_engine {
    enum ks_method method;
    /* |0…0>. CONTEXT is borrowed and outlives the state. */
    enum ks_err (*create)(const struct ks_engine_context *context, void **out_state);
    void (*destroy)(void *state); /* NULL is fine */
    enum ks_err (*copy)(const void *state, void **out_copy);
    /* One gate of KS_GATE_LIST; its condition is not looked at. */
    enum ks_err (*gate)(void *state, const struct ks_op *op);
    /* The probability that measuring QUBIT gives 1. */
    enum ks_err (*weigh)(void *state, uint32_t qubit, double *out_p1);
    /* QUBIT was measured as OUTCOME, which had PROBABILITY. */
    enum ks_err (*collapse)(void *state, uint32_t qubit, bool outcome, double probability);
    /* Draws all qubits once for each shot: ks_sampling_add. The state is used up. */
    enum ks_err (*sample)(void *state, struct ks_sampling *sampling);
    /* Raises FACTS to what this state has seen. */
    void (*report)(const void *state, struct ks_simulate_facts *facts);
};

/* The shots that end in one state. */
struct ks_sampling {
    struct ks_tree *tree;
    uint64_t seed;
    uint32_t draws; /* number of the first draw that no measurement has used */
    const uint64_t
        *wanted;     /* bit q: qubit q is looked at; the others may come out as they like */
    uint32_t *shots; /* may be put into another order */
    size_t shot_count;
};
/* COUNT shots found the qubits as BITS says: bit q % 64 of word q / 64 is qubit q. */
KS_MUST_CHECK enum ks_err ks_sampling_add(struct ks_sampling *sampling, const uint64_t *bits,
                                          uint64_t count);

/* Runs CONTEXT's circuit on ENGINE, shots and seed as its spec says. */
KS_MUST_CHECK enum ks_err ks_tree_simulate(const struct ks_engine *engine,
                                           const struct ks_engine_context *context,
                                           struct ks_counts **out_counts);
/* The exact distribution, as ks_simulate_probabilities: every measurement, those at the end
 * too, is followed both ways. */
KS_MUST_CHECK enum ks_err ks_tree_probabilities(const struct ks_engine *engine,
                                                const struct ks_engine_context *context,
                                                double *out_probabilities);

/* --- classical bits ----------------------------------------------------------------------- */

static inline bool ks_bit(const uint64_t *words, size_t bit)
{
    return (words[bit / 64] >> bit % 64 & 1) != 0;
}

static inline void ks_bit_set(uint64_t *words, size_t bit, bool value)
{
    const uint64_t mask = (uint64_t)1 << bit % 64;

    words[bit / 64] = value ? words[bit / 64] | mask : words[bit / 64] & ~mask;
}

/* The first parameter of OP, or NULL when the circuit has none at all. */
const double *ks_op_params(const struct ks_circuit *circuit, const struct ks_op *op);

#endif
