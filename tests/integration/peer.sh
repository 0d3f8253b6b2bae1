# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh disable=SC2154 # what site_begin sets
#
# A key manager that misbehaves on demand (kme_peer.c), for the tests that source this after site.sh and
# site_begin:
#
#   peer_begin                  certificates, folder, the manager; it ends with the test
#   peer_start, peer_stop       again on the same port; kill -9
#   peer_section SOURCE WHEN_DOWN [LIFE] [STOCK]   the section `keys` of a site
#   peer_device DEVICE SOURCE WHEN_DOWN [BATCH]    keys.json of a device

peer_pid=

peer_start() {
    "$site_build/tests/integration/kme_peer" kme peer &
    peer_pid=$!
    peer_tries=0
    until [ -e peer/ready ]; do
        peer_tries=$((peer_tries + 1))
        [ "$peer_tries" -lt 100 ] || site_fail "the key manager does not start"
        sleep 0.05
    done
}

peer_stop() {
    rm -f peer/ready
    if [ -n "$peer_pid" ]; then
        kill -KILL "$peer_pid" 2>/dev/null || true
        wait "$peer_pid" 2>/dev/null || true
    fi
    peer_pid=
}

peer_begin() {
    # shellcheck disable=SC2034 # for site.sh
    site_at_end=peer_stop
    "$ketseal" -q ca issue device --ca ca --name site-sae --out site-sae >/dev/null
    "$ketseal" -q ca issue server --ca ca --name kme --ip 127.0.0.1 --out kme >/dev/null
    mkdir peer
    peer_start
}

peer_section() {
    cat <<YAML
keys:
  source: $1
  when_down: $2
  low: 4
  stock: ${4:-60}
  life_seconds: ${3:-600}
  kme:
    url: https://127.0.0.1:$(cat peer/port)
    root: ca/root.pem
    certificate: site-sae/device.pem
    key: site-sae/device.key
    timeout_ms: 1000
YAML
}

peer_device() {
    cat >"$1/keys.json" <<JSON
{"batch": ${4:-10}, "low": 3, "schema": "ketseal.device-keys/1", "source": "$2", "when_down": "$3",
 "kme": {"certificate": "device.pem", "key": "device.key", "root": "root.pem", "sae": "$1",
         "slave": "site-sae", "timeout_ms": 1000, "url": "https://127.0.0.1:$(cat peer/port)"}}
JSON
}
