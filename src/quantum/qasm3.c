/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm3.c: declarations, assignments and the statements of OpenQASM 3 (openqasm.com, version
 * 3.0) as far as docs/formats/circuit.md goes; what is not there is refused by name. */

#include "quantum/qasm3.h"

#include "quantum/array.h"
#include "quantum/term.h"

static bool is(struct ks_bytes text, const char *word)
{
    return ks_bytes_is(text, word);
}

static enum ks_err refuse(const struct ks_qasm *qasm, const char *why)
{
    const struct ks_qasm_token *token = &qasm->token;

    return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT, "'%.*s' %s", ks_qasm_shown(token->text),
                           (const char *)token->text.data, why);
}

/* --- names -------------------------------------------------------------------------------- */

/* Words that begin a statement, or stand where one would. */
static enum ks_err parse_qubit(struct ks_qasm *qasm);
static enum ks_err parse_bit(struct ks_qasm *qasm);
static enum ks_err parse_const(struct ks_qasm *qasm);
static enum ks_err parse_variable(struct ks_qasm *qasm);
static enum ks_err parse_real(struct ks_qasm *qasm);

static const struct {
    const char *name;
    enum ks_err (*parse)(struct ks_qasm *qasm); /* NULL: refused */
    bool flow;                                  /* opens a block */
} words[] = {
    {"qubit", parse_qubit, false},
    {"bit", parse_bit, false},
    {"const", parse_const, false},
    {"int", parse_variable, false},
    {"uint", parse_variable, false},
    {"bool", parse_variable, false},
    {"float", parse_real, false},
    {"angle", parse_real, false},
    {"while", ks_qasm3_while, true},
    {"for", ks_qasm3_for, true},
    {"break", ks_qasm3_jump, false},
    {"continue", ks_qasm3_jump, false},
    {"ctrl", ks_qasm_gate, false},
    {"negctrl", ks_qasm_gate, false},
    {"inv", ks_qasm_gate, false},
    {"pow", ks_qasm_gate, false},
    {"array", NULL, false},
    {"box", NULL, false},
    {"cal", NULL, false},
    {"case", NULL, false},
    {"complex", NULL, false},
    {"def", NULL, false},
    {"default", NULL, false},
    {"defcal", NULL, false},
    {"defcalgrammar", NULL, false},
    {"delay", NULL, false},
    {"duration", NULL, false},
    {"durationof", NULL, false},
    {"else", NULL, false},
    {"end", NULL, false},
    {"extern", NULL, false},
    {"false", NULL, false},
    {"im", NULL, false},
    {"in", NULL, false},
    {"input", NULL, false},
    {"let", NULL, false},
    {"mutable", NULL, false},
    {"output", NULL, false},
    {"pragma", NULL, false},
    {"readonly", NULL, false},
    {"return", NULL, false},
    {"sizeof", NULL, false},
    {"stretch", NULL, false},
    {"switch", NULL, false},
    {"tau", NULL, false},
    {"euler", NULL, false},
    {"true", NULL, false},
    {"void", NULL, false},
};
#define WORDS_COUNT (sizeof words / sizeof words[0])

enum ks_err ks_qasm3_start(struct ks_qasm *qasm)
{
    static const uint32_t logarithm = KS_QASM_LN - KS_QASM_SIN;
    enum ks_err err = KS_OK;
    const struct ks_qasm_gate phase = {
        .name = KS_LITERAL("gphase"), .native = KS_GATE_P, .params = 1, .ops = 1, .steps = 1};

    qasm->extended = true;
    qasm->lexer.extended = true;
    ks_circuit_builder_extend(qasm->builder);
    for (uint32_t i = 0; i < WORDS_COUNT; i++) {
        KS_TRY(ks_qasm_names_add(&qasm->names, ks_bytes_text(words[i].name), false,
                                 KS_QASM_KEYWORD, KS_QASM_WORD_COUNT + i));
    }
    KS_TRY(
        ks_qasm_names_add(&qasm->names, KS_LITERAL("log"), false, KS_QASM_FUNCTION, logarithm));
    KS_TRY(ks_qasm_name_gate(qasm, &phase));
out:
    return err;
}

/* --- types and indices -------------------------------------------------------------------- */

/* "[n]" if it is there: a size from 1 to MAX, a known number. */
static enum ks_err read_size(struct ks_qasm *qasm, uint64_t max, uint64_t *out_size)
{
    const struct ks_qasm_token token = qasm->token;
    struct ks_term number = {0};
    enum ks_err err = KS_OK;

