/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* environment.h: where an SDK's program finds what it runs: a virtual environment of Python,
 * made by `make adapters` or by hand. Its hash is in enclave/measure.h; the program that runs
 * in it is ketseal-adapter, which is started here. One thread. */
#ifndef KS_ENCLAVE_ENVIRONMENT_H
#define KS_ENCLAVE_ENVIRONMENT_H

#include <sys/types.h>

#include "base/text.h"

#define KS_ENVIRONMENT_CONFIG_MAX 4096 /* bytes of pyvenv.cfg */
#define KS_ADAPTER_SOCKET_FD      3    /* descriptors that ketseal-adapter starts with */
#define KS_ADAPTER_SCRIPT_FD      4
#define KS_ADAPTER_SCRIPT_MAX     98304 /* bytes: it is an argument of the interpreter */
#define KS_ADAPTER_SECONDS_MAX    86400

/* Real paths, but for CACHE; an empty one is not there. */
struct ks_environment {
    char python[KS_PATH_MAX];   /* the interpreter */
    char runtime[KS_PATH_MAX];  /* its shared library, where it has one of its own */
    char library[KS_PATH_MAX];  /* Python's own modules */
    char packages[KS_PATH_MAX]; /* those of the SDK */
    char cache[KS_PATH_MAX];    /* compiled modules, "pycache" in the environment */
};

/* Finds them by PATH's pyvenv.cfg. KS_ERR_FORMAT, KS_ERR_NOT_FOUND or KS_ERR_IO naming what is
 * no environment. */
KS_MUST_CHECK enum ks_err ks_environment_find(const char *path,
                                              struct ks_environment *out_environment);

/* What ketseal-adapter is started with: its arguments. */
struct ks_adapter_spec {
    const char *sdk;         /* "qiskit" */
    const char *environment; /* path */
    uint64_t memory_max;     /* bytes of the interpreter's address space */
    uint64_t seconds_max; /* of processor time, and of the clock; to KS_ADAPTER_SECONDS_MAX */
};
struct ks_adapter_arguments {
    char memory[24];
    char seconds[24];
    const char *argv[6];
};
/* Views into SPEC and the result itself. */
void ks_adapter_arguments(const struct ks_adapter_spec *spec,
                          struct ks_adapter_arguments *out_arguments);

#endif
