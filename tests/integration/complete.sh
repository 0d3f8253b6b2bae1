#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# A bundle put on a later checkpoint of its ledger: by the site, by proof files, from exported files when the site is
# gone. The three are the same bytes. What does not lead there is refused, and no file is left.
#
#   complete.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=site.sh
. "$(dirname "$0")/site.sh"
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
sed "3s/^./$(sed -n 3p note | cut -c1 | tr 'A-Za-z0-9+/' 'B-ZA-b-za1-90/+')/" note >false.note
site_refused 1 'ledger.checkpoint: ' completed never --from files --checkpoint false.note
# A tile with a bit more.
cp -r files damaged
printf '\377' | dd of="damaged/tile/0/000.p/10" bs=1 seek=1 conv=notrunc status=none
site_refused 1 'the stored tiles do not have the root' completed never --from damaged
[ ! -e never ] || site_fail "a bundle that was refused was written"

# --- without the site ---------------------------------------------------------------------------------------------------
site_stop
completed offline --from files
cmp offline by.site || site_fail "without the site it is another bundle"
printf '%s: three ways to a later checkpoint, the same bytes; %s refusals\n' "$site_name" "$site_refusals"
