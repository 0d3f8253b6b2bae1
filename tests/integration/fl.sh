#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Federated learning on the sealed path: an operator orders a session, two devices train on data of their own and
# contribute, the enclave's worker makes the global model, and all records, of the contributions and of the round,
# verify offline.
#
# KETSEAL_FL_KEEP=DIRECTORY keeps a bundle of each kind there, and the policy: so tests/vectors/bundle/6 was made.
#
#   fl.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
command -v jq >/dev/null || site_skip "jq is absent"
keep=${KETSEAL_FL_KEEP:+$(cd "$KETSEAL_FL_KEEP" && pwd)}
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

# What is learned, and who takes part, by files of settings; one device by its id and flags.
cat >global.yaml <<YAML
url: $url
operator: op
first: first.safetensors
name: city-air
rounds: 7
updates: 2
device: [edge-1, edge-2]
prepare: 60
train: 60
epochs: 2
optimiser: adam
rate: 0.001
YAML
cat >edge-1/device.yaml <<YAML
device_id: edge-1
device: .
schema: city-air
test_from: '2024-02-20 00:00:00'
data: [../city-1.csv]
seconds: 60
out: .
YAML
site_refused 2 'the certificate is of .edge-2., not of .edge-1.' "$ketseal" fl join --device-id=edge-1 --device=edge-2 --data=city-2.csv \
    --schema=city-air --test-from='2024-02-20 00:00:00'
site_refused 4 'no session for 0 s' "$ketseal" fl join --device-id=edge-2 --data=city-2.csv --seconds=0 \
    --schema=city-air --test-from='2024-02-20 00:00:00'
session=$("$ketseal" --json fl create --config=global.yaml --rounds=3 | jq -r .session)
operator start "$session" >/dev/null
"$ketseal" fl status --operator op --url "$url" --watch "$session" >watched 2>watching &
pid_3=$!
"$ketseal" fl join --config=edge-1/device.yaml "$session" >joined-1 2>said-1 &
pid_1=$!
"$ketseal" fl join --device-id=edge-2 --data=city-2.csv --schema=city-air --test-from='2024-02-20 00:00:00' --seconds=60 --out=edge-2 \
    >joined-2 2>said-2 &
pid_2=$!
wait "$pid_1" || site_fail "edge-1: $(cat said-1)"
wait "$pid_2" || site_fail "edge-2: $(cat said-2)"
wait "$pid_3" || site_fail "watching: $(cat watching)"
grep -q '^round 3 COMPLETED, 2 updates, loss ' watching || site_fail "what was watched: $(cat watching)"
grep -q 'FINISHED' watched || site_fail "what came of it: $(cat watched)"

operator status "$session" >seen
[ "$(jq -r .name seen)" = city-air ] || site_fail "another name: $(cat seen)"
[ "$(jq -r .state seen)" = FINISHED ] || site_fail "the session: $(cat seen)"
[ "$(jq -c '[.rounds[] | [.round, .count, .phase]]' seen)" = '[[1,2,"COMPLETED"],[2,2,"COMPLETED"],[3,2,"COMPLETED"]]' ] ||
    site_fail "the rounds: $(cat seen)"

# How it went: a table with a curve, CSV, JSON, figures; who took part.
"$ketseal" fl history --operator op --url "$url" --csv=history.csv "$session" >shown 2>said ||
    site_fail "history: $(cat said)"
grep -q '2/2   100 %' shown || site_fail "the history: $(cat shown)"
[ "$(grep -c 'completed$' shown)" = 3 ] || site_fail "the history: $(cat shown)"
grep -q '^loss by round$' shown || site_fail "no curve: $(cat shown)"
[ "$(cut -d, -f1-4 history.csv | tr '\n' ' ')" = 'round,outcome,count,participation 1,completed,2,1 2,completed,2,1 3,completed,2,1 ' ] ||
    site_fail "the table: $(cat history.csv)"
operator history "$session" >seen-history
[ "$(jq -c '[.items[] | [.round, .count, .samples > 1000, .seconds > 0]]' seen-history)" = '[[1,2,true,true],[2,2,true,true],[3,2,true,true]]' ] ||
    site_fail "the history: $(cat seen-history)"
