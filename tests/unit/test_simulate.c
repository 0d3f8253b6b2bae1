/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The simulator against the dense oracle (probabilities), and its sampling against its
 * probabilities. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/philox.h"
#include "expect.h"
#include "oracle/dense.h"
#include "oracle/random_circuit.h"
#include "quantum/live.h"
#include "quantum/philox.h"
#include "quantum/simulate.h"

#define OK(call)     assert_int_equal((call), KS_OK)
#define OUTCOMES_MAX 4096

static struct ks_circuit *parse(const char *text)
{
    const struct ks_bytes source = ks_bytes_text(text);
    struct ks_circuit *circuit = NULL;

    if (ks_circuit_parse(&source, "test", NULL, &circuit) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return circuit;
}

/* --- probabilities ------------------------------------------------------------------------ */

static void compare_with_oracle(const struct ks_circuit *circuit, const char *what,
                                uint64_t seed)
{
    static const struct {
        const char *kernels;
        enum ks_precision precision;
        double tolerance;
    } runs[] = {
        {NULL, KS_PRECISION_DOUBLE, 1e-12},
        {"scalar", KS_PRECISION_DOUBLE, 1e-12},
        {NULL, KS_PRECISION_SINGLE, 1e-5},
    };
    static double want[OUTCOMES_MAX];
    static double got[OUTCOMES_MAX];

    assert_true((size_t)1 << circuit->clbit_count <= OUTCOMES_MAX);
    dense_probabilities(circuit, want);
    for (size_t r = 0; r < sizeof runs / sizeof runs[0]; r++) {
        struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;

        spec.kernels = runs[r].kernels;
        spec.precision = runs[r].precision;
        OK(ks_simulate_probabilities(circuit, &spec, got));
        for (size_t i = 0; i < (size_t)1 << circuit->clbit_count; i++) {
            if (!(fabs(got[i] - want[i]) <= runs[r].tolerance)) {
                fail_msg("%s, seed %llu, run %zu, outcome %zu: %.17g, oracle %.17g", what,
                         (unsigned long long)seed, r, i, got[i], want[i]);
            }
        }
    }
}

static void test_every_gate(void **state)
{
    (void)state;
    for (enum ks_gate gate = 0; gate < KS_GATE_MEASURE; gate++) {
        for (uint64_t seed = 1; seed <= 12; seed++) {
            struct ks_circuit *circuit = random_around(gate, 3 + (uint32_t)seed % 5, seed);

            compare_with_oracle(circuit, ks_gate_info(gate)->name, seed);
            ks_circuit_free(circuit);
        }
    }
}

/* Gates on basis states, where the plan works with known qubits. */
static void test_random_circuits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        const uint32_t qubits = 1 + (uint32_t)(seed % 9);
        const struct random_spec spec = {
            .seed = seed, .qubits = qubits, .gates = (uint32_t)(seed % 83), .clbits = qubits};
        struct ks_circuit *circuit = random_circuit(&spec);

        compare_with_oracle(circuit, "random circuit", seed);
        ks_circuit_free(circuit);
    }
}

static void test_twelve_qubits(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        const struct random_spec spec = {
            .seed = seed, .qubits = 12, .gates = 300, .clbits = 12};
        struct ks_circuit *circuit = random_circuit(&spec);

        compare_with_oracle(circuit, "twelve qubits", seed);
        ks_circuit_free(circuit);
    }
}

static void test_middles(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 600; seed++) {
        const struct random_spec spec = {.seed = seed,
                                         .qubits = 1 + (uint32_t)(seed % 6),
                                         .gates = 5 + (uint32_t)(seed % 41),
                                         .middles = 1 + (uint32_t)(seed % 7),
                                         .clbits = 1 + (uint32_t)(seed % 4)};
        struct ks_circuit *circuit = random_circuit(&spec);

        compare_with_oracle(circuit, "middles", seed);
        ks_circuit_free(circuit);
    }
}

