#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Our exported ledgers, read by others (ledger/main.go): golang.org/x/mod/sumdb's notes and trees, and
# transparency-dev/tessera's client and fsck, over sizes at every kind of edge, as files and over HTTP, and a
# proof file. LEDGER_GO names the go command; it fetches the modules that ledger/go.sum pins.
#
#   ledger.sh SOURCE KETSEAL LEDGER_TREE
set -eu
if [ -z "${LEDGER_GO:-}" ]; then
    echo 'ledger: SKIPPED: LEDGER_GO, the go command with which to build the programs of others, is not set'
    exit 77
fi
source=$(realpath "$1")
ketseal=$(realpath "$2")
make_tree=$(realpath "$3")
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-test.XXXXXX")
server=
cleanup() {
    [ -z "$server" ] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
trap 'exit 130' INT TERM
fail() {
    printf 'ledger: FAILED: %s\n' "$*" >&2
    exit 1
}
(cd "$source/tests/interop/ledger" && "$LEDGER_GO" build -mod=readonly -o "$work/ledger" .) || fail "the program of others does not build"
cd "$work"
template=$source/tests/fuzz/corpus/site/source
theirs() {
    ./ledger "$@" 2>said >answer || { cat said >&2; fail "refused: $*"; }
}

for size in 1 2 255 256 257 511 512 65536 70000; do
    "$make_tree" "$template" grown "$size" # from the last size on, as a site does
    "$ketseal" -q ledger export --site grown/site.json --from grown/files out >/dev/null
    theirs files example.org/ledger grown/vkeys out "$size"
    index=$((size - 1 - size / 3))
    "$ketseal" -q ledger prove --site grown/site.json --from out --out "proof.$size" "$index" >/dev/null
    theirs proof grown/vkeys "proof.$size" "{\"entry\":$index}"
done
"$ketseal" ledger serve out >address &
server=$!
tries=0
until [ -s address ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 200 ] || fail "ledger serve does not start"
    sleep 0.05
done
theirs http example.org/ledger grown/vkeys "$(cat address)" 70000

# And they do look.
refuses() {
    if ./ledger "$@" >answer 2>said; then
        fail "accepted: $*"
    fi
}
for file in tile/0/100 tile/entries/273.p/112 tile/1/000; do
    cp "out/$file" kept
    printf 'x' | dd of="out/$file" bs=1 seek=70 conv=notrunc 2>/dev/null
    refuses files example.org/ledger grown/vkeys out 70000
    cp kept "out/$file"
done
refuses proof grown/vkeys proof.70000 '{"entry":1}'
theirs files example.org/ledger grown/vkeys out 70000
modules=$(sed -n 's/^\t\([a-z].*\) v\([0-9.]*\)$/\1 \2/p' "$source/tests/interop/ledger/go.mod" | tr '\n' ';')
echo "ledger: sizes 1 to 70000 read by $modules"
