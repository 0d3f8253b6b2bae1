/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm_expr.c: parameter expressions. Dijkstra's shunting-yard with two stacks instead of
 * recursion, so that no input decides how deep the C stack grows. From the weakest: + -, * /,
 * unary minus, ^ (to the right), so -2^2 is -4 and 2^-3^2 is 2^(-(3^2)). */

#include <math.h>

#include "quantum/array.h"
#include "quantum/math.h"
#include "quantum/qasm.h"

#define PI 0x1.921fb54442d18p+1

const char *const ks_qasm_functions[KS_QASM_FUNCTION_COUNT] = {"sin", "cos", "tan",
                                                               "exp", "ln",  "sqrt"};

struct pending {
    enum ks_qasm_code code;
    struct ks_qasm_token token;
};

struct yard {
    struct ks_qasm *qasm;
    size_t first; /* of this program in code */
    struct pending operators[KS_QASM_EXPR_DEPTH_MAX];
    size_t count;
    bool local;
};

/* How strongly an operator binds to its left and to its right. */
static unsigned left_power(enum ks_qasm_code code)
{
    switch (code) {
    case KS_QASM_ADD:
    case KS_QASM_SUBTRACT:
        return 1;
    case KS_QASM_MULTIPLY:
    case KS_QASM_DIVIDE:
        return 3;
    default:
        return 8; /* POWER */
    }
}

static unsigned right_power(enum ks_qasm_code code)
{
    switch (code) {
    case KS_QASM_OPEN:
        return 0;
    case KS_QASM_ADD:
    case KS_QASM_SUBTRACT:
        return 2;
    case KS_QASM_MULTIPLY:
    case KS_QASM_DIVIDE:
        return 4;
    case KS_QASM_NEGATE:
        return 5;
    default:
        return 7; /* POWER */
    }
}

static bool is_binary(enum ks_qasm_code code)
{
    return code >= KS_QASM_ADD && code <= KS_QASM_POWER;
}

static double apply(enum ks_qasm_code code, double a, double b)
{
    double sine = 0;
    double cosine = 0;

    switch (code) {
    case KS_QASM_ADD:
        return a + b;
    case KS_QASM_SUBTRACT:
        return a - b;
    case KS_QASM_MULTIPLY:
        return a * b;
    case KS_QASM_DIVIDE:
        return a / b;
    case KS_QASM_POWER:
        return ks_pow(a, b);
    case KS_QASM_NEGATE:
        return -a;
    case KS_QASM_SIN:
    case KS_QASM_COS:
        ks_sincos(a, &sine, &cosine);
        return code == KS_QASM_SIN ? sine : cosine;
    case KS_QASM_TAN:
        return ks_tan(a);
    case KS_QASM_EXP:
        return ks_exp(a);
    case KS_QASM_LN:
        return ks_log(a);
    case KS_QASM_SQRT:
        return a < 0 ? (double)NAN : sqrt(a);
    default:
        KS_ASSERT(false);
    }
}

static const char *operator_text(enum ks_qasm_code code)
{
    static const char *const signs[] = {"+", "-", "*", "/", "^", "-"};

    return code >= KS_QASM_SIN ? ks_qasm_functions[code - KS_QASM_SIN]
                               : signs[code - KS_QASM_ADD];
}

static enum ks_err checked(const struct ks_qasm *qasm, const struct ks_qasm_instruction *where,
                           double a, double b, double *out_value)
{
    const double value = apply(where->code, a, b);

    if (!isfinite(value)) {
        return ks_qasm_fail(qasm->name, where->line, where->column, KS_ERR_FORMAT,
                            where->code == KS_QASM_DIVIDE && b == 0
                                ? "division by zero"
                                : "the result of '%s' is not a finite number",
                            operator_text(where->code));
    }
    *out_value = value;
    return KS_OK;
}

/* --- compiling ---------------------------------------------------------------------------- */

static enum ks_err emit(struct yard *yard, const struct ks_qasm_instruction *instruction)
{
    struct ks_qasm *qasm = yard->qasm;
    struct ks_qasm_instruction *grown =
        ks_array_room(qasm->code, &qasm->code_cap, qasm->code_count + 1, sizeof *grown);

    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "parameter expressions");
    }
    qasm->code = grown;
    qasm->code[qasm->code_count++] = *instruction;
    return KS_OK;
}

/* Appends an operator, or applies it at once when its operands are constants: in postfix order
 * these are then the last instructions. */
static enum ks_err emit_operator(struct yard *yard, const struct pending *pending)
{
    struct ks_qasm *qasm = yard->qasm;
    const size_t operands = is_binary(pending->code) ? 2 : 1;
    const struct ks_qasm_instruction instruction = {
        .code = pending->code, .line = pending->token.line, .column = pending->token.column};

