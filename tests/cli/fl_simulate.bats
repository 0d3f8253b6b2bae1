#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# fl simulate: its errors, and what a small session says and leaves. On real data: tests/integration/fl_simulate.sh.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

small=(--clients=20 --params=50 --fraction=0.5 --no-figure)

make_sites() {
    mkdir sites
    for site in 1 2 3; do
        "$KETSEAL" learn generate --site=$site --hours=600 --out=sites/site-$site.csv
    done
}

@test "fl simulate: flags that cannot be" {
    ks fl simulate
    fails 2 "data to train on, or --params for numbers of nobody"
    ks fl simulate --params=0
    fails 2 "--params: at least 1"
    ks fl simulate --params=5 nowhere
    fails 2 "--params: the model decides it where there are data"
    ks fl simulate nowhere
    refuses 6 "nowhere/train-images-idx3-ubyte"
    ks fl simulate --clients=20 --params=50 --fraction=2
    fails 2 "--fraction: above 0, at most 1"
    ks fl simulate "${small[@]}" --updates=9 --invite=8
    fails 2 "--updates-min, --updates, --invite: from 1 on, none above the next"
    ks fl simulate "${small[@]}" --rounds=0
    fails 2 "--rounds: at least 1"
    ks fl simulate "${small[@]}" --samples-max=429496730
    fails 2 "--samples-max: at most 429496729, or a few clients fill a sum"
    ks fl simulate "${small[@]}" --dropout=1
    fails 2 "a dropout from 0 to below 1"
    ks fl simulate "${small[@]}" --attack=alie
    fails 2 "--attack: by how many --attackers?"
    ks fl simulate "${small[@]}" --attackers=2 --attack=lie
    fails 2 "--attack: none, sign-flip, label-flip, mimic, ipm, alie or gaussian, not 'lie'"
    ks fl simulate "${small[@]}" --attackers=2 --attack=label-flip
    fails 2 "--attack: there are no labels to flip"
    ks fl simulate "${small[@]}" --attackers=2 --attack=ipm --invite=12
    fails 2 "ipm knows what all send: as many updates as are invited"
    ks fl simulate "${small[@]}" --rule=best
    refuses 2 "--rule: "
    ks fl simulate "${small[@]}" --rule=krum --stands=4
    refuses 3 "krum"
    ks fl simulate "${small[@]}" --rule=median --memory=0
    fails 3 "rule 'median' over 10 rows of 50 numbers takes 4 MiB, at most 0"
    ks fl simulate "${small[@]}" --rule=fltrust
    fails 2 "--rule: fltrust needs data that the server has"
    ks fl simulate "${small[@]}" --server=scaffold --optimiser=adam
    fails 2 "--server: scaffold corrects steps of sgd"
    ks fl simulate "${small[@]}" --async=5 --rule=median
    fails 2 "--async: goes with the rule mean alone"
    ks fl simulate "${small[@]}" --async=5 --staleness=none
    fails 2 "--staleness: constant, root or inverse, not 'none'"
    ks fl simulate "${small[@]}" --samples-max=3 --rounds=1 --tune=10001
    fails 2 "--tune: '10001' is no number from 0 to 10000"
    ks fl simulate "${small[@]}" --samples-max=3 --rounds=1
    [ "$status" -eq 0 ]
    ks fl simulate "${small[@]}" --threads=0
    fails 2 "--threads: at least 1"
    holds
}

