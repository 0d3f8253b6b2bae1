/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/sys.h"
#include "enclave/frame.h"
#include "enclave/measure.h"
#include "tpm/extend.h"

#define STOP_GRACE_MS 20000 /* for ketseald to finish what it has accepted */
#define AFTERMATH_MS  2000
#define SETTLE_MS     10000 /* for the enclave to count, once ketseald has ended */
#define WORKER_OVERHEAD                                                                        \
    (UINT64_C(1) << 30) /* address space beside state vectors: program, result */

/* --- children ----------------------------------------------------------------------------- */

struct worker {
    pid_t pid;     /* 0: free slot */
    unsigned kind; /* an SDK, or KS_LAUNCH_FOR_ROUNDS */
};

struct launcher {
    const struct ks_launch_spec *spec;
    struct ks_event_log log;
    bool simulated_tpm;
    uint8_t worker_digest[32];
    struct ks_measured programs;
    int tpm;
    int state;   /* the enclave's directory */
    int signals; /* signalfd */
    struct ks_channel enclave;
    pid_t swtpm_pid;
    pid_t enclave_pid;
    pid_t daemon_pid;
    struct worker workers[KS_LAUNCH_WORKERS_MAX];
    bool stopping;
};

/* In the child: PAIRS lists descriptors to become 3, 4, 5, …; everything else closes on exec.
 * Never returns. */
static void become(const char *path, int program_fd, const int *fds, int count,
                   char *const argv[], pid_t parent)
{
    static char path_env[] = "PATH=/usr/bin:/bin";
    static char tss_env[] = "TSS2_LOG=all+none";
    char *const envp[] = {path_env, tss_env, NULL};
    sigset_t none;

    (void)sigemptyset(&none);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || sigprocmask(SIG_SETMASK, &none, NULL) != 0 ||
        getppid() != parent) { /* it died before the signal was asked for */
        _exit(70);
    }
    /* Out of the way of the targets first, so that no dup2 overwrites a source. */
    int high[8];
    for (int i = 0; i < count; i++) {
        high[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 64);
        if (high[i] < 0) {
            _exit(70);
        }
    }
    if (program_fd >= 0) {
        program_fd = fcntl(program_fd, F_DUPFD_CLOEXEC, 64);
    }
    for (int i = 0; i < count; i++) {
        if (dup2(high[i], 3 + i) < 0) {
            _exit(70);
        }
    }
    if (program_fd >= 0) {
        (void)fexecve(program_fd, argv, envp);
    } else {
        (void)execve(path, argv, envp);
    }
    _exit(70); /* the parent logs the death of the child */
}

static enum ks_err spawn(const char *path, int program_fd, const int *fds, int count,
                         char *const argv[], pid_t *out_pid)
{
    pid_t parent = getpid();
    pid_t pid = fork();

    if (pid < 0) {
        return ks_fail(KS_ERR_IO, "fork for %s: %s", argv[0], strerror(errno));
    }
    if (pid == 0) {
        become(path, program_fd, fds, count, argv, parent);
    }
    *out_pid = pid;
    return KS_OK;
}

static enum ks_err make_pair(int out_ends[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, out_ends) != 0) {
        return ks_fail(KS_ERR_IO, "socketpair: %s", strerror(errno));
    }
    return KS_OK;
}

/* ketseal-worker on the socket FD. */
static enum ks_err spawn_own(struct launcher *launcher, int fd, pid_t *out_pid)
{
    const struct ks_launch_spec *spec = launcher->spec;
    char threads[24];
    char memory[24];
    char seconds[24];
    static char name[] = "ketseal-worker";
    char *argv[] = {name, threads, memory, seconds, NULL};

    (void)snprintf(threads, sizeof threads, "%u", spec->worker_threads);
    /* Two states at most: a trajectory keeps one copy at a split. */
    (void)snprintf(memory, sizeof memory, "%llu",
                   (unsigned long long)(2 * spec->state_memory_max + WORKER_OVERHEAD));
    (void)snprintf(seconds, sizeof seconds, "%llu",
                   (unsigned long long)(spec->job_seconds_max * spec->worker_threads));
    return spawn(NULL, launcher->programs.worker, &fd, 1, argv, out_pid);
}

