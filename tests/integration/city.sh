#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The smart city (examples/city.sh), and that each attack in it was caught by what it says, with a record where there
# can be one; once more from the folder that --keep has kept, beside which nothing is left.
#
#   city.sh BUILD SOURCE_ROOT
set -eu
build=$(cd "$1" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
fail() {
    echo "city: FAILED: $*" >&2
    exit 1
}

rc=0
TMPDIR=$work "$2/examples/city.sh" --keep "$work/kept" "$build" >"$work/said" 2>"$work/log" || rc=$?
cat "$work/said"
[ "$rc" -ne 77 ] || exit 77
[ "$rc" -eq 0 ] || { cat "$work/log" >&2 && fail "status $rc"; }

caught() { # WHAT BY RECORD, as patterns
    grep -Eq "^  caught  $1 +$2 +$3\$" "$work/said" || fail "not caught: $1"
}
entry='ledger entry [0-9]+'
caught 'certificate for node-1 by a foreign CA' 'TLS: .*' "$entry"
caught "certificate for node-1 by the city's own CA" 'enclave: .*' "$entry"
caught 'files of node-1 beside another TPM' 'the TPM: .*' 'none: nothing was sent'
caught 'another TPM enrols as node-1, a token by fraud' 'enclave: .*' "$entry"
caught 'a signed request, sent twice' 'enclave: one-time keys' "$entry"
caught 'the sealed update of another round' 'fl worker: .*' "$entry"
caught 'a changed file on node-4' 'the TPM: .*' 'none: nothing was sent'
caught 'PCR 14 extended on node-6, which attests' 'enclave: the quote' "$entry"
caught 'sign-flipped updates of node-5, by the mean' 'enclave: .*' "$entry"
caught 'sign-flipped updates of node-5, by the median' 'enclave: .*' "$entry"
caught 'node-5, after five alerts' 'enclave: .*' "$entry"
grep -q 'with node-5, by median: .*; updates in its rounds: 5, 5, 4$' "$work/said" || fail "the last round did not do without node-5"

# What the story says, once more from what it has left behind.
ketseal=$build/src/cli/ketseal
kept=$work/kept
session=$(jq -r .body.session "$kept/audit-median/audit-1.json")
"$ketseal" -q fl audit --policy "$kept/city.policy" --offline "$kept/audit-median" "$session" >"$work/audited" || fail "$(cat "$work/audited")"
[ "$(grep -c 'pass *replay' "$work/audited")" -eq 3 ] || fail "the rounds do not replay: $(cat "$work/audited")"
for round in "$kept"/audit-*/round-*.json "$kept"/audit-*/update-*.json; do
    "$build/src/cli/ketseal-verify" "$kept/city.policy" "$round" >/dev/null || fail "$round does not verify"
done
sed -n 's/.*ledger entry \([0-9]*\)$/\1/p' "$work/said" >"$work/entries"
while read -r index; do
    "$ketseal" ledger prove --from "$kept/state/ledger" --site "$kept/site.json" "$index" |
        grep -Eq '"kind":"(refusal|abort|device|alert)"' || fail "entry $index is no record of a refusal"
done <"$work/entries"
find "$work" -mindepth 1 -maxdepth 1 -printf '%f ' >"$work/left"
[ "$(tr ' ' '\n' <"$work/left" | sort | tr '\n' ' ')" = 'audited entries kept left log said ' ] || fail "left behind: $(cat "$work/left")"
[ -z "$(find "$kept" -name '*.key' -path '*node-*' -print)" ] || fail "a node has its key in a file"
echo "city: $(wc -l <"$work/entries") attacks in the ledger, each proved from its static files"
