/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* line.h: an order of the qubits in which those that meet in gates stand near each other:
 * Cuthill and McKee's (1969) over the graph of which qubits meet, without the hubs, which meet
 * more than a quarter of all others and go first. Follows the circuit alone. Pure. */
#ifndef KS_QUANTUM_LINE_H
#define KS_QUANTUM_LINE_H

#include "quantum/circuit.h"

/* Wider circuits keep their order. */
#define KS_LINE_QUBITS_MAX 4096

/* ORDER[i] is the qubit at place i, DEGREES[q] how many others qubit q meets; both as long as
 * CIRCUIT has qubits. */
KS_MUST_CHECK enum ks_err ks_line_order(const struct ks_circuit *circuit, uint32_t *order,
                                        uint32_t *degrees);

#endif
