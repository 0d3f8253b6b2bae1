#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# ketseal-witness over the network: each status of c2sp.org/tlog-witness, what hostile clients get, and a log that signs
# two ledgers while the witness is killed at any moment: no two cosignatures that ever left it contradict each other.
#
#   witness.sh BUILD
set -eu
build=$(cd "$1" && pwd)
ketseal=$build/src/cli/ketseal
witness=$build/src/witness/ketseal-witness
peer=$build/tests/integration/witness_peer
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-test.XXXXXX")
pid=

fail() {
    printf 'witness: FAILED: %s\n' "$*" >&2
    tail -n 20 "$work/log" >&2 || true
    exit 1
}

clean_up() {
    status=$?
    [ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
command -v curl >/dev/null || { echo "witness: SKIPPED: curl is absent"; exit 77; }
cd "$work"
"$ketseal" witness keygen --name w.example/1 --out keys >vkeys
"$ketseal" witness keygen --name w.example/1 --out keys 2>/dev/null && fail "keys were overwritten"
"$peer" vkeys >log.vkeys
config() {
    cat >w.yaml <<YAML
witness: {name: w.example/1, listen: "127.0.0.1:0", prefix: /w1, state: state}
keys: {ed25519: keys/witness-ed25519.key, mldsa44: keys/witness-mldsa44.key}
logs:
  - keys:
$(sed 's/.*/      - "&"/' log.vkeys)
YAML
}
config
: >log
start() {
    ready=$(grep -c event=witness.ready log || true)
    "$witness" w.yaml 2>>log &
    pid=$!
    tries=0
    until [ "$(grep -c event=witness.ready log || true)" -gt "$ready" ]; do
        kill -0 "$pid" 2>/dev/null || fail "it does not start"
        tries=$((tries + 1))
        [ "$tries" -lt 400 ] || fail "it is not ready"
        sleep 0.02
    done
    url=http://127.0.0.1:$(cat state/port)/w1
}
stop() {
    kill "-$1" "$pid"
    wait "$pid" 2>/dev/null || true
    pid=
}
asked=0
# The status that BRANCH, OLD, SIZE gets; the answer in answer and its type in type.
expect() { # STATUS BRANCH OLD SIZE
    "$peer" request "$2" "$3" "$4" >body
    expect_body "$1"
}
expect_body() { # STATUS [curl's flags]
    want=$1
    shift
    got=$(curl -s -o answer -w '%{http_code} %{content_type}' --data-binary @body "$@" "$url/add-checkpoint") || true
    [ "${got%% *}" = "$want" ] || fail "status $got instead of $want: $(cat answer)"
    type=${got#* }
    asked=$((asked + 1))
}

start
expect 409 0 1 5
[ "$(cat answer)" = 0 ] || fail "never cosigned is not 0"
[ "$type" = text/x.tlog.size ] || fail "the type of a size is $type"
expect 200 0 0 2
grep -q '^— w.example/1 ' answer || fail "no signature line"
[ "$(grep -c '^— w.example/1 ' answer)" -eq 2 ] || fail "not one line for each key"
expect 400 0 6 5
expect 200 0 2 7
expect 409 0 2 7
[ "$(cat answer)" = 7 ] || fail "409 without the size"
expect 409 1 7 7
expect 422 1 7 9
sed 's/^old 7/old 7 /' body >changed && mv changed body && expect_body 400
"$peer" request 0 7 9 | sed 's,^forked.example/log$,other.example/log,' >body && expect_body 404
"$peer" request 0 7 9 | sed 's/^9$/10/' >body && expect_body 403
grep -q 'event=checkpoint.fork .*size=7' log || fail "a fork is not named in the log"
id=$(printf forked.example/log | sha256sum | cut -d' ' -f1)
[ -s "state/$id.fork" ] || fail "no evidence of the fork was kept"
curl -sf "$url/$id/checkpoint" >checkpoint || fail "no checkpoint to monitor"
[ "$(sed -n 2p checkpoint)" = 7 ] || fail "another checkpoint than the last"
[ "$(curl -s -o /dev/null -w '%{http_code}' "$url/${id%?}z/checkpoint")" = 404 ] || fail "a checkpoint of nobody"
[ "$(curl -s -o /dev/null -w '%{http_code}' "$url/add-checkpoint")" = 405 ] || fail "GET add-checkpoint"
[ "$(curl -s -o /dev/null -w '%{http_code}' "${url%/w1}/add-checkpoint")" = 404 ] || fail "without its prefix"
curl -sf "$url/healthz" >/dev/null || fail "healthz"
# Two requests on one connection.
"$peer" request 0 7 8 >body
curl -s -o answer --data-binary @body "$url/add-checkpoint" --next -s -o again "$url/$id/checkpoint" \
    -w '%{num_connects}' >connects
[ "$(cat connects)" = 0 ] || fail "the connection was not kept"
[ "$(sed -n 2p again)" = 8 ] || fail "the second request on a connection"

# Hostile bodies: too long, cut off, garbage; and a client that sends nothing holds nobody up.
head -c 300000 /dev/zero >body && expect_body 413
: >body && expect_body 400
head -c 5000 /dev/urandom >body && expect_body 400
python3 - "$(cat state/port)" <<'PYTHON' || fail "slow clients hold up others"
import socket, sys, time
port = int(sys.argv[1])
held = [socket.create_connection(('127.0.0.1', port)) for _ in range(40)]
for i, s in enumerate(held):
    s.sendall(b'POST /w1/add-checkpoint HTTP/1.1\r\nHost: x\r\nContent-Le'[:10 + i])
begin = time.time()
s = socket.create_connection(('127.0.0.1', port))
s.sendall(b'GET /w1/healthz HTTP/1.1\r\nHost: x\r\n\r\n')
assert s.recv(100).startswith(b'HTTP/1.1 200'), 'no answer'
assert time.time() - begin < 2, 'late'
for garbage in (b'\0' * 100 + b'\r\n\r\n', b'GET / HTTP/1.0\r\n\r\n', b'POST /w1/add-checkpoint HTTP/1.1\r\n'
                b'Host: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'):
    s = socket.create_connection(('127.0.0.1', port))
    s.sendall(garbage)
    assert s.recv(100).startswith(b'HTTP/1.1 400'), garbage
PYTHON
expect 200 0 8 9
stop TERM
[ "$(curl -s -o /dev/null -w '%{http_code}' "$url/healthz" || true)" = 000 ] || fail "it answers after its end"

# Memory over a restart; and a memory that was changed stops it.
start
expect 409 1 9 9
expect 200 0 9 9
stop KILL
cp "state/$id" kept
sed 's/^9$/8/' kept >"state/$id"
"$witness" w.yaml 2>>log && fail "it starts with a changed memory"
grep -q "witness.failed.*$id" log || fail "it does not say which file"
cp kept "state/$id"

# Killed at any moment, again and again, while both branches are sent.
rm -rf state
start
echo "$pid" >pid
(while sleep 0.0$(($(od -An -N2 -tu2 /dev/urandom) % 9 + 1)); do
    [ -e stop ] && exit 0
    kill -KILL "$(cat pid)" 2>/dev/null || true
done) &
killer=$!
"$peer" race state/port /w1 vkeys 12 >raced 2>race.err &
racer=$!
starts=1
while kill -0 "$racer" 2>/dev/null; do
    if ! kill -0 "$pid" 2>/dev/null; then
        wait "$pid" 2>/dev/null || true
        "$witness" w.yaml 2>>log &
        pid=$!
        echo "$pid" >pid
        starts=$((starts + 1))
    fi
    sleep 0.02
done
: >stop
wait "$racer" || fail "$(cat raced race.err)"
wait "$killer" 2>/dev/null || true
[ "$starts" -ge 5 ] || fail "it was killed $starts times only"
printf 'witness: ok, %s requests; %s starts, %s\n' "$asked" "$starts" "$(cat raced)"
