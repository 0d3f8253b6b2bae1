#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The C library and the Python package against a running site: jobs submitted, followed, cancelled, verified, and each
# compared with what the command line makes of the same. The Python is $KETSEAL_PYTHON where that is set, else the
# first of python3 and /usr/bin/python3 that has cffi and pytest. SDKs that it lacks come from the environment of
# `make adapters` ($KETSEAL_ADAPTERS), where that is for the same release of Python.
#
#   python.sh SOURCE BUILD PART     PART: package, qiskit or cirq
set -eu
source=$1
part=$3
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"

has() { # PYTHON MODULES
    "$1" -c "import $2" 2>/dev/null
}
python=
for candidate in ${KETSEAL_PYTHON:-python3 /usr/bin/python3}; do
    if command -v "$candidate" >/dev/null && has "$candidate" "cffi, pytest"; then
        python=$candidate
        break
    fi
done
# shellcheck disable=SC2034 # for site.sh
site_name=python_$part
[ -n "$python" ] || site_skip "no Python has cffi and pytest"
case $part in
package) files="test_abi.py test_client.py test_examples.py test_learning.py" ;;
*)
    if ! has "$python" "$part"; then
        release=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
        environment=${KETSEAL_ADAPTERS:-${KETSEAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ketseal}/adapters}
        PYTHONPATH=$environment/lib/$release/site-packages
        export PYTHONPATH
        has "$python" "$part" ||
            site_skip "$python has no $part, nor has $environment: make adapters installs it, KETSEAL_PYTHON names another Python"
    fi
    files=test_$part.py
    ;;
esac
site_begin "$2"
site_name=python_$part
# shellcheck disable=SC2034
site_seconds=120
site_device edge-1
site_device edge-2
site_start

if [ "$part" = package ]; then # the C example, which knows the installed headers only
    printf 'OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\ncreg c[2];\nh q[0];\ncx q[0],q[1];\nmeasure q->c;\n' >bell.qasm
    "$site_build/examples/submit" edge-2 bell.qasm 500 11 c.bundle >said || site_fail "examples/c/submit: $(cat said)"
    grep -q '^job .*: done$' said || site_fail "examples/c/submit: $(cat said)"
    "$ketseal" verify --policy lab.policy c.bundle >/dev/null || site_fail "the example's bundle does not verify"
fi

# What Python caches stays out of the source.
cd "$source/python/tests"
# shellcheck disable=SC2086 # words
PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=$source/python/src${PYTHONPATH:+:$PYTHONPATH} KETSEAL_LIBRARY=$site_build/src/client/libketseal.so.0 \
    KETSEAL_TEST_SITE=$site_work KETSEAL_TEST_COMMAND=$ketseal KETSEAL_TEST_SOURCE=$source \
    "$python" -m pytest -q -p no:cacheprovider -ra $files
cd "$site_work"
site_stop
