#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# What a running site answers to requests that are wrong, one cause at a time: status, error name and
# sentence; that it answers the next good one as ever; and that nothing secret gets into its log.
#
#   requests.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
site_seconds=1
site_memory_mib=64
checks=0

# expect STATUS ERROR PATTERN OPTION…: the answer of site_client; "-" for no error document.
expect() {
    status=$1 error=$2 pattern=$3
    shift 3
    rc=0
    "$site_client" "$@" >answer 2>said || rc=$?
    if [ "$rc" -ne 0 ] || ! tail -n 2 answer | head -n 1 | grep -q "^$status " ||
        ! tail -n 1 answer | grep -q -e "$pattern" ||
        { [ "$error" != - ] && [ "$(tail -n 1 answer | jq -r .error)" != "$error" ]; }; then
        cat answer said >&2
        site_fail "$*: expected $status $error '$pattern'"
    fi
    checks=$((checks + 1))
}

# refused EXIT PATTERN COMMAND…: ketseal's exit status, one line on stderr that matches.
refused() {
    want=$1 pattern=$2
    shift 2
    rc=0
    "$@" >answer 2>said || rc=$?
    if [ "$rc" -ne "$want" ] || ! grep -q -e "$pattern" said || [ "$(grep -c . said)" -ne 1 ]; then
        cat said >&2
        site_fail "$*: exit status $rc, expected $want and one line '$pattern'"
    fi
    checks=$((checks + 1))
}

# A job's document: PROGRAM SHOTS.
job() {
    printf '{"kind":"circuit","precision":"double","program":%s,"schema":"ketseal.job/1","seed":7,"shots":%s}' \
        "$1" "$2"
}
template() { printf '{"depth":%s,"qubits":%s,"seed":1,"template":"%s"}' "$3" "$2" "$1"; }
source_of() { jq -Rsc '{format: "openqasm2", source: .}' "$1"; }

site_device edge-1
site_device edge-2
site_start

# A batch of one-time keys for each device. After a restart the site knows the old one as spent up to
# what it had reserved: the client has to help itself.
fetch_keys() {
    for device in edge-1 edge-2; do
        "$ketseal" -q run --device "$device" --template bell --shots 10 --seed 1 --out "$device.bundle" ||
            site_fail "$device cannot run a job"
    done
}
fetch_keys
job "$(template bell 2 1)" 100 >bell.json

# --- keys and signatures ---------------------------------------------------------------------------
expect 202 - accepted --device=edge-1 --job=bell.json --save=first.saved POST /v1/jobs
expect 403 DENIED 'the one-time key is spent' --device=edge-1 --load=first.saved POST /v1/jobs
expect 403 DENIED 'the one-time key is spent' --device=edge-1 --job=bell.json --times=2 POST /v1/jobs
[ "$(grep -c '^202 ' answer)" -eq 1 ] || site_fail "the same bytes twice: not accepted exactly once"
instance=$(jq -r .core.request.key_id edge-1.bundle 2>/dev/null | cut -d. -f1)
[ "${#instance}" -eq 16 ] || instance=$(grep -o '"key_id":"[0-9a-f]*' edge-1.bundle | head -n 1 | cut -d'"' -f4)
[ "${#instance}" -eq 16 ] || site_fail "no key id in the bundle"
expect 403 DENIED 'key' --device=edge-1 --sign --key-id="$instance.00000000000000ff.3" POST /v1/jobs
expect 403 DENIED 'key' --device=edge-1 --sign --key-id="0123456789abcdef.0000000000000001.3" POST /v1/jobs
expect 403 DENIED 'key' --device=edge-1 --sign --key-id="$instance.0000000000000001.4000" POST /v1/jobs
expect 403 DENIED 'key' --device=edge-1 --keyring=edge-2/state --job=bell.json POST /v1/jobs
expect 400 FORMAT 'key id: ' --device=edge-1 --sign --key-id="$instance.0000000000000001.4096" POST /v1/jobs
expect 400 FORMAT 'key id: ' --device=edge-1 --sign --key-id="$instance.00000000000000" POST /v1/jobs
expect 403 DENIED 'expired' --device=edge-1 --job=bell.json --spoil=expired POST /v1/jobs
expect 403 DENIED 'Content-Digest: the body is another one' \
    --device=edge-1 --job=bell.json --spoil=other-body POST /v1/jobs
