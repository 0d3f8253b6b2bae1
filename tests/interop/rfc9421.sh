#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Signed requests with two libraries of others, from npm: http-message-signatures and http-message-sig. It installs
# nothing: RFC9421_NPM names the folder in which `npm install http-message-signatures@1.0.6 http-message-sig@0.3.0`
# was run.
#
#   rfc9421.sh SIGNATURE_PEER
set -eu
if ! command -v node >/dev/null; then
    echo 'rfc9421: SKIPPED: node is absent'
    exit 77
fi
for package in http-message-signatures http-message-sig; do
    if [ ! -d "${RFC9421_NPM:-/nonexistent}/node_modules/$package" ]; then
        echo "rfc9421: SKIPPED: RFC9421_NPM names no folder with the npm package $package"
        exit 77
    fi
done
exec node "$(dirname "$0")/rfc9421.mjs" "$1" "$RFC9421_NPM"
