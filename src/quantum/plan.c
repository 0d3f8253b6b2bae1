/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/plan.h"

#define STEPS_FIRST   64
#define ENTRIES_FIRST 256

static const double matrix_x[8] = {0, 0, 1, 0, 1, 0, 0, 0};
static const double matrix_one[8] = {1, 0, 0, 0, 0, 0, 1, 0};

/* --- the frame ---------------------------------------------------------------------------- */

enum ks_err ks_frame_init(struct ks_frame *frame, uint32_t qubit_count)
{
    *frame = (struct ks_frame){.qubit_count = qubit_count};
    frame->qubits = ks_calloc(qubit_count, sizeof *frame->qubits);
    if (frame->qubits == NULL) {
        return ks_fail(KS_ERR_NOMEM, "no memory for a frame of %u qubits", qubit_count);
    }
    ks_frame_reset(frame);
    return KS_OK;
}

void ks_frame_done(struct ks_frame *frame)
{
    ks_free(frame->qubits);
    *frame = (struct ks_frame){0};
}

void ks_frame_reset(struct ks_frame *frame)
{
    frame->slot_count = 0;
    for (uint32_t q = 0; q < frame->qubit_count; q++) {
        frame->qubits[q] = (struct ks_qubit){.slot = -1};
    }
}

void ks_frame_copy(struct ks_frame *target, const struct ks_frame *source)
{
    KS_ASSERT(target->qubit_count == source->qubit_count);
    target->slot_count = source->slot_count;
    ks_copy(target->qubits, source->qubits, source->qubit_count * sizeof *source->qubits);
}

void ks_frame_forget(struct ks_frame *frame, uint32_t qubit, bool bit)
{
    const int32_t slot = frame->qubits[qubit].slot;

    frame->qubits[qubit] = (struct ks_qubit){.slot = -1, .bit = bit};
    if (slot < 0) {
        return;
    }
    for (uint32_t q = 0; q < frame->qubit_count; q++) {
        frame->qubits[q].slot -= frame->qubits[q].slot > slot;
    }
    frame->slot_count--;
}

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

static bool is_real(const double m[8])
{
    return m[1] == 0 && m[3] == 0 && m[5] == 0 && m[7] == 0;
}