expect 403 DENIED 'not made with this key over this request' \
    --device=edge-1 --job=bell.json --spoil=digest POST /v1/jobs
expect 403 DENIED 'not made with this key over this request' \
    --device=edge-1 --job=bell.json --spoil=key POST /v1/jobs
expect 403 DENIED 'not made with this key over this request' \
    --device=edge-1 --job=bell.json --spoil=signature POST /v1/jobs
expect 403 DENIED 'signed for another connection' \
    --device=edge-1 --job=bell.json --spoil=channel POST /v1/jobs
"$site_client" --device=edge-1 --job=bell.json --dry --save=other.saved POST /v1/jobs 2>/dev/null
expect 403 DENIED 'signed for another connection' --device=edge-1 --load=other.saved POST /v1/jobs
expect 403 DENIED 'the one-time key is spent' --device=edge-1 --load=other.saved POST /v1/jobs
printf '{}' >empty.json
expect 403 DENIED 'the request is not signed' --device=edge-1 --body=empty.json POST /v1/jobs
expect 403 DENIED 'the request is not signed' --device=edge-1 --body=empty.json POST /qjob
# Signed for one path, sent to another.
"$site_client" --device=edge-1 --job=bell.json --dry --save=path.saved POST /v1/jobs 2>/dev/null
expect 403 DENIED 'not made with this key over this request' --device=edge-1 --load=path.saved POST /qjob

# --- the submission --------------------------------------------------------------------------------
expect 403 DENIED 'the submission is for another site' \
    --device=edge-1 --job=bell.json --site=other.example/ketseal POST /v1/jobs
expect 403 DENIED 'the submission names another device than the certificate' \
    --device=edge-1 --job=bell.json --as=edge-2 POST /v1/jobs
expect 403 DENIED "the submission's time is 4[0-9][0-9] s from the site's" \
    --device=edge-1 --job=bell.json --age=400 POST /v1/jobs
expect 403 DENIED "the submission's signature" \
    --device=edge-1 --job=bell.json --spoil=submission POST /v1/jobs

# --- bodies ------------------------------------------------------------------------------------------
head -c 1100000 /dev/zero | tr '\0' ' ' >big.json
expect 413 LIMIT 'body' --device=edge-1 --sign --body=big.json POST /v1/jobs
for text in '' '{' '[]' '{"job":1}' '{"job":{},"signature":"","submission":{}}' '{ }' 'null' '{"a":1,"a":2}'; do
    printf '%s' "$text" >text.json
    expect 400 FORMAT 'body' --device=edge-1 --sign --body=text.json POST /v1/jobs
done
job "$(template bell 2 1)" 0 >shots.json
expect 413 LIMIT "'shots': 1 to" --device=edge-1 --job=shots.json POST /v1/jobs
job "$(template nosuch 2 1)" 10 >nosuch.json
expect 400 - "nosuch" --device=edge-1 --job=nosuch.json POST /qjob
job "$(template ghz 4000000000 1)" 10 >wide.json
expect 413 LIMIT "qubits" --device=edge-1 --job=wide.json POST /qjob
job "$(template hea 30 2)" 10 >large.json
expect 413 LIMIT 'needs 16.0 GiB for 30 qubits in double precision, limit 64.0 MiB' \
    --device=edge-1 --job=large.json POST /qjob

# --- programs: the user sees the name of the file, where, and what --------------------------------------
cat >bell.qasm <<'QASM'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0], q[1];
           hh q[0];
