/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/circuit.h"

#include <math.h>

#include "quantum/array.h"

#define CONDITIONS_MAX  65534 /* ks_op.condition is 16 bits and 0 means none */
#define CONDITION_SLOTS 131072

_Static_assert(KS_GATE_COUNT <= UINT8_MAX, "ks_op.gate is 8 bits");
_Static_assert(CONDITION_SLOTS >= 2 * CONDITIONS_MAX, "the table is at most half full");

/* A block that is not closed yet. */
struct block {
    uint32_t op;      /* IF or WHILE */
    uint32_t else_op; /* or 0: the first operation is no ELSE */
    bool wide;
    struct ks_condition condition; /* WIDE only */
};

struct ks_circuit_builder {
    struct ks_circuit_limits limits;
    bool extended;
    struct block *blocks;
    size_t block_count;
    size_t block_cap;
    size_t term_cap;
    size_t variable_cap;
    struct ks_circuit *circuit; /* NULL once finished */
    size_t op_cap;
    size_t param_cap;
    size_t condition_cap;
    size_t qreg_cap;
    size_t creg_cap;
    uint16_t condition; /* of the next operation, as in ks_op */
    uint16_t
        *condition_slots; /* open hash table over circuit.conditions; NULL before the first */
};

static const struct ks_gate_info gate_infos[KS_GATE_COUNT] = {
#define KS_GATE_INFO(name, text, qubits, params) [KS_GATE_##name] = {text, qubits, params},
    KS_GATE_LIST(KS_GATE_INFO)
#undef KS_GATE_INFO
};

const struct ks_gate_info *ks_gate_info(enum ks_gate gate)
{
    KS_ASSERT((unsigned)gate < KS_GATE_COUNT);
    return &gate_infos[gate];
}

/* --- the circuit -------------------------------------------------------------------------- */

static void registers_free(struct ks_register *registers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ks_free(registers[i].name);
    }
    ks_free(registers);
}

void ks_circuit_free(struct ks_circuit *circuit)
{
    if (circuit == NULL) {
        return;
    }
    registers_free(circuit->qregs, circuit->qreg_count);
    registers_free(circuit->cregs, circuit->creg_count);
    ks_free(circuit->ops);
    ks_free(circuit->params);
    ks_free(circuit->conditions);
    ks_free(circuit->terms);
    ks_free(circuit->variables);
    ks_free(circuit);
}

uint32_t ks_circuit_qubits(const struct ks_circuit *circuit)
{
    return circuit->qubit_count;
}

uint32_t ks_circuit_clbits(const struct ks_circuit *circuit)
{
    return circuit->clbit_count;
}

uint64_t ks_circuit_ops(const struct ks_circuit *circuit)
{
    uint64_t count = 0;
    for (size_t i = 0; i < circuit->op_count; i++) {
        count += circuit->ops[i].gate < KS_GATE_BARRIER;
    }
    return count;
}

uint32_t ks_circuit_depth(const struct ks_circuit *circuit)
{
    return circuit->depth;
}

/* --- building ----------------------------------------------------------------------------- */

enum ks_err ks_circuit_builder_new(const struct ks_circuit_limits *limits,
                                   struct ks_circuit_builder **out_builder)
{
    static const struct ks_circuit_limits defaults = KS_CIRCUIT_LIMITS_INIT;
    enum ks_err err = KS_OK;
    struct ks_circuit_builder *builder = NULL;

    if (limits == NULL) {
        limits = &defaults;
    }
    KS_CHECK(limits->version == 1, KS_ERR_USAGE, "circuit limits version %u", limits->version);
    KS_CHECK((builder = ks_calloc(1, sizeof *builder)) != NULL, KS_ERR_NOMEM,
             "circuit builder");
    builder->limits = *limits;
    builder->circuit = ks_calloc(1, sizeof *builder->circuit);
    KS_CHECK(builder->circuit != NULL, KS_ERR_NOMEM, "circuit");
    *out_builder = builder;
    builder = NULL;
out:
    ks_circuit_builder_free(builder);
    return err;
}

void ks_circuit_builder_free(struct ks_circuit_builder *builder)
{
    if (builder == NULL) {
        return;
    }
    ks_circuit_free(builder->circuit);
    ks_free(builder->condition_slots);
    ks_free(builder->blocks);
    ks_free(builder);
}

