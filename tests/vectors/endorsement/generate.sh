#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# generate.sh CREDENTIAL_MAKE: makes the vectors of this folder anew. Certificates come from swtpm_localca
# and from the openssl program; credentials from tpm2_makecredential for keys whose private half is
# committed (software/), and from CREDENTIAL_MAKE where a swtpm gave the secret back (swtpm/). Needs
# swtpm, tpm2-tools, openssl >= 3.0, jq, xxd.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
credential_make=$(realpath "$1")
# shellcheck source=tests/integration/swtpm.sh
. "$here/../../integration/swtpm.sh"
work=$(mktemp -d)
trap 'swtpm_end; rm -rf "$work"' EXIT INT TERM
cd "$work"
export TSS2_LOG=all+none
mkdir -p "$here/software" "$here/swtpm" "$here/certs" "$here/reject"
hex() { xxd -p "$1" | tr -d '\n'; }

# --- certificates of our own small authority -----------------------------------------------------
cat >ca.cnf <<'CNF'
[req]
distinguished_name = dn
[dn]
[tpm]
0.2.23.133.2.1 = id:53594E54
0.2.23.133.2.2 = TEST-1
0.2.23.133.2.3 = id:00010002
[tpm_twice]
0.2.23.133.2.1 = id:53594E54
1.2.23.133.2.1 = id:49424D00
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign,cRLSign
subjectKeyIdentifier = hash
[authority]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[pathlen]
basicConstraints = critical,CA:true,pathlen:0
keyUsage = critical,keyCertSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[no_sign]
basicConstraints = critical,CA:true
keyUsage = critical,cRLSign
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[not_ca]
basicConstraints = critical,CA:false
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
[ek_rsa]
basicConstraints = critical,CA:false
keyUsage = critical,keyEncipherment
extendedKeyUsage = 2.23.133.8.1
subjectAltName = critical,dirName:tpm
authorityKeyIdentifier = keyid
[ek_ecc]
basicConstraints = critical,CA:false
keyUsage = critical,keyAgreement
extendedKeyUsage = 2.23.133.8.1
subjectAltName = critical,dirName:tpm
authorityKeyIdentifier = keyid
[plain]
subjectAltName = critical,dirName:tpm
authorityKeyIdentifier = keyid
[purpose]
extendedKeyUsage = clientAuth
subjectAltName = critical,dirName:tpm
[usage]
keyUsage = critical,digitalSignature
subjectAltName = critical,dirName:tpm
[ek_ca]
basicConstraints = critical,CA:true
keyUsage = critical,keyEncipherment,keyCertSign
subjectAltName = critical,dirName:tpm
[no_name]
keyUsage = critical,keyAgreement
[name_twice]
subjectAltName = critical,dirName:tpm_twice
[critical]
subjectAltName = critical,dirName:tpm
1.3.6.1.4.1.99999.1 = critical,ASN1:UTF8String:unknown
CNF

key() { # NAME ALGORITHM
    case $2 in
    rsa*) openssl genpkey -algorithm RSA -pkeyopt "rsa_keygen_bits:${2#rsa}" -out "$1.key" 2>log ;;
    *) openssl genpkey -algorithm EC -pkeyopt "ec_paramgen_curve:$2" -out "$1.key" ;;
    esac
}

issue() { # NAME KEY EXTENSIONS ISSUER SUBJECT [DIGEST [DAYS]]
    openssl req -new -config ca.cnf -key "$2.key" -subj "$5" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA "$4.pem" -CAkey "$4.key" -extfile ca.cnf -extensions "$3" \
        -days "${7:-7300}" "-${6:-sha256}" -out "$1.pem" 2>log || { cat log >&2; return 1; }
}

root() { # NAME ALGORITHM SUBJECT
    key "$1" "$2"
    openssl req -new -x509 -config ca.cnf -extensions root -key "$1.key" -subj "$3" -days 7400 \
        -out "$1.pem"
}

authority() { # NAME ALGORITHM EXTENSIONS ISSUER SUBJECT
    key "$1" "$2"
    issue "$1" "$1" "$3" "$4" "$5"
}

