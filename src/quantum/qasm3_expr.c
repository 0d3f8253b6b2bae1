/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm3_expr.c: expressions of integers, bits and truth values in OpenQASM 3: conditions,
 * indices, right sides of assignments. Shunting-yard as in qasm_expr.c; what is known is
 * computed at once. From the weakest: || && | ^ & (== !=) (< > <= >=) (<< >>) (+ -) (* / %),
 * signs ! ~, ** to the right. */

#include "quantum/qasm3.h"
#include "quantum/term.h"

#define OPEN  KS_TERM_COUNT       /* a parenthesis */
#define POWER (KS_TERM_COUNT + 1) /* of known numbers only, so never a term */
#define NONE  (KS_TERM_COUNT + 2)
#define UNARY 21 /* how strongly these bind to their right */

struct pending {
    struct ks_term term; /* code, width and sign of the operator */
    struct ks_qasm_token token;
};

struct yard {
    struct ks_qasm *qasm;
    struct pending operators[KS_QASM_EXPR_DEPTH_MAX];
    size_t count;
    size_t first; /* of this expression in qasm->terms */
    bool known;   /* bits and variables are refused */
};

static const struct {
    char sign; /* or the text */
    const char *text;
    uint8_t code;
    uint8_t left;
    uint8_t right;
} binaries[] = {
    {0, "||", KS_TERM_EITHER, 1, 2},
    {0, "&&", KS_TERM_BOTH, 3, 4},
    {'|', NULL, KS_TERM_OR, 5, 6},
    {'^', NULL, KS_TERM_XOR, 7, 8},
    {'&', NULL, KS_TERM_AND, 9, 10},
    {0, "==", KS_TERM_EQUAL, 11, 12},
    {0, "!=", KS_TERM_UNEQUAL, 11, 12},
    {'<', NULL, KS_TERM_LESS, 13, 14},
    {0, "<=", KS_TERM_LESS_EQUAL, 13, 14},
    {'>', NULL, KS_TERM_GREATER, 13, 14},
    {0, ">=", KS_TERM_GREATER_EQUAL, 13, 14},
    {0, "<<", KS_TERM_SHIFT_LEFT, 15, 16},
    {0, ">>", KS_TERM_SHIFT_RIGHT, 15, 16},
    {'+', NULL, KS_TERM_ADD, 17, 18},
    {'-', NULL, KS_TERM_SUBTRACT, 17, 18},
    {'*', NULL, KS_TERM_MULTIPLY, 19, 20},
    {'/', NULL, KS_TERM_DIVIDE, 19, 20},
    {'%', NULL, KS_TERM_MODULO, 19, 20},
    {0, "**", POWER, 24, 23},
};
#define BINARY_COUNT (sizeof binaries / sizeof binaries[0])

static unsigned right_power(unsigned code)
{
    for (size_t i = 0; i < BINARY_COUNT; i++) {
        if (binaries[i].code == code) {
            return binaries[i].right;
        }
    }
    return code == OPEN ? 0 : UNARY;
}

/* --- terms -------------------------------------------------------------------------------- */

static enum ks_err emit(struct yard *yard, const struct ks_term *term)
{
    struct ks_qasm *qasm = yard->qasm;

    if (qasm->term_count == KS_TERMS_MAX) {
        return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_LIMIT,
                               "an expression of more than %d terms", KS_TERMS_MAX);
    }
    qasm->terms[qasm->term_count++] = *term;
    return KS_OK;
}

/* Known numbers are signed as literals are: unless they need 64 bits without a sign. */
static enum ks_err emit_number(struct yard *yard, uint64_t value, bool is_signed)
{
    const struct ks_term term = {.code = KS_TERM_NUMBER,
                                 .is_signed = is_signed || value <= INT64_MAX,
                                 .span = 1,
                                 .value = value};
    return emit(yard, &term);
}

