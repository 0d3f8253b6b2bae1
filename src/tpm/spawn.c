/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "tpm/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"

/* What the child sees of it. */
struct plan {
    const struct ks_spawn *spawn;
    int report; /* gets errno when there is nothing to run; close-on-exec */
    pid_t parent;
};

/* Own process group: a terminal's Ctrl-C must not end the TPM before those who use it. Default
 * signals, empty mask: it inherits no habits of ours. */
static bool settle_process(pid_t parent)
{
    const struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (int number = 1; number < NSIG; number++) {
        (void)sigaction(number, &standard, NULL); /* SIGKILL and the like refuse */
    }
    /* A swtpm whose user died between command and answer does not notice the end of its socket
     * (0.7.1); it must not outlive its parent with the lock on the state. */
    return sigemptyset(&none) == 0 && sigprocmask(SIG_SETMASK, &none, NULL) == 0 &&
           setpgid(0, 0) == 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 && getppid() == parent;
}

/* Leaves null, null, stderr, the child's descriptor and the report, nothing else. */
static bool settle_descriptors(const struct ks_spawn *spawn, int *report)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    /* Out of the way of the numbers below, where each may stand. */
    int high_fd = fcntl(spawn->fd >= 0 ? spawn->fd : null, F_DUPFD_CLOEXEC, KS_SPAWN_FD + 2);
    int high_report = fcntl(*report, F_DUPFD_CLOEXEC, KS_SPAWN_FD + 2);
    int high_log =
        fcntl(spawn->log_fd >= 0 ? spawn->log_fd : null, F_DUPFD_CLOEXEC, KS_SPAWN_FD + 2);
    bool done = high_fd >= 0 && high_report >= 0 && high_log >= 0 && dup2(null, 0) == 0 &&
                dup2(high_log, 1) == 1;

    /* Without any stderr its messages would land in whatever file it opens as 2. */
    if (spawn->log_fd >= 0 || fcntl(2, F_GETFD) < 0) {
        done = done && dup2(high_log, 2) == 2;
    }
    done = done && dup2(high_fd, KS_SPAWN_FD) == KS_SPAWN_FD &&
           dup3(high_report, KS_SPAWN_FD + 1, O_CLOEXEC) == KS_SPAWN_FD + 1;
    if (done) {
        *report = KS_SPAWN_FD + 1;
        closefrom(KS_SPAWN_FD + 2);
    }
    return done;
}

/* Between fork and exec: nothing here allocates or takes a lock. POSIX promises that execve
 * writes to neither array; its prototype is older than const. */
static noreturn void become(const struct plan *plan)
{
    int report = plan->report;
    int reason;

    errno = ECHILD; /* of a parent that is gone already */
    if (settle_process(plan->parent) && settle_descriptors(plan->spawn, &report)) {
        (void)execve(plan->spawn->program, (char *const *)(uintptr_t)plan->spawn->argv,
                     (char *const *)(uintptr_t)plan->spawn->envp);
    }
    reason = errno;
    /* Unreported, it looks like a child that ended. */
    (void)!write(report, &reason, sizeof reason);
    _exit(127);
}

enum ks_err ks_spawn_child(const struct ks_spawn *spawn, pid_t *out_pid)
{
    enum ks_err err = KS_OK;
    struct plan plan = {.spawn = spawn, .parent = getpid()};
    int report[2] = {-1, -1};
    int reason = 0;
    ssize_t got;
    pid_t pid;

    KS_CHECK(pipe2(report, O_CLOEXEC) == 0, KS_ERR_IO, "pipe for '%s': %s", spawn->program,
             strerror(errno));
    plan.report = report[1];
    pid = fork();
    KS_CHECK(pid >= 0, KS_ERR_IO, "fork for '%s': %s", spawn->program, strerror(errno));
    if (pid == 0) {
        become(&plan);
    }
    ks_fd_close(&report[1]);
    do {
        got = read(report[0], &reason, sizeof reason);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        (void)waitpid(pid, NULL, 0); /* it is on its way out */
    }
    KS_CHECK(got <= 0, KS_ERR_IO, "start '%s': %s", spawn->program, strerror(reason));
    *out_pid = pid;
out:
    ks_fd_close(&report[0]);
    ks_fd_close(&report[1]);
    return err;
}

bool ks_spawn_ended(pid_t pid, uint64_t grace_us, int *out_status)
{
    const struct timespec step = {.tv_nsec = 1000000};
    int status = -1;
    uint64_t deadline_us = ks_clock_monotonic_us() + grace_us;

    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);

        if (got == pid || (got < 0 && errno != EINTR)) {
            if (out_status != NULL) {
                *out_status = got == pid ? status : -1;
            }
            return true; /* or somebody else has waited for it */
        }
        if (ks_clock_monotonic_us() >= deadline_us) {
            return false;
        }
        (void)nanosleep(&step, NULL);
    }
}
