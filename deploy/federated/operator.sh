#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The operator's part: it orders a session of the four nodes, waits for its end, fetches the model and the record of each
# round, verifies them, anchors the ledger on the chain, and verifies the last round's record with its anchor.
#
#   ketseal-operator ROUNDS DIRECTORY       DIRECTORY/global.safetensors, round-N.json, *.policy
#
# /etc/ketseal: certificates; /run/secrets: operator.key, auditor.key, anchor.key; /var/lib/ketseal/site: the site's state, of which
# site.json is read alone; /public: what nodes read. A chain listens on this host's port 8545.
set -eu
rounds=$1
out=$2
node=http://127.0.0.1:8545
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

die() { echo "ketseal-operator: $*" >&2; exit 4; }
say() { echo "ketseal-operator: $*" >&2; }

cd "$work"
mkdir operator auditor
cp /etc/ketseal/root.pem /etc/ketseal/operator.pem operator/
cp /etc/ketseal/root.pem /etc/ketseal/device.pem /etc/ketseal/url auditor/
ln -s /run/secrets/operator.key operator/
ln -s /run/secrets/auditor.key auditor/device.key
cp /var/lib/ketseal/site/site.json auditor/
url=$(cat /etc/ketseal/url)
cp auditor/site.json /public/
ketseal policy make --root /etc/ketseal/root.pem --site auditor/site.json --insecure-simulated-tpm --out "$out/federated.policy"

# A model that has learned nothing, of the shape that the city's tables have.
ketseal learn generate --site=0 --hours=1500 --out=city.csv
ketseal -q learn train --schema=city-air --test-from='2024-02-20 00:00:00' --model=linear --epochs=0 --out=first.safetensors city.csv >/dev/null

fl() { # VERB …
    verb=$1
    shift
    ketseal --json fl "$verb" --operator=operator --url="$url" "$@"
}
session=$(fl create --rounds="$rounds" --updates=4 --device=edge-1 --device=edge-2 --device=edge-3 --device=edge-4 --prepare=300 \
    --train=600 --epochs=2 --optimiser=adam --rate=0.001 first.safetensors | sed -n 's/.*"session":"\([0-9a-f]*\)".*/\1/p')
fl start "$session" >/dev/null
echo "$session" >/public/session.new
mv /public/session.new /public/session
say "session $session"

state() { fl status "$session" | sed -n 's/.*"state":"\([A-Z]*\)".*/\1/p'; }
while [ "$(state)" = RUNNING ]; do
    sleep 1
done
[ "$(state)" = FINISHED ] || die "the session has ended: $(fl status "$session")"
fl fetch --out="$out/global.safetensors" "$session" >/dev/null

# The records that are done, oldest first: a round's is made shortly after its end.
records() {
    fl records "$session" | tr '{' '\n' |
        sed -n 's/.*"id":"\([^"]*\)".*"state":"done".*/\1/p' | tac
}
tries=0
until [ "$(records | wc -l)" -ge "$rounds" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 60 ] || die "rounds without a record: $(fl records "$session")"
    sleep 1
done
number=0
for job in $(records); do
    number=$((number + 1))
    fl record --out="$out/round-$number.json" "$job" >/dev/null
    ketseal verify --policy="$out/federated.policy" "$out/round-$number.json"
done

# The chain of this set-up gives coins away. Elsewhere the account has some.
account=$(cat /etc/ketseal/account)
ketseal-health rpc 8545 anvil_setBalance "[\"$account\",\"0x8ac7230489e80000\"]"
transact() { # FILE: signed where no network is needed, then sent
    ketseal -q anchor sign --key=/run/secrets/anchor.key --out="$1.signed" "$1"
    ketseal anchor send --rpc="$node" "$1.signed"
}
ketseal -q anchor deploy --rpc="$node" --chain=31337 --from="$account" --out=deploy
contract=$(transact deploy | sed -n 's/^contract //p')
ketseal anchor pin --chain=31337 --contract="$contract" --from="$account" --out=anchor.pin
ketseal -q anchor prepare --rpc="$node" --pin=anchor.pin --device=auditor --checkpoint-out=checkpoint --out=anchor
transact anchor >/dev/null
ketseal -q anchor prove --rpc="$node" --pin=anchor.pin --block=latest --out=evidence checkpoint
block=$(ketseal -q --json anchor check --pin=anchor.pin --checkpoint=checkpoint evidence |
    sed 's/.*"block_hash":"\([0-9a-f]*\)","block_number":\([0-9]*\).*/\2:0x\1/')
ketseal anchor pin --chain=31337 --contract="$contract" --from="$account" --block="$block" --out="$out/anchor.pin"
ketseal policy make --root /etc/ketseal/root.pem --site auditor/site.json --insecure-simulated-tpm --anchor="$out/anchor.pin" \
    --out "$out/anchored.policy"
ketseal -q bundle complete --policy="$out/anchored.policy" --device=auditor --fetch --checkpoint=checkpoint --anchor=evidence \
    --out="$out/anchored.json" "$out/round-$number.json"
ketseal verify --policy="$out/anchored.policy" "$out/anchored.json"
say "$number rounds, verified and anchored in block ${block%%:*}"
