/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/plan.h"

#include "quantum/array.h"

/* Entries nearer than this to an exact value (0, 1, i, …) are that value: products of a few
 * matrices with rounded entries miss it by less. */
#define NEAR 0x1p-50

#define KS_PAIR_GATES_MAX 16

struct ks_pair_matrix {
    double entries[4][4][2]; /* row, column; bit i of both is qubit i */
};

/* Gates on two qubits that are held back. */
struct ks_pair {
    uint32_t qubits[2];
    uint32_t count;
    uint32_t whole_count; /* the first so many are a permutation with phases: WHOLE */
    struct ks_op ops[KS_PAIR_GATES_MAX];
    const double *params[KS_PAIR_GATES_MAX];
    struct ks_pair_matrix product;
    struct ks_pair_matrix whole;
};

static const double matrix_x[8] = {0, 0, 1, 0, 1, 0, 0, 0};
static const double one[2] = {1, 0};
static const double zero[2] = {0, 0};

/* --- 2 x 2 matrices ----------------------------------------------------------------------- */

static bool is_zero(const double *entry)
{
    return entry[0] == 0 && entry[1] == 0;
}

static bool is_one(const double *entry)
{
    return entry[0] == 1 && entry[1] == 0;
}

static bool same_entry(const double *a, const double *b)
{
    return a[0] == b[0] && a[1] == b[1];
}

static bool is_diagonal(const double m[8])
{
    return is_zero(&m[2]) && is_zero(&m[4]);
}

static bool is_antidiagonal(const double m[8])
{
    return is_zero(&m[0]) && is_zero(&m[6]);
}

static void multiply_entry(double target[2], const double factor[2])
{
    const double re = target[0] * factor[0] - target[1] * factor[1];
    const double im = target[0] * factor[1] + target[1] * factor[0];

    target[0] = re;
    target[1] = im;
}

/* TARGET = LEFT * TARGET: LEFT acts after it. */
static void multiply_matrix(double target[8], const double left[8])
{
    double product[8];

    for (unsigned row = 0; row < 2; row++) {
        for (unsigned column = 0; column < 2; column++) {
            double first[2] = {left[4 * row], left[4 * row + 1]};
            double second[2] = {left[4 * row + 2], left[4 * row + 3]};

            multiply_entry(first, &target[2 * column]);
            multiply_entry(second, &target[4 + 2 * column]);
            product[4 * row + 2 * column] = first[0] + second[0];
            product[4 * row + 2 * column + 1] = first[1] + second[1];
        }
    }
    ks_copy(target, product, sizeof product);
}

/* ENTRY, whose size is about 1, or the exact value that it was meant to be. */
static void snap(double entry[2])
{
    for (unsigned i = 0; i < 2; i++) {
        const double size = __builtin_fabs(entry[i]);

        if (size < NEAR) {
            entry[i] = 0;
        } else if (__builtin_fabs(size - 1) < NEAR) {
            entry[i] = entry[i] < 0 ? -1 : 1;
        }
    }
}

/* A / B, brought to size 1; returns the size that it had. */
static inline double phase_between(const double a[2], const double b[2], double out[2])
{
    const double conjugate[2] = {b[0], -b[1]};
    double size = 0;

    ks_copy(out, a, 2 * sizeof *out);
    multiply_entry(out, conjugate);
    size = __builtin_sqrt(out[0] * out[0] + out[1] * out[1]);
    if (size > 0) {
        out[0] /= size;
        out[1] /= size;
    }
    snap(out);
    return size / (b[0] * b[0] + b[1] * b[1]);
}

/* M = diag(1, after) (1, -t; t, 1) diag(1, before) up to a factor, where its entry 0 is the
 * larger of its column. */
static double rotation_of(const double m[8], double before[2], double after[2])
{
    const double minus[2] = {-m[2], -m[3]};
    double t = phase_between(&m[4], &m[0], after);

    (void)phase_between(minus, &m[0], before);
    if (t < NEAR) {
        return 0;
    }
    if (before[0] < 0 || (before[0] == 0 && before[1] < 0)) {
        for (unsigned i = 0; i < 2; i++) {
            before[i] = -before[i];
            after[i] = -after[i];
        }
        t = -t;
    }
    if (__builtin_fabs(t) > 1 - NEAR) {
        t = t < 0 ? -1 : 1;
    }
    return t;
}

/* --- emitting ----------------------------------------------------------------------------- */

void ks_plan_init(struct ks_plan *plan)
{
    *plan = (struct ks_plan){0};
}