@test "fl simulate: a session, its state and its records" {
    ks --json fl simulate "${small[@]}" --rounds=2 --state=state --out=out
    [ "$status" -eq 0 ] && [ "$(wc -l <<<"$output")" -eq 3 ]
    [ "$(jq -sc '[.[0,1].counted, .[2].rounds]' <<<"$output")" = '[10,10,2]' ]
    [ "$(jq -r '.model // empty' <<<"$output" | tail -1)" = "$(sha256sum out/model.safetensors | cut -d' ' -f1)" ]
    ls out >files
    same files "$(tr '\n' ' ' <files)" "client_loss.csv clients.csv model.safetensors participation.csv records.jsonl rounds.csv "
    [ "$(wc -l <out/clients.csv)" -eq 21 ]
    ks record verify out/records.jsonl
    [ "$status" -eq 0 ] && [[ $output == "OK: simulated, 2 rounds, 20 updates, by keys "* ]]
    # The same command has nothing left to do, another one another session.
    cp out/rounds.csv before
    ks --json fl simulate "${small[@]}" --rounds=2 --state=state --out=out --tune=1 --threads=2 --memory=9 --commit-every=9
    [ "$status" -eq 0 ] && [ "$(wc -l <<<"$output")" -eq 1 ]
    cmp before out/rounds.csv
    ks fl simulate "${small[@]}" --rounds=3 --state=state
    fails 5 "state folder: the state is of another simulation: other flags, or other data"
    mkdir busy
    run --separate-stderr flock busy "$KETSEAL" fl simulate "${small[@]}" --state=busy
    fails 5 "busy: in use"
    # A record that was changed.
    sed '3s/"samples":[0-9]*/"samples":1000/' out/records.jsonl >changed
    ks record verify changed
    fails 1 "changed: line 12: its updates are not those before it"
    ks --json record verify changed
    [ "$status" -eq 1 ] && [ "$(jq -c '[.verified, .record_schema]' <<<"$output")" = '[false,"ketseal.fl-simulated/1"]' ]
    ks verify out/records.jsonl
    [ "$status" -ne 0 ]
}

@test "fl simulate: members of a bucket share its part" {
    ks fl simulate "${small[@]}" --updates=9 --rule=rfa --bucket=2 --out=dealt
    [ "$status" -eq 0 ]
    tail -n +2 dealt/clients.csv | awk -F, '{ sum += $11 } END { exit !(NR == 9 && sum > 0.999999 && sum < 1.000001) }'
}

@test "fl simulate: sites of sensors" {
    make_sites
    ks fl simulate --schema=city-air --test-from='2024-01-20 00:00:00' --model=linear --optimiser=adam --rate=0.01 --fraction=1 \
        --rounds=2 --local --no-figure --out=out sites
    [ "$status" -eq 0 ] && [ "$(grep -c '^site-[123]: federated ' <<<"$output")" -eq 3 ]
    [ "$(wc -l <out/sites.csv)" -eq 4 ]
    [[ $stderr == *"3 clients, "*"isolation: none"* ]]
    # What diverges ends, also where no round does.
    ks -q fl simulate --schema=city-air --test-from='2024-01-20 00:00:00' --model=linear --rate=500 --async=2 --concurrent=3 --no-figure sites
    fails 3 "round 1: 31 updates in a row were refused: step 5: the loss is no number any more; a smaller rate may help"
    mkdir none
    ks fl simulate --schema=city-air none
    fails 6 "none: no tables (.csv, .csv.gz)"
    cp sites/site-1.csv 'sites/a b.csv'
    ks fl simulate --schema=city-air --test-from='2024-01-20 00:00:00' sites
    fails 2 "'sites/a b.csv': a site's file is named by letters, digits, '-' and '_'"
}

@test "fl simulate: a state is of its tables and its model" {
    make_sites
    model() { # KIND of what is behind the first layer
        printf 'name: small\nloss: squared\nlayers:\n  - {kind: dense, units: 4}\n  - {kind: %s}\n  - {kind: dense}\n' "$1" >model.yaml
    }
    goes() {
        ks fl simulate --schema=city-air --test-from='2024-01-20 00:00:00' --model=./model.yaml --optimiser=adam --rate=0.01 \
            --fraction=1 --rounds=1 --no-figure --state=state sites
    }
    model relu
    goes
    [ "$status" -eq 0 ]
    model tanh
    goes
    fails 5 "state folder: the state is of another simulation: other flags, or other data"
    model relu
    # A reading that is an input alone, of training and of test.
    cp sites/site-2.csv kept
    for day in 2024-01-05 2024-01-24; do
        awk -F, -v OFS=, -v hour="${day}T12:00:00Z" '$1 == hour { $7 += 1 } { print }' kept >sites/site-2.csv
        ! cmp -s kept sites/site-2.csv
        goes
        fails 5 "state folder: the state is of another simulation: other flags, or other data"
    done
    cp kept sites/site-2.csv
    goes
    [ "$status" -eq 0 ]
}
