/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What is read off final states, against the dense oracle's states and against each other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <complex.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/pool.h"
#include "expect.h"
#include "oracle/dense.h"
#include "oracle/random_circuit.h"
#include "quantum/circuit.h"

#define OK(call)   assert_int_equal((call), KS_OK)
#define QUBITS_MAX 8

static struct ks_circuit *parse(const char *body)
{
    char text[512];
    struct ks_circuit *circuit = NULL;

    (void)snprintf(text, sizeof text, "OPENQASM 2.0; include \"qelib1.inc\"; %s", body);
    const struct ks_bytes source = ks_bytes_text(text);
    if (ks_circuit_parse(&source, "test", NULL, &circuit) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return circuit;
}

static struct ks_final *final_of(const struct ks_circuit *circuit,
                                 const struct ks_simulate_spec *spec)
{
    struct ks_final *final = NULL;

    if (ks_final_new(circuit, spec, &final) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return final;
}

static double complex amplitude_of(const struct ks_final *final, uint64_t index)
{
    double parts[2];

    ks_final_amplitude(final, index, parts);
    return parts[0] + I * parts[1];
}

static double expect_of(struct ks_final *final, const char *sum)
{
    const struct ks_bytes text = ks_bytes_text(sum);
    double value = 0;

    if (ks_final_expect(final, &text, &value) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return value;
}

/* <P> from the oracle's amplitudes, letter by letter. */
static double naive_expect(const double complex *state, uint32_t qubits, const char *letters)
{
    double complex sum = 0;

    for (size_t j = 0; j < (size_t)1 << qubits; j++) {
        double complex factor = 1;
        size_t image = j;

        for (uint32_t q = 0; q < qubits; q++) {
            const char letter = letters[qubits - 1 - q];
            const bool bit = (j >> q & 1) != 0;

            if (letter == 'X' || letter == 'Y') {
                image ^= (size_t)1 << q;
            }
            factor *= letter == 'Y' ? (bit ? -I : I) : letter == 'Z' && bit ? -1 : 1;
        }
        sum += conj(state[image]) * factor * state[j];
    }
    return creal(sum);
}

static void check_strings(struct ks_final *final, const double complex *state, uint32_t qubits,
                          uint64_t seed, double tolerance)
{
    for (unsigned i = 0; i < 12; i++) {
        char letters[QUBITS_MAX + 1] = {0};

        for (uint32_t q = 0; q < qubits; q++) {
            letters[q] = "IXYZ"[random_next(&seed) % 4];
        }
        const double got = expect_of(final, letters);
        const double want = naive_expect(state, qubits, letters);

        if (!(fabs(got - want) < tolerance)) {
            fail_msg("<%s> is %.17g, not %.17g", letters, got, want);
        }
    }
}

static void test_states(void **state)
{
    static double complex want[1 << QUBITS_MAX];

    (void)state;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        const uint32_t qubits = 1 + (uint32_t)(seed % QUBITS_MAX);
        const struct random_spec random = {
            .seed = seed, .qubits = qubits, .gates = 60, .clbits = qubits};
        struct ks_circuit *circuit = random_circuit(&random);
        struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;

        spec.precision = seed % 2 == 0 ? KS_PRECISION_DOUBLE : KS_PRECISION_SINGLE;
        const double tolerance = seed % 2 == 0 ? 1e-12 : 2e-5;
        struct ks_final *final = final_of(circuit, &spec);
        double complex overlap = 0;
        dense_state(circuit, want);
        for (size_t i = 0; i < (size_t)1 << qubits; i++) {
            overlap += conj(want[i]) * amplitude_of(final, i);
        }
        assert_true(fabs(cabs(overlap) - 1) < tolerance); /* the same but for a phase */
        for (size_t i = 0; i < (size_t)1 << qubits; i++) {
            assert_true(cabs(amplitude_of(final, i) - overlap * want[i]) < tolerance);
        }
        check_strings(final, want, qubits, seed, tolerance);
        ks_final_free(final);
        ks_circuit_free(circuit);
    }
}

/* Sums, and the same bits whatever the threads. */
static void test_sums(void **state)
{
    const struct random_spec random = {.seed = 5, .qubits = 15, .gates = 200, .clbits = 0};
    struct ks_circuit *circuit = random_circuit(&random);
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_pool *pool = NULL;
    const char *const parts[] = {"XYZIIIIIIIIIIZZ", "ZZZZZZZZZZZZZZZ", "IIIIIIIIIIIIIIX"};

    (void)state;
    struct ks_final *alone = final_of(circuit, &spec);
    OK(ks_pool_new(3, &pool));
    spec.pool = pool;
    struct ks_final *together = final_of(circuit, &spec);
    for (size_t i = 0; i < 3; i++) {
        assert_true(expect_of(alone, parts[i]) == expect_of(together, parts[i]));
    }
    const double sum = 0.5 * expect_of(alone, parts[0]) - 2e-1 * expect_of(alone, parts[1]) +
                       expect_of(alone, parts[2]);
    assert_true(
        fabs(expect_of(together,
                       " 0.5*XYZIIIIIIIIIIZZ - 2e-1 * ZZZZZZZZZZZZZZZ+IIIIIIIIIIIIIIX") -
             sum) < 1e-15);
    assert_true(fabs(expect_of(alone, "-3*IIIIIIIIIIIIIII") + 3) < 1e-13);
    ks_final_free(alone);
    ks_final_free(together);
    ks_pool_free(pool);
    ks_circuit_free(circuit);
}

static void test_bad_sums(void **state)
{
    static const char *const bad[][2] = {
        {"", "observable:1:1: expected a letter"},
        {"ZZZ", "observable:1:1: expected a"},
        {"ZA", "observable:1:1: expected a letter"},
        {"2 ZZ", "observable:1:3: expected '*'"},
        {"ZZ ZZ", "observable:1:4: expected '+' or '"},
        {"ZZ +", "observable:1:5: expected a"},
        {"1e999*ZZ", "observable:1:1: a number out"},
        {"ZZ $", "observable:1:4: unexpected"},
        {"9e307*II + 9e307*II", "its value is not a finite number"},
    };
    const struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_circuit *circuit = parse("qreg q[2]; h q;");
    struct ks_final *final = final_of(circuit, &spec);

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct ks_bytes text = ks_bytes_text(bad[i][0]);
        double value = 0;

        expect_failure(ks_final_expect(final, &text, &value), KS_ERR_FORMAT, bad[i][1]);
    }
    ks_final_free(final);
    ks_circuit_free(circuit);
}

static void test_no_state(void **state)
{
    static const char *const bad[][2] = {
        {"qreg q[1]; creg c[1]; measure q -> c; x q[0];",
         "operation 1 is behind a measurement"},
        {"qreg q[1]; creg c[1]; if(c==1) x q[0];", "operation 0 depends on measurements"},
        {"qreg q[1]; x q[0]; reset q[0];", "operation 1 is a reset behind gates"},
    };
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_final *final = NULL;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ks_circuit *circuit = parse(bad[i][0]);

        expect_failure(ks_final_new(circuit, &spec, &final), KS_ERR_FORMAT, bad[i][1]);
        ks_circuit_free(circuit);
    }
    struct ks_circuit *wide = parse("qreg q[20]; h q;");
    spec.memory_max = 1 << 20;
    expect_failure(ks_final_new(wide, &spec, &final), KS_ERR_LIMIT,
                   "the state of 20 qubits needs 16777216 bytes, limit 1048576");
    ks_circuit_free(wide);
    struct ks_circuit *fresh =
        parse("qreg q[2]; creg c[1]; reset q; x q[1]; measure q[0] -> c[0];");
    final = final_of(fresh, &(struct ks_simulate_spec)KS_SIMULATE_SPEC_INIT);
    assert_true(cabs(amplitude_of(final, 2)) > 0.999);
    ks_final_free(final);
    ks_circuit_free(fresh);
}

