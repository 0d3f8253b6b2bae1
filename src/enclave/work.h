/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* work.h: the one job that a circuit worker gets and the one answer that it gives
 * (docs/formats/ frames.md, KS_FRAME_JOB). Reader and writer of both ends in one place. Pure;
 * views borrow. */
#ifndef KS_ENCLAVE_WORK_H
#define KS_ENCLAVE_WORK_H

#include "base/buf.h"
#include "ketseal/circuit.h"
#include "quantum/census.h"

#define KS_WORK_PROGRAM_MAX (2 * 1024 * 1024)
#define KS_WORK_RESULT_MAX  (8 * 1024 * 1024)
#define KS_WORK_CIRCUIT_MAX (16 * 1024 * 1024)
#define KS_WORK_NAME_MAX    64
#define KS_WORK_NOISE_MAX   4096 /* KS_JOB_NOISE_MAX */

struct ks_work_job {
    struct ks_bytes source;   /* OpenQASM 2; empty: a template */
    struct ks_bytes template; /* name; empty: a source */
    uint32_t qubits;          /* template */
    uint32_t depth;           /* template */
    uint64_t template_seed;   /* template */
    uint64_t shots;
    uint64_t seed;
    bool single;
    uint64_t memory_max; /* bytes of state */
    enum ks_method method;
    uint32_t bond_max;     /* 0 for the default; at most KS_BOND_MAX */
    double cutoff;         /* from 0 to below 1 */
    struct ks_bytes noise; /* canonical JSON; empty for none */
};
void ks_work_job_put(const struct ks_work_job *job, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_work_job_read(struct ks_bytes payload,
                                           struct ks_work_job *out_job);

/* The circuit of its program. In a file of its own: only what runs a job links the parser. */
KS_MUST_CHECK enum ks_err ks_work_circuit(const struct ks_work_job *job,
                                          struct ks_circuit **out_circuit);

struct ks_work_result {
    struct ks_bytes counts;  /* canonical JSON object: outcome -> count */
    struct ks_bytes circuit; /* canonical OpenQASM: its SHA-256 is the circuit_hash */
    uint32_t qubits;
    uint32_t clbits;
    uint64_t ops;
    uint32_t depth;
    uint32_t numerics;
    uint32_t threads;
    struct ks_bytes kernels;
    struct ks_simulate_facts facts; /* finite numbers from 0 on */
    struct ks_bytes reason;         /* why this method, where the job said AUTO; else empty */
    uint32_t bond_max;              /* MPS, as it was used */
    double cutoff;                  /* MPS, as it was used */
    uint64_t parse_us;
    uint64_t simulate_us;
    struct ks_census census; /* of the circuit */
    uint64_t cpu_us;         /* of the process that simulated, up to its answer */
    uint64_t memory_bytes;   /* most that it held */
    /* Of ketseal-adapter; else empty and zero. */
    struct ks_bytes sdk_version;
    struct ks_bytes backend;
    struct ks_bytes backend_version;
    uint8_t transpiled[32]; /* SHA-256 of what the SDK made of the circuit */
};
/* The payload after the answer's code. */
void ks_work_result_put(const struct ks_work_result *result, struct ks_buf *out);
KS_MUST_CHECK enum ks_err ks_work_result_read(struct ks_reader *reader,
                                              struct ks_work_result *out_result);

#endif
