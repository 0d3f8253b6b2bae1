#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# What goes from one round of a session to the next: the memory of the server's rules, what devices said they have, whether
# there was a gain; and how updates travel. Each on a site, with devices that train.
#
# KETSEAL_FL_KEEP=DIRECTORY keeps a bundle of each kind there, of a robust rule and a server's that remembers, and the policy:
# so tests/vectors/bundle/6-robust was made.
#
#   fl_server.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
command -v jq >/dev/null || site_skip "jq is absent"
command -v python3 >/dev/null || site_skip "python3 is absent"
tests=$(cd "$(dirname "$0")" && pwd)
keep=${KETSEAL_FL_KEEP:+$(cd "$KETSEAL_FL_KEEP" && pwd)}
site_begin "$1"
ln -s "$site_build/src/enclave/ketseal-worker-fl" libexec/
# shellcheck disable=SC2034 # of site.sh
site_more='fl:
  workers: 1
  memory_mib: 512
  params: 100000
  keep_rounds: 3'
for site in 1 2 3; do
    site_device "edge-$site"
done
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
site_start
url=https://127.0.0.1:$site_port
for site in 1 2 3; do
    "$ketseal" learn generate --site="$site" --hours=1500 --out="city-$site.csv" >/dev/null
done
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model=linear --epochs=0 --out=first.safetensors city-1.csv >/dev/null
operator() { # VERB …
    verb=$1
    shift
    "$ketseal" --json fl "$verb" --operator op --url "$url" "$@"
}

# A session of all rounds, created and started with these flags: its id in $session.
begin() { # FLAG …
    session=$(operator create --prepare=60 --train=60 --optimiser=adam --rate="${rate:-0.001}" "$@" first.safetensors | jq -r .session)
    operator start "$session" >/dev/null
}

joins() { # DEVICE [ROUNDS]
    "$ketseal" -q fl join --device "edge-$1" --schema=city-air --test-from="2024-02-0$(($1 * 3)) 00:00:00" --seconds=60 --rounds="${2:-0}" --out="edge-$1" "$session" \
        "city-$1.csv" >"joined-$1" 2>"said-$1" || site_fail "edge-$1: $(cat "said-$1")"
}

# Both take part until the session has ended; what it is then, in the file seen.
run_both() {
    joins 1 &
    pid=$!
    joins 2
    wait "$pid" || site_fail "edge-1: $(cat said-1)"
    operator status "$session" >seen
}

ended() { # STATE REASON ROUNDS
    [ "$(jq -r '"\(.state) \(.reason) \(.rounds | length)"' seen)" = "$1 $2 $3" ] || site_fail "not '$1 $2 $3': $(cat seen)"
}

# Rules that remember: each round leaves a state, and the next one begins with it.
for rule in fedavgm fedadagrad fedadam fedyogi; do
    begin --rounds=3 --updates=2 --device edge-1 --device edge-2 --server="$rule" --server-rate=0.5
    run_both
    ended FINISHED 'all rounds are completed' 3
    eval "session_$rule=$session"
    jq -r .model seen >>models
done
[ "$(sort -u models | wc -l)" -eq 4 ] || site_fail "rules that come to one model: $(cat models)"
[ "$(find state/fl -name 'state-*' | wc -l)" -eq 12 ] || site_fail "states: $(ls state/fl)"