void ks_circuit_builder_extend(struct ks_circuit_builder *builder)
{
    builder->extended = true;
}

/* The names that the canonical text gives to variables: _0, _1, and so on. */
static bool is_variable_name(struct ks_bytes name)
{
    bool digits = name.len > 1 && name.data[0] == '_';

    for (size_t i = 1; i < name.len; i++) {
        digits = digits && name.data[i] >= '0' && name.data[i] <= '9';
    }
    return digits;
}

/* An identifier: [a-z][A-Za-z0-9_]* in OpenQASM 2, [A-Za-z_][A-Za-z0-9_]* in 3. */
static bool is_identifier(const struct ks_circuit_builder *builder, struct ks_bytes name)
{
    if (name.len == 0 || name.len > KS_REGISTER_NAME_MAX || is_variable_name(name)) {
        return false;
    }
    if (builder->extended ? name.data[0] >= '0' && name.data[0] <= '9'
                          : name.data[0] < 'a' || name.data[0] > 'z') {
        return false;
    }
    for (size_t i = 0; i < name.len; i++) {
        const uint8_t c = name.data[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_') {
            return false;
        }
    }
    return true;
}

/* Names that the canonical text cannot give to a register: its keywords, functions and gates.
 */
static bool is_reserved(const struct ks_circuit_builder *builder, struct ks_bytes name)
{
    static const char *const words[] = {"barrier", "cos",  "creg",    "exp",     "gate", "if",
                                        "include", "ln",   "measure", "opaque",  "pi",   "qreg",
                                        "reset",   "sin",  "sqrt",    "tan",     "u0",   "rccx",
                                        "ryy",     "rc3x", "c3x",     "c3sqrtx", "c4x"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (ks_bytes_is(name, words[i])) {
            return true;
        }
    }
    for (size_t i = 0; i <= KS_GATE_BARRIER; i++) {
        if (ks_bytes_is(name, gate_infos[i].name)) {
            return true;
        }
    }
    return builder->extended && ks_circuit_word(name);
}

bool ks_circuit_word(struct ks_bytes text)
{
    static const char *const words[] = {
        "CX",       "OPENQASM",   "U",      "angle",    "array",   "bit",           "bool",
        "box",      "break",      "cal",    "case",     "complex", "const",         "continue",
        "cphase",   "ctrl",       "def",    "default",  "defcal",  "defcalgrammar", "delay",
        "duration", "durationof", "else",   "end",      "euler",   "extern",        "false",
        "float",    "for",        "gphase", "im",       "in",      "input",         "int",
        "inv",      "let",        "log",    "mutable",  "negctrl", "output",        "phase",
        "pow",      "pragma",     "qubit",  "readonly", "return",  "sizeof",        "stretch",
        "switch",   "tau",        "true",   "uint",     "void",    "while"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (ks_bytes_is(text, words[i])) {
            return true;
        }
    }
    return false;
}

static bool name_taken(const struct ks_register *registers, size_t count, struct ks_bytes name)
{
    for (size_t i = 0; i < count; i++) {
        if (ks_bytes_is(name, registers[i].name)) {
            return true;
        }
    }
    return false;
}

struct register_list {
    struct ks_register **registers;
    size_t *count;
    size_t *cap;
    uint32_t *total; /* bits of all registers of this kind */
    uint32_t total_max;
    const char *what;
};

static enum ks_err add_register(struct ks_circuit_builder *builder, struct register_list *list,
                                struct ks_bytes name, uint32_t size)
{
    const struct ks_circuit *circuit = builder->circuit;
    const int shown = name.len > 60 ? 60 : (int)name.len;
    const char *text = (const char *)name.data;
    uint8_t *copy = NULL;

