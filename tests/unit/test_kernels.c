/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Every set of kernels and every number of threads gives the bits of the scalar kernels on one
 * thread; so do the scalar kernels when they are compiled with fma in hardware. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "oracle/random_circuit.h"
#include "quantum/simulate.h"

#define OK(call) assert_int_equal((call), KS_OK)

static const unsigned thread_counts[] = {1, 2, 3, 8};
static struct ks_pool *pools[sizeof thread_counts / sizeof thread_counts[0]];

/* The scalar files once more, with fma instructions where the CPU has them (meson.build renames
 * them). */
extern const struct ks_kernels ks_kernels_scalar_double_fma;
extern const struct ks_kernels ks_kernels_scalar_single_fma;

static size_t real_size(enum ks_precision precision)
{
    return precision == KS_PRECISION_DOUBLE ? sizeof(double) : sizeof(float);
}

static void assert_same_state(const struct ks_state *got, const struct ks_state *want,
                              const char *what, unsigned threads)
{
    const enum ks_precision precision = want->kernels->precision;
    const size_t size = real_size(precision) << want->slot_count;
    double got_sums[2];
    double want_sums[2];

    assert_int_equal(got->slot_count, want->slot_count);
    if (memcmp(got->re, want->re, size) != 0 || memcmp(got->im, want->im, size) != 0) {
        fail_msg("%s, %s, %u threads: other amplitudes", what, got->kernels->name, threads);
    }
    for (uint32_t slot = 0; slot <= want->slot_count; slot++) {
        const uint32_t asked = slot == want->slot_count ? KS_NO_SLOT : slot;
        struct ks_state reader = *got; /* weights write only to their own sums */
        struct ks_state scalar = *want;

        ks_state_weights(&reader, asked, got_sums);
        ks_state_weights(&scalar, asked, want_sums);
        if (memcmp(got_sums, want_sums, sizeof want_sums) != 0) {
            fail_msg("%s, %s, %u threads: other sums at slot %u", what, got->kernels->name,
                     threads, asked);
        }
    }
}

static void compare_state(const struct ks_circuit *circuit, enum ks_precision precision,
                          const char *what)
{
    const struct ks_kernels *const hardware = precision == KS_PRECISION_DOUBLE
                                                  ? &ks_kernels_scalar_double_fma
                                                  : &ks_kernels_scalar_single_fma;
    const double budget = precision == KS_PRECISION_DOUBLE ? 1e-13 : 1e-5;
    const struct ks_kernels *scalar = NULL;
    struct ks_state want;
    struct ks_state got;
    double norm[2];

    OK(ks_kernels_find("scalar", precision, &scalar));
    ks_state_init(&want, scalar, NULL);
    OK(ks_simulate_state(circuit, &want));
    ks_state_weights(&want, KS_NO_SLOT, norm);
    if (!(norm[0] > 1 - budget && norm[0] < 1 + budget)) {
        fail_msg("%s: the norm has become %.17g", what, norm[0]);
    }
    if (__builtin_cpu_supports("fma")) {
        ks_state_init(&got, hardware, NULL);
        OK(ks_simulate_state(circuit, &got));
        assert_same_state(&got, &want, what, 1);
        ks_state_done(&got);
    }
    for (const struct ks_kernel_set *set = ks_kernel_sets; set->name != NULL; set++) {
        if (!set->usable()) {
            print_message("SKIPPED: this CPU has no %s\n", set->name);
            continue;
        }
        for (size_t t = 0; t < sizeof pools / sizeof pools[0]; t++) {
            ks_state_init(&got, set->kernels[precision], pools[t]);
            OK(ks_simulate_state(circuit, &got));
            assert_same_state(&got, &want, what, thread_counts[t]);
            ks_state_done(&got);
        }
    }
    ks_state_done(&want);
}

static void for_both(const struct ks_circuit *circuit, const char *what)
{
    compare_state(circuit, KS_PRECISION_DOUBLE, what);
    compare_state(circuit, KS_PRECISION_SINGLE, what);
}

static void test_small_states(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 60; seed++) {
        const struct random_spec spec = {
            .seed = seed, .qubits = 1 + (uint32_t)(seed % 10), .gates = 120};
        struct ks_circuit *circuit = random_circuit(&spec);

        for_both(circuit, "small");
        ks_circuit_free(circuit);
    }
}

/* Larger than a tile and than a block of sums, so that slots lie inside vectors, tiles and
 * beyond. */
static void test_large_states(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        const struct random_spec spec = {
            .seed = seed, .qubits = 14 + (uint32_t)(seed % 6), .gates = 100};
        struct ks_circuit *circuit = random_circuit(&spec);

        for_both(circuit, "large");
        ks_circuit_free(circuit);
    }
}

/* Ten thousand small circuits, each with one set of kernels, precision and number of threads in
 * turn, against the scalar kernels. */
