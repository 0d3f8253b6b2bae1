#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# detect train, score, explain, evaluate.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

# 400 rows on a line with some wobble, and four that are not on it.
make_rows() {
    awk 'BEGIN {
        print "a,b,c,label,kind"
        for (i = 0; i < 400; i++) printf "%.3f,%.3f,%d,0,\n", i % 20 + (i * 7 % 13) / 13, i * 11 % 29 / 29, i % 2
        print "100,0.5,0,1,far"; print "-90,0.2,1,1,far"; print "10,44,0,1,high"; print "3,-50,1,1,high"
    }' >rows.csv
    cut -d, -f1-3 rows.csv >plain.csv
}

@test "detect train and score: a model, and the rows that are strange with their reason" {
    make_rows
    ks -q detect train --contamination=0.01 --out=m.forest --label=label --kind=kind rows.csv
    same status "$status" 0
    [[ $output == "100 trees of 256 rows out of 404, 3 features, "*"threshold 0."*": 4 rows are anomalies" ]]
    ks -q detect score --model=m.forest --out=scores.csv plain.csv
    says 0 "" ""
    same head "$(head -1 scores.csv)" "row,score,path,anomaly,reason,robust_z"
    same strange "$(awk -F, '$4 == 1 {print $1 ":" $5}' scores.csv | tr '\n' ' ')" "401:a 402:a 403:b 404:b "
    # The same by a pipe, by several threads, and from the model trained again.
    "$KETSEAL" -q detect score --model=m.forest --threads=3 - <plain.csv >again.csv
    cmp scores.csv again.csv
    "$KETSEAL" -q detect train --contamination=0.01 --out=n.forest plain.csv
    cmp m.forest n.forest
}

@test "detect explain: reasons that add up" {
    make_rows
    "$KETSEAL" -q detect train --contamination=0.01 --out=m.forest plain.csv >/dev/null
    ks detect explain --model=m.forest --row=402 --reasons=1 plain.csv
    same status "$status" 0
    [[ ${lines[0]} == "row 402: score 0."*" (baseline 0."*"), an anomaly" ]]
    [[ ${lines[1]} == "  +0."*"  a = -90, -"*" spreads from the median" ]]
    same lines "${#lines[@]}" 2
    ks --json detect explain --model=m.forest plain.csv
    is_json ketseal.detect-explain/1
    same rows "$(jq -c '[.rows[].row]' <<<"$output")" "[401,402,403,404]"
    same sums "$(jq '[.rows[] | (.score - .baseline - ([.reasons[].contribution] | add)) | fabs] | max < 1e-12' <<<"$output")" true
    ks detect explain --model=m.forest --row=405 plain.csv
    fails 2 "--row: '405' is no row of 1 to 404"
}

@test "detect evaluate: areas, counts, kinds; the label is never a feature" {
    make_rows
    ks --json detect evaluate --label=label --kind=kind --contamination=0.01 --seed=3 rows.csv
    is_json ketseal.detect-evaluate/1
    same counts "$(jq -c '[.anomalies, .features, .true_positives, .roc_auc, [.kinds[].kind]]' <<<"$output")" \
        '[4,3,4,1,["far","high"]]'
    "$KETSEAL" -q detect train --seed=3 --contamination=0.01 --out=m.forest plain.csv >/dev/null
    same model "$(jq -r .model <<<"$output")" "$("$KETSEAL" --json detect train --seed=3 --contamination=0.01 --out=n.forest plain.csv | jq -r .model)"
    ks detect evaluate --label=label --kind=kind --model=m.forest rows.csv
    same status "$status" 0
    [[ $output == *"ROC-AUC 1.0000"*"far"*"found 100.0 %"* ]]
}

