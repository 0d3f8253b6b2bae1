# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Qiskit: a backend and a sampler whose jobs a site runs and seals.

    sampler = KetsealSampler("device")          # instead of StatevectorSampler()
    result = sampler.run([(circuit, values)], shots=2000).result()
    result[0].data.meas.get_counts()
    result[0].metadata["records"]               # the record of each parameter set

Each circuit, with its parameters bound, is one job and leaves one record. Results are given out only where
the record's bundle verifies against `policy`, by default what the device itself pins; the bundles are what
`job.bundles()` gives. A record holds counts, not the order of shots: arrays of shots are in the order of
outcomes.

What is accepted: all gates of the target; others are rewritten into these by Qiskit's transpiler. `if`,
`else`, `while`, `for`, `break`, `continue`, conditions on bits and registers, resets and measurements
anywhere. Refused, by name: `switch`, `delay`, `store` and run-time variables but those of registers, unbound
parameters, a classical bit in no register or in several where there is control flow.
"""

from __future__ import annotations

import secrets
import uuid
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, Iterable, Optional, Sequence, Union

import numpy as np
from qiskit import ClassicalRegister, QuantumCircuit, QuantumRegister, qasm2, qasm3, transpile
from qiskit.circuit import Measure, Parameter, Reset
from qiskit.circuit import library as gates
from qiskit.circuit.controlflow import BreakLoopOp, ContinueLoopOp, ForLoopOp, IfElseOp, WhileLoopOp
from qiskit.exceptions import QiskitError
from qiskit.primitives import BasePrimitiveJob, BaseSamplerV2, BitArray, DataBin, PrimitiveResult, SamplerPubResult
from qiskit.primitives.containers import SamplerPubLike
from qiskit.primitives.containers.sampler_pub import SamplerPub
from qiskit.providers import BackendV2, JobStatus, JobV1, Options
from qiskit.result import Result
from qiskit.transpiler import Target

from .circuit import DEFAULT_CUTOFF, Circuit, seed_checked
from .client import Client, Job, JobState
from .client import Result as SealedResult
from .errors import ConflictError, FormatError, UnavailableError
from .verify import Bundle, PathLike, Policy

SEED_SPACE = 2**53
QUBITS_MAX = 1024  # docs/formats/circuit.md; whether a site has the memory is another question

_ANGLES = [Parameter(name) for name in "abcd"]
_GATES = [
    gates.IGate(), gates.XGate(), gates.YGate(), gates.ZGate(), gates.HGate(), gates.SGate(), gates.SdgGate(),
    gates.TGate(), gates.TdgGate(), gates.SXGate(), gates.SXdgGate(), gates.RXGate(_ANGLES[0]),
    gates.RYGate(_ANGLES[0]), gates.RZGate(_ANGLES[0]), gates.PhaseGate(_ANGLES[0]), gates.U1Gate(_ANGLES[0]),
    gates.U2Gate(*_ANGLES[:2]), gates.U3Gate(*_ANGLES[:3]), gates.UGate(*_ANGLES[:3]), gates.CXGate(),
    gates.CYGate(), gates.CZGate(), gates.CHGate(), gates.CSXGate(), gates.SwapGate(), gates.CRXGate(_ANGLES[0]),
    gates.CRYGate(_ANGLES[0]), gates.CRZGate(_ANGLES[0]), gates.CPhaseGate(_ANGLES[0]), gates.CU1Gate(_ANGLES[0]),
    gates.CU3Gate(*_ANGLES[:3]), gates.CUGate(*_ANGLES), gates.RXXGate(_ANGLES[0]), gates.RZZGate(_ANGLES[0]),
    gates.CCXGate(), gates.CSwapGate(),
]
_FLOW = {"if_else": IfElseOp, "while_loop": WhileLoopOp, "for_loop": ForLoopOp, "break_loop": BreakLoopOp,
         "continue_loop": ContinueLoopOp}
_REFUSED = {"switch_case", "delay", "store", "box"}
_NAMES = {gate.name for gate in _GATES} | set(_FLOW) | {"measure", "reset", "barrier"}


def target() -> Target:
    """The gates that a site runs as they are, on any qubits."""
    made = Target(description="ketseal", num_qubits=QUBITS_MAX)
    for gate in [*_GATES, Measure(), Reset()]:
        made.add_instruction(gate)
    for name, operation in _FLOW.items():
        made.add_instruction(operation, name=name)
    return made


# --- export ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exported:
    """A circuit as a site reads it. `bits[i]` is the place of Qiskit's classical bit i in its outcomes."""

    text: str
    bits: tuple[int, ...]


