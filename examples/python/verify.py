# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
"""An auditor's side, without network: verify.py POLICY BUNDLE...; exit status 1 if one does not verify"""

import sys

import ketseal

policy = ketseal.Policy.from_file(sys.argv[1])
verdicts = {path: ketseal.verify(ketseal.Bundle.from_file(path), policy) for path in sys.argv[2:]}
for path, verdict in verdicts.items():
    print(f"{path}: {verdict}")
    for check in verdict.checks.values():
        if check.state is not ketseal.State.PASS:
            print(f"  {check.state.value} {check.name}: {check.reason}")
sys.exit(0 if all(verdicts.values()) else 1)
