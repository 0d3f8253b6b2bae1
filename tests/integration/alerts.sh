#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A site with a detector that was trained on its own rows: what is an anomaly is kept with its reasons, logged, in the
# ledger, and suspends an enrolled device after as many as the enclave was told, over a crash, until an operator resumes
# it; and nobody where that is off.   alerts.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
for tool in jq openssl swtpm_setup; do
    command -v "$tool" >/dev/null || site_skip "$tool is absent"
done

run() { # DIRECTORY SHOTS [QUBITS]
    "$ketseal" -q run --device "$1" --template ghz --qubits "${3:-3}" --shots "$2" --seed 1 --out job.bundle >/dev/null
}
operator() { # VERB DEVICE
    "$ketseal" -q --json device "$1" --operator op --url "https://127.0.0.1:$site_port" "$2" ${3:+--reason "$3"}
}
state_of() { # DEVICE
    operator show "$1" | jq -r '.state + ": " + .reason'
}
expect() { # WHAT GOT WANTED
    [ "$2" = "$3" ] || site_fail "$1: '$2', not '$3'"
}
alerts() { # [FLAG…]
    "$ketseal" --json trace alerts --operator op --url "https://127.0.0.1:$site_port" --limit=1000 "$@"
}
entries() { # KIND: the ledger's entries of that kind, a line each
    find state/ledger/tile/entries -type f | sort | xargs cat | tr -c '[:print:]' '\n' |
        grep -o '{"[^{}]*"schema":"ketseal.entry/1"[^{}]*}' | sort -u | jq -c "select(.kind == \"$1\")"
}
# The entry of an alert follows the answer; the suspension follows that.
until_log() { # COUNT WORDS
    tries=0
    until [ "$(grep -c -- "$2" site.log || true)" -ge "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 400 ] || site_fail "the log has not '$2' $1 times"
        sleep 0.05
    done
}

# --- rows to learn from, two of them strange: without a detector nobody judges -----------------------------------------------------------
site_reference reference.yaml ketseal "$(site_digest "$ketseal")"
site_more="$site_enrolment_lines
  issued: accept"
site_device issued-1
site_start
site_certify
site_enrol edge-1
site_enrol edge-2
shots=100
while [ "$shots" -lt 200 ]; do
    run issued-1 "$shots" $((2 + shots % 4))
    shots=$((shots + 1))
done
run issued-1 40000
run issued-1 100000
site_stop
"$ketseal" trace alerts --state state >none.txt
[ ! -s none.txt ] || site_fail "alerts without a detector"
"$ketseal" -q trace export --state state --out traces.csv
expect "rows" "$(($(wc -l <traces.csv) - 1))" 102
# Times depend on what else this machine does: not here.
awk -F, -v OFS=, 'BEGIN { split("qubits shots", wanted, " ") }
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
    { for (i = 1; i <= 2; i++) printf "%s%s", $(at[wanted[i]]), i < 2 ? "," : "\n" }' traces.csv >shapes.csv
"$ketseal" -q detect train --contamination=0.02 --out detector.model shapes.csv >trained.txt
model=$(sed -n 's/^model //p' trained.txt)

# --- an anomaly: kept, logged, in the ledger ------------------------------------------------------------------------
with_detector() { # [LINES]
    site_more="$site_enrolment_lines
  issued: accept
detector:
  model: detector.model$1"
}
with_detector '
  suspend_after: 3'
site_start
site_enrolment=$(cat state/enrolment-port)
grep -q "event=detector.ready workload=circuit model=$model features=2 suspend_after=3 suspend_window_s=3600" site.log ||
    site_fail "it does not say which detector it has"
for shots in 120 150 170; do
    run edge-1 "$shots" $((2 + shots % 4))
done
expect "normal jobs" "$(alerts | jq '.alerts | length')" 0
run edge-1 50000
alerts >alerts.json
expect "alerts" "$(jq -r '.alerts[] | .device + " " + .side + " " + .model + " " + .reasons[0].feature' alerts.json)" \
    "edge-1 site $model shots"
expect "value" "$(jq '.alerts[0].reasons[0].value' alerts.json)" 50000
until_log 1 'event=trace.alert .*device=edge-1 .*reasons="shots = 50000, +'
"$ketseal" --json trace alerts --state state --limit=1000 >stored.json
cmp alerts.json stored.json
"$ketseal" trace alerts --state state --reasons=1 >shown.txt
grep -q "	edge-1	score 0\.[0-9]*	shots = 50000, +[0-9.]* spreads from the median$" shown.txt || site_fail "$(cat shown.txt)"
# The ledger has the same, without a value, and the digest of all of it.
job=$(jq -r '.alerts[0].job' alerts.json)
digest=$(jq -c '.alerts[0]' alerts.json | tr -d '\n' | sha256sum | cut -d' ' -f1)
tries=0
until entries alert >alert.entries && [ -s alert.entries ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "no alert is in the ledger"
    sleep 0.1
done
expect "entry" "$(jq -r '.device + " " + .detection + " " + .model + " " + .reasons[0]' alert.entries)" \
    "edge-1 $digest $model shots"
expect "members" "$(jq -c 'keys' alert.entries)" \
    '["detection","device","intent","kind","model","reasons","schema","score"]'
intent=$("$ketseal" --json job status --device edge-1 "$job" | jq .intent)
expect "intent" "$(jq .intent alert.entries)" "$intent"
"$site_client" --device=issued-1 GET /v1/alerts >answer
grep -q '^403' answer || site_fail "a device may look at alerts"

# --- as many as the enclave was told, over a crash ------------------------------------------------------------------
run edge-1 60000
until_log 2 'event=trace.alert .*device=edge-1'
tries=0
until [ "$(entries alert | wc -l)" -eq 2 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "the second alert is not in the ledger"
    sleep 0.1
done
sleep 0.5 # the enclave's count follows the entry
expect "after two" "$(state_of edge-1)" "ACTIVE: "
for process in $(site_processes | cut -d' ' -f1); do
    kill -KILL "$process" 2>/dev/null || true
done
wait "$site_pid" 2>/dev/null || true
site_start
site_enrolment=$(cat state/enrolment-port)
expect "after the crash" "$(state_of edge-1)" "ACTIVE: "
run edge-1 70000
until_log 1 'event=device.anomalous device=edge-1 reason="3 jobs were anomalies within 3600 s"'
expect "after three" "$(state_of edge-1)" "SUSPENDED: 3 jobs were anomalies within 3600 s"
site_refused 5 "device 'edge-1' is SUSPENDED: 3 jobs were anomalies" run edge-1 120
site_refused 5 'SUSPENDED' "$ketseal" device reattest --device edge-1
run edge-2 120
site_stop
entries device | jq -r '.device + " " + .event' >events
grep -qx 'edge-1 anomalous' events || site_fail "the ledger does not say that it was suspended: $(cat events)"
expect "alerts in the ledger" "$(entries alert | wc -l | tr -d ' ')" 3
"$ketseal" -q ledger fsck --state state --site site.json >/dev/null
site_start
expect "after a restart" "$(state_of edge-1)" "SUSPENDED: 3 jobs were anomalies within 3600 s"

# --- an operator resumes it, and it begins anew ---------------------------------------------------------------------
operator resume edge-1 'looked into' >/dev/null
run edge-1 120
run edge-1 80000
run edge-1 80000
until_log 5 'event=trace.alert .*device=edge-1'
sleep 0.5
expect "after the order" "$(state_of edge-1)" "ACTIVE: looked into"
# Who never enrolled is in no registry.
for shots in 50000 60000 70000 80000; do
    run issued-1 "$shots"
done
run issued-1 120
expect "of one device" "$(alerts --of=issued-1 | jq -c '[.alerts[].reasons[0].value]')" '[80000,70000,60000,50000]'
site_stop

# --- off unless it is asked for -------------------------------------------------------------------------------------
with_detector ''
site_start
for shots in 50000 60000 70000 80000; do
    run edge-2 "$shots"
done
sleep 0.5
expect "without a number" "$(state_of edge-2)" "ACTIVE: "
expect "all the same" "$(alerts --of=edge-2 | jq '.alerts | length')" 4
# A job that fails is judged, too, and its alert names the intent that its abort names.
if "$ketseal" -q run --device edge-2 --template rqc --qubits 40 --depth 20 --method statevector --shots 90000 --seed 1 --out no.bundle 2>said; then
    site_fail "40 qubits fit into $site_memory_mib MiB"
fi
expect "a failed one" "$(alerts --of=edge-2 | jq -c '.alerts[0].reasons[0] | [.feature, .value]')" '["shots",90000]'
tries=0
until entries abort >aborts && entries alert | jq .intent | grep -qxF "$(jq .intent aborts | tail -n 1)"; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "the alert of a failed job is not in the ledger"
    sleep 0.1
done
site_stop

# --- the device judges its own rows, with the same model ------------------------------------------------------------
site_start
"$ketseal" trace alerts --device edge-2 >none.txt
[ ! -s none.txt ] || site_fail "alerts of a device without a detector"
cp detector.model edge-2/
own() { # SHOTS [FLAG…]
    own_shots=$1
    shift
    "$ketseal" "$@" run --device edge-2 --template ghz --qubits 3 --shots "$own_shots" --seed 1 --out own.bundle
}
own 120 -q 2>said
[ ! -s said ] || site_fail "a normal run: $(cat said)"
own 90000 -q 2>said
grep -q '^ketseal: alert: score 0\.[0-9]*, threshold 0\.[0-9]*: shots = 90000, +[0-9.]* spreads from the median' said ||
    site_fail "no alert: $(cat said)"
own 95000 --json >summary.json 2>said
[ ! -s said ] || site_fail "with --json: $(cat said)"
expect "alert of the summary" "$(jq -r '.alert | .side + " " + .model + " " + .reasons[0].feature' summary.json)" \
    "device $model shots"
own 120 --json >summary.json
expect "no alert" "$(jq .alert summary.json)" null
"$ketseal" --json trace alerts --device edge-2 >own.json
expect "kept" "$(jq -c '[.alerts[].reasons[0].value]' own.json)" '[95000,90000]'
printf '{"cut' >>edge-2/alerts.jsonl
rm -f job.bundle
rc=0
"$ketseal" -q run --device edge-2 --template ghz --qubits 3 --shots 97000 --fail-on-alert --out job.bundle 2>said || rc=$?
if [ "$rc" -ne 1 ] || [ ! -s job.bundle ]; then
    site_fail "--fail-on-alert: status $rc"
fi
"$ketseal" -q run --device edge-2 --template ghz --qubits 3 --shots 120 --fail-on-alert --out job.bundle
expect "behind a line that was cut" "$("$ketseal" -q --json trace alerts --device edge-2 | jq -c '[.alerts[].reasons[0].value]')" \
    '[97000,95000,90000]'
site_refused 6 'moon.model' "$ketseal" run --device edge-2 --template bell --detector moon.model --out no.bundle
site_refused 3 'edge-2.*not a model' "$ketseal" run --device edge-2 --template bell --detector edge-2/device.pem --out no.bundle
[ ! -e no.bundle ] || site_fail "it ran without its detector"
site_stop

# A model of other rows, or none, is no detector.
printf 'a,b\n1,2\n2,1\n3,5\n' >other.csv
"$ketseal" -q detect train --out=detector.model other.csv >/dev/null
site_launch
site_wait
[ "$site_ended" -ne 0 ] || site_fail "a model of other columns is taken"
grep -q "detector.model: model: a trace has no column 'a'" site.log || site_fail "it does not say why"
printf '%s: %s refused, alerts in store, log and ledger\n' "$site_name" "$site_refusals"
