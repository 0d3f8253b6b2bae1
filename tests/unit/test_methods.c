/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The methods beside the state vector: their exact distributions against the dense oracle,
 * their samples against their distributions, and against each other where the oracle cannot go.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "oracle/dense.h"
#include "oracle/random_circuit.h"
#include "quantum/simulate.h"

#define OK(call)     assert_int_equal((call), KS_OK)
#define OUTCOMES_MAX 1024

static struct ks_circuit *parse(const char *text)
{
    const struct ks_bytes source = ks_bytes_text(text);
    struct ks_circuit *circuit = NULL;

    if (ks_circuit_parse(&source, "test", NULL, &circuit) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return circuit;
}

static struct ks_simulate_spec spec_of(enum ks_method method)
{
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;

    spec.method = method;
    return spec;
}

/* --- distributions ------------------------------------------------------------------------ */

static void compare_with_oracle(const struct ks_circuit *circuit, enum ks_method method,
                                const char *what, uint64_t seed)
{
    const struct ks_simulate_spec spec = spec_of(method);
    static double want[OUTCOMES_MAX];
    static double got[OUTCOMES_MAX];

    assert_true((size_t)1 << circuit->clbit_count <= OUTCOMES_MAX);
    dense_probabilities(circuit, want);
    if (ks_simulate_probabilities(circuit, &spec, got) != KS_OK) {
        fail_msg("%s, seed %llu: %s", what, (unsigned long long)seed, ks_err_detail());
    }
    for (size_t i = 0; i < (size_t)1 << circuit->clbit_count; i++) {
        if (!(fabs(got[i] - want[i]) <= 1e-11)) {
            fail_msg("%s by %s, seed %llu, outcome %zu: %.17g, oracle %.17g", what,
                     ks_method_name(method), (unsigned long long)seed, i, got[i], want[i]);
        }
    }
}

static const enum ks_method general[] = {KS_METHOD_SPARSE, KS_METHOD_MPS};
#define GENERAL_COUNT (sizeof general / sizeof general[0])

static void test_every_gate(void **state)
{
    (void)state;
    for (enum ks_gate gate = 0; gate < KS_GATE_MEASURE; gate++) {
        for (uint64_t seed = 1; seed <= 6; seed++) {
            struct ks_circuit *circuit = random_around(gate, 3 + (uint32_t)seed % 5, seed);

            for (size_t m = 0; m < GENERAL_COUNT; m++) {
                compare_with_oracle(circuit, general[m], ks_gate_info(gate)->name, seed);
            }
            ks_circuit_free(circuit);
        }
    }
}

static void test_random_circuits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        const uint32_t qubits = 1 + (uint32_t)(seed % 10);
        const struct random_spec random = {
            .seed = seed, .qubits = qubits, .gates = (uint32_t)(seed % 67), .clbits = qubits};
        struct ks_circuit *circuit = random_circuit(&random);

        for (size_t m = 0; m < GENERAL_COUNT; m++) {
            compare_with_oracle(circuit, general[m], "random circuit", seed);
        }
        ks_circuit_free(circuit);
    }
}

static void test_middles(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        const struct random_spec random = {.seed = seed,
                                           .qubits = 1 + (uint32_t)(seed % 6),
                                           .gates = 5 + (uint32_t)(seed % 41),
                                           .middles = 1 + (uint32_t)(seed % 7),
                                           .clbits = 1 + (uint32_t)(seed % 4)};
        struct ks_circuit *circuit = random_circuit(&random);

        for (size_t m = 0; m < GENERAL_COUNT; m++) {
            compare_with_oracle(circuit, general[m], "middles", seed);
        }
        ks_circuit_free(circuit);
    }
}

/* --- Clifford circuits -------------------------------------------------------------------- */

struct clifford_spec {
    uint64_t seed;
    uint32_t qubits;
    uint32_t gates;
    uint32_t clbits;
    bool middles;
    bool paulis_only; /* behind conditions */
};

/* A gate with parameters that are multiples of a quarter turn, or without any: now and then one
 * that is no Clifford gate for all that, which is then left out. */
