#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# The smart city, on this machine and without containers: a site, four honest nodes with sensors of traffic and air and
# one hostile node, each with a simulated TPM, keys from a simulated quantum link. They train together; then a node is
# impersonated, updates are replayed, one node poisons, one changes its measured state. Each is caught, and what the
# site has written down of it is shown and proved. docs/city.md says what is shown, what assumed and what simulated.
#
#   examples/city.sh [--keep DIRECTORY] [--data] [BUILD_DIRECTORY]
#
#   --keep   the folder stays, there
#   --data   measured series in place of an invented city: stations of Beijing and NAB's roads, in $KS_SHARED_DATA/sensors
set -eu

here=$(cd "$(dirname "$0")" && pwd)
keep=
data=
while :; do
    case ${1-} in
    --keep) keep=$2 && shift 2 ;;
    --data) data=${KS_SHARED_DATA:-nowhere}/sensors && shift ;;
    --*) printf 'city: no such flag: %s\n' "$1" >&2 && exit 2 ;;
    *) break ;;
    esac
done
build=$(cd "${1:-build/release}" && pwd)
for program in swtpm swtpm_setup jq openssl; do
    command -v "$program" >/dev/null || { printf 'city: SKIPPED: %s is absent\n' "$program" && exit 77; }
done
[ -z "$data" ] || [ -d "$data" ] || { printf 'city: SKIPPED: no %s\n' "$data" && exit 77; }
if [ -n "$keep" ]; then
    mkdir -p "$keep"
    work=$(cd "$keep" && pwd)
    [ -z "$(ls -A "$work")" ] || { printf 'city: %s is not empty\n' "$keep" >&2 && exit 2; }
else
    work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-city.XXXXXX")
fi
ketseal=$build/src/cli/ketseal
prefix=$("$(dirname "$here")/tools/deps.sh" --prefix)
openssl="${prefix:+env LD_LIBRARY_PATH=$prefix/lib $prefix/bin/}openssl" # one that knows post-quantum groups
hostile=$build/tests/integration/hostile_node # a second ketseal, which lies; never installed
nodes=

stop_nodes() {
    for node in $nodes; do
        kill -TERM "$node" 2>/dev/null || true
    done
    nodes=
}