/* execve takes char *const *, and promises not to write. */
static char *const *as_argv(const char *const *argv)
{
    union {
        const char *const *in;
        char *const *out;
    } cast = {.in = argv};

    return cast.out;
}

/* ketseal-adapter for SDK on the socket FD. */
static enum ks_err spawn_adapter(struct launcher *launcher, enum ks_sdk sdk, int fd,
                                 pid_t *out_pid)
{
    const struct ks_launch_spec *spec = launcher->spec;
    const struct ks_adapter_spec adapter = {
        .sdk = ks_sdk_name(sdk),
        .environment = spec->programs.sdks[sdk].environment,
        .memory_max = spec->adapters.memory_max,
        .seconds_max = spec->job_seconds_max,
    };
    const int fds[] = {
        [KS_ADAPTER_SOCKET_FD - 3] = fd,
        [KS_ADAPTER_SCRIPT_FD - 3] = launcher->programs.scripts[sdk],
    };
    struct ks_adapter_arguments arguments;

    ks_adapter_arguments(&adapter, &arguments);
    return spawn(NULL, launcher->programs.adapter, fds, 2, as_argv(arguments.argv), out_pid);
}

/* ketseal-worker-fl on the socket FD. */
static enum ks_err spawn_for_rounds(struct launcher *launcher, int fd, pid_t *out_pid)
{
    const struct ks_launch_spec *spec = launcher->spec;
    char threads[24];
    char memory[24];
    static char name[] = "ketseal-worker-fl";
    char *argv[] = {name, threads, memory, NULL};

    (void)snprintf(threads, sizeof threads, "%u", spec->worker_threads);
    (void)snprintf(memory, sizeof memory, "%llu", (unsigned long long)spec->fl.memory_max);
    return spawn(NULL, launcher->programs.worker_fl, &fd, 1, argv, out_pid);
}

static enum ks_err spawn_kind(struct launcher *launcher, unsigned kind, int fd, pid_t *out_pid)
{
    switch (kind) {
    case KS_SDK_KETSEAL:
        return spawn_own(launcher, fd, out_pid);
    case KS_LAUNCH_FOR_ROUNDS:
        return spawn_for_rounds(launcher, fd, out_pid);
    default:
        return spawn_adapter(launcher, (enum ks_sdk)kind, fd, out_pid);
    }
}

static enum ks_err spawn_worker(struct launcher *launcher, unsigned kind)
{
    enum ks_err err = KS_OK;
    int ends[2] = {-1, -1};
    uint8_t bytes[5];
    struct ks_buf payload = {.data = bytes, .cap = sizeof bytes, .max = sizeof bytes};
    pid_t pid = -1;
    size_t slot = 0;

    while (slot < KS_LAUNCH_WORKERS_MAX && launcher->workers[slot].pid != 0) {
        slot++;
    }
    KS_ASSERT(slot < KS_LAUNCH_WORKERS_MAX);
    KS_TRY(make_pair(ends));
    KS_TRY(spawn_kind(launcher, kind, ends[1], &pid));
    launcher->workers[slot] = (struct worker){pid, kind};
    ks_buf_put_u32(&payload, (uint32_t)pid);
    ks_buf_put_u8(&payload, (uint8_t)kind);
    err = ks_channel_send_fd(&launcher->enclave, KS_FRAME_WORKER, 0, ks_buf_view(&payload),
                             ends[0]);
    if (err == KS_ERR_IO) { /* the enclave has gone: SIGCHLD tells why */
        ks_fd_close(&launcher->enclave.fd);
        err = KS_OK;
    }
out:
    ks_fd_close(&ends[0]);
    ks_fd_close(&ends[1]);
    return err;
}

/* --- start -------------------------------------------------------------------------------- */

static enum ks_err open_tpm(struct launcher *launcher)
{
    enum ks_err err = KS_OK;
    char path[4096];

    if (launcher->spec->tpm_device != NULL) {
        KS_TRY(ks_tpm_open_device(launcher->spec->tpm_device, &launcher->tpm));
    } else {
        (void)snprintf(path, sizeof path, "%s/tpm", launcher->spec->state_dir);
        KS_TRY(ks_tpm_make_swtpm(path, NULL));
        KS_TRY(ks_tpm_start_swtpm(NULL, path, &launcher->tpm, &launcher->swtpm_pid));
    }
out:
    return err;
}

