#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The enclave's state with a swtpm: what is put back is refused, file by file and whole; the way out of it;
# another TPM; another enclave, whose one difference is an ELF note, with and without the operator's word; keys
# that an older version left in the clear.   sealed.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
for tool in jq objcopy openssl xxd; do
    command -v "$tool" >/dev/null || site_skip "$tool is absent"
done
site_device edge-1
launch=$site_build/src/server/ketseal-launch

# A site that must not start; its log says $1.
refused() { # SAYS [FLAG]
    : >said
    site_config >ketseal.yaml
    rc=0
    # shellcheck disable=SC2086 # a flag or none
    "$launch" --libexec="$site_work/libexec" ${2:-} ketseal.yaml 2>said || rc=$?
    [ "$rc" -ne 0 ] || site_fail "it starts, and should say '$1'"
    grep -qF "$1" said || { cat said >&2; site_fail "it does not say '$1'"; }
}

job() { # NAME
    "$ketseal" -q run --device edge-1 --policy lab.policy --template bell --shots 10 --seed 1 --out "$1.bundle" >/dev/null
}

# --- planned updates: the authority's key is settled before the first start ---------------------------------
openssl ecparam -name prime256v1 -genkey -noout -out authority.pem 2>/dev/null
openssl pkey -in authority.pem -pubout -outform DER -out authority.der 2>/dev/null
site_enclave='
  update_authority: authority.der
  update_authorisation: update.word'
site_start
grep -q 'event=enclave.state keys=made' site.log || site_fail "the log does not tell that the keys were made"
job one
cp state/site.json site.first
site_stop

# --- the policy: a start says which, and that it is another --------------------------------------------------
policy=$(sed -n 's/.*event=enclave.state .*policy=\([0-9a-f]*\).*/\1/p' site.log)
[ "${#policy}" -eq 64 ] || site_fail "the log does not tell the policy"
site_quote='
  window_ms: 1'
site_start
changed=$(sed -n 's/.*level=warn .*event=policy.changed //p' site.log)
next=$(sed -n 's/.*event=enclave.state .*policy=\([0-9a-f]*\).*/\1/p' site.log | tail -n 1)
[ "$changed" = "from=$policy to=$next" ] || site_fail "the log tells of the policy: $changed"
site_stop
site_quote=
site_workers=3 # no matter of policy
site_start
site_stop
[ "$(grep -c 'event=policy.changed' site.log)" -eq 2 ] || site_fail "the log does not tell of the way back"
site_start
site_stop
[ "$(grep -c 'event=policy.changed' site.log)" -eq 2 ] || site_fail "the log tells of a change that was none"
xxd -p state/enclave/keys | tr -d '\n' | grep -q '^4b5345414c4b4559000200010000000000000001' || site_fail "the keys are not of version 2"

# --- put back -------------------------------------------------------------------------------------------------
cp -a state state.old
site_start
job two
site_stop
cp -a state state.new
for file in journal heads epoch; do
    cp "state.old/enclave/$file" state/enclave/
    refused "put the newest state back, or accept the loss"
    rm -rf state
    cp -a state.new state
done
rm state/enclave/epoch
refused "epoch: the file is gone"
# As from a backup: all but the TPM.
rm -rf state
cp -a state.old state
rm -rf state/tpm
cp -a state.new/tpm state/
refused "an older state was put back"
counters=$(sed -n 's/.*state is of counter \([0-9]*\), the TPM.s stands at \([0-9]*\):.*/\1 \2/p' said | head -n 1)
[ "${counters% *}" -lt "${counters#* }" ] || site_fail "the refusal does not name both numbers: $(cat said)"
# The way out, once.
site_flags=--insecure-accept-rollback
site_start
site_flags=
grep -q 'level=warn .*event=enclave.rollback_accepted' site.log || site_fail "the log does not tell what was accepted"
site_stop
refused "nothing was put back; start without it" --insecure-accept-rollback
site_start
job three
site_stop

# --- another TPM, and this one as it was --------------------------------------------------------------------------
rm -rf state.new
cp -a state state.new
rm -rf state/tpm
refused "event=enclave.failed"
grep -Eq "storage key|another TPM" said || { cat said >&2; site_fail "another TPM is not told"; }
rm -rf state
cp -a state.new state
cp state.old/tpm/tpm2-00.permall state/tpm/
refused "the TPM is another, or a simulated one whose last writes were lost"
rm -rf state
cp -a state.new state