cleanup() {
    status=$?
    trap - EXIT
    stop_nodes
    if [ -n "$site" ] && kill -0 "$site" 2>/dev/null; then
        kill -TERM "$site"
        wait "$site" || status=1
    fi
    for other in $managers $chain; do
        kill -KILL "$other" 2>/dev/null || true
    done
    if [ "$status" -ne 0 ]; then
        printf 'city: failed; the site said:\n' >&2
        tail -n 40 "$work/site.log" >&2 2>/dev/null || true
    fi
    cd /
    [ -n "$keep" ] || rm -rf "$work"
    exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# --- telling ------------------------------------------------------------------------------------------

began=$(date +%s%N)
since() { # the seconds so far
    awk -v a="$began" -v b="$(date +%s%N)" 'BEGIN { printf "%.1f", (b - a) / 1e9 }'
}
step() { printf '\n== %5s s  %s\n' "$(since)" "$*"; }
fail() {
    printf 'city: FAILED: %s\n' "$*" >&2
    exit 1
}

# Where the ledger ends now: records of what comes are looked for from there on.
mark() {
    seen=$("$ketseal" --json ledger head --from state/ledger --site site.json | jq .size)
}

# The entry that fits PATTERN, from the ledger's static files: its place proved against a checkpoint that the pinned
# site has signed. A line of the table at the end.
proved() { # WHAT BY PATTERN
    tries=0
    while :; do
        size=$("$ketseal" --json ledger head --from state/ledger --site site.json | jq .size)
        index=$seen
        while [ "$index" -lt "$size" ]; do
            "$ketseal" ledger prove --from state/ledger --site site.json "$index" >entry
            if grep -q -- "$3" entry; then
                sed 's/^/  record: /; s/,"schema":"ketseal.entry\/1"//' entry
                printf '%s|%s|ledger entry %s\n' "$1" "$2" "$index" >>table
                return 0
            fi
            index=$((index + 1))
        done
        tries=$((tries + 1))
        [ "$tries" -lt 100 ] || fail "no entry of the ledger like $3"
        sleep 0.1
    done
}

# Of what never came to the site there can be no record there.
nothing_sent() { # WHAT BY
    printf '%s|%s|none: nothing was sent\n' "$1" "$2" >>table
}

# shellcheck source-path=SCRIPTDIR source=parts.sh
. "$here/parts.sh"

# --- the site and its nodes -----------------------------------------------------------------------------

write_reference() {
    cat >reference.yaml <<YAML
name: city
tpms: [simulated]
required_pcrs: [14]
programs:
  - {name: ketseal, digest: $(sha256sum "$ketseal" | cut -d' ' -f1)}
  - {name: ketseal, digest: $(sha256sum "$hostile" | cut -d' ' -f1)} # taken over after it was measured: docs/city.md
  - {name: sensors.conf, digest: $(sha256sum sensors.conf | cut -d' ' -f1)}
resets_ahead_max: 1000 # swtpm is started, and so reset, by each command
YAML
}

write_site() {
    site_section city >ketseal.yaml
    cat >>ketseal.yaml <<YAML
fl:
  workers: 2
  memory_mib: 512
  params: 100000
  suspicion: 20
  suspend_after: 5
  keep_rounds: 8
refusals:
  per_hour: 60
YAML
    site_keys >>ketseal.yaml
}

start_site() {
    rm -f site.log
    "$build/src/server/ketseal-launch" --libexec="$work/libexec" ketseal.yaml 2>site.log &
    site=$!
    wait_for event=site.ready site.log
    site_port=$(cat state/port)
    url=https://127.0.0.1:$site_port
}

operator() { # VERB …: of fl
    verb=$1
    shift
    "$ketseal" --json fl "$verb" --operator operator --url "$url" "$@"
}

enrol() { # NODE PROGRAM
    token "$1" "$1.token" >/dev/null
    "$2" -q device enrol --device "$1" --token "$1.token" --swtpm-ca "$maker" --ek-chain "$maker/issuing.pem" \
        --measure sensors.conf >/dev/null
    device_keys "$1" 8 refuse
}

# --- sessions ---------------------------------------------------------------------------------------------

join() { # PROGRAM NODE SESSION SCHEMA PATIENCE, then DATA: in the background, what it says goes to NODE.said
    program=$1 node=$2 session=$3 schema=$4 patience=$5
    shift 5
    "$program" fl join --device "$node" --schema="$schema" --seconds="$patience" --out="$node" "$session" "$@" >"$node.joined" 2>"$node.said" &
    last=$!
    nodes="$nodes $last"
}

# The four honest nodes take part in SESSION; what POISONER's program does is KETSEAL_NODE's.
together() { # SESSION SCHEMA, and POISONER
    for number in 1 2 3 4; do
        join "$ketseal" "node-$number" "$1" "$2" 60 "$(table_of "$2" $number)"
        eval "pid_$number=$last"
    done
    if [ $# -gt 2 ]; then
        export KETSEAL_NODE=poison
        join "$hostile" "$3" "$1" "$2" 60 "$(table_of "$2" 5)"
        unset KETSEAL_NODE
        finish "$3" "$last"
    fi
    for number in 1 2 3 4; do
        eval "finish node-$number \$pid_$number"
    done
}

finish() { # NODE PID
    wait "$2" || { cat "$1.said" >&2 && fail "$1"; }
}

create() { # SCHEMA, then flags: the session, ordered and started; seconds to train in a round: $seconds
    schema=$1
    shift
    session=$(operator create --prepare=60 --train="${seconds:-60}" --epochs=2 --optimiser=adam --rate=0.003 "$@" "first-$schema.safetensors" |
        jq -r .session)
    operator start "$session" >/dev/null
    printf '%s' "$session"
}

loss() { # MODEL SCHEMA: on what no node has trained on
    # shellcheck disable=SC2046 # words
    "$ketseal" --json learn evaluate --model="$1" --schema="$2" $(for number in 1 2 3 4; do table_of "$2" $number; done) |
        jq -r '.test.loss * 10000 | round / 10000'
}

# Who trains on what. An invented city's nodes have both sensors in one table.
air_schema=city-air
traffic_schema=city-traffic
[ -z "$data" ] || { air_schema=beijing traffic_schema=traffic; }
table_of() { # SCHEMA NUMBER: of the node
    case $1 in
    beijing) printf '%s\n' "$data"/beijing-*.csv.gz | sed -n "$2p" ;;
    traffic) printf '%s\n' "$data"/nab-*.csv | sed -n "$2p" ;;
    *) printf 'node-%s.csv\n' "$2" ;;
    esac
}

