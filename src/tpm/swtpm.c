/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "tpm/tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/sys.h"

#define CHILD_FD      3      /* where swtpm finds its end of the socketpair */
#define ARGUMENT_MAX  4200   /* PATH_MAX and the option's other letters */
#define STOP_GRACE_US 500000 /* it ends within a few milliseconds, or not at all */
#define KILL_GRACE_US 5000000
_Static_assert(CHILD_FD == 3, "it stands in argv as a literal");

/* The directory exists, is ours, and nobody else can read the TPM's seeds. */
static enum ks_err prepare_state_dir(const char *path)
{
    enum ks_err err = KS_OK;
    struct stat info;

    /* swtpm splits the option at commas: a path with one would smuggle in other options. */
    KS_CHECK(strchr(path, ',') == NULL && path[0] != '\0', KS_ERR_USAGE,
             "TPM state directory '%s': empty, or it has a comma", path);
    KS_TRY(ks_dir_make(path, 0700));
    KS_CHECK(lstat(path, &info) == 0, KS_ERR_IO, "TPM state directory '%s': %s", path,
             strerror(errno));
    KS_CHECK(S_ISDIR(info.st_mode), KS_ERR_DENIED, "TPM state directory '%s': no directory",
             path);
    KS_CHECK(info.st_uid == geteuid() && (info.st_mode & 077) == 0, KS_ERR_DENIED,
             "TPM state directory '%s': must be yours with mode 0700", path);
out:
    return err;
}

/* What the child needs, all of it made before the fork. */
struct plan {
    const char *program;
    char *const *argv;
    char *const *envp;
    int child_end;
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

/* Leaves null, null, stderr, the child's end as CHILD_FD and the report, nothing else. */
static bool settle_descriptors(int child_end, int *report)
{
    /* Out of the way of the numbers below, where each may stand. */
    int high_end = fcntl(child_end, F_DUPFD_CLOEXEC, CHILD_FD + 2);
    int high_report = fcntl(*report, F_DUPFD_CLOEXEC, CHILD_FD + 2);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    bool done = high_end >= 0 && high_report >= 0 && null >= 0 && dup2(null, 0) == 0 &&
                dup2(null, 1) == 1;

    /* Its messages must not land in whatever file it opens as 2. */
    done = done && (fcntl(2, F_GETFD) >= 0 || dup2(null, 2) == 2);
    done = done && dup2(high_end, CHILD_FD) == CHILD_FD &&
           dup3(high_report, CHILD_FD + 1, O_CLOEXEC) == CHILD_FD + 1;
    if (done) {
        *report = CHILD_FD + 1;
        closefrom(CHILD_FD + 2);
    }
    return done;
}

/* Between fork and exec: nothing here allocates or takes a lock. */
static noreturn void become_swtpm(const struct plan *plan)
{
    int report = plan->report;
    int reason;

    errno = ECHILD; /* of a parent that is gone already */
    if (settle_process(plan->parent) && settle_descriptors(plan->child_end, &report)) {
        (void)execve(plan->program, plan->argv, plan->envp);
    }
    reason = errno;
    (void)!write(report, &reason,
                 sizeof reason); /* unreported, it looks like a TPM that ended */
    _exit(127);
}

/* Runs the plan; returns when the program is executed, or is known not to be. */
static enum ks_err spawn(struct plan *plan, pid_t *out_pid)
{
    enum ks_err err = KS_OK;
    int report[2] = {-1, -1};
    int reason = 0;
    ssize_t got;
    pid_t pid;

    plan->parent = getpid();
    KS_CHECK(pipe2(report, O_CLOEXEC) == 0, KS_ERR_IO, "pipe for swtpm: %s", strerror(errno));
    plan->report = report[1];
    pid = fork();
    KS_CHECK(pid >= 0, KS_ERR_IO, "fork for swtpm: %s", strerror(errno));
    if (pid == 0) {
        become_swtpm(plan);
    }
    ks_fd_close(&report[1]);
    do {
        got = read(report[0], &reason, sizeof reason);
    } while (got < 0 && errno == EINTR);
    if (got > 0) {
        (void)waitpid(pid, NULL, 0); /* it is on its way out */
    }
    KS_CHECK(got <= 0, KS_ERR_IO, "start '%s': %s", plan->program, strerror(reason));
    *out_pid = pid;
out:
    ks_fd_close(&report[0]);
    ks_fd_close(&report[1]);
    return err;
}

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
    KS_TRY(prepare_state_dir(state_dir));
    ks_buf_put_format(&state, "dir=%s,mode=0600%c", state_dir, '\0');
    ks_buf_put_format(&log, "file=%s/" KS_SWTPM_LOG ",truncate%c", state_dir, '\0');
    KS_TRY(ks_buf_check(&state));
    KS_TRY(ks_buf_check(&log));
    const char *const argv[] = {
        "swtpm",
        "socket",
        "--tpm2",
        "--fd",
        "3", /* CHILD_FD */
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
    /* POSIX promises not to write to either array; its prototype is older than const. */
    struct plan plan = {
        .program = program != NULL ? program : KS_SWTPM_PROGRAM,
        .argv = (char *const *)(uintptr_t)argv,
        .envp = (char *const *)(uintptr_t)envp,
        .child_end = ends[1],
    };
    KS_TRY(spawn(&plan, &pid));
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

/* True once PID has ended within GRACE_US. */
static bool ended(pid_t pid, uint64_t grace_us)
{
    const struct timespec step = {.tv_nsec = 1000000};
    uint64_t deadline_us = ks_clock_monotonic_us() + grace_us;

    for (;;) {
        pid_t got = waitpid(pid, NULL, WNOHANG);

        if (got == pid || (got < 0 && errno != EINTR)) {
            return true; /* or somebody else has waited for it */
        }
        if (ks_clock_monotonic_us() >= deadline_us) {
            return false;
        }
        (void)nanosleep(&step, NULL);
    }
}

void ks_tpm_stop_swtpm(pid_t pid)
{
    if (pid <= 0 || ended(pid, STOP_GRACE_US)) {
        return;
    }
    (void)kill(pid, SIGTERM);
    if (!ended(pid, STOP_GRACE_US)) {
        (void)kill(pid, SIGKILL);
        (void)ended(pid, KILL_GRACE_US);
    }
}
