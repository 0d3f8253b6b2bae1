#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Refusals in the ledger: one entry for what is alike, however often it comes; no more in an hour than is allowed, and
# those whom nobody knows do not use up what is for known devices; no entry at all where none are asked for.
#
#   refusals.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
command -v jq >/dev/null || site_skip "jq is absent"
site_begin "$1"
openssl=${KS_OPENSSL:-}
[ -x "$openssl" ] || site_skip "no openssl that knows post-quantum groups"
for device in edge-1 edge-2 edge-3; do
    site_device $device
done
"$ketseal" -q ca new --out stranger-ca >/dev/null
"$ketseal" -q ca issue device --ca stranger-ca --name edge-1 --out stranger >/dev/null
printf '{}' >empty.json

knock() { # a certificate of another root, in the name of a device
    LD_LIBRARY_PATH=$(dirname "$openssl")/../lib timeout 20 "$openssl" s_client -connect "127.0.0.1:$site_port" -ign_eof \
        -groups X25519MLKEM768 -CAfile ca/root.pem -cert stranger/device.pem -key stranger/device.key >said 2>&1 || true
    grep -q 'alert unknown ca' said || site_fail "a stranger's certificate: $(cat said)"
}
unsigned() { # DEVICE TIMES: requests without a signature
    "$site_client" --device="$1" --body=empty.json --times="$2" POST /qjob >said
    [ "$(grep -c '^403' said)" -eq "$2" ] || site_fail "$1 unsigned: $(cat said)"
}
# The ledger's entries as they are, once a job's checkpoint covers them.
entries() {
    "$ketseal" -q run --device edge-3 --template bell --seed 1 --out bell.bundle
    size=$("$ketseal" --json ledger head --from state/ledger --site state/site.json | jq .size)
    index=0
    while [ "$index" -lt "$size" ]; do
        "$ketseal" --json ledger prove --from state/ledger --site state/site.json "$index" | jq -c .entry
        index=$((index + 1))
    done
}

# --- off by default -------------------------------------------------------------------------------------------
site_start
knock
unsigned edge-1 3
entries >seen
[ "$(jq -r .kind seen | sort -u | tr '\n' ' ')" = 'intent record ' ] || site_fail "entries: $(cat seen)"
site_stop

# --- one for what is alike, two in an hour ----------------------------------------------------------------------
# shellcheck disable=SC2034 # of site.sh
site_more='refusals:
  per_hour: 1'
site_start
for _ in 1 2 3 4 5; do
    knock
done
unsigned edge-1 40
unsigned edge-2 40
entries >seen
jq -c 'select(.kind == "refusal")' seen >refusals
[ "$(wc -l <refusals)" -eq 2 ] || site_fail "not one of strangers, one of devices: $(cat refusals)"
[ "$(jq -rs 'map([.door, .device, .error]) | sort | map(join(" ")) | join(",")' refusals)" = 'request edge-1 DENIED,tls  DENIED' ] ||
    site_fail "of whom: $(cat refusals)"
[ "$(jq -r 'select(.door == "tls") | .detail' refusals)" = "a certificate for 'edge-1': unable to get local issuer certificate" ] ||
    site_fail "the stranger: $(cat refusals)"
[ "$(jq -r 'select(.door == "request") | .detail' refusals)" = 'the request is not signed' ] || site_fail "the unsigned: $(cat refusals)"
site_stop
grep -c event=peer.refused site.log >count
[ "$(cat count)" -eq 2 ] || site_fail "$(cat count) events of the log"
echo "refusals: 85 refusals, 2 entries"
