#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# ketseal-verify for 64-bit ARM: compiled from what the build in BUILD links it from, static, and run under an emulator.
# On the committed bundles, on flipped bytes and under policies of others it says what BUILD's own verifier says.
#
#   verify_arm64.sh BUILD OUT
set -euo pipefail
cd "$(dirname "$0")/.."
build=$1 out=$2
flips=6
prefix=$(tools/deps.sh --arm64) || exit
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# The list is the build's, so that a new file cannot be forgotten here.
ninja -C "$build" -t query src/cli/ketseal-verify | sed -n 's,^ *\(src/[a-z0-9_/]*\)/[^/]*\.p/\(.*\)\.o$,\1/\2,p' >"$work/sources"
[ -s "$work/sources" ] || { echo "$build does not know ketseal-verify"; exit 1; }
# shellcheck disable=SC2016 # the inner shell's own
xargs -P "$(nproc)" -I{} sh -c 'aarch64-linux-gnu-gcc -std=c17 -O2 -ffp-contract=off -fno-strict-overflow -D_GNU_SOURCE \
    -D_FILE_OFFSET_BITS=64 -ffunction-sections -fdata-sections -Isrc -Iinclude -I"$1/include" -c "$2" \
    -o "$3/$(echo "$2" | tr / _).o"' sh "$prefix" {} "$work" <"$work/sources"
aarch64-linux-gnu-gcc -static -Wl,--gc-sections -Wl,--wrap=dlopen -o "$out/ketseal-verify" "$work"/*.o "$prefix/libcrypto.a" \
    -lpthread -lm
file=$(head -c 20 "$out/ketseal-verify" | xxd -p)
[ "${file:36:4}" = b700 ] || { echo "$out/ketseal-verify is no program for AArch64"; exit 1; }

count=0
same() { # POLICY BUNDLE
    local want=0 got=0
    "$build/src/cli/ketseal-verify" --json "$1" "$2" >"$work/want" 2>&1 || want=$?
    qemu-aarch64-static "$out/ketseal-verify" --json "$1" "$2" >"$work/got" 2>&1 || got=$?
    if [ "$got" != "$want" ] || ! cmp -s "$work/want" "$work/got"; then
        echo "$1 $2: exit code $got instead of $want:"
        diff "$work/want" "$work/got" || true
        exit 1
    fi
    count=$((count + 1))
}
for folder in tests/vectors/bundle/*/; do
    for policy in "$folder"*.policy; do
        for bundle in "$folder"*.bundle; do
            same "$policy" "$bundle"
        done
    done
    bundle=$(printf '%s\n' "$folder"*.bundle | head -n 1)
    size=$(stat -c %s "$bundle")
    for i in $(seq 0 "$flips"); do
        at=$((i * (size - 1) / flips))
        byte=$(dd if="$bundle" bs=1 skip="$at" count=1 status=none | xxd -p)
        cp "$bundle" "$work/flipped"
        printf '%02x' $((0x$byte ^ 1)) | xxd -r -p | dd of="$work/flipped" bs=1 seek="$at" conv=notrunc status=none
        same "$folder"lab.policy "$work/flipped"
    done
    same tests/vectors/bundle/1/lab.policy "$bundle"
done
echo "the same $count times"
