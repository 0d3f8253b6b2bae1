/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* measure.h: copies of programs in sealed memory and their digests. For the launcher. One
 * thread. */
#ifndef KS_ENCLAVE_MEASURE_H
#define KS_ENCLAVE_MEASURE_H

#include "attest/eventlog.h"
#include "base/mem.h"
#include "enclave/environment.h"
#include "record/job.h"

#define KS_PROGRAM_MAX          (128 * 1024 * 1024) /* bytes of an executable or a library */
#define KS_ENVIRONMENT_FILES    1000000             /* of one environment */
#define KS_ENVIRONMENT_FILE_MAX (UINT64_C(4) << 30) /* bytes of one of them */

/* Copies PROGRAM into a memfd, seals it against every change, and hashes the copy. *OUT_FD is
 * close-on-exec and the caller's: execute it with ks_exec_fd. */
KS_MUST_CHECK enum ks_err ks_measure_program(const char *program, int *out_fd,
                                             uint8_t out_digest[32]);

/* Adds one event for each shared library that the dynamic linker would map for the sealed
 * program FD, named by its soname. The files are hashed as they are found now; unlike the
 * program itself the linker opens them again later, so a writer of the system's library
 * directories is trusted. */
KS_MUST_CHECK enum ks_err ks_measure_libraries(int fd, struct ks_event_log *log);

/* The hash of the environment of SDK's program (docs/formats/adapter.md), whose own digest is
 * SCRIPT. Its files are hashed as they are found now; the interpreter opens them again later,
 * so their writer is trusted. */
KS_MUST_CHECK enum ks_err ks_measure_environment(const struct ks_environment *environment,
                                                 const uint8_t script[32],
                                                 uint8_t out_digest[32]);

/* Which programs a launch has. */
struct ks_measure_spec {
    const char *enclave;
    const char *worker;
    /* NULL: no adapters. */
    const char *adapter;
    const char *worker_fl; /* NULL: no federated learning */
    struct {
        const char *script;      /* the SDK's program; NULL: this SDK is not there */
        const char *environment; /* path */
    } sdks[KS_SDK_COUNT];
};
/* The sealed copies; -1 for none. */
struct ks_measured {
    int enclave;
    int worker;
    int adapter;
    int worker_fl;
    int scripts[KS_SDK_COUNT];
};
void ks_measured_init(struct ks_measured *measured);
void ks_measured_close(struct ks_measured *measured);

/* All of a launch, in the order of its events: the enclave, the worker, the enclave's
 * libraries, the adapter, the environments of its SDKs, the worker of rounds. LOG is begun
 * anew, without initial value. MEASURED, which is initialised, gets the sealed copies. */
KS_MUST_CHECK enum ks_err ks_measure_launch(const struct ks_measure_spec *spec,
                                            struct ks_event_log *log,
                                            struct ks_measured *measured);

#endif
