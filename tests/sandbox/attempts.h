/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* What a confined process may try, for test_sandbox.c: each makes one attempt, and gives 0 or
 * an errno. Everything that they find ready is made here before. */
#ifndef KS_TESTS_SANDBOX_ATTEMPTS_H
#define KS_TESTS_SANDBOX_ATTEMPTS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/pool.h"
#include "base/sys.h"
#include "enclave/sandbox.h"

#define ADDRESS_SPACE (UINT64_C(512) << 20)
#define FILES_SENT    16 /* more than ketseal-worker-fl may have open beside its own */

/* What an attempt finds ready; made before the doors are closed. */
static struct {
    char own[64];   /* the directory that stays open to the enclave and to ketseald */
    char other[64]; /* one that does not */
    int own_fd;
    int file;    /* open, as those that a worker of a round is sent */
    int pair[2]; /* a stream socketpair; [0] is also descriptor 3 */
    int datagrams[2];
    int listening; /* TCP on a port of its own */
    int peer;      /* TCP, not ours to reach */
    struct sockaddr_in peer_address;
    pid_t victim;
    struct ks_pool *pool;
    pthread_t main;
} given;

static int scratch_file(const char *folder, const char *name, const char *text)
{
    char path[128];
    int fd = -1;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    return fd;
}

static int listen_tcp(struct sockaddr_in *out_address)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;

    assert_true(fd >= 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *out_address = address;
    return fd;
}

static int prepare(void **state)
{
    char path[128];
    char target[128];
    struct sockaddr_in address;

    (void)state;
    assert_int_equal(dup2(STDERR_FILENO, KS_WORKER_SOCKET_FD), KS_WORKER_SOCKET_FD); /* taken */
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR); /* an error says it instead */
    (void)snprintf(given.own, sizeof given.own, "%s", "/tmp/ketseal-sandbox-XXXXXX");
    (void)snprintf(given.other, sizeof given.other, "%s", "/tmp/ketseal-sandbox-XXXXXX");
    assert_non_null(mkdtemp(given.own));
    assert_non_null(mkdtemp(given.other));
    assert_int_equal(close(scratch_file(given.own, "file", "ours")), 0);
    assert_int_equal(close(scratch_file(given.other, "file", "theirs")), 0);
    (void)snprintf(path, sizeof path, "%s/link", given.own);
    (void)snprintf(target, sizeof target, "%s/file", given.other);
    assert_int_equal(symlink(target, path), 0);
    given.file = scratch_file(given.own, "sent", "sent");
    given.own_fd = open(given.own, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_true(given.own_fd >= 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, given.pair), 0);
    assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM, 0, given.datagrams), 0);
    given.listening = listen_tcp(&address);
    given.peer = listen_tcp(&given.peer_address);
    given.victim = fork();
    assert_true(given.victim >= 0);
    if (given.victim == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            (void)pause();
        }
    }
    return 0;
}

static void remove_folder(const char *folder)
{
    static const char *const names[] = {"file", "link", "made", "sent", "stolen"};
    char path[128];

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(folder);
}

static int clean(void **state)
{
    (void)state;
    assert_int_equal(waitpid(given.victim, NULL, WNOHANG), 0); /* nobody ended it */
    assert_int_equal(kill(given.victim, SIGKILL), 0);
    assert_int_equal(waitpid(given.victim, NULL, 0), given.victim);
    remove_folder(given.own);
    remove_folder(given.other);
    return 0;
}

/* --- attempts: 0 when it worked, else errno ----------------------------------------------- */

static int result_of(long result)
{
    return result >= 0 ? 0 : errno;
}

static int try_nothing(void)
{
    return 0;
}

static int open_path(const char *folder, const char *name, int flags)
{
    char path[192];

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    return result_of(openat(AT_FDCWD, path, flags | O_CLOEXEC, 0600));
}

static int try_read_own(void)
{
    return open_path(given.own, "file", O_RDONLY);
}

static int try_make_own(void)
{
    return open_path(given.own, "made", O_RDWR | O_CREAT | O_APPEND);
}

static int try_read_other(void)
{
    return open_path(given.other, "file", O_RDONLY);
}

static int try_write_other(void)
{
    return open_path(given.other, "file", O_WRONLY);
}

static int try_truncate_other(void)
{
    return open_path(given.other, "file", O_RDWR | O_TRUNC);
}

static int try_make_other(void)
{
    return open_path(given.other, "stolen", O_WRONLY | O_CREAT);
}

static int try_follow_link(void)
{
    return open_path(given.own, "link", O_RDONLY);
}

static int try_dot_dot(void)
{
    return result_of(openat(given.own_fd, "../../etc/passwd", O_RDONLY | O_CLOEXEC));
}

