#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Qulacs as a peer of bench_simulate: qulacs.py FUSED FILE.qasm

Each line of standard input is one run from |0...0>; the answer is its seconds, and
those of the CPU. Fusing is not counted.
"""
import importlib
import os
import sys
import time

# This script has the package's name: its own folder must not be looked at for it.
sys.path = [path for path in sys.path if os.path.abspath(path or ".") != os.path.dirname(os.path.abspath(__file__))]
qulacs = importlib.import_module("qulacs")
optimizer = importlib.import_module("qulacs.circuit")
sys.path.append(os.path.dirname(os.path.abspath(__file__)))
qasm = importlib.import_module("qasm")


def rotation(pauli):
    """Adds exp(-i angle/2 P P): the sign is Qulacs'."""
    return lambda circuit, angles, qubits: circuit.add_multi_Pauli_rotation_gate(qubits, [pauli, pauli], -angles[0])


def phase(circuit, angles, qubits):
    """A controlled phase."""
    gate = qulacs.gate.to_matrix_gate(qulacs.gate.U1(qubits[1], angles[0]))
    gate.add_control_qubit(qubits[0], 1)
    circuit.add_gate(gate)


GATES = {
    "h": lambda c, a, q: c.add_H_gate(q[0]),
    "x": lambda c, a, q: c.add_X_gate(q[0]),
    "s": lambda c, a, q: c.add_S_gate(q[0]),
    "t": lambda c, a, q: c.add_T_gate(q[0]),
    "sx": lambda c, a, q: c.add_sqrtX_gate(q[0]),
    "rx": lambda c, a, q: c.add_RX_gate(q[0], -a[0]),
    "ry": lambda c, a, q: c.add_RY_gate(q[0], -a[0]),
    "rz": lambda c, a, q: c.add_RZ_gate(q[0], -a[0]),
    "cx": lambda c, a, q: c.add_CNOT_gate(q[0], q[1]),
    "cz": lambda c, a, q: c.add_CZ_gate(q[0], q[1]),
    "swap": lambda c, a, q: c.add_SWAP_gate(q[0], q[1]),
    "cp": phase,
    "cu1": phase,
    "rxx": rotation(1),
    "ryy": rotation(2),
}


def main():
    count, gates = qasm.read(sys.argv[2])
    circuit = qulacs.QuantumCircuit(count)
    for name, angles, qubits in qasm.by(GATES, gates):
        GATES[name](circuit, angles, qubits)
    optimizer.QuantumCircuitOptimizer().optimize(circuit, int(sys.argv[1]))
    state = qulacs.QuantumState(count)
    for _ in sys.stdin:
        start = (time.perf_counter(), time.process_time())
        state.set_zero_state()
        circuit.update_quantum_state(state)
        print(time.perf_counter() - start[0], time.process_time() - start[1], flush=True)


if __name__ == "__main__":
    main()
