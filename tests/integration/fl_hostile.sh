#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Devices of a session that misbehave: each is refused by one clear error and a status, nothing of theirs counts, and the
# round goes on with the others. Devices that stall, stay away or come late cost time, and no more.
#
#   fl_hostile.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
command -v jq >/dev/null || site_skip "jq is absent"
[ -x "${KS_OPENSSL:-}" ] || site_skip "KS_OPENSSL names no openssl"
site_begin "$1"
ln -s "$site_build/src/enclave/ketseal-worker-fl" libexec/
fl=$site_build/tests/integration/fl_client
# shellcheck disable=SC2034 # of site.sh
site_more='fl:
  workers: 1
  memory_mib: 512
  params: 100000
  upload_mib: 2'
for device in edge-1 edge-2 edge-3 edge-9; do
    site_device "$device"
done
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
site_start
url=https://127.0.0.1:$site_port
"$ketseal" learn generate --site=1 --hours=1500 --out=city.csv >/dev/null
train() { # MODEL FILE
    "$ketseal" -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model="$1" --epochs=0 --out="$2" city.csv >/dev/null
}
train linear first.safetensors

operator() { # VERB …
    verb=$1
    shift
    "$ketseal" --json fl "$verb" --operator op --url "$url" "$@"
}
begin() { # FLAGS of fl create …: a session whose first round is open
    session=$(operator create --prepare=60 "$@" first.safetensors | jq -r .session)
    operator start "$session" >/dev/null
    until_state '.rounds[0].phase' PREPARING
}
state() { # JQ
    operator status "$session" | jq -r "$1"
}
until_state() { # JQ WANTED
    tries=0
    until [ "$(state "$1")" = "$2" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || site_fail "'$1' is $(state "$1"), not $2"
        sleep 0.1
    done
}
act() { # DEVICE ARGUMENT …
    device=$1
    shift
    "$fl" --device="$device" --session="$session" "$@"
}
refused() { # STATUS TEXT DEVICE ARGUMENT …: one line says it
    site_refused "$1" "^fl_client: site: $2" act "$3" "${4:?}" "${5:---samples=10}" "${6:---seed=0}"
    [ "$(grep -c . said)" -eq 1 ] || site_fail "more than one line: $(cat said)"
}
joined() { # DEVICE …
    for device in "$@"; do
        act "$device" join
    done
}

# --- answers, and updates, that are wrong ---------------------------------------------------------------------------
begin --device edge-1 --device edge-2 --device edge-3 --updates=3 --updates-min=1 --samples-max=100 --train=60
refused 5 'not invited to this round' edge-9 join
refused 5 "the answer's time is 259200 s from the site's" edge-1 join --age=259200
refused 3 "join: 'samples': 1 to" edge-1 join --samples=0
refused 4 'not yet: this round is being prepared' edge-1 send
joined edge-1 edge-2 edge-3
until_state '.rounds[0].phase' TRAINING
refused 5 'not invited to this round' edge-9 send
while read -r status spoil text; do
    refused "$status" "$text" edge-1 send "--spoil=$spoil"
done <<'SPOILS'
3 nan f32: parameter 1 is not a finite number
3 inf f32: parameter 1 is not a finite number
5 shape update: of another shape, or number of parameters
5 fewer update: of another shape, or number of parameters
3 dtype f32: 626 bytes for 313 parameters
5 encoding the update has other samples or another encoding than its job
5 round update: for round 2, this is round 1
5 parent update: of another parent model
5 samples the update has other samples or another encoding than its job
3 trailing update: 1 bytes too many
1 name sealed update: the sealed message was changed, or the key is wrong
1 key sealed update: the sealed message was changed, or the key is wrong
3 magic sealed update: it does not begin with
1 bit sealed update: the sealed message was changed, or the key is wrong
1 cut sealed update: the sealed message was changed, or the key is wrong
3 empty sealed update: it is 1 bytes
1 mislabelled sealed update: its hash is another
6 unsent the sealed update was not sent, or not all of it
5 job-round round 2 is not open; the last one is 1
5 job-parent the update is for another parent model
6 job-session no such session
5 job-encoding the update is encoded otherwise than the round says
5 job-length the sealed update has 2497 bytes, and its job says 2498
3 job-long the update is longer than the model allows
3 job-samples more samples than a client may claim
SPOILS
refused 3 "body: job: 'loss': beyond" edge-1 send --loss=1e308
refused 3 'more samples' edge-1 send --samples=101

# --- jobs that nobody signed, or somebody else, or at another time ------------------------------------------------------
act edge-1 upload >job.json
asked() { # STATUS TEXT ARGUMENT of site_client …
    want=$1 text=$2
    shift 2
    "$site_client" --device=edge-1 "$@" POST /qjob >answer || site_fail "no answer: $*"
    { grep -q "^$want " answer && grep -q -- "$text" answer; } || site_fail "not $want with '$text': $(head -c 1000 answer)"
    site_refusals=$((site_refusals + 1))
}
printf '{"job":%s}' "$(cat job.json)" >body.json
asked 403 'the request is not signed' --type=application/json --body=body.json
asked 403 'request signature: not made with this key over this request' --sign --job=job.json --spoil=signature
asked 403 "the submission's signature" --sign --job=job.json --spoil=submission
asked 403 'the submission names another device than the certificate' --sign --job=job.json --as=edge-2
asked 403 "the submission's time is 259[0-9]* s from the site's" --sign --job=job.json --age=259200
asked 403 'the request was signed for another connection' --sign --job=job.json --spoil=channel
# None of it was the job's fault: signed as it should be it counts, and once.
honest() {
    "$site_client" --device=edge-1 --sign --job=job.json POST /qjob >answer || site_fail "no answer to an honest job"
    { grep -q '^200 ' answer && grep -q '"ketseal.bundle/' answer; } || site_fail "an honest job: $(head -c 1000 answer)"
}
honest
honest

# --- who stalls -------------------------------------------------------------------------------------------------------
# Connections that are held open, without a request and within one.
trap '' PIPE # of one that is gone: the write fails, and the test with it
stall() { # FIFO: a connection that is sent what is written there, and held open until it is closed
    mkfifo "$1"
    LD_LIBRARY_PATH=$(dirname "$KS_OPENSSL")/../lib "$KS_OPENSSL" s_client -ign_eof -connect "127.0.0.1:$site_port" \
        -groups X25519MLKEM768 -CAfile edge-1/root.pem -cert edge-1/device.pem -key edge-1/device.key <"$1" >"$1.said" 2>&1 &
}
stands() { # FIFO: its handshake is over
    tries=0
    until grep -qs 'Verif.*OK' "$1.said"; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || site_fail "no connection that stalls: $(cat "$1.said")"
        sleep 0.1
    done
}
stall fifo-1
exec 5>fifo-1
stands fifo-1
stall fifo-2
exec 6>fifo-2
stands fifo-2
printf 'PUT /v1/fl/uploads/' >&6
stall fifo-3
exec 7>fifo-3
stands fifo-3
printf 'PUT /v1/fl/uploads/%064d/0?length=1000 HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\nabc' 1 >&7
# Uploads that are begun and left: while they hold all the room others are told when to come back, and come back.
act edge-1 part --seed=1
refused 4 'too many uploads are under way; again later' edge-9 part --seed=2
"$site_client" --device=edge-9 --body=job.json --type=application/octet-stream PUT "/v1/fl/uploads/$(printf '%064d' 2)/0?length=1048577" >answer
grep -q '^503' answer || site_fail "the room for uploads is not at its end: $(cat answer)"
act edge-1 part --seed=3 # gives up its own

# --- twice, and another one -------------------------------------------------------------------------------------------
for change in '.samples += 1' '.length += 1' '.loss += 1'; do # the same bytes, and another word about them
    jq -c "$change" job.json >again.json
    asked 409 'another update of this client counts already' --sign --job=again.json
done
refused 5 'another update of this client counts already' edge-1 send --seed=7
[ "$(state '.rounds[0].count')" = 1 ] || site_fail "$(state '.rounds[0].count') updates count"

# --- a pause, over what would have been the end ---------------------------------------------------------------------------
operator pause "$session" >/dev/null
refused 4 'this round is paused' edge-2 send
operator resume "$session" >/dev/null
act edge-2 send >/dev/null
act edge-3 send >/dev/null
until_state .state FINISHED
[ "$(state '.rounds[0] | [.phase, .count, .samples] | join(" ")')" = 'COMPLETED 3 30' ] || site_fail "the round: $(state .rounds)"
refused 5 'round 1 is not open' edge-2 send --seed=8

begin --device edge-1 --updates=1 --train=10
joined edge-1
until_state '.rounds[0].phase' TRAINING
operator pause "$session" >/dev/null
sleep 11
[ "$(state '.rounds[0].phase')" = TRAINING ] || site_fail "a deadline came in a pause: $(state .rounds)"
operator resume "$session" >/dev/null
act edge-1 send >/dev/null
until_state .state FINISHED

# One that comes while updates are under way: what is being added is asked for again, what waits goes on waiting.
begin --device edge-1 --device edge-2 --device edge-3 --updates=3 --train=60
joined edge-1 edge-2 edge-3
until_state '.rounds[0].phase' TRAINING
act edge-3 send >/dev/null # so that a worker is at work
workers=$(site_processes | grep ' ketseal-worker-fl$' | cut -d' ' -f1)
# shellcheck disable=SC2086 # one for a round, one for audits
kill -STOP $workers
act edge-1 send >/dev/null 2>said-1 &
pid_1=$!
sleep 0.5
act edge-2 send >/dev/null 2>said-2 &
pid_2=$!
sleep 0.5
operator pause "$session" >/dev/null
# shellcheck disable=SC2086
kill -CONT $workers
rc=0
wait "$pid_1" || rc=$?
{ [ "$rc" -eq 4 ] && grep -q 'this round is paused' said-1; } || site_fail "status $rc, in a pause: $(cat said-1)"
kill -0 "$pid_2" 2>/dev/null || site_fail "an update that waits does not outlast a pause: $(cat said-2)"
operator resume "$session" >/dev/null
wait "$pid_2" || site_fail "after a pause: $(cat said-2)"
act edge-1 send >/dev/null
until_state .state FINISHED

# --- who joins and stays silent, who leaves, and when all are gone ------------------------------------------------------------
begin --device edge-1 --device edge-2 --device edge-3 --updates=3 --updates-min=2 --train=8
joined edge-1 edge-2 edge-3
until_state '.rounds[0].phase' TRAINING
act edge-1 send >/dev/null
act edge-2 send >/dev/null
until_state .state FINISHED
[ "$(state '.rounds[0] | [.phase, .count] | join(" ")')" = 'COMPLETED 2' ] || site_fail "one silent of three: $(state .rounds)"

begin --device edge-1 --device edge-2 --device edge-3 --rounds=2 --updates=3 --updates-min=2 --train=60
joined edge-1 edge-2 edge-3
act edge-1 leave
act edge-2 leave
until_state .state FAILED
refused 5 'round 1 is not open' edge-3 leave
[ "$(state '.rounds[0] | [.phase, .failure] | join(": ")')" = 'FAILED: too few updates arrived' ] || site_fail "all are gone: $(state .rounds)"
begin --device edge-3 --updates=1 --train=60
joined edge-3
until_state '.rounds[0].phase' TRAINING
act edge-3 send >/dev/null
until_state .state FINISHED

# While its update is with the worker a device cannot leave: the sum would have it, and those of others be lost with it.
workers() { # SIGNAL: to all workers of rounds
    # shellcheck disable=SC2046 # one for each
    kill "-$1" $(site_processes | sed -n 's/ ketseal-worker-fl$//p')
}
begin --device edge-1 --device edge-2 --updates=2 --updates-min=2 --train=60
joined edge-1 edge-2
until_state '.rounds[0].phase' TRAINING
act edge-2 send >/dev/null
workers STOP
act edge-1 send >/dev/null 2>sent &
sender=$!
tries=0
until [ "$(find state/fl -name "*-$session-1-*" | grep -c .)" -eq 2 ]; do # ketseald was asked for both
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || site_fail "nobody asks for the update: $(ls state/fl)"
    sleep 0.1
done
refused 4 'an update of this device is being added; again in a moment' edge-1 leave
workers CONT
wait "$sender" || site_fail "an update that was being added: $(cat sent)"
until_state .state FINISHED
[ "$(state '.rounds[0] | [.phase, .count] | join(" ")')" = 'COMPLETED 2' ] || site_fail "leaving while it is added: $(state .rounds)"

# An update that counts and is gone, was cut or changed ends its round, as soon as it is needed again, and not another one.
for change in 'rm' 'truncate --size=100' 'truncate --size=2000'; do
    begin --rule=median --device edge-1 --device edge-2 --updates=2 --train=60
    joined edge-1 edge-2
    until_state '.rounds[0].phase' TRAINING
    act edge-1 send >/dev/null
    $change state/fl/*-"$session"-1-*
    workers KILL
    refused 5 'too late' edge-2 send
    until_state .state FAILED
    [ "$(state '.rounds[0].failure')" = 'the aggregate could not be made' ] || site_fail "$change: $(state .rounds)"
done

# --- models that are none -----------------------------------------------------------------------------------------------------
head -c 400 first.safetensors >cut.safetensors
{ cat first.safetensors; printf 'x'; } >long.safetensors
sed 's/F32/F64/' first.safetensors >dtype.safetensors
printf '\377\377\377\377\377\377\377\177{}' >head.safetensors
printf 'x' >none.safetensors
for model in cut long dtype head none; do
    site_refused 3 "$model.safetensors" operator create --device edge-1 "$model.safetensors"
    [ "$(grep -c . said)" -eq 1 ] || site_fail "$model: more than one line: $(cat said)"
done
# One that changes on the disk below ketseald fails its round, and no other one.
begin --device edge-1 --updates=1 --train=8
cp "state/fl/model-$(site_digest first.safetensors).safetensors" kept
printf 'x' | dd of="state/fl/model-$(site_digest first.safetensors).safetensors" bs=1 seek=1000 conv=notrunc 2>/dev/null
joined edge-1
until_state '.rounds[0].phase' TRAINING
refused 1 'parent model: its hash is another' edge-1 send
until_state .state FAILED
cp kept "state/fl/model-$(site_digest first.safetensors).safetensors"
begin --device edge-1 --updates=1 --train=60
joined edge-1
until_state '.rounds[0].phase' TRAINING
act edge-1 send >/dev/null
until_state .state FINISHED

exec 5>&- 6>&- 7>&-
site_stop
"$ketseal" -q ledger fsck --state state --site state/site.json >/dev/null
echo "$site_name: $site_refusals refusals, each by one line; the rounds went on"
