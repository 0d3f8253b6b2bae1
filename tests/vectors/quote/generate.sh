#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes the vectors of this folder anew: real quotes of a fresh swtpm by way of tpm2-tools.
# Needs swtpm, tpm2-tools, jq, xxd.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
cd "$work"
mkdir state
swtpm socket --tpm2 --server type=unixio,path="$work/tpm" --ctrl type=unixio,path="$work/tpm.ctrl" \
    --flags not-need-init,startup-clear --tpmstate dir="$work/state" 2>swtpm.log &
swtpm=$!
trap 'kill "$swtpm" 2>/dev/null || true; rm -rf "$work"' EXIT INT TERM
export TPM2TOOLS_TCTI="swtpm:path=$work/tpm" TSS2_LOG=all+none
tries=50
while [ ! -S tpm.ctrl ] && [ "$tries" -gt 0 ]; do
    tries=$((tries - 1))
    sleep 0.1
done

hex() { xxd -p "$1" | tr -d '\n'; }
signing='fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|sign'

key() { # FILE HIERARCHY ALGORITHM ATTRIBUTES
    tpm2_createprimary -Q -C "$2" -G "$3" -a "$4" -c "$1.ctx"
    tpm2_readpublic -Q -c "$1.ctx" -f tss -o "$1.tpm2b"
    tail -c +3 "$1.tpm2b" >"$1.public" # without the size of TPM2B_PUBLIC
    tpm2_flushcontext -t
}

quote() { # VECTOR KEY SELECTION MASK EXTRA [ERROR]
    # shellcheck disable=SC2086 # a list of options
    tpm2_quote -Q -c "$2.ctx" ${flags-} -l "$3" -q "$5" -m attest -s signature
    tpm2_flushcontext -t
    tpm2_pcrread -Q "sha256:${3#*:}" -o values
    jq -cS -n --arg ak "$(hex "$2.public")" --arg attest "$(hex attest)" --arg extra "$5" \
        --argjson mask "$4" --arg values "$(hex values)" --arg signature "$(hex signature)" \
        --arg error "${6-}" \
        '{ak: $ak, attest: $attest, extra_data: $extra, pcr_mask: $mask, pcr_values: $values,
          signature: $signature} + (if $error == "" then {} else {error: $error} end)' \
        >"$here/$1.json"
}

one=$(printf one | sha256sum | cut -d' ' -f1)
two=$(printf two | sha256sum | cut -d' ' -f1)
tpm2_pcrextend "14:sha256=$one"
tpm2_pcrextend "14:sha256=$two"
tpm2_pcrextend "0:sha256=$two"

key p256 e ecc256:ecdsa-sha256:null "$signing|restricted"
key rsa e rsa2048:rsassa-sha256:null "$signing|restricted"
key owner o ecc256:ecdsa-sha256:null "$signing|restricted"
key free e ecc256:ecdsa-sha256:null "$signing"
key policy e ecc256:ecdsa-sha256:null "$signing|restricted|adminwithpolicy"
key sha384 e ecc256:ecdsa-sha384:null "$signing|restricted"
key p384 e ecc384:ecdsa-sha256:null "$signing|restricted"
key pss e rsa2048:rsapss-sha256:null "$signing|restricted"
key rsa3072 e rsa3072:rsassa-sha256:null "$signing|restricted" || true

quote accept/p256 p256 sha256:14 16384 "$one"
quote accept/p256-many-pcrs p256 sha256:0,1,2,3,4,5,6,7,8,9,10,14,23 8407039 "$one$two"
quote accept/p256-no-extra p256 sha256:14 16384 ''
quote accept/p256-policy-key policy sha256:14 16384 "$two"
quote accept/rsa2048 rsa sha256:14 16384 "$one"
quote reject/owner-hierarchy owner sha256:14 16384 "$one" 'quote signer'
quote reject/unrestricted free sha256:14 16384 "$one" 'attribute restricted is clear'
flags="-g sha384"
quote reject/ecdsa-sha384 sha384 sha256:14 16384 "$one" 'signing hash'
flags="-g sha256"
quote reject/p384 p384 sha256:14 16384 "$one" 'curve'
flags="-g sha256 --scheme rsapss"
quote reject/rsapss pss sha256:14 16384 "$one" 'signing scheme'
flags=
quote reject/sha1-bank p256 sha1:14 16384 "$one" 'PCR bank'
quote reject/two-banks p256 sha1:14+sha256:14 16384 "$one" 'selects 2 PCR banks'

[ -e rsa3072.ctx ] && quote reject/rsa3072 rsa3072 sha256:14 16384 "$one" 'key bits'

# A decrypting storage key cannot quote; its public area alone is the vector.
tpm2_createprimary -Q -C e -G ecc256:null:aes128cfb -c storage.ctx \
    -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt'
tpm2_readpublic -Q -c storage.ctx -f tss -o storage.tpm2b
tail -c +3 storage.tpm2b >storage.public
jq -cS --arg ak "$(hex storage.public)" --arg error 'attribute sign is clear' \
    '.ak = $ak | .error = $error' "$here/accept/p256.json" >"$here/reject/storage-key.json"
