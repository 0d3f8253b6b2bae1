/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

#include "enclave/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "enclave/unlisted.h"

/* Constants of newer kernels than the distribution's headers (linux/landlock.h). */
#define LANDLOCK_TRUNCATE      (UINT64_C(1) << 14) /* ABI 3 */
#define LANDLOCK_IOCTL_DEV     (UINT64_C(1) << 15) /* ABI 5 */
#define LANDLOCK_NET_TCP       UINT64_C(3)         /* ABI 4: bind and connect */
#define LANDLOCK_CONNECT       (UINT64_C(1) << 1)  /* ABI 4 */
#define LANDLOCK_NET_PORT      2                   /* ABI 4: the kind of a rule */
#define LANDLOCK_SCOPES        UINT64_C(3)         /* ABI 6: abstract unix sockets, signals */
#define LANDLOCK_SCOPE_SOCKETS UINT64_C(1)

struct landlock_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net;
    uint64_t scoped;
};

struct landlock_port {
    uint64_t allowed_access;
    uint64_t port;
};

/* One row: the call is allowed when (argument & mask) == value; mask 0 allows it whatever it is
 * given. */
struct rule {
    int call;
    unsigned argument;
    uint64_t mask;
    uint64_t value;
    const char *reason;
};

#define WORD UINT64_C(0xffffffff) /* of an argument that the kernel takes as an int */

#define COMPUTE_RULES                                                                          \
    {SCMP_SYS(brk), 0, 0, 0, "memory"}, {SCMP_SYS(munmap), 0, 0, 0, "memory"},                 \
        {SCMP_SYS(mremap), 0, 0, 0, "memory"}, {SCMP_SYS(madvise), 0, 0, 0, "memory"},         \
        {SCMP_SYS(mmap), 2, PROT_EXEC, 0, "memory, never executable"},                         \
        {SCMP_SYS(mprotect), 2, PROT_EXEC, 0, "memory, never executable"},                     \
        {SCMP_SYS(futex), 0, 0, 0, "threads"}, {SCMP_SYS(sched_yield), 0, 0, 0, "threads"},    \
        {SCMP_SYS(rt_sigreturn), 0, 0, 0, "signals"},                                          \
        {SCMP_SYS(rt_sigprocmask), 0, 0, 0, "threads and abort"},                              \
        {SCMP_SYS(clock_gettime), 0, 0, 0, "clocks without vdso"},                             \
        {SCMP_SYS(restart_syscall), 0, 0, 0, "after a stop"},                                  \
        {SCMP_SYS(sysinfo), 0, 0, 0, "memory size, which qsort of the C library asks"},        \
        {SCMP_SYS(exit), 0, 0, 0, "end of a thread"},                                          \
    {                                                                                          \
        SCMP_SYS(exit_group), 0, 0, 0, "end"                                                   \
    }

static const struct rule worker_rules[] = {
    COMPUTE_RULES,
    {SCMP_SYS(set_robust_list), 0, 0, 0, "a thread of the pool that begins only now"},
    {SCMP_SYS(rseq), 0, 0, 0, "a thread of the pool that begins only now"},
    {SCMP_SYS(recvmsg), 0, WORD, KS_WORKER_SOCKET_FD, "its one socket"},
    {SCMP_SYS(sendto), 0, WORD, KS_WORKER_SOCKET_FD, "its one socket"},
    {SCMP_SYS(getrusage), 0, WORD, RUSAGE_SELF, "own time and memory, for the trace"},
};

static const struct rule worker_fl_rules[] = {
    COMPUTE_RULES,
    {SCMP_SYS(set_robust_list), 0, 0, 0, "a thread of the pool that begins only now"},
    {SCMP_SYS(rseq), 0, 0, 0, "a thread of the pool that begins only now"},
    {SCMP_SYS(recvmsg), 0, WORD, KS_WORKER_SOCKET_FD, "its one socket, and descriptors by it"},
    {SCMP_SYS(sendto), 0, WORD, KS_WORKER_SOCKET_FD, "its one socket"},
    {SCMP_SYS(pread64), 0, 0, 0, "files that it was sent"},
    {SCMP_SYS(pwrite64), 0, 0, 0, "files that it was sent"},
    {SCMP_SYS(ftruncate), 0, 0, 0, "files that it was sent"},
    {SCMP_SYS(close), 0, 0, 0, "files that it was sent"},
};

