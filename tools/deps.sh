#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs what ketseal builds and tests with. Quiet and quick when there is nothing to do.
#
#   tools/deps.sh            install what is missing
#   tools/deps.sh --deploy   and what `make check-full` builds images with
#   tools/deps.sh --prefix   print the prefix of the private OpenSSL, nothing if the system's serves
#   tools/deps.sh --npm      print the folder of the tools from npm, nothing if they are not installed
#   tools/deps.sh --web      what the page of web/ is built and tested with; prints its folder (77: cannot be had)
#   tools/deps.sh --arm64    libcrypto for 64-bit ARM, static; prints its folder (77: cannot be had)
#
# Distribution packages come from the package manager. Where the system's OpenSSL is older than 3.5,
# the next Debian release's source package (with that distribution's security patches) is fetched by
# apt from the mirror this system already uses, checked by apt against the archive's keys, and built
# once into a cache outside the tree.
set -eu

cache=${KETSEAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ketseal}
openssl_min=3.5
openssl_suite=trixie
prefix=$cache/openssl-$openssl_suite-$(uname -m)

say() { printf 'deps: %s\n' "$*" >&2; }
die() { say "$*"; exit 4; }

version_at_least() { dpkg --compare-versions "$1" ge "$2"; }

system_openssl_serves() {
    version=$(pkg-config --modversion libcrypto 2>/dev/null) || return 1
    version_at_least "$version" "$openssl_min"
}

npm_lock=$(dirname "$0")/npm/package-lock.json
npm_tools=$cache/npm-$(sha256sum "$npm_lock" | cut -c 1-16)

if [ "${1-}" = --npm ]; then
    [ ! -f "$npm_tools/.complete" ] || printf '%s\n' "$npm_tools"
    exit 0
fi
web=$cache/web-$openssl_suite-$(uname -m)
arm64=$cache/arm64-$openssl_suite-$(uname -m)
if [ "${1-}" = --prefix ]; then
    system_openssl_serves || printf '%s\n' "$prefix"
    exit 0
fi
deploy=
if [ "${1-}" = --deploy ]; then
    deploy="mmdebstrap buildah docker-compose"
    shift
fi
[ $# -eq 0 ] || [ "$*" = --web ] || [ "$*" = --arm64 ] || die "unknown argument '$1'"

command -v dpkg-query >/dev/null || die "this script knows Debian and its derivatives only; see README.md for the list of packages"

# What the build needs, what the programs need, what the tests need.
packages="build-essential meson ninja-build pkg-config dpkg-dev git python3 ca-certificates
libevent-dev libtss2-dev libseccomp-dev libsecp256k1-dev libcurl4-openssl-dev libcyaml-dev libyaml-dev libsqlite3-dev
libopenblas-serial-dev zlib1g-dev
swtpm swtpm-tools
libcmocka-dev python3-yaml python3-jsonschema python3-cffi python3-pytest bats jq curl tpm2-tools codespell shellcheck mandoc xxd openssl procps
gnuplot-nox fonts-dejavu-core poppler-utils"
# Checks that have one pinned version or one host architecture, ketseal-mpi, and what make adapters needs: left out,
# loudly, without it.
optional="clang-14 clang-format-14 clang-tidy-14 libclang-rt-14-dev libopenmpi-dev openmpi-bin python3-venv"
[ "$(uname -m)" = x86_64 ] && optional="$optional gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
optional="$optional $deploy"

# evhttp before this version parses requests in ways that allow smuggling (Debian DSA for libevent).
libevent_min=2.1.12-stable-8+deb12u1

can_be_root() { [ "$(id -u)" -eq 0 ] || command -v sudo >/dev/null; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo "$@"
    fi
}

installed() {
    dpkg-query -W -f='${db:Status-Status}\n' "$1" 2>/dev/null | grep -q '^installed$'
}

missing() {
    for package in "$@"; do
        installed "$package" || printf '%s ' "$package"
    done
}

libevent_outdated() {
    installed libevent-dev &&
        ! version_at_least "$(dpkg-query -W -f='${Version}' libevent-dev)" "$libevent_min"
}

# The cache is a user's own, so each one is told once.
decline() { # PACKAGE REASON
    say "$2; the check that uses it will be skipped"
    mkdir -p "$cache"
    printf '%s\n' "$1" >>"$cache/declined-packages"
}

apt_install() { # PACKAGES...
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install --no-install-recommends -y "$@" >/dev/null
}

# shellcheck disable=SC2086 # word lists
install_needed() { # PACKAGES...
    can_be_root || die "not root, and sudo is absent; have these packages installed: $*"
    say "refreshing package lists"
    as_root apt-get -qq update || die "apt-get update failed"
    known=
    for package in "$@"; do
        # Debian 13 renamed the libevent libraries (t64); the -dev package pulls them there.
        case $package in
        libevent-*2.1-7) apt-cache show "$package" >/dev/null 2>&1 || continue ;;
        esac
        known="$known $package"
    done
    say "installing$known"
    apt_install $known || die "apt-get install failed for:$known"
}

