/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "tpm/tpm.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>

#include "base/sys.h"
#include "tpm/spawn.h"

#define ARGUMENT_MAX  4200   /* PATH_MAX and the option's other letters */
#define STOP_GRACE_US 500000 /* it ends within a few milliseconds, or not at all */
#define KILL_GRACE_US 5000000
_Static_assert(KS_SPAWN_FD == 3, "it stands in argv as a literal");

enum ks_err ks_tpm_start_swtpm(const char *program, const char *state_dir, int *out_fd,
                               pid_t *out_pid)
{
    enum ks_err err = KS_OK;
    int ends[2] = {-1, -1};
    pid_t pid = -1;
    struct ks_buf state;
    struct ks_buf log;
    /* Nothing of ours: no loader path, no library's debug switch. */
    const char *const envp[] = {"PATH=/usr/bin:/bin", "LC_ALL=C", NULL};

    ks_buf_init(&state, ARGUMENT_MAX);
    ks_buf_init(&log, ARGUMENT_MAX);
    KS_TRY(ks_tpm_make_swtpm(state_dir, NULL));
    ks_buf_put_format(&state, "dir=%s,mode=0600%c", state_dir, '\0');
    ks_buf_put_format(&log, "file=%s/" KS_SWTPM_LOG ",truncate%c", state_dir, '\0');
    KS_TRY(ks_buf_check(&state));
    KS_TRY(ks_buf_check(&log));
    const char *const argv[] = {
        "swtpm",
        "socket",
        "--tpm2",
        "--fd",
        "3", /* KS_SPAWN_FD */
        "--flags",
        "not-need-init,startup-clear",
        "--tpmstate",
        (const char *)state.data,
        "--log",
        (const char *)log.data, /* else it reports each connection's end on stderr */
        "-t",                   /* end with the connection */
        NULL,
    };
    KS_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0, KS_ERR_IO,
             "socketpair for swtpm: %s", strerror(errno));
    const struct ks_spawn child = {
        .program = program != NULL ? program : KS_SWTPM_PROGRAM,
        .argv = argv,
        .envp = envp,
        .fd = ends[1],
        .log_fd = -1,
    };
    KS_TRY(ks_spawn_child(&child, &pid));
    *out_fd = ends[0];
    *out_pid = pid;
    ends[0] = -1;
out:
    ks_fd_close(&ends[0]);
    ks_fd_close(&ends[1]);
    ks_buf_done(&state);
    ks_buf_done(&log);
    return err;
}

void ks_tpm_stop_swtpm(pid_t pid)
{
    if (pid <= 0 || ks_spawn_ended(pid, STOP_GRACE_US, NULL)) {
        return;
    }
    (void)kill(pid, SIGTERM);
    if (!ks_spawn_ended(pid, STOP_GRACE_US, NULL)) {
        (void)kill(pid, SIGKILL);
        (void)ks_spawn_ended(pid, KILL_GRACE_US, NULL);
    }
}
