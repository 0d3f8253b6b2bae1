/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "quantum/sdk_text.h"

#include "quantum/circuit.h"

/* The gates of clifford_t_sampling: as OpenQASM 3 names them, and as objects of Cirq. A Pauli
 * gate is an operation of another type there. */
struct sdk_gate {
    enum ks_gate gate;
    const char *qasm;
    const char *cirq;
    const char *exponent;
    bool pauli;
};

static const struct sdk_gate gates[] = {
    {KS_GATE_H, "h", "HPowGate", "1.0", false},  {KS_GATE_S, "s", "ZPowGate", "0.5", false},
    {KS_GATE_T, "t", "ZPowGate", "0.25", false}, {KS_GATE_X, "x", "_PauliX", "1.0", true},
    {KS_GATE_Y, "y", "_PauliY", "1.0", true},    {KS_GATE_Z, "z", "_PauliZ", "1.0", true},
};

static enum ks_err find(const struct ks_op *op, const struct sdk_gate **out_gate)
{
    for (size_t i = 0; i < sizeof gates / sizeof gates[0]; i++) {
        if (op->gate == gates[i].gate && op->condition == 0) {
            *out_gate = &gates[i];
            return KS_OK;
        }
    }
    return ks_fail(KS_ERR_USAGE, "an operation that clifford_t_sampling does not have");
}

enum ks_err ks_sdk_text_qiskit(const struct ks_circuit *circuit, struct ks_buf *out)
{
    enum ks_err err = KS_OK;

    ks_buf_put_format(out,
                      "OPENQASM 3.0;\ninclude \"stdgates.inc\";\nbit[%u] c;\nqubit[%u] q;\n",
                      circuit->clbit_count, circuit->qubit_count);
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];
        const struct sdk_gate *gate = NULL;

        if (op->gate == KS_GATE_MEASURE) {
            ks_buf_put_format(out, "c[%u] = measure q[%u];\n", op->clbit, op->qubits[0]);
        } else {
            KS_TRY(find(op, &gate));
            ks_buf_put_format(out, "%s q[%u];\n", gate->qasm, op->qubits[0]);
        }
    }
out:
    return err;
}

/* --- Cirq --------------------------------------------------------------------------------- */

static void put_qubit(struct ks_buf *out, const char *indent, uint32_t qubit)
{
    ks_buf_put_format(out, "{\n%s  \"cirq_type\": \"LineQubit\",\n%s  \"x\": %u\n%s}", indent,
                      indent, qubit, indent);
}

static void put_gate(struct ks_buf *out, const struct sdk_gate *gate, uint32_t qubit)
{
    ks_buf_put_format(out,
                      "        {\n"
                      "          \"cirq_type\": \"%s\",\n"
                      "          \"%s\": {\n"
                      "            \"cirq_type\": \"%s\",\n"
                      "            \"exponent\": %s,\n"
                      "            \"global_shift\": 0.0\n"
                      "          },\n",
                      gate->pauli ? "SingleQubitPauliStringGateOperation" : "GateOperation",
                      gate->pauli ? "pauli" : "gate", gate->cirq, gate->exponent);
    if (gate->pauli) {
        ks_buf_put_text(out, "          \"qubit\": ");
        put_qubit(out, "          ", qubit);
    } else {
        ks_buf_put_text(out, "          \"qubits\": [\n            ");
        put_qubit(out, "            ", qubit);
        ks_buf_put_text(out, "\n          ]");
    }
    ks_buf_put_text(out, "\n        }");
}

static void put_moment(struct ks_buf *out, bool first)
{
    ks_buf_put_text(out, first ? "" : ",\n");
    ks_buf_put_text(out, "    {\n"
                         "      \"cirq_type\": \"Moment\",\n"
                         "      \"operations\": [\n");
}

#define MOMENT_END "\n      ]\n    }"