def _names(circuit: QuantumCircuit) -> set[str]:
    found: set[str] = set()
    for instruction in circuit.data:
        found.add(instruction.operation.name)
        for block in getattr(instruction.operation, "blocks", ()):
            found |= _names(block)
    return found


def _flat(circuit: QuantumCircuit) -> QuantumCircuit:
    """The same on one register of each kind: whatever the registers were, and shared."""
    registers: list[Any] = [QuantumRegister(circuit.num_qubits, "q")] if circuit.num_qubits else []
    if circuit.num_clbits:
        registers.append(ClassicalRegister(circuit.num_clbits, "c"))
    flat = QuantumCircuit(*registers)
    for instruction in circuit.data:
        if instruction.operation.name == "barrier":
            flat.barrier()
            continue
        flat.append(instruction.operation, [circuit.find_bit(q).index for q in instruction.qubits],
                    [circuit.find_bit(c).index for c in instruction.clbits])
    return flat


def export(circuit: QuantumCircuit) -> Exported:
    """OpenQASM for CIRCUIT, read once by ketseal's own parser; `QiskitError` says what is refused."""
    if circuit.parameters:
        raise QiskitError(f"unbound parameters: {', '.join(p.name for p in circuit.parameters)}")
    if circuit.num_qubits == 0:
        raise QiskitError("a circuit without qubits")
    names = _names(circuit)
    if names & _REFUSED:
        raise QiskitError(f"a site does not run: {', '.join(sorted(names & _REFUSED))}")
    if names - _NAMES:
        circuit = transpile(circuit, target=target(), optimization_level=0)
        names = _names(circuit)
    if names.isdisjoint(_FLOW):
        text, bits = qasm2.dumps(_flat(circuit)), tuple(range(circuit.num_clbits))
    else:
        text, bits = _export_flow(circuit)
    try:
        Circuit(text, circuit.name or "circuit")
    except FormatError as error:
        raise QiskitError(error.detail) from error
    return Exported(text, bits)


def _export_flow(circuit: QuantumCircuit) -> tuple[str, tuple[int, ...]]:
    """With its own registers, since conditions name them."""
    for bit in circuit.clbits:
        if len(circuit.find_bit(bit).registers) != 1:
            raise QiskitError("with control flow, each classical bit has to be in exactly one register")
    if circuit.global_phase:  # of the whole circuit: no outcome depends on it
        circuit = circuit.copy()
        circuit.global_phase = 0
    text = qasm3.dumps(circuit)
    try:
        declared = Circuit(text, circuit.name or "circuit").registers
    except FormatError as error:
        raise QiskitError(error.detail) from error
    registers = {register.name: register for register in circuit.cregs}
    if sorted(declared) != sorted((r.name, r.size) for r in circuit.cregs):
        raise QiskitError(f"names of classical registers that OpenQASM 3 does not allow: {', '.join(registers)}")
    bits = [0] * circuit.num_clbits
    place = 0
    for name, size in declared:
        for i in range(size):
            bits[circuit.find_bit(registers[name][i]).index] = place
            place += 1
    return text, tuple(bits)


def _value(outcome: str, bits: Sequence[int]) -> int:
    """OUTCOME as a number whose bit i is the outcome's bit BITS[i]."""
    return sum(1 << i for i, bit in enumerate(bits) if outcome[-1 - bit] == "1")


# --- jobs -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Task:
    circuit: QuantumCircuit
    shots: int
    seed: int


class _Work:
    """Tasks as jobs of one device, in order. A site that has no more room gets the next one when the oldest
    is done."""

    def __init__(self, client: Client, tasks: Sequence[_Task], policy: Optional[Policy],
                 options: dict[str, Any]) -> None:
        self.tasks = list(tasks)
        self.exported = [export(task.circuit) for task in self.tasks]  # all of them, before any is submitted
        self._policy = policy
        self._results: Optional[list[SealedResult]] = None
        self.jobs: list[Job] = []
        for task, exported in zip(self.tasks, self.exported):
            self.jobs.append(self._submit(client, task, exported, options))

    def _submit(self, client: Client, task: _Task, exported: Exported, options: dict[str, Any]) -> Job:
        waiting = iter(self.jobs)
        while True:
            try:
                return client.submit(exported.text, shots=task.shots, seed=task.seed,
                                     name=task.circuit.name or None, **options)
            except UnavailableError:
                oldest = next(waiting, None)
                if oldest is None:
                    raise
                oldest.wait()

    def states(self) -> list[JobState]:
        return [job.status() for job in self.jobs]

    def status(self) -> JobStatus:
        phases = {state.phase for state in self.states()}
        if "accepted" in phases:
            return JobStatus.RUNNING
        if "failed" in phases:
            return JobStatus.ERROR
        return JobStatus.CANCELLED if "cancelled" in phases else JobStatus.DONE

    def cancel(self) -> bool:
        """True if the site ends some job for it."""
        cancelled = False
        for job in self.jobs:
            try:
                job.cancel()
                cancelled = True
            except ConflictError:  # it has ended already
                pass
        return cancelled

    def results(self) -> list[SealedResult]:
        if self._results is None:
            self._results = [job.result(self._policy) for job in self.jobs]
        return self._results

    def bundles(self) -> list[Bundle]:
        return [result.bundle for result in self.results()]


