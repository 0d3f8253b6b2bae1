#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A site with three witnesses, real processes, of which two have to cosign: all well, one dead, one that hangs, one
# that signs with another key, too few; a site put back to an older state, which signs another ledger under the same
# keys, is refused by the witnesses and named. Answers to jobs never wait.
#
#   witnesses.sh BUILD
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$here/site.sh"
site_begin "$1"
site_name=witnesses
witness=$site_build/src/witness/ketseal-witness
site_at_end=witnesses_end

witnesses_end() {
    for pid_file in w*.pid; do
        [ -e "$pid_file" ] || continue
        pid=$(cat "$pid_file")
        kill -CONT "$pid" 2>/dev/null || true
        kill -KILL "$pid" 2>/dev/null || true
    done
    if [ "$site_status" -ne 0 ]; then
        tail -n 5 w*.log >&2 2>/dev/null || true
    fi
}

# Keys in NAME/, its vkeys in NAME.vkeys.
witness_keys() {
    "$ketseal" witness keygen --name "$1.example/w" --out "$1" >"$1.vkeys"
}

witness_config() { # NAME, DIRECTORY of the keys
    cat >"$1.yaml" <<YAML
witness:
  name: $1.example/w
  listen: 127.0.0.1:$(cat "$1.state/port" 2>/dev/null || echo 0)
  prefix: /$1
  state: $1.state
keys:
  ed25519: $2/witness-ed25519.key
  mldsa44: $2/witness-mldsa44.key
logs:
  - keys:
$(sed 's/.*/      - "&"/' ledger.vkeys)
YAML
}

witness_start() { # NAME
    : >>"$1.log"
    ready=$(grep -c 'event=witness.ready' "$1.log" || true)
    "$witness" "$1.yaml" 2>>"$1.log" &
    echo $! >"$1.pid"
    tries=0
    until [ "$(grep -c 'event=witness.ready' "$1.log" || true)" -gt "$ready" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || site_fail "witness $1 does not start"
        sleep 0.05
    done
}

witness_kill() { # SIGNAL NAME
    kill "-$1" "$(cat "$2.pid")"
    case $1 in
    KILL | TERM)
        wait "$(cat "$2.pid")" 2>/dev/null || true
        rm "$2.pid"
        ;;
    esac
}

# The section of the site's configuration.
witness_section() {
    echo "witness:"
    echo "  quorum: 2"
    echo "  interval_ms: 100"
    echo "  timeout_ms: 1500"
    echo "  servers:"
    for name in w1 w2 w3; do
        echo "    - url: http://127.0.0.1:$(cat "$name.state/port")/$name"
        echo "      keys:"
        sed 's/.*/        - "&"/' "$name.vkeys"
    done
}

# Until the site's log has a line with TEXT.
site_says() {
    tries=0
    until grep -q -- "$1" site.log; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || site_fail "the site does not say '$1'"
        sleep 0.05
    done
}

# A job, its bundle in NAME.bundle under a checkpoint that two witnesses have cosigned.
cosigned_job() { # NAME
    id=$("$ketseal" --json job submit --device edge-1 --template bell --shots 100 --seed 7 |
        sed -n 's/.*"id":"\([^"]*\)".*/\1/p')
    "$ketseal" -q job fetch --device edge-1 --wait cosigned --timeout 30 --policy witnessed.policy \
        --out "$1.bundle" "$id" >/dev/null || site_fail "$1: no cosigned bundle"
    "$ketseal" verify --policy witnessed.policy "$1.bundle" >/dev/null || site_fail "$1: does not verify"
}

# Names of witnesses with a line in BUNDLE, one in a line.
names_in() {
    sed 's/\\n/\n/g' "$1" | sed -n 's/^— \(w[0-9]\.example\/w\) .*/\1/p' | sort -u
}

site_device edge-1
site_start
"$ketseal" ledger vkeys --site state/site.json >ledger.vkeys
[ "$(wc -l <ledger.vkeys)" -eq 2 ] || site_fail "a ledger has two keys"
"$ketseal" -q run --device edge-1 --template bell --shots 100 --seed 1 --out before.bundle
site_stop
for name in w1 w2 w3; do
    witness_keys "$name"
    witness_config "$name" "$name"
    witness_start "$name"
    witness_config "$name" "$name" # with its port, for the next start
done
cat w1.vkeys w2.vkeys w3.vkeys >witnesses
"$ketseal" policy make --root ca/root.pem --site state/site.json --insecure-simulated-tpm \
    --witnesses witnesses --witness-quorum 2 --out witnessed.policy
site_more=$(witness_section)
site_start

# All well. What was logged before there were witnesses is covered too.
cosigned_job well
for name in w1 w2 w3; do
    grep -q 'event=checkpoint.cosigned' "$name.log" || site_fail "$name has not cosigned"
done
[ "$(names_in well.bundle | wc -l)" -ge 2 ] || site_fail "fewer than two witnesses in the bundle"
"$ketseal" ledger head --device edge-1 --witnesses witnesses --witness-quorum 2 >head
grep -q 'cosigned by [23] of 3 witnesses' head || site_fail "ledger head: $(cat head)"
"$ketseal" ledger check --device edge-1 --witnesses witnesses --witness-quorum 2 >/dev/null
site_refused 1 'required by the policy, but not run: 0 of the policy' \
    "$ketseal" verify --policy witnessed.policy before.bundle
"$ketseal" verify --policy lab.policy well.bundle >/dev/null || site_fail "an older policy refuses witnesses"

# One is dead: the two others are enough.
witness_kill KILL w3
cosigned_job dead
names_in dead.bundle | grep -q w3 && site_fail "a dead witness has cosigned"
site_says 'event=witness.unreachable'

