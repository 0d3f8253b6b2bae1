/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* qasm_gate.c: gate definitions and their expansion. A body is read once into calls; a gate can
 * only call gates defined before it, so operations, work and depth of its expansion are known
 * when its definition ends, and what would be too much is refused before anything is expanded.
 */

#include "quantum/array.h"
#include "quantum/qasm.h"

static uint64_t saturated_sum(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t saturated_product(uint64_t a, uint64_t b)
{
    return a != 0 && b > UINT64_MAX / a ? UINT64_MAX : a * b;
}

/* --- names -------------------------------------------------------------------------------- */

/* The gates of ks_qasm_library; the weak one last. */
static const char *const defined[] = {"u0", "rccx", "rc3x", "c3x", "c3sqrtx", "c4x", "ryy"};
#define DEFINED_COUNT (sizeof defined / sizeof defined[0])

static bool library_has(struct ks_bytes name)
{
    for (enum ks_gate native = 0; native < KS_GATE_MEASURE; native++) {
        if (ks_bytes_is(name, ks_gate_info(native)->name)) {
            return true;
        }
    }
    for (size_t i = 0; i < DEFINED_COUNT; i++) {
        if (ks_bytes_is(name, defined[i])) {
            return true;
        }
    }
    return false;
}

static enum ks_err add_gate(struct ks_qasm *qasm, const struct ks_qasm_gate *gate)
{
    struct ks_qasm_gate *grown =
        ks_array_room(qasm->gates, &qasm->gate_cap, qasm->gate_count + 1, sizeof *grown);

    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu gates", qasm->gate_count);
    }
    qasm->gates = grown;
    qasm->gates[qasm->gate_count++] = *gate;
    return KS_OK;
}

enum ks_err ks_qasm_name_gate(struct ks_qasm *qasm, const struct ks_qasm_gate *gate)
{
    const uint32_t index = (uint32_t)qasm->gate_count;
    const struct ks_qasm_symbol *known = ks_qasm_names_find(&qasm->names, gate->name, false);
    const enum ks_err err = add_gate(qasm, gate);

    if (err != KS_OK) {
        return err;
    }
    if (known == NULL) {
        return ks_qasm_names_add(&qasm->names, gate->name, false, KS_QASM_GATE, index);
    }
    if (!gate->weak) { /* then the known one is */
        ks_qasm_names_rebind(&qasm->names, gate->name, index);
    }
    return KS_OK;
}

/* Native in OpenQASM 3 too, but not in stdgates.inc: a program may define it anew. */
static bool is_extra(enum ks_gate native)
{
    return native == KS_GATE_U || ks_gate_definition(native) != NULL;
}

static enum ks_err add_native(struct ks_qasm *qasm, enum ks_gate native, const char *name)
{
    const struct ks_gate_info *info = ks_gate_info(native);
    const struct ks_qasm_gate gate = {
        .name = ks_bytes_text(name),
        .native = native,
        .params = info->params,
        .qubits = info->qubits,
        .weak = qasm->extended && is_extra(native) && !ks_bytes_is(ks_bytes_text(name), "U"),
        .special = qasm->extended && (native == KS_GATE_U2 || native == KS_GATE_U3),
        .ops = 1,
        .steps = 1};
    return ks_qasm_name_gate(qasm, &gate);
}

enum ks_err ks_qasm_names_start(struct ks_qasm *qasm)
{
    static const char *const keywords[KS_QASM_WORD_COUNT] = {[KS_QASM_WORD_OPENQASM] =
                                                                 "OPENQASM",
                                                             [KS_QASM_WORD_BARRIER] = "barrier",
                                                             [KS_QASM_WORD_CREG] = "creg",
                                                             [KS_QASM_WORD_GATE] = "gate",
                                                             [KS_QASM_WORD_IF] = "if",
                                                             [KS_QASM_WORD_INCLUDE] = "include",
                                                             [KS_QASM_WORD_MEASURE] = "measure",
                                                             [KS_QASM_WORD_OPAQUE] = "opaque",
                                                             [KS_QASM_WORD_PI] = "pi",
                                                             [KS_QASM_WORD_QREG] = "qreg",
                                                             [KS_QASM_WORD_RESET] = "reset"};
    enum ks_err err = KS_OK;