def _record(result: SealedResult) -> dict[str, Any]:
    """What a result's metadata say of its record."""
    return {"record_id": result.record_id, "index": result.bundle.index, "origin": result.verdict.origin,
            "circuit_hash": result.bundle.circuit_hash, "seed": result.bundle.seed, "method": result.bundle.method}


class KetsealJob(JobV1):
    """Circuits that a site runs, for the backend."""

    def __init__(self, backend: "KetsealBackend", work: _Work, memory: bool) -> None:
        super().__init__(backend, str(uuid.uuid4()))
        self._work = work
        self._memory = memory

    def submit(self) -> None:
        """Done already: a job is made by submitting it."""

    def status(self) -> JobStatus:
        return self._work.status()

    def cancel(self) -> bool:
        return self._work.cancel()

    def bundles(self) -> list[Bundle]:
        """The verified bundles, one for each circuit."""
        return self._work.bundles()

    def result(self) -> Result:
        """Waits. `VerificationError` where a bundle does not verify; what a job failed with, where one failed."""
        sealed = self._work.results()
        found = [self._experiment(*entry) for entry in zip(self._work.tasks, self._work.exported, sealed)]
        return Result.from_dict({
            "backend_name": self.backend().name, "backend_version": self.backend().backend_version,
            "job_id": self.job_id(), "qobj_id": None, "success": True, "results": found, "status": "DONE",
            "date": datetime.now(timezone.utc).isoformat(),
            "metadata": {"records": [_record(result) for result in sealed]},
        })

    def _experiment(self, task: _Task, exported: Exported, sealed: SealedResult) -> dict[str, Any]:
        counts: dict[str, int] = {}
        for outcome, count in sealed.counts.items():
            counts[hex(_value(outcome, exported.bits))] = count
        data: dict[str, Any] = {"counts": counts}
        if self._memory:
            data["memory"] = [value for value, count in counts.items() for _ in range(count)]
        circuit = task.circuit
        header = {"name": circuit.name, "memory_slots": circuit.num_clbits, "n_qubits": circuit.num_qubits,
                  "creg_sizes": [[r.name, r.size] for r in circuit.cregs], "metadata": circuit.metadata or {}}
        return {"shots": task.shots, "success": True, "status": "DONE", "data": data, "header": header,
                "seed": task.seed, "metadata": {"record": _record(sealed)}}


class KetsealBackend(BackendV2):
    """A site as a backend. CLIENT is a `ketseal.Client`, or a device's directory."""

    def __init__(self, client: Union[Client, PathLike], *, policy: Optional[Policy] = None) -> None:
        super().__init__(name="ketseal", description="a ketseal site", backend_version="0.1")
        self._client = client if isinstance(client, Client) else Client(client)
        self._policy = policy
        self._target = target()

    @classmethod
    def _default_options(cls) -> Options:
        return Options(shots=1024, seed=None, memory=False, precision="double", method=None, bond=0,
                       cutoff=DEFAULT_CUTOFF, noise=None, sdk=None)

    @property
    def target(self) -> Target:
        return self._target

    @property
    def max_circuits(self) -> None:
        return None

    @property
    def client(self) -> Client:
        return self._client

    def run(self, run_input: Union[QuantumCircuit, Iterable[QuantumCircuit]], **options: Any) -> KetsealJob:
        """Submits one job for each circuit. SEED (or SEED_SIMULATOR) is that of the first, the next ones have
        the numbers after it; without one each is drawn."""
        circuits = [run_input] if isinstance(run_input, QuantumCircuit) else list(run_input)
        chosen = dict(self.options.items())
        if "seed_simulator" in options:
            options["seed"] = options.pop("seed_simulator")
        unknown = set(options) - set(chosen)
        if unknown:
            raise QiskitError(f"unknown options: {', '.join(sorted(unknown))}")
        chosen.update(options)
        memory, shots, seed = chosen.pop("memory"), chosen.pop("shots"), chosen.pop("seed")
        tasks = [_Task(circuit, shots, s) for circuit, s in zip(circuits, _seeds(seed, len(circuits)))]
        return KetsealJob(self, _Work(self._client, tasks, self._policy, chosen), bool(memory))