# --- another enclave ------------------------------------------------------------------------------------------------
printf 'another' >note
rm libexec/ketseal-enclave
objcopy --add-section .note.other=note --set-section-flags .note.other=noload,readonly \
    "$site_build/src/enclave/ketseal-enclave" libexec/ketseal-enclave 2>/dev/null
cmp -s libexec/ketseal-enclave "$site_build/src/enclave/ketseal-enclave" && site_fail "the note changed nothing"
refused "PCR 14"
grep -q 'enclave.update_authorisation' said || site_fail "it does not say what to do"

# With the word of the operator, of another, and of the operator for something else.
site_config >ketseal.yaml
"$launch" --libexec="$site_work/libexec" --update-message=message ketseal.yaml
[ "$(stat -c %s message)" -eq 64 ] || site_fail "the message has not 64 bytes"
openssl ecparam -name prime256v1 -genkey -noout -out other.pem 2>/dev/null
openssl dgst -sha256 -sign other.pem -out signature message
rc=0
"$launch" --libexec="$site_work/libexec" --update-signature=signature ketseal.yaml 2>said || rc=$?
if [ "$rc" -ne 1 ] || [ -e update.word ]; then
    site_fail "another's signature is taken"
fi
openssl dgst -sha256 -sign authority.pem -out signature message
"$launch" --libexec="$site_work/libexec" --update-signature=signature ketseal.yaml
cp authority.der authority.kept
openssl pkey -in other.pem -pubout -outform DER -out authority.der 2>/dev/null
refused "enclave.update_authority: the state was first sealed with another one"
cp authority.kept authority.der
mv libexec/ketseal-enclave enclave.authorised
printf 'a third' >note
objcopy --add-section .note.other=note --set-section-flags .note.other=noload,readonly \
    "$site_build/src/enclave/ketseal-enclave" libexec/ketseal-enclave 2>/dev/null
refused "PCR 14"
mv enclave.authorised libexec/ketseal-enclave
rm lab.policy
site_start
grep -q 'event=enclave.state keys=sealed-again' site.log || site_fail "the log does not tell that it was sealed again"
job four
keys='[.ed25519, .["ml-dsa-65"], .["note-ed25519"], .["note-ml-dsa-44"]] | if all(type == "string") then . else error end'
[ "$(jq -c "$keys" site.first)" = "$(jq -c "$keys" state/site.json)" ] || site_fail "the update changed the site's keys"
site_stop
site_enclave='
  update_authority: authority.der'
site_start # the word is not needed any more
job five
site_stop
rm libexec/ketseal-enclave
ln -s "$site_build/src/enclave/ketseal-enclave" libexec/
refused "PCR 14" # and the former enclave does not open it

# --- kill -9 right after work: no rollback, it starts -----------------------------------------------------------------
rm -rf state
site_listen=127.0.0.1:0
site_start
rm -f edge-1/site.json lab.policy
rm -rf edge-1/state
site_tell
job six
kill -KILL "$site_pid"
wait "$site_pid" 2>/dev/null || true
site_pid=
# With a window: what finishes within it is under one quote. Each job starts from a quote of before; an old one
# is made anew for those after it.
site_quote='
  window_ms: 700
  refresh_seconds: 1'
site_start
start_of() { jq -r .record.evidence.start_quote.attest "$1"; }
job seven
job eight
[ "$(start_of eight.bundle)" = "$(jq -r .record.evidence.quote.attest seven.bundle)" ] ||
    site_fail "the second job does not start from the quote of the first"
sleep 1.5
job nine
[ "$(start_of nine.bundle)" != "$(jq -r .record.evidence.quote.attest eight.bundle)" ] ||
    site_fail "an old quote was not made anew"
loads=
for n in 1 2 3; do
    "$ketseal" -q run --device edge-1 --policy lab.policy --template bell --shots 10 --seed "$n" --out "at-once-$n.bundle" >/dev/null &
    loads="$loads $!"
    sleep 0.1
done
for load in $loads; do
    wait "$load" || site_fail "a job of three at once failed"
done
sizes=$(jq -r .record.evidence.quote.size at-once-*.bundle | sort -nr | head -n 1)
[ "$sizes" -ge 2 ] || site_fail "three jobs at once have three quotes, in a window of 700 ms"
for bundle in seven nine at-once-1; do
    "$ketseal" verify --explain --policy lab.policy "$bundle.bundle" | grep -q '^pass     quote.start' || site_fail "$bundle: quote.start"
done
# A quote of the boot before is no start: as the site would have to claim it.
[ "$(start_of six.bundle)" != "$(start_of seven.bundle)" ] || site_fail "a start quote outlives a boot"
site_stop
echo "$site_name: put back, moved, changed: refused; authorised, accepted: opened"
