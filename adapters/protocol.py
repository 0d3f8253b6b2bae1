# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""What the adapters have in common: the protocol on stdin and stdout, and the canonical circuit.

The build puts this in front of each SDK's own part: an adapter is one text, measured as one. One request comes as a
line of JSON on stdin, one answer goes as a line of JSON to stdout (docs/formats/adapter.md). Nothing is read or written
besides. argv[1] is the folder with the SDK's packages.

Bit order: classical bit 0 is the rightmost character of an outcome.
"""

import json
import os
import re
import sys
import tempfile

PROTOCOL = "ketseal.adapter/1"
REQUEST_MAX = 32 * 1024 * 1024
CLBITS_MAX = 1024
SEED_MAX = 2**53 - 1

# One thread: the same seed draws the same counts then.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "RAYON_NUM_THREADS"):
    os.environ[variable] = "1"
os.environ["QISKIT_PARALLEL"] = "FALSE"
tempfile.tempdir = os.devnull  # nothing can be written: nothing looks for a place to
if len(sys.argv) > 1:
    sys.path.append(sys.argv[1])


class Refused(Exception):
    """What the SDK, or this adapter, does not run."""


class Operation:
    """NAME with its parameters on flat numbers of qubits; of a measurement CLBIT. CONDITION: None, or the name
    of a classical register and the value that it has to have."""

    __slots__ = ("name", "params", "qubits", "clbit", "condition")

    def __init__(self, name, params, qubits, clbit, condition):
        self.name = name
        self.params = params
        self.qubits = qubits
        self.clbit = clbit
        self.condition = condition


class Program:
    """A canonical text of OpenQASM 2: one statement a line, nothing to resolve but registers."""

    _REGISTER = re.compile(r"(qreg|creg) ([a-z][A-Za-z0-9_]*)\[([0-9]+)\];")
    _CONDITION = re.compile(r"if\(([a-z][A-Za-z0-9_]*)==([0-9]+)\) ")
    _GATE = re.compile(r"([a-z][a-z0-9]*)(?:\(([^()]*)\))? ([^;]*);")
    _BIT = re.compile(r"([a-z][A-Za-z0-9_]*)\[([0-9]+)\]")

    def __init__(self, text):
        self.qubits = 0
        self.clbits = 0
        self.operations = []
        self.registers = {}  # classical ones: name, and the flat numbers of its bits
        self._quantum = {}
        lines = text.split("\n")
        if lines[0] == "OPENQASM 3.0;":
            raise Refused("the program takes OpenQASM 3: control flow is not for this SDK's adapter")
        if lines[:2] != ["OPENQASM 2.0;", 'include "qelib1.inc";'] or lines[-1] != "":
            raise ValueError("the program is no canonical text")
        for line in lines[2:-1]:
            self._read(line)

    def _read(self, line):
        register = self._REGISTER.fullmatch(line)
        if register:
            kind, name, size = register.groups()
            if kind == "qreg":
                self._quantum[name] = range(self.qubits, self.qubits + int(size))
                self.qubits += int(size)
            else:
                self.registers[name] = range(self.clbits, self.clbits + int(size))
                self.clbits += int(size)
            return
        condition = self._CONDITION.match(line)
        if condition:
            line = line[condition.end() :]
            condition = (condition[1], int(condition[2]))
        name, params, operands = self._GATE.fullmatch(line).groups()
        if name == "barrier":
            self.operations.append(Operation(name, (), tuple(range(self.qubits)), None, None))
            return
        clbit = None
        if name == "measure":
            operands, target = operands.split(" -> ")
            clbit = self._bit(self.registers, target)
        self.operations.append(
            Operation(
                name,
                tuple(float(param) for param in params.split(",")) if params else (),
                tuple(self._bit(self._quantum, operand) for operand in operands.split(",")),
                clbit,
                condition,
            )
        )

    def _bit(self, registers, text):
        name, index = self._BIT.fullmatch(text).groups()
        return registers[name][int(index)]


class Request:
    def __init__(self, line):
        fields = json.loads(line)
        if fields["protocol"] != PROTOCOL:
            raise ValueError(f"the request is of {fields['protocol']!r}")
        self.program = Program(fields["program"])
        self.shots = fields["shots"]
        self.seed = fields["seed"]
        self.single = fields["precision"] == "single"
        if not any(operation.name == "measure" for operation in self.program.operations):
            raise Refused("nothing is measured")
        if self.program.clbits > CLBITS_MAX or not 1 <= self.shots or not 0 <= self.seed <= SEED_MAX:
            raise ValueError("the request is out of its limits")


def serve(sdk, run):
    """RUN(request) gives the answer's members. It is called once."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no part of the answer
    line = sys.stdin.buffer.readline(REQUEST_MAX)
    if not line:
        return
    try:
        answer = {"protocol": PROTOCOL, "sdk": sdk, **run(Request(line))}
    except Refused as refusal:
        answer = {"protocol": PROTOCOL, "sdk": sdk, "refused": str(refusal)[:500]}
    except MemoryError:
        answer = {"protocol": PROTOCOL, "sdk": sdk, "refused": "it needs more memory than this site allows"}
    answers.write(json.dumps(answer, separators=(",", ":")).encode() + b"\n")
    answers.flush()
    os._exit(0)  # no destructor of a library has anything to say any more
