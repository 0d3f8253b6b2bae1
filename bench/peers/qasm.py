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