static const struct rule adapter_rules[] = {
    COMPUTE_RULES,
    {SCMP_SYS(recvmsg), 0, WORD, KS_WORKER_SOCKET_FD, "its one socket"},
    {SCMP_SYS(sendto), 0, WORD, KS_WORKER_SOCKET_FD, "its one socket"},
    {SCMP_SYS(write), 0, WORD, KS_ADAPTER_INPUT_FD, "the interpreter's input"},
    {SCMP_SYS(read), 0, WORD, KS_ADAPTER_OUTPUT_FD, "the interpreter's output"},
    {SCMP_SYS(read), 0, WORD, KS_ADAPTER_ERRORS_FD, "the interpreter's complaints"},
    {SCMP_SYS(poll), 0, 0, 0, "waiting"},
    {SCMP_SYS(ppoll), 0, 0, 0, "waiting"},
    {SCMP_SYS(clock_nanosleep), 0, 0, 0, "waiting"},
    {SCMP_SYS(wait4), 0, 0, 0, "the interpreter's end"},
};

/* What CPython, NumPy and the SDKs ask for; Landlock says which files. An interpreter that is
 * taken over may compute and read its own environment, which is what a circuit may do anyway.
 */
static const struct rule interpreter_rules[] = {
    {SCMP_SYS(execve), 0, 0, 0, "the interpreter itself, once; Landlock says what"},
    {SCMP_SYS(mmap), 0, 0, 0, "memory, and shared libraries"},
    {SCMP_SYS(mprotect), 0, 0, 0, "memory, and shared libraries"},
    {SCMP_SYS(brk), 0, 0, 0, "memory"},
    {SCMP_SYS(munmap), 0, 0, 0, "memory"},
    {SCMP_SYS(mremap), 0, 0, 0, "memory"},
    {SCMP_SYS(madvise), 0, 0, 0, "memory"},
    {SCMP_SYS(futex), 0, 0, 0, "threads"},
    {SCMP_SYS(sched_yield), 0, 0, 0, "threads"},
    {SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD, "threads, not processes"},
    {SCMP_SYS(set_robust_list), 0, 0, 0, "threads"},
    {SCMP_SYS(set_tid_address), 0, 0, 0, "threads"},
    {SCMP_SYS(rseq), 0, 0, 0, "threads"},
    {SCMP_SYS(membarrier), 0, 0, 0, "threads"},
    {SCMP_SYS(getcpu), 0, 0, 0, "threads"},
    {SCMP_SYS(sched_getaffinity), 0, 0, 0, "threads"},
    {SCMP_SYS(arch_prctl), 0, 0, 0, "the dynamic linker"},
    {SCMP_SYS(prctl), 0, WORD, PR_SET_NAME, "names of threads"},
    {SCMP_SYS(sigaltstack), 0, 0, 0, "threads"},
    {SCMP_SYS(rt_sigaction), 0, 0, 0, "signals to itself"},
    {SCMP_SYS(rt_sigprocmask), 0, 0, 0, "signals to itself"},
    {SCMP_SYS(rt_sigreturn), 0, 0, 0, "signals to itself"},
    {SCMP_SYS(restart_syscall), 0, 0, 0, "after a stop"},
    {SCMP_SYS(openat), 0, 0, 0, "its environment"},
    {SCMP_SYS(open), 0, 0, 0, "its environment"},
    {SCMP_SYS(close), 0, 0, 0, "descriptors"},
    {SCMP_SYS(read), 0, 0, 0, "its environment, the request"},
    {SCMP_SYS(readv), 0, 0, 0, "its environment"},
    {SCMP_SYS(pread64), 0, 0, 0, "its environment"},
    {SCMP_SYS(write), 0, 0, 0, "the answer"},
    {SCMP_SYS(writev), 0, 0, 0, "the answer"},
    {SCMP_SYS(lseek), 0, 0, 0, "its environment"},
    {SCMP_SYS(fstat), 0, 0, 0, "its environment"},
    {SCMP_SYS(newfstatat), 0, 0, 0, "its environment"},
    {SCMP_SYS(statx), 0, 0, 0, "its environment"},
    {SCMP_SYS(stat), 0, 0, 0, "its environment"},
    {SCMP_SYS(lstat), 0, 0, 0, "its environment"},
    {SCMP_SYS(access), 0, 0, 0, "its environment"},
    {SCMP_SYS(faccessat), 0, 0, 0, "its environment"},
    {SCMP_SYS(faccessat2), 0, 0, 0, "its environment"},
    {SCMP_SYS(readlink), 0, 0, 0, "its environment"},
    {SCMP_SYS(readlinkat), 0, 0, 0, "its environment"},
    {SCMP_SYS(getdents64), 0, 0, 0, "its environment"},
    {SCMP_SYS(getcwd), 0, 0, 0, "its environment"},
    {SCMP_SYS(dup), 0, 0, 0, "descriptors"},
    {SCMP_SYS(dup2), 0, 0, 0, "descriptors"},
    {SCMP_SYS(dup3), 0, 0, 0, "descriptors"},
    {SCMP_SYS(fcntl), 1, WORD, F_GETFD, "flags"},
    {SCMP_SYS(fcntl), 1, WORD, F_SETFD, "flags"},
    {SCMP_SYS(fcntl), 1, WORD, F_GETFL, "flags"},
    {SCMP_SYS(fcntl), 1, WORD, F_SETFL, "flags"},
    {SCMP_SYS(fcntl), 1, WORD, F_DUPFD_CLOEXEC, "copies of own descriptors"},
    {SCMP_SYS(ioctl), 1, WORD, 0x5401, "TCGETS: whether it is a terminal"},
    {SCMP_SYS(ioctl), 1, WORD, 0x5451, "FIOCLEX"},
    {SCMP_SYS(epoll_create1), 0, 0, 0, "imports of asyncio"},
    {SCMP_SYS(poll), 0, 0, 0, "waiting"},
    {SCMP_SYS(ppoll), 0, 0, 0, "waiting"},
    {SCMP_SYS(clock_gettime), 0, 0, 0, "clocks"},
    {SCMP_SYS(clock_getres), 0, 0, 0, "clocks"},
    {SCMP_SYS(clock_nanosleep), 0, 0, 0, "waiting"},
    {SCMP_SYS(getrandom), 0, 0, 0, "hashes of dictionaries"},
    {SCMP_SYS(getpid), 0, 0, 0, "libraries"},
    {SCMP_SYS(gettid), 0, 0, 0, "libraries"},
    {SCMP_SYS(getuid), 0, 0, 0, "libraries"},
    {SCMP_SYS(geteuid), 0, 0, 0, "libraries"},
    {SCMP_SYS(getgid), 0, 0, 0, "libraries"},
    {SCMP_SYS(getegid), 0, 0, 0, "libraries"},
    {SCMP_SYS(uname), 0, 0, 0, "libraries"},
    {SCMP_SYS(sysinfo), 0, 0, 0, "memory size"},
    {SCMP_SYS(getrusage), 0, 0, 0, "own times"},
    {SCMP_SYS(prlimit64), 2, UINT64_MAX, 0, "own limits, to read them"},
    {SCMP_SYS(exit), 0, 0, 0, "end of a thread"},
    {SCMP_SYS(exit_group), 0, 0, 0, "end"},
};

