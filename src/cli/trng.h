/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* trng.h: measuring sources of random bytes against each other: how fast they are by block
 * size, and what the estimates and health tests of NIST SP 800-90B say of a sample. Hides how a
 * run is made long enough to be timed, and the statistics. One thread. */
#ifndef KS_CLI_TRNG_H
#define KS_CLI_TRNG_H

#include "entropy/entropy.h"

#define KS_TRNG_RUNS_MAX   99
#define KS_TRNG_BLOCK_MAX  ((uint64_t)1 << 20)
#define KS_TRNG_SAMPLE_MIN 64 /* so that every estimate exists */
#define KS_TRNG_SAMPLE_MAX ((uint64_t)16 << 20)

/* The false alarm rate of one health test at one place, 2^-40: at the strict end of what §4.4
 * suggests, since a sample has millions of places. */
#define KS_TRNG_ALPHA_LOG2 40

struct ks_trng_source {
    const char *name; /* "tpm", "kernel" */
    /* LEN random bytes to OUT. */
    enum ks_err (*read)(void *context, void *out, size_t len);
    void *context;
};

struct ks_trng_spec {
    unsigned runs;      /* timed ones, 1 to KS_TRNG_RUNS_MAX, after one to warm up */
    uint64_t run_us;    /* that a run lasts at least */
    bool (*stop)(void); /* asked before each run: KS_ERR_UNAVAILABLE when true */
};

/* Of one source and block size, bytes per second. */
struct ks_trng_speed {
    uint64_t repeats; /* blocks of one run */
    uint64_t run_us[KS_TRNG_RUNS_MAX];
    double median;
    double low;
    double high;
};

/* Measures COUNT sources at one BLOCK size, their runs taking turns, so that what disturbs one
 * disturbs all. OUT_SPEEDS has COUNT places; after a failure nothing in them counts. */
KS_MUST_CHECK enum ks_err ks_trng_measure(const struct ks_trng_source *sources, size_t count,
                                          size_t block, const struct ks_trng_spec *spec,
                                          struct ks_trng_speed *out_speeds);

/* What SP 800-90B says of one sample, taken as bytes and as bits. */
struct ks_trng_quality {
    double mcv_bytes; /* bits of min-entropy per byte */
    double mcv_bits;  /* … per bit, as the two after */
    double collision_bits;
    double markov_bits;
    double lowest; /* per byte: the least of mcv_bytes and eight times each of the others */
    struct ks_health repetition_bytes; /* for a claim of 8 bits per byte */
    struct ks_health repetition_bits;  /* … of 1 bit per bit */
    struct ks_health proportion_bytes;
    struct ks_health proportion_bits;
};
/* SAMPLE has at least KS_TRNG_SAMPLE_MIN bytes (asserted). */
KS_MUST_CHECK enum ks_err ks_trng_judge(struct ks_bytes sample,
                                        struct ks_trng_quality *out_quality);
/* No health test raised an alarm. */
bool ks_trng_healthy(const struct ks_trng_quality *quality);

#endif
