/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Each profile of enclave/sandbox.h, from within: a child closes its doors, tries one thing, and
 * ends with the errno of it (0: it worked). What the profile forbids has to kill the child with
 * SIGSYS, be refused by Landlock, or fail as an ordinary error, as the tables say; so has the
 * same from a thread that was started before the doors were closed. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/pool.h"
#include "base/sys.h"
#include "enclave/sandbox.h"

#define KILLED (-1) /* by SIGSYS */
#define SPENT  (-2) /* by the limit of processor time */
#define SKIP   77

#define ATTEMPT_S 20 /* then it hangs */

#define MEMORY_MAX (UINT64_C(96) << 20)

/* What an attempt may use; made before the doors are closed. */
static char folder[] = "/tmp/ketseal-sandbox.XXXXXX";
static char beside[sizeof folder + 16]; /* a file outside the folder */
static int folder_fd = -1;
static int ends[2] = {-1, -1};  /* the child's socket, and its other end */
static int listener = -1;       /* bound and listening on the loopback interface */
static struct sockaddr_in here; /* its address */
static pid_t sleeper;           /* another process, same user */
static long abi;                /* of Landlock */

struct attempt {
    const char *name;
    int (*action)(void); /* 0, or the errno */
    int expected;        /* 0, an errno, KILLED or SPENT */
};

struct call {
    const char *name;
    long number;
};

#define CALL(name)                                                                             \
    {                                                                                          \
        #name, SYS_##name                                                                      \
    }

static int result_of(long value)
{
    return value < 0 ? errno : 0;
}

/* --- children --------------------------------------------------------------------------------
 */

typedef enum ks_err (*profile)(void);

static enum ks_err close_worker(void)
{
    return ks_sandbox_worker(MEMORY_MAX, 1);
}

static enum ks_err close_enclave(void)
{
    return ks_sandbox_enclave(folder_fd);
}

static enum ks_err close_daemon(void)
{
    return ks_sandbox_daemon(&folder_fd, 1);
}

/* One attempt: ACTION, or the bare system call NUMBER with zeros. */
struct try {
    int (*action)(void);
    long number;
    int result;
};

static void run_try(struct try *try)
{
    try->result = try->action != NULL ? try->action()
                                      : result_of(syscall(try->number, 0, 0, 0, 0, 0, 0));
}

/* Of two slices the second is the other thread's. */
static void run_slice(void *context, size_t slice)
{
    if (slice == 1) {
        run_try(context);
    }
}

static int child(profile close_doors, struct try *try, bool in_thread)
{
    struct ks_pool *pool = NULL;

    if (in_thread && ks_pool_new(2, &pool) != KS_OK) {
        return 251;
    }
    if (close_doors() != KS_OK) {
        return 250;
    }
    if (in_thread) {
        ks_pool_run(pool, run_slice, try, 2);
    } else {
        run_try(try);
    }
    return try->result;
}

static int outcome(profile close_doors, struct try try, bool in_thread)
{
    int status = 0;
    pid_t pid = fork();

    assert_true(pid >= 0);
    if (pid == 0) {
        (void)alarm(ATTEMPT_S);
        _exit(child(close_doors, &try, in_thread));
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status)) {
        int number = WTERMSIG(status);

        return number == SIGSYS                         ? KILLED
               : number == SIGXCPU || number == SIGKILL ? SPENT
                                                        : 1000 + number;
    }
    return WEXITSTATUS(status);
}

static void describe(int result, char *out, size_t size)
{
    if (result == KILLED || result == SPENT) {
        (void)snprintf(out, size, "%s", result == KILLED ? "killed" : "out of time");
    } else if (result > 1000) {
        (void)snprintf(out, size, "signal %d", result - 1000);
    } else {
        (void)snprintf(out, size, "%s", result == 0 ? "works" : strerror(result));
    }
}

