/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* circuit.h: quantum circuits: parse OpenQASM 2, build templates, print, simulate, sample.
 *
 * Bit order: in every outcome string classical bit 0 is the rightmost character. All registers
 * are one flat string, the first declared creg rightmost, without spaces. */
#ifndef KETSEAL_CIRCUIT_H
#define KETSEAL_CIRCUIT_H

#include <stddef.h>
#include <stdint.h>

#include "ketseal/error.h"

struct ks_buf;
struct ks_bytes;
struct ks_pool;

struct ks_circuit; /* immutable; may be read from any thread */

struct ks_circuit_limits {
    uint32_t version; /* 1 */
    uint32_t qubits_max;
    uint32_t clbits_max;
    uint64_t ops_max;    /* after expansion of user gates and broadcast */
    uint64_t source_max; /* bytes */
};
#define KS_CIRCUIT_LIMITS_INIT                                                                 \
    {                                                                                          \
        .version = 1, .qubits_max = 1024, .clbits_max = 1024, .ops_max = 8 * 1024 * 1024,      \
        .source_max = 8 * 1024 * 1024                                                          \
    }

/* Parses OpenQASM 2.0 (Cross et al., arXiv 1707.03429) with the gates of qelib1.inc built in.
 * NAME is put before errors: "NAME:line:column: what". LIMITS NULL means the defaults. */
KS_MUST_CHECK enum ks_err ks_circuit_parse(const struct ks_bytes *source, const char *name,
                                           const struct ks_circuit_limits *limits,
                                           struct ks_circuit **out_circuit);

/* The templates: bell, ghz, qft, hea, rqc, clifford_t_sampling. See docs/formats/templates.md
 * for the exact circuits; equal arguments give equal circuits for ever. */
struct ks_template_spec {
    uint32_t version; /* 1 */
    const char *name;
    uint32_t qubits;
    uint32_t depth;
    uint64_t seed;
};
KS_MUST_CHECK enum ks_err ks_circuit_template(const struct ks_template_spec *spec,
                                              const struct ks_circuit_limits *limits,
                                              struct ks_circuit **out_circuit);
/* Name of template INDEX, NULL past the last: for help texts. */
const char *ks_circuit_template_name(size_t index);

void ks_circuit_free(struct ks_circuit *circuit); /* NULL is fine */
uint32_t ks_circuit_qubits(const struct ks_circuit *circuit);
uint32_t ks_circuit_clbits(const struct ks_circuit *circuit);
uint64_t ks_circuit_ops(const struct ks_circuit *circuit);   /* without barriers */
uint32_t ks_circuit_depth(const struct ks_circuit *circuit); /* longest chain of operations */
/* Appends the canonical OpenQASM 2 text, whose SHA-256 is the circuit_hash of records. Parsing
 * it gives the same circuit, and printing that gives the same bytes. */
void ks_circuit_print(const struct ks_circuit *circuit, struct ks_buf *out);

/* --- simulation --------------------------------------------------------------------------- */

/* What the numbers mean: while this stands, the same circuit, seed and precision give the same
 * bytes on every CPU, instruction set and thread count. */
#define KS_NUMERICS 2

enum ks_precision { KS_PRECISION_DOUBLE = 0, KS_PRECISION_SINGLE = 1 };

struct ks_simulate_spec {
    uint32_t version; /* 1 */
    uint64_t shots;   /* 1 to KS_SHOTS_MAX */
    uint64_t seed;
    enum ks_precision precision;
    uint64_t memory_max;  /* bytes of state; 0 for no limit */
    const char *kernels;  /* "scalar", "avx2", "avx512"; NULL for the best this CPU has */
    struct ks_pool *pool; /* borrowed; NULL for one thread */
};
#define KS_SIMULATE_SPEC_INIT                                                                  \
    {                                                                                          \
        .version = 1, .shots = 1024                                                            \
    }
#define KS_SHOTS_MAX 10000000

/* Outcomes in ascending order of their bit string, each with its count. */
struct ks_counts;

/* Runs CIRCUIT from |0…0> and samples it. KS_ERR_LIMIT states the memory that the circuit
 * needs. A circuit without measurements gives one empty outcome. */
KS_MUST_CHECK enum ks_err ks_simulate(const struct ks_circuit *circuit,
                                      const struct ks_simulate_spec *spec,
                                      struct ks_counts **out_counts);
void ks_counts_free(struct ks_counts *counts);         /* NULL is fine */
size_t ks_counts_size(const struct ks_counts *counts); /* distinct outcomes */
uint64_t ks_counts_shots(const struct ks_counts *counts);
/* Outcome INDEX as a NUL-terminated bit string of ks_circuit_clbits characters; borrowed. */
const char *ks_counts_outcome(const struct ks_counts *counts, size_t index);
uint64_t ks_counts_count(const struct ks_counts *counts, size_t index);

/* Bytes that the state of CIRCUIT takes; UINT64_MAX when over 2^63. */
uint64_t ks_simulate_memory(const struct ks_circuit *circuit, enum ks_precision precision);
/* The name of the best kernels of this CPU: "avx512", "avx2", "neon", "scalar". */
const char *ks_simulate_kernels(void);

#endif
