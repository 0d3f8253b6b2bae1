#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Help, manual and completion, which all come from the one table.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

# "noun verb" of every command, from the help itself.
commands() {
    "$KETSEAL" --help | sed -n 's/^  ketseal \([a-z -]*[a-z]\).*/\1/p'
}

@test "--help and -h: usage of all, on standard output" {
    ks --help
    same status "$status" 0
    same "standard error" "$stderr" ""
    same "first line" "${lines[0]}" \
        "usage: ketseal [--json] [-q] NOUN VERB [--flag=VALUE]… [--] [OPERAND]…"
    help=$output
    for arguments in -h help; do
        ks "$arguments"
        says 0 "$help" ""
    done
}

@test "--version" {
    ks --version
    same status "$status" 0
    [[ $output =~ ^ketseal\ [0-9]+\.[0-9]+\.[0-9]+$ ]]
}

@test "every command has its help" {
    count=0
    while read -r -a command; do
        ks "${command[@]}" --help
        same "status of ${command[*]}" "$status" 0
        [[ ${lines[1]} == "  ketseal ${command[*]}"* ]]
        first=$output
        ks help "${command[@]}"
        says 0 "$first" ""
        count=$((count + 1))
    done < <(commands)
    [ "$count" -ge 36 ]
}

@test "the help of one command, whole" {
    ks ca revoke --help
    says 0 'usage: ketseal [--json] [-q] NOUN VERB [--flag=VALUE]… [--] [OPERAND]…
  ketseal ca revoke [--flag=VALUE]… [SERIAL…]
      Revokes certificates and issues the list anew; without a serial only that.
  --ca=DIR
      directory of the CA (required)
  --json
      one JSON object as the result, errors as one on standard error
  --quiet
      no progress on standard error (-q)
  --help
      usage of the command (-h)' ""
}

@test "help of what is not there" {
    ks help circuit nonsense
    fails 2 "'circuit nonsense': no such command; try ketseal --help"
}

@test "the committed manual is the one of this program" {
    run "$KS_SOURCE_ROOT/tools/manual.sh" --check "$KETSEAL"
    same status "$status" 0
}

@test "mandoc has nothing to say of any page" {
    command -v mandoc >/dev/null || skip "no mandoc"
    cd "$KS_SOURCE_ROOT/docs/man"
    run mandoc -Tlint ./*.[1-9]
    says_nothing=$output
    same complaints "$says_nothing" ""
    same status "$status" 0
}

@test "each page of the manual names only flags that there are" {
    for page in ketseal ketseal-verify ketseal-launch; do
        case $page in
        ketseal) help=$(commands | while read -r line; do
            # shellcheck disable=SC2086 # noun and verb
            "$KETSEAL" help $line
        done; echo --version) ;;
        ketseal-verify) help=$("$KETSEAL_VERIFY" --help) ;;
        *) help=$("$KS_BUILD_ROOT/src/server/$page" --help; echo --help) ;;
        esac
        while read -r flag; do
            [[ $help == *"$flag"* ]] || { echo "$page: no flag $flag"; false; }
        done < <(sed -n 's/\\-/-/g; s/^\.\(It \|Op \)*Fl \(--[a-z-]*\).*/\2/p' \
            "$KS_SOURCE_ROOT"/docs/man/$page.[18] | sort -u)
    done
}

# complete WORDS...: what bash would offer for the last one.
complete_words() {
    bash -c '
        source <("$KETSEAL" help --bash)
        COMP_WORDS=(ketseal "$@") COMP_CWORD=$#
        compopt() { :; }
        _ketseal
        printf "%s\n" "${COMPREPLY[*]}"' bash "$@"
}

@test "completion: nouns, verbs, flags" {
    same nouns "$(complete_words c)" "compare ca circuit"
    same verbs "$(complete_words circuit s)" "show simulate sweep"
    same flags "$(complete_words circuit simulate --sh)" "--shots="
    same "flags after a flag" "$(complete_words --json job wait --t)" "--timeout="
    same files "$(complete_words verify b)" ""
}

@test "completion offers every command" {
    while read -r noun verb; do
        [[ " $(complete_words '') " == *" $noun "* ]]
        [ -z "$verb" ] || [[ " $(complete_words "$noun" '') " == *" $verb "* ]]
    done < <(commands)
}

@test "completion passes shellcheck" {
    command -v shellcheck >/dev/null || skip "no shellcheck"
    "$KETSEAL" help --bash >completion.bash
    shellcheck -s bash completion.bash
}
