#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Two key managers on the simulated BB84 link: keys are distilled and equal at both ends; with an
# eavesdropper the error rate rises, blocks give no key, the pool drains, requests are refused with the
# reason; without her it goes on.
#
#   kme_link.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=kme.sh
. "$(dirname "$0")/kme.sh"
kme_begin "$1" "$1/src/kme/ketseal-kme"
kme_sae sae-1
kme_sae sae-2
pulses='  pulses: 24000000
  distance_km: 5'
kme_link_a=$pulses
kme_link_b=$pulses
kme_keys='  stored_max: 150'
kme_start a b
kme_wait a 'stored_keys{half="own"}' 40
"$kme_client" load sae-1 "$port_a" sae-2 "$port_b" 2 20 1
kme_metric a 'link_qber{basis="x"}' | awk '{ exit !($1 > 0 && $1 < 0.03) }' || kme_fail 'the error rate of a quiet link'

# --- somebody listens -------------------------------------------------------------------------------------
kme_link_a="$pulses
  eve: intercept
  eve_share: 0.8"
kme_configure a
kill -HUP "$pid_a"
tries=0
until [ "$(kme_metric a 'link_blocks_total{outcome="key"}')" = "${before:-}" ] &&
    kme_metric a 'link_qber{basis="x"}' | awk '{ exit !($1 > 0.1) }'; do
    before=$(kme_metric a 'link_blocks_total{outcome="key"}')
    # Draws keys, so that new ones are wanted.
    kme_ask sae-1 a GET '/api/v1/keys/sae-2/enc_keys?number=100'
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || kme_fail 'nobody notices the eavesdropper'
    sleep 0.3
done
tries=0
until [ "$status" = 503 ] && echo "$answer" | grep -q 'gives no key'; do
    kme_ask sae-1 a GET '/api/v1/keys/sae-2/enc_keys'
    tries=$((tries + 1))
    [ "$tries" -lt 2000 ] || kme_fail "keys without end: $answer"
done
[ "$(echo "$answer" | jq -r .message)" = 'error on server side' ] || kme_fail "the reason: $answer"
echo "$kme_name: with an eavesdropper: $answer"

# --- and is gone --------------------------------------------------------------------------------------------
kme_link_a=$pulses
kme_configure a
kill -HUP "$pid_a"
kme_wait a 'stored_keys{half="own"}' 40
"$kme_client" load sae-1 "$port_a" sae-2 "$port_b" 2 20 1
kme_stop b
kme_stop a
echo "$kme_name: ok"
