/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* Each profile of enclave/sandbox.h from inside: a child closes its doors and tries one thing.
 * What is forbidden kills it (SIGSYS) or is refused with the errno that the table names; what
 * its work needs, works. Exits with 77 where the kernel has no Landlock. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "attempts.h"

#define SANDBOX_WENT_WRONG 99

/* --- running them ------------------------------------------------------------------------- */

enum profile { WORKER, WORKER_FL, ENCLAVE, DAEMON, RELAY }; /* a ketseald with a key manager */

static enum ks_err close_doors(enum profile profile)
{
    enum ks_err err = KS_OK;

    switch (profile) {
    case WORKER:
        given.main = pthread_self();
        KS_TRY(ks_pool_new(3, &given.pool));
        KS_TRY(ks_sandbox_worker(ADDRESS_SPACE, 1));
        break;
    case WORKER_FL:
        given.main = pthread_self();
        KS_TRY(ks_pool_new(3, &given.pool));
        KS_TRY(ks_sandbox_worker_fl(ADDRESS_SPACE));
        break;
    case ENCLAVE:
        KS_TRY(ks_sandbox_enclave(given.own_fd));
        break;
    case RELAY:
        KS_TRY(ks_sandbox_daemon(&given.own_fd, 1,
                                 &(uint16_t){ntohs(given.peer_address.sin_port)}, 1));
        break;
    default:
        KS_TRY(ks_sandbox_daemon(&given.own_fd, 1, NULL, 0));
        break;
    }
out:
    return err;
}

/* One byte to the child, and a file as often as no profile may have it. */
static void send_files(void)
{
    char byte = '?';
    int fds[FILES_SENT];
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(sizeof fds)];
    } control = {.room = {0}};
    struct iovec vec = {.iov_base = &byte, .iov_len = 1};
    const struct msghdr message = {.msg_iov = &vec,
                                   .msg_iovlen = 1,
                                   .msg_control = &control,
                                   .msg_controllen = sizeof control};

    for (size_t i = 0; i < FILES_SENT; i++) {
        fds[i] = given.file;
    }
    control.header.cmsg_level = SOL_SOCKET;
    control.header.cmsg_type = SCM_RIGHTS;
    control.header.cmsg_len = CMSG_LEN(sizeof fds);
    (void)memcpy(CMSG_DATA(&control.header), fds, sizeof fds);
    assert_int_equal(sendmsg(given.pair[1], &message, 0), 1);
}

/* The wait status of a child that closes its doors and makes ATTEMPT. */
static int run(enum profile profile, int (*attempt)(void))
{
    int status = 0;
    pid_t pid = -1;
    char byte = 0;

    send_files();
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (dup2(given.pair[0], KS_WORKER_SOCKET_FD) != KS_WORKER_SOCKET_FD ||
            close_doors(profile) != KS_OK) {
            _exit(SANDBOX_WENT_WRONG);
        }
        (void)syscall(SYS_exit_group, attempt());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SANDBOX_WENT_WRONG) {
        fail_msg("the doors do not close");
    }
    while (recv(given.pair[0], &byte, 1, MSG_DONTWAIT) == 1) { /* what it did not take */
    }
    return status;
}

#define KILLED    (-1) /* by SIGSYS */
#define TIMED_OUT (-2) /* killed for its processor time */

struct attempt {
    const char *name;
    int (*run)(void);
    int want; /* KILLED, TIMED_OUT, 0 or an errno */
};
#define TRY(name, want)                                                                        \
    {                                                                                          \
#name, try_##name, want                                                                \
    }

static void run_all(enum profile profile, const struct attempt *attempts, size_t count)
{
    unsigned failed = 0;

    for (size_t i = 0; i < count; i++) {
        const int status = run(profile, attempts[i].run);
        int got = WIFEXITED(status) ? WEXITSTATUS(status) : -1000 - WTERMSIG(status);

        if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS) {
            got = KILLED;
        } else if (WIFSIGNALED(status) &&
                   (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU)) {
            got = TIMED_OUT;
        }
        if (got != attempts[i].want) {
            print_error("%s: got %d (%s), want %d\n", attempts[i].name, got,
                        got > 0 ? strerror(got) : "", attempts[i].want);
            failed++;
        }
    }
    assert_int_equal(failed, 0);
}

