#!/bin/sh
# SPDX-FileCopyrightText: The ketseal authors
# SPDX-License-Identifier: Apache-2.0
#
# Makes a record of clifford_t_sampling on one SDK, verifies it, prints its hash.
#
#   ketseal-record SDK OUT
#
# Qubits, depth, seed and shots: $QUBITS, $DEPTH, $SEED, $SHOTS.
set -eu
sdk=$1
out=$2
ketseal -q record make --framework "$sdk" --n-qubits "${QUBITS:-3}" --depth "${DEPTH:-2}" \
    --seed "${SEED:-1234}" --shots "${SHOTS:-1024}" --out "$out"
ketseal record verify "$out"
ketseal record hash "$out"
