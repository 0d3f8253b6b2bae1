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

#pragma GCC visibility push(default)

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
#define KS_NUMERICS 4

enum ks_precision { KS_PRECISION_DOUBLE = 0, KS_PRECISION_SINGLE = 1 };

/* How a circuit is simulated, and the name of it in jobs and records:
 *   AUTO         one of the others, see ks_method_choose
 *   STATEVECTOR  all amplitudes: any circuit, memory doubles with each qubit
 *   STABILIZER   Clifford circuits of any width
 *   SPARSE       the amplitudes that are not zero: arithmetic, W states
 *   MPS          a matrix product state: little entanglement along a line */
#define KS_METHOD_LIST(X)                                                                      \
    X(AUTO, "auto")                                                                            \
    X(STATEVECTOR, "statevector")                                                              \
    X(STABILIZER, "stabilizer")                                                                \
    X(SPARSE, "sparse")                                                                        \
    X(MPS, "mps")
enum ks_method {
#define KS_METHOD_ENUM(name, text) KS_METHOD_##name,
    KS_METHOD_LIST(KS_METHOD_ENUM)
#undef KS_METHOD_ENUM
        KS_METHOD_COUNT
};
const char *ks_method_name(enum ks_method method);
/* KS_ERR_USAGE naming the methods that there are. */
KS_MUST_CHECK enum ks_err ks_method_find(const char *name, enum ks_method *out_method);
/* KS_NUMERICS for the state vector; the others' arithmetic has numbers of its own. Not for
 * AUTO. */
uint32_t ks_method_numerics(enum ks_method method);
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
    const char *kernels;  /* "scalar", "avx2", "avx512", "neon"; NULL for the best here */
    struct ks_pool *pool; /* borrowed; NULL for one thread */
    enum ks_method method;
    uint32_t bond_max; /* MPS: 1 to KS_BOND_MAX; 0 for KS_BOND_DEFAULT */
    double cutoff;     /* MPS: most weight discarded at one cut, 0 to below 1 */
    /* Asked many times a second, on any thread of the pool; once it says true the simulation
     * stops within 100 ms with KS_ERR_CANCELLED. NULL: it runs to its end. */
    bool (*cancelled)(void *context);
    void *cancel_context;
    const struct ks_noise *noise; /* borrowed; NULL for none. Each shot draws its own; the
                                     state vector alone has it */
};
#define KS_SIMULATE_SPEC_INIT                                                                  \
    {                                                                                          \
        .version = 1, .shots = 1024, .cutoff = KS_CUTOFF_DEFAULT                               \
    }
#define KS_BOND_DEFAULT   256
#define KS_BOND_MAX       4096
#define KS_CUTOFF_DEFAULT 1e-16
#define KS_SHOTS_MAX      10000000

/* Which method SPEC means, and why in one sentence. AUTO takes the state vector where it fits
 * into memory_max (16 GiB where that is 0) and under noise, else the stabilizer tableau for
 * Clifford circuits, else sparse or mps when one trial shot stays within bounds; KS_ERR_LIMIT
 * says what each would need. Name the method where the counts must not follow the memory limit.
 */
#define KS_METHOD_WHY_MAX 160
struct ks_method_choice {
    enum ks_method method;
    char why[KS_METHOD_WHY_MAX]; /* "the state vector needs at most 32 B, limit 4.0 GiB" */
};
KS_MUST_CHECK enum ks_err ks_method_choose(const struct ks_circuit *circuit,
                                           const struct ks_simulate_spec *spec,
                                           struct ks_method_choice *out_choice);

/* Outcomes in ascending order of their bit string, each with its count. */
struct ks_counts;

/* Runs CIRCUIT from |0…0> and samples it. KS_ERR_LIMIT states what the method would
 * need. A circuit without measurements gives one empty outcome. */
KS_MUST_CHECK enum ks_err ks_simulate(const struct ks_circuit *circuit,
                                      const struct ks_simulate_spec *spec,
                                      struct ks_counts **out_counts);
/* ks_method_choose and ks_simulate in one: a circuit that measures at its end alone is run once
 * where AUTO has to try, since the trial is the run. */
KS_MUST_CHECK enum ks_err ks_simulate_explained(const struct ks_circuit *circuit,
                                                const struct ks_simulate_spec *spec,
                                                struct ks_method_choice *out_choice,
                                                struct ks_counts **out_counts);
