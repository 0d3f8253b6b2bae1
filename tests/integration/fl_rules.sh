#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Six devices, one of which sends its update turned round and ten times as long, under rules that fall for it and rules
# that do not. Each model is the one, bit for bit, that src/fl makes of the plain updates; the record says by which rule.
#
#   fl_rules.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
command -v jq >/dev/null || site_skip "jq is absent"
site_begin "$1"
direct=$site_build/tests/integration/fl_direct
ln -s "$site_build/src/enclave/ketseal-worker-fl" libexec/
# shellcheck disable=SC2034 # of site.sh
site_more='fl:
  workers: 1
  memory_mib: 80
  params: 300000'
devices='edge-1 edge-2 edge-3 edge-4 edge-5 edge-6'
for device in $devices; do
    site_device "$device"
done
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
site_start
url=https://127.0.0.1:$site_port
"$ketseal" learn generate --site=1 --hours=1500 --out=city.csv >/dev/null
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model=linear --epochs=0 --out=first.safetensors \
    city.csv >/dev/null
operator() { # VERB …
    verb=$1
    shift
    "$ketseal" --json fl "$verb" --operator op --url "$url" "$@"
}
create() { # FLAG …
    # shellcheck disable=SC2046,SC2086 # a flag for each
    operator create --updates=6 --updates-min=6 $(printf -- '--device %s ' $devices) --prepare=60 --train=60 "$@" first.safetensors
}

# The third one lies.
scale() { # NUMBER
    [ "$1" = 3 ] && echo -10 || echo 1
}

# What the session has to come to: its model in $model, how far that went in $gain.
expect() { # ROUNDS RULE ATTACKERS BUCKET BOUND RADIUS
    clients=
    number=0
    for device in $devices; do
        number=$((number + 1))
        clients="$clients $device:$number:$(scale $number)"
    done
    # shellcheck disable=SC2086 # one for each
    "$direct" expect first.safetensors "$session" "$@" $clients >expected
    read -r model gain <expected
}
ends() { # WHAT
    tries=0
    until [ "$(operator status "$session" | jq -r .state)" != RUNNING ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || site_fail "$1: it does not end"
        sleep 0.1
    done
    operator status "$session" >seen
    [ "$(jq -r '.model' seen)" = "$model" ] || site_fail "$1: another model than $model: $(cat seen)"
}

# RULE ATTACKERS BUCKET BOUND RADIUS SIGN [ROUNDS]: a session of one round, or more, whose model is the expected one and
# went the honest way (+) or not (-).
run() {
    rounds=${7:-1}
    session=$(create --rounds="$rounds" --rule="$1" --attackers="$2" --bucket="$3" --bound="$4" --radius="$5" | jq -r .session)
    operator start "$session" >/dev/null
    pids=
    number=0
    for device in $devices; do
        number=$((number + 1))
        "$direct" contribute "$device" "$url" "$session" "$rounds" "$number" "$(scale $number)" "$device-$session.json" 2>"said-$number" &
        pids="$pids $!"
    done
    number=0
    for pid in $pids; do
        number=$((number + 1))
        wait "$pid" || site_fail "$1: edge-$number: $(cat "said-$number")"
    done
    expect "$rounds" "$1" "$2" "$3" "$4" "$5"
    ends "$1"
    [ "$(jq -r '.rule.aggregate' seen)" = "$1" ] || site_fail "$1: another rule: $(cat seen)"
    [ "$(jq -r .record.core.workload.parameters.aggregate "edge-1-$session.json")" = "$1" ] || site_fail "$1: another rule in the record"
    case $gain in
    -*) [ "$6" = - ] ;;
    *) [ "$6" = + ] ;;
    esac || site_fail "$1: gain $gain"
    rules="$rules $1 $gain,"
    sessions="$sessions $session"
}
rules=
sessions=
run mean 0 0 0 0 -
run mean 0 0 4 0 +
run median 1 0 0 0 +
run trimmed-mean 1 0 0 0 +
run krum 1 0 0 0 +
run multi-krum 1 0 0 0 +
run bulyan 0 0 0 0 -
run rfa 1 0 0 0 +
run centered-clip 1 0 4 5 +
run centered-clip 1 0 4 5 + 3
run rfa 1 0 0 0 + 2
run median 1 2 0 0 + 2
"$ketseal" fl status --operator op --url "$url" "$session" >seen
grep -qx '  rule median, attackers 1, bucket 2' seen || site_fail "the rule: $(cat seen)"

