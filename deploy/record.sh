#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A record of clifford_t_sampling on one SDK: a whole site with a simulated TPM, for this one job, makes it; it is verified,
# and its hash is printed. The bundle and the policy that it verifies against stay; the site's state is gone afterwards.
#
#   ketseal-record native|qiskit|cirq DIRECTORY      DIRECTORY/SDK.bundle, DIRECTORY/SDK.policy
#
# Qubits, depth, seed and shots: $QUBITS, $DEPTH, $SEED, $SHOTS. The SDKs' environment: $KETSEAL_ADAPTERS.
set -eu
sdk=$1
out=$2
work=$(mktemp -d)
site=

cleanup() {
    status=$?
    trap - EXIT
    if [ -n "$site" ] && kill -TERM "$site" 2>/dev/null; then
        wait "$site" || status=1
    fi
    [ "$status" -eq 0 ] || tail -n 20 "$work/site.log" >&2 2>/dev/null || true
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

cd "$work"
ketseal -q ca new --out ca >/dev/null
ketseal -q ca issue server --ca ca --name record-site --ip 127.0.0.1 --out server >/dev/null
ketseal -q ca issue device --ca ca --name record-device --out device >/dev/null
{
    printf 'site:\n  origin: record.invalid/ketseal\n  listen: 127.0.0.1:0\n  state: state\n'
    printf 'tls:\n  root: server/root.pem\n  certificate: server/server.pem\n  key: server/server.key\n'
    printf 'workers:\n  count: 1\n  seconds: 300\n  memory_mib: 256\n'
    [ "$sdk" = native ] || printf 'adapters:\n  %s: %s\n' "$sdk" "${KETSEAL_ADAPTERS:?names no environment}"
} >ketseal.yaml
ketseal-launch ketseal.yaml 2>site.log &
site=$!
tries=0
until grep -q event=site.ready site.log; do
    kill -0 "$site" 2>/dev/null || { site=; echo "ketseal-record: the site does not start" >&2; exit 4; }
    tries=$((tries + 1))
    [ "$tries" -le 1200 ] || { echo "ketseal-record: the site is not ready after two minutes" >&2; exit 4; }
    sleep 0.1
done
cp state/site.json device/
ketseal policy make --root ca/root.pem --site state/site.json --insecure-simulated-tpm --out "$out/$sdk.policy"
set -- --device device --url "https://127.0.0.1:$(cat state/port)" --template clifford_t_sampling \
    --qubits "${QUBITS:-3}" --depth "${DEPTH:-2}" --seed "${SEED:-1234}" --shots "${SHOTS:-1024}" --out "$out/$sdk.bundle"
[ "$sdk" = native ] || set -- --sdk "$sdk" "$@"
ketseal run "$@"
ketseal verify --policy "$out/$sdk.policy" "$out/$sdk.bundle"
ketseal record hash "$out/$sdk.bundle"