root root P-384 '/O=Example/CN=Example TPM root'
root twin P-384 '/O=Example/CN=Example TPM root' # another key under the same name
authority inter P-256 authority root '/O=Example/CN=Example TPM CA 1'
authority second rsa2048 authority inter '/O=Example/CN=Example TPM CA 2'
authority third P-256 authority second '/O=Example/CN=Example TPM CA 3'
authority short P-256 pathlen root '/O=Example/CN=Example TPM CA short'
authority under P-256 authority short '/O=Example/CN=Example TPM CA under'
authority nosign P-256 no_sign root '/O=Example/CN=Example TPM CA nosign'
authority leaf P-256 not_ca root '/O=Example/CN=Example TPM leaf'
key ek-rsa rsa2048
key ek-p256 P-256
key ek-p384 P-384
key ek-rsa3072 rsa3072
key ek-rsa1024 rsa1024
key ek-p521 P-521
key brief P-256
issue brief brief authority root '/O=Example/CN=Example TPM CA brief' sha256 30

for name in root twin inter second third short under nosign leaf brief; do
    cp "$name.pem" "$here/certs/$name.pem"
done
ek() { # FILE KEY EXTENSIONS ISSUER [SUBJECT [DIGEST [DAYS]]]
    issue ek "$2" "$3" "$4" "${5:-/}" "${6:-sha256}" "${7:-7300}"
    openssl x509 -in ek.pem -outform DER -out "$here/$1.der"
}
ek certs/ek-rsa ek-rsa ek_rsa inter
ek certs/ek-p256 ek-p256 ek_ecc inter
ek certs/ek-p384 ek-p384 ek_ecc inter /CN=ek
ek certs/ek-rsa3072 ek-rsa3072 ek_rsa inter
ek certs/ek-plain ek-p256 plain inter
ek certs/ek-four ek-p256 ek_ecc second
ek certs/ek-root ek-p256 ek_ecc root
ek reject/purpose ek-p256 purpose inter
ek reject/usage ek-p256 usage inter
ek reject/rsa-agrees ek-rsa ek_ecc inter
ek reject/ca ek-rsa ek_ca inter
ek reject/no-name ek-p256 no_name inter
ek reject/name-twice ek-p256 name_twice inter
ek reject/critical ek-p256 critical inter
ek reject/rsa1024 ek-rsa1024 ek_rsa inter
ek reject/p521 ek-p521 ek_ecc inter
ek reject/sha1 ek-p256 ek_ecc inter / sha1
ek reject/twin ek-p256 ek_ecc twin
ek reject/five ek-p256 ek_ecc third
ek reject/path-length ek-p256 ek_ecc under
ek reject/no-sign ek-p256 ek_ecc nosign
ek reject/not-ca ek-p256 ek_ecc leaf
ek reject/brief ek-p256 ek_ecc brief
ek reject/expired ek-p256 ek_ecc inter / sha256 365
openssl req -new -x509 -config ca.cnf -extensions plain -key ek-p256.key -subj '/CN=software' \
    -days 7300 -outform DER -out "$here/reject/software.der"

# --- credentials for software keys, by tpm2_makecredential ---------------------------------------
l_policy=837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa
h_policy=b26e7d28d11a50bc53d882bcf5fd3a1a074148bb35d3b4e4cb1c0ad9bde419cacb47ba09699646150f9fc000f3f80e12
modulus() { openssl rsa -in "$1.key" -noout -modulus 2>/dev/null | sed 's/.*=//'; }
point() { # KEY BYTES: 04 left out
    openssl pkey -in "$1.key" -pubout -outform DER | tail -c "$((2 * $2))" | xxd -p | tr -d '\n'
}
public() { # NAME HEX: a TPMT_PUBLIC and its TPM2B_PUBLIC
    printf '%s' "$2" | tr -d ' ' | xxd -r -p >"$1.public"
    {
        printf '%04x' "$(wc -c <"$1.public")" | xxd -r -p
        cat "$1.public"
    } >"$1.tpm2b"
}
public ek-rsa "0001 000b 000300b2 0020 $l_policy 0006 0080 0043 0010 0800 00000000 0100 $(modulus ek-rsa)"
xy=$(point ek-p256 32)
public ek-p256 "0023 000b 000300b2 0020 $l_policy 0006 0080 0043 0010 0003 0010 \
    0020 $(printf '%s' "$xy" | cut -c1-64) 0020 $(printf '%s' "$xy" | cut -c65-)"
