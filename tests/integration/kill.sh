#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of any process of a site at random moments under load, then SIGTERM under load. After each: it
# starts again; every bundle that a client has received verifies and its record is in the ledger, proven
# against the checkpoint of the new start; a one-time key that was accepted is never accepted again; jobs
# that were interrupted say so; each job that ended has its trace; no file is partial.
#
#   kill.sh BUILD [ROUNDS] [SEED]
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
rounds=${2:-30}
seed=${3:-$(date +%s)}
echo "$site_name: seed $seed"
site_workers=3
site_seconds=20
clients="edge-1 edge-2 edge-3"
random=$seed

# The next number below $1, in $drawn.
draw() {
    random=$(((random * 1103515245 + 12345) % 2147483648))
    drawn=$((random / 65536 % $1))
}

# One device's jobs, one after another, until the site is gone. What a run may end with: 0; 4, when the
# site cannot be reached any more; 3 when its worker was killed.
client() { # DEVICE ROUND
    n=0
    while n=$((n + 1)) && [ ! -e "enough.$2" ]; do
        case $((n % 4)) in
        0) set -- "$1" "$2" --template rqc --qubits 18 --depth 30 --shots 50 ;;
        1) set -- "$1" "$2" --template bell --shots 100 ;;
        2) set -- "$1" "$2" --template qft --qubits 12 --shots 100 ;;
        3) set -- "$1" "$2" --template clifford_t_sampling --qubits 4 --depth 10 --shots 100 ;;
        esac
        device=$1 round=$2
        shift 2
        rc=0
        "$ketseal" -q run --device "$device" --seed "$n" --policy lab.policy "$@" \
            --out "out/$device.$round.$n.bundle" 2>"said.$device" >/dev/null || rc=$?
        set -- "$device" "$round"
        if [ "$rc" -ne 0 ]; then
            printf '%s round %s job %s: %s: %s\n' "$device" "$round" "$n" "$rc" "$(cat "said.$device")" >>refusals
            [ "$rc" -eq 3 ] || break
        fi
    done
}

start_clients() { # ROUND
    loads=
    for device in $clients; do
        client "$device" "$1" &
        loads="$loads $!"
    done
}

end_clients() { # ROUND
    : >"enough.$1"
    for load in $loads; do
        wait "$load" || site_fail "a client's loop failed"
    done
}

# A process of the site by NAME, in $victim; one of several at random.
choose() {
    site_processes | grep " $1\$" >candidates || true
    count=$(grep -c . candidates || true)
    victim=
    if [ "$count" -gt 0 ]; then
        draw "$count"
        victim=$(sed -n "$((drawn + 1))p" candidates | cut -d' ' -f1)
    fi
}

