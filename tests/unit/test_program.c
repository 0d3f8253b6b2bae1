/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* A program with other angles gives the bits of the circuit that is written with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "expect.h"
#include "oracle/random_circuit.h"
#include "quantum/circuit.h"
#include "quantum/noise.h"

#define OK(call)     assert_int_equal((call), KS_OK)
#define ANGLES_MAX   1024
#define BINDINGS     4
#define CIRCUITS     1500
#define SHOTS        64
#define OUTCOMES_MAX 1024

/* CIRCUIT as if it had been written with ANGLES, which it borrows. */
static struct ks_circuit written_with(const struct ks_circuit *circuit, double *angles)
{
    struct ks_circuit bound = *circuit;

    bound.params = angles;
    return bound;
}

/* In general angles of no special kind, else some of those with special matrices. */
static void choose_angles(double *angles, size_t count, bool special, uint64_t *seed)
{
    static const double kinds[] = {0, M_PI_2, M_PI, -M_PI_2, M_PI_4, 2 * M_PI, -M_PI};

    for (size_t i = 0; i < count; i++) {
        const uint64_t bits = random_next(seed);

        angles[i] =
            special && bits % 3 == 0 ? kinds[bits / 3 % 7] : (double)(bits >> 11) * 0x1p-50 - 4;
    }
}

static void assert_same_counts(const struct ks_counts *a, const struct ks_counts *b)
{
    assert_int_equal(ks_counts_size(a), ks_counts_size(b));
    for (size_t i = 0; i < ks_counts_size(a); i++) {
        assert_string_equal(ks_counts_outcome(a, i), ks_counts_outcome(b, i));
        assert_int_equal(ks_counts_count(a, i), ks_counts_count(b, i));
    }
    assert_int_equal(ks_counts_facts(a)->method, ks_counts_facts(b)->method);
}

static void check_counts(struct ks_program *program, const struct ks_circuit *bound,
                         const struct ks_simulate_spec *spec)
{
    struct ks_counts *want = NULL;
    struct ks_counts *got = NULL;

    OK(ks_simulate(bound, spec, &want));
    OK(ks_program_run(program, ks_circuit_angles(bound)));
    OK(ks_program_counts(program, spec->seed, &got));
    assert_same_counts(got, want);
    ks_counts_free(want);
    ks_counts_free(got);
}

static void check_state(struct ks_program *program, const struct ks_circuit *bound,
                        const struct ks_simulate_spec *spec)
{
    struct ks_final *want = NULL;
    struct ks_final *got = NULL;

    OK(ks_final_new(bound, spec, &want));
    OK(ks_program_run(program, ks_circuit_angles(bound)));
    OK(ks_program_final(program, &got));
    for (uint64_t i = 0; i < (uint64_t)1 << ks_circuit_qubits(bound); i++) {
        double a[2];
        double b[2];

        ks_final_amplitude(want, i, a);
        ks_final_amplitude(got, i, b);
        assert_memory_equal(a, b, sizeof a);
    }
    ks_final_free(want);
}

static void check_random(uint64_t seed)
{
    const struct random_spec random = {.seed = seed,
                                       .qubits = 2 + (uint32_t)(seed % 7),
                                       .gates = 5 + (uint32_t)(seed % 60),
                                       .clbits = 4};
    struct ks_circuit *circuit = random_circuit(&random);
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_program *counts = NULL;
    struct ks_program *final = NULL;
    double angles[ANGLES_MAX];
    uint64_t state = seed;

    spec.precision = seed % 2 == 0 ? KS_PRECISION_DOUBLE : KS_PRECISION_SINGLE;
    spec.method = KS_METHOD_STATEVECTOR;
    spec.shots = SHOTS;
    spec.seed = seed;
    OK(ks_program_new(circuit, &spec, KS_PROGRAM_COUNTS, &counts));
    OK(ks_program_new(circuit, &spec, KS_PROGRAM_STATE, &final));
    assert_true(ks_circuit_angle_count(circuit) <= ANGLES_MAX);
    for (unsigned i = 0; i < BINDINGS; i++) {
        choose_angles(angles, ks_circuit_angle_count(circuit), i % 2 == seed % 2, &state);
        const struct ks_circuit bound = written_with(circuit, angles);

        check_counts(counts, &bound, &spec);
        check_state(final, &bound, &spec);
    }
    ks_program_free(counts);
    ks_program_free(final);
    ks_circuit_free(circuit);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CIRCUITS; seed++) {
        check_random(seed);
    }
}

/* Larger ones have tiles that move, and shears. */
static void test_large(void **state)
{
    static const char *const names[] = {"qft", "hea", "rqc"};

    (void)state;
    for (unsigned i = 0; i < 6; i++) {
        const struct ks_template_spec template = {
            .version = 1, .name = names[i % 3], .qubits = 18, .depth = 3, .seed = i};
        struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
        struct ks_circuit *circuit = NULL;
        struct ks_program *program = NULL;
        double angles[ANGLES_MAX];
        uint64_t seed = i;

        spec.precision = i < 3 ? KS_PRECISION_DOUBLE : KS_PRECISION_SINGLE;
        spec.method = KS_METHOD_STATEVECTOR;
        OK(ks_circuit_template(&template, NULL, &circuit));
        assert_true(ks_circuit_angle_count(circuit) <= ANGLES_MAX);
        OK(ks_program_new(circuit, &spec, KS_PROGRAM_COUNTS, &program));
        for (unsigned k = 0; k < 2; k++) {
            choose_angles(angles, ks_circuit_angle_count(circuit), false, &seed);
            const struct ks_circuit bound = written_with(circuit, angles);
            check_counts(program, &bound, &spec);
        }
        ks_program_free(program);
        ks_circuit_free(circuit);
    }
}