    for (uint32_t i = 0; i < KS_QASM_WORD_COUNT; i++) {
        KS_TRY(ks_qasm_names_add(&qasm->names, ks_bytes_text(keywords[i]), false,
                                 KS_QASM_KEYWORD, i));
    }
    for (uint32_t i = 0; i < KS_QASM_FUNCTION_COUNT; i++) {
        KS_TRY(ks_qasm_names_add(&qasm->names, ks_bytes_text(ks_qasm_functions[i]), false,
                                 KS_QASM_FUNCTION, i));
    }
    KS_TRY(add_native(qasm, KS_GATE_U, "U"));
    KS_TRY(add_native(qasm, KS_GATE_CX, "CX"));
out:
    return err;
}

static enum ks_err check_free(const struct ks_qasm *qasm, const char *name)
{
    if (ks_qasm_names_find(&qasm->names, ks_bytes_text(name), false) == NULL) {
        return KS_OK;
    }
    return ks_qasm_fail_at(qasm, &qasm->token, KS_ERR_FORMAT, "'%s' of %s is already declared",
                           name, qasm->extended ? "stdgates.inc" : "qelib1.inc");
}

enum ks_err ks_qasm_add_natives(struct ks_qasm *qasm)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < DEFINED_COUNT - 1 && !qasm->extended; i++) {
        KS_TRY(check_free(qasm, defined[i]));
    }
    for (enum ks_gate native = 0; native < KS_GATE_MEASURE; native++) {
        const char *name = ks_gate_info(native)->name;
        if (!qasm->extended || !is_extra(native)) {
            KS_TRY(check_free(qasm, name));
        }
        KS_TRY(add_native(qasm, native, name));
    }
    if (qasm->extended) {
        KS_TRY(check_free(qasm, "phase"));
        KS_TRY(check_free(qasm, "cphase"));
        KS_TRY(add_native(qasm, KS_GATE_P, "phase"));
        KS_TRY(add_native(qasm, KS_GATE_CP, "cphase"));
    }
out:
    return err;
}

static bool is_identifier(const struct ks_qasm *qasm, struct ks_bytes text)
{
    return qasm->extended || (text.data[0] >= 'a' && text.data[0] <= 'z');
}

static enum ks_err check_identifier(const struct ks_qasm *qasm)
{
    const struct ks_qasm_token *token = &qasm->token;

    if (token->kind != KS_QASM_WORD) {
        return ks_qasm_unexpected(qasm, "a name");
    }
    if (!is_identifier(qasm, token->text)) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT,
                               "name '%.*s' does not start with a small letter",
                               ks_qasm_shown(token->text), (const char *)token->text.data);
    }
    if (token->text.len > KS_REGISTER_NAME_MAX) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_LIMIT, "a name of more than %d characters",
                               KS_REGISTER_NAME_MAX);
    }
    return KS_OK;
}

enum ks_err ks_qasm_check_new(const struct ks_qasm *qasm)
{
    const struct ks_qasm_token *token = &qasm->token;
    const enum ks_err err = check_identifier(qasm);

    if (err != KS_OK) {
        return err;
    }
    const struct ks_qasm_symbol *known = ks_qasm_names_find(&qasm->names, token->text, false);
    if (known == NULL) {
        return KS_OK;
    }
    const bool reserved =
        known->meaning == KS_QASM_KEYWORD || known->meaning == KS_QASM_FUNCTION;
    return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT,
                           reserved ? "'%.*s' is a word of OpenQASM"
                                    : "'%.*s' is already declared",
                           ks_qasm_shown(token->text), (const char *)token->text.data);
}

/* True if the current token names a gate, and it or GATE, about to be defined, is weak. */
static bool may_coexist(const struct ks_qasm *qasm, const struct ks_qasm_gate *gate)
{
    const struct ks_qasm_symbol *known =
        qasm->token.kind == KS_QASM_WORD
            ? ks_qasm_names_find(&qasm->names, qasm->token.text, false)
            : NULL;
    return known != NULL && known->meaning == KS_QASM_GATE &&
           (gate->weak || qasm->gates[known->index].weak);
}

