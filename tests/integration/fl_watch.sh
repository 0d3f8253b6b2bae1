#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Contributions are watched: by a detector that was trained on their own rows and judges no circuit, and by their rounds,
# where one that stands out is an alert in log and ledger, is counted in the enclave over a crash, and suspends its device,
# also in the middle of a round, until an operator resumes it.
#
#   fl_watch.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
for tool in jq openssl swtpm_setup; do
    command -v "$tool" >/dev/null || site_skip "$tool is absent"
done
site_begin "$1"
ln -s "$site_build/src/enclave/ketseal-worker-fl" libexec/
site_reference reference.yaml ketseal "$(site_digest "$ketseal")"
configure() { # further lines of fl:, sections
    # shellcheck disable=SC2034 # of site.sh
    site_more="$site_enrolment_lines
  issued: accept
fl:
  workers: 1
  memory_mib: 512
  params: 100000
$1"
}
configure ''
site_device issued-1
site_start
site_certify
for device in edge-1 edge-2 edge-3 edge-4; do
    site_enrol "$device"
done
url=https://127.0.0.1:$site_port
"$ketseal" learn generate --site=1 --hours=1500 --out=city.csv >/dev/null
"$ketseal" learn generate --site=2 --hours=9000 --out=large.csv >/dev/null
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model=linear --epochs=0 --out=first.safetensors \
    city.csv >/dev/null

operator() { # VERB …
    verb=$1
    shift
    "$ketseal" --json fl "$verb" --operator op --url "$url" "$@"
}
expect() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || site_fail "$1: '$2', not '$3'"
}
begin() { # FLAGS of fl create …
    session=$(operator create --prepare=60 --train="${train:-120}" --optimiser=adam --rate=0.001 "$@" first.safetensors | jq -r .session)
    operator start "$session" >/dev/null
}
join() { # DEVICE FILE [FLAG …]
    joins=$1 data=$2 until=2024-02-20
    [ "$data" = city.csv ] || until=2024-12-01
    shift 2
    "$ketseal" -q fl join --device "$joins" --schema=city-air --test-from="$until 00:00:00" --seconds=60 --out="$joins" "$@" "$session" "$data" \
        >"joined-$joins" 2>"said-$joins"
}
alone() { # FLAGS of fl create …: rounds of edge-1 alone
    begin --device edge-1 --updates=1 "$@"
    join edge-1 city.csv || site_fail "edge-1: $(cat said-edge-1)"
}
alerts() {
    "$ketseal" --json trace alerts --operator op --url "$url" --limit=1000 "$@"
}
state_of() { # DEVICE
    "$ketseal" -q --json device show --operator op --url "$url" "$1" | jq -r '.state + ": " + .reason'
}
entries() { # KIND: the ledger's entries of that kind, a line each
    find state/ledger/tile/entries -type f | sort | xargs cat | tr -c '[:print:]' '\n' |
        grep -o '{"[^{}]*"schema":"ketseal.entry/1"[^{}]*}' | sort -u | jq -c "select(.kind == \"$1\")"
}
until_entries() { # COUNT KIND
    tries=0
    until [ "$(entries "$2" | wc -l)" -ge "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || site_fail "the ledger has $(entries "$2" | wc -l) of $1 entries '$2'"
        sleep 0.1
    done
}

# --- a detector of contributions: rows to learn from, a strange one among them ------------------------------------------------
alone --rounds=16
alone --rounds=1 --epochs=40
"$ketseal" -q run --device issued-1 --template bell --shots 100 --seed 1 --out no.bundle >/dev/null
"$ketseal" trace export --operator op --url "$url" --out all.csv 2>/dev/null
site_refused 5 'some rows are of circuits, some of contributions' "$ketseal" detect train --out=fl.model all.csv
"$ketseal" trace export --operator op --url "$url" --workload=fl.update --out rows.csv 2>/dev/null
expect "rows" "$(wc -l <rows.csv | tr -d ' ')" 18
# Times on a machine that others use, too, vary by what is no test's.
lasting() { # the columns that say the same in each run
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) keep[i] = i <= 4 || $i ~ /^(workload|fl_samples|fl_steps|fl_bytes|fl_loss|fl_norm)$/ }
        { line = ""; for (i = 1; i <= NF; i++) if (keep[i]) line = line (i == 1 ? "" : ",") $i; print line }'
}
lasting <rows.csv >narrow.csv
"$ketseal" -q detect train --contamination=0.06 --out=fl.model narrow.csv >/dev/null
"$ketseal" trace export --device edge-1 --workload=fl.update --out own.csv 2>/dev/null
lasting <own.csv >narrow.csv
"$ketseal" -q detect train --contamination=0.06 --out=edge-1/fl-detector.model narrow.csv >/dev/null
site_stop
for wrong in model fl_model; do
    configure "detector:
  $wrong: $wrong.model"
    cp fl.model model.model
    printf 'job,device,side,started_at,shots\n' >circuits.csv
    for i in 1 2 3 4 5 6 7 8; do
        printf ',a,site,2026-01-01T00:00:0%s.000000Z,%s\n' "$i" "$((100 + i))" >>circuits.csv
    done
    "$ketseal" -q detect train --contamination=0.13 --out=fl_model.model circuits.csv >/dev/null
    site_launch
    site_wait
    [ "$site_ended" -ne 0 ] || site_fail "detector.$wrong takes a model of the other workload"
    grep -q "$wrong.model: the model judges rows of" site.log || site_fail "it does not say why"
