/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* bench_methods: how long circuits take by the methods beside the state vector, as JSON lines.
 *
 *   seconds       whole ks_simulate, one thread: the best of three
 *   peer_seconds  with KETSEAL_PEER_METHODS set to a command: that command with the circuit's
 *                 OpenQASM file as its last argument, its start included, for the circuits of
 *                 the tableau */

#include <inttypes.h>
#include <stdio.h>

#include "base/sys.h"
#include "peer.h"

#define RUNS       3
#define MUST(call) KS_ASSERT((call) == KS_OK)

/* --- circuits ------------------------------------------------------------------------------
 */

/* splitmix64, reduced: the circuits are the same everywhere. */
static uint32_t below(uint64_t *random, uint32_t bound)
{
    uint64_t z = *random += 0x9E3779B97F4A7C15u;

    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return (uint32_t)((z ^ z >> 31) % bound);
}

static void gate(struct ks_circuit_builder *builder, enum ks_gate kind, uint32_t a, uint32_t b)
{
    MUST(ks_circuit_builder_gate(builder, kind, (uint32_t[]){a, b}, (double[]){0.3}));
}

/* GATES of h, s and cx on random qubits. */
static void add_clifford(struct ks_circuit_builder *builder, uint32_t qubits, uint32_t size)
{
    uint64_t random = 1;

    for (uint32_t i = 0; i < size; i++) {
        const uint32_t kind = below(&random, 3);
        const uint32_t a = below(&random, qubits);
        const uint32_t b = (a + 1 + below(&random, qubits - 1)) % qubits;

        gate(builder, kind == 0 ? KS_GATE_H : kind == 1 ? KS_GATE_S : KS_GATE_CX, a, b);
    }
}

static void add_ghz(struct ks_circuit_builder *builder, uint32_t qubits, uint32_t size)
{
    (void)size;
    gate(builder, KS_GATE_H, 0, 0);
    for (uint32_t q = 0; q + 1 < qubits; q++) {
        gate(builder, KS_GATE_CX, q, q + 1);
    }
}

/* ROUNDS of syndrome measurements of a repetition code of random phase: every other qubit is
 * measured into its bit and reset. */
static void add_rounds(struct ks_circuit_builder *builder, uint32_t qubits, uint32_t size)
{
    for (uint32_t round = 0; round < size; round++) {
        for (uint32_t q = 1; q + 1 < qubits; q += 2) {
            gate(builder, KS_GATE_CX, q - 1, q);
            gate(builder, KS_GATE_CX, q + 1, q);
            MUST(ks_circuit_builder_measure(builder, q, q));
            MUST(ks_circuit_builder_reset(builder, q));
        }
        for (uint32_t q = 0; q < qubits; q += 2) {
            gate(builder, KS_GATE_H, q, 0);
        }
    }
}

/* Layers of ry and cx along the line. */
static void add_line(struct ks_circuit_builder *builder, uint32_t qubits, uint32_t size)
{
    for (uint32_t layer = 0; layer < size; layer++) {
        for (uint32_t q = 0; q < qubits; q++) {
            gate(builder, KS_GATE_RY, q, 0);
        }
        for (uint32_t q = 0; q + 1 < qubits; q++) {
            gate(builder, KS_GATE_CX, q, q + 1);
        }
    }
}

/* SIZE qubits mixed, the others by Toffoli gates on them. */
static void add_toffoli(struct ks_circuit_builder *builder, uint32_t qubits, uint32_t size)
{
    for (uint32_t q = 0; q < size; q++) {
        gate(builder, KS_GATE_RY, q, 0);
    }
    for (uint32_t q = size; q < qubits; q++) {
        MUST(ks_circuit_builder_gate(builder, KS_GATE_CCX,
                                     (uint32_t[]){q % size, (q + 1) % size, q}, NULL));
    }
    for (uint32_t q = 0; q < size; q++) {
        gate(builder, KS_GATE_H, q, 0);
    }
}

