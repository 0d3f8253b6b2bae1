/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Noise: the density matrix against the dense oracle and against what channels do by hand,
 * trajectories against the density matrix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "expect.h"
#include "oracle/dense.h"
#include "oracle/random_circuit.h"
#include "quantum/noise.h"
#include "quantum/simulate.h"
#include "vector_files.h"

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

/* --- the density matrix ------------------------------------------------------------------- */

static void test_density_without_noise(void **state)
{
    static double want[OUTCOMES_MAX];
    static double got[OUTCOMES_MAX];
    const struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;

    (void)state;
    for (uint64_t seed = 1; seed <= 150; seed++) {
        const struct random_spec random = {.seed = seed,
                                           .qubits = 1 + (uint32_t)(seed % 5),
                                           .gates = 40,
                                           .middles = (uint32_t)(seed % 4),
                                           .clbits = 1 + (uint32_t)(seed % 4)};
        struct ks_circuit *circuit = random_circuit(&random);

        dense_probabilities(circuit, want);
        OK(ks_density_probabilities(circuit, &spec, got));
        for (size_t i = 0; i < (size_t)1 << circuit->clbit_count; i++) {
            if (!(fabs(got[i] - want[i]) < 1e-12)) {
                fail_msg("seed %llu, outcome %zu: %.17g, oracle %.17g",
                         (unsigned long long)seed, i, got[i], want[i]);
            }
        }
        ks_circuit_free(circuit);
    }
}

/* The probability of 1 for one qubit, one bit. */
static double one_of(const char *body, const struct ks_noise *noise)
{
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    double got[4] = {0};
    char text[256];

    (void)snprintf(text, sizeof text,
                   "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[2]; creg c[1]; %s", body);
    struct ks_circuit *circuit = parse(text);
    spec.noise = noise;
    OK(ks_density_probabilities(circuit, &spec, got));
    assert_true(fabs(got[0] + got[1] - 1) < 1e-14);
    ks_circuit_free(circuit);
    return got[1];
}

static void near(double got, double want)
{
    if (!(fabs(got - want) < 1e-14)) {
        fail_msg("%.17g, not %.17g", got, want);
    }
}

/* Channels on states whose answer is known. */
static void test_channels(void **state)
{
    static const char *const one = "x q[0]; measure q[0] -> c[0];";
    static const char *const plus = "ry(pi/2) q[0]; u(-pi/2,0,0) q[0]; measure q[0] -> c[0];";
    static const char *const pair = "cx q[0],q[1]; measure q[1] -> c[0];";

    (void)state;
    near(one_of(one, &(struct ks_noise){.version = 1, .gate1.x = 0.1}), 0.9);
    near(one_of(one, &(struct ks_noise){.version = 1, .gate1.y = 0.2}), 0.8);
    near(one_of(one, &(struct ks_noise){.version = 1, .gate1.z = 0.3}), 1);
    near(one_of(one, &(struct ks_noise){.version = 1, .gate1.depolarizing = 0.3}), 0.8);
    near(one_of(one, &(struct ks_noise){.version = 1, .gate1.amplitude_damping = 0.25}), 0.75);
    near(one_of(one, &(struct ks_noise){.version = 1, .gate1.phase_damping = 0.9}), 1);
    near(one_of(one, &(struct ks_noise){.version = 1, .read0_as1 = 0.3, .read1_as0 = 0.1}),
         0.9);
    near(one_of("measure q[0] -> c[0];", &(struct ks_noise){.version = 1, .read0_as1 = 0.3}),
         0.3);
    /* <X> of |+> shrinks by 1 - 2 z, sqrt(1 - amplitude), sqrt(1 - phase), and the last gate's
     * noise comes on top, which Z and phases do not show. */
    near(one_of(plus, &(struct ks_noise){.version = 1, .gate1.z = 0.1}), 0.1);
    near(one_of(plus, &(struct ks_noise){.version = 1, .gate1.phase_damping = 0.36}), 0.1);
    /* 8 of the 15 pairs flip the second qubit. */
    near(one_of(pair, &(struct ks_noise){.version = 1, .gate2.depolarizing = 0.3}), 0.16);
    near(one_of(pair, &(struct ks_noise){.version = 1, .gate2.x = 0.3}), 0.3);
    /* A wrong result in the middle decides what happens. */
    near(one_of("x q[0]; measure q[0] -> c[0]; if(c==1) x q[1]; measure q[1] -> c[0];",
                &(struct ks_noise){.version = 1, .read1_as0 = 0.2}),
         0.8 * 0.8);
}

