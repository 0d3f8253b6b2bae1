/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* stabilizer.h: Clifford circuits of any width, by a tableau. Exact: nothing is rounded.
 *
 * Draws. Where nothing is measured or reset in the middle, and where a condition stands before
 * something else than a Pauli gate, shots follow the tree (quantum/engine.h), in which an open
 * outcome has probability 1/2; at the end of a branch that has split D times, bit b of a shot's
 * random string, one for each position that can turn an outcome round, in ascending order, is
 * bit b % 128 of ks_philox_bits(seed, shot, D + b / 128). Elsewhere each shot is a Pauli frame
 * over one reference course, in which open outcomes are 0: draw number I of shot s is bit s %
 * 128 of ks_philox_bits(seed, s / 128, I); the first are the Z frames of the qubits, in order,
 * then each measurement or reset in the middle takes one for the Z frame of its qubit. Pure. */
#ifndef KS_QUANTUM_STABILIZER_H
#define KS_QUANTUM_STABILIZER_H

#include "quantum/engine.h"

#define KS_NUMERICS_STABILIZER 1

/* KS_ERR_USAGE naming the first operation that matters to the outcome and is no Clifford gate.
 */
KS_MUST_CHECK enum ks_err ks_stabilizer_check(const struct ks_circuit *circuit);
KS_MUST_CHECK enum ks_err ks_stabilizer_simulate(const struct ks_engine_context *context,
                                                 struct ks_counts **out_counts);
extern const struct ks_engine ks_stabilizer_engine;

#endif
