#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Traces of a whole site: jobs of each outcome leave rows on both sides, which agree with each other and with the
# records; refused and lost submissions leave rows too; nothing secret and no payload is in them; a site that was
# killed has a row of each job that ended.
#
#   traces.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
check=$(cd "$(dirname "$0")" && pwd)/traces.py
command -v python3 >/dev/null || { echo "SKIPPED: python3 is absent"; exit 77; }
site_begin "$1"
site_workers=2
site_seconds=20
site_memory_mib=16
site_device edge-1
site_device edge-2
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
"$ketseal" -q ca new --out other-ca >/dev/null
"$ketseal" -q ca issue device --ca other-ca --name edge-3 --out edge-3 >/dev/null
site_start
mkdir out

run() { # STATUS DEVICE NAME …
    want=$1 device=$2 name=$3
    shift 3
    rc=0
    "$ketseal" -q run --device "$device" --policy lab.policy --out "out/$name.bundle" "$@" >said 2>&1 || rc=$?
    [ "$rc" -eq "$want" ] || { cat said >&2; site_fail "$name: status $rc instead of $want"; }
}

# --- each outcome ------------------------------------------------------------------------------------------
cat >secretive.qasm <<'QASM'
OPENQASM 2.0;
include "qelib1.inc";
qreg topsecret[3]; creg hidden[3];
h topsecret[0]; cx topsecret[0],topsecret[1]; t topsecret[1]; ccx topsecret[0],topsecret[1],topsecret[2];
measure topsecret -> hidden;
QASM
printf 'OPENQASM 2.0;\nqreg topsecret[' >broken.qasm
printf 'gate1:\n  depolarizing: 0.05\n' >noise.yaml

run 0 edge-1 bell --template bell --shots 4000 --seed 1
run 0 edge-1 source --shots 2000 --seed 2 secretive.qasm
run 0 edge-1 single --template ghz --qubits 5 --shots 1000 --seed 3 --precision single
run 0 edge-1 mps --template ghz --qubits 40 --shots 100 --seed 4 --method mps
run 0 edge-1 clifford --template clifford_t_sampling --qubits 6 --depth 8 --shots 500 --seed 5
run 0 edge-1 noisy --template bell --shots 500 --seed 6 --noise noise.yaml
run 3 edge-1 broken broken.qasm
run 3 edge-1 large --template qft --qubits 26 --method statevector
"$ketseal" -q --json job submit --device edge-2 --template bell --shots 300 --seed 7 >submitted
id=$(jq -r .id submitted)
"$ketseal" -q job wait --device edge-2 --policy lab.policy --out out/waited.bundle "$id" >/dev/null
"$ketseal" -q job fetch --device edge-2 --policy lab.policy --out out/fetched.bundle "$id" >/dev/null

"$ketseal" -q --json job submit --device edge-1 --template rqc --qubits 18 --depth 4000 --shots 10 >submitted
cancelled=$(jq -r .id submitted)
tries=0
until "$ketseal" -q job cancel --device edge-1 "$cancelled" >/dev/null 2>&1; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "the job is not cancelled"
    sleep 0.05
done

# --- refused, and never there --------------------------------------------------------------------------------
printf '{}' >empty.json
"$site_client" --device=edge-2 --body=empty.json POST /qjob | grep -q '^403 ' || site_fail "an unsigned request"
printf 'https://127.0.0.1:%s\n' "$site_port" >edge-3/url
cp state/site.json edge-3/
rc=0
"$ketseal" -q run --device edge-3 --template bell >said 2>&1 || rc=$?
[ "$rc" -eq 1 ] || { cat said >&2; site_fail "a device of another CA: status $rc"; }

# --- where rows are read -------------------------------------------------------------------------------------
export_all() {
    "$ketseal" trace export --state state --out state.csv 2>/dev/null
    "$ketseal" trace export --operator op --url "https://127.0.0.1:$site_port" --out rest.csv 2>/dev/null
}
tries=0
until export_all && cmp -s state.csv rest.csv && grep -q "^$cancelled," state.csv; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "store and REST differ"
    sleep 0.1
