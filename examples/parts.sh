# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# shellcheck disable=SC2154 # of those who source this
#
# What demo.sh and city.sh have in common: how refusals are looked for, two key managers on a simulated link, a local
# chain. They set here, build and ketseal, and define step; site, managers and chain are the processes to be ended.

site=
managers=
chain=

# COMMAND has to fail, and to say TEXT. Of what it says the lines are shown that have a word of $shown.
refused() { # TEXT COMMAND...
    text=$1
    shift
    if "$@" >refusal 2>&1; then
        cat refusal
        echo "this was not refused: $*" >&2
        exit 1
    fi
    grep -E "${shown:-.}" refusal | sed 's/^/  /' || true
    grep -q -- "$text" refusal || { echo "refused, but without a word of '$text'" >&2; exit 1; }
}

wait_for() { # TEXT FILE
    tries=0
    until grep -qs -- "$1" "$2"; do
        kill -0 "$site" 2>/dev/null || exit 1
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || exit 1
        sleep 0.05
    done
}

# --- a site --------------------------------------------------------------------------------------------

# Its configuration, but for sections of its own; devices have to look as reference.yaml says.
site_section() { # NAME
    cat <<YAML
site:
  origin: $1.example/ketseal
  listen: 127.0.0.1:0
  state: state
tls:
  root: server/root.pem
  certificate: server/server.pem
  key: server/server.key
enrolment:
  listen: 127.0.0.1:0
devices:
  simulated_ek_roots: state/swtpm-ca/root.pem
  reference: reference.yaml
YAML
}

# The CA certifies the site at $url: site.json, and the policy POLICY that pins it. Who makes the TPMs is $maker.
certify_site() { # POLICY
    maker=$work/state/swtpm-ca
    "$ketseal" -q site certify --ca ca --operator operator --url "$url" --ek-chain "$maker/issuing.pem" \
        --insecure-simulated-ek-roots "$maker/root.pem" --out site.json
    "$ketseal" policy make --root ca/root.pem --site site.json --insecure-simulated-tpm --out "$1"
}

token() { # DEVICE, FILE: with which the device may enrol, once
    "$ketseal" -q device token --operator operator --name "$1" --site site.json --url "$url" \
        --enrolment-url "https://127.0.0.1:$(cat state/enrolment-port)" --out "$2"
}

# --- quantum keys ------------------------------------------------------------------------------------

# manager LETTER: its configuration; $eve is what happens on the link.
configure_manager() {
    case $1 in
    a) role="alice" peer=b where="listen: 127.0.0.1:0" identity=kme-a/server ;;
    *) role="bob" peer=a where="connect: 127.0.0.1:$(cat kme-state-a/link-port)" identity=link-b/device ;;
    esac
    cat >"kme-$1.yaml" <<YAML
kme:
  id: kme-$1
  listen: 127.0.0.1:0
  state: kme-state-$1
tls:
  root: ca/root.pem
  certificate: kme-$1/server.pem
  key: kme-$1/server.key
link:
  peer: kme-$peer
  role: $role
  $where
  root: ca/root.pem
  certificate: $identity.pem
  key: $identity.key
  pulses: 24000000
  distance_km: 5
$eve
keys:
  stored_max: 100
YAML
}

# Two key managers on a simulated BB84 link; it distils while the rest goes on. The site is SITE-sae there.
start_managers() { # SITE DEVICE: who draws; other devices may draw in its name
    sae=$1-sae
    drawer=$2
    for id in a b; do
        "$ketseal" -q ca issue server --ca ca --name "kme-$id" --ip 127.0.0.1 --out "kme-$id"
    done
    "$ketseal" -q ca issue device --ca ca --name kme-b --out link-b
    "$ketseal" -q ca issue device --ca ca --name "$sae" --out site-sae
    "$ketseal" -q ca issue device --ca ca --name "$drawer" --out "$drawer-sae"
    eve=
    for id in a b; do
        configure_manager "$id"
        "$build/src/kme/ketseal-kme" "kme-$id.yaml" 2>"kme-$id.log" &
        managers="$managers $!"
        tries=0
        until [ -s "kme-state-$id/port" ]; do
            tries=$((tries + 1))
            [ "$tries" -lt 300 ] || exit 1
            sleep 0.05
        done
    done
}

# The site asks for keys of its own delivery and quantum keys, combined.
site_keys() {
    cat <<YAML
keys:
  source: both
  when_down: kem
  stock: 4096
  kme:
    url: https://127.0.0.1:$(cat kme-state-b/port)
    root: ca/root.pem
    certificate: site-sae/device.pem
    key: site-sae/device.key
YAML
}