static void put_measurement(struct ks_buf *out, uint32_t qubits)
{
    ks_buf_put_format(out,
                      "        {\n"
                      "          \"cirq_type\": \"GateOperation\",\n"
                      "          \"gate\": {\n"
                      "            \"cirq_type\": \"MeasurementGate\",\n"
                      "            \"num_qubits\": %u,\n"
                      "            \"key\": \"m\",\n"
                      "            \"invert_mask\": []\n"
                      "          },\n"
                      "          \"qubits\": [\n",
                      qubits);
    for (uint32_t i = 0; i < qubits; i++) {
        ks_buf_put_text(out, i > 0 ? ",\n            " : "            ");
        put_qubit(out, "            ", i);
    }
    ks_buf_put_text(out, "\n          ]\n        }");
}

/* Strategy EARLIEST: an operation stands in the first moment behind the last one of its qubit.
 * MOMENTS gets that of each gate; *OUT_COUNT the number of moments before the measurement. */
static enum ks_err find_moments(const struct ks_circuit *circuit, uint32_t *moments,
                                uint32_t *out_count)
{
    enum ks_err err = KS_OK;
    uint32_t *next = ks_calloc(circuit->qubit_count, sizeof *next);
    uint32_t count = 0;

    KS_CHECK(next != NULL, KS_ERR_NOMEM, "moments");
    for (size_t i = 0; i < circuit->op_count; i++) {
        const struct ks_op *op = &circuit->ops[i];
        const struct sdk_gate *gate = NULL;

        if (op->gate != KS_GATE_MEASURE) {
            KS_TRY(find(op, &gate));
            moments[i] = next[op->qubits[0]]++;
            count = moments[i] >= count ? moments[i] + 1 : count;
        }
    }
    *out_count = count;
out:
    ks_free(next);
    return err;
}

/* ORDER: the gates by moment, those of one in the order of the circuit. */
static enum ks_err sort_by_moment(const struct ks_circuit *circuit, const uint32_t *moments,
                                  uint32_t count, uint32_t *order, size_t *out_len)
{
    enum ks_err err = KS_OK;
    size_t *start = ks_calloc((size_t)count + 1, sizeof *start);

    KS_CHECK(start != NULL, KS_ERR_NOMEM, "moments");
    *out_len = 0;
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (circuit->ops[i].gate != KS_GATE_MEASURE) {
            start[moments[i] + 1]++;
            (*out_len)++;
        }
    }
    for (uint32_t i = 0; i < count; i++) {
        start[i + 1] += start[i];
    }
    for (size_t i = 0; i < circuit->op_count; i++) {
        if (circuit->ops[i].gate != KS_GATE_MEASURE) {
            order[start[moments[i]]++] = (uint32_t)i;
        }
    }
out:
    ks_free(start);
    return err;
}

enum ks_err ks_sdk_text_cirq(const struct ks_circuit *circuit, struct ks_buf *out)
{
    enum ks_err err = KS_OK;
    uint32_t *moments = ks_calloc(circuit->op_count + 1, sizeof *moments);
    uint32_t *order = ks_calloc(circuit->op_count + 1, sizeof *order);
    uint32_t count = 0;
    size_t len = 0;

    KS_CHECK(moments != NULL && order != NULL, KS_ERR_NOMEM, "moments");
    KS_TRY(find_moments(circuit, moments, &count));
    KS_TRY(sort_by_moment(circuit, moments, count, order, &len));
    ks_buf_put_text(out, "{\n  \"cirq_type\": \"Circuit\",\n  \"moments\": [\n");
    for (size_t i = 0; i < len; i++) {
        const struct ks_op *op = &circuit->ops[order[i]];
        const struct sdk_gate *gate = NULL;

        if (i == 0 || moments[order[i]] != moments[order[i - 1]]) {
            ks_buf_put_text(out, i > 0 ? MOMENT_END : "");
            put_moment(out, i == 0);
        } else {
            ks_buf_put_text(out, ",\n");
        }
        KS_TRY(find(op, &gate));
        put_gate(out, gate, op->qubits[0]);
    }
    ks_buf_put_text(out, len > 0 ? MOMENT_END : "");
    put_moment(out, len == 0);
    put_measurement(out, circuit->qubit_count);
    ks_buf_put_text(out, MOMENT_END "\n  ]\n}");
out:
    ks_free(moments);
    ks_free(order);
    return err;
}
