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

static void test_clifford(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        const uint32_t qubits = 1 + (uint32_t)(seed % 10);
        const struct random_clifford_spec clifford = {
            .seed = seed, .qubits = qubits, .gates = (uint32_t)(seed % 97), .clbits = qubits};
        struct ks_circuit *circuit = random_clifford(&clifford);

        compare_with_oracle(circuit, KS_METHOD_STABILIZER, "Clifford circuit", seed);
        ks_circuit_free(circuit);
    }
}

static void test_clifford_middles(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        const struct random_clifford_spec clifford = {.seed = seed,
                                                      .qubits = 1 + (uint32_t)(seed % 6),
                                                      .gates = 5 + (uint32_t)(seed % 41),
                                                      .clbits = 1 + (uint32_t)(seed % 4),
                                                      .middles = true};
        struct ks_circuit *circuit = random_clifford(&clifford);

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
        const struct random_clifford_spec clifford = {.seed = seed,
                                                      .qubits = 5,
                                                      .gates = 30,
                                                      .clbits = 5,
                                                      .middles = seed % 3 != 0,
                                                      .paulis_only = seed % 3 == 1};
        struct ks_circuit *circuit = random_clifford(&clifford);

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
         "the state vector needs at most 4.0 KiB, limit 16.0 GiB"},
        {"h q; s q; h q; measure q -> c;", 0, KS_METHOD_STABILIZER,
         "every gate is a Clifford gate, and the state vector needs more than 8.0 EiB, limit "
         "16.0 GiB"},
        {"ry(0.3) q[0]; cx q[0],r; measure r -> c;", 1 << 20, KS_METHOD_STATEVECTOR,
         "the state vector needs at most 4.0 KiB, limit 1.0 MiB"},
        {"ry(0.3) q[0]; ry(0.3) q[1]; ccx q[0],q[1],r; measure r -> c;", 1 << 20,
         KS_METHOD_SPARSE,
         "a trial shot held 4 amplitudes, and the state vector needs more than 8.0 EiB, limit "
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

/* What does not fit says what it would need, and leaves no counts. */
static void test_refusals(void **state)
{
    static const struct {
        enum ks_method method;
        const char *gates;
        uint64_t memory_max;
        enum ks_err code;
        const char *why;
    } rows[] = {
        {KS_METHOD_STABILIZER, "h q; t q[3]; h q; measure q -> c;", 0, KS_ERR_USAGE,
         "operation 101, 't', is no Clifford gate"},
        {KS_METHOD_STABILIZER, "rz(1.5707) q[3]; h q; measure q -> c;", 0, KS_ERR_USAGE,
         "operation 1, 'rz', is no Clifford gate"},
        {KS_METHOD_STABILIZER, "h q; measure q -> c;", 4096, KS_ERR_LIMIT,
         "for the tableau, limit 4.0 KiB"},
        {KS_METHOD_SPARSE, "h q; measure q -> c;", 1 << 20, KS_ERR_LIMIT,
         "for amplitudes, limit 1.0 MiB"},
        {KS_METHOD_MPS, "h q; measure q -> c;", 1024, KS_ERR_LIMIT,
         "for matrix product states, limit 1.0 KiB"},
        {KS_METHOD_AUTO, "h q; t q; h q; cx q[0],q[1]; measure q -> c;", 512, KS_ERR_LIMIT,
         "no method fits: statevector needs more than 8.0 EiB, limit 512 B; stabilizer: "
         "operation 101, 't', is no Clifford gate; sparse needs "},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_simulate_spec spec = spec_of(rows[i].method);
        struct ks_counts *counts = NULL;
        struct ks_circuit *circuit = NULL;
        char text[512];

        (void)snprintf(text, sizeof text,
                       "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[100]; creg c[100]; %s",
                       rows[i].gates);
        circuit = parse(text);
        spec.memory_max = rows[i].memory_max;
        expect_failure(ks_simulate(circuit, &spec, &counts), rows[i].code, rows[i].why);
        assert_null(counts);
        ks_circuit_free(circuit);
    }
}

static void test_bad_specs(void **state)
{
    struct ks_circuit *circuit = parse("OPENQASM 2.0; qreg q[1];");
    struct ks_counts *counts = NULL;
    struct ks_simulate_spec spec = spec_of(KS_METHOD_COUNT);

    (void)state;
    expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_USAGE, "method 5");
    spec = spec_of(KS_METHOD_MPS);
    spec.bond_max = KS_BOND_MAX + 1;
    expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_LIMIT, "bond 4097, limit");
    spec.bond_max = 1;
    for (size_t i = 0; i < 3; i++) {
        spec.cutoff = (double[]){-1e-9, 1, NAN}[i];
        expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_LIMIT, "cutoff");
    }
    spec.cutoff = 0;
    for (spec.method = KS_METHOD_STABILIZER; spec.method < KS_METHOD_COUNT; spec.method++) {
        spec.shots = 0;
        expect_failure(ks_simulate(circuit, &spec, &counts), KS_ERR_LIMIT, "0 shots");
        spec.shots = 3;
        OK(ks_simulate(circuit, &spec, &counts)); /* no measurement: one empty outcome */
        assert_int_equal(ks_counts_size(counts), 1);
        assert_string_equal(ks_counts_outcome(counts, 0), "");
        assert_int_equal(ks_counts_count(counts, 0), 3);
        ks_counts_free(counts);
    }
    for (enum ks_method method = KS_METHOD_AUTO; method < KS_METHOD_COUNT; method++) {
        enum ks_method found = KS_METHOD_COUNT;

        OK(ks_method_find(ks_method_name(method), &found));
        assert_int_equal(found, method);
    }
    expect_failure(ks_method_find("magic", &spec.method), KS_ERR_USAGE, "not 'magic'");
    ks_circuit_free(circuit);
}