void ks_plan_done(struct ks_plan *plan)
{
    ks_free(plan->steps);
    ks_free(plan->passes);
    ks_free(plan->groups);
    ks_free(plan->phases);
    ks_schedule_free(plan->schedule);
    ks_free(plan->pair);
    ks_kept_free(plan->kept);
    *plan = (struct ks_plan){0};
}

void ks_plan_begin(struct ks_plan *plan, struct ks_frame *frame)
{
    plan->frame = frame;
    plan->step_count = 0;
    plan->pass_count = 0;
    plan->group_count = 0;
    plan->phase_count = 0;
    plan->entry_count = 0;
    plan->chain_max = 0;
    plan->row_max = 0;
    plan->slots_first = frame->slot_count;
    plan->slots_peak = frame->slot_count;
    plan->err = KS_OK;
    plan->again = false;
    plan->drop_phases = false;
    if (plan->pair != NULL) {
        plan->pair->count = 0;
    }
}

/* Whether the plan only counts slots any more: masks have no room for them. */
static bool overflown(const struct ks_plan *plan)
{
    return plan->slots_peak > KS_SLOTS_MAX;
}

static void emit(struct ks_plan *plan, const struct ks_step *step)
{
    struct ks_step *steps = NULL;

    if (plan->err != KS_OK || overflown(plan)) {
        return;
    }
    if (plan->again) {
        ks_kept_step(plan, step);
        return;
    }
    steps = ks_array_room(plan->steps, &plan->step_cap, plan->step_count + 1, sizeof *steps);
    if (steps == NULL) {
        plan->err =
            ks_fail(KS_ERR_NOMEM, "no memory for a plan of %zu steps", plan->step_count);
        return;
    }
    plan->steps = steps;
    plan->steps[plan->step_count++] = *step;
}

/* Times FACTOR where all COUNT qubits are 1. */
static void emit_phase(struct ks_plan *plan, struct ks_qubit *const *qubits, uint32_t count,
                       const double factor[2])
{
    struct ks_step step = {
        .kind = KS_STEP_PHASE, .count = (uint8_t)count, .values = {factor[0], factor[1]}};

    if (is_one(factor)) {
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        step.masks[i] = qubits[i]->parity;
        step.inverted |= (uint8_t)(qubits[i]->bit << i);
    }
    emit(plan, &step);
}

/* --- slots -------------------------------------------------------------------------------- */

/* A new slot in the state (c0, c1); returns its bit. */
static uint64_t grow(struct ks_plan *plan, struct ks_frame *frame, const double c0[2],
                     const double c1[2])
{
    const uint32_t slot = frame->slot_count++;
    const struct ks_step step = {
        .kind = KS_STEP_GROW, .slot = (uint8_t)slot, .values = {c0[0], c0[1], c1[0], c1[1]}};

    if (plan->slots_peak < frame->slot_count) {
        plan->slots_peak = frame->slot_count;
    }
    emit(plan, &step);
    return (uint64_t)1 << (slot < 63 ? slot : 63);
}

static void grow_known(struct ks_plan *plan, struct ks_frame *frame, struct ks_qubit *qubit,
                       const double c0[2], const double c1[2])
{
    const uint64_t bit = grow(plan, frame, c0, c1);

    ks_qubit_set_parity(qubit, bit);
    qubit->flips = bit;
    qubit->bit = false;
    qubit->pending = false;
}

/* QUBIT, whose value follows from others, gets a slot of its own for the difference: 0 so far.
 */
static void detach(struct ks_plan *plan, struct ks_frame *frame, struct ks_qubit *qubit)
{
    const uint64_t bit = grow(plan, frame, one, zero);

    for (uint32_t q = 0; q < frame->qubit_count; q++) {
        struct ks_qubit *other = &frame->qubits[q];

        if (ks_parity(qubit->parity & other->flips) != 0) {
            other->flips |= bit;
        }
    }
    ks_qubit_set_parity(qubit, qubit->parity | bit);
    qubit->flips = bit;
}

/* QUBIT, whose value follows from others, changes places with one of them. */
static void promote(struct ks_frame *frame, struct ks_qubit *qubit)
{
    for (uint32_t q = 0; q < frame->qubit_count; q++) {
        struct ks_qubit *other = &frame->qubits[q];

        if (ks_parity(qubit->parity & other->flips) == 0) {
            continue;
        }
        if (qubit->flips == 0) {
            qubit->flips = other->flips;
            other->flips = 0;
        } else if (other != qubit) {
            other->flips ^= qubit->flips;
        }
    }
}

