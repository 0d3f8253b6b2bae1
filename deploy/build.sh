#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The images of compose.yaml, or of federated/compose.yaml, without an engine: bases by mmdebstrap, the rest by buildah in a
# chroot. As root.
#
#   deploy/build.sh BUILD [federated]           images, in BUILD/../deploy/storage
#   deploy/build.sh BUILD --stage [federated]   only lays out what the Containerfiles copy, in BUILD/../deploy/stage or
#                                               stage-federated: an engine builds them from there (deploy/README.md)
#
# BUILD is a release build. Images of compose.yaml have its programs, and so the release that this machine runs for a base.
# Those of federated/compose.yaml are Debian 13, on which the programs are built from their source.
# SKIP_SDK=1 leaves out the image with Qiskit and Cirq; JOBS=N has N compilers at work.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
work=$(dirname "$build")/deploy
stage=$work/stage

say() { printf 'deploy: %s\n' "$*" >&2; }
die() { say "$*"; exit 4; }

# shellcheck source=/dev/null
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-}")
[ -n "$suite" ] || die "this machine's release has no code name"

# The packages that own FILE..., but for a private OpenSSL.
owners_of() { # FILE...
    local file
    for file in "$@"; do # what lies in /usr may be listed without
        dpkg-query -S "$(readlink -f "$file")" 2>/dev/null || dpkg-query -S "$file" 2>/dev/null || true
    done | cut -d: -f1 | sort -u
}

# The shared libraries of PROGRAM....
libraries_of() { # PROGRAM...
    { ldd "$@" 2>/dev/null || true; } | sed -n 's/.*=> \(\/[^ ]*\) .*/\1/p' | sort -u
}