#define RUN_ALL(profile, attempts)                                                             \
    run_all((profile), (attempts), sizeof(attempts) / sizeof(attempts)[0])

/* Nobody may do these. */
#define FORBIDDEN_TO_ALL TRY(socket, KILLED), TRY(connect, KILLED), FORBIDDEN_TO_RELAYS

#define FORBIDDEN_TO_RELAYS                                                                    \
    TRY(socket_unix, KILLED), TRY(socket_datagram, KILLED), TRY(socket_mptcp, KILLED),         \
        TRY(bind, KILLED), TRY(listen, KILLED), TRY(exec, KILLED), TRY(exec_at, KILLED),       \
        TRY(fork, KILLED), TRY(vfork, KILLED), TRY(clone3, ENOSYS), TRY(kill, KILLED),         \
        TRY(tgkill, KILLED), TRY(tkill, KILLED), TRY(sigqueue, KILLED),                        \
        TRY(set_owner, KILLED), TRY(set_owner_ex, KILLED), TRY(ptrace, KILLED),                \
        TRY(read_memory, KILLED), TRY(write_memory, KILLED), TRY(pidfd, KILLED),               \
        TRY(map_exec, KILLED), TRY(map_write_exec, KILLED), TRY(protect_exec, KILLED),         \
        TRY(pkey_protect_exec, KILLED), TRY(personality, KILLED), TRY(memfd, KILLED),          \
        TRY(io_uring, KILLED), TRY(bpf, KILLED), TRY(keyctl, KILLED),                          \
        TRY(prctl_dumpable, KILLED), TRY(rlimit, KILLED), TRY(terminal, KILLED),               \
        TRY(hard_link, KILLED), TRY(symlink, KILLED), TRY(chdir, KILLED), TRY(chroot, KILLED), \
        TRY(mount, KILLED), TRY(unshare, KILLED), TRY(datagram_pair, KILLED),                  \
        TRY(fast_open_sendto, KILLED), TRY(fast_open_sendmsg, KILLED)

/* Both workers: they compute, and have one socket. */
#define OF_WORKERS                                                                             \
    FORBIDDEN_TO_ALL, TRY(read_own, KILLED), TRY(make_own, KILLED), TRY(read_other, KILLED),   \
        TRY(write_other, KILLED), TRY(proc_mem, KILLED), TRY(proc_status, KILLED),             \
        TRY(device, KILLED), TRY(thread, KILLED), TRY(stream_pair, KILLED),                    \
        TRY(read_fd, KILLED), TRY(write_fd, KILLED), TRY(send_other, KILLED),                  \
        TRY(receive_other, KILLED), TRY(open_in_pool_thread, KILLED),                          \
        TRY(socket_in_pool_thread, KILLED), TRY(memory_over_limit, ENOMEM), TRY(nothing, 0),   \
        TRY(own_socket, 0), TRY(compute, 0), TRY(map_plain, 0), TRY(memory_below_limit, 0)

static void test_worker(void **state)
{
    static const struct attempt attempts[] = {
        OF_WORKERS,
        TRY(time_over_limit, TIMED_OUT),
        TRY(files_arrive, EMFILE),
        TRY(use_file, KILLED),
    };

    (void)state;
    RUN_ALL(WORKER, attempts);
}

static void test_worker_fl(void **state)
{
    static const struct attempt attempts[] = {
        OF_WORKERS,
        TRY(files_arrive, 0),
        TRY(use_file, 0),
        TRY(file_over_limit, EFBIG),
        TRY(file_grows_over_limit, EFBIG),
    };

    (void)state;
    RUN_ALL(WORKER_FL, attempts);
}

