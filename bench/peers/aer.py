#!/usr/bin/env python3
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Qiskit Aer as a peer of bench_simulate: aer.py PRECISION THREADS FILE.qasm

Each line of standard input is one run with one shot; the answer is the seconds that Aer says it took, and
those of the CPU around it.
"""
import sys
import time

from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator

import qasm


def main():
    precision, threads, path = sys.argv[1:]
    count, gates = qasm.read(path)
    circuit = QuantumCircuit(count)
    missing = {"ch", "u1", "u2", "u3", "cu1"}
    for name, angles, qubits in qasm.by(set(qasm.AS_OTHERS) - missing, gates):
        if name == "cu3":
            name, angles = "cu", [*angles, 0.0]
        getattr(circuit, name)(*angles, *qubits)
    circuit.measure_all()
    simulator = AerSimulator(method="statevector", precision=precision, max_parallel_threads=int(threads))
    for _ in sys.stdin:
        start = time.process_time()
        result = simulator.run(circuit, shots=1).result()
        if not result.success:
            sys.exit(f"aer.py: {result.status}")
        print(result.results[0].time_taken, time.process_time() - start, flush=True)


if __name__ == "__main__":
    main()
