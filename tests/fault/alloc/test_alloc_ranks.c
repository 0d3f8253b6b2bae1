/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Any rank that runs out of memory at any of its allocations ends all of them with the same
 * error, or does without and all have the same counts; none waits, nothing leaks (the sanitizer
 * build looks). */
#include "unit/expect.h"

#include "fault/fault.h"
#include "oracle/rank_threads.h"
#include "oracle/same_counts.h"

#define RANKS           4
#define ALLOCATIONS_MAX 100000

/* Large enough to be divided and exchanged. */
static const char program[] =
    "OPENQASM 2.0; include \"qelib1.inc\"; qreg q[18]; creg c[18];\n"
    "ry(0.3) q; cx q[0],q[17]; measure q[17] -> c[0]; h q; measure q[16] -> c[1]; if (c == 3) "
    "x "
    "q[2];\nry(0.7) q; reset q[15]; rx(0.2) q; h q; measure q -> c;\n";

struct run {
    struct ks_circuit *circuit;
    struct ks_simulate_spec spec;
    struct ks_counts *counts[RANKS];
    struct ks_traffic traffic[RANKS];
    enum ks_err errs[RANKS];
};

static void task(void *context, const struct ks_ranks *ranks)
{
    struct run *run = context;

    run->counts[ranks->rank] = NULL;
    run->errs[ranks->rank] = ks_ranks_simulate(
        run->circuit, &run->spec, ranks, &run->counts[ranks->rank], &run->traffic[ranks->rank]);
}

static void check_run(const struct run *run, const struct ks_counts *want)
{
    for (unsigned i = 0; i < RANKS; i++) {
        assert_int_equal(run->errs[i], run->errs[0]);
        if (run->errs[i] == KS_OK) {
            assert_true(same_counts(run->counts[i], want));
        } else {
            assert_int_equal(run->errs[i], KS_ERR_NOMEM);
        }
        ks_counts_free(run->counts[i]);
    }
}

static void test_each(void **state)
{
    (void)state;
    const struct ks_bytes source = KS_BYTES(program);
    const struct ks_bytes text = ks_bytes_of(source.data, source.len - 1);
    struct run run = {.spec = KS_SIMULATE_SPEC_INIT};
    struct ks_counts *want = NULL;
    uint64_t refused = 0;
    uint64_t n = 1;

    run.spec.method = KS_METHOD_STATEVECTOR;
    run.spec.shots = 20;
    assert_int_equal(ks_circuit_parse(&text, "program", NULL, &run.circuit), KS_OK);
    assert_int_equal(ks_simulate(run.circuit, &run.spec, &want), KS_OK);
    for (;; n++) {
        bool fired = false;

        assert_true(n < ALLOCATIONS_MAX);
        ks_fault_fail_alloc_at(n);
        rank_threads_run(RANKS, 0, task, &run);
        fired = ks_fault_fired();
        ks_fault_fail_alloc_at(0);
        check_run(&run, want);
        refused += run.errs[0] != KS_OK;
        if (!fired) {
            break;
        }
    }
    assert_true(refused > 100);
    ks_counts_free(want);
    ks_circuit_free(run.circuit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_each)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
