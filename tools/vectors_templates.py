#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Writes tests/vectors/circuit/<template>_<qubits>_<depth>_<seed>.qasm from docs/formats/templates.md,
independently of the C code. Run it in the source root. clifford_t_sampling_* come from vectors_clifford_t.py."""

import math
from pathlib import Path

MASK = 2**64 - 1


def number(value):
    """ECMAScript's Number::toString."""
    sign, value = ("-", -value) if value < 0 else ("", value)
    mantissa, exponent = f"{value:.17e}".split("e")
    for digits in range(17):
        text = f"{value:.{digits}e}"
        if float(text) == value:
            mantissa, exponent = text.split("e")
            break
    digits, point = mantissa.replace(".", ""), int(exponent) + 1
    if value == 0:
        return "0"
    if len(digits) <= point <= 21:
        return sign + digits + "0" * (point - len(digits))
    if 0 < point <= 21:
        return sign + digits[:point] + "." + digits[point:]
    if -6 < point <= 0:
        return sign + "0." + "0" * -point + digits
    tail = "." + digits[1:] if len(digits) > 1 else ""
    return f"{sign}{digits[0]}{tail}e{point - 1:+d}"


class SplitMix64:
    def __init__(self, seed):
        self.state = seed

    def word(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        word = self.state
        word = (word ^ word >> 30) * 0xBF58476D1CE4E5B9 & MASK
        word = (word ^ word >> 27) * 0x94D049BB133111EB & MASK
        return word ^ word >> 31

    def angle(self):
        return number(2 * math.pi * ((self.word() >> 11) / 2**53))


def ghz(qubits, _depth, _seed):
    yield "h q[0];"
    for i in range(1, qubits):
        yield f"cx q[{i - 1}],q[{i}];"


def qft(qubits, _depth, _seed):
    for target in reversed(range(qubits)):
        yield f"h q[{target}];"
        for control in reversed(range(target)):
            yield f"cp({number(math.pi / 2 ** (target - control))}) q[{control}],q[{target}];"
    for i in range(qubits // 2):
        yield f"swap q[{i}],q[{qubits - 1 - i}];"


def hea(qubits, depth, seed):
    random = SplitMix64(seed)
    for _ in range(depth):
        for i in range(qubits):
            yield f"ry({random.angle()}) q[{i}];"
            yield f"rz({random.angle()}) q[{i}];"
        for i in range(1, qubits):
            yield f"cx q[{i - 1}],q[{i}];"


def rqc(qubits, depth, seed):
    random = SplitMix64(seed)
    kinds = [None] * qubits
    for cycle in range(depth + 1):
        for i in range(qubits):
            word = random.word()
            kinds[i] = word % 3 if cycle == 0 else (kinds[i] + 1 + word % 2) % 3
            for gate in (["sx"], [f"ry({number(math.pi / 2)})"], ["tdg", "sx", "t"])[kinds[i]]:
                yield f"{gate} q[{i}];"
        if cycle < depth:
            for i in range(cycle % 2, qubits - 1, 2):
                yield f"sdg q[{i}];"
                yield f"sdg q[{i + 1}];"
                yield f"cp({number(math.pi * 5 / 6)}) q[{i}],q[{i + 1}];"
                yield f"swap q[{i}],q[{i + 1}];"


CASES = [
    ("bell", ghz, 2, 0, 0), ("ghz", ghz, 1, 0, 0), ("ghz", ghz, 5, 3, 9), ("qft", qft, 1, 0, 0),
    ("qft", qft, 5, 0, 0), ("qft", qft, 30, 0, 0), ("hea", hea, 1, 2, 0), ("hea", hea, 4, 3, 7),
    ("hea", hea, 3, 0, 1), ("hea", hea, 2, 40, 2**64 - 1), ("rqc", rqc, 1, 4, 1),
    ("rqc", rqc, 5, 6, 123), ("rqc", rqc, 2, 0, 5), ("rqc", rqc, 9, 12, 2**63 + 11),
]

folder = Path("tests/vectors/circuit")
folder.mkdir(parents=True, exist_ok=True)
for name, template, qubits, depth, seed in CASES:
    lines = ["OPENQASM 2.0;", 'include "qelib1.inc";', f"qreg q[{qubits}];", f"creg c[{qubits}];"]
    lines += template(qubits, depth, seed)
    lines += [f"measure q[{i}] -> c[{i}];" for i in range(qubits)]
    path = folder / f"{name}_{qubits}_{depth}_{seed}.qasm"
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
