#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# credential.sh CREDENTIAL_MAKE: two TPMs as swtpm_setup makes them, with certificates of its local CA. The
# chains are verified, credentials are made in software, and TPM2_ActivateCredential of the TPM has to
# give each secret back; that of the other TPM, and for another attestation key, must not. Then
# tpm2_makecredential, which shares no code with src/attest, makes one for the same key.
set -eu

credential_make=$(realpath "$1")
for tool in swtpm swtpm_setup swtpm_localca tpm2_activatecredential tpm2_makecredential xxd; do
    if ! command -v "$tool" >/dev/null; then
        echo "SKIPPED: no $tool: credentials were not activated by a TPM" >&2
        exit 77
    fi
done
# shellcheck source=tests/integration/swtpm.sh
. "$(dirname "$(realpath "$0")")/swtpm.sh"
work=$(mktemp -d)
trap 'swtpm_end; rm -rf "$work"' EXIT INT TERM
cd "$work"
export TSS2_LOG=all+none

fail() {
    echo "credential.sh: $*" >&2
    cat log >&2
    exit 1
}

key() { # NAME UNIQUE: an attestation key
    printf '%s' "$2" | sha256sum | cut -d' ' -f1 | xxd -r -p >unique.x
    {
        printf '\040\000'
        cat unique.x
        head -c 96 /dev/zero
        printf '\040\000'
        head -c 128 /dev/zero
    } >unique
    tpm2_createprimary -Q -C e -G ecc256:ecdsa-sha256:null -u unique -c "$1.ctx" \
        -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|sign' >log 2>&1 ||
        fail "tpm2_createprimary"
    tpm2_readpublic -Q -c "$1.ctx" -f tss -o "$1.tpm2b" -n "$1.name" >log 2>&1 || fail "tpm2_readpublic"
    tail -c +3 "$1.tpm2b" >"$1.public"
    tpm2_flushcontext -t
}

endorsement() { # NAME HANDLE: the public area of a persistent endorsement key
    tpm2_readpublic -Q -c "$2" -f tss -o "$1.tpm2b" >log 2>&1 || fail "tpm2_readpublic $2"
    tail -c +3 "$1.tpm2b" >"$1.public"
}

activate() { # AK EK_HANDLE BLOB: authorised as the key's default template wants it
    rm -f activated
    status=0
    if [ "$policy" = yes ]; then
        tpm2_startauthsession --policy-session -S session.ctx >log 2>&1 || fail "tpm2_startauthsession"
        tpm2_policysecret -Q -S session.ctx -c e >log 2>&1 || fail "tpm2_policysecret"
        tpm2_activatecredential -Q -c "$1.ctx" -C "$2" -i "$3" -o activated -P session:session.ctx \
            >log 2>&1 || status=$?
        tpm2_flushcontext session.ctx >/dev/null 2>&1 || true
    else
        tpm2_activatecredential -Q -c "$1.ctx" -C "$2" -i "$3" -o activated >log 2>&1 || status=$?
    fi
    tpm2_flushcontext -t
    return "$status"
}

round() { # EK EK_HANDLE NV_INDEX POLICY: all that a site does, and the TPM's answers
    policy=$4
    head -c 64 /dev/urandom >random
    head -c 32 /dev/urandom >secret
    nv=-
    if [ "$3" != - ]; then
        tpm2_nvread -Q -C o "$3" -o nv >log 2>&1 || fail "tpm2_nvread $3"
        nv=nv
    fi
    "$credential_make" "$1.public" ak.public random secret "$(date +%s)" "$nv" ca/issuercert.pem \
        ca/swtpm-localca-rootca-cert.pem >blob 2>log || fail "credential_make refuses $1"
    cat log
    activate ak "$2" blob || fail "the TPM refuses our credential for $1"
    cmp secret activated >log 2>&1 || fail "another secret came back for $1"
    if activate other "$2" blob; then
        fail "activated for another attestation key: $1"
    fi
    tpm2_makecredential -Q -T none -u "$1.tpm2b" -s secret -n "$(xxd -p -c 100 ak.name)" -o theirs >log 2>&1 ||
        fail "tpm2_makecredential"
    activate ak "$2" theirs || fail "the TPM refuses tpm2_makecredential's credential for $1"
    cmp secret activated >log 2>&1 || fail "another secret came back for theirs, $1"
    [ "$(wc -c <blob)" = "$(wc -c <theirs)" ] || fail "the tools' blob for $1 has another size"
    cp blob "$1.blob"
}

swtpm_ca
swtpm_make first || fail "swtpm_setup"
swtpm_make second || fail "swtpm_setup"

swtpm_run first
key ak ketseal/ak/1
key other another
endorsement rsa 0x81010001
endorsement p384 0x81010016
tpm2_createek -Q -c p256.ctx -G ecc -u p256.tpm2b >log 2>&1 || fail "tpm2_createek"
tail -c +3 p256.tpm2b >p256.public
tpm2_flushcontext -t
round rsa 0x81010001 0x01c00002 yes
round p384 0x81010016 0x01c00016 no
round p256 p256.ctx - yes
cp ak.public ak.first
swtpm_end

# The second device: its keys cannot open what was made for the first, and the first's certificate is not
# for its key.
swtpm_run second
key ak ketseal/ak/1
endorsement rsa.second 0x81010001
for kind in rsa:0x81010001:yes p384:0x81010016:no; do
    name=${kind%%:*}
    policy=${kind##*:}
    handle=${kind#*:}
    if activate ak "${handle%:*}" "$name.blob"; then
        fail "the second TPM opened the credential of the first: $name"
    fi
done
tpm2_nvread -Q -C o 0x01c00016 -o nv >log 2>&1 || fail "tpm2_nvread"
if "$credential_make" rsa.second.public ak.public random secret "$(date +%s)" nv ca/issuercert.pem \
    ca/swtpm-localca-rootca-cert.pem >blob 2>log; then
    fail "accepted: the certificate of another key"
fi
grep -q 'for another key' log || fail "refused for another reason"
swtpm_end
echo "swtpm gives back secrets protected by us and by tpm2_makecredential, for three kinds of EK"