static bool is_x(const double m[8])
{
    return is_antidiagonal(m) && is_one(&m[2]) && is_one(&m[4]);
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

/* X m X: the matrix seen from the other side of an X. */
static void conjugate_x(double m[8])
{
    for (unsigned i = 0; i < 4; i++) {
        const double kept = m[i];
        const unsigned other = i < 2 ? i + 6 : i + 2;

        m[i] = m[other];
        m[other] = kept;
    }
}

/* --- emitting ----------------------------------------------------------------------------- */

void ks_plan_init(struct ks_plan *plan)
{
    *plan = (struct ks_plan){0};
}

void ks_plan_done(struct ks_plan *plan)
{
    ks_free(plan->steps);
    ks_free(plan->entries);
    *plan = (struct ks_plan){0};
}

void ks_plan_begin(struct ks_plan *plan, const struct ks_frame *frame)
{
    plan->step_count = 0;
    plan->entry_count = 0;
    plan->slots_peak = frame->slot_count;
    plan->err = KS_OK;
    plan->open_size = 0;
}

/* Doubles an array until it holds NEED elements; NULL and a sticky error when memory is out. */
static void *grown(struct ks_plan *plan, void *array, size_t *cap, size_t need, size_t size,
                   size_t first)
{
    size_t more = *cap == 0 ? first : *cap;
    void *moved;

    while (more < need) {
        more *= 2;
    }
    if (more == *cap) {
        return array;
    }
    moved = ks_realloc(array, more, size);
    if (moved == NULL) {
        plan->err =
            ks_fail(KS_ERR_NOMEM, "no memory for a plan of %zu steps", plan->step_count);
        return NULL;
    }
    *cap = more;
    return moved;
}

static void emit(struct ks_plan *plan, const struct ks_step *step)
{
    struct ks_step *steps;

    if (plan->err != KS_OK || plan->slots_peak > KS_SLOTS_MAX) {
        return;
    }
    steps = grown(plan, plan->steps, &plan->step_cap, plan->step_count + 1, sizeof *steps,
                  STEPS_FIRST);
    if (steps != NULL) {
        plan->steps = steps;
        plan->steps[plan->step_count++] = *step;
    }
}

static void emit_matrix(struct ks_plan *plan, const struct ks_qubit *target, const double m[8],
                        uint64_t control_mask, uint64_t control_value)
{
    struct ks_step step = {
        .target = (uint8_t)target->slot,
        .control_mask = control_mask,
        .control_value = control_value,
    };

    ks_copy(step.matrix, m, sizeof step.matrix);
    if (target->bit) {
        conjugate_x(step.matrix);
    }
    step.kind = is_x(m) ? KS_STEP_FLIP : is_real(m) ? KS_STEP_REAL : KS_STEP_MATRIX;
    emit(plan, &step);
}

/* --- diagonals: one is open and takes in others as long as its table stays small --- */

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

static bool table_is_one(const double *table, uint32_t size, uint32_t bit, unsigned value)
{
    for (size_t i = 0; i < (size_t)1 << size; i++) {
        if ((i >> bit & 1) == value && !is_one(&table[2 * i])) {
            return false;
        }
    }
    return true;
}

static bool table_ignores(const double *table, uint32_t size, uint32_t bit)
{
    for (size_t i = 0; i < (size_t)1 << size; i++) {
        if (!same_entry(&table[2 * i], &table[2 * (i ^ (size_t)1 << bit)])) {
            return false;
        }
    }
    return true;
}

static void open_drop(struct ks_plan *plan, uint32_t bit, unsigned value)
{
    table_fix(plan->open_table, plan->open_size, bit, value);
    plan->open_size--;
    for (uint32_t i = bit; i < plan->open_size; i++) {
        plan->open_slots[i] = plan->open_slots[i + 1];
    }
}

/* Emits the open diagonal. A slot for whose one value nothing happens becomes a control, so
 * that half of the amplitudes are not touched. */
static void open_emit(struct ks_plan *plan)
{
    struct ks_step step = {.kind = KS_STEP_DIAGONAL};
    uint32_t bit = 0;

    while (bit < plan->open_size) {
        const uint64_t mask = (uint64_t)1 << plan->open_slots[bit];

        if (table_ignores(plan->open_table, plan->open_size, bit)) {
            open_drop(plan, bit, 0);
            bit = 0;
        } else if (table_is_one(plan->open_table, plan->open_size, bit, 0)) {
            step.control_mask |= mask;
            step.control_value |= mask;
            open_drop(plan, bit, 1);
            bit = 0;
        } else if (table_is_one(plan->open_table, plan->open_size, bit, 1)) {
            step.control_mask |= mask;
            open_drop(plan, bit, 0);
            bit = 0;
        } else {
            bit++;
        }
    }
    if (plan->open_size > 0 || step.control_mask != 0) {
        const size_t count = (size_t)2 << plan->open_size;
        double *entries = grown(plan, plan->entries, &plan->entry_cap,
                                plan->entry_count + count, sizeof *entries, ENTRIES_FIRST);

        if (entries != NULL) {
            plan->entries = entries;
            ks_copy(entries + plan->entry_count, plan->open_table, count * sizeof *entries);
            step.table = plan->entry_count / 2;
            step.table_size = (uint8_t)plan->open_size;
            ks_copy(step.table_slots, plan->open_slots, plan->open_size);
            plan->entry_count += count;
            emit(plan, &step);
        }
    }
    plan->open_size = 0;
}

static bool open_has(const struct ks_plan *plan, int32_t slot)
{
    for (uint32_t i = 0; i < plan->open_size; i++) {
        if (plan->open_slots[i] == slot) {
            return true;
        }
    }
    return false;
}

static void open_add_slot(struct ks_plan *plan, int32_t slot)
{
    uint32_t bit = 0;
    double old[2 << KS_DIAGONAL_SLOTS_MAX];

    if (plan->open_size == 0) {
        plan->open_table[0] = 1;
        plan->open_table[1] = 0;
    }
    while (bit < plan->open_size && plan->open_slots[bit] < slot) {
        bit++;
    }
    ks_copy(old, plan->open_table, ((size_t)2 << plan->open_size) * sizeof *old);
    for (uint32_t i = plan->open_size; i > bit; i--) {
        plan->open_slots[i] = plan->open_slots[i - 1];
    }
    plan->open_slots[bit] = (uint8_t)slot;
    plan->open_size++;
    for (size_t i = 0; i < (size_t)1 << plan->open_size; i++) {
        const size_t low = ((size_t)1 << bit) - 1;
        const size_t source = (i & low) | (i >> 1 & ~low);

        plan->open_table[2 * i] = old[2 * source];
        plan->open_table[2 * i + 1] = old[2 * source + 1];
    }
}

/* Multiplies a diagonal over COUNT qubits with slots into the open one; bit i of the index into
 * TABLE is the value of qubit i. */
static void open_multiply(struct ks_plan *plan, struct ks_qubit *const *qubits, uint32_t count,
                          const double *table)
{
    uint32_t bits[KS_OP_QUBITS_MAX];
    uint32_t fresh = 0;

    if (plan->slots_peak > KS_SLOTS_MAX) {
        return; /* nothing is emitted any more, and slots do not fit open_slots */
    }
    for (uint32_t i = 0; i < count; i++) {
        fresh += !open_has(plan, qubits[i]->slot);
    }
    if (plan->open_size + fresh > KS_DIAGONAL_SLOTS_MAX) {
        open_emit(plan);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (!open_has(plan, qubits[i]->slot)) {
            open_add_slot(plan, qubits[i]->slot);
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        bits[i] = 0;
        while (plan->open_slots[bits[i]] != qubits[i]->slot) {
            bits[i]++;
        }
    }
    for (size_t entry = 0; entry < (size_t)1 << plan->open_size; entry++) {
        size_t source = 0;

        for (uint32_t i = 0; i < count; i++) {
            source |= ((entry >> bits[i] & 1) ^ qubits[i]->bit) << i;
        }
        multiply_entry(&plan->open_table[2 * entry], &table[2 * source]);
    }
}

/* --- qubits ------------------------------------------------------------------------------- */

static void pend(struct ks_qubit *qubit, const double m[8])
{
    if (!qubit->pending) {
        ks_copy(qubit->matrix, m, sizeof qubit->matrix);
        qubit->pending = true;
    } else {
        multiply_matrix(qubit->matrix, m);
    }
    if (is_diagonal(qubit->matrix) && same_entry(&qubit->matrix[0], &qubit->matrix[6])) {
        qubit->pending = false; /* a global phase */
    }
}

/* Gives a known QUBIT a slot in the state (c0, c1). */
static void grow(struct ks_plan *plan, struct ks_frame *frame, struct ks_qubit *qubit,
                 const double c0[2], const double c1[2])
{
    struct ks_step step = {.kind = KS_STEP_GROW, .target = (uint8_t)frame->slot_count};

    ks_copy(&step.matrix[0], c0, 2 * sizeof *c0);
    ks_copy(&step.matrix[4], c1, 2 * sizeof *c1);
    qubit->slot = (int32_t)frame->slot_count++;
    qubit->pending = false;
    if (plan->slots_peak < frame->slot_count) {
        plan->slots_peak = frame->slot_count;
    }
    emit(plan, &step);
}

static void settle_known(struct ks_plan *plan, struct ks_frame *frame, struct ks_qubit *qubit)
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

        qubit->bit = false;
        grow(plan, frame, qubit, c0, c1);
    }
}

