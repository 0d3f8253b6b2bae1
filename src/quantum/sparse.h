/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* sparse.h: circuits that never hold many amplitudes at once: those that are not zero, in
 * double, in a list whose order follows the circuit alone. Entries stand in order of their
 * first appearance; hashing only finds partners, and each sum has two terms. An amplitude whose
 * square, after a gate that mixes two, is at most KS_SPARSE_TINY is dropped and its square
 * counted as discarded: rounding leaves about 1e-33 where amplitudes cancel.
 *
 * Draws: at the end of a branch that has split D times, draw D of each shot, purpose SAMPLE;
 * the squares lie side by side in the order of the list, and the shot takes the entry that the
 * draw hits. Pure. */
#ifndef KS_QUANTUM_SPARSE_H
#define KS_QUANTUM_SPARSE_H

#include "quantum/engine.h"

#define KS_NUMERICS_SPARSE 1
#define KS_SPARSE_TINY     0x1p-100

extern const struct ks_engine ks_sparse_engine;

#endif
