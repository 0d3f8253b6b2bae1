#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Verifies a bundle, of a circuit, of a contribution to federated learning or of one of its rounds, with none of ketseal's
# code: OpenSSL >= 3.5, jq, tpm2-tools. Exit code 0 yes, 1 no.
#   examples/verify-by-hand.sh POLICY BUNDLE          (OPENSSL=… names another openssl)
# docs/formats/record.md says what is hashed and signed. `jq -cS` is canonical for what bundles hold but for numbers below
# 1e-6 and from 1e21 on, which are refused here. A policy that demands more than is done here ends it with 2.
set -euo pipefail
policy=$1 bundle=$2 ssl=${OPENSSL:-openssl} dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
no() { echo "refused: $*"; exit 1; }
unknown() { echo "could not tell: the policy demands $*, which is not done here"; exit 2; }
get() { jq -er "$2" "$1"; }; json() { jq -cSj "$2" "$1"; }
sha() { sha256sum | cut -c1-64; }; unhex() { xxd -r -p; }; u64() { printf '%016x' "$1"; }
same() { [ "$1" = "$2" ] || no "$3"; }
# RFC 9162 §2.1.3.2: LEAF INDEX SIZE PATH… gives the root
walk() {
    [[ $2 =~ ^(0|[1-9][0-9]{0,14})$ && $3 =~ ^[1-9][0-9]{0,14}$ && $2 -lt $3 ]] || return 1 # bash would run what is no number
    local hash=$1 node=$2 last=$(($3 - 1)) next
    shift 3; while [ "$last" -gt 0 ]; do
        if [ $((node & 1)) = 1 ]; then
            next=${1:?}; shift; hash=$( (printf 01; printf %s "$next$hash") | unhex | sha)
        elif [ "$node" -lt "$last" ]; then
            next=${1:?}; shift; hash=$( (printf 01; printf %s "$hash$next") | unhex | sha)
        fi
        node=$((node >> 1)) last=$((last >> 1))
    done
    [ $# = 0 ] && echo "$hash"
}
leaf() { (printf '\0'; cat) | sha; }
# PREFIX of the SubjectPublicKeyInfo, KEY in base64, MESSAGE file, SIGNATURE file, [CONTEXT]
signed() {
    { printf %s "$1" | unhex; base64 -d <<<"$2"; } >"$dir/spki"
    "$ssl" pkeyutl -verify -rawin -pubin -keyform DER -inkey "$dir/spki" -in "$3" -sigfile "$4" \
        ${5:+-pkeyopt context-string:"$5"} >/dev/null 2>&1 || no "$6"
}
ed=302a300506032b6570032100
dsa44=30820532300b06096086480165030403110382052100 dsa65=308207b2300b0609608648016503040312038207a100

more=$(jq -r '.require - (["format", "signature.ed25519", "signature.ml-dsa-65", "result", "platform.tpm", "platform.site"] +
    (["certificate", "signature", "binding"] | map("request." + .)) + (["signature", "binding", "pcr", "start"] | map("quote." + .)) +
    (["checkpoint", "inclusion", "intent"] | map("ledger." + .))) | join(", ")' "$policy")
[ -z "$more" ] || unknown "$more"
[ -z "$(get "$policy" .crl)" ] || unknown "a list of revocations"
same "$(head -c -1 "$bundle" | sha)" "$(json "$bundle" . | sha)" "not canonical"
same "$(tail -c 1 "$bundle" | xxd -p)" 0a "does not end with a newline"
# --- signatures over core and evidence
H=$(json "$bundle" .record.core | sha) E=$(json "$bundle" .record.evidence | sha)
(printf 'ketseal/record/1\n'; unhex <<<"$H$E") | sha | unhex >"$dir/D"
for alg in ed25519 ml-dsa-65; do get "$bundle" ".record.signatures[\"$alg\"]" | base64 -d >"$dir/$alg"; done
signed $ed "$(get "$policy" .site.ed25519)" "$dir/D" "$dir/ed25519" "" "Ed25519 signature"
signed $dsa65 "$(get "$policy" '.site["ml-dsa-65"]')" "$dir/D" "$dir/ml-dsa-65" ketseal/record/1 "ML-DSA-65 signature"
# --- the request: certificate, submission, what it asked for
get "$policy" .root >"$dir/root.pem"
created=$(get "$bundle" .record.core.record.created_at) untrusted=()
# The issuer, if there is one; and what the root says of the whole site.
if [ "$(get "$policy" .site.schema)" = ketseal.site/2 ]; then
    get "$policy" .site.issuer | base64 -d | "$ssl" x509 -inform DER >"$dir/issuer.pem"
    untrusted=(-untrusted "$dir/issuer.pem")
    "$ssl" x509 -in "$dir/root.pem" -noout -pubkey >"$dir/root.pub"
    json "$policy" '.site.certificate | del(.signature)' >"$dir/said"
    get "$policy" .site.certificate.signature | base64 -d >"$dir/said.sig"
    "$ssl" pkeyutl -verify -rawin -pubin -inkey "$dir/root.pub" -in "$dir/said" -sigfile "$dir/said.sig" \
        -pkeyopt context-string:ketseal/site/1 >/dev/null 2>&1 || no "site certificate"
    same "$(json "$policy" '.site | del(.certificate)' | sha)" "$(get "$policy" .site.certificate.site)" "another site"
    jq -e --arg at "$created" '.site.certificate | .issued_at <= $at and $at <= .expires_at' "$policy" >/dev/null ||
        no "site certificate: its life"
fi
core() { json "$bundle" ".record.core|$1"; }; evidence() { json "$bundle" ".record.evidence|$1"; }
kind=circuit; [ "$(get "$bundle" .record.core.schema_version)" != ketseal-5 ] || kind=$(get "$bundle" .record.core.workload.name)
# A round goes back to the order of an operator, all else to the submission of a device.
who=device usage='TLS Web Client Authentication' said=submission word=ketseal/submission/1
[ "$kind" != fl.round ] || who=operator usage=2.25.202404580414369008271319098654232491562 said=order word=ketseal/fl-order/1
get "$bundle" ".record.evidence.${who}_certificate" | base64 -d | "$ssl" x509 -inform DER >"$dir/$who.pem"
"$ssl" verify -attime "$(date -d "$created" +%s)" -CAfile "$dir/root.pem" "${untrusted[@]}" "$dir/$who.pem" >/dev/null 2>&1 ||
    no "$who certificate"
"$ssl" x509 -in "$dir/$who.pem" -noout -subject -ext extendedKeyUsage >"$dir/names" 2>&1
same "$(sed -n 's/^subject=CN *= *//p; s/^    //p' "$dir/names" | tr '\n' ' ')" "$(core ".request.$who") $usage " "another's certificate"
"$ssl" x509 -in "$dir/$who.pem" -noout -pubkey >"$dir/$who.pub"
evidence .$said >"$dir/said"
get "$bundle" .record.evidence.signature | base64 -d >"$dir/said.sig"
"$ssl" pkeyutl -verify -rawin -pubin -inkey "$dir/$who.pub" -in "$dir/said" -sigfile "$dir/said.sig" \
    -pkeyopt context-string:$word >/dev/null 2>&1 || no "$said signature"
same "$(sha <"$dir/said")" "$(core .request.$said)" "another $said"
same "$(sha <"$dir/said.sig")" "$(core .request.${said}_signature)" "its signature"
if [ "$kind" = fl.round ]; then
    same "$(core '[.ledger.origin, (.workload|.session, .parameters, .params, .shape)]')" \
        "$(evidence '.order|[.site, .session, (.plan|.rule, .params, .shape)]')" "the order's binding"
    same "$(evidence .order.verb)" create "another order"
    [ "$(core .workload.round)" -le "$(evidence .order.plan.rounds)" ] || no "a round too many"
    [ "$(core .workload.round)" != 1 ] || same "$(core .workload.parent)" "$(evidence .order.plan.parent)" "another model to begin with"
else
    same "$(evidence .job | sha)" "$(core .request.job)" "another job"
    same "$(evidence '.submission|[.job,.device,.counter,.key_id,.channel]')" \
        "$(core '.request|[.job,.device,.counter,.key_id,.channel]')" "the request's binding"
fi
if [ "$kind" = fl.update ]; then
    bound='[.session, .round, .parent, .encoding, .samples, .sealed, .length]'
    same "$(evidence ".job|$bound")" "$(core ".workload|$bound")" "the contribution's binding"
fi
same "$(json "$bundle" .record.core.execution.result_summary | sha)" \
    "$(get "$bundle" .record.core.execution.result_digest)" "the result's digest"
[ "$kind" != circuit ] || same "$(core '[.execution.result_summary[]]|add')" "$(core .workload.shots)" "shots"
# --- the TPM: signature, binding to H, what was launched
q=.record.evidence.quote
get "$bundle" $q.attest | base64 -d >"$dir/attest"; get "$bundle" $q.signature | base64 -d >"$dir/quote.sig"
mapfile -t path < <(jq -r "$q.path[]" "$bundle")
root=$(walk "$(unhex <<<"$H" | leaf)" "$(get "$bundle" "$q.index|numbers")" "$(get "$bundle" "$q.size|numbers")" "${path[@]}") || no "quote path"
extra=$( (printf 'ketseal/quote/1\n'; unhex <<<"$(u64 "$(get "$bundle" $q.size)")$root") | sha)
get "$policy" .site.ak | base64 -d >"$dir/ak.tpmt"
tpm2_print -t TPMT_PUBLIC -f pem "$dir/ak.tpmt" >"$dir/ak.pem" 2>/dev/null || no "attestation key"
tpm2_checkquote -u "$dir/ak.pem" -m "$dir/attest" -s "$dir/quote.sig" -g sha256 -q "$extra" >/dev/null 2>&1 || no "quote"
same "$(json "$bundle" .record.evidence.event_log)" "$(json "$policy" .site.event_log)" "another launch"
same "$(evidence .event_log | sha)" "$(core .platform.event_log)" "another launch than the core's"
worker=ketseal-worker; [ "$kind" = circuit ] || worker=ketseal-worker-fl; [ "$(core '.workload.sdk // "ketseal"')" = ketseal ] || worker=ketseal-adapter
same "$(core .execution.build)" "$(jq -r --arg name $worker '.record.evidence.event_log.events[]|select(.name == $name).digest' "$bundle")" "another worker"
jq -e --arg tpm "$(core .platform.tpm)" '.tpm|index($tpm)' "$policy" >/dev/null || no "a TPM of another kind"
same "$(core .ledger.origin)" "$(get "$policy" .site.origin)" "another site"
pcr=$(get "$policy" .site.event_log.initial)
for digest in $(jq -r '.site.event_log.events[].digest' "$policy"); do pcr=$(unhex <<<"$pcr$digest" | sha); done
same "$(unhex <<<"$pcr" | sha)" "$(tail -c 32 "$dir/attest" | xxd -p -c 64)" "PCR 14"
# --- the quote from before the intent: same key, reset and restart counts, PCR; its clock not behind
at() { tail -c +$(($2 + 1)) "$dir/$1" | head -c "$3" | xxd -p -c 64; }
[ "$(get "$bundle" .record.core.schema_version)" = ketseal-1 ] || {
    for part in attest signature; do get "$bundle" .record.evidence.start_quote.$part | base64 -d >"$dir/start.$part"; done
    tpm2_checkquote -u "$dir/ak.pem" -m "$dir/start.attest" -s "$dir/start.signature" -g sha256 \
        -q "$(at start.attest 44 32)" >/dev/null 2>&1 || no "start quote"
    same "$(at start.attest 6 36)$(at start.attest 84 8)$(at start.attest 101 44)" "$(at attest 6 36)$(at attest 84 8)$(at attest 101 44)" "start quote"
    [ ! "$(at start.attest 76 8)" \> "$(at attest 76 8)" ] || no "the clock of the start quote"; }
# --- the ledger: both notes of the checkpoint, the record's entry
get "$bundle" .ledger.checkpoint >"$dir/note"; head -n 3 "$dir/note" >"$dir/body"
{ read -r origin; read -r size; read -r tree; } <"$dir/body"
same "$origin" "$(get "$policy" .site.origin)" "another ledger"
sed -n 5p "$dir/note" | cut -d' ' -f3 | base64 -d | tail -c +5 >"$dir/note.ed"
signed $ed "$(get "$policy" '.site["note-ed25519"]')" "$dir/body" "$dir/note.ed" "" "checkpoint, Ed25519"
sed -n 6p "$dir/note" | cut -d' ' -f3 | base64 -d | tail -c +5 >"$dir/note.dsa"
{ printf 'subtree/v1\n\0'; printf "\\x$(printf %02x ${#origin})%s" "$origin"; head -c 8 "$dir/note.dsa"
    printf "\\x$(printf %02x ${#origin})%s" "$origin"; unhex <<<"$(u64 0)$(u64 "$size")"; base64 -d <<<"$tree"; } >"$dir/subtree"
tail -c +9 "$dir/note.dsa" >"$dir/note.sig"
signed $dsa44 "$(get "$policy" '.site["note-ml-dsa-44"]')" "$dir/subtree" "$dir/note.sig" "" "checkpoint, ML-DSA-44"
entry=$(jq -cSj --arg E "$E" --arg H "$H" --arg S "$(json "$bundle" .record.signatures | sha)" '.record.core |
    (.request | if .operator then {operator} else {counter, device} end) + {evidence: $E, intent: .ledger.intent, kind: "record",
     record: $H, schema: "ketseal.entry/1", signatures: $S}' "$bundle")
mapfile -t path < <(jq -r '.ledger.path[]' "$bundle")
tree=$(base64 -d <<<"$tree" | xxd -p -c 64)
same "$(walk "$(printf %s "$entry" | leaf)" "$(get "$bundle" '.ledger.index|numbers')" "$size" "${path[@]}")" "$tree" "inclusion"
intent=$(core '(if .request.operator then .workload | {descriptor, kind: "round", round, session}
    else .request | {counter, device, job, kind: "intent", submission} end) + {schema: "ketseal.entry/1"}')
mapfile -t path < <(jq -r '.ledger.intent_path[]' "$bundle")
same "$(walk "$(printf %s "$intent" | leaf)" "$(core '.ledger.intent|numbers')" "$size" "${path[@]}")" "$tree" "intent"
jq -e '.record.core.ledger.intent < .ledger.index' "$bundle" >/dev/null || no "a record before its intent"
echo "accepted: record $(get "$bundle" .record.core.record.record_id), ledger index $(get "$bundle" .ledger.index)"
