#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/vectors/qasm/probabilities/: what Qiskit makes of OpenQASM 3 programs without control flow, for the
parser to agree with. Needs the packages qiskit and qiskit-qasm3-import (2.6.2 and 0.6.0 made what is committed).
Run it in the source root."""

import random
from pathlib import Path

import qiskit
from qiskit.quantum_info import Statevector

ONE = ["x", "y", "z", "h", "s", "sdg", "t", "tdg", "sx", "id"]
ANGLED = ["p", "rx", "ry", "rz", "u1", "phase"]
TWO = ["cx", "cy", "cz", "ch", "swap", "CX"]
TWO_ANGLED = ["cp", "crx", "cry", "crz", "cphase"]
QUBITS = 5


def angle(rng):
    return rng.choice(["pi / 2", "-π/4", "0.7", "1e-1 * 3", "tau / 5", "0.25 * pi * (1 + 2)"])


def base_gate(rng):
    """A gate with its parameters, and how many qubits it takes."""
    kind = rng.randrange(6)
    if kind < 2:
        return rng.choice(ONE), 1
    if kind == 2:
        return f"{rng.choice(ANGLED)}({angle(rng)})", 1
    if kind == 3:
        return rng.choice(TWO), 2
    if kind == 4:
        return f"{rng.choice(TWO_ANGLED)}({angle(rng)})", 2
    return rng.choice([(f"U({angle(rng)}, {angle(rng)}, {angle(rng)})", 1), ("ccx", 3), ("cswap", 3),
                       ("mine(0.4)", 2), (f"cu({angle(rng)}, 0.3, {angle(rng)}, 0.2)", 2)])


def statement(rng):
    gate, qubits = base_gate(rng)
    modifiers = ""
    while qubits < QUBITS and rng.random() < 0.5:
        kind = rng.randrange(4)
        if kind == 0:
            modifiers += "inv @ "
        elif kind == 1:
            modifiers += f"pow({rng.choice([2, -1, 3])}) @ "
        else:
            modifiers += rng.choice(["ctrl @ ", "negctrl @ "])
            qubits += 1
    chosen = rng.sample(range(QUBITS), qubits)
    return f"{modifiers}{gate} {', '.join(f'q[{q}]' for q in chosen)};"


def program(seed):
    rng = random.Random(seed)
    lines = ["OPENQASM 3.0;", 'include "stdgates.inc";',
             "gate mine(a) x1, x2 { h x1; ctrl @ ry(a) x1, x2; inv @ t x2; negctrl @ sx x2, x1; }",
             f"qubit[{QUBITS}] q;", f"bit[{QUBITS}] c;"]
    lines += [f"ry({0.3 + 0.2 * q}) q[{q}]; rz({1.1 - 0.3 * q}) q[{q}];" for q in range(QUBITS)]
    lines += [statement(rng) for _ in range(12)]
    lines += [f"rx({0.9 - 0.1 * q}) q[{q}];" for q in range(QUBITS)]
    lines += ["c = measure q;"]
    return "\n".join(lines) + "\n"


folder = Path("tests/vectors/qasm")
(folder / "probabilities").mkdir(exist_ok=True)
for seed in range(1, 25):
    text = program(seed)
    circuit = qiskit.qasm3.loads(text)
    circuit.remove_final_measurements()
    probabilities = Statevector.from_instruction(circuit).probabilities()
    name = f"qiskit-{seed}"
    (folder / "accept" / f"{name}.qasm").write_text(text)
    (folder / "probabilities" / f"{name}.txt").write_text("".join(f"{float(p)!r}\n" for p in probabilities))
