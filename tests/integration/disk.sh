#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A full disk, under the store and under the enclave's state, at several fillings: the client gets one
# error, the log one reason; with space again the site starts, all that it has acknowledged is there and
# proven, and no one-time key comes back.
#
#   disk.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
mkdir probe
mount -t tmpfs -o size=1m none probe 2>/dev/null || site_skip "mounting a small file system needs root"
umount probe
site_workers=2
site_device edge-1
site_start
mkdir out
refused=0

run() { # NUMBER: its exit status in $rc
    rc=0
    "$ketseal" -q run --device edge-1 --template bell --shots 10 --seed 1 --policy lab.policy \
        --out "out/$1.bundle" 2>said >/dev/null || rc=$?
}
run first
[ "$rc" -eq 0 ] || site_fail "the first job"

# On its own small file system: state/$1, with KIB free.
try() { # DIRECTORY KIB
    site_stop
    cp -a "state/$1" saved
    mount -t tmpfs -o size=24m,mode=0700 none "state/$1"
    cp -a saved/. "state/$1/"
    rm -rf saved
    site_start
    run "$1.$2.before"
    [ "$rc" -eq 0 ] || site_fail "state/$1: $(cat said)"
    free=$(df --output=avail -k "state/$1" | tail -n 1)
    dd if=/dev/zero of="state/$1/filler" bs=1024 count=$((free - $2)) 2>/dev/null
    n=0
    lines=$(wc -l <site.log)
    rc=0
    while [ "$rc" -eq 0 ]; do
        n=$((n + 1))
        [ "$n" -le 2000 ] || site_fail "state/$1 with $2 KiB takes $n jobs"
        rm -rf ring.before
        cp -r edge-1/state ring.before
        # The keys of a batch are under a few marks: fresh ones for each job write more.
        [ "$1" = store ] || rm -f edge-1/state/keyring
        run "$1.$2.$n"
    done
    if [ "$rc" -ne 4 ] || [ "$(grep -c . said)" -ne 1 ]; then
        cat said >&2
        site_fail "state/$1: exit status $rc"
    fi
    [ ! -e "out/$1.$2.$n.bundle" ] || site_fail "state/$1: an error and a bundle"
    tail -n "+$((lines + 1))" site.log | grep 'level=error' | grep -qi 'full\|space' ||
        site_fail "state/$1: the log does not say that the disk is full"
    echo "$site_name: state/$1 with $2 KiB: $((n - 1)) jobs, then: $(cat said)"
    refused=$((refused + 1))
    if kill -0 "$site_pid" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$site_pid/status"; then
        # Still there, refusing: another client is told the same.
        run again
        [ "$rc" -eq 4 ] || site_fail "state/$1: full, and yet exit status $rc"
        sleep 0.2
    fi
    kill -KILL "$site_pid" 2>/dev/null || true
    site_wait
    sleep 0.2
    rm "state/$1/filler"
    site_start
    "$site_client" --device=edge-1 PROVE out/*.bundle >proven || site_fail "state/$1: an acknowledged record is lost"
    run "$1.$2.after"
    [ "$rc" -eq 0 ] || site_fail "state/$1: with space again: $(cat said)"
    [ "$(cut -d' ' -f2 proven | sort | uniq -d | wc -l)" -eq 0 ] || site_fail "two records under one key"
    # Back to the big disk.
    site_stop
    cp -a "state/$1" saved
    umount "state/$1"
    rm -rf "state/${1:?}"
    mv saved "state/$1"
    site_start
}

unmount_all() {
    for directory in store enclave; do
        umount -l "$site_work/state/$directory" 2>/dev/null || true
    done
}
# shellcheck disable=SC2034 # of site.sh
site_at_end=unmount_all
for kib in 0 40 300; do
    try store "$kib"
done
for kib in 0 8; do
    try enclave "$kib"
done
"$site_client" --device=edge-1 PROVE out/*.bundle >proven || site_fail "an acknowledged record is lost"
site_stop
echo "$site_name: $refused full disks; all $(wc -l <proven) acknowledged records proven"
