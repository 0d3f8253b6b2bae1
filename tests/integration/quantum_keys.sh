#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Requests under quantum keys, with a key manager that misbehaves on demand (kme_peer.c): every way in which
# it may fail at either end, what the policy makes of it, and that no key is good twice, whatever is killed.
#
#   quantum_keys.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
# shellcheck source-path=SCRIPTDIR source=peer.sh
. "$(dirname "$0")/peer.sh"
site_begin "$1"
checks=0

# How the manager answers at either end from now on; "" is right.
enc() { printf '%s' "$1" >peer/enc; }
dec() { printf '%s' "$1" >peer/dec; }

# A job of DEVICE runs; its record says SOURCE and POLICY.
runs() { # DEVICE SOURCE POLICY
    rm -f out.bundle
    "$ketseal" run --device "$1" --template bell --shots 10 --seed 1 --out out.bundle >said 2>&1 ||
        { cat said >&2; site_fail "$1 cannot run a job"; }
    "$ketseal" verify --policy lab.policy out.bundle >/dev/null || site_fail "the bundle does not verify"
    got=$(jq -r '.record.core.request | .key_source + " " + .key_policy' out.bundle)
    [ "$got" = "$2 $3" ] || site_fail "$1: keys '$got', expected '$2 $3'"
    checks=$((checks + 1))
}

# A job of DEVICE is refused with exit status EXIT and a line PATTERN.
refused() { # DEVICE EXIT PATTERN
    rc=0
    "$ketseal" -q run --device "$1" --template bell --shots 10 --seed 1 --out out.bundle >said 2>&1 || rc=$?
    if [ "$rc" -ne "$2" ] || ! grep -q -e "$3" said || [ "$(grep -c . said)" -ne 1 ]; then
        cat said >&2
        site_fail "$1: exit status $rc, expected $2 and one line '$3'"
    fi
    checks=$((checks + 1))
}

# No key left at the device: the next request needs its manager.
forget() { rm -f "$1/state/keyring"; }

site_device edge-1
site_device edge-2
peer_begin

# --- every source, and what is refused under each -----------------------------------------------------
for source in etsi014 both; do
    site_more=$(peer_section $source refuse)
    site_start
    peer_device edge-1 $source refuse
    peer_device edge-2 kem refuse
    runs edge-1 $source $source
    if [ $source = etsi014 ]; then
        refused edge-2 5 "this site delivers no keys of its own: it takes quantum keys alone"
    else
        refused edge-2 5 "this site takes keys of source 'both', not 'kem'"
        peer_device edge-2 etsi014 refuse
        refused edge-2 5 "this site takes keys of source 'both', not 'etsi014'"
    fi
    peer_device edge-2 both refuse
    if [ $source = both ]; then
        runs edge-2 both both
    fi
    site_stop
    rm -f edge-1/state/keyring edge-2/state/keyring
done
site_more=
site_start
peer_device edge-1 etsi014 refuse
refused edge-1 5 "site: this site has no key manager"
peer_device edge-1 etsi014 kem
runs edge-1 kem kem
grep -q "no quantum keys, so the site's own are used: site: this site has no key manager" said ||
    { cat said >&2; site_fail "a fall-back is not told"; }
site_stop
forget edge-1

# --- the managers fail: refused, with what happened -----------------------------------------------------
site_more=$(peer_section etsi014 refuse)
site_start
peer_device edge-1 etsi014 refuse
answers() { # how it fails, what is said of it
    cat <<'TABLE'
unavailable|refused (503): 'error on server side'
unauthorized|refused (401): 'unauthorized'
status-500|answered with status 500, and no reason
status-418|answered with status 418, and no reason
status-201|answered with status 201, and no reason
html|did not answer what it was asked for (malformed)
truncated|did not answer what it was asked for (malformed)
empty|did not answer what it was asked for (malformed)
array|did not answer what it was asked for (malformed)
nulls|did not answer what it was asked for (too-few)
no-keys|did not answer what it was asked for (too-few)
short|did not answer what it was asked for (size)
long|did not answer what it was asked for (size)
duplicate-id|did not answer what it was asked for (duplicate)
fewer|did not answer what it was asked for (too-few)
more|did not answer what it was asked for (too-many)
TABLE
}
answers >table
while IFS='|' read -r how text; do
    enc "$how"
    refused edge-1 4 "the device's key manager: it $text"
    enc ''
    dec "$how"
    refused edge-1 4 "site: the site's key manager $text"
    dec ''