/* Each line is a way in which dropping, delaying or foreseeing could go wrong. */
static void test_chosen(void **state)
{
    static const char *const texts[] = {
        "h q[0]; measure q[0] -> c[0]; h q[0]; measure q[0] -> c[0];",
        "h q[0]; measure q[0] -> c[0]; measure q[0] -> c[1];",
        "h q[0]; measure q[0] -> c[0]; cx q[0],q[1]; measure q[1] -> c[1];",
        "h q[0]; cx q[0],q[1]; reset q[0]; measure q[0] -> c[0]; measure q[1] -> c[1];",
        "h q[0]; cx q[0],q[1]; reset q[0]; h q[1]; measure q[1] -> c[1];",
        "h q[0]; measure q[0] -> c[0]; if (c == 1) x q[1]; measure q[1] -> c[1];",
        "h q[0]; measure q[0] -> c[0]; if (c == 1) measure q[1] -> c[0]; x q[2]; measure q[2] "
        "-> c[2];",
        "x q[0]; measure q[0] -> c[0]; if (c == 1) reset q[0]; measure q[0] -> c[1];",
        "h q[0]; h q[1]; measure q[0] -> c[0]; if (c == 0) measure q[1] -> c[0];",
        "x q[0]; swap q[0],q[1]; cswap q[1],q[2],q[3]; measure q[1] -> c[1]; measure q[3] -> "
        "c[3];",
        "h q[0]; swap q[0],q[1]; x q[1]; measure q[1] -> c[0]; swap q[0],q[1]; measure q[1] -> "
        "c[1];",
        "h q[2]; measure q[2] -> c[0]; reset q[2]; h q[2]; measure q[2] -> c[1]; reset q[2]; h "
        "q[2]; "
        "measure q[2] -> c[2];",
        "h q[0]; cx q[0],q[1]; cx q[1],q[2]; measure q[1] -> c[1]; cx q[1],q[3]; h q[2]; "
        "measure q -> c;",
        "h q; measure q[0] -> c[0]; measure q[1] -> c[1]; if (c == 3) h q[2]; if (c == 3) h "
        "q[0]; "
        "measure q -> c;",
        "measure q[0] -> c[0]; if (c == 0) x q[0]; measure q[0] -> c[1];",
        "rz(1) q[0]; cz q[0],q[1]; h q[0]; t q[0]; cp(0.3) q[0],q[1]; h q[0]; measure q[0] -> "
        "c[0];",
        "x q[3];",
        "",
    };

    (void)state;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char text[512];
        struct ks_circuit *circuit = NULL;

        (void)snprintf(text, sizeof text,
                       "OPENQASM 2.0;\ninclude \"qelib1.inc\";\nqreg q[4];\ncreg c[4];\n%s\n",
                       texts[i]);
        circuit = parse(text);
        compare_with_oracle(circuit, texts[i], i);
        ks_circuit_free(circuit);
    }
}

/* One rotation that needs the phases of more qubits than a tile has: first they get slots. */
static void test_star(void **state)
{
    const uint32_t qubits = 20;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_circuit_builder *builder = NULL;
    struct ks_circuit *circuit = NULL;
    double got[2];

    (void)state;
    spec.precision = KS_PRECISION_SINGLE;
    OK(ks_circuit_builder_new(NULL, &builder));
    OK(ks_circuit_builder_qreg(builder, KS_LITERAL("q"), qubits));
    OK(ks_circuit_builder_creg(builder, KS_LITERAL("c"), 1));
    for (uint32_t q = 0; q < qubits; q++) {
        OK(ks_circuit_builder_gate(builder, KS_GATE_H, &q, NULL));
    }
    for (uint32_t q = 1; q < qubits; q++) {
        OK(ks_circuit_builder_gate(builder, KS_GATE_CP, (uint32_t[]){0, q}, (double[]){0.5}));
    }
    OK(ks_circuit_builder_gate(builder, KS_GATE_H, (uint32_t[]){0}, NULL));
    OK(ks_circuit_builder_measure(builder, 0, 0));
    OK(ks_circuit_builder_finish(builder, &circuit));
    ks_circuit_builder_free(builder);
    OK(ks_simulate_probabilities(circuit, &spec, got));
    /* The mean of (1 + cos(k / 2)) / 2 over k of 19 coins: (1 + cos(1/4)^19 cos(19/4)) / 2. */
    assert_true(fabs(got[0] - (1 + pow(cos(0.25), 19) * cos(4.75)) / 2) < 1e-5);
    ks_circuit_free(circuit);
}

/* --- sampling ----------------------------------------------------------------------------- */

static void assert_same_counts(const struct ks_counts *a, const struct ks_counts *b)
{
    assert_int_equal(ks_counts_size(a), ks_counts_size(b));
    assert_int_equal(ks_counts_shots(a), ks_counts_shots(b));
    for (size_t i = 0; i < ks_counts_size(a); i++) {
        assert_string_equal(ks_counts_outcome(a, i), ks_counts_outcome(b, i));
        assert_int_equal(ks_counts_count(a, i), ks_counts_count(b, i));
    }
}