static unsigned compare(const char *name, const char *where, int found, int expected)
{
    char found_text[64];
    char expected_text[64];

    if (found == expected) {
        return 0;
    }
    describe(found, found_text, sizeof found_text);
    describe(expected, expected_text, sizeof expected_text);
    print_error("%s%s: %s, expected: %s\n", name, where, found_text, expected_text);
    return 1;
}

static unsigned run_attempts(profile close_doors, const struct attempt *attempts, size_t count,
                             bool in_thread)
{
    unsigned failures = 0;

    for (size_t i = 0; i < count; i++) {
        struct try try = {.action = attempts[i].action};

        failures += compare(attempts[i].name, in_thread ? " in a thread" : "",
                            outcome(close_doors, try, in_thread), attempts[i].expected);
    }
    return failures;
}

static unsigned run_calls(profile close_doors, const struct call *calls, size_t count,
                          bool in_thread)
{
    unsigned failures = 0;

    for (size_t i = 0; i < count; i++) {
        struct try try = {.number = calls[i].number};

        failures += compare(calls[i].name, in_thread ? " in a thread" : "",
                            outcome(close_doors, try, in_thread), KILLED);
    }
    return failures;
}

/* --- system calls that no profile has
 * ----------------------------------------------------------- */

static const struct call never[] = {
    CALL(socket),
    CALL(connect),
    CALL(bind),
    CALL(listen),
    CALL(execve),
    CALL(execveat),
#ifdef SYS_fork
    CALL(fork),
    CALL(vfork),
#endif
    CALL(unshare),
    CALL(setns),
    CALL(kill),
    CALL(tkill),
    CALL(rt_sigqueueinfo),
    CALL(rt_tgsigqueueinfo),
    CALL(pidfd_open),
    CALL(pidfd_getfd),
    CALL(pidfd_send_signal),
    CALL(ptrace),
    CALL(process_vm_readv),
    CALL(process_vm_writev),
    CALL(process_madvise),
    CALL(kcmp),
    CALL(perf_event_open),
    CALL(bpf),
    CALL(userfaultfd),
    CALL(io_uring_setup),
    CALL(io_uring_enter),
    CALL(memfd_create),
    CALL(pkey_mprotect),
    CALL(remap_file_pages),
    CALL(shmget),
    CALL(shmat),
    CALL(msgget),
    CALL(semget),
    CALL(mq_open),
    CALL(personality),
    CALL(seccomp),
    CALL(landlock_restrict_self),
    CALL(setrlimit),
    CALL(prlimit64),
    CALL(setuid),
    CALL(setgid),
    CALL(setgroups),
    CALL(capset),
    CALL(chroot),
    CALL(pivot_root),
    CALL(mount),
    CALL(umount2),
    CALL(open_by_handle_at),
    CALL(name_to_handle_at),
    CALL(chdir),
    CALL(fchdir),
    CALL(fchmodat),
    CALL(fchownat),
    CALL(linkat),
    CALL(symlinkat),
    CALL(mknodat),
    CALL(truncate),
    CALL(setxattr),
    CALL(fsetxattr),
    CALL(utimensat),
    CALL(inotify_init1),
    CALL(fanotify_init),
    CALL(keyctl),
    CALL(add_key),
    CALL(request_key),
    CALL(init_module),
    CALL(finit_module),
    CALL(kexec_load),
    CALL(reboot),
    CALL(settimeofday),
    CALL(clock_settime),
    CALL(adjtimex),
    CALL(syslog),
    CALL(acct),
    CALL(quotactl),
    CALL(swapon),
    CALL(openat2),
    CALL(splice),
    CALL(tee),
    CALL(vmsplice),
    CALL(sendmmsg),
    CALL(recvmmsg),
    CALL(sendfile),
    CALL(copy_file_range),
    CALL(getppid),
    CALL(uname),
    CALL(dup),
    CALL(dup3),
    {"a number that no kernel has", 100000},
};

