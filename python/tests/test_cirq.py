# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Cirq's own objects at a running site; Cirq's simulation is the oracle of what they mean."""

import cirq
import numpy as np
import pytest
import sympy

import ketseal
from ketseal.cirq import KetsealSampler, export


@pytest.fixture()
def sampler(client):
    return KetsealSampler(client, seed=5)


def test_bell(sampler, policy):
    q = cirq.LineQubit.range(2)
    result = sampler.run(cirq.Circuit(cirq.H(q[0]), cirq.CNOT(*q), cirq.measure(*q, key="m")), repetitions=500)
    assert set(result.histogram(key="m")) == {0, 3} and result.repetitions == 500
    assert ketseal.verify(result.bundle, policy) and result.bundle.seed == 5


def test_keys_and_bits_are_where_cirq_has_them(sampler):
    q = cirq.LineQubit.range(5)
    circuit = cirq.Circuit(cirq.X(q[0]), cirq.X(q[3]), cirq.measure(q[0], q[1], q[2], key="a key"),
                           cirq.measure(q[4], q[3], key="0", invert_mask=(True, False)))
    expected = cirq.Simulator().run(circuit, repetitions=3)
    found = sampler.run(circuit, repetitions=3)
    assert sorted(found.measurements) == sorted(expected.measurements)
    for key, bits in expected.measurements.items():
        assert np.array_equal(found.measurements[key], bits), key


def test_distributions_are_cirqs():
    for seed in range(10):
        circuit = cirq.testing.random_circuit(4, 8, 0.9, random_state=seed)
        qubits = sorted(circuit.all_qubits())
        expected = np.abs(circuit.final_state_vector(qubit_order=qubits)) ** 2
        text, _ = export(circuit + cirq.measure(*qubits, key="m"))
        found = np.array(ketseal.Circuit(text).probabilities())
        # Cirq's first qubit is the highest bit of its index, ours the lowest.
        order = [int(f"{i:0{len(qubits)}b}"[::-1], 2) for i in range(2 ** len(qubits))]
        assert np.allclose(found[order], expected, atol=1e-6), seed


def test_sweep(sampler):
    q, t = cirq.LineQubit(0), sympy.Symbol("t")
    results = sampler.run_sweep(cirq.Circuit(cirq.X(q) ** t, cirq.measure(q, key="m")),
                                cirq.Points("t", [0, 1]), repetitions=10)
    assert [r.measurements["m"].sum() for r in results] == [0, 10]
    assert [r.bundle.seed for r in results] == [5, 6] and results[1].params["t"] == 1


def test_refused(sampler):
    q = cirq.LineQubit(0)
    with pytest.raises(ValueError, match="without measurements"):
        sampler.run(cirq.Circuit(cirq.X(q)))
    with pytest.raises(ValueError, match="more than once"):
        sampler.run(cirq.Circuit(cirq.measure(q, key="m"), cirq.measure(q, key="m")))
