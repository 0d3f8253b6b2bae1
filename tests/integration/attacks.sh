#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A real site and devices with real keys and TPMs that lie about themselves (attack.c): relayed, replayed, late,
# forged and borrowed quotes, TPMs turned back. Each attack is performed and refused by its own words, and the
# site's log names the device and the reason. What a device's TPM did not sign never suspends it.
#
#   attacks.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
site_begin "$1"
command -v swtpm_setup >/dev/null || site_skip "swtpm_setup is absent"
# A device opens its keys with the program that sealed them, so the liar does everything.
ketseal=$site_build/tests/integration/ketseal_attack

attack() { # NAME WITH COMMAND…; WITH - for nothing
    export KETSEAL_ATTACK="$1" KETSEAL_ATTACK_WITH="$2"
    shift 2
    [ "$KETSEAL_ATTACK_WITH" != - ] || unset KETSEAL_ATTACK_WITH
    rc=0
    "$@" >answer 2>said || rc=$?
    unset KETSEAL_ATTACK KETSEAL_ATTACK_WITH
}
# The lines of the site's log since the last look.
log_seen=0
log_news() {
    tail -n "+$((log_seen + 1))" site.log
}
# EVENT STATUS DEVICE TEXT: what the last attack met, on the device and in the log.
met() {
    if [ "$rc" -ne "$2" ] || ! cat answer said | grep -q -- "$4"; then
        cat answer said >&2
        site_fail "status $rc instead of $2, or without '$4'"
    fi
    tries=0
    until log_news | grep "event=$1 .*=$3 " | grep -q -- "$4"; do
        tries=$((tries + 1))
        [ "$tries" -lt 40 ] || site_fail "no event=$1 of '$3' in the site's log: $4"
        sleep 0.05
    done
    log_seen=$(wc -l <site.log)
    attacks=$((attacks + 1))
}
attacks=0

