#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A whole site on this machine: simulated TPMs, CA, enclave, workers, ketseald; the site certified, one device
# enrolled by credential activation, its identity sealed to its measured state; three jobs sealed, verified
# offline and replayed, and, where `make adapters` was run, one of them on Qiskit and Cirq. Refused: a clone of the device's files, a device whose measured file was changed, one
# forged bundle, and all that a ketseald tries which was taken over. Accepted: a change that was planned and signed
# for. Where a local chain is installed (tools/deps.sh), a checkpoint is anchored on it, and the bundle verifies with its
# anchor when that chain is gone. Two witnesses cosign the ledger, and an auditor demands both. Then a job under a
# quantum key of two key managers, and an eavesdropper on the link between these: no key, so no job, until the policy
# lets others count.
#
#   examples/demo.sh [BUILD_DIRECTORY]
#
# KETSEAL_DEMO_KEEP=DIRECTORY keeps the bundles and the policy there.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
build=$(cd "${1:-build/release}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-demo.XXXXXX")
site=
managers=
chain=
witnesses=
ketseal=$build/src/cli/ketseal

cleanup() {
    status=$?
    if [ -n "$site" ] && kill -0 "$site" 2>/dev/null; then
        kill -TERM "$site"
        wait "$site" || status=1
    fi
    for other in $managers $witnesses $chain; do
        kill -KILL "$other" 2>/dev/null || true
    done
    if [ "$status" -ne 0 ]; then
        printf 'demo: failed; the site said:\n' >&2
        tail -n 40 "$work/site.log" >&2 2>/dev/null || true
    fi
    rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

step() { printf '\n== %s\n' "$*"; }
# shellcheck source-path=SCRIPTDIR source=parts.sh
. "$here/parts.sh"

# --- witnesses ---------------------------------------------------------------------------------------

start_witness() { # NAME
    "$ketseal" witness keygen --name "$1.example/w" --out "$1" >"$1.vkeys"
    cat >"$1.yaml" <<YAML
witness: {name: $1.example/w, listen: "127.0.0.1:0", state: $1/state}
keys: {ed25519: $1/witness-ed25519.key, mldsa44: $1/witness-mldsa44.key}
logs:
  - keys:
$(sed 's/.*/      - "&"/' ledger.vkeys)
YAML
    "$build/src/witness/ketseal-witness" "$1.yaml" 2>"$1.log" &
    witnesses="$witnesses $!"
    wait_for event=witness.ready "$1.log"
    cat >>ketseal.yaml <<YAML
    - url: http://127.0.0.1:$(cat "$1/state/port")
      keys:
$(sed 's/.*/        - "&"/' "$1.vkeys")
YAML
}

cosigned() {
    step "two witnesses cosign the ledger's checkpoints, Ed25519 and ML-DSA-44; an auditor demands both"
    "$ketseal" ledger vkeys --site site.json >ledger.vkeys
    cp ketseal.yaml unwitnessed.yaml
    printf 'witness:\n  quorum: 2\n  interval_ms: 100\n  servers:\n' >>ketseal.yaml
    for name in alice bob; do
        start_witness "$name"
    done
    cat alice.vkeys bob.vkeys >witnesses.vkeys
    "$ketseal" policy make --root ca/root.pem --site site.json --insecure-simulated-tpm --witnesses witnesses.vkeys \
        --out witnessed.policy
    kill -TERM "$site"
    wait "$site"
    rm site.log
    "$build/src/server/ketseal-launch" --libexec="$work/libexec" ketseal.yaml 2>site.log &
    site=$!
    wait_for event=site.ready site.log
    url=https://127.0.0.1:$(cat state/port)
    id=$(sed -n 's/.*"record_id":"\([^"]*\)".*/\1/p' bell.bundle)
    "$ketseal" -q job fetch --device edge-1 --url "$url" --wait cosigned --timeout 30 --policy witnessed.policy \
        --out cosigned.bundle "$id"
    "$build/src/cli/ketseal-verify" --explain witnessed.policy cosigned.bundle | grep -E '^pass +ledger' | sed 's/^/  /'
    refused 'required by the policy, but not run' "$ketseal" verify --policy witnessed.policy bell.bundle
    for witness in $witnesses; do
        kill -TERM "$witness"
    done
    witnesses=
    mv unwitnessed.yaml ketseal.yaml
}

# --- quantum keys ------------------------------------------------------------------------------------

quantum_run() { # OUT
    "$ketseal" -q run --device edge-1 --url "https://127.0.0.1:$(cat state/port)" --template bell --shots 100 --seed 1 \
        --policy lab.policy --out "$1"
}

show_keys() { # BUNDLE SOURCE: what its record says of the key
    grep -o '"key_id":"[^"]*","key_policy":"[^"]*","key_source":"[^"]*"' "$1" | head -n 1 | sed 's/^/  /'
    grep -q "\"key_policy\":\"both\",\"key_source\":\"$2\"" "$1"
}

quantum_keys() {
    step "quantum keys: the site asks for keys of its own delivery and of a key manager (ETSI GS QKD 014), combined"
    kill -TERM "$site"
    wait "$site"
    cp ketseal.yaml plain.yaml
    site_keys >>ketseal.yaml
    "$build/src/server/ketseal-launch" --libexec="$work/libexec" ketseal.yaml 2>site.log &
    site=$!
    wait_for event=site.ready site.log
    device_keys edge-1 64 refuse
    tries=0
    until quantum_run quantum.bundle 2>refusal; do # until the first block is distilled
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { cat refusal; exit 1; }
        sleep 0.1
    done
    show_keys quantum.bundle both

    step "an eavesdropper on the link: no block gives a key, and when the last one is used the device refuses"
    eve="  eve: intercept
  eve_share: 0.8"
    configure_manager a
    # shellcheck disable=SC2086 # the first word
    set -- $managers
    kill -HUP "$1"
    tries=0
    until ! quantum_run eve.bundle 2>refusal && grep -q 'gives no key' refusal; do
        rm -f edge-1/state/keyring eve.bundle # what was distilled before is good: it is drawn first
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || { cat refusal; exit 1; }
    done
    sed 's/^/  /' refusal

    step "the device's policy says 'kem' instead: the site's own keys are used, and the record shows it"
    device_keys edge-1 64 kem
    quantum_run fallback.bundle
    show_keys fallback.bundle kem
    rm edge-1/keys.json
    for manager in $managers; do
        kill -TERM "$manager"
    done
    managers=
    kill -TERM "$site"
    wait "$site"
    mv plain.yaml ketseal.yaml
}

# --- the demo -----------------------------------------------------------------------------------------

cd "$work"
mkdir libexec
for program in enclave/ketseal-enclave enclave/ketseal-worker enclave/ketseal-adapter server/ketseald; do
    ln -s "$build/src/$program" libexec/
done
mkdir libexec/adapters
ln -s "$build/src/enclave/qiskit.py" "$build/src/enclave/cirq.py" libexec/adapters/
# Where make adapters was run, the site has Qiskit and Cirq too.
sdks=${KETSEAL_ADAPTERS:-${KETSEAL_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/ketseal}/adapters}
[ -e "$sdks/pyvenv.cfg" ] || sdks=

step "a CA (SLH-DSA-SHA2-128s), certificates of a server and an operator (ML-DSA-65)"
"$ketseal" -q ca new --out ca
"$ketseal" -q ca issue server --ca ca --name demo-site --ip 127.0.0.1 --out server
"$ketseal" -q ca issue operator --ca ca --name operator-1 --out operator

start_managers demo-site edge-1
step "the site: swtpm, measured enclave, workers, ketseald, and what its devices must look like"
echo 'gain: 3' >detector.conf # a file of the device's that matters
cat >reference.yaml <<YAML
name: demo
tpms: [simulated]
required_pcrs: [14]
programs:
  - {name: ketseal, digest: $(sha256sum "$ketseal" | cut -d' ' -f1)}
  - {name: detector.conf, digest: $(sha256sum detector.conf | cut -d' ' -f1)}
resets_ahead_max: 1000 # swtpm is started, and so reset, by each command
YAML
site_section demo >ketseal.yaml
printf 'workers:\n  count: 4\n' >>ketseal.yaml
[ -z "$sdks" ] || printf 'adapters:\n  qiskit: %s\n  cirq: %s\n' "$sdks" "$sdks" >>ketseal.yaml
"$build/src/server/ketseal-launch" --libexec="$work/libexec" ketseal.yaml 2>site.log &
site=$!
wait_for event=site.ready site.log
grep -E 'event=(enclave|site)\.' site.log | sed 's/^/  /'
url=https://127.0.0.1:$(cat state/port)

step "the CA challenges the site's TPM, then certifies the site and the key that will issue for devices"
certify_site lab.policy

openssl ecparam -name prime256v1 -genkey -noout -out authority.pem # who may plan updates
openssl pkey -in authority.pem -pubout -outform DER -out authority.der
enrol() { # DEVICE
    "$ketseal" -q device enrol --device "$1" --token "$1.token" --swtpm-ca "$maker" \
        --ek-chain "$maker/issuing.pem" --measure detector.conf --update-authority authority.der
}

step "a device enrols: token, endorsement certificate, credential activation, quote; its keys are sealed to PCR 14"
token edge-1 edge-1.token
enrol edge-1
"$ketseal" device reattest --device edge-1 | grep '^pass' | sed 's/^/  /'

cat >bell.qasm <<QASM
OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0], q[1];
measure q -> c;
QASM