/* After this QUBIT, which has slots, can be flipped without another being changed. */
static void free_flips(struct ks_plan *plan, struct ks_frame *frame, struct ks_qubit *qubit)
{
    if (overflown(plan)) {
        return;
    }
    if (qubit->flips == 0) {
        promote(frame, qubit);
    }
    for (uint32_t q = 0; q < frame->qubit_count; q++) {
        struct ks_qubit *other = &frame->qubits[q];

        if (other->flips == 0 && ks_parity(other->parity & qubit->flips) != 0) {
            detach(plan, frame, other);
        }
    }
}

/* --- qubits ------------------------------------------------------------------------------- */

static void pend(struct ks_qubit *qubit, const double m[8])
{
    if (!qubit->pending) {
        ks_copy(qubit->matrix, m, sizeof qubit->matrix);
        qubit->pending = true;
    } else if (is_diagonal(m)) { /* the product's other halves are zeros */
        for (unsigned i = 0; i < 8; i += 2) {
            multiply_entry(&qubit->matrix[i], i < 4 ? &m[0] : &m[6]);
        }
    } else {
        multiply_matrix(qubit->matrix, m);
    }
    for (unsigned i = 0; i < 8; i += 2) {
        snap(&qubit->matrix[i]);
    }
    if (is_diagonal(qubit->matrix) && same_entry(&qubit->matrix[0], &qubit->matrix[6])) {
        qubit->pending = false; /* a global phase */
    }
}

static void pend_diagonal(struct ks_qubit *qubit, const double d0[2], const double d1[2])
{
    const double m[8] = {d0[0], d0[1], 0, 0, 0, 0, d1[0], d1[1]};

    pend(qubit, m);
}

static void resolve_known(struct ks_plan *plan, struct ks_frame *frame, struct ks_qubit *qubit)
{
    const double *m = qubit->matrix;
    const unsigned v = qubit->bit;

    if (is_zero(&m[4 * (1 - v) + 2 * v])) {
        qubit->pending = false;
    } else if (is_zero(&m[4 * v + 2 * v])) {
        qubit->pending = false;
        qubit->bit = !qubit->bit;
    } else {
        const double c0[2] = {m[2 * v], m[2 * v + 1]};
        const double c1[2] = {m[4 + 2 * v], m[4 + 2 * v + 1]};

        grow_known(plan, frame, qubit, c0, c1);
    }
}

static double size_of(const double entry[2])
{
    return entry[0] * entry[0] + entry[1] * entry[1];
}

/* The pending matrix is a rotation between two phases, maybe with an X after it, which is a
 * change of the frame. The second phase stays pending. */
static void resolve_rotation(struct ks_plan *plan, struct ks_frame *frame,
                             struct ks_qubit *qubit)
{
    struct ks_step step = {.kind = KS_STEP_ROTATE};
    const bool crossed = size_of(&qubit->matrix[0]) < size_of(&qubit->matrix[4]);
    double before[2];
    double after[2];
    double m[8];

    for (unsigned i = 0; i < 8; i++) {
        m[i] = qubit->matrix[crossed ? (i + 4) % 8 : i];
    }
    step.values[0] = rotation_of(m, before, after);
    if (step.values[0] == 0) {
        (void)phase_between(&m[6], &m[0], after);
    } else {
        free_flips(plan, frame, qubit);
        emit_phase(plan, &qubit, 1, before);
        step.values[0] = qubit->bit ? -step.values[0] : step.values[0];
        step.flips = qubit->flips;
        step.masks[0] = qubit->parity;
        emit(plan, &step);
    }
    qubit->pending = false;
    qubit->bit = qubit->bit != crossed;
    pend_diagonal(qubit, crossed ? after : one, crossed ? one : after);
}

static void resolve(struct ks_plan *plan, struct ks_frame *frame, uint32_t index)
{
    struct ks_qubit *qubit = &frame->qubits[index];

    if (!qubit->pending) {
        return;
    }
    if (qubit->slot < 0) {
        resolve_known(plan, frame, qubit);
    } else if (!is_diagonal(qubit->matrix)) {
        resolve_rotation(plan, frame, qubit);
    }
}

/* What is pending after ks_plan_resolve is a diagonal. */
static void push_phase(struct ks_plan *plan, struct ks_qubit *qubit)
{
    if (qubit->pending && qubit->slot >= 0) {
        double factor[2];

        (void)phase_between(&qubit->matrix[6], &qubit->matrix[0], factor);
        emit_phase(plan, &qubit, 1, factor);
    }
    qubit->pending = false;
}