/* Classical bits alone: nothing to hold, one outcome. */
static void test_no_qubits(void **state)
{
    (void)state;
    for (enum ks_method method = KS_METHOD_AUTO; method < KS_METHOD_COUNT; method++) {
        const struct ks_simulate_spec spec = spec_of(method);
        struct ks_counts *counts = run("OPENQASM 2.0; creg c[2];", &spec);

        assert_int_equal(ks_counts_size(counts), 1);
        assert_string_equal(ks_counts_outcome(counts, 0), "00");
        ks_counts_free(counts);
    }
}

/* --- truncation --------------------------------------------------------------------------- */

/* A state of entanglement 2^4 across the middle, with bond 2: what is lost is what is said, and
 * the fidelity that this leaves bounds the distance of the distributions. */
static void test_truncation(void **state)
{
    static double want[256];
    static double got[256];
    const char *text = "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[8]; creg c[8];\n"
                       "ry(0.4) q[0]; ry(0.5) q[1]; ry(0.6) q[2]; ry(0.7) q[3];\n"
                       "cx q[0],q[7]; cx q[1],q[6]; cx q[2],q[5]; cx q[3],q[4]; h q;\n"
                       "measure q -> c;";
    struct ks_circuit *circuit = parse(text);
    struct ks_simulate_spec spec = spec_of(KS_METHOD_MPS);
    struct ks_counts *counts = NULL;
    double distance = 0;
    double discarded = 0;

    (void)state;
    dense_probabilities(circuit, want);
    spec.bond_max = 1;
    OK(ks_simulate(circuit, &spec, &counts));
    discarded = ks_counts_facts(counts)->discarded_weight;
    assert_int_equal(ks_counts_facts(counts)->bond, 1);
    ks_counts_free(counts);
    /* Each pair loses sin^2(angle / 2). */
    assert_true(fabs(discarded - (0.0394695 + 0.0612087 + 0.0873322 + 0.1175789)) < 1e-6);
    OK(ks_simulate_probabilities(circuit, &spec, got));
    for (size_t i = 0; i < 256; i++) {
        distance += fabs(got[i] - want[i]) / 2;
    }
    assert_true(distance > 0.01 && distance < sqrt(discarded));
    ks_circuit_free(circuit);
}

/* --- against each other --------------------------------------------------------------------
 */

static void assert_same_counts(const struct ks_counts *a, const struct ks_counts *b)
{
    assert_int_equal(ks_counts_size(a), ks_counts_size(b));
    for (size_t i = 0; i < ks_counts_size(a); i++) {
        assert_string_equal(ks_counts_outcome(a, i), ks_counts_outcome(b, i));
        assert_int_equal(ks_counts_count(a, i), ks_counts_count(b, i));
    }
}

/* Measurements in the middle take the same draws in all methods: where these alone decide, the
 * counts are the same to the last shot, the state vector's included. */