enum ks_err ks_qasm_find_gate(const struct ks_qasm *qasm, uint32_t *out_gate)
{
    const struct ks_qasm_token *token = &qasm->token;
    const struct ks_qasm_symbol *symbol = ks_qasm_names_find(&qasm->names, token->text, false);
    const int shown = ks_qasm_shown(token->text);
    const char *text = (const char *)token->text.data;

    if (symbol == NULL && !qasm->included && library_has(token->text)) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT, "gate '%.*s' needs include \"%s\";",
                               shown, text, qasm->extended ? "stdgates.inc" : "qelib1.inc");
    }
    if (symbol == NULL) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT, "unknown gate '%.*s'", shown, text);
    }
    if (symbol->meaning == KS_QASM_QREG || symbol->meaning == KS_QASM_CREG) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT, "'%.*s' is a register, not a gate",
                               shown, text);
    }
    if (symbol->meaning != KS_QASM_GATE) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT, "'%.*s' cannot stand here", shown,
                               text);
    }
    *out_gate = symbol->index;
    return KS_OK;
}

enum ks_err ks_qasm_check_counts(const struct ks_qasm *qasm, uint32_t gate,
                                 const struct ks_qasm_token *token, size_t params,
                                 size_t qubits, uint32_t controls)
{
    const struct ks_qasm_gate *found = &qasm->gates[gate];
    const int shown = ks_qasm_shown(found->name);
    const char *name = (const char *)found->name.data;

    if (params != found->params) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT,
                               "gate '%.*s' takes %u parameter%s, not %zu", shown, name,
                               found->params, found->params == 1 ? "" : "s", params);
    }
    const size_t wanted = (size_t)found->qubits + controls;
    if (qubits != wanted) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_FORMAT,
                               "gate '%.*s' takes %zu qubit%s, not %zu", shown, name, wanted,
                               wanted == 1 ? "" : "s", qubits);
    }
    return KS_OK;
}

/* --- definitions -------------------------------------------------------------------------- */

/* Reads names up to the sign END, which is left, as local names of MEANING. */
static enum ks_err read_locals(struct ks_qasm *qasm, char end, enum ks_qasm_meaning meaning,
                               uint32_t count_max, uint32_t *out_count)
{
    enum ks_err err = KS_OK;
    uint32_t count = 0;

    for (;;) {
        const struct ks_qasm_token token = qasm->token;
        KS_TRY(check_identifier(qasm));
        const struct ks_qasm_symbol *global =
            ks_qasm_names_find(&qasm->names, token.text, false);
        if (global != NULL &&
            (global->meaning == KS_QASM_KEYWORD || global->meaning == KS_QASM_FUNCTION)) {
            return ks_qasm_check_new(qasm); /* fails with its sentence */
        }
        if (ks_qasm_names_find(&qasm->names, token.text, true) != NULL) {
            return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT, "'%.*s' twice in one gate",
                                   ks_qasm_shown(token.text), (const char *)token.text.data);
        }
        if (count == count_max) {
            return ks_qasm_fail_at(qasm, &token, KS_ERR_LIMIT, "a gate with more than %u %s",
                                   count_max,
                                   meaning == KS_QASM_PARAM ? "parameters" : "qubits");
        }
        KS_TRY(ks_qasm_names_add(&qasm->names, token.text, true, meaning, count++));
        KS_TRY(ks_qasm_advance(qasm));
        if (ks_qasm_at_sign(qasm, end)) {
            break;
        }
        KS_TRY(ks_qasm_expect(qasm, ','));
    }
    *out_count = count;
out:
    return err;
}

static enum ks_err add_arg(struct ks_qasm *qasm, uint32_t qubit)
{
    uint32_t *grown =
        ks_array_room(qasm->args, &qasm->arg_cap, qasm->arg_count + 1, sizeof *grown);
    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "operands of gates");
    }
    qasm->args = grown;
    qasm->args[qasm->arg_count++] = qubit;
    return KS_OK;
}