cd "$work"
: >table
mkdir libexec
for program in enclave/ketseal-enclave enclave/ketseal-worker enclave/ketseal-worker-fl server/ketseald; do
    ln -s "$build/src/$program" libexec/
done
echo 'sampling: hourly' >sensors.conf # a file of each node that matters

step "the site: a CA (SLH-DSA), a simulated TPM, the measured enclave with ketseal-worker-fl, ketseald"
"$ketseal" -q ca new --out ca >/dev/null
"$ketseal" -q ca issue server --ca ca --name city-site --ip 127.0.0.1 --out server >/dev/null
"$ketseal" -q ca issue operator --ca ca --name operator-1 --out operator >/dev/null
start_managers city-site city-nodes >/dev/null
write_reference
write_site
start_site
certify_site city.policy

step "six nodes enrol, each with a TPM of its own: token, credential activation, quote; their keys are sealed to PCR 14"
for number in 1 2 3 4; do
    enrol "node-$number" "$ketseal"
done
enrol node-5 "$hostile"
enrol node-6 "$hostile"

if [ -z "$data" ]; then
    for number in 1 2 3 4 5; do
        "$ketseal" learn generate --site="$number" --start='2024-08-01 00:00:00' --hours=1900 --out="node-$number.csv" >/dev/null
    done
fi
for schema in $air_schema $traffic_schema; do
    # shellcheck disable=SC2046,SC2086
    "$ketseal" -q learn train --schema=$schema --model=linear --epochs=0 --out="first-$schema.safetensors" \
        $(table_of $schema 1) >/dev/null
done

step "they train together, on data that stay with them: air and traffic, a session each, three rounds"
four='--device node-1 --device node-2 --device node-3 --device node-4'
# shellcheck disable=SC2086 # words
air=$(create $air_schema --rounds=3 --updates=4 $four)
# shellcheck disable=SC2086
traffic=$(create $traffic_schema --rounds=3 --updates=4 $four)
together "$air" $air_schema
together "$traffic" $traffic_schema
for what in air traffic; do
    eval "session=\$$what schema=\$${what}_schema"
    operator fetch "$session" --out="$what.safetensors"
    printf '  %s: loss on held-out weeks %s before, %s after three rounds\n' "$what" \
        "$(loss "first-$schema.safetensors" "$schema")" "$(loss "$what.safetensors" "$schema")"
done

# --- an impersonated node -----------------------------------------------------------------------------------

step "impersonated: a certificate for node-1 by a foreign CA, by the city's own CA, stolen files, another TPM"
"$ketseal" -q ca new --out foreign >/dev/null
for ca in foreign ca; do
    "$ketseal" -q ca issue device --ca $ca --name node-1 --out "by-$ca" >/dev/null
    cp ca/root.pem site.json node-1/url "by-$ca/"
