#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Planned updates of devices: a measured file changes, then `ketseal` itself, whose one difference is an ELF note. By
# the word of the update authority the identity opens in the new state and nobody enrols again; without it, or by
# another's, another state's or another device's word, cut or altered, it does not.   update.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
ketseal=$site_build/tests/integration/ketseal_attack # honest, unless it is told otherwise
for tool in jq objcopy openssl swtpm_setup xxd; do
    command -v "$tool" >/dev/null || site_skip "$tool is absent"
done


job() { # DIRECTORY
    "$ketseal" -q run --device "$1" --template bell --shots 10 --seed 1 --out job.bundle
}
make_key() { # NAME
    openssl ecparam -name prime256v1 -genkey -noout -out "$1.pem" 2>/dev/null
    openssl pkey -in "$1.pem" -pubout -outform DER -out "$1.der" 2>/dev/null
}
message() { # DIRECTORY FILE
    "$ketseal" device update --device "$1" --update-message "$2"
}
sign() { # KEY MESSAGE SIGNATURE
    openssl dgst -sha256 -sign "$1.pem" -out "$3" "$2"
}
authorise() { # DIRECTORY
    message "$1" message >/dev/null
    sign authority message signature
    "$ketseal" device update --device "$1" --update-signature signature >/dev/null
}

echo 'firmware 1' >firmware.bin
echo 'firmware 2' >firmware.2
echo 'firmware 3' >firmware.3
cp firmware.bin firmware.1
printf 'another' >note
objcopy --add-section .note.other=note --set-section-flags .note.other=noload,readonly "$ketseal" ketseal-next 2>/dev/null
cmp -s ketseal-next "$ketseal" && site_fail "the note changed nothing"
write_reference() { # FIRMWARE
    site_reference reference.yaml ketseal "$(site_digest "$ketseal")" ketseal "$(site_digest ketseal-next)" \
        firmware.bin "$(site_digest "$1")"
}
write_reference firmware.1
site_more=$site_enrolment_lines
site_start
site_certify
make_key authority
make_key other
site_token edge-1
site_refused 3 'other.pem: no P-256 public key in DER' "$ketseal" -q device enrol --device edge-1 --token edge-1.token --swtpm-ca "$maker" --update-authority other.pem
site_enrol edge-1 --measure firmware.bin --update-authority authority.der
site_enrol edge-2 --measure firmware.bin --update-authority authority.der
site_enrol edge-3 --measure firmware.bin
for device in edge-1 edge-2 edge-3; do
    job "$device" >/dev/null
done
first=$("$ketseal" --json device show --operator op --url "https://127.0.0.1:$site_port" edge-1 | jq -r '.enrolled_at + .key')

# --- a word for a state that does not come, and none at all ---------------------------------------------------
cp firmware.3 firmware.bin
authorise edge-1
cp firmware.2 firmware.bin
site_refused 5 'identity.sealed: sealed blob: the value of PCR 14 is not the one that the authorisation names' job edge-1
mv edge-1/identity.update word.3
site_refused 5 'identity.sealed: sealed blob: the value of PCR 14 is not the one that it was sealed to' job edge-1
site_refused 5 'sealed without an update authority' message edge-3 message
site_refused 2 'one of them' "$ketseal" device update --device edge-1

# --- what is signed: 64 bytes, over the values that are told ---------------------------------------------------
message edge-1 message >told
[ "$(stat -c %s message)" -eq 64 ] || site_fail "the message has not 64 bytes"
zeros=$(printf '%064d' 0)
value=$zeros
for digest in $(site_digest "$ketseal") $(site_digest firmware.2); do
    value=$(printf '%s%s' "$value" "$digest" | xxd -r -p | sha256sum | cut -d' ' -f1)
done
grep -qx "PCR 14 $value" told || { cat told >&2; site_fail "PCR 14 is not what its log gives"; }
# docs/formats/sealed.md, by hand.
values=$(printf '%s' "$value" | xxd -r -p | sha256sum | cut -d' ' -f1)
pcr=$(printf '%s0000017f00000001000b03004000%s' "$zeros" "$values" | xxd -r -p | sha256sum | cut -d' ' -f1)
ref=$(printf 'ketseal/sealed/1\nketseal/device/edge-1' | sha256sum | cut -d' ' -f1)
[ "$(xxd -p message | tr -d '\n')" = "$pcr$ref" ] || site_fail "the message is not policy and reference"
"$ketseal" --json device update --device edge-1 --update-message message |
    jq -e --arg value "$value" '.schema == "ketseal.update/1" and .purpose == "ketseal/device/edge-1" and .pcrs == [{pcr: 14, value: $value}]' \
        >/dev/null || site_fail "the state as JSON"

