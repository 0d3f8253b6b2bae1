/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/control.h"

#include "quantum/term.h"

static size_t words_of(const struct ks_circuit *circuit)
{
    return circuit->clbit_count == 0 ? 1 : ((size_t)circuit->clbit_count + 63) / 64;
}

enum ks_err ks_classical_init(struct ks_classical *classical, const struct ks_circuit *circuit)
{
    *classical = (struct ks_classical){
        .clbits = ks_calloc(words_of(circuit), sizeof *classical->clbits),
        .variables = ks_calloc(circuit->variable_count, sizeof *classical->variables),
    };
    if (classical->clbits == NULL || classical->variables == NULL) {
        ks_classical_done(classical);
        return ks_fail(KS_ERR_NOMEM, "no memory for classical bits");
    }
    return KS_OK;
}

void ks_classical_done(struct ks_classical *classical)
{
    ks_free(classical->clbits);
    ks_free(classical->variables);
    *classical = (struct ks_classical){0};
}

void ks_classical_reset(struct ks_classical *classical, const struct ks_circuit *circuit)
{
    ks_zero(classical->clbits, words_of(circuit) * sizeof *classical->clbits);
    ks_zero(classical->variables, circuit->variable_count * sizeof *classical->variables);
    classical->loops = 0;
}

void ks_classical_copy(struct ks_classical *target, const struct ks_classical *source,
                       const struct ks_circuit *circuit)
{
    ks_copy(target->clbits, source->clbits, words_of(circuit) * sizeof *target->clbits);
    ks_copy(target->variables, source->variables,
            circuit->variable_count * sizeof *target->variables);
    target->loops = source->loops;
}

bool ks_classical_bit(const struct ks_classical *classical, uint32_t clbit)
{
    return (classical->clbits[clbit / 64] >> clbit % 64 & 1) != 0;
}

void ks_classical_set(struct ks_classical *classical, uint32_t clbit, bool value)
{
    const uint64_t mask = (uint64_t)1 << clbit % 64;
    uint64_t *word = &classical->clbits[clbit / 64];

    *word = value ? *word | mask : *word & ~mask;
}

bool ks_condition_possible(const struct ks_condition *condition)
{
    bool possible = true;

    for (uint32_t i = condition->count; possible && i < 64 * (KS_CONDITION_HIGH + 1); i++) {
        possible = !ks_condition_bit(condition, i);
    }
    return possible;
}

bool ks_condition_holds(const struct ks_condition *condition, const uint64_t *clbits)
{
    for (uint32_t i = 0; i < condition->count; i++) {
        const uint32_t clbit = condition->first + i;

        if ((clbits[clbit / 64] >> clbit % 64 & 1) != ks_condition_bit(condition, i)) {
            return false;
        }
    }
    return ks_condition_possible(condition);
}

bool ks_classical_holds(const struct ks_classical *classical, const struct ks_circuit *circuit,
                        const struct ks_op *op)
{
    return op->condition == 0 ||
           ks_condition_holds(&circuit->conditions[op->condition - 1], classical->clbits);
}

/* --- expressions -------------------------------------------------------------------------- */

uint64_t ks_term_cut(uint64_t value, unsigned width, bool is_signed)
{
    if (width >= 64) {
        return value;
    }
    const uint64_t mask = ((uint64_t)1 << width) - 1;
    const bool negative = is_signed && (value >> (width - 1) & 1) != 0;

    return negative ? value | ~mask : value & mask;
}

static uint64_t magnitude(uint64_t value, bool negative)
{
    return negative ? 0 - value : value;
}

/* Truncates towards 0; the remainder has the sign of A, as in C. */
static uint64_t divide(uint64_t a, uint64_t b, bool is_signed, bool remainder)
{
    const bool minus_a = is_signed && a >> 63 != 0;
    const bool minus_b = is_signed && b >> 63 != 0;

    KS_ASSERT(b != 0);
    const uint64_t x = magnitude(a, minus_a);
    const uint64_t y = magnitude(b, minus_b);
    return remainder ? magnitude(x % y, minus_a) : magnitude(x / y, minus_a != minus_b);
}

static uint64_t shift_right(uint64_t a, uint64_t b, bool is_signed)
{
    const uint64_t fill = is_signed && a >> 63 != 0 ? UINT64_MAX : 0;

    if (b >= 64) {
        return fill;
    }
    return b == 0 ? a : a >> b | fill << (64 - b);
}

static bool less(uint64_t a, uint64_t b, bool is_signed)
{
    const uint64_t flip = is_signed ? (uint64_t)1 << 63 : 0;

    return (a ^ flip) < (b ^ flip);
}

static uint64_t compare(enum ks_term_code code, uint64_t a, uint64_t b, bool is_signed)
{
    switch (code) {
    case KS_TERM_EQUAL:
        return a == b;
    case KS_TERM_UNEQUAL:
        return a != b;
    case KS_TERM_LESS:
        return less(a, b, is_signed);
    case KS_TERM_LESS_EQUAL:
        return !less(b, a, is_signed);
    case KS_TERM_GREATER:
        return less(b, a, is_signed);
    case KS_TERM_GREATER_EQUAL:
        return !less(a, b, is_signed);
    case KS_TERM_BOTH:
        return a != 0 && b != 0;
    default:
        KS_ASSERT(code == KS_TERM_EITHER);
        return a != 0 || b != 0;
    }
}

