#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Federated learning on the sealed path: an operator orders a session, two devices train on data of their own and
# contribute, the enclave's worker makes the global model, and all records, of the contributions and of the round,
# verify offline.
#
#   fl.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
command -v jq >/dev/null || site_skip "jq is absent"
site_begin "$1"
ln -s "$site_build/src/enclave/ketseal-worker-fl" libexec/
# shellcheck disable=SC2034 # of site.sh
site_more='fl:
  workers: 1
  memory_mib: 512
  params: 100000'
site_device edge-1
site_device edge-2
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
site_start
url=https://127.0.0.1:$site_port
for site in 1 2; do
    "$ketseal" learn generate --site="$site" --hours=1500 --out="city-$site.csv" >/dev/null
done
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model=linear --epochs=0 --out=first.safetensors \
    city-1.csv >/dev/null
operator() { # VERB …
    verb=$1
    shift
    "$ketseal" --json fl "$verb" --operator op --url "$url" "$@"
}

session=$(operator create --rounds=1 --updates=2 --device edge-1 --device edge-2 --prepare=60 --train=60 --epochs=2 --optimiser=adam --rate=0.001 \
    first.safetensors | jq -r .session)
operator start "$session" >/dev/null
for site in 1 2; do
    "$ketseal" fl join --device "edge-$site" --schema=city-air --test-from='2024-02-20 00:00:00' --seconds=60 --out="edge-$site" "$session" \
        "city-$site.csv" >"joined-$site" 2>"said-$site" &
    eval "pid_$site=$!"
done
# shellcheck disable=SC2154 # set by eval
wait "$pid_1" || site_fail "edge-1: $(cat said-1)"
# shellcheck disable=SC2154
wait "$pid_2" || site_fail "edge-2: $(cat said-2)"

operator status "$session" >seen
[ "$(jq -r .state seen)" = FINISHED ] || site_fail "the session: $(cat seen)"
[ "$(jq -r '.rounds[0].count' seen)" = 2 ] || site_fail "the round: $(cat seen)"
operator fetch "$session" --out=global.safetensors
[ "$(site_digest global.safetensors)" = "$(jq -r .model seen)" ] || site_fail "another model"
[ "$(site_digest global.safetensors)" != "$(site_digest first.safetensors)" ] || site_fail "nothing was learned"
for model in first global; do
    "$ketseal" --json learn evaluate --model="$model.safetensors" --schema=city-air --test-from='2024-02-20 00:00:00' \
        city-1.csv city-2.csv | jq .test.loss >"$model.loss"
done
awk -v a="$(cat first.loss)" -v b="$(cat global.loss)" 'BEGIN { exit !(b < a) }' ||
    site_fail "loss $(cat global.loss) after the round, $(cat first.loss) before"

tries=0
until [ "$(operator records "$session" | jq '[.jobs[] | select(.state == "done")] | length')" -ge 1 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "the round has no record: $(operator records "$session")"
    sleep 0.1
done
operator record "$(operator records "$session" | jq -r '.jobs[0].id')" --out=round.json
for bundle in "edge-1/$session-1.json" "edge-2/$session-1.json" round.json; do
    [ -e "$bundle" ] || site_fail "no $bundle"
done
site_stop
verified=0
for bundle in "edge-1/$session-1.json" "edge-2/$session-1.json" round.json; do
    "$site_build/src/cli/ketseal-verify" lab.policy "$bundle" >answer || site_fail "$bundle: $(cat answer)"
    verified=$((verified + 1))
done
echo "fl: loss $(cat first.loss) before, $(cat global.loss) after one round; $verified records verified"
