/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Sealing on a real swtpm while each allocation fails in turn: every refusal says so, and
 * leaves no slot of the TPM taken. Exits with 77 (skipped) where there is no swtpm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "fault/fault.h"
#include "integration/machine.h"

#define ALLOCATIONS_MAX 1000
#define MASK            (1u << 14)

static struct machine *machine;

static enum ks_err task_open(void)
{
    enum ks_err err = KS_OK;
    const int copy = dup(ks_tpm_fd(machine->tpm));
    struct ks_tpm *tpm = NULL;

    assert_true(copy >= 0);
    err = ks_tpm_open_fd(copy, MACHINE_TIMEOUT_MS, &tpm);
    assert_int_equal(err == KS_OK, tpm != NULL);
    if (tpm == NULL) {
        (void)close(copy); /* still ours */
    }
    ks_tpm_close(tpm);
    return err;
}

static enum ks_err task_certificate(void)
{
    enum ks_err err = KS_OK;
    struct ks_buf bytes;

    ks_buf_init(&bytes, KS_TPM_CERTIFICATE_MAX);
    KS_TRY(ks_tpm_ek_certificate(machine->tpm, KS_TPM_EK_RSA_2048, &bytes));
    ks_buf_clear(&bytes);
    KS_TRY(ks_tpm_ek_open(machine->tpm, KS_TPM_EK_ECC_P384));
    ks_tpm_ek_public(machine->tpm, &bytes);
    KS_TRY(ks_buf_check(&bytes));
out:
    ks_buf_done(&bytes);
    return err;
}

static enum ks_err task_seal(void)
{
    enum ks_err err = KS_OK;
    const struct ks_tpm_seal_spec spec = {.pcr_mask = MASK};
    struct ks_buf blob;
    uint8_t data[KS_SEALED_DATA_MAX];
    size_t len = 0;

    ks_buf_init(&blob, KS_SEALED_MAX);
    KS_TRY(ks_tpm_seal(machine->tpm, &spec, KS_LITERAL("a seed"), &blob));
    KS_TRY(ks_tpm_unseal(machine->tpm, ks_buf_view(&blob), (struct ks_bytes){NULL, 0}, data,
                         &len));
    assert_int_equal(len, 6);
out:
    assert_true(err == KS_OK || len == 0);
    ks_buf_done(&blob);
    return err;
}

/* False when TASK has fewer than N allocations; else the N-th fails, and then it works. */
static bool refuses_at(enum ks_err (*task)(void), uint64_t n)
{
    ks_fault_fail_alloc_at(n);
    const enum ks_err err = task();
    const bool fired = ks_fault_fired();

    ks_fault_fail_alloc_at(0);
    assert_int_equal(err, fired ? KS_ERR_NOMEM : KS_OK);
    assert_int_equal(task(), KS_OK);
    return fired;
}

static void test_tpm(void **state)
{
    static enum ks_err (*const tasks[])(void) = {task_open, task_certificate, task_seal};

    machine = *state;
    for (size_t i = 0; i < sizeof tasks / sizeof tasks[0]; i++) {
        uint64_t n = 1;

        while (refuses_at(tasks[i], n)) {
            assert_true(++n < ALLOCATIONS_MAX);
        }
        assert_true(n > 2); /* or the faults do not reach what they should */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_tpm, machine_set_up, machine_tear_down),
    };

    if (access(KS_SWTPM_PROGRAM, X_OK) != 0) {
        (void)fprintf(stderr, "SKIPPED: no " KS_SWTPM_PROGRAM ": sealing was not tested\n");
        return 77;
    }
    (void)setenv("TSS2_LOG", "all+none", 1);
    return cmocka_run_group_tests(tests, machine_group_set_up, machine_group_tear_down);
}