static void flush(struct ks_plan *plan, struct ks_frame *frame, uint32_t index)
{
    resolve(plan, frame, index);
    push_phase(plan, &frame->qubits[index]);
}

/* The highest slot of QUBIT's parity that no other qubit has for itself. */
static unsigned free_slot(const struct ks_frame *frame, const struct ks_qubit *qubit)
{
    uint64_t bits = qubit->parity;

    for (uint32_t q = 0; q < frame->qubit_count; q++) {
        const struct ks_qubit *other = &frame->qubits[q];

        if (other->flips != 0 && (other->parity & (other->parity - 1)) == 0) {
            bits &= ~other->parity;
        }
    }
    KS_ASSERT(bits != 0); /* parities of qubits with flips are independent */
    return 63 - (unsigned)__builtin_clzll(bits);
}

/* Makes the parity of QUBIT a bit of the index. */
static void shear(struct ks_plan *plan, struct ks_frame *frame, struct ks_qubit *qubit)
{
    const unsigned slot = free_slot(frame, qubit);
    const uint64_t bit = (uint64_t)1 << slot;
    const uint64_t parity = qubit->parity;
    const struct ks_step step = {.kind = KS_STEP_SHEAR, .flips = bit, .masks = {parity & ~bit}};

    emit(plan, &step);
    for (uint32_t q = 0; q < frame->qubit_count; q++) {
        struct ks_qubit *other = &frame->qubits[q];

        if ((other->parity & bit) != 0) {
            ks_qubit_set_parity(other, other->parity ^ (parity & ~bit));
        }
        other->flips = (other->flips & ~bit) | (ks_parity(other->flips & parity) ? bit : 0);
    }
}

static void activate(struct ks_plan *plan, struct ks_frame *frame, uint32_t index)
{
    struct ks_qubit *qubit = &frame->qubits[index];

    resolve(plan, frame, index);
    if (qubit->slot < 0) {
        grow_known(plan, frame, qubit, qubit->bit ? zero : one, qubit->bit ? one : zero);
    }
    free_flips(plan, frame, qubit);
}

/* --- gates -------------------------------------------------------------------------------- */

/* Takes bit BIT, which has value VALUE, out of a table of 2^SIZE entries. */
static void table_fix(double *table, uint32_t size, uint32_t bit, unsigned value)
{
    const size_t low = ((size_t)1 << bit) - 1;

    for (size_t i = 0; i < (size_t)1 << (size - 1); i++) {
        const size_t source = (i & low) | (i & ~low) << 1 | (size_t)value << bit;

        table[2 * i] = table[2 * source];
        table[2 * i + 1] = table[2 * source + 1];
    }
}

/* A gate that is diagonal on COUNT qubits; bit i of the index into TABLE is the value of qubit
 * i. Entry i becomes the factor for its set of qubits being 1 that smaller sets do not give. */
static void plan_diagonal(struct ks_plan *plan, struct ks_frame *frame, const uint32_t *indices,
                          uint32_t count, double *table)
{
    struct ks_qubit *qubits[KS_OP_QUBITS_MAX];
    uint32_t left = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct ks_qubit *qubit = &frame->qubits[indices[i]];

        resolve(plan, frame, indices[i]);
        if (qubit->slot < 0) {
            table_fix(table, count - i + left, left, qubit->bit);
        } else {
            qubits[left++] = qubit;
        }
    }
    for (uint32_t b = 0; b < left; b++) {
        for (size_t i = 0; i < (size_t)1 << left; i++) {
            if ((i >> b & 1) != 0) {
                (void)phase_between(&table[2 * i], &table[2 * (i ^ (size_t)1 << b)],
                                    &table[2 * i]);
            }
        }
    }
    for (size_t i = 1; i < (size_t)1 << left; i++) {
        struct ks_qubit *chosen[KS_OP_QUBITS_MAX];
        uint32_t size = 0;

        for (uint32_t b = 0; b < left; b++) {
            if ((i >> b & 1) != 0) {
                chosen[size++] = qubits[b];
            }
        }
        if (size == 1) {
            pend_diagonal(chosen[0], one, &table[2 * i]);
        } else {
            emit_phase(plan, chosen, size, &table[2 * i]);
        }
    }
}