/* Whether a thread of the pool has run before the doors close, or begins behind them. */
static void test_worker_threads(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 40; i++) {
        assert_int_equal(run(WORKER, try_compute), 0);
        assert_int_equal(run(WORKER_FL, try_compute), 0);
    }
}

/* Landlock keeps root out too. */
#define FILES_OF_OTHERS                                                                        \
    TRY(read_other, EACCES), TRY(write_other, EACCES), TRY(truncate_other, EACCES),            \
        TRY(make_other, EACCES), TRY(follow_link, EACCES), TRY(dot_dot, EACCES),               \
        TRY(list_other, EACCES), TRY(proc_mem, EACCES), TRY(proc_status, EACCES),              \
        TRY(proc_victim, EACCES), TRY(device, EACCES), TRY(unlink_other, EACCES)

#define OWN_FILES                                                                              \
    TRY(read_own, 0), TRY(make_own, 0), TRY(replace_own, 0), TRY(locks, 0), TRY(nothing, 0),   \
        TRY(map_plain, 0), TRY(read_fd, 0), TRY(write_fd, 0)

/* A rename across directories: refused by Landlock as a missing right or as another device. */
static void assert_not_moved(enum profile profile)
{
    const int status = run(profile, try_move_in);

    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == EACCES || WEXITSTATUS(status) == EXDEV);
}

static void test_enclave(void **state)
{
    static const struct attempt attempts[] = {
        FORBIDDEN_TO_ALL,    FILES_OF_OTHERS,          OWN_FILES,
        TRY(thread, KILLED), TRY(stream_pair, KILLED),
    };

    (void)state;
    RUN_ALL(ENCLAVE, attempts);
    assert_not_moved(ENCLAVE);
}

static void test_daemon(void **state)
{
    static const struct attempt attempts[] = {
        FORBIDDEN_TO_ALL,   FILES_OF_OTHERS,     OWN_FILES,          TRY(thread, 0),
        TRY(event_loop, 0), TRY(stream_pair, 0), TRY(tgkill_own, 0), TRY(waiting_bytes, 0),
    };

    (void)state;
    RUN_ALL(DAEMON, attempts);
    assert_not_moved(DAEMON);
}

/* One that has a key manager: TCP to that port, and nothing else more. */
static void test_relay(void **state)
{
    static const struct attempt attempts[] = {
        FORBIDDEN_TO_RELAYS, FILES_OF_OTHERS,    OWN_FILES,
        TRY(thread, 0),      TRY(event_loop, 0), TRY(connect_manager, 0),
    };

    (void)state;
    RUN_ALL(RELAY, attempts);
    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) >= 4) {
        static const struct attempt by_port[] = {TRY(connect_other_port, EACCES)};

        RUN_ALL(RELAY, by_port);
    }
}

static void *thread_waits(void *argument)
{
    (void)argument;
    for (;;) {
        (void)pause();
    }
    return NULL;
}

/* Landlock would not hold for a thread that is there already: the doors stay open, loudly. */
static void test_not_alone(void **state)
{
    static const enum profile profiles[] = {ENCLAVE, DAEMON};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        int status = 0;
        const pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0) {
            pthread_t thread;

            if (pthread_create(&thread, NULL, thread_waits, NULL) != 0) {
                _exit(1);
            }
            _exit(close_doors(profiles[i]) == KS_ERR_INTERNAL ? 0 : 1);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_worker),         cmocka_unit_test(test_worker_fl),
        cmocka_unit_test(test_worker_threads), cmocka_unit_test(test_enclave),
        cmocka_unit_test(test_daemon),         cmocka_unit_test(test_relay),
        cmocka_unit_test(test_not_alone),
    };

    if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < 1) {
        (void)fprintf(stderr, "SKIPPED: this kernel has no Landlock (%s)\n", strerror(errno));
        return 77;
    }
    return cmocka_run_group_tests(tests, prepare, clean);
}