/* What the others have and the worker has not. */
static const struct call never_worker[] = {
    CALL(openat),        CALL(read),     CALL(write),       CALL(readv),
    CALL(writev),        CALL(pread64),  CALL(pwrite64),    CALL(close),
    CALL(fstat),         CALL(lseek),    CALL(fcntl),       CALL(ftruncate),
    CALL(fsync),         CALL(unlinkat), CALL(renameat2),   CALL(recvfrom),
    CALL(sendmsg),       CALL(ppoll),    CALL(getrandom),   CALL(getpid),
    CALL(gettid),        CALL(getuid),   CALL(clone),       CALL(tgkill),
    CALL(prctl),         CALL(accept4),  CALL(epoll_pwait), CALL(eventfd2),
    CALL(socketpair),    CALL(pipe2),    CALL(getdents64),  CALL(getcwd),
    CALL(rt_sigaction),  CALL(ioctl),    CALL(setsockopt),  CALL(sched_getaffinity),
    CALL(timerfd_create),
#ifdef SYS_open
    CALL(open),          CALL(stat),     CALL(readlink),    CALL(unlink),
    CALL(poll),
#endif
};

/* What ketseald has and the enclave has not. */
static const struct call never_enclave[] = {
    CALL(clone),          CALL(tgkill),     CALL(prctl),      CALL(accept),
    CALL(accept4),        CALL(shutdown),   CALL(setsockopt), CALL(getsockopt),
    CALL(epoll_create1),  CALL(epoll_ctl),  CALL(epoll_pwait), CALL(eventfd2),
    CALL(pipe2),          CALL(socketpair), CALL(getdents64), CALL(getcwd),
    CALL(rt_sigaction),   CALL(ioctl),      CALL(faccessat),  CALL(fchown),
    CALL(timerfd_create),
#ifdef SYS_open
    CALL(open),           CALL(stat),       CALL(readlink),   CALL(unlink),
#endif
};

/* --- attempts of all ------------------------------------------------------------------------
 */

static int map_executable(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? errno
               : 0;
}

static int map_plain(void)
{
    return mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) ==
                   MAP_FAILED
               ? errno
               : 0;
}

