# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Cirq: a sampler whose jobs a site runs and seals.

    sampler = KetsealSampler("device")          # instead of cirq.Simulator()
    result = sampler.run(circuit, repetitions=2000)
    result.histogram(key="m"); result.bundle

Each circuit, with its parameters resolved, is one job and leaves one record. Results are given out only where
the record's bundle verifies. A record holds counts, not the order of repetitions: these are in the order of
outcomes. What Cirq cannot write as OpenQASM 2 is refused by Cirq: qudits, repeated keys, classical controls.
"""

from __future__ import annotations

import secrets
from typing import Any, Optional, Sequence, Union

import cirq
import numpy as np

from .circuit import Circuit, seed_checked
from .client import Client, Job, Result
from .verify import Bundle, PathLike, Policy


class SealedResult(cirq.ResultDict):
    """A result of Cirq's, with the verified `bundle` that it was read from."""

    def __init__(self, *, params: cirq.ParamResolver, measurements: dict[str, np.ndarray], bundle: Bundle) -> None:
        super().__init__(params=params, measurements=measurements)
        self.bundle = bundle


def export(circuit: cirq.Circuit) -> tuple[str, list[tuple[str, int, int]]]:
    """OpenQASM 2 for CIRCUIT, and of each measurement key its name, number of bits and lowest bit."""
    keys = sorted(circuit.all_measurement_key_names())
    if not keys:
        raise ValueError("a circuit without measurements")
    widths: dict[str, int] = {}
    for _moment, operation, gate in circuit.findall_operations_with_gate_type(cirq.MeasurementGate):
        key = cirq.measurement_key_name(operation)
        if key in widths:
            raise ValueError(f"measurement key {key!r} is there more than once")
        widths[key] = gate.num_qubits()
    if sorted(widths) != keys:
        raise ValueError("measurements that are no cirq.MeasurementGate")
    plain = cirq.with_measurement_key_mapping(circuit, {key: f"k{i}" for i, key in enumerate(keys)})
    text = cirq.qasm(plain)
    places, place = {}, 0
    for name, size in Circuit(text, "circuit").registers:
        places[name] = place
        place += size
    return text, [(key, widths[key], places[f"m_k{i}"]) for i, key in enumerate(keys)]


def _measurements(result: Result, keys: Sequence[tuple[str, int, int]]) -> dict[str, np.ndarray]:
    outcomes = list(result.counts.items())
    bits = np.array([[int(bit) for bit in reversed(outcome)] for outcome, _ in outcomes], dtype=np.uint8)
    rows = np.repeat(bits, [count for _, count in outcomes], axis=0)
    return {key: rows[:, place:place + width] for key, width, place in keys}


class KetsealSampler(cirq.Sampler):
    """Samples circuits at a site. SITE is a `ketseal.Client` or a device's directory; SEED is that of the
    first parameter set of a run, the next ones have the numbers after it; OPTIONS are those of
    `Client.submit`."""

    def __init__(self, site: Union[Client, PathLike], *, seed: Optional[int] = None,
                 policy: Optional[Policy] = None, **options: Any) -> None:
        self._client = site if isinstance(site, Client) else Client(site)
        self._seed = seed
        self._policy = policy
        self._options = options

    def run_sweep(self, program: cirq.AbstractCircuit, params: cirq.Sweepable,
                  repetitions: int = 1) -> Sequence[SealedResult]:
        resolvers = list(cirq.to_resolvers(params))
        forms = [export(cirq.resolve_parameters(program.unfreeze(), resolver)) for resolver in resolvers]
        first = secrets.randbelow(2**53) if self._seed is None else seed_checked(self._seed)
        jobs: list[Job] = [self._client.submit(text, shots=repetitions, seed=(first + i) % 2**53, **self._options)
                           for i, (text, _) in enumerate(forms)]
        found = []
        for resolver, (_, keys), job in zip(resolvers, forms, jobs):
            result = job.result(self._policy)
            found.append(SealedResult(params=resolver, measurements=_measurements(result, keys),
                                      bundle=result.bundle))
        return found
