#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A device that dies between its rotation and the answer: the site has made it, and says so again to who has the new
# key, and to nobody else.   rotate.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
for tool in jq openssl swtpm_setup; do
    command -v "$tool" >/dev/null || site_skip "$tool is absent"
done
ketseal=$site_build/tests/integration/ketseal_attack # honest, unless it is told otherwise

job() { # DIRECTORY
    "$ketseal" -q run --device "$1" --template bell --shots 10 --seed 1 --out job.bundle
}
rotate() { # DIRECTORY
    "$ketseal" -q device rotate --device "$1"
}
# Its request has come to the site; then it is no more.
rotate_deaf() { # DIRECTORY
    rc=0
    (KETSEAL_ATTACK=deaf rotate "$1") >answer 2>&1 || rc=$?
    [ "$rc" -eq 137 ] || { cat answer >&2; site_fail "status $rc: it should have been killed"; }
    [ -e "$1/identity.next" ] || site_fail "the new keys are gone"
}
shown() { # MEMBER
    "$ketseal" --json device show --operator op --url "https://127.0.0.1:$site_port" edge-1 | jq -r ".$1"
}
end_of() { # CERTIFICATE, as the site writes it
    date -u -d "$(openssl x509 -in "$1" -noout -enddate | cut -d= -f2)" +%Y-%m-%dT%H:%M:%S.000000Z
}
site_reference reference.yaml ketseal "$(site_digest "$ketseal")"
site_more=$site_enrolment_lines
site_start
site_certify
site_enrol edge-1
job edge-1 >/dev/null
taken='another certificate has taken the place of this one'

# --- once more, and by nobody else --------------------------------------------------------------------------------
cp edge-1/device.pem device.0
before=$(shown key)
rotate_deaf edge-1
cmp -s edge-1/device.pem device.0 || site_fail "it has a certificate without an answer"
[ "$(shown key)" != "$before" ] || site_fail "the site has not made it"
key=$(shown key)
site_refused 5 "$taken" job edge-1
site_refused 5 "$taken" "$ketseal" device reattest --device edge-1
cp -r edge-1 keyless
rm keyless/identity.next
site_refused 5 "$taken" rotate keyless # the old key alone
cp -r edge-1 altered
dd if=/dev/zero of=altered/identity.next bs=1 seek=200 count=8 conv=notrunc 2>/dev/null
site_refused 5 "$taken" rotate altered
end=$(shown expires_at)
sleep 1.1 # a certificate that ended later would show
rotate edge-1 >/dev/null
[ ! -e edge-1/identity.next ] || site_fail "the new keys are not in their place"
[ "$(shown key)" = "$key" ] || site_fail "another key than the first time"
[ "$(shown expires_at)" = "$end" ] || site_fail "the site's end of the certificate moved"
[ "$(end_of edge-1/device.pem)" = "$end" ] || site_fail "the certificate ends at $(end_of edge-1/device.pem), not $end"
job edge-1 >/dev/null

# --- keys that wait, and were never certified, are none -------------------------------------------------------------
site_refused 4 'attack: kept' env KETSEAL_ATTACK=keep KETSEAL_ATTACK_WITH="$site_work/kept" "$ketseal" -q device rotate --device edge-1
wanted=$(jq -r .csr.key kept | base64 -d | sha256sum | cut -d' ' -f1)
[ "$(shown key)" = "$key" ] || site_fail "a rotation that was not sent"
rotate edge-1 >/dev/null
[ "$(shown key)" != "$key" ] || site_fail "nothing was rotated"
[ "$(shown key)" != "$wanted" ] || site_fail "keys that lay there were certified"
job edge-1 >/dev/null

# --- after a restart of the site; not while it is suspended, nor as another machine ----------------------------------
rotate_deaf edge-1
site_stop
site_reference reference.yaml ketseal "$(printf '%064d' 0)"
site_start
site_refused 5 'launch.programs' rotate edge-1
site_stop
site_reference reference.yaml ketseal "$(site_digest "$ketseal")"
site_start
"$ketseal" device suspend --operator op --url "https://127.0.0.1:$site_port" edge-1 >/dev/null
site_refused 5 'is SUSPENDED' rotate edge-1
"$ketseal" device resume --operator op --url "https://127.0.0.1:$site_port" edge-1 >/dev/null
rotate edge-1 >/dev/null
job edge-1 >/dev/null
rotate edge-1 >/dev/null # and as ever
job edge-1 >/dev/null

# --- the ledger has each rotation once -----------------------------------------------------------------------------
size=$("$ketseal" --json ledger head --device edge-1 | jq -r .size)
index=0
while [ "$index" -lt "$size" ]; do
    "$ketseal" --json ledger prove --device edge-1 "$index" | jq -r '.entry | select(.kind == "device") | .event'
    index=$((index + 1))
done >events
[ "$(grep -cx rotate events)" -eq 4 ] || { cat events >&2; site_fail "not four rotations in the ledger"; }
site_stop
echo "$site_name: answered again to who has the key"
