/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/engine.h"

#include <inttypes.h>

#include "quantum/control.h"
#include "quantum/counts.h"
#include "quantum/live.h"
#include "quantum/philox.h"
#include "quantum/simulate.h"
#include "quantum/watch.h"

#define OPS_BETWEEN 256 /* operations done between two questions whether to go on */
/* Loops may go on for ever with a probability that falls: what is left then is nothing. */
#define WEIGHT_MIN 0x1p-70

/* --- memory and work ---------------------------------------------------------------------- */

struct ks_budget ks_budget_of(uint64_t memory_max)
{
    return (struct ks_budget){.memory_max = memory_max == 0 ? UINT64_MAX : memory_max,
                              .work_max = UINT64_MAX};
}

enum ks_err ks_budget_take(struct ks_budget *budget, uint64_t bytes, const char *what)
{
    char needed[KS_SIZE_TEXT_MAX];
    char limit[KS_SIZE_TEXT_MAX];

    if (bytes > budget->memory_max - budget->memory) {
        ks_size_text(bytes > UINT64_MAX - budget->memory ? UINT64_MAX : budget->memory + bytes,
                     needed);
        ks_size_text(budget->memory_max, limit);
        return ks_fail(KS_ERR_LIMIT, "needs %s for %s, limit %s", needed, what, limit);
    }
    budget->memory += bytes;
    if (budget->memory > budget->memory_peak) {
        budget->memory_peak = budget->memory;
    }
    return KS_OK;
}

void ks_budget_give(struct ks_budget *budget, uint64_t bytes)
{
    KS_ASSERT(bytes <= budget->memory);
    budget->memory -= bytes;
}

enum ks_err ks_budget_spend(struct ks_budget *budget, uint64_t work)
{
    if (work > budget->work_max - budget->work) {
        return ks_fail(KS_ERR_LIMIT, "needs more than %" PRIu64 " million operations",
                       budget->work_max / 1000000);
    }
    budget->work += work;
    return ks_budget_go_on(budget);
}

enum ks_err ks_budget_go_on(const struct ks_budget *budget)
{
    return ks_watch_go_on(budget->pool);
}

enum ks_err ks_budget_new(struct ks_budget *budget, size_t count, size_t size, const char *what,
                          void **out_memory)
{
    const bool fits = size == 0 || count <= SIZE_MAX / size;
    const enum ks_err err = ks_budget_take(budget, fits ? count * size : UINT64_MAX, what);
    void *memory;

    if (err != KS_OK) {
        return err;
    }
    memory = fits ? ks_calloc(count, size) : NULL;
    if (memory == NULL) {
        char needed[KS_SIZE_TEXT_MAX];

        ks_budget_give(budget, fits ? count * size : UINT64_MAX);
        ks_size_text(fits ? count * size : UINT64_MAX, needed);
        return ks_fail(KS_ERR_NOMEM, "no memory: %s for %s", needed, what);
    }
    *out_memory = memory;
    return KS_OK;
}

void ks_budget_drop(struct ks_budget *budget, void *memory, size_t count, size_t size)
{
    if (memory != NULL) {
        ks_free(memory);
        ks_budget_give(budget, count * size);
    }
}

/* --- branches ----------------------------------------------------------------------------- */

/* One course of measurement outcomes so far, and the shots that took it. */
struct branch {
    struct branch *next; /* on the stack */
    void *state;
    struct ks_classical classical;
    size_t op; /* the next one; behind the last of the circuit, the measurements at the end */
    uint32_t draws;
    uint32_t *shots; /* into tree.shots */
    size_t shot_count;
    double weight; /* its probability, where no shots are taken */
};

struct ks_tree {
    const struct ks_engine *engine;
    const struct ks_engine_context *context;
    uint8_t *roles;
    struct ks_op *finals; /* the measurements that are done by sampling */
    size_t final_count;
    struct branch *stack;
    uint32_t *shots;       /* all; NULL with PROBABILITIES */
    double *probabilities; /* or NULL */
    struct ks_tally *tally;
    uint64_t *wanted; /* qubits that they look at */
    size_t words;
    const uint64_t *clbits; /* of the branch being sampled */
    uint64_t *outcome;      /* scratch, WORDS long */
    struct ks_simulate_facts facts;
};

