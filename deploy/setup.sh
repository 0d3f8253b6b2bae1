#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Inside an image that is being built, as root.
#
#   setup.sh programs     the libraries that the programs need
#   setup.sh sdk          Qiskit and Cirq in /opt/ketseal/adapters
set -eu
here=/usr/local/lib/ketseal

# Bases that deploy/build.sh has made have the packages already.
# shellcheck disable=SC2086 # words
install_packages() {
    missing=
    for package in "$@"; do
        dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null | grep -q '^installed$' || missing="$missing $package"
    done
    [ -z "$missing" ] && return 0
    apt-get -qq update
    DEBIAN_FRONTEND=noninteractive apt-get -qq install --no-install-recommends -y $missing >/dev/null
    rm -rf /var/lib/apt/lists/*
}

case $1 in
programs)
    # shellcheck disable=SC2046 # words
    install_packages $(cat "$here/packages")
    ldconfig
    ketseal help >/dev/null
    ;;
sdk)
    # shellcheck disable=SC2046
    install_packages $(cat "$here/packages.sdk")
    # The build machine's certificates, where it has said so: pip's own do not know every mirror.
    if [ -s "$here/build-ca.crt" ]; then
        PIP_CERT=$here/build-ca.crt
        export PIP_CERT
    fi
    KETSEAL_ADAPTERS=/opt/ketseal/adapters "$here/sdk/tools/adapters.sh" "$here/sdk/build"
    ;;
*)
    echo "setup.sh: programs or sdk" >&2
    exit 2
    ;;
esac