/* diag(D0, D1) on the last of COUNT qubits where the others are 1. */
static void plan_controlled_diagonal(struct ks_plan *plan, struct ks_frame *frame,
                                     const uint32_t *indices, uint32_t count,
                                     const double d0[2], const double d1[2])
{
    double table[2 << KS_OP_QUBITS_MAX];
    const size_t last = ((size_t)1 << count) - 1;

    for (size_t i = 0; i <= last; i++) {
        ks_copy(&table[2 * i], one, sizeof one);
    }
    ks_copy(&table[2 * (last >> 1)], d0, 2 * sizeof *d0);
    ks_copy(&table[2 * last], d1, 2 * sizeof *d1);
    plan_diagonal(plan, frame, indices, count, table);
}

/* X on TARGET where CONTROL is 1, a change of the frame. */
static void plan_cx(struct ks_plan *plan, struct ks_frame *frame, uint32_t control,
                    uint32_t target)
{
    struct ks_qubit *c = &frame->qubits[control];
    struct ks_qubit *t = &frame->qubits[target];

    resolve(plan, frame, control);
    if (c->slot < 0) {
        if (c->bit) {
            pend(t, matrix_x);
        }
        return;
    }
    flush(plan, frame, target);
    if (overflown(plan)) {
        activate(plan, frame, target);
        return;
    }
    if (t->flips != 0 && c->flips == 0 && ks_parity(c->parity & t->flips) != 0) {
        detach(plan, frame, c);
    }
    for (uint32_t q = 0; t->flips != 0 && q < frame->qubit_count; q++) {
        struct ks_qubit *other = &frame->qubits[q];

        if (other != t && ks_parity(c->parity & other->flips) != 0) {
            other->flips ^= t->flips;
        }
    }
    t->bit = t->bit != c->bit;
    ks_qubit_set_parity(t, t->parity ^ c->parity);
}

/* M = V diag(d0, d1) V+, for a unitary M: half the trace, and what is left is g s (n sigma)
 * with a unit vector n. */
static void eigen(const double m[8], double v[8], double d0[2], double d1[2])
{
    const double mean[2] = {(m[0] + m[6]) / 2, (m[1] + m[7]) / 2};
    const double half[2] = {(m[0] - m[6]) / 2, (m[1] - m[7]) / 2};
    const double size = __builtin_sqrt(size_of(half) + (size_of(&m[2]) + size_of(&m[4])) / 2);
    double square[2] = {half[0], half[1]}; /* (g s)^2 */
    double other[2] = {m[2], m[3]};
    double root[2];
    double z[2] = {half[0], half[1]};
    double xy[2] = {m[4], m[5]};
    double column[4];
    double norm = 0;

    multiply_entry(square, half);
    multiply_entry(other, &m[4]);
    square[0] += other[0];
    square[1] += other[1];
    norm = __builtin_sqrt(size_of(square));
    root[0] = __builtin_sqrt(square[0] > -norm ? (norm + square[0]) / 2 : 0);
    root[1] = __builtin_sqrt(square[0] < norm ? (norm - square[0]) / 2 : 0);
    root[1] = square[1] < 0 ? -root[1] : root[1];
    norm = __builtin_sqrt(size_of(root));
    root[0] *= size / norm;
    root[1] *= size / norm;
    for (unsigned i = 0; i < 2; i++) {
        d0[i] = mean[i] + root[i];
        d1[i] = mean[i] - root[i];
        root[i] /= size * size;
    }
    root[1] = -root[1]; /* 1 / (g s) */
    multiply_entry(z, root);
    multiply_entry(xy, root);
    column[0] = z[0] >= 0 ? 1 + z[0] : xy[0];
    column[1] = z[0] >= 0 ? 0 : -xy[1];
    column[2] = z[0] >= 0 ? xy[0] : 1 - z[0];
    column[3] = z[0] >= 0 ? xy[1] : 0;
    norm = __builtin_sqrt(size_of(&column[0]) + size_of(&column[2]));
    for (unsigned i = 0; i < 2; i++) {
        const double sign = i == 0 ? 1 : -1; /* the other column is (-v1*, v0*) */

        v[i] = column[i] / norm;
        v[4 + i] = column[2 + i] / norm;
        v[2 + i] = -sign * v[4 + i];
        v[6 + i] = sign * v[i];
    }
}

static void adjoint(const double m[8], double out[8])
{
    for (unsigned row = 0; row < 2; row++) {
        for (unsigned column = 0; column < 2; column++) {
            out[4 * row + 2 * column] = m[4 * column + 2 * row];
            out[4 * row + 2 * column + 1] = -m[4 * column + 2 * row + 1];
        }
    }
}

/* M on the last of COUNT qubits where the others are 1; only those that are not known to be
 * stay in INDICES. */
