# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
#
# A whole site in a temporary folder, for the tests that source this:
#
#   . site.sh
#   site_begin BUILD      folder, CA, server certificate; the folder becomes the current one
#   site_device NAME      a device's directory, NAME
#   site_start            until it is ready; again after a stop: same state, same port
#   site_stop             SIGTERM; fails unless the site ends cleanly
#
#   site_certify          for sites with enrolment: op/, site.json, maker (the makers' CA), site_enrolment
#   site_token NAME       a token, NAME.token
#   site_enrol NAME …     an enrolled device, NAME, with more flags of `device enrol`
#   site_reference FILE NAME DIGEST …   a reference that wants these programs in PCR 14; $site_enrolment_lines demand
#                         the one in reference.yaml
#   site_digest FILE      SHA-256
#   site_refused STATUS TEXT COMMAND …  a command that has to fail so, and to say TEXT; its words are in answer and said
#
# Each ends the test when it fails; the end of a failed test shows the site's log. The file ketseal.yaml
# is made from these, which may be set before each start: site_workers, site_seconds, site_memory_mib,
# site_crl (a path), site_tls, site_enclave and site_quote (lines of the mappings 'tls', 'enclave' and 'quote'), site_more
# (further sections), site_flags (of ketseal-launch). Certificates are made with keys of site_algorithm. site_at_end is a
# command for the end, whatever it is.

site_workers=4
site_seconds=60
site_memory_mib=256
site_crl=
site_tls=
site_algorithm=ML-DSA-65
site_more=
site_enclave=
site_quote=
site_flags=
site_at_end=
site_pid=
site_listen=127.0.0.1:0

site_fail() {
    printf '%s: FAILED: %s\n' "$site_name" "$*" >&2
    exit 1
}

site_skip() {
    printf '%s: SKIPPED: %s\n' "${site_name:-$(basename "$0")}" "$*"
    exit 77
}

# Processes of this site: the launcher and its children, as "PID NAME", one a line.
site_processes() {
    [ -n "$site_pid" ] || return 0
    printf '%s ketseal-launch\n' "$site_pid"
    # The worker and the enclave run from sealed memory: their names are those of argv.
    # shellcheck disable=SC2013 # one line of words
    for child in $(cat "/proc/$site_pid/task/$site_pid/children" 2>/dev/null); do
        name=$({ tr '\0' '\n' <"/proc/$child/cmdline"; } 2>/dev/null | head -n 1)
        printf '%s %s\n' "$child" "$(basename "${name:-gone}")"
    done
}

site_cleanup() {
    site_status=$?
    trap - EXIT
    ${site_at_end:-:}
    if [ -n "$site_pid" ]; then
        kill -KILL "$site_pid" 2>/dev/null || true
        wait "$site_pid" 2>/dev/null || true
    fi
    if [ "$site_status" -ne 0 ] && [ "$site_status" -ne 77 ]; then
        printf '%s: the site said:\n' "$site_name" >&2
        tail -n "${SITE_LOG_LINES:-40}" "$site_work/site.log" >&2 2>/dev/null || true
        if [ -n "${SITE_KEEP:-}" ]; then
            printf '%s: kept %s\n' "$site_name" "$site_work" >&2
            exit "$site_status"
        fi
    fi
    cd /
    rm -rf "$site_work"
    exit "$site_status"
}

site_begin() {
    site_name=$(basename "$0" .sh)
    command -v swtpm >/dev/null || site_skip "swtpm is absent"
    site_build=$(cd "$1" && pwd)
    site_work=$(mktemp -d "${TMPDIR:-/tmp}/ketseal-test.XXXXXX")
    trap site_cleanup EXIT
    trap 'exit 130' INT TERM
    ketseal=$site_build/src/cli/ketseal
    # shellcheck disable=SC2034 # for those who source this file
    site_client=$site_build/tests/integration/site_client
    # shellcheck disable=SC2034
    site_issue=$site_build/tests/integration/site_issue
    cd "$site_work" || exit 1
    mkdir libexec
    for program in enclave/ketseal-enclave enclave/ketseal-worker enclave/ketseal-adapter server/ketseald; do
        ln -s "$site_build/src/$program" libexec/
    done
    mkdir libexec/adapters
    for program in qiskit.py cirq.py; do
        ln -s "$site_build/src/enclave/$program" libexec/adapters/
    done
    : >site.log
    "$ketseal" -q ca new --out ca >/dev/null
    "$ketseal" -q ca issue server --ca ca --name test-site --ip 127.0.0.1 --out server \
        --algorithm "$site_algorithm" >/dev/null
}

site_device() {
    "$ketseal" -q ca issue device --ca ca --name "$1" --out "$1" --algorithm "$site_algorithm" >/dev/null
    site_devices="${site_devices:-} $1"
}

