#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# fl: what is said before a site is asked; the rest is tests/integration/fl.sh.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

session=0123456789abcdef0123456789abcdef

make_model() {
    "$KETSEAL" learn generate --hours=500 --out=city.csv
    "$KETSEAL" -q learn train --schema=city-air --test-from='2024-01-15 00:00:00' --model=linear --epochs=0 --out=m.safetensors city.csv >/dev/null
}

@test "fl: what is no session, no model, no number" {
    for verb in start pause resume stop status records; do
        ks fl "$verb" --url=https://127.0.0.1:1 x
        fails 2 "'x' is no session: 32 hexadecimal digits"
    done
    ks fl fetch --url=https://127.0.0.1:1 --out=m x
    fails 2 "'x' is no session: 32 hexadecimal digits"
    ks fl record --url=https://127.0.0.1:1 --out=m x
    fails 2 "'x' is no job id"
    ks fl join x data
    fails 2 "'x' is no session: 32 hexadecimal digits"
    ks fl join --threads=0 "$session" data
    fails 2 "--threads: at least 1"
    printf '{' >bad
    ks fl create --url=https://127.0.0.1:1 bad
    refuses 3 "bad: "
    make_model
    ks fl create --url=https://127.0.0.1:1 --rate=fast m.safetensors
    refuses 3 "--rate: "
    ks fl create --url=https://127.0.0.1:1 --operator=nobody m.safetensors
    refuses 6 "nobody/operator.key"
    ks fl join "$session" --schema=city-air --test-from='2024-01-15 00:00:00' --device=nobody city.csv
    fails 2 "url: missing, and there is no nobody/url"
    holds bad city.csv m.safetensors
}
