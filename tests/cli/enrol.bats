#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Enrolment, as operator and device see it, against a real site with simulated TPMs. The tests stand in the order of a
# device's life: each goes on from the one before.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

time_text='20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\.[0-9]{6}Z'
zone_text='20[0-9]{2}-[0-9]{2}-[0-9]{2}T[0-9:]{8}Z'

setup_file() {
    command -v swtpm_setup >/dev/null || skip "no swtpm_setup"
    site_make || return 1
    "$KETSEAL" -q ca issue operator --ca=ca --name=op-1 --out=op
    echo firmware >firmware.bin
    cat >reference.yaml <<YAML
name: test
tpms: [simulated]
required_pcrs: [14]
programs:
  - {name: ketseal, digest: $(sha256sum "$KETSEAL" | cut -d' ' -f1)}
  - {name: firmware.bin, digest: $(sha256sum firmware.bin | cut -d' ' -f1)}
resets_ahead_max: 1000
restarts_ahead_max: 1000
YAML
    cat >>ketseal.yaml <<'YAML'
enrolment:
  listen: 127.0.0.1:0
devices:
  simulated_ek_roots: state/swtpm-ca/root.pem
  reference: reference.yaml
YAML
    site_start
}

teardown_file() {
    site_stop
}

certify() { # FLAGS
    ks -q site certify --ca="$SITE/ca" --operator="$SITE/op" --url="$(cat "$SITE/url")" \
        --ek-chain="$SITE/state/swtpm-ca/issuing.pem" "$@"
}

token() { # ID FLAGS
    ks -q device token --operator="$SITE/op" --name="$1" --site="$SITE/site.json" --url="$(cat "$SITE/url")" \
        --enrolment-url="https://127.0.0.1:$(cat "$SITE/state/enrolment-port")" "${@:2}"
}

enrol() { # FLAGS
    ks -q device enrol --swtpm-ca="$SITE/state/swtpm-ca" --ek-chain="$SITE/state/swtpm-ca/issuing.pem" \
        --measure="$SITE/firmware.bin" "$@"
}

operator() { # VERB ARGUMENTS
    ks -q device "$1" --operator="$SITE/op" --url="$(cat "$SITE/url")" "${@:2}"
}

# The last command printed one device, tabs between its members.
one_device() { # ID STATE REASON
    same status "$status" 0
    local line
    line=$(printf '^%s\t%s\tsimulated\t%s\t%s$' "$1" "$2" "$time_text" "$3")
    [[ $output =~ $line ]] || same "device" "$output" "$1 $2 … $3"
}

@test "site certify: nothing of a TPM whose maker nobody trusts" {
    certify --ek-roots="$SITE/state/swtpm-ca/root.pem" --out=site.json
    fails 1 "the site says that its TPM is simulated, its endorsement certificate is of a hardware one"
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes -subj /CN=stranger -days 1 \
        -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign \
        -keyout stranger.key -out stranger.pem 2>/dev/null
    certify --insecure-simulated-ek-roots=stranger.pem --out=site.json
    same status "$status" 1
    [[ $stderr == "ketseal: endorsement: "* ]]
    holds stranger.key stranger.pem
    same "certificates of the CA" "$(find "$SITE/ca/issued" -type f | wc -l)" 2
}

