# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""Submit, wait, verify, keep: bell.py DEVICE OUT.bundle"""

import sys

import ketseal

BELL = """OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0],q[1];
measure q -> c;
"""

device, out = sys.argv[1:]
with ketseal.Client(device) as client:
    job = client.submit(BELL, shots=2000, seed=7)
    job.wait(timeout=60)
    result = job.result()  # verified against what the device pins; raises where it is not
    for outcome, count in sorted(result.counts.items()):
        print(outcome, count)
    job.bundle.save(out)
print(result.verdict)