/* Reads the operands of a statement in a body up to its ';', appends them to args. */
static enum ks_err read_args(struct ks_qasm *qasm, size_t *out_count)
{
    const size_t first = qasm->arg_count;
    enum ks_err err = KS_OK;

    qasm->stamp++;
    while (!qasm->extended || !ks_qasm_at_sign(qasm, ';')) {
        const struct ks_qasm_token token = qasm->token;
        if (token.kind != KS_QASM_WORD) {
            return ks_qasm_unexpected(qasm, "a qubit of the gate");
        }
        const struct ks_qasm_symbol *symbol =
            ks_qasm_names_find(&qasm->names, token.text, true);
        if (symbol == NULL || symbol->meaning != KS_QASM_QUBIT) {
            return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT,
                                   "'%.*s' is no qubit of this gate", ks_qasm_shown(token.text),
                                   (const char *)token.text.data);
        }
        if (qasm->stamps[symbol->index] == qasm->stamp) {
            return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT,
                                   "qubit '%.*s' twice in one gate", ks_qasm_shown(token.text),
                                   (const char *)token.text.data);
        }
        qasm->stamps[symbol->index] = qasm->stamp;
        KS_TRY(add_arg(qasm, symbol->index));
        KS_TRY(ks_qasm_advance(qasm));
        if (ks_qasm_at_sign(qasm, ';')) {
            break;
        }
        KS_TRY(ks_qasm_expect(qasm, ','));
    }
    *out_count = qasm->arg_count - first;
    err = ks_qasm_advance(qasm);
out:
    return err;
}

static enum ks_err add_call(struct ks_qasm *qasm, const struct ks_qasm_call *call)
{
    struct ks_qasm_call *grown =
        ks_array_room(qasm->calls, &qasm->call_cap, qasm->call_count + 1, sizeof *grown);
    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "bodies of gates");
    }
    qasm->calls = grown;
    qasm->calls[qasm->call_count++] = *call;
    return KS_OK;
}

enum ks_err ks_qasm_read_params(struct ks_qasm *qasm, bool local, size_t *out_count)
{
    enum ks_err err = KS_OK;
    size_t count = 0;

    if (ks_qasm_at_sign(qasm, '(')) {
        KS_TRY(ks_qasm_advance(qasm));
        while (!ks_qasm_at_sign(qasm, ')')) {
            if (count > 0) {
                KS_TRY(ks_qasm_expect(qasm, ','));
            }
            KS_TRY(ks_qasm_expr_parse(qasm, local));
            count++;
        }
        KS_TRY(ks_qasm_advance(qasm));
    }
    *out_count = count;
out:
    return err;
}

/* One statement of a body: adds its call and its cost to GATE. */
static enum ks_err read_call(struct ks_qasm *qasm, struct ks_qasm_gate *gate)
{
    struct ks_qasm_call call = {.gate = KS_QASM_CALL_BARRIER,
                                .arg_first = qasm->arg_count,
                                .code_first = qasm->code_count,
                                .modifier = KS_QASM_MODIFIER_NONE};
    enum ks_err err = KS_OK;
    size_t params = 0;
    size_t qubits = 0;

