#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/vectors/noise/: circuits, noise models, and the probabilities that Qiskit's density matrices give for
them. Needs the package qiskit (2.6.2 made what is committed). Run it in the source root."""

import itertools
import json
import random
from pathlib import Path

import numpy as np
import qiskit.qasm2
from qiskit.quantum_info import DensityMatrix, Kraus, Operator

PAULIS = [np.eye(2), np.array([[0, 1], [1, 0]]), np.array([[0, -1j], [1j, 0]]), np.diag([1, -1])]
QUBITS = 3


def paulis(x, y, z):
    weights = [1 - x - y - z, x, y, z]
    return Kraus([np.sqrt(weight) * pauli for weight, pauli in zip(weights, PAULIS)])


def amplitude(p):
    return Kraus([np.diag([1, np.sqrt(1 - p)]), np.array([[0, np.sqrt(p)], [0, 0]])])


def phase(p):
    return Kraus([np.diag([1, np.sqrt(1 - p)]), np.diag([0, np.sqrt(p)])])


def pair(p):
    products = [np.kron(a, b) for a, b in itertools.product(PAULIS, PAULIS)]
    return Kraus([np.sqrt(1 - p if i == 0 else p / 15) * product for i, product in enumerate(products)])


def evolve(text, model):
    rho = DensityMatrix.from_label("0" * QUBITS)
    circuit = qiskit.qasm2.loads(text)
    circuit.remove_final_measurements()
    for instruction in circuit.data:
        qubits = [circuit.find_bit(q).index for q in instruction.qubits]
        rho = rho.evolve(Operator(instruction.operation), qubits)
        rates = model["gate1" if len(qubits) == 1 else "gate2"]
        for qubit in qubits:
            rho = rho.evolve(paulis(rates["x"], rates["y"], rates["z"]), [qubit])
            if len(qubits) != 2:
                third = rates["depolarizing"] / 3
                rho = rho.evolve(paulis(third, third, third), [qubit])
            rho = rho.evolve(amplitude(rates["amplitude_damping"]), [qubit])
            rho = rho.evolve(phase(rates["phase_damping"]), [qubit])
        if len(qubits) == 2:
            rho = rho.evolve(pair(rates["depolarizing"]), qubits)
    readout = model["readout"]
    read = np.array([[1 - readout["read0_as1"], readout["read1_as0"]],
                     [readout["read0_as1"], 1 - readout["read1_as0"]]])
    result = np.real(np.diag(rho.data))
    for qubit in range(QUBITS):
        result = np.kron(np.kron(np.eye(2 ** (QUBITS - 1 - qubit)), read), np.eye(2**qubit)) @ result
    return result


def program(rng):
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{QUBITS}];", f"creg c[{QUBITS}];"]
    for _ in range(14):
        a, b, c = rng.sample(range(QUBITS), QUBITS)
        lines.append(rng.choice([f"h q[{a}];", f"ry(0.7) q[{a}];", f"rz(1.1) q[{a}];", f"t q[{a}];",
                                 f"cx q[{a}],q[{b}];", f"cu1(0.4) q[{a}],q[{b}];", f"ccx q[{a}],q[{b}],q[{c}];"]))
    return "\n".join(lines + ["measure q -> c;"]) + "\n"


def model(rng):
    def rates():
        return {name: rng.choice([0, round(rng.random() * 0.2, 3)])
                for name in ("amplitude_damping", "depolarizing", "phase_damping", "x", "y", "z")}

    return {"gate1": rates(), "gate2": rates(), "schema": "ketseal.noise/1",
            "readout": {name: round(rng.random() * 0.1, 3) for name in ("read0_as1", "read1_as0")}}


folder = Path("tests/vectors/noise")
folder.mkdir(exist_ok=True)
for seed in range(1, 13):
    rng = random.Random(seed)
    text, noise = program(rng), model(rng)
    (folder / f"{seed}.qasm").write_text(text)
    (folder / f"{seed}.json").write_text(json.dumps(noise, sort_keys=True, separators=(",", ":")))
    (folder / f"{seed}.txt").write_text("".join(f"{float(p)!r}\n" for p in evolve(text, noise)))
(folder / "SOURCE").write_text(
    "Made by tools/vectors_noise.py: N.qasm and N.json are ours, N.txt has the probabilities that Qiskit 2.6.2\n"
    "(Apache-2.0) computes for them, outcome 0 first. Numbers only: no code of theirs is in the tree.\n")
