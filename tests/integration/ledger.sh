#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A site's ledger as static files: what the site publishes is what an export holds, checked from the entries
# to the root and served again; a monitor sees it grow; bits that flip in files and database are found, before
# a checkpoint is signed and at a start.
#
#   ledger.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
site_device edge-1
site_start
served=
stop_served() {
    [ -z "$served" ] || kill "$served" 2>/dev/null || true
}
site_at_end=stop_served

jobs() { # COUNT
    jobs_left=$1
    while [ "$jobs_left" -gt 0 ]; do
        "$ketseal" -q run --device edge-1 --template bell --shots 10 --seed 1 --policy lab.policy \
            --out job.bundle >/dev/null 2>said || site_fail "a job: $(cat said)"
        jobs_left=$((jobs_left - 1))
    done
}
flip() { # FILE BYTE
    python3 - "$1" "$2" <<'PY'
import sys
with open(sys.argv[1], 'r+b') as file:
    file.seek(int(sys.argv[2]))
    byte = file.read(1)
    file.seek(int(sys.argv[2]))
    file.write(bytes([byte[0] ^ 1]))
PY
}

# --- published, exported, checked, served -------------------------------------------------------------------
jobs 3
"$ketseal" ledger export --device edge-1 out >said
grep -q '^test.example/ketseal: 6 entries, 2 files written$' said || site_fail "export: $(cat said)"
for file in checkpoint tile/0/000.p/6 tile/entries/000.p/6; do
    cmp "state/ledger/$file" "out/$file" || site_fail "$file is not what was published"
