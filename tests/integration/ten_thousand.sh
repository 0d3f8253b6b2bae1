#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Ten thousand requests of eight devices at once draw ten thousand different quantum keys: each named in a
# request of its own, each delivered once at either end, none of them good again.
#
#   ten_thousand.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
devices=8
each=1249 # and the job's own
site_at_end=peer_end
peer_end() { kill -KILL "$peer_pid" 2>/dev/null || true; }

"$ketseal" -q ca issue device --ca ca --name site-sae --out site-sae >/dev/null
"$ketseal" -q ca issue server --ca ca --name kme --ip 127.0.0.1 --out kme >/dev/null
mkdir peer out
"$site_build/tests/integration/kme_peer" kme peer &
peer_pid=$!
tries=0
until [ -e peer/ready ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "the key manager does not start"
    sleep 0.05
done
site_more="keys:
  source: etsi014
  kme:
    url: https://127.0.0.1:$(cat peer/port)
    root: ca/root.pem
    certificate: site-sae/device.pem
    key: site-sae/device.key"
n=0
while [ "$n" -lt "$devices" ]; do
    n=$((n + 1))
    site_device "edge-$n"
    cat >"edge-$n/keys.json" <<JSON
{"batch": 128, "schema": "ketseal.device-keys/1", "source": "etsi014", "when_down": "refuse",
 "kme": {"certificate": "device.pem", "key": "device.key", "root": "root.pem", "sae": "edge-$n",
         "slave": "site-sae", "url": "https://127.0.0.1:$(cat peer/port)"}}
JSON
done
site_start
loads=
n=0
begin=$(date +%s%N)
while [ "$n" -lt "$devices" ]; do
    n=$((n + 1))
    "$site_build/tests/integration/key_load" "edge-$n" "$each" >"out/$n" &
    loads="$loads $!"
done
for load in $loads; do
    wait "$load" || site_fail "a device could not go on"
done
ms=$((($(date +%s%N) - begin) / 1000000))
cat out/* | sort >used
[ "$(grep -c . used)" -eq 10000 ] || site_fail "$(grep -c . used) requests"
[ "$(sort -u used | grep -c .)" -eq 10000 ] || site_fail "a key signed two requests"
for end in enc dec; do
    sed -n "s/^$end //p" peer/delivered | sort >"$end.ids"
    [ -z "$(uniq -d "$end.ids")" ] || site_fail "a key was delivered twice"
    [ "$(comm -23 used "$end.ids" | grep -c . || true)" -eq 0 ] || site_fail "a key that $end did not deliver"
done
# A sample of them, once more.
checked=0
awk 'NR % 500 == 0' used >sample
while read -r id; do
    n=$(grep -l "$id" out/* | sed 's|out/||')
    "$site_client" --device="edge-$n" --sign --quantum --key-id="$id" POST /v1/jobs >answer 2>/dev/null
    tail -n 1 answer | grep -q 'the quantum key is spent' || { cat answer >&2; site_fail "$id is good again"; }
    checked=$((checked + 1))
done <sample
site_stop
echo "$site_name: 10000 requests, 10000 keys, $devices devices, $ms ms; $checked of them refused again"