@test "detect: what is wrong with a file is said with its place" {
    make_rows
    "$KETSEAL" -q detect train --out=m.forest plain.csv >/dev/null
    printf 'a,b,c\n1,2,x\n' >text.csv
    ks detect train --out=t.forest text.csv
    fails 3 "text.csv:2:5: 'x' is no finite number"
    [ ! -e t.forest ]
    printf 'a,b,c\n1,2,nan\n' >nan.csv
    ks detect score --model=m.forest nan.csv
    fails 3 "nan.csv:2:5: 'nan' is no finite number"
    printf 'a,b\n1,2\n' >missing.csv
    ks detect score --model=m.forest missing.csv
    fails 3 "missing.csv: the model was trained on a column 'c', which is not among the features here"
    ks detect score --model=m.forest rows.csv
    fails 3 "rows.csv: the model knows no column 'label'; --ignore leaves it out"
    ks -q detect score --model=m.forest --ignore=label --ignore=kind rows.csv
    same status "$status" 0
    printf 'a,b,c,d\n1,2,3,0\n1,2,3\n' >short.csv
    ks detect train --out=t.forest short.csv
    fails 3 "short.csv:3:5: 3 cells, the first line names 4 columns"
    printf 'a,label\n1,yes\n' >label.csv
    ks detect evaluate --label=label label.csv
    fails 3 "label.csv:2:3: a label is 0 or 1"
    ks detect evaluate --label=none rows.csv
    fails 6 "rows.csv: no column 'none'"
    printf 'a\n1\n' >one.csv
    ks detect train --out=t.forest one.csv
    fails 3 "one.csv: 1 rows: a forest grows from two or more"
    printf 'a\n' >none.csv
    ks detect train --out=t.forest none.csv
    fails 3 "none.csv: 0 rows: a forest grows from two or more"
    printf 'a\n1\n1\n' >constant.csv
    ks detect train --out=t.forest constant.csv
    fails 3 "constant.csv: every feature is constant: nothing tells rows apart"
    ks detect train --contamination=0.7 --out=t.forest plain.csv
    fails 2 "--contamination: contamination outside 0 to 0.5"
    ks detect evaluate --label=label --ignore=label rows.csv
    fails 2 "column 'label' has two roles"
    [ ! -e t.forest ]
}

@test "detect: a model that was cut or changed, or is none" {
    make_rows
    "$KETSEAL" -q detect train --out=m.forest plain.csv >/dev/null
    head -c 5000 m.forest >cut.forest
    ks detect score --model=cut.forest plain.csv
    fails 3 "cut.forest: model: cut short"
    { head -c 3000 m.forest; printf X; tail -c +3002 m.forest; } >changed.forest
    ks detect score --model=changed.forest plain.csv
    fails 1 "changed.forest: model: its bytes do not have the hash that they end with"
    ks detect score --model=plain.csv plain.csv
    fails 3 "plain.csv: not a model of ketseal.forest/1"
    ks --json detect score --model=m.forest plain.csv
    same status "$status" 2
}

# Rows of a pipe: 300 like those that the model knows, then 300 elsewhere.
make_stream() {
    make_rows
    "$KETSEAL" -q detect train --contamination=0.01 --out=m.forest plain.csv >/dev/null
    awk 'BEGIN {
        print "a,b,c"
        for (i = 0; i < 600; i++) printf "%.3f,%.3f,%d\n", i % 20 + (i * 7 % 13) / 13 + (i < 300 ? 0 : 500), i * 11 % 29 / 29, i % 2
    }' >stream.csv
}

@test "detect follow: every row has its line and its model, none is lost where models change" {
    make_stream
    mkdir models
    "$KETSEAL" detect follow --model=m.forest --every=100 --batch=0 --window=200 --delay=3 --models=models stream.csv >out.csv 2>err.txt
    same head "$(head -1 out.csv)" "row,score,path,anomaly,model,reason,robust_z"
    same rows "$(tail -n +2 out.csv | cut -d, -f1 | tr '\n' ' ')" "$(seq -s ' ' 600) "
    # Models are due behind rows 100, 200, …, and three rows later there.
    same changes "$(tail -n +2 out.csv | awk -F, '$5 != last {printf "%s ", $1; last = $5}')" "1 104 204 304 404 504 "
    # What they say is what the models that were kept say of these rows.
    first=$(sed -n 2p out.csv | cut -d, -f5)
    same first "$first" "$(tail -c 32 m.forest | od -An -tx1 | tr -d ' \n')"
    for model in $(tail -n +2 out.csv | cut -d, -f5 | uniq | tail -n +2); do
        "$KETSEAL" -q detect score --model="models/$model.forest" stream.csv | cut -d, -f1-4 >scores.csv
        awk -F, -v m="$model" '$5 == m' out.csv | cut -d, -f1-4 >of_model.csv
        same "$model" "$(grep -cxFf of_model.csv scores.csv)" "$(wc -l <of_model.csv)"
    done
    grep -q "row 100: a new model is due" err.txt
    grep -q "row 104: the first of model" err.txt
}

