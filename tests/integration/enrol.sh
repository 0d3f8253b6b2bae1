#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Devices with real TPMs at a real site: enrolled by credential activation, healthy or not, impersonated,
# cloned, suspended, rotated. Each refusal is looked for by its own words, on the device and in the site's log.
#
#   enrol.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
command -v swtpm_setup >/dev/null || site_skip "swtpm_setup is absent"

# A refusal that the site's log has as an event with that reason.
refused_by_site() {
    before=$(grep -c 'event=device.refused' site.log || true)
    site_refused "$@"
    [ "$(grep -c 'event=device.refused' site.log || true)" -gt "$before" ] || site_fail "not in the site's log: $2"
}

enrol() { # DIRECTORY TOKEN FLAGS…
    directory=$1 token=$2
    shift 2
    "$ketseal" -q device enrol --device "$directory" --token "$token" --ek-chain "$maker/issuing.pem" "$@"
}
job() { # DIRECTORY
    "$ketseal" -q run --device "$1" --template bell --shots 10 --seed 1 --out job.bundle
}
operator() {
    verb=$1
    shift
    "$ketseal" device "$verb" --operator op --url "https://127.0.0.1:$site_port" "$@"
}
state_is() { # DEVICE STATE
    [ "$("$ketseal" --json device show --operator op --url "https://127.0.0.1:$site_port" "$1" | jq -r .state)" = "$2" ] ||
        site_fail "device $1 is not $2"
}

head -c 5000 /dev/urandom >firmware.bin
write_reference() { # DIGEST of firmware.bin
    site_reference reference.yaml ketseal "$(site_digest "$ketseal")" firmware.bin "$1"
}
write_reference "$(site_digest firmware.bin)"
site_more=$site_enrolment_lines
site_start

# --- before the site is certified there is nothing to enrol with ---------------------------------------------
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
maker=$site_work/state/swtpm-ca
site_enrolment=$(cat state/enrolment-port)
cp state/site.json site.json
site_token early
site_refused 4 'this site is not certified yet' enrol early early.token --swtpm-ca "$maker" --measure firmware.bin

# A CA that does not know the maker of the site's TPM certifies nothing.
mkdir -m 700 stranger
"$ketseal" -q device enrol --device nobody --token early.token --swtpm-ca "$site_work/stranger" >/dev/null 2>&1 || true
site_refused 1 'endorsement: ' "$ketseal" site certify --ca ca --operator op --url "https://127.0.0.1:$site_port" \
    --insecure-simulated-ek-roots stranger/root.pem --ek-chain "$maker/issuing.pem" --out bad.json
[ ! -e bad.json ] || site_fail "a certificate for a site that was refused"
site_certify
jq -e '.schema == "ketseal.site/2" and .certificate.tpm == "simulated"' site.json >/dev/null || site_fail "the certified document"

# --- enrolment, both kinds of endorsement keys ----------------------------------------------------------------
site_enrol edge-1 --measure firmware.bin
site_enrol edge-2 --measure firmware.bin --ek rsa
"$ketseal" policy make --root ca/root.pem --site site.json --insecure-simulated-tpm --out lab.policy
for device in edge-1 edge-2; do
    [ ! -e "$device/device.key" ] || site_fail "an enrolled device has its key in a file"
    job "$device" >/dev/null
    "$ketseal" verify --policy lab.policy --explain job.bundle | grep -q '^pass *platform.site' || site_fail "platform.site"
    state_is "$device" ACTIVE
    "$ketseal" device reattest --device "$device" | grep -q '^pass *launch.programs' || site_fail "$device: not healthy"
done
[ "$(operator list | wc -l)" -eq 2 ] || site_fail "the list of devices"

# --- tokens -----------------------------------------------------------------------------------------------------
refused_by_site 5 'the token was used already' enrol again edge-1.token --swtpm-ca "$maker" --measure firmware.bin
jq -c '.grant.statement.device = "edge-9"' edge-1.token >forged.token && chmod 600 forged.token
refused_by_site 5 'token' enrol forged forged.token --swtpm-ca "$maker" --measure firmware.bin
site_token edge-3
jq -c '.seed = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="' edge-3.token >noseed.token && chmod 600 noseed.token
site_refused 1 'its seed is not that of its grant' enrol noseed noseed.token --swtpm-ca "$maker" --measure firmware.bin

# --- other TPMs, other machines ------------------------------------------------------------------------------
site_token edge-1
refused_by_site 5 "device 'edge-1' is bound to another TPM" enrol impostor edge-1.token --swtpm-ca "$maker" --measure firmware.bin
# A software TPM of somebody's own: with its own chain, and with ours.
for chain in "$site_work/stranger/issuing.pem" "$maker/issuing.pem"; do
    rm -rf foreign
    refused_by_site 5 'endorsement: ' "$ketseal" -q device enrol --device foreign --token edge-3.token \
        --swtpm-ca "$site_work/stranger" --ek-chain "$chain" --measure firmware.bin
done
cp -r edge-1 twin && rm -f twin/identity.sealed
refused_by_site 5 "this TPM is enrolled as device 'edge-1'" enrol twin edge-3.token --again
cp -r edge-1 clone && rm -rf clone/tpm
site_refused 5 'clone/identity.sealed' job clone
echo altered >>firmware.bin
site_refused 5 'the value of PCR 14' job edge-1
truncate -s 5000 firmware.bin
job edge-1 >/dev/null

# --- who may ask for what -----------------------------------------------------------------------------------
"$ketseal" -q ca issue device --ca ca --name edge-7 --out edge-7 >/dev/null
site_devices=edge-7
site_tell
site_refused 5 "device 'edge-7' is not enrolled, and this site takes enrolled ones only" job edge-7
"$site_client" --device=edge-7 GET /v1/devices >answer
grep -q '^403' answer || site_fail "a device may look at devices"
mkdir as-device
cp op/root.pem site.json edge-7/url as-device/
cp op/operator.pem as-device/device.pem && cp -p op/operator.key as-device/device.key
"$site_client" --device=as-device GET /v1/jobs >answer
grep -q 'this is for devices' answer || site_fail "an operator may look at jobs"
"$site_client" --device=as-device GET /v1/devices >answer
grep -q '^200' answer || site_fail "an operator may not look at devices"

# --- orders -----------------------------------------------------------------------------------------------------
operator suspend edge-1 --reason 'lost on a train' >/dev/null
state_is edge-1 SUSPENDED
refused_by_site 5 "is SUSPENDED: lost on a train" "$ketseal" device reattest --device edge-1
site_refused 5 "is SUSPENDED: lost on a train" job edge-1
operator resume edge-1 >/dev/null
job edge-1 >/dev/null
refused_by_site 5 'is ACTIVE: cannot resume it' operator resume edge-1
operator require-rotation edge-1 >/dev/null
site_refused 5 'is PENDING_ROTATION' job edge-1
cp -r edge-1 before
"$ketseal" device rotate --device edge-1 >/dev/null
job edge-1 >/dev/null
site_refused 5 'another certificate has taken the place of this one' job before
# A crash between the new certificate and the identity's place: the next start goes on from there.
mv edge-1/identity.sealed edge-1/identity.next
cp before/identity.sealed edge-1/
job edge-1 >/dev/null
[ ! -e edge-1/identity.next ] || site_fail "the next identity did not take its place"
job edge-1 >/dev/null
operator revoke edge-2 >/dev/null
site_refused 5 'is REVOKED' job edge-2
site_token edge-2
"$ketseal" -q device enrol --device edge-2 --token edge-2.token --ek rsa --ek-chain "$maker/issuing.pem" --again >/dev/null
job edge-2 >/dev/null
operator compromise edge-2 >/dev/null
site_token edge-2
refused_by_site 5 'is COMPROMISED: its TPM may not come back' "$ketseal" -q device enrol --device edge-2 --token edge-2.token \
    --ek rsa --ek-chain "$maker/issuing.pem" --again

# --- a site that changes its mind -------------------------------------------------------------------------------
site_stop
write_reference "$(printf '%064d' 0)"
site_start
state_is edge-1 ACTIVE
state_is edge-2 COMPROMISED
job edge-1 >/dev/null # its last appraisal was good
site_refused 1 'firmware.bin' "$ketseal" device reattest --device edge-1
state_is edge-1 SUSPENDED
site_refused 5 'is SUSPENDED' job edge-1
site_stop
write_reference "$(site_digest firmware.bin)"
site_start
"$ketseal" device reattest --device edge-1 >/dev/null
state_is edge-1 ACTIVE
job edge-1 >/dev/null
"$ketseal" verify --policy lab.policy job.bundle >/dev/null || site_fail "the bundle after two restarts"

# --- every lifecycle event is in the ledger -------------------------------------------------------------------
"$site_client" --device=edge-7 GET /v1/ledger/checkpoint >checkpoint || true
size=$(sed -n 3p checkpoint)
index=0
: >events
while [ "$index" -lt "$size" ]; do
    "$site_client" --device=edge-7 GET "/v1/ledger/entries/$index" | tail -n 1 | jq -r 'select(.kind == "device") | .device + " " + .event' >>events
    index=$((index + 1))
done
for event in 'edge-1 enrol' 'edge-2 enrol' 'edge-1 suspend' 'edge-1 resume' 'edge-1 rotate' 'edge-2 revoke' 'edge-2 compromise' \
    'edge-1 unhealthy' 'edge-1 healthy'; do
    grep -qx "$event" events || { cat events >&2; site_fail "not in the ledger: $event"; }
done
site_stop
echo "$site_name: $site_refusals refusals, each by its own words"