[ "$(jq -c '[.items[].loss]' seen-history)" = "$(jq -c '[.rounds[].loss]' seen)" ] || site_fail "other losses: $(cat seen-history)"
operator devices "$session" >seen-devices
[ "$(jq -c '[.devices[] | [.device, .standing, .last, .updates]]' seen-devices)" = '[["edge-1","delivered",3,3],["edge-2","delivered",3,3]]' ] ||
    site_fail "the devices: $(cat seen-devices)"
"$ketseal" fl devices --operator op --url "$url" "$session" >answer
[ "$(awk '{ print $1, $2, $5 }' answer | tr '\n' ' ')" = 'device standing updates edge-1 delivered 3 edge-2 delivered 3 ' ] ||
    site_fail "the devices: $(cat answer)"
operator fetch "$session" --out=global.safetensors
[ "$(site_digest global.safetensors)" = "$(jq -r .model seen)" ] || site_fail "another model"
[ "$(site_digest global.safetensors)" != "$(site_digest first.safetensors)" ] || site_fail "nothing was learned"
for model in first global; do
    "$ketseal" --json learn evaluate --model="$model.safetensors" --schema=city-air --test-from='2024-02-20 00:00:00' \
        city-1.csv city-2.csv | jq .test.loss >"$model.loss"
done
awk -v a="$(cat first.loss)" -v b="$(cat global.loss)" 'BEGIN { exit !(b < a) }' ||
    site_fail "loss $(cat global.loss) after the rounds, $(cat first.loss) before"

# Each contribution has a row on either side, and none is one of a circuit.
rows() { # FLAGS of trace list …
    "$ketseal" --json trace list "$@" | jq '.traces'
}
rows --operator op --url "$url" >seen
[ "$(jq 'length' seen)" = 6 ] || site_fail "rows of the site: $(cat seen)"
jq -e 'all(.[].values; .workload == 1 and .fl_round >= 1 and .fl_samples > 0 and .fl_steps > 0 and .fl_loss > 0 and .fl_norm > 0
        and .fl_bytes > 0 and .fl_add_us > 0 and .fl_keep_us > 0 and .commit_us > 0 and .pcr_match == 1 and .error == 0
        and (has("shots") or has("qubits") or has("worker_cpu_us") | not))' seen >/dev/null ||
    site_fail "what the site says of contributions: $(cat seen)"