static void test_same_draws(void **state)
{
    struct ks_circuit *circuit = parse(
        "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[5]; creg c[5]; creg d[3];\n"
        "h q[0]; cx q[0],q[1]; measure q[0] -> c[0]; h q[1]; measure q[1] -> c[1];\n"
        "if (c == 2) h q[2]; measure q[2] -> c[2]; if (c == 1) cx q[1],q[3]; h q[3];\n"
        "measure q[3] -> c[3]; reset q[3]; h q[3]; s q[3]; h q[3]; measure q[3] -> c[4];\n"
        "if (c == 31) x q[3]; reset q[3]; x q[3]; measure q[3] -> d[0];");
    struct ks_simulate_spec spec = spec_of(KS_METHOD_STATEVECTOR);
    struct ks_counts *want = NULL;

    (void)state;
    spec.seed = 77;
    OK(ks_simulate(circuit, &spec, &want));
    assert_true(ks_counts_size(want) > 10);
    for (spec.method = KS_METHOD_STABILIZER; spec.method < KS_METHOD_COUNT; spec.method++) {
        struct ks_counts *counts = NULL;

        OK(ks_simulate(circuit, &spec, &counts));
        assert_same_counts(counts, want);
        ks_counts_free(counts);
    }
    ks_counts_free(want);
    ks_circuit_free(circuit);
}

/* Wider than one word, and than the dense oracle can go: a Clifford circuit of 70 qubits whose
 * amplitudes are few, by the tableau, sparse and mps; each outcome within 6 standard deviations
 * of the others' mean. */
static void test_wide(void **state)
{
    struct ks_circuit *circuit = parse(
        "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[70]; creg c[70];\n"
        "h q[0]; h q[33]; h q[69]; cx q[0],q[64]; cx q[33],q[1]; cx q[69],q[63]; x q[65];\n"
        "cz q[64],q[63]; s q[69]; h q[69]; swap q[0],q[40]; cx q[69],q[20]; measure q -> c;");
    struct ks_simulate_spec spec = spec_of(KS_METHOD_STABILIZER);
    struct ks_counts *counts[3] = {NULL};

    (void)state;
    spec.shots = 16000;
    for (size_t m = 0; m < 3; m++) {
        spec.method = KS_METHOD_STABILIZER + (enum ks_method)m;
        OK(ks_simulate(circuit, &spec, &counts[m]));
        assert_int_equal(ks_counts_size(counts[m]), 16);
        for (size_t i = 0; i < 16; i++) {
            assert_string_equal(ks_counts_outcome(counts[m], i),
                                ks_counts_outcome(counts[0], i));
            assert_true(fabs((double)ks_counts_count(counts[m], i) - 1000) < 6 * sqrt(1000.0));
        }
    }
    for (size_t m = 0; m < 3; m++) {
        ks_counts_free(counts[m]);
    }
    ks_circuit_free(circuit);
}

/* --- one run where a trial was the run -----------------------------------------------------
 */

#define WIDE_HEAD "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[40]; creg c[40]; "

/* "share" stands for a W state, whose amplitudes are 40. */
static struct ks_circuit *wide_circuit(const char *body)
{
    static const char share[] = "share ";
    struct ks_buf text;

    ks_buf_init(&text, 65536);
    ks_buf_put_text(&text, WIDE_HEAD);
    if (strncmp(body, share, strlen(share)) == 0) {
        body += strlen(share);
        ks_buf_put_text(&text, "x q[0]; ");
        for (unsigned i = 0; i < 39; i++) {
            ks_buf_put_format(&text, "cu3(1.4,0,0) q[%u],q[%u]; cx q[%u],q[%u]; ", i, i + 1,
                              i + 1, i);
        }
    }
    ks_buf_put_text(&text, body);
    ks_buf_put_u8(&text, 0);
    assert_int_equal(ks_buf_check(&text), KS_OK);
    struct ks_circuit *circuit = parse((const char *)text.data);
    ks_buf_done(&text);
    return circuit;
}

static void expect_same(const struct ks_counts *one, const struct ks_counts *other)
{
    assert_int_equal(ks_counts_size(one), ks_counts_size(other));
    for (size_t i = 0; i < ks_counts_size(one); i++) {
        assert_string_equal(ks_counts_outcome(one, i), ks_counts_outcome(other, i));
        assert_int_equal(ks_counts_count(one, i), ks_counts_count(other, i));
    }
}