# All that must hold after the restart that follows ROUND.
check() { # ROUND
    odd=$(find out -type f ! -name '*.bundle')
    [ -z "$odd" ] || site_fail "round $1: partial files: $odd"
    set -- "$1" out/*."$1".*.bundle
    if [ -e "$2" ]; then
        round=$1
        shift
        for bundle in "$@"; do
            "$site_build/src/cli/ketseal-verify" lab.policy "$bundle" >/dev/null || site_fail "$bundle does not verify"
        done
        "$site_client" --device=edge-1 PROVE "$@" >>proven || site_fail "round $round: a received bundle is not in the ledger"
        set -- "$round"
    fi
    for device in $clients; do
        "$site_client" --device="$device" GET '/v1/jobs?limit=200' | tail -n 1 >./jobs
        jq -e '[.jobs[] | select(.state == "accepted")] == []' jobs >/dev/null ||
            site_fail "round $1: a job of before the restart is still 'accepted'"
        jq -e '[.jobs[] | select(.state == "failed" and (.detail | test("^interrupted by a restart|^the worker died") | not))] == []' \
            jobs >/dev/null || { cat jobs >&2; site_fail "round $1: a job failed without its reason"; }
        jq -r '.jobs[].id' jobs
    done | sort >ended
    "$ketseal" -q trace export --state state --out traces.csv || site_fail "round $1: the traces"
    cut -d, -f1 traces.csv | grep -- - | sort >traced
    [ -z "$(uniq -d traced)" ] || site_fail "round $1: a job has two traces"
    [ -z "$(comm -23 ended traced)" ] || site_fail "round $1: without a trace: $(comm -23 ended traced)"
}

# The key that edge-1 used first in ROUND, used again by a device that forgot that it did.
reuse() {
    ls out/edge-1."$1".*.bundle >/dev/null 2>&1 || return 0
    rc=0
    "$site_client" --device=edge-1 --keyring=ring.before --job=bell.json POST /qjob >answer 2>said || rc=$?
    if grep -q 'no one-time keys left' said; then
        return 0
    fi
    if ! grep -q '^403 ' answer || ! grep -q 'the one-time key is spent' answer; then
        cat answer said >&2
        site_fail "round $1: a key that was accepted is accepted again"
    fi
    reused=$((reused + 1))
}

printf '%s' '{"kind":"circuit","precision":"double","program":{"depth":1,"qubits":2,"seed":1,"template":"bell"},"schema":"ketseal.job/1","seed":7,"shots":10}' >bell.json
mkdir out
: >refusals
: >proven
reused=0
for device in $clients; do
    site_device "$device"
done
site_start
begin=$(date +%s)
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    rm -rf ring.before
    [ ! -d edge-1/state ] || cp -r edge-1/state ring.before
    start_clients "$round"
    draw 900
    sleep "0.$(printf '%03d' "$((drawn + 50))")"
    if [ $((round % 5)) -eq 0 ]; then
        choose ketseal-worker
        [ -z "$victim" ] || kill -KILL "$victim" 2>/dev/null || true
        sleep 0.2
        kill -0 "$site_pid" || site_fail "round $round: the site did not survive its worker"
    fi
    set -- ketseald ketseal-enclave ketseal-launch swtpm
    draw 4
    shift "$drawn"
    choose "$1"
    [ -n "$victim" ] || site_fail "round $round: there is no $1"
    kill -KILL "$victim"
    children=$(site_processes | grep -v ketseal-launch | cut -d' ' -f1)
    site_wait
    [ "$site_ended" -ne 0 ] || site_fail "round $round: the launcher calls the death of $1 a success"
    for child in $children; do
        tries=0
        while kill -0 "$child" 2>/dev/null; do
            tries=$((tries + 1))
            [ "$tries" -lt 100 ] || site_fail "round $round: process $child outlives its site"
            sleep 0.05
        done
    done
    end_clients "$round"
    site_start
    [ ! -d ring.before ] || reuse "$round"
    check "$round"
done
if grep -vE ': (3: ketseal: site: the worker died|4: ketseal: )' refusals >&2; then
    site_fail "a client ended in another way than it should"
fi
echo "$site_name: $round rounds in $(($(date +%s) - begin)) s, $(wc -l <proven) bundles received, $(wc -l <refusals) runs cut off, $reused keys tried again"
[ "$(cut -d' ' -f2 proven | sort | uniq -d | wc -l)" -eq 0 ] || site_fail "two records under one key"

# --- SIGTERM under load: what was accepted is answered ------------------------------------------------------
# The ids of all interrupted jobs, sorted. Every page: a device has more jobs than one page holds.
interrupted() {
    for device in $clients; do
        next=
        while :; do
            "$site_client" --device="$device" GET "/v1/jobs?limit=200${next:+&after=$next}" | tail -n 1 >page
            jq -r '.jobs[] | select(.state == "failed" and (.detail | startswith("interrupted"))).id' page
            next=$(jq -r '.next // empty' page)
            [ -n "$next" ] || break
        done
    done | sort
}
interrupted >before
for end in 1 2 3; do
    start_clients "term$end"
    sleep 0.5
    "$site_client" --device=edge-1 --job=bell.json POST /v1/jobs >answer 2>/dev/null
    if grep -q '^202' answer; then
        tail -n 1 answer | jq -r .id >>last.ids
    fi
    site_stop
    end_clients "term$end"
    site_start
    check "term$end"
done
interrupted >after
new=$(comm -13 before after)
[ -z "$new" ] || site_fail "a graceful stop interrupted jobs that it had accepted: $new"
while read -r id; do
    "$site_client" --device=edge-1 GET "/v1/jobs/$id/bundle" | tail -n 1 >late.bundle
    "$ketseal" verify --policy lab.policy late.bundle >/dev/null || site_fail "job $id was accepted and not done"
done <last.ids
"$site_client" --device=edge-1 PROVE out/*.bundle >proven || site_fail "not all received bundles are in the ledger"
[ "$(cut -d' ' -f2 proven | sort | uniq -d | wc -l)" -eq 0 ] || site_fail "two records under one key"
site_stop
echo "$site_name: all $(wc -l <proven) bundles proven in the end"
