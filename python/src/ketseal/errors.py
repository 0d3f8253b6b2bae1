# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Errors: one class for each of the library's, each with its name and exit code."""

from __future__ import annotations


class LibraryError(ImportError):
    """libketseal cannot be loaded, or is of another version than this package."""


class KetsealError(Exception):
    """What the library, or the site by way of it, refuses or cannot do.

    `name` is the error's name in ketseal's list ("DENIED"), `exit_code` the status with which the
    command line would end, `detail` one sentence, fit for a terminal.
    """

    def __init__(self, name: str, code: int, exit_code: int, detail: str) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.code = code
        self.exit_code = exit_code
        self.detail = detail

    def __reduce__(self) -> tuple[type, tuple[str, int, int, str]]:
        return type(self), (self.name, self.code, self.exit_code, self.detail)


class VerificationError(KetsealError):
    """VERIFY: checked, and false."""


class UsageError(KetsealError):
    """USAGE: a bad argument."""


class FormatError(KetsealError):
    """FORMAT: malformed input, such as a program that does not parse."""


class LimitError(KetsealError):
    """LIMIT: over a documented limit."""


class InputOutputError(KetsealError):
    """IO: a file, the network or a device."""


class OutOfMemoryError(KetsealError):
    """NOMEM."""


class DeniedError(KetsealError):
    """DENIED: not authorised."""


class NotFoundError(KetsealError):
    """NOT_FOUND: absent, or not yet."""


class InternalError(KetsealError):
    """INTERNAL: a bug in ketseal."""


class UnavailableError(KetsealError):
    """UNAVAILABLE: busy or shutting down; try again."""


class ConflictError(KetsealError):
    """CONFLICT: conflicts with what is already there."""


class CancelledError(KetsealError):
    """CANCELLED: cancelled before it was done."""


class StaleError(KetsealError):
    """STALE: the last attestation is too old; attest first."""


CLASSES: dict[str, type[KetsealError]] = {
    "VERIFY": VerificationError,
    "USAGE": UsageError,
    "FORMAT": FormatError,
    "LIMIT": LimitError,
    "IO": InputOutputError,
    "NOMEM": OutOfMemoryError,
    "DENIED": DeniedError,
    "NOT_FOUND": NotFoundError,
    "INTERNAL": InternalError,
    "UNAVAILABLE": UnavailableError,
    "CONFLICT": ConflictError,
    "CANCELLED": CancelledError,
    "STALE": StaleError,
}


def error_of(name: str, code: int, exit_code: int, detail: str) -> KetsealError:
    """The exception for an error of the library; one it has learnt since is a plain KetsealError."""
    return CLASSES.get(name, KetsealError)(name, code, exit_code, detail)
