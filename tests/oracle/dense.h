/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* dense.h: a simulator that is as plain as can be, to check the real one against. It knows
 * U(theta, phi, lambda) and CX alone, by their matrices in the OpenQASM 2 paper (arXiv
 * 1707.03429), and takes every other gate apart as qelib1.inc does. Sines come from libm.
 * Measurements and resets follow both outcomes, control flow its own way. It shares nothing
 * with src/quantum but the list of operations. */
#ifndef KS_TESTS_ORACLE_DENSE_H
#define KS_TESTS_ORACLE_DENSE_H

#include "quantum/circuit.h"

/* out[i]: the probability that classical bit c ends as bit c of i; 2^clbits entries. Aborts
 * without memory: it is for tests. */
void dense_probabilities(const struct ks_circuit *circuit, double *out_probabilities);

/* The state behind all gates of CIRCUIT, measurements left out; 2^qubits amplitudes, bit q of
 * the index being qubit q. */
void dense_state(const struct ks_circuit *circuit, double _Complex *out_state);

#endif