# One hangs: nobody waits for it, neither jobs nor the quorum.
witness_start w3
witness_kill STOP w3
begin=$(date +%s)
cosigned_job slow
[ $(($(date +%s) - begin)) -le 10 ] || site_fail "a witness that hangs held up a bundle"
site_says 'event=witness.slow'
witness_kill CONT w3
witness_kill KILL w3

# One lies: it has other keys than those that are pinned, under the same name.
witness_keys w9
witness_config w3 w9
rm -f w3.state/[0-9a-f]* # of its honest days
witness_start w3
cosigned_job lying
names_in lying.bundle | grep -q w3 && site_fail "a false cosignature is in a bundle"
site_says 'event=witness.false'
witness_kill KILL w3

# Too few: jobs are answered, cosigned bundles are not there, until a witness is back.
witness_kill KILL w2
"$ketseal" -q run --device edge-1 --template bell --shots 100 --seed 3 --out few.bundle
id=$(sed -n 's/.*"record_id":"\([^"]*\)".*/\1/p' few.bundle)
site_refused 4 'is not cosigned within 1 s' \
    "$ketseal" job fetch --device edge-1 --wait cosigned --timeout 1 --out few-cosigned.bundle "$id"
[ ! -e few-cosigned.bundle ] || site_fail "a bundle without its cosignatures was kept"
witness_start w2
"$ketseal" -q job fetch --device edge-1 --wait cosigned --timeout 60 --policy witnessed.policy \
    --out few-cosigned.bundle "$id" >/dev/null

# Kept over a restart.
"$ketseal" ledger head --device edge-1 --witnesses witnesses --witness-quorum 2 >head-before
site_stop
site_start
"$ketseal" ledger head --device edge-1 --witnesses witnesses --witness-quorum 2 >head-after
[ "$(cut -d' ' -f2 head-after)" -ge "$(cut -d' ' -f2 head-before)" ] || site_fail "cosignatures were lost"

# Attachments: an operator's; about this ledger's checkpoints alone; kept over a restart.
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
attach() { # STATUS TEXT FILE
    site_refused "$1" "$2" "$site_build/tests/integration/attach" op "https://127.0.0.1:$site_port" "$3"
}
"$ketseal" --json ledger head --device edge-1 --witnesses witnesses --witness-quorum 2 >cosigned.json
python3 - <<'PYTHON'
import base64, hashlib, json
note = json.load(open('cosigned.json'))['checkpoint']
body = note[:note.rindex('\n\n') + 1]
digest = hashlib.sha256(body.encode()).hexdigest()
def write(name, **members):
    json.dump({'checkpoint': note, 'schema': 'ketseal.attachment/1', **members}, open(name, 'w'), sort_keys=True,
              separators=(',', ':'), ensure_ascii=False)
write('anchor.json', anchor={'digest': digest, 'schema': 'ketseal.anchor/1', 'block': 7})
write('again.json', anchor={'digest': digest, 'schema': 'ketseal.anchor/1', 'block': 8})
write('other.json', anchor={'digest': '00' * 32})
write('stamp.json', timestamp=base64.b64encode(b'\x30\x03\x02\x01\x00').decode())
note = note.replace('test.example/ketseal\n', 'test.example/other\n', 1)
digest = hashlib.sha256(note[:note.rindex('\n\n') + 1].encode()).hexdigest()
write('foreign.json', anchor={'digest': digest})
PYTHON
attach 1 'another checkpoint' other.json
attach 1 'of the ledger' foreign.json
attach 0 '"anchor":true' anchor.json
attach 0 '"timestamp":true' stamp.json
attach 0 '"anchor":true' anchor.json
attach 5 'another anchor already' again.json
grep -q 'event=ledger.attached' site.log || site_fail "attachments are not logged"
"$ketseal" -q job fetch --device edge-1 --wait anchored --timeout 10 --policy witnessed.policy \
    --out anchored.bundle "$id" >/dev/null || site_fail "no anchored bundle"
"$ketseal" -q job fetch --device edge-1 --wait timestamped --timeout 10 --out stamped.bundle "$id" >/dev/null

# The site's whole state is put back, its simulated TPM's too: it does not notice, and signs another ledger under the
# same keys. The witnesses do, and say so; nothing of it is ever cosigned.
"$ketseal" -q run --device edge-1 --template bell --shots 100 --seed 4 --out last.bundle
site_stop
cp -a state state.before
site_start
for number in 1 2 3; do
    cosigned_job "after$number"
done
"$ketseal" ledger check --device edge-1 >/dev/null
site_stop
rm -rf state
mv state.before state
site_start
fork=$(grep -c . site.log)
"$ketseal" -q run --device edge-1 --template ghz --qubits 3 --shots 100 --seed 5 --out fork1.bundle
site_says 'event=witness.ahead'
id=$(sed -n 's/.*"record_id":"\([^"]*\)".*/\1/p' fork1.bundle)
for number in 2 3 4 5; do
    "$ketseal" -q run --device edge-1 --template ghz --qubits 3 --shots 100 --seed "$number" --out "fork$number.bundle"
done
site_says 'event=witness.unproven'
grep -q 'event=checkpoint.unproven' w1.log w2.log || site_fail "the witnesses do not name the fork"
site_refused 4 'is not cosigned within 2 s' \
    "$ketseal" job fetch --device edge-1 --wait cosigned --timeout 2 --out fork-cosigned.bundle "$id"
# Who saw the ledger before convicts the site by itself.
site_refused 1 'FORK' "$ketseal" ledger check --device edge-1
tail -n +"$fork" site.log | grep -q 'event=ledger.quorum_missed' || site_fail "the missed quorum is not logged"

printf '%s: ok, %s refusals\n' "$site_name" "$site_refusals"