done
participate() { # DEVICE
    # shellcheck disable=SC2086
    "$ketseal" -q fl join --device "$1" --schema=$air_schema --seconds=5 "$session" "$(table_of $air_schema 1)"
}
session=$(create $air_schema --rounds=1 --updates=2 --device node-1 --device node-5)
mark
# Our own client would not even try: another program shows the foreign certificate.
shown=alert
# shellcheck disable=SC2086 # words
refused 'alert unknown ca' $openssl s_client -connect "127.0.0.1:$site_port" -ign_eof -groups X25519MLKEM768 \
    -CAfile ca/root.pem -cert by-foreign/device.pem -key by-foreign/device.key
shown=
proved "certificate for node-1 by a foreign CA" "TLS: the pinned root" '"detail":"a certificate for .node-1.*"door":"tls"'
refused "'node-1' is enrolled: it needs the certificate of its enrolment" participate by-ca
proved "certificate for node-1 by the city's own CA" "enclave: the registry" "it needs the certificate of its enrolment.*\"device\":\"node-1\""
cp -r node-1 thief
rm -r thief/tpm
refused thief/identity.sealed participate thief
nothing_sent "files of node-1 beside another TPM" "the TPM: sealed by another one"
token node-1 fooled.token >/dev/null
refused "'node-1' is bound to another TPM" "$ketseal" -q device enrol --device thief-2 --token fooled.token --swtpm-ca "$maker" \
    --ek-chain "$maker/issuing.pem" --measure sensors.conf
proved "another TPM enrols as node-1, a token by fraud" "enclave: one id, one TPM" "is bound to another TPM.*\"door\":\"enrolment\""

# --- a replayed update --------------------------------------------------------------------------------------

step "replayed: the same signed request once more; then the sealed update of one round in the next"
mark
join "$ketseal" node-1 "$session" $air_schema 30 "$(table_of $air_schema 1)"
honest=$last
# shellcheck disable=SC2086
KETSEAL_NODE=again "$hostile" fl join --device node-5 --schema=$air_schema --seconds=30 --rounds=1 --out=node-5 \
    "$session" "$(table_of $air_schema 5)" 2>&1 | grep '^hostile' | tee again | sed 's/^/  /'
grep -q 'is spent' again || fail "a signed request was taken twice: $(cat again)"
finish node-1 "$honest"
proved "a signed request, sent twice" "enclave: one-time keys" 'key is spent.*"device":"node-5"'

mark
session=$(seconds=4 && create $air_schema --rounds=2 --updates=2 --updates-min=1 --device node-1 --device node-5)
join "$ketseal" node-1 "$session" $air_schema 30 "$(table_of $air_schema 1)"
honest=$last
# shellcheck disable=SC2086
refused 'was changed' env KETSEAL_NODE=other-round "$hostile" -q fl join --device node-5 --schema=$air_schema \
    --seconds=30 --out=node-5 "$session" "$(table_of $air_schema 5)"
finish node-1 "$honest"
proved "the sealed update of another round" "fl worker: keys by round" '"device":"node-5","error":"VERIFY".*"kind":"abort"'
[ "$(operator status "$session" | jq -c '[.rounds[].count]')" = '[2,1]' ] || fail "the replay counted: $(operator status "$session")"
echo "  the round went on without it: 2 updates, then 1"

# --- an altered TPM state -----------------------------------------------------------------------------------

step "altered: a measured file of node-4 changes; what runs on node-6 is altered after its start, and its TPM says so"
mark
echo 'sampling: never' >sensors.conf
refused 'PCR 14' participate node-4
nothing_sent "a changed file on node-4" "the TPM: sealed to PCR 14"
echo 'sampling: hourly' >sensors.conf
shown='^(ketseal|fail)'
refused 'launch.log' env KETSEAL_NODE=altered "$hostile" device reattest --device node-6
shown=
proved "PCR 14 extended on node-6, which attests" "enclave: the quote" '"device":"node-6".*"kind":"device"'
refused 'SUSPENDED' "$hostile" -q run --device node-6 --template bell --shots 10 --seed 1 --out bell.bundle

# --- a poisoned node ----------------------------------------------------------------------------------------