measure q -> c;
QASM
run="$ketseal -q run --device edge-1 --seed 7 --out out.bundle"
# shellcheck disable=SC2086 # words
{
    refused 3 "^ketseal: bell.qasm:7:12: unknown gate 'hh'$" $run bell.qasm
    printf 'OPENQASM 2.0;\nopaque magic a;\nqreg q[1];\n' >opaque.qasm
    refused 3 "^ketseal: opaque.qasm:2:.*opaque" $run opaque.qasm
    printf 'OPENQASM 2.0;\nqreg q[1];\ncreg c[1];\nU(0,0,0) q[4];\n' >index.qasm
    refused 3 "^ketseal: index.qasm:4:" $run index.qasm
    printf '\377\376' >binary.qasm
    refused 3 "UTF-8" $run binary.qasm
    : >nothing.qasm
    refused 3 "^ketseal: nothing.qasm: empty$" $run nothing.qasm
    refused 6 "absent.qasm" $run absent.qasm
    refused 3 "qubits" $run --template hea --qubits 30 --depth 2 --method statevector
}
[ ! -e out.bundle ] || site_fail "a refused job left a file"

# --- time and cancel ------------------------------------------------------------------------------------
job "$(template rqc 22 4000)" 10 >long.json
expect 413 LIMIT 'time\|longer' --device=edge-1 --job=long.json POST /qjob
site_seconds=60
site_stop
site_start
fetch_keys
expect 202 - accepted --device=edge-1 --job=long.json POST /v1/jobs
id=$(tail -n 1 answer | jq -r .id)
expect 404 NOT_FOUND 'has not ended yet' --device=edge-1 GET "/v1/jobs/$id/bundle"
expect 404 NOT_FOUND 'no job' --device=edge-2 GET "/v1/jobs/$id"
expect 404 NOT_FOUND 'no job' --device=edge-2 --sign POST "/v1/jobs/$id/cancel"
expect 403 DENIED 'not signed' --device=edge-1 --body=empty.json POST "/v1/jobs/$id/cancel"
expect 202 - 'ketseal.cancel/1' --device=edge-1 --sign POST "/v1/jobs/$id/cancel"
tries=0
while "$site_client" --device=edge-1 GET "/v1/jobs/$id" | grep -q '"state":"accepted"'; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "a cancelled job goes on"
    sleep 0.05
done
expect 200 - '"state":"cancelled"' --device=edge-1 GET "/v1/jobs/$id"
expect 409 CONFLICT 'cancelled' --device=edge-1 GET "/v1/jobs/$id/bundle"
expect 409 CONFLICT 'not running' --device=edge-1 --sign POST "/v1/jobs/$id/cancel"
expect 400 FORMAT 'UUID' --device=edge-1 GET "/v1/jobs/nonsense"
expect 404 NOT_FOUND 'no job' --device=edge-1 GET "/v1/jobs/00000000-0000-4000-8000-000000000000"

# --- idempotency ------------------------------------------------------------------------------------------
expect 202 - accepted --device=edge-1 --idempotency=once --job=bell.json POST /v1/jobs
id=$(tail -n 1 answer | jq -r .id)
size_before=$("$site_client" --device=edge-1 GET /v1/ledger/checkpoint | sed -n 3p)
expect 200 - "$id" --device=edge-1 --idempotency=once --job=bell.json POST /v1/jobs
tries=0
while "$site_client" --device=edge-1 GET "/v1/jobs/$id" | grep -q '"state":"accepted"'; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "a small job does not end"
    sleep 0.05
done
expect 200 - "$id" --device=edge-1 --idempotency=once --job=bell.json POST /qjob
expect 200 - "$id" --device=edge-1 --idempotency=once --job=bell.json POST /qjob
expect 409 CONFLICT 'used with another job' \
    --device=edge-1 --idempotency=once --job=long.json POST /v1/jobs
