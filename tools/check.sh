#!/bin/bash
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# What `make check` runs. One line of progress for each stage on stderr; what fails prints its log;
# what cannot run here says so. The last line of stdout is `N passed, N failed, N skipped`: each test
# of the test suites counts, and so does each stage that is not a test suite.
#
#   tools/check.sh             all stages
#   tools/check.sh STAGE...    these stages alone (tools/check.sh --list names them)
set -u

cd "$(dirname "$0")/.." || exit 4
# Under make: its flags are not for the makes below it.
unset MAKEFLAGS MFLAGS MAKELEVEL
export LC_ALL=C.UTF-8

build=${BUILD:-build}
logs=$build/check
mkdir -p "$logs"
rm -f "$logs/summary"

stages=(deps release web arm64 clang sanitized format tidy tools-test headers spelling shell links
    tests sanitized-tests clang-tidy)
passed=0
failed=0
skipped=0

say() { printf '%s\n' "$*" >&2; }

# A stage is a function. It returns 0, or 77 after printing one line of reason, or fails and has its
# output shown.
# --- stages ---------------------------------------------------------------------------------------

stage_deps() {
    tools/deps.sh
}

build_in() { # DIRECTORY
    make --no-print-directory "$1/build.ninja" && ninja --quiet -k 0 -C "$1"
}

stage_release() {
    build_in "$build/release"
}

# The verifier as a page, twice: the same bytes both times. Its tests are among those of the release build.
stage_web() {
    local toolchain
    toolchain=$(tools/deps.sh --web) || return
    make --no-print-directory "$build/release/build.ninja" &&
        web/build.py "$build/release" "$toolchain" "$build/web" &&
        web/build.py "$build/release" "$toolchain" "$build/web-again" &&
        cmp "$build/web/verify.html" "$build/web-again/verify.html"
}

# The verifier on another kind of machine.
stage_arm64() {
    tests/verify_arm64.sh "$build/release" "$build/arm64"
}

# Compiled alone: what clang sees and gcc does not. The tests run as gcc built them.
stage_clang() {
    command -v clang-14 >/dev/null || { echo "clang-14 is not installed"; return 77; }
    build_in "$build/clang"
}

stage_sanitized() {
    build_in "$build/asan"
}

c_files() {
    git ls-files -z --cached --others --exclude-standard '*.c' '*.h'
}

# One version formats, since versions differ.
stage_format() {
    command -v clang-format-14 >/dev/null || { echo "clang-format-14 is not installed"; return 77; }
    c_files | xargs -0 -n 16 -P "$(nproc)" clang-format-14 --dry-run -Werror
}

stage_tidy() {
    tools/tidy.py
}

# A check that cannot fail is not a check.
stage_tools_test() {
    python3 tools/test_tidy.py && python3 tools/test_testlog.py
}

stage_headers() {
    tools/tidy.py --headers "$build/release"
}

# Prose and source that people wrote; vectors and logs of other projects are as they are.
stage_spelling() {
    command -v codespell >/dev/null || { echo "codespell is not installed"; return 77; }
    git ls-files -z --cached --others --exclude-standard |
        grep -zvE '^(tests/vectors|tests/fuzz/corpus|data)/|(^|/)(go\.sum|LICENSE)$|\.(pdf|png|bin|der)$' |
        xargs -0 codespell --ignore-words tools/codespell.words --ignore-regex '\\[nrt]'
}

stage_shell() {
    command -v shellcheck >/dev/null || { echo "shellcheck is not installed"; return 77; }
    { git ls-files -z --cached --others --exclude-standard '*.sh' '*.bats' 'scripts/*'; printf '.ci/run\0'; } |
        xargs -0 shellcheck
}

# What a program is linked from, as the build knows it: the verifier and the worker are a promise.
linked_from() { # PROGRAM
    ninja -C "$build/release" -t query "$1" |
        sed -n 's,.*libks_\([a-z0-9_]*\)\.a\(\.p/.*\)\?$,\1,p' |
        sed 's/^quantum_.*/quantum/' | sort -u | xargs
}

