/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* measure.h: copies of programs in sealed memory and their digests. For the launcher. One
 * thread. */
#ifndef KS_ENCLAVE_MEASURE_H
#define KS_ENCLAVE_MEASURE_H

#include "attest/eventlog.h"
#include "base/mem.h"

#define KS_PROGRAM_MAX (128 * 1024 * 1024) /* bytes of an executable or a library */

/* Copies PROGRAM into a memfd, seals it against every change, and hashes the copy. *OUT_FD is
 * close-on-exec and the caller's: execute it with ks_exec_fd. */
KS_MUST_CHECK enum ks_err ks_measure_program(const char *program, int *out_fd,
                                             uint8_t out_digest[32]);

/* Adds one event for each shared library that the dynamic linker would map for the sealed
 * program FD, named by its soname. The files are hashed as they are found now; unlike the
 * program itself the linker opens them again later, so a writer of the system's library
 * directories is trusted. */
KS_MUST_CHECK enum ks_err ks_measure_libraries(int fd, struct ks_event_log *log);

/* All of a launch, in the order of its events: the enclave, the worker, the enclave's
 * libraries. LOG is begun anew, without initial value. The sealed copies are the caller's. */
KS_MUST_CHECK enum ks_err ks_measure_launch(const char *enclave, const char *worker,
                                            struct ks_event_log *log, int *out_enclave_fd,
                                            int *out_worker_fd);

#endif