    if (!is_identifier(builder, name)) {
        return ks_fail(
            KS_ERR_FORMAT,
            builder->extended
                ? "register name '%.*s': a letter or '_', then letters, digits and "
                  "'_', at most %d, not _0, _1 and so on"
                : "register name '%.*s': a small letter, then letters, digits and '_', at "
                  "most %d",
            shown, text, KS_REGISTER_NAME_MAX);
    }
    if (is_reserved(builder, name)) {
        return ks_fail(KS_ERR_FORMAT, "'%.*s' is a word of OpenQASM or qelib1.inc", shown,
                       text);
    }
    if (name_taken(circuit->qregs, circuit->qreg_count, name) ||
        name_taken(circuit->cregs, circuit->creg_count, name)) {
        return ks_fail(KS_ERR_FORMAT, "'%.*s' is already declared", shown, text);
    }
    if (size == 0) {
        return ks_fail(KS_ERR_FORMAT, "register '%.*s' has size 0", shown, text);
    }
    if (size > list->total_max - *list->total) {
        return ks_fail(KS_ERR_LIMIT, "register '%.*s' makes more than %u %s", shown, text,
                       list->total_max, list->what);
    }
    struct ks_register *grown =
        ks_array_room(*list->registers, list->cap, *list->count + 1, sizeof *grown);
    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu registers", *list->count + 1);
    }
    *list->registers = grown;
    const enum ks_err err = ks_bytes_dup(name, &copy);
    if (err != KS_OK) {
        return err;
    }
    (*list->registers)[(*list->count)++] =
        (struct ks_register){.name = (char *)copy, .first = *list->total, .size = size};
    *list->total += size;
    builder->circuit->extended =
        builder->circuit->extended || name.data[0] < 'a' || name.data[0] > 'z';
    return KS_OK;
}

enum ks_err ks_circuit_builder_qreg(struct ks_circuit_builder *builder, struct ks_bytes name,
                                    uint32_t size)
{
    struct ks_circuit *circuit = builder->circuit;
    struct register_list list = {.registers = &circuit->qregs,
                                 .count = &circuit->qreg_count,
                                 .cap = &builder->qreg_cap,
                                 .total = &circuit->qubit_count,
                                 .total_max = builder->limits.qubits_max,
                                 .what = "qubits"};
    return add_register(builder, &list, name, size);
}

enum ks_err ks_circuit_builder_creg(struct ks_circuit_builder *builder, struct ks_bytes name,
                                    uint32_t size)
{
    struct ks_circuit *circuit = builder->circuit;
    struct register_list list = {.registers = &circuit->cregs,
                                 .count = &circuit->creg_count,
                                 .cap = &builder->creg_cap,
                                 .total = &circuit->clbit_count,
                                 .total_max = builder->limits.clbits_max,
                                 .what = "classical bits"};
    return add_register(builder, &list, name, size);
}

/* The register that holds flat index BIT, which must exist: registers lie in ascending order.
 */
const struct ks_register *ks_register_of(const struct ks_register *registers, size_t count,
                                         uint32_t bit)
{
    size_t low = 0;
    size_t high = count;
    while (high - low > 1) {
        const size_t middle = low + (high - low) / 2;
        if (registers[middle].first <= bit) {
            low = middle;
        } else {
            high = middle;
        }
    }
    KS_ASSERT(low < count && bit - registers[low].first < registers[low].size);
    return &registers[low];
}

/* --- conditions: equal ones share an entry ------------------------------------------------ */

static bool conditions_equal(const struct ks_condition *a, const struct ks_condition *b)
{
    bool equal = a->first == b->first && a->count == b->count && a->value == b->value;
    for (size_t i = 0; i < KS_CONDITION_HIGH; i++) {
        equal = equal && a->high[i] == b->high[i];
    }
    return equal;
}

static size_t condition_slot(const struct ks_circuit_builder *builder,
                             const struct ks_condition *condition)
{
    uint64_t hash = (condition->value + condition->first + ((uint64_t)condition->count << 32)) *
                    UINT64_C(0x9e3779b97f4a7c15);

    for (size_t i = 0; i < KS_CONDITION_HIGH; i++) {
        hash = (hash ^ hash >> 29 ^ condition->high[i]) * UINT64_C(0xbf58476d1ce4e5b9);
    }
    size_t slot = (size_t)(hash >> 40) % CONDITION_SLOTS;
    while (builder->condition_slots[slot] != 0) {
        const uint16_t index = builder->condition_slots[slot];
        if (conditions_equal(&builder->circuit->conditions[index - 1], condition)) {
            break;
        }
        slot = (slot + 1) % CONDITION_SLOTS;
    }
    return slot;
}

bool ks_condition_whole(const struct ks_circuit *circuit, const struct ks_condition *condition)
{
    const struct ks_register *creg =
        ks_register_of(circuit->cregs, circuit->creg_count, condition->first);

    return creg->first == condition->first && creg->size == condition->count;
}

