/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/sparse.h"

#include "quantum/philox.h"
#include "quantum/plan.h"

#define WHAT            "amplitudes"
#define CAP_FIRST       16
#define ENTRIES_BETWEEN 65536 /* between two questions whether to go on */
#define CAP_MAX                                                                                \
    ((size_t)1 << 30) /* entries have 32-bit numbers, and pairs twice as many slots */

/* Entry e: basis state keys[e * words …], bit q is qubit q; amplitude amps[2e], amps[2e + 1].
 */
struct entries {
    uint64_t *keys;
    double *amps;
    size_t count;
    size_t cap;
};

struct state {
    const struct ks_engine_context *context;
    size_t words; /* of a key */
    struct entries entries;
    struct entries spare; /* what the next mixing gate writes */
    size_t peak;
    double discarded;
};

/* --- memory ------------------------------------------------------------------------------- */

static void entries_done(struct state *state, struct entries *entries)
{
    struct ks_budget *budget = state->context->budget;

    ks_budget_drop(budget, entries->keys, entries->cap, state->words * sizeof *entries->keys);
    ks_budget_drop(budget, entries->amps, entries->cap, 2 * sizeof *entries->amps);
    *entries = (struct entries){0};
}

/* Room for CAP entries; those that there were are gone. */
static enum ks_err entries_room(struct state *state, struct entries *entries, size_t needed)
{
    struct ks_budget *budget = state->context->budget;
    enum ks_err err = KS_OK;
    size_t cap = CAP_FIRST;
    void *memory = NULL;

    if (needed <= entries->cap) {
        return KS_OK;
    }
    if (needed > CAP_MAX) {
        return ks_fail(KS_ERR_LIMIT, "needs %zu amplitudes, limit %zu", needed, CAP_MAX);
    }
    while (cap < needed) {
        cap *= 2;
    }
    entries_done(state, entries);
    entries->cap = cap;
    err = ks_budget_new(budget, cap, state->words * sizeof *entries->keys, WHAT, &memory);
    if (err == KS_OK) {
        entries->keys = memory;
        err = ks_budget_new(budget, cap, 2 * sizeof *entries->amps, WHAT, &memory);
    }
    if (err == KS_OK) {
        entries->amps = memory;
    }
    return err;
}

static void destroy(void *context)
{
    struct state *state = context;

    if (state != NULL) {
        entries_done(state, &state->entries);
        entries_done(state, &state->spare);
        ks_free(state);
    }
}

static enum ks_err create(const struct ks_engine_context *context, void **out_state)
{
    struct state *state = ks_calloc(1, sizeof *state);
    enum ks_err err = KS_OK;

    KS_CHECK(state != NULL, KS_ERR_NOMEM, "no memory for " WHAT);
    state->context = context;
    state->words = ((size_t)context->circuit->qubit_count + 63) / 64;
    KS_TRY(entries_room(state, &state->entries, 1));
    state->entries.count = 1;
    state->entries.amps[0] = 1;
    state->peak = 1;
    *out_state = state;
    state = NULL;
out:
    destroy(state);
    return err;
}

static void append(const struct state *state, struct entries *entries, const uint64_t *key,
                   double re, double im)
{
    const size_t at = entries->count++;

    ks_copy(entries->keys + at * state->words, key, state->words * sizeof *key);
    entries->amps[2 * at] = re;
    entries->amps[2 * at + 1] = im;
}

static enum ks_err copy(const void *source, void **out_copy)
{
    const struct state *state = source;
    const struct entries *entries = &state->entries;
    enum ks_err err = KS_OK;
    struct state *made = NULL;
    void *memory = NULL;

