#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The classical profile: SAEs with ECDSA and RSA certificates, asked by curl; only where a line of the
# configuration says so; and nobody without a certificate of the root, nor over TLS 1.2.
#
#   kme_classical.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=kme.sh
. "$(dirname "$0")/kme.sh"
kme_begin "$1" "$1/tests/integration/kme_straight"

# A root, and certificates below it; the subject has more in it than a name.
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout root.key -out root.pem -days 2 \
    -subj '/C=DE/O=Vendor/CN=Vendor root' 2>/dev/null
issue() { # NAME KEY-ALGORITHM EXTENSIONS…
    name=$1 algorithm=$2
    shift 2
    printf '%s\n' "$@" >"$name.ext"
    # shellcheck disable=SC2086 # with its options
    openssl genpkey -algorithm $algorithm -out "$name.key" 2>/dev/null
    openssl req -new -key "$name.key" -out "$name.csr" -subj "/C=DE/O=Vendor/CN=$name"
    openssl x509 -req -in "$name.csr" -CA root.pem -CAkey root.key -CAcreateserial -days 2 \
        -extfile "$name.ext" -out "$name.pem" 2>/dev/null
}
issue kme 'EC -pkeyopt ec_paramgen_curve:P-256' 'subjectAltName=IP:127.0.0.1'
issue sae-1 'EC -pkeyopt ec_paramgen_curve:P-384' 'extendedKeyUsage=clientAuth'
issue sae-2 'RSA -pkeyopt rsa_keygen_bits:2048' 'keyUsage=digitalSignature'
issue server-only 'EC -pkeyopt ec_paramgen_curve:P-256' 'extendedKeyUsage=serverAuth'
kme_tls="  profile: classical
  root: root.pem
  certificate: kme.pem
  key: kme.key"
kme_start a b
kme_wait a 'stored_keys{half="own"}' 100

ask() { # SAE a|b PATH [CURL OPTIONS]
    sae=$1 at=$2 path=$3
    shift 3
    # Not the library of the build: curl brings its own.
    curl --silent --max-time 10 --cacert root.pem --cert "$sae.pem" --key "$sae.key" "$@" \
        "https://127.0.0.1:$(kme_port "$at")/api/v1/keys/$path"
}

ask sae-1 a sae-2/status | jq -e '.master_SAE_ID == "sae-1"' >/dev/null || kme_fail 'no status'
given=$(ask sae-1 a sae-2/enc_keys --json '{"number":2,"size":128}')
[ "$(echo "$given" | jq '.keys | length')" = 2 ] || kme_fail "no keys: $given"
got=$(ask sae-2 b sae-1/dec_keys --json "$(echo "$given" | jq -c '{key_IDs: [.keys[] | {key_ID}]}')")
[ "$(echo "$got" | jq -cS .)" = "$(echo "$given" | jq -cS .)" ] || kme_fail "other keys: $got"
if ask server-only a sae-2/status >said 2>&1 && [ -s said ] && ! grep -q DENIED said; then
    kme_fail "a server's certificate was taken for a client's: $(cat said)"
fi
if ask sae-1 a sae-2/status --tls-max 1.2 >said 2>&1; then
    kme_fail 'TLS 1.2 was taken'
fi
if curl --silent --cacert root.pem "https://127.0.0.1:$port_a/api/v1/keys/sae-2/status" >said 2>&1 && [ -s said ]; then
    kme_fail "no certificate, and an answer: $(cat said)"
fi
kme_stop b
kme_stop a
# Without the line these certificates are good for nothing.
kme_tls="  root: root.pem
  certificate: kme.pem
  key: kme.key"
kme_configure a
if "$kme_program" a.yaml 2>>a.log; then
    kme_fail 'classical certificates without the profile'
fi
grep -q 'event=kme.failed' a.log || kme_fail 'no reason'
echo "$kme_name: ok"