done
"$ketseal" ledger fsck --device edge-1 out >said
"$ketseal" ledger fsck --state state >said
grep -q 'whole from the entries to the signed root' said || site_fail "fsck: $(cat said)"
"$ketseal" ledger serve out >address &
served=$!
tries=0
until [ -s address ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || site_fail "ledger serve does not start"
    sleep 0.05
done
address=$(cat address)
"$ketseal" ledger export --site edge-1/site.json --from "$address" again >said
diff -r out again || site_fail "an export of an export differs"
if command -v curl >/dev/null; then
    curl -sSi "${address}tile/0/000.p/6" | tr -d '\r' >said
    grep -qi '^cache-control: public, max-age=3600$' said || site_fail "a partial tile: $(head -n 5 said)"
    grep -qi '^content-type: application/octet-stream$' said || site_fail "the type of a tile"
    curl -sSi "${address}checkpoint" | tr -d '\r' >said
    grep -qi '^cache-control: public, max-age=2$' said || site_fail "the checkpoint: $(head -n 5 said)"
    grep -qi '^content-type: text/plain; charset=utf-8$' said || site_fail "the type of the checkpoint"
    for path in '' tile tile/0/000 tile/0/000.p/5 site.json ../edge-1/device.key; do
        [ "$(curl -sS --path-as-is -o /dev/null -w '%{http_code}' "$address$path")" = 404 ] || site_fail "/$path is served"
    done
    [ "$(curl -sS -X DELETE -o /dev/null -w '%{http_code}' "${address}tile/0/000.p/6")" = 405 ] || site_fail "DELETE"
fi
"$ketseal" ledger head --site edge-1/site.json --from "$address" >said
"$ketseal" ledger prove --site edge-1/site.json --from out --out entry.proof 5 >said
grep -q '^entry 5 of 6: {"counter":3,' said || site_fail "prove: $(cat said)"
"$ketseal" ledger prove --device edge-1 5 >other
cmp said other || site_fail "the site and its files prove another entry"

# The site says the same to caches; only the TLS of KS_OPENSSL reaches it.
if [ -x "${KS_OPENSSL:-}" ]; then
    labels() { # PATH
        { sleep 0.5; printf 'GET /ledger/%s HTTP/1.1\r\nHost: 127.0.0.1:%s\r\nConnection: close\r\n\r\n' "$1" "$site_port"; } |
            LD_LIBRARY_PATH=$(dirname "$KS_OPENSSL")/../lib timeout 20 "$KS_OPENSSL" s_client -quiet \
                -connect "127.0.0.1:$site_port" -groups X25519MLKEM768 -CAfile ca/root.pem -cert edge-1/device.pem \
                -key edge-1/device.key 2>/dev/null | tr -d '\r' | sed '/^$/q' >said || true
    }
    labels checkpoint
    grep -qi '^cache-control: public, max-age=2$' said || site_fail "the site's checkpoint: $(cat said)"
    grep -qi '^content-type: text/plain; charset=utf-8$' said || site_fail "the type of the site's checkpoint"
    labels tile/entries/000.p/6
    grep -qi '^cache-control: public, max-age=3600$' said || site_fail "the site's bundle: $(cat said)"
    grep -qi '^content-type: application/octet-stream$' said || site_fail "the type of the site's bundle"
fi

# --- followed -----------------------------------------------------------------------------------------------
follow() {
    "$ketseal" --json ledger follow --once --keep watch "$@" >said
}
follow --device edge-1
grep -q '"entries":6,"event":"first"' said || site_fail "follow: $(cat said)"
follow --device edge-1
grep -q '"entries":0,"event":"same"' said || site_fail "follow: $(cat said)"
jobs 2
follow --device edge-1
grep -q '"entries":4,"event":"grown","old_size":6' said || site_fail "follow: $(cat said)"
# The export is older than what the monitor has seen: it must not pass.
site_refused 1 'it had 10 entries and now shows 6' "$ketseal" ledger follow --once --keep watch --site edge-1/site.json --from out
[ -s watch/ledger-fork ] || site_fail "no evidence is kept"
"$ketseal" ledger export --device edge-1 out >said
grep -q ': 10 entries, 2 files written$' said || site_fail "an export does not go on: $(cat said)"
[ -e out/tile/0/000.p/6 ] || site_fail "a partial tile went before the full one is there"
# --- a site that lies ----------------------------------------------------------------------------------------
lies() { # STATUS TEXT AT FROM TO COMMAND…: what a client says when an answer of the site is another
    lie_status=$1 lie_text=$2 lie_at=$3 lie_from=$4 lie_to=$5
    shift 5
    site_refused "$lie_status" "$lie_text" env LIE_AT="$lie_at" LIE_FROM="$lie_from" LIE_TO="$lie_to" \
        "$site_build/tests/integration/ledger_liar" ledger "$@" --device edge-1
}
cuts() { # STATUS TEXT AT LEN COMMAND…: or is cut
    lie_status=$1 lie_text=$2 lie_at=$3 lie_len=$4
    shift 4
    site_refused "$lie_status" "$lie_text" env LIE_AT="$lie_at" LIE_LEN="$lie_len" \
        "$site_build/tests/integration/ledger_liar" ledger "$@" --device edge-1
}
zeros=$(printf '%064d' 0)
many=$(i=0; while [ $i -lt 60 ]; do printf '"%s",' "$zeros"; i=$((i + 1)); done)
at=/v1/ledger/inclusion
lies 1 'entry 5: ' $at '"path":[' "\"path\":[\"$zeros\"," prove 5
lies 3 "the site's proof: 'path': over 54 hashes" $at '"path":[' "\"path\":[$many" prove 5
lies 3 "the site's proof: 'schema'" $at 'ketseal.inclusion/1' 'ketseal.consistency/1' prove 5
lies 3 "the site's proof: " $at '"path":["' '"path":["g' prove 5
lies 3 "the site's proof: " $at '"path":[' '"path":{' prove 5
cuts 3 "the site's proof: " $at 20 prove 5
lies 1 'entry 5: ' /v1/ledger/entries/ '"counter":3' '"counter":4' prove 5
cp watch/ledger-head edge-1/state/ledger-head
jobs 1
at=/v1/ledger/consistency
lies 1 'FORK' $at '"path":[' "\"path\":[\"$zeros\"," check
lies 3 "the site's proof: 'path': over 54 hashes" $at '"path":[' "\"path\":[$many" check
cuts 3 "the site's proof: " $at 20 check
at=/v1/ledger/checkpoint
lies 3 'checkpoint' $at 'test.example/ketseal' 'test.example/a seal' head
lies 1 "of the ledger 'test.example/another', not 'test.example/ketseal'" $at 'test.example/ketseal' 'test.example/another' head
lies 1 "the site's checkpoint" $at '12' '13' head
cuts 3 "the site's checkpoint: note" $at 100 head
at=/ledger/tile/entries
lies 1 'tile/entries/000.p/12: entry 1[01] is not the ledger' $at '"counter":6' '"counter":7' export lied
cuts 3 'tile/entries/000.p/12: entry' $at 1000 export lied
cuts 3 'tile/0/000.p/12: 383 bytes, not 384' /ledger/tile/0 383 export lied
lies 1 'damaged .*tile/entries/000.p/12' $at '"counter":6' '"counter":7' follow --once --keep watch
[ ! -e lied/checkpoint ] || site_fail "a lie was exported"
rm -f edge-1/state/ledger-head edge-1/state/ledger-fork

kill "$served"
wait "$served" || site_fail "ledger serve ends with $?"
served=

# --- one bit, at a start ------------------------------------------------------------------------------------
flip out/tile/entries/000.p/10 700
site_refused 1 'tile/entries/000.p/10: damaged' "$ketseal" ledger fsck --device edge-1 out
site_stop
flip state/ledger/tile/entries/000.p/12 700
flip state/ledger/tile/0/000.p/12 9
site_refused 1 'tile/' "$ketseal" ledger fsck --state state
site_start
grep -q 'event=ledger.mended files=2 first=tile/entries/000.p/12' site.log || site_fail "damaged files are not mended"
"$ketseal" ledger fsck --state state >said

# --- one bit of the database, before a checkpoint is signed ---------------------------------------------------
cp state/ledger/checkpoint before
python3 - <<'PY'
import sqlite3
database = sqlite3.connect('state/store/ketseal.db')
(entry,) = database.execute('SELECT entry FROM entries WHERE position = 2').fetchone()
database.execute('UPDATE entries SET entry = ? WHERE position = 2', (entry[:40] + bytes([entry[40] ^ 1]) + entry[41:],))
database.commit()
PY
rc=0
"$ketseal" -q run --device edge-1 --template bell --shots 10 --seed 1 --policy lab.policy --out bad.bundle \
    >/dev/null 2>said || rc=$?
if [ "$rc" -eq 0 ] || [ -e bad.bundle ]; then
    site_fail "a damaged ledger was signed"
fi
site_wait
grep 'level=error' site.log | grep -q 'before it is signed.*tile/entries/000.p/1[34]: entry 2 is not the one that was signed' ||
    site_fail "the log does not name the entry"
cmp state/ledger/checkpoint before || site_fail "another checkpoint was published"
site_refused 1 'the database: ledger entry 2 is damaged' "$ketseal" ledger fsck --state state
site_launch
site_wait
[ "$site_ended" -ne 0 ] || site_fail "the site starts over a damaged database"
grep -q 'ledger entry 2 is damaged: its leaf hash does not fit' site.log || site_fail "the start does not name it"
site_pid=
echo "$site_name: exported, checked, served, followed; $site_refusals lies and damages refused"