# What nobody can install here must not keep anybody from building.
install_optional() { # PACKAGES...
    if ! can_be_root; then
        for package in "$@"; do
            decline "$package" "$package is absent, and neither root nor sudo is there to install it"
        done
        return 0
    fi
    if [ -z "$refreshed" ]; then
        say "refreshing package lists"
        as_root apt-get -qq update || { say "apt-get update failed; going on without: $*"; return 0; }
    fi
    for package in "$@"; do
        if ! apt-cache show "$package" >/dev/null 2>&1; then
            decline "$package" "this release has no $package"
            continue
        fi
        say "installing $package"
        apt_install "$package" || say "apt-get install failed for $package; going on without it"
    done
}

# shellcheck disable=SC2046,SC2086 # word lists
install_packages() {
    refreshed=
    wanted=$(missing $packages)
    libevent_outdated && wanted="$wanted libevent-dev libevent-2.1-7 libevent-core-2.1-7 libevent-extra-2.1-7 libevent-openssl-2.1-7 libevent-pthreads-2.1-7"
    if [ -n "$wanted" ]; then
        install_needed $wanted
        refreshed=yes
    fi
    # An optional package that this release does not have is asked for once, then left.
    wanted=
    for package in $(missing $optional); do
        grep -qsx "$package" "$cache/declined-packages" || wanted="$wanted $package"
    done
    [ -z "$wanted" ] || install_optional $wanted
    ! libevent_outdated || die "libevent-dev is older than $libevent_min (request smuggling); upgrade it"
}

# The mirror, as this system's own apt configuration names it, for each Debian archive.
mirror_of() { # LABEL
    # shellcheck disable=SC2016 # apt's own $(…)
    apt-get indextargets --format '$(REPO_URI) $(LABEL)' 'Created-By: Packages' |
        awk -v label="$1" '{uri = $1; $1 = ""; if ($0 == " " label) {print uri; exit}}'
}

make_work() {
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/build.XXXXXX")
    trap 'rm -rf "$work"' EXIT INT TERM
}

# Into $work/openssl; $dsc is the package's description.
fetch_openssl() {
    main=$(mirror_of Debian)
    security=$(mirror_of Debian-Security)
    [ -n "$main" ] || die "no Debian mirror in this system's apt configuration"
    mkdir -p "$work/lists/partial" "$work/archives/partial" "$work/src"
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    {
        printf 'deb-src [signed-by=%s] %s %s main\n' "$keyring" "$main" "$openssl_suite"
        [ -z "$security" ] || printf 'deb-src [signed-by=%s] %s %s-security main\n' \
            "$keyring" "$security" "$openssl_suite"
    } >"$work/sources.list"
    cat >"$work/apt.conf" <<CONF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::State::lists "$work/lists";
Dir::Cache::archives "$work/archives";
Dir::Cache::pkgcache "";
Dir::Cache::srcpkgcache "";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
CONF
    say "fetching the source of OpenSSL ($openssl_suite, with its security patches)"
    APT_CONFIG=$work/apt.conf apt-get -qq update || die "cannot read the $openssl_suite source index"
    # A mirror may list a version whose files it does not carry (yet, or any more): the newest that it
    # has is taken, and said aloud, since every one of these carries the distribution's patches.
    dsc=
    for version in $(APT_CONFIG=$work/apt.conf apt-cache showsrc openssl |
        awk '$1 == "Version:" {print $2}' | sort -rVu); do
        version_at_least "$version" "$openssl_min" || continue
        if (cd "$work/src" && APT_CONFIG=$work/apt.conf \
            apt-get -qq source --download-only "openssl=$version" >"$work/log" 2>&1); then
            dsc=$work/src/openssl_$version.dsc
            break
        fi
        say "the mirror lists openssl $version but does not deliver it; trying an older one"
    done
    [ -f "$dsc" ] || { tail -n 5 "$work/log" >&2; die "cannot fetch any OpenSSL >= $openssl_min source package"; }
    # apt has checked the .dsc against the signed index; dpkg-source checks the rest against the .dsc.
    dpkg-source -x "$dsc" "$work/openssl" >"$work/log" 2>&1 ||
        { tail -n 20 "$work/log" >&2; die "cannot unpack $(basename "$dsc")"; }
}

build_openssl() {
    [ -f "$prefix/.complete" ] && return 0
    make_work
    fetch_openssl
    say "building $(basename "$dsc" .dsc), a few minutes, once"
    rm -rf "$prefix"
    (
        cd "$work/openssl"
        ./Configure --prefix="$prefix" --openssldir="$prefix/ssl" --libdir=lib no-tests no-docs shared
        make -j"$(nproc)"
        make install_sw install_ssldirs
    ) >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; die "OpenSSL did not build"; }
    basename "$dsc" .dsc >"$prefix/.complete"
    rm -rf "$work"
    trap - EXIT INT TERM
}