/* Counts against the exact distribution: each within 6 standard deviations, nothing impossible,
 * strings ascending, and their sum. */
static void check_counts(const struct ks_circuit *circuit, uint64_t seed, uint64_t shots)
{
    static double probabilities[OUTCOMES_MAX];
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;
    uint64_t sum = 0;

    spec.shots = shots;
    spec.seed = seed;
    OK(ks_simulate_probabilities(circuit, &spec, probabilities));
    OK(ks_simulate(circuit, &spec, &counts));
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        const char *outcome = ks_counts_outcome(counts, i);
        const double p = probabilities[strtoull(outcome, NULL, 2)];
        const double count = (double)ks_counts_count(counts, i);
        const double mean = p * (double)shots;

        assert_int_equal(strlen(outcome), circuit->clbit_count);
        assert_true(i == 0 || strcmp(ks_counts_outcome(counts, i - 1), outcome) < 0);
        assert_true(p > 0 && count > 0);
        assert_true(fabs(count - mean) <= 6 * sqrt(mean) + 4);
        sum += ks_counts_count(counts, i);
        probabilities[strtoull(outcome, NULL, 2)] = 0;
    }
    for (size_t i = 0; i < (size_t)1 << circuit->clbit_count; i++) {
        assert_true(probabilities[i] * (double)shots < 40); /* what was not seen was rare */
    }
    assert_int_equal(sum, shots);
    assert_int_equal(ks_counts_shots(counts), shots);
    ks_counts_free(counts);
}

static void test_counts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        const struct random_spec spec = {.seed = seed,
                                         .qubits = 1 + (uint32_t)(seed % 8),
                                         .gates = 60,
                                         .middles = seed % 3 == 0 ? 4 : 0,
                                         .clbits = 1 + (uint32_t)(seed % 8)};
        struct ks_circuit *circuit = random_circuit(&spec);

        check_counts(circuit, seed, 20000);
        ks_circuit_free(circuit);
    }
}

/* More outcomes than the first allocation holds, in an order that has to be turned round; and
 * outcomes of more than one word. */
static void test_many_outcomes(void **state)
{
    struct ks_circuit *circuit = parse(
        "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[16]; creg a[40]; creg b[40];\n"
        "h q[0]; h q[1]; h q[2]; h q[3]; h q[4]; h q[5]; h q[6]; h q[7]; h q[8]; h q[9];\n"
        "h q[10]; h q[11]; h q[12];\n"
        "measure q[0] -> b[39]; measure q[1] -> b[20]; measure q[2] -> b[1];\n"
        "measure q[3] -> a[39]; measure q[4] -> a[38]; measure q[5] -> a[37];\n"
        "measure q[6] -> a[6]; measure q[7] -> a[5]; measure q[8] -> a[4];\n"
        "measure q[9] -> a[3]; measure q[10] -> a[2]; measure q[11] -> a[1];\n"
        "measure q[12] -> a[0];");
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;
    uint64_t sum = 0;

    (void)state;
    spec.shots = 200000;
    OK(ks_simulate(circuit, &spec, &counts));
    assert_int_equal(ks_counts_size(counts), 8192);
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        assert_int_equal(strlen(ks_counts_outcome(counts, i)), 80);
        assert_true(i == 0 ||
                    strcmp(ks_counts_outcome(counts, i - 1), ks_counts_outcome(counts, i)) < 0);
        sum += ks_counts_count(counts, i);
    }
    assert_int_equal(sum, spec.shots);
    assert_int_equal(ks_counts_outcome(counts, 8191)[0], '1');
    ks_counts_free(counts);
    ks_circuit_free(circuit);
}

static void test_seed_decides(void **state)
{
    struct ks_circuit *circuit = parse(
        "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[6]; creg c[6]; h q; measure q -> c;");
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts[3] = {NULL};
    uint64_t differences = 0;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        spec.seed = i == 2 ? (uint64_t)1 << 32 : 0; /* the high word of the seed counts too */
        OK(ks_simulate(circuit, &spec, &counts[i]));
    }
    assert_same_counts(counts[0], counts[1]);
    for (size_t i = 0; i < ks_counts_size(counts[0]) && i < ks_counts_size(counts[2]); i++) {
        differences += ks_counts_count(counts[0], i) != ks_counts_count(counts[2], i);
    }
    assert_true(differences > 10);
    for (size_t i = 0; i < 3; i++) {
        ks_counts_free(counts[i]);
    }
    ks_circuit_free(circuit);
}