@test "detect follow: drift is found, and the pipe may be cut anywhere" {
    make_stream
    ks --json detect follow --model=m.forest --batch=100 - <stream.csv
    same status "$status" 0
    same drift "$(jq -c 'select(.drifted) | [.row, .due]' <<<"$output" | tr '\n' ' ')" "[400,true] "
    same rows "$(jq -c .row <<<"$output" | tr '\n' ' ')" "$(seq -s ' ' 600) "
    same over "$(jq -c 'select(.handed_over) | .row' <<<"$output" | tr '\n' ' ')" "401 "
    printf '%s\n' "$output" >straight.json
    # In three pieces with a state between them, the last line without its end: the same lines.
    head -151 stream.csv >one.csv
    { head -1 stream.csv; sed -n '152,402p' stream.csv; } >two.csv
    { head -1 stream.csv; tail -n +403 stream.csv; } | head -c -1 >three.csv
    "$KETSEAL" -q --json detect follow --model=m.forest --batch=100 --state=s one.csv >pieces.json
    "$KETSEAL" -q --json detect follow --state=s two.csv >>pieces.json
    "$KETSEAL" -q --json detect follow --state=s three.csv >>pieces.json
    cmp straight.json pieces.json
}

refuses() { # STATUS WORDS
    same status "$status" "$1"
    [[ $stderr == *"$2"* ]]
}

@test "detect follow: what it refuses" {
    make_stream
    ks detect follow stream.csv
    refuses 2 "--model: a stream begins with a model"
    ks detect follow --model=m.forest --window=10 stream.csv
    refuses 2 "a window of 10 rows"
    printf 'a,b,c\n1,2,0\n1,x,0\n' >bad.csv
    ks -q detect follow --model=m.forest --state=s bad.csv
    same status "$status" 3
    same lines "${#lines[@]}" 2 # the row before it was judged
    [[ $stderr == *"bad.csv, row 2:2:3"* ]]
    printf 'a,b\n1,2\n' >less.csv
    ks detect follow --model=m.forest less.csv
    refuses 3 "trained on a column 'c'"
    : >empty.csv
    ks detect follow --model=m.forest empty.csv
    refuses 3 "no line of names"
    printf 'x' | dd of=s bs=1 seek=100 conv=notrunc 2>/dev/null
    ks detect follow --state=s stream.csv
    same status "$status" 1
}

# Each kind of bad input by each command that it can be given to, with the whole of what is said.
@test "detect: bad tables, each at its place" {
    make_rows
    "$KETSEAL" -q detect train --out=m.forest plain.csv >/dev/null
    bad() { # STATUS DETAIL: of bad.csv
        local command
        for command in "train --out=t.forest" "score --model=m.forest" "explain --model=m.forest" "figures --no-figure --out=o" report; do
            # shellcheck disable=SC2086 # words
            ks detect $command bad.csv
            fails "$1" "$2"
        done
        [ ! -e t.forest ] && [ ! -e o ]
    }
    printf 'a,b,b\n1,2,3\n' >bad.csv
    bad 3 "bad.csv:1:5: columns 2 and 3 are both called 'b'"
    printf 'a,,c\n1,2,3\n' >bad.csv
    bad 3 "bad.csv:1:3: column 2 has no name"
    printf 'a,b,c\n1,2,3\n4,5\n' >bad.csv
    bad 3 "bad.csv:3:3: 2 cells, the first line names 3 columns"
    printf 'a,b,c\n1,2,3\n4,5,6,7\n' >bad.csv
    bad 3 "bad.csv:3:7: 4 cells, the first line names 3 columns"
    for word in NaN -nan inf Infinity -inf 1e999 text 0x1p3; do
        printf 'a,b,c\n1,2,3\n4,%s,6\n' "$word" >bad.csv
        bad 3 "bad.csv:3:3: '$word' is no finite number"
    done
    printf 'a,b,c\n1,2,3\n4,"5,6\n7,8,9\n' >bad.csv
    bad 3 "bad.csv:3:3: this quote is never closed"
    printf 'a,b,c\n1,2,3\n4,5"5,6\n' >bad.csv
    bad 3 "bad.csv:3:4: a quote inside a cell without quotes"
    printf 'a,b,c\n1,\377,3\n' >bad.csv
    bad 3 "bad.csv: not a text in UTF-8"
    : >bad.csv
    bad 3 "bad.csv:1:1: expected a line with the columns' names"
    seq -s, 1000000 >bad.csv
    bad 3 "bad.csv:1:4014: over 1024 columns"
    ks detect train --out=t.forest absent.csv
    same status "$status" 6
}

