# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Circuits: read, built from templates, and simulated here as a site does it."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Optional

from . import _native

DEFAULT_CUTOFF = 1e-16
PROBABILITIES_CLBITS_MAX = 20

_REGISTER = re.compile(r"^(?:creg (\w+)\[(\d+)\]|bit\[(\d+)\] (\w+));$", re.M)


@dataclass(frozen=True)
class Template:
    """A circuit by name (docs/formats/templates.md): `Template("ghz", 5)`. `seed` None: the job's."""

    name: str
    qubits: int
    depth: int = 0
    seed: Optional[int] = None


def templates() -> Iterator[str]:
    """The names of the templates."""
    index = 0
    while True:
        name = _native.lib().ks_circuit_template_name(index)
        if name == _native.ffi.NULL:
            return
        yield _native.text(name)
        index += 1


def seed_checked(seed: int) -> int:
    if isinstance(seed, bool) or not 0 <= seed < 2**53:
        raise ValueError(f"seed {seed!r}: from 0 to 2^53 - 1")
    return int(seed)


# What happens to qubits after gates and to results when they are read, as docs/formats/noise.md names it:
# {"gate1": {"depolarizing": 0.001}, "gate2": {…}, "readout": {"read0_as1": 0.01}}; what is missing is 0.
Noise = Mapping[str, Mapping[str, float]]
_RATES = ("x", "y", "z", "depolarizing", "amplitude_damping", "phase_damping")
_READOUT = ("read0_as1", "read1_as0")


def noise_model(noise: Noise) -> Any:
    """NOISE as a struct ks_noise; `ValueError` for a name that is none, `FormatError` for no probability."""
    model = _native.ffi.new("struct ks_noise *", {"version": 1})
    for part, rates in noise.items():
        if part not in ("gate1", "gate2", "readout"):
            raise ValueError(f"noise {part!r}: gate1, gate2 or readout")
        for name, rate in rates.items():
            if name not in (_READOUT if part == "readout" else _RATES):
                raise ValueError(f"noise {part!r}: {name!r} is no rate of it")
            setattr(model if part == "readout" else getattr(model, part), name, rate)
    _native.check(_native.lib().ks_noise_check(model))
    return model


def canonical_noise(noise: Noise) -> bytes:
    """The canonical JSON of a noise model."""
    out = _native.buffer(65536)
    _native.lib().ks_noise_print(noise_model(noise), out)
    return _native.taken(out)


class Circuit:
    """A circuit from OpenQASM 2 or 3 (docs/formats/circuit.md says what of 3). Immutable; any thread."""

    def __init__(self, source: str, name: str = "program") -> None:
        """Parses SOURCE; `FormatError` says "NAME:line:column: what"."""
        library = _native.lib()
        view = _native.View(source.encode())
        self._pointer = _native.owned(library.ks_circuit_parse, library.ks_circuit_free, "struct ks_circuit",
                                      view.pointer, _native.optional(name), _native.ffi.NULL)

    @classmethod
    def from_template(cls, template: Template) -> "Circuit":
        library = _native.lib()
        name = _native.optional(template.name)
        spec = _native.ffi.new("struct ks_template_spec *",
                               {"version": 1, "name": name, "qubits": template.qubits, "depth": template.depth,
                                "seed": seed_checked(template.seed or 0)})
        circuit = cls.__new__(cls)
        circuit._pointer = _native.owned(library.ks_circuit_template, library.ks_circuit_free,
                                         "struct ks_circuit", spec, _native.ffi.NULL)
        return circuit

    @property
    def qubits(self) -> int:
        return int(_native.lib().ks_circuit_qubits(self._pointer))

    @property
    def clbits(self) -> int:
        return int(_native.lib().ks_circuit_clbits(self._pointer))

    @property
    def operations(self) -> int:
        """Without barriers."""
        return int(_native.lib().ks_circuit_ops(self._pointer))

    @property
    def depth(self) -> int:
        return int(_native.lib().ks_circuit_depth(self._pointer))

    @property
    def text(self) -> str:
        """The canonical text."""
        out = _native.buffer(_native.TEXT_MAX)
        _native.lib().ks_circuit_print(self._pointer, out)
        return _native.taken(out).decode()

    @property
    def hash(self) -> str:
        """SHA-256 of the canonical text: `circuit_hash` of records."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def registers(self) -> list[tuple[str, int]]:
        """Classical registers, name and size, in the order of their bits: the first one's are the lowest."""
        return [(old or new, int(old_size or new_size))
                for old, old_size, new_size, new in _REGISTER.findall(self.text)]

    def simulate(self, shots: int = 1024, seed: int = 0, *, precision: str = "double", method: str = "auto",
                 bond: int = 0, cutoff: float = DEFAULT_CUTOFF, noise: Optional[Noise] = None,
                 ) -> Mapping[str, int]:
        """Samples the circuit on this machine, by one thread. The same arguments give the same counts
        everywhere, and those that a site seals."""
        library = _native.lib()
        spec, _kept = _simulation(shots, seed, precision, method, bond, cutoff, noise)
        counts = _native.owned(library.ks_simulate, library.ks_counts_free, "struct ks_counts",
                               self._pointer, spec)
        return {_native.text(library.ks_counts_outcome(counts, i)): int(library.ks_counts_count(counts, i))
                for i in range(library.ks_counts_size(counts))}

    def probabilities(self, *, noise: Optional[Noise] = None) -> list[float]:
        """The exact distribution: entry i is that of the outcome whose classical bit c is bit c of i. For at
        most 20 classical bits."""
        if self.clbits > PROBABILITIES_CLBITS_MAX:
            raise ValueError(f"{self.clbits} classical bits: at most {PROBABILITIES_CLBITS_MAX}")
        spec, _kept = _simulation(1, 0, "double", "auto", 0, DEFAULT_CUTOFF, noise)
        out = _native.ffi.new("double[]", 2**self.clbits)
        _native.check(_native.lib().ks_probabilities(self._pointer, spec, out))
        return list(out)


def _simulation(shots: int, seed: int, precision: str, method: str, bond: int, cutoff: float,
                noise: Optional[Noise]) -> tuple[Any, list[Any]]:
    """A struct ks_simulate_spec, and what it borrows."""
    library, ffi = _native.lib(), _native.ffi
    chosen = ffi.new("int *")
    _native.check(library.ks_method_find(_native.optional(method), chosen))
    spec = ffi.new("struct ks_simulate_spec *",
                   {"version": 1, "shots": shots, "seed": seed_checked(seed), "precision": single(precision),
                    "method": chosen[0], "bond_max": bond, "cutoff": cutoff})
    if noise is None:
        return spec, []
    model = noise_model(noise)
    spec.noise = model
    return spec, [model]


def single(precision: str) -> Any:
    """1 for "single", 0 for "double"."""
    if precision not in ("double", "single"):
        raise ValueError(f"precision {precision!r}: double or single")
    return 1 if precision == "single" else 0