/* What Qiskit makes of the same circuits and models. */
static void test_vectors(void **state)
{
    (void)state;
    for (unsigned n = 1; n <= 12; n++) {
        struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
        struct ks_circuit *circuit = NULL;
        struct ks_noise noise = {0};
        struct ks_buf files[3];
        double got[8];

        for (unsigned i = 0; i < 3; i++) {
            static const char *const ends[] = {"qasm", "json", "txt"};
            char name[32];

            (void)snprintf(name, sizeof name, "%u.%s", n, ends[i]);
            vector_read("noise", name, &files[i]);
        }
        const struct ks_bytes source = ks_buf_view(&files[0]);
        const struct ks_bytes model = ks_buf_view(&files[1]);
        OK(ks_circuit_parse(&source, "vector", NULL, &circuit));
        OK(ks_noise_parse(&model, &noise));
        spec.noise = &noise;
        OK(ks_density_probabilities(circuit, &spec, got));
        ks_buf_put_u8(&files[2], 0);
        OK(ks_buf_check(&files[2]));
        char *next = (char *)files[2].data;
        for (size_t i = 0; i < 8; i++) {
            const double want = strtod(next, &next);

            if (!(fabs(got[i] - want) < 1e-12)) {
                fail_msg("%u: outcome %zu: %.17g, Qiskit %.17g", n, i, got[i], want);
            }
        }
        ks_circuit_free(circuit);
        for (unsigned i = 0; i < 3; i++) {
            ks_buf_done(&files[i]);
        }
    }
}

/* --- trajectories ------------------------------------------------------------------------- */

static const struct ks_noise models[] = {
    {.version = 1, .gate1 = {.x = 0.01, .y = 0.02, .z = 0.005}, .gate2 = {.z = 0.03}},
    {.version = 1, .gate1.depolarizing = 0.02, .gate2.depolarizing = 0.05},
    {.version = 1, .gate1.amplitude_damping = 0.03, .gate2.amplitude_damping = 0.7},
    {.version = 1, .gate1.phase_damping = 0.1, .gate2.phase_damping = 0.2},
    {.version = 1, .read0_as1 = 0.03, .read1_as0 = 0.08},
    {.version = 1,
     .gate1 = {0.01, 0, 0.01, 0.01, 0.02, 0.03},
     .gate2 = {0, 0.01, 0, 0.03, 0.02, 0.01},
     .read0_as1 = 0.01,
     .read1_as0 = 0.02},
};
#define MODEL_COUNT (sizeof models / sizeof models[0])