done
configure 'detector:
  fl_model: fl.model'
site_start
grep -q 'event=detector.ready workload=fl.update' site.log || site_fail "it does not say which detector it has"
"$ketseal" -q run --device issued-1 --template bell --shots 99999 --seed 1 --out no.bundle >/dev/null
alone --epochs=60
grep -q '^ketseal: alert: .*fl_' said-edge-1 || site_fail "the device is not told: $(cat said-edge-1)"
tries=0
until [ "$(alerts | jq '.alerts | length')" -ge 1 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "a contribution of 60 epochs is no anomaly"
    sleep 0.1
done
expect "the anomaly" "$(alerts | jq -c '[.alerts[] | [.device, .schema]]')" '[["edge-1","ketseal.detection/1"]]'
alerts | jq -e '.alerts[0].reasons[0].feature | startswith("fl_")' >/dev/null || site_fail "its reason: $(alerts)"
until_entries 1 alert
site_stop

# --- rounds: who stands out, by the norm where the rule is the mean, by the rule's own scores else ---------------------------------
configure '  suspicion: 6
  suspend_after: 2'
site_start
for device in edge-1 edge-2 edge-3 edge-4; do
    rm -f "$device/fl-detector.model"
done
round() { # FLAGS of fl create …: edge-4 has six times the data, and so takes six times the steps
    begin --device edge-1 --device edge-2 --device edge-3 --device edge-4 --updates=4 "$@"
    for n in 1 2 3; do
        join "edge-$n" city.csv --seed=$n &
        eval "pid_$n=$!"
    done
    join edge-4 large.csv || site_fail "edge-4: $(cat said-edge-4)"
    # shellcheck disable=SC2154 # set by eval
    for pid in "$pid_1" "$pid_2" "$pid_3"; do
        wait "$pid" || site_fail "a device: $(cat said-edge-1 said-edge-2 said-edge-3)"
    done
}
round
until_entries 2 alert
entries alert | jq -c 'select(has("round"))' >entry
expect "who" "$(jq -r '[.device, .reasons[0], .round, .session] | join(" ")' entry)" "edge-4 norm 1 $session"
jq -e '.score >= 6 and .norm > 0' entry >/dev/null || site_fail "the entry: $(cat entry)"
expect "members" "$(jq -c keys entry)" '["device","kind","norm","reasons","record","round","schema","score","session"]'
alerts --of=edge-4 >listed
expect "listed" "$(jq -c '.alerts[0] | [.schema, .device, .reason, .round]' listed)" '["ketseal.fl-alert/1","edge-4","norm",1]'
expect "its record" "$(jq -r '.alerts[0].record' listed)" "$(jq -r .record entry)"
"$ketseal" trace alerts --operator op --url "$url" --of=edge-4 >listed.txt
grep -q "	edge-4	score [0-9.]*	norm, norm [0-9.e+-]*, round 1 of $session\$" listed.txt || site_fail "as text: $(cat listed.txt)"
grep -q 'event=fl.alert device=edge-4 .*reason=norm' site.log || site_fail "the log has no alert"
expect "after one" "$(state_of edge-4)" "ACTIVE: "
# Counted over a crash; then once more, and that is one too many.
for process in $(site_processes | cut -d' ' -f1); do
    kill -KILL "$process" 2>/dev/null || true
done
wait "$site_pid" 2>/dev/null || true
site_start
expect "after the crash" "$(state_of edge-4)" "ACTIVE: "
round --rule=median
expect "after two" "$(state_of edge-4)" "SUSPENDED: 2 jobs were anomalies within 3600 s"
until_entries 3 alert
expect "by the rule" "$(alerts --of=edge-4 | jq -r '.alerts | length')" 2
until_entries 1 device
entries device | jq -r '.device + " " + .event' | grep -qx 'edge-4 anomalous' || site_fail "the ledger does not say that it was suspended"
# It is not invited to the next round, and may do nothing else.
begin --device edge-1 --device edge-4 --updates=1 --updates-min=1
tries=0
until [ "$(operator status "$session" | jq '.rounds | length')" = 1 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "no round begins"
    sleep 0.1
done
expect "invited" "$(operator status "$session" | jq '.rounds[0].invited + .rounds[0].joined')" 1
site_refused 5 "device 'edge-4' is SUSPENDED: 2 jobs were anomalies" "$ketseal" run --device edge-4 --template bell --out no.bundle
operator stop "$session" >/dev/null

# --- a training that diverges contributes nothing, and says so -----------------------------------------------------------------
session=$(operator create --prepare=60 --train=60 --rate=0.05 --device edge-1 --updates=1 first.safetensors | jq -r .session)
operator start "$session" >/dev/null
rc=0
join edge-1 city.csv || rc=$?
[ "$rc" -ne 0 ] || site_fail "a training that diverges is contributed"
grep -q 'diverge\|a smaller rate may help' said-edge-1 || site_fail "a training that diverges: $(cat said-edge-1)"
operator stop "$session" >/dev/null

# --- suspended in the middle of a round ----------------------------------------------------------------------------------------
train=8
begin --device edge-1 --device edge-2 --updates=2 --updates-min=1
train=
join edge-2 city.csv &
pid_2=$!
tries=0
until [ "$(operator status "$session" | jq '.rounds[0].joined // 0')" -ge 1 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || site_fail "edge-2 does not join: $(operator status "$session")"
    sleep 0.05
done
"$ketseal" -q device suspend --operator op --url "$url" edge-2 --reason 'seen in the wrong place' >/dev/null
join edge-1 city.csv || site_fail "edge-1: $(cat said-edge-1)"
rc=0
wait "$pid_2" || rc=$?
[ "$rc" -eq 5 ] || site_fail "suspended in the middle of a round: status $rc, $(cat said-edge-2)"
grep -q "device 'edge-2' is SUSPENDED: seen in the wrong place" said-edge-2 || site_fail "what it is told: $(cat said-edge-2)"
expect "the round" "$(operator status "$session" | jq -r '[.state, .rounds[0].count] | join(" ")')" 'FINISHED 1'

owner=$(printf edge-2 | openssl dgst -sha256 -r | cut -c 1-16)
[ -z "$(find state/fl -name "*$owner*")" ] || site_fail "what it sends is taken: $(ls state/fl)"

# --- an operator resumes it, and it begins anew ------------------------------------------------------------------------------------
"$ketseal" -q device resume --operator op --url "$url" edge-4 --reason 'more data than the others' >/dev/null
"$ketseal" -q device require-rotation --operator op --url "$url" edge-1 >/dev/null
begin --device edge-1 --device edge-4 --updates=1
tries=0
until [ "$(operator status "$session" | jq '.rounds[0].invited // 0')" -ge 1 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || site_fail "no round begins: $(operator status "$session")"
    sleep 0.05
done
expect "invited while edge-1 is to rotate its key" "$(operator status "$session" | jq '.rounds[0].invited')" 1
join edge-4 city.csv || site_fail "edge-4, resumed: $(cat said-edge-4)"
site_stop
"$ketseal" -q ledger fsck --state state --site site.json >/dev/null
"$ketseal" --json trace alerts --state state --of=edge-4 | jq -e '.alerts | length == 2' >/dev/null || site_fail "the alerts in the store"
echo "$site_name: a detector of contributions, and alerts of rounds that suspend; $site_refusals refused"