enum ks_err ks_circuit_builder_condition(struct ks_circuit_builder *builder,
                                         const struct ks_condition *condition)
{
    struct ks_circuit *circuit = builder->circuit;
    enum ks_err err = KS_OK;

    if (condition == NULL) {
        builder->condition = 0;
        return KS_OK;
    }
    KS_CHECK(condition->first < circuit->clbit_count, KS_ERR_FORMAT,
             "condition on classical bit %u of %u", condition->first, circuit->clbit_count);
    const bool whole = ks_condition_whole(circuit, condition);
    KS_CHECK(whole || (builder->extended && condition->count == 1), KS_ERR_FORMAT,
             "a condition must be on a whole classical register");
    if (builder->condition_slots == NULL) {
        builder->condition_slots = ks_calloc(CONDITION_SLOTS, sizeof *builder->condition_slots);
        KS_CHECK(builder->condition_slots != NULL, KS_ERR_NOMEM, "conditions");
    }
    const size_t slot = condition_slot(builder, condition);
    if (builder->condition_slots[slot] == 0) {
        KS_CHECK(circuit->condition_count < CONDITIONS_MAX, KS_ERR_LIMIT,
                 "more than %d different conditions", CONDITIONS_MAX);
        struct ks_condition *grown = ks_array_room(circuit->conditions, &builder->condition_cap,
                                                   circuit->condition_count + 1, sizeof *grown);
        KS_CHECK(grown != NULL, KS_ERR_NOMEM, "%zu conditions", circuit->condition_count + 1);
        circuit->conditions = grown;
        circuit->conditions[circuit->condition_count++] = *condition;
        builder->condition_slots[slot] = (uint16_t)circuit->condition_count;
        circuit->extended = circuit->extended || !whole;
    }
    builder->condition = builder->condition_slots[slot];
out:
    return err;
}

/* --- operations --------------------------------------------------------------------------- */

/* Open blocks may go beyond the limit by what flattening will take away again. */
static uint64_t ops_allowed(const struct ks_circuit_builder *builder)
{
    const uint64_t more = 2 * (uint64_t)builder->block_count;

    return builder->limits.ops_max > UINT64_MAX - more ? UINT64_MAX
                                                       : builder->limits.ops_max + more;
}

static enum ks_err add_op(struct ks_circuit_builder *builder, const struct ks_op *op)
{
    struct ks_circuit *circuit = builder->circuit;

    if (circuit->op_count >= ops_allowed(builder)) {
        return ks_fail(KS_ERR_LIMIT, "more than %llu operations",
                       (unsigned long long)builder->limits.ops_max);
    }
    struct ks_op *grown =
        ks_array_room(circuit->ops, &builder->op_cap, circuit->op_count + 1, sizeof *grown);
    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu operations", circuit->op_count + 1);
    }
    circuit->ops = grown;
    circuit->ops[circuit->op_count++] = *op;
    return KS_OK;
}

static enum ks_err check_qubits(const struct ks_circuit *circuit, const uint32_t *qubits,
                                unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        if (qubits[i] >= circuit->qubit_count) {
            return ks_fail(KS_ERR_FORMAT, "qubit %u of %u", qubits[i], circuit->qubit_count);
        }
        for (unsigned j = 0; j < i; j++) {
            if (qubits[i] == qubits[j]) {
                return ks_fail(KS_ERR_FORMAT, "the same qubit twice in one gate");
            }
        }
    }
    return KS_OK;
}

enum ks_err ks_circuit_builder_gate(struct ks_circuit_builder *builder, enum ks_gate gate,
                                    const uint32_t *qubits, const double *params)
{
    struct ks_circuit *circuit = builder->circuit;
    const struct ks_gate_info *info = ks_gate_info(gate);
    enum ks_err err = KS_OK;
    struct ks_op op = {.gate = (uint8_t)gate, .condition = builder->condition};

    KS_ASSERT(gate < KS_GATE_MEASURE);
    KS_TRY(check_qubits(circuit, qubits, info->qubits));
    for (unsigned i = 0; i < info->qubits; i++) {
        op.qubits[i] = qubits[i];
    }
    for (unsigned i = 0; i < info->params; i++) {
        KS_CHECK(isfinite(params[i]), KS_ERR_FORMAT,
                 "a parameter of '%s' is not a finite number", info->name);
    }
    if (info->params > 0) {
        KS_CHECK(circuit->param_count <= UINT32_MAX - info->params, KS_ERR_LIMIT,
                 "more than %u parameters", UINT32_MAX);
        double *grown = ks_array_room(circuit->params, &builder->param_cap,
                                      circuit->param_count + info->params, sizeof *grown);
        KS_CHECK(grown != NULL, KS_ERR_NOMEM, "%zu parameters", circuit->param_count);
        circuit->params = grown;
        op.param = (uint32_t)circuit->param_count;
    }
    KS_TRY(add_op(builder, &op));
    for (unsigned i = 0; i < info->params; i++) {
        circuit->params[circuit->param_count++] =
            params[i] + 0.0; /* -0 has no text of its own */
    }
out:
    return err;
}

