#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A site that wants a young attestation: a device that is late attests by itself, unnoticed; one that is no longer
# what it should be is refused with the site's reason.   reattest.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
for tool in jq swtpm_setup; do
    command -v "$tool" >/dev/null || site_skip "$tool is absent"
done
trace=$site_build/tests/integration/ketseal_trace

site_reference reference.yaml ketseal "$(site_digest "$trace")"
site_more="$site_enrolment_lines
  attest_every_s: 2
fl:
  workers: 1
  memory_mib: 512
  params: 100000"
ln -s "$site_build/src/enclave/ketseal-worker-fl" libexec/
site_start
site_certify
ketseal=$trace # the one program of this device
site_enrol edge-1
"$ketseal" policy make --root ca/root.pem --site site.json --insecure-simulated-tpm --out certified.policy

run() { # SEED
    : >calls
    KETSEAL_TRACE=$site_work/calls "$ketseal" run --device edge-1 --template bell --shots 10 --seed "$1" --out job.bundle >answer 2>said
}
calls() { # of METHOD TARGET
    grep -c "^$1	" calls || true
}
attested() {
    "$ketseal" --json device show --operator op --url "https://127.0.0.1:$site_port" edge-1 | jq -r .attested_at
}

# --- young enough -------------------------------------------------------------------------------------------------
"$ketseal" device reattest --device edge-1 >/dev/null
run 1
[ "$(calls 'POST /v1/device/evidence')" -eq 0 ] || site_fail "it attested without need"

# --- late: asked for keys, then for a job with a key at hand; each time once -----------------------------------------
for seed in 2 3; do
    before=$(attested)
    sleep 2.2
    [ "$seed" -ne 2 ] || rm -rf edge-1/state # no key at hand
    run "$seed" || { cat said >&2; site_fail "a device that is late was refused"; }
    [ "$(calls 'POST /v1/device/evidence')" -eq 1 ] || site_fail "not attested once: $(cat calls)"
    [ "$(calls 'POST /qjob')" -eq "$((seed - 1))" ] || site_fail "the job was not repeated once: $(cut -f 1 calls)"
    ! grep -qi attest said || site_fail "the user is told: $(cat said)"
    [ "$(attested)" != "$before" ] || site_fail "the site does not know of it"
done
"$ketseal" verify --policy certified.policy job.bundle >/dev/null
id=$("$ketseal" --json job submit --device edge-1 --template ghz --qubits 3 --shots 10 --seed 4 | jq -r .id)
sleep 2.2
"$ketseal" job wait --device edge-1 --policy certified.policy --out waited.bundle "$id" >/dev/null 2>&1 || site_fail "reading is refused"

# Late in a session of federated learning, whose first request is another one. The folder of the bundles is made.
"$ketseal" learn generate --site=1 --hours=1500 --out=city.csv >/dev/null
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model=linear --epochs=0 --out=first.safetensors city.csv >/dev/null
url=https://127.0.0.1:$site_port
session=$("$ketseal" --json fl create --operator op --url "$url" --device edge-1 --updates=1 --prepare=60 --train=60 --optimiser=adam --rate=0.001 \
    first.safetensors | jq -r .session)
"$ketseal" fl start --operator op --url "$url" "$session" >/dev/null
sleep 2.2
: >calls
KETSEAL_TRACE=$site_work/calls "$ketseal" fl join --device edge-1 --schema=city-air --test-from='2024-02-20 00:00:00' --seconds=30 \
    --out=edge-1/updates "$session" city.csv >/dev/null 2>said || site_fail "a device that is late cannot join: $(cat said)"
[ "$(calls 'POST /v1/device/evidence')" -ge 1 ] || site_fail "it joined without a young attestation"
[ -s "edge-1/updates/$session-1.json" ] || site_fail "no bundle"

# --- late, and another machine by now --------------------------------------------------------------------------------
site_stop
site_reference reference.yaml ketseal "$(printf '%064d' 0)"
site_start
sleep 2.2
rc=0
run 5 || rc=$?
if [ "$rc" -ne 5 ] || ! grep -q "is SUSPENDED: launch.programs: PCR 14, event 1, program 'ketseal'" said; then
    cat said >&2
    site_fail "status $rc, or not the site's reason"
fi
[ "$(calls 'POST /v1/device/evidence')" -eq 1 ] || site_fail "it asked more than once"
site_stop
echo "$site_name: attested when it was due, once each"
