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
