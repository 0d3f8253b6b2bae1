#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0

# golden_same.sh PROGRAM EXPECTED: the digests are the committed ones.
set -eu
got=$(mktemp)
trap 'rm -f "$got"' EXIT
"$1" >"$got"
diff "$2" "$got" >&2 || {
    echo "golden: ${1##*/} gives other digests" >&2
    exit 1
}
echo "golden: ${1##*/} as committed"
