#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# bench jobs on suites that need no site: flags, tables, figures, what it leaves behind (nothing). Sites:
# tests/integration/suites.sh.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

need() { # PROGRAM
    command -v "$1" >/dev/null || skip "no $1"
}

# bench jobs with ARGUMENTS, classical suites alone, its temporary files in ./tmp.
jobs() {
    mkdir -p tmp
    TMPDIR=$PWD/tmp ks bench jobs --suite=x25519+p256 --suite=x25519+ed25519 --qubits=2 --qubits=3 "$@"
}

leaves_nothing() {
    same "temporary files" "$(find tmp -mindepth 1; find . -name '.*' -type f)" ""
}

@test "flags" {
    ks bench jobs
    fails 2 "--out: missing"
    ks bench jobs --out=o --runs=0
    fails 2 "--runs: '0' is no number from 1 to 999"
    ks bench jobs --out=o --runs=1000
    fails 2 "--runs: '1000' is no number from 1 to 999"
    ks bench jobs --out=o --suite=x25519
    same status "$status" 2
    [[ $stderr == "ketseal: --suite: 'x25519' is no suite; there are mlkem768+mldsa65, "*", x25519+ed25519" ]]
    ks bench jobs --out=o --suite=x25519+p256 --suite=x25519+p256
    fails 2 "--suite: x25519+p256 twice"
    ks bench jobs --out=o --qubits=4 --qubits=2
    fails 2 "--qubits: 2 comes after 4; name them in ascending order"
    ks bench jobs --out=o --qubits=31
    fails 2 "--qubits: '31' is no number from 1 to 30"
    ks bench jobs --out=o --depth=0
    fails 2 "--depth: '0' is no number from 1 to 10000"
    ks bench jobs --out=o --shots=many
    fails 2 "--shots: 'many' is no number from 1 to 10000000"
    ks bench jobs --out=o --template=nothing
    same status "$status" 2
    [[ $stderr == *"nothing"* ]]
    ks bench jobs --out=o --template=bell --qubits=3
    same status "$status" 2
    holds
}

@test "without gnuplot: said before anything is measured; the tables alone need none" {
    mkdir empty tmp
    run --separate-stderr env PATH="$PWD/empty" "$KETSEAL" bench jobs --out=o
    fails 4 "--no-figure writes the tables alone: gnuplot is not installed; it draws the figures (package gnuplot-nox)"
    [ ! -e o ]
    run --separate-stderr env PATH="$PWD/empty" TMPDIR="$PWD/tmp" "$KETSEAL" -q bench jobs --out=o \
        --no-figure --suite=x25519+p256 --runs=1 --qubits=2
    same status "$status" 0
    same "standard error" "$stderr" ""
    holds o/backend_exec_vs_circuit_pqc_tls_mlkem_mldsa.csv o/jobs-summary.csv o/jobs.csv \
        o/rtt_vs_circuit_pqc_tls_mlkem_mldsa.csv
    leaves_nothing
}

# Medians, percentiles and the figure's points, computed again from the jobs.
@test "tables and figures follow from the jobs" {
    need gnuplot
    jobs --out=deep/o --runs=7 --shots=100 --shots=200
    same status "$status" 0
    [[ ${lines[0]} == "round trip: median, 99th percentile "* ]]
    [[ $stderr == "x25519+p256: certificates, a backend without seals
x25519+ed25519: certificates, a backend without seals
run 1 of 7: 4 circuits, 4 ways
"* ]]
    leaves_nothing
    rmdir tmp
    for name in rtt_vs_circuit_pqc_tls_mlkem_mldsa backend_exec_vs_circuit_pqc_tls_mlkem_mldsa; do
        [ "$(head -c 5 "deep/o/$name.pdf")" = %PDF- ]
        [ -s "deep/o/$name.png" ]
        grep -q 'P-256 unsealed' "deep/o/$name.svg"
        grep -q 'Ed25519 unsealed' "deep/o/$name.svg"
        grep -q 'Qubits' "deep/o/$name.svg"
    done
    python3 - <<'CHECK'
import csv, math, statistics
key = ('suite', 'path', 'connection', 'template', 'qubits', 'depth', 'shots')
jobs = {}
for row in csv.DictReader(open('deep/o/jobs.csv')):
    jobs.setdefault(tuple(row[k] for k in key), []).append(row)
assert len(jobs) == 2 * 2 * 2 * 2 and all(len(rows) == 7 for rows in jobs.values())
for rows in jobs.values():
    assert [row['run'] for row in rows] == [str(i) for i in range(1, 8)]
    assert all(0 < float(row['backend_us']) <= float(row['rtt_us']) for row in rows)
    assert all(row['path'] == 'unsealed' for row in rows)
summary = list(csv.DictReader(open('deep/o/jobs-summary.csv')))
assert len(summary) == len(jobs)
for row in summary:
    rows = jobs[tuple(row[k] for k in key)]
    for what in ('rtt', 'backend'):
        values = sorted(float(r[what + '_us']) for r in rows)
        assert float(row[what + '_median_us']) == statistics.median(values)
        assert float(row[what + '_median_us_low']) == values[0] and float(row[what + '_median_us_high']) == values[-1]
        assert float(row[what + '_p99_us']) == values[math.ceil(.99 * 7) - 1] and row[what + '_p99_us_high'] == ''
for name, column in (('rtt', 'rtt'), ('backend_exec', 'backend')):
    points = list(csv.DictReader(open(f'deep/o/{name}_vs_circuit_pqc_tls_mlkem_mldsa.csv')))
    assert [(p['suite'], p['qubits']) for p in points] == [
        (s, q) for s in ('x25519-p256-unsealed', 'x25519-ed25519-unsealed') for q in ('2', '3')]
    for p in points:
        want = [r for r in summary if r['suite'].replace('+', '-') + '-unsealed' == p['suite']
                and r['connection'] == 'new' and r['qubits'] == p['qubits'] and r['shots'] == '100'][0]
        assert abs(float(p[column + '_seconds']) * 1e6 - float(want[column + '_median_us'])) < 1e-6
CHECK
}

@test "--json: the summary, no progress; an end that is not known is null" {
    jobs --json --no-figure --out=o --runs=2
    same status "$status" 0
    same "standard error" "$stderr" ""
    is_json ketseal.bench-jobs/1
    same rows "$(jq -c '[(.rows | length), .runs]' <<<"$output")" "[8,2]"
    jq -e '.rows | all(.rtt_median_us.low == null and .rtt_p99_us.high == null and .rtt_median_us.value > 0)' <<<"$output"
    same ways "$(jq -r '[.rows[] | "\(.path) \(.connection)"] | unique | join(",")' <<<"$output")" \
        "unsealed kept,unsealed new"
}

@test "an interrupted one leaves nothing, and ends by its signal" {
    mkdir tmp
    TMPDIR=$PWD/tmp bash -c 'trap - INT; exec "$@"' - "$KETSEAL" bench jobs --no-figure --out=o --runs=999 \
        --suite=x25519+p256 --qubits=2 2>log 3>&- &
    pid=$!
    until grep -q '^run 2 ' log; do sleep 0.05; done
    kill -TERM "$pid"
    rc=0
    wait "$pid" || rc=$?
    same status "$rc" 143
    leaves_nothing
}