    if (!ks_qasm_at_sign(qasm, '[')) {
        return KS_OK;
    }
    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(ks_qasm3_known(qasm, &number));
    KS_TRY(ks_qasm_expect(qasm, ']'));
    if (number.value == 0 || number.value > max) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_LIMIT, "a size from 1 to %llu",
                               (unsigned long long)max);
    }
    *out_size = number.value;
out:
    return err;
}

enum ks_err ks_qasm3_type(struct ks_qasm *qasm, struct ks_variable *out_type)
{
    const struct ks_bytes name = qasm->token.text;
    uint64_t width = is(name, "bool") || is(name, "bit") ? 1 : 64;
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    if (!is(name, "bool")) {
        KS_TRY(read_size(qasm, 64, &width));
    }
    *out_type = (struct ks_variable){.width = (uint8_t)width, .is_signed = is(name, "int")};
out:
    return err;
}

/* A known index of something of SIZE bits. */
static enum ks_err read_index(struct ks_qasm *qasm, uint32_t size, uint32_t *out_index)
{
    const struct ks_qasm_token token = qasm->token;
    struct ks_term number = {0};
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm3_known(qasm, &number));
    const int64_t index = (int64_t)number.value;
    if (!number.is_signed || index >= (int64_t)size || index < -(int64_t)size) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT, "index %lld of %u bits",
                               (long long)index, size);
    }
    *out_index = (uint32_t)(index < 0 ? index + (int64_t)size : index);
out:
    return err;
}

enum ks_err ks_qasm3_index(struct ks_qasm *qasm, uint32_t size, uint32_t *out_index)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_expect(qasm, '['));
    KS_TRY(read_index(qasm, size, out_index));
    KS_TRY(ks_qasm_expect(qasm, ']'));
out:
    return err;
}

/* [first:last] or [first:step:last], both ends in it. */
enum ks_err ks_qasm3_slice(struct ks_qasm *qasm, struct ks_qasm_operand *operand)
{
    const struct ks_qasm_token token = qasm->token;
    uint32_t bounds[3] = {0};
    struct ks_term step = {.value = 1};
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_expect(qasm, '['));
    KS_TRY(read_index(qasm, operand->size, &bounds[0]));
    if (!ks_qasm_at_sign(qasm, ':')) {
        KS_TRY(ks_qasm_expect(qasm, ']'));
        operand->first += bounds[0];
        operand->size = 1;
        operand->whole = false;
        return KS_OK;
    }
    KS_TRY(ks_qasm_advance(qasm));
    const struct ks_qasm_lexer lexer = qasm->lexer;
    const struct ks_qasm_token second = qasm->token;
    KS_TRY(ks_qasm3_known(qasm, &step));
    if (ks_qasm_at_sign(qasm, ':')) {
        KS_TRY(ks_qasm_advance(qasm));
    } else { /* it was the last index */
        qasm->lexer = lexer;
        qasm->token = second;
        step.value = 1;
    }
    KS_TRY(read_index(qasm, operand->size, &bounds[1]));
    KS_TRY(ks_qasm_expect(qasm, ']'));
    const int64_t by = (int64_t)step.value;
    const int64_t way = (int64_t)bounds[1] - (int64_t)bounds[0];
    if (by == 0 || (way != 0 && (way > 0) != (by > 0))) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT, "a range without an index in it");
    }
    const int64_t size = by > 0 ? way / by : by == INT64_MIN ? 0 : -way / -by;
    operand->first += bounds[0];
    operand->step = (uint32_t)step.value;
    operand->size = (uint32_t)size + 1;
out:
    return err;
}

/* --- registers ---------------------------------------------------------------------------- */

static enum ks_err only_outside(const struct ks_qasm *qasm, const char *what)
{
    return qasm->block_count == 0
               ? KS_OK
               : ks_qasm_fail_at(qasm, &qasm->statement, KS_ERR_FORMAT,
                                 "%s may only be declared outside of blocks", what);
}

static enum ks_err parse_qubit(struct ks_qasm *qasm)
{
    uint64_t size = 1;
    enum ks_err err = KS_OK;

    KS_TRY(only_outside(qasm, "qubits"));
    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(read_size(qasm, UINT32_MAX, &size));
    const struct ks_qasm_token name = qasm->token;
    KS_TRY(ks_qasm_check_new(qasm));
    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(ks_qasm_add_register(qasm, &name, (uint32_t)size, KS_QASM_QREG));
    KS_TRY(ks_qasm_expect(qasm, ';'));
out:
    return err;
}

