/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm.c: the statements of OpenQASM 2.0 (Cross et al., arXiv 1707.03429), many of which
 * OpenQASM 3 has too. */

#include "quantum/qasm3.h"

#include "quantum/array.h"

#define SHOWN_MAX 60 /* characters of a token in a message */

/* --- tokens ------------------------------------------------------------------------------- */

int ks_qasm_shown(struct ks_bytes text)
{
    return text.len > SHOWN_MAX ? SHOWN_MAX : (int)text.len;
}

enum ks_err ks_qasm_advance(struct ks_qasm *qasm)
{
    return ks_qasm_next(&qasm->lexer, &qasm->token);
}

bool ks_qasm_at_sign(const struct ks_qasm *qasm, char sign)
{
    return qasm->token.sign == sign;
}

enum ks_err ks_qasm_unexpected(const struct ks_qasm *qasm, const char *what)
{
    const struct ks_qasm_token *token = &qasm->token;

    if (token->kind == KS_QASM_END) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT,
                               "expected %s, found the end of the file", what);
    }
    return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT, "expected %s, found '%.*s'", what,
                           ks_qasm_shown(token->text), (const char *)token->text.data);
}

enum ks_err ks_qasm_expect(struct ks_qasm *qasm, char sign)
{
    if (!ks_qasm_at_sign(qasm, sign)) {
        const char what[] = {'\'', sign, '\'', '\0'};
        return ks_qasm_unexpected(qasm, what);
    }
    return ks_qasm_advance(qasm);
}

static enum ks_err expect_kind(struct ks_qasm *qasm, enum ks_qasm_kind kind, const char *what)
{
    return qasm->token.kind == kind ? ks_qasm_advance(qasm) : ks_qasm_unexpected(qasm, what);
}

/* Puts "name:line:column" of TOKEN before what the builder said. */
enum ks_err ks_qasm_placed(const struct ks_qasm *qasm, const struct ks_qasm_token *token,
                           enum ks_err err)
{
    return ks_fail_prefix(err, "%s:%u:%u", qasm->lexer.name, token->line, token->column);
}

/* --- registers and operands --------------------------------------------------------------- */

static enum ks_err add_range(struct ks_qasm *qasm, uint32_t first, uint32_t size)
{
    struct ks_register *grown = ks_array_room(qasm->registers, &qasm->register_cap,
                                              qasm->register_count + 1, sizeof *grown);
    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu registers", qasm->register_count);
    }
    qasm->registers = grown;
    qasm->registers[qasm->register_count++] =
        (struct ks_register){.first = first, .size = size};
    return KS_OK;
}

static enum ks_err stamp_room(struct ks_qasm *qasm, size_t count)
{
    const size_t before = qasm->stamp_cap;
    uint64_t *grown = ks_array_room(qasm->stamps, &qasm->stamp_cap, count, sizeof *grown);

    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu qubits", count);
    }
    qasm->stamps = grown;
    ks_zero(&grown[before], (qasm->stamp_cap - before) * sizeof *grown);
    return KS_OK;
}

enum ks_err ks_qasm_add_register(struct ks_qasm *qasm, const struct ks_qasm_token *name,
                                 uint32_t size, enum ks_qasm_meaning meaning)
{
    const bool quantum = meaning == KS_QASM_QREG;
    uint32_t *count = quantum ? &qasm->qubit_count : &qasm->clbit_count;
    enum ks_err err = quantum ? ks_circuit_builder_qreg(qasm->builder, name->text, size)
                              : ks_circuit_builder_creg(qasm->builder, name->text, size);

    KS_TRY(ks_qasm_placed(qasm, name, err));
    KS_TRY(ks_qasm_names_add(&qasm->names, name->text, false, meaning,
                             (uint32_t)qasm->register_count));
    KS_TRY(add_range(qasm, *count, size));
    *count += size;
    if (quantum) {
        KS_TRY(stamp_room(qasm, qasm->qubit_count));
    }
out:
    return err;
}

