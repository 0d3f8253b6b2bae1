#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# detect figures, detect report, and the scripts that make a figure each.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

need() { # PROGRAM
    command -v "$1" >/dev/null || skip "no $1"
}

traces() { # ROWS
    "$KS_SOURCE_ROOT"/tests/cli/make_traces.py "$1" 7 >traces.csv
}

columns=(--label=label --kind=kind --contamination=0.05)

# What a reader of the PDF finds in it: each of TEXTS.
pdf_says() { # FILE TEXTS...
    local file=$1 text
    pdftotext -layout "$file" said.txt
    shift
    for text; do
        grep -qF -- "$text" said.txt || { echo "$file does not say: $text"; cat said.txt; return 1; }
    done
}

@test "detect figures: each PDF has its series, labels and units; each table what is drawn" {
    need gnuplot
    need pdftotext
    traces 2000
    ks detect figures "${columns[@]}" --out=deep/o traces.csv
    same status "$status" 0
    [[ $output == "model "*", 100 trees
in deep/o: anomaly_score_histogram score_scatter_3d rtt_boxplot_by_qubits (csv, pdf, svg, png)" ]]
    same progress "$stderr" "2000 rows, 100 of them anomalous"
    files=()
    for name in anomaly_score_histogram rtt_boxplot_by_qubits score_scatter_3d; do
        files+=("deep/o/$name.csv" "deep/o/$name.pdf" "deep/o/$name.png" "deep/o/$name.svg")
    done
    holds "${files[@]}" traces.csv
    cd deep/o
    pdf_says anomaly_score_histogram.pdf "Anomaly scores" "normal (1900 rows)" "anomalous (100 rows)" "threshold 0." \
        "Anomaly score" " %"
    pdf_says score_scatter_3d.pdf "normal (1881 rows)" "anomalous (99 rows)" "Qubits" "Round trip" "Anomaly score" "10 ms"
    pdf_says rtt_boxplot_by_qubits.pdf "Round trip by qubits" "normal (1881 rows)" "anomalous (99 rows)" "100 ms" "Qubits" 14
    for name in anomaly_score_histogram rtt_boxplot_by_qubits score_scatter_3d; do
        # Both colours are told apart by any eye, and there; each drawing has something drawn.
        grep -q '#0072B2\|rgb(  0, 114, 178)' $name.svg
        grep -q '#D55E00\|rgb(213,  94,   0)' $name.svg
        xmllint --noout $name.svg 2>/dev/null || python3 -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' $name.svg
    done
    same histogram "$(head -n 1 anomaly_score_histogram.csv)" "label,score_low,score_high,rows,share_percent"
    same scatter "$(head -n 1 score_scatter_3d.csv)" "label,qubits,round_trip_s,score"
    same boxes "$(head -n 1 rtt_boxplot_by_qubits.csv)" \
        "label,qubits,rows,round_trip_s_low,round_trip_s_q1,round_trip_s_median,round_trip_s_q3,round_trip_s_high,round_trip_s_outlier"
    # The same figures again: the same bytes.
    ks -q detect figures "${columns[@]}" --out=../again ../../traces.csv
    diff -r . ../again --exclude=said.txt
}

# From the scores that `detect score` gives and the rows themselves, by other code.
@test "detect figures: bins, boxes and points by Python" {
    traces 3000
    "$KETSEAL" -q detect train "${columns[@]}" --out=m.forest traces.csv >/dev/null
    "$KETSEAL" -q detect score --model=m.forest --label=label --kind=kind --out=scores.csv traces.csv
    ks -q detect figures --model=m.forest --label=label --kind=kind --no-figure --out=o traces.csv
    same status "$status" 0
    holds m.forest o/anomaly_score_histogram.csv o/rtt_boxplot_by_qubits.csv o/score_scatter_3d.csv scores.csv traces.csv
    python3 - <<'CHECK'
import csv, statistics
def near(a, b):
    assert abs(a - b) <= 1e-9 * max(abs(a), abs(b)), (a, b)
rows = list(csv.DictReader(open('traces.csv')))
scores = [float(row['score']) for row in csv.DictReader(open('scores.csv'))]
names = ['anomalous' if row['label'] == '1' else 'normal' for row in rows]
bins = list(csv.DictReader(open('o/anomaly_score_histogram.csv')))
assert 20 <= len(bins) <= 100, len(bins)
for one in bins:
    mine = [score for score, name in zip(scores, names) if name == one['label']]
    count = sum(float(one['score_low']) <= score < float(one['score_high']) for score in mine)
    assert count == int(one['rows']), one
    near(float(one['share_percent']), 100 * count / len(mine))
assert sum(int(one['rows']) for one in bins) == len(rows)
points = [(name, float(row['qubits']), float(row['round_trip_us']) * 1e-6, score)
          for row, name, score in zip(rows, names, scores) if row['round_trip_us']]
drawn = [(one['label'], float(one['qubits']), float(one['round_trip_s']), float(one['score']))
         for one in csv.DictReader(open('o/score_scatter_3d.csv'))]
assert drawn == [point for name in ('normal', 'anomalous') for point in points if point[0] == name]
boxes, outliers = {}, {}
for one in csv.DictReader(open('o/rtt_boxplot_by_qubits.csv')):
    key = one['label'], float(one['qubits'])
    if one['rows']:
        boxes[key] = one
    else:
        outliers.setdefault(key, []).append(float(one['round_trip_s_outlier']))
groups = {}
for name, qubits, time, _ in points:
    groups.setdefault((name, qubits), []).append(time)
assert boxes.keys() == groups.keys()
for key, times in groups.items():
    q1, median, q3 = statistics.quantiles(times, n=4, method='inclusive')
    reach = 1.5 * (q3 - q1)
    inside = [time for time in times if q1 - reach <= time <= q3 + reach]
    box = boxes[key]
    assert int(box['rows']) == len(times)
    for column, want in (('q1', q1), ('median', median), ('q3', q3), ('low', min(q1, *inside)), ('high', max(q3, *inside))):
        near(float(box[f'round_trip_s_{column}']), want)
    beyond = sorted(set(times) - set(inside))
    assert sorted(outliers.get(key, [])) == beyond, (key, beyond)
assert any(outliers.values())
CHECK
}

@test "detect figures: without labels the model's verdict parts the rows; other columns; what is refused" {
    traces 500
    cut -d, -f1-7 traces.csv >plain.csv
    ks --json detect figures --contamination=0.1 --no-figure --x=depth --y=bytes_received --out=o plain.csv
    is_json ketseal.detect-figures/1
    same counts "$(jq -c '[.rows, .anomalies, .figures]' <<<"$output")" \
        '[500,50,["anomaly_score_histogram","score_scatter_3d","rtt_boxplot_by_qubits"]]'
    same boxes "$(head -n 1 o/rtt_boxplot_by_qubits.csv)" \
        "label,depth,rows,bytes_received_low,bytes_received_q1,bytes_received_median,bytes_received_q3,bytes_received_high,bytes_received_outlier"
    ks detect figures --no-figure --x=none --out=p plain.csv
    fails 6 "--x: plain.csv: no column 'none'"
    ks -q detect figures --no-figure --x=round_trip_us --y=tvd --out=p plain.csv
    fails 3 "figure 'rtt_boxplot_by_qubits': over 40 different values of round_trip_s"
    [ ! -e p/anomaly_score_histogram.csv ]
    printf 'a,b,c\n1,,2\n2,,3\n,4,5\n' >apart.csv
    ks -q detect figures --no-figure --x=a --y=b --out=p apart.csv
    fails 3 "apart.csv: no row has both a and b"
    mkdir empty
    run --separate-stderr env PATH="$PWD/empty" "$KETSEAL" detect figures --out=p plain.csv
    fails 4 "--no-figure writes the tables alone: gnuplot is not installed; it draws the figures (package gnuplot-nox)"
}

@test "detect report: strictly parsed, the numbers of evaluate, the same bytes again" {
    traces 2000
    "$KETSEAL" -q detect train "${columns[@]}" --seed=3 --out=m.forest traces.csv >/dev/null
    "$KETSEAL" -q detect report --model=m.forest --label=label --kind=kind --out=r.html traces.csv
    "$KETSEAL" --json detect evaluate --model=m.forest --label=label --kind=kind traces.csv >e.json
    python3 "$KS_SOURCE_ROOT/tests/cli/report.py" r.html e.json "$KS_SOURCE_ROOT"
    "$KETSEAL" -q detect report --model=m.forest --label=label --kind=kind --threads=3 traces.csv >again.html
    cmp r.html again.html
    # The first of the strangest is the first by score, its first reason that of score.
    "$KETSEAL" -q detect score --model=m.forest --label=label --kind=kind --out=scores.csv traces.csv
    first=$(tail -n +2 scores.csv | sort -t, -k3,3n -k1,1n | head -n 1)
    same "strangest row" "$(grep -A 1 '<table id="strangest">' r.html | grep -c .)" 2
    grep -q "^<tr><td class=\"n\">${first%%,*}</td>.*<code>$(cut -d, -f5 <<<"$first")</code> = " r.html
    ks --json detect report --label=label traces.csv
    same status "$status" 2
}

@test "detect report: names and cells are never markup; without labels there is nothing to compare with" {
    { echo 'a,"<script>alert(1)</script>","b&""c",label,kind,job'
      for i in $(seq 60); do echo "$((i % 7)),$((i * 13 % 29)),$((i % 5)),0,,j$i"; done
      echo '99,99,99,1,"<b onmouseover=""x"">&amp;</b>","</table><img src=x>"'; } >'<i>.csv'
    "$KETSEAL" -q detect report --label=label --kind=kind --ignore=job --contamination=0.02 --out=r.html '<i>.csv'
    "$KETSEAL" --json detect evaluate --label=label --kind=kind --ignore=job --contamination=0.02 '<i>.csv' >e.json
    python3 "$KS_SOURCE_ROOT/tests/cli/report.py" r.html e.json "$KS_SOURCE_ROOT"
    grep -qF '&lt;script&gt;alert(1)&lt;/script&gt;' r.html
    grep -qF '&lt;b onmouseover=&quot;x&quot;&gt;&amp;amp;&lt;/b&gt;' r.html
    grep -qF '&lt;/table&gt;&lt;img src=x&gt;' r.html
    grep -qF '&lt;i&gt;.csv' r.html
    "$KETSEAL" -q detect report --ignore=label --ignore=kind --ignore=job '<i>.csv' >plain.html
    [ "$(grep -c 'id="roc_auc"' plain.html)" = 0 ]
    python3 -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' plain.html
}

@test "scripts: usage, what they need, and the detector's figures from a data set" {
    scripts=$KS_SOURCE_ROOT/scripts
    for name in run_trng_benchmark run_pqc_tls_benchmark run_dataset_building run_anomaly_IF; do
        run --separate-stderr "$scripts/$name" --help
        same status "$status" 0
        same usage "${lines[0]}" "Usage: $name [FOLDER [FLAG...]]"
        run --separate-stderr "$scripts/$name" --rows=3
        same status "$status" 2
        same output "$output" ""
        run --separate-stderr "$scripts/$name" o --no-such-flag
        [ "$status" -ne 0 ]
    done
    run --separate-stderr "$scripts/run_anomaly_IF" o
    says 4 "" "run_anomaly_IF: no o/traces.csv: scripts/run_dataset_building makes it"
    need gnuplot
    traces 800
    mkdir -p o
    mv traces.csv o
    run --separate-stderr "$scripts/run_anomaly_IF" o --contamination=0.05 --trees=64
    same status "$status" 0
    [[ $output == "64 trees"*"threshold"*"model "*", 64 trees"* ]]
    for name in anomaly_score_histogram score_scatter_3d rtt_boxplot_by_qubits; do
        for end in csv pdf svg png; do [ -s "o/$name.$end" ]; done
    done
    grep -q 'id="roc_auc"' o/report.html
    need swtpm
    run --separate-stderr "$scripts/run_trng_benchmark" t --block=16 --runs=1 --run-ms=1 --sample=20000
    same status "$status" 0
    for end in csv pdf svg png; do [ -s "t/entropy_throughput_log.$end" ]; done
}
