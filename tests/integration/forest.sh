#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The isolation forest finds what scikit-learn's finds: the mean area under the ROC curve over five seeds is at
# least scikit-learn 1.2's (100 trees of 256 rows), less the larger of two standard deviations and 0.02. The
# data sets (ADBench) are not ours to ship: they are looked for in $KS_SHARED_DATA/anomaly, by default beside
# the project.
#
#   forest.sh SOURCE_ROOT KETSEAL
set -euo pipefail
folder=${KS_SHARED_DATA:-$1/../shared/data}/anomaly
ketseal=$2
[ -d "$folder" ] || { echo "SKIPPED: no data sets in $folder" >&2; exit 77; }
command -v jq >/dev/null || { echo "SKIPPED: no jq" >&2; exit 77; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=0
printf '%-12s %9s %9s %9s\n' set mean sd demanded
while read -r name mean sd; do
    zcat "$folder/$name.csv.gz" >"$work/$name.csv"
    for seed in 1 10001 20001 30001 40001; do # further apart than there are trees
        "$ketseal" --json detect evaluate --label=label --bootstrap=40 --seed=$seed "$work/$name.csv" | jq .roc_auc
    done >"$work/areas"
    awk -v name="$name" -v mean="$mean" -v sd="$sd" '
        {sum += $1; squares += $1 * $1}
        END {
            demanded = mean - (2 * sd > .02 ? 2 * sd : .02)
            printf "%-12s %9.4f %9.4f %9.4f\n", name, sum / NR, sqrt(squares / NR - (sum / NR) ^ 2), demanded
            exit !(NR == 5 && sum / NR >= demanded)
        }' "$work/areas" || failed=1
done <<'TABLE'
breastw .9876 .0017
thyroid .9777 .0024
annthyroid .827 .014
cardio .932 .012
shuttle .9971 .0004
smtp .904 .004
TABLE
exit $failed
