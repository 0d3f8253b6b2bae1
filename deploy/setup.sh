#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Inside an image that is being built, as root.
#
#   setup.sh programs     the libraries that the programs need
#   setup.sh sdk          Qiskit and Cirq in /opt/ketseal/adapters
#   setup.sh build SOURCE IMAGE   Debian 13: the programs from their source, laid out in the folder IMAGE
#   setup.sh federated    Debian 13: what these need, and the folders of federated/compose.yaml
#   setup.sh packages     prints what build and federated install: two lines
set -eu
here=/usr/local/lib/ketseal
build_packages="gcc libc6-dev meson ninja-build pkg-config python3 libssl-dev libevent-dev libtss2-dev libseccomp-dev libsecp256k1-dev
libcurl4-openssl-dev libcyaml-dev libyaml-dev libsqlite3-dev libopenblas-serial-dev zlib1g-dev libcmocka-dev"
run_packages="libssl3t64 libevent-2.1-7t64 libevent-openssl-2.1-7t64 libevent-pthreads-2.1-7t64 libtss2-sys1t64 libtss2-mu-4.0.1-0t64
libtss2-rc0t64 libseccomp2 libsecp256k1-2 libcurl4t64 libcyaml1 libyaml-0-2 libsqlite3-0 libopenblas0-serial zlib1g swtpm swtpm-tools"

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
build)
    # shellcheck disable=SC2086 # words
    install_packages $build_packages
    # Warnings are errors where the project is checked, which is with other compilers than this one.
    meson setup --prefix=/usr/local -Dwerror=false /build "$2" >/build.log 2>&1 || { tail -n 30 /build.log >&2; exit 4; }
    # The programs alone, without the tests.
    targets=$(meson introspect --targets /build | python3 -c 'import json, os, sys
print(*(os.path.relpath(name, "/build") for target in json.load(sys.stdin) if target["installed"] for name in target["filename"]))')
    # shellcheck disable=SC2086 # words
    ninja --quiet -C /build ${JOBS:+-j "$JOBS"} $targets
    DESTDIR=$3 meson install --quiet --no-rebuild -C /build
    rm -rf "$3/usr/local/include" "$3/usr/local/share"
    mkdir -p "$3/usr/local/lib/ketseal"
    cp "$2/deploy/setup.sh" "$3/usr/local/lib/ketseal/"
    for script in prepare edge operator health; do
        cp "$2/deploy/federated/$script.sh" "$3/usr/local/bin/ketseal-$script"
    done
    ;;
federated)
    # shellcheck disable=SC2086 # words
    install_packages $run_packages
    ldconfig
    for program in /usr/local/bin/ketseal* /usr/local/libexec/ketseal/ketseal*; do
        ! ldd "$program" 2>/dev/null | grep 'not found' || { echo "setup.sh: $program lacks a library" >&2; exit 4; }
    done
    ketseal help >/dev/null
    # Volumes get their owner from these.
    for place in /var/lib/ketseal /data /public; do
        install -d -o 65532 -g 65532 -m 0700 "$place"
    done
    mkdir -p /etc/ketseal
    ;;
packages)
    # shellcheck disable=SC2086 # words
    echo $build_packages
    # shellcheck disable=SC2086
    echo $run_packages
    ;;
*)
    echo "setup.sh: programs, sdk, build, federated or packages" >&2
    exit 2
    ;;
esac