    KS_TRY(ks_qasm_read_modifier(qasm, &call.modifier));
    const struct ks_qasm_token token = qasm->token;
    if (token.kind != KS_QASM_WORD) {
        return ks_qasm_unexpected(qasm, "a gate or '}'");
    }
    if (ks_bytes_equal(token.text, gate->name)) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_FORMAT, "gate '%.*s' calls itself",
                               ks_qasm_shown(token.text), (const char *)token.text.data);
    }
    const bool barrier = call.modifier.controls == 0 && ks_bytes_is(token.text, "barrier");
    call.code_first = qasm->code_count;
    if (!barrier) {
        KS_TRY(ks_qasm_find_gate(qasm, &call.gate));
    }
    KS_TRY(ks_qasm_advance(qasm));
    if (!barrier) {
        KS_TRY(ks_qasm_read_params(qasm, true, &params));
    }
    KS_TRY(read_args(qasm, &qubits));
    gate->steps = saturated_sum(gate->steps, 1 + qubits + qasm->code_count - call.code_first);
    if (!barrier) {
        KS_TRY(ks_qasm_check_counts(qasm, call.gate, &token, params, qubits,
                                    call.modifier.controls));
        const struct ks_qasm_gate *callee = &qasm->gates[call.gate];
        const uint64_t cost = ks_qasm_modifier_cost(&call.modifier);
        gate->steps = saturated_sum(gate->steps, saturated_product(callee->steps, cost));
        gate->ops = saturated_sum(gate->ops, saturated_product(callee->ops, cost));
        if (callee->native == KS_GATE_COUNT && callee->depth >= gate->depth) {
            gate->depth = callee->depth + 1;
        }
    } else {
        gate->ops = saturated_sum(gate->ops, 1);
    }
    KS_TRY(add_call(qasm, &call));
out:
    return err;
}

/* Whether the definition from its NAME to the current token is the canonical one of a native
 * gate, to the byte: then it changes nothing. */
static bool names_native(const struct ks_qasm *qasm, const struct ks_qasm_token *name)
{
    static const char keyword[] = "gate ";
    const struct ks_bytes text = {name->text.data,
                                  (size_t)(qasm->token.text.data - name->text.data) + 1};
    const struct ks_qasm_symbol *known = ks_qasm_names_find(&qasm->names, name->text, false);

    if (known == NULL || known->meaning != KS_QASM_GATE || qasm->in_library) {
        return false;
    }
    const enum ks_gate native = qasm->gates[known->index].native;
    const char *definition = native < KS_GATE_MEASURE ? ks_gate_definition(native) : NULL;
    return definition != NULL && ks_bytes_is(text, definition + sizeof keyword - 1);
}

enum ks_err ks_qasm_define(struct ks_qasm *qasm)
{
    const struct ks_qasm_token token = qasm->token;
    struct ks_qasm_gate gate = {.name = token.text,
                                .native = KS_GATE_COUNT,
                                .depth = 1,
                                .call_first = qasm->call_count,
                                .weak = qasm->in_library &&
                                        (qasm->extended || ks_bytes_is(token.text, "ryy")),
                                .steps = 1};
    enum ks_err err = KS_OK;
    bool native = false;

    if (!may_coexist(qasm, &gate)) {
        KS_TRY(ks_qasm_check_new(qasm));
    }
    KS_TRY(ks_qasm_advance(qasm));
    if (ks_qasm_at_sign(qasm, '(')) {
        KS_TRY(ks_qasm_advance(qasm));
        if (!ks_qasm_at_sign(qasm, ')')) {
            KS_TRY(
                read_locals(qasm, ')', KS_QASM_PARAM, KS_QASM_GATE_PARAMS_MAX, &gate.params));
        }
        KS_TRY(ks_qasm_advance(qasm));
    }
    KS_TRY(read_locals(qasm, '{', KS_QASM_QUBIT, KS_QASM_GATE_QUBITS_MAX, &gate.qubits));
    KS_TRY(ks_qasm_advance(qasm));
    while (!ks_qasm_at_sign(qasm, '}')) {
        KS_TRY(read_call(qasm, &gate));
    }
    gate.call_count = qasm->call_count - gate.call_first;
    if (gate.depth > KS_QASM_GATE_DEPTH_MAX) {
        return ks_qasm_fail_at(qasm, &token, KS_ERR_LIMIT, "gate '%.*s' nests deeper than %d",
                               ks_qasm_shown(gate.name), (const char *)gate.name.data,
                               KS_QASM_GATE_DEPTH_MAX);
    }
    ks_qasm_names_drop_locals(&qasm->names);
    native = names_native(qasm, &token);
    if (!native) {
        KS_TRY(ks_qasm_name_gate(qasm, &gate));
    }
    KS_TRY(ks_qasm_advance(qasm));
out:
    return err;
}

