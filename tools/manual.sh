#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The commands of ketseal(1) come from the program's own table:
#
#   tools/manual.sh KETSEAL           writes them into docs/man/ketseal.1
#   tools/manual.sh --check KETSEAL   fails and shows the difference when the committed page is stale
set -euo pipefail

page=$(dirname "$0")/../docs/man/ketseal.1
check=
if [ "${1-}" = --check ]; then
    check=1
    shift
fi
[ $# -eq 1 ] || { echo "usage: tools/manual.sh [--check] KETSEAL" >&2; exit 2; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$1" help --mdoc >"$work/commands"
awk -v commands="$work/commands" '
    /^\.\\" end$/ { inside = 0 }
    !inside { print }
    /^\.\\" begin: / {
        inside = 1
        while ((getline line < commands) > 0) print line
    }' "$page" >"$work/page"
if [ -n "$check" ]; then
    diff -u "$page" "$work/page" || {
        echo "docs/man/ketseal.1 is stale: run tools/manual.sh KETSEAL"
        exit 1
    }
else
    cp "$work/page" "$page"
fi