/* Sets OPERAND, bits of one register, to the expression that follows. */
static enum ks_err assign_bits(struct ks_qasm *qasm, const struct ks_qasm_operand *operand)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm3_expression(qasm));
    if (operand->size == 1) {
        KS_TRY(ks_qasm3_truth(qasm));
    }
    if (operand->size > 64 || operand->step != 1) {
        return ks_qasm_fail_at(qasm, &operand->token, KS_ERR_LIMIT,
                               "a value for more than 64 bits, or for some of a register");
    }
    const struct ks_assignment assignment = {.first = operand->first,
                                             .count = operand->size,
                                             .terms = qasm->terms,
                                             .term_count = qasm->term_count};
    err = ks_circuit_builder_assign(qasm->builder, &assignment);
    KS_TRY(ks_qasm_placed(qasm, &qasm->statement, err));
    KS_TRY(ks_qasm_expect(qasm, ';'));
out:
    return err;
}

static bool at_measure(const struct ks_qasm *qasm)
{
    return qasm->token.kind == KS_QASM_WORD && is(qasm->token.text, "measure");
}

static enum ks_err parse_bit(struct ks_qasm *qasm)
{
    uint64_t size = 1;
    enum ks_err err = KS_OK;

    KS_TRY(only_outside(qasm, "bits"));
    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(read_size(qasm, UINT32_MAX, &size));
    const struct ks_qasm_token name = qasm->token;
    KS_TRY(ks_qasm_check_new(qasm));
    KS_TRY(ks_qasm_advance(qasm));
    const struct ks_qasm_operand operand = {.token = name,
                                            .first = qasm->clbit_count,
                                            .size = (uint32_t)size,
                                            .step = 1,
                                            .whole = true};
    KS_TRY(ks_qasm_add_register(qasm, &name, (uint32_t)size, KS_QASM_CREG));
    if (!ks_qasm_at_sign(qasm, '=')) {
        return ks_qasm_expect(qasm, ';');
    }
    KS_TRY(ks_qasm_advance(qasm));
    err = at_measure(qasm) ? ks_qasm_measure(qasm, &operand) : assign_bits(qasm, &operand);
out:
    return err;
}

/* --- values known before the run ---------------------------------------------------------- */

static enum ks_err add_constant(struct ks_qasm *qasm, struct ks_bytes name,
                                const struct ks_qasm_constant *constant)
{
    struct ks_qasm_constant *grown = ks_array_room(qasm->constants, &qasm->constant_cap,
                                                   qasm->constant_count + 1, sizeof *grown);
    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "constants");
    }
    qasm->constants = grown;
    qasm->constants[qasm->constant_count] = *constant;
    return ks_qasm_names_add(&qasm->names, name, false, KS_QASM_CONSTANT,
                             (uint32_t)qasm->constant_count++);
}

/* The real number that follows. */
static enum ks_err read_real(struct ks_qasm *qasm, double *out_number)
{
    const size_t code = qasm->code_count;
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_expr_parse(qasm, false));
    *out_number = qasm->code[code].number;
    qasm->code_count = code;
out:
    return err;
}

/* "float", "float[64]", "angle": behind it. */
static enum ks_err read_real_type(struct ks_qasm *qasm)
{
    const struct ks_qasm_token token = qasm->token;
    uint64_t size = 64;
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(read_size(qasm, 64, &size));
    if (size != 64) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT,
                               "'%.*s' of another size than 64 is not supported",
                               ks_qasm_shown(token.text), (const char *)token.text.data);
    }
out:
    return err;
}

/* Adds NAME = what follows up to ';'. */
static enum ks_err add_real(struct ks_qasm *qasm, bool changes)
{
    const struct ks_qasm_token name = qasm->token;
    struct ks_qasm_constant constant = {.real = true, .changes = changes};
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_check_new(qasm));
    KS_TRY(ks_qasm_advance(qasm));
    if (!changes || ks_qasm_at_sign(qasm, '=')) {
        KS_TRY(ks_qasm_expect(qasm, '='));
        KS_TRY(read_real(qasm, &constant.number));
    }
    KS_TRY(ks_qasm_expect(qasm, ';'));
    KS_TRY(add_constant(qasm, name.text, &constant));
out:
    return err;
}

static enum ks_err parse_real(struct ks_qasm *qasm)
{
    const enum ks_err err = read_real_type(qasm);

