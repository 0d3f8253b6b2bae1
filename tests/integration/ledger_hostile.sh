#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# What clients make of a ledger that lies: malformed, stripped and forged checkpoints, other origins and keys,
# damaged and cut tiles and bundles, a ledger that shrinks, two views of one ledger, servers that are slow,
# endless or die. Each line names the check that has to catch it.
#
#   ledger_hostile.sh SOURCE KETSEAL LEDGER_TREE
set -eu
template=$1/tests/fuzz/corpus/site/source
server_program=$1/tests/integration/ledger_server.py
ketseal=$(realpath "$2")
make_tree=$(realpath "$3")
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-test.XXXXXX")
server=
cleanup() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
cd "$work"
count=0

fail() {
    printf 'ledger_hostile: FAILED: %s\n' "$*" >&2
    exit 1
}
tree() { # [OPTION…] DIR SIZE
    "$make_tree" "$@"
}
# One sentence, the wanted status, and nothing of an export left but what is true.
refused() { # STATUS TEXT COMMAND…
    want=$1 text=$2
    shift 2
    rc=0
    "$ketseal" "$@" >answer 2>said || rc=$?
    if [ "$rc" -ne "$want" ] || ! cat answer said | grep -q -- "$text"; then
        cat answer said >&2
        fail "status $rc instead of $want, or without '$text': $*"
    fi
    count=$((count + 1))
}
spoil() { # FILE PYTHON-EXPRESSION OF data
    python3 - "$1" "$2" <<'PY'
import sys
with open(sys.argv[1], 'rb') as file:
    data = file.read()
with open(sys.argv[1], 'wb') as file:
    file.write(eval(sys.argv[2]))
PY
}
with() { # FILE EXPRESSION: a tree of 600 entries in bad/, one file of it spoiled
    rm -rf bad
    cp -r good bad
    spoil "bad/files/$1" "$2"
}
flip='data[:%d] + bytes([data[%d] ^ 1]) + data[%d:]'
# shellcheck disable=SC2059 # our own format
flip_at() { printf "$flip" "$1" "$1" "$(($1 + 1))"; }
site='--site=good/site.json'

tree "$template" good 600
"$ketseal" ledger export $site --from good/files out >/dev/null
diff -r good/files out || fail "an export differs"

# --- the checkpoint -----------------------------------------------------------------------------------------
export_bad() { # STATUS TEXT
    rm -rf made
    refused "$1" "$2" ledger export $site --from bad/files made
    [ ! -e made/checkpoint ] || fail "a checkpoint was exported: $2"
}
for command in head 'prove 5' 'check --keep=watch' 'follow --once --keep=watch'; do
    with checkpoint 'b"hello\n"'
    case $command in follow*) status=1 ;; *) status=3 ;; esac
    # shellcheck disable=SC2086 # words
    refused "$status" 'the checkpoint: ' ledger $command $site --from bad/files
    with checkpoint 'data.replace(b"\n600\n", b"\n601\n")'
    # shellcheck disable=SC2086
    refused 1 'the checkpoint: ' ledger $command $site --from bad/files
    if [ -e watch/ledger-head ] || [ -e watch/ledger-fork ]; then
        fail "a false head was kept: $command"
    fi
done
with checkpoint 'b""'
export_bad 3 'note'
with checkpoint 'data[:-1]'
export_bad 3 'note'
with checkpoint 'data.replace(b"\n600\n", b"\n0600\n")'
export_bad 3 'checkpoint: size'
with checkpoint 'data.replace(b"\n600\n", b"\n601\n")'
export_bad 1 'signature'
with checkpoint 'data.replace(b"\n\n", b"\nmore\n\n", 1)'
export_bad 3 'lines after the root are refused'
with checkpoint 'b"\n".join(l for i, l in enumerate(data.split(b"\n")) if i != 4)'
export_bad 1 'of the ledger has not signed'
with checkpoint 'b"\n".join(l for i, l in enumerate(data.split(b"\n")) if i != 5)'
export_bad 1 'of the ledger has not signed'
with checkpoint 'data * 40'
export_bad 3 'limit'
rm -rf bad && tree --origin=other.example/ledger "$template" bad 600
export_bad 1 "of the ledger 'other.example/ledger', not 'example.org/ledger'"
rm -rf bad && tree --keys=9 "$template" bad 600
export_bad 1 'signed\|signature'

# --- tiles and bundles --------------------------------------------------------------------------------------
with tile/0/000 "$(flip_at 100)"
export_bad 1 'ledger tile 0/0 does not belong to the tree'
with tile/0/002.p/88 "$(flip_at 100)"
export_bad 1 'tiles do not have the root of size 600'
with tile/1/000.p/2 "$(flip_at 3)"
export_bad 1 'tiles do not have the root of size 600'
with tile/0/001 'data[:-1]'
export_bad 3 'tile/0/001: 8191 bytes, not 8192'
with tile/0/001 'data + b"x"'
export_bad 3 'tile/0/001: 8193 bytes, not 8192'
with tile/0/001 'b"x" * 300000'
export_bad 3 'limit'
with tile/entries/001 "$(flip_at 100)"
export_bad 1 'tile/entries/001: entry 2[0-9][0-9] is not the ledger'
with tile/entries/001 'data[:-1]'
export_bad 3 'tile/entries/001: entry 255'
with tile/entries/001 'data + b"\0\1a"'
export_bad 3 'tile/entries/001'
with tile/entries/001 'b"\0\0" + data[2:]'
export_bad 3 'tile/entries/001: entry 0 is empty'
with tile/entries/001 'b"\xff" + data[1:]'
export_bad 3 'tile/entries/001: entry 0'
with tile/entries/002.p/88 'data[15:30] + data[:15] + data[30:]' # two entries change places
export_bad 1 'tile/entries/002.p/88: entry 512 is not the ledger'
rm bad/files/tile/0/000
export_bad 6 'tile/0/000'
with tile/0/000 "$(flip_at 100)"
refused 1 'ledger tile 0/0 does not belong to the tree' ledger prove $site --from bad/files 5
refused 1 'tile/0/000: damaged' ledger fsck $site bad/files
with tile/entries/000 "$(flip_at 9)"
refused 1 'entry 0' ledger prove $site --from bad/files 0
refused 6 'none of index 600 yet' ledger prove $site --from good/files 600

