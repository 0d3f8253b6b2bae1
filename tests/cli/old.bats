#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# record make, verify and hash on records of the schemas 0.1 and qpoe-0.1.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

old=$KS_SOURCE_ROOT/tests/vectors/old

@test "record hash: what Python computed" {
    while read -r file hash; do
        [ "$file" != "#" ] || continue
        ks -q record hash "$old/$file"
        says 0 "$hash" ""
    done < <(grep -v '^#' "$old/hashes.txt")
    ks --json record hash - <"$old/0.1-signed.json"
    is_json ketseal.record-hash/1
    same hash "$(jq -r .record_hash <<<"$output")" "$(sed -n 's/^0.1-signed.json //p' "$old/hashes.txt")"
}

@test "record verify: signed, unsigned, and a circuit that cannot be told" {
    ks record verify "$old/0.1-signed.json"
    says 0 OK ""
    ks record verify - <"$old/0.1-order.json"
    says 0 "OK (unsigned record)" ""
    ks record verify "$old/qpoe-0.1-raw.json"
    same status "$status" 4
    [[ $stderr == *"could not tell: hash and signature hold, the circuit was not checked: "* ]]
    ks --json record verify "$old/qpoe-0.1-raw.json"
    same status "$status" 4
    is_json ketseal.record-verify/1
    same verdict "$(jq -c '[.circuit, .signed, .verified]' <<<"$output")" '["not-run",true,false]'
}

@test "record make: both schemas, verified; changed, refused" {
    for schema in 0.1 qpoe-0.1; do
        ks -q record make --schema="$schema" --framework=native --n-qubits=4 --depth=10 --seed=123 --shots=2000 --out=made.json
        says 0 "" ""
        ks record verify made.json
        says 0 OK ""
        same shots "$(jq '[.execution.result_summary // .results.counts | .[]] | add' made.json)" 2000
        sed 's/"seed": 123/"seed": 124/' made.json >forged.json
        ks record verify forged.json
        fails 1 "forged.json: the hash that it states is not that of its core"
        ks --json record verify forged.json
        same status "$status" 1
        same verified "$(jq .verified <<<"$output")" false
    done
    # The circuit of a record that was signed with another one in it.
    same circuit "$(jq -r .artifacts.circuit_hash made.json)" \
        "sha256:$("$KETSEAL" circuit show --template=clifford_t_sampling --qubits=4 --depth=10 --seed=123 | sha256sum | cut -d' ' -f1)"
}

@test "record make: with a key, and what is wrong with one" {
    head -c 32 /dev/zero | base64 >key
    for flag in --private-key-file=key "--private-key-b64=$(cat key)"; do
        ks -q record make --sdk=native "$flag" --out=made.json
        says 0 "" ""
        same "public key" "$(jq -r .attestation.public_key made.json)" "O2onvM62pC1io6jQKm8Nc2UyFXcd4kOmOsBIoYtZ2ik="
    done
    echo short >key
    ks -q record make --sdk=native --private-key-file=key
    fails 3 "--private-key-file: expected base64 of the 32 bytes of an Ed25519 key"
    ks -q record make --sdk=native --private-key-file=key --private-key-b64=x
    same status "$status" 2
}

@test "record make: flags that fit no run" {
    ks -q record make
    fails 2 "--framework=NAME is required"
    ks -q record make --framework=native --sdk=native
    fails 2 "--framework and --sdk are the same: one of the two"
    ks -q record make --framework=magic
    fails 2 "--framework: expected native, qiskit or cirq, not 'magic'"
    unset KETSEAL_ADAPTERS
    ks -q record make --framework=qiskit
    fails 4 "qiskit runs here with --adapters=DIR or KETSEAL_ADAPTERS, the environment that make adapters has installed"
    ks -q record make --framework=cirq --adapters=nowhere --libexec=.
    fails 6 "open './adapters/cirq.py': No such file or directory"
    ks -q record make --framework=native --schema=0.2
    fails 2 "schema '0.2' is neither 0.1 nor qpoe-0.1"
    ks -q record make --framework=native --n-qubits=2000 --depth=3
    same status "$status" 3
    [[ $stderr == *"qubits"* ]]
}

@test "record verify: what is no old record" {
    ks record verify "$KS_SOURCE_ROOT/tests/vectors/bundle/1/bell.bundle"
    same status "$status" 6
    [[ $stderr == *"no record of schema 0.1 or qpoe-0.1"* ]]
    printf '{"schema":"qpoe-0.1"\n,}' >torn.json
    ks record verify torn.json
    fails 3 "torn.json: 2:2: expected a string"
}