stage_links() {
    local program want got status=0
    while read -r program want; do
        got=$(linked_from "$program")
        if [ "$got" != "$want" ]; then
            echo "$program is linked from: $got; it may be from: $want"
            status=1
        fi
        if readelf -d "$build/release/$program" | grep -q NEEDED; then
            echo "$program needs shared libraries; it has to be static"
            status=1
        fi
    done <<'LINKS'
src/cli/ketseal-verify attest base chain crypto ledger record
src/enclave/ketseal-worker base quantum
LINKS
    return "$status"
}

run_tests() { # DIRECTORY, arguments of meson test
    local summary
    rm -f "$1/meson-logs/testlog.json"
    meson test -C "$1" --no-rebuild "${@:2}" >"$logs/meson-test.log" 2>&1
    [ -s "$1/meson-logs/testlog.json" ] || { cat "$logs/meson-test.log"; return 1; }
    tools/testlog.py "$1/meson-logs/testlog.json" >"$logs/testlog" || { cat "$logs/testlog"; return 1; }
    summary=$(tail -n 1 "$logs/testlog")
    sed '$d' "$logs/testlog"
    printf '%s\n' "$summary" >"$logs/counts"
}

stage_tests() {
    run_tests "$build/release"
}

stage_sanitized_tests() {
    ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1} UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1} \
        run_tests "$build/asan" --timeout-multiplier 4
}

# Floors 0 to 3: what the verdict rests on. One version, since the checks differ by version.
stage_clang_tidy() {
    command -v clang-tidy-14 >/dev/null || { echo "clang-tidy-14 is not installed"; return 77; }
    [ -f "$build/clang/compile_commands.json" ] || { echo "no build by clang-14"; return 77; }
    git ls-files -z --cached --others --exclude-standard \
        'src/base/*.c' 'src/crypto/*.c' 'src/ledger/*.c' 'src/attest/*.c' 'src/chain/*.c' 'src/record/*.c' |
        xargs -0 -n 1 -P "$(nproc)" clang-tidy-14 --quiet -p "$build/clang" \
            2>"$logs/clang-tidy.err" || { grep -v ' generated\.$' "$logs/clang-tidy.err"; return 1; }
}

# --- running them ---------------------------------------------------------------------------------

finish() {
    printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped" | tee "$logs/summary"
}

interrupted() {
    [ -z "$running" ] || kill -TERM -- "-$running" 2>/dev/null
    say
    say "check: interrupted"
    exit 130
}
running=
trap interrupted INT TERM

run_stage() { # NAME
    local name=$1 log=$logs/$1.log status started=$SECONDS
    printf 'check: %-16s' "$name" >&2
    rm -f "$logs/counts"
    # In a process group of its own, so that an interrupt ends all of it at once: meson test would
    # take the first one for a wish to skip a test.
    set -m
    "stage_${name//-/_}" >"$log" 2>&1 &
    running=$!
    set +m
    wait "$running"
    status=$?
    running=
    if [ -f "$logs/counts" ]; then
        read -r tests_passed tests_failed tests_skipped <"$logs/counts"
        passed=$((passed + tests_passed))
        failed=$((failed + tests_failed))
        skipped=$((skipped + tests_skipped))
        say "$tests_passed passed, $tests_failed failed, $tests_skipped skipped ($((SECONDS - started)) s)"
        sed 's/^/  /' "$log" >&2
    elif [ "$status" -eq 0 ]; then
        passed=$((passed + 1))
        say "ok ($((SECONDS - started)) s)"
    elif [ "$status" -eq 77 ]; then
        skipped=$((skipped + 1))
        say "SKIPPED: $(tail -n 1 "$log")"
    else
        failed=$((failed + 1))
        say "FAILED ($((SECONDS - started)) s), $log:"
        tail -n 200 "$log" | sed 's/^/  /' >&2
    fi
}

if [ "${1-}" = --list ]; then
    printf '%s\n' "${stages[@]}"
    exit 0
fi
for name in "$@"; do
    case " ${stages[*]} " in
    *" $name "*) ;;
    *) say "check: no stage '$name'; there are: ${stages[*]}"; exit 2 ;;
    esac
done
[ $# -gt 0 ] || set -- "${stages[@]}"
for name in "$@"; do
    run_stage "$name"
done
finish
[ "$failed" -eq 0 ]