    return err != KS_OK ? err : add_real(qasm, true);
}

static enum ks_err parse_const(struct ks_qasm *qasm)
{
    struct ks_qasm_constant constant = {0};
    struct ks_variable type = {0};
    struct ks_term number = {0};
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    if (qasm->token.kind != KS_QASM_WORD) {
        return ks_qasm_unexpected(qasm, "a type");
    }
    const struct ks_bytes word = qasm->token.text;
    if (is(word, "float") || is(word, "angle")) {
        KS_TRY(read_real_type(qasm));
        return add_real(qasm, false);
    }
    if (!is(word, "int") && !is(word, "uint") && !is(word, "bool") && !is(word, "bit")) {
        return refuse(qasm, "is no type of a constant");
    }
    KS_TRY(ks_qasm3_type(qasm, &type));
    const struct ks_qasm_token name = qasm->token;
    KS_TRY(ks_qasm_check_new(qasm));
    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(ks_qasm_expect(qasm, '='));
    KS_TRY(ks_qasm3_known(qasm, &number));
    KS_TRY(ks_qasm_expect(qasm, ';'));
    constant.integer = is(word, "bool") ? number.value != 0
                                        : ks_term_cut(number.value, type.width, type.is_signed);
    constant.is_signed = type.is_signed || constant.integer <= INT64_MAX;
    constant.number =
        constant.is_signed ? (double)(int64_t)constant.integer : (double)constant.integer;
    KS_TRY(add_constant(qasm, name.text, &constant));
out:
    return err;
}

/* --- variables of the run ----------------------------------------------------------------- */

static enum ks_err assign_variable(struct ks_qasm *qasm,
                                   const struct ks_qasm_variable *variable)
{
    enum ks_err err = KS_OK;

    if (variable->truth) {
        KS_TRY(ks_qasm3_truth(qasm));
    }
    const struct ks_assignment assignment = {
        .first = variable->index, .terms = qasm->terms, .term_count = qasm->term_count};
    err = ks_circuit_builder_assign(qasm->builder, &assignment);
    KS_TRY(ks_qasm_placed(qasm, &qasm->statement, err));
out:
    return err;
}

/* The variable that the declaration at NAME stands for: in an unrolled loop, the one of the
 * first turn. */
static enum ks_err declare(struct ks_qasm *qasm, const struct ks_qasm_token *name,
                           const struct ks_variable *type, bool truth, uint32_t *out_index)
{
    struct ks_qasm_variable variable = {
        .type = *type, .truth = truth, .line = name->line, .column = name->column};
    size_t index = 0;
    enum ks_err err = KS_OK;

    while (index < qasm->variable_count && (qasm->variables[index].line != name->line ||
                                            qasm->variables[index].column != name->column)) {
        index++;
    }
    if (index == qasm->variable_count) {
        struct ks_qasm_variable *grown =
            ks_array_room(qasm->variables, &qasm->variable_cap, index + 1, sizeof *grown);
        KS_CHECK(grown != NULL, KS_ERR_NOMEM, "variables");
        qasm->variables = grown;
        err = ks_circuit_builder_variable(qasm->builder, type, &variable.index);
        KS_TRY(ks_qasm_placed(qasm, name, err));
        qasm->variables[qasm->variable_count++] = variable;
    }
    *out_index = (uint32_t)index;
    KS_TRY(
        ks_qasm_names_add(&qasm->names, name->text, false, KS_QASM_VARIABLE, (uint32_t)index));
out:
    return err;
}

static enum ks_err parse_variable(struct ks_qasm *qasm)
{
    const bool truth = is(qasm->token.text, "bool");
    struct ks_variable type = {0};
    uint32_t index = 0;
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm3_type(qasm, &type));
    const struct ks_qasm_token name = qasm->token;
    KS_TRY(ks_qasm_check_new(qasm));
    KS_TRY(ks_qasm_advance(qasm));
    const bool value = ks_qasm_at_sign(qasm, '=');
    qasm->term_count = 1;
    qasm->terms[0] = (struct ks_term){.code = KS_TERM_NUMBER, .is_signed = true, .span = 1};
    if (value) {
        KS_TRY(ks_qasm_advance(qasm));
        KS_TRY(ks_qasm3_expression(qasm));
    }
    KS_TRY(ks_qasm_expect(qasm, ';'));
    KS_TRY(declare(qasm, &name, &type, truth, &index));
    if (value || qasm->block_count > 0) { /* at the start all are 0 */
        KS_TRY(assign_variable(qasm, &qasm->variables[index]));
    }
