# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Qiskit's own objects at a running site; Qiskit's simulation is the oracle of what they mean."""

import math
import subprocess
import sys

import numpy as np
import pytest
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, transpile
from qiskit.circuit import Parameter
from qiskit.circuit.library import QFTGate
from qiskit.circuit.random import random_circuit
from qiskit.exceptions import QiskitError
from qiskit.primitives import BackendSamplerV2, StatevectorSampler
from qiskit.providers import JobStatus
from qiskit.quantum_info import Statevector

import ketseal
import ketseal.qiskit as kq
from conftest import SLOW
from ketseal.qiskit import KetsealBackend, KetsealSampler


@pytest.fixture()
def backend(client):
    return KetsealBackend(client)


def bell():
    circuit = QuantumCircuit(2, name="bell")
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.measure_all()
    return circuit


def close(found, expected, shots):
    """Counts against probabilities: each within six standard deviations."""
    for outcome in set(found) | set(expected):
        p = expected.get(outcome, 0.0)
        assert abs(found.get(outcome, 0) - shots * p) <= 6 * math.sqrt(shots * p * (1 - p)) + 1e-9, outcome


def test_every_gate_of_the_target_means_what_qiskit_means():
    random = np.random.default_rng(5)
    for gate in kq._GATES:
        circuit = QuantumCircuit(gate.num_qubits, gate.num_qubits)
        for turn in range(2):  # in front of it and behind it, so that phases show
            for qubit in range(gate.num_qubits):
                circuit.u(*random.uniform(0, 6, 3), qubit)
            if turn == 0:
                bound = gate.to_mutable()
                bound.params = list(random.uniform(0, 6, len(gate.params)))
                circuit.append(bound, range(gate.num_qubits))
        expected = Statevector(circuit).probabilities()
        circuit.measure(range(gate.num_qubits), range(gate.num_qubits))
        found = ketseal.Circuit(kq.export(circuit).text).probabilities()
        assert np.allclose(found, expected, atol=1e-12), gate.name


def test_other_gates_are_rewritten():
    for seed in range(12):
        circuit = random_circuit(4, 6, max_operands=4, seed=seed)
        expected = Statevector(circuit).probabilities()
        circuit.measure_all()
        assert np.allclose(ketseal.Circuit(kq.export(circuit).text).probabilities(), expected, atol=1e-10), seed
    circuit = QuantumCircuit(3)
    circuit.x(0)
    circuit.append(QFTGate(3), range(3))
    circuit.ryy(0.3, 0, 1)
    circuit.mcx([0, 1], 2)
    expected = Statevector(circuit).probabilities()
    circuit.measure_all()
    assert np.allclose(ketseal.Circuit(kq.export(circuit).text).probabilities(), expected, atol=1e-10)


def test_backend(backend, policy):
    job = backend.run(transpile(bell(), backend), shots=500, seed=7)
    result = job.result()
    assert result.get_counts() == ketseal.Circuit(kq.export(bell()).text).simulate(500, 7)
    assert job.status() is JobStatus.DONE and job.in_final_state()
    record = result.results[0].metadata["record"]
    assert record["record_id"] == job.bundles()[0].record_id and record["seed"] == 7
    assert ketseal.verify(job.bundles()[0], policy)
    again = backend.run([bell(), bell()], shots=500, seed=7).result()
    assert again.get_counts(0) == result.get_counts() != again.get_counts(1)
    with pytest.raises(QiskitError, match="unknown options: shoots"):
        backend.run(bell(), shoots=5)


def test_registers_keep_their_order(backend):
    """Bits that differ, in registers of several sizes, and in qubits' reverse order."""
    a, b = ClassicalRegister(3, "a"), ClassicalRegister(9, "b")
    circuit = QuantumCircuit(QuantumRegister(12, "r"), a, b)
    for qubit in (0, 2, 5, 11):
        circuit.x(qubit)
    circuit.measure(range(3), [2, 1, 0])
    circuit.measure(range(3, 12), range(3, 12))
    expected = StatevectorSampler().run([circuit], shots=3).result()[0]
    found = KetsealSampler(backend).run([circuit], shots=3).result()[0]
    for register in ("a", "b"):
        assert found.data[register].get_counts() == expected.data[register].get_counts()
        assert found.data[register].array.shape == expected.data[register].array.shape
    [text] = backend.run(circuit, shots=3).result().get_counts()
    assert text == f"{list(expected.data.b.get_counts())[0]} {list(expected.data.a.get_counts())[0]}"


