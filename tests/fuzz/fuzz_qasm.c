/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What parses is printed, what is printed parses, to the same circuit and the same text. */
#include "quantum/circuit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct ks_circuit *parse(struct ks_bytes source, const struct ks_circuit_limits *limits)
{
    struct ks_circuit *circuit = NULL;

    return ks_circuit_parse(&source, "fuzz.qasm", limits, &circuit) == KS_OK ? circuit : NULL;
}

static void assert_equal(const struct ks_circuit *a, const struct ks_circuit *b)
{
    KS_ASSERT(a->qubit_count == b->qubit_count && a->clbit_count == b->clbit_count);
    KS_ASSERT(a->op_count == b->op_count && a->param_count == b->param_count);
    KS_ASSERT(a->condition_count == b->condition_count && a->depth == b->depth);
    for (size_t i = 0; i < a->param_count; i++) {
        KS_ASSERT(a->params[i] == b->params[i]);
    }
    for (size_t i = 0; i < a->op_count; i++) {
        const struct ks_op *left = &a->ops[i];
        const struct ks_op *right = &b->ops[i];
        KS_ASSERT(left->gate == right->gate && left->condition == right->condition);
        KS_ASSERT(left->clbit == right->clbit && left->param == right->param);
        for (unsigned j = 0; j < KS_OP_QUBITS_MAX; j++) {
            KS_ASSERT(left->qubits[j] == right->qubits[j]);
        }
    }
}

static void assert_flow_equal(const struct ks_circuit *a, const struct ks_circuit *b)
{
    KS_ASSERT(a->term_count == b->term_count && a->variable_count == b->variable_count);
    KS_ASSERT(a->dynamic == b->dynamic && a->extended == b->extended);
    for (size_t i = 0; i < a->term_count; i++) {
        const struct ks_term *left = &a->terms[i];
        const struct ks_term *right = &b->terms[i];
        KS_ASSERT(left->code == right->code && left->value == right->value);
        KS_ASSERT(left->is_signed == right->is_signed && left->span == right->span);
        KS_ASSERT(left->width == right->width);
    }
    for (size_t i = 0; i < a->variable_count; i++) {
        KS_ASSERT(a->variables[i].width == b->variables[i].width);
        KS_ASSERT(a->variables[i].is_signed == b->variables[i].is_signed);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ks_circuit_limits limits = KS_CIRCUIT_LIMITS_INIT;
    struct ks_buf first;
    struct ks_buf second;

    limits.ops_max = 20000; /* quick, and within reach of the fuzzer */
    struct ks_circuit *circuit = parse(ks_bytes_of(data, size), &limits);
    if (circuit == NULL) {
        return 0;
    }
    limits.source_max = SIZE_MAX;
    ks_buf_init(&first, SIZE_MAX);
    ks_buf_init(&second, SIZE_MAX);
    ks_circuit_print(circuit, &first);
    struct ks_circuit *again = parse(ks_buf_view(&first), &limits);
    KS_ASSERT(again != NULL);
    assert_equal(circuit, again);
    assert_flow_equal(circuit, again);
    ks_circuit_print(again, &second);
    KS_ASSERT(ks_bytes_equal(ks_buf_view(&first), ks_buf_view(&second)));
    ks_buf_done(&first);
    ks_buf_done(&second);
    ks_circuit_free(circuit);
    ks_circuit_free(again);
    return 0;
}
