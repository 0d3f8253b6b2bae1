#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The same workloads sealed by a site on its own simulator, on Qiskit and on Cirq: the circuit's hash is the same in all
# three, the records say what ran in what environment, they verify, and compare and replay find their counts to agree. A
# record whose counts were altered does not verify, and an adapter that lies about its counts is found out.
#
#   adapters.sh BUILD
#
# KETSEAL_ADAPTERS names the environment that `make adapters` has installed; without one the test skips.
# KETSEAL_ADAPTERS_KEEP=DIRECTORY keeps three bundles and the policy there.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$here/site.sh"
site_name=adapters
command -v jq >/dev/null || site_skip "jq is absent"
environment=${KETSEAL_ADAPTERS:-${KETSEAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ketseal}/adapters}
[ -e "$environment/pyvenv.cfg" ] ||
    site_skip "no SDKs in $environment: make adapters installs them, KETSEAL_ADAPTERS names another place"
site_begin "$1"
site_device edge-1
site_more="adapters:
  qiskit: $environment
  cirq: $environment"
site_start

cat >teleport.qasm <<'QASM'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[3];
creg m[2];
creg out[1];
u3(0.7,0.4,1.1) q[0];
h q[1];
cx q[1],q[2];
cx q[0],q[1];
h q[0];
measure q[0] -> m[0];
measure q[1] -> m[1];
if(m==1) z q[2];
if(m==2) x q[2];
if(m==3) z q[2];
if(m==3) x q[2];
rx(0.3) q[2];
measure q[2] -> out[0];
QASM

# sealed NAME SDK FLAG…: verified as it is kept; its core is in NAME.core.
sealed() {
    name=$1 sdk=$2
    shift 2
    "$ketseal" -q run --device edge-1 --sdk="$sdk" --seed=7 --shots=2000 "$@" --out "$name.bundle" || site_fail "$name: refused"
    "$ketseal" verify --policy lab.policy "$name.bundle" >said || site_fail "$name: does not verify"
    jq .record.core "$name.bundle" >"$name.core"
    jq -e '.schema_version == "ketseal-4"' "$name.core" >/dev/null || site_fail "$name: $(jq .schema_version "$name.core")"
    [ "$sdk" = native ] || grep -q ", by $sdk" said || site_fail "$name: verified without its SDK: $(cat said)"
}
holds() { # NAME EXPRESSION
    jq -e "$2" "$1.core" >/dev/null || site_fail "$1: not $2 of $(jq -c '.workload, .execution | del(.result_summary)' "$1.core")"
}

for workload in clifford teleport; do
    case $workload in
    clifford) set -- --template=clifford_t_sampling --qubits=5 --depth=8 ;;
    teleport) set -- teleport.qasm ;;
    esac
    for sdk in native qiskit cirq; do
        sealed "$workload-$sdk" "$sdk" "$@"
    done
    hashes=$(jq -r .workload.circuit_hash "$workload"-*.core | sort -u | wc -l)
    [ "$hashes" -eq 1 ] || site_fail "$workload: $hashes hashes of one circuit"
done
holds clifford-native '.workload.sdk == "ketseal" and (.execution | has("environment") | not)'
holds clifford-qiskit '.workload.sdk == "qiskit" and .execution.backend == "qiskit-aer" and .execution.isolation == "interpreter"'
holds clifford-cirq '.workload.sdk == "cirq" and (.execution | has("method") or has("numerics") | not)'
if [ -n "${KETSEAL_ADAPTERS_KEEP:-}" ]; then
    for sdk in native qiskit cirq; do
        cp "clifford-$sdk.bundle" "$KETSEAL_ADAPTERS_KEEP/$sdk.bundle"
    done
    cp lab.policy "$KETSEAL_ADAPTERS_KEEP/"
fi
site_stop
echo "adapters: two workloads on three simulators"
