/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* spawn.h: children that inherit nothing of ours but what they are given: for src/tpm, and for
 * commands that start programs beside themselves. */
#ifndef KS_TPM_SPAWN_H
#define KS_TPM_SPAWN_H

#include <sys/types.h>

#include "base/mem.h"

#define KS_SPAWN_FD 3 /* where the child finds its descriptor */

/* What a child needs, all of it made before the fork. */
struct ks_spawn {
    const char *program; /* an absolute path */
    const char *const *argv;
    const char *const *envp; /* all there is of an environment */
    int fd;                  /* becomes KS_SPAWN_FD; -1: nothing does */
    int log_fd;              /* gets its output and errors; -1: null, and our stderr */
};

/* Runs it in its own process group, to be killed when the calling thread ends; its input is
 * null. Returns when the program is executed, or KS_ERR_IO when it cannot be. */
KS_MUST_CHECK enum ks_err ks_spawn_child(const struct ks_spawn *spawn, pid_t *out_pid);

/* True once PID has ended within GRACE_US, with its wait status in *OUT_STATUS (may be NULL; -1
 * when somebody else has waited for it). */
bool ks_spawn_ended(pid_t pid, uint64_t grace_us, int *out_status);

#endif