seal() { # NAME, then the arguments of run
    name=$1
    shift
    step "$name: run, verify offline, replay"
    "$ketseal" run --device edge-1 "$@" --out "$name.bundle"
    "$ketseal" verify --policy lab.policy "$name.bundle"
    "$ketseal" replay "$name.bundle"
}
seal bell --shots 2000 --seed 7 bell.qasm
seal qft16 --template qft --qubits 16 --shots 1000 --seed 11
seal clifford --template clifford_t_sampling --qubits 4 --depth 10 --seed 123 --shots 2000

if [ -n "$sdks" ]; then
    for sdk in qiskit cirq; do
        step "the last job on $sdk: run, verify offline, compare"
        "$ketseal" run --device edge-1 --sdk "$sdk" --template clifford_t_sampling --qubits 4 --depth 10 --seed 123 --shots 2000 \
            --out "$sdk.bundle"
        "$ketseal" verify --policy lab.policy "$sdk.bundle"
        "$ketseal" compare --policy lab.policy clifford.bundle "$sdk.bundle"
    done
else
    step "no Qiskit and Cirq here: make adapters installs them, and the demo runs a job on each"
fi

step "the stand-alone verifier, and every check explained"
"$build/src/cli/ketseal-verify" --explain lab.policy bell.bundle | grep -E '^(pass|fail|not-run|verified)'

