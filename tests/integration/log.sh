#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The tables of enclave/sandbox.c are complete: builds of ketseald, the enclave and its workers whose filters have
# seccomp log what is in no table (tests/sandbox/unlisted_log.c) run every kind of job and of request, and the
# kernel's log names none of them. It has to name a program that makes such a call on purpose, before and after.
#
#   log.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
source_root=$(cd "$(dirname "$0")/../.." && pwd)
site_begin "$1"
command -v swtpm_setup >/dev/null || site_skip "swtpm_setup is absent"
kernel_log() { dmesg 2>/dev/null; }
kernel_log >/dev/null || site_skip "the kernel's log cannot be read"

# Numbers and lines of what seccomp logged since this test began, those alone whose action was to log.
audit_lines() { kernel_log | sed -n 's/^.*type=1326 audit([0-9.]*:\([0-9]*\)).*code=0x7ffc0000.*$/\1 &/p'; }
began=$(audit_lines | tail -n 1 | cut -d' ' -f1)
logged() { audit_lines | awk -v began="${began:-0}" '$1 + 0 > began + 0'; }
# What the kernel says when it prints less than it was told.
lost_lines() { kernel_log | grep -cE 'audit_lost|audit.*callbacks suppressed' || true; }
probe() {
    before=$(logged | grep -c unlisted_call || true)
    "$site_build/tests/sandbox/unlisted_call"
    sleep 0.1
    [ "$(logged | grep -c unlisted_call)" -gt "$before" ]
}
# A log that others have filled drops lines, and says so with the first one of its next 5 seconds.
probe || true
sleep 5.2
probe || site_skip "this kernel's log does not show what seccomp logs"
lost=$(lost_lines)

for program in ketseal-enclave ketseal-worker ketseal-worker-fl ketseald; do
    ln -sf "$site_build/tests/sandbox/$program-log" "libexec/$program"
done
head -c 5000 /dev/urandom >firmware.bin
cat >reference.yaml <<YAML
name: test
tpms: [simulated]
required_pcrs: [14]
programs:
  - {name: ketseal, digest: $(sha256sum "$ketseal" | cut -d' ' -f1)}
  - {name: firmware.bin, digest: $(sha256sum firmware.bin | cut -d' ' -f1)}
resets_ahead_max: 1000
restarts_ahead_max: 1000
YAML
site_more="  threads: 2
enrolment:
  listen: 127.0.0.1:0
devices:
  simulated_ek_roots: state/swtpm-ca/root.pem
  reference: reference.yaml
fl:
  workers: 1
  memory_mib: 512
  params: 100000
  keep_rounds: 1
  suspicion: 6
  suspend_after: 64"
operator() {
    verb=$1
    shift
    "$ketseal" device "$verb" --operator op --url "https://127.0.0.1:$site_port" "$@" >/dev/null
}
jobs=0
job() {
    "$ketseal" -q run --device edge-1 --shots 50 --seed 5 --out job.bundle "$@" >/dev/null 2>said ||
        { cat said >&2; site_fail "a job: $*"; }
    jobs=$((jobs + 1))
}

# --- a site's life, and its devices' -----------------------------------------------------------------------------
site_start
site_certify
site_enrol edge-1 --measure firmware.bin
site_enrol edge-2 --measure firmware.bin --ek rsa
"$ketseal" policy make --root ca/root.pem --site site.json --insecure-simulated-tpm --out lab.policy
"$ketseal" -q device reattest --device edge-1 >/dev/null
"$ketseal" -q device attest --device edge-1 --insecure-simulated-tpm >/dev/null
operator suspend edge-1 --reason test
operator resume edge-1
operator require-rotation edge-1
"$ketseal" -q device rotate --device edge-1 >/dev/null
operator list
operator revoke edge-2

# --- jobs of every kind -------------------------------------------------------------------------------------------
for precision in double single; do
    job --template bell --precision $precision
    for template in ghz qft hea rqc clifford_t_sampling; do
        job --template $template --qubits 5 --depth 3 --precision $precision
    done
    # Large enough for tiles, huge pages and both threads.
    job --template hea --qubits 18 --depth 2 --precision $precision
    for program in "$source_root"/tests/vectors/qasm/accept/*.qasm; do
        grep -q measure "$program" || continue
        job --precision $precision "$program"
    done
done
printf 'gate1: {depolarizing: 0.01}\nreadout: {read0_as1: 0.01}\n' >noise.yaml
job --method statevector --noise noise.yaml --template ghz --qubits 4
for method in stabilizer sparse mps; do
    job --method $method --template ghz --qubits 60
done
job --template hea --qubits 30 --depth 2
"$ketseal" verify --policy lab.policy job.bundle >/dev/null || site_fail "the last job does not verify"

# --- rounds of federated learning, by a sum and by a rule over rows --------------------------------------------------
url=https://127.0.0.1:$site_port
"$ketseal" learn generate --site=1 --hours=1500 --out=city.csv >/dev/null
"$ketseal" -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model=linear --epochs=0 --out=first.safetensors city.csv >/dev/null
rounds() { # FLAGS of fl create …
    session=$("$ketseal" --json fl create --operator op --url "$url" --device edge-1 --rounds=2 --updates=1 --train=60 --optimiser=adam --rate=0.001 "$@" first.safetensors |
        jq -r .session)
    "$ketseal" -q fl start --operator op --url "$url" "$session" >/dev/null
    "$ketseal" -q fl join --device edge-1 --schema=city-air --test-from='2024-02-20 00:00:00' --seconds=60 "$session" city.csv >/dev/null 2>said ||
        site_fail "fl join: $(cat said)"
    "$ketseal" -q fl fetch --operator op --url "$url" --out=global.safetensors "$session" >/dev/null
    "$ketseal" -q fl status --operator op --url "$url" "$session" >/dev/null
    jobs=$((jobs + 2))
}
rounds
rounds --encoding=q8 --bound=1
rounds --rule=median
"$ketseal" trace alerts --operator op --url "$url" >/dev/null

# --- jobs that end badly ------------------------------------------------------------------------------------------
printf 'OPENQASM 2.0;\nqreg q[2];\nnonsense q[0];\n' >wrong.qasm
! "$ketseal" -q run --device edge-1 --out no.bundle wrong.qasm >/dev/null 2>&1 || site_fail "a wrong program ran"
! "$ketseal" -q run --device edge-1 --out no.bundle --method statevector --template qft --qubits 40 >/dev/null 2>&1 ||
    site_fail "a job without memory ran"
id=$("$ketseal" --json -q job submit --device edge-1 --template rqc --qubits 22 --depth 400 | jq -r .id)
"$ketseal" -q job cancel --device edge-1 "$id" >/dev/null || site_fail "cancelling"
"$ketseal" -q job list --device edge-1 >/dev/null
"$ketseal" -q ledger check --device edge-1 >/dev/null
"$ketseal" -q ledger prove --device edge-1 0 >/dev/null
site_stop
site_start # what a start reads: state, registry, journal, tiles
url=https://127.0.0.1:$site_port
job --template bell
rounds --rule=median
site_stop

probe || site_fail "the kernel's log has stopped to show what seccomp logs"
! logged | grep -v unlisted_call || site_fail "system calls that are in no table"
[ "$(lost_lines)" -eq "$lost" ] || site_skip "the kernel lost lines of its log"
echo "log: $jobs jobs, no system call but those of the tables"