done <table
dec stranger
refused edge-1 4 "the site's key manager did not answer what it was asked for (stranger)"
dec duplicate-key
refused edge-1 4 "the site's key manager gave the same key under two key_IDs"
# Both ends believe it, and their keys differ: nothing is accepted, and the second try fails as well.
dec other-key
refused edge-1 5 "not made with this key over this request"
dec slow
refused edge-1 4 "the site's key manager did not answer within 1000 ms"
dec ''
enc slow
refused edge-1 4 "the device's key manager: .*[Tt]ime"
enc ''
sleep 2 # the slow answers are over
runs edge-1 etsi014 etsi014
forget edge-1
peer_stop
refused edge-1 4 "the device's key manager: .*127.0.0.1"
peer_start

# --- and the policy says that the site's own keys will do ------------------------------------------------
site_stop
site_more=$(peer_section etsi014 kem)
site_start
peer_device edge-1 etsi014 kem
runs edge-1 etsi014 etsi014
peer_stop
runs edge-1 etsi014 etsi014 # of those that are there
forget edge-1
runs edge-1 kem etsi014
grep -q "no quantum keys, so the site's own are used: the device's key manager" said ||
    { cat said >&2; site_fail "a fall-back is not told"; }
grep -q 'event=record.sealed .*device=edge-1 .*key_source=kem key_policy=etsi014' site.log ||
    site_fail "the log of the record does not say it"
grep -q 'event=keys.fall_back device=edge-1 source=kem policy=etsi014' site.log || site_fail "no line for the fall-back"
peer_start
dec status-500
forget edge-1
runs edge-1 kem etsi014
grep -q 'event=keys.manager_failed .*status 500' site.log || site_fail "no line for the manager"
dec ''
runs edge-1 etsi014 etsi014
grep -q 'event=keys.manager_back' site.log || site_fail "no line for the manager's return"
peer_device edge-1 etsi014 refuse
enc unavailable
forget edge-1
refused edge-1 4 "refused (503)"
enc ''

# --- announcements, and keys that are used, strange, another's, expired -----------------------------------
expect() { # STATUS ERROR PATTERN OPTION…: as in requests.sh
    status=$1 error=$2 pattern=$3
    shift 3
    "$site_client" "$@" >answer 2>said || { cat said >&2; site_fail "$*"; }
    if ! tail -n 2 answer | head -n 1 | grep -q "^$status " || ! tail -n 1 answer | grep -q -e "$pattern" ||
        { [ "$error" != - ] && [ "$(tail -n 1 answer | jq -r .error)" != "$error" ]; }; then
        cat answer said >&2
        site_fail "$*: expected $status $error '$pattern'"
    fi
    checks=$((checks + 1))
}
site_stop
site_more=$(peer_section etsi014 refuse)
site_start
forget edge-1
runs edge-1 etsi014 etsi014
printf '%s' '{"kind":"circuit","precision":"double","program":{"depth":1,"qubits":2,"seed":1,"template":"bell"},"schema":"ketseal.job/1","seed":7,"shots":10}' >bell.json
expect 202 - accepted --device=edge-1 --quantum --job=bell.json --save=used.saved POST /v1/jobs
expect 403 DENIED 'the quantum key is spent' --device=edge-1 --load=used.saved POST /v1/jobs
expect 403 DENIED 'the quantum key is spent' --device=edge-1 --quantum --job=bell.json --times=2 POST /v1/jobs
[ "$(grep -c '^202 ' answer)" -eq 1 ] || site_fail "the same bytes twice: not accepted exactly once"
expect 403 DENIED 'not known here' --device=edge-1 --sign --quantum \
    --key-id=00000000-0000-4000-8000-000000000000 POST /v1/jobs
expect 400 FORMAT 'key id: ' --device=edge-1 --sign --quantum \
    --key-id=00000000-0000-4000-8000-00000000000A POST /v1/jobs
expect 403 DENIED 'announced by another device' --device=edge-2 --keyring=edge-1/state --quantum \
    --job=bell.json POST /v1/jobs
expect 403 DENIED 'not made with this key over this request' --device=edge-1 --quantum --job=bell.json \
    --spoil=key POST /v1/jobs