if anchor_checkpoint edge-1 checkpoint; then
    anchor_bundle edge-1 checkpoint bell.bundle
fi

step "a forged bundle: one count changed"
sed 's/"shots":2000/"shots":2001/' bell.bundle >forged.bundle
if "$ketseal" verify --policy lab.policy forged.bundle; then
    echo "the forged bundle was accepted" >&2
    exit 1
fi

step "a clone: the device's files beside another TPM"
cp -r edge-1 clone
rm -r clone/tpm
refused clone/identity.sealed "$ketseal" -q run --device clone --template bell --seed 1 --out clone.bundle

step "a measured file changes: the TPM does not give the identity out, and the site refuses who shows such a machine"
echo 'gain: 4' >detector.conf
refused 'PCR 14' "$ketseal" -q run --device edge-1 --template bell --seed 1 --out altered.bundle
token edge-2 edge-2.token
refused detector.conf enrol edge-2
echo 'gain: 3' >detector.conf
"$ketseal" -q run --device edge-1 --template bell --seed 1 --out back.bundle
echo "  as it was before: the device works again"

step "the same change, planned: the update authority signs for the new state, and nobody enrols again"
echo 'gain: 4' >detector.conf
"$ketseal" device update --device edge-1 --update-message message | sed 's/^/  to be signed for: /'
openssl dgst -sha256 -sign authority.pem -out signature message
"$ketseal" device update --device edge-1 --update-signature signature >/dev/null
"$ketseal" -q run --device edge-1 --template bell --seed 1 --out updated.bundle
echo "  the device works, sealed to the new state alone"

cosigned
quantum_keys

step "ketseald is taken over (a build that turns hostile): it asks the enclave and the disk for all they have"
cp edge-1/device.pem state/store/device.pem # what it has seen of others
key=$(grep -o '"key_id":"[^"]*"' bell.bundle | head -n 1 | cut -d '"' -f 4)
printf '%s.%s' "${key%.*}" "$((${key##*.} + 100))" >state/store/key_id
printf calm >state/store/mode
ln -sf "$build/tests/sandbox/ketseald-hostile" libexec/ketseald
"$build/src/server/ketseal-launch" --libexec="$work/libexec" ketseal.yaml 2>site.log &
site=$!
wait_for event=enclave.ready site.log
printf '%s %s\n' "$(pgrep -P "$site" -f '^ketseal-enclave')" "$site" >pids
mv pids state/store/pids
wait_for '^done$' state/store/report
for what in open frame; do
    printf '  %s: %s tried, %s refused\n' "$what" "$(grep -c "^$what " state/store/report)" \
        "$(grep -c "^$what .* refused " state/store/report)"
done
grep -E '^frame (checkpoint-shrinks|checkpoint-other-root|admit-guessed-key) ' state/store/report | cut -c1-110 | sed 's/^/  /'
if grep -E 'OPENED|ACCEPTED|UNANSWERED|UNTRIED|DEAD' state/store/report; then
    echo "something was granted" >&2
    exit 1
fi

if [ -n "${KETSEAL_DEMO_KEEP-}" ]; then
    mkdir -p "$KETSEAL_DEMO_KEEP"
    cp bell.bundle qft16.bundle clifford.bundle lab.policy "$KETSEAL_DEMO_KEEP/"
fi
step "done: records sealed, verified, replayed and cosigned; clone, altered device, forgery, eavesdropper and hostile ketseald were refused"