expect 403 DENIED 'not signed' --device=edge-1 --idempotency=once --body=bell.json POST /v1/jobs
expect 202 - accepted --device=edge-2 --idempotency=once --job=bell.json POST /v1/jobs # another device's own
expect 400 FORMAT 'Idempotency-Key' --device=edge-1 --idempotency='not a name' --job=bell.json POST /v1/jobs
[ -n "$size_before" ] || site_fail "no checkpoint"
count=$("$site_client" --device=edge-1 GET "/v1/jobs?limit=200" | tail -n 1 | jq "[.jobs[] | select(.id == \"$id\")] | length")
[ "$count" -eq 1 ] || site_fail "one key, $count jobs"
# While the first one still runs.
expect 202 - accepted --device=edge-1 --idempotency=slow --job=long.json POST /v1/jobs
id=$(tail -n 1 answer | jq -r .id)
expect 200 - '"state":"accepted"' --device=edge-1 --idempotency=slow --job=long.json POST /v1/jobs
expect 409 CONFLICT 'under way' --device=edge-1 --idempotency=slow --job=long.json POST /qjob
expect 409 CONFLICT 'used with another job' --device=edge-1 --idempotency=slow --job=bell.json POST /qjob
expect 202 - 'ketseal.cancel/1' --device=edge-1 --sign POST "/v1/jobs/$id/cancel"

# --- the list -----------------------------------------------------------------------------------------------
all=$("$site_client" --device=edge-1 GET '/v1/jobs?limit=200' | tail -n 1)
[ "$(printf '%s' "$all" | jq '.jobs | length')" -ge 6 ] || site_fail "the list is short"
printf '%s' "$all" | jq -r '.jobs[].id' >all.ids
: >paged.ids
next='/v1/jobs?limit=2'
while [ -n "$next" ]; do
    page=$("$site_client" --device=edge-1 GET "$next" | tail -n 1)
    printf '%s' "$page" | jq -r '.jobs[].id' >>paged.ids
    next=$(printf '%s' "$page" | jq -r 'if .next then "/v1/jobs?limit=2&after=" + .next else "" end')
done
cmp all.ids paged.ids >&2 || site_fail "pages of two are not the list"
[ "$(sort all.ids | uniq -d | wc -l)" -eq 0 ] || site_fail "a job is listed twice"
expect 400 FORMAT "'limit'" --device=edge-1 GET '/v1/jobs?limit=0'
expect 400 FORMAT "'limit'" --device=edge-1 GET '/v1/jobs?limit=201'
expect 400 FORMAT "'limit'" --device=edge-1 GET '/v1/jobs?limit=-1'
expect 400 FORMAT "'after'" --device=edge-1 GET '/v1/jobs?after=x'
expect 404 NOT_FOUND 'no job' --device=edge-2 GET "/v1/jobs?after=$(head -n 1 all.ids)"

# --- a second site on the same state ---------------------------------------------------------
first_pid=$site_pid
site_launch
second_pid=$site_pid
site_wait
site_pid=$first_pid
[ "$site_ended" -ne 0 ] || site_fail "two sites on one state"
kill -0 "$first_pid" || site_fail "the second site, $second_pid, ended the first"
grep 'site.failed' site.log | tail -n 1 | grep -q 'in use\|another' || site_fail "the second site does not say why"
expect 200 - ready --device=edge-1 GET /readyz
checks=$((checks + 1))

# --- after a restart ------------------------------------------------------------------------------------------
site_stop
site_start
expect 403 DENIED 'the one-time key is spent' --device=edge-1 --load=first.saved POST /v1/jobs
expect 200 - 'ketseal.bundle' --device=edge-1 GET "/v1/jobs/$(tail -n 1 all.ids)/bundle"
"$site_client" --device=edge-1 PROVE edge-1.bundle edge-2.bundle >/dev/null || site_fail "proof after a restart"

# --- certificates ---------------------------------------------------------------------------------------------
copy() { # a device's directory, from another one
    mkdir -p "$1"
    cp "edge-1/site.json" edge-1/url "$1/"
}
"$site_issue" ca expired late late
copy late
refused 1 'expired' "$ketseal" -q run --device late --template bell --seed 1 --out out.bundle
"$site_issue" ca classical old old
copy old
refused 3 'not PKCS#8 with Ed25519, SLH-DSA-SHA2-128s.f, or ML-DSA' "$ketseal" -q run --device old --template bell --seed 1 --out out.bundle
"$ketseal" -q ca new --out other-ca >/dev/null
"$ketseal" -q ca issue device --ca other-ca --name edge-1 --out stranger >/dev/null
copy stranger
refused 1 '127.0.0.1' "$ketseal" -q run --device stranger --template bell --seed 1 --out out.bundle
cp ca/root.pem stranger/root.pem # it trusts the site; the site does not trust it
refused 1 'root\|issue' "$ketseal" -q run --device stranger --template bell --seed 1 --out out.bundle
mkdir imposter
cp server/server.pem imposter/device.pem
cp server/server.key imposter/device.key
cp ca/root.pem imposter/
copy imposter
refused 1 'device\|role' "$ketseal" -q run --device imposter --template bell --seed 1 --out out.bundle