static enum ks_err parse_register(struct ks_qasm *qasm, bool quantum)
{
    const struct ks_qasm_token token = qasm->token;
    enum ks_err err = KS_OK;
    uint64_t size = 0;

    KS_TRY(ks_qasm_check_new(qasm));
    KS_TRY(ks_qasm_advance(qasm));
    if (qasm->extended && ks_qasm_at_sign(qasm, ';')) { /* one bit */
        KS_TRY(ks_qasm_advance(qasm));
        return ks_qasm_add_register(qasm, &token, 1, quantum ? KS_QASM_QREG : KS_QASM_CREG);
    }
    KS_TRY(ks_qasm_expect(qasm, '['));
    if (qasm->token.kind == KS_QASM_INTEGER &&
        !ks_qasm_integer(qasm->token.text, UINT32_MAX, &size)) {
        size = UINT32_MAX; /* over any limit: the builder says which */
    }
    if (qasm->extended) {
        struct ks_term number = {0};
        KS_TRY(ks_qasm3_known(qasm, &number));
        size = number.value > UINT32_MAX ? UINT32_MAX : number.value;
    } else {
        KS_TRY(expect_kind(qasm, KS_QASM_INTEGER, "the size of the register"));
    }
    KS_TRY(ks_qasm_expect(qasm, ']'));
    KS_TRY(ks_qasm_expect(qasm, ';'));
    KS_TRY(ks_qasm_add_register(qasm, &token, (uint32_t)size,
                                quantum ? KS_QASM_QREG : KS_QASM_CREG));
out:
    return err;
}

/* name or name[index], of a register of MEANING. */
static enum ks_err parse_operand(struct ks_qasm *qasm, enum ks_qasm_meaning meaning,
                                 struct ks_qasm_operand *out_operand)
{
    const struct ks_qasm_token token = qasm->token;
    const char *what = meaning == KS_QASM_QREG ? "quantum" : "classical";
    enum ks_err err = KS_OK;

    if (token.kind != KS_QASM_WORD) {
        return ks_qasm_unexpected(qasm, "a register");
    }
    const struct ks_qasm_symbol *symbol = ks_qasm_names_find(&qasm->names, token.text, false);
    if (symbol == NULL || symbol->meaning != meaning) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT,
                               symbol == NULL ? "unknown register '%.*s'"
                                              : "'%.*s' is not a %s register",
                               ks_qasm_shown(token.text), (const char *)token.text.data, what);
    }
    const struct ks_register range = qasm->registers[symbol->index];
    struct ks_qasm_operand operand = {
        .token = token, .first = range.first, .size = range.size, .step = 1, .whole = true};
    KS_TRY(ks_qasm_advance(qasm));
    if (qasm->extended && ks_qasm_at_sign(qasm, '[')) {
        KS_TRY(ks_qasm3_slice(qasm, &operand));
    } else if (ks_qasm_at_sign(qasm, '[')) {
        KS_TRY(ks_qasm_advance(qasm));
        const struct ks_qasm_token position = qasm->token;
        uint64_t index = 0;
        KS_TRY(expect_kind(qasm, KS_QASM_INTEGER, "an index"));
        if (!ks_qasm_integer(position.text, range.size - 1, &index)) {
            return ks_qasm_fail_at(
                qasm, &position, KS_ERR_FORMAT, "index %.*s, but '%.*s' has %u bits",
                ks_qasm_shown(position.text), (const char *)position.text.data,
                ks_qasm_shown(token.text), (const char *)token.text.data, range.size);
        }
        KS_TRY(ks_qasm_expect(qasm, ']'));
        operand.first += (uint32_t)index;
        operand.size = 1;
        operand.whole = false;
    }
    *out_operand = operand;
out:
    return err;
}

/* Operands up to ';', which is taken, into qasm->operands. */
static enum ks_err parse_operands(struct ks_qasm *qasm)
{
    enum ks_err err = KS_OK;

