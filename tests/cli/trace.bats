#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# trace export, list, show, schema on files; what else makes rows is tested with a site (integration/traces.sh).

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

job=6f1c0b1e-8d3a-4c52-9a77-0123456789ab

# A device whose file has three rows, and an older file with one.
make_device() {
    mkdir -p device
    {
        echo "job,device,side,started_at,qubits,shots,simulate_us,round_trip_us,error"
        echo "$job,edge-1,device,2026-01-01T00:00:00.000001Z,2,100,55,9000,0"
        echo ",edge-1,device,2026-01-01T00:00:01.000000Z,2,100,,,5"
        echo "$job,edge-1,device,2026-01-01T00:00:02.000000Z,2,,,700,0"
    } >device/traces.csv
    {
        echo "job,device,side,started_at,error"
        echo ",edge-1,device,2025-12-31T00:00:00.000000Z,7"
    } >device/traces.csv.1
}

@test "trace export: the older file first, all columns, the same again" {
    make_device
    ks trace export --device=device
    same status "$status" 0
    same lines "${#lines[@]}" 5
    same columns "$(head -1 <<<"$output" | tr ',' '\n' | grep -c .)" 57
    [[ ${lines[1]} == ",edge-1,device,2025-12-31T00:00:00.000000Z,"*",7,,,,,,,,,,," ]]
    "$KETSEAL" -q trace export --device=device --out=all.csv
    cmp all.csv - <<<"$output"
    "$KETSEAL" trace export all.csv >again.csv
    cmp all.csv again.csv
    "$KETSEAL" trace export - <all.csv >piped.csv
    cmp all.csv piped.csv
    ks --json trace export --device=device --out=all.csv
    says 0 '{"rows":4,"schema":"ketseal.trace-export/1"}' ""
    ks trace export --out=all.csv all.csv
    fails 2 "'all.csv' is the input: refusing to write over it"
}

@test "trace list and show" {
    make_device
    ks trace list --device=device --limit=2
    same lines "${#lines[@]}" 2
    same first "${lines[0]}" "2026-01-01T00:00:01.000000Z	-	edge-1	device	IO	qubits=2	shots=100	simulate_us=-	round_trip_us=-"
    ks --json trace list --device=device
    is_json ketseal.traces/1
    same rows "$(jq -c '[.traces[].values.error]' <<<"$output")" "[7,0,5,0]"
    ks trace show --device=device "$job"
    same status "$status" 0
    [[ ${lines[0]} == "job $job, device edge-1, as the device saw it from 2026-01-01T00:00:00.000001Z: OK" ]]
    [[ $output == *"round_trip_us                        9000  submission sent to bundle received"* ]]
    ks --json trace show --device=device "$job"
    same rows "$(jq -c '[.traces[] | [.device, .side, .values.round_trip_us]]' <<<"$output")" \
        '[["edge-1","device",9000],["edge-1","device",700]]'
    ks trace show --device=device 00000000-0000-4000-8000-000000000000
    fails 6 "no trace of job 00000000-0000-4000-8000-000000000000"
    ks trace show --device=device nonsense
    fails 2 "'nonsense' is no job id"
}

@test "trace schema: a type and a unit for each column of an export" {
    make_device
    "$KETSEAL" trace export --device=device --out=all.csv 2>/dev/null
    ks trace schema
    is_json ketseal.trace-schema/1
    same names "$(jq -r '[.columns[].name] | join(",")' <<<"$output")" "$(head -1 all.csv),label,kind"
    same types "$(jq -c '[.columns[].type] | unique' <<<"$output")" '["integer","real","string","timestamp"]'
    same units "$(jq -r '.columns[] | select(.name == "round_trip_us").unit' <<<"$output")" us
    same meanings "$(jq '[.columns[] | select(.meaning == "")] | length' <<<"$output")" 0
}