static bool is_truth(unsigned code)
{
    return code == KS_TERM_NOT || code == KS_TERM_BOOL || code >= KS_TERM_EQUAL;
}

static uint64_t power(uint64_t base, uint64_t exponent)
{
    uint64_t value = 1;

    for (; exponent > 0; exponent >>= 1) {
        value *= (exponent & 1) != 0 ? base : 1;
        base *= base;
    }
    return value;
}

/* The value of OPERATOR on known numbers. */
static enum ks_err fold(struct yard *yard, const struct pending *operator, uint64_t a,
                        uint64_t b, bool is_signed)
{
    const unsigned code = operator->term.code;
    const bool minimum = code == KS_TERM_NEGATE && a == (uint64_t)1 << 63;

    if (code == POWER) {
        if (is_signed && b >> 63 != 0) {
            return ks_qasm_fail_at(yard->qasm, &operator->token, KS_ERR_FORMAT,
                                   "an integer to a negative power");
        }
        return emit_number(yard, power(a, b), is_signed);
    }
    return emit_number(yard, ks_term_apply(&operator->term, a, b, is_signed),
                       is_signed || minimum || is_truth(code) ||
                           (code == KS_TERM_CAST && operator->term.is_signed));
}

static enum ks_err check_operands(const struct yard *yard, const struct pending *operator,
                                  const struct ks_term * a, const struct ks_term *b)
{
    const unsigned code = operator->term.code;

    if ((code == KS_TERM_DIVIDE || code == KS_TERM_MODULO) &&
        (b->code != KS_TERM_NUMBER || b->value == 0)) {
        return ks_qasm_fail_at(yard->qasm, &operator->token, KS_ERR_FORMAT,
                               b->code == KS_TERM_NUMBER
                                   ? "division by zero"
                                   : "the divisor is not known before the run");
    }
    if (code == POWER && (a->code != KS_TERM_NUMBER || b->code != KS_TERM_NUMBER)) {
        return ks_qasm_fail_at(yard->qasm, &operator->token, KS_ERR_FORMAT,
                               "a power of what is not known before the run");
    }
    return KS_OK;
}

/* The operands are the last terms. */
static enum ks_err emit_operator(struct yard *yard, const struct pending *operator)
{
    struct ks_qasm *qasm = yard->qasm;
    const bool binary = operator->term.code >= KS_TERM_ADD;
    const struct ks_term b = qasm->terms[qasm->term_count - 1];
    const struct ks_term a = binary ? qasm->terms[qasm->term_count - 1 - b.span] : b;
    const bool is_signed = a.is_signed && b.is_signed;
    struct ks_term term = operator->term;

    if (binary) {
        const enum ks_err err = check_operands(yard, operator, & a, &b);
        if (err != KS_OK) {
            return err;
        }
    }
    if (a.code == KS_TERM_NUMBER && b.code == KS_TERM_NUMBER) {
        qasm->term_count -= binary ? 2 : 1;
        return fold(yard, operator, a.value, b.value, is_signed);
    }
    term.span = (uint16_t)(1 + a.span + (binary ? b.span : 0));
    if (term.code != KS_TERM_CAST) {
        term.is_signed = is_signed || is_truth(term.code);
    }
    return emit(yard, &term);
}

/* --- the yard ----------------------------------------------------------------------------- */

static enum ks_err push(struct yard *yard, const struct ks_term *term)
{
    const struct ks_qasm *qasm = yard->qasm;

    if (yard->count == KS_QASM_EXPR_DEPTH_MAX) {
        return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_LIMIT,
                               "an expression nested deeper than %d", KS_QASM_EXPR_DEPTH_MAX);
    }
    yard->operators[yard->count++] = (struct pending){*term, qasm->token};
    return KS_OK;
}

static enum ks_err push_code(struct yard *yard, unsigned code)
{
    const struct ks_term term = {.code = (uint8_t)code};
    return push(yard, &term);
}

