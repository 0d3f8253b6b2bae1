# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""A device's side: submit jobs to a site, follow them, get and verify their bundles."""

from __future__ import annotations

import os
import secrets
import threading
import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Callable, Mapping, Optional, Union

from . import _native
from .circuit import DEFAULT_CUTOFF, Circuit, Noise, Template, canonical_noise, seed_checked, single
from .errors import NotFoundError, error_of
from .verify import Bundle, PathLike, Policy, Verdict, verify

POLL_FIRST_S = 0.05
POLL_LAST_S = 5.0
SITE_WAIT_S = 2  # of one request: other threads wait for it


@dataclass(frozen=True)
class JobState:
    """How a job stands: `phase` is "accepted", "done", "failed" or "cancelled". Of a failed one, `error`
    is the name of its error and `detail` the site's sentence."""

    id: str
    phase: str
    created_at: str
    error: Optional[str] = None
    detail: str = ""

    @property
    def ended(self) -> bool:
        return self.phase != "accepted"


def _state(found: Any) -> JobState:
    library = _native.lib()
    return JobState(
        id=_native.text(found.id),
        phase=_native.text(library.ks_job_phase_name(found.phase)),
        created_at=_native.text(found.created_at),
        error=_native.text(library.ks_err_name(found.error)) if found.error != 0 else None,
        detail=_native.text(found.detail),
    )


@dataclass(frozen=True)
class Result:
    """Counts of a job whose bundle was verified; classical bit 0 is the rightmost character."""

    counts: Mapping[str, int]
    bundle: Bundle
    verdict: Verdict

    @property
    def record_id(self) -> str:
        return self.bundle.record_id


