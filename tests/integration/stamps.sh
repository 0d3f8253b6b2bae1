# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# `openssl ts` as an authority of time stamps, in the current folder, for the tests that source this:
#
#   stamps_begin              ts.cnf, root.pem and the signer stamper.pem, good for a hundred years
#   stamps_certificate NAME EXTENSIONS DAYS   a certificate of the root for NAME.key; extensions: stamps, web
#   stamps_reply REQUEST SIGNER ANSWER        what the authority answers; its words are in reply.log

stamps_begin() {
    cat >ts.cnf <<'CNF'
[ req ]
distinguished_name = none
[ none ]
[ tsa ]
default_tsa = us
[ us ]
serial = serial
default_policy = 1.3.6.1.4.1.99999.1
other_policies = 1.3.6.1.4.1.99999.2
digests = sha256
signer_digest = sha256
ess_cert_id_alg = sha256
accuracy = secs:1
clock_precision_digits = 3
[ stamps ]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, timeStamping
[ web ]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = critical, serverAuth
[ authority ]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
CNF
    echo 01 >serial
    stamps_serial=1000
    openssl req -x509 -newkey rsa:3072 -nodes -keyout root.key -subj "/CN=Time Root" -days 36500 -out root.pem \
        -config ts.cnf -extensions authority 2>/dev/null
    stamps_certificate stamper stamps 36500
}

stamps_certificate() { # NAME EXTENSIONS DAYS
    stamps_serial=$((stamps_serial + 1))
    openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -subj "/CN=$1" -out "$1.csr" -config ts.cnf 2>/dev/null
    openssl x509 -req -in "$1.csr" -CA root.pem -CAkey root.key -set_serial "$stamps_serial" -days "$3" \
        -extfile ts.cnf -extensions "$2" -out "$1.pem" 2>/dev/null
}

stamps_reply() { # REQUEST SIGNER ANSWER
    openssl ts -reply -config ts.cnf -queryfile "$1" -signer "$2.pem" -inkey "$2.key" \
        -chain root.pem -out "$3" >reply.log 2>&1
}
