/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/frames.h"

#include "quantum/control.h"
#include "quantum/counts.h"
#include "quantum/live.h"
#include "quantum/philox.h"
#include "quantum/stabilizer.h"
#include "quantum/tableau.h"

#define PASS_WORDS    16 /* of 64 shots: what one pass over the circuit takes along */
#define ITEMS_BETWEEN 64 /* steps done between two questions whether to go on */

enum kind {
    KIND_STEP,    /* a Clifford gate */
    KIND_PAULI,   /* one with a condition */
    KIND_MEASURE, /* at the end: the frame need not be kept */
    KIND_MIDDLE,  /* a measurement that others follow */
    KIND_RESET,
};

/* What is done to the frames, in order. */
struct item {
    uint8_t kind;
    bool reference; /* PAULI: done in the reference course; MEASURE, MIDDLE: its outcome */
    uint16_t condition;
    struct ks_clifford_step step; /* a: the qubit of those that are no step */
    uint32_t clbit;
};

struct frames {
    const struct ks_engine_context *context;
    struct item *items; /* owned, as is the rest */
    size_t item_count;
    size_t item_cap;
    uint64_t *x; /* PASS_WORDS words for each qubit */
    uint64_t *z;
    uint64_t *clbits; /* the same for each classical bit, and one set more */
    size_t words;     /* of them in use */
    uint64_t first;   /* of the shots of this pass, in words */
    uint32_t draws;
    uint64_t *outcomes; /* 64 of them */
    struct ks_tally *tally;
};

static bool is_pauli(const struct ks_clifford *clifford)
{
    for (unsigned i = 0; i < clifford->count; i++) {
        if (clifford->steps[i].kind != KS_CLIFFORD_LOCAL ||
            (clifford->steps[i].local & KS_LOCAL_MIXES) != 0) {
            return false;
        }
    }
    return true;
}

bool ks_frames_fit(const struct ks_circuit *circuit, const uint8_t *roles)
{
    bool middle = false;

    if (circuit->dynamic) {
        return false; /* no two shots need take the same course */
    }
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];
        const bool stays = roles[i] == KS_ROLE_MEASURE || roles[i] == KS_ROLE_RESET;
        struct ks_clifford clifford;

        middle = middle || stays;
        if (op->condition != 0 &&
            (stays || (roles[i] == KS_ROLE_GATE &&
                       (!ks_clifford_of(op, ks_op_params(circuit, op), &clifford) ||
                        !is_pauli(&clifford))))) {
            return false;
        }
    }
    return middle;
}

/* --- the reference course ----------------------------------------------------------------- */

static enum ks_err add_item(struct frames *frames, const struct item *item)
{
    struct ks_budget *budget = frames->context->budget;
    enum ks_err err = KS_OK;

    if (frames->item_count == frames->item_cap) {
        const size_t cap = frames->item_cap == 0 ? 1024 : 2 * frames->item_cap;
        void *grown = NULL;

        KS_TRY(ks_budget_new(budget, cap, sizeof *item, "the steps of the frames", &grown));
        ks_copy(grown, frames->items, frames->item_count * sizeof *item);
        ks_budget_drop(budget, frames->items, frames->item_cap, sizeof *item);
        frames->items = grown;
        frames->item_cap = cap;
    }
    frames->items[frames->item_count++] = *item;
out:
    return err;
}

/* A gate in the reference course and as items. */
static enum ks_err refer_gate(struct frames *frames, void *tableau, const struct ks_op *op,
                              const uint64_t *clbits)
{
    const struct ks_circuit *circuit = frames->context->circuit;
    const bool done = op->condition == 0 ||
                      ks_condition_holds(&circuit->conditions[op->condition - 1], clbits);
    struct ks_clifford clifford;
    enum ks_err err = KS_OK;

    if (done) {
        KS_TRY(ks_stabilizer_engine.gate(tableau, op));
    }
    KS_CHECK(ks_clifford_of(op, ks_op_params(circuit, op), &clifford), KS_ERR_INTERNAL,
             "not a Clifford gate any more");
    for (unsigned i = 0; i < clifford.count; i++) {
        const struct item item = {
            .kind = op->condition == 0 ? KIND_STEP : KIND_PAULI,
            .reference = done,
            .condition = op->condition,
            .step = clifford.steps[i],
        };

        /* Without a condition a Pauli gate is the same in all shots. */
        if (op->condition != 0 || clifford.steps[i].kind != KS_CLIFFORD_LOCAL ||
            (clifford.steps[i].local & KS_LOCAL_MIXES) != 0) {
            KS_TRY(add_item(frames, &item));
        }
    }
out:
    return err;
}

