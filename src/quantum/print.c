/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* print.c: the canonical OpenQASM 2 text of a circuit: docs/formats/circuit.md. */

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

static void put_op(struct ks_buf *out, const struct ks_circuit *circuit, const struct ks_op *op)
{
    if (op->condition != 0) {
        put_condition(out, circuit, &circuit->conditions[op->condition - 1]);
    }
    ks_buf_put_text(out, ks_gate_info(op->gate)->name);
    put_params(out, circuit, op);
    if (op->gate == KS_GATE_BARRIER) {
        for (size_t i = 0; i < circuit->qreg_count; i++) {
            ks_buf_put_u8(out, i == 0 ? ' ' : ',');
            ks_buf_put_text(out, circuit->qregs[i].name);
        }
    }
    put_qubits(out, circuit, op);
    if (op->gate == KS_GATE_MEASURE) {
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

void ks_circuit_print(const struct ks_circuit *circuit, struct ks_buf *out)
{
    ks_buf_put_text(out, "OPENQASM 2.0;\ninclude \"qelib1.inc\";\n");
    put_registers(out, "qreg ", circuit->qregs, circuit->qreg_count);
    put_registers(out, "creg ", circuit->cregs, circuit->creg_count);
    for (size_t i = 0; i < circuit->op_count && out->err == KS_OK; i++) {
        put_op(out, circuit, &circuit->ops[i]);
    }
}