static enum ks_err measure(struct launcher *launcher)
{
    enum ks_err err = KS_OK;
    const struct ks_launch_spec *spec = launcher->spec;
    struct ks_tpm *tpm = NULL;
    int copy = -1;

    KS_TRY(ks_measure_launch(&spec->programs, &launcher->log, &launcher->programs));
    ks_copy(launcher->worker_digest, ks_event_log_find(&launcher->log, KS_LAUNCH_WORKER),
            sizeof launcher->worker_digest);
    copy = fcntl(launcher->tpm, F_DUPFD_CLOEXEC, 3);
    KS_CHECK(copy >= 0, KS_ERR_IO, "TPM descriptor: %s", strerror(errno));
    KS_TRY(ks_tpm_open_fd(copy, 0, &tpm));
    copy = -1; /* transferred */
    launcher->simulated_tpm = ks_tpm_info(tpm)->kind == KS_TPM_SIMULATED;
    KS_TRY(ks_tpm_extend_log(tpm, spec->state_dir, &launcher->log));
out:
    ks_tpm_close(tpm);
    ks_fd_close(&copy);
    return err;
}

static enum ks_err send_config(struct launcher *launcher)
{
    enum ks_err err = KS_OK;
    const struct ks_launch_spec *spec = launcher->spec;
    struct ks_buf log;
    struct ks_enclave_config config = {
        .origin = ks_bytes_text(spec->origin),
        .root_pem = spec->root_pem,
        .crl_pem = spec->crl_pem,
        .simulated_tpm = launcher->simulated_tpm,
        .workers = spec->workers,
        .state_memory_max = spec->state_memory_max,
        .job_seconds_max = spec->job_seconds_max,
        .devices = spec->devices,
        .rules = spec->rules,
        .alerts = spec->alerts,
        .keys = spec->keys,
        .fl = spec->fl,
    };
    size_t begin = 0;

    ks_buf_init(&log, KS_EVENT_LOG_MAX);
    ks_event_log_write(&launcher->log, &log);
    KS_TRY(ks_buf_check(&log));
    config.event_log = ks_buf_view(&log);
    ks_copy(config.worker_digest, launcher->worker_digest, sizeof config.worker_digest);
    begin = ks_frame_begin(&launcher->enclave.out, KS_FRAME_CONFIG, 0);
    ks_enclave_config_put(&config, &launcher->enclave.out);
    ks_frame_end(&launcher->enclave.out, begin);
    KS_TRY(ks_channel_flush(&launcher->enclave));
    ks_wipe(launcher->enclave.out.data,
            launcher->enclave.out.cap); /* a private key was in it */
out:
    ks_buf_done(&log);
    return err;
}

#define LOCK_TRIES 40 /* of 50 ms: a site that was killed takes a moment to be gone */

/* Opens the enclave's directory and locks it. The enclave inherits the open file, so the lock
 * lasts for as long as one of us lives: two enclaves on one journal would each accept a key. */
static enum ks_err lock_state(struct launcher *launcher)
{
    enum ks_err err = KS_OK;
    const struct timespec pause = {.tv_nsec = 50000000};
    char path[4096];
    int locked = -1;

    (void)snprintf(path, sizeof path, "%s/enclave", launcher->spec->state_dir);
    KS_TRY(ks_dir_make(path, 0700));
    launcher->state = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    KS_CHECK(launcher->state >= 0, KS_ERR_IO, "open '%s': %s", path, strerror(errno));
    for (unsigned i = 0; locked != 0 && i < LOCK_TRIES; i++) {
        locked = flock(launcher->state, LOCK_EX | LOCK_NB);
        if (locked != 0 && errno == EWOULDBLOCK) {
            (void)nanosleep(&pause, NULL);
        }
    }
    KS_CHECK(locked == 0, KS_ERR_CONFLICT, "'%s' is in use by another site", path);
out:
    return err;
}

static unsigned workers_of(const struct ks_launch_spec *spec, enum ks_sdk sdk)
{
    if (sdk == KS_SDK_KETSEAL) {
        return spec->workers;
    }
    return spec->programs.sdks[sdk].script == NULL ? 0 : spec->adapters.count;
}

/* One more than rounds have at once: for an audit, which waits for none of them. */
static unsigned workers_for_rounds(const struct ks_launch_spec *spec)
{
    return spec->fl.workers == 0 ? 0 : spec->fl.workers + 1;
}

