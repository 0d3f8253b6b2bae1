# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Transcripts. The programs are named by the environment: KETSEAL, KETSEAL_VERIFY; what the tests read
# by KS_SOURCE_ROOT and KS_BUILD_ROOT. Each test begins in an empty directory of its own.
# shellcheck shell=bash disable=SC2154 # bats sets status, output and stderr

bats_require_minimum_version 1.5.0

setup() {
    mkdir "$BATS_TEST_TMPDIR/here" && cd "$BATS_TEST_TMPDIR/here" || return 1 # bats has files beside it
}

# ketseal with ARGUMENTS; standard output and error apart.
ks() {
    run --separate-stderr "$KETSEAL" "$@"
}

same() { # WHAT GOT WANTED
    if [ "$2" != "$3" ]; then
        printf '%s\n  was     %s\n  not     %s\n' "$1" "$2" "$3"
        return 1
    fi
}

# The last command ended with STATUS and said exactly STDOUT and STDERR.
says() { # STATUS STDOUT STDERR
    same "standard output" "$output" "$2" &&
        same "standard error" "$stderr" "$3" &&
        same "status" "$status" "$1"
}

# The last command failed with STATUS and said DETAIL, and nothing else.
fails() { # STATUS DETAIL
    says "$1" "" "ketseal: $2"
}

# The last command failed with STATUS, and WORDS are among what it said.
refuses() { # STATUS WORDS
    same "status" "$status" "$1" && [[ $stderr == *"$2"* ]]
}

# The files below here are exactly FILES.
holds() { # FILES...
    same "files" "$(find . -mindepth 1 ! -type d -printf '%P\n' | LC_ALL=C sort | xargs)" "$*"
}

# The result is one canonical JSON object of SCHEMA on one line.
is_json() { # SCHEMA
    same "lines" "$(printf '%s\n' "$output" | wc -l)" 1 &&
        same "schema" "$(jq -r .schema <<<"$output")" "$1" &&
        same "canonical form" "$output" "$(jq -cS . <<<"$output")"
}

# --- a whole site: launcher, swtpm, enclave, workers, ketseald ------------------------------------

# For setup_file: SITE, a directory, and the current one, with a CA, a server and ketseal.yaml.
site_make() {
    command -v swtpm >/dev/null || skip "no swtpm"
    export SITE=$BATS_FILE_TMPDIR/site
    mkdir -p "$SITE/libexec"
    for program in enclave/ketseal-enclave enclave/ketseal-worker server/ketseald; do
        ln -s "$KS_BUILD_ROOT/src/$program" "$SITE/libexec/"
    done
    cd "$SITE" || return 1
    "$KETSEAL" -q ca new --out=ca
    "$KETSEAL" -q ca issue server --ca=ca --name=site --ip=127.0.0.1 --out=server
    cat >ketseal.yaml <<'YAML'
site:
  origin: test.example/ketseal
  listen: 127.0.0.1:0
  state: state
tls:
  root: server/root.pem
  certificate: server/server.pem
  key: server/server.key
  crl: ca/crl.pem
workers:
  count: 2
YAML
}

site_start() {
    "$KS_BUILD_ROOT/src/server/ketseal-launch" --libexec="$SITE/libexec" "$SITE/ketseal.yaml" \
        >/dev/null 2>"$SITE/site.log" 3>&- &
    echo $! >"$SITE/pid"
    for _ in $(seq 600); do
        if grep -q event=site.ready "$SITE/site.log"; then
            printf 'https://127.0.0.1:%s\n' "$(cat "$SITE/state/port")" >"$SITE/url"
            [ ! -d "$SITE/device" ] || cp "$SITE/url" "$SITE/device/"
            return 0
        fi
        kill -0 "$(cat "$SITE/pid")" || break
        sleep 0.05
    done
    cat "$SITE/site.log"
    return 1
}

site_stop() {
    [ -s "$SITE/pid" ] || return 0
    kill -TERM "$(cat "$SITE/pid")" || true
    for _ in $(seq 600); do
        kill -0 "$(cat "$SITE/pid")" 2>/dev/null || break
        sleep 0.05
    done
    rm "$SITE/pid"
}