static enum ks_err refer_measure(struct frames *frames, void *tableau, const struct ks_op *op,
                                 enum ks_role role, uint64_t *clbits)
{
    const uint32_t qubit = op->qubits[0];
    const struct ks_op flip = {.gate = KS_GATE_X, .qubits = {qubit}};
    struct item item = {.kind = KIND_MEASURE, .step = {.a = qubit}, .clbit = op->clbit};
    enum ks_err err = KS_OK;
    double p1 = 0;

    KS_TRY(ks_stabilizer_engine.weigh(tableau, qubit, &p1));
    item.reference = p1 > 0.5;
    KS_TRY(ks_stabilizer_engine.collapse(tableau, qubit, item.reference,
                                         item.reference ? p1 : 1 - p1));
    if (role == KS_ROLE_RESET) {
        item.kind = KIND_RESET;
        if (item.reference) {
            KS_TRY(ks_stabilizer_engine.gate(tableau, &flip));
        }
    } else {
        item.kind = role == KS_ROLE_FINAL ? KIND_MEASURE : KIND_MIDDLE;
        ks_bit_set(clbits, op->clbit, item.reference);
    }
    KS_TRY(add_item(frames, &item));
out:
    return err;
}

static enum ks_err refer(struct frames *frames, const uint8_t *roles)
{
    const struct ks_circuit *circuit = frames->context->circuit;
    uint64_t *clbits = ks_calloc(ks_tally_words(frames->tally), sizeof *clbits);
    enum ks_err err = KS_OK;
    void *tableau = NULL;

    KS_CHECK(clbits != NULL, KS_ERR_NOMEM, "no memory for an outcome");
    KS_TRY(ks_stabilizer_engine.create(frames->context, &tableau));
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];

        if (roles[i] == KS_ROLE_GATE) {
            KS_TRY(refer_gate(frames, tableau, op, clbits));
        } else if (roles[i] != KS_ROLE_DEAD && roles[i] != KS_ROLE_TIDY) {
            KS_TRY(refer_measure(frames, tableau, op, (enum ks_role)roles[i], clbits));
        }
    }
out:
    ks_stabilizer_engine.destroy(tableau);
    ks_free(clbits);
    return err;
}

/* --- frames ------------------------------------------------------------------------------- */

/* TARGET[w] ^= draw frames->draws of each shot of this pass. */
static void add_draw(struct frames *frames, uint64_t *target)
{
    for (size_t w = 0; w < frames->words; w += 2) {
        uint64_t bits[2];

        ks_philox_bits(frames->context->spec->seed, (frames->first + w) / 2, frames->draws,
                       bits);
        target[w] ^= bits[0];
        target[w + 1] ^= bits[1];
    }
    frames->draws++;
}

static uint64_t *frame_of(uint64_t *frames, uint32_t index)
{
    return frames + (size_t)index * PASS_WORDS;
}

static void apply_local(const struct frames *frames, unsigned local, uint32_t qubit)
{
    uint64_t *const x = frame_of(frames->x, qubit);
    uint64_t *const z = frame_of(frames->z, qubit);
    const bool swap = (local & KS_LOCAL_SWAP) != 0;
    /* The step says what U^-1 P U is; of the signs apart, U P U^-1 goes the same way. */
    const uint64_t to_z = (local & KS_LOCAL_MUL_X) != 0 ? UINT64_MAX : 0;
    const uint64_t to_x = (local & KS_LOCAL_MUL_Z) != 0 ? UINT64_MAX : 0;

    for (size_t w = 0; w < frames->words; w++) {
        const uint64_t new_z = z[w] ^ (x[w] & to_z);
        const uint64_t new_x = x[w] ^ (z[w] & to_x);

        x[w] = swap ? new_z : new_x;
        z[w] = swap ? new_x : new_z;
    }
}