static enum ks_err start_enclave(struct launcher *launcher, int daemon_end, int files_end)
{
    enum ks_err err = KS_OK;
    int ends[2] = {-1, -1};
    static char name[] = "ketseal-enclave";
    char *argv[] = {name, NULL};

    KS_TRY(make_pair(ends));
    {
        const int fds[] = {
            [KS_ENCLAVE_LAUNCHER_FD - 3] = ends[1],
            [KS_ENCLAVE_DAEMON_FD - 3] = daemon_end,
            [KS_ENCLAVE_TPM_FD - 3] = launcher->tpm,
            [KS_ENCLAVE_STATE_FD - 3] = launcher->state,
            [KS_ENCLAVE_FILES_FD - 3] = files_end,
        };
        KS_TRY(spawn(NULL, launcher->programs.enclave, fds, 5, argv, &launcher->enclave_pid));
    }
    ks_channel_init(&launcher->enclave, ends[0], "enclave");
    ends[0] = -1; /* transferred */
    /* From here on the TPM is the enclave's alone. */
    ks_fd_close(&launcher->tpm);
    ks_fd_close(&launcher->state);
    KS_TRY(send_config(launcher));
    for (unsigned sdk = 0; sdk < KS_SDK_COUNT; sdk++) {
        for (unsigned i = 0; i < workers_of(launcher->spec, (enum ks_sdk)sdk); i++) {
            KS_TRY(spawn_worker(launcher, sdk));
        }
    }
    for (unsigned i = 0; i < workers_for_rounds(launcher->spec); i++) {
        KS_TRY(spawn_worker(launcher, KS_LAUNCH_FOR_ROUNDS));
    }
out:
    ks_fd_close(&ends[0]);
    ks_fd_close(&ends[1]);
    return err;
}

static enum ks_err start(struct launcher *launcher)
{
    enum ks_err err = KS_OK;
    int ends[2] = {-1, -1};
    int files[2] = {-1, -1};

    KS_TRY(ks_dir_make(launcher->spec->state_dir, 0700));
    KS_TRY(lock_state(launcher));
    KS_TRY(open_tpm(launcher));
    KS_TRY(measure(launcher));
    KS_TRY(make_pair(ends));
    KS_TRY(make_pair(files));
    KS_TRY(start_enclave(launcher, ends[0], files[0]));
    {
        const int fds[] = {
            [KS_DAEMON_ENCLAVE_FD - 3] = ends[1],
            [KS_DAEMON_FILES_FD - 3] = files[1],
        };
        KS_TRY(spawn(launcher->spec->daemon_program, -1, fds, 2,
                     as_argv(launcher->spec->daemon_argv), &launcher->daemon_pid));
    }
out:
    ks_fd_close(&ends[0]);
    ks_fd_close(&ends[1]);
    ks_fd_close(&files[0]);
    ks_fd_close(&files[1]);
    return err;
}

/* --- supervision -------------------------------------------------------------------------- */

static bool forget_worker(struct launcher *launcher, pid_t pid, unsigned *out_kind)
{
    for (size_t i = 0; i < KS_LAUNCH_WORKERS_MAX; i++) {
        if (launcher->workers[i].pid == pid) {
            launcher->workers[i].pid = 0;
            *out_kind = launcher->workers[i].kind;
            return true;
        }
    }
    return false;
}

/* Whether PID ends within PATIENCE_MS. */
static bool ends_within(pid_t pid, unsigned patience_ms, int *out_status)
{
    const struct timespec tick = {.tv_nsec = 10000000};

    for (unsigned i = 0; i < patience_ms / 10; i++) {
        if (waitpid(pid, out_status, WNOHANG) == pid) {
            return true;
        }
        (void)nanosleep(&tick, NULL);
    }
    return false;
}

/* What is left over when one part dies ends at once, but is not always seen in that order. */
static bool ends_soon(pid_t pid, int *out_status)
{
    return ends_within(pid, AFTERMATH_MS, out_status);
}

