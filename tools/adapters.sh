#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Installs Qiskit with Aer, and Cirq, as adapters/requirements.txt pins them, into an environment of their own outside
# the tree, and compiles what the adapters import. Quick when it is there already.
#
#   tools/adapters.sh BUILD
#
# KETSEAL_ADAPTERS=DIRECTORY installs there; the default is below the cache of tools/deps.sh.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
prefix=${KETSEAL_ADAPTERS:-${KETSEAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ketseal}/adapters}

die() {
    printf 'adapters: %s\n' "$*" >&2
    exit 4
}

[ "${prefix#/}" != "$prefix" ] || die "KETSEAL_ADAPTERS: expected an absolute path, not '$prefix'"
stamp=$(cat "$root/adapters/requirements.txt" "$build/src/enclave/qiskit.py" "$build/src/enclave/cirq.py" | sha256sum)
if [ "$(cat "$prefix/stamp" 2>/dev/null)" = "$stamp" ]; then
    printf '%s\n' "$prefix"
    exit 0
fi
[ ! -e "$prefix" ] || [ -e "$prefix/pyvenv.cfg" ] || die "$prefix is there, and is no environment of ours"

# The packages alone take minutes; a change of the adapters compiles anew.
packages=$(sha256sum <"$root/adapters/requirements.txt")
if [ "$(cat "$prefix/packages" 2>/dev/null)" != "$packages" ]; then
    rm -rf "$prefix"
    mkdir -p "$(dirname "$prefix")"
    python3 -m venv "$prefix" || die "python3 -m venv failed; Debian has it in python3-venv"
    "$prefix/bin/python3" -m pip install --quiet --disable-pip-version-check --no-compile --no-deps \
        -r "$root/adapters/requirements.txt" || die "pip could not install adapters/requirements.txt"
    "$prefix/bin/python3" -m pip check --disable-pip-version-check >/dev/null || die "the pinned packages do not fit together"
    printf '%s\n' "$packages" >"$prefix/packages"
fi

# One job of each fills the folder of compiled modules, whose files are then bound to no time of their source: who has
# the same packages at the same place has the same bytes.
rm -rf "$prefix/pycache"
python=$(readlink -f "$prefix/bin/python3")
site=$(echo "$prefix"/lib/python3.*/site-packages)
request='{"precision":"double","program":"OPENQASM 2.0;\ninclude \"qelib1.inc\";\nqreg q[1];\ncreg c[1];\nh q[0];\nmeasure q[0] -> c[0];\n","protocol":"ketseal.adapter/1","seed":1,"shots":1}'
for sdk in qiskit cirq; do
    printf '%s\n' "$request" | env -i "$python" -I -S -X "pycache_prefix=$prefix/pycache" -c "$(cat "$build/src/enclave/$sdk.py")" "$site" |
        grep -q '"counts":{"[01]":1}' || die "$sdk does not run"
done
env -i "$python" -I -S -B - "$prefix/pycache" <<'PYTHON' || die "the modules cannot be compiled"
import pathlib
import py_compile
import sys

cache = pathlib.Path(sys.argv[1])
for compiled in sorted(cache.rglob("*.pyc")):
    source = pathlib.Path("/") / compiled.relative_to(cache).parent / (compiled.name.split(".")[0] + ".py")
    py_compile.compile(
        source, compiled, doraise=True, invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH
    )
PYTHON
printf '%s\n' "$stamp" >"$prefix/stamp"
printf '%s\n' "$prefix"
