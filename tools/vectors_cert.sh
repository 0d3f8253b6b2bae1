#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# tools/vectors_cert.sh OPENSSL OUT: certificates and a revocation list after docs/formats/certificates.md,
# made by the openssl program (3.5 or newer) alone. Keys are thrown away, so each run makes others.
set -eu

openssl=$1
out=$(realpath "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT INT TERM
cd "$work"

cat >conf <<'CONF'
[req]
distinguished_name = dn
utf8 = yes
string_mask = utf8only
[dn]
[root]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[device]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[server]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
subjectAltName = DNS:site.example,IP:127.0.0.1
[ca]
default_ca = here
[here]
database = index
crlnumber = number
default_md = default
default_crl_days = 10000
crl_extensions = list
[list]
authorityKeyIdentifier = keyid:always
CONF

"$openssl" genpkey -algorithm SLH-DSA-SHA2-128s -out root.key
"$openssl" req -x509 -new -key root.key -config conf -extensions root -subj '/CN=OpenSSL CA' -days 10000 -out root.pem

leaf() { # FILE NAME ROLE ALGORITHM
    "$openssl" genpkey -algorithm "$4" -out leaf.key ${5:+-pkeyopt "$5"}
    "$openssl" req -new -key leaf.key -config conf -subj "/CN=$2" -out leaf.req
    "$openssl" x509 -req -in leaf.req -CA root.pem -CAkey root.key -extfile conf -extensions "$3" -days 9000 \
        -out "$1.pem" 2>/dev/null
}
leaf device dev-1 device ML-DSA-65
leaf server site.example server ML-DSA-65
leaf revoked dev-2 device ML-DSA-87
leaf classical dev-3 device EC ec_paramgen_curve:P-256

: >index
echo 07 >number
"$openssl" ca -config conf -name here -revoke revoked.pem -keyfile root.key -cert root.pem 2>/dev/null
"$openssl" ca -config conf -name here -gencrl -keyfile root.key -cert root.pem -out list.pem 2>/dev/null
cp root.pem device.pem server.pem revoked.pem classical.pem list.pem "$out"