static void add_clifford(struct ks_circuit_builder *builder, const struct clifford_spec *spec,
                         bool pauli, uint64_t *random)
{
    static const enum ks_gate gates[] = {
        KS_GATE_H,   KS_GATE_S,   KS_GATE_SDG, KS_GATE_SX,  KS_GATE_SXDG, KS_GATE_RX,
        KS_GATE_RY,  KS_GATE_RZ,  KS_GATE_P,   KS_GATE_U1,  KS_GATE_U2,   KS_GATE_U3,
        KS_GATE_U,   KS_GATE_CX,  KS_GATE_CY,  KS_GATE_CZ,  KS_GATE_SWAP, KS_GATE_CRX,
        KS_GATE_CRY, KS_GATE_CRZ, KS_GATE_CP,  KS_GATE_CU1, KS_GATE_CU3,  KS_GATE_CU,
        KS_GATE_RXX, KS_GATE_RZZ, KS_GATE_X,   KS_GATE_Y,   KS_GATE_Z,    KS_GATE_ID};
    const size_t count = sizeof gates / sizeof gates[0];
    const enum ks_gate gate =
        gates[pauli ? count - 4 + random_next(random) % 3 : random_next(random) % count];
    const bool controlled = gate >= KS_GATE_CRX && gate <= KS_GATE_CU;
    uint32_t qubits[2];
    double params[4];

    if (ks_gate_info(gate)->qubits > spec->qubits) {
        return;
    }
    qubits[0] = (uint32_t)(random_next(random) % spec->qubits);
    qubits[1] = spec->qubits > 1
                    ? (qubits[0] + 1 + (uint32_t)(random_next(random) % (spec->qubits - 1))) %
                          spec->qubits
                    : 0;
    for (size_t i = 0; i < 4; i++) {
        const double half = 1.5707963267948966;
        const double unit = controlled && i != 3 ? 2 * half : half;

        params[i] = unit * (double)((int)(random_next(random) % 9) - 4);
    }
    OK(ks_circuit_builder_gate(builder, gate, qubits, params));
}

static void add_middle(struct ks_circuit_builder *builder, const struct clifford_spec *spec,
                       uint64_t *random)
{
    const uint32_t qubit = (uint32_t)(random_next(random) % spec->qubits);
    const struct ks_condition condition = {
        .first = 0, .count = spec->clbits, .value = random_next(random) & 3};
    const uint64_t what = random_next(random) % 6;
    const bool conditional = what >= 4 || (!spec->paulis_only && random_next(random) % 2 == 0);

    if (conditional) {
        OK(ks_circuit_builder_condition(builder, &condition));
    }
    if (what == 0) {
        OK(ks_circuit_builder_reset(builder, qubit));
    } else if (what < 4) {
        OK(ks_circuit_builder_measure(builder, qubit,
                                      (uint32_t)(random_next(random) % spec->clbits)));
    } else {
        add_clifford(builder, spec, spec->paulis_only, random);
    }
    OK(ks_circuit_builder_condition(builder, NULL));
}

static struct ks_circuit *clifford_circuit(const struct clifford_spec *spec)
{
    struct ks_circuit_builder *builder = NULL;
    struct ks_circuit *circuit = NULL;
    uint64_t random = spec->seed;

    OK(ks_circuit_builder_new(NULL, &builder));
    OK(ks_circuit_builder_qreg(builder, KS_LITERAL("q"), spec->qubits));
    OK(ks_circuit_builder_creg(builder, KS_LITERAL("c"), spec->clbits));
    for (uint32_t i = 0; i < spec->gates; i++) {
        add_clifford(builder, spec, false, &random);
        if (spec->middles && random_next(&random) % 6 == 0) {
            add_middle(builder, spec, &random);
        }
    }
    for (uint32_t q = 0; q < spec->qubits && q < spec->clbits; q++) {
        if (!spec->middles || random_next(&random) % 4 != 0) {
            OK(ks_circuit_builder_measure(builder, q, q));
        }
    }
    OK(ks_circuit_builder_finish(builder, &circuit));
    ks_circuit_builder_free(builder);
    return circuit;
}

static void test_clifford(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        const uint32_t qubits = 1 + (uint32_t)(seed % 10);
        const struct clifford_spec clifford = {
            .seed = seed, .qubits = qubits, .gates = (uint32_t)(seed % 97), .clbits = qubits};
        struct ks_circuit *circuit = clifford_circuit(&clifford);

        compare_with_oracle(circuit, KS_METHOD_STABILIZER, "Clifford circuit", seed);
        ks_circuit_free(circuit);
    }
}

static void test_clifford_middles(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        const struct clifford_spec clifford = {.seed = seed,
                                               .qubits = 1 + (uint32_t)(seed % 6),
                                               .gates = 5 + (uint32_t)(seed % 41),
                                               .clbits = 1 + (uint32_t)(seed % 4),
                                               .middles = true};
        struct ks_circuit *circuit = clifford_circuit(&clifford);

        compare_with_oracle(circuit, KS_METHOD_STABILIZER, "Clifford middles", seed);
        ks_circuit_free(circuit);
    }
}

/* --- samples ------------------------------------------------------------------------------ */

/* Counts against the oracle's distribution: each within 6 standard deviations, nothing
 * impossible, and all shots there. */
