#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of a simulated session at random moments: the same command goes on, and in the end model, updates and their
# order are those of a session that nothing ended. Sums, rows under attack, SCAFFOLD with top-k, FedBuff.
#
#   fl_simulate_kill.sh KETSEAL [KILLS] [SEED] [large]
#
# large: instead one round of 10,000 clients and 1,000,000 parameters, by a sum; some ten minutes for 100 kills.
# The kills are spread over the time that the undisturbed session takes, so that most of them find it at work.
set -eu
kills=${2:-8}
seed=${3:-$(date +%s)}
size='--clients=300 --params=20000 --rounds=3 --fraction=0.3 --dropout=0.1 --commit-every=7'
if [ "${4:-}" = large ]; then
    size='--clients=10000 --params=1000000 --rounds=1 --fraction=1 --commit-every=50'
fi
command -v jq >/dev/null || { echo "SKIPPED: jq is absent" >&2; exit 77; }
echo "fl_simulate_kill: seed $seed"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
fail() {
    echo "fl_simulate_kill: FAILED: $*" >&2
    exit 1
}
random=$seed

# The next number below $1, in $drawn.
draw() {
    random=$(((random * 1103515245 + 12345) % 2147483648))
    drawn=$((random / 65536 % $1))
}

# What counted, in its order: the times and seals of two sessions differ, nothing else.
counted() { # RECORDS
    jq -c 'select(.core.kind == "fl.update") | .core | [.round, .client, .version, .samples, .update]' "$1"
    jq -c 'select(.core.kind == "fl.round") | .core | [.round, .outcome, .count, .samples, .left, .refused, .model]' "$1"
}

check() { # NAME FLAG…
    name=$1
    shift
    # shellcheck disable=SC2086 # several flags
    set -- $size --no-figure "$@"
    since_ms=$(date +%s%3N)
    "$ketseal" -q fl simulate --out="$work/$name-whole" "$@" >/dev/null
    pause=$(((($(date +%s%3N) - since_ms) * 3 / 2 + kills) / kills))
    killed=0
    resumed=0 # of them: something was kept, and not all
    rm -rf "$work/state"
    while [ "$killed" -lt "$kills" ]; do
        "$ketseal" -q fl simulate --state="$work/state" --out="$work/$name" "$@" >/dev/null 2>"$work/said" &
        pid=$!
        draw "$pause"
        sleep "$((drawn / 1000)).$(printf %03d $((drawn % 1000)))"
        kill -9 "$pid" 2>/dev/null || true
        status=0
        wait "$pid" 2>/dev/null || status=$?
        [ ! -s "$work/$name/model.safetensors" ] || break # it was too fast for us: that ended it
        [ "$status" -eq 137 ] || fail "$name: status $status: $(cat "$work/said")"
        killed=$((killed + 1))
        [ ! -s "$work/state/state" ] || resumed=$((resumed + 1))
        [ "$resumed" -gt 0 ] || pause=$((pause < 20000 ? pause + pause / 2 : pause)) # a slow machine
    done
    [ "$resumed" -gt 0 ] || fail "$name: $killed kills, none where there was something to go on with"
    "$ketseal" -q fl simulate --state="$work/state" --out="$work/$name" "$@" >/dev/null
    "$ketseal" record verify "$work/$name/records.jsonl" >/dev/null
    counted "$work/$name-whole/records.jsonl" >"$work/whole"
    counted "$work/$name/records.jsonl" >"$work/killed"
    updates=$(grep -c client_ "$work/killed" || true)
    [ "$updates" -gt 0 ] || fail "$name: no update counted: $(cat "$work/killed")"
    cmp "$work/whole" "$work/killed"
    cmp "$work/$name-whole/model.safetensors" "$work/$name/model.safetensors"
    echo "$name: killed $killed times of $kills, went on $resumed times, $updates updates as without"
}

ketseal=$1
check sums
[ "${4:-}" != large ] || exit 0
check rows --rule=median --attackers=30 --attack=alie
check controls --server=scaffold --encoding=topk --keep=0.05
check buffers --async=60