enum ks_err ks_circuit_builder_measure(struct ks_circuit_builder *builder, uint32_t qubit,
                                       uint32_t clbit)
{
    enum ks_err err = KS_OK;

    KS_TRY(check_qubits(builder->circuit, &qubit, 1));
    KS_CHECK(clbit < builder->circuit->clbit_count, KS_ERR_FORMAT, "classical bit %u of %u",
             clbit, builder->circuit->clbit_count);
    const struct ks_op op = {.gate = KS_GATE_MEASURE,
                             .condition = builder->condition,
                             .qubits = {qubit},
                             .clbit = clbit};
    KS_TRY(add_op(builder, &op));
out:
    return err;
}

enum ks_err ks_circuit_builder_reset(struct ks_circuit_builder *builder, uint32_t qubit)
{
    const struct ks_op op = {
        .gate = KS_GATE_RESET, .condition = builder->condition, .qubits = {qubit}};
    const enum ks_err err = check_qubits(builder->circuit, &qubit, 1);

    return err != KS_OK ? err : add_op(builder, &op);
}

enum ks_err ks_circuit_builder_barrier(struct ks_circuit_builder *builder)
{
    const struct ks_op op = {.gate = KS_GATE_BARRIER};

    if (builder->circuit->qubit_count == 0) {
        return ks_fail(KS_ERR_FORMAT, "a barrier without qubits");
    }
    return add_op(builder, &op);
}

uint64_t ks_circuit_builder_room(const struct ks_circuit_builder *builder)
{
    return ops_allowed(builder) - builder->circuit->op_count;
}

/* --- control flow ------------------------------------------------------------------------- */

enum ks_err ks_circuit_builder_variable(struct ks_circuit_builder *builder,
                                        const struct ks_variable *variable, uint32_t *out_index)
{
    struct ks_circuit *circuit = builder->circuit;

    KS_ASSERT(builder->extended && variable->width >= 1 && variable->width <= 64);
    if (circuit->variable_count == KS_VARIABLES_MAX) {
        return ks_fail(KS_ERR_LIMIT, "more than %d variables", KS_VARIABLES_MAX);
    }
    struct ks_variable *grown = ks_array_room(circuit->variables, &builder->variable_cap,
                                              circuit->variable_count + 1, sizeof *grown);
    if (grown == NULL) {
        return ks_fail(KS_ERR_NOMEM, "%zu variables", circuit->variable_count);
    }
    circuit->variables = grown;
    *out_index = (uint32_t)circuit->variable_count;
    circuit->variables[circuit->variable_count++] = *variable;
    circuit->extended = true;
    return KS_OK;
}

/* Appends an operation of control flow with its expression, where it has one. */
static enum ks_err add_control(struct ks_circuit_builder *builder, const struct ks_op *op,
                               const struct ks_term *terms, size_t count)
{
    struct ks_circuit *circuit = builder->circuit;
    struct ks_op added = *op;
    enum ks_err err = KS_OK;

    KS_ASSERT(builder->extended && count <= KS_TERMS_MAX);
    KS_CHECK(circuit->op_count < UINT32_MAX && circuit->term_count <= UINT32_MAX - count,
             KS_ERR_LIMIT, "more than %u operations", UINT32_MAX);
    if (count > 0) {
        struct ks_term *grown = ks_array_room(circuit->terms, &builder->term_cap,
                                              circuit->term_count + count, sizeof *grown);
        KS_CHECK(grown != NULL, KS_ERR_NOMEM, "%zu terms", circuit->term_count);
        circuit->terms = grown;
        added.param = (uint32_t)(circuit->term_count + count - 1);
    }
    KS_TRY(add_op(builder, &added));
    ks_copy(circuit->terms + circuit->term_count, terms, count * sizeof *terms);
    circuit->term_count += count;
out:
    return err;
}