# Rounds that go on from what the one before has left come to the same again, also from the last aggregate, also with an
# update that says nothing in a round of f32.
until_records() { # SESSION COUNT: of its rounds; what there are, in the file recorded
    tries=0
    until operator records "$1" >recorded && [ "$(jq '[.jobs[] | select(.state == "done")] | length' recorded)" -ge "$2" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || site_fail "of $2 rounds some have no record: $(cat recorded)"
        sleep 0.1
    done
}
audit() { # SESSION
    until_records "$1" 3
    for round in 1 2 3; do
        "$ketseal" fl audit --policy lab.policy --operator op --url "$url" --round="$round" "$1" >audited 2>&1 ||
            site_fail "round $round, audited: $(cat audited)"
        grep -q 'pass *replay' audited || site_fail "round $round was not computed again: $(cat audited)"
    done
}
# shellcheck disable=SC2154 # set by eval
audit "$session_fedadam"
begin --rounds=3 --updates=2 --device edge-1 --device edge-2 --rule=centered-clip --radius=0.01 --server=fedavgm
run_both
ended FINISHED 'all rounds are completed' 3
audit "$session"
session_clip=$session

# How updates travel: topk of all numbers is as good as all numbers; of few it is short; nothing is nothing.
begin --rounds=2 --updates=2 --device edge-1 --device edge-2
run_both
model=$(jq -r .model seen)
params=$(jq .params seen)
begin --rounds=2 --updates=2 --device edge-1 --device edge-2 --encoding=topk --topk="$params"
run_both
[ "$(jq -r .model seen)" = "$model" ] || site_fail "topk of all $params numbers is another model"
for encoding in f16 q8 'topk --topk=10'; do
    # shellcheck disable=SC2086
    begin --rounds=3 --updates=2 --device edge-1 --device edge-2 --encoding=$encoding
    run_both
    ended FINISHED 'all rounds are completed' 3
    [ "$(jq -r .model seen)" != "$model" ] || site_fail "$encoding: the model of f32"
    jq '.rounds[2].loss < .rounds[0].loss' seen | grep -q true || site_fail "$encoding: nothing was learned: $(cat seen)"
    jq '.record.core.workload.length' "edge-1/$session-1.json" >>lengths
done
rate=1e-60 # no float is so small
begin --rounds=3 --updates=2 --device edge-1 --device edge-2
rate=
run_both
[ "$(jq -r .model seen)" = "$(site_digest first.safetensors)" ] || site_fail "nothing was trained, and the model is another"
audit "$session"
jq '.record.core.workload.length' "edge-1/$session-1.json" >>lengths
overhead=$(tail -n 1 lengths)
# shellcheck disable=SC2046
set -- $(head -n 3 lengths)
[ "$1" -eq $((overhead - 4 + 2 * params)) ] || site_fail "f16: $(cat lengths)"
[ "$2" -eq $((overhead - 4 + params + 4 * ((params + 255) / 256))) ] || site_fail "q8: $(cat lengths)"
[ "$3" -eq $((overhead + 80)) ] || site_fail "topk: $(cat lengths)"

# FedProx: what holds an update back makes it shorter.
norm() {
    jq '.record.core.execution.result_summary.norm' "edge-1/$session-1.json"
}
begin --rounds=1 --updates=1 --device edge-1 --epochs=5
joins 1
free=$(norm)
begin --rounds=1 --updates=1 --device edge-1 --epochs=5 --proximal=100
joins 1
awk -v a="$(norm)" -v b="$free" 'BEGIN { exit !(a > 0 && a < b) }' || site_fail "proximal: norm $(norm), without $free"

# Early stop: the first round is the best one, and no later one gains 1000.
begin --rounds=20 --updates=2 --device edge-1 --device edge-2 --patience=2 --gain-min=1000
run_both
ended FINISHED 'it gained no more' 3
begin --rounds=4 --updates=2 --device edge-1 --device edge-2 --patience=2
run_both
ended FINISHED 'all rounds are completed' 4

# Over-selection: two are invited, one update is wanted; who is second is too late.
begin --rounds=1 --updates=1 --invite=2 --device edge-1 --device edge-2
run_both
[ "$(jq -r '.state, .rounds[0].count' seen | tr '\n' ' ')" = 'FINISHED 1 ' ] || site_fail "two invited, one wanted: $(cat seen)"
[ "$(cat edge-1/"$session"-1.json edge-2/"$session"-1.json 2>/dev/null | jq -s length)" -eq 1 ] || site_fail "both have a record"

# Selection by samples: who is invited follows from the descriptor, and what devices weigh from what they said.
begin --rounds=6 --updates=1 --invite=1 --select=weighted --select-seed=7 --device edge-1 --device edge-2 --device edge-3
for round in 1 2 3 4 5 6; do
    tries=0
    until "$site_client" --device=edge-1 GET "/v1/fl/sessions/$session/descriptor" | tail -n +2 >descriptor &&
        [ "$(jq .body.round descriptor)" = "$round" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || site_fail "no round $round: $(cat descriptor)"
        sleep 0.1
    done
    chosen=$(python3 "$tests/fl_select.py" descriptor) || site_fail "round $round: selected again, $chosen: $(cat descriptor)"
    jq -c '[.body.devices + .body.passed_over, .body.samples] | transpose | sort' descriptor >>weights
    joins "${chosen#edge-}" 1
    jq -r '.record.core.workload.samples' "$chosen/$session-$round.json" >"samples-$chosen"
done
[ "$(head -n 1 weights)" = '[["edge-1",1],["edge-2",1],["edge-3",1]]' ] || site_fail "before anybody has joined: $(cat weights)"
known=0
for device in edge-1 edge-2 edge-3; do
    [ -e "samples-$device" ] || continue
    known=$((known + 1))
    # The last round's own device may have joined for the first time in it.
    tail -n 1 weights | jq -e --arg device "$device" --argjson samples "$(cat "samples-$device")" \
        'any(.[]; . == [$device, $samples])' >/dev/null || [ "$device" = "$chosen" ] || site_fail "$device: $(cat weights)"
done
[ "$known" -ge 2 ] || site_fail "one device alone was ever chosen: $(cat weights)"

# More rounds than a page of any list has: all of them are there, once.
begin --rounds=210 --updates=1 --device edge-1
joins 1
until_records "$session" 210
[ "$(jq '[.jobs[].id] | unique | length' recorded)" -eq 210 ] || site_fail "210 rounds, other records: $(cat recorded)"
[ "$(operator history "$session" | jq -c '[.items[].round] == [range(1; 211)]')" = true ] || site_fail "210 rounds, a history of others"

# What does not fit, or is not here, is refused by name.
refused() { # STATUS TEXT FLAG …
    status=$1
    text=$2
    shift 2
    site_refused "$status" "$text" operator create --updates=1 "$@" first.safetensors
}
refused 4 "a site has no 'scaffold'" --server=scaffold
refused 4 "a site has no 'fedbuff'" --server=fedbuff
refused 2 "no server rule 'fedsgd'" --server=fedsgd
refused 2 'is nothing to --server fedavg' --beta1=0.9
refused 2 'is nothing to --server fedavgm' --server=fedavgm --tau=0.1
refused 3 'a beta outside of 0 to 1' --server=fedadam --beta2=1
refused 3 'a rate that is not above 0' --server-rate=0
refused 2 'is for --encoding topk' --topk=3
refused 2 'needs --topk' --encoding=topk
refused 2 'is for sessions with --patience' --gain-min=0.1
refused 2 'random or weighted' --select=all

# Records of rounds: each with the state that it left, and they verify.
keep_rounds() { # SESSION FOLDER
    mkdir "$2"
    for job in $(operator records "$1" | jq -r '.jobs[] | select(.state == "done") | .id'); do
        operator record "$job" --out="$2/$job.json"
    done
}
keep_rounds "$session_fedadam" rounds
keep_rounds "$session_clip" clipped
# Each round comes to the same model and the same state again, from the state of the one before.
# shellcheck disable=SC2154
for audited in "$session_fedadam" "$session_fedavgm"; do
    operator audit "$audited" --policy=lab.policy >seen || site_fail "the audit of rules that remember: $(cat seen)"
    [ "$(jq -c '[.rounds[].checks.replay.state]' seen)" = '["pass","pass","pass"]' ] || site_fail "the replay of rules that remember: $(cat seen)"
done
site_stop
# Outside, a state is sealed: its name is the hash of what it says, not of its bytes.
for bundle in rounds/*.json clipped/*.json edge-1/"$session_fedadam"-*.json edge-1/"$session_clip"-*.json; do
    "$site_build/src/cli/ketseal-verify" lab.policy "$bundle" >answer || site_fail "$bundle: $(cat answer)"
done
for state in $(jq -r '.record.core.execution.result_summary.state' rounds/*.json); do
    set -- state/fl/state-*-"$state"
    [ -e "$1" ] || site_fail "no state $state: $(ls state/fl)"
    [ "$(site_digest "$1")" != "$state" ] || site_fail "a state in the clear"
done
[ "$(jq -r '.record.core.execution.result_summary.state' rounds/*.json | sort -u | wc -l)" -eq 3 ] || site_fail "the states of three rounds"
if [ -n "$keep" ]; then
    cp lab.policy "$keep/"
    cp "edge-1/$session_clip-2.json" "$keep/update.bundle"
    cp "$(grep -l '"round":2,' clipped/*.json | head -n 1)" "$keep/round.bundle"
fi
echo "fl_server: bytes of sealed updates of $params numbers: $(tr '\n' ' ' <lengths)(f16, q8, topk of 10, nothing)"