    qasm->operand_count = 0;
    while (!qasm->extended || !ks_qasm_at_sign(qasm, ';')) { /* a phase has no operands */
        struct ks_qasm_operand *grown = ks_array_room(qasm->operands, &qasm->operand_cap,
                                                      qasm->operand_count + 1, sizeof *grown);
        KS_CHECK(grown != NULL, KS_ERR_NOMEM, "operands");
        qasm->operands = grown;
        KS_TRY(parse_operand(qasm, KS_QASM_QREG, &grown[qasm->operand_count]));
        qasm->operand_count++;
        if (!ks_qasm_at_sign(qasm, ',')) {
            break;
        }
        KS_TRY(ks_qasm_advance(qasm));
    }
    if (!ks_qasm_at_sign(qasm, ';')) {
        return ks_qasm_unexpected(qasm, "',' or ';'");
    }
    err = ks_qasm_advance(qasm);
out:
    return err;
}

/* --- gates -------------------------------------------------------------------------------- */

/* How often the statement applies its gate: the size of its whole registers, which must agree.
 */
static enum ks_err broadcast(const struct ks_qasm *qasm, uint32_t *out_times)
{
    const struct ks_qasm_operand *first = NULL;

    for (size_t i = 0; i < qasm->operand_count; i++) {
        const struct ks_qasm_operand *operand = &qasm->operands[i];
        if (!operand->whole) {
            continue;
        }
        if (first != NULL && operand->size != first->size) {
            return ks_qasm_fail_at(
                qasm, &operand->token, KS_ERR_FORMAT,
                "registers '%.*s' of size %u and '%.*s' of size %u in one statement",
                ks_qasm_shown(first->token.text), (const char *)first->token.text.data,
                first->size, ks_qasm_shown(operand->token.text),
                (const char *)operand->token.text.data, operand->size);
        }
        first = first == NULL ? operand : first;
    }
    *out_times = first == NULL ? 1 : first->size;
    return KS_OK;
}

/* Lays the qubits of application INDEX out for the expansion; no qubit twice. */
static enum ks_err lay_qubits(struct ks_qasm *qasm, uint32_t index)
{
    qasm->stamp++;
    for (size_t i = 0; i < qasm->operand_count; i++) {
        const struct ks_qasm_operand *operand = &qasm->operands[i];
        const uint32_t qubit = operand->first + (operand->whole ? index * operand->step : 0);
        if (qasm->stamps[qubit] == qasm->stamp) {
            return ks_qasm_fail_at(qasm, &operand->token, KS_ERR_FORMAT,
                                   "the same qubit twice in one gate");
        }
        qasm->stamps[qubit] = qasm->stamp;
        qasm->frame_qubits[i] = qubit;
    }
    return KS_OK;
}

enum ks_err ks_qasm_gate(struct ks_qasm *qasm)
{
    struct ks_qasm_modifier modifier;
    const size_t code_first = qasm->code_count;
    enum ks_err err = KS_OK;
    uint32_t gate = 0;
    uint32_t times = 0;
    size_t params = 0;

    KS_TRY(ks_qasm_read_modifier(qasm, &modifier));
    const struct ks_qasm_token token = qasm->token;
    if (token.kind != KS_QASM_WORD) {
        return ks_qasm_unexpected(qasm, "a gate");
    }
    KS_TRY(ks_qasm_find_gate(qasm, &gate));
    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(ks_qasm_read_params(qasm, false, &params));
    KS_TRY(parse_operands(qasm));
    KS_TRY(ks_qasm_check_counts(qasm, gate, &token, params, qasm->operand_count,
                                modifier.controls));
    KS_TRY(broadcast(qasm, &times));
    KS_TRY(ks_qasm_check_room(qasm, gate, times * ks_qasm_modifier_cost(&modifier), &token));
    KS_TRY(ks_qasm_frame_room(qasm, qasm->operand_count, params));
    for (size_t i = 0; i < params; i++) { /* without a gate's parameters each is NUMBER, STOP */
        qasm->frame_params[i] = qasm->code[code_first + 2 * i].number;
    }
    qasm->code_count = code_first;
    for (uint32_t i = 0; i < times; i++) {
        KS_TRY(lay_qubits(qasm, i));
        KS_TRY(ks_qasm_expand(qasm, gate, &modifier));
    }
out:
    return err;
}

