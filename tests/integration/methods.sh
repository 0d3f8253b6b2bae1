#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Jobs of every method, with and without noise, sealed by a site: the record says which method ran, why and how
# far it truncated; it verifies, and is replayed bit for bit. What no method runs is refused, naming what it needs.
#
#   methods.sh BUILD
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$here/site.sh"
# shellcheck source-path=SCRIPTDIR source=programs.sh
. "$here/programs.sh"
site_name=methods
command -v python3 >/dev/null || site_skip "python3 is absent"
command -v jq >/dev/null || site_skip "jq is absent"
site_begin "$1"
site_memory_mib=64
site_device edge-1
site_start
programs_make
printf 'gate1: {depolarizing: 0.05}\nreadout: {read1_as0: 0.1}\n' >noise.yaml

# sealed NAME METHOD FLAG…: verified as it is kept, then shown and replayed; its core is in core.json.
sealed() {
    name=$1 method=$2
    shift 2
    "$ketseal" -q run --device edge-1 --seed 7 --shots 500 "$@" --out "$name.bundle" || site_fail "$name: refused"
    "$ketseal" verify --policy lab.policy "$name.bundle" >said || site_fail "$name: does not verify"
    grep -q ", by $method" said || site_fail "$name: verified without its method: $(cat said)"
    "$ketseal" -q replay "$name.bundle" >said || site_fail "$name: is not replayed"
    grep -q "bit for bit" said || site_fail "$name: replayed as $(cat said)"
    jq .record.core "$name.bundle" >core.json
    holds '.schema_version == "ketseal-4"'
    holds ".execution.method.name == \"$method\""
    holds '.request | .key_policy == "kem" and .key_source == "kem"'
}
holds() {
    jq -e "$1" core.json >/dev/null || site_fail "$name: not $1 of $(jq -c '.execution.method, .workload' core.json)"
}

sealed bell statevector bell.qasm
holds '.execution.method | has("reason") and (has("bond") | not)'
sealed wide stabilizer wide.qasm
holds '.execution.method.reason | startswith("every gate is a Clifford gate")'
sealed w40 sparse w40.qasm
holds '.execution.method | .amplitudes >= 40 and .discarded_weight < 1e-25 and has("reason")'
sealed line mps line.qasm
holds '.execution.method | .bond > 1 and .bond_max == 256 and .cutoff == 1e-16 and .discarded_weight < 1e-20'

# Named, there is no reason; settings and their price are on record.
sealed named stabilizer --method=stabilizer bell.qasm
holds '.execution.method == {"name": "stabilizer"}'
sealed cut mps --method=mps --bond-max=1 --cutoff=1e-9 bell.qasm
holds '.execution.method | .bond == 1 and .bond_max == 1 and .cutoff == 1e-9 and .discarded_weight > 0.4'
sealed noisy statevector --noise=noise.yaml bell.qasm
holds '.workload.noise | .gate1.depolarizing == 0.05 and .readout.read1_as0 == 0.1'
holds '.execution.result_summary | has("01") and has("10")'
"$ketseal" -q job submit --device edge-1 --seed 7 --method=sparse bell.qasm >/dev/null || site_fail "submit: refused"

# Of the first schema: the state vector, as ever.
printf '%s' '{"kind":"circuit","precision":"double","program":{"depth":1,"qubits":2,"seed":1,"template":"bell"},"schema":"ketseal.job/1","seed":7,"shots":10}' >first.json
"$site_client" --device=edge-1 --job=first.json POST /qjob >answer 2>said || site_fail "a job of schema 1: $(cat said)"
tail -n 1 answer | jq .record.core >core.json
name=first
holds '.execution.method == {"name": "statevector"}'

# refused EXIT PATTERN FLAG…
refused() {
    want=$1 pattern=$2
    shift 2
    rc=0
    "$ketseal" -q run --device edge-1 --seed 7 "$@" --out refused.bundle >said 2>&1 || rc=$?
    if [ "$rc" -ne "$want" ] || ! grep -q -e "$pattern" said; then
        site_fail "$*: exit status $rc, $(cat said)"
    fi
    [ ! -e refused.bundle ] || site_fail "$*: a bundle was kept"
}
refused 3 'needs .* for 40 qubits in double precision, limit 64.0 MiB' --method=statevector line.qasm
refused 2 "operation 1, 'ry', is no Clifford gate" --method=stabilizer line.qasm
refused 3 'needs .* limit 64.0 MiB' --method=sparse line.qasm
refused 3 "'noise': it takes the state vector, not 'mps'" --method=mps --noise=noise.yaml bell.qasm
refused 3 'no method fits: statevector needs .*; stabilizer: .*; sparse .*; mps ' deep.qasm
site_stop
echo "methods: every method sealed, verified and replayed"
