#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Files: a failed run leaves none and harms none; outputs appear whole.

# shellcheck disable=SC2154,SC2016 # bats sets stderr; the inner shell expands
load helper

@test "a failed run leaves no output file" {
    ks circuit show missing.qasm --out=out
    same status "$status" 6
    ks circuit show --template=nonsense --out=out
    same status "$status" 2
    ks -q circuit simulate --template=hea --qubits=40 --depth=1 --seed=1 --memory=1 --method=statevector --out=out
    same status "$status" 3
    printf 'OPENQASM 2.0;\nqreg q[1];\nhh q[0];\n' >bad.qasm
    ks circuit show bad.qasm -o out
    same status "$status" 3
    holds bad.qasm
}

@test "a failed run does not touch the file that is there" {
    echo precious >out
    ks circuit show --template=nonsense --out=out
    same status "$status" 2
    same "the file" "$(cat out)" precious
    holds out
}

@test "a good run replaces it whole, and leaves nothing beside it" {
    echo precious >out
    ks circuit show --template=bell --out=out
    says 0 "" ""
    same "first line" "$(head -n 1 out)" "OPENQASM 2.0;"
    holds out
}

@test "the input is never written over, by whatever name" {
    ks circuit show --template=bell --out=a.qasm
    before=$(sha256sum a.qasm)
    ln -s a.qasm link.qasm
    ln a.qasm hard.qasm
    for name in a.qasm ./a.qasm link.qasm hard.qasm; do
        ks circuit show a.qasm "--out=$name"
        fails 2 "'$name' is the input: refusing to write over it"
    done
    same "the input" "$(sha256sum a.qasm)" "$before"
}

@test "an output that cannot be written" {
    ks circuit show --template=bell --out=missing/out
    same status "$((status == 4 || status == 6))" 1
    same "standard output" "$output" ""
    holds
}

@test "the example of a configuration is read to its end: only the TPM is missing" {
    cp "$KS_SOURCE_ROOT"/examples/{ketseal,reference}.yaml .
    ks -q ca new --out=ca
    cp ca/root.pem ca/crl.pem .
    cp ca/root.pem tpm-makers.pem
    sed -i 's|^tpm: .*|tpm: /dev/absent|; s|/var/lib/ketseal|state|' ketseal.yaml
    run --separate-stderr "$KS_BUILD_ROOT/src/server/ketseal-launch" --libexec=. ketseal.yaml
    same "standard output" "$output" ""
    [[ $stderr == *"/dev/absent"* ]] || same "standard error" "$stderr" "… /dev/absent …"
    sed -i 's/required_pcrs: .*/required_pcrs: [0, 4, 14]/' reference.yaml
    run --separate-stderr "$KS_BUILD_ROOT/src/server/ketseal-launch" --libexec=. ketseal.yaml
    same status "$status" 3
    [[ $stderr == *"reference.yaml"*"4"* ]] || same "standard error" "$stderr" "… PCR 4 …"
}

@test "a full standard output is a failure" {
    [ -e /dev/full ] || skip "no /dev/full"
    run --separate-stderr bash -c '"$KETSEAL" circuit show --template=bell >/dev/full'
    says 4 "" "ketseal: cannot write to standard output"
}

@test "- is standard output" {
    ks circuit show --template=bell --out=-
    same status "$status" 0
    same "first line" "${lines[0]}" "OPENQASM 2.0;"
    holds
}