out:
    return err;
}

/* --- assignments -------------------------------------------------------------------------- */

/* "=", or "+=" and its like: the operator of *OUT_CODE, KS_TERM_NUMBER for none. */
static enum ks_err read_assigner(struct ks_qasm *qasm, enum ks_term_code *out_code)
{
    static const struct {
        const char *text;
        enum ks_term_code code;
    } assigners[] = {{"+=", KS_TERM_ADD},         {"-=", KS_TERM_SUBTRACT},
                     {"*=", KS_TERM_MULTIPLY},    {"/=", KS_TERM_DIVIDE},
                     {"%=", KS_TERM_MODULO},      {"&=", KS_TERM_AND},
                     {"|=", KS_TERM_OR},          {"^=", KS_TERM_XOR},
                     {"<<=", KS_TERM_SHIFT_LEFT}, {">>=", KS_TERM_SHIFT_RIGHT}};

    *out_code = KS_TERM_NUMBER;
    if (ks_qasm_at_sign(qasm, '=')) {
        return ks_qasm_advance(qasm);
    }
    for (size_t i = 0; i < sizeof assigners / sizeof assigners[0]; i++) {
        if (qasm->token.kind == KS_QASM_SIGNS && is(qasm->token.text, assigners[i].text)) {
            *out_code = assigners[i].code;
            return ks_qasm_advance(qasm);
        }
    }
    return ks_qasm_unexpected(qasm, "an assignment");
}

/* Puts the variable and CODE around the expression at hand: variable CODE (expression). */
static enum ks_err compound(struct ks_qasm *qasm, const struct ks_qasm_variable *variable,
                            enum ks_term_code code, const struct ks_qasm_token *token)
{
    const struct ks_term left = {.code = KS_TERM_VARIABLE,
                                 .is_signed = variable->type.is_signed,
                                 .span = 1,
                                 .value = variable->index};
    const struct ks_term right = qasm->terms[qasm->term_count - 1];
    const struct ks_term term = {.code = (uint8_t)code,
                                 .is_signed = left.is_signed && right.is_signed,
                                 .span = (uint16_t)(right.span + 2)};

    if (qasm->term_count + 2 > KS_TERMS_MAX) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_LIMIT, "an expression of more than %d terms",
                               KS_TERMS_MAX);
    }
    if ((code == KS_TERM_DIVIDE || code == KS_TERM_MODULO) &&
        (right.code != KS_TERM_NUMBER || right.value == 0)) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT,
                               "the divisor is 0 or not known before the run");
    }
    for (size_t i = qasm->term_count; i-- > 0;) {
        qasm->terms[i + 1] = qasm->terms[i];
    }
    qasm->terms[0] = left;
    qasm->terms[qasm->term_count + 1] = term;
    qasm->term_count += 2;
    return KS_OK;
}

static enum ks_err change_variable(struct ks_qasm *qasm, uint32_t index)
{
    const struct ks_qasm_token token = qasm->token;
    enum ks_term_code code = KS_TERM_NUMBER;
    enum ks_err err = KS_OK;

    KS_TRY(read_assigner(qasm, &code));
    KS_TRY(ks_qasm3_expression(qasm));
    KS_TRY(ks_qasm_expect(qasm, ';'));
    if (code != KS_TERM_NUMBER) {
        KS_TRY(compound(qasm, &qasm->variables[index], code, &token));
    }
    KS_TRY(assign_variable(qasm, &qasm->variables[index]));
out:
    return err;
}

static enum ks_err change_constant(struct ks_qasm *qasm, uint32_t index,
                                   const struct ks_qasm_token *name)
{
    double number = 0;
    enum ks_err err = KS_OK;

    if (!qasm->constants[index].changes) {
        return ks_qasm_fail_at(qasm, name, KS_ERR_FORMAT, "'%.*s' is constant",
                               ks_qasm_shown(name->text), (const char *)name->text.data);
    }
    if (ks_circuit_builder_blocks(qasm->builder) > 0) {
        return ks_qasm_fail_at(
            qasm, name, KS_ERR_FORMAT,
            "'%.*s' would depend on the run: a float or angle may not change "
            "where it is not known whether",
            ks_qasm_shown(name->text), (const char *)name->text.data);
    }
    KS_TRY(ks_qasm_expect(qasm, '='));
    KS_TRY(read_real(qasm, &number));
    KS_TRY(ks_qasm_expect(qasm, ';'));
    qasm->constants[index].number = number;
out:
    return err;
}

