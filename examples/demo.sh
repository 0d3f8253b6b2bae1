#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A whole site on this machine: simulated TPM, CA, enclave, workers, ketseald, one device; three jobs
# sealed, verified offline and replayed; one forged bundle refused.
#
#   examples/demo.sh [BUILD_DIRECTORY]
#
# KETSEAL_DEMO_KEEP=DIRECTORY keeps the bundles and the policy there.
set -eu

build=$(cd "${1:-build/release}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-demo.XXXXXX")
site=
ketseal=$build/src/cli/ketseal

cleanup() {
    status=$?
    if [ -n "$site" ] && kill -0 "$site" 2>/dev/null; then
        kill -TERM "$site"
        wait "$site" || status=1
    fi
    if [ "$status" -ne 0 ]; then
        printf 'demo: failed; the site said:\n' >&2
        tail -n 40 "$work/site.log" >&2 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() { printf '\n== %s\n' "$*"; }

cd "$work"
mkdir libexec
for program in enclave/ketseal-enclave enclave/ketseal-worker server/ketseald; do
    ln -s "$build/src/$program" libexec/
done

step "a CA (SLH-DSA-SHA2-128s), a server and a device certificate (ML-DSA-65)"
"$ketseal" -q ca new --out ca
"$ketseal" -q ca issue server --ca ca --name demo-site --ip 127.0.0.1 --out server
"$ketseal" -q ca issue device --ca ca --name edge-1 --out device

step "the site: swtpm, measured enclave, workers, ketseald"
cat >ketseal.yaml <<YAML
site:
  origin: demo.example/ketseal
  listen: 127.0.0.1:0
  state: state
tls:
  root: server/root.pem
  certificate: server/server.pem
  key: server/server.key
workers:
  count: 4
YAML
"$build/src/server/ketseal-launch" --libexec="$work/libexec" ketseal.yaml 2>site.log &
site=$!
tries=0
until grep -q 'event=site.ready' site.log; do
    kill -0 "$site" 2>/dev/null || exit 1
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] || exit 1
    sleep 0.05
done
printf 'https://127.0.0.1:%s\n' "$(cat state/port)" >device/url
cp state/site.json device/
"$ketseal" policy make --root ca/root.pem --site state/site.json --insecure-simulated-tpm --out lab.policy
grep -E 'event=(enclave|site)\.' site.log | sed 's/^/  /'

cat >bell.qasm <<QASM
OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0], q[1];
measure q -> c;
QASM

seal() { # NAME, then the arguments of run
    name=$1
    shift
    step "$name: run, verify offline, replay"
    "$ketseal" run --device device "$@" --out "$name.bundle"
    "$ketseal" verify --policy lab.policy "$name.bundle"
    "$ketseal" replay "$name.bundle"
}
seal bell --shots 2000 --seed 7 bell.qasm
seal qft16 --template qft --qubits 16 --shots 1000 --seed 11
seal clifford --template clifford_t_sampling --qubits 4 --depth 10 --seed 123 --shots 2000

step "the stand-alone verifier, and every check explained"
"$build/src/cli/ketseal-verify" --explain lab.policy bell.bundle | grep -E '^(pass|fail|not-run|verified)'

step "a forged bundle: one count changed"
sed 's/"shots":2000/"shots":2001/' bell.bundle >forged.bundle
if "$ketseal" verify --policy lab.policy forged.bundle; then
    echo "the forged bundle was accepted" >&2
    exit 1
fi
if [ -n "${KETSEAL_DEMO_KEEP-}" ]; then
    mkdir -p "$KETSEAL_DEMO_KEEP"
    cp bell.bundle qft16.bundle clifford.bundle lab.policy "$KETSEAL_DEMO_KEEP/"
fi
step "done: three records sealed, verified and replayed; the forgery was refused"
