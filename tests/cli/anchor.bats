#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# What `ketseal anchor` does without a chain: keys, pins, signatures, checks. With one: tests/integration/anchor.sh.

# shellcheck disable=SC2154,SC2030,SC2031 # bats sets status, output, stderr, of each test alone
load helper

vectors=$KS_SOURCE_ROOT/tests/vectors
evidence=$vectors/chain/anvil.anchor
pin=$vectors/chain/anvil.pin
note=$vectors/checkpoint/accept/go-both
corpus=$KS_SOURCE_ROOT/tests/fuzz/corpus/anchor_tx

@test "keygen: a key for its owner alone, the address on standard output" {
    ks anchor keygen --out=key
    same status "$status" 0
    [[ $output =~ ^0x[0-9a-fA-F]{40}$ ]]
    same mode "$(stat -c %a key)" 600
    [[ $(cat key) =~ ^[0-9a-f]{64}$ ]]
    before=$(cat key)
    ks anchor keygen --out=key
    same status "$status" 5
    same key "$(cat key)" "$before"
    ks --json anchor keygen --out=other
    is_json ketseal.anchor-key/1
    ks anchor keygen --out=-
    fails 2 "--out: a key is a secret: name a file, it gets mode 0600"
    holds key other
}

@test "pin: what was given, canonical, and the contract that comes along" {
    ks anchor pin --chain=31337 --contract=0x911E4076c69483258762D259b69c9eBE900D86c1 \
        --from=0x7AA108C63A4c1fe54E249E460afE7B9bC88D3fA6
    same status "$status" 0
    same pin "$output" "$(cat "$pin")"
    ks anchor pin --chain=31337 --contract=0x911E4076c69483258762D259b69c9eBE900D86C1 \
        --from=0x7AA108C63A4c1fe54E249E460afE7B9bC88D3fA6
    fails 2 "--contract: address: its checksum (EIP-55) is wrong"
    ks anchor pin --chain=0 --contract=0x911E4076c69483258762D259b69c9eBE900D86c1 \
        --from=0x7AA108C63A4c1fe54E249E460afE7B9bC88D3fA6
    fails 2 "--chain: 0 is none"
    ks anchor pin --chain=1 --contract=0x911E4076c69483258762D259b69c9eBE900D86c1 \
        --from=0x7AA108C63A4c1fe54E249E460afE7B9bC88D3fA6 --block=7
    fails 2 "--block: '7' is not NUMBER:0xHASH"
}

@test "check: both checks with their reasons" {
    ks -q anchor check --pin="$pin" --checkpoint="$note" "$evidence"
    says 0 "anchor.proof      pass     the checkpoint's digest stands in this block's state
anchor.canonical  not-run  the pin names no block of this number
block 3 of chain 31337, 2026-11-26T16:44:06.000000Z, 0xa6db63030b859ee3863361336b86cfc37ce124084838e596b4db75455b816b07" ""
    ks -q --json anchor check --pin="$pin" --checkpoint="$note" "$evidence"
    is_json ketseal.anchor-check/1
    same proof "$(jq -r '."anchor.proof"' <<<"$output")" pass
    same canonical "$(jq -r '."anchor.canonical"' <<<"$output")" not-run
    ks -q anchor check --canonical --pin="$pin" --checkpoint="$note" "$evidence"
    same status "$status" 1
}

@test "check: of another checkpoint, and of no evidence" {
    ks -q anchor check --pin="$pin" --checkpoint="$vectors/checkpoint/accept/go-largest" "$evidence"
    same status "$status" 1
    [[ $output == *"anchor.proof      fail     anchor: of another digest than that of the checkpoint"* ]]
    ks -q anchor check --pin="$pin" --checkpoint="$note" "$note"
    same status "$status" 3
    same "standard output" "$output" ""
    ks -q anchor check --pin="$evidence" --checkpoint="$note" "$evidence"
    fails 3 "$evidence: anchor pin: 'schema': expected ketseal.anchor-pin/1"
    ks -q anchor check --pin="$pin" --checkpoint="$pin" "$evidence"
    same status "$status" 3
}

@test "sign: what it says to who signs, and what it does not sign" {
    ks anchor keygen --out=key
    ks anchor sign --key=key "$corpus/anchor"
    same status "$status" 1
    same "standard output" "$output" ""
    [[ $stderr == "chain 31337, account 0x7AA108C63A4c1fe54E249E460afE7B9bC88D3fA6, nonce 1
anchors 99ae4d671d2daba80c176bfba787ab18452e1fc7dab984391ed55c05f7872bf2 at 0x911E4076c69483258762D259b69c9eBE900D86c1
costs at most 0.000"*" of the chain's coin
ketseal: key: the key of another account than the transaction is from" ]]
    jq -cSj '.data = "00" + .data[2:]' "$corpus/anchor" >call
    ks anchor sign --key=key call
    fails 5 "call: the transaction calls something else than anchor(bytes32)"
    jq -cSj '.data += "00"' "$corpus/create" >create
    ks anchor sign --key=key create
    fails 5 "create: the transaction creates another contract than the anchoring one"
    jq -cS . "$corpus/anchor" >newline # a byte that nobody signed for
    ks anchor sign --key=key newline
    same status "$status" 3
    ks anchor sign "$corpus/anchor"
    fails 2 "expected --key or --signer, one of them"
    ks anchor sign --signer=signer "$corpus/anchor"
    same status "$status" 2
    same "last line" "${stderr##*$'\n'}" "ketseal: signer 'signer': a signer is named by its path"
    chmod 644 key
    ks -q anchor sign --key=key "$corpus/anchor"
    fails 5 "key: a key file is its owner's alone: a plain file of mode 0600"
    printf '%064d\n' 0 >zero && chmod 600 zero
    ks -q anchor sign --key=zero "$corpus/anchor"
    fails 3 "zero: no key of secp256k1"
    printf '%064d\n\n' 1 >long && chmod 600 long
    ks -q anchor sign --key=long "$corpus/anchor"
    fails 3 "long: a key file is 64 hexadecimal digits and a newline"
    ln -s zero link
    ks -q anchor sign --key=link "$corpus/anchor"
    same status "$status" 4
}

@test "publish: what is no anchor of the checkpoint does not leave this machine" {
    ks -q anchor publish --url=https://127.0.0.1:1 --pin="$pin" "$vectors/checkpoint/accept/go-largest" "$evidence"
    fails 1 "anchor: of another digest than that of the checkpoint"
    ks -q anchor publish --url=https://127.0.0.1:1 --pin="$pin" "$note" "$pin"
    same status "$status" 3
}

@test "nodes: only https, or http to this machine; secrets are not shown" {
    ks anchor send --rpc=http://node.example/ "$corpus/signed"
    fails 2 "plain http only to this machine, not to 'node.example'"
    ks anchor send --rpc=http://127.0.0.1.node.example/ "$corpus/signed"
    fails 2 "plain http only to this machine, not to '127.0.0.1.node.example'"
    ks anchor send --rpc=https://user@node.example/ "$corpus/signed"
    fails 2 "the URL has no host, or more than host:port before its path"
    ks anchor send --rpc=ftp://node.example/ "$corpus/signed"
    fails 2 "the URL starts neither with https:// nor with http://"
    ks anchor send "$corpus/signed"
    fails 2 "expected --rpc or --rpc-file, one of them"
    echo http://127.0.0.1:1/secret-path >url
    ks anchor send --rpc-file=url "$corpus/signed"
    same status "$status" 4
    [[ $stderr == *127.0.0.1:1* && $stderr != *secret* ]]
}
