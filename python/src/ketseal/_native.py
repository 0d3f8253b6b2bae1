# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""The C library: where it is, what it looks like, and how its errors become exceptions.

Declarations are those of the installed headers, in cffi's ABI mode: no compiler is needed where the
package is installed. The price is that nobody compares layouts for us, so the sizes of all structs are
compared with the library's own (ks_abi_check) before anything else is called.

cffi gives the interpreter's lock away during each call. The sentence of an error is thread-local in the
library, and is read on the thread that made the call, before that thread calls anything else.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any, Optional

import cffi

from .errors import KetsealError, LibraryError, error_of

CDEF = """
struct ks_bytes { const uint8_t *data; size_t len; };
struct ks_buf;
int ks_buf_new(size_t len_max, struct ks_buf **out_buf);
void ks_buf_free(struct ks_buf *buf);
struct ks_bytes ks_buf_view(const struct ks_buf *buf);

const char *ks_abi_version(void);
int ks_abi_check(const char *name, size_t size);

const char *ks_err_name(int err);
int ks_err_exit_code(int err);
const char *ks_err_detail(void);

struct ks_circuit;
struct ks_counts;
struct ks_circuit_limits { uint32_t version, qubits_max, clbits_max; uint64_t ops_max, source_max; };
struct ks_template_spec { uint32_t version; const char *name; uint32_t qubits, depth; uint64_t seed; };
int ks_circuit_parse(const struct ks_bytes *source, const char *name, const struct ks_circuit_limits *limits,
                     struct ks_circuit **out_circuit);
int ks_circuit_template(const struct ks_template_spec *spec, const struct ks_circuit_limits *limits,
                        struct ks_circuit **out_circuit);
const char *ks_circuit_template_name(size_t index);
void ks_circuit_free(struct ks_circuit *circuit);
uint32_t ks_circuit_qubits(const struct ks_circuit *circuit);
uint32_t ks_circuit_clbits(const struct ks_circuit *circuit);
uint64_t ks_circuit_ops(const struct ks_circuit *circuit);
uint32_t ks_circuit_depth(const struct ks_circuit *circuit);
void ks_circuit_print(const struct ks_circuit *circuit, struct ks_buf *out);

struct ks_noise_rates { double x, y, z, depolarizing, amplitude_damping, phase_damping; };
struct ks_noise { uint32_t version; struct ks_noise_rates gate1, gate2; double read0_as1, read1_as0; };
int ks_noise_check(const struct ks_noise *noise);
void ks_noise_print(const struct ks_noise *noise, struct ks_buf *out);
int ks_method_find(const char *name, int *out_method);
struct ks_simulate_spec {
    uint32_t version; uint64_t shots; uint64_t seed; int precision; uint64_t memory_max; const char *kernels;
    void *pool; int method; uint32_t bond_max; double cutoff; bool (*cancelled)(void *context);
    void *cancel_context; const struct ks_noise *noise;
};
int ks_simulate(const struct ks_circuit *circuit, const struct ks_simulate_spec *spec,
                struct ks_counts **out_counts);
int ks_probabilities(const struct ks_circuit *circuit, const struct ks_simulate_spec *spec,
                     double *out_probabilities);
void ks_counts_free(struct ks_counts *counts);
size_t ks_counts_size(const struct ks_counts *counts);
const char *ks_counts_outcome(const struct ks_counts *counts, size_t index);
uint64_t ks_counts_count(const struct ks_counts *counts, size_t index);

struct ks_client;
struct ks_policy;
struct ks_verdict;
struct ks_device_spec { uint32_t version; const char *directory, *url, *site; uint32_t timeout_ms; bool measured; };
int ks_client_open_device(const struct ks_device_spec *device, struct ks_client **out_client);
int ks_device_policy(const struct ks_device_spec *device, struct ks_policy **out_policy);
void ks_client_close(struct ks_client *client);
struct ks_job_spec {
    uint32_t version; const char *qasm; size_t qasm_len; const char *template; uint32_t qubits, depth;
    uint64_t template_seed, shots, seed; bool single_precision; const char *method; uint32_t bond_max;
    double cutoff; const struct ks_bytes *noise; const char *sdk, *name, *idempotency;
};
int ks_client_submit(struct ks_client *client, const struct ks_job_spec *job, struct ks_buf *out_state);
int ks_client_cancel(struct ks_client *client, const char *id);
struct ks_job_status { int phase; int error; char id[40]; char created_at[32]; char detail[512]; };
const char *ks_job_phase_name(int phase);
int ks_job_status_read(const struct ks_bytes *document, struct ks_job_status *out_state);
int ks_client_status(struct ks_client *client, const char *id, struct ks_job_status *out_state);
int ks_client_bundle(struct ks_client *client, const char *id, struct ks_buf *out_bundle);
int ks_client_bundle_in(struct ks_client *client, const char *id, const char *state, uint32_t seconds,
                        struct ks_buf *out_bundle);
const char *ks_client_notice(const struct ks_client *client);
const char *ks_client_device(const struct ks_client *client);

int ks_policy_read(const struct ks_bytes *document, struct ks_policy **out_policy);
void ks_policy_free(struct ks_policy *policy);
int ks_verdict_new(struct ks_verdict **out_verdict);
void ks_verdict_free(struct ks_verdict *verdict);
int ks_bundle_verify(const struct ks_bytes *bundle, const struct ks_policy *policy, struct ks_verdict *out_verdict);
void ks_verdict_print(const struct ks_verdict *verdict, int outcome, struct ks_buf *out);
"""