class Client:
    """One device at one site.

    A client may be used from any thread: calls of several threads take their turns, while waiting for a
    job holds nobody up. It does not survive a fork: a child process opens its own. The device's secret key
    stays in memory of the C library and never becomes a Python object; `close` wipes it.
    """

    def __init__(self, device: PathLike, *, site: Optional[PathLike] = None, url: Optional[str] = None,
                 timeout: Optional[float] = None) -> None:
        """DEVICE is the device's directory. SITE is the pinned site document and URL the site's address,
        by default the directory's own; TIMEOUT, in seconds, is that of one exchange, 10 minutes."""
        ffi, library = _native.ffi, _native.lib()
        self._texts = [_native.optional(os.fspath(device)), _native.optional(url),
                       _native.optional(None if site is None else os.fspath(site))]
        self._spec = ffi.new("struct ks_device_spec *",
                             {"version": 1, "directory": self._texts[0], "url": self._texts[1],
                              "site": self._texts[2],
                              "timeout_ms": 0 if timeout is None else max(1, int(timeout * 1000))})
        self._lock = threading.Lock()
        self._pid = pid = os.getpid()

        def close_here(pointer: Any) -> None:
            if os.getpid() == pid:  # a child's copy must say no goodbye on its parent's connection
                library.ks_client_close(pointer)

        self._client: Any = _native.owned(library.ks_client_open_device, close_here, "struct ks_client",
                                          self._spec)

    def close(self) -> None:
        """Ends the connection and wipes the key. Twice is fine."""
        with self._lock:
            if self._client is not None:
                _native.ffi.release(self._client)
            self._client = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: Optional[type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()

    def _call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """FUNCTION with the client before its ARGUMENTS, one at a time."""
        with self._lock:
            if self._client is None:
                raise ValueError("this client is closed")
            if self._pid != os.getpid():
                raise RuntimeError("this client was opened by another process; open one here")
            return function(self._client, *arguments)

    def _checked(self, function: Callable[..., Any], *arguments: Any) -> None:
        def call(client: Any) -> None:
            _native.check(function(client, *arguments))  # the sentence is this thread's: read it in here

        self._call(call)

    @property
    def device(self) -> str:
        """The device's id, from its certificate."""
        return str(self._call(lambda client: _native.text(_native.lib().ks_client_device(client))))

    @property
    def notice(self) -> str:
        """What there is to know of the one-time keys of the last request; empty: nothing."""
        return str(self._call(lambda client: _native.text(_native.lib().ks_client_notice(client))))

    def policy(self) -> Policy:
        """What the device itself pins: its root and its site."""
        library = _native.lib()
        return Policy._of(_native.owned(library.ks_device_policy, library.ks_policy_free, "struct ks_policy",
                                        self._spec))

    def submit(self, program: Union[str, Circuit, Template], *, shots: int = 1024, seed: Optional[int] = None,
               precision: str = "double", method: Optional[str] = None, bond: int = 0,
               cutoff: float = DEFAULT_CUTOFF, noise: Optional[Noise] = None,
               sdk: Optional[str] = None, name: Optional[str] = None,
               idempotency: Optional[str] = None) -> "Job":
        """Submits PROGRAM: OpenQASM text, a circuit or a template. Without SEED one is drawn; the record
        states it. METHOD, BOND, CUTOFF and NOISE are those of docs/formats/job.md; SDK "qiskit" or "cirq" has
        the site run it by that (docs/adapters.md), and takes none of these. NAME stands in front
        of errors in the program; one IDEMPOTENCY key makes one job, however often it is submitted."""
        ffi, library = _native.ffi, _native.lib()
        if seed is None:
            seed = secrets.randbelow(2**53)
        values: dict[str, Any] = {"version": 1, "shots": shots, "seed": seed_checked(seed),
                                  "single_precision": bool(single(precision)), "bond_max": bond,
                                  "cutoff": cutoff if bond > 0 else 0}
        kept: list[Any] = [_native.optional(text) for text in (method, sdk, name, idempotency)]
        values["method"], values["sdk"], values["name"], values["idempotency"] = kept
        if isinstance(program, Template):
            kept.append(_native.optional(program.name))
            values.update(template=kept[-1], qubits=program.qubits, depth=program.depth,
                          template_seed=seed if program.seed is None else seed_checked(program.seed))
        else:
            source = (program.text if isinstance(program, Circuit) else program).encode()
            kept.append(ffi.new("char[]", source))
            values.update(qasm=kept[-1], qasm_len=len(source))
        if noise is not None:
            kept.append(_native.View(canonical_noise(noise)))
            values["noise"] = kept[-1].pointer
        spec = ffi.new("struct ks_job_spec *", values)
        out = _native.buffer(_native.STATE_MAX)
        self._checked(library.ks_client_submit, spec, out)
        state = ffi.new("struct ks_job_status *")
        document = _native.View(_native.taken(out))
        _native.check(library.ks_job_status_read(document.pointer, state))
        return Job(self, _state(state).id)

    def job(self, id: str) -> "Job":
        """A job that was submitted before, by this device."""
        return Job(self, id)

    def run(self, program: Union[str, Circuit, Template], *, policy: Optional[Policy] = None,
            timeout: Optional[float] = None, **options: Any) -> Result:
        """`submit(PROGRAM, …)`, `wait(TIMEOUT)` and `result(POLICY)` in one."""
        job = self.submit(program, **options)
        job.wait(timeout)
        return job.result(policy)


class Job:
    """A job of a device, by its id."""

    def __init__(self, client: Client, id: str) -> None:
        self._client = client
        self._id = id
        self._bundle: Optional[Bundle] = None

    @property
    def id(self) -> str:
        return self._id

    def __repr__(self) -> str:
        return f"<ketseal.Job {self._id}>"

    def status(self) -> JobState:
        """Asks the site."""
        found = _native.ffi.new("struct ks_job_status *")
        self._client._checked(_native.lib().ks_client_status, self._id.encode(), found)
        return _state(found)

    def wait(self, timeout: Optional[float] = None) -> JobState:
        """Until the job has ended; `TimeoutError` after TIMEOUT seconds. It goes on then. Asks at first
        every 50 ms, then ever less often, at last every 5 s; an interrupt ends the wait at once."""
        end = None if timeout is None else time.monotonic() + timeout
        pause = POLL_FIRST_S
        state = self.status()
        while not state.ended:
            left = POLL_LAST_S if end is None else end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"job {self._id} has not ended within {timeout} s")
            time.sleep(min(pause, left))
            pause = min(2 * pause, POLL_LAST_S)
            state = self.status()
        return state

    def cancel(self) -> None:
        """Asks the site to end the job. `ConflictError` where it has ended already."""
        self._client._checked(_native.lib().ks_client_cancel, self._id.encode())

    @property
    def bundle(self) -> Bundle:
        """The bundle of a job that is done; it is not verified here. `NotFoundError` while it runs; a job
        that failed raises what it failed with."""
        if self._bundle is None:
            out = _native.buffer(_native.BUNDLE_MAX)
            self._client._checked(_native.lib().ks_client_bundle, self._id.encode(), out)
            self._bundle = Bundle(_native.taken(out))
        return self._bundle

    def bundle_in(self, state: str, timeout: float = 300) -> Bundle:
        """The bundle under a checkpoint that is "cosigned", "anchored" or "timestamped": waits until the
        site has one, `TimeoutError` after TIMEOUT seconds. It is not verified here."""
        end = time.monotonic() + timeout
        while True:
            out = _native.buffer(_native.BUNDLE_MAX)
            held = max(0, min(SITE_WAIT_S, int(end - time.monotonic())))
            try:
                self._client._checked(_native.lib().ks_client_bundle_in, self._id.encode(),
                                      _native.optional(state), held, out)
                return Bundle(_native.taken(out))
            except NotFoundError:
                if time.monotonic() >= end:
                    raise TimeoutError(f"job {self._id} is not {state} within {timeout} s") from None
                time.sleep(POLL_FIRST_S)

    def result(self, policy: Optional[Policy] = None) -> Result:
        """Waits for the job, verifies its bundle against POLICY, or what the device pins, and gives the
        counts. `VerificationError` where it does not verify: then there is no result. `CancelledError`
        where it was cancelled; a job that failed raises what it failed with."""
        if self.wait().phase == "cancelled":
            raise error_of("CANCELLED", 12, 5, f"job {self._id} was cancelled")
        verdict = verify(self.bundle, self._client.policy() if policy is None else policy)
        if not verdict:
            raise error_of("VERIFY", 1, 1, verdict.reason)
        return Result(self.bundle.counts, self.bundle, verdict)
