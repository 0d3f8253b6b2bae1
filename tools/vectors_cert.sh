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
[new_root]
basicConstraints = critical,CA:TRUE,pathlen:1
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[issuer]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
[operator]
basicConstraints = critical,CA:FALSE
keyUsage = critical,digitalSignature
extendedKeyUsage = 2.25.202404580414369008271319098654232491562
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
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

leaf() { # FILE NAME ROLE CA ALGORITHM [OPTION]
    "$openssl" genpkey -algorithm "$5" -out "$1.key" ${6:+-pkeyopt "$6"}
    "$openssl" req -new -key "$1.key" -config conf -subj "/CN=$2" -out leaf.req
    "$openssl" x509 -req -in leaf.req -CA "$4.pem" -CAkey "$4.key" -extfile conf -extensions "$3" -days "$days" \
        -out "$1.pem" 2>/dev/null
}
list() { # FILE CA REVOKED
    : >index
    echo 07 >number
    "$openssl" ca -config conf -name here -revoke "$3.pem" -keyfile "$2.key" -cert "$2.pem" 2>/dev/null
    "$openssl" ca -config conf -name here -gencrl -keyfile "$2.key" -cert "$2.pem" -out "$1.pem" 2>/dev/null
}
days=9000
leaf device dev-1 device root ML-DSA-65
leaf server site.example server root ML-DSA-65
leaf revoked dev-2 device root ML-DSA-87
leaf classical dev-3 device root EC ec_paramgen_curve:P-256
list list root revoked

"$openssl" genpkey -algorithm SLH-DSA-SHA2-128s -out new_root.key
"$openssl" req -x509 -new -key new_root.key -config conf -extensions new_root -subj '/CN=OpenSSL CA' -days 10000 \
    -out new_root.pem
leaf issuer 'A Site' issuer new_root ML-DSA-87
leaf operator op-1 operator new_root ML-DSA-65
sleep 1 # so that it ends later
leaf issuer_long dev-7 device issuer ML-DSA-65 # ends after its issuer
days=8000
leaf issuer_device dev-4 device issuer ML-DSA-65
leaf issuer_revoked dev-5 device issuer ML-DSA-65
leaf issuer_server site.example server issuer ML-DSA-65
leaf issuer_operator op-2 operator issuer ML-DSA-65
list issuer_list issuer issuer_revoked
leaf old_issuer 'A Site' issuer root ML-DSA-87 # below a root of path length 0
leaf old_device dev-6 device old_issuer ML-DSA-65
cp root.pem device.pem server.pem revoked.pem classical.pem list.pem new_root.pem operator.pem issuer.pem issuer_*.pem \
    old_*.pem "$out"