/* --- the other operations ----------------------------------------------------------------- */

enum ks_err ks_qasm_measure(struct ks_qasm *qasm, const struct ks_qasm_operand *known)
{
    const struct ks_qasm_token token = qasm->token;
    struct ks_qasm_operand source;
    struct ks_qasm_operand target;
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(parse_operand(qasm, KS_QASM_QREG, &source));
    if (known != NULL) {
        target = *known;
    } else {
        KS_TRY(expect_kind(qasm, KS_QASM_ARROW, "'->'"));
        KS_TRY(parse_operand(qasm, KS_QASM_CREG, &target));
    }
    KS_TRY(ks_qasm_expect(qasm, ';'));
    if ((source.whole != target.whole && !qasm->extended) || source.size != target.size) {
        return ks_qasm_fail_at(qasm, &target.token, KS_ERR_FORMAT,
                               "measuring %s of size %u into %s of size %u",
                               source.whole ? "a register" : "a qubit", source.size,
                               target.whole ? "a register" : "a bit", target.size);
    }
    for (uint32_t i = 0; i < source.size; i++) {
        err = ks_circuit_builder_measure(qasm->builder, source.first + i * source.step,
                                         target.first + i * target.step);
        KS_TRY(ks_qasm_placed(qasm, &token, err));
    }
out:
    return err;
}

static enum ks_err parse_reset(struct ks_qasm *qasm)
{
    const struct ks_qasm_token token = qasm->token;
    struct ks_qasm_operand operand;
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(parse_operand(qasm, KS_QASM_QREG, &operand));
    KS_TRY(ks_qasm_expect(qasm, ';'));
    for (uint32_t i = 0; i < operand.size; i++) {
        err = ks_circuit_builder_reset(qasm->builder, operand.first + i * operand.step);
        KS_TRY(ks_qasm_placed(qasm, &token, err));
    }
out:
    return err;
}

static enum ks_err parse_barrier(struct ks_qasm *qasm)
{
    const struct ks_qasm_token token = qasm->token;
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(parse_operands(qasm));
    err = ks_qasm_placed(qasm, &token, ks_circuit_builder_barrier(qasm->builder));
out:
    return err;
}

/* A gate, measure or reset: what may stand behind 'if'. */
static enum ks_err parse_operation(struct ks_qasm *qasm)
{
    if (qasm->token.kind != KS_QASM_WORD) {
        return ks_qasm_unexpected(qasm, "a statement");
    }
    if (ks_bytes_is(qasm->token.text, "measure")) {
        return ks_qasm_measure(qasm, NULL);
    }
    if (ks_bytes_is(qasm->token.text, "reset")) {
        return parse_reset(qasm);
    }
    return ks_qasm_gate(qasm);
}

static enum ks_err parse_if(struct ks_qasm *qasm)
{
    struct ks_qasm_token token;
    struct ks_qasm_operand creg;
    struct ks_condition condition = {0};
    uint64_t words[1 + KS_CONDITION_HIGH];
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(ks_qasm_expect(qasm, '('));
    KS_TRY(parse_operand(qasm, KS_QASM_CREG, &creg));
    if (!creg.whole) {
        return ks_qasm_fail_at(qasm, &creg.token, KS_ERR_FORMAT,
                               "a condition is on a whole register, not on one bit");
    }
    KS_TRY(expect_kind(qasm, KS_QASM_EQUAL, "'=='"));
    token = qasm->token;
    KS_TRY(expect_kind(qasm, KS_QASM_INTEGER, "an integer"));
    if (!ks_qasm_wide(token.text, words, 1 + KS_CONDITION_HIGH)) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_LIMIT, "a condition on more than %d bits",
                               64 * (1 + KS_CONDITION_HIGH));
    }
    KS_TRY(ks_qasm_expect(qasm, ')'));
    condition.first = creg.first;
    condition.count = creg.size;
    condition.value = words[0];
    ks_copy(condition.high, &words[1], sizeof condition.high);
    err = ks_circuit_builder_condition(qasm->builder, &condition);
    KS_TRY(ks_qasm_placed(qasm, &creg.token, err));
    KS_TRY(parse_operation(qasm));
    KS_TRY(ks_circuit_builder_condition(qasm->builder, NULL));
