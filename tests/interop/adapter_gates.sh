#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Every native gate as Qiskit and Cirq run it for ketseal-adapter, against our own simulator.
#
#   adapter_gates.sh BUILD
#
# KETSEAL_ADAPTERS names the environment that `make adapters` has installed; without one the test skips.
set -eu
environment=${KETSEAL_ADAPTERS:-${KETSEAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ketseal}/adapters}
if [ ! -e "$environment/pyvenv.cfg" ]; then
    echo "adapter_gates: SKIPPED: no SDKs in $environment: make adapters installs them, KETSEAL_ADAPTERS names another place"
    exit 77
fi
for precision in double single; do
    for sdk in qiskit cirq; do
        "$environment/bin/python3" "$(dirname "$0")/adapter_gates.py" "$1/src/cli/ketseal" "$sdk" "$1/src/enclave/$sdk.py" "$precision"
    done
done
