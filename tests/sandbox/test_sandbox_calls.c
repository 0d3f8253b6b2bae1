/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Every system call that a profile of enclave/sandbox.h does not list, by number, the
 * unassigned ones too: each kills who makes it. What is listed is tried in test_sandbox.c.
 * Exits with 77 where the kernel has no Landlock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "enclave/sandbox.h"

#define CALLS_END     512 /* past the last that any kernel has */
#define ADDRESS_SPACE (UINT64_C(512) << 20)
#define DOORS_OPEN    98
#define SURVIVED      99

/* Of the kernel's own trampolines for probes (uretprobe, uprobe): a kernel that has them lets
 * them by every filter. From anywhere else they do nothing, or kill. */
#ifdef __x86_64__
static bool is_trampoline(int call)
{
    return call == 335 || call == 336;
}
#else
static bool is_trampoline(int call)
{
    (void)call;
    return false;
}
#endif

/* clone3 hides its flags in memory, and is answered ENOSYS: the C library then asks for clone.
 */
static const int compute_calls[] = {
    SYS_brk,           SYS_munmap,         SYS_mremap,          SYS_madvise,
    SYS_mmap,          SYS_mprotect,       SYS_futex,           SYS_sched_yield,
    SYS_rt_sigreturn,  SYS_rt_sigprocmask, SYS_sysinfo,         SYS_exit,
    SYS_clock_gettime, SYS_exit_group,     SYS_restart_syscall, SYS_clone3,
};
static const int worker_calls[] = {SYS_set_robust_list, SYS_rseq, SYS_recvmsg, SYS_sendto,
                                   SYS_getrusage};
static const int worker_fl_calls[] = {SYS_set_robust_list, SYS_rseq,    SYS_recvmsg,
                                      SYS_sendto,          SYS_pread64, SYS_pwrite64,
                                      SYS_ftruncate,       SYS_close};
static const int enclave_calls[] = {
    SYS_openat,  SYS_close,           SYS_lseek,     SYS_fstat,    SYS_newfstatat, SYS_pread64,
    SYS_fsync,   SYS_pwrite64,        SYS_ftruncate, SYS_fchmod,   SYS_fdatasync,  SYS_fcntl,
    SYS_write,   SYS_renameat2,       SYS_renameat,  SYS_unlinkat, SYS_read,       SYS_readv,
    SYS_writev,  SYS_recvmsg,         SYS_recvfrom,  SYS_sendto,   SYS_sendmsg,    SYS_ppoll,
    SYS_getpid,  SYS_getrandom,       SYS_gettid,    SYS_getuid,   SYS_geteuid,    SYS_getgid,
    SYS_getegid, SYS_clock_nanosleep,
#ifdef SYS_poll
    SYS_poll,
#endif
};

static const int adapter_calls[] = {
    SYS_recvmsg, SYS_sendto, SYS_write, SYS_read, SYS_ppoll, SYS_clock_nanosleep, SYS_wait4,
#ifdef SYS_poll
    SYS_poll,
#endif
};
/* Those that get an error instead are among them. */
static const int interpreter_calls[] = {
    SYS_execve,
    SYS_clone,
    SYS_set_robust_list,
    SYS_set_tid_address,
    SYS_rseq,
    SYS_membarrier,
    SYS_getcpu,
    SYS_sched_getaffinity,
    SYS_prctl,
    SYS_sigaltstack,
    SYS_rt_sigaction,
    SYS_openat,
    SYS_close,
    SYS_read,
    SYS_readv,
    SYS_pread64,
    SYS_write,
    SYS_writev,
    SYS_lseek,
    SYS_fstat,
    SYS_newfstatat,
    SYS_statx,
    SYS_faccessat,
    SYS_faccessat2,
    SYS_readlinkat,
    SYS_getdents64,
    SYS_getcwd,
    SYS_dup,
    SYS_dup3,
    SYS_fcntl,
    SYS_ioctl,
    SYS_epoll_create1,
    SYS_ppoll,
    SYS_clock_getres,
    SYS_clock_nanosleep,
    SYS_getrandom,
    SYS_getpid,
    SYS_gettid,
    SYS_getuid,
    SYS_geteuid,
    SYS_getgid,
    SYS_getegid,
    SYS_uname,
    SYS_getrusage,
    SYS_prlimit64,
    SYS_mkdirat,
    SYS_unlinkat,
    SYS_mbind,
    SYS_set_mempolicy,
    SYS_get_mempolicy,
    SYS_socket,
    SYS_statfs,
    SYS_fstatfs,
    SYS_sched_setaffinity,
#ifdef __x86_64__
    SYS_arch_prctl,
    SYS_open,
    SYS_stat,
    SYS_lstat,
    SYS_access,
    SYS_readlink,
    SYS_dup2,
    SYS_poll,
    SYS_mkdir,
    SYS_unlink,
    SYS_rename,
#endif
};