/* How the counts came about. */
struct ks_simulate_facts {
    enum ks_method method;   /* never AUTO */
    uint64_t amplitudes;     /* SPARSE: most at one time; else 0 */
    uint32_t bond;           /* MPS: the largest; else 0 */
    double discarded_weight; /* SPARSE, MPS: what truncation took of the norm, over all steps */
};
/* Borrowed; lives as long as COUNTS. */
const struct ks_simulate_facts *ks_counts_facts(const struct ks_counts *counts);
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
 * as bit c of i; 2^clbits entries. Follows every course of measurements in the middle, by
 * SPEC's method (AUTO: the state vector): its shots and seed do not matter. KS_ERR_LIMIT above
 * the limits. */
KS_MUST_CHECK enum ks_err ks_probabilities(const struct ks_circuit *circuit,
                                           const struct ks_simulate_spec *spec,
                                           double *out_probabilities);

/* The state that a circuit ends in, before the measurements at its end. Bit q of the index of
 * an amplitude is qubit q. The amplitudes are up to one common phase. One thread at a time. */
struct ks_final;

/* KS_ERR_FORMAT where the circuit has no such state: something happens behind a measurement,
 * there are conditions, control flow or resets behind gates. Always the state vector:
 * KS_ERR_USAGE for another method. SPEC's shots, seed and noise do not matter; its pool must
 * outlive the state. */
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

/* --- one circuit, many angles ------------------------------------------------------------- */

/* The parameters of CIRCUIT's gates, in the order of its operations. */
size_t ks_circuit_angle_count(const struct ks_circuit *circuit);
const double *ks_circuit_angles(const struct ks_circuit *circuit); /* borrowed */

/* A circuit that is run again and again: its plan and memory stay. The bits are those that a
 * circuit written with these angles gives. One thread at a time. */
struct ks_program;

enum ks_program_kind {
    KS_PROGRAM_COUNTS, /* as ks_simulate by the state vector */
    KS_PROGRAM_STATE,  /* as ks_final_new */
};

/* CIRCUIT is borrowed and outlives the program, SPEC is copied; its pool outlives it too.
 * KS_ERR_FORMAT where something happens behind a measurement, KS_ERR_USAGE for noise, another
 * method, and a question whether to go on. */
KS_MUST_CHECK enum ks_err ks_program_new(const struct ks_circuit *circuit,
                                         const struct ks_simulate_spec *spec,
                                         enum ks_program_kind kind,
                                         struct ks_program **out_program);
void ks_program_free(struct ks_program *program); /* NULL is fine */
/* Runs the circuit with ANGLES, ks_circuit_angle_count of them. After the first run nothing is
 * allocated, unless the angles are such that the plan has to change. KS_ERR_FORMAT for one that
 * is not finite; then and after other failures there is no result. */
KS_MUST_CHECK enum ks_err ks_program_run(struct ks_program *program, const double *angles);
/* The plans made so far: more than 1 where angles changed what there is to do. */
uint64_t ks_program_plans(const struct ks_program *program);
/* KS_PROGRAM_STATE: the state of the last run, until the next one; borrowed, may be observed.
 */
KS_MUST_CHECK enum ks_err ks_program_final(struct ks_program *program,
                                           struct ks_final **out_final);
/* KS_PROGRAM_COUNTS: what SEED draws from the last run. */
KS_MUST_CHECK enum ks_err ks_program_counts(struct ks_program *program, uint64_t seed,
                                            struct ks_counts **out_counts);
/* The same without allocation, for at most 64 classical bits: one outcome for each of the
 * spec's shots, equal ones side by side, classical bit c as bit c. */
KS_MUST_CHECK enum ks_err ks_program_outcomes(struct ks_program *program, uint64_t seed,
                                              uint64_t *out_outcomes);

/* Bytes that the state of CIRCUIT takes; UINT64_MAX when over 2^63. */
uint64_t ks_simulate_memory(const struct ks_circuit *circuit, enum ks_precision precision);
/* The name of the best kernels of this CPU: "avx512", "avx2", "neon", "scalar". */
const char *ks_simulate_kernels(void);

#pragma GCC visibility pop

#endif
