#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Sealed jobs per second where a quote takes as long as a chip needs: one connection, which has a quote for
# each job, and many, whose jobs share them; without a window (quote.window_ms) and with one.
#
#   bench/slow_jobs.sh BUILD_DIRECTORY [QUOTE_MS] [CONNECTIONS] [SECONDS] [WINDOW_MS]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-build/release}" && pwd)
quote_ms=${2:-300}
connections=${3:-32}
seconds=${4:-5}
window_ms=${5:-100}
chip=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-chip.XXXXXX")
tpm=
end_chip() {
    if [ -n "$tpm" ]; then
        kill -TERM "$tpm" 2>/dev/null || true
        wait "$tpm" 2>/dev/null || true
    fi
    rm -rf "$chip"
}
trap end_chip EXIT
trap 'exit 130' INT TERM

"$build/bench/slow_tpm" "$chip/tpm" "$quote_ms" >"$chip/path" &
tpm=$!
tries=0
until [ -s "$chip/path" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 300 ] && kill -0 "$tpm"
    sleep 0.05
done
for window in 0 "$window_ms"; do
    KETSEAL_BENCH_YAML="tpm: $(cat "$chip/path")
quote:
  window_ms: $window" "$here/jobs.sh" "$build" "$connections" "$seconds" >"$chip/rows"
    grep '"sealed"' "$chip/rows" | sed "s/{/{\"quote_ms\":$quote_ms,\"window_ms\":$window,/"
done
