#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The commands of a device against a real site: launcher, swtpm, enclave, workers, ketseald.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

job_line='^[0-9a-f-]{36} 20[0-9-]+T[0-9:.]+Z (accepted|done)$'

setup_file() {
    site_make || return 1
    "$KETSEAL" -q ca issue device --ca=ca --name=edge-1 --out=device
    site_start
    cp state/site.json device/
    "$KETSEAL" policy make --root=ca/root.pem --site=state/site.json --insecure-simulated-tpm \
        --out=lab.policy
}

teardown_file() {
    site_stop
}

device() { # NOUN VERB ARGUMENTS
    ks -q "$1" "$2" --device="$SITE/device" "${@:3}"
}

@test "before the first job there is nothing" {
    device ledger head
    fails 6 "site: the ledger has no checkpoint yet"
    device ledger prove 0
    fails 6 "site: the ledger has no checkpoint yet"
    device job list
    says 0 "" ""
    device job status 00000000-0000-4000-8000-000000000000
    same status "$status" 6
}

@test "run: kept only when the policy is satisfied" {
    ks run --device="$SITE/device" --template=bell --shots=100 --seed=7 --policy="$SITE/lab.policy" -o bell.bundle
    same status "$status" 0
    same "standard output" "$output" ""
    [[ $stderr == "bell: submitting
00 "*"
sealed: record "*", kept in bell.bundle" ]]
    holds bell.bundle
    jq -c '.tpm = ["hardware"]' "$SITE/lab.policy" >strict.policy
    ks -q run --device="$SITE/device" --template=bell --seed=7 --policy=strict.policy -o no.bundle
    same status "$status" 1
    [[ $stderr == "ketseal: platform.tpm: "* ]]
    holds bell.bundle strict.policy
}

@test "job: submit, wait, status, fetch, list, cancel" {
    device job submit --template=ghz --qubits=3 --shots=10 --seed=1
    same status "$status" 0
    [[ $output =~ $job_line ]]
    id=${output%% *}
    device job wait "$id" --policy="$SITE/lab.policy" --out=a.bundle
    says 0 "" ""
    device job status "$id"
    [[ $output == "$id "*" done" ]]
    device job fetch "$id" --out=b.bundle
    says 0 "" ""
    same "the record" "$(jq -cS .record a.bundle)" "$(jq -cS .record b.bundle)"
    same "outcomes" "$(jq -r '.record.core.execution.result_summary | keys | join(" ")' a.bundle)" "000 111"
    ks --json job status --device="$SITE/device" "$id"
    is_json ketseal.job-state/1
    same state "$(jq -r '"\(.id) \(.state) \(.device)"' <<<"$output")" "$id done edge-1"
    device job cancel "$id"
    fails 5 "site: the job is not running"

    device job submit --template=bell --seed=2
    second=${output%% *}
    device job wait "$second" --out=c.bundle
    ks --json job list --device="$SITE/device" --limit=1
    is_json ketseal.job-list/1
    first_page=$(jq -r '.jobs[].id' <<<"$output")
    ks --json job list --device="$SITE/device" --limit=200 --after="$(jq -r .next <<<"$output")"
    is_json ketseal.job-list/1
    same "pages" "$(jq -r --arg a "$first_page" '[.jobs[].id | select(. == $a)] | length' <<<"$output")" 0
    device job list
    for job in "$id" "$second" "$first_page"; do
        [[ $output == *"$job"* ]]
    done
}

@test "job: the same idempotency key is the same job" {
    device job submit --template=bell --seed=1 --idempotency-key=once
    first=${output%% *}
    device job wait "$first" --out=a.bundle
    device job submit --template=bell --seed=1 --idempotency-key=once
    same "id" "${output%% *}" "$first"
}

@test "job: a program that is refused, with the site's own words" {
    printf 'OPENQASM 2.0;\nqreg q[1];\nhh q[0];\n' >bad.qasm
    device job submit bad.qasm --seed=1
    same status "$status" 0
    id=${output%% *}
    device job wait "$id" --out=x.bundle
    same status "$status" 3
    [[ $stderr == "ketseal: site: "*"3:1: "* ]]
    device job status "$id"
    [[ $output == "$id "*" failed: "*"3:1: "* ]]
    holds bad.qasm
}

@test "job wait: gives up, cancel ends" {
    device job submit --template=rqc --qubits=22 --depth=400 --shots=1 --seed=1
    id=${output%% *}
    device job wait "$id" --timeout=0 --out=x.bundle
    fails 4 "job $id has not ended within 0 s"
    for _ in $(seq 100); do
        device job cancel "$id"
        [ "$status" -ne 0 ] || break
        sleep 0.05
    done
    says 0 "$id cancelling" ""
    device job wait "$id" --timeout=60 --out=x.bundle
    [ "$status" -ne 0 ]
    device job status "$id"
    [[ $output == "$id "*" cancelled"* ]]
    holds
}

@test "ledger: head, prove, check" {
    device ledger check
    same status "$status" 0
    [[ $output == *"test.example/ketseal: "*" entries, root "* ]]
    ks --json ledger head --device="$SITE/device"
    is_json ketseal.ledger-head/1
    size=$(jq .size <<<"$output")
    ks --json ledger prove --device="$SITE/device" "$((size - 1))" --out=last.proof
    is_json ketseal.ledger-prove/1
    same "schema of the entry" "$(jq -r .entry.schema <<<"$output")" ketseal.entry/1
    same "proof" "$(sed -n 1,2p last.proof | xargs)" "c2sp.org/tlog-proof@v1 index $((size - 1))"
    device ledger prove "$size"
    fails 6 "the ledger has $size entries, none of index $size yet"
    ks -q run --device="$SITE/device" --template=bell --seed=1 -o x.bundle
    ks --json ledger check --device="$SITE/device"
    is_json ketseal.ledger-check/1
    same "growth" "$(jq -c '[.consistent, .old_size]' <<<"$output")" "[true,$size]"
}

@test "device attest: a simulated TPM only when told so; a pinned launch that differs is refused" {
    device device attest
    same status "$status" 1
    [[ $stderr == "ketseal: platform.tpm: "* ]]
    device device attest --insecure-simulated-tpm
    same status "$status" 0
    [[ $output == "attested: test.example/ketseal, "* ]]
    ks --json device attest --device="$SITE/device"
    same status "$status" 1
    is_json ketseal.attest/1
    same verdicts "$(jq -r '[.checks[].state] | join(" ")' <<<"$output")" "fail pass pass pass"

    cp -r "$SITE/device" other
    digest=$(jq -r '.event_log.events[0].digest' other/site.json)
    sed -i "s/$digest/${digest//[0-4]/5}/" other/site.json
    ks --json device attest --device=other --insecure-simulated-tpm
    same status "$status" 1
    same failed "$(jq -r '.checks | to_entries[] | select(.value.state == "fail") | .key' <<<"$output")" quote.pcr
}

@test "ledger check: state of another site, a fork and a rollback are shouted" {
    device ledger check
    same status "$status" 0
    before=$(cat "$SITE/device/state/ledger-head")

    # The site loses what it sealed from here on, and seals something else.
    site_stop
    cp -r "$SITE/state" "$SITE/copy"
    site_start
    ks -q run --device="$SITE/device" --template=bell --seed=1 -o a.bundle
    says 0 "" ""
    device ledger check
    same status "$status" 0
    kept=$(cat "$SITE/device/state/ledger-head")
    [ "$kept" != "$before" ]
    site_stop
    rm -rf "$SITE/state"
    mv "$SITE/copy" "$SITE/state"
    site_start

    device ledger check
    same status "$status" 1
    [[ $stderr == "ketseal: FORK: "*"entries and now shows"* ]]
    same "evidence kept" "$(cat "$SITE/device/state/ledger-head")" "$kept"
    ks -q run --device="$SITE/device" --template=bell --seed=2 -o b.bundle
    same status "$status" 0
    ks --json ledger check --device="$SITE/device"
    same status "$status" 1
    is_json ketseal.ledger-check/1
    same verdict "$(jq .consistent <<<"$output")" false
    [ -s "$SITE/device/state/ledger-fork" ]
    same "evidence kept" "$(cat "$SITE/device/state/ledger-head")" "$kept"
}

@test "a revoked device is turned away" {
    serial=$("$KETSEAL" --json ca show "$SITE/device/device.pem" | jq -r .serial)
    "$KETSEAL" -q ca revoke --ca="$SITE/ca" "$serial"
    site_stop
    site_start
    device job list
    [ "$status" -eq 4 ] || [ "$status" -eq 5 ]
    same "standard output" "$output" ""
}
