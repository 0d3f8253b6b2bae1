/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A simulation that runs out of memory at any allocation says so, writes no result and leaks
 * nothing (the sanitizer build looks); or it does without, as for the copy of a state, and gets
 * the same counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "fault/fault.h"
#include "quantum/circuit.h"

#define ALLOCATIONS_MAX 100000

#define ANY                                                                                    \
    "h q; measure q[0] -> c[0]; measure q[1] -> c[1]; if (c == 3) x q[2];\n"                   \
    "cx q[0],q[2]; reset q[2]; h q[2]; cu3(1,2,3) q[2],q[3]; cz q[4],q[5];\n"                  \
    "h q; measure q[6] -> c[3]; h q[6]; measure q -> d;\n"
/* By the tree, since a condition stands before a gate that is no Pauli gate; by frames. */
#define CLIFFORD                                                                               \
    "h q; measure q[0] -> c[0]; if (c == 1) h q[2]; cx q[0],q[2]; reset q[2]; measure q -> "   \
    "d;\n"
#define FRAMES                                                                                 \
    "h q; measure q[0] -> c[0]; if (c == 1) x q[2]; cx q[0],q[2]; reset q[2]; measure q -> "   \
    "d;\n"

static struct ks_circuit *parse(const char *gates)
{
    struct ks_bytes source;
    struct ks_circuit *circuit = NULL;
    char text[512];

    (void)snprintf(text, sizeof text,
                   "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[8]; creg c[4]; creg d[8];\n%s",
                   gates);
    source = ks_bytes_text(text);
    assert_int_equal(ks_circuit_parse(&source, "source", NULL, &circuit), KS_OK);
    return circuit;
}

static void assert_same(const struct ks_counts *got, const struct ks_counts *want)
{
    assert_int_equal(ks_counts_size(got), ks_counts_size(want));
    for (size_t i = 0; i < ks_counts_size(want); i++) {
        assert_string_equal(ks_counts_outcome(got, i), ks_counts_outcome(want, i));
        assert_int_equal(ks_counts_count(got, i), ks_counts_count(want, i));
    }
}

static void fail_each(const char *gates, enum ks_method method, uint64_t refused_min)
{
    struct ks_circuit *circuit = parse(gates);
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *want = NULL;
    uint64_t n = 0;
    uint64_t refused = 0;

    spec.method = method;
    spec.shots = 3000; /* more outcomes than the first table holds */
    assert_int_equal(ks_simulate(circuit, &spec, &want), KS_OK);
    do {
        struct ks_counts *counts = NULL;
        enum ks_err err = KS_OK;

        ks_fault_fail_alloc_at(++n);
        err = ks_simulate(circuit, &spec, &counts);
        if (!ks_fault_fired()) {
            ks_counts_free(counts);
            break;
        }
        if (err == KS_OK) {
            assert_same(counts, want);
            ks_counts_free(counts);
        } else {
            assert_int_equal(err, KS_ERR_NOMEM);
            assert_null(counts);
            refused++;
        }
    } while (n < ALLOCATIONS_MAX);
    ks_fault_fail_alloc_at(0);
    assert_true(n < ALLOCATIONS_MAX && refused > refused_min && refused < n);
    ks_counts_free(want);
    ks_circuit_free(circuit);
}

static void test_simulate(void **state)
{
    (void)state;
    fail_each(ANY, KS_METHOD_STATEVECTOR, 20);
}

static void test_stabilizer(void **state)
{
    (void)state;
    fail_each(CLIFFORD, KS_METHOD_STABILIZER, 20);
    fail_each(FRAMES, KS_METHOD_STABILIZER, 10);
}

static void test_sparse(void **state)
{
    (void)state;
    fail_each(ANY, KS_METHOD_SPARSE, 20);
}

static void test_mps(void **state)
{
    (void)state;
    fail_each(ANY, KS_METHOD_MPS, 20);
}

/* --- noise, control flow and what is not sampled ------------------------------------------ */

static bool is_cancelled(void *context)
{
    (void)context;
    return false;
}

static enum ks_err noisy_task(const struct ks_circuit *circuit)
{
    static const struct ks_noise noise = {
        .version = 1, .gate1 = {0.1, 0, 0, 0.1, 0.2, 0.1}, .read0_as1 = 0.1};
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;

    spec.shots = 40;
    spec.noise = &noise;
    spec.cancelled = is_cancelled;
    const enum ks_err err = ks_simulate(circuit, &spec, &counts);
    assert_true((err == KS_OK) == (counts != NULL));
    ks_counts_free(counts);
    return err;
}

