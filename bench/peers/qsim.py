#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""qsim as a peer of bench_simulate: qsim.py PROGRAM THREADS FUSED FILE.qasm

PROGRAM FILE THREADS FUSED drives qsim in single precision: it reads FILE, a circuit in qsim's own format, makes the
state once, and for each line of standard input runs the circuit from |0...0> and answers with the seconds of that run
and those of the CPU. It is started with huge pages for the state. Gates go to qsim as what they are there: rxx and ryy
by one angle on one pair as fSim, a cu1 on the pair with them; what it does not have as others, which its fusion puts
together again.
"""
import os
import subprocess
import sys
import tempfile

import qasm


SAME = {"h": "h", "t": "t", "s": "s", "x": "x", "y": "y", "z": "z", "cz": "cz", "cx": "cnot", "sx": "x_1_2", "swap": "sw"}
ANGLED = {"rx": "rx", "ry": "ry", "rz": "rz", "cp": "cp"}


def translated(gates):
    """Yields lines of qsim's format without their time."""
    at = 0
    while at < len(gates):
        name, angles, qubits = gates[at]
        at += 1
        if name == "rxx" and at < len(gates) and gates[at] == ("ryy", angles, qubits):
            phase = 0.0
            at += 1
            if at < len(gates) and gates[at][0] in ("cu1", "cp") and set(gates[at][2]) == set(qubits):
                phase = -gates[at][1][0]
                at += 1
            yield f"fs {qubits[0]} {qubits[1]} {angles[0]!r} {phase!r}"
            continue
        for other, values, places in qasm.by({**SAME, **ANGLED}, [(name, angles, qubits)]):
            listed = " ".join(map(str, places))
            if other in SAME:
                yield f"{SAME[other]} {listed}"
            elif other in ANGLED:
                yield f"{ANGLED[other]} {listed} {values[0]!r}"
            else:
                sys.exit(f"qsim.py: no '{other}' in qsim's format")


def main():
    program, threads, fused, path = sys.argv[1:]
    count, gates = qasm.read(path)
    with tempfile.NamedTemporaryFile("w", suffix=".qsim") as file:
        file.write(f"{count}\n")
        file.writelines(f"{time} {line}\n" for time, line in enumerate(translated(gates)))
        file.flush()
        environment = dict(os.environ, GLIBC_TUNABLES="glibc.malloc.hugetlb=1", OMP_NUM_THREADS=threads)
        return subprocess.run([program, file.name, threads, fused], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
