#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Simulated sessions on real data, in $KS_SHARED_DATA/mnist and /sensors, by default beside the project: a hundred
# clients learn digits as in McMahan et al. (AISTATS 2017), liars do harm and a robust rule stands them, stations predict better together.
#
#   fl_simulate.sh SOURCE_ROOT KETSEAL
set -eu
data=${KS_SHARED_DATA:-$1/../shared/data}
if [ ! -d "$data/mnist" ] || [ ! -d "$data/sensors" ]; then
    echo "SKIPPED: no mnist and sensors in $data" >&2
    exit 77
fi
command -v jq >/dev/null || { echo "SKIPPED: jq is absent" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

at_least() { # WHAT GOT LEAST
    echo "$1: $2"
    awk -v got="$2" -v least="$3" 'BEGIN { exit !(got >= least) }' || { echo "$1: below $3"; exit 1; }
}

digits() { # NAME FLAG…
    name=$1
    shift
    "$ketseal" --json fl simulate --clients=100 --model=lenet5 --epochs=5 --batch=10 --rate=0.1 --no-figure --out="$work/$name" \
        "$@" "$data/mnist" >"$work/$name.jsonl"
    "$ketseal" record verify "$work/$name/records.jsonl" >/dev/null
    accuracy=$(jq -s '[.[].accuracy // empty] | last' "$work/$name.jsonl")
}

ketseal=$2
digits iid --rounds=3
at_least "ten of a hundred clients, three rounds" "$accuracy" 0.955
[ "$(wc -l <"$work/iid/rounds.csv")" -eq 4 ]
[ "$(wc -l <"$work/iid/clients.csv")" -eq 31 ]
"$ketseal" --json learn evaluate --model="$work/iid/model.safetensors" "$data/mnist" >"$work/evaluated"
[ "$(jq .test.accuracy "$work/evaluated")" = "$accuracy" ] || { echo "the model's file has another accuracy"; exit 1; }

digits lied --rounds=2 --attackers=20 --attack=sign-flip --strength=5
lied=$accuracy
digits stood --rounds=2 --attackers=20 --attack=sign-flip --strength=5 --rule=trimmed-mean --stands=4
at_least "a fifth lies, trimmed mean" "$accuracy" 0.5
awk -v with="$accuracy" -v without="$lied" 'BEGIN { exit !(with > without + 0.1) }' ||
    { echo "the mean stands a fifth of liars: $lied, trimmed mean $accuracy"; exit 1; }

"$ketseal" --json fl simulate --fraction=1 --schema=beijing --model=linear --optimiser=adam --rate=0.001 --batch=64 --rounds=2 \
    --local "$data/sensors/beijing-Dongsi.csv.gz" "$data/sensors/beijing-Gucheng.csv.gz" >"$work/sites.jsonl"
jq -s 'last | [.sites[] | .error_persistence / .error] | min' "$work/sites.jsonl" >"$work/least"
at_least "two stations, as-now error over its own, the worse" "$(cat "$work/least")" 1.03