static void plan_controlled(struct ks_plan *plan, struct ks_frame *frame,
                            const uint32_t *indices, uint32_t count, const double m[8])
{
    uint32_t left[KS_OP_QUBITS_MAX];
    const uint32_t target = indices[count - 1];
    uint32_t controls = 0;
    double v[8];
    double back[8];
    double d0[2];
    double d1[2];

    for (uint32_t i = 0; i + 1 < count; i++) {
        const struct ks_qubit *control = &frame->qubits[indices[i]];

        resolve(plan, frame, indices[i]);
        if (control->slot < 0 && !control->bit) {
            return;
        }
        if (control->slot >= 0) {
            left[controls++] = indices[i];
        }
    }
    left[controls] = target;
    if (controls == 0) {
        pend(&frame->qubits[target], m);
    } else if (is_diagonal(m)) {
        plan_controlled_diagonal(plan, frame, left, controls + 1, &m[0], &m[6]);
    } else if (is_antidiagonal(m) && controls == 1) {
        plan_cx(plan, frame, left[0], target);
        plan_controlled_diagonal(plan, frame, left, 2, &m[2], &m[4]);
    } else {
        eigen(m, v, d0, d1);
        adjoint(v, back);
        pend(&frame->qubits[target], back);
        plan_controlled_diagonal(plan, frame, left, controls + 1, d0, d1);
        pend(&frame->qubits[target], v);
    }
}

/* A phase by the parity of two qubits, which is a parity of the index's bits like any other. */
static void plan_rzz(struct ks_plan *plan, struct ks_frame *frame, const uint32_t *q,
                     const double factor[2])
{
    struct ks_qubit both = {.slot = 0};
    struct ks_qubit *const list[1] = {&both};
    struct ks_qubit *a = &frame->qubits[q[0]];
    struct ks_qubit *b = &frame->qubits[q[1]];

    resolve(plan, frame, q[0]);
    resolve(plan, frame, q[1]);
    if (a->slot < 0 || b->slot < 0) {
        struct ks_qubit *known = a->slot < 0 ? a : b;

        pend_diagonal(known == a ? b : a, known->bit ? factor : one, known->bit ? one : factor);
        return;
    }
    both.parity = a->parity ^ b->parity;
    both.bit = a->bit != b->bit;
    if (both.parity != 0) {
        emit_phase(plan, list, 1, factor);
    }
}

/* What OP does, at once but for what stays pending on single qubits. */
static void plan_gate(struct ks_plan *plan, struct ks_frame *frame, const struct ks_op *op,
                      const double *params)
{
    const enum ks_gate gate = (enum ks_gate)op->gate;
    const struct ks_gate_info *info = ks_gate_info(gate);
    const uint32_t *q = op->qubits;
    const struct ks_op phase = {.gate = KS_GATE_P};
    const struct ks_op mix = {.gate = KS_GATE_H};
    double m[8];
    double h[8];

    switch (gate) {
    case KS_GATE_BARRIER:
        break; /* it promises the user nothing about an exact simulation */
    case KS_GATE_SWAP: {
        const struct ks_qubit kept = frame->qubits[q[0]];

        frame->qubits[q[0]] = frame->qubits[q[1]];
        frame->qubits[q[1]] = kept;
        break;
    }
    case KS_GATE_CSWAP:
        plan_controlled(plan, frame, (const uint32_t[]){q[2], q[1]}, 2, matrix_x);
        plan_controlled(plan, frame, q, 3, matrix_x);
        plan_controlled(plan, frame, (const uint32_t[]){q[2], q[1]}, 2, matrix_x);
        break;
    case KS_GATE_RXX: /* H takes X to Z */
        ks_gate_matrix(&phase, params, m);
        ks_gate_matrix(&mix, NULL, h);
        pend(&frame->qubits[q[0]], h);
        pend(&frame->qubits[q[1]], h);
        plan_rzz(plan, frame, q, &m[6]);
        pend(&frame->qubits[q[0]], h);
        pend(&frame->qubits[q[1]], h);
        break;
    case KS_GATE_RZZ:
        ks_gate_matrix(&phase, params, m);
        plan_rzz(plan, frame, q, &m[6]);
        break;
    default:
        KS_ASSERT(gate != KS_GATE_MEASURE && gate != KS_GATE_RESET);
        ks_gate_matrix(op, params, m);
        if (info->qubits == 1) {
            pend(&frame->qubits[q[0]], m);
        } else {
            plan_controlled(plan, frame, q, info->qubits, m);
        }
    }
}

/* --- pairs: gates on the same two qubits, some of which together only permute ------------- */

