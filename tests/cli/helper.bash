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
