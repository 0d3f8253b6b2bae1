#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# What an auditor can check of federated learning: three rounds whose records, lists and updates hold together, at the
# site and from files; a list, a model and a sealed update that were changed; updates that the site has deleted; a full
# folder; an upload that nobody needed.
#
#   fl_audit.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
for tool in jq openssl; do
    command -v "$tool" >/dev/null || site_skip "$tool is absent"
done
site_begin "$1"
ln -s "$site_build/src/enclave/ketseal-worker-fl" libexec/
fl='fl:
  workers: 1
  memory_mib: 512
  params: 100000'
# shellcheck disable=SC2034 # of site.sh
site_more="$fl
  keep_rounds: 2"
openssl ecparam -name prime256v1 -genkey -noout -out authority.pem 2>/dev/null
openssl pkey -in authority.pem -pubout -outform DER -out authority.der 2>/dev/null
# shellcheck disable=SC2034
site_enclave='
  update_authority: authority.der
  update_authorisation: update.word'
site_device edge-1
site_device edge-2
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
site_start
url=https://127.0.0.1:$site_port
for site in 1 2; do
    "$ketseal" learn generate --site="$site" --hours=1200 --out="city-$site.csv" >/dev/null
done
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-10 00:00:00' --model=linear --epochs=0 --out=first.safetensors \
    city-1.csv >/dev/null
