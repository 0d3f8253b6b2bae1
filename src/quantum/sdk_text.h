/* SPDX-FileCopyrightText: The ketseal authors
 * SPDX-License-Identifier: Apache-2.0 */

/* sdk_text.h: the texts that Qiskit and Cirq make of the circuits of clifford_t_sampling, which
 * the circuit hashes of old records are over (docs/formats/old-records.md). For that workload
 * alone: no other circuit has such a record. Pure. */
#ifndef KS_QUANTUM_SDK_TEXT_H
#define KS_QUANTUM_SDK_TEXT_H

#include "base/buf.h"
#include "ketseal/circuit.h"

/* Of the circuits of the template clifford_t_sampling; KS_ERR_USAGE for a circuit with another
 * gate. Appends what qiskit.qasm3.dumps writes of it, as of Qiskit 1 and 2 … */
KS_MUST_CHECK enum ks_err ks_sdk_text_qiskit(const struct ks_circuit *circuit,
                                             struct ks_buf *out);
/* … or what cirq.to_json does, of moments made by the strategy EARLIEST, as of Cirq 1. */
KS_MUST_CHECK enum ks_err ks_sdk_text_cirq(const struct ks_circuit *circuit,
                                           struct ks_buf *out);

#endif
