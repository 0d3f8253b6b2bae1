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
  model: detector.model"
site_start
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
# An operator and somebody unknown, as directories that site_client takes for a device's.
mkdir operator unknown early
cp op/root.pem edge-1/site.json edge-1/url operator/
cp op/operator.pem operator/device.pem && cp -p op/operator.key operator/device.key
cp op/root.pem edge-1/site.json unknown/
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

"$python" "$here/openapi.py" "$here/../../docs/openapi.yaml" "$here/../../src/server/api.c" \
    "$site_client" "$ketseal" trace early/*
site_stop