xy=$(point ek-p384 48)
public ek-p384 "0023 000c 000300f2 0030 $h_policy 0006 0100 0043 0010 0004 0010 \
    0030 $(printf '%s' "$xy" | cut -c1-96) 0030 $(printf '%s' "$xy" | cut -c97-)"

split() { # BLOB: ID_OBJECT and ENCRYPTED_SECRET of a tpm2-tools file
    len=$(tail -c +9 "$1" | head -c 2 | xxd -p)
    len=$((2 + 0x$len))
    tail -c +9 "$1" | head -c "$len" >id_object
    tail -c +$((9 + len)) "$1" >encrypted_secret
}
for kind in rsa p256 p384; do
    name=000b$(printf 'attestation key' | sha256sum | cut -d' ' -f1)
    head -c 32 /dev/urandom >secret
    tpm2_makecredential -Q -T none -u "ek-$kind.tpm2b" -s secret -n "$name" -o blob
    split blob
    openssl pkey -in "ek-$kind.key" -outform DER -out private
    jq -cS -n --arg ek "$(hex "ek-$kind.public")" --arg name "$name" --arg secret "$(hex secret)" \
        --arg id "$(hex id_object)" --arg encrypted "$(hex encrypted_secret)" \
        --arg private "$(hex private)" \
        '{ak_name: $name, ek: $ek, encrypted_secret: $encrypted, id_object: $id, private: $private,
          secret: $secret}' >"$here/software/$kind.json"
done

# --- a TPM and its certificates ------------------------------------------------------------------
swtpm_ca
swtpm_make state
cp ca/swtpm-localca-rootca-cert.pem "$here/swtpm/root.pem"
cp ca/issuercert.pem "$here/swtpm/issuer.pem"
swtpm_run state
tpm2_nvread -Q -C o 0x01c00002 -o "$here/swtpm/rsa.der"
tpm2_nvread -Q -C o 0x01c00016 -o "$here/swtpm/p384.der"
tpm2_createprimary -Q -C e -G ecc256:ecdsa-sha256:null -c ak.ctx \
    -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign'
tpm2_readpublic -Q -c ak.ctx -f tss -o ak.tpm2b -n ak.name
tail -c +3 ak.tpm2b >ak.public
tpm2_flushcontext -t
for kind in rsa:0x81010001 p384:0x81010016; do
    handle=${kind#*:}
    kind=${kind%:*}
    tpm2_readpublic -Q -c "$handle" -f tss -o ek.tpm2b
    tail -c +3 ek.tpm2b >ek.public
    head -c 64 /dev/urandom >random
    head -c 32 /dev/urandom >secret
    "$credential_make" ek.public ak.public random secret 0 - - - >blob
    if [ "$kind" = rsa ]; then
        tpm2_startauthsession --policy-session -S session.ctx
        tpm2_policysecret -Q -S session.ctx -c e
        tpm2_activatecredential -Q -c ak.ctx -C "$handle" -i blob -o activated -P session:session.ctx
        tpm2_flushcontext session.ctx
    else
        tpm2_activatecredential -Q -c ak.ctx -C "$handle" -i blob -o activated
    fi
    tpm2_flushcontext -t
    cmp secret activated
    split blob
    jq -cS -n --arg ek "$(hex ek.public)" --arg name "$(hex ak.name)" --arg secret "$(hex secret)" \
        --arg id "$(hex id_object)" --arg encrypted "$(hex encrypted_secret)" \
        --arg random "$(hex random)" \
        '{ak_name: $name, ek: $ek, encrypted_secret: $encrypted, id_object: $id, random: $random,
          secret: $secret}' >"$here/swtpm/$kind.json"
done