/* Tried by libraries that live without them: folders for what they would keep, places for
 * memory. They get EACCES. */
static const int interpreter_refused[] = {
    SCMP_SYS(mkdir),  SCMP_SYS(mkdirat), SCMP_SYS(unlink),        SCMP_SYS(unlinkat),
    SCMP_SYS(mbind),  SCMP_SYS(rename),  SCMP_SYS(set_mempolicy), SCMP_SYS(get_mempolicy),
    SCMP_SYS(socket), SCMP_SYS(statfs),  SCMP_SYS(fstatfs),       SCMP_SYS(sched_setaffinity),
};

#define FILE_RULES                                                                             \
    {SCMP_SYS(openat), 0, 0, 0, "own state; Landlock says where"},                             \
        {SCMP_SYS(close), 0, 0, 0, "descriptors"}, {SCMP_SYS(lseek), 0, 0, 0, "own files"},    \
        {SCMP_SYS(fstat), 0, 0, 0, "own files"}, {SCMP_SYS(newfstatat), 0, 0, 0, "own files"}, \
        {SCMP_SYS(pread64), 0, 0, 0, "own files"}, {SCMP_SYS(pwrite64), 0, 0, 0, "own files"}, \
        {SCMP_SYS(ftruncate), 0, 0, 0, "own files"}, {SCMP_SYS(fsync), 0, 0, 0, "durability"}, \
        {SCMP_SYS(fdatasync), 0, 0, 0, "durability"},                                          \
        {SCMP_SYS(fchmod), 0, 0, 0, "own files"},                                              \
        {SCMP_SYS(fcntl), 1, WORD, F_GETFD, "flags; not F_SETOWN, which sends signals"},       \
        {SCMP_SYS(fcntl), 1, WORD, F_SETFD, "flags"},                                          \
        {SCMP_SYS(fcntl), 1, WORD, F_GETFL, "flags"},                                          \
        {SCMP_SYS(fcntl), 1, WORD, F_SETFL, "flags"},                                          \
        {SCMP_SYS(fcntl), 1, WORD, F_GETLK, "locks"},                                          \
        {SCMP_SYS(fcntl), 1, WORD, F_SETLK, "locks"},                                          \
        {SCMP_SYS(fcntl), 1, WORD, F_SETLKW, "locks"},                                         \
        {SCMP_SYS(fcntl), 1, WORD, F_DUPFD_CLOEXEC, "copies of own descriptors"},              \
        {SCMP_SYS(renameat), 0, 0, 0, "own files"},                                            \
        {SCMP_SYS(renameat2), 0, 0, 0, "own files"},                                           \
    {                                                                                          \
        SCMP_SYS(unlinkat), 0, 0, 0, "own files"                                               \
    }

