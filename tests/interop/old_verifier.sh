#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Records of the old schemas, as `ketseal record make` writes them for every framework, under the verifiers of
# quantum-proof-of-execution. It installs nothing: OLD_VERIFIER is the command that verifies a record of "qpoe-0.1"
# (scripts/verify_record.py of its last version, run by a Python that has its packages), OLD_VERIFIER_0_1 that for "0.1" (the
# same of commit 8f1295f); KETSEAL_ADAPTERS the environment of `make adapters`.
#
#   old_verifier.sh BUILD
set -eu

skip() {
    echo "old_verifier: SKIPPED: $*"
    exit 77
}
fail() {
    echo "old_verifier: FAILED: $*" >&2
    exit 1
}
[ -n "${OLD_VERIFIER:-}" ] || skip "OLD_VERIFIER names no verifier of qpoe-0.1"
[ -n "${OLD_VERIFIER_0_1:-}" ] || skip "OLD_VERIFIER_0_1 names no verifier of 0.1"
[ -n "${KETSEAL_ADAPTERS:-}" ] || skip "KETSEAL_ADAPTERS names no environment with Qiskit and Cirq"
build=$(cd "$1" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work"
mkdir -p libexec/adapters
ln -s "$build/src/enclave/ketseal-adapter" libexec/
ln -s "$build/src/enclave/qiskit.py" "$build/src/enclave/cirq.py" libexec/adapters/

made() { # SCHEMA FRAMEWORK
    "$build/src/cli/ketseal" -q record make --schema="$1" --framework="$2" --n-qubits=4 --depth=6 --seed=7 --shots=500 \
        --libexec=libexec --out="$1-$2.json" || fail "$1, $2: not made"
}
# accepted VERIFIER FILE: it says so, and does not of the same record with one shot moved.
accepted() {
    # shellcheck disable=SC2086 # a command and its arguments
    $1 "$2" >said 2>&1 || fail "$2: $(tail -n 1 said)"
    sed '0,/"[01][01][01][01]": [0-9]*/s/"\([01]*\)": \([0-9]*\)/"\1": \21/' "$2" >moved.json
    ! cmp -s "$2" moved.json || fail "$2: nothing was changed"
    # shellcheck disable=SC2086
    ! $1 moved.json >said 2>&1 || fail "$2: accepted with other counts"
}
for framework in qiskit cirq; do
    made qpoe-0.1 "$framework"
    accepted "$OLD_VERIFIER" "qpoe-0.1-$framework.json"
done
for framework in native qiskit cirq; do
    made 0.1 "$framework"
    accepted "$OLD_VERIFIER_0_1" "0.1-$framework.json"
done
echo "old_verifier: five records accepted, none with other counts"
