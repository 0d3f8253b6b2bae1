#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# trace build, as far as it goes without a site: plans, and what is refused before anything starts.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

@test "trace build --plan: one line for each row, the same for the same seed" {
    ks trace build --plan --rows=120 --seed=5 --libexec="$KS_BUILD_ROOT/src"
    same status "$status" 0
    same lines "${#lines[@]}" 121
    same names "${lines[0]}" "row,segment,room,kind,fresh,template,qubits,depth,template_seed,shots,seed,precision,method,amount,more"
    plan=$output
    ks trace build --plan --rows=120 --seed=5 --libexec="$KS_BUILD_ROOT/src"
    same plan "$output" "$plan"
    ks trace build --plan --rows=120 --seed=6 --libexec="$KS_BUILD_ROOT/src"
    [[ $output != "$plan" ]]
    holds
}

@test "trace build --plan: kinds that cannot be carried out are not in it, those that --kind names are alone" {
    ks trace build --plan --rows=120 --libexec="$KS_BUILD_ROOT/src"
    same kinds "$(tail -n +2 <<<"$output" | cut -d, -f4 | LC_ALL=C sort -u | xargs)" \
        "cut delay downgrade eavesdrop exhaustion loss mitm mitm_classical normal replay shots tamper throttle"
    ks trace build --plan --rows=120 --libexec="$KS_BUILD_ROOT/src" --poisoned-worker=some --altering-server=some --extending-enclave=some
    same kinds "$(tail -n +2 <<<"$output" | cut -d, -f4 | LC_ALL=C sort -u | grep -cxE 'altered|pcr|poisoned')" 3
    ks trace build --plan --rows=50 --kind=delay --kind=cut --anomalies=40 --libexec="$KS_BUILD_ROOT/src"
    same kinds "$(tail -n +2 <<<"$output" | cut -d, -f4 | LC_ALL=C sort | uniq -c | xargs)" "10 cut 10 delay 30 normal"
}

@test "trace build: what is refused" {
    ks trace build
    fails 2 "--out: a file for the data set, or --plan"
    ks trace build --plan --rows=10 --libexec="$KS_BUILD_ROOT/src"
    fails 2 "rows: at least 52 for 13 kinds"
    ks trace build --plan --kind=worse
    fails 2 "--kind: 'worse' is no kind of trace"
    ks trace build --plan --kind=poisoned
    fails 4 "--kind: 'poisoned': no program was given by --poisoned-worker"
    ks trace build --plan --anomalies=51
    same status "$status" 2
    ks trace build --out=rows.csv --devices=0
    fails 2 "--devices: at least 1"
    ks trace build --out=rows.csv --devices=33
    same status "$status" 2
    holds
    # Files that are something else stay as they are.
    printf 'a,b\n1,2\n' >other.csv
    ks trace build --out=other.csv --rows=100 --kind=delay
    same status "$status" 3
    same file "$(cat other.csv)" "$(printf 'a,b\n1,2')"
}

@test "trace build: without the programs of a site there is no data set, and it says so" {
    mkdir alone
    cp "$KETSEAL" alone # away from where a build has them
    run --separate-stderr alone/ketseal -q trace build --out=rows.csv --rows=100 --kind=delay --libexec=alone
    same status "$status" 4
    [[ $stderr == "ketseal: the site 'honest': there is no "* ]]
    same rows "$(wc -l <rows.csv)" 1
}
