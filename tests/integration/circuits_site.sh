#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Real circuits of 30 to 433 qubits, sealed by a site whose workers may hold 64 MiB of state, verified and replayed
# bit for bit. The files are not ours to ship: they are looked for in $KS_SHARED_DATA/circuits, by default beside
# the project.
#
#   circuits_site.sh BUILD
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$here/site.sh"
site_name=circuits_site
folder=${KS_SHARED_DATA:-$here/../../../shared/data}/circuits
[ -d "$folder" ] || site_skip "no real circuits in $folder"
folder=$(cd "$folder" && pwd)
command -v jq >/dev/null || site_skip "jq is absent"
site_begin "$1"
site_memory_mib=64
site_device edge-1
site_start
ran=0
while read -r name qubits method; do
    "$ketseal" -q run --device edge-1 --seed 3 --shots 50 "$folder/$name.qasm" --out bundle 2>said ||
        site_fail "$name: $(cat said)"
    "$ketseal" verify --policy lab.policy bundle >/dev/null || site_fail "$name: does not verify"
    "$ketseal" -q replay bundle >said || site_fail "$name: is not replayed"
    grep -q 'bit for bit' said || site_fail "$name: replayed as $(cat said)"
    found=$(jq -r '.record.core | "\(.workload.qubits) \(.execution.method.name)"' bundle)
    [ "$found" = "$qubits $method" ] || site_fail "$name: $found, not $qubits $method"
    printf '%s\n' "$name: $(jq -c .record.core.execution.method bundle)"
    rm bundle
    ran=$((ran + 1))
done <<'CIRCUITS'
large-adder_n433 433 statevector
large-cat_n260 260 statevector
large-bv_n280 280 stabilizer
large-cc_n301 301 stabilizer
large-wstate_n36 36 sparse
large-wstate_n380 380 sparse
large-ising_n42 42 mps
large-qugan_n39 39 mps
large-swap_test_n361 361 mps
CIRCUITS
site_stop
echo "circuits_site: $ran real circuits sealed, verified and replayed"