/* --- expansion ---------------------------------------------------------------------------- */

enum ks_err ks_qasm_check_room(struct ks_qasm *qasm, uint32_t gate, uint64_t times,
                               const struct ks_qasm_token *token)
{
    const struct ks_qasm_gate *found = &qasm->gates[gate];
    const uint64_t ops_max = qasm->limits.ops_max;
    const uint64_t steps_max = ops_max > UINT64_MAX / KS_QASM_STEPS_PER_OP_MAX
                                   ? UINT64_MAX
                                   : ops_max * KS_QASM_STEPS_PER_OP_MAX;
    const int shown = ks_qasm_shown(found->name);
    const char *name = (const char *)found->name.data;

    KS_ASSERT(times > 0);
    if (found->ops > ks_circuit_builder_room(qasm->builder) / times) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_LIMIT,
                               "with gate '%.*s' the circuit has more than %llu operations",
                               shown, name, (unsigned long long)ops_max);
    }
    if (found->steps > (steps_max - qasm->steps) / times) {
        return ks_qasm_fail_at(qasm, token, KS_ERR_LIMIT,
                               "expanding gate '%.*s' takes more than %llu steps in all", shown,
                               name, (unsigned long long)steps_max);
    }
    qasm->steps += found->steps * times;
    return KS_OK;
}

enum ks_err ks_qasm_frame_room(struct ks_qasm *qasm, size_t qubits, size_t params)
{
    uint32_t *more_qubits = ks_array_room(qasm->frame_qubits, &qasm->frame_qubit_cap,
                                          qubits + 1, sizeof *more_qubits);
    if (more_qubits == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu operands", qubits);
    }
    qasm->frame_qubits = more_qubits;
    double *more_params = ks_array_room(qasm->frame_params, &qasm->frame_param_cap, params + 1,
                                        sizeof *more_params);
    if (more_params == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu parameters", params);
    }
    qasm->frame_params = more_params;
    return KS_OK;
}

/* Lays the operands of CALL, made in FRAME, behind those of FRAME. */
static enum ks_err lay_operands(struct ks_qasm *qasm, const struct ks_qasm_frame *frame,
                                const struct ks_qasm_call *call)
{
    const struct ks_qasm_gate *callee = &qasm->gates[call->gate];
    const size_t qubits = (size_t)callee->qubits + call->modifier.controls;
    size_t code = call->code_first;
    enum ks_err err = KS_OK;

    KS_TRY(
        ks_qasm_frame_room(qasm, frame->qubit_end + qubits, frame->param_end + callee->params));
    for (size_t i = 0; i < qubits; i++) {
        qasm->frame_qubits[frame->qubit_end + i] =
            qasm->frame_qubits[frame->qubit_first + qasm->args[call->arg_first + i]];
    }
    for (size_t i = 0; i < callee->params; i++) {
        KS_TRY(ks_qasm_expr_run(qasm, &code, &qasm->frame_params[frame->param_first],
                                &qasm->frame_params[frame->param_end + i]));
    }
out:
    return err;
}

/* X on the controls of FRAME that must be 0: before it and behind it. */
static enum ks_err flip_negative(struct ks_qasm *qasm, const struct ks_qasm_frame *frame)
{
    enum ks_err err = KS_OK;

    for (uint32_t i = 0; i < frame->modifier.controls && err == KS_OK; i++) {
        if ((frame->modifier.negative >> i & 1) != 0) {
            err = ks_circuit_builder_gate(qasm->builder, KS_GATE_X,
                                          &qasm->frame_qubits[frame->control_first + i], NULL);
        }
    }
    return err;
}

/* Begins GATE inside PARENT, or outside of all where that is NULL: its operands lie behind
 * PARENT's, its controls before its qubits. A native gate is done at once, of another one
 * *OUT_FRAME is the frame and *OUT_OPEN true. */