const double *ks_op_params(const struct ks_circuit *circuit, const struct ks_op *op)
{
    return circuit->param_count == 0 ? NULL : circuit->params + op->param;
}

static void branch_free(const struct ks_tree *tree, struct branch *branch)
{
    if (branch != NULL) {
        tree->engine->destroy(branch->state);
        ks_classical_done(&branch->classical);
        ks_free(branch);
    }
}

static enum ks_err branch_new(const struct ks_tree *tree, struct branch **out_branch)
{
    struct branch *branch = ks_calloc(1, sizeof *branch);
    enum ks_err err = KS_OK;

    KS_CHECK(branch != NULL, KS_ERR_NOMEM, "no memory for a branch");
    KS_TRY(ks_classical_init(&branch->classical, tree->context->circuit));
    *out_branch = branch;
    branch = NULL;
out:
    branch_free(tree, branch);
    return err;
}

/* The operation that BRANCH is at. */
static const struct ks_op *current_op(const struct ks_tree *tree, const struct branch *branch)
{
    const size_t count = tree->context->circuit->op_count;

    return branch->op < count ? &tree->context->circuit->ops[branch->op]
                              : &tree->finals[branch->op - count];
}

/* Does the gates up to the next measurement or reset that is to be done in its place. */
static enum ks_err advance(struct ks_tree *tree, struct branch *branch)
{
    const struct ks_circuit *circuit = tree->context->circuit;
    enum ks_err err = KS_OK;
    uint64_t count = 0;

    while (branch->op < circuit->op_count) {
        const struct ks_op *op = &circuit->ops[branch->op];
        const enum ks_role role = (enum ks_role)tree->roles[branch->op];

        if (count++ % OPS_BETWEEN == 0) {
            KS_TRY(ks_budget_go_on(tree->context->budget));
        }
        if (role == KS_ROLE_CONTROL) {
            KS_TRY(ks_classical_step(&branch->classical, circuit, &branch->op));
            continue;
        }
        if (role == KS_ROLE_GATE && ks_classical_holds(&branch->classical, circuit, op)) {
            KS_TRY(tree->engine->gate(branch->state, op));
        } else if ((role == KS_ROLE_MEASURE || role == KS_ROLE_RESET) &&
                   ks_classical_holds(&branch->classical, circuit, op)) {
            break;
        }
        branch->op++;
    }
out:
    return err;
}

/* The operation of BRANCH came out as OUTCOME, which had PROBABILITY. */
static enum ks_err take_outcome(struct ks_tree *tree, struct branch *branch, bool outcome,
                                double probability)
{
    const struct ks_op *op = current_op(tree, branch);
    const struct ks_op flip = {.gate = KS_GATE_X, .qubits = {op->qubits[0]}};
    enum ks_err err = KS_OK;

    KS_TRY(tree->engine->collapse(branch->state, op->qubits[0], outcome, probability));
    if (op->gate == KS_GATE_MEASURE) {
        ks_classical_set(&branch->classical, op->clbit, outcome);
    } else if (outcome) {
        KS_TRY(tree->engine->gate(branch->state, &flip));
    }
    branch->op++;
out:
    return err;
}

/* Moves the shots whose draw gives 1 behind the others; returns how many gave 0. */
static size_t divide_shots(const struct ks_tree *tree, const struct branch *branch, double p1)
{
    size_t zeros = 0;

    for (size_t i = 0; i < branch->shot_count; i++) {
        const uint32_t shot = branch->shots[i];
        const uint64_t draw =
            ks_philox_draw(tree->context->spec->seed, shot, branch->draws, KS_DRAW_SPLIT);

        if ((double)draw * (1.0 / ((uint64_t)1 << KS_DRAW_BITS)) >= p1) {
            branch->shots[i] = branch->shots[zeros];
            branch->shots[zeros++] = shot;
        }
    }
    return zeros;
}