/* As RXX and RYY do together: half a turn of both is a SWAP with phases. */
static void pair_matrix(const struct ks_op *op, const double *params, const uint32_t qubits[2],
                        struct ks_pair_matrix *out)
{
    const enum ks_gate gate = (enum ks_gate)op->gate;
    const unsigned arity = ks_gate_info(gate)->qubits;
    const struct ks_op turn = {.gate = gate == KS_GATE_RXX ? KS_GATE_RX : KS_GATE_P};
    const unsigned last = op->qubits[arity - 1] == qubits[1];
    double m[8];

    *out = (struct ks_pair_matrix){0};
    if (gate == KS_GATE_SWAP) {
        for (unsigned i = 0; i < 4; i++) {
            out->entries[i >> 1 | (i & 1) << 1][i][0] = 1;
        }
        return;
    }
    ks_gate_matrix(gate == KS_GATE_RXX || gate == KS_GATE_RZZ ? &turn : op, params, m);
    for (unsigned i = 0; i < 4; i++) {
        const unsigned bit = i >> last & 1;
        const unsigned other = i >> (1 - last) & 1;

        if (gate == KS_GATE_RXX) {
            ks_copy(out->entries[i][i], &m[0], sizeof one);
            ks_copy(out->entries[i ^ 3][i], &m[2], sizeof one);
        } else if (gate == KS_GATE_RZZ) {
            ks_copy(out->entries[i][i], bit != other ? &m[6] : &m[0], sizeof one);
        } else if (arity == 2 && other == 0) {
            out->entries[i][i][0] = 1;
        } else {
            ks_copy(out->entries[i][i], &m[6 * bit], sizeof one);
            ks_copy(out->entries[i ^ 1u << last][i], &m[4 - 2 * bit], sizeof one);
        }
    }
}

static void pair_multiply(struct ks_pair_matrix *target, const struct ks_pair_matrix *left)
{
    struct ks_pair_matrix product = {0};

    for (unsigned row = 0; row < 4; row++) {
        for (unsigned column = 0; column < 4; column++) {
            for (unsigned i = 0; i < 4; i++) {
                double term[2] = {left->entries[row][i][0], left->entries[row][i][1]};

                multiply_entry(term, target->entries[i][column]);
                product.entries[row][column][0] += term[0];
                product.entries[row][column][1] += term[1];
            }
        }
    }
    *target = product;
}

/* Whether M has one entry in each column, and in which row; the others are rounding errors. */
static bool pair_permutes(const struct ks_pair_matrix *m, unsigned rows[4])
{
    for (unsigned column = 0; column < 4; column++) {
        unsigned large = 0;

        for (unsigned row = 0; row < 4; row++) {
            if (size_of(m->entries[row][column]) > 4 * NEAR * NEAR) {
                rows[column] = row;
                large++;
            }
        }
        if (large != 1) {
            return false;
        }
    }
    return true;
}

/* Phases, then a permutation of the four values of two qubits: always a change of the frame. */
static void plan_permutation(struct ks_plan *plan, struct ks_frame *frame,
                             const struct ks_pair *pair)
{
    const uint32_t *q = pair->qubits;
    unsigned rows[4];
    unsigned first = 0;
    unsigned second = 0;
    double table[8];

    KS_ASSERT(pair_permutes(&pair->whole, rows));
    for (unsigned i = 0; i < 4; i++) {
        ks_copy(&table[2 * i], pair->whole.entries[rows[i]][i], sizeof one);
        snap(&table[2 * i]);
    }
    plan_diagonal(plan, frame, q, 2, table);
    first = rows[1] ^ rows[0]; /* where the one value goes, and the other */
    second = rows[2] ^ rows[0];
    if (first == 2 || (first == 3 && second == 1)) {
        const struct ks_qubit kept = frame->qubits[q[0]];

        frame->qubits[q[0]] = frame->qubits[q[1]];
        frame->qubits[q[1]] = kept;
    }
    if ((first == 3 && second == 2) || (first == 2 && second == 3)) {
        plan_cx(plan, frame, q[0], q[1]);
    } else if (second == 3 || (first == 3 && second == 1)) {
        plan_cx(plan, frame, q[1], q[0]);
    }
    for (unsigned i = 0; i < 2; i++) {
        if ((rows[0] >> i & 1) != 0) {
            pend(&frame->qubits[q[i]], matrix_x);
        }
    }
}

