#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A bundle put on a later checkpoint of its ledger: by the site, by proof files, from exported files when the site is
# gone. The three are the same bytes. What does not lead there is refused, and no file is left. With a time stamp, by
# hand and from the site that was given it: the same bytes again.
#
#   complete.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
# shellcheck source-path=SCRIPTDIR source=stamps.sh
. "$(dirname "$0")/stamps.sh"
site_begin "$1"
verify=$site_build/src/cli/ketseal-verify
site_device edge-1
site_start

job() { # SEED OUT
    "$ketseal" -q run --device edge-1 --template bell --shots 100 --seed "$1" --out "$2" >/dev/null
}
completed() { # OUT FLAGS…
    out=$1
    shift
    "$ketseal" -q bundle complete --policy lab.policy --out "$out" "$@" first.bundle
}
job 1 first.bundle
for seed in 2 3 4 5; do
    job "$seed" "job.$seed"
done
index=$(jq .ledger.index first.bundle)
intent=$(jq .record.core.ledger.intent first.bundle)
"$ketseal" ledger export --device edge-1 files >/dev/null
cp files/checkpoint note
"$ketseal" ledger prove --from files --device edge-1 --out proof "$index" >/dev/null
"$ketseal" ledger prove --from files --device edge-1 --out intent "$intent" >/dev/null

completed by.site --fetch --checkpoint note --device edge-1
completed by.proofs --proof proof --intent-proof intent
completed by.files --from files
cmp by.site by.proofs || site_fail "the site and the proofs differ"
cmp by.site by.files || site_fail "the site and the files differ"
"$verify" lab.policy by.files >said
[ "$(jq -r .ledger.checkpoint by.files | sed -n 2p)" -gt "$(jq -r .ledger.checkpoint first.bundle | sed -n 2p)" ] ||
    site_fail "no later checkpoint"
[ "$(jq -cS .record by.files)" = "$(jq -cS .record first.bundle)" ] || site_fail "the record changed"

# --- what does not lead there -----------------------------------------------------------------------------------------
site_refused 2 'exclude each other' completed never --from files --fetch
site_refused 2 'it takes --proof' completed never --checkpoint note
site_refused 2 'go together' completed never --proof proof
site_refused 1 'is of entry' completed never --proof intent --intent-proof proof
jq -rj .ledger.checkpoint first.bundle >old.note
site_refused 1 'leads to another checkpoint' completed never --checkpoint old.note --proof proof --intent-proof intent
completed back --from files --checkpoint old.note
cmp back first.bundle || site_fail "back on its own checkpoint, it is another bundle"
sed "2s/.*/$(jq -r .ledger.checkpoint first.bundle | sed -n 2p)0/" note >large.note
site_refused 6 'the ledger has 10 entries, not 20' completed never --from files --checkpoint large.note
sed '3{s/^A/B/;t;s/^./A/}' note >false.note
site_refused 1 'ledger.checkpoint: ' completed never --from files --checkpoint false.note
# A tile with a bit more.
cp -r files damaged
printf '\377' | dd of="damaged/tile/0/000.p/10" bs=1 seek=1 conv=notrunc status=none
site_refused 1 'the stored tiles do not have the root' completed never --from damaged
[ ! -e never ] || site_fail "a bundle that was refused was written"

# --- a time stamp that the site keeps for its bundles ---------------------------------------------------------------
stamps_begin
"$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
"$ketseal" policy make --root ca/root.pem --site state/site.json --insecure-simulated-tpm --timestamp-ca root.pem \
    --timestamp-within 3600 --out stamps.policy
"$ketseal" -q timestamp request --out request.tsq note
stamps_reply request.tsq stamper answer.tsr || site_fail "no time stamp: $(cat reply.log)"
publish() {
    "$ketseal" timestamp publish --operator op --url "https://127.0.0.1:$site_port" --answer answer.tsr "$@"
}
site_refused 1 'of another checkpoint than first.bundle' publish first.bundle
site_refused 1 'another checkpoint than large.note' publish large.note
publish --request request.tsq note >/dev/null
publish note >/dev/null # again does no harm
id=$(jq -r .record.core.record.record_id first.bundle)
"$ketseal" -q job fetch --device edge-1 --wait timestamped --timeout 20 --policy stamps.policy --out fetched "$id" >/dev/null
completed stamped --from files --timestamp answer.tsr
cmp fetched stamped || site_fail "the site's bundle and the completed one differ"
"$verify" --explain stamps.policy stamped | grep -q '^pass     timestamp$' || site_fail "timestamp did not pass"

# --- without the site ---------------------------------------------------------------------------------------------------
site_stop
completed offline --from files
cmp offline by.site || site_fail "without the site it is another bundle"
printf '%s: three ways to a later checkpoint, the same bytes; %s refusals\n' "$site_name" "$site_refusals"
