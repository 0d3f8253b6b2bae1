#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A record whose checkpoint is anchored on a chain (anvil) and stamped (openssl ts), verified offline from its bundle
# after both are gone. With KEEP, bundle and policy are kept there: so tests/vectors/bundle/anchored was made.
#
#   anchored.sh BUILD SOURCE_ROOT [KEEP]
set -eu
# shellcheck source-path=SCRIPTDIR source=chain.sh
. "$(dirname "$0")/chain.sh"
# shellcheck source-path=SCRIPTDIR source=stamps.sh
. "$(dirname "$0")/stamps.sh"
build=$(cd "$1" && pwd) root=$(cd "$2" && pwd) keep=${3:+$(cd "$3" && pwd)}
vectors=$root/tests/vectors/bundle/4
verify=$build/src/cli/ketseal-verify
chain_begin "$build"
command -v openssl >/dev/null || chain_skip "openssl is absent"
chain_start
stamps_begin

# --- the checkpoint, on the chain and in a time stamp ----------------------------------------------------------------
jq -rj .ledger.checkpoint "$vectors/bell.bundle" >checkpoint
anchor() { "$ketseal" -q anchor "$@"; }
node=--rpc=$chain_url
account=$(anchor keygen --out=key)
chain_rich "$account"
chain_call evm_mine >/dev/null
anchor deploy "$node" --chain=31337 --from="$account" --out=deploy.tx
anchor sign --key=key deploy.tx --out=deploy.signed
"$ketseal" --json anchor send "$node" deploy.signed >deployed
pin() { anchor pin --chain=31337 --contract="$(jq -r .contract deployed)" --from="$account" "$@"; }
pin --out=pin
anchor prepare "$node" --pin=pin checkpoint --out=anchor.tx
anchor sign --key=key anchor.tx --out=anchor.signed
anchor send "$node" anchor.signed >/dev/null
anchor prove "$node" --pin=pin --block=latest checkpoint --out=anchor
block=$("$ketseal" -q --json anchor check --pin=pin --checkpoint=checkpoint anchor |
    jq -r '"\(.block_number):0x\(.block_hash)"')
pin --block="$block" --out=pin.block
pin --block="${block%%:*}:0x$(printf '%064d' 7)" --out=pin.fork
"$ketseal" -q timestamp request --out=request.tsq checkpoint
stamps_reply request.tsq stamper answer.tsr || { cat reply.log; chain_fail "no time stamp"; }

# --- all of them gone ---------------------------------------------------------------------------------------------------
chain_stop
rm -f stamper.key root.key key

# What `policy make --anchor --timestamp-ca` adds; the site of the committed bundle is gone, too.
demand() { # PIN CHECKS OUT
    jq -cS --slurpfile pin "$1" --rawfile pem root.pem ".anchor = \$pin[0] | .timestamp = {certificates: \$pem} |
        .require += $2" "$vectors/lab.policy" >"$3"
}
demand pin.block '["anchor.proof", "anchor.canonical", "timestamp"]' lab.policy
demand pin '["anchor.proof", "timestamp"]' proof.policy
demand pin.fork '["anchor.proof", "timestamp"]' fork.policy

"$ketseal" -q bundle complete --policy=lab.policy --anchor=anchor --timestamp=answer.tsr --out=bell.bundle "$vectors/bell.bundle"
"$verify" --explain lab.policy bell.bundle >out || { cat out; chain_fail "not verified"; }
for check in anchor.proof anchor.canonical timestamp; do
    grep -q "^pass     $check\$" out || { cat out; chain_fail "$check did not pass"; }
done
"$verify" proof.policy bell.bundle >/dev/null || chain_fail "without a block, the proof does not do"
"$verify" --explain proof.policy bell.bundle | grep -q '^not-run  anchor.canonical: the policy names no hash for block' ||
    chain_fail "anchor.canonical says nothing"
chain_refused 1 'of the pinned chain is another one' "$verify" fork.policy bell.bundle
chain_refused 1 'the bundle has no anchor' "$verify" lab.policy "$vectors/bell.bundle"
chain_refused 1 'is an anchor of another checkpoint' "$ketseal" bundle complete --policy=lab.policy --anchor=anchor \
    --out=never "$vectors/wide.bundle"
[ ! -e never ] || chain_fail "a bundle that was refused was written"
"$ketseal" bundle show bell.bundle >out
grep -q "^anchor .* chain 31337, .* block ${block%%:*} of" out || { cat out; chain_fail "bundle show"; }
grep -q "^timestamp .* by 'CN = stamper'" out || { cat out; chain_fail "bundle show"; }
if [ -n "$keep" ]; then
    cp bell.bundle lab.policy "$keep/"
fi
printf '%s: anchored and stamped, verified when chain and authority are gone\n' "$chain_name"