enum ks_err ks_circuit_builder_assign(struct ks_circuit_builder *builder,
                                      const struct ks_assignment *assignment)
{
    const struct ks_op op = {
        .gate = KS_GATE_ASSIGN, .qubits = {assignment->count}, .clbit = assignment->first};

    return add_control(builder, &op, assignment->terms, assignment->term_count);
}

static enum ks_err open_block(struct ks_circuit_builder *builder, enum ks_gate gate,
                              const struct ks_term *terms, size_t count)
{
    const struct ks_op op = {.gate = (uint8_t)gate};
    enum ks_err err = KS_OK;

    KS_CHECK(builder->block_count < KS_BLOCK_DEPTH_MAX, KS_ERR_LIMIT,
             "blocks nested deeper than %d", KS_BLOCK_DEPTH_MAX);
    struct block *grown = ks_array_room(builder->blocks, &builder->block_cap,
                                        builder->block_count + 1, sizeof *grown);
    KS_CHECK(grown != NULL, KS_ERR_NOMEM, "%zu blocks", builder->block_count);
    builder->blocks = grown;
    KS_TRY(add_control(builder, &op, terms, count));
    builder->blocks[builder->block_count++] =
        (struct block){.op = (uint32_t)(builder->circuit->op_count - 1)};
out:
    return err;
}

enum ks_err ks_circuit_builder_if(struct ks_circuit_builder *builder,
                                  const struct ks_term *terms, size_t count,
                                  const struct ks_condition *wide)
{
    const enum ks_err err = open_block(builder, KS_GATE_IF, terms, wide == NULL ? count : 0);

    if (err == KS_OK && wide != NULL) {
        builder->blocks[builder->block_count - 1].wide = true;
        builder->blocks[builder->block_count - 1].condition = *wide;
    }
    return err;
}

enum ks_err ks_circuit_builder_while(struct ks_circuit_builder *builder,
                                     const struct ks_term *terms, size_t count)
{
    return open_block(builder, KS_GATE_WHILE, terms, count);
}

enum ks_err ks_circuit_builder_else(struct ks_circuit_builder *builder)
{
    static const struct ks_op op = {.gate = KS_GATE_ELSE};
    struct block *block = &builder->blocks[builder->block_count - 1];

    KS_ASSERT(builder->block_count > 0 && block->else_op == 0 &&
              builder->circuit->ops[block->op].gate == KS_GATE_IF);
    const enum ks_err err = add_control(builder, &op, NULL, 0);
    if (err == KS_OK) {
        block->else_op = (uint32_t)(builder->circuit->op_count - 1);
    }
    return err;
}

/* The condition that BLOCK's expression amounts to, if it does to one: a bit, its negation, or
 * a bit or register that is compared with a number. */
static bool block_condition(const struct ks_circuit *circuit, const struct block *block,
                            struct ks_condition *out_condition)
{
    if (block->wide) {
        *out_condition = block->condition;
        return true;
    }
    const struct ks_term *root = &circuit->terms[circuit->ops[block->op].param];
    const struct ks_term *leaf = root - root->span + 1;
    struct ks_condition condition = {
        .first = (uint32_t)leaf->value,
        .count = leaf->code == KS_TERM_BITS ? leaf->width : 1,
        .value = 1,
    };

    if (leaf->code != KS_TERM_BIT && leaf->code != KS_TERM_BITS) {
        return false;
    }
    if (root->span == 2 && root->code == KS_TERM_NOT) {
        condition.value = 0;
    } else if (root->span == 3 && root->code == KS_TERM_EQUAL &&
               leaf[1].code == KS_TERM_NUMBER) {
        condition.value = leaf[1].value;
    } else if (root->span != 1) {
        return false;
    }
    *out_condition = condition;
    return root->span == 3 || leaf->code == KS_TERM_BIT;
}

/* Whether CONDITION on each operation of [FIRST, END) means the same as once before them. */
static bool is_plain(const struct ks_circuit *circuit, size_t first, size_t end,
                     const struct ks_condition *condition)
{
    for (size_t i = first; i < end; i++) {
        const struct ks_op *op = &circuit->ops[i];

        if (op->gate > KS_GATE_BARRIER || op->condition != 0 ||
            (op->gate == KS_GATE_MEASURE && op->clbit >= condition->first &&
             op->clbit - condition->first < condition->count)) {
            return false;
        }
    }
    return true;
}