site_config() {
    cat <<YAML
site:
  origin: test.example/ketseal
  listen: $site_listen
  state: state
tls:
  root: server/root.pem
  certificate: server/server.pem
  key: server/server.key
${site_crl:+  crl: $site_crl}
$site_tls
workers:
  count: $site_workers
  seconds: $site_seconds
  memory_mib: $site_memory_mib
${site_enclave:+enclave:$site_enclave}
${site_quote:+quote:$site_quote}
$site_more
YAML
}

# What every device needs to know of the site.
site_tell() {
    for device in ${site_devices:-}; do
        printf 'https://127.0.0.1:%s\n' "$site_port" >"$device/url"
        [ -e "$device/site.json" ] || cp state/site.json "$device/"
    done
    [ -e lab.policy ] || "$ketseal" policy make --root ca/root.pem --site state/site.json \
        --insecure-simulated-tpm --out lab.policy
}

# Starts without waiting: for sites that shall fail.
site_launch() {
    site_config >ketseal.yaml
    # shellcheck disable=SC2086 # flags
    "$site_build/src/server/ketseal-launch" --libexec="$site_work/libexec" $site_flags ketseal.yaml 2>>site.log &
    site_pid=$!
}

site_start() {
    site_ready=$(grep -c 'event=site.ready' site.log || true)
    site_launch
    tries=0
    until [ "$(grep -c 'event=site.ready' site.log || true)" -gt "$site_ready" ]; do
        kill -0 "$site_pid" 2>/dev/null || { site_pid=; site_fail "the site does not start"; }
        tries=$((tries + 1))
        [ "$tries" -lt 1200 ] || site_fail "the site is not ready after a minute"
        sleep 0.05
    done
    site_port=$(cat state/port)
    site_listen=127.0.0.1:$site_port
    site_tell
}

# What refuses says so. Counted in site_refusals.
site_refusals=0
site_refused() { # STATUS TEXT COMMAND…
    want=$1 text=$2
    shift 2
    rc=0
    "$@" >answer 2>said || rc=$?
    if [ "$rc" -ne "$want" ] || ! cat answer said | grep -q -- "$text"; then
        cat answer said >&2
        site_fail "status $rc instead of $want, or without '$text': $*"
    fi
    site_refusals=$((site_refusals + 1))
}

site_digest() {
    sha256sum "$1" | cut -d' ' -f1
}

# swtpm is started, and so reset, by each command.
site_reference() { # FILE, then NAME and DIGEST of each program
    reference=$1
    {
        printf 'name: test\ntpms: [simulated]\nrequired_pcrs: [14]\n'
        printf 'resets_ahead_max: 1000\nrestarts_ahead_max: 1000\nprograms:\n'
        shift
        printf '  - {name: %s, digest: %s}\n' "$@"
    } >"$reference"
}
# shellcheck disable=SC2034
site_enrolment_lines='enrolment:
  listen: 127.0.0.1:0
devices:
  simulated_ek_roots: state/swtpm-ca/root.pem
  reference: reference.yaml'

# The site's TPM was made by the CA in its state; devices get theirs from there too.
site_certify() {
    maker=$site_work/state/swtpm-ca
    [ -d op ] || "$ketseal" -q ca issue operator --ca ca --name op-1 --out op >/dev/null
    "$ketseal" -q site certify --ca ca --operator op --url "https://127.0.0.1:$site_port" \
        --insecure-simulated-ek-roots "$maker/root.pem" --ek-chain "$maker/issuing.pem" --out site.json
    # shellcheck disable=SC2034
    site_enrolment=$(cat state/enrolment-port)
}

site_token() {
    rm -f "$1.token"
    "$ketseal" device token --operator op --name "$1" --site site.json --out "$1.token" \
        --enrolment-url "https://127.0.0.1:$site_enrolment" --url "https://127.0.0.1:$site_port" >/dev/null
}

site_enrol() {
    site_token "$1"
    name=$1
    shift
    "$ketseal" -q device enrol --device "$name" --token "$name.token" --swtpm-ca "$maker" \
        --ek-chain "$maker/issuing.pem" "$@" >/dev/null
}

# Waits for the end of the launcher, at most a minute; its status in site_ended.
site_wait() {
    tries=0
    while kill -0 "$site_pid" 2>/dev/null && ! grep -q '^State:.Z' "/proc/$site_pid/status"; do
        tries=$((tries + 1))
        [ "$tries" -lt 1200 ] || site_fail "the site does not end"
        sleep 0.05
    done
    site_ended=0
    wait "$site_pid" || site_ended=$?
    site_pid=
}

site_stop() {
    kill -TERM "$site_pid"
    site_wait
    [ "$site_ended" -eq 0 ] || site_fail "the site ended with status $site_ended"
}
