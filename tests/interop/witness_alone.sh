# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# A ketseal-witness in a temporary folder, which becomes the current one, for the tests that source this:
#
#   witness_alone BUILD    sets url, vkeys (a file), log.vkeys, log_id; watches the log of witness_peer, which is $peer

witness_alone_end() {
    witness_alone_status=$?
    [ -z "${witness_alone_pid:-}" ] || kill -KILL "$witness_alone_pid" 2>/dev/null || true
    [ "$witness_alone_status" -eq 0 ] || [ "$witness_alone_status" -eq 77 ] || cat log >&2 || true
    rm -rf "$witness_alone_work"
    exit "$witness_alone_status"
}

witness_alone() {
    build=$(cd "$1" && pwd)
    peer=$build/tests/integration/witness_peer
    witness_alone_work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-test.XXXXXX")
    trap witness_alone_end EXIT
    cd "$witness_alone_work" || exit 1
    "$build/src/cli/ketseal" witness keygen --name w.example/1 --out keys >vkeys
    "$peer" vkeys >log.vkeys
    cat >w.yaml <<YAML
witness: {name: w.example/1, listen: "127.0.0.1:0", state: state}
keys: {ed25519: keys/witness-ed25519.key, mldsa44: keys/witness-mldsa44.key}
logs:
  - keys:
$(sed 's/.*/      - "&"/' log.vkeys)
YAML
    "$build/src/witness/ketseal-witness" w.yaml 2>log &
    witness_alone_pid=$!
    tries=0
    until grep -q event=witness.ready log; do
        tries=$((tries + 1))
        [ "$tries" -lt 400 ] || exit 1
        sleep 0.02
    done
    # shellcheck disable=SC2034 # for those who source this file
    url=http://127.0.0.1:$(cat state/port)
    # shellcheck disable=SC2034
    log_id=$(printf forked.example/log | sha256sum | cut -d' ' -f1)
}