static int try_list_other(void)
{
    return open_path(given.other, ".", O_RDONLY | O_DIRECTORY);
}

static int try_proc_mem(void)
{
    return open_path("/proc/self", "mem", O_RDWR);
}

static int try_proc_status(void)
{
    return open_path("/proc/self", "status", O_RDONLY);
}

static int try_proc_victim(void)
{
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%d", (int)given.victim);
    return open_path(path, "mem", O_RDONLY);
}

static int try_device(void)
{
    return open_path("/dev", "null", O_RDWR);
}

static int try_move_in(void)
{
    char source[128];

    (void)snprintf(source, sizeof source, "%s/file", given.other);
    return result_of(renameat(AT_FDCWD, source, given.own_fd, "stolen"));
}

static int try_unlink_other(void)
{
    char path[128];

    (void)snprintf(path, sizeof path, "%s/file", given.other);
    return result_of(unlinkat(AT_FDCWD, path, 0));
}

static int try_hard_link(void)
{
    char source[128];

    (void)snprintf(source, sizeof source, "%s/file", given.other);
    return result_of(linkat(AT_FDCWD, source, given.own_fd, "stolen", 0));
}

static int try_symlink(void)
{
    return result_of(symlinkat("/etc/passwd", given.own_fd, "stolen"));
}

static int try_chdir(void)
{
    return result_of(chdir(given.own));
}

static int try_chroot(void)
{
    return result_of(chroot(given.own));
}

static int try_mount(void)
{
    return result_of(syscall(SYS_mount, "none", given.own, "tmpfs", 0, NULL));
}

static int try_unshare(void)
{
    return result_of(unshare(CLONE_NEWUSER));
}

static int try_socket(void)
{
    return result_of(socket(AF_INET, SOCK_STREAM, 0));
}

static int try_socket_unix(void)
{
    return result_of(socket(AF_UNIX, SOCK_STREAM, 0));
}

static int try_connect(void)
{
    return result_of(connect(given.listening, (struct sockaddr *)&given.peer_address,
                             sizeof given.peer_address));
}

/* A new connection to PORT of this machine, in network byte order. */
static int connect_port(in_port_t port)
{
    struct sockaddr_in address = given.peer_address;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_port = port;
    return fd < 0 ? errno : result_of(connect(fd, (struct sockaddr *)&address, sizeof address));
}

static int try_connect_manager(void)
{
    return connect_port(given.peer_address.sin_port);
}

static int try_connect_other_port(void)
{
    struct sockaddr_in other = {0};
    socklen_t len = sizeof other;

    return getsockname(given.listening, (struct sockaddr *)&other, &len) != 0
               ? errno
               : connect_port(other.sin_port);
}

static int try_socket_datagram(void)
{
    return result_of(socket(AF_INET, SOCK_DGRAM, 0));
}

static int try_socket_mptcp(void)
{
    return result_of(socket(AF_INET, SOCK_STREAM, 262));
}

static int try_bind(void)
{
    return result_of(bind(given.listening, (struct sockaddr *)&given.peer_address,
                          sizeof given.peer_address));
}

static int try_listen(void)
{
    return result_of(listen(given.listening, 1));
}

/* A listening socket that was shut down is as good as a new one: its first send connects. */
static int try_fast_open_sendto(void)
{
    (void)shutdown(given.listening, SHUT_RDWR);
    return result_of(sendto(given.listening, "out", 3, MSG_FASTOPEN,
                            (struct sockaddr *)&given.peer_address, sizeof given.peer_address));
}

static int try_fast_open_sendmsg(void)
{
    struct iovec vec = {.iov_base = given.own, .iov_len = 3};
    struct msghdr message = {.msg_name = &given.peer_address,
                             .msg_namelen = sizeof given.peer_address,
                             .msg_iov = &vec,
                             .msg_iovlen = 1};

    (void)shutdown(given.listening, SHUT_RDWR);
    return result_of(sendmsg(given.listening, &message, MSG_FASTOPEN));
}

static int try_datagram_pair(void)
{
    int ends[2];

    return result_of(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends));
}

static int try_stream_pair(void)
{
    int ends[2];

    return result_of(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
}

static int try_exec(void)
{
    char *const argv[] = {given.own, NULL};

    return result_of(execve("/bin/true", argv, argv + 1));
}

static int try_exec_at(void)
{
    char *const argv[] = {given.own, NULL};

    return result_of(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, argv + 1, 0));
}

static int try_fork(void)
{
    const pid_t pid = fork();

    if (pid == 0) {
        _exit(0);
    }
    return result_of(pid);
}

static int try_vfork(void)
{
    return result_of(syscall(SYS_vfork));
}

