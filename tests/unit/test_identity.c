/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The same bits from all kernels of this CPU and one to eight threads: states and counts of ten
 * thousand random circuits, and of some whose states are passed through tiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "oracle/random_circuit.h"
#include "quantum/simulate.h"

#ifdef __SANITIZE_ADDRESS__
#define CIRCUITS 400
#else
#define CIRCUITS 10000
#endif
#define THREADS_MAX 8
#define LARGE       24

#define OK(call) assert_int_equal((call), KS_OK)

static struct ks_pool *pools[THREADS_MAX]; /* of 1, 2, … threads */

static int make_pools(void **state)
{
    (void)state;
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        OK(ks_pool_new(i + 1, &pools[i]));
    }
    return 0;
}

static int free_pools(void **state)
{
    (void)state;
    for (unsigned i = 0; i < THREADS_MAX; i++) {
        ks_pool_free(pools[i]);
    }
    return 0;
}

static void run_state(const struct ks_circuit *circuit, const char *kernels,
                      enum ks_precision precision, unsigned threads, struct ks_state *out)
{
    const struct ks_kernels *found = NULL;

    OK(ks_kernels_find(kernels, precision, &found));
    ks_state_init(out, found, pools[threads - 1]);
    OK(ks_simulate_state(circuit, out));
}

static void assert_same_state(const struct ks_state *a, const struct ks_state *b)
{
    const size_t size =
        a->kernels->precision == KS_PRECISION_DOUBLE ? sizeof(double) : sizeof(float);

    assert_int_equal(a->slot_count, b->slot_count);
    assert_memory_equal(a->re, b->re, size << a->slot_count);
    assert_memory_equal(a->im, b->im, size << a->slot_count);
}

static void assert_same_counts(const struct ks_counts *a, const struct ks_counts *b)
{
    assert_int_equal(ks_counts_size(a), ks_counts_size(b));
    for (size_t i = 0; i < ks_counts_size(a); i++) {
        assert_string_equal(ks_counts_outcome(a, i), ks_counts_outcome(b, i));
        assert_int_equal(ks_counts_count(a, i), ks_counts_count(b, i));
    }
}

/* Each set of kernels against scalar on one thread, with THREADS and then more. */
static void check_state(const struct ks_circuit *circuit, enum ks_precision precision,
                        unsigned threads)
{
    struct ks_state want;

    run_state(circuit, "scalar", precision, 1, &want);
    for (const struct ks_kernel_set *set = ks_kernel_sets; set->name != NULL; set++) {
        struct ks_state got;

        if (set->usable()) {
            run_state(circuit, set->name, precision, threads, &got);
            assert_same_state(&got, &want);
            ks_state_done(&got);
            threads = threads % THREADS_MAX + 1;
        }
    }
    ks_state_done(&want);
}

static void check_counts(const struct ks_circuit *circuit, enum ks_precision precision,
                         unsigned threads, uint64_t seed)
{
    struct ks_simulate_spec spec = KS_SIMULATE_SPEC_INIT;
    struct ks_counts *want = NULL;

    spec.precision = precision;
    spec.method = KS_METHOD_STATEVECTOR;
    spec.seed = seed;
    spec.shots = 20;
    spec.kernels = "scalar";
    OK(ks_simulate(circuit, &spec, &want));
    for (const struct ks_kernel_set *set = ks_kernel_sets; set->name != NULL; set++) {
        struct ks_counts *got = NULL;

        if (set->usable()) {
            spec.kernels = set->name;
            spec.pool = pools[threads - 1];
            OK(ks_simulate(circuit, &spec, &got));
            assert_same_counts(got, want);
            ks_counts_free(got);
            threads = threads % THREADS_MAX + 1;
        }
    }
    ks_counts_free(want);
}

static void test_random(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= CIRCUITS; seed++) {
        const bool counted = seed % 4 == 0;
        const struct random_spec spec = {.seed = seed,
                                         .qubits = 2 + (uint32_t)(seed % 8),
                                         .gates = 10 + (uint32_t)(seed / 8 % 50),
                                         .middles = counted ? 2 : 0,
                                         .clbits = counted ? 5 : 0};
        const enum ks_precision precision =
            seed / 8 % 2 == 0 ? KS_PRECISION_DOUBLE : KS_PRECISION_SINGLE;
        const unsigned threads = 1 + (unsigned)(seed / 3 % THREADS_MAX);
        struct ks_circuit *circuit = random_circuit(&spec);

        if (counted) {
            check_counts(circuit, precision, threads, seed);
        } else {
            check_state(circuit, precision, threads);
        }
        ks_circuit_free(circuit);
    }
}

/* More slots than a tile has: passes over tiles, moves of bits, slots that grow in them, chains
 * of groups and phase tables that take in phases of later gates. */
static void test_tiles(void **state)
{
    static const char *const names[] = {"hea", "rqc", "qft"};

    (void)state;
    for (unsigned i = 0; i < LARGE; i++) {
        const struct ks_template_spec template = {.version = 1,
                                                  .name = names[i % 3],
                                                  .qubits = 18 + i % 2,
                                                  .depth = 2 + i % 5,
                                                  .seed = i};
        const struct random_spec random = {.seed = i, .qubits = 18, .gates = 60 + 40 * (i / 4)};
        struct ks_circuit *circuit = NULL;

        if (i % 4 == 3) {
            circuit = random_circuit(&random);
            check_state(circuit, i % 8 == 3 ? KS_PRECISION_DOUBLE : KS_PRECISION_SINGLE,
                        2 + i / 4);
        } else {
            OK(ks_circuit_template(&template, NULL, &circuit));
            check_counts(circuit, i % 2 == 0 ? KS_PRECISION_DOUBLE : KS_PRECISION_SINGLE,
                         1 + i % THREADS_MAX, i);
        }
        ks_circuit_free(circuit);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_tiles),
    };

    return cmocka_run_group_tests(tests, make_pools, free_pools);
}
