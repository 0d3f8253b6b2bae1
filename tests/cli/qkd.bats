#!/usr/bin/env bats
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# qkd simulate: keys, eavesdroppers, tables, and what it refuses.

# shellcheck disable=SC2154 # bats sets status, output, stderr
load helper

# A small block that gives a key within a second.
small() {
    ks qkd simulate --distance=0 --efficiency=1 --dark=0 --misalignment=0.005 --signal=1.04 --decoy=0.4 \
        --p-signal=0.25 --p-decoy=0.55 --basis-x=0.76 --secrecy=1e-3 --pulses=300000 --seed=5 "$@"
}

@test "flags" {
    ks qkd simulate --eve=mallory
    fails 2 "--eve: none, intercept:SHARE or pns:SHARE, not 'mallory'"
    ks qkd simulate --eve=intercept:2
    fails 2 "share of the eavesdropper: from 0 to 1"
    ks qkd simulate --distance=far
    fails 2 "--distance: 'far' is neither KM nor FROM:TO:STEP"
    ks qkd simulate --distance=0:10
    fails 2 "--distance: '0:10' is neither KM nor FROM:TO:STEP"
    ks qkd simulate --distance=10 --distance=5
    fails 2 "--distance: name them in ascending order"
    ks qkd simulate --rate=0
    fails 2 "--rate: over 0, up to 1e+12"
    ks qkd simulate --dark=some
    fails 2 "--dark: 'some' is no number"
    ks qkd simulate --blocks=0
    fails 2 "--blocks: at least 1"
    ks qkd simulate --signal=0.1
    fails 2 "intensities: signal over decoy and vacuum together, decoy over vacuum"
    holds
}

@test "a key, and the same again" {
    small --blocks=2
    same status "$status" 0
    [[ $output == *"  key"* ]]
    first=$(printf '%s\n' "$output" | awk '{print $1, $2, $3, $8}')
    small --blocks=2
    same "second run" "$(printf '%s\n' "$output" | awk '{print $1, $2, $3, $8}')" "$first"
}

@test "an eavesdropper: no key, status 1" {
    small --eve=intercept:0.5
    same status "$status" 1
    [[ $output == *"no secret bits are left"* ]]
}

@test "tables and one object" {
    ks --json qkd simulate --distance=0 --efficiency=1 --dark=0 --misalignment=0.005 --signal=1.04 --decoy=0.4 \
        --p-signal=0.25 --p-decoy=0.55 --basis-x=0.76 --secrecy=1e-3 --pulses=300000 --seed=5 --out=o --no-figure
    same status "$status" 0
    is_json ketseal.qkd-simulate/1
    holds o/qkd-blocks.csv o/qkd.csv
    [[ $(head -n 1 o/qkd-blocks.csv) == distance_km,block,outcome,* ]]
    [[ $(sed -n 2p o/qkd-blocks.csv) == 0,0,key,300000,* ]]
    [[ $(sed -n 2p o/qkd.csv) == finite,0,* ]]
}
