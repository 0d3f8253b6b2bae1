#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A data set of traces: what was done to each job shows in its row, a run that was killed goes on where it ended, and
# the jobs are the plan's.
#
#   trace_build.sh BUILD
set -eu
build=$(cd "$1" && pwd)
command -v swtpm >/dev/null || { echo "trace_build: SKIPPED: swtpm is absent"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-test.XXXXXX")
builder=
trap '[ -z "$builder" ] || kill -KILL "$builder" 2>/dev/null || true; cd /; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"

fail() {
    echo "trace_build: FAILED: $*" >&2
    cat said >&2 2>/dev/null || true
    exit 1
}
become_rows() { # ARGUMENTS
    exec "$build/src/cli/ketseal" "$@" --libexec="$build/src" --poisoned-worker="$build/tests/lab/lying_worker" \
        --altering-server="$build/tests/lab/altering_server" --extending-enclave="$build/tests/lab/extending_enclave"
}
make_rows() { # ARGUMENTS
    (become_rows "$@")
}

# The rows of KIND of the data set: how many there are, and for how many CONDITION holds; names of columns are
# variables of the condition, empty where a value is missing.
# shellcheck disable=SC2016 # sed and awk have dollars of their own
rows_with() { # KIND CONDITION
    awk -F, -v kind="$1" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["kind"] == kind { n++; if ('"$(echo "$2" | sed 's/@\([a-z0-9_]*\)/$at["\1"]/g')"') good++ }
        END { printf "%d %d\n", n, good }' data.csv
}
all() { # KIND CONDITION
    set -- "$1" "$2" "$(rows_with "$1" "$2")"
    [ "${3% *}" -gt 0 ] || fail "no row of kind $1"
    [ "${3% *}" -eq "${3#* }" ] || fail "$1: $2 in ${3#* } of ${3% *} rows"
}
median() { # KIND COLUMN
    awk -F, -v kind="$1" -v column="$2" 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["kind"] == kind && $at[column] != "" { print $at[column] }' data.csv | sort -g |
        awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}
higher() { # KIND COLUMN
    awk -v a="$(median "$1" "$2")" -v b="$(median normal "$2")" 'BEGIN { exit !(a + 0 > b + 0) }' ||
        fail "$1: the median of $2 is $(median "$1" "$2"), and $(median normal "$2") where nothing was done"
}

# --- what was done shows ---------------------------------------------------------------------------------
make_rows trace build --rows=260 --seed=11 --out=data.csv >said 2>&1 || fail "it does not build"
[ ! -e data.csv.state ] || fail "the folder of the sites was left"
[ "$(wc -l <data.csv)" -eq 261 ] || fail "not 260 rows"
all normal '@label == 0 && @error == 0 && @job != "" && @commit_us > 0 && @worker_cpu_us > 0 && @pcr_match == 1'
all normal '@tvd_sigma == "" || @tvd_sigma < 8'
for kind in delay loss throttle cut tamper downgrade mitm mitm_classical replay shots exhaustion poisoned altered pcr \
    eavesdrop; do
    all "$kind" '@label == 1'
done
all delay '@error == 0 && @round_trip_us >= 40000'
all loss '@error == 0 && @round_trip_us + @handshake_us + @key_latency_us >= 200000'
all throttle '@error == 0 && @round_trip_us >= 150000'
all cut '@error != 0 || @retries > 0'
all tamper '@error != 0 || @retries > 0'
for kind in downgrade mitm mitm_classical; do # refused in the handshake: nothing was sent
    all "$kind" '@error != 0 && @job == "" && @bytes_sent + 0 == 0'
done
all replay '@retries > 0' # the key was refused, another one was not
all shots '@shots >= 20 * 64 && @error == 0'
higher shots shots
higher exhaustion round_trip_us
all poisoned '@error == 0 && (@tvd_sigma == "" || @tvd_sigma > 4)'
[ "$(rows_with poisoned '@tvd_sigma != ""' | cut -d' ' -f2)" -gt 0 ] || fail "no distance of a poisoned result is known"
all altered '@error == 7 && @job == ""'
all pcr '@pcr_match == 0 && @error == 0'
all eavesdrop '@key_source == 0 && @error == 0' # the site's own keys: the link gave none
[ "$(rows_with normal '@key_source == 2' | cut -d' ' -f2)" -gt 10 ] || fail "no job under a quantum key"
"$build/src/cli/ketseal" --json detect train --out=model --ignore=job --ignore=device --ignore=side --ignore=started_at \
    --label=label --kind=kind data.csv >said || fail "the detector does not take it"

# --- killed, and resumed -----------------------------------------------------------------------------------
make_rows trace build --rows=260 --seed=12 --plan >plan.csv
make_rows trace build --rows=260 --seed=12 --plan | cmp - plan.csv || fail "the plan changes"
become_rows trace build --rows=260 --seed=12 --out=killed.csv >said 2>&1 &
builder=$!
tries=0
until [ -e killed.csv ] && [ "$(wc -l <killed.csv)" -gt 100 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 1200 ] || fail "no rows"
    kill -0 "$builder" 2>/dev/null || fail "it ended"
    sleep 0.05
done
kill -KILL "$builder"
wait "$builder" 2>/dev/null || true
builder=
cp killed.csv before.csv
done_before=$(($(wc -l <before.csv) - 1))
[ "$done_before" -lt 260 ] || fail "it was over before it was killed"
printf '9b1c,device-0,device,2026-01-01T00:00:00.000000Z,2' >>killed.csv # half a row
make_rows --json trace build --rows=260 --seed=12 --out=killed.csv >said 2>&1 || fail "it does not go on"
[ "$(jq .resumed said)" -eq "$done_before" ] || fail "it did not go on where it ended"
[ "$(wc -l <killed.csv)" -eq 261 ] || fail "not 260 rows after a kill"
head -n "$((done_before + 1))" killed.csv | cmp - before.csv || fail "rows that were there have changed"
cp killed.csv data.csv
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } { print $at["kind"] "," $at["shots"] }' killed.csv >got
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next } { print $at["kind"] "," $at["shots"] }' plan.csv >want
cmp got want || fail "the jobs are not the plan's"
make_rows --json trace build --rows=260 --seed=12 --out=killed.csv >said 2>&1 || fail "a second time"
[ "$(jq '[.resumed, (.kinds | length)] | @csv' said)" = '"260,0"' ] || fail "what is complete is done again"

# --- what is no data set of this plan ------------------------------------------------------------------------
rc=0
make_rows trace build --rows=260 --seed=13 --out=killed.csv >said 2>&1 || rc=$?
if [ "$rc" -eq 0 ] || ! grep -q 'is not of this plan' said; then
    fail "rows of another plan are taken for ours"
fi
cmp killed.csv data.csv || fail "it was changed"
echo "trace_build: ok"
