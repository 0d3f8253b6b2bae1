#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0

# golden_fl.sh PROGRAM EXPECTED: the digests are the committed ones by all kernels of this CPU, with one and three
# threads.
set -eu
program=$1
expected=$2
got=$(mktemp)
trap 'rm -f "$got"' EXIT

for kernel in portable avx2 avx512; do
    if [ $kernel != portable ] && ! grep -qw "$(echo $kernel | sed s/avx512/avx512dq/)" /proc/cpuinfo; then
        echo "golden_fl: SKIPPED $kernel: this CPU does not have it"
        continue
    fi
    for threads in 1 3; do
        "$program" $kernel $threads >"$got"
        if ! diff "$expected" "$got" >&2; then
            echo "golden_fl: $kernel with $threads threads gives other digests" >&2
            exit 1
        fi
        echo "golden_fl: $kernel with $threads threads as committed"
    done
done