/* Puts on the stack what BRANCH becomes with OUTCOME, with a copy of its state. */
static enum ks_err push(struct ks_tree *tree, const struct branch *branch, bool outcome,
                        double probability, size_t zeros)
{
    enum ks_err err = KS_OK;
    struct branch *other = NULL;

    KS_TRY(branch_new(tree, &other));
    ks_classical_copy(&other->classical, &branch->classical, tree->context->circuit);
    other->op = branch->op;
    other->draws = branch->draws + 1;
    other->weight = branch->weight * probability;
    if (branch->shots != NULL) {
        other->shots = outcome ? branch->shots + zeros : branch->shots;
        other->shot_count = outcome ? branch->shot_count - zeros : zeros;
    }
    KS_TRY(tree->engine->copy(branch->state, &other->state));
    KS_TRY(take_outcome(tree, other, outcome, probability));
    other->next = tree->stack;
    tree->stack = other;
    other = NULL;
out:
    branch_free(tree, other);
    return err;
}

/* Decides an operation that can come out either way. The larger part of the shots waits, so
 * that never more states wait than halvings make of all shots. */
static enum ks_err split(struct ks_tree *tree, struct branch *branch, double p1)
{
    enum ks_err err = KS_OK;
    size_t zeros = 0;
    bool outcome = false;

    if (branch->shots != NULL) {
        zeros = divide_shots(tree, branch, p1);
        outcome = zeros == 0 || (zeros < branch->shot_count && zeros > branch->shot_count / 2);
    }
    if (branch->shots == NULL || (zeros > 0 && zeros < branch->shot_count)) {
        KS_TRY(push(tree, branch, !outcome, outcome ? 1 - p1 : p1, zeros));
        branch->shots =
            outcome && branch->shots != NULL ? branch->shots + zeros : branch->shots;
        branch->shot_count = outcome ? branch->shot_count - zeros : zeros;
    }
    branch->draws++;
    branch->weight *= outcome ? p1 : 1 - p1;
    KS_TRY(take_outcome(tree, branch, outcome, outcome ? p1 : 1 - p1));
out:
    return err;
}

static enum ks_err measure(struct ks_tree *tree, struct branch *branch)
{
    enum ks_err err = KS_OK;
    double p1 = 0;

    KS_TRY(tree->engine->weigh(branch->state, current_op(tree, branch)->qubits[0], &p1));
    if (p1 <= KS_CERTAIN_DOUBLE) {
        KS_TRY(take_outcome(tree, branch, false, 1 - p1));
    } else if (1 - p1 <= KS_CERTAIN_DOUBLE) {
        KS_TRY(take_outcome(tree, branch, true, p1));
    } else {
        KS_TRY(split(tree, branch, p1));
    }
out:
    return err;
}

/* --- the end of a branch ------------------------------------------------------------------ */

enum ks_err ks_sampling_add(struct ks_sampling *sampling, const uint64_t *bits, uint64_t count)
{
    const struct ks_tree *tree = sampling->tree;
    enum ks_err err = KS_OK;

    KS_TRY(ks_budget_go_on(tree->context->budget)); /* some engines take long for each */
    ks_copy(tree->outcome, tree->clbits, tree->words * sizeof *tree->outcome);
    for (size_t i = 0; i < tree->final_count; i++) {
        ks_bit_set(tree->outcome, tree->finals[i].clbit,
                   ks_bit(bits, tree->finals[i].qubits[0]));
    }
    KS_TRY(ks_tally_add(tree->tally, tree->outcome, count));
out:
    return err;
}

static enum ks_err finish_branch(struct ks_tree *tree, struct branch *branch)
{
    struct ks_sampling sampling = {
        .tree = tree,
        .seed = tree->context->spec->seed,
        .draws = branch->draws,
        .wanted = tree->wanted,
        .shots = branch->shots,
        .shot_count = branch->shot_count,
    };
    enum ks_err err = KS_OK;

    if (tree->probabilities != NULL) {
        tree->probabilities[branch->classical.clbits[0]] += branch->weight;
    } else if (tree->final_count == 0) {
        KS_TRY(ks_tally_add(tree->tally, branch->classical.clbits, branch->shot_count));
    } else {
        tree->clbits = branch->classical.clbits;
        KS_TRY(tree->engine->sample(branch->state, &sampling));
    }
    tree->engine->report(branch->state, &tree->facts);
out:
    return err;
}

static enum ks_err run_branch(struct ks_tree *tree, struct branch *branch)
{
    const size_t end = tree->context->circuit->op_count +
                       (tree->probabilities != NULL ? tree->final_count : 0);
    enum ks_err err = KS_OK;

