# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""ketseal: have circuits run by a site that seals what it did, and verify that.

    with ketseal.Client("device") as client:
        job = client.submit('OPENQASM 2.0; …', shots=2000, seed=7)
        job.wait(timeout=60)
        print(job.result().counts)          # only if the bundle verifies
        job.bundle.save("bell.bundle")

    verdict = ketseal.verify(ketseal.Bundle.from_file("bell.bundle"), ketseal.Policy.from_file("lab.policy"))

`ketseal.qiskit` and `ketseal.cirq` are what users of these put in place of their backend or simulator.
"""

from .circuit import Circuit, Template, templates
from .client import Client, Job, JobState, Result
from .errors import (CancelledError, ConflictError, DeniedError, FormatError, InputOutputError, InternalError,
                     KetsealError, LibraryError, LimitError, NotFoundError, OutOfMemoryError, StaleError,
                     UnavailableError, UsageError, VerificationError)
from .verify import Bundle, Check, Policy, State, Verdict, verify

__version__ = "0.1.0"
__all__ = [
    "Bundle", "CancelledError", "Check", "Circuit", "Client", "ConflictError", "DeniedError", "FormatError",
    "InputOutputError", "InternalError", "Job", "JobState", "KetsealError", "LibraryError", "LimitError",
    "NotFoundError", "OutOfMemoryError", "Policy", "Result", "StaleError", "State", "Template",
    "UnavailableError", "UsageError", "Verdict", "VerificationError", "templates", "verify",
]
