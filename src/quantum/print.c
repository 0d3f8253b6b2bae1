/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* print.c: the canonical text of a circuit: docs/formats/circuit.md. OpenQASM 2 wherever that
 * can say it. */

#include "base/text.h"
#include "quantum/circuit.h"

static void put_number(struct ks_buf *out, uint64_t value)
{
    char digits[20]; /* 2^64 - 1 has 20 */
    size_t len = 0;

    do {
        digits[sizeof digits - ++len] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    ks_buf_put(out, ks_bytes_of(digits + sizeof digits - len, len));
}

/* Long division by ten; 2^1024 has 309 digits. */
static void put_value(struct ks_buf *out, const struct ks_condition *condition)
{
    uint32_t words[2 * (1 + KS_CONDITION_HIGH)];
    const size_t count = sizeof words / sizeof words[0];
    char digits[309];
    size_t len = 0;
    bool zero = false;

    for (size_t i = 0; i < count; i++) {
        const uint64_t word = i < 2 ? condition->value : condition->high[i / 2 - 1];
        words[i] = (uint32_t)(i % 2 == 0 ? word : word >> 32);
    }
    while (!zero) {
        uint64_t rest = 0;
        zero = true;
        for (size_t i = count; i-- > 0;) {
            rest = rest << 32 | words[i];
            words[i] = (uint32_t)(rest / 10);
            rest %= 10;
            zero = zero && words[i] == 0;
        }
        digits[sizeof digits - ++len] = (char)('0' + rest);
    }
    ks_buf_put(out, ks_bytes_of(&digits[sizeof digits - len], len));
}

static void put_condition(struct ks_buf *out, const struct ks_circuit *circuit,
                          const struct ks_condition *condition)
{
    const struct ks_register *creg =
        ks_register_of(circuit->cregs, circuit->creg_count, condition->first);

    ks_buf_put_text(out, "if(");
    ks_buf_put_text(out, creg->name);
    if (!ks_condition_whole(circuit, condition)) {
        ks_buf_put_u8(out, '[');
        put_number(out, condition->first - creg->first);
        ks_buf_put_u8(out, ']');
    }
    ks_buf_put_text(out, "==");
    put_value(out, condition);
    ks_buf_put_text(out, ") ");
}

static void put_bit(struct ks_buf *out, const struct ks_register *registers, size_t count,
                    uint32_t bit)
{
    const struct ks_register *found = ks_register_of(registers, count, bit);

    ks_buf_put_text(out, found->name);
    ks_buf_put_u8(out, '[');
    put_number(out, bit - found->first);
    ks_buf_put_u8(out, ']');
}

static void put_qubits(struct ks_buf *out, const struct ks_circuit *circuit,
                       const struct ks_op *op)
{
    for (unsigned i = 0; i < ks_gate_info(op->gate)->qubits; i++) {
        ks_buf_put_u8(out, i == 0 ? ' ' : ',');
        put_bit(out, circuit->qregs, circuit->qreg_count, op->qubits[i]);
    }
}

static void put_params(struct ks_buf *out, const struct ks_circuit *circuit,
                       const struct ks_op *op)
{
    const unsigned count = ks_gate_info(op->gate)->params;
    char text[KS_DOUBLE_TEXT_MAX];

    if (count == 0) {
        return;
    }
    for (unsigned i = 0; i < count; i++) {
        const size_t len = ks_double_text(circuit->params[op->param + i], text);
        ks_buf_put_u8(out, i == 0 ? '(' : ',');
        ks_buf_put(out, ks_bytes_of(text, len));
    }
    ks_buf_put_u8(out, ')');
}

/* --- control flow ------------------------------------------------------------------------- */

static void put_leaf(struct ks_buf *out, const struct ks_circuit *circuit,
                     const struct ks_term *term)
{
    const struct ks_register *creg;

    switch ((enum ks_term_code)term->code) {
    case KS_TERM_NUMBER:
        if (term->is_signed && term->value >> 63 != 0) {
            ks_buf_put_u8(out, '-');
        }
        put_number(out,
                   term->is_signed && term->value >> 63 != 0 ? 0 - term->value : term->value);
        return;
    case KS_TERM_BIT:
        put_bit(out, circuit->cregs, circuit->creg_count, (uint32_t)term->value);
        return;
    case KS_TERM_BITS:
        creg = ks_register_of(circuit->cregs, circuit->creg_count, (uint32_t)term->value);
        ks_buf_put_text(out, creg->name);
        return;
    default:
        ks_buf_put_u8(out, '_');
        put_number(out, term->value);
        return;
    }
}

/* What stands before the operand of a unary operator, or between those of a binary one. */
static void put_operator(struct ks_buf *out, const struct ks_term *term)
{
    static const char *const texts[KS_TERM_COUNT] = {
        [KS_TERM_NEGATE] = "-",       [KS_TERM_INVERT] = "~",
        [KS_TERM_NOT] = "!",          [KS_TERM_BOOL] = "bool",
        [KS_TERM_ADD] = "+",          [KS_TERM_SUBTRACT] = "-",
        [KS_TERM_MULTIPLY] = "*",     [KS_TERM_DIVIDE] = "/",
        [KS_TERM_MODULO] = "%",       [KS_TERM_SHIFT_LEFT] = "<<",
        [KS_TERM_SHIFT_RIGHT] = ">>", [KS_TERM_AND] = "&",
        [KS_TERM_XOR] = "^",          [KS_TERM_OR] = "|",
        [KS_TERM_EQUAL] = "==",       [KS_TERM_UNEQUAL] = "!=",
        [KS_TERM_LESS] = "<",         [KS_TERM_LESS_EQUAL] = "<=",
        [KS_TERM_GREATER] = ">",      [KS_TERM_GREATER_EQUAL] = ">=",
        [KS_TERM_BOTH] = "&&",        [KS_TERM_EITHER] = "||",
    };

    if (term->code == KS_TERM_CAST) {
        ks_buf_put_text(out, term->is_signed ? "int[" : "uint[");
        put_number(out, term->width);
        ks_buf_put_u8(out, ']');
    } else {
        ks_buf_put_text(out, texts[term->code]);
    }
}

/* An operator whose operands are being written. */
struct open_term {
    uint32_t root;
    bool second; /* the operand being written is the last one */
};

/* From the root down, all binary operators but the root in parentheses, and the operands of
 * unary ones; a stack stands for recursion. */
static void put_expression(struct ks_buf *out, const struct ks_circuit *circuit, uint32_t root)
{
    struct open_term stack[KS_TERMS_MAX];
    size_t count = 0;

    for (;;) {
        const struct ks_term *term = &circuit->terms[root];

        if (term->code > KS_TERM_VARIABLE) {
            const bool binary = term->code >= KS_TERM_ADD;

            KS_ASSERT(count < KS_TERMS_MAX);
            stack[count++] = (struct open_term){root, !binary};
            if (!binary) {
                put_operator(out, term);
            }
            if (!binary || count > 1) {
                ks_buf_put_u8(out, '(');
            }
            root -= binary ? 1U + circuit->terms[root - 1].span : 1U;
            continue;
        }
        put_leaf(out, circuit, term);
        for (; count > 0 && stack[count - 1].second; count--) {
            if (count > 1 || circuit->terms[stack[0].root].code < KS_TERM_ADD) {
                ks_buf_put_u8(out, ')');
            }
        }
        if (count == 0) {
            return;
        }
        put_operator(out, &circuit->terms[stack[count - 1].root]);
        stack[count - 1].second = true;
        root = stack[count - 1].root - 1;
    }
}

static void put_assign(struct ks_buf *out, const struct ks_circuit *circuit,
                       const struct ks_op *op)
{
    const struct ks_register *creg;

    if (op->qubits[0] == 0) {
        ks_buf_put_u8(out, '_');
        put_number(out, op->clbit);
    } else {
        creg = ks_register_of(circuit->cregs, circuit->creg_count, op->clbit);
        if (op->qubits[0] == 1) {
            put_bit(out, circuit->cregs, circuit->creg_count, op->clbit);
        } else {
            ks_buf_put_text(out, creg->name);
        }
    }
    ks_buf_put_u8(out, '=');
    put_expression(out, circuit, op->param);
    ks_buf_put_text(out, ";\n");
}

static void put_control(struct ks_buf *out, const struct ks_circuit *circuit,
                        const struct ks_op *op)
{
    switch ((enum ks_gate)op->gate) {
    case KS_GATE_ASSIGN:
        put_assign(out, circuit, op);
        return;
    case KS_GATE_IF:
    case KS_GATE_WHILE:
        ks_buf_put_text(out, op->gate == KS_GATE_IF ? "if(" : "while(");
        put_expression(out, circuit, op->param);
        ks_buf_put_text(out, ") {\n");
        return;
    case KS_GATE_ELSE:
        ks_buf_put_text(out, "} else {\n");
        return;
    case KS_GATE_END:
        ks_buf_put_text(out, "}\n");
        return;
    default:
        ks_buf_put_text(out, op->gate == KS_GATE_BREAK ? "break;\n" : "continue;\n");
        return;
    }
}

/* --- operations --------------------------------------------------------------------------- */

static void put_op(struct ks_buf *out, const struct ks_circuit *circuit, const struct ks_op *op)
{
    if (op->gate > KS_GATE_BARRIER) {
        put_control(out, circuit, op);
        return;
    }
    if (op->condition != 0) {
        put_condition(out, circuit, &circuit->conditions[op->condition - 1]);
    }
    if (op->gate == KS_GATE_MEASURE && circuit->extended) {
        put_bit(out, circuit->cregs, circuit->creg_count, op->clbit);
        ks_buf_put_u8(out, '=');
    }
    ks_buf_put_text(
        out, op->gate == KS_GATE_U && circuit->extended ? "U" : ks_gate_info(op->gate)->name);
    put_params(out, circuit, op);
    if (op->gate == KS_GATE_BARRIER) {
        for (size_t i = 0; i < circuit->qreg_count; i++) {
            ks_buf_put_u8(out, i == 0 ? ' ' : ',');
            ks_buf_put_text(out, circuit->qregs[i].name);
        }
    }
    put_qubits(out, circuit, op);
    if (op->gate == KS_GATE_MEASURE && !circuit->extended) {
        ks_buf_put_text(out, " -> ");
        put_bit(out, circuit->cregs, circuit->creg_count, op->clbit);
    }
    ks_buf_put_text(out, ";\n");
}

static void put_registers(struct ks_buf *out, const char *keyword,
                          const struct ks_register *registers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ks_buf_put_text(out, keyword);
        ks_buf_put_text(out, registers[i].name);
        ks_buf_put_u8(out, '[');
        put_number(out, registers[i].size);
        ks_buf_put_text(out, "];\n");
    }
}