    KS_ASSERT(qasm->code_count - yard->first >= operands);
    struct ks_qasm_instruction *last = &qasm->code[qasm->code_count - operands];
    if (last->code != KS_QASM_NUMBER || last[operands - 1].code != KS_QASM_NUMBER) {
        return emit(yard, &instruction);
    }
    const enum ks_err err =
        checked(qasm, &instruction, last->number, last[operands - 1].number, &last->number);
    qasm->code_count -= operands - 1;
    return err;
}

static enum ks_err push(struct yard *yard, enum ks_qasm_code code)
{
    const struct ks_qasm *qasm = yard->qasm;

    if (yard->count == KS_QASM_EXPR_DEPTH_MAX) {
        return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_LIMIT,
                               "an expression nested deeper than %d", KS_QASM_EXPR_DEPTH_MAX);
    }
    yard->operators[yard->count++] = (struct pending){code, qasm->token};
    return KS_OK;
}

/* Emits the operators that bind their right side more strongly than POWER. */
static enum ks_err pop_above(struct yard *yard, unsigned power)
{
    while (yard->count > 0 && right_power(yard->operators[yard->count - 1].code) > power) {
        const enum ks_err err = emit_operator(yard, &yard->operators[yard->count - 1]);
        if (err != KS_OK) {
            return err;
        }
        yard->count--;
    }
    return KS_OK;
}

static enum ks_err emit_number(struct yard *yard, double value)
{
    const struct ks_qasm_instruction instruction = {.code = KS_QASM_NUMBER, .number = value};
    return emit(yard, &instruction);
}

static enum ks_err literal(struct yard *yard)
{
    const struct ks_qasm *qasm = yard->qasm;
    double value = 0;
    uint64_t integer = 0;

    if (qasm->extended && ks_qasm_literal(qasm->token.text, &integer)) {
        return emit_number(yard, (double)integer);
    }
    if (!ks_qasm_number(qasm->token.text, &value)) {
        return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_FORMAT,
                               "a number out of the range of a double");
    }
    return emit_number(yard, value);
}

/* Constants that OpenQASM 3 has beside pi. */
static bool known_number(const struct ks_qasm_token *token, double *out_value)
{
    static const struct {
        const char *name;
        double value;
    } numbers[] = {{"\xcf\x80", PI},
                   {"tau", 2 * PI},
                   {"\xcf\x84", 2 * PI},
                   {"euler", 0x1.5bf0a8b145769p+1},
                   {"\xe2\x84\x87", 0x1.5bf0a8b145769p+1}};

    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (ks_bytes_is(token->text, numbers[i].name)) {
            *out_value = numbers[i].value;
            return true;
        }
    }
    return false;
}

/* A word where an operand is expected: pi, a function or a parameter. */
static enum ks_err word(struct yard *yard, bool *out_function)
{
    struct ks_qasm *qasm = yard->qasm;
    const struct ks_qasm_token token = qasm->token;
    const struct ks_qasm_symbol *symbol = NULL;
    double value = 0;

    if (ks_bytes_is(token.text, "pi")) {
        return emit_number(yard, PI);
    }
    if (qasm->extended && known_number(&token, &value)) {
        return emit_number(yard, value);
    }
    if (yard->local) {
        symbol = ks_qasm_names_find(&qasm->names, token.text, true);
    }
    if (symbol != NULL && symbol->meaning == KS_QASM_PARAM) {
        const struct ks_qasm_instruction instruction = {.code = KS_QASM_ARGUMENT,
                                                        .param = symbol->index};
        return emit(yard, &instruction);
    }
    symbol = ks_qasm_names_find(&qasm->names, token.text, false);
    if (symbol != NULL && symbol->meaning == KS_QASM_CONSTANT) {
        return emit_number(yard, qasm->constants[symbol->index].number);
    }
    if (symbol != NULL && (symbol->meaning == KS_QASM_VARIABLE ||
                           (qasm->extended && symbol->meaning == KS_QASM_CREG))) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT,
                               "'%.*s' is not known before the run, and angles must be",
                               ks_qasm_shown(token.text), (const char *)token.text.data);
    }
    if (symbol == NULL || symbol->meaning != KS_QASM_FUNCTION) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT,
                               "unknown parameter or function '%.*s'",
                               ks_qasm_shown(token.text), (const char *)token.text.data);
    }
    enum ks_err err = push(yard, KS_QASM_SIN + symbol->index);
    if (err == KS_OK) {
        err = ks_qasm_advance(qasm);
    }
    if (err == KS_OK && !ks_qasm_at_sign(qasm, '(')) {
        err = ks_qasm_unexpected(qasm, "'(' after the name of a function");
    }
    *out_function = true;
    return err != KS_OK ? err : push(yard, KS_QASM_OPEN);
}

/* Takes what stands before or instead of an operand; *OUT_COMPLETE when the operand is
 * complete. */
static enum ks_err take_operand(struct yard *yard, bool *out_complete)
{
    struct ks_qasm *qasm = yard->qasm;
    const struct ks_qasm_token *token = &qasm->token;
    enum ks_err err = KS_OK;
    bool function = false;

