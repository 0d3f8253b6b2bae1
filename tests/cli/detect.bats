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
    fails 3 "short.csv:3: 3 cells, the first line names 4 columns"
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