static int make_executable(void)
{
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return page == MAP_FAILED ? 252 : result_of(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

/* Where clone3 hides its flags the answer is that there is none, for glibc to fall back. */
static int clone_3(void)
{
    return result_of(syscall(SYS_clone3, 0, 0));
}

static int clone_process(void)
{
    return result_of(syscall(SYS_clone, (long)SIGCHLD, 0, 0, 0, 0));
}

static int clone_untraced(void)
{
    return result_of(syscall(SYS_clone, (long)(CLONE_VM | CLONE_FILES | SIGCHLD), 0, 0, 0, 0));
}

#ifdef __x86_64__
/* The same kernel has other entrances, with other numbers for the same calls. */
static int entrance_x32(void)
{
    return result_of(syscall(0x40000000 + SYS_getpid));
}

static int entrance_i386(void)
{
    long value = 20; /* getpid */

    __asm__ volatile("int $0x80" : "+a"(value) : : "memory", "r8", "r9", "r10", "r11");
    return value < 0 ? (int)-value : 0;
}
#endif

#define ATTEMPTS_OF_ALL                                                                        \
    {"mmap", map_plain, 0}, {"mmap of executable memory", map_executable, KILLED},             \
        {"mprotect to executable", make_executable, KILLED}, {"clone3", clone_3, ENOSYS},      \
        {"clone of a process", clone_process, KILLED},                                         \
    {                                                                                          \
        "clone of a process in one address space", clone_untraced, KILLED                      \
    }

static const struct attempt all_attempts[] = {
    ATTEMPTS_OF_ALL,
#ifdef __x86_64__
    {"entrance of x32", entrance_x32, KILLED},
    {"entrance of i386", entrance_i386, KILLED},
#endif
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static unsigned run_common(profile close_doors)
{
    unsigned failures = 0;

    for (int in_thread = 0; in_thread < 2; in_thread++) {
        failures +=
            run_attempts(close_doors, all_attempts, COUNT(all_attempts), in_thread == 1);
        failures += run_calls(close_doors, never, COUNT(never), in_thread == 1);
    }
    return failures;
}

/* --- the worker -----------------------------------------------------------------------------
 */

static int too_much(void)
{
    void *memory = ks_calloc(2, MEMORY_MAX);

    return memory == NULL ? 0 : 253;
}

static int enough(void)
{
    uint8_t *memory = ks_calloc(1, MEMORY_MAX / 8);

    if (memory == NULL) {
        return ENOMEM;
    }
    memory[MEMORY_MAX / 8 - 1] = 1;
    ks_free(memory);
    return 0;
}

static int talk(void)
{
    char text[4] = {0};
    struct iovec vec = {.iov_base = text, .iov_len = sizeof text};
    struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};

    if (recvmsg(ends[0], &message, 0) != sizeof text) {
        return errno;
    }
    return send(ends[0], text, sizeof text, MSG_NOSIGNAL) == sizeof text ? 0 : errno;
}

static int spin(void)
{
    volatile uint64_t turns = 0;

    while (turns < UINT64_MAX) {
        turns++;
    }
    return 0;
}

static const struct attempt worker_attempts[] = {
    {"talking on its socket", talk, 0},
    {"more memory than it may have", too_much, 0},
    {"as much memory as it may have", enough, 0},
};

static const struct attempt worker_end[] = {
    {"computing for ever", spin, SPENT},
};

static void test_worker(void **state)
{
    unsigned failures = run_common(close_worker);

    (void)state;
    for (int in_thread = 0; in_thread < 2; in_thread++) {
        assert_int_equal(write(ends[1], "four", 4), 4);
        failures += run_attempts(close_worker, worker_attempts, COUNT(worker_attempts),
                                 in_thread == 1);
        failures +=
            run_calls(close_worker, never_worker, COUNT(never_worker), in_thread == 1);
    }
    failures += run_attempts(close_worker, worker_end, COUNT(worker_end), true);
    assert_int_equal(failures, 0);
}

/* --- files --------------------------------------------------------------------------------- */

static int open_at(int dir, const char *path, int flags)
{
    int fd = (int)syscall(SYS_openat, dir, path, flags | O_CLOEXEC, 0600);

    return result_of(fd);
}

static int read_outside(void)
{
    return open_at(AT_FDCWD, beside, O_RDONLY);
}

static int write_outside(void)
{
    return open_at(AT_FDCWD, beside, O_WRONLY);
}

static int truncate_outside(void)
{
    return open_at(AT_FDCWD, beside, O_RDONLY | O_TRUNC);
}

static int create_outside(void)
{
    return open_at(AT_FDCWD, "/tmp/ketseal-sandbox-none", O_WRONLY | O_CREAT);
}

static int read_above(void)
{
    return open_at(folder_fd, "../.", O_RDONLY | O_DIRECTORY);
}

static int follow_link(void)
{
    return open_at(folder_fd, "link", O_RDONLY);
}

static int list_root(void)
{
    return open_at(AT_FDCWD, "/", O_RDONLY | O_DIRECTORY);
}

static int read_proc(const char *name)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)sleeper, name);
    return open_at(AT_FDCWD, path, O_RDONLY);
}

static int read_mem(void)
{
    return read_proc("mem");
}

static int read_environ(void)
{
    return read_proc("environ");
}

static int read_own_maps(void)
{
    return open_at(AT_FDCWD, "/proc/self/maps", O_RDONLY);
}

static int open_device(void)
{
    return open_at(AT_FDCWD, "/dev/null", O_RDWR);
}

static int move_out(void)
{
    return result_of(renameat(folder_fd, "inside", AT_FDCWD, "/tmp/ketseal-sandbox-none"));
}

static int move_in(void)
{
    return result_of(renameat(AT_FDCWD, beside, folder_fd, "stolen"));
}

static int remove_outside(void)
{
    return result_of(unlinkat(AT_FDCWD, beside, 0));
}