@test "site certify" {
    certify --insecure-simulated-ek-roots="$SITE/state/swtpm-ca/root.pem" --days=30 --out="$SITE/site.json"
    says 0 "" ""
    same "document" "$(jq -r '"\(.schema) \(.certificate.tpm) \(.origin)"' "$SITE/site.json")" \
        "ketseal.site/2 simulated test.example/ketseal"
    same "certificates of the CA" "$(find "$SITE/ca/issued" -type f | wc -l)" 3
    jq -r .issuer "$SITE/site.json" | base64 -d >issuer.der
    openssl x509 -inform DER -in issuer.der -outform PEM -out issuer.pem
    ks ca show issuer.pem
    same issuer "$(sed -n 's/^\(role\|subject\|key\) *//p' <<<"$output" | xargs)" "issuer test.example/ketseal ML-DSA-87"
    cmp issuer.pem "$SITE/ca/issued/$(sed -n 's/^serial *//p' <<<"$output").pem"
    # Once more, to standard output.
    ks site certify --ca="$SITE/ca" --operator="$SITE/op" --url="$(cat "$SITE/url")" \
        --insecure-simulated-ek-roots="$SITE/state/swtpm-ca/root.pem" --ek-chain="$SITE/state/swtpm-ca/issuing.pem"
    is_json ketseal.site/2
    [[ $stderr == "challenging the site's TPM
certified: test.example/ketseal, issuer serial kept in $SITE/ca/issued" ]]
    printf '%s\n' "$output" >"$SITE/site.json"
}

@test "device token: a secret in a file of its own" {
    token edge-1 --hours=2 --out=edge-1.token
    says 0 "edge-1.token: enrols device edge-1 at test.example/ketseal, once, within 2 hours" ""
    same "mode" "$(stat -c %a edge-1.token)" 600
    same "schema" "$(jq -r .schema edge-1.token)" ketseal.token/1
    before=$(sha256sum edge-1.token)
    token edge-1 --out=edge-1.token
    same status "$status" 5
    same "the file that is there" "$(sha256sum edge-1.token)" "$before"
    token edge-2 --json -o edge-2.token
    says 0 '{"device":"edge-2","hours":24,"schema":"ketseal.token-made/1"}' ""
    token edge-3 --site=edge-1.token --out=edge-3.token
    same status "$status" 2 # --site twice
    ks device token --operator="$SITE/op" --name=edge-3 --site=edge-1.token --url=https://h:1 --enrolment-url=https://h:2 -o edge-3.token
    same status "$status" 3
    [[ $stderr == "ketseal: edge-1.token: "* ]]
    holds edge-1.token edge-2.token
    cp -p edge-1.token edge-2.token "$SITE/"
}

@test "device enrol: refused, and nothing left but the TPM" {
    jq -c '.grant.statement.device = "edge-9"' "$SITE/edge-1.token" >forged.token
    chmod 600 forged.token
    enrol --device=d --token=forged.token
    same status "$status" 5
    [[ $stderr == "ketseal: site: "* && -z $output ]]
    [ ! -e d/platform.json ] && [ ! -e d/identity.sealed ] && [ ! -e d/device.pem ]
    # The same directory, with a token that is good.
    cp -p "$SITE/edge-2.token" .
    enrol --device=d --token=edge-2.token
    same status "$status" 0
    [ -s d/identity.sealed ]
}

@test "device enrol" {
    enrol --device="$SITE/edge-1" --token="$SITE/edge-1.token"
    same status "$status" 0
    same "standard error" "$stderr" ""
    [[ $output =~ ^enrolled:\ device\ edge-1,\ certificate\ by\ test.example/ketseal\ until\ $zone_text$ ]]
    cd "$SITE/edge-1"
    holds device.pem identity.sealed issuer.pem launch.json platform.json root.pem site.json \
        "$(cd "$SITE/edge-1" && find tpm -type f | LC_ALL=C sort | xargs)" url
    same "modes" "$(stat -c %a identity.sealed platform.json launch.json device.pem | xargs)" "600 600 600 644"
    ks --json ca show device.pem
    same certificate "$(jq -r '"\(.role) \(.subject) \(.issuer)"' <<<"$output")" "device edge-1 test.example/ketseal"

    enrol --device="$SITE/edge-1" --token="$SITE/edge-1.token"
    same status "$status" 5
    [ -s platform.json ] && [ -s identity.sealed ]
    enrol --device=elsewhere --token="$SITE/edge-1.token"
    fails 5 "site: the token was used already"
    [ ! -e elsewhere/platform.json ]
}

@test "device list, show" {
    operator list
    same status "$status" 0
    same "devices" "$(cut -f 1-3 <<<"$output" | tr '\t\n' '  ')" "edge-1 ACTIVE simulated edge-2 ACTIVE simulated "
    operator list --json
    is_json ketseal.device-list/1
    same "devices" "$(jq -r '[.devices[].device] | join(" ")' <<<"$output")" "edge-1 edge-2"
    first=$(jq -cS '.devices[0]' <<<"$output")
    operator show edge-1
    one_device edge-1 ACTIVE ""
    operator show edge-1 --json
    is_json ketseal.device/1
    same "the same device" "$output" "$first"
    operator show nobody
    fails 6 "site: no such device is enrolled"
    ks device list --operator="$SITE/edge-1" --url="$(cat "$SITE/url")"
    same status "$status" 6
    [[ $stderr == *"operator.key"* ]]
}

@test "device reattest" {
    ks -q device reattest --device="$SITE/edge-1"
    same status "$status" 0
    same "standard error" "$stderr" ""
    [[ $'\n'$output == *$'\n'"pass     nonce"$'\n'* && $output == *$'\n'"pass     launch.programs"$'\n'* ]]
    ks device reattest --device="$SITE/edge-1" --json
    same status "$status" 0
    same "canonical form" "$output" "$(jq -cS . <<<"$output")"
    same "verdict" "$(jq -c '[.ketseal_appraisal.passed, .ketseal_appraisal.reference.name]' <<<"$output")" '[true,"test"]'
}

@test "a measured file that changed: the TPM keeps the identity to itself, and names the PCR" {
    cp "$SITE/firmware.bin" good
    echo altered >"$SITE/firmware.bin"
    ks -q run --device="$SITE/edge-1" --template=bell --seed=1 -o bell.bundle
    unsealing=$status says=$stderr
    ks -q device reattest --device="$SITE/edge-1"
    cp good "$SITE/firmware.bin"
    same "status of run" "$unsealing" 5
    [[ $says == *"PCR 14"* ]]
    same "status of reattest" "$status" 5
    holds good
    ks -q run --device="$SITE/edge-1" --template=bell --seed=1 -o bell.bundle
    says 0 "" ""
}

@test "device suspend, resume" {
    operator suspend edge-1 --reason="lost on a train"
    one_device edge-1 SUSPENDED "lost on a train"
    ks -q run --device="$SITE/edge-1" --template=bell --seed=1 -o bell.bundle
    fails 5 "site: device 'edge-1' is SUSPENDED: lost on a train"
    holds
    operator resume edge-1 --json
    is_json ketseal.device/1
    same state "$(jq -r .state <<<"$output")" ACTIVE
    operator resume edge-1
    fails 5 "site: device 'edge-1' is ACTIVE: cannot resume it"
    operator suspend nobody
    fails 6 "site: no device 'nobody' is enrolled"
}

@test "device require-rotation, rotate" {
    operator require-rotation edge-1
    one_device edge-1 PENDING_ROTATION ""
    before=$(sha256sum "$SITE/edge-1/device.pem" "$SITE/edge-1/identity.sealed")
    ks -q device rotate --device="$SITE/edge-1"
    same status "$status" 0
    [[ $output =~ ^rotated:\ device\ edge-1,\ certificate\ by\ test.example/ketseal\ until\ $zone_text$ ]]
    [ "$(sha256sum "$SITE/edge-1/device.pem" "$SITE/edge-1/identity.sealed" | sort)" != "$before" ]
    [ ! -e "$SITE/edge-1/identity.next" ]
    ks -q device rotate --device="$SITE/edge-1" --json
    is_json ketseal.enrolment/1
    same device "$(jq -r '"\(.device) \(.issuer)"' <<<"$output")" "edge-1 test.example/ketseal"
    operator show edge-1
    one_device edge-1 ACTIVE ""
}

@test "device evidence, appraise" {
    ks -q device evidence --device="$SITE/edge-1" --out=evidence
    says 0 "" ""
    operator show edge-1 --json
    printf '%s\n' "$output" >edge-1.json
    ks -q device appraise --reference="$SITE/reference.yaml" --registered=edge-1.json evidence
    same status "$status" 0
    same "first line" "${lines[0]}" "pass     signature"
    [[ $output == *"pass     launch.programs"* && $output != *differs* ]]
    ks device appraise --json --reference="$SITE/reference.yaml" --registered=edge-1.json evidence
    same verdict "$status $(jq -r '"\(.ketseal_appraisal.passed) \(.ketseal_appraisal.tpm)"' <<<"$output")" "0 true simulated"
    ks device appraise --registered=edge-1.json evidence
    fails 2 "--reference: missing"
    ks device appraise --reference="$SITE/reference.yaml" --registered=edge-1.json --nonce=12 evidence
    fails 2 "--nonce: 64 hex digits"
    ks device appraise --reference="$SITE/reference.yaml" --registered=evidence evidence
    same status "$status" 3
    ks device evidence --device=nowhere --out=none
    same status "$status" 6
    [ ! -e none ]
}

@test "device update, where nobody may authorise one" {
    ks device update --device="$SITE/edge-1"
    fails 2 "expected --update-message or --update-signature, one of them"
    ks device update --device="$SITE/edge-1" --update-message=message
    fails 5 "$SITE/edge-1/identity.sealed: it was sealed without an update authority: enrol again with one"
    [ ! -e message ]
}

@test "device revoke, compromise" {
    operator revoke edge-1 --reason=sold
    one_device edge-1 REVOKED sold
    ks -q device reattest --device="$SITE/edge-1"
    fails 5 "site: device 'edge-1' is REVOKED: sold"
    before=$(sha256sum "$SITE/edge-1/device.pem")
    ks -q device rotate --device="$SITE/edge-1"
    fails 5 "site: device 'edge-1' is REVOKED: sold"
    same "the certificate" "$(sha256sum "$SITE/edge-1/device.pem")" "$before"
    # The same TPM may come back with a new token, until it is compromised.
    token edge-1 --out=again.token
    enrol --device="$SITE/edge-1" --token=again.token --again
    same status "$status" 0
    operator compromise edge-1
    one_device edge-1 COMPROMISED ""
    token edge-1 --out=third.token
    enrol --device="$SITE/edge-1" --token=third.token --again
    fails 5 "site: device 'edge-1' is COMPROMISED: its TPM may not come back"
    operator revoke edge-1
    fails 5 "site: device 'edge-1' is COMPROMISED: cannot revoke it"
}
