#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# examples/verify-by-hand.sh, which shares no code with us, accepts the committed bundles and refuses flipped
# ones; ketseal-verify says the same.   by_hand.sh SOURCE_ROOT KETSEAL_VERIFY OPENSSL_PREFIX
set -euo pipefail
root=$1 verify=$2 prefix=$3
for tool in jq tpm2_checkquote xxd; do
    command -v "$tool" >/dev/null || { echo "SKIPPED: no $tool"; exit 77; }
done
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
openssl=openssl
if [ -n "$prefix" ]; then
    printf '#!/bin/sh\nLD_LIBRARY_PATH="%s/lib" exec "%s/bin/openssl" "$@"\n' "$prefix" "$prefix" >"$dir/openssl"
    chmod +x "$dir/openssl"
    openssl=$dir/openssl
fi
by_hand() { OPENSSL=$openssl bash "$root/examples/verify-by-hand.sh" "$@" >"$dir/out" 2>&1; }

[ "$(wc -l <"$root/examples/verify-by-hand.sh")" -le 160 ] || { echo "verify-by-hand.sh is over 160 lines"; exit 1; }
for folder in "$root"/tests/vectors/bundle/[0-9]*/; do
    for bundle in "$folder"*.bundle; do
        by_hand "$folder/lab.policy" "$bundle" || { echo "$bundle: refused by hand"; cat "$dir/out"; exit 1; }
        "$verify" "$folder/lab.policy" "$bundle" >"$dir/out" || { echo "$bundle: refused"; cat "$dir/out"; exit 1; }
    done
done
# What the root says of a site holds for that site, that TPM and that time.
for change in '.site.certificate.tpm = "hardware"' '.site.tpm = "hardware" | .site.certificate.tpm = "hardware"' \
    '.site.certificate.expires_at = "2026-01-01T00:00:00.000000Z"' '.site.certificate.ek |= "00" + .[2:]' 'del(.site.certificate)'; do
    jq -cS "$change" "$root/tests/vectors/bundle/3/lab.policy" >"$dir/other.policy"
    if by_hand "$dir/other.policy" "$root/tests/vectors/bundle/3/bell.bundle"; then
        echo "$change: accepted by hand"
        exit 1
    fi
    if "$verify" "$dir/other.policy" "$root/tests/vectors/bundle/3/bell.bundle" >"$dir/out" 2>&1; then
        echo "$change: accepted by ketseal-verify"
        exit 1
    fi
done
# What carries a bundle can write into its ledger part, which nothing signs: a place that bash would evaluate, and one
# beyond the tree.
bundle=$root/tests/vectors/bundle/3/bell.bundle
# shellcheck disable=SC2016 # it is the bundle's
for index in '"BASH_VERSINFO[$(touch '"$dir"'/ran; echo 0)] - BASH_VERSINFO[0] + 1"' '"1"' 1.5 -1 "$((1 << 40))"; do
    jq -cSj ".ledger.index = $index" "$bundle" >"$dir/elsewhere"
    echo >>"$dir/elsewhere"
    if by_hand "$root/tests/vectors/bundle/3/lab.policy" "$dir/elsewhere"; then
        echo "ledger index $index: accepted by hand"
        exit 1
    fi
    [ ! -e "$dir/ran" ] || { echo "ledger index $index: run by hand"; exit 1; }
done
# What the policy demands and nobody does by hand is not said to be done.
for change in '.crl = "-----BEGIN X509 CRL-----"' '.require += ["ledger.witness"]' '.require += ["anchor.proof"]'; do
    jq -cS "$change" "$root/tests/vectors/bundle/3/lab.policy" >"$dir/other.policy"
    code=0
    by_hand "$dir/other.policy" "$bundle" || code=$?
    [ $code -eq 2 ] || { echo "$change: ended with $code"; cat "$dir/out"; exit 1; }
done
jq -cS '.tpm = ["hardware"]' "$root/tests/vectors/bundle/3/lab.policy" >"$dir/other.policy"
if by_hand "$dir/other.policy" "$bundle"; then
    echo "a simulated TPM: accepted by hand where hardware is asked for"
    exit 1
fi
# Of each version, and of each kind of record: twenty positions over the whole file, and the newline at its end.
for bundle in "$root"/tests/vectors/bundle/[1-5]/{bell,native}.bundle "$root"/tests/vectors/bundle/6*/*.bundle; do
    [ -e "$bundle" ] || continue # native is of version 5, bell of the others
    policy=$(dirname "$bundle")/lab.policy
    size=$(stat -c %s "$bundle")
    for i in $(seq 0 20); do
        at=$((i * (size - 1) / 20))
        byte=$(dd if="$bundle" bs=1 skip="$at" count=1 status=none | xxd -p)
        cp "$bundle" "$dir/flipped"
        printf '%02x' $((0x$byte ^ 1)) | xxd -r -p | dd of="$dir/flipped" bs=1 seek="$at" conv=notrunc status=none
        if by_hand "$policy" "$dir/flipped"; then
            echo "byte $at flipped: accepted by hand"
            exit 1
        fi
        if "$verify" "$policy" "$dir/flipped" >"$dir/out" 2>&1; then
            echo "byte $at flipped: accepted by ketseal-verify"
            exit 1
        fi
    done
done
# The check that version 1 has no quote for.
explained() { # VERSION LINE
    "$verify" --explain "$root/tests/vectors/bundle/$1/lab.policy" "$root/tests/vectors/bundle/$1/bell.bundle" >"$dir/out"
    grep -q "^$2" "$dir/out" || { echo "version $1: not '$2'"; cat "$dir/out"; exit 1; }
}
explained 1 'not-run  quote.start: records of schema ketseal-1 have no start quote'
explained 2 'pass     quote.start'
echo "all committed bundles accepted, 21 flips of each version and kind refused by both verifiers"