/* One plan serves all angles of no special kind; those that make a gate trivial, or something
 * else, take another. */
static void test_plans(void **state)
{
    const struct ks_template_spec template = {
        .version = 1, .name = "hea", .qubits = 6, .depth = 5, .seed = 3};
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_circuit *circuit = NULL;
    struct ks_program *program = NULL;
    double angles[ANGLES_MAX] = {0};
    uint64_t seed = 5;

    (void)state;
    OK(ks_circuit_template(&template, NULL, &circuit));
    spec.method = KS_METHOD_STATEVECTOR;
    OK(ks_program_new(circuit, &spec, KS_PROGRAM_COUNTS, &program));
    for (unsigned i = 0; i < 20; i++) {
        choose_angles(angles, ks_circuit_angle_count(circuit), false, &seed);
        const struct ks_circuit bound = written_with(circuit, angles);
        check_counts(program, &bound, &spec);
    }
    assert_int_equal(ks_program_plans(program), 1);
    angles[4] = 0;
    const struct ks_circuit trivial = written_with(circuit, angles);
    check_counts(program, &trivial, &spec);
    assert_int_equal(ks_program_plans(program), 2);
    ks_program_free(program);
    ks_circuit_free(circuit);
}

static int compare_words(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a;
    const uint64_t y = *(const uint64_t *)b;

    return x < y ? -1 : x > y;
}

static void test_outcomes(void **state)
{
    const struct ks_template_spec template = {
        .version = 1, .name = "rqc", .qubits = 7, .depth = 5, .seed = 3};
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_circuit *circuit = NULL;
    struct ks_program *program = NULL;
    struct ks_counts *counts = NULL;
    uint64_t outcomes[OUTCOMES_MAX];
    size_t at = 0;

    (void)state;
    spec.shots = OUTCOMES_MAX;
    OK(ks_circuit_template(&template, NULL, &circuit));
    OK(ks_program_new(circuit, &spec, KS_PROGRAM_COUNTS, &program));
    OK(ks_program_run(program, ks_circuit_angles(circuit)));
    OK(ks_program_counts(program, 11, &counts));
    OK(ks_program_outcomes(program, 11, outcomes));
    qsort(outcomes, OUTCOMES_MAX, sizeof outcomes[0], compare_words);
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        const uint64_t want = strtoull(ks_counts_outcome(counts, i), NULL, 2);

        for (uint64_t k = 0; k < ks_counts_count(counts, i); k++) {
            assert_int_equal(outcomes[at++], want);
        }
    }
    assert_int_equal(at, OUTCOMES_MAX);
    ks_counts_free(counts);
    ks_program_free(program);
    ks_circuit_free(circuit);
}

static struct ks_circuit *parse(const char *text)
{
    const struct ks_bytes source = ks_bytes_text(text);
    struct ks_circuit *circuit = NULL;

    OK(ks_circuit_parse(&source, "test", NULL, &circuit));
    return circuit;
}

static void test_refused(void **state)
{
    static const struct ks_noise noise = {.version = 1, .gate1.x = 0.1};
    struct ks_circuit *circuit =
        parse("OPENQASM 2.0; include \"qelib1.inc\"; qreg q[2]; creg c[2]; rx(1) q[0];"
              "measure q -> c;");
    struct ks_circuit *middle =
        parse("OPENQASM 2.0; include \"qelib1.inc\"; qreg q[2]; creg c[2]; h q[0];"
              "measure q[0] -> c[0]; h q[0]; measure q -> c;");
    struct ks_circuit *reset =
        parse("OPENQASM 2.0; include \"qelib1.inc\"; qreg q[2]; creg c[2]; reset q[0]; h q[0];"
              "measure q -> c;");
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_program *program = NULL;
    struct ks_final *final = NULL;
    struct ks_counts *counts = NULL;
    const double no_number = NAN;

    (void)state;
    expect_failure(ks_program_new(middle, &spec, KS_PROGRAM_COUNTS, &program), KS_ERR_FORMAT,
                   "operation 2 is behind a measurement");
    expect_failure(ks_program_new(reset, &spec, KS_PROGRAM_COUNTS, &program), KS_ERR_FORMAT,
                   "operation 0 is 'reset'");
    spec.noise = &noise;
    expect_failure(ks_program_new(circuit, &spec, KS_PROGRAM_COUNTS, &program), KS_ERR_USAGE,
                   "no noise");
    spec.noise = NULL;
    spec.shots = 0;
    expect_failure(ks_program_new(circuit, &spec, KS_PROGRAM_COUNTS, &program), KS_ERR_LIMIT,
                   "0 shots");
    spec.shots = 1;
    OK(ks_program_new(circuit, &spec, KS_PROGRAM_COUNTS, &program));
    expect_failure(ks_program_counts(program, 1, &counts), KS_ERR_USAGE, "has not run");
    expect_failure(ks_program_run(program, &no_number), KS_ERR_FORMAT, "angle 0");
    OK(ks_program_run(program, ks_circuit_angles(circuit)));
    expect_failure(ks_program_final(program, &final), KS_ERR_USAGE, "made for counts");
    expect_failure(ks_program_run(program, &no_number), KS_ERR_FORMAT, "angle 0");
    expect_failure(ks_program_counts(program, 1, &counts), KS_ERR_USAGE, "has not run");
    ks_program_free(program);
    ks_circuit_free(circuit);
    ks_circuit_free(middle);
    ks_circuit_free(reset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),  cmocka_unit_test(test_large),
        cmocka_unit_test(test_plans),   cmocka_unit_test(test_outcomes),
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
