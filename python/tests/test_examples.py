# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""examples/python, as a reader would run them."""

import os
import subprocess
import sys
import zipfile

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


def test_wheel(source, site, tmp_path):
    """`make python`: the same bytes again, each file as RECORD has it, and it runs where only it is."""
    library = os.environ["KETSEAL_LIBRARY"]
    wheels = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        done = subprocess.run([sys.executable, source / "python/wheel.py", source / "python", library, tmp_path / name],
                              capture_output=True, text=True, check=True)
        wheels.append(done.stdout.strip())
    assert open(wheels[0], "rb").read() == open(wheels[1], "rb").read()
    place = tmp_path / "place"
    pip = subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", place,
                          "--disable-pip-version-check", wheels[0]], capture_output=True, text=True)
    if pip.returncode != 0 and "No module named pip" in pip.stderr:
        zipfile.ZipFile(wheels[0]).extractall(place)
    else:
        assert pip.returncode == 0, pip.stderr
    alone = {name: value for name, value in os.environ.items() if name != "KETSEAL_LIBRARY"}
    alone["PYTHONPATH"] = str(place)
    program = ("import sys, ketseal; assert ketseal.__file__.startswith(sys.argv[1]); c = ketseal.Client(sys.argv[2]);"
               "print(c.run(ketseal.Template('ghz', 3), shots=9).verdict)")
    done = subprocess.run([sys.executable, "-c", program, place, site / "edge-1"], env=alone, capture_output=True,
                          text=True)
    assert done.returncode == 0 and done.stdout.startswith("verified: record"), done.stderr