/* Without room for copies every branch starts again from the front: the same counts. */
static void test_replayed_branches(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        const struct random_spec random = {
            .seed = seed, .qubits = 8, .gates = 80, .middles = 8, .clbits = 4};
        struct ks_circuit *circuit = random_circuit(&random);
        struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
        struct ks_counts *roomy = NULL;
        struct ks_counts *tight = NULL;

        spec.seed = seed;
        OK(ks_simulate(circuit, &spec, &roomy));
        spec.memory_max = ks_state_bytes(8, KS_PRECISION_DOUBLE);
        OK(ks_simulate(circuit, &spec, &tight));
        assert_same_counts(roomy, tight);
        ks_counts_free(roomy);
        ks_counts_free(tight);
        ks_circuit_free(circuit);
    }
}

/* --- memory and limits -------------------------------------------------------------------- */

static void test_memory(void **state)
{
    struct ks_circuit *circuit =
        parse("OPENQASM 2.0; include \"qelib1.inc\"; qreg q[40]; creg c[40]; x q[39]; "
              "cx q[39],q[38]; h q[0];\n"
              "cx q[0],q[1]; cx q[1],q[2]; cx q[2],q[3]; cx q[3],q[4]; measure q -> c;");
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;

    (void)state;
    spec.method = KS_METHOD_STATEVECTOR;
    /* 5 of 40 qubits are ever mixed, 4 of them copies of one: its slot is the only one. */
    assert_int_equal(ks_simulate_memory(circuit, KS_PRECISION_DOUBLE), 256 * 16);
    assert_int_equal(ks_simulate_memory(circuit, KS_PRECISION_SINGLE), 256 * 8);
    spec.memory_max = 256 * 16;
    OK(ks_simulate(circuit, &spec, &counts));
    assert_int_equal(ks_counts_size(counts), 2);
    assert_string_equal(ks_counts_outcome(counts, 0),
                        "1100000000000000000000000000000000000000");
    assert_string_equal(ks_counts_outcome(counts, 1),
                        "1100000000000000000000000000000000011111");
    ks_counts_free(counts);
    ks_circuit_free(circuit);

    circuit = parse(
        "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[32]; creg c[32]; h q; measure q -> c;");
    spec.memory_max = (uint64_t)4 << 30;
    assert_int_equal(ks_simulate_memory(circuit, KS_PRECISION_DOUBLE), (uint64_t)64 << 30);
    expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_LIMIT,
                   "needs 64.0 GiB for 32 qubits in double precision, limit 4.0 GiB");
    spec.precision = KS_PRECISION_SINGLE;
    expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_LIMIT,
                   "needs 32.0 GiB for 32 qubits in single precision, limit 4.0 GiB");
    ks_circuit_free(circuit);

    circuit = parse(
        "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[300]; creg c[300]; h q; measure q -> c;");
    assert_true(ks_simulate_memory(circuit, KS_PRECISION_DOUBLE) == UINT64_MAX);
    spec.memory_max = 0;
    expect_failure(
        ks_simulate(circuit, &spec, &counts), KS_ERR_LIMIT,
        "needs more than 8.0 EiB for 300 qubits in single precision, limit 48 qubits");
    ks_circuit_free(circuit);
}

static void test_bad_specs(void **state)
{
    struct ks_circuit *circuit = parse("OPENQASM 2.0; qreg q[1];");
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;

    (void)state;
    OK(ks_simulate(circuit, &spec, &counts)); /* no measurement: one empty outcome */
    assert_int_equal(ks_counts_size(counts), 1);
    assert_string_equal(ks_counts_outcome(counts, 0), "");
    assert_int_equal(ks_counts_count(counts, 0), 1024);
    ks_counts_free(counts);
    spec.shots = 0;
    expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_LIMIT,
                   "0 shots, limit 1 to 10000000");
    spec.shots = KS_SHOTS_MAX + 1;
    expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_LIMIT, "10000001 shots");
    spec = (struct ks_simulate_spec)KS_SIMULATE_SPEC_INIT;
    spec.version = 2;
    expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_USAGE, "spec version 2");
    spec.version = 1;
    spec.kernels = "abacus";
    expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_NOT_FOUND, "'abacus'");
    ks_circuit_free(circuit);
}

/* Ten thousand resets that change nothing take one pass each over what is mixed at the time,
 * and never split: two outcomes, equal in every kernel. */