# The same at the site itself, by a peer that checks nothing of its own.
openssl=${KS_OPENSSL:-}
if [ -x "$openssl" ]; then
    LD_LIBRARY_PATH=$(dirname "$openssl")/../lib
    knock() { # DIRECTORY: what the site lets it see
        { sleep 0.5; printf 'GET /v1/site HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$site_port"; } |
            LD_LIBRARY_PATH=$LD_LIBRARY_PATH timeout 20 "$openssl" s_client -quiet -connect "127.0.0.1:$site_port" \
                -groups X25519MLKEM768 -CAfile ca/root.pem -cert "$1/device.pem" -key "$1/device.key" 2>&1 || true
    }
    knock edge-1 >seen
    grep -q '"ketseal.site/1"' seen || { cat seen >&2; site_fail "s_client does not reach the site"; }
    for who in late old stranger imposter; do
        knock "$who" >seen
        if grep -q 'ketseal.site/1' seen; then
            site_fail "the site talks to '$who'"
        fi
        grep -q 'alert\|ketseal.error/1' seen || { cat seen >&2; site_fail "'$who' gets no reason"; }
        checks=$((checks + 2))
    done
else
    printf '%s: SKIPPED: peers that check nothing: KS_OPENSSL names no openssl\n' "$site_name"
fi

# Revoked: known to the site from its next start.
"$site_issue" ca revoke edge-2/device.pem revoked.pem
site_crl=revoked.pem
site_stop
site_start
refused 5 'not accepted\|revoked' "$ketseal" -q run --device edge-2 --template bell --seed 1 --out out.bundle
"$ketseal" -q run --device edge-1 --template bell --shots 10 --seed 1 --policy lab.policy --out good.bundle ||
    site_fail "a good device is refused after all this"
[ ! -e out.bundle ] || site_fail "a refused job left a file"
site_stop

# --- nothing secret in the log ------------------------------------------------------------------------------
# holds LOG FILE: any 16 bytes of FILE as hexadecimal digits, or 18 as base64 at any of the three offsets, or
# a line of its own base64 when it is PEM.
holds() {
    : >words
    xxd -p "$2" | tr -d '\n' | fold -w 32 | grep -E '^.{32}$' >>words || true
    for offset in 1 2 3; do
        tail -c "+$offset" "$2" | base64 -w 0 | fold -w 24 | grep -E '^.{24}$' >>words || true
    done
    grep -aoE '^[A-Za-z0-9+/]{24}' "$2" >>words || true
    grep -vE '^(.)\1*$' words >words.used || true # runs of zeros are no secret
    [ -s words.used ] || return 1
    LC_ALL=C grep -aiqF -f words.used "$1"
}
# The hash of the policy is in the epoch, and is told: it is no secret.
sed -E 's/ (policy|from|to)=[0-9a-f]{64}//g' site.log >searched.log
for file in edge-1/state/* edge-2/state/* state/enclave/* server/server.key edge-1/device.key ca/root.key; do
    [ -s "$file" ] || continue
    if holds searched.log "$file"; then
        site_fail "the log holds bytes of $file"
    fi
    # That this would be seen:
    { cat site.log; head -c 100 "$file" | xxd -p; } >leaky.log
    holds leaky.log "$file" || site_fail "the check for $file sees nothing"
    checks=$((checks + 1))
done
printf '%s: %d answers as expected\n' "$site_name" "$checks"