/* The bytes that numpy.save writes for array([1, 0, 0, 0], dtype=complex), its header as long.
 */
static void test_npy(void **state)
{
    static const char header[] = "{'descr': '<c16', 'fortran_order': False, 'shape': (4,), }";
    const struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_circuit *circuit = parse("qreg q[2]; x q[1]; x q[1]; x q[0];");
    struct ks_final *final = final_of(circuit, &spec);
    struct ks_buf out;

    (void)state;
    ks_buf_init(&out, 4096);
    ks_final_npy(final, &out);
    OK(ks_buf_check(&out));
    assert_int_equal(out.len, 128 + 4 * 16);
    assert_memory_equal(out.data, "\x93NUMPY\x01\x00\x76\x00", 10);
    assert_memory_equal(out.data + 10, header, sizeof header - 1);
    assert_int_equal(out.data[127], '\n');
    for (size_t i = 0; i < 4; i++) { /* qubit 0 is the lowest bit of the index */
        double re = 0;

        memcpy(&re, out.data + 128 + 16 * i, sizeof re);
        assert_true(fabs(re) == (i == 1 ? 1 : 0));
    }
    ks_buf_done(&out);
    ks_final_free(final);
    ks_circuit_free(circuit);
}

static void test_marginal(void **state)
{
    struct ks_circuit *circuit = parse("qreg q[3]; creg c[3]; x q[0]; h q[1]; cx q[1],q[2]; "
                                       "measure q -> c;");
    const struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *counts = NULL;
    struct ks_counts *some = NULL;

    (void)state;
    OK(ks_simulate(circuit, &spec, &counts));
    OK(ks_counts_marginal(counts, (uint32_t[]){2, 0}, 2, &some));
    assert_int_equal(ks_counts_size(some), 2);
    assert_string_equal(ks_counts_outcome(some, 0), "10");
    assert_string_equal(ks_counts_outcome(some, 1), "11");
    assert_int_equal(ks_counts_count(some, 0), ks_counts_count(counts, 0));
    assert_int_equal(ks_counts_shots(some), 1024);
    ks_counts_free(some);
    OK(ks_counts_marginal(counts, (uint32_t[]){0}, 1, &some));
    assert_int_equal(ks_counts_size(some), 1);
    ks_counts_free(some);
    expect_failure(ks_counts_marginal(counts, (uint32_t[]){3}, 1, &some), KS_ERR_USAGE,
                   "classical bit 3 of 3");
    ks_counts_free(counts);
    ks_circuit_free(circuit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_states),   cmocka_unit_test(test_sums),
        cmocka_unit_test(test_bad_sums), cmocka_unit_test(test_no_state),
        cmocka_unit_test(test_npy),      cmocka_unit_test(test_marginal),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
