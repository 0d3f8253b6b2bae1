#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The sample record of the system that wrote schema 0.1 verifies, hashes to what it states, and does not once a
# number of it is written another way. It is not ours to ship: it is looked for in $KS_SHARED_DATA/records, by
# default beside the project.
#
#   sample_record.sh SOURCE_ROOT KETSEAL
set -euo pipefail
sample=${KS_SHARED_DATA:-$1/../shared/data}/records/sample-0.1.json
ketseal=$2
[ -f "$sample" ] || { echo "SKIPPED: no $sample" >&2; exit 77; }
command -v jq >/dev/null || { echo "SKIPPED: no jq" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

stated=$(jq -r .record.hash "$sample")
[ "$("$ketseal" -q record hash "$sample")" = "$stated" ] || { echo "the hash is not $stated" >&2; exit 1; }
"$ketseal" record verify "$sample"
sed 's/"shots": *\([0-9]*\)/"shots": \1.0/' "$sample" >"$work/other.json"
! cmp -s "$sample" "$work/other.json" || { echo "the sample has no shots" >&2; exit 1; }
status=0
"$ketseal" record verify "$work/other.json" 2>"$work/err" || status=$?
if [ "$status" -ne 1 ] || ! grep -q 'is not that of its core' "$work/err"; then
    echo "exit $status: $(cat "$work/err")" >&2
    exit 1
fi