#define MESSAGE_RULES                                                                          \
    {SCMP_SYS(read), 0, 0, 0, "sockets, TPM, own files"},                                      \
        {SCMP_SYS(write), 0, 0, 0, "sockets, TPM, log, own files"},                            \
        {SCMP_SYS(readv), 0, 0, 0, "sockets"}, {SCMP_SYS(writev), 0, 0, 0, "sockets"},         \
        {SCMP_SYS(recvmsg), 0, 0, 0, "frames"}, {SCMP_SYS(recvfrom), 0, 0, 0, "sockets"},      \
        {SCMP_SYS(sendto), 3, MSG_FASTOPEN, 0, "frames; no connection by the first send"},     \
        {SCMP_SYS(sendmsg), 2, MSG_FASTOPEN, 0, "frames; no connection by the first send"},    \
        {SCMP_SYS(poll), 0, 0, 0, "waiting"}, {SCMP_SYS(ppoll), 0, 0, 0, "waiting"},           \
        {SCMP_SYS(getrandom), 0, 0, 0, "randomness"},                                          \
        {SCMP_SYS(getpid), 0, 0, 0, "libcrypto"}, {SCMP_SYS(gettid), 0, 0, 0, "libcrypto"},    \
        {SCMP_SYS(clock_nanosleep), 0, 0, 0, "waiting"},                                       \
        {SCMP_SYS(getuid), 0, 0, 0, "libraries"}, {SCMP_SYS(geteuid), 0, 0, 0, "libraries"},   \
        {SCMP_SYS(getgid), 0, 0, 0, "libraries"},                                              \
    {                                                                                          \
        SCMP_SYS(getegid), 0, 0, 0, "libraries"                                                \
    }

static const struct rule enclave_rules[] = {
    COMPUTE_RULES,
    MESSAGE_RULES,
    FILE_RULES,
};

/* CLONE_THREAD must be set; clone3 hides its flags in memory and is answered ENOSYS instead. */
static const struct rule daemon_rules[] = {
    COMPUTE_RULES,
    MESSAGE_RULES,
    FILE_RULES,
    {SCMP_SYS(clone), 0, CLONE_THREAD, CLONE_THREAD, "threads, not processes"},
    {SCMP_SYS(set_robust_list), 0, 0, 0, "threads"},
    {SCMP_SYS(rseq), 0, 0, 0, "threads"},
    {SCMP_SYS(sched_getaffinity), 0, 0, 0, "threads"},
    {SCMP_SYS(prctl), 0, 0xffffffff, PR_SET_NAME, "names of threads"},
    {SCMP_SYS(accept), 0, 0, 0, "connections"},
    {SCMP_SYS(accept4), 0, 0, 0, "connections"},
    {SCMP_SYS(shutdown), 0, 0, 0, "connections"},
    {SCMP_SYS(getsockname), 0, 0, 0, "connections"},
    {SCMP_SYS(getpeername), 0, 0, 0, "connections"},
    {SCMP_SYS(setsockopt), 0, 0, 0, "connections"},
    {SCMP_SYS(getsockopt), 0, 0, 0, "connections"},
    {SCMP_SYS(ioctl), 1, 0xffffffff, 0x541b, "FIONREAD of libevent"},
    {SCMP_SYS(epoll_create1), 0, 0, 0, "event loops"},
    {SCMP_SYS(epoll_ctl), 0, 0, 0, "event loops"},
    {SCMP_SYS(epoll_wait), 0, 0, 0, "event loops"},
    {SCMP_SYS(epoll_pwait), 0, 0, 0, "event loops"},
    {SCMP_SYS(eventfd2), 0, 0, 0, "event loops"},
    {SCMP_SYS(pipe2), 0, 0, 0, "event loops"},
    {SCMP_SYS(timerfd_create), 0, 0, 0, "event loops"},
    {SCMP_SYS(timerfd_settime), 0, 0, 0, "event loops"},
    {SCMP_SYS(socketpair), 1, WORD & ~(uint64_t)(SOCK_CLOEXEC | SOCK_NONBLOCK), SOCK_STREAM,
     "event loops; datagrams would reach every socket file"},
    {SCMP_SYS(rt_sigaction), 0, 0, 0, "stop signals"},
    {SCMP_SYS(sigaltstack), 0, 0, 0, "threads"},
    {SCMP_SYS(getdents64), 0, 0, 0, "own directories"},
    {SCMP_SYS(mkdirat), 0, 0, 0, "folders of the ledger's tiles; Landlock says where"},
    {SCMP_SYS(fadvise64), 0, 0, 0, "tiles are read back from the device"},
    {SCMP_SYS(sync_file_range), 0, 0, 0, "tiles are written together"},
    {SCMP_SYS(access), 0, 0, 0, "SQLite"},
    {SCMP_SYS(faccessat), 0, 0, 0, "SQLite"},
    {SCMP_SYS(faccessat2), 0, 0, 0, "SQLite"},
    {SCMP_SYS(stat), 0, 0, 0, "SQLite"},
    {SCMP_SYS(lstat), 0, 0, 0, "SQLite"},
    {SCMP_SYS(readlink), 0, 0, 0, "SQLite"},
    {SCMP_SYS(open), 0, 0, 0, "SQLite; Landlock says where"},
    {SCMP_SYS(unlink), 0, 0, 0, "SQLite"},
    {SCMP_SYS(fallocate), 0, 0, 0, "SQLite"},
    {SCMP_SYS(fchown), 0, 0, 0, "SQLite"},
    {SCMP_SYS(getcwd), 0, 0, 0, "SQLite"},
};

