#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Models of real data, in $KS_SHARED_DATA/mnist and /sensors, by default beside the project: digits are told
# apart, and held-out months of a station predicted better than by saying that nothing changes.
#
#   learn.sh SOURCE_ROOT KETSEAL
set -eu
data=${KS_SHARED_DATA:-$1/../shared/data}
if [ ! -d "$data/mnist" ] || [ ! -d "$data/sensors" ]; then
    echo "SKIPPED: no mnist and sensors in $data" >&2
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

at_least() { # WHAT GOT LEAST
    echo "$1: $2"
    awk -v got="$2" -v least="$3" 'BEGIN { exit !(got >= least) }' || { echo "$1: below $3"; exit 1; }
}

"$2" --json learn train --model=lenet5 --batch=16 --out="$work/m.safetensors" "$data/mnist" >"$work/result"
at_least "lenet5, accuracy after one epoch" "$(jq .test.accuracy "$work/result")" 0.97

# One site of a hundred by itself, as federated rounds begin: 600 images.
"$2" --json learn train --model=lenet5 --batch=10 --rate=0.1 --epochs=5 --parts=100 --part=7 --out="$work/m.safetensors" \
    "$data/mnist" >"$work/result"
at_least "lenet5 of one site in a hundred" "$(jq .test.accuracy "$work/result")" 0.8

for model in linear gru; do
    "$2" --json learn train --schema=beijing --model=$model --optimiser=adam --batch=64 --out="$work/m.safetensors" \
        "$data/sensors/beijing-Dongsi.csv.gz" "$data/sensors/beijing-Gucheng.csv.gz" >"$work/result"
    at_least "$model, as-now error over its own, worst station" \
        "$(jq '[.sites[] | .error_persistence / .error] | min' "$work/result")" 1.03
done
