#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# What `make check-full` adds to `make check`: compose.yaml against its schema, its images built without an engine, and
# the command of each service run inside its image with what compose.yaml grants it: that user, a root that is read-only,
# no network, no capability. Records that come out are verified here, too. Ends with `N passed, N failed, N skipped`.
#
#   deploy/check.sh BUILD
set -uo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
work=$(dirname "$build")/deploy
file=$root/deploy/compose.yaml
passed=0
failed=0
skipped=0
mounted=
records=

say() { printf 'deploy: %s\n' "$*" >&2; }
pass() { passed=$((passed + 1)); say "$1: ok"; }
fail() { failed=$((failed + 1)); say "$1: FAILED: $2"; }
skip() { skipped=$((skipped + 1)); say "$1: SKIPPED: $2"; }

engineless() {
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}

finish() {
    [ -z "$mounted" ] || { engineless umount "$mounted" && engineless rm "$mounted"; } >/dev/null 2>&1
    [ -z "$records" ] || rm -rf "$records"
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
    [ "$failed" -eq 0 ]
}
trap finish EXIT

# The value of SERVICE's KEY as docker-compose understands the file: lists one entry a line.
declared() { # SERVICE KEY
    python3 - "$work/compose.json" "$1" "$2" <<'PYTHON'
import json, sys
value = json.load(open(sys.argv[1]))["services"][sys.argv[2]].get(sys.argv[3], "")
print(*(value if isinstance(value, list) else [json.dumps(value) if isinstance(value, bool) else value]), sep="\n")
PYTHON
}

# The rights that the runner below gives: a service that asks for others would be tested as something that it is not.
as_we_run() { # SERVICE
    [ "$(declared "$1" user)" = 65532:65532 ] && [ "$(declared "$1" read_only)" = true ] &&
        [ "$(declared "$1" network_mode)" = none ] && [ "$(declared "$1" cap_drop)" = ALL ] &&
        [ "$(declared "$1" security_opt)" = no-new-privileges:true ] && [ "$(declared "$1" tmpfs)" = /tmp ]
}

# In namespaces of its own, in ROOT as a read-only mount.
run_in() { # ROOT COMMAND…
    # shellcheck disable=SC2016 # the inner shell's
    unshare --mount --pid --fork --net --ipc --uts sh -eu -c '
        root=$1 records=$2 path=$3
        shift 3
        mount --make-rprivate /
        mount --bind "$root" "$root"
        mount -t tmpfs -o nosuid,nodev tmpfs "$root/tmp"
        mount -t proc proc "$root/proc"
        mount --bind "$records" "$root/records"
        for device in null zero full random urandom; do
            mount --bind "/dev/$device" "$root/dev/$device"
        done
        mount -t tmpfs -o nosuid,nodev,noexec tmpfs "$root/dev/shm"
        ip link set lo up
        mount -o remount,bind,ro "$root"
        exec env -i "PATH=$path" "KETSEAL_ADAPTERS=/opt/ketseal/adapters" chroot "$root" setpriv --reuid 65532 --regid 65532 --clear-groups \
            --bounding-set=-all --inh-caps=-all --no-new-privs "$@"
    ' sh "$1" "$records" /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "${@:2}"
}

# Confinement that does not confine would pass all else.
confined() { # ROOT
    # shellcheck disable=SC2016 # the inner shell's
    run_in "$1" sh -c 'touch /usr/x 2>/dev/null || touch /etc/x 2>/dev/null || [ "$(id -u)" -eq 0 ] ||
        grep -qv "^\(Inter\| face\| *lo:\)" /proc/net/dev || ! grep -q "^CapBnd:.0000000000000000$" /proc/self/status ||
        ! touch /tmp/x || ! touch /records/x || { rm /records/x && exit 0; }; exit 1'
}

check_service() { # SERVICE
    local image bundle=$records/$1.bundle mount
    local -a command
    as_we_run "$1" || { fail "service $1" "it asks for other rights than it is run with here"; return; }
    image=$(declared "$1" image)
    mapfile -t command < <(declared "$1" command)
    engineless inspect --type image "$image" >/dev/null 2>&1 || { skip "service $1" "no image $image here"; return; }
    mounted=$(engineless from "$image")
    mount=$(engineless mount "$mounted")
    mkdir -p "$mount/records" "$mount/proc" "$mount/dev/shm" "$mount/tmp"
    touch "$mount"/dev/{null,zero,full,random,urandom}
    if ! confined "$mount"; then
        fail "service $1" "it is not confined as compose.yaml says"
    elif ! run_in "$mount" "${command[@]}" >"$work/$1.out" 2>&1; then
        fail "service $1" "$(tail -n 3 "$work/$1.out")"
    elif ! "$build/src/cli/ketseal" verify --policy "$records/$1.policy" "$bundle" >/dev/null ||
        [ "$("$build/src/cli/ketseal" record hash "$bundle")" != "$(tail -n 1 "$work/$1.out")" ]; then
        fail "service $1" "its record does not verify here, or has another hash"
    else
        pass "service $1"
    fi
    engineless umount "$mounted" >/dev/null
    engineless rm "$mounted" >/dev/null
    mounted=
}

mkdir -p "$work"
if ! command -v docker-compose >/dev/null; then
    skip compose.yaml "docker-compose, which knows its schema, is absent"
elif ! docker-compose -f "$file" config --quiet; then
    fail compose.yaml "it does not fit its schema"
elif sed 's/read_only:/read_onyl:/' "$file" >"$work/broken.yaml" && docker-compose -f "$work/broken.yaml" config --quiet 2>/dev/null; then
    fail compose.yaml "its check accepts what is none"
else
    pass compose.yaml
fi
python3 -c 'import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), open(sys.argv[2], "w"))' \
    "$file" "$work/compose.json" || { skip services "python3-yaml is absent"; exit; }
services=$(python3 -c 'import json, sys; print(*json.load(open(sys.argv[1]))["services"])' "$work/compose.json")
for tool in buildah mmdebstrap unshare setpriv ip; do
    command -v "$tool" >/dev/null || { skip "services $services" "$tool is absent"; exit; }
done
[ "$(id -u)" -eq 0 ] || { skip "services $services" "not root"; exit; }
unshare --mount --pid --fork --net true 2>/dev/null || { skip "services $services" "no namespaces here"; exit; }
if ! "$root/deploy/build.sh" "$build"; then
    fail images "they are not built"
    exit
fi
pass images
records=$(mktemp -d)
chown 65532:65532 "$records"
for service in $services; do
    check_service "$service"
done
