#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A device and a site on two key managers and their simulated link: jobs under quantum keys; then somebody
# listens on the link, it gives no more keys, and the policy says what becomes of requests.
#
#   quantum_site.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
# shellcheck source-path=SCRIPTDIR source=kme.sh
. "$(dirname "$0")/kme.sh"
site_begin "$1"
# As kme_begin, in the site's own folder and under its CA.
kme_name=$site_name
kme_build=$site_build
kme_program=$site_build/src/kme/ketseal-kme
kme_work=$site_work
kme_end() {
    for pid in $pid_a $pid_b; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
}
# shellcheck disable=SC2034 # for site.sh
site_at_end=kme_end
for id in a b; do
    "$ketseal" -q ca issue server --ca ca --name "kme-$id" --ip 127.0.0.1 --out "server-$id" >/dev/null
done
"$ketseal" -q ca issue device --ca ca --name kme-b --out link-b >/dev/null
"$ketseal" -q ca issue device --ca ca --name site-sae --out site-sae >/dev/null
site_device edge-1
pulses='  pulses: 24000000
  distance_km: 5'
kme_link_a=$pulses
# shellcheck disable=SC2034 # for kme.sh
kme_link_b=$pulses
# shellcheck disable=SC2034
kme_keys='  stored_max: 60'
kme_start a b
kme_wait a 'stored_keys{half="own"}' 20

keys_section() { # WHEN_DOWN
    cat <<YAML
keys:
  source: both
  when_down: $1
  stock: 4096
  kme:
    url: https://127.0.0.1:$port_b
    root: ca/root.pem
    certificate: site-sae/device.pem
    key: site-sae/device.key
YAML
}
device_keys() { # WHEN_DOWN BATCH
    cat >edge-1/keys.json <<JSON
{"batch": $2, "low": 1, "schema": "ketseal.device-keys/1", "source": "both", "when_down": "$1",
 "kme": {"certificate": "device.pem", "key": "device.key", "root": "root.pem", "sae": "edge-1",
         "slave": "site-sae", "url": "https://127.0.0.1:$port_a"}}
JSON
}
run() { "$ketseal" run --device edge-1 --template bell --shots 10 --seed 1 --out out.bundle >said 2>&1; }
expect_keys() { # SOURCE
    got=$(jq -r '.record.core.request | .key_source + " " + .key_policy' out.bundle)
    [ "$got" = "$1 both" ] || site_fail "keys '$got', expected '$1 both'"
    "$ketseal" verify --policy lab.policy out.bundle >/dev/null || site_fail "the bundle does not verify"
}

site_more=$(keys_section refuse)
site_start
device_keys refuse 4
for n in 1 2 3 4 5 6; do
    run || { cat said >&2; site_fail "job $n"; }
    expect_keys both
done

# --- somebody listens: the link gives no key, and nothing is signed with one that she may know ------------
kme_link_a="$pulses
  eve: intercept
  eve_share: 0.8"
kme_configure a
kill -HUP "$pid_a"
# What was distilled before she came is good, and is drawn first.
device_keys refuse 32
tries=0
until ! run && grep -q 'gives no key' said; do
    rm -f edge-1/state/keyring out.bundle
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "keys without end"
    sleep 0.1
done
grep -q "the device's key manager: it refused (503): 'error on server side': .*gives no key" said ||
    { cat said >&2; site_fail "the refusal does not say why"; }
[ ! -e out.bundle ] || site_fail "a job that was refused left a bundle"
echo "$site_name: refused after $tries attempts: $(tail -n 1 said)"

# --- the policy lets the site's own keys count -----------------------------------------------------------
site_stop
# shellcheck disable=SC2034
site_more=$(keys_section kem)
site_start
device_keys kem 32
run || { cat said >&2; site_fail "the policy does not let it fall back"; }
expect_keys kem
grep -q "no quantum keys, so the site's own are used" said || site_fail "a fall-back is not told"

# --- she is gone ---------------------------------------------------------------------------------------------
kme_link_a=$pulses
kme_configure a
kill -HUP "$pid_a"
kme_wait a 'stored_keys{half="own"}' 40
run || { cat said >&2; site_fail "quantum keys are back"; }
expect_keys both
site_stop
kme_stop b
kme_stop a
echo "$site_name: ok"
