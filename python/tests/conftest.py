# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Tests run beside a site that tests/integration/python.sh has started; these say where it is."""

import os
import subprocess
from pathlib import Path

import pytest

import ketseal

BELL = """OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0],q[1];
measure q -> c;
"""

# Of random outcomes under noise: each shot is drawn anew, so that a site of the tests computes for long.
SLOW = "OPENQASM 2.0;\ninclude \"qelib1.inc\";\nqreg q[18];\ncreg c[18];\n" + "".join(
    f"h q[{i}];\nmeasure q[{i}] -> c[{i}];\nh q[{i}];\n" for i in range(18)) + "measure q -> c;\n"


@pytest.fixture(scope="session")
def site():
    return Path(os.environ["KETSEAL_TEST_SITE"])


@pytest.fixture(scope="session")
def source():
    return Path(os.environ["KETSEAL_TEST_SOURCE"])


@pytest.fixture(scope="session")
def policy(site):
    return ketseal.Policy.from_file(site / "lab.policy")


@pytest.fixture()
def client(site):
    with ketseal.Client(site / "edge-1") as opened:
        yield opened


@pytest.fixture(scope="session")
def command():
    """ketseal's command line: what the package is compared with."""
    def run(*arguments, status=0):
        done = subprocess.run([os.environ["KETSEAL_TEST_COMMAND"], *map(str, arguments)], capture_output=True,
                              text=True)
        assert done.returncode == status, done.stderr
        return done.stdout
    return run