static const struct row {
    const char *name;
    enum ks_method method;
    void (*add)(struct ks_circuit_builder *builder, uint32_t qubits, uint32_t size);
    uint32_t qubits;
    uint32_t size;
    uint64_t shots;
} rows[] = {
    {"ghz", KS_METHOD_STABILIZER, add_ghz, 24, 0, 1024},
    {"ghz", KS_METHOD_STABILIZER, add_ghz, 1000, 0, 1024},
    {"clifford", KS_METHOD_STABILIZER, add_clifford, 1000, 100000, 1},
    {"clifford", KS_METHOD_STABILIZER, add_clifford, 1000, 100000, 1024},
    {"clifford", KS_METHOD_STABILIZER, add_clifford, 1000, 1000000, 1024},
    {"rounds", KS_METHOD_STABILIZER, add_rounds, 101, 100, 1024},
    {"toffoli", KS_METHOD_SPARSE, add_toffoli, 400, 10, 1024},
    {"ghz", KS_METHOD_SPARSE, add_ghz, 1000, 0, 1024},
    {"line", KS_METHOD_MPS, add_line, 100, 3, 1024},
    {"line", KS_METHOD_MPS, add_line, 40, 5, 1024},
};

static struct ks_circuit *circuit_of(const struct row *row)
{
    struct ks_circuit_builder *builder = NULL;
    struct ks_circuit *circuit = NULL;

    MUST(ks_circuit_builder_new(NULL, &builder));
    MUST(ks_circuit_builder_qreg(builder, KS_LITERAL("q"), row->qubits));
    MUST(ks_circuit_builder_creg(builder, KS_LITERAL("c"), row->qubits));
    row->add(builder, row->qubits, row->size);
    for (uint32_t q = 0; q < row->qubits; q++) {
        MUST(ks_circuit_builder_measure(builder, q, q));
    }
    MUST(ks_circuit_builder_finish(builder, &circuit));
    ks_circuit_builder_free(builder);
    return circuit;
}

/* --- measurement ---------------------------------------------------------------------------
 */

static void bench(const struct row *row)
{
    struct ks_circuit *circuit = circuit_of(row);
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    double best = 0;
    double peer = -1;

    spec.method = row->method;
    spec.shots = row->shots;
    for (unsigned i = 0; i < RUNS; i++) {
        const uint64_t start = ks_clock_monotonic_us();
        struct ks_counts *counts = NULL;
        double seconds = 0;

        MUST(ks_simulate(circuit, &spec, &counts));
        seconds = (double)(ks_clock_monotonic_us() - start) * 1e-6;
        best = i == 0 || seconds < best ? seconds : best;
        if (i + 1 == RUNS) {
            (void)printf("{\"bench\":\"methods\",\"bond\":%" PRIu32 ",\"circuit\":\"%s\","
                         "\"discarded_weight\":%.3g,\"gates\":%" PRIu64 ",\"method\":\"%s\",",
                         ks_counts_facts(counts)->bond, row->name,
                         ks_counts_facts(counts)->discarded_weight, ks_circuit_ops(circuit),
                         ks_method_name(row->method));
        }
        ks_counts_free(counts);
    }
    peer = row->method == KS_METHOD_STABILIZER ? peer_seconds("KETSEAL_PEER_METHODS", circuit)
                                               : -1;
    if (peer >= 0) {
        (void)printf("\"peer_ratio\":%.2f,\"peer_seconds\":%.4f,", peer / best, peer);
    }
    (void)printf("\"qubits\":%" PRIu32 ",\"seconds\":%.6f,\"shots\":%" PRIu64 "}\n",
                 row->qubits, best, row->shots);
    (void)fflush(stdout);
    ks_circuit_free(circuit);
}

int main(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bench(&rows[i]);
    }
    return fflush(stdout) == 0 ? 0 : 4;
}