void ks_plan_settle(struct ks_plan *plan, struct ks_frame *frame, uint32_t index)
{
    struct ks_qubit *qubit = &frame->qubits[index];
    double *m = qubit->matrix;

    if (!qubit->pending) {
        return;
    }
    if (qubit->slot < 0) {
        settle_known(plan, frame, qubit);
    } else if (is_antidiagonal(m)) {
        /* diag(m01, m10) after an X, which is a change of the frame. */
        const double phases[8] = {m[2], m[3], 0, 0, 0, 0, m[4], m[5]};

        qubit->bit = !qubit->bit;
        qubit->pending = false;
        pend(qubit, phases);
    } else if (!is_diagonal(m)) {
        if (open_has(plan, qubit->slot)) {
            open_emit(plan);
        }
        emit_matrix(plan, qubit, m, 0, 0);
        qubit->pending = false;
    }
}

/* What is pending after ks_plan_settle is a diagonal; it goes into the open one. */
static void push_phase(struct ks_plan *plan, struct ks_qubit *qubit)
{
    if (qubit->pending && qubit->slot >= 0) {
        const double table[4] = {qubit->matrix[0], qubit->matrix[1], qubit->matrix[6],
                                 qubit->matrix[7]};

        open_multiply(plan, &qubit, 1, table);
    }
    qubit->pending = false;
}

void ks_plan_flush(struct ks_plan *plan, struct ks_frame *frame, uint32_t index)
{
    ks_plan_settle(plan, frame, index);
    push_phase(plan, &frame->qubits[index]);
}

void ks_plan_activate(struct ks_plan *plan, struct ks_frame *frame, uint32_t index)
{
    struct ks_qubit *qubit = &frame->qubits[index];

    ks_plan_settle(plan, frame, index);
    if (qubit->slot < 0) {
        grow(plan, frame, qubit, &matrix_one[0], &matrix_one[2]);
    }
}

/* --- gates -------------------------------------------------------------------------------- */

/* A gate that is diagonal on COUNT qubits; bit i of the index into TABLE is the value of qubit
 * i. */