static void put_registers_extended(struct ks_buf *out, const char *keyword,
                                   const struct ks_register *registers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ks_buf_put_text(out, keyword);
        ks_buf_put_u8(out, '[');
        put_number(out, registers[i].size);
        ks_buf_put_text(out, "] ");
        ks_buf_put_text(out, registers[i].name);
        ks_buf_put_text(out, ";\n");
    }
}

static void put_variables(struct ks_buf *out, const struct ks_circuit *circuit)
{
    for (size_t i = 0; i < circuit->variable_count; i++) {
        ks_buf_put_text(out, circuit->variables[i].is_signed ? "int[" : "uint[");
        put_number(out, circuit->variables[i].width);
        ks_buf_put_text(out, "] _");
        put_number(out, i);
        ks_buf_put_text(out, ";\n");
    }
}

/* Definitions of the native gates that CIRCUIT uses and stdgates.inc has not. */
static void put_definitions(struct ks_buf *out, const struct ks_circuit *circuit)
{
    bool used[KS_GATE_COUNT] = {false};

    for (size_t i = 0; i < circuit->op_count; i++) {
        used[circuit->ops[i].gate] = true;
    }
    for (enum ks_gate gate = 0; gate < KS_GATE_MEASURE; gate++) {
        const char *text = ks_gate_definition(gate);

        if (used[gate] && text != NULL) {
            ks_buf_put_text(out, text);
            ks_buf_put_u8(out, '\n');
        }
    }
}

void ks_circuit_print(const struct ks_circuit *circuit, struct ks_buf *out)
{
    if (circuit->extended) {
        ks_buf_put_text(out, "OPENQASM 3.0;\ninclude \"stdgates.inc\";\n");
        put_definitions(out, circuit);
        put_registers_extended(out, "qubit", circuit->qregs, circuit->qreg_count);
        put_registers_extended(out, "bit", circuit->cregs, circuit->creg_count);
        put_variables(out, circuit);
    } else {
        ks_buf_put_text(out, "OPENQASM 2.0;\ninclude \"qelib1.inc\";\n");
        put_registers(out, "qreg ", circuit->qregs, circuit->qreg_count);
        put_registers(out, "creg ", circuit->cregs, circuit->creg_count);
    }
    for (size_t i = 0; i < circuit->op_count && out->err == KS_OK; i++) {
        put_op(out, circuit, &circuit->ops[i]);
    }
}