static void test_many_states(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10000; seed++) {
        const struct random_spec spec = {.seed = seed + 1000,
                                         .qubits = 1 + (uint32_t)(seed % 9),
                                         .gates = 10 + (uint32_t)(seed % 31)};
        const enum ks_precision precision =
            seed % 2 == 0 ? KS_PRECISION_DOUBLE : KS_PRECISION_SINGLE;
        const struct ks_kernel_set *set = &ks_kernel_sets[seed / 2 % 2];
        const size_t t = seed / 4 % (sizeof pools / sizeof pools[0]);
        struct ks_circuit *circuit = random_circuit(&spec);
        const struct ks_kernels *scalar = NULL;
        struct ks_state want;
        struct ks_state got;

        set = set->name != NULL && set->usable() ? set : ks_kernel_sets;
        set = set->usable() ? set : &ks_kernel_sets[1];
        OK(ks_kernels_find("scalar", precision, &scalar));
        ks_state_init(&want, scalar, NULL);
        OK(ks_simulate_state(circuit, &want));
        ks_state_init(&got, set->usable() ? set->kernels[precision] : scalar, pools[t]);
        OK(ks_simulate_state(circuit, &got));
        assert_same_state(&got, &want, "many", thread_counts[t]);
        ks_state_done(&got);
        ks_state_done(&want);
        ks_circuit_free(circuit);
    }
}

/* Every pair of positions of control and target, through a matrix, a flip and a diagonal. */
static void test_all_positions(void **state)
{
    const uint32_t qubits = 7;

    (void)state;
    for (uint32_t control = 0; control < qubits; control++) {
        struct ks_circuit_builder *builder = NULL;
        struct ks_circuit *circuit = NULL;
        const double angles[3] = {0.3, 1.1, -0.7};

        OK(ks_circuit_builder_new(NULL, &builder));
        OK(ks_circuit_builder_qreg(builder, KS_LITERAL("q"), qubits));
        for (uint32_t target = 0; target < qubits; target++) {
            OK(ks_circuit_builder_gate(builder, KS_GATE_U3, &target, angles));
        }
        for (uint32_t target = 0; target < qubits; target++) {
            const uint32_t pair[2] = {control, target};

            if (target != control) {
                OK(ks_circuit_builder_gate(builder, KS_GATE_CU3, pair, angles));
                OK(ks_circuit_builder_gate(builder, KS_GATE_CX, pair, NULL));
                OK(ks_circuit_builder_gate(builder, KS_GATE_CRZ, pair, angles));
                OK(ks_circuit_builder_gate(builder, KS_GATE_CRY, pair, angles));
            }
        }
        OK(ks_circuit_builder_finish(builder, &circuit));
        ks_circuit_builder_free(builder);
        for_both(circuit, "positions");
        ks_circuit_free(circuit);
    }
}

/* Counts, with measurements in the middle: sums, halving, sampling. */
static void test_counts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 24; seed++) {
        const struct random_spec random = {.seed = seed,
                                           .qubits = 2 + (uint32_t)(seed % 14),
                                           .gates = 70,
                                           .middles = (uint32_t)(seed % 5),
                                           .clbits = 1 + (uint32_t)(seed % 9)};
        struct ks_circuit *circuit = random_circuit(&random);
        struct ks_counts *want = NULL;

        for (enum ks_precision p = KS_PRECISION_DOUBLE; p <= KS_PRECISION_SINGLE; p++) {
            struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;

            spec.seed = seed;
            spec.shots = 3000;
            spec.precision = p;
            spec.kernels = "scalar";
            OK(ks_simulate(circuit, &spec, &want));
            for (const struct ks_kernel_set *set = ks_kernel_sets; set->name != NULL; set++) {
                for (size_t t = 0; set->usable() && t < sizeof pools / sizeof pools[0]; t++) {
                    struct ks_counts *got = NULL;

                    spec.kernels = set->name;
                    spec.pool = pools[t];
                    OK(ks_simulate(circuit, &spec, &got));
                    assert_int_equal(ks_counts_size(got), ks_counts_size(want));
                    for (size_t i = 0; i < ks_counts_size(want); i++) {
                        assert_string_equal(ks_counts_outcome(got, i),
                                            ks_counts_outcome(want, i));
                        assert_int_equal(ks_counts_count(got, i), ks_counts_count(want, i));
                    }
                    ks_counts_free(got);
                }
            }
            ks_counts_free(want);
        }
        ks_circuit_free(circuit);
    }
}

static int open_pools(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof pools / sizeof pools[0]; t++) {
        OK(ks_pool_new(thread_counts[t], &pools[t]));
    }
    return 0;
}

static int close_pools(void **state)
{
    (void)state;
    for (size_t t = 0; t < sizeof pools / sizeof pools[0]; t++) {
        ks_pool_free(pools[t]);
    }
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_small_states), cmocka_unit_test(test_large_states),
        cmocka_unit_test(test_many_states),  cmocka_unit_test(test_all_positions),
        cmocka_unit_test(test_counts),
    };

    return cmocka_run_group_tests(tests, open_pools, close_pools);
}
