/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* machine.h: a swtpm of its own for each test, all certified by one CA. Include after cmocka.
 */
#ifndef KS_TESTS_INTEGRATION_MACHINE_H
#define KS_TESTS_INTEGRATION_MACHINE_H

#include <sys/types.h>

#include "tpm/tpm.h"

#define MACHINE_TIMEOUT_MS   5000
#define MACHINE_EXIT_WAIT_US 5000000

struct machine {
    char root[64]; /* scratch, removed at the end */
    char dir[80];  /* the TPM's state, inside */
    pid_t pid;
    struct ks_tpm *tpm;
};

/* The CA, from machine_group_set_up to machine_group_tear_down. */
int machine_group_set_up(void **state);
int machine_group_tear_down(void **state);
const char *machine_ca(void);

/* A machine that runs, as *STATE. */
int machine_set_up(void **state);
int machine_tear_down(void **state);

void machine_new_dir(char target[64]);
void machine_remove_dir(const char *dir);
void machine_new(struct machine *machine); /* with directories, not running */
void machine_boot(struct machine *machine);
void machine_halt(struct machine *machine);
/* swtpm must end by itself once nobody holds the socket. */
void machine_wait_for_exit(pid_t pid);

void assert_ok(enum ks_err err);
void assert_says(enum ks_err err, enum ks_err want, const char *part);

#endif
