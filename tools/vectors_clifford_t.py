#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/vectors/circuit/clifford_t_sampling_*.qasm with the definition of clifford_t_sampling that
quantum-proof-of-execution used: Python's own random.Random. Run it in the source root."""

import random
from pathlib import Path

CASES = [
    (4, 10, 123), (1, 1, 0), (1, 400, 1), (3, 7, 42), (5, 20, 7), (24, 30, 2**32 - 1),
    (2, 25, 2**32), (6, 12, 0x123456789ABCDEF0), (2, 3, 2**64 - 1), (8, 0, 5), (50, 16, 99999),
]


def clifford_t(qubits, depth, seed):
    generator = random.Random(seed)
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{qubits}];", f"creg c[{qubits}];"]
    for _ in range(depth):
        for qubit in range(qubits):
            lines.append(f"{generator.choice(['h', 's', 'x', 'y', 'z'])} q[{qubit}];")
            if generator.random() < 0.15:
                lines.append(f"t q[{qubit}];")
    lines += [f"measure q[{qubit}] -> c[{qubit}];" for qubit in range(qubits)]
    return "\n".join(lines) + "\n"


folder = Path("tests/vectors/circuit")
folder.mkdir(parents=True, exist_ok=True)
for qubits, depth, seed in CASES:
    path = folder / f"clifford_t_sampling_{qubits}_{depth}_{seed}.qasm"
    path.write_text(clifford_t(qubits, depth, seed), encoding="ascii")