static int add_rule(scmp_filter_ctx filter, const struct rule *rule)
{
    if (rule->mask == 0) {
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, rule->call, 0);
    }
    return seccomp_rule_add(
        filter, SCMP_ACT_ALLOW, rule->call, 1,
        SCMP_CMP64(rule->argument, SCMP_CMP_MASKED_EQ, rule->mask, rule->value));
}

/* Sockets for TCP and no other, and their connection. Two arguments decide: a stream of another
 * family reaches socket files, another type of the internet's sends without a connection. */
static int add_connect(scmp_filter_ctx filter)
{
    static const uint64_t families[] = {AF_INET, AF_INET6};
    int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(connect), 0);

    for (size_t i = 0; i < sizeof families / sizeof families[0] && result == 0; i++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 3,
                                  SCMP_CMP64(0, SCMP_CMP_MASKED_EQ, WORD, families[i]),
                                  SCMP_CMP64(1, SCMP_CMP_MASKED_EQ,
                                             WORD & ~(uint64_t)(SOCK_CLOEXEC | SOCK_NONBLOCK),
                                             SOCK_STREAM),
                                  SCMP_CMP64(2, SCMP_CMP_MASKED_EQ, WORD, 0));
    }
    return result;
}

/* What is known only when the doors close. */
struct extra {
    const struct rule *rule; /* may be NULL */
    bool connect;
    const int *refused; /* calls that get EACCES */
    size_t refused_count;
};

/* For all threads, those that run already included. */
static enum ks_err load_rules(const struct rule *rules, size_t count, struct extra extra)
{
    enum ks_err err = KS_OK;
    scmp_filter_ctx filter = seccomp_init(ks_sandbox_unlisted);
    int result = 0;

    KS_CHECK(filter != NULL, KS_ERR_NOMEM, "seccomp filter");
    result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    for (size_t i = 0; i < count && result == 0; i++) {
        result = add_rule(filter, &rules[i]);
    }
    if (result == 0 && extra.rule != NULL) {
        result = add_rule(filter, extra.rule);
    }
    if (result == 0 && extra.connect) {
        result = add_connect(filter);
    }
    for (size_t i = 0; i < extra.refused_count && result == 0; i++) {
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EACCES), extra.refused[i], 0);
    }
    /* glibc falls back to clone when clone3 is unknown. */
    if (result == 0) {
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    }
    if (result == 0) {
        result = seccomp_load(filter);
    }
    KS_CHECK(result == 0, KS_ERR_UNAVAILABLE, "seccomp: %s", strerror(-result));
out:
    if (filter != NULL) {
        seccomp_release(filter);
    }
    return err;
}

