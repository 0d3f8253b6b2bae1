#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A checkpoint on a chain (anvil) and back as evidence, which is checked when the chain is gone; and what goes wrong
# on the way: other accounts, other chains and contracts, transactions that are sent twice, stuck, outbid or undone.
#
#   anchor.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=chain.sh
. "$(dirname "$0")/chain.sh"
chain_begin "$1"
chain_start
cp "$chain_source/tests/vectors/checkpoint/accept/go-both" first.note
cp "$chain_source/tests/vectors/checkpoint/accept/go-largest" second.note
anchor() { "$ketseal" -q anchor "$@"; }
node="--rpc=$chain_url"

# --- keys and the contract -----------------------------------------------------------------------------------------

account=$(anchor keygen --out=key)
other=$(anchor keygen --out=other.key)
[ "$(stat -c %a key)" = 600 ] || chain_fail "a key others may read"
chain_refused 5 "exists" anchor keygen --out=key
chain_rich "$account"
chain_rich "$other"
chain_call evm_mine >/dev/null # the genesis block knows nothing of such gifts

anchor deploy "$node" --chain=31337 --from="$account" --out=deploy.tx
anchor sign --key=key deploy.tx --out=deploy.signed
"$ketseal" --json anchor send "$node" deploy.signed >deployed
contract=$(jq -r .contract deployed)
[ "$(chain_call eth_getCode "[\"$contract\",\"latest\"]" | jq -r .)" = \
    "0x$(jq -r .code "$chain_source/contracts/Anchor.json")" ] || chain_fail "other code than contracts/Anchor.json"
pin() { anchor pin --chain=31337 --contract="$contract" --from="$account" "$@"; }
pin --out=pin

# --- there and back ------------------------------------------------------------------------------------------------

anchor prepare "$node" --pin=pin first.note --out=first.tx
anchor sign --key=key first.tx --out=first.signed
"$ketseal" --json anchor send "$node" first.signed >first.sent
anchor send "$node" first.signed >again
grep -q "$(jq -r .hash first.sent)" again || chain_fail "sent again, it is another transaction"
chain_refused 5 "anchored already" anchor prepare "$node" --pin=pin first.note
# Final is two blocks earlier.
chain_refused 1 "no such account" anchor prove "$node" --pin=pin first.note
chain_call evm_mine >/dev/null
chain_refused 6 "not yet" anchor prove "$node" --pin=pin first.note
chain_call anvil_mine '["0x3"]' >/dev/null
anchor prove "$node" --pin=pin first.note --out=first.anchor
anchor prove "$node" --pin=pin --confirmations=2 first.note --out=two.anchor

check() { anchor check --pin=pin --checkpoint=first.note "$@"; }
check first.anchor >verdict
grep -q '^anchor.proof      pass ' verdict || chain_fail "the evidence does not pass"
grep -q '^anchor.canonical  not-run ' verdict || chain_fail "nobody said which blocks there are"
chain_refused 1 "not-run" check --canonical first.anchor
block=$("$ketseal" -q --json anchor check --pin=pin --checkpoint=first.note first.anchor |
    jq -r '"\(.block_number):0x\(.block_hash)"')
[ "$(chain_call eth_getBlockByNumber "[\"$(printf '0x%x' "${block%%:*}")\",false]" | jq -r .hash)" = \
    "${block#*:}" ] || chain_fail "the chain knows the block by another hash"
pin --block="$block" --out=pin.block
anchor check --canonical --pin=pin.block --checkpoint=first.note first.anchor >verdict
grep -q '^anchor.canonical  pass ' verdict || chain_fail "the pin names the block"
pin --block="${block%%:*}:0x$(printf '%064d' 7)" --out=pin.fork
chain_refused 1 "another one" anchor check --pin=pin.fork --checkpoint=first.note first.anchor
chain_refused 1 "another digest" anchor check --pin=pin --checkpoint=second.note first.anchor

# --- who else is there ---------------------------------------------------------------------------------------------

# Somebody anchors the same, and something else, before us and after us: it is in their slot.
anchor pin --chain=31337 --contract="$contract" --from="$other" --out=pin.other
for note in second first second; do
    anchor prepare "$node" --pin=pin.other $note.note --out=other.tx
    anchor sign --key=other.key other.tx --out=other.signed
    anchor send "$node" other.signed >/dev/null
done
anchor prove "$node" --pin=pin --block=latest first.note --out=later.anchor
check later.anchor >/dev/null
chain_refused 6 "not anchored" anchor prove "$node" --pin=pin --block=latest second.note
chain_refused 1 "another submitter" anchor check --pin=pin.other --checkpoint=first.note first.anchor
chain_refused 1 "another account" anchor sign --key=other.key first.tx
chmod 640 other.key
chain_refused 5 "0600" anchor sign --key=other.key other.tx

anchor pin --chain=1 --contract="$contract" --from="$account" --out=pin.chain
chain_refused 1 "on chain 31337, not 1" anchor prepare "$node" --pin=pin.chain first.note
chain_refused 1 "of chain 31337, not 1" anchor check --pin=pin.chain --checkpoint=first.note first.anchor
anchor pin --chain=31337 --contract="$account" --from="$account" --out=pin.nothing
chain_refused 6 "no contract" anchor prepare "$node" --pin=pin.nothing first.note
chain_refused 1 "another contract" anchor check --pin=pin.nothing --checkpoint=first.note first.anchor
pin --code-hash="0x$(printf '%064d' 7)" --out=pin.code
chain_refused 1 "other code" anchor prepare "$node" --pin=pin.code first.note
chain_refused 1 "other code" anchor prove "$node" --pin=pin.code first.note
chain_refused 1 "other code" anchor check --pin=pin.code --checkpoint=first.note first.anchor

# --- a signer of others --------------------------------------------------------------------------------------------

signature() { jq -r '.signature | .r + .s' "$1"; }
cat >signer <<SIGNER
#!/bin/sh
read -r hash
echo "\$hash" >asked
echo $(signature first.signed)$(printf '%02x' "$(jq .signature.y_parity first.signed)")
SIGNER
chmod +x signer
anchor sign --signer=./signer first.tx --out=by.signer
cmp by.signer first.signed || chain_fail "the signer's signature is another one"
grep -qE '^[0-9a-f]{64}$' asked || chain_fail "the signer was asked something else"
# The twin of high s, and v as in older transactions.
python3 - first.signed >twin <<'PYTHON'
import json, sys
signature = json.load(open(sys.argv[1]))['signature']
order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141
print('%s%064x%02x' % (signature['r'], order - int(signature['s'], 16), 27 + 1 - signature['y_parity']))
PYTHON
printf '#!/bin/sh\ncat twin\n' >signer
anchor sign --signer=./signer first.tx --out=by.twin
cmp by.twin first.signed || chain_fail "a high s stays"
chain_refused 1 "another account" anchor sign --signer=./signer deploy.tx
printf '#!/bin/sh\ncat twin; exit 3\n' >signer
chain_refused 4 "it failed" anchor sign --signer=./signer first.tx
printf '#!/bin/sh\ncat twin twin\n' >signer
chain_refused 4 "an answer over" anchor sign --signer=./signer first.tx
printf '#!/bin/sh\n:\n' >signer
chain_refused 4 "no answer" anchor sign --signer=./signer first.tx
chain_refused 4 "start" anchor sign --signer=./nobody first.tx

# --- others read it the same way -----------------------------------------------------------------------------------

reads() { node "$chain_source/tests/interop/ethereumjs.mjs" "$chain_npm" "$1" "$2" >shown; }
if command -v node >/dev/null; then
    reads transaction first.signed
    [ "$(xargs <shown)" = "$(cat asked) $(jq -r .hash first.sent) $(jq -r .from first.tx)" ] ||
        chain_fail "another transaction to @ethereumjs"
    reads transaction deploy.signed
    [ "$(sed -n 2p shown)" = "$(jq -r .hash deployed)" ] || chain_fail "another creation to @ethereumjs"
    reads evidence first.anchor
    [ "$(xargs <shown)" = "$("$ketseal" -q --json anchor check --pin=pin --checkpoint=first.note first.anchor |
        jq -r '.digest + " " + .block_hash')" ] || chain_fail "other evidence to @ethereumjs"
fi

# --- stuck, outbid, out of order -----------------------------------------------------------------------------------

chain_call evm_setAutomine '[false]' >/dev/null
anchor prepare "$node" --pin=pin second.note --out=stuck.tx
anchor sign --key=key stuck.tx --out=stuck.signed
chain_refused 4 "in no block yet" anchor send "$node" --wait=1 stuck.signed
# Without a higher price no node takes its place; with one it does, and the first has lost.
jq -cSj '.gas += 1' stuck.tx >cheap.tx
anchor sign --key=key cheap.tx --out=cheap.signed
chain_refused 5 "underpriced" anchor send "$node" --wait=0 cheap.signed
anchor prepare "$node" --pin=pin --replace=stuck.tx second.note --out=better.tx
[ "$(jq .nonce better.tx)" = "$(jq .nonce stuck.tx)" ] || chain_fail "a replacement of another nonce"
chain_refused 3 "a replacement has to offer" anchor prepare "$node" --pin=pin --replace=stuck.tx \
    --fee-max="$(jq .fee_max_wei stuck.tx)" second.note
anchor sign --key=key better.tx --out=better.signed
anchor send "$node" --wait=0 better.signed >/dev/null
jq -cSj '.nonce += 2' better.tx >gap.tx
anchor sign --key=key gap.tx --out=gap.signed
chain_refused 5 "has to wait for nonce" anchor send "$node" --wait=0 gap.signed
chain_call evm_mine >/dev/null
anchor send "$node" better.signed >/dev/null
chain_refused 5 "went to another transaction" anchor send "$node" stuck.signed
chain_refused 5 "nothing to replace" anchor prepare "$node" --pin=pin --replace=stuck.tx first.note
chain_refused 3 "over the bound of 1" anchor prepare "$node" --pin=pin --fee-max=1 first.note
chain_call evm_setAutomine '[true]' >/dev/null

# --- undone --------------------------------------------------------------------------------------------------------

# A block with an anchor goes away: the proof of then is of no block of the chain, and sending again heals it.
anchor prepare "$node" --pin=pin first.note --out=third.tx
anchor sign --key=key third.tx --out=third.signed
"$ketseal" --json anchor send "$node" third.signed >third.sent
anchor prove "$node" --pin=pin --block=latest first.note --out=undone.anchor
chain_call anvil_reorg '[1,[]]' >/dev/null
chain_refused 6 "no longer" anchor prove "$node" --pin=pin --block=latest first.note
anchor send "$node" third.signed >/dev/null
anchor prove "$node" --pin=pin --block=latest first.note --out=healed.anchor
number=$(jq -r .block third.sent)
hash=$(chain_call eth_getBlockByNumber "[\"$(printf '0x%x' "$number")\",false]" | jq -r .hash)
pin --block="$number:$hash" --out=pin.reorg
chain_refused 1 "is another one" anchor check --pin=pin.reorg --checkpoint=first.note undone.anchor
anchor check --pin=pin.reorg --checkpoint=first.note healed.anchor >/dev/null
# Waiting for depth sees the whole chain change.
chain_refused 4 "not deep enough" anchor send "$node" --wait=1 --confirmations=3 third.signed
chain_call anvil_mine '["0x2"]' >/dev/null
anchor send "$node" --confirmations=3 third.signed >/dev/null

# --- when the chain is gone ----------------------------------------------------------------------------------------

chain_stop
chain_refused 4 "" anchor send "$node" first.signed
for evidence in first two later; do
    check $evidence.anchor >/dev/null
done
anchor check --canonical --pin=pin.block --checkpoint=first.note first.anchor >/dev/null
printf '%s: gas %s to create the contract, %s for the first anchor, %s for a later one; evidence of %s bytes\n' \
    "$chain_name" "$(jq .gas deployed)" "$(jq .gas first.sent)" "$(jq .gas third.sent)" "$(wc -c <first.anchor)"
