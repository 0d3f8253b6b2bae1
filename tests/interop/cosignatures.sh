#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Cosignatures of ketseal-witness, Ed25519 and ML-DSA-44, verified by @noble/curves and @noble/post-quantum. It installs
# nothing: NOBLE_NPM names the folder in which `npm install @noble/curves@2.4.0 @noble/post-quantum@0.7.1` was run.
#
#   cosignatures.sh BUILD
set -eu
here=$(cd "$(dirname "$0")" && pwd)
command -v node >/dev/null || { echo 'cosignatures: SKIPPED: node is absent'; exit 77; }
command -v curl >/dev/null || { echo 'cosignatures: SKIPPED: curl is absent'; exit 77; }
for package in curves post-quantum; do
    if [ ! -d "${NOBLE_NPM:-/nonexistent}/node_modules/@noble/$package" ]; then
        echo "cosignatures: SKIPPED: NOBLE_NPM names no folder with the npm package @noble/$package"
        exit 77
    fi
done
# shellcheck source-path=SCRIPTDIR source=witness_alone.sh
. "$here/witness_alone.sh"
witness_alone "$1"
for sizes in '0 1' '1 2' '2 255' '255 256' '256 257' '257 512'; do
    # shellcheck disable=SC2086 # two words
    "$peer" request 0 $sizes >body
    curl -sf --data-binary @body "$url/add-checkpoint" >answer
    curl -sf "$url/$log_id/checkpoint" >note
    node "$here/cosignatures.mjs" vkeys note "$NOBLE_NPM"
    # The answer is what the note carries.
    while IFS= read -r line; do
        grep -qxF -- "$line" note || { echo "cosignatures: FAILED: the answer is not in the note"; exit 1; }
    done <answer
done
echo 'cosignatures: ok'