static bool is_clean(int status)
{
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static enum ks_err end_daemon(struct launcher *launcher, int status, bool *out_done)
{
    launcher->daemon_pid = 0;
    if (!is_clean(status)) {
        return ks_fail(KS_ERR_IO, "ketseald ended unexpectedly (status %d)", status);
    }
    *out_done = true;
    return KS_OK;
}

/* The enclave ends cleanly when ketseald is gone: then that is the cause to tell. */
static enum ks_err end_enclave(struct launcher *launcher, int status, bool *out_done)
{
    enum ks_err err = KS_OK;
    int daemon_status = 0;

    launcher->enclave_pid = 0;
    if (launcher->daemon_pid > 0 && ends_soon(launcher->daemon_pid, &daemon_status)) {
        KS_TRY(end_daemon(launcher, daemon_status, out_done));
    }
    KS_CHECK(is_clean(status) && (launcher->daemon_pid == 0 || launcher->stopping), KS_ERR_IO,
             "the enclave ended unexpectedly (status %d)", status);
out:
    return err;
}

/* Likewise, swtpm ends with the enclave. */
static enum ks_err end_swtpm(struct launcher *launcher, int status, bool *out_done)
{
    enum ks_err err = KS_OK;
    int enclave_status = 0;

    launcher->swtpm_pid = 0;
    if (launcher->enclave_pid > 0 && ends_soon(launcher->enclave_pid, &enclave_status)) {
        KS_TRY(end_enclave(launcher, enclave_status, out_done));
    }
    KS_CHECK(launcher->enclave_pid == 0 || launcher->stopping, KS_ERR_IO,
             "swtpm ended unexpectedly (status %d)", status);
out:
    return err;
}

/* Reaps what has died. *OUT_DONE once ketseald has ended after a stop. */
static enum ks_err reap(struct launcher *launcher, bool *out_done)
{
    enum ks_err err = KS_OK;
    int status = 0;
    pid_t pid = 0;
    unsigned kind = KS_SDK_KETSEAL;

    while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
        if (forget_worker(launcher, pid, &kind)) {
            if (!launcher->stopping && launcher->enclave_pid > 0 && launcher->enclave.fd >= 0) {
                KS_TRY(spawn_worker(launcher, kind));
            }
        } else if (pid == launcher->daemon_pid) {
            KS_TRY(end_daemon(launcher, status, out_done));
        } else if (pid == launcher->enclave_pid) {
            KS_TRY(end_enclave(launcher, status, out_done));
        } else if (pid == launcher->swtpm_pid) {
            KS_TRY(end_swtpm(launcher, status, out_done));
        }
    }
out:
    return err;
}

/* The enclave asks for nothing but the end of a worker of ours. */
static enum ks_err serve_enclave(struct launcher *launcher)
{
    enum ks_err err = KS_OK;
    struct ks_frame frame = {0};
    bool found = true;

    err = ks_channel_fill(&launcher->enclave, NULL);
    if (err == KS_ERR_NOT_FOUND || err == KS_ERR_IO) { /* a reset: it left something unread */
        ks_fd_close(&launcher->enclave.fd);            /* its death is told by SIGCHLD */
        return KS_OK;
    }
    KS_TRY(err);
    for (;;) {
        struct ks_reader reader;
        uint32_t pid = 0;

        KS_TRY(ks_channel_next(&launcher->enclave, &frame, &found));
        if (!found) {
            break;
        }
        reader = ks_reader_of(frame.payload, "enclave");
        KS_CHECK(frame.type == KS_FRAME_KILL, KS_ERR_FORMAT, "enclave: frame of type %u",
                 frame.type);
        KS_TRY(ks_read_u32(&reader, &pid));
        KS_TRY(ks_read_end(&reader));
        for (size_t i = 0; i < KS_LAUNCH_WORKERS_MAX; i++) {
            if (pid != 0 && launcher->workers[i].pid == (pid_t)pid) {
                (void)kill((pid_t)pid, SIGKILL); /* reaped, and replaced, by SIGCHLD */
            }
        }
    }
out:
    return err;
}

static enum ks_err handle_signal(struct launcher *launcher, bool *out_done)
{
    enum ks_err err = KS_OK;
    struct signalfd_siginfo info;

    KS_TRY(ks_fd_read(launcher->signals, &info, sizeof info, "signals"));
    if (info.ssi_signo == SIGCHLD) {
        KS_TRY(reap(launcher, out_done));
    } else if (!launcher->stopping) {
        launcher->stopping = true;
        ks_log_event(KS_LOG_INFO, "site.stopping");
        if (launcher->daemon_pid > 0) {
            (void)kill(launcher->daemon_pid,
                       SIGTERM); /* if it is gone already, SIGCHLD tells */
        }
    }
out:
    return err;
}