    KS_TRY(create(state->context, &memory));
    made = memory;
    KS_TRY(entries_room(made, &made->entries, entries->count));
    ks_copy(made->entries.keys, entries->keys,
            entries->count * state->words * sizeof *entries->keys);
    ks_copy(made->entries.amps, entries->amps, 2 * entries->count * sizeof *entries->amps);
    made->entries.count = entries->count;
    made->peak = state->peak;
    made->discarded = state->discarded;
    *out_copy = made;
    made = NULL;
out:
    destroy(made);
    return err;
}

/* Asks now and then, between entries, whether to go on. */
static enum ks_err go_on_at(const struct state *state, size_t entry)
{
    return entry % ENTRIES_BETWEEN == 0 ? ks_budget_go_on(state->context->budget) : KS_OK;
}

/* --- gates that move entries or turn their phases ------------------------------------------
 */

static uint64_t *key_of(const struct state *state, const struct entries *entries, size_t at)
{
    return entries->keys + at * state->words;
}

static void flip(uint64_t *key, uint32_t qubit)
{
    key[qubit / 64] ^= (uint64_t)1 << qubit % 64;
}

static void turn(double *amp, const double factor[2])
{
    const double re = amp[0];
    const double im = amp[1];

    amp[0] = re * factor[0] - im * factor[1];
    amp[1] = re * factor[1] + im * factor[0];
}

static enum ks_err swap_bits(struct state *state, const struct ks_op *op, unsigned controls)
{
    const uint32_t a = op->qubits[controls];
    const uint32_t b = op->qubits[controls + 1];
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < state->entries.count; i++) {
        uint64_t *key = key_of(state, &state->entries, i);

        KS_TRY(go_on_at(state, i));
        if ((controls == 0 || ks_bit(key, op->qubits[0])) && ks_bit(key, a) != ks_bit(key, b)) {
            flip(key, a);
            flip(key, b);
        }
    }
out:
    return err;
}

static bool controls_hold(const uint64_t *key, const struct ks_op *op, unsigned controls)
{
    bool hold = true;

    for (unsigned i = 0; hold && i < controls; i++) {
        hold = ks_bit(key, op->qubits[i]);
    }
    return hold;
}

/* exp(-i angle / 2 ZZ) */
static enum ks_err turn_by_parity(struct state *state, const struct ks_op *op,
                                  const double m[8])
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < state->entries.count; i++) {
        const uint64_t *key = key_of(state, &state->entries, i);
        const bool odd = ks_bit(key, op->qubits[0]) != ks_bit(key, op->qubits[1]);

        KS_TRY(go_on_at(state, i));
        turn(state->entries.amps + 2 * i, odd ? m + 6 : m);
    }
out:
    return err;
}

/* A matrix with two zeros: diagonal, or FLIPS with the others. */
static enum ks_err move(struct state *state, const struct ks_op *op, unsigned controls,
                        const double m[8], bool flips)
{
    const uint32_t target = op->qubits[controls];
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < state->entries.count; i++) {
        uint64_t *key = key_of(state, &state->entries, i);

        KS_TRY(go_on_at(state, i));
        if (controls_hold(key, op, controls)) {
            const bool bit = ks_bit(key, target);

            turn(state->entries.amps + 2 * i, m + 4 * (bit != flips) + 2 * bit);
            if (flips) {
                flip(key, target);
            }
        }
    }
out:
    return err;
}

/* --- gates that mix pairs ------------------------------------------------------------------
 */

#define NONE UINT32_MAX

/* Entries whose keys differ by what the gate flips: numbers of the one with bit TARGET 0 and
 * the one with 1. */
struct pair {
    uint32_t entries[2];
};

struct pairs {
    struct pair *pairs;
    size_t count;
    uint32_t *slots; /* open addressing: NONE or the number of a pair */
    size_t mask;
};

/* What a mixing gate does. */
struct mix {
    const struct ks_op *op;
    unsigned controls;
    uint32_t target; /* which of a pair is which */
    uint32_t other;  /* flips with it; the same for one qubit */
    double m[8];
};

