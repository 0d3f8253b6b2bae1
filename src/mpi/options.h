/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* options.h: the command line of ketseal-mpi. */
#ifndef KS_MPI_OPTIONS_H
#define KS_MPI_OPTIONS_H

#include <stdio.h>

#include "quantum/circuit.h"

struct ks_mpi_options {
    enum { KS_MPI_HELP, KS_MPI_VERSION, KS_MPI_SIMULATE, KS_MPI_PLAN } verb;
    bool json; /* set before anything can fail */
    bool quiet;
    const char *file; /* "-": standard input of rank 0 */
    const char *kernels;
    uint64_t shots;
    uint64_t seed;
    bool seeded;
    enum ks_precision precision;
    uint64_t threads; /* 0: the processors of a machine shared out */
    uint64_t memory_mib;
    uint64_t ranks; /* PLAN; 0: those that there are */
};

/* KS_ERR_USAGE naming what is wrong. OUT_OPTIONS is set as far as it was read. */
KS_MUST_CHECK enum ks_err ks_mpi_options_read(int argc, char **argv,
                                              struct ks_mpi_options *out_options);
void ks_mpi_help(FILE *stream);

#endif
