#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# eventlog.sh SOURCE_ROOT: tpm2_eventlog, which shares no code with us, reads the boot logs of
# tests/vectors/platform-logs; its PCR values have to be those that the unit tests hold src/attest to. Two
# differences are the tool's (5.4): it extends EV_NO_ACTION, and knows no startup locality, so PCR 0 is
# compared where a log has neither.
set -eu

for tool in tpm2_eventlog jq; do
    if ! command -v "$tool" >/dev/null; then
        echo "SKIPPED: no $tool: boot logs were not read by it" >&2
        exit 77
    fi
done
vectors=$1/tests/vectors/platform-logs
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM

fail() {
    echo "eventlog.sh: $*" >&2
    exit 1
}

compare() { # NAME FIRST_PCR
    tpm2_eventlog "$vectors/accept/$1.tcg" >"$work/yaml" 2>"$work/log" || fail "tpm2_eventlog refuses $1"
    # The sha256 block of "pcrs:", as "PCR value" lines.
    sed -n '/^pcrs:/,$p' "$work/yaml" | sed -n '/^  sha256:/,/^  sha[35]/p' |
        sed -n 's/^ *\([0-9]*\) *: 0x\([0-9a-f]*\)$/\1 \2/p' | awk -v first="$2" '$1 >= first' |
        sort >"$work/theirs"
    jq -r '.pcrs | to_entries[] | .key + " " + .value' "$vectors/accept/$1.json" |
        awk -v first="$2" '$1 >= first' | sort >"$work/ours"
    [ "$(wc -l <"$work/ours")" -ge 10 ] || fail "$1: only $(wc -l <"$work/ours") PCRs to compare"
    cmp -s "$work/ours" "$work/theirs" || {
        diff "$work/ours" "$work/theirs" >&2 || true
        fail "$1: other PCR values"
    }
}

compare plain 0
compare uefi 1
refused=0
for name in format-sha1-only format-cut-data format-cut-digest format-trailing; do
    if tpm2_eventlog "$vectors/reject/$name.tcg" >"$work/yaml" 2>"$work/log"; then
        continue
    fi
    refused=$((refused + 1))
done
[ "$refused" -ge 3 ] || fail "tpm2_eventlog refuses only $refused of our 4 broken logs"
echo "tpm2_eventlog reads 2 boot logs to our PCR values and refuses $refused broken ones"
