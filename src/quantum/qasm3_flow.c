/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm3_flow.c: the blocks of OpenQASM 3. `for` is unrolled: its body is read again for each
 * value. An `if` on what is known leaves the branch that is taken, the other one is not even
 * looked at. `while`, and `if` on what is not, go into the circuit. Open blocks are on a stack;
 * nothing here calls itself. */

#include "quantum/array.h"
#include "quantum/qasm3.h"

enum ks_err ks_qasm3_count(struct ks_qasm *qasm)
{
    const uint64_t ops_max = qasm->limits.ops_max;
    const uint64_t steps_max = ops_max > UINT64_MAX / KS_QASM_STEPS_PER_OP_MAX
                                   ? UINT64_MAX
                                   : ops_max * KS_QASM_STEPS_PER_OP_MAX;

    if (steps_max - qasm->steps < KS_QASM_STATEMENT_STEPS) {
        return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_LIMIT,
                               "the program takes more than %llu steps to read",
                               (unsigned long long)steps_max);
    }
    qasm->steps += KS_QASM_STATEMENT_STEPS;
    return KS_OK;
}

/* --- skipping ----------------------------------------------------------------------------- */

/* Moves behind the sign that closes the one at the current token; brackets of all kinds nest.
 */
static enum ks_err skip_brackets(struct ks_qasm *qasm)
{
    size_t depth = 0;
    enum ks_err err = KS_OK;

    do {
        const char sign = qasm->token.sign;

        if (qasm->token.kind == KS_QASM_END) {
            return ks_qasm_unexpected(qasm, "the end of the block");
        }
        depth += sign == '(' || sign == '[' || sign == '{';
        depth -= sign == ')' || sign == ']' || sign == '}';
        KS_TRY(ks_qasm_advance(qasm));
    } while (depth > 0);
out:
    return err;
}

static bool at_word(const struct ks_qasm *qasm, const char *word)
{
    return qasm->token.kind == KS_QASM_WORD && ks_bytes_is(qasm->token.text, word);
}

/* Moves behind a simple statement's ';'. */
static enum ks_err skip_simple(struct ks_qasm *qasm)
{
    enum ks_err err = KS_OK;

    while (!ks_qasm_at_sign(qasm, ';')) {
        if (qasm->token.kind == KS_QASM_END || ks_qasm_at_sign(qasm, '}')) {
            return ks_qasm_unexpected(qasm, "';'");
        }
        if (ks_qasm_at_sign(qasm, '(') || ks_qasm_at_sign(qasm, '[') ||
            ks_qasm_at_sign(qasm, '{')) {
            KS_TRY(skip_brackets(qasm));
        } else {
            KS_TRY(ks_qasm_advance(qasm));
        }
    }
    err = ks_qasm_advance(qasm);
out:
    return err;
}

/* Moves behind the head of an if, while or for. */
static enum ks_err skip_head(struct ks_qasm *qasm)
{
    const bool loop = at_word(qasm, "for");
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    while (loop && !at_word(qasm, "in")) {
        if (qasm->token.kind == KS_QASM_END) {
            return ks_qasm_unexpected(qasm, "'in'");
        }
        KS_TRY(ks_qasm_advance(qasm));
    }
    if (loop) {
        KS_TRY(ks_qasm_advance(qasm));
    }
    err = skip_brackets(qasm);
out:
    return err;
}

/* Moves behind a whole statement, whatever it is. Each `if` on the way may have an else:
 * OPEN counts them. */
static enum ks_err skip_statement(struct ks_qasm *qasm)
{
    enum ks_err err = KS_OK;
    size_t open = 0;
    bool more = true;

    while (more) {
        if (at_word(qasm, "if") || at_word(qasm, "while") || at_word(qasm, "for")) {
            open += at_word(qasm, "if");
            KS_TRY(skip_head(qasm));
            continue;
        }
        KS_TRY(ks_qasm_at_sign(qasm, '{') ? skip_brackets(qasm) : skip_simple(qasm));
        more = open > 0 && at_word(qasm, "else");
        if (more) {
            open--;
            KS_TRY(ks_qasm_advance(qasm));
        }
    }
out:
    return err;
}

/* --- opening ------------------------------------------------------------------------------ */

/* Begins a body: "{" or one statement. */
static enum ks_err open_block(struct ks_qasm *qasm, enum ks_qasm_block_kind kind, bool may_else)
{
    enum ks_err err = KS_OK;

