#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# verify, replay, record show and hash on the committed bundles: they are accepted for ever.

# shellcheck disable=SC2154,SC2030,SC2031 # bats sets status, output, stderr, of each test alone
load helper

bundles=$KS_SOURCE_ROOT/tests/vectors/bundle/1
numerics=$(awk '/^#define KS_NUMERICS / { print $3 }' "$KS_SOURCE_ROOT/include/ketseal/circuit.h")

forge() { # a count more, in a well-formed bundle
    sed 's/"shots":2000/"shots":2001/' "$bundles/bell.bundle" >forged.bundle
}

@test "verify: accepted, with and without JSON, by both programs" {
    for bundle in "$bundles"/*.bundle; do
        ks verify --policy="$bundles/lab.policy" "$bundle"
        same status "$status" 0
        same "standard error" "$stderr" ""
        [[ $output == "verified: record "* ]]
        first=$output
        run --separate-stderr "$KETSEAL_VERIFY" "$bundles/lab.policy" "$bundle"
        says 0 "$first" ""
        ks --json verify --policy="$bundles/lab.policy" "$bundle"
        is_json ketseal.verify/1
        same verified "$(jq .verified <<<"$output")" true
        first=$output
        run --separate-stderr "$KETSEAL_VERIFY" --json "$bundles/lab.policy" - <"$bundle"
        says 0 "$first" ""
    done
}

@test "verify --explain: each check with what it covers, stops, and does not prove" {
    ks verify --explain --policy="$bundles/lab.policy" "$bundles/bell.bundle"
    same status "$status" 0
    checks=$(grep -cE '^(pass|fail|not-run) ' <<<"$output")
    for word in covers stops 'not proved'; do
        same "$word" "$(grep -cE "^ +$word " <<<"$output")" "$checks"
    done
    same failed "$(grep -c '^fail' <<<"$output" || true)" 0
}

@test "verify: a forged bundle is refused with its reason" {
    forge
    ks verify --policy="$bundles/lab.policy" forged.bundle
    same status "$status" 1
    same "standard output" "$output" ""
    same "lines of error" "$(wc -l <<<"$stderr")" 1
    ks --json verify --policy="$bundles/lab.policy" forged.bundle
    same status "$status" 1
    same "standard error" "$stderr" ""
    is_json ketseal.verify/1
    same verified "$(jq .verified <<<"$output")" false
    [ "$(jq -r '.checks[.failed].state' <<<"$output")" = fail ]
}

@test "verify, bundle show: a bundle with an anchor and a time stamp" {
    local anchored=$KS_SOURCE_ROOT/tests/vectors/bundle/anchored
    ks verify --explain --policy="$anchored/lab.policy" "$anchored/bell.bundle"
    same status "$status" 0
    for check in anchor.proof anchor.canonical timestamp; do
        same "$check" "$(grep -c "^pass     $check$" <<<"$output")" 1
    done
    run --separate-stderr "$KETSEAL_VERIFY" --json "$anchored/lab.policy" "$anchored/bell.bundle"
    same status "$status" 0
    is_json ketseal.verify/1
    # its policy demands what a bundle of version 1 has not
    ks verify --policy="$anchored/lab.policy" "$KS_SOURCE_ROOT/tests/vectors/bundle/4/bell.bundle"
    fails 1 "anchor.proof: required by the policy, but not run: the bundle has no anchor"
    ks --json bundle show "$anchored/bell.bundle"
    same status "$status" 0
    is_json ketseal.bundle-show/1
    same version "$(jq .version <<<"$output")" 2
    same "key of the device" "$(jq -r .device_key <<<"$output")" ML-DSA-65
    same chain "$(jq .anchor.chain_id <<<"$output")" 31337
    same signer "$(jq -r .timestamp.signer <<<"$output")" "CN = stamper"
    same bytes "$(jq .bytes <<<"$output")" "$(stat -c %s "$anchored/bell.bundle")"
    ks bundle show "$KS_SOURCE_ROOT/tests/vectors/bundle/4/bell.bundle"
    same status "$status" 0
    same "lines of version 1" "$(wc -l <<<"$output")" 5
    [[ $output == *"submission  signed with ML-DSA-65"* ]]
}

@test "bundle complete: on the checkpoint of a proof, and nothing false" {
    local here=$KS_SOURCE_ROOT/tests/vectors/bundle/4 anchored=$KS_SOURCE_ROOT/tests/vectors/bundle/anchored
    # nothing new: the same bytes, from both versions
    ks -q bundle complete --policy="$here/lab.policy" --out=same.bundle "$here/bell.bundle"
    says 0 "" ""
    cmp same.bundle "$here/bell.bundle"
    ks -q bundle complete --policy="$anchored/lab.policy" --out=same.bundle "$anchored/bell.bundle"
    says 0 "" ""
    cmp same.bundle "$anchored/bell.bundle"
    # proofs as `ledger prove` writes them
    for which in path:index:proof intent_path:intent:intent; do
        IFS=: read -r path index name <<<"$which"
        {
            echo c2sp.org/tlog-proof@v1
            if [ "$index" = index ]; then
                echo "index $(jq .ledger.index "$here/bell.bundle")"
            else
                echo "index $(jq .record.core.ledger.intent "$here/bell.bundle")"
            fi
            jq -r ".ledger.${path}[]" "$here/bell.bundle" | while read -r hash; do xxd -r -p <<<"$hash" | base64; done
            echo
            jq -rj .ledger.checkpoint "$here/bell.bundle"
        } >"$name"
    done
    ks -q bundle complete --policy="$here/lab.policy" --proof=proof --intent-proof=intent --out=same.bundle "$here/bell.bundle"
    says 0 "" ""
    cmp same.bundle "$here/bell.bundle"
    ks bundle complete --policy="$here/lab.policy" --proof=intent --intent-proof=proof "$here/bell.bundle"
    same status "$status" 1
    [[ $stderr == *"is of entry "* ]]
    ks bundle complete --policy="$here/lab.policy" --proof=proof "$here/bell.bundle"
    fails 2 "--proof and --intent-proof go together"
    jq -rj .ledger.checkpoint "$here/wide.bundle" >other.note
    ks bundle complete --policy="$here/lab.policy" --checkpoint=other.note "$here/bell.bundle"
    fails 2 "other.note is of another tree than the bundle's: it takes --proof and --intent-proof, --from or --fetch"
    ks bundle complete --policy="$here/lab.policy" --checkpoint=other.note --proof=proof --intent-proof=intent "$here/bell.bundle"
    fails 1 "proof leads to another checkpoint"
    # more is demanded than there is: said, and kept
    ks bundle complete --policy="$anchored/lab.policy" --out=early.bundle "$here/bell.bundle"
    says 0 "" "not complete yet: anchor.proof: required by the policy, but not run: the bundle has no anchor"
    cmp early.bundle "$here/bell.bundle"
    holds early.bundle intent other.note proof same.bundle
}

@test "verify: a site that its root has certified" {
    local certified=$KS_SOURCE_ROOT/tests/vectors/bundle/3
    ks verify --policy="$certified/lab.policy" --explain "$certified/bell.bundle"
    same status "$status" 0
    [[ $output == *"pass     platform.site"* ]]
    jq -c '.site.certificate.issued_at = "2026-12-01T00:00:00.000000Z"' "$certified/lab.policy" >other.policy
    ks verify --policy=other.policy "$certified/bell.bundle"
    same status "$status" 1
    [[ $stderr == "ketseal: platform.site: site certificate: "* ]]
    # A policy that pins it and does not demand the check finds the falsehood all the same.
    jq -c '.require -= ["platform.site"]' other.policy >lenient.policy
    ks verify --policy=lenient.policy "$certified/bell.bundle"
    same status "$status" 1
    # Without a certificate there is nothing to check.
    ks verify --policy="$bundles/lab.policy" --explain "$bundles/bell.bundle"
    [[ $output == *"not-run  platform.site: "* ]]
}

@test "verify, record show and replay: every method of schema ketseal-3" {
    local today=$KS_SOURCE_ROOT/tests/vectors/bundle/4
    for bundle in "$today"/*.bundle; do
        method=$(jq -r .record.core.execution.method.name "$bundle")
        ks verify --policy="$today/lab.policy" "$bundle"
        same status "$status" 0
        [[ $output == *", by $method"* ]]
        ks --json verify --policy="$today/lab.policy" "$bundle"
        [[ $(jq -r .method <<<"$output") == "$method"* ]]
        same "key source" "$(jq -r .key_source <<<"$output")" kem
        ks record show "$bundle"
        [[ $output == *"
method       $method, numerics "* && $output == *"
key source   kem, asked for kem
"* ]]
        # Of a numerics that is no more there is no replay, and for the others there is another test.
        [ "$method" != statevector ] || [ "$(jq .record.core.execution.numerics "$bundle")" -eq "$numerics" ] || continue
        ks -q replay --threads=2 "$bundle"
        same status "$status" 0
        [[ $output == "replayed: "*" bit for bit the same ($method, "* ]]
        ks --json replay "$bundle"
        same replayed "$(jq -c '[.method, .replayed]' <<<"$output")" "[\"$method\",true]"
    done
    # Settings and noise are the record's: with others it is another run.
    sed -E 's/"depolarizing":0.05/"depolarizing":0.25/g; s/"numerics":[0-9]+,/"numerics":'"$numerics"',/' \
        "$today/noisy.bundle" >forged.bundle
    ks -q replay forged.bundle
    fails 1 "the outcomes differ from the record's"
}

@test "verify, record show, replay and compare: three SDKs of schema ketseal-4" {
    local sdks=$KS_SOURCE_ROOT/tests/vectors/bundle/5
    unset KETSEAL_ADAPTERS
    for sdk in qiskit cirq; do
        ks verify --policy="$sdks/lab.policy" "$sdks/$sdk.bundle"
        same status "$status" 0
        [[ $output == *", by $sdk "* ]]
        ks record show "$sdks/$sdk.bundle"
        [[ $output == *"
sdk          $sdk $(jq -r .record.core.workload.sdk_version "$sdks/$sdk.bundle"), backend "* ]]
        ks -q replay "$sdks/$sdk.bundle"
        same status "$status" 7
        [[ $output == "could not tell bit for bit: $sdk "*" ran it
statistically consistent at 1e-6: 2000 shots "* ]]
        ks --json replay "$sdks/$sdk.bundle"
        same replay "$(jq -c '[.sdk, .verdict, has("recorded_numerics")]' <<<"$output")" "[\"$sdk\",\"consistent\",false]"
        ks -q compare --policy="$sdks/lab.policy" "$sdks/native.bundle" "$sdks/$sdk.bundle"
        same status "$status" 0
        [[ $output == "ketseal (statevector), 2000 shots, verification pass
$sdk "*"
consistent: one false alarm in 1000000" ]]
    done
    # Counts that were drawn from another circuit, in a record that hides it: here, a digest that fits.
    jq -cS '.record.core.execution.result_summary = {"00000": 1900, "11111": 100}' "$sdks/cirq.bundle" >other.json
    digest=$(jq -cSj .record.core.execution.result_summary other.json | sha256sum | cut -d' ' -f1)
    jq -cS --arg digest "$digest" '.record.core.execution.result_digest = $digest' other.json >other.bundle
    ks -q compare "$sdks/native.bundle" other.bundle
    fails_with 1 "ketseal: differ: the second against the circuit's distribution: "
    ks -q compare --policy="$sdks/lab.policy" "$sdks/native.bundle" other.bundle
    fails_with 1 "ketseal: unverified: other.bundle does not verify: signature.ed25519: "
    ks -q --json compare "$sdks/native.bundle" other.bundle
    same status "$status" 1
    same verdict "$(jq -r .verdict <<<"$output")" differ
    ks -q compare "$sdks/native.bundle" "$bundles/bell.bundle"
    fails_with 4 "ketseal: could not tell: they are of two circuits"
    ks -q compare --policy=a --policy=b --policy=c "$sdks/native.bundle" "$sdks/cirq.bundle"
    fails_with 2 "ketseal: --policy: one for both bundles, or one for each"
}

# The result, and how standard error begins.
fails_with() { # STATUS BEGINNING
    same status "$status" "$1"
    [[ $stderr == "$2"* ]]
}

@test "verify: no bundle, no policy" {
    echo '{}' >empty
    ks verify --policy="$bundles/lab.policy" empty
    same status "$status" 1
    ks verify --policy=empty "$bundles/bell.bundle"
    same status "$status" 3
    [[ $stderr == "ketseal: empty: policy: "* ]]
    ks verify --policy=missing "$bundles/bell.bundle"
    fails 6 "open 'missing': No such file or directory"
    ks verify --policy="$bundles/lab.policy" missing
    fails 6 "open 'missing': No such file or directory"
}

@test "record hash: SHA-256 of the canonical core" {
    for bundle in "$bundles"/*.bundle; do
        want=$(jq -cSj .record.core "$bundle" | sha256sum | cut -d' ' -f1)
        ks record hash "$bundle"
        says 0 "$want" ""
        ks --json record hash - <"$bundle"
        is_json ketseal.record-hash/1
        same hash "$(jq -r .record_hash <<<"$output")" "$want"
    done
}

@test "record show: the core as it was hashed, and for people" {
    ks --json record show "$bundles/bell.bundle"
    same status "$status" 0
    is_json ketseal.record-show/1
    same core "$(jq -cS .core <<<"$output")" "$(jq -cS .record.core "$bundles/bell.bundle")"
    ks record show "$bundles/bell.bundle"
    same status "$status" 0
    same "the last line" "${lines[-1]}" "(read, not verified: ketseal verify)"
    while read -r outcome count; do
        [[ $output == *"
$outcome $count
"* ]]
    done < <(jq -r '.record.core.execution.result_summary | to_entries[] | "\(.key) \(.value)"' \
        "$bundles/bell.bundle")
}

@test "record: what is no bundle" {
    head -c 1000 "$bundles/bell.bundle" >short.bundle
    for verb in show hash; do
        ks record "$verb" short.bundle
        same status "$status" 3
        [[ $stderr == "ketseal: short.bundle: "* ]]
    done
}

# What these three counted is the same under numerics 3, so their twins of today can be had by the number.
@test "replay: bit for bit, whatever the kernels and threads" {
    for bundle in bell clifford qft16; do
        sed 's/"numerics":1,/"numerics":3,/' "$bundles/$bundle.bundle" >today.bundle
        for arguments in --kernels=scalar --threads=2; do
            ks -q replay "$arguments" today.bundle
            same status "$status" 0
            [[ $output == "replayed: "*" bit for bit the same "* ]]
        done
    done
    sed 's/"numerics":1,/"numerics":3,/' "$bundles/bell.bundle" >today.bundle
    ks --json replay --kernels=scalar today.bundle
    is_json ketseal.replay/1
    same replayed "$(jq -c '[.kernels, .replayed]' <<<"$output")" '["scalar",true]'
}

# A bundle of numerics 1 whose counts were changed by a filter of jq, digest and all; of what no replay looks at,
# the signatures, nothing is true any more.
tampered() { # BUNDLE FILTER
    local summary
    summary=$(jq -cS ".record.core.execution.result_summary | $2" "$1")
    jq -cS --argjson summary "$summary" --arg digest "$(printf %s "$summary" | sha256sum | cut -d' ' -f1)" \
        '.record.core.execution |= (.result_summary = $summary | .result_digest = $digest)' "$1" >tampered.bundle
}

inconsistent() { # REASON BUNDLE FILTER
    tampered "$2" "$3"
    ks -q replay tampered.bundle
    same "status of $3" "$status" 1
    same "standard output" "$output" ""
    [[ $stderr == "ketseal: statistically inconsistent at 1e-6: $1"* ]] || { echo "$stderr" >&2; false; }
    ks --json replay tampered.bundle
    same status "$status" 1
    same "standard error" "$stderr" ""
    is_json ketseal.replay/1
    same verdict "$(jq -c '[.verdict, .replayed, .statistics.one_false_alarm_in]' <<<"$output")" '["inconsistent",false,1000000]'
}

@test "replay: a record of other numerics is consistent, or it is not" {
    for bundle in bell clifford qft16; do
        ks -q replay "$bundles/$bundle.bundle"
        same status "$status" 7
        [[ ${lines[0]} == "could not tell bit for bit: the record's numerics is 1, this version computes $numerics" ]]
        [[ ${lines[1]} == "statistically consistent at 1e-6: "* ]]
        ks --json replay "$bundles/$bundle.bundle"
        same status "$status" 7
        is_json ketseal.replay/1
        same verdict "$(jq -c '[.verdict, .replayed, .numerics, .recorded_numerics, .statistics.against]' <<<"$output")" \
            "[\"consistent\",false,$numerics,1,\"probabilities\"]"
    done
    # 300 of 2,000 shots moved from one outcome to the other; an outcome that cannot be; a state that is another.
    inconsistent 'the total variation distance' "$bundles/bell.bundle" '.["00"] -= 300 | .["11"] += 300'
    inconsistent 'one outcome is too often' "$bundles/bell.bundle" '.["00"] -= 30 | .["01"] = 30'
    inconsistent 'the total variation distance' "$bundles/clifford.bundle" '{"0000": 2000}'
    inconsistent 'one outcome is too often' "$bundles/qft16.bundle" '{"0000000000000000": 1000}'
    # A bit that is stuck, though each outcome is rare.
    inconsistent 'bit 5 is odd in 0 of the shots, not 0.5' "$bundles/qft16.bundle" \
        'to_entries | map(.key |= .[0:10] + "0" + .[11:]) | group_by(.key) | map({key: .[0].key, value: (map(.value) | add)}) | from_entries'
}

@test "replay: against a fresh sample, by every method and under noise" {
    local today=$KS_SOURCE_ROOT/tests/vectors/bundle/4
    for bundle in noisy wide w40 line named; do
        sed -E 's/"numerics":[0-9]+,/"numerics":99,/' "$today/$bundle.bundle" >other.bundle
        ks --json replay other.bundle
        same "status of $bundle" "$status" 7
        same verdict "$(jq -c '[.verdict, .recorded_numerics, .statistics.against]' <<<"$output")" \
            '["consistent",99,"sample"]'
    done
    sed -E 's/"numerics":[0-9]+,/"numerics":99,/' "$today/noisy.bundle" >other.bundle
    inconsistent 'one outcome is too often' other.bundle '.["00"] += .["01"] | del(.["01"])'
    # What cannot be run here cannot be told.
    sed -E 's/"numerics":[0-9]+,/"numerics":99,/; s/"name":"stabilizer"/"name":"statevector"/' \
        "$today/wide.bundle" >other.bundle
    ks -q replay other.bundle
    same status "$status" 4
    [[ $stderr == "ketseal: could not tell: the record's numerics is 99, this version computes $numerics, and not even statistically: "*" for 60 qubits "* ]]
}

@test "policy make: whom to believe about anchors and time stamps" {
    local anchored=$KS_SOURCE_ROOT/tests/vectors/bundle/anchored
    local made="policy make --root=root.pem --site=site.json --insecure-simulated-tpm --out=my.policy"
    jq -c .site "$anchored/lab.policy" >site.json
    jq -r .root "$anchored/lab.policy" | sed '/^$/d' >root.pem
    { printf 'Words in no code: \377\n'; jq -r .timestamp.certificates "$anchored/lab.policy"; } >tsa.pem
    jq -cS .anchor "$anchored/lab.policy" | tr -d '\n' >pin
    # shellcheck disable=SC2086 # words
    ks $made --anchor=pin --timestamp-ca=tsa.pem
    says 0 "" ""
    same require "$(jq -c '.require[-3:]' my.policy)" '["anchor.proof","anchor.canonical","timestamp"]'
    same certificates "$(jq -r .timestamp.certificates my.policy | sed '/^$/d')" "$(sed -n '/BEGIN/,/END/p' tsa.pem)"
    ks verify --policy=my.policy "$anchored/bell.bundle"
    same status "$status" 0
    # shellcheck disable=SC2086
    ks $made --timestamp-ca=tsa.pem --timestamp-within=5 --timestamp-policy=1.3.6.1.4.1.99999.1
    says 0 "" ""
    ks verify --policy=my.policy "$anchored/bell.bundle"
    same status "$status" 1
    [[ $stderr == *"where the policy allows 5" ]]
    # shellcheck disable=SC2086
    ks $made --timestamp-ca=root.pem
    says 0 "" ""
    ks verify --policy=my.policy "$anchored/bell.bundle"
    same status "$status" 1
    [[ $stderr == *"timestamp: time stamp: certificate of 'CN = "* ]]
    # shellcheck disable=SC2086
    ks $made --timestamp-within=5
    fails 2 "--timestamp-crl, --timestamp-policy and --timestamp-within need --timestamp-ca"
    # shellcheck disable=SC2086
    ks $made --timestamp-ca=tsa.pem --timestamp-policy=time
    fails 3 "time stamp authorities: policy: 'time' is no object identifier"
    # shellcheck disable=SC2086
    ks $made --timestamp-ca=site.json
    fails 3 "time stamp authorities: certificates: none signed itself: a root is missing"
}

@test "policy make: from the site of a policy, and it verifies what that one did" {
    local first=$bundles bundles=$KS_SOURCE_ROOT/tests/vectors/bundle/2
    jq -c .site "$bundles/lab.policy" >site.json
    jq -r .root "$bundles/lab.policy" | sed '/^$/d' >root.pem
    ks policy make --root=root.pem --site=site.json --out=my.policy
    fails 5 "site.json: this site's TPM is simulated; --insecure-simulated-tpm accepts that"
    [ ! -e my.policy ]
    ks policy make --root=root.pem --site=site.json --insecure-simulated-tpm --out=my.policy
    says 0 "" ""
    ks verify --policy=my.policy "$bundles/bell.bundle"
    same status "$status" 0
    ks policy make --root=root.pem --site=site.json --insecure-simulated-tpm --out=site.json
    fails 2 "'site.json' is the input: refusing to write over it"
    # A policy of today asks for the start quote, which records of the first schema have not.
    jq -c .site "$first/lab.policy" >first.json
    jq -r .root "$first/lab.policy" | sed '/^$/d' >root.pem
    ks policy make --root=root.pem --site=first.json --insecure-simulated-tpm --out=first.policy
    ks verify --policy=first.policy "$first/bell.bundle"
    fails 1 "quote.start: required by the policy, but not run: records of schema ketseal-1 have no start quote"
}
