#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A site's ledger on a chain (anvil): the newest checkpoint anchored and published, a job's bundle completed with it,
# and verified when site and chain are gone.
#
#   anchor_site.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
# shellcheck source-path=SCRIPTDIR source=chain.sh
. "$(dirname "$0")/chain.sh"
chain_find
site_begin "$1"
# shellcheck disable=SC2034 # of site.sh
site_at_end=chain_kill
site_device edge-1
"$ketseal" -q ca issue operator --ca ca --name operator-1 --out op
site_start
chain_start
anchor() { "$ketseal" -q anchor "$@"; }
node="--rpc=$chain_url"
url=$(cat edge-1/url)

"$ketseal" -q run --device edge-1 --template bell --shots 100 --seed 1 --out sealed.bundle
account=$(anchor keygen --out=key)
chain_rich "$account"
anchor deploy "$node" --chain=31337 --from="$account" --out=tx
anchor sign --key=key tx --out=tx.signed
contract=$("$ketseal" --json anchor send "$node" tx.signed | jq -r .contract)
pin() { anchor pin --chain=31337 --contract="$contract" --from="$account" "$@"; }
pin --out=pin

anchor prepare "$node" --pin=pin --device=edge-1 --checkpoint-out=checkpoint --out=tx
anchor prepare "$node" --pin=pin --site=edge-1/site.json checkpoint --out=same
cmp tx same || site_fail "the site's checkpoint, kept, is another one"
chain_refused 1 "checkpoint" anchor prepare "$node" --pin=pin --site=edge-1/site.json \
    "$chain_source/tests/vectors/checkpoint/accept/go-both"
chain_refused 2 "--checkpoint-out" anchor prepare "$node" --pin=pin --device=edge-1
anchor sign --key=key tx --out=tx.signed
anchor send "$node" tx.signed >/dev/null
anchor prove "$node" --pin=pin --block=latest checkpoint --out=evidence
block=$("$ketseal" -q --json anchor check --pin=pin --checkpoint=checkpoint evidence |
    jq -r '"\(.block_number):0x\(.block_hash)"')
chain_stop

# What is no anchor of this checkpoint never gets to the site; neither does one of who is no operator.
pin --code-hash="0x$(printf '%064d' 7)" --out=pin.code
chain_refused 1 "other code" anchor publish --operator=op --url="$url" --pin=pin.code checkpoint evidence
chain_refused 1 "another digest" anchor publish --operator=op --url="$url" --pin=pin \
    "$chain_source/tests/vectors/checkpoint/accept/go-both" evidence
anchor publish --operator=op --url="$url" --pin=pin checkpoint evidence >/dev/null
"$ketseal" -q --json anchor publish --operator=op --url="$url" --pin=pin checkpoint evidence >again # as it was
[ "$(jq -r '.anchor' again)" = true ] || site_fail "the site has not attached it"

"$ketseal" policy make --root=ca/root.pem --site=edge-1/site.json --insecure-simulated-tpm --out=plain.policy
pin --block="$block" --out=pin.block
"$ketseal" policy make --root=ca/root.pem --site=edge-1/site.json --insecure-simulated-tpm --anchor=pin.block \
    --out=anchored.policy
"$ketseal" -q bundle complete --policy=anchored.policy --device=edge-1 --fetch --checkpoint=checkpoint --anchor=evidence \
    --out=anchored.bundle sealed.bundle
site_stop
"$ketseal" --json verify --policy=anchored.policy anchored.bundle >verdict || { cat verdict; site_fail "not verified"; }
for check in anchor.proof anchor.canonical; do
    [ "$(jq -r ".checks.\"$check\".state" verdict)" = pass ] || { cat verdict; site_fail "$check did not pass"; }
done
"$ketseal" verify --policy=plain.policy anchored.bundle >/dev/null
"$ketseal" verify --policy=plain.policy sealed.bundle >/dev/null
chain_refused 1 "anchor.proof" "$ketseal" verify --policy=anchored.policy sealed.bundle