static void test_certain(void **state)
{
    struct ks_circuit_builder *builder = NULL;
    struct ks_circuit *circuit = NULL;
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;

    (void)state;
    spec.method = KS_METHOD_STATEVECTOR;
    OK(ks_circuit_builder_new(NULL, &builder));
    OK(ks_circuit_builder_qreg(builder, KS_LITERAL("q"), 30));
    OK(ks_circuit_builder_creg(builder, KS_LITERAL("c"), 2));
    OK(ks_circuit_builder_gate(builder, KS_GATE_H, (uint32_t[]){0}, NULL));
    for (uint32_t i = 0; i < 10000; i++) {
        const uint32_t target = 1 + i % 29;

        OK(ks_circuit_builder_gate(builder, KS_GATE_CX, (uint32_t[]){0, target}, NULL));
        OK(ks_circuit_builder_gate(builder, KS_GATE_CH, (uint32_t[]){0, target}, NULL));
        OK(ks_circuit_builder_gate(builder, KS_GATE_CH, (uint32_t[]){0, target}, NULL));
        OK(ks_circuit_builder_gate(builder, KS_GATE_CX, (uint32_t[]){0, target}, NULL));
        OK(ks_circuit_builder_gate(builder, KS_GATE_X, &target, NULL));
        if (i % 2 == 0) {
            OK(ks_circuit_builder_measure(builder, target, 1));
        }
        OK(ks_circuit_builder_reset(builder, target));
    }
    OK(ks_circuit_builder_measure(builder, 0, 0));
    OK(ks_circuit_builder_finish(builder, &circuit));
    ks_circuit_builder_free(builder);
    for (enum ks_precision precision = KS_PRECISION_DOUBLE; precision <= KS_PRECISION_SINGLE;
         precision++) {
        spec.precision = precision;
        spec.memory_max = ks_state_bytes(3, precision);
        OK(ks_simulate(circuit, &spec, &counts));
        assert_int_equal(ks_counts_size(counts), 2);
        assert_string_equal(ks_counts_outcome(counts, 0), "10");
        assert_string_equal(ks_counts_outcome(counts, 1), "11");
        ks_counts_free(counts);
    }
    ks_circuit_free(circuit);
}

static void test_roles(void **state)
{
    struct ks_circuit *circuit = parse(
        "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[3]; creg c[3];\n"
        "h q[0]; measure q[0] -> c[0]; h q[1]; cx q[1],q[2]; measure q[1] -> c[1]; h q[2];\n"
        "reset q[1]; h q[0]; reset q[2];");
    static const uint8_t want[] = {KS_ROLE_GATE, KS_ROLE_FINAL, KS_ROLE_GATE,
                                   KS_ROLE_GATE, KS_ROLE_FINAL, KS_ROLE_DEAD,
                                   KS_ROLE_DEAD, KS_ROLE_DEAD,  KS_ROLE_TIDY};
    uint8_t *roles = NULL;

    (void)state;
    OK(ks_roles_new(circuit, &roles));
    assert_int_equal(circuit->op_count, sizeof want);
    assert_memory_equal(roles, want, sizeof want);
    ks_free(roles);
    ks_circuit_free(circuit);
}

/* --- Philox ------------------------------------------------------------------------------- */

/* Random123's kat_vectors, philox4x32 10 rounds: counter, key, result. */
static void test_philox(void **state)
{
    static const uint32_t known[3][10] = {
        {0, 0, 0, 0, 0, 0, 0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff, 0x408f276d,
         0x41c83b0e, 0xa20bc7c6, 0x6d5451fd},
        {0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344, 0xa4093822, 0x299f31d0, 0xd16cfe09,
         0x94fdcceb, 0x5001e420, 0x24126ea1},
    };

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        uint32_t words[4];

        ks_philox(&known[i][4], &known[i][0], words);
        assert_memory_equal(words, &known[i][6], sizeof words);
    }
    /* seed 0, shot 0, index 0 and a purpose of 0 would be the first vector: 53 bits of its
     * words. */
    assert_true(ks_philox_draw(0, 0, 0, (enum ks_draw)0) ==
                ((uint64_t)(0x6627e8d5u >> 5) << 26 | 0xe169c58du >> 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_philox),
        cmocka_unit_test(test_every_gate),
        cmocka_unit_test(test_random_circuits),
        cmocka_unit_test(test_twelve_qubits),
        cmocka_unit_test(test_middles),
        cmocka_unit_test(test_chosen),
        cmocka_unit_test(test_star),
        cmocka_unit_test(test_roles),
        cmocka_unit_test(test_counts),
        cmocka_unit_test(test_many_outcomes),
        cmocka_unit_test(test_seed_decides),
        cmocka_unit_test(test_replayed_branches),
        cmocka_unit_test(test_certain),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_bad_specs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