def _seeds(seed: Optional[int], count: int) -> list[int]:
    """COUNT seeds from SEED on, or drawn: jobs of one seed would draw alike."""
    if seed is None:
        return [secrets.randbelow(SEED_SPACE) for _ in range(count)]
    return [(seed_checked(seed) + i) % SEED_SPACE for i in range(count)]


class KetsealSamplerJob(BasePrimitiveJob[PrimitiveResult, JobStatus]):
    """Pubs that a site runs."""

    def __init__(self, pubs: list[SamplerPub], work: _Work) -> None:
        super().__init__(str(uuid.uuid4()))
        self._pubs = pubs
        self._work = work

    def status(self) -> JobStatus:
        return self._work.status()

    def done(self) -> bool:
        return self.status() is JobStatus.DONE

    def running(self) -> bool:
        return self.status() is JobStatus.RUNNING

    def cancelled(self) -> bool:
        return self.status() is JobStatus.CANCELLED

    def in_final_state(self) -> bool:
        return self.status() is not JobStatus.RUNNING

    def cancel(self) -> bool:
        return self._work.cancel()

    def bundles(self) -> list[Bundle]:
        """The verified bundles: those of the first pub's parameter sets in C order, then the next one's."""
        return self._work.bundles()

    def result(self) -> PrimitiveResult:
        """Waits. `VerificationError` where a bundle does not verify; what a job failed with, where one failed."""
        sealed = self._work.results()
        found, start = [], 0
        for pub in self._pubs:
            end = start + int(np.prod(pub.shape, dtype=int))
            found.append(_pub_result(pub, self._work.exported[start:end], sealed[start:end]))
            start = end
        return PrimitiveResult(found, metadata={"version": 2})


def _pub_result(pub: SamplerPub, exported: Sequence[Exported], sealed: Sequence[SealedResult]) -> SamplerPubResult:
    arrays = {}
    for register in pub.circuit.cregs:
        places = [pub.circuit.find_bit(bit).index for bit in register]
        width = (register.size + 7) // 8
        array = np.zeros((len(sealed), pub.shots, width), dtype=np.uint8)
        for row, form, result in zip(array, exported, sealed):
            at = 0
            for outcome, count in result.counts.items():
                value = _value(outcome, [form.bits[place] for place in places])
                row[at:at + count] = np.frombuffer(value.to_bytes(width, "big"), dtype=np.uint8)
                at += count
        arrays[register.name] = BitArray(array.reshape(*pub.shape, pub.shots, width), register.size)
    records = np.empty(len(sealed), dtype=object)
    records[:] = [_record(result) for result in sealed]
    return SamplerPubResult(DataBin(**arrays, shape=pub.shape),
                            metadata={"shots": pub.shots, "circuit_metadata": pub.circuit.metadata,
                                      "records": records.reshape(pub.shape).tolist()})


class KetsealSampler(BaseSamplerV2):
    """Samples circuits at a site. SITE is a `KetsealBackend`, a `ketseal.Client` or a device's directory.

    OPTIONS are those of `Client.submit`: precision, method, bond, cutoff, noise, sdk. SEED is that of the first
    parameter set of a run, the next ones have the numbers after it; without one each is drawn.
    """

    def __init__(self, site: Union[KetsealBackend, Client, PathLike], *, default_shots: int = 1024,
                 seed: Optional[int] = None, policy: Optional[Policy] = None, **options: Any) -> None:
        self._backend = site if isinstance(site, KetsealBackend) else KetsealBackend(site, policy=policy)
        self._policy = policy if policy is not None else self._backend._policy
        self._default_shots = default_shots
        self._seed = seed
        self._options = options

    @property
    def backend(self) -> KetsealBackend:
        return self._backend

    def run(self, pubs: Iterable[SamplerPubLike], *, shots: Optional[int] = None) -> KetsealSamplerJob:
        coerced = [SamplerPub.coerce(pub, self._default_shots if shots is None else shots) for pub in pubs]
        bound: list[tuple[QuantumCircuit, int]] = []
        for pub in coerced:
            for circuit in np.ravel(pub.parameter_values.bind_all(pub.circuit)).tolist():
                bound.append((circuit, pub.shots))
        tasks = [_Task(circuit, count, seed)
                 for (circuit, count), seed in zip(bound, _seeds(self._seed, len(bound)))]
        return KetsealSamplerJob(coerced, _Work(self._backend.client, tasks, self._policy, self._options))