static void close_pair(struct ks_plan *plan, struct ks_frame *frame)
{
    struct ks_pair *pair = plan->pair;
    uint32_t count = 0;

    if (pair == NULL || pair->count == 0) {
        return;
    }
    count = pair->count;
    pair->count = 0;
    if (pair->whole_count > 0) {
        plan_permutation(plan, frame, pair);
    }
    for (uint32_t i = pair->whole_count; i < count; i++) {
        plan_gate(plan, frame, &pair->ops[i], pair->params[i]);
    }
}

static void pair_put(struct ks_pair *pair, const struct ks_op *op, const double *params)
{
    struct ks_pair_matrix m;
    unsigned rows[4];

    pair_matrix(op, params, pair->qubits, &m);
    if (pair->count == 0) {
        pair->product = m;
        pair->whole_count = 0;
    } else {
        pair_multiply(&pair->product, &m);
    }
    pair->ops[pair->count] = *op;
    pair->params[pair->count++] = params;
    if (pair_permutes(&pair->product, rows)) {
        pair->whole = pair->product;
        pair->whole_count = pair->count;
    }
}

static bool pair_has(const struct ks_pair *pair, const struct ks_op *op, unsigned arity)
{
    for (unsigned i = 0; i < arity; i++) {
        if (op->qubits[i] != pair->qubits[0] && op->qubits[i] != pair->qubits[1]) {
            return false;
        }
    }
    return arity > 0 && pair->count > 0 && pair->count < KS_PAIR_GATES_MAX;
}

/* RXX opens a pair: no other native gate is a part of a permutation that is none itself. */
void ks_plan_gate(struct ks_plan *plan, struct ks_frame *frame,
                  const struct ks_circuit *circuit, const struct ks_op *op)
{
    const struct ks_gate_info *info = ks_gate_info((enum ks_gate)op->gate);
    const double *params = info->params > 0 ? &circuit->params[op->param] : NULL;

    KS_ASSERT(op->gate != KS_GATE_MEASURE && op->gate != KS_GATE_RESET);
    if (plan->pair != NULL && pair_has(plan->pair, op, info->qubits)) {
        pair_put(plan->pair, op, params);
        return;
    }
    close_pair(plan, frame);
    if (op->gate != KS_GATE_RXX) {
        plan_gate(plan, frame, op, params);
        return;
    }
    if (plan->pair == NULL) {
        plan->pair = ks_calloc(1, sizeof *plan->pair);
    }
    if (plan->pair == NULL) {
        plan->err = ks_fail(KS_ERR_NOMEM, "no memory for a pair of qubits");
        return;
    }
    plan->pair->qubits[0] = op->qubits[0];
    plan->pair->qubits[1] = op->qubits[1];
    pair_put(plan->pair, op, params);
}

/* --- from outside ------------------------------------------------------------------------- */

void ks_plan_resolve(struct ks_plan *plan, struct ks_frame *frame, uint32_t index)
{
    close_pair(plan, frame);
    resolve(plan, frame, index);
}

void ks_plan_flush(struct ks_plan *plan, struct ks_frame *frame, uint32_t index)
{
    close_pair(plan, frame);
    flush(plan, frame, index);
}

void ks_plan_settle(struct ks_plan *plan, struct ks_frame *frame, uint32_t index)
{
    struct ks_qubit *qubit = &frame->qubits[index];

    close_pair(plan, frame);
    resolve(plan, frame, index);
    if (qubit->slot < 0 || overflown(plan)) {
        return;
    }
    if (qubit->flips == 0) {
        promote(frame, qubit);
    }
    if ((qubit->parity & (qubit->parity - 1)) != 0) {
        shear(plan, frame, qubit);
    }
}

void ks_plan_activate(struct ks_plan *plan, struct ks_frame *frame, uint32_t index)
{
    close_pair(plan, frame);
    activate(plan, frame, index);
}

void ks_plan_drop_phases(struct ks_plan *plan)
{
    plan->drop_phases = true;
}

enum ks_err ks_plan_end(struct ks_plan *plan)
{
    close_pair(plan, plan->frame);
    if (plan->err == KS_OK && !overflown(plan)) {
        plan->err = ks_kept_before(plan);
    }
    if (plan->err == KS_OK && !overflown(plan)) {
        plan->err = ks_schedule_make(plan);
    }
    if (plan->err == KS_OK && !overflown(plan)) {
        ks_kept_after(plan);
    }
    return plan->err;
}

bool ks_plan_end_again(struct ks_plan *plan)
{
    close_pair(plan, plan->frame);
    return plan->err == KS_OK && !overflown(plan) && ks_kept_holds(plan);
}