# The compiler of contracts/, a local chain and an independent reader of Ethereum's formats: by the
# digests of tools/npm/package-lock.json, running no script of theirs. Their checks are skipped without.
install_npm_tools() {
    [ -f "$npm_tools/.complete" ] && return 0
    if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
        say "node or npm is absent; the checks against a local chain will be skipped"
        return 0
    fi
    # Where npm reaches nothing it is asked once a day, not by each build.
    [ -z "$(find "$npm_tools.failed" -mtime -1 2>/dev/null)" ] || return 0
    say "installing a local chain and the Solidity compiler from npm, once"
    mkdir -p "$cache"
    work=$(mktemp -d "$cache/npm.XXXXXX")
    trap 'rm -rf "$work"' EXIT INT TERM
    cp "$(dirname "$npm_lock")/package.json" "$npm_lock" "$work"
    if (cd "$work" && npm ci --ignore-scripts --no-audit --no-fund --no-update-notifier --fetch-retries=1 >log 2>&1); then
        touch "$work/.complete"
        rm -rf "$npm_tools" "$npm_tools.failed"
        mv "$work" "$npm_tools"
    else
        tail -n 5 "$work/log" >&2
        say "npm failed; the checks against a local chain will be skipped"
        touch "$npm_tools.failed"
        rm -rf "$work"
    fi
    trap - EXIT INT TERM
}

# --- the verifier elsewhere ----------------------------------------------------------------------------

here=$(cd "$(dirname "$0")/.." && pwd)

# libcrypto alone, as tools/libcrypto.options has it, into FOLDER.
build_libcrypto() { # FOLDER, further arguments of Configure
    folder=$1
    shift
    say "building $(basename "$dsc" .dsc) for $(basename "$folder"), a minute or two, once"
    (
        cd "$work/openssl"
        export SOURCE_DATE_EPOCH=0
        # shellcheck disable=SC2046 # a list of words
        ./Configure "$@" $(grep -v '^#' "$here/tools/libcrypto.options")
        make -j"$(nproc)" build_generated libcrypto.a
    ) >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; die "OpenSSL did not build"; }
    cp "$work/openssl/libcrypto.a" "$folder/"
    cp -R "$work/openssl/include" "$folder/"
}

# FOLDER was made from other files than these, or not at all: then it is emptied.
outdated() { # FOLDER FILES...
    folder=$1
    shift
    inputs=$(cd "$here" && cat "$@" | sha256sum)
    [ "$(cat "$folder/inputs" 2>/dev/null)" != "$inputs" ] || return 1
    rm -rf "$folder"
    mkdir -p "$folder"
}

finish() { # FOLDER
    printf '%s\n' "$inputs" >"$1/inputs"
    rm -rf "$work"
    trap - EXIT INT TERM
}

# Tests of the page alone need these; it is built without them.
browsers="chromium chromium-driver firefox-esr"

# The compiler, as PyPI has it, by the digests of web/zig.txt; unpacked, since it needs no installing.
fetch_zig() {
    python3 -m pip --version >/dev/null 2>&1 ||
        { ! can_be_root || apt_install python3-pip; } >/dev/null 2>&1 || true
    say "fetching $(sed -n 's/^\(ziglang==[^ ]*\).*/\1/p' "$here/web/zig.txt"), 100 MB, once"
    python3 -m pip download --quiet --no-deps --only-binary :all: --require-hashes --dest "$work" \
        --requirement "$here/web/zig.txt" >"$work/log" 2>&1 || return 1
    python3 -m zipfile -e "$work"/ziglang-*.whl "$web" && chmod +x "$web/ziglang/zig"
}

install_web() {
    refreshed=yes # whoever installs these has just asked for the needed ones
    wanted=
    # shellcheck disable=SC2086 # a word list
    for package in $(missing $browsers); do
        grep -qsx "$package" "$cache/declined-packages" || wanted="$wanted $package"
    done
    # shellcheck disable=SC2086 # a word list
    [ -z "$wanted" ] || install_optional $wanted
    if outdated "$web" web/zig.txt web/libcrypto.conf tools/libcrypto.options; then
        make_work
        fetch_zig || { say "no compiler for WebAssembly: $(tail -n 1 "$work/log")"; rm -rf "$web"; exit 77; }
        fetch_openssl
        cp "$here/web/libcrypto.conf" "$work/openssl/Configurations/90-ketseal.conf"
        (
            export PATH="$web/ziglang:$PATH" ZIG_GLOBAL_CACHE_DIR="$web/zig-cache"
            build_libcrypto "$web" ketseal-wasm no-asm
        )
        printf 'zig %s, %s\n' "$("$web/ziglang/zig" version)" "$(basename "$dsc" .dsc)" >"$web/tools"
        finish "$web"
    fi
    printf '%s\n' "$web"
}

install_arm64() {
    for tool in aarch64-linux-gnu-gcc qemu-aarch64-static; do
        command -v "$tool" >/dev/null || { say "no $tool"; exit 77; }
    done
    if outdated "$arm64" tools/libcrypto.options; then
        make_work
        fetch_openssl
        build_libcrypto "$arm64" linux-aarch64 --cross-compile-prefix=aarch64-linux-gnu-
        finish "$arm64"
    fi
    printf '%s\n' "$arm64"
}

case ${1-} in
--web) install_web ;;
--arm64) install_arm64 ;;
*)
    install_packages
    install_npm_tools
    system_openssl_serves || build_openssl
    ;;
esac
