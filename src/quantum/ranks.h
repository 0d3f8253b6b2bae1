/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* ranks.h: one state vector over several processes, its ranks. All of them call the same
 * functions with the same circuit and specification and come to the same results, which have
 * the bits of one process. How ranks reach each other is given from outside: Open MPI, or
 * threads in tests. The model of what they exchange is docs/ranks.md.
 *
 * Each rank is one thread's (and its pool's). Pure. */
#ifndef KS_QUANTUM_RANKS_H
#define KS_QUANTUM_RANKS_H

#include "quantum/circuit.h"

struct ks_plan;

#define KS_RANK_BITS_MAX 10
#define KS_RANKS_MAX     (1u << KS_RANK_BITS_MAX)

/* Both calls are made by all ranks in the same order, and wait for each other. Where the
 * transport itself breaks they do not return, or fail on all ranks. */
struct ks_ranks {
    uint32_t rank;
    uint32_t count; /* a power of two, at most KS_RANKS_MAX */
    void *context;
    /* Gives BYTES to PARTNER, who gives as many: at most KS_EXCHANGE_MAX. */
    enum ks_err (*exchange)(void *context, uint32_t partner, const void *send, void *receive,
                            size_t bytes);
    /* WORDS become the bitwise or of what all ranks have there. */
    enum ks_err (*merge)(void *context, uint64_t *words, size_t count);
};
#define KS_EXCHANGE_MAX ((size_t)1 << 20)

/* What went between ranks, all of them together. */
struct ks_traffic {
    uint64_t exchanges; /* times that amplitudes changed ranks */
    uint64_t bytes;     /* of amplitudes sent */
    uint64_t merged;    /* bytes that one rank put into merges: sums, outcomes, agreement */
};

/* ks_simulate by the state vector, over RANKS. SPEC's memory_max is for each rank, and the same
 * on all. An error of any rank becomes that of all, with its text. */
KS_MUST_CHECK enum ks_err ks_ranks_simulate(const struct ks_circuit *circuit,
                                            const struct ks_simulate_spec *spec,
                                            const struct ks_ranks *ranks,
                                            struct ks_counts **out_counts,
                                            struct ks_traffic *out_traffic);
/* The first LEN bytes of DATA become those of rank 0, on all ranks. */
KS_MUST_CHECK enum ks_err ks_ranks_share(const struct ks_ranks *ranks, void *data, size_t len);
/* ERR of any rank, the lowest that failed, becomes that of all, with its text. */
KS_MUST_CHECK enum ks_err ks_ranks_agree(const struct ks_ranks *ranks, enum ks_err err);

/* What COUNT ranks would exchange, without running anything: exactly what ks_ranks_simulate
 * does up to the first measurement, reset or condition that cannot wait until the end.
 */
struct ks_ranks_forecast {
    struct ks_traffic traffic; /* bytes; merges are left out */
    uint32_t slots;            /* of the whole state */
    uint32_t local;            /* most slots of one rank's share */
    uint32_t passes;
    uint64_t memory; /* bytes that each rank needs */
    bool whole;      /* all of the circuit was planned */
};
/* The plan that ks_ranks_predict looks at; PLAN is initialised and has its precision. */
KS_MUST_CHECK enum ks_err ks_ranks_plan(const struct ks_circuit *circuit, struct ks_plan *plan,
                                        bool *out_whole);
KS_MUST_CHECK enum ks_err ks_ranks_predict(const struct ks_circuit *circuit,
                                           enum ks_precision precision, uint32_t count,
                                           struct ks_ranks_forecast *out_forecast);

#endif
