# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""examples/python, as a reader would run them."""

import subprocess
import sys

import ketseal


def run(source, name, *arguments, status=0):
    done = subprocess.run([sys.executable, source / "examples/python" / name, *map(str, arguments)],
                          capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    return done.stdout


def test_bell_and_verify(source, site, tmp_path):
    kept = tmp_path / "bell.bundle"
    said = run(source, "bell.py", site / "edge-1", kept)
    counts = dict(line.split() for line in said.splitlines()[:2])
    assert {k: int(v) for k, v in counts.items()} == ketseal.Bundle.from_file(kept).counts
    assert "verified: record" in run(source, "verify.py", site / "lab.policy", kept)
    forged = tmp_path / "forged.bundle"
    forged.write_bytes(kept.read_bytes().replace(b'"shots":2000', b'"shots":2001'))
    assert "not verified" in run(source, "verify.py", site / "lab.policy", kept, forged, status=1)