static void apply_step(const struct frames *frames, const struct ks_clifford_step *step)
{
    uint64_t *const xa = frame_of(frames->x, step->a);
    uint64_t *const za = frame_of(frames->z, step->a);
    uint64_t *const xb = frame_of(frames->x, step->b);
    uint64_t *const zb = frame_of(frames->z, step->b);

    switch ((enum ks_clifford_kind)step->kind) {
    case KS_CLIFFORD_LOCAL:
        apply_local(frames, step->local, step->a);
        break;
    case KS_CLIFFORD_CX:
        for (size_t w = 0; w < frames->words; w++) {
            xb[w] ^= xa[w];
            za[w] ^= zb[w];
        }
        break;
    case KS_CLIFFORD_CZ:
        for (size_t w = 0; w < frames->words; w++) {
            za[w] ^= xb[w];
            zb[w] ^= xa[w];
        }
        break;
    case KS_CLIFFORD_SWAP:
        for (size_t w = 0; w < frames->words; w++) {
            const uint64_t x = xa[w];
            const uint64_t z = za[w];

            xa[w] = xb[w];
            za[w] = zb[w];
            xb[w] = x;
            zb[w] = z;
        }
        break;
    }
}

/* A Pauli gate in the shots where its condition decides otherwise than in the reference. */
static void apply_pauli(const struct frames *frames, const struct item *item)
{
    const struct ks_condition *condition =
        &frames->context->circuit->conditions[item->condition - 1];
    uint64_t *const x = frame_of(frames->x, item->step.a);
    uint64_t *const z = frame_of(frames->z, item->step.a);
    const uint64_t turns_x = (item->step.local & KS_LOCAL_NEG_Z) != 0 ? UINT64_MAX : 0;
    const uint64_t turns_z = (item->step.local & KS_LOCAL_NEG_X) != 0 ? UINT64_MAX : 0;
    const bool possible = ks_condition_possible(condition);

    for (size_t w = 0; w < frames->words; w++) {
        uint64_t done = possible ? UINT64_MAX : 0;

        for (uint32_t i = 0; i < condition->count; i++) {
            const uint64_t bits = frame_of(frames->clbits, condition->first + i)[w];

            done &= ks_condition_bit(condition, i) ? bits : ~bits;
        }
        done ^= item->reference ? UINT64_MAX : 0;
        x[w] ^= done & turns_x;
        z[w] ^= done & turns_z;
    }
}

static void apply_measure(struct frames *frames, const struct item *item)
{
    const uint64_t *x = frame_of(frames->x, item->step.a);
    uint64_t *bits = frame_of(frames->clbits, item->clbit);

    for (size_t w = 0; w < frames->words; w++) {
        bits[w] = x[w] ^ (item->reference ? UINT64_MAX : 0);
    }
    if (item->kind == KIND_MIDDLE) {
        add_draw(frames, frame_of(frames->z, item->step.a));
    }
}

static enum ks_err run_pass(struct frames *frames)
{
    const struct ks_circuit *circuit = frames->context->circuit;
    enum ks_err err = KS_OK;

    ks_zero(frames->x, circuit->qubit_count * PASS_WORDS * sizeof *frames->x);
    ks_zero(frames->z, circuit->qubit_count * PASS_WORDS * sizeof *frames->z);
    ks_zero(frames->clbits, circuit->clbit_count * PASS_WORDS * sizeof *frames->clbits);
    frames->draws = 0;
    for (uint32_t q = 0; q < circuit->qubit_count; q++) {
        add_draw(frames, frame_of(frames->z, q));
    }
    for (size_t i = 0; i < frames->item_count; i++) {
        const struct item *item = &frames->items[i];

        if (i % ITEMS_BETWEEN == 0) {
            KS_TRY(ks_budget_go_on(frames->context->budget));
        }
        switch ((enum kind)item->kind) {
        case KIND_STEP:
            apply_step(frames, &item->step);
            break;
        case KIND_PAULI:
            apply_pauli(frames, item);
            break;
        case KIND_MEASURE:
        case KIND_MIDDLE:
            apply_measure(frames, item);
            break;
        case KIND_RESET:
            ks_zero(frame_of(frames->x, item->step.a), PASS_WORDS * sizeof *frames->x);
            add_draw(frames, frame_of(frames->z, item->step.a));
            break;
        }
    }
out:
    return err;
}

