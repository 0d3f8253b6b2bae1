#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Compiles the contract again: contracts/Anchor.json, and from it src/anchor/contract.c.
#
#   contracts/build.sh            write both
#   contracts/build.sh --check    exit with 1 where what is committed differs; 77 without solc
set -eu

cd "$(dirname "$0")/.."
modules=$(tools/deps.sh --npm)
if [ -z "$modules" ] || ! command -v node >/dev/null; then
    echo "solc of tools/npm is not installed"
    exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
node contracts/compile.mjs "$modules" contracts/Anchor.sol "$folder/Anchor.json" "$folder/contract.c"
if [ "${1-}" = --check ]; then
    diff -u contracts/Anchor.json "$folder/Anchor.json"
    diff -u src/anchor/contract.c "$folder/contract.c"
else
    cp "$folder/Anchor.json" contracts/Anchor.json
    cp "$folder/contract.c" src/anchor/contract.c
fi