static struct ks_counts *sampled(const struct ks_circuit *circuit,
                                 const struct ks_simulate_spec *spec)
{
    struct ks_counts *counts = NULL;

    if (ks_simulate(circuit, spec, &counts) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
    return counts;
}

/* Each count within 5 standard deviations, and Pearson's statistic of all within 5 of its. */
static void check_statistics(const struct ks_circuit *circuit,
                             const struct ks_simulate_spec *spec, size_t model)
{
    static double probabilities[OUTCOMES_MAX];
    struct ks_counts *counts = sampled(circuit, spec);
    double statistic = 0;
    double classes = -1;

    OK(ks_density_probabilities(circuit, spec, probabilities));
    for (size_t i = 0; i < ks_counts_size(counts); i++) {
        const size_t outcome = strtoull(ks_counts_outcome(counts, i), NULL, 2);
        const double mean = probabilities[outcome] * (double)spec->shots;
        const double off = (double)ks_counts_count(counts, i) - mean;

        if (!(fabs(off) <= 5 * sqrt(mean) + 3)) {
            fail_msg("model %zu, outcome %zu: %.0f off %.1f", model, outcome, off, mean);
        }
        if (mean >= 10) {
            statistic += off * off / mean;
            classes++;
        }
    }
    assert_true(classes <= 0 || statistic < classes + 5 * sqrt(2 * classes) + 10);
    ks_counts_free(counts);
}

static void test_trajectories(void **state)
{
    (void)state;
    for (size_t model = 0; model < MODEL_COUNT; model++) {
        for (uint64_t seed = 1; seed <= 12; seed++) {
            const struct random_spec random = {.seed = seed,
                                               .qubits = 2 + (uint32_t)(seed % 3),
                                               .gates = 14,
                                               .middles = (uint32_t)(seed % 3),
                                               .clbits = 2 + (uint32_t)(seed % 3)};
            struct ks_circuit *circuit = random_circuit(&random);
            struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;

            spec.shots = 20000;
            spec.seed = seed;
            spec.noise = &models[model];
            check_statistics(circuit, &spec, model);
            ks_circuit_free(circuit);
        }
    }
}

/* Control flow under noise: conditions see what was read, loops draw anew each turn. */
static void test_flow(void **state)
{
    struct ks_circuit *circuit =
        parse("OPENQASM 3.0; include \"stdgates.inc\"; qubit[3] q; bit[3] c; int i;\n"
              "h q[0]; while (i < 3) { i += 1; ry(0.4) q[1]; c[0] = measure q[0];\n"
              "if (c[0] && i < 3) { x q[2]; cx q[2], q[0]; } else { h q[0]; }\n"
              "if (c[1]) c[1] = measure q[2]; else c[1] = measure q[1]; }\n"
              "c[2] = measure q[2];");
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;

    (void)state;
    spec.shots = 40000;
    for (size_t model = 0; model < MODEL_COUNT; model++) {
        spec.noise = &models[model];
        check_statistics(circuit, &spec, model);
    }
    ks_circuit_free(circuit);
}

/* The same counts for every number of threads and with little memory; others for another seed.
 */
static void test_determinism(void **state)
{
    const struct random_spec random = {
        .seed = 4, .qubits = 5, .gates = 40, .middles = 3, .clbits = 5};
    struct ks_circuit *circuit = random_circuit(&random);
    struct ks_pool *pool = NULL;

    (void)state;
    OK(ks_pool_new(3, &pool));
    for (size_t model = 0; model < MODEL_COUNT; model++) {
        struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;

        spec.noise = &models[model];
        struct ks_counts *first = sampled(circuit, &spec);
        spec.pool = pool;
        spec.memory_max = ks_state_bytes(6, KS_PRECISION_DOUBLE);
        struct ks_counts *second = sampled(circuit, &spec);
        spec.seed = 1;
        struct ks_counts *other = sampled(circuit, &spec);
        bool differs = ks_counts_size(first) != ks_counts_size(other);

        assert_int_equal(ks_counts_size(first), ks_counts_size(second));
        for (size_t i = 0; i < ks_counts_size(first); i++) {
            assert_string_equal(ks_counts_outcome(first, i), ks_counts_outcome(second, i));
            assert_int_equal(ks_counts_count(first, i), ks_counts_count(second, i));
            differs = differs || ks_counts_count(first, i) != ks_counts_count(other, i);
        }
        assert_true(differs);
        ks_counts_free(first);
        ks_counts_free(second);
        ks_counts_free(other);
    }
    ks_pool_free(pool);
    ks_circuit_free(circuit);
}

/* --- models ------------------------------------------------------------------------------- */

static void test_json(void **state)
{
    static const char want[] =
        "{\"gate1\":{\"amplitude_damping\":0.02,\"depolarizing\":0.01,\"phase_damping\":0.03,"
        "\"x\":0.01,\"y\":0,\"z\":0.01},\"gate2\":{\"amplitude_damping\":0.02,\"depolarizing\":"
        "0.03,\"phase_damping\":0.01,\"x\":0,\"y\":0.01,\"z\":0},\"readout\":{\"read0_as1\":0."
        "01,"
        "\"read1_as0\":0.02},\"schema\":\"ketseal.noise/1\"}";
    struct ks_noise noise = {0};
    struct ks_buf out;

    (void)state;
    ks_buf_init(&out, 4096);
    ks_noise_print(&models[5], &out);
    OK(ks_buf_check(&out));
    assert_true(ks_bytes_is(ks_buf_view(&out), want));
    const struct ks_bytes text = ks_buf_view(&out);
    OK(ks_noise_parse(&text, &noise));
    assert_memory_equal(&noise, &models[5], sizeof noise);
    ks_buf_done(&out);
}

static void refuse(const char *from, const char *to, const char *detail)
{
    struct ks_noise noise = {0};
    struct ks_buf out;
    char text[1024];

    ks_buf_init(&out, sizeof text - 1);
    ks_noise_print(&models[5], &out);
    ks_buf_put_u8(&out, 0);
    OK(ks_buf_check(&out));
    const char *at = strstr((const char *)out.data, from);
    assert_non_null(at);
    (void)snprintf(text, sizeof text, "%.*s%s%s", (int)(at - (const char *)out.data),
                   (const char *)out.data, to, at + strlen(from));
    const struct ks_bytes bytes = ks_bytes_text(text);
    expect_failure(ks_noise_parse(&bytes, &noise), KS_ERR_FORMAT, detail);
    ks_buf_done(&out);
}

static void test_bad_models(void **state)
{
    struct ks_noise noise = {.version = 2};

    (void)state;
    refuse("\"x\":0.01", "\"x\":1.01", "gate1.x is not within 0 and 1");
    refuse("\"x\":0.01", "\"x\":0.995", "gate1: x, y and z are more than 1 together");
    refuse("\"y\":0.01", "\"y\":-0.1", "gate2.y is not within 0 and 1");
    refuse("0.02},\"schema\"", "2},\"schema\"", "read1_as0 is not within 0 and 1");
    refuse("noise/1", "noise/2", "schema");
    refuse("\"x\":0.01,", "", "x");
    refuse("\"x\":0.01", "\"w\":0,\"x\":0.01", "w");
    expect_failure(ks_noise_check(&noise), KS_ERR_USAGE, "version 2");
    noise = (struct ks_noise){.version = 1, .gate1.x = NAN};
    expect_failure(ks_noise_check(&noise), KS_ERR_FORMAT, "gate1.x");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_density_without_noise),
        cmocka_unit_test(test_channels),
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_trajectories),
        cmocka_unit_test(test_flow),
        cmocka_unit_test(test_determinism),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_bad_models),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