# --- words of others -------------------------------------------------------------------------------------------
sign other message signature
site_refused 1 'signature: authorisation: ' "$ketseal" device update --device edge-1 --update-signature signature
message edge-2 message.2 >/dev/null
cmp -s message message.2 && site_fail "one message for two devices"
sign authority message.2 signature
site_refused 1 'signature: authorisation: ' "$ketseal" device update --device edge-1 --update-signature signature
[ ! -e edge-1/identity.update ] || site_fail "a false signature was put to use"
authorise edge-2
cp edge-2/identity.update edge-1/
site_refused 1 "identity.update: authorisation: for the purpose 'ketseal/device/edge-2', not 'ketseal/device/edge-1'" job edge-1
cp edge-2/identity.update edge-3/
site_refused 5 'it has no authority, so no authorisation opens it' job edge-3
rm edge-3/identity.update
authorise edge-1
cp edge-1/identity.update word
head -c 100 word >edge-1/identity.update
site_refused 3 'identity.update: authorisation' job edge-1
# A bit of the purpose, of a PCR's value, of r and of s.
size=$(stat -c %s word)
for at in 70 40 $((size - 40)) $((size - 4)); do
    byte=$(xxd -p -s "$at" -l 1 word)
    cp word edge-1/identity.update
    printf '%02x' $((0x$byte ^ 1)) | xxd -r -p | dd of=edge-1/identity.update bs=1 seek="$at" conv=notrunc 2>/dev/null
    site_refused 1 'identity.update: authorisation: ' job edge-1
done

# --- the right one ---------------------------------------------------------------------------------------------
cp word edge-1/identity.update
cp edge-1/identity.sealed sealed.1
job edge-1 >/dev/null
[ ! -e edge-1/identity.update ] || site_fail "the word stays after it was used"
cmp -s edge-1/identity.sealed sealed.1 && site_fail "the identity was not sealed again"
job edge-1 >/dev/null
job edge-2 >/dev/null
# The site judges the new state by its reference, as always.
site_refused 1 'firmware.bin' "$ketseal" device reattest --device edge-1
site_stop
write_reference firmware.2
site_start
"$ketseal" device reattest --device edge-1 | grep -q '^pass *launch.programs' || site_fail "the new state is not healthy"
[ "$first" = "$("$ketseal" --json device show --operator op --url "https://127.0.0.1:$site_port" edge-1 | jq -r '.enrolled_at + .key')" ] ||
    site_fail "the update made another device of it"
# Sealed to the new state alone.
cp firmware.1 firmware.bin
site_refused 5 'PCR 14 is not the one that it was sealed to' job edge-1

# --- ketseal itself, after a rotation: the authority stays -------------------------------------------------------
cp firmware.2 firmware.bin
"$ketseal" device rotate --device edge-1 >/dev/null
job edge-1 >/dev/null
present=$ketseal
ketseal=$site_work/ketseal-next
site_refused 5 'PCR 14' job edge-1
authorise edge-1
ketseal=$present
job edge-1 >/dev/null # the word waits for its state
[ -e edge-1/identity.update ] || site_fail "the word is gone before its state came"
ketseal=$site_work/ketseal-next
job edge-1 >/dev/null
"$ketseal" device reattest --device edge-1 >/dev/null
ketseal=$present
site_refused 5 'PCR 14' job edge-1

# --- in the middle of a rotation: both keys come along, before the answer and after -------------------------------
rotate_deaf() {
    rc=0
    (KETSEAL_ATTACK=deaf "$ketseal" -q device rotate --device edge-2) >answer 2>&1 || rc=$?
    [ "$rc" -eq 137 ] || { cat answer >&2; site_fail "status $rc: it should have been killed"; }
}
move() { # to the state with FIRMWARE, which the site knows
    site_stop
    cp "$1" firmware.bin
    write_reference "$1"
    site_start
    authorise edge-2
}
rotate_deaf
move firmware.3
site_refused 5 'another certificate has taken the place of this one' job edge-2
[ ! -e edge-2/identity.update ] || site_fail "the word stays after it was used"
"$ketseal" device rotate --device edge-2 >/dev/null
job edge-2 >/dev/null
cp edge-2/identity.sealed sealed.before
"$ketseal" device rotate --device edge-2 >/dev/null
# As if it had died between the certificate and the place of its key.
mv edge-2/identity.sealed edge-2/identity.next
cp sealed.before edge-2/identity.sealed
move firmware.1
job edge-2 >/dev/null
[ ! -e edge-2/identity.next ] || site_fail "the next identity did not take its place"
job edge-2 >/dev/null
site_stop
echo "$site_name: five updates, $site_refusals refusals"
