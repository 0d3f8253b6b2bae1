#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# What it takes to enrol a device and to look at its health, whole commands with a simulated TPM: the first
# enrolment makes that TPM too. Then what a question to the enclave costs.
#
#   bench/enrol.sh BUILD_DIRECTORY [ROUNDS]
set -eu
# shellcheck source-path=SCRIPTDIR source=../tests/integration/site.sh
. "$(dirname "$0")/../tests/integration/site.sh"
rounds=${2:-10}
site_begin "$1"
cat >reference.yaml <<YAML
name: bench
tpms: [simulated]
required_pcrs: [14]
programs: [{name: ketseal, digest: $(sha256sum "$ketseal" | cut -d' ' -f1)}]
resets_ahead_max: 1000000
restarts_ahead_max: 1000000
YAML
site_more="enrolment:
  listen: 127.0.0.1:0
devices:
  issued: accept
  simulated_ek_roots: state/swtpm-ca/root.pem
  reference: reference.yaml"
site_device bench-1
site_start
site_certify
: >measured
timed() { # NAME COMMAND…
    name=$1
    shift
    begin=$(date +%s%N)
    "$@" >/dev/null
    echo "$name $((($(date +%s%N) - begin) / 1000))" >>measured
}
round=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    device=edge-$round
    for kind in ecc rsa; do
        site_token "$device-$kind"
        timed "first_$kind" "$ketseal" -q device enrol --device "$device-$kind" --token "$device-$kind.token" --ek "$kind" \
            --swtpm-ca "$maker" --ek-chain "$maker/issuing.pem"
        site_token "$device-$kind"
        timed "again_$kind" "$ketseal" -q device enrol --device "$device-$kind" --token "$device-$kind.token" --ek "$kind" \
            --ek-chain "$maker/issuing.pem" --again
    done
    timed reattest "$ketseal" -q device reattest --device "$device-ecc"
    timed rotate "$ketseal" -q device rotate --device "$device-ecc"
done
sort -k1,1 -k2,2n measured | awk '
    function row() {
        if (count) printf "{\"bench\":\"enrol\",\"what\":\"%s\",\"count\":%d,\"p50_us\":%d,\"min_us\":%d,\"max_us\":%d}\n",
            name, count, value[int((count + 1) / 2)], value[1], value[count]
    }
    $1 != name { row(); name = $1; count = 0 }
    { value[++count] = $2 }
    END { row() }'
"$site_build/bench/bench_enclave" bench-1
site_stop
