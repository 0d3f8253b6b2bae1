#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# litewitness of filippo.io/torchwood, a witness of others: it gets every request that ketseal-witness gets, and both
# have to answer with the same status; then it cosigns the checkpoints of a site of ours. It installs nothing: LITEWITNESS
# names the program, with witnessctl beside it, as `go install filippo.io/torchwood/cmd/{litewitness,witnessctl}@v0.9.0`
# makes them. The keys are in an ssh-agent, as that program wants it.
#
#   litewitness.sh BUILD
set -eu
here=$(cd "$(dirname "$0")" && pwd)
[ -x "${LITEWITNESS:-/nonexistent}" ] || { echo 'litewitness: SKIPPED: LITEWITNESS names no program'; exit 77; }
for tool in ssh-agent ssh-keygen curl python3; do
    command -v "$tool" >/dev/null || { echo "litewitness: SKIPPED: $tool is absent"; exit 77; }
done
# shellcheck source-path=SCRIPTDIR/../integration source=site.sh
. "$here/../integration/site.sh"
site_begin "$1"
site_name=litewitness
witnessctl=$(dirname "$LITEWITNESS")/witnessctl
peer=$site_build/tests/integration/witness_peer
agent= theirs= ours=
site_at_end=others_end
others_end() {
    for other in $theirs $ours $agent; do
        kill -KILL "$other" 2>/dev/null || true
    done
    [ "$site_status" -eq 0 ] || tail -n 5 lite.log ours.log >&2 2>/dev/null || true
}

ssh-keygen -q -t ed25519 -N '' -f lite_key
ssh-agent -D -a agent.sock >/dev/null 2>&1 &
agent=$!
tries=0
until [ -S agent.sock ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || site_fail "no ssh-agent"
    sleep 0.05
done
SSH_AUTH_SOCK=agent.sock ssh-add -q lite_key
# The vkey of its cosignatures (type 0x04), by hand.
python3 - lite.example/w >lite.vkey <<'PYTHON'
import base64, hashlib, sys
name = sys.argv[1].encode()
material = b'\x04' + base64.b64decode(open('lite_key.pub').read().split()[1])[-32:]
key_id = hashlib.sha256(name + b'\n' + material).digest()[:4].hex()
print(f'{name.decode()}+{key_id}+{base64.b64encode(material).decode()}')
PYTHON
"$peer" vkeys >log.vkeys
"$witnessctl" add-log -db lite.db -origin forked.example/log >/dev/null
"$witnessctl" add-key -db lite.db -origin forked.example/log -key "$(head -n 1 log.vkeys)" >/dev/null
theirs_port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$LITEWITNESS" -db lite.db -name lite.example/w -ssh-agent agent.sock -listen "127.0.0.1:$theirs_port" \
    -key "$(ssh-keygen -lf lite_key.pub | cut -d' ' -f2)" >lite.log 2>&1 &
theirs=$!
"$ketseal" witness keygen --name ours.example/w --out ours >ours.vkeys
cat >ours.yaml <<YAML
witness: {name: ours.example/w, listen: "127.0.0.1:0", state: ours.state}
keys: {ed25519: ours/witness-ed25519.key, mldsa44: ours/witness-mldsa44.key}
logs: [{keys: ["$(head -n 1 log.vkeys)"]}]
YAML
"$site_build/src/witness/ketseal-witness" ours.yaml 2>ours.log &
ours=$!
tries=0
until grep -q event=witness.ready ours.log && curl -s -o /dev/null "http://127.0.0.1:$theirs_port/"; do
    tries=$((tries + 1))
    [ "$tries" -lt 400 ] || site_fail "the witnesses do not start"
    sleep 0.05
done
ours_port=$(cat ours.state/port)

# The same requests to both, in their order.
compared=0
compare() { # WHAT; the body in body
    one=$(curl -s -o answer.ours -w '%{http_code} %{content_type}' --data-binary @body \
        "http://127.0.0.1:$ours_port/add-checkpoint")
    two=$(curl -s -o answer.theirs -w '%{http_code} %{content_type}' --data-binary @body \
        "http://127.0.0.1:$theirs_port/add-checkpoint")
    [ "${one%% *}" = "${two%% *}" ] || site_fail "$1: ours says $one, theirs $two: $(cat answer.ours answer.theirs)"
    case $one in
    409*) [ "${one#* }" = "${two#* }" ] || site_fail "$1: ours is ${one#* }, theirs ${two#* }" ;;
    esac
    case $one in
    '409 text/x.tlog.size') cmp -s answer.ours answer.theirs || site_fail "$1: $(cat answer.ours answer.theirs)" ;;
    esac
    compared=$((compared + 1))
}
request() { # BRANCH OLD SIZE
    "$peer" request "$1" "$2" "$3" >body
    compare "$*: branch, old, size"
}
request 0 1 5
request 0 0 2
request 0 0 2
request 0 2 2
request 0 6 5
request 0 2 7
request 0 2 7
request 0 5 7
request 1 7 9
"$peer" request 0 7 9 | sed 's,^forked.example/log$,other.example/log,' >body && compare 'another log'
"$peer" request 0 7 9 | sed 's/^9$/10/' >body && compare 'a false signature'
# Not compared: 'old 07', which the specification forbids and litewitness takes.
"$peer" request 0 7 9 | sed 2d >body && compare 'a shorter proof'
request 0 7 9
request 0 9 300

# A site of ours: litewitness and ketseal-witness both have to cosign.
site_device edge-1
site_start
"$ketseal" ledger vkeys --site state/site.json >ledger.vkeys
site_stop
"$witnessctl" add-log -db lite.db -origin test.example/ketseal >/dev/null
"$witnessctl" add-key -db lite.db -origin test.example/ketseal -key "$(head -n 1 ledger.vkeys)" >/dev/null
kill -TERM "$ours" && wait "$ours" || true
sed -i "s,^logs:.*,logs: [{keys: [\"$(head -n 1 ledger.vkeys)\"]}]," ours.yaml
"$site_build/src/witness/ketseal-witness" ours.yaml 2>>ours.log &
ours=$!
tries=0
until [ "$(grep -c event=witness.ready ours.log)" -ge 2 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 400 ] || site_fail "the witness does not start again"
    sleep 0.05
done
cat lite.vkey ours.vkeys >witnesses
"$ketseal" policy make --root ca/root.pem --site state/site.json --insecure-simulated-tpm --witnesses witnesses \
    --out witnessed.policy
site_more="witness:
  quorum: 2
  interval_ms: 100
  servers:
    - url: http://127.0.0.1:$theirs_port
      keys: [\"$(cat lite.vkey)\"]
    - url: http://127.0.0.1:$(cat ours.state/port)
      keys: [\"$(sed -n 1p ours.vkeys)\", \"$(sed -n 2p ours.vkeys)\"]"
site_start
for number in 1 2 3; do
    id=$("$ketseal" --json job submit --device edge-1 --template bell --shots 100 --seed "$number" |
        sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
    "$ketseal" -q job fetch --device edge-1 --wait cosigned --timeout 30 --policy witnessed.policy --out "b$number" "$id" \
        >/dev/null || { tail -n 5 site.log; site_fail "job $number is not cosigned"; }
    grep -q 'lite.example/w' "b$number" || site_fail "litewitness is not in the bundle"
done
site_stop
printf '%s: ok, %s requests answered alike, 3 bundles cosigned by both\n' "$site_name" "$compared"