# A worker that dies, and a site that does, cost nothing that was answered: the updates are opened again.
for flags in 'krum 1 0 0 0' 'median 1 2 3 0'; do
    # shellcheck disable=SC2086
    set -- $flags
    session=$(create --rule="$1" --attackers="$2" --bucket="$3" --bound="$4" | jq -r .session)
    operator start "$session" >/dev/null
    number=0
    for device in $devices; do
        number=$((number + 1))
        "$direct" contribute "$device" "$url" "$session" 0 "$number" 1 - 2>said || site_fail "$device: $(cat said)"
    done
    number=0
    for device in $devices; do
        number=$((number + 1))
        "$direct" contribute "$device" "$url" "$session" 1 "$number" "$(scale $number)" "$device-$session.json" 2>said ||
            site_fail "$device: $(cat said)"
        case $number in
        1 | 5) name='ketseal-worker-fl' ;;
        2) name='ketseal-enclave' ;;
        3) name=ketseald ;;
        *) continue ;;
        esac
        # shellcheck disable=SC2046 # of workers that of rounds, and that of audits
        kill -KILL $(site_processes | grep " $name\$" | cut -d' ' -f1)
        if [ "$name" != ketseal-worker-fl ]; then
            site_wait
            site_start
        fi
    done
    expect 1 "$@"
    ends "$1 through crashes"
    sessions="$sessions $session"
done

# An update that counts and is lost: three would do, and two are no three. The round fails, and its record says so.
# shellcheck disable=SC2046,SC2086 # a flag for each
session=$(operator create --updates=6 --updates-min=2 $(printf -- '--device %s ' $devices) --prepare=60 --train=60 --rule=median \
    first.safetensors | jq -r .session)
operator start "$session" >/dev/null
lose() { # ROUNDS DEVICE …: they join, or contribute
    rounds=$1
    shift
    for device in "$@"; do
        "$direct" contribute "$device" "$url" "$session" "$rounds" "${device#edge-}" 1 lost.json 2>said || site_fail "$device: $(cat said)"
    done
}
# shellcheck disable=SC2086
lose 0 $devices
lose 1 edge-1 edge-2 edge-3
[ "$(operator status "$session" | jq -r '.rounds[0] | [.phase, .count] | join(" ")')" = 'TRAINING 3' ] ||
    site_fail "not three count: $(operator status "$session")"
ls "state/fl/kept-$session-1-"* >kept
[ "$(wc -l <kept)" -eq 3 ] || site_fail "not three are kept: $(ls state/fl)"
rm "$(head -n 1 kept)"
# shellcheck disable=SC2046 # that of rounds, and that of audits
kill -KILL $(site_processes | grep ' ketseal-worker-fl$' | cut -d' ' -f1)
for device in edge-4 edge-5 edge-6; do
    "$site_build/tests/integration/fl_client" --device="$device" --session="$session" leave
done
tries=0
until operator status "$session" >seen && [ "$(jq -r .state seen)" != RUNNING ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "a lost update: it does not end: $(cat seen)"
    sleep 0.1
done
tries=0
until job=$(operator records "$session" | jq -r '.jobs[] | select(.state == "done") | .id') && [ -n "$job" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "a lost update: no record: $(operator records "$session")"
    sleep 0.1
done
operator record "$job" --out=lost.json
[ "$(jq -r '.rounds[0] | [.phase, .failure] | join(" ")' seen)" = 'FAILED the aggregate could not be made' ] || site_fail "a lost update: $(cat seen)"
[ "$(jq -r .record.core.execution.result_summary.outcome lost.json)" = 'the aggregate could not be made' ] ||
    site_fail "the record of a lost update: $(jq -c .record.core.execution.result_summary lost.json)"

# What no site has, and what does not hold or does not fit.
site_refused 4 "no site has the rule 'fltrust'" create --rule=fltrust
site_refused 4 "no aggregation rule 'best'" create --rule=best
site_refused 3 'krum holds against 2 attackers with 7 updates or more; there are 6' create --rule=krum --attackers=2
site_refused 3 'bulyan holds against 1 attackers with 7 updates or more; there are 3' create --rule=bulyan --attackers=1 --bucket=2
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model=gru --epochs=0 --out=first.safetensors city.csv >/dev/null
site_refused 3 'its worker needs 92 MiB for 1000 updates; this site gives it 80' operator create --rule=median --updates=1000 --updates-min=10 \
    first.safetensors
site_refused 3 "'samples_max': at most 4294967," operator create --rule=mean --updates=1000 --updates-min=10 --samples-max=4294968 first.safetensors
operator create --rule=mean --updates=1000 --updates-min=10 first.safetensors >/dev/null
site_stop
verified=0
for session in $sessions; do
    for device in $devices; do
        "$site_build/src/cli/ketseal-verify" lab.policy "$device-$session.json" >answer || site_fail "$device: $(cat answer)"
        verified=$((verified + 1))
    done
done
echo "fl_rules: gain of$rules to the bit; $verified records verified"
