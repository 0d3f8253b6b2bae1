#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Writes the tables of docs/ranks.md anew, after a change of the planner; the test `ranks` says when.
#
#   tools/ranks_tables.sh BENCH_RANKS
set -euo pipefail
[ $# -eq 1 ] || { echo "usage: tools/ranks_tables.sh BENCH_RANKS" >&2; exit 2; }

page=$(dirname "$0")/../docs/ranks.md
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" --table >"$work/tables"
awk -v tables="$work/tables" '
    /^\| circuit / {
        inside = 1
        while ((getline line < tables) > 0 && line != "") print line
    }
    !/^\|/ { inside = 0 }
    !inside { print }' "$page" >"$work/page"
cp "$work/page" "$page"
