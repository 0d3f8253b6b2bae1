#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A ketseald that turns hostile once its doors are closed (tests/sandbox/hostile.c) gets no signature, no key and
# no state; the site that it belonged to goes on with an honest one.   hostile.sh BUILD_DIRECTORY
set -euo pipefail
build=$(cd "$1" && pwd)
command -v swtpm >/dev/null || { echo "SKIPPED: no swtpm"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-hostile.XXXXXX")
site=
ketseal=$build/src/cli/ketseal

fail() {
    printf 'hostile: %s\n' "$*" >&2
    tail -n 30 "$work/site.log" >&2 || true
    cat "$work/state/store/report" >&2 || true
    exit 1
}
stop_site() {
    if [ -n "$site" ]; then
        kill -TERM "$site" 2>/dev/null || true
        wait "$site" || true
        site=
    fi
}
trap 'stop_site; rm -rf "$work"' EXIT

cd "$work"
mkdir honest hostile
for program in enclave/ketseal-enclave enclave/ketseal-worker enclave/ketseal-worker-fl; do
    ln -s "$build/src/$program" honest/
    ln -s "$build/src/$program" hostile/
done
ln -s "$build/src/server/ketseald" honest/ketseald
ln -s "$build/tests/sandbox/ketseald-hostile" hostile/ketseald

{
"$ketseal" -q ca new --out ca
"$ketseal" -q ca issue server --ca ca --name site --ip 127.0.0.1 --out server
"$ketseal" -q ca issue device --ca ca --name edge-1 --out device
"$ketseal" -q ca new --out other-ca
"$ketseal" -q ca issue device --ca other-ca --name edge-1 --out other-device
} >ca.log
printf 'site:\n  origin: hostile.example\n  listen: 127.0.0.1:0\n  state: state\ntls:\n  root: server/root.pem\n  certificate: server/server.pem\n  key: server/server.key\nworkers:\n  count: 1\nfl:\n  workers: 1\n  memory_mib: 512\n' >ketseal.yaml

wait_for() { # PATTERN: until the log has it, or the site has ended
    local tries=0
    until grep -q "$1" site.log; do
        kill -0 "$site" 2>/dev/null || return 1
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || return 1
        sleep 0.05
    done
}
signed_head() { # size and root in the last line of 72 bytes
    tail -c 72 state/enclave/heads | head -c 40 | sha256sum
}
start() { # LIBEXEC
    : >site.log
    "$build/src/server/ketseal-launch" --libexec="$work/$1" ketseal.yaml 2>site.log &
    site=$!
}
job() { # NAME
    printf 'https://127.0.0.1:%s\n' "$(cat state/port)" >device/url
    "$ketseal" -q run --device device --template ghz --qubits 3 --shots 100 --seed 5 --out "$1.bundle" ||
        fail "the job $1 failed"
    "$ketseal" verify --policy lab.policy "$1.bundle" >verdict || fail "$1.bundle does not verify"
}

# An honest site first: a head is signed, the device has keys left.
start honest
wait_for event=site.ready || fail "the honest site does not start"
cp state/site.json device/
"$ketseal" policy make --root ca/root.pem --site state/site.json --insecure-simulated-tpm --out lab.policy
job before
stop_site
keys_before=$(sha256sum state/enclave/keys)
heads_before=$(signed_head)

# What an attacker there has seen: a certificate, and the name of a key, of which a later one is not spent.
cp device/device.pem state/store/device.pem
cp other-device/device.pem state/store/foreign.pem
used=$(grep -o '"key_id":"[^"]*"' before.bundle | head -n 1 | cut -d '"' -f 4)
printf '%s.%s' "${used%.*}" "$((${used##*.} + 100))" >state/store/key_id

turn() { # MODE
    rm -f state/store/pids state/store/report
    printf '%s' "$1" >state/store/mode
    start hostile
    wait_for event=enclave.ready || fail "$1: the enclave does not start"
    printf '%s %s\n' "$(pgrep -P "$site" -x ketseal-enclave || pgrep -P "$site" -f '^ketseal-enclave')" "$site" >state/store/.pids
    mv state/store/.pids state/store/pids
}

turn calm
wait_for event=site.ready || fail "calm: ketseald did not get through"
stop_site
report=state/store/report
grep -q '^done$' "$report" || fail "calm: no report"
grep -q 'pids [1-9][0-9]* [1-9][0-9]*, certificates [1-9][0-9]* [1-9][0-9]* bytes, key id [1-9]' "$report" ||
    fail "calm: it knew less than it should"
! grep -E 'OPENED|ACCEPTED|UNANSWERED|UNTRIED|DEAD' "$report" || fail "calm: something was granted"
[ "$(grep -c '^open .* refused Permission denied$' "$report")" -ge 35 ] || fail "calm: files were not tried"
# Landlock is what refuses, also to root: not one is refused for another reason.
! grep '^open ' "$report" | grep -vE 'refused (Permission denied|Is a directory)$' || fail "calm: another refusal"
[ "$(grep -c '^frame .* refused ' "$report")" -ge 70 ] || fail "calm: frames were not tried"
! grep -E '^frame .* refused (INTERNAL|IO|NOMEM|UNAVAILABLE|OK)' "$report" || fail "calm: refused for a wrong reason"
for line in 'checkpoint-shrinks refused DENIED' 'checkpoint-other-root refused DENIED' \
    'checkpoint-grows-proof-3 refused DENIED' 'admit-unsigned refused DENIED.*not signed' \
    'admit-guessed-key refused DENIED: request signature' 'admit-unknown-key refused DENIED' 'admit-foreign-device refused DENIED' \
    'keys-foreign-device refused DENIED' 'keys-other-signer refused DENIED' 'run-unknown refused CONFLICT' \
    'alert-unknown refused NOT_FOUND' 'alert-short refused FORMAT' 'alert-long refused LIMIT' 'alert-empty refused FORMAT' \
    'fl-order-0 refused DENIED' 'fl-order-1 refused DENIED' 'fl-join-1 refused DENIED' 'fl-28-unknown refused NOT_FOUND' \
    'fl-29-unknown refused NOT_FOUND' 'fl-offer-long refused' 'type-22 refused DENIED' 'type-20 refused DENIED'; do
    grep -q "^frame $line" "$report" || fail "calm: no line '$line'"
done
[ "$(grep -c '^enclave lives, signed 2$' "$report")" = 3 ] || fail "calm: the enclave signed or died"

for mode in ptrace read-memory kill kill-launcher tgkill exec fork socket fast-open; do
    turn "$mode"
    wait "$site" && fail "$mode: the site went on"
    site=
    grep -q "^trying $mode$" "$report" || fail "$mode: it did not try"
    ! grep -q SURVIVED "$report" || fail "$mode: it survived"
    grep -Eq 'ketseald ended unexpectedly \(status (31|159)\)' site.log || fail "$mode: SIGSYS did not end it"
    ! grep -q 'the enclave ended unexpectedly' site.log || fail "$mode: the enclave was hit"
done
for mode in oversized cut-short; do
    turn "$mode"
    wait "$site" || true
    site=
    grep -q "^trying $mode$" "$report" || fail "$mode: it did not try"
    ! grep -q ANSWERED "$report" || fail "$mode: it was answered"
done

[ "$(sha256sum state/enclave/keys)" = "$keys_before" ] || fail "the enclave's keys changed"
[ "$(signed_head)" = "$heads_before" ] || fail "the enclave signed another head"

# The same site, with an honest ketseald again.
start honest
wait_for event=site.ready || fail "the site does not start again"
job after
stop_site
echo "hostile: nothing granted"