struct profile {
    const char *name;
    const int *calls;
    size_t count;
    enum ks_err (*close_doors)(void);
};

static bool among(int call, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (calls[i] == call) {
            return true;
        }
    }
    return false;
}

static enum ks_err close_worker(void)
{
    return ks_sandbox_worker(ADDRESS_SPACE, 1);
}

static enum ks_err close_worker_fl(void)
{
    return ks_sandbox_worker_fl(ADDRESS_SPACE);
}

static enum ks_err close_adapter(void)
{
    return ks_sandbox_adapter(1);
}

static enum ks_err close_interpreter(void)
{
    const struct ks_sandbox_files files = {.program = "/proc/self/exe"};

    return ks_sandbox_interpreter(&files, ADDRESS_SPACE, 1);
}

static enum ks_err close_enclave(void)
{
    return ks_sandbox_enclave(open("/proc/self", O_PATH | O_DIRECTORY | O_CLOEXEC));
}

/* The wait status of a child that makes CALL, with nothing in its arguments. */
static int make(const struct profile *profile, int call)
{
    int status = 0;
    const pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        if (profile->close_doors() != KS_OK) {
            _exit(DOORS_OPEN);
        }
        (void)syscall(call, 0, 0, 0, 0, 0, 0);
        _exit(SURVIVED);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void try_all(const struct profile *profile)
{
    unsigned survived = 0;
    unsigned killed = 0;

    for (int call = 0; call < CALLS_END; call++) {
        int status = 0;

        if (is_trampoline(call) ||
            among(call, compute_calls, sizeof compute_calls / sizeof compute_calls[0]) ||
            among(call, profile->calls, profile->count)) {
            continue;
        }
        status = make(profile, call);
        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
            killed++;
        } else {
            print_error("%s: call %d: status 0x%x\n", profile->name, call, (unsigned)status);
            survived++;
        }
    }
    assert_int_equal(survived, 0);
    assert_true(killed > 400);
}

static void test_worker(void **state)
{
    const struct profile profile = {"worker", worker_calls,
                                    sizeof worker_calls / sizeof worker_calls[0], close_worker};

    (void)state;
    try_all(&profile);
}

static void test_worker_fl(void **state)
{
    const struct profile profile = {"worker_fl", worker_fl_calls,
                                    sizeof worker_fl_calls / sizeof worker_fl_calls[0],
                                    close_worker_fl};

    (void)state;
    try_all(&profile);
}

static void test_enclave(void **state)
{
    const struct profile profile = {"enclave", enclave_calls,
                                    sizeof enclave_calls / sizeof enclave_calls[0],
                                    close_enclave};

    (void)state;
    try_all(&profile);
}

static void test_adapter(void **state)
{
    const struct profile profile = {"adapter", adapter_calls,
                                    sizeof adapter_calls / sizeof adapter_calls[0],
                                    close_adapter};

    (void)state;
    try_all(&profile);
}

static void test_interpreter(void **state)
{
    const struct profile profile = {"interpreter", interpreter_calls,
                                    sizeof interpreter_calls / sizeof interpreter_calls[0],
                                    close_interpreter};

    (void)state;
    try_all(&profile);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker), cmocka_unit_test(test_worker_fl),
        cmocka_unit_test(test_adapter), cmocka_unit_test(test_interpreter),
        cmocka_unit_test(test_enclave)};

    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1) {
        (void)fprintf(stderr, "SKIPPED: this kernel has no Landlock (%s)\n", strerror(errno));
        return 77;
    }
    return cmocka_run_group_tests_name("sandbox_calls", tests, NULL, NULL);
}