operator() { # VERB …
    verb=$1
    shift
    "$ketseal" --json fl "$verb" --operator op --url "$url" "$@"
}
rounds() { # N: a session of so many, by both devices
    session=$(operator create --rounds="$1" --updates=2 --device edge-1 --device edge-2 --prepare=60 --train=60 --optimiser=adam \
        --rate=0.001 first.safetensors | jq -r .session)
    operator start "$session" >/dev/null
    "$ketseal" -q fl join --device edge-1 --schema=city-air --test-from='2024-02-10 00:00:00' --seconds=60 --out=edge-1 "$session" \
        city-1.csv >/dev/null 2>said-1 &
    other=$!
    "$ketseal" -q fl join --device edge-2 --schema=city-air --test-from='2024-02-10 00:00:00' --seconds=60 --out=edge-2 "$session" \
        city-2.csv >/dev/null 2>said-2 || site_fail "edge-2: $(cat said-2)"
    wait "$other" || site_fail "edge-1: $(cat said-1)"
    tries=0
    until [ -e "state/fl/list-$session-$1.json" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || site_fail "round $1 has no list: $(ls state/fl)"
        sleep 0.1
    done
}
audit() { # CODE WORDS FLAG…: fl audit ends with CODE and says WORDS
    code=$1 words=$2
    shift 2
    status=0
    "$ketseal" fl audit --policy "${policy:-lab.policy}" "$session" "$@" >audited 2>&1 || status=$?
    [ "$status" -eq "$code" ] || site_fail "fl audit $*: ended with $status, not $code: $(cat audited)"
    grep -q "$words" audited || site_fail "fl audit $*: does not say '$words': $(cat audited)"
}
at_site="--operator op --url $url"

rounds 3
# shellcheck disable=SC2086 # flags
audit 0 'pass *updates 2 of 2' $at_site --no-replay --out=kept
[ "$(grep -c '^  pass' audited)" -eq 12 ] || site_fail "not all passed: $(cat audited)"
audit 0 'round 3: completed' --offline kept --no-replay
[ "$(grep -c '^  pass' audited)" -eq 12 ] || site_fail "not all passed, offline: $(cat audited)"
# shellcheck disable=SC2086
"$ketseal" --json fl audit --policy lab.policy $at_site --no-replay --round=2 "$session" >audited || site_fail "round 2: $(cat audited)"
[ "$(jq -c '[.outcome, [.rounds[] | [.round, .verified, .checks.chain.state]]]' audited)" = '["pass",[[2,2,"pass"]]]' ] ||
    site_fail "round 2: $(cat audited)"

# One round alone is kept with the one before, whose model it began with: that one has to be true as well.
# shellcheck disable=SC2086
audit 0 'pass *chain' $at_site --no-replay --round=2 --out=alone
audit 0 'pass *chain' --offline alone --no-replay --round=2
jq -cSj --slurpfile other alone/round-2.json '.record.signatures = $other[0].record.signatures' alone/round-1.json >false.json
echo >>false.json
mv false.json alone/round-1.json
audit 1 'round 1: .*signature is false' --offline alone --no-replay --round=2

# A bundle that did not arrive comes by the round's list.
mv edge-1/"$session"-2.json lost.json
"$ketseal" -q fl join --device edge-1 --schema=city-air --test-from='2024-02-10 00:00:00' --seconds=1 --out=edge-1 "$session" city-1.csv \
    >/dev/null
[ "$(jq -r .record.core.record.record_id edge-1/"$session"-2.json)" = "$(jq -r .record.core.record.record_id lost.json)" ] ||
    site_fail "the bundle of round 2 is another"

# What was kept and then changed.
cp -r kept changed
jq -cj '.updates[0].suspicion = 9' kept/list-2.json >changed/list-2.json
audit 1 "another than the record's 'list' commits to" --offline changed --no-replay
cp kept/list-1.json changed/list-2.json
audit 1 "another than the record's 'list' commits to" --offline changed --no-replay
cp kept/list-2.json changed/list-2.json
cp kept/update-1-edge-1.json changed/update-2-edge-1.json
audit 1 'edge-1: the list names another record' --offline changed --no-replay
rm changed/update-2-edge-1.json
audit 4 'could not tell: edge-1: .*No such file' --offline changed --no-replay
cp kept/update-2-edge-1.json changed/
rm changed/round-1.json
audit 4 'could not tell: round 1, whose model this one began with, has no record here' --offline changed --no-replay
site_refused 6 'no record of such a round' "$ketseal" fl audit --policy lab.policy --offline kept --round=9 "$session"

# The rounds whose sealed updates are there come to the same again; the first one's were deleted.
for round in 2 3; do
    # shellcheck disable=SC2086
    audit 0 'pass *replay' $at_site --round=$round --out=kept
done
# shellcheck disable=SC2086
audit 4 "could not tell: the update of 'edge-[12]': the sealed updates of round 1 were deleted: the site keeps those of 2 rounds" $at_site --out=kept
[ "$(grep -c '^  pass' audited)" -eq 14 ] || site_fail "but for one replay not all passed: $(cat audited)"
audit 4 'the sealed updates of round 1 were deleted' --offline kept
audit 0 'pass *replay' --offline kept --round=3
[ "$(operator audit "$session" --policy lab.policy --round=3 | jq -r '.rounds[0].checks.replay.state')" = pass ] || site_fail "no replay in JSON"
rm -r changed
cp -r kept changed
sed 's/"same_model":"pass"/"same_model":"fail"/' kept/audit-3.json >changed/audit-3.json
audit 1 'audit: it contradicts itself' --offline changed --round=3
sed 's/"updates":2/"updates":1/' kept/audit-3.json >changed/audit-3.json
audit 1 'audit: ' --offline changed --round=3
cp kept/audit-2.json changed/audit-3.json
audit 1 'the audit is of another round' --offline changed --round=3

# One bit of what was kept.
set -- "state/fl/kept-$session-3-"*
byte=$(od -An -tu1 -j1500 -N1 "$1")
# shellcheck disable=SC2059 # an octal escape
printf "\\$(printf %03o $((byte ^ 1)))" | dd of="$1" bs=1 seek=1500 conv=notrunc status=none
# shellcheck disable=SC2086
audit 4 "could not tell: the update of 'edge-[12]': sealed update: its hash is another" $at_site --round=3
# shellcheck disable=SC2086
audit 0 'pass *replay' $at_site --round=2
list=state/fl/list-$session-2.json
cp "$list" list
jq -cj '.updates[1].norm = 0' list >"$list"
# shellcheck disable=SC2086
audit 1 "another than the record's 'list' commits to" $at_site --round=2
grep -q "not-run  replay: the list that was kept is not the round's" audited || site_fail "replay of another list: $(cat audited)"
cp list "$list"
site_refused 6 'no record of such a round' operator audit "$session" --policy lab.policy --round=9
site_refused 2 'either --url' "$ketseal" fl audit --policy lab.policy "$session"

# A round is open, and has the one worker of rounds: audits have another.
open=$(operator create --rounds=1 --updates=2 --device edge-1 --device edge-2 --prepare=60 --train=600 --optimiser=adam --rate=0.001 \
    first.safetensors | jq -r .session)
operator start "$open" >/dev/null
"$ketseal" -q fl join --device edge-1 --schema=city-air --test-from='2024-02-10 00:00:00' --seconds=60 --out=edge-1 "$open" \
    city-1.csv >/dev/null 2>said-1 &
other=$!
# shellcheck disable=SC2086
audit 0 'pass *replay' $at_site --round=2
"$ketseal" -q fl join --device edge-2 --schema=city-air --test-from='2024-02-10 00:00:00' --seconds=60 --out=edge-2 "$open" \
    city-2.csv >/dev/null 2>said-2 || site_fail "edge-2: $(cat said-2)"
wait "$other" || site_fail "edge-1: $(cat said-1)"

# The record is durable, and then the site ends before the enclave knows: there is no second one.
session=$(operator create --rounds=1 --updates=1 --device edge-1 --prepare=60 --train=60 --optimiser=adam --rate=0.001 first.safetensors |
    jq -r .session)
mkdir "state/fl/list-$session-1.json"
operator start "$session" >/dev/null
"$ketseal" -q fl join --device edge-1 --schema=city-air --test-from='2024-02-10 00:00:00' --seconds=60 --out=edge-1 "$session" \
    city-1.csv >/dev/null
tries=0
until grep -q 'event=fl.list err=' site.log; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "a list was kept that could not be"
    sleep 0.1
done
site_stop
rmdir "state/fl/list-$session-1.json"
site_start
url=https://127.0.0.1:$site_port
at_site="--operator op --url $url"
tries=0
until [ -e "state/fl/list-$session-1.json" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "no list after a restart"
    sleep 0.1
done
# shellcheck disable=SC2086
audit 0 'pass *replay' $at_site
[ "$(operator records "$session" | jq '.jobs | length')" = 1 ] || site_fail "another record: $(operator records "$session")"
site_stop

# A round comes to another model now: the worker that made it is another one, which makes the first number of each model
# one ulp larger, and agrees with itself. Records are by the policy that names the worker.
restart() { # WORKER: by the word of the update authority
    ln -sf "$1" libexec/ketseal-worker-fl
    launch="$site_build/src/server/ketseal-launch --libexec=$site_work/libexec"
    $launch --update-message=message ketseal.yaml >/dev/null
    openssl dgst -sha256 -sign authority.pem -out signature message
    $launch --update-signature=signature ketseal.yaml >/dev/null
    rm lab.policy edge-1/site.json edge-2/site.json
    site_start
    url=https://127.0.0.1:$site_port
    at_site="--operator op --url $url"
}
restart "$site_build/tests/lab/lying_worker_fl"
rounds 1
# shellcheck disable=SC2086
audit 0 'pass *replay' $at_site
site_stop
cp lab.policy lied.policy
restart "$site_build/src/enclave/ketseal-worker-fl"
policy=lied.policy
# shellcheck disable=SC2086
audit 1 'fail *replay: the round comes to another model now' $at_site --out=lied
audit 1 'fail *replay: the round comes to another model now' --offline lied
[ "$(grep -c '^  pass' audited)" -eq 4 ] || site_fail "but for the replay not all passed: $(cat audited)"
[ "$(jq -r '.body | [.same_model, .same_scores, .same_state] | join(" ")' lied/audit-1.json)" = 'fail pass pass' ] ||
    site_fail "the audit of a lie: $(cat lied/audit-1.json)"
policy=
site_stop

# Nothing is kept: commitments hold, and nothing can be computed again.
# shellcheck disable=SC2034
site_more="$fl
  disk_mib: 2"
site_start
url=https://127.0.0.1:$site_port
at_site="--operator op --url $url"
rounds 1
# shellcheck disable=SC2086
audit 4 'the sealed updates of round 1 were deleted: the site keeps those of 0 rounds' $at_site
[ "$(grep -c '^  pass' audited)" -eq 4 ] || site_fail "but for the replay not all passed: $(cat audited)"
# shellcheck disable=SC2086
audit 0 'not-run  replay: not asked for' $at_site --no-replay
set -- "state/fl/kept-$session"*
[ ! -e "$1" ] || site_fail "updates of an ended round: $*"
set -- state/fl/checkpoint-*
[ ! -e "$1" ] || site_fail "checkpoints of ended sessions: $*"
grep -q 'event=fl.deleted .*round=1 files=2' site.log || site_fail "nothing said of what was deleted"

# The folder is full; what nobody needed goes after a day, and there is room again.
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-10 00:00:00' --model=linear --epochs=0 --seed=2 --out=second.safetensors \
    city-1.csv >/dev/null
dd if=/dev/zero of="state/fl/up-0000000000000000-$(printf '%064d' 0).blob" bs=1024 count=2048 status=none
site_stop
site_start
url=https://127.0.0.1:$site_port
target="/v1/fl/uploads/$(site_digest second.safetensors)/0?length=$(wc -c <second.safetensors)"
"$site_build/tests/integration/site_client" --device=edge-1 --type=application/octet-stream --body=second.safetensors PUT "$target" \
    >answer || site_fail "an upload: $(cat answer)"
[ "$(head -n 1 answer)" = '503 application/json' ] || site_fail "an upload to a full folder: $(cat answer)"
grep -q 'no room for' answer || site_fail "an upload to a full folder: $(cat answer)"
touch -d '25 hours ago' state/fl/up-0000000000000000-*.blob
site_stop
site_start
url=https://127.0.0.1:$site_port
grep -q 'event=fl.expired file=up-0000000000000000-' site.log || site_fail "nothing said of an upload that went"
operator create --updates=1 --device edge-1 second.safetensors >/dev/null
site_stop
echo "fl_audit: rounds verified, replayed, and not, each with its reason"
