#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# kill -9 of either key manager, or of both, at random moments under load from both sides. After each: both
# agree again; a key that was answered for at one end is there at the other; one that was taken is gone; and
# no key, of all rounds and both sides, was handed out twice.
#
#   kme_kill.sh BUILD [ROUNDS] [SEED]
set -eu
# shellcheck source-path=SCRIPTDIR source=kme.sh
. "$(dirname "$0")/kme.sh"
kme_begin "$1" "$1/tests/integration/kme_straight"
rounds=${2:-3}
seed=${3:-$(date +%s)}
echo "$kme_name: seed $seed"
random=$seed

# The next number below $1, in $drawn.
draw() {
    random=$(((random * 1103515245 + 12345) % 2147483648))
    drawn=$((random / 65536 % $1))
}

kme_sae sae-1
kme_sae sae-2
kme_keys='  stored_max: 2000'
kme_start a b
round=0
kills=0
while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    kme_wait a 'stored_keys{half="own"}' 200
    kme_wait b 'stored_keys{half="own"}' 200
    # One key that was taken before, one that waits.
    kme_ask sae-1 a GET '/api/v1/keys/sae-2/enc_keys?number=2'
    [ "$status" = 200 ] || kme_fail "round $round: $status $answer"
    taken=$(echo "$answer" | jq -r '.keys[0].key_ID')
    waits=$(echo "$answer" | jq -r '.keys[1].key_ID')
    waits_key=$(echo "$answer" | jq -r '.keys[1].key')
    kme_ask sae-2 b GET "/api/v1/keys/sae-1/dec_keys?key_ID=$taken"
    [ "$status" = 200 ] || kme_fail "round $round: $status $answer"
    given='delivered_keys_total{method="enc_keys"}'
    given_a=$(kme_metric a "$given") given_b=$(kme_metric b "$given")
    KME_KEYS=keys.a "$kme_client" load sae-1 "$port_a" sae-2 "$port_b" 3 3000 2 quiet >>loads 2>>said.a &
    load_a=$!
    KME_KEYS=keys.b "$kme_client" load sae-2 "$port_b" sae-1 "$port_a" 3 3000 2 quiet >>loads 2>>said.b &
    load_b=$!
    kme_wait a "$given" $((given_a + 20))
    kme_wait b "$given" $((given_b + 20))
    draw 300
    sleep "0.$(printf '%03d' "$drawn")"
    draw 3
    case $drawn in
    0) victims=a ;;
    1) victims=b ;;
    *) victims='a b' ;;
    esac
    for victim in $victims; do
        kme_kill "$victim"
        kills=$((kills + 1))
    done
    wait "$load_a" || kme_fail "round $round: $(tail -n 2 loads said.a)"
    wait "$load_b" || kme_fail "round $round: $(tail -n 2 loads said.b)"
    # shellcheck disable=SC2086 # one or two names
    kme_start $victims
    kme_wait a link_up 1
    kme_wait b link_up 1
    kme_ask sae-2 b GET "/api/v1/keys/sae-1/dec_keys?key_ID=$taken"
    [ "$status" = 400 ] || kme_fail "round $round: a key that was taken is there again: $answer"
    kme_ask sae-2 b GET "/api/v1/keys/sae-1/dec_keys?key_ID=$waits"
    if [ "$status" != 200 ] || [ "$(echo "$answer" | jq -r '.keys[0].key')" != "$waits_key" ]; then
        kme_fail "round $round: a key that was answered for is lost: $status $answer"
    fi
done
kme_stop a
kme_stop b
keys=$(cat keys.a keys.b | wc -l)
distinct=$(cat keys.a keys.b | sort -u | wc -l)
echo "$kme_name: $rounds rounds, $kills kills, $keys keys handed out, $distinct different ones"
[ "$keys" -gt 0 ] || kme_fail 'no keys'
[ "$keys" -eq "$distinct" ] || kme_fail 'a key was handed out twice'