static enum ks_err supervise(struct launcher *launcher)
{
    enum ks_err err = KS_OK;
    bool done = false;

    while (!done) {
        struct pollfd fds[] = {
            {.fd = launcher->signals, .events = POLLIN},
            {.fd = launcher->enclave.fd, .events = POLLIN},
        };
        int count = poll(fds, 2, launcher->stopping ? STOP_GRACE_MS : -1);

        KS_CHECK(count >= 0 || errno == EINTR, KS_ERR_IO, "poll: %s", strerror(errno));
        KS_CHECK(count != 0, KS_ERR_IO, "ketseald did not stop within %d ms", STOP_GRACE_MS);
        if ((fds[1].revents & (POLLIN | POLLHUP)) != 0) {
            KS_TRY(serve_enclave(launcher));
        }
        if ((fds[0].revents & POLLIN) != 0) {
            KS_TRY(handle_signal(launcher, &done));
        }
    }
out:
    return err;
}

/* After a clean stop the enclave writes its last epoch; it ends by itself then. */
static void settle_enclave(struct launcher *launcher)
{
    int status = 0;

    if (launcher->enclave_pid > 0 && ends_within(launcher->enclave_pid, SETTLE_MS, &status)) {
        launcher->enclave_pid = 0;
    }
}

static void end_child(pid_t *pid, int signal_number)
{
    if (*pid > 0) {
        if (signal_number != 0) {
            (void)kill(*pid, signal_number);
        }
        while (waitpid(*pid, NULL, 0) < 0 && errno == EINTR) {
        }
        *pid = 0;
    }
}

/* In the order of trust: nobody outlives what it depends on. */
static void stop_all(struct launcher *launcher)
{
    end_child(&launcher->daemon_pid, SIGKILL);
    end_child(&launcher->enclave_pid, SIGKILL);
    for (size_t i = 0; i < KS_LAUNCH_WORKERS_MAX; i++) {
        end_child(&launcher->workers[i].pid, SIGKILL);
    }
    ks_channel_done(&launcher->enclave);
    ks_fd_close(&launcher->tpm);
    if (launcher->swtpm_pid > 0) {
        ks_tpm_stop_swtpm(launcher->swtpm_pid);
        launcher->swtpm_pid = 0;
    }
    ks_measured_close(&launcher->programs);
    ks_fd_close(&launcher->state);
    ks_fd_close(&launcher->signals);
}

enum ks_err ks_launch(const struct ks_launch_spec *spec)
{
    enum ks_err err = KS_OK;
    struct launcher *launcher = ks_calloc(1, sizeof *launcher);
    sigset_t set;
    unsigned workers = 0;

    if (launcher == NULL) {
        return ks_fail(KS_ERR_NOMEM, "launcher");
    }
    launcher->spec = spec;
    launcher->tpm = launcher->state = launcher->signals = -1;
    ks_measured_init(&launcher->programs);
    ks_channel_init(&launcher->enclave, -1, "enclave");
    for (unsigned sdk = 0; sdk < KS_SDK_COUNT; sdk++) {
        workers += workers_of(spec, (enum ks_sdk)sdk);
    }
    workers += workers_for_rounds(spec);
    KS_CHECK(spec->workers >= 1 && workers <= KS_LAUNCH_WORKERS_MAX, KS_ERR_LIMIT,
             "workers: 1 to %d, with the adapters and those of rounds", KS_LAUNCH_WORKERS_MAX);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    KS_CHECK(sigprocmask(SIG_BLOCK, &set, NULL) == 0, KS_ERR_IO, "sigprocmask: %s",
             strerror(errno));
    launcher->signals = signalfd(-1, &set, SFD_CLOEXEC);
    KS_CHECK(launcher->signals >= 0, KS_ERR_IO, "signalfd: %s", strerror(errno));
    KS_TRY(start(launcher));
    ks_log_event(KS_LOG_INFO, "site.launched");
    KS_TRY(supervise(launcher));
    settle_enclave(launcher);
out:
    stop_all(launcher);
    ks_free(launcher);
    return err;
}