/* The counts are those of the method by its name, whether measurements wait until the end. */
static void test_explained(void **state)
{
    static const struct {
        const char *body;
        enum ks_method method;
    } rows[] = {
        {"h q[0]; cx q[0],q[1]; measure q->c;", KS_METHOD_STATEVECTOR},
        {"h q; measure q->c;", KS_METHOD_STABILIZER},
        {"share measure q->c;", KS_METHOD_SPARSE},
        {"ry(0.3) q; cz q[0],q[1]; ry(0.2) q; measure q->c;", KS_METHOD_MPS},
        {"ry(0.3) q; cz q[0],q[1]; measure q[0]->c[0]; if(c==1) x q[1]; ry(0.2) q; measure "
         "q->c;",
         KS_METHOD_MPS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_simulate_spec spec = spec_of(KS_METHOD_AUTO);
        struct ks_counts *chosen = NULL;
        struct ks_counts *plain = NULL;
        struct ks_counts *named = NULL;
        struct ks_method_choice choice;
        struct ks_method_choice again;
        struct ks_circuit *circuit = wide_circuit(rows[i].body);

        spec.shots = 300;
        spec.seed = 5 + i;
        spec.memory_max = 1 << 20;
        OK(ks_simulate_explained(circuit, &spec, &choice, &chosen));
        assert_int_equal(choice.method, rows[i].method);
        assert_int_equal(ks_counts_facts(chosen)->method, rows[i].method);
        OK(ks_method_choose(circuit, &spec, &again));
        assert_int_equal(again.method, choice.method);
        assert_string_equal(again.why, choice.why);
        OK(ks_simulate(circuit, &spec, &plain));
        expect_same(chosen, plain);
        spec.method = choice.method;
        OK(ks_simulate(circuit, &spec, &named));
        expect_same(chosen, named);
        ks_counts_free(chosen);
        ks_counts_free(plain);
        ks_counts_free(named);
        ks_circuit_free(circuit);
    }
}

/* --- cancelled in the middle ---------------------------------------------------------------
 */

/* Counts the questions, and says yes from one on. */
struct patience {
    uint64_t asked;
    uint64_t until;
};

static bool is_out(void *context)
{
    struct patience *patience = context;

    return ++patience->asked >= patience->until;
}

/* Asked N times in a whole run, every method stops at each of some of these with nothing but
 * the right error. */
static void test_cancelled_anywhere(void **state)
{
    static const struct {
        enum ks_method method;
        const char *body;
        uint64_t shots;
    } rows[] = {
        {KS_METHOD_STATEVECTOR,
         "qreg q[16]; creg c[16]; h q; cx q[0],q[1]; rx(1) q; measure q->c;", 20000},
        {KS_METHOD_STATEVECTOR,
         "qreg q[12]; creg c[12]; h q; measure q[0]->c[0]; h q[0]; rx(1) q; measure q->c;", 50},
        {KS_METHOD_STABILIZER, "qreg q[60]; creg c[60]; h q; cx q[0],q[1]; measure q->c;",
         20000},
        /* Moves: of entries, of phases, by parity; then a measurement in the middle, and pairs.
         */
        {KS_METHOD_SPARSE,
         "qreg q[18]; creg c[18]; h q; x q; swap q[0],q[1]; cswap q[2],q[3],q[4]; t q; "
         "rzz(1) q[5],q[6]; cx q[7],q[8]; measure q[9]->c[9]; h q[9]; rxx(1) q[10],q[11]; "
         "ch q[12],q[13]; measure q->c;",
         2000},
        {KS_METHOD_MPS,
         "qreg q[12]; creg c[12]; ry(1) q; cx q[0],q[6]; rx(1) q; cx q[5],q[11]; measure q->c;",
         2000},
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct ks_simulate_spec spec = spec_of(rows[i].method);
        struct patience patience = {.until = UINT64_MAX};
        struct ks_counts *counts = NULL;
        char text[512];

        (void)snprintf(text, sizeof text, "OPENQASM 2.0; include \"qelib1.inc\"; %s",
                       rows[i].body);
        struct ks_circuit *circuit = parse(text);
        spec.shots = rows[i].shots;
        spec.cancelled = is_out;
        spec.cancel_context = &patience;
        OK(ks_simulate(circuit, &spec, &counts));
        ks_counts_free(counts);
        counts = NULL;
        const uint64_t asked = patience.asked;

        assert_true(asked >= 4);
        for (uint64_t part = 0; part < 25; part++) {
            patience = (struct patience){.until = 1 + part * (asked - 1) / 24};
            const enum ks_err err = ks_simulate(circuit, &spec, &counts);

            if (err != KS_ERR_CANCELLED || counts != NULL) {
                fail_msg("%s, question %llu of %llu: %d", rows[i].body,
                         (unsigned long long)patience.until, (unsigned long long)asked,
                         (int)err);
            }
            assert_true(patience.asked >= patience.until);
        }
        ks_circuit_free(circuit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_gate),
        cmocka_unit_test(test_random_circuits),
        cmocka_unit_test(test_middles),
        cmocka_unit_test(test_clifford),
        cmocka_unit_test(test_clifford_middles),
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_clifford_samples),
        cmocka_unit_test(test_wide_condition),
        cmocka_unit_test(test_choice),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_bad_specs),
        cmocka_unit_test(test_no_qubits),
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_same_draws),
        cmocka_unit_test(test_explained),
        cmocka_unit_test(test_cancelled_anywhere),
        cmocka_unit_test(test_wide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
