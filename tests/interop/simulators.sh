#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Our simulators against independent ones (simulators.py). KETSEAL_QISKIT_PYTHON is a python with qiskit and
# qiskit-aer, and with cirq-core and stim for all of it: a virtual environment of its own, outside the project. Real
# programs are looked for in $KS_SHARED_DATA/circuits, by default beside the project.
#
#   simulators.sh SOURCE_ROOT KETSEAL
set -eu
skip() {
    printf 'simulators: SKIPPED: %s\n' "$*"
    exit 77
}
python=${KETSEAL_QISKIT_PYTHON-}
[ -n "$python" ] || skip "KETSEAL_QISKIT_PYTHON names no python with qiskit and qiskit-aer"
"$python" -c 'import qiskit, qiskit_aer' 2>/dev/null || skip "$python has no qiskit and qiskit-aer"
folder=${KS_SHARED_DATA:-$1/../shared/data}/circuits
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
set -- "$1" "$2" "$work"
if [ -d "$folder" ]; then
    # These are no programs: docs/circuits.md says why.
    for file in "$folder"/small-*.qasm "$folder"/medium-*.qasm; do
        case $file in */small-vqe_uccsd_n*) ;; *) set -- "$@" "$file" ;; esac
    done
else
    printf 'simulators: no real circuits in %s: random ones alone\n' "$folder"
fi
here=$(cd "$(dirname "$0")" && pwd)
shift
"$python" "$here/simulators.py" "$@"
