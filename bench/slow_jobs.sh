#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Sealed jobs per second where a quote takes as long as a chip needs: one connection, which has a quote for
# each job, and many, whose jobs share them; without a window and with one.
#
#   bench/slow_jobs.sh BUILD_DIRECTORY [QUOTE_MS] [CONNECTIONS] [SECONDS] [WINDOW_MS]
set -eu

build=$(cd "${1:-build/release}" && pwd)
quote_ms=${2:-300}
connections=${3:-32}
seconds=${4:-10}
window_ms=${5:-100}
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-bench.XXXXXX")
site=
tpm=
stop() { # PID
    if [ -n "$1" ] && kill -0 "$1" 2>/dev/null; then
        kill -TERM "$1"
        wait "$1" || true
    fi
}
cleanup() {
    status=$?
    stop "$site"
    stop "$tpm"
    [ "$status" -eq 0 ] || tail -n 20 "$work/site.log" >&2 || true
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

cd "$work"
mkdir libexec
for program in enclave/ketseal-enclave enclave/ketseal-worker server/ketseald; do
    ln -s "$build/src/$program" libexec/
done
ketseal=$build/src/cli/ketseal
{
    "$ketseal" -q ca new --out ca
    "$ketseal" -q ca issue server --ca ca --name bench --ip 127.0.0.1 --out server
    "$ketseal" -q ca issue device --ca ca --name bench-1 --out device
} >/dev/null
"$build/bench/slow_tpm" "$work/chip" "$quote_ms" >device.path &
tpm=$!
tries=0
until [ -s device.path ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] && kill -0 "$tpm" 2>/dev/null
    sleep 0.05
done
for window in 0 "$window_ms"; do
    cat >ketseal.yaml <<YAML
site:
  origin: bench.example/ketseal
  listen: 127.0.0.1:0
  state: state
tls:
  root: server/root.pem
  certificate: server/server.pem
  key: server/server.key
tpm: $(cat device.path)
quote:
  window_ms: $window
workers:
  count: 8
YAML
    : >site.log
    "$build/src/server/ketseal-launch" --libexec="$work/libexec" ketseal.yaml 2>site.log &
    site=$!
    tries=0
    until grep -q 'event=site.ready' site.log; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] && kill -0 "$site" 2>/dev/null
        sleep 0.05
    done
    printf 'https://127.0.0.1:%s\n' "$(cat state/port)" >device/url
    cp state/site.json device/
    "$build/bench/bench_jobs" device server "$connections" "$seconds" | grep '"sealed"' |
        sed "s/{/{\"quote_ms\":$quote_ms,\"window_ms\":$window,/"
    stop "$site"
    site=
done