/* Moves the operations [FIRST, END) to TARGET with the condition that the builder has now. */
static size_t move_plain(struct ks_circuit_builder *builder, size_t target, size_t first,
                         size_t end)
{
    struct ks_op *ops = builder->circuit->ops;

    for (size_t i = first; i < end; i++) {
        ops[target] = ops[i];
        ops[target].condition = ops[i].gate == KS_GATE_BARRIER ? 0 : builder->condition;
        target++;
    }
    return target;
}

/* Makes the operations of BLOCK, an IF, conditional instead, if that is the same. */
static enum ks_err flatten(struct ks_circuit_builder *builder, const struct block *block,
                           bool *out_flat)
{
    struct ks_circuit *circuit = builder->circuit;
    const size_t end = circuit->op_count;
    const size_t middle = block->else_op != 0 ? block->else_op : end;
    struct ks_condition condition;
    size_t target = block->op;
    enum ks_err err = KS_OK;

    if (middle == (size_t)block->op + 1 && (middle == end || middle + 1 == end)) {
        circuit->op_count = block->op; /* nothing to do either way */
        circuit->term_count -= block->wide ? 0 : circuit->terms[circuit->term_count - 1].span;
        *out_flat = true;
        return KS_OK;
    }
    if (!block_condition(circuit, block, &condition) ||
        !is_plain(circuit, (size_t)block->op + 1, middle, &condition) ||
        (middle < end && (condition.count > 1 || condition.value > 1 ||
                          !is_plain(circuit, middle + 1, end, &condition)))) {
        return KS_OK;
    }
    if (middle > (size_t)block->op + 1) {
        KS_TRY(ks_circuit_builder_condition(builder, &condition));
        target = move_plain(builder, target, (size_t)block->op + 1, middle);
    }
    if (middle + 1 < end) {
        condition.value = condition.value == 0;
        KS_TRY(ks_circuit_builder_condition(builder, &condition));
        target = move_plain(builder, target, middle + 1, end);
    }
    circuit->op_count = target;
    circuit->term_count -= block->wide ? 0 : circuit->terms[circuit->term_count - 1].span;
    *out_flat = true;
out:
    builder->condition = 0;
    return err;
}

enum ks_err ks_circuit_builder_end(struct ks_circuit_builder *builder)
{
    struct ks_circuit *circuit = builder->circuit;
    const struct block *block = &builder->blocks[builder->block_count - 1];
    const bool loop = circuit->ops[block->op].gate == KS_GATE_WHILE;
    enum ks_err err = KS_OK;
    bool flat = false;

    KS_ASSERT(builder->block_count > 0);
    if (!loop) {
        KS_TRY(flatten(builder, block, &flat));
    }
    KS_CHECK(flat || !block->wide, KS_ERR_LIMIT,
             "a condition on more than 64 bits, with more behind it than gates, resets and "
             "measurements into other bits");
    if (!flat) {
        const struct ks_op op = {.gate = KS_GATE_END, .clbit = block->op};
        KS_TRY(add_control(builder, &op, NULL, 0));
        const uint32_t end = (uint32_t)(circuit->op_count - 1);
        circuit->ops[block->op].clbit = block->else_op != 0 ? block->else_op : end;
        if (block->else_op != 0) {
            circuit->ops[block->else_op].clbit = end;
        }
    }
    builder->block_count--;
out:
    return err;
}

enum ks_err ks_circuit_builder_jump(struct ks_circuit_builder *builder, enum ks_gate jump)
{
    for (size_t i = builder->block_count; i-- > 0;) {
        if (builder->circuit->ops[builder->blocks[i].op].gate == KS_GATE_WHILE) {
            const struct ks_op op = {.gate = (uint8_t)jump, .clbit = builder->blocks[i].op};
            return add_control(builder, &op, NULL, 0);
        }
    }
    return ks_fail(KS_ERR_FORMAT, "'%s' outside of a while loop", ks_gate_info(jump)->name);
}

size_t ks_circuit_builder_blocks(const struct ks_circuit_builder *builder)
{
    return builder->block_count;
}

