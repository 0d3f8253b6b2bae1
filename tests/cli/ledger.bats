#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A ledger's static files: export, fsck, serve, follow, and head, prove, check from them.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

setup_file() {
    export TREES=$BATS_FILE_TMPDIR/trees
    mkdir "$TREES"
    for size in 0 1 257 300; do
        "$KS_BUILD_ROOT/tests/integration/ledger_tree" "$KS_SOURCE_ROOT/tests/fuzz/corpus/site/source" \
            "$TREES/$size" "$size"
    done
}

ledger() { # VERB SIZE ARGUMENTS: from the tree of that size
    ks ledger "$1" --site="$TREES/1/site.json" --from="$TREES/$2/files" "${@:3}"
}

@test "head and prove from files" {
    ledger head 1
    says 0 "example.org/ledger: 1 entries, root $(printf '\0{"entry":0}' | sha256sum | cut -d' ' -f1)" ""
    ledger head 0
    says 0 "example.org/ledger: 0 entries, root $(printf '' | sha256sum | cut -d' ' -f1)" ""
    ledger prove 257 256
    says 0 'entry 256 of 257: {"entry":256}' ""
    ks --json ledger prove --site="$TREES/1/site.json" --from="$TREES/257/files" 3 --out=three.proof
    is_json ketseal.ledger-prove/1
    holds three.proof
    ledger prove 257 257
    fails 6 "the ledger has 257 entries, none of index 257 yet"
    ledger prove 0 0
    fails 6 "the ledger has 0 entries, none of index 0 yet"
    ledger prove 257 x
    fails 2 "'x' is no index"
}

@test "export: whole, again, larger; partial files go with the full one" {
    ledger export 1 out
    says 0 "example.org/ledger: 1 entries, 2 files written" ""
    (cd out && holds checkpoint tile/0/000.p/1 tile/entries/000.p/1)
    ledger export 1 out
    says 0 "example.org/ledger: 1 entries, 0 files written" ""
    ledger export 257 out
    says 0 "example.org/ledger: 257 entries, 5 files written" ""
    (cd out && holds checkpoint tile/0/000 tile/0/001.p/1 tile/1/000.p/1 tile/entries/000 tile/entries/001.p/1)
    ks --json ledger export --site="$TREES/1/site.json" --from="$TREES/300/files" out
    is_json ketseal.ledger-export/1
    same "what was there" "$(jq .old_size <<<"$output")" 257
    ledger export 257 out
    fails 1 "the ledger is not the one in out: it had 300 entries and now shows 257"
    ledger export 0 empty
    says 0 "example.org/ledger: 0 entries, 0 files written" ""
}

@test "fsck" {
    ks ledger fsck --site="$TREES/1/site.json" "$TREES/300/files"
    says 0 "example.org/ledger: 300 entries, whole from the entries to the signed root" ""
    ks --json ledger fsck --site="$TREES/1/site.json" "$TREES/0/files"
    is_json ketseal.ledger-fsck/1
    cp -r "$TREES/300/files" bad
    printf 'x' | dd of=bad/tile/entries/000 bs=1 seek=99 conv=notrunc status=none
    ks ledger fsck --site="$TREES/1/site.json" bad
    fails 1 "bad: tile/entries/000: damaged: an entry is not that of its tile"
    ks --json ledger fsck --site="$TREES/1/site.json" bad
    is_json ketseal.ledger-fsck/1
    same status "$status" 1
    same whole "$(jq .whole <<<"$output")" false
    rm bad/tile/0/001.p/44
    ks ledger fsck --site="$TREES/1/site.json" bad
    same status "$status" 1
    [[ $stderr == *"tile/0/001.p/44: No such file or directory" ]]
    ks ledger fsck
    fails 2 "expected a folder or --state, one of them"
    ks ledger fsck --state=x y
    fails 2 "expected a folder or --state, one of them"
    ks ledger fsck --site="$TREES/1/site.json" nowhere
    fails 6 "open 'nowhere': No such file or directory"
    ks ledger fsck "$TREES/1/files"
    fails 6 "open './site.json': No such file or directory"
}

@test "check and follow keep the last head" {
    ledger check 1 --keep=watch
    says 0 "first seen: example.org/ledger: 1 entries, root $(printf '\0{"entry":0}' | sha256sum | cut -d' ' -f1)" ""
    holds watch/ledger-head
    ks --json ledger follow --once --keep=watch --site="$TREES/1/site.json" --from="$TREES/257/files"
    is_json ketseal.ledger-follow/1
    same event "$(jq -r '"\(.event) \(.old_size) \(.size) \(.entries)"' <<<"$output")" "grown 1 257 256"
    ks --json ledger check --keep=watch --site="$TREES/1/site.json" --from="$TREES/300/files"
    is_json ketseal.ledger-check/1
    ledger follow 257 --once --keep=watch
    same status "$status" 1
    [[ $stderr == "ketseal: FORK: the ledger of example.org/ledger is not the one seen before: it had 300 entries and now shows 257. Keep watch/ledger-head and watch/ledger-fork: both are signed by the site and prove it" ]]
    ledger follow 1 --interval=0
    fails 2 "--interval: at least 1"
    ledger check 1 --keep=watch/ledger-head
    same status "$status" 4
}

@test "serve" {
    ks ledger serve nowhere
    fails 6 "open 'nowhere': No such file or directory"
    ks ledger serve --address=localhost "$TREES/1/files"
    fails 2 "'localhost' is no address"
    ks ledger serve --port=65536 "$TREES/1/files"
    same status "$status" 2
    "$KETSEAL" ledger serve "$TREES/257/files" >url 3>&- &
    server=$!
    for _ in $(seq 200); do
        [ ! -s url ] || break
        sleep 0.05
    done
    ks ledger fsck --site="$TREES/1/site.json" "$TREES/257/files"
    ks ledger export --site="$TREES/1/site.json" --from="$(cat url)" out
    says 0 "example.org/ledger: 257 entries, 5 files written" ""
    diff -r out "$TREES/257/files"
    kill -TERM "$server"
    wait "$server"
}