    *out_complete = true;
    if (token->kind == KS_QASM_INTEGER || token->kind == KS_QASM_REAL) {
        err = literal(yard);
    } else if (token->kind == KS_QASM_WORD) {
        err = word(yard, &function);
        *out_complete = !function;
    } else if (token->sign == '(' || token->sign == '-') {
        err = push(yard, token->sign == '(' ? KS_QASM_OPEN : KS_QASM_NEGATE);
        *out_complete = false;
    } else if (token->sign == '+') {
        *out_complete = false;
    } else {
        return ks_qasm_unexpected(qasm, "a number, a parameter, pi, a function or '('");
    }
    return err != KS_OK ? err : ks_qasm_advance(qasm);
}

static enum ks_err close_parenthesis(struct yard *yard)
{
    yard->count--; /* the OPEN */
    if (yard->count > 0 && yard->operators[yard->count - 1].code >= KS_QASM_SIN &&
        yard->operators[yard->count - 1].code <= KS_QASM_SQRT) {
        yard->count--;
        return emit_operator(yard, &yard->operators[yard->count]);
    }
    return KS_OK;
}

static enum ks_qasm_code binary_code(const struct ks_qasm *qasm)
{
    const struct ks_qasm_token *token = &qasm->token;

    if (token->kind == KS_QASM_SIGNS && ks_bytes_is(token->text, "**")) {
        return KS_QASM_POWER;
    }
    switch (token->sign) {
    case '+':
        return KS_QASM_ADD;
    case '-':
        return KS_QASM_SUBTRACT;
    case '*':
        return KS_QASM_MULTIPLY;
    case '/':
        return KS_QASM_DIVIDE;
    case '^':
        return qasm->extended ? KS_QASM_STOP : KS_QASM_POWER;
    default:
        return KS_QASM_STOP;
    }
}

/* Takes what stands behind an operand; *OUT_DONE at the end of the expression. */
static enum ks_err take_operator(struct yard *yard, bool *out_operand, bool *out_done)
{
    struct ks_qasm *qasm = yard->qasm;
    const enum ks_qasm_code code = binary_code(qasm);
    enum ks_err err = KS_OK;

    if (code != KS_QASM_STOP) {
        KS_TRY(pop_above(yard, left_power(code)));
        KS_TRY(push(yard, code));
        *out_operand = true;
        return ks_qasm_advance(qasm);
    }
    KS_TRY(pop_above(yard, 0));
    if (ks_qasm_at_sign(qasm, ')') && yard->count > 0) {
        KS_TRY(close_parenthesis(yard));
        return ks_qasm_advance(qasm);
    }
    *out_done = yard->count == 0 && (ks_qasm_at_sign(qasm, ',') || ks_qasm_at_sign(qasm, ')') ||
                                     (qasm->extended && ks_qasm_at_sign(qasm, ';')));
    if (!*out_done) {
        err = ks_qasm_unexpected(qasm, yard->count == 0 ? "an operator, ',' or ')'"
                                                        : "an operator or ')'");
    }
out:
    return err;
}

enum ks_err ks_qasm_expr_parse(struct ks_qasm *qasm, bool local)
{
    static const struct ks_qasm_instruction stop = {.code = KS_QASM_STOP};
    enum ks_err err = KS_OK;
    struct yard yard;
    bool operand = true;
    bool done = false;

    yard.qasm = qasm;
    yard.first = qasm->code_count;
    yard.count = 0;
    yard.local = local;
    while (!done) {
        if (operand) {
            bool complete = false;
            KS_TRY(take_operand(&yard, &complete));
            operand = !complete;
        } else {
            KS_TRY(take_operator(&yard, &operand, &done));
        }
    }
    KS_TRY(emit(&yard, &stop));
out:
    return err;
}

/* --- running ------------------------------------------------------------------------------ */

enum ks_err ks_qasm_expr_run(const struct ks_qasm *qasm, size_t *at, const double *params,
                             double *out_value)
{
    /* Each value below the top waits for an operator that was on the stack of the yard. */
    double stack[KS_QASM_EXPR_DEPTH_MAX + 1];
    size_t count = 0;
    size_t next = *at;

    for (;; next++) {
        const struct ks_qasm_instruction *instruction = &qasm->code[next];
        if (instruction->code == KS_QASM_STOP) {
            break;
        }
        if (instruction->code == KS_QASM_NUMBER || instruction->code == KS_QASM_ARGUMENT) {
            KS_ASSERT(count < sizeof stack / sizeof stack[0]);
            stack[count++] = instruction->code == KS_QASM_NUMBER ? instruction->number
                                                                 : params[instruction->param];
            continue;
        }
        const double second = is_binary(instruction->code) ? stack[--count] : 0;
        const enum ks_err err =
            checked(qasm, instruction, stack[count - 1], second, &stack[count - 1]);
        if (err != KS_OK) {
            return err;
        }
    }
    *at = next + 1;
    *out_value = stack[0];
    return KS_OK;
}
