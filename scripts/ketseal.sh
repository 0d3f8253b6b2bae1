# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# Read by the scripts beside it: takes their first argument as the folder of figures, and finds ketseal, which
# KETSEAL may name: that of this tree's build, else the installed one. Where it is a build's, so are the programs of sites,
# and among them those that are not what they should be, which are never installed.

usage() { # STATUS
    sed -n '/^# Usage:/,/^[^#]/s/^# \{0,1\}//p' "$0"
    exit "$1"
}

case ${1-} in
-h | --help) usage 0 ;;
-?*) usage 2 >&2 ;;
esac
# shellcheck disable=SC2034 # it is theirs
out=${1:-figures}
[ $# -eq 0 ] || shift
root=$(cd "$(dirname "$0")/.." && pwd)
ketseal=${KETSEAL:-$root/build/release/src/cli/ketseal}
[ -x "$ketseal" ] || ketseal=$(command -v ketseal) ||
    { echo "${0##*/}: no ketseal: make builds it, KETSEAL names one" >&2; exit 4; }
build=${ketseal%/src/cli/ketseal}
# shellcheck disable=SC2034 # theirs
libexec=
tampered=
if [ "$build" != "$ketseal" ]; then
    # shellcheck disable=SC2034
    libexec=--libexec=$build/src
    # shellcheck disable=SC2034
    [ ! -x "$build/tests/lab/lying_worker" ] || tampered=$build/tests/lab
fi