# --- what was exported before -------------------------------------------------------------------------------
rm -rf made && cp -r good/files made
spoil made/tile/0/000 "$(flip_at 7)"
refused 1 'tile/0/000\|tile 0/0' ledger export $site --from good/files made

# --- shrinking, and two views -------------------------------------------------------------------------------
rm -rf watch
"$ketseal" ledger follow --once --keep watch $site --from good/files >/dev/null
tree "$template" less 500
tree --fork=550 "$template" split 600
tree --fork=550 "$template" split-later 700
tree "$template" more 700
for command in follow check; do
    [ "$command" = follow ] && once=--once || once=
    for view in less split split-later; do
        rm -f watch/ledger-fork
        case $view in
        less) text='it had 600 entries and now shows 500' ;;
        split) text='two roots for 600 entries' ;;
        *) text='its first 600 entries are not those seen before' ;;
        esac
        # shellcheck disable=SC2086 # nothing, or a word
        refused 1 "FORK: .*$text" ledger $command $once --keep watch $site --from $view/files
        cmp watch/ledger-head good/files/checkpoint || fail "the head was replaced"
        cmp watch/ledger-fork $view/files/checkpoint || fail "the other view is not kept"
    done
done
rm -rf made && cp -r good/files made
refused 1 'the ledger is not the one in made: its first 600 entries' ledger export $site --from split-later/files made
cmp made/checkpoint good/files/checkpoint || fail "an export over another view"
refused 1 '"event":"fork"' --json ledger follow --once --keep watch $site --from split/files
[ ! -s said ] || fail "--json says it twice"
# A newer ledger with a damaged file is no evidence of a fork.
rm -f watch/ledger-fork
spoil more/files/tile/0/002.p/188 "$(flip_at 40)"
refused 1 'damaged .*tiles do not have the root' ledger follow --once --keep watch $site --from more/files
[ ! -e watch/ledger-fork ] || fail "a damaged file is taken for a fork"
spoil more/files/tile/0/002.p/188 "$(flip_at 40)"
spoil more/files/tile/entries/002.p/188 "$(flip_at 2000)"
refused 1 'damaged .*tile/entries/002.p/188' ledger follow --once --keep watch $site --from more/files
cmp watch/ledger-head good/files/checkpoint || fail "a head that was not checked is kept"
# Another site's head is not overwritten.
"$make_tree" --keys=9 "$template" elsewhere 3
refused 5 'is of another site than the pinned one' ledger check --keep watch --site elsewhere/site.json --from elsewhere/files

# --- servers ------------------------------------------------------------------------------------------------
serve() { # MODE
    rm -f port
    python3 "$server_program" "${2:-good/files}" port "$1" &
    server=$!
    tries=0
    until [ -s port ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 200 ] || fail "the server does not start"
        sleep 0.05
    done
    url=http://127.0.0.1:$(cat port)
}
stop() {
    kill -KILL "$server" 2>/dev/null || true
    wait "$server" 2>/dev/null || true
    server=
}
by_server() { # MODE STATUS TEXT
    serve "$1"
    rm -rf made
    refused "$2" "$3" ledger export $site --from "$url" --timeout 2 made
    stop
}
by_server slow 4 'no answer in time'
by_server silent 4 'no answer in time'
by_server endless 3 'a body over'
by_server error 4 'status 500'
by_server redirect 4 'status 302'
by_server garbage 3 ''
refused 4 'connect' ledger head $site --from "$url"
for url in 'http://' 'http://[::1' 'http://127.0.0.1:1/a b' 'http://127.0.0.1:999999' 'http://u@127.0.0.1/'; do
    refused 2 'no http:// address\|port' ledger head $site --from "$url"
done
refused 6 'ftp://127.0.0.1' ledger head $site --from ftp://127.0.0.1/

# An export that was cut off goes on: nothing that is there is asked for again.
tree "$template" large 70000
rm -rf made
serve dies=400 large/files
refused 4 '' ledger export --site large/site.json --from "$url" made
stop
[ -e made/tile/0/000 ] || fail "nothing was kept of an export that was cut off"
[ ! -e made/checkpoint ] || fail "an export that was cut off has a checkpoint"
serve dies=400 large/files
"$ketseal" --json ledger export --site large/site.json --from "$url" made >said
stop
diff -r large/files made || fail "an export in two parts differs"
# What the monitor sees when the server is away: it goes on, and stops when it is told to.
serve stall=1
"$ketseal" --json ledger follow --interval 1 --timeout 1 --keep third $site --from "$url" >lines &
follower=$!
tries=0
until grep -q '"event":"unreachable"' lines; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "follow does not say that nobody answers"
    sleep 0.05
done
kill -TERM "$follower"
wait "$follower" || fail "follow ends with $?"
stop
echo "ledger_hostile: $count answers refused, each by the check that is named here"