static long landlock_create(const struct landlock_attr *attr, size_t size, uint32_t flags)
{
    return syscall(SYS_landlock_create_ruleset, attr, size, flags);
}

/* What is left of the file system, and of others. */
struct reach {
    bool signals;       /* to others too, as far as the table lists what sends them */
    const int *dir_fds; /* below these everything but execution */
    size_t dir_count;
    const int *read_fds; /* these folders, and what is below them, to read */
    size_t read_count;
    const int *program_fds; /* these files, to read and to execute */
    size_t program_count;
    const int *sink_fds; /* these files, to read and to write */
    size_t sink_count;
    const uint16_t *ports; /* TCP connections go to these */
    size_t port_count;
};

static enum ks_err allow(int ruleset, const int *fds, size_t count, uint64_t access)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < count; i++) {
        struct landlock_path_beneath_attr beneath = {
            .allowed_access = access,
            .parent_fd = fds[i],
        };

        KS_CHECK(syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &beneath,
                         0) == 0,
                 KS_ERR_UNAVAILABLE, "Landlock: rule for path %zu: %s", i, strerror(errno));
    }
out:
    return err;
}

static enum ks_err allow_ports(int ruleset, const uint16_t *ports, size_t count)
{
    enum ks_err err = KS_OK;

    for (size_t i = 0; i < count; i++) {
        const struct landlock_port port = {LANDLOCK_CONNECT, ports[i]};

        KS_CHECK(syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_NET_PORT, &port, 0) == 0,
                 KS_ERR_UNAVAILABLE, "Landlock: rule for a port: %s", strerror(errno));
    }
out:
    return err;
}

static enum ks_err allow_reach(int ruleset, const struct reach *reach, uint64_t files)
{
    enum ks_err err = KS_OK;

    KS_TRY(allow(ruleset, reach->dir_fds, reach->dir_count,
                 files & ~(uint64_t)LANDLOCK_ACCESS_FS_EXECUTE));
    KS_TRY(allow(ruleset, reach->read_fds, reach->read_count,
                 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR));
    KS_TRY(allow(ruleset, reach->program_fds, reach->program_count,
                 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE));
    KS_TRY(allow(ruleset, reach->sink_fds, reach->sink_count,
                 LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE));
out:
    return err;
}

/* Takes away every file but those of REACH, TCP but connections to its ports, and signals to
 * others, as far as the kernel can. */
static enum ks_err restrict_reach(const struct reach *reach)
{
    enum ks_err err = KS_OK;
    long abi = landlock_create(NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    uint64_t files = (LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1; /* ABI 1: bits 0 to 12 */
    struct landlock_attr attr = {0};
    size_t size = sizeof attr.handled_access_fs;
    int ruleset = -1;

    KS_CHECK(abi >= 1, KS_ERR_UNAVAILABLE,
             "Landlock: %s; this kernel cannot confine the process", strerror(errno));
    if (abi >= 2) {
        files |= LANDLOCK_ACCESS_FS_REFER;
    }
    if (abi >= 3) {
        files |= LANDLOCK_TRUNCATE;
    }
    if (abi >= 4) {
        attr.handled_access_net = LANDLOCK_NET_TCP;
        size = offsetof(struct landlock_attr, scoped);
    }
    if (abi >= 5) {
        files |= LANDLOCK_IOCTL_DEV;
    }
    if (abi >= 6) {
        attr.scoped = reach->signals ? LANDLOCK_SCOPE_SOCKETS : LANDLOCK_SCOPES;
        size = sizeof attr;
    }
    attr.handled_access_fs = files;
    ruleset = (int)landlock_create(&attr, size, 0);
    KS_CHECK(ruleset >= 0, KS_ERR_UNAVAILABLE, "Landlock: %s", strerror(errno));
    KS_TRY(allow_reach(ruleset, reach, files));
    if (attr.handled_access_net != 0) {
        KS_TRY(allow_ports(ruleset, reach->ports, reach->port_count));
    }
    KS_CHECK(syscall(SYS_landlock_restrict_self, ruleset, 0) == 0, KS_ERR_UNAVAILABLE,
             "Landlock: %s", strerror(errno));
out:
    if (ruleset >= 0) {
        (void)close(ruleset); /* nothing was written through it */
    }
    return err;
}

static enum ks_err no_new_privileges(void)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return ks_fail(KS_ERR_UNAVAILABLE, "PR_SET_NO_NEW_PRIVS: %s", strerror(errno));
    }
    return KS_OK;
}

