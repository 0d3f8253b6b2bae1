#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0

# Compiles base, what of fl needs no cryptography, and its golden program for arm64, and compares the digests, under an
# emulator, with the committed ones. Needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user-static.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
for tool in aarch64-linux-gnu-gcc qemu-aarch64-static; do
    if ! command -v $tool >/dev/null 2>&1; then
        echo "golden_fl_arm64: SKIPPED: no $tool" >&2
        exit 77
    fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
# The source lists are meson's, so that a new file cannot be forgotten here.
base=$(sed -n "/^base_lib/,/include_directories/s/.*'\([a-z0-9_]*\.c\)'.*/&/p" src/base/meson.build |
    grep -o "[a-z0-9_]*\.c" | sed 's|^|src/base/|')
# Files, rounds and updates are hashed.
fl=$(sed -n "/^fl_lib/,/fl_sources/p" src/fl/meson.build | grep -o "[a-z0-9_]*\.c" |
    grep -vE '^(file|accumulate_file|buffered|round|round_file|round_select|rules_file|update)\.c$' | sed 's|^|src/fl/|')
# shellcheck disable=SC2086 # lists of plain names
aarch64-linux-gnu-gcc -std=c17 -O2 -static -ffp-contract=off -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
    -Isrc -Iinclude -o "$work/golden_fl" tests/golden/golden_fl.c $base $fl src/fl/kernel_portable.c \
    src/fl/kernel_neon.c src/fl/kernels_neon.c -lpthread -lm
for kernel in "portable 1" "neon 1" "neon 3"; do
    # shellcheck disable=SC2086 # the name and the threads
    qemu-aarch64-static "$work/golden_fl" $kernel >"$work/got"
    diff tests/vectors/fl/golden.txt "$work/got" >&2 || {
        echo "golden_fl_arm64: arm64 gives other digests with $kernel" >&2
        exit 1
    }
done
echo "golden_fl_arm64: as committed"
