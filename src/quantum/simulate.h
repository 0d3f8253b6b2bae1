/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* simulate.h: the state-vector method, and what tests see of it beside ketseal/circuit.h. Pure.
 */
#ifndef KS_QUANTUM_SIMULATE_H
#define KS_QUANTUM_SIMULATE_H

#include "quantum/state.h"

/* A measurement or reset whose less likely outcome has at most this probability draws nothing
 * and takes the other. Rounding gives an outcome that cannot happen a probability of about G^2
 * eps^2 after G gates (eps = 1.1e-16 or 6e-8): 1e-20 or 4e-9 after a million gates that err as
 * they like, so certain outcomes are found; and 10^7 shots see one event of 1e-9 in a hundred
 * runs, of 1e-6 ten in a run. */
#define KS_CERTAIN_DOUBLE 0x1p-30
#define KS_CERTAIN_SINGLE 0x1p-20

/* ks_simulate by KS_METHOD_STATEVECTOR, whatever SPEC's method. */
KS_MUST_CHECK enum ks_err ks_statevector_simulate(const struct ks_circuit *circuit,
                                                  const struct ks_simulate_spec *spec,
                                                  struct ks_counts **out_counts);

/* The same, on each rank of TEAM (NULL: alone), whose err must be KS_OK. What fails on one rank
 * alone is not agreed on yet. */
KS_MUST_CHECK enum ks_err ks_statevector_share(const struct ks_circuit *circuit,
                                               const struct ks_simulate_spec *spec,
                                               struct ks_team *team,
                                               struct ks_counts **out_counts);

KS_MUST_CHECK enum ks_err ks_statevector_probabilities(const struct ks_circuit *circuit,
                                                       const struct ks_simulate_spec *spec,
                                                       double *out_probabilities);

/* BYTES as "64.0 GiB". */
#define KS_SIZE_TEXT_MAX 24 /* "more than 8.0 EiB" and its NUL */
void ks_size_text(uint64_t bytes, char target[KS_SIZE_TEXT_MAX]);

/* The exact distribution: out[i] is the probability that classical bit c ends as bit c of i,
 * for all 2^clbits outcomes. Follows every branch of measurements in the middle, by SPEC's
 * method (AUTO: the state vector): its shots and seed do not matter. For tests. */
KS_MUST_CHECK enum ks_err ks_simulate_probabilities(const struct ks_circuit *circuit,
                                                    const struct ks_simulate_spec *spec,
                                                    double *out_probabilities);

/* The state after all gates of a CIRCUIT without measurements, resets and conditions, each
 * qubit with a slot, as the plan leaves it: swaps and flips are not undone. OUT is an
 * initialised state whose kernels and pool are used. For tests and golden digests. */
KS_MUST_CHECK enum ks_err ks_simulate_state(const struct ks_circuit *circuit,
                                            struct ks_state *out);

#endif
