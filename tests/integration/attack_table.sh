#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The attacks of docs/attacks.md, each performed, each caught by the check that the page names: by whoever has a bundle
# (a committed one, changed), by whoever has the keys for it (attack_make.c), by devices at a real site, by a disk. The
# names of the rows are those of the page, so that neither is without the other.
#
#   attack_table.sh BUILD SOURCE_ROOT
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
root=$(cd "$2" && pwd)
site_begin "$1"
command -v swtpm_setup >/dev/null || site_skip "swtpm_setup is absent"
verify=$site_build/src/cli/ketseal-verify
vectors=$root/tests/vectors/bundle/4
page=$root/docs/attacks.md
: >rows
row=
performed=0

# NAME of a row of the page: what follows belongs to it.
row() {
    [ -z "$row" ] || [ "$performed" -gt 0 ] || site_fail "row '$row': no attack was performed"
    row=$1
    performed=0
    printf '%s\n' "$row" >>rows
}
caught() { # ATTACK CHECK
    grep -F "| $row |" "$page" | grep -qF "\`$2\`" || site_fail "row '$row' of the page does not name $2"
    performed=$((performed + 1))
}
# BUNDLE POLICY CHECK: the verdict is no, and the first check that failed is CHECK.
false_bundle() {
    rc=0
    "$verify" --json "$2" "$1" >verdict 2>said || rc=$?
    found=$(jq -r .failed verdict)
    if [ "$rc" -ne 1 ] || [ "$found" != "$3" ]; then
        jq . verdict >&2
        site_fail "row '$row': $1: status $rc, failed '$found', not '$3'"
    fi
    caught "$1" "$3"
}
made() { # NAME CHECK: of attack_make
    false_bundle "made/$1.bundle" "made/$1.policy" "$2"
}
# EXPRESSION CHECK: the committed bundle, changed by jq, still canonical.
changed() {
    jq -cS "$1" "$vectors/bell.bundle" >changed.bundle
    false_bundle changed.bundle "$vectors/lab.policy" "$2"
}
# SCRIPT CHECK: changed by sed, as text; or by a whole filter.
edited() {
    sed "$1" "$vectors/bell.bundle" >edited.bundle
    ! cmp -s edited.bundle "$vectors/bell.bundle" || site_fail "row '$row': '$1' changes nothing"
    false_bundle edited.bundle "$vectors/lab.policy" "$2"
}
# NAME CHECK TEXT: of attack_make, in words.
said_no() {
    grep "^$1: " made/words >said || site_fail "$1 was not performed"
    ! grep -q ': accepted' said || site_fail "row '$row': $1 accepted"
    grep -q -- "$3" said || site_fail "row '$row': $1: $(cat said), not '$3'"
    caught "$1" "$2"
}

# --- before any attack, all is good ---------------------------------------------------------------------------------
cat >bell.qasm <<'QASM'
OPENQASM 2.0;
include "qelib1.inc";
qreg q[2];
creg c[2];
h q[0];
cx q[0],q[1];
measure q -> c;
QASM
mkdir made
"$site_build/tests/integration/attack_make" "$("$ketseal" circuit show bell.qasm | sha256sum | cut -d' ' -f1)" made >made/words
for good in honest anchored witnessed; do
    "$verify" "made/$good.policy" "made/$good.bundle" >/dev/null || site_fail "$good is refused"
done
"$verify" "$vectors/lab.policy" "$vectors/bell.bundle" >/dev/null
rc=0
"$ketseal" replay made/honest.bundle >said 2>&1 || rc=$?
[ "$rc" -eq 7 ] || site_fail "the honest counts are not consistent: $(cat said)"

# --- records --------------------------------------------------------------------------------------------------------
row 'invent counts, sign with a fresh key'
made fresh-key signature.ed25519
"$verify" made/invented.policy made/invented.bundle >/dev/null || site_fail "the site's own signatures are good"
rc=0
"$ketseal" replay made/invented.bundle >said 2>&1 || rc=$?
if [ "$rc" -ne 1 ] || ! grep -q 'statistically inconsistent' said; then site_fail "replay: $(cat said)"; fi
caught invented replay

row 'strip the ML-DSA signature'
changed '.record.signatures["ml-dsa-65"] = ""' signature.ml-dsa-65
changed 'del(.record.signatures["ml-dsa-65"])' format

row 'duplicate keys, odd numbers or Unicode'
edited 's/"shots":\([0-9]*\)/"shots":\1,"shots":\1/' format
edited 's/"index":\([0-9]*\),"intent_path"/"index":\1.0,"intent_path"/' format
edited 's/"index":\([0-9]*\),"intent_path"/"index":\1e0,"intent_path"/' format
edited 's/"isolation":"process"/"isolation":"proc\\u0065ss"/' format
edited 's/"isolation":"process"/"isolation":"process","isolation2":"process"/' format
edited 's/{"bundle":/{ "bundle":/' format