    KS_TRY(advance(tree, branch));
    while (branch->op < end) {
        if (tree->shots == NULL && branch->weight < WEIGHT_MIN) {
            return KS_OK;
        }
        KS_TRY(measure(tree, branch));
        KS_TRY(advance(tree, branch));
    }
    KS_TRY(finish_branch(tree, branch));
out:
    return err;
}

/* --- all of it ---------------------------------------------------------------------------- */

static enum ks_err run_all(struct ks_tree *tree)
{
    enum ks_err err = KS_OK;
    struct branch *branch = NULL;

    KS_TRY(branch_new(tree, &branch));
    branch->shots = tree->shots;
    branch->shot_count = (size_t)tree->context->spec->shots;
    branch->weight = 1;
    KS_TRY(tree->engine->create(tree->context, &branch->state));
    while (branch != NULL) {
        KS_TRY(run_branch(tree, branch));
        branch_free(tree, branch);
        branch = tree->stack;
        tree->stack = branch != NULL ? branch->next : NULL;
    }
out:
    branch_free(tree, branch);
    return err;
}

static enum ks_err tree_init(struct ks_tree *tree, const struct ks_engine *engine,
                             const struct ks_engine_context *context)
{
    const struct ks_circuit *circuit = context->circuit;
    enum ks_err err = KS_OK;

    *tree = (struct ks_tree){
        .engine = engine, .context = context, .facts = {.method = engine->method}};
    KS_TRY(ks_roles_new(circuit, &tree->roles));
    KS_TRY(ks_tally_new(circuit->clbit_count, context->spec->pool, &tree->tally));
    tree->words = ks_tally_words(tree->tally);
    tree->outcome = ks_calloc(tree->words, sizeof *tree->outcome);
    for (size_t i = 0; i < circuit->op_count; i++) {
        tree->final_count += tree->roles[i] == KS_ROLE_FINAL;
    }
    tree->finals = ks_calloc(tree->final_count, sizeof *tree->finals);
    tree->wanted = ks_calloc((size_t)circuit->qubit_count / 64 + 1, sizeof *tree->wanted);
    KS_CHECK(tree->outcome != NULL && tree->finals != NULL && tree->wanted != NULL,
             KS_ERR_NOMEM, "no memory for %zu measurements", tree->final_count);
    tree->final_count = 0;
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (tree->roles[i] == KS_ROLE_FINAL) {
            tree->finals[tree->final_count++] = circuit->ops[i];
            ks_bit_set(tree->wanted, circuit->ops[i].qubits[0], true);
        }
    }
out:
    return err;
}

static void tree_done(struct ks_tree *tree)
{
    while (tree->stack != NULL) {
        struct branch *branch = tree->stack;

        tree->stack = branch->next;
        branch_free(tree, branch);
    }
    ks_tally_free(tree->tally);
    ks_free(tree->roles);
    ks_free(tree->finals);
    ks_free(tree->wanted);
    ks_free(tree->shots);
    ks_free(tree->outcome);
}

enum ks_err ks_tree_simulate(const struct ks_engine *engine,
                             const struct ks_engine_context *context,
                             struct ks_counts **out_counts)
{
    const size_t shots = (size_t)context->spec->shots;
    enum ks_err err = KS_OK;
    struct ks_tree tree;

    KS_TRY(tree_init(&tree, engine, context));
    tree.shots = ks_calloc(shots, sizeof *tree.shots);
    KS_CHECK(tree.shots != NULL, KS_ERR_NOMEM, "no memory for %zu shots", shots);
    for (size_t i = 0; i < shots; i++) {
        tree.shots[i] = (uint32_t)i;
    }
    KS_TRY(run_all(&tree));
    KS_TRY(ks_tally_finish(tree.tally, out_counts));
    ks_counts_set_facts(*out_counts, &tree.facts);
out:
    tree_done(&tree);
    return err;
}

enum ks_err ks_tree_probabilities(const struct ks_engine *engine,
                                  const struct ks_engine_context *context,
                                  double *out_probabilities)
{
    enum ks_err err = KS_OK;
    struct ks_tree tree;

    KS_TRY(tree_init(&tree, engine, context));
    ks_zero(out_probabilities,
            ((size_t)1 << context->circuit->clbit_count) * sizeof *out_probabilities);
    tree.probabilities = out_probabilities;
    KS_TRY(run_all(&tree));
out:
    tree_done(&tree);
    return err;
}