lay_out() {
    local name lib=$stage/image/usr/local/lib
    rm -rf "$stage"
    mkdir -p "$stage/image"
    DESTDIR=$stage/image meson install --quiet --no-rebuild -C "$build" || die "the build is not complete"
    mkdir -p "$lib/ketseal"
    # Sites and devices need neither headers nor MPI, which would bring forty packages along.
    rm -rf "$stage/image/usr/local/bin/ketseal-mpi" "$stage/image/usr/local/include" "$stage/image/usr/local/share" "$lib/pkgconfig"
    install -m 0755 "$root/deploy/record.sh" "$stage/image/usr/local/bin/ketseal-record"
    install -m 0755 "$root/deploy/setup.sh" "$lib/ketseal/"
    for name in $(libraries_of "$build/src/cli/ketseal" | grep -E '/lib(ssl|crypto)\.so'); do # a private one
        [ -n "$(owners_of "$name")" ] || install -m 0644 "$name" "$lib/"
    done
    # libcurl is loaded when it is needed; sites of the services have swtpm for a TPM.
    {
        local -a library
        mapfile -t library < <(libraries_of "$stage"/image/usr/local/bin/* "$stage"/image/usr/local/libexec/ketseal/ketseal*)
        owners_of "${library[@]}" "$(ldconfig -p | sed -n 's/.*libcurl\.so\.4 .*=> //p' | head -n 1)"
        printf 'swtpm\nswtpm-tools\n'
    } | sort -u >"$lib/ketseal/packages"
    printf 'python3\npython3-venv\n' >"$lib/ketseal/packages.sdk"
    install -m 0644 "$root"/deploy/Containerfile* "$stage/"
    if [ -e "$root/tools/adapters.sh" ] && [ "${SKIP_SDK:-0}" != 1 ]; then
        mkdir -p "$stage/sdk/tools" "$stage/sdk/adapters" "$stage/sdk/build/src/enclave"
        install -m 0755 "$root/tools/adapters.sh" "$stage/sdk/tools/"
        install -m 0644 "$root/adapters/requirements.txt" "$stage/sdk/adapters/"
        install -m 0644 "$build/src/enclave/qiskit.py" "$build/src/enclave/cirq.py" "$stage/sdk/build/src/enclave/"
    fi
}

engineless() { # buildah's ARGUMENTS...
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}

# Debian SUITE with PACKAGES, as localhost/NAME; once for each list.
make_base() { # NAME SUITE PACKAGES
    local stamp container
    stamp=$(printf '%s\n' "$2" "$3" | sha256sum)
    if [ "$(cat "$work/$1.stamp" 2>/dev/null)" = "$stamp" ] && engineless inspect --type image "localhost/$1" >/dev/null 2>&1; then
        return 0
    fi
    say "a base of $2, by mmdebstrap"
    nice mmdebstrap --quiet --variant=minbase --include="$3" "$2" "$work/base.tar" || die "mmdebstrap failed"
    container=$(engineless from scratch)
    engineless add --quiet "$container" "$work/base.tar" >/dev/null
    engineless config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
    engineless commit --quiet --rm "$container" "localhost/$1" >/dev/null
    rm -f "$work/base.tar"
    printf '%s\n' "$stamp" >"$work/$1.stamp"
}

make_image() { # NAME CONTAINERFILE, then more flags of buildah bud
    local volumes=()
    [ ! -s /etc/ssl/certs/ca-certificates.crt ] ||
        volumes=(--volume /etc/ssl/certs/ca-certificates.crt:/usr/local/lib/ketseal/build-ca.crt:ro)
    say "image $1"
    nice buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs bud --quiet --isolation chroot \
        --pull=false "${volumes[@]}" "${@:3}" --file "$stage/$2" --tag "localhost/$1" \
        "$stage" >"$work/$1.log" 2>&1 || { tail -n 30 "$work/$1.log" >&2; die "the image $1 was not built"; }
}

# What is built on Debian 13: the source as git knows it, and the chain's node that tools/deps.sh has from npm.
lay_out_federated() {
    local anvil
    stage=$work/stage-federated
    anvil=$(find "$("$root/tools/deps.sh" --npm)/node_modules/@foundry-rs" -path '*/bin/anvil' -type f 2>/dev/null | head -n 1)
    [ -n "$anvil" ] || die "anvil of tools/npm is not installed"
    rm -rf "$stage"
    mkdir -p "$stage/source" "$stage/chain"
    (cd "$root" && git ls-files -z | tar --null -cf - -T -) | tar -C "$stage/source" -xf -
    install -m 0755 "$anvil" "$stage/chain/"
    install -m 0644 "$root"/deploy/federated/Containerfile* "$stage/"
}

make_federated() {
    local packages
    mapfile -t packages < <("$root/deploy/setup.sh" packages)
    make_base ketseal-base-13-build trixie "${packages[0]// /,}"
    make_base ketseal-base-13 trixie "${packages[1]// /,}"
    make_image ketseal-federated Containerfile --build-arg BASE=localhost/ketseal-base-13 \
        --build-arg BUILD_BASE=localhost/ketseal-base-13-build --build-arg "JOBS=${JOBS:-$(nproc)}"
    make_image ketseal-chain Containerfile.chain
}

needs_root() {
    [ "$(id -u)" -eq 0 ] || die "not root"
    command -v mmdebstrap >/dev/null || die "mmdebstrap is absent"
    command -v buildah >/dev/null || die "buildah is absent"
}

mkdir -p "$work"
case "${*:2}" in
--stage) lay_out ;;
"--stage federated") lay_out_federated ;;
federated)
    needs_root
    lay_out_federated
    make_federated
    ;;
"")
    needs_root
    lay_out
    make_base ketseal-base "$suite" "$(sort -u "$stage/image/usr/local/lib/ketseal"/packages* | paste -sd,)"
    make_image ketseal Containerfile --build-arg BASE=localhost/ketseal-base
    [ ! -d "$stage/sdk" ] || make_image ketseal-sdk Containerfile.sdk
    ;;
*) die "BUILD [--stage] [federated]" ;;
esac