static void flip_pair(const struct mix *mix, uint64_t *key)
{
    flip(key, mix->target);
    if (mix->other != mix->target) {
        flip(key, mix->other);
    }
}

static uint64_t hash_of(const struct state *state, const uint64_t *key)
{
    uint64_t hash = state->context->spec->seed;

    for (size_t w = 0; w < state->words; w++) {
        hash = (hash ^ key[w]) * UINT64_C(0x9E3779B97F4A7C15);
        hash ^= hash >> 32;
        hash *= UINT64_C(0xBF58476D1CE4E5B9);
        hash ^= hash >> 29;
    }
    return hash;
}

static bool keys_equal(const struct state *state, const uint64_t *a, const uint64_t *b)
{
    size_t w = 0;

    while (w < state->words && a[w] == b[w]) {
        w++;
    }
    return w == state->words;
}

/* Puts entry AT into its pair. The table knows pairs by the key with bit TARGET clear, and that
 * is what the entry's key becomes. */
static void add_to_pair(const struct state *state, struct pairs *pairs, const struct mix *mix,
                        uint32_t at)
{
    uint64_t *key = key_of(state, &state->entries, at);
    const bool bit = ks_bit(key, mix->target);
    size_t slot;

    if (bit) {
        flip_pair(mix, key);
    }
    slot = (size_t)hash_of(state, key) & pairs->mask;
    while (pairs->slots[slot] != NONE) {
        struct pair *pair = &pairs->pairs[pairs->slots[slot]];

        if (keys_equal(
                state, key,
                key_of(state, &state->entries, pair->entries[pair->entries[0] == NONE]))) {
            pair->entries[bit] = at;
            return;
        }
        slot = (slot + 1) & pairs->mask;
    }
    pairs->slots[slot] = (uint32_t)pairs->count;
    pairs->pairs[pairs->count] = (struct pair){{NONE, NONE}};
    pairs->pairs[pairs->count++].entries[bit] = at;
}

/* Appends an amplitude that came out of a pair, if it is worth it. */
static void keep(struct state *state, const uint64_t *key, double re, double im)
{
    const double square = re * re + im * im;

    if (square > KS_SPARSE_TINY) {
        append(state, &state->spare, key, re, im);
    } else {
        state->discarded += square;
    }
}

static void mix_pair(struct state *state, const struct mix *mix, const struct pair *pair)
{
    static const double none[2] = {0, 0};
    const double *a =
        pair->entries[0] == NONE ? none : state->entries.amps + 2 * (size_t)pair->entries[0];
    const double *b =
        pair->entries[1] == NONE ? none : state->entries.amps + 2 * (size_t)pair->entries[1];
    uint64_t *key = key_of(state, &state->entries, pair->entries[pair->entries[0] == NONE]);
    const double *m = mix->m;

    keep(state, key, (m[0] * a[0] - m[1] * a[1]) + (m[2] * b[0] - m[3] * b[1]),
         (m[0] * a[1] + m[1] * a[0]) + (m[2] * b[1] + m[3] * b[0]));
    flip_pair(mix, key);
    keep(state, key, (m[4] * a[0] - m[5] * a[1]) + (m[6] * b[0] - m[7] * b[1]),
         (m[4] * a[1] + m[5] * a[0]) + (m[6] * b[1] + m[7] * b[0]));
}

static enum ks_err mix_entries(struct state *state, const struct mix *mix)
{
    struct ks_budget *budget = state->context->budget;
    struct entries *entries = &state->entries;
    const size_t count = entries->count;
    enum ks_err err = KS_OK;
    struct pairs pairs = {0};
    struct entries mixed;
    size_t slots = 4;
    void *memory = NULL;

