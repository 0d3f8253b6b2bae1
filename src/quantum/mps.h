/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* mps.h: matrix product states: one tensor for each qubit along a line, for circuits whose
 * entanglement across each cut of the line stays low. In double; sums run in a fixed order, and
 * singular values come from one-sided Jacobi rotations in a fixed order (factor.h), so that all
 * results have the same bits everywhere.
 *
 * Qubits start in the order of line.h. A gate brings its qubits side by side by swaps,
 * which stay; SWAP itself renames. After each gate on several qubits the cuts between them keep
 * the largest singular values, at most bond_max of them, whose others weigh at most CUTOFF of
 * the whole together; what is left out is summed up as the discarded weight, and the state is
 * normalised again. The fidelity to the exact state is about 1 minus that sum (Zhou,
 * Stoudenmire, Waintal, Phys. Rev. X 10, 041038), the distance in total variation about its
 * square root: estimates, no bounds.
 *
 * Draws: at the end of a branch that has split D times, the qubit at place I of the line takes
 * draw D + I of each shot, purpose SAMPLE: it is 1 when draw * 2^-53 is below the probability
 * of 1 given the places before it. Pure. */
#ifndef KS_QUANTUM_MPS_H
#define KS_QUANTUM_MPS_H

#include "quantum/engine.h"

#define KS_NUMERICS_MPS 1

extern const struct ks_engine ks_mps_engine;

#endif
