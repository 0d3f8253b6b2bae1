#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Whole sites whose certificates, and those of their devices, have other keys than ML-DSA-65: SLH-DSA where
# the site names it and nowhere else, with one-time keys, jobs, cancellations, orders and bundles that verify.
#
#   suites.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_algorithm=SLH-DSA-SHA2-128f
site_begin "$1"
verify=$site_build/src/cli/ketseal-verify
checks=0
[ -x "${KS_OPENSSL:-}" ] || site_skip "KS_OPENSSL names no openssl"
openssl_of_build() {
    LD_LIBRARY_PATH=$(dirname "$KS_OPENSSL")/../lib "$KS_OPENSSL" "$@"
}

# tls DIRECTORY LIST GROUPS: what a device or an operator speaks.
tls() {
    printf '{"schema": "ketseal.tls/1", "groups": "%s", "signature_algorithms": "%s"}\n' "$3" "$2" >"$1/tls.json"
}

# run DEVICE ALGORITHM: one job, its bundle verified by both verifiers, the key in the record's certificate.
run() {
    "$ketseal" -q run --device "$1" --template bell --shots 1000 --seed 7 --out "$1.bundle" ||
        site_fail "$1 cannot run a job"
    "$ketseal" verify --policy lab.policy "$1.bundle" >/dev/null || site_fail "$1.bundle does not verify"
    "$verify" lab.policy "$1.bundle" >/dev/null || site_fail "$1.bundle: ketseal-verify says no"
    jq -r .record.evidence.device_certificate "$1.bundle" | base64 -d >"$1.der"
    [ "$("$ketseal" --json bundle show "$1.bundle" | jq -r .device_key)" = "$2" ] || site_fail "$1.bundle names another algorithm"
    openssl_of_build x509 -inform DER -in "$1.der" -noout -text | grep -q "Public Key Algorithm: $2\$" ||
        site_fail "$1: the record's certificate is not of $2"
    checks=$((checks + 1))
}

# A device of each kind, the site itself with SLH-DSA-SHA2-128f.
all=mldsa44:mldsa65:mldsa87:slhdsa_sha2_128s:slhdsa_sha2_128f
for algorithm in ML-DSA-44 ML-DSA-65 ML-DSA-87 SLH-DSA-SHA2-128s SLH-DSA-SHA2-128f; do
    site_algorithm=$algorithm
    site_device "d-$algorithm"
    tls "d-$algorithm" "$all" X25519MLKEM768
done
tls d-SLH-DSA-SHA2-128s slhdsa_sha2_128f:slhdsa_sha2_128s MLKEM768
"$ketseal" -q ca issue operator --ca ca --name op --out op --algorithm SLH-DSA-SHA2-128f >/dev/null
tls op "$all" MLKEM768

# --- by default neither end has SLH-DSA ------------------------------------------------------------
rc=0
site_launch
wait "$site_pid" || rc=$?
site_pid=
[ "$rc" -ne 0 ] || site_fail "a site with an SLH-DSA key starts, though its configuration does not name it"
grep -q "its key is SLH-DSA-SHA2-128f, and the signature algorithms are 'mldsa65:mldsa87'" site.log ||
    site_fail "the site does not say why it does not start"

# --- everything by name ----------------------------------------------------------------------------
site_tls="  groups: X25519MLKEM768:MLKEM768
  signature_algorithms: $all"
site_start
for algorithm in ML-DSA-44 ML-DSA-65 ML-DSA-87 SLH-DSA-SHA2-128s SLH-DSA-SHA2-128f; do
    run "d-$algorithm" "$algorithm"
done
device=d-SLH-DSA-SHA2-128f

# The submission is signed by that key: 17,088 bytes, and not one of them can be changed.
jq -r .record.evidence.signature "$device.bundle" | base64 -d >signature
[ "$(wc -c <signature)" -eq 17088 ] || site_fail "the submission's signature has another length"
jq -c '.record.evidence.signature |= (.[0:100] + (if .[100:101] == "A" then "B" else "A" end) + .[101:])' \
    "$device.bundle" >changed.bundle
site_refused 1 . "$ketseal" verify --policy lab.policy changed.bundle
# By another program, from the record alone.
jq -cj .record.evidence.submission "$device.bundle" >submission
openssl_of_build x509 -inform DER -in "$device.der" -noout -pubkey >device.pub
openssl_of_build pkeyutl -verify -pubin -inkey device.pub -rawin -in submission -sigfile signature \
    -pkeyopt context-string:ketseal/submission/1 >/dev/null || site_fail "openssl does not verify the submission"