# Structs that we fill or read; ks_abi_check knows their sizes.
STRUCTS = ("ks_bytes", "ks_circuit_limits", "ks_device_spec", "ks_job_spec", "ks_job_status", "ks_noise",
           "ks_noise_rates", "ks_simulate_spec", "ks_template_spec")

NAME = "libketseal.so.0"
BUNDLE_MAX = 48 * 1024 * 1024
TEXT_MAX = 64 * 1024 * 1024
STATE_MAX = 65536

ffi = cffi.FFI()
ffi.cdef(CDEF)


def candidates() -> list[str]:
    """Where the library is looked for, in order: $KETSEAL_LIBRARY alone where it is set; beside this
    file, as a wheel has it; where the system's loader finds it."""
    given = os.environ.get("KETSEAL_LIBRARY")
    if given:
        return [given]
    beside = Path(__file__).with_name(NAME)
    return [str(beside), NAME] if beside.exists() else [NAME]


def _open() -> Any:
    # What tpm2-tss would say on standard error, it says by its return codes too.
    os.environ.setdefault("TSS2_LOG", "all+none")
    said = []
    for path in candidates():
        try:
            library = ffi.dlopen(path)
        except OSError as error:
            said.append(str(error))
            continue
        for name in STRUCTS:
            if library.ks_abi_check(name.encode(), ffi.sizeof(f"struct {name}")) != 0:
                raise LibraryError(f"{path} is of another version than this package: "
                                   + text(library.ks_err_detail()))
        return library
    raise LibraryError("; ".join(said))


_lock = threading.Lock()
_library: Optional[Any] = None


def lib() -> Any:
    """The library, loaded by the first who needs it."""
    global _library
    with _lock:
        if _library is None:
            _library = _open()
        return _library


def text(pointer: Any) -> str:
    return str(ffi.string(pointer).decode("utf-8", "replace"))


def raised(code: int) -> KetsealError:
    """The exception for CODE and the sentence that this thread's last call has left."""
    library = lib()
    return error_of(text(library.ks_err_name(code)), code, library.ks_err_exit_code(code),
                    text(library.ks_err_detail()))


def check(code: int) -> None:
    if code != 0:
        raise raised(code)


def owned(constructor: Any, destructor: Any, kind: str, *arguments: Any) -> Any:
    """What CONSTRUCTOR makes of ARGUMENTS, freed when nobody has it any more."""
    slot = ffi.new(f"{kind} **")
    check(constructor(*arguments, slot))
    return ffi.gc(slot[0], destructor)


def buffer(len_max: int) -> Any:
    library = lib()
    return owned(library.ks_buf_new, library.ks_buf_free, "struct ks_buf", len_max)


def taken(buf: Any) -> bytes:
    view = lib().ks_buf_view(buf)
    return bytes(ffi.buffer(view.data, view.len)) if view.len > 0 else b""


class View:
    """A struct ks_bytes over DATA, which it keeps."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._memory = ffi.from_buffer("uint8_t[]", data)
        self.pointer = ffi.new("struct ks_bytes *", {"data": self._memory, "len": len(data)})


def optional(value: Optional[str]) -> Any:
    """VALUE as a C text that the caller has to keep, or NULL."""
    if value is None:
        return ffi.NULL
    if "\0" in value:
        raise ValueError("a text with a NUL byte")
    return ffi.new("char[]", value.encode())