/* Landlock holds for the calling thread and those that it starts: no other may be there. */
static enum ks_err be_alone(void)
{
    struct stat tasks; /* one folder for each thread: links are 2 and their number */

    if (stat("/proc/self/task", &tasks) != 0) {
        return ks_fail(KS_ERR_UNAVAILABLE, "/proc/self/task: %s", strerror(errno));
    }
    if (tasks.st_nlink != 3) {
        return ks_fail(KS_ERR_INTERNAL, "%lu threads run before the doors are closed",
                       (unsigned long)tasks.st_nlink - 2);
    }
    return KS_OK;
}

static enum ks_err limit_from(int resource, const char *name, uint64_t soft, uint64_t hard)
{
    const struct rlimit bound = {.rlim_cur = soft, .rlim_max = hard};

    if (setrlimit((__rlimit_resource_t)resource, &bound) != 0) {
        return ks_fail(KS_ERR_UNAVAILABLE, "limit of %s: %s", name, strerror(errno));
    }
    return KS_OK;
}

static enum ks_err limit(int resource, const char *name, uint64_t value)
{
    return limit_from(resource, name, value, value);
}

enum ks_err ks_sandbox_worker(uint64_t memory_max, uint64_t cpu_s)
{
    enum ks_err err = KS_OK;

    KS_TRY(no_new_privileges());
    KS_TRY(limit(RLIMIT_AS, "memory", memory_max));
    KS_TRY(limit(RLIMIT_CPU, "processor time", cpu_s));
    KS_TRY(limit(RLIMIT_FSIZE, "file size", 0));
    KS_TRY(limit(RLIMIT_CORE, "core dumps", 0));
    KS_TRY(restrict_reach(&(struct reach){0}));
    KS_TRY(limit(RLIMIT_NOFILE, "descriptors", 0));
    KS_TRY(limit(RLIMIT_NPROC, "processes", 0));
    KS_TRY(load_rules(worker_rules, sizeof worker_rules / sizeof worker_rules[0],
                      (struct extra){0}));
out:
    return err;
}

#define ROUND_DESCRIPTORS 16 /* standard ones, socket, five files, one to come */
#define ROUND_FILE_MAX    (UINT64_C(4) << 30) /* bytes: of a checkpoint, of a model */

enum ks_err ks_sandbox_worker_fl(uint64_t memory_max)
{
    enum ks_err err = KS_OK;

    KS_TRY(no_new_privileges());
    KS_TRY(limit(RLIMIT_AS, "memory", memory_max));
    KS_TRY(limit(RLIMIT_FSIZE, "file size", ROUND_FILE_MAX));
    KS_TRY(limit(RLIMIT_CORE, "core dumps", 0));
    KS_TRY(restrict_reach(&(struct reach){0}));
    KS_TRY(limit(RLIMIT_NOFILE, "descriptors", ROUND_DESCRIPTORS));
    KS_TRY(limit(RLIMIT_NPROC, "processes", 0));
    KS_TRY(load_rules(worker_fl_rules, sizeof worker_fl_rules / sizeof worker_fl_rules[0],
                      (struct extra){0}));
out:
    return err;
}

#define ADAPTER_POLLED     3 /* poll(2) takes no more than may be open; below 3 all are */
#define ADAPTER_MEMORY_MAX (UINT64_C(4) << 30) /* a circuit, its text, an answer */

enum ks_err ks_sandbox_adapter(uint64_t cpu_s)
{
    enum ks_err err = KS_OK;

    KS_TRY(be_alone());
    KS_TRY(no_new_privileges());
    KS_TRY(limit(RLIMIT_AS, "memory", ADAPTER_MEMORY_MAX));
    KS_TRY(limit(RLIMIT_CPU, "processor time", cpu_s));
    KS_TRY(limit(RLIMIT_FSIZE, "file size", 0));
    KS_TRY(limit(RLIMIT_CORE, "core dumps", 0));
    /* The interpreter is not of our domain, and the signal at our death has to reach it: no
     * call that sends another is in the table. */
    KS_TRY(restrict_reach(&(struct reach){.signals = true}));
    KS_TRY(limit(RLIMIT_NOFILE, "descriptors", ADAPTER_POLLED));
    KS_TRY(limit(RLIMIT_NPROC, "processes", 0));
    KS_TRY(load_rules(adapter_rules, sizeof adapter_rules / sizeof adapter_rules[0],
                      (struct extra){0}));
out:
    return err;
}

/* Where the system keeps shared libraries, and its linker; how much memory there is, which Aer
 * insists on. What is not there is passed over. */