expect 400 FORMAT '' --device=edge-1 --body=bell.json POST /v1/keys/announce
expect 405 USAGE '' --device=edge-1 GET /v1/keys/announce
# A key that the site's manager does not have (any more).
"$site_client" --device=edge-1 --announce=11111111-2222-4333-8444-555555555555 POST /v1/keys/announce >answer
tail -n 1 answer | grep -q "one or more keys specified are not found on KME" || site_fail "a strange key is announced"
# One that is here already, announced again by its device and by another one.
id=$(sed -n 's/^dec //p' peer/delivered | tail -n 1)
expect 409 CONFLICT "$id was announced before" --device=edge-1 --announce="$id" POST /v1/keys/announce
expect 409 CONFLICT "$id was announced before" --device=edge-2 --announce="$id" POST /v1/keys/announce
expect 400 FORMAT "is named twice" --device=edge-1 \
    --announce=11111111-2222-4333-8444-555555555555,11111111-2222-4333-8444-555555555555 POST /v1/keys/announce
expect 403 DENIED 'keys: announcement of' --device=edge-1 --spoil=submission \
    --announce=11111111-2222-4333-8444-555555555555 POST /v1/keys/announce
expect 403 DENIED 'for another connection' --device=edge-1 --spoil=channel \
    --announce=11111111-2222-4333-8444-555555555555 POST /v1/keys/announce
expect 403 DENIED 'names another device' --device=edge-1 --as=edge-2 \
    --announce=11111111-2222-4333-8444-555555555555 POST /v1/keys/announce
# More than the site holds for a device: batches of ten, of which a few are used.
rounds=0
until [ "$rounds" -gt 8 ]; do
    rounds=$((rounds + 1))
    forget edge-1
    "$ketseal" -q run --device edge-1 --template bell --shots 10 --seed 1 --out out.bundle >said 2>&1 || break
done
grep -q "quantum keys are here for this device, of at most 60" said || { cat said >&2; site_fail "no limit for a device"; }

# The stock of a device falls below the mark, of four: a line, once.
site_stop
site_start
forget edge-1
runs edge-1 etsi014 etsi014
for n in 1 2 3 4 5 6; do
    expect 202 - accepted --device=edge-1 --quantum --job=bell.json POST /v1/jobs
    lines=$(grep -c 'event=keys.low device=edge-1 left=3 low=4' site.log || true)
    [ "$lines" -eq "$((n == 6))" ] || site_fail "$lines alarms after $n requests"
done

# Their time is over.
site_stop
site_more=$(peer_section etsi014 refuse 3)
site_start
forget edge-1
runs edge-1 etsi014 etsi014
"$site_client" --device=edge-1 --quantum --job=bell.json --dry --save=late.saved POST /v1/jobs 2>/dev/null
sleep 3.1
expect 403 DENIED 'the quantum key has expired' --device=edge-1 --load=late.saved POST /v1/jobs
runs edge-1 etsi014 etsi014 # the device knows, and has fetched others

# --- kill -9 frees no key ------------------------------------------------------------------------------------
site_stop
site_more=$(peer_section both refuse)
peer_device edge-1 both refuse
site_start
forget edge-1
runs edge-1 both both
for victim in ketseald ketseal-enclave kme_peer; do
    expect 202 - accepted --device=edge-1 --quantum=both --job=bell.json --save=used.saved POST /v1/jobs
    if [ "$victim" = kme_peer ]; then
        peer_stop
        peer_start
        expect 403 DENIED 'spent' --device=edge-1 --load=used.saved POST /v1/jobs
    else
        kill -KILL "$(site_processes | sed -n "s/ $victim\$//p" | head -n 1)"
        site_wait
        site_start
        # Memory is gone, and so is the key: nobody has it any more.
        expect 403 DENIED 'spent\|not known here' --device=edge-1 --load=used.saved POST /v1/jobs
        id=$(sed -n 's/^dec //p' peer/delivered | tail -n 1)
        "$site_client" --device=edge-1 --announce="$id" POST /v1/keys/announce >answer
        tail -n 1 answer | grep -q "not found on KME" || site_fail "a key is handed out twice"
    fi
    runs edge-1 both both # the device helps itself
done
# No key was handed out twice at either end.
sort peer/delivered | uniq -d | grep -q . && site_fail "a key was delivered twice"
echo "$site_name: $checks checks"
site_stop
