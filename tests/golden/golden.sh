#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0

# golden.sh PROGRAM EXPECTED: the digests are the same for all kernels, one and three threads, and for
# scalar kernels with the fma() in software that the C library has for older CPUs.
set -eu
program=$1
expected=$2
got=$(mktemp)
trap 'rm -f "$got"' EXIT

compare() {
    if ! diff "$expected" "$got" >&2; then
        echo "golden: $1 gives other digests" >&2
        exit 1
    fi
    echo "golden: $1 as committed"
}

for kernels in scalar avx2 avx512; do
    for threads in 1 3; do
        if [ $kernels != scalar ] && ! grep -qw "$(echo $kernels | sed s/avx512/avx512dq/)" /proc/cpuinfo
        then
            echo "golden: SKIPPED $kernels: this CPU does not have it"
            continue
        fi
        "$program" $kernels $threads >"$got"
        compare "$kernels with $threads threads"
    done
done
GLIBC_TUNABLES=glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2 "$program" scalar >"$got"
compare "scalar with fma() in software"
