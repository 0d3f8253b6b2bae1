/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* noise.h: a circuit with what a noise model does to it as operations of its own. Pauli errors
 * are drawn for each shot (PAULI: X, Y or Z with its parameters for probabilities; PAIR: one of
 * the 15 other pairs of Paulis, with its parameter), flips of results too (READOUT: of 0 and of
 * 1). A qubit that decays rotates one more, fresh qubit, which is then reset: the reset's
 * outcome is whether it has decayed. Losing the phase is a Z with probability
 * (1 - sqrt(1 - rate)) / 2. Pure. */
#ifndef KS_QUANTUM_NOISE_H
#define KS_QUANTUM_NOISE_H

#include "quantum/circuit.h"

/* Owns operations and parameters; the rest is CIRCUIT's, which must outlive it. */
KS_MUST_CHECK enum ks_err ks_noisy_new(const struct ks_circuit *circuit,
                                       const struct ks_noise *noise,
                                       struct ks_circuit **out_noisy);
void ks_noisy_free(struct ks_circuit *noisy); /* NULL is fine */

/* Which error a draw (KS_DRAW_BITS bits) makes of PAULI or PAIR: 0 for none, else its number;
 * of PAULI 1 to 3 for X, Y, Z; of PAIR the first qubit's + 4 times the second's. */
unsigned ks_noise_choice(const struct ks_op *op, const double *params, uint64_t draw);

/* --- density.c ---------------------------------------------------------------------------- */
/* The exact distribution of the outcomes of CIRCUIT under SPEC's noise, by its density matrix:
 * out[i] is the probability that classical bit c ends as bit c of i; 2^clbits entries. The
 * reference for trajectories, and shares no arithmetic with them. KS_ERR_LIMIT above the
 * limits. */
KS_MUST_CHECK enum ks_err ks_density_probabilities(const struct ks_circuit *circuit,
                                                   const struct ks_simulate_spec *spec,
                                                   double *out_probabilities);

#endif