# Waiting for a job, and cancelling one, by such keys.
id=$("$ketseal" --json job submit --device "$device" --template bell --shots 10 --seed 1 | jq -r .id)
"$ketseal" -q job wait --device "$device" "$id" >/dev/null || site_fail "a job is not waited for"
site_refused 5 'the job is not running' "$ketseal" job cancel --device "$device" "$id"
"$ketseal" --json device list --operator op --url "$(cat "$device/url")" >/dev/null ||
    site_fail "an operator with an SLH-DSA key is not let in"

# Who does not name it does not meet the site, and says so.
cp -r d-ML-DSA-65 narrow
rm narrow/tls.json
site_refused 1 'TLS' "$ketseal" run --device narrow --template bell --shots 10 --seed 1 --out narrow.bundle
cp -r "$device" unnamed
rm unnamed/tls.json
site_refused 1 "its key is SLH-DSA-SHA2-128f, and the signature algorithms are 'mldsa65:mldsa87'" \
    "$ketseal" run --device unnamed --template bell --shots 10 --seed 1 --out unnamed.bundle
printf '{"schema": "ketseal.tls/1", "signature_algorithms": "mldsa65:ed25519"}\n' >unnamed/tls.json
site_refused 3 "'signature_algorithms'.*'ed25519' is not one that TLS may use here" \
    "$ketseal" run --device unnamed --template bell --shots 10 --seed 1 --out unnamed.bundle
site_stop

# --- a site of ML-DSA that lets SLH-DSA devices in, and then no longer ------------------------------
site_algorithm=ML-DSA-65
rm -r server
"$ketseal" -q ca issue server --ca ca --name test-site --ip 127.0.0.1 --out server >/dev/null
site_tls='  signature_algorithms: mldsa65:slhdsa_sha2_128f'
site_start
run "$device" SLH-DSA-SHA2-128f
run d-ML-DSA-65 ML-DSA-65
site_refused 5 "the site refuses us" "$ketseal" run --device d-ML-DSA-87 --template bell --shots 10 --seed 1 --out x.bundle
site_stop
site_tls=
site_start
run d-ML-DSA-87 ML-DSA-87
site_refused 5 "the site refuses us" "$ketseal" run --device "$device" --template bell --shots 10 --seed 1 --out x.bundle
# What was made stays good: its verdict does not hang on what TLS is set to.
"$ketseal" verify --policy lab.policy "$device.bundle" >/dev/null || site_fail "an older bundle does not verify"
site_stop
grep -q 'event=policy.changed' site.log || site_fail "another policy of the enclave is not in the log"

# --- what is written wrong -------------------------------------------------------------------------
site_tls='  signature_algorithms: mldsa65:ecdsa_secp256r1_sha256'
rc=0
site_launch
wait "$site_pid" || rc=$?
site_pid=
[ "$rc" -eq 3 ] || site_fail "a classical algorithm in ketseal.yaml: exit $rc"
grep -q "tls.signature_algorithms: .*'ecdsa_secp256r1_sha256' is not one that TLS may use here" site.log ||
    site_fail "the configuration's error does not name the algorithm"
site_refused 2 "none of ML-DSA-44" "$ketseal" ca issue device --ca ca --name x --out x --algorithm Ed25519
site_refused 2 "none of ML-DSA-44" "$ketseal" ca issue device --ca ca --name x --out x --algorithm SLH-DSA-SHA2-192s

# --- the benchmark runs on sites of its own ---------------------------------------------------------
mkdir tmp
TMPDIR=$site_work/tmp "$ketseal" -q bench jobs --out=bench --no-figure --runs=2 --qubits=2 --qubits=5 \
    --suite=mlkem768+mldsa65 --suite=x25519mlkem768+slhdsa128f --suite=x25519+p256 --libexec="$site_build/src" >table ||
    site_fail "bench jobs fails"
[ "$(grep -c ' sealed ' table)" -eq 4 ] || site_fail "not two suites, sealed, in two ways"
[ "$(wc -l <bench/jobs.csv)" -eq $((1 + (2 * 4 + 2) * 2 * 2)) ] || site_fail "not a row for each job"
grep -q '^x25519+p256,sealed' bench/jobs.csv && site_fail "a classical suite is sealed"
[ -z "$(ls tmp)" ] || site_fail "bench jobs leaves something behind"

printf 'suites: %s jobs with keys of five algorithms, %s refusals\n' "$checks" "$site_refusals"
