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
# shellcheck source-path=SCRIPTDIR source=peer.sh
. "$(dirname "$0")/peer.sh"
site_begin "$1"
devices=8
each=1249 # and the job's own
mkdir out
peer_begin
site_more=$(peer_section etsi014 refuse 600 512)
n=0
while [ "$n" -lt "$devices" ]; do
    n=$((n + 1))
    site_device "edge-$n"
    peer_device "edge-$n" etsi014 refuse 128
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