for site in 1 2; do
    rows --device "edge-$site" --workload=fl.update >"rows-$site"
    jq -e 'length == 3 and all(.[].values; .fl_local_us > 0 and .fl_upload_us > 0 and .fl_norm > 0 and .round_trip_us > 0)' "rows-$site" \
        >/dev/null || site_fail "what edge-$site says of contributions: $(cat "rows-$site")"
    # Both sides mean the same by what both say.
    for column in fl_round fl_samples fl_steps fl_loss fl_bytes fl_norm; do
        [ "$(jq -c "map(.values.$column)" "rows-$site")" = "$(jq -c "map(select(.device == \"edge-$site\").values.$column)" seen)" ] ||
            site_fail "edge-$site, $column: $(cat "rows-$site"), the site: $(cat seen)"
    done
done
[ "$(rows --operator op --url "$url" --workload=circuit | jq length)" = 0 ] || site_fail "contributions are listed as circuits"
site_refused 2 "'x' is no workload" "$ketseal" trace list --device edge-1 --workload=x

"$ketseal" fl status --operator op --url "$url" >answer
grep -q "^$session.FINISHED.*3 of 3 rounds.city-air.all rounds are completed$" answer || site_fail "the sessions: $(cat answer)"
for verb in history devices; do
    site_refused 6 'no such session' operator "$verb" 00000000000000000000000000000000
    site_refused 2 'is no session' operator "$verb" x
done
# What is refused, and what an operator may change on the way.
site_refused 5 'the session is FINISHED' operator start "$session"
site_refused 5 'no round is open' operator pause "$session"
site_refused 6 'no such session' operator status 00000000000000000000000000000000
site_refused 2 'is no session' operator start x
other=$(operator create --updates=1 --device edge-2 --prepare=60 first.safetensors | jq -r .session)
operator start "$other" >/dev/null
site_refused 4 'no round has begun' "$ketseal" fl join --device edge-1 --schema=city-air --test-from='2024-02-20 00:00:00' \
    --seconds=1 "$other" city-1.csv
operator pause "$other" >seen
[ "$(jq .rounds[0].paused seen)" = true ] || site_fail "not paused: $(cat seen)"
operator resume "$other" >seen
[ "$(jq .rounds[0].paused seen)" = false ] || site_fail "still paused: $(cat seen)"
operator stop "$other" >seen
[ "$(jq -r '.state, .rounds[0].failure' seen | tr '\n' ' ')" = 'STOPPED stopped on demand ' ] || site_fail "not stopped: $(cat seen)"

# A device that never comes costs the others the time to prepare, not the round; where too few come, it fails.
joins() { # DEVICE SESSION
    "$ketseal" -q fl join --device "edge-$1" --schema=city-air --test-from='2024-02-20 00:00:00' --seconds=30 --out="edge-$1" \
        --rounds=1 "$2" "city-$1.csv" >/dev/null 2>said || site_fail "edge-$1: $(cat said)"
}
other=$(operator create --updates=2 --updates-min=1 --device edge-1 --device edge-2 --prepare=10 --train=60 --optimiser=adam --rate=0.001 \
    first.safetensors | jq -r .session)
operator start "$other" >/dev/null
joins 2 "$other"
operator status "$other" >seen
[ "$(jq -r '.state, .rounds[0].count' seen | tr '\n' ' ')" = 'FINISHED 1 ' ] || site_fail "one of two: $(cat seen)"
other=$(operator create --updates=2 --device edge-1 --device edge-2 --prepare=1 first.safetensors | jq -r .session)
operator start "$other" >/dev/null
tries=0
until operator status "$other" >seen && [ "$(jq -r .state seen)" != RUNNING ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "nobody, and no end: $(cat seen)"
    sleep 0.1
done
[ "$(jq -r '.state, .rounds[0].failure' seen | tr '\n' ' ')" = 'FAILED too few clients joined ' ] || site_fail "nobody: $(cat seen)"

# A pause ends no device: not before it has joined, and not with an update that is trained.
until_phase() { # SESSION PHASE: of the last round
    tries=0
    until [ "$(operator status "$1" | jq -r '.rounds[-1].phase')" = "$2" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || site_fail "not $2: $(operator status "$1")"
        sleep 0.05
    done
}
other=$(operator create --updates=1 --device edge-2 --prepare=60 --train=60 --epochs=3000 --optimiser=adam --rate=0.001 \
    first.safetensors | jq -r .session)
operator start "$other" >/dev/null
until_phase "$other" PREPARING
operator pause "$other" >/dev/null
joins 2 "$other" &
pid_1=$!
sleep 1
operator resume "$other" >/dev/null
until_phase "$other" TRAINING
operator pause "$other" >/dev/null
sleep 3
kill -0 "$pid_1" || site_fail "a pause ended a device"
operator resume "$other" >/dev/null
wait "$pid_1" || site_fail "a pause ended a device: $(cat said)"
[ "$(operator status "$other" | jq -r .state)" = FINISHED ] || site_fail "after a pause: $(operator status "$other")"

# edge-1 takes part, held back after each exchange until somebody reads it.
held() { # SESSION
    KETSEAL_TRACE=$site_work/exchanges "$site_build/tests/integration/ketseal_trace" -q fl join --device edge-1 --schema=city-air \
        --test-from='2024-02-20 00:00:00' --seconds=30 --out=edge-1 "$1" city-1.csv >joined-1 2>said-1 &
    pid_1=$!
}

# Who has seen the first round, held back by whoever reads its exchanges, and finds the second one open, takes part in that.
other=$(operator create --rounds=2 --updates=1 --invite=2 --device edge-1 --device edge-2 --prepare=3 --train=60 --optimiser=adam --rate=0.001 \
    first.safetensors | jq -r .session)
operator start "$other" >/dev/null
until_phase "$other" PREPARING
mkfifo exchanges
held "$other"
cat exchanges >/dev/null
joins 2 "$other"
until_phase "$other" PREPARING
cat <>exchanges >/dev/null &
pid_2=$!
wait "$pid_1" || site_fail "a round that came early: $(cat said-1)"
kill "$pid_2"
[ "$(operator status "$other" | jq -r '.state, .rounds[1].count' | tr '\n' ' ')" = 'FINISHED 1 ' ] ||
    site_fail "a round is missed: $(operator status "$other")"

# A round that ends, and a site that starts again twice, between what a device reads of the round and its descriptor, which is
# gone then: the device looks again. It is held where it has seen that no round is open, and where it has seen the first one.
other=$(operator create --rounds=1 --updates=2 --device edge-1 --device edge-2 --prepare=5 first.safetensors | jq -r .session)
held "$other"
cat exchanges exchanges >/dev/null
sleep 2
operator start "$other" >/dev/null
until_phase "$other" PREPARING
cat exchanges >/dev/null
until_phase "$other" FAILED
site_stop
site_start
site_stop
site_start
cat <>exchanges >passed &
pid_2=$!
wait "$pid_1" || site_fail "a start of the site ended a device: $(cat said-1)"
kill "$pid_2"
grep -q "descriptor.*!NOT_FOUND" passed || site_fail "the device has not asked for the descriptor of a round that is gone: $(cat passed)"
[ "$(operator status "$other" | jq -r .state)" = FAILED ] || site_fail "a round that nobody joined: $(operator status "$other")"

tries=0
until [ "$(operator records "$session" | jq '[.jobs[] | select(.state == "done")] | length')" -ge 3 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "rounds have no record: $(operator records "$session")"
    sleep 0.1
done
drawn=
command -v gnuplot >/dev/null || drawn=--no-figure
"$ketseal" fl history --operator op --url "$url" --out=figures $drawn "$session" >shown 2>said || site_fail "figures: $(cat said)"
for figure in fl_loss_by_round fl_participation fl_device_loss; do
    [ "$(wc -l <"figures/$figure.csv")" -eq 4 ] || site_fail "$figure: $(cat "figures/$figure.csv")"
    [ -n "$drawn" ] || head -c 5 "figures/$figure.pdf" | grep -q %PDF- || site_fail "$figure is not drawn"
done
[ "$(cut -d, -f1-3 figures/fl_device_loss.csv | tail -n 3 | tr '\n' ' ')" = 'devices,1,2 devices,2,2 devices,3,2 ' ] ||
    site_fail "the devices' losses: $(cat figures/fl_device_loss.csv)"
mkdir rounds
for job in $(operator records "$session" | jq -r '.jobs[].id'); do
    operator record "$job" --out="rounds/$job.json"
done
site_stop
verified=0
for bundle in edge-1/*-[0-9]*.json edge-2/*-[0-9]*.json rounds/*.json; do
    "$site_build/src/cli/ketseal-verify" lab.policy "$bundle" >answer || site_fail "$bundle: $(cat answer)"
    verified=$((verified + 1))
done
[ "$verified" -eq 13 ] || site_fail "$verified records, not 13"
if [ -n "$keep" ]; then
    cp lab.policy "$keep/"
    cp "edge-1/$session-2.json" "$keep/update.bundle"
    cp "$(grep -l '"round":2,' rounds/*.json | head -n 1)" "$keep/round.bundle"
fi
# What one round makes, the next one begins with.
jq -s 'map(.record.core) | sort_by(.workload.round) | [.[] | [.workload.parent, .execution.result_summary.model]]' rounds/*.json >chain
[ "$(jq '.[0][1] == .[1][0] and .[1][1] == .[2][0]' chain)" = true ] || site_fail "the chain of models: $(cat chain)"
[ "$(jq -r '.[2][1]' chain)" = "$(site_digest global.safetensors)" ] || site_fail "the last model: $(cat chain)"
echo "fl: loss $(cat first.loss) before, $(cat global.loss) after three rounds; $verified records verified"