    if (qasm->block_count == KS_BLOCK_DEPTH_MAX) {
        return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_LIMIT, "blocks nested deeper than %d",
                               KS_BLOCK_DEPTH_MAX);
    }
    struct ks_qasm_block *block = &qasm->blocks[qasm->block_count];
    *block = (struct ks_qasm_block){.kind = kind,
                                    .single = !ks_qasm_at_sign(qasm, '{'),
                                    .may_else = may_else,
                                    .name_count = qasm->names.count,
                                    .constant_count = qasm->constant_count,
                                    .variable_count = qasm->variable_count};
    qasm->block_count++;
    if (!block->single) {
        KS_TRY(ks_qasm_advance(qasm));
    }
out:
    return err;
}

/* "NAME == NUMBER" where the register has more than 64 bits: reads it, or reads nothing. */
static enum ks_err wide_condition(struct ks_qasm *qasm, struct ks_condition *out_condition,
                                  bool *out_found)
{
    const struct ks_qasm_lexer lexer = qasm->lexer;
    const struct ks_qasm_token token = qasm->token;
    const struct ks_qasm_symbol *symbol =
        token.kind == KS_QASM_WORD ? ks_qasm_names_find(&qasm->names, token.text, false) : NULL;
    uint64_t words[1 + KS_CONDITION_HIGH];
    enum ks_err err = KS_OK;

    if (symbol == NULL || symbol->meaning != KS_QASM_CREG ||
        qasm->registers[symbol->index].size <= 64) {
        return KS_OK;
    }
    const struct ks_register range = qasm->registers[symbol->index];
    KS_TRY(ks_qasm_advance(qasm));
    if (qasm->token.kind == KS_QASM_EQUAL) {
        KS_TRY(ks_qasm_advance(qasm));
        *out_found = qasm->token.kind == KS_QASM_INTEGER;
    }
    if (!*out_found) {
        qasm->lexer = lexer;
        qasm->token = token;
        return KS_OK;
    }
    if (!ks_qasm_wide(qasm->token.text, words, 1 + KS_CONDITION_HIGH)) {
        return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_LIMIT,
                               "a condition on more than %d bits",
                               64 * (1 + KS_CONDITION_HIGH));
    }
    *out_condition =
        (struct ks_condition){.first = range.first, .count = range.size, .value = words[0]};
    ks_copy(out_condition->high, &words[1], sizeof out_condition->high);
    err = ks_qasm_advance(qasm);
out:
    return err;
}

/* "(expression)"; known when it is a NUMBER. */
static enum ks_err read_condition(struct ks_qasm *qasm)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm3_expression(qasm));
    KS_TRY(ks_qasm_expect(qasm, ')'));
out:
    return err;
}

enum ks_err ks_qasm3_if(struct ks_qasm *qasm)
{
    struct ks_condition wide = {0};
    enum ks_err err = KS_OK;
    bool is_wide = false;

    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(ks_qasm_expect(qasm, '('));
    KS_TRY(wide_condition(qasm, &wide, &is_wide));
    if (is_wide) {
        KS_TRY(ks_qasm_expect(qasm, ')'));
    } else {
        KS_TRY(read_condition(qasm));
    }
    if (is_wide || qasm->terms[0].code != KS_TERM_NUMBER || qasm->term_count > 1) {
        err = ks_circuit_builder_if(qasm->builder, qasm->terms, qasm->term_count,
                                    is_wide ? &wide : NULL);
        KS_TRY(ks_qasm_placed(qasm, &qasm->statement, err));
        return open_block(qasm, KS_QASM_BLOCK_RUN, true);
    }
    if (qasm->terms[0].value != 0) {
        return open_block(qasm, KS_QASM_BLOCK_PLAIN, true);
    }
    KS_TRY(skip_statement(qasm));
    if (at_word(qasm, "else")) {
        KS_TRY(ks_qasm_advance(qasm));
        return open_block(qasm, KS_QASM_BLOCK_PLAIN, false);
    }
    err = ks_qasm3_complete(qasm);
out:
    return err;
}

enum ks_err ks_qasm3_while(struct ks_qasm *qasm)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(ks_qasm_expect(qasm, '('));
    KS_TRY(read_condition(qasm));
    if (qasm->term_count == 1 && qasm->terms[0].code == KS_TERM_NUMBER &&
        qasm->terms[0].value == 0) {
        KS_TRY(skip_statement(qasm));
        return ks_qasm3_complete(qasm);
    }
    err = ks_circuit_builder_while(qasm->builder, qasm->terms, qasm->term_count);
    KS_TRY(ks_qasm_placed(qasm, &qasm->statement, err));
    err = open_block(qasm, KS_QASM_BLOCK_RUN, false);
out:
    return err;
}

