# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
# Qiskit, sampled by Aer.

import hashlib

import qiskit
import qiskit.circuit.library
import qiskit.circuit.library.standard_gates
import qiskit.qasm3
import qiskit_aer

GATES = {
    name: type(gate)
    for name, gate in qiskit.circuit.library.standard_gates.get_standard_gate_name_mapping().items()
}  # fmt: skip


def put(circuit, operation):
    if operation.name == "barrier":
        circuit.barrier()
    elif operation.name == "measure":
        circuit.measure(operation.qubits[0], operation.clbit)
    elif operation.name == "reset":
        circuit.reset(operation.qubits[0])
    elif operation.name in GATES:
        circuit.append(GATES[operation.name](*operation.params), operation.qubits)
    else:
        raise Refused(f"Qiskit has no gate '{operation.name}'")


def build(program):
    circuit = qiskit.QuantumCircuit(program.qubits)
    registers = {name: qiskit.ClassicalRegister(len(bits), name) for name, bits in program.registers.items()}
    for register in registers.values():
        circuit.add_register(register)
    for operation in program.operations:
        if operation.condition is None:
            put(circuit, operation)
            continue
        name, value = operation.condition
        if value >> len(registers[name]) == 0:  # else it is never equal
            with circuit.if_test((registers[name], value)):
                put(circuit, operation)
    return circuit


def run(request):
    circuit = build(request.program)
    backend = qiskit_aer.AerSimulator(
        method="automatic", precision="single" if request.single else "double", max_parallel_threads=1
    )  # fmt: skip
    transpiled = qiskit.transpile(circuit, backend, optimization_level=1, seed_transpiler=request.seed & 0x7FFFFFFF)
    # The bits as they are numbered, not the text that has spaces between registers.
    result = backend.run(transpiled, shots=request.shots, seed_simulator=request.seed).result()
    if not result.success:
        raise Refused(f"Aer: {result.status}")
    width = request.program.clbits
    counts = {}
    for outcome, count in result.data(0)["counts"].items():
        outcome = format(int(outcome, 16) & ((1 << width) - 1), f"0{width}b")
        counts[outcome] = counts.get(outcome, 0) + count
    return {
        "version": qiskit.__version__,
        "backend": "qiskit-aer",
        "backend_version": qiskit_aer.__version__,
        "counts": counts,
        "transpiled": hashlib.sha256(qiskit.qasm3.dumps(transpiled).encode()).hexdigest(),
    }


serve("qiskit", run)
