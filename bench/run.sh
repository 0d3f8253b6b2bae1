#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# All benches of this machine, one after the other; each line is one JSON object.
#
#   bench/run.sh [BUILD_DIRECTORY]
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-build/release}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

"$build/bench/bench_tls"
"$build/bench/bench_verify" "$here/../tests/vectors/bundle"
mkdir -m 700 "$work/tpm"
"$build/bench/bench_store" "$work/store"
"$build/bench/bench_ledger" "$work/ledger"
"$build/bench/bench_tpm" "$work/tpm"
chain=$here/../tests/vectors/chain
"$build/bench/bench_anchor" "$chain/anvil.anchor" "$chain/anvil.pin"
"$build/bench/bench_fl_seal"
"$here/fl_round.sh" "$build"
"$here/jobs.sh" "$build"
"$here/enrol.sh" "$build"
"$here/kme.sh" "$build"
"$here/slow_jobs.sh" "$build"
