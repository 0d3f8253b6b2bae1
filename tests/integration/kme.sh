#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# Two key managers in a temporary folder, for the tests that source this:
#
#   . kme.sh
#   kme_begin BUILD PROGRAM   folder, CA, certificates of two managers; the folder becomes the current one
#   kme_sae NAME              a directory NAME with its certificate
#   kme_start a|b …           until each answers; again after an end: same state, same port
#   kme_kill a|b              kill -9
#   kme_stop a|b              SIGTERM; fails unless it ends cleanly
#   kme_ask SAE a|b METHOD TARGET [BODY]    the status in $status, the body in $answer
#   kme_metric a|b NAME       the value of ketseal_kme_NAME
#   kme_wait a|b NAME COUNT   until that is at least COUNT, half a minute at most
#
# Set before a start: kme_keys, kme_link_a, kme_link_b, kme_http, kme_tls (lines of those mappings).

kme_keys=
kme_link_a=
kme_link_b=
kme_http=
kme_tls=
pid_a=
pid_b=
port_a=0
port_b=0
admin_a=0
admin_b=0
link_port=0

kme_fail() {
    printf '%s: FAILED: %s\n' "$kme_name" "$*" >&2
    exit 1
}

kme_cleanup() {
    kme_status=$?
    trap - EXIT
    for pid in $pid_a $pid_b; do
        kill -KILL "$pid" 2>/dev/null || true
        wait "$pid" 2>/dev/null || true
    done
    if [ "$kme_status" -ne 0 ] && [ "$kme_status" -ne 77 ]; then
        for log in a.log b.log; do
            printf '%s: %s:\n' "$kme_name" "$log" >&2
            tail -n 30 "$kme_work/$log" >&2 2>/dev/null || true
        done
    fi
    cd /
    rm -rf "$kme_work"
    exit "$kme_status"
}

kme_begin() {
    kme_name=$(basename "$0" .sh)
    kme_build=$(cd "$1" && pwd)
    kme_program=$(readlink -f "$2")
    ketseal=$kme_build/src/cli/ketseal
    kme_client=$kme_build/tests/integration/kme_client
    kme_work=$(mktemp -d)
    trap kme_cleanup EXIT
    trap 'exit 1' INT TERM HUP
    cd "$kme_work" || exit
    "$ketseal" -q ca new --out ca --name 'test qkd' >/dev/null
    for id in a b; do
        "$ketseal" -q ca issue server --ca ca --name "kme-$id" --ip 127.0.0.1 --out "server-$id" >/dev/null
    done
    # The one that connects shows a certificate of a device.
    "$ketseal" -q ca issue device --ca ca --name kme-b --out link-b >/dev/null
}

kme_sae() {
    "$ketseal" -q ca issue device --ca ca --name "$1" --out "$1" >/dev/null
}

# The other manager, its role in the link, and where it is.
kme_configure() {
    case $1 in
    a)
        peer=kme-b role=alice port=$port_a admin=$admin_a
        where="listen: 127.0.0.1:$link_port"
        identity='server-a/server' more=$kme_link_a
        ;;
    *)
        peer=kme-a role=bob port=$port_b admin=$admin_b
        where="connect: 127.0.0.1:$link_port"
        identity='link-b/device' more=$kme_link_b
        ;;
    esac
    cat >"$1.yaml" <<EOF
kme:
  id: kme-$1
  listen: 127.0.0.1:$port
  state: state-$1
tls:
${kme_tls:-  root: server-$1/root.pem
  certificate: server-$1/server.pem
  key: server-$1/server.key}
link:
  peer: $peer
  role: $role
  $where
  root: ca/root.pem
  certificate: $identity.pem
  key: $identity.key
$more
admin:
  listen: 127.0.0.1:$admin
${kme_keys:+keys:
$kme_keys}
${kme_http:+http:
$kme_http}
EOF
}

kme_start() {
    for id in "$@"; do
        kme_configure "$id"
        rm -f "state-$id/port"
        # shellcheck disable=SC2094 # the log is written, then read
        "$kme_program" "$id.yaml" 2>>"$id.log" &
        eval "pid_$id=$!"
        tries=0
        until [ -s "state-$id/port" ] && [ -s "state-$id/admin-port" ]; do
            tries=$((tries + 1))
            if [ "$tries" -ge 400 ] || ! kill -0 "$(eval "echo \$pid_$id")"; then
                kme_fail "kme-$id does not start"
            fi
            sleep 0.05
        done
        eval "port_$id=$(cat "state-$id/port") admin_$id=$(cat "state-$id/admin-port")"
        [ "$id" = b ] || link_port=$(cat state-a/link-port)
    done
}

kme_kill() {
    kme_pid=$(eval "echo \$pid_$1")
    kill -KILL "$kme_pid"
    wait "$kme_pid" 2>/dev/null || true
    eval "pid_$1="
}

kme_stop() {
    kme_pid=$(eval "echo \$pid_$1")
    kill -TERM "$kme_pid"
    wait "$kme_pid" || kme_fail "kme-$1 ended with status $?"
    eval "pid_$1="
}

kme_port() {
    eval "echo \$port_$1"
}

kme_ask() {
    kme_from=$1 kme_at=$2
    shift 2
    "$kme_client" "$kme_from" "$(kme_port "$kme_at")" "$@" >said
    # shellcheck disable=SC2034 # for whoever sources this
    status=$(head -n 1 said) answer=$(tail -n +2 said)
}

kme_get() {
    curl --silent --max-time 5 "http://127.0.0.1:$(eval "echo \$admin_$1")$2"
}

kme_metric() {
    kme_get "$1" /metrics | awk -v name="ketseal_kme_$2" '$1 == name { print $2 }'
}

kme_wait() {
    tries=0
    until kme_value=$(kme_metric "$1" "$2") && [ -n "$kme_value" ] && [ "$kme_value" -ge "$3" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || kme_fail "kme-$1: $2 is ${kme_value:-unknown}, waited for $3"
        sleep 0.1
    done
}
