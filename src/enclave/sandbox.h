/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* sandbox.h: closing the doors of a process. Each profile is a table of {system call, argument
 * mask, reason}; what is not in the table kills the process. Landlock takes the file system and
 * TCP away. Once closed it stays closed, for threads started later too. Fails closed: a kernel
 * without seccomp or Landlock is KS_ERR_UNAVAILABLE. */
#ifndef KS_ENCLAVE_SANDBOX_H
#define KS_ENCLAVE_SANDBOX_H

#include "base/mem.h"

#define KS_WORKER_SOCKET_FD  3
#define KS_ADAPTER_INPUT_FD  5 /* of ketseal-adapter: to the interpreter, and from it */
#define KS_ADAPTER_OUTPUT_FD 6
#define KS_ADAPTER_ERRORS_FD 7

/* The worker: read and write its one socket, compute, end. No file, no network, no key. Call
 * after the threads are started and before the job is read. MEMORY_MAX bounds its address
 * space, CPU_S its time. */
KS_MUST_CHECK enum ks_err ks_sandbox_worker(uint64_t memory_max, uint64_t cpu_s);

/* The worker of a round: likewise, but for descriptors that come through its socket, which it
 * reads and writes at named places; and without a limit of time, since a round has its own. */
KS_MUST_CHECK enum ks_err ks_sandbox_worker_fl(uint64_t memory_max);

/* ketseal-adapter, once the interpreter runs: its socket, the three pipes to that, its end. No
 * file, no network, no key; it parses what a worker parses. The interpreter, which was started
 * before, still ends with it. */
KS_MUST_CHECK enum ks_err ks_sandbox_adapter(uint64_t cpu_s);

/* An interpreter of Python, before it is executed: threads, reading below the files named, and
 * nothing of the network; what libraries ask for in vain gets an error, all else kills. Empty
 * paths are passed over. The system's shared libraries can be read besides. */
struct ks_sandbox_files {
    const char *program; /* the only one that can be executed, beside the dynamic linker */
    const char *runtime; /* a file */
    const char *folders[3];
};
KS_MUST_CHECK enum ks_err ks_sandbox_interpreter(const struct ks_sandbox_files *files,
                                                 uint64_t memory_max, uint64_t cpu_s);

/* The enclave: its sockets, the TPM's descriptor, files below STATE_FD; no exec, no network. */
KS_MUST_CHECK enum ks_err ks_sandbox_enclave(int state_fd);

/* ketseald: listening sockets that are already bound, threads, files below the COUNT
 * directories DIR_FDS; no exec, no ptrace, nobody else's files. PORT_COUNT 0: no outgoing
 * connection; else TCP connections, to PORTS alone where the kernel can tell (Landlock ABI 4):
 * those of the site's key manager and of its witnesses. */
KS_MUST_CHECK enum ks_err ks_sandbox_daemon(const int *dir_fds, size_t count,
                                            const uint16_t *ports, size_t port_count);

#endif
