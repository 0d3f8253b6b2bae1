#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of each process of a site at random moments of a session of federated learning. After each the site starts
# again and the session goes on; in the end every round has counted each device once, all records verify, and the model is
# the one that the same session comes to where nobody is killed.
#
#   fl_kill.sh BUILD [KILLS] [SEED, or nothing] [FLAG …]     4 kills or more; flags of `fl create`, such as --server=fedadam
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
command -v jq >/dev/null || site_skip "jq is absent"
site_begin "$1"
kills=${2:-6}
seed=${3:-$(date +%s)}
shift $(($# < 3 ? $# : 3))
echo "$site_name: seed $seed"
ln -s "$site_build/src/enclave/ketseal-worker-fl" libexec/
# shellcheck disable=SC2034 # of site.sh
site_more='fl:
  workers: 1
  memory_mib: 512
  params: 100000'
site_device edge-1
site_device edge-2
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
random=$seed
rounds=$((kills * 4))

# The next number below $1, in $drawn.
draw() {
    random=$(((random * 1103515245 + 12345) % 2147483648))
    drawn=$((random / 65536 % $1))
}

operator() { # VERB …
    verb=$1
    shift
    "$ketseal" --json fl "$verb" --operator op --url "https://127.0.0.1:$site_port" "$@"
}

# A device that comes back until the session is over, or the test.
device() { # NUMBER
    until "$ketseal" fl join --device "edge-$1" --schema=city-air --test-from='2024-02-20 00:00:00' --seconds=20 \
        --out="edge-$1" "$session" "city-$1.csv" >>"joined-$1" 2>>"said-$1"; do
        if [ -e enough ] || [ ! -e "$site_work" ]; then
            return 0
        fi
        sleep 0.1
    done
}
pid_1=
pid_2=
end_devices() {
    # shellcheck disable=SC2086 # none, one or two
    kill $pid_1 $pid_2 2>/dev/null || true
}
# shellcheck disable=SC2034 # of site.sh
site_at_end=end_devices

site_start
for site in 1 2; do
    "$ketseal" learn generate --site="$site" --hours=1500 --out="city-$site.csv" >/dev/null
done
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model=linear --epochs=0 --out=first.safetensors \
    city-1.csv >/dev/null
create() { # FLAG …
    session=$(operator create --rounds="$rounds" --updates=2 --device edge-1 --device edge-2 --prepare=60 --train=60 \
        --epochs=1 --optimiser=adam --rate=0.001 "$@" first.safetensors | jq -r .session)
    operator start "$session" >/dev/null
}
create "$@"
device 1 &
pid_1=$!
device 2
wait "$pid_1"
want=$(operator status "$session" | jq -r .model)
create "$@"
device 1 &
pid_1=$!
device 2 &
pid_2=$!
killed=
number=0
misses=0
while [ "$number" -lt "$kills" ]; do
    case $((number % 4)) in
    0) name='ketseal-enclave' ;;
    1) name=ketseald ;;
    2) name='ketseal-worker-fl' ;;
    3) name='ketseal-launch' ;;
    esac
    draw 1000
    sleep "$(printf '0.%03d' "$drawn")"
    victims=$(site_processes | grep " $name\$" | cut -d' ' -f1)
    # shellcheck disable=SC2086 # of workers that of rounds, and that of audits
    if [ -z "$victims" ] || ! kill -KILL $victims 2>/dev/null; then
        misses=$((misses + 1))
        [ "$misses" -lt 100 ] || site_fail "no $name to kill: $(site_processes)"
        continue
    fi
    number=$((number + 1))
    killed="$killed $name"
    if [ "$name" != ketseal-worker-fl ]; then
        site_wait
        site_start
    fi
done
for name in ketseal-enclave ketseald ketseal-worker-fl ketseal-launch; do
    case "$killed " in
    *" $name "*) ;;
    *) site_fail "$name was not killed, but$killed" ;;
    esac
done
tries=0
until [ "$(operator status "$session" | jq -r .state)" != RUNNING ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || site_fail "the session does not end: $(operator status "$session"), $(tail -n 3 said-1 said-2)"
    sleep 0.2
done
: >enough
wait "$pid_1" "$pid_2"

operator status "$session" >seen
[ "$(jq -r .state seen)" = FINISHED ] || site_fail "the session: $(cat seen), $(tail -n 5 said-1 said-2)"
jq -e --argjson rounds "$rounds" '(.rounds | length) == $rounds and all(.rounds[]; .count == 2 and .phase == "COMPLETED") and
    ([.rounds[].samples] | unique | length) == 1' seen >/dev/null || site_fail "the rounds: $(cat seen)"
[ "$(jq -r .model seen)" = "$want" ] || site_fail "another model than of an undisturbed session, $want: $(cat seen)"
tries=0
until [ "$(operator records "$session" | jq '[.jobs[] | select(.state == "done")] | length')" -ge "$rounds" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "rounds have no record: $(operator records "$session")"
    sleep 0.1
done
mkdir rounds
for job in $(operator records "$session" | jq -r '.jobs[] | select(.state == "done") | .id'); do
    operator record "$job" --out="rounds/$job.json"
done
verified=0
for bundle in edge-1/"$session"-*.json edge-2/"$session"-*.json rounds/*.json; do
    "$site_build/src/cli/ketseal-verify" lab.policy "$bundle" >answer || site_fail "$bundle: $(cat answer)"
    verified=$((verified + 1))
done
site_stop
echo "fl_kill: $rounds rounds through$killed; $verified records verified"