reattest() {
    "$ketseal" device reattest --device "$1"
}
job() {
    "$ketseal" -q run --device "$1" --template bell --shots 10 --seed 1 --out job.bundle >/dev/null
}
state_is() { # DEVICE STATE
    [ "$("$ketseal" --json device show --operator op --url "https://127.0.0.1:$site_port" "$1" | jq -r .state)" = "$2" ] ||
        site_fail "device $1 is not $2"
}
# NAME WITH TEXT: a quote that nobody vouches for changes nothing.
refused() {
    attack "$1" "$2" reattest edge-1
    met device.refused 5 edge-1 "$3"
    state_is edge-1 ACTIVE
}
# NAME WITH TEXT: likewise, for a new key.
refused_rotation() {
    attack "$1" "$2" "$ketseal" device rotate --device edge-1
    met device.refused 5 edge-1 "$3"
    state_is edge-1 ACTIVE
}
# NAME WITH TEXT: somebody new, of whom the log has no name yet.
refused_enrolment() {
    attack "$1" "$2" "$ketseal" -q device enrol --device edge-4 --token edge-4.token --swtpm-ca "$maker" --ek-chain "$maker/issuing.pem"
    met device.refused 5 /v1/enrol/finish "$3"
}
# NAME WITH TEXT: the device's own TPM says so; it is suspended until it is honest again.
unhealthy() {
    attack "$1" "$2" reattest edge-1
    met device.unhealthy 1 edge-1 "$3"
    state_is edge-1 SUSPENDED
    reattest edge-1 >/dev/null
    state_is edge-1 ACTIVE
}

write_reference() { # RESETS
    cat >reference.yaml <<YAML
name: test
tpms: [simulated]
required_pcrs: [14]
programs:
  - {name: ketseal, digest: $(sha256sum "$ketseal" | cut -d' ' -f1)}
# swtpm is started, and so reset, by each command.
resets_ahead_max: $1
restarts_ahead_max: 1000
YAML
}
write_reference 1000
site_more="enrolment:
  listen: 127.0.0.1:0
devices:
  simulated_ek_roots: state/swtpm-ca/root.pem
  reference: reference.yaml"
site_start
site_certify
for device in edge-1 edge-2 edge-3; do
    site_enrol "$device"
done

# --- a challenge that has expired: a minute, beside all the others --------------------------------------------
(
    late_rc=0
    KETSEAL_ATTACK=late "$ketseal" device reattest --device edge-3 >late.answer 2>&1 || late_rc=$?
    echo "$late_rc" >late.rc
) &
late=$!

# --- relayed and replayed --------------------------------------------------------------------------------------
attack keep kept reattest edge-1
[ -s kept ] || site_fail "no evidence was kept"
refused unasked kept 'the challenge was for another connection'
refused unasked - "device 'edge-1' has no open challenge"
refused replay kept 'nonce: quote extra data: made for something else'
refused twice - "device 'edge-1' has no open challenge"
refused nonce - 'nonce: quote extra data: made for something else'

# --- forged and borrowed quotes ----------------------------------------------------------------------------------
refused other-tpm edge-2 'signature: quote signature: '
refused own-key - 'signature: quote signature: '
refused bit - 'signature: quote signature: '
refused short - 'signature: quote signature: '
refused other-bank - 'signer: quote: PCR bank is 0x0004, want 0x000b'
refused values - 'pcrs: quote PCRs: digest .*: the platform ran something else'
job edge-1

# --- quotes that hold, of a platform that is not as it should be ---------------------------------------------------
unhealthy left-out - 'pcrs.required: PCR 14 is required, but not quoted'
unhealthy log - 'launch.log: '
job edge-1

# --- rotation and enrolment --------------------------------------------------------------------------------------
refused_rotation unasked - "device 'edge-1' has no open challenge"
refused_rotation nonce - 'nonce: '
refused_rotation other-tpm edge-2 'signature: '
refused_rotation log - 'launch.log: '
job edge-1
site_token edge-4
refused_enrolment unopened - 'the credential was not activated'
refused_enrolment nonce - 'nonce: '
refused_enrolment other-tpm edge-2 'signature: '
refused_enrolment values - 'pcrs: '
refused_enrolment left-out - 'pcrs.required: PCR 14 is required, but not quoted'
refused_enrolment log - 'launch.log: '
"$ketseal" device list --operator op --url "https://127.0.0.1:$site_port" >devices
! grep -q edge-4 devices || site_fail "an enrolment that was refused left a device"
refused_enrolment twice - 'no such enrolment is under way'
mkdir passer-by
cp edge-1/root.pem edge-1/site.json passer-by/
printf 'https://127.0.0.1:%s\n' "$site_enrolment" >passer-by/url
site_token edge-5
attack keep finish "$ketseal" -q device enrol --device edge-5 --token edge-5.token --swtpm-ca "$maker" --ek-chain "$maker/issuing.pem"
attack - - "$site_client" --device=passer-by --unknown --body=finish POST /v1/enrol/finish
grep -q '^403 ' answer || site_fail "what was signed for another connection is not refused"
met device.refused 0 /v1/enrol/finish 'the enrolment began on another connection'

# --- TPMs turned back ------------------------------------------------------------------------------
cp -a edge-1/tpm old
reattest edge-1 >/dev/null
reattest edge-1 >/dev/null # else the old one has made up for its resets when it quotes
mv edge-1/tpm new
cp -a old edge-1/tpm
attack - - reattest edge-1
met device.unhealthy 1 edge-1 'clock.order: reset count .*: an old quote, or a cleared TPM'
state_is edge-1 SUSPENDED
rm -rf edge-1/tpm
mv new edge-1/tpm
reattest edge-1 >/dev/null
state_is edge-1 ACTIVE
# A TPM that lost its power did not: its clock is not vouched for, its counters are.
attack unplug - reattest edge-2
if [ "$rc" -ne 0 ] || ! grep -q '^not-run *clock.safe: the TPM does not vouch' answer; then
    site_fail "a loss of power: $(cat answer said)"
fi
state_is edge-2 ACTIVE
job edge-2

wait "$late"
cp late.answer answer
: >said
rc=$(cat late.rc)
log_seen=0
met device.refused 5 edge-3 'the challenge is older than 60 s'
state_is edge-3 ACTIVE
log_seen=$(wc -l <site.log)
job edge-3

# --- a site that allows no reset ------------------------------------------------------------------------------------
site_stop
write_reference 0
site_start
attack - - reattest edge-1
met device.unhealthy 1 edge-1 'clock.order: reset count .* is more than 0 above '
state_is edge-1 SUSPENDED
site_stop
echo "$site_name: $attacks attacks, each refused by its own words"
