#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# All six figures by the scripts, each from what is measured here, on less than they take by themselves: in each PDF
# its title, series, axes with units; in each table its columns and rows.
#
#   figures.sh BUILD SOURCE_ROOT
set -euo pipefail
build=$(cd "$1" && pwd)
scripts=$(cd "$2" && pwd)/scripts
for program in swtpm gnuplot pdftotext; do
    command -v $program >/dev/null || { echo "figures: SKIPPED: $program is absent"; exit 77; }
done
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-test.XXXXXX")
trap 'cd /; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"
export KETSEAL=$build/src/cli/ketseal

run() { # SCRIPT FLAGS...
    "$scripts/$1" figures "${@:2}" >said 2>&1 || { echo "figures: $1 failed"; cat said; exit 1; }
}
# Title, series, axes with units: each of TEXTS is in the PDF; the other formats are there, and the table has
# COLUMNS and at least ROWS rows.
check() { # NAME ROWS COLUMNS TEXTS...
    local name=$1 rows=$2 columns=$3 text
    shift 3
    pdftotext -layout "figures/$name.pdf" text
    for text; do
        grep -qF -- "$text" text || { echo "figures: $name.pdf does not say: $text"; cat text; exit 1; }
    done
    [ "$(head -c 5 "figures/$name.pdf")" = %PDF- ]
    [ "$(head -c 8 "figures/$name.png" | xxd -p)" = 89504e470d0a1a0a ]
    python3 -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' "figures/$name.svg"
    [ "$(head -n 1 "figures/$name.csv")" = "$columns" ] || { echo "figures: $name.csv has the columns $(head -n 1 "figures/$name.csv")"; exit 1; }
    [ "$(wc -l <"figures/$name.csv")" -gt "$rows" ] || { echo "figures: $name.csv has $(wc -l <"figures/$name.csv") lines"; exit 1; }
}

run run_trng_benchmark --block=16 --block=1024 --runs=3 --run-ms=1 --sample=20000
check entropy_throughput_log 4 source,block_bytes,bytes_per_second,bytes_per_second_low,bytes_per_second_high \
    "Throughput of random number generators" "TPM 2.0 GetRandom (simulated)" "Linux getrandom(2)" "Block size" "1 KiB" "MB/s"

run run_pqc_tls_benchmark --qubits=2 --qubits=6 --runs=2 --suite=mlkem768+mldsa65 --suite=x25519mlkem768+slhdsa128f --suite=x25519+p256
check rtt_vs_circuit_pqc_tls_mlkem_mldsa 6 suite,qubits,rtt_seconds,rtt_seconds_low,rtt_seconds_high \
    "Round trip" "ML-KEM, ML-DSA-65" "SLH-128f" "P-256 unsealed" Qubits " ms"
check backend_exec_vs_circuit_pqc_tls_mlkem_mldsa 6 suite,qubits,backend_seconds,backend_seconds_low,backend_seconds_high \
    "Backend time" "ML-KEM, ML-DSA-65" Qubits "00 µs"

run run_dataset_building --rows=130 --seed=5
[ "$(wc -l <figures/traces.csv)" -eq 131 ] || { echo "figures: no 130 rows"; exit 1; }
run run_anomaly_IF --contamination=0.2
check anomaly_score_histogram 10 label,score_low,score_high,rows,share_percent \
    "Anomaly scores" "normal (" "anomalous (" "threshold 0." "Anomaly score" " %"
check score_scatter_3d 100 label,qubits,round_trip_s,score "normal (" "anomalous (" Qubits "Round trip" "Anomaly score" " ms"
check rtt_boxplot_by_qubits 8 \
    label,qubits,rows,round_trip_s_low,round_trip_s_q1,round_trip_s_median,round_trip_s_q3,round_trip_s_high,round_trip_s_outlier \
    "Round trip by qubits" "normal (" "anomalous (" Qubits " ms"
# Every row with a round trip is in the boxes; every row is in the histogram.
awk -F, 'NR == FNR { if (FNR == 1) for (i = 1; i <= NF; i++) at[$i] = i; else if ($at["round_trip_us"] != "") placed++; next }
    FNR > 1 { boxed += $3 } END { exit !(placed > 0 && boxed == placed) }' figures/traces.csv figures/rtt_boxplot_by_qubits.csv ||
    { echo "figures: rows are missing in the boxes"; exit 1; }
[ "$(awk -F, 'NR > 1 { sum += $4 } END { print sum }' figures/anomaly_score_histogram.csv)" = 130 ]
python3 -c 'import sys, xml.etree.ElementTree as tree; tree.parse(sys.argv[1])' figures/report.html
echo "six figures, each as PDF, SVG, PNG and CSV"
