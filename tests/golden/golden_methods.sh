#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0

# golden_methods.sh PROGRAM EXPECTED: the digests are the committed ones.
set -eu
got=$(mktemp)
trap 'rm -f "$got"' EXIT
"$1" >"$got"
diff "$2" "$got" >&2 || {
    echo "golden: the methods give other digests" >&2
    exit 1
}
echo "golden: the methods as committed"
