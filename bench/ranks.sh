#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# ketseal-mpi with 1, 2 and 4 processes on this machine beside `ketseal circuit simulate`, each with one thread, in turns;
# seconds are whole programs', the best of three, mpirun's start included. One JSON line each.
#
#   bench/ranks.sh [BUILD_DIRECTORY [QUBITS [DEPTH]]]
set -euo pipefail
build=$(cd "${1:-build/release}" && pwd)
qubits=${2:-24} depth=${3:-40}
if ! command -v mpirun >/dev/null || ! [ -x "$build/src/mpi/ketseal-mpi" ]; then
    echo "bench: no Open MPI" >&2
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_btl=self,vader

# seconds COMMAND…: standard output to $work/out
seconds() {
    local start=$EPOCHREALTIME
    "$@" >"$work/out"
    awk -v a="$start" -v b="$EPOCHREALTIME" 'BEGIN { printf "%.3f", b - a }'
}
least() { printf '%s\n' "$@" | sort -g | head -n 1; }

for template in qft hea rqc; do
    "$build/src/cli/ketseal" circuit show --template=$template --qubits="$qubits" --depth="$depth" --seed=1 >"$work/program.qasm"
    for n in 1 2 4; do
        alone=() shared=()
        for _ in 1 2 3; do
            alone+=("$(seconds "$build/src/cli/ketseal" --json circuit simulate --method=statevector --seed=1 "$work/program.qasm")")
            shared+=("$(seconds mpirun -q --oversubscribe -n $n "$build/src/mpi/ketseal-mpi" simulate --json --threads=1 --seed=1 "$work/program.qasm")")
        done
        jq -c --arg circuit $template --argjson depth "$depth" --argjson qubits "$qubits" \
            --argjson seconds "$(least "${shared[@]}")" --argjson alone "$(least "${alone[@]}")" \
            '{alone_seconds: $alone, bench: "ranks_mpi", circuit: $circuit, depth: $depth, exchanged_bytes, exchanges,
              precision, qubits: $qubits, ranks, seconds: $seconds}' "$work/out"
    done
done
