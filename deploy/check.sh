#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# What `make check-full` adds to `make check`: the compose files against their schema, their images built without an engine, and
# the command of each service run inside its image with what its file grants it: that user, a root that is read-only,
# no network, no capability. Records that come out are verified here, too. Ends with `N passed, N failed, N skipped`.
#
#   deploy/check.sh BUILD [records|federated]      all, or one of the files
set -uo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
build=$(cd "$1" && pwd)
work=$(dirname "$build")/deploy
file=$root/deploy/compose.yaml
federated=$root/deploy/federated/compose.yaml
passed=0
failed=0
skipped=0
mounted=()
records=

say() { printf 'deploy: %s\n' "$*" >&2; }
pass() { passed=$((passed + 1)); say "$1: ok"; }
fail() { failed=$((failed + 1)); say "$1: FAILED: $2"; }
skip() { skipped=$((skipped + 1)); say "$1: SKIPPED: $2"; }

engineless() {
    buildah --root "$work/storage" --runroot "$work/run" --storage-driver vfs "$@"
}

# A container of IMAGE, its root in $mount; until unmount.
mount_image() { # IMAGE
    mounted+=("$(engineless from "$1")")
    mount=$(engineless mount "${mounted[-1]}")
}

unmount() {
    for container in "${mounted[@]}"; do
        engineless umount "$container" && engineless rm "$container"
    done >/dev/null 2>&1
    mounted=()
}

finish() {
    unmount
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
    mount_image "$image"
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
    unmount
}

check_schema() { # NAME FILE
    if ! command -v docker-compose >/dev/null; then
        skip "$1" "docker-compose, which knows its schema, is absent"
    elif ! docker-compose -f "$2" config --quiet; then
        fail "$1" "it does not fit its schema"
    elif sed 's/read_only:/read_onyl:/' "$2" >"$work/broken.yaml" && docker-compose -f "$work/broken.yaml" config --quiet 2>/dev/null; then
        fail "$1" "its check accepts what is none"
    else
        pass "$1"
    fi
}

# The federated site: all of its services at once, and what comes of it verified by another build of the verifier.
check_federated() {
    local bundle mount site
    local -a images=()
    if ! "$root/deploy/build.sh" "$build" federated; then
        fail "federated images" "they are not built"
        return
    fi
    pass "federated images"
    for image in localhost/ketseal-federated localhost/ketseal-chain; do
        mount_image "$image"
        images+=("$image=$mount")
    done
    site=$work/federated
    if ! unshare --net --mount "$root/deploy/federated/run.py" "$federated" "$site" "${images[@]}"; then
        fail "federated services" "see the logs in $site/logs"
        unmount
        return
    fi
    unmount
    pass "federated services"
    for bundle in "$site"/records/round-[0-9]*.json; do
        if ! "$build/src/cli/ketseal-verify" "$site/records/federated.policy" "$bundle" >/dev/null; then
            fail "federated records" "$(basename "$bundle") does not verify here"
            return
        fi
    done
    if ! "$build/src/cli/ketseal-verify" --explain "$site/records/anchored.policy" "$site/records/anchored.json" |
        grep -q '^pass *anchor'; then
        fail "federated records" "the anchor of the last one does not verify here"
    else
        pass "federated records"
    fi
}

mkdir -p "$work"
check_schema compose.yaml "$file"
check_schema federated/compose.yaml "$federated"
python3 -c 'import json, sys, yaml; json.dump(yaml.safe_load(open(sys.argv[1])), open(sys.argv[2], "w"))' \
    "$file" "$work/compose.json" || { skip services "python3-yaml is absent"; exit; }
services=$(python3 -c 'import json, sys; print(*json.load(open(sys.argv[1]))["services"])' "$work/compose.json")
for tool in buildah mmdebstrap unshare setpriv ip; do
    command -v "$tool" >/dev/null || { skip "services $services and the federated ones" "$tool is absent"; exit; }
done
[ "$(id -u)" -eq 0 ] || { skip "services $services and the federated ones" "not root"; exit; }
unshare --mount --pid --fork --net true 2>/dev/null || { skip "services $services and the federated ones" "no namespaces here"; exit; }
if [ "${2-}" != federated ]; then
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
fi
if [ "${2-}" = records ]; then
    exit
elif [ -z "$("$root/tools/deps.sh" --npm)" ]; then
    skip "federated services" "anvil of tools/npm is not installed"
else
    check_federated
fi