static void plan_diagonal(struct ks_plan *plan, struct ks_frame *frame, const uint32_t *indices,
                          uint32_t count, double *table)
{
    struct ks_qubit *qubits[KS_OP_QUBITS_MAX];
    uint32_t left = 0;

    for (uint32_t i = 0; i < count; i++) {
        struct ks_qubit *qubit = &frame->qubits[indices[i]];

        ks_plan_settle(plan, frame, indices[i]);
        if (qubit->slot < 0) {
            table_fix(table, count - i + left, left, qubit->bit);
        } else {
            qubits[left++] = qubit;
        }
    }
    if (left == 1) {
        const double m[8] = {table[0], table[1], 0, 0, 0, 0, table[2], table[3]};

        pend(qubits[0], m);
    } else if (left > 1) {
        for (uint32_t i = 0; i < left; i++) {
            push_phase(plan, qubits[i]);
        }
        open_multiply(plan, qubits, left, table);
    }
}

/* M on the last of COUNT qubits where the others are 1. */
static void plan_controlled(struct ks_plan *plan, struct ks_frame *frame,
                            const uint32_t *indices, uint32_t count, const double m[8])
{
    const uint32_t target = indices[count - 1];
    struct ks_qubit *qubit = &frame->qubits[target];
    uint64_t mask = 0;
    uint64_t value = 0;
    bool controlled = false;

    for (uint32_t i = 0; i + 1 < count; i++) {
        const struct ks_qubit *control = &frame->qubits[indices[i]];

        ks_plan_settle(plan, frame, indices[i]);
        if (control->slot < 0 && !control->bit) {
            return;
        }
        if (control->slot >= 0) {
            controlled = true;
            mask |= (uint64_t)1 << (control->slot & 63);
            value |= (uint64_t)!control->bit << (control->slot & 63);
        }
    }
    if (!controlled) {
        pend(qubit, m);
        return;
    }
    ks_plan_flush(plan, frame, target);
    if (qubit->slot < 0) {
        grow(plan, frame, qubit, &matrix_one[0], &matrix_one[2]);
    }
    if (open_has(plan, qubit->slot)) {
        open_emit(plan);
    }
    emit_matrix(plan, qubit, m, mask, value);
}

static void plan_matrix_gate(struct ks_plan *plan, struct ks_frame *frame,
                             const uint32_t *indices, uint32_t count, const double m[8])
{
    if (count == 1) {
        pend(&frame->qubits[indices[0]], m);
    } else if (is_diagonal(m)) {
        double table[2 << KS_OP_QUBITS_MAX];
        const size_t last = ((size_t)1 << count) - 1;

        for (size_t i = 0; i <= last; i++) {
            table[2 * i] = 1;
            table[2 * i + 1] = 0;
        }
        ks_copy(&table[2 * (last >> 1)], &m[0], 2 * sizeof *m); /* controls 1, target 0 */
        ks_copy(&table[2 * last], &m[6], 2 * sizeof *m);
        plan_diagonal(plan, frame, indices, count, table);
    } else {
        plan_controlled(plan, frame, indices, count, m);
    }
}

void ks_plan_gate(struct ks_plan *plan, struct ks_frame *frame,
                  const struct ks_circuit *circuit, const struct ks_op *op)
{
    const enum ks_gate gate = (enum ks_gate)op->gate;
    const struct ks_gate_info *info = ks_gate_info(gate);
    const double *params = info->params > 0 ? &circuit->params[op->param] : NULL;
    const uint32_t *q = op->qubits;
    const struct ks_op turn = {.gate = KS_GATE_RX};
    double m[8];

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
        plan_matrix_gate(plan, frame, (const uint32_t[]){q[2], q[1]}, 2, matrix_x);
        plan_matrix_gate(plan, frame, q, 3, matrix_x);
        plan_matrix_gate(plan, frame, (const uint32_t[]){q[2], q[1]}, 2, matrix_x);
        break;
    case KS_GATE_RXX: /* CX takes X on its control to X on both */
        ks_gate_matrix(&turn, params, m);
        plan_matrix_gate(plan, frame, q, 2, matrix_x);
        plan_matrix_gate(plan, frame, q, 1, m);
        plan_matrix_gate(plan, frame, q, 2, matrix_x);
        break;
    case KS_GATE_RZZ: {
        const struct ks_op phase = {.gate = KS_GATE_P};

        ks_gate_matrix(&phase, params, m);
        double table[8] = {1, 0, m[6], m[7], m[6], m[7], 1, 0};

        plan_diagonal(plan, frame, q, 2, table);
        break;
    }
    default:
        KS_ASSERT(gate != KS_GATE_MEASURE && gate != KS_GATE_RESET);
        ks_gate_matrix(op, params, m);
        plan_matrix_gate(plan, frame, q, info->qubits, m);
    }
}

void ks_plan_drop_phases(struct ks_plan *plan)
{
    plan->open_size = 0;
}

enum ks_err ks_plan_end(struct ks_plan *plan)
{
    open_emit(plan);
    return plan->err;
}