out:
    return err;
}

/* --- the program -------------------------------------------------------------------------- */

static enum ks_err parse_version(struct ks_qasm *qasm)
{
    enum ks_err err = KS_OK;

    if (!ks_bytes_is(qasm->token.text, "OPENQASM")) {
        return ks_qasm_unexpected(qasm, "'OPENQASM 2.0;' first");
    }
    KS_TRY(ks_qasm_advance(qasm));
    const struct ks_qasm_token token = qasm->token;
    if (token.kind != KS_QASM_REAL && token.kind != KS_QASM_INTEGER) {
        return ks_qasm_unexpected(qasm, "the version 2.0");
    }
    const bool extended = ks_bytes_is(token.text, "3.0") || ks_bytes_is(token.text, "3");
    if (!extended && !ks_bytes_is(token.text, "2.0") && !ks_bytes_is(token.text, "2")) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT,
                               "OpenQASM version %.*s: 2.0 and 3.0 are supported",
                               ks_qasm_shown(token.text), (const char *)token.text.data);
    }
    KS_TRY(ks_qasm_advance(qasm));
    if (extended) {
        KS_TRY(ks_qasm3_start(qasm));
    }
    KS_TRY(ks_qasm_expect(qasm, ';'));
out:
    return err;
}

static enum ks_err parse_include(struct ks_qasm *qasm)
{
    const struct ks_qasm_token token = qasm->token;
    enum ks_err err = KS_OK;

    KS_TRY(expect_kind(qasm, KS_QASM_STRING, "a file name in quotes"));
    const char *const library = qasm->extended ? "stdgates.inc" : "qelib1.inc";
    if (!ks_bytes_is(token.text, library)) {
        return ks_qasm_fail_at(
            qasm, &token, KS_ERR_FORMAT, "unknown include '%.*s': only %s is built in",
            ks_qasm_shown(token.text), (const char *)token.text.data, library);
    }
    if (qasm->included) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT, "%s is included twice", library);
    }
    KS_TRY(ks_qasm_expect(qasm, ';'));
    qasm->included = true;
    const struct ks_qasm_token behind = qasm->token;
    qasm->token = token; /* where conflicts are reported */
    KS_TRY(ks_qasm_add_natives(qasm));
    qasm->outer = qasm->lexer;
    qasm->outer_token = behind;
    qasm->in_library = true;
    qasm->lexer = ks_qasm_lexer_of(ks_bytes_text(ks_qasm_library), "qelib1.inc");
    KS_TRY(ks_qasm_advance(qasm));
out:
    return err;
}

static enum ks_err refuse_opaque(const struct ks_qasm *qasm)
{
    const struct ks_qasm_token *token = &qasm->token;

    if (token->kind != KS_QASM_WORD) {
        return ks_qasm_unexpected(qasm, "a name");
    }
    return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT,
                           "opaque gate '%.*s' has no definition to run",
                           ks_qasm_shown(token->text), (const char *)token->text.data);
}

enum ks_err ks_qasm_keyword(struct ks_qasm *qasm, enum ks_qasm_keyword keyword)
{
    enum ks_err err = KS_OK;