    while (slots < 2 * count) {
        slots *= 2;
    }
    KS_TRY(ks_budget_new(budget, count, sizeof *pairs.pairs, WHAT, &memory));
    pairs.pairs = memory;
    KS_TRY(ks_budget_new(budget, slots, sizeof *pairs.slots, WHAT, &memory));
    pairs.slots = memory;
    pairs.mask = slots - 1;
    for (size_t i = 0; i < slots; i++) {
        KS_TRY(go_on_at(state, i));
        pairs.slots[i] = NONE;
    }
    /* At first all that the controls leave alone, then the pairs. */
    for (size_t i = 0; i < count; i++) {
        KS_TRY(go_on_at(state, i));
        if (controls_hold(key_of(state, entries, i), mix->op, mix->controls)) {
            add_to_pair(state, &pairs, mix, (uint32_t)i);
        }
    }
    state->spare.count = 0;
    KS_TRY(entries_room(state, &state->spare, count + pairs.count));
    for (size_t i = 0; mix->controls > 0 && i < count; i++) {
        const uint64_t *key = key_of(state, entries, i);

        KS_TRY(go_on_at(state, i));
        if (!controls_hold(key, mix->op, mix->controls)) {
            append(state, &state->spare, key, entries->amps[2 * i], entries->amps[2 * i + 1]);
        }
    }
    for (size_t i = 0; i < pairs.count; i++) {
        KS_TRY(go_on_at(state, i));
        mix_pair(state, mix, &pairs.pairs[i]);
    }
    mixed = state->spare;
    state->spare = state->entries;
    state->entries = mixed;
    state->peak = mixed.count > state->peak ? mixed.count : state->peak;
out:
    ks_budget_drop(budget, pairs.pairs, count, sizeof *pairs.pairs);
    ks_budget_drop(budget, pairs.slots, slots, sizeof *pairs.slots);
    return err;
}

/* --- one gate ------------------------------------------------------------------------------
 */

static bool is_zero(const double *value)
{
    return value[0] == 0 && value[1] == 0;
}

/* exp(-i angle / 2 PP) */
static enum ks_err apply_two_axes(struct state *state, const struct ks_op *op,
                                  const double *params)
{
    const bool along_x = op->gate == KS_GATE_RXX;
    const struct ks_op one = {.gate = along_x ? KS_GATE_RX : KS_GATE_CRZ};
    struct mix mix = {.op = op, .target = op->qubits[0], .other = op->qubits[1]};

    ks_gate_matrix(&one, params, mix.m);
    if (along_x) {
        return mix_entries(state, &mix);
    }
    return turn_by_parity(state, op, mix.m);
}

static enum ks_err apply(struct state *state, const struct ks_op *op)
{
    const enum ks_gate kind = (enum ks_gate)op->gate;
    const double *params = ks_op_params(state->context->circuit, op);
    const unsigned controls = ks_gate_info(kind)->qubits - 1;
    struct mix mix = {.op = op, .controls = controls};

    switch (kind) {
    case KS_GATE_ID:
        return KS_OK;
    case KS_GATE_SWAP:
    case KS_GATE_CSWAP:
        return swap_bits(state, op, kind == KS_GATE_CSWAP);
    case KS_GATE_RXX:
    case KS_GATE_RZZ:
        return apply_two_axes(state, op, params);
    default:
        break;
    }
    mix.target = op->qubits[controls];
    mix.other = mix.target;
    ks_gate_matrix(op, params, mix.m);
    if (is_zero(mix.m + 2) && is_zero(mix.m + 4)) {
        return move(state, op, controls, mix.m, false);
    }
    if (is_zero(mix.m) && is_zero(mix.m + 6)) {
        return move(state, op, controls, mix.m, true);
    }
    return mix_entries(state, &mix);
}

static enum ks_err gate(void *context, const struct ks_op *op)
{
    struct state *state = context;
    const enum ks_err err =
        ks_budget_spend(state->context->budget, (4 + state->words) * state->entries.count);

    return err == KS_OK ? apply(state, op) : err;
}

/* --- measurement ---------------------------------------------------------------------------
 */

