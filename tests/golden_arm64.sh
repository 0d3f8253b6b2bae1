#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0

# Compiles base, quantum, detect and the golden programs for arm64 and compares their digests, under an emulator,
# with the committed ones. Needs gcc-aarch64-linux-gnu, libc6-dev-arm64-cross and qemu-user-static.
set -eu
root=$(cd "$(dirname "$0")/.." && pwd)
for tool in aarch64-linux-gnu-gcc qemu-aarch64-static; do
    if ! command -v $tool >/dev/null 2>&1; then
        echo "golden_arm64: SKIPPED: no $tool" >&2
        exit 77
    fi
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
# The source lists are meson's, so that a new file cannot be forgotten here.
base=$(sed -n "/^base_lib/,/include_directories/s/.*'\([a-z0-9_]*\.c\)'.*/&/p" src/base/meson.build |
    grep -o "[a-z0-9_]*\.c" | sed 's|^|src/base/|')
quantum=$(sed -n "/^quantum_lib/,/implicit/p" src/quantum/meson.build |
    grep -o "[a-z0-9_]*\.c" | sed 's|^|src/quantum/|')
# shellcheck disable=SC2086 # lists of plain names
for program in golden golden_methods; do
    aarch64-linux-gnu-gcc -std=c17 -O2 -static -ffp-contract=off -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
        -Isrc -Iinclude -Itests -o "$work/$program" tests/golden/$program.c tests/oracle/random_circuit.c \
        $base $quantum src/quantum/kernel_scalar_double.c src/quantum/kernel_scalar_single.c \
        src/quantum/kernel_neon_double.c src/quantum/kernel_neon_single.c src/quantum/kernels_neon.c \
        -lpthread -lm
done
# Files, rounds and updates of fl are hashed: they are left out.
fl=$(sed -n "/^fl_lib/,/fl_sources/p" src/fl/meson.build | grep -o "[a-z0-9_]*\.c" |
    grep -vE '^(file|accumulate_file|buffered|gather|model|round|round_file|round_select|rules_file|seal|state|update)\.c$' | sed 's|^|src/fl/|')
# shellcheck disable=SC2086 # lists of plain names
aarch64-linux-gnu-gcc -std=c17 -O2 -static -ffp-contract=off -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 \
    -Isrc -Iinclude -o "$work/golden_fl" tests/golden/golden_fl.c $base $fl src/fl/kernel_portable.c \
    src/fl/kernel_neon.c src/fl/kernels_neon.c -lpthread -lm
for kernels in "scalar 1" "neon 1" "neon 3"; do
    # shellcheck disable=SC2086 # the name and the threads
    qemu-aarch64-static "$work/golden" $kernels >"$work/got"
    diff tests/vectors/quantum/golden.txt "$work/got" >&2 || {
        echo "golden_arm64: arm64 gives other digests with $kernels" >&2
        exit 1
    }
done
qemu-aarch64-static "$work/golden_methods" >"$work/got"
diff tests/vectors/quantum/methods.txt "$work/got" >&2 || {
    echo "golden_arm64: the methods give other digests on arm64" >&2
    exit 1
}
# The detector's kernel for NEON; what a model's file is like takes no part in it.
# shellcheck disable=SC2086
aarch64-linux-gnu-gcc -std=c17 -O2 -static -ffp-contract=off -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Wall -Wextra -Werror \
    -Isrc -Iinclude -Itests -o "$work/golden_forest" tests/golden/golden_forest.c $base src/detect/fit.c \
    src/detect/forest.c src/detect/kernel_portable.c src/detect/kernel_neon.c src/detect/kernels_neon.c -lpthread -lm
qemu-aarch64-static "$work/golden_forest" >"$work/got" 2>"$work/kernels"
grep -qx 'kernels: neon portable' "$work/kernels" || { cat "$work/kernels" >&2; exit 1; }
diff tests/vectors/detect/forest.txt "$work/got" >&2 || {
    echo "golden_arm64: the forest gives other paths on arm64" >&2
    exit 1
}
for kernel in "portable 1" "neon 1" "neon 3"; do
    # shellcheck disable=SC2086 # the name and the threads
    qemu-aarch64-static "$work/golden_fl" $kernel >"$work/got"
    diff tests/vectors/fl/golden.txt "$work/got" >&2 || {
        echo "golden_arm64: aggregation gives other digests on arm64 with $kernel" >&2
        exit 1
    }
done
echo "golden_arm64: as committed"
