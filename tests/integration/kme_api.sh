#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Two key managers: what SAEs get, and what they are refused, with the standard's words; additional SAEs;
# callers that were not named; slow and malformed peers; ten thousand keys over several clients.
#
#   kme_api.sh BUILD
set -eu
# shellcheck source-path=SCRIPTDIR source=kme.sh
. "$(dirname "$0")/kme.sh"
kme_begin "$1" "$1/tests/integration/kme_straight"
for sae in sae-1 sae-2 sae-3 sae-4; do
    kme_sae "$sae"
done
kme_start a b
kme_wait a 'stored_keys{half="own"}' 9000
kme_wait b 'stored_keys{half="own"}' 9000

# The answer to the last question: STATUS and, for an error, its MESSAGE and the first of its details.
expect() { # STATUS [MESSAGE [DETAIL]]
    [ "$status" = "$1" ] || kme_fail "got $status $answer, wanted $*"
    [ $# -lt 2 ] || [ "$(echo "$answer" | jq -r .message)" = "$2" ] || kme_fail "got $answer, wanted $2"
    [ $# -lt 3 ] || [ "$(echo "$answer" | jq -c '.details[0]')" = "$3" ] || kme_fail "got $answer, wanted $3"
}

# --- status -----------------------------------------------------------------------------------------------
kme_ask sae-1 a GET /api/v1/keys/sae-2/status
expect 200
echo "$answer" | jq -e '.source_KME_ID == "kme-a" and .target_KME_ID == "kme-b" and .master_SAE_ID == "sae-1" and
    .slave_SAE_ID == "sae-2" and .key_size == 256 and .stored_key_count >= 9000 and .max_key_count == 10000 and
    .max_key_per_request == 128 and .max_key_size == 1024 and .min_key_size == 64 and .max_SAE_ID_count == 8' >/dev/null ||
    kme_fail "status: $answer"
kme_ask sae-1 a POST /api/v1/keys/sae-2/status '{}'
expect 405

# --- GET and POST, sizes in bits ----------------------------------------------------------------------------
kme_ask sae-1 a GET /api/v1/keys/sae-2/enc_keys
expect 200
[ "$(echo "$answer" | jq '.keys | length')" = 1 ] || kme_fail "GET gives $answer"
kme_ask sae-1 a GET '/api/v1/keys/sae-2/enc_keys?number=3&size=128'
expect 200
echo "$answer" | jq -e '[.keys[].key | length] == [24, 24, 24]' >/dev/null || kme_fail "sizes: $answer"
kme_ask sae-1 a POST /api/v1/keys/sae-2/enc_keys '{"number":2,"size":1024}'
expect 200
given=$answer
ids=$(echo "$given" | jq -c '{key_IDs: [.keys[] | {key_ID}]}')
kme_ask sae-2 b POST /api/v1/keys/sae-1/dec_keys "$ids"
expect 200
[ "$(echo "$answer" | jq -cS .)" = "$(echo "$given" | jq -cS .)" ] || kme_fail "other keys at the other end"
kme_ask sae-2 b POST /api/v1/keys/sae-1/dec_keys "$ids"
expect 400 'one or more keys specified are not found on KME'

# --- refused, with the standard's words -----------------------------------------------------------------------
enc=/api/v1/keys/sae-2/enc_keys
kme_ask sae-1 a POST $enc '{"size":257}'
expect 400 'size shall be a multiple of 8' '{"size":"257"}'
kme_ask sae-1 a GET "$enc?size=257"
expect 400 'size shall be a multiple of 8'
kme_ask sae-1 a POST $enc '{"extension_mandatory":[{"abc_route_type":"direct"}]}'
expect 400 'not all extension_mandatory parameters are supported' \
    '{"extension_mandatory_unsupported":"abc_route_type is not supported"}'
kme_ask sae-1 a POST $enc '{"extension_optional":[{"abc_max_age":30000}]}'
expect 400 'not all extension_optional request options handled' \
    '{"extension_optional_unhandled":"abc_max_age is not handled"}'
kme_ask sae-1 a POST $enc '{"extension_mandatory":[],"extension_optional":[]}'
expect 200
kme_ask sae-1 a POST $enc '{"number":129}'
expect 400 'bad request format' '{"number":"at most 128"}'
kme_ask sae-1 a POST $enc '{"size":2048}'
expect 400 'bad request format' '{"size":"expected 64 to 1024"}'
for body in '{' '[]' '{"number":0}' '{"number":"1"}' '{"Number":1}' '{"number":1,"number":2}'; do
    kme_ask sae-1 a POST $enc "$body"
    expect 400 'bad request format'
done
kme_ask sae-1 a POST "$enc?number=1" '{}'
expect 400 'bad request format' '{"reason":"a POST has no query"}'
for query in '?number=0' '?number=1&number=1' '?additional_slave_SAE_IDs=sae-3' '?key_ID=1'; do
    kme_ask sae-1 a GET "$enc$query"
    expect 400 'bad request format'
done
kme_ask sae-1 a GET /api/v1/keys/sae-1/enc_keys
expect 400 'bad request format' '{"slave_SAE_ID":"an SAE twice, or the caller itself"}'
kme_ask sae-1 a POST $enc '{"additional_slave_SAE_IDs":["sae-3","sae-2"]}'
expect 400 'bad request format'
kme_ask sae-1 a GET /api/v1/keys/sae-2/enc_key
expect 404
kme_ask sae-1 a DELETE $enc
expect 405
kme_ask sae-2 b GET '/api/v1/keys/sae-1/dec_keys?key_ID=00000000-0000-0000-0000-000000000000'
expect 400 'one or more keys specified are not found on KME'
kme_ask sae-2 b GET '/api/v1/keys/sae-1/dec_keys?key_ID=7'
expect 400 'bad request format'
kme_ask sae-2 b GET /api/v1/keys/sae-1/dec_keys
expect 400 'bad request format'

# --- who was named, and who not -----------------------------------------------------------------------------------
kme_ask sae-1 a POST $enc '{"additional_slave_SAE_IDs":["sae-3"]}'
expect 200
given=$answer
id=$(echo "$given" | jq -r '.keys[0].key_ID')
dec="/api/v1/keys/sae-1/dec_keys?key_ID=$id"
kme_ask sae-4 b GET "$dec"
expect 401 'unauthorized' '{"reason":"the caller was not named"}'
kme_ask sae-2 b GET "/api/v1/keys/sae-4/dec_keys?key_ID=$id"
expect 400 'one or more keys specified are not found on KME'
# All or nothing: the one that is there stays.
kme_ask sae-2 b POST /api/v1/keys/sae-1/dec_keys \
    "{\"key_IDs\":[{\"key_ID\":\"$id\"},{\"key_ID\":\"00000000-0000-0000-0000-000000000000\"}]}"
expect 400 'one or more keys specified are not found on KME'
for sae in sae-2 sae-3; do
    kme_ask "$sae" b GET "$dec"
    expect 200
    [ "$(echo "$answer" | jq -cS .)" = "$(echo "$given" | jq -cS .)" ] || kme_fail "$sae got another key"
    kme_ask "$sae" b GET "$dec"
    expect 400 'one or more keys specified are not found on KME'
done
kme_ask sae-4 b GET "$dec"
expect 400 'one or more keys specified are not found on KME'
# Both ends may be masters at once.
kme_ask sae-2 b GET /api/v1/keys/sae-1/enc_keys
expect 200
id=$(echo "$answer" | jq -r '.keys[0].key_ID')
kme_ask sae-1 a GET "/api/v1/keys/sae-2/dec_keys?key_ID=$id"
expect 200

# --- peers that are slow, malformed, strangers --------------------------------------------------------------------
"$ketseal" -q ca new --out other --name 'another CA' >/dev/null
"$ketseal" -q ca issue device --ca other --name sae-1 --out stranger >/dev/null
cp ca/root.pem stranger/root.pem
if "$kme_client" stranger "$port_a" GET /api/v1/keys/sae-2/status >said 2>&1; then
    kme_fail "a stranger was answered: $(cat said)"
fi
head -c 4000 /dev/urandom | curl --silent --max-time 2 --data-binary @- "http://127.0.0.1:$port_a/" >/dev/null 2>&1 || true
head -c 4000 /dev/urandom | curl --silent --max-time 2 --data-binary @- "http://127.0.0.1:$link_port/" >/dev/null 2>&1 || true
curl --silent --max-time 2 "http://127.0.0.1:$admin_a/metrics" -X POST >/dev/null || true
[ "$(kme_get a /healthz)" = ok ] || kme_fail 'not healthy'
[ "$(kme_get a /readyz)" = ready ] || kme_fail 'not ready'
kme_ask sae-1 a GET $enc
expect 200

kme_ask sae-3 b GET '/api/v1/keys/sae-1/status'
expect 200

# --- a link that is not the other manager's --------------------------------------------------------------------------
kme_stop b
false_manager() { # SED-EXPRESSION WHAT-A-SAYS
    sed "$1" b.yaml >false.yaml
    "$kme_program" false.yaml 2>>false.log &
    pid_b=$!
    tries=0
    until grep -q "$2" a.log; do
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || kme_fail "not said: $2"
        sleep 0.1
    done
    [ "$(kme_metric a link_up)" = 0 ] || kme_fail "$1 has the link"
    kme_stop b
}
false_manager 's,link-b/device,sae-1/device,' "the peer's certificate is of 'sae-1', not of 'kme-b'"
false_manager 's,role: bob,role: alice,' 'both ends are alice'
kme_start b
kme_wait a link_up 1

# --- many at once, both ways -------------------------------------------------------------------------------------
kme_wait a 'stored_keys{half="own"}' 9000
KME_KEYS=drawn "$kme_client" load sae-2 "$port_b" sae-1 "$port_a" 4 1000 1 >load.b &
other=$!
KME_KEYS=drawn.a "$kme_client" load sae-1 "$port_a" sae-2 "$port_b" 8 10000 1 >load.a || kme_fail "$(cat load.a)"
wait "$other" || kme_fail "$(cat load.b)"
cat load.a load.b
[ "$(cat drawn drawn.a | wc -l)" -eq 11000 ] || kme_fail 'keys are missing'
[ "$(cat drawn drawn.a | sort -u | wc -l)" -eq 11000 ] || kme_fail 'a key twice'
kme_stop b
kme_ask sae-1 a GET $enc
expect 503 'error on server side' "{\"reason\":\"the link to 'kme-b' is down\"}"
[ "$(kme_get a /readyz)" = 'the link is down' ] || kme_fail 'ready without a link'
kme_stop a
for sae in sae-2 sae-3; do
    ! grep -q "$sae" a.log b.log || kme_fail "a log names $sae"
done
# What was delivered at both ends is in no log, and nowhere in what the pools leave behind.
for id in a b; do
    xxd -p "state-$id/pool.db" | tr -d '\n' >"$id.hex"
done
while read -r key; do
    ! grep -q "$key" a.log b.log || kme_fail 'a log has a key'
    ! grep -q "$key" a.hex b.hex || kme_fail 'a pool has a key that was delivered'
done <<EOF
$(head -n 20 drawn; tail -n 20 drawn.a)
EOF
[ "$(stat -c %a state-a/pool.db)" = 600 ] || kme_fail 'the pool is not private'
echo "$kme_name: ok"