static void check_counts(const struct ks_circuit *circuit, enum ks_method method, uint64_t seed,
                         const char *what)
{
    static double probabilities[OUTCOMES_MAX];
    struct ks_simulate_spec spec = spec_of(method);
    struct ks_counts *counts = NULL;
    uint64_t sum = 0;

    spec.shots = 2000;
    spec.seed = seed;
    dense_probabilities(circuit, probabilities);
    if (ks_simulate(circuit, &spec, &counts) != KS_OK) {
        fail_msg("%s, seed %llu: %s", what, (unsigned long long)seed, ks_err_detail());
    }
    assert_int_equal(ks_counts_facts(counts)->method, method);
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        const double p = probabilities[strtoull(ks_counts_outcome(counts, i), NULL, 2)];
        const double count = (double)ks_counts_count(counts, i);
        const double mean = p * (double)spec.shots;

        sum += ks_counts_count(counts, i);
        if (p < 1e-12 || fabs(count - mean) > 6 * sqrt(mean * (1 - p)) + 3) {
            fail_msg("%s by %s, seed %llu, outcome %s: %g of %g", what, ks_method_name(method),
                     (unsigned long long)seed, ks_counts_outcome(counts, i), count, mean);
        }
    }
    assert_int_equal(sum, spec.shots);
    ks_counts_free(counts);
}

static void test_samples(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        const struct random_spec random = {.seed = seed,
                                           .qubits = 6,
                                           .gates = 40,
                                           .middles = (uint32_t)(seed % 4),
                                           .clbits = 6};
        struct ks_circuit *circuit = random_circuit(&random);

        for (size_t m = 0; m < GENERAL_COUNT; m++) {
            check_counts(circuit, general[m], seed, "samples");
        }
        ks_circuit_free(circuit);
    }
}

/* By the tree and by frames. */
static void test_clifford_samples(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        const struct clifford_spec clifford = {.seed = seed,
                                               .qubits = 5,
                                               .gates = 30,
                                               .clbits = 5,
                                               .middles = seed % 3 != 0,
                                               .paulis_only = seed % 3 == 1};
        struct ks_circuit *circuit = clifford_circuit(&clifford);

        check_counts(circuit, KS_METHOD_STABILIZER, seed, "Clifford samples");
        ks_circuit_free(circuit);
    }
}

/* --- wide circuits, refusals, choices ------------------------------------------------------
 */

static struct ks_counts *run(const char *text, const struct ks_simulate_spec *spec)
{
    struct ks_circuit *circuit = parse(text);
    struct ks_counts *counts = NULL;

    if (ks_simulate(circuit, spec, &counts) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    ks_circuit_free(circuit);
    return counts;
}

/* A condition compares a register with all of its value, beyond 64 bits too. */
static void test_wide_condition(void **state)
{
    static const char text[] =
        "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[3]; creg c[70]; creg d[3];\n"
        "h q[0]; measure q[0] -> c[66]; if (c == 73786976294838206464) x q[1];\n"
        "if (c == 0) x q[2]; measure q -> d;";

    (void)state;
    for (enum ks_method method = KS_METHOD_STABILIZER; method <= KS_METHOD_MPS; method++) {
        const struct ks_simulate_spec spec = spec_of(method);
        struct ks_counts *counts = run(text, &spec);

        assert_int_equal(ks_counts_size(counts), 2);
        assert_memory_equal(ks_counts_outcome(counts, 0), "0110001", 7);
        assert_memory_equal(ks_counts_outcome(counts, 1), "100000", 6);
        ks_counts_free(counts);
    }
}

static void test_choice(void **state)
{
    static const struct {
        const char *gates;
        uint64_t memory_max;
        enum ks_method method;
        const char *why;
    } rows[] = {
        {"h q; measure q[0] -> c[0];", 0, KS_METHOD_STATEVECTOR,
         "the state vector needs at most 256 B, limit 16.0 GiB"},
        {"h q; s q; h q; measure q -> c;", 0, KS_METHOD_STABILIZER,
         "every gate is a Clifford gate, and the state vector needs more than 8.0 EiB, limit "
         "16.0 GiB"},
        {"ry(0.3) q[0]; cx q[0],r; measure r -> c;", 1 << 20, KS_METHOD_SPARSE,
         "a trial shot held 2 amplitudes, and the state vector needs more than 8.0 EiB, limit "
         "1.0 MiB"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_simulate_spec spec = spec_of(KS_METHOD_AUTO);
        struct ks_method_choice choice;
        struct ks_circuit *circuit = NULL;
        char text[512];

        (void)snprintf(
            text, sizeof text,
            "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[100]; qreg r[100]; creg c[100]; %s",
            rows[i].gates);
        circuit = parse(text);
        spec.memory_max = rows[i].memory_max;
        if (ks_method_choose(circuit, &spec, &choice) != KS_OK) {
            fail_msg("%s", ks_err_detail());
        }
        assert_int_equal(choice.method, rows[i].method);
        assert_true(strncmp(choice.why, rows[i].why, strlen(rows[i].why)) == 0);
        ks_circuit_free(circuit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_gate),       cmocka_unit_test(test_random_circuits),
        cmocka_unit_test(test_middles),          cmocka_unit_test(test_clifford),
        cmocka_unit_test(test_clifford_middles), cmocka_unit_test(test_samples),
        cmocka_unit_test(test_clifford_samples), cmocka_unit_test(test_wide_condition),
        cmocka_unit_test(test_choice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