static enum ks_err density_task(const struct ks_circuit *circuit)
{
    static const struct ks_noise noise = {.version = 1, .gate1.x = 0.1};
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    double probabilities[8];

    spec.noise = &noise;
    return ks_probabilities(circuit, &spec, probabilities);
}

static enum ks_err final_task(const struct ks_circuit *circuit)
{
    const struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    const struct ks_bytes sum = KS_LITERAL("0.5*XYZ - ZZI");
    struct ks_final *final = NULL;
    double value = 0;

    enum ks_err err = ks_final_new(circuit, &spec, &final);
    assert_true((err == KS_OK) == (final != NULL));
    if (err == KS_OK) {
        err = ks_final_expect(final, &sum, &value);
    }
    ks_final_free(final);
    return err;
}

static enum ks_err program_task(const struct ks_circuit *circuit)
{
    const struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_program *program = NULL;
    struct ks_counts *counts = NULL;

    enum ks_err err = ks_program_new(circuit, &spec, KS_PROGRAM_COUNTS, &program);
    assert_true((err == KS_OK) == (program != NULL));
    if (err == KS_OK) {
        err = ks_program_run(program, ks_circuit_angles(circuit));
    }
    if (err == KS_OK) {
        err = ks_program_counts(program, 7, &counts);
    }
    ks_counts_free(counts);
    ks_program_free(program);
    return err;
}

/* After its first run a program allocates nothing. */
static void test_program_again(void **state)
{
    const struct ks_template_spec template = {
        .version = 1, .name = "hea", .qubits = 6, .depth = 4, .seed = 1};
    const struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_circuit *circuit = NULL;
    struct ks_program *program = NULL;
    uint64_t outcomes[1024];
    double angles[128];

    (void)state;
    assert_int_equal(ks_circuit_template(&template, NULL, &circuit), KS_OK);
    const size_t count = ks_circuit_angle_count(circuit);
    assert_true(count > 0 && count <= sizeof angles / sizeof angles[0]);
    assert_int_equal(ks_program_new(circuit, &spec, KS_PROGRAM_COUNTS, &program), KS_OK);
    assert_int_equal(ks_program_run(program, ks_circuit_angles(circuit)), KS_OK);
    for (size_t i = 0; i < count; i++) {
        angles[i] = 0.1 + (double)i / 7;
    }
    ks_fault_fail_alloc_at(1);
    assert_int_equal(ks_program_run(program, angles), KS_OK);
    assert_int_equal(ks_program_outcomes(program, 7, outcomes), KS_OK);
    assert_false(ks_fault_fired());
    ks_fault_fail_alloc_at(0);
    ks_program_free(program);
    ks_circuit_free(circuit);
}

static void fail_task(const char *text, enum ks_err (*task)(const struct ks_circuit *circuit))
{
    const struct ks_bytes source = ks_bytes_text(text);
    struct ks_circuit *circuit = NULL;
    uint64_t n = 0;
    uint64_t refused = 0;

    assert_int_equal(ks_circuit_parse(&source, "source", NULL, &circuit), KS_OK);
    do {
        ks_fault_fail_alloc_at(++n);
        const enum ks_err err = task(circuit);
        if (!ks_fault_fired()) {
            assert_int_equal(err, KS_OK);
            break;
        }
        assert_true(err == KS_OK || err == KS_ERR_NOMEM);
        refused += err == KS_ERR_NOMEM;
    } while (n < ALLOCATIONS_MAX);
    ks_fault_fail_alloc_at(0);
    assert_true(n < ALLOCATIONS_MAX && refused > 3);
    ks_circuit_free(circuit);
}

static void test_others(void **state)
{
    static const char *const flow =
        "OPENQASM 3.0; include \"stdgates.inc\"; qubit[3] q; bit[3] c; int i; h q;\n"
        "while (i < 3) { i += 1; c[0] = measure q[0]; if (c[0] && i < 2) { h q[0]; } }\n"
        "c[1] = measure q[1];";
    static const char *const gates = "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[3]; creg "
                                     "c[3]; h q; cx q[0],q[1]; swap q[1],q[2]; measure q -> c;";

    (void)state;
    fail_task(flow, noisy_task);
    fail_task(flow, density_task);
    fail_task(gates, final_task);
    fail_task(gates, program_task);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_simulate), cmocka_unit_test(test_stabilizer),
        cmocka_unit_test(test_sparse),   cmocka_unit_test(test_mps),
        cmocka_unit_test(test_others),   cmocka_unit_test(test_program_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
