#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# quote.sh QUOTE_MAKE: a quote made by src/tpm, checked by tpm2_checkquote, which shares no code with
# src/attest; and four broken ones, which it must refuse. Then the attestation key is made again by
# tpm2-tools on the same TPM, from the template in docs/formats/quote.md.
set -eu

quote_make=$(realpath "$1")
for tool in swtpm tpm2_checkquote tpm2_print tpm2_createprimary; do
    if ! command -v "$tool" >/dev/null; then
        echo "SKIPPED: no $tool: quotes were not checked with tpm2-tools" >&2
        exit 77
    fi
done
work=$(mktemp -d)
swtpm=
trap '[ -z "$swtpm" ] || kill "$swtpm" || true; rm -rf "$work"' EXIT INT TERM
cd "$work"
export TSS2_LOG=all+none TPM2TOOLS_TCTI=none

"$quote_make" "$work/state"
tpm2_print -t TPMT_PUBLIC -f pem ak >ak.pem

check() { # ATTEST SIGNATURE VALUES EXTRA
    tpm2_checkquote -u ak.pem -g sha256 -m "$1" -s "$2" -f "$3" -F values -l sha256:0,1,14 -q "$4" \
        >log 2>&1
}

flip() { # FILE OFFSET: the byte at OFFSET becomes its complement, in FILE.flipped
    byte=$(od -An -tu1 -j"$2" -N1 "$1" | tr -d ' ')
    cp "$1" "$1.flipped"
    # shellcheck disable=SC2059 # the format is the byte
    printf "\\$(printf '%03o' $((255 - byte)))" |
        dd of="$1.flipped" bs=1 seek="$2" conv=notrunc status=none
}

fail() {
    echo "quote.sh: $*" >&2
    cat log >&2
    exit 1
}

refused() { # WHAT ARGUMENTS
    what=$1
    shift
    if check "$@"; then
        fail "accepted: $what"
    fi
}

check attest signature values deadbeef || fail "tpm2_checkquote refuses our quote"
flip attest 60
flip signature 20
flip values 70
refused "a flipped attest" attest.flipped signature values deadbeef
refused "a flipped signature" attest signature.flipped values deadbeef
refused "a flipped PCR value" attest signature values.flipped deadbeef
refused "other extra data" attest signature values deadbeee
echo "tpm2_checkquote accepts the quote and refuses 4 broken ones"

# The template, as these tools take it: unique is their TPMS_ECC_POINT in memory, two numbers of a
# little-endian length and 128 bytes each.
{
    printf '\040\000'
    printf 'ketseal/ak/1' | sha256sum | cut -d' ' -f1 | xxd -r -p
    head -c 96 /dev/zero
    printf '\040\000'
    head -c 128 /dev/zero
} >unique
swtpm socket --tpm2 --server type=unixio,path="$work/tpm" --ctrl type=unixio,path="$work/tpm.ctrl" \
    --flags not-need-init,startup-clear --tpmstate dir="$work/state" --log file=- &
swtpm=$!
tries=50
while [ ! -S tpm.ctrl ] && [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    sleep 0.1
done
export TPM2TOOLS_TCTI="swtpm:path=$work/tpm"
tpm2_createprimary -Q -C e -G ecc256:ecdsa-sha256:null -u unique -c again.ctx \
    -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign' >log 2>&1 ||
    fail "tpm2_createprimary"
tpm2_readpublic -Q -c again.ctx -f tss -o again.tpm2b >log 2>&1 || fail "tpm2_readpublic"
tail -c +3 again.tpm2b >again # without the size of TPM2B_PUBLIC
cmp ak again >log 2>&1 || fail "the documented template gives another key"
echo "tpm2_createprimary makes the same key from the documented template"
