#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Usage errors: one line that names the flag, status 2, nothing on standard output, nothing written.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

@test "no command" {
    ks
    fails 2 "no command; try ketseal --help"
}

@test "unknown noun, unknown verb, verb missing" {
    ks nonsense
    fails 2 "'nonsense': no such command; try ketseal --help"
    ks circuit nonsense
    fails 2 "'circuit nonsense': no such command; try ketseal --help"
    ks circuit
    fails 2 "'circuit': no such command; try ketseal --help"
}

@test "flags: unknown, without a value, with one too many, twice" {
    ks circuit simulate --nonsense
    fails 2 "--nonsense: no such flag"
    ks circuit simulate -x
    fails 2 "-x: no such flag"
    ks circuit simulate --shots
    fails 2 "--shots: a value is missing"
    ks verify --explain=yes --policy=p b
    fails 2 "--explain takes no value"
    ks circuit simulate --shots=1 --shots=2
    fails 2 "--shots was given twice"
}

@test "numbers: no digits, a sign, too large, nothing" {
    for value in x -1 +1 1.0 0x10 10000001 18446744073709551616 ''; do
        ks circuit simulate --template=bell "--shots=$value"
        fails 2 "--shots: '$value' is no number from 0 to 10000000"
    done
    ks circuit simulate --template=bell --shots=0
    fails 2 "--shots: at least 1"
    ks circuit simulate --template=bell --seed=9007199254740992
    fails 2 "--seed: '9007199254740992' is no number from 0 to 9007199254740991"
    ks circuit simulate --template=bell --seed=1 --threads=0
    fails 2 "--threads: at least 1"
    ks circuit simulate --template=bell --seed=1 --memory=0
    fails 2 "--memory: at least 1"
}

@test "names: precision, kernels" {
    ks circuit simulate --template=bell --seed=1 --precision=half
    fails 2 "--precision: single or double, not 'half'"
    ks circuit simulate --template=bell --seed=1 --kernels=best
    fails 2 "--kernels: scalar, avx2, avx512 or neon, not 'best'"
}

@test "operands: missing, one too many, after --" {
    ks verify --policy=p
    fails 2 "missing operand: BUNDLE"
    ks verify --policy=p a b
    fails 2 "'b': one operand too many"
    ks circuit show a -- --out
    fails 2 "'--out': one operand too many"
}

@test "a required flag is missing" {
    ks verify bundle
    fails 2 "--policy: missing"
    ks ca new
    fails 2 "--out: missing"
    ks ca revoke
    fails 2 "--ca: missing"
}

@test "program: neither or both" {
    ks circuit show
    fails 2 "expected a file or --template, one of them"
    ks circuit show --template=bell file.qasm
    fails 2 "expected a file or --template, one of them"
}

@test "what a device needs is asked for before anything is sent" {
    mkdir d
    ks job status --device=d 00000000-0000-4000-8000-000000000000
    fails 2 "url: missing, and there is no d/url"
    ks job status --device=d not-an-id
    fails 2 "'not-an-id' is no job id"
    ks job list --device=d --limit=0
    fails 2 "--limit: at least 1"
    ks job list --device=d --after=x
    fails 2 "--after: 'x' is no job id"
    ks ledger prove --device=d x
    fails 2 "'x' is no index"
    ks ledger prove --device=d --out=- 1
    fails 2 "--out: standard output is for the entry; name a file for the proof"
    ks --json run --device=d --template=bell --seed=1
    same "standard error" "$stderr" \
        '{"detail":"--json prints a summary: say with --out where the bundle goes","error":"USAGE","schema":"ketseal.error/1"}'
    same status "$status" 2
    holds
}