enum ks_err ks_qasm3_jump(struct ks_qasm *qasm)
{
    const bool leave = at_word(qasm, "break");
    enum ks_err err = KS_OK;

    for (size_t i = qasm->block_count; i-- > 0;) {
        if (qasm->blocks[i].kind == KS_QASM_BLOCK_FOR) {
            return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_FORMAT,
                                   "'%s' inside of 'for', which is unrolled: write 'while'",
                                   leave ? "break" : "continue");
        }
    }
    err = ks_circuit_builder_jump(qasm->builder, leave ? KS_GATE_BREAK : KS_GATE_CONTINUE);
    KS_TRY(ks_qasm_placed(qasm, &qasm->token, err));
    KS_TRY(ks_qasm_advance(qasm));
    err = ks_qasm_expect(qasm, ';');
out:
    return err;
}

/* --- for ---------------------------------------------------------------------------------- */

/* "{1, 5, 2}" */
static enum ks_err read_set(struct ks_qasm *qasm, struct ks_qasm_block *values)
{
    struct ks_term number = {0};
    enum ks_err err = KS_OK;

    values->value_first = qasm->loop_value_count;
    do {
        KS_TRY(ks_qasm_advance(qasm)); /* the '{' or ',' */
        KS_TRY(ks_qasm3_known(qasm, &number));
        if (qasm->loop_value_count == KS_QASM_LOOP_VALUES_MAX) {
            return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_LIMIT,
                                   "sets of more than %d values", KS_QASM_LOOP_VALUES_MAX);
        }
        uint64_t *grown = ks_array_room(qasm->loop_values, &qasm->loop_value_cap,
                                        qasm->loop_value_count + 1, sizeof *grown);
        KS_CHECK(grown != NULL, KS_ERR_NOMEM, "values of loops");
        qasm->loop_values = grown;
        qasm->loop_values[qasm->loop_value_count++] = number.value;
    } while (ks_qasm_at_sign(qasm, ','));
    KS_TRY(ks_qasm_expect(qasm, '}'));
    values->value = qasm->loop_values[values->value_first];
    values->value_next = values->value_first + 1;
    values->value_end = qasm->loop_value_count;
    values->left = values->value_end - values->value_first;
out:
    return err;
}

/* "[first:last]" or "[first:step:last]", both ends in it. */
static enum ks_err read_range(struct ks_qasm *qasm, struct ks_qasm_block *values)
{
    const struct ks_qasm_token token = qasm->token;
    struct ks_term bounds[3] = {0};
    size_t count = 0;
    enum ks_err err = KS_OK;

    do {
        KS_TRY(ks_qasm_advance(qasm)); /* the '[' or ':' */
        KS_TRY(ks_qasm3_known(qasm, &bounds[count]));
        count++;
    } while (count < 3 && ks_qasm_at_sign(qasm, ':'));
    KS_TRY(ks_qasm_expect(qasm, ']'));
    if (count == 1) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT, "a range is [first:last]");
    }
    const int64_t first = (int64_t)bounds[0].value;
    const int64_t last = (int64_t)bounds[count - 1].value;
    const int64_t step = count == 3 ? (int64_t)bounds[1].value : 1;
    if (step == 0) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT, "a range in steps of 0");
    }
    values->value = bounds[0].value;
    values->step = (uint64_t)step;
    if (step > 0 && first <= last) {
        values->left = ((uint64_t)last - (uint64_t)first) / (uint64_t)step + 1;
    } else if (step < 0 && first >= last) {
        values->left = ((uint64_t)first - (uint64_t)last) / (0 - (uint64_t)step) + 1;
    }
out:
    return err;
}

static void set_loop_value(struct ks_qasm *qasm, const struct ks_qasm_block *block)
{
    qasm->constants[block->constant] = (struct ks_qasm_constant){
        .is_signed = true, .integer = block->value, .number = (double)(int64_t)block->value};
}

/* The name and the constant of the loop, which belong to its block. */
static enum ks_err add_loop_name(struct ks_qasm *qasm, struct ks_bytes name)
{
    struct ks_qasm_constant *grown = ks_array_room(qasm->constants, &qasm->constant_cap,
                                                   qasm->constant_count + 1, sizeof *grown);
    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "constants");
    }
    qasm->constants = grown;
    return ks_qasm_names_add(&qasm->names, name, false, KS_QASM_CONSTANT,
                             (uint32_t)qasm->constant_count++);
}