static enum ks_err begin_gate(struct ks_qasm *qasm, uint32_t gate,
                              const struct ks_qasm_modifier *modifier,
                              const struct ks_qasm_frame *parent,
                              struct ks_qasm_frame *out_frame, bool *out_open)
{
    static const struct ks_qasm_frame outside = {0};
    const struct ks_qasm_frame *outer = parent != NULL ? parent : &outside;
    const struct ks_qasm_gate *found = &qasm->gates[gate];
    struct ks_qasm_frame frame = {.call_first = found->call_first,
                                  .call_count = found->call_count,
                                  .qubit_first = outer->qubit_end + modifier->controls,
                                  .param_first = outer->param_end,
                                  .control_first = outer->qubit_end,
                                  .control_end = outer->control_end + modifier->controls,
                                  .inverse = outer->inverse != modifier->inverse,
                                  .modifier = *modifier};
    enum ks_err err = KS_OK;

    frame.qubit_end = frame.qubit_first + found->qubits;
    frame.param_end = frame.param_first + found->params;
    if (frame.control_end > KS_QASM_CONTROLS_MAX) {
        return ks_qasm_fail_at(qasm, &qasm->statement, KS_ERR_LIMIT, "more than %d controls",
                               KS_QASM_CONTROLS_MAX);
    }
    for (uint32_t i = 0; i < modifier->controls; i++) {
        qasm->controls[outer->control_end + i] = qasm->frame_qubits[frame.control_first + i];
    }
    KS_TRY(flip_negative(qasm, &frame));
    frame.modifier.inverse = frame.inverse;
    *out_open = found->native == KS_GATE_COUNT;
    for (uint32_t i = 0; i < modifier->times && !*out_open; i++) {
        KS_TRY(ks_qasm_emit(qasm, found, &frame.modifier, frame.control_end,
                            &qasm->frame_qubits[frame.qubit_first],
                            &qasm->frame_params[frame.param_first]));
    }
    if (*out_open && modifier->fraction != 0) {
        return ks_qasm_fail_at(qasm, &qasm->statement, KS_ERR_FORMAT,
                               "a fractional power of gate '%.*s', which is not native",
                               ks_qasm_shown(found->name), (const char *)found->name.data);
    }
    if (!*out_open) {
        KS_TRY(flip_negative(qasm, &frame));
    }
    *out_frame = frame;
out:
    return err;
}

/* The next call of FRAME, from its end where it is inverse; NULL when all have been done. */
static const struct ks_qasm_call *next_call(const struct ks_qasm *qasm,
                                            struct ks_qasm_frame *frame)
{
    if (frame->next == frame->call_count && frame->modifier.times > 1) {
        frame->modifier.times--;
        frame->next = 0;
    }
    if (frame->next == frame->call_count || frame->modifier.times == 0) {
        return NULL;
    }
    const size_t next = frame->next++;
    return &qasm->calls[frame->call_first +
                        (frame->inverse ? frame->call_count - 1 - next : next)];
}

enum ks_err ks_qasm_expand(struct ks_qasm *qasm, uint32_t gate,
                           const struct ks_qasm_modifier *modifier)
{
    enum ks_err err = KS_OK;
    size_t depth = 0;
    bool open = false;

    KS_TRY(begin_gate(qasm, gate, modifier, NULL, &qasm->frames[0], &open));
    depth += open;
    while (depth > 0) {
        struct ks_qasm_frame *frame = &qasm->frames[depth - 1];
        const struct ks_qasm_call *call = next_call(qasm, frame);
        if (call == NULL) {
            KS_TRY(flip_negative(qasm, frame));
            depth--;
            continue;
        }
        if (call->gate == KS_QASM_CALL_BARRIER) {
            KS_TRY(ks_circuit_builder_barrier(qasm->builder));
            continue;
        }
        struct ks_qasm_frame inner;
        KS_TRY(lay_operands(qasm, frame, call));
        KS_TRY(begin_gate(qasm, call->gate, &call->modifier, frame, &inner, &open));
        if (open) {
            KS_ASSERT(depth < KS_QASM_GATE_DEPTH_MAX); /* ks_qasm_define saw to it */
            qasm->frames[depth++] = inner;
        }
    }
out:
    return err;
}