static int use_inside(void)
{
    int fd = openat(folder_fd, "new", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || pwrite(fd, "text", 4, 0) != 4 || fdatasync(fd) != 0 ||
        ftruncate(fd, 2) != 0 || renameat(folder_fd, "new", folder_fd, "newer") != 0 ||
        unlinkat(folder_fd, "newer", 0) != 0 || fsync(folder_fd) != 0) {
        return errno;
    }
    ks_fd_close(&fd);
    return open_at(folder_fd, "inside", O_RDWR);
}

static int talk_plainly(void)
{
    char text[4];

    if (write(ends[0], "four", 4) != 4 || read(ends[0], text, sizeof text) != sizeof text) {
        return errno;
    }
    return 0;
}

#define FILE_ATTEMPTS                                                                          \
    {"a file outside", read_outside, EACCES}, {"writing outside", write_outside, EACCES},      \
        {"truncating outside", truncate_outside, EACCES},                                      \
        {"a new file outside", create_outside, EACCES},                                        \
        {"the folder above", read_above, EACCES}, {"a link to outside", follow_link, EACCES},  \
        {"listing /", list_root, EACCES}, {"memory of another process", read_mem, EACCES},     \
        {"environment of another process", read_environ, EACCES},                              \
        {"its own map", read_own_maps, EACCES}, {"a device", open_device, EACCES},             \
        {"moving a file out", move_out, EACCES}, {"moving a file in", move_in, EACCES},        \
        {"removing a file outside", remove_outside, EACCES}, {"its own files", use_inside, 0}, \
    {                                                                                          \
        "its socket", talk_plainly, 0                                                          \
    }

static int take_signal_ownership(void)
{
    return result_of(fcntl(ends[0], F_SETOWN, sleeper));
}

static int take_signal_number(void)
{
    return result_of(fcntl(ends[0], F_SETSIG, SIGKILL));
}

static const struct attempt file_attempts[] = {
    FILE_ATTEMPTS,
    {"signals by F_SETOWN", take_signal_ownership, KILLED},
    {"signals by F_SETSIG", take_signal_number, KILLED},
};

static unsigned run_file_attempts(profile close_doors)
{
    unsigned failures = 0;

    for (size_t i = 0; i < COUNT(file_attempts); i++) {
        assert_int_equal(write(ends[1], "four", 4), 4);
        failures += run_attempts(close_doors, &file_attempts[i], 1, false);
        while (recv(ends[0], &(char[8]){0}, 8, MSG_DONTWAIT) > 0) {
        }
        while (recv(ends[1], &(char[8]){0}, 8, MSG_DONTWAIT) > 0) {
        }
    }
    return failures;
}

static void test_enclave(void **state)
{
    unsigned failures = run_common(close_enclave);

    (void)state;
    failures += run_calls(close_enclave, never_enclave, COUNT(never_enclave), false);
    failures += run_file_attempts(close_enclave);
    assert_int_equal(failures, 0);
}

/* --- ketseald ------------------------------------------------------------------------------
 */

static void *nothing(void *argument)
{
    return argument;
}

static int start_thread(void)
{
    pthread_t thread;
    int rc = pthread_create(&thread, NULL, nothing, NULL);

    return rc != 0 ? rc : pthread_join(thread, NULL);
}

static int signal_itself(void)
{
    return result_of(syscall(SYS_tgkill, getpid(), gettid(), 0));
}

static int signal_other(void)
{
    return result_of(syscall(SYS_tgkill, sleeper, sleeper, SIGKILL));
}

static int name_thread(void)
{
    return result_of(syscall(SYS_prctl, 15L /* PR_SET_NAME */, (long)"name", 0, 0, 0));
}

static int become_dumpable(void)
{
    return result_of(syscall(SYS_prctl, 4L /* PR_SET_DUMPABLE */, 1L, 0, 0, 0));
}

static int terminal_input(void)
{
    return result_of(ioctl(ends[0], TIOCSTI, "x"));
}

static int accept_connection(void)
{
    int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

    return fd >= 0 || errno == EAGAIN ? 0 : errno;
}

/* A listening socket that is shut down can connect, and "fast open" connects without connect.
 */
