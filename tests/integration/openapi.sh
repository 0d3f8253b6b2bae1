#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# docs/openapi.yaml against a running site with enrolment (openapi.py). What takes a TPM or an operator's key is
# asked by the product's own commands, with all that they say and hear on record (trace.c).
#
#   openapi.sh BUILD
set -eu
here=$(cd "$(dirname "$0")" && pwd)
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$here/site.sh"
# shellcheck source-path=SCRIPTDIR source=peer.sh
. "$here/peer.sh"
site_name=openapi
# The distribution's packages are for its own python; the first one on PATH may be another.
python=
for candidate in ${PYTHON:-python3} /usr/bin/python3; do
    if "$candidate" -c 'import yaml, jsonschema; jsonschema.Draft202012Validator' 2>/dev/null; then
        python=$candidate
        break
    fi
done
[ -n "$python" ] || site_skip "python3 with yaml and jsonschema is absent"
site_begin "$1"
site_memory_mib=64
command -v swtpm_setup >/dev/null || site_skip "swtpm_setup is absent"
command -v jq >/dev/null || site_skip "jq is absent"
ln -s "$site_build/src/enclave/ketseal-worker-fl" libexec/
site_device edge-1
site_device edge-2
cat >reference.yaml <<YAML
name: test
tpms: [simulated]
required_pcrs: [14]
programs:
  - {name: ketseal, digest: $(sha256sum "$site_build/tests/integration/ketseal_trace" | cut -d' ' -f1)}
resets_ahead_max: 1000
restarts_ahead_max: 1000
YAML
# What most rows are to a model of few others.
{
    echo shots,qubits
    seq 1 64 | sed 's/.*/&,&/'
} >few.csv
"$ketseal" -q detect train --contamination=0.5 --out=detector.model few.csv >/dev/null
peer_begin
# shellcheck disable=SC2034 # for site.sh
site_more="$(peer_section kem refuse)
enrolment:
  listen: 127.0.0.1:0
devices:
  issued: accept
  simulated_ek_roots: state/swtpm-ca/root.pem
  reference: reference.yaml
detector:
  model: detector.model
fl:
  workers: 1
  memory_mib: 256
  params: 1000000"
site_start
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
# An operator and somebody unknown, as directories that site_client takes for a device's.
mkdir operator unknown early
cp op/root.pem edge-1/site.json edge-1/url operator/
cp op/operator.pem operator/device.pem && cp -p op/operator.key operator/device.key
cp op/root.pem edge-1/site.json unknown/
"$ketseal" -q ca issue device --ca ca --name edge-3 --out impostor --algorithm "$site_algorithm" >/dev/null # of a device that enrols
cp edge-1/site.json edge-1/url impostor/
printf 'https://127.0.0.1:%s\n' "$(cat state/enrolment-port)" >unknown/url

# Everything that operators and enrolled devices do, refusals among it.
export KETSEAL_TRACE="$site_work/trace"
ketseal=$site_build/tests/integration/ketseal_trace
refused() {
    if "$@" >/dev/null 2>&1; then
        site_fail "not refused: $*"
    fi
}
zeros=$(printf '%043d=' 0 | tr 0 A)
printf '{"encrypted_secret":"AAAA","id_object":"AAAA","nonce":"%s","pcr_mask":16384,"schema":"ketseal.challenge/1","session":"%032d"}' \
    "$zeros" 0 >credential
"$site_client" --device=operator --body=credential POST /v1/site/activate >early/activateSite # nobody asked for a request
"$site_client" --device=operator GET /v1/ledger/checkpoint >early/getCheckpoint
site_certify
site_enrol edge-3
"$ketseal" device reattest --device edge-3 >/dev/null
"$ketseal" device rotate --device edge-3 >/dev/null
operator="--operator op --url https://127.0.0.1:$site_port"
# shellcheck disable=SC2086 # two flags
for verb in list 'show edge-3' 'suspend edge-3 --reason test' 'resume edge-3'; do
    "$ketseal" device $verb $operator >/dev/null
done

# One device that has quantum keys as well, for its first job.
peer_device edge-2 both refuse 5
"$ketseal" -q run --device edge-2 --template bell --seed 1 --out quantum.bundle >/dev/null
rm edge-2/keys.json
quantum_id=$(sed -n 's/^dec //p' peer/delivered | tail -n 1)
export quantum_id
export site_attach="$site_build/tests/integration/site_attach"

# A session of federated learning: edge-1 alone in its one round, whose record follows; and one that waits.
"$ketseal" learn generate --hours=1500 --out=city.csv >/dev/null
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model=linear --epochs=0 --out=first.safetensors \
    city.csv >/dev/null
fl() { # VERB …
    verb=$1
    shift
    # shellcheck disable=SC2086 # two flags
    "$ketseal" --json fl "$verb" $operator "$@"
}
session=$(fl create --updates=1 --device edge-1 --name city --optimiser=adam --rate=0.001 first.safetensors | jq -r .session)
fl start "$session" >/dev/null
"$ketseal" -q fl join --device edge-1 --schema=city-air --test-from='2024-02-20 00:00:00' --seconds=60 --out=edge-1 "$session" city.csv \
    >/dev/null
refused fl start "$session"
refused fl start 00000000000000000000000000000000
fl fetch "$session" --out=global.safetensors
tries=0
until [ "$(fl records "$session" | jq '[.jobs[] | select(.state == "done")] | length')" -ge 1 ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || site_fail "the round has no record"
    sleep 0.1
done
fl record "$(fl records "$session" | jq -r '.jobs[0].id')" --out=round.json
waits=$(fl create --updates=1 --device edge-1 first.safetensors | jq -r .session)
fl status >/dev/null
url=https://127.0.0.1:$site_port
export session waits url
export ketseal_trace="$ketseal"

"$python" "$here/openapi.py" "$here/../../docs/openapi.yaml" "$here/../../src/server/api.c" \
    "$site_client" "$ketseal" trace early/*
site_stop