# So does the device; where no quantum keys can be had it does what is said: refuse, or kem.
device_keys() { # DEVICE BATCH WHEN_DOWN
    cat >"$1/keys.json" <<JSON
{"batch": $2, "low": 1, "schema": "ketseal.device-keys/1", "source": "both", "when_down": "$3",
 "kme": {"certificate": "../$drawer-sae/device.pem", "key": "../$drawer-sae/device.key",
         "root": "../$drawer-sae/root.pem", "sae": "$drawer", "slave": "$sae",
         "url": "https://127.0.0.1:$(cat kme-state-a/port)"}}
JSON
}

# --- a chain -----------------------------------------------------------------------------------------

chain_call() { # METHOD PARAMS
    curl -sf -H 'content-type: application/json' \
        -d "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"$1\",\"params\":$2}" "$node"
}

start_chain() { # ANVIL
    : >chain.log
    "$1" --host 127.0.0.1 --port 0 >chain.log 2>&1 &
    chain=$!
    tries=0
    until chain_port=$(sed -n 's/^Listening on 127\.0\.0\.1:\([0-9]*\)$/\1/p' chain.log) && [ -n "$chain_port" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || exit 1
        sleep 0.05
    done
    node=http://127.0.0.1:$chain_port
}

send_signed() { # NAME: of the file with the transaction
    "$ketseal" -q anchor sign --key anchor.key "$1" --out "$1.signed" # needs no network
    "$ketseal" anchor send --rpc "$node" "$1.signed" | tee sent | sed 's/^/  /'
}

# The newest checkpoint into NAME, its anchor into NAME.anchor; not where no local chain is installed.
anchor_checkpoint() { # DEVICE NAME
    tools=$("$(dirname "$here")/tools/deps.sh" --npm)
    anvil=$(find "${tools:-/nonexistent}/node_modules/@foundry-rs" -path '*/bin/anvil' -type f 2>/dev/null | head -n 1)
    if [ -z "$anvil" ]; then
        step "no anchoring: no local chain is installed (docs/anchoring.md tells how it goes)"
        return 1
    fi
    step "a local chain: an account, the contract, and the ledger's newest checkpoint anchored by a transaction signed offline"
    start_chain "$anvil"
    account=$("$ketseal" anchor keygen --out anchor.key)
    chain_call anvil_setBalance "[\"$account\",\"0x8ac7230489e80000\"]" >/dev/null # a local chain gives coins away
    "$ketseal" -q anchor deploy --rpc "$node" --chain 31337 --from "$account" --out deploy
    send_signed deploy
    contract=$(sed -n 's/^contract //p' sent)
    "$ketseal" anchor pin --chain 31337 --contract "$contract" --from "$account" --out anchor.pin
    "$ketseal" -q anchor prepare --rpc "$node" --pin anchor.pin --device "$1" --checkpoint-out "$2" --out anchor
    send_signed anchor
    "$ketseal" -q anchor prove --rpc "$node" --pin anchor.pin --block latest "$2" --out "$2.anchor"
    "$ketseal" -q anchor check --pin anchor.pin --checkpoint "$2" "$2.anchor" | sed 's/^/  /'
}

# BUNDLE with that anchor, and a policy that demands it: anchored.bundle, anchored.policy. The chain is gone then.
anchor_bundle() { # DEVICE NAME BUNDLE
    step "the bundle with its anchor, and the block pinned, as somebody else would look it up; the chain is gone"
    block=$("$ketseal" -q --json anchor check --pin anchor.pin --checkpoint "$2" "$2.anchor" |
        sed 's/.*"block_hash":"\([0-9a-f]*\)","block_number":\([0-9]*\).*/\2:0x\1/')
    "$ketseal" anchor pin --chain 31337 --contract "$contract" --from "$account" --block "$block" --out anchor.pin
    "$ketseal" policy make --root ca/root.pem --site site.json --insecure-simulated-tpm --anchor anchor.pin --out anchored.policy
    "$ketseal" -q bundle complete --policy anchored.policy --device "$1" --fetch --checkpoint "$2" --anchor "$2.anchor" \
        --out anchored.bundle "$3"
    kill -TERM "$chain"
    wait "$chain" 2>/dev/null || true
    chain=
    "$build/src/cli/ketseal-verify" --explain anchored.policy anchored.bundle | grep -E '^(pass|fail|not-run) +anchor|^verified'
}
