#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# bench trng: tables, figure, verdict; what it refuses, and what it leaves behind (nothing).

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

need() { # PROGRAM
    command -v "$1" >/dev/null || skip "no $1"
}

# bench trng with ARGUMENTS, quick, its temporary files in ./tmp.
trng() {
    mkdir -p tmp
    TMPDIR=$PWD/tmp ks bench trng --block=16 --block=1024 --runs=3 --run-ms=1 --sample=20000 "$@"
}

# Neither a state of a TPM nor a half-written file is left.
leaves_nothing() {
    same "temporary files" "$(find tmp -mindepth 1; find . -name '.*' -type f)" ""
}

@test "flags" {
    ks bench trng
    fails 2 "--out: missing"
    ks bench trng --out=o --runs=0
    fails 2 "--runs: at least 1"
    ks bench trng --out=o --runs=100
    fails 2 "--runs: '100' is no number from 0 to 99"
    ks bench trng --out=o --run-ms=0
    fails 2 "--run-ms: at least 1"
    ks bench trng --out=o --sample=63
    fails 2 "--sample: at least 64"
    ks bench trng --out=o --block=0
    fails 2 "--block: '0' is no number from 1 to 1048576"
    ks bench trng --out=o --block=64 --block=64
    fails 2 "--block: 64 comes after 64; name them in ascending order"
    holds
}

@test "without gnuplot: said before anything is measured; the tables alone need none" {
    mkdir empty
    run --separate-stderr env PATH="$PWD/empty" "$KETSEAL" bench trng --out=o
    fails 4 "--no-figure writes the tables alone: gnuplot is not installed; it draws the figures (package gnuplot-nox)"
    [ ! -e o ]
    need swtpm
    mkdir tmp
    run --separate-stderr env PATH="$PWD/empty" TMPDIR="$PWD/tmp" "$KETSEAL" -q bench trng --out=o \
        --no-figure --block=16 --runs=1 --run-ms=1 --sample=64
    same status "$status" 0
    same "standard error" "$stderr" ""
    holds o/entropy_throughput_log.csv o/trng-entropy.csv o/trng-health.csv o/trng-runs.csv
    leaves_nothing
}

@test "tables and figure" {
    need swtpm
    need gnuplot
    trng --out=deep/o
    same status "$status" 0
    [[ ${lines[0]} == "tpm: simulated (IBM, "* ]]
    [[ $output == *"health: TPM pass, kernel pass"* ]]
    [[ $output == *"they certify nothing"* ]]
    [[ $stderr == "starting swtpm on a temporary state
blocks of 16 bytes, 3 runs of each source
blocks of 1024 bytes, 3 runs of each source
sampling 20000 bytes of the tpm
sampling 20000 bytes of the kernel
drawing" ]]
    leaves_nothing
    rmdir tmp
    holds deep/o/entropy_throughput_log.csv deep/o/entropy_throughput_log.pdf deep/o/entropy_throughput_log.png \
        deep/o/entropy_throughput_log.svg deep/o/trng-entropy.csv deep/o/trng-health.csv deep/o/trng-runs.csv
    cd deep/o
    same "first line" "$(head -n 1 entropy_throughput_log.csv)" \
        "source,block_bytes,bytes_per_second,bytes_per_second_low,bytes_per_second_high"
    same rows "$(cut -d, -f1,2 entropy_throughput_log.csv | tail -n +2 | xargs)" \
        "tpm,16 tpm,1024 kernel,16 kernel,1024"
    same runs "$(wc -l <trng-runs.csv)" 13
    same estimates "$(cut -d, -f1-4 trng-entropy.csv | xargs)" "source,estimate,width_bits,samples \
tpm,most-common-value,8,20000 tpm,most-common-value,1,160000 tpm,collision,1,160000 tpm,markov,1,160000 \
kernel,most-common-value,8,20000 kernel,most-common-value,1,160000 kernel,collision,1,160000 kernel,markov,1,160000"
    same tests "$(cut -d, -f2-7,9 trng-health.csv | sort -u | xargs)" \
        "adaptive-proportion,1,160000,1,-40,625,0 adaptive-proportion,8,20000,8,-40,19,0 \
repetition-count,1,160000,1,-40,41,0 repetition-count,8,20000,8,-40,6,0 test,width_bits,samples,claim_bits,alpha_log2,cutoff,alarms"
    grep -q 'tpm: simulated' entropy_throughput_log.svg
}

# The table of the figure, computed again from the runs.
@test "the figure's table follows from the runs" {
    need swtpm
    trng --out=o --no-figure --runs=4
    fails 2 "--runs was given twice"
    trng --out=o --no-figure
    same status "$status" 0
    python3 - <<'CHECK'
import csv, statistics
runs = {}
for row in csv.DictReader(open('o/trng-runs.csv')):
    speed = int(row['block_bytes']) * int(row['repeats']) / (int(row['run_us']) * 1e-6)
    runs.setdefault((row['source'], row['block_bytes']), []).append(speed)
rows = list(csv.DictReader(open('o/entropy_throughput_log.csv')))
assert len(rows) == 4
for row in rows:
    speeds = runs[row['source'], row['block_bytes']]
    for column, want in (('', statistics.median(speeds)), ('_low', min(speeds)), ('_high', max(speeds))):
        assert abs(float(row['bytes_per_second' + column]) / want - 1) < 1e-9, (row, speeds)
CHECK
}

@test "--json: the tables' numbers, no progress" {
    need swtpm
    trng --json --no-figure --out=o
    same status "$status" 0
    same "standard error" "$stderr" ""
    is_json ketseal.bench-trng/1
    same tpm "$(jq -r '.tpm + " " + .tpm_manufacturer + " " + (.healthy | tostring)' <<<"$output")" \
        "simulated IBM true"
    same speeds "$(jq -r '.speeds[] | "\(.source),\(.block_bytes),\(.bytes_per_second),\(.bytes_per_second_low),\(.bytes_per_second_high)"' <<<"$output" | awk -F, '{printf "%s,%s,%.9g,%.9g,%.9g\n", $1, $2, $3, $4, $5}')" \
        "$(tail -n +2 o/entropy_throughput_log.csv | awk -F, '{printf "%s,%s,%.9g,%.9g,%.9g\n", $1, $2, $3, $4, $5}')"
    same estimates "$(jq -c '[.estimates[] | [.source, .estimate, .width_bits]] | length' <<<"$output")" 8
    jq -e '.estimates | all(.min_entropy_bits > 0 and .min_entropy_bits <= .width_bits)' <<<"$output"
}

@test "a TPM that is none" {
    printf x >file
    ks bench trng --no-figure --tpm=file --out=o
    fails 2 "TPM 'file' is no character device"
    ks bench trng --no-figure --tpm=absent --out=o
    fails 4 "open TPM 'absent': No such file or directory"
    ks bench trng --no-figure --tpm=/dev/null --out=o
    same status "$status" 4
    [[ $stderr == "ketseal: TPM "* ]]
    ks bench trng --no-figure --out=file
    same status "$status" 4
    holds file
}

@test "a signal ends it as signals do, once the TPM is gone" {
    need swtpm
    mkdir tmp
    TMPDIR=$PWD/tmp "$KETSEAL" bench trng --no-figure --out=o --runs=99 --run-ms=1000 2>log 3>&- &
    pid=$!
    for _ in $(seq 100); do
        ! grep -q blocks log || break
        sleep 0.1
    done
    same "states while it runs" "$(find tmp -name 'ketseal-trng.*' | wc -l)" 1
    kill -TERM "$pid"
    status=0
    wait "$pid" || status=$?
    same status "$status" 143
    leaves_nothing
}