def test_sampler_broadcasts(backend, policy):
    theta, phi = Parameter("theta"), Parameter("phi")
    circuit = QuantumCircuit(2, metadata={"mine": 1})
    circuit.ry(theta, 0)
    circuit.crx(phi, 0, 1)
    circuit.measure_all()
    values = np.stack(np.broadcast_arrays(np.linspace(0, 3, 3)[:, None], np.array([0.5, 2.0])), axis=-1)
    values = values[..., ::-1] if list(circuit.parameters)[0] is phi else values
    job = KetsealSampler(backend, seed=11).run([(circuit, values, 400), bell()], shots=100)
    result = job.result()
    expected = StatevectorSampler(seed=1).run([(circuit, values, 400), bell()], shots=100).result()
    assert result[0].data.meas.shape == expected[0].data.meas.shape == (3, 2)
    assert result[0].data.meas.num_shots == 400 and result[1].data.meas.num_shots == 100
    for index in np.ndindex(3, 2):
        bound = circuit.remove_final_measurements(inplace=False).assign_parameters(
            dict(zip(circuit.parameters, values[index])))
        close(result[0].data.meas[index].get_counts(), Statevector(bound).probabilities_dict(), 400)
    records = result[0].metadata["records"]
    ids = [record["record_id"] for row in records for record in row] + [result[1].metadata["records"]["record_id"]]
    assert ids == [bundle.record_id for bundle in job.bundles()] and len(set(ids)) == 7
    assert [record["seed"] for row in records for record in row] == list(range(11, 17))
    assert all(ketseal.verify(bundle, policy) for bundle in job.bundles())
    assert result[0].metadata["circuit_metadata"] == {"mine": 1} and job.done() and not job.cancelled()


def test_control_flow(backend):
    """Teleportation, and a loop until a coin falls; registers in an order of their own."""
    q, c, out = QuantumRegister(3, "q"), ClassicalRegister(2, "c"), ClassicalRegister(1, "out")
    circuit = QuantumCircuit(q, out, c)
    circuit.ry(1.1, 0)
    circuit.h(1)
    circuit.cx(1, 2)
    circuit.cx(0, 1)
    circuit.h(0)
    circuit.measure([0, 1], c)
    with circuit.if_test((c[1], 1)):
        circuit.x(2)
    with circuit.if_test((c, 3)):
        circuit.z(2)
    with circuit.if_test((c, 1)) as otherwise:
        circuit.z(2)
    with otherwise:
        circuit.id(2)
    circuit.measure(2, out)
    result = KetsealSampler(backend, seed=3).run([circuit], shots=4000).result()[0]
    close(result.data.out.get_counts(), {"0": math.cos(0.55) ** 2, "1": math.sin(0.55) ** 2}, 4000)
    close(result.data.c.get_counts(), dict.fromkeys(["00", "01", "10", "11"], 0.25), 4000)

    until = QuantumCircuit(1, 1)
    until.h(0)
    until.measure(0, 0)
    with until.while_loop((until.clbits[0], 0)):
        until.h(0)
        until.measure(0, 0)
    assert backend.run(until, shots=200).result().get_counts() == {"1": 200}
    turns = QuantumCircuit(1, 1)
    with turns.for_loop(range(3)):
        turns.x(0)
    turns.measure(0, 0)
    assert backend.run(turns, shots=20).result().get_counts() == {"1": 20}


def test_what_is_refused(backend):
    unbound = QuantumCircuit(1, 1)
    unbound.rx(Parameter("t"), 0)
    unbound.measure(0, 0)
    with pytest.raises(QiskitError, match="unbound parameters: t"):
        backend.run(unbound)
    late = QuantumCircuit(1, 1)
    late.delay(100, 0)
    late.measure(0, 0)
    with pytest.raises(QiskitError, match="delay"):
        backend.run(late)
    cases = QuantumCircuit(1, 1)
    cases.measure(0, 0)
    with cases.switch(cases.cregs[0]) as case:
        with case(1):
            cases.x(0)
    with pytest.raises(QiskitError, match="switch"):
        backend.run(cases)
    shared = QuantumCircuit(1)
    bits = ClassicalRegister(2, "a")
    shared.add_register(bits)
    shared.add_register(ClassicalRegister(name="b", bits=[bits[0]]))
    shared.measure(0, bits[0])
    assert backend.run(shared, shots=5).result().results[0].data.counts == {"0x0": 5}
    with shared.if_test((bits[0], 1)):
        shared.x(0)
    with pytest.raises(QiskitError, match="exactly one register"):
        backend.run(shared)


def test_other_samplers_over_the_backend(backend):
    result = BackendSamplerV2(backend=backend, options={"seed_simulator": 5}).run([bell()], shots=300).result()
    assert result[0].data.meas.get_counts() == backend.run(bell(), shots=300, seed=5).result().get_counts()


def test_cancel(backend):
    slow = QuantumCircuit.from_qasm_str(SLOW)
    job = backend.run(slow, shots=200000)
    assert job.status() is JobStatus.RUNNING and not job.in_final_state()
    assert job.cancel()
    job.wait_for_final_state(timeout=60, wait=0.2)
    assert job.status() is JobStatus.CANCELLED and not job.cancel()
    with pytest.raises(ketseal.CancelledError):
        job.result()
    pubs = KetsealSampler(backend).run([slow, bell()], shots=200000)
    assert pubs.running() and pubs.cancel()


def test_nothing_unverified_is_given_out(client, site):
    """Under a policy that this site cannot fulfil there are no counts."""
    import json
    document = json.loads((site / "lab.policy").read_text())
    document["require"].append("platform.report")
    demanding = ketseal.Policy(json.dumps(document))
    with pytest.raises(ketseal.VerificationError, match="platform.report"):
        KetsealSampler(client, policy=demanding).run([bell()], shots=5).result()


def test_example(source, site):
    said = subprocess.run([sys.executable, source / "examples/python/sampler.py", site / "edge-1"],
                          capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert len([line for line in said.stdout.splitlines() if line.startswith("theta")]) == 3