static int try_clone3(void)
{
    struct {
        uint64_t words[11];
    } arguments = {{0}};

    arguments.words[4] = SIGCHLD;
    const long pid = syscall(SYS_clone3, &arguments, sizeof arguments);
    if (pid == 0) {
        _exit(0);
    }
    return result_of(pid);
}

static void *thread_body(void *argument)
{
    *(int *)argument = 7;
    return NULL;
}

static int try_thread(void)
{
    pthread_t thread;
    int done = 0;
    const int error = pthread_create(&thread, NULL, thread_body, &done);

    if (error != 0) {
        return error;
    }
    return pthread_join(thread, NULL) == 0 && done == 7 ? 0 : EIO;
}

static int try_kill(void)
{
    return result_of(kill(given.victim, SIGKILL));
}

static int try_tgkill(void)
{
    return result_of(syscall(SYS_tgkill, given.victim, given.victim, SIGKILL));
}

static int try_tkill(void)
{
    return result_of(syscall(SYS_tkill, given.victim, SIGKILL));
}

static int try_tgkill_own(void)
{
    return result_of(syscall(SYS_tgkill, getpid(), gettid(), 0));
}

static int try_sigqueue(void)
{
    const union sigval value = {.sival_int = 1};

    return result_of(sigqueue(given.victim, SIGUSR1, value));
}

/* Signals of a descriptor's own: F_SETOWN, F_SETSIG and O_ASYNC. */
static int try_set_owner(void)
{
    return result_of(fcntl(given.pair[1], F_SETOWN, given.victim));
}

static int try_set_owner_ex(void)
{
    struct {
        int type;
        pid_t pid;
    } owner = {1, given.victim};

    return result_of(fcntl(given.pair[1], 15 /* F_SETOWN_EX */, &owner));
}

static int try_ptrace(void)
{
    return result_of(ptrace(PTRACE_ATTACH, given.victim, NULL, NULL));
}

static int try_read_memory(void)
{
    char byte = 0;
    struct iovec here = {.iov_base = &byte, .iov_len = 1};

    return result_of(process_vm_readv(given.victim, &here, 1, &here, 1, 0));
}

static int try_write_memory(void)
{
    char byte = 0;
    struct iovec here = {.iov_base = &byte, .iov_len = 1};

    return result_of(process_vm_writev(given.victim, &here, 1, &here, 1, 0));
}

static int try_pidfd(void)
{
    return result_of(syscall(SYS_pidfd_open, given.victim, 0));
}

static int try_map(int protection)
{
    void *memory = mmap(NULL, 4096, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memory == MAP_FAILED ? errno : 0;
}

static int try_map_exec(void)
{
    return try_map(PROT_READ | PROT_EXEC);
}

static int try_map_write_exec(void)
{
    return try_map(PROT_READ | PROT_WRITE | PROT_EXEC);
}

static int try_map_plain(void)
{
    return try_map(PROT_READ | PROT_WRITE);
}

static int try_protect_exec(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return result_of(mprotect(memory, 4096, PROT_READ | PROT_EXEC));
}

static int try_pkey_protect_exec(void)
{
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return result_of(syscall(SYS_pkey_mprotect, memory, 4096, PROT_READ | PROT_EXEC, -1));
}

static int try_personality(void)
{
    return result_of(syscall(SYS_personality, 0x0400000 /* READ_IMPLIES_EXEC */));
}

static int try_memfd(void)
{
    return result_of(memfd_create("code", 0));
}

static int try_io_uring(void)
{
    return result_of(syscall(425 /* io_uring_setup */, 1, given.own));
}

static int try_bpf(void)
{
    return result_of(syscall(SYS_bpf, 0, given.own, 0));
}

static int try_keyctl(void)
{
    return result_of(syscall(SYS_keyctl, 0, 0, 0, 0, 0));
}

static int try_prctl_dumpable(void)
{
    return result_of(prctl(PR_SET_DUMPABLE, 1));
}

static int try_rlimit(void)
{
    const struct rlimit more = {RLIM_INFINITY, RLIM_INFINITY};

    return result_of(setrlimit(RLIMIT_AS, &more));
}

static int try_terminal(void)
{
    return result_of(ioctl(0, 0x5412 /* TIOCSTI */, "x"));
}

static int try_waiting_bytes(void)
{
    int count = 0;

    return result_of(ioctl(given.pair[1], 0x541b /* FIONREAD */, &count));
}

static int try_read_fd(void)
{
    char byte = 0;

    return result_of(read(given.pair[1], &byte, 0));
}

static int try_write_fd(void)
{
    return result_of(write(given.pair[1], "", 0));
}

static int try_send_other(void)
{
    return result_of(send(given.datagrams[0], "x", 1, MSG_NOSIGNAL));
}

static int try_receive_other(void)
{
    char byte = 0;
    struct iovec vec = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};

    return result_of(recvmsg(given.datagrams[0], &message, MSG_DONTWAIT));
}