uint64_t ks_term_apply(const struct ks_term *term, uint64_t a, uint64_t b, bool is_signed)
{
    switch ((enum ks_term_code)term->code) {
    case KS_TERM_NEGATE:
        return 0 - a;
    case KS_TERM_INVERT:
        return ~a;
    case KS_TERM_NOT:
        return a == 0;
    case KS_TERM_BOOL:
        return a != 0;
    case KS_TERM_CAST:
        return ks_term_cut(a, term->width, term->is_signed);
    case KS_TERM_ADD:
        return a + b;
    case KS_TERM_SUBTRACT:
        return a - b;
    case KS_TERM_MULTIPLY:
        return a * b;
    case KS_TERM_DIVIDE:
        return divide(a, b, is_signed, false);
    case KS_TERM_MODULO:
        return divide(a, b, is_signed, true);
    case KS_TERM_SHIFT_LEFT:
        return b < 64 ? a << b : 0;
    case KS_TERM_SHIFT_RIGHT:
        return shift_right(a, b, is_signed);
    case KS_TERM_AND:
        return a & b;
    case KS_TERM_XOR:
        return a ^ b;
    case KS_TERM_OR:
        return a | b;
    default:
        return compare((enum ks_term_code)term->code, a, b, is_signed);
    }
}

static uint64_t bits_value(const struct ks_classical *classical, const struct ks_term *term)
{
    uint64_t value = 0;

    for (uint32_t i = 0; i < term->width; i++) {
        value |= (uint64_t)ks_classical_bit(classical, (uint32_t)term->value + i) << i;
    }
    return value;
}

static uint64_t leaf_value(const struct ks_classical *classical, const struct ks_term *term)
{
    switch ((enum ks_term_code)term->code) {
    case KS_TERM_NUMBER:
        return term->value;
    case KS_TERM_BIT:
        return ks_classical_bit(classical, (uint32_t)term->value);
    case KS_TERM_BITS:
        return bits_value(classical, term);
    default:
        KS_ASSERT(term->code == KS_TERM_VARIABLE);
        return classical->variables[term->value];
    }
}

static uint64_t value_of(const struct ks_classical *classical, const struct ks_circuit *circuit,
                         uint32_t root)
{
    struct {
        uint64_t value;
        bool is_signed;
    } stack[KS_TERM_STACK_MAX];
    size_t count = 0;
    const size_t first = root - circuit->terms[root].span + 1U;

    for (size_t i = first; i <= root; i++) {
        const struct ks_term *term = &circuit->terms[i];

        if (term->code <= KS_TERM_VARIABLE) {
            KS_ASSERT(count < KS_TERM_STACK_MAX);
            stack[count].value = leaf_value(classical, term);
            stack[count++].is_signed = term->is_signed;
            continue;
        }
        const bool binary = term->code >= KS_TERM_ADD;
        const uint64_t b = binary ? stack[count - 1].value : 0;
        bool is_signed = stack[count - 1].is_signed;

        count -= binary ? 1 : 0;
        is_signed = is_signed && stack[count - 1].is_signed;
        stack[count - 1].value = ks_term_apply(term, stack[count - 1].value, b, is_signed);
        stack[count - 1].is_signed = term->is_signed;
    }
    return stack[0].value;
}

/* --- steps -------------------------------------------------------------------------------- */

static void assign(struct ks_classical *classical, const struct ks_circuit *circuit,
                   const struct ks_op *op)
{
    const uint64_t value = value_of(classical, circuit, op->param);
    const uint32_t count = op->qubits[0];

    if (count == 0) {
        const struct ks_variable *variable = &circuit->variables[op->clbit];

        classical->variables[op->clbit] =
            ks_term_cut(value, variable->width, variable->is_signed);
    }
    for (uint32_t i = 0; i < count; i++) {
        ks_classical_set(classical, op->clbit + i, (value >> i & 1) != 0);
    }
}

/* Where the block goes on that the WHILE at LOOP begins: behind its END. */
static size_t behind(const struct ks_circuit *circuit, size_t loop)
{
    return (size_t)circuit->ops[loop].clbit + 1;
}

enum ks_err ks_classical_step(struct ks_classical *classical, const struct ks_circuit *circuit,
                              size_t *at)
{
    const struct ks_op *op = &circuit->ops[*at];
    const size_t target = op->clbit;
    size_t next = *at + 1;

    switch ((enum ks_gate)op->gate) {
    case KS_GATE_ASSIGN:
        assign(classical, circuit, op);
        break;
    case KS_GATE_IF:
    case KS_GATE_WHILE:
        if (value_of(classical, circuit, op->param) == 0) {
            next = target + 1; /* behind the ELSE or END */
        }
        break;
    case KS_GATE_ELSE:
        next = target + 1;
        break;
    case KS_GATE_BREAK:
        next = behind(circuit, target);
        break;
    default:
        if (circuit->ops[target].gate == KS_GATE_WHILE) { /* END or CONTINUE */
            if (classical->loops == KS_LOOPS_MAX) {
                return ks_fail(KS_ERR_LIMIT, "more than %d loops in one run", KS_LOOPS_MAX);
            }
            classical->loops++;
            next = target;
        }
        break;
    }
    *at = next;
    return KS_OK;
}