static enum ks_err pop_above(struct yard *yard, unsigned strength)
{
    while (yard->count > 0 &&
           right_power(yard->operators[yard->count - 1].term.code) > strength) {
        const enum ks_err err = emit_operator(yard, &yard->operators[yard->count - 1]);
        if (err != KS_OK) {
            return err;
        }
        yard->count--;
    }
    return KS_OK;
}

/* --- operands ----------------------------------------------------------------------------- */

static enum ks_err not_known(const struct ks_qasm *qasm, const struct ks_qasm_token *token)
{
    return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT,
                           "'%.*s' is not known before the run, and has to be here",
                           ks_qasm_shown(token->text), (const char *)token->text.data);
}

/* Bits of a register: the token behind its name is the current one. */
static enum ks_err take_bits(struct yard *yard, const struct ks_qasm_token *token,
                             uint32_t symbol_index)
{
    struct ks_qasm *qasm = yard->qasm;
    const struct ks_register range = qasm->registers[symbol_index];
    struct ks_term term = {
        .code = KS_TERM_BIT, .is_signed = true, .span = 1, .value = range.first};
    enum ks_err err = KS_OK;

    if (yard->known) {
        return not_known(qasm, token);
    }
    if (ks_qasm_at_sign(qasm, '[')) {
        uint32_t index = 0;
        KS_TRY(ks_qasm3_index(qasm, range.size, &index));
        term.value += index;
    } else if (range.size > 64) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_LIMIT,
                               "a register of more than 64 bits in an expression");
    } else if (range.size > 1) {
        term.code = KS_TERM_BITS;
        term.is_signed = false;
        term.width = (uint8_t)range.size;
    }
    KS_TRY(emit(yard, &term));
out:
    return err;
}

/* int(…), uint[8](…), bool(…), bit(…): pushes what it does. */
static enum ks_err take_cast(struct yard *yard)
{
    struct ks_qasm *qasm = yard->qasm;
    struct ks_variable type = {0};
    enum ks_err err = KS_OK;
    const bool truth = ks_bytes_is(qasm->token.text, "bool");

    KS_TRY(ks_qasm3_type(qasm, &type));
    const struct ks_term term = {.code = truth ? KS_TERM_BOOL : KS_TERM_CAST,
                                 .is_signed = type.is_signed,
                                 .width = truth ? 0 : type.width};
    KS_TRY(push(yard, &term));
    if (!ks_qasm_at_sign(qasm, '(')) {
        return ks_qasm_unexpected(qasm, "'(' after a type");
    }
    KS_TRY(push_code(yard, OPEN));
    KS_TRY(ks_qasm_advance(qasm));
out:
    return err;
}

static enum ks_err take_name(struct yard *yard)
{
    struct ks_qasm *qasm = yard->qasm;
    const struct ks_qasm_token token = qasm->token;
    const struct ks_qasm_symbol *symbol = ks_qasm_names_find(&qasm->names, token.text, false);
    enum ks_err err = KS_OK;

    if (symbol == NULL) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT, "unknown name '%.*s'",
                               ks_qasm_shown(token.text), (const char *)token.text.data);
    }
    const uint32_t index = symbol->index;
    const enum ks_qasm_meaning meaning = symbol->meaning;
    KS_TRY(ks_qasm_advance(qasm));
    if (meaning == KS_QASM_CREG) {
        return take_bits(yard, &token, index);
    }
    if (meaning == KS_QASM_CONSTANT && !qasm->constants[index].real) {
        return emit_number(yard, qasm->constants[index].integer,
                           qasm->constants[index].is_signed);
    }
    if (meaning == KS_QASM_VARIABLE && !yard->known) {
        const struct ks_term term = {.code = KS_TERM_VARIABLE,
                                     .is_signed = qasm->variables[index].type.is_signed,
                                     .span = 1,
                                     .value = qasm->variables[index].index};
        return emit(yard, &term);
    }
    if (meaning == KS_QASM_VARIABLE) {
        return not_known(qasm, &token);
    }
    return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT,
                           "'%.*s' cannot stand in an integer expression",
                           ks_qasm_shown(token.text), (const char *)token.text.data);