static enum ks_err change_bits(struct ks_qasm *qasm, const struct ks_qasm_token *name,
                               uint32_t index)
{
    struct ks_qasm_operand operand = {.token = *name,
                                      .first = qasm->registers[index].first,
                                      .size = qasm->registers[index].size,
                                      .step = 1,
                                      .whole = true};
    enum ks_err err = KS_OK;

    if (ks_qasm_at_sign(qasm, '[')) {
        KS_TRY(ks_qasm3_slice(qasm, &operand));
    }
    KS_TRY(ks_qasm_expect(qasm, '='));
    if (at_measure(qasm)) {
        return ks_qasm_measure(qasm, &operand);
    }
    if (operand.whole && operand.size != qasm->registers[index].size) {
        return ks_qasm_fail_at(qasm, name, KS_ERR_FORMAT,
                               "a value for some bits of a register");
    }
    err = assign_bits(qasm, &operand);
out:
    return err;
}

/* --- statements --------------------------------------------------------------------------- */

/* A statement that begins with a name: a gate or an assignment. */
static enum ks_err parse_named(struct ks_qasm *qasm)
{
    const struct ks_qasm_token name = qasm->token;
    const struct ks_qasm_symbol *symbol = ks_qasm_names_find(&qasm->names, name.text, false);
    const enum ks_qasm_meaning meaning = symbol == NULL ? KS_QASM_GATE : symbol->meaning;
    const uint32_t index = symbol == NULL ? 0 : symbol->index;
    enum ks_err err = KS_OK;

    if (meaning != KS_QASM_CREG && meaning != KS_QASM_VARIABLE && meaning != KS_QASM_CONSTANT) {
        return ks_qasm_gate(qasm);
    }
    KS_TRY(ks_qasm_advance(qasm));
    if (meaning == KS_QASM_CREG) {
        return change_bits(qasm, &name, index);
    }
    err = meaning == KS_QASM_VARIABLE ? change_variable(qasm, index)
                                      : change_constant(qasm, index, &name);
out:
    return err;
}

static enum ks_err parse_statement(struct ks_qasm *qasm, bool *out_flow)
{
    const struct ks_qasm_symbol *symbol =
        qasm->token.kind == KS_QASM_WORD
            ? ks_qasm_names_find(&qasm->names, qasm->token.text, false)
            : NULL;

    *out_flow = false;
    if (qasm->token.kind != KS_QASM_WORD) {
        return ks_qasm_at_sign(qasm, '@') ? refuse(qasm, "is not supported: no annotations")
                                          : ks_qasm_unexpected(qasm, "a statement");
    }
    if (symbol == NULL || symbol->meaning != KS_QASM_KEYWORD) {
        return parse_named(qasm);
    }
    if (symbol->index >= KS_QASM_WORD_COUNT) {
        const size_t word = symbol->index - KS_QASM_WORD_COUNT;
        *out_flow = words[word].flow;
        return words[word].parse != NULL ? words[word].parse(qasm)
                                         : refuse(qasm, "is not supported here");
    }
    if (symbol->index == KS_QASM_WORD_IF) {
        *out_flow = true;
        return ks_qasm3_if(qasm);
    }
    if (qasm->block_count > 0 &&
        (symbol->index == KS_QASM_WORD_QREG || symbol->index == KS_QASM_WORD_CREG ||
         symbol->index == KS_QASM_WORD_GATE || symbol->index == KS_QASM_WORD_INCLUDE)) {
        return refuse(qasm, "may only stand outside of blocks");
    }
    return ks_qasm_keyword(qasm, (enum ks_qasm_keyword)symbol->index);
}

enum ks_err ks_qasm3_program(struct ks_qasm *qasm)
{
    enum ks_err err = KS_OK;
    bool flow = false;

    for (;;) {
        if (qasm->token.kind == KS_QASM_END) {
            if (qasm->block_count > 0) {
                return ks_qasm_unexpected(qasm, "'}'");
            }
            if (!ks_qasm_leave_library(qasm)) {
                break;
            }
            continue;
        }
        qasm->statement = qasm->token;
        if (ks_qasm_at_sign(qasm, '}')) {
            KS_TRY(ks_qasm3_close(qasm));
            continue;
        }
        KS_TRY(ks_qasm3_count(qasm));
        KS_TRY(parse_statement(qasm, &flow));
        if (!flow) {
            KS_TRY(ks_qasm3_complete(qasm));
        }
    }
out:
    return err;
}