@test "trace: what is wrong with a file is said with its place" {
    make_device
    echo "$job,edge-1,device,2026-01-01T00:00:02.000000Z,2.5,,,700,0" >>device/traces.csv
    ks trace list --device=device
    fails 3 "device/traces.csv:5:80: qubits is a whole number from 0 to 2^53 - 1"
    printf 'a,b\n1,2\n' >other.csv
    ks trace export other.csv
    fails 3 "other.csv: a table of traces begins with the columns job, device, side and started_at"
    printf 'job,device,side,started_at,cubits\n' >other.csv
    ks trace export other.csv
    fails 3 "other.csv: a trace has no column 'cubits'"
    ks trace export --device=nowhere
    fails 6 "no traces.csv in nowhere"
    ks trace export --state=nowhere
    fails 6 "nowhere/store/ketseal.db: no store there"
    ks trace export --state=nowhere other.csv
    fails 2 "--state, --operator and a file: one of them"
    ks trace export --operator=op
    fails 2 "--url: missing"
    ks --json trace export --device=device
    same status "$status" 2
    [[ $stderr == *"name a file by --out"* ]]
}

@test "detect knows traces: whose they are, label and kind are no features" {
    {
        echo "job,device,side,started_at,simulate_us,quote_us,label,kind"
        for i in $(seq 1 40); do
            echo ",edge-$i,site,2026-01-01T00:00:00.0000${i}Z,$((100 + i % 7)),$((40 + i % 5)),0," | sed 's/0000\(.\)Z/00000\1Z/'
        done
        echo ",edge-41,site,2026-01-01T00:00:00.000041Z,90000,41,1,exhaustion"
    } >set.csv
    ks -q detect train --contamination=0.03 --out=m.forest set.csv
    same status "$status" 0
    [[ $output == "100 trees of 41 rows out of 41, 2 features, "* ]]
    "$KETSEAL" -q detect train --contamination=0.03 --ignore=job --ignore=device --ignore=side --ignore=started_at \
        --label=label --kind=kind --out=n.forest set.csv >/dev/null
    cmp m.forest n.forest
    ks --json detect evaluate --label=label --kind=kind --model=m.forest set.csv
    same found "$(jq -c '[.anomalies, .true_positives, .roc_auc, [.kinds[].kind]]' <<<"$output")" '[1,1,1,["exhaustion"]]'
    ks -q detect score --model=m.forest --out=scores.csv set.csv
    same status "$status" 0
    same strange "$(awk -F, '$4 == 1 {print $1 ":" $5}' scores.csv)" "41:simulate_us"
}

@test "detect knows workloads: a model is of circuits or of contributions, never of both" {
    {
        echo "job,device,side,started_at,shots,round_trip_us,error,workload,fl_round,fl_samples,fl_norm"
        for i in $(seq 10 49); do
            echo ",edge-1,site,2026-01-01T00:00:00.0000${i}Z,$((100 + i % 7)),$((900 + i)),0,,,,"
            echo ",edge-1,site,2026-01-01T00:00:01.0000${i}Z,,$((700 + i)),0,1,$i,$((40 + i % 5)),0.$i"
        done
        echo ",edge-1,site,2026-01-01T00:00:02.000000Z,,720,0,1,51,9000,0.3"
    } >mixed.csv
    ks detect train --out=m.forest mixed.csv
    fails 5 "mixed.csv: some rows are of circuits, some of contributions, which no detector judges together; 'trace export --workload' has those of one"
    for workload in circuit fl.update; do
        "$KETSEAL" trace export --workload=$workload mixed.csv >$workload.csv
    done
    same circuits "$(wc -l <circuit.csv)" 41
    same contributions "$(wc -l <fl.update.csv)" 42
    ks --json detect train --contamination=0.03 --out=c.forest circuit.csv
    same features "$(jq .features <<<"$output")" 42
    ks --json detect train --contamination=0.03 --out=u.forest fl.update.csv
    same features "$(jq .features <<<"$output")" 29
    ks -q detect score --model=u.forest fl.update.csv
    same strange "$(awk -F, '$4 == 1 {print $1 ":" $5}' <<<"$output")" "41:fl_samples"
    ks detect score --model=u.forest circuit.csv
    fails 5 "circuit.csv: the model judges no rows of this workload"
    # The round's number, which grows, is no feature; a stream's rows of other workloads are passed over.
    same alike "$("$KETSEAL" -q detect explain --model=u.forest --row=41 --reasons=128 fl.update.csv | grep -c fl_round || true)" 0
    "$KETSEAL" trace export mixed.csv >all.csv
    "$KETSEAL" -q detect follow --model=u.forest all.csv >followed.csv
    same followed "$(grep -c . followed.csv)" 42
    ks trace export --workload=moon mixed.csv
    fails 2 "--workload: 'moon' is no workload: circuit or fl.update"
}