static double square_of(const struct entries *entries, size_t at)
{
    return entries->amps[2 * at] * entries->amps[2 * at] +
           entries->amps[2 * at + 1] * entries->amps[2 * at + 1];
}

static enum ks_err weigh(void *context, uint32_t qubit, double *out_p1)
{
    const struct state *state = context;
    enum ks_err err = KS_OK;
    double weights[2] = {0, 0};

    for (size_t i = 0; i < state->entries.count; i++) {
        KS_TRY(go_on_at(state, i));
        weights[ks_bit(key_of(state, &state->entries, i), qubit)] +=
            square_of(&state->entries, i);
    }
    KS_CHECK(weights[0] + weights[1] > 0, KS_ERR_INTERNAL, "the state has no amplitude left");
    *out_p1 = weights[1] / (weights[0] + weights[1]);
    KS_TRY(ks_budget_spend(state->context->budget, state->entries.count));
out:
    return err;
}

static enum ks_err collapse(void *context, uint32_t qubit, bool outcome, double probability)
{
    struct state *state = context;
    struct entries *entries = &state->entries;
    const double scale = 1 / __builtin_sqrt(probability);
    const size_t count = entries->count;
    enum ks_err err = KS_OK;

    entries->count = 0;
    for (size_t i = 0; i < count; i++) {
        const uint64_t *key = key_of(state, entries, i);
        const double re = entries->amps[2 * i] * scale;
        const double im = entries->amps[2 * i + 1] * scale;

        KS_TRY(go_on_at(state, i));
        if (ks_bit(key, qubit) == outcome) {
            if (entries->count == i) {
                entries->count++;
                entries->amps[2 * i] = re;
                entries->amps[2 * i + 1] = im;
            } else {
                append(state, entries, key, re, im);
            }
        }
    }
out:
    return err;
}

/* The first entry whose sum of squares up to and with it is above TARGET. */
static size_t find(const double *sums, size_t count, double target)
{
    size_t low = 0;
    size_t high = count - 1;

    while (low < high) {
        const size_t middle = low + (high - low) / 2;

        if (sums[middle] > target) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return low;
}

static enum ks_err sample(void *context, struct ks_sampling *sampling)
{
    struct state *state = context;
    struct ks_budget *budget = state->context->budget;
    const struct entries *entries = &state->entries;
    const size_t count = entries->count;
    enum ks_err err = KS_OK;
    void *memory = NULL;
    double *sums = NULL;
    double sum = 0;

    KS_TRY(ks_budget_new(budget, count, sizeof *sums, "sums of probabilities", &memory));
    sums = memory;
    for (size_t i = 0; i < count; i++) {
        KS_TRY(go_on_at(state, i));
        sum += square_of(entries, i);
        sums[i] = sum;
    }
    for (size_t s = 0; s < sampling->shot_count; s++) {
        const uint64_t draw =
            ks_philox_draw(sampling->seed, sampling->shots[s], sampling->draws, KS_DRAW_SAMPLE);
        const double target = (double)draw * (1.0 / ((uint64_t)1 << KS_DRAW_BITS)) * sum;

        KS_TRY(ks_sampling_add(sampling, key_of(state, entries, find(sums, count, target)), 1));
    }
out:
    ks_budget_drop(budget, sums, count, sizeof *sums);
    return err;
}

static void report(const void *context, struct ks_simulate_facts *facts)
{
    const struct state *state = context;

    facts->amplitudes = state->peak > facts->amplitudes ? state->peak : facts->amplitudes;
    facts->discarded_weight =
        state->discarded > facts->discarded_weight ? state->discarded : facts->discarded_weight;
}

const struct ks_engine ks_sparse_engine = {
    .method = KS_METHOD_SPARSE,
    .create = create,
    .destroy = destroy,
    .copy = copy,
    .gate = gate,
    .weigh = weigh,
    .collapse = collapse,
    .sample = sample,
    .report = report,
};
