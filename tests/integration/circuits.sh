#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Every real circuit runs by the method that fits it, or is refused by a sentence that names what each method
# would need. The files are not ours to ship: they are looked for in $KS_SHARED_DATA/circuits, by default
# beside the project.
#
#   circuits.sh SOURCE_ROOT KETSEAL           the test
#   circuits.sh SOURCE_ROOT KETSEAL --table   docs/circuits.md on standard output
set -uo pipefail
folder=${KS_SHARED_DATA:-$1/../shared/data}/circuits
ketseal=$2
table=${3-}
[ -d "$folder" ] || { echo "SKIPPED: no real circuits in $folder" >&2; exit 77; }
for tool in jq python3; do
    command -v $tool >/dev/null || { echo "SKIPPED: no $tool" >&2; exit 77; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Programs that are wrong: two measure a register 'q' that they never declare, one gives a gate one qubit twice.
wrong=' small-vqe_uccsd_n4.qasm small-vqe_uccsd_n8.qasm large-random_QAOA_angles_k3_N1000_p1.qasm '

# measure COMMAND…: its output to files; prints exit code, seconds and MiB at most.
measure() {
    python3 -c '
import resource, subprocess, sys, time
start = time.monotonic()
code = subprocess.call(sys.argv[3:], stdout=open(sys.argv[1], "wb"), stderr=open(sys.argv[2], "wb"))
seconds = time.monotonic() - start
print(code, "%.2f" % seconds, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024)
' "$work/out" "$work/err" "$@"
}

row() {
    if [ -n "$table" ]; then
        echo "| $1 |"
    fi
}

if [ -n "$table" ]; then
    cat <<'HEAD'
# Real circuits and the method that runs each

The circuits of QASMBench (large, medium, small) and of the benchmarks, each by `ketseal circuit simulate --shots=1024
--seed=1` with its defaults: one thread, 4 GiB, double precision, the method chosen by itself. Seconds are the whole
program's, trial shot included, on a busy 2-core machine; MiB is the most memory that it held. The error is what truncation
took of the norm, over all steps; the state vector has none but rounding, the tableau none at all. The benchmark circuits
measure nothing, so that nothing of them is computed here: `bench/` times them. Made by

    tests/integration/circuits.sh . build/release/src/cli/ketseal --table >docs/circuits.md

| program | qubits | operations | method | s | MiB | outcomes | size and error |
|---|---|---|---|---|---|---|---|
HEAD
fi
ran=0 refused=0 failed=0
for file in "$folder"/*.qasm; do
    name=${file##*/}
    read -r code seconds mib < <(measure "$ketseal" --json circuit simulate --shots=1024 --seed=1 "$file")
    detail=$(jq -r '.detail // empty' "$work/err" 2>/dev/null)
    detail=${detail#"$file":}
    if [[ $wrong = *" $name "* ]]; then
        [ "$code" -eq 3 ] || { echo "$name: a wrong program was accepted" >&2; failed=$((failed + 1)); }
        row "${name%.qasm} | | | | | | | refused: ${detail}"
    elif [ "$code" -eq 0 ]; then
        ran=$((ran + 1))
        facts=$("$ketseal" --json circuit check "$file" | jq -r '.circuits[0] | "\(.qubits) | \(.operations)"')
        row "${name%.qasm} | $facts | $(jq -r --arg s "$seconds" --arg m "$mib" '
            "\(.method) | \($s) | \($m) | \(.counts | length) | \(
             if .method == "mps" then "bond \(.bond), "
             elif .method == "sparse" then "\(.amplitudes) amplitudes, " else "" end)\(
             if .discarded_weight == null then "" elif .discarded_weight == 0 then "0"
             else (.discarded_weight | tostring | sub("(?<a>[0-9]\\.[0-9])[0-9]*"; "\(.a)")) end)"' "$work/out")"
    elif [ "$code" -eq 3 ] && [[ $detail = *"no method fits: statevector needs "*"; stabilizer: "*"; sparse needs "*"; mps "* ]]; then
        refused=$((refused + 1))
        row "${name%.qasm} | | | refused | $seconds | $mib | | ${detail#* no method fits: }"
    else
        echo "$name: exit code $code, $(cat "$work/err")" >&2
        failed=$((failed + 1))
    fi
done
echo "$ran circuits ran, $refused were refused for what they need, $failed failed" >&2
# Of the 81 that this was written against 78 run, and three are wrong programs.
[ "$ran" -ge 70 ] && [ "$refused" -eq 0 ] && [ "$failed" -eq 0 ]
