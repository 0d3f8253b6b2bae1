/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* The flags of the commands that measure. */

#include "cli/flags.h"

#define END                                                                                    \
    {                                                                                          \
        NULL, KS_FLAG_SWITCH, NULL, NULL, NULL, false                                          \
    }

const struct ks_flag ks_bench_trng_flags[] = {
    {"tpm", KS_FLAG_TEXT, "DEVICE",
     "a TPM such as /dev/tpmrm0; default: a fresh swtpm, which is simulated", NULL, false},
    {"out", KS_FLAG_TEXT, "DIR", "directory for the tables and the figure, made if absent",
     NULL, true},
    {"block", KS_FLAG_MANY, "BYTES",
     "size of one request, ascending (repeatable); default: the powers of two from 16 to 65536",
     NULL, false},
    {"runs", KS_FLAG_NUMBER, "N", "timed runs of each source and size", "7", false},
    {"run-ms", KS_FLAG_NUMBER, "MS", "least time of a run, in milliseconds", "20", false},
    {"sample", KS_FLAG_NUMBER, "BYTES",
     "bytes of each source to estimate from; a hardware TPM takes minutes for the default",
     "1048576", false},
    {"no-figure", KS_FLAG_SWITCH, NULL, "write the tables alone; needs no gnuplot", NULL,
     false},
    END,
};

const struct ks_flag ks_bench_jobs_flags[] = {
    {"out", KS_FLAG_TEXT, "DIR", "directory for the tables and the figures, made if absent",
     NULL, true},
    {"suite", KS_FLAG_MANY, "NAME",
     "key exchange and certificates, such as x25519mlkem768+mldsa65, x25519mlkem768+slhdsa128f "
     "or, unsealed alone, x25519+p256 (repeatable); default: seven",
     NULL, false},
    {"template", KS_FLAG_MANY, "NAME",
     "circuit (repeatable); default: clifford_t_sampling; figures show the first template, "
     "depth and number of shots",
     NULL, false},
    {"qubits", KS_FLAG_MANY, "N", "ascending (repeatable); default: 2, 4, 8, 12, 16", NULL,
     false},
    {"depth", KS_FLAG_MANY, "N", "ascending (repeatable); default: 8", NULL, false},
    {"shots", KS_FLAG_MANY, "N", "ascending (repeatable); default: 1000", NULL, false},
    {"runs", KS_FLAG_NUMBER, "N", "jobs of each suite, path, connection and circuit", "15",
     false},
    {"seed", KS_FLAG_NUMBER, "N", "of circuits and sampling", "7", false},
    {"libexec", KS_FLAG_TEXT, "DIR", "where the programs of a site are", KS_LIBEXEC_DIR, false},
    {"no-figure", KS_FLAG_SWITCH, NULL, "write the tables alone; needs no gnuplot", NULL,
     false},
    END,
};