row 'lax base64'
edited 's/"ed25519":"\([A-Za-z0-9+/]*\)[AQgw]=="/"ed25519":"\1B=="/' format
edited 's/"ed25519":"\([A-Za-z0-9+/]*\)=="/"ed25519":"\1"/' format
edited 's/"ed25519":"\([A-Za-z0-9+/]*\)=="/"ed25519":"\1==\\n"/' format

row 'replay an old quote'
made old-quote quote.binding

row 'relay a quote from another machine'
made relayed-quote quote.signature
made relayed-request request.binding

row 'reboot or patch mid-job'
made rebooted quote.start
made patched quote.start
made other-worker quote.pcr

row 'seed grinding, dropping bad runs'
made ground-seed request.binding
made picked-run ledger.intent
made intent-afterwards ledger.intent
made other-counter request.binding

row 'backdate'
made backdated timestamp
made postdated timestamp
made later-head ledger.intent

# --- the ledger -----------------------------------------------------------------------------------------------------
row 'proof for another log, leaf/node confusion'
made rewritten ledger.checkpoint
made other-checkpoint ledger.checkpoint
made other-log request.binding
made index-outside ledger.inclusion
made longer-path ledger.inclusion
made shorter-path ledger.inclusion
made not-logged ledger.inclusion
said_no node-as-leaf ledger.inclusion 'does not lead to the root'

# --- anchors --------------------------------------------------------------------------------------------------------
row 'chain reorg, wrong chain or contract'
made wrong-chain anchor.proof
made wrong-contract anchor.proof
made wrong-code anchor.proof
made reorganised anchor.canonical

row 'front-run the anchor'
made front-run anchor.proof

# --- a site, and another TPM under the same id ----------------------------------------------------------------------
row 'another TPM under the same device id'
site_reference reference.yaml ketseal "$(site_digest "$ketseal")"
site_more=$site_enrolment_lines
site_start
site_certify
site_enrol edge-1
site_token edge-1
site_refused 5 "device 'edge-1' is bound to another TPM" "$ketseal" -q device enrol --device impostor --token edge-1.token \
    --swtpm-ca "$maker" --ek-chain "$maker/issuing.pem"
caught impostor 'device enrol'

# --- that site's ledger, as files: an older one put back, a bit flipped ----------------------------------------------
job() {
    "$ketseal" -q run --device edge-1 --template bell --shots 10 --seed 1 --out job.bundle >/dev/null
}
job
"$ketseal" -q ledger export --device edge-1 old.files >/dev/null
job
"$ketseal" -q ledger export --device edge-1 files >/dev/null
site_stop

row 'split view, rollback'
made other-view ledger.witness
site_refused 1 'ledger.witness: required by the policy, but not run: 0 of' "$verify" made/hidden-view.policy made/hidden-view.bundle
caught hidden-view ledger.witness
said_no rollback-shrinks 'ledger check' ''
said_no rollback-rewrites 'ledger check' ''
"$ketseal" -q ledger check --device edge-1 --from files >/dev/null
site_refused 1 'FORK: .* entries and now shows' "$ketseal" ledger check --device edge-1 --from old.files
caught put-back 'ledger check'

# --- crashes and disks ----------------------------------------------------------------------------------------------
row 'crash after ack, disk bit flip'
for disk in store journal heads; do
    "$site_build/tests/fault/test_crash_$disk" >crash 2>&1 || { cat crash >&2; site_fail "crash_$disk"; }
    caught "$disk" fault
done
"$ketseal" ledger fsck --site site.json files >/dev/null || site_fail "the files are damaged already"
for file in $(cd files && find tile -type f); do
    cp -r files flipped
    byte=$(od -An -tu1 -j 40 -N 1 "files/$file" | tr -d ' ')
    printf %02x $((byte ^ 1)) | xxd -r -p | dd of="flipped/$file" bs=1 seek=40 conv=notrunc status=none
    site_refused 1 "$file" "$ketseal" ledger fsck --site site.json flipped
    rm -r flipped
    caught "$file" 'ledger fsck'
done

# --- the page and this file have the same rows ------------------------------------------------------------------------
row ''
sed -i '/^$/d' rows
sed -n '/^| attack |/,/^$/p' "$page" | sed '1,2d' | sed -n 's/^| \([^|]*\) |.*/\1/p' >page.rows
sort rows >rows.sorted
sort page.rows | diff - rows.sorted >&2 || site_fail "docs/attacks.md has other rows"
printf '%s: %s rows of attacks performed, each caught by its check\n' "$site_name" "$(wc -l <rows)"
