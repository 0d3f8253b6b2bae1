#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/vectors/old/circuits.txt: SHA-256 of what Qiskit and Cirq write of circuits of clifford_t_sampling.
Run it in the source root with a Python that has both packages."""

import hashlib
import random
from pathlib import Path

import cirq
import qiskit
from qiskit import qasm3

CASES = [(1, 0, 7), (1, 1, 0), (2, 2, 5), (3, 2, 1234), (4, 10, 123), (5, 40, 99), (12, 9, 2**32), (20, 20, 2**53 - 1)]
PAULI_AND_MORE = {"h": cirq.H, "s": cirq.S, "x": cirq.X, "y": cirq.Y, "z": cirq.Z}


def gates(qubits, depth, seed):
    generator = random.Random(seed)
    for _ in range(depth):
        for qubit in range(qubits):
            yield generator.choice("hsxyz"), qubit
            if generator.random() < 0.15:
                yield "t", qubit


def with_qiskit(qubits, depth, seed):
    circuit = qiskit.QuantumCircuit(qubits, qubits)
    for name, qubit in gates(qubits, depth, seed):
        getattr(circuit, name)(qubit)
    circuit.measure(range(qubits), range(qubits))
    return qasm3.dumps(circuit)


def with_cirq(qubits, depth, seed):
    line = cirq.LineQubit.range(qubits)
    circuit = cirq.Circuit()
    for name, qubit in gates(qubits, depth, seed):
        circuit.append((PAULI_AND_MORE | {"t": cirq.T})[name](line[qubit]))
    circuit.append(cirq.measure(*line, key="m"))
    return cirq.to_json(circuit)


lines = [f"# Qiskit {qiskit.__version__}, Cirq {cirq.__version__}: framework, qubits, depth, seed, SHA-256 of the text"]
for case in CASES:
    for name, make in (("qiskit", with_qiskit), ("cirq", with_cirq)):
        lines.append(f"{name} {case[0]} {case[1]} {case[2]} {hashlib.sha256(make(*case).encode()).hexdigest()}")
folder = Path("tests/vectors/old")
folder.mkdir(parents=True, exist_ok=True)
(folder / "circuits.txt").write_text("\n".join(lines) + "\n", encoding="ascii")
