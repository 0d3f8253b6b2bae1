#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A round of federated learning over a whole site on loopback, beside the same sum in one process (bench_fl_round).
#
#   bench/fl_round.sh BUILD_DIRECTORY [DEVICES] [UNITS] [ROUNDS]
#
# The model has UNITS units in its hidden layer, and so many times more parameters as a sample has numbers.
set -eu

build=$(cd "${1:-build/release}" && pwd)
devices=${2:-8}
units=${3:-512}
rounds=${4:-8}
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-bench.XXXXXX")
site=
cleanup() {
    status=$?
    if [ -n "$site" ] && kill -0 "$site" 2>/dev/null; then
        kill -TERM "$site"
        wait "$site" || status=1
    fi
    [ "$status" -eq 0 ] || tail -n 20 "$work/site.log" >&2 || true
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

cd "$work"
mkdir libexec
for program in enclave/ketseal-enclave enclave/ketseal-worker enclave/ketseal-worker-fl server/ketseald; do
    ln -s "$build/src/$program" libexec/
done
ketseal=$build/src/cli/ketseal
"$ketseal" -q ca new --out ca >/dev/null
"$ketseal" -q ca issue server --ca ca --name bench --ip 127.0.0.1 --out server >/dev/null
"$ketseal" -q ca issue operator --ca ca --name bench-op --out op >/dev/null
names=$(seq -f 'edge-%02g' "$devices")
for name in $names; do
    "$ketseal" -q ca issue device --ca ca --name "$name" --out "$name" >/dev/null
done
cat >ketseal.yaml <<YAML
site:
  origin: bench.example/ketseal
  listen: 127.0.0.1:0
  state: state
tls:
  root: server/root.pem
  certificate: server/server.pem
  key: server/server.key
workers:
  count: 1
fl:
  workers: 1
  params: 16777216
YAML
"$build/src/server/ketseal-launch" --libexec="$work/libexec" ketseal.yaml 2>site.log &
site=$!
tries=0
until grep -q 'event=site.ready' site.log; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] && kill -0 "$site" 2>/dev/null
    sleep 0.05
done
url=https://127.0.0.1:$(cat state/port)
cat >model.yaml <<YAML
name: bench
loss: squared
layers:
  - {kind: dense, units: $units}
  - {kind: relu}
  - {kind: dense}
YAML
"$ketseal" learn generate --hours=500 --out=city.csv
"$ketseal" -q learn train --schema=city-air --test-from='2024-01-18 00:00:00' --model=model.yaml --epochs=0 --out=first.safetensors city.csv >/dev/null
invited=
for name in $names; do
    cp state/site.json "$name/"
    invited="$invited --device=$name"
done
# shellcheck disable=SC2086 # words
session=$("$ketseal" -q --json fl create --operator=op --url="$url" --rounds="$rounds" --updates="$devices" $invited first.safetensors |
    sed -n 's/.*"session":"\([0-9a-f]*\)".*/\1/p')
"$ketseal" -q fl start --operator=op --url="$url" "$session" >/dev/null
# shellcheck disable=SC2086 # words
"$build/bench/bench_fl_round" "$url" "$session" "$rounds" $names
