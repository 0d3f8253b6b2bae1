# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""The circuits of bench_simulate, for peers: canonical OpenQASM 2 of gates and measurements."""
import ast
import math
import operator
import re

OPERATORS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv}
GATE = re.compile(r"(\w+)(?:\((.*)\))? (\w+\[\d+\](?:,\w+\[\d+\])*);$")


def value(node):
    """An angle: numbers and pi."""
    if isinstance(node, ast.Expression):
        return value(node.body)
    if isinstance(node, ast.BinOp):
        return OPERATORS[type(node.op)](value(node.left), value(node.right))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -value(node.operand)
    if isinstance(node, ast.Name) and node.id == "pi":
        return math.pi
    return float(node.value)


def controlled_u(angles, qubits):
    """As OpenQASM 2 has cu3, with a phase of the control."""
    theta, phi, lam, gamma = angles
    control, target = qubits
    return [("p", [gamma + (lam + phi) / 2], [control]), ("p", [(lam - phi) / 2], [target]), ("cx", [], qubits),
            ("u", [-theta / 2, 0.0, -(phi + lam) / 2], [target]), ("cx", [], qubits), ("u", [theta / 2, phi, 0.0], [target])]


def toffoli(qubits):
    """ccx as in qelib1.inc."""
    a, b, c = qubits
    listed = f"h {c};cx {b} {c};tdg {c};cx {a} {c};t {c};cx {b} {c};tdg {c};cx {a} {c};t {b};t {c};h {c};cx {a} {b};t {a};tdg {b};cx {a} {b}"
    return [(part.split()[0], [], [int(q) for q in part.split()[1:]]) for part in listed.split(";")]


# Gates as others, up to a global phase: of angles and qubits.
AS_OTHERS = {
    "id": lambda a, q: [],
    "y": lambda a, q: [("rz", [math.pi], q), ("x", [], q)],
    "z": lambda a, q: [("rz", [math.pi], q)],
    "s": lambda a, q: [("rz", [math.pi / 2], q)],
    "t": lambda a, q: [("rz", [math.pi / 4], q)],
    "sdg": lambda a, q: [("rz", [-math.pi / 2], q)],
    "tdg": lambda a, q: [("rz", [-math.pi / 4], q)],
    "sx": lambda a, q: [("rx", [math.pi / 2], q)],
    "sxdg": lambda a, q: [("rx", [-math.pi / 2], q)],
    "p": lambda a, q: [("rz", a, q)],
    "u1": lambda a, q: [("rz", a, q)],
    "u2": lambda a, q: [("u", [math.pi / 2, *a], q)],
    "u3": lambda a, q: [("u", a, q)],
    "u": lambda a, q: [("rz", [a[2]], q), ("ry", [a[0]], q), ("rz", [a[1]], q)],
    "cy": lambda a, q: [("sdg", [], q[1:]), ("cx", [], q), ("s", [], q[1:])],
    "cz": lambda a, q: [("h", [], q[1:]), ("cx", [], q), ("h", [], q[1:])],
    "ch": lambda a, q: [("s", [], q[1:]), ("h", [], q[1:]), ("t", [], q[1:]), ("cx", [], q),
                        ("tdg", [], q[1:]), ("h", [], q[1:]), ("sdg", [], q[1:])],
    "csx": lambda a, q: [("h", [], q[1:]), ("cp", [math.pi / 2], q), ("h", [], q[1:])],
    "crx": lambda a, q: [("h", [], q[1:]), ("crz", a, q), ("h", [], q[1:])],
    "cry": lambda a, q: [("ry", [a[0] / 2], q[1:]), ("cx", [], q), ("ry", [-a[0] / 2], q[1:]), ("cx", [], q)],
    "crz": lambda a, q: [("rz", [a[0] / 2], q[1:]), ("cx", [], q), ("rz", [-a[0] / 2], q[1:]), ("cx", [], q)],
    "cu1": lambda a, q: [("cp", a, q)],
    "cu3": lambda a, q: controlled_u([*a, 0.0], q),
    "cu": controlled_u,
    "rxx": lambda a, q: [("h", [], q[:1]), ("h", [], q[1:]), ("rzz", a, q), ("h", [], q[:1]), ("h", [], q[1:])],
    "rzz": lambda a, q: [("cx", [], q), ("rz", a, q[1:]), ("cx", [], q)],
    "ccx": lambda a, q: toffoli(q),
    "cswap": lambda a, q: [("cx", [], [q[2], q[1]]), ("ccx", [], q), ("cx", [], [q[2], q[1]])],
}


def by(known, gates):
    """Yields GATES, those that KNOWN does not have as others that it does."""
    for name, angles, qubits in gates:
        if name in known or name not in AS_OTHERS:
            yield name, angles, qubits
        else:
            yield from by(known, AS_OTHERS[name](angles, qubits))


def read(path):
    """(qubits, [(gate, [angle], [qubit])]) of the file at PATH, which has one quantum register."""
    count = 0
    gates = []
    with open(path, encoding="ascii") as file:
        for line in file:
            line = line.strip()
            register = re.match(r"qreg \w+\[(\d+)\];$", line)
            gate = GATE.match(line)
            if register is not None:
                count = int(register[1])
            elif gate is not None and gate[1] not in ("creg", "barrier"):
                angles = [value(ast.parse(part.strip(), mode="eval")) for part in (gate[2] or "").split(",") if part]
                gates.append((gate[1], angles, [int(q) for q in re.findall(r"\[(\d+)\]", gate[3])]))
    return count, gates