done
"$ketseal" trace schema >schema.json
for device in edge-1 edge-2 edge-3; do
    "$ketseal" trace export --device "$device" --out "$device.csv" 2>/dev/null
    cmp -s "$device.csv" "$device/traces.csv" || site_fail "$device: export is not its file"
done
"$ketseal" trace show --state state "$id" >shown
grep -q '^  qubits  *2  ' shown || { cat shown >&2; site_fail "trace show"; }
"$ketseal" --json trace show --device edge-2 "$id" | jq -e '.traces | length == 3' >/dev/null || site_fail "rows of one job"
[ "$("$ketseal" trace list --state state --limit 3 | grep -c .)" -eq 3 ] || site_fail "trace list"
site_refused 6 'no trace of job' "$ketseal" trace show --state state 00000000-0000-4000-8000-000000000000

for device in edge-1 edge-2; do
    "$site_client" --device="$device" GET '/v1/jobs?limit=200' | tail -n 1 >"$device.jobs"
done
printf '%s\n' "$cancelled" >cancelled
python3 "$check" compare

# --- a program of others, over libketseal -------------------------------------------------------------------
# Its client is another one: the same row, and the site's of that job beside it.
"$site_build/tests/integration/trace_sink" edge-2 >sunk.csv
cmp -s edge-2.csv edge-2/traces.csv || site_fail "the library writes a file"
"$ketseal" trace export --operator op --url "https://127.0.0.1:$site_port" --out state.csv 2>/dev/null
python3 "$check" sunk

# --- what is in them goes to the detector as it stands ----------------------------------------------------
"$ketseal" -q detect train --out model state.csv >/dev/null
"$ketseal" -q detect score --model model state.csv >/dev/null

# --- a site that is killed -------------------------------------------------------------------------------------
for n in 1 2 3 4 5 6; do
    "$ketseal" -q job submit --device edge-1 --template rqc --qubits 22 --depth 1000 --shots 10 --seed "$n" >/dev/null
done
for round in 1 2 3; do
    victim=$(site_processes | grep ' ketseald$' | cut -d' ' -f1)
    sleep 0.$((round * 2))
    kill -KILL "$victim"
    site_wait
    site_start
    "$ketseal" -q run --device edge-1 --policy lab.policy --template bell --seed "$round" >/dev/null
done
"$ketseal" trace export --operator op --url "https://127.0.0.1:$site_port" --out state.csv 2>/dev/null
for device in edge-1 edge-2; do
    "$site_client" --device="$device" GET '/v1/jobs?limit=200' | tail -n 1 >"$device.jobs"
done
python3 "$check" complete

# --- bounded -----------------------------------------------------------------------------------------------------
site_more='traces:
  keep: 4'
site_stop
site_start
run 0 edge-2 last --template bell --shots 10 --seed 9
"$ketseal" trace export --operator op --url "https://127.0.0.1:$site_port" --out state.csv 2>/dev/null
[ "$(grep -c . state.csv)" -eq 5 ] || site_fail "$(grep -c . state.csv) lines instead of 5"

# --- nobody there ----------------------------------------------------------------------------------------------
site_stop
rc=0
"$ketseal" -q run --device edge-2 --template bell >said 2>&1 || rc=$?
[ "$rc" -eq 4 ] || site_fail "a site that is gone: status $rc"
tail -n 1 edge-2/traces.csv | grep -q '^,edge-2,device,.*,5,0,*$' || { tail -n 1 edge-2/traces.csv >&2; site_fail "a lost submission has no row"; }
rc=0
"$site_build/tests/integration/trace_sink" edge-2 >sunk.csv 2>said2 || rc=$?
[ "$rc" -eq 4 ] || site_fail "libketseal: a lost submission: status $rc"
tail -n 1 sunk.csv | grep -q '^,edge-2,device,.*,5,0,*$' || site_fail "libketseal: a lost submission has no row"
mkdir edge-2.no
mv edge-2/traces.csv edge-2.no/
mkdir edge-2/traces.csv
rc=0
"$ketseal" -q run --device edge-2 --template bell >said2 2>&1 || rc=$?
[ "$rc" -eq 4 ] || { cat said2 >&2; site_fail "a row that cannot be kept: status $rc"; }
cmp -s said said2 || { cat said2 >&2; site_fail "a row that cannot be kept is noticed"; }
echo "$site_name: passed"
