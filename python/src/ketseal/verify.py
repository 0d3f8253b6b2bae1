# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Bundles, and what an auditor makes of them."""

from __future__ import annotations

import enum
import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Mapping, Optional, Union

from . import _native

PathLike = Union[str, "os.PathLike[str]"]

_LEARNING = ("ketseal-5",)  # schemas of records that are of no circuit


class State(enum.Enum):
    """What became of a check. "No" and "could not tell" differ."""

    PASS = "pass"
    FAIL = "fail"
    NOT_RUN = "not-run"


@dataclass(frozen=True)
class Check:
    """One check of a verdict; `reason` says why it failed or did not run."""

    name: str
    state: State
    reason: str = ""


@dataclass(frozen=True)
class Verdict:
    """What verification found. True only if everything that the policy requires passed.

    `state` is PASS when verified; FAIL when some check failed, which means tampering; NOT_RUN when
    nothing failed, but something that the policy requires could not be checked. `reason` is the
    sentence that decided.
    """

    verified: bool
    checks: Mapping[str, Check]
    failed: Optional[str]
    reason: str
    record_id: str
    device: str
    origin: str
    method: str
    index: int
    anchored_at: Optional[str] = None  # what an anchor or a time stamp that passed says: "2026-01-14T02:01:24.000000Z"
    stamped_at: Optional[str] = None

    @property
    def state(self) -> State:
        if self.verified:
            return State.PASS
        return State.FAIL if self.failed is not None else State.NOT_RUN

    def __bool__(self) -> bool:
        return self.verified

    def __str__(self) -> str:
        if self.verified:
            return f"verified: record {self.record_id} of device {self.device}, ledger {self.origin} index {self.index}"
        return f"not verified: {self.reason}"


class Policy:
    """What an auditor trusts and demands (docs/formats/policy.md)."""

    def __init__(self, document: Union[bytes, str]) -> None:
        """Reads a policy's text; `FormatError` where it is none."""
        view = _native.View(document.encode() if isinstance(document, str) else document)
        library = _native.lib()
        self._pointer = _native.owned(library.ks_policy_read, library.ks_policy_free, "struct ks_policy",
                                      view.pointer)

    @classmethod
    def from_file(cls, path: PathLike) -> "Policy":
        return cls(Path(path).read_bytes())

    @classmethod
    def _of(cls, pointer: Any) -> "Policy":
        policy = cls.__new__(cls)
        policy._pointer = pointer
        return policy


class Bundle:
    """What a job leaves: its record with evidence, and where it stands in the ledger.

    The properties say what the bundle says. Only `verify` tells whether that is so.
    """

    def __init__(self, data: bytes) -> None:
        self._data = bytes(data)

    @classmethod
    def from_file(cls, path: PathLike) -> "Bundle":
        return cls(Path(path).read_bytes())

    def save(self, path: PathLike) -> None:
        """Writes the bytes to PATH, which appears whole or not at all."""
        target = Path(path)
        part = target.with_name(f"{target.name}.{os.getpid()}.part")
        try:
            part.write_bytes(self._data)
            os.replace(part, target)
        finally:
            part.unlink(missing_ok=True)

    def __bytes__(self) -> bytes:
        return self._data

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Bundle) and other._data == self._data

    def __hash__(self) -> int:
        return hash(self._data)

    def __repr__(self) -> str:
        return f"<ketseal.Bundle of {len(self._data)} bytes>"

    @cached_property
    def document(self) -> dict[str, Any]:
        """The whole bundle, docs/formats/record.md."""
        found = json.loads(self._data)
        if not isinstance(found, dict):
            raise ValueError("no bundle: not a JSON object")
        return dict(found)

    @property
    def core(self) -> dict[str, Any]:
        """The record's core: what both signatures cover."""
        return dict(self.document["record"]["core"])

    @property
    def record_id(self) -> str:
        return str(self.core["record"]["record_id"])

    @property
    def index(self) -> int:
        """Of the record's entry in the ledger."""
        return int(self.document["ledger"]["index"])

    @property
    def kind(self) -> str:
        """What was done: "circuit"; "fl.update", a device's contribution to a round of federated learning; "fl.round", such a round."""
        return str(self.workload["name"]) if self.core["schema_version"] in _LEARNING else "circuit"

    @property
    def workload(self) -> dict[str, Any]:
        """What was asked for; of federated learning session, round, parent, rule and so on."""
        return dict(self.core["workload"])

    @property
    def result(self) -> dict[str, Any]:
        """What came of it: of a circuit its counts, of a contribution its hash and norm, of a round its model."""
        return dict(self.core["execution"]["result_summary"])

    def _circuit(self) -> dict[str, Any]:
        if self.kind != "circuit":
            raise ValueError(f"a record of kind {self.kind}, which is of no circuit")
        return self.core

    @property
    def counts(self) -> dict[str, int]:
        """Outcomes and how often each came; classical bit 0 is the rightmost character."""
        return dict(self._circuit()["execution"]["result_summary"])

    @property
    def shots(self) -> int:
        return int(self._circuit()["workload"]["shots"])

    @property
    def seed(self) -> int:
        return int(self._circuit()["workload"]["seed"])

    @property
    def method(self) -> str:
        """What computed the result: ketseal's method, or a backend's name."""
        execution = self.core["execution"]
        return str(execution["method"]["name"] if "method" in execution else execution["backend"])

    @property
    def circuit_hash(self) -> str:
        """SHA-256 of the canonical circuit, `Circuit.hash`."""
        return str(self._circuit()["workload"]["circuit_hash"])


def verify(bundle: Union[Bundle, bytes], policy: Policy) -> Verdict:
    """Verifies BUNDLE against POLICY, offline. A negative verdict is a result, not an exception."""
    library = _native.lib()
    view = _native.View(bytes(bundle))
    verdict = _native.owned(library.ks_verdict_new, library.ks_verdict_free, "struct ks_verdict")
    outcome = library.ks_bundle_verify(view.pointer, policy._pointer, verdict)
    failure = None if outcome == 0 else _native.raised(outcome)
    if failure is not None and failure.name != "VERIFY":
        raise failure
    out = _native.buffer(_native.STATE_MAX)
    library.ks_verdict_print(verdict, outcome, out)
    found = json.loads(_native.taken(out))
    return Verdict(
        verified=found["verified"],
        checks={name: Check(name, State(check["state"]), check.get("reason", ""))
                for name, check in found["checks"].items()},
        failed=found.get("failed"),
        reason="" if failure is None else failure.detail,
        record_id=found["record_id"],
        device=found["device"],
        origin=found["origin"],
        method=found["method"],
        index=found["index"],
        anchored_at=found.get("anchored_at"),
        stamped_at=found.get("stamped_at"),
    )