out:
    return err;
}

static enum ks_err take_word(struct yard *yard, bool *out_complete)
{
    struct ks_qasm *qasm = yard->qasm;
    const struct ks_bytes text = qasm->token.text;
    enum ks_err err = KS_OK;

    if (ks_bytes_is(text, "true") || ks_bytes_is(text, "false")) {
        KS_TRY(emit_number(yard, ks_bytes_is(text, "true"), true));
        return ks_qasm_advance(qasm);
    }
    if (ks_bytes_is(text, "int") || ks_bytes_is(text, "uint") || ks_bytes_is(text, "bool") ||
        ks_bytes_is(text, "bit")) {
        *out_complete = false;
        return take_cast(yard);
    }
    err = take_name(yard);
out:
    return err;
}

static enum ks_err take_literal(struct yard *yard)
{
    struct ks_qasm *qasm = yard->qasm;
    uint64_t value = 0;
    enum ks_err err = KS_OK;

    if (!ks_qasm_literal(qasm->token.text, &value)) {
        return ks_qasm_fail_at(
            qasm, &qasm->token, KS_ERR_FORMAT, "'%.*s' is no integer of at most 64 bits",
            ks_qasm_shown(qasm->token.text), (const char *)qasm->token.text.data);
    }
    KS_TRY(emit_number(yard, value, false));
    err = ks_qasm_advance(qasm);
out:
    return err;
}

/* "0110": bits, the last one lowest. */
static enum ks_err take_string(struct yard *yard)
{
    struct ks_qasm *qasm = yard->qasm;
    const struct ks_bytes text = qasm->token.text;
    uint64_t value = 0;
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < text.len; i++) {
        if (text.len > 64 || (text.data[i] != '0' && text.data[i] != '1')) {
            return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_FORMAT,
                                   "a string that is not 1 to 64 of the digits 0 and 1");
        }
        value = value << 1 | (text.data[i] == '1');
    }
    KS_TRY(emit_number(yard, value, false));
    err = ks_qasm_advance(qasm);
out:
    return err;
}

static enum ks_err take_operand(struct yard *yard, bool *out_complete)
{
    struct ks_qasm *qasm = yard->qasm;
    const struct ks_qasm_token *token = &qasm->token;
    enum ks_err err = KS_OK;

    *out_complete = true;
    if (token->kind == KS_QASM_INTEGER) {
        return take_literal(yard);
    }
    if (token->kind == KS_QASM_WORD) {
        return take_word(yard, out_complete);
    }
    if (token->kind == KS_QASM_STRING && token->text.len > 0) {
        return take_string(yard);
    }
    *out_complete = false;
    switch (token->sign) {
    case '(':
        err = push_code(yard, OPEN);
        break;
    case '-':
        err = push_code(yard, KS_TERM_NEGATE);
        break;
    case '~':
        err = push_code(yard, KS_TERM_INVERT);
        break;
    case '!':
        err = push_code(yard, KS_TERM_NOT);
        break;
    case '+':
        break;
    default:
        return ks_qasm_unexpected(qasm, "an integer, a bit or '('");
    }
    return err != KS_OK ? err : ks_qasm_advance(qasm);
}

static size_t binary_at(const struct ks_qasm_token *token)
{
    size_t i = 0;

    while (i < BINARY_COUNT &&
           (binaries[i].text != NULL
                ? (token->kind != KS_QASM_SIGNS && token->kind != KS_QASM_EQUAL) ||
                      !ks_bytes_is(token->text, binaries[i].text)
                : token->kind != KS_QASM_SIGN || token->sign != binaries[i].sign)) {
        i++;
    }
    return i;
}

