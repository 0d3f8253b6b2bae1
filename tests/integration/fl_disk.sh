#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A full disk under the files of rounds: at an upload, at a checkpoint, at the new model. Who contributes gets one error, what
# counts goes on counting, and with space again the round ends with all of it.
#
#   fl_disk.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
command -v jq >/dev/null || site_skip "jq is absent"
site_begin "$1"
mkdir probe
mount -t tmpfs -o size=1m none probe 2>/dev/null || site_skip "mounting a small file system needs root"
umount probe
ln -s "$site_build/src/enclave/ketseal-worker-fl" libexec/
fl=$site_build/tests/integration/fl_client
# shellcheck disable=SC2034 # of site.sh
site_more='fl:
  workers: 1
  memory_mib: 512
  params: 100000'
site_device edge-1
site_device edge-2
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
mkdir -p state/fl
mount -t tmpfs -o size=8m,mode=0700 none state/fl
unmount() {
    umount -l "$site_work/state/fl" 2>/dev/null || true
}
# shellcheck disable=SC2034 # of site.sh
site_at_end=unmount
site_start
url=https://127.0.0.1:$site_port
"$ketseal" learn generate --site=1 --hours=1500 --out=city.csv >/dev/null
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model=linear --epochs=0 --out=first.safetensors city.csv >/dev/null
operator() { # VERB …
    verb=$1
    shift
    "$ketseal" --json fl "$verb" --operator op --url "$url" "$@"
}
state() { # JQ
    operator status "$session" | jq -r "$1"
}
until_state() { # JQ WANTED
    tries=0
    until [ "$(state "$1")" = "$2" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || site_fail "'$1' is $(state "$1"), not $2"
        sleep 0.1
    done
}
act() { # DEVICE ARGUMENT …
    device=$1
    shift
    "$fl" --device="$device" --session="$session" "$@"
}
fill() { # KIB that are left
    rm -f state/fl/filler
    free=$(df --output=avail -k state/fl | tail -n 1)
    dd if=/dev/zero of=state/fl/filler bs=1024 count=$((free - $1)) 2>/dev/null
}
begin() { # FLAGS of fl create …
    session=$(operator create --device edge-1 --device edge-2 --updates=2 --prepare=60 --train=120 "$@" first.safetensors | jq -r .session)
    operator start "$session" >/dev/null
    until_state '.rounds[0].phase' PREPARING
    act edge-1 join
    act edge-2 join
    until_state '.rounds[0].phase' TRAINING
}

for rule in mean median; do
    # No room for an upload: 503, and the round goes on.
    begin --rule=$rule
    fill 0
    site_refused 4 "site: the site's disk is full; again later" act edge-1 send
    [ "$(grep -c . said)" -eq 1 ] || site_fail "more than one line: $(cat said)"
    rm state/fl/filler
    act edge-1 send >/dev/null
    [ "$(state '.rounds[0].count')" = 1 ] || site_fail "$rule: $(state '.rounds[0].count') updates count"

    # Room for an upload, not for what makes it count. A page of a sealed update, and none for the other file.
    fill 4
    if act edge-2 send >/dev/null 2>said; then
        [ "$rule" = median ] || site_fail "an update counts whose checkpoint has no room"
    else
        grep -q 'No space left on device' said || site_fail "$rule, a checkpoint: $(cat said)"
        [ "$(grep -c . said)" -eq 1 ] || site_fail "more than one line: $(cat said)"
        [ "$(state '.rounds[0].count')" = 1 ] || site_fail "$rule: $(state '.rounds[0].count') updates count"
        rm state/fl/filler
        act edge-2 send >/dev/null
    fi
    rm -f state/fl/filler
    until_state .state FINISHED
    [ "$(state '.rounds[0] | [.phase, .count] | join(" ")')" = 'COMPLETED 2' ] || site_fail "$rule: $(state .rounds)"

    # No room for the new model: the round waits for it.
    begin --rule=$rule
    act edge-1 send --seed=1 >/dev/null
    "$fl" --device=edge-2 --session="$session" --seed=2 upload >job.json
    room=0 # a sum writes a checkpoint before the model
    [ "$rule" = median ] || room=4
    fill "$room"
    "$site_client" --device=edge-2 --job=job.json POST /qjob >answer 2>/dev/null
    sleep 1
    if [ "$(state .state)" = RUNNING ]; then
        [ "$(state '.rounds[0] | [.phase, .count] | join(" ")')" = 'AGGREGATING 2' ] || site_fail "$rule, a model: $(state .rounds)"
        grep -q 'event=fl.rests .*No space left' site.log || site_fail "$rule: the log does not say that the disk is full"
        waited="${waited:-}$rule "
        # Over a crash, too.
        for process in $(site_processes | cut -d' ' -f1); do
            kill -KILL "$process" 2>/dev/null || true
        done
        wait "$site_pid" 2>/dev/null || true
        site_start
        sleep 1
        [ "$(state '.rounds[0].phase')" = AGGREGATING ] || site_fail "$rule, after the crash: $(state .rounds)"
    fi
    rm -f state/fl/filler
    until_state .state FINISHED
    [ "$(state '.rounds[0] | [.phase, .count] | join(" ")')" = 'COMPLETED 2' ] || site_fail "$rule: $(state .rounds)"
done
case ${waited:-} in
*median*) ;;
*) site_fail "no round waited for room: ${waited:-}" ;;
esac
site_stop
"$ketseal" -q ledger fsck --state state --site state/site.json >/dev/null
echo "$site_name: full at an upload, a checkpoint, a model; $site_refusals refused, all rounds ended; waited: ${waited:-}"