enum ks_err ks_qasm3_for(struct ks_qasm *qasm)
{
    struct ks_qasm_block values = {0};
    struct ks_variable type = {0};
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    if (at_word(qasm, "int") || at_word(qasm, "uint")) {
        KS_TRY(ks_qasm3_type(qasm, &type));
    }
    const struct ks_bytes name = qasm->token.text;
    KS_TRY(ks_qasm_check_new(qasm));
    KS_TRY(ks_qasm_advance(qasm));
    if (!at_word(qasm, "in")) {
        return ks_qasm_unexpected(qasm, "'in'");
    }
    KS_TRY(ks_qasm_advance(qasm));
    if (ks_qasm_at_sign(qasm, '{')) {
        KS_TRY(read_set(qasm, &values));
    } else if (ks_qasm_at_sign(qasm, '[')) {
        KS_TRY(read_range(qasm, &values));
    } else {
        return ks_qasm_unexpected(qasm, "[first:last] or {value, value}");
    }
    if (values.left == 0) {
        KS_TRY(skip_statement(qasm));
        return ks_qasm3_complete(qasm);
    }
    KS_TRY(open_block(qasm, KS_QASM_BLOCK_FOR, false));
    struct ks_qasm_block *block = &qasm->blocks[qasm->block_count - 1];
    block->value = values.value;
    block->step = values.step;
    block->left = values.left - 1;
    block->value_first = values.value_first;
    block->value_next = values.value_next;
    block->value_end = values.value_end;
    block->constant = (uint32_t)qasm->constant_count;
    block->lexer = qasm->lexer;
    block->token = qasm->token;
    KS_TRY(add_loop_name(qasm, name));
    set_loop_value(qasm, block);
out:
    return err;
}

/* The body of BLOCK, a loop, has been read: goes on to the next value, if there is one. */
static enum ks_err next_value(struct ks_qasm *qasm, struct ks_qasm_block *block)
{
    ks_qasm_names_drop_to(&qasm->names, block->name_count + 1);
    qasm->constant_count = block->constant_count + 1;
    if (block->value_end > 0) {
        block->value = qasm->loop_values[block->value_next++];
    } else {
        block->value += block->step;
    }
    block->left--;
    set_loop_value(qasm, block);
    qasm->lexer = block->lexer;
    qasm->token = block->token;
    return ks_qasm3_count(qasm);
}

/* --- closing ------------------------------------------------------------------------------ */

/* The body of the innermost block is complete. *OUT_CLOSED when the block is too, not only one
 * branch or one turn of it. */
static enum ks_err end_body(struct ks_qasm *qasm, bool *out_closed)
{
    struct ks_qasm_block *block = &qasm->blocks[qasm->block_count - 1];
    enum ks_err err = KS_OK;

    *out_closed = false;
    if (block->kind == KS_QASM_BLOCK_FOR && block->left > 0) {
        return next_value(qasm, block);
    }
    const struct ks_qasm_block ended = *block;
    ks_qasm_names_drop_to(&qasm->names, ended.name_count);
    qasm->constant_count = ended.constant_count;
    if (ended.value_end > 0) {
        qasm->loop_value_count = ended.value_first;
    }
    qasm->block_count--;
    if (ended.may_else && at_word(qasm, "else")) {
        KS_TRY(ks_qasm_advance(qasm));
        if (ended.kind == KS_QASM_BLOCK_RUN) {
            err = ks_circuit_builder_else(qasm->builder);
            KS_TRY(ks_qasm_placed(qasm, &qasm->statement, err));
            return open_block(qasm, KS_QASM_BLOCK_RUN, false);
        }
        KS_TRY(skip_statement(qasm));
    } else if (ended.kind == KS_QASM_BLOCK_RUN) {
        err = ks_circuit_builder_end(qasm->builder);
        KS_TRY(ks_qasm_placed(qasm, &qasm->statement, err));
    }
    *out_closed = true;
out:
    return err;
}

enum ks_err ks_qasm3_complete(struct ks_qasm *qasm)
{
    enum ks_err err = KS_OK;
    bool closed = true;

    while (closed && qasm->block_count > 0 && qasm->blocks[qasm->block_count - 1].single) {
        KS_TRY(end_body(qasm, &closed));
    }
out:
    return err;
}

enum ks_err ks_qasm3_close(struct ks_qasm *qasm)
{
    enum ks_err err = KS_OK;
    bool closed = false;

    if (qasm->block_count == 0 || qasm->blocks[qasm->block_count - 1].single) {
        return ks_qasm_unexpected(qasm, "a statement");
    }
    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(end_body(qasm, &closed));
    if (closed) {
        KS_TRY(ks_qasm3_complete(qasm));
    }
out:
    return err;
}
