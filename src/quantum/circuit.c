/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/circuit.h"

#include <math.h>

#include "quantum/array.h"

#define CONDITIONS_MAX  65534 /* ks_op.condition is 16 bits and 0 means none */
#define CONDITION_SLOTS 131072

_Static_assert(KS_GATE_COUNT <= UINT8_MAX, "ks_op.gate is 8 bits");
_Static_assert(CONDITION_SLOTS >= 2 * CONDITIONS_MAX, "the table is at most half full");

struct ks_circuit_builder {
    struct ks_circuit_limits limits;
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
        count += circuit->ops[i].gate != KS_GATE_BARRIER;
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
    ks_free(builder);
}

/* An identifier of OpenQASM 2: [a-z][A-Za-z0-9_]* */
static bool is_identifier(struct ks_bytes name)
{
    if (name.len == 0 || name.len > KS_REGISTER_NAME_MAX || name.data[0] < 'a' ||
        name.data[0] > 'z') {
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
static bool is_reserved(struct ks_bytes name)
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
    for (size_t i = 0; i < KS_GATE_COUNT; i++) {
        if (ks_bytes_is(name, gate_infos[i].name)) {
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

    if (!is_identifier(name)) {
        return ks_fail(KS_ERR_FORMAT,
                       "register name '%.*s': a small letter, then letters, digits and '_', at "
                       "most %d",
                       shown, text, KS_REGISTER_NAME_MAX);
    }
    if (is_reserved(name)) {
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
    bool equal = a->first == b->first && a->value == b->value;
    for (size_t i = 0; i < KS_CONDITION_HIGH; i++) {
        equal = equal && a->high[i] == b->high[i];
    }
    return equal;
}

static size_t condition_slot(const struct ks_circuit_builder *builder,
                             const struct ks_condition *condition)
{
    uint64_t hash = (condition->value + condition->first) * UINT64_C(0x9e3779b97f4a7c15);

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
    const struct ks_register *creg =
        ks_register_of(circuit->cregs, circuit->creg_count, condition->first);
    KS_CHECK(creg->first == condition->first && creg->size == condition->count, KS_ERR_FORMAT,
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
    }
    builder->condition = builder->condition_slots[slot];
out:
    return err;
}

/* --- operations --------------------------------------------------------------------------- */

static enum ks_err add_op(struct ks_circuit_builder *builder, const struct ks_op *op)
{
    struct ks_circuit *circuit = builder->circuit;

    if (circuit->op_count >= builder->limits.ops_max) {
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
    return builder->limits.ops_max - builder->circuit->op_count;
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

    if (all == NULL) {
        return ks_fail(KS_ERR_NOMEM, "depth of a circuit");
    }
    struct levels levels = {.qubits = all,
                            .clbits = all + qubits,
                            .floors = all + qubits + circuit->clbit_count,
                            .highests = all + words - circuit->creg_count};
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (circuit->ops[i].gate != KS_GATE_BARRIER) {
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
    KS_ASSERT(builder->circuit != NULL);
    const enum ks_err err = set_depth(builder->circuit);
    if (err != KS_OK) {
        return err;
    }
    *out_circuit = builder->circuit;
    builder->circuit = NULL;
    return KS_OK;
}
