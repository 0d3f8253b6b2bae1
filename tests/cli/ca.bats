#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# ca new, issue, show, revoke: the files, their modes, and what they say.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

@test "a CA from its birth to a revocation" {
    ks ca new --out=ca --name="test root"
    same status "$status" 0
    same "standard error" "$stderr" "making an SLH-DSA-SHA2-128s root"
    [[ $output =~ ^ca/root.pem:\ root\ certificate\ of\ \'test\ root\',\ SLH-DSA-SHA2-128s,\ serial\ [0-9a-f]{32}$ ]]
    holds ca/crl.pem ca/revoked ca/root.key ca/root.pem
    same "mode of the key" "$(stat -c %a ca/root.key)" 600

    ks ca issue device --ca=ca --name=edge-1 --out=device
    same status "$status" 0
    [[ $output =~ ^device/device.pem:\ device\ certificate\ of\ \'edge-1\',\ ML-DSA-65,\ serial\ ([0-9a-f]{32})$ ]]
    serial=${BASH_REMATCH[1]}
    holds ca/crl.pem "ca/issued/$serial.pem" ca/revoked ca/root.key ca/root.pem \
        device/device.key device/device.pem device/root.pem
    same "mode of the key" "$(stat -c %a device/device.key)" 600
    cmp "ca/issued/$serial.pem" device/device.pem

    ks ca show device/device.pem
    same status "$status" 0
    same shown "$(sed -n 's/^\(role\|subject\|issuer\|key\|serial\) *//p' <<<"$output" | xargs)" \
        "device edge-1 test root ML-DSA-65 $serial"
    ks --json ca show device/device.pem
    is_json ketseal.certificate/1
    same shown "$(jq -r '"\(.role) \(.subject) \(.issuer) \(.serial)"' <<<"$output")" \
        "device edge-1 test root $serial"
    same "fingerprint" "$(jq -r .fingerprint <<<"$output")" \
        "$(sed '/^-/d' device/device.pem | base64 -d | sha256sum | cut -d' ' -f1)"

    ks --json ca show ca/crl.pem
    is_json ketseal.crl/1
    same "first list" "$(jq -c '[.number, .revoked]' <<<"$output")" '[1,[]]'

    ks -q ca revoke --ca=ca "$serial"
    says 0 "ca/crl.pem: list 2, 1 revoked, valid for 30 days" ""
    ks --json ca show ca/crl.pem
    same "second list" "$(jq -r '"\(.number) \(.revoked[].serial)"' <<<"$output")" "2 $serial"
    revoked=$(cat ca/revoked)

    # Again: the number grows, the time stays.
    ks --json ca revoke --ca=ca "$serial"
    is_json ketseal.revoke/1
    same "third list" "$(jq -c '[.number, .revoked]' <<<"$output")" '[3,1]'
    same "the file" "$(cat ca/revoked)" "${revoked/number 2/number 3}"

    # Renewed alone.
    ks -q ca revoke --ca=ca
    says 0 "ca/crl.pem: list 4, 1 revoked, valid for 30 days" ""
}

@test "keys of other algorithms" {
    ks -q ca new --out=ca
    for algorithm in ML-DSA-44 ML-DSA-87 SLH-DSA-SHA2-128f; do
        ks -q ca issue device --ca=ca --name=edge --out="$algorithm" --algorithm="$algorithm"
        same status "$status" 0
        [[ $output == "$algorithm/device.pem: device certificate of 'edge', $algorithm, serial "* ]]
        ks --json ca show "$algorithm/device.pem"
        same key "$(jq -r .key <<<"$output")" "$algorithm"
    done
    ks ca issue server --ca=ca --name=site --ip=127.0.0.1 --out=server --algorithm=SLH-DSA-SHA2-128f
    same status "$status" 0
    same "standard error" "$stderr" \
        "SLH-DSA keys in TLS are experimental: site and devices have to name them in their signature algorithms"
    for algorithm in Ed25519 P-256 ml-dsa-65 SLH-DSA-SHA2-192s ''; do
        ks ca issue device --ca=ca --name=edge --out=none --algorithm="$algorithm"
        fails 2 "--algorithm: '$algorithm' is none of ML-DSA-44, ML-DSA-65, ML-DSA-87, SLH-DSA-SHA2-128s, SLH-DSA-SHA2-128f"
    done
    [ ! -e none ]
}

@test "an operator" {
    ks -q ca new --out=ca
    ks ca issue operator --ca=ca --name=op-1 --out=op
    same status "$status" 0
    [[ $output =~ ^op/operator.pem:\ operator\ certificate\ of\ \'op-1\',\ ML-DSA-65,\ serial\ ([0-9a-f]{32})$ ]]
    serial=${BASH_REMATCH[1]}
    holds ca/crl.pem "ca/issued/$serial.pem" ca/revoked ca/root.key ca/root.pem \
        op/operator.key op/operator.pem op/root.pem
    same "mode of the key" "$(stat -c %a op/operator.key)" 600
    cmp ca/root.pem op/root.pem
    ks ca show op/operator.pem
    same role "$(sed -n 's/^role *//p' <<<"$output")" operator
    ks --json ca show op/operator.pem
    same role "$(jq -r .role <<<"$output")" operator
    ks -q ca revoke --ca=ca "$serial"
    says 0 "ca/crl.pem: list 2, 1 revoked, valid for 30 days" ""
}

@test "what cannot be" {
    ks -q ca new --out=ca
    before=$(find ca -type f -exec sha256sum {} + | sort)

    ks -q ca new --out=ca
    fails 5 "'ca/root.key' exists already"
    ks ca issue server --ca=ca --name=site --out=s
    fails 2 "a server needs at least one --dns or --ip"
    ks ca issue device --ca=ca --name=d --ip=127.0.0.1 --out=s
    fails 2 "--dns and --ip are for servers"
    ks ca issue robot --ca=ca --name=d --out=s
    fails 2 "'robot': expected server, device or operator"
    ks ca issue issuer --ca=ca --name=d --out=s
    fails 2 "'issuer': expected server, device or operator"
    ks ca issue operator --ca=ca --name=o --dns=localhost --out=s
    fails 2 "--dns and --ip are for servers"
    ks ca issue operator --ca=ca --name="o 1" --out=s
    fails 2 "operator id 'o 1': only A-Z a-z 0-9 _ - are allowed"
    ks ca issue device --ca=ca --name=d --days=0 --out=s
    fails 2 "--days: at least 1"
    ks ca issue device --ca=nowhere --name=d --out=s
    same status "$status" 6
    ks -q ca revoke --ca=ca xyz
    fails 2 "'xyz' is no serial number"
    ks -q ca revoke --ca=ca abcd
    fails 6 "ca: issued no certificate abcd"
    [ ! -e s ]
    same "the CA" "$(find ca -type f -exec sha256sum {} + | sort)" "$before"
}

@test "a damaged list of revocations is not written over" {
    ks -q ca new --out=ca
    echo nonsense >>ca/revoked
    before=$(sha256sum ca/revoked ca/crl.pem)
    ks -q ca revoke --ca=ca
    fails 3 "ca/revoked: line 3: expected 'SERIAL TIME'"
    same "files" "$(sha256sum ca/revoked ca/crl.pem)" "$before"
}

@test "show: no certificate" {
    echo nonsense >x.pem
    ks ca show x.pem
    same status "$status" 3
    [[ $stderr == "ketseal: x.pem: "* ]]
    ks ca show missing.pem
    fails 6 "open 'missing.pem': No such file or directory"
}