step "poisoned: node-5 turns the sign of what it has learned, 8 times as long; by the mean, then by the median"
mark
printf '  air: loss on held-out weeks %s before, %s after three rounds without node-5\n' \
    "$(loss first-$air_schema.safetensors $air_schema)" "$(loss air.safetensors $air_schema)"
poisoned() { # RULE, FLAGS: a session with node-5 by it, and what it comes to
    rule=$1
    shift
    # shellcheck disable=SC2086
    session=$(create $air_schema --rounds=3 --updates=5 --updates-min=4 --rule="$rule" "$@" $four --device node-5)
    together "$session" $air_schema node-5
    operator fetch "$session" --out="by-$rule.safetensors"
    printf '  air: with node-5, by %s: %s; updates in its rounds: %s\n' "$rule" "$(loss "by-$rule.safetensors" $air_schema)" \
        "$(operator status "$session" | jq -r '[.rounds[].count] | map(tostring) | join(", ")')"
}
poisoned mean
proved "sign-flipped updates of node-5, by the mean" "enclave: its norm; harm was done" \
    "\"device\":\"node-5\",\"kind\":\"alert\".*\"session\":\"$session\""
poisoned median --attackers=1
proved "sign-flipped updates of node-5, by the median" "enclave: its score; no harm" \
    "\"device\":\"node-5\",\"kind\":\"alert\".*\"session\":\"$session\""
proved "node-5, after five alerts" "enclave: fl.suspend_after" '"device":"node-5".*"event":"anomalous"'
refused 'SUSPENDED' "$hostile" -q run --device node-5 --template bell --shots 10 --seed 1 --out bell.bundle
better() { # than: A B
    awk -v a="$(loss "$1" $air_schema)" -v b="$(loss "$2" $air_schema)" 'BEGIN { exit !(a < b) }'
}
better first-$air_schema.safetensors by-mean.safetensors || fail "a poisoner did no harm to the mean"
awk -v a="$(loss by-median.safetensors $air_schema)" -v b="$(loss air.safetensors $air_schema)" 'BEGIN { exit !(a <= 1.2 * b) }' ||
    fail "the median did not stand a poisoner"
[ -z "$(sed -n 's/.*event=fl.alert device=node-\([1-4]\) .*/\1/p' site.log)" ] || fail "an honest node is suspected"

# --- what is left -------------------------------------------------------------------------------------------

step "an auditor: each record and list of two sessions, the chain of models; each round is computed again from the kept updates"
audit() { # SESSION DIRECTORY: all of its rounds have to pass, the replay too
    "$ketseal" -q fl audit --operator operator --url "$url" --policy city.policy --out="$2" "$1" >audited || fail "$(cat audited)"
    awk '/^round/ { printf "%s  %s: passed", (NR > 1 ? "\n" : ""), $0 } /^  pass/ { printf " %s", $2 } END { print "" }' audited
    for result in "$2"/audit-*.json; do
        [ "$(jq -r .body.same_model "$result")" = pass ] || fail "$result: $(cat "$result")"
    done
}
audit "$air" audit-air
audit "$session" audit-median

step "the record of the last model of the air, verified offline by the stand-alone verifier"
model=$(sha256sum air.safetensors | cut -d' ' -f1)
last_round=audit-air/round-3.json
grep -q "\"model\":\"$model\"" $last_round || fail "the last round's record is of another model"
"$build/src/cli/ketseal-verify" --explain city.policy $last_round >answer || fail "$(cat answer)"
awk '$1 == "pass" { printf "%s%s", (NR > 1 ? ", " : "  pass: "), $2 } /^verified/ { printf "\n  %s\n", $0 }' answer
if anchor_checkpoint node-1 checkpoint; then
    anchor_bundle node-1 checkpoint "$last_round"
fi

step "summary"
awk -F'|' '{ printf "  caught  %-48s %-34s %s\n", $1, $2, $3 }' table
printf '\ncity: %s attacks caught in %s s\n' "$(wc -l <table)" "$(since)"