static const char *const library_paths[] = {"/lib", "/lib64", "/usr/lib", "/usr/lib64"};
static const char *const linker_paths[] = {"/lib64/ld-linux-x86-64.so.2",
                                           "/lib/ld-linux-aarch64.so.1", "/etc/ld.so.cache",
                                           "/proc/meminfo"};
#define PATHS_MAX         16
#define INTERPRETER_FILES 256 /* open at once */

/* Appends PATH's descriptor; an empty path, or one that is absent where that is ALLOWED, none.
 */
static enum ks_err open_path(const char *path, bool allowed, int *fds, size_t *count)
{
    int fd = -1;

    if (path == NULL || path[0] == '\0') {
        return KS_OK;
    }
    fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0 && (!allowed || errno != ENOENT)) {
        return ks_fail(KS_ERR_IO, "%s: %s", path, strerror(errno));
    }
    if (fd >= 0) {
        KS_ASSERT(*count < PATHS_MAX);
        fds[(*count)++] = fd;
    }
    return KS_OK;
}

#define COUNT_OF(array) (sizeof(array) / sizeof(array)[0])

enum ks_err ks_sandbox_interpreter(const struct ks_sandbox_files *files, uint64_t memory_max,
                                   uint64_t cpu_s)
{
    enum ks_err err = KS_OK;
    int folders[PATHS_MAX]; /* close when the program is executed */
    int programs[PATHS_MAX];
    int sinks[PATHS_MAX];
    struct reach reach = {.read_fds = folders, .program_fds = programs, .sink_fds = sinks};

    for (size_t i = 0; i < COUNT_OF(files->folders); i++) {
        KS_TRY(open_path(files->folders[i], false, folders, &reach.read_count));
    }
    for (size_t i = 0; i < COUNT_OF(library_paths); i++) {
        KS_TRY(open_path(library_paths[i], true, folders, &reach.read_count));
    }
    KS_TRY(open_path(files->program, false, programs, &reach.program_count));
    KS_TRY(open_path("/dev/null", false, sinks, &reach.sink_count));
    KS_TRY(open_path(files->runtime, false, programs, &reach.program_count));
    for (size_t i = 0; i < COUNT_OF(linker_paths); i++) {
        KS_TRY(open_path(linker_paths[i], true, programs, &reach.program_count));
    }
    KS_TRY(no_new_privileges());
    KS_TRY(limit(RLIMIT_AS, "memory", memory_max));
    /* SIGXCPU says what it died of; SIGKILL comes a second later. */
    KS_TRY(limit_from(RLIMIT_CPU, "processor time", cpu_s, cpu_s + 1));
    KS_TRY(limit(RLIMIT_FSIZE, "file size", 0));
    KS_TRY(limit(RLIMIT_CORE, "core dumps", 0));
    KS_TRY(limit(RLIMIT_NOFILE, "descriptors", INTERPRETER_FILES));
    KS_TRY(restrict_reach(&reach));
    KS_TRY(load_rules(interpreter_rules, COUNT_OF(interpreter_rules),
                      (struct extra){.refused = interpreter_refused,
                                     .refused_count = COUNT_OF(interpreter_refused)}));
out:
    return err;
}

enum ks_err ks_sandbox_enclave(int state_fd)
{
    enum ks_err err = KS_OK;

    KS_TRY(be_alone());
    KS_TRY(no_new_privileges());
    KS_TRY(limit(RLIMIT_CORE, "core dumps", 0));
    KS_TRY(restrict_reach(&(struct reach){.dir_fds = &state_fd, .dir_count = 1}));
    KS_TRY(load_rules(enclave_rules, sizeof enclave_rules / sizeof enclave_rules[0],
                      (struct extra){0}));
out:
    return err;
}

enum ks_err ks_sandbox_daemon(const int *dir_fds, size_t count, const uint16_t *ports,
                              size_t port_count)
{
    enum ks_err err = KS_OK;
    const struct rule own_threads = {SCMP_SYS(tgkill), 0, WORD, (uint64_t)getpid(),
                                     "abort and signals to own threads"};

    KS_TRY(be_alone());
    KS_TRY(no_new_privileges());
    KS_TRY(limit(RLIMIT_CORE, "core dumps", 0));
    KS_TRY(restrict_reach(&(struct reach){
        .dir_fds = dir_fds, .dir_count = count, .ports = ports, .port_count = port_count}));
    KS_TRY(load_rules(daemon_rules, sizeof daemon_rules / sizeof daemon_rules[0],
                      (struct extra){.rule = &own_threads, .connect = port_count > 0}));
out:
    return err;
}
