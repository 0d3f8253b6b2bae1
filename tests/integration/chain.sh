# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# A local chain in a temporary folder, which becomes the current one, for the tests that source this:
#
#   chain_begin BUILD      folder, ketseal, anvil; ends with 77 where there is no anvil
#   chain_find             only finds anvil, for a test that has its folder and its end from elsewhere: chain_kill
#   chain_start            until it answers; blocks are made for each transaction, and two later one is final
#   chain_stop             and its port answers nobody
#   chain_call METHOD [PARAMS]   the result, as JSON
#   chain_rich ADDRESS     gives it coins
#   chain_refused STATUS TEXT COMMAND …   a command that has to fail so, and to say TEXT

chain_pid=
chain_liar=

chain_fail() {
    printf '%s: FAILED: %s\n' "$chain_name" "$*" >&2
    exit 1
}

chain_skip() {
    printf '%s: SKIPPED: %s\n' "$chain_name" "$*"
    exit 77
}

chain_kill() {
    for chain_process in $chain_pid $chain_liar; do
        kill -KILL "$chain_process" 2>/dev/null || true
        wait "$chain_process" 2>/dev/null || true
    done
}

chain_cleanup() {
    chain_status=$?
    trap - EXIT
    chain_kill
    cd /
    rm -rf "$chain_work"
    exit "$chain_status"
}

chain_find() {
    chain_name=$(basename "$0" .sh)
    chain_source=$(cd "$(dirname "$0")/../.." && pwd)
    for chain_tool in curl jq python3; do
        command -v "$chain_tool" >/dev/null || chain_skip "$chain_tool is absent"
    done
    chain_npm=$("$chain_source/tools/deps.sh" --npm)
    chain_anvil=$(find "$chain_npm/node_modules/@foundry-rs" -path '*/bin/anvil' -type f 2>/dev/null | head -n 1)
    [ -n "$chain_anvil" ] || chain_skip "anvil of tools/npm is not installed"
}

chain_begin() { # BUILD
    chain_find
    # shellcheck disable=SC2034 # for the tests
    ketseal=$1/src/cli/ketseal
    chain_work=$(mktemp -d)
    cd "$chain_work" || exit 1
    trap chain_cleanup EXIT
    trap 'exit 1' INT TERM HUP
}

chain_start() {
    : >chain.log
    "$chain_anvil" --host 127.0.0.1 --port 0 --slots-in-an-epoch 1 --no-cors >chain.log 2>&1 &
    chain_pid=$!
    for _ in $(seq 200); do
        chain_port=$(sed -n 's/^Listening on 127\.0\.0\.1:\([0-9]*\)$/\1/p' chain.log)
        [ -z "$chain_port" ] || break
        kill -0 "$chain_pid" 2>/dev/null || { cat chain.log; chain_fail "anvil does not start"; }
        sleep 0.05
    done
    [ -n "$chain_port" ] || chain_fail "anvil names no port"
    chain_url=http://127.0.0.1:$chain_port
}

chain_stop() {
    kill -TERM "$chain_pid"
    wait "$chain_pid" 2>/dev/null || true
    chain_pid=
    ! curl -s "$chain_url" >/dev/null || chain_fail "something still answers on the chain's port"
}

chain_call() { # METHOD [PARAMS]
    curl -sf -H 'content-type: application/json' \
        -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":${2:-[]}}" "$chain_url" |
        jq -ce 'if has("error") then error(.error.message) else .result end' || [ $? -eq 1 ]
}

chain_rich() { # ADDRESS
    chain_call anvil_setBalance "[\"$1\",\"0x8ac7230489e80000\"]" >/dev/null
}

chain_refused() { # STATUS TEXT COMMAND …
    chain_want=$1
    chain_text=$2
    shift 2
    chain_got=0
    "$@" >answer 2>said || chain_got=$?
    [ "$chain_got" -eq "$chain_want" ] || {
        cat answer said >&2
        chain_fail "status $chain_got, not $chain_want: $*"
    }
    grep -qF -- "$chain_text" said answer || { cat answer said >&2; chain_fail "does not say '$chain_text': $*"; }
}