/* Counts the first SHOTS shots of word WORD of the pass. */
static enum ks_err count_word(struct frames *frames, size_t word, size_t shots)
{
    const uint32_t clbits = frames->context->circuit->clbit_count;
    const size_t words = ks_tally_words(frames->tally);
    enum ks_err err = KS_OK;

    ks_zero(frames->outcomes, 64 * words * sizeof *frames->outcomes);
    for (uint32_t first = 0; first < clbits; first += 64) {
        uint64_t square[64] = {0};

        for (uint32_t i = 0; i < 64 && i < clbits - first; i++) {
            square[i] = frame_of(frames->clbits, first + i)[word];
        }
        ks_transpose_64(square);
        for (size_t shot = 0; shot < 64; shot++) {
            frames->outcomes[shot * words + first / 64] = square[shot];
        }
    }
    for (size_t shot = 0; shot < shots; shot++) {
        KS_TRY(ks_tally_add(frames->tally, frames->outcomes + shot * words, 1));
    }
out:
    return err;
}

static enum ks_err run_passes(struct frames *frames)
{
    const uint64_t shots = frames->context->spec->shots;
    enum ks_err err = KS_OK;

    for (uint64_t first = 0; first < shots; first += 64 * PASS_WORDS) {
        const uint64_t left = shots - first;
        const size_t count = left < 64 * PASS_WORDS ? (size_t)left : (size_t)64 * PASS_WORDS;

        frames->first = first / 64;
        frames->words = (count + 127) / 128 * 2;
        KS_TRY(run_pass(frames));
        for (size_t word = 0; 64 * word < count; word++) {
            KS_TRY(count_word(frames, word, count - 64 * word < 64 ? count - 64 * word : 64));
        }
    }
out:
    return err;
}

/* --- all of it ---------------------------------------------------------------------------- */

static enum ks_err frames_init(struct frames *frames, const struct ks_engine_context *context)
{
    const struct ks_circuit *circuit = context->circuit;
    const size_t size = PASS_WORDS * sizeof(uint64_t);
    struct ks_budget *budget = context->budget;
    enum ks_err err = KS_OK;
    void *memory = NULL;

    *frames = (struct frames){.context = context};
    KS_TRY(ks_tally_new(circuit->clbit_count, context->spec->pool, &frames->tally));
    frames->outcomes = ks_calloc(64 * ks_tally_words(frames->tally), sizeof *frames->outcomes);
    KS_CHECK(frames->outcomes != NULL, KS_ERR_NOMEM, "no memory for outcomes");
    KS_TRY(ks_budget_new(budget, circuit->qubit_count, size, "frames", &memory));
    frames->x = memory;
    KS_TRY(ks_budget_new(budget, circuit->qubit_count, size, "frames", &memory));
    frames->z = memory;
    KS_TRY(ks_budget_new(budget, circuit->clbit_count, size, "frames", &memory));
    frames->clbits = memory;
out:
    return err;
}

static void frames_done(struct frames *frames)
{
    const struct ks_circuit *circuit = frames->context->circuit;
    const size_t size = PASS_WORDS * sizeof(uint64_t);
    struct ks_budget *budget = frames->context->budget;

    ks_budget_drop(budget, frames->items, frames->item_cap, sizeof *frames->items);
    ks_budget_drop(budget, frames->x, circuit->qubit_count, size);
    ks_budget_drop(budget, frames->z, circuit->qubit_count, size);
    ks_budget_drop(budget, frames->clbits, circuit->clbit_count, size);
    ks_free(frames->outcomes);
    ks_tally_free(frames->tally);
}

enum ks_err ks_frames_simulate(const struct ks_engine_context *context, const uint8_t *roles,
                               struct ks_counts **out_counts)
{
    const struct ks_simulate_facts facts = {.method = KS_METHOD_STABILIZER};
    enum ks_err err = KS_OK;
    struct frames frames;

    KS_TRY(frames_init(&frames, context));
    KS_TRY(refer(&frames, roles));
    KS_TRY(run_passes(&frames));
    KS_TRY(ks_tally_finish(frames.tally, out_counts));
    ks_counts_set_facts(*out_counts, &facts);
out:
    frames_done(&frames);
    return err;
}