static int connect_fast(void)
{
    if (shutdown(listener, SHUT_RDWR) != 0) {
        return 253;
    }
    return result_of(sendto(listener, "x", 1, MSG_FASTOPEN | MSG_NOSIGNAL,
                            (const struct sockaddr *)&here, sizeof here));
}

static int connect_fast_message(void)
{
    struct iovec vec = {.iov_base = (char[1]){'x'}, .iov_len = 1};
    struct sockaddr_in target = here;
    struct msghdr message = {
        .msg_name = &target, .msg_namelen = sizeof target, .msg_iov = &vec, .msg_iovlen = 1};

    if (shutdown(listener, SHUT_RDWR) != 0) {
        return 253;
    }
    return result_of(sendmsg(listener, &message, MSG_FASTOPEN | MSG_NOSIGNAL));
}

static const struct attempt daemon_attempts[] = {
    {"a thread", start_thread, 0},
    {"a signal to itself", signal_itself, 0},
    {"a signal to another process", signal_other, KILLED},
    {"the name of a thread", name_thread, 0},
    {"prctl otherwise", become_dumpable, KILLED},
    {"ioctl otherwise", terminal_input, KILLED},
    {"accepting", accept_connection, 0},
    {"connecting by fast open", connect_fast, KILLED},
    {"connecting by fast open, as a message", connect_fast_message, KILLED},
};

static void test_daemon(void **state)
{
    unsigned failures = run_common(close_daemon);

    (void)state;
    failures += run_attempts(close_daemon, daemon_attempts, COUNT(daemon_attempts), false);
    failures += run_attempts(close_daemon, daemon_attempts, COUNT(daemon_attempts), true);
    failures += run_file_attempts(close_daemon);
    assert_int_equal(failures, 0);
}

/* --- Landlock alone --------------------------------------------------------------------------
 */

/* The numbers of the system calls keep signals and connections in already; this shows the
 * second wall, where the kernel has it, by another way to the same end. */
static int signal_by_socket(void)
{
    return result_of(kill(sleeper, 0));
}

static void test_other_process_lives(void **state)
{
    (void)state;
    /* No attempt of any profile has ended it. */
    assert_int_equal(signal_by_socket(), 0);
    assert_int_equal(waitpid(sleeper, NULL, WNOHANG), 0);
}

/* --- setting up ------------------------------------------------------------------------------
 */

static int set_up(void **state)
{
    socklen_t len = sizeof here;
    int fd = -1;

    (void)state;
    if (mkdtemp(folder) == NULL || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) {
        return -1;
    }
    (void)snprintf(beside, sizeof beside, "%s.beside", folder);
    folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    fd = open(beside, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ks_fd_close(&fd);
    fd = openat(folder_fd, "inside", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    ks_fd_close(&fd);
    if (symlinkat(beside, folder_fd, "link") != 0) {
        return -1;
    }
    here = (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (bind(listener, (const struct sockaddr *)&here, sizeof here) != 0 ||
        listen(listener, 8) != 0 ||
        getsockname(listener, (struct sockaddr *)&here, &len) != 0) {
        return -1;
    }
    sleeper = fork();
    if (sleeper == 0) {
        for (;;) {
            (void)pause();
        }
    }
    return sleeper > 0 ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    (void)kill(sleeper, SIGKILL);
    (void)waitpid(sleeper, NULL, 0);
    (void)unlinkat(folder_fd, "inside", 0);
    (void)unlinkat(folder_fd, "link", 0);
    (void)unlink(beside);
    (void)rmdir(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker),
        cmocka_unit_test(test_enclave),
        cmocka_unit_test(test_daemon),
        cmocka_unit_test(test_other_process_lives),
    };

    abi = syscall(SYS_landlock_create_ruleset, NULL, 0, 1);
    if (abi < 1) {
        (void)fprintf(stderr, "sandbox: SKIPPED: this kernel has no Landlock\n");
        return SKIP;
    }
    (void)fprintf(stderr, "sandbox: Landlock ABI %ld\n", abi);
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
