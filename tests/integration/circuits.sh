#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Every real circuit of at most 26 qubits parses and runs. The files are not ours to ship: they are looked for
# in $KS_SHARED_DATA/circuits, by default beside the project.   circuits.sh SOURCE_ROOT KETSEAL
set -uo pipefail
folder=${KS_SHARED_DATA:-$1/../shared/data}/circuits
ketseal=$2
[ -d "$folder" ] || { echo "SKIPPED: no real circuits in $folder"; exit 77; }
# Programs that are wrong: both measure a register 'q' that they never declare.
wrong=' small-vqe_uccsd_n4.qasm small-vqe_uccsd_n8.qasm '
ran=0 failed=0
for file in "$folder"/*.qasm; do
    name=${file##*/}
    if [[ $wrong = *" $name "* ]]; then
        "$ketseal" circuit check "$file" >/dev/null 2>&1
        [ $? -eq 3 ] || { echo "$name: a wrong program was accepted"; failed=$((failed + 1)); }
        continue
    fi
    # The widest declaration tells what is too wide without trusting our parser.
    width=$(sed -n 's/^ *qreg *[a-z_A-Z0-9]*\[\([0-9]*\)\] *;.*/\1/p' "$file" | awk "{n += \$1} END {print n + 0}")
    [ "${width:-999}" -le 26 ] || continue
    if "$ketseal" --json circuit simulate --shots=64 --seed=1 "$file" >/dev/null 2>&1; then
        ran=$((ran + 1))
    else
        echo "$name ($width qubits): does not run"
        failed=$((failed + 1))
    fi
done
echo "$ran circuits ran, $failed failed"
[ "$ran" -ge 40 ] && [ "$failed" -eq 0 ]
