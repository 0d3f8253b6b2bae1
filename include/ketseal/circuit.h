/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* circuit.h: quantum circuits: parse OpenQASM 2 and 3, build templates, print, simulate,
 * sample.
 *
 * Bit order: in every outcome string classical bit 0 is the rightmost character. All registers
 * are one flat string, the first declared creg rightmost, without spaces. */
#ifndef KETSEAL_CIRCUIT_H
#define KETSEAL_CIRCUIT_H

#include <stdbool.h>
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

/* Parses OpenQASM 2.0 (Cross et al., arXiv 1707.03429) with the gates of qelib1.inc built in,
 * or OpenQASM 3.0 with those of stdgates.inc, as far as docs/formats/circuit.md says. NAME is
 * put before errors: "NAME:line:column: what". LIMITS NULL means the defaults. */
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
/* Appends the canonical text, in OpenQASM 2 where that can say it and else in 3, whose SHA-256
 * is the circuit_hash of records. Parsing it gives the same circuit, and printing that gives
 * the same bytes. */
void ks_circuit_print(const struct ks_circuit *circuit, struct ks_buf *out);

/* --- simulation --------------------------------------------------------------------------- */

/* What the numbers mean: while this stands, the same circuit, seed and precision give the same
 * bytes on every CPU, instruction set and thread count. */
#define KS_NUMERICS 1

enum ks_precision { KS_PRECISION_DOUBLE = 0, KS_PRECISION_SINGLE = 1 };

/* What may happen to a qubit after a gate, one after the other in this order: probabilities of
 * X, Y and Z; of any of the other Paulis, all alike (two-qubit gates: on both qubits together);
 * of decay to |0>; of losing the phase. */
struct ks_noise_rates {
    double x;
    double y;
    double z;
    double depolarizing;
    double amplitude_damping;
    double phase_damping;
};

/* A noise model: docs/formats/noise.md. The same for all qubits. */
struct ks_noise {
    uint32_t version;            /* 1 */
    struct ks_noise_rates gate1; /* after gates on one qubit */
    struct ks_noise_rates gate2; /* after gates on more, on each of their qubits */
    double read0_as1;            /* probability that a measured 0 is written down as 1 */
    double read1_as0;
};
/* KS_ERR_FORMAT naming what is no probability, or makes more than one. */
KS_MUST_CHECK enum ks_err ks_noise_check(const struct ks_noise *noise);
/* Appends the canonical JSON form of a model; and back. */
void ks_noise_print(const struct ks_noise *noise, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_noise_parse(const struct ks_bytes *json,
                                         struct ks_noise *out_noise);

struct ks_simulate_spec {
    uint32_t version; /* 1 */
    uint64_t shots;   /* 1 to KS_SHOTS_MAX */
    uint64_t seed;
    enum ks_precision precision;
    uint64_t memory_max;  /* bytes of state; 0 for no limit */
    const char *kernels;  /* "scalar", "avx2", "avx512"; NULL for the best this CPU has */
    struct ks_pool *pool; /* borrowed; NULL for one thread */
    /* Asked many times a second, on any thread of the pool; once it says true the simulation
     * stops within 100 ms with KS_ERR_CANCELLED. NULL: it runs to its end. */
    bool (*cancelled)(void *context);
    void *cancel_context;
    const struct ks_noise *noise; /* borrowed; NULL for none. Each shot draws its own */
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

/* The counts of some classical bits alone: BITS in the order of the new bit strings, the first
 * one rightmost. KS_ERR_USAGE for a bit that there is not. */
KS_MUST_CHECK enum ks_err ks_counts_marginal(const struct ks_counts *counts,
                                             const uint32_t *bits, size_t bit_count,
                                             struct ks_counts **out_counts);

/* --- without sampling --------------------------------------------------------------------- */

#define KS_PROBABILITIES_CLBITS_MAX 20
#define KS_PROBABILITIES_QUBITS_MAX 13 /* under noise: by the density matrix */
/* The exact distribution of the outcomes: out[i] is the probability that classical bit c ends
 * as bit c of i; 2^clbits entries. Follows every course of measurements in the middle: SPEC's
 * shots and seed do not matter. KS_ERR_LIMIT above the limits. */
KS_MUST_CHECK enum ks_err ks_probabilities(const struct ks_circuit *circuit,
                                           const struct ks_simulate_spec *spec,
                                           double *out_probabilities);

/* The state that a circuit ends in, before the measurements at its end. Bit q of the index of
 * an amplitude is qubit q. The amplitudes are up to one common phase. One thread at a time. */
struct ks_final;

/* KS_ERR_FORMAT where the circuit has no such state: something happens behind a measurement,
 * there are conditions, control flow or resets behind gates. SPEC's shots, seed and noise do
 * not matter; its pool must outlive the state. */
KS_MUST_CHECK enum ks_err ks_final_new(const struct ks_circuit *circuit,
                                       const struct ks_simulate_spec *spec,
                                       struct ks_final **out_final);
void ks_final_free(struct ks_final *final); /* NULL is fine */
/* Real and imaginary part of the amplitude of basis state INDEX, below 2^qubits. */
void ks_final_amplitude(const struct ks_final *final, uint64_t index, double out_amplitude[2]);
/* The expectation of a sum of Pauli strings: "0.5*ZZI - XIX + YYI", one letter for each qubit,
 * qubit 0 rightmost. The same bits for every number of threads. KS_ERR_FORMAT, naming the
 * column, for what is none; KS_ERR_LIMIT for more than KS_PAULI_TERMS_MAX strings. */
#define KS_PAULI_TERMS_MAX 65536
KS_MUST_CHECK enum ks_err ks_final_expect(struct ks_final *final, const struct ks_bytes *sum,
                                          double *out_value);
/* Appends the state as a NumPy file, version 1.0: one dimension, little-endian complex of two
 * doubles, or of two floats in single precision, in C order. */
void ks_final_npy(const struct ks_final *final, struct ks_buf *out);

/* Bytes that the state of CIRCUIT takes; UINT64_MAX when over 2^63. */
uint64_t ks_simulate_memory(const struct ks_circuit *circuit, enum ks_precision precision);
/* The name of the best kernels of this CPU: "avx512", "avx2", "neon", "scalar". */
const char *ks_simulate_kernels(void);

#endif
