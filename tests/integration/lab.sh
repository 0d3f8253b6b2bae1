#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A lab (cli/lab.h): it starts, works with each suite and group, with another program in place of one, with quantum
# keys and somebody on their link; it starts again on its own state, and ends with whoever started it.
#
#   lab.sh BUILD
set -eu
build=$(cd "$1" && pwd)
lab=$build/tests/integration/lab
command -v swtpm >/dev/null || { echo "lab: SKIPPED: swtpm is absent"; exit 77; }
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-test.XXXXXX")
holder=
trap '[ -z "$holder" ] || kill -KILL "$holder" 2>/dev/null || true; cd /; rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
cd "$work"

fail() {
    echo "lab: FAILED: $*" >&2
    tail -n 20 ./*/site.log said >&2 2>/dev/null || true
    exit 1
}
jobs() { # FOLDER SUITE GROUPS [PROGRAM=PATH]
    folder=$1
    shift
    "$lab" "$folder" "$build/src" "$@" >said 2>&1 || fail "$*"
    [ "$(grep -c '^device [01]: key_source=kem build=' said)" -eq 2 ] || fail "$*: not a job of each device"
}

jobs one slhdsa-mldsa65 -
[ "$(stat -c %a one/device-0/device.key)" = 600 ] || fail "a device's key can be read by others"
honest=$(sed -n 's/^device 0: .*build=//p' said)
jobs one slhdsa-mldsa65 - # on the state that is there
jobs two mldsa87-mldsa65 MLKEM768
grep -q 'groups: MLKEM768' two/ketseal.yaml || fail "the groups are not configured"

# Another program in place of the worker is what the record names.
cp "$build/src/enclave/ketseal-worker" other-worker
printf x >>other-worker
jobs three slhdsa-mldsa65 - ketseal-worker=other-worker
[ "$(sed -n 's/^device 0: .*build=//p' said)" = "$(sha256sum other-worker | cut -d' ' -f1)" ] ||
    fail "the worker was not replaced"
[ "$honest" != "$(sed -n 's/^device 0: .*build=//p' said)" ] || fail "the honest worker is the other one"

# What cannot start says why.
for wrong in 'nothing slhdsa-mldsa65 -' "$build/src rsa -" "$build/src slhdsa-mldsa65 secp256r1" \
    "$build/src slhdsa-mldsa65 - ketseal-launch=/bin/true" "$build/src slhdsa-mldsa65 - ketseald=nowhere"; do
    # shellcheck disable=SC2086 # several words
    ! "$lab" wrong $wrong >said 2>&1 || fail "started: $wrong"
    [ "$(grep -c '^lab: ' said)" -eq 1 ] || fail "no word of why: $wrong"
done

# Killed with whoever started it.
"$lab" one "$build/src" hold >launcher &
holder=$!
tries=0
until [ -s launcher ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || fail "it does not hold"
    sleep 0.05
done
launcher=$(cat launcher)
children=$(cat "/proc/$launcher/task/$launcher/children")
[ "$(echo "$children" | wc -w)" -ge 4 ] || fail "the launcher has started too little"
kill -KILL "$holder"
wait "$holder" || true
holder=
for pid in $launcher $children; do
    tries=0
    while [ -e "/proc/$pid" ] && ! grep -q '^State:.Z' "/proc/$pid/status" 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || fail "process $pid outlived who started it"
        sleep 0.05
    done
done

"$lab" quantum "$build/src" quantum >said 2>&1 || fail "quantum keys"
[ "$(sed -n '1,/^eavesdropper$/p' said | grep -c 'key_source=both')" -eq 8 ] || fail "no quantum keys"
[ "$(sed '1,/^eavesdropper$/d' said | grep -c 'key_source=kem')" -eq 4 ] || fail "keys of a link that somebody listens on"
echo "lab: ok"
