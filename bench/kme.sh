#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Keys delivered by two key managers, each fetched at the other end too; one JSON line for each load, with
# the transactions (one sync each, beside those of SQLite's checkpoints) of either manager for a request.
# The link is the one for tests, so that what is measured is delivery; `ketseal qkd simulate` measures links.
#
#   bench/kme.sh [BUILD_DIRECTORY]
set -eu
# shellcheck source-path=SCRIPTDIR source=../tests/integration/kme.sh
. "$(dirname "$0")/../tests/integration/kme.sh"
kme_build=${1:-build/release}
kme_begin "$kme_build" "$kme_build/tests/integration/kme_straight"
kme_sae sae-1
kme_sae sae-2
kme_start a b

load() { # THREADS REQUESTS NUMBER
    kme_wait a 'stored_keys{half="own"}' 9000
    a=$(kme_metric a commits_total) b=$(kme_metric b commits_total)
    "$kme_client" load sae-1 "$port_a" sae-2 "$port_b" "$@" >line || kme_fail "$(cat line)"
    sleep 0.5
    a=$(($(kme_metric a commits_total) - a)) b=$(($(kme_metric b commits_total) - b))
    jq -c --argjson a "$a" --argjson b "$b" '. + {syncs_master_per_request: ($a / .requests * 100 | round / 100),
        syncs_slave_per_request: ($b / .requests * 100 | round / 100)}' line
}

load 1 1000 1
load 4 4000 1
load 16 8000 1
load 32 8000 1
load 4 2000 4
load 1 200 32
kme_stop a
kme_stop b