@test "detect: columns of another schema, too few rows, nothing that varies, anomalies alone" {
    make_rows
    "$KETSEAL" -q detect train --out=m.forest plain.csv >/dev/null
    for command in score explain figures report; do
        flags=(--model=m.forest)
        [ "$command" != figures ] || flags+=(--no-figure --out=o)
        printf 'a,b,x\n1,2,3\n' >bad.csv
        ks detect "$command" "${flags[@]}" bad.csv
        fails 3 "bad.csv: the model was trained on a column 'c', which is not among the features here"
        printf 'a,b,c,d\n1,2,3,4\n' >bad.csv
        ks detect "$command" "${flags[@]}" bad.csv
        fails 3 "bad.csv: the model knows no column 'd'; --ignore leaves it out"
        printf 'a,b,c\n' >bad.csv
        ks detect "$command" "${flags[@]}" bad.csv
        fails 3 "bad.csv: no rows"
    done
    for command in "train --out=t.forest" "figures --no-figure --out=o" report; do
        printf 'a,b\n' >bad.csv
        # shellcheck disable=SC2086 # words
        ks detect $command bad.csv
        fails 3 "bad.csv: 0 rows: a forest grows from two or more"
        printf 'a,b\n1,2\n' >bad.csv
        # shellcheck disable=SC2086
        ks detect $command bad.csv
        fails 3 "bad.csv: 1 rows: a forest grows from two or more"
        printf 'a,b\n1,\n1,NA\n1,7\n' >bad.csv
        # shellcheck disable=SC2086
        ks detect $command bad.csv
        fails 3 "bad.csv: every feature is constant: nothing tells rows apart"
        # shellcheck disable=SC2086
        ks detect $command --contamination=1.5 plain.csv
        fails 2 "--contamination: contamination outside 0 to 0.5"
    done
    [ ! -e t.forest ] && [ ! -e o ]
    # One row is scored; a constant feature beside one that varies is no harm, and no reason.
    printf 'a,b,c\n500,0.1,0\n' >one.csv
    ks -q detect score --model=m.forest one.csv
    [[ $output == *$'\n1,0.'*,1,a,* ]]
    printf 'a,k\n1,5\n2,5\n3,5\n90,5\n' >constant.csv
    ks -q --json detect evaluate --label=k --ignore=a constant.csv
    [ "$status" -ne 0 ]
    "$KETSEAL" -q detect train --contamination=0.25 --out=k.forest constant.csv >/dev/null
    ks --json detect explain --model=k.forest constant.csv
    same reasons "$(jq -c '[.rows[0].row, .rows[0].reasons[0].feature, (.rows[0].reasons[] | select(.feature == "k") | .contribution)]' <<<"$output")" \
        '[4,"a",0]'
    # More anomalies than normal rows are, or can be: labels of one kind alone.
    for label in 0 1; do
        printf 'a,label\n1,%s\n2,%s\n3,%s\n' "$label" "$label" "$label" >alone.csv
        ks detect evaluate --label=label alone.csv
        fails 3 "alone.csv: 3 rows, $((3 * label)) of them labelled as anomalies: expected both kinds"
        ks detect report --label=label alone.csv
        fails 3 "alone.csv: 3 rows, $((3 * label)) of them labelled as anomalies: expected both kinds"
    done
    printf 'a,label\n1,1\n2,1\n3,1\n9,0\n' >most.csv
    ks --json detect evaluate --label=label --contamination=0.5 most.csv
    is_json ketseal.detect-evaluate/1
    same counts "$(jq -c '[.anomalies, .rows]' <<<"$output")" '[3,4]'
}

@test "detect: models that were cut, flipped, or are of another schema, by each command" {
    make_rows
    "$KETSEAL" -q detect train --contamination=0.01 --out=m.forest plain.csv >/dev/null
    size=$(stat -c %s m.forest)
    each() { # STATUS DETAIL: of bad.forest
        local command
        for command in score explain report "figures --no-figure --out=o"; do
            # shellcheck disable=SC2086 # words
            ks detect $command --model=bad.forest plain.csv
            fails "$1" "bad.forest: $2"
        done
        ks detect evaluate --label=label --kind=kind --model=bad.forest rows.csv
        fails "$1" "bad.forest: $2"
    }
    : >bad.forest
    each 3 "model: cut short, 17 bytes needed where 0 are left"
    head -c $((size - 1)) m.forest >bad.forest
    each 3 "model: cut short, 32 bytes needed where 31 are left"
    { cat m.forest; printf X; } >bad.forest
    each 3 "model: 1 bytes too many"
    sed '1s,forest/1,forest/2,' m.forest >bad.forest
    each 3 "not a model of ketseal.forest/1"
    # A bit of the seed, of a leaf, of the hash.
    for at in 20 $((size - 700)) $((size - 1)); do
        python3 - "$at" <<'FLIP'
import sys
data = bytearray(open('m.forest', 'rb').read())
data[int(sys.argv[1])] ^= 1
open('bad.forest', 'wb').write(data)
FLIP
        each 1 "model: its bytes do not have the hash that they end with"
    done
    [ ! -e o ]
}