/* One byte there and one back, through descriptor 3. */
static int try_own_socket(void)
{
    char byte = 0;
    struct iovec vec = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vec, .msg_iovlen = 1};

    if (recvmsg(KS_WORKER_SOCKET_FD, &message, 0) != 1 || byte != '?') {
        return EIO;
    }
    return send(KS_WORKER_SOCKET_FD, "!", 1, MSG_NOSIGNAL) == 1 ? 0 : errno;
}

/* Descriptors that come through descriptor 3, FILES_SENT at once: EMFILE where none arrives,
 * ERANGE where all do. */
static int try_files_arrive(void)
{
    char byte = 0;
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(FILES_SENT * sizeof(int))];
    } control = {.room = {0}};
    struct iovec vec = {.iov_base = &byte, .iov_len = 1};
    struct msghdr message = {.msg_iov = &vec,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof control};
    const struct cmsghdr *header = NULL;
    int fd = -1;

    if (recvmsg(KS_WORKER_SOCKET_FD, &message, 0) != 1) {
        return errno;
    }
    header = CMSG_FIRSTHDR(&message);
    if (header == NULL) {
        return EMFILE;
    }
    if ((message.msg_flags & MSG_CTRUNC) == 0) {
        return ERANGE;
    }
    (void)memcpy(&fd, CMSG_DATA(header), sizeof fd);
    return pread(fd, &byte, 1, 0) == 1 ? 0 : errno;
}

static int try_use_file(void)
{
    char byte = 0;

    if (pwrite(given.file, "X", 1, 0) != 1 || pread(given.file, &byte, 1, 0) != 1 ||
        byte != 'X' || ftruncate(given.file, 2) != 0) {
        return errno;
    }
    return result_of(close(given.file));
}

static int try_file_over_limit(void)
{
    return result_of(pwrite(given.file, "X", 1, (off_t)4 << 30));
}

static int try_file_grows_over_limit(void)
{
    return result_of(ftruncate(given.file, ((off_t)4 << 30) + 1));
}

static int try_memory_over_limit(void)
{
    void *memory = mmap(NULL, ADDRESS_SPACE, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? errno : 0;
}

static int try_memory_below_limit(void)
{
    void *memory = mmap(NULL, ADDRESS_SPACE / 4, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    return memory == MAP_FAILED ? errno : 0;
}

static int try_time_over_limit(void)
{
    for (volatile uint64_t count = 0;; count++) {
    }
    return 0;
}

static void add_slice(void *context, size_t slice)
{
    ((uint64_t *)context)[slice] = slice * slice;
}

static int try_compute(void)
{
    uint64_t squares[1000] = {0};

    ks_pool_run(given.pool, add_slice, squares, 1000);
    for (size_t i = 0; i < 1000; i++) {
        if (squares[i] != i * i) {
            return EIO;
        }
    }
    return 0;
}

/* Runs in the threads that were started before the doors closed, and not in this one. */
static void open_slice(void *context, size_t slice)
{
    if (!pthread_equal(pthread_self(), given.main)) {
        *(int *)context = open_path("/etc", "passwd", O_RDONLY);
    }
    (void)slice;
}

static int try_open_in_pool_thread(void)
{
    int result = EIO;

    ks_pool_run(given.pool, open_slice, &result, 4);
    return result;
}

static void socket_slice(void *context, size_t slice)
{
    if (!pthread_equal(pthread_self(), given.main)) {
        *(int *)context = try_socket();
    }
    (void)slice;
}

static int try_socket_in_pool_thread(void)
{
    int result = EIO;

    ks_pool_run(given.pool, socket_slice, &result, 4);
    return result;
}

static int try_event_loop(void)
{
    const int loop = epoll_create1(EPOLL_CLOEXEC);
    const int wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};

    if (loop < 0 || wake < 0 || epoll_ctl(loop, EPOLL_CTL_ADD, wake, &event) != 0) {
        return errno;
    }
    return result_of(epoll_wait(loop, &event, 1, 0));
}

static int try_locks(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 1};
    const int fd = openat(given.own_fd, "file", O_RDWR | O_CLOEXEC);

    return fd < 0 ? errno : result_of(fcntl(fd, F_SETLK, &lock));
}

static int try_replace_own(void)
{
    const int fd = openat(given.own_fd, "made", O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || write(fd, "x", 1) != 1 || fdatasync(fd) != 0 || ftruncate(fd, 0) != 0 ||
        renameat(given.own_fd, "made", given.own_fd, "stolen") != 0 ||
        fsync(given.own_fd) != 0) {
        return errno;
    }
    return result_of(unlinkat(given.own_fd, "stolen", 0));
}

#endif