    switch (keyword) {
    case KS_QASM_WORD_MEASURE:
    case KS_QASM_WORD_RESET:
        return parse_operation(qasm);
    case KS_QASM_WORD_BARRIER:
        return parse_barrier(qasm);
    case KS_QASM_WORD_IF:
        return parse_if(qasm);
    case KS_QASM_WORD_OPENQASM:
        return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_FORMAT,
                               "'OPENQASM' must be the first statement, once");
    case KS_QASM_WORD_PI:
    case KS_QASM_WORD_COUNT:
        return ks_qasm_unexpected(qasm, "a statement");
    default:
        break;
    }
    KS_TRY(ks_qasm_advance(qasm));
    switch (keyword) {
    case KS_QASM_WORD_QREG:
    case KS_QASM_WORD_CREG:
        return parse_register(qasm, keyword == KS_QASM_WORD_QREG);
    case KS_QASM_WORD_GATE:
        return ks_qasm_define(qasm);
    case KS_QASM_WORD_INCLUDE:
        return parse_include(qasm);
    default:
        return refuse_opaque(qasm);
    }
out:
    return err;
}

bool ks_qasm_leave_library(struct ks_qasm *qasm)
{
    const bool inside = qasm->in_library;

    if (inside) {
        qasm->in_library = false;
        qasm->lexer = qasm->outer;
        qasm->token = qasm->outer_token;
    }
    return inside;
}

static enum ks_err parse_program(struct ks_qasm *qasm)
{
    enum ks_err err = KS_OK;

    KS_TRY(ks_qasm_advance(qasm));
    KS_TRY(parse_version(qasm));
    if (qasm->extended) {
        return ks_qasm3_program(qasm);
    }
    for (;;) {
        if (qasm->token.kind == KS_QASM_END) {
            if (!ks_qasm_leave_library(qasm)) {
                break;
            }
            continue;
        }
        if (qasm->token.kind != KS_QASM_WORD) {
            return ks_qasm_unexpected(qasm, "a statement");
        }
        const struct ks_qasm_symbol *symbol =
            ks_qasm_names_find(&qasm->names, qasm->token.text, false);
        if (symbol != NULL && symbol->meaning == KS_QASM_KEYWORD) {
            KS_TRY(ks_qasm_keyword(qasm, (enum ks_qasm_keyword)symbol->index));
        } else {
            KS_TRY(ks_qasm_gate(qasm));
        }
    }
out:
    return err;
}

static void qasm_free(struct ks_qasm *qasm)
{
    if (qasm == NULL) {
        return;
    }
    ks_circuit_builder_free(qasm->builder);
    ks_qasm_names_done(&qasm->names);
    ks_free(qasm->registers);
    ks_free(qasm->gates);
    ks_free(qasm->calls);
    ks_free(qasm->args);
    ks_free(qasm->code);
    ks_free(qasm->operands);
    ks_free(qasm->stamps);
    ks_free(qasm->frame_qubits);
    ks_free(qasm->frame_params);
    ks_free(qasm->constants);
    ks_free(qasm->variables);
    ks_free(qasm->loop_values);
    ks_free(qasm);
}

enum ks_err ks_circuit_parse(const struct ks_bytes *source, const char *name,
                             const struct ks_circuit_limits *limits,
                             struct ks_circuit **out_circuit)
{
    static const struct ks_circuit_limits defaults = KS_CIRCUIT_LIMITS_INIT;
    enum ks_err err = KS_OK;
    struct ks_qasm *qasm = NULL;

    if (limits == NULL) {
        limits = &defaults;
    }
    KS_CHECK(source->len <= limits->source_max && source->len < UINT32_MAX, KS_ERR_LIMIT,
             "%s: %zu bytes, limit %llu", name, source->len,
             (unsigned long long)limits->source_max);
    KS_CHECK((qasm = ks_calloc(1, sizeof *qasm)) != NULL, KS_ERR_NOMEM, "parser");
    qasm->name = name;
    qasm->limits = *limits;
    qasm->lexer = ks_qasm_lexer_of(*source, name);
    ks_qasm_names_init(&qasm->names, *source);
    KS_TRY(ks_qasm_names_start(qasm));
    KS_TRY(stamp_room(qasm, KS_QASM_GATE_QUBITS_MAX));
    KS_TRY(ks_circuit_builder_new(limits, &qasm->builder));
    KS_TRY(parse_program(qasm));
    KS_TRY(ks_circuit_builder_finish(qasm->builder, out_circuit));
out:
    qasm_free(qasm);
    return err;
}
