#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The isolation forest beside scikit-learn's, on the data sets in $KS_SHARED_DATA/anomaly, by default beside the
# project. $KETSEAL_SKLEARN_PYTHON is a Python with scikit-learn and scipy.
#
#   forest.sh SOURCE_ROOT KETSEAL
set -eu
folder=${KS_SHARED_DATA:-$1/../shared/data}/anomaly
python=${KETSEAL_SKLEARN_PYTHON:-python3}
[ -d "$folder" ] || { echo "SKIPPED: no data sets in $folder" >&2; exit 77; }
"$python" -c 'import sklearn, scipy' 2>/dev/null || {
    echo "SKIPPED: $python has no scikit-learn and scipy (KETSEAL_SKLEARN_PYTHON names one that has)" >&2
    exit 77
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for name in breastw thyroid annthyroid cardio shuttle smtp; do
    zcat "$folder/$name.csv.gz" >"$work/$name.csv"
done
"$python" "$1/tests/interop/forest.py" "$2" "$work"/*.csv