/* --- depth -------------------------------------------------------------------------------- */

/* The level of each bit is the length of the longest chain of operations that ends at it. A
 * condition reads and holds back all bits of its register, so a register has levels of its own:
 * FLOOR holds for all of its bits, HIGHEST is the largest of them. */
struct levels {
    uint32_t *qubits;
    uint32_t *clbits;
    uint32_t *floors;   /* by creg */
    uint32_t *highests; /* by creg */
};

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t apply_levels(const struct ks_circuit *circuit, const struct ks_op *op,
                             struct levels *levels)
{
    const unsigned qubits = ks_gate_info(op->gate)->qubits;
    size_t creg = 0;
    size_t condition_creg = 0;
    uint32_t level = 0;

    for (unsigned i = 0; i < qubits; i++) {
        level = larger(level, levels->qubits[op->qubits[i]]);
    }
    if (op->gate == KS_GATE_MEASURE) {
        creg = (size_t)(ks_register_of(circuit->cregs, circuit->creg_count, op->clbit) -
                        circuit->cregs);
        level = larger(level, larger(levels->clbits[op->clbit], levels->floors[creg]));
    }
    if (op->condition != 0) {
        const uint32_t first = circuit->conditions[op->condition - 1].first;
        condition_creg = (size_t)(ks_register_of(circuit->cregs, circuit->creg_count, first) -
                                  circuit->cregs);
        level = larger(level, levels->highests[condition_creg]);
    }
    level++;
    for (unsigned i = 0; i < qubits; i++) {
        levels->qubits[op->qubits[i]] = level;
    }
    if (op->gate == KS_GATE_MEASURE) {
        levels->clbits[op->clbit] = level;
        levels->highests[creg] = larger(levels->highests[creg], level);
    }
    if (op->condition != 0) {
        levels->floors[condition_creg] = level;
        levels->highests[condition_creg] = level;
    }
    return level;
}

static enum ks_err set_depth(struct ks_circuit *circuit)
{
    const size_t qubits = circuit->qubit_count;
    const size_t words = qubits + circuit->clbit_count + 2 * circuit->creg_count;
    uint32_t *all = ks_calloc(words, sizeof *all);
    uint32_t depth = 0;
    uint32_t barrier = 0; /* depth when the last barrier was applied */
    uint32_t flow = 0;    /* the same of control flow */

    if (all == NULL) {
        return ks_fail(KS_ERR_NOMEM, "depth of a circuit");
    }
    struct levels levels = {.qubits = all,
                            .clbits = all + qubits,
                            .floors = all + qubits + circuit->clbit_count,
                            .highests = all + words - circuit->creg_count};
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (circuit->ops[i].gate > KS_GATE_BARRIER) { /* all that follows waits for it */
            for (size_t word = 0; word < words && depth > flow; word++) {
                all[word] = depth;
            }
            flow = depth;
            barrier = depth;
        } else if (circuit->ops[i].gate != KS_GATE_BARRIER) {
            depth = larger(depth, apply_levels(circuit, &circuit->ops[i], &levels));
        } else if (depth > barrier) { /* barriers in a row cost nothing */
            for (size_t qubit = 0; qubit < qubits; qubit++) {
                levels.qubits[qubit] = depth;
            }
            barrier = depth;
        }
    }
    ks_free(all);
    circuit->depth = depth;
    return KS_OK;
}

enum ks_err ks_circuit_builder_finish(struct ks_circuit_builder *builder,
                                      struct ks_circuit **out_circuit)
{
    KS_ASSERT(builder->circuit != NULL && builder->block_count == 0);
    if (builder->circuit->op_count > builder->limits.ops_max) {
        return ks_fail(KS_ERR_LIMIT, "more than %llu operations",
                       (unsigned long long)builder->limits.ops_max);
    }
    const enum ks_err err = set_depth(builder->circuit);
    if (err != KS_OK) {
        return err;
    }
    for (size_t i = 0; i < builder->circuit->op_count && builder->extended; i++) {
        builder->circuit->dynamic =
            builder->circuit->dynamic || builder->circuit->ops[i].gate > KS_GATE_BARRIER;
    }
    builder->circuit->extended = builder->circuit->extended || builder->circuit->dynamic;
    *out_circuit = builder->circuit;
    builder->circuit = NULL;
    return KS_OK;
}
