# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""The declarations of the package against the installed headers, by a C compiler, and against the library."""

import os
import re
import shutil
import subprocess
import sys

import pytest

from ketseal import LibraryError, _native

HEADERS = ("abi", "bytes", "circuit", "client", "error", "verify")


def c_checks():
    """One assertion for each struct and member that the package declares."""
    for name in _native.STRUCTS:
        kind = _native.ffi.typeof(f"struct {name}")
        yield f"_Static_assert(sizeof(struct {name}) == {_native.ffi.sizeof(kind)}, \"{name}\");"
        for member, field in kind.fields:
            size = _native.ffi.sizeof(field.type)
            yield (f"_Static_assert(offsetof(struct {name}, {member}) == {field.offset} && "
                   f"sizeof((struct {name} *)0)->{member} == {size}, \"{name}.{member}\");")


def test_layouts_are_those_of_the_headers(source, tmp_path):
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        pytest.skip("no C compiler")
    lines = [f"#include <ketseal/{name}.h>" for name in HEADERS] + list(c_checks())
    assert len(lines) > 70
    file = tmp_path / "layout.c"
    for changed in (False, True):  # a check that cannot fail is none
        text = "\n".join(lines)
        if changed:
            text = re.sub(r"(offsetof\(struct ks_job_spec, seed\) == )\d+", r"\g<1>9", text)
        file.write_text(text + "\n")
        done = subprocess.run([compiler, "-std=c17", "-fsyntax-only", f"-I{source}/include", file],
                              capture_output=True, text=True)
        assert (done.returncode != 0) == changed, done.stderr


def declared(text):
    return set(re.findall(r"\b(ks_[a-z0-9_]+)\(", text))


def test_functions_are_those_of_the_headers(source):
    text = "".join((source / "include/ketseal" / f"{name}.h").read_text() for name in HEADERS)
    text = re.sub(r"/\*.*?\*/", "", text, flags=re.S)
    assert declared(_native.CDEF) <= declared(text)
    library = os.environ["KETSEAL_LIBRARY"]
    exported = subprocess.run(["nm", "-D", "--defined-only", library], capture_output=True, text=True, check=True)
    names = {line.split()[2].split("@")[0] for line in exported.stdout.splitlines() if " T " in line}
    assert names == declared(text), "the library exports the installed functions, and nothing else"


def test_another_library_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("KETSEAL_LIBRARY", str(tmp_path / "absent.so"))
    with pytest.raises(LibraryError, match="absent.so"):
        _native._open()
    monkeypatch.delenv("KETSEAL_LIBRARY")
    assert _native.candidates()[-1] == "libketseal.so.0"


def test_another_layout_is_refused(monkeypatch):
    ffi = _native.ffi

    class Other:
        def __getattr__(self, name):
            return getattr(ffi, name)

        def sizeof(self, _kind):
            return 8

    monkeypatch.setattr(_native, "ffi", Other())
    with pytest.raises(LibraryError, match="another version.*ks_bytes: 8 bytes"):
        _native._open()


def test_it_lives_beside_another_openssl(source, site):
    """Whatever libssl the interpreter has loaded, before or after: each keeps its own, and a client connects."""
    program = ("import sys{before}\nimport ketseal\nclient = ketseal.Client(sys.argv[1])\n"
               "print(client.run(ketseal.Template('bell', 2), shots=5).bundle.shots)\n"
               "import hashlib, ssl\nassert ssl.OPENSSL_VERSION == sys.argv[2]\n"
               "assert ssl.create_default_context().cert_store_stats() is not None\n"
               "maps = open('/proc/self/maps').read()\nassert 'libcurl' not in maps\n")
    version = subprocess.run([sys.executable, "-c", "import ssl; print(ssl.OPENSSL_VERSION)"], capture_output=True,
                             text=True, check=True).stdout.strip()
    for before in ("", ", ssl, hashlib"):
        done = subprocess.run([sys.executable, "-c", program.format(before=before), site / "edge-1", version],
                              capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (0, "5\n"), done.stderr
