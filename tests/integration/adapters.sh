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
unset KETSEAL_ADAPTERS # where a command is to know it, it is told
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
# They agree, by compare and by replay, which cannot tell more of another's simulator.
agrees() { # STATUS TEXT COMMAND…
    want=$1 text=$2
    shift 2
    rc=0
    "$ketseal" "$@" >said 2>&1 || rc=$?
    if [ "$rc" -ne "$want" ] || ! grep -q -e "$text" said; then
        site_fail "$*: exit status $rc, $(cat said)"
    fi
}
for workload in clifford teleport; do
    agrees 0 '^consistent: ' compare --policy=lab.policy "$workload-native.bundle" "$workload-qiskit.bundle"
    agrees 0 '^consistent: ' compare --policy=lab.policy "$workload-native.bundle" "$workload-cirq.bundle"
    agrees 0 '^consistent: ' compare --policy=lab.policy "$workload-qiskit.bundle" "$workload-cirq.bundle"
    agrees 7 'statistically consistent' replay "$workload-qiskit.bundle"
    agrees 7 'statistically consistent' replay "$workload-cirq.bundle"
done
# In the environment that the record names, bit for bit; in a changed one not.
for sdk in qiskit cirq; do
    agrees 0 "bit for bit the same ($sdk " replay --adapters="$environment" --libexec=libexec "clifford-$sdk.bundle"
done
cp -rs "$environment" other
mkdir -p other/pycache/more && echo 1 >other/pycache/more/file
agrees 7 'cirq ran it in another environment' replay --adapters=other --libexec=libexec clifford-cirq.bundle
"$ketseal" --json compare clifford-native.bundle clifford-cirq.bundle >compared.json
jq -e '.verdict == "consistent" and (.tests | keys == ["first", "samples", "second"]) and .records[1].sdk == "cirq"' compared.json >/dev/null ||
    site_fail "compare --json: $(cat compared.json)"
agrees 4 'two circuits' compare clifford-native.bundle teleport-cirq.bundle

# One shot moved: the digest in the core is another.
jq -cS '.record.core.execution.result_summary |= (to_entries | .[0].value += 1 | .[1].value -= 1 | from_entries)' clifford-cirq.bundle >moved.bundle
agrees 1 'result_digest' verify --policy=lab.policy moved.bundle
agrees 1 'result_digest' compare --policy=lab.policy clifford-native.bundle moved.bundle

# What an adapter refuses, and what this site has not.
refused() { # EXIT PATTERN FLAG…
    agrees "$1" "$2" -q run --device edge-1 --seed=7 --out=refused.bundle "$3" "$4"
    [ ! -e refused.bundle ] || site_fail "$*: a bundle was kept"
}
printf 'OPENQASM 3.0;\ninclude "stdgates.inc";\nqubit[1] q;\nbit[1] c;\nwhile(c==0) {\nh q[0];\nc=measure q;\n}\n' >while.qasm
refused 3 "adapter 'qiskit': refused: the program takes OpenQASM 3" --sdk=qiskit while.qasm
refused 3 "adapter 'cirq': refused: the program takes OpenQASM 3" --sdk=cirq while.qasm
refused 2 '--sdk: expected native, qiskit or cirq' --sdk=magic teleport.qasm
agrees 2 "not of --sdk=cirq" -q run --device edge-1 --sdk=cirq --method=mps --out=refused.bundle teleport.qasm

if [ -n "${KETSEAL_ADAPTERS_KEEP:-}" ]; then
    for sdk in native qiskit cirq; do
        cp "clifford-$sdk.bundle" "$KETSEAL_ADAPTERS_KEEP/$sdk.bundle"
    done
    cp lab.policy "$KETSEAL_ADAPTERS_KEEP/"
fi
site_stop

# A site whose program for Cirq runs nothing: its records verify, since nobody can see that, and do not agree; it has no Qiskit.
rm -rf state libexec/adapters/cirq.py
cat >libexec/adapters/cirq.py <<'PYTHON'
import json
import sys

request = json.loads(sys.stdin.readline())
counts = {"00000": request["shots"] // 2, "11111": request["shots"] - request["shots"] // 2}
print(json.dumps({"protocol": "ketseal.adapter/1", "sdk": "cirq", "version": "1.7.0", "backend": "cirq-simulator",
                  "backend_version": "1.7.0", "counts": counts, "transpiled": "00" * 32}))
PYTHON
mv lab.policy honest.policy
site_devices=
site_device edge-2
site_more="adapters:
  cirq: $environment"
site_start
"$ketseal" -q run --device edge-2 --sdk=cirq --seed=7 --shots=2000 --template=clifford_t_sampling --qubits=5 --depth=8 --out=liar.bundle ||
    site_fail "the liar was refused"
"$ketseal" verify --policy lab.policy liar.bundle >/dev/null || site_fail "the liar's record does not verify"
agrees 1 'differ: the second against the circuit' compare --policy=honest.policy --policy=lab.policy clifford-native.bundle liar.bundle
agrees 1 'unverified: liar.bundle' compare --policy=honest.policy clifford-native.bundle liar.bundle
agrees 1 'inconsistent' replay liar.bundle
[ "$(jq -r .record.core.execution.environment liar.bundle)" != "$(jq -r .execution.environment clifford-cirq.core)" ] ||
    site_fail "the liar's environment has the hash of the other"
agrees 4 "does not have the SDK 'qiskit'" -q run --device edge-2 --sdk=qiskit --out=refused.bundle teleport.qasm
site_stop
echo "adapters: two workloads on three simulators agree, and a liar does not"
