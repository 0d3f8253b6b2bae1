/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "integration/machine.h"

static char ca[64];

void machine_new_dir(char target[64])
{
    assert_true(snprintf(target, 64, "/tmp/ketseal-test-XXXXXX") < 64);
    assert_non_null(mkdtemp(target));
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *position)
{
    (void)info;
    (void)kind;
    (void)position;
    return remove(path);
}

void machine_remove_dir(const char *dir)
{
    assert_int_equal(strncmp(dir, "/tmp/ketseal-test-", 18), 0);
    assert_int_equal(nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS), 0);
}

int machine_group_set_up(void **state)
{
    (void)state;
    machine_new_dir(ca);
    return 0;
}

int machine_group_tear_down(void **state)
{
    (void)state;
    machine_remove_dir(ca);
    return 0;
}

const char *machine_ca(void)
{
    return ca;
}

void machine_new(struct machine *machine)
{
    machine_new_dir(machine->root);
    assert_true(snprintf(machine->dir, sizeof machine->dir, "%s/tpm", machine->root) > 0);
}

void machine_boot(struct machine *machine)
{
    int fd = -1;

    if (ks_tpm_make_swtpm(machine->dir, ca) != KS_OK ||
        ks_tpm_start_swtpm(NULL, machine->dir, &fd, &machine->pid) != KS_OK ||
        ks_tpm_open_fd(fd, MACHINE_TIMEOUT_MS, &machine->tpm) != KS_OK) {
        fail_msg("%s", ks_err_detail());
    }
}

void machine_wait_for_exit(pid_t pid)
{
    uint64_t start_us = ks_clock_monotonic_us();
    int status;

    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (ks_clock_monotonic_us() - start_us > MACHINE_EXIT_WAIT_US) {
            (void)kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            fail_msg("swtpm still runs after its socket was closed");
        }
        (void)usleep(1000);
    }
}

void machine_halt(struct machine *machine)
{
    ks_tpm_close(machine->tpm);
    machine->tpm = NULL;
    machine_wait_for_exit(machine->pid);
}

int machine_set_up(void **state)
{
    struct machine *machine = calloc(1, sizeof *machine);

    assert_non_null(machine);
    machine_new(machine);
    machine_boot(machine);
    *state = machine;
    return 0;
}

int machine_tear_down(void **state)
{
    struct machine *machine = *state;

    if (machine->tpm != NULL) {
        machine_halt(machine);
    }
    machine_remove_dir(machine->root);
    free(machine);
    return 0;
}

void assert_ok(enum ks_err err)
{
    if (err != KS_OK) {
        fail_msg("%s: %s (%s)", ks_err_name(err), ks_err_detail(), ks_err_where());
    }
}

void assert_says(enum ks_err err, enum ks_err want, const char *part)
{
    if (err != want) {
        fail_msg("%s (%s), want %s", ks_err_name(err), ks_err_detail(), ks_err_name(want));
    }
    if (strstr(ks_err_detail(), part) == NULL) {
        fail_msg("\"%s\" has no \"%s\"", ks_err_detail(), part);
    }
}