@test "enrolment and orders: what can be said before anything is read or sent is" {
    local token=(device token --operator=op --name=edge-1 --site=site.json --enrolment-url=https://h:1 --url=https://h:2)
    ks "${token[@]}" --out=-
    fails 2 "--out: a token is a secret: name a file, it gets mode 0600"
    ks "${token[@]}" --out=t --hours=0
    fails 2 "--hours: at least 1"
    ks "${token[@]}" --out=t --hours=25
    fails 2 "--hours: '25' is no number from 0 to 24"
    ks device token --name='edge 1' --site=site.json --enrolment-url=https://h:1 --url=https://h:2 --out=t
    fails 2 "--name: 'edge 1' is no device id"
    ks device token --name=edge-1 --site=site.json --enrolment-url=h:1 --url=https://h:2 --out=t
    fails 2 "--enrolment-url: 'h:1' is not https://host:port"
    ks device token --name=edge-1 --site=site.json --enrolment-url=https://h:1 --url=h:2 --out=t
    fails 2 "--url: 'h:2' is not https://host:port"
    ks device enrol --device=d
    fails 2 "--token: missing"
    ks device enrol --device=d --token=t --ek=dsa
    fails 2 "--ek: rsa or ecc, not 'dsa'"
    for verb in show suspend resume revoke compromise require-rotation; do
        ks device "$verb" --url=https://h:2
        fails 2 "missing operand: ID"
        ks device "$verb" edge-1
        fails 2 "--url: missing"
        ks device "$verb" --url=https://h:2 'edge 1'
        fails 2 "'edge 1' is no device id"
    done
    ks device revoke --url=https://h:2 --reason="$(printf '%0201d' 0)" edge-1
    fails 2 "--reason: over 200 bytes"
    ks site certify --ca=ca --url=https://h:2
    fails 2 "--ek-roots: whom do you trust to make TPMs?"
    ks site certify --ca=ca --url=https://h:2 --days=0
    fails 2 "--days: at least 1"
    holds
}

@test "--json: a failure is one object on standard error" {
    ks --json circuit simulate --shots
    says 2 "" '{"detail":"--shots: a value is missing","error":"USAGE","schema":"ketseal.error/1"}'
    ks circuit show --json missing.qasm
    says 6 "" '{"detail":"open '"'missing.qasm'"': No such file or directory","error":"NOT_FOUND","schema":"ketseal.error/1"}'
}

@test "--json: what is not UTF-8 cannot be said in JSON" {
    ks --json circuit check $'\xff'
    says 2 "" '{"detail":"--json: argument 4 is not UTF-8","error":"USAGE","schema":"ketseal.error/1"}'
    ks circuit check $'\xff\x1b[2J'
    fails 6 "open '??[2J': No such file or directory"
}

@test "ketseal-verify: usage" {
    run --separate-stderr "$KETSEAL_VERIFY"
    says 2 "" "ketseal-verify: expected POLICY and BUNDLE"
    run --separate-stderr "$KETSEAL_VERIFY" --loud a b
    says 2 "" "ketseal-verify: --loud: no such flag"
    run --separate-stderr "$KETSEAL_VERIFY" - -
    says 2 "" "ketseal-verify: policy and bundle cannot both be standard input"
    run --separate-stderr "$KETSEAL_VERIFY" --json --checks
    says 2 "" "ketseal-verify: --checks: no such flag"
}

@test "ketseal-verify --checks lists what a verdict has, in the order of --explain" {
    local bundles=$KS_SOURCE_ROOT/tests/vectors/bundle/4
    "$KETSEAL_VERIFY" --checks >checks.json
    "$KETSEAL_VERIFY" --explain "$bundles/lab.policy" "$bundles/bell.bundle" >explained
    diff <(jq -r '.checks[].name' checks.json) <(sed -n 's/^\(pass\|fail\|not-run\) *\([^: ]*\).*/\2/p' explained)
    diff <(jq -r '.checks[].not_proved' checks.json) <(sed -n 's/^ *not proved  //p' explained)
    diff <(jq -r '.checks[].name' checks.json | sort) \
        <("$KETSEAL_VERIFY" --json "$bundles/lab.policy" "$bundles/bell.bundle" | jq -r '.checks | keys[]' | sort)
    [ "$(jq -cS . checks.json)" = "$(cat checks.json)" ]
}

@test "the verifiers read no configuration of OpenSSL" {
    local bundles=$KS_SOURCE_ROOT/tests/vectors/bundle/1
    # It activates one provider, which is not there, and thereby leaves out the default one.
    printf '%s\n' 'openssl_conf = all' '[all]' 'providers = list' '[list]' 'other = it' '[it]' \
        "module = $PWD/absent.so" 'activate = 1' >openssl.cnf
    export OPENSSL_CONF=$PWD/openssl.cnf
    run --separate-stderr "$KETSEAL_VERIFY" "$bundles/lab.policy" "$bundles/bell.bundle"
    [[ $status -eq 0 && $output == verified:* && -z $stderr ]]
    ks verify --policy "$bundles/lab.policy" "$bundles/bell.bundle"
    [[ $status -eq 0 && $output == verified:* && -z $stderr ]]
}