static enum ks_err take_operator(struct yard *yard, bool *out_operand, bool *out_done)
{
    struct ks_qasm *qasm = yard->qasm;
    const size_t binary = binary_at(&qasm->token);
    enum ks_err err = KS_OK;

    if (binary < BINARY_COUNT) {
        KS_TRY(pop_above(yard, binaries[binary].left));
        KS_TRY(push_code(yard, binaries[binary].code));
        *out_operand = true;
        return ks_qasm_advance(qasm);
    }
    KS_TRY(pop_above(yard, 0));
    if (yard->count == 0) {
        *out_done = true;
        return KS_OK;
    }
    if (!ks_qasm_at_sign(qasm, ')')) {
        return ks_qasm_unexpected(qasm, "an operator or ')'");
    }
    yard->count--; /* the OPEN */
    if (yard->count > 0 && (yard->operators[yard->count - 1].term.code == KS_TERM_CAST ||
                            yard->operators[yard->count - 1].term.code == KS_TERM_BOOL)) {
        yard->count--;
        KS_TRY(emit_operator(yard, &yard->operators[yard->count]));
    }
    err = ks_qasm_advance(qasm);
out:
    return err;
}

/* --- all of it ---------------------------------------------------------------------------- */

static enum ks_err check_stack(const struct ks_qasm *qasm, size_t first,
                               const struct ks_qasm_token *token)
{
    size_t count = 0;

    for (size_t i = first; i < qasm->term_count; i++) {
        count += qasm->terms[i].code <= KS_TERM_VARIABLE ? 1 : 0;
        count -= qasm->terms[i].code >= KS_TERM_ADD ? 1 : 0;
        if (count > KS_TERM_STACK_MAX) {
            return ks_qasm_fail_at(qasm, token, KS_ERR_LIMIT,
                                   "an expression with more than %d values that wait",
                                   KS_TERM_STACK_MAX);
        }
    }
    return KS_OK;
}

static enum ks_err parse(struct ks_qasm *qasm, bool known)
{
    const struct ks_qasm_token token = qasm->token;
    enum ks_err err = KS_OK;
    struct yard yard;
    bool operand = true;
    bool done = false;

    yard.qasm = qasm;
    yard.count = 0;
    yard.first = qasm->term_count;
    yard.known = known;
    while (!done) {
        if (operand) {
            bool complete = false;
            KS_TRY(take_operand(&yard, &complete));
            operand = !complete;
        } else {
            KS_TRY(take_operator(&yard, &operand, &done));
        }
    }
    KS_TRY(check_stack(qasm, yard.first, &token));
out:
    return err;
}

enum ks_err ks_qasm3_expression(struct ks_qasm *qasm)
{
    qasm->term_count = 0;
    return parse(qasm, false);
}

enum ks_err ks_qasm3_known(struct ks_qasm *qasm, struct ks_term *out_number)
{
    const size_t first = qasm->term_count;
    enum ks_err err = KS_OK;

    KS_TRY(parse(qasm, true));
    *out_number = qasm->terms[first];
    qasm->term_count = first;
out:
    return err;
}

/* Makes a truth value of the expression at hand. */
enum ks_err ks_qasm3_truth(struct ks_qasm *qasm)
{
    const struct ks_term root = qasm->terms[qasm->term_count - 1];
    const struct ks_term term = {
        .code = KS_TERM_BOOL, .is_signed = true, .span = (uint16_t)(root.span + 1)};

    if (root.code == KS_TERM_NUMBER) {
        qasm->terms[0].value = root.value != 0;
        qasm->terms[0].is_signed = true;
        return KS_OK;
    }
    if (is_truth(root.code) || root.code == KS_TERM_BIT) {
        return KS_OK;
    }
    if (qasm->term_count == KS_TERMS_MAX) {
        return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_LIMIT,
                               "an expression of more than %d terms", KS_TERMS_MAX);
    }
    qasm->terms[qasm->term_count++] = term;
    return KS_OK;
}
