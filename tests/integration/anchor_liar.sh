#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A node that lies, one lie at a time: each is found out, by its name, and nothing is written.
#
#   anchor_liar.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=chain.sh
. "$(dirname "$0")/chain.sh"
chain_begin "$1"
chain_start
cp "$chain_source/tests/vectors/checkpoint/accept/go-both" first.note
anchor() { "$ketseal" -q anchor "$@"; }
honest="--rpc=$chain_url"

account=$(anchor keygen --out=key)
chain_rich "$account"
chain_call evm_mine >/dev/null
anchor deploy "$honest" --chain=31337 --from="$account" --out=tx
anchor sign --key=key tx --out=signed
contract=$("$ketseal" --json anchor send "$honest" signed | jq -r .contract)
anchor pin --chain=31337 --contract="$contract" --from="$account" --out=pin
anchor prepare "$honest" --pin=pin first.note --out=tx
anchor sign --key=key tx --out=signed

: >liar.port
python3 "$chain_source/tests/integration/rpc_liar.py" "$chain_url" >liar.port 2>liar.log &
chain_liar=$!
for _ in $(seq 200); do
    [ ! -s liar.port ] || break
    sleep 0.05
done
liar="--rpc=http://127.0.0.1:$(cat liar.port)"

lies() { # STATUS TEXT LIE ARGUMENTS of anchor
    status=$1 text=$2
    printf '%s\n' "$3" >lie
    shift 3
    chain_refused "$status" "$text" anchor "$@" "$liar" --out=result
    [ ! -e result ] || chain_fail "the lie '$(cat lie)' has a result"
}
count=0
prepare() { # STATUS TEXT LIE
    lies "$1" "$2" "$3" prepare --pin=pin first.note
    count=$((count + 1))
}
prove() { # STATUS TEXT LIE
    lies "$1" "$2" "$3" prove --pin=pin --block=latest first.note
    count=$((count + 1))
}

echo nothing >lie # a liar that keeps to the truth
anchor prepare "$liar" --pin=pin first.note --out=true.tx
cmp tx true.tx || chain_fail "the truth is another one"

# --- the form of answers -------------------------------------------------------------------------------------------

prepare 1 "on chain 1, not 31337" 'eth_chainId result "0x1"'
prepare 4 "the answer to another call" 'eth_chainId id'
prepare 4 "no JSON-RPC 2.0" 'eth_chainId version'
prepare 4 "neither a result nor an error" 'eth_chainId none'
prepare 5 "refuses: 'go away?'" "$(printf 'eth_chainId error go away\033')"
prepare 4 "an error without a reason" 'eth_chainId empty-error'
prepare 4 "eth_chainId" 'eth_chainId text no JSON'
prepare 4 "eth_chainId" 'eth_chainId twice'
prepare 4 "no hexadecimal" 'eth_chainId result "31337"'
prepare 4 "chain id" 'eth_chainId result 31337'
prepare 4 "chain id" 'eth_chainId result null'
prepare 4 "leading zeros" 'eth_chainId result "0x07a69"'
prepare 4 "leading zeros" 'eth_chainId result "0x"'
prepare 4 "chain id" 'eth_chainId result "0x7A69"'
prepare 3 "over 64 bits" 'eth_chainId result "0x10000000000000000"'
prepare 3 "over" 'eth_chainId long'
prepare 3 "" 'eth_chainId deep'
prepare 4 "status 503" 'eth_chainId status 503'
prepare 4 "status 302" 'eth_chainId status 302' # nobody is followed anywhere

printf 'eth_chainId slow 5\n' >lie
chain_refused 4 "imeout" anchor prepare "$liar" --rpc-timeout=1 --pin=pin first.note

# --- accounts, code, fees ------------------------------------------------------------------------------------------

prepare 1 "other code" 'eth_getCode result "0x00"'
prepare 6 "no contract" 'eth_getCode result "0x"'
prepare 4 "anchored digest" 'eth_call result "0x"'
prepare 3 "nonce" 'eth_getTransactionCount result "0x20000000000000"'
prepare 4 "" 'eth_feeHistory missing reward'
prepare 4 "" 'eth_feeHistory missing baseFeePerGas'
prepare 4 "tips" 'eth_feeHistory set reward=[]'
prepare 4 "row 0" 'eth_feeHistory set reward=[[]]'
prepare 3 "over the bound" 'eth_feeHistory set baseFeePerGas=["0x746a528801"]'
prepare 3 "estimate of gas" 'eth_estimateGas result "0xffffffff"'
# A tip beyond all measure is not refused, it is bounded.
printf 'eth_feeHistory set reward=[["0xffffffffffff"]]\n' >lie
anchor prepare "$liar" --pin=pin first.note --out=bounded.tx
[ "$(jq .tip_wei bounded.tx)" = 5000000000 ] || chain_fail "a tip over the bound"

# --- sending -------------------------------------------------------------------------------------------------------

send() { # STATUS TEXT LIE
    printf '%s\n' "$3" >lie
    chain_refused "$1" "$2" anchor send "$liar" --wait=1 signed
    count=$((count + 1))
}
send 4 "another transaction" "eth_sendRawTransaction result \"0x$(printf '%064d' 7)\""
# The node has it all the same: sending again is safe, and says what became of it.
send 4 "receipt's status" 'eth_getTransactionReceipt missing status'
send 4 "of another transaction" 'eth_getTransactionReceipt changed transactionHash'
send 1 "and failed" 'eth_getTransactionReceipt set status="0x0"'
send 3 "receipt's gas" 'eth_getTransactionReceipt set gasUsed="0xffffffffffff"'
send 4 "not deep enough" 'eth_getTransactionReceipt changed blockHash'
send 4 "receipt's block hash" 'eth_getTransactionReceipt set blockHash="0x00"'
echo nothing >lie
anchor send "$liar" signed >/dev/null

# --- proofs --------------------------------------------------------------------------------------------------------

prove 6 "has no block" 'eth_getBlockByNumber result null'
prove 1 "do not hash" 'eth_getBlockByNumber changed stateRoot'
prove 1 "do not hash" 'eth_getBlockByNumber changed hash'
prove 1 "do not hash" 'eth_getBlockByNumber changed timestamp'
prove 4 "stateRoot" 'eth_getBlockByNumber missing stateRoot'
prove 4 "stateRoot" 'eth_getBlockByNumber set stateRoot="0x00"'
prove 3 "over 64 bits" 'eth_getBlockByNumber set number="0xffffffffffffffffffff"'
prove 1 "do not hash" 'eth_getBlockByNumber missing baseFeePerGas'
prove 4 "account proof" 'eth_getProof missing accountProof'
prove 1 "not what its parent names" 'eth_getProof node account'
prove 1 "not what its parent names" 'eth_getProof node storage'
prove 1 "the proof ends" 'eth_getProof cut accountProof'
prove 1 "left over" 'eth_getProof more accountProof'
prove 4 "not of one slot" 'eth_getProof slots'
prove 4 "account proof" 'eth_getProof set accountProof=["zz"]'
prove 4 "account proof" 'eth_getProof set accountProof=[7]'
prove 3 "over 64 nodes" "eth_getProof set accountProof=[$(printf '"0x",%.0s' $(seq 64))\"0x\"]"
echo nothing >lie
anchor prove "$liar" --pin=pin --block=latest first.note --out=true.anchor
anchor check --pin=pin --checkpoint=first.note true.anchor >/dev/null
printf '%s: %s lies found out\n' "$chain_name" "$count"
